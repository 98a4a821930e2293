"""A flow that asks, confirms, counts and decides, on real calls, and across the engine's death."""

from __future__ import annotations

from telefonista.app.sipp import Behaviour, CitizenPlan, EndedBy, Press
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import House, Settings, until

NUMBER = "099463021"
CEDULA = "12345672"
FLOW = """\
flow: preguntas
language: es-UY
start: pedir
variables: {cedula: text, vueltas: number}
nodes:
  pedir:
    ask: Cédula.
    into: cedula
    document: cedula
    between_digits_s: 60
    overall_s: 90
    on_invalid: No.
    on_timeout: Nada.
    then: confirmar
    on_failure: persona
  confirmar:
    confirm: "Marcó {cedula}. ¿Sí?"
    yes: contar
    no: pedir
    on_invalid: Uno o dos.
    on_timeout: Nada.
    on_failure: persona
    timeout_s: 20
  contar: {set: {vueltas: vueltas + 1}, then: elegir}
  elegir:
    branch:
      "vueltas == 1 and cedula == '12345672'": tramites
    otherwise: persona
  tramites: {queue: tramites, topic: trámites}
  persona: {queue: general}
"""


async def asking(open_house: OpenHouse) -> House:
    """A house whose line asks; the running engine is told so."""
    house = await open_house(agents=("101",))
    (house.home.flows / "preguntas.yaml").write_text(FLOW, encoding="utf-8")
    house.configure(Settings(flow="preguntas", agents=("101",)))
    code, said, complaint = await house.command("reload")
    assert code == 0, said + complaint
    await house.agent("101", behaviour=Behaviour(after_s=0.2, talks_s=0.5))
    return house


async def test_citizen_types_a_number_hears_it_and_is_led_by_it(open_house: OpenHouse) -> None:
    """Citizen → 4636 → a wrong cédula, then the right one → 1 → a condition that is true → queue tramites."""
    house = await asking(open_house)
    presses = (Press(after_s=1.0, keys="11111112"), Press(after_s=4.5, keys=CEDULA), Press(after_s=8.0, keys="1"))
    citizens = await house.citizens(CitizenPlan(number=NUMBER, presses=presses))
    (seen,) = await citizens.wait()
    assert (seen.status, seen.ended_by) == (200, EndedBy.SYSTEM)
    row = await house.stored(NUMBER)
    assert [(visit["queue"], visit["outcome"]) for visit in row["visits"]] == [("tramites", "answered")]
    assert [(choice["node"], choice["digit"]) for choice in row["choices"]] == [("pedir", "?"), ("confirmar", "1")]
    taken = [event for event in house.journalled(row["id"]) if event["type"] == "InputTaken"]
    assert [(event["name"], event["value"]) for event in taken] == [("cedula", CEDULA)]
    assert not any(CEDULA in written for who, written in house.logs() if "engine" in who)


async def test_digits_typed_before_the_engine_died_count_with_those_after_it(open_house: OpenHouse) -> None:
    """Citizen → 4636 → half a number → kill -9 → the other half → 1 → queue tramites."""
    house = await asking(open_house)
    presses = (Press(after_s=1.0, keys=CEDULA[:4]), Press(after_s=16.0, keys=CEDULA[4:]), Press(after_s=19.0, keys="1"))
    citizens = await house.citizens(CitizenPlan(number=NUMBER, presses=presses))

    async def typed_half() -> bool:
        call = await house.call_of(NUMBER)
        return call is not None and len(
            [event for event in house.journalled(call["call"]) if event["type"] == "DigitPressed"]
        ) == len(CEDULA[:4])

    await until(typed_half, "half of the number is in the journal")
    await house.kill_engine()
    await house.start_engine()
    (seen,) = await citizens.wait()
    assert (seen.status, seen.ended_by) == (200, EndedBy.SYSTEM)
    row = await house.stored(NUMBER)
    assert [(visit["queue"], visit["outcome"]) for visit in row["visits"]] == [("tramites", "answered")]
