"""The link when things go wrong: who may dial it, what garbage costs, and what silence does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable

import pytest
from structlog.testing import capture_logs
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from telefonista.kernel import ids
from telefonista.kernel.commands import Answer, Play, Prompt, Ring, StartRecording
from telefonista.kernel.events import CallArrived, Event, LegEnded, Phone, RecordingFailed
from telefonista.kernel.ids import AgentId, CallId
from telefonista.kernel.ports import LinkDown, Observation
from telefonista.pbx.link import AsteriskLink, Limits
from telefonista.pbx.wire.frames import Credentials
from telefonista.pbx.wire.stages import Stage
from tests.fakes.pbx import FakeAsterisk

GOOD = Credentials("nodo1", "secreto")


class Engine:
    """A link and everything it told."""

    def __init__(self, *, limits: Limits | None = None, agents: tuple[str, ...] = ("101",)) -> None:
        self.heard: list[Event] = []
        self.seen: list[Observation] = []
        self.downs: list[str] = []
        self.order: list[str] = []
        self.refuses_events = False
        self.link = AsteriskLink(
            node="nodo1",
            credentials=GOOD,
            sink=self.sink,
            accepting=lambda: True,
            prompt_uri=lambda prompt: f"sound:{prompt.text}",
            agents=[AgentId(each) for each in agents],
            on_up=self.up,
            on_down=self.downs.append,
            limits=limits or Limits(),
        )
        self.peers: list[FakeAsterisk] = []

    def sink(self, event: Event, at: float) -> None:
        if self.refuses_events:
            raise RuntimeError("journal full")
        self.heard.append(event)
        self.order.append(type(event).__name__)

    def up(self, seen: Observation) -> None:
        self.seen.append(seen)
        self.order.append("up")

    def asterisk(self, *, credentials: Credentials = GOOD, path: str = "/ari") -> FakeAsterisk:
        peer = FakeAsterisk(port=self.link.port, credentials=credentials, path=path)
        self.peers.append(peer)
        return peer

    async def connected(self) -> FakeAsterisk:
        peer = self.asterisk()
        await peer.dials()
        await until(lambda: self.link.up)
        return peer

    async def close(self) -> None:
        for peer in self.peers:
            await peer.stop()
        await self.link.stop()


async def until(true: Callable[[], bool], *, within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.002)


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    made = Engine()
    await made.link.start()
    yield made
    await made.close()


@pytest.fixture
async def hurried() -> AsyncIterator[Engine]:
    """An engine that waits for nothing long."""
    made = Engine(limits=Limits(answer_s=0.2, handshake_s=0.2, silence_s=0.1, connections=4))
    await made.link.start()
    yield made
    await made.close()


async def arrived(engine: Engine, peer: FakeAsterisk) -> CallId:
    call = peer.node.citizen_calls()
    await until(lambda: any(isinstance(each, CallArrived) and each.call == call for each in engine.heard))
    return call


def answer(call: CallId) -> Answer:
    return Answer(call=call, leg=ids.citizen_leg(call))


async def test_link_goes_through_filter_subscriptions_and_listing_before_it_is_up(engine: Engine) -> None:
    peer = await engine.connected()
    asked = [f"{method} {uri}" for method, uri, _ in peer.node.requests]
    assert asked == [
        "PUT applications/telefonista/eventFilter",
        "POST applications/telefonista/subscription",
        "POST bridges/telefonista-waiting",
        "GET channels",
        "GET bridges",
        "GET applications/telefonista",
        "GET deviceStates/PJSIP%2F101",
    ]
    assert engine.seen == [Observation(phones={AgentId("101"): Phone.UNREACHABLE})]


@pytest.mark.parametrize(
    "shown", [Credentials("nodo1", "secret"), Credentials("nodo2", "secreto"), Credentials("", "")]
)
async def test_bad_credentials_are_refused_and_the_good_connection_stays(engine: Engine, shown: Credentials) -> None:
    await engine.connected()
    with pytest.raises(InvalidStatus) as refused:
        await engine.asterisk(credentials=shown).dials()
    assert refused.value.response.status_code == 401
    assert engine.link.up
    assert engine.downs == []


async def test_another_path_is_refused(engine: Engine) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await engine.asterisk(path="/otra").dials()
    assert refused.value.response.status_code == 404


async def test_good_credentials_never_reach_the_log(engine: Engine) -> None:
    with capture_logs() as logs:
        peer = await engine.connected()
        with pytest.raises(InvalidStatus):
            await engine.asterisk(credentials=Credentials("nodo1", "otro-secreto")).dials()
        await peer.hangs_up()
        await until(lambda: not engine.link.up)
    assert "secreto" not in json.dumps(logs, default=str)
    assert "secreto" not in repr(GOOD)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST /ari HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x00\xff\xfe" * 2000,
        b"GET /" + b"a" * 20_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"",
    ],
    ids=["no upgrade", "not a get", "binary", "over-long", "tls", "nothing"],
)
async def test_garbage_costs_only_its_own_connection(engine: Engine, garbage: bytes) -> None:
    peer = await engine.connected()
    reader, writer = await asyncio.open_connection("127.0.0.1", engine.link.port)
    writer.write(garbage)
    writer.write_eof()
    await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    assert engine.link.up
    await arrived(engine, peer)


async def test_peer_that_never_says_what_it_wants_is_closed(hurried: Engine) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hurried.link.port)
    writer.write(b"GET /ari HT")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), 5)
    writer.close()


async def test_more_connections_than_allowed_are_closed_at_once(hurried: Engine) -> None:
    await hurried.connected()
    others = [await asyncio.open_connection("127.0.0.1", hurried.link.port) for _ in range(3)]
    reader, writer = await asyncio.open_connection("127.0.0.1", hurried.link.port)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), 5)
    assert hurried.link.up
    for _, each in (*others, (reader, writer)):
        each.close()


@pytest.mark.parametrize(
    "text",
    ["no json", "[]", "{}", '{"type":"StasisStart"}', '{"type":"RESTResponse","request_id":7}', b"\x00\x01"],
)
async def test_malformed_message_drops_the_link_which_then_reconciles(engine: Engine, text: str | bytes) -> None:
    peer = await engine.connected()
    await peer.says(text)
    await peer.wait_closed()
    assert len(engine.downs) == 1
    await peer.dials()
    await until(lambda: engine.link.up)
    assert len(engine.seen) == 2


async def test_message_of_a_type_that_we_do_not_know_is_ignored(engine: Engine) -> None:
    peer = await engine.connected()
    await peer.says('{"type":"ChannelTalkingStarted","channel":{"id":"x"}}')
    await arrived(engine, peer)
    assert engine.downs == []


async def test_second_connection_replaces_one_that_is_half_open(engine: Engine) -> None:
    peer = await engine.connected()
    peer.forgets_connection()
    await peer.dials()
    await until(lambda: len(engine.seen) == 2)
    assert engine.downs == ["replaced by a newer connection"]
    await arrived(engine, peer)


async def test_request_without_an_answer_drops_the_link(hurried: Engine) -> None:
    peer = await hurried.connected()
    call = await arrived(hurried, peer)
    peer.answers = lambda method, uri, given: None
    hurried.link.execute([answer(call)])
    await until(lambda: bool(hurried.downs))
    assert hurried.downs[0].startswith(f"no answer to POST channels/{call}/answer")
    with pytest.raises(LinkDown):
        await hurried.link.observe(agents=())


async def test_asterisk_that_is_silent_is_taken_for_gone(hurried: Engine) -> None:
    peer = await hurried.connected()
    assert peer._socket is not None
    peer._socket.transport.pause_reading()
    await until(lambda: bool(hurried.downs))
    assert hurried.downs[0].startswith("silent for")


async def test_asterisk_that_has_nothing_to_say_but_lives_is_kept(hurried: Engine) -> None:
    await hurried.connected()
    await asyncio.sleep(0.6)
    assert hurried.link.up
    assert hurried.downs == []


async def test_listing_that_is_refused_is_link_down_and_tried_again(engine: Engine) -> None:
    peer = engine.asterisk()
    peer.answers = lambda method, uri, given: (500, {"message": "no"}) if uri == "bridges" else given
    await peer.dials()
    await peer.wait_closed()
    assert engine.seen == []
    assert engine.link.stage is Stage.DOWN
    peer.answers = lambda method, uri, given: given
    await peer.dials()
    await until(lambda: engine.link.up)


async def test_asterisk_that_does_not_greet_is_asked_all_the_same(hurried: Engine) -> None:
    peer = hurried.asterisk()
    peer.greets = False
    await peer.dials()
    await until(lambda: hurried.link.up)


async def test_filter_that_is_refused_is_said(engine: Engine) -> None:
    peer = engine.asterisk()
    peer.answers = lambda method, uri, given: (403, {"message": "read only"})
    await peer.dials()
    await peer.wait_closed()
    assert engine.link.why_down.startswith("event filter: 403")


async def test_asterisk_that_has_not_booted_yet_is_asked_again(engine: Engine) -> None:
    peer = engine.asterisk()
    refusals = [3]

    def booting(method: str, uri: str, given: tuple[int, object]) -> tuple[int, object]:
        if refusals[0]:
            refusals[0] -= 1
            return 503, {"message": "Asterisk not booted"}
        return given

    peer.answers = booting
    await peer.dials()
    await until(lambda: engine.link.up)
    assert [uri for _, uri, _ in peer.node.requests].count("applications/telefonista/eventFilter") == 4


async def test_leg_that_ends_while_what_is_alive_is_listed_is_not_in_the_observation(engine: Engine) -> None:
    peer = await engine.connected()
    first = await arrived(engine, peer)
    await peer.hangs_up()
    await until(lambda: not engine.link.up)

    def meanwhile(method: str, uri: str, given: tuple[int, object]) -> tuple[int, object]:
        if uri == "bridges" and first in peer.node.channels:
            peer.node.hangs_up(ids.citizen_leg(first))
            second = peer.node.citizen_calls(caller="24001234")
            peer.node.rest("POST", "events/claim", {"channelId": second})
        return given

    peer.answers = meanwhile
    await peer.dials()
    await until(lambda: len(engine.seen) == 2)
    assert [each.caller for each in engine.seen[1].legs] == ["24001234"]
    assert engine.order[-3:] == ["LegEnded", "CallArrived", "up"]


async def test_event_that_the_engine_does_not_take_drops_the_link(engine: Engine) -> None:
    peer = await engine.connected()
    engine.refuses_events = True
    with capture_logs() as logs:
        peer.node.citizen_calls()
        await peer.wait_closed()
    assert engine.downs == ["the engine did not take an event"]
    assert any(each["event"] == "event not taken" for each in logs)


async def test_too_many_requests_without_an_answer_drop_the_link() -> None:
    engine = Engine(limits=Limits(unanswered=20))
    await engine.link.start()
    try:
        peer = await engine.connected()
        call = await arrived(engine, peer)
        peer.mute = True
        engine.link.execute([answer(call)] * 21)
        assert engine.downs == ["more than 20 requests without an answer"]
    finally:
        await engine.close()


async def test_asterisk_that_does_not_take_what_is_sent_is_dropped() -> None:
    engine = Engine(limits=Limits(unsent_bytes=100_000))
    await engine.link.start()
    try:
        peer = await engine.connected()
        call = await arrived(engine, peer)
        assert peer._socket is not None
        peer._socket.transport.pause_reading()
        long = Play(
            call=call,
            leg=ids.citizen_leg(call),
            playback=ids.playback_id(call, n=1),
            prompts=(Prompt(text="a" * 50_000),),
        )
        for _ in range(400):
            engine.link.execute([long])
            await asyncio.sleep(0)
        assert engine.downs == ["Asterisk does not take what we send"]
    finally:
        await engine.close()


async def test_conflict_that_hides_an_absent_phone_ends_the_leg_as_absent(engine: Engine) -> None:
    peer = await engine.connected()
    call = await arrived(engine, peer)
    leg = ids.agent_leg(call, n=1)
    # As Asterisk does once it has refused a repeated id: the error of then is told again.
    peer.answers = lambda method, uri, given: (409, {"message": "exists"}) if given[0] == 500 else given
    ring = Ring(call=call, leg=leg, agent=AgentId("101"), citizen=ids.citizen_leg(call), shown_number="", timeout_s=15)
    engine.link.execute([ring])
    await until(lambda: LegEnded(call=call, leg=leg, cause=20) in engine.heard)


async def test_recording_without_a_recorder_fails_with_an_event(engine: Engine) -> None:
    peer = await engine.connected()
    call = await arrived(engine, peer)
    recording = ids.recording_id(call, n=1)
    engine.link.execute([StartRecording(call=call, leg=ids.citizen_leg(call), recording=recording)])
    assert not any(isinstance(each, RecordingFailed) for each in engine.heard)
    await until(lambda: any(isinstance(each, RecordingFailed) for each in engine.heard))


async def test_agents_added_later_are_watched_now_and_after_every_reconnect(engine: Engine) -> None:
    peer = await engine.connected()
    await engine.link.watch([AgentId("101"), AgentId("102")])
    sources = [query["eventSource"] for _, uri, query in peer.node.requests if uri.endswith("subscription")]
    assert sources == ["deviceState:PJSIP/101", "deviceState:PJSIP/102"]
    await peer.hangs_up()
    await until(lambda: not engine.link.up)
    await engine.link.watch([AgentId("103")])
    await peer.dials()
    await until(lambda: engine.link.up)
    assert set(engine.seen[-1].phones) == {AgentId("101"), AgentId("102"), AgentId("103")}


async def test_registrations_are_dropped_and_one_that_is_gone_is_none_the_worse(engine: Engine) -> None:
    peer = await engine.connected()
    peer.node.phones["101"] = "NOT_INUSE"
    contacts = [f"{agent};@{'0' * 32}" for agent in ("101", "102")]
    await engine.link.forget_contacts(contacts)
    assert "101" not in peer.node.phones
    peer.answers = lambda method, uri, answer: (500, {"message": "no"}) if method == "DELETE" else answer
    with pytest.raises(LinkDown, match="500"):
        await engine.link.forget_contacts(contacts)
    await peer.hangs_up()
    await until(lambda: not engine.link.up)
    with pytest.raises(LinkDown):
        await engine.link.forget_contacts(contacts)


async def test_stopping_says_goodbye_and_leaves_no_port(engine: Engine) -> None:
    peer = await engine.connected()
    await engine.link.stop()
    await peer.wait_closed()
    assert peer._socket is not None
    assert peer._socket.close_code == 1001
    with pytest.raises((ConnectionError, ConnectionClosed, OSError)):
        await peer.dials()


async def test_engine_that_fails_to_reconcile_is_tried_again(engine: Engine) -> None:
    failures = [1]
    well = engine.link._on_up

    def failing(seen: Observation) -> None:
        if failures[0]:
            failures[0] -= 1
            raise RuntimeError("no")
        well(seen)

    engine.link._on_up = failing
    peer = engine.asterisk()
    await peer.dials()
    await peer.wait_closed()
    await peer.dials()
    await until(lambda: len(engine.seen) == 1)
    assert engine.link.up


async def test_failure_that_repeats_itself_is_not_repeated_in_a_storm(engine: Engine) -> None:
    failures = 3
    well = engine.link._on_up

    def failing(seen: Observation) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise RuntimeError("no")
        well(seen)

    engine.link._on_up = failing
    began = time.monotonic()
    dialled = turned_away = 0
    while not engine.link.up:
        assert time.monotonic() - began < 10, "it is let in at last"
        peer = engine.asterisk()
        dialled += 1
        try:
            await peer.dials()
        except (OSError, InvalidMessage, ConnectionClosed):
            turned_away += 1
            await asyncio.sleep(0.05)
        else:
            await until(lambda: engine.link.up or engine.link._connection is None)
    assert dialled - turned_away == 4, "three that failed, and the one that did not"
    assert time.monotonic() - began > 0.2 + 0.4, "the pauses between them grow"
