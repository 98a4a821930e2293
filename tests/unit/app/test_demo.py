"""The demonstration's people and its judgement: the same seed makes the same people, and no difference escapes."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from statistics import median

import pytest
from rich.console import Console

from telefonista.app.demo import (
    LATEST_ARRIVAL,
    LEAST_STAY_S,
    PATIENCE_MEDIAN_S,
    TALK_MEDIAN_S,
    Account,
    compare,
    draw_people,
    render,
)
from telefonista.app.sipp import EndedBy

HELPED = Account(arrived=True, key="1", agent="101", talk_s=7.0, ended_by=EndedBy.AGENT, recorded=True)
ABANDONED = Account(arrived=True, key="2", left="queue", ended_by=EndedBy.CITIZEN)
LEFT = Account(arrived=True, left="menu", ended_by=EndedBy.CITIZEN)
SENT = {"099400001": HELPED, "099400002": ABANDONED, "099400003": LEFT}


def test_the_same_seed_makes_the_same_people_and_another_makes_others() -> None:
    people = draw_people(20, seconds=60, seed=7, keys="0123")
    assert people == draw_people(20, seconds=60, seed=7, keys="0123")
    assert people != draw_people(20, seconds=60, seed=8, keys="0123")


def test_people_are_drawn_from_the_distributions_that_are_stated() -> None:
    people = draw_people(500, seconds=3600, seed=1, keys="0123")
    assert len({person.number for person in people}) == 500
    assert all(0 <= person.dials_after_s <= 3600 * LATEST_ARRIVAL for person in people)
    assert [person.dials_after_s for person in people] == sorted(person.dials_after_s for person in people)
    assert median(person.talks_s for person in people) == pytest.approx(TALK_MEDIAN_S, rel=0.1)
    waiting = [person for person in people if person.key]
    assert median(person.stays_s for person in waiting) == pytest.approx(PATIENCE_MEDIAN_S, rel=0.2)
    assert {person.key for person in waiting} == set("0123")
    assert 0.05 < 1 - len(waiting) / 500 < 0.15


def test_who_presses_a_key_stays_long_enough_to_be_in_the_queue() -> None:
    for person in draw_people(200, seconds=20, seed=3, keys="1"):
        if person.key:
            assert person.stays_s >= person.presses_after_s + LEAST_STAY_S


def test_without_keys_everybody_leaves_in_the_menu() -> None:
    assert {person.key for person in draw_people(20, seconds=60, seed=1, keys="")} == {""}


def test_equal_accounts_are_equal_and_are_counted_alike() -> None:
    result = compare(SENT, {number: [account] for number, account in SENT.items()})
    assert result.equal
    assert all(row.sent == row.recorded for row in result.rows)
    figures = {row.name: row.sent for row in result.rows}
    assert figures == {
        "calls": 3,
        "arrived": 3,
        "chose 1": 1,
        "chose 2": 1,
        "answered by an agent": 1,
        "abandoned while waiting": 1,
        "left in the menu": 1,
        "talk seconds": 7.0,
        "recordings": 1,
    }


def test_talk_may_differ_by_what_signalling_takes() -> None:
    recorded = {number: [account] for number, account in SENT.items()}
    assert compare(SENT, recorded | {"099400001": [replace(HELPED, talk_s=7.3)]}).equal


@pytest.mark.parametrize(
    ("number", "recorded", "said"),
    [
        ("099400001", [], "on record 0 times, not once"),
        ("099400001", [HELPED, HELPED], "on record 2 times, not once"),
        ("099400001", [replace(HELPED, key="3")], "key: sent 1, recorded 3"),
        ("099400001", [replace(HELPED, agent="102")], "agent: sent 101, recorded 102"),
        ("099400001", [replace(HELPED, talk_s=9.0)], "talk: sent 7.00 s, recorded 9.00 s"),
        ("099400001", [replace(HELPED, recorded=False)], "the recording of the conversation is missing"),
        ("099400001", [replace(HELPED, ended_by=None)], "hung up: sent agent, recorded none"),
        ("099400001", ["has not ended, says the record"], "has not ended, says the record"),
        ("099400002", [replace(ABANDONED, left="menu")], "left unhelped in: sent queue, recorded menu"),
    ],
)
def test_one_call_that_differs_is_named(number: str, recorded: list[Account | str], said: str) -> None:
    rows: dict[str, list[Account | str]] = {one: [account] for one, account in SENT.items()}
    result = compare(SENT, rows | {number: recorded})
    assert not result.equal
    assert result.differences == (f"{number}: {said}",)


def test_call_that_nobody_answered_is_a_difference() -> None:
    result = compare({"099400001": Account()}, {})
    assert result.differences == ("099400001: the citizen's call was not answered; on record 0 times",)


@pytest.mark.parametrize("differences", [(), ("099400001: key: sent 1, recorded 3",)])
def test_table_shows_both_accounts_and_names_what_differs(differences: tuple[str, ...]) -> None:
    result = compare(SENT, {number: [account] for number, account in SENT.items()}, seed=42)
    console = Console(record=True, width=100, file=StringIO())
    console.print(render(replace(result, differences=differences)))
    text = console.export_text()
    assert "answered by an agent" in text
    assert "Seed 42" in text
    assert ("equal: no call differs" in text) == (not differences)
    for difference in differences:
        assert difference in text
