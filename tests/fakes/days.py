"""Random days at the contact centre: citizens, agents, Asterisk, the link, and whoever pulls plugs, step by step.

A day is played from numbers: each chooses what happens next among what can happen then, by weight, and to whom. After
every step the journal is checked (`ledger`), and rooms that only read the journal must remember what the living ones
do. In the evening everybody goes home, and nothing may be left: no call, timer, channel, bridge, or stuck agent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from acd import CallbackPolicy, QueuePolicy, Relaxation, Strategy, read_destination
from acd.core.visit import VisitState
from agents import Member
from ivr import read_flow
from telefonista.kernel.call import CallState
from telefonista.kernel.cascade import Cascade
from telefonista.kernel.events import (
    CallArrived,
    CancellationAsked,
    ConversationEnded,
    EndReason,
    Entry,
    MoveAsked,
    Presence,
    ReadyAsked,
)
from telefonista.kernel.ids import CallId, LegId, PlaybackId, QueueName, citizen_leg, is_ours
from tests.fakes.house import ANA, DIRECT, GENERAL, INFO, LUIS, MEMBERS, TRAMITES, House, but_for_phones, differences
from tests.fakes.ledger import Ledger

AGENTS = (ANA, LUIS)
MOST_CALLS = 6
CAUSES = (17, 21, 19, 18, 20, 16, 0, 127)

Doing = Callable[[int], object]
Verb = tuple[int, Callable[[], object], Doing]
"""How often, whether it can happen now, and what it does with a number that says to whom."""


class Day:
    """Nothing is lost and nothing breaks: the engine hears everything, in order, though not at once."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.house = self._house()
        self.house.on_append = self._appended
        self.calls = 0
        self.left: set[LegId] = set()
        """Whose telephone was hung up by its own user."""
        self._just_ended: list[ConversationEnded] = []
        self.told: list[str] = []
        self._read_again()
        self.house.opens(*AGENTS)
        self.verbs = self._verbs()

    def _house(self) -> House:
        return House()

    def play(self, numbers: Sequence[int]) -> None:
        """The whole day. Raises AssertionError at the first thing that cannot be."""
        for number in numbers:
            self.step(number)
        self.everybody_goes_home()
        self.nothing_is_left()

    def step(self, number: int) -> None:
        can = [(weight, doing) for weight, possible, doing in self.verbs if possible()]
        choice = number % sum(weight for weight, _ in can)
        for weight, doing in can:
            choice -= weight
            if choice < 0:
                self.told.append(f"{doing.__name__}({number // 100})")
                doing(number // 100)
                break
        self.check()

    def check(self) -> None:
        self._memory_is_a_fold_of_the_journal()
        self._nobody_waits_for_an_agent_who_is_free()
        self._timers_belong_to_somebody()
        self._nobody_was_hung_up_by_mistake()
        if self._all_is_told():
            self._everybody_hears_what_they_should()

    def _verbs(self) -> list[Verb]:
        return [
            (30, self._hears, self.engine_hears_all),
            (10, lambda: self.calls < MOST_CALLS, self.citizen_calls),
            (6, self._citizens, self.citizen_presses),
            (3, self._citizens, self.citizen_hangs_up),
            (8, self._sounds, self.sound_ends),
            (1, self._sounds, self.sound_fails),
            (6, lambda: self._phones("Down"), self.phone_rings),
            (10, lambda: self._phones("Down", "Ringing"), self.agent_answers),
            (4, lambda: self._phones("Down", "Ringing"), self.agent_does_not_answer),
            (3, lambda: self._phones("Up"), self.agent_hangs_up),
            (2, lambda: True, self.phone_changes),
            (10, lambda: self.house.alive, self.time_passes),
            (4, lambda: self.house.to_keep, self.recordings_are_kept),
            (1, lambda: self.house.to_keep, self.recordings_fail),
            (1, lambda: self.house.alive, self.configuration_is_read_again),
            (1, lambda: True, self.clock_is_set_back),
        ]

    # People.

    def citizen_calls(self, which: int) -> None:
        self.calls += 1
        call = self.house.node.citizen_calls(line=(INFO, DIRECT)[which % 2])
        self.house.pbx.deliver()
        if not self.house.node.channels[call].inside:
            self.house.node.nobody_claims(call)

    def citizen_presses(self, which: int) -> None:
        self.house.node.presses(LegId(_nth(self._citizens(), which)), "10197#"[which % 6])

    def citizen_hangs_up(self, which: int) -> None:
        self._hangs_up(_nth(self._citizens(), which))

    def sound_ends(self, which: int) -> None:
        self.house.node.playback_ends(PlaybackId(_nth(self._sounds(), which)))

    def sound_fails(self, which: int) -> None:
        self.house.node.playback_ends(PlaybackId(_nth(self._sounds(), which)), failed=True)

    def phone_rings(self, which: int) -> None:
        self.house.node.phone_rings(LegId(_nth(self._phones("Down"), which)))

    def agent_answers(self, which: int) -> None:
        self.house.node.agent_answers(LegId(_nth(self._phones("Down", "Ringing"), which)))

    def agent_does_not_answer(self, which: int) -> None:
        self._hangs_up(_nth(self._phones("Down", "Ringing"), which), cause=CAUSES[which % len(CAUSES)])

    def agent_hangs_up(self, which: int) -> None:
        self._hangs_up(_nth(self._phones("Up"), which))

    def _hangs_up(self, leg: str, *, cause: int = 16) -> None:
        self.left.add(LegId(leg))
        self.house.node.hangs_up(LegId(leg), cause=cause)

    def phone_changes(self, which: int) -> None:
        """Registered, gone, or on a call that is not ours."""
        state = ("NOT_INUSE", "NOT_INUSE", "UNAVAILABLE", "INUSE", "RINGING")[which % 5]
        self.house.node.phone_becomes(AGENTS[which % 2], state)

    # Time, and the engine's ears and hands.

    def time_passes(self, which: int) -> None:
        self.house.clock.advance((0.1, 1.0, 4.0, 7.0, 12.0, 65.0)[which % 6])

    def engine_hears_all(self, _: int) -> None:
        self.house.hear()

    def recordings_are_kept(self, _: int) -> None:
        self.house.keep_recordings()

    def recordings_fail(self, _: int) -> None:
        self.house.fail_recordings()

    def configuration_is_read_again(self, _: int) -> None:
        """One of the two agents has left it, or is back."""
        self._configure(MEMBERS if len(self.house.members) < len(MEMBERS) else MEMBERS[:1])

    def _configure(self, members: Sequence[Member]) -> None:
        house = self.house
        house.members = tuple(members)
        house.engine.configure(policies=house.policies, members=members, flows=house.flows)
        self._read_again()

    def clock_is_set_back(self, which: int) -> None:
        self.house.clock.set_back((0.5, 20.0)[which % 2])

    # What there is to choose from.

    def _hears(self) -> bool:
        return self.house.line.up

    def _citizens(self) -> list[str]:
        channels = self.house.node.channels.values()
        return [
            channel.id for channel in channels if not channel.agent and not (channel.outside and not channel.inside)
        ]

    def _called(self) -> list[str]:
        """Citizens whose telephones ring, for they are called back."""
        return [channel.id for channel in self.house.node.channels.values() if channel.outside and not channel.inside]

    def _sounds(self) -> list[str]:
        return [playback for channel in self.house.node.channels.values() for playback in channel.playbacks]

    def _phones(self, *states: str) -> list[str]:
        return [
            channel.id for channel in self.house.node.channels.values() if channel.agent and channel.state in states
        ]

    # What must be true, always.

    def _appended(self, batch: Sequence[Entry]) -> None:
        self.ledger.enter(batch)
        self._unread.extend(batch)
        self._just_ended += [entry.event for entry in batch if isinstance(entry.event, ConversationEnded)]

    def _read_again(self) -> None:
        """What the reader knows is what a restart finds."""
        self._unread: list[Entry] = []
        self._shadow = self.house.make_rooms().replay(self.house.journal.read())
        self._reader = Cascade(self._shadow.in_order, matcher=lambda now: None)

    def _memory_is_a_fold_of_the_journal(self) -> None:
        for entry in self._unread:
            self._reader.replay(entry)
        self._unread.clear()
        if self.house.alive:
            assert differences(self.house.rooms.remembered(), self._shadow.remembered()) == []

    def _nobody_waits_for_an_agent_who_is_free(self) -> None:
        house = self.house
        if not (house.alive and house.line.up):
            return
        free = {agent.agent for agent in house.rooms.agents.roster if agent.presence is Presence.READY}
        for agent in free - set(house.rooms.desk._rest_until):
            for queue in house.rooms.agents.roster.queues_of(agent):
                waiting = [call for call in house.rooms.desk.waiting(queue) if self._may_be_offered(call)]
                assert not waiting, f"{agent} is free and {waiting} wait"

    def _may_be_offered(self, call: CallId) -> bool:
        """Not who is in a dialogue, nor a callback whose time has not come, nor who is kept for one agent."""
        desk = self.house.rooms.desk
        stay = desk.stay(call)
        assert stay is not None
        later = max(stay.visit.not_before, stay.visit.sticky_until) > self.house.clock.now()
        return stay.visit.state is VisitState.WAITING and not later

    def _timers_belong_to_somebody(self) -> None:
        house = self.house
        if house.alive:
            owners = {*house.rooms.calls.open, *house.rooms.recordings.unfinished(), *AGENTS}
            assert set(house.engine._timers) <= owners, f"{set(house.engine._timers) - owners}"

    def _nobody_was_hung_up_by_mistake(self) -> None:
        for event in self._just_ended:
            if event.reason is EndReason.CITIZEN_HUNG_UP:
                assert citizen_leg(event.call) in self.left, f"{event.call}: the citizen did not hang up"
            elif event.reason is EndReason.AGENT_HUNG_UP:
                assert event.leg in self.left, f"{event.call}: the agent did not hang up"
        self._just_ended.clear()

    def _all_is_told(self) -> bool:
        """And everything that was asked for was carried out."""
        house = self.house
        house.pbx.deliver()
        return house.alive and house.line.up and not house.inbox

    def _everybody_hears_what_they_should(self) -> None:
        node = self.house.node
        open_calls = self.house.rooms.calls.open
        for call in open_calls.values():
            channel = node.channels.get(call.citizen)
            if channel is None or not channel.inside or call.state in (CallState.CLEARING, CallState.DIALLING):
                continue
            assert channel.state == "Up", f"{call.call} was never answered"
            if call.state is CallState.TALKING:
                assert call.agent_leg is not None
                assert call.bridge is not None
                if call.agent_leg in node.channels:
                    assert {*node.bridges[call.bridge]} == {call.citizen, call.agent_leg}, f"{call.call} is not bridged"
                    assert call.citizen in node.recording, f"{call.call} is not recorded"
            elif call.state is CallState.IN_FLOW:
                session = self.house.rooms.ivr.session(call.call)
                assert session is not None
                assert channel.playbacks or session.timer is not None, f"{call.call} is left in silence"
            else:
                assert call.citizen in node.waiting, f"{call.call} waits in silence"
        wanted = {leg for call in open_calls.values() for leg in call.legs}
        strays = {channel.id for channel in node.channels.values() if channel.agent} - wanted
        assert not strays, f"{strays} ring or talk for nobody"
        assert set(node.bridges) <= {call.bridge for call in open_calls.values()}

    # The evening.

    def everybody_goes_home(self) -> None:
        house = self.house
        if not house.alive:
            house.start()
            self._read_again()
        if not house.line.up:
            house.link_comes_up()
        house.hear()
        self._guard_looks_twice()
        for _ in range(12):
            for leg in list(house.node.channels):
                if leg in house.node.channels:
                    self._hangs_up(leg, cause=19 if is_ours(leg) else 16)
            house.pass_time(15)
            house.keep_recordings()
            self.check()
        self._configure(MEMBERS)
        self._everybody_is_at_work()
        for agent in AGENTS:
            house.node.phone_becomes(agent, "NOT_INUSE")
        self._guard_looks_twice()
        for agent in AGENTS:
            if house.engine.agents.roster[agent].presence is Presence.PAUSED:
                # After too many misses in a row, which whoever is there again ends.
                house.engine.receive(ReadyAsked(agent=agent))
        house.pass_time(100)
        house.keep_recordings()
        self.check()

    def _everybody_is_at_work(self) -> None:
        """Nobody has said otherwise."""

    def _guard_looks_twice(self) -> None:
        for _ in range(2):
            self.house.hear()
            self.house.audit()
            self.house.hear()

    def nothing_is_left(self) -> None:
        self.ledger.all_over()
        house = self.house
        assert house.node.left_over() == [], f"left in Asterisk: {house.node.left_over()}"
        remembered = house.rooms.remembered()
        presences = {name: agent.presence for name, agent in remembered.pop("agents").items()}
        assert presences == dict.fromkeys(AGENTS, Presence.READY), f"an agent is stuck: {presences}"
        assert house.engine._timers == {}
        assert remembered == {part: {} for part in remembered}
        assert differences(but_for_phones(house.replayed()), but_for_phones(house.rooms.remembered())) == []


ALL = QueueName("todos")
CALLBACK = read_flow(
    """
flow: callback
language: es
start: anotar
variables: {numero: text, cola: text}
nodes:
  anotar: {callback: "{cola}", number: numero, granted: anotado, refused: volver}
  anotado: {hangup: true, say: "Le llamaremos."}
  volver: {back_to_queue: true, say: "No es posible."}
""",
    file="callback.yaml",
)
RULES = (
    QueuePolicy(
        name=GENERAL,
        wrap_up_s=5,
        keys={"9": read_destination("queue tramites"), "#": read_destination("hang_up")},
        callback=CallbackPolicy(key="1", after_s=0, attempts=2, retry_s=6),
        longest_wait_s=50,
        when_too_long=read_destination("queue todos"),
        most_waiting=3,
        when_full=read_destination("queue todos"),
    ),
    QueuePolicy(
        name=TRAMITES,
        wrap_up_s=0,
        callback=CallbackPolicy(key="7", after_s=0, attempts=1),
        leave_when_nobody=True,
        when_nobody=read_destination("queue todos"),
        sticky_s=4,
        relax=(Relaxation(after_s=10, requires=""),),
    ),
    QueuePolicy(name=ALL, strategy=Strategy.RING_ALL, keys={"9": read_destination("queue general")}),
)


class Rules(Day):
    """Queues with rules: keys, callbacks, limits, all rung at once; and a supervisor who moves and cancels."""

    def _house(self) -> House:
        members = tuple(msgspec.structs.replace(member, queues=(*member.queues, ALL)) for member in MEMBERS)
        return House(policies=RULES, members=members, others=(CALLBACK,))

    def _verbs(self) -> list[Verb]:
        return [
            *super()._verbs(),
            (8, self._called, self.called_citizen_answers),
            (4, self._called, self.called_citizen_does_not_answer),
            (6, self._citizens, self.citizen_presses),
            (2, self._waiting, self.supervisor_moves),
            (1, self._waiting, self.supervisor_cancels),
        ]

    def _waiting(self) -> list[str]:
        house = self.house
        return [call for call, stay in house.rooms.desk._stays.items()] if house.alive else []

    def called_citizen_answers(self, which: int) -> None:
        self.house.node.agent_answers(LegId(_nth(self._called(), which)))

    def called_citizen_does_not_answer(self, which: int) -> None:
        self._hangs_up(_nth(self._called(), which), cause=CAUSES[which % len(CAUSES)])

    def supervisor_moves(self, which: int) -> None:
        call = CallId(_nth(self._waiting(), which))
        queue = (GENERAL, TRAMITES, ALL, QueueName(""))[which % 4]
        self.house.engine.receive(MoveAsked(call=call, by="201", queue=queue, to_front=which % 3 == 0))

    def supervisor_cancels(self, which: int) -> None:
        self.house.engine.receive(CancellationAsked(call=CallId(_nth(self._waiting(), which)), by="201"))

    def _configure(self, members: Sequence[Member]) -> None:
        super()._configure([msgspec.structs.replace(member, queues=(GENERAL, TRAMITES, ALL)) for member in members])

    def everybody_goes_home(self) -> None:
        """Nobody is called back any more."""
        house = self.house
        if not house.alive:
            house.start()
            self._read_again()
        if not house.line.up:
            house.link_comes_up()
        house.hear()
        for booked, _ in house.rooms.desk.contacts():
            house.engine.receive(CancellationAsked(call=booked.call, by="201"))
        super().everybody_goes_home()


class DayOfGaps(Day):
    """The link goes and comes; the engine and Asterisk die; what the engine had not heard may be lost with it."""

    def _verbs(self) -> list[Verb]:
        return [
            *super()._verbs(),
            (3, self._hears, self.link_goes_down),
            (4, self._inbox, self.link_breaks_before_anything_is_done),
            (12, lambda: self.house.alive and not self.house.line.up, self.link_comes_up),
            (3, lambda: self.house.alive, self.engine_is_killed),
            (12, lambda: not self.house.alive, self.engine_starts),
            (1, lambda: True, self.asterisk_dies),
            (1, lambda: self.house.alive, self.calls_are_stopped),
            (3, self._hears, self.guard_looks),
        ]

    def link_goes_down(self, which: int) -> None:
        self.house.link_goes_down()
        self._loses(which)

    def link_breaks_before_anything_is_done(self, which: int) -> None:
        """What was decided is in the journal, and neither Asterisk nor a timer has heard of it."""
        self.house.breaks_when_written = True
        while self._inbox() and self.house.breaks_when_written:
            self.house.hear_one()
        if self.house.breaks_when_written:
            self.house.breaks_when_written = False
        elif which % 2:
            self.engine_is_killed(which // 2)
        else:
            self.link_goes_down(which // 2)

    def link_comes_up(self, _: int) -> None:
        self.house.link_comes_up()

    def engine_is_killed(self, which: int) -> None:
        remembered = but_for_phones(self.house.rooms.remembered())
        assert differences(but_for_phones(self.house.carried()), remembered) == []
        self.house.kill(rotate=which % 4 > 1)
        self._loses(which)

    def engine_starts(self, _: int) -> None:
        self.house.start()
        self._read_again()

    def asterisk_dies(self, which: int) -> None:
        house = self.house
        self._loses(1)
        house.node.dies()
        if house.alive:
            house.link_goes_down()
            if which % 2:
                house.engine.node_lost("nodo1", why="Asterisk ended")

    def calls_are_stopped(self, _: int) -> None:
        self.house.engine.stop_calls()

    def guard_looks(self, _: int) -> None:
        self.house.audit()

    def _inbox(self) -> bool:
        self.house.pbx.deliver()
        return self.house.line.up and bool(self.house.inbox)

    def _loses(self, which: int) -> None:
        """What was on its way, one time in two."""
        self.house.pbx.deliver()
        if which % 2:
            self.house.inbox.clear()


class WildDay(DayOfGaps):
    """Single events are lost, told twice, late or before others, while the link seems well."""

    def _verbs(self) -> list[Verb]:
        return [
            *super()._verbs(),
            (20, self._inbox, self.one_is_heard),
            (3, self._inbox, self.one_is_lost),
            (4, self._may_be_told_twice, self.one_is_told_twice),
            (6, self._inbox, self.one_comes_late),
        ]

    def one_is_heard(self, _: int) -> None:
        self.house.hear_one()

    def one_is_lost(self, _: int) -> None:
        self.house.inbox.popleft()

    def one_is_told_twice(self, _: int) -> None:
        self.house.inbox.insert(1, self.house.inbox[0])

    def one_comes_late(self, _: int) -> None:
        self.house.inbox.append(self.house.inbox.popleft())

    def _may_be_told_twice(self) -> bool:
        """A channel enters but once; what a look at what is there tells of it as well, comes through `agree`."""
        return self._inbox() and not isinstance(self.house.inbox[0][0], CallArrived)


class RulesInGaps(Rules, DayOfGaps):
    """The same, with everything that can break."""


def _nth(names: Sequence[str], which: int) -> str:
    return names[which % len(names)]
