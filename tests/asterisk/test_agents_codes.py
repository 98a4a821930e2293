"""Agents dial codes on their own telephones: the engine does what they ask and says so, and knows who it is."""

from __future__ import annotations

from telefonista.app.sipp import CitizenPlan, Press
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import House, last, loudness_heard


async def dials(house: House, code: str, *presses: Press, agent: str = "101", since_s: float = 4.0) -> float:
    """The agent dials a code and listens until the engine has said everything; how loud that was, in dBFS."""
    plan = CitizenPlan(number=agent, secret=house.secret_of(agent), dialled=code, presses=presses, stays_s=20.0)
    telephone = await house.citizens(plan)
    (call,) = await telephone.wait()
    assert call.status == 200, call
    assert call.answered_at is not None
    assert call.ended_at is not None
    return loudness_heard(telephone.lines[agent], last(since_s))


async def agent_of(house: House, agent: str) -> dict[str, object]:
    (found,) = [each for each in (await house.status())["agents"] if each["agent"] == agent]
    return dict(found)


async def test_agent_pauses_by_a_code_is_ready_by_another_and_keeps_the_place_among_the_idle(
    open_house: OpenHouse,
) -> None:
    house = await open_house(agents=("101", "102"))
    await house.agent("101")
    await house.until_presence("ready", agent="101")
    idle_since = (await agent_of(house, "101"))["idle_since"]

    assert await dials(house, "*15") > -40
    await house.until_presence("ready", agent="101")
    assert (await agent_of(house, "101"))["idle_since"] == idle_since

    assert await dials(house, "*131") > -40
    paused = await agent_of(house, "101")
    assert (paused["presence"], paused["pause"]) == ("paused", "almuerzo")

    assert await dials(house, "*14") > -40
    await house.until_presence("ready", agent="101")

    await dials(house, "*13", Press(after_s=3.0, keys="2"))
    paused = await agent_of(house, "101")
    assert (paused["presence"], paused["pause"]) == ("paused", "baño")

    await dials(house, "*12")
    assert (await agent_of(house, "101"))["presence"] == "offline"
    await dials(house, "*14")
    assert (await agent_of(house, "101"))["presence"] == "offline"
    await dials(house, "*11")
    await house.until_presence("ready", agent="101")


async def test_agent_who_dials_a_code_while_no_engine_is_there_hears_that(open_house: OpenHouse) -> None:
    house = await open_house(agents=("101",))
    await house.agent("101")
    await house.kill_engine()
    assert await dials(house, "*14") > -40
    await house.start_engine()
    await house.until_presence("ready", agent="101")


async def test_telephone_that_shows_another_number_is_still_who_it_is(open_house: OpenHouse) -> None:
    house = await open_house(agents=("101", "102"))
    await house.agent("101")
    await house.agent("102")
    plan = CitizenPlan(number="101", secret=house.secret_of("101"), dialled="*131", stays_s=20.0)
    telephone = await house.citizens(plan, shown_name="102")
    await telephone.wait()
    await house.until_presence("paused", agent="101")
    assert (await agent_of(house, "102"))["presence"] == "ready"
