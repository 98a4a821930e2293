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

MOST_EVENTS = 100_000
"""In one cascade; a thousand agents who become ready at once need a few thousand. More means that two rooms answer each
other for ever: what is left is dropped, and the call that it was about is broken off."""

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
                outputs, defects = self._apply(entry)
                if len(happened) >= MOST_EVENTS:
                    defects.append(f"{len(happened)} events followed from one")
                    queue.clear()
                    outputs = []
                for output in outputs:
                    if isinstance(output, KINDS):
                        queue.append((moment, output))
                    else:
                        batch.commands.append(output)
                if defects:
                    queue.extend((moment, consequence) for consequence in self._break_off(event, defects, batch))
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
        """Apply a journalled event. What was impossible when it happened is so again, and its mending follows it; what
        a room finds impossible only because the journal was rotated meanwhile, a later entry tells it again."""
        self._apply(entry)
        if isinstance(entry.event, CallEnded):
            self._forget(entry.event.call)

    def _apply(self, entry: Entry) -> tuple[list[Event | AnyCommand], list[str]]:
        """What follows, and what was impossible. Every room gets the event whatever another makes of it, so that each
        room's state depends on nothing but the journal."""
        kind = type(entry.event)
        rooms = self._consumers.get(kind)
        if rooms is None:
            rooms = tuple(room for room in self._rooms if kind in room.consumes)
            self._consumers[kind] = rooms
        outputs: list[Event | AnyCommand] = []
        defects: list[str] = []
        for room in rooms:
            try:
                outputs += room.handle(entry)
            except Impossible as impossible:
                defects.append(str(impossible))
        return outputs, defects

    def _break_off(self, event: Event, defects: list[str], batch: Batch) -> list[Event]:
        batch.defects += [f"{defect} ({event!r})" for defect in defects]
        if not isinstance(event, CallEvent):
            return []
        if isinstance(event, CallBroken):
            self._forget(event.call)
            return []
        return [CallBroken(call=event.call, why=defects[0])]

    def _forget(self, call: CallId) -> None:
        for room in self._rooms:
            room.forget(call)
