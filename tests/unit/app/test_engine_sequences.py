"""No order of events, loss, repetition, gap, restart or death leads the house astray.

One machine of hypothesis plays citizens, agents, Asterisk, the link and whoever pulls plugs; after every step the
journal is checked as a newspaper reader would (tests/fakes/ledger.py), a second set of rooms that only reads the
journal must remember exactly what the living ones do, and in the end everybody goes home and nothing may be left.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from telefonista.kernel.call import CallState
from telefonista.kernel.cascade import Cascade
from telefonista.kernel.events import Entry, Presence
from telefonista.kernel.ids import AgentId, LegId, PlaybackId, is_ours
from tests.fakes.house import ANA, DIRECT, INFO, LUIS, House, but_for_phones, differences
from tests.fakes.ledger import Ledger

AGENTS = (ANA, LUIS)
MOST_CALLS = 4
WHICH = st.integers(0, 7)
CAUSES = (16, 17, 18, 19, 20, 21, 0, 127)


def nth(names: Sequence[str], which: int) -> str:
    return names[which % len(names)]


class _Day(RuleBasedStateMachine):
    """What can happen on an ordinary day at the contact centre. `gentle` days lose and disorder nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.house = House()
        self.house.on_append = self.appended
        self.calls = 0
        self.read_again()
        self.house.opens()

    def appended(self, batch: Sequence[Entry]) -> None:
        self.ledger.enter(batch)
        self.unread.extend(batch)

    def read_again(self) -> None:
        """What the reader knows is what a restart finds."""
        self.unread: list[Entry] = []
        self.shadow = self.house.make_rooms().replay(self.house.journal.read())
        self.reader = Cascade(self.shadow.in_order, matcher=lambda at: None)

    # People.

    @precondition(lambda self: self.calls < MOST_CALLS)
    @rule(line=st.sampled_from((INFO, DIRECT)))
    def citizen_calls(self, line: str) -> None:
        self.calls += 1
        call = self.house.node.citizen_calls(line=line)
        self.house.pbx.deliver()
        if not self.house.node.channels[call].inside:
            self.house.node.nobody_claims(call)

    @precondition(lambda self: self.citizens())
    @rule(which=WHICH, digit=st.sampled_from("01097#"))
    def citizen_presses(self, which: int, digit: str) -> None:
        self.house.node.presses(LegId(nth(self.citizens(), which)), digit)

    @precondition(lambda self: self.citizens())
    @rule(which=WHICH)
    def citizen_hangs_up(self, which: int) -> None:
        self.house.node.hangs_up(LegId(nth(self.citizens(), which)))

    @precondition(lambda self: self.sounds())
    @rule(which=WHICH, failed=st.booleans())
    def sound_ends(self, which: int, failed: bool) -> None:
        self.house.node.playback_ends(PlaybackId(nth(self.sounds(), which)), failed=failed)

    @precondition(lambda self: self.phones("Down"))
    @rule(which=WHICH)
    def phone_rings(self, which: int) -> None:
        self.house.node.phone_rings(LegId(nth(self.phones("Down"), which)))

    @precondition(lambda self: self.phones("Down", "Ringing"))
    @rule(which=WHICH)
    def agent_answers(self, which: int) -> None:
        self.house.node.agent_answers(LegId(nth(self.phones("Down", "Ringing"), which)))

    @precondition(lambda self: self.phones("Down", "Ringing", "Up"))
    @rule(which=WHICH, cause=st.sampled_from(CAUSES))
    def agents_leg_ends(self, which: int, cause: int) -> None:
        self.house.node.hangs_up(LegId(nth(self.phones("Down", "Ringing", "Up"), which)), cause=cause)

    @rule(agent=st.sampled_from(AGENTS), state=st.sampled_from(("NOT_INUSE", "UNAVAILABLE", "INUSE", "RINGING")))
    def phone_becomes(self, agent: AgentId, state: str) -> None:
        self.house.node.phone_becomes(agent, state)

    # Time and the engine's ears.

    @precondition(lambda self: self.house.alive)
    @rule(seconds=st.sampled_from((0.1, 1.0, 4.0, 12.0, 65.0)))
    def time_passes(self, seconds: float) -> None:
        self.house.clock.advance(seconds)

    @rule()
    def engine_hears_all(self) -> None:
        if self.house.line.up:
            self.house.hear()

    @precondition(lambda self: self.house.alive)
    @rule()
    def recordings_are_kept(self) -> None:
        self.house.keep_recordings()

    @precondition(lambda self: self.house.alive)
    @rule()
    def recordings_fail(self) -> None:
        self.house.fail_recordings()

    # What is there to choose from.

    def citizens(self) -> list[str]:
        return [channel.id for channel in self.house.node.channels.values() if not channel.agent]

    def sounds(self) -> list[str]:
        return [playback for channel in self.house.node.channels.values() for playback in channel.playbacks]

    def phones(self, *states: str) -> list[str]:
        return [
            channel.id for channel in self.house.node.channels.values() if channel.agent and channel.state in states
        ]

    # What must be true, always.

    @invariant()
    def memory_is_a_fold_of_the_journal(self) -> None:
        for entry in self.unread:
            self.reader.replay(entry)
        self.unread.clear()
        if self.house.alive:
            assert differences(self.house.rooms.remembered(), self.shadow.remembered()) == []

    @invariant()
    def nobody_waits_for_an_agent_who_is_free(self) -> None:
        """Unless the agent did not take the last offer, or the engine cannot ring anybody."""
        house = self.house
        if not (house.alive and house.line.up):
            return
        rest = house.rooms.desk._rest_until
        free = [
            agent
            for agent in house.rooms.agents.roster
            if agent.presence is Presence.READY and rest.get(agent.agent, 0.0) <= house.clock.now()
        ]
        for agent in free:
            for queue in house.rooms.agents.roster.of_queue(agent.agent) or ():
                assert not house.rooms.desk.waiting(queue)
            for queue in house.rooms.agents.roster.queues_of(agent.agent):
                waiting = [
                    call
                    for call in house.rooms.desk.waiting(queue)
                    if house.rooms.calls.open[call].state is CallState.WAITING
                ]
                assert not waiting, f"{agent.agent} is free and {waiting} wait"

    @invariant()
    def timers_belong_to_somebody(self) -> None:
        house = self.house
        if house.alive:
            owners = {*house.rooms.calls.open, *house.rooms.recordings.unfinished(), *AGENTS}
            assert set(house.engine._timers) <= owners

    # The evening: everybody goes home.

    def everybody_goes_home(self) -> None:
        house = self.house
        if not house.alive:
            house.start()
            self.read_again()
        if not house.line.up:
            house.link_comes_up()
        house.hear()
        house.audit()
        house.audit()
        for _ in range(12):
            house.hear()
            for leg in list(house.node.channels):
                if leg in house.node.channels:
                    house.node.hangs_up(LegId(leg), cause=19 if is_ours(leg) else 16)
            house.hear()
            house.pass_time(15)
            house.keep_recordings()
        for agent in AGENTS:
            house.node.phone_becomes(agent, "NOT_INUSE")
        house.audit()
        house.audit()
        house.pass_time(100)
        house.keep_recordings()

    def teardown(self) -> None:
        self.everybody_goes_home()
        self.memory_is_a_fold_of_the_journal()
        self.ledger.all_over()
        house = self.house
        assert house.node.left_over() == [], "something is left in Asterisk"
        assert {agent.agent: agent.presence for agent in house.rooms.agents.roster} == dict.fromkeys(
            AGENTS, Presence.READY
        ), "an agent is stuck"
        assert house.engine._timers == {}
        remembered = house.rooms.remembered()
        assert {part: value for part, value in remembered.items() if part not in ("agents", "resting")} == {
            part: {} for part in remembered if part not in ("agents", "resting")
        }
        assert differences(but_for_phones(house.replayed()), but_for_phones(remembered)) == []


class OrdinaryDay(_Day):
    """Nothing is lost and nothing breaks: the engine hears everything, in order, and may be late."""


class DayOfGaps(_Day):
    """The link goes and comes; the engine and Asterisk die; what the engine had not heard may be lost with it."""

    @precondition(lambda self: self.house.line.up)
    @rule(lost=st.booleans())
    def link_goes_down(self, lost: bool) -> None:
        self.house.link_goes_down()
        if lost:
            self.house.pbx.deliver()
            self.house.inbox.clear()

    @precondition(lambda self: self.house.alive and not self.house.line.up)
    @rule()
    def link_comes_up(self) -> None:
        self.house.link_comes_up()

    @precondition(lambda self: self.house.alive)
    @rule(lost=st.booleans(), rotate=st.booleans())
    def engine_is_killed(self, lost: bool, rotate: bool) -> None:
        self.house.pbx.deliver()
        remembered = but_for_phones(self.house.rooms.remembered())
        assert differences(but_for_phones(self.house.carried()), remembered) == []
        self.house.kill(rotate=rotate)
        if lost:
            self.house.inbox.clear()

    @precondition(lambda self: not self.house.alive)
    @rule()
    def engine_starts(self) -> None:
        self.house.start()
        self.read_again()

    @rule(noticed=st.booleans())
    def asterisk_dies(self, noticed: bool) -> None:
        house = self.house
        house.pbx.deliver()
        house.inbox.clear()
        house.node.dies()
        if house.alive:
            house.link_goes_down()
            if noticed:
                house.engine.node_lost("nodo1", why="Asterisk ended")

    @precondition(lambda self: self.house.alive)
    @rule()
    def calls_are_stopped(self) -> None:
        self.house.engine.stop_calls()

    @precondition(lambda self: self.house.line.up)
    @rule()
    def guard_looks(self) -> None:
        self.house.audit()


class WildDay(DayOfGaps):
    """Single events are lost, told twice, late or before others, while the link seems well."""

    @precondition(lambda self: self.inbox())
    @rule()
    def one_is_heard(self) -> None:
        self.house.hear_one()

    @precondition(lambda self: self.inbox())
    @rule()
    def one_is_lost(self) -> None:
        self.house.inbox.popleft()

    @precondition(lambda self: self.inbox())
    @rule()
    def one_is_told_twice(self) -> None:
        self.house.inbox.insert(1, self.house.inbox[0])

    @precondition(lambda self: self.inbox())
    @rule()
    def one_comes_late(self) -> None:
        self.house.inbox.append(self.house.inbox.popleft())

    def inbox(self) -> bool:
        self.house.pbx.deliver()
        return self.house.line.up and bool(self.house.inbox)


SETTINGS = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
TestOrdinaryDay = OrdinaryDay.TestCase
TestOrdinaryDay.settings = SETTINGS
TestDayOfGaps = DayOfGaps.TestCase
TestDayOfGaps.settings = SETTINGS
TestWildDay = WildDay.TestCase
TestWildDay.settings = SETTINGS
