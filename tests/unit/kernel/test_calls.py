"""The room that holds all open calls: who is in it, and what must be asked for again after a gap."""

import pytest

from telefonista.kernel.call import CLEARING_S, CLEARING_TIMER, CallState
from telefonista.kernel.calls import Calls, owed
from telefonista.kernel.commands import Answer, HangUp, Mute, SetTimer, StartMusic, StopPlayback
from telefonista.kernel.events import (
    AttemptMade,
    CallArrived,
    CallStopped,
    ContactBooked,
    ConversationStarted,
    Entry,
    Event,
    HandedOff,
    HoldBegan,
    LegAnswered,
    LegEnded,
    Medium,
    OfferMade,
    Supervision,
    SupervisionBegan,
)
from telefonista.kernel.ids import (
    AgentId,
    CallId,
    LineName,
    QueueName,
    RouteName,
    agent_leg,
    bridge_id,
    citizen_leg,
    contact_id,
    offer_id,
    playback_id,
    supervisor_leg,
    visit_id,
)
from telefonista.kernel.parties import FIRST_PLAYBACK

CALL, OTHER = CallId("tf1-1700000000.1"), CallId("tf1-1700000000.2")
CITIZEN = citizen_leg(CALL)
HANDED_OFF = HandedOff(call=CALL, queue=QueueName("general"))
OFFERED = OfferMade(
    call=CALL, visit=visit_id(CALL, n=1), offer=offer_id(CALL, n=1), agent=AgentId("101"), leg=agent_leg(CALL, n=1)
)
CONNECTED = ConversationStarted(
    call=CALL,
    agent=AgentId("101"),
    leg=agent_leg(CALL, n=1),
    bridge=bridge_id(CALL, n=1),
    queue=QueueName("general"),
)


def arrived(call: CallId = CALL) -> CallArrived:
    return CallArrived(call=call, line=LineName("0800-info"), dialled="4636", route=RouteName("red"), caller="099")


def room(*events: Event) -> Calls:
    calls = Calls()
    for seq, event in enumerate(events, start=1):
        calls.handle(Entry(seq=seq, at=5.0, event=event))
    return calls


BOOKED = ContactBooked(
    call=contact_id(CALL, n=1),
    origin=CALL,
    medium=Medium.CALLBACK,
    queue=QueueName("general"),
    number="099",
    line=LineName("0800-info"),
    route=RouteName("red"),
    place_at=2.0,
)


def test_contact_that_is_booked_is_open_beside_its_call_and_once() -> None:
    calls = room(arrived(), BOOKED)
    before = dict(calls.open)
    assert set(before) == {CALL, BOOKED.call}
    assert calls.handle(Entry(seq=3, at=9.0, event=BOOKED)) == ()
    assert dict(calls.open) == before
    assert calls.resume(BOOKED.call, at=50.0) == []
    assert [owed(before[call]) for call in (CALL, BOOKED.call)] == [False, True]


def test_tone_of_a_ringing_that_ended_while_nobody_could_say_so_is_stopped_after_a_gap() -> None:
    """Else Asterisk would wait for its end before it puts the agent into the bridge."""
    contact = BOOKED.call
    leg, citizen = agent_leg(contact, n=1), citizen_leg(contact)
    offer = OfferMade(
        call=contact, visit=visit_id(contact, n=1), offer=offer_id(contact, n=1), agent=AgentId("101"), leg=leg
    )
    dialled = AttemptMade(
        call=contact, offer=offer.offer, agent=AgentId("101"), leg=citizen, attempt=1, number="099", route=BOOKED.route
    )
    ringing = room(arrived(), BOOKED, offer, LegAnswered(call=contact, leg=leg), dialled)
    assert ringing.resume(contact, at=50.0) == []
    started = ConversationStarted(
        call=contact,
        agent=AgentId("101"),
        leg=leg,
        bridge=bridge_id(contact, n=1),
        queue=BOOKED.queue,
        medium=Medium.CALLBACK,
    )
    talking = room(arrived(), BOOKED, offer, LegAnswered(call=contact, leg=leg), dialled, started)
    tone = playback_id(contact, n=FIRST_PLAYBACK + 1)
    assert talking.resume(contact, at=50.0) == [StopPlayback(call=contact, playback=tone)]


def test_citizen_on_hold_is_given_the_music_again_after_a_gap_and_a_listener_is_muted_again() -> None:
    hold = HoldBegan(call=CALL, agent=AgentId("101"))
    supervisor = SupervisionBegan(
        call=CALL, supervisor=AgentId("109"), leg=supervisor_leg(CALL, n=1), mode=Supervision.LISTEN
    )
    picked_up = LegAnswered(call=CALL, leg=supervisor_leg(CALL, n=1))
    calls = room(arrived(), HANDED_OFF, OFFERED, CONNECTED, hold, supervisor, picked_up)
    assert calls.resume(CALL, at=50.0) == [
        Answer(call=CALL, leg=CITIZEN),
        Mute(call=CALL, leg=supervisor_leg(CALL, n=1)),
        StartMusic(call=CALL, leg=CITIZEN),
    ]


def test_call_that_arrives_twice_is_the_same_call() -> None:
    calls = room(arrived(), HANDED_OFF)
    before = dict(calls.open)
    assert calls.handle(Entry(seq=3, at=9.0, event=arrived())) == ()
    assert calls.open == before


def test_news_of_a_call_that_nobody_knows_are_ignored() -> None:
    calls = room(arrived())
    assert calls.handle(Entry(seq=2, at=9.0, event=CallStopped(call=OTHER))) == ()
    assert set(calls.open) == {CALL}


def test_call_that_is_forgotten_is_gone_and_may_be_forgotten_twice() -> None:
    calls = room(arrived(), arrived(OTHER))
    for _ in range(2):
        calls.forget(CALL)
    assert set(calls.open) == {OTHER}


@pytest.mark.parametrize("events", [(), (HANDED_OFF,), (HANDED_OFF, OFFERED), (HANDED_OFF, OFFERED, CONNECTED)])
def test_call_that_goes_on_after_a_gap_is_answered_again_for_that_may_never_have_been_carried_out(
    events: tuple[Event, ...],
) -> None:
    assert room(arrived(), *events).resume(CALL, at=50.0) == [Answer(call=CALL, leg=CITIZEN)]


def test_call_that_is_being_hung_up_is_hung_up_again_after_a_gap() -> None:
    calls = room(arrived(), HANDED_OFF, OFFERED, CallStopped(call=CALL))
    assert calls.open[CALL].state is CallState.CLEARING
    assert calls.resume(CALL, at=50.0) == [
        HangUp(call=CALL, leg=CITIZEN),
        HangUp(call=CALL, leg=agent_leg(CALL, n=1)),
        SetTimer(call=CALL, key=CLEARING_TIMER, token=0, after_s=CLEARING_S),
    ]


def test_nothing_is_done_for_a_call_that_is_not_there() -> None:
    assert room(arrived(), LegEnded(call=CALL, leg=CITIZEN, cause=16)).resume(OTHER, at=50.0) == ()
