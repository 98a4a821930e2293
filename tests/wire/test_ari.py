"""ARI: recorded bytes of a real Asterisk 22.10.1, and everything that a peer might send instead."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telefonista.kernel.commands import (
    Answer,
    Connect,
    Disconnect,
    HangUp,
    PbxCommand,
    Play,
    Prompt,
    Ring,
    StartMusic,
    StartRecording,
    StopMusic,
    StopPlayback,
    StopRecording,
)
from telefonista.kernel.events import (
    CallArrived,
    CommandFailed,
    DigitPressed,
    Event,
    LegAnswered,
    LegEnded,
    LegRang,
    Phone,
    PhoneChanged,
    PlaybackEnded,
)
from telefonista.kernel.ids import (
    AgentId,
    BridgeId,
    CallId,
    LegId,
    LineName,
    PlaybackId,
    RecordingId,
    RouteName,
    citizen_leg,
)
from telefonista.kernel.ports import PeerError, Refused
from telefonista.pbx.wire import ari

RECORDINGS = Path(__file__).parent / "recordings"
CALL = CallId("nodo1-1700000000.7")
CITIZEN = LegId(CALL)
AGENT_LEG = LegId(f"{CALL}.a1")
PLAYBACK = PlaybackId(f"{CALL}.p1")
BRIDGE = BridgeId(f"{CALL}.b1")
RECORDING = RecordingId(f"{CALL}.r1")


def lines(name: str, *, sender: str = "asterisk") -> list[str]:
    """What one side said in a recording, in order."""
    recorded = (RECORDINGS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [each["text"] for each in map(json.loads, recorded) if each["from"] == sender]


def events(texts: list[str]) -> list[Event]:
    """What a sequence of messages means."""
    meant = []
    for text in texts:
        message = ari.decode(text)
        event = None if message is None else ari.to_kernel(message)
        if event is not None:
            meant.append(event)
    return meant


def requests(command: PbxCommand) -> tuple[ari.Request, ...]:
    return ari.requests_for(command, application="telefonista", prompt_uri=lambda prompt: f"sound:{prompt.text}")


COMMANDS: list[PbxCommand] = [
    Answer(call=CALL, leg=CITIZEN),
    Play(call=CALL, leg=CITIZEN, playback=PLAYBACK, prompts=(Prompt(text="uno"), Prompt(text="dos"))),
    StopPlayback(call=CALL, playback=PLAYBACK),
    StartMusic(call=CALL, leg=CITIZEN),
    StopMusic(call=CALL, leg=CITIZEN),
    Ring(call=CALL, leg=AGENT_LEG, agent=AgentId("101"), citizen=CITIZEN, shown_number="+59899123456", timeout_s=14.2),
    Connect(call=CALL, bridge=BRIDGE, legs=(CITIZEN, AGENT_LEG)),
    Disconnect(call=CALL, bridge=BRIDGE),
    HangUp(call=CALL, leg=CITIZEN),
]


def test_recorded_talk_is_a_call_that_rings_is_answered_and_ends() -> None:
    meant = events(lines("talk"))
    call = meant[0].call if isinstance(meant[0], CallArrived) else None
    assert call is not None
    leg = LegId(f"{call}.a1")
    assert [each for each in meant if not isinstance(each, PhoneChanged)] == [
        CallArrived(call=call, line=LineName("0800-info"), dialled="4636", route=RouteName("red"), caller="099123456"),
        PlaybackEnded(call=call, playback=PlaybackId(f"{call}.p1")),
        LegRang(call=call, leg=leg),
        LegAnswered(call=call, leg=leg),
        LegEnded(call=call, leg=leg, cause=16),
        LegEnded(call=call, leg=LegId(call), cause=16),
    ]
    phones = [each.phone for each in meant if isinstance(each, PhoneChanged)]
    assert phones == [Phone.RINGING, Phone.BUSY, Phone.IDLE]


def test_recorded_busy_agent_ends_the_leg_with_user_busy() -> None:
    ended = [each for each in events(lines("busy")) if isinstance(each, LegEnded)]
    assert [(each.cause, each.sip_status) for each in ended] == [(17, 486), (16, None)]


def test_recorded_agent_who_does_not_answer_ends_the_leg_with_no_answer() -> None:
    meant = events(lines("noanswer"))
    ended = [each for each in meant if isinstance(each, LegEnded)]
    assert [(each.cause, each.sip_status) for each in ended] == [(19, 480), (16, None)]
    assert any(isinstance(each, LegRang) for each in meant)


def test_recorded_digits_are_told_with_their_leg() -> None:
    pressed = [each for each in events(lines("dtmf")) if isinstance(each, DigitPressed)]
    assert [each.digit for each in pressed] == ["1", "#"]
    assert all(each.leg == citizen_leg(each.call) for each in pressed)


def test_recorded_hang_up_in_the_middle_of_a_prompt_ends_the_prompt_and_the_leg() -> None:
    *_, played, left = events(lines("hangup"))
    assert isinstance(played, PlaybackEnded)
    assert played.failed
    assert isinstance(left, LegEnded)


@pytest.mark.parametrize("name", ["talk", "busy", "noanswer", "dtmf", "hangup"])
def test_every_recorded_message_is_understood(name: str) -> None:
    for text in lines(name):
        kind = json.loads(text)["type"]
        message = ari.decode(text.encode())
        assert type(message).__name__ == kind
        assert message is not None
        assert ari.epoch_s(message.timestamp) is not None


@pytest.mark.parametrize("name", ["talk", "busy", "noanswer", "dtmf", "hangup"])
def test_every_recorded_message_cut_anywhere_is_a_peer_error(name: str) -> None:
    for text in lines(name)[:12]:
        raw = text.encode()
        for end in range(len(raw)):
            with pytest.raises(PeerError):
                ari.decode(raw[:end])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"42",
        b'"StasisStart"',
        b"{}",
        b'{"type":7}',
        b'{"type":null}',
        b'{"type":"StasisStart"}',
        b'{"type":"StasisStart","args":"x","channel":{"id":"1"}}',
        b'{"type":"StasisEnd","channel":{"id":7}}',
        b'{"type":"ChannelDestroyed","cause":"x","channel":{"id":"1"}}',
        b'{"type":"RESTResponse","request_id":"1","status_code":null}',
        b'{"type":"StasisEnd","channel":{"id":"\xff\xfe"}}',
        b'{"type":"StasisEnd","channel":{"id":"1"}} x',
        b"[" * 100_000,
        b'{"type":"StasisEnd","channel":' * 5_000,
    ],
)
def test_message_that_is_not_one_is_a_peer_error(raw: bytes) -> None:
    with pytest.raises(PeerError):
        ari.decode(raw)


def test_words_of_a_peer_error_are_bounded() -> None:
    with pytest.raises(PeerError) as problem:
        ari.decode(b'{"type":"StasisEnd","channel":{"id":' + b"[" * 900 + b"]" * 900 + b"}}")
    assert len(str(problem.value)) < 250


def test_unknown_type_is_nothing_even_with_bad_bytes_in_a_name() -> None:
    assert ari.decode(b'{"type":"ChannelVarset","variable":"x","value":"y"}') is None


def test_fields_that_we_do_not_read_cannot_break_a_message() -> None:
    message = ari.decode(b'{"type":"StasisEnd","timestamp":"","channel":{"id":"a.1","caller":{"name":"\xff"}}}')
    assert message is not None
    assert ari.to_kernel(message) == LegEnded(call=CallId("a.1"), leg=LegId("a.1"), cause=16)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_a_peer_error(raw: bytes) -> None:
    with contextlib.suppress(PeerError):
        message = ari.decode(raw)
        assert message is None or type(message) in ari.Inbound.__args__


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.sampled_from(ari.WANTED),
    st.dictionaries(
        st.sampled_from(
            ["channel", "args", "cause", "digit", "playback", "device_state", "request_id", "status_code", "timestamp"]
        ),
        JSON
        | st.fixed_dictionaries({"id": st.text(max_size=30)})
        | st.fixed_dictionaries({"name": st.text(), "state": st.text()})
        | st.lists(st.text(), max_size=5),
    ),
)
def test_any_fields_are_an_event_or_a_peer_error(kind: str, fields: dict[str, Any]) -> None:
    try:
        message = ari.decode(json.dumps({**fields, "type": kind}))
    except PeerError:
        return
    assert message is not None
    ari.to_kernel(message)
    ari.epoch_s(message.timestamp)


@pytest.mark.parametrize(
    ("stamp", "at"),
    [
        ("2026-11-21T18:01:08.983+0000", 1795284068.983),
        ("2026-11-21T15:01:08.983-0300", 1795284068.983),
        ("", None),
        ("yesterday", None),
    ],
)
def test_time_is_read_with_its_offset(stamp: str, at: float | None) -> None:
    assert ari.epoch_s(stamp) == at


def test_call_without_arguments_arrives_with_empty_ones() -> None:
    message = ari.decode('{"type":"StasisStart","args":["0800-info"],"channel":{"id":"x.1"}}')
    assert message is not None
    assert ari.to_kernel(message) == CallArrived(
        call=CallId("x.1"), line=LineName("0800-info"), dialled="", route=RouteName(""), caller=""
    )


def test_callers_number_is_bounded_and_without_control_characters() -> None:
    number = "099\r\n1\x00" + "9" * 500
    text = {"type": "StasisStart", "args": [], "channel": {"id": "x.1", "caller": {"number": number}}}
    message = ari.decode(json.dumps(text))
    assert message is not None
    arrived = ari.to_kernel(message)
    assert isinstance(arrived, CallArrived)
    assert arrived.caller.startswith("09919")
    assert len(arrived.caller) <= ari.LONGEST_TEXT


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"ChannelDestroyed","cause":16,"channel":{"id":"x.1"}}',
        '{"type":"StasisEnd","channel":{"id":"x.1.a1"}}',
        '{"type":"ChannelStateChange","channel":{"id":"x.1","state":"Ringing"}}',
        '{"type":"ChannelStateChange","channel":{"id":"x.1.a1","state":"Up"}}',
        '{"type":"PlaybackFinished","playback":{"id":"not-ours","state":"done"}}',
        '{"type":"DeviceStateChanged","device_state":{"name":"Stasis:x","state":"INUSE"}}',
        '{"type":"DeviceStateChanged","device_state":{"name":"PJSIP/","state":"INUSE"}}',
        '{"type":"ApplicationReplaced","application":"telefonista"}',
    ],
)
def test_message_about_what_is_not_ours_means_nothing(text: str) -> None:
    message = ari.decode(text)
    assert message is not None
    assert ari.to_kernel(message) is None


@pytest.mark.parametrize(
    ("state", "phone"),
    [
        ("UNAVAILABLE", Phone.UNREACHABLE),
        ("INVALID", Phone.UNREACHABLE),
        ("UNKNOWN", Phone.UNREACHABLE),
        ("NOT_INUSE", Phone.IDLE),
        ("RINGING", Phone.RINGING),
        ("INUSE", Phone.BUSY),
        ("BUSY", Phone.BUSY),
        ("ONHOLD", Phone.BUSY),
        ("RINGINUSE", Phone.BUSY),
        ("something new", Phone.UNREACHABLE),
    ],
)
def test_device_state_is_a_phones(state: str, phone: Phone) -> None:
    assert ari.phone_of(state) is phone


def said(command: PbxCommand) -> list[tuple[str, str, dict[str, str]]]:
    return [(each.method, each.uri, {query.name: query.value for query in each.query}) for each in requests(command)]


def test_commands_are_the_requests_that_asterisk_documents() -> None:
    assert [each for command in COMMANDS for each in said(command)] == [
        ("POST", f"channels/{CALL}/answer", {}),
        ("POST", f"channels/{CALL}/play/{CALL}.p1", {"media": "sound:uno,sound:dos"}),
        ("DELETE", f"playbacks/{CALL}.p1", {}),
        ("POST", "bridges/telefonista-waiting/addChannel", {"channel": CALL, "role": "participant"}),
        ("POST", "bridges/telefonista-waiting/moh", {}),
        ("POST", "bridges/telefonista-waiting/removeChannel", {"channel": CALL}),
        (
            "POST",
            f"channels/{CALL}.a1",
            {
                "endpoint": "PJSIP/101",
                "app": "telefonista",
                "timeout": "15",
                "originator": CALL,
                "callerId": "+59899123456",
            },
        ),
        ("POST", f"bridges/{CALL}.b1", {"type": "mixing,dtmf_events"}),
        ("POST", f"bridges/{CALL}.b1/addChannel", {"channel": f"{CALL},{CALL}.a1"}),
        ("DELETE", f"bridges/{CALL}.b1", {}),
        ("DELETE", f"channels/{CALL}", {"reason": "normal"}),
    ]


def test_request_is_the_message_that_asterisk_reads() -> None:
    request = requests(COMMANDS[3])[0]
    assert json.loads(ari.encode(request, request_id="7")) == {
        "type": "RESTRequest",
        "request_id": "7",
        "method": "POST",
        "uri": "bridges/telefonista-waiting/addChannel",
        "query_strings": [{"name": "channel", "value": CALL}, {"name": "role", "value": "participant"}],
    }


def test_filter_lets_our_own_answers_through() -> None:
    request = ari.event_filter("telefonista")
    message = json.loads(ari.encode(request, request_id="1"))
    allowed = {each["type"] for each in json.loads(message["message_body"])["allowed"]}
    assert message["content_type"] == "application/json"
    assert "RESTResponse" in allowed
    assert allowed == {each.__name__ for each in ari.Inbound.__args__}


def test_phone_is_subscribed_to_by_its_device() -> None:
    request = ari.subscription(AgentId("101"), application="telefonista")
    assert (request.method, request.uri) == ("POST", "applications/telefonista/subscription")
    assert request.query == (ari.Query("eventSource", "deviceState:PJSIP/101"),)


def test_timeout_of_a_ring_is_at_least_a_second() -> None:
    ring = COMMANDS[5]
    assert isinstance(ring, Ring)
    assert said(msgspec.structs.replace(ring, timeout_s=0.0))[0][2]["timeout"] == "1"


EVIL = ["a\r\nb", "a\nb", "a\x00b", "a/b", "a b", "a?b", "a&b", "a%2fb", "", "ñ", "x" * 500]


@pytest.mark.parametrize("text", EVIL)
def test_name_that_is_not_one_never_goes_into_a_path(text: str) -> None:
    commands: list[PbxCommand] = [
        Answer(call=CALL, leg=LegId(text)),
        StopPlayback(call=CALL, playback=PlaybackId(text)),
        Disconnect(call=CALL, bridge=BridgeId(text)),
        Connect(call=CALL, bridge=BRIDGE, legs=(CITIZEN, LegId(text))),
        StartMusic(call=CALL, leg=LegId(text)),
        StopMusic(call=CALL, leg=LegId(text)),
        Ring(call=CALL, leg=AGENT_LEG, agent=AgentId(text), citizen=CITIZEN, shown_number="", timeout_s=1),
        Ring(call=CALL, leg=AGENT_LEG, agent=AgentId("1"), citizen=LegId(text), shown_number="", timeout_s=1),
    ]
    for command in commands:
        with pytest.raises(Refused):
            requests(command)
    with pytest.raises(Refused):
        ari.claim(text, application="telefonista")
    with pytest.raises(Refused):
        ari.subscription(AgentId(text), application="telefonista")


@pytest.mark.parametrize("text", ["uno\r\ndos", "uno\x00", "uno,sound:dos"])
def test_sound_that_would_be_two_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        requests(Play(call=CALL, leg=CITIZEN, playback=PLAYBACK, prompts=(Prompt(text=text),)))


def test_nothing_to_play_is_refused() -> None:
    with pytest.raises(Refused):
        requests(Play(call=CALL, leg=CITIZEN, playback=PLAYBACK, prompts=()))


def test_recording_is_not_aris_to_do() -> None:
    for command in (
        StartRecording(call=CALL, leg=CITIZEN, recording=RECORDING),
        StopRecording(call=CALL, leg=CITIZEN, recording=RECORDING),
    ):
        with pytest.raises(Refused):
            requests(command)
        assert ari.refused(command, why="no") == CommandFailed(
            call=CALL, command=type(command).__name__, subject=RECORDING, why="no"
        )


@given(st.text(max_size=60))
def test_no_number_brings_a_control_character_or_markup_out(shown: str) -> None:
    ring = Ring(call=CALL, leg=AGENT_LEG, agent=AgentId("1"), citizen=CITIZEN, shown_number=shown, timeout_s=1)
    number = said(ring)[0][2]["callerId"]
    assert number == ari.NO_NUMBER or set(number) <= set("+0123456789")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
@pytest.mark.parametrize("status", [200, 201, 204])
def test_success_needs_no_event(command: PbxCommand, status: int) -> None:
    for request in requests(command):
        assert ari.outcome(command, request, status=status, body="") is None
    assert ari.doubt(command, status=status) is None


@pytest.mark.parametrize(
    ("command", "status", "expected"),
    [
        (COMMANDS[0], 404, None),
        (COMMANDS[0], 409, None),
        (COMMANDS[0], 412, None),
        (COMMANDS[0], 500, CommandFailed(call=CALL, command="Answer", subject=CALL, why="500 no")),
        (COMMANDS[1], 404, PlaybackEnded(call=CALL, playback=PLAYBACK, failed=True)),
        (COMMANDS[1], 409, PlaybackEnded(call=CALL, playback=PLAYBACK, failed=True)),
        (COMMANDS[1], 500, PlaybackEnded(call=CALL, playback=PLAYBACK, failed=True)),
        (COMMANDS[2], 404, None),
        (COMMANDS[3], 422, None),
        (COMMANDS[4], 500, CommandFailed(call=CALL, command="StopMusic", subject=CALL, why="500 no")),
        (COMMANDS[5], 500, LegEnded(call=CALL, leg=AGENT_LEG, cause=20)),
        (COMMANDS[5], 400, LegEnded(call=CALL, leg=AGENT_LEG, cause=3)),
        (COMMANDS[5], 503, LegEnded(call=CALL, leg=AGENT_LEG, cause=41)),
        (COMMANDS[5], 409, None),
        (COMMANDS[6], 409, None),
        (COMMANDS[7], 404, None),
        (COMMANDS[8], 404, None),
        (COMMANDS[8], 400, CommandFailed(call=CALL, command="HangUp", subject=CALL, why="400 no")),
    ],
)
def test_refusal_means_what_the_engine_must_know(command: PbxCommand, status: int, expected: Event | None) -> None:
    first = requests(command)[0]
    assert ari.outcome(command, first, status=status, body='{"message":"no"}') == expected


@pytest.mark.parametrize(("status", "silent"), [(400, True), (422, True), (404, False), (409, False)])
def test_leg_that_is_gone_when_it_should_be_connected_is_told_by_its_own_end(status: int, silent: bool) -> None:
    joining = requests(COMMANDS[6])[1]
    event = ari.outcome(COMMANDS[6], joining, status=status, body="")
    assert (event is None) is silent


def test_conflict_of_a_ring_is_looked_into() -> None:
    question = ari.doubt(COMMANDS[5], status=409)
    assert question is not None
    assert (question.method, question.uri) == ("GET", f"channels/{AGENT_LEG}")
    assert ari.settled(COMMANDS[5], status=200) is None
    assert ari.settled(COMMANDS[5], status=404) == LegEnded(call=CALL, leg=AGENT_LEG, cause=20)
    assert ari.doubt(COMMANDS[0], status=409) is None


@pytest.mark.parametrize("body", ["", "no json", "[]", '{"error":"no"}', "\x00" * 1000, '{"message":7}'])
def test_explanation_of_a_refusal_is_kept_short_whatever_it_is(body: str) -> None:
    (request,) = requests(COMMANDS[0])
    event = ari.outcome(COMMANDS[0], request, status=500, body=body)
    assert isinstance(event, CommandFailed)
    assert len(event.why) <= ari.LONGEST_TEXT


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_every_command_has_a_subject(command: PbxCommand) -> None:
    assert ari.subject_of(command).startswith(CALL)


def test_registration_is_dropped_by_its_id_with_its_signs_escaped() -> None:
    request = ari.forget_contact("101;@673f1ceeaebbc26b719a6c8b3f812950")
    assert (request.method, request.harmless) == ("DELETE", (404,))
    assert request.uri == "asterisk/config/dynamic/res_pjsip/contact/101%3B%40673f1ceeaebbc26b719a6c8b3f812950"


@pytest.mark.parametrize("contact", ["", "101", "101;@xyz", "../aor/101", "101;@" + "0" * 33, "1/1;@" + "0" * 32])
def test_what_is_no_registration_is_never_asked_to_be_deleted(contact: str) -> None:
    with pytest.raises(Refused):
        ari.forget_contact(contact)
