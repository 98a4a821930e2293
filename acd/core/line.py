"""A line of contacts or agents, the smallest first. Joining and leaving cost the same however long it is.

Most join behind all others, or behind all others of their priority: such runs are kept as they come, and only who fits
behind none of a few goes through a heap. Whoever left stays until the top is reached, or they become too many; who is
still here says so itself, so that nothing has to be looked up. Pure.
"""

from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import chain, islice
from typing import Any, Generic, TypeVar

import msgspec

_MOST_RUNS = 4
_FEW = 32
"""Below this it is not worth the trouble to sweep."""


class Ticket(msgspec.Struct, eq=False, gc=False):
    """Somebody's place in a line; in one line at a time. `key` is of the same type in all of a line."""

    key: Any
    order: int
    """Decides between equal keys."""
    line: object
    """A mark of the line; None: in none. It knows nothing of the line: two that know each other are never collected."""

    def __lt__(self, other: "Ticket") -> bool:
        return bool(self.key < other.key or (self.key == other.key and self.order < other.order))


Held = TypeVar("Held", bound=Ticket)


class Line(Generic[Held]):
    __slots__ = ("_heap", "_held", "_mark", "_runs", "size", "top")

    def __init__(self) -> None:
        self.size = 0
        """How many are in it."""
        self.top: Held | None = None
        """The first, if it is known already; see `first`."""
        self._mark = object()
        self._runs: list[deque[Held]] = []
        """Each in order."""
        self._heap: list[Held] = []
        self._held = 0
        """Those in runs and heap, those who left included."""

    def __contains__(self, ticket: Held) -> bool:
        return ticket.line is self._mark

    def add(self, ticket: Held) -> None:
        """Joins; one that was in no line."""
        if not self.size or (self.top is not None and ticket < self.top):
            self.top = ticket
        ticket.line = self._mark
        self.size += 1
        self._held += 1
        if self._held > _FEW and self._held > 3 * self.size:
            self._sweep(ticket)
            return
        key = ticket.key
        for run in self._runs:
            if not run or run[-1].key < key or run[-1] < ticket:
                run.append(ticket)
                return
        if len(self._runs) < _MOST_RUNS:
            self._runs.append(deque((ticket,)))
        else:
            heappush(self._heap, ticket)

    def discard(self, ticket: Held) -> None:
        """Leaves."""
        ticket.line = None
        self.size -= 1
        if ticket is self.top:
            self.top = None

    def first(self) -> Held | None:
        if self.top is None and self.size:
            self.top = self._find()
        return self.top

    def first_but(self, unwanted: Held) -> Held | None:
        """The first who is somebody else."""
        if unwanted.line is not self._mark:
            return self.first()
        self.discard(unwanted)
        found = self.first()
        self.add(unwanted)
        return found

    def in_order(self) -> list[Held]:
        return sorted(self._all())

    def some(self, most: int) -> list[Held]:
        """As many as `most`, of those who are near the top; perhaps fewer, for it does not look far."""
        found: list[Held] = []
        for ticket in islice(chain(*self._runs, self._heap), 2 * most):
            if ticket.line is self._mark and ticket not in found:
                found.append(ticket)
                if len(found) == most:
                    break
        return found

    def _all(self) -> Iterator[Held]:
        return iter(dict.fromkeys(ticket for ticket in chain(*self._runs, self._heap) if ticket.line is self._mark))

    def _find(self) -> Held | None:
        best: Held | None = None
        mark = self._mark
        for run in self._runs:
            while run:
                ticket = run[0]
                if ticket.line is mark:
                    if best is None or ticket.key < best.key or ticket < best:
                        best = ticket
                    break
                run.popleft()
                self._held -= 1
        heap = self._heap
        while heap:
            if heap[0].line is mark:
                return heap[0] if best is None or heap[0] < best else best
            heappop(heap)
            self._held -= 1
        return best

    def _sweep(self, newest: Held) -> None:
        self._runs = [deque(sorted({*self._all(), newest}))]
        self._heap = []
        self._held = self.size
