"""How long the wait will take, honestly: from how long this queue's contacts have lately kept an agent, from who is at
work, and from how much of each agent is left for the queue.

In: the journal's events of offers, conversations and presence, and who waits where. Out: seconds, or None where it
cannot be known: too few contacts were served lately, or nobody is at work. Rounding up is for those who say it. Pure; a
memory that a restart may lose, never a reason for a decision that must be repeated.

With n agents who each keep a contact for h seconds, somebody is free every h/n seconds: the p-th of a line waits p·h/n
(the mean of a sum of p exponential times). An agent of several queues counts for each by its part of all who wait
there, for whoever waits longest anywhere is served first.
"""

from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from telefonista.kernel.events import (
    ConversationStarted,
    Event,
    OfferEnded,
    OfferMade,
    OfferOutcome,
    Presence,
    PresenceChanged,
)
from telefonista.kernel.ids import AgentId, QueueName

MOST_REMEMBERED = 50
"""Contacts of a queue by which its pace is known."""
FEWEST_KNOWN = 5
"""With fewer nothing is said."""
LONGEST_MEMORY_S = 7200.0
"""The pace of this morning tells nothing of the afternoon."""
LONGEST_KEPT_S = 3600.0
"""An agent who forgets to end a wrap-up does not count as that slow."""

_OCCUPIED = frozenset(
    {
        Presence.RESERVED,
        Presence.RINGING,
        Presence.DIALLING,
        Presence.TALKING,
        Presence.ON_HOLD,
        Presence.WRAP_UP,
    }
)


class _Kept(msgspec.Struct):
    """An agent with a contact."""

    since: float
    queue: QueueName | None = None
    """Set once they talk."""


class Pace:
    """What is known of how long contacts keep agents, by queue."""

    consumes = frozenset({OfferMade, OfferEnded, ConversationStarted, PresenceChanged})

    def __init__(self) -> None:
        self._kept: dict[AgentId, _Kept] = {}
        self._served: dict[QueueName, deque[tuple[float, float]]] = {}

    def note(self, event: Event, *, at: float) -> None:
        if isinstance(event, OfferMade):
            self._kept[event.agent] = _Kept(since=at)
        elif isinstance(event, OfferEnded):
            if event.outcome is not OfferOutcome.ANSWERED:
                self._kept.pop(event.agent, None)
        elif isinstance(event, ConversationStarted):
            self._kept.setdefault(event.agent, _Kept(since=at)).queue = event.queue
        elif isinstance(event, PresenceChanged) and event.presence not in _OCCUPIED:
            kept = self._kept.pop(event.agent, None)
            if kept is not None and kept.queue is not None:
                served = self._served.setdefault(kept.queue, deque(maxlen=MOST_REMEMBERED))
                served.append((at, min(LONGEST_KEPT_S, max(0.0, at - kept.since))))

    def kept_s(self, queue: QueueName, *, now: float) -> float | None:
        """The mean time that a contact of the queue keeps an agent, ringing and wrap-up included."""
        lately = [kept_s for at, kept_s in self._served.get(queue, ()) if at >= now - LONGEST_MEMORY_S]
        return sum(lately) / len(lately) if len(lately) >= FEWEST_KNOWN else None

    def estimate_s(
        self,
        queue: QueueName,
        *,
        position: int,
        waiting: Callable[[QueueName], int],
        agents: Iterable[tuple[Iterable[QueueName], int]],
        now: float,
    ) -> float | None:
        """How long the `position`-th of a queue will wait. `waiting` tells how many wait in a queue; `agents` how many
        are at work who answer this queue, by all the queues that they answer."""
        kept_s = self.kept_s(queue, now=now)
        if kept_s is None:
            return None
        here = max(position, waiting(queue))
        ours = 0.0
        for queues, count in agents:
            elsewhere = sum(waiting(other) for other in queues if other != queue)
            ours += count * here / (here + elsewhere)
        return None if ours <= 0 else position * kept_s / ours
