"""One contact: its legs and where it is, from the beginning until nothing of it is left in Asterisk.

Comes in: what Asterisk tells of the legs, the decisions of the rooms (handed off, offered, diverted), and what people
in a conversation ask for (`parties`, `supervision`). Goes out: the commands that move the legs and the decisions that
follow from the legs (offer ended, conversation began and ended, call ended). Knows nothing of menus, of who waits, or
of who is free.

A decision is an event: the state moves, and its commands go out, when the event itself is applied. So a fold of the
journal gives the same call as having lived through it. A reaction changes the value; what Asterisk must do for it is
the difference of the two layouts (`shape.moves`), and is put before the commands that the reaction gives itself.
"""

from functools import wraps
from typing import Any

from telefonista.kernel import parties, supervision
from telefonista.kernel.commands import (
    Answer,
    AnswerRefer,
    CancelTimer,
    Connect,
    Dial,
    HangUp,
    PlayMessage,
    Ring,
    SetTimer,
)
from telefonista.kernel.endings import ending_of, phone_number, ring_outcome
from telefonista.kernel.events import (
    AgentRang,
    AttemptEnded,
    AttemptMade,
    CallArrived,
    CallBroken,
    CallEnded,
    CallLost,
    CallStopped,
    CommandFailed,
    ConferenceAsked,
    ConsultationAsked,
    ConsultationEndAsked,
    ContactBooked,
    ConversationEnded,
    ConversationStarted,
    DestinationKind,
    DigitPressed,
    Diverted,
    EndReason,
    FlowEnded,
    HandedOff,
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
    OfferOutcome,
    PartyCalled,
    PartyJoined,
    PartyLeft,
    ReferReceived,
    RequestRefused,
    SupervisionAsked,
    SupervisionBegan,
    SupervisionChanged,
    SupervisionEndAsked,
    SupervisionEnded,
    TakeOverAsked,
    TimerFired,
    TransferAsked,
    TransferCompletionAsked,
    VisitEnded,
    VisitOutcome,
    VisitResumed,
    VisitStarted,
    VisitSuspended,
)
from telefonista.kernel.ids import (
    BridgeId,
    QueueName,
    bridge_id,
    citizen_leg,
    outside_leg,
    playback_id,
)
from telefonista.kernel.machine import IMPOSSIBLE, LATE, Exempt, Machine, Output, Reaction, rows
from telefonista.kernel.shape import Call, CallState, Hold, Offered, Party, Step, moves, replace

__all__ = ["MACHINE", "Call", "CallState", "begin", "book", "hang_up_all"]

CLEARING_TIMER = "call.clearing"
CLEARING_S = 10.0
"""How long a call whose legs were hung up waits to be told that they are gone, before it hangs them up again. It does
not end untold: a leg that lives on in Asterisk would come back as a new call."""
CITIZEN_RING_S = 30.0
"""How long a citizen who is called back is rung."""
OUTSIDE_RING_S = 30.0
REPLAY_KEY = "1"
"""The agent's key to hear a message again."""


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


def book(event: ContactBooked, *, at: float) -> Call:
    """A contact without a citizen's channel, which begins in its queue."""
    return Call(
        call=event.call,
        line=event.line,
        route=event.route,
        dialled="",
        caller=event.number,
        arrived_at=at,
        state=CallState.WAITING,
        medium=event.medium,
        message=event.message,
        citizen_here=False,
        queue=event.queue,
    )


def _handed_off(call: Call, event: HandedOff, at: float) -> Step:
    return replace(call, state=CallState.WAITING, queue=event.queue), []


def _flow_ended(call: Call, event: FlowEnded, at: float) -> Step:
    """When the flow said goodbye, the hang-up that follows is its doing, whoever's leg ends first."""
    if event.outcome != "finished":
        return call, []
    return replace(call, reason=EndReason.FLOW_FINISHED), []


def _visit_started(call: Call, event: VisitStarted, at: float) -> Step:
    return replace(call, state=CallState.WAITING, queue=event.queue), []


def _visit_suspended(call: Call, event: VisitSuspended, at: float) -> Step:
    return replace(call, state=CallState.IN_FLOW), _withdrawn(call)


def _visit_resumed(call: Call, event: VisitResumed, at: float) -> Step:
    return replace(call, state=CallState.WAITING), []


def _visit_ended(call: Call, event: VisitEnded, at: float) -> Step:
    """A contact without a citizen ends with its stay where nobody was reached."""
    ending = {VisitOutcome.UNREACHED: EndReason.UNREACHED, VisitOutcome.CANCELLED: EndReason.CANCELLED}
    reason = ending.get(event.outcome)
    if reason is None or call.citizen_here:
        return call, []
    return _clear(replace(call, reason=reason), _unfinished(call, reason))


def _diverted(call: Call, event: Diverted, at: float) -> Step:
    """The call goes on elsewhere; whoever was rung for it is let go."""
    decisions = _withdrawn(call)
    if call.party is not None:
        decisions.append(parties.left(call, call.party))
    kind = event.to.kind
    if kind is DestinationKind.NUMBER:
        leg = outside_leg(call.call, n=call.parties + 1)
        decisions.append(PartyCalled(call=call.call, leg=leg, number=event.to.name, ring_s=OUTSIDE_RING_S))
        state = CallState.DIVERTING
    elif kind in (DestinationKind.QUEUE, DestinationKind.AGENT):
        state = CallState.WAITING
    else:
        state = CallState.IN_FLOW
    queue = QueueName(event.to.name) if kind is DestinationKind.QUEUE else event.queue or call.queue
    gone_on = replace(
        call, state=state, queue=queue, agent=None, agent_leg=None, bridge=None, hold=Hold.NONE, party=None
    )
    return gone_on, decisions


def _offer_made(call: Call, event: OfferMade, at: float) -> Step:
    offered = Offered(offer=event.offer, visit=event.visit, agent=event.agent, leg=event.leg)
    ringing = replace(
        call,
        state=CallState.RINGING,
        offers=(*call.offers, offered),
        agent=event.agent,
        legs=call.legs | {event.leg},
    )
    return ringing, [
        Ring(
            call=call.call,
            leg=event.leg,
            agent=event.agent,
            citizen=call.citizen if call.citizen_here else None,
            shown_number=phone_number(call.caller),
            timeout_s=event.ring_s,
        )
    ]


def _leg_rang(call: Call, event: LegRang, at: float) -> Step:
    offered = call.offered(event.leg)
    if offered is None or offered.rang:
        return call, []
    rung = replace(offered, rang=True)
    offers = tuple(rung if each is offered else each for each in call.offers)
    return replace(call, offers=offers), [AgentRang(call=call.call, offer=offered.offer, agent=offered.agent)]


def _offer_answered(call: Call, event: LegAnswered, at: float) -> Step:
    """The first who answers has the contact; the other telephones fall silent."""
    offered = call.offered(event.leg)
    if offered is None:
        return _stray_leg_answered(call, event, at)
    others: list[Output] = [
        _offer_ends(call, each, OfferOutcome.WITHDRAWN) for each in call.offers if each is not offered
    ]
    if call.medium is Medium.CALLBACK and not call.citizen_here:
        attempt = AttemptMade(
            call=call.call,
            offer=offered.offer,
            agent=offered.agent,
            leg=call.citizen,
            attempt=call.attempt + 1,
            number=call.caller,
            route=call.route,
            ring_s=CITIZEN_RING_S,
        )
        return call, [attempt, *others]
    return call, [_offer_ends(call, offered, OfferOutcome.ANSWERED), *others]


def _attempt_made(call: Call, event: AttemptMade, at: float) -> Step:
    """The agent hears it ring. The other offers are on their way out."""
    picked = [each for each in call.offers if each.offer == event.offer]
    dialling = replace(
        call,
        state=CallState.DIALLING,
        offers=(*picked, *(each for each in call.offers if each.offer != event.offer)),
        agent=event.agent,
        attempt=event.attempt,
        attempting=True,
        playbacks=call.playbacks + 1,
        ringing_tone=parties.next_playback(call),
        legs=call.legs | {event.leg},
    )
    return dialling, [
        Dial(
            call=call.call,
            leg=event.leg,
            number=event.number,
            route=event.route,
            line=call.line,
            timeout_s=event.ring_s,
        )
    ]


def _attempt_answered(call: Call, event: LegAnswered, at: float) -> Step:
    if event.leg != call.citizen or not call.attempting:
        return call, [] if call.offered(event.leg) is call.offers[0] else [HangUp(call=call.call, leg=event.leg)]
    return call, [
        AttemptEnded(call=call.call, leg=event.leg, attempt=call.attempt, outcome=OfferOutcome.ANSWERED),
        _offer_ends(call, call.offers[0], OfferOutcome.ANSWERED),
    ]


def _attempt_ended(call: Call, event: AttemptEnded, at: float) -> Step:
    return replace(call, attempting=False), []


def _leg_ended_dialling(call: Call, event: LegEnded, at: float) -> Step:
    """The citizen was not reached, or the agent did not wait for it."""
    remaining = _forget_leg(call, event)
    offered = call.offered(event.leg)
    if event.leg == call.citizen and call.attempting:
        outcome = ring_outcome(event, rang=True)
        return remaining, [
            AttemptEnded(call=call.call, leg=event.leg, attempt=call.attempt, outcome=outcome, cause=event.cause),
            *(_offer_ends(call, each, OfferOutcome.UNREACHED) for each in call.offers),
        ]
    if offered is None:
        return remaining, []
    outcome = OfferOutcome.LOST if event.lost else OfferOutcome.REFUSED
    return remaining, [
        AttemptEnded(call=call.call, leg=call.citizen, attempt=call.attempt, outcome=OfferOutcome.WITHDRAWN),
        _offer_ends(call, offered, outcome),
    ]


def _stray_leg_answered(call: Call, event: LegAnswered, at: float) -> Step:
    """A phone was picked up after its offer had ended: it must not stay connected to nothing."""
    return call, [HangUp(call=call.call, leg=event.leg)]


def _offer_ends(call: Call, offered: Offered, outcome: OfferOutcome) -> OfferEnded:
    return OfferEnded(call=call.call, visit=offered.visit, offer=offered.offer, agent=offered.agent, outcome=outcome)


def _withdrawn(call: Call) -> list[Output]:
    return [_offer_ends(call, offered, OfferOutcome.WITHDRAWN) for offered in call.offers]


def _offer_ended(call: Call, event: OfferEnded, at: float) -> Step:
    """Whoever ended it, the leg by which the agent was rung is hung up, unless it now begins a conversation."""
    offered = next((each for each in call.offers if each.offer == event.offer), None)
    if offered is None:
        return call, []
    rest = tuple(each for each in call.offers if each is not offered)
    without = replace(call, offers=rest)
    if event.outcome is OfferOutcome.ANSWERED:
        heard = call.medium is Medium.VOICEMAIL
        return without, [
            ConversationStarted(
                call=call.call,
                agent=event.agent,
                leg=offered.leg,
                bridge=BridgeId("") if heard else bridge_id(call.call, n=call.bridges + 1),
                queue=call.queue or QueueName(""),
                medium=Medium.CALL if call.citizen_here else call.medium,
            )
        ]
    outputs: list[Output] = [HangUp(call=call.call, leg=offered.leg)] if offered.leg in call.legs else []
    if call.attempting and offered is call.offers[0]:
        # Somebody else gave the offer up for lost; then nobody is there for the citizen.
        outputs.append(AttemptEnded(call=call.call, leg=call.citizen, attempt=call.attempt, outcome=OfferOutcome.LOST))
    if call.state is CallState.DIALLING and not rest:
        if call.citizen in call.legs:
            outputs.append(HangUp(call=call.call, leg=call.citizen))
        without = replace(without, state=CallState.WAITING, ringing_tone=None, agent=None)
    elif call.state is CallState.RINGING and not rest:
        without = replace(without, state=CallState.WAITING, agent=None)
    return without, outputs


def _conversation_started(call: Call, event: ConversationStarted, at: float) -> Step:
    new = event.bridge not in ("", call.bridge)
    talking = replace(
        call,
        state=CallState.TALKING,
        citizen_here=call.citizen_here or event.medium is Medium.CALLBACK,
        agent=event.agent,
        agent_leg=event.leg,
        bridge=event.bridge or None,
        bridges=call.bridges + 1 if new else call.bridges,
        hold=Hold.NONE,
        party=None if call.party is not None and call.party.leg == event.leg else call.party,
        ringing_tone=None,
        reason=None,
    )
    if event.medium is Medium.VOICEMAIL:
        return talking, [_hear_message(talking)]
    return supervision.joins(talking, event.leg)


def _hear_message(call: Call) -> PlayMessage:
    assert call.message is not None
    assert call.agent_leg is not None
    playback = playback_id(call.call, n=parties.FIRST_PLAYBACK + call.playbacks)
    return PlayMessage(call=call.call, leg=call.agent_leg, playback=playback, recording=call.message)


def _digit_pressed(call: Call, event: DigitPressed, at: float) -> Step:
    """Whoever listens to a message may hear it again."""
    if call.together or event.leg != call.agent_leg or event.digit != REPLAY_KEY:
        return call, []
    again = replace(call, playbacks=call.playbacks + 1)
    return again, [_hear_message(again)]


def _conversation_ended(call: Call, event: ConversationEnded, at: float) -> Step:
    """Where the citizen goes on, what follows at once says to whom. Else whoever is still there is hung up, and what
    Asterisk answers to that ends the call."""
    goodbyes: list[Output] = [*supervision.all_end(call)]
    if event.reason is EndReason.TRANSFERRED:
        passing = replace(call, state=CallState.PASSING, agent=None, agent_leg=None, ringing_tone=None)
        if call.referring is not None:
            goodbyes.append(AnswerRefer(call=call.call, leg=call.referring, accepted=True))
        if event.leg in call.legs:
            goodbyes.append(HangUp(call=call.call, leg=event.leg))
        return replace(passing, referring=None), goodbyes
    if call.party is not None:
        goodbyes.append(parties.left(call, call.party))
    return _clear(replace(call, reason=call.reason or event.reason), goodbyes)


def _leg_ended_unserved(call: Call, event: LegEnded, at: float) -> Step:
    remaining = _forget_leg(call, event)
    offered = call.offered(event.leg)
    if event.leg == call.citizen and call.citizen_here:
        return _citizen_left(call, event, _withdrawn(call))
    if offered is not None:
        return remaining, [_offer_ends(call, offered, ring_outcome(event, rang=offered.rang))]
    return remaining, []


def _leg_ended_diverting(call: Call, event: LegEnded, at: float) -> Step:
    if event.leg == call.citizen:
        goodbyes: list[Output] = [] if call.party is None else [parties.left(call, call.party)]
        return _citizen_left(call, event, goodbyes)
    return parties.outside_failed(_forget_leg(call, event), event)


def _leg_ended_talking(call: Call, event: LegEnded, at: float) -> Step:
    remaining = _forget_leg(call, event)
    if event.leg == call.agent_leg:
        return parties.agent_left(remaining, event)
    if event.leg == call.citizen and call.citizen_here:
        reason = ending_of(event, otherwise=EndReason.CITIZEN_HUNG_UP)
        return replace(remaining, cause=event.cause), [parties.ends(call, reason)]
    if call.party is not None and event.leg == call.party.leg:
        return parties.party_ended(remaining, event)
    return supervision.leg_ended(remaining, event)


def _leg_ended_clearing(call: Call, event: LegEnded, at: float) -> Step:
    remaining = _forget_leg(call, event)
    if remaining.legs:
        return remaining, []
    return remaining, _ends(remaining)


def _leg_answered_talking(call: Call, event: LegAnswered, at: float) -> Step:
    """Somebody more is there; or one told of twice after a gap, or found answered before being bridged."""
    if call.bridge is not None and event.leg == call.agent_leg:
        together = (event.leg,) if call.hold is Hold.OURS else (call.citizen, event.leg)
        return call, [Connect(call=call.call, bridge=call.bridge, legs=together)]
    if call.party is not None and event.leg == call.party.leg:
        return parties.party_answered(call)
    if any(event.leg in (each.leg, each.snoop) for each in call.supervised):
        return supervision.leg_answered(call, event)
    if event.leg in (call.agent_leg, call.citizen):
        return call, []
    return _stray_leg_answered(call, event, at)


def _leg_answered_diverting(call: Call, event: LegAnswered, at: float) -> Step:
    if call.party is None or event.leg != call.party.leg:
        return _stray_leg_answered(call, event, at)
    return call, [
        ConversationStarted(
            call=call.call,
            agent=parties.NOBODY,
            leg=event.leg,
            bridge=bridge_id(call.call, n=call.bridges + 1),
            queue=call.queue or QueueName(""),
            number=call.party.number,
        )
    ]


def _party_called_outside(call: Call, event: PartyCalled, at: float) -> Step:
    if call.party is not None or event.agent is not None:
        return parties.party_called_in_vain(call, event, at)
    party = Party(leg=event.leg, number=event.number)
    called = replace(call, party=party, parties=call.parties + 1, legs=call.legs | {event.leg})
    return called, [parties.dial(call, event)]


def _not_done(call: Call, event: CommandFailed, at: float) -> Step:
    """Asterisk does not put the two together: better an end than two people in silence."""
    if event.subject != call.bridge or event.command != Connect.__name__:
        return call, []
    return call, [parties.ends(call, EndReason.BROKEN)]


def _forget_leg(call: Call, event: LegEnded) -> Call:
    return replace(call, legs=call.legs - {event.leg})


def _citizen_left(call: Call, event: LegEnded, decisions: list[Output]) -> Step:
    reason = ending_of(event, otherwise=EndReason.CITIZEN_HUNG_UP)
    gone = replace(_forget_leg(call, event), reason=call.reason or reason, cause=event.cause)
    return _clear(gone, decisions)


def _clear(call: Call, outputs: list[Output]) -> Step:
    """Hang up every leg that is left; end at once where none is."""
    clearing = replace(
        call,
        state=CallState.CLEARING,
        bridge=None,
        offers=(),
        party=None,
        supervised=(),
        attempting=False,
        ringing_tone=None,
    )
    return clearing, outputs + (hang_up_all(clearing) if clearing.legs else _ends(clearing))


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
    decisions = _unfinished(call, EndReason.LOST)
    return _clear(replace(call, reason=EndReason.LOST, legs=frozenset()), decisions)


def _broken(call: Call, event: CallBroken, at: float) -> Step:
    return _clear(replace(call, reason=EndReason.BROKEN), _unfinished(call, EndReason.BROKEN))


def _stopped(call: Call, event: CallStopped, at: float) -> Step:
    return _clear(replace(call, reason=EndReason.SHUT_DOWN), _unfinished(call, EndReason.SHUT_DOWN))


def _unfinished(call: Call, reason: EndReason) -> list[Output]:
    """The decisions that free whoever was busy with a call that cannot go on."""
    decisions: list[Output] = []
    if call.attempting:
        decisions.append(
            AttemptEnded(call=call.call, leg=call.citizen, attempt=call.attempt, outcome=OfferOutcome.LOST)
        )
    outcome = OfferOutcome.WITHDRAWN if reason is EndReason.CANCELLED else OfferOutcome.LOST
    decisions += [_offer_ends(call, offered, outcome) for offered in call.offers]
    if call.party is not None:
        decisions.append(parties.left(call, call.party))
    decisions += supervision.all_end(call)
    if call.state is CallState.TALKING:
        decisions.append(parties.ends(call, reason))
    return decisions


def _ended(call: Call, event: CallEnded, at: float) -> Step:
    return replace(call, state=CallState.ENDED), []


def _moved(reaction: Reaction[Call]) -> Reaction[Call]:
    """The reaction, and before its own commands those that its change of the layout asks for."""

    @wraps(reaction)
    def react(call: Call, event: Any, at: float) -> Step:
        after, outputs = reaction(call, event, at)
        return after, [*moves(call, after), *outputs]

    return react


_: Exempt = LATE
X: Exempt = IMPOSSIBLE
_no = parties.not_talking
_Row = tuple[Reaction[Call] | Exempt, ...]
_TABLE: dict[type, _Row] = {
    # columns: in_flow, waiting, ringing, dialling, talking, passing, diverting, clearing, ended
    HandedOff: (_handed_off, X, X, X, X, X, X, _, _),
    FlowEnded: (_flow_ended, _, _, _, _, _, _, _, _),
    VisitStarted: (_visit_started, _visit_started, _, _, _, _, _, _, _),
    VisitSuspended: (_, _visit_suspended, _visit_suspended, X, X, X, X, _, _),
    VisitResumed: (_visit_resumed, _, _, _, X, X, X, _, _),
    VisitEnded: (_, _visit_ended, _visit_ended, _visit_ended, _, _, _, _, _),
    Diverted: (_diverted, _diverted, _diverted, _diverted, X, _diverted, _diverted, _, _),
    OfferMade: (X, _offer_made, _offer_made, X, X, X, X, X, X),
    OfferEnded: (_offer_ended,) * 7 + (_, _),
    LegRang: (_, _, _leg_rang, _, _, _, _, _, _),
    LegAnswered: (
        _stray_leg_answered,
        _stray_leg_answered,
        _offer_answered,
        _attempt_answered,
        _leg_answered_talking,
        _stray_leg_answered,
        _leg_answered_diverting,
        _stray_leg_answered,
        _,
    ),
    AttemptMade: (X, X, _attempt_made, X, X, X, X, _, _),
    AttemptEnded: (_, _attempt_ended, _attempt_ended, _attempt_ended, _attempt_ended, _, _, _, _),
    ConversationStarted: (
        X,
        _conversation_started,
        _conversation_started,
        _conversation_started,
        X,
        _conversation_started,
        _conversation_started,
        _,
        _,
    ),
    ConversationEnded: (X, X, X, X, _conversation_ended, X, X, _, _),
    HoldAsked: (_no, _no, _no, _no, parties.hold_asked, _no, _no, _no, _),
    HoldBegan: (_, _, _, _, parties.hold_began, _, _, _, _),
    HoldEnded: (_, _, _, _, parties.hold_ended, _, _, _, _),
    LegHeld: (_, _, _, _, parties.leg_held, _, _, _, _),
    LegUnheld: (_, _, _, _, parties.leg_unheld, _, _, _, _),
    ReferReceived: (_, _, _, _, parties.refer_received, _, _, _, _),
    RequestRefused: (_, _, _, _, parties.request_refused, _, _, _, _),
    TransferAsked: (_no, _no, _no, _no, parties.transfer_asked, _no, _no, _no, _),
    ConsultationAsked: (_no, _no, _no, _no, parties.consultation_asked, _no, _no, _no, _),
    PartyCalled: (
        parties.party_called_in_vain,
        parties.party_called_in_vain,
        parties.party_called_in_vain,
        parties.party_called_in_vain,
        parties.party_called,
        parties.party_called_in_vain,
        _party_called_outside,
        parties.party_called_in_vain,
        _,
    ),
    PartyJoined: (_, _, _, _, parties.party_joined, _, _, _, _),
    PartyLeft: (parties.party_gone,) * 7 + (_, _),
    ConsultationEndAsked: (_no, _no, _no, _no, parties.consultation_end_asked, _no, _no, _no, _),
    ConferenceAsked: (_no, _no, _no, _no, parties.conference_asked, _no, _no, _no, _),
    TransferCompletionAsked: (_no, _no, _no, _no, parties.completion_asked, _no, _no, _no, _),
    SupervisionAsked: (_no, _no, _no, _no, supervision.asked, _no, _no, _no, _),
    SupervisionBegan: (_, _, _, _, supervision.began, _, _, _, _),
    SupervisionChanged: (_, _, _, _, supervision.changed, _, _, _, _),
    SupervisionEndAsked: (_no, _no, _no, _no, supervision.end_asked, _no, _no, _no, _),
    SupervisionEnded: (supervision.ended,) * 7 + (_, _),
    TakeOverAsked: (_no, _no, _no, _no, supervision.take_over_asked, _no, _no, _no, _),
    LegEnded: (
        _leg_ended_unserved,
        _leg_ended_unserved,
        _leg_ended_unserved,
        _leg_ended_dialling,
        _leg_ended_talking,
        _leg_ended_unserved,
        _leg_ended_diverting,
        _leg_ended_clearing,
        _,
    ),
    DigitPressed: (_, _, _, _, _digit_pressed, _, _, _, _),
    CommandFailed: (_, _, _, _, _not_done, _, _, _, _),
    TimerFired: (_, _, _, _, _, _, _, _timer_fired_clearing, _),
    CallLost: (_lost,) * 8 + (_,),
    CallBroken: (_broken,) * 8 + (_,),
    CallStopped: (_stopped,) * 7 + (_, _),
    CallEnded: (X, X, X, X, X, X, X, _ended, _),
}


def _with_moves(table: dict[type, _Row]) -> dict[type, _Row]:
    """Of a call that is lost with its node nothing can be moved."""
    return {
        event: tuple(cell if isinstance(cell, Exempt) or cell is _lost else _moved(cell) for cell in row)
        for event, row in table.items()
    }


MACHINE: Machine[Call] = Machine("call", states=CallState, events=_TABLE, table=rows(CallState, _with_moves(_TABLE)))
