"""A whole day at once: fifteen agents, two hundred citizens, all that people do. Nobody is forgotten, nobody is served
out of turn, and the figures are those of the telephones."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from functools import partial
from typing import Any

from telefonista.app.sipp import SippAgent
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.day import (
    AGENT_HZ,
    CALLBACK_KEY,
    CITIZEN_HZ,
    DAY_FLOW,
    EXIT_KEY,
    GENERAL,
    MESSAGE_FLOW,
    QUEUES,
    VOICEMAIL_KEY,
    Person,
    Played,
    Stage,
    by_number,
    differences,
    doubled,
    draw_people,
    journal,
    out_of_order,
    outcome,
    unheard,
)
from tests.asterisk.house import House, Settings, until

ACCOUNTS = tuple(str(number) for number in range(101, 116))
FIRST, SECOND = 7, 3
RING_S = 3
DEAD_S = 0.3
MOST_SWALLOWED = 0.03
"""The share of citizens whose key may be lost by the telephones of a busy machine."""


def skills(index: int) -> dict[str, int]:
    """First and second level overlap; who does the vaccinations can little else."""
    levels = {"tramites": 0, "impuestos": 0, "vacunacion": 0}
    if index < 7:
        levels["tramites"] = FIRST
    if 5 <= index < 11:
        levels["impuestos"] = FIRST
    if index in (10, 11, 12):
        levels["vacunacion"] = FIRST
    if index >= 12:
        levels = {queue: level or SECOND for queue, level in levels.items()}
    return {queue: level for queue, level in levels.items() if level}


def settings() -> Settings:
    """The day's queues and agents."""
    rules: dict[str, Any] = {
        "ring_s": RING_S,
        "back_off_s": 1,
        "most_misses": 0,
        "wrap_up_s": 0.5,
        "announce_every_s": 10,
        "callback": {"key": CALLBACK_KEY, "after_s": 0, "attempts": 2, "retry_s": 10},
        "voicemail": {"key": VOICEMAIL_KEY, "flow": "mensaje"},
    }
    strategies = dict(zip(QUEUES.values(), ("least_flexible", "round_robin", "ring_all"), strict=True))
    queues = [
        {
            "name": queue,
            "strategy": strategies[queue],
            "requires": f"{queue} >= {FIRST}",
            "relax": [{"after_s": 1, "requires": f"{queue} >= {SECOND}"}],
            "keys": {EXIT_KEY: f"queue {GENERAL}"},
            **deepcopy(rules),
        }
        for queue in QUEUES.values()
    ]
    general = {"name": GENERAL, "strategy": "longest_idle", **deepcopy(rules)}
    return Settings(
        flow="dia",
        verbose=False,
        more={
            "queues": [*queues, general],
            "agents": [
                {"id": account, "skills": skills(index), "queues": [*skills(index), GENERAL]}
                for index, account in enumerate(ACCOUNTS)
            ],
        },
    )


async def opened(open_house: OpenHouse) -> House:
    """A house with the day's flow, queues and agents; nobody is there yet."""
    house = await open_house(agents=ACCOUNTS, verbose=False)
    (house.home.flows / "dia.yaml").write_text(DAY_FLOW, encoding="utf-8")
    (house.home.flows / "mensaje.yaml").write_text(MESSAGE_FLOW, encoding="utf-8")
    house.configure(settings())
    status, _, complaint = await house.command("reload")
    assert status == 0, complaint
    return house


async def everything_is_stored(house: House, people: Sequence[Person]) -> list[dict[str, Any]]:
    """All calls, once each has ended and the sound of each is settled."""
    rows: list[dict[str, Any]] = []

    async def settled() -> bool:
        rows[:] = await house.calls()
        callers = {row["caller"] for row in rows}
        return callers >= {person.number for person in people} and all(
            row["ended_at"] is not None and all(one["state"] in ("kept", "failed") for one in row["recordings"])
            for row in rows
        )

    await until(settled, "all calls are in the store, ended, their recordings settled", 40.0)
    return rows


def told(played: Played, rows: list[dict[str, Any]]) -> str:
    """The day in a line."""
    ends = Counter(outcome(row) for row in rows if row["medium"] == "call")
    return (
        f"{dict(ends)}; rings {dict(played.rings)}; transfers {played.transfers}, refused {played.refused}, "
        f"unplugged {played.unplugged}"
    )


async def check(house: House, stage: Stage, *, people: Sequence[Person]) -> str:
    """Everybody's account is the store's, call by call; the order was kept; the queues' figures add up."""
    rows = await everything_is_stored(house, people)
    played = stage.told()
    of_number = by_number(rows)
    found = [
        f"{number}: {difference}"
        for number, account in played.accounts.items()
        for difference in differences(
            account,
            of_number.get(number, []),
            follow_ups=[row for row in rows if row["origin"] in {own["id"] for own in of_number.get(number, [])}],
            dead=stage.dead,
        )
    ]
    found += played.stuck + played.still_ringing
    entries = journal(house)
    found += doubled(entries)
    found += out_of_order(entries)
    for queue in (await house.metrics())["queues"]:
        ends = sum(queue[name] for name in ("answered", "abandoned", "diverted", "callback", "voicemail", "waiting"))
        if queue["offered"] != ends or queue["waiting"]:
            found.append(f"{queue['queue']}: offered {queue['offered']}, ends {queue}")
    swallowed = [
        number
        for number, account in played.accounts.items()
        if any(unheard(account, row) for row in of_number.get(number, []))
    ]
    if len(swallowed) > MOST_SWALLOWED * len(people):
        found.append(f"the keys of {swallowed} were not heard")
    summary = told(played, rows)
    assert not found, "\n".join([*found, summary])
    return summary


async def everybody(house: House) -> dict[str, SippAgent]:
    """All agents at their telephones."""
    telephones = await asyncio.gather(*(house.agent(account, tone_hz=AGENT_HZ) for account in ACCOUNTS))
    return dict(zip(ACCOUNTS, telephones, strict=True))


async def test_day_of_two_hundred_citizens_loses_nobody_and_adds_up(open_house: OpenHouse) -> None:
    """Skills, second level after a second, ring-all; misses, refusals, busy telephones, blind transfers, exit keys,
    callbacks and messages, three agents whose telephones die as they ring and come back."""
    house = await opened(open_house)
    called = await house.called(tone_hz=CITIZEN_HZ)
    people = draw_people(3, count=200, within_s=52.0)
    stage = Stage(house, people=people, agents=await everybody(house), called=called)
    try:
        await stage.play(unplugs=[(12.0, "103"), (22.0, "111"), (34.0, "107")])
    finally:
        stage.stop()
    print(await check(house, stage, people=people))


async def test_day_with_the_engine_killed_twice_loses_nobody(open_house: OpenHouse) -> None:
    """The same with fewer citizens who want more, and kill -9 once with somebody just passed on, and once with somebody
    to be called back and a telephone ringing. Who comes while there is no engine is helped by the contingency path."""
    house = await opened(open_house)
    called = await house.called(tone_hz=CITIZEN_HZ)
    people = draw_people(5, count=80, within_s=25.0, often=3.0)
    stage = Stage(house, people=people, agents=await everybody(house), called=called)

    def at_once(going: set[str]) -> bool:
        return going <= stage.in_flight()

    async def kills() -> None:
        for going in ({"transfer"}, {"ring", "callback"}):
            await until(partial(at_once, going), f"{going} at once", 30.0)
            killed_at = await house.kill_engine()
            await asyncio.sleep(DEAD_S)
            await house.start_engine()
            stage.dead.append((killed_at, time.time()))

    playing = asyncio.create_task(stage.play())
    try:
        await until(lambda: stage.playing, "citizens dial")
        await kills()
        await playing
    finally:
        playing.cancel()
        stage.stop()
    await until(lambda: not list(house.home.spool.glob("*.json")), "the calls of the contingency path are read in")
    print(await check(house, stage, people=people))
