"""What every journal must do, shown on the one in files and on the one in memory that stands in for it."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telefonista.kernel.events import (
    CallEnded,
    ContactBooked,
    EndReason,
    EngineStarted,
    Entry,
    Presence,
    PresenceChanged,
    TimerFired,
    VisitStarted,
)
from telefonista.kernel.ids import CallId, contact_id
from telefonista.store.journal import FileJournal
from tests.contract.stories import (
    AGENTS,
    START,
    World,
    Writer,
    arrived,
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
from tests.fakes.journal import MemoryDisk, MemoryJournal, still_open

AnyJournal = FileJournal | MemoryJournal
ONE, TWO = CallId("n1-1760000000.1"), CallId("n1-1760000000.2")


@dataclasses.dataclass
class Home:
    """Where a journal lives on while nobody has it open."""

    open: Callable[[], AnyJournal]
    opened: list[AnyJournal] = dataclasses.field(default_factory=list)

    def journal(self) -> AnyJournal:
        """The journal as the next engine finds it."""
        self.close()
        self.opened.append(self.open())
        return self.opened[-1]

    def close(self) -> None:
        while self.opened:
            self.opened.pop().close()


@pytest.fixture(params=["files", "memory"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    disk = MemoryDisk()
    home = Home(lambda: FileJournal(tmp_path / "journal") if request.param == "files" else MemoryJournal(disk))
    yield home
    home.close()


def test_first_entry_of_an_installation_is_number_one(home: Home) -> None:
    journal = home.journal()
    assert journal.next_seq == 1
    assert list(journal.read()) == []


def test_what_was_appended_is_read_back_in_order_after_a_restart(home: Home) -> None:
    written = Writer(home.journal()).play([arrived(ONE), waiting(ONE), offered(ONE), talking(ONE)])
    journal = home.journal()
    assert list(journal.read()) == written
    assert journal.next_seq == len(written) + 1


def test_seq_goes_on_after_restarts_and_rotations(home: Home) -> None:
    for life in range(1, 4):
        journal = home.journal()
        assert journal.next_seq == life
        Writer(journal).write(EngineStarted(node="n1", version="1"))
        journal.rotate()
    assert [entry.seq for entry in home.journal().entries_from(1)] == [1, 2, 3]


def test_an_empty_batch_is_nothing(home: Home) -> None:
    journal = home.journal()
    journal.append([])
    assert journal.next_seq == 1


@pytest.mark.parametrize(
    ("seqs", "lefts"),
    [((2,), (0,)), ((1, 3), (1, 0)), ((1, 2), (0, 0)), ((1, 2), (2, 1)), ((1, 1), (1, 0))],
)
def test_batch_that_is_none_is_refused_and_leaves_nothing(
    home: Home, seqs: tuple[int, ...], lefts: tuple[int, ...]
) -> None:
    journal = home.journal()
    event = EngineStarted(node="n1", version="1")
    with pytest.raises(ValueError, match="is not number"):
        journal.append(
            [Entry(seq=seq, at=START, left=left, event=event) for seq, left in zip(seqs, lefts, strict=True)]
        )
    assert journal.next_seq == 1
    assert list(home.journal().read()) == []


def test_entry_that_could_not_be_read_back_is_refused_before_it_poisons_the_journal(home: Home) -> None:
    journal = home.journal()
    with pytest.raises(ValueError, match="could not be read back"):
        journal.append(entries_of(arrived(ONE), seq=1, at=math.nan))
    Writer(journal).play([arrived(ONE)])
    assert len(list(home.journal().read())) == 3


def test_rotation_carries_open_calls_whole_and_drops_finished_ones(home: Home) -> None:
    journal = home.journal()
    writer = Writer(journal)
    writer.play([arrived(ONE), arrived(TWO), waiting(ONE)])
    writer.play(gave_up_in_the_menu(TWO)[1:])
    journal.rotate()
    expected = [entry for entry in writer.written if getattr(entry.event, "call", None) == ONE]
    assert [(entry.seq, entry.event) for entry in journal.read()] == [(entry.seq, entry.event) for entry in expected]
    assert list(home.journal().read()) == list(journal.read())


def test_rotation_carries_the_last_presence_of_each_agent(home: Home) -> None:
    journal = home.journal()
    writer = Writer(journal)
    for agent in AGENTS:
        writer.play([ready(agent), *helped(CallId(f"n1-1760000000.{agent}"), agent=agent)])
    journal.rotate()
    carried = [entry.event for entry in journal.read()]
    assert [(event.agent, event.presence) for event in carried if isinstance(event, PresenceChanged)] == [
        (agent, Presence.READY) for agent in AGENTS
    ]
    assert len(carried) == len(AGENTS)


def test_rotation_carries_who_is_to_be_called_back_when_the_call_itself_is_long_over(home: Home) -> None:
    journal = home.journal()
    writer = Writer(journal)
    contact = contact_id(ONE, n=1)
    writer.play(wants_to_be_called_back(ONE, contact))
    journal.rotate()
    carried = [entry.event for entry in journal.read()]
    assert [(type(event), getattr(event, "call", None)) for event in carried] == [
        (ContactBooked, contact),
        (VisitStarted, contact),
    ]


def test_recording_that_is_not_kept_yet_survives_rotation_and_restart(home: Home) -> None:
    journal = home.journal()
    writer = Writer(journal)
    writer.play([arrived(ONE), waiting(ONE), offered(ONE), talking(ONE), ended(ONE)])
    journal.rotate()
    journal = home.journal()
    assert any(isinstance(entry.event, CallEnded) for entry in journal.read())
    Writer(journal).play([kept(ONE)])
    journal.rotate()
    assert all(isinstance(entry.event, PresenceChanged) for entry in home.journal().read())


def test_late_entry_of_a_finished_call_reaches_the_projection_and_is_not_carried(home: Home) -> None:
    journal = home.journal()
    writer = Writer(journal)
    writer.play(gave_up_in_the_menu(ONE))
    late = writer.write(TimerFired(call=ONE, key="flow.guard", token=1))
    journal.rotate()
    assert list(journal.read()) == []
    assert list(journal.entries_from(late[0].seq)) == late


def test_entries_from_gives_each_entry_once_over_all_segments(home: Home) -> None:
    journal = home.journal()
    writer = Writer(journal)
    writer.play([arrived(ONE)])
    for n in range(5):
        writer.play(helped(CallId(f"n1-1760000000.{n + 10}")))
        journal.rotate()
    everything = [(entry.seq, entry.event) for entry in writer.written]
    for seq in (0, 1, 4, 30, len(everything), len(everything) + 1):
        found = [(entry.seq, entry.event) for entry in journal.entries_from(seq)]
        assert found == everything[max(seq, 1) - 1 :]


def test_written_entries_are_synced_without_being_asked(home: Home) -> None:
    journal = home.journal()
    written = Writer(journal).play(helped(ONE))
    assert journal.wait_until_synced(written[-1].seq, timeout_s=5)
    assert journal.synced_seq == written[-1].seq


def test_waiting_for_what_is_not_written_ends_in_time(home: Home) -> None:
    assert not home.journal().wait_until_synced(1, timeout_s=0.05)


def test_closing_twice_is_no_error(home: Home) -> None:
    journal = home.journal()
    journal.close()
    journal.close()
    assert home.journal().next_seq == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    picks=st.lists(st.integers(0, 999), max_size=60),
    rotations=st.sets(st.integers(0, 59)),
    restarts=st.sets(st.integers(0, 59)),
)
def test_any_history_leaves_open_calls_and_presences_behind(
    tmp_path_factory: pytest.TempPathFactory, picks: list[int], rotations: set[int], restarts: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = FileJournal(folder)
    world = World()
    writer = Writer(journal)
    try:
        for n, pick in enumerate(picks):
            writer.write(*world.step(pick, at=writer.at))
            if n in restarts:
                journal.close()
                journal = FileJournal(folder)
                after, writer = Writer(journal, at=writer.at), writer
                after.written = writer.written
                writer = after
            if n in rotations:
                journal.rotate()
                carried = [(entry.seq, entry.event) for entry in journal.read()]
                assert carried == [(entry.seq, entry.event) for entry in still_open(writer.written)]
        assert [entry.seq for entry in journal.entries_from(1)] == [entry.seq for entry in writer.written]
        assert journal.next_seq == len(writer.written) + 1
    finally:
        journal.close()


def test_call_that_ends_as_lost_is_sealed_like_any_other(home: Home) -> None:
    journal = home.journal()
    Writer(journal).play([arrived(ONE), [CallEnded(call=ONE, reason=EndReason.LOST)]])
    journal.rotate()
    assert list(journal.read()) == []
