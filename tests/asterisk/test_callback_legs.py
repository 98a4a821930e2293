"""Contacts without a citizen's channel: somebody is called back, a message is heard. Who rings, and who hears what."""

from __future__ import annotations

from typing import Any

from telefonista.app.sipp import IS_BUSY, LETS_RING, CitizenPlan, Press
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import House, last, tone_heard, until
from tests.asterisk.wishing import ANA_HZ, LOUD, LUIS_HZ, SILENT, until_hears, wished

NUMBER = "099463041"
CITIZEN_HZ = 990
RINGING_HZ = 425


def queue(name: str) -> dict[str, Any]:
    """One whose citizens may be called back, or leave a message, at once."""
    return {
        "name": name,
        "ring_s": 5,
        "wrap_up_s": 0,
        "callback": {"key": "1", "after_s": 0, "estimate_s": 0, "retry_s": 10},
        "voicemail": {"key": "2"},
    }


MORE = {"queues": [queue(name) for name in ("general", "tramites", "impuestos", "vacunacion")]}


async def contact(house: House) -> dict[str, Any] | None:
    """The contact that came out of the citizen's call, as the store has it."""
    found = [row for row in await house.calls() if str(row["id"]).endswith(".k1")]
    return found[0] if found else None


async def until_booked(house: House, *presses: Press) -> None:
    """A citizen calls, waits with nobody there, and leaves a contact behind."""
    citizens = await house.citizens(CitizenPlan(number=NUMBER, tone_hz=CITIZEN_HZ, presses=presses))
    await citizens.wait()
    await until(lambda: contact(house), "a contact is booked")


async def until_over(house: House) -> dict[str, Any]:
    """The contact, ended and with its recordings settled."""
    rows: list[dict[str, Any]] = []

    async def over() -> bool:
        row = await contact(house)
        rows[:] = [row] if row is not None else []
        return (
            bool(rows)
            and rows[0]["ended_at"] is not None
            and all(each["state"] in ("kept", "failed") for each in rows[0]["recordings"])
        )

    await until(over, "the contact is over")
    return rows[0]


WANTS_A_CALL = (Press(after_s=0.3, keys="0"), Press(after_s=3.0, keys="1"), Press(after_s=5.0, keys="1"))


async def test_citizen_is_called_back_once_an_agent_is_on_the_line_and_a_killed_engine_dials_nobody_twice(
    open_house: OpenHouse,
) -> None:
    house = await open_house(flow="corto", agents=("101",), more=MORE)
    called = await house.called(lambda number: LETS_RING, tone_hz=LUIS_HZ)
    await until_booked(house, *WANTS_A_CALL)
    assert not called.calls_to(NUMBER), "a citizen is dialled with nobody to talk to"

    ana = await house.agent("101", tone_hz=ANA_HZ)
    await until(lambda: ana.talking_with == NUMBER, "the agent is on the line")
    await until(lambda: called.ringing(NUMBER), "the citizen rings")
    await until(lambda: tone_heard(ana.line, RINGING_HZ, last(2.0)) > LOUD, "the agent hears it ring")
    await house.until_presence("dialling", agent="101")

    await house.kill_engine()
    await house.start_engine()
    assert len(called.calls_to(NUMBER)) == 1
    called.answer(NUMBER)
    await until(lambda: called.talking(NUMBER), "the citizen picks up")
    await until_hears(ana.line, "the agent", tones=(LUIS_HZ,), not_tones=(RINGING_HZ,))
    await until_hears(called.lines[NUMBER], "the citizen", tones=(ANA_HZ,))
    called.hang_up(NUMBER)
    row = await until_over(house)
    assert (row["end_reason"], len(row["conversations"])) == ("citizen_hung_up", 1)
    assert [each["state"] for each in row["recordings"]] == ["kept"]
    assert len(called.calls_to(NUMBER)) == 1
    assert called.calls_to(NUMBER)[0].shown != "101"


async def test_citizen_who_is_busy_is_called_again_later_and_the_agent_is_free_meanwhile(open_house: OpenHouse) -> None:
    house = await open_house(flow="corto", agents=("101",), more=MORE)
    called = await house.called(lambda number: IS_BUSY, tone_hz=LUIS_HZ)
    await until_booked(house, *WANTS_A_CALL)
    ana = await house.agent("101", tone_hz=ANA_HZ)
    await until(lambda: called.calls_to(NUMBER), "the citizen was dialled")
    await until(lambda: ana.talking_with is None, "the agent is let go")
    await house.until_presence("ready", agent="101")
    called.behaviour = lambda number: LETS_RING
    await until(lambda: called.ringing(NUMBER), "the citizen is dialled again", 30.0)
    ana.hang_up()
    await until(lambda: not called.ringing(NUMBER), "the ringing is cancelled with the agent")
    row = await contact(house)
    assert row is not None
    await wished(house, str(row["id"]), "cancel")
    assert (await until_over(house))["end_reason"] == "cancelled"


async def test_message_is_heard_by_an_agent_and_again_at_a_key(open_house: OpenHouse) -> None:
    house = await open_house(flow="corto", agents=("101",), more=MORE)
    await until_booked(house, Press(after_s=0.3, keys="0"), Press(after_s=3.0, keys="2"), Press(after_s=22.0, keys="5"))
    ana = await house.agent("101", tone_hz=ANA_HZ)
    await until(lambda: ana.talking_with is not None, "the agent is on the line")
    await until(lambda: tone_heard(ana.line, CITIZEN_HZ, last(0.5)) > LOUD, "the agent hears the message")
    await until(lambda: tone_heard(ana.line, CITIZEN_HZ, last(0.5)) < SILENT, "the message is over", 30.0)
    ana.line.press("1")
    await until(lambda: tone_heard(ana.line, CITIZEN_HZ, last(0.5)) > LOUD, "the agent hears it again")
    ana.hang_up()
    row = await until_over(house)
    assert (row["end_reason"], row["recordings"]) == ("heard", [])
