"""The FastAGI route of the agents' codes: who it is, what is done, what is said."""

import asyncio
from typing import Any, cast

import msgspec
import pytest

from acd import QueuePolicy
from agents import codes
from telefonista.app.codes import DONE, agent_codes
from telefonista.app.config import parse_config
from telefonista.kernel.events import CodeDialled, DispositionGiven, Presence
from telefonista.pbx.fastagi import AgiSession
from telefonista.pbx.wire.fastagi import AgiRequest
from tests.fakes.house import ANA, GENERAL, POLICIES, House

CONFIG = parse_config(
    """
lines: [{name: 0800-info, numbers: ["4636"], flow: 0800-info}]
queues: [{name: general}]
agents: [{id: "101", queues: [general]}]
""",
    file="config.yaml",
)


class Telephone:
    """A session of a dialplan, as a route sees it."""

    def __init__(self, *arguments: str, keys: str = "") -> None:
        self.request = AgiRequest(route="agent", arguments=arguments, variables={})
        self.keys = keys
        self.heard: list[str] = []
        self.variables: dict[str, str] = {}

    async def set_variable(self, name: str, *, value: str) -> None:
        self.variables[name] = value

    async def stream_file(self, sound: str) -> str:
        self.heard.append(sound)
        return ""

    async def get_data(self, sound: str, *, timeout_s: float, most_digits: int) -> str:
        self.heard.append(sound)
        return self.keys[:most_digits]


def dial(house: House, *arguments: str, keys: str = "") -> Telephone:
    telephone = Telephone(*arguments, keys=keys)
    serve = agent_codes(house.engine, config=lambda: CONFIG, sound=lambda sentence: sentence)
    route = cast(Any, serve)(cast(AgiSession, telephone))
    asyncio.run(route)
    return telephone


@pytest.fixture
def house() -> House:
    return House().opens(ANA)


def test_agent_is_paused_with_the_reason_that_was_dialled(house: House) -> None:
    telephone = dial(house, "*131", ANA)
    assert telephone.heard == ["Está en pausa: almuerzo."]
    assert telephone.variables == {DONE: "done"}
    assert house.presence(ANA) is Presence.PAUSED
    assert house.of(CodeDialled) == [CodeDialled(agent=ANA, code="*131")]


def test_agent_who_names_no_reason_is_asked(house: House) -> None:
    assert dial(house, "*13", ANA, keys="2").heard == [
        "Marque el motivo de la pausa. 1: almuerzo. 2: baño. 3: capacitación.",
        "Está en pausa: baño.",
    ]
    assert dial(house, "*13", ANA, keys="9").heard[-1] == codes.NO_SUCH_OPTION


def test_agent_hears_how_things_are_and_is_left_as_they_were(house: House) -> None:
    assert dial(house, "*15", ANA).heard == [codes.AVAILABLE]
    assert house.presence(ANA) is Presence.READY


def test_refusal_is_spoken(house: House) -> None:
    assert dial(house, "*12", ANA).heard == [codes.LOGGED_OUT]
    assert dial(house, "*14", ANA).heard == ["Primero debe iniciar su turno."]


def test_disposition_is_given_by_its_number_and_read_back() -> None:
    policy = msgspec.structs.replace(POLICIES[0], dispositions=("resuelto", "derivado"))
    house = House(policies=(policy, QueuePolicy(name=POLICIES[1].name))).opens(ANA)
    assert policy.name == GENERAL
    call = house.call_to()
    house.talks(call)
    house.hangs_up(call)
    assert dial(house, "*17", ANA, keys="2").heard == [codes.WHICH_DISPOSITION, "Resultado registrado: derivado."]
    assert dial(house, "*179", ANA).heard == ["Ese resultado no existe."]
    assert [(each.call, each.disposition) for each in house.of(DispositionGiven)] == [(call, "derivado")]


def test_telephone_of_nobody_is_told_so_and_changes_nothing(house: House) -> None:
    assert dial(house, "*14", "ciudadano").heard == [codes.NO_AGENT]
    assert dial(house, "*14").heard == [codes.NO_AGENT]
    assert dial(house, "*19", ANA).heard == [codes.NO_SUCH_OPTION]
    assert dial(house).heard == [codes.NO_SUCH_OPTION]
    assert house.of(CodeDialled) == []
