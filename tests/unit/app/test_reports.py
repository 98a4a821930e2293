"""Tables for people: what they show of plain values, and that nothing a citizen sends can spoil them."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from telefonista.app import reports
from telefonista.app.config import SAMPLE, parse_config
from telefonista.app.home import Home
from telefonista.app.snapshot import snapshot
from telefonista.kernel.events import EndReason
from tests.fakes.house import ANA, DIRECT, INFO, House


def printed(tables: Iterable[RenderableType], *, width: int = 140) -> str:
    written = io.StringIO()
    console = Console(file=written, width=width, highlight=False)
    for table in tables:
        console.print(table)
    return written.getvalue()


def rows(text: str, *beginnings: str) -> list[list[str]]:
    """The lines that begin with one of these words, cut into words."""
    return [line.split() for line in text.splitlines() if line.strip().startswith(beginnings)]


def status_of(house: House, **changes: Any) -> dict[str, Any]:
    return {
        "node": "tf1",
        "link": "up",
        "draining": False,
        "projection": {"lag": 0, "problem": None},
        **snapshot(house.engine, now=house.clock.now()),
        **changes,
    }


def call(**changes: Any) -> dict[str, Any]:
    return {
        "arrived_at": "2026-11-21T10:00:00+00:00",
        "citizen": {"number": "+59899123456", "earlier_calls": 2},
        "caller": "099123456",
        "visits": [],
        "conversations": [],
        "last_node": "menu",
        "end_reason": None,
        "ended_at": None,
        "handled_by": "engine",
        **changes,
    }


VISIT = {"queue": "tramites", "started_at": "2026-11-21T10:00:10+00:00", "ended_at": "2026-11-21T10:00:22.500+00:00"}
TALK = {"agent": "101", "started_at": "2026-11-21T10:00:22+00:00", "ended_at": "2026-11-21T10:02:27+00:00"}


def test_status_shows_queues_agents_and_where_each_call_is() -> None:
    house = House().opens(ANA)
    talking = house.call_to(DIRECT, caller="099000001")
    house.talks(talking)
    waiting, menu = house.call_to(DIRECT, caller="099000002"), house.call_to(INFO, caller="099000003")
    house.clock.advance(75)
    text = printed(reports.status(status_of(house)))
    assert "node tf1: link up, taking calls" in text
    assert ["general", "1", "1", "min", "15", "s", "0"] in rows(text, "general")
    assert rows(text, "101") == [["101", "Posición", "1", "talking", "busy", "–", talking]]
    assert rows(text, talking) == [[talking, "099000001", "talking", "1", "min", "15", "s", "101"]]
    assert rows(text, waiting)[0][2:6] == ["waiting", "general,", "position", "1"]
    assert rows(text, menu)[0][2:4] == ["in_flow", "menu"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"accepting": False}, "taking no calls"),
        ({"accepting": False, "draining": True}, "taking no calls (draining)"),
        ({"link": "no connection"}, "link no connection"),
        ({"projection": {"lag": 7, "problem": "disk full"}}, "the store is behind by 7 entries: disk full"),
    ],
)
def test_status_says_what_is_not_as_it_should_be(changes: dict[str, Any], said: str) -> None:
    assert said in printed(reports.status(status_of(House().opens(), **changes)))


def test_agent_who_is_ready_is_shown_with_how_long() -> None:
    house = House().opens(ANA)
    house.clock.advance(30)
    assert rows(printed(reports.status(status_of(house))), "101")[0][3:7] == ["ready", "idle", "30.0", "s"]


def test_calls_show_who_waited_how_long_and_who_helped() -> None:
    helped = call(
        visits=[VISIT], conversations=[TALK], end_reason="agent_hung_up", ended_at="2026-11-21T10:02:28+00:00"
    )
    (row,) = rows(printed(reports.calls([helped])), "11-21")
    assert row == ["11-21", "10:00:00", "+59899123456", "tramites", "12.5", "s", "101", "2", "min", "05", "s", "agent"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ["menu", "open"]),
        ({"visits": [{**VISIT, "ended_at": None}]}, ["tramites", "still", "open"]),
        ({"ended_at": "2026-11-21T10:00:30+00:00", "handled_by": "contingency"}, ["menu", "contingency"]),
        ({"last_node": None}, ["open"]),
    ],
)
def test_call_that_is_open_or_was_nobodys_says_so(changes: dict[str, Any], words: list[str]) -> None:
    (row,) = rows(printed(reports.calls([call(**changes)])), "11-21")
    assert row[3:] == words


@pytest.mark.parametrize("reason", list(EndReason))
def test_every_end_of_a_call_has_its_word(reason: EndReason) -> None:
    (row,) = rows(printed(reports.calls([call(end_reason=reason.value, ended_at="x")])), "11-21")
    assert row[-1] not in ("open", "engine")


def test_citizen_whose_number_is_not_known_is_shown_as_the_network_said_or_as_unknown() -> None:
    shown = printed(reports.calls([call(citizen=None, caller="anonymous" * 5), call(citizen=None, caller="")]))
    assert [row[2] for row in rows(shown, "11-21")] == ["anonymousanonymo", "unknown"]


HOSTILE = ("[/red]", "[bold", "[link=http://x]y[/link]", ":smile:", "\\[x]")


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_a_caller_is_called_is_read_as_markup(text: str) -> None:
    house = House().opens(ANA)
    house.call_to(DIRECT, caller=text)
    value = status_of(house, link=text, projection={"lag": 1, "problem": text})
    value["agents"][0]["name"] = text
    assert printed(reports.status(value)).count(text) == 4
    assert text[:16] in printed(reports.calls([call(citizen=None, caller=text)]))
    finding = {"name": text, "good": False, "said": text, "mend": text}
    assert printed(reports.findings([finding])).count(text) == 3


def test_findings_show_what_is_well_and_what_to_mend() -> None:
    shown = printed(
        reports.findings(
            [
                {"name": "clock", "good": True, "said": "kept", "mend": ""},
                {"name": "disk", "good": False, "said": "full", "mend": "make room"},
            ]
        )
    )
    assert [row[:2] for row in rows(shown, "ok", "mend")] == [["ok", "clock"], ["mend", "disk"]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "var")
    made.make()
    return made


def test_store_without_a_call_has_no_calls_and_figures_of_nought(home: Home) -> None:
    config = parse_config(SAMPLE, file="c.yaml")
    assert reports.stored_calls((home, config), limit=10, call=None) == []
    figures = reports.stored_metrics((home, config))
    assert {queue["queue"] for queue in figures["queues"]} == {queue.name for queue in config.queues}
    text = printed(reports.metrics(figures))
    assert ["general", *["0"] * 7] in rows(text, "general")
    assert "offered = answered + abandoned + diverted + callback + message + waiting" in text
    assert "T = 20 s" in text
