"""Listening as requests and messages of ARI's: a channel that only hears is nobody's leg."""

import json

import pytest

from telefonista.kernel.commands import StartListening, StopListening
from telefonista.kernel.events import SpeechFailed
from telefonista.kernel.ids import (
    CallId,
    LegId,
    ListeningId,
    NodeName,
    call_of,
    citizen_leg,
    is_listening,
    is_ours,
    listening_id,
)
from telefonista.kernel.ports import Refused
from telefonista.pbx.wire import ari, observation

CALL = CallId("tf1-1.1")
LISTENING = listening_id(CALL, n=2)
START = StartListening(
    call=CALL,
    leg=LegId(CALL),
    listening=LISTENING,
    node=NodeName("quiere"),
    language="es",
    phrases=(("sí", "claro"), ("no",)),
)
KEY = "7" * 37


def message(kind: str, **content: object) -> ari.Inbound:
    read = ari.decode(json.dumps({"type": kind, "timestamp": "2026-11-21T20:00:00.000+0000", **content}))
    assert read is not None
    return read


def channel(name: str = LISTENING) -> dict[str, object]:
    return {"id": name, "state": "Up"}


def test_a_listening_has_an_id_of_its_own_that_tells_its_call() -> None:
    assert LISTENING == "tf1-1.1.l2"
    assert is_listening(LISTENING)
    assert is_ours(LISTENING)
    assert call_of(LISTENING) == CALL
    assert not is_listening(CALL)


def test_a_channel_is_made_that_has_what_the_citizen_says_and_nothing_else() -> None:
    request = ari.eavesdrop(START, key=KEY, application="telefonista")
    assert (request.method, request.uri) == ("POST", "channels/tf1-1.1/snoop/tf1-1.1.l2")
    assert {query.name: query.value for query in request.query} == {
        "spy": "in",
        "app": "telefonista",
        "appArgs": KEY,
    }
    assert 404 in request.harmless


def test_when_it_enters_the_application_it_goes_on_to_who_expects_its_key() -> None:
    started = message("StasisStart", args=[KEY], channel=channel())
    assert isinstance(started, ari.StasisStart)
    request = ari.onward(started, context="listening")
    assert request is not None
    assert request.uri == "channels/tf1-1.1.l2/continue"
    assert {query.name: query.value for query in request.query} == {
        "context": "listening",
        "extension": KEY,
        "priority": "1",
    }


def test_nobody_else_is_taken_onward() -> None:
    started = message("StasisStart", args=["0800-info", "4636", "ciudadanos"], channel=channel(CALL))
    assert isinstance(started, ari.StasisStart)
    assert ari.onward(started, context="listening") is None


def test_a_channel_that_listens_without_a_key_goes_nowhere() -> None:
    started = message("StasisStart", args=[], channel=channel())
    assert isinstance(started, ari.StasisStart)
    with pytest.raises(Refused):
        ari.onward(started, context="listening")


@pytest.mark.parametrize(
    "told",
    [
        message("StasisStart", args=[KEY], channel=channel()),
        message("StasisEnd", channel=channel()),
        message("ChannelDestroyed", cause=16, channel=channel()),
        message("ChannelDtmfReceived", digit="1", channel=channel()),
        message("ChannelStateChange", channel={"id": LISTENING, "state": "Ringing"}),
    ],
    ids=lambda told: type(told).__name__,
)
def test_what_happens_to_a_channel_that_listens_happens_to_nobody(told: ari.Inbound) -> None:
    assert ari.to_kernel(told) is None


def test_a_channel_that_listens_is_none_of_the_legs_that_are_seen() -> None:
    seen = observation.observation(
        channels=json.dumps([channel(CALL), channel()]), bridges="[]", application='{"channel_ids": []}', phones={}
    )
    assert [leg.leg for leg in seen.legs] == [citizen_leg(CALL)]


def test_a_refused_listening_has_failed() -> None:
    assert ari.refused(START, why="500 no memory") == SpeechFailed(
        call=CALL, listening=ListeningId("tf1-1.1.l2"), node=NodeName("quiere"), why="500 no memory"
    )
    assert ari.subject_of(START) == LISTENING


def test_ari_itself_understands_nothing() -> None:
    for command in (START, StopListening(call=CALL, listening=LISTENING)):
        with pytest.raises(Refused):
            ari.requests_for(command, application="telefonista", prompt_uri=lambda prompt: "sound:x")
