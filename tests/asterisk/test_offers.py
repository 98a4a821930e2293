"""Who is rung, and what happens when nobody picks up: the caller keeps the place, the next agent is tried."""

from __future__ import annotations

import asyncio
from typing import Any

from telefonista.app.sipp import (
    IS_BUSY,
    LETS_RING,
    REFUSES,
    Behaviour,
    CitizenPlan,
    EndedBy,
    Press,
    RingOutcome,
)
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import until

FIRST, SECOND, THIRD = "099463030", "099463031", "099463032"
KEY_1 = (Press(after_s=0.2, keys="1"),)
SHORT = Behaviour(after_s=0.2, talks_s=1.0)


def offers(visit: dict[str, Any]) -> list[tuple[str, str]]:
    """Who was offered the call, and what became of it."""
    return [(offer["agent"], offer["outcome"]) for offer in visit["offers"]]


async def test_agent_who_does_not_answer_keeps_the_caller_in_place_and_the_next_agent_is_rung(
    open_house: OpenHouse,
) -> None:
    """102 talks. The first caller's call rings 3 s at 101, in vain; a second caller comes meanwhile. When 102 is free,
    the first caller is served before the second."""
    house = await open_house(back_off_s=60.0, wrap_up_s=0.0)
    answering = await house.agent("102")
    talking = await house.citizens(CitizenPlan(number=THIRD, presses=KEY_1))
    await until(lambda: answering.talking_with == THIRD, "102 talks")
    silent = await house.agent("101", behaviour=LETS_RING)
    citizens = await house.citizens(
        CitizenPlan(number=FIRST, presses=KEY_1), CitizenPlan(number=SECOND, dials_after_s=1.0, presses=KEY_1)
    )
    await until(lambda: silent.ringing_for == FIRST, "101 rings for the first caller")
    await until(lambda: silent.calls[0].outcome is RingOutcome.WITHDRAWN, "101's ringing ends")
    rang_s = (silent.calls[0].ended_at or 0.0) - silent.calls[0].rang_at
    assert 2.5 < rang_s < 4.0
    assert await house.waiting("tramites") == [FIRST, SECOND]
    answering.behave(SHORT)
    talking.hang_up(THIRD)
    for seen in await citizens.wait():
        assert (seen.status, seen.ended_by) == (200, EndedBy.SYSTEM)
    assert [call.caller for call in answering.calls] == [THIRD, FIRST, SECOND]
    assert len(silent.calls) == 1, "who does not answer is left in peace for a while"
    (visit,) = (await house.stored(FIRST))["visits"]
    assert [(offer["agent"], offer["outcome"]) for offer in visit["offers"]] == [
        ("101", "unanswered"),
        ("102", "answered"),
    ]
    (visit,) = (await house.stored(SECOND))["visits"]
    assert offers(visit) == [("102", "answered")]


async def test_busy_and_refusing_agents_are_passed_over_at_once(open_house: OpenHouse) -> None:
    """101 answers 486, 102 answers 603, 103 picks up: the citizen waits for neither of the first two."""
    house = await open_house(agents=("101", "102", "103"), ring_s=30.0)
    await house.agent("101", behaviour=IS_BUSY)
    await asyncio.sleep(0.2)
    await house.agent("102", behaviour=REFUSES)
    await asyncio.sleep(0.2)
    await house.agent("103", behaviour=SHORT)
    citizens = await house.citizens(CitizenPlan(number=FIRST, presses=KEY_1))
    (seen,) = await citizens.wait()
    assert (seen.status, seen.ended_by) == (200, EndedBy.SYSTEM)
    (visit,) = (await house.stored(FIRST))["visits"]
    assert offers(visit) == [("101", "busy"), ("102", "refused"), ("103", "answered")]


async def test_agent_whose_telephone_vanished_does_not_hold_the_caller(open_house: OpenHouse) -> None:
    """101's telephone loses its power without a word and is still believed to be there → 101 is tried for no longer
    than it may ring → 102 answers."""
    house = await open_house(back_off_s=30.0)
    dead = await house.agent("101")
    await asyncio.sleep(0.2)
    await house.agent("102", behaviour=SHORT)
    await dead.unplug()
    citizens = await house.citizens(CitizenPlan(number=FIRST, presses=KEY_1))
    (seen,) = await citizens.wait()
    assert (seen.status, seen.ended_by) == (200, EndedBy.SYSTEM)
    (visit,) = (await house.stored(FIRST))["visits"]
    assert (visit["agent"], visit["outcome"]) == ("102", "answered")
    assert visit["offers"][0]["agent"] == "101"
    assert visit["offers"][0]["outcome"] in ("unanswered", "unreachable")


async def test_telephone_that_dies_in_conversation_and_comes_back_serves_again(open_house: OpenHouse) -> None:
    """101 talks; the telephone dies and is plugged in again; the citizen hangs up; the next citizen reaches 101."""
    house = await open_house(agents=("101",))
    agent = await house.agent("101")
    citizens = await house.citizens(CitizenPlan(number=FIRST, presses=KEY_1))
    await until(lambda: agent.talking_with == FIRST, "they talk")
    await asyncio.sleep(0.5)
    await agent.unplug()
    await agent.start(sip_port=house.sip_port)
    citizens.hang_up(FIRST)
    await citizens.wait()
    assert (await house.stored(FIRST))["end_reason"] == "citizen_hung_up"
    agent.behave(SHORT)
    later = await house.citizens(CitizenPlan(number=SECOND, presses=KEY_1))
    (seen,) = await later.wait()
    assert seen.ended_by is EndedBy.SYSTEM
    assert (await house.stored(SECOND))["visits"][0]["outcome"] == "answered"


async def test_callers_are_served_in_the_order_in_which_they_came(open_house: OpenHouse) -> None:
    """Three callers wait before anybody is there; one agent comes: first, second, third; each once."""
    house = await open_house(agents=("101",), wrap_up_s=0.0)
    citizens = await house.citizens(
        CitizenPlan(number=FIRST, presses=KEY_1),
        CitizenPlan(number=SECOND, dials_after_s=0.7, presses=KEY_1),
        CitizenPlan(number=THIRD, dials_after_s=1.4, presses=KEY_1),
    )

    async def all_wait() -> bool:
        return await house.waiting("tramites") == [FIRST, SECOND, THIRD]

    await until(all_wait, "three wait, in the order of their coming")
    agent = await house.agent("101", behaviour=Behaviour(after_s=0.1, talks_s=0.5))
    for seen in await citizens.wait():
        assert (seen.status, seen.ended_by) == (200, EndedBy.SYSTEM)
    assert [call.caller for call in agent.calls] == [FIRST, SECOND, THIRD]
    for number in (FIRST, SECOND, THIRD):
        assert (await house.stored(number))["visits"][0]["outcome"] == "answered"
