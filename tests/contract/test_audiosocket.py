"""The server that takes citizens' voices: on a fake clock for its limits, over loopback as in the engine."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.protocol import connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from telefonista.pbx import audiosocket
from telefonista.pbx.audiosocket import GREETING_S, MOST_CONNECTIONS, AudioSocketServer
from telefonista.pbx.wire.audiosocket import GOODBYE
from tests.contract.voices import until


class _Port:
    def getHost(self) -> Any:
        return type("Address", (), {"port": 4242})

    def stopListening(self) -> None:
        return None


class FakeReactor:
    """A clock, and a port that nobody listens at."""

    def __init__(self) -> None:
        # Twisted's test clock has no types.
        self._clock = cast(Any, Clock)()

    def advance(self, seconds: float) -> None:
        self._clock.advance(seconds)

    def callLater(self, delay: float, action: object) -> Any:
        return self._clock.callLater(delay, action)

    def listenTCP(self, port: int, factory: object, interface: str) -> _Port:
        assert (port, interface) == (0, "127.0.0.1")
        return _Port()


class Wire:
    """One connection without a network."""

    def __init__(self, server: AudioSocketServer) -> None:
        self.protocol = cast(Any, server.buildProtocol(None))
        self.transport = cast(Any, StringTransport)()
        self.protocol.makeConnection(self.transport)

    def says(self, raw: bytes) -> None:
        self.protocol.dataReceived(raw)

    @property
    def closed(self) -> bool:
        return bool(self.transport.disconnecting or self.transport.disconnected)

    def ends(self) -> None:
        self.protocol.connectionLost(connectionDone)


class Listener:
    """Notes what comes."""

    def __init__(self, server: AudioSocketServer) -> None:
        self.sound = b""
        self.news: list[str] = []
        self.key, self.extension = server.expect(
            came=lambda: self.news.append("came"), sound=self._take, ended=lambda: self.news.append("ended")
        )

    def _take(self, samples: bytes) -> None:
        self.sound += samples

    @property
    def identity(self) -> bytes:
        return b"\x01\x00\x10" + bytes.fromhex(self.key)


SOUND = b"\x10\x01\x40" + bytes(range(160)) * 2


def opened() -> tuple[AudioSocketServer, FakeReactor]:
    reactor = FakeReactor()
    server = AudioSocketServer(reactor=reactor)
    assert server.listen() == 4242
    return server, reactor


def test_sound_goes_to_whoever_expects_it_and_to_nobody_else() -> None:
    server, _ = opened()
    one, other = Listener(server), Listener(server)
    assert one.extension == f"{one.key}4242"
    wire = Wire(server)
    wire.says(one.identity + SOUND[:100])
    wire.says(SOUND[100:])
    assert one.sound == SOUND[3:]
    assert one.news == ["came"]
    assert (other.sound, other.news) == (b"", [])


def test_a_stranger_is_sent_away_and_so_is_whoever_says_no_name_in_time() -> None:
    server, clock = opened()
    stranger, silent, babbler = Wire(server), Wire(server), Wire(server)
    stranger.says(b"\x01\x00\x10" + bytes(16) + SOUND)
    assert stranger.closed
    babbler.says(b"GET / HTTP/1.1\r\n")
    assert babbler.closed
    assert not silent.closed
    clock.advance(GREETING_S)
    assert silent.closed


def test_a_key_opens_once() -> None:
    server, _ = opened()
    listener = Listener(server)
    first, second = Wire(server), Wire(server)
    first.says(listener.identity)
    second.says(listener.identity)
    assert second.closed
    second.ends()
    first.says(SOUND)
    assert listener.sound == SOUND[3:]
    assert listener.news == ["came"]


def test_who_listens_is_told_when_the_sound_ends_and_only_then() -> None:
    server, _ = opened()
    listener = Listener(server)
    wire = Wire(server)
    wire.says(listener.identity + SOUND + GOODBYE)
    assert wire.closed
    wire.ends()
    assert listener.news == ["came", "ended"]
    assert server.expected == 0


def test_who_wants_no_more_hears_no_more_and_asterisk_is_told_to_end_it() -> None:
    server, _ = opened()
    listener, early = Listener(server), Listener(server)
    wire = Wire(server)
    wire.says(listener.identity)
    server.dismiss(listener.key)
    server.dismiss(listener.key)
    assert wire.transport.value() == GOODBYE
    wire.says(SOUND)
    wire.ends()
    assert (listener.sound, listener.news) == (b"", ["came"])
    server.dismiss(early.key)
    late = Wire(server)
    late.says(early.identity)
    assert late.closed


def test_connections_are_bounded(monkeypatch: Any) -> None:
    assert MOST_CONNECTIONS >= 100
    monkeypatch.setattr(audiosocket, "MOST_CONNECTIONS", 2)
    server, _ = opened()
    one, two, three = Wire(server), Wire(server), Wire(server)
    assert (one.closed, two.closed, three.closed) == (False, False, True)
    three.ends()
    one.ends()
    assert not Wire(server).closed


async def test_over_loopback_sound_comes_in_and_stopping_ends_it_quietly() -> None:
    loop = asyncio.get_running_loop()
    server = AudioSocketServer(reactor=AsyncioSelectorReactor(loop))
    port = server.listen()
    listener = Listener(server)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(listener.identity + SOUND)
    async with asyncio.timeout(5):
        await until(lambda: bool(listener.sound), "sound")
        await server.stop()
        assert await reader.read() == GOODBYE
    writer.close()
    await writer.wait_closed()
    assert listener.news == ["came"]
