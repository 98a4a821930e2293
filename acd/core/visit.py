"""One contact's stay in one queue: waiting, offered to one agent or several, aside in a dialogue, over.

Every stay that began ends exactly once. Knows contacts, not channels: whoever left a queue by hanging up is told of by
the citizen's leg, and a contact without one (a callback, a message) by its offers.
"""

from enum import StrEnum

import msgspec

from telefonista.kernel.events import (
    CallBroken,
    CallLost,
    CallStopped,
    ContactPostponed,
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
from telefonista.kernel.ids import AgentId, CallId, OfferId, QueueName, VisitId, citizen_leg
from telefonista.kernel.machine import IMPOSSIBLE, LATE, Exempt, Machine, Output, Reaction, rows

ONLY_TIMER = "acd.only"
"""Until it fires nobody but the agent asked for by name is offered the contact."""

LEASE_S = 15.0
"""Beyond the time that an offer may ring, for the word of its end to come."""

_NO_MISS = frozenset({OfferOutcome.WITHDRAWN, OfferOutcome.UNREACHED})


class VisitState(StrEnum):
    WAITING = "waiting"
    OFFERED = "offered"
    SUSPENDED = "suspended"
    """In a dialogue; the place is kept."""
    ENDED = "ended"


class OpenOffer(msgspec.Struct, frozen=True):
    offer: OfferId
    agent: AgentId
    lease_until: float
    """When nobody's word on it means that it is lost (epoch seconds)."""


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    call: CallId
    visit: VisitId
    queue: QueueName
    priority: int
    started_at: float
    order: int
    """The journal's number of the stay's beginning: breaks ties, and survives restarts."""
    place_at: float
    """Since when the citizen waits: the place in the queue goes by it."""
    medium: Medium = Medium.CALL
    requires: str = ""
    language: str = ""
    only: AgentId | None = None
    sticky: AgentId | None = None
    sticky_until: float = 0.0
    state: VisitState = VisitState.WAITING
    offers: tuple[OpenOffer, ...] = ()
    refused_by: frozenset[AgentId] = frozenset()
    """Who missed it: not offered it again as long as somebody else can be."""
    attempts: int = 0
    """How often somebody to be called back was dialled in vain."""
    not_before: float = 0.0


Step = tuple[Visit, list[Output]]


def _offer_made(visit: Visit, event: OfferMade, at: float) -> Step:
    offer = OpenOffer(event.offer, event.agent, at + event.ring_s + LEASE_S)
    return msgspec.structs.replace(visit, state=VisitState.OFFERED, offers=(*visit.offers, offer)), []


def _offer_ended(visit: Visit, event: OfferEnded, at: float) -> Step:
    """Waiting again when no other offer is open; whoever answered keeps it until the stay has ended."""
    if event.outcome is OfferOutcome.ANSWERED:
        return visit, [_ends(visit, VisitOutcome.ANSWERED, agent=event.agent)]
    left = tuple(offer for offer in visit.offers if offer.offer != event.offer)
    missed = event.outcome not in _NO_MISS
    return msgspec.structs.replace(
        visit,
        state=VisitState.OFFERED if left else VisitState.WAITING,
        offers=left,
        refused_by=visit.refused_by | {event.agent} if missed else visit.refused_by,
        only=None if missed and event.agent == visit.only else visit.only,
    ), []


def _offer_ended_aside(visit: Visit, event: OfferEnded, at: float) -> Step:
    """A phone that rang for who is in a dialogue by now falls silent."""
    left = tuple(offer for offer in visit.offers if offer.offer != event.offer)
    return msgspec.structs.replace(visit, offers=left), []


def _suspended(visit: Visit, event: VisitSuspended, at: float) -> Step:
    return msgspec.structs.replace(visit, state=VisitState.SUSPENDED), []


def _resumed(visit: Visit, event: VisitResumed, at: float) -> Step:
    return msgspec.structs.replace(visit, state=VisitState.WAITING), []


def _place_changed(visit: Visit, event: PlaceChanged, at: float) -> Step:
    return msgspec.structs.replace(visit, place_at=event.place_at, priority=event.priority), []


def _postponed(visit: Visit, event: ContactPostponed, at: float) -> Step:
    return msgspec.structs.replace(visit, attempts=event.attempts, not_before=event.until), []


def _timer_fired(visit: Visit, event: TimerFired, at: float) -> Step:
    """The agent who was asked for by name has had the time to take it."""
    return (msgspec.structs.replace(visit, only=None) if event.key == ONLY_TIMER else visit), []


def _leg_ended(visit: Visit, event: LegEnded, at: float) -> Step:
    """Only the citizen's own leg ends the stay, where it is the citizen who waits; an agent's tells through
    `OfferEnded`, and so does that of a citizen who is called back."""
    if visit.medium is not Medium.CALL or event.leg != citizen_leg(visit.call):
        return visit, []
    return visit, [_ends(visit, VisitOutcome.ABANDONED)]


def _call_gone(visit: Visit, event: CallLost | CallBroken | CallStopped, at: float) -> Step:
    """Nobody served this citizen, whoever is to blame: that is an abandonment, and the call's end reason says whose. A
    contact without a citizen's channel outlives Asterisk and the engine."""
    if visit.medium is not Medium.CALL and not isinstance(event, CallBroken):
        return visit, []
    return visit, [_ends(visit, VisitOutcome.ABANDONED)]


def _ends(visit: Visit, outcome: VisitOutcome, *, agent: AgentId | None = None) -> VisitEnded:
    return VisitEnded(call=visit.call, visit=visit.visit, queue=visit.queue, outcome=outcome, agent=agent)


def _visit_ended(visit: Visit, event: VisitEnded, at: float) -> Step:
    return msgspec.structs.replace(visit, state=VisitState.ENDED, offers=()), []


_: Exempt = LATE
X: Exempt = IMPOSSIBLE
_TABLE: dict[type, tuple[Reaction[Visit] | Exempt, ...]] = {
    # columns: waiting, offered, suspended, ended
    OfferMade: (_offer_made, _offer_made, X, X),
    OfferEnded: (_, _offer_ended, _offer_ended_aside, _),
    VisitSuspended: (_suspended, _suspended, X, _),
    VisitResumed: (X, X, _resumed, _),
    PlaceChanged: (_place_changed, _place_changed, _place_changed, _),
    ContactPostponed: (_postponed, X, X, _),
    TimerFired: (_timer_fired, _, _, _),
    LegEnded: (_leg_ended, _leg_ended, _leg_ended, _),
    CallLost: (_call_gone, _call_gone, _call_gone, _),
    CallBroken: (_call_gone, _call_gone, _call_gone, _),
    CallStopped: (_call_gone, _call_gone, _call_gone, _),
    VisitEnded: (_visit_ended, _visit_ended, _visit_ended, X),
}
MACHINE: Machine[Visit] = Machine("acd.visit", states=VisitState, events=_TABLE, table=rows(VisitState, _TABLE))
