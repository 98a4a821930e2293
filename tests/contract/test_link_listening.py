"""The link when somebody is to be listened to: the channel that hears, where it goes, what is told when it cannot."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from telefonista.kernel import ids
from telefonista.kernel.commands import StartListening, StopListening
from telefonista.kernel.events import LegAnswered, LegEnded, SpeechFailed
from telefonista.kernel.ids import CallId, LegId, NodeName
from telefonista.pbx.link import AsteriskLink
from tests.contract.test_link import GOOD, Engine, arrived, until


class Listener:
    """Notes what it is asked."""

    def __init__(self) -> None:
        self.context = "listening"
        self.extension: str | None = "1" * 37
        self.started: list[StartListening] = []
        self.stopped: list[StopListening] = []

    def start_listening(self, command: StartListening) -> str | None:
        self.started.append(command)
        return self.extension

    def stop_listening(self, command: StopListening) -> None:
        self.stopped.append(command)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
async def engine(listener: Listener) -> AsyncIterator[Engine]:
    made = Engine()
    made.link = AsteriskLink(
        node="nodo1",
        credentials=GOOD,
        sink=made.sink,
        accepting=lambda: True,
        prompt_uri=lambda prompt: f"sound:{prompt.text}",
        listener=listener,
        on_up=made.up,
        on_down=made.downs.append,
    )
    await made.link.start()
    yield made
    await made.close()


def listening_to(call: CallId, *, leg: LegId | None = None) -> StartListening:
    return StartListening(
        call=call,
        leg=leg or ids.citizen_leg(call),
        listening=ids.listening_id(call, n=1),
        node=NodeName("quiere"),
        language="es",
        phrases=(("sí",), ("no",)),
    )


async def test_a_channel_that_hears_goes_to_who_listens_and_is_nobodys_leg(engine: Engine, listener: Listener) -> None:
    peer = await engine.connected()
    call = await arrived(engine, peer)
    engine.link.execute([listening_to(call)])
    await until(lambda: any(uri.endswith("/continue") for _, uri, _ in peer.node.requests))
    (snoop,) = [query for _, uri, query in peer.node.requests if uri == f"channels/{call}/snoop/{call}.l1"]
    assert snoop == {"spy": "in", "app": "telefonista", "appArgs": "1" * 37}
    (onward,) = [query for _, uri, query in peer.node.requests if uri == f"channels/{call}.l1/continue"]
    assert onward == {"context": "listening", "extension": "1" * 37, "priority": "1"}
    assert [command.listening for command in listener.started] == [f"{call}.l1"]
    engine.link.execute([StopListening(call=call, listening=ids.listening_id(call, n=1))])
    assert [command.listening for command in listener.stopped] == [f"{call}.l1"]
    seen = await engine.link.observe(agents=[])
    assert [str(leg.leg) for leg in seen.legs] == [call]
    assert not any(isinstance(event, LegAnswered | LegEnded | SpeechFailed) for event in engine.heard)


async def test_who_cannot_listen_now_is_not_brought_a_channel(engine: Engine, listener: Listener) -> None:
    listener.extension = None
    peer = await engine.connected()
    call = await arrived(engine, peer)
    engine.link.execute([listening_to(call)])
    await engine.link.observe(agents=[])
    assert not any("snoop" in uri for _, uri, _ in peer.node.requests)


async def test_a_leg_that_cannot_be_named_fails_with_an_event(engine: Engine) -> None:
    peer = await engine.connected()
    call = await arrived(engine, peer)
    engine.link.execute([listening_to(call, leg=LegId("../bridges"))])
    await until(lambda: any(isinstance(event, SpeechFailed) for event in engine.heard))


async def test_without_a_listener_listening_fails_and_stopping_is_nothing() -> None:
    engine = Engine()
    await engine.link.start()
    try:
        peer = await engine.connected()
        call = await arrived(engine, peer)
        engine.link.execute([listening_to(call), StopListening(call=call, listening=ids.listening_id(call, n=1))])
        assert not any(isinstance(event, SpeechFailed) for event in engine.heard)
        await until(lambda: any(isinstance(event, SpeechFailed) for event in engine.heard))
    finally:
        await engine.close()
