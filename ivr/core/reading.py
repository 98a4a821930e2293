"""YAML text to `Flow`: everything that is wrong with a flow is found here, before any citizen hears it.

In: the text of a flow's file and its name. Out: a `Flow`, or `FlowInvalid` with a line for each problem: place, what is
wrong, the nearest valid word. Hostile text costs bounded time and raises nothing else. Each kind of node has a reader
in the table at the end of this file. Must never import another room.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from ivr.core.checks import check_ways
from ivr.core.documents import DOCUMENTS
from ivr.core.flow import (
    PERSON_KEY,
    Ask,
    Branch,
    Flow,
    Goto,
    Hangup,
    Hours,
    Invoke,
    Menu,
    Node,
    Queue,
    Return,
    Say,
    Saying,
    Set,
    Slot,
    Template,
)
from ivr.core.saying import Manner
from telefonista.kernel.commands import Prompt
from telefonista.kernel.ids import FlowName, NodeName, QueueName
from telefonista.notation.expressions import RESERVED, Expression, ExpressionInvalid, Kind, parse
from telefonista.notation.opening import read_opening_hours
from telefonista.notation.problems import Findings, FlowInvalid, nearest, shown
from telefonista.notation.source import Row, Table, Tree, Word, read_source

KEYS = "0123456789*#"
"""Of a telephone."""
LONGEST_PROMPT = 1000
LONGEST_NAME = 26
"""So that FLOW__NODE__timeout, the longest name of a recording, has at most 64 signs."""
MOST_NODES = 300
DEFAULT_TIMEOUT_S = 6.0
TIMEOUTS_S = (1.0, 60.0)
DEFAULT_TRIES = 3
DEFAULT_FIRST_DIGIT_S = 8.0
DEFAULT_BETWEEN_DIGITS_S = 4.0
DEFAULT_OVERALL_S = 45.0
YES_KEY = "1"
NO_KEY = "2"
TRIES = (1, 10)
PRIORITIES = (0, 100)
DIGITS = (1, 20)
WAITS_S = (1.0, 120.0)
MOST_VARIABLES = 50
MOST_WORDINGS = 9

_NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Z]{2})?", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,3})?", re.ASCII)
_LENGTHS = re.compile(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", re.ASCII)
_VERSION_SIGNS = 12
_KINDS = tuple(kind.value for kind in Kind)
_TOP_KEYS = ("flow", "language", "start", "variables", "nodes")
_VARIABLE = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_SLOT = re.compile(r"\{([^{}]*)\}")
_STOPS = " .,;:"
"""Signs that stand behind a value; its last piece has the tone of an end anyway."""
_MANNERS: Mapping[Kind, tuple[Manner, ...]] = {
    Kind.TEXT: tuple(Manner),
    Kind.NUMBER: (Manner.NUMBER, Manner.DIGITS, Manner.MONEY),
    Kind.TRUTH: (),
}
"""How a variable of each kind may be said; the first is how it is said unless the flow says otherwise."""
_LONGEST_RECORDING_NAME = 64


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
    variables: Mapping[str, Kind]

    @property
    def of(self) -> str:
        return f"node {shown(self.name)}"

    def target(self, name: str) -> NodeName | None:
        word = self.fields.word(name, of=self.of)
        return None if word is None else self.targeted(word)

    def targeted(self, word: Word) -> NodeName:
        self.targets.append(word)
        return NodeName(word.text)

    def prompt(self, name: str, *, part: str = "") -> Saying | None:
        """What is said at `name`; a recording called FLOW__NODE, or FLOW__NODE__PART, is played in its place."""
        word = self.fields.word(name, of=self.of)
        return None if word is None else self.saying(name, word, part=part)

    def wordings(self, name: str, *, part: str) -> tuple[Saying, ...]:
        """One text or a list of them; none where something is wrong with one."""
        value = self.fields.value(name, of=self.of)
        if not isinstance(value, Row):
            only = None if value is None else self.prompt(name, part=part)
            return () if only is None else (only,)
        if not 0 < len(value.items) <= MOST_WORDINGS:
            self.fields.wrong(value, f'"{name}" needs 1 to {MOST_WORDINGS} texts')
        words = [self.fields.as_word(name, item) for item in value.items[:MOST_WORDINGS]]
        sayings = [
            None if word is None else self.saying(name, word, part=f"{part}{n}") for n, word in enumerate(words, 1)
        ]
        return tuple(saying for saying in sayings if saying is not None)

    def saying(self, name: str, word: Word, *, part: str) -> Saying | None:
        text = " ".join(word.text.split())
        if len(text) > LONGEST_PROMPT:
            self.fields.wrong(word, f'"{name}" is longer than {LONGEST_PROMPT} signs: nobody listens that long')
            return None
        if not all(sign.isprintable() for sign in text) or not any(sign.isalnum() for sign in text):
            self.fields.wrong(word, f'"{name}" has a sign that cannot be spoken, or no word at all')
            return None
        recording = "__".join(filter(None, (self.flow, self.name, part)))
        text = unicodedata.normalize("NFC", text)
        if "{" not in text and "}" not in text:
            return Prompt(text=text, language=self.language, name=recording)
        parts = tuple(self.parts(word, text, recording=recording))
        return Template(parts) if parts else None

    def parts(self, word: Word, text: str, *, recording: str) -> Iterator[Prompt | Slot]:
        """What is always the same has recordings called as the whole would be, and _1, _2, … behind it."""
        # Of a split by one group, every second piece is what the group matched.
        for place, piece in enumerate(_SLOT.split(text)):
            if place % 2:
                slot = self.slot(word, piece)
                if slot is not None:
                    yield slot
            elif "{" in piece or "}" in piece:
                self.fields.wrong(word, "a { or } that belongs to no variable: {variable}, or {variable:digits}")
            elif any(sign.isalnum() for sign in piece):
                name = f"{recording}_{place // 2 + 1}"
                if len(name) > _LONGEST_RECORDING_NAME:
                    self.fields.wrong(word, f"the names of flow and node are too long for the recording {shown(name)}")
                yield Prompt(text=piece.lstrip(_STOPS).rstrip(), language=self.language, name=name)

    def slot(self, word: Word, text: str) -> Slot | None:
        name, _, wish = (part.strip() for part in text.partition(":"))
        kind = self.variable(name, at=word)
        if kind is None:
            return None
        manners = _MANNERS[kind]
        if not manners:
            self.fields.wrong(word, f"{shown(name)} is true or false, which cannot be said; make it a branch")
            return None
        for manner in manners:
            if wish in ("", manner.value):
                return Slot(name, manner)
        known = [manner.value for manner in manners]
        self.fields.findings.add_unknown(
            "manner", wish, known=known, line=word.line, column=word.column, of=f"a {kind.value} said"
        )
        return None

    def variable(self, name: str, *, at: Word) -> Kind | None:
        if name not in self.variables:
            self.fields.findings.add_unknown(
                "variable", name, known=tuple(self.variables), line=at.line, column=at.column, of=self.of
            )
        return self.variables.get(name)

    def expression(self, word: Word, *, kind: Kind) -> Expression | None:
        """An expression that gives a value of this kind."""
        try:
            expression = parse(word.text, variables=self.variables)
        except ExpressionInvalid as wrong:
            self.fields.wrong(word, f"{shown(word.text)}: {wrong}")
            return None
        if expression.kind is not kind:
            self.fields.wrong(word, f"{shown(word.text)} is a {expression.kind.value}, and a {kind.value} is needed")
            return None
        return expression

    def table(self, name: str, *, needs: str) -> _Fields | None:
        """The entries of what the node is recognised by, which therefore is there."""
        value = self.fields.entries[name][1]
        if not isinstance(value, Table) or not value.entries:
            self.fields.wrong(value, f'"{name}" needs {needs}')
            return None
        return _Fields(value, findings=self.fields.findings)

    def optional_prompt(self, name: str) -> Saying | None:
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
    variables = _variables(fields)
    nodes = _nodes(
        fields, flow=name.text if name is not None else "", language=language, targets=targets, variables=variables
    )
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
        variables=MappingProxyType(variables),
        file=findings.file,
    )


def _language(fields: _Fields) -> str:
    word = fields.word("language", of="a flow")
    if word is None:
        return ""
    if not _LANGUAGE.fullmatch(word.text):
        fields.wrong(word, f'{shown(word.text)} is not a language such as "es" or "es-UY"')
    return word.text


def _variables(fields: _Fields) -> dict[str, Kind]:
    """Each with its kind; those whose kind is no kind are left out, and so unknown wherever they are used."""
    if "variables" not in fields.entries:
        return {}
    value = fields.entries["variables"][1]
    if not isinstance(value, Table) or not 0 < len(value.entries) <= MOST_VARIABLES:
        fields.wrong(value, f'"variables" needs 1 to {MOST_VARIABLES} names, each with {", ".join(_KINDS)}')
        return {}
    variables: dict[str, Kind] = {}
    table = _Fields(value, findings=fields.findings)
    for key, tree in table.entries.values():
        word = table.as_word(key.text, tree)
        if not _VARIABLE.fullmatch(key.text) or len(key.text) > LONGEST_NAME or key.text in RESERVED:
            table.wrong(
                key,
                f"{shown(key.text)} cannot be a variable: small letters a-z, digits and _, a letter first, "
                f"{LONGEST_NAME} signs at most, none of {', '.join(sorted(RESERVED))}",
            )
        elif word is not None and word.text not in _KINDS:
            table.findings.add_unknown("kind", word.text, known=_KINDS, line=word.line, column=word.column)
        elif word is not None:
            variables[key.text] = Kind(word.text)
    return variables


def _nodes(
    fields: _Fields, *, flow: str, language: str, targets: list[Word], variables: Mapping[str, Kind]
) -> dict[NodeName, Node | None] | None:
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
        nodes[node_name] = _node(
            node_fields, key=key, flow=flow, language=language, targets=targets, variables=variables
        )
    return nodes


def _node(
    fields: _Fields, *, key: Word, flow: str, language: str, targets: list[Word], variables: Mapping[str, Kind]
) -> Node | None:
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
    return kind.read(_Reader(flow, language, NodeName(key.text), line, fields, targets, variables))


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
    on_invalid, on_timeout = (
        reader.wordings("on_invalid", part="invalid"),
        reader.wordings("on_timeout", part="timeout"),
    )
    on_failure = reader.target("on_failure")
    timeout_s = fields.number("timeout_s", default=DEFAULT_TIMEOUT_S, within=TIMEOUTS_S)
    tries = fields.whole_number("tries", default=DEFAULT_TRIES, within=TRIES)
    barge_in = fields.switch("barge_in", default=True)
    if options is None or prompt is None or not on_invalid or not on_timeout or on_failure is None:
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


def _read_ask(reader: _Reader) -> Ask | None:
    fields = reader.fields
    prompt = reader.prompt("ask")
    into = fields.word("into", of=reader.of)
    if into is not None and reader.variable(into.text, at=into) not in (None, Kind.TEXT):
        fields.wrong(into, f"{shown(into.text)} must be a text: a number would lose the zeros in front")
    document = _read_document(reader)
    least, most = _read_lengths(reader, document=document)
    on_invalid, on_timeout = (
        reader.wordings("on_invalid", part="invalid"),
        reader.wordings("on_timeout", part="timeout"),
    )
    then, on_failure = reader.target("then"), reader.target("on_failure")
    terminator = fields.word("terminator", of=reader.of) if "terminator" in fields.entries else None
    if terminator is not None and terminator.text not in ("#", "none"):
        fields.wrong(terminator, f'"terminator" is "#" or none, not {shown(terminator.text)}')
    first_digit_s = fields.number("first_digit_s", default=DEFAULT_FIRST_DIGIT_S, within=WAITS_S)
    between_digits_s = fields.number("between_digits_s", default=DEFAULT_BETWEEN_DIGITS_S, within=WAITS_S)
    overall_s = fields.number("overall_s", default=DEFAULT_OVERALL_S, within=WAITS_S)
    tries = fields.whole_number("tries", default=DEFAULT_TRIES, within=TRIES)
    barge_in = fields.switch("barge_in", default=True)
    if prompt is None or into is None or then is None or on_failure is None or not on_invalid or not on_timeout:
        return None
    return Ask(
        name=reader.name,
        line=reader.line,
        prompt=prompt,
        into=into.text,
        least=least,
        most=most,
        terminator="" if terminator is not None and terminator.text == "none" else "#",
        document=document,
        on_invalid=on_invalid,
        on_timeout=on_timeout,
        then=then,
        on_failure=on_failure,
        first_digit_s=first_digit_s,
        between_digits_s=between_digits_s,
        overall_s=overall_s,
        tries=tries,
        barge_in=barge_in,
    )


def _read_document(reader: _Reader) -> str:
    word = reader.fields.word("document", of=reader.of) if "document" in reader.fields.entries else None
    if word is None:
        return ""
    if word.text not in DOCUMENTS:
        reader.fields.findings.add_unknown(
            "document", word.text, known=tuple(DOCUMENTS), line=word.line, column=word.column, of=reader.of
        )
        return ""
    return word.text


def _read_lengths(reader: _Reader, *, document: str) -> tuple[int, int]:
    """From `digits: 4` or `digits: 7-8`; a document brings its own."""
    of_document = (DOCUMENTS[document].least, DOCUMENTS[document].most) if document else (DIGITS[1], DIGITS[1])
    if document and "digits" not in reader.fields.entries:
        return of_document
    word = reader.fields.word("digits", of=reader.of)
    if word is None:
        return of_document
    match = _LENGTHS.fullmatch(word.text)
    least = int(match[1]) if match is not None else 0
    most = int(match[2] or match[1]) if match is not None else 0
    if not DIGITS[0] <= least <= most <= DIGITS[1]:
        reader.fields.wrong(word, f'"digits" is how many, such as 4 or 7-8, from {DIGITS[0]} to {DIGITS[1]}')
        return of_document
    if document and not of_document[0] <= least <= most <= of_document[1]:
        reader.fields.wrong(word, f"a {document} has {of_document[0]} to {of_document[1]} digits")
    return least, most


def _read_confirm(reader: _Reader) -> Menu | None:
    """A menu of two, and the way to a person."""
    fields = reader.fields
    prompt = reader.prompt("confirm")
    yes, no, on_failure = reader.target("yes"), reader.target("no"), reader.target("on_failure")
    on_invalid, on_timeout = (
        reader.wordings("on_invalid", part="invalid"),
        reader.wordings("on_timeout", part="timeout"),
    )
    timeout_s = fields.number("timeout_s", default=DEFAULT_TIMEOUT_S, within=TIMEOUTS_S)
    tries = fields.whole_number("tries", default=DEFAULT_TRIES, within=TRIES)
    barge_in = fields.switch("barge_in", default=True)
    if prompt is None or not on_invalid or not on_timeout or yes is None or no is None or on_failure is None:
        return None
    return Menu(
        name=reader.name,
        line=reader.line,
        prompt=prompt,
        options=MappingProxyType({YES_KEY: yes, NO_KEY: no, PERSON_KEY: on_failure}),
        on_invalid=on_invalid,
        on_timeout=on_timeout,
        on_failure=on_failure,
        timeout_s=timeout_s,
        tries=tries,
        barge_in=barge_in,
    )


def _read_set(reader: _Reader) -> Set | None:
    fields = reader.table("set", needs="variables and what they become")
    then = reader.target("then")
    if fields is None or then is None:
        return None
    values: dict[str, Expression] = {}
    for key, tree in fields.entries.values():
        kind = reader.variable(key.text, at=key)
        word = fields.as_word(key.text, tree)
        expression = reader.expression(word, kind=kind) if word is not None and kind is not None else None
        if expression is not None:
            values[key.text] = expression
    return Set(name=reader.name, line=reader.line, values=MappingProxyType(values), then=then)


def _read_branch(reader: _Reader) -> Branch | None:
    fields = reader.table("branch", needs="conditions and the nodes that they lead to")
    otherwise = reader.target("otherwise")
    if fields is None or otherwise is None:
        return None
    cases: list[tuple[Expression, NodeName]] = []
    for key, tree in fields.entries.values():
        word = fields.as_word(key.text[:LONGEST_NAME], tree)
        target = reader.targeted(word) if word is not None else None
        condition = reader.expression(key, kind=Kind.TRUTH)
        if condition is not None and target is not None:
            cases.append((condition, target))
    return Branch(name=reader.name, line=reader.line, cases=tuple(cases), otherwise=otherwise)


def _read_hours(reader: _Reader) -> Hours | None:
    value = reader.fields.value("hours", of=reader.of)
    hours = None if value is None else read_opening_hours(value, findings=reader.fields.findings)
    opened, closed = reader.target("open"), reader.target("closed")
    if hours is None or opened is None or closed is None:
        return None
    return Hours(name=reader.name, line=reader.line, hours=hours, open=opened, closed=closed)


def _read_invoke(reader: _Reader) -> Invoke | None:
    sub, then = reader.target("invoke"), reader.target("then")
    return None if sub is None or then is None else Invoke(name=reader.name, line=reader.line, sub=sub, then=then)


def _read_return(reader: _Reader) -> Return:
    if not reader.fields.switch("return", default=True):
        reader.fields.wrong(reader.fields.entries["return"][1], '"return" can only be true')
    return Return(name=reader.name, line=reader.line)


class _Kind(NamedTuple):
    keys: tuple[str, ...]
    read: Callable[[_Reader], Node | None]


KINDS: Mapping[str, _Kind] = {
    "menu": _Kind(
        ("menu", "options", "on_invalid", "on_timeout", "on_failure", "timeout_s", "tries", "barge_in"), _read_menu
    ),
    "queue": _Kind(("queue", "topic", "priority", "say"), _read_queue),
    "ask": _Kind(
        (
            *("ask", "into", "digits", "document", "terminator", "on_invalid", "on_timeout", "then", "on_failure"),
            *("first_digit_s", "between_digits_s", "overall_s", "tries", "barge_in"),
        ),
        _read_ask,
    ),
    "confirm": _Kind(
        ("confirm", "yes", "no", "on_invalid", "on_timeout", "on_failure", "timeout_s", "tries", "barge_in"),
        _read_confirm,
    ),
    "set": _Kind(("set", "then"), _read_set),
    "branch": _Kind(("branch", "otherwise"), _read_branch),
    "hours": _Kind(("hours", "open", "closed"), _read_hours),
    "invoke": _Kind(("invoke", "then"), _read_invoke),
    "return": _Kind(("return",), _read_return),
    "goto": _Kind(("goto",), _read_goto),
    "hangup": _Kind(("hangup", "say"), _read_hangup),
    "say": _Kind(("say", "then", "barge_in"), _read_say),
}
"""What each kind of node is recognised by, what may stand in it, and who reads it; `say` comes last, for it may stand
in others."""
