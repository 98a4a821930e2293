"""The engine's door: who is there, what is not let in, and that the journal knows of it."""

import asyncio
from typing import Any

import msgspec
import pytest

from telefonista.app.config import parse_config
from telefonista.app.people import Door
from telefonista.kernel.events import (
    AgentRequestRefused,
    Destination,
    DestinationKind,
    DispositionAsked,
    Event,
    HoldAsked,
    LogOutAsked,
    PauseAsked,
    Presence,
    RequestRefused,
    Supervision,
    SupervisionAsked,
    TakeOverAsked,
    TransferAsked,
)
from telefonista.kernel.ids import AgentId, CallId, QueueName
from telefonista.web import INSTALLATION, Forbidden, Refusal, Unknown
from tests.fakes.house import ANA, GENERAL, LUIS, House

SOL = AgentId("201")
CONFIG = parse_config(
    """
lines: [{name: 0800-info, numbers: ["4636"], flow: 0800-info}]
queues: [{name: general}, {name: tramites}, {name: impuestos}]
agents: [{id: "101", queues: [general]}, {id: "102", queues: [tramites]}]
people: [{id: "201", name: "Turno mañana", queues: [general]}, {id: "202", queues: [impuestos]}]
""",
    file="config.yaml",
)
EARLIER = CallId("tf1-1600000000.1")


class Entrance:
    """A house, and its door."""

    def __init__(self) -> None:
        self.house = House().opens(ANA, LUIS)
        self.tokens = {"101": "token-of-101", SOL: "token-of-201", "999": "token-of-somebody-who-left"}
        self.door = Door(
            lambda: self.house.engine, config=lambda: CONFIG, tokens=lambda: self.tokens, queue_of=self.queue_of
        )
        self.house.engine.agents.follow(directory=CONFIG.directory, automatic=True)

    async def queue_of(self, call: CallId, agent: AgentId) -> QueueName | None:
        return GENERAL if (call, agent) == (EARLIER, ANA) else None

    def wishes(self, event: Event, *, by: str = INSTALLATION) -> None:
        asyncio.run(self.door.wish(event, by=by))

    def refused(self) -> list[Any]:
        return self.house.of(AgentRequestRefused, RequestRefused)


@pytest.fixture
def entrance() -> Entrance:
    return Entrance()


def test_token_says_who_somebody_is_as_long_as_they_are_in_the_configuration(entrance: Entrance) -> None:
    door = entrance.door
    assert [door.person(token) for token in ("token-of-101", "token-of-201", "", "token", "ñ")] == [
        "101",
        SOL,
        None,
        None,
        None,
    ]
    assert door.person("token-of-somebody-who-left") is None


def test_wish_that_may_be_is_carried_out(entrance: Entrance) -> None:
    entrance.wishes(PauseAsked(agent=ANA, reason="almuerzo", by="101"), by="101")
    assert entrance.house.presence(ANA) is Presence.PAUSED
    entrance.wishes(LogOutAsked(agent=LUIS, by=INSTALLATION))
    assert entrance.house.presence(LUIS) is Presence.OFFLINE


def test_what_the_house_refuses_is_refused_with_its_reason(entrance: Entrance) -> None:
    entrance.wishes(LogOutAsked(agent=ANA, by=INSTALLATION))
    with pytest.raises(Refusal, match="not logged in"):
        entrance.wishes(PauseAsked(agent=ANA, reason="almuerzo", by=INSTALLATION))


def test_what_somebody_may_not_wish_is_turned_away_and_journalled(entrance: Entrance) -> None:
    with pytest.raises(Forbidden, match="agents wish for themselves only"):
        entrance.wishes(PauseAsked(agent=LUIS, reason="almuerzo", by="101"), by="101")
    with pytest.raises(Forbidden, match="not one of this supervisor's queues"):
        entrance.wishes(LogOutAsked(agent=LUIS, by="202"), by="202")
    assert entrance.house.presence(LUIS) is Presence.READY
    assert [(each.by, each.what) for each in entrance.refused()] == [("101", "pause"), ("202", "log_out")]


def test_supervisor_may_act_for_agents_of_the_queue(entrance: Entrance) -> None:
    entrance.wishes(PauseAsked(agent=ANA, reason="baño", by=SOL), by=SOL)
    assert entrance.house.presence(ANA) is Presence.PAUSED


def test_whom_nobody_knows_can_neither_wish_nor_be_wished_for(entrance: Entrance) -> None:
    for event, by in (
        (PauseAsked(agent=ANA, reason="", by="777"), "777"),
        (PauseAsked(agent=AgentId("777"), reason=""), INSTALLATION),
        (HoldAsked(call=EARLIER, agent=ANA), INSTALLATION),
    ):
        with pytest.raises(Unknown):
            entrance.wishes(event, by=by)
    with pytest.raises(Unknown):
        entrance.door.agent_of(EARLIER)


def test_pause_has_one_of_the_reasons_that_there_are(entrance: Entrance) -> None:
    with pytest.raises(Refusal, match="almuerzo, baño, capacitación"):
        entrance.wishes(PauseAsked(agent=ANA, reason="siesta", by=INSTALLATION))
    assert [each.what for each in entrance.refused()] == ["pause"]
    entrance.wishes(PauseAsked(agent=ANA, reason="", by=INSTALLATION))
    assert entrance.house.presence(ANA) is Presence.PAUSED


def test_citizen_is_passed_on_to_somebody_who_is_there_and_to_no_number_outside(entrance: Entrance) -> None:
    house = entrance.house
    call = house.call_to()
    assert entrance.door.agent_of(call) is None
    house.talks(call)
    assert entrance.door.agent_of(call) == ANA
    for to in (Destination(DestinationKind.QUEUE, "otra"), Destination(DestinationKind.NUMBER, "1950")):
        with pytest.raises(Refusal, match=r"there is no queue otra|no number outside"):
            entrance.wishes(TransferAsked(call=call, agent=ANA, to=to, by=INSTALLATION))
    assert [(each.call, each.what) for each in entrance.refused()] == [(call, "transfer")] * 2


def test_supervisor_needs_a_telephone_that_is_there_and_free(entrance: Entrance) -> None:
    house = entrance.house
    call = house.call_to()
    house.talks(call)
    other = house.call_to()
    house.rings(other)
    for supervisor, why in ((SOL, "has no telephone here"), (LUIS, "is in a call")):
        with pytest.raises(Refusal, match=why):
            entrance.wishes(SupervisionAsked(call=call, supervisor=supervisor, mode=Supervision.LISTEN))
    house.hangs_up(other)
    house.node.phone_becomes(LUIS, "UNAVAILABLE")
    house.hear()
    with pytest.raises(Refusal, match="is not there"):
        entrance.wishes(TakeOverAsked(call=call, supervisor=LUIS))


def test_supervisor_who_wraps_up_a_part_of_this_very_call_takes_no_part_in_it_yet(entrance: Entrance) -> None:
    """Taking it over then would be what cannot be, and cost the citizen the call."""
    house = entrance.house
    call = house.call_to()
    house.talks(call)
    roster = house.engine.agents.roster
    roster.put(msgspec.structs.replace(roster[LUIS], presence=Presence.WRAP_UP, call=call))
    with pytest.raises(Refusal, match="wraps one up"):
        entrance.wishes(SupervisionAsked(call=call, supervisor=LUIS, mode=Supervision.LISTEN))


def test_disposition_of_an_earlier_contact_is_of_the_queue_that_the_store_knows(entrance: Entrance) -> None:
    asked = DispositionAsked(agent=ANA, call=EARLIER, disposition="resuelto")
    with pytest.raises(Refusal, match="not in the queue's list"):
        entrance.wishes(asked)
    with pytest.raises(Refusal, match="no contact of this agent"):
        entrance.wishes(DispositionAsked(agent=LUIS, call=EARLIER, disposition="resuelto"))
