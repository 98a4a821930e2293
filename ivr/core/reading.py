"""YAML text to `Flow`: everything that is wrong with a flow is found here, before any citizen hears it.

In: the text of a flow's file and its name. Out: a `Flow`, or `FlowInvalid` with a line for each problem: place, what is
wrong, the nearest valid word. Hostile text costs bounded time and raises nothing else. Each kind of node has a reader
in the table at the end of this file. Must never import another room.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from ivr.core.checks import check_ways
from ivr.core.flow import Flow, Goto, Hangup, Menu, Node, Queue, Say
from ivr.core.problems import Findings, FlowInvalid, nearest, shown
from ivr.core.source import Table, Tree, Word, read_source
from telefonista.kernel.commands import Prompt
from telefonista.kernel.ids import FlowName, NodeName, QueueName

KEYS = "0123456789*#"
"""Of a telephone."""
LONGEST_PROMPT = 1000
LONGEST_NAME = 26
"""So that FLOW__NODE__timeout, the longest name of a recording, has at most 64 signs."""
MOST_NODES = 300
DEFAULT_TIMEOUT_S = 6.0
TIMEOUTS_S = (1.0, 60.0)
DEFAULT_TRIES = 3
TRIES = (1, 10)
PRIORITIES = (0, 100)

_NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Z]{2})?", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,3})?", re.ASCII)
_VERSION_SIGNS = 12
_TOP_KEYS = ("flow", "language", "start", "nodes")


def read_flow(text: str, *, file: str) -> Flow:
    """The flow that a text describes; `file` is what problems call it.

    Raises FlowInvalid, and nothing else, for whatever is not a flow.
    """
    findings = Findings(file)
    tree = read_source(text, findings=findings)
    flow = None if tree is None else _flow(tree, text=text, findings=findings)
    if flow is not None and not findings.problems:
        check_ways(flow, findings=findings)
    if flow is None or findings.problems:
        raise FlowInvalid(findings.problems)
    return flow


class _Fields:
    """The entries of one mapping, asked for by name; each question that has no good answer is a finding."""

    def __init__(self, table: Table, *, findings: Findings) -> None:
        self.table = table
        self.findings = findings
        self.entries: dict[str, tuple[Word, Tree]] = {}
        for key, value in table.entries:
            if key.text in self.entries:
                first = self.entries[key.text][0].line
                self.wrong(key, f"{shown(key.text)} is there twice; first in line {first}")
            else:
                self.entries[key.text] = (key, value)

    def wrong(self, at: Tree, text: str) -> None:
        self.findings.add(text, line=at.line, column=at.column)

    def only(self, known: Sequence[str], *, of: str) -> None:
        """Report entries that nobody will ask for."""
        for key, value in self.entries.values():
            if key.text in known:
                continue
            if " " in key.text and isinstance(value, Word) and not value.text:
                self.wrong(key, f"{shown(key.text)} follows a comma; a text with a comma needs quotes here")
            else:
                self.findings.add_unknown("key", key.text, known=known, line=key.line, column=key.column, of=of)

    def value(self, name: str, *, of: str) -> Tree | None:
        """What stands at `name`, which must be there."""
        if name not in self.entries:
            self.wrong(self.table, f'{of} needs "{name}"')
            return None
        return self.entries[name][1]

    def word(self, name: str, *, of: str) -> Word | None:
        value = self.value(name, of=of)
        return None if value is None else self.as_word(name, value)

    def as_word(self, name: str, value: Tree) -> Word | None:
        if isinstance(value, Word) and value.text.strip():
            return value
        self.wrong(value, f'"{name}" needs one word or text')
        return None

    def name(self, name: str, *, of: str) -> Word | None:
        """A name of a flow, a node or a queue."""
        word = self.word(name, of=of)
        return word if word is not None and self.is_name(word) else None

    def is_name(self, word: Word) -> bool:
        if _NAME.fullmatch(word.text) and len(word.text) <= LONGEST_NAME:
            return True
        plainer = _plainer(word.text)
        self.wrong(
            word,
            f"{shown(word.text)} cannot be a name: small letters a-z, digits, and single - or _ between them, "
            f"{LONGEST_NAME} at most" + (f'; did you mean "{plainer}"?' if plainer else ""),
        )
        return False

    def number(self, name: str, *, default: float, within: tuple[float, float]) -> float:
        word = self.word(name, of="") if name in self.entries else None
        if word is None:
            return default
        least, most = within
        if _NUMBER.fullmatch(word.text) and least <= float(word.text) <= most:
            return float(word.text)
        self.wrong(word, f'"{name}" must be a number from {least:g} to {most:g}, not {shown(word.text)}')
        return default

    def whole_number(self, name: str, *, default: int, within: tuple[int, int]) -> int:
        number = self.number(name, default=default, within=within)
        if number == int(number):
            return int(number)
        self.wrong(self.entries[name][1], f'"{name}" must be a whole number')
        return default

    def switch(self, name: str, *, default: bool) -> bool:
        word = self.word(name, of="") if name in self.entries else None
        if word is None:
            return default
        if word.text not in ("true", "false"):
            self.wrong(word, f'"{name}" must be true or false, not {shown(word.text)}')
        return word.text == "true"


class _Reader(NamedTuple):
    """What a reader of one kind of node works with."""

    flow: str
    language: str
    name: NodeName
    line: int
    fields: _Fields
    targets: list[Word]
    """Collects every name of a node that is referred to."""

    @property
    def of(self) -> str:
        return f"node {shown(self.name)}"

    def target(self, name: str) -> NodeName | None:
        word = self.fields.word(name, of=self.of)
        return None if word is None else self.targeted(word)

    def targeted(self, word: Word) -> NodeName:
        self.targets.append(word)
        return NodeName(word.text)

    def prompt(self, name: str, *, part: str = "") -> Prompt | None:
        """What is said at `name`; a recording called FLOW__NODE, or FLOW__NODE__PART, is played in its place."""
        word = self.fields.word(name, of=self.of)
        if word is None:
            return None
        text = " ".join(word.text.split())
        if len(text) > LONGEST_PROMPT:
            self.fields.wrong(word, f'"{name}" is longer than {LONGEST_PROMPT} signs: nobody listens that long')
            return None
        if not all(sign.isprintable() for sign in text) or not any(sign.isalnum() for sign in text):
            self.fields.wrong(word, f'"{name}" has a sign that cannot be spoken, or no word at all')
            return None
        recording = "__".join(filter(None, (self.flow, self.name, part)))
        return Prompt(text=unicodedata.normalize("NFC", text), language=self.language, name=recording)

    def optional_prompt(self, name: str) -> Prompt | None:
        return self.prompt(name) if name in self.fields.entries else None


def _plainer(text: str) -> str:
    """The text without what names cannot have, accents and capitals first of all; empty when nothing is left of it."""
    letters = unicodedata.normalize("NFKD", text[: 2 * LONGEST_NAME].lower()).encode("ascii", "ignore").decode()
    return "-".join(re.findall(r"[a-z0-9]+", letters))[:LONGEST_NAME].rstrip("-")


def _flow(tree: Tree, *, text: str, findings: Findings) -> Flow | None:
    if not isinstance(tree, Table):
        findings.add(f"a flow is a list of keys with their values: {', '.join(_TOP_KEYS)}", line=tree.line)
        return None
    fields = _Fields(tree, findings=findings)
    fields.only(_TOP_KEYS, of="a flow")
    name, start = fields.name("flow", of="a flow"), fields.word("start", of="a flow")
    language = _language(fields)
    targets: list[Word] = []
    nodes = _nodes(fields, flow=name.text if name is not None else "", language=language, targets=targets)
    if name is None or start is None or nodes is None:
        return None
    # Those that could not be read are names all the same: a reference to one is no second problem.
    known = tuple(nodes)
    for target in (start, *targets):
        if target.text not in nodes:
            findings.add_unknown("node", target.text, known=known, line=target.line, column=target.column)
    return Flow(
        name=FlowName(name.text),
        language=language,
        version=hashlib.sha256(text.encode()).hexdigest()[:_VERSION_SIGNS],
        start=NodeName(start.text),
        nodes=MappingProxyType({node.name: node for node in nodes.values() if node is not None}),
        file=findings.file,
    )


def _language(fields: _Fields) -> str:
    word = fields.word("language", of="a flow")
    if word is None:
        return ""
    if not _LANGUAGE.fullmatch(word.text):
        fields.wrong(word, f'{shown(word.text)} is not a language such as "es" or "es-UY"')
    return word.text


def _nodes(fields: _Fields, *, flow: str, language: str, targets: list[Word]) -> dict[NodeName, Node | None] | None:
    """Every node by name, None for one that could not be read; None for all when there is nothing to read."""
    value = fields.value("nodes", of="a flow")
    if value is None:
        return None
    if not isinstance(value, Table) or not value.entries:
        fields.wrong(value, '"nodes" needs at least one node: a name and what it does')
        return None
    if len(value.entries) > MOST_NODES:
        fields.wrong(value, f"more than {MOST_NODES} nodes: make it two flows")
        return None
    nodes: dict[NodeName, Node | None] = {}
    for key, tree in _Fields(value, findings=fields.findings).entries.values():
        node_name = NodeName(key.text)
        nodes[node_name] = None
        if not fields.is_name(key):
            continue
        if not isinstance(tree, Table):
            fields.wrong(tree, f"node {shown(key.text)} needs one of {', '.join(KINDS)}")
            continue
        node_fields = _Fields(tree, findings=fields.findings)
        nodes[node_name] = _node(node_fields, key=key, flow=flow, language=language, targets=targets)
    return nodes


def _node(fields: _Fields, *, key: Word, flow: str, language: str, targets: list[Word]) -> Node | None:
    of = f"node {shown(key.text)}"
    kinds = [kind for kind in KINDS if kind in fields.entries]
    if len(kinds) > 1 and kinds[-1] == "say":  # what other kinds say first; `only` knows which of them may
        kinds.pop()
    if not kinds:
        meant = [word for word, _ in fields.entries.values() if nearest(word.text, known=tuple(KINDS))]
        if meant:
            fields.findings.add_unknown(
                "key", meant[0].text, known=tuple(KINDS), line=meant[0].line, column=meant[0].column, of=of
            )
        else:
            fields.wrong(key, f"{of} needs one of {', '.join(KINDS)}")
        return None
    if len(kinds) > 1:
        fields.wrong(key, f"{of} is more than one thing: {', '.join(kinds)}; make it as many nodes")
        return None
    kind = KINDS[kinds[0]]
    fields.only(kind.keys, of=f"{of}, a {kinds[0]}")
    line = fields.entries[kinds[0]][0].line
    return kind.read(_Reader(flow, language, NodeName(key.text), line, fields, targets))


def _read_say(reader: _Reader) -> Say | None:
    prompt, then = reader.prompt("say"), reader.target("then")
    barge_in = reader.fields.switch("barge_in", default=False)
    if prompt is None or then is None:
        return None
    return Say(name=reader.name, line=reader.line, prompt=prompt, then=then, barge_in=barge_in)


def _read_menu(reader: _Reader) -> Menu | None:
    fields = reader.fields
    options = _read_options(reader)
    prompt = reader.prompt("menu")
    on_invalid = reader.prompt("on_invalid", part="invalid")
    on_timeout = reader.prompt("on_timeout", part="timeout")
    on_failure = reader.target("on_failure")
    timeout_s = fields.number("timeout_s", default=DEFAULT_TIMEOUT_S, within=TIMEOUTS_S)
    tries = fields.whole_number("tries", default=DEFAULT_TRIES, within=TRIES)
    barge_in = fields.switch("barge_in", default=True)
    if options is None or prompt is None or on_invalid is None or on_timeout is None or on_failure is None:
        return None
    return Menu(
        name=reader.name,
        line=reader.line,
        prompt=prompt,
        options=options,
        on_invalid=on_invalid,
        on_timeout=on_timeout,
        on_failure=on_failure,
        timeout_s=timeout_s,
        tries=tries,
        barge_in=barge_in,
    )


def _read_options(reader: _Reader) -> Mapping[str, NodeName] | None:
    value = reader.fields.value("options", of=reader.of)
    if value is None:
        return None
    if not isinstance(value, Table):
        reader.fields.wrong(value, '"options" needs keys of the telephone and the nodes that they lead to')
        return None
    fields = _Fields(value, findings=reader.fields.findings)
    options: dict[str, NodeName] = {}
    for key, tree in fields.entries.values():
        if len(key.text) != 1 or key.text not in KEYS:
            fields.wrong(key, f"{shown(key.text)} is no key of a telephone: 0 to 9, * or #, in quotes")
        word = fields.as_word(key.text, tree)
        if word is not None:
            options[key.text] = reader.targeted(word)
    return MappingProxyType(options)


def _read_queue(reader: _Reader) -> Queue | None:
    fields = reader.fields
    queue = fields.name("queue", of=reader.of)
    topic = fields.word("topic", of=reader.of) if "topic" in fields.entries else None
    if topic is not None and not (topic.text.isprintable() and len(topic.text) <= LONGEST_NAME * 2):
        fields.wrong(topic, f'"topic" is a few words on one line, {LONGEST_NAME * 2} signs at most')
    priority = fields.whole_number("priority", default=0, within=PRIORITIES)
    prompt = reader.optional_prompt("say")
    if queue is None:
        return None
    return Queue(
        name=reader.name,
        line=reader.line,
        queue=QueueName(queue.text),
        topic=topic.text if topic is not None else "",
        priority=priority,
        prompt=prompt,
    )


def _read_goto(reader: _Reader) -> Goto | None:
    to = reader.target("goto")
    return None if to is None else Goto(name=reader.name, line=reader.line, to=to)


def _read_hangup(reader: _Reader) -> Hangup:
    if not reader.fields.switch("hangup", default=True):
        reader.fields.wrong(reader.fields.entries["hangup"][1], '"hangup" can only be true')
    return Hangup(name=reader.name, line=reader.line, prompt=reader.optional_prompt("say"))


class _Kind(NamedTuple):
    keys: tuple[str, ...]
    read: Callable[[_Reader], Node | None]


KINDS: Mapping[str, _Kind] = {
    "menu": _Kind(
        ("menu", "options", "on_invalid", "on_timeout", "on_failure", "timeout_s", "tries", "barge_in"), _read_menu
    ),
    "queue": _Kind(("queue", "topic", "priority", "say"), _read_queue),
    "goto": _Kind(("goto",), _read_goto),
    "hangup": _Kind(("hangup", "say"), _read_hangup),
    "say": _Kind(("say", "then", "barge_in"), _read_say),
}
"""What each kind of node is recognised by, what may stand in it, and who reads it; `say` comes last, for it may stand
in others."""
