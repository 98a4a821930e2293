"""Many SIP telephones for little: one sipp for all agents, one for all citizens of a round.

The telephones of `telefonista.app.sipp` can be told anything at any time, and cost a process each and much tracing.
These do one thing only (`scenarios/`), carry sound both ways, and leave a line per thing that happened, which is read
when the round is over. In: accounts, or how many citizens dial what how fast. Out: what sipp saw, with its times.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import cpu_s
from benchmarks.registration import NotRegistered, register
from telefonista.app.home import free_udp_range
from telefonista.app.rtp import tone_frames
from telefonista.pbx.packages import Program

SCENARIOS = Path(__file__).resolve().parent / "scenarios"
_STARTS_WITHIN_S = 0.5
_STOP_TIMEOUT_S = 5.0
_PORTS_OF_ONE = 4
"""A sipp's: the first for SIP, the third for its control, which nobody uses."""
_LOOK_EVERY_S = 0.05
_VOICE_HZ = 425
_MOST_CALLS = "5000"
"""At once, of one sipp: three sockets each must fit into the open files that a process may have."""


class PhonesFailed(Exception):
    """sipp did not do what it should; the message is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """How long an agent talks with a citizen: anything between the two, evenly."""

    least_ms: int
    most_ms: int

    def __str__(self) -> str:
        return f"{self.least_ms / 1000:g} to {self.most_ms / 1000:g} s"


@dataclass(frozen=True, slots=True)
class Happening:
    """A line of a scenario: what happened to whom when (epoch seconds), and what else it says."""

    word: str
    subject: str
    at: float
    rest: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Round:
    """What sipp saw of the citizens of a round. Epoch seconds by the citizen's number."""

    dialled_at: Mapping[str, float]
    answered_at: Mapping[str, float]
    ended_at: Mapping[str, float]
    took_s: float
    sipp_cpu_s: float

    @property
    def failed(self) -> int:
        """Calls that did not end as they should: answered, helped, hung up on by the agent."""
        return len(self.dialled_at) - len(self.ended_at)


class Agents:
    """Everybody's telephones: register, answer every call at once, talk, hang up."""

    def __init__(self, program: Program, *, accounts: Mapping[str, str], folder: Path, talk: Talk) -> None:
        self._program = program
        self._accounts = accounts
        self._folder = folder
        self._talk = talk
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *, sip_port: int) -> None:
        """Register them all. Raises `PhonesFailed`."""
        port = free_udp_range(_PORTS_OF_ONE)
        try:
            await register(self._accounts, port=port, sip_port=sip_port)
        except (NotRegistered, OSError) as problem:
            raise PhonesFailed(f"the agents' telephones: {problem}") from problem
        self._process = await _sipp(
            self._program,
            *("-sf", self._scenario(), "-l", _MOST_CALLS),
            folder=self._folder,
            name="agents",
            sip_port=sip_port,
            port=port,
        )
        await asyncio.sleep(_STARTS_WITHIN_S)
        self.check()

    def check(self) -> None:
        """Raises `PhonesFailed` when nobody would answer."""
        if self._process is None or self._process.returncode is not None:
            raise PhonesFailed(f"the agents' telephones are gone: {_last_words(self._folder, 'agents')}")

    def _scenario(self) -> str:
        path = Path(_scenario("agent.xml", self._folder))
        text = path.read_text(encoding="utf-8")
        for mark, value_ms in (("TALK_LEAST_MS", self._talk.least_ms), ("TALK_MOST_MS", self._talk.most_ms)):
            text = text.replace(f'"{mark}"', f'"{value_ms}"')
        path.write_text(text, encoding="utf-8")
        return str(path)

    @property
    def cpu_s(self) -> float:
        """Seconds of processor time that sipp has used for them."""
        return cpu_s(self._process.pid) if self._process is not None else 0.0

    def seen(self) -> list[Happening]:
        """All that happened so far, in order."""
        return list(_read(self._folder / "agents.log"))

    async def stop(self) -> None:
        """They vanish."""
        if self._process is not None:
            await _end(self._process)
            self._process = None


class Citizens:
    """Rounds of citizens, each with a number of their own."""

    def __init__(self, program: Program, *, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._rounds = 0
        self._called = 0

    async def round(
        self,
        *,
        dialled: str,
        sip_port: int,
        calls: int,
        calls_per_s: float,
        patience_s: float,
        during: Callable[[], None] = lambda: None,
    ) -> Round:
        """So many citizens dial, one after the other, and stay until an agent hangs up or their patience (from the
        answer on) is over, which is a failure. `during` is called now and then. Raises `PhonesFailed`."""
        self._rounds += 1
        name = f"citizens-{self._rounds}"
        rows = [f"09{self._called + index:07d}" for index in range(calls)]
        self._called += calls
        table = _write_table(self._folder / f"{name}.csv", rows)
        began = time.monotonic()
        process = await _sipp(
            self._program,
            *("-sf", _scenario("citizen.xml", self._folder), "-inf", str(table)),
            *("-m", str(calls), "-r", str(round(calls_per_s * 100)), "-rp", "100000", "-l", _MOST_CALLS),
            *("-key", "dialled", dialled, "-key", "patience_ms", str(round(1000 * patience_s))),
            *("-timeout", str(math.ceil(calls / calls_per_s + patience_s + 20))),
            folder=self._folder,
            name=name,
            sip_port=sip_port,
            port=free_udp_range(_PORTS_OF_ONE),
        )
        used_s = 0.0
        try:
            while process.returncode is None:
                with contextlib.suppress(OSError, ValueError, IndexError):
                    used_s = max(used_s, cpu_s(process.pid))
                during()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(process.wait()), _LOOK_EVERY_S)
        finally:
            await _end(process)
        if process.returncode not in (0, 1, 97):
            raise PhonesFailed(f"sipp ended with {process.returncode}: {_last_words(self._folder, name)}")
        seen = list(_read(self._folder / f"{name}.log"))
        return Round(
            dialled_at=_times(seen, "dialled"),
            answered_at=_times(seen, "answered"),
            ended_at=_times(seen, "ended"),
            took_s=time.monotonic() - began,
            sipp_cpu_s=used_s,
        )


def _times(seen: list[Happening], word: str) -> dict[str, float]:
    return {each.subject: each.at for each in seen if each.word == word}


async def _sipp(
    program: Program, *arguments: str, folder: Path, name: str, sip_port: int, port: int
) -> asyncio.subprocess.Process:
    command = program.command(
        f"127.0.0.1:{sip_port}",
        *("-i", "127.0.0.1", "-mi", "127.0.0.1", "-ci", "127.0.0.1", "-bind_local"),
        *("-p", str(port), "-cp", str(port + 2), "-nostdin"),
        *("-trace_logs", "-log_file", str(folder / f"{name}.log")),
        *("-trace_err", "-error_file", str(folder / f"{name}.errors")),
        *arguments,
    )
    with (folder / f"{name}.screen").open("wb") as screen:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=screen,
            stderr=asyncio.subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, "TERM": "dumb"},
            start_new_session=True,
        )


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), _STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def _read(log: Path) -> Iterator[Happening]:
    try:
        written = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in written[: written.rfind("\n") + 1].splitlines():
        words = line.split()
        if len(words) >= 5:
            yield Happening(words[0], words[1], float(words[4]), tuple(words[5:]))


def _last_words(folder: Path, name: str) -> str:
    for path in (folder / f"{name}.errors", folder / f"{name}.screen"):
        with contextlib.suppress(OSError):
            lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
            if lines:
                return lines[-1][-300:]
    return "it said nothing"


def _scenario(name: str, folder: Path) -> str:
    """A copy of a scenario with the sound that it plays beside it, where sipp looks for that first: a second of a tone,
    bare µ-law."""
    (folder / "voice.ul").write_bytes(b"".join(tone_frames(_VOICE_HZ)))
    return str(shutil.copy(SCENARIOS / name, folder / name))


def _write_table(path: Path, rows: list[str]) -> Path:
    """A file of values for sipp, which may hold passwords."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write("\n".join(("SEQUENTIAL", *rows, "")))
    return path
