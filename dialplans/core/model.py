"""What Asterisk must be told, as values.

Two groups: a `Dialplan` (contexts, extensions, steps) and an `AsteriskPlan` (everything that the configuration files
depend on: ports, folders, secrets, numbers, accounts). Each value checks itself when it is made, so a plan that
exists can be rendered. In: facts from the configuration. Out: nothing but themselves. Must never import I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

from dialplans.core import values
from dialplans.core.values import PlanError

CITIZENS = "citizens"
AGENTS = "agents"
CONTINGENCY = "contingency"
CONTINGENCY_RECORD = "contingency-record"
LISTENING = "listening"
FAILSAFE_QUEUE = "failsafe"
MUSIC_CLASS = "espera"

# A unix socket's address holds 108 bytes, the closing NUL included; Asterisk's control socket is RUN/asterisk.ctl.
_LONGEST_SOCKET_PATH = 107


@dataclass(frozen=True, slots=True)
class Expression:
    """Dialplan code that Asterisk evaluates, written by us and never made of a caller's words."""

    text: str

    def __post_init__(self) -> None:
        values.expression(self.text, what="expression")


def joined(*parts: str | Expression) -> Expression:
    """One argument made of literal pieces (checked) and expressions."""
    return Expression(
        "".join(part.text if isinstance(part, Expression) else values.literal(part, what="argument") for part in parts)
    )


@dataclass(frozen=True, slots=True)
class Target:
    """Where a step may jump: a context, an extension in it, and a priority number or a label."""

    context: str
    extension: str
    priority: str = "1"


@dataclass(frozen=True, slots=True)
class Step:
    """One application call. `jumps` names the places it may go to besides the next step; `ends` says that nothing
    after it in the extension is reached by falling through."""

    application: str
    arguments: tuple[str | Expression, ...] = ()
    label: str | None = None
    jumps: tuple[Target, ...] = ()
    ends: bool = False


def assign(variable: str, value: str | Expression, *, label: str | None = None) -> Step:
    """`Set(variable=value)`; `variable` may be a function call such as `CHANNEL(language)`."""
    return Step("Set", (joined(Expression(f"{variable}="), value),), label=label)


def goto(target: Target) -> Step:
    """An unconditional jump."""
    return Step("Goto", (target.context, target.extension, target.priority), jumps=(target,), ends=True)


def goto_if(condition: Expression, *, then: Target) -> Step:
    """A jump taken when `condition` holds; otherwise the next step."""
    where = f"{then.context},{then.extension},{then.priority}"
    return Step("GotoIf", (Expression(f"$[{condition.text}]?{where}"),), jumps=(then,))


def on_hang_up(target: Target) -> Step:
    """Run `target` as a subroutine once the channel has hung up, whatever it was doing."""
    where = Expression(f"{target.context},{target.extension},{target.priority}")
    return Step("Set", (joined(Expression("CHANNEL(hangup_handler_push)="), where),), jumps=(target,))


def hang_up(*, label: str | None = None, cause: int | None = None) -> Step:
    """End of the call, with a Q.850 cause when one is to be told to the other side."""
    return Step("Hangup", () if cause is None else (str(cause),), label=label, ends=True)


def leave_subroutine() -> Step:
    """End of a subroutine."""
    return Step("Return", (), ends=True)


@dataclass(frozen=True, slots=True)
class Extension:
    """What happens to a call for `pattern`: its steps, in order."""

    pattern: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """A set of extensions, and the contexts searched after them. `entry` says that calls begin here."""

    name: str
    extensions: tuple[Extension, ...]
    includes: tuple[str, ...] = ()
    entry: bool = False


@dataclass(frozen=True, slots=True)
class Dialplan:
    """All contexts of one Asterisk."""

    contexts: tuple[Context, ...]

    def context(self, name: str) -> Context | None:
        """The context of that name, if there is one."""
        return next((context for context in self.contexts if context.name == name), None)


@dataclass(frozen=True, slots=True)
class PublicNumber:
    """A number that citizens dial, and the line that it belongs to."""

    dialled: str
    line: str

    def __post_init__(self) -> None:
        values.number(self.dialled, what="public number")
        values.word(self.line, what="line")


@dataclass(frozen=True, slots=True)
class Trunk:
    """A carrier's side of a route: calls that come from `addresses` are citizens' calls of that route; calls that we
    make go to `dial`, an address and a port, where there is one."""

    route: str
    addresses: tuple[str, ...]
    dial: str = ""

    def __post_init__(self) -> None:
        values.word(self.route, what="route")
        if not self.addresses:
            raise PlanError(f"route {self.route}: no address to recognise its calls by")
        for one in self.addresses:
            values.address(one, what=f"address of route {self.route}")
        if self.dial:
            values.peer(self.dial, what=f"dial of route {self.route}")


class Encryption(StrEnum):
    """Whether a telephone's sound is encrypted (SRTP, its keys exchanged in SIP: SDES, RFC 4568)."""

    NONE = "none"
    PREFERRED = "preferred"
    """Offered, and done without where the telephone cannot."""
    REQUIRED = "required"
    """No call otherwise; and we never send its key but over TLS."""


@dataclass(frozen=True, slots=True)
class AgentAccount:
    """An agent's softphone: what it registers as. `title` is shown on telephones."""

    agent: str
    secret: str = field(repr=False)
    title: str = ""
    encryption: Encryption = Encryption.NONE

    def __post_init__(self) -> None:
        values.word(self.agent, what="agent")
        values.secret(self.secret, what=f"secret of agent {self.agent}")
        if self.title:
            values.title(self.title, what=f"title of agent {self.agent}")


@dataclass(frozen=True, slots=True)
class CitizenAccount:
    """A softphone that plays the citizen, for trying a line without a carrier. `caller_number` is what we then see."""

    account: str
    secret: str = field(repr=False)
    caller_number: str = "099000463"
    route: str = "prueba"

    def __post_init__(self) -> None:
        values.word(self.account, what="citizen's test account")
        values.secret(self.secret, what=f"secret of {self.account}")
        values.number(self.caller_number, what=f"number of {self.account}")
        values.word(self.route, what=f"route of {self.account}")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where Asterisk listens. `sip_address` and RTP face telephones; the manager interface is on loopback always.
    `sip_tls` is 0 where SIP over TLS is not offered."""

    sip: int
    manager: int
    fastagi: int
    rtp_first: int
    rtp_last: int
    sip_address: str = "127.0.0.1"
    sip_tls: int = 0

    def __post_init__(self) -> None:
        for what, value in (("SIP", self.sip), ("manager", self.manager), ("FastAGI", self.fastagi)):
            values.port(value, what=f"{what} port")
        if self.sip_tls:
            values.port(self.sip_tls, what="SIP over TLS port")
        values.port(self.rtp_first, what="first RTP port")
        values.port(self.rtp_last, what="last RTP port")
        if self.rtp_last - self.rtp_first < 3:
            raise PlanError(f"RTP ports {self.rtp_first} to {self.rtp_last}: two legs need two ports each")
        values.address(self.sip_address, what="SIP address")


@dataclass(frozen=True, slots=True)
class Tls:
    """The files (PEM) with which Asterisk proves to telephones who it is. `version` is another for each certificate, so
    that Asterisk reads it again."""

    certificate: str
    key: str
    version: str = ""

    def __post_init__(self) -> None:
        if self.version:
            values.word(self.version, what="version of the certificate")
        values.path(self.certificate, what="certificate")
        values.path(self.key, what="key of the certificate")


@dataclass(frozen=True, slots=True)
class Link:
    """How Asterisk dials the engine, and who either side is to the other. The engine checks `username` and
    `password` (HTTP Basic); `user_secret` belongs to the local ARI user, with which nobody can log in while
    Asterisk's HTTP server is off."""

    uri: str
    username: str
    password: str = field(repr=False)
    user_secret: str = field(repr=False)
    application: str = "telefonista"
    reconnect_interval_ms: int = 250

    def __post_init__(self) -> None:
        values.websocket_uri(self.uri, what="link")
        values.word(self.username, what="user of the link")
        values.secret(self.password, what="password of the link")
        values.secret(self.user_secret, what="secret of the ARI user")
        values.word(self.application, what="ARI application")
        if not self.application.replace("_", "").replace("-", "").isalnum():
            raise PlanError(f"ARI application: {self.application!r} would not stand for itself in a regular expression")
        if not 50 <= self.reconnect_interval_ms <= 60_000:
            raise PlanError(f"link: reconnecting every {self.reconnect_interval_ms} ms is not between 50 and 60000")


@dataclass(frozen=True, slots=True)
class Manager:
    """The engine's account on the manager interface (AMI)."""

    username: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        values.word(self.username, what="manager user")
        values.secret(self.password, what="password of the manager user")


@dataclass(frozen=True, slots=True)
class Contingency:
    """What happens to a call that no engine claims.

    `message` is a sound's absolute path without its extension; `agi` the program that writes the call record;
    `record_folder` where it writes them; `waiting_limit_s` how long a citizen may wait."""

    message: str
    agi: str
    record_folder: str
    waiting_limit_s: int = 1800
    ring_s: int = 15
    repeat_message_s: int = 60

    def __post_init__(self) -> None:
        values.path(self.message, what="contingency message")
        values.path(self.agi, what="contingency program")
        values.path(self.record_folder, what="folder of contingency records")
        for what, seconds in (
            ("waiting limit", self.waiting_limit_s),
            ("ring", self.ring_s),
            ("repetition of the message", self.repeat_message_s),
        ):
            if not 1 <= seconds <= 86_400:
                raise PlanError(f"contingency: {what} of {seconds} s is not between 1 and 86400")


@dataclass(frozen=True, slots=True)
class Folders:
    """Every folder that Asterisk uses. `modules` and `shared` belong to the program, the others to the installation."""

    modules: str
    shared: str
    configuration: str
    library: str
    database: str
    keys: str
    agi: str
    spool: str
    run: str
    log: str
    recordings: str
    music: str

    def __post_init__(self) -> None:
        for name in self.__slots__:
            values.path(getattr(self, name), what=f"{name} folder")
        socket_path = f"{self.run}/asterisk.ctl"
        if len(socket_path.encode()) > _LONGEST_SOCKET_PATH:
            raise PlanError(
                f"run folder: {self.run} is too long for a control socket "
                f"({len(socket_path.encode())} bytes, {_LONGEST_SOCKET_PATH} at most); choose a shorter home"
            )

    @classmethod
    def under(cls, home: str, *, modules: str, shared: str) -> Folders:
        """The usual places below an installation's home folder."""
        base = PurePosixPath(home) / "asterisk"
        own = {
            name: str(base / folder)
            for name, folder in (
                ("configuration", "etc"),
                ("library", "lib"),
                ("database", "db"),
                ("keys", "keys"),
                ("agi", "agi"),
                ("spool", "spool"),
                ("run", "run"),
                ("log", "log"),
            )
        }
        return cls(
            modules=modules,
            shared=shared,
            recordings=str(PurePosixPath(home) / "recordings"),
            music=str(PurePosixPath(home) / "music"),
            **own,
        )

    def own(self) -> tuple[str, ...]:
        """Those that this installation must have, in the order to make them."""
        return (
            self.configuration,
            self.library,
            self.database,
            self.keys,
            self.agi,
            self.spool,
            self.run,
            self.log,
            self.recordings,
            self.music,
        )


@dataclass(frozen=True, slots=True)
class AsteriskPlan:
    """Everything that one Asterisk node must be told.

    `node` becomes its `systemname`, so that every unique id carries it. `claim_timeout_ms` is how long a new call
    waits for an engine; `longest_call_s` the last safety net when no engine is there to end a call; `engine_away` the
    sound (its path without the extension) for an agent who dials a code while none is there;
    `qualify_s` how often agents' telephones are asked whether they are there (0: never)."""

    node: str
    folders: Folders
    ports: Ports
    link: Link
    manager: Manager
    contingency: Contingency
    numbers: tuple[PublicNumber, ...]
    trunks: tuple[Trunk, ...]
    agents: tuple[AgentAccount, ...]
    citizens: tuple[CitizenAccount, ...] = ()
    language: str = "es"
    claim_timeout_ms: int = 500
    longest_call_s: int = 7200
    engine_away: str = ""
    qualify_s: int = 30
    contacts_per_agent: int = 1
    tls: Tls | None = None

    def __post_init__(self) -> None:
        values.word(self.node, what="node")
        values.word(self.language, what="language")
        if self.engine_away:
            values.path(self.engine_away, what="message of an engine that is away")
        if not self.numbers:
            raise PlanError("numbers: there is no public number, so no citizen could call")
        self._check_unique([one.dialled for one in self.numbers], what="public number")
        accounts = [agent.agent for agent in self.agents] + [citizen.account for citizen in self.citizens]
        self._check_unique([*accounts, *(trunk.route for trunk in self.trunks)], what="account or route")
        if self.ports.sip_tls and self.tls is None:
            raise PlanError("SIP over TLS: there is no certificate")
        if not self.ports.sip_tls:
            for agent in self.agents:
                if agent.encryption is not Encryption.NONE:
                    raise PlanError(f"agent {agent.agent}: its keys travel in SIP, and SIP over TLS is not on")
        if not 1 <= self.claim_timeout_ms <= 60_000:
            raise PlanError(f"claim timeout: {self.claim_timeout_ms} ms is not between 1 and 60000 (Asterisk's limit)")
        if not 1 <= self.longest_call_s <= 86_400:
            raise PlanError(f"longest call: {self.longest_call_s} s is not between 1 and 86400")
        if not 0 <= self.qualify_s <= 86_400:
            raise PlanError(f"qualify: {self.qualify_s} s is not between 0 and 86400")
        if not 1 <= self.contacts_per_agent <= 10:
            raise PlanError(f"contacts per agent: {self.contacts_per_agent} is not between 1 and 10")

    @staticmethod
    def _check_unique(names: list[str], *, what: str) -> None:
        seen: set[str] = set()
        for name in names:
            if name in seen:
                raise PlanError(f"{what}: {name} is there twice")
            seen.add(name)
