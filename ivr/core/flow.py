"""A line's conversation as a value: nodes by name, what each says and where each leads.

In: what `ivr.core.reading` made of a YAML file. Out: the value that `ivr.core.session` walks a citizen through. A flow
never changes; another text is another version. Each kind of node is one Struct here, one reader in `reading`, one
behaviour in `behaviours`. Must never import another room, nor know files, channels or Asterisk.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TypeAlias

import msgspec

from ivr.core.documents import DOCUMENTS, RUT_K_KEY
from ivr.core.saying import Manner, every_value_piece, piece_prompt
from telefonista.kernel.commands import Prompt, Wanted
from telefonista.kernel.ids import FlowName, NodeName, QueueName
from telefonista.notation.expressions import Expression, Kind
from telefonista.notation.hours import OpeningHours

PERSON_KEY = "0"
"""In every menu this key leads to a person; wherever else a flow that names its `person` is heard, too."""


class Slot(msgspec.Struct, frozen=True):
    """The place of a variable's value in something that is said."""

    variable: str
    manner: Manner


class Template(msgspec.Struct, frozen=True):
    """Something to say that has values in it."""

    parts: tuple[Prompt | Slot, ...]

    @property
    def text(self) -> str:
        """As it is written in a flow."""
        return " ".join(
            part.text if isinstance(part, Prompt) else f"{{{part.variable}:{part.manner.value}}}" for part in self.parts
        )


class Versions(msgspec.Struct, frozen=True):
    """The same in each of the flow's languages, the flow's first language first."""

    by_language: Mapping[str, Prompt | Template]

    @property
    def text(self) -> str:
        return next(iter(self.by_language.values())).text

    def in_language(self, language: str) -> Prompt | Template:
        return self.by_language.get(language) or next(iter(self.by_language.values()))


Saying: TypeAlias = Prompt | Template | Versions


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a conversation."""

    name: NodeName
    line: int = 0
    """Where in the flow's text it says what kind of node this is; 0 for one that no text describes."""

    @property
    def exits(self) -> tuple[NodeName, ...]:
        """Every node that may follow, each once."""
        return () if self.silent_exit is None else (self.silent_exit,)

    @property
    def silent_exit(self) -> NodeName | None:
        """The node that follows when the citizen does nothing at all; None where the flow ends here."""
        return None

    @property
    def sayings(self) -> tuple[Saying, ...]:
        """All that it may say."""
        return ()

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """Those parts of what it may say that are always the same."""
        return tuple(part for saying in self.sayings for part in _parts(saying) if isinstance(part, Prompt))

    @property
    def slots(self) -> tuple[Slot, ...]:
        return tuple(part for saying in self.sayings for part in _parts(saying) if isinstance(part, Slot))


def _parts(saying: Saying) -> tuple[Prompt | Slot, ...]:
    if isinstance(saying, Versions):
        return tuple(part for version in saying.by_language.values() for part in _parts(version))
    return (saying,) if isinstance(saying, Prompt) else saying.parts


def _optional(saying: Saying | None) -> tuple[Saying, ...]:
    return () if saying is None else (saying,)


class Say(Node, frozen=True, kw_only=True):
    """Says something and goes on. A key pressed meanwhile counts in the next menu."""

    prompt: Saying
    then: NodeName
    barge_in: bool = False
    """Whether a key cuts it short."""

    @property
    def silent_exit(self) -> NodeName | None:
        return self.then

    @property
    def sayings(self) -> tuple[Saying, ...]:
        return (self.prompt,)


class Menu(Node, frozen=True, kw_only=True):
    """Lists options and waits for one key."""

    prompt: Saying
    options: Mapping[str, NodeName]
    on_invalid: tuple[Saying, ...]
    """Said, before the menu again, after a key that it does not have: the first after the first such key and so on, the
    last ever after."""
    on_timeout: tuple[Saying, ...]
    """Likewise, when no key came in time."""
    on_failure: NodeName
    """Where a citizen goes on after the last try."""
    timeout_s: float = 6.0
    """From the end of the prompt to the first key."""
    tries: int = 3
    barge_in: bool = True

    @property
    def exits(self) -> tuple[NodeName, ...]:
        return tuple(dict.fromkeys((*self.options.values(), self.on_failure)))

    @property
    def silent_exit(self) -> NodeName | None:
        return self.on_failure

    @property
    def sayings(self) -> tuple[Saying, ...]:
        return (self.prompt, *self.on_invalid, *self.on_timeout)


class Listen(Menu, frozen=True, kw_only=True):
    """A menu whose options may be said as well as pressed: what is said stands for a key."""

    phrases: Mapping[str, Mapping[str, tuple[str, ...]]]
    """By language, and then by key: what may be said in its place."""
    keys_prompt: Saying
    """Said in place of the prompt where only keys are understood."""

    def options_in(self, language: str) -> tuple[tuple[str, ...], ...]:
        """What may be said in a language, an option each."""
        return tuple(self.phrases.get(language, {}).values())

    def key_of(self, phrase: str, *, language: str) -> str:
        """The key that a phrase stands for; empty for one that a changed flow no longer has."""
        spoken = self.phrases.get(language, {})
        return next((key for key, phrases in spoken.items() if phrase in phrases and key in self.options), "")

    @property
    def sayings(self) -> tuple[Saying, ...]:
        return (*super().sayings, self.keys_prompt)


class Queue(Node, frozen=True, kw_only=True):
    """Hands the citizen over to a queue, where a person answers; the flow ends."""

    queue: QueueName
    topic: str = ""
    """What the call is about, in the organisation's words."""
    priority: int = 0
    requires: str = ""
    """What the agent must be able to do beyond what the queue asks: an expression over skills."""
    prompt: Saying | None = None

    @property
    def sayings(self) -> tuple[Saying, ...]:
        return _optional(self.prompt)


class Goto(Node, frozen=True, kw_only=True):
    """Another name for a node."""

    to: NodeName

    @property
    def silent_exit(self) -> NodeName | None:
        return self.to


class Hangup(Node, frozen=True, kw_only=True):
    """Ends the call, politely."""

    prompt: Saying | None = None

    @property
    def sayings(self) -> tuple[Saying, ...]:
        return _optional(self.prompt)


class Ask(Node, frozen=True, kw_only=True):
    """Asks for digits, and keeps them in a variable. `*` starts over; a lone 0 is the way to a person."""

    prompt: Saying
    into: str
    least: int
    most: int
    terminator: str = "#"
    """The key that says "that was all"; empty for none."""
    document: str = ""
    """Whose number it is, a key of `DOCUMENTS`; empty: any digits will do."""
    on_invalid: tuple[Saying, ...]
    """As in a menu."""
    on_timeout: tuple[Saying, ...]
    then: NodeName
    on_failure: NodeName
    first_digit_s: float = 8.0
    """From the end of the prompt to the first key."""
    between_digits_s: float = 4.0
    overall_s: float = 45.0
    """From the first key to the last."""
    tries: int = 3
    barge_in: bool = True

    @property
    def digits(self) -> str:
        """The keys that count as digits."""
        return "0123456789" + (RUT_K_KEY if self.document == "rut" else "")

    def accepts(self, keys: str) -> bool:
        return self.least <= len(keys) <= self.most and (not self.document or DOCUMENTS[self.document].is_valid(keys))

    @property
    def exits(self) -> tuple[NodeName, ...]:
        return tuple(dict.fromkeys((self.then, self.on_failure)))

    @property
    def silent_exit(self) -> NodeName | None:
        return self.on_failure

    @property
    def sayings(self) -> tuple[Saying, ...]:
        return (self.prompt, *self.on_invalid, *self.on_timeout)


class Set(Node, frozen=True, kw_only=True):
    """Gives variables values, all at once: each expression sees the values from before."""

    values: Mapping[str, Expression]
    then: NodeName

    @property
    def silent_exit(self) -> NodeName | None:
        return self.then


class Branch(Node, frozen=True, kw_only=True):
    """Goes where the first condition that is true leads."""

    cases: tuple[tuple[Expression, NodeName], ...]
    otherwise: NodeName

    @property
    def exits(self) -> tuple[NodeName, ...]:
        return tuple(dict.fromkeys((*(node for _, node in self.cases), self.otherwise)))

    @property
    def silent_exit(self) -> NodeName | None:
        return self.otherwise


class Hours(Node, frozen=True, kw_only=True):
    """Goes one way while the office is open, and another while it is closed."""

    hours: OpeningHours
    open: NodeName
    closed: NodeName

    @property
    def exits(self) -> tuple[NodeName, ...]:
        return tuple(dict.fromkeys((self.open, self.closed)))

    @property
    def silent_exit(self) -> NodeName | None:
        return self.open


class Invoke(Node, frozen=True, kw_only=True):
    """Goes through the nodes from `sub` on until one returns, then goes on."""

    sub: NodeName
    then: NodeName

    @property
    def exits(self) -> tuple[NodeName, ...]:
        return tuple(dict.fromkeys((self.sub, self.then)))

    @property
    def silent_exit(self) -> NodeName | None:
        return self.sub


class Return(Node, frozen=True, kw_only=True):
    """Goes back to where the latest `Invoke` goes on."""


class Language(Node, frozen=True, kw_only=True):
    """From here on speaks another of the flow's languages."""

    language: str
    then: NodeName

    @property
    def silent_exit(self) -> NodeName | None:
        return self.then


class Inquiry(Node, frozen=True, kw_only=True):
    """Something that is asked off the call's path, while the citizen hears that it takes a moment, or nothing."""

    prompt: Saying | None = None
    found: NodeName
    nothing: NodeName
    """Where it leads when the answer is that there is none."""
    on_failure: NodeName
    deadline_s: float = 4.0

    @property
    def exits(self) -> tuple[NodeName, ...]:
        return tuple(dict.fromkeys((self.found, self.nothing, self.on_failure)))

    @property
    def silent_exit(self) -> NodeName | None:
        return self.on_failure

    @property
    def sayings(self) -> tuple[Saying, ...]:
        return _optional(self.prompt)


class Lookup(Inquiry, frozen=True, kw_only=True):
    """Asks a source of the installation's; the answer goes into variables."""

    source: str
    parameters: Mapping[str, Expression]
    wanted: Mapping[str, Wanted]
    """By variable."""


class TicketOpening(Inquiry, frozen=True, kw_only=True):
    """Passes something on to the back office; the ticket's number goes into a variable. It always is `found`."""

    topic: str
    into: str
    details: Mapping[str, Expression]


class TicketReading(Inquiry, frozen=True, kw_only=True):
    """Asks how far the back office is with the ticket whose number a variable has."""

    number: str
    into: str


class Question(Menu, frozen=True, kw_only=True):
    """One question of a survey, answered by a key from 1 to 5; whoever says nothing is asked the next one."""

    survey: str
    question: str


class Transfer(Node, frozen=True, kw_only=True):
    """Passes the citizen on to a number outside; the flow ends."""

    number: str
    prompt: Saying | None = None

    @property
    def sayings(self) -> tuple[Saying, ...]:
        return _optional(self.prompt)


class OtherFlow(Node, frozen=True, kw_only=True):
    """Goes on in another flow, from its start."""

    flow: FlowName
    prompt: Saying | None = None

    @property
    def sayings(self) -> tuple[Saying, ...]:
        return _optional(self.prompt)


class BackToQueue(Node, frozen=True, kw_only=True):
    """Goes back to where the citizen waited, at the place that was kept."""

    prompt: Saying | None = None

    @property
    def sayings(self) -> tuple[Saying, ...]:
        return _optional(self.prompt)


class Callback(Node, frozen=True, kw_only=True):
    """Asks that the citizen be called back at the number that a variable has."""

    queue: str
    """A queue's name, or that of the variable that has it in curly brackets."""
    number: str
    topic: str = ""
    granted: NodeName
    refused: NodeName

    @property
    def exits(self) -> tuple[NodeName, ...]:
        return tuple(dict.fromkeys((self.granted, self.refused)))

    @property
    def silent_exit(self) -> NodeName | None:
        return self.refused


class Voicemail(Node, frozen=True, kw_only=True):
    """Takes a spoken message for a queue; any key ends it."""

    queue: str
    """As of a `Callback`."""
    number: str = ""
    """The variable that has the number to call back; empty: whatever the citizen calls from."""
    prompt: Saying
    longest_s: float
    then: NodeName
    on_failure: NodeName
    """Where it leads when nothing was said, or nothing could be recorded."""

    @property
    def exits(self) -> tuple[NodeName, ...]:
        return tuple(dict.fromkeys((self.then, self.on_failure)))

    @property
    def silent_exit(self) -> NodeName | None:
        return self.on_failure

    @property
    def sayings(self) -> tuple[Saying, ...]:
        return (self.prompt,)


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation. `start` is one of `nodes`, and so is every exit of every node."""

    name: FlowName
    language: str
    """The one that it begins in."""
    version: str
    """A short hash of the text it was read from."""
    start: NodeName
    nodes: Mapping[NodeName, Node]
    variables: Mapping[str, Kind] = {}
    private: frozenset[str] = frozenset()
    """Variables whose values go to no other system."""
    more_languages: tuple[str, ...] = ()
    person: NodeName = NodeName("")
    """Where 0 leads wherever it means nothing else; empty: nowhere."""
    file: str = ""

    @property
    def languages(self) -> tuple[str, ...]:
        return (self.language, *self.more_languages)

    @property
    def listening_languages(self) -> frozenset[str]:
        """Those in which it asks for something to be said."""
        return frozenset(
            language for node in self.nodes.values() if isinstance(node, Listen) for language in node.phrases
        )

    @property
    def prompts(self) -> Iterator[Prompt]:
        """All that a citizen may hear in it, to be made into sound before the first call."""
        for node in self.nodes.values():
            yield from node.prompts
        manners = dict.fromkeys(slot.manner for node in self.nodes.values() for slot in node.slots)
        for language in self.languages:
            for manner in manners:
                for piece in every_value_piece(manner, language=language):
                    yield piece_prompt(piece, language=language)


def straight_to(queue: QueueName, *, name: FlowName) -> Flow:
    """The flow of a line that has none any more: a person, at once."""
    start = NodeName("persona")
    nodes: Mapping[NodeName, Node] = MappingProxyType({start: Queue(name=start, queue=queue)})
    return Flow(name=name, language="es", version="", start=start, nodes=nodes)


def saying_goodbye(text: str, *, name: FlowName, language: str) -> Flow:
    """The flow that says one thing, where there is something to say, and ends the call."""
    start = NodeName("fin")
    prompt = Prompt(text=text, language=language) if text else None
    nodes: Mapping[NodeName, Node] = MappingProxyType({start: Hangup(name=start, prompt=prompt)})
    return Flow(name=name, language=language, version="", start=start, nodes=nodes)
