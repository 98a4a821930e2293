"""ARI as values: Asterisk's JSON becomes kernel events, kernel commands become REST requests for the same WebSocket.

In: one text message, or one command. Out: a typed message, an event, or requests with every value checked. Decides
which of Asterisk's messages mean something to a call, and which refusals do. Malformed input raises `PeerError` and
nothing else; a command that must not be sent raises `Refused`. Must never import I/O, a clock or a vendor's client.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from math import ceil
from typing import Final, assert_never

import msgspec

from telefonista.kernel.commands import (
    Answer,
    AnswerRefer,
    Connect,
    Dial,
    Disconnect,
    HangUp,
    Mute,
    PbxCommand,
    Play,
    PlayMessage,
    PlayRinging,
    Prompt,
    RecordMessage,
    Ring,
    Snoop,
    StartListening,
    StartMusic,
    StartRecording,
    StopListening,
    StopMessage,
    StopMusic,
    StopPlayback,
    StopRecording,
    Unmute,
)
from telefonista.kernel.events import (
    CallArrived,
    CommandFailed,
    DigitPressed,
    Event,
    LegAnswered,
    LegEnded,
    LegHeld,
    LegRang,
    LegUnheld,
    MessageFailed,
    MessageRecorded,
    Phone,
    PhoneChanged,
    PlaybackEnded,
    ReferReceived,
    SpeechFailed,
)
from telefonista.kernel.ids import (
    AgentId,
    LegId,
    LineName,
    PlaybackId,
    RecordingId,
    RouteName,
    call_of,
    is_listening,
    is_ours,
    is_snoop,
)
from telefonista.kernel.ports import PeerError, Refused

# Q.850 causes for a leg that never came to be.
NORMAL_CLEARING: Final = 16
SUBSCRIBER_ABSENT: Final = 20
NO_ROUTE: Final = 3
TEMPORARY_FAILURE: Final = 41

LONGEST_TEXT: Final = 128
"""Characters kept of any text of a citizen's or a peer's making."""


class CallerId(msgspec.Struct, frozen=True, gc=False):
    number: str = ""


class DialplanPlace(msgspec.Struct, frozen=True, gc=False):
    app_name: str = ""
    app_data: str = ""


class Channel(msgspec.Struct, frozen=True):
    id: str
    state: str = ""
    caller: CallerId = CallerId()
    dialplan: DialplanPlace = DialplanPlace()


class Playback(msgspec.Struct, frozen=True, gc=False):
    id: str
    state: str = ""


class LiveRecording(msgspec.Struct, frozen=True, gc=False):
    """`duration` and `talking_duration` in whole seconds, where Asterisk knows them."""

    name: str
    duration: int | None = None
    talking_duration: int | None = None
    cause: str = ""


class DeviceState(msgspec.Struct, frozen=True, gc=False):
    name: str
    state: str


class Message(msgspec.Struct, frozen=True, tag_field="type", tag=True):
    """What every message carries. `timestamp` is Asterisk's own time, ISO 8601 with an offset."""

    timestamp: str = ""


class StasisStart(Message, frozen=True, tag=True, kw_only=True):
    args: list[str]
    channel: Channel


class StasisEnd(Message, frozen=True, tag=True, kw_only=True):
    channel: Channel


class ChannelDestroyed(Message, frozen=True, tag=True, kw_only=True):
    cause: int
    channel: Channel
    tech_cause: int | None = None


class ChannelDtmfReceived(Message, frozen=True, tag=True, kw_only=True):
    digit: str
    channel: Channel


class ChannelStateChange(Message, frozen=True, tag=True, kw_only=True):
    channel: Channel


class ChannelHold(Message, frozen=True, tag=True, kw_only=True):
    channel: Channel


class ChannelUnhold(Message, frozen=True, tag=True, kw_only=True):
    channel: Channel


class RequestedDestination(msgspec.Struct, frozen=True, gc=False):
    destination: str = ""
    protocol_id: str = ""
    """The other dialogue of the telephone's that is to be replaced (`Replaces`): an attended transfer."""


class ReferTo(msgspec.Struct, frozen=True):
    requested_destination: RequestedDestination = RequestedDestination()


class ReferredBy(msgspec.Struct, frozen=True):
    source_channel: Channel


class ChannelTransfer(Message, frozen=True, tag=True, kw_only=True):
    """A telephone's REFER, which Asterisk leaves to us; told again, with a `state`, as that goes on."""

    refer_to: ReferTo
    referred_by: ReferredBy
    state: str = ""


class PlaybackFinished(Message, frozen=True, tag=True, kw_only=True):
    playback: Playback


class RecordingFinished(Message, frozen=True, tag=True, kw_only=True):
    recording: LiveRecording


class RecordingFailed(Message, frozen=True, tag=True, kw_only=True):
    recording: LiveRecording


class DeviceStateChanged(Message, frozen=True, tag=True, kw_only=True):
    device_state: DeviceState


class CallBroadcast(Message, frozen=True, tag=True, kw_only=True):
    """A call that any engine may claim, for a moment."""

    channel: Channel


class ApplicationRegistered(Message, frozen=True, tag=True, kw_only=True):
    application: str


class ApplicationReplaced(Message, frozen=True, tag=True, kw_only=True):
    application: str


class RESTResponse(Message, frozen=True, tag=True, kw_only=True):
    request_id: str
    status_code: int
    message_body: str = ""


Inbound = (
    StasisStart
    | StasisEnd
    | ChannelDestroyed
    | ChannelDtmfReceived
    | ChannelStateChange
    | ChannelHold
    | ChannelUnhold
    | ChannelTransfer
    | PlaybackFinished
    | RecordingFinished
    | RecordingFailed
    | DeviceStateChanged
    | CallBroadcast
    | ApplicationRegistered
    | ApplicationReplaced
    | RESTResponse
)

WANTED: Final = (
    "StasisStart",
    "StasisEnd",
    "ChannelDestroyed",
    "ChannelDtmfReceived",
    "ChannelStateChange",
    "ChannelHold",
    "ChannelUnhold",
    "ChannelTransfer",
    "PlaybackFinished",
    "RecordingFinished",
    "RecordingFailed",
    "DeviceStateChanged",
    "CallBroadcast",
    "ApplicationRegistered",
    "ApplicationReplaced",
    "RESTResponse",
)
"""The types that pass the application's event filter. RESTResponse must be among them: the filter holds back the
answers to our own requests too (seen on 22.10.1)."""


class _Kind(msgspec.Struct, frozen=True, gc=False):
    type: str


_MESSAGE: Final[msgspec.json.Decoder[Inbound]] = msgspec.json.Decoder(Inbound)
_KIND: Final = msgspec.json.Decoder(_Kind)


def decode(text: bytes | str) -> Inbound | None:
    """One message of Asterisk's; None for a type that means nothing to us. Raises `PeerError` for anything else."""
    try:
        return _MESSAGE.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as problem:
        # The common path pays nothing for unknown types: they are looked at only once the union has failed.
        try:
            kind = _KIND.decode(text).type
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise PeerError(f"not an ARI message: {_clipped(str(problem))}") from None
        if kind in WANTED:
            raise PeerError(f"malformed {kind}: {_clipped(str(problem))}") from None
        return None


def epoch_s(timestamp: str) -> float | None:
    """Asterisk's timestamp as epoch seconds; None where there is none to be read."""
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except (ValueError, OverflowError):
        return None


PHONES: Final = {
    "UNKNOWN": Phone.UNREACHABLE,
    "INVALID": Phone.UNREACHABLE,
    "UNAVAILABLE": Phone.UNREACHABLE,
    "NOT_INUSE": Phone.IDLE,
    "RINGING": Phone.RINGING,
    "INUSE": Phone.BUSY,
    "BUSY": Phone.BUSY,
    "ONHOLD": Phone.BUSY,
    "RINGINUSE": Phone.BUSY,
}


def phone_of(state: str) -> Phone:
    """An agent's phone by Asterisk's device state; a state that we do not know is not one to be rung."""
    return PHONES.get(state, Phone.UNREACHABLE)


def agent_of(device: str) -> AgentId | None:
    """The agent whose phone a device name (`PJSIP/101`) is."""
    technology, _, name = device.partition("/")
    return AgentId(name) if technology == "PJSIP" and name else None


def _started(message: StasisStart) -> Event | None:
    name = message.channel.id
    if is_listening(name):
        return None
    if is_ours(name):
        # A leg that we dialled enters the application when it is answered.
        return LegAnswered(call=call_of(name), leg=LegId(name))
    line, dialled, route = arguments(message.args)
    return CallArrived(
        call=call_of(name),
        line=LineName(line),
        dialled=dialled,
        route=RouteName(route),
        caller=told(message.channel.caller.number),
    )


def arguments(args: list[str]) -> tuple[str, str, str]:
    """(line, dialled, route) of a call as the dialplan handed it over; what is missing is empty."""
    three = [told(each) for each in args[:3]]
    three += [""] * (3 - len(three))
    return three[0], three[1], three[2]


def _left(message: StasisEnd) -> Event | None:
    name = message.channel.id
    if is_ours(name) and not is_snoop(name):
        # Its ChannelDestroyed follows and knows the cause.
        return None
    # Leaving the application ends the subscription to a citizen's channel, and to one that only listens, so its
    # ChannelDestroyed never comes; one subscribed to explicitly says cause 0 (seen). Whatever took it away, a hang-up
    # or a redirect, it is not ours now.
    return LegEnded(call=call_of(name), leg=LegId(name), cause=NORMAL_CLEARING)


def _destroyed(message: ChannelDestroyed) -> Event | None:
    name = message.channel.id
    if not is_ours(name) or is_listening(name):
        return None
    return LegEnded(call=call_of(name), leg=LegId(name), cause=message.cause, sip_status=message.tech_cause)


def _digit(message: ChannelDtmfReceived) -> Event | None:
    name = message.channel.id
    if is_listening(name):
        # It hears the citizen's keys too, which the citizen's own channel tells of.
        return None
    return DigitPressed(call=call_of(name), leg=LegId(name), digit=told(message.digit))


def _changed(message: ChannelStateChange) -> Event | None:
    name = message.channel.id
    if message.channel.state != "Ringing" or not is_ours(name) or is_listening(name):
        return None
    return LegRang(call=call_of(name), leg=LegId(name))


def _held(message: ChannelHold) -> Event | None:
    return LegHeld(call=call_of(message.channel.id), leg=LegId(message.channel.id))


def _unheld(message: ChannelUnhold) -> Event | None:
    return LegUnheld(call=call_of(message.channel.id), leg=LegId(message.channel.id))


def _referred(message: ChannelTransfer) -> Event | None:
    if message.state:
        return None
    leg = message.referred_by.source_channel.id
    wanted = message.refer_to.requested_destination
    dialled = "" if wanted.protocol_id else told(wanted.destination)
    return ReferReceived(call=call_of(leg), leg=LegId(leg), dialled=dialled)


def _played(message: PlaybackFinished) -> Event | None:
    name = message.playback.id
    if not is_ours(name):
        return None
    return PlaybackEnded(call=call_of(name), playback=PlaybackId(name), failed=message.playback.state == "failed")


def _message_recorded(message: RecordingFinished) -> Event | None:
    name, call = RecordingId(message.recording.name), call_of(message.recording.name)
    if not is_ours(name):
        return None
    if message.recording.talking_duration == 0:
        return MessageFailed(call=call, recording=name, why="nothing was said")
    return MessageRecorded(call=call, recording=name, duration_s=float(message.recording.duration or 0))


def _message_failed(message: RecordingFailed) -> Event | None:
    name = RecordingId(message.recording.name)
    if not is_ours(name):
        return None
    return MessageFailed(call=call_of(name), recording=name, why=told(message.recording.cause) or "failed")


def _device(message: DeviceStateChanged) -> Event | None:
    agent = agent_of(message.device_state.name)
    return None if agent is None else PhoneChanged(agent=agent, phone=phone_of(message.device_state.state))


_TO_KERNEL: Final[dict[type, Callable[..., Event | None]]] = {
    StasisStart: _started,
    StasisEnd: _left,
    ChannelDestroyed: _destroyed,
    ChannelDtmfReceived: _digit,
    ChannelStateChange: _changed,
    ChannelHold: _held,
    ChannelUnhold: _unheld,
    ChannelTransfer: _referred,
    PlaybackFinished: _played,
    RecordingFinished: _message_recorded,
    RecordingFailed: _message_failed,
    DeviceStateChanged: _device,
}


def to_kernel(message: Inbound) -> Event | None:
    """What a message means to a call or an agent; None when nothing."""
    meaning = _TO_KERNEL.get(type(message))
    return None if meaning is None else meaning(message)


class Query(msgspec.Struct, frozen=True, gc=False):
    name: str
    value: str


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """A REST request. `harmless` are the statuses that mean that things are already as we want them, or that what the
    request was about is gone, which another event tells."""

    method: str
    uri: str
    query: tuple[Query, ...] = ()
    body: str = ""
    harmless: tuple[int, ...] = ()


class _WireRequest(msgspec.Struct, frozen=True, tag_field="type", tag="RESTRequest", omit_defaults=True):
    request_id: str
    method: str
    uri: str
    query_strings: tuple[Query, ...] = ()
    content_type: str = ""
    message_body: str = ""


_ENCODER: Final = msgspec.json.Encoder()


def encode(request: Request, *, request_id: str) -> bytes:
    """The text of one message to Asterisk."""
    return _ENCODER.encode(
        _WireRequest(
            request_id=request_id,
            method=request.method,
            uri=request.uri,
            query_strings=request.query,
            content_type="application/json" if request.body else "",
            message_body=request.body,
        )
    )


# Names go into a path, so only what means nothing there: Asterisk's unique ids and ours are made of these.
_NAME: Final = re.compile(r"[A-Za-z0-9_.:@+=~-]{1,150}")
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f]")
_SHOWABLE: Final = re.compile(r"\+?[0-9]{1,40}")
_DIALLABLE: Final = re.compile(r"\+?[0-9*#]{1,40}")
_WORD: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
_CONTACT: Final = re.compile(r"[A-Za-z0-9_.-]{1,80};@[0-9a-f]{32}")


def name_in_path(name: str) -> str:
    """A channel's, bridge's or playback's id, fit for a path. Raises `Refused`."""
    if _NAME.fullmatch(name) is None:
        raise Refused(f"not a name for Asterisk: {_clipped(name)!r}")
    return name


def word(name: str) -> str:
    """A name of ours (an agent, an application, music): letters, digits, `-` and `_`. Raises `Refused`."""
    if _WORD.fullmatch(name) is None:
        raise Refused(f"not a plain name: {_clipped(name)!r}")
    return name


def value(text: str) -> str:
    """A value that may go out: no control character, CR, LF and NUL among them. Raises `Refused`."""
    if _UNSAFE.search(text) is not None:
        raise Refused(f"control character in {_clipped(text)!r}")
    return text


def _answer(command: Answer) -> tuple[Request, ...]:
    return (Request("POST", f"channels/{name_in_path(command.leg)}/answer", harmless=_GONE),)


def _play(command: Play, prompt_uri: Callable[[Prompt], str]) -> tuple[Request, ...]:
    if not command.prompts:
        raise Refused("nothing to play")
    sounds = []
    for prompt in command.prompts:
        uri = value(prompt_uri(prompt))
        if "," in uri:
            raise Refused(f"comma in a media name: {_clipped(uri)!r}")
        sounds.append(uri)
    return (
        Request(
            "POST",
            f"channels/{name_in_path(command.leg)}/play/{name_in_path(command.playback)}",
            (Query("media", ",".join(sounds)),),
        ),
    )


def _stop_playback(command: StopPlayback) -> tuple[Request, ...]:
    return (Request("DELETE", f"playbacks/{name_in_path(command.playback)}", harmless=(404,)),)


NO_NUMBER: Final = "anonymous"
"""What an agent's phone shows for a caller without a number."""
WAITING_ROOM: Final = "telefonista-waiting"
"""One holding bridge for everybody who waits. Its music goes to all in it; Asterisk holds it back from whom an
announcement is played to and takes it up again by itself, so that it goes on also when no engine is there (seen)."""


def waiting_room() -> Request:
    """Make the waiting room; it stays as long as Asterisk runs."""
    return Request("POST", f"bridges/{WAITING_ROOM}", (Query("type", "holding"),), harmless=(409,))


def _start_music(command: StartMusic) -> tuple[Request, ...]:
    enter = (Query("channel", name_in_path(command.leg)), Query("role", "participant"))
    return (
        # 400: the leg is gone; 422: it is on its way out of the application. Its LegEnded tells.
        Request("POST", f"bridges/{WAITING_ROOM}/addChannel", enter, harmless=(400, 422)),
        # The music leaves with the last who waits (seen), so everybody brings it; 409: it is playing.
        Request("POST", f"bridges/{WAITING_ROOM}/moh", harmless=(409,)),
    )


def _stop_music(command: StopMusic) -> tuple[Request, ...]:
    leave = (Query("channel", name_in_path(command.leg)),)
    return (Request("POST", f"bridges/{WAITING_ROOM}/removeChannel", leave, harmless=(400, 422)),)


def _ring(command: Ring, application: str) -> tuple[Request, ...]:
    query = [
        Query("endpoint", f"PJSIP/{word(command.agent)}"),
        Query("app", word(application)),
        Query("timeout", str(max(1, ceil(command.timeout_s)))),
    ]
    if command.citizen is not None:
        # Ties the new leg to the call (one linkedid) and lets video be negotiated.
        query.append(Query("originator", name_in_path(command.citizen)))
    # What is not a number is not shown; without anything of ours Asterisk would show what the caller sent (seen).
    showable = _SHOWABLE.fullmatch(command.shown_number) is not None
    query.append(Query("callerId", command.shown_number if showable else NO_NUMBER))
    # 409: this very leg was dialled before (dialling is at most once), or so it says: see `doubt`.
    return (Request("POST", f"channels/{name_in_path(command.leg)}", tuple(query), harmless=(409,)),)


class Way(msgspec.Struct, frozen=True):
    """How a number outside is reached: by which trunk, and which number of ours is shown there (empty: none)."""

    trunk: str
    shown_number: str = ""


def no_way(command: Dial) -> Way:
    """Where no trunk dials out. Raises `Refused`."""
    raise Refused("no route dials out")


def _dial(command: Dial, application: str, way: Callable[[Dial], Way]) -> tuple[Request, ...]:
    if _DIALLABLE.fullmatch(command.number) is None:
        raise Refused("not a number that can be dialled")
    by = way(command)
    showable = _SHOWABLE.fullmatch(by.shown_number) is not None
    # No originator: its caller's number would be shown outside, whatever `callerId` says (seen).
    query = (
        Query("endpoint", f"PJSIP/{command.number}@{word(by.trunk)}"),
        Query("app", word(application)),
        Query("timeout", str(max(1, ceil(command.timeout_s)))),
        Query("callerId", by.shown_number if showable else NO_NUMBER),
    )
    return (Request("POST", f"channels/{name_in_path(command.leg)}", query, harmless=(409,)),)


def _snoop(command: Snoop, application: str) -> tuple[Request, ...]:
    query = (Query("spy", "both"), Query("whisper", "out"), Query("app", word(application)))
    path = f"channels/{name_in_path(command.at)}/snoop/{name_in_path(command.leg)}"
    return (Request("POST", path, query),)


def _mute(command: Mute | Unmute) -> tuple[Request, ...]:
    method = "POST" if isinstance(command, Mute) else "DELETE"
    path = f"channels/{name_in_path(command.leg)}/mute"
    return (Request(method, path, (Query("direction", "in"),), harmless=_GONE),)


def _play_media(command: PlayRinging | PlayMessage, media: str) -> tuple[Request, ...]:
    path = f"channels/{name_in_path(command.leg)}/play/{name_in_path(command.playback)}"
    return (Request("POST", path, (Query("media", media),)),)


def _answer_refer(command: AnswerRefer) -> tuple[Request, ...]:
    states = Query("states", "channel_answered" if command.accepted else "channel_declined")
    path = f"channels/{name_in_path(command.leg)}/transfer_progress"
    return (Request("POST", path, (states,), harmless=_GONE),)


def _connect(command: Connect) -> tuple[Request, ...]:
    bridge = name_in_path(command.bridge)
    legs = ",".join(name_in_path(leg) for leg in command.legs)
    return (
        # Without dtmf_events two telephones' RTP is passed on past Asterisk's core, and no key is told of (seen).
        Request("POST", f"bridges/{bridge}", (Query("type", "mixing,dtmf_events"),), harmless=(409,)),
        # 400: a leg is gone; 422: it is on its way out of the application. Its LegEnded tells.
        Request("POST", f"bridges/{bridge}/addChannel", (Query("channel", legs),), harmless=(400, 422)),
    )


def _disconnect(command: Disconnect) -> tuple[Request, ...]:
    return (Request("DELETE", f"bridges/{name_in_path(command.bridge)}", harmless=(404,)),)


def _hang_up(command: HangUp) -> tuple[Request, ...]:
    return (Request("DELETE", f"channels/{name_in_path(command.leg)}", (Query("reason", "normal"),), harmless=(404,)),)


SILENCE_ENDS_MESSAGE_S: Final = 5


TONE: Final = Prompt(text="Hable ahora.", name="tono")
"""What says that a message is recorded from here on."""


def _record_message(command: RecordMessage, prompt_uri: Callable[[Prompt], str]) -> tuple[Request, ...]:
    query = (
        Query("name", name_in_path(command.recording)),
        Query("format", "wav"),
        Query("maxDurationSeconds", str(max(1, ceil(command.longest_s)))),
        # With this Asterisk also says for how long somebody talked.
        Query("maxSilenceSeconds", str(SILENCE_ENDS_MESSAGE_S)),
        Query("ifExists", "overwrite"),
        Query("terminateOn", "none"),
    )
    leg = name_in_path(command.leg)
    return (
        # Asterisk's own `beep` is a sound file that we do not have, and without it the recording ends at once (seen).
        Request("POST", f"channels/{leg}/play", (Query("media", value(prompt_uri(TONE))),), harmless=_GONE),
        Request("POST", f"channels/{leg}/record", query),
    )


def _stop_message(command: StopMessage) -> tuple[Request, ...]:
    return (Request("POST", f"recordings/live/{name_in_path(command.recording)}/stop", harmless=(404,)),)


def eavesdrop(command: StartListening, *, key: str, application: str) -> Request:
    """Make a channel that has what the citizen says, and nothing of what the citizen hears. The citizen's own stays
    where it is, so that prompts play on and keys are heard. When it enters the application, `onward` takes it to
    whoever expects the `key`."""
    query = (Query("spy", "in"), Query("app", word(application)), Query("appArgs", word(key)))
    path = f"channels/{name_in_path(command.leg)}/snoop/{name_in_path(command.listening)}"
    # 404: the leg is gone, which its LegEnded tells.
    return Request("POST", path, query, harmless=(404, 409))


def onward(message: StasisStart, *, context: str) -> Request | None:
    """Where a channel that listens goes on in the dialplan, whose step sends its sound to us; None for any other. It
    ends by itself when that connection ends, or the citizen's channel. Raises `Refused`."""
    if not is_listening(message.channel.id):
        return None
    (key, *_) = (*message.args, "")
    query = (Query("context", word(context)), Query("extension", word(key)), Query("priority", "1"))
    return Request("POST", f"channels/{name_in_path(message.channel.id)}/continue", query, harmless=_GONE)


# No such channel; not (or no longer) in the application; being hung up.
_GONE: Final = (404, 409, 412)


def requests_for(
    command: PbxCommand,
    *,
    application: str,
    prompt_uri: Callable[[Prompt], str],
    way: Callable[[Dial], Way] = no_way,
) -> tuple[Request, ...]:
    """The requests that carry out a command, in order. Raises `Refused` for a value that must not go out, and for a
    recording, which is not ARI's to do."""
    match command:
        case Answer():
            return _answer(command)
        case Play():
            return _play(command, prompt_uri)
        case StopPlayback():
            return _stop_playback(command)
        case StartMusic():
            return _start_music(command)
        case StopMusic():
            return _stop_music(command)
        case Ring():
            return _ring(command, application)
        case Connect():
            return _connect(command)
        case Disconnect():
            return _disconnect(command)
        case HangUp():
            return _hang_up(command)
        case Dial():
            return _dial(command, application, way)
        case Snoop():
            return _snoop(command, application)
        case Mute() | Unmute():
            return _mute(command)
        case PlayRinging():
            return _play_media(command, "tone:ring")
        case PlayMessage():
            return _play_media(command, f"recording:{name_in_path(command.recording)}")
        case AnswerRefer():
            return _answer_refer(command)
        case RecordMessage():
            return _record_message(command, prompt_uri)
        case StopMessage():
            return _stop_message(command)
        case StartRecording() | StopRecording():
            raise Refused("ARI does not record conversations")
        case StartListening() | StopListening():
            raise Refused("ARI understands nothing of what is said")
        case _:
            assert_never(command)


def claim(channel: str, *, application: str) -> Request:
    """Take a broadcast call: 204 it is ours, 409 another's, 404 gone or timed out."""
    return Request(
        "POST",
        "events/claim",
        (Query("channelId", name_in_path(channel)), Query("application", word(application))),
        harmless=(404, 409),
    )


def event_filter(application: str) -> Request:
    """Let only the wanted types through."""
    allowed = _ENCODER.encode({"allowed": [{"type": name} for name in WANTED]}).decode()
    return Request("PUT", f"applications/{word(application)}/eventFilter", body=allowed)


def subscription(agent: AgentId, *, application: str) -> Request:
    """Hear of changes of an agent's phone."""
    source = Query("eventSource", f"deviceState:PJSIP/{word(agent)}")
    return Request("POST", f"applications/{word(application)}/subscription", (source,))


def forget_contact(contact: str) -> Request:
    """Drop a telephone's registration, by its id (`101;@` and a digest of its address). Deleted in this way and not in
    Asterisk's database, its device is UNAVAILABLE at once (seen)."""
    if _CONTACT.fullmatch(contact) is None:
        raise Refused(f"no id of a registration: {contact[:80]!r}")
    return Request(
        "DELETE",
        f"asterisk/config/dynamic/res_pjsip/contact/{contact.replace(';@', '%3B%40')}",
        harmless=(404,),
    )


def subject_of(command: PbxCommand) -> str:
    """The thing of Asterisk's that a command is about."""
    match command:
        case Play() | PlayRinging() | PlayMessage() | StopPlayback():
            return command.playback
        case Connect() | Disconnect():
            return command.bridge
        case StartRecording() | StopRecording() | RecordMessage() | StopMessage():
            return command.recording
        case StartListening() | StopListening():
            return command.listening
        case _:
            return command.leg


def outcome(command: PbxCommand, request: Request, *, status: int, body: str) -> Event | None:
    """What the answer to a command's request means; None when all is well or another event tells it.

    A refused `Play` ends its playback, so that no flow waits for ever; a refused `Ring` ends its leg, so that no offer
    does. `body` is Asterisk's explanation, kept clipped.
    """
    if 200 <= status < 300 or status in request.harmless:
        return None
    return refused(command, why=f"{status} {_explanation(body)}".rstrip(), status=status)


def doubt(command: PbxCommand, *, status: int) -> Request | None:
    """What must be asked before an answer can be believed; None for one that can.

    Asterisk keeps the error of an earlier request on the same thread: once it has refused a repeated id it answers 409
    also to a phone that it cannot reach, where it should say 500 (seen on 22.10.1). So a leg "already there" is looked
    for; what `settled` makes of it does no harm when that leg was there and has ended meanwhile.
    """
    if status == 409 and isinstance(command, Ring | Dial):
        return Request("GET", f"channels/{name_in_path(command.leg)}")
    return None


def settled(command: PbxCommand, *, status: int) -> Event | None:
    """What the answer to `doubt` means."""
    return refused(command, why="no such leg", status=500) if status == 404 else None


def refused(command: PbxCommand, *, why: str, status: int = 0) -> Event:
    """The event for a command that was not carried out; `status` is the REST status, 0 when it was never sent."""
    match command:
        case Play() | PlayRinging() | PlayMessage():
            return PlaybackEnded(call=command.call, playback=command.playback, failed=True)
        case RecordMessage():
            return MessageFailed(call=command.call, recording=command.recording, why=_clipped(why))
        case Ring() | Dial() | Snoop():
            # 500 "Allocation failed" is Asterisk's word for a phone that is not registered (seen).
            cause = {0: NO_ROUTE, 400: NO_ROUTE, 500: SUBSCRIBER_ABSENT}.get(status, TEMPORARY_FAILURE)
            return LegEnded(call=command.call, leg=command.leg, cause=cause)
        case StartListening():
            return SpeechFailed(call=command.call, listening=command.listening, node=command.node, why=_clipped(why))
        case _:
            return CommandFailed(
                call=command.call, command=type(command).__name__, subject=subject_of(command), why=_clipped(why)
            )


class _Explanation(msgspec.Struct, frozen=True, gc=False):
    message: str = ""
    error: str = ""


_EXPLANATION: Final = msgspec.json.Decoder(_Explanation)


def _explanation(body: str) -> str:
    try:
        said = _EXPLANATION.decode(body)
    except (msgspec.MsgspecError, UnicodeError):
        return _clipped(body)
    return _clipped(said.message or said.error)


def told(text: str) -> str:
    """A text of somebody else's making, as we keep it: bounded, and without the control characters that a caller may
    put into a number (`%0d%0a` in a SIP address comes through, seen)."""
    return _UNSAFE.sub("", text[:LONGEST_TEXT])


def _clipped(text: str) -> str:
    return text[:LONGEST_TEXT]
