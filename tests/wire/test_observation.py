"""Lists of what is alive: recorded ones, hostile ones, and what happened while they were made."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telefonista.kernel.events import (
    CallArrived,
    DigitPressed,
    Event,
    LegAnswered,
    LegEnded,
    Phone,
    PhoneChanged,
)
from telefonista.kernel.ids import AgentId, BridgeId, CallId, LegId, LineName, RouteName
from telefonista.kernel.ports import Observation, ObservedBridge, ObservedLeg, PeerError, Refused
from telefonista.pbx.wire import ari, observation
from tests.wire.test_ari import RECORDINGS

CALL = CallId("nodo1-1.7")
CITIZEN = LegId(CALL)
LEG = LegId(f"{CALL}.a1")
BRIDGE = BridgeId(f"{CALL}.b1")
AGENT = AgentId("101")


def recorded(uri: str) -> list[str]:
    """The bodies that Asterisk answered a GET with, in order."""
    spoken = [json.loads(line) for line in (RECORDINGS / "talk.jsonl").read_text(encoding="utf-8").splitlines()]
    asked = {
        json.loads(each["text"])["request_id"]
        for each in spoken
        if each["from"] == "engine"
        and (json.loads(each["text"])["method"], json.loads(each["text"])["uri"]) == ("GET", uri)
    }
    answers = [json.loads(each["text"]) for each in spoken if each["from"] == "asterisk"]
    return [each["message_body"] for each in answers if each["type"] == "RESTResponse" and each["request_id"] in asked]


def seen(**bodies: Any) -> Observation:
    given = {"channels": "[]", "bridges": "[]", "application": '{"channel_ids":[]}', "phones": {}, **bodies}
    return observation.observation(**given)


def test_recorded_conversation_is_seen_as_two_legs_in_one_bridge() -> None:
    got = seen(
        channels=recorded("channels")[-1],
        bridges=recorded("bridges")[-1],
        application=recorded("applications/telefonista")[-1],
        phones={AGENT: recorded("deviceStates/PJSIP%2F101")[-1]},
    )
    citizen, agent = sorted(got.legs, key=lambda each: each.leg)
    assert citizen == ObservedLeg(
        leg=citizen.leg,
        answered=True,
        in_application=True,
        caller="099123456",
        line="0800-info",
        dialled="4636",
        route="red",
    )
    assert agent == ObservedLeg(leg=LegId(f"{citizen.leg}.a1"), answered=True, in_application=True, caller="099123456")
    (bridge,) = got.bridges
    assert bridge.bridge == f"{citizen.leg}.b1"
    assert bridge.legs == {citizen.leg, agent.leg}
    assert got.phones == {AGENT: Phone.BUSY}


def test_bridge_of_somebody_else_is_not_ours_to_see() -> None:
    assert seen(bridges='[{"id":"a1b2-queue","channels":[]}]').bridges == ()


@pytest.mark.parametrize(
    ("app_name", "app_data", "expected"),
    [
        ("StasisBroadcast", "500,^telefonista$,0800-info:463:red", ("0800-info", "463", "red")),
        ("StasisBroadcast", "500,^telefonista$,0800-info", ("0800-info", "", "")),
        ("StasisBroadcast", "500,^telefonista$", ("", "", "")),
        ("StasisBroadcast", "", ("", "", "")),
        ("Queue", "failsafe,a:b:c,x:y:z", ("", "", "")),
    ],
)
def test_line_number_and_route_are_read_from_the_step_that_handed_the_call_over(
    app_name: str, app_data: str, expected: tuple[str, str, str]
) -> None:
    channel = ari.Channel("x.1", dialplan=ari.DialplanPlace(app_name, app_data))
    assert observation.handed_over(channel) == expected


@pytest.mark.parametrize("what", ["channels", "bridges", "application"])
@pytest.mark.parametrize("body", ["", "null", "7", '[{"id":7}]', "{", "[" * 50_000, '{"channel_ids":"x"}'])
def test_list_that_is_not_one_is_a_peer_error(what: str, body: str) -> None:
    with pytest.raises(PeerError):
        seen(**{what: body})


def test_phone_that_is_not_one_is_a_peer_error() -> None:
    with pytest.raises(PeerError):
        seen(phones={AGENT: "{}"})


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_any_bodies_are_an_observation_or_a_peer_error(channels: str, bridges: str, application: str) -> None:
    try:
        got = seen(channels=channels, bridges=bridges, application=application)
    except PeerError:
        return
    assert isinstance(got, Observation)


def test_questions_name_only_plain_names() -> None:
    assert observation.show_phone(AGENT).uri == "deviceStates/PJSIP%2F101"
    assert observation.show_application("telefonista").uri == "applications/telefonista"
    for name in ("a/b", "a b", "a\r\nb", ""):
        with pytest.raises(Refused):
            observation.show_phone(AgentId(name))
        with pytest.raises(Refused):
            observation.show_application(name)


def leg(name: LegId, *, answered: bool = True) -> ObservedLeg:
    return ObservedLeg(leg=name, answered=answered, in_application=True, caller="")


def arrival(call: CallId) -> CallArrived:
    return CallArrived(call=call, line=LineName("0800-info"), dialled="4636", route=RouteName("red"), caller="1")


def test_leg_that_ended_meanwhile_is_gone_from_the_list_and_from_its_bridge() -> None:
    listed = Observation(
        legs=(leg(CITIZEN), leg(LEG)), bridges=(ObservedBridge(bridge=BRIDGE, legs=frozenset({CITIZEN, LEG})),)
    )
    got = observation.amended(listed, [LegEnded(call=CALL, leg=LEG, cause=16)])
    assert got == Observation(legs=(leg(CITIZEN),), bridges=(ObservedBridge(bridge=BRIDGE, legs=frozenset({CITIZEN})),))


def test_call_that_arrived_meanwhile_is_added_and_one_already_listed_is_not_doubled() -> None:
    other = CallId("nodo1-1.8")
    got = observation.amended(Observation(legs=(leg(CITIZEN),)), [arrival(CALL), arrival(other)])
    assert [(each.leg, each.answered, each.line) for each in got.legs] == [
        (CITIZEN, True, "0800-info"),
        (LegId(other), False, "0800-info"),
    ]


def test_call_that_came_and_went_meanwhile_is_not_there() -> None:
    assert observation.amended(Observation(), [arrival(CALL), LegEnded(call=CALL, leg=CITIZEN, cause=16)]).legs == ()


def test_leg_that_was_answered_meanwhile_is_answered() -> None:
    got = observation.amended(Observation(legs=(leg(LEG, answered=False),)), [LegAnswered(call=CALL, leg=LEG)])
    assert got.legs == (leg(LEG),)


def test_phone_that_changed_meanwhile_is_as_it_is_now_and_only_those_asked_for_are_told() -> None:
    changes: list[Event] = [
        PhoneChanged(agent=AGENT, phone=Phone.BUSY),
        PhoneChanged(agent=AgentId("199"), phone=Phone.IDLE),
        DigitPressed(call=CALL, leg=CITIZEN, digit="1"),
    ]
    assert observation.amended(Observation(phones={AGENT: Phone.IDLE}), changes).phones == {AGENT: Phone.BUSY}
