"""What is alive in an Asterisk node: the bodies of a few GETs become an `Observation`.

Listing takes several requests, and the node goes on meanwhile: `amended` brings what was listed up to date with the
events that arrived before the last answer, so that no leg that just ended is taken for alive, nor one that just came
for lost. Must never import I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

import msgspec

from telefonista.kernel.events import CallArrived, Event, LegAnswered, LegEnded, Phone, PhoneChanged
from telefonista.kernel.ids import AgentId, BridgeId, LegId, is_listening, is_ours
from telefonista.kernel.ports import Observation, ObservedBridge, ObservedLeg, PeerError
from telefonista.pbx.wire.ari import Channel, DeviceState, Request, arguments, phone_of, told, word

ANSWERED_STATES: Final = frozenset({"Up"})


class _Bridge(msgspec.Struct, frozen=True):
    id: str
    channels: list[str] = []


class _Application(msgspec.Struct, frozen=True):
    channel_ids: list[str]


class _Variable(msgspec.Struct, frozen=True):
    value: str = ""


T = TypeVar("T")

_CHANNELS: Final = msgspec.json.Decoder(list[Channel])
_BRIDGES: Final = msgspec.json.Decoder(list[_Bridge])
_APPLICATION: Final = msgspec.json.Decoder(_Application)
_DEVICE: Final = msgspec.json.Decoder(DeviceState)

LIST_CHANNELS: Final = Request("GET", "channels")
LIST_BRIDGES: Final = Request("GET", "bridges")


def show_application(application: str) -> Request:
    return Request("GET", f"applications/{word(application)}")


def show_phone(agent: AgentId) -> Request:
    # The slash of the device's name must be escaped, or the path is taken for another resource (seen).
    return Request("GET", f"deviceStates/PJSIP%2F{word(agent)}")


def _read(decoder: msgspec.json.Decoder[T], body: str, what: str) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as problem:
        raise PeerError(f"malformed list of {what}: {str(problem)[:128]}") from None


def observation(*, channels: str, bridges: str, application: str, phones: Mapping[AgentId, str]) -> Observation:
    """What the bodies of the answers say. Raises `PeerError`."""
    inside = frozenset(_read(_APPLICATION, application, "the application").channel_ids)
    return Observation(
        legs=tuple(
            _leg(channel, inside=inside)
            for channel in _read(_CHANNELS, channels, "channels")
            # Those that only listen end with the citizen's channel, or with the engine that listens.
            if not is_listening(channel.id)
        ),
        bridges=tuple(
            ObservedBridge(bridge=BridgeId(bridge.id), legs=frozenset(LegId(leg) for leg in bridge.channels))
            for bridge in _read(_BRIDGES, bridges, "bridges")
            if is_ours(bridge.id)
        ),
        phones={agent: phone_of(_read(_DEVICE, body, "phones").state) for agent, body in phones.items()},
    )


def _leg(channel: Channel, *, inside: frozenset[str]) -> ObservedLeg:
    line, dialled, route = handed_over(channel)
    return ObservedLeg(
        leg=LegId(channel.id),
        answered=channel.state in ANSWERED_STATES,
        in_application=channel.id in inside,
        caller=told(channel.caller.number),
        line=line,
        dialled=dialled,
        route=route,
    )


def handed_over(channel: Channel) -> tuple[str, str, str]:
    """(line, dialled, route) of a channel that waits in the step by which the dialplan hands calls over.

    The step's third argument is what `StasisStart` brought as `args`, so a call that arrived while nobody listened is
    known by the list of channels alone, without asking for its variables one by one.
    """
    if channel.dialplan.app_name != "StasisBroadcast":
        return "", "", ""
    pieces = channel.dialplan.app_data.split(",", 2)
    return arguments(pieces[2].split(":")) if len(pieces) == 3 else ("", "", "")


def amended(seen: Observation, events: Iterable[Event]) -> Observation:
    """`seen` brought up to date with events that arrived, in order, since the first question was asked."""
    legs = {leg.leg: leg for leg in seen.legs}
    phones: dict[AgentId, Phone] = dict(seen.phones)
    ended: set[LegId] = set()
    for event in events:
        match event:
            case CallArrived():
                leg = LegId(event.call)
                legs[leg] = ObservedLeg(
                    leg=leg,
                    answered=leg in legs and legs[leg].answered,
                    in_application=True,
                    caller=event.caller,
                    line=event.line,
                    dialled=event.dialled,
                    route=event.route,
                )
            case LegAnswered():
                legs[event.leg] = ObservedLeg(leg=event.leg, answered=True, in_application=True, caller="")
            case LegEnded():
                legs.pop(event.leg, None)
                ended.add(event.leg)
            case PhoneChanged():
                if event.agent in phones:
                    phones[event.agent] = event.phone
            case _:
                pass
    return Observation(
        legs=tuple(legs.values()),
        bridges=tuple(ObservedBridge(bridge=each.bridge, legs=each.legs - ended) for each in seen.bridges),
        phones=phones,
    )
