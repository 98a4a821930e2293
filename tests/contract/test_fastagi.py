"""The FastAGI server: over loopback on the asyncio loop, as in the engine, and on a fake clock for its limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from structlog.testing import capture_logs
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from telefonista.kernel.ports import CallGone, Refused
from telefonista.pbx.fastagi import AgiSession, FastAgiServer, Limits, Reactor, Route, greeting
from tests.wire.test_fastagi import OPENING


def opening(route: str = "greeting", *, caller: str = "099123456") -> bytes:
    named = OPENING.replace(b"agi_network_script: greeting", f"agi_network_script: {route}".encode())
    return named.replace(b"099123456", caller.encode())


def greeter(*, regulars: dict[str, int] | None = None) -> Route:
    known = regulars or {}
    return greeting(
        earlier_calls=lambda number: succeed(known.get(number, 0)),
        first_time="/sounds/bienvenida",
        welcome_back="/sounds/de-nuevo",
    )


class Wire:
    """One connection without a network."""

    # Twisted's test transport has no types.
    def __init__(self, server: FastAgiServer) -> None:
        self.protocol = cast(Any, server.buildProtocol(None))
        self.transport = cast(Any, StringTransport)()
        self.protocol.makeConnection(self.transport)

    def says(self, raw: bytes) -> bytes:
        """Send bytes; what comes back."""
        self.transport.clear()
        self.protocol.dataReceived(raw)
        return cast(bytes, self.transport.value())

    @property
    def closed(self) -> bool:
        return bool(self.transport.disconnecting)

    def hangs_up(self) -> None:
        self.protocol.connectionLost(connectionDone)


def server(clock: Clock, **routes: Route) -> FastAgiServer:
    return FastAgiServer(routes, reactor=cast(Reactor, clock), limits=Limits(connections=3, unread=2))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize(
    ("caller", "sound"),
    [("099123456", b"/sounds/de-nuevo"), ("24001234", b"/sounds/bienvenida"), ("unknown", b"/sounds/bienvenida")],
)
def test_caller_is_greeted_according_to_earlier_calls(clock: Clock, caller: str, sound: bytes) -> None:
    wire = Wire(server(clock, greeting=greeter(regulars={"099123456": 3})))
    assert wire.says(opening(caller=caller)) == b'SET VARIABLE TELEFONISTA_GREETING "' + sound + b'"\n'
    wire.says(b"200 result=1\n")
    assert wire.closed


def test_unknown_route_lets_the_dialplan_go_on(clock: Clock) -> None:
    wire = Wire(server(clock, greeting=greeter()))
    assert wire.says(opening("otra")) == b""
    assert wire.closed


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 10_000, b"\n", b"agi_request: x\nhello\n", b"\xff\xfe\n"]
)
def test_garbage_costs_only_its_own_connection(clock: Clock, garbage: bytes) -> None:
    both = server(clock, greeting=greeter())
    bad, good = Wire(both), Wire(both)
    bad.says(garbage)
    assert bad.closed
    assert bad.says(opening()) == b""
    assert good.says(opening())


def test_reply_to_nothing_costs_the_connection(clock: Clock) -> None:
    wire = Wire(server(clock, greeting=greeter()))
    wire.says(opening())
    wire.says(b"200 result=1\n200 result=1\n")
    assert wire.closed


def test_silence_is_not_waited_for(clock: Clock) -> None:
    wire = Wire(server(clock, greeting=greeter()))
    wire.says(OPENING[:40])
    clock.advance(4.9)
    before = wire.closed
    clock.advance(0.2)
    assert (before, wire.closed) == (False, True)


def test_route_that_takes_too_long_lets_the_dialplan_go_on(clock: Clock) -> None:
    never: Deferred[int] = Deferred()
    slow = greeting(earlier_calls=lambda number: never, first_time="a", welcome_back="b")
    wire = Wire(server(clock, slow=slow))
    wire.says(opening("slow"))
    clock.advance(59)
    before = wire.closed
    clock.advance(2)
    assert (before, wire.closed) == (False, True)
    wire.hangs_up()
    assert clock.getDelayedCalls() == []


def test_connection_that_comes_and_goes_leaves_nothing(clock: Clock) -> None:
    made = server(clock, greeting=greeter())
    for _ in range(20):
        Wire(made).hangs_up()
    assert clock.getDelayedCalls() == []
    assert Wire(made).says(opening())


def test_more_connections_than_allowed_are_closed(clock: Clock) -> None:
    made = server(clock, greeting=greeter())
    kept = [Wire(made) for _ in range(3)]
    extra = Wire(made)
    assert extra.closed
    assert not any(wire.closed for wire in kept)
    extra.hangs_up()
    kept[0].hangs_up()
    assert not Wire(made).closed


class Visit:
    """A route that does one thing and keeps what came of it."""

    def __init__(self, does: str, **arguments: Any) -> None:
        self.does = does
        self.arguments = arguments
        self.got: Any = None
        self.raised: Exception | None = None
        self.hung_up = False

    async def __call__(self, session: AgiSession) -> None:
        try:
            self.got = await getattr(session, self.does)(**self.arguments)
        except (CallGone, Refused) as problem:
            self.raised = problem
        self.hung_up = session.hung_up


@pytest.mark.parametrize(
    ("does", "arguments", "sent", "reply", "got"),
    [
        ("get_variable", {"name": "X"}, b"GET VARIABLE X\n", b"200 result=1 (hola)\n", "hola"),
        ("get_variable", {"name": "X"}, b"GET VARIABLE X\n", b"200 result=0\n", None),
        ("stream_file", {"sound": "a"}, b'STREAM FILE "a" ""\n', b"200 result=0 endpos=800\n", ""),
        (
            "stream_file",
            {"sound": "a", "escape_digits": "1#"},
            b'STREAM FILE "a" "1#"\n',
            b"200 result=35 endpos=80\n",
            "#",
        ),
        (
            "get_data",
            {"sound": "a", "timeout_s": 2.5, "most_digits": 4},
            b'GET DATA "a" 2500 4\n',
            b"200 result=12# (timeout)\n",
            "12#",
        ),
    ],
)
def test_what_a_route_asks_of_the_channel_comes_back_as_a_value(
    clock: Clock, does: str, arguments: dict[str, Any], sent: bytes, reply: bytes, got: str | None
) -> None:
    visit = Visit(does, **arguments)
    wire = Wire(server(clock, visit=visit))
    assert wire.says(opening("visit")) == sent
    wire.says(reply)
    assert visit.got == got
    assert visit.raised is None
    assert wire.closed


@pytest.mark.parametrize(("does", "sent"), [("answer", b"ANSWER\n"), ("hang_up", b"HANGUP\n")])
def test_plain_commands_are_sent_as_they_are(clock: Clock, does: str, sent: bytes) -> None:
    visit = Visit(does)
    wire = Wire(server(clock, visit=visit))
    assert wire.says(opening("visit")) == sent
    wire.says(b"200 result=1\n")
    assert visit.raised is None


@pytest.mark.parametrize(
    ("reply", "raised"),
    [
        (b"HANGUP\n511 Command Not Permitted on a dead channel or intercept routine\n", CallGone),
        (b"HANGUP\n200 result=-1\n", CallGone),
        (b"200 result=-1 endpos=0\n", Refused),
        (b"510 Invalid or unknown command\n", Refused),
        (b"520-Invalid command syntax.\nUsage: x\n520 End of proper usage.\n", Refused),
    ],
)
def test_refusal_is_told_to_the_route(clock: Clock, reply: bytes, raised: type[Exception]) -> None:
    visit = Visit("answer")
    wire = Wire(server(clock, visit=visit))
    wire.says(opening("visit"))
    wire.says(reply)
    assert type(visit.raised) is raised
    assert visit.hung_up is reply.startswith(b"HANGUP")
    assert wire.closed


def test_channel_that_goes_while_it_is_asked_ends_the_route(clock: Clock) -> None:
    visit = Visit("answer")
    wire = Wire(server(clock, visit=visit))
    wire.says(opening("visit"))
    wire.hangs_up()
    assert type(visit.raised) is CallGone


def test_value_that_would_be_a_second_command_never_goes_out(clock: Clock) -> None:
    visit = Visit("set_variable", name="X", value="a\nHANGUP")
    wire = Wire(server(clock, visit=visit))
    assert wire.says(opening("visit")) == b""
    assert type(visit.raised) is Refused
    assert wire.closed


def test_route_that_breaks_is_logged_and_costs_only_its_own_connection(clock: Clock) -> None:
    async def broken(session: AgiSession) -> None:
        raise ValueError("oh")

    made = server(clock, broken=broken, greeting=greeter())
    with capture_logs() as logs:
        wire = Wire(made)
        wire.says(opening("broken"))
    assert wire.closed
    assert [each["why"] for each in logs if each["event"] == "route failed"] == ["oh"]
    assert Wire(made).says(opening())


def test_commands_without_replies_do_not_pile_up(clock: Clock) -> None:
    raised: list[BaseException] = []

    async def eager(session: AgiSession) -> None:
        for _ in range(2):
            session.answer().addCallbacks(lambda reply: None, lambda failure: raised.append(failure.value))
        try:
            await session.answer()
        except CallGone as problem:
            raised.append(problem)

    wire = Wire(server(clock, eager=eager))
    assert wire.says(opening("eager")) == b"ANSWER\nANSWER\n"
    assert [type(each) for each in raised] == [CallGone]
    wire.hangs_up()
    assert [type(each) for each in raised] == [CallGone] * 3


@pytest.fixture
async def port() -> AsyncIterator[int]:
    reactor = cast(Reactor, AsyncioSelectorReactor(asyncio.get_running_loop()))
    made = FastAgiServer({"greeting": greeter(regulars={"099123456": 1})}, reactor=reactor)
    listening: IListeningPort = made.listen(0)
    yield cast(Any, listening).getHost().port
    stopped = cast(Any, listening).stopListening()
    if stopped is not None:
        await stopped.asFuture(asyncio.get_running_loop())


async def asked(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(opening())
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.write(b"200 result=1\n")
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    await writer.wait_closed()
    return line


async def test_dialplan_is_answered_over_loopback_on_the_engines_loop(port: int) -> None:
    assert await asked(port) == b'SET VARIABLE TELEFONISTA_GREETING "/sounds/de-nuevo"\n'


async def test_many_that_connect_and_close_at_once_disturb_nobody(port: int) -> None:
    for _ in range(50):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.transport.abort()
    answers = await asyncio.gather(*(asked(port) for _ in range(10)))
    assert len(answers) == 10
