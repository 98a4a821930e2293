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
from typing import Annotated, Any

import phonenumbers
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from acd import QueuePolicy
from telefonista.kernel.commands import Prompt
from telefonista.kernel.ids import QueueName
from telefonista.notation.problems import Findings, shown, suggestion
from telefonista.notation.source import Row, Table, Tree, Word, read_source

EVERY_INTERFACE = "0.0.0.0"  # noqa: S104 - named so that it can be recognised; nothing binds to it unless configured


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


def _country(value: str) -> str:
    if value.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("a country has two letters, such as UY, AR or CL (ISO 3166)")
    return value.upper()


def _language(value: str) -> str:
    if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,4})?", value):
        raise ValueError("a language has two or three letters, such as es, or es-UY")
    return value


_Where = tuple[int | str, ...]

Name = Annotated[str, AfterValidator(_name)]
Dialled = Annotated[str, AfterValidator(_dialled)]
AgentNumber = Annotated[str, AfterValidator(_agent_id)]
Title = Annotated[str, AfterValidator(_title)]
Address = Annotated[str, AfterValidator(_address)]
Network = Annotated[str, AfterValidator(_network)]
Country = Annotated[str, AfterValidator(_country)]
Language = Annotated[str, AfterValidator(_language)]
SkillLevel = Annotated[int, Field(ge=0, le=10)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class LineConfig(_Strict):
    """A public number and the conversation that it opens."""

    name: Name
    numbers: tuple[Dialled, ...] = Field(min_length=1)
    flow: Name


class QueueConfig(_Strict):
    """A queue. Times in seconds."""

    name: Name
    ring_s: float = Field(15.0, ge=3, le=120)
    back_off_s: float = Field(5.0, ge=1, le=300)
    wrap_up_s: float = Field(10.0, ge=0, le=3600)
    announce_every_s: float = Field(30.0, ge=10, le=600)
    messages: tuple[str, ...] = ()

    def policy(self, *, language: str) -> QueuePolicy:
        return QueuePolicy(
            name=QueueName(self.name),
            ring_s=self.ring_s,
            back_off_s=self.back_off_s,
            wrap_up_s=self.wrap_up_s,
            announce_every_s=self.announce_every_s,
            messages=tuple(Prompt(text=message, language=language) for message in self.messages),
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


class RouteConfig(_Strict):
    """A trunk: the addresses from which citizens' calls come."""

    name: Name
    addresses: tuple[Network, ...] = Field(min_length=1)


class DatabaseConfig(_Strict):
    url: str = ""
    """An SQLAlchemy URL; empty means SQLite in the home folder."""


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
    lines: tuple[LineConfig, ...] = Field(min_length=1)
    queues: tuple[QueueConfig, ...] = Field(min_length=1)
    agents: tuple[AgentConfig, ...] = Field(min_length=1)
    routes: tuple[RouteConfig, ...] = (RouteConfig(name="ciudadanos", addresses=("127.0.0.1",)),)


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
    }
    accounts = {*(agent.id for agent in config.agents), CITIZEN_TELEPHONE}
    for where, name in named["route"]:
        if name in accounts:
            yield where, f"the route {shown(name)} has the name of a telephone"
    for what, places in named.items():
        seen: set[str] = set()
        for where, name in places:
            if name in seen:
                yield where, f"the {what} {shown(name)} stands here twice"
            seen.add(name)
    queues = [queue.name for queue in config.queues]
    for n, agent in enumerate(config.agents):
        for m, queue in enumerate(agent.queues):
            if queue not in queues:
                yield ("agents", n, "queues", m), f"unknown queue {shown(queue)}{suggestion(queue, known=queues)}"


def _plain(tree: Tree, *, findings: Findings) -> Any:
    """The words without their places; what is a number is for the model to say."""
    if isinstance(tree, Word):
        return tree.text
    if isinstance(tree, Row):
        return [_plain(item, findings=findings) for item in tree.items]
    plain: dict[str, Any] = {}
    for key, value in tree.entries:
        if key.text in plain:
            findings.add(f"{shown(key.text)} stands here twice", line=key.line, column=key.column)
        plain[key.text] = _plain(value, findings=findings)
    return plain


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
