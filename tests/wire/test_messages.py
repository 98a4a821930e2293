"""A citizen's spoken message on the wire: how it is asked for, ended, and told of."""

import json
from typing import Any

import pytest

from telefonista.kernel.commands import PbxCommand, RecordMessage, StopMessage
from telefonista.kernel.events import Event, MessageFailed, MessageRecorded
from telefonista.kernel.ids import CallId, citizen_leg, recording_id
from telefonista.pbx.wire import ari

CALL = CallId("nodo1-1700000000.7")
MESSAGE = recording_id(CALL, n=501)
RECORD = RecordMessage(call=CALL, leg=citizen_leg(CALL), recording=MESSAGE, longest_s=59.5)


def requests(command: PbxCommand) -> tuple[ari.Request, ...]:
    return ari.requests_for(command, application="telefonista", prompt_uri=lambda prompt: f"sound:{prompt.text}")


def told(kind: str, **recording: Any) -> Event | None:
    message = ari.decode(json.dumps({"type": kind, "recording": {"name": MESSAGE, **recording}}))
    assert message is not None
    return ari.to_kernel(message)


def test_message_is_recorded_after_a_tone_and_ends_by_silence_too() -> None:
    tone, request = requests(RECORD)
    asked = {query.name: query.value for query in request.query}
    assert (tone.method, tone.uri) == ("POST", f"channels/{CALL}/play")
    assert tone.query == (ari.Query("media", f"sound:{ari.TONE.text}"),)
    assert (request.method, request.uri) == ("POST", f"channels/{CALL}/record")
    assert (asked["name"], asked["terminateOn"]) == (MESSAGE, "none")
    assert (asked["maxDurationSeconds"], asked["maxSilenceSeconds"]) == ("60", "5")


def test_message_is_ended_and_one_that_has_ended_is_no_trouble() -> None:
    (request,) = requests(StopMessage(call=CALL, recording=MESSAGE))
    assert (request.method, request.uri) == ("POST", f"recordings/live/{MESSAGE}/stop")
    assert ari.outcome(StopMessage(call=CALL, recording=MESSAGE), request, status=404, body="") is None


def test_finished_recording_is_a_message_unless_nobody_spoke() -> None:
    assert told("RecordingFinished", duration=7, talking_duration=5, state="done") == MessageRecorded(
        call=CALL, recording=MESSAGE, duration_s=7.0
    )
    assert told("RecordingFinished", duration=6, talking_duration=0) == MessageFailed(
        call=CALL, recording=MESSAGE, why="nothing was said"
    )


@pytest.mark.parametrize(("cause", "why"), [("disk full\r\n", "disk full"), ("", "failed")])
def test_failed_recording_says_why(cause: str, why: str) -> None:
    assert told("RecordingFailed", cause=cause) == MessageFailed(call=CALL, recording=MESSAGE, why=why)


def test_recordings_that_are_not_ours_mean_nothing() -> None:
    assert told("RecordingFinished", name="saludo") is None
    assert told("RecordingFailed", name="saludo") is None


def test_refused_recording_is_a_message_that_failed() -> None:
    _, request = requests(RECORD)
    failed = ari.outcome(RECORD, request, status=409, body='{"message":"no"}')
    assert failed == MessageFailed(call=CALL, recording=MESSAGE, why="409 no")
    assert ari.subject_of(RECORD) == MESSAGE
