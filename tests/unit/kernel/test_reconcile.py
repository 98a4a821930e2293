"""After a gap, and now and then: what the journal believes against what Asterisk has."""

from collections.abc import Iterable

import msgspec
import pytest

from telefonista.kernel.call import Call, CallState
from telefonista.kernel.commands import Connect, Disconnect, HangUp
from telefonista.kernel.events import CallArrived, LegAnswered, LegEnded
from telefonista.kernel.ids import (
    AgentId,
    BridgeId,
    CallId,
    LegId,
    LineName,
    RouteName,
    agent_leg,
    bridge_id,
    citizen_leg,
    offer_id,
    visit_id,
)
from telefonista.kernel.ports import Observation, ObservedBridge, ObservedLeg
from telefonista.kernel.reconcile import Agreement, Suspicion, audit, missing_legs, reconcile
from telefonista.kernel.shape import Offered

CALL, OTHER = CallId("tf1-1700000000.1"), CallId("tf1-1700000000.2")
CITIZEN, AGENT = citizen_leg(CALL), agent_leg(CALL, n=1)
BRIDGE = bridge_id(CALL, n=1)
WAITING = Call(
    call=CALL,
    line=LineName("0800-info"),
    route=RouteName("red"),
    dialled="4636",
    caller="099",
    arrived_at=1.0,
    state=CallState.WAITING,
    legs=frozenset({CITIZEN}),
)
RINGING = msgspec.structs.replace(
    WAITING,
    state=CallState.RINGING,
    offers=(Offered(offer=offer_id(CALL, n=1), visit=visit_id(CALL, n=1), agent=AgentId("101"), leg=AGENT),),
    agent=AgentId("101"),
    legs=frozenset({CITIZEN, AGENT}),
)
TALKING = msgspec.structs.replace(
    RINGING, state=CallState.TALKING, offers=(), agent_leg=AGENT, bridge=BRIDGE, bridges=1
)


def leg(name: LegId | CallId, *, answered: bool = True, inside: bool = True) -> ObservedLeg:
    return ObservedLeg(
        leg=LegId(name),
        answered=answered,
        in_application=inside,
        caller="099",
        line="0800-info",
        dialled="4636",
        route="red",
    )


def bridge(name: BridgeId, *legs: LegId) -> ObservedBridge:
    return ObservedBridge(bridge=name, legs=frozenset(legs))


def agreement(*calls: Call, legs: Iterable[ObservedLeg] = (), bridges: Iterable[ObservedBridge] = ()) -> Agreement:
    open_calls = {call.call: call for call in calls}
    seen = Observation(legs=tuple(legs), bridges=tuple(bridges))
    return reconcile(believed=open_calls, now=open_calls, observation=seen)


def lost(name: LegId) -> LegEnded:
    return LegEnded(call=CALL, leg=name, cause=0, lost=True)


def test_where_journal_and_asterisk_agree_nothing_is_done() -> None:
    agreed = agreement(TALKING, legs=[leg(CITIZEN), leg(AGENT)], bridges=[bridge(BRIDGE, CITIZEN, AGENT)])
    assert agreed == Agreement(events=[], commands=[])


def test_legs_that_asterisk_no_longer_has_end_as_lost() -> None:
    assert agreement(TALKING).events == [lost(CITIZEN), lost(AGENT)]
    assert agreement(RINGING, legs=[leg(CITIZEN)]).events == [lost(AGENT)]


def test_call_that_began_after_asterisk_was_asked_is_not_taken_for_lost() -> None:
    assert reconcile(believed={}, now={CALL: WAITING}, observation=Observation()) == Agreement(events=[], commands=[])


def test_citizen_who_waits_in_the_application_and_whom_nobody_knows_becomes_a_call() -> None:
    assert agreement(legs=[leg(CALL, answered=False)]).events == [
        CallArrived(call=CALL, line=LineName("0800-info"), dialled="4636", route=RouteName("red"), caller="099")
    ]


def test_citizen_whom_the_contingency_path_has_is_left_to_it() -> None:
    assert agreement(legs=[leg(CALL, inside=False)]) == Agreement(events=[], commands=[])


@pytest.mark.parametrize("call", [None, WAITING], ids=["of no call", "of a call that does not know it"])
def test_leg_of_ours_that_nobody_asked_for_is_hung_up(call: Call | None) -> None:
    calls = [] if call is None else [call]
    citizen = [] if call is None else [leg(CITIZEN)]
    agreed = agreement(*calls, legs=[*citizen, leg(AGENT)])
    assert agreed == Agreement(events=[], commands=[HangUp(call=CALL, leg=AGENT)])


def test_agent_who_answered_during_the_gap_is_connected_by_the_answer() -> None:
    agreed = agreement(RINGING, legs=[leg(CITIZEN), leg(AGENT)])
    assert agreed == Agreement(events=[LegAnswered(call=CALL, leg=AGENT)], commands=[])


def test_phone_that_still_rings_goes_on_ringing() -> None:
    assert agreement(RINGING, legs=[leg(CITIZEN), leg(AGENT, answered=False)]) == Agreement(events=[], commands=[])


@pytest.mark.parametrize("bridges", [[], [bridge(BRIDGE)], [bridge(BRIDGE, CITIZEN)]])
def test_conversation_whose_bridge_is_incomplete_is_connected_again(bridges: list[ObservedBridge]) -> None:
    agreed = agreement(TALKING, legs=[leg(CITIZEN), leg(AGENT)], bridges=bridges)
    assert agreed == Agreement(events=[], commands=[Connect(call=CALL, bridge=BRIDGE, legs=(CITIZEN, AGENT))])


def test_conversation_that_lost_one_of_the_two_is_not_connected_again() -> None:
    agreed = agreement(TALKING, legs=[leg(CITIZEN)], bridges=[bridge(BRIDGE, CITIZEN)])
    assert agreed == Agreement(events=[lost(AGENT)], commands=[])


@pytest.mark.parametrize("calls", [[], [WAITING], [TALKING]], ids=["no call", "waiting", "talking in another"])
def test_bridge_of_ours_that_no_conversation_uses_is_destroyed(calls: list[Call]) -> None:
    stray = bridge_id(CALL, n=7)
    legs = [leg(name) for call in calls for name in call.legs]
    agreed = agreement(*calls, legs=legs, bridges=[bridge(stray), bridge(BRIDGE, CITIZEN, AGENT)])
    assert Disconnect(call=CALL, bridge=stray) in agreed.commands
    assert (Disconnect(call=CALL, bridge=BRIDGE) in agreed.commands) is (calls != [TALKING])


def test_bridge_that_is_not_ours_is_left_alone() -> None:
    assert agreement(bridges=[bridge(BridgeId("telefonista-waiting"), CITIZEN)]) == Agreement(events=[], commands=[])


def looked(call: Call, observation: Observation, before: Suspicion) -> tuple[Agreement, Suspicion]:
    return audit(before=before, believed={call.call: call}, now={call.call: call}, observation=observation)


def test_leg_that_is_missing_once_is_only_suspected_and_twice_has_ended() -> None:
    seen = Observation(legs=(leg(CITIZEN),))
    agreed, suspicion = looked(TALKING, seen, Suspicion())
    assert (agreed, suspicion) == (Agreement(events=[], commands=[]), Suspicion(missing=frozenset({AGENT})))
    agreed, _ = looked(TALKING, seen, suspicion)
    assert agreed == Agreement(events=[lost(AGENT)], commands=[])


def test_leg_that_is_there_at_the_second_look_was_only_late() -> None:
    _, suspicion = looked(TALKING, Observation(legs=(leg(CITIZEN),)), Suspicion())
    agreed, suspicion = looked(TALKING, Observation(legs=(leg(CITIZEN), leg(AGENT))), suspicion)
    assert (agreed, suspicion) == (Agreement(events=[], commands=[]), Suspicion())


def test_stray_leg_of_ours_is_hung_up_at_the_second_look_and_a_citizens_never() -> None:
    seen = Observation(legs=(leg(CITIZEN), leg(AGENT), leg(OTHER)))
    agreed, suspicion = looked(WAITING, seen, Suspicion())
    assert agreed == Agreement(events=[], commands=[])
    agreed, _ = looked(WAITING, seen, suspicion)
    assert agreed == Agreement(events=[], commands=[HangUp(call=CALL, leg=AGENT)])


def test_leg_that_was_dialled_while_asterisk_was_asked_is_not_suspected() -> None:
    suspicion = Suspicion()
    for _ in range(2):
        agreed, suspicion = audit(
            before=suspicion,
            believed={CALL: WAITING},
            now={CALL: RINGING},
            observation=Observation(legs=(leg(CITIZEN),)),
        )
        assert (agreed, suspicion) == (Agreement(events=[], commands=[]), Suspicion())


def test_missing_legs_are_those_that_the_journal_believes_in_and_asterisk_does_not_have() -> None:
    assert missing_legs({CALL: TALKING}, Observation(legs=(leg(AGENT),))) == {CITIZEN}
