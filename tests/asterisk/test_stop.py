"""Starting and stopping as an operator does it: Ctrl-C ends everything, and a second start is quick."""

from __future__ import annotations

import time

from telefonista.app.sipp import CitizenPlan, EndedBy, Press
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import processes_naming, until

TALKS, WAITS, CHOOSES = "099463050", "099463051", "099463052"
KEY_1 = (Press(after_s=0.2, keys="1"),)


async def test_interrupt_ends_every_call_and_every_process_and_the_next_start_is_quick(open_house: OpenHouse) -> None:
    """One citizen talks, one waits, one is in the menu → SIGINT → all are hung up, each is on record as ended by us,
    nothing runs any more → the second start takes seconds, and serves."""
    house = await open_house(flow="largo", agents=("101",))
    agent = await house.agent("101")
    citizens = await house.citizens(CitizenPlan(number=TALKS, presses=KEY_1))
    await until(lambda: agent.talking_with == TALKS, "they talk")
    others = await house.citizens(
        CitizenPlan(number=WAITS, presses=KEY_1), CitizenPlan(number=CHOOSES, dials_after_s=1.0)
    )
    await house.until_state("waiting", number=WAITS)
    await house.until_state("in_flow", number=CHOOSES)
    began = time.monotonic()
    assert await house.stop_engine() == 0
    assert time.monotonic() - began < 15
    for seen in (*await citizens.wait(), *await others.wait()):
        assert seen.ended_by is EndedBy.SYSTEM
    await house.everybody_leaves()
    assert processes_naming(str(house.home.folder)) == []
    rows = {row["caller"]: row["end_reason"] for row in await house.calls()}
    assert rows == {TALKS: "shut_down", WAITS: "shut_down", CHOOSES: "shut_down"}

    assert await house.start_engine() < 15
    later = await house.citizens(CitizenPlan(number="099463053", stays_s=0.5))
    (seen,) = await later.wait()
    assert seen.status == 200
    assert (await house.stored("099463053"))["end_reason"] == "citizen_hung_up"
