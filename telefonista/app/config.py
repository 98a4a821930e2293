"""The one configuration file of an installation, `HOME/config.yaml`: read, checked, and refused with file and line.

In: YAML. Out: a frozen `Config`, or `ConfigInvalid`, whose message has one line per problem: file, line, what is wrong,
and the nearest thing that would be right. Secrets do not stand here; they are made at the first run and kept apart.
"""

import inspect
import ipaddress
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import phonenumbers
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from acd import (
    CallbackPolicy,
    Drain,
    JoinWhen,
    Overflow,
    OverflowWhen,
    QueuePolicy,
    Relaxation,
    SkillFinding,
    Strategy,
    VoicemailPolicy,
    WrapUpMode,
    check_skills,
    read_destination,
)
from acd.core.policy import CLOSED, EVERYBODY_BUSY, LONGEST_SENTENCE, loops
from agents import Directory, Member, Person, Power, Role, is_pattern
from dialplans import Encryption
from telefonista.kernel.commands import Prompt
from telefonista.kernel.events import DestinationKind
from telefonista.kernel.ids import AgentId, FlowName, QueueName
from telefonista.notation.hours import OpeningHours
from telefonista.notation.opening import read_opening_hours
from telefonista.notation.problems import Findings, shown, suggestion
from telefonista.notation.source import Row, Table, Tree, Word, read_source

EVERY_INTERFACE = "0.0.0.0"  # noqa: S104 - named so that it can be recognised; nothing binds to it unless configured


FIRST_FREE_PORT = 1024
"""Those below are root's."""

CITIZEN_TELEPHONE = "ciudadano"
"""The account of a telephone that plays the citizen, to try a line without a carrier."""


def _name(value: str) -> str:
    if len(value) > 40 or not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?", value):
        raise ValueError("a name has 1 to 40 letters without accents and digits, with - and _ between them")
    return value


def _dialled(value: str) -> str:
    if not re.fullmatch(r"\+?[0-9*#]{1,20}", value):
        raise ValueError("a number to dial has 1 to 20 of 0-9, * and #, and perhaps a + before them")
    return value


def _agent_id(value: str) -> str:
    if not re.fullmatch(r"[0-9]{2,8}", value):
        raise ValueError("an agent's number has 2 to 8 digits")
    return value


def _number_pattern(value: str) -> str:
    if not is_pattern(value):
        raise ValueError("a pattern has digits, X for any digit, and perhaps a . at the end for one or more of them")
    return value


def _pause_key(value: str) -> str:
    if not re.fullmatch("[0-9]", value):
        raise ValueError("a pause has a key from 0 to 9")
    return value


def _title(value: str) -> str:
    if not re.fullmatch(r"[\w .'-]{0,60}", value):
        raise ValueError("a person's name has letters, digits, blanks and . ' - (60 at most)")
    return value


def _without_zone(address: str) -> str:
    """An address that means the same on every machine. Raises ValueError for one with a zone (`fe80::1%eth0`)."""
    if "%" in address:
        raise ValueError
    return address


def _address(value: str) -> str:
    try:
        ipaddress.ip_address(_without_zone(value))
    except ValueError:
        raise ValueError("an address is a number such as 192.0.2.7; names are not looked up") from None
    return value


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(_without_zone(value), strict=False)
    except ValueError:
        raise ValueError("an address is a number such as 192.0.2.7, or a network such as 192.0.2.0/28") from None
    return value


def _peer(value: str) -> str:
    host, _, port = value.rpartition(":")
    try:
        ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        known = 1 <= int(port) <= 65535
    except ValueError:
        known = False
    if not known:
        raise ValueError("an IP address and a port, such as 192.0.2.7:5060")
    return value


def _host_name(value: str) -> str:
    label = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    try:
        ipaddress.ip_address(_without_zone(value))
    except ValueError:
        if len(value) > 253 or re.fullmatch(rf"{label}(\.{label})*", value) is None:
            raise ValueError("the name of a machine, such as central.example.org, or an address") from None
    return value


def _country(value: str) -> str:
    if value.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("a country has two letters, such as UY, AR or CL (ISO 3166)")
    return value.upper()


def _language(value: str) -> str:
    if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,4})?", value):
        raise ValueError("a language has two or three letters, such as es, or es-UY")
    return value


def _sentence(value: str) -> str:
    if not value or len(value) > LONGEST_SENTENCE or not value.isprintable():
        raise ValueError(f"a sentence to be spoken has 1 to {LONGEST_SENTENCE} letters, on one line")
    return value


def _word(value: str) -> str:
    if not re.fullmatch(r"[\w .,/()-]{1,40}", value):
        raise ValueError("has 1 to 40 letters, digits, blanks and . , / ( ) -")
    return value


def _key(value: str) -> str:
    if not re.fullmatch(r"[0-9*#]", value):
        raise ValueError("a key is one of 0-9, * and #")
    return value


def _destination(value: str) -> str:
    read_destination(value)
    return value


def _parameter(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", value):
        raise ValueError("a parameter has letters, digits and _")
    return value


_Where = tuple[int | str, ...]

Name = Annotated[str, AfterValidator(_name)]
Dialled = Annotated[str, AfterValidator(_dialled)]
AgentNumber = Annotated[str, AfterValidator(_agent_id)]
Title = Annotated[str, AfterValidator(_title)]
Address = Annotated[str, AfterValidator(_address)]
Network = Annotated[str, AfterValidator(_network)]
PeerAddress = Annotated[str, AfterValidator(_peer)]
ShownNumber = Annotated[str, Field(pattern=r"^(\+?[0-9]{1,40})?$")]
HostName = Annotated[str, AfterValidator(_host_name)]
Country = Annotated[str, AfterValidator(_country)]
Language = Annotated[str, AfterValidator(_language)]
Parameter = Annotated[str, AfterValidator(_parameter)]
SkillLevel = Annotated[int, Field(ge=0, le=10)]
GroupLevel = Annotated[int, Field(ge=1, le=9)]
NumberPattern = Annotated[str, AfterValidator(_number_pattern)]
PauseKey = Annotated[str, AfterValidator(_pause_key)]
Sentence = Annotated[str, AfterValidator(_sentence)]
Wording = Annotated[str, AfterValidator(_word)]
Key = Annotated[str, AfterValidator(_key)]
DestinationText = Annotated[str, AfterValidator(_destination)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class LineConfig(_Strict):
    """A public number and the conversation that it opens."""

    name: Name
    numbers: tuple[Dialled, ...] = Field(min_length=1)
    flow: Name
    shown_number: ShownNumber = ""
    """What is shown to those whom we dial on this line's behalf; empty: no number."""


class RelaxationConfig(_Strict):
    """From so many seconds of waiting on, somebody else may answer too."""

    after_s: float = Field(ge=1, le=7200)
    requires: str | None = None
    level: int | None = Field(None, ge=1, le=9)


class OverflowConfig(_Strict):
    when: OverflowWhen
    above: float = Field(ge=0, le=86_400)
    to: DestinationText


class CallbackConfig(_Strict):
    """Whoever waits may be called back instead. Times in seconds."""

    key: Key = "1"
    after_s: float = Field(60.0, ge=0, le=7200)
    estimate_s: float = Field(300.0, ge=0, le=7200)
    attempts: int = Field(3, ge=1, le=20)
    retry_s: float = Field(300.0, ge=10, le=86_400)
    hours: OpeningHours | None = None
    flow: Name = "callback"

    model_config = ConfigDict(arbitrary_types_allowed=True)

    def policy(self) -> CallbackPolicy:
        return CallbackPolicy(
            key=self.key,
            after_s=self.after_s,
            estimate_s=self.estimate_s,
            attempts=self.attempts,
            retry_s=self.retry_s,
            hours=self.hours,
            flow=FlowName(self.flow),
        )


class VoicemailConfig(_Strict):
    """Whoever waits may leave a message instead."""

    key: Key = "2"
    flow: Name = "voicemail"

    def policy(self) -> VoicemailPolicy:
        return VoicemailPolicy(key=self.key, flow=FlowName(self.flow))


class QueueConfig(_Strict):
    """A queue. Times in seconds."""

    name: Name
    code: Dialled | Literal[""] = ""
    """What agents dial to pass a citizen on to it."""
    requires: str = ""
    strategy: Strategy = Strategy.LONGEST_IDLE
    sticky_s: float = Field(0.0, ge=0, le=600)
    sticky_memory_s: float = Field(604_800.0, ge=60, le=31_536_000)
    level: int = Field(1, ge=1, le=9)
    relax: tuple[RelaxationConfig, ...] = Field((), max_length=10)
    priority: int = Field(0, ge=0, le=100)
    ageing_s: float = Field(60.0, ge=1, le=3600)
    service_level_s: float | None = Field(None, gt=0, le=600)
    ring_s: float = Field(15.0, ge=3, le=120)
    back_off_s: float = Field(5.0, ge=1, le=300)
    most_misses: int = Field(3, ge=0, le=100)
    wrap_up_s: float = Field(10.0, ge=0, le=3600)
    wrap_up_mode: WrapUpMode = WrapUpMode.FIXED
    wrap_up_extend_s: float = Field(60.0, ge=0, le=3600)
    dispositions: tuple[Wording, ...] = Field((), max_length=99)
    disposition_required: bool = False
    announce_every_s: float = Field(30.0, ge=10, le=600)
    messages: tuple[Sentence, ...] = ()
    say_position: bool = True
    say_estimate: bool = True
    keys: dict[Key, DestinationText] = {}
    callback: CallbackConfig | None = None
    voicemail: VoicemailConfig | None = None
    most_waiting: int = Field(0, ge=0, le=100_000)
    when_full: DestinationText = f"message {EVERYBODY_BUSY}"
    longest_wait_s: float = Field(0.0, ge=0, le=86_400)
    when_too_long: DestinationText = f"message {EVERYBODY_BUSY}"
    join_when: JoinWhen = JoinWhen.ALWAYS
    when_nobody: DestinationText = f"message {EVERYBODY_BUSY}"
    leave_when_nobody: bool = False
    overflow: tuple[OverflowConfig, ...] = Field((), max_length=10)
    hours: OpeningHours | None = None
    when_closed: DestinationText = f"message {CLOSED}"
    drain: Drain = Drain.SERVE

    model_config = ConfigDict(arbitrary_types_allowed=True)

    def policy(self, *, language: str, service_level_s: float = 20.0) -> QueuePolicy:
        """`service_level_s` is the installation's, for a queue without one of its own."""
        return QueuePolicy(
            name=QueueName(self.name),
            requires=self.requires,
            relax=tuple(
                Relaxation(after_s=step.after_s, requires=step.requires, level=step.level) for step in self.relax
            ),
            strategy=self.strategy,
            sticky_s=self.sticky_s,
            sticky_memory_s=self.sticky_memory_s,
            level=self.level,
            priority=self.priority,
            ageing_s=self.ageing_s,
            service_level_s=service_level_s if self.service_level_s is None else self.service_level_s,
            ring_s=self.ring_s,
            back_off_s=self.back_off_s,
            most_misses=self.most_misses,
            wrap_up_s=self.wrap_up_s,
            wrap_up_mode=self.wrap_up_mode,
            wrap_up_extend_s=self.wrap_up_extend_s,
            dispositions=self.dispositions,
            disposition_required=self.disposition_required,
            announce_every_s=self.announce_every_s,
            messages=tuple(Prompt(text=message, language=language) for message in self.messages),
            say_position=self.say_position,
            say_estimate=self.say_estimate,
            keys={key: read_destination(to) for key, to in self.keys.items()},
            callback=None if self.callback is None else self.callback.policy(),
            voicemail=None if self.voicemail is None else self.voicemail.policy(),
            most_waiting=self.most_waiting,
            when_full=read_destination(self.when_full),
            longest_wait_s=self.longest_wait_s,
            when_too_long=read_destination(self.when_too_long),
            join_when=self.join_when,
            when_nobody=read_destination(self.when_nobody),
            leave_when_nobody=self.leave_when_nobody,
            overflow=tuple(
                Overflow(when=rule.when, above=rule.above, to=read_destination(rule.to)) for rule in self.overflow
            ),
            hours=self.hours,
            when_closed=read_destination(self.when_closed),
            drain=self.drain,
        )


class AgentConfig(_Strict):
    """A person who answers, and the queues that they answer."""

    id: AgentNumber
    name: Title = ""
    queues: tuple[Name, ...] = Field(min_length=1)
    skills: dict[Name, SkillLevel] = {}
    """How well each thing is known, 0 (not at all) to 10."""
    languages: tuple[Language, ...] = ()
    """Those in which this agent attends; empty means the installation's own."""
    levels: dict[Name, GroupLevel] = {}
    """By queue, the group in which this agent answers it; 1 where nothing is said."""
    encryption: Encryption = Encryption.NONE
    """Of the telephone's sound."""

    def member(self) -> Member:
        return Member(
            agent=AgentId(self.id),
            name=self.name,
            queues=tuple(QueueName(queue) for queue in self.queues),
            skills=self.skills,
            languages=self.languages,
            levels={QueueName(queue): level for queue, level in self.levels.items()},
        )


class TlsConfig(_Strict):
    """The certificate of SIP over TLS; without one, ours is made."""

    certificate: str = ""
    """A PEM file, the authorities between included; a path that does not begin with / lies in the home folder."""
    key: str = ""
    names: tuple[HostName, ...] = ()
    """By which telephones reach us; for the certificate that is made."""


class RouteConfig(_Strict):
    """A trunk: the addresses from which citizens' calls come, and where calls to the outside go."""

    name: Name
    addresses: tuple[Network, ...] = Field(min_length=1)
    dial: PeerAddress = ""
    """An IP address and a port; empty: nobody is dialled by this route."""


class PersonConfig(_Strict):
    """Somebody who watches over agents, or runs the place; their telephone is an account like an agent's."""

    id: AgentNumber
    name: Title = ""
    role: Role = Role.SUPERVISOR
    queues: tuple[Name, ...] = ()
    """Those that a supervisor watches over; none: all."""
    may: tuple[Power, ...] = tuple(Power)

    def person(self) -> Person:
        return Person(
            id=AgentId(self.id),
            name=self.name,
            role=self.role,
            queues=frozenset(QueueName(queue) for queue in self.queues),
            powers=frozenset(self.may),
        )


class SourceConfig(_Strict):
    """Where flows look something up: an HTTP address, or a query of a database."""

    name: Name
    url: str = ""
    """Of a GET that answers JSON; parameters go into its query."""
    sql: str = ""
    """A query, with `:name` for each parameter; its first row is the answer."""
    database: str = ""
    """Of the query; empty is the installation's own."""
    parameters: tuple[Parameter, ...] = ()
    """Those that a flow must give."""
    cache_s: float = Field(0, ge=0, le=86400)
    """How long an answer counts."""
    private: bool = False
    """Whether the journal must not have its answers."""

    @model_validator(mode="after")
    def _one_way(self) -> "SourceConfig":
        if bool(self.url) == bool(self.sql):
            raise ValueError("a source has a url or an sql, and not both")
        if self.database and not self.sql:
            raise ValueError("a database is for an sql")
        return self


class SynthesiserConfig(_Strict):
    """Who speaks what nobody has recorded."""

    command: str = ""
    """A program that reads a text from standard input and writes a WAV file at `{output_file}`; `{language}` is the
    language. Empty: espeak-ng."""


class DatabaseConfig(_Strict):
    url: str = ""
    """An SQLAlchemy URL; empty means SQLite in the home folder."""


class SpeechConfig(_Strict):
    """What understanding citizens' speech may take of the machine."""

    workers: Annotated[int, Field(ge=1, le=16)] = 1
    """Processes that recognise; each has every model."""
    at_once: Annotated[int, Field(ge=1, le=400)] = 40
    """Citizens whom one of them listens to at a time; for whom there is no more room there are the keys."""


class Config(_Strict):
    """Everything that an installation may set."""

    node: Name = "tf1"
    """Asterisk's `systemname`: every call's id begins with it."""
    country: Country = "UY"
    """Where a number without a country belongs (ISO 3166)."""
    language: Language = "es"
    sip_address: Address = "127.0.0.1"
    """Where telephones and trunks reach us; 0.0.0.0 for every interface."""
    sip_port: int = Field(5060, ge=1024, le=65535)
    sip_tls_port: int = Field(0, ge=0, le=65535)
    """SIP over TLS; 0 is off."""
    tls: TlsConfig = TlsConfig()
    http_port: int = Field(8088, ge=1, le=65535)
    own_asterisk: bool = True
    """Whether the engine starts and watches Asterisk itself."""
    greeting: str = "Bienvenido. En este momento le atenderá una persona. Por favor, aguarde en línea."
    """What the contingency path says when no engine takes a call."""
    service_level_s: float = Field(20.0, gt=0, le=600)
    """The T of the service level: answered within T."""
    short_abandon_s: float = Field(5.0, ge=0, le=60)
    """Who leaves a queue sooner than this did not mean to wait."""
    longest_call_s: int = Field(7200, ge=60, le=86400)
    database: DatabaseConfig = DatabaseConfig()
    sources: tuple[SourceConfig, ...] = ()
    synthesiser: SynthesiserConfig = SynthesiserConfig()
    speech: SpeechConfig = SpeechConfig()
    lines: tuple[LineConfig, ...] = Field(min_length=1)
    queues: tuple[QueueConfig, ...] = Field(min_length=1)
    agents: tuple[AgentConfig, ...] = Field(min_length=1)
    routes: tuple[RouteConfig, ...] = (RouteConfig(name="ciudadanos", addresses=("127.0.0.1",)),)
    people: tuple[PersonConfig, ...] = ()
    login: Literal["automatic", "required"] = "automatic"
    """Whether an agent is logged in by the telephone's coming, or must say so."""
    pause_reasons: dict[PauseKey, Title] = {"1": "almuerzo", "2": "baño", "3": "capacitación"}
    """By the key that is dialled after *13."""
    outside_numbers: tuple[NumberPattern, ...] = ()
    """What agents may pass citizens on to outside; none unless it stands here."""

    @property
    def telephones(self) -> dict[str, str]:
        """Names by number of those who have a telephone: agents, and people who are no agents."""
        others = {person.id: person.name for person in self.people}
        return {**others, **{agent.id: agent.name for agent in self.agents}}

    @property
    def everybody(self) -> dict[AgentId, Person]:
        """Who may ask something of the engine."""
        agents = {AgentId(agent.id): Person(id=AgentId(agent.id), name=agent.name) for agent in self.agents}
        return {**agents, **{AgentId(person.id): person.person() for person in self.people}}

    @property
    def directory(self) -> Directory:
        """What agents may dial in a conversation."""
        queues = {queue.name: QueueName(queue.name) for queue in self.queues}
        codes = {queue.code: QueueName(queue.name) for queue in self.queues if queue.code}
        return Directory(
            agents=frozenset(AgentId(number) for number in self.telephones),
            queues={**queues, **codes},
            lines={number: line.flow for line in self.lines for number in line.numbers},
            outside=self.outside_numbers,
        )

    def encryption_of(self, telephone: str) -> Encryption:
        """Of an agent's telephone; nobody else's is encrypted."""
        return next((agent.encryption for agent in self.agents if agent.id == telephone), Encryption.NONE)


class ConfigInvalid(Exception):
    """One line per problem: `file:line: what is wrong`."""


def read_config(path: Path) -> Config:
    """The configuration in `path`. Raises `ConfigInvalid`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalid(f"{path}: cannot be read: {error}") from error
    return parse_config(text, file=str(path))


def parse_config(text: str, *, file: str) -> Config:
    """The configuration that a text holds; `file` names it in the problems. Raises `ConfigInvalid`."""
    findings = Findings(file)
    tree = read_source(text, findings=findings)
    if tree is not None and not isinstance(tree, Table):
        findings.add("expected settings like `node: tf1`", line=tree.line)
    if isinstance(tree, Table) and not findings.problems:
        plain = _plain(tree, findings=findings)
        if not findings.problems:
            try:
                config = Config.model_validate(plain)
            except ValidationError as error:
                for problem in _causes(error):
                    findings.add(_words(problem["loc"], problem), line=_line_of(tree, problem["loc"]))
            else:
                for where, text in _disagreements(config):
                    findings.add(text, line=_line_of(tree, where))
                if not findings.problems:
                    return config
    raise ConfigInvalid("\n".join(f"{file}:{problem.line}: {problem.text}" for problem in findings.problems))


def _disagreements(config: Config) -> Iterator[tuple[_Where, str]]:
    """Names that stand twice, and names of what is not there, each with its place."""
    numbers = [
        (("lines", n, "numbers", m), number)
        for n, line in enumerate(config.lines)
        for m, number in enumerate(line.numbers)
    ]
    named: dict[str, list[tuple[_Where, str]]] = {
        "line": [(("lines", n, "name"), line.name) for n, line in enumerate(config.lines)],
        "number": [*numbers],
        "queue": [(("queues", n, "name"), queue.name) for n, queue in enumerate(config.queues)],
        "agent": [(("agents", n, "id"), agent.id) for n, agent in enumerate(config.agents)],
        "route": [(("routes", n, "name"), route.name) for n, route in enumerate(config.routes)],
        "source": [(("sources", n, "name"), source.name) for n, source in enumerate(config.sources)],
        "person": [(("people", n, "id"), person.id) for n, person in enumerate(config.people)],
        "code": [(("queues", n, "code"), queue.code) for n, queue in enumerate(config.queues) if queue.code],
    }
    for n, source in enumerate(config.sources):
        bound = set(re.findall(r"(?<![:\w]):([A-Za-z_]\w*)", source.sql))
        if source.sql and bound != set(source.parameters):
            odd = ", ".join(sorted(bound ^ set(source.parameters)))
            yield ("sources", n, "sql"), f"parameters of the query and of the list are not the same: {odd}"
    accounts = {*config.telephones, CITIZEN_TELEPHONE}
    for where, name in named["route"]:
        if name in accounts:
            yield where, f"the route {shown(name)} has the name of a telephone"
    for what, places in named.items():
        seen: set[str] = set()
        for where, name in places:
            if name in seen:
                yield where, f"the {what} {shown(name)} stands here twice"
            seen.add(name)
    yield from _disagreements_of_tls(config)
    for where, code in named["code"]:
        if code in config.telephones or code in {number for _, number in numbers}:
            yield where, f"the code {shown(code)} is somebody's number already"
    queues = [queue.name for queue in config.queues]
    for n, one in enumerate(config.queues):
        yield from ((("queues", n, *where), text) for where, text in _disagreements_of(one, config=config))
    for setting, path in loops(one.policy(language=config.language) for one in config.queues):
        circle = f"citizens would go round in a circle: {' -> '.join(path)}"
        yield ("queues", queues.index(path[0]), setting), f"{setting}: {circle}"
    served = [("agents", n, agent.queues) for n, agent in enumerate(config.agents)]
    served += [("people", n, person.queues) for n, person in enumerate(config.people)]
    for group, n, theirs in served:
        for m, queue in enumerate(theirs):
            if queue not in queues:
                yield (group, n, "queues", m), f"unknown queue {shown(queue)}{suggestion(queue, known=queues)}"
    for n, agent in enumerate(config.agents):
        for queue in agent.levels:
            if queue not in agent.queues:
                yield ("agents", n, "levels", queue), f"{shown(queue)} is no queue of this agent"
    for finding in _skill_findings(config):
        if finding.fatal:
            yield finding.where, finding.text


def _skill_findings(config: Config) -> list[SkillFinding]:
    policies = [queue.policy(language=config.language) for queue in config.queues]
    return check_skills(policies, [agent.member() for agent in config.agents])


def _disagreements_of_tls(config: Config) -> Iterator[tuple[_Where, str]]:
    if 0 < config.sip_tls_port < FIRST_FREE_PORT:
        yield ("sip_tls_port",), f"sip_tls_port: 0 for none, or {FIRST_FREE_PORT} to 65535"
    if config.sip_tls_port in (config.sip_port, config.http_port):
        yield ("sip_tls_port",), "sip_tls_port: taken by sip_port or http_port"
    if bool(config.tls.certificate) != bool(config.tls.key):
        yield ("tls",), "tls: a certificate and its key are given together, or neither"
    for n, agent in enumerate(config.agents):
        if agent.encryption is not Encryption.NONE and not config.sip_tls_port:
            yield ("agents", n, "encryption"), "encryption of sound needs sip_tls_port: its keys travel in SIP"


def _disagreements_of(queue: QueueConfig, *, config: Config) -> Iterator[tuple[_Where, str]]:
    """What does not go together in one queue, each with its place within it."""
    destinations: list[tuple[_Where, str]] = [
        *((("keys", key), to) for key, to in queue.keys.items()),
        *((("overflow", n, "to"), rule.to) for n, rule in enumerate(queue.overflow)),
        (("when_full",), queue.when_full),
        (("when_too_long",), queue.when_too_long),
        (("when_nobody",), queue.when_nobody),
        (("when_closed",), queue.when_closed),
    ]
    there = {
        DestinationKind.QUEUE: [other.name for other in config.queues],
        DestinationKind.AGENT: [agent.id for agent in config.agents],
    }
    for where, text in destinations:
        to = read_destination(text)
        known = there.get(to.kind)
        if known is not None and to.name not in known:
            yield where, f"unknown {to.kind.value} {shown(to.name)}{suggestion(to.name, known=known)}"
    taken: dict[str, str] = dict.fromkeys(queue.keys, "keys")
    for name, offer in (("callback", queue.callback), ("voicemail", queue.voicemail)):
        if offer is not None:
            if offer.key in taken:
                yield (name, "key"), f"the key {shown(offer.key)} is taken by {taken[offer.key]}"
            taken[offer.key] = name
    for n, (step, after) in enumerate(zip(queue.relax, queue.relax[1:], strict=False)):
        if after.after_s <= step.after_s:
            yield ("relax", n + 1, "after_s"), "each step comes later than the one before it"
    for n, rule in enumerate(queue.overflow):
        if rule.when is OverflowWhen.CLOSING and queue.hours is None:
            yield ("overflow", n, "when"), "a queue without hours never closes"
    if queue.disposition_required and not queue.dispositions:
        yield ("disposition_required",), "there are no dispositions to choose from"
    for n, disposition in enumerate(queue.dispositions):
        if disposition in queue.dispositions[:n]:
            yield ("dispositions", n), f"the disposition {shown(disposition)} stands here twice"


def warnings(config: Config) -> list[str]:
    """What is legal and yet probably not meant, a line each."""
    served = {queue for agent in config.agents for queue in agent.queues}
    deserted = [f"the queue {shown(queue.name)} has no agents" for queue in config.queues if queue.name not in served]
    return deserted + [finding.text for finding in _skill_findings(config) if not finding.fatal]


def _plain(tree: Tree, *, findings: Findings, where: tuple[str, ...] = ()) -> Any:
    """The words without their places; what is a number is for the model to say. Opening hours are read here, for their
    reader says what is wrong with them by their places."""
    if where in _OPENING_HOURS:
        return read_opening_hours(tree, findings=findings)
    if isinstance(tree, Word):
        return tree.text
    if isinstance(tree, Row):
        return [_plain(item, findings=findings, where=where) for item in tree.items]
    plain: dict[str, Any] = {}
    for key, value in tree.entries:
        if key.text in plain:
            findings.add(f"{shown(key.text)} stands here twice", line=key.line, column=key.column)
        plain[key.text] = _plain(value, findings=findings, where=(*where, key.text))
    return plain


_OPENING_HOURS = (("queues", "hours"), ("queues", "callback", "hours"))
_EXPECTED = {
    "too_short": "needs at least one",
    "tuple_type": "expected a list, as in [a, b]",
    "model_type": "expected settings, as in {name: general}",
    "string_type": "expected a word",
}


def _causes(error: ValidationError) -> list[Any]:
    """Not what only follows from another problem: a list counts as short when what stands in it is wrong."""
    problems = error.errors()
    return [
        problem
        for problem in problems
        if problem["type"] != "too_short"
        or not any(other is not problem and other["loc"][: len(problem["loc"])] == problem["loc"] for other in problems)
    ]


def _words(where: _Where, problem: Any) -> str:
    place = ".".join(str(part) for part in where)
    if problem["type"] == "extra_forbidden":
        known = _known_keys(where[:-1])
        return f"unknown setting {shown(str(where[-1]))}{suggestion(str(where[-1]), known=known)}"
    if problem["type"] == "missing":
        return f"{place} is missing"
    if problem["type"] in _EXPECTED:
        return f"{place}: {_EXPECTED[problem['type']]}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    given = f", not {shown(problem['input'])}" if isinstance(problem["input"], str) else ""
    return f"{place}: {message}{given}" if place else message


def _known_keys(where: _Where) -> list[str]:
    """The settings that the model at this place has."""
    model: Any = Config
    for part in where:
        if isinstance(part, int):
            continue
        model = _model_in(model.model_fields[part].annotation) if model is not None else None
    return list(model.model_fields) if model is not None else []


def _model_in(annotation: Any) -> Any:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _model_in(part)) is not None), None)


def _line_of(tree: Tree, where: _Where) -> int:
    """The line (from 1) where the value at `where` stands, or that of the nearest thing around it."""
    line = tree.line
    for part in where:
        if isinstance(tree, Table):
            found = next(((key, value) for key, value in tree.entries if key.text == part), None)
            if found is None:
                return line
            line, tree = found[0].line, found[1]
        elif isinstance(tree, Row) and isinstance(part, int) and part < len(tree.items):
            tree = tree.items[part]
            line = tree.line
    return line


SAMPLE = """\
# Telefonista: this installation. Every setting is explained in docs/configuration.md.
# A change takes effect with `telefonista reload`; a mistake is named and the last good configuration stays.

node: tf1            # the name of this Asterisk; every call's id begins with it
country: UY          # numbers without a country code belong here

lines:               # public numbers and the conversation each opens
  - name: 0800-info
    numbers: ["4636", "*463", "463"]
    flow: 0800-info

queues:              # times in seconds
  - name: general
    messages:
      - "Gracias por aguardar. Su llamada es importante para nosotros."
  - name: tramites
    messages:
      - "Recuerde tener a mano su cédula de identidad."
  - name: impuestos
    messages:
      - "Puede consultar su deuda en línea, a toda hora."
  - name: vacunacion
    messages:
      - "Las vacunas del esquema nacional son gratuitas."

agents:              # the password of each telephone is in secrets.json, made at the first run
  - {id: "101", name: "Posición 1", queues: [general, tramites, impuestos, vacunacion]}
  - {id: "102", name: "Posición 2", queues: [general, tramites, impuestos, vacunacion]}
  - {id: "103", name: "Posición 3", queues: [general, tramites, impuestos, vacunacion]}
"""
