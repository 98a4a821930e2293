"""`telefonista run`: one process, one thread of call logic, one loop on which asyncio and Twisted run together.

Starts the installation and the API, prints what to dial, and stops everything in order at Ctrl-C or SIGTERM. SIGHUP
reads the configuration again.
"""

import asyncio
import contextlib
import signal
import socket
import time
from typing import Any

import structlog
import uvicorn
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from dialplans import PlanError
from ivr.prompts import SynthesisFailed, UnspeakablePath, UnspeakablePrompt
from telefonista.app.compose import Installation
from telefonista.app.config import EVERY_INTERFACE, Config, ConfigInvalid, read_config
from telefonista.app.diagrams import MACHINES
from telefonista.app.home import Home, PortsFixed
from telefonista.app.people import Door
from telefonista.app.snapshot import snapshot
from telefonista.kernel.ports import LinkDown
from telefonista.pbx.asterisk import AsteriskFailed, port_holder
from telefonista.pbx.packages import ToolsMissing
from telefonista.store.database import DatabaseUnusable
from telefonista.store.journal import FileJournal, JournalDamaged, JournalFailed, JournalInUse
from telefonista.store.projection import StoreAhead
from telefonista.web import Refusal, build_api

_log = structlog.get_logger("telefonista")


class StartFailed(Exception):
    """One line: what is wrong and what to do."""


def run_installation(
    home: Home, *, sip_port: int | None, http_port: int | None, verbose: bool, console: Console
) -> int:
    """Run until stopped; the exit status. A problem at the start is one line on the console."""
    # Before anything imports `twisted.internet.reactor`: Twisted runs on asyncio's loop from here on.
    from twisted.internet import asyncioreactor

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    asyncioreactor.install(loop)  # type: ignore[no-untyped-call]  # Twisted types its functions only in part
    try:
        loop.run_until_complete(_run(home, sip_port=sip_port, http_port=http_port, verbose=verbose, console=console))
    except (
        AsteriskFailed,
        ConfigInvalid,
        DatabaseUnusable,
        JournalDamaged,
        JournalFailed,
        JournalInUse,
        PlanError,
        PortsFixed,
        StartFailed,
        StoreAhead,
        SynthesisFailed,
        ToolsMissing,
        UnspeakablePath,
        UnspeakablePrompt,
    ) as problem:
        console.print(f"telefonista: {problem}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    return 0


class _Port(Door):
    """The engine as the API sees it."""

    def __init__(self, installation: Installation) -> None:
        super().__init__(
            lambda: installation.engine,
            config=lambda: installation.config,
            tokens=lambda: installation.secrets.people,
            queue_of=installation.queue_of,
        )
        self._installation = installation

    def snapshot(self) -> dict[str, Any]:
        installation = self._installation
        return {
            "ready": installation.ready and installation.link.up,
            "draining": installation.draining,
            "node": installation.config.node,
            "link": "up" if installation.link.up else installation.link.why_down,
            "asterisk_pid": installation.asterisk.pid if installation.asterisk is not None else None,
            "projection": {
                "lag": installation.projector.lag,
                "problem": installation.projector.problem,
            },
            **snapshot(installation.engine, now=time.time()),
        }

    def drain(self, on: bool) -> str:
        self._installation.drain(on)
        return "draining: new calls go the contingency path" if on else "taking calls"

    async def tell_accounts(self) -> str:
        try:
            return await self._installation.tell_accounts()
        except (AsteriskFailed, ConfigInvalid, LinkDown, OSError, PlanError) as problem:
            raise Refusal(str(problem)) from problem

    async def reload(self) -> str:
        try:
            return await self._installation.reload()
        except ConfigInvalid as invalid:
            raise Refusal(str(invalid)) from invalid

    async def read_do_not_call(self) -> str:
        try:
            return f"{await self._installation.read_do_not_call()} numbers are not called"
        except SQLAlchemyError as away:
            raise Refusal(f"the store cannot be read: {str(away).splitlines()[0]}") from away


async def _run(home: Home, *, sip_port: int | None, http_port: int | None, verbose: bool, console: Console) -> None:
    with contextlib.ExitStack() as stack:
        try:
            home.make()
            config = read_config(home.config_file)
            # Before anything is written: it is also the lock that keeps a second engine from this home.
            journal = stack.enter_context(FileJournal(home.journal))
            secrets = home.secrets(config)
            ports = home.ports(config, sip=sip_port, http=http_port)
        except OSError as refused:
            raise StartFailed(f"the home folder {home.folder} cannot be used: {refused}") from refused

        def report(text: str) -> None:
            console.print(f"  {text}", markup=False, highlight=False)

        installation = Installation(home, config, journal=journal, ports=ports, secrets=secrets, report=report)
        if verbose:
            _trace()
        await _serve(installation, console=console)


async def _serve(installation: Installation, *, console: Console) -> None:
    """Run an installation and its API until a signal stops them."""
    config, ports = installation.config, installation.ports
    listening = _listen(ports.http)
    server = _api_server(_Port(installation), token=installation.secrets.api_token)
    # Now and not when it serves: what it imports then would hold up the first calls.
    server.config.load()
    loop = asyncio.get_running_loop()
    running = asyncio.current_task()
    assert running is not None

    def stop() -> None:
        """Orderly once everything runs; before that there is nothing to wait for."""
        if installation.ready:
            installation.stop()
        else:
            running.cancel()

    def ready() -> None:
        listening.listen()
        serving = loop.create_task(server.serve(sockets=[listening]))
        serving.add_done_callback(lambda _: installation.stop())
        _print_welcome(console, installation)
        console.print(
            f"telefonista ready sip:{config.lines[0].numbers[0]}@{_reach(config)}:{ports.sip}", highlight=False
        )

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, lambda: loop.create_task(_reload(installation)))
    try:
        await installation.run(ready=ready)
    except asyncio.CancelledError:
        pass
    finally:
        server.should_exit = True
        if server.started:
            await server.shutdown()
        listening.close()
    if installation.failure is not None:
        raise StartFailed(f"the engine failed: {installation.failure!r}")
    console.print("stopped", highlight=False)


def _listen(port: int) -> socket.socket:
    """The API's port, on loopback. Raises `StartFailed`."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as taken:
        listening.close()
        holder = port_holder(port, protocol="tcp")
        raise StartFailed(
            f"port {port} (HTTP) is taken{f' by {holder}' if holder else ''}: {taken.strerror}; "
            "free it or choose another with --http-port"
        ) from taken
    return listening


async def _reload(installation: Installation) -> None:
    try:
        _log.info(await installation.reload())
    except ConfigInvalid as invalid:
        _log.error("the configuration was not read again; the last good one stays", problems=str(invalid))


def _api_server(port: _Port, *, token: str) -> uvicorn.Server:
    server = uvicorn.Server(
        uvicorn.Config(
            build_api(port, token=token),
            log_level="warning",
            access_log=False,
            lifespan="off",
        )
    )
    # Signals are ours: they stop the engine, which stops the server.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    return server


def _trace() -> None:
    for _, machine in MACHINES:
        machine.trace = lambda line: _log.debug(line)


def _reach(config: Config) -> str:
    return "127.0.0.1" if config.sip_address == EVERY_INTERFACE else config.sip_address


def _print_welcome(console: Console, installation: Installation) -> None:
    address = f"{_reach(installation.config)}:{installation.ports.sip}"
    numbers = Table("public line", "dial", box=SIMPLE_HEAD)
    for line in installation.config.lines:
        numbers.add_row(line.name, ", ".join(line.numbers))
    accounts = Table("SIP account", "user", "password", "server (UDP or TCP)", box=SIMPLE_HEAD)
    telephones = installation.secrets.telephones
    accounts.add_row("a citizen, to try", "ciudadano", telephones["ciudadano"], address)
    for agent in installation.config.agents:
        accounts.add_row(f"agent {agent.name or agent.id}", agent.id, telephones[agent.id], address)
    for person in installation.config.people:
        if person.id not in {agent.id for agent in installation.config.agents}:
            accounts.add_row(f"{person.role} {person.name or person.id}", person.id, telephones[person.id], address)
    plain: dict[str, Any] = {"markup": False, "highlight": False, "soft_wrap": True}
    console.print(numbers)
    console.print(accounts)
    certificate = installation.certificate
    if certificate is not None:
        console.print(f"SIP over TLS on port {installation.ports.sip_tls}, as {', '.join(certificate.names)}", **plain)
        if certificate.authority is not None:
            console.print(f"telephones must trust {certificate.authority}", **plain)
        console.print(f"SHA-256 {certificate.fingerprint}", **plain)
    console.print("Ctrl-C stops everything.", highlight=False)
