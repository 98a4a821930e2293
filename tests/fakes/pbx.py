"""An Asterisk node in memory, and two ways to it: `FakePbx`, without a wire, and `FakeAsterisk`, at the end of one.

`Node` knows channels, bridges, playbacks and phones, answers REST requests as Asterisk 22 does (each status in it was
seen on the real thing) and tells what happens in Asterisk's own messages. Tests move it by verbs: `citizen_calls`,
`phone_rings`, `agent_answers`, `hangs_up`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote
from zlib import crc32

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from telefonista.kernel.commands import PbxCommand, Prompt, StartRecording, StopRecording
from telefonista.kernel.events import Event, RecordingStarted, RecordingStopped
from telefonista.kernel.ids import AgentId, CallId, LegId, PlaybackId, is_ours
from telefonista.kernel.ports import LinkDown, Observation, Refused, Sink
from telefonista.pbx.wire import ari, observation
from telefonista.pbx.wire.frames import Credentials

Message = dict[str, Any]
Answer = tuple[int, Any]


@dataclass
class _Channel:
    id: str
    state: str
    number: str = ""
    agent: str = ""
    handed_over: str = ""
    inside: bool = False
    waiting: bool = False
    outside: str = ""
    """The number that was dialled, of a leg to somebody outside."""
    spied: str = ""
    """Whom a leg that listens listens to."""
    muted: bool = False
    playbacks: list[str] = field(default_factory=list)


class Node:
    """One Asterisk. `tell` gets each message as it happens; `now` is its clock, epoch seconds."""

    def __init__(
        self,
        *,
        tell: Callable[[Message], None],
        now: Callable[[], float] = time.time,
        name: str = "nodo1",
        application: str = "telefonista",
    ) -> None:
        self.tell = tell
        self.now = now
        self.name = name
        self.application = application
        self.channels: dict[str, _Channel] = {}
        self.bridges: dict[str, list[str]] = {}
        self.waiting: set[str] = set()
        """Who is in the waiting room."""
        self.phones: dict[str, str] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.recording: dict[str, str] = {}
        self._calls = 0

    # What people do.

    def citizen_calls(
        self, *, caller: str = "099123456", line: str = "0800-info", dialled: str = "4636", route: str = "red"
    ) -> CallId:
        """A call that any engine may claim."""
        self._calls += 1
        channel = _Channel(
            id=f"{self.name}-1700000000.{self._calls}",
            state="Ring",
            number=caller,
            handed_over=f"{line}:{dialled}:{route}",
            waiting=True,
        )
        self.channels[channel.id] = channel
        self._tell("CallBroadcast", channel=self._shown(channel), caller=caller, called=dialled)
        return CallId(channel.id)

    def nobody_claims(self, call: CallId) -> None:
        """The dialplan takes the call back: the contingency path has it now."""
        self.channels[call].waiting = False
        self.channels[call].state = "Up"

    def presses(self, leg: LegId, digit: str) -> None:
        self._tell("ChannelDtmfReceived", digit=digit, duration_ms=100, channel=self._shown(self.channels[leg]))

    def playback_ends(self, playback: PlaybackId, *, failed: bool = False) -> None:
        for channel in self.channels.values():
            if playback in channel.playbacks:
                channel.playbacks.remove(playback)
                self._finished(playback, "failed" if failed else "done")

    def phone_becomes(self, agent: AgentId, state: str) -> None:
        """`state` is Asterisk's: NOT_INUSE, UNAVAILABLE, …"""
        self.phones[agent] = state
        self._tell("DeviceStateChanged", device_state={"name": f"PJSIP/{agent}", "state": state})

    def phone_rings(self, leg: LegId) -> None:
        channel = self.channels[leg]
        channel.state = "Ringing"
        self._tell("ChannelStateChange", channel=self._shown(channel))
        self._lamp(channel, "RINGING")

    def _lamp(self, channel: _Channel, state: str) -> None:
        """What the telephone's device state becomes, where it is an agent's."""
        if channel.agent:
            self.phone_becomes(AgentId(channel.agent), state)

    def holds(self, leg: LegId, *, on: bool = True) -> None:
        """A telephone's own hold key."""
        self._tell("ChannelHold" if on else "ChannelUnhold", channel=self._shown(self.channels[leg]))

    def refers(self, leg: LegId, dialled: str) -> None:
        """A telephone's transfer key."""
        self._tell(
            "ChannelTransfer",
            refer_to={"requested_destination": {"destination": dialled}},
            referred_by={"source_channel": self._shown(self.channels[leg])},
        )

    def agent_answers(self, leg: LegId) -> None:
        channel = self.channels[leg]
        channel.state = "Up"
        self._tell("ChannelStateChange", channel=self._shown(channel))
        channel.inside = True
        self._tell("StasisStart", args=[], channel=self._shown(channel))
        self._lamp(channel, "INUSE")

    def hangs_up(self, leg: LegId, *, cause: int = 16, sip_status: int | None = None) -> None:
        """A leg ends: either side, or a phone that refuses or does not answer."""
        channel = self.channels.pop(leg)
        for members in self.bridges.values():
            if leg in members:
                members.remove(leg)
        self.recording.pop(leg, None)
        for playback in channel.playbacks:
            self._finished(playback, "failed")
        if channel.inside:
            self._tell("StasisEnd", channel=self._shown(channel))
        if is_ours(leg) and not channel.spied:
            told = {} if sip_status is None else {"tech_cause": sip_status}
            self._tell("ChannelDestroyed", cause=cause, cause_txt="", channel=self._shown(channel), **told)
            self._lamp(channel, "NOT_INUSE")
        for other in [each.id for each in self.channels.values() if each.spied == leg]:
            self.hangs_up(LegId(other))

    def dies(self) -> None:
        """Everything is gone and nothing is told."""
        self.channels.clear()
        self.bridges.clear()
        self.recording.clear()

    def left_over(self) -> list[str]:
        """What is still there that should not be when a test is over."""
        return [*self.channels, *self.bridges, *self.recording]

    # What is asked of it.

    def rest(self, method: str, uri: str, query: dict[str, str]) -> Answer:
        """Status and body."""
        self.requests.append((method, uri, query))
        match method, [unquote(part) for part in uri.split("/")]:
            case "POST", ["events", "claim"]:
                return self._claim(query["channelId"])
            case "GET", ["channels"]:
                return 200, [self._shown(channel) for channel in self.channels.values()]
            case "GET", ["channels", leg]:
                return (200, self._shown(self.channels[leg])) if leg in self.channels else _MISSING
            case "GET", ["bridges"]:
                return 200, [{"id": name, "channels": list(members)} for name, members in self.bridges.items()]
            case "GET", ["applications", _]:
                ours = [channel.id for channel in self.channels.values() if is_ours(channel.id)]
                inside = [*ours, *(channel.id for channel in self.channels.values() if channel.inside)]
                return 200, {"name": self.application, "channel_ids": inside}
            case "GET", ["deviceStates", device]:
                return 200, {"name": device, "state": self.phones.get(device.partition("/")[2], "UNAVAILABLE")}
            case "DELETE", ["asterisk", "config", "dynamic", "res_pjsip", "contact", contact]:
                agent = contact.partition(";")[0]
                if self.phones.pop(agent, None) is None:
                    return _MISSING
                return 204, None
            case (("PUT" | "POST"), ["applications", *_]):
                return 200, {"name": self.application}
            case "POST", ["channels", leg]:
                return self._dial(leg, query)
            case "DELETE", ["channels", leg]:
                if leg not in self.channels:
                    return _MISSING
                self.hangs_up(LegId(leg))
                return 204, None
            case _, ["channels", leg, *what]:
                return self._on_channel(method, leg, what, query)
            case _, ["bridges", name, *what]:
                return self._on_bridge(method, name, what, query)
            case "DELETE", ["playbacks", playback]:
                if not any(playback in channel.playbacks for channel in self.channels.values()):
                    return _MISSING
                self.playback_ends(PlaybackId(playback))
                return 204, None
            case _:
                return 404, {"message": "Resource not found"}

    def _claim(self, call: str) -> Answer:
        channel = self.channels.get(call)
        if channel is None or not (channel.waiting or channel.inside):
            return _MISSING
        if channel.inside:
            return 409, {"message": "Channel has already been claimed by another application"}
        channel.waiting = False
        channel.inside = True
        self._tell("StasisStart", args=channel.handed_over.split(":"), channel=self._shown(channel))
        return 204, None

    def _dial(self, leg: str, query: dict[str, str]) -> Answer:
        agent = query["endpoint"].partition("/")[2]
        if leg in self.channels:
            return 409, {"message": "Channel with given unique ID already exists"}
        if "@" in agent:
            self.channels[leg] = _Channel(id=leg, state="Down", number=query.get("callerId", ""), outside=agent)
            return 200, self._shown(self.channels[leg])
        if self.phones.get(agent, "UNAVAILABLE") == "UNAVAILABLE":
            return 500, {"error": "Allocation failed"}
        channel = _Channel(id=leg, state="Down", number=query.get("callerId", ""), agent=agent)
        self.channels[leg] = channel
        return 200, self._shown(channel)

    def _on_channel(self, method: str, leg: str, what: list[str], query: dict[str, str]) -> Answer:
        channel = self.channels.get(leg)
        if channel is None:
            return _MISSING
        if not channel.inside:
            return 409, {"message": "Channel not in Stasis application"}
        match method, what:
            case "POST", ["answer"]:
                channel.state = "Up"
                self._tell("ChannelStateChange", channel=self._shown(channel))
            case "POST", ["play", playback]:
                channel.playbacks.append(playback)
                return 201, {"id": playback, "state": "queued"}
            case "POST", ["continue"]:
                channel.inside = False
                self._tell("StasisEnd", channel=self._shown(channel))
            case "POST", ["snoop", snoop]:
                listening = _Channel(id=snoop, state="Up", inside=True, spied=leg)
                self.channels[snoop] = listening
                told = query.get("appArgs", "")
                self._tell("StasisStart", args=told.split(",") if told else [], channel=self._shown(listening))
                return 200, self._shown(listening)
            case (("POST" | "DELETE"), ["mute"]):
                channel.muted = method == "POST"
            case "POST", ["transfer_progress"]:
                pass
            case _:
                return 404, {"message": "Resource not found"}
        return 204, None

    def _on_bridge(self, method: str, name: str, what: list[str], query: dict[str, str]) -> Answer:
        if name == ari.WAITING_ROOM:
            return self._on_waiting_room(what, query)
        match method, what:
            case "POST", []:
                if name in self.bridges:
                    return 409, {"message": f"Bridge with id '{name}' already exists"}
                self.bridges[name] = []
                return 200, {"id": name}
            case "DELETE", []:
                return _MISSING if self.bridges.pop(name, None) is None else (204, None)
            case "POST", ["addChannel"]:
                return self._join(name, query["channel"].split(","))
            case _:
                return 404, {"message": "Resource not found"}

    def _on_waiting_room(self, what: list[str], query: dict[str, str]) -> Answer:
        """It and its music are there for as long as the node is."""
        leg = query.get("channel", "")
        if what not in (["addChannel"], ["removeChannel"]):
            return 409, {"message": "Bridge is there already"}
        if leg not in self.channels:
            return 400, {"message": "Channel not found"}
        if what == ["removeChannel"] and leg not in self.waiting:
            return 422, {"message": "Channel not in this bridge"}
        self.waiting.discard(leg)
        if what == ["addChannel"]:
            for members in self.bridges.values():
                if leg in members:
                    members.remove(leg)
            self.waiting.add(leg)
        return 204, None

    def _join(self, name: str, legs: list[str]) -> Answer:
        if name not in self.bridges:
            return 404, {"message": "Bridge not found"}
        if any(leg not in self.channels for leg in legs):
            return 400, {"message": "Channel not found"}
        if any(not self.channels[leg].inside for leg in legs):
            return 422, {"message": "Channel not in Stasis application"}
        for leg in legs:
            for members in self.bridges.values():
                if leg in members:
                    members.remove(leg)
            self.waiting.discard(leg)
            self.bridges[name].append(leg)
        return 204, None

    def _finished(self, playback: str, state: str) -> None:
        self._tell("PlaybackFinished", playback={"id": playback, "state": state})

    def _shown(self, channel: _Channel) -> dict[str, Any]:
        return {
            "id": channel.id,
            "name": f"PJSIP/{channel.agent or 'citizens'}-{len(channel.id):08x}",
            "state": channel.state,
            "caller": {"name": "", "number": channel.number},
            "dialplan": {
                "app_name": "StasisBroadcast" if channel.handed_over else "AppDial2",
                "app_data": f"500,^telefonista$,{channel.handed_over}" if channel.handed_over else "(Outgoing Line)",
            },
            "creationtime": self._stamp(),
        }

    def _stamp(self) -> str:
        return datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"

    def _tell(self, kind: str, **told: Any) -> None:
        self.tell({"type": kind, "application": self.application, "timestamp": self._stamp(), **told})


_MISSING: Answer = (404, {"message": "Not found"})


class FakePbx:
    """`kernel.ports.Pbx` on a `Node`, without a wire.

    What happens is delivered by `deliver`, never inside `execute`, so a test says when the engine hears of it. While
    `up` is False it waits, as it does in an Asterisk whose engine is away.
    """

    def __init__(
        self,
        *,
        sink: Sink,
        now: Callable[[], float] = time.time,
        accepting: Callable[[], bool] = lambda: True,
        prompt_uri: Callable[[Prompt], str] = lambda prompt: f"sound:{crc32(prompt.text.encode())}",
    ) -> None:
        self.node = Node(tell=self._hear, now=now)
        self.executed: list[PbxCommand] = []
        self._sink = sink
        self._now = now
        self._accepting = accepting
        self._prompt_uri = prompt_uri
        self.way = ari.Way(trunk="red")
        self._up = True
        self._waiting: list[tuple[Event, float] | Message] = []

    @property
    def up(self) -> bool:
        return self._up

    def goes_down(self) -> None:
        self._up = False

    def comes_up(self) -> None:
        self._up = True

    def execute(self, commands: Sequence[PbxCommand]) -> None:
        if not self._up:
            return
        for command in commands:
            self.executed.append(command)
            self._carry_out(command)

    async def observe(self, *, agents: Iterable[AgentId]) -> Observation:
        if not self._up:
            raise LinkDown("down")
        return self.observed(agents=agents)

    def observed(self, *, agents: Iterable[AgentId]) -> Observation:
        """What `observe` gives, for tests without a loop."""
        ask = self.node.rest
        return observation.observation(
            channels=json.dumps(ask("GET", "channels", {})[1]),
            bridges=json.dumps(ask("GET", "bridges", {})[1]),
            application=json.dumps(ask("GET", "applications/telefonista", {})[1]),
            phones={agent: json.dumps(ask("GET", f"deviceStates/PJSIP%2F{agent}", {})[1]) for agent in agents},
        )

    def deliver(self) -> int:
        """Tell the engine all that has happened, what follows from it included; how many events that was."""
        told = 0
        while self._up and self._waiting:
            first = self._waiting.pop(0)
            if isinstance(first, tuple):
                event: Event | None = first[0]
                at = first[1]
            else:
                message = ari.decode(json.dumps(first))
                assert message is not None
                if isinstance(message, ari.CallBroadcast) and self._accepting():
                    self._ask(ari.claim(message.channel.id, application="telefonista"))
                event = ari.to_kernel(message)
                at = ari.epoch_s(message.timestamp) or self._now()
            if event is not None:
                told += 1
                self._sink(event, at)
        return told

    def _hear(self, message: Message) -> None:
        self._waiting.append(message)

    def _ask(self, request: ari.Request) -> Answer:
        return self.node.rest(request.method, request.uri, {each.name: each.value for each in request.query})

    def _carry_out(self, command: PbxCommand) -> None:
        if isinstance(command, StartRecording):
            self.node.recording[command.leg] = command.recording
            self._happened(RecordingStarted(call=command.call, recording=command.recording))
            return
        if isinstance(command, StopRecording):
            self.node.recording.pop(command.leg, None)
            self._happened(RecordingStopped(call=command.call, recording=command.recording))
            return
        try:
            requests = ari.requests_for(
                command, application="telefonista", prompt_uri=self._prompt_uri, way=lambda dial: self.way
            )
        except Refused as problem:
            self._happened(ari.refused(command, why=str(problem)))
            return
        for request in requests:
            status, body = self._ask(request)
            event = ari.outcome(command, request, status=status, body=json.dumps(body))
            if event is not None:
                self._happened(event)

    def _happened(self, event: Event) -> None:
        self._waiting.append((event, self._now()))


class FakeAsterisk:
    """A `Node` at the other end of a WebSocket: dials the engine as Asterisk does, and can misbehave.

    What happens while there is no connection is kept and told, in order, on the next one. `mute` makes it take requests
    and answer none (a half-open connection); `answers` may change or hold back single answers.
    """

    def __init__(self, *, port: int, credentials: Credentials, path: str = "/ari") -> None:
        self.node = Node(tell=self._hear)
        self.mute = False
        self.greets = True
        self.answers: Callable[[str, str, Answer], Answer | None] = lambda method, uri, answer: answer
        self._url = f"ws://127.0.0.1:{port}{path}"
        self._credentials = credentials
        self._kept: list[Message] = []
        self._socket: ClientConnection | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending: asyncio.Queue[str] = asyncio.Queue()

    async def dials(self) -> None:
        """Connect, leaving an earlier connection as it is. Raises what `websockets` raises when refused."""
        shown = f"{self._credentials.username}:{self._credentials.password}".encode()
        socket = await connect(
            self._url,
            subprotocols=[Subprotocol("ari")],
            additional_headers={"Authorization": "Basic " + base64.b64encode(shown).decode()},
            compression=None,
            ping_interval=None,
            max_size=None,
            user_agent_header=None,
        )
        self._socket = socket
        self._sending = asyncio.Queue()
        for work in (self._read(socket), self._write(socket, self._sending)):
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        kept, self._kept = self._kept, []
        if self.greets:
            self._hear({"type": "ApplicationRegistered", "timestamp": "", "application": self.node.application})
        for message in kept:
            self._hear(message)

    async def hangs_up(self) -> None:
        """Close the connection, as a dying or restarting Asterisk would."""
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.transport.abort()
            await socket.wait_closed()

    def forgets_connection(self) -> None:
        """From here on what happens is kept for the next connection, and this one stays open and silent."""
        self._socket = None

    async def says(self, text: str | bytes) -> None:
        """Send anything at all."""
        assert self._socket is not None
        await self._socket.send(text)

    async def wait_closed(self) -> None:
        """Return once the engine has closed the connection."""
        if self._socket is not None:
            await self._socket.wait_closed()

    async def stop(self) -> None:
        await self.hangs_up()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _hear(self, message: Message) -> None:
        if self._socket is None:
            self._kept.append(message)
        else:
            self._sending.put_nowait(json.dumps(message))

    async def _write(self, socket: ClientConnection, sending: asyncio.Queue[str]) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.send(await sending.get())

    async def _read(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in socket:
                if self.mute or socket is not self._socket:
                    continue
                asked = json.loads(text)
                query = {each["name"]: each["value"] for each in asked.get("query_strings", [])}
                given = self.node.rest(asked["method"], asked["uri"], query)
                answer = self.answers(asked["method"], asked["uri"], given)
                if answer is not None:
                    self._sending.put_nowait(json.dumps(self._response(asked, answer)))

    def _response(self, asked: Message, answer: Answer) -> Message:
        status, body = answer
        said = {} if body is None else {"content_type": "application/json", "message_body": json.dumps(body)}
        return {
            "type": "RESTResponse",
            "request_id": asked["request_id"],
            "status_code": status,
            "reason_phrase": "",
            "uri": asked["uri"],
            **said,
        }
