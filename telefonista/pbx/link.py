"""The link to one Asterisk node: the server that Asterisk dials, and the `Pbx` that the engine drives through it.

In: Asterisk's messages on one WebSocket, decoded once and handed to the sink in the order in which they came; the
kernel's commands, sent in order without waiting. A connection goes through all stages of `wire.stages` before it is up.
Whatever overflows or goes unanswered drops the connection, never an event; Asterisk dials again and all is reconciled.
Must never import a room.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

import msgspec
import structlog

from telefonista.kernel.commands import (
    Dial,
    PbxCommand,
    Prompt,
    StartListening,
    StartRecording,
    StopListening,
    StopRecording,
)
from telefonista.kernel.events import Event, RecordingFailed, SpeechFailed
from telefonista.kernel.ids import AgentId, CallId, LegId, RecordingId
from telefonista.kernel.ports import LinkDown, Observation, PeerError, Refused, Sink
from telefonista.pbx.wire import ari, observation, stages
from telefonista.pbx.wire.frames import Credentials, Frames
from telefonista.pbx.wire.stages import Dropped, FilterSet, Observed, Opened, Stage, Subscribed

_log = structlog.get_logger("telefonista.pbx.link")

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
"""How long nobody is let in after a second failure in a row, and at most after many."""
NOT_BOOTED = 503
"""Asterisk dials before it has booted and answers this meanwhile (seen)."""


class Recorder(Protocol):
    """Who records conversations; outcomes come through the sink as events."""

    def start_recording(self, call: CallId, *, leg: LegId, recording: RecordingId) -> None: ...

    def stop_recording(self, call: CallId, *, leg: LegId, recording: RecordingId) -> None: ...


class Listener(Protocol):
    """Who understands what citizens say; outcomes come through the sink as events."""

    @property
    def context(self) -> str:
        """Where in the dialplan a channel goes whose sound is to come to us."""

    def start_listening(self, command: StartListening) -> str | None:
        """The extension there, by which that sound will be known; None where there will be none."""

    def stop_listening(self, command: StopListening) -> None: ...


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a link; reaching one drops the connection."""

    answer_s: float = 5.0
    """How long Asterisk may take to answer a request."""
    handshake_s: float = 5.0
    silence_s: float = 5.0
    """After so long without a byte Asterisk is asked for a sign of life; after twice as long it is taken for gone."""
    unanswered: int = 10_000
    """Requests sent and not yet answered."""
    unsent_bytes: int = 8 * 1024 * 1024
    """What Asterisk has not yet taken from us."""
    connections: int = 16
    """Open connections, those that have not yet proved who they are included."""


DEFAULT_LIMITS: Final = Limits()


class _Pending(msgspec.Struct):
    """A request on its way. `reply` takes the answer; without it the command's outcome goes to the sink."""

    request: ari.Request
    deadline: float
    command: PbxCommand | None = None
    reply: Callable[[ari.RESTResponse], None] | None = None


class _Connection(asyncio.Protocol):
    """One TCP connection: moves bytes between the transport and the frames, and knows nothing of ARI."""

    def __init__(self, link: AsteriskLink, *, credentials: Credentials) -> None:
        self._link = link
        self._frames = Frames(credentials=credentials)
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._greeting: asyncio.TimerHandle | None = None
        self._ended = False
        self.open = False
        self.heard_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._socket = transport.get_extra_info("socket")
        loop = asyncio.get_running_loop()
        self.heard_at = loop.time()
        self._greeting = loop.call_later(self._link.limits.handshake_s, self.abort)
        self._link.greeted(self)

    def data_received(self, chunk: bytes) -> None:
        self._acknowledge()
        self.heard_at = asyncio.get_running_loop().time()
        frames = self._frames
        messages = frames.receive(chunk)
        if frames.accepted and not self.open and not self._ended:
            self._accept()
        self.flush()
        try:
            for message in messages:
                if not self.open:
                    return
                self._link.received(self, message)
        except PeerError as problem:
            self._link.misbehaved(self, str(problem))
            return
        if frames.failure:
            self._link.misbehaved(self, frames.failure)

    def eof_received(self) -> None:
        self._frames.end()
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        self._link.lost(self, "connection closed" if exc is None else f"connection lost: {exc}"[:200])

    def send(self, texts: Iterable[bytes]) -> None:
        """Send messages in one go."""
        for text in texts:
            self._frames.send(text)
        self.flush()

    def ping(self) -> None:
        self._frames.ping()
        self.flush()

    @property
    def unsent_bytes(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def flush(self) -> None:
        transport = self._transport
        chunks = self._frames.outgoing()
        if transport is None or transport.is_closing() or not chunks:
            return
        ending = chunks[-1] == b""
        transport.write(b"".join(chunks))
        if ending:
            transport.close()

    def close(self, *, going_away: bool, reason: str) -> None:
        """Say goodbye and close."""
        self._end()
        self._frames.close(going_away=going_away, reason=reason[:100])
        self.flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once, for a peer that would not hear a goodbye."""
        self._end()
        if self._transport is not None:
            self._transport.abort()

    def _accept(self) -> None:
        self.open = True
        self._still()
        self._link.opened(self)

    def _end(self) -> None:
        self._ended = True
        self.open = False
        self._still()

    def _still(self) -> None:
        if self._greeting is not None:
            self._greeting.cancel()
            self._greeting = None

    def _acknowledge(self) -> None:
        # Asterisk writes small messages and leaves Nagle's algorithm on: a second message waits for our acknowledgement
        # of the first, which the kernel delays by 40 ms unless told not to, each time anew.
        if _QUICKACK is not None and self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)


_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)


class AsteriskLink:
    """`kernel.ports.Pbx` for one node.

    `start` listens, `stop` closes. `sink(event, at)` gets what happened, `at` being Asterisk's own time. `accepting` is
    asked for each new call that may be claimed. `on_up(observation)` is called when the link is up, after all events
    that came before; `on_down(why)` when it is not any more. All are called on the loop, none may block.
    """

    def __init__(
        self,
        *,
        node: str,
        credentials: Credentials,
        sink: Sink,
        accepting: Callable[[], bool],
        prompt_uri: Callable[[Prompt], str],
        way: Callable[[Dial], ari.Way] = ari.no_way,
        agents: Iterable[AgentId] = (),
        application: str = "telefonista",
        host: str = "127.0.0.1",
        port: int = 0,
        recorder: Recorder | None = None,
        listener: Listener | None = None,
        on_up: Callable[[Observation], None] = lambda observation: None,
        on_down: Callable[[str], None] = lambda why: None,
        limits: Limits = DEFAULT_LIMITS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.node = node
        self.limits = limits
        self._credentials = credentials
        self._sink = sink
        self._accepting = accepting
        self._prompt_uri = prompt_uri
        self._way = way
        self._agents = tuple(agents)
        self._application = application
        self._host = host
        self._port = port
        self._recorder = recorder
        self._listener = listener
        self._on_up = on_up
        self._on_down = on_down
        self._now = now
        self._machine = stages.stages()
        self._link = stages.Link()
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._connection: _Connection | None = None
        self._bringing_up: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._pending: dict[str, _Pending] = {}
        self._requests = 0
        self._since_asked: list[list[Event]] = []
        self._failures = 0
        """Connections that we had to drop, one after the other, since the link was last up."""
        self._not_before = 0.0
        """The loop's time before which nobody is let in."""

    # What the engine sees.

    @property
    def up(self) -> bool:
        """Whether commands are carried out."""
        return self._link.state is Stage.UP

    @property
    def stage(self) -> Stage:
        """How far the link is."""
        return self._link.state

    @property
    def why_down(self) -> str:
        """Why the last connection ended; empty while there is one."""
        return self._link.why_down

    @property
    def port(self) -> int:
        """The port that Asterisk must dial; known once started."""
        return self._port

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self, credentials=self._credentials), self._host, self._port
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close; calls stay as they are."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.close(going_away=True, reason="the engine stops")
        if self._connection is not None:
            self.lost(self._connection, "the engine stops")
        await self._empty.wait()
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    def execute(self, commands: Sequence[PbxCommand]) -> None:
        """See `kernel.ports.Pbx.execute`."""
        connection = self._connection
        if connection is None or not self.up:
            return
        texts: list[bytes] = []
        for command in commands:
            if isinstance(command, StartRecording | StopRecording):
                # What goes before must be on its way: a recording is begun when both are bridged.
                self._send(connection, texts)
                texts = []
                self._record(command)
                continue
            try:
                requests = self._requests_for(command)
            except Refused as problem:
                _log.error("command refused", node=self.node, command=repr(command)[:300], why=str(problem))
                # Later: the engine that is executing is not ready for the event of it.
                self._soon(ari.refused(command, why=str(problem)))
                continue
            texts += [self._prepared(request, command=command) for request in requests]
        self._send(connection, texts)

    async def observe(self, *, agents: Iterable[AgentId]) -> Observation:
        """See `kernel.ports.Pbx.observe`."""
        application = self._application
        wanted = tuple(agents)
        meanwhile: list[Event] = []
        self._since_asked.append(meanwhile)
        try:
            channels, bridges, inside, *phones = await self._ask_all(
                [
                    observation.LIST_CHANNELS,
                    observation.LIST_BRIDGES,
                    observation.show_application(application),
                    *(observation.show_phone(agent) for agent in wanted),
                ]
            )
            seen = observation.observation(
                channels=_body(channels),
                bridges=_body(bridges),
                application=_body(inside),
                phones={agent: _body(phone) for agent, phone in zip(wanted, phones, strict=True)},
            )
        except PeerError as problem:
            self._drop(f"cannot list what is alive: {problem}")
            raise LinkDown(str(problem)) from None
        finally:
            # By identity: two lists that are both empty are equal.
            self._since_asked = [each for each in self._since_asked if each is not meanwhile]
        return observation.amended(seen, meanwhile)

    async def watch(self, agents: Iterable[AgentId]) -> None:
        """Hear of these agents' phones too, from now on and after every reconnect. Raises `LinkDown`."""
        new = [agent for agent in agents if agent not in self._agents]
        self._agents = (*self._agents, *new)
        if self.up:
            await self._subscribe(new)

    async def forget_contacts(self, contacts: Iterable[str]) -> None:
        """Drop these registrations: nobody is rung there any more until they register anew. One that is gone already is
        none the worse. Raises `LinkDown`, `Refused`."""
        requests = [ari.forget_contact(contact) for contact in contacts]
        for request, answer in zip(requests, await self._ask_all(requests), strict=True):
            if answer.status_code not in request.harmless:
                _expect(answer, what="end of a registration")

    # What the connections tell.

    def greeted(self, connection: _Connection) -> None:
        """Somebody connected."""
        self._connections.add(connection)
        self._empty.clear()
        if len(self._connections) > self.limits.connections:
            _log.warning("too many connections", node=self.node)
            connection.abort()
        elif asyncio.get_running_loop().time() < self._not_before:
            # Asterisk waits before it dials again only when it could not connect (seen); a failure that repeats itself
            # would otherwise be repeated hundreds of times a second.
            connection.abort()

    def opened(self, connection: _Connection) -> None:
        """A connection has proved to be our node's; it replaces one that may be half-open."""
        if self._connection is not None:
            self._drop("replaced by a newer connection")
            self._failures = 0
        self._connection = connection
        self._step(Opened())
        self._look_again()

    def received(self, connection: _Connection, text: bytes) -> None:
        """One message. Raises `PeerError`."""
        if self._bringing_up is None and connection is self._connection:
            # Not before Asterisk has spoken: what is sent right after the handshake may lie unread for seconds (seen).
            self._begin()
        message = ari.decode(text)
        if type(message) is ari.RESTResponse:
            self._answered(message)
            return
        if message is None:
            return
        event = ari.to_kernel(message)
        if event is not None:
            at = ari.epoch_s(message.timestamp)
            self._emit(event, self._now() if at is None else at)
        elif type(message) is ari.CallBroadcast:
            self._offer(connection, message)
        elif type(message) is ari.StasisStart:
            self._take_onward(connection, message)

    def misbehaved(self, connection: _Connection, why: str) -> None:
        """A peer sent what it must not: its connection ends, and no other."""
        _log.warning("peer refused", node=self.node, why=why[:200])
        if connection is self._connection:
            self._drop(why)
        else:
            connection.close(going_away=False, reason="")

    def lost(self, connection: _Connection, why: str) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()
        if connection is self._connection:
            self._fallen(why)

    # The stages.

    def _step(self, event: object) -> None:
        self._link, _ = self._machine.step(self._link, event, at=self._now())

    def _begin(self) -> None:
        self._bringing_up = asyncio.get_running_loop().create_task(self._bring_up())

    async def _bring_up(self) -> None:
        try:
            await self._set_filter()
            self._step(FilterSet())
            await self._subscribe(self._agents)
            await self._make_waiting_room()
            self._step(Subscribed())
            seen = await self.observe(agents=self._agents)
        except LinkDown as problem:
            # Already down, unless it was an answer that we cannot live with.
            self._drop(str(problem))
            return
        self._step(Observed())
        _log.info("link up", node=self.node, legs=len(seen.legs), bridges=len(seen.bridges))
        try:
            self._on_up(seen)
        except Exception:
            _log.exception("reconciliation failed", node=self.node)
            self._drop("the engine did not reconcile")
        else:
            self._failures = 0

    async def _set_filter(self) -> None:
        while True:
            (answer,) = await self._ask_all([ari.event_filter(self._application)])
            if answer.status_code != NOT_BOOTED:
                break
            await asyncio.sleep(0.1)
        _expect(answer, what="event filter")

    async def _make_waiting_room(self) -> None:
        request = ari.waiting_room()
        (answer,) = await self._ask_all([request])
        if answer.status_code not in request.harmless:
            _expect(answer, what="waiting room")

    async def _subscribe(self, agents: Sequence[AgentId]) -> None:
        answers = await self._ask_all([ari.subscription(agent, application=self._application) for agent in agents])
        for answer in answers:
            _expect(answer, what="subscription")

    def _drop(self, why: str) -> None:
        """End the connection that is the node's, politely enough for a peer that may not be listening."""
        connection = self._connection
        if connection is None:
            return
        self._failures += 1
        if self._failures > 1:
            pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (self._failures - 2))
            self._not_before = asyncio.get_running_loop().time() + pause_s
        self._fallen(why)
        connection.close(going_away=True, reason="")
        # A half-open peer never takes what is still to be sent; without this the socket would linger.
        asyncio.get_running_loop().call_later(1.0, connection.abort)

    def _fallen(self, why: str) -> None:
        was_up = self.up
        self._connection = None
        self._step(Dropped(why))
        if self._bringing_up is not None:
            self._bringing_up.cancel()
            self._bringing_up = None
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        pending, self._pending = self._pending, {}
        for each in pending.values():
            if each.reply is not None:
                each.reply(_NO_ANSWER)
        _log.warning("link down", node=self.node, why=why)
        if was_up:
            self._on_down(why)

    def _look_again(self) -> None:
        """Watch deadlines and silence: one timer for all, since requests are answered in the order of their sending."""
        connection = self._connection
        if connection is None:
            return
        loop = asyncio.get_running_loop()
        limits = self.limits
        time_s = loop.time()
        silent_s = time_s - connection.heard_at
        oldest = next(iter(self._pending.values()), None)
        if oldest is not None and oldest.deadline < time_s:
            self._drop(f"no answer to {oldest.request.method} {oldest.request.uri} in {limits.answer_s:g} s")
        elif silent_s > 2 * limits.silence_s:
            self._drop(f"silent for {silent_s:.1f} s")
        else:
            if silent_s > limits.silence_s:
                connection.ping()
            if self._bringing_up is None and silent_s > limits.silence_s / 5:
                # It greets us always, unless an event filter of somebody else's holds the greeting back.
                self._begin()
            self._watch = loop.call_later(min(limits.answer_s, limits.silence_s) / 4, self._look_again)

    # Requests.

    def _prepared(
        self,
        request: ari.Request,
        *,
        command: PbxCommand | None = None,
        reply: Callable[[ari.RESTResponse], None] | None = None,
    ) -> bytes:
        self._requests += 1
        request_id = str(self._requests)
        deadline = asyncio.get_running_loop().time() + self.limits.answer_s
        self._pending[request_id] = _Pending(request=request, deadline=deadline, command=command, reply=reply)
        return ari.encode(request, request_id=request_id)

    def _send(self, connection: _Connection, texts: list[bytes]) -> None:
        if not texts or connection is not self._connection:
            return
        connection.send(texts)
        if len(self._pending) > self.limits.unanswered:
            self._drop(f"more than {self.limits.unanswered} requests without an answer")
        elif connection.unsent_bytes > self.limits.unsent_bytes:
            self._drop("Asterisk does not take what we send")

    async def _ask_all(self, requests: Sequence[ari.Request]) -> list[ari.RESTResponse]:
        """The answers, in order. Raises `LinkDown` when the connection ends before the last."""
        connection = self._connection
        if connection is None:
            raise LinkDown("no connection")
        answers: list[asyncio.Future[ari.RESTResponse]] = []
        texts = []
        for request in requests:
            answer: asyncio.Future[ari.RESTResponse] = asyncio.get_running_loop().create_future()
            answers.append(answer)
            texts.append(self._prepared(request, reply=_settle(answer)))
        self._send(connection, texts)
        got = [await answer for answer in answers]
        if any(each is _NO_ANSWER for each in got):
            raise LinkDown(self.why_down or "no answer")
        return got

    def _answered(self, answer: ari.RESTResponse) -> None:
        pending = self._pending.pop(answer.request_id, None)
        if pending is None:
            return
        if pending.reply is not None:
            pending.reply(answer)
        elif pending.command is not None and not 200 <= answer.status_code < 300:
            self._not_done(pending.command, pending.request, answer)

    def _not_done(self, command: PbxCommand, request: ari.Request, answer: ari.RESTResponse) -> None:
        status = answer.status_code
        question = ari.doubt(command, status=status)
        connection = self._connection
        if question is not None and connection is not None:

            def settle(found: ari.RESTResponse) -> None:
                self._tell(ari.settled(command, status=found.status_code), found)

            self._send(connection, [self._prepared(question, reply=settle)])
            return
        self._tell(ari.outcome(command, request, status=status, body=answer.message_body), answer)

    def _tell(self, event: Event | None, answer: ari.RESTResponse) -> None:
        if event is not None:
            at = ari.epoch_s(answer.timestamp)
            self._emit(event, self._now() if at is None else at)

    def _offer(self, connection: _Connection, message: ari.CallBroadcast) -> None:
        """Claim a call at once: the dialplan waits half a second for it and no longer."""
        if not self._accepting():
            return
        try:
            request = ari.claim(message.channel.id, application=self._application)
        except Refused as problem:
            _log.error("call not claimed", node=self.node, why=str(problem))
            return
        self._send(connection, [self._prepared(request, reply=self._claimed)])

    def _claimed(self, answer: ari.RESTResponse) -> None:
        # 404 and 409 are somebody else's call, or one that would not wait: nothing to say.
        if answer is not _NO_ANSWER and answer.status_code not in (204, 404, 409):
            _log.warning("call not claimed", node=self.node, status=answer.status_code)

    def _requests_for(self, command: PbxCommand) -> tuple[ari.Request, ...]:
        """Raises `Refused`."""
        if isinstance(command, StartListening):
            return self._start_listening(command)
        if isinstance(command, StopListening):
            if self._listener is not None:
                self._listener.stop_listening(command)
            return ()
        return ari.requests_for(command, application=self._application, prompt_uri=self._prompt_uri, way=self._way)

    def _start_listening(self, command: StartListening) -> tuple[ari.Request, ...]:
        """Nothing where nobody listens; that is told either by the listener or by us."""
        if self._listener is None:
            why = "no way to understand speech is configured"
            self._soon(SpeechFailed(call=command.call, listening=command.listening, node=command.node, why=why))
            return ()
        key = self._listener.start_listening(command)
        return () if key is None else (ari.eavesdrop(command, key=key, application=self._application),)

    def _take_onward(self, connection: _Connection, message: ari.StasisStart) -> None:
        """A channel that listens has come into the application: to the listener with it."""
        if self._listener is None:
            return
        try:
            request = ari.onward(message, context=self._listener.context)
        except Refused as problem:
            _log.error("listening leg not taken onward", node=self.node, why=str(problem))
            return
        if request is not None:
            # Refused, it stays without a sound, which the listener notices.
            self._send(connection, [self._prepared(request)])

    def _record(self, command: StartRecording | StopRecording) -> None:
        recorder = self._recorder
        if recorder is None:
            if isinstance(command, StartRecording):
                why = "no way to record is configured"
                self._soon(RecordingFailed(call=command.call, recording=command.recording, why=why))
        elif isinstance(command, StartRecording):
            recorder.start_recording(command.call, leg=command.leg, recording=command.recording)
        else:
            recorder.stop_recording(command.call, leg=command.leg, recording=command.recording)

    def _soon(self, event: Event) -> None:
        asyncio.get_running_loop().call_soon(self._emit, event, self._now())

    def _emit(self, event: Event, at: float) -> None:
        for meanwhile in self._since_asked:
            meanwhile.append(event)
        try:
            self._sink(event, at)
        except Exception:
            # The engine did not take an event; the next reconciliation finds what it missed.
            _log.exception("event not taken", node=self.node, event_type=type(event).__name__)
            self._drop("the engine did not take an event")


_NO_ANSWER = ari.RESTResponse(request_id="", status_code=0)


def _settle(answer: asyncio.Future[ari.RESTResponse]) -> Callable[[ari.RESTResponse], None]:
    def settle(response: ari.RESTResponse) -> None:
        if not answer.done():
            answer.set_result(response)

    return settle


def _expect(answer: ari.RESTResponse, *, what: str) -> None:
    if not 200 <= answer.status_code < 300:
        raise LinkDown(f"{what}: {answer.status_code} {answer.message_body[:120]}")


def _body(answer: ari.RESTResponse) -> str:
    if answer.status_code != 200:
        raise PeerError(f"{answer.status_code} {answer.message_body[:120]}")
    return answer.message_body
