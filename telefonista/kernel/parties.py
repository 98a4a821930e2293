"""Who is in a conversation besides the citizen: hold, consultation, three-way, transfer.

In: what agents ask for (by key, telephone or interface) and what becomes of the legs. Out: decisions, and the dialling
of whoever is wanted. A request that cannot be met is refused in so many words and changes nothing. Two facts tell every
situation: whether the citizen is on hold, and whether a party is there. A party with the citizen on hold is a
consultation, a party without is a three-way conversation. Where a citizen on hold loses the agent, the citizen is not
lost with them: whoever was consulted has the citizen, else the queue, at the front.
"""

from telefonista.kernel.commands import AnswerRefer, Dial, HangUp, Ring
from telefonista.kernel.endings import ending_of, phone_number, ring_outcome
from telefonista.kernel.events import (
    CallEvent,
    ConferenceAsked,
    ConferenceBegan,
    ConsultationAsked,
    ConsultationEndAsked,
    ConversationEnded,
    ConversationStarted,
    Destination,
    DestinationKind,
    Diverted,
    EndReason,
    HoldAsked,
    HoldBegan,
    HoldEnded,
    LegEnded,
    LegHeld,
    LegUnheld,
    OfferOutcome,
    PartyCalled,
    PartyJoined,
    PartyLeft,
    ReferReceived,
    RequestRefused,
    TransferAsked,
    TransferCompletionAsked,
)
from telefonista.kernel.ids import AgentId, PlaybackId, QueueName, consulted_leg, playback_id
from telefonista.kernel.machine import Output
from telefonista.kernel.shape import Call, CallState, Hold, Party, Step, replace

NOBODY = AgentId("")
"""The agent of a conversation with a party outside."""
FIRST_PLAYBACK = 1_000_001
"""Playbacks of one call are numbered; those below belong to flows and to the wait."""
APOLOGY = "No pudimos comunicarlo con ese número. Por favor, llame de nuevo más tarde."
"""What a citizen hears who was passed on to a number that does not answer, and came from no queue."""

_Wish = HoldAsked | TransferAsked | ConsultationAsked | ConsultationEndAsked | ConferenceAsked | TransferCompletionAsked


def refusal(call: Call, event: CallEvent, why: str) -> RequestRefused:
    """The answer to a request that cannot be met."""
    by = getattr(event, "by", "") or getattr(event, "agent", "") or getattr(event, "supervisor", "")
    return RequestRefused(call=call.call, by=by, what=type(event).__name__, why=why)


def not_talking(call: Call, event: CallEvent, at: float) -> Step:
    return call, [refusal(call, event, "there is no conversation")]


def next_playback(call: Call) -> PlaybackId:
    return playback_id(call.call, n=FIRST_PLAYBACK + call.playbacks + 1)


def ends(call: Call, reason: EndReason) -> ConversationEnded:
    """The end of the present conversation."""
    assert call.agent is not None
    assert call.agent_leg is not None
    return ConversationEnded(call=call.call, agent=call.agent, leg=call.agent_leg, reason=reason)


def left(call: Call, party: Party) -> PartyLeft:
    """A party is let go, or was not waited for."""
    outcome = None if party.joined else OfferOutcome.WITHDRAWN
    return PartyLeft(call=call.call, leg=party.leg, agent=party.agent, number=party.number, outcome=outcome)


def dial(call: Call, event: PartyCalled) -> Dial:
    """The way to a number outside."""
    return Dial(
        call=call.call,
        leg=event.leg,
        number=event.number,
        route=call.route,
        line=call.line,
        timeout_s=event.ring_s,
    )


def _why_not(call: Call, event: _Wish) -> str:
    """Why this agent may ask for nothing now; empty where they may."""
    if not call.together:
        return "no citizen is in this conversation"
    if event.agent != call.agent:
        return "another agent has this conversation"
    return ""


def hold_asked(call: Call, event: HoldAsked, at: float) -> Step:
    why = _why_not(call, event)
    if not why and event.on and call.hold is not Hold.NONE:
        why = "the citizen is on hold already"
    elif not why and not event.on and call.hold is Hold.NONE:
        why = "the citizen is not on hold"
    elif not why and not event.on and call.hold is Hold.PHONE:
        why = "only the telephone that began the hold can end it"
    elif not why and not event.on and call.party is not None:
        why = "somebody is being consulted"
    if why:
        return call, [refusal(call, event, why)]
    if event.on:
        return call, [HoldBegan(call=call.call, agent=event.agent)]
    return call, [HoldEnded(call=call.call, agent=event.agent)]


def hold_began(call: Call, event: HoldBegan, at: float) -> Step:
    return replace(call, hold=Hold.PHONE if event.by_phone else Hold.OURS), []


def hold_ended(call: Call, event: HoldEnded, at: float) -> Step:
    return replace(call, hold=Hold.NONE), []


def leg_held(call: Call, event: LegHeld, at: float) -> Step:
    """Asterisk plays the music by itself to whoever is in the bridge with that telephone."""
    if event.leg != call.agent_leg or not call.agent or call.hold is not Hold.NONE:
        return call, []
    return call, [HoldBegan(call=call.call, agent=call.agent, by_phone=True)]


def leg_unheld(call: Call, event: LegUnheld, at: float) -> Step:
    if event.leg != call.agent_leg or not call.agent or call.hold is not Hold.PHONE:
        return call, []
    return call, [HoldEnded(call=call.call, agent=call.agent)]


def refer_received(call: Call, event: ReferReceived, at: float) -> Step:
    """Those who know whom a number means ask for the transfer; the telephone is told what came of that. Nothing was
    dialled where the telephone wants to join two of its own calls: those are not one call of ours."""
    if event.leg != call.agent_leg or not event.dialled:
        return call, [AnswerRefer(call=call.call, leg=event.leg, accepted=False)]
    return replace(call, referring=event.leg), []


def request_refused(call: Call, event: RequestRefused, at: float) -> Step:
    if call.referring is None:
        return call, []
    return replace(call, referring=None), [AnswerRefer(call=call.call, leg=call.referring, accepted=False)]


def transfer_asked(call: Call, event: TransferAsked, at: float) -> Step:
    why = _why_not(call, event)
    if not why and event.to == Destination(DestinationKind.AGENT, event.agent):
        why = "that is where the citizen is"
    if why:
        return call, [refusal(call, event, why)]
    queue = call.queue or QueueName("")
    by = event.by or event.agent
    return call, [
        ends(call, EndReason.TRANSFERRED),
        Diverted(call=call.call, to=event.to, why="transfer", by=by, queue=queue),
    ]


def consultation_asked(call: Call, event: ConsultationAsked, at: float) -> Step:
    """Who is to be rung for an agent or a queue is the desk's to say, by a `PartyCalled`."""
    why = _why_not(call, event)
    if not why and call.party is not None:
        why = "somebody is consulted already"
    if not why and event.to.kind not in (DestinationKind.AGENT, DestinationKind.QUEUE, DestinationKind.NUMBER):
        why = "only people can be consulted"
    if why:
        return call, [refusal(call, event, why)]
    if event.to.kind is not DestinationKind.NUMBER:
        return call, []
    leg = consulted_leg(call.call, n=call.parties + 1)
    return call, [PartyCalled(call=call.call, leg=leg, number=event.to.name)]


def party_called(call: Call, event: PartyCalled, at: float) -> Step:
    """The citizen goes on hold, and the agent hears it ring."""
    if not call.together or call.party is not None or not call.agent:
        return party_called_in_vain(call, event, at)
    party = Party(leg=event.leg, agent=event.agent, number=event.number)
    called = replace(
        call,
        party=party,
        parties=call.parties + 1,
        playbacks=call.playbacks + 1,
        ringing_tone=next_playback(call),
        legs=call.legs | {event.leg},
    )
    outputs: list[Output] = [] if call.hold is Hold.OURS else [HoldBegan(call=call.call, agent=call.agent)]
    if event.agent is None:
        return called, [*outputs, dial(call, event)]
    ring = Ring(
        call=call.call,
        leg=event.leg,
        agent=event.agent,
        citizen=call.citizen,
        shown_number=phone_number(call.caller),
        timeout_s=event.ring_s,
    )
    return called, [*outputs, ring]


def party_called_in_vain(call: Call, event: PartyCalled, at: float) -> Step:
    """The conversation is over by now, or has its party: whoever was reserved is free again."""
    party = Party(leg=event.leg, agent=event.agent, number=event.number)
    return call, [left(call, party)]


def party_answered(call: Call) -> Step:
    assert call.party is not None
    party = call.party
    if party.joined:
        return call, []
    return call, [PartyJoined(call=call.call, leg=party.leg, agent=party.agent, number=party.number)]


def party_joined(call: Call, event: PartyJoined, at: float) -> Step:
    assert call.party is not None
    return replace(call, party=replace(call.party, joined=True), ringing_tone=None), []


def party_ended(call: Call, event: LegEnded) -> Step:
    """A party's leg is gone."""
    assert call.party is not None
    party = call.party
    outcome = None if party.joined else ring_outcome(event, rang=True)
    return call, [PartyLeft(call=call.call, leg=party.leg, agent=party.agent, number=party.number, outcome=outcome)]


def party_gone(call: Call, event: PartyLeft, at: float) -> Step:
    """Whoever had consulted them is back with the citizen, for nobody is to wait in silence."""
    outputs: list[Output] = [HangUp(call=call.call, leg=event.leg)] if event.leg in call.legs else []
    if call.party is None or call.party.leg != event.leg:
        return call, outputs
    if call.state is CallState.TALKING and call.agent and call.hold is Hold.OURS:
        outputs.append(HoldEnded(call=call.call, agent=call.agent))
    return replace(call, party=None, ringing_tone=None), outputs


def outside_failed(call: Call, event: LegEnded) -> Step:
    """The number outside was not reached: back to where the citizen came from, or a word of regret."""
    if call.party is None or event.leg != call.party.leg:
        return call, []
    outcome = ring_outcome(event, rang=True)
    gone = PartyLeft(call=call.call, leg=event.leg, number=call.party.number, outcome=outcome)
    why = f"the number outside was not reached: {outcome.value}"
    queue = call.queue or QueueName("")
    to = Destination(DestinationKind.QUEUE, queue) if queue else Destination(DestinationKind.MESSAGE, APOLOGY)
    return call, [gone, Diverted(call=call.call, to=to, why=why, queue=queue)]


def consultation_end_asked(call: Call, event: ConsultationEndAsked, at: float) -> Step:
    why = _why_not(call, event)
    if not why and call.party is None:
        why = "nobody is consulted"
    if why or call.party is None:
        return call, [refusal(call, event, why)]
    return call, [left(call, call.party)]


def conference_asked(call: Call, event: ConferenceAsked, at: float) -> Step:
    why = _why_not(call, event)
    if not why and (call.party is None or not call.party.joined):
        why = "nobody who is consulted has answered"
    elif not why and call.hold is Hold.NONE:
        why = "all three are together already"
    if why:
        return call, [refusal(call, event, why)]
    return call, [HoldEnded(call=call.call, agent=event.agent), ConferenceBegan(call=call.call)]


def completion_asked(call: Call, event: TransferCompletionAsked, at: float) -> Step:
    why = _why_not(call, event)
    if not why and (call.party is None or not call.party.joined):
        why = "nobody who is consulted has answered"
    if why:
        return call, [refusal(call, event, why)]
    return call, _passed_to_party(call)


def _passed_to_party(call: Call) -> list[Output]:
    """The consulted party has the citizen from here on, in the same bridge."""
    assert call.party is not None
    assert call.bridge is not None
    return [
        ends(call, EndReason.TRANSFERRED),
        ConversationStarted(
            call=call.call,
            agent=call.party.agent or NOBODY,
            leg=call.party.leg,
            bridge=call.bridge,
            queue=call.queue or QueueName(""),
            number=call.party.number,
        ),
    ]


def agent_left(call: Call, event: LegEnded) -> Step:
    """Whoever the conversation is with hung up, or their telephone is gone."""
    caused = replace(call, cause=event.cause)
    if call.together and call.party is not None and call.party.joined:
        return caused, _passed_to_party(call)
    if call.together and call.hold is not Hold.NONE and call.queue:
        to = Destination(DestinationKind.QUEUE, call.queue)
        why = "the agent left while the citizen was on hold"
        return caused, [
            ends(call, EndReason.TRANSFERRED),
            Diverted(call=call.call, to=to, why=why, queue=call.queue),
        ]
    if call.bridge is None:
        return caused, [ends(call, ending_of(event, otherwise=EndReason.HEARD))]
    otherwise = EndReason.AGENT_HUNG_UP if call.agent else EndReason.DIVERTED
    return caused, [ends(call, ending_of(event, otherwise=otherwise))]
