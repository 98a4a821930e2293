"""One stay in one queue: it ends once, and for the right reason."""

import itertools

import pytest

from acd.core.visit import MACHINE, Visit, VisitState
from telefonista.kernel.events import (
    CallBroken,
    CallLost,
    CallStopped,
    Event,
    LegEnded,
    OfferEnded,
    OfferMade,
    OfferOutcome,
    VisitEnded,
    VisitOutcome,
)
from telefonista.kernel.ids import AgentId, CallId, QueueName, agent_leg, citizen_leg, offer_id, visit_id
from telefonista.kernel.machine import Impossible, Output

CALL = CallId("tf1-1700000000.1")
ANA = AgentId("101")
QUEUE = QueueName("tramites")
WAITING = Visit(call=CALL, visit=visit_id(CALL, n=1), queue=QUEUE, priority=0, started_at=10.0, order=5)
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
    assert meet(OFFERED, offer_over(outcome)) == (WAITING, [])


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


def test_citizen_who_is_being_offered_cannot_be_offered_to_another() -> None:
    with pytest.raises(Impossible):
        meet(OFFERED, OFFERED)


def test_queue_is_sorted_by_priority_then_by_who_came_first() -> None:
    def visit(priority: int, started_at: float, order: int) -> Visit:
        return Visit(
            call=CALL, visit=visit_id(CALL, n=1), queue=QUEUE, priority=priority, started_at=started_at, order=order
        )

    in_order = [visit(5, 30.0, 9), visit(0, 10.0, 3), visit(0, 10.0, 4), visit(0, 20.0, 1), visit(-1, 1.0, 0)]
    for muddled in itertools.permutations(in_order):
        assert sorted(muddled, key=lambda each: each.place) == in_order
