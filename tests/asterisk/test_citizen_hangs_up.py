"""A citizen may hang up at any moment: the call is over at once, nobody is kept busy by it, and the record says where
the citizen was."""

from __future__ import annotations

import asyncio

from telefonista.app.sipp import LETS_RING, CitizenPlan, EndedBy, Press, RingOutcome
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import until

NUMBER = "099463010"
KEY_1 = (Press(after_s=0.2, keys="1"),)


async def test_citizen_who_hangs_up_in_the_menu_is_on_record_without_a_visit(open_house: OpenHouse) -> None:
    """Citizen → 4636 → menu → hangs up."""
    house = await open_house(agents=("101",))
    citizens = await house.citizens(CitizenPlan(number=NUMBER))
    await house.until_state("in_flow", number=NUMBER)
    citizens.hang_up(NUMBER)
    (seen,) = await citizens.wait()
    assert (seen.status, seen.ended_by) == (200, EndedBy.CITIZEN)
    row = await house.stored(NUMBER)
    assert row["end_reason"] == "citizen_hung_up"
    assert (row["visits"], row["conversations"], row["recordings"], row["choices"]) == ([], [], [], [])


async def test_citizen_who_gives_up_before_the_answer_does_no_harm(open_house: OpenHouse) -> None:
    """Citizen → INVITE and CANCEL in one breath → the next citizen is served as ever."""
    house = await open_house(agents=("101",))
    first = await house.citizens(CitizenPlan(number=NUMBER))
    await until(lambda: first.call(NUMBER).invited_at is not None, "the citizen has dialled")
    first.hang_up(NUMBER)
    (seen,) = await first.wait()
    assert seen.ended_by is EndedBy.CITIZEN
    second = await house.citizens(CitizenPlan(number="099463011", stays_s=0.5))
    (seen,) = await second.wait()
    assert seen.status == 200
    assert (await house.stored("099463011"))["end_reason"] == "citizen_hung_up"


async def test_citizen_who_hangs_up_while_waiting_is_counted_as_abandoned(open_house: OpenHouse) -> None:
    """Citizen → 1 → nobody there → waits → hangs up: the visit is abandoned."""
    house = await open_house(agents=("101",))
    citizens = await house.citizens(CitizenPlan(number=NUMBER, presses=KEY_1))
    await house.until_state("waiting", number=NUMBER)
    citizens.hang_up(NUMBER)
    await citizens.wait()
    row = await house.stored(NUMBER)
    assert row["end_reason"] == "citizen_hung_up"
    (visit,) = row["visits"]
    assert (visit["queue"], visit["outcome"], visit["rings"]) == ("tramites", "abandoned", 0)
    assert [queue["waiting"] for queue in (await house.status())["queues"]] == [[], [], [], []]


async def test_citizen_who_hangs_up_while_the_agent_rings_frees_the_agent(open_house: OpenHouse) -> None:
    """Citizen → 1 → 101 rings → the citizen hangs up → the telephone stops ringing, 101 is free without wrap-up."""
    house = await open_house(agents=("101",), ring_s=20.0, wrap_up_s=60.0)
    agent = await house.agent("101", behaviour=LETS_RING)
    citizens = await house.citizens(CitizenPlan(number=NUMBER, presses=KEY_1))
    await until(lambda: agent.ringing_for == NUMBER, "the agent's telephone rings")
    await house.until_state("ringing", number=NUMBER)
    citizens.hang_up(NUMBER)
    await citizens.wait()
    await until(lambda: agent.calls[0].outcome is RingOutcome.WITHDRAWN, "the telephone stops ringing")
    await house.until_presence("ready", agent="101")
    row = await house.stored(NUMBER)
    (visit,) = row["visits"]
    (offer,) = visit["offers"]
    assert (visit["outcome"], offer["agent"], offer["outcome"]) == ("abandoned", "101", "withdrawn")


async def test_citizen_who_hangs_up_in_conversation_leaves_the_agent_to_wrap_up(open_house: OpenHouse) -> None:
    """Citizen → 1 → 101 answers → the citizen hangs up → 101's telephone is hung up, wrap-up, free."""
    house = await open_house(agents=("101",), wrap_up_s=2.0)
    agent = await house.agent("101")
    citizens = await house.citizens(CitizenPlan(number=NUMBER, presses=KEY_1))
    await until(lambda: agent.talking_with == NUMBER, "they talk")
    await house.until_state("talking", number=NUMBER)
    await asyncio.sleep(1.0)  # so that there is something to record
    citizens.hang_up(NUMBER)
    await citizens.wait()
    await until(lambda: agent.talking_with is None, "the agent's telephone is hung up")
    assert agent.calls[0].ended_by is EndedBy.SYSTEM
    await house.until_presence("wrap_up", agent="101")
    await house.until_presence("ready", agent="101")
    row = await house.stored(NUMBER)
    assert row["end_reason"] == "citizen_hung_up"
    assert row["visits"][0]["outcome"] == "answered"
    assert row["recordings"][0]["state"] == "kept"
