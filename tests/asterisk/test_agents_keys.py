"""Keys that an agent presses in a conversation, on the real Asterisk: hold, ask, hand over, pass on."""

from __future__ import annotations

from telefonista.app.sipp import CitizenPlan, Press
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import until

NUMBER = "099463080"
KEY = (Press(after_s=0.2, keys="1"),)


async def test_agent_holds_asks_hands_over_and_passes_on_by_keys_and_the_citizens_keys_do_nothing(
    open_house: OpenHouse,
) -> None:
    house = await open_house(agents=("101", "102"))
    ana = await house.agent("101")
    citizens = await house.citizens(CitizenPlan(number=NUMBER, presses=KEY))
    await until(lambda: ana.talking_with == NUMBER, "101 talks")
    luis = await house.agent("102")
    call = (await house.call_of(NUMBER) or {})["call"]
    citizens.press(NUMBER, "*8*1102#")
    pressed = len("1*8*1102#")

    async def heard() -> bool:
        return [event["type"] for event in house.journalled(call)].count("DigitPressed") >= pressed

    await until(heard, "all the citizen's keys are heard")
    assert await house.presence("101") == "talking"

    ana.line.press("*8")
    await house.until_presence("on_hold", agent="101")
    ana.line.press("*8")
    await house.until_presence("talking", agent="101")

    ana.line.press("*2102#")
    await house.until_presence("talking", agent="102")
    ana.line.press("*5")
    await house.until_presence("ready", agent="102")
    await house.until_presence("talking", agent="101")

    ana.line.press("*2102#")
    await house.until_presence("talking", agent="102")
    ana.line.press("*4")
    await until(lambda: ana.talking_with is None, "101 is out of it")
    await house.until_presence("ready", agent="101")
    assert await house.presence("102") == "talking"

    luis.line.press("*1101#")
    await until(lambda: ana.talking_with is not None, "101 has the citizen again")
    citizens.hang_up(NUMBER)
    row = await house.stored(NUMBER)
    assert [each["agent"] for each in row["conversations"]] == ["101", "102", "101"]
    kinds = [event["type"] for event in house.journalled(call)]
    assert (kinds.count("HoldAsked"), kinds.count("ConsultationAsked"), kinds.count("TransferAsked")) == (2, 2, 1)
