"""One stay in one queue: it ends once, and for the right reason."""

import msgspec
import pytest

from acd.core.visit import MACHINE, ONLY_TIMER, Visit, VisitState
from telefonista.kernel.events import (
    CallBroken,
    CallLost,
    CallStopped,
    ContactPostponed,
    Destination,
    DestinationKind,
    Event,
    LegEnded,
    Medium,
    OfferEnded,
    OfferMade,
    OfferOutcome,
    PlaceChanged,
    TimerFired,
    VisitEnded,
    VisitOutcome,
    VisitResumed,
    VisitSuspended,
)
from telefonista.kernel.ids import AgentId, CallId, QueueName, agent_leg, citizen_leg, offer_id, visit_id
from telefonista.kernel.machine import Impossible, Output

CALL = CallId("tf1-1700000000.1")
ANA, BEA = AgentId("101"), AgentId("102")
QUEUE = QueueName("tramites")
WAITING = Visit(call=CALL, visit=visit_id(CALL, n=1), queue=QUEUE, priority=0, started_at=10.0, place_at=10.0, order=5)
OFFERED = OfferMade(
    call=CALL, visit=visit_id(CALL, n=1), offer=offer_id(CALL, n=1), agent=ANA, leg=agent_leg(CALL, n=1)
)


def offer_over(outcome: OfferOutcome) -> OfferEnded:
    return OfferEnded(call=CALL, visit=visit_id(CALL, n=1), offer=offer_id(CALL, n=1), agent=ANA, outcome=outcome)


def ended(outcome: VisitOutcome, agent: AgentId | None = None) -> VisitEnded:
    return VisitEnded(call=CALL, visit=visit_id(CALL, n=1), queue=QUEUE, outcome=outcome, agent=agent)


def meet(*events: Event) -> tuple[Visit, list[object]]:
    visit = WAITING
    outputs: list[Output] = []
    for event in events:
        visit, outputs = MACHINE.step(visit, event, at=20.0)
    return visit, list(outputs)


@pytest.mark.parametrize("outcome", [outcome for outcome in OfferOutcome if outcome is not OfferOutcome.ANSWERED])
def test_offer_that_nobody_took_leaves_the_citizen_waiting_in_the_same_place(outcome: OfferOutcome) -> None:
    visit, outputs = meet(OFFERED, offer_over(outcome))
    assert (visit.state, visit.offers, visit.place_at, outputs) == (VisitState.WAITING, (), WAITING.place_at, [])


def test_offer_that_was_taken_ends_the_stay_as_answered_by_that_agent() -> None:
    _, outputs = meet(OFFERED, offer_over(OfferOutcome.ANSWERED))
    assert outputs == [ended(VisitOutcome.ANSWERED, ANA)]


@pytest.mark.parametrize("before", [(), (OFFERED,)], ids=["waiting", "offered"])
@pytest.mark.parametrize(
    "event",
    [
        LegEnded(call=CALL, leg=citizen_leg(CALL), cause=16),
        CallLost(call=CALL, why="the node died"),
        CallBroken(call=CALL, why="a defect"),
        CallStopped(call=CALL),
    ],
    ids=lambda event: type(event).__name__,
)
def test_citizen_whom_nobody_served_has_abandoned_whoever_is_to_blame(before: tuple[Event, ...], event: Event) -> None:
    _, outputs = meet(*before, event)
    assert outputs == [ended(VisitOutcome.ABANDONED)]


def test_end_of_an_agents_leg_is_no_end_of_the_stay() -> None:
    visit, outputs = meet(OFFERED, LegEnded(call=CALL, leg=agent_leg(CALL, n=1), cause=17))
    assert (visit.state, outputs) == (VisitState.OFFERED, [])


def test_stay_that_is_over_stays_over() -> None:
    over, _ = meet(ended(VisitOutcome.ABANDONED))
    for late in (offer_over(OfferOutcome.WITHDRAWN), LegEnded(call=CALL, leg=citizen_leg(CALL), cause=16)):
        assert MACHINE.step(over, late, at=30.0) == (over, [])
    for impossible in (ended(VisitOutcome.ABANDONED), OFFERED):
        with pytest.raises(Impossible):
            MACHINE.step(over, impossible, at=30.0)


def test_contact_that_all_are_rung_for_waits_again_when_the_last_phone_has_fallen_silent() -> None:
    second = msgspec.structs.replace(OFFERED, offer=offer_id(CALL, n=2), agent=BEA, leg=agent_leg(CALL, n=2))
    visit, _ = meet(OFFERED, second)
    assert [offer.agent for offer in visit.offers] == [ANA, BEA]
    visit, _ = meet(OFFERED, second, offer_over(OfferOutcome.BUSY))
    assert (visit.state, visit.refused_by) == (VisitState.OFFERED, frozenset({ANA}))


@pytest.mark.parametrize(
    ("outcome", "refused"),
    [(OfferOutcome.UNANSWERED, True), (OfferOutcome.WITHDRAWN, False), (OfferOutcome.UNREACHED, False)],
)
def test_only_an_agent_who_did_not_take_it_is_kept_from_the_next_offer(outcome: OfferOutcome, refused: bool) -> None:
    visit, _ = meet(OFFERED, offer_over(outcome))
    assert (ANA in visit.refused_by) is refused


def test_agent_asked_for_by_name_is_waited_for_until_the_offer_or_the_time_is_over() -> None:
    named = msgspec.structs.replace(WAITING, only=ANA)
    offered, _ = MACHINE.step(named, OFFERED, at=20.0)
    assert MACHINE.step(offered, offer_over(OfferOutcome.WITHDRAWN), at=21.0)[0].only == ANA
    assert MACHINE.step(offered, offer_over(OfferOutcome.UNANSWERED), at=21.0)[0].only is None
    assert MACHINE.step(named, TimerFired(call=CALL, key=ONLY_TIMER, token=1), at=40.0)[0].only is None
    assert MACHINE.step(named, TimerFired(call=CALL, key="acd.recheck", token=1), at=40.0)[0].only == ANA


def test_citizen_in_a_dialogue_keeps_the_place_and_phones_that_ring_for_them_fall_silent() -> None:
    aside, _ = meet(OFFERED, VisitSuspended(call=CALL, visit=WAITING.visit, to=Destination(DestinationKind.CALLBACK)))
    assert (aside.state, len(aside.offers)) == (VisitState.SUSPENDED, 1)
    aside, outputs = MACHINE.step(aside, offer_over(OfferOutcome.WITHDRAWN), at=21.0)
    assert (aside.state, aside.offers, outputs) == (VisitState.SUSPENDED, (), [])
    back, _ = MACHINE.step(aside, VisitResumed(call=CALL, visit=WAITING.visit), at=30.0)
    assert back == WAITING


def test_contact_without_a_citizen_outlives_asterisk_and_the_engine_but_no_defect() -> None:
    contact = msgspec.structs.replace(WAITING, medium=Medium.CALLBACK)
    for passing in (
        LegEnded(call=CALL, leg=citizen_leg(CALL), cause=17),
        CallLost(call=CALL, why=""),
        CallStopped(call=CALL),
    ):
        assert MACHINE.step(contact, passing, at=20.0) == (contact, [])
    assert MACHINE.step(contact, CallBroken(call=CALL, why=""), at=20.0)[1] == [ended(VisitOutcome.ABANDONED)]


def test_postponed_contact_knows_how_often_it_was_tried_and_until_when_it_rests() -> None:
    visit, _ = meet(ContactPostponed(call=CALL, visit=WAITING.visit, until=320.0, attempts=2))
    assert (visit.attempts, visit.not_before, visit.state) == (2, 320.0, VisitState.WAITING)


def test_supervisor_gives_a_contact_another_place() -> None:
    visit, _ = meet(PlaceChanged(call=CALL, visit=WAITING.visit, place_at=3.0, priority=4))
    assert (visit.place_at, visit.priority) == (3.0, 4)
