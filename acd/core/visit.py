"""One contact's stay in one queue: waiting, offered to an agent, over.

Every stay that began ends exactly once, as answered, abandoned or diverted. Knows contacts, not channels.
"""

from enum import StrEnum

import msgspec

from telefonista.kernel.events import (
    CallBroken,
    CallLost,
    CallStopped,
    LegEnded,
    OfferEnded,
    OfferMade,
    OfferOutcome,
    VisitEnded,
    VisitOutcome,
)
from telefonista.kernel.ids import AgentId, CallId, OfferId, QueueName, VisitId, citizen_leg
from telefonista.kernel.machine import IMPOSSIBLE, LATE, Exempt, Machine, Output, Reaction, rows


class VisitState(StrEnum):
    WAITING = "waiting"
    OFFERED = "offered"
    ENDED = "ended"


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    call: CallId
    visit: VisitId
    queue: QueueName
    priority: int
    started_at: float
    order: int
    """The journal's number of the stay's beginning: breaks ties, and survives restarts."""
    state: VisitState = VisitState.WAITING
    offer: OfferId | None = None

    @property
    def place(self) -> tuple[int, float, int]:
        """Sorts a queue: higher priority first, then who came first."""
        return (-self.priority, self.started_at, self.order)


Step = tuple[Visit, list[Output]]


def _offer_made(visit: Visit, event: OfferMade, at: float) -> Step:
    offered = msgspec.structs.replace(visit, state=VisitState.OFFERED, offer=event.offer)
    return offered, []


def _offer_ended(visit: Visit, event: OfferEnded, at: float) -> Step:
    if event.outcome is OfferOutcome.ANSWERED:
        return visit, [_ends(visit, VisitOutcome.ANSWERED, agent=event.agent)]
    return msgspec.structs.replace(visit, state=VisitState.WAITING, offer=None), []


def _leg_ended(visit: Visit, event: LegEnded, at: float) -> Step:
    """Only the citizen's own leg ends the stay; an agent's tells through `OfferEnded`."""
    if event.leg != citizen_leg(visit.call):
        return visit, []
    return visit, [_ends(visit, VisitOutcome.ABANDONED)]


def _call_gone(visit: Visit, event: CallLost | CallBroken | CallStopped, at: float) -> Step:
    """Nobody served this citizen, whoever is to blame: that is an abandonment, and the call's end reason says whose."""
    return visit, [_ends(visit, VisitOutcome.ABANDONED)]


def _ends(visit: Visit, outcome: VisitOutcome, *, agent: AgentId | None = None) -> VisitEnded:
    return VisitEnded(call=visit.call, visit=visit.visit, queue=visit.queue, outcome=outcome, agent=agent)


def _visit_ended(visit: Visit, event: VisitEnded, at: float) -> Step:
    return msgspec.structs.replace(visit, state=VisitState.ENDED, offer=None), []


_: Exempt = LATE
X: Exempt = IMPOSSIBLE
_TABLE: dict[type, tuple[Reaction[Visit] | Exempt, ...]] = {
    # columns: waiting, offered, ended
    OfferMade: (_offer_made, X, X),
    OfferEnded: (_, _offer_ended, _),
    LegEnded: (_leg_ended, _leg_ended, _),
    CallLost: (_call_gone, _call_gone, _),
    CallBroken: (_call_gone, _call_gone, _),
    CallStopped: (_call_gone, _call_gone, _),
    VisitEnded: (_visit_ended, _visit_ended, X),
}
MACHINE: Machine[Visit] = Machine("acd.visit", states=VisitState, events=_TABLE, table=rows(VisitState, _TABLE))
