"""Queues that are closed, full, or too slow send their citizens elsewhere; priority goes first, and ages."""

from __future__ import annotations

from typing import Any

from telefonista.app.sipp import CitizenPlan, EndedBy, Press
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import House, until
from tests.asterisk.queueing import KEY_0, KEY_1, house_with

FIRST, SECOND, THIRD = "099463070", "099463071", "099463072"
NEVER = {"timezone": "America/Montevideo", "weekly": {"monday-sunday": "closed"}}


async def visits(house: House, number: str) -> list[tuple[str, str]]:
    """The queues in which a citizen was, and how each stay ended."""
    return [(visit["queue"], visit["outcome"]) for visit in (await house.stored(number))["visits"]]


async def until_waiting(house: House, queue: str, numbers: list[str]) -> None:
    async def so() -> bool:
        return await house.waiting(queue) == numbers

    await until(so, f"{numbers} wait in {queue}")


async def test_closed_queue_says_so_and_ends_the_call(open_house: OpenHouse) -> None:
    rules = {"tramites": {"hours": NEVER, "when_closed": "message Está cerrado."}}
    house = await house_with(open_house, queues=rules, agents=("101",))
    await house.agent("101")
    (seen,) = await (await house.citizens(CitizenPlan(number=FIRST, presses=(KEY_1,)))).wait()
    assert (seen.status, seen.ended_by) == (200, EndedBy.SYSTEM)
    row = await house.stored(FIRST)
    assert row["visits"] == []
    events = house.journalled(row["id"])
    (diverted,) = [event for event in events if event["type"] == "Diverted"]
    assert (diverted["to"], diverted["why"]) == ({"kind": "message", "name": "Está cerrado."}, "closed")


async def test_full_queue_and_one_that_takes_too_long_lead_to_the_other(open_house: OpenHouse) -> None:
    """One may wait in `tramites`: the second citizen waits in `general`. The first is sent there too when 6 s are over,
    and goes before the second, for they have waited longer."""
    rules: dict[str, dict[str, Any]] = {
        "tramites": {
            "most_waiting": 1,
            "when_full": "queue general",
            "longest_wait_s": 6,
            "when_too_long": "queue general",
        }
    }
    house = await house_with(open_house, queues=rules, agents=("101",))
    citizens = await house.citizens(
        CitizenPlan(number=FIRST, presses=(KEY_1,)), CitizenPlan(number=SECOND, dials_after_s=1.5, presses=(KEY_1,))
    )
    await until_waiting(house, "general", [SECOND])
    assert await house.waiting("tramites") == [FIRST]
    await until_waiting(house, "general", [FIRST, SECOND])
    assert await house.waiting("tramites") == []
    citizens.hang_up(FIRST)
    citizens.hang_up(SECOND)
    await citizens.wait()
    assert await visits(house, FIRST) == [("tramites", "diverted"), ("general", "abandoned")]
    assert await visits(house, SECOND) == [("general", "abandoned")]


async def test_priority_goes_first_and_time_makes_up_for_it(open_house: OpenHouse) -> None:
    """The citizens of `general` have a priority of 1, worth 4 s: the one who comes 1 s after the citizen of `tramites`
    is served before, and the one who comes much later is not."""
    rules = {"general": {"priority": 1, "ageing_s": 4}, "tramites": {"ageing_s": 4}}
    house = await house_with(open_house, queues=rules, agents=("101",))
    citizens = await house.citizens(
        CitizenPlan(number=FIRST, presses=(KEY_1,)),
        CitizenPlan(number=SECOND, dials_after_s=1.0, presses=(KEY_0,)),
        CitizenPlan(number=THIRD, dials_after_s=8.0, presses=(KEY_0,)),
    )
    await until_waiting(house, "general", [SECOND, THIRD])
    ana = await house.agent("101")
    for number in (SECOND, FIRST, THIRD):
        await until(lambda: ana.talking_with is not None, "somebody is served")
        assert ana.talking_with == number
        citizens.hang_up(number)
        await until(lambda: ana.talking_with is None, "the conversation is over")
    await citizens.wait()


async def test_key_of_a_waiting_citizen_leads_to_another_queue(open_house: OpenHouse) -> None:
    house = await house_with(open_house, queues={"tramites": {"keys": {"9": "queue general"}}}, agents=("101",))
    citizens = await house.citizens(CitizenPlan(number=FIRST, presses=(KEY_1, Press(after_s=2.0, keys="9"))))
    await until_waiting(house, "general", [FIRST])
    ana = await house.agent("101")
    await until(lambda: ana.talking_with == FIRST, "the citizen is served there")
    citizens.hang_up(FIRST)
    await citizens.wait()
    assert await visits(house, FIRST) == [("tramites", "diverted"), ("general", "answered")]
