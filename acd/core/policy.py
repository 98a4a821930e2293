"""How a queue behaves, as configured: who may answer, what is heard, and where a citizen goes when it cannot be.

Values only. Seconds throughout. In: the words of the configuration, already read. Out: what the desk, the matching and
the agents' room ask. Pure; must never import the configuration file's reader.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

import msgspec

from agents import Granted
from telefonista.kernel.commands import Prompt
from telefonista.kernel.events import Destination, DestinationKind
from telefonista.kernel.ids import FlowName, QueueName
from telefonista.notation.hours import OpeningHours

EVERYBODY_BUSY = "En este momento no podemos atenderle. Por favor, llame más tarde."
CLOSED = "La oficina está cerrada en este momento. Por favor, llame en nuestro horario de atención."
"""Said before the call ends where a queue does not say where else its citizens go."""
LONGEST_SENTENCE = 300


class Strategy(StrEnum):
    """Which of several able agents is offered a contact."""

    LONGEST_IDLE = "longest_idle"
    ROUND_ROBIN = "round_robin"
    FEWEST_CALLS = "fewest_calls"
    RANDOM = "random"
    RING_ALL = "ring_all"
    LINEAR = "linear"
    LEAST_FLEXIBLE = "least_flexible"


class WrapUpMode(StrEnum):
    FIXED = "fixed"
    UNTIL_DONE = "until_done"


class JoinWhen(StrEnum):
    """When a citizen may join a queue."""

    ALWAYS = "always"
    LOGGED_IN = "logged_in"
    """Some agent of the queue is at work, paused ones included."""
    AVAILABLE = "available"
    """Some agent of the queue is at work and not paused."""


class Drain(StrEnum):
    """What becomes at closing time of those who wait."""

    SERVE = "serve"
    DIVERT = "divert"


class OverflowWhen(StrEnum):
    WAITING_PER_AGENT = "waiting_per_agent"
    """More wait for each agent at work than `above`."""
    ESTIMATE = "estimate"
    """The wait would be longer than `above` seconds."""
    CLOSING = "closing"
    """The queue closes in less than `above` seconds."""


class Relaxation(msgspec.Struct, frozen=True, kw_only=True):
    """From so many seconds of waiting on, somebody else may answer too."""

    after_s: float
    requires: str | None = None
    """Instead of what the queue asks for; None: unchanged."""
    level: int | None = None
    """The group that answers from here on, those before it included; None: unchanged."""


class CallbackPolicy(msgspec.Struct, frozen=True, kw_only=True):
    key: str = "1"
    after_s: float = 60.0
    """Offered to whoever has waited so long."""
    estimate_s: float = 300.0
    """Offered at once to whoever would wait longer than this; 0: not for that reason."""
    attempts: int = 3
    retry_s: float = 300.0
    hours: OpeningHours | None = None
    """When citizens may be called; None: whenever the queue is open."""
    flow: FlowName = FlowName("callback")


class VoicemailPolicy(msgspec.Struct, frozen=True, kw_only=True):
    key: str = "2"
    flow: FlowName = FlowName("voicemail")


class Overflow(msgspec.Struct, frozen=True, kw_only=True):
    when: OverflowWhen
    above: float
    to: Destination


class QueuePolicy(msgspec.Struct, frozen=True, kw_only=True):
    name: QueueName
    requires: str = ""
    """An expression over skills, each a number from 0 to 10; empty: any agent of the queue."""
    relax: tuple[Relaxation, ...] = ()
    strategy: Strategy = Strategy.LONGEST_IDLE
    sticky_s: float = 0.0
    """How long whoever served a citizen last is preferred; 0: not at all."""
    sticky_memory_s: float = 604_800.0
    """How long it is remembered who that was."""
    level: int = 1
    """The group of agents that answers first."""
    priority: int = 0
    """Of every contact in this queue, beside what its flow gave it."""
    ageing_s: float = 60.0
    """So many seconds of waiting are worth one of priority, so that nobody is passed over for ever."""
    service_level_s: float = 20.0
    ring_s: float = 15.0
    """How long one agent's phone rings before the offer goes to the next."""
    back_off_s: float = 5.0
    """How long an agent who did not take an offer is left in peace, so that a dead phone is not rung in a loop."""
    most_misses: int = 3
    """After so many offers in a row that were not taken the agent is paused; 0: never."""
    wrap_up_s: float = 10.0
    wrap_up_mode: WrapUpMode = WrapUpMode.FIXED
    wrap_up_extend_s: float = 60.0
    """How much longer an agent may make it, each time; 0: not at all."""
    dispositions: tuple[str, ...] = ()
    disposition_required: bool = False
    announce_every_s: float = 30.0
    messages: tuple[Prompt, ...] = ()
    """Institutional messages, one with each announcement, in turn."""
    say_position: bool = True
    say_estimate: bool = True
    keys: Mapping[str, Destination] = {}
    """What a waiting citizen may press, and where that leads."""
    callback: CallbackPolicy | None = None
    voicemail: VoicemailPolicy | None = None
    most_waiting: int = 0
    """0: no limit."""
    when_full: Destination = Destination(DestinationKind.MESSAGE, EVERYBODY_BUSY)
    longest_wait_s: float = 0.0
    """0: no limit."""
    when_too_long: Destination = Destination(DestinationKind.MESSAGE, EVERYBODY_BUSY)
    join_when: JoinWhen = JoinWhen.ALWAYS
    when_nobody: Destination = Destination(DestinationKind.MESSAGE, EVERYBODY_BUSY)
    leave_when_nobody: bool = False
    """Whether those who wait go where `when_nobody` says as soon as nobody whom `join_when` asks for is left."""
    overflow: tuple[Overflow, ...] = ()
    """Asked in their order when somebody comes; the first that holds sends them on."""
    hours: OpeningHours | None = None
    """None: always open."""
    when_closed: Destination = Destination(DestinationKind.MESSAGE, CLOSED)
    drain: Drain = Drain.SERVE

    @property
    def granted(self) -> Granted:
        """What the agents get after a conversation, and owe."""
        return Granted(
            wrap_up_s=self.wrap_up_s,
            until_done=self.wrap_up_mode is WrapUpMode.UNTIL_DONE,
            extend_s=self.wrap_up_extend_s,
            dispositions=self.dispositions,
            disposition_required=self.disposition_required,
        )

    @property
    def diversions(self) -> Iterator[tuple[str, Destination]]:
        """Where the queue sends people without being asked, by the setting that says so, as far as it can happen."""
        if self.most_waiting:
            yield "when_full", self.when_full
        if self.longest_wait_s:
            yield "when_too_long", self.when_too_long
        if self.join_when is not JoinWhen.ALWAYS or self.leave_when_nobody:
            yield "when_nobody", self.when_nobody
        if self.hours is not None:
            yield "when_closed", self.when_closed
        for rule in self.overflow:
            yield "overflow", rule.to

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """Everywhere that a citizen of this queue may be sent, or go by a key."""
        return (*(to for _, to in self.diversions), *self.keys.values())

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a citizen hears who is sent away with a sentence."""
        return tuple(dict.fromkeys(to.name for to in self.destinations if to.kind is DestinationKind.MESSAGE))


def loops(policies: Iterable[QueuePolicy]) -> list[tuple[str, tuple[QueueName, ...]]]:
    """Circles in which queues would send their citizens on without being asked: the setting that begins each, and its
    queues in order, the first one again at the end. Each circle is named once."""
    ways = {
        policy.name: [
            (setting, QueueName(to.name)) for setting, to in policy.diversions if to.kind is DestinationKind.QUEUE
        ]
        for policy in policies
    }
    found: dict[frozenset[QueueName], tuple[str, tuple[QueueName, ...]]] = {}
    for name in ways:
        circle = _shortest_circle(ways, name)
        if circle is not None:
            found.setdefault(frozenset(circle[1]), circle)
    return list(found.values())


def _shortest_circle(
    ways: Mapping[QueueName, list[tuple[str, QueueName]]], name: QueueName
) -> tuple[str, tuple[QueueName, ...]] | None:
    paths: list[tuple[str, tuple[QueueName, ...]]] = [("", (name,))]
    seen = {name}
    for begun_by, path in paths:
        for setting, after in ways.get(path[-1], ()):
            if after == name:
                return begun_by or setting, (*path, after)
            if after not in seen:
                seen.add(after)
                paths.append((begun_by or setting, (*path, after)))
    return None


_SHAPES: dict[DestinationKind, tuple[str, str]] = {
    DestinationKind.QUEUE: (r"[A-Za-z0-9_-]{1,40}", "queue general"),
    DestinationKind.AGENT: (r"[0-9]{2,8}", "agent 101"),
    DestinationKind.NUMBER: (r"\+?[0-9*#]{1,20}", "number 1950"),
    DestinationKind.FLOW: (r"[A-Za-z0-9_-]{1,40}(?:/[A-Za-z0-9_-]{1,40})?", "flow 0800-info, or flow 0800-info/menu"),
    DestinationKind.MESSAGE: (rf"\"?[^\"]{{1,{LONGEST_SENTENCE}}}\"?", 'message "Por favor, llame más tarde."'),
    DestinationKind.CALLBACK: ("", "callback"),
    DestinationKind.VOICEMAIL: ("", "voicemail"),
    DestinationKind.HANG_UP: ("", "hang_up"),
}


def read_destination(text: str) -> Destination:
    """What is written as `queue general`, `number 1950`, `message "…"`, `callback` and so on. Raises ValueError with
    a line for the person who wrote it."""
    word, _, name = text.strip().partition(" ")
    kind = next((kind for kind in _SHAPES if kind.value == word), None)
    if kind is None:
        raise ValueError(f"a destination begins with one of {', '.join(_SHAPES)}")
    shape, example = _SHAPES[kind]
    name = name.strip()
    if not re.fullmatch(shape, name) or not name.isprintable():
        raise ValueError(f"write it like this: {example}")
    return Destination(kind, name.strip('"').strip())
