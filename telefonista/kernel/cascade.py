"""From one event to everything that follows from it: the step of the whole house, and its replay.

An event is given to each room that consumes it; the decisions they return are events in their turn; when all is quiet
the matcher is asked for an offer, and so on until nothing follows. What comes out is one batch for the journal and the
commands that may be executed once that batch is written. Replaying a journal applies the same events and throws away
what they return. No I/O; the time and the next number are arguments.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

import msgspec

from telefonista.kernel.commands import AnyCommand
from telefonista.kernel.events import KINDS, CallBroken, CallEnded, CallEvent, Entry, Event
from telefonista.kernel.ids import CallId
from telefonista.kernel.machine import Impossible
from telefonista.kernel.ports import Room

MOST_EVENTS = 1000
"""In one cascade. More means that two rooms answer each other for ever: the call that began it is broken off."""

Matcher = Callable[[float], Event | None]


class Batch(msgspec.Struct, kw_only=True):
    entries: list[Entry]
    commands: list[AnyCommand]
    ended: list[CallId]
    defects: list[str]
    """What was impossible, in words; each has cost one call."""


class Cascade:
    """Rooms are asked in the order given; agents come before the desk that asks them."""

    def __init__(self, rooms: Sequence[Room], *, matcher: Matcher) -> None:
        self._rooms = tuple(rooms)
        self._matcher = matcher
        self._consumers: dict[type, tuple[Room, ...]] = {}

    def run(self, events: Iterable[Event], *, at: float, now: float, next_seq: int, matching: bool = True) -> Batch:
        """Apply `events` that happened at `at` and all that follows. Offers are made only when `matching`."""
        batch = Batch(entries=[], commands=[], ended=[], defects=[])
        happened: list[tuple[float, Event]] = []
        queue = deque((at, event) for event in events)
        while True:
            while queue:
                moment, event = queue.popleft()
                happened.append((moment, event))
                entry = Entry(seq=next_seq + len(happened) - 1, at=moment, event=event)
                try:
                    if len(happened) == MOST_EVENTS:
                        raise Impossible(f"more than {MOST_EVENTS} events followed from one")
                    for output in self._apply(entry):
                        if isinstance(output, KINDS):
                            queue.append((moment, output))
                        else:
                            batch.commands.append(output)
                except Impossible as impossible:
                    queue.extend((moment, consequence) for consequence in self._break_off(event, impossible, batch))
                if isinstance(event, CallEnded):
                    batch.ended.append(event.call)
            offer = self._matcher(now) if matching else None
            if offer is None:
                break
            queue.append((now, offer))
        for call in batch.ended:
            self._forget(call)
        last = len(happened) - 1
        batch.entries = [
            Entry(seq=next_seq + n, at=moment, left=last - n, event=event) for n, (moment, event) in enumerate(happened)
        ]
        return batch

    def replay(self, entry: Entry) -> None:
        """Apply a journalled event. What was impossible when it happened is so again, and its mending follows it."""
        try:
            self._apply(entry)
        except Impossible:
            return
        finally:
            if isinstance(entry.event, CallEnded):
                self._forget(entry.event.call)

    def _apply(self, entry: Entry) -> list[Event | AnyCommand]:
        kind = type(entry.event)
        rooms = self._consumers.get(kind)
        if rooms is None:
            rooms = tuple(room for room in self._rooms if kind in room.consumes)
            self._consumers[kind] = rooms
        outputs: list[Event | AnyCommand] = []
        for room in rooms:
            outputs += room.handle(entry)
        return outputs

    def _break_off(self, event: Event, impossible: Impossible, batch: Batch) -> list[Event]:
        batch.defects.append(f"{impossible} ({event!r})")
        if not isinstance(event, CallEvent):
            return []
        if isinstance(event, CallBroken):
            self._forget(event.call)
            return []
        return [CallBroken(call=event.call, why=str(impossible))]

    def _forget(self, call: CallId) -> None:
        for room in self._rooms:
            room.forget(call)
