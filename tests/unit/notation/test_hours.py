"""When an office is open, by its own time, and what is wrong with hours that nobody could keep."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from ivr import FlowInvalid, read_flow
from ivr.core.flow import Hours
from telefonista.kernel.ids import NodeName
from telefonista.notation.hours import OpeningHours

FLOW = """\
flow: oficina
language: es
start: horario
nodes:
  horario:
    open: persona
    closed: cerrado
    hours:
{hours}
  persona: {{queue: general}}
  cerrado: {{hangup: true, say: Está cerrado.}}
"""
SANTA_FE = """\
      timezone: America/Argentina/Cordoba
      weekly: {monday-thursday: "8-12, 13:30-18:00", friday: 8-24, saturday: closed}
      days: {2026-12-24: 8-12, 2026-12-31: closed, 2026-12-25: 9-10}
      holidays: AR-S
"""


def flow_of(hours: str) -> str:
    return FLOW.format(hours=hours.rstrip("\n"))


def office(hours: str = SANTA_FE) -> Hours:
    node = read_flow(flow_of(hours), file="oficina.yaml").nodes[NodeName("horario")]
    assert isinstance(node, Hours)
    return node


def at(moment: str, *, zone: str = "America/Argentina/Cordoba") -> float:
    return datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-24T07:59:59", False),
        ("2026-11-24T08:00", True),
        ("2026-11-24T11:59:59", True),
        ("2026-11-24T12:00", False),
        ("2026-11-24T13:30", True),
        ("2026-11-24T18:00", False),
        ("2026-11-27T23:59:59", True),  # a Friday until midnight
        ("2026-11-28T10:00", False),
        ("2026-11-29T10:00", False),  # a Sunday, of which nothing is said
        ("2026-12-08T10:00", False),  # a holiday on a Tuesday
        ("2026-12-24T11:00", True),
        ("2026-12-24T15:00", False),
        ("2026-12-31T10:00", False),
        ("2026-12-25T09:30", True),  # a day of its own stands before a holiday
    ],
)
def test_office_is_open_when_its_hours_say_so(moment: str, is_open: bool) -> None:
    assert office().hours.is_open(at(moment)) is is_open


def test_hours_are_those_of_the_office_and_not_of_the_server() -> None:
    chile = office("      timezone: America/Santiago\n      weekly: {monday-sunday: 9-10}\n")
    # Summer time in Santiago, none in Montevideo: the clocks agree in summer and differ by an hour in winter.
    assert chile.hours.is_open(at("2026-01-15T09:30", zone="America/Montevideo"))
    assert not chile.hours.is_open(at("2026-07-15T09:30", zone="America/Montevideo"))
    assert chile.hours.is_open(at("2026-07-15T10:30", zone="America/Montevideo"))


def test_office_without_holidays_keeps_its_week() -> None:
    plain = office("      timezone: America/Montevideo\n      weekly: {monday-friday: 9-10}\n")
    assert plain.hours.is_open(at("2026-01-01T09:30", zone="America/Montevideo"))


@pytest.mark.parametrize("moment", [1e18, -1e18, float("nan"), float("inf")])
def test_moment_beyond_the_calendar_counts_as_closed(moment: float) -> None:
    assert not office().hours.is_open(moment)


ZONE = "      timezone: America/Montevideo\n"
WEEK = "      weekly: {monday: 8-12}\n"


@pytest.mark.parametrize(
    ("hours", "expected"),
    [
        ("      8-18\n", ['9: "hours" needs timezone, weekly, days, holidays']),
        (WEEK, ['9: "hours" needs "timezone"']),
        (ZONE, ['9: "hours" needs "weekly"']),
        (f"{ZONE}{WEEK}      feriados: UY\n", ['11: unknown key "feriados" in hours']),
        (
            f"      timezone: America/Montevide\n{WEEK}",
            ['9: unknown time zone "America/Montevide"; did you mean "America/Montevideo"?'],
        ),
        (f"      timezone: ../etc/passwd\n{WEEK}", ['9: unknown time zone "../etc/passwd"']),
        (f"      timezone: America\n{WEEK}", ['9: unknown time zone "America"']),
        (f"      timezone: [a]\n{WEEK}", ['9: unknown time zone ""']),
        (f"{ZONE}      weekly: 8-12\n", ['10: "weekly" needs days and their hours, such as monday-friday: 8-18']),
        (f"{ZONE}      weekly: {{mondai: 8-12}}\n", ['10: unknown day "mondai"; did you mean "monday"?']),
        (
            f"{ZONE}      weekly: {{friday-monday: 8-12}}\n",
            ['10: "friday-monday": a week runs from monday to sunday, each day once'],
        ),
        (
            f"{ZONE}      weekly: {{monday-friday: 8-12, monday: closed}}\n",
            ['10: "monday": a week runs from monday to sunday, each day once'],
        ),
        (
            f"{ZONE}      weekly: {{monday: 12-8}}\n",
            ['10: "12-8" are no hours of one day, such as 8-18 or 8:30-12, or closed'],
        ),
        (
            f"{ZONE}      weekly: {{monday: [8-9]}}\n",
            ['10: "" are no hours of one day, such as 8-18 or 8:30-12, or closed'],
        ),
        (
            f"{ZONE}{WEEK}      days: {{24-12-2026: closed}}\n",
            ['11: "24-12-2026" is no date such as 2026-12-24'],
        ),
        (f"{ZONE}{WEEK}      days: {{2026-12-24: closed, 2026-12-24: 8-9}}\n", ['11: "2026-12-24" is there twice']),
        (
            f"{ZONE}{WEEK}      days: closed\n",
            ['11: "days" needs dates and their hours, such as 2026-12-24: 8-12, 400 at most'],
        ),
        (f"{ZONE}{WEEK}      holidays: UYU\n", ['11: unknown country "UYU"; did you mean "UY"?']),
        (f"{ZONE}{WEEK}      holidays: AR-SS\n", ['11: unknown subdivision "SS" in AR; did you mean "S"?']),
    ],
)
def test_hours_that_cannot_be_kept_are_named_with_their_line(hours: str, expected: list[str]) -> None:
    with pytest.raises(FlowInvalid) as refusal:
        read_flow(flow_of(hours), file="o.yaml")
    found = [str(problem).removeprefix("o.yaml:") for problem in refusal.value.problems]
    assert [text.startswith(wanted) for text, wanted in zip(found, expected, strict=True)] == [True], found


def test_hours_that_are_missing_are_named() -> None:
    with pytest.raises(FlowInvalid, match='needs "then"'):
        read_flow("flow: o\nlanguage: es\nstart: a\nnodes:\n  a: {invoke: b}\n  b: {queue: q}\n", file="o.yaml")


@pytest.mark.parametrize(
    ("when", "left_s"),
    [
        ("2026-11-24T07:59:59", None),
        ("2026-11-24T08:00:00", 4 * 3600),
        ("2026-11-24T11:59:30", 30),
        ("2026-11-24T12:30:00", None),
        ("2026-11-24T17:00:00.5", 3599.5),
        ("2026-11-27T08:00:00", 16 * 3600),
        ("2026-11-28T10:00:00", None),
    ],
)
def test_how_long_it_stays_open_is_known_to_the_second(when: str, left_s: float | None) -> None:
    hours = office().hours
    at = datetime.fromisoformat(when).replace(tzinfo=ZoneInfo("America/Argentina/Cordoba")).timestamp()
    assert hours.left_s(at) == left_s


def test_spans_that_meet_are_one() -> None:
    hours = OpeningHours(zone="America/Montevideo", weekly=(((480, 720), (720, 1080)),) * 7)
    at = datetime(2026, 11, 23, 9, tzinfo=ZoneInfo("America/Montevideo")).timestamp()
    assert hours.left_s(at) == 9 * 3600
