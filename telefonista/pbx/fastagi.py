"""FastAGI: any dialplan may ask the engine something in the middle of a call, and go on with the answer.

In: connections of Asterisk's (`AGI(agi://127.0.0.1/route)`). Out: for each, the route of that name runs with a session
to speak to the channel. Twisted's protocol, driven by a reactor that is passed in, so that it runs on the engine's
asyncio loop and on a fake clock alike. A connection that sends garbage, or nothing, costs itself. Must never import a
room, nor the global reactor.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any, Final
from typing import Protocol as Shape

import msgspec
import structlog
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from telefonista.kernel.ports import CallGone, PeerError, Refused
from telefonista.pbx.wire import fastagi
from telefonista.pbx.wire.fastagi import AgiRequest, Environment, HungUp, Lines, Replies, Reply

_log = structlog.get_logger("telefonista.pbx.fastagi")

Route = Callable[["AgiSession"], Coroutine["Deferred[Any]", Any, None]]
"""What answers a dialplan. It awaits Deferreds (an asyncio future by `Deferred.fromFuture`); when it returns the
dialplan goes on. `CallGone` may end it at any await."""


# Twisted's interfaces are zope's, which a type checker reads as functions that lack `self`: these say what we use.
class Timer(Shape):
    def active(self) -> bool: ...

    def cancel(self) -> None: ...


class Reactor(Shape):
    """What we need of a reactor."""

    def callLater(self, delay: float, callable: Callable[..., object], *args: object) -> Timer: ...

    def listenTCP(self, port: int, factory: Factory, backlog: int = 50, interface: str = "") -> IListeningPort: ...


class _Transport(Shape):
    def write(self, data: bytes) -> None: ...

    def loseConnection(self) -> None: ...


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the server."""

    greeting_s: float = 5.0
    """How long a connection may take to say what it wants."""
    route_s: float = 60.0
    """How long a route may take; the dialplan waits for it."""
    conversation_s: float = 3600.0
    """The same of a conversation with a citizen."""
    connections: int = 200
    unread: int = 64
    """Commands sent and not yet replied to."""


DEFAULT_LIMITS: Final = Limits()


class AgiSession:
    """The channel that asks, as a route sees it.

    Methods raise `Refused` at once for a value that must not go out; their Deferreds fail with `CallGone` when the
    channel or the connection is gone, and with `Refused` when Asterisk refuses.
    """

    def __init__(self, request: AgiRequest, *, send: Callable[[bytes], Deferred[Reply]]) -> None:
        self.request = request
        self._send = send
        self.hung_up = False

    def answer(self) -> Deferred[Reply]:
        return self._done(fastagi.answer())

    def hang_up(self) -> Deferred[Reply]:
        return self._done(fastagi.hang_up())

    def set_variable(self, name: str, *, value: str) -> Deferred[Reply]:
        return self._done(fastagi.set_variable(name, value=value))

    def get_variable(self, name: str) -> Deferred[str | None]:
        """The value, or None when there is no such variable."""
        return self._done(fastagi.get_variable(name)).addCallback(
            lambda reply: reply.detail if reply.result == "1" else None
        )

    def stream_file(self, sound: str, *, escape_digits: str = "") -> Deferred[str]:
        """The digit that stopped it, or empty."""
        return self._done(fastagi.stream_file(sound, escape_digits=escape_digits)).addCallback(digit_of)

    def play_from(self, sound: str, *, escape_digits: str, offset: int) -> Deferred[tuple[str, int]]:
        """The same from `offset` (samples) on, and where it was stopped."""
        asked = fastagi.stream_file(sound, escape_digits=escape_digits, offset=offset)
        return self._done(asked).addCallback(lambda reply: (digit_of(reply), reply.end_position))

    def wait_for_digit(self, *, timeout_s: float) -> Deferred[str]:
        """The digit, or empty when there was none in time."""
        return self._done(fastagi.wait_for_digit(timeout_ms=round(timeout_s * 1000))).addCallback(digit_of)

    def record_file(self, sound: str, *, escape_digits: str, longest_s: float, silence_s: int) -> Deferred[Reply]:
        """Record into `sound`.wav; where it ended is how long it is."""
        longest_ms = round(longest_s * 1000)
        return self._done(
            fastagi.record_file(sound, escape_digits=escape_digits, longest_ms=longest_ms, silence_s=silence_s)
        )

    def get_data(self, sound: str, *, timeout_s: float, most_digits: int) -> Deferred[str]:
        """The digits pressed, empty when there were none in time."""
        asked = fastagi.get_data(sound, timeout_ms=round(timeout_s * 1000), most_digits=most_digits)
        return self._done(asked).addCallback(lambda reply: reply.result)

    def _done(self, command: bytes) -> Deferred[Reply]:
        return self._send(command).addCallback(self._carried_out)

    def _carried_out(self, reply: Reply) -> Reply:
        if reply.done:
            return reply
        # -1 alone may also be a sound that is not there (seen); HANGUP comes before it when the channel went.
        if self.hung_up or reply.code == 511:
            raise CallGone(reply.detail or "hung up")
        raise Refused(f"{reply.code} {reply.result} {reply.detail}".rstrip())


def digit_of(reply: Reply) -> str:
    """The key that ended what was asked, or empty."""
    # The result is the ASCII code of the digit, 0 for none.
    return chr(int(reply.result)) if reply.result not in ("", "0") else ""


class _Conversation(Protocol):
    """One connection: first what is asked, then commands and replies in turn."""

    transport: _Transport  # type: ignore[assignment]  # zope's ITransport cannot be called for a type checker

    def __init__(self, server: FastAgiServer) -> None:
        self._server = server
        self._lines = Lines()
        self._environment: Environment | None = Environment()
        self._replies = Replies()
        self._session: AgiSession | None = None
        self._waiting: deque[Deferred[Reply]] = deque()
        self._running: Deferred[None] | None = None
        self._deadline: Timer | None = None
        self._over = False

    def connectionMade(self) -> None:
        if not self._server.entered(self):
            self._end("too many connections")
            return
        self._allow(self._server.limits.greeting_s, "said nothing")

    def dataReceived(self, chunk: bytes) -> None:
        try:
            for line in self._lines.feed(chunk):
                if self._over:
                    return
                self._read(line)
        except PeerError as problem:
            self._end(str(problem))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._over = True
        self._server.left(self)
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        waiting, self._waiting = self._waiting, deque()
        for each in waiting:
            each.errback(CallGone("connection closed"))
        if self._running is not None:
            self._running.cancel()

    def _read(self, line: str) -> None:
        if self._environment is not None:
            request = self._environment.add(line)
            if request is not None:
                self._environment = None
                self._begin(request)
            return
        reply = self._replies.read(line)
        if isinstance(reply, HungUp):
            assert self._session is not None
            self._session.hung_up = True
        elif reply is not None:
            if not self._waiting:
                raise PeerError("a reply to nothing")
            self._waiting.popleft().callback(reply)

    def _begin(self, request: AgiRequest) -> None:
        limits, routes = self._server.limits, self._server.routes
        conversation = self._server.conversations.get(request.route.partition("/")[0])
        route = conversation or routes.get(request.route)
        allowed_s = limits.route_s if conversation is None else limits.conversation_s
        self._allow(allowed_s, f"route {request.route[:40]!r} took too long")
        self._session = AgiSession(request, send=self._send)
        if route is None:
            # Closing lets the dialplan go on; it knows what to do without an answer.
            self._end(f"no route {request.route[:40]!r}")
            return
        self._running = Deferred.fromCoroutine(route(self._session))
        self._running.addCallbacks(lambda _: self._close(), self._failed)

    def _failed(self, failure: Failure) -> None:
        route = self._session.request.route if self._session is not None else ""
        if not isinstance(failure.value, CallGone | CancelledError):
            where = failure.getTraceback()[-2000:]
            _log.error("route failed", route=route, why=str(failure.value)[:200], traceback=where)
        self._close()

    def _send(self, command: bytes) -> Deferred[Reply]:
        if self._over or len(self._waiting) >= self._server.limits.unread:
            return fail(CallGone("connection closed"))
        waiting: Deferred[Reply] = Deferred(lambda _: None)
        self._waiting.append(waiting)
        self.transport.write(command)
        return waiting

    def _allow(self, seconds: float, otherwise: str) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = self._server.reactor.callLater(seconds, self._end, otherwise)

    def _end(self, why: str) -> None:
        """Close a connection that did not behave, or that nobody can answer."""
        _log.warning("FastAGI connection ended", why=why[:200])
        self._close()

    def _close(self) -> None:
        if not self._over:
            self._over = True
            self.transport.loseConnection()


class FastAgiServer(Factory):
    """Answers dialplans. `routes` by the path of the address that the dialplan calls; may be replaced while running."""

    noisy = False

    def __init__(
        self,
        routes: Mapping[str, Route],
        *,
        reactor: Reactor,
        limits: Limits = DEFAULT_LIMITS,
        conversations: Mapping[str, Route] = MappingProxyType({}),
    ) -> None:
        """`conversations` are those that lead citizens, by the first part of the address's path; the rest is theirs."""
        self.routes = routes
        self.conversations = conversations
        self.limits = limits
        self.reactor = reactor
        self._conversations: set[_Conversation] = set()

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return _Conversation(self)

    def listen(self, port: int, *, host: str = "127.0.0.1") -> IListeningPort:
        """Take connections; `getHost().port` of what is returned is the port, `stopListening()` ends it."""
        return self.reactor.listenTCP(port, self, interface=host)

    def entered(self, conversation: _Conversation) -> bool:
        """Whether there is room for one more."""
        self._conversations.add(conversation)
        return len(self._conversations) <= self.limits.connections

    def left(self, conversation: _Conversation) -> None:
        """A conversation is over."""
        self._conversations.discard(conversation)


def greeting(*, earlier_calls: Callable[[str], Deferred[int]], first_time: str, welcome_back: str) -> Route:
    """The demonstration route: names the sound that greets this caller in `TELEFONISTA_GREETING`.

    `earlier_calls` tells how many calls a number as the network gave it has made before; the sounds are names without
    extension, as `Playback` takes them.
    """

    async def greet(session: AgiSession) -> None:
        caller = session.request.caller
        calls = await earlier_calls(caller) if caller else 0
        await session.set_variable("TELEFONISTA_GREETING", value=welcome_back if calls else first_time)

    return greet
