"""YAML text to `Flow`: everything that is wrong with a flow is found here, before any citizen hears it.

In: the text of a flow's file and its name. Out: a `Flow`, or `FlowInvalid` with a line for each problem: place, what is
wrong, the nearest valid word. Hostile text costs bounded time and raises nothing else. Each kind of node has a reader
in the table at the end of this file. Must never import another room.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from ivr.core.checks import check_ways
from ivr.core.documents import DOCUMENTS
from ivr.core.flow import (
    PERSON_KEY,
    Ask,
    BackToQueue,
    Branch,
    Callback,
    Flow,
    Goto,
    Hangup,
    Hours,
    Invoke,
    Language,
    Listen,
    Lookup,
    Menu,
    Node,
    OtherFlow,
    Question,
    Queue,
    Return,
    Say,
    Saying,
    Set,
    Slot,
    Template,
    TicketOpening,
    TicketReading,
    Transfer,
    Versions,
    Voicemail,
)
from ivr.core.hearing import LONGEST_PHRASE, normal
from ivr.core.procedures import PARTS, Phrases, Procedure, phrases
from ivr.core.saying import Manner
from telefonista.kernel.commands import Prompt, Wanted
from telefonista.kernel.ids import FlowName, NodeName, QueueName
from telefonista.notation.expressions import (
    LONGEST_EXPRESSION,
    RESERVED,
    Expression,
    ExpressionInvalid,
    Kind,
    parse,
)
from telefonista.notation.opening import read_opening_hours
from telefonista.notation.problems import Findings, FlowInvalid, nearest, shown
from telefonista.notation.source import Row, Table, Tree, Word, read_source

KEYS = "0123456789*#"
"""Of a telephone."""
LONGEST_PROMPT = 1000
LONGEST_NAME = 26
"""So that LANGUAGE__FLOW__NODE__timeout, the longest name of a recording, has at most 80 signs."""
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
MOST_PHRASES = 12
"""That stand for one key; each more makes another more likely to be misheard."""
MOST_LANGUAGES = 5
MOST_PROCEDURES = 8
MOST_QUESTIONS = 10
MOST_PASSED_ON = 20
DEFAULT_DEADLINE_S = 4.0
DEADLINES_S = (0.5, 15.0)
DEFAULT_MESSAGE_S = 60.0
MESSAGES_S = (5.0, 300.0)
AGAIN_KEY = "8"
BACK_KEY = "9"
RATINGS = "12345"
PRIVATE = "private "
"""Stands before the kind of a variable whose value goes to no other system."""

_NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Z]{2})?", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,3})?", re.ASCII)
_LENGTHS = re.compile(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", re.ASCII)
_VERSION_SIGNS = 12
_KINDS = tuple(kind.value for kind in Kind)
_TOP_KEYS = ("flow", "language", "start", "person", "variables", "nodes")
_VARIABLE = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_NUMBER_TO_DIAL = re.compile(r"\+?[0-9*#]{2,20}", re.ASCII)
_SLOT = re.compile(r"\{([^{}]*)\}")
_STOPS = " .,;:"
"""Signs that stand behind a value; its last piece has the tone of an end anyway."""
_MANNERS: Mapping[Kind, tuple[Manner, ...]] = {
    Kind.TEXT: tuple(Manner),
    Kind.NUMBER: (Manner.NUMBER, Manner.DIGITS, Manner.MONEY),
    Kind.TRUTH: (),
}
"""How a variable of each kind may be said; the first is how it is said unless the flow says otherwise."""


def read_flow(text: str, *, file: str, procedures: Mapping[str, Procedure] = MappingProxyType({})) -> Flow:
    """The flow that a text describes; `file` is what problems call it, `procedures` are those that it may read out.

    Raises FlowInvalid, and nothing else, for whatever is not a flow.
    """
    findings = Findings(file)
    tree = read_source(text, findings=findings)
    flow = None if tree is None else _flow(tree, text=text, findings=findings, procedures=procedures)
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


class _Whole(NamedTuple):
    """What every node of a flow is read with."""

    flow: str
    languages: tuple[str, ...]
    person: Word | None
    variables: Mapping[str, Kind]
    procedures: Mapping[str, Procedure]
    used: list[Procedure]
    """Collects the procedures that are read out."""
    targets: list[Word]
    """Collects every name of a node that is referred to."""
    more: list[Node]
    """Collects nodes that are part of what the flow's text says in one."""


class _Reader(NamedTuple):
    """What a reader of one kind of node works with."""

    whole: _Whole
    name: NodeName
    line: int
    fields: _Fields

    @property
    def of(self) -> str:
        return f"node {shown(self.name)}"

    @property
    def variables(self) -> Mapping[str, Kind]:
        return self.whole.variables

    @property
    def person(self) -> NodeName | None:
        """Where 0 leads; a finding where the flow does not say."""
        if self.whole.person is None:
            self.fields.wrong(self.fields.table, f'{self.of} needs a way to a person: "person: NODE" above "nodes"')
            return None
        return self.targeted(self.whole.person)

    def target(self, name: str) -> NodeName | None:
        word = self.fields.word(name, of=self.of)
        return None if word is None else self.targeted(word)

    def targeted(self, word: Word) -> NodeName:
        self.whole.targets.append(word)
        return NodeName(word.text)

    def prompt(self, name: str, *, part: str = "") -> Saying | None:
        """What is said at `name`; a recording called FLOW__NODE, or FLOW__NODE__PART, is played in its place."""
        value = self.fields.value(name, of=self.of)
        return None if value is None else self.saying(name, value, part=part)

    def wordings(self, name: str, *, part: str) -> tuple[Saying, ...]:
        """One text or a list of them; none where something is wrong with one."""
        value = self.fields.value(name, of=self.of)
        if not isinstance(value, Row):
            only = None if value is None else self.prompt(name, part=part)
            return () if only is None else (only,)
        if not 0 < len(value.items) <= MOST_WORDINGS:
            self.fields.wrong(value, f'"{name}" needs 1 to {MOST_WORDINGS} texts')
        sayings = [self.saying(name, item, part=f"{part}{n}") for n, item in enumerate(value.items[:MOST_WORDINGS], 1)]
        return tuple(saying for saying in sayings if saying is not None)

    def saying(self, name: str, value: Tree, *, part: str) -> Saying | None:
        """One text, or in a flow of several languages one for each of them."""
        languages = self.whole.languages
        if len(languages) < 2:
            word = self.fields.as_word(name, value)
            return None if word is None else self.version(name, word, part=part, language=languages[0])
        if not isinstance(value, Table):
            self.fields.wrong(value, f'"{name}" needs a text for each language: {{{": …, ".join(languages)}: …}}')
            return None
        fields = _Fields(value, findings=self.fields.findings)
        fields.only(languages, of=f'"{name}"')
        versions: dict[str, Prompt | Template] = {}
        for language in languages:
            word = fields.word(language, of=f'"{name}"')
            version = None if word is None else self.version(name, word, part=part, language=language)
            if version is not None:
                versions[language] = version
        return Versions(MappingProxyType(versions)) if len(versions) == len(languages) else None

    def recording(self, *parts: str, language: str) -> str:
        """What a recording is called that is played in place of a text; the flow's first language is not named."""
        first = "" if language == self.whole.languages[0] else language.lower()
        return "__".join(filter(None, (first, *parts)))

    def version(self, name: str, word: Word, *, part: str, language: str) -> Prompt | Template | None:
        text = " ".join(word.text.split())
        if len(text) > LONGEST_PROMPT:
            self.fields.wrong(word, f'"{name}" is longer than {LONGEST_PROMPT} signs: nobody listens that long')
            return None
        if not all(sign.isprintable() for sign in text) or not any(sign.isalnum() for sign in text):
            self.fields.wrong(word, f'"{name}" has a sign that cannot be spoken, or no word at all')
            return None
        recording = self.recording(self.whole.flow, self.name, part, language=language)
        text = unicodedata.normalize("NFC", text)
        if "{" not in text and "}" not in text:
            return Prompt(text=text, language=language, name=recording)
        parts = tuple(self.parts(word, text, recording=recording, language=language))
        return Template(parts) if parts else None

    def composed(self, text: Callable[[str], str], *parts: str) -> Saying:
        """What we say in our own words, given for each language."""
        return self.versions(
            Prompt(text=text(language), language=language, name=self.recording(*parts, language=language))
            for language in self.whole.languages
        )

    def of_procedure(self, text: Callable[[str], str], *parts: str) -> Saying:
        """The same for what every flow says alike: its recordings are named alike too."""
        return self.versions(
            Prompt(
                text=text(language),
                language=language,
                name="__".join((*([] if language.startswith("es") else [language.lower()]), "procedure", *parts)),
            )
            for language in self.whole.languages
        )

    def versions(self, prompts: Iterable[Prompt]) -> Saying:
        versions = {prompt.language: prompt for prompt in prompts}
        return Versions(MappingProxyType(versions)) if len(versions) > 1 else next(iter(versions.values()))

    def in_our_words(self, text: Callable[[Phrases], str], part: str) -> Saying:
        return self.composed(lambda language: text(phrases(language)), self.whole.flow, self.name, part)

    def parts(self, word: Word, text: str, *, recording: str, language: str) -> Iterator[Prompt | Slot]:
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
                yield Prompt(text=piece.lstrip(_STOPS).rstrip(), language=language, name=name)

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

    def text_variable(self, name: str) -> str | None:
        """The variable named at `name`, which must be a text."""
        word = self.fields.word(name, of=self.of)
        if word is None:
            return None
        if self.variable(word.text, at=word) not in (None, Kind.TEXT):
            self.fields.wrong(word, f"{shown(word.text)} must be a text: a number would lose the zeros in front")
        return word.text

    def passed_on(self, name: str) -> Mapping[str, Expression]:
        """`with: {documento: cedula}`: names of others', and what of ours goes there."""
        if name not in self.fields.entries:
            return MappingProxyType({})
        fields = self.table(name, needs="names and what is passed on as each")
        entries = list(fields.entries.values()) if fields is not None else []
        passed: dict[str, Expression] = {}
        for key, tree in entries[:MOST_PASSED_ON]:
            word = self.fields.as_word(key.text, tree)
            if not _FIELD.fullmatch(key.text):
                self.fields.wrong(key, f"{shown(key.text)} cannot be a name: letters, digits and _")
            expression = None if word is None else self.any_expression(word)
            if expression is not None:
                passed[key.text] = expression
        if len(entries) > MOST_PASSED_ON:
            self.fields.wrong(entries[-1][0], f'"{name}" has more than {MOST_PASSED_ON} entries')
        return MappingProxyType(passed)

    def any_expression(self, word: Word) -> Expression | None:
        try:
            return parse(word.text, variables=self.variables)
        except ExpressionInvalid as wrong:
            self.fields.wrong(word, f"{shown(word.text)}: {wrong}")
            return None

    def queue_or_variable(self, name: str) -> str | None:
        """A queue's name, or `{variable}` for the queue that a variable names."""
        word = self.fields.word(name, of=self.of)
        if word is None:
            return None
        if not word.text.startswith("{"):
            return word.text if self.fields.is_name(word) else None
        variable = word.text.strip("{}")
        if self.variable(variable, at=word) not in (None, Kind.TEXT):
            self.fields.wrong(word, f"{shown(variable)} must be a text")
        return f"{{{variable}}}"


def _plainer(text: str) -> str:
    """The text without what names cannot have, accents and capitals first of all; empty when nothing is left of it."""
    letters = unicodedata.normalize("NFKD", text[: 2 * LONGEST_NAME].lower()).encode("ascii", "ignore").decode()
    return "-".join(re.findall(r"[a-z0-9]+", letters))[:LONGEST_NAME].rstrip("-")


def _flow(tree: Tree, *, text: str, findings: Findings, procedures: Mapping[str, Procedure]) -> Flow | None:
    if not isinstance(tree, Table):
        findings.add(f"a flow is a list of keys with their values: {', '.join(_TOP_KEYS)}", line=tree.line)
        return None
    fields = _Fields(tree, findings=findings)
    fields.only(_TOP_KEYS, of="a flow")
    name, start = fields.name("flow", of="a flow"), fields.word("start", of="a flow")
    languages = _languages(fields)
    person = fields.word("person", of="a flow") if "person" in fields.entries else None
    private: set[str] = set()
    variables = _variables(fields, private=private)
    whole = _Whole(
        flow=name.text if name is not None else "",
        languages=languages,
        person=person,
        variables=variables,
        procedures=procedures,
        used=[],
        targets=[] if person is None else [person],
        more=[],
    )
    nodes = _nodes(fields, whole=whole)
    if name is None or start is None or nodes is None:
        return None
    # Those that could not be read are names all the same: a reference to one is no second problem.
    known = tuple(nodes)
    for target in (start, *whole.targets):
        if target.text not in nodes:
            findings.add_unknown("node", target.text, known=known, line=target.line, column=target.column)
    return Flow(
        name=FlowName(name.text),
        language=languages[0],
        more_languages=languages[1:],
        version=_version(text, whole.used),
        start=NodeName(start.text),
        nodes=MappingProxyType({node.name: node for node in (*nodes.values(), *whole.more) if node is not None}),
        variables=MappingProxyType(variables),
        private=frozenset(private),
        person=NodeName("") if person is None else NodeName(person.text),
        file=findings.file,
    )


def _version(text: str, procedures: Sequence[Procedure]) -> str:
    """What is read out is part of the flow: a procedure that says something else makes another version."""
    digest = hashlib.sha256(text.encode())
    for procedure in procedures:
        for texts in (procedure.title, *procedure.parts.values()):
            digest.update("\0".join(texts.values()).encode())
    return digest.hexdigest()[:_VERSION_SIGNS]


def _languages(fields: _Fields) -> tuple[str, ...]:
    """`language: es-UY`, or several, of which the first is the one that the flow begins in."""
    value = fields.value("language", of="a flow")
    items = value.items if isinstance(value, Row) else () if value is None else (value,)
    languages: dict[str, None] = {}
    for item in items[:MOST_LANGUAGES]:
        word = fields.as_word("language", item)
        if word is not None and not _LANGUAGE.fullmatch(word.text):
            fields.wrong(word, f'{shown(word.text)} is not a language such as "es" or "es-UY"')
        elif word is not None and word.text in languages:
            fields.wrong(word, f"{shown(word.text)} is there twice")
        if word is not None:
            languages[word.text] = None
    if value is not None and not 0 < len(items) <= MOST_LANGUAGES:
        fields.wrong(value, f'"language" is one, or a list of up to {MOST_LANGUAGES}')
    return tuple(languages) or ("",)


def _variables(fields: _Fields, *, private: set[str]) -> dict[str, Kind]:
    """Each with its kind; those whose kind is no kind are left out, and so unknown wherever they are used. `private`
    collects those whose values go nowhere."""
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
        elif word is not None and word.text.removeprefix(PRIVATE) not in _KINDS:
            table.findings.add_unknown("kind", word.text, known=_KINDS, line=word.line, column=word.column)
        elif word is not None:
            variables[key.text] = Kind(word.text.removeprefix(PRIVATE))
            if word.text.startswith(PRIVATE):
                private.add(key.text)
    return variables


def _nodes(fields: _Fields, *, whole: _Whole) -> dict[NodeName, Node | None] | None:
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
        nodes[node_name] = _node(_Fields(tree, findings=fields.findings), key=key, whole=whole)
    if len(nodes) + len(whole.more) > MOST_NODES:
        fields.wrong(value, f"more than {MOST_NODES} nodes with those of its procedures: make it two flows")
    return nodes


def _node(fields: _Fields, *, key: Word, whole: _Whole) -> Node | None:
    of = f"node {shown(key.text)}"
    kinds = [kind for kind in KINDS if kind in fields.entries]
    if len(kinds) > 1 and kinds[-1] == "say":  # what other kinds say first; `only` knows which of them may
        kinds.pop()
    if not kinds:
        known = {name for kind in KINDS.values() for name in kind.keys}
        unknown = [word for word, _ in fields.entries.values() if word.text not in known]
        meant = [word for word in unknown if nearest(word.text, known=tuple(KINDS))]
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
    return kind.read(_Reader(whole, NodeName(key.text), line, fields))


def _read_say(reader: _Reader) -> Say | None:
    prompt, then = reader.prompt("say"), reader.target("then")
    barge_in = reader.fields.switch("barge_in", default=False)
    if prompt is None or then is None:
        return None
    return Say(name=reader.name, line=reader.line, prompt=prompt, then=then, barge_in=barge_in)


def _read_menu(reader: _Reader, *, of: str = "menu") -> Menu | None:
    fields = reader.fields
    options = _read_options(reader)
    prompt = reader.prompt(of)
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
    if reader.whole.person is not None and PERSON_KEY not in options:
        options[PERSON_KEY] = NodeName(reader.whole.person.text)
    return MappingProxyType(options)


def _read_listen(reader: _Reader) -> Listen | None:
    """A menu, and what may be said in place of its keys."""
    menu = _read_menu(reader, of="listen")
    keys_prompt = reader.prompt("keys_only", part="keys")
    value = reader.fields.value("phrases", of=reader.of)
    phrases = None if value is None or menu is None else _read_phrases(reader, value, options=menu.options)
    if menu is None or keys_prompt is None or phrases is None:
        return None
    return Listen(
        name=menu.name,
        line=menu.line,
        prompt=menu.prompt,
        options=menu.options,
        on_invalid=menu.on_invalid,
        on_timeout=menu.on_timeout,
        on_failure=menu.on_failure,
        timeout_s=menu.timeout_s,
        tries=menu.tries,
        barge_in=menu.barge_in,
        phrases=phrases,
        keys_prompt=keys_prompt,
    )


def _read_phrases(
    reader: _Reader, value: Tree, *, options: Mapping[str, NodeName]
) -> Mapping[str, Mapping[str, tuple[str, ...]]] | None:
    """By language: in a flow of one language the keys stand at once, in one of several under each that listens."""
    languages = reader.whole.languages
    if not isinstance(value, Table) or not value.entries:
        reader.fields.wrong(value, '"phrases" needs keys, each with what may be said in its place')
        return None
    if len(languages) < 2:
        return MappingProxyType({languages[0]: _phrases_of(reader, value, options=options)})
    fields = _Fields(value, findings=reader.fields.findings)
    fields.only(languages, of='"phrases"')
    found: dict[str, Mapping[str, tuple[str, ...]]] = {}
    for key, tree in fields.entries.values():
        if isinstance(tree, Table) and key.text in languages:
            found[key.text] = _phrases_of(reader, tree, options=options)
        elif key.text in languages:
            fields.wrong(tree, f"{shown(key.text)} needs keys, each with what may be said in its place")
    return MappingProxyType(found)


def _phrases_of(reader: _Reader, table: Table, *, options: Mapping[str, NodeName]) -> Mapping[str, tuple[str, ...]]:
    fields = _Fields(table, findings=reader.fields.findings)
    found: dict[str, tuple[str, ...]] = {}
    seen: dict[str, str] = {}
    for key, tree in fields.entries.values():
        if key.text not in options:
            fields.findings.add_unknown(
                "key", key.text, known=sorted(options), line=key.line, column=key.column, of=f"{reader.of}, its options"
            )
        items = tree.items if isinstance(tree, Row) else (tree,)
        if len(items) > MOST_PHRASES:
            fields.wrong(tree, f"more than {MOST_PHRASES} phrases for one key")
        words = [fields.as_word(key.text, item) for item in items[:MOST_PHRASES]]
        found[key.text] = tuple(_phrase(fields, word, key=key.text, seen=seen) for word in words if word is not None)
    return MappingProxyType(found)


def _phrase(fields: _Fields, word: Word, *, key: str, seen: dict[str, str]) -> str:
    """As recognisers write it; no phrase may stand for two keys."""
    phrase = normal(word.text)
    if not phrase or len(phrase) > LONGEST_PHRASE or not all(sign.isalpha() or sign in " '" for sign in phrase):
        fields.wrong(word, f"{shown(word.text)} cannot be listened for: words, {LONGEST_PHRASE} signs at most")
    elif seen.setdefault(phrase, key) != key:
        fields.wrong(word, f"{shown(word.text)} stands for {seen[phrase]} already")
    return phrase


def _read_queue(reader: _Reader) -> Queue | None:
    fields = reader.fields
    queue = fields.name("queue", of=reader.of)
    topic = fields.word("topic", of=reader.of) if "topic" in fields.entries else None
    if topic is not None and not (topic.text.isprintable() and len(topic.text) <= LONGEST_NAME * 2):
        fields.wrong(topic, f'"topic" is a few words on one line, {LONGEST_NAME * 2} signs at most')
    priority = fields.whole_number("priority", default=0, within=PRIORITIES)
    requires = fields.word("requires", of=reader.of) if "requires" in fields.entries else None
    if requires is not None and not (requires.text.isprintable() and len(requires.text) <= LONGEST_EXPRESSION):
        fields.wrong(requires, f'"requires" is a condition over skills, {LONGEST_EXPRESSION} signs at most')
    prompt = reader.optional_prompt("say")
    if queue is None:
        return None
    return Queue(
        name=reader.name,
        line=reader.line,
        queue=QueueName(queue.text),
        topic=topic.text if topic is not None else "",
        priority=priority,
        requires=requires.text if requires is not None else "",
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
    into = reader.text_variable("into")
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
        into=into,
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


def _read_language(reader: _Reader) -> Language | None:
    word, then = reader.fields.word("language", of=reader.of), reader.target("then")
    if word is not None and word.text not in reader.whole.languages:
        reader.fields.findings.add_unknown(
            "language", word.text, known=reader.whole.languages, line=word.line, column=word.column, of="this flow"
        )
    if word is None or then is None:
        return None
    return Language(name=reader.name, line=reader.line, language=word.text, then=then)


def _read_lookup(reader: _Reader) -> Lookup | None:
    fields = reader.fields
    source = fields.name("lookup", of=reader.of)
    parameters = reader.passed_on("with")
    wanted = _read_wanted(reader)
    prompt, deadline_s = reader.optional_prompt("say"), _read_deadline(reader)
    found, nothing, on_failure = reader.target("found"), reader.target("nothing"), reader.target("on_failure")
    person = reader.person
    if source is None or wanted is None or found is None or nothing is None or on_failure is None or person is None:
        return None
    return Lookup(
        name=reader.name,
        line=reader.line,
        source=source.text,
        parameters=parameters,
        wanted=wanted,
        prompt=prompt,
        found=found,
        nothing=nothing,
        on_failure=on_failure,
        deadline_s=deadline_s,
    )


def _read_wanted(reader: _Reader) -> Mapping[str, Wanted] | None:
    """`into: {deuda: monto}`: our variables, and the fields of the answer that go into them."""
    if reader.fields.value("into", of=reader.of) is None:
        return None
    fields = reader.table("into", needs="variables and the fields of the answer that they take")
    if fields is None:
        return None
    wanted: dict[str, Wanted] = {}
    for key, tree in fields.entries.values():
        kind, word = reader.variable(key.text, at=key), fields.as_word(key.text, tree)
        if word is not None and not _FIELD.fullmatch(word.text):
            fields.wrong(word, f"{shown(word.text)} cannot be a field: letters, digits and _")
        elif word is not None and kind is not None:
            wanted[key.text] = Wanted(word.text, kind.value)
    return MappingProxyType(wanted)


def _read_deadline(reader: _Reader) -> float:
    return reader.fields.number("deadline_s", default=DEFAULT_DEADLINE_S, within=DEADLINES_S)


def _read_ticket(reader: _Reader) -> Node | None:
    fields = reader.fields
    what = fields.word("ticket", of=reader.of)
    if what is not None and what.text == "open":
        fields.only(_TICKET_OPENING, of=f"{reader.of}, a ticket to open")
        return _read_ticket_opening(reader)
    if what is not None and what.text == "status":
        fields.only(_TICKET_READING, of=f"{reader.of}, the status of a ticket")
        return _read_ticket_reading(reader)
    if what is not None:
        fields.wrong(what, f'"ticket" is open or status, not {shown(what.text)}')
    return None


def _read_ticket_opening(reader: _Reader) -> TicketOpening | None:
    topic, into = reader.fields.word("topic", of=reader.of), reader.text_variable("into")
    details, prompt, deadline_s = reader.passed_on("with"), reader.optional_prompt("say"), _read_deadline(reader)
    then, on_failure, person = reader.target("then"), reader.target("on_failure"), reader.person
    if topic is not None and not (topic.text.isprintable() and len(topic.text) <= LONGEST_NAME * 2):
        reader.fields.wrong(topic, f'"topic" is a few words on one line, {LONGEST_NAME * 2} signs at most')
    if topic is None or into is None or then is None or on_failure is None or person is None:
        return None
    return TicketOpening(
        name=reader.name,
        line=reader.line,
        topic=topic.text,
        into=into,
        details=details,
        prompt=prompt,
        found=then,
        nothing=on_failure,
        on_failure=on_failure,
        deadline_s=deadline_s,
    )


def _read_ticket_reading(reader: _Reader) -> TicketReading | None:
    number, into = reader.text_variable("number"), reader.text_variable("into")
    prompt, deadline_s = reader.optional_prompt("say"), _read_deadline(reader)
    found, nothing, on_failure = reader.target("found"), reader.target("nothing"), reader.target("on_failure")
    person = reader.person
    if number is None or into is None or found is None or nothing is None or on_failure is None or person is None:
        return None
    return TicketReading(
        name=reader.name,
        line=reader.line,
        number=number,
        into=into,
        prompt=prompt,
        found=found,
        nothing=nothing,
        on_failure=on_failure,
        deadline_s=deadline_s,
    )


def _read_procedure(reader: _Reader) -> Node | None:
    """One procedure, or several to choose from; each becomes what it says first, a menu of its parts, and these."""
    value = reader.fields.value("procedure", of=reader.of)
    then, person = reader.target("then"), reader.person
    several = isinstance(value, Row)
    items = value.items if isinstance(value, Row) else () if value is None else (value,)
    if several and not 0 < len(items) <= MOST_PROCEDURES:
        reader.fields.wrong(items[-1] if items else reader.fields.table, f"1 to {MOST_PROCEDURES} procedures")
        return None
    words = [reader.fields.as_word("procedure", item) for item in items]
    found = [_known_procedure(reader, word) for word in words if word is not None]
    procedures = [procedure for procedure in found if procedure is not None]
    if then is None or person is None or not items or len(procedures) != len(items):
        return None
    reader.whole.used.extend(procedures)
    if not several:
        return _procedure_nodes(reader, procedures[0], name=reader.name, then=then, person=person)
    for procedure in procedures:
        own = NodeName(f"{reader.name}.{procedure.name}")
        reader.whole.more.append(_procedure_nodes(reader, procedure, name=own, then=reader.name, person=person))
    keys = {str(n): NodeName(f"{reader.name}.{each.name}") for n, each in enumerate(procedures, 1)}

    def offered(language: str) -> str:
        ours = phrases(language)
        titles = [each.text("title", language=language) for each in procedures]
        choices = [ours.choose.format(title=title, key=ours.keys[n]) for n, title in enumerate(titles, 1)]
        return " ".join((*choices, ours.back.format(key=ours.keys[int(BACK_KEY)]), ours.person))

    return _our_menu(
        reader,
        reader.composed(offered, reader.whole.flow, reader.name),
        name=reader.name,
        options={**keys, BACK_KEY: then, PERSON_KEY: person},
        on_failure=then,
    )


def _known_procedure(reader: _Reader, word: Word) -> Procedure | None:
    """A procedure that is there in every language of the flow."""
    procedure = reader.whole.procedures.get(word.text)
    if procedure is None:
        known = tuple(reader.whole.procedures)
        reader.fields.findings.add_unknown("procedure", word.text, known=known, line=word.line, column=word.column)
        return None
    for language in reader.whole.languages:
        lacking = [
            part for part in ("title", *procedure.parts) if language and not procedure.text(part, language=language)
        ]
        if lacking:
            reader.fields.wrong(word, f"procedure {shown(word.text)} has no {', '.join(lacking)} in {language}")
            return None
    return procedure


def _procedure_nodes(
    reader: _Reader, procedure: Procedure, *, name: NodeName, then: NodeName, person: NodeName
) -> Node:
    """What the procedure is; the nodes that follow are collected."""
    menu = NodeName(f"{name}.parts")
    parts = [part for part in PARTS[1:] if part in procedure.parts]
    keys = {str(n): NodeName(f"{name}.{part}") for n, part in enumerate(parts, 1)}

    def said(part: str) -> Saying:
        return reader.of_procedure(lambda language: procedure.text(part, language=language), procedure.name, part)

    def offered(language: str) -> str:
        ours = phrases(language)
        choices = [ours.parts[part].format(key=ours.keys[n]) for n, part in enumerate(parts, 1)]
        again, back = ours.again.format(key=ours.keys[int(AGAIN_KEY)]), ours.back.format(key=ours.keys[int(BACK_KEY)])
        return " ".join((*choices, again, back, ours.person))

    for part, of_part in zip(parts, keys.values(), strict=True):
        reader.whole.more.append(Say(name=of_part, line=reader.line, prompt=said(part), then=menu, barge_in=True))
    options = {**keys, AGAIN_KEY: name, BACK_KEY: then, PERSON_KEY: person}
    prompt = reader.of_procedure(offered, "_".join((*parts, "offered")))
    reader.whole.more.append(_our_menu(reader, prompt, name=menu, options=options, on_failure=then))
    return Say(name=name, line=reader.line, prompt=said("what"), then=menu, barge_in=True)


def _our_menu(
    reader: _Reader, prompt: Saying, *, name: NodeName, options: Mapping[str, NodeName], on_failure: NodeName
) -> Menu:
    return Menu(
        name=name,
        line=reader.line,
        prompt=prompt,
        options=MappingProxyType(dict(options)),
        on_invalid=(reader.in_our_words(lambda ours: ours.on_invalid, "invalid"),),
        on_timeout=(reader.in_our_words(lambda ours: ours.on_timeout, "timeout"),),
        on_failure=on_failure,
        timeout_s=DEFAULT_TIMEOUT_S,
        tries=DEFAULT_TRIES,
    )


def _read_survey(reader: _Reader) -> Question | None:
    """A node for each question; what goes before the first is for a `say` to say."""
    survey = reader.fields.name("survey", of=reader.of)
    value = reader.fields.value("questions", of=reader.of)
    then, person = reader.target("then"), reader.person
    timeout_s = reader.fields.number("timeout_s", default=DEFAULT_TIMEOUT_S, within=TIMEOUTS_S)
    tries = reader.fields.whole_number("tries", default=2, within=TRIES)
    if not isinstance(value, Table) or not 0 < len(value.entries) <= MOST_QUESTIONS:
        if value is not None:
            reader.fields.wrong(value, f'"questions" needs 1 to {MOST_QUESTIONS} names, each with its question')
        return None
    fields = _Fields(value, findings=reader.fields.findings)
    asked = [
        (key, reader.saying(key.text, tree, part=f"q{n}")) for n, (key, tree) in enumerate(fields.entries.values(), 1)
    ]
    named = [fields.is_name(key) for key, _ in asked]
    if survey is None or then is None or person is None or not all(named):
        return None
    places = [reader.name, *(NodeName(f"{reader.name}.{n}") for n in range(2, len(asked) + 1)), then]
    questions = [
        Question(
            name=place,
            line=reader.line,
            survey=survey.text,
            question=key.text,
            prompt=prompt,
            options=MappingProxyType({**dict.fromkeys(RATINGS, following), PERSON_KEY: person}),
            on_invalid=(reader.in_our_words(lambda ours: ours.rate, "invalid"),),
            on_timeout=(reader.in_our_words(lambda ours: ours.rate_again, "timeout"),),
            on_failure=following,
            timeout_s=timeout_s,
            tries=tries,
        )
        for (key, prompt), place, following in zip(asked, places, places[1:], strict=False)
        if prompt is not None
    ]
    if len(questions) != len(asked):
        return None
    reader.whole.more.extend(questions[1:])
    return questions[0]


def _read_transfer(reader: _Reader) -> Transfer | None:
    number = reader.fields.word("transfer", of=reader.of)
    prompt = reader.optional_prompt("say")
    if number is None:
        return None
    if not _NUMBER_TO_DIAL.fullmatch(number.text):
        reader.fields.wrong(number, f"{shown(number.text)} is no number to dial: 2 to 20 of 0-9, * and #, in quotes")
    return Transfer(name=reader.name, line=reader.line, number=number.text, prompt=prompt)


def _read_other_flow(reader: _Reader) -> OtherFlow | None:
    flow, prompt = reader.fields.name("flow", of=reader.of), reader.optional_prompt("say")
    return (
        None if flow is None else OtherFlow(name=reader.name, line=reader.line, flow=FlowName(flow.text), prompt=prompt)
    )


def _read_back_to_queue(reader: _Reader) -> BackToQueue:
    if not reader.fields.switch("back_to_queue", default=True):
        reader.fields.wrong(reader.fields.entries["back_to_queue"][1], '"back_to_queue" can only be true')
    return BackToQueue(name=reader.name, line=reader.line, prompt=reader.optional_prompt("say"))


def _read_callback(reader: _Reader) -> Callback | None:
    fields = reader.fields
    queue, number = reader.queue_or_variable("callback"), reader.text_variable("number")
    topic = fields.word("topic", of=reader.of) if "topic" in fields.entries else None
    granted, refused = reader.target("granted"), reader.target("refused")
    if queue is None or number is None or granted is None or refused is None:
        return None
    return Callback(
        name=reader.name,
        line=reader.line,
        queue=queue,
        number=number,
        topic="" if topic is None else topic.text[: LONGEST_NAME * 2],
        granted=granted,
        refused=refused,
    )


def _read_voicemail(reader: _Reader) -> Voicemail | None:
    queue, prompt = reader.queue_or_variable("voicemail"), reader.prompt("say")
    number = reader.text_variable("number") if "number" in reader.fields.entries else ""
    longest_s = reader.fields.number("longest_s", default=DEFAULT_MESSAGE_S, within=MESSAGES_S)
    then, on_failure = reader.target("then"), reader.target("on_failure")
    if queue is None or prompt is None or number is None or then is None or on_failure is None:
        return None
    return Voicemail(
        name=reader.name,
        line=reader.line,
        queue=queue,
        number=number,
        prompt=prompt,
        longest_s=longest_s,
        then=then,
        on_failure=on_failure,
    )


class _Kind(NamedTuple):
    keys: tuple[str, ...]
    read: Callable[[_Reader], Node | None]


_TICKET_OPENING = ("ticket", "topic", "with", "into", "say", "then", "on_failure", "deadline_s")
_TICKET_READING = ("ticket", "number", "into", "say", "found", "nothing", "on_failure", "deadline_s")
_MENU = ("options", "on_invalid", "on_timeout", "on_failure", "timeout_s", "tries", "barge_in")
KINDS: Mapping[str, _Kind] = {
    "menu": _Kind(("menu", *_MENU), _read_menu),
    "listen": _Kind(("listen", "phrases", "keys_only", *_MENU), _read_listen),
    "queue": _Kind(("queue", "topic", "priority", "requires", "say"), _read_queue),
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
    "language": _Kind(("language", "then"), _read_language),
    "lookup": _Kind(("lookup", "with", "into", "say", "found", "nothing", "on_failure", "deadline_s"), _read_lookup),
    "ticket": _Kind(tuple(dict.fromkeys((*_TICKET_OPENING, *_TICKET_READING))), _read_ticket),
    "procedure": _Kind(("procedure", "then"), _read_procedure),
    "survey": _Kind(("survey", "questions", "then", "timeout_s", "tries"), _read_survey),
    "transfer": _Kind(("transfer", "say"), _read_transfer),
    "flow": _Kind(("flow", "say"), _read_other_flow),
    "back_to_queue": _Kind(("back_to_queue", "say"), _read_back_to_queue),
    "callback": _Kind(("callback", "number", "topic", "granted", "refused"), _read_callback),
    "voicemail": _Kind(("voicemail", "number", "say", "longest_s", "then", "on_failure"), _read_voicemail),
    "say": _Kind(("say", "then", "barge_in"), _read_say),
}
"""What each kind of node is recognised by, what may stand in it, and who reads it; `say` comes last, for it may stand
in others."""
