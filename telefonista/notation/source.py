"""A YAML text as a tree that knows where each word stands; the part of YAML that a person writes by hand, and no more.

In: text of unknown origin. Out: mappings, lists and words with line and column, or one finding that says why not.
Aliases, anchors, tags, further documents, deep nesting and great length are refused while the text is being parsed,
before they can cost anything. Words stay text: what is a number is for the reader to say. Must never import a
room.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from telefonista.notation.problems import Findings, shown

LONGEST_TEXT = 128 * 1024
DEEPEST = 8
MOST_EVENTS = 20_000
_LONGEST_COMPLAINT = 150


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Table:
    entries: tuple[tuple[Word, "Tree"], ...]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Row:
    items: tuple["Tree", ...]
    line: int
    column: int


Tree: TypeAlias = Word | Table | Row


class _Stop(Exception):
    """The text is not for us; the finding says why."""

    def __init__(self, text: str, *, line: int, column: int = 1) -> None:
        super().__init__(text)
        self.line = line
        self.column = column


@dataclass(slots=True)
class _Open:
    """A mapping or a list whose end has not come yet."""

    is_table: bool
    line: int
    column: int
    parts: list[Tree]


def read_source(text: str, *, findings: Findings) -> Tree | None:
    """The tree of a text; None, with one finding, where there is none. Raises nothing, whatever the text."""
    try:
        if len(text) > LONGEST_TEXT:
            raise _Stop(f"longer than {LONGEST_TEXT} signs: a flow is a page or two", line=1)
        return _tree(text)
    except _Stop as stop:
        findings.add(str(stop), line=stop.line, column=stop.column)
    except yaml.MarkedYAMLError as wrong:
        line, column = _place(wrong.problem_mark)
        findings.add(f"not YAML: {_plain(wrong.problem or str(wrong))}", line=line, column=column)
    except yaml.reader.ReaderError as wrong:
        line = text.count("\n", 0, wrong.position) + 1
        findings.add(f"not YAML: it has a sign (U+{ord(text[wrong.position]):04X}) that no text has", line=line)
    except (yaml.YAMLError, ValueError, OverflowError):
        # PyYAML lets Python's own errors through for escapes and version numbers out of any range.
        findings.add("not YAML: an escape or a number in it is out of range", line=1)
    return None


def _tree(text: str) -> Tree:
    opened: list[_Open] = []
    whole: Tree | None = None
    documents = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        line, column = _place(event.start_mark)
        if count > MOST_EVENTS:
            raise _Stop("it has too many parts to be a flow", line=line, column=column)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _Stop("a second document begins here; a flow is one", line=line, column=column)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            _refuse_marks(event, line=line, column=column)
            if len(opened) >= DEEPEST:
                raise _Stop("nested too deep for a flow", line=line, column=column)
            opened.append(_Open(isinstance(event, yaml.MappingStartEvent), line, column, []))
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            whole = _closed(opened.pop())
            if opened:
                opened[-1].parts.append(whole)
        elif isinstance(event, yaml.ScalarEvent):
            _refuse_marks(event, line=line, column=column)
            whole = Word(event.value, line, column)
            if opened:
                opened[-1].parts.append(whole)
        elif isinstance(event, yaml.AliasEvent):
            raise _Stop(
                f"{shown(f'*{event.anchor}')} stands for another part; write it out (a key * needs quotes)",
                line=line,
                column=column,
            )
    if whole is None:
        raise _Stop("there is nothing in it", line=1)
    return whole


def _refuse_marks(event: Any, *, line: int, column: int) -> None:
    if event.anchor is not None:
        raise _Stop(f"{shown(f'&{event.anchor}')}: names for parts are not used here", line=line, column=column)
    if event.tag is not None:
        raise _Stop(f"{shown(event.tag)}: types are not used here", line=line, column=column)


def _closed(part: _Open) -> Tree:
    if not part.is_table:
        return Row(tuple(part.parts), part.line, part.column)
    entries: list[tuple[Word, Tree]] = []
    for key, value in zip(part.parts[::2], part.parts[1::2], strict=True):
        if not isinstance(key, Word):
            raise _Stop("a key must be a word", line=key.line, column=key.column)
        entries.append((key, value))
    return Table(tuple(entries), part.line, part.column)


def _place(mark: Any) -> tuple[int, int]:
    """Line and column from 1; PyYAML counts from 0, and says nothing of the place of some errors."""
    return (1, 1) if mark is None else (mark.line + 1, mark.column + 1)


def _plain(text: str) -> str:
    """PyYAML's words on one line and of a bounded length."""
    return " ".join(text.split())[:_LONGEST_COMPLAINT]
