"""Recording conversations through AMI: MixMonitor runs inside Asterisk and outlives the engine.

In: a leg and the id of a recording. Out, through the sink: `RecordingStarted`, `RecordingFailed`, `RecordingStopped`.
panoramisk speaks the protocol; it is guarded here, because left alone it re-sends unanswered actions on a new
connection and waits for ever for an answer that was lost. Nothing but MixMonitor, StopMixMonitor and Ping is ever sent:
dialling is ARI's. Must never import a room.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

import msgspec
import structlog
from panoramisk import Manager
from panoramisk.ami_protocol import AMIProtocol

from telefonista.kernel.events import Event, RecordingFailed, RecordingStarted, RecordingStopped
from telefonista.kernel.ids import CallId, LegId, RecordingId
from telefonista.kernel.ports import LinkDown, Refused, Sink
from telefonista.pbx.wire import ami

_log = structlog.get_logger("telefonista.pbx.ami")

LONGEST_REPLY: Final = 64 * 1024
"""Bytes of a reply that has not ended; ours are of a few lines."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the connection to AMI."""

    connect_s: float = 5.0
    answer_s: float = 5.0
    ping_every_s: float = 10.0
    patience_s: float = 3.0
    """How long a recording that is asked for waits for a connection."""
    waiting: int = 1_000
    """Recordings asked for and not yet answered."""
    settle_s: float = 0.3
    """MixMonitor's own thread closes its files shortly after the channel that it listened to is gone."""


DEFAULT_LIMITS: Final = Limits()


class _Everything:
    """A container of all names: panoramisk re-sends no action that is in its `forgetable_actions`."""

    def __contains__(self, name: object) -> bool:
        return True


class _Protocol(AMIProtocol):  # type: ignore[misc]  # panoramisk has no types
    """panoramisk's protocol, bounded: what it cannot read ends this connection and nothing else."""

    def data_received(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except Exception as problem:
            # Whatever it stumbles over, a reply was not one; the caller's own deadline takes care of the action.
            _log.warning("AMI reply not understood", why=f"{type(problem).__name__}: {problem}"[:200])
            self.transport.abort()
            return
        if self.queue and len(self.queue[0]) > LONGEST_REPLY:
            _log.warning("AMI reply without an end")
            self.transport.abort()


class _Session(Manager):  # type: ignore[misc]  # panoramisk has no types
    """One connection, that neither reconnects nor re-sends by itself."""

    pinger: asyncio.TimerHandle | None

    def __init__(self, *, username: str, secret: str, on_lost: Callable[[str], None]) -> None:
        super().__init__(
            username=username,
            secret=secret,
            events="off",
            # Never splits a character between two reads.
            encoding="latin-1",
            forgetable_actions=_Everything(),
            protocol_factory=_Protocol,
            # Our own ping has a deadline; panoramisk's has none.
            ping_delay=10**6,
            loop=asyncio.get_running_loop(),
            log=_silent,
        )
        self._on_lost = on_lost

    def connection_lost(self, exc: object) -> None:
        self._connected = False
        if self.pinger:
            self.pinger.cancel()
            self.pinger = None
        self._on_lost("connection closed" if exc is None else f"connection lost: {exc}"[:200])


_silent = logging.getLogger("telefonista.pbx.ami.panoramisk")
_silent.propagate = False
_silent.addHandler(logging.NullHandler())


class AmiRecorder:
    """`link.Recorder` by AMI. `start` begins to connect and returns; it goes on connecting until `stop`.

    `folder` is where the sound files go, an absolute path as Asterisk sees it; it must exist.
    """

    def __init__(
        self,
        *,
        port: int,
        username: str,
        secret: str,
        folder: PurePosixPath,
        sink: Sink,
        host: str = "127.0.0.1",
        limits: Limits = DEFAULT_LIMITS,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._host = host
        self._port = port
        self._username = username
        self._secret = secret
        self._folder = folder
        self._sink = sink
        self._limits = limits
        self._now = now
        self._chance = chance
        self._session: _Session | None = None
        self._ready = asyncio.Event()
        self._lost = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._work: set[asyncio.Task[None]] = set()
        self._answers: set[asyncio.Future[Any]] = set()
        self._why_down = "not started"

    @property
    def connected(self) -> bool:
        """Whether AMI has let us in."""
        return self._ready.is_set()

    @property
    def why_down(self) -> str:
        """What keeps us from AMI; empty when nothing does."""
        return self._why_down

    async def start(self) -> None:
        """Begin to connect."""
        self._running = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Close. Recordings go on in Asterisk; those asked for and not yet answered are not told of."""
        tasks = [*self._work, *([self._running] if self._running is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._running = None
        self._hang_up()

    def start_recording(self, call: CallId, *, leg: LegId, recording: RecordingId) -> None:
        """Record a leg; `RecordingStarted` or `RecordingFailed` follows."""
        self._do(self._start_recording(call, leg, recording), call, recording)

    def stop_recording(self, call: CallId, *, leg: LegId, recording: RecordingId) -> None:
        """Stop recording a leg; `RecordingStopped` follows."""
        self._do(self._stop_recording(call, leg, recording), call, recording)

    async def ping(self) -> None:
        """Raises `LinkDown` when AMI does not answer in time."""
        await self._act({"Action": "Ping"})

    def _do(self, work: Coroutine[Any, Any, None], call: CallId, recording: RecordingId) -> None:
        if len(self._work) >= self._limits.waiting:
            work.close()
            self._tell(RecordingFailed(call=call, recording=recording, why="too many recordings are waiting"))
            return
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _start_recording(self, call: CallId, leg: LegId, recording: RecordingId) -> None:
        try:
            action = ami.mixmonitor(leg=leg, recording=recording, folder=self._folder)
            refusal = "" if self._runs(recording) else await self._act(action)
        except (LinkDown, Refused) as problem:
            # Whether it began is unknown when the answer was lost; asking again would make two that write to one file.
            refusal = str(problem)
        if refusal:
            self._tell(RecordingFailed(call=call, recording=recording, why=refusal[:128]))
        else:
            self._tell(RecordingStarted(call=call, recording=recording))

    def _runs(self, recording: RecordingId) -> bool:
        """Asked again after a restart, it runs already if its file is there: a second would write into the first.

        Looked for here and not in a thread: a stop that is asked for right after must not overtake the start.
        """
        return Path(self._folder, ami.recording_files(recording)[0]).exists()

    async def _stop_recording(self, call: CallId, leg: LegId, recording: RecordingId) -> None:
        try:
            refusal = await self._act(ami.stop_mixmonitor(leg=leg))
        except (LinkDown, Refused) as problem:
            refusal = str(problem)
            _log.warning("recording may go on", call=call, recording=recording, why=refusal)
        if refusal:
            # Mostly "No such channel": the citizen hung up and so ended it.
            await asyncio.sleep(self._limits.settle_s)
        self._tell(RecordingStopped(call=call, recording=recording))

    async def _act(self, action: dict[str, str]) -> str:
        """Empty when it was carried out, else why Asterisk refused it. Raises `LinkDown`."""
        if not self._ready.is_set():
            try:
                async with asyncio.timeout(self._limits.patience_s):
                    await self._ready.wait()
            except TimeoutError:
                raise LinkDown(f"AMI: {self._why_down}") from None
        session = self._session
        assert session is not None
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers.add(answer)
        try:
            # panoramisk's own future never ends when the connection does; ours is ended by `_on_lost`.
            session.send_action(action).add_done_callback(_passing_on(answer))
            async with asyncio.timeout(self._limits.answer_s):
                said = await answer
        except TimeoutError:
            raise LinkDown("AMI: no answer") from None
        finally:
            self._answers.discard(answer)
        return "" if said.success else str(said.message or "refused")[:128]

    def _tell(self, event: Event) -> None:
        try:
            self._sink(event, self._now())
        except Exception:
            _log.exception("event not taken", event_type=type(event).__name__)

    # The connection.

    def _chances(self) -> Iterator[float]:
        while True:
            yield self._chance()

    async def _run(self) -> None:
        waits = ami.waits_s(chances=self._chances())
        told = ""
        while True:
            try:
                await self._connect()
            except (OSError, LinkDown) as problem:
                self._why_down = str(problem)[:200] or type(problem).__name__
                if self._why_down != told:
                    told = self._why_down
                    _log.warning("no connection to AMI", why=told)
            else:
                told = ""
                waits = ami.waits_s(chances=self._chances())
                await self._stay()
                _log.warning("AMI connection lost", why=self._why_down)
            self._hang_up()
            await asyncio.sleep(next(waits))

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        self._lost.clear()
        session = _Session(username=self._username, secret=self._secret, on_lost=self._on_lost)
        try:
            # Not `wait_for`: Python 3.11's swallows a cancellation that comes together with a refusal.
            async with asyncio.timeout(self._limits.connect_s):
                made = await loop.create_connection(_Protocol, self._host, self._port)
        except TimeoutError:
            raise LinkDown("AMI does not take the connection") from None
        self._session = session
        ready: asyncio.Future[Any] = loop.create_future()
        ready.set_result(made)
        session.connection_made(ready)
        greeting = session.authenticated_future
        done, _ = await asyncio.wait({greeting}, timeout=self._limits.answer_s)
        if not done:
            greeting.cancel()
            raise LinkDown("AMI does not answer the login")
        if not greeting.result().success:
            raise LinkDown("AMI refuses the login")
        self._why_down = ""
        self._ready.set()
        _log.info("AMI connected")

    async def _stay(self) -> None:
        """Return when the connection is gone, or no longer answers."""
        while not self._lost.is_set():
            try:
                async with asyncio.timeout(self._limits.ping_every_s):
                    await self._lost.wait()
            except TimeoutError:
                try:
                    await self.ping()
                except LinkDown as problem:
                    self._on_lost(str(problem))

    def _on_lost(self, why: str) -> None:
        self._ready.clear()
        self._why_down = why
        self._lost.set()
        for answer in self._answers:
            if not answer.done():
                answer.set_exception(LinkDown("AMI: connection lost before the answer"))

    def _hang_up(self) -> None:
        self._ready.clear()
        session, self._session = self._session, None
        if session is not None:
            session.close()


def _passing_on(answer: asyncio.Future[Any]) -> Callable[[asyncio.Future[Any]], None]:
    def pass_on(given: asyncio.Future[Any]) -> None:
        if not answer.done() and not given.cancelled():
            answer.set_result(given.result())

    return pass_on
