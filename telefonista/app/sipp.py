"""Citizens and agents as real SIP telephones, played by sipp on loopback, for the demonstration and the tests.

In: who dials what and when, which agents register, who is called, and what they do when they ring. Out: what sipp
itself saw of every call, as frozen values. sipp signals (its scenarios are in `scenarios/`), `rtp` carries the sound.
A scenario writes a line for each thing that happens, which is read here at once, and obeys requests that are sent to
its own SIP port. Never part of an engine that serves citizens; the engine must not import it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib import resources
from pathlib import Path

from telefonista.app.rtp import RtpExchange, RtpLine
from telefonista.pbx.packages import Program

LONGEST_S = 900.0
_READ_EVERY_S = 0.02
_STOP_TIMEOUT_S = 3.0
_REGISTER_TIMEOUT_S = 15.0
_ASK_EVERY_S = 0.1


class SippFailed(Exception):
    """sipp does not start, ended before its time, or a telephone cannot register; the message is one line."""


class EndedBy(StrEnum):
    """Whose BYE ended a call."""

    CITIZEN = "citizen"
    SYSTEM = "system"
    AGENT = "agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """Keys pressed `after_s` seconds after the call was answered."""

    after_s: float
    keys: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CitizenPlan:
    """What a citizen will do. Times in seconds; `stays_s` counts from the answer; `tone_hz` 0 is silence; `secret` is
    for a telephone with an account, whose name the `number` is then."""

    number: str
    dialled: str = "4636"
    dials_after_s: float = 0.0
    stays_s: float = 60.0
    presses: tuple[Press, ...] = ()
    tone_hz: int = 0
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CitizenCall:
    """A citizen's call as sipp saw it. Times in epoch seconds; `status` is the last SIP answer to the INVITE."""

    number: str
    dialled: str
    invited_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    ended_by: EndedBy | None = None
    status: int | None = None


class RingOutcome(StrEnum):
    """What became of a ringing of an agent's telephone."""

    RINGING = "ringing"
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"
    BUSY = "busy"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCall:
    """A call to an agent's telephone as sipp saw it; `caller` is the number that the telephone showed."""

    agent: str
    caller: str
    rang_at: float
    outcome: RingOutcome = RingOutcome.RINGING
    answered_at: float | None = None
    ended_at: float | None = None
    ended_by: EndedBy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalledCall:
    """A call to a citizen's telephone as sipp saw it. `number` is who was dialled, `shown` the number that the
    telephone showed; times in epoch seconds."""

    number: str
    shown: str
    rang_at: float
    outcome: RingOutcome = RingOutcome.RINGING
    answered_at: float | None = None
    ended_at: float | None = None
    ended_by: EndedBy | None = None


class Manner(StrEnum):
    """What somebody does when the telephone rings."""

    ANSWERS = "answers"
    LETS_RING = "lets_ring"
    IS_BUSY = "is_busy"
    REFUSES = "refuses"


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What somebody does with one call. `after_s` is how long it rings before that, `talks_s` how long they talk before
    hanging up; None: until the other side does."""

    manner: Manner = Manner.ANSWERS
    after_s: float = 0.5
    talks_s: float | None = None


ANSWERS = Behaviour()
LETS_RING = Behaviour(manner=Manner.LETS_RING)
IS_BUSY = Behaviour(manner=Manner.IS_BUSY)
REFUSES = Behaviour(manner=Manner.REFUSES)

_REQUEST = {Manner.ANSWERS: "ANSWER", Manner.IS_BUSY: "BUSY", Manner.REFUSES: "REFUSE"}


@dataclass(frozen=True, slots=True)
class _Happening:
    """A line of a scenario: `WORD SUBJECT DATE TIME EPOCH REST…`."""

    word: str
    subject: str
    at: float
    rest: tuple[str, ...]


class _Sipp:
    """One sipp process. What its scenarios write goes to `happened`, line by line, in order."""

    def __init__(self, program: Program, *, folder: Path, name: str, happened: Callable[[_Happening], None]) -> None:
        self._program = program
        self._folder = folder
        self._name = name
        self._happened = happened
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._read_bytes = 0
        self._port = 0
        self._requests = 0

    async def start(self, *arguments: str, sip_port: int, most_s: float, own_port: int | None = None) -> None:
        """`own_port` is for SIP; None: any."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for ending in ("log", "errors", "messages", "screen"):
            (self._folder / f"{self._name}.{ending}").unlink(missing_ok=True)
        free_port, control_port = _free_udp_ports(2)
        self._port = free_port if own_port is None else own_port
        command = self._program.command(
            f"127.0.0.1:{sip_port}",
            *("-i", "127.0.0.1", "-mi", "127.0.0.1", "-ci", "127.0.0.1", "-bind_local"),
            *("-p", str(self._port), "-cp", str(control_port)),
            *("-nostdin", "-trace_logs", "-log_file", str(self._log)),
            *("-trace_err", "-error_file", str(self._errors)),
            *("-trace_msg", "-message_file", str(self._folder / f"{self._name}.messages")),
            *("-timeout", str(math.ceil(most_s))),
            *arguments,
        )
        with (self._folder / f"{self._name}.screen").open("wb") as screen:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=screen,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self._folder,
                env={**os.environ, "TERM": "dumb"},
                # A Ctrl-C is for us, who then let the citizens hang up properly.
                start_new_session=True,
            )
        self._reader = asyncio.get_running_loop().create_task(self._read())

    @property
    def _log(self) -> Path:
        return self._folder / f"{self._name}.log"

    @property
    def _errors(self) -> Path:
        return self._folder / f"{self._name}.errors"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def check(self) -> None:
        """Raises `SippFailed` when it ended with an error of its own (a failed call is none)."""
        if self._process is not None and self._process.returncode not in (None, 0, 1, 97, 99):
            raise SippFailed(f"sipp ended with {self._process.returncode}: {self.last_words()}")

    def last_words(self) -> str:
        """Its last complaint, in one line."""
        for path in (self._errors, self._folder / f"{self._name}.screen"):
            with contextlib.suppress(OSError):
                lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
                if lines:
                    return lines[-1][-300:]
        return "it said nothing"

    def tell(self, request: str, call_id: str, *, media_port: int | None = None) -> None:
        """Send a request of a call to the scenario that plays it; who answers says where the sound goes."""
        self._requests += 1
        message = "\r\n".join(
            (
                f"{request} sip:sipp@127.0.0.1 SIP/2.0",
                f"Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK-told-{self._requests}",
                f"From: <sip:director@127.0.0.1>;tag=told{self._requests}",
                "To: <sip:sipp@127.0.0.1>",
                f"Call-ID: {call_id}",
                f"CSeq: {1000 + self._requests} {request}",
                *([] if media_port is None else [f"Media-Port: {media_port}"]),
                "Content-Length: 0",
                "",
                "",
            )
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender, contextlib.suppress(ConnectionRefusedError):
            sender.sendto(message.encode(), ("127.0.0.1", self._port))

    async def wait(self) -> None:
        """Until it has ended by itself and all that it wrote was read. Raises `SippFailed`."""
        assert self._reader is not None
        await asyncio.shield(self._reader)
        self.check()

    async def stop(self) -> None:
        """End it, by force when it does not within a few seconds."""
        if self._process is None or self._reader is None:
            return
        if self.running:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_TIMEOUT_S)
            except TimeoutError:
                self._process.kill()
        await self._reader

    def kill(self) -> None:
        """As if the plug were pulled."""
        if self._process is not None and self.running:
            self._process.kill()

    async def _read(self) -> None:
        assert self._process is not None
        ended = asyncio.get_running_loop().create_task(self._process.wait())
        while not ended.done():
            await asyncio.wait({ended}, timeout=_READ_EVERY_S)
            self._read_new()
        self._read_new()

    def _read_new(self) -> None:
        try:
            with self._log.open("rb") as reader:
                reader.seek(self._read_bytes)
                written = reader.read()
        except OSError:
            return
        whole = written[: written.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            words = line.split()
            if len(words) >= 5:
                self._happened(_Happening(words[0], words[1], float(words[4]), tuple(words[5:])))


class SippCitizens:
    """Citizens played by one sipp process: each with a number of their own, which names them here."""

    def __init__(
        self,
        program: Program,
        *,
        plans: Sequence[CitizenPlan],
        exchange: RtpExchange,
        folder: Path,
        shown_name: str = "",
        name: str = "citizens",
        most_s: float = LONGEST_S,
    ) -> None:
        """`most_s` bounds each call, whatever becomes of us: sipp ends itself."""
        if len({plan.number for plan in plans}) != len(plans):
            raise ValueError("every citizen needs a number of their own")
        self._plans = {plan.number: plan for plan in plans}
        self._exchange = exchange
        self._folder = folder
        self._name = name
        self._shown_name = shown_name
        self._most_s = most_s
        self._sipp = _Sipp(program, folder=folder, name=name, happened=self._happened)
        self._calls = {plan.number: CitizenCall(number=plan.number, dialled=plan.dialled) for plan in plans}
        self._call_ids: dict[str, str] = {}
        self._leaving: set[str] = set()
        self._started_at = math.inf
        self._presses: list[asyncio.TimerHandle] = []
        self._patience: dict[str, asyncio.TimerHandle] = {}
        self.lines: dict[str, RtpLine] = {}
        """What each citizen says and hears, by number."""

    async def start(self, *, sip_port: int) -> None:
        """Begin to dial. Raises `SippFailed`, OSError."""
        plans = list(self._plans.values())
        self.lines = {plan.number: self._exchange.open_line(tone_hz=plan.tone_hz) for plan in plans}
        rows = [
            f"{plan.number};{plan.dialled};{round(1000 * plan.dials_after_s)};{self.lines[plan.number].port};"
            f"[authentication username={plan.number} password={plan.secret}]"
            for plan in plans
        ]
        table = _write_table(self._folder / f"{self._name}.csv", rows)
        count = str(len(plans))
        self._started_at = time.time()
        with _scenario("citizen.xml") as scenario:
            await self._sipp.start(
                *("-sf", str(scenario), "-inf", str(table)),
                *("-key", "display", self._shown_name),
                *("-m", count, "-l", count, "-r", count, "-rp", "100"),
                sip_port=sip_port,
                most_s=max(plan.dials_after_s for plan in plans) + self._most_s,
            )

    @property
    def calls(self) -> tuple[CitizenCall, ...]:
        """What sipp has seen so far, in the order of the plans."""
        return tuple(self._calls.values())

    def call(self, number: str) -> CitizenCall:
        """That citizen's call so far."""
        return self._calls[number]

    def press(self, number: str, keys: str) -> None:
        """Press keys now."""
        self.lines[number].press(keys)

    def hang_up(self, number: str) -> None:
        """Hang up now; before the answer, give up."""
        self._leaving.add(number)
        self._tell("HANGUP", number)

    def stay(self, number: str) -> None:
        """Stay until the other side hangs up, whatever the plan says."""
        patience = self._patience.pop(number, None)
        if patience is not None:
            patience.cancel()

    @property
    def running(self) -> bool:
        return self._sipp.running

    async def wait(self) -> tuple[CitizenCall, ...]:
        """Until every citizen is done; what sipp saw. Raises `SippFailed`."""
        await self._sipp.wait()
        return self.calls

    async def stop(self) -> None:
        """Let everybody who is still there hang up, then end sipp."""
        for timer in (*self._presses, *self._patience.values()):
            timer.cancel()
        stopped_at, told = time.time(), set(self._leaving)

        def left() -> bool:
            here = [number for number in self._plans if self._is_here(number, at=stopped_at)]
            for number in (number for number in here if number in self._call_ids and number not in told):
                self.hang_up(number)
                told.add(number)
            return not here or not self._sipp.running

        await _until(left, timeout_s=_STOP_TIMEOUT_S)
        await self._sipp.stop()
        for line in self.lines.values():
            self._exchange.close_line(line)

    def pull_plugs(self) -> None:
        """All of these telephones vanish without a word."""
        self._sipp.kill()

    def last_words(self) -> str:
        """sipp's last complaint, in one line."""
        return self._sipp.last_words()

    def _is_here(self, number: str, *, at: float) -> bool:
        """Whether the citizen has dialled by then, though we may not have read of it yet, and has not left."""
        due = self._started_at + self._plans[number].dials_after_s <= at
        return self._calls[number].ended_at is None and (due or number in self._call_ids)

    def _tell(self, request: str, number: str) -> None:
        if number in self._call_ids:
            self._sipp.tell(request, self._call_ids[number])

    def _happened(self, what: _Happening) -> None:
        number, call = what.subject, self._calls[what.subject]
        line = self.lines[number]
        if what.word == "invited":
            self._call_ids[number] = what.rest[0]
            self._calls[number] = replace(call, invited_at=what.at)
        elif what.word == "answered":
            self._calls[number] = replace(call, answered_at=what.at, status=200)
            line.talk_to(int(what.rest[0]))
            self._plan_stay(number, answered_at=what.at)
            if number in self._leaving:  # told too late to give up
                self._tell("HANGUP", number)
        elif what.word == "ended":
            ended_by = EndedBy.CITIZEN if what.rest[0] == "here" else EndedBy.SYSTEM
            self._calls[number] = replace(call, ended_at=what.at, ended_by=ended_by)
            line.fall_silent()
        elif what.word == "cancelled":
            self._calls[number] = replace(call, ended_at=what.at, ended_by=EndedBy.CITIZEN)
        elif what.word == "refused":
            self._calls[number] = replace(
                call,
                status=int(what.rest[0]),
                ended_at=what.at if call.ended_at is None else call.ended_at,
                ended_by=EndedBy.SYSTEM if call.ended_by is None else call.ended_by,
            )

    def _plan_stay(self, number: str, *, answered_at: float) -> None:
        plan, late_s = self._plans[number], time.time() - answered_at
        loop = asyncio.get_running_loop()
        self._patience[number] = loop.call_later(max(0.0, plan.stays_s - late_s), self.hang_up, number)
        self._presses += [
            loop.call_later(max(0.0, press.after_s - late_s), self.lines[number].press, press.keys)
            for press in plan.presses
        ]


class _Telephones:
    """What all telephones that are called have in common: they ring, do what the behaviour says, and are told more.
    Each call is known by its Call-ID; `AgentCall.agent` is whose telephone it is."""

    def __init__(self, *, behaviour: Callable[[str], Behaviour]) -> None:
        self.behaviour = behaviour
        self._sipp: _Sipp
        self._calls: dict[str, AgentCall] = {}
        self._far_ports: dict[str, int] = {}
        self._behaviours: dict[str, Behaviour] = {}
        self._timers: list[asyncio.TimerHandle] = []

    def behave(self, behaviour: Behaviour) -> None:
        """Do this with every call from the next one on."""
        self.behaviour = lambda number: behaviour

    def last_words(self) -> str:
        """sipp's last complaint, in one line."""
        return self._sipp.last_words()

    def _line_of(self, call_id: str) -> RtpLine:
        raise NotImplementedError

    def _rings(self, call_id: str, call: AgentCall, *, far_port: int, asked_about: str) -> None:
        self._calls[call_id], self._far_ports[call_id] = call, far_port
        behaviour = self._behaviours[call_id] = self.behaviour(asked_about)
        request = _REQUEST.get(behaviour.manner)
        if request is not None:
            self._later(behaviour.after_s, request, call_id)

    def _goes_on(self, call_id: str, what: _Happening) -> None:
        call = self._calls[call_id]
        if what.word == "answered":
            self._calls[call_id] = replace(call, outcome=RingOutcome.ANSWERED, answered_at=what.at)
            self._line_of(call_id).talk_to(self._far_ports[call_id])
            talks_s = self._behaviours[call_id].talks_s
            if talks_s is not None:
                self._later(talks_s - (time.time() - what.at), "HANGUP", call_id)
        elif what.word == "ended":
            ended_by = EndedBy.AGENT if what.rest[0] == "here" else EndedBy.SYSTEM
            self._calls[call_id] = replace(call, ended_at=what.at, ended_by=ended_by)
            self._line_of(call_id).fall_silent()
        else:
            self._calls[call_id] = replace(call, outcome=RingOutcome(what.word), ended_at=what.at)

    def _later(self, after_s: float, request: str, call_id: str) -> None:
        loop = asyncio.get_running_loop()
        self._timers.append(loop.call_later(max(0.0, after_s), self._tell, request, call_id))

    def _tell(self, request: str, call_id: str) -> None:
        self._sipp.tell(request, call_id, media_port=self._line_of(call_id).port if request == "ANSWER" else None)

    def _tell_all(self, request: str, *, while_ringing: bool, whose: str | None = None) -> None:
        for call_id, call in self._calls.items():
            wanted = whose in (None, call.agent) and (call.outcome is RingOutcome.RINGING) == while_ringing
            if call.ended_at is None and wanted:
                self._tell(request, call_id)


class SippAgent(_Telephones):
    """An agent's telephone, played by one sipp process: registers, rings, and does what its behaviour says."""

    def __init__(
        self,
        program: Program,
        *,
        account: str,
        secret: str,
        exchange: RtpExchange,
        folder: Path,
        tone_hz: int = 0,
        behaviour: Callable[[str], Behaviour] = lambda caller: ANSWERS,
        most_s: float = LONGEST_S,
    ) -> None:
        """`behaviour` is asked once per call, when it rings, with the number that the telephone shows. `most_s` bounds
        the telephone's life, whatever becomes of us: sipp ends itself."""
        super().__init__(behaviour=behaviour)
        self.account = account
        self._secret = secret
        self._most_s = most_s
        self._exchange = exchange
        self._folder = folder
        self._program = program
        self._sipp = self._new_sipp()
        self.line = exchange.open_line(tone_hz=tone_hz)
        """What the agent says and hears."""
        self._registration = ""
        self._registered = False
        self._turned_away = False

    async def start(self, *, sip_port: int) -> None:
        """Register (again, after `unplug`); returns when that has happened. Raises `SippFailed` when it does not."""
        self._sipp = self._new_sipp()
        self._registered = self._turned_away = False
        challenge = f"[authentication username={self.account} password={self._secret}]"
        table = _write_table(self._folder / f"agent-{self.account}.csv", [f"{self.account};{challenge}"])
        with _scenario("registration.xml") as registration, _scenario("telephone.xml") as telephone:
            await self._sipp.start(
                *("-sf", str(registration), "-inf", str(table), "-rxsf", str(telephone)),
                *("-m", "1", "-r", "1", "-l", "20"),
                sip_port=sip_port,
                most_s=self._most_s,
            )
            await _until(
                lambda: self._registered or self._turned_away or not self._sipp.running, timeout_s=_REGISTER_TIMEOUT_S
            )
        if not self._registered:
            why = "its password is refused" if self._turned_away else self._sipp.last_words()
            await self._sipp.stop()
            raise SippFailed(f"agent {self.account}'s telephone cannot register: {why}")

    @property
    def registered(self) -> bool:
        """Whether the last that sipp heard is that it is registered, and it still runs."""
        return self._registered and self._sipp.running

    @property
    def calls(self) -> tuple[AgentCall, ...]:
        """What sipp has seen so far, in the order in which the telephone rang."""
        return tuple(self._calls.values())

    @property
    def talking_with(self) -> str | None:
        """The number that the telephone shows, while it talks."""
        for call in self._calls.values():
            if call.answered_at is not None and call.ended_at is None:
                return call.caller
        return None

    @property
    def ringing_for(self) -> str | None:
        """The number that the telephone shows, while it rings."""
        for call in self._calls.values():
            if call.outcome is RingOutcome.RINGING and call.ended_at is None:
                return call.caller
        return None

    def answer(self) -> None:
        """Pick up what rings."""
        self._tell_all("ANSWER", while_ringing=True)

    def hang_up(self) -> None:
        """End what is being talked."""
        self._tell_all("HANGUP", while_ringing=False)

    def register_again(self) -> None:
        """Register now and not only when it is time to, as after Asterisk was started anew."""
        if self._registration:
            self._sipp.tell("AGAIN", self._registration)

    async def unplug(self) -> None:
        """The telephone vanishes without a word; what it was talking is ended by nobody."""
        self._sipp.kill()
        await self._sipp.stop()
        self.line.fall_silent()
        for call_id, call in self._calls.items():
            if call.ended_at is None:
                self._calls[call_id] = replace(call, ended_at=time.time())

    async def stop(self) -> None:
        """Hang up, unregister, end."""
        for timer in self._timers:
            timer.cancel()
        if self._sipp.running:
            self.hang_up()
            await _until(lambda: self.talking_with is None or not self._sipp.running, timeout_s=_STOP_TIMEOUT_S)
            if self._registration:
                self._sipp.tell("LEAVE", self._registration)
                await _until(lambda: not self.registered, timeout_s=_STOP_TIMEOUT_S)
        await self._sipp.stop()
        self._exchange.close_line(self.line)

    def _line_of(self, call_id: str) -> RtpLine:
        return self.line

    def _new_sipp(self) -> _Sipp:
        return _Sipp(self._program, folder=self._folder, name=f"agent-{self.account}", happened=self._happened)

    def _happened(self, what: _Happening) -> None:
        if what.word in ("registered", "turned_away", "gone"):
            self._registration = what.rest[0]
            self._registered = what.word == "registered"
            self._turned_away = what.word == "turned_away"
        elif what.word == "ringing":
            caller = what.rest[2] if len(what.rest) > 2 else ""
            call = AgentCall(agent=self.account, caller=caller, rang_at=what.at)
            self._rings(what.subject, call, far_port=int(what.rest[0]), asked_about=caller)
        elif what.word != "alive":
            self._goes_on(what.subject, what)


class SippCalled(_Telephones):
    """Telephones of citizens who are called, all at one address as behind a carrier, played by one sipp process. Any
    number rings; what it does is what the behaviour says."""

    def __init__(
        self,
        program: Program,
        *,
        port: int,
        exchange: RtpExchange,
        folder: Path,
        tone_hz: int = 0,
        behaviour: Callable[[str], Behaviour] = lambda number: ANSWERS,
        name: str = "called",
        most_s: float = LONGEST_S,
    ) -> None:
        """`port` on loopback is where calls to citizens are sent. `behaviour` is asked once per call, when it rings,
        with the number that was dialled. `most_s` bounds their life, whatever becomes of us: sipp ends itself."""
        super().__init__(behaviour=behaviour)
        self.port = port
        self._exchange = exchange
        self._tone_hz = tone_hz
        self._most_s = most_s
        self._alive = False
        self._sipp = _Sipp(program, folder=folder, name=name, happened=self._happened)
        self.lines: dict[str, RtpLine] = {}
        """What each citizen says and hears, by number, from when the telephone first rings."""

    async def start(self, *, sip_port: int) -> None:
        """Be there; returns when that is so. Raises `SippFailed` when it does not come to be."""
        with _scenario("telephone.xml") as telephone:
            await self._sipp.start(
                *("-sf", str(telephone), "-l", "500"), sip_port=sip_port, most_s=self._most_s, own_port=self.port
            )
            for turn in range(round(_REGISTER_TIMEOUT_S / _ASK_EVERY_S)):
                self._sipp.tell("OPTIONS", f"are-you-there-{turn}")
                if await _until(lambda: self._alive or not self._sipp.running, timeout_s=_ASK_EVERY_S):
                    break
        if not self._alive:
            await self._sipp.stop()
            raise SippFailed(f"citizens' telephones cannot be called: {self._sipp.last_words()}")

    @property
    def calls(self) -> tuple[CalledCall, ...]:
        """What sipp has seen so far, in the order in which the telephones rang."""
        return tuple(
            CalledCall(
                number=call.agent,
                shown=call.caller,
                rang_at=call.rang_at,
                outcome=call.outcome,
                answered_at=call.answered_at,
                ended_at=call.ended_at,
                ended_by=EndedBy.CITIZEN if call.ended_by is EndedBy.AGENT else call.ended_by,
            )
            for call in self._calls.values()
        )

    def calls_to(self, number: str) -> tuple[CalledCall, ...]:
        """The calls to one number."""
        return tuple(call for call in self.calls if call.number == number)

    def ringing(self, number: str) -> bool:
        return any(call.outcome is RingOutcome.RINGING and call.ended_at is None for call in self.calls_to(number))

    def talking(self, number: str) -> bool:
        return any(call.answered_at is not None and call.ended_at is None for call in self.calls_to(number))

    def answer(self, number: str) -> None:
        """Pick up what rings."""
        self._tell_all("ANSWER", while_ringing=True, whose=number)

    def hang_up(self, number: str) -> None:
        """End what is being talked."""
        self._tell_all("HANGUP", while_ringing=False, whose=number)

    async def stop(self) -> None:
        """Hang up, end."""
        for timer in self._timers:
            timer.cancel()
        if self._sipp.running:
            self._tell_all("HANGUP", while_ringing=False)
            await _until(
                lambda: not any(call.answered_at and call.ended_at is None for call in self.calls),
                timeout_s=_STOP_TIMEOUT_S,
            )
        await self._sipp.stop()
        for line in self.lines.values():
            self._exchange.close_line(line)

    def _line_of(self, call_id: str) -> RtpLine:
        return self.lines[self._calls[call_id].agent]

    def _happened(self, what: _Happening) -> None:
        if what.word == "alive":
            self._alive = True
        elif what.word == "ringing":
            number, shown = what.rest[1], what.rest[2] if len(what.rest) > 2 else ""
            if number not in self.lines:
                self.lines[number] = self._exchange.open_line(tone_hz=self._tone_hz)
            call = AgentCall(agent=number, caller=shown, rang_at=what.at)
            self._rings(what.subject, call, far_port=int(what.rest[0]), asked_about=number)
        else:
            self._goes_on(what.subject, what)


async def _until(met: Callable[[], bool], *, timeout_s: float) -> bool:
    """Whether it came to be within that time."""
    for _ in range(round(timeout_s / _READ_EVERY_S)):
        if met():
            return True
        await asyncio.sleep(_READ_EVERY_S)
    return met()


def _scenario(name: str) -> contextlib.AbstractContextManager[Path]:
    return resources.as_file(resources.files("telefonista.app") / "scenarios" / name)


def _write_table(path: Path, rows: Sequence[str]) -> Path:
    """A file of values for sipp, which holds passwords."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write("\n".join(("SEQUENTIAL", *rows, "")))
    return path


def _free_udp_ports(count: int) -> tuple[int, ...]:
    """Ports on loopback that were free a moment ago."""
    held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return tuple(each.getsockname()[1] for each in held)
    finally:
        for each in held:
            each.close()
