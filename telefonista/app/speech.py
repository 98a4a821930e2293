"""Listening to citizens: their voices go from Asterisk to a worker process, what they said comes back as events.

In: `StartListening` and `StopListening`, and the sound that Asterisk sends. Out: `SpeechHeard` and `SpeechFailed`. What
is slow, dead, too much or not there fails at once and in words, for the flow has its keys. No recognition happens on
the loop. Must never decide what an answer leads to.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import structlog

from ivr.core.hearing import Options, Word, read
from telefonista.app.speech_models import base_language
from telefonista.app.speech_worker import (
    LENGTH,
    MOST_BYTES,
    Began,
    Close,
    Failed,
    Inbox,
    Open,
    Outbox,
    Ready,
    Sound,
    Taken,
    Understood,
    framed,
)
from telefonista.kernel.commands import StartListening, StopListening
from telefonista.kernel.events import Event, SpeechBegan, SpeechFailed, SpeechHeard
from telefonista.kernel.ids import ListeningId
from telefonista.pbx.audiosocket import AudioSocketServer

_log = structlog.get_logger("telefonista.speech")

AT_ONCE = 40
"""Recognitions in one worker process; the measured figure of the sample model is far above, that of a full one not."""
LATE_S = 1.5
"""A worker that has not worked off a piece of sound for so long is too late for a conversation."""
STARTING_S = 5.0
"""What is said to a worker that was started so recently waits in its pipe until its models are loaded."""
STUCK_S = 10.0
"""After so long without a word from it a late worker is ended and started again."""
LOOK_EVERY_S = 0.25
COMES_WITHIN_S = 3.0
"""From asking for a citizen's voice to its connection."""
GOES_S = 0.5
"""When a citizen hangs up the sound ends a moment before the leg: nobody is told of a failure who has left."""
MOST_UNCLEAR = 20
"""Things said in one listening that were none of those asked for: that is noise, not a citizen."""
BATCH_BYTES = 1280
"""80 ms of sound go to the worker at a time."""
RESTART_S = (0.5, 30.0)
LOAD_S = 120.0

Begun = Callable[[], None]
Heard = Callable[[Sequence[Word], bool], None]
NotHeard = Callable[[str], None]

_FROM_WORKER = msgspec.msgpack.Decoder(Outbox)


class Unavailable(Exception):
    """There is nobody to listen now; one line says why."""


class Recognition:
    """One citizen's voice on its way to a worker."""

    def __init__(self, worker: _Worker, number: int, *, began: Begun, heard: Heard, failed: NotHeard) -> None:
        self._worker = worker
        self._number = number
        self.began = began
        self.heard = heard
        self.failed = failed
        self._batch = b""
        self.waiting_bytes = 0
        """Sent and not yet worked off."""
        self.waits_since = 0.0
        self._late_looks = 0

    def sound(self, samples: bytes) -> None:
        self._batch += samples
        if len(self._batch) >= BATCH_BYTES:
            batch, self._batch = self._batch, b""
            if not self.waiting_bytes:
                self.waits_since = time.monotonic()
            self.waiting_bytes += len(batch)
            self._worker.tell(Sound(self._number, batch))

    def taken(self, samples_bytes: int) -> None:
        self.waiting_bytes -= samples_bytes
        self.waits_since = time.monotonic()
        self._late_looks = 0

    def is_late(self, at: float) -> bool:
        """Asked now and then. Once is not enough: after a loop that was held up, what it said may yet be unread."""
        late = self.waiting_bytes > 0 and at - self.waits_since > LATE_S
        self._late_looks = self._late_looks + 1 if late else 0
        return self._late_looks > 1

    def close(self) -> None:
        """No more of it; nobody is told. As often as one likes."""
        self._worker.close(self._number)


class _Worker:
    """One process, started again whenever it ends."""

    def __init__(self, models: Mapping[str, Path], *, ready: Callable[[], None]) -> None:
        self._models = models
        self._told_ready = ready
        self._process: Process | None = None
        self._recognitions: dict[int, Recognition] = {}
        self._numbers = 0
        self.ready = False
        self._started_at = 0.0
        self.stuck_since: float | None = None
        """Since when it is late with something, and has not said a word."""

    @property
    def takes(self) -> bool:
        """Whether it may be asked for more."""
        return self._process is not None and (self.ready or self._is_starting) and self.stuck_since is None

    @property
    def _is_starting(self) -> bool:
        return not self.ready and time.monotonic() - self._started_at < STARTING_S

    @property
    def busy(self) -> int:
        return len(self._recognitions)

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def run(self) -> None:
        pause_s = RESTART_S[0]
        while True:
            began = time.monotonic()
            why = await self._live()
            if time.monotonic() - began > RESTART_S[1]:
                pause_s = RESTART_S[0]
            _log.error("a recogniser ended and is started again", why=why, after_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(RESTART_S[1], 2 * pause_s)

    async def _live(self) -> str:
        """From its start to its end; why that was."""
        arguments = [f"{language}={folder}" for language, folder in self._models.items()]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "telefonista.app.speech_worker", *arguments),
            stdin=PIPE,
            stdout=PIPE,
            # A core each: its matrices are small, and threads that wait for one another only burn what calls need.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
        self._process, self._started_at = process, time.monotonic()
        looking = asyncio.get_running_loop().create_task(self._look_for_late())
        try:
            return await self._read(process)
        finally:
            looking.cancel()
            self.ready, self.stuck_since, self._process = False, None, None
            for recognition in self._forget_all():
                recognition.failed("the recogniser ended")
            await _end(process)

    async def _read(self, process: Process) -> str:
        assert process.stdout is not None
        try:
            while True:
                async with asyncio.timeout(None if self.ready else LOAD_S):
                    (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
                    if length > MOST_BYTES:
                        return "it said more than it may"
                    self._take(_FROM_WORKER.decode(await process.stdout.readexactly(length)))
        except asyncio.IncompleteReadError:
            return f"it ended with {await process.wait()}"
        except TimeoutError:
            return f"its models were not loaded within {LOAD_S:.0f} s"
        except msgspec.MsgspecError as problem:
            return f"it said what it must not: {problem}"

    def _take(self, message: Outbox) -> None:
        self.stuck_since = None
        if isinstance(message, Ready):
            self.ready = True
            self._told_ready()
            return
        recognition = self._recognitions.get(message.recognition)
        if recognition is None:
            return
        if isinstance(message, Taken):
            recognition.taken(message.samples_bytes)
        elif isinstance(message, Began):
            recognition.began()
        elif isinstance(message, Understood):
            recognition.heard([Word(*word) for word in message.words], message.partial)
        else:
            assert isinstance(message, Failed)
            self._fail(message.recognition, message.why)

    async def _look_for_late(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self._is_starting:
                continue
            at = time.monotonic()
            late = [number for number, each in self._recognitions.items() if each.is_late(at)]
            for number in late:
                self._fail(number, f"the recogniser is more than {LATE_S:g} s late")
            if late and self.stuck_since is None:
                self.stuck_since = at
            if self.stuck_since is not None and at - self.stuck_since > STUCK_S and self._process is not None:
                self._process.kill()

    def _fail(self, number: int, why: str) -> None:
        recognition = self._recognitions[number]
        self.close(number)
        recognition.failed(why)

    def _forget_all(self) -> list[Recognition]:
        forgotten, self._recognitions = list(self._recognitions.values()), {}
        return forgotten

    def open(self, *, language: str, options: Options, began: Begun, heard: Heard, failed: NotHeard) -> Recognition:
        self._numbers += 1
        recognition = Recognition(self, self._numbers, began=began, heard=heard, failed=failed)
        self._recognitions[self._numbers] = recognition
        self.tell(Open(self._numbers, language, tuple(tuple(option) for option in options)))
        return recognition

    def close(self, number: int) -> None:
        if self._recognitions.pop(number, None) is not None:
            self.tell(Close(number))

    def tell(self, message: Inbox) -> None:
        process = self._process
        if process is not None and process.stdin is not None and not process.stdin.is_closing():
            process.stdin.write(framed(message))

    async def stop(self) -> None:
        self._forget_all()
        if self._process is not None:
            await _end(self._process)


async def _end(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


class Recognisers:
    """`workers` processes with every model. Nobody waits for them: whoever asks too early, or too much, is told so."""

    def __init__(self, models: Mapping[str, Path], *, workers: int = 1, at_once: int = AT_ONCE) -> None:
        """`models` by language; `at_once` recognitions in each worker at most."""
        self.languages = frozenset(models)
        self._at_once = at_once
        self._ready = asyncio.Event()
        self._workers = [_Worker(models, ready=self._ready.set) for _ in range(workers if models else 0)]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(worker.run()) for worker in self._workers]

    async def wait_ready(self) -> None:
        """Until one of them has loaded its models."""
        await self._ready.wait()

    @property
    def pids(self) -> list[int]:
        return [worker.pid for worker in self._workers if worker.pid is not None]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for worker in self._workers:
            await worker.stop()

    def open(self, *, language: str, options: Options, began: Begun, heard: Heard, failed: NotHeard) -> Recognition:
        """Begin to listen. `began`, `heard` and `failed` are called on the loop, not before this returns; `failed` once
        and then nothing more. Raises `Unavailable`."""
        if language not in self.languages:
            raise Unavailable(f"there is no speech model for {language!r}")
        there = [worker for worker in self._workers if worker.takes]
        if not there:
            raise Unavailable("no recogniser is ready")
        least = min(there, key=lambda worker: worker.busy)
        if least.busy >= self._at_once:
            raise Unavailable(f"{self._at_once} are being listened to already")
        return least.open(language=language, options=options, began=began, heard=heard, failed=failed)


class _Listening:
    """What is going on for one `StartListening`."""

    def __init__(self, command: StartListening, *, key: str, recognition: Recognition) -> None:
        self.command = command
        self.key = key
        self.recognition = recognition
        self.unclear = 0
        self.timer: asyncio.TimerHandle | None = None


class Ears:
    """A `pbx.link.Listener`. `sink` takes the events, on the loop."""

    def __init__(
        self,
        recognisers: Recognisers,
        *,
        server: AudioSocketServer,
        context: str,
        sink: Callable[[Event], None],
    ) -> None:
        """`context`: where in the dialplan a channel goes whose sound is to come to `server`."""
        self._recognisers = recognisers
        self._server = server
        self._context = context
        self._sink = sink
        self._listenings: dict[ListeningId, _Listening] = {}

    @property
    def context(self) -> str:
        return self._context

    @property
    def listening(self) -> int:
        """To how many, now."""
        return len(self._listenings)

    def start_listening(self, command: StartListening) -> str | None:
        """See `pbx.link.Listener`."""
        loop = asyncio.get_running_loop()
        name = command.listening
        try:
            recognition = self._recognisers.open(
                language=base_language(command.language),
                options=command.phrases,
                began=lambda: self._began(name),
                heard=lambda words, partial: self._heard(name, words, partial),
                failed=lambda why: self._failed(name, why),
            )
        except Unavailable as why:
            # Later: the engine that is executing is not ready for the event of it.
            loop.call_soon(self._sink, _failure(command, str(why)))
            return None
        key, extension = self._server.expect(
            came=lambda: self._came(name), sound=recognition.sound, ended=lambda: self._gone(name)
        )
        listening = self._listenings[name] = _Listening(command, key=key, recognition=recognition)
        listening.timer = loop.call_later(COMES_WITHIN_S, self._failed, name, "the citizen's voice does not come")
        return extension

    def stop_listening(self, command: StopListening) -> None:
        self._forget(command.listening)

    def _came(self, name: ListeningId) -> None:
        self._still(self._listenings[name])

    def _gone(self, name: ListeningId) -> None:
        listening = self._listenings[name]
        listening.recognition.close()
        self._still(listening)
        loop = asyncio.get_running_loop()
        listening.timer = loop.call_later(GOES_S, self._failed, name, "the citizen's voice ended")

    def _began(self, name: ListeningId) -> None:
        listening = self._listenings.get(name)
        if listening is not None:
            command = listening.command
            self._sink(SpeechBegan(call=command.call, listening=name, node=command.node))

    def _heard(self, name: ListeningId, words: Sequence[Word], partial: bool) -> None:
        listening = self._listenings.get(name)
        if listening is None:
            return
        command = listening.command
        reading = read(words, options=command.phrases)
        if reading.phrase:
            # Whoever asked will say that this is enough; until then nothing else may be heard.
            self._forget(name)
        listening.unclear += 1
        if listening.unclear > MOST_UNCLEAR:
            self._failed(name, "too much noise")
            return
        self._sink(
            SpeechHeard(
                call=command.call,
                listening=name,
                node=command.node,
                phrase=reading.phrase,
                confidence=round(reading.confidence, 3),
                partial=partial,
            )
        )

    def _failed(self, name: ListeningId, why: str) -> None:
        listening = self._listenings.get(name)
        if listening is not None:
            self._forget(name)
            _log.warning("speech is not understood", call=listening.command.call, why=why)
            self._sink(_failure(listening.command, why))

    def _forget(self, name: ListeningId) -> None:
        listening = self._listenings.pop(name, None)
        if listening is not None:
            self._still(listening)
            listening.recognition.close()
            self._server.dismiss(listening.key)

    def _still(self, listening: _Listening) -> None:
        if listening.timer is not None:
            listening.timer.cancel()
            listening.timer = None


def _failure(command: StartListening, why: str) -> SpeechFailed:
    return SpeechFailed(call=command.call, listening=command.listening, node=command.node, why=why)
