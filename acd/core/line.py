"""A line of contacts or agents, the smallest key first. Joining and leaving cost the same however long it is.

A heap in which those who left stay until they come to the top or become too many. Keys are unique. Pure.
"""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Any, Generic, TypeVar

Name = TypeVar("Name", bound=str)
Key = tuple[Any, ...]
"""Numbers, compared from left to right."""

_FEW = 32
"""Below this it is not worth the trouble to sweep."""


class Line(Generic[Name]):
    __slots__ = ("_heap", "_keys")

    def __init__(self) -> None:
        self._heap: list[tuple[Key, Name]] = []
        self._keys: dict[Name, Key] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, name: Name) -> bool:
        return name in self._keys

    def __iter__(self) -> Iterator[Name]:
        """All, in the order in which they joined."""
        return iter(self._keys)

    def key(self, name: Name) -> Key:
        """Raises KeyError for who is not in it."""
        return self._keys[name]

    def add(self, name: Name, *, key: Key) -> None:
        """Joins, or moves to another place."""
        self._keys[name] = key
        heappush(self._heap, (key, name))
        if len(self._heap) > _FEW and len(self._heap) > 3 * len(self._keys):
            self._heap = [(key, name) for name, key in self._keys.items()]
            heapify(self._heap)

    def discard(self, name: Name) -> None:
        self._keys.pop(name, None)

    def first(self) -> Name | None:
        heap, keys = self._heap, self._keys
        while heap:
            key, name = heap[0]
            if keys.get(name) is key:
                return name
            heappop(heap)
        return None

    def first_but(self, unwanted: frozenset[Name]) -> Name | None:
        """The first who is not among `unwanted`, of whom there are few."""
        passed: list[tuple[Key, Name]] = []
        found = self.first()
        while found is not None and found in unwanted:
            passed.append(heappop(self._heap))
            found = self.first()
        for each in passed:
            heappush(self._heap, each)
        return found

    def in_order(self) -> list[Name]:
        return sorted(self._keys, key=self._keys.__getitem__)
