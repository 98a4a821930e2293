"""A line of contacts or agents, the smallest first. Joining and leaving cost the same however long it is.

An entry is a tuple that begins with numbers, compared from left to right, and ends with the name; no two are the same.
Most join behind all others, or behind all others of their priority: such runs are kept as they come, and only who fits
behind none of a few goes through a heap. Whoever left stays until the top is reached, or they become too many. Pure.
"""

from collections import deque
from heapq import heappop, heappush
from itertools import islice
from typing import Any, Generic, TypeVar

Name = TypeVar("Name", bound=str)
Entry = tuple[Any, ...]

_MOST_RUNS = 4
_FEW = 32
"""Below this it is not worth the trouble to sweep."""


class Line(Generic[Name]):
    __slots__ = ("_heap", "_held", "_runs", "_top", "entries")

    def __init__(self) -> None:
        self.entries: dict[Name, Entry] = {}
        """Those in the line, each with its place; in no order. Only to be read."""
        self._runs: list[deque[Entry]] = []
        """Each in order."""
        self._heap: list[Entry] = []
        self._held = 0
        """Entries in runs and heap, those who left included."""
        self._top: Entry | None = None
        """The first, if it is known."""

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, name: Name) -> bool:
        return name in self.entries

    def add(self, name: Name, *, entry: Entry) -> None:
        """Joins, or moves to another place."""
        if self.entries and name in self.entries:
            self.discard(name)
        if not self.entries or (self._top is not None and entry < self._top):
            self._top = entry
        self.entries[name] = entry
        self._held += 1
        if self._held > _FEW and self._held > 3 * len(self.entries):
            self._sweep()
            return
        for run in self._runs:
            if not run or run[-1] < entry:
                run.append(entry)
                return
        if len(self._runs) < _MOST_RUNS:
            self._runs.append(deque((entry,)))
        else:
            heappush(self._heap, entry)

    def discard(self, name: Name) -> None:
        """Leaves; one who is not here is no matter."""
        if self.entries.pop(name, None) is self._top:
            self._top = None

    def first(self) -> Entry | None:
        if self._top is None and self.entries:
            self._top = self._find()
        return self._top

    def _find(self) -> Entry | None:
        entries = self.entries
        best: Entry | None = None
        for run in self._runs:
            while run:
                entry = run[0]
                if entries.get(entry[-1]) is entry:
                    if best is None or entry < best:
                        best = entry
                    break
                run.popleft()
                self._held -= 1
        heap = self._heap
        while heap:
            entry = heap[0]
            if entries.get(entry[-1]) is entry:
                return entry if best is None or entry < best else best
            heappop(heap)
            self._held -= 1
        return best

    def first_but(self, unwanted: frozenset[Name]) -> Entry | None:
        """The first who is not among `unwanted`, of whom there are few."""
        passed: list[Entry] = []
        found = self.first()
        while found is not None and found[-1] in unwanted:
            passed.append(found)
            self.discard(found[-1])
            found = self.first()
        for entry in passed:
            self.add(entry[-1], entry=entry)
        return found

    def in_order(self) -> list[Name]:
        return [entry[-1] for entry in sorted(self.entries.values())]

    def some(self, most: int) -> list[Name]:
        """As many as `most`, of those who are near the top."""
        found: list[Name] = []
        for line in (*self._runs, self._heap):
            for entry in islice(line, 3 * most):
                if len(found) < most and self.entries.get(entry[-1]) is entry:
                    found.append(entry[-1])
        return found

    def _sweep(self) -> None:
        self._runs = [deque(sorted(self.entries.values()))]
        self._heap = []
        self._held = len(self.entries)
