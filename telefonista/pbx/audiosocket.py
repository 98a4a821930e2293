"""The server that Asterisk sends citizens' voices to, while somebody listens for what they say (AudioSocket).

In: connections on loopback, each beginning with a key that we gave out. Out: sound, to whoever expects that key, and
when it has ended. A stranger's connection, a malformed one or one too many is closed; nothing is ever played back.
Must never import a room, nor know who understands the sound.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

import structlog
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from telefonista.kernel.ports import PeerError
from telefonista.pbx.wire.audiosocket import GOODBYE, Stream, place_of

_log = structlog.get_logger("telefonista.pbx.audiosocket")

MOST_CONNECTIONS = 512
GREETING_S = 2.0
"""How long a connection may take to say whose sound it brings."""
_KEY_DIGITS = 32

Sound = Callable[[bytes], None]
Came = Callable[[], None]
Ended = Callable[[], None]


class _Expected:
    """Somebody waits for the sound of this key."""

    def __init__(self, came: Came, sound: Sound, ended: Ended) -> None:
        self.came = came
        self.sound = sound
        self.ended = ended
        self.connection: _Connection | None = None


class _Connection(Protocol):
    def __init__(self, server: AudioSocketServer) -> None:
        self._server = server
        self._stream = Stream()
        self._expected: _Expected | None = None
        self._greeting: Any = None

    def connectionMade(self) -> None:
        if self._server.came(self):
            self._greeting = self._server.reactor.callLater(GREETING_S, self._too_slow)

    def dataReceived(self, data: bytes) -> None:
        try:
            sound = self._stream.receive(data)
        except PeerError as problem:
            self._refuse(str(problem))
            return
        if self._expected is None and self._stream.key:
            self._still()
            self._expected = self._server.claimed(self._stream.key, by=self)
            if self._expected is None:
                self._refuse("nobody expects this sound")
                return
        if sound and self._expected is not None:
            self._expected.sound(sound)
        if self._stream.ended:
            self.leave()

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._still()
        self._server.went(self, self._stream.key)

    def leave(self) -> None:
        """End it, politely: Asterisk's step ends, and the channel with it."""
        self._expected = None
        # zope's interfaces read as functions that lack `self` to a type checker.
        transport: Any = self.transport
        if transport is not None:
            transport.write(GOODBYE)
            transport.loseConnection()

    def abort(self) -> None:
        self._expected = None
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()

    def _too_slow(self) -> None:
        self._greeting = None
        self._refuse("it does not say whose sound it brings")

    def _refuse(self, why: str) -> None:
        _log.warning("sound refused", why=why)
        self.abort()

    def _still(self) -> None:
        if self._greeting is not None:
            self._greeting.cancel()
            self._greeting = None


class AudioSocketServer(Factory):
    """`expect` gives out a place in the dialplan; what Asterisk then sends from there comes to `sound`."""

    noisy = False

    def __init__(self, *, reactor: Any) -> None:
        self.reactor = reactor
        self._port: Any = None
        self._expected: dict[str, _Expected] = {}
        self._connections: set[_Connection] = set()

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return _Connection(self)

    def listen(self) -> int:
        """On a free port of loopback; which. Raises twisted's CannotListenError."""
        self._port = self.reactor.listenTCP(0, self, interface="127.0.0.1")
        address: IPv4Address = self._port.getHost()
        return address.port

    async def stop(self) -> None:
        """End all; nobody is told."""
        for expected in self._expected.values():
            expected.ended = _nothing
        for connection in tuple(self._connections):
            connection.leave()
        if self._port is not None:
            stopped = self._port.stopListening()
            if stopped is not None:
                await stopped.asFuture(asyncio.get_running_loop())

    @property
    def expected(self) -> int:
        """How many sounds are expected or coming in."""
        return len(self._expected)

    def expect(self, *, came: Came, sound: Sound, ended: Ended) -> tuple[str, str]:
        """(the key, the extension that leads here). `came` is called when the connection is there, `ended` when it is
        gone, each once."""
        # Decimal, for it becomes part of a dialplan's extension; nobody else can guess it.
        key = "".join(secrets.choice("0123456789") for _ in range(_KEY_DIGITS))
        self._expected[key] = _Expected(came, sound, ended)
        return key, place_of(key, port=self._port.getHost().port)

    def dismiss(self, key: str) -> None:
        """No more of this sound; nobody is told."""
        expected = self._expected.pop(key, None)
        if expected is not None and expected.connection is not None:
            expected.connection.leave()

    def came(self, connection: _Connection) -> bool:
        """Whether it may stay."""
        self._connections.add(connection)
        if len(self._connections) <= MOST_CONNECTIONS:
            return True
        _log.warning("sound refused", why="too many connections")
        connection.abort()
        return False

    def claimed(self, key: str, *, by: _Connection) -> _Expected | None:
        """Who expects this sound; None for nobody, or where it comes already."""
        expected = self._expected.get(key)
        if expected is None or expected.connection is not None:
            return None
        expected.connection = by
        expected.came()
        return expected

    def went(self, connection: _Connection, key: str) -> None:
        self._connections.discard(connection)
        expected = self._expected.get(key)
        if expected is not None and expected.connection is connection:
            del self._expected[key]
            expected.ended()


def _nothing() -> None:
    """Nobody is to be told."""
