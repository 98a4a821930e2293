"""Whether a citizen may join a queue, or stay in it, and where else the way leads.

In: a queue's policy and what can be counted of it at this moment. Out: a destination with the reason, or None for
"come in". Pure; must never import the desk.
"""

import msgspec

from acd.core.policy import Drain, JoinWhen, OverflowWhen, QueuePolicy
from telefonista.kernel.events import Destination, DestinationKind


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """A queue at one moment."""

    at: float
    """Epoch seconds."""
    waiting: int
    """Who would be before the newcomer."""
    at_work: int
    """Agents of the queue who are logged in with a telephone that is there, paused ones included."""
    available: int
    """Those of them who are not paused."""
    estimate_s: float | None
    """How long a newcomer would wait, where that can be known."""


class Elsewhere(msgspec.Struct, frozen=True):
    to: Destination
    why: str


def refused_entry(policy: QueuePolicy, situation: Situation) -> Elsewhere | None:
    """Where a newcomer goes instead of into the queue; None: they may join it."""
    if is_closed(policy, at=situation.at):
        return Elsewhere(policy.when_closed, "closed")
    if policy.join_when is not JoinWhen.ALWAYS and nobody_is_there(policy, situation):
        return Elsewhere(policy.when_nobody, "nobody is there")
    if policy.most_waiting and situation.waiting >= policy.most_waiting:
        return Elsewhere(policy.when_full, f"{situation.waiting} wait already")
    for rule in policy.overflow:
        why = _overflows(policy, situation, when=rule.when, above=rule.above)
        if why:
            return Elsewhere(rule.to, why)
    return None


def is_closed(policy: QueuePolicy, *, at: float) -> bool:
    return policy.hours is not None and not policy.hours.is_open(at)


def closes_in_s(policy: QueuePolicy, *, at: float) -> float | None:
    """In how many seconds those who wait are sent away because the queue closes; None: never."""
    if policy.hours is None or policy.drain is not Drain.DIVERT:
        return None
    return policy.hours.left_s(at)


def nobody_is_there(policy: QueuePolicy, situation: Situation) -> bool:
    """Nobody of those without whom the queue's citizens would wait in vain."""
    there = situation.available if policy.join_when is JoinWhen.AVAILABLE else situation.at_work
    return there == 0


def with_flow(to: Destination, policy: QueuePolicy) -> Destination:
    """A destination whose dialogue is the queue's own has the flow's name."""
    if to.kind is DestinationKind.CALLBACK:
        return Destination(to.kind, policy.callback.flow if policy.callback else DestinationKind.CALLBACK.value)
    if to.kind is DestinationKind.VOICEMAIL:
        return Destination(to.kind, policy.voicemail.flow if policy.voicemail else DestinationKind.VOICEMAIL.value)
    return to


def _overflows(policy: QueuePolicy, situation: Situation, *, when: OverflowWhen, above: float) -> str:
    """Why a rule holds; empty when it does not."""
    if when is OverflowWhen.WAITING_PER_AGENT:
        ratio = (situation.waiting + 1) / max(1, situation.available)
        return f"{ratio:.3g} would wait for each agent, more than {above:g}" if ratio > above else ""
    if when is OverflowWhen.ESTIMATE:
        estimate_s = situation.estimate_s
        return f"a wait of {estimate_s:.0f} s, more than {above:g}" if estimate_s and estimate_s > above else ""
    left_s = policy.hours.left_s(situation.at) if policy.hours is not None else None
    return f"closes in {left_s:.0f} s" if left_s is not None and left_s < above else ""
