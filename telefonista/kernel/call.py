"""One call: its legs and where it is, from arrival until nothing of it is left in Asterisk.

Comes in: what Asterisk tells of the legs, and the decisions of the rooms (handed off, offered). Goes out: the commands
that move the legs (answer, ring, connect, hang up) and the decisions that follow from the legs (offer ended,
conversation began and ended, call ended). Knows nothing of menus, of who waits, or of who is free.

A decision is an event: the state moves, and its commands go out, when the event itself is applied. So a fold of the
journal gives the same call as having lived through it.
"""

from enum import StrEnum

import msgspec

from telefonista.kernel.commands import Answer, CancelTimer, Connect, Disconnect, HangUp, Ring, SetTimer
from telefonista.kernel.events import (
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
    BridgeId,
    CallId,
    LegId,
    LineName,
    OfferId,
    QueueName,
    RouteName,
    VisitId,
    bridge_id,
    citizen_leg,
)
from telefonista.kernel.machine import IMPOSSIBLE, LATE, Exempt, Machine, Output, Reaction, rows

CLEARING_TIMER = "call.clearing"
CLEARING_S = 10.0
"""How long a call whose legs were hung up waits to be told that they are gone, before it hangs them up again. It does
not end untold: a leg that lives on in Asterisk would come back as a new call."""

_Q850_BUSY = 17
_Q850_NO_USER_RESPONDING = 18
_Q850_REJECTED = 21
_UNREACHABLE_CAUSES = frozenset({1, 3, 20, 27, 34, 38, 41, 44})
"""No such number, no route, subscriber absent, destination out of order, no circuit, network trouble (ITU-T Q.850)."""


class CallState(StrEnum):
    IN_FLOW = "in_flow"
    WAITING = "waiting"
    RINGING = "ringing"
    TALKING = "talking"
    CLEARING = "clearing"
    ENDED = "ended"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    call: CallId
    line: LineName
    route: RouteName
    dialled: str
    caller: str
    arrived_at: float
    state: CallState = CallState.IN_FLOW
    queue: QueueName | None = None
    visit: VisitId | None = None
    offer: OfferId | None = None
    agent: AgentId | None = None
    agent_leg: LegId | None = None
    """The leg that is being rung, or talks."""
    rang: bool = False
    bridge: BridgeId | None = None
    bridges: int = 0
    legs: frozenset[LegId] = frozenset()
    """Legs that, as far as we know, are alive in Asterisk or were asked for."""
    reason: EndReason | None = None
    cause: int = 16

    @property
    def citizen(self) -> LegId:
        return citizen_leg(self.call)


Step = tuple[Call, list[Output]]


def begin(event: CallArrived, *, at: float) -> Step:
    """A call as it arrives, and the answer that it gets."""
    call = Call(
        call=event.call,
        line=event.line,
        route=event.route,
        dialled=event.dialled,
        caller=event.caller,
        arrived_at=at,
        legs=frozenset({citizen_leg(event.call)}),
    )
    return call, [Answer(call=call.call, leg=call.citizen)]


def offer_outcome(event: LegEnded, *, rang: bool) -> OfferOutcome:
    """What it means for an offer that the agent's leg ended before it was answered (Q.850 causes)."""
    if event.lost:
        return OfferOutcome.LOST
    if event.cause == _Q850_BUSY:
        return OfferOutcome.BUSY
    if event.cause == _Q850_REJECTED:
        return OfferOutcome.REFUSED
    if event.cause in _UNREACHABLE_CAUSES or (not rang and event.cause != _Q850_NO_USER_RESPONDING):
        return OfferOutcome.UNREACHABLE
    return OfferOutcome.UNANSWERED


def shown_number(caller: str) -> str:
    """What an agent's phone may show of a number that the network gave: digits and a leading plus, at most 20."""
    digits = "".join(character for character in caller if character in "0123456789")
    return ("+" if caller.startswith("+") else "") + digits[:20]


def _handed_off(call: Call, event: HandedOff, at: float) -> Step:
    return msgspec.structs.replace(call, state=CallState.WAITING, queue=event.queue), []


def _flow_ended(call: Call, event: FlowEnded, at: float) -> Step:
    """The flow said goodbye; the hang-up that follows is its doing, whoever's leg ends first."""
    return msgspec.structs.replace(call, reason=EndReason.FLOW_FINISHED), []


def _offer_made(call: Call, event: OfferMade, at: float) -> Step:
    ringing = msgspec.structs.replace(
        call,
        state=CallState.RINGING,
        visit=event.visit,
        offer=event.offer,
        agent=event.agent,
        agent_leg=event.leg,
        rang=False,
        legs=call.legs | {event.leg},
    )
    return ringing, [
        Ring(
            call=call.call,
            leg=event.leg,
            agent=event.agent,
            citizen=call.citizen,
            shown_number=shown_number(call.caller),
            timeout_s=event.ring_s,
        )
    ]


def _leg_rang(call: Call, event: LegRang, at: float) -> Step:
    if event.leg != call.agent_leg or call.rang:
        return call, []
    assert call.offer is not None
    assert call.agent is not None
    rung = msgspec.structs.replace(call, rang=True)
    return rung, [AgentRang(call=call.call, offer=call.offer, agent=call.agent)]


def _leg_answered(call: Call, event: LegAnswered, at: float) -> Step:
    if event.leg != call.agent_leg:
        return _stray_leg_answered(call, event, at)
    return call, [_offer_ends(call, OfferOutcome.ANSWERED)]


def _leg_answered_again(call: Call, event: LegAnswered, at: float) -> Step:
    """Told twice after a gap, or found answered before it could be bridged: both legs belong into the bridge."""
    if event.leg != call.agent_leg:
        return _stray_leg_answered(call, event, at)
    assert call.bridge is not None
    return call, [Connect(call=call.call, bridge=call.bridge, legs=(call.citizen, event.leg))]


def _stray_leg_answered(call: Call, event: LegAnswered, at: float) -> Step:
    """A phone was picked up after its offer had ended: it must not stay connected to nothing."""
    return call, [HangUp(call=call.call, leg=event.leg)]


def _offer_ends(call: Call, outcome: OfferOutcome) -> OfferEnded:
    assert call.visit is not None
    assert call.offer is not None
    assert call.agent is not None
    return OfferEnded(call=call.call, visit=call.visit, offer=call.offer, agent=call.agent, outcome=outcome)


def _offer_ended(call: Call, event: OfferEnded, at: float) -> Step:
    if event.outcome is not OfferOutcome.ANSWERED:
        idle = msgspec.structs.replace(call, state=CallState.WAITING, offer=None, agent=None, agent_leg=None)
        return idle, []
    assert call.agent_leg is not None
    assert call.queue is not None
    return call, [
        ConversationStarted(
            call=call.call,
            agent=event.agent,
            leg=call.agent_leg,
            bridge=bridge_id(call.call, n=call.bridges + 1),
            queue=call.queue,
        )
    ]


def _conversation_started(call: Call, event: ConversationStarted, at: float) -> Step:
    talking = msgspec.structs.replace(
        call, state=CallState.TALKING, bridge=event.bridge, bridges=call.bridges + 1, agent=event.agent
    )
    return talking, [Connect(call=call.call, bridge=event.bridge, legs=(call.citizen, event.leg))]


def _conversation_ended(call: Call, event: ConversationEnded, at: float) -> Step:
    """Hang up whoever is still there; what Asterisk answers to that ends the call."""
    return _clear(msgspec.structs.replace(call, reason=call.reason or event.reason), [])


def _leg_ended_unserved(call: Call, event: LegEnded, at: float) -> Step:
    if event.leg != call.citizen:
        return _forget_leg(call, event), []
    return _citizen_left(call, event, [])


def _leg_ended_ringing(call: Call, event: LegEnded, at: float) -> Step:
    if event.leg == call.citizen:
        return _citizen_left(call, event, [_offer_ends(call, OfferOutcome.WITHDRAWN)])
    remaining = _forget_leg(call, event)
    if event.leg != call.agent_leg:
        return remaining, []
    return remaining, [_offer_ends(call, offer_outcome(event, rang=call.rang))]


def _leg_ended_talking(call: Call, event: LegEnded, at: float) -> Step:
    remaining = _forget_leg(call, event)
    if event.leg not in (call.citizen, call.agent_leg):
        return remaining, []
    assert call.agent is not None
    assert call.agent_leg is not None
    if event.lost:
        reason = EndReason.LOST
    elif event.leg == call.citizen:
        reason = EndReason.CITIZEN_HUNG_UP
    else:
        reason = EndReason.AGENT_HUNG_UP
    return msgspec.structs.replace(remaining, cause=event.cause), [
        ConversationEnded(call=call.call, agent=call.agent, leg=call.agent_leg, reason=reason)
    ]


def _leg_ended_clearing(call: Call, event: LegEnded, at: float) -> Step:
    remaining = _forget_leg(call, event)
    if remaining.legs:
        return remaining, []
    return remaining, _ends(remaining)


def _not_connected(call: Call, event: CommandFailed, at: float) -> Step:
    """Asterisk does not put the two together: better an end than two people in silence."""
    if event.subject != call.bridge or event.command != Connect.__name__:
        return call, []
    assert call.agent is not None
    assert call.agent_leg is not None
    return call, [ConversationEnded(call=call.call, agent=call.agent, leg=call.agent_leg, reason=EndReason.BROKEN)]


def _forget_leg(call: Call, event: LegEnded) -> Call:
    return msgspec.structs.replace(call, legs=call.legs - {event.leg})


def _citizen_left(call: Call, event: LegEnded, decisions: list[Output]) -> Step:
    reason = EndReason.LOST if event.lost else EndReason.CITIZEN_HUNG_UP
    gone = msgspec.structs.replace(_forget_leg(call, event), reason=call.reason or reason, cause=event.cause)
    return _clear(gone, decisions)


def _clear(call: Call, outputs: list[Output]) -> Step:
    """Hang up every leg that is left; end at once where none is."""
    clearing = msgspec.structs.replace(call, state=CallState.CLEARING, bridge=None)
    if call.bridge is not None:
        outputs = [*outputs, Disconnect(call=call.call, bridge=call.bridge)]
    if not clearing.legs:
        return clearing, outputs + _ends(clearing)
    return clearing, outputs + hang_up_all(clearing)


def hang_up_all(call: Call) -> list[Output]:
    """Hang up every leg that may be left, and look again in a while."""
    hang_ups: list[Output] = [HangUp(call=call.call, leg=leg) for leg in sorted(call.legs)]
    return [*hang_ups, SetTimer(call=call.call, key=CLEARING_TIMER, token=0, after_s=CLEARING_S)]


def _ends(call: Call) -> list[Output]:
    assert call.reason is not None
    return [
        CancelTimer(call=call.call, key=CLEARING_TIMER),
        CallEnded(call=call.call, reason=call.reason, cause=call.cause),
    ]


def _timer_fired_clearing(call: Call, event: TimerFired, at: float) -> Step:
    return call, hang_up_all(call) if event.key == CLEARING_TIMER else []


def _lost(call: Call, event: CallLost, at: float) -> Step:
    """The node is dead or the call is gone: no leg is left to hang up."""
    gone = msgspec.structs.replace(call, state=CallState.CLEARING, reason=EndReason.LOST, legs=frozenset())
    return gone, _unfinished(call, EndReason.LOST) + _ends(gone)


def _broken(call: Call, event: CallBroken, at: float) -> Step:
    return _clear(msgspec.structs.replace(call, reason=EndReason.BROKEN), _unfinished(call, EndReason.BROKEN))


def _stopped(call: Call, event: CallStopped, at: float) -> Step:
    return _clear(msgspec.structs.replace(call, reason=EndReason.SHUT_DOWN), _unfinished(call, EndReason.SHUT_DOWN))


def _unfinished(call: Call, reason: EndReason) -> list[Output]:
    """The decisions that free whoever was busy with a call that cannot go on."""
    if call.state is CallState.RINGING:
        return [_offer_ends(call, OfferOutcome.LOST)]
    if call.state is CallState.TALKING:
        assert call.agent is not None
        assert call.agent_leg is not None
        return [ConversationEnded(call=call.call, agent=call.agent, leg=call.agent_leg, reason=reason)]
    return []


def _ended(call: Call, event: CallEnded, at: float) -> Step:
    return msgspec.structs.replace(call, state=CallState.ENDED), []


_: Exempt = LATE
X: Exempt = IMPOSSIBLE
_TABLE: dict[type, tuple[Reaction[Call] | Exempt, ...]] = {
    # columns: in_flow, waiting, ringing, talking, clearing, ended
    HandedOff: (_handed_off, X, X, X, _, _),
    FlowEnded: (_flow_ended, _, X, X, _, _),
    OfferMade: (X, _offer_made, X, X, X, X),
    OfferEnded: (X, X, _offer_ended, X, _, _),
    LegRang: (_, _, _leg_rang, _, _, _),
    LegAnswered: (_stray_leg_answered, _stray_leg_answered, _leg_answered, _leg_answered_again, _stray_leg_answered, _),
    ConversationStarted: (X, X, _conversation_started, X, _, _),
    ConversationEnded: (X, X, X, _conversation_ended, _, _),
    LegEnded: (
        _leg_ended_unserved,
        _leg_ended_unserved,
        _leg_ended_ringing,
        _leg_ended_talking,
        _leg_ended_clearing,
        _,
    ),
    CommandFailed: (_, _, _, _not_connected, _, _),
    TimerFired: (_, _, _, _, _timer_fired_clearing, _),
    CallLost: (_lost, _lost, _lost, _lost, _lost, _),
    CallBroken: (_broken, _broken, _broken, _broken, _broken, _),
    CallStopped: (_stopped, _stopped, _stopped, _stopped, _, _),
    CallEnded: (X, X, X, X, _ended, _),
}
MACHINE: Machine[Call] = Machine("call", states=CallState, events=_TABLE, table=rows(CallState, _TABLE))
