"""A call that no engine takes is taken care of all the same, and is on record once the engine is back."""

from __future__ import annotations

import asyncio

import pytest

from recordings.sound import tone_level
from telefonista.app.sipp import Behaviour, CitizenPlan, EndedBy, Press
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import House, until

SERVED, GIVES_UP = "099463070", "099463071"
CITIZEN_HZ, AGENT_HZ = 425, 1150


async def engine_dies(house: House) -> None:
    """As by a defect or a kill."""
    await house.kill_engine()


async def engine_drains(house: House) -> None:
    """As an operator does before maintenance."""
    status, said, errors = await house.command("drain")
    assert status == 0, errors
    assert "contingency" in said


async def engine_comes_back(house: House) -> None:
    """A new process, or the end of maintenance."""
    if not house.engine_runs:
        await house.start_engine()
        return
    status, _, errors = await house.command("accept")
    assert status == 0, errors


@pytest.mark.parametrize("goes_away", [engine_dies, engine_drains])
async def test_call_that_no_engine_takes_reaches_a_person_and_is_on_record_once(
    open_house: OpenHouse, goes_away: object
) -> None:
    """The engine is dead, or draining. Citizen → 4636 → 500 ms unclaimed → message → Queue → 101 answers, 2 s of talk;
    another citizen hangs up during the message. Both are in the store, once, when the engine is back."""
    house = await open_house(agents=("101",), more={"greeting": "Aguarde, por favor."})
    agent = await house.agent("101", tone_hz=AGENT_HZ, behaviour=Behaviour(after_s=0.5, talks_s=2.0))
    assert callable(goes_away)
    await goes_away(house)
    citizens = await house.citizens(
        CitizenPlan(number=SERVED, tone_hz=CITIZEN_HZ), CitizenPlan(number=GIVES_UP, dials_after_s=0.3, stays_s=0.7)
    )
    (served, gave_up) = await citizens.wait()
    assert (served.status, served.ended_by) == (200, EndedBy.SYSTEM)
    assert (gave_up.status, gave_up.ended_by) == (200, EndedBy.CITIZEN)
    assert [call.caller for call in agent.calls] == [SERVED]
    await engine_comes_back(house)

    row = await house.stored(SERVED)
    assert row["handled_by"] == "contingency"
    assert row["citizen"]["number"] == "+59899463070"
    (visit,) = row["visits"]
    assert (visit["outcome"], visit["agent"]) == ("answered", "101")
    (recording,) = row["recordings"]
    kept = house.home.recordings / recording["path"]
    assert tone_level(kept, channel=0, frequency_hz=CITIZEN_HZ) > -25
    assert tone_level(kept, channel=1, frequency_hz=AGENT_HZ) > -30
    row = await house.stored(GIVES_UP)
    assert (row["handled_by"], row["visits"], row["conversations"]) == ("contingency", [], [])
    await asyncio.sleep(2.5)  # the spool is looked into every 2 s: nothing must come of it twice
    assert len(await house.calls()) == 2
    assert list(house.home.spool.iterdir()) == []

    later = await house.citizens(CitizenPlan(number="099463072", presses=(Press(after_s=0.2, keys="1"),)))
    await later.wait()
    assert (await house.stored("099463072"))["handled_by"] == "engine"
    await until(lambda: agent.talking_with is None, "101 is free")
