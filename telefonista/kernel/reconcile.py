"""After a gap: what the journal believes against what Asterisk has, and the events and commands that make them agree.

Pure. `believed` is what the journal held *before* Asterisk was asked: what began meanwhile is not taken for lost.
"""

from collections.abc import Mapping

import msgspec

from telefonista.kernel.call import Call, CallState
from telefonista.kernel.commands import AnyCommand, Connect, Disconnect, HangUp
from telefonista.kernel.events import CallArrived, Event, LegAnswered, LegEnded
from telefonista.kernel.ids import CallId, LegId, LineName, RouteName, call_of, is_ours
from telefonista.kernel.ports import Observation
from telefonista.kernel.shape import awaited, layout, roles

_CAUSE_UNKNOWN = 0


class Agreement(msgspec.Struct, kw_only=True):
    events: list[Event]
    commands: list[AnyCommand]


class Suspicion(msgspec.Struct, frozen=True, kw_only=True):
    """What one look found odd; only what the next look finds again is true, for events may be on their way."""

    missing: frozenset[LegId] = frozenset()
    stray: frozenset[LegId] = frozenset()


def audit(
    *, before: Suspicion, believed: Mapping[CallId, Call], now: Mapping[CallId, Call], observation: Observation
) -> tuple[Agreement, Suspicion]:
    """A look at a link that is up, for what no event told: a leg missing twice has ended, one of ours that belongs to
    no call twice is hung up. Finding nothing is the rule; finding something is a defect, here or in Asterisk."""
    known = {leg for call in now.values() for leg in call.legs}
    suspicion = Suspicion(
        missing=missing_legs(believed, observation),
        stray=frozenset(leg.leg for leg in observation.legs if is_ours(leg.leg) and leg.leg not in known),
    )
    agreement = Agreement(events=[], commands=[])
    for call in now.values():
        for leg in sorted(call.legs & before.missing & suspicion.missing):
            agreement.events.append(LegEnded(call=call.call, leg=leg, cause=_CAUSE_UNKNOWN, lost=True))
    for leg in sorted(before.stray & suspicion.stray):
        agreement.commands.append(HangUp(call=call_of(leg), leg=leg))
    return agreement, suspicion


def missing_legs(calls: Mapping[CallId, Call], observation: Observation) -> frozenset[LegId]:
    """Legs that the journal believes in and Asterisk does not have."""
    seen = {leg.leg for leg in observation.legs}
    return frozenset(leg for call in calls.values() for leg in call.legs if leg not in seen)


def reconcile(*, believed: Mapping[CallId, Call], now: Mapping[CallId, Call], observation: Observation) -> Agreement:
    """Legs that are gone end as lost; a leg whose answer is waited for and that is up was answered; channels nobody
    knows become calls, or are hung up where they are our own leftovers; bridges are made whole as the calls' layouts
    say, and those without a call are destroyed. Nobody is dialled."""
    agreement = Agreement(events=[], commands=[])
    gone = missing_legs(believed, observation)
    for call in now.values():
        for leg in sorted(call.legs & gone):
            agreement.events.append(LegEnded(call=call.call, leg=leg, cause=_CAUSE_UNKNOWN, lost=True))
    for observed in observation.legs:
        leg = observed.leg
        call_id = call_of(leg)
        known = now.get(call_id)
        if is_ours(leg):
            if known is None or leg not in known.legs:
                agreement.commands.append(HangUp(call=call_id, leg=leg))
            elif observed.answered and leg in awaited(known):
                # Not `in_application`: Asterisk lists a leg there from the moment it is dialled (seen).
                agreement.events.append(LegAnswered(call=call_id, leg=leg))
            elif known.state is not CallState.CLEARING and leg not in roles(known):
                # It was to be hung up, and nobody was there to hear it.
                agreement.commands.append(HangUp(call=call_id, leg=leg))
        elif observed.in_application and known is None:
            agreement.events.append(
                CallArrived(
                    call=call_id,
                    line=LineName(observed.line),
                    dialled=observed.dialled,
                    route=RouteName(observed.route),
                    caller=observed.caller,
                )
            )
    seen = {bridge.bridge: bridge.legs for bridge in observation.bridges}
    for call in now.values():
        if gone & {call.citizen, call.agent_leg}:
            # What follows from that takes the bridges apart, or makes them anew.
            continue
        for bridge, legs in layout(call).bridges.items():
            there = tuple(leg for leg in legs if leg not in gone)
            complete = there == legs or bridge == call.bridge
            if complete and not set(there) <= seen.get(bridge, frozenset()):
                agreement.commands.append(Connect(call=call.call, bridge=bridge, legs=there))
    for bridge in seen:
        if is_ours(bridge):
            owner = now.get(call_of(bridge))
            if owner is None or bridge not in layout(owner).bridges:
                agreement.commands.append(Disconnect(call=call_of(bridge), bridge=bridge))
    return agreement
