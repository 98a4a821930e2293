"""What is asked of the tables, as plain values that JSON can carry; times are ISO 8601 in UTC.

In go filters, out come dictionaries: whoever shows or counts them needs no SQLAlchemy. Reads only, but for the list of
those who must not be called, which people write.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, delete, false, func, insert, null, or_, select
from sqlalchemy.orm import aliased

from telefonista.kernel.events import Medium, OfferOutcome
from telefonista.store.mapping import table_of
from telefonista.store.tables import (
    AgentPresence,
    Attempt,
    Audit,
    Base,
    Call,
    Choice,
    Conversation,
    Disposition,
    Diversion,
    DoNotCall,
    Hearing,
    Leg,
    Offer,
    Party,
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
        "attempts": _parts(connection, Attempt, ids, by="made_at"),
        "diversions": _parts(connection, Diversion, ids, by="seq"),
        "parties": _parts(connection, Party, ids, by="called_at"),
        "dispositions": _parts(connection, Disposition, ids, by="seq"),
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
    """The visits that began in [since, until): queue, medium, started_at, ended_at, outcome, lost."""
    visits = table_of(Visit)
    columns = (
        visits.c.queue,
        visits.c.medium,
        visits.c.started_at,
        visits.c.ended_at,
        visits.c.outcome,
        visits.c.lost,
    )
    return _rows(connection, _between(select(*columns), visits.c.started_at, since=since, until=until))


def legs_between(connection: Connection, *, since: datetime | None, until: datetime | None) -> list[Plain]:
    """The legs that began in [since, until): route, started_at, rang_at, answered_at, ended_at, cause, lost. An attempt
    to call a citizen back is one; when the talk that followed ended is not known of it."""
    legs, attempts = table_of(Leg), table_of(Attempt)
    columns = (
        legs.c.route,
        legs.c.started_at,
        legs.c.rang_at,
        legs.c.answered_at,
        legs.c.ended_at,
        legs.c.cause,
        legs.c.lost,
    )
    reached = attempts.c.outcome == OfferOutcome.ANSWERED
    tried = (
        attempts.c.route,
        attempts.c.made_at.label("started_at"),
        null().label("rang_at"),
        case((reached, attempts.c.ended_at)).label("answered_at"),
        case((~reached, attempts.c.ended_at)).label("ended_at"),
        attempts.c.cause,
        func.coalesce(attempts.c.outcome == OfferOutcome.LOST, false()).label("lost"),
    )
    found = _rows(connection, _between(select(*columns), legs.c.started_at, since=since, until=until))
    return found + _rows(connection, _between(select(*tried), attempts.c.made_at, since=since, until=until))


def conversations_between(connection: Connection, *, since: datetime | None, until: datetime | None) -> list[Plain]:
    """The conversations that began in [since, until): agent, queue, started_at, ended_at."""
    talks = table_of(Conversation)
    columns = (talks.c.agent, talks.c.queue, talks.c.started_at, talks.c.ended_at)
    return _rows(connection, _between(select(*columns), talks.c.started_at, since=since, until=until))


def presence_between(connection: Connection, *, since: datetime | None, until: datetime | None) -> list[Plain]:
    """The stretches of agents' presence that touch [since, until): agent, presence, why, call, started_at, ended_at
    (None: it lasts still). Not cut to the period."""
    points = table_of(AgentPresence)
    stretches = select(
        points.c.agent,
        points.c.presence,
        points.c.why,
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
    query = select(spans.c.agent, spans.c.presence, spans.c.why, spans.c.call, spans.c.started_at, spans.c.ended_at)
    if since is not None:
        query = query.where(or_(spans.c.ended_at.is_(None), spans.c.ended_at > since))
    if until is not None:
        query = query.where(spans.c.started_at < until)
    return _rows(connection, query.order_by(spans.c.seq))


def contacts(connection: Connection, *, medium: Medium, open_only: bool = True, limit: int = 100) -> list[Plain]:
    """Callbacks or messages, the oldest first, each with its queue and its attempts; those that are over too, the
    newest first, where not `open_only`."""
    calls, visits = table_of(Call), table_of(Visit)
    query = select(calls, visits.c.queue, visits.c.waits_since).join(visits, visits.c.call == calls.c.id, isouter=True)
    query = query.where(calls.c.medium == medium).limit(limit)
    if open_only:
        query = query.where(calls.c.ended_at.is_(None)).order_by(calls.c.seq)
    else:
        query = query.order_by(calls.c.seq.desc())
    found = _rows(connection, query)
    attempts = _parts(connection, Attempt, [row["id"] for row in found], by="made_at")
    for row in found:
        row["attempts"] = attempts.get(row["id"], [])
    return found


def speech_by_node(connection: Connection, *, since: datetime | None, until: datetime | None) -> list[Plain]:
    """By flow and node that listened: how often speech was understood, keys were pressed, nothing was understood,
    nothing came at all, and nobody could listen. The node with the most failures first."""
    calls, hearings, choices = table_of(Call), table_of(Hearing), table_of(Choice)
    heard = (
        select(
            calls.c.flow,
            hearings.c.node,
            _count(hearings.c.phrase.is_not(None)).label("speech"),
            _count(hearings.c.phrase.is_(None) & hearings.c.failure.is_(None)).label("unclear"),
            _count(hearings.c.failure.is_not(None)).label("failed"),
        )
        .join(calls, calls.c.id == hearings.c.call)
        .group_by(calls.c.flow, hearings.c.node)
    )
    pressed = (
        select(
            calls.c.flow,
            choices.c.node,
            _count(choices.c.option.is_not(None) & choices.c.phrase.is_(None)).label("keys"),
            _count(choices.c.option.is_(None) & (choices.c.digit == "")).label("silence"),
        )
        .join(calls, calls.c.id == choices.c.call)
        .group_by(calls.c.flow, choices.c.node)
    )
    keys = {
        (row["flow"], row["node"]): row
        for row in _rows(connection, _within(pressed, choices.c.chosen_at, since=since, until=until))
    }
    found = []
    for row in _rows(connection, _within(heard, hearings.c.heard_at, since=since, until=until)):
        beside = keys.get((row["flow"], row["node"]), {"keys": 0, "silence": 0})
        found.append({**row, "keys": beside["keys"], "silence": beside["silence"]})
    return sorted(found, key=lambda row: (-row["unclear"] - row["failed"], str(row["flow"]), row["node"]))


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))


def _within(query: Select[Any], column: Any, *, since: datetime | None, until: datetime | None) -> Select[Any]:
    if since is not None:
        query = query.where(column >= since)
    return query if until is None else query.where(column < until)


def audit_between(
    connection: Connection, *, since: datetime | None, until: datetime | None, limit: int = 100
) -> list[Plain]:
    """What people wanted done in [since, until), the newest first."""
    audit = table_of(Audit)
    query = select(audit).order_by(audit.c.seq.desc()).limit(limit)
    if since is not None:
        query = query.where(audit.c.asked_at >= since)
    if until is not None:
        query = query.where(audit.c.asked_at < until)
    return _rows(connection, query)


def last_agents(connection: Connection, *, since: datetime) -> list[Plain]:
    """Who talked last with each citizen since then: number (E.164), agent, at."""
    calls, talks = table_of(Call), table_of(Conversation)
    query = (
        select(calls.c.citizen.label("number"), talks.c.agent, talks.c.started_at.label("at"))
        .join(talks, talks.c.call == calls.c.id)
        .where(calls.c.citizen.is_not(None), talks.c.agent != "", talks.c.started_at >= since)
        .order_by(talks.c.started_at)
    )
    newest = {row["number"]: row for row in _rows(connection, query)}
    return list(newest.values())


def do_not_call(connection: Connection) -> list[Plain]:
    """The numbers that are never dialled: number (E.164), added_at, why."""
    table = table_of(DoNotCall)
    return _rows(connection, select(table).order_by(table.c.number))


def must_not_call(connection: Connection, *, number: str, why: str, at: datetime) -> bool:
    """Never dial this number (E.164) again; whether that is new. In the caller's transaction."""
    table = table_of(DoNotCall)
    if connection.scalar(select(table.c.number).where(table.c.number == number)) is not None:
        return False
    connection.execute(insert(table).values(number=number, why=why, added_at=at))
    return True


def may_call_again(connection: Connection, *, number: str) -> bool:
    """Take a number from the list; whether it was there. In the caller's transaction."""
    table = table_of(DoNotCall)
    return connection.execute(delete(table).where(table.c.number == number)).rowcount > 0


def set_aside(connection: Connection, *, limit: int = 100) -> list[Plain]:
    """The entries that could not be projected, oldest first."""
    table = table_of(Unprojected)
    return _rows(connection, select(table).order_by(table.c.seq).limit(limit))


def _between(query: Select[Any], column: Any, *, since: datetime | None, until: datetime | None) -> Select[Any]:
    return _within(query, column, since=since, until=until).order_by(column)


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
