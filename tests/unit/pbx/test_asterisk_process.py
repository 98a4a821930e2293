"""Starting, finding again, asking and stopping, with a program that plays Asterisk as far as a process goes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dialplans import (
    AsteriskPlan,
    Contingency,
    Folders,
    Link,
    Manager,
    Ports,
    PublicNumber,
    write_configuration,
)
from telefonista.pbx.asterisk import AsteriskFailed, AsteriskProcess, PortTaken, check_ports, port_holder
from telefonista.pbx.packages import Program
from tests.ports import free_port

SECRET = "x" * 16
PATIENCE_S = 15.0

PLAYED = """
import pathlib, signal, sys, time
folder = pathlib.Path(__file__).parent
mode = (folder / "mode").read_text() if (folder / "mode").exists() else ""
if "-r" in sys.argv:
    command = sys.argv[sys.argv.index("-x") + 1]
    if mode == "deaf":
        time.sleep(600)
    if not (folder / "up").exists():
        print("Unable to connect to remote asterisk (does /run/asterisk.ctl exist?)")
        sys.exit(1)
    answers = folder / "answers"
    path = answers / command.replace(" ", "_")
    print("\\x1b[0m" + (path.read_text() if path.exists() else f"answer to {command}"))
    sys.exit(0)
if mode == "fails":
    print("[2026] WARNING: something")
    print("[2026] ERROR: cannot read pjsip.conf")
    print("bye")
    sys.exit(1)
if mode == "silent":
    sys.exit(1)
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
(folder / "up").write_text("")
time.sleep(600)
"""

MODULES = """\
Module                         Description                              Use Count  Status      Support Level
app_queue.so                   True Call Queueing                       0          Running              core
res_agi.so                     Asterisk Gateway Interface (AGI)         0          Not Running          core
2 modules loaded
"""


class Stage:
    """A plan in a home of its own, and the program that plays Asterisk there."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.plan = AsteriskPlan(
            node="montevideo-1",
            folders=Folders.under(str(home), modules="/nowhere", shared="/nowhere"),
            ports=Ports(sip=free_port(), manager=free_port(), fastagi=4573, rtp_first=10000, rtp_last=10100),
            link=Link("ws://127.0.0.1:8088/ari", "telefonista", SECRET, SECRET),
            manager=Manager("telefonista", SECRET),
            contingency=Contingency(f"{home}/m", f"{home}/agi", f"{home}/spool"),
            numbers=(PublicNumber("4636", "0800-info"),),
            trunks=(),
            agents=(),
        )
        write_configuration(self.plan)
        path = home / "asterisk.py"
        path.write_text(f"#!{sys.executable}\n{PLAYED}")
        path.chmod(0o755)
        self.program = Program(path)
        self.answer("core waitfullybooted", "Asterisk has fully booted.")
        self.started: list[AsteriskProcess] = []

    def process(self) -> AsteriskProcess:
        made = AsteriskProcess(self.program, plan=self.plan)
        self.started.append(made)
        return made

    def mode(self, name: str) -> None:
        (self.home / "mode").write_text(name)

    def answer(self, command: str, text: str) -> None:
        folder = self.home / "answers"
        folder.mkdir(exist_ok=True)
        (folder / command.replace(" ", "_")).write_text(text)

    @property
    def pid_file(self) -> Path:
        return Path(self.plan.folders.run) / "telefonista-asterisk.pid"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(tmp_path)
    yield made
    for process in made.started:
        await process.stop(0.1)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_it_is_ready_once_it_says_that_it_has_booted(stage: Stage) -> None:
    process = stage.process()
    assert not process.alive()
    assert process.pid is None
    process.start()
    assert 0 <= await process.wait_ready(PATIENCE_S) < PATIENCE_S
    assert process.alive()
    assert stage.pid_file.read_text() == f"{process.pid}\n"


async def test_it_runs_in_a_session_of_its_own(stage: Stage) -> None:
    process = stage.process()
    process.start()
    assert process.pid is not None
    assert os.getsid(process.pid) == process.pid != os.getsid(0)


async def test_it_learns_nothing_of_the_engines_environment(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEFONISTA_DATABASE", "postgresql://with-a-password")
    process = stage.process()
    process.start()
    await process.wait_ready(PATIENCE_S)
    assert b"with-a-password" not in environment_of(process)


def environment_of(process: AsteriskProcess) -> bytes:
    return Path(f"/proc/{process.pid}/environ").read_bytes()


async def test_starting_what_runs_already_starts_nothing(stage: Stage) -> None:
    first = stage.process()
    first.start()
    pid = first.pid
    first.start()
    second = stage.process()
    second.start()
    assert (first.pid, second.pid) == (pid, pid)


async def test_one_of_an_earlier_run_is_found_and_stopped(stage: Stage) -> None:
    first = stage.process()
    first.start()
    second = stage.process()
    assert second.attach()
    assert second.alive()
    await second.stop()
    assert not second.alive()
    assert not first.alive()
    assert not stage.pid_file.exists()
    assert not second.attach()


async def test_a_pid_file_that_names_another_program_is_not_believed(stage: Stage) -> None:
    with subprocess_of("import time; time.sleep(600)") as other:
        stage.pid_file.write_text(str(other.pid))
        process = stage.process()
        assert not process.attach()
        await process.stop()
        assert other.poll() is None
        other.kill()


def subprocess_of(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code])


@pytest.mark.parametrize("text", ["", "no number", "999999999"])
async def test_a_pid_file_of_nobody_is_not_believed(stage: Stage, text: str) -> None:
    stage.pid_file.write_text(text)
    assert not stage.process().attach()


async def test_a_client_of_the_command_line_is_not_taken_for_asterisk(stage: Stage) -> None:
    stage.mode("deaf")
    process = stage.process()
    with client_of(stage) as client:
        await until(lambda: b"-r" in Path(f"/proc/{client.pid}/cmdline").read_bytes().split(b"\0"))
        stage.pid_file.write_text(str(client.pid))
        assert not process.attach()
        client.kill()


def client_of(stage: Stage) -> subprocess.Popen[bytes]:
    configuration = f"{stage.plan.folders.configuration}/asterisk.conf"
    return subprocess.Popen(stage.program.command("-C", configuration, "-r", "-x", "core show uptime"))


async def test_one_that_will_not_end_is_ended_by_force(stage: Stage) -> None:
    stage.mode("stubborn")
    process = stage.process()
    process.start()
    await process.wait_ready(PATIENCE_S)
    await process.stop(0.2)
    assert not process.alive()


async def test_one_that_died_by_itself_is_seen_to_be_dead_and_can_be_started_again(stage: Stage) -> None:
    process = stage.process()
    process.start()
    first = process.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: not process.alive())
    process.start()
    assert process.pid not in (None, first)


async def test_stopping_what_does_not_run_does_nothing(stage: Stage) -> None:
    process = stage.process()
    await process.stop()
    assert not process.alive()


async def test_a_start_that_fails_is_told_by_its_errors_in_one_line(stage: Stage) -> None:
    stage.mode("fails")
    process = stage.process()
    process.start()
    with pytest.raises(AsteriskFailed, match=r"cannot read pjsip\.conf") as failure:
        await process.wait_ready(PATIENCE_S)
    assert "\n" not in str(failure.value)
    assert "something" not in str(failure.value)
    assert str(process.console_log) in str(failure.value)


async def test_a_start_that_fails_without_a_word_is_told_as_such(stage: Stage) -> None:
    stage.mode("silent")
    process = stage.process()
    process.start()
    with pytest.raises(AsteriskFailed, match="it said nothing"):
        await process.wait_ready(PATIENCE_S)


async def test_one_that_is_not_ready_in_time_is_told_as_such(stage: Stage) -> None:
    stage.answer("core waitfullybooted", "still loading")
    process = stage.process()
    process.start()
    with pytest.raises(AsteriskFailed, match="not ready after 1 s"):
        await process.wait_ready(0.6)


async def test_a_program_that_cannot_be_executed_is_one_line(stage: Stage) -> None:
    process = AsteriskProcess(Program(stage.home / "nothing"), plan=stage.plan)
    with pytest.raises(AsteriskFailed, match="cannot be started: No such file"):
        process.start()
    assert not process.alive()


async def test_answers_come_without_colours(stage: Stage) -> None:
    process = stage.process()
    process.start()
    await process.wait_ready(PATIENCE_S)
    assert await process.rx("core show uptime") == "answer to core show uptime\n"


async def test_asking_one_that_is_not_there_is_one_line(stage: Stage) -> None:
    with pytest.raises(AsteriskFailed, match="Unable to connect"):
        await stage.process().rx("core show uptime")


async def test_one_that_does_not_answer_is_given_up(stage: Stage) -> None:
    stage.mode("deaf")
    with pytest.raises(AsteriskFailed, match="did not answer"):
        await stage.process().rx("core show uptime", timeout_s=0.3)


@pytest.mark.parametrize("command", ["a\nb", "a\0b", "a\rb"])
async def test_a_command_of_more_than_one_line_is_refused(stage: Stage, command: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        await stage.process().rx(command)


async def test_what_is_missing_is_listed(stage: Stage) -> None:
    (Path(stage.plan.folders.configuration) / "modules.conf").write_text(
        "[modules]\npreload = app_queue.so\nload => res_agi.so\n; load = app_dial.so\nload = app_read.so\n"
    )
    stage.answer("module show", MODULES)
    stage.answer("core show application MixMonitor", "Your application(s) is (are) not registered")
    process = stage.process()
    process.start()
    await process.wait_ready(PATIENCE_S)
    assert await process.check_features() == [
        "module app_read.so is not running: not loaded",
        "module res_agi.so is not running: Not Running",
        "there is no dialplan application MixMonitor",
        "no outbound ARI WebSocket is configured",
    ]
    stage.answer("ari show outbound-websockets", "engine  persistent  telefonista  valid")
    assert len(await process.check_features()) == 3


@pytest.mark.parametrize(("kind", "protocol"), [(socket.SOCK_DGRAM, "udp"), (socket.SOCK_STREAM, "tcp")])
async def test_a_taken_sip_port_is_named_with_its_holder(stage: Stage, kind: socket.SocketKind, protocol: str) -> None:
    check_ports(stage.plan)
    with socket.socket(type=kind) as holder:
        holder.bind(("127.0.0.1", stage.plan.ports.sip))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        with pytest.raises(PortTaken, match=rf"SIP port \d+/{protocol} is in use by .+ \(pid {os.getpid()}\)"):
            stage.process().start()


async def test_a_taken_manager_port_is_named(stage: Stage) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", stage.plan.ports.manager))
        holder.listen()
        with pytest.raises(PortTaken, match=rf"AMI port {stage.plan.ports.manager}/tcp is in use"):
            check_ports(stage.plan)


async def test_an_address_that_is_not_this_machines_is_told_apart_from_a_taken_port(tmp_path: Path) -> None:
    plan = Stage(tmp_path).plan
    with pytest.raises(PortTaken, match=r"cannot listen on 192\.0\.2\.1"):
        check_ports(replace(plan, ports=replace(plan.ports, sip_address="192.0.2.1")))


def test_a_free_port_has_no_holder() -> None:
    assert port_holder(free_port(), protocol="tcp") == ""
