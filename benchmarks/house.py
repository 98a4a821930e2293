"""One installation for a run, on one real Asterisk that knows two ways to help a citizen.

4636 is the engine's; 4637 is the peer: a dialplan of `Read`, `Queue` and `MixMonitor`, with CDR while it has its turn.
Same menu sound, same music, same kind of accounts and telephones. Asterisk is started here and not by the engine, with
the configuration that the engine would write plus what the peer needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

import telefonista
from benchmarks.machine import children, cpu_s
from benchmarks.phones import Agents, Citizens, Talk
from dialplans import AgentAccount, AsteriskPlan, write_configuration
from dialplans.service import write_contingency_program
from ivr.music import compose_music
from telefonista.app import client
from telefonista.app.compose import asterisk_plan, prompt_library
from telefonista.app.config import read_config
from telefonista.app.home import Home, free_tcp_ports
from telefonista.kernel.commands import Prompt
from telefonista.pbx.asterisk import AsteriskProcess
from telefonista.pbx.packages import Tool, Toolbox, default_folder, ensure

CHECKOUT = Path(telefonista.__file__).resolve().parent.parent
COMMAND = (sys.executable, "-c", "from telefonista.app.cli import main; main()")
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
WARM_UP_CALLS = 8
_LOOK_EVERY_S = 0.1

MENU = "Para trámites, marque uno. Para hablar con una persona, marque cero."
FLOW = f"""
flow: medido
language: es
start: menu
nodes:
  menu:
    menu: "{MENU}"
    timeout_s: 6
    tries: 3
    options:
      "1": tramites
      "0": persona
    on_invalid: "Disculpe, esa opción no existe."
    on_timeout: "No recibimos su opción."
    on_failure: persona
  tramites:
    queue: tramites
    topic: trámites
  persona:
    queue: general
    topic: general
"""


KEYS = "0123456789" * 10
"""What each channel of the context `keys` presses, about ten a second."""


class Way(StrEnum):
    """Who helps the citizen, by the number that is dialled."""

    ENGINE = "4636"
    DIALPLAN = "4637"


class HouseFailed(Exception):
    """The installation does not start, or does not do what it should; the message is one line."""


class House:
    """Asterisk, the engine and the telephones. Made by `open_house`."""

    def __init__(
        self, folder: Path, *, agents: int, talk: Talk, toolbox: Toolbox, listeners: Sequence[str] = ()
    ) -> None:
        self.home = Home(folder)
        self._toolbox = toolbox
        first = 10 ** len(str(agents))
        self._engine_agents = [str(first * 10 + index) for index in range(agents)]
        # Accounts that the engine does not know, so that it hears nothing of the peer's calls and costs it nothing.
        self._peer_agents = [str(first * 20 + index) for index in range(agents)]
        self._engine: asyncio.subprocess.Process | None = None
        self._process: AsteriskProcess | None = None
        self._telephones: Agents | None = None
        self.sip_port, self._engine_port, self.http_port = free_tcp_ports(3)
        """Where telephones reach Asterisk, where the engine answers, and Asterisk's own HTTP server, if it has one."""
        self.citizens = Citizens(toolbox.sipp, folder=folder / "people")
        self._talk = talk
        self.listeners = dict(zip(listeners, free_tcp_ports(len(listeners)), strict=True))
        """Ports that Asterisk dials besides the engine's, by the name of the application."""

    async def open(self) -> None:
        """Write everything, start Asterisk, the engine and the agents' telephones."""
        plan = await self.open_asterisk()
        await self.start_engine()
        self._telephones = Agents(
            self._toolbox.sipp,
            accounts={account.agent: account.secret for account in plan.agents},
            folder=self.home.folder / "people",
            talk=self._talk,
        )
        await self.agents.start(sip_port=self.sip_port)
        await until(self._everybody_is_ready, "all agents are ready", READY_TIMEOUT_S)

    async def open_asterisk(self) -> AsteriskPlan:
        """Write everything and start Asterisk alone."""
        self.home.make()
        compose_music(self.home.music / "espera.wav")
        self._write_config()
        plan = self._write_asterisk()
        self._process = AsteriskProcess(self._toolbox.asterisk, plan=plan)
        self._process.start()
        await self._asterisk.wait_ready()
        return plan

    async def close(self) -> None:
        """Stop everything, whatever state it is in."""
        if self._telephones is not None:
            await self._telephones.stop()
        await self.stop_engine()
        if self._process is not None:
            await self._process.stop()

    @property
    def agents(self) -> Agents:
        assert self._telephones is not None, "this house was opened without people"
        return self._telephones

    @property
    def _asterisk(self) -> AsteriskProcess:
        assert self._process is not None, "this house is not open"
        return self._process

    async def start_engine(self) -> None:
        """`telefonista run`, until it takes calls. Raises `HouseFailed`."""
        log = self.home.folder / "engine.log"
        with log.open("wb") as output:
            self._engine = await asyncio.create_subprocess_exec(
                *COMMAND,
                *("run", "--home", str(self.home.folder)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self.home.folder,
                env={**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
                start_new_session=True,
            )
        engine = self._engine

        def said() -> bool:
            return "telefonista ready sip:" in log.read_text(errors="replace") or engine.returncode is not None

        await until(said, "the engine takes calls", READY_TIMEOUT_S)
        if engine.returncode is not None:
            raise HouseFailed(f"the engine ended: {log.read_text(errors='replace').strip()[-300:]}")

    async def stop_engine(self) -> None:
        """As Ctrl-C does; by force when that takes too long."""
        engine, self._engine = self._engine, None
        if engine is None or engine.returncode is not None:
            return
        engine.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(engine.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            os.killpg(engine.pid, signal.SIGKILL)
            await engine.wait()

    @property
    def engine_pid(self) -> int | None:
        """The engine's process; None while the dialplan has its turn."""
        return None if self._engine is None else self._engine.pid

    @property
    def asterisk_pid(self) -> int:
        pid = self._asterisk.pid
        if pid is None:
            raise HouseFailed("Asterisk has died")
        return pid

    def worker_cpu_s(self) -> float:
        """Processor time of the processes that the engine started: the worker that joins recordings."""
        used_s = 0.0
        for pid in children(self.engine_pid) if self.engine_pid is not None else []:
            with contextlib.suppress(OSError):
                used_s += cpu_s(pid)
        return used_s

    async def take_turns(self, way: Way, *, warm_up_calls: int = WARM_UP_CALLS) -> None:
        """Let this way have the next calls, and be all that there is for them.

        For the dialplan CDR runs, which is its record, and the engine is stopped: its connections alone make Asterisk
        describe every event. The engine is started anew and has taken a few calls when this returns."""
        self.agents.check()
        _write_cdr(self.home.folder / "asterisk" / "etc", enable=way is Way.DIALPLAN)
        await self._asterisk.rx("module reload cdr")
        status = " ".join((await self._asterisk.rx("cdr show status")).split())
        expected = "Enabled" if way is Way.DIALPLAN else "Disabled"
        if f"Logging: {expected}" not in status:
            raise HouseFailed(f"CDR is not {expected.lower()}: {status[:200]}")
        if way is Way.DIALPLAN:
            await self.stop_engine()
        elif self._engine is None:
            await self.start_engine()
            await until(self._everybody_is_ready, "all agents are ready", READY_TIMEOUT_S)
        if warm_up_calls:
            await self.citizens.round(
                dialled=way.value,
                sip_port=self.sip_port,
                calls=warm_up_calls,
                calls_per_s=4.0,
                patience_s=READY_TIMEOUT_S,
            )
            await self.quiet()

    async def status(self) -> dict[str, Any]:
        """What the engine says is happening."""
        answer: dict[str, Any] = await asyncio.to_thread(client.get, self.home, "/status")
        return answer

    async def asterisk(self, command: str) -> str:
        """What Asterisk's command line answers."""
        return await self._asterisk.rx(command)

    async def quiet(self) -> None:
        """Wait until nobody telephones and everything has been written. Raises TimeoutError."""

        async def nobody() -> bool:
            if self._engine is not None:
                status = await self.status()
                if status["calls"] or status["projection"]["lag"]:
                    return False
            return "0 active channels" in await self._asterisk.rx("core show channels count")

        await until(nobody, "nobody telephones any more", READY_TIMEOUT_S)

    async def _everybody_is_ready(self) -> bool:
        return all(agent["presence"] == "ready" for agent in (await self.status())["agents"])

    def _write_config(self) -> None:
        (self.home.flows / "medido.yaml").write_text(FLOW, encoding="utf-8")
        names = ("tramites", "general")
        config = {
            "node": f"b{self.sip_port}",
            "own_asterisk": False,
            "sip_port": self.sip_port,
            "http_port": self._engine_port,
            "lines": [{"name": "0800-info", "numbers": [Way.ENGINE.value], "flow": "medido"}],
            # As the peer's queue: no pause after a call, and announcements too rare to be heard here.
            "queues": [{"name": name, "wrap_up_s": 0.0, "announce_every_s": 600.0} for name in names],
            "agents": [{"id": agent, "queues": list(names)} for agent in self._engine_agents],
        }
        self.home.config_file.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")

    def _write_asterisk(self) -> AsteriskPlan:
        config = read_config(self.home.config_file)
        kept = self.home.secrets(config)
        ports = self.home.ports(config, sip=None, http=None)
        library = prompt_library(self.home, self._toolbox)
        greeting, menu = Prompt(text=config.greeting, name="contingencia"), Prompt(text=MENU)
        library.prepare([greeting, menu], report=print)
        plan = asterisk_plan(
            self.home,
            config,
            secrets=kept,
            ports=ports,
            toolbox=self._toolbox,
            greeting=library.uri(greeting).removeprefix("sound:"),
        )
        peers = tuple(AgentAccount(agent, secrets.token_urlsafe(12)) for agent in self._peer_agents)
        # Nobody asks the telephones whether they are there: they answer only when all of them have been registered.
        with_peers = replace(plan, agents=plan.agents + peers, qualify_s=0)
        write_configuration(with_peers)
        write_contingency_program(Path(plan.contingency.agi), python=sys.executable)
        self._add_peer(Path(plan.folders.configuration), menu=library.uri(menu).removeprefix("sound:"))
        if self.listeners:
            self._add_listeners(with_peers)
        return with_peers

    def _add_listeners(self, plan: AsteriskPlan) -> None:
        """More connections like the engine's, an HTTP server, and a context whose channels press keys."""
        configuration = Path(plan.folders.configuration)
        user = plan.link.username
        for name, port in self.listeners.items():
            dialled = (
                *("type = websocket_client", "connection_type = persistent", "protocols = ari", "tls_enabled = no"),
                *(f"uri = ws://127.0.0.1:{port}/ari", f"username = {user}", f"password = {plan.link.password}"),
                *("connection_timeout = 500", "reconnect_interval = 250", "reconnect_attempts = 240"),
            )
            append_lines(configuration / "websocket_client.conf", [f"[{name}]", *dialled])
            session = ("type = outbound_websocket", f"websocket_client_id = {name}", f"apps = {name}")
            append_lines(
                configuration / "ari.conf", [f"[{name}]", *session, "subscribe_all = no", f"local_ari_user = {user}"]
            )
        # Two ends of a Local channel that both play silence for each frame they hear would answer each other for ever.
        main = configuration / "asterisk.conf"
        settings = main.read_text(encoding="utf-8").replace("transmit_silence = yes", "transmit_silence = no")
        main.write_text(settings, encoding="utf-8")
        http = ("[general]", "enabled = yes", "bindaddr = 127.0.0.1", f"bindport = {self.http_port}", "")
        (configuration / "http.conf").write_text("\n".join(http), encoding="utf-8")
        keys = (
            *("[keys]", "exten => quiet,1,Answer()", " same => n,Wait(600)"),
            *("exten => presses,1,Answer()", " same => n,Wait(2)", f" same => n,SendDTMF({KEYS},1)"),
            " same => n,Wait(600)",
        )
        append_lines(configuration / "extensions.conf", keys)
        append_lines(configuration / "modules.conf", ["load = app_senddtmf.so"])

    def _add_peer(self, configuration: Path, *, menu: str) -> None:
        """The dialplan that does the same, its queue and its record."""
        steps = (
            "Set(CHANNEL(language)=es)",
            "Set(TIMEOUT(absolute)=7200)",
            f"Read(OPTION,{menu},1,,3,6)",
            'GotoIf($["${OPTION}" != "1"]?over)',
            f"MixMonitor({self.home.recordings}/${{UNIQUEID}}.wav,b)",
            "Queue(tramites)",
        )
        dialplan = [f"exten => {Way.DIALPLAN},1,{steps[0]}", *(f" same => n,{step}" for step in steps[1:])]
        append_lines(configuration / "extensions.conf", ["[citizens](+)", *dialplan, " same => n(over),Hangup()"])
        settings = (
            *("strategy = leastrecent", "musicclass = espera", "timeout = 15", "retry = 0", "wrapuptime = 0"),
            *("ringinuse = no", "autofill = yes", "joinempty = yes", "leavewhenempty = no"),
            *("announce-position = no", "announce-holdtime = no"),
            *(f"member => PJSIP/{agent},0,{agent},PJSIP/{agent}" for agent in self._peer_agents),
        )
        queues = configuration / "queues.conf"
        # The engine's own failsafe queue keeps the engine's agents only, as it would without a peer.
        own = [
            line
            for line in queues.read_text(encoding="utf-8").splitlines()
            if not any(f"PJSIP/{agent}," in line for agent in self._peer_agents)
        ]
        queues.write_text("\n".join((*own, "")), encoding="utf-8")
        append_lines(queues, ["[tramites]", *settings])
        append_lines(configuration / "modules.conf", ["load = cdr_csv.so"])
        _write_cdr(configuration, enable=False)
        (configuration.parent / "log" / "cdr-csv").mkdir(exist_ok=True)


def _write_cdr(configuration: Path, *, enable: bool) -> None:
    lines = ("[general]", f"enable = {'yes' if enable else 'no'}", "[csv]", "usegmtime = yes", "")
    (configuration / "cdr.conf").write_text("\n".join(lines), encoding="utf-8")


def append_lines(path: Path, lines: Sequence[str]) -> None:
    """Add to a file of Asterisk's."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write("\n".join(("", *lines, "")))


@contextlib.asynccontextmanager
async def open_house(*, agents: int, talk: Talk) -> AsyncIterator[House]:
    """A house with so many agents for each way, who `talk` so long with everybody; gone without a trace at the end."""
    async with _house(agents=agents, talk=talk) as house:
        await house.open()
        yield house


@contextlib.asynccontextmanager
async def open_asterisk(*, listeners: Sequence[str]) -> AsyncIterator[tuple[House, AsteriskPlan]]:
    """Asterisk alone, which dials these listeners as it dials an engine."""
    async with _house(agents=1, talk=Talk(least_ms=1, most_ms=1), listeners=listeners) as house:
        yield house, await house.open_asterisk()


@contextlib.asynccontextmanager
async def _house(*, agents: int, talk: Talk, listeners: Sequence[str] = ()) -> AsyncIterator[House]:
    toolbox = ensure(default_folder(), wanted=set(Tool), report=print)
    # Short, for a control socket's path must be.
    folder = Path(tempfile.mkdtemp(prefix="tf-"))
    house = House(folder, agents=agents, talk=talk, toolbox=toolbox, listeners=listeners)
    try:
        yield house
    finally:
        await house.close()
        shutil.rmtree(folder, ignore_errors=True)


async def until(met: Callable[[], Any], what: str, timeout_s: float) -> None:
    """Wait for something that must come to be; `met` may be a coroutine function. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = met()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s:.0f} s: {what}")
        await asyncio.sleep(_LOOK_EVERY_S)
