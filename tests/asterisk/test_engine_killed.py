"""`kill -9` of the engine with calls in every state: nobody notices, nothing is lost, each call goes on.

What is asked of it: who talks goes on talking and who waits goes on hearing music while there is no engine; afterwards
menus go on, telephones that rang lead to a conversation, the queue has its old order, agents are what they were, what
ended meanwhile is known, and each call ends up in the store exactly once.
"""

from __future__ import annotations

import asyncio
import time

from recordings.sound import tone_level
from telefonista.app.sipp import LETS_RING, Behaviour, CitizenPlan, EndedBy, Press
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import House, Span, last, music_heard, tone_heard, until

TALKS, LEAVES, RINGS, FIRST, SECOND, CHOOSES = (f"09946306{n}" for n in range(6))
KEY_1 = (Press(after_s=0.2, keys="1"),)
CITIZEN_HZ, AGENT_HZ = 425, 1150
DEAD_S = 3.0


async def each_is_stored_once(house: House, *numbers: str) -> dict[str, str]:
    """The end reason of each call by number, once all are in the store; each is there once and nothing else is."""
    for number in numbers:
        await house.stored(number)
    rows = await house.calls()
    assert sorted(row["caller"] for row in rows) == sorted(numbers)
    for row in rows:
        ends = [event for event in house.journalled(row["id"]) if event["type"] == "CallEnded"]
        assert len(ends) == 1, row["id"]
    return {row["caller"]: row["end_reason"] for row in rows}


async def test_calls_in_every_state_outlive_a_killed_engine(open_house: OpenHouse) -> None:
    """101 talks with one citizen (and with another until the citizen leaves while the engine is dead: 102); 103 rings
    for a third; two wait in order; one is in the menu. kill -9; three seconds of nobody; `telefonista run` again."""
    house = await open_house(flow="largo", agents=("101", "102", "103"), ring_s=30.0, wrap_up_s=1.0)
    talker = await house.agent("101", tone_hz=AGENT_HZ)
    conversing = await house.citizens(CitizenPlan(number=TALKS, tone_hz=CITIZEN_HZ, presses=KEY_1))
    await until(lambda: talker.talking_with == TALKS, "101 talks")
    left_alone = await house.agent("102", tone_hz=AGENT_HZ)
    leaving = await house.citizens(CitizenPlan(number=LEAVES, tone_hz=CITIZEN_HZ, presses=KEY_1))
    await until(lambda: left_alone.talking_with == LEAVES, "102 talks")
    ringing = await house.agent("103", behaviour=LETS_RING)
    others = await house.citizens(
        CitizenPlan(number=RINGS, presses=KEY_1),
        CitizenPlan(number=FIRST, dials_after_s=0.8, presses=KEY_1),
        CitizenPlan(number=SECOND, dials_after_s=1.6, presses=KEY_1),
        CitizenPlan(number=CHOOSES, dials_after_s=2.4),
    )
    await until(lambda: ringing.ringing_for == RINGS, "103 rings")
    await house.until_state("in_flow", number=CHOOSES)
    assert await house.waiting("tramites") == [RINGS, FIRST, SECOND]
    await until(lambda: music_heard(others.lines[FIRST], last(0.5)), "the announcement to the first in line is over")

    for agent in (ringing, left_alone):
        agent.behave(Behaviour(after_s=0.2, talks_s=1.0))  # from the next call on
    killed_at = await house.kill_engine()
    await asyncio.sleep(1.0)
    leaving.hang_up(LEAVES)
    await asyncio.sleep(DEAD_S - 1.0)
    alone = Span(killed_at + 0.2, time.time() - 0.1)
    assert tone_heard(conversing.lines[TALKS], AGENT_HZ, alone) > -25
    assert tone_heard(talker.line, CITIZEN_HZ, alone) > -25
    for second in range(round(DEAD_S) - 1):
        begin = killed_at + 0.2 + second
        assert music_heard(others.lines[FIRST], Span(begin, begin + 1.0)), f"{second} s after the kill"
    assert ringing.ringing_for == RINGS
    await house.start_engine()

    assert await house.presence("101") == "talking"
    await until(lambda: left_alone.talking_with != LEAVES, "102's telephone is hung up")
    call = await house.call_of(CHOOSES)
    assert call is not None
    assert (call["state"], call["node"]) == ("in_flow", "menu")

    ringing.answer()
    await until(lambda: ringing.talking_with == RINGS, "103 talks with the citizen for whom it rang")
    others.press(CHOOSES, "0")
    ringing.hang_up()
    for seen in await others.wait():
        assert (seen.status, seen.ended_by) == (200, EndedBy.SYSTEM), seen.number
    assert talker.talking_with == TALKS
    talker.hang_up()
    await conversing.wait()
    served = sorted((call.rang_at, call.caller) for agent in (left_alone, ringing) for call in agent.calls)
    order = [caller for _, caller in served if caller in (RINGS, FIRST, SECOND)]
    assert order == [RINGS, FIRST, SECOND]

    reasons = await each_is_stored_once(house, TALKS, LEAVES, RINGS, FIRST, SECOND, CHOOSES)
    assert reasons.pop(LEAVES) == "citizen_hung_up"
    assert set(reasons.values()) == {"agent_hung_up"}
    row = await house.stored(TALKS)
    kept = house.home.recordings / row["recordings"][0]["path"]
    seen = conversing.call(TALKS)
    assert seen.ended_at is not None
    # Recorded before, without and after the engine.
    assert row["recordings"][0]["duration_s"] > seen.ended_at - killed_at, (
        "recorded before, without and after the engine"
    )
    assert tone_level(kept, channel=0, frequency_hz=CITIZEN_HZ) > -25
    assert tone_level(kept, channel=1, frequency_hz=AGENT_HZ) > -25
    for account in ("101", "102", "103"):
        await house.until_presence("ready", agent=account)


async def test_announcement_that_ends_while_there_is_no_engine_is_followed_by_music(open_house: OpenHouse) -> None:
    """The engine is killed while a waiting citizen is told the position → the sentence ends → music, not silence."""
    house = await open_house(agents=("101",))
    citizens = await house.citizens(CitizenPlan(number=FIRST, presses=KEY_1))
    await house.until_state("waiting", number=FIRST)
    await asyncio.sleep(0.3)
    assert not music_heard(citizens.lines[FIRST], last(0.5))
    await house.kill_engine()
    await until(lambda: music_heard(citizens.lines[FIRST], last(0.5)), "music follows the announcement", 10.0)
    await house.start_engine()
    citizens.hang_up(FIRST)
    await citizens.wait()
    assert (await house.stored(FIRST))["visits"][0]["outcome"] == "abandoned"


async def test_what_telephones_do_while_there_is_no_engine_is_known_afterwards(open_house: OpenHouse) -> None:
    """While the engine is dead: 101, whose telephone rings, picks up; 102 hangs up the conversation; a waiting citizen
    leaves. Afterwards 101 and the citizen hear each other, 102 is in wrap-up and then free, the visit is abandoned."""
    house = await open_house(ring_s=30.0, wrap_up_s=2.0)
    ending = await house.agent("102", tone_hz=AGENT_HZ)
    conversing = await house.citizens(CitizenPlan(number=TALKS, presses=KEY_1))
    await until(lambda: ending.talking_with == TALKS, "102 talks")
    answering = await house.agent("101", tone_hz=AGENT_HZ, behaviour=LETS_RING)
    others = await house.citizens(
        CitizenPlan(number=RINGS, tone_hz=CITIZEN_HZ, presses=KEY_1),
        CitizenPlan(number=LEAVES, dials_after_s=0.8, presses=KEY_1),
    )
    await until(lambda: answering.ringing_for == RINGS, "101 rings")
    await house.until_state("waiting", number=LEAVES)
    await asyncio.sleep(0.5)

    await house.kill_engine()
    ending.hang_up()
    answering.answer()
    others.hang_up(LEAVES)
    await until(lambda: answering.talking_with == RINGS, "101 has picked up")
    await until(lambda: ending.talking_with is None, "102 has hung up")
    ending.behave(LETS_RING)
    await house.start_engine()

    await until(lambda: tone_heard(answering.line, CITIZEN_HZ, last(0.5)) > -25, "101 hears the citizen")
    await until(lambda: tone_heard(others.lines[RINGS], AGENT_HZ, last(0.5)) > -25, "the citizen hears 101")
    (seen,) = await conversing.wait()
    assert seen.ended_by is EndedBy.SYSTEM
    await house.until_presence("ready", agent="102")
    others.hang_up(RINGS)
    await others.wait()
    reasons = await each_is_stored_once(house, TALKS, RINGS, LEAVES)
    assert reasons == {TALKS: "agent_hung_up", RINGS: "citizen_hung_up", LEAVES: "citizen_hung_up"}
    assert (await house.stored(LEAVES))["visits"][0]["outcome"] == "abandoned"
    assert (await house.stored(RINGS))["recordings"][0]["state"] == "kept"


async def test_agent_in_wrap_up_is_left_in_peace_by_the_engine_that_comes_back(open_house: OpenHouse) -> None:
    """101 is in wrap-up for 8 s when the engine is killed; a citizen waits: offered when the wrap-up is over, not when
    the engine is back."""
    house = await open_house(agents=("101",), wrap_up_s=8.0)
    agent = await house.agent("101", behaviour=Behaviour(after_s=0.1, talks_s=0.5))
    first = await house.citizens(CitizenPlan(number=TALKS, presses=KEY_1))
    await first.wait()
    await house.until_presence("wrap_up", agent="101")
    await until(lambda: agent.talking_with is None, "101 has hung up")
    ended_at = agent.calls[0].ended_at
    assert ended_at is not None
    waiting = await house.citizens(CitizenPlan(number=FIRST, presses=KEY_1))
    await house.until_state("waiting", number=FIRST)
    await house.kill_engine()
    await house.start_engine()
    (seen,) = await waiting.wait()
    assert seen.ended_by is EndedBy.SYSTEM
    assert 7.5 < agent.calls[1].rang_at - ended_at < 12.0


async def test_engine_killed_again_and_again_loses_no_call(open_house: OpenHouse) -> None:
    """Citizens dial, wait, talk and leave while the engine is killed three times, at moments that nobody chose."""
    house = await open_house(agents=("101", "102"), ring_s=5.0, wrap_up_s=0.0)
    for account in ("101", "102"):
        await house.agent(account, behaviour=Behaviour(after_s=0.3, talks_s=1.5))
    numbers = [f"0994631{n:02}" for n in range(10)]
    citizens = await house.citizens(
        *(
            CitizenPlan(number=number, dials_after_s=1.1 * index, presses=KEY_1, stays_s=60.0)
            for index, number in enumerate(numbers)
        )
    )
    for life_s in (2.3, 2.9, 1.7):
        await asyncio.sleep(life_s)
        await house.kill_engine()
        await asyncio.sleep(0.3)
        await house.start_engine()
    for seen in await citizens.wait():
        assert seen.status == 200
    await until(lambda: not list(house.home.spool.glob("*.json")), "the calls of the contingency path are read in")
    handled = [(await house.stored(number))["handled_by"] for number in numbers]
    assert len(await house.calls()) == len(numbers)
    assert set(handled) <= {"engine", "contingency"}
