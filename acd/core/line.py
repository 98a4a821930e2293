"""A line of contacts or agents, the smallest first. Joining and leaving cost the same however long it is.

A heap in which those who left stay until they come to the top or become too many. An entry is a tuple that begins with
numbers, compared from left to right, and ends with the name; no two are the same. Pure.
"""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Any, Generic, TypeVar

Name = TypeVar("Name", bound=str)
Entry = tuple[Any, ...]

_FEW = 32
"""Below this it is not worth the trouble to sweep."""


class Line(Generic[Name]):
    __slots__ = ("_heap", "entries")

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self.entries: dict[Name, Entry] = {}
        """Those in the line, in the order in which they joined."""

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, name: Name) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[Name]:
        return iter(self.entries)

    def add(self, name: Name, *, entry: Entry) -> None:
        """Joins, or moves to another place."""
        self.entries[name] = entry
        heappush(self._heap, entry)
        if len(self._heap) > _FEW and len(self._heap) > 3 * len(self.entries):
            self._heap = list(self.entries.values())
            heapify(self._heap)

    def discard(self, name: Name) -> None:
        self.entries.pop(name, None)

    def first(self) -> Entry | None:
        heap, entries = self._heap, self.entries
        if not entries:
            return None
        while True:
            entry = heap[0]
            if entries.get(entry[-1]) is entry:
                return entry
            heappop(heap)

    def first_but(self, unwanted: frozenset[Name]) -> Entry | None:
        """The first who is not among `unwanted`, of whom there are few."""
        passed: list[Entry] = []
        found = self.first()
        while found is not None and found[-1] in unwanted:
            passed.append(found)
            del self.entries[found[-1]]
            found = self.first()
        for entry in passed:
            self.add(entry[-1], entry=entry)
        return found

    def in_order(self) -> list[Name]:
        return [entry[-1] for entry in sorted(self.entries.values())]
