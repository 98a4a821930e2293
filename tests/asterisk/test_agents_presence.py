"""What agents are, with real telephones: paused afterwards, unplugged, unregistered, silent, through a `kill -9`."""

from __future__ import annotations

import asyncio
from typing import Any

from telefonista.app import client
from telefonista.app.sipp import LETS_RING, Behaviour, CitizenPlan, Press
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import House, until

FIRST, SECOND = "099463070", "099463071"
KEY_1 = (Press(after_s=0.2, keys="1"),)
SHORT = Behaviour(after_s=0.2, talks_s=1.0)


async def wish(house: House, path: str, **body: Any) -> None:
    await asyncio.to_thread(client.post, house.home, path, body=body)


async def agent_of(house: House, agent: str) -> dict[str, Any]:
    (found,) = [each for each in (await house.status())["agents"] if each["agent"] == agent]
    return dict(found)


def queues(**more: Any) -> dict[str, Any]:
    """Settings with these rules for the queue `tramites`."""
    common = {"ring_s": 3.0, "back_off_s": 1.0, "wrap_up_s": 1.0, "announce_every_s": 10.0}
    names = ("general", "tramites", "impuestos", "vacunacion")
    return {"queues": [{"name": name, **common, **(more if name == "tramites" else {})} for name in names]}


async def test_pause_that_is_asked_for_while_talking_begins_after_it_and_an_earlier_contact_can_be_classed(
    open_house: OpenHouse,
) -> None:
    house = await open_house(agents=("101",), more=queues(dispositions=["resuelto", "derivado"]))
    agent = await house.agent("101")
    citizens = await house.citizens(CitizenPlan(number=FIRST, presses=KEY_1))
    await until(lambda: agent.talking_with == FIRST, "101 talks")
    await wish(house, "/agents/101/pause", reason="almuerzo")
    talking = await agent_of(house, "101")
    assert (talking["presence"], talking["pause"]) == ("talking", "almuerzo")
    citizens.hang_up(FIRST)
    await house.until_presence("paused", agent="101")
    waiting = await house.citizens(CitizenPlan(number=SECOND, presses=KEY_1))
    await house.until_state("waiting", number=SECOND)
    await wish(house, "/agents/101/ready")
    await until(lambda: agent.talking_with == SECOND, "101 talks again")
    waiting.hang_up(SECOND)
    await house.until_presence("ready", agent="101")

    earlier = (await house.stored(FIRST))["id"]
    await wish(house, "/agents/101/disposition", call=earlier, disposition="derivado", note="Vuelve mañana.")
    (given,) = [event for event in house.journalled(earlier) if event["type"] == "DispositionGiven"]
    assert (given["agent"], given["disposition"], given["note"]) == ("101", "derivado", "Vuelve mañana.")


async def test_agent_whose_telephone_is_unplugged_while_it_rings_loses_the_call_to_the_next(
    open_house: OpenHouse,
) -> None:
    """The telephone vanishes without a word: the offer runs out, the next agent answers, and the caller keeps the
    place."""
    house = await open_house(agents=("101", "102"), more=queues(most_misses=1))
    first = await house.agent("101", behaviour=LETS_RING)
    second = await house.agent("102")
    await wish(house, "/agents/102/pause", reason="baño")
    citizens = await house.citizens(CitizenPlan(number=FIRST, presses=KEY_1))
    await until(lambda: first.ringing_for == FIRST, "101 rings")
    await first.unplug()
    await wish(house, "/agents/102/ready")
    await until(lambda: second.talking_with == FIRST, "102 talks")
    gone = await agent_of(house, "101")
    assert (gone["presence"], gone["pause"]) == ("paused", "no contesta")
    citizens.hang_up(FIRST)
    (visit,) = (await house.stored(FIRST))["visits"]
    assert [offer["agent"] for offer in visit["offers"]] == ["101", "102"]


async def test_agent_whose_telephone_unregisters_is_out_of_reach_with_the_reason(open_house: OpenHouse) -> None:
    house = await open_house(agents=("101", "102"))
    agent = await house.agent("101")
    await house.until_presence("ready", agent="101")
    await agent.stop()
    await house.until_presence("unreachable", agent="101")
    assert (await agent_of(house, "101"))["why"] == "not registered, or does not answer"


async def test_agent_who_lets_it_ring_too_often_is_paused_and_back_by_saying_so(open_house: OpenHouse) -> None:
    house = await open_house(agents=("101",), more=queues(most_misses=2))
    agent = await house.agent("101", behaviour=LETS_RING)
    citizens = await house.citizens(CitizenPlan(number=FIRST, presses=KEY_1))
    await house.until_presence("paused", agent="101")
    tired = await agent_of(house, "101")
    assert (tired["pause"], tired["misses"]) == ("no contesta", 2)
    await house.until_state("waiting", number=FIRST)
    agent.behave(SHORT)
    await wish(house, "/agents/101/ready")
    (seen,) = await citizens.wait()
    assert seen.status == 200
    assert (await agent_of(house, "101"))["misses"] == 0


async def test_engine_killed_while_an_agent_is_paused_or_wraps_up_finds_them_so(open_house: OpenHouse) -> None:
    house = await open_house(
        agents=("101", "102"),
        more=queues(wrap_up_mode="until_done", dispositions=["resuelto", "derivado"], disposition_required=True),
    )
    working = await house.agent("101")
    await house.agent("102")
    await wish(house, "/agents/102/pause", reason="almuerzo")
    citizens = await house.citizens(CitizenPlan(number=FIRST, presses=KEY_1))
    await until(lambda: working.talking_with == FIRST, "101 talks")
    citizens.hang_up(FIRST)
    await house.until_presence("wrap_up", agent="101")
    before = [await agent_of(house, agent) for agent in ("101", "102")]

    await house.kill_engine()
    await house.start_engine()
    assert [await agent_of(house, agent) for agent in ("101", "102")] == before
    status, _, refused = await house.command("agent", "ready", "101", "--as", "101")
    assert (status, refused.strip()) == (2, "telefonista: a disposition is due first")
    await wish(house, "/agents/101/disposition", disposition="2")
    await wish(house, "/agents/101/ready")
    await house.until_presence("ready", agent="101")
    await wish(house, "/agents/102/ready")
    await house.until_presence("ready", agent="102")
    status, shown, _ = await house.command("agents")
    assert (status, shown.count("ready")) == (0, 2)
