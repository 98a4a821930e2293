"""One call, from arrival until nothing of it is left: what each leg's fate means, and who is hung up when."""

from collections.abc import Callable, Iterable

import pytest

from telefonista.kernel.call import CLEARING_S, CLEARING_TIMER, MACHINE, CallState, begin
from telefonista.kernel.commands import (
    Answer,
    AnyCommand,
    CancelTimer,
    Connect,
    Disconnect,
    HangUp,
    Ring,
    SetTimer,
)
from telefonista.kernel.endings import phone_number
from telefonista.kernel.events import (
    KINDS,
    AgentRang,
    CallArrived,
    CallBroken,
    CallEnded,
    CallLost,
    CallStopped,
    CommandFailed,
    ConversationEnded,
    ConversationStarted,
    EndReason,
    Event,
    FlowEnded,
    HandedOff,
    LegAnswered,
    LegEnded,
    LegRang,
    OfferEnded,
    OfferMade,
    OfferOutcome,
    TimerFired,
)
from telefonista.kernel.ids import (
    AgentId,
    CallId,
    LegId,
    LineName,
    QueueName,
    RouteName,
    agent_leg,
    bridge_id,
    citizen_leg,
    offer_id,
    visit_id,
)
from telefonista.kernel.machine import Impossible

CALL = CallId("tf1-1700000000.1")
CITIZEN = citizen_leg(CALL)
ANA, LUIS = AgentId("101"), AgentId("102")
FIRST, SECOND = agent_leg(CALL, n=1), agent_leg(CALL, n=2)
BRIDGE = bridge_id(CALL, n=1)
QUEUE = QueueName("tramites")
ARRIVED = CallArrived(
    call=CALL, line=LineName("0800-info"), dialled="4636", route=RouteName("red"), caller="+59899123456"
)
GUARD = SetTimer(call=CALL, key=CLEARING_TIMER, token=0, after_s=CLEARING_S)


class Story:
    """A call, and what came of each thing that happened to it; its decisions are applied as the engine would."""

    def __init__(self) -> None:
        self.call, self.outputs = begin(ARRIVED, at=10.0)
        self.ended: list[CallEnded] = []

    def happens(self, *events: Event) -> "Story":
        """The last of these is what `commands` and `decisions` speak of."""
        for event in events:
            self.outputs = []
            self._apply([event])
        return self

    def _apply(self, events: Iterable[Event]) -> None:
        waiting = list(events)
        while waiting:
            event = waiting.pop(0)
            if type(event) not in MACHINE.events:
                continue
            self.call, outputs = MACHINE.step(self.call, event, at=20.0)
            self.outputs += outputs
            waiting += [output for output in outputs if isinstance(output, KINDS)]

    @property
    def commands(self) -> list[AnyCommand]:
        return [output for output in self.outputs if not isinstance(output, KINDS)]

    @property
    def decisions(self) -> list[Event]:
        return [output for output in self.outputs if isinstance(output, KINDS)]

    def handed_off(self) -> "Story":
        return self.happens(HandedOff(call=CALL, queue=QUEUE))

    def offered(self, n: int = 1, *, agent: AgentId = ANA) -> "Story":
        return self.happens(
            OfferMade(
                call=CALL,
                visit=visit_id(CALL, n=1),
                offer=offer_id(CALL, n=n),
                agent=agent,
                leg=agent_leg(CALL, n=n),
                ring_s=12.0,
            )
        )

    def rung(self) -> "Story":
        return self.handed_off().offered()

    def talking(self) -> "Story":
        return self.rung().happens(LegAnswered(call=CALL, leg=FIRST))

    def clearing(self) -> "Story":
        """The agent has hung up; the citizen is being hung up."""
        return self.talking().happens(gone(FIRST))


def story_of(where: str) -> Story:
    tell: dict[str, Callable[[], Story]] = {
        "in the flow": Story,
        "waiting": lambda: Story().handed_off(),
        "ringing": lambda: Story().rung(),
        "talking": lambda: Story().talking(),
        "clearing": lambda: Story().clearing(),
    }
    return tell[where]()


def gone(leg: LegId, *, cause: int = 16, lost: bool = False) -> LegEnded:
    return LegEnded(call=CALL, leg=leg, cause=cause, lost=lost)


def offer_over(outcome: OfferOutcome, *, agent: AgentId = ANA, n: int = 1) -> OfferEnded:
    return OfferEnded(call=CALL, visit=visit_id(CALL, n=1), offer=offer_id(CALL, n=n), agent=agent, outcome=outcome)


def over(reason: EndReason, *, cause: int = 16) -> list[Event]:
    return [CallEnded(call=CALL, reason=reason, cause=cause)]


def test_call_that_arrives_is_answered() -> None:
    story = Story()
    assert story.outputs == [Answer(call=CALL, leg=CITIZEN)]
    assert (story.call.state, story.call.arrived_at, story.call.legs) == (CallState.IN_FLOW, 10.0, frozenset({CITIZEN}))


def test_offer_rings_the_agents_phone_with_the_citizens_number_for_as_long_as_the_queue_says() -> None:
    story = Story().rung()
    assert story.commands == [
        Ring(call=CALL, leg=FIRST, agent=ANA, citizen=CITIZEN, shown_number="+59899123456", timeout_s=12.0)
    ]
    assert story.call.state is CallState.RINGING


def test_agent_who_answers_is_connected_with_the_citizen() -> None:
    story = Story().rung().happens(LegAnswered(call=CALL, leg=FIRST))
    assert story.decisions == [
        offer_over(OfferOutcome.ANSWERED),
        ConversationStarted(call=CALL, agent=ANA, leg=FIRST, bridge=BRIDGE, queue=QUEUE),
    ]
    assert story.commands == [Connect(call=CALL, bridge=BRIDGE, legs=(CITIZEN, FIRST))]
    assert story.call.state is CallState.TALKING


def test_ringing_phone_is_told_once_and_only_the_one_that_was_asked() -> None:
    story = Story().rung().happens(LegRang(call=CALL, leg=SECOND))
    assert story.outputs == []
    assert story.happens(LegRang(call=CALL, leg=FIRST)).decisions == [
        AgentRang(call=CALL, offer=offer_id(CALL, n=1), agent=ANA)
    ]
    assert story.happens(LegRang(call=CALL, leg=FIRST)).outputs == []


@pytest.mark.parametrize(
    ("cause", "rang", "outcome"),
    [
        (17, True, OfferOutcome.BUSY),
        (21, True, OfferOutcome.REFUSED),
        (19, True, OfferOutcome.UNANSWERED),
        (16, True, OfferOutcome.UNANSWERED),
        (18, False, OfferOutcome.UNANSWERED),
        (20, False, OfferOutcome.UNREACHABLE),
        (20, True, OfferOutcome.UNREACHABLE),
        (38, True, OfferOutcome.UNREACHABLE),
        (16, False, OfferOutcome.UNREACHABLE),
        (0, False, OfferOutcome.UNREACHABLE),
    ],
)
def test_how_an_agents_phone_ended_says_what_became_of_the_offer(cause: int, rang: bool, outcome: OfferOutcome) -> None:
    story = Story().rung()
    if rang:
        story.happens(LegRang(call=CALL, leg=FIRST))
    story.happens(gone(FIRST, cause=cause))
    assert story.decisions == [offer_over(outcome)]
    assert (story.call.state, story.call.legs) == (CallState.WAITING, frozenset({CITIZEN}))


def test_phone_that_vanished_with_the_gap_is_a_lost_offer() -> None:
    assert Story().rung().happens(gone(FIRST, lost=True)).decisions == [offer_over(OfferOutcome.LOST)]


def test_citizen_keeps_waiting_and_is_offered_to_the_next_agent_on_another_leg() -> None:
    story = Story().rung().happens(gone(FIRST, cause=19)).offered(2, agent=LUIS)
    assert [(command.leg, command.agent) for command in story.commands if isinstance(command, Ring)] == [(SECOND, LUIS)]
    story.happens(LegAnswered(call=CALL, leg=SECOND))
    assert story.commands == [Connect(call=CALL, bridge=BRIDGE, legs=(CITIZEN, SECOND))]


@pytest.mark.parametrize("where", ["in the flow", "waiting", "ringing", "talking", "clearing"])
def test_phone_picked_up_when_nobody_asks_for_it_is_hung_up(where: str) -> None:
    story = story_of(where)
    assert story.happens(LegAnswered(call=CALL, leg=SECOND)).outputs == [HangUp(call=CALL, leg=SECOND)]


def test_talking_agent_told_of_twice_is_connected_again_and_not_hung_up() -> None:
    story = Story().talking().happens(LegAnswered(call=CALL, leg=FIRST))
    assert story.outputs == [Connect(call=CALL, bridge=BRIDGE, legs=(CITIZEN, FIRST))]


@pytest.mark.parametrize("where", ["in the flow", "waiting"])
def test_citizen_who_hangs_up_alone_ends_the_call_at_once(where: str) -> None:
    story = story_of(where)
    story.happens(gone(CITIZEN, cause=16))
    assert story.decisions == over(EndReason.CITIZEN_HUNG_UP)
    assert story.commands == [CancelTimer(call=CALL, key=CLEARING_TIMER)]
    assert story.call.state is CallState.ENDED


def test_citizen_who_hangs_up_while_a_phone_rings_withdraws_the_offer_and_stops_the_ringing() -> None:
    story = Story().rung().happens(gone(CITIZEN))
    assert story.decisions == [offer_over(OfferOutcome.WITHDRAWN)]
    assert story.commands == [HangUp(call=CALL, leg=FIRST), GUARD]
    assert story.call.state is CallState.CLEARING
    assert story.happens(gone(FIRST)).decisions == over(EndReason.CITIZEN_HUNG_UP)


@pytest.mark.parametrize(
    ("first", "other", "reason"),
    [(CITIZEN, FIRST, EndReason.CITIZEN_HUNG_UP), (FIRST, CITIZEN, EndReason.AGENT_HUNG_UP)],
)
def test_whoever_hangs_up_first_ends_the_conversation_for_both(first: LegId, other: LegId, reason: EndReason) -> None:
    story = Story().talking().happens(gone(first, cause=16))
    assert story.decisions == [ConversationEnded(call=CALL, agent=ANA, leg=FIRST, reason=reason)]
    assert story.commands == [Disconnect(call=CALL, bridge=BRIDGE), HangUp(call=CALL, leg=other), GUARD]
    assert story.happens(gone(other)).decisions == over(reason)


def test_leg_that_vanished_while_talking_is_nobodys_hanging_up() -> None:
    story = Story().talking().happens(gone(CITIZEN, lost=True))
    assert story.decisions == [ConversationEnded(call=CALL, agent=ANA, leg=FIRST, reason=EndReason.LOST)]


@pytest.mark.parametrize("where", ["in the flow", "ringing", "talking"])
def test_end_of_a_leg_that_no_longer_matters_changes_nothing_else(where: str) -> None:
    story = story_of(where)
    before = story.call
    assert story.happens(gone(SECOND)).outputs == []
    assert story.call == before


def test_flow_that_said_goodbye_is_the_reason_whoever_hangs_up_then() -> None:
    story = Story().happens(FlowEnded(call=CALL, outcome="finished"), gone(CITIZEN))
    assert story.decisions == over(EndReason.FLOW_FINISHED)


def test_legs_that_nobody_tells_of_are_hung_up_again_and_again_and_the_call_does_not_end_untold() -> None:
    story = Story().clearing()
    for _ in range(3):
        story.happens(TimerFired(call=CALL, key=CLEARING_TIMER, token=0))
        assert story.outputs == [HangUp(call=CALL, leg=CITIZEN), GUARD]
    assert story.happens(TimerFired(call=CALL, key="acd.announce", token=0)).outputs == []
    assert story.happens(gone(CITIZEN)).decisions == over(EndReason.AGENT_HUNG_UP)


def test_call_waits_for_the_last_of_its_legs() -> None:
    story = Story().rung().happens(CallStopped(call=CALL), gone(CITIZEN))
    assert (story.outputs, story.call.state) == ([], CallState.CLEARING)
    assert story.happens(gone(FIRST)).decisions == over(EndReason.SHUT_DOWN)


def test_two_whom_asterisk_does_not_connect_are_not_left_in_silence() -> None:
    story = Story().talking()
    other = CommandFailed(call=CALL, command="StartMusic", subject=BRIDGE, why="500")
    assert story.happens(other).outputs == []
    other = CommandFailed(call=CALL, command="Connect", subject="tf1-1700000000.1.b9", why="500")
    assert story.happens(other).outputs == []
    story.happens(CommandFailed(call=CALL, command="Connect", subject=BRIDGE, why="500"))
    assert story.decisions == [ConversationEnded(call=CALL, agent=ANA, leg=FIRST, reason=EndReason.BROKEN)]
    assert story.happens(gone(FIRST), gone(CITIZEN)).decisions == over(EndReason.BROKEN)


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (CallLost(call=CALL, why="the node died"), EndReason.LOST),
        (CallBroken(call=CALL, why="a defect"), EndReason.BROKEN),
        (CallStopped(call=CALL), EndReason.SHUT_DOWN),
    ],
)
def test_call_that_cannot_go_on_frees_whoever_was_busy_with_it(ending: Event, reason: EndReason) -> None:
    assert Story().rung().happens(ending).decisions[0] == offer_over(OfferOutcome.LOST)
    talked = Story().talking().happens(ending)
    assert talked.decisions[0] == ConversationEnded(call=CALL, agent=ANA, leg=FIRST, reason=reason)
    waiting = Story().handed_off().happens(ending)
    assert [event for event in waiting.decisions if not isinstance(event, CallEnded)] == []


def test_call_lost_with_its_node_hangs_up_nobody_and_ends_at_once() -> None:
    story = Story().talking().happens(CallLost(call=CALL, why="the node died"))
    assert story.decisions[-1:] == over(EndReason.LOST)
    assert not [command for command in story.commands if isinstance(command, HangUp | Disconnect)]


def test_call_that_is_being_cleared_when_its_node_dies_ends_too() -> None:
    story = Story().clearing().happens(CallLost(call=CALL, why="the node died"))
    assert story.decisions == over(EndReason.LOST)


def test_late_news_of_a_call_that_is_over_is_ignored() -> None:
    story = Story().happens(gone(CITIZEN))
    ended = story.call
    for event in (gone(FIRST), LegAnswered(call=CALL, leg=FIRST), CallStopped(call=CALL), CallLost(call=CALL, why="")):
        assert story.happens(event).outputs == []
    assert story.call == ended


@pytest.mark.parametrize(
    "event",
    [
        OfferMade(call=CALL, visit=visit_id(CALL, n=1), offer=offer_id(CALL, n=1), agent=ANA, leg=FIRST),
        ConversationStarted(call=CALL, agent=ANA, leg=FIRST, bridge=BRIDGE, queue=QUEUE),
        ConversationEnded(call=CALL, agent=ANA, leg=FIRST, reason=EndReason.LOST),
        CallEnded(call=CALL, reason=EndReason.LOST),
    ],
    ids=lambda event: type(event).__name__,
)
def test_decision_that_the_calls_state_cannot_have_led_to_is_a_defect(event: Event) -> None:
    with pytest.raises(Impossible):
        Story().happens(event)


@pytest.mark.parametrize(
    ("caller", "shown"),
    [
        ("+59899123456", "+59899123456"),
        ("099 123 456", "099123456"),
        ("anonymous", ""),
        ("", ""),
        ("1" * 30, "1" * 20),
        ('"><script>99', "99"),
        ("٣٤٥", ""),
    ],
)
def test_agents_phone_shows_digits_and_nothing_else_of_what_the_network_says(caller: str, shown: str) -> None:
    assert phone_number(caller) == shown
