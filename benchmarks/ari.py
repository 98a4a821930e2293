"""What a client makes of ARI: `AsteriskLink` beside asyncari and a bare WebSocket loop, on one real Asterisk.

Requests: answered per second with 50 on their way. Events: keys that channels press, first as they happen, then a
backlog that Asterisk kept while nobody listened and sends as fast as it is taken. In: an Asterisk that dials the
listeners. Out: rates, and processor time of the client for each.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import asyncari
from asyncari.model import OperationError
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from benchmarks.house import KEYS, House, until
from benchmarks.tables import Row, Section, met, progress, spread
from dialplans import AsteriskPlan
from telefonista.kernel.commands import Answer, PbxCommand, Play, Prompt
from telefonista.kernel.events import DigitPressed, Event, PlaybackEnded
from telefonista.kernel.ids import CallId, LegId, PlaybackId
from telefonista.pbx.link import AsteriskLink
from telefonista.pbx.wire.ari import WANTED
from telefonista.pbx.wire.frames import Credentials

LINKED, BARE, DRIVER, ASYNCARI = "linked", "bare", "driver", "asyncari"
LISTENERS = (LINKED, BARE, DRIVER)
BATCH = 25
"""Requests that go out together; the last of a batch is refused, so that its outcome can be heard of."""
BATCHES_AT_ONCE = 2
SLOWER = 10
"""So many times fewer requests are asked of asyncari, which would take a minute for a round."""
CHANNELS = 150
UP_TIMEOUT_S = 15.0
DRAIN_TIMEOUT_S = 30.0
LIVE_S = 2.0 + 0.11 * len(KEYS) + 2.0
"""A channel waits 2 s, then presses a key every tenth of a second or a little later."""
QUIET_S = 1.0
"""After so long without a key there is none left."""
AIM = 0.8
_ABSENT = "absent"


@dataclass
class Heard:
    """Keys that a client has been told of, and when the first and the last were (seconds, monotonic)."""

    keys: int = 0
    first_s: float = 0.0
    last_s: float = 0.0

    def one(self) -> None:
        self.last_s = time.monotonic()
        if not self.keys:
            self.first_s = self.last_s
        self.keys += 1


class Client(Protocol):
    """What is asked of each."""

    heard: Heard

    async def ask(self, *, channel: str, batches: int) -> None:
        """Send so many batches of requests about a channel; return when all were answered."""


class _Linked:
    """The engine's own link."""

    def __init__(self) -> None:
        self.heard = Heard()
        self.link: AsteriskLink
        self._commands: list[PbxCommand] = []
        self._to_send = 0
        self._unanswered = 0
        self._all_answered = asyncio.Event()

    def take(self, event: Event, at: float) -> None:
        """The link's sink."""
        if isinstance(event, DigitPressed):
            self.heard.one()
        elif isinstance(event, PlaybackEnded):
            self._unanswered -= 1
            if self._to_send:
                self._send()
            elif not self._unanswered:
                self._all_answered.set()

    def _send(self) -> None:
        self._to_send -= 1
        self._unanswered += 1
        self.link.execute(self._commands)

    async def ask(self, *, channel: str, batches: int) -> None:
        call, leg = CallId(channel), LegId(channel)
        refused = Play(call=call, leg=LegId(_ABSENT), playback=PlaybackId("k.p1"), prompts=(Prompt(text="-"),))
        self._commands = [*(Answer(call=call, leg=leg) for _ in range(BATCH - 1)), refused]
        self._to_send, self._unanswered = batches, 0
        self._all_answered.clear()
        for _ in range(BATCHES_AT_ONCE):
            self._send()
        await self._all_answered.wait()


@asynccontextmanager
async def _linked(port: int, *, plan: AsteriskPlan) -> AsyncIterator[Client]:
    client = _Linked()
    up = asyncio.Event()
    client.link = AsteriskLink(
        node=plan.node,
        credentials=Credentials(plan.link.username, plan.link.password),
        sink=client.take,
        accepting=lambda: False,
        prompt_uri=lambda prompt: "sound:silence/1",
        application=LINKED,
        port=port,
        on_up=lambda observation: up.set(),
    )
    await client.link.start()
    try:
        async with asyncio.timeout(UP_TIMEOUT_S):
            await up.wait()
        yield client
    finally:
        await client.link.stop()


@dataclass
class _Bare:
    """What one writes first: a loop over a WebSocket, json, answers by their id."""

    application: str
    heard: Heard = field(default_factory=Heard)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    socket: ServerConnection | None = None
    requests: int = 0
    waiting: dict[str, asyncio.Future[int]] = field(default_factory=dict)
    to_send: int = 0
    unanswered: int = 0
    channel: str = ""
    all_answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, socket: ServerConnection) -> None:
        self.socket = socket
        async for text in socket:
            message = json.loads(text)
            kind = message["type"]
            if kind == "ChannelDtmfReceived":
                self.heard.one()
            elif kind == "RESTResponse":
                await self._answered(message)
            # Not before Asterisk has spoken: what is sent right after the handshake may lie unread for seconds.
            self.ready.set()

    async def _answered(self, message: dict[str, Any]) -> None:
        waiting = self.waiting.pop(message["request_id"], None)
        if waiting is not None:
            waiting.set_result(message["status_code"])
            return
        self.unanswered -= 1
        if self.to_send:
            await self._send_next()
        elif not self.unanswered:
            self.all_answered.set()

    async def send(self, method: str, uri: str, query: dict[str, str], body: str = "") -> None:
        self.requests += 1
        message: dict[str, Any] = {
            "type": "RESTRequest",
            "request_id": str(self.requests),
            "method": method,
            "uri": uri,
            "query_strings": [{"name": name, "value": value} for name, value in query.items()],
        }
        if body:
            message |= {"content_type": "application/json", "message_body": body}
        assert self.socket is not None
        await self.socket.send(json.dumps(message))

    async def asked(self, method: str, uri: str, query: dict[str, str] | None = None, body: str = "") -> int:
        """The status of the answer."""
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        # The answer cannot be read before this coroutine waits.
        self.waiting[str(self.requests + 1)] = answer
        await self.send(method, uri, query or {}, body)
        return await answer

    async def ask(self, *, channel: str, batches: int) -> None:
        self.channel, self.to_send, self.unanswered = channel, batches * BATCH, 0
        self.all_answered.clear()
        for _ in range(BATCH * BATCHES_AT_ONCE):
            await self._send_next()
        await self.all_answered.wait()

    async def _send_next(self) -> None:
        self.to_send -= 1
        self.unanswered += 1
        if self.to_send % BATCH:
            await self.send("POST", f"channels/{self.channel}/answer", {})
        else:
            await self.send("POST", f"channels/{_ABSENT}/play/k.p1", {"media": "sound:silence/1"})


@asynccontextmanager
async def _bare(application: str, port: int) -> AsyncIterator[_Bare]:
    client = _Bare(application)
    server: Server = await serve(client.handle, "127.0.0.1", port, subprotocols=[Subprotocol("ari")], compression=None)
    try:
        async with asyncio.timeout(UP_TIMEOUT_S):
            await client.ready.wait()
            wanted = json.dumps({"allowed": [{"type": name} for name in WANTED]})
            await client.asked("PUT", f"applications/{application}/eventFilter", body=wanted)
        yield client
    finally:
        server.close()
        await server.wait_closed()


class _Asyncari:
    """The library: HTTP for each request, events by a WebSocket that it dials."""

    def __init__(self, client: Any) -> None:
        self.heard = Heard()
        self._client = client

    async def listen(self) -> None:
        async with self._client.on_event("ChannelDtmfReceived") as listener:
            async for _ in listener:
                self.heard.one()

    async def ask(self, *, channel: str, batches: int) -> None:
        left = batches

        async def work() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                for _ in range(BATCH - 1):
                    await self._client.channels.answer(channelId=channel)
                await self._refused()

        await asyncio.gather(*(work() for _ in range(BATCH * BATCHES_AT_ONCE)))

    async def _refused(self) -> None:
        with contextlib.suppress(OperationError):
            await self._client.channels.playWithId(channelId=_ABSENT, playbackId="k.p1", media="sound:silence/1")


@asynccontextmanager
async def _asyncari(house: House, *, plan: AsteriskPlan) -> AsyncIterator[Client]:
    for name in ("httpx", "asyncari", "asyncswagger11"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    async with asyncari.connect(
        f"http://127.0.0.1:{house.http_port}/", ASYNCARI, plan.link.username, plan.link.user_secret
    ) as connected:
        client = _Asyncari(connected)
        listening = asyncio.create_task(client.listen())
        try:
            yield client
        finally:
            listening.cancel()


@dataclass
class Figures:
    """Of one client: per second, and microseconds of processor time each."""

    requests_per_s: list[float] = field(default_factory=list)
    request_us: list[float] = field(default_factory=list)
    live_per_s: list[float] = field(default_factory=list)
    live_us: list[float] = field(default_factory=list)
    drained_per_s: list[float] = field(default_factory=list)
    drained_us: list[float] = field(default_factory=list)


Open = Callable[[], AbstractAsyncContextManager[Client]]


async def measure(house: House, *, plan: AsteriskPlan, rounds: int, batches: int) -> Section:
    """All clients in turns."""
    figures = {name: Figures() for name in (LINKED, BARE, ASYNCARI)}
    opens: dict[str, Open] = {
        LINKED: lambda: _linked(house.listeners[LINKED], plan=plan),
        BARE: lambda: _bare(BARE, house.listeners[BARE]),
        ASYNCARI: lambda: _asyncari(house, plan=plan),
    }
    async with _bare(DRIVER, house.listeners[DRIVER]) as driver:
        for turn in range(rounds):
            for name, opened in opens.items():
                fewer = batches // SLOWER if name == ASYNCARI else batches
                await _requests(driver, opened, figures[name], application=name, batches=fewer)
                await _live(driver, opened, figures[name], application=name)
                if name != ASYNCARI:
                    await _drain(driver, opened, figures[name], application=name)
                progress(f"{name}: round {turn + 1} of {rounds}")
    return _section(figures, rounds=rounds, batches=batches)


async def _requests(driver: _Bare, opened: Open, figures: Figures, *, application: str, batches: int) -> None:
    async with opened() as client:
        (channel,) = await _channels(driver, application=application, extension="quiet", count=1)
        began, used = time.monotonic(), time.process_time()
        await client.ask(channel=channel, batches=batches)
        took_s, used_s = time.monotonic() - began, time.process_time() - used
        figures.requests_per_s.append(batches * BATCH / took_s)
        figures.request_us.append(1e6 * used_s / (batches * BATCH))
        await _hang_up(driver, [channel])


async def _live(driver: _Bare, opened: Open, figures: Figures, *, application: str) -> None:
    async with opened() as client:
        channels = await _channels(driver, application=application, extension="presses", count=CHANNELS)
        used = time.process_time()
        await asyncio.sleep(LIVE_S)
        used_s = time.process_time() - used
        heard = client.heard
        figures.live_per_s.append(heard.keys / max(1e-9, heard.last_s - heard.first_s))
        figures.live_us.append(1e6 * used_s / max(1, heard.keys))
        await _hang_up(driver, channels)


async def _drain(driver: _Bare, opened: Open, figures: Figures, *, application: str) -> None:
    async with opened():
        channels = await _channels(driver, application=application, extension="presses", count=CHANNELS)
    await asyncio.sleep(LIVE_S)
    used = time.process_time()
    async with opened() as client:
        heard = client.heard
        # Not all: who pressed while the channels were still being made was heard of by the client before this one.
        await until(lambda: heard.keys and time.monotonic() - heard.last_s > QUIET_S, "kept keys", DRAIN_TIMEOUT_S)
        used_s = time.process_time() - used
        figures.drained_per_s.append(heard.keys / (heard.last_s - heard.first_s))
        figures.drained_us.append(1e6 * used_s / heard.keys)
        await _hang_up(driver, channels)


async def _channels(driver: _Bare, *, application: str, extension: str, count: int) -> list[str]:
    """New channels in an application; their ids."""
    serial = driver.requests
    names = [f"{application}-{serial}-{index}" for index in range(count)]
    for name in names:
        query = {"endpoint": f"Local/{extension}@keys/n", "app": application}
        status = await driver.asked("POST", f"channels/{name}", query)
        if status != 200:
            raise RuntimeError(f"no channel {name}: {status}")
    return names


async def _hang_up(driver: _Bare, channels: Sequence[str]) -> None:
    for name in channels:
        await driver.asked("DELETE", f"channels/{name}")


def _section(figures: dict[str, Figures], *, rounds: int, batches: int) -> Section:
    ways = [figures[name] for name in (LINKED, BARE, ASYNCARI)]
    ours, bare, _ = ways
    requests = _ratio(ours.requests_per_s, bare.requests_per_s)
    drained = _ratio(ours.drained_per_s, bare.drained_per_s)
    return Section(
        title="ARI: requests and events",
        ways=("AsteriskLink", "bare loop", "asyncari"),
        rows=[
            Row(what="requests answered a second", cells=[_whole(each.requests_per_s) for each in ways]),
            Row(what="  of the bare loop", cells=(f"{requests:.2f}",), aim=f">= {AIM}", seen=met(requests, least=AIM)),
            Row(what="  the client's own time for each", cells=[_us(each.request_us) for each in ways]),
            Row(what="kept events taken a second", cells=[_whole(each.drained_per_s) for each in ways]),
            Row(what="  of the bare loop", cells=(f"{drained:.2f}",), aim=f">= {AIM}", seen=met(drained, least=AIM)),
            Row(what="  the client's own time for each", cells=[_us(each.drained_us) for each in ways]),
            Row(what="live events a second", cells=[_whole(each.live_per_s) for each in ways]),
            Row(what="  the client's own time for each", cells=[_us(each.live_us) for each in ways]),
        ],
        remarks=[
            f"{rounds} rounds, the clients in turns, all in one Python process. {batches * BATCH} requests (of "
            f"asyncari {batches // SLOWER * BATCH}), "
            f"{BATCH * BATCHES_AT_ONCE} on their way at once: answer a channel, every {BATCH}th a playback that is "
            "refused. Bare loop: websockets' server and json. Both are dialled by Asterisk; asyncari dials, and asks "
            "by HTTP.",
            f"{CHANNELS} channels press {len(KEYS)} keys each: about {10 * CHANNELS} events a second is all there is "
            "live. The kept ones were pressed while nobody listened; asyncari is told nothing of such.",
        ],
    )


def _ratio(ours: Sequence[float], peer: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, peer, strict=True))


def _whole(values: Sequence[float]) -> str:
    return spread(values, digits=0)


def _us(values: Sequence[float]) -> str:
    return spread(values, unit=" us", digits=0)
