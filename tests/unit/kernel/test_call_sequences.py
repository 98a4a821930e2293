"""No order of what people and Asterisk may do leads a call astray: whatever happens, in whatever order and however
often, it is taken, refused or ignored; whoever is in the layout is alive; and a call whose legs are gone is over."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telefonista.kernel.call import CLEARING_TIMER, MACHINE, CallState
from telefonista.kernel.commands import AnyCommand, Connect, Dial, HangUp, Mute, Ring, Snoop
from telefonista.kernel.events import (
    KINDS,
    CallStopped,
    CommandFailed,
    ConferenceAsked,
    ConsultationAsked,
    ConsultationEndAsked,
    ConversationEnded,
    ConversationStarted,
    Destination,
    DestinationKind,
    DigitPressed,
    Diverted,
    Event,
    HoldAsked,
    HoldBegan,
    HoldEnded,
    LegAnswered,
    LegEnded,
    LegHeld,
    LegRang,
    LegUnheld,
    Medium,
    OfferEnded,
    OfferMade,
    PartyCalled,
    PartyJoined,
    PartyLeft,
    ReferReceived,
    RequestRefused,
    Supervision,
    SupervisionAsked,
    SupervisionBegan,
    SupervisionEndAsked,
    SupervisionEnded,
    TakeOverAsked,
    TimerFired,
    TransferAsked,
    TransferCompletionAsked,
    VisitStarted,
)
from telefonista.kernel.ids import AgentId, LegId, consulted_leg, visit_id
from telefonista.kernel.machine import Output
from telefonista.kernel.shape import Call, Hold, awaited, layout, roles
from tests.unit.kernel.story import ANA, LUIS, OUTSIDE, QUEUE, QUEUE_AGAIN, SOL, Story

AGENTS = (ANA, LUIS, SOL)
DESTINATIONS = (QUEUE_AGAIN, OUTSIDE, Destination(DestinationKind.FLOW, "0800-info"))
MEDIA = (Medium.CALL, Medium.CALL, Medium.CALLBACK, Medium.VOICEMAIL)


class Life:
    """A call and the Asterisk around it, in which only what was asked for is alive. The desk is played by its rules: a
    call that waits is offered, one that was diverted to a queue gets a new stay there."""

    def __init__(self, medium: Medium) -> None:
        self.story = Story(medium)
        self.alive: set[LegId] = {self.story.citizen} if medium is Medium.CALL else set()
        self.up: set[LegId] = set(self.alive)
        self.bridges: dict[str, set[LegId]] = {}
        self.muted: set[LegId] = set()
        self.offers = 0
        self.visits = 1
        self.balance: dict[str, int] = {}
        self.heard: list[Event] = []

    @property
    def call(self) -> Call:
        return self.story.call

    def happens(self, event: Event) -> None:
        waiting = [event]
        while waiting:
            now = waiting.pop(0)
            self.heard.append(now)
            self._count(now)
            outputs: list[Output] = []
            if type(now) in MACHINE.events:
                self.story.call, outputs = MACHINE.step(self.story.call, now, at=1.0)
            for output in outputs:
                if isinstance(output, KINDS):
                    waiting.append(output)
                else:
                    self._carry_out(output)
            if isinstance(now, Diverted) and now.to.kind is DestinationKind.QUEUE:
                self.visits += 1
                visit = visit_id(self.story.id, n=self.visits)
                waiting.append(VisitStarted(call=self.story.id, visit=visit, queue=QUEUE))
        self._check()

    def _carry_out(self, command: AnyCommand) -> None:
        if isinstance(command, Ring | Dial):
            # Of a citizen who is still being hung up Asterisk says that the leg is there; nobody is dialled.
            assert isinstance(command, Dial) or command.leg not in self.alive, f"{command.leg} is rung twice"
            self.alive.add(command.leg)
        elif isinstance(command, Snoop) and command.at in self.alive:
            self.alive.add(command.leg)
        elif isinstance(command, HangUp):
            self.muted.discard(command.leg)
        elif isinstance(command, Mute):
            self.muted.add(command.leg)
        elif isinstance(command, Connect):
            assert command.legs, "nobody is connected"
            for leg in command.legs:
                assert leg in self.call.legs or leg not in self.alive, f"{leg} is connected and not of this call"

    def _count(self, event: Event) -> None:
        """Whatever began ends once, and nothing ends that had not begun."""
        begins = {OfferMade: "offer", ConversationStarted: "conversation", PartyCalled: "party", HoldBegan: "hold"}
        ends = {OfferEnded: "offer", ConversationEnded: "conversation", PartyLeft: "party"}
        if isinstance(event, ConversationStarted) and self.call.party is not None:
            assert event.leg == self.call.party.leg, "a party is left behind by a new conversation"
            self._move("party", -1)
        if type(event) in begins:
            self._move(begins[type(event)], 1)
        elif type(event) in ends:
            self._move(ends[type(event)], -1)
        elif isinstance(event, SupervisionBegan | SupervisionEnded):
            self._move("supervision", 1 if isinstance(event, SupervisionBegan) else -1)

    def _move(self, what: str, by: int) -> None:
        self.balance[what] = self.balance.get(what, 0) + by

    def _check(self) -> None:
        call = self.call
        assert call.state is not CallState.PASSING, "a call is between two conversations and stays there"
        assert self.balance.get("conversation", 0) == (call.state is CallState.TALKING)
        assert self.balance.get("supervision", 0) == len(call.supervised)
        assert self.balance.get("offer", 0) == len(call.offers)
        if call.state in (CallState.TALKING, CallState.DIVERTING, CallState.DIALLING):
            assert roles(call) - {each.snoop for each in call.supervised} <= call.legs, "somebody is not there"
            assert awaited(call) <= call.legs
        placed = [leg for legs in layout(call).bridges.values() for leg in legs] + list(layout(call).waiting)
        assert len(placed) == len(set(placed)), f"somebody is in two places: {placed}"
        if call.state is CallState.TALKING and call.hold is Hold.OURS:
            assert call.citizen in layout(call).waiting
        if call.state is CallState.ENDED:
            assert not call.legs

    # What people and Asterisk may do, by a number that says to whom.

    def leg_answers(self, n: int) -> None:
        legs = sorted(self.alive)
        if legs:
            leg = legs[n % len(legs)]
            self.up.add(leg)
            self.happens(LegAnswered(call=self.story.id, leg=leg))

    def leg_rings(self, n: int) -> None:
        legs = sorted(self.alive)
        if legs:
            self.happens(LegRang(call=self.story.id, leg=legs[n % len(legs)]))

    def leg_ends(self, n: int) -> None:
        legs = sorted(self.alive)
        if legs:
            leg = legs[n % len(legs)]
            self.alive.discard(leg)
            self.happens(LegEnded(call=self.story.id, leg=leg, cause=(16, 17, 19, 21, 20)[n % 5], lost=n % 7 == 0))

    def leg_ends_again(self, n: int) -> None:
        self.happens(LegEnded(call=self.story.id, leg=self.story.leg(n % 3 + 1), cause=16))

    def is_offered(self, n: int) -> None:
        """As the desk does: whoever waits, and several at once in one go."""
        if self.call.state is not CallState.WAITING:
            return
        for _ in range(n % 3 + 1):
            self.offers += 1
            leg = self.story.leg(self.offers)
            visit = visit_id(self.story.id, n=self.visits)
            offer = OfferMade(
                call=self.story.id,
                visit=visit,
                offer=self.story.offer(self.offers),
                agent=AGENTS[self.offers % 3],
                leg=leg,
            )
            self.happens(offer)

    def is_wished(self, n: int) -> None:
        call, who = self.story.id, AGENTS[n % 3]
        talking = self.call.agent or who
        mode = list(Supervision)[n % 3]
        wishes: list[Event] = [
            HoldAsked(call=call, agent=talking),
            HoldAsked(call=call, agent=talking, on=False),
            TransferAsked(call=call, agent=talking, to=DESTINATIONS[n % 3]),
            ConsultationAsked(call=call, agent=talking, to=OUTSIDE),
            PartyCalled(call=call, leg=consulted_leg(call, n=self.call.parties + 1), agent=who),
            ConsultationEndAsked(call=call, agent=talking),
            ConferenceAsked(call=call, agent=talking),
            TransferCompletionAsked(call=call, agent=talking),
            SupervisionAsked(call=call, supervisor=who, mode=mode),
            SupervisionEndAsked(call=call, supervisor=who),
            TakeOverAsked(call=call, supervisor=who),
            HoldAsked(call=call, agent=AgentId("999")),
        ]
        if self.call.state is not CallState.ENDED:  # nobody knows it any more
            self.happens(wishes[n // 3 % len(wishes)])

    def is_told(self, n: int) -> None:
        call = self.story.id
        leg = self.call.agent_leg or self.story.leg(1)
        facts: list[Event] = [
            LegHeld(call=call, leg=leg),
            LegUnheld(call=call, leg=leg),
            ReferReceived(call=call, leg=leg, dialled=("", "102")[n % 2]),
            RequestRefused(call=call, by="101", what="x", why="y"),
            DigitPressed(call=call, leg=leg, digit="1"),
            TimerFired(call=call, key=CLEARING_TIMER, token=0),
            CommandFailed(call=call, command="Connect", subject=self.call.bridge or "x", why="no"),
        ]
        # A bridge that cannot be made is rare.
        self.happens(facts[n % len(facts) if n % 50 == 0 else n % (len(facts) - 1)])

    def is_diverted(self, n: int) -> None:
        """As a queue's rules do."""
        if self.call.state in (CallState.WAITING, CallState.RINGING) and self.call.citizen_here:
            self.happens(Diverted(call=self.story.id, to=DESTINATIONS[n % 3], why="a rule", queue=QUEUE))

    def waits(self) -> None:
        if self.call.state is CallState.IN_FLOW:
            self.story.waits()

    def everybody_goes(self) -> None:
        """In the end the engine is stopped, and Asterisk tells of the end of every leg."""
        self.happens(CallStopped(call=self.story.id))
        for leg in sorted(self.call.legs | self.alive):
            self.happens(LegEnded(call=self.story.id, leg=leg, cause=16))
        assert self.call.state is CallState.ENDED
        assert {what: n for what, n in self.balance.items() if n and what != "hold"} == {}


def live(medium: Medium, numbers: list[int]) -> Life:
    life = Life(medium)
    life.waits()
    verbs: tuple[Callable[[int], None], ...] = (
        life.leg_answers,
        life.leg_answers,
        life.leg_answers,
        life.is_offered,
        life.is_offered,
        life.is_wished,
        life.is_wished,
        life.is_wished,
        life.is_wished,
        life.is_told,
        life.leg_rings,
        life.leg_ends,
        life.leg_ends_again,
        life.is_diverted,
    )
    for number in numbers:
        verbs[number % len(verbs)](number // len(verbs))
        life.waits()
    life.everybody_goes()
    return life


@settings(max_examples=300, deadline=None)
@given(medium=st.sampled_from(MEDIA), numbers=st.lists(st.integers(0, 99_999), max_size=60))
def test_no_order_of_what_may_happen_to_a_call_leads_it_astray(medium: Medium, numbers: list[int]) -> None:
    live(medium, numbers)


@pytest.mark.parametrize("seed", range(6))
def test_many_long_lives_of_calls_end_and_meet_what_they_are_there_to_meet(seed: int) -> None:
    chance = random.Random(seed)
    met: set[str] = set()
    for _ in range(400):
        life = live(MEDIA[chance.randrange(4)], [chance.randrange(100_000) for _ in range(60)])
        met |= {type(event).__name__ for event in life.heard}
    wanted = (PartyJoined, SupervisionEnded, HoldEnded, Diverted, PartyLeft, ConversationStarted, RequestRefused)
    assert {each.__name__ for each in wanted} <= met
