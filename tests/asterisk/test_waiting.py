"""What a waiting citizen hears: where they stand, that they have not been forgotten, and music; never silence."""

from __future__ import annotations

import asyncio
import time

from telefonista.app.sipp import CitizenPlan, Press
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import House, Span, last, loudness_heard, music_heard, until

FIRST, SECOND = "099463040", "099463041"
KEY_1 = (Press(after_s=0.2, keys="1"),)
QUIET_DBFS = -45.0


async def test_waiting_citizen_hears_the_position_and_then_music_without_a_gap(open_house: OpenHouse) -> None:
    """Two citizens wait with nobody there. Each is told where they stand; between announcements there is music; when
    the first leaves, the second is told so the next time."""
    house = await open_house(agents=("101",), announce_every_s=10.0)
    citizens = await house.citizens(
        CitizenPlan(number=FIRST, presses=KEY_1), CitizenPlan(number=SECOND, dials_after_s=1.0, presses=KEY_1)
    )

    async def both_wait() -> bool:
        return await house.waiting("tramites") == [FIRST, SECOND]

    await until(both_wait, "both wait")
    began = time.time()
    assert await announced(house, SECOND) == [2]
    assert await figures(house) == {"offered": 2, "answered": 0, "abandoned": 0, "diverted": 0, "waiting": 2}
    await asyncio.sleep(max(0.0, began + 8.0 - time.time()))
    for number in (FIRST, SECOND):
        assert music_heard(citizens.lines[number], last(1.0)), "music between announcements"
    citizens.hang_up(FIRST)

    async def told_again() -> bool:
        return (await announced(house, SECOND))[-1] == 1

    await until(told_again, "the second citizen is told the new place")
    places = await announced(house, SECOND)
    assert places == sorted(places, reverse=True), "once the next, nobody is told of a worse place"
    ended = time.time()
    for second in range(1, int(ended - began)):
        level = loudness_heard(citizens.lines[SECOND], Span(began + second - 1, began + second + 1))
        assert level > QUIET_DBFS, f"silence {second} s after the citizen began to wait"
    citizens.hang_up(SECOND)
    await citizens.wait()
    await house.stored(SECOND)
    assert await figures(house) == {"offered": 2, "answered": 0, "abandoned": 2, "diverted": 0, "waiting": 0}


async def announced(house: House, number: str) -> list[int]:
    """The positions that the citizen was told, in order."""
    call = await house.call_of(number)
    assert call is not None
    return [event["position"] for event in house.journalled(call["call"]) if event["type"] == "WaitAnnounced"]


async def figures(house: House) -> dict[str, int]:
    """The queue's figures, of which the first is always the sum of the others."""
    (queue,) = [queue for queue in (await house.metrics())["queues"] if queue["queue"] == "tramites"]
    return {name: queue[name] for name in ("offered", "answered", "abandoned", "diverted", "waiting")}
