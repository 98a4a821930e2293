"""`kill -9` of Asterisk: its calls are closed as lost, everybody is free again, and the next call works."""

from __future__ import annotations

import asyncio
import time

from telefonista.app.sipp import LETS_RING, Behaviour, CitizenPlan, EndedBy, Press
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import until

TALKS, RINGS, WAITS, CHOOSES = (f"09946308{n}" for n in range(4))
KEY_1 = (Press(after_s=0.2, keys="1"),)


async def test_calls_are_closed_as_lost_and_the_next_call_works_without_restarting_the_engine(
    open_house: OpenHouse,
) -> None:
    """One citizen talks with 101, 102 rings for another, a third waits, a fourth is in the menu. kill -9 Asterisk.
    Within seconds: four calls lost, agents free, a new Asterisk; a fifth citizen is served by the same engine."""
    house = await open_house(flow="largo", ring_s=30.0)
    talker = await house.agent("101")
    citizens = await house.citizens(CitizenPlan(number=TALKS, presses=KEY_1))
    await until(lambda: talker.talking_with == TALKS, "101 talks")
    ringing = await house.agent("102", behaviour=LETS_RING)
    others = await house.citizens(
        CitizenPlan(number=RINGS, presses=KEY_1),
        CitizenPlan(number=WAITS, dials_after_s=0.8, presses=KEY_1),
        CitizenPlan(number=CHOOSES, dials_after_s=1.6),
    )
    await until(lambda: ringing.ringing_for == RINGS, "102 rings")
    await house.until_state("in_flow", number=CHOOSES)
    assert await house.waiting("tramites") == [RINGS, WAITS]
    await asyncio.sleep(0.5)
    engine = house.engine_pid

    killed = await house.kill_asterisk()
    began = time.monotonic()

    async def noticed() -> bool:
        return not (await house.status())["calls"]

    await until(noticed, "no call is believed to be open", 5.0)
    for number in (TALKS, RINGS, WAITS, CHOOSES):
        assert (await house.stored(number))["end_reason"] == "lost"
    assert (await house.stored(WAITS))["visits"][0]["lost"] is True
    citizens.pull_plugs()
    others.pull_plugs()
    for agent in (talker, ringing):
        await agent.unplug()

    async def there_again() -> bool:
        status = await house.status()
        return status["ready"] and status["asterisk_pid"] not in (None, killed)

    await until(there_again, "a new Asterisk takes calls", 10.0)
    assert time.monotonic() - began < 10.0
    assert (house.engine_runs, house.engine_pid) == (True, engine)
    talker.behave(Behaviour(after_s=0.2, talks_s=1.0))
    await talker.start(sip_port=house.sip_port)
    await house.until_presence("ready", agent="101")
    later = await house.citizens(CitizenPlan(number="099463089", presses=KEY_1))
    (seen,) = await later.wait()
    assert (seen.status, seen.ended_by) == (200, EndedBy.SYSTEM)
    assert (await house.stored("099463089"))["visits"][0]["agent"] == "101"
    assert len(await house.calls()) == 5


async def test_asterisk_that_dies_again_and_again_is_started_again(open_house: OpenHouse) -> None:
    """Three kills in a row; a call after each is answered."""
    house = await open_house(agents=("101",))
    for index in range(3):
        killed = await house.kill_asterisk()

        async def there_again(killed: int = killed) -> bool:
            status = await house.status()
            return status["ready"] and status["asterisk_pid"] not in (None, killed)

        await until(there_again, "a new Asterisk takes calls", 10.0)
        citizens = await house.citizens(CitizenPlan(number=f"09946309{index}", stays_s=0.3))
        (seen,) = await citizens.wait()
        assert seen.status == 200
        row = await house.stored(f"09946309{index}")
        assert row["handled_by"] == "engine"
