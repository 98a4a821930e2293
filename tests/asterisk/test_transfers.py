"""Passing a citizen on: blind and after a consultation, to a colleague, a queue, a number outside; who hears whom."""

from __future__ import annotations

from recordings.sound import tone_level
from telefonista.app.sipp import LETS_RING, CitizenPlan
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import until
from tests.asterisk.keyed_phone import registered
from tests.asterisk.wishing import ANA_HZ, CITIZEN_HZ, KEY, LUIS_HZ, the_call, until_hears, wished

NUMBER, OUTSIDE = "099463021", "29001950"


async def test_consultation_three_way_and_transfer_each_let_exactly_those_hear_each_other_who_should(
    open_house: OpenHouse,
) -> None:
    """Citizen and 101 talk; 101 consults 102 (citizen: music); all three; 101 completes: 102 has the citizen. Each
    conversation is recorded whole, in a file of its own."""
    house = await open_house(flow="corto", agents=("101",), more={"outside_numbers": ["2900XXXX"]})
    ana = await house.agent("101", tone_hz=ANA_HZ)
    citizens = await house.citizens(CitizenPlan(number=NUMBER, tone_hz=CITIZEN_HZ, presses=KEY))
    await until(lambda: ana.talking_with == NUMBER, "they talk")
    called = await house.called(tone_hz=LUIS_HZ)
    call, citizen = await the_call(house, NUMBER), citizens.lines[NUMBER]

    await wished(house, call, "consult", to=f"number {OUTSIDE}")
    await until(lambda: OUTSIDE in called.lines, "the number outside is rung")
    outside = called.lines[OUTSIDE]
    await until_hears(ana.line, "the agent", tones=(LUIS_HZ,), not_tones=(CITIZEN_HZ,))
    await until_hears(outside, "whoever is consulted", tones=(ANA_HZ,), not_tones=(CITIZEN_HZ,))
    await until_hears(citizen, "the citizen", not_tones=(ANA_HZ, LUIS_HZ), music=True)

    await wished(house, call, "conference")
    await until_hears(citizen, "the citizen", tones=(ANA_HZ, LUIS_HZ))
    await until_hears(ana.line, "the agent", tones=(CITIZEN_HZ, LUIS_HZ))
    await until_hears(outside, "whoever is consulted", tones=(ANA_HZ, CITIZEN_HZ))

    await wished(house, call, "complete")
    await until_hears(citizen, "the citizen", tones=(LUIS_HZ,), not_tones=(ANA_HZ,))
    await until_hears(outside, "whoever has the citizen now", tones=(CITIZEN_HZ,), not_tones=(ANA_HZ,))
    await until(lambda: ana.talking_with is None, "the agent is out of it")
    assert len(await house.channels()) == 2

    citizens.hang_up(NUMBER)
    row = await house.stored(NUMBER)
    assert [each["agent"] for each in row["conversations"]] == ["101", ""]
    assert [each["ended_by"] for each in row["conversations"]] == ["transferred", "citizen_hung_up"]
    first, second = (house.home.recordings / each["path"] for each in row["recordings"])
    assert tone_level(first, channel=0, frequency_hz=CITIZEN_HZ) > -30
    assert tone_level(first, channel=1, frequency_hz=ANA_HZ) > -30
    assert tone_level(second, channel=1, frequency_hz=LUIS_HZ) > -25
    assert tone_level(second, channel=1, frequency_hz=ANA_HZ) < -45


async def test_citizen_passed_on_to_a_number_outside_hears_music_and_then_whoever_answers_there(
    open_house: OpenHouse,
) -> None:
    """101 passes the citizen on to a number; it rings; it answers; it hangs up, and the call is over."""
    house = await open_house(flow="corto", agents=("101",), more={"outside_numbers": ["2900XXXX"]})
    ana = await house.agent("101", tone_hz=ANA_HZ)
    called = await house.called(lambda number: LETS_RING, tone_hz=LUIS_HZ)
    citizens = await house.citizens(CitizenPlan(number=NUMBER, tone_hz=CITIZEN_HZ, presses=KEY))
    await until(lambda: ana.talking_with == NUMBER, "they talk")
    call, citizen = await the_call(house, NUMBER), citizens.lines[NUMBER]
    await wished(house, call, "transfer", to=f"number {OUTSIDE}")
    await until(lambda: called.ringing(OUTSIDE), "the number outside rings")
    await until_hears(citizen, "the citizen", not_tones=(ANA_HZ,), music=True)
    await until(lambda: ana.talking_with is None, "the agent is out of it")
    assert called.calls_to(OUTSIDE)[0].shown != NUMBER, "a citizen's number is shown outside"

    await house.kill_engine()
    called.answer(OUTSIDE)
    await until(lambda: called.talking(OUTSIDE), "it answers while no engine is there")
    await house.start_engine()
    await until_hears(citizen, "the citizen", tones=(LUIS_HZ,))
    await until_hears(called.lines[OUTSIDE], "whoever answered", tones=(CITIZEN_HZ,))
    called.hang_up(OUTSIDE)
    row = await house.stored(NUMBER)
    assert row["end_reason"] == "diverted"
    assert [(each["agent"], each["ended_by"]) for each in row["conversations"]] == [
        ("101", "transferred"),
        ("", "diverted"),
    ]
    assert [each["state"] for each in row["recordings"]] == ["kept", "kept"]


async def test_transfer_key_of_a_telephone_asks_the_engine_and_the_telephone_is_told_what_came_of_it(
    open_house: OpenHouse,
) -> None:
    """A REFER to a colleague's number; one to a number that nobody may dial; one onto another dialogue (attended)."""
    house = await open_house(flow="corto", agents=("101", "102"))
    ana = await registered("101", secret=house.secret_of("101"), sip_port=house.sip_port, tone_hz=ANA_HZ)
    try:
        await house.until_presence("ready", agent="101")
        citizens = await house.citizens(CitizenPlan(number=NUMBER, tone_hz=CITIZEN_HZ, presses=KEY))
        await house.until_state("talking", number=NUMBER)
        luis = await house.agent("102", tone_hz=LUIS_HZ)
        citizen = citizens.lines[NUMBER]

        assert await ana.transfer("00598290019500") == 202
        await until(lambda: any("603" in told for told in ana.notified), "the telephone is told that it may not")
        assert await ana.transfer_onto("nobody@here", to_tag="a", from_tag="b", number="102") == 202
        await until(lambda: sum("603" in told for told in ana.notified) == 2, "nor onto a dialogue of its own")
        await until_hears(citizen, "the citizen", tones=(ANA_HZ,))

        assert await ana.transfer("102") == 202
        await until_hears(citizen, "the citizen", tones=(LUIS_HZ,), not_tones=(ANA_HZ,))
        await until_hears(luis.line, "the colleague", tones=(CITIZEN_HZ,))
        await until(lambda: any("200" in told for told in ana.notified), "the telephone is told that it is done")
        citizens.hang_up(NUMBER)
        row = await house.stored(NUMBER)
        assert [each["agent"] for each in row["conversations"]] == ["101", "102"]
    finally:
        ana.close()
