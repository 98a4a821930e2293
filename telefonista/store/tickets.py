"""Tickets: what a flow or a person passes on to the back office, and how far it is with it.

In go what is asked and by which key, out come numbers that citizens are told. The same key again opens no second
ticket. The last digit of a number is a check digit, so that one that was typed wrongly is not somebody else's.
Blocking: never on the loop.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from telefonista.kernel.ids import CallId
from telefonista.store.mapping import table_of
from telefonista.store.tables import Ticket, TicketState

FIRST_NUMBER = 100_000
_ATTEMPTS = 5
"""Two at the same instant choose the same number; one of them chooses again."""


class UnknownTicket(Exception):
    """There is no ticket of this number."""


def check_digit(digits: str) -> str:
    """By Luhn's formula (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 if place % 2 else 2)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def open_ticket(engine: Engine, *, key: str, call: CallId, topic: str, details: Mapping[str, str], at: datetime) -> str:
    """The number of the ticket that was opened under this key, now or before."""
    table = table_of(Ticket)
    for _ in range(_ATTEMPTS - 1):
        try:
            return _opened(engine, table, key=key, call=call, topic=topic, details=details, at=at)
        except IntegrityError:
            continue
    return _opened(engine, table, key=key, call=call, topic=topic, details=details, at=at)


def _opened(
    engine: Engine, table: Any, *, key: str, call: CallId, topic: str, details: Mapping[str, str], at: datetime
) -> str:
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        known = connection.scalar(select(table.c.number).where(table.c.key == key))
        if known is not None:
            return str(known)
        # Of equal length, numbers as texts are in the order of the numbers.
        last = connection.scalar(select(table.c.number).order_by(table.c.number.desc()).limit(1))
        body = str(FIRST_NUMBER if last is None else int(last[:-1]) + 1)
        number = body + check_digit(body)
        connection.execute(
            insert(table).values(
                number=number,
                key=key,
                call=call,
                topic=topic,
                details=dict(details),
                status=TicketState.OPEN,
                note="",
                opened_at=at,
                changed_at=at,
            )
        )
        return number


def ticket_status(engine: Engine, *, number: str) -> str:
    """One of `TicketState`; empty where there is no such ticket."""
    table = table_of(Ticket)
    with engine.connect() as connection:
        status = connection.scalar(select(table.c.status).where(table.c.number == number))
    return "" if status is None else TicketState(status).value


def change_ticket(engine: Engine, *, number: str, status: TicketState, note: str, at: datetime) -> None:
    """The back office says how far it is. Raises UnknownTicket."""
    table = table_of(Ticket)
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        changed = connection.execute(
            update(table).where(table.c.number == number).values(status=status, note=note, changed_at=at)
        )
        if not changed.rowcount:
            raise UnknownTicket(number)


def list_tickets(engine: Engine, *, status: TicketState | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """The newest, newest first, as plain values; times in ISO 8601."""
    table = table_of(Ticket)
    query = select(table).order_by(table.c.opened_at.desc(), table.c.number.desc()).limit(limit)
    if status is not None:
        query = query.where(table.c.status == status)
    with engine.connect() as connection:
        return [
            {
                str(name): value.isoformat()
                if isinstance(value, datetime)
                else value.value
                if isinstance(value, StrEnum)
                else value
                for name, value in row._mapping.items()
            }
            for row in connection.execute(query)
        ]
