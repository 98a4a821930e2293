"""Reads the dialect in which Asterisk's files are written: what an installation elsewhere says about its queues.

In: a text of unknown origin. Out: sections in order, with what they inherit, each setting with its line; and what could
not be read, by line. Nothing is opened: an `#include` is named, not followed, and `#exec` never runs. Bounded, and
raises nothing, whatever the text. Must never import I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST_TEXT = 4 * 1024 * 1024
MOST_SETTINGS = 100_000
"""Inherited ones included: a chain of templates could make more of a small file than a machine has room for."""
_LONGEST_SHOWN = 60

_HEADING = re.compile(r"\[(?P<name>[^\]]*)\]\s*(?:\((?P<marks>[^)]*)\)\s*)?")
_INCLUDE = re.compile(r"#\s*(?P<what>tryinclude|include|exec)\b\s*(?P<file>.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Setting:
    """`key = value`, in lower case as Asterisk compares it, at a line from 1."""

    key: str
    value: str
    line: int


@dataclass(frozen=True, slots=True)
class Section:
    """`[name]` at a line; `settings` begin with those of its templates."""

    name: str
    line: int
    settings: tuple[Setting, ...]
    is_template: bool = False


@dataclass(frozen=True, slots=True)
class Unread:
    """A line that says nothing to us, and why."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class Conf:
    """A file that was read."""

    sections: tuple[Section, ...]
    unread: tuple[Unread, ...]


@dataclass(slots=True)
class _Open:
    name: str
    line: int
    is_template: bool
    settings: list[Setting]


def read_conf(text: str) -> Conf:
    """The sections of a file."""
    if len(text) > LONGEST_TEXT:
        return Conf((), (Unread(1, f"longer than {LONGEST_TEXT} signs: that is no file of Asterisk's"),))
    reader = _Reader()
    for line, content in _lines(text, unread=reader.unread):
        if reader.settings > MOST_SETTINGS:
            reader.unread.append(Unread(line, f"more than {MOST_SETTINGS} settings: the rest is not read"))
            break
        reader.take(content, line=line)
    sections = (Section(one.name, one.line, tuple(one.settings), one.is_template) for one in reader.sections)
    return Conf(tuple(sections), tuple(reader.unread))


class _Reader:
    def __init__(self) -> None:
        self.sections: list[_Open] = []
        self.unread: list[Unread] = []
        self.settings = 0
        self._current: _Open | None = None

    def take(self, content: str, *, line: int) -> None:
        """One line without its comments and the blanks around it."""
        if content.startswith("["):
            self._begin(content, line=line)
        elif content.startswith("#"):
            self._leave_out(content, line=line)
        elif "=" not in content:
            self.unread.append(Unread(line, f"there is no = in {_shown(content)}"))
        elif self._current is None:
            self.unread.append(Unread(line, f"{_shown(content)} stands in no section"))
        else:
            self._set(self._current, content, line=line)

    def _begin(self, content: str, *, line: int) -> None:
        self._current = None
        heading = _HEADING.fullmatch(content)
        if heading is None:
            self.unread.append(Unread(line, f"{_shown(content)} is no heading; what follows it is not read"))
            return
        name = heading["name"].strip()
        marks = [mark.strip() for mark in (heading["marks"] or "").split(",") if mark.strip()]
        there = next((one for one in self.sections if one.name == name), None)
        if any(mark.startswith("+") for mark in marks):
            if there is None:
                self.unread.append(Unread(line, f"there is no section {_shown(name)} to add to"))
            self._current = there
            return
        section = _Open(name, line, "!" in marks, [])
        for mark in marks:
            if mark != "!":
                self._inherit(section, mark, line=line)
        if there is not None:
            # Asterisk looks sections up by their name, and finds the first.
            self.unread.append(Unread(line, f"the section {_shown(name)} stands here twice; Asterisk uses the first"))
        else:
            self.sections.append(section)
        self._current = section

    def _inherit(self, section: _Open, template: str, *, line: int) -> None:
        found = next((one for one in self.sections if one.name == template), None)
        if found is None:
            self.unread.append(Unread(line, f"there is no section {_shown(template)} to inherit from"))
            return
        self.settings += len(found.settings)
        if self.settings <= MOST_SETTINGS:
            section.settings += found.settings

    def _leave_out(self, content: str, *, line: int) -> None:
        found = _INCLUDE.fullmatch(content)
        if found is None:
            self.unread.append(Unread(line, f"{_shown(content)} is no instruction that is known"))
        elif found["what"].lower() == "exec":
            self.unread.append(Unread(line, "a program is not run: give us what it prints, as a file"))
        else:
            file = found["file"].strip().strip('"<>')
            self.unread.append(Unread(line, f"the file {_shown(file)} is not followed: give it to us as well"))

    def _set(self, section: _Open, content: str, *, line: int) -> None:
        key, _, value = content.partition("=")
        adds = key.endswith("+")
        key = key.removesuffix("+").strip().lower()
        # `member => PJSIP/101` and `member = PJSIP/101` mean the same.
        value = value.removeprefix(">").strip()
        if adds:
            before = next((one for one in reversed(section.settings) if one.key == key), None)
            value = value if before is None else before.value + value
            section.settings = [one for one in section.settings if one is not before]
        section.settings.append(Setting(key, value, line))
        self.settings += 1


def _lines(text: str, *, unread: list[Unread]) -> Iterator[tuple[int, str]]:
    """Lines with something on them, without comments: `;` to the end of a line, `;--` to `--;` over many."""
    began = 0
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        rest, kept = raw, ""
        while rest:
            if began:
                _, closed, rest = rest.partition("--;")
                began = 0 if closed else began
                continue
            before, comment, rest = _up_to_comment(rest)
            kept += before
            if comment == ";--":
                began = number
            elif comment:
                rest = ""
        if kept.strip():
            yield number, kept.strip()
    if began:
        unread.append(Unread(began, "a comment begins here (;--) and never ends; the rest is not read"))


def _up_to_comment(text: str) -> tuple[str, str, str]:
    """What is before a comment (`\\;` stands for a semicolon), which kind begins, and what follows."""
    kept = ""
    at = 0
    while (found := text.find(";", at)) >= 0:
        if found and text[found - 1] == "\\":
            kept += text[at : found - 1] + ";"
            at = found + 1
            continue
        is_block = text.startswith(";--", found) and not text.startswith(";---", found)
        kind = ";--" if is_block else ";"
        return kept + text[at:found], kind, text[found + len(kind) :]
    return kept + text[at:], "", ""


def _shown(text: str) -> str:
    """Foreign text in a message: in quotes, short, nothing that a terminal obeys."""
    short = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    return '"' + "".join(sign if sign.isprintable() else "?" for sign in short) + '"'
