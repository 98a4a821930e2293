"""The tables of calls and citizens: a projection of the journal, never the truth itself.

Every row is keyed by an id that stands in the journal (or by the seq of the entry that made it), so that projecting an
entry twice changes nothing and a rebuild gives the same rows. Holds no logic; must not import the journal.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Double, Enum, ForeignKey, Index, MetaData, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from telefonista.kernel.events import EndReason, Medium, OfferOutcome, Presence, Supervision, VisitOutcome


class HandledBy(StrEnum):
    ENGINE = "engine"
    CONTINGENCY = "contingency"
    """The dialplan alone, while no engine claimed the call."""


class Role(StrEnum):
    CITIZEN = "citizen"
    AGENT = "agent"
    CONSULTED = "consulted"
    SUPERVISOR = "supervisor"


class TicketState(StrEnum):
    """How far the back office is."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    ANSWERED = "answered"
    CLOSED = "closed"


class RecordingState(StrEnum):
    ASKED = "asked"
    RUNNING = "running"
    STOPPED = "stopped"
    KEPT = "kept"
    FAILED = "failed"


def moment(at: float) -> datetime:
    """Epoch seconds as the tables hold them: UTC, to the microsecond.

    A timestamp and not a float: a person reading the table, SQL's own date functions and a report by local day all
    need one, sums of differences come out the same in any order, and a float of today's epoch resolves 0.2 µs anyway.
    """
    return datetime.fromtimestamp(at, UTC)


class Moment(TypeDecorator[datetime]):
    """UTC with microseconds: `timestamptz` in PostgreSQL, sortable text in SQLite (which has no time zones)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(TypeDecorator[str]):
    """Text that may have come from the network: PostgreSQL refuses NUL, which must not cost the whole call."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value.replace("\x00", "\ufffd") if value else value


def _choice(kind: type[StrEnum]) -> Enum:
    """An enumeration kept as its value in text: a new member needs no migration."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Words,
        datetime: Moment,
        dict[str, Any]: JSON,
        HandledBy: _choice(HandledBy),
        Role: _choice(Role),
        RecordingState: _choice(RecordingState),
        TicketState: _choice(TicketState),
        EndReason: _choice(EndReason),
        OfferOutcome: _choice(OfferOutcome),
        VisitOutcome: _choice(VisitOutcome),
        Presence: _choice(Presence),
        Medium: _choice(Medium),
        Supervision: _choice(Supervision),
    }


class Citizen(Base):
    """Somebody who called, known by the number alone."""

    __tablename__ = "citizens"

    number: Mapped[str] = mapped_column(primary_key=True)
    """E.164."""
    first_contact_at: Mapped[datetime]
    last_contact_at: Mapped[datetime]


class Call(Base):
    """A contact: somebody who called, is to be called back, or left a message."""

    __tablename__ = "calls"
    __table_args__ = (Index(None, "arrived_at"), Index(None, "citizen", "arrived_at"))

    id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, unique=True)
    """Of the journal entry that began it."""
    handled_by: Mapped[HandledBy]
    line: Mapped[str]
    route: Mapped[str]
    dialled: Mapped[str]
    caller: Mapped[str]
    """As the network gave it."""
    citizen: Mapped[str | None] = mapped_column(ForeignKey("citizens.number"))
    """NULL where the caller's number is hidden or none."""
    arrived_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    """When a person answered; that a machine did stands in the citizen's leg."""
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[EndReason | None]
    cause: Mapped[int | None]
    """Q.850."""
    trouble: Mapped[str | None]
    """Why it was lost or broken."""
    flow: Mapped[str | None]
    flow_version: Mapped[str | None]
    last_node: Mapped[str | None]
    topic: Mapped[str | None]
    medium: Mapped[Medium] = mapped_column(server_default=Medium.CALL.value)
    origin: Mapped[str | None] = mapped_column(index=True)
    """The call out of which this contact came. Not a foreign key: either may be kept for longer."""
    message: Mapped[str | None]
    """The recording that this contact is about, where it is a message."""


class Leg(Base):
    __tablename__ = "legs"
    __table_args__ = (Index(None, "started_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    call: Mapped[str] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"), index=True)
    role: Mapped[Role]
    route: Mapped[str]
    agent: Mapped[str | None]
    started_at: Mapped[datetime]
    rang_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    """By whoever is called on it: the citizen's leg by the engine, the agent's by the agent."""
    ended_at: Mapped[datetime | None]
    cause: Mapped[int | None]
    """Q.850."""
    sip_status: Mapped[int | None]
    lost: Mapped[bool] = mapped_column(default=False)
    """Not seen to end."""


class Visit(Base):
    """One stay in a queue."""

    __tablename__ = "visits"
    __table_args__ = (Index(None, "queue", "started_at"), Index(None, "started_at"))

    id: Mapped[str] = mapped_column(primary_key=True)
    call: Mapped[str] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"), index=True)
    queue: Mapped[str]
    priority: Mapped[int]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[VisitOutcome | None]
    """NULL: still waiting."""
    agent: Mapped[str | None]
    lost: Mapped[bool] = mapped_column(default=False)
    """Abandoned not by the citizen: the call was lost."""
    medium: Mapped[Medium] = mapped_column(server_default=Medium.CALL.value)
    waits_since: Mapped[datetime | None]
    """Where that is not when the stay began: the place that a callback keeps, or that was given."""


class Offer(Base):
    """One agent reserved and rung for a visit."""

    __tablename__ = "offers"

    id: Mapped[str] = mapped_column(primary_key=True)
    call: Mapped[str] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"), index=True)
    visit: Mapped[str] = mapped_column(ForeignKey("visits.id", ondelete="CASCADE"), index=True)
    agent: Mapped[str]
    leg: Mapped[str]
    made_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[OfferOutcome | None]
    passed_over: Mapped[dict[str, Any]]
    """Why not each of the other agents concerned, as far as they are named."""
    because: Mapped[str | None]
    """Why this contact and this agent."""
    others: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    """How many more there were for each reason."""


class Attempt(Base):
    """A citizen dialled by us, with an agent on the line."""

    __tablename__ = "attempts"
    __table_args__ = (Index(None, "made_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    """The contact's, and the number of the attempt."""
    call: Mapped[str] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"), index=True)
    attempt: Mapped[int]
    agent: Mapped[str]
    number: Mapped[str]
    route: Mapped[str]
    made_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    """When it was decided: answered, or not."""
    outcome: Mapped[OfferOutcome | None]
    cause: Mapped[int | None]
    """Q.850."""


class Diversion(Base):
    """A call sent elsewhere: by a rule, by a key of the citizen's, by a transfer."""

    __tablename__ = "diversions"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    call: Mapped[str] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"), index=True)
    diverted_at: Mapped[datetime]
    queue: Mapped[str]
    """Where it came from; empty: not from a queue."""
    kind: Mapped[str]
    name: Mapped[str]
    why: Mapped[str]
    by: Mapped[str]
    """Empty: a rule of ours."""


class Party(Base):
    """Somebody consulted in a call."""

    __tablename__ = "parties"

    leg: Mapped[str] = mapped_column(primary_key=True)
    call: Mapped[str] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"), index=True)
    agent: Mapped[str | None]
    number: Mapped[str]
    called_at: Mapped[datetime]
    joined_at: Mapped[datetime | None]
    left_at: Mapped[datetime | None]
    outcome: Mapped[OfferOutcome | None]
    """How the ringing ended, where it led to no talk."""


class Disposition(Base):
    """What came of a contact, as the agent judged it. Not tied to the call by a key: it may come later."""

    __tablename__ = "dispositions"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    call: Mapped[str] = mapped_column(index=True)
    agent: Mapped[str]
    disposition: Mapped[str]
    note: Mapped[str]
    by: Mapped[str]
    given_at: Mapped[datetime]


class Audit(Base):
    """What people wanted done, to whom, and whether it was refused. Nothing here is ever changed."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "asked_at"),)

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    asked_at: Mapped[datetime]
    by: Mapped[str]
    """Who; where it is the agent concerned, that agent."""
    what: Mapped[str]
    """The event's name."""
    call: Mapped[str | None]
    agent: Mapped[str | None]
    detail: Mapped[dict[str, Any]]
    refused: Mapped[str | None]
    """Why not, where it was refused: a row of its own, after that of the wish."""


class DoNotCall(Base):
    """Numbers that are never dialled. No projection: people write it, and a rebuild leaves it alone."""

    __tablename__ = "do_not_call"

    number: Mapped[str] = mapped_column(primary_key=True)
    """E.164."""
    added_at: Mapped[datetime]
    why: Mapped[str]


class Conversation(Base):
    """An agent and the citizen talking, or an agent hearing a message."""

    __tablename__ = "conversations"
    __table_args__ = (Index(None, "started_at"),)

    leg: Mapped[str] = mapped_column(primary_key=True)
    """The agent's."""
    call: Mapped[str] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"), index=True)
    agent: Mapped[str]
    """Empty: a party outside."""
    queue: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[EndReason | None]
    medium: Mapped[Medium] = mapped_column(server_default=Medium.CALL.value)
    number: Mapped[str] = mapped_column(server_default="")
    """Of a party outside."""


class Recording(Base):
    __tablename__ = "recordings"

    id: Mapped[str] = mapped_column(primary_key=True)
    call: Mapped[str] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"), index=True)
    agent: Mapped[str | None]
    state: Mapped[RecordingState]
    asked_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    """When it was kept or given up."""
    path: Mapped[str | None]
    """Relative to the home's `recordings/`."""
    duration_s: Mapped[float | None] = mapped_column(Double)
    sha256: Mapped[str | None]
    why_failed: Mapped[str | None]


class Choice(Base):
    """One step in a menu."""

    __tablename__ = "choices"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    call: Mapped[str] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"), index=True)
    chosen_at: Mapped[datetime]
    node: Mapped[str]
    digit: Mapped[str]
    """Empty: no key came in time."""
    option: Mapped[str | None]
    """NULL: the menu has no such key."""
    phrase: Mapped[str | None]
    """What was said in place of the key."""


class Hearing(Base):
    """Something that a citizen said to a flow, or that nobody could hear it."""

    __tablename__ = "hearings"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    call: Mapped[str] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"), index=True)
    heard_at: Mapped[datetime] = mapped_column(index=True)
    node: Mapped[str]
    phrase: Mapped[str | None]
    """NULL: it was not understood."""
    confidence: Mapped[float | None]
    failure: Mapped[str | None]
    """Why nobody listened."""


class AgentPresence(Base):
    """An agent's presence from here until the agent's next row: kept as points, so that no span is ever left open."""

    __tablename__ = "presences"
    __table_args__ = (Index(None, "agent", "seq"), Index(None, "began_at"))

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    agent: Mapped[str]
    began_at: Mapped[datetime]
    presence: Mapped[Presence]
    call: Mapped[str | None]
    """Not a foreign key: an agent's presence outlives what is kept of a call."""
    why: Mapped[str] = mapped_column(server_default="")
    """The reason of a pause, or why the phone is not there."""


class Ticket(Base):
    """What was passed on to the back office. Opened at once, since the citizen waits for the number, and again by the
    projection where a rebuild finds it missing."""

    __tablename__ = "tickets"

    number: Mapped[str] = mapped_column(primary_key=True)
    """As citizens are told it; the last digit checks the others."""
    key: Mapped[str | None] = mapped_column(unique=True)
    """Of the node that opened it: asking twice opens one."""
    call: Mapped[str] = mapped_column(index=True)
    """Not a foreign key: a ticket may be there before its call is projected, and outlives what is kept of it."""
    topic: Mapped[str]
    details: Mapped[dict[str, Any]]
    status: Mapped[TicketState]
    note: Mapped[str]
    opened_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class SurveyAnswer(Base):
    """What a citizen thinks of one thing, from 1 (worst) to 5 (best)."""

    __tablename__ = "survey_answers"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    call: Mapped[str] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"), index=True)
    answered_at: Mapped[datetime] = mapped_column(index=True)
    survey: Mapped[str]
    question: Mapped[str]
    answer: Mapped[int]


class Projection(Base):
    """How far the journal is projected; one row, written in the same transaction as what it speaks of."""

    __tablename__ = "projection"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    checkpoint: Mapped[int] = mapped_column(BigInteger)


class Unprojected(Base):
    """An entry that could not be projected: a defect, set aside so that it does not stop the others."""

    __tablename__ = "unprojected"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    happened_at: Mapped[datetime]
    call: Mapped[str | None]
    entry: Mapped[str]
    """The journal's line."""
    why: Mapped[str]
