"""Figures as text: the table that is printed, and the few sums behind it."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure of each way, as texts to be read; `aim` and what came of it belong to the first."""

    what: str
    cells: Sequence[str]
    aim: str = ""
    seen: str = ""


@dataclass(frozen=True, kw_only=True)
class Section:
    """The rows of one comparison, the names of the ways, and what must be known to read them."""

    title: str
    ways: Sequence[str]
    rows: Sequence[Row]
    remarks: Sequence[str] = ()


def progress(line: str) -> None:
    """Tell who waits what is being done, apart from the table."""
    print(f"  {line}", file=sys.stderr, flush=True)


def percentile(values: Sequence[float], *, share: float) -> float:
    """The smallest value that at least this share (0 to 1) of `values` do not exceed; nan when there are none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def spread(values: Sequence[float], *, unit: str = "", digits: int = 1) -> str:
    """`median unit (least-greatest, n)`."""
    if not values:
        return "none"
    if len(values) == 1:
        return f"{values[0]:.{digits}f}{unit}"
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f}{unit} ({least:.{digits}f}-{most:.{digits}f}, n={len(values)})"


def met(value: float, *, most: float | None = None, least: float | None = None) -> str:
    """Whether an aim was met, in a word."""
    good = (most is None or value <= most) and (least is None or value >= least)
    return "met" if good else "missed"


def markdown(sections: Sequence[Section], *, heading: Sequence[str]) -> str:
    """All of it, in a form that is read on a terminal and on a page."""
    lines = [*heading, ""]
    for section in sections:
        head = ("", *section.ways, "aim", "")
        empty = len(section.ways) * ("",)
        rows = [(row.what, *(*row.cells, *empty)[: len(empty)], row.aim, row.seen) for row in section.rows]
        widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
        lines += [f"## {section.title}", "", _line(head, widths), _line(["-" * width for width in widths], widths)]
        lines += [_line(row, widths) for row in rows]
        lines += ["", *(f"- {remark}" for remark in section.remarks), ""]
    return "\n".join(lines).rstrip() + "\n"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
