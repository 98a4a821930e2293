"""The one configuration file of an installation, `HOME/config.yaml`: read, checked, and refused with file and line.

In: YAML. Out: a frozen `Config`, or `ConfigInvalid`, whose message has one line per problem: file, line, what is wrong,
and the nearest thing that would be right. Secrets do not stand here; they are made at the first run and kept apart.
"""

import difflib
import inspect
import typing
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from acd import QueuePolicy
from telefonista.kernel.commands import Prompt
from telefonista.kernel.ids import QueueName

EVERY_INTERFACE = "0.0.0.0"  # noqa: S104 - named so that it can be recognised; nothing binds to it unless configured
LARGEST_FILE = 1_000_000
"""Characters; a larger file is a mistake."""


def _name(value: str) -> str:
    if not value or len(value) > 40 or not all(character.isalnum() or character in "-_" for character in value):
        raise ValueError("a name has 1 to 40 letters, digits, - and _")
    if not value.isascii():
        raise ValueError("a name is written without accents")
    return value


def _dialled(value: str) -> str:
    if not value or len(value) > 20 or not all(character in "0123456789*#+" for character in value):
        raise ValueError("a number to dial has 1 to 20 of 0-9, *, # and +")
    return value


def _agent_id(value: str) -> str:
    if not value.isdigit() or not value.isascii() or not 2 <= len(value) <= 8:
        raise ValueError("an agent's number has 2 to 8 digits")
    return value


Name = Annotated[str, AfterValidator(_name)]
Dialled = Annotated[str, AfterValidator(_dialled)]
AgentNumber = Annotated[str, AfterValidator(_agent_id)]


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
    name: str = Field("", max_length=60)
    queues: tuple[Name, ...] = Field(min_length=1)


class RouteConfig(_Strict):
    """A trunk: the addresses from which citizens' calls come."""

    name: Name
    addresses: tuple[str, ...] = Field(min_length=1)


class DatabaseConfig(_Strict):
    url: str = ""
    """An SQLAlchemy URL; empty means SQLite in the home folder."""


class Config(_Strict):
    """Everything that an installation may set."""

    node: Name = "tf1"
    """Asterisk's `systemname`: every call's id begins with it."""
    country: str = Field("UY", min_length=2, max_length=2)
    """Where a number without a country belongs (ISO 3166)."""
    language: str = Field("es", min_length=2, max_length=5)
    sip_address: str = "127.0.0.1"
    """Where telephones and trunks reach us; 0.0.0.0 for every interface."""
    sip_port: int = Field(5060, ge=1, le=65535)
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

    @model_validator(mode="after")
    def _names_agree(self) -> "Config":
        for what, names in (
            ("line", [line.name for line in self.lines]),
            ("queue", [queue.name for queue in self.queues]),
            ("agent", [agent.id for agent in self.agents]),
            ("route", [route.name for route in self.routes]),
            ("dialled number", [number for line in self.lines for number in line.numbers]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"the {what} {twice[0]} stands here twice")
        queues = [queue.name for queue in self.queues]
        for agent in self.agents:
            for queue in agent.queues:
                if queue not in queues:
                    raise ValueError(
                        f"agent {agent.id} is in the queue {queue!r}, which is not there{_nearest(queue, queues)}"
                    )
        return self


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
    if len(text) > LARGEST_FILE:
        raise ConfigInvalid(f"{file}:1: larger than {LARGEST_FILE} characters")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise ConfigInvalid(f"{file}:{line}: not YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigInvalid(f"{file}:1: not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(raw, dict) or node is None:
        raise ConfigInvalid(f"{file}:1: expected settings like `node: tf1`")
    twice = _repeated_keys(node)
    if twice:
        raise ConfigInvalid("\n".join(f"{file}:{line}: {key!r} stands here twice" for key, line in twice))
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        problems = [
            f"{file}:{_line_of(node, problem['loc'])}: {_words(problem['loc'], problem)}" for problem in error.errors()
        ]
        raise ConfigInvalid("\n".join(problems)) from error


def _words(where: tuple[int | str, ...], problem: Any) -> str:
    place = ".".join(str(part) for part in where)
    if problem["type"] == "extra_forbidden":
        known = _known_keys(where[:-1])
        return f"unknown setting {str(where[-1])!r}{_nearest(str(where[-1]), known)}"
    if problem["type"] == "missing":
        return f"{place} is missing"
    message = str(problem["msg"]).removeprefix("Value error, ")
    shown = f", not {problem['input']!r}" if isinstance(problem["input"], str | int | float | bool) else ""
    return f"{place}: {message}{shown}" if place else message


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known are: {', '.join(known)}" if known else ""


def _known_keys(where: tuple[int | str, ...]) -> list[str]:
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


def _line_of(node: yaml.Node, where: tuple[int | str, ...]) -> int:
    """The line (from 1) where the value at `where` stands, or that of the nearest thing around it."""
    line = node.start_mark.line + 1
    for part in where:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                return line
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _repeated_keys(node: yaml.Node) -> list[tuple[str, int]]:
    if isinstance(node, yaml.SequenceNode):
        return [found for child in node.value for found in _repeated_keys(child)]
    if not isinstance(node, yaml.MappingNode):
        return []
    seen: set[str] = set()
    repeated: list[tuple[str, int]] = []
    for key, value in node.value:
        if str(key.value) in seen:
            repeated.append((str(key.value), key.start_mark.line + 1))
        seen.add(str(key.value))
        repeated += _repeated_keys(value)
    return repeated


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

agents:              # the password of each telephone is in secrets.yaml, made at the first run
  - {id: "101", name: "Posición 1", queues: [general, tramites, impuestos, vacunacion]}
  - {id: "102", name: "Posición 2", queues: [general, tramites, impuestos, vacunacion]}
  - {id: "103", name: "Posición 3", queues: [general, tramites, impuestos, vacunacion]}
"""
