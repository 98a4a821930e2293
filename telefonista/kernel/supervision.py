"""Supervisors in a conversation: listening, whispering to the agent, speaking to all, taking over.

In: what supervisors ask for and what becomes of their legs. Out: decisions, the ringing of the supervisor's telephone
and the leg by which Asterisk listens at the agent's. That leg always can whisper; a supervisor who only listens is
muted, so that a change of manner moves a leg or a mute and rings nobody. A supervision is of one agent's conversation
and ends with it, by a transfer as well: whom the citizen talks with next has not been told of a listener.
"""

from telefonista.kernel.commands import HangUp, Ring, Snoop
from telefonista.kernel.endings import phone_number
from telefonista.kernel.events import (
    ConversationStarted,
    EndReason,
    LegAnswered,
    LegEnded,
    SupervisionAsked,
    SupervisionBegan,
    SupervisionChanged,
    SupervisionEndAsked,
    SupervisionEnded,
    TakeOverAsked,
)
from telefonista.kernel.ids import LegId, QueueName, bridge_id, snoop_leg, supervisor_leg
from telefonista.kernel.machine import Output
from telefonista.kernel.parties import ends, refusal
from telefonista.kernel.shape import Call, Step, Supervised, replace

SUPERVISOR_RING_S = 20.0


def asked(call: Call, event: SupervisionAsked, at: float) -> Step:
    """Again by the same supervisor it is a change of manner."""
    known = call.supervision(event.supervisor)
    why = ""
    if not call.together or not call.agent:
        why = "no agent talks with a citizen"
    elif event.supervisor == call.agent or (call.party is not None and event.supervisor == call.party.agent):
        why = "whoever is in a conversation cannot supervise it"
    elif known is not None and known.mode is event.mode:
        why = "that is so already"
    if why:
        return call, [refusal(call, event, why)]
    if known is not None:
        return call, [SupervisionChanged(call=call.call, supervisor=event.supervisor, leg=known.leg, mode=event.mode)]
    leg = supervisor_leg(call.call, n=call.supervisions + 1)
    return call, [SupervisionBegan(call=call.call, supervisor=event.supervisor, leg=leg, mode=event.mode)]


def began(call: Call, event: SupervisionBegan, at: float) -> Step:
    n = call.supervisions + 1
    supervised = Supervised(
        supervisor=event.supervisor,
        leg=event.leg,
        snoop=snoop_leg(call.call, n=n),
        bridge=bridge_id(call.call, n=call.bridges + 1),
        mode=event.mode,
    )
    ringing = replace(
        call,
        supervised=(*call.supervised, supervised),
        supervisions=n,
        bridges=call.bridges + 1,
        legs=call.legs | {event.leg},
    )
    return ringing, [
        Ring(
            call=call.call,
            leg=event.leg,
            agent=event.supervisor,
            citizen=None,
            shown_number=phone_number(call.agent or ""),
            timeout_s=SUPERVISOR_RING_S,
        )
    ]


def changed(call: Call, event: SupervisionChanged, at: float) -> Step:
    return _with(call, event.leg, mode=event.mode), []


def leg_answered(call: Call, event: LegAnswered) -> Step:
    """The supervisor's own leg, or the one by which Asterisk listens."""
    for each in call.supervised:
        if event.leg == each.snoop:
            return _with(call, each.leg, snooping=True), []
        if event.leg == each.leg and not each.answered:
            assert call.agent_leg is not None
            listening = replace(_with(call, each.leg, answered=True), legs=call.legs | {each.snoop})
            return listening, [Snoop(call=call.call, leg=each.snoop, at=call.agent_leg)]
    return call, []


def leg_ended(call: Call, event: LegEnded) -> Step:
    """Without either of the two legs there is nothing to hear."""
    return call, [_over(call, each) for each in call.supervised if event.leg in (each.leg, each.snoop)]


def end_asked(call: Call, event: SupervisionEndAsked, at: float) -> Step:
    known = call.supervision(event.supervisor)
    if known is None:
        return call, [refusal(call, event, "that supervisor takes no part")]
    return call, [_over(call, known)]


def ended(call: Call, event: SupervisionEnded, at: float) -> Step:
    """Whatever is left of it is hung up; nothing is where the supervisor has the conversation now."""
    over = [each for each in call.supervised if each.leg == event.leg]
    rest = tuple(each for each in call.supervised if each.leg != event.leg)
    legs = [leg for each in over for leg in (each.leg, each.snoop) if leg in call.legs]
    return replace(call, supervised=rest), [HangUp(call=call.call, leg=leg) for leg in legs]


def take_over_asked(call: Call, event: TakeOverAsked, at: float) -> Step:
    known = call.supervision(event.supervisor)
    why = ""
    if known is None or not known.answered:
        why = "only a supervisor who takes part can take over"
    elif call.party is not None:
        why = "somebody is being consulted"
    if why or known is None or call.bridge is None:
        return call, [refusal(call, event, why)]
    return call, [
        ends(call, EndReason.TRANSFERRED),
        ConversationStarted(
            call=call.call,
            agent=event.supervisor,
            leg=known.leg,
            bridge=call.bridge,
            queue=call.queue or QueueName(""),
        ),
    ]


def joins(call: Call, leg: LegId) -> Step:
    """A leg that now has the conversation supervises no more."""
    taken = [each for each in call.supervised if each.leg == leg]
    rest = tuple(each for each in call.supervised if each.leg != leg)
    outputs: list[Output] = [HangUp(call=call.call, leg=each.snoop) for each in taken if each.snoop in call.legs]
    return replace(call, supervised=rest), outputs


def all_end(call: Call) -> list[Output]:
    return [_over(call, each) for each in call.supervised]


def _over(call: Call, each: Supervised) -> SupervisionEnded:
    return SupervisionEnded(call=call.call, supervisor=each.supervisor, leg=each.leg)


def _with(call: Call, leg: LegId, **changes: object) -> Call:
    supervised = tuple(replace(each, **changes) if each.leg == leg else each for each in call.supervised)
    return replace(call, supervised=supervised)
