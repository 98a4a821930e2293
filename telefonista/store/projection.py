"""The journal projected into the tables: each entry exactly once, off the calls' path, whatever the database does.

In go entries as they are appended (and, after a gap or an outage, the journal's files), out go transactions that hold
the rows and the checkpoint together. A database that is away delays this and nothing else; an entry that cannot be
projected is set aside. Decides nothing about calls.
"""

import logging
import random
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol

import msgspec
from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from telefonista.kernel.events import CallArrived, ContactBooked, ContingencyCallReported, Entry
from telefonista.kernel.ids import LineName
from telefonista.store.database import DatabaseUnusable, migrate
from telefonista.store.gathering import CountryOf, apply
from telefonista.store.mapping import table_of
from telefonista.store.number import DEFAULT_COUNTRY
from telefonista.store.tables import (
    AgentPresence,
    Audit,
    Call,
    Disposition,
    Projection,
    Unprojected,
    moment,
)

_log = logging.getLogger(__name__)

QUEUE_ENTRIES = 20_000
_STRETCH = 1_000
"""Entries in one transaction, at most."""
_SYNC_TIMEOUT_S = 5.0
_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 30.0
_GATHER_S = 0.2
"""What arrives within this time is written together: a row costs a third of what it costs alone."""
_JITTER = random.SystemRandom()

_CHECKPOINT = table_of(Projection)
_UNPROJECTED = table_of(Unprojected)


class ProjectedJournal(Protocol):
    """What is asked of the journal."""

    @property
    def next_seq(self) -> int: ...

    def entries_from(self, seq: int) -> Iterator[Entry]: ...

    def wait_until_synced(self, seq: int, *, timeout_s: float) -> bool: ...

    def projected(self, seq: int) -> None: ...


class StoreAhead(Exception):
    """The database speaks of entries that this journal does not have: the two do not belong together."""


class _Overtaken(Exception):
    """Somebody else moved the checkpoint."""


def country_by_line(countries: Mapping[LineName, str], *, otherwise: str = DEFAULT_COUNTRY) -> CountryOf:
    """A line's country from a mapping."""
    return lambda line: countries.get(line, otherwise)


IN_ONE_COUNTRY = country_by_line({})


def checkpoint(connection: Connection) -> int:
    """The seq of the last entry that the tables know; 0 for none."""
    found = connection.scalar(select(_CHECKPOINT.c.checkpoint).where(_CHECKPOINT.c.id == 1))
    return 0 if found is None else found


def project(connection: Connection, entries: Sequence[Entry], *, country_of: CountryOf) -> None:
    """Write what the entries change, inside the caller's transaction; set aside, and log, those that cannot be.

    Raises SQLAlchemy's errors that concern the database and not the entries.
    """
    try:
        with connection.begin_nested():
            apply(connection, entries, country_of=country_of)
    except Exception as problem:
        if _of_the_database(problem):
            raise
        for entry in entries:
            _project_alone(connection, entry, country_of=country_of)


def _project_alone(connection: Connection, entry: Entry, *, country_of: CountryOf) -> None:
    try:
        with connection.begin_nested():
            apply(connection, [entry], country_of=country_of)
    except Exception as problem:
        if _of_the_database(problem):
            raise
        why = f"{type(problem).__name__}: {problem}"[:2000]
        _log.error("store: entry %d set aside (%s): %s", entry.seq, type(entry.event).__name__, why)
        try:
            happened_at = moment(entry.at)
        except (ValueError, OverflowError, OSError):
            happened_at = moment(0)
        connection.execute(delete(_UNPROJECTED).where(_UNPROJECTED.c.seq == entry.seq))
        connection.execute(
            insert(_UNPROJECTED).values(
                seq=entry.seq,
                happened_at=happened_at,
                call=getattr(entry.event, "call", None),
                entry=msgspec.json.encode(entry).decode(),
                why=why,
            )
        )


def _of_the_database(problem: Exception) -> bool:
    """Whether trying the same again later may work: the database is away, full, locked, or its schema is not ours."""
    return isinstance(problem, DBAPIError) and not isinstance(problem, IntegrityError | DataError)


def _advance(connection: Connection, *, old: int, new: int) -> None:
    """Move the checkpoint. Raises _Overtaken where it is not what it was."""
    if old == 0 and connection.scalar(select(_CHECKPOINT.c.id)) is None:
        connection.execute(insert(_CHECKPOINT).values(id=1, checkpoint=new))
        return
    moved = connection.execute(
        update(_CHECKPOINT).where(_CHECKPOINT.c.id == 1, _CHECKPOINT.c.checkpoint == old).values(checkpoint=new)
    )
    if moved.rowcount != 1:
        raise _Overtaken


def rebuild(engine: Engine, journal: ProjectedJournal, *, country_of: CountryOf) -> int:
    """Project again, in one transaction, everything that the journal still has; the number of entries read.

    Rows of calls that are older than the kept segments stay as they are: nothing could bring them back. May run beside
    a live Projector, which goes on from where this ends. Raises SQLAlchemy's errors, and then nothing has changed.
    """
    read = 0
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        old = connection.scalar(select(_CHECKPOINT.c.checkpoint).with_for_update()) or 0
        new = old
        # Nothing that is about to be read may be removed meanwhile.
        journal.projected(0)
        entries = journal.entries_from(0)
        while stretch := list(islice(entries, _STRETCH)):
            _forget(connection, stretch)
            project(connection, stretch, country_of=country_of)
            read += len(stretch)
            new = max(new, stretch[-1].seq)
        if new != old:
            _advance(connection, old=old, new=new)
    return read


_BEGINNINGS = CallArrived | ContactBooked | ContingencyCallReported


def _forget(connection: Connection, entries: Iterable[Entry]) -> None:
    """Remove the rows that these entries begin, and with a call all that belongs to it."""
    calls = [entry.event.call for entry in entries if isinstance(entry.event, _BEGINNINGS)]
    seqs = [entry.seq for entry in entries]
    table = table_of(Call)
    connection.execute(delete(table).where(table.c.id.in_(calls)))
    for model in (AgentPresence, Audit, Disposition, Unprojected):
        table = table_of(model)
        connection.execute(delete(table).where(table.c.seq.in_(seqs)))


class Projector:
    """Projects in a thread of its own. `offer` is for the calls' thread and never waits; the rest is for any thread."""

    def __init__(
        self,
        engine: Engine,
        journal: ProjectedJournal,
        *,
        country_of: CountryOf = IN_ONE_COUNTRY,
        queue_entries: int = QUEUE_ENTRIES,
        gather_s: float = _GATHER_S,
        first_delay_s: float = _FIRST_DELAY_S,
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._country_of = country_of
        self._queue_entries = queue_entries
        self._gather_s = gather_s
        self._first_delay_s = first_delay_s
        self._changed = threading.Condition()
        self._queue: deque[Entry] = deque()
        self._offered_seq = journal.next_seq - 1
        self._projected_seq = 0
        self._stopping = threading.Event()
        self._reading: Iterator[Entry] | None = None
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._run, name="projector", daemon=True)

    @property
    def projected_seq(self) -> int:
        """Entries up to this one are in the tables."""
        return self._projected_seq

    @property
    def lag(self) -> int:
        """How many entries are in the journal and not yet in the tables."""
        return self._offered_seq - self._projected_seq

    @property
    def problem(self) -> str | None:
        """Why nothing is projected at the moment, in one line; None when all is well."""
        return self._problem

    def start(self) -> None:
        """Bring the schema up and begin. A database that is away is no error: it is tried again and again.

        Raises DatabaseUnusable and StoreAhead, which no waiting mends.
        """
        try:
            self._projected_seq = self._load()
        except DBAPIError as problem:
            self._trouble(problem)
        self._thread.start()

    def offer(self, entries: Sequence[Entry]) -> None:
        """These were appended to the journal. When too many wait, they are read from its files later instead."""
        with self._changed:
            self._offered_seq = entries[-1].seq
            if len(self._queue) + len(entries) > self._queue_entries:
                self._queue.clear()
            else:
                self._queue.extend(entries)
            self._changed.notify_all()

    def wait_until(self, seq: int, *, timeout_s: float) -> bool:
        """Whether entries up to `seq` are in the tables, waiting for it at most so long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._projected_seq >= seq, timeout=timeout_s)

    def rebuild(self) -> int:
        """See `rebuild`."""
        return rebuild(self._engine, self._journal, country_of=self._country_of)

    def stop(self, *, timeout_s: float = 5.0) -> bool:
        """Finish what waits, if that is possible in this time, and end. Whether everything is in the tables."""
        done = self.wait_until(self._offered_seq, timeout_s=timeout_s if self._thread.is_alive() else 0)
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return done

    def _load(self) -> int:
        migrate(self._engine)
        with self._engine.connect() as connection:
            reached = checkpoint(connection)
        if reached >= self._journal.next_seq:
            raise StoreAhead(
                f"the database has {reached} entries of a journal, this one only {self._journal.next_seq - 1}: "
                "bring back the journal that belongs to it, or choose another database"
            )
        return reached

    def _run(self) -> None:
        delay_s = self._first_delay_s
        loaded = self._problem is None
        while not self._stopping.is_set():
            try:
                if not loaded:
                    self._reading = None
                    self._reached(self._load())
                    loaded = True
                stretch = self._next_stretch()
                if stretch:
                    self._write(stretch)
                    if self._problem is not None:
                        _log.warning("store: projecting again")
                    self._problem = None
                    delay_s = self._first_delay_s
            except Exception as problem:
                loaded = False
                if not isinstance(problem, _Overtaken):
                    self._trouble(problem)
                    self._stopping.wait(delay_s * _JITTER.uniform(0.5, 1.0))
                    delay_s = min(delay_s * 2, _LONGEST_DELAY_S)

    def _trouble(self, problem: Exception) -> None:
        lines = str(problem).strip().splitlines()
        text = f"{type(problem).__name__}: {lines[0] if lines else ''}"
        if text != self._problem:
            known = isinstance(problem, DBAPIError | DatabaseUnusable | StoreAhead)
            _log.error("store: not projecting, trying again: %s", text, exc_info=None if known else problem)
        self._problem = text

    def _next_stretch(self) -> list[Entry]:
        """The entries that follow the projected ones, waiting for them; empty when stopping.

        Raises LookupError where the journal does not have what was offered.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._offered_seq > self._projected_seq or self._stopping.is_set())
        if self._reading is None and self.lag < _STRETCH:
            self._stopping.wait(self._gather_s)
        if self._stopping.is_set():
            return []
        beginning = self._reading is None
        if self._reading is None:
            stretch = self._queued()
            if stretch:
                return stretch
            self._reading = self._journal.entries_from(self._projected_seq + 1)
        stretch = list(islice(self._reading, _STRETCH))
        if len(stretch) < _STRETCH:
            self._reading = None
        if beginning and not stretch:
            raise LookupError(f"the journal has no entry {self._projected_seq + 1}")
        return stretch

    def _queued(self) -> list[Entry]:
        """The queue's beginning, if that is what follows the projected ones."""
        with self._changed:
            while self._queue and self._queue[0].seq <= self._projected_seq:
                self._queue.popleft()
            if not self._queue or self._queue[0].seq != self._projected_seq + 1:
                return []
            return [self._queue.popleft() for _ in range(min(_STRETCH, len(self._queue)))]

    def _write(self, stretch: list[Entry]) -> None:
        last = stretch[-1].seq
        # The tables must not know what a power cut could still take from the journal: the seqs would be given again.
        if not self._journal.wait_until_synced(last, timeout_s=_SYNC_TIMEOUT_S):
            _log.warning("store: the journal is not synced up to entry %d", last)
        with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            project(connection, stretch, country_of=self._country_of)
            _advance(connection, old=self._projected_seq, new=last)
        self._reached(last)

    def _reached(self, seq: int) -> None:
        self._journal.projected(seq)
        with self._changed:
            self._projected_seq = seq
            self._changed.notify_all()
