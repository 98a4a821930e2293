"""Telephones' accounts come, go and change their passwords while people talk: nobody notices but whom it concerns."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from typer.testing import CliRunner

from telefonista.app.agent_cli import app
from telefonista.app.sipp import CitizenPlan
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import House, Span, tone_heard, until
from tests.asterisk.softphone import Softphone, all_vanish

AGENT_HZ, CITIZEN_HZ = 1150, 425
TO_TRAMITES = "1"


@pytest.fixture(autouse=True)
async def nobody_stays_connected() -> AsyncIterator[None]:
    yield
    all_vanish()


async def agent_command(house: House, *arguments: str) -> dict[str, Any]:
    """`telefonista agent …` in this process, for fifty of its own would take minutes; what it answers in JSON."""
    result = await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--home", str(house.home.folder)])
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.output) if "--json" in arguments else {}
    return answer


async def softphone(house: House, account: str, **more: Any) -> Softphone:
    """An account's telephone with its right password, connected and not registered."""
    phone = Softphone(account, secret=house.secret_of(account), sip_port=house.sip_port, **more)
    await phone.connect()
    return phone


def phone_changes(house: House, agent: str) -> list[str]:
    """Every state of an agent's telephone that the journal tells, in order."""
    told = {}
    for path in sorted(house.home.journal.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            event = entry.get("event", {})
            if event.get("type") == "PhoneChanged" and event["agent"] == agent:
                told[entry["seq"]] = event["phone"]
    return [told[seq] for seq in sorted(told)]


async def test_fifty_changes_of_accounts_touch_neither_a_conversation_nor_another_telephone(
    open_house: OpenHouse,
) -> None:
    """101 talks with a citizen, 102 is registered and free. 900 is added, given another password, removed, and so on.
    Not a packet of the conversation is missing, 102 is never anything but free, and takes the next call."""
    house = await open_house(agents=("101", "102"))
    agent = await house.agent("101", tone_hz=AGENT_HZ)
    first = CitizenPlan(number="099463001", tone_hz=CITIZEN_HZ)
    citizens = await house.citizens(first)
    await until(lambda: bool(citizens.call(first.number).answered_at), "the citizen is greeted")
    citizens.press(first.number, TO_TRAMITES)
    await until(lambda: agent.talking_with == first.number, "101 talks with the citizen")
    free = await softphone(house, "102")
    assert await free.register() == 200
    await house.until_presence("ready", agent="102")

    began = time.time()
    for n in range(51):
        match n % 3:
            case 0:
                await agent_command(house, "add", "900", "--queues", "general", "--name", "De paso")
            case 1:
                await agent_command(house, "rotate", "900")
            case _:
                await agent_command(house, "remove", "900")
    span = Span(began, time.time())
    assert agent.talking_with == first.number
    for line, tone_hz in ((citizens.lines[first.number], AGENT_HZ), (agent.line, CITIZEN_HZ)):
        # A busy machine sends a packet late now and then; a conversation that is touched is silent for seconds.
        assert len(line.heard(since=span.since, until=span.until)) >= 0.9 * 8000 * (span.until - span.since)
        assert tone_heard(line, tone_hz, span) > -25
    assert phone_changes(house, "102") == ["idle"]

    second = CitizenPlan(number="099463002")
    more = await house.citizens(second)
    await until(lambda: bool(more.call(second.number).answered_at), "the second citizen is greeted")
    more.press(second.number, TO_TRAMITES)
    await asyncio.wait_for(free.talking.wait(), 15)
    assert house.home.config_file.read_text(encoding="utf-8").count("900") == 0
    await free.hang_up()
    await free.register(expires_s=0)
    free.close()


async def test_agent_who_is_added_registers_within_a_second_and_takes_a_call(open_house: OpenHouse) -> None:
    house = await open_house(agents=("101",))
    account = await agent_command(
        house, "add", "104", "--queues", "general,tramites", "--skills", "guarani=3", "--json"
    )
    began = time.monotonic()
    phone = Softphone("104", secret=account["password"], sip_port=house.sip_port)
    await phone.connect()
    assert await phone.register() == 200
    assert time.monotonic() - began < 1.0
    await house.until_presence("ready", agent="104")
    plan = CitizenPlan(number="099463003")
    citizens = await house.citizens(plan)
    await until(lambda: bool(citizens.call(plan.number).answered_at), "the citizen is greeted")
    citizens.press(plan.number, TO_TRAMITES)
    await asyncio.wait_for(phone.talking.wait(), 15)
    await house.until_state("talking", number=plan.number)

    await agent_command(house, "remove", "104")
    assert (await house.call_of(plan.number) or {})["state"] == "talking"
    await phone.hang_up()
    row = await house.stored(plan.number)
    assert (row["end_reason"], row["conversations"][0]["agent"]) == ("agent_hung_up", "104")
    assert await phone.register() in (401, 403, 404)
    assert "104" not in [agent["agent"] for agent in (await house.status())["agents"]]
    assert "104;@" not in await house.asterisk("database show registrar contact")
    phone.close()


async def test_leaked_password_is_worth_nothing_once_it_is_rotated(open_house: OpenHouse) -> None:
    """Somebody else has registered with it: they are not rung any more, and can neither register nor call."""
    house = await open_house(agents=("101",))
    thief = await softphone(house, "101")
    assert await thief.register(expires_s=3600) == 200
    await house.until_presence("ready", agent="101")

    password = (await agent_command(house, "rotate", "101", "--json"))["password"]
    assert password != thief.secret
    await house.until_presence("unreachable", agent="101")
    assert "101;@" not in await house.asterisk("database show registrar contact")
    assert await thief.register() == 401
    assert await thief.call("4636") == 401

    owner = await softphone(house, "101")
    assert owner.secret == password
    assert await owner.register() == 200
    await house.until_presence("ready", agent="101")
    plan = CitizenPlan(number="099463004")
    citizens = await house.citizens(plan)
    await until(lambda: bool(citizens.call(plan.number).answered_at), "the citizen is greeted")
    citizens.press(plan.number, TO_TRAMITES)
    await asyncio.wait_for(owner.talking.wait(), 15)
    assert thief.offers == []
    await owner.hang_up()
    await owner.register(expires_s=0)
    thief.close()
    owner.close()


async def test_password_rotated_while_nothing_runs_ends_the_registration_that_asterisk_has_kept(
    open_house: OpenHouse,
) -> None:
    house = await open_house(agents=("101",))
    thief = await softphone(house, "101")
    assert await thief.register(expires_s=3600) == 200
    await house.until_presence("ready", agent="101")
    assert await house.stop_engine() == 0
    await agent_command(house, "rotate", "101")
    await house.start_engine()

    async def gone() -> bool:
        return "101;@" not in await house.asterisk("database show registrar contact")

    await until(gone, "the registration is gone")
    await house.until_presence("unreachable", agent="101")
    assert await thief.register() == 401
    thief.close()


async def test_configuration_changed_while_only_asterisk_runs_reaches_it_with_the_next_engine(
    open_house: OpenHouse,
) -> None:
    house = await open_house(agents=("101",))
    await house.kill_engine()
    result = await asyncio.to_thread(
        CliRunner().invoke, app, ["add", "105", "--queues", "general", "--home", str(house.home.folder)]
    )
    assert result.exit_code == 1
    assert "without its engine" in result.stderr
    await house.start_engine()
    phone = await softphone(house, "105")
    assert await phone.register() == 200
    await house.until_presence("ready", agent="105")
    await phone.register(expires_s=0)
    phone.close()
