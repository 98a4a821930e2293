"""Holding, consulting, supervising and dialling out on the wire: what Asterisk tells and what it is asked."""

import json
from typing import Any

import pytest

from telefonista.kernel.commands import (
    AnswerRefer,
    Dial,
    Mute,
    PbxCommand,
    PlayMessage,
    PlayRinging,
    Ring,
    Snoop,
    Unmute,
)
from telefonista.kernel.events import (
    Event,
    LegAnswered,
    LegEnded,
    LegHeld,
    LegRang,
    LegUnheld,
    PlaybackEnded,
    ReferReceived,
)
from telefonista.kernel.ids import (
    AgentId,
    CallId,
    LineName,
    PlaybackId,
    RecordingId,
    RouteName,
    agent_leg,
    citizen_leg,
    contact_id,
    snoop_leg,
    supervisor_leg,
)
from telefonista.kernel.ports import Refused
from telefonista.pbx.wire import ari

CALL = CallId("tf1-1700000000.1")
LEG, SNOOP, SUPERVISOR = agent_leg(CALL, n=1), snoop_leg(CALL, n=1), supervisor_leg(CALL, n=1)
CONTACT = contact_id(CALL, n=1)
PLAYBACK, MESSAGE = PlaybackId(f"{CALL}.p1"), RecordingId(f"{CALL}.r1")
WAY = ari.Way(trunk="red", shown_number="08004636")


def dial(number: str = "29001950") -> Dial:
    return Dial(call=CALL, leg=LEG, number=number, route=RouteName("red"), line=LineName("0800-info"), timeout_s=29.1)


def meant(kind: str, **fields: Any) -> Event | None:
    message = ari.decode(json.dumps({"type": kind, **fields}))
    assert message is not None
    return ari.to_kernel(message)


def requests(command: PbxCommand, *, way: ari.Way = WAY) -> tuple[ari.Request, ...]:
    return ari.requests_for(command, application="telefonista", prompt_uri=lambda prompt: "", way=lambda dial: way)


def said(command: PbxCommand) -> tuple[str, str, dict[str, str]]:
    (request,) = requests(command)
    return request.method, request.uri, {query.name: query.value for query in request.query}


def test_hold_key_of_a_telephone_is_told_with_its_leg() -> None:
    assert meant("ChannelHold", channel={"id": LEG}) == LegHeld(call=CALL, leg=LEG)
    assert meant("ChannelUnhold", channel={"id": LEG}) == LegUnheld(call=CALL, leg=LEG)


def referred(destination: dict[str, str], *, state: str = "") -> Event | None:
    return meant(
        "ChannelTransfer",
        refer_to={"requested_destination": destination},
        referred_by={"source_channel": {"id": LEG}},
        state=state,
    )


def test_transfer_key_is_told_with_what_was_dialled_and_its_progress_is_not_told_again() -> None:
    assert referred({"destination": "102"}) == ReferReceived(call=CALL, leg=LEG, dialled="102")
    assert referred({"destination": "1\r\n" + "2" * 300}) == ReferReceived(call=CALL, leg=LEG, dialled="1" + "2" * 125)
    assert referred({"destination": "102"}, state="channel_answered") is None


def test_transfer_onto_another_dialogue_dials_nothing() -> None:
    onto = referred({"destination": "102", "protocol_id": "abc@127.0.0.1"})
    assert onto == ReferReceived(call=CALL, leg=LEG, dialled="")


def test_citizen_who_is_called_back_is_a_leg_that_we_dialled_and_not_a_call_that_arrives() -> None:
    leg = citizen_leg(CONTACT)
    assert meant("StasisStart", args=[], channel={"id": leg}) == LegAnswered(call=CONTACT, leg=leg)
    assert meant("ChannelStateChange", channel={"id": leg, "state": "Ringing"}) == LegRang(call=CONTACT, leg=leg)
    assert meant("StasisEnd", channel={"id": leg}) is None
    assert meant("ChannelDestroyed", cause=17, channel={"id": leg}) == LegEnded(call=CONTACT, leg=leg, cause=17)


def test_leg_that_only_listens_ends_when_it_leaves_for_nothing_more_is_told_of_it() -> None:
    assert meant("StasisStart", args=[], channel={"id": SNOOP}) == LegAnswered(call=CALL, leg=SNOOP)
    assert meant("StasisEnd", channel={"id": SNOOP}) == LegEnded(call=CALL, leg=SNOOP, cause=16)


def test_number_outside_is_dialled_by_its_trunk_with_a_number_of_ours_and_nothing_of_the_citizens() -> None:
    assert said(dial()) == (
        "POST",
        f"channels/{LEG}",
        {"endpoint": "PJSIP/29001950@red", "app": "telefonista", "timeout": "30", "callerId": "08004636"},
    )
    (anonymous,) = requests(dial(), way=ari.Way(trunk="red"))
    assert ari.Query("callerId", ari.NO_NUMBER) in anonymous.query


@pytest.mark.parametrize("number", ["", "sip:x@y", "1@evil", "1/2", "12;a=b", "1\r\n", "٣٤", "9" * 41, "+"])
def test_what_is_no_number_is_never_dialled(number: str) -> None:
    with pytest.raises(Refused):
        requests(dial(number))


def test_where_no_route_dials_out_nobody_is_dialled_and_the_leg_has_ended() -> None:
    with pytest.raises(Refused, match="no route"):
        ari.requests_for(dial(), application="telefonista", prompt_uri=lambda prompt: "")
    assert ari.refused(dial(), why="no") == LegEnded(call=CALL, leg=LEG, cause=ari.NO_ROUTE)


def test_dialling_that_asterisk_has_done_already_is_looked_into() -> None:
    assert ari.doubt(dial(), status=409) == ari.Request("GET", f"channels/{LEG}")
    assert ari.settled(dial(), status=404) == LegEnded(call=CALL, leg=LEG, cause=20)


def test_telephone_of_somebody_who_takes_part_without_a_citizen_is_rung_for_nobody() -> None:
    ring = Ring(call=CALL, leg=LEG, agent=AgentId("109"), citizen=None, shown_number="101", timeout_s=20)
    assert "originator" not in said(ring)[2]


def test_listening_whispering_and_their_silence_are_the_requests_that_asterisk_documents() -> None:
    assert said(Snoop(call=CALL, leg=SNOOP, at=LEG)) == (
        "POST",
        f"channels/{LEG}/snoop/{SNOOP}",
        {"spy": "both", "whisper": "out", "app": "telefonista"},
    )
    assert said(Mute(call=CALL, leg=SUPERVISOR)) == ("POST", f"channels/{SUPERVISOR}/mute", {"direction": "in"})
    assert said(Unmute(call=CALL, leg=SUPERVISOR)) == ("DELETE", f"channels/{SUPERVISOR}/mute", {"direction": "in"})


def test_waiting_room_is_made_once_and_is_no_trouble_when_it_is_there() -> None:
    room = ari.waiting_room()
    assert (room.method, room.uri, room.harmless) == ("POST", f"bridges/{ari.WAITING_ROOM}", (409,))


def test_ringing_tone_and_message_are_played_to_one_leg() -> None:
    played = f"channels/{LEG}/play/{PLAYBACK}"
    assert said(PlayRinging(call=CALL, leg=LEG, playback=PLAYBACK)) == ("POST", played, {"media": "tone:ring"})
    assert said(PlayMessage(call=CALL, leg=LEG, playback=PLAYBACK, recording=MESSAGE)) == (
        "POST",
        played,
        {"media": f"recording:{MESSAGE}"},
    )


@pytest.mark.parametrize(("accepted", "state"), [(True, "channel_answered"), (False, "channel_declined")])
def test_telephone_is_told_what_came_of_its_transfer(accepted: bool, state: str) -> None:
    assert said(AnswerRefer(call=CALL, leg=LEG, accepted=accepted)) == (
        "POST",
        f"channels/{LEG}/transfer_progress",
        {"states": state},
    )


def test_refusal_to_make_a_leg_ends_it_and_to_play_a_message_ends_that() -> None:
    (snoop,) = requests(Snoop(call=CALL, leg=SNOOP, at=LEG))
    told = ari.outcome(Snoop(call=CALL, leg=SNOOP, at=LEG), snoop, status=404, body="")
    assert told == LegEnded(call=CALL, leg=SNOOP, cause=41)
    message = PlayMessage(call=CALL, leg=LEG, playback=PLAYBACK, recording=MESSAGE)
    (request,) = requests(message)
    ended = PlaybackEnded(call=CALL, playback=PLAYBACK, failed=True)
    assert ari.outcome(message, request, status=404, body="") == ended
    assert ari.subject_of(message) == PLAYBACK
