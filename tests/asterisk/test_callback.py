"""A citizen prefers to be called back: the key, the place that is kept, the agent first and then the citizen."""

from __future__ import annotations

from typing import Any

from telefonista.app.sipp import IS_BUSY, Behaviour, CitizenPlan, Press
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import House, until
from tests.asterisk.queueing import KEY_1, house_with
from tests.asterisk.wishing import ANA_HZ, LUIS_HZ, until_hears

FIRST, SECOND = "099463050", "099463051"
ASKS = (KEY_1, Press(after_s=2.5, keys="5"))
CITIZEN_HZ = LUIS_HZ
"""Not the tone of a far telephone's ringing, which the agent hears first."""
OFFERED: dict[str, Any] = {"callback": {"key": "5", "after_s": 0, "attempts": 2, "retry_s": 10}}


async def booked(house: House, number: str) -> str:
    """The citizen has hung up, and their callback waits; its contact."""
    contacts: list[str] = []

    async def waits() -> bool:
        calls = (await house.status())["calls"]
        contacts[:] = [call["call"] for call in calls if call["caller"] == number]
        return len(contacts) == 1 and contacts[0].endswith(".k1")

    await until(waits, f"{number} is to be called back")
    return contacts[0]


async def test_citizen_who_asks_by_key_is_called_back_in_their_turn_with_the_agent_on_the_line_before_them(
    open_house: OpenHouse,
) -> None:
    """The first presses the key, hangs up, and keeps the place before the second; 101 comes, is rung, and only then is
    the first one's telephone; they hear each other. Then it is the second's turn."""
    house = await house_with(open_house, queues={"tramites": OFFERED}, agents=("101",))
    called = await house.called(tone_hz=CITIZEN_HZ)
    first = await house.citizens(CitizenPlan(number=FIRST, presses=ASKS))
    second = await house.citizens(CitizenPlan(number=SECOND, dials_after_s=1.0, presses=(KEY_1,)))
    contact = await booked(house, FIRST)
    await first.wait()
    await until_waiting(house, [FIRST, SECOND])
    assert not called.calls
    ana = await house.agent("101", tone_hz=ANA_HZ)
    await until(lambda: FIRST in called.lines, "the citizen is called")
    await until_hears(ana.line, "the agent", tones=(CITIZEN_HZ,))
    await until_hears(called.lines[FIRST], "the citizen", tones=(ANA_HZ,))
    called.hang_up(FIRST)
    await until(lambda: ana.talking_with == SECOND, "the second citizen is next")
    second.hang_up(SECOND)
    await second.wait()
    kinds = [event["type"] for event in house.journalled(contact)]
    assert kinds.index("OfferMade") < kinds.index("AttemptMade") < kinds.index("ConversationStarted")
    outcomes = await outcomes_of(house)
    assert sorted(outcomes) == ["answered", "answered", "callback"]


async def test_callback_outlives_the_engine_and_is_made_by_the_next_one(open_house: OpenHouse) -> None:
    """`kill -9` while the callback waits, and again while the citizen's telephone rings: the citizen is dialled once,
    and the two talk."""
    house = await house_with(open_house, queues={"tramites": OFFERED}, agents=("101",))
    called = await house.called(tone_hz=CITIZEN_HZ)
    called.behaviour = lambda number: Behaviour(after_s=6.0)
    citizens = await house.citizens(CitizenPlan(number=FIRST, presses=ASKS))
    contact = await booked(house, FIRST)
    await citizens.wait()
    await house.kill_engine()
    await house.start_engine()
    await until_waiting(house, [FIRST])
    ana = await house.agent("101", tone_hz=ANA_HZ)
    await until(lambda: FIRST in called.lines, "the citizen is called")
    await house.kill_engine()
    await house.start_engine()
    await until_hears(ana.line, "the agent", tones=(CITIZEN_HZ,))
    called.hang_up(FIRST)
    await until(lambda: ana.talking_with is None, "the conversation is over")
    assert len(called.calls) == 1, "nobody is dialled twice"

    async def over() -> bool:
        return not (await house.status())["calls"]

    await until(over, "nothing is left of it")
    ends = [event["outcome"] for event in house.journalled(contact) if event["type"] == "VisitEnded"]
    assert ends == ["answered"]


async def test_citizen_who_is_not_reached_is_tried_again_and_then_given_up(open_house: OpenHouse) -> None:
    """The citizen's line is busy: the agent is free again at once, the second attempt comes after `retry_s`, and after
    the last one the contact ends as unreached."""
    house = await house_with(open_house, queues={"tramites": OFFERED}, agents=("101",))
    called = await house.called(lambda number: IS_BUSY)
    citizens = await house.citizens(CitizenPlan(number=FIRST, presses=ASKS))
    contact = await booked(house, FIRST)
    await citizens.wait()
    await house.agent("101")
    await until(lambda: len(called.calls) == 1, "the first attempt")
    await house.until_presence("ready", agent="101")
    assert await house.waiting("tramites") == [FIRST]
    await until(lambda: len(called.calls) == 2, "the second attempt", 30.0)

    async def given_up() -> bool:
        return not (await house.status())["calls"]

    await until(given_up, "the contact has ended")
    events = house.journalled(contact)
    assert [event["outcome"] for event in events if event["type"] == "VisitEnded"] == ["unreached"]
    first, second = (event for event in events if event["type"] == "AttemptMade")
    assert (first["attempt"], second["attempt"]) == (1, 2)


async def until_waiting(house: House, numbers: list[str]) -> None:
    async def so() -> bool:
        return await house.waiting("tramites") == numbers

    await until(so, f"{numbers} wait in this order")


async def outcomes_of(house: House) -> list[str]:
    """How all stays in queues ended, once all are in the store."""
    found: list[str] = []

    async def all_over() -> bool:
        visits = [visit for call in await house.calls() for visit in call["visits"]]
        found[:] = [str(visit["outcome"]) for visit in visits]
        return len(visits) >= 3 and all(visit["ended_at"] for visit in visits)

    await until(all_over, "every stay has ended")
    return found
