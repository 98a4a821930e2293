"""Queues brought along from elsewhere are at work at once: on the running engine, with calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from telefonista.app.sipp import CitizenPlan
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import SHORT_FLOW, until
from tests.asterisk.softphone import Softphone, all_vanish

ELSEWHERE = """\
[soporte]
strategy = rrmemory
timeout = 20
member => PJSIP/301,0,Primer nivel
member => PJSIP/302,5,Segundo nivel
"""


@pytest.fixture(autouse=True)
async def nobody_stays_connected() -> AsyncIterator[None]:
    yield
    all_vanish()


async def test_queue_of_elsewhere_takes_calls_by_its_first_level_while_the_engine_runs(open_house: OpenHouse) -> None:
    """Both members register; the one without a penalty is rung, though the other has been free for longer."""
    house = await open_house(agents=("101",))
    source = house.home.folder / "queues.conf"
    source.write_text(ELSEWHERE, encoding="utf-8")
    status, said, notes = await house.command("import", str(source), "--into")
    assert status == 0, notes
    assert "1 queues and 2 agents" in said
    assert "penalties are levels" in notes
    flow = SHORT_FLOW.replace("queue: tramites", "queue: soporte")
    (house.home.flows / "corto.yaml").write_text(flow, encoding="utf-8")
    assert (await house.command("reload"))[0] == 0

    phones = {}
    for account in ("302", "301"):
        phones[account] = Softphone(account, secret=house.secret_of(account), sip_port=house.sip_port)
        await phones[account].connect()
        assert await phones[account].register() == 200
        await house.until_presence("ready", agent=account)
    plan = CitizenPlan(number="099463008")
    citizens = await house.citizens(plan)
    await until(lambda: bool(citizens.call(plan.number).answered_at), "the citizen is greeted")
    citizens.press(plan.number, "1")
    await asyncio.wait_for(phones["301"].talking.wait(), 15)
    assert phones["302"].offers == []
    await phones["301"].hang_up()
    (visit,) = (await house.stored(plan.number))["visits"]
    assert (visit["queue"], visit["agent"]) == ("soporte", "301")
