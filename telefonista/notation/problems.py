"""What is wrong with a flow, said to the person who wrote it: one line each, with the place and the nearest valid word.

In: findings of the reader and of the checks. Out: `Problem` values, a bounded number of them, and `FlowInvalid` which
carries them. Must never import a room.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import msgspec

MOST_PROBLEMS = 50
_SHOWN_SIGNS = 60
_MOST_CANDIDATES = 8
_ALIKE = 0.55


class Problem(msgspec.Struct, frozen=True, order=True):
    """Lines and columns start at 1."""

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


class FlowInvalid(Exception):
    """A flow cannot be used; one line for each thing that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Findings:
    """Problems of one file as they are found, up to a bound: a hostile file cannot make an endless report."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def add(self, text: str, *, line: int, column: int = 1) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(self.file, line, column, text))

    def add_unknown(
        self, what: str, word: str, *, known: Sequence[str], line: int, column: int = 1, of: str = ""
    ) -> None:
        """`what` is the kind of thing that `word` should have been one of, and `of` what it belongs to."""
        if len(self.problems) < MOST_PROBLEMS:  # finding the nearest word is not free
            where = f" in {of}" if of else ""
            self.add(f"unknown {what} {shown(word)}{where}{suggestion(word, known=known)}", line=line, column=column)


def shown(word: str) -> str:
    """A word from a file, quoted, on one line and of a bounded length."""
    text = "".join(sign if sign.isprintable() else "·" for sign in word[: _SHOWN_SIGNS + 1])
    return f'"{text}"' if len(text) <= _SHOWN_SIGNS else f'"{text[:_SHOWN_SIGNS]}…"'


def nearest(word: str, *, known: Sequence[str]) -> str:
    """The known word that was probably meant; empty when none is like it."""
    alike = get_close_matches(word[:_SHOWN_SIGNS], known, n=1, cutoff=_ALIKE)
    return alike[0] if alike else ""


def suggestion(word: str, *, known: Sequence[str]) -> str:
    """What to write instead: the nearest word, else the words there are."""
    alike = nearest(word, known=known)
    if alike:
        return f'; did you mean "{alike}"?'
    if not known:
        return ""
    more = ", …" if len(known) > _MOST_CANDIDATES else ""
    return f"; known: {', '.join(known[:_MOST_CANDIDATES])}{more}"
