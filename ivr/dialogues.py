"""Dialogues written beside a flow, and played through it: what a citizen does, hears, and where it ends.

In: the text of a NAME.dialogues.yaml, and the flow. Out: `Dialogue` values, or problems with their lines; and for each
dialogue that does not go as it is written, the line where it parts. Must never import another room.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from ivr.core.flow import Flow, Hours
from ivr.core.reading import KEYS
from ivr.rehearsal import BACK_TO_QUEUE, GOODBYE, HUNG_UP, Rehearsal
from telefonista.notation.expressions import Expression, ExpressionInvalid, Kind, parse
from telefonista.notation.hours import zone
from telefonista.notation.problems import Findings, FlowInvalid, Problem, shown
from telefonista.notation.source import Row, Table, Tree, Word, read_source

DEFAULT_MOMENT = "2026-11-24 10:00"
"""A Tuesday on which offices are open."""
MOST_SOUNDS = 400
_WORDS: Mapping[str, Callable[[Rehearsal], str]] = {
    "nothing found": Rehearsal.finds_nothing,
    "no answer": Rehearsal.is_not_answered,
    "callback granted": partial(Rehearsal.settles_callback, granted=True),
    "callback refused": partial(Rehearsal.settles_callback, granted=False),
    "leaves a message": Rehearsal.leaves_message,
    "speech fails": Rehearsal.is_not_heard,
}
"""What others do, and what is wrong with that there; empty when nothing is."""
_DEEDS = ("waits", "hangs up", *_WORDS)
_KEYS = ("hears", "presses", "says", "knows", "answers", "ends")
_ENDS = (GOODBYE, HUNG_UP, BACK_TO_QUEUE)
_ENDS_ELSEWHERE = ("queue ", "number ", "flow ")


class Step(NamedTuple):
    does: str
    """One of `_DEEDS` and `_KEYS`."""
    text: str
    line: int
    condition: Expression | None = None
    answer: Mapping[str, str] = MappingProxyType({})


class Dialogue(NamedTuple):
    name: str
    line: int
    at: float
    steps: tuple[Step, ...]


def read_dialogues(text: str, *, flow: Flow, file: str) -> tuple[Dialogue, ...]:
    """Raises FlowInvalid, with a line for each problem."""
    findings = Findings(file)
    tree = read_source(text, findings=findings)
    dialogues: list[Dialogue] = []
    if tree is not None and (not isinstance(tree, Table) or not tree.entries):
        findings.add("dialogues are a list of names, each with its steps", line=tree.line)
    elif tree is not None:
        dialogues = [_dialogue(name, body, flow, findings) for name, body in tree.entries]
    if findings.problems:
        raise FlowInvalid(findings.problems)
    return tuple(dialogues)


def moment_of(text: str, *, flow: Flow) -> float:
    """Epoch seconds of `2026-11-22 15:00` in the time of the flow's office, which is UTC where it has no hours.

    Raises ValueError.
    """
    zones = [zone(node.hours.zone) for node in flow.nodes.values() if isinstance(node, Hours)]
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=[*zones, UTC][0])).timestamp()


def play(dialogue: Dialogue, *, flow: Flow, file: str) -> Problem | None:
    """Where the dialogue first parts from what it says; None when it goes to its end."""
    actor = _Actor(Rehearsal(flow, at=dialogue.at))
    for step in dialogue.steps:
        wrong = actor.does(step)
        if wrong:
            return Problem(file, step.line, 1, f"{shown(dialogue.name)}: {wrong}")
    return None


class _Actor:
    """Does what the steps say. What was said before the last key or silence counts no more as heard."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.rehearsal = rehearsal
        self.forgotten = 0
        self.rest = ""
        """What was said after the words that were heard last."""

    def does(self, step: Step) -> str:
        """What went otherwise; empty when nothing did."""
        call = self.rehearsal
        if step.does == "hears":
            return self.hears(step.text)
        if step.does == "ends":
            self.listens_to_the_end()
            return "" if call.ended == step.text else f"it ends with {call.ended or 'a wait for a key'}"
        if step.condition is not None:
            return "" if step.condition.value(call.variables) else f"not so: {self.variables()}"
        if call.ended:
            return f"it is over already: {call.ended}"
        if step.does == "answers":
            return call.is_answered(step.answer)
        if step.does == "says":
            return self.says(step.text)
        if step.does in _WORDS:
            if step.does == "leaves a message":
                self.listens_to_the_end()
            return _WORDS[step.does](call)
        if step.does == "waits":
            self.listens_to_the_end()
        self.forget()
        if step.does == "presses":
            call.presses(step.text)
        elif step.does == "waits":
            call.lets_time_pass()
        else:
            call.hangs_up()
        return ""

    def says(self, words: str) -> str:
        """As soon as somebody listens; what is made nothing of while we speak is said again when we have finished, as
        people do."""
        for _ in range(MOST_SOUNDS):
            if self.rehearsal.listening or not self.rehearsal.is_speaking:
                break
            self.rehearsal.listens()
        listening = self.rehearsal.listening
        self.forget()
        wrong = self.rehearsal.says(words)
        if not wrong and self.rehearsal.listening == listening:
            self.listens_to_the_end()
            self.forget()
            wrong = self.rehearsal.says(words)
        return wrong

    def hears(self, words: str) -> str:
        for _ in range(MOST_SOUNDS):
            self.hark()
            _, found, after = self.rest.partition(_plain(words))
            if found:
                self.rest = after
                return ""
            if not self.rehearsal.is_speaking:
                break
            self.rehearsal.listens()
        return f"not heard: {shown(words)}; what was said is {shown(self.rest.strip() or 'nothing')}"

    def listens_to_the_end(self) -> None:
        for _ in range(MOST_SOUNDS):
            if not self.rehearsal.is_speaking:
                break
            self.rehearsal.listens()

    def hark(self) -> None:
        new = self.rehearsal.said[self.forgotten :]
        self.forgotten += len(new)
        self.rest = " ".join(filter(None, (self.rest, *(_plain(text) for text in new))))

    def forget(self) -> None:
        self.forgotten, self.rest = len(self.rehearsal.said), ""

    def variables(self) -> str:
        return ", ".join(f"{name} is {value!r}" for name, value in self.rehearsal.variables.items()) or "no variables"


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _dialogue(name: Word, body: Tree, flow: Flow, findings: Findings) -> Dialogue:
    parts: Mapping[str, Tree] = {key.text: value for key, value in body.entries} if isinstance(body, Table) else {}
    steps = parts.get("steps")
    if not isinstance(steps, Row) or not steps.items or set(parts) - {"at", "steps"}:
        findings.add(f'{shown(name.text)} needs "steps", and may have "at"', line=name.line)
        return Dialogue(name.text, name.line, 0.0, ())
    at = parts.get("at")
    moment = 0.0
    try:
        moment = moment_of(at.text if isinstance(at, Word) else DEFAULT_MOMENT, flow=flow)
    except ValueError:
        findings.add('"at" is a moment such as 2026-11-22 15:00', line=name.line if at is None else at.line)
    read = [_step(tree, flow, findings) for tree in steps.items]
    _check_end(read, findings)
    return Dialogue(name.text, name.line, moment, tuple(read))


def _check_end(steps: Sequence[Step], findings: Findings) -> None:
    if steps[-1].does != "ends":
        findings.add('the last step must say how it ends: "ends: queue NAME", goodbye or hung up', line=steps[-1].line)


def _step(tree: Tree, flow: Flow, findings: Findings) -> Step:
    known = f"{', '.join(_DEEDS)}, {', '.join(f'{key}: …' for key in _KEYS)}"
    if isinstance(tree, Word) and tree.text in _DEEDS:
        return Step(tree.text, "", tree.line)
    if isinstance(tree, Table) and len(tree.entries) == 1 and tree.entries[0][0].text == "answers":
        return _answer(tree.entries[0][1], findings)
    if not isinstance(tree, Table) or len(tree.entries) != 1 or not isinstance(tree.entries[0][1], Word):
        findings.add(f"a step is one of {known}", line=tree.line)
        return Step("", "", tree.line)
    key, value = tree.entries[0][0].text, tree.entries[0][1].text
    condition = None
    if key not in _KEYS:
        findings.add_unknown("step", key, known=(*_DEEDS, *_KEYS), line=tree.line)
    elif key == "presses" and not (value and set(value) <= set(KEYS)):
        findings.add(f"{shown(value)} are no keys of a telephone", line=tree.line)
    elif key == "ends" and value not in _ENDS and not value.startswith(_ENDS_ELSEWHERE):
        known = f'"queue NAME", "number N", "flow NAME", {", ".join(_ENDS)}'
        findings.add(f"{shown(value)} is no end: {known}", line=tree.line)
    elif key == "knows":
        condition = _condition(value, flow, tree, findings)
    return Step(key, value, tree.line, condition)


def _answer(tree: Tree, findings: Findings) -> Step:
    """`answers: {monto: 1500}`: the fields of another system's answer."""
    answer: dict[str, str] = {}
    for key, value in tree.entries if isinstance(tree, Table) else ():
        if isinstance(value, Word):
            answer[key.text] = value.text
    if not isinstance(tree, Table) or len(answer) != len(tree.entries):
        findings.add("an answer has names and values, such as {monto: 1500}", line=tree.line)
    return Step("answers", "", tree.line, answer=MappingProxyType(answer))


def _condition(text: str, flow: Flow, at: Tree, findings: Findings) -> Expression | None:
    try:
        condition = parse(text, variables=flow.variables)
    except ExpressionInvalid as wrong:
        findings.add(f"{shown(text)}: {wrong}", line=at.line)
        return None
    if condition.kind is not Kind.TRUTH:
        findings.add(f"{shown(text)} is a {condition.kind.value}, and a truth is needed", line=at.line)
    return condition
