"""From one event to everything that follows from it: the step of the whole house, and its replay.

An event is given to each room that consumes it; the decisions they return are events in their turn; when all is quiet
the matcher is asked for an offer, and so on until nothing follows. What comes out is one batch for the journal and the
commands that may be executed once that batch is written. Replaying a journal applies the same events and throws away
what they return. No I/O; the time and the next number are arguments.
"""

import traceback
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from telefonista.kernel.commands import AnyCommand
from telefonista.kernel.events import KINDS, CallBroken, CallEnded, CallEvent, EndReason, Entry, Event, journalled
from telefonista.kernel.ids import CallId
from telefonista.kernel.machine import Impossible
from telefonista.kernel.ports import Room

MOST_EVENTS = 1000
"""That may follow from one. More means that two rooms answer each other for ever: what is left is dropped, and the call
that it was about is broken off."""

Matcher = Callable[[float], Event | None]
"""The next offer, if one can be made now (epoch seconds)."""


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

    def run(self, event: Event | None, *, at: float, now: float, next_seq: int, matching: bool = True) -> Batch:
        """Apply `event`, if there is one, that happened at `at`, and all that follows. Offers are made at `now`, and
        only when `matching`."""
        batch = Batch(entries=[], commands=[], ended=[], defects=[])
        moment = at
        while True:
            if event is not None:
                self._follow(event, at=moment, next_seq=next_seq, batch=batch)
            event, moment = (self._matcher(now) if matching else None), now
            if event is None:
                break
        last = len(batch.entries) - 1
        batch.entries = [msgspec.structs.replace(entry, left=last - n) for n, entry in enumerate(batch.entries)]
        return batch

    def replay(self, entry: Entry) -> None:
        """Apply a journalled event. What was impossible when it happened is so again, and its mending follows it; what
        a room finds impossible only because the journal was rotated meanwhile, a later entry tells it again."""
        self._apply(entry)

    def _follow(self, cause: Event, *, at: float, next_seq: int, batch: Batch) -> None:
        """One event and all that follows from it, into the batch."""
        queue = deque([cause])
        followed = stops = 0
        while queue:
            event = queue.popleft()
            entry = Entry(seq=next_seq + len(batch.entries), at=at, event=event)
            batch.entries.append(_to_keep(entry))
            outputs, defects = self._apply(entry)
            if isinstance(event, CallEnded):
                batch.ended.append(event.call)
            followed += 1
            if followed >= MOST_EVENTS:
                defects.append(f"more than {MOST_EVENTS} events followed from one")
                queue.clear()
                outputs, followed, stops = [], 0, stops + 1
            for output in outputs:
                if isinstance(output, KINDS):
                    queue.append(output)
                else:
                    batch.commands.append(output)
            if defects:
                batch.defects += [f"{defect} ({event!r})" for defect in defects]
                queue.extend(_broken_off(event, why=defects[0], stops=stops))

    def _apply(self, entry: Entry) -> tuple[list[Event | AnyCommand], list[str]]:
        """What follows, and what was impossible. Every room gets the event whatever another makes of it, so that each
        room's state depends on nothing but the journal; and a call that has ended is forgotten at once."""
        event = entry.event
        kind = type(event)
        rooms = self._consumers.get(kind)
        if rooms is None:
            rooms = tuple(room for room in self._rooms if kind in room.consumes)
            self._consumers[kind] = rooms
        outputs: list[Event | AnyCommand] = []
        defects: list[str] = []
        for room in rooms:
            try:
                outputs += room.handle(entry)
            except Exception as defect:
                # Whatever goes wrong within a room costs the one call, as what its table calls impossible does.
                defects.append(_in_words(defect))
        if isinstance(event, CallEnded):
            for room in self._rooms:
                room.forget(event.call)
        return outputs, defects


def _to_keep(entry: Entry) -> Entry:
    """What the journal gets of an entry."""
    kept = journalled(entry.event)
    return entry if kept is entry.event else msgspec.structs.replace(entry, event=kept)


def _broken_off(event: Event, *, why: str, stops: int) -> list[Event]:
    """What follows from a defect: the call ends, with what its rooms have to say to that; without, where that is a
    defect too or was stopped in its turn."""
    if not isinstance(event, CallEvent) or isinstance(event, CallEnded) or stops > 2:
        return []
    if isinstance(event, CallBroken) or stops == 2:
        return [CallEnded(call=event.call, reason=EndReason.BROKEN)]
    return [CallBroken(call=event.call, why=why)]


def _in_words(defect: Exception) -> str:
    if isinstance(defect, Impossible):
        return str(defect)
    place = traceback.extract_tb(defect.__traceback__)[-1]
    return f"{type(defect).__name__} in {place.name}, line {place.lineno}: {defect}"
