"""What flows do beyond menus, on real calls: a spoken message, Santa Fe at this very hour, a database that is away."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from ivr import sample_flow
from ivr.core.flow import Hours
from telefonista.app.sipp import Behaviour, CitizenPlan, EndedBy, Press
from telefonista.kernel.ids import NodeName
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import House, Settings, until
from tests.asterisk.quick_voice import quick_voice

NUMBER = "099463801"
FLOW = """\
flow: clases
language: es
start: menu
person: persona
variables: {numero: text, deuda: number}
nodes:
  menu:
    menu: Elija.
    options: {1: mensaje, 2: buscar}
    on_invalid: No.
    on_timeout: Nada.
    on_failure: persona
    timeout_s: 20
  mensaje:
    voicemail: tramites
    say: Hable.
    longest_s: 20
    then: gracias
    on_failure: persona
  buscar: {lookup: rota, into: {deuda: deuda}, found: gracias, nothing: gracias, on_failure: disculpe}
  disculpe: {hangup: true, say: No se puede.}
  gracias: {hangup: true, say: Gracias.}
  persona: {queue: general}
"""


AWAY = {"name": "rota", "url": "http://127.0.0.1:9/"}


async def house_with(open_house: OpenHouse, flow: str, **more: Any) -> House:
    """A house whose line has this flow; the engine was started with it."""
    house = await open_house(agents=("101",))
    (house.home.flows / "clases.yaml").write_text(FLOW, encoding="utf-8")
    house.configure(Settings(flow=flow, agents=("101",), more={"synthesiser": {"command": quick_voice()}, **more}))
    await house.stop_engine()
    await house.start_engine()
    return house


def events_of(house: House, call: str, kind: str) -> list[dict[str, Any]]:
    return [event for event in house.journalled(call) if event["type"] == kind]


def sizes_of(folder: Path, name: str) -> list[int]:
    """Of all files of this name below a folder."""
    return [path.stat().st_size for path in folder.rglob(name)]


async def message_of(house: House, *, ends: str) -> dict[str, Any]:
    """A citizen speaks for some seconds after the tone, and ends by a key or by hanging up; the event that tells."""
    citizens = await house.citizens(
        CitizenPlan(number=NUMBER, tone_hz=440, presses=(Press(after_s=1.0, keys="1"),), stays_s=60)
    )

    async def recording() -> bool:
        call = await house.call_of(NUMBER)
        return (
            call is not None
            and (await house.asterisk("core show channels verbose")).count("Stasis") > 0
            and bool(events_of(house, call["call"], "OptionChosen"))
        )

    await until(recording, "the message is being recorded")
    call = (await house.call_of(NUMBER) or {})["call"]
    began = time.monotonic()
    await until(lambda: time.monotonic() - began > 4.0, "some seconds are spoken")
    if ends == "#":
        citizens.press(NUMBER, "#")
    else:
        citizens.hang_up(NUMBER)
    await until(lambda: bool(events_of(house, call, "MessageLeft")), f"the message is left, {house.journalled(call)}")
    (left,) = events_of(house, call, "MessageLeft")
    return left


async def somebody_hears_it(house: House) -> None:
    """The message waits in the queue until an agent has listened to it."""
    await house.agent("101", behaviour=Behaviour(after_s=0.2, talks_s=1.0))

    async def heard() -> bool:
        return not (await house.status())["calls"]

    await until(heard, "an agent has heard the message")


async def test_message_that_a_key_ends_is_left_for_the_queue(open_house: OpenHouse) -> None:
    """Citizen → 1 → the tone → speaks → # → thanks; the sound lies in Asterisk's folder."""
    house = await house_with(open_house, "clases", sources=[AWAY])
    left = await message_of(house, ends="#")
    assert (left["queue"], left["number"]) == ("tramites", NUMBER)
    assert left["duration_s"] >= 2
    sizes = await asyncio.to_thread(sizes_of, house.home.folder, f"{left['recording']}.wav")
    assert [size > 20_000 for size in sizes] == [True]
    await somebody_hears_it(house)


async def test_message_that_ends_with_the_call_is_left_too(open_house: OpenHouse) -> None:
    """Citizen → 1 → the tone → speaks → hangs up, as most people do."""
    house = await house_with(open_house, "clases", sources=[AWAY])
    left = await message_of(house, ends="hangs up")
    assert left["queue"] == "tramites"
    await somebody_hears_it(house)


async def test_database_that_is_away_is_told_and_the_call_goes_on(open_house: OpenHouse, tmp_path: Path) -> None:
    """Citizen → 2 → a query of a database that is not there → an apology."""
    source = {"name": "rota", "sql": "SELECT 1 AS deuda", "database": f"sqlite:///{tmp_path}/nada.db"}
    house = await house_with(open_house, "clases", sources=[source])
    citizens = await house.citizens(CitizenPlan(number=NUMBER, presses=(Press(after_s=1.0, keys="2"),)))
    (seen,) = await citizens.wait()
    assert (seen.status, seen.ended_by) == (200, EndedBy.SYSTEM)
    row = await house.stored(NUMBER)
    (failed,) = events_of(house, row["id"], "LookupFailed")
    assert failed["why"] == "the database refused (OperationalError)"
    assert events_of(house, row["id"], "NodeEntered")[-1]["node"] == "disculpe"


async def test_nonsense_is_told_and_the_call_goes_on(open_house: OpenHouse) -> None:
    """Citizen → 2 → another system answers with markup → an apology; the journal has the reason, not the answer."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.0 200 OK\r\n\r\n{"deuda": "<speak>mil</speak>"}')
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    house = await house_with(open_house, "clases", sources=[{"name": "rota", "url": f"http://127.0.0.1:{port}/"}])
    citizens = await house.citizens(CitizenPlan(number=NUMBER, presses=(Press(after_s=1.0, keys="2"),)))
    (seen,) = await citizens.wait()
    server.close()
    assert (seen.status, seen.ended_by) == (200, EndedBy.SYSTEM)
    row = await house.stored(NUMBER)
    (failed,) = events_of(house, row["id"], "LookupFailed")
    assert failed["why"] == "deuda is no number"
    assert "speak" not in str(house.journalled(row["id"]))


async def test_santa_fe_answers_as_its_hours_say(open_house: OpenHouse) -> None:
    """Citizen → Santa Fe, at the hour that it is: the closing message and a goodbye, or the welcome and a person."""
    flow = sample_flow("santa-fe")
    hours = flow.nodes[NodeName("horario")]
    assert isinstance(hours, Hours)
    house = await house_with(open_house, "santa-fe")
    citizens = await house.citizens(CitizenPlan(number=NUMBER, presses=(Press(after_s=2.0, keys="0"),), stays_s=8))
    (seen,) = await citizens.wait()
    assert seen.status == 200
    row = await house.stored(NUMBER)
    nodes = [event["node"] for event in events_of(house, row["id"], "NodeEntered")]
    assert row["flow"] == "santa-fe"
    if hours.hours.is_open(time.time()):
        assert nodes[:3] == ["horario", "bienvenida", "menu"]
        assert [visit["queue"] for visit in row["visits"]] == ["general"]
    else:
        assert nodes == ["horario", "fuera-de-hora"]
        assert seen.ended_by is EndedBy.SYSTEM
