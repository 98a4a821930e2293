"""What an agent is doing, told by the phone and by the contacts that come and go."""

import itertools

import pytest

from agents.core.presence import MACHINE, WRAP_UP_TIMER, Agent, Granted, changed, grant
from telefonista.kernel.commands import SetAgentTimer
from telefonista.kernel.events import (
    AgentRang,
    AgentTimerFired,
    CallEnded,
    ConversationEnded,
    ConversationStarted,
    EndReason,
    Event,
    OfferEnded,
    OfferMade,
    OfferOutcome,
    Phone,
    PhoneChanged,
    Presence,
    PresenceChanged,
)
from telefonista.kernel.ids import AgentId, CallId, QueueName, agent_leg, bridge_id, offer_id, visit_id
from telefonista.kernel.machine import Impossible

ANA = AgentId("101")
CALL, OTHER = CallId("tf1-1700000000.1"), CallId("tf1-1700000000.2")


class Person:
    """An agent to whom things happen; `said` is what came of the last."""

    def __init__(self, agent: Agent | None = None, *, wrap_up_s: float = 10.0) -> None:
        self.agent = Agent(agent=ANA, logged_in=True) if agent is None else agent
        self.granted = Granted(wrap_up_s=wrap_up_s)
        self.said: list[object] = []

    def meets(self, event: Event, *, at: float) -> "Person":
        if isinstance(event, ConversationStarted):
            self.agent = grant(self.agent, event, granted=self.granted)
        self.agent, outputs = MACHINE.step(self.agent, event, at=at)
        self.said = list(outputs)
        return self

    def phone(self, phone: Phone, *, at: float = 0.0) -> "Person":
        return self.meets(PhoneChanged(agent=ANA, phone=phone), at=at)

    @property
    def presence(self) -> Presence:
        return self.agent.presence


def offered(call: CallId = CALL) -> OfferMade:
    return OfferMade(
        call=call, visit=visit_id(call, n=1), offer=offer_id(call, n=1), agent=ANA, leg=agent_leg(call, n=1)
    )


def offer_over(outcome: OfferOutcome, *, call: CallId = CALL) -> OfferEnded:
    return OfferEnded(call=call, visit=visit_id(call, n=1), offer=offer_id(call, n=1), agent=ANA, outcome=outcome)


def connected(call: CallId = CALL) -> ConversationStarted:
    return ConversationStarted(
        call=call, agent=ANA, leg=agent_leg(call, n=1), bridge=bridge_id(call, n=1), queue=QueueName("general")
    )


def parted(call: CallId = CALL) -> ConversationEnded:
    return ConversationEnded(call=call, agent=ANA, leg=agent_leg(call, n=1), reason=EndReason.CITIZEN_HUNG_UP)


RANG = AgentRang(call=CALL, offer=offer_id(CALL, n=1), agent=ANA)


def ready() -> Person:
    return Person().phone(Phone.IDLE, at=100.0)


def ringing() -> Person:
    return ready().meets(offered(), at=110.0).meets(RANG, at=111.0).phone(Phone.RINGING, at=111.0)


def talking(*, wrap_up_s: float = 10.0) -> Person:
    person = ringing()
    person.granted = Granted(wrap_up_s=wrap_up_s)
    person.meets(offer_over(OfferOutcome.ANSWERED), at=115.0).meets(connected(), at=115.0)
    return person.phone(Phone.BUSY, at=115.0)


@pytest.mark.parametrize(
    ("phone", "presence"),
    [
        (Phone.IDLE, Presence.READY),
        (Phone.BUSY, Presence.BUSY),
        (Phone.RINGING, Presence.BUSY),
    ],
)
def test_agent_without_a_contact_is_what_the_phone_is(phone: Phone, presence: Presence) -> None:
    person = Person().phone(phone, at=100.0)
    assert (person.presence, person.agent.idle_since) == (presence, 100.0)
    assert person.said == [changed(person.agent)]
    assert person.phone(Phone.UNREACHABLE).presence is Presence.UNREACHABLE


def test_phone_that_is_what_it_was_is_no_news() -> None:
    person = ready()
    assert person.phone(Phone.IDLE, at=200.0).said == []
    assert person.agent.idle_since == 100.0


def test_foreign_call_that_rings_and_then_talks_is_one_stretch_of_being_busy() -> None:
    person = ready().phone(Phone.RINGING, at=110.0).phone(Phone.BUSY, at=112.0)
    assert (person.said, person.presence, person.agent.phone) == ([], Presence.BUSY, Phone.BUSY)
    person.phone(Phone.IDLE, at=130.0)
    assert (person.presence, person.agent.idle_since) == (Presence.READY, 130.0)


def test_offer_reserves_and_ringing_and_talking_follow() -> None:
    person = ready().meets(offered(), at=110.0)
    assert (person.presence, person.agent.call) == (Presence.RESERVED, CALL)
    assert person.meets(RANG, at=111.0).presence is Presence.RINGING
    assert person.meets(offer_over(OfferOutcome.ANSWERED), at=115.0).said == []
    assert person.meets(connected(), at=115.0).presence is Presence.TALKING


def test_agent_may_answer_before_the_ringing_was_told() -> None:
    person = ready().meets(offered(), at=110.0).meets(offer_over(OfferOutcome.ANSWERED), at=111.0)
    assert person.meets(connected(), at=111.0).presence is Presence.TALKING


@pytest.mark.parametrize("state", [Person(), ready().meets(offered(), at=1.0), ringing(), talking()])
def test_agent_who_is_not_ready_cannot_be_reserved(state: Person) -> None:
    with pytest.raises(Impossible):
        state.meets(offered(OTHER), at=200.0)


@pytest.mark.parametrize(
    ("outcome", "idle_since"),
    [
        (OfferOutcome.WITHDRAWN, 100.0),
        (OfferOutcome.LOST, 100.0),
        (OfferOutcome.UNANSWERED, 120.0),
        (OfferOutcome.BUSY, 120.0),
        (OfferOutcome.REFUSED, 120.0),
        (OfferOutcome.UNREACHABLE, 120.0),
    ],
)
def test_agent_keeps_the_place_among_the_idle_unless_it_was_their_phone_that_failed(
    outcome: OfferOutcome, idle_since: float
) -> None:
    person = ready().meets(offered(), at=110.0).meets(offer_over(outcome), at=120.0)
    assert (person.presence, person.agent.idle_since, person.agent.call) == (Presence.READY, idle_since, None)


def test_phone_that_has_not_stopped_ringing_is_waited_for_and_keeps_the_place() -> None:
    person = ringing().meets(offer_over(OfferOutcome.WITHDRAWN), at=120.0)
    assert person.presence is Presence.BUSY
    person.phone(Phone.BUSY, at=120.5).phone(Phone.IDLE, at=121.0)
    assert (person.presence, person.agent.idle_since) == (Presence.READY, 100.0)
    person.phone(Phone.BUSY, at=130.0).phone(Phone.IDLE, at=140.0)
    assert person.agent.idle_since == 140.0


def test_end_of_another_offer_frees_nobody() -> None:
    person = ringing()
    assert person.meets(offer_over(OfferOutcome.WITHDRAWN, call=OTHER), at=120.0).said == []
    assert person.presence is Presence.RINGING


def test_agent_wraps_up_for_as_long_as_the_queue_grants_and_then_is_free() -> None:
    person = talking().meets(parted(), at=200.0)
    assert (person.presence, person.agent.wrap_up_until) == (Presence.WRAP_UP, 210.0)
    assert person.said == [
        changed(person.agent),
        SetAgentTimer(agent=ANA, key=WRAP_UP_TIMER, token=1, after_s=10.0),
    ]
    person.phone(Phone.IDLE, at=201.0)
    person.meets(AgentTimerFired(agent=ANA, key=WRAP_UP_TIMER, token=1), at=210.0)
    assert (person.presence, person.agent.idle_since, person.agent.wrap_up_until) == (Presence.READY, 210.0, None)


def test_queue_that_grants_no_wrap_up_frees_the_agent_at_once() -> None:
    person = talking(wrap_up_s=0.0).phone(Phone.IDLE, at=200.0).meets(parted(), at=200.0)
    assert (person.presence, person.agent.idle_since) == (Presence.READY, 200.0)


@pytest.mark.parametrize(("key", "token"), [(WRAP_UP_TIMER, 0), (WRAP_UP_TIMER, 2), ("acd.rest", 1)])
def test_timer_of_another_wrap_up_ends_nothing(key: str, token: int) -> None:
    person = talking().meets(parted(), at=200.0)
    assert person.meets(AgentTimerFired(agent=ANA, key=key, token=token), at=205.0).said == []
    assert person.presence is Presence.WRAP_UP


def test_agent_whose_phone_is_unplugged_during_wrap_up_is_out_of_reach_after_it() -> None:
    person = talking().meets(parted(), at=200.0).phone(Phone.UNREACHABLE, at=202.0)
    assert person.presence is Presence.WRAP_UP
    over = person.meets(AgentTimerFired(agent=ANA, key=WRAP_UP_TIMER, token=1), at=210.0)
    assert over.presence is Presence.UNREACHABLE


def test_end_of_a_conversation_of_another_call_leaves_the_agent_talking() -> None:
    person = talking()
    assert person.meets(parted(OTHER), at=200.0).said == []
    assert person.presence is Presence.TALKING


@pytest.mark.parametrize("held", [ready().meets(offered(), at=1.0), ringing(), talking()])
def test_call_that_ended_without_a_word_to_its_agent_holds_nobody(held: Person) -> None:
    held.phone(Phone.IDLE, at=150.0)
    assert held.meets(CallEnded(call=OTHER, reason=EndReason.BROKEN), at=160.0).said == []
    held.meets(CallEnded(call=CALL, reason=EndReason.BROKEN), at=160.0)
    assert (held.presence, held.agent.call, held.agent.offer) == (Presence.READY, None, None)


def test_end_of_the_call_does_not_cut_its_wrap_up_short() -> None:
    person = talking().meets(parted(), at=200.0)
    assert person.meets(CallEnded(call=CALL, reason=EndReason.CITIZEN_HUNG_UP), at=200.1).said == []
    assert person.presence is Presence.WRAP_UP


def test_conversation_with_somebody_who_was_not_offered_it_is_a_defect() -> None:
    with pytest.raises(Impossible):
        ready().meets(connected(), at=110.0)


STORY: list[Event] = [
    PhoneChanged(agent=ANA, phone=Phone.IDLE),
    offered(),
    RANG,
    PhoneChanged(agent=ANA, phone=Phone.RINGING),
    offer_over(OfferOutcome.WITHDRAWN),
    PhoneChanged(agent=ANA, phone=Phone.IDLE),
    offered(OTHER),
    offer_over(OfferOutcome.ANSWERED, call=OTHER),
    connected(OTHER),
    parted(OTHER),
    AgentTimerFired(agent=ANA, key=WRAP_UP_TIMER, token=1),
]


def test_last_word_about_an_agent_is_all_there_is_to_know() -> None:
    """Whoever has read nothing but the last `PresenceChanged` goes on as one who has lived it all."""
    person = Person()
    for at, event in enumerate(STORY):
        person.meets(event, at=float(at))
        last = [said for said in person.said if isinstance(said, PresenceChanged)]
        if last:
            told = Person().meets(last[-1], at=99.0)
            assert (told.agent, told.said) == (person.agent, [])


def test_own_words_read_back_change_nothing() -> None:
    person = Person()
    for at, event in enumerate(STORY):
        lived = person.meets(event, at=float(at)).agent
        for said in person.said:
            if isinstance(said, PresenceChanged):
                person.meets(said, at=float(at))
        assert person.agent == lived


def test_no_state_is_impossible_for_what_the_phone_and_the_clock_tell() -> None:
    told: list[Event] = [
        *(PhoneChanged(agent=ANA, phone=phone) for phone in Phone),
        AgentTimerFired(agent=ANA, key=WRAP_UP_TIMER, token=1),
    ]
    for presence, phone in itertools.product(Presence, Phone):
        for event in told:
            before = Agent(agent=ANA, presence=presence, phone=phone, call=CALL, offer=offer_id(CALL, n=1), token=1)
            after, _ = MACHINE.step(before, event, at=5.0)
            assert isinstance(after.presence, Presence)


def test_phone_that_rings_again_for_a_call_that_is_not_ours_is_still_the_same_stretch() -> None:
    person = ready().phone(Phone.BUSY, at=200.0).phone(Phone.RINGING, at=210.0)
    assert (person.presence, person.agent.since, person.said) == (Presence.BUSY, 200.0, [])


def test_agent_who_is_free_again_owes_nothing_to_the_last_conversation() -> None:
    person = talking().meets(parted(), at=130.0)
    person.meets(AgentTimerFired(agent=ANA, key=WRAP_UP_TIMER, token=person.agent.token), at=140.0)
    assert (person.agent.wrap_up_s, person.agent.wrap_up_until) == (0.0, None)


def test_phone_that_is_told_to_ring_twice_is_told_of_once() -> None:
    person = ringing()
    assert person.meets(RANG, at=112.0).said == []


def test_offer_is_forgotten_when_the_conversation_begins() -> None:
    assert talking().agent.offer is None
