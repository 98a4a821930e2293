"""Changes gathered row by row and written together: one statement for many rows instead of one for each event.

In go the changes of a stretch of the journal, out go upserts and updates on a connection, parents before children.
The order of changes matters only within a row and is kept there. Opens no transaction and decides nothing about calls.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Connection, Executable, Table, and_, bindparam, case, func, or_, update
from sqlalchemy.dialects import postgresql, sqlite

from telefonista.kernel.events import EndReason, Entry, OfferOutcome, VisitOutcome
from telefonista.kernel.ids import LineName
from telefonista.store.mapping import AnyChange, Change, Close, Contact, MarkLost, changes, table_of
from telefonista.store.tables import Attempt, Base, Citizen, Conversation, Leg, Offer, Party, Visit, moment

CountryOf = Callable[[LineName], str]
"""ISO 3166 code of the country that a line is in."""

_Columns = tuple[str, ...]


class _Row:
    __slots__ = ("fill", "insert", "update")

    def __init__(self) -> None:
        self.insert: dict[str, Any] | None = None
        self.update: dict[str, Any] = {}
        self.fill: dict[str, Any] = {}

    def take(self, change: Change) -> None:
        if change.insert is not None and self.insert is None:
            self.insert = dict(change.insert)
        for column, value in change.update.items():
            self.update[column] = value
            self.fill.pop(column, None)
        for column, value in change.fill.items():
            if self.update.get(column) is None:
                self.fill.setdefault(column, value)


def apply(connection: Connection, entries: Iterable[Entry], *, country_of: CountryOf) -> None:
    """Write what the entries, in the journal's order, change. Applying them again changes nothing.

    Raises what `changes` raises and SQLAlchemy's errors; then the caller rolls back.
    """
    rows: defaultdict[type[Base], defaultdict[str | int, _Row]] = defaultdict(lambda: defaultdict(_Row))
    contacts: list[Contact] = []
    lost: list[MarkLost] = []
    closed: list[Close] = []
    for entry in entries:
        for change in changes(entry, country=country_of(getattr(entry.event, "line", LineName("")))):
            _sort(change, rows=rows, contacts=contacts, lost=lost, closed=closed)
    _write_contacts(connection, contacts)
    for model in _MODELS:
        if model in rows:
            _write_rows(connection, model, rows[model])
    # An ending says what is still open, so it comes after everything of the same stretch.
    _mark_lost(connection, [(mark.call, mark.at) for mark in lost])
    _mark_lost(connection, [(close.call, close.at) for close in closed if close.reason is EndReason.LOST])
    _close(connection, closed)


_MODELS: list[type[Base]] = sorted(
    (mapper.class_ for mapper in Base.registry.mappers),
    key=lambda model: Base.metadata.sorted_tables.index(table_of(model)),
)


def _sort(
    change: AnyChange,
    *,
    rows: defaultdict[type[Base], defaultdict[str | int, _Row]],
    contacts: list[Contact],
    lost: list[MarkLost],
    closed: list[Close],
) -> None:
    if isinstance(change, Change):
        rows[change.model][change.key].take(change)
    elif isinstance(change, Contact):
        contacts.append(change)
    elif isinstance(change, MarkLost):
        lost.append(change)
    else:
        closed.append(change)


def _write_rows(connection: Connection, model: type[Base], rows: dict[str | int, _Row]) -> None:
    table = table_of(model)
    key_column = _key(table)
    fresh: defaultdict[tuple[_Columns, _Columns, _Columns], list[dict[str, Any]]] = defaultdict(list)
    known: defaultdict[tuple[_Columns, _Columns], list[dict[str, Any]]] = defaultdict(list)
    for key, row in rows.items():
        updated, filled = tuple(sorted(row.update)), tuple(sorted(row.fill))
        if row.insert is None:
            values = {f"new_{column}": value for column, value in (row.fill | row.update).items()}
            known[updated, filled].append({"row": key, **values})
        else:
            values = row.insert | row.fill | row.update
            fresh[tuple(sorted(values)), updated, filled].append({key_column: key, **values})
    for (columns, updated, filled), parameters in fresh.items():
        connection.execute(_insertion(connection.dialect.name, table, columns, updated, filled), parameters)
    for (updated, filled), parameters in known.items():
        connection.execute(_updating(table, updated, filled), parameters)


def _key(table: Table) -> str:
    (column,) = table.primary_key.columns
    return column.name


def _insert(dialect: str) -> Any:
    return postgresql.insert if dialect == "postgresql" else sqlite.insert


@cache
def _insertion(dialect: str, table: Table, columns: _Columns, updated: _Columns, filled: _Columns) -> Executable:
    key = _key(table)
    statement = _insert(dialect)(table).values({column: bindparam(column) for column in (key, *columns)})
    newer = {column: statement.excluded[column] for column in updated}
    newer |= {column: func.coalesce(table.c[column], statement.excluded[column]) for column in filled}
    if newer:
        conflict: Executable = statement.on_conflict_do_update(index_elements=[key], set_=newer)
    else:
        conflict = statement.on_conflict_do_nothing(index_elements=[key])
    return conflict


@cache
def _updating(table: Table, updated: _Columns, filled: _Columns) -> Executable:
    values: dict[str, Any] = {column: bindparam(f"new_{column}", type_=table.c[column].type) for column in updated}
    values |= {
        column: func.coalesce(table.c[column], bindparam(f"new_{column}", type_=table.c[column].type))
        for column in filled
    }
    return update(table).where(table.c[_key(table)] == bindparam("row")).values(values)


def _write_contacts(connection: Connection, contacts: Sequence[Contact]) -> None:
    spans: dict[str, tuple[float, float]] = {}
    for contact in contacts:
        first, last = spans.get(contact.number, (contact.at, contact.at))
        spans[contact.number] = min(first, contact.at), max(last, contact.at)
    if spans:
        connection.execute(
            _contact(connection.dialect.name),
            [
                {"number": number, "first_contact_at": moment(first), "last_contact_at": moment(last)}
                # In one order everywhere, so that two writers cannot wait for one another.
                for number, (first, last) in sorted(spans.items())
            ],
        )


@cache
def _contact(dialect: str) -> Executable:
    table = table_of(Citizen)
    statement = _insert(dialect)(table)
    first, last = statement.excluded.first_contact_at, statement.excluded.last_contact_at
    result: Executable = statement.on_conflict_do_update(
        index_elements=["number"],
        set_={
            # A contingency call is reported later than it happened.
            "first_contact_at": case((first < table.c.first_contact_at, first), else_=table.c.first_contact_at),
            "last_contact_at": case((last > table.c.last_contact_at, last), else_=table.c.last_contact_at),
        },
    )
    return result


def _mark_lost(connection: Connection, marks: Sequence[tuple[str, float]]) -> None:
    if not marks:
        return
    visits = table_of(Visit)
    at_the_time = or_(
        visits.c.outcome.is_(None),
        and_(
            visits.c.outcome == VisitOutcome.ABANDONED,
            visits.c.ended_at >= bindparam("at", type_=visits.c.ended_at.type),
        ),
    )
    statement = update(visits).where(visits.c.call == bindparam("of"), at_the_time).values(lost=True)
    connection.execute(statement, [{"of": call, "at": moment(at)} for call, at in marks])


def _close(connection: Connection, closed: Sequence[Close]) -> None:
    if not closed:
        return
    parameters = [{"of": close.call, "at": moment(close.at), "why": close.reason} for close in closed]
    for statement in _closings():
        connection.execute(statement, parameters)


@cache
def _closings() -> list[Executable]:
    visits, offers, conversations, legs, attempts, parties = (
        table_of(model) for model in (Visit, Offer, Conversation, Leg, Attempt, Party)
    )
    at = bindparam("at", type_=visits.c.ended_at.type)
    why = bindparam("why", type_=conversations.c.ended_by.type)
    of: BindParameter[str] = bindparam("of")
    return [
        update(visits)
        .where(visits.c.call == of, visits.c.outcome.is_(None))
        .values(outcome=VisitOutcome.ABANDONED, ended_at=at),
        update(offers)
        .where(offers.c.call == of, offers.c.outcome.is_(None))
        .values(outcome=OfferOutcome.WITHDRAWN, ended_at=at),
        update(conversations)
        .where(conversations.c.call == of, conversations.c.ended_at.is_(None))
        .values(ended_at=at, ended_by=why),
        update(legs).where(legs.c.call == of, legs.c.ended_at.is_(None)).values(ended_at=at, lost=True),
        update(attempts)
        .where(attempts.c.call == of, attempts.c.outcome.is_(None))
        .values(outcome=OfferOutcome.LOST, ended_at=at),
        update(parties).where(parties.c.call == of, parties.c.left_at.is_(None)).values(left_at=at),
    ]
