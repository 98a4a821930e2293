"""The store on each database that it is meant for: one class of tests, SQLite and a real PostgreSQL.

What the journal says, the tables say, exactly once: over outages, kills, floods, defects, rebuilds.
"""

import contextlib
import itertools
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, inspect, select, text

from telefonista.kernel.events import (
    AgentRequestRefused,
    CallArrived,
    CallEnded,
    CallLost,
    ConsultationAsked,
    ConversationEnded,
    ConversationStarted,
    Destination,
    DestinationKind,
    DispositionGiven,
    Diverted,
    EndReason,
    Entry,
    FlowEntered,
    InputRejected,
    LogInAsked,
    Medium,
    OfferOutcome,
    OptionChosen,
    PartyCalled,
    PartyJoined,
    PauseAsked,
    Phone,
    Presence,
    PresenceChanged,
    RequestRefused,
    SpeechFailed,
    SpeechHeard,
    Supervision,
    SupervisionAsked,
    TransferAsked,
    TransferCompletionAsked,
    VisitEnded,
    VisitOutcome,
)
from telefonista.kernel.ids import (
    AgentId,
    CallId,
    FlowName,
    LineName,
    NodeName,
    RouteName,
    agent_leg,
    bridge_id,
    consulted_leg,
    contact_id,
    listening_id,
    visit_id,
)
from telefonista.metrics import ConversationRow, LegRow, MetricsReport, PresenceRow, VisitRow, build_report
from telefonista.store.database import (
    DatabaseUnusable,
    migrate,
    newest_revision,
    open_database,
    schema_revision,
    sqlite_url,
)
from telefonista.store.gathering import apply
from telefonista.store.journal import FileJournal, segments
from telefonista.store.mapping import table_of
from telefonista.store.migrations.versions import (
    r0001_first_tables,
    r0002_contacts_and_audit,
    r0003_tickets_and_surveys,
    r0004_speech,
)
from telefonista.store.projection import (
    IN_ONE_COUNTRY,
    Projector,
    StoreAhead,
    checkpoint,
    country_by_line,
    project,
)
from telefonista.store.queries import (
    audit_between,
    contacts,
    conversations_between,
    do_not_call,
    earlier_calls,
    last_agents,
    legs_between,
    list_calls,
    may_call_again,
    must_not_call,
    presence_between,
    set_aside,
    speech_by_node,
    visits_between,
)
from telefonista.store.tables import Base, Citizen, Projection, moment
from tests.contract.postgresql import PostgresqlServer, find_binaries
from tests.contract.stories import (
    AGENTS,
    LINE,
    QUEUES,
    START,
    TRUNK,
    Tally,
    World,
    Writer,
    arrived,
    attempted,
    contingency,
    ended,
    entries_of,
    gave_up_in_the_menu,
    helped,
    kept,
    offered,
    ready,
    talking,
    waiting,
    wants_to_be_called_back,
)

ROOT = Path(__file__).parents[2]
ONE, TWO = CallId("n1-1760000000.1"), CallId("n1-1760000000.2")


class Database:
    """A fresh, migrated database, and how to take it away for a while."""

    def __init__(self, url: str, *, outage: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
        self.url = url
        self.outage = outage
        self._engines: list[Engine] = []
        self.engine = self.open()

    def open(self) -> Engine:
        engine = open_database(self.url, patience_s=0.2)
        self._engines.append(engine)
        return engine

    def close(self) -> None:
        for engine in self._engines:
            engine.dispose()


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgresqlServer]:
    server = PostgresqlServer(find_binaries())
    yield server
    server.close()


NewDatabase = Callable[[], Database]


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewDatabase]:
    made: list[Database] = []

    def on_sqlite() -> Database:
        path = tmp_path / f"{len(made)}.sqlite"

        @contextlib.contextmanager
        def outage() -> Iterator[None]:
            """Somebody writes and does not end."""
            blocker = sqlite3.connect(path, isolation_level=None)
            blocker.execute("BEGIN IMMEDIATE")
            yield
            blocker.execute("ROLLBACK")
            blocker.close()

        return Database(sqlite_url(path), outage=outage)

    def on_postgresql() -> Database:
        server: PostgresqlServer = request.getfixturevalue("postgresql")

        @contextlib.contextmanager
        def outage() -> Iterator[None]:
            """The server dies and comes back."""
            server.stop()
            yield
            server.start()

        return Database(server.create_database(), outage=outage)

    def make() -> Database:
        made.append(on_sqlite() if request.param == "sqlite" else on_postgresql())
        return made[-1]

    yield make
    for database in made:
        database.close()


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    return new_database()


@pytest.fixture
def migrated(database: Database) -> Database:
    migrate(database.engine)
    return database


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[FileJournal]:
    with FileJournal(tmp_path / "journal") as opened:
        yield opened


def apply_to(engine: Engine, entries: Sequence[Entry]) -> None:
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        apply(connection, entries, country_of=IN_ONE_COUNTRY)


def play(engine: Engine, *batches: Sequence[Any], at: float = START) -> list[Entry]:
    """Apply the batches as a journal would bring them, a second apart; what begins later has higher seqs."""
    seq, written = int(at - START) + 1, list[Entry]()
    for n, batch in enumerate(batches, start=1):
        written.extend(entries_of(batch, seq=seq + len(written), at=at + n))
    apply_to(engine, written)
    return written


def contents(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, but for how far the projection is."""
    with engine.connect() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in Base.metadata.sorted_tables
            if table.name != Projection.__tablename__
        }


def checkpoint_of(database: Database) -> int:
    with database.engine.connect() as connection:
        return checkpoint(connection)


def eventually(condition: Callable[[], bool], *, timeout_s: float = 20) -> bool:
    """Whether it becomes true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def only(calls: list[dict[str, Any]]) -> dict[str, Any]:
    (call,) = calls
    return call


def report(connection: Connection, *, at: datetime) -> MetricsReport:
    return build_report(
        visits=msgspec.convert(visits_between(connection, since=None, until=None), list[VisitRow]),
        legs=msgspec.convert(legs_between(connection, since=None, until=None), list[LegRow]),
        conversations=msgspec.convert(conversations_between(connection, since=None, until=None), list[ConversationRow]),
        presence=msgspec.convert(presence_between(connection, since=None, until=None), list[PresenceRow]),
        at=at,
    )


class FeedingProjector:
    """A projector and a writer whose entries reach it as the engine's do."""

    def __init__(self, database: Database, journal: FileJournal, **options: Any) -> None:
        self.projector = Projector(database.engine, journal, gather_s=0.01, first_delay_s=0.02, **options)
        self.journal = journal
        self.writer = Writer(self)

    @property
    def next_seq(self) -> int:
        return self.journal.next_seq

    def append(self, batch: Sequence[Entry]) -> None:
        self.journal.append(batch)
        self.projector.offer(batch)

    def caught_up(self, *, timeout_s: float = 20) -> bool:
        return self.projector.wait_until(self.journal.next_seq - 1, timeout_s=timeout_s)


class TestSchema:
    def test_migrations_make_exactly_the_tables_that_the_models_describe(self, database: Database) -> None:
        migrate(database.engine)
        with database.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, Base.metadata) == []

    def test_migrating_again_changes_nothing(self, database: Database) -> None:
        assert schema_revision(database.engine) is None
        migrate(database.engine)
        migrate(database.engine)
        assert schema_revision(database.engine) == newest_revision()

    def test_two_engines_that_start_at_once_migrate_once(self, database: Database) -> None:
        failures: list[BaseException] = []

        def start(engine: Engine) -> None:
            try:
                migrate(engine)
            except BaseException as problem:
                failures.append(problem)

        engines = [open_database(database.url) for _ in range(4)]
        threads = [threading.Thread(target=start, args=(engine,)) for engine in engines]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for engine in engines:
            engine.dispose()
        assert failures == []
        assert schema_revision(database.engine) == newest_revision()

    def test_schema_of_a_newer_version_is_refused_and_left_alone(self, migrated: Database) -> None:
        with migrated.engine.connect().execution_options(writes=True) as connection, connection.begin():
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(DatabaseUnusable, match="schema 9999, made by a newer version; this one knows 0004"):
            migrate(migrated.engine)
        assert schema_revision(migrated.engine) == "9999"

    def test_migrations_can_be_undone(self, migrated: Database) -> None:
        with (
            migrated.engine.connect().execution_options(writes=True) as connection,
            connection.begin(),
            Operations.context(MigrationContext.configure(connection)),
        ):
            r0004_speech.downgrade()
            r0003_tickets_and_surveys.downgrade()
            r0002_contacts_and_audit.downgrade()
            r0001_first_tables.downgrade()
        assert inspect(migrated.engine).get_table_names() == ["alembic_version"]

    def test_foreign_keys_hold(self, migrated: Database) -> None:
        with pytest.raises(Exception, match=r"(?i)foreign key"):
            apply_to(migrated.engine, entries_of(waiting(ONE)[-1:], seq=1, at=START))


class TestCalls:
    def test_answered_call_is_one_call_with_all_that_belongs_to_it(self, migrated: Database) -> None:
        play(migrated.engine, *helped(ONE))
        with migrated.engine.connect() as connection:
            call = only(list_calls(connection))

        def second(n: int) -> str:
            return moment(START + n).isoformat(timespec="microseconds")

        assert {key: call[key] for key in ("id", "handled_by", "line", "route", "dialled", "caller")} == {
            "id": ONE,
            "handled_by": "engine",
            "line": LINE,
            "route": TRUNK,
            "dialled": "08004636",
            "caller": "099123456",
        }
        assert call["citizen"] == {"number": "+59899123456", "earlier_calls": 0}
        assert (call["arrived_at"], call["answered_at"], call["ended_at"]) == (second(1), second(4), second(5))
        assert (call["end_reason"], call["cause"], call["trouble"]) == ("citizen_hung_up", 16, None)
        assert (call["flow"], call["last_node"], call["topic"]) == ("0800-info", "menu", "trámites")
        assert [(leg["role"], leg["agent"], leg["answered_at"], leg["ended_at"]) for leg in call["legs"]] == [
            ("citizen", None, second(1), second(5)),
            ("agent", "101", second(4), second(5)),
        ]
        assert [leg["lost"] for leg in call["legs"]] == [False, False]
        (visit,) = call["visits"]
        assert (visit["queue"], visit["outcome"], visit["agent"], visit["rings"]) == ("tramites", "answered", "101", 1)
        assert (visit["started_at"], visit["ended_at"], visit["lost"]) == (second(2), second(4), False)
        assert visit["offers"][0]["passed_over"] == {"102": "talking"}
        assert call["conversations"][0]["ended_by"] == "citizen_hung_up"
        (recording,) = call["recordings"]
        assert (recording["state"], recording["duration_s"]) == ("kept", 31.5)
        assert [choice["option"] for choice in call["choices"]] == ["tramites"]
        assert msgspec.json.decode(msgspec.json.encode(call)) == call

    def test_call_that_still_waits_has_an_open_visit(self, migrated: Database) -> None:
        play(migrated.engine, arrived(ONE), waiting(ONE))
        with migrated.engine.connect() as connection:
            (visit,) = only(list_calls(connection))["visits"]
        assert (visit["outcome"], visit["ended_at"]) == (None, None)

    def test_citizen_is_recognised_by_earlier_calls_whatever_the_spelling(self, migrated: Database) -> None:
        calls = [CallId(f"n1-1760000000.{n}") for n in range(4)]
        spellings = ["099123456", "+59899123456", "0059899123456", "anonymous"]
        for n, (call, caller) in enumerate(zip(calls, spellings, strict=True)):
            play(migrated.engine, *helped(call, caller=caller), at=START + 100 * n)
        with migrated.engine.connect() as connection:
            citizens = [call["citizen"] for call in list_calls(connection)]
            assert citizens == [
                None,
                {"number": "+59899123456", "earlier_calls": 2},
                {"number": "+59899123456", "earlier_calls": 1},
                {"number": "+59899123456", "earlier_calls": 0},
            ]
            assert earlier_calls(connection, number="+59899123456", before=moment(START + 150)) == 2
            (citizen,) = connection.execute(select(table_of(Citizen)))
        assert (citizen.first_contact_at, citizen.last_contact_at) == (moment(START + 1), moment(START + 201))

    def test_calls_can_be_asked_for_by_time_citizen_id_and_number(self, migrated: Database) -> None:
        for n in range(5):
            play(migrated.engine, *helped(CallId(f"n1-1760000000.{n}"), caller=f"09912345{n}"), at=START + 100 * n)
        with migrated.engine.connect() as connection:

            def found(**filters: Any) -> list[str]:
                return [call["id"][-1] for call in list_calls(connection, **filters)]

            assert found() == ["4", "3", "2", "1", "0"]
            assert found(limit=2) == ["4", "3"]
            assert found(since=moment(START + 201), until=moment(START + 401)) == ["3", "2"]
            assert found(citizen="+59899123453") == ["3"]
            assert found(call="n1-1760000000.1") == ["1"]
            assert found(call="nobody's") == []

    def test_lost_call_marks_its_visit_as_lost_and_not_as_a_choice_of_the_citizen(self, migrated: Database) -> None:
        lost = [
            CallLost(call=ONE, why="the node died"),
            VisitEnded(call=ONE, visit=visit_id(ONE, n=1), queue=QUEUES[0], outcome=VisitOutcome.ABANDONED),
            CallEnded(call=ONE, reason=EndReason.LOST),
        ]
        play(migrated.engine, arrived(ONE), waiting(ONE), lost)
        with migrated.engine.connect() as connection:
            call = only(list_calls(connection))
        assert (call["end_reason"], call["trouble"]) == ("lost", "the node died")
        assert [(visit["outcome"], visit["lost"]) for visit in call["visits"]] == [("abandoned", True)]
        assert [leg["lost"] for leg in call["legs"]] == [True]

    def test_call_lost_while_talking_leaves_its_answered_visit_alone(self, migrated: Database) -> None:
        lost = [CallLost(call=ONE, why="the node died"), CallEnded(call=ONE, reason=EndReason.LOST)]
        play(migrated.engine, arrived(ONE), waiting(ONE), offered(ONE), talking(ONE), lost)
        with migrated.engine.connect() as connection:
            call = only(list_calls(connection))
        assert [(visit["outcome"], visit["lost"]) for visit in call["visits"]] == [("answered", False)]
        assert [talk["ended_by"] for talk in call["conversations"]] == ["lost"]

    def test_no_defect_leaves_a_ghost_that_waits_rings_or_talks_for_ever(self, migrated: Database) -> None:
        over = [CallEnded(call=ONE, reason=EndReason.BROKEN)]
        play(migrated.engine, arrived(ONE), waiting(ONE), offered(ONE), over)
        with migrated.engine.connect() as connection:
            call = only(list_calls(connection))
        assert [visit["outcome"] for visit in call["visits"]] == ["abandoned"]
        assert [offer["outcome"] for visit in call["visits"] for offer in visit["offers"]] == ["withdrawn"]
        assert all(leg["ended_at"] for leg in call["legs"])

    def test_callback_is_a_contact_of_its_own_with_each_attempt(self, migrated: Database) -> None:
        contact = contact_id(ONE, n=1)
        play(
            migrated.engine,
            *wants_to_be_called_back(ONE, contact),
            *attempted(contact, attempt=1, outcome=OfferOutcome.BUSY),
            *attempted(contact, attempt=2, outcome=OfferOutcome.ANSWERED),
            [
                VisitEnded(call=contact, visit=visit_id(contact, n=1), queue=QUEUES[0], outcome=VisitOutcome.ANSWERED),
                CallEnded(call=contact, reason=EndReason.CITIZEN_HUNG_UP),
            ],
        )
        with migrated.engine.connect() as connection:
            callback, call = list_calls(connection)
            assert contacts(connection, medium=Medium.CALLBACK) == []
            (booked,) = contacts(connection, medium=Medium.CALLBACK, open_only=False)
            kept_legs = legs_between(connection, since=None, until=None)
        assert (callback["medium"], callback["origin"], callback["caller"]) == ("callback", ONE, "099123456")
        assert callback["citizen"] == {"number": "+59899123456", "earlier_calls": 1}
        assert [(one["attempt"], one["outcome"], one["cause"]) for one in callback["attempts"]] == [
            (1, "busy", 17),
            (2, "answered", 16),
        ]
        assert [visit["outcome"] for visit in call["visits"]] == ["callback"]
        (visit,) = callback["visits"]
        assert (visit["medium"], visit["waits_since"]) == (
            "callback",
            moment(START + 2).isoformat(timespec="microseconds"),
        )
        assert [offer["because"] for offer in visit["offers"]] == ["waits longest"] * 2
        assert (booked["queue"], len(booked["attempts"])) == (QUEUES[0], 2)
        dialled = [leg for leg in kept_legs if leg["started_at"] == callback["attempts"][0]["made_at"]]
        assert [(leg["route"], leg["cause"], leg["answered_at"]) for leg in dialled] == [(TRUNK, 17, None)]

    def test_callback_that_waits_is_found_among_the_open_ones(self, migrated: Database) -> None:
        play(migrated.engine, *wants_to_be_called_back(ONE, contact_id(ONE, n=1)))
        with migrated.engine.connect() as connection:
            (booked,) = contacts(connection, medium=Medium.CALLBACK)
            assert contacts(connection, medium=Medium.VOICEMAIL) == []
        assert (booked["caller"], booked["queue"], booked["attempts"]) == ("099123456", QUEUES[0], [])

    def test_speech_is_counted_by_node_with_the_keys_beside_it(self, migrated: Database) -> None:
        def heard(call: CallId, n: int, *, phrase: str) -> SpeechHeard:
            node = NodeName("quiere")
            return SpeechHeard(call=call, listening=listening_id(call, n=n), node=node, phrase=phrase, confidence=0.9)

        def rejected(call: CallId, digit: str) -> InputRejected:
            return InputRejected(call=call, node=NodeName("quiere"), digit=digit)

        def chosen(call: CallId, *, phrase: str = "") -> OptionChosen:
            return OptionChosen(call=call, node=NodeName("quiere"), digit="1", option="tramites", phrase=phrase)

        entered = FlowEntered(call=ONE, flow=FlowName("voz"), version="1", speech=True)
        play(migrated.engine, arrived(ONE), [entered, heard(ONE, 1, phrase=""), rejected(ONE, "?"), rejected(ONE, "")])
        play(migrated.engine, [heard(ONE, 2, phrase="sí"), chosen(ONE, phrase="sí")], at=START + 100)
        failed = SpeechFailed(call=TWO, listening=listening_id(TWO, n=1), node=NodeName("quiere"), why="late")
        entered = FlowEntered(call=TWO, flow=FlowName("voz"), version="1", speech=True)
        play(migrated.engine, arrived(TWO), [entered, failed, chosen(TWO)], at=START + 200)
        with migrated.engine.connect() as connection:
            found = speech_by_node(connection, since=None, until=None)
            later = speech_by_node(connection, since=moment(START + 10_000_000), until=moment(START + 10_000_001))
            choices = [choice for call in list_calls(connection) for choice in call["choices"]]
        assert found == [
            {"flow": "voz", "node": "quiere", "speech": 1, "keys": 1, "unclear": 1, "silence": 1, "failed": 1}
        ]
        assert later == []
        assert [choice["phrase"] for choice in choices if choice["option"]] == [None, "sí"]

    def test_transfer_leaves_a_conversation_each_a_party_and_a_diversion(self, migrated: Database) -> None:
        party, by = consulted_leg(ONE, n=1), AGENTS[0]
        play(
            migrated.engine,
            arrived(ONE),
            waiting(ONE),
            offered(ONE),
            talking(ONE),
            [
                ConsultationAsked(call=ONE, agent=by, to=Destination(DestinationKind.AGENT, AGENTS[1])),
                PartyCalled(call=ONE, leg=party, agent=AGENTS[1]),
                PartyJoined(call=ONE, leg=party, agent=AGENTS[1]),
                TransferCompletionAsked(call=ONE, agent=by),
                ConversationEnded(call=ONE, agent=by, leg=agent_leg(ONE, n=1), reason=EndReason.TRANSFERRED),
                ConversationStarted(call=ONE, agent=AGENTS[1], leg=party, bridge=bridge_id(ONE, n=1), queue=QUEUES[0]),
            ],
            [
                TransferAsked(call=ONE, agent=AGENTS[1], to=Destination(DestinationKind.QUEUE, "impuestos")),
                ConversationEnded(call=ONE, agent=AGENTS[1], leg=party, reason=EndReason.TRANSFERRED),
                Diverted(
                    call=ONE,
                    to=Destination(DestinationKind.QUEUE, "impuestos"),
                    why="transfer",
                    by=AGENTS[1],
                    queue=QUEUES[0],
                ),
            ],
        )
        with migrated.engine.connect() as connection:
            call = only(list_calls(connection))
            asked = audit_between(connection, since=None, until=None)
        assert [(talk["agent"], talk["ended_by"]) for talk in call["conversations"]] == [
            ("101", "transferred"),
            ("102", "transferred"),
        ]
        assert [(one["agent"], one["outcome"], one["left_at"]) for one in call["parties"]] == [("102", None, None)]
        assert [(one["kind"], one["name"], one["queue"], one["by"]) for one in call["diversions"]] == [
            ("queue", "impuestos", "tramites", "102")
        ]
        assert [leg["role"] for leg in call["legs"]] == ["citizen", "agent", "consulted"]
        assert [(one["what"], one["by"], one["detail"]) for one in asked] == [
            ("TransferAsked", "102", {"to": "queue impuestos"}),
            ("TransferCompletionAsked", "101", {}),
            ("ConsultationAsked", "101", {"to": "agent 102"}),
        ]

    def test_what_a_supervisor_wanted_and_what_was_refused_is_audited(self, migrated: Database) -> None:
        supervisor = AgentId("201")
        play(
            migrated.engine,
            arrived(ONE),
            [
                SupervisionAsked(call=ONE, supervisor=supervisor, mode=Supervision.WHISPER, by="201"),
                RequestRefused(call=ONE, by="201", what="SupervisionAsked", why="nobody talks in this call"),
                PauseAsked(agent=AGENTS[0], reason="almuerzo", by="201"),
                LogInAsked(agent=AGENTS[1]),
                AgentRequestRefused(agent=AGENTS[1], what="LogInAsked", why="the phone is not there"),
            ],
        )
        with migrated.engine.connect() as connection:
            asked = audit_between(connection, since=moment(START), until=moment(START + 100))
            assert audit_between(connection, since=moment(START + 100), until=None) == []
        assert [(one["what"], one["by"], one["agent"], one["refused"]) for one in asked] == [
            ("LogInAsked", "102", "102", "the phone is not there"),
            ("LogInAsked", "102", "102", None),
            ("PauseAsked", "201", "101", None),
            ("SupervisionAsked", "201", None, "nobody talks in this call"),
            ("SupervisionAsked", "201", "201", None),
        ]
        assert [one["detail"] for one in asked[2:]] == [{"reason": "almuerzo"}, {}, {"mode": "whisper"}]

    def test_disposition_stands_with_its_call_even_when_it_is_given_later(self, migrated: Database) -> None:
        given = [DispositionGiven(agent=AGENTS[0], call=ONE, disposition="resuelto", note="turno dado")]
        play(migrated.engine, *helped(ONE), given)
        with migrated.engine.connect() as connection:
            (one,) = only(list_calls(connection))["dispositions"]
        assert (one["agent"], one["disposition"], one["note"]) == ("101", "resuelto", "turno dado")

    def test_end_of_a_call_closes_what_was_under_way_in_it(self, migrated: Database) -> None:
        contact, party = contact_id(ONE, n=1), consulted_leg(TWO, n=1)
        begun = attempted(contact, attempt=1, outcome=OfferOutcome.ANSWERED)[:2]
        play(migrated.engine, *wants_to_be_called_back(ONE, contact), *begun)
        play(
            migrated.engine,
            [*arrived(TWO), PartyCalled(call=TWO, leg=party, number="1950")],
            [CallEnded(call=contact, reason=EndReason.LOST), CallEnded(call=TWO, reason=EndReason.BROKEN)],
            at=START + 100,
        )
        with migrated.engine.connect() as connection:
            by_id = {call["id"]: call for call in list_calls(connection)}
        assert [one["outcome"] for one in by_id[contact]["attempts"]] == ["lost"]
        assert by_id[TWO]["parties"][0]["left_at"] is not None

    def test_presence_says_why(self, migrated: Database) -> None:
        paused = PresenceChanged(agent=AGENTS[0], presence=Presence.PAUSED, phone=Phone.IDLE, pause="almuerzo")
        away = PresenceChanged(
            agent=AGENTS[0], presence=Presence.UNREACHABLE, phone=Phone.UNREACHABLE, why="not registered"
        )
        later = PresenceChanged(agent=AGENTS[0], presence=Presence.TALKING, phone=Phone.BUSY, pause="almuerzo")
        play(migrated.engine, [paused], [away], [later])
        with migrated.engine.connect() as connection:
            spans = presence_between(connection, since=None, until=None)
        assert [(span["presence"], span["why"]) for span in spans] == [
            ("paused", "almuerzo"),
            ("unreachable", "not registered"),
            ("talking", ""),
        ]

    def test_who_talked_last_with_a_citizen_is_known(self, migrated: Database) -> None:
        play(migrated.engine, *helped(ONE, agent=AGENTS[0]))
        play(migrated.engine, *helped(TWO, agent=AGENTS[2]), at=START + 100)
        with migrated.engine.connect() as connection:
            (last,) = last_agents(connection, since=moment(START))
            assert last_agents(connection, since=moment(START + 200)) == []
        assert (last["number"], last["agent"]) == ("+59899123456", "103")

    def test_number_that_must_not_be_called_is_so_until_it_is_taken_back(self, migrated: Database) -> None:
        with migrated.engine.connect().execution_options(writes=True) as connection, connection.begin():
            new = [must_not_call(connection, number="+59899123456", why="lo pidió", at=moment(START)) for _ in range(2)]
            assert new == [True, False]
        with migrated.engine.connect() as connection:
            (listed,) = do_not_call(connection)
        assert (listed["number"], listed["why"]) == ("+59899123456", "lo pidió")
        with migrated.engine.connect().execution_options(writes=True) as connection, connection.begin():
            assert may_call_again(connection, number="+59899123456")
            assert not may_call_again(connection, number="+59899123456")
            assert do_not_call(connection) == []

    def test_recording_that_is_kept_long_after_the_call_is_on_its_row(self, migrated: Database) -> None:
        before = play(migrated.engine, arrived(ONE), waiting(ONE), offered(ONE), talking(ONE), ended(ONE))
        apply_to(migrated.engine, entries_of(kept(ONE), seq=len(before) + 1, at=START + 500))
        with migrated.engine.connect() as connection:
            (recording,) = only(list_calls(connection))["recordings"]
        assert (recording["state"], recording["path"]) == ("kept", f"2025/10/{ONE}.wav")

    def test_contingency_call_is_a_full_row_and_counts(self, migrated: Database) -> None:
        play(migrated.engine, *helped(ONE), [contingency(TWO, at=START + 50)])
        with migrated.engine.connect() as connection:
            engines_own, spooled = list_calls(connection)
            figures = report(connection, at=moment(START + 100))
        assert (spooled["handled_by"], spooled["id"]) == ("contingency", TWO)
        assert engines_own["citizen"]["earlier_calls"] == 1
        assert [(visit["queue"], visit["outcome"], visit["agent"]) for visit in spooled["visits"]] == [
            ("failsafe", "answered", "102")
        ]
        assert [leg["role"] for leg in spooled["legs"]] == ["citizen", "agent"]
        assert [recording["state"] for recording in spooled["recordings"]] == ["stopped"]
        assert {queue.queue: queue.answered for queue in figures.queues} == {"failsafe": 1, "tramites": 1}

    def test_contingency_call_reported_twice_is_one_call(self, migrated: Database) -> None:
        play(migrated.engine, [contingency(ONE, at=START)], [contingency(ONE, at=START)])
        with migrated.engine.connect() as connection:
            assert len(list_calls(connection)) == 1

    def test_call_that_arrives_twice_keeps_its_first_arrival(self, migrated: Database) -> None:
        play(migrated.engine, arrived(ONE), waiting(ONE), arrived(ONE))
        with migrated.engine.connect() as connection:
            call = only(list_calls(connection))
        assert call["arrived_at"] == moment(START + 1).isoformat(timespec="microseconds")
        assert call["topic"] == "trámites"

    @pytest.mark.parametrize("caller", ["\x00", "'; DROP TABLE calls; --", "🙂" * 500, "\\", "%s", ":caller", ""])
    def test_hostile_caller_is_stored_as_text(self, migrated: Database, caller: str) -> None:
        play(migrated.engine, arrived(ONE, caller=caller))
        with migrated.engine.connect() as connection:
            assert only(list_calls(connection))["caller"] == caller.replace("\x00", "\ufffd")

    def test_line_in_another_country_reads_its_callers_by_that_country(self, migrated: Database) -> None:
        country_of = country_by_line({LineName("santa-fe"): "AR"})
        events = [
            CallArrived(
                call=ONE, line=LineName("santa-fe"), dialled="0800", route=RouteName("citizens"), caller="0342 4551234"
            )
        ]
        with migrated.engine.connect().execution_options(writes=True) as connection, connection.begin():
            apply(connection, entries_of(events, seq=1, at=START), country_of=country_of)
        with migrated.engine.connect() as connection:
            assert only(list_calls(connection))["citizen"]["number"] == "+543424551234"

    def test_times_keep_their_microseconds_and_their_zone(self, migrated: Database) -> None:
        apply_to(migrated.engine, entries_of(arrived(ONE), seq=1, at=START + 0.123456))
        with migrated.engine.connect() as connection:
            arrived_at = datetime.fromisoformat(only(list_calls(connection))["arrived_at"])
        assert arrived_at == datetime.fromtimestamp(START, UTC) + timedelta(microseconds=123456)
        assert arrived_at.tzinfo is not None

    def test_presence_of_an_agent_lasts_until_the_next_one(self, migrated: Database) -> None:
        play(migrated.engine, ready(AGENTS[0]), ready(AGENTS[1]), *helped(ONE))
        with migrated.engine.connect() as connection:
            everything = presence_between(connection, since=None, until=None)
            late = presence_between(connection, since=moment(START + 7.5), until=moment(START + 8.5))
        first = [(span["presence"], span["started_at"]) for span in everything if span["agent"] == AGENTS[0]]
        assert [presence for presence, _ in first] == ["ready", "reserved", "talking", "wrap_up", "ready"]
        ends = [span["ended_at"] for span in everything if span["agent"] == AGENTS[0]]
        assert ends == [*(started_at for _, started_at in first[1:]), None]
        assert [(span["agent"], span["presence"]) for span in late] == [("102", "ready"), ("101", "wrap_up")]


class TestProjection:
    def test_entries_applied_twice_or_one_by_one_give_the_same_rows(self, new_database: NewDatabase) -> None:
        at_once, one_by_one, twice = new_database(), new_database(), new_database()
        for database in (at_once, one_by_one, twice):
            migrate(database.engine)
        entries = play(at_once.engine, *helped(ONE), *gave_up_in_the_menu(TWO))
        for entry in entries:
            apply_to(one_by_one.engine, [entry])
        apply_to(twice.engine, entries)
        apply_to(twice.engine, entries)
        assert contents(one_by_one.engine) == contents(at_once.engine) == contents(twice.engine)

    def test_what_is_appended_reaches_the_tables(self, database: Database, journal: FileJournal) -> None:
        feeding = FeedingProjector(database, journal)
        feeding.projector.start()
        feeding.writer.play(helped(ONE))
        assert feeding.caught_up()
        assert feeding.projector.lag == 0
        assert feeding.projector.problem is None
        with database.engine.connect() as connection:
            assert only(list_calls(connection))["end_reason"] == "citizen_hung_up"
            assert checkpoint(connection) == journal.next_seq - 1
        assert feeding.projector.stop()

    def test_projector_that_was_away_catches_up_from_the_files(self, database: Database, journal: FileJournal) -> None:
        writer = Writer(journal)
        for n in range(30):
            writer.play(helped(CallId(f"n1-1760000000.{n}")))
            if n % 10 == 0:
                journal.rotate()
        feeding = FeedingProjector(database, journal)
        feeding.projector.start()
        assert feeding.caught_up()
        with database.engine.connect() as connection:
            assert len(list_calls(connection)) == 30
        assert feeding.projector.stop()

    def test_flood_that_overflows_the_queue_loses_nothing(self, database: Database, journal: FileJournal) -> None:
        feeding = FeedingProjector(database, journal, queue_entries=50)
        feeding.projector.start()
        for n in range(200):
            feeding.writer.play(helped(CallId(f"n1-1760000000.{n}")))
        assert feeding.caught_up()
        with database.engine.connect() as connection:
            assert len(list_calls(connection, limit=1000)) == 200
        assert feeding.projector.stop()

    def test_outage_delays_the_projection_and_nothing_else(
        self, database: Database, journal: FileJournal, caplog: pytest.LogCaptureFixture
    ) -> None:
        feeding = FeedingProjector(database, journal)
        feeding.projector.start()
        feeding.writer.play(helped(ONE))
        assert feeding.caught_up()
        with database.outage():
            began = time.monotonic()
            feeding.writer.play(helped(TWO))
            assert time.monotonic() - began < 1
            assert eventually(lambda: feeding.projector.problem is not None)
            assert "\n" not in (feeding.projector.problem or "")
            assert feeding.projector.lag > 0
        assert feeding.caught_up(timeout_s=40)
        assert eventually(lambda: feeding.projector.problem is None)
        assert "projecting again" in caplog.text
        with database.engine.connect() as connection:
            assert [call["id"] for call in list_calls(connection)] == [TWO, ONE]
        assert feeding.projector.stop()

    def test_engine_starts_while_the_database_is_away(self, database: Database, journal: FileJournal) -> None:
        feeding = FeedingProjector(database, journal)
        with database.outage():
            feeding.projector.start()
            feeding.writer.play(helped(ONE))
            assert feeding.projector.problem is not None
        assert feeding.caught_up(timeout_s=40)
        assert feeding.projector.stop()

    def test_killed_again_and_again_each_entry_is_projected_exactly_once(
        self, new_database: NewDatabase, tmp_path: Path
    ) -> None:
        database, undisturbed = new_database(), new_database()
        folder = tmp_path / "killed"
        endless = """
            import itertools, sys, time
            from pathlib import Path
            from telefonista.kernel.ids import CallId
            from telefonista.store.database import open_database
            from telefonista.store.journal import FileJournal
            from telefonista.store.projection import Projector
            from tests.contract.stories import Writer, helped
            journal = FileJournal(Path(sys.argv[1]))
            projector = Projector(open_database(sys.argv[2]), journal)
            projector.start()
            print(projector.projected_seq, flush=True)
            writer = Writer(journal)
            for n in itertools.count(journal.next_seq):
                projector.offer(writer.play(helped(CallId(f"n1-1760000000.{n}"), caller=f"0991{n:05d}"[:9])))
                time.sleep(0.002)
        """
        reached = 0

        def goes_on() -> bool:
            return checkpoint_of(database) >= reached + 400

        for _ in range(3):
            with subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(endless), str(folder), database.url],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                text=True,
            ) as engine:
                assert engine.stdout is not None
                assert int(engine.stdout.readline()) >= reached
                assert eventually(goes_on)
                engine.kill()
            reached = checkpoint_of(database)
        with FileJournal(folder) as journal:
            feeding = FeedingProjector(database, journal)
            feeding.projector.start()
            assert feeding.caught_up()
            assert feeding.projector.stop()
            migrate(undisturbed.engine)
            apply_to(undisturbed.engine, list(journal.entries_from(1)))
            assert contents(database.engine) == contents(undisturbed.engine)

    def test_entry_that_cannot_be_projected_is_set_aside_and_stops_no_other(
        self, database: Database, journal: FileJournal, caplog: pytest.LogCaptureFixture
    ) -> None:
        feeding = FeedingProjector(database, journal)
        feeding.projector.start()
        # A visit of a call that never arrived, and a time that no calendar has.
        orphan = feeding.writer.write(waiting(TWO)[-1])
        timeless = entries_of(arrived(CallId("n1-1760000000.3")), seq=journal.next_seq, at=1e18)
        feeding.append(timeless)
        feeding.writer.play(helped(ONE))
        assert feeding.caught_up()
        with database.engine.connect() as connection:
            assert [call["id"] for call in list_calls(connection)] == [ONE]
            aside = set_aside(connection)
        assert [row["seq"] for row in aside] == [orphan[0].seq, timeless[0].seq, timeless[1].seq]
        assert aside[0]["call"] == TWO
        assert msgspec.json.decode(aside[0]["entry"], type=Entry) == orphan[0]
        assert "entry 1 set aside (VisitStarted)" in caplog.text
        assert feeding.projector.stop()

    def test_database_of_another_journal_is_refused(self, database: Database, tmp_path: Path) -> None:
        with FileJournal(tmp_path / "one") as journal:
            feeding = FeedingProjector(database, journal)
            feeding.projector.start()
            feeding.writer.play(helped(ONE))
            assert feeding.caught_up()
            assert feeding.projector.stop()
        with FileJournal(tmp_path / "other") as other, pytest.raises(StoreAhead, match="this one only 0"):
            Projector(database.engine, other).start()

    def test_two_projectors_on_one_database_project_each_entry_once(
        self, database: Database, journal: FileJournal, new_database: NewDatabase
    ) -> None:
        one, other = (
            FeedingProjector(database, journal),
            Projector(database.open(), journal, gather_s=0.01, first_delay_s=0.02),
        )
        one.projector.start()
        other.start()
        for n in range(40):
            other.offer(one.writer.play(helped(CallId(f"n1-1760000000.{n}"))))
        assert one.caught_up(timeout_s=40)
        assert other.wait_until(journal.next_seq - 1, timeout_s=40)
        with database.engine.connect() as connection:
            assert len(list_calls(connection)) == 40
        one.projector.stop()
        other.stop()

    def test_rebuilt_tables_are_the_same_tables(self, database: Database, journal: FileJournal) -> None:
        feeding = FeedingProjector(database, journal)
        feeding.projector.start()
        for n in range(10):
            feeding.writer.play(helped(CallId(f"n1-1760000000.{n}")))
            journal.rotate()
        feeding.writer.play([arrived(TWO), waiting(TWO)])
        assert feeding.caught_up()
        before = contents(database.engine)
        with database.engine.connect().execution_options(writes=True) as connection, connection.begin():
            connection.execute(text("UPDATE visits SET outcome = NULL, queue = 'wrong'"))
            connection.execute(text("UPDATE presences SET presence = 'busy'"))
        assert feeding.projector.rebuild() == journal.next_seq - 1
        assert contents(database.engine) == before
        feeding.writer.play([offered(TWO)])
        assert feeding.caught_up()
        assert feeding.projector.stop()

    def test_rebuild_keeps_what_the_journal_no_longer_has(self, database: Database, tmp_path: Path) -> None:
        with FileJournal(tmp_path / "short", keep_segments=2) as journal:
            feeding = FeedingProjector(database, journal)
            feeding.projector.start()
            for n in range(10):
                feeding.writer.play(helped(CallId(f"n1-1760000000.{n}")))
                assert feeding.caught_up()
                journal.rotate()
                journal.wait_until_synced(journal.next_seq - 1, timeout_s=5)
            assert eventually(lambda: segments(tmp_path / "short")[0][0] > 5)
            before = contents(database.engine)
            assert feeding.projector.rebuild() < journal.next_seq - 1
            assert contents(database.engine) == before
            assert len(before["calls"]) == 10
            assert feeding.projector.stop()

    def test_stopping_says_whether_everything_is_in_the_tables(self, database: Database, journal: FileJournal) -> None:
        feeding = FeedingProjector(database, journal)
        feeding.projector.start()
        with database.outage():
            feeding.writer.play(helped(ONE))
            assert not feeding.projector.stop(timeout_s=0.3)


class TestInvariant:
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(picks=st.lists(st.integers(0, 999), max_size=40))
    def test_offered_is_answered_abandoned_diverted_and_waiting_at_every_instant(
        self, migrated: Database, picks: list[int]
    ) -> None:
        world, tally = World(), Tally()
        seq = itertools.count(1)
        with migrated.engine.connect().execution_options(writes=True) as connection:
            transaction = connection.begin()
            try:
                at = START
                for pick in picks:
                    at += 1.0
                    for happened in world.step(pick, at=at):
                        tally.take(happened)
                        (entry,) = entries_of([happened], seq=next(seq), at=at)
                        project(connection, [entry], country_of=IN_ONE_COUNTRY)
                        figures = report(connection, at=moment(at))
                        for queue in figures.queues:
                            assert queue.offered == queue.answered + queue.abandoned + queue.diverted + queue.waiting
                        assert {
                            queue.queue: (queue.offered, queue.answered, queue.abandoned, queue.diverted, queue.waiting)
                            for queue in figures.queues
                        } == {
                            name: (
                                counts["offered"],
                                counts["answered"],
                                counts["abandoned"],
                                counts["diverted"],
                                tally.waiting(name),
                            )
                            for name, counts in tally.counts.items()
                        }
                assert set_aside(connection) == []
            finally:
                transaction.rollback()
