"""Asterisk as a process beside the engine: start it, find it again, ask it, stop it.

It is started in a session of its own, so that neither a Ctrl-C nor a `kill -9` of the engine takes it (and the calls in
it) down; the next engine attaches to the one that is there. In: a `Program` and an `AsteriskPlan` whose files are
written. Out: a running process, or `AsteriskFailed` or `PortTaken` with one line. It asks through Asterisk's own
control socket and never speaks ARI or AMI; it must never import a room other than dialplans.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dialplans import AsteriskPlan
from telefonista.pbx.packages import Program

# Asterisk takes as many as it may, and closes each of them in every AGI script that it starts.
_MOST_OPEN_FILES = 65_536
_PAUSE_S = 0.05
_KILL_TIMEOUT_S = 5.0
_NEEDED_APPLICATIONS = ("StasisBroadcast", "Queue", "MixMonitor", "AGI")
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TERM")
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


_PID_FILE = "telefonista-asterisk.pid"


class AsteriskFailed(Exception):
    """Asterisk does not start, does not answer, or is not there; the message is one line."""


class PortTaken(AsteriskFailed):
    """A port that the plan needs is in use."""


@dataclass(frozen=True, slots=True)
class _Identity:
    """A process that cannot be mistaken for a later one of the same number: `started` is in clock ticks since boot."""

    pid: int
    started: str


class AsteriskProcess:
    """The one Asterisk of a plan. Its configuration must have been written (`dialplans.write_configuration`)."""

    def __init__(self, program: Program, *, plan: AsteriskPlan) -> None:
        self._program = program
        self._plan = plan
        self._configuration = f"{plan.folders.configuration}/asterisk.conf"
        self._pid_file = Path(plan.folders.run) / _PID_FILE
        self._console = Path(plan.folders.log) / "console.log"
        self._child: subprocess.Popen[bytes] | None = None
        self._identity: _Identity | None = None

    @property
    def pid(self) -> int | None:
        """The process's number, while it is alive."""
        return self._identity.pid if self._identity is not None and self.alive() else None

    @property
    def console_log(self) -> Path:
        """What it printed since it was last started."""
        return self._console

    def start(self) -> None:
        """Start it; returns at once (see `wait_ready`). Does nothing when it is already running.

        Raises `PortTaken` before anything is started, `AsteriskFailed` when it cannot be executed."""
        if self.alive() or self.attach():
            return
        check_ports(self._plan)
        command = self._program.command("-C", self._configuration, "-f", "-n")
        try:
            with self._console.open("wb") as console:
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=subprocess.STDOUT,
                    cwd=self._plan.folders.run,
                    env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                    start_new_session=True,
                )
        except OSError as failure:
            raise AsteriskFailed(f"{command[0]} cannot be started: {failure.strerror or failure}") from failure
        self._child = child
        self._identity = _identity(child.pid)
        _allow_many_files(child.pid)
        self._pid_file.write_text(f"{child.pid}\n")

    def attach(self) -> bool:
        """Whether one started earlier, by this engine or one before it, is running; from then on it is this one."""
        pid = running_pid(Path(self._plan.folders.run), configuration=self._configuration)
        self._identity = None if pid is None else _identity(pid)
        return self._identity is not None

    def alive(self) -> bool:
        """Whether it runs now. Cheap: no command is started."""
        if self._identity is None:
            return False
        if self._child is not None and self._child.pid == self._identity.pid:
            return self._child.poll() is None
        return _identity(self._identity.pid) == self._identity

    async def wait_ready(self, timeout_s: float = 30.0) -> float:
        """Wait until it takes calls; returns the seconds that took.

        Raises `AsteriskFailed` when it ends before that, or is not ready in time."""
        began = time.monotonic()
        deadline = began + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            if not self.alive():
                raise AsteriskFailed(f"Asterisk ended while starting: {self._last_words()}")
            try:
                answer = await self.rx("core waitfullybooted", timeout_s=left_s)
            except AsteriskFailed:
                await asyncio.sleep(_PAUSE_S)
                continue
            if "fully booted" in answer:
                return time.monotonic() - began
        raise AsteriskFailed(f"Asterisk is not ready after {timeout_s:.0f} s: {self._last_words()}")

    async def stop(self, timeout_s: float = 10.0) -> None:
        """End it and what it started: politely (calls are hung up, `core stop now`), then by force.

        Does nothing when it is not running. Raises `AsteriskFailed` when the kernel does not let go of it."""
        identity = self._identity if self.alive() else None
        if identity is None:
            self._forget()
            return
        _signal(identity, signal.SIGTERM)
        if not await self._ends_within(timeout_s):
            _signal(identity, signal.SIGKILL)
            if not await self._ends_within(_KILL_TIMEOUT_S):
                raise AsteriskFailed(f"Asterisk (pid {identity.pid}) cannot be ended, not even by SIGKILL")
        self._forget()

    async def _ends_within(self, timeout_s: float) -> bool:
        for _ in range(max(1, round(timeout_s / _PAUSE_S))):
            if not self.alive():
                return True
            await asyncio.sleep(_PAUSE_S)
        return not self.alive()

    async def rx(self, command: str, *, timeout_s: float = 10.0) -> str:
        """What Asterisk's command line answers to `command`.

        Raises `AsteriskFailed` when it cannot be asked or does not answer within `timeout_s` seconds."""
        if any(ord(character) < 32 for character in command):
            raise ValueError("a command is one line")
        process = await asyncio.create_subprocess_exec(
            *self._program.command("-C", self._configuration, "-r", "-x", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(timeout_s):
                output, _ = await process.communicate()
        except TimeoutError:
            raise AsteriskFailed(f"Asterisk did not answer {command!r} within {timeout_s:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = _COLOURS.sub("", output.decode(errors="replace"))
        if process.returncode != 0 or text.startswith("Unable to connect to remote asterisk"):
            raise AsteriskFailed(f"Asterisk cannot be asked {command!r}: {_one_line(text)}")
        return text

    async def check_features(self) -> list[str]:
        """What the running one lacks of what the engine needs, one line each; empty when all is there.

        Raises `AsteriskFailed` when it cannot be asked."""
        problems = [
            f"module {name} is not running: {state or 'not loaded'}"
            for name, state in sorted(self._wanted_modules(await self.rx("module show")).items())
            if state != "Running"
        ]
        shown = {name: await self.rx(f"core show application {name}") for name in _NEEDED_APPLICATIONS}
        problems += [
            f"there is no dialplan application {name}" for name, text in shown.items() if "not registered" in text
        ]
        if "engine" not in await self.rx("ari show outbound-websockets"):
            problems.append("no outbound ARI WebSocket is configured")
        return problems

    def _wanted_modules(self, shown: str) -> dict[str, str | None]:
        """State by name of every module that modules.conf asks for."""
        states: dict[str, str] = {}
        for line in shown.splitlines():
            match = re.match(r"(\S+\.so)\s.*?\s\d+\s+(Running|Not Running)\s", line)
            if match is not None:
                states[match[1]] = match[2]
        wanted = re.findall(
            r"^(?:pre)?load\s*=>?\s*(\S+\.so)",
            (Path(self._plan.folders.configuration) / "modules.conf").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
        return {name: states.get(name) for name in wanted}

    def _last_words(self) -> str:
        """The lines that explain a failed start best."""
        try:
            lines = _COLOURS.sub("", self._console.read_text(errors="replace")).splitlines()
        except OSError:
            lines = []
        errors = [line for line in lines if "ERROR" in line or "error while loading" in line]
        return _one_line("\n".join((errors or lines)[-3:])) + f" (all of it in {self._console})"

    def _forget(self) -> None:
        self._child = None
        self._identity = None
        self._pid_file.unlink(missing_ok=True)


def running_pid(run_folder: Path, *, configuration: str) -> int | None:
    """The process number of the Asterisk that runs with this `asterisk.conf` (and is not one of its command-line
    clients), by the notes that it and we left in its run folder; None when there is none."""
    for name in (_PID_FILE, "asterisk.pid"):
        try:
            pid = int((run_folder / name).read_text())
        except (OSError, ValueError):
            continue
        arguments = _command_line(pid)
        if "-C" in arguments and configuration in arguments and "-r" not in arguments:
            return pid
    return None


def check_ports(plan: AsteriskPlan) -> None:
    """Raise `PortTaken`, naming the port and who holds it where that can be known, when Asterisk could not listen."""
    wanted = (
        ("SIP", plan.ports.sip_address, plan.ports.sip, socket.SOCK_DGRAM),
        ("SIP", plan.ports.sip_address, plan.ports.sip, socket.SOCK_STREAM),
        ("AMI", "127.0.0.1", plan.ports.manager, socket.SOCK_STREAM),
        *(
            [("SIP over TLS", plan.ports.sip_address, plan.ports.sip_tls, socket.SOCK_STREAM)]
            if plan.ports.sip_tls
            else []
        ),
    )
    for purpose, address, port, kind in wanted:
        refusal = _refusal(address, port=port, kind=kind)
        if refusal is None:
            continue
        protocol = "udp" if kind == socket.SOCK_DGRAM else "tcp"
        if refusal == errno.EADDRINUSE:
            holder = port_holder(port, protocol=protocol)
            by = f" by {holder}" if holder else ""
            raise PortTaken(f"{purpose} port {port}/{protocol} is in use{by}: stop that, or choose another port")
        raise PortTaken(f"{purpose} cannot listen on {address} port {port}/{protocol}: {os.strerror(refusal)}")


def _refusal(address: str, *, port: int, kind: socket.SocketKind) -> int | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if kind == socket.SOCK_STREAM:
            # As Asterisk does: connections of a call that ended a minute ago do not hold the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as refusal:
            return refusal.errno
    return None


def port_holder(port: int, *, protocol: str) -> str:
    """The program and process number that hold a port, as `name (pid 123)`; empty when that cannot be known (another
    user's process, or no /proc)."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port, protocol=protocol)}
    if not sockets:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(descriptor) in sockets for descriptor in (process / "fd").iterdir()):
                return f"{_program_name(process)} (pid {process.name})"
        except OSError:
            continue
    return ""


def _program_name(process: Path) -> str:
    arguments = _command_line(int(process.name))
    # A program run through a loader of its own is called after the loader in `comm`.
    if len(arguments) > 3 and "/ld-linux" in arguments[0] and arguments[1] == "--library-path":
        return Path(arguments[3]).name
    return (process / "comm").read_text().strip()


def _inodes(port: int, *, protocol: str) -> Iterator[str]:
    for table in (protocol, f"{protocol}6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            listening = protocol == "udp" or fields[3] == "0A"
            if listening and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _command_line(pid: int) -> list[str]:
    """A process's arguments; empty when it is gone, a zombie, or not ours to see."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def _identity(pid: int) -> _Identity | None:
    try:
        # The name in parentheses may hold blanks and parentheses: fields are counted after the last one (proc(5)).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        # Its first thread may be a zombie while others still end, and hold the ports; nobody may ever reap it.
        gone = fields[0] == "Z" and len(os.listdir(f"/proc/{pid}/task")) <= 1
    except OSError:
        return None
    return None if gone else _Identity(pid, fields[19])


def _signal(identity: _Identity, number: signal.Signals) -> None:
    """To the process; by force to its whole session, so that no AGI script of its is left."""
    if _identity(identity.pid) != identity:
        return
    try:
        if number is signal.SIGKILL:
            os.killpg(identity.pid, number)
        else:
            os.kill(identity.pid, number)
    except ProcessLookupError:
        return


def _allow_many_files(pid: int) -> None:
    try:
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        most = min(hard, _MOST_OPEN_FILES) if hard != resource.RLIM_INFINITY else _MOST_OPEN_FILES
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, hard))
    except OSError:
        # Gone already, or a limit set from outside: fewer calls, not none.
        return


def _one_line(text: str) -> str:
    return " / ".join(line.strip() for line in text.splitlines() if line.strip())[:400] or "it said nothing"
