"""The one folder that holds an installation: configuration, secrets, journal, database, recordings, prompts, Asterisk.

Knows where each thing is, makes what is missing at the first run, and keeps the ports and secrets so that an engine
that comes back finds the Asterisk that it left. Secrets are random per installation and readable by their owner only.
"""

import contextlib
import fcntl
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec

from telefonista.app.config import CITIZEN_TELEPHONE, SAMPLE, Config, ConfigInvalid
from telefonista.pbx.asterisk import running_pid

FIRST_PORT, FIRST_LENT_PORT = 10_000, 32_000
"""We choose from these; Linux lends those from 32768 on (ip_local_port_range)."""
FIRST_SOUND_PORT, LAST_SOUND_PORT = 33_000, 60_000
"""Sound has its own, so that no telephone's conversation sits on what another installation is about to open."""
RTP_PORTS = 2000
"""How many ports a chosen range has: two a leg, for about 500 calls at once."""


class Secrets(msgspec.Struct, kw_only=True):
    """Made at the first run; one password per telephone."""

    link_password: str
    link_user_secret: str
    manager_password: str
    api_token: str
    telephones: dict[str, str] = {}
    people: dict[str, str] = {}
    """What each person shows to the API."""


class PortsInUse(msgspec.Struct, kw_only=True, frozen=True):
    """The ports of this installation, kept over restarts."""

    sip: int
    http: int
    link: int
    manager: int
    fastagi: int
    rtp_first: int
    rtp_last: int
    sip_tls: int = 0


class PortsFixed(Exception):
    """A port cannot be chosen freely now; the message says why."""


class Home:
    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    @property
    def config_file(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def secrets_file(self) -> Path:
        return self.folder / "secrets.json"

    @property
    def flows(self) -> Path:
        return self.folder / "flows"

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    @property
    def database_file(self) -> Path:
        return self.folder / "telefonista.sqlite"

    @property
    def recordings(self) -> Path:
        return self.folder / "recordings"

    @property
    def prompts(self) -> Path:
        """The studio's recordings, which win over synthesis."""
        return self.folder / "prompts"

    @property
    def spool(self) -> Path:
        """Where the contingency path leaves the records of its calls."""
        return self.folder / "spool"

    @property
    def music(self) -> Path:
        return self.folder / "music"

    @property
    def speech(self) -> Path:
        """The models by which citizens' speech is understood, a folder for each language."""
        return self.folder / "speech"

    @property
    def tls(self) -> Path:
        """The certificate that we made, and the authority that telephones are given."""
        return self.folder / "tls"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    def make(self) -> None:
        """Make the folders and, at the first run, the sample configuration. Raises OSError."""
        self.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        for folder in (self.recordings, self.prompts, self.spool, self.music, self.run, self.flows):
            folder.mkdir(mode=0o750, exist_ok=True)
        if not self.config_file.exists():
            self.config_file.write_text(SAMPLE, encoding="utf-8")

    def secrets(self, config: Config) -> Secrets:
        """The installation's secrets; those that are missing (all, or a new telephone's) are made and kept. Raises
        `ConfigInvalid` for a file that does not hold them, OSError."""
        wanted = {*config.telephones, CITIZEN_TELEPHONE}
        with self._secrets_locked():
            kept = self._kept_secrets()
            for person in sorted(set(config.everybody) - set(kept.people)):
                kept.people[person] = new_token()
            for telephone in sorted(wanted - set(kept.telephones)):
                kept.telephones[telephone] = new_password()
            self._keep_secrets(kept)
        return kept

    def rotate(self, telephone: str) -> str:
        """Another password for a telephone, kept and returned; a running Asterisk must still be told. Raises
        `ConfigInvalid`, OSError."""
        with self._secrets_locked():
            kept = self._kept_secrets()
            password = kept.telephones[telephone] = new_password()
            self._keep_secrets(kept)
        return password

    def rotate_token(self, person: str) -> str:
        """Another token for a person, kept and returned; a running engine must read it. Raises `ConfigInvalid`,
        OSError."""
        with self._secrets_locked():
            kept = self._kept_secrets()
            token = kept.people[person] = new_token()
            self._keep_secrets(kept)
        return token

    def forget_telephone(self, telephone: str) -> None:
        """Keep no password of it any more: should it come back, it gets another. Raises `ConfigInvalid`, OSError."""
        with self._secrets_locked():
            kept = self._kept_secrets()
            if kept.telephones.pop(telephone, None) is not None:
                self._keep_secrets(kept)

    def _kept_secrets(self) -> Secrets:
        if self.secrets_file.exists():
            return _read_secrets(self.secrets_file)
        return Secrets(
            link_password=secrets.token_urlsafe(24),
            link_user_secret=secrets.token_urlsafe(24),
            manager_password=secrets.token_urlsafe(24),
            api_token=secrets.token_urlsafe(24),
        )

    def _keep_secrets(self, kept: Secrets) -> None:
        write_private(self.secrets_file, msgspec.json.format(msgspec.json.encode(kept)))

    def _secrets_locked(self) -> contextlib.AbstractContextManager[None]:
        """The engine reads and adds while an operator rotates: neither may write back what the other has replaced."""
        return locked(self.folder / "secrets.lock")

    def asterisk_runs(self) -> bool:
        """Whether an Asterisk of this home is running, left by an engine that was killed."""
        folder = self.folder / "asterisk"
        return running_pid(folder / "run", configuration=str(folder / "etc" / "asterisk.conf")) is not None

    def ports(self, config: Config, *, sip: int | None, http: int | None) -> PortsInUse:
        """The ports to use, noted for the next run; call it only while no other engine runs on this home.

        An Asterisk that runs keeps the ports that it has, so those of the run before win over everything then; raises
        `PortsFixed` where another SIP port is asked for. Else the options win over the configuration, and what neither
        names is kept, or chosen free."""
        kept = self._kept_ports()
        if kept is not None and self.asterisk_runs():
            if sip not in (None, kept.sip):
                raise PortsFixed(f"Asterisk runs on SIP port {kept.sip} with calls to take up: leave out --sip-port")
            # A transport that is there stays where it is; one that is not is made by reading the file again.
            sip_tls = kept.sip_tls or config.sip_tls_port
            ports = msgspec.structs.replace(kept, http=http or kept.http, sip_tls=sip_tls)
        else:
            chosen = kept or _choose_ports()
            ports = msgspec.structs.replace(
                chosen, sip=sip or config.sip_port, http=http or config.http_port, sip_tls=config.sip_tls_port
            )
        write_private(self._ports_file, msgspec.json.format(msgspec.json.encode(ports)))
        return ports

    def sip_port(self, config: Config) -> int:
        """Where telephones reach the engine that runs or ran last; before the first run, where they will."""
        kept = self._kept_ports()
        return config.sip_port if kept is None else kept.sip

    @property
    def _ports_file(self) -> Path:
        return self.run / "ports.json"

    def _kept_ports(self) -> PortsInUse | None:
        try:
            return msgspec.json.decode(self._ports_file.read_bytes(), type=PortsInUse)
        except (OSError, ValueError):
            return None


def new_token() -> str:
    """What a person shows to the API: 192 random bits."""
    return secrets.token_urlsafe(24)


def new_password() -> str:
    """A telephone's password: 96 random bits, in signs that every softphone and every file of Asterisk's takes."""
    return secrets.token_urlsafe(12)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time; the lock goes with the process, however it ends. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read_secrets(path: Path) -> Secrets:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Secrets)
    except ValueError as damage:
        raise ConfigInvalid(
            f"{path}: does not hold the secrets ({damage}); put it back from a copy, or remove it and new ones are made"
        ) from None


def _choose_ports() -> PortsInUse:
    link, manager, fastagi = free_tcp_ports(3)
    rtp_first = free_udp_range(RTP_PORTS)
    return PortsInUse(
        sip=0, http=0, link=link, manager=manager, fastagi=fastagi,
        rtp_first=rtp_first, rtp_last=rtp_first + RTP_PORTS - 1,
    )  # fmt: skip


def write_private(path: Path, content: bytes) -> None:
    """Replace a file in one step, readable by its owner only."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def free_tcp_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different; none that the system lends to those who dial.

    Asterisk dials the link's port four times a second while no engine listens there. Were it one of those lent,
    anybody might hold it, Asterisk's own dialling among them, when the next engine comes (seen). Raises OSError."""
    held: dict[int, socket.socket] = {}
    try:
        for _ in range(100 * count):
            port = FIRST_PORT + secrets.randbelow(FIRST_LENT_PORT - FIRST_PORT)
            if len(held) < count and port not in held:
                held[port] = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                try:
                    held[port].bind(("127.0.0.1", port))
                except OSError:
                    held.pop(port).close()
        if len(held) < count:
            raise OSError(f"no {count} free TCP ports were found between {FIRST_PORT} and {FIRST_LENT_PORT}")
        return list(held)
    finally:
        for each in held.values():
            each.close()


def free_udp_range(count: int) -> int:
    """The even first port of a range for RTP whose ends and middle are free, chosen apart from other installations."""
    for _ in range(50):
        first = FIRST_SOUND_PORT + 2 * secrets.randbelow((LAST_SOUND_PORT - FIRST_SOUND_PORT - count) // 2)
        probes = [first, first + count // 2, first + count - 1]
        held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in probes]
        try:
            for each, port in zip(held, probes, strict=True):
                each.bind(("0.0.0.0", port))  # noqa: S104 - only asks whether the port is free
        except OSError:
            continue
        else:
            return first
        finally:
            for each in held:
                each.close()
    raise OSError(f"no free range of UDP ports for RTP was found between {FIRST_SOUND_PORT} and {LAST_SOUND_PORT}")
