"""A supervisor listens, whispers, speaks to all and takes over: who hears whom, by what arrives at each telephone."""

from __future__ import annotations

from telefonista.app.sipp import CitizenPlan
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import until
from tests.asterisk.wishing import ANA_HZ, CITIZEN_HZ, KEY, SOL_HZ, the_call, until_hears, wish, wished

NUMBER = "099463031"
POSITIONS = [
    {"id": "101", "name": "Posición 101", "queues": ["general"]},
    {"id": "109", "name": "Supervisión", "queues": ["impuestos"]},
]


async def test_supervisor_is_heard_by_nobody_by_the_agent_or_by_all_and_takes_over_and_a_killed_engine_changes_nothing(
    open_house: OpenHouse,
) -> None:
    house = await open_house(flow="corto", agents=("101",), more={"agents": POSITIONS})
    ana = await house.agent("101", tone_hz=ANA_HZ)
    sol = await house.agent("109", tone_hz=SOL_HZ)
    citizens = await house.citizens(CitizenPlan(number=NUMBER, tone_hz=CITIZEN_HZ, presses=KEY))
    await until(lambda: ana.talking_with == NUMBER, "they talk")
    call, citizen = await the_call(house, NUMBER), citizens.lines[NUMBER]

    await wished(house, call, "supervise", supervisor="109", mode="listen")
    await until_hears(sol.line, "the supervisor", tones=(CITIZEN_HZ, ANA_HZ))
    await until_hears(citizen, "the citizen", tones=(ANA_HZ,), not_tones=(SOL_HZ,))
    await until_hears(ana.line, "the agent", tones=(CITIZEN_HZ,), not_tones=(SOL_HZ,))
    assert sol.calls[0].caller == "101"

    await wished(house, call, "supervise", supervisor="109", mode="whisper")
    await until_hears(ana.line, "the agent", tones=(CITIZEN_HZ, SOL_HZ))
    await until_hears(citizen, "the citizen", tones=(ANA_HZ,), not_tones=(SOL_HZ,))

    await house.kill_engine()
    await house.start_engine()
    await house.until_state("talking", number=NUMBER)
    await until_hears(ana.line, "the agent", tones=(CITIZEN_HZ, SOL_HZ))
    await until_hears(citizen, "the citizen", tones=(ANA_HZ,), not_tones=(SOL_HZ,))

    await wished(house, call, "supervise", supervisor="109", mode="barge")
    await until_hears(citizen, "the citizen", tones=(ANA_HZ, SOL_HZ))
    await until_hears(ana.line, "the agent", tones=(CITIZEN_HZ, SOL_HZ))

    await wished(house, call, "supervise", supervisor="109", mode="listen")
    await until_hears(citizen, "the citizen", tones=(ANA_HZ,), not_tones=(SOL_HZ,))
    await until_hears(ana.line, "the agent", tones=(CITIZEN_HZ,), not_tones=(SOL_HZ,))
    await until_hears(sol.line, "the supervisor", tones=(CITIZEN_HZ, ANA_HZ))

    await wished(house, call, "takeover", supervisor="109")
    await until_hears(citizen, "the citizen", tones=(SOL_HZ,), not_tones=(ANA_HZ,))
    await until_hears(sol.line, "who was the supervisor", tones=(CITIZEN_HZ,), not_tones=(ANA_HZ,))
    await until(lambda: ana.talking_with is None, "the agent is out of it")
    assert len(sol.calls) == 1, "it rang once"
    assert len(await house.channels()) == 2
    citizens.hang_up(NUMBER)
    row = await house.stored(NUMBER)
    assert [(each["agent"], each["ended_by"]) for each in row["conversations"]] == [
        ("101", "transferred"),
        ("109", "citizen_hung_up"),
    ]


async def test_supervision_ends_with_the_conversation_or_with_the_supervisors_telephone_and_leaves_nothing(
    open_house: OpenHouse,
) -> None:
    house = await open_house(flow="corto", agents=("101",), more={"agents": POSITIONS})
    ana = await house.agent("101", tone_hz=ANA_HZ)
    sol = await house.agent("109", tone_hz=SOL_HZ)
    citizens = await house.citizens(CitizenPlan(number=NUMBER, tone_hz=CITIZEN_HZ, presses=KEY))
    await until(lambda: ana.talking_with == NUMBER, "they talk")
    call, citizen = await the_call(house, NUMBER), citizens.lines[NUMBER]
    for n in (1, 2):
        await wished(house, call, "supervise", supervisor="109", mode="listen")
        await until(lambda: sol.talking_with == "101", "the supervisor has picked up")
        await until_hears(sol.line, "the supervisor", tones=(CITIZEN_HZ, ANA_HZ))
        if n == 1:
            sol.hang_up()
            await until(lambda: sol.talking_with is None, "the supervisor has hung up")

            async def two() -> bool:
                return len(await house.channels()) == 2 and len(await house.bridges()) == 1

            await until(two, "what was made for the supervisor is gone")
            await until_hears(citizen, "the citizen", tones=(ANA_HZ,))
    assert (await wish(house, call, "supervise", supervisor="101", mode="listen"))[0] == 409
    ana.hang_up()
    await until(lambda: sol.talking_with is None, "the supervision is over")
    assert (await house.stored(NUMBER))["end_reason"] == "agent_hung_up"
