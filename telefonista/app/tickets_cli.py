"""`telefonista tickets`: what citizens passed on to the back office, and how far it is, which flows tell who asks.

In: a home; a ticket's number. Out: lines for people, JSON for machines. No engine is needed: flows read the same table.
"""

import contextlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from sqlalchemy import Engine

from telefonista.app.reports import Sheet, open_store
from telefonista.app.terminal import HOME, HomeOption, JsonOption, config_home, fail, say, show
from telefonista.store.tables import TicketState
from telefonista.store.tickets import UnknownTicket, change_ticket, list_tickets

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="What was passed on to the back office, and how far it is.",
)


@app.command(name="list")
def listing(
    home: HomeOption = HOME,
    as_json: JsonOption = False,
    status: Annotated[TicketState | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int, typer.Option(help="The newest so many.", min=1, max=10_000)] = 50,
) -> None:
    """Tickets, the newest first."""
    with _store(home) as database:
        found = list_tickets(database, status=status, limit=limit)
    show(found, as_json=as_json, render=_sheet)


@app.command(name="set")
def change(
    number: Annotated[str, typer.Argument(help="As the citizen was told it.")],
    status: Annotated[TicketState, typer.Argument(help="What a citizen who asks is told from now on.")],
    home: HomeOption = HOME,
    note: Annotated[str, typer.Option(help="For those who read it; citizens are not told.")] = "",
) -> None:
    """Say how far the back office is."""
    with _store(home) as database:
        try:
            change_ticket(database, number=number, status=status, note=note, at=datetime.now(UTC))
        except UnknownTicket:
            fail(f"there is no ticket {number!r}")
    say(f"{number}: {status.value}")


@contextlib.contextmanager
def _store(home: Path) -> Iterator[Engine]:
    database = open_store(*config_home(home))
    try:
        yield database
    finally:
        database.dispose()


def _sheet(found: list[dict[str, Any]]) -> Iterable[RenderableType]:
    sheet = Sheet("number", "opened", "status", "topic", "details", "note")
    for row in found:
        details = ", ".join(f"{name} {value}" for name, value in row["details"].items())
        sheet.add(row["number"], row["opened_at"][:16], row["status"], row["topic"], details, row["note"])
    yield sheet
