"""Supervisors with their own telephones and tokens: what they may do is done, what they may not is refused and kept."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

from telefonista.app.config import read_config
from telefonista.app.sipp import CitizenPlan, Press
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import House, until

NUMBER, OTHER = "099463090", "099463091"
KEY_1 = (Press(after_s=0.2, keys="1"),)
PEOPLE = [
    {"id": "201", "name": "Turno mañana", "queues": ["tramites"], "may": ["listen", "force", "move"]},
    {"id": "202", "name": "Impuestos", "queues": ["impuestos"]},
]


async def wished(house: House, path: str, *, token: str, **body: Any) -> tuple[int, str]:
    """A wish with a person's own token: the answer's status, and what it says."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{house.http_port}{path}",
        method="POST",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        data=json.dumps(body).encode(),
    )

    def ask() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)["said"]
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)["detail"]

    return await asyncio.to_thread(ask)


async def test_supervisor_does_what_they_may_with_their_own_token_and_nothing_else(open_house: OpenHouse) -> None:
    house = await open_house(agents=("101", "102"), more={"people": PEOPLE})
    tokens = house.home.secrets(read_config(house.home.config_file)).people
    ana = await house.agent("101")
    await house.agent("201")
    await house.until_presence("ready", agent="201")
    citizens = await house.citizens(CitizenPlan(number=NUMBER, presses=KEY_1))
    await until(lambda: ana.talking_with == NUMBER, "101 talks")
    call = (await house.call_of(NUMBER) or {})["call"]

    assert await wished(house, f"/calls/{call}/supervise", token=tokens["201"], mode="whisper") == (
        403,
        "may not whisper",
    )
    assert await wished(house, f"/calls/{call}/supervise", token=tokens["202"], mode="listen") == (
        403,
        "not one of this supervisor's queues",
    )
    assert (await wished(house, f"/calls/{call}/supervise", token="nobody's"))[0] == 401
    assert await wished(house, f"/calls/{call}/supervise", token=tokens["201"], mode="listen") == (200, "done")
    await house.until_presence("busy", agent="201")
    assert await wished(house, f"/calls/{call}/unsupervise", token=tokens["201"]) == (200, "done")
    await house.until_presence("ready", agent="201")

    waiting = await house.citizens(CitizenPlan(number=OTHER, presses=KEY_1))
    await house.until_state("waiting", number=OTHER)
    other = (await house.call_of(OTHER) or {})["call"]
    assert await wished(house, f"/calls/{other}/move", token=tokens["201"], queue="general") == (200, "done")

    async def moved() -> bool:
        return await house.waiting("general") == [OTHER]

    await until(moved, "the waiting citizen is in the other queue")
    waiting.hang_up(OTHER)

    assert await wished(house, "/agents/101/pause", token=tokens["102"], reason="almuerzo") == (
        403,
        "agents wish for themselves only",
    )
    assert await wished(house, "/agents/101/pause", token=tokens["201"], reason="almuerzo") == (200, "done")
    citizens.hang_up(NUMBER)
    await house.until_presence("paused", agent="101")

    async def audited() -> bool:
        rows = await house.asked("audit")
        refused = {(row["by"], row["what"]) for row in rows if row["refused"]}
        return refused == {("201", "supervision"), ("202", "supervision"), ("102", "pause")}

    await until(audited, "what was refused is on record")
