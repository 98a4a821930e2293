"""A real Asterisk with the rendered configuration: it boots without a complaint, dials the engine, keeps its doors
closed, and takes care of a call by itself when no engine is there."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import random
import re
import signal
import socket
import subprocess
import sys
import time
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosedError

import dialplans
from dialplans import (
    AgentAccount,
    AsteriskPlan,
    CitizenAccount,
    Contingency,
    Folders,
    Link,
    Manager,
    Ports,
    PublicNumber,
    Trunk,
    write_configuration,
)
from dialplans.service import write_contingency_program
from telefonista.pbx.asterisk import AsteriskFailed, AsteriskProcess, PortTaken, check_ports
from telefonista.pbx.packages import Tool, Toolbox, default_folder, ensure
from tests.ports import free_port

CASE = Path(__file__).parent / "contingency"
SECRET = "prueba-de-arranque"
LINK_SECRET = "secreto-del-enlace"
RTP_PORTS = 40
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def toolbox() -> Toolbox:
    return ensure(default_folder(), wanted=set(Tool), report=print)


def free_rtp_ports() -> int:
    """The first, even, of a block of UDP ports that are free now; below those that the system gives out by itself."""
    while True:
        first = random.randrange(11_000, 32_000, 2)
        sockets = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(RTP_PORTS)]
        try:
            for index, one in enumerate(sockets):
                one.bind(("127.0.0.1", first + index))
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
        return first


def sound(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(wave.open(str(path), "wb")) as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\x00\x08\x00\xf8" * 1000)


def plan_in(home: Path, *, toolbox: Toolbox) -> AsteriskPlan:
    sound(home / "music" / "espera.wav")
    sound(home / "prompts" / "contingencia.wav")
    folders = Folders.under(str(home), modules=str(toolbox.asterisk_modules), shared=str(toolbox.asterisk_shared))
    rtp_first = free_rtp_ports()
    plan = AsteriskPlan(
        node="montevideo-1",
        folders=folders,
        ports=Ports(
            sip=free_port(),
            manager=free_port(),
            fastagi=free_port(),
            rtp_first=rtp_first,
            rtp_last=rtp_first + RTP_PORTS - 1,
        ),
        link=Link(
            uri=f"ws://127.0.0.1:{free_port()}/ari",
            username="telefonista",
            password=LINK_SECRET,
            user_secret=SECRET,
        ),
        manager=Manager(username="telefonista", password=SECRET),
        contingency=Contingency(
            message=str(home / "prompts" / "contingencia"),
            agi=f"{folders.agi}/telefonista-contingency",
            record_folder=str(home / "spool"),
        ),
        numbers=(PublicNumber("4636", "0800-info"), PublicNumber("*463", "0800-info")),
        trunks=(Trunk("ciudadanos", ("127.0.0.1",)),),
        agents=(AgentAccount("101", SECRET, title="Mesa de trámites"),),
        citizens=(CitizenAccount("ciudadano", SECRET),),
        qualify_s=0,
    )
    write_configuration(plan)
    write_contingency_program(Path(plan.contingency.agi), python=sys.executable)
    return plan


@pytest.fixture
def plan(tmp_path: Path, toolbox: Toolbox) -> AsteriskPlan:
    return plan_in(tmp_path, toolbox=toolbox)


@asynccontextmanager
async def running(plan: AsteriskPlan, *, toolbox: Toolbox) -> AsyncIterator[AsteriskProcess]:
    process = AsteriskProcess(toolbox.asterisk, plan=plan)
    process.start()
    try:
        await process.wait_ready(PATIENCE_S)
        yield process
    finally:
        await process.stop()


async def until(condition: Callable[[], bool], *, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:.0f} s: {what}"
        await asyncio.sleep(0.05)


def processes_of(plan: AsteriskPlan) -> list[str]:
    """Command lines of every process that was told of this home folder, but for the test itself."""
    home = str(Path(plan.folders.configuration).parent.parent).encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes()
        except OSError:
            continue
        if home in arguments and path.parent.name != str(os.getpid()):
            found.append(arguments.decode(errors="replace"))
    return found


def files_in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


async def no_process_left(plan: AsteriskPlan) -> None:
    await until(lambda: not processes_of(plan), what="every process of this home folder has ended")


async def no_channel_left(process: AsteriskProcess) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while "0 active channels" not in (shown := await process.rx("core show channels")):
        assert time.monotonic() < deadline, shown
        await asyncio.sleep(0.05)


@dataclass
class Engine:
    """What Asterisk finds when it dials the engine: it takes every call, answers it, and hangs up at once."""

    connections: list[dict[str, str]]
    messages: list[dict[str, Any]]

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    def answers(self, request: str) -> list[int]:
        return [answer["status_code"] for answer in self.of_type("RESTResponse") if answer["request_id"] == request]


class Ask(Protocol):
    async def __call__(self, request: str, method: str, uri: str, **query: str) -> None: ...


@asynccontextmanager
async def engine_at(plan: AsteriskPlan) -> AsyncIterator[Engine]:
    engine = Engine([], [])

    async def talk(link: ServerConnection) -> None:
        async def ask(request: str, method: str, uri: str, **query: str) -> None:
            await link.send(
                json.dumps(
                    {
                        "type": "RESTRequest",
                        "request_id": request,
                        "method": method,
                        "uri": uri,
                        "query_strings": [{"name": name, "value": value} for name, value in query.items()],
                    }
                )
            )

        assert link.request is not None
        engine.connections.append({name.lower(): value for name, value in link.request.headers.raw_items()})
        # Asterisk closes without a closing frame when it stops.
        with suppress(ConnectionClosedError):
            await listen(link, ask)

    async def listen(link: ServerConnection, ask: Ask) -> None:
        async for text in link:
            message = json.loads(text)
            engine.messages.append(message)
            if message["type"] == "ApplicationRegistered":
                # Not before: what arrives with the handshake lies in Asterisk's buffer until more comes.
                await ask("bridges", "GET", "bridges")
            elif message["type"] == "CallBroadcast":
                channel = message["channel"]["id"]
                await ask("claim", "POST", "events/claim", channelId=channel, application="telefonista")
            elif message["type"] == "StasisStart":
                await ask("answer", "POST", f"channels/{message['channel']['id']}/answer")
                await ask("hangup", "DELETE", f"channels/{message['channel']['id']}")
            elif message["type"] == "RESTResponse" and message["status_code"] == 503:
                # Asterisk dials before it has booted.
                await asyncio.sleep(0.02)
                await ask(message["request_id"], "GET", "bridges")

    port = int(plan.link.uri.split(":")[2].split("/")[0])
    async with serve(talk, "127.0.0.1", port, subprotocols=["ari"]):  # type: ignore[list-item]  # a NewType of str
        yield engine


async def sipp(
    toolbox: Toolbox,
    *,
    plan: AsteriskPlan,
    scenario: str,
    folder: Path,
    service: str = "4636",
    port: int = 0,
    **keys: str,
) -> asyncio.subprocess.Process:
    """One call, or one registration, played from a scenario of this case."""
    chosen = [argument for name, value in keys.items() for argument in ("-key", name, value)]
    command = toolbox.sipp.command(
        *("-sf", str(CASE / f"{scenario}.xml"), "-m", "1", "-nostdin", "-s", service, *chosen),
        *("-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", str(port or free_port()), "-mp", str(free_port())),
        *("-timeout", "15", "-timeout_error", "-trace_err", "-error_file", str(folder / f"{scenario}.err")),
        f"127.0.0.1:{plan.ports.sip}",
    )
    return await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


async def played(process: asyncio.subprocess.Process) -> bool:
    """Whether the scenario went as it is written."""
    async with asyncio.timeout(PATIENCE_S):
        return await process.wait() == 0


def complaints(process: AsteriskProcess, *, plan: AsteriskPlan) -> list[str]:
    texts = [(Path(plan.folders.log) / "messages.log").read_text(), process.console_log.read_text()]
    return [line for text in texts for line in text.splitlines() if re.search(r"\b(WARNING|ERROR)\b", line)]


async def test_asterisk_boots_without_a_complaint_and_stops_without_a_trace(
    plan: AsteriskPlan, toolbox: Toolbox
) -> None:
    async with engine_at(plan), running(plan, toolbox=toolbox) as process:
        assert await process.check_features() == []
        assert "montevideo-1" in await process.rx("core show settings")
        assert complaints(process, plan=plan) == []
        assert process.pid is not None
    assert complaints(process, plan=plan) == []
    assert not process.alive()
    await no_process_left(plan)
    check_ports(plan)


async def test_asterisk_dials_the_engine_and_gives_it_the_call_with_its_line(
    plan: AsteriskPlan, toolbox: Toolbox, tmp_path: Path
) -> None:
    async with engine_at(plan) as engine, running(plan, toolbox=toolbox) as process:
        await until(lambda: 200 in engine.answers("bridges"), what="a request is answered in the same socket")
        citizen = await sipp(toolbox, plan=plan, scenario="citizen", folder=tmp_path, service="*463")
        assert await played(citizen)
        await until(lambda: bool(engine.of_type("StasisEnd")), what="the call has left the application")
        await no_channel_left(process)
    (connection,) = engine.connections
    assert connection["sec-websocket-protocol"] == "ari"
    assert connection["authorization"].startswith("Basic ")
    (start,) = engine.of_type("StasisStart")
    assert start["args"] == ["0800-info", "*463", "ciudadanos"]
    assert start["channel"]["id"].startswith("montevideo-1-")
    assert start["channel"]["caller"]["number"] == "099123456"
    assert (engine.answers("claim"), engine.answers("answer"), engine.answers("hangup")) == ([204], [204], [204])


STARTER = """
import pickle, sys, time
from telefonista.pbx.asterisk import AsteriskProcess
program, plan = pickle.load(sys.stdin.buffer)
AsteriskProcess(program, plan=plan).start()
print("started", flush=True)
time.sleep(600)
"""


def start_and_be_killed(plan: AsteriskPlan, *, toolbox: Toolbox) -> None:
    """Another process starts Asterisk and dies of SIGKILL."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(dialplans.__file__).parent.parent,
    ) as starter:
        assert starter.stdin is not None
        assert starter.stdout is not None
        starter.stdin.write(pickle.dumps((toolbox.asterisk, plan)))
        starter.stdin.close()
        assert starter.stdout.readline() == b"started\n"
        os.kill(starter.pid, signal.SIGKILL)


async def test_asterisk_outlives_a_killed_starter_and_is_found_again(plan: AsteriskPlan, toolbox: Toolbox) -> None:
    start_and_be_killed(plan, toolbox=toolbox)
    found = AsteriskProcess(toolbox.asterisk, plan=plan)
    assert found.attach()
    try:
        await found.wait_ready(PATIENCE_S)
        pid = found.pid
        found.start()
        assert found.pid == pid
        (running_one,) = processes_of(plan)
        assert "-f" in running_one.split("\0")
    finally:
        await found.stop()
    assert not found.attach()
    await no_process_left(plan)


async def test_a_port_that_is_taken_is_named_with_its_holder_before_anything_starts(
    plan: AsteriskPlan, toolbox: Toolbox
) -> None:
    process = AsteriskProcess(toolbox.asterisk, plan=plan)
    with socket.socket(type=socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", plan.ports.sip))
        with pytest.raises(PortTaken, match=rf"SIP port {plan.ports.sip}/udp is in use by .*\(pid {os.getpid()}\)"):
            process.start()
    assert not process.alive()
    assert not processes_of(plan)


async def test_an_asterisk_that_cannot_start_says_why_in_one_line(plan: AsteriskPlan, toolbox: Toolbox) -> None:
    (Path(plan.folders.configuration) / "stasis.conf").write_text(
        "[taskpool]\n[declined_message_types]\ndecline = ast_mwi_state_type\n"
    )
    process = AsteriskProcess(toolbox.asterisk, plan=plan)
    process.start()
    with pytest.raises(AsteriskFailed, match=r"ended while starting: .*ERROR") as failure:
        await process.wait_ready(PATIENCE_S)
    assert "\n" not in str(failure.value)
    await process.stop()
    await no_process_left(plan)


async def test_two_nodes_run_side_by_side(tmp_path: Path, toolbox: Toolbox) -> None:
    plans = [plan_in(tmp_path / name, toolbox=toolbox) for name in ("a", "b")]
    async with running(plans[0], toolbox=toolbox) as first, running(plans[1], toolbox=toolbox) as second:
        assert first.pid != second.pid
        assert [await one.check_features() for one in (first, second)] == [[], []]
    for one in plans:
        await no_process_left(one)


async def ami(plan: AsteriskPlan, *actions: dict[str, str], secret: str = SECRET) -> list[str]:
    """The responses' messages to a log-in and then each action."""
    reader, writer = await asyncio.open_connection("127.0.0.1", plan.ports.manager)
    login = {"Action": "Login", "Username": plan.manager.username, "Secret": secret, "Events": "off"}
    answers = []
    try:
        await reader.readline()
        for action in (login, *actions):
            writer.write("".join(f"{name}: {value}\r\n" for name, value in action.items()).encode() + b"\r\n")
            async with asyncio.timeout(PATIENCE_S):
                text = (await reader.readuntil(b"\r\n\r\n")).decode()
            fields = dict(line.split(": ", 1) for line in text.split("\r\n") if ": " in line)
            answers.append(fields.get("Message", text))
            if "accepted" not in answers[0]:
                break
    finally:
        writer.close()
        await writer.wait_closed()
    return answers


async def test_the_engines_manager_account_may_record_and_may_not_dial_or_run_anything(
    plan: AsteriskPlan, toolbox: Toolbox
) -> None:
    nobody = "PJSIP/nobody-00000001"
    async with running(plan, toolbox=toolbox):
        answers = await ami(
            plan,
            {"Action": "MixMonitor", "Channel": nobody, "Options": "r(a.wav)t(b.wav)"},
            {"Action": "StopMixMonitor", "Channel": nobody},
            {"Action": "Originate", "Channel": "PJSIP/101", "Application": "Echo"},
            {"Action": "Command", "Command": "core show version"},
            {"Action": "UpdateConfig", "SrcFilename": "pjsip.conf", "DstFilename": "pjsip.conf"},
        )
        assert answers[1:3] == ["No such channel", "No such channel"]
        assert answers[3:] == ["Permission denied"] * 3
        assert await ami(plan, secret="otra-cosa") == ["Authentication failed"]


async def test_a_softphone_registers_with_its_own_secret_only(
    plan: AsteriskPlan, toolbox: Toolbox, tmp_path: Path
) -> None:
    async with running(plan, toolbox=toolbox) as process:
        for account in ("101", "ciudadano"):
            right = await sipp(toolbox, plan=plan, scenario="register", folder=tmp_path, service=account, secret=SECRET)
            assert await played(right), account
        assert "101/sip:101@127.0.0.1" in await process.rx("pjsip show contacts")
        wrong = await sipp(toolbox, plan=plan, scenario="register", folder=tmp_path, service="101", secret="x")
        assert not await played(wrong)
        stranger = await sipp(toolbox, plan=plan, scenario="register", folder=tmp_path, service="999", secret=SECRET)
        assert not await played(stranger)


async def test_an_agents_telephone_cannot_pretend_to_be_somebody_else(
    plan: AsteriskPlan, toolbox: Toolbox, tmp_path: Path
) -> None:
    async with engine_at(plan) as engine, running(plan, toolbox=toolbox):
        await until(lambda: 200 in engine.answers("bridges"), what="the link is up")
        agent = await sipp(toolbox, plan=plan, scenario="spoof", folder=tmp_path, secret=SECRET, claimed="099111111")
        assert await played(agent)
    (start,) = engine.of_type("StasisStart")
    assert start["args"] == ["0800-info", "4636", "interno"]
    assert start["channel"]["caller"] == {"name": "", "number": "101"}


async def test_a_number_that_is_no_lines_is_refused(plan: AsteriskPlan, toolbox: Toolbox, tmp_path: Path) -> None:
    async with running(plan, toolbox=toolbox) as process:
        for number in ("9999", "00441234567890", "101", "*99", "s", "h"):
            citizen = await sipp(toolbox, plan=plan, scenario="refused", folder=tmp_path, service=number)
            assert await played(citizen), number
        await no_channel_left(process)


async def test_a_call_that_no_engine_takes_reaches_an_agent_and_is_on_record(
    plan: AsteriskPlan, toolbox: Toolbox, tmp_path: Path
) -> None:
    telephone = free_port()
    spool = Path(plan.contingency.record_folder)
    async with running(plan, toolbox=toolbox) as process:
        registered = await sipp(
            toolbox, plan=plan, scenario="register", folder=tmp_path, service="101", port=telephone, secret=SECRET
        )
        assert await played(registered)
        before = time.time()
        agent = await sipp(toolbox, plan=plan, scenario="agent", folder=tmp_path, port=telephone)
        citizen = await sipp(toolbox, plan=plan, scenario="citizen", folder=tmp_path)
        assert await played(agent)
        assert await played(citizen)
        await until(lambda: bool(list(spool.glob("*.json"))), what="the call's record")
        await no_channel_left(process)
    await no_process_left(plan)
    (path,) = files_in(spool)
    record = json.loads(path.read_text())
    assert path.name == f"{record['uniqueid']}.json"
    assert record["uniqueid"].startswith("montevideo-1-")
    assert {name: record[name] for name in ("line", "route", "dialled", "caller_number", "agent", "queue")} == {
        "line": "0800-info",
        "route": "ciudadanos",
        "dialled": "4636",
        "caller_number": "099123456",
        "agent": "101",
        "queue": "failsafe",
    }
    assert record["hangup_cause"] == 16
    assert before - 1 < record["arrived_epoch_s"] < record["answered_epoch_s"] < record["queued_epoch_s"]
    assert record["queued_epoch_s"] <= record["agent_answered_epoch_s"] < record["ended_epoch_s"] < time.time() + 1
    assert record["answered_epoch_s"] - record["arrived_epoch_s"] >= plan.claim_timeout_ms / 1000 - 0.05
    for name in ("citizen_sound", "agent_sound"):
        assert (Path(plan.folders.recordings) / record[name]).stat().st_size > 44


async def test_a_citizen_who_gives_up_in_the_contingency_queue_is_on_record(
    plan: AsteriskPlan, toolbox: Toolbox, tmp_path: Path
) -> None:
    spool = Path(plan.contingency.record_folder)
    async with running(plan, toolbox=toolbox) as process:
        citizen = await sipp(toolbox, plan=plan, scenario="gives-up", folder=tmp_path)
        assert await played(citizen)
        await until(lambda: bool(list(spool.glob("*.json"))), what="the call's record")
        await no_channel_left(process)
    (path,) = files_in(spool)
    record = json.loads(path.read_text())
    assert (record["agent"], record["agent_answered_epoch_s"]) == (None, None)
    assert record["queued_epoch_s"] is not None
