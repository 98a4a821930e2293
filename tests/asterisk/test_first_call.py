"""The first real call: a citizen dials, chooses, waits, is helped by a person, and the call is on record."""

from __future__ import annotations

import time

from recordings.sound import tone_level
from telefonista.app.sipp import Behaviour, CitizenPlan, EndedBy, Press
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import Span, tone_heard, until

CITIZEN_HZ, AGENT_HZ = 425, 1150


async def test_citizen_is_greeted_and_helped_by_a_person_and_the_call_is_on_record(
    open_house: OpenHouse,
) -> None:
    """Citizen → 4636 → greeting; key 1 → queue tramites → agent 101 rings 2 s, answers → they talk 3 s → the agent
    hangs up → wrap-up → free. One row: legs, choice, visit, conversation, recording with both tones, end reason."""
    house = await open_house(flow="0800-info", agents=("101",))
    agent = await house.agent("101", tone_hz=AGENT_HZ, behaviour=Behaviour(after_s=2.0, talks_s=3.0))
    number = "099463001"
    citizens = await house.citizens(
        CitizenPlan(number=number, tone_hz=CITIZEN_HZ, presses=(Press(after_s=1.0, keys="1"),))
    )
    await until(lambda: agent.talking_with == number, "the agent talks with the citizen")
    talking = await house.call_of(number)
    assert talking is not None
    assert (talking["state"], talking["queue"], talking["agent"]) == ("talking", "tramites", "101")
    began = time.time()
    (seen,) = await citizens.wait()
    ended = time.time()
    assert (seen.status, seen.ended_by) == (200, EndedBy.SYSTEM)
    await until(lambda: agent.calls[0].ended_by is EndedBy.AGENT, "the agent has hung up")
    assert len(agent.calls) == 1

    row = await house.stored(number)
    assert row["end_reason"] == "agent_hung_up"
    assert row["citizen"] == {"number": "+59899463001", "earlier_calls": 0}
    assert [(choice["digit"], choice["option"]) for choice in row["choices"]] == [("1", "tramites")]
    (visit,) = row["visits"]
    assert (visit["queue"], visit["outcome"], visit["agent"], visit["rings"]) == ("tramites", "answered", "101", 1)
    (conversation,) = row["conversations"]
    assert conversation["agent"] == "101"
    assert len(row["legs"]) == 2
    (recording,) = row["recordings"]
    assert recording["state"] == "kept"
    kept = house.home.recordings / recording["path"]
    assert tone_level(kept, channel=0, frequency_hz=CITIZEN_HZ) > -25
    assert tone_level(kept, channel=1, frequency_hz=AGENT_HZ) > -25
    assert tone_level(kept, channel=0, frequency_hz=AGENT_HZ) < -50
    assert tone_level(kept, channel=1, frequency_hz=CITIZEN_HZ) < -50
    heard = Span(began + 0.3, ended - 0.5)
    assert tone_heard(citizens.lines[number], AGENT_HZ, heard) > -25
    assert tone_heard(agent.line, CITIZEN_HZ, heard) > -25

    assert (await house.asked("calls"))[0]["id"] == row["id"]
    await house.until_presence("ready", agent="101")
    assert [agent["presence"] for agent in (await house.asked("status"))["agents"]] == ["ready"]
    (queue,) = [queue for queue in (await house.metrics())["queues"] if queue["queue"] == "tramites"]
    assert (queue["offered"], queue["answered"], queue["abandoned"], queue["waiting"]) == (1, 1, 0, 0)
