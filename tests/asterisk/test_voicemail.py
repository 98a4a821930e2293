"""A citizen leaves a message instead of waiting, and an agent hears it in the citizen's turn."""

from __future__ import annotations

from telefonista.app.sipp import CitizenPlan, Press
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import until
from tests.asterisk.queueing import KEY_1, house_with
from tests.asterisk.wishing import CITIZEN_HZ, until_hears

NUMBER = "099463060"


async def test_message_is_left_by_key_and_heard_by_the_agent_who_comes_free(open_house: OpenHouse) -> None:
    """The citizen presses the key, speaks (a tone), ends it with a key and is thanked. 101 comes and hears the tone;
    when 101 hangs up the message has been heard and nothing is left."""
    house = await house_with(open_house, queues={"tramites": {"voicemail": {"key": "2"}}}, agents=("101",))
    speaks = (KEY_1, Press(after_s=2.5, keys="2"), Press(after_s=9.0, keys="5"))
    citizens = await house.citizens(CitizenPlan(number=NUMBER, presses=speaks, tone_hz=CITIZEN_HZ))
    await citizens.wait()
    contacts: list[str] = []

    async def waits() -> bool:
        contacts[:] = [call["call"] for call in (await house.status())["calls"] if call["caller"] == NUMBER]
        return len(contacts) == 1 and contacts[0].endswith(".k1")

    await until(waits, "the message waits to be heard")
    assert await house.waiting("tramites") == [NUMBER]
    ana = await house.agent("101")
    await until_hears(ana.line, "the agent", tones=(CITIZEN_HZ,))
    ana.hang_up()

    async def heard() -> bool:
        return not (await house.status())["calls"]

    await until(heard, "the message has been heard")
    events = house.journalled(contacts[0])
    assert [event["outcome"] for event in events if event["type"] == "VisitEnded"] == ["answered"]
    assert [event["reason"] for event in events if event["type"] == "CallEnded"] == ["heard"]
    (origin,) = [call for call in await house.calls() if call["caller"] == NUMBER and not call["id"].endswith(".k1")]
    assert [visit["outcome"] for visit in origin["visits"]] == ["voicemail"]
