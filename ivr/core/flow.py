"""A line's conversation as a value: nodes by name, what each says and where each leads.

In: what `ivr.core.reading` made of a YAML file. Out: the value that `ivr.core.session` walks a citizen through. A flow
never changes; another text is another version. Each kind of node is one Struct here, one reader in `reading`, one
behaviour in `behaviours`. Must never import another room, nor know files, channels or Asterisk.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import msgspec

from telefonista.kernel.commands import Prompt
from telefonista.kernel.ids import FlowName, NodeName, QueueName

PERSON_KEY = "0"
"""In every menu this key leads to a person."""


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
    def prompts(self) -> tuple[Prompt, ...]:
        """All that it may say."""
        return ()


class Say(Node, frozen=True, kw_only=True):
    """Says something and goes on. A key pressed meanwhile counts in the next menu."""

    prompt: Prompt
    then: NodeName
    barge_in: bool = False
    """Whether a key cuts it short."""

    @property
    def silent_exit(self) -> NodeName | None:
        return self.then

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        return (self.prompt,)


class Menu(Node, frozen=True, kw_only=True):
    """Lists options and waits for one key."""

    prompt: Prompt
    options: Mapping[str, NodeName]
    on_invalid: Prompt
    """Said, before the menu again, after a key that it does not have."""
    on_timeout: Prompt
    """Said, before the menu again, when no key came in time."""
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
    def prompts(self) -> tuple[Prompt, ...]:
        return (self.prompt, self.on_invalid, self.on_timeout)


class Queue(Node, frozen=True, kw_only=True):
    """Hands the citizen over to a queue, where a person answers; the flow ends."""

    queue: QueueName
    topic: str = ""
    """What the call is about, in the organisation's words."""
    priority: int = 0
    prompt: Prompt | None = None

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        return () if self.prompt is None else (self.prompt,)


class Goto(Node, frozen=True, kw_only=True):
    """Another name for a node."""

    to: NodeName

    @property
    def silent_exit(self) -> NodeName | None:
        return self.to


class Hangup(Node, frozen=True, kw_only=True):
    """Ends the call, politely."""

    prompt: Prompt | None = None

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        return () if self.prompt is None else (self.prompt,)


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation. `start` is one of `nodes`, and so is every exit of every node."""

    name: FlowName
    language: str
    version: str
    """A short hash of the text it was read from."""
    start: NodeName
    nodes: Mapping[NodeName, Node]
    file: str = ""

    @property
    def prompts(self) -> Iterator[Prompt]:
        """All that a citizen may hear in it, to be made into sound before the first call."""
        for node in self.nodes.values():
            yield from node.prompts


def straight_to(queue: QueueName, *, name: FlowName) -> Flow:
    """The flow of a line that has none any more: a person, at once."""
    start = NodeName("persona")
    nodes: Mapping[NodeName, Node] = MappingProxyType({start: Queue(name=start, queue=queue)})
    return Flow(name=name, language="es", version="", start=start, nodes=nodes)
