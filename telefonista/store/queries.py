"""What is asked of the tables, as plain values that JSON can carry; times are ISO 8601 in UTC.

In go filters, out come dictionaries: whoever shows or counts them needs no SQLAlchemy. Reads only.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select
from sqlalchemy.orm import aliased

from telefonista.store.mapping import table_of
from telefonista.store.tables import (
    AgentPresence,
    Base,
    Call,
    Choice,
    Conversation,
    Leg,
    Offer,
    Recording,
    Unprojected,
    Visit,
)

Plain = dict[str, Any]

_PARAMETERS = 1_000
"""In one statement; both databases have a limit, far above this."""


def list_calls(
    connection: Connection,
    *,
    limit: int = 100,
    since: datetime | None = None,
    until: datetime | None = None,
    citizen: str | None = None,
    call: str | None = None,
) -> list[Plain]:
    """The newest calls, newest first, each with all that belongs to it.

    `since` and `until` bound the arrival ([since, until), with a time zone), `citizen` is a number in E.164, `call` an
    id. A call's `citizen` is None or its number with the count of calls that arrived before it.
    """
    calls = table_of(Call)
    earlier = aliased(calls)
    count = (
        select(func.count())
        .where(earlier.c.citizen == calls.c.citizen, earlier.c.arrived_at < calls.c.arrived_at)
        .scalar_subquery()
    )
    query = select(calls, count.label("earlier_calls")).order_by(calls.c.arrived_at.desc(), calls.c.id.desc())
    if since is not None:
        query = query.where(calls.c.arrived_at >= since)
    if until is not None:
        query = query.where(calls.c.arrived_at < until)
    if citizen is not None:
        query = query.where(calls.c.citizen == citizen)
    if call is not None:
        query = query.where(calls.c.id == call)
    found = _rows(connection, query.limit(limit))
    ids = [row["id"] for row in found]
    parts = {
        "legs": _parts(connection, Leg, ids, by="started_at"),
        "visits": _parts(connection, Visit, ids, by="started_at"),
        "conversations": _parts(connection, Conversation, ids, by="started_at"),
        "recordings": _parts(connection, Recording, ids, by="asked_at"),
        "choices": _parts(connection, Choice, ids, by="seq"),
    }
    offers = _parts(connection, Offer, ids, by="made_at")
    for row in found:
        count_before = row.pop("earlier_calls")
        number = row["citizen"]
        row["citizen"] = None if number is None else {"number": number, "earlier_calls": count_before}
        for name, of_calls in parts.items():
            row[name] = of_calls.get(row["id"], [])
        for visit in row["visits"]:
            visit["offers"] = [offer for offer in offers.get(row["id"], []) if offer["visit"] == visit["id"]]
            visit["rings"] = len(visit["offers"])
    return found


def earlier_calls(connection: Connection, *, number: str, before: datetime) -> int:
    """How many calls of this number (E.164) arrived before a time."""
    calls = table_of(Call)
    return connection.scalar(select(func.count()).where(calls.c.citizen == number, calls.c.arrived_at < before)) or 0


def visits_between(connection: Connection, *, since: datetime | None, until: datetime | None) -> list[Plain]:
    """The visits that began in [since, until): queue, started_at, ended_at, outcome, lost."""
    visits = table_of(Visit)
    columns = (visits.c.queue, visits.c.started_at, visits.c.ended_at, visits.c.outcome, visits.c.lost)
    return _rows(connection, _between(select(*columns), visits.c.started_at, since=since, until=until))


def legs_between(connection: Connection, *, since: datetime | None, until: datetime | None) -> list[Plain]:
    """The legs that began in [since, until): route, started_at, rang_at, answered_at, ended_at, cause, lost."""
    legs = table_of(Leg)
    columns = (
        legs.c.route,
        legs.c.started_at,
        legs.c.rang_at,
        legs.c.answered_at,
        legs.c.ended_at,
        legs.c.cause,
        legs.c.lost,
    )
    return _rows(connection, _between(select(*columns), legs.c.started_at, since=since, until=until))


def conversations_between(connection: Connection, *, since: datetime | None, until: datetime | None) -> list[Plain]:
    """The conversations that began in [since, until): agent, queue, started_at, ended_at."""
    talks = table_of(Conversation)
    columns = (talks.c.agent, talks.c.queue, talks.c.started_at, talks.c.ended_at)
    return _rows(connection, _between(select(*columns), talks.c.started_at, since=since, until=until))


def presence_between(connection: Connection, *, since: datetime | None, until: datetime | None) -> list[Plain]:
    """The stretches of agents' presence that touch [since, until): agent, presence, call, started_at, ended_at (None:
    it lasts still). Not cut to the period."""
    points = table_of(AgentPresence)
    stretches = select(
        points.c.agent,
        points.c.presence,
        points.c.call,
        points.c.began_at.label("started_at"),
        func.lead(points.c.began_at, type_=points.c.began_at.type)
        .over(partition_by=points.c.agent, order_by=points.c.seq)
        .label("ended_at"),
        points.c.seq,
    )
    if since is not None:
        # Each agent's last point before the period says what it began with.
        before = select(func.max(points.c.seq)).where(points.c.began_at < since).group_by(points.c.agent)
        stretches = stretches.where(or_(points.c.began_at >= since, points.c.seq.in_(before)))
    spans = stretches.subquery()
    query = select(spans.c.agent, spans.c.presence, spans.c.call, spans.c.started_at, spans.c.ended_at)
    if since is not None:
        query = query.where(or_(spans.c.ended_at.is_(None), spans.c.ended_at > since))
    if until is not None:
        query = query.where(spans.c.started_at < until)
    return _rows(connection, query.order_by(spans.c.seq))


def set_aside(connection: Connection, *, limit: int = 100) -> list[Plain]:
    """The entries that could not be projected, oldest first."""
    table = table_of(Unprojected)
    return _rows(connection, select(table).order_by(table.c.seq).limit(limit))


def _between(query: Select[Any], column: Any, *, since: datetime | None, until: datetime | None) -> Select[Any]:
    if since is not None:
        query = query.where(column >= since)
    if until is not None:
        query = query.where(column < until)
    return query.order_by(column)


def _parts(connection: Connection, model: type[Base], calls: Sequence[str], *, by: str) -> dict[str, list[Plain]]:
    table = table_of(model)
    parts: defaultdict[str, list[Plain]] = defaultdict(list)
    for begin in range(0, len(calls), _PARAMETERS):
        some = calls[begin : begin + _PARAMETERS]
        for row in _rows(connection, select(table).where(table.c.call.in_(some)).order_by(table.c[by])):
            parts[row.pop("call")].append(row)
    return parts


def _rows(connection: Connection, query: Select[Any]) -> list[Plain]:
    # Names as plain strings: SQLAlchemy's own kind of them is not one to everybody.
    return [{str(name): _plain(value) for name, value in row._mapping.items()} for row in connection.execute(query)]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    return value.value if isinstance(value, Enum) else value
