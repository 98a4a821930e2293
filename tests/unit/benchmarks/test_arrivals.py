"""The day that is compared: the same people for the same seed, and figures that can be checked by hand."""

from __future__ import annotations

import pytest

from benchmarks.arrivals import AGENTS, FIRST_LEVEL, QUEUES, Stay, draw_day, figures, idle_while_waiting_s

NOBODY_BUSY: list[list[tuple[float, float]]] = [[] for _ in range(AGENTS)]


def stay(number: str, *, joined_at: float, left_at: float, rings: tuple[tuple[float, float], ...] = ()) -> Stay:
    """Of the queue for vaccinations, which three agents answer first and four others later."""
    return Stay(
        number=number,
        queue="vacunacion",
        joined_at=joined_at,
        answered_at=left_at if rings else None,
        left_at=left_at,
        lost=False,
        rings=rings,
    )


def test_same_seed_makes_the_same_people_and_another_seed_others() -> None:
    day = draw_day(1, length_s=200.0)
    assert day == draw_day(1, length_s=200.0)
    assert day != draw_day(2, length_s=200.0)
    assert 150 < len(day.people) < 350
    assert {person.queue for person in day.people} == set(QUEUES.values())
    assert len({person.number for person in day.people}) == len(day.people)


def test_idle_seconds_are_those_of_all_who_might_have_served_whoever_waited() -> None:
    """One waits for 4 s; the second level may help after 1 s: three agents idle for 4 s and four for 3 s."""
    waited = [stay("1", joined_at=10.0, left_at=14.0)]
    assert idle_while_waiting_s(waited, busy=NOBODY_BUSY, second_level_after_s=1.0) == pytest.approx(3 * 4 + 4 * 3)


def test_whoever_is_busy_or_rung_for_is_not_counted_idle() -> None:
    """A telephone rings for the citizen from 11 to 14: only from 10 to 11 did anybody wait unoffered, and two of the
    first level were busy then, one of them in two ways at once."""
    first = FIRST_LEVEL["vacunacion"]
    busy = [list(spans) for spans in NOBODY_BUSY]
    busy[first[0]] = [(0.0, 10.5), (5.0, 10.25)]
    busy[first[1]] = [(0.0, 99.0)]
    waited = [stay("1", joined_at=10.0, left_at=14.0, rings=((11.0, 14.0),))]
    assert idle_while_waiting_s(waited, busy=busy, second_level_after_s=2.0) == pytest.approx(0.5 + 1.0)


def test_two_who_wait_at_the_same_time_are_not_counted_twice() -> None:
    waited = [stay("1", joined_at=0.0, left_at=2.0), stay("2", joined_at=1.0, left_at=3.0)]
    assert idle_while_waiting_s(waited, busy=NOBODY_BUSY, second_level_after_s=99.0) == pytest.approx(3 * 3)


def test_figures_of_a_day_are_the_sums_of_its_stays() -> None:
    stays = [
        stay("1", joined_at=0.0, left_at=1.0, rings=((0.5, 1.0),)),
        stay("2", joined_at=0.0, left_at=3.0, rings=((2.5, 3.0),)),
        stay("3", joined_at=0.0, left_at=5.0),
    ]
    seen = figures(stays, busy=NOBODY_BUSY, second_level_after_s=0.0, estimates={"1": 2.0, "3": 9.0})
    assert (seen.offered, seen.answered, seen.abandoned, seen.lost, seen.within) == (3, 2, 1, 0, 1)
    assert seen.waits_s == (1.0, 3.0)
    assert (seen.waited, seen.errors_s, seen.silent) == (2, (), 1), "the first one's telephone rang at once"
