"""Opening hours as they are written in a flow, to `OpeningHours`.

In: what stands below `hours:` in a flow's text. Out: the value, or findings with their lines. Must never import a
room.
"""

import re
from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from zoneinfo import available_timezones

import holidays

from telefonista.notation.hours import DAYS, MINUTES_OF_DAY, OpeningHours, Spans, zone
from telefonista.notation.problems import Findings, shown
from telefonista.notation.source import Table, Tree, Word

MOST_DAYS = 400
CLOSED = "closed"
_KEYS = ("timezone", "weekly", "days", "holidays")
_SPAN = re.compile(r"([0-9]{1,2})(?::([0-9]{2}))?-([0-9]{1,2})(?::([0-9]{2}))?", re.ASCII)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*", re.ASCII)


def read_opening_hours(tree: Tree, *, findings: Findings) -> OpeningHours | None:
    """None, with findings, where they cannot be read."""
    if not isinstance(tree, Table):
        findings.add(f'"hours" needs {", ".join(_KEYS)}', line=tree.line, column=tree.column)
        return None
    found = len(findings.problems)
    entries = {key.text: value for key, value in tree.entries}
    for key, _ in tree.entries:
        if key.text not in _KEYS:
            findings.add_unknown("key", key.text, known=_KEYS, line=key.line, column=key.column, of="hours")
    for name in ("timezone", "weekly"):
        if name not in entries:
            findings.add(f'"hours" needs "{name}"', line=tree.line, column=tree.column)
            return None
    country, subdivision = _holidays(entries["holidays"], findings) if "holidays" in entries else ("", "")
    hours = OpeningHours(
        zone=_zone(entries["timezone"], findings),
        weekly=_weekly(entries["weekly"], findings),
        days=_days(entries["days"], findings) if "days" in entries else MappingProxyType({}),
        country=country,
        subdivision=subdivision,
    )
    return hours if len(findings.problems) == found else None


def _word(tree: Tree) -> str:
    return tree.text.strip() if isinstance(tree, Word) else ""


def _zone(tree: Tree, findings: Findings) -> str:
    name = _word(tree)
    try:
        if _ZONE.fullmatch(name):
            return zone(name).key
    except (KeyError, ValueError, OSError):
        pass  # no such zone; which one was meant is said below
    known = sorted(available_timezones())
    findings.add_unknown("time zone", name, known=known, line=tree.line, column=tree.column)
    return name


def _holidays(tree: Tree, findings: Findings) -> tuple[str, str]:
    """`UY`, or `AR-S`: country and subdivision by their ISO 3166 codes."""
    country, _, subdivision = _word(tree).partition("-")
    countries = holidays.list_supported_countries(include_aliases=False)
    if country not in countries:
        findings.add_unknown("country", country, known=sorted(countries), line=tree.line, column=tree.column)
    elif subdivision and subdivision not in countries[country]:
        findings.add_unknown(
            "subdivision", subdivision, known=sorted(countries[country]), line=tree.line, column=tree.column, of=country
        )
    return country, subdivision


def _weekly(tree: Tree, findings: Findings) -> tuple[Spans, ...]:
    weekly: list[Spans] = [() for _ in DAYS]
    taken: set[int] = set()
    if not isinstance(tree, Table) or not tree.entries:
        findings.add(
            '"weekly" needs days and their hours, such as monday-friday: 8-18', line=tree.line, column=tree.column
        )
        return tuple(weekly)
    for key, value in tree.entries:
        first, _, last = key.text.partition("-")
        for word in filter(None, (first, last)):
            if word not in DAYS:
                findings.add_unknown("day", word, known=DAYS, line=key.line, column=key.column)
        if {first, last or first} <= set(DAYS):
            days = range(DAYS.index(first), DAYS.index(last or first) + 1)
            if not days or taken & set(days):
                findings.add(
                    f"{shown(key.text)}: a week runs from monday to sunday, each day once",
                    line=key.line,
                    column=key.column,
                )
            taken |= set(days)
            for day in days:
                weekly[day] = _spans(value, findings)
    return tuple(weekly)


def _days(tree: Tree, findings: Findings) -> Mapping[date, Spans]:
    if not isinstance(tree, Table) or len(tree.entries) > MOST_DAYS:
        findings.add(
            f'"days" needs dates and their hours, such as 2026-12-24: 8-12, {MOST_DAYS} at most',
            line=tree.line,
            column=tree.column,
        )
        return MappingProxyType({})
    days: dict[date, Spans] = {}
    for key, value in tree.entries:
        try:
            day = date.fromisoformat(key.text)
        except ValueError:
            findings.add(f"{shown(key.text)} is no date such as 2026-12-24", line=key.line, column=key.column)
            continue
        if day in days:
            findings.add(f"{shown(key.text)} is there twice", line=key.line, column=key.column)
        days[day] = _spans(value, findings)
    return MappingProxyType(days)


def _spans(tree: Tree, findings: Findings) -> Spans:
    """`8-18`, `8:30-12, 13-17:30`, or `closed`."""
    text = _word(tree)
    if text == CLOSED:
        return ()
    spans: list[tuple[int, int]] = []
    for part in text.split(","):
        match = _SPAN.fullmatch(part.replace(" ", ""))
        first = -1 if match is None else int(match[1]) * 60 + int(match[2] or 0)
        last = -1 if match is None else int(match[3]) * 60 + int(match[4] or 0)
        if not 0 <= first < last <= MINUTES_OF_DAY:
            findings.add(
                f"{shown(part.strip())} are no hours of one day, such as 8-18 or 8:30-12, or closed",
                line=tree.line,
                column=tree.column,
            )
            continue
        spans.append((first, last))
    return tuple(spans)
