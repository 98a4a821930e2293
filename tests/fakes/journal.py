"""A journal in memory. It obeys the same contract as the one in files, and says it in the plainest way there is."""

from collections.abc import Iterator, Sequence

import msgspec

from telefonista.kernel.events import (
    CallArrived,
    CallEnded,
    CallEvent,
    ContactBooked,
    Entry,
    PresenceChanged,
    RecordingAsked,
    RecordingFailed,
    RecordingKept,
)


class MemoryDisk:
    """What outlives a MemoryJournal: hand the same one to the next."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.rotated_at = 0
        """How many entries there were when the newest segment began."""


class MemoryJournal:
    """Implements `kernel.ports.Journal` and what the projection asks of one."""

    def __init__(self, disk: MemoryDisk | None = None) -> None:
        self.disk = MemoryDisk() if disk is None else disk
        self.projected_seq = 0

    @property
    def next_seq(self) -> int:
        return len(self.disk.entries) + 1

    @property
    def synced_seq(self) -> int:
        return len(self.disk.entries)

    def append(self, batch: Sequence[Entry]) -> None:
        for n, entry in enumerate(batch):
            if entry.seq != self.next_seq + n or entry.left != len(batch) - 1 - n:
                raise ValueError(f"entry {entry.seq} is not number {n + 1} of the batch")
            try:
                msgspec.json.decode(msgspec.json.encode(entry), type=Entry)
            except msgspec.MsgspecError as problem:
                raise ValueError(f"entry {entry.seq} could not be read back") from problem
        self.disk.entries.extend(batch)

    def read(self) -> Iterator[Entry]:
        before = self.disk.entries[: self.disk.rotated_at]
        yield from still_open(before)
        yield from self.disk.entries[self.disk.rotated_at :]

    def entries_from(self, seq: int) -> Iterator[Entry]:
        yield from list(self.disk.entries[max(seq, 1) - 1 :])

    def rotate(self) -> None:
        self.disk.rotated_at = len(self.disk.entries)

    def projected(self, seq: int) -> None:
        self.projected_seq = seq

    def wait_until_synced(self, seq: int, *, timeout_s: float) -> bool:
        return seq <= self.synced_seq

    def close(self) -> None:
        """Nothing is held."""


def still_open(entries: Sequence[Entry]) -> list[Entry]:
    """Those that matter still: of calls that have not ended or whose recordings are not settled, and each agent's last
    presence."""
    kept: list[Entry] = []
    by_call: dict[str, list[Entry]] = {}
    for entry in entries:
        event = entry.event
        if isinstance(event, PresenceChanged):
            kept = [other for other in kept if getattr(other.event, "agent", None) != event.agent]
            kept.append(entry)
        elif isinstance(event, CallArrived | ContactBooked):
            by_call.setdefault(event.call, []).append(entry)
        elif isinstance(event, CallEvent) and event.call in by_call:
            by_call[event.call].append(entry)
            if _is_over(by_call[event.call]):
                del by_call[event.call]
    for of_call in by_call.values():
        kept.extend(of_call)
    return sorted(kept, key=lambda entry: entry.seq)


def _is_over(entries: Sequence[Entry]) -> bool:
    events = [entry.event for entry in entries]
    asked = {event.recording for event in events if isinstance(event, RecordingAsked)}
    settled = {event.recording for event in events if isinstance(event, RecordingKept | RecordingFailed)}
    return any(isinstance(event, CallEnded) for event in events) and asked <= settled
