"""`telefonista doctor`: looks at everything a call depends on, and says of each thing how it is and how to mend it.

In: a home, whether it has been run, is running or is not there yet. Out: findings, in the order in which one would
look. It changes nothing, fetches nothing, and takes no lock: it may be asked of an engine in the middle of its work.
A check that fails in a way that nobody foresaw is a finding too. It decides nothing for the engine; only the command
line imports it.
"""

import asyncio
import contextlib
import ctypes
import errno
import ipaddress
import os
import platform
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
from typing import Any

import msgspec
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from dialplans import AsteriskPlan, Encryption, PlanError
from dialplans.core.render import FILES_WITH_SECRETS
from ivr.prompts import UnspeakablePath, speakable_folder
from telefonista.app import client
from telefonista.app.certificates import RENEW_DAYS, CertificateUnusable, given, read_certificate
from telefonista.app.compose import asterisk_plan
from telefonista.app.config import SAMPLE, Config, ConfigInvalid, parse_config, read_config
from telefonista.app.flows import read_flows
from telefonista.app.home import Home, PortsInUse, Secrets
from telefonista.app.names import OURS, NameTaken, check_names
from telefonista.pbx.asterisk import AsteriskFailed, AsteriskProcess, port_holder
from telefonista.pbx.packages import (
    MIRROR_VARIABLE,
    Tool,
    Toolbox,
    debian_mirror,
    default_folder,
    find_in_private_root,
    find_on_system,
)
from telefonista.store import journal
from telefonista.store.database import DatabaseUnusable, newest_revision, open_database, schema_revision, sqlite_url

OLDEST_PYTHON = (3, 11)
RECORDING_BYTES_PER_S = 2 * 2 * 2 * 8000
"""Both directions, 16 bit, 8 kHz, and for a moment twice: as Asterisk wrote them and joined."""
LEAST_MINUTES_PER_AGENT = 8 * 60
"""Less room than a day's talking of every agent is to be mended today."""
LEAST_FREE_BYTES = 200_000_000
LEAST_FREE_INODES = 1_000
FILES_PER_CALL = 12
"""Two legs, each with sockets for sound and its control, timers, and two recordings."""
LARGEST_CHECKED_DATABASE_BYTES = 200_000_000
LARGEST_CLOCK_STEP_S = 0.2
_PATIENCE_S = 3.0
_UNSYNCHRONISED = 5
_OLDEST_YEAR = 2025


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, whether it is in order, what was seen, and what to do. Advice may stand beside good."""

    name: str
    good: bool
    said: str
    mend: str = ""

    def plain(self) -> dict[str, Any]:
        """For JSON and for tables."""
        return asdict(self)


def _well(name: str, said: str, advice: str = "") -> Finding:
    return Finding(name, good=True, said=said, mend=advice)


def _ill(name: str, said: str, mend: str) -> Finding:
    return Finding(name, good=False, said=said, mend=mend)


@dataclass(slots=True)
class _Patient:
    """What the checks find out for one another."""

    home: Home
    system: Toolbox = field(default_factory=Toolbox)
    private: Toolbox = field(default_factory=Toolbox)
    config: Config | None = None
    ports: PortsInUse | None = None
    plan: AsteriskPlan | None = None
    asterisk: AsteriskProcess | None = None
    pids: set[int] = field(default_factory=set)
    """The processes of this installation."""

    @property
    def made(self) -> bool:
        return self.home.folder.is_dir()

    def toolbox(self, tool: Tool) -> Toolbox | None:
        """Where a program is, the system's first; None when it is nowhere."""
        return next((box for box in (self.system, self.private) if tool in box.programs), None)


async def examine(home: Home) -> list[Finding]:
    """Everything that can be known about this home and its machine; takes a few seconds at most."""
    offset_before_s = time.time() - time.monotonic()
    patient = _Patient(home, find_on_system(), find_in_private_root(default_folder() / "root"))
    findings: list[Finding] = []
    for name, check in _CHECKS:
        findings += await asyncio.to_thread(_guarded, name, check=check, patient=patient)
    findings += await _asterisk_running(patient)
    findings += await asyncio.to_thread(_guarded, "ports", check=_ports, patient=patient)
    findings += check_clock(
        now=time.time(),
        stepped_s=time.time() - time.monotonic() - offset_before_s,
        newest_record=_newest_record(home),
        synchronised=clock_synchronised(),
    )
    return findings


_Check = Callable[[_Patient], Iterable[Finding]]


def _guarded(name: str, *, check: _Check, patient: _Patient) -> list[Finding]:
    try:
        return list(check(patient))
    except Exception as problem:
        # A doctor that falls over at the first surprise helps nobody; the others still look.
        return [_ill(name, f"could not be examined: {problem!r}"[:300], "see what the message names")]


def check_python(version: tuple[int, ...], *, optimised: bool) -> list[Finding]:
    """Python itself. `optimised`: run with -O, which drops the checks that guard the journal and the call."""
    said = f"{platform.python_implementation()} {'.'.join(map(str, version))}"
    if version < OLDEST_PYTHON:
        return [_ill("python", said, "install Python 3.11 or newer and make .venv again")]
    if optimised:
        return [_ill("python", f"{said} with -O", "start it without -O and PYTHONOPTIMIZE")]
    return [_well("python", said)]


def _python(_: _Patient) -> list[Finding]:
    return check_python(tuple(sys.version_info[:3]), optimised=sys.flags.optimize > 0)


def _names(_: _Patient) -> list[Finding]:
    try:
        check_names()
    except NameTaken as taken:
        return [_ill("package names", str(taken).partition(": ")[0], str(taken).rpartition(": ")[2])]
    return [_well("package names", f"{', '.join(OURS)} are ours alone")]


def _programs(patient: _Patient) -> Iterator[Finding]:
    for tool, asking in ((Tool.ASTERISK, "-V"), (Tool.ESPEAK, "--version")):
        box = patient.toolbox(tool)
        if box is None:
            yield _absent(tool)
            continue
        program = box.program(tool)
        path = () if tool is Tool.ASTERISK or box.espeak_data is None else (f"--path={box.espeak_data}",)
        version = _first_line(program.command(*path, asking))
        if version is None:
            mend = (
                "install it again"
                if box is patient.system
                else f"remove {default_folder() / 'root'}: it is fetched again"
            )
            yield _ill(tool, f"{program.path} does not start", mend)
            continue
        said = f"{version} ({program.path})"
        yield _well(tool, f"{said}; can do all that is needed" if tool is Tool.ASTERISK else said)


def _absent(tool: Tool) -> Finding:
    by_hand = "install Asterisk 22.7 or later and espeak-ng yourself, or use compose.yaml"
    lacking = [name for name in ("apt-get", "dpkg", "dpkg-deb") if shutil.which(name) is None]
    if lacking:
        return _ill(tool, f"not here, and no {lacking[0]} to fetch it with", by_hand)
    if not os.environ.get(MIRROR_VARIABLE) and debian_mirror(Path("/etc/apt")) is None:
        return _ill(
            tool,
            "not here, and no Debian archive among this machine's apt sources",
            f"set {MIRROR_VARIABLE} to one, or {by_hand}",
        )
    if not any(Path("/usr/share/keyrings").glob("debian-archive-keyring.*")):
        return _ill(
            tool,
            "not here, and no key to check Debian's packages with",
            f"install the package debian-archive-keyring, or {by_hand}",
        )
    return _well(tool, "not here", "nothing: `telefonista run` fetches it")


def _first_line(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=10, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.strip().splitlines()
    return lines[0][:80] if done.returncode == 0 and lines else None


def _home(patient: _Patient) -> Iterator[Finding]:
    home = patient.home
    try:
        speakable_folder(home.folder)
    except UnspeakablePath as unusable:
        yield _ill("home path", str(unusable), "choose another folder: --home")
    if not patient.made:
        parent = next(folder for folder in home.folder.parents if folder.exists())
        if os.access(parent, os.W_OK | os.X_OK):
            yield _well("home", f"{home.folder} is not there yet", "nothing: `telefonista run` makes it")
        else:
            yield _ill(
                "home",
                f"{home.folder} is not there, and {parent} is not ours to write in",
                "choose another folder: --home",
            )
        return
    yield from check_folder(home.folder, user_id=os.geteuid())
    private = [home.secrets_file, home.run / "ports.json", home.database_file, *home.tls.glob("*.key")]
    private += [home.folder / "asterisk" / "etc" / name for name in sorted(FILES_WITH_SECRETS)]
    yield from check_private(private)


def check_folder(folder: Path, *, user_id: int) -> list[Finding]:
    """The home's owner and rights."""
    status = folder.stat()
    faults = []
    if status.st_uid != user_id:
        faults.append(
            (
                "home owner",
                f"{folder} belongs to user {status.st_uid}, not to user {user_id}",
                f"run as that user, or: chown -R {user_id} {folder}",
            )
        )
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        faults.append(("home rights", f"{folder} cannot be written in", f"chmod u+rwx {folder}"))
    if status.st_mode & 0o007:
        faults.append(
            ("home rights", f"everybody may look into {folder} (mode {status.st_mode & 0o777:o})", f"chmod o= {folder}")
        )
    if status.st_mode & 0o020:
        faults.append(
            ("home rights", f"its group may write in {folder} (mode {status.st_mode & 0o777:o})", f"chmod g-w {folder}")
        )
    if faults:
        return [_ill(name, said, mend) for name, said, mend in faults]
    return [_well("home", f"{folder}, mode {status.st_mode & 0o777:o}")]


def check_private(files: Iterable[Path]) -> list[Finding]:
    """Files that hold secrets or what citizens asked: readable by their owner only."""
    there = [path for path in files if path.exists()]
    open_to_others = [path for path in there if path.stat().st_mode & 0o077]
    if open_to_others:
        return [_ill("secrets", f"{path} may be read by others", f"chmod 600 {path}") for path in open_to_others]
    return [_well("secrets", f"{len(there)} private files, for their owner only")]


def _configuration(patient: _Patient) -> Iterator[Finding]:
    home = patient.home
    try:
        made = home.config_file.exists()
        patient.config = read_config(home.config_file) if made else parse_config(SAMPLE, file="the sample")
        flows = read_flows(home, patient.config)
    except ConfigInvalid as invalid:
        for line in str(invalid).splitlines():
            yield _ill("configuration", line, "correct that line; docs/configuration.md explains each")
        return
    config = patient.config
    said = f"{len(flows)} lines, {len(config.queues)} queues, {len(config.agents)} agents"
    yield _well("configuration", said if made else f"the sample's: {said}")


def _kept(patient: _Patient) -> Iterator[Finding]:
    """What the home keeps between runs: secrets, ports; and with them what Asterisk is told."""
    home, config = patient.home, patient.config
    secrets = Secrets(link_password="", link_user_secret="", manager_password="", api_token="")
    try:
        for path in (home.secrets_file, home.run / "ports.json"):
            if not path.exists():
                return
        secrets = msgspec.json.decode(home.secrets_file.read_bytes(), type=Secrets)
        patient.ports = msgspec.json.decode((home.run / "ports.json").read_bytes(), type=PortsInUse)
    except (OSError, msgspec.MsgspecError) as problem:
        yield _ill(
            "kept values",
            f"{path} cannot be read: {problem}",
            f"restore it from a backup, or remove {path} for new values (telephones then need new passwords)",
        )
        return
    box = patient.toolbox(Tool.ASTERISK)
    if config is None or box is None:
        return
    wanted = {*config.telephones, "ciudadano"}
    missing = wanted - set(secrets.telephones)
    # A telephone that the next start or reload makes a password for; any will do to know Asterisk's places.
    secrets = msgspec.structs.replace(secrets, telephones=secrets.telephones | dict.fromkeys(missing, "not-made-yet"))
    try:
        patient.plan = asterisk_plan(
            home, config, secrets=secrets, ports=patient.ports, toolbox=box, greeting=str(home.prompts / "contingencia")
        )
    except PlanError as unusable:
        yield _ill("configuration", str(unusable), f"correct {home.config_file}, or choose another home")
        return
    patient.asterisk = AsteriskProcess(box.asterisk, plan=patient.plan)


def _certificate(patient: _Patient) -> Iterator[Finding]:
    config = patient.config
    if config is not None:
        yield from check_certificate(config, home=patient.home, now=datetime.now(UTC))


def check_certificate(config: Config, *, home: Home, now: datetime) -> list[Finding]:
    """Whether SIP is encrypted, and by which certificate; one that is missing is made at the next start."""
    name = "encryption"
    if not config.sip_tls_port:
        advice = "whoever is on the way hears and reads along: set sip_tls_port, or keep telephones in a VPN"
        return [_well(name, "SIP over TLS is off", "" if _is_loopback(config.sip_address) else advice)]
    encrypted = sum(agent.encryption is not Encryption.NONE for agent in config.agents)
    sound = f"sound of {encrypted} of {len(config.agents)} agents encrypted"
    try:
        if config.tls.certificate:
            found = given(home.folder / config.tls.certificate, key=home.folder / config.tls.key, now=now)
            ends, file = found.ends, found.certificate
        else:
            file = home.tls / "server.pem"
            if not file.exists():
                return [_well(name, f"SIP over TLS; its certificate is made at the next start; {sound}")]
            ends = read_certificate(file).not_valid_after_utc
    except CertificateUnusable as problem:
        mend = "put another in its place" if config.tls.certificate else f"remove {home.tls}: a new one is made"
        return [_ill(name, str(problem), mend)]
    said = f"SIP over TLS; {file} holds until {ends:%Y-%m-%d}; {sound}"
    if ends > now + timedelta(days=RENEW_DAYS):
        return [_well(name, said)]
    mend = (
        "put a new one in its place, then `telefonista reload`"
        if config.tls.certificate
        else "`telefonista reload` renews it"
    )
    return [_ill(name, said, mend)]


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _engine(patient: _Patient) -> Iterator[Finding]:
    holder = _journal_holder(patient.home.journal)
    if holder is not None:
        patient.pids.add(holder)
    try:
        status = client.get(patient.home, "/status")
    except client.NotRunning as silent:
        if holder is None:
            yield _well("engine", "not running")
        else:
            yield _ill(
                "engine",
                f"process {holder} holds the journal, but: {silent}",
                f"while it starts, wait; otherwise end it (kill {holder}) and start it again: calls go on meanwhile",
            )
        return
    yield from check_status(status)


def check_status(status: dict[str, Any]) -> list[Finding]:
    """A running engine, by its own answer."""
    faults = []
    if status["link"] != "up":
        faults.append(
            _ill(
                "engine",
                f"no link to Asterisk: {status['link']}",
                "see the lines on Asterisk here; calls take the contingency path meanwhile",
            )
        )
    if status["projection"]["problem"]:
        faults.append(
            _ill(
                "engine",
                f"the store is {status['projection']['lag']} entries behind: {status['projection']['problem']}",
                "mend the database; nothing is lost, the journal keeps it",
            )
        )
    if status["draining"]:
        faults.append(_well("engine", "running, and takes no new calls", "`telefonista accept` ends that"))
    return faults or [_well("engine", "running and taking calls")]


def _journal_holder(folder: Path) -> int | None:
    """The process that has the journal open: the one whose number stands in the lock, if that is still an engine."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((folder / "lock").read_text())
        if any("telefonista" in part for part in Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")):
            return pid
    return None


async def _asterisk_running(patient: _Patient) -> list[Finding]:
    name = "asterisk running"
    if patient.config is not None and not patient.config.own_asterisk:
        return [_well(name, "not ours to start (own_asterisk: false)")]
    if patient.asterisk is None or not patient.asterisk.attach() or patient.asterisk.pid is None:
        return [_well(name, "not running; its modules are looked at when it is")]
    patient.pids.add(patient.asterisk.pid)
    try:
        lacking = await patient.asterisk.check_features()
    except (AsteriskFailed, OSError) as silent:
        return [
            _ill(
                name,
                str(silent),
                f"see {patient.asterisk.console_log}; end it (kill {patient.asterisk.pid}): the engine starts it again",
            )
        ]
    if lacking:
        mend = "stop the engine and start it again: a module that declined to load stays so until Asterisk is restarted"
        return [_ill(name, fault, mend) for fault in lacking]
    return [_well(name, f"process {patient.asterisk.pid}; all modules wanted are running")]


@dataclass(frozen=True, slots=True)
class Port:
    """A port that the installation listens on."""

    purpose: str
    address: str
    number: int
    protocol: str
    mend: str
    """What to do when somebody else has it."""


def _ports(patient: _Patient) -> Iterator[Finding]:
    config, kept = patient.config, patient.ports
    if config is None:
        return
    other = "set {} in config.yaml, or pass --{}"
    sip = kept.sip if kept else config.sip_port
    wanted = [
        Port("SIP", config.sip_address, sip, "udp", other.format("sip_port", "sip-port")),
        Port("SIP", config.sip_address, sip, "tcp", other.format("sip_port", "sip-port")),
        Port(
            "API", "127.0.0.1", kept.http if kept else config.http_port, "tcp", other.format("http_port", "http-port")
        ),
    ]
    if config.sip_tls_port:
        mend = "set sip_tls_port in config.yaml"
        tls = (kept.sip_tls if kept else 0) or config.sip_tls_port
        wanted.append(Port("SIP over TLS", config.sip_address, tls, "tcp", mend))
    if kept is not None:
        again = f"remove {patient.home.run / 'ports.json'}: the next start chooses others"
        inner = (("link", kept.link), ("AMI", kept.manager), ("FastAGI", kept.fastagi))
        wanted += [Port(purpose, "127.0.0.1", number, "tcp", again) for purpose, number in inner]
    yield from check_ports(wanted, ours=patient.pids)
    if kept is not None:
        yield from check_sound_ports(kept.rtp_first, kept.rtp_last, address=config.sip_address)


def check_ports(ports: Iterable[Port], *, ours: set[int]) -> list[Finding]:
    """Whether each is free or held by a process of ours."""
    faults: list[Finding] = []
    seen: list[str] = []
    for port in ports:
        shown = f"{port.purpose} {port.number}/{port.protocol}"
        refusal = _refusal(port)
        if refusal is None:
            seen.append(f"{shown} free")
            continue
        if refusal == errno.EADDRINUSE:
            holder = port_holder(port.number, protocol=port.protocol)
            pid = re.search(r"\(pid (\d+)\)", holder)
            # Without a name it is another user's, which ours may be, as when root asks about a service.
            if (pid and int(pid[1]) in ours) or (not pid and ours):
                seen.append(f"{shown} held by this installation")
                continue
            faults.append(
                _ill("ports", f"{shown} is held by {holder or 'another program'}", f"stop that, or {port.mend}")
            )
        elif refusal == errno.EADDRNOTAVAIL:
            faults.append(
                _ill("ports", f"{port.address} is no address of this machine", "set sip_address in config.yaml")
            )
        else:
            said = f"{shown} may not be opened: {os.strerror(refusal)}"
            faults.append(_ill("ports", said, port.mend))
    return faults or [_well("ports", ", ".join(seen))]


def _refusal(port: Port) -> int | None:
    """The error number with which the machine refuses to listen there; None when it does not."""
    kind = socket.SOCK_DGRAM if port.protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET6 if ":" in port.address else socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            # As those who listen there do: connections that have just ended hold nothing.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.address, port.number))
        except OSError as refusal:
            return refusal.errno
    return None


def check_sound_ports(first: int, last: int, *, address: str) -> list[Finding]:
    """Whether enough of the range for RTP is free: Asterisk skips those taken, two are used by each leg."""
    ports = range(first, last + 1)
    free = sum(_refusal(Port("RTP", address, number, "udp", "")) is None for number in ports)
    said = f"{free} of {len(ports)} from {first} free, for {free // 4} more calls at once"
    if free < len(ports) // 10:
        return [_ill("sound ports", said, "stop the engine and remove run/ports.json in its home")]
    return [_well("sound ports", said)]


def _journal(patient: _Patient) -> Iterator[Finding]:
    folder = patient.home.journal
    if not folder.is_dir():
        yield _well("journal", "nothing written yet")
        return
    problems = journal.examine(folder)
    for problem in problems:
        yield _ill(
            "journal", problem, f"stop the engine, copy the folder, and keep what can be read: {_mending(folder)}"
        )
    if not problems:
        count = len(journal.segments(folder))
        yield _well("journal", f"{count} segments, every entry can be read")


def _mending(folder: Path) -> str:
    code = (
        "from pathlib import Path; from telefonista.store.journal import mend; "
        f"print(*mend(Path({str(folder)!r})), sep=chr(10))"
    )
    return shlex.join([sys.executable, "-c", code])


def _database(patient: _Patient) -> Iterator[Finding]:
    config, home = patient.config, patient.home
    if config is not None:
        yield from check_database(config.database.url or sqlite_url(home.database_file))


def check_database(url: str) -> list[Finding]:
    """Reachable, whole, and at the schema of this version. A database that is not there yet is left so."""
    try:
        parsed = make_url(url)
        path = Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None
        if path is not None and not path.exists():
            return [_well("database", f"{path} is not there yet", "nothing: `telefonista run` makes it")]
        database = open_database(url, patience_s=_PATIENCE_S)
    except ArgumentError:
        # Not its own words: they would show the whole URL, password and all.
        return [_ill("database", "database.url is no URL", "correct it in config.yaml: postgresql://HOST/NAME")]
    except DatabaseUnusable as unusable:
        return [_ill("database", str(unusable), "correct database.url in config.yaml")]
    shown = parsed.render_as_string(hide_password=True)
    try:
        present, newest = schema_revision(database), newest_revision()
        if path is not None and path.stat().st_size <= LARGEST_CHECKED_DATABASE_BYTES:
            with database.connect() as connection:
                verdict = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
            if verdict != "ok":
                return [_broken(shown, verdict)]
    except SQLAlchemyError as refusal:
        said = " ".join(str(getattr(refusal, "orig", None) or refusal).split())[:200]
        if path is not None:
            return [_broken(shown, said)]
        return [
            _ill(
                "database",
                f"{shown}: {said}",
                "start it, or correct database.url; calls go on, the journal keeps what it missed",
            )
        ]
    finally:
        database.dispose()
    if present is None:
        return [_well("database", f"{shown} is empty", "nothing: `telefonista run` makes the tables")]
    if present != newest:
        return [
            _ill(
                "database",
                f"{shown} has schema {present}, this version has {newest}",
                "restart the engine, which brings it up to date; a newer one needs a newer version of this",
            )
        ]
    return [_well("database", f"{shown}, schema {present}")]


def _broken(shown: str, said: str) -> Finding:
    return _ill(
        "database",
        f"{shown}: {said}",
        "stop the engine and put back the newest backup; the journal fills in what came after it",
    )


def _contingency(patient: _Patient) -> Iterator[Finding]:
    spool = patient.home.spool
    if not spool.is_dir():
        return
    aside = sorted(spool.glob("*.unreadable"))
    waiting = len(list(spool.glob("*.json")))
    if aside:
        yield _ill(
            "contingency records",
            f"{len(aside)} could not be read, such as {aside[0].name}",
            f"look at them in {spool}; rename one to .json to have it read again",
        )
    else:
        yield _well("contingency records", f"{waiting} waiting to be read")


def _recordings(patient: _Patient) -> Iterator[Finding]:
    home, config = patient.home, patient.config
    if home.prompts.is_dir():
        sounds = sorted(home.prompts.glob("*.wav"))
        closed = [path for path in sounds if not os.access(path, os.R_OK)]
        for path in closed:
            yield _ill("studio recordings", f"{path} cannot be read", f"chmod u+r {path}")
        if not closed:
            yield _well("studio recordings", f"{len(sounds)} in {home.prompts}")
    folder = next(folder for folder in (home.recordings, *home.recordings.parents) if folder.exists())
    room = os.statvfs(folder)
    yield from check_room(
        free_bytes=room.f_bavail * room.f_frsize,
        free_inodes=room.f_favail if room.f_files else None,
        agents=len(config.agents) if config is not None else 1,
        folder=folder,
    )


def check_room(*, free_bytes: int, free_inodes: int | None, agents: int, folder: Path) -> list[Finding]:
    """The disk that journal and recordings grow on. `free_inodes` None: the file system does not count them."""
    minutes = free_bytes // (RECORDING_BYTES_PER_S * 60)
    said = f"{free_bytes / 1e9:.1f} GB free at {folder}: about {minutes // 60} h of conversations"
    if free_bytes < LEAST_FREE_BYTES:
        return [
            _ill(
                "disk",
                said,
                "free some now: without it nothing can be journalled, and no call is taken",
            )
        ]
    if minutes < LEAST_MINUTES_PER_AGENT * agents:
        return [
            _ill(
                "disk",
                f"{said}, less than a day of {agents} agents",
                "free some, or move old recordings elsewhere",
            )
        ]
    if free_inodes is not None and free_inodes < LEAST_FREE_INODES:
        return [
            _ill(
                "disk",
                f"{said}, but only {free_inodes} more files",
                "remove or archive small files",
            )
        ]
    return [_well("disk", said)]


def _open_files(_: _Patient) -> list[Finding]:
    _soft, hard = getrlimit(RLIMIT_NOFILE)
    return check_open_files(None if hard == RLIM_INFINITY else hard)


def check_open_files(most: int | None) -> list[Finding]:
    """How many files a process may open, and so how many calls Asterisk can hold. None: without limit."""
    if most is None:
        return [_well("open files", "no limit")]
    said = f"{most} at most, for about {most // FILES_PER_CALL} calls at once"
    if most < 100 * FILES_PER_CALL:
        return [
            _ill(
                "open files",
                said,
                "raise it: `ulimit -Hn 65536`, or LimitNOFILE= in the service unit",
            )
        ]
    return [_well("open files", said)]


def check_clock(
    *, now: float, stepped_s: float, newest_record: float | None, synchronised: bool | None
) -> list[Finding]:
    """The wall clock, which every record of a call is dated by. Times in epoch seconds.

    `stepped_s`: how far it moved against the monotonic clock while we looked. `newest_record`: when the journal was
    last written, by the same clock. `synchronised`: whether the kernel says that somebody keeps it right; None: not
    to be known. Durations do not depend on any of this: timers run on the monotonic clock."""
    shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if datetime.fromtimestamp(now, UTC).year < _OLDEST_YEAR:
        return [_ill("clock", f"it says {shown}", "set it, and let an NTP service keep it (chrony)")]
    if newest_record is not None and newest_record > now + 1:
        said = f"it says {shown}, and the journal was written {newest_record - now:.0f} s later than that"
        return [
            _ill(
                "clock",
                said,
                "it was set back: set it right, or records stand in the wrong order",
            )
        ]
    if abs(stepped_s) > LARGEST_CLOCK_STEP_S:
        said = f"it moved by {stepped_s:+.1f} s while we looked"
        return [_ill("clock", said, "let one NTP service slew it, and nothing else set it")]
    if synchronised is False:
        return [
            _well(
                "clock",
                f"{shown}, kept right by nobody that the kernel knows of",
                "in production: install an NTP service (chrony, systemd-timesyncd)",
            )
        ]
    return [_well("clock", f"{shown}{', synchronised' if synchronised else ''}")]


def clock_synchronised() -> bool | None:
    """Whether the kernel's clock is disciplined by an NTP service (adjtimex(2)); None where that cannot be asked."""
    try:
        ask = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return None
    # struct timex, larger than any version of it; all zero means: change nothing.
    answer = int(ask(ctypes.create_string_buffer(1024)))
    return None if answer < 0 else answer != _UNSYNCHRONISED


def _newest_record(home: Home) -> float | None:
    with contextlib.suppress(OSError, IndexError):
        return journal.segments(home.journal)[-1][1].stat().st_mtime
    return None


_CHECKS: tuple[tuple[str, _Check], ...] = (
    ("python", _python),
    ("package names", _names),
    ("programs", _programs),
    ("home", _home),
    ("configuration", _configuration),
    ("kept values", _kept),
    ("encryption", _certificate),
    ("journal", _journal),
    ("database", _database),
    ("contingency records", _contingency),
    ("recordings", _recordings),
    ("open files", _open_files),
    ("engine", _engine),
)
