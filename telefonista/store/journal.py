"""The journal: every event of this installation, in order, as lines of JSON in a folder.

In go batches of entries, out come the same batches after a restart, a `kill -9` or a power cut, or none of a batch that
did not get there whole. The folder holds segments (`000001.jsonl`, …); each begins with a header line and a *carry*:
the entries of every call that was still open, and each agent's last presence. So the newest segment alone is enough to
rebuild the rooms' memory, and starting up does not slow down with history. Decides nothing about calls; must not
import SQLAlchemy or a room.
"""

import contextlib
import errno
import fcntl
import itertools
import logging
import os
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

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
from telefonista.kernel.ids import AgentId, CallId, RecordingId

_log = logging.getLogger(__name__)

FORMAT = 1
SEGMENT_BYTES = 16 * 1024 * 1024
KEEP_SEGMENTS = 30

_GATHER_S = 0.03
"""How long writes gather before they are synced together; with the sync itself this stays well under 50 ms."""
_DEAD_ENTRIES_AT_START = 1_000
"""A start replays at most this many entries of calls that are over. Rotating at every start instead would let an engine
that dies and is restarted in a circle push the whole history out of the kept segments."""
_SEGMENT_NAME = re.compile(r"^([0-9]{6,})\.jsonl$")

_Line = tuple[int, bytes]
"""An entry's seq and its encoded line."""


class JournalFailed(Exception):
    """Writing failed (a full disk, a broken one). Nothing of the batch is in the journal; it may be appended again."""


class JournalInUse(Exception):
    """Another engine holds this folder."""


class JournalDamaged(Exception):
    """A segment holds something that no interrupted write leaves behind. `mend` sets it aside."""

    def __init__(self, path: Path, *, line: int, why: str) -> None:
        super().__init__(f"{path}:{line}: {why}; `telefonista doctor` shows what can be kept")
        self.path = path
        self.line = line
        self.why = why


class SegmentHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a segment."""

    journal: int
    """The format's version."""
    segment: int
    first_seq: int
    """The seq of the first entry after the carry."""
    carried: int
    """How many of the lines that follow are copies from earlier segments."""


class _Batch(msgspec.Struct, frozen=True):
    entries: list[Entry]
    lines: list[bytes]
    end: int
    """Where the batch ends in the file."""
    carried: bool = False


class _Unfinished(Exception):
    """The segment's header or carry did not get to the disk whole: it was never relied upon."""


class _OpenCall:
    __slots__ = ("ended", "lines", "recordings")

    def __init__(self) -> None:
        self.lines: list[_Line] = []
        self.ended = False
        self.recordings: set[RecordingId] = set()
        """Asked for, and neither kept nor failed yet."""


class Carry:
    """What the next segment must begin with: fed every entry, answers with the lines that still matter."""

    def __init__(self) -> None:
        self._calls: dict[CallId, _OpenCall] = {}
        self._presences: dict[AgentId, _Line] = {}

    def note(self, entry: Entry, *, line: bytes) -> None:
        """A call is carried from its `CallArrived` (a contact without a channel: from `ContactBooked`) until it has
        ended and each of its recordings is kept or failed; what comes later (or of a call never seen to arrive)
        concerns the projection only."""
        event = entry.event
        if isinstance(event, CallEvent):
            self._note_call(entry.seq, event, line=line)
        elif isinstance(event, PresenceChanged):
            self._presences[event.agent] = (entry.seq, line)

    def _note_call(self, seq: int, event: CallEvent, *, line: bytes) -> None:
        call = self._calls.get(event.call)
        if call is None:
            if not isinstance(event, CallArrived | ContactBooked):
                return
            call = self._calls[event.call] = _OpenCall()
        call.lines.append((seq, line))
        if isinstance(event, RecordingAsked):
            call.recordings.add(event.recording)
        elif isinstance(event, RecordingKept | RecordingFailed):
            call.recordings.discard(event.recording)
        elif isinstance(event, CallEnded):
            call.ended = True
        if call.ended and not call.recordings:
            del self._calls[event.call]

    def lines(self) -> list[bytes]:
        """In their original order."""
        kept = [line for call in self._calls.values() for line in call.lines]
        kept.extend(self._presences.values())
        return [line for _, line in sorted(kept)]

    def __len__(self) -> int:
        return sum(len(call.lines) for call in self._calls.values()) + len(self._presences)


def segments(folder: Path) -> list[tuple[int, Path]]:
    """The folder's segments with their numbers, oldest first."""
    found = []
    for path in folder.iterdir():
        match = _SEGMENT_NAME.match(path.name)
        if match:
            found.append((int(match[1]), path))
    return sorted(found)


_held: set[Path] = set()
"""Folders open in this process: the lock below tells processes apart, not two journals of one process."""


class FileJournal:
    """The journal in a folder, held exclusively; implements `kernel.ports.Journal`.

    One thread appends. Everything else may be called from any thread. Opening recovers: a last batch that is not whole
    is cut off, and said. Raises `JournalInUse`, `JournalDamaged`, and OSError where the folder cannot be used.
    """

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES, keep_segments: int = KEEP_SEGMENTS) -> None:
        if keep_segments < 2:
            raise ValueError("keep_segments must be at least 2: the one before the newest is its safety net")
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._keep_segments = keep_segments
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(Entry).decode
        self._carry = Carry()
        self._size = 0
        self._segment = 0
        self._fd = -1
        self._cut_pending = False
        self._guard = threading.Condition()
        self._retired: list[int] = []
        self._sync_failure: OSError | None = None
        self._projected_seq = 0

        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_fd = _lock(folder)
        try:
            self._written_seq = self._open_newest()
        except BaseException:
            self._release()
            raise
        self._synced_seq = 0
        self._wake = threading.Event()
        self._wake.set()
        self._closing = threading.Event()
        self._syncer = threading.Thread(target=self._sync_until_closed, name="journal-sync", daemon=True)
        self._syncer.start()

    @property
    def next_seq(self) -> int:
        """The seq that the next appended entry must have."""
        return self._written_seq + 1

    @property
    def synced_seq(self) -> int:
        """Entries up to this one outlive a power cut."""
        return self._synced_seq

    def append(self, batch: Sequence[Entry]) -> None:
        """Write the batch with one `os.write`; a `kill -9` from here on loses nothing, a power cut at most 50 ms.

        Raises JournalFailed, with nothing of the batch written, when the disk refuses; ValueError for a batch that is
        none (seqs not the next ones, `left` not counting down to 0) or that could not be read back.
        """
        if not batch:
            return
        lines = self._encoded(batch)
        if self._size >= self._segment_bytes or self._sync_failure is not None:
            self.rotate()
        payload = b"".join(lines)
        try:
            if self._cut_pending:
                self._cut_back()
            written = os.write(self._fd, payload)
            if written != len(payload):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as problem:
            self._cut_pending = True
            with contextlib.suppress(OSError):
                self._cut_back()
            raise JournalFailed(f"{self._path(self._segment)}: cannot write: {problem.strerror}") from problem
        self._size += len(payload)
        self._written_seq = batch[-1].seq
        for entry, line in zip(batch, lines, strict=True):
            self._carry.note(entry, line=line)
        self._wake.set()

    def read(self) -> Iterator[Entry]:
        """All that the rooms need to be as they were: the newest segment's entries, its carry first."""
        for batch in _batches(self._path(self._segment), limit=self._size):
            yield from batch.entries

    def entries_from(self, seq: int) -> Iterator[Entry]:
        """Every entry from `seq` on that is still kept, each once, over as many segments as it takes.

        Where `seq` is older than what is kept it begins with the oldest segment, whose carry holds the whole story of
        the calls that were open then. Entries appended meanwhile may or may not be among them.
        """
        with self._guard:
            last, limit = self._segment, self._size
        known = [(number, path) for number, path in segments(self._folder) if number <= last]
        starts = [number for number, path in known if _first_seq(path) <= seq]
        oldest = starts[-1] if starts else known[0][0]
        past = seq - 1
        for number, path in known:
            if number < oldest:
                continue
            for batch in _batches(path, limit=limit if number == last else None):
                for entry in batch.entries:
                    if entry.seq > past:
                        past = entry.seq
                        yield entry

    def rotate(self) -> None:
        """Begin a new segment with what is still open. Raises JournalFailed; then the old one goes on."""
        self._begin_segment(self._segment + 1, first_seq=self.next_seq)
        self._wake.set()

    def projected(self, seq: int) -> None:
        """Entries up to this one are in the database: segments wholly before it may go once enough newer ones exist."""
        self._projected_seq = seq

    def wait_until_synced(self, seq: int, *, timeout_s: float) -> bool:
        """Whether entries up to `seq` outlive a power cut, waiting for it at most so long."""
        with self._guard:
            return self._guard.wait_for(lambda: self._synced_seq >= seq, timeout=timeout_s)

    def close(self) -> None:
        """Sync and let go of the folder; a second call does nothing."""
        if self._fd < 0:
            return
        self._closing.set()
        self._wake.set()
        self._syncer.join()
        self._sync()
        self._release()

    def __enter__(self) -> "FileJournal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.jsonl"

    def _release(self) -> None:
        for fd in (*self._retired, self._fd, self._lock_fd):
            if fd >= 0:
                os.close(fd)
        self._retired = []
        self._fd = self._lock_fd = -1
        _held.discard(self._folder.resolve())

    def _encoded(self, batch: Sequence[Entry]) -> list[bytes]:
        lines = []
        for n, entry in enumerate(batch):
            if entry.seq != self._written_seq + 1 + n or entry.left != len(batch) - 1 - n:
                raise ValueError(
                    f"entry {entry.seq} (left {entry.left}) is not number {n + 1} of {len(batch)} "
                    f"after {self._written_seq}"
                )
            line = self._encode(entry)
            try:
                # JSON has no NaN; one written as null would keep the engine from ever starting again.
                self._decode(line)
            except msgspec.MsgspecError as problem:
                raise ValueError(f"entry {entry.seq} could not be read back: {problem}") from problem
            lines.append(line + b"\n")
        return lines

    def _cut_back(self) -> None:
        os.ftruncate(self._fd, self._size)
        self._cut_pending = False

    def _open_newest(self) -> int:
        """Recover the newest whole segment and open it; the last seq in it."""
        for leftover in self._folder.glob("*.part"):
            leftover.unlink()
        known = segments(self._folder)
        while known:
            number, path = known.pop()
            try:
                return self._recover(number, path)
            except _Unfinished:
                if not known and number > 1:
                    raise JournalDamaged(path, line=1, why="the only segment left has no whole beginning") from None
                _log.warning("journal: dropped %s, which a power cut left unfinished", path.name)
                path.unlink()
        self._begin_segment(1, first_seq=1)
        return 0

    def _recover(self, number: int, path: Path) -> int:
        seen = 0
        for batch in _batches(path, limit=None):
            for entry, line in zip(batch.entries, batch.lines, strict=True):
                self._carry.note(entry, line=line)
            seen += len(batch.entries)
            self._size = batch.end
            last_seq = batch.entries[-1].seq if batch.entries and not batch.carried else _first_seq(path) - 1
        self._segment = number
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        surplus = path.stat().st_size - self._size
        if surplus:
            _log.warning("journal: cut %d bytes off the end of %s, a write that was interrupted", surplus, path.name)
            self._cut_back()
        if seen - len(self._carry) > _DEAD_ENTRIES_AT_START:
            self._begin_segment(number + 1, first_seq=last_seq + 1)
        return last_seq

    def _begin_segment(self, number: int, *, first_seq: int) -> None:
        lines = self._carry.lines()
        header = SegmentHeader(journal=FORMAT, segment=number, first_seq=first_seq, carried=len(lines))
        payload = b"".join([self._encode(header) + b"\n", *lines])
        path = self._path(number)
        part = path.with_suffix(".part")
        try:
            # Not synced here, on the calls' path: the syncer does it, the segment before this one first.
            part.write_bytes(payload)
            part.chmod(0o600)
            fd = os.open(part, os.O_WRONLY | os.O_APPEND)
            part.rename(path)
        except OSError as problem:
            with contextlib.suppress(OSError):
                part.unlink()
            raise JournalFailed(f"{path}: cannot begin a segment: {problem.strerror}") from problem
        with self._guard:
            if self._fd >= 0:
                self._retired.append(self._fd)
            self._fd = fd
            self._size = len(payload)
            self._segment = number
            self._cut_pending = False
            self._sync_failure = None

    def _sync_until_closed(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            self._wake.clear()
            self._closing.wait(_GATHER_S)
            self._sync()

    def _sync(self) -> None:
        if self._sync_failure is not None:
            return
        with self._guard:
            seq, fd = self._written_seq, self._fd
            retired = list(self._retired)
        try:
            for old in retired:
                os.fsync(old)
            os.fdatasync(fd)
            if retired or self._synced_seq == 0:
                _sync_folder(self._folder)
        except OSError as problem:
            # The kernel may have thrown the unwritten pages away: only a new segment, carry and all, is safe.
            _log.error("journal: cannot sync %s: %s", self._path(self._segment).name, problem)
            self._sync_failure = problem
            return
        with self._guard:
            self._synced_seq = seq
            for old in retired:
                self._retired.remove(old)
                os.close(old)
            self._guard.notify_all()
        if retired:
            self._prune()

    def _prune(self) -> None:
        known = segments(self._folder)
        surplus = max(0, len(known) - self._keep_segments)
        for (_, path), (_, following) in itertools.pairwise(known[: surplus + 1]):
            if _first_seq(following) - 1 > self._projected_seq:
                return
            path.unlink()


def _lock(folder: Path) -> int:
    """Lock the folder for this process. A record lock, for unlike `flock` a forked worker that outlives a killed engine
    does not inherit it and so cannot keep the next engine out."""
    path = folder.resolve()
    if path in _held:
        raise JournalInUse(f"{folder} is open already in this process")
    fd = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        holder = os.read(fd, 20).decode("ascii", "replace").strip()
        os.close(fd)
        if problem.errno not in (errno.EACCES, errno.EAGAIN):
            raise
        raise JournalInUse(
            f"another engine (process {holder or 'unknown'}) runs on {folder}; stop it or choose another home"
        ) from problem
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    _held.add(path)
    return fd


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _first_seq(path: Path) -> int:
    with path.open("rb") as segment:
        return _header(path, segment).first_seq


def _header(path: Path, segment: BinaryIO) -> SegmentHeader:
    line = segment.readline()
    if not line.endswith(b"\n"):
        raise _Unfinished
    try:
        header = msgspec.json.decode(line, type=SegmentHeader)
    except msgspec.MsgspecError as problem:
        if _any_entry(segment):
            raise JournalDamaged(path, line=1, why=f"not a journal segment's first line ({problem})") from problem
        raise _Unfinished from problem
    if header.journal != FORMAT:
        raise JournalDamaged(path, line=1, why=f"written in format {header.journal}; this version reads {FORMAT}")
    return header


def _any_entry(segment: BinaryIO) -> bool:
    """Whether a whole entry stands anywhere in the rest of the file."""
    for line in segment:
        with contextlib.suppress(msgspec.MsgspecError):
            msgspec.json.decode(line, type=Entry)
            if line.endswith(b"\n"):
                return True
    return False


def _batches(path: Path, *, limit: int | None) -> Iterator[_Batch]:
    """The segment's carry, then its whole batches, up to `limit` bytes.

    A tail that is no whole batch ends the iteration: an interrupted write leaves one. The same with a readable entry
    after it is no tail: JournalDamaged. `_Unfinished` when the carry is not whole.
    """
    decode = msgspec.json.Decoder(Entry).decode
    with path.open("rb") as segment:
        header = _header(path, segment)
        end = segment.tell()
        number = 1
        carried = header.carried
        entries: list[Entry] = []
        lines: list[bytes] = []
        past = 0
        if not carried:
            yield _Batch([], [], end, carried=True)
        while line := segment.readline():
            number += 1
            if limit is not None and segment.tell() > limit:
                return
            try:
                if not line.endswith(b"\n"):
                    raise msgspec.DecodeError("the line is cut short")
                entry = decode(line)
            except msgspec.MsgspecError as problem:
                if _any_entry(segment):
                    raise JournalDamaged(path, line=number, why=f"not a journal entry ({problem})") from problem
                break
            if entry.seq <= past:
                raise JournalDamaged(path, line=number, why=f"entry {entry.seq} after entry {past}")
            if entries and not carried and entry.left != entries[-1].left - 1:
                raise JournalDamaged(path, line=number, why="a batch is not whole")
            past = entry.seq
            entries.append(entry)
            lines.append(line)
            if carried:
                if len(entries) < carried:
                    continue
            elif entry.left:
                continue
            end = segment.tell()
            yield _Batch(entries, lines, end, carried=bool(carried))
            carried = 0
            entries, lines = [], []
        if carried:
            raise _Unfinished


def examine(folder: Path) -> list[str]:
    """What is wrong with the folder's segments, one line each; empty when all is well.

    Takes no lock and changes nothing. A tail that a write was interrupted in is not wrong: opening cuts it off.
    """
    problems = []
    past = 0
    for number, path in segments(folder):
        try:
            for batch in _batches(path, limit=None):
                for entry in batch.entries:
                    if past and entry.seq > past + 1:
                        problems.append(f"{path}: entries {past + 1} to {entry.seq - 1} are missing")
                    past = max(past, entry.seq)
        except _Unfinished:
            problems.append(f"{path}: segment {number} has no whole beginning")
        except JournalDamaged as problem:
            problems.append(str(problem))
    return problems


def mend(folder: Path) -> list[str]:
    """Set aside what is not readable in damaged segments and keep the rest; what was done, one line each.

    A damaged segment is kept as it was under the name `NNNNNN.jsonl.damaged`. A call that lost entries is put right
    by the reconciliation with Asterisk. Raises JournalInUse while an engine runs, OSError.
    """
    lock_fd = _lock(folder)
    done = []
    past = 0
    try:
        for number, path in segments(folder):
            try:
                for batch in _batches(path, limit=None):
                    past = max([past, *(entry.seq for entry in batch.entries)])
            except _Unfinished:
                continue
            except JournalDamaged:
                payload, dropped, past = _salvage(path, number=number, past=past)
                aside = path.with_name(f"{path.name}.damaged")
                mended = path.with_suffix(".part")
                mended.write_bytes(payload)
                mended.chmod(0o600)
                aside.unlink(missing_ok=True)
                os.link(path, aside)
                mended.rename(path)
                done.append(f"{path}: {dropped} lines could not be read; the segment as it was is {aside.name}")
        _sync_folder(folder)
    finally:
        os.close(lock_fd)
        _held.discard(folder.resolve())
    return done


def _salvage(path: Path, *, number: int, past: int) -> tuple[bytes, int, int]:
    """The segment's readable entries as a segment, how many lines were lost, and the last seq."""
    first, *rest = path.read_bytes().split(b"\n")
    dropped = 0
    try:
        first_seq = msgspec.json.decode(first, type=SegmentHeader).first_seq
    except msgspec.MsgspecError:
        dropped += 1
        first_seq = past + 1
    carry: list[Entry] = []
    followers: list[Entry] = []
    last = 0
    for line in rest:
        try:
            entry = msgspec.json.decode(line, type=Entry)
        except msgspec.MsgspecError:
            dropped += bool(line)
            continue
        if entry.seq <= last:
            dropped += 1
            continue
        last = entry.seq
        (carry if entry.seq < first_seq else followers).append(entry)
    # Each entry is its own batch now: which of them were written together the damage may have taken.
    alone = [msgspec.structs.replace(entry, left=0) for entry in (*carry, *followers)]
    header = SegmentHeader(journal=FORMAT, segment=number, first_seq=first_seq, carried=len(carry))
    lines = [msgspec.json.encode(value) + b"\n" for value in (header, *alone)]
    return b"".join(lines), dropped, max(past, last, first_seq - 1)
