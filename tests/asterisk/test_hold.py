"""Hold: who hears what while it lasts, by the interface and by a telephone's own key; an engine that dies in it."""

from __future__ import annotations

from telefonista.app.sipp import CitizenPlan
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import until
from tests.asterisk.keyed_phone import registered
from tests.asterisk.wishing import ANA_HZ, CITIZEN_HZ, KEY, the_call, until_hears, wish, wished

NUMBER = "099463011"


async def test_citizen_on_hold_hears_music_and_not_the_agent_until_taken_back_and_a_killed_engine_changes_nothing(
    open_house: OpenHouse,
) -> None:
    house = await open_house(flow="corto", agents=("101",))
    ana = await house.agent("101", tone_hz=ANA_HZ)
    citizens = await house.citizens(CitizenPlan(number=NUMBER, tone_hz=CITIZEN_HZ, presses=KEY))
    await until(lambda: ana.talking_with == NUMBER, "they talk")
    call, citizen = await the_call(house, NUMBER), citizens.lines[NUMBER]
    await until_hears(citizen, "the citizen", tones=(ANA_HZ,))

    await wished(house, call, "hold")
    await until_hears(citizen, "the citizen", not_tones=(ANA_HZ,), music=True)
    await until_hears(ana.line, "the agent", not_tones=(CITIZEN_HZ,))
    assert (await wish(house, call, "hold"))[0] == 409
    await house.until_presence("on_hold", agent="101")

    await house.kill_engine()
    await until_hears(citizen, "the citizen", not_tones=(ANA_HZ,), music=True)
    await house.start_engine()
    await house.until_state("talking", number=NUMBER)
    await until_hears(citizen, "the citizen", not_tones=(ANA_HZ,), music=True)

    await wished(house, call, "unhold")
    await until_hears(citizen, "the citizen", tones=(ANA_HZ,))
    await until_hears(ana.line, "the agent", tones=(CITIZEN_HZ,))
    assert (await wish(house, call, "unhold"))[0] == 409
    citizens.hang_up(NUMBER)
    row = await house.stored(NUMBER)
    assert (row["end_reason"], len(row["conversations"]), len(row["recordings"])) == ("citizen_hung_up", 1, 1)


async def test_hold_key_of_a_telephone_gives_the_citizen_music_and_is_known(open_house: OpenHouse) -> None:
    house = await open_house(flow="corto", agents=("101",))
    ana = await registered("101", secret=house.secret_of("101"), sip_port=house.sip_port, tone_hz=ANA_HZ)
    try:
        await house.until_presence("ready", agent="101")
        citizens = await house.citizens(CitizenPlan(number=NUMBER, tone_hz=CITIZEN_HZ, presses=KEY))
        await house.until_state("talking", number=NUMBER)
        call, citizen = await the_call(house, NUMBER), citizens.lines[NUMBER]
        await until_hears(citizen, "the citizen", tones=(ANA_HZ,))
        assert await ana.hold() == 200
        await until_hears(citizen, "the citizen", not_tones=(ANA_HZ,), music=True)
        await house.until_presence("on_hold", agent="101")
        assert (await wish(house, call, "unhold"))[0] == 409
        assert await ana.hold(on=False) == 200
        await until_hears(citizen, "the citizen", tones=(ANA_HZ,))
        await house.until_presence("talking", agent="101")
        await ana.hold()
        await ana.hang_up()
        await until(lambda: ana.ended.is_set(), "the agent has hung up with the citizen on hold")
        await house.until_presence("talking", agent="101")
        await until_hears(citizen, "the citizen, who was not lost with the agent", tones=(ANA_HZ,))
        citizens.hang_up(NUMBER)
        row = await house.stored(NUMBER)
        assert [each["ended_by"] for each in row["conversations"]] == ["transferred", "citizen_hung_up"]
    finally:
        ana.close()
