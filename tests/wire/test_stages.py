"""The link's stages: a complete table, and the one way up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telefonista.kernel.machine import Impossible
from telefonista.pbx.wire.stages import Dropped, FilterSet, Link, Observed, Opened, Stage, Subscribed, stages

WAY_UP = (Opened(), FilterSet(), Subscribed(), Observed())


def after(*events: object) -> Link:
    machine, link = stages(), Link()
    for event in events:
        link, followed = machine.step(link, event, at=0.0)
        assert followed == []
    return link


def test_table_is_complete_and_disjoint() -> None:
    assert stages().gaps() == []


def test_link_is_up_only_after_every_stage() -> None:
    passed = [after(*WAY_UP[:n]).state for n in range(5)]
    assert passed == [Stage.DOWN, Stage.CONNECTED, Stage.RESUBSCRIBING, Stage.RECONCILING, Stage.UP]


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_link_that_is_dropped_at_any_stage_is_down_and_says_why(n: int) -> None:
    link = after(*WAY_UP[:n], Dropped("silent"))
    assert (link.state, link.why_down) == (Stage.DOWN, "silent")


def test_connection_after_a_drop_is_counted_and_starts_from_the_beginning() -> None:
    link = after(*WAY_UP, Dropped("silent"), Opened())
    assert (link.state, link.connections, link.why_down) == (Stage.CONNECTED, 2, "")


def test_answers_of_a_dropped_connection_are_late() -> None:
    for event in (FilterSet(), Subscribed(), Observed(), Dropped("again")):
        assert after(Opened(), Dropped("first"), event).why_down == "first"


def test_stage_cannot_be_skipped() -> None:
    for n in range(1, 4):
        for event in set(WAY_UP[1:]) - {WAY_UP[n]}:
            with pytest.raises(Impossible):
                after(*WAY_UP[:n], event)


def test_second_connection_must_drop_the_first() -> None:
    with pytest.raises(Impossible):
        after(Opened(), Opened())


@given(st.lists(st.sampled_from([*WAY_UP, Dropped("x")]), max_size=20))
def test_any_order_of_events_leaves_a_link_that_can_come_up(order: list[object]) -> None:
    machine, link = stages(), Link()
    for event in order:
        try:
            link, _ = machine.step(link, event, at=0.0)
        except Impossible:
            continue
    for event in (Dropped("start again"), *WAY_UP):
        link, _ = machine.step(link, event, at=0.0)
    assert link.state is Stage.UP


def test_table_can_be_read() -> None:
    assert "| Opened | `open` | – | – | – | – |" in stages().diagram()
