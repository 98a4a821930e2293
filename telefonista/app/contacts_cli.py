"""What the store knows of contacts beyond the calls: who is to be called back, messages, who must not be called, who
wanted what, and why a contact came to whom it came.

Commands that `telefonista` itself has. Each reads the store; only `callbacks --cancel` needs a running engine, and only
`dnc` writes.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from sqlalchemy import Connection

from acd import explain
from telefonista.app import client
from telefonista.app.home import Home
from telefonista.app.reports import Sheet, open_store
from telefonista.app.terminal import HOME, HomeOption, JsonOption, config_home, fail, say, show
from telefonista.kernel.events import Medium, OfferMade
from telefonista.store.number import e164
from telefonista.store.queries import (
    audit_between,
    contacts,
    do_not_call,
    list_calls,
    may_call_again,
    must_not_call,
)

LimitOption = Annotated[int, typer.Option(help="At most so many.", min=1, max=10_000)]
AllOption = Annotated[bool, typer.Option("--all", help="Those that are over too, the newest first.")]
_LIMIT = 50

dnc = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Numbers that are never dialled, whoever asks.",
)


def add_commands(app: typer.Typer) -> None:
    """Give `telefonista` these commands."""
    app.command()(callbacks)
    app.command()(messages)
    app.command()(audit)
    app.command()(why)
    app.add_typer(dnc, name="dnc")


def callbacks(
    home: HomeOption = HOME,
    as_json: JsonOption = False,
    everything: AllOption = False,
    limit: LimitOption = _LIMIT,
    cancel: Annotated[str | None, typer.Option(help="Call this one off, by its id.")] = None,
) -> None:
    """Who is to be called back, the oldest first."""
    if cancel is not None:
        client.post(Home(home), f"/calls/{cancel}/cancel")
        say(f"{cancel} is called off")
        return
    found = _read(home, lambda rows: contacts(rows, medium=Medium.CALLBACK, open_only=not everything, limit=limit))
    show(found, as_json=as_json, render=_callbacks)


def messages(
    home: HomeOption = HOME, as_json: JsonOption = False, everything: AllOption = False, limit: LimitOption = _LIMIT
) -> None:
    """Messages that nobody has heard yet, the oldest first."""
    found = _read(home, lambda rows: contacts(rows, medium=Medium.VOICEMAIL, open_only=not everything, limit=limit))
    show(found, as_json=as_json, render=_messages)


def audit(home: HomeOption = HOME, as_json: JsonOption = False, limit: LimitOption = _LIMIT) -> None:
    """What people wanted done, to whom, and what was refused; the newest first."""
    found = _read(home, lambda rows: audit_between(rows, since=None, until=None, limit=limit))
    show(found, as_json=as_json, render=_audit)


def why(call: Annotated[str, typer.Argument(help="A call's id.")], home: HomeOption = HOME) -> None:
    """Of each offer of a call: why to this agent, and why to none of the others."""
    _, config = config_home(home)
    found = _read(home, lambda rows: list_calls(rows, call=call))
    if not found:
        fail(f"the store knows no call {call}; `telefonista calls --json` has their ids")
    for line in why_in_words(found[0], names={agent.id: agent.name for agent in config.agents}):
        say(line)


@dnc.command("list")
def listed(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """The numbers, each with the reason."""
    show(_read(home, do_not_call), as_json=as_json, render=_numbers)


@dnc.command()
def add(
    number: Annotated[str, typer.Argument(help="As it is dialled here, or with its country code.")],
    reason: Annotated[str, typer.Option("--why", help="Who asked for it, and when.")] = "",
    home: HomeOption = HOME,
) -> None:
    """Never dial this number again."""
    known = _number(home, number)
    new = _write(home, lambda rows: must_not_call(rows, number=known, why=reason, at=datetime.now(UTC)))
    say(f"{known} is not called any more" if new else f"{known} was on the list already")
    _tell(home)


@dnc.command()
def remove(number: Annotated[str, typer.Argument()], home: HomeOption = HOME) -> None:
    """This number may be dialled again."""
    known = _number(home, number)
    if not _write(home, lambda rows: may_call_again(rows, number=known)):
        fail(f"{known} is not on the list")
    say(f"{known} may be called again")
    _tell(home)


def why_in_words(call: dict[str, Any], *, names: Mapping[str, str]) -> list[str]:
    """The offers of a call as `list_calls` gives it; `names` are people's, by agent."""
    lines = [f"{call['id']}: {call['caller'] or 'unknown'} on {call['line']}, {_when(call['arrived_at'])}"]
    for visit in call["visits"]:
        end = visit["outcome"] or "waiting"
        lines.append(f"  queue {visit['queue']} from {_when(visit['started_at'])}: {end}")
        for offer in visit["offers"]:
            told = explain(
                OfferMade(
                    call=call["id"],
                    visit=visit["id"],
                    offer=offer["id"],
                    agent=offer["agent"],
                    leg=offer["leg"],
                    queue=visit["queue"],
                    because=offer["because"] or "",
                    passed_over=offer["passed_over"],
                    others=offer["others"],
                ),
                names=names,
            )
            lines.append(f"    {_when(offer['made_at'])} offered to {offer['agent']}: {offer['outcome'] or 'ringing'}")
            lines += [f"      {line}" for line in told]
    if not call["visits"]:
        lines.append("  it was in no queue")
    return lines


def _read(home: Path, ask: Callable[[Connection], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    with open_store(*config_home(home)).connect() as connection:
        return ask(connection)


def _write(home: Path, change: Callable[[Connection], bool]) -> bool:
    store = open_store(*config_home(home))
    with store.connect().execution_options(writes=True) as connection, connection.begin():
        return change(connection)


def _number(home: Path, number: str) -> str:
    _, config = config_home(home)
    known = e164(number, country=config.country)
    if known is None:
        fail(f"{number!r} is no telephone number of {config.country}, nor one with a country code")
    return known


def _tell(home: Path) -> None:
    """A running engine reads the list again; one that does not run will."""
    try:
        client.post(Home(home), "/do-not-call")
    except client.NotRunning:
        return


def _callbacks(found: list[dict[str, Any]]) -> Iterable[RenderableType]:
    table = Sheet("asked", "number", "queue", "tried", "last", "end", "id", spacious=False)
    for row in found:
        tries = row["attempts"]
        last = tries[-1]["outcome"] or "dialling" if tries else ""
        table.add(
            _when(row["waits_since"] or row["arrived_at"]),
            row["caller"],
            row["queue"] or "",
            str(len(tries)),
            last,
            row["end_reason"] or "",
            row["id"],
        )
    yield table
    yield "Call one off: telefonista callbacks --cancel ID"


def _messages(found: list[dict[str, Any]]) -> Iterable[RenderableType]:
    table = Sheet("left", "number", "queue", "end", "id", spacious=False)
    for row in found:
        table.add(
            _when(row["arrived_at"]),
            row["caller"] or "unknown",
            row["queue"] or "",
            row["end_reason"] or "",
            row["id"],
        )
    yield table
    yield "Where each recording lies: --json"


def _audit(found: list[dict[str, Any]]) -> Iterable[RenderableType]:
    table = Sheet("when", "who", "wanted", "of", "detail", "refused", spacious=False)
    for column in table.columns[:4]:
        column.no_wrap = True
        column.overflow = "fold"
    for row in found:
        detail = ", ".join(str(value) for value in row["detail"].values())
        table.add(
            _when(row["asked_at"]),
            row["by"],
            row["what"].removesuffix("Asked"),
            row["call"] or row["agent"] or "",
            detail,
            row["refused"] or "",
        )
    yield table


def _numbers(found: list[dict[str, Any]]) -> Iterable[RenderableType]:
    table = Sheet("number", "since", "why")
    for row in found:
        table.add(row["number"], _when(row["added_at"]), row["why"])
    yield table


def _when(moment: str) -> str:
    """Of an ISO 8601 time, as the calls' table shows it."""
    return moment[5:19].replace("T", " ")
