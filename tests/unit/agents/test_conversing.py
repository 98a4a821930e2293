"""Whose key it is, and what it asks for."""

import pytest

from agents.core.conversing import Conversing
from agents.core.directory import Directory
from telefonista.kernel.events import (
    ConferenceAsked,
    ConsultationAsked,
    ConsultationEndAsked,
    ConversationEnded,
    ConversationStarted,
    Destination,
    DestinationKind,
    DigitPressed,
    EndReason,
    Event,
    HoldAsked,
    ReferReceived,
    RequestRefused,
    TransferAsked,
    TransferCompletionAsked,
)
from telefonista.kernel.ids import AgentId, CallId, QueueName, agent_leg, bridge_id, citizen_leg

ANA, LUIS = AgentId("101"), AgentId("102")
CALL, OTHER = CallId("tf1-1700000000.1"), CallId("tf1-1700000000.2")
LEG = agent_leg(CALL, n=1)
TO_LUIS = Destination(DestinationKind.AGENT, LUIS)


def talking(*, on_hold: bool = False) -> Conversing:
    conversing = Conversing(on_hold=lambda agent: on_hold)
    conversing.directory = Directory(agents=frozenset({ANA, LUIS}))
    conversing.started(
        ConversationStarted(call=CALL, agent=ANA, leg=LEG, bridge=bridge_id(CALL, n=1), queue=QueueName("general"))
    )
    return conversing


def keyed(conversing: Conversing, keys: str, *, leg: str = LEG) -> list[object]:
    return [
        told
        for n, key in enumerate(keys)
        for told in conversing.pressed(
            DigitPressed(call=CALL, leg=agent_leg(CALL, n=1) if leg == LEG else citizen_leg(CALL), digit=key),
            at=100.0 + n,
        )
    ]


@pytest.mark.parametrize(
    ("keys", "wish"),
    [
        ("*1102#", TransferAsked(call=CALL, agent=ANA, to=TO_LUIS)),
        ("*2102#", ConsultationAsked(call=CALL, agent=ANA, to=TO_LUIS)),
        ("*3", ConferenceAsked(call=CALL, agent=ANA)),
        ("*4", TransferCompletionAsked(call=CALL, agent=ANA)),
        ("*5", ConsultationEndAsked(call=CALL, agent=ANA)),
        ("*8", HoldAsked(call=CALL, agent=ANA, on=True)),
        ("*1103#", RequestRefused(call=CALL, by=ANA, what="transfer", why="nobody has this number: 103")),
        ("*2103#", RequestRefused(call=CALL, by=ANA, what="consult", why="nobody has this number: 103")),
    ],
)
def test_key_of_an_agent_asks_for_what_it_stands_for(keys: str, wish: Event) -> None:
    assert keyed(talking(), keys) == [wish]


def test_hold_key_gives_the_citizen_back_who_is_on_hold() -> None:
    assert keyed(talking(on_hold=True), "*8") == [HoldAsked(call=CALL, agent=ANA, on=False)]


def test_keys_of_the_citizen_are_never_taken_for_the_agents() -> None:
    assert keyed(talking(), "*1102#*8", leg=citizen_leg(CALL)) == []


def test_transfer_key_of_a_telephone_is_a_transfer() -> None:
    conversing = talking()
    assert conversing.referred(ReferReceived(call=CALL, leg=LEG, dialled="102")) == [
        TransferAsked(call=CALL, agent=ANA, to=TO_LUIS)
    ]
    (refused,) = conversing.referred(ReferReceived(call=CALL, leg=citizen_leg(CALL), dialled="102"))
    assert isinstance(refused, RequestRefused)


def test_keys_mean_nothing_any_more_when_the_conversation_is_over() -> None:
    conversing = talking()
    conversing.ended(ConversationEnded(call=CALL, agent=ANA, leg=LEG, reason=EndReason.TRANSFERRED))
    assert keyed(conversing, "*8") == []


def test_call_that_is_over_leaves_nothing_behind() -> None:
    conversing = talking()
    conversing.forget(OTHER)
    assert list(conversing.talks) == [LEG]
    conversing.forget(CALL)
    assert conversing.talks == {}
