"""The AMI recorder against a loopback AMI: what it sends, what it makes of answers, and what trouble does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path, PurePosixPath

import pytest

from telefonista.kernel.events import Event, RecordingFailed, RecordingStarted, RecordingStopped
from telefonista.kernel.ids import CallId, LegId, RecordingId, citizen_leg, recording_id
from telefonista.kernel.ports import LinkDown
from telefonista.pbx.ami import AmiRecorder, Limits

CALL = CallId("nodo1-1795284101.1")
LEG = citizen_leg(CALL)
RECORDING = recording_id(CALL, n=1)

Action = dict[str, str]


class FakeAmi:
    """Speaks as Asterisk's manager does. `says` maps an action to its answer, None for silence."""

    def __init__(self) -> None:
        self.actions: list[Action] = []
        self.connections = 0
        self.says: Callable[[Action], str | None] = self.usual
        self.banner = b"Asterisk Call Manager/11.0.0\r\n"
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @staticmethod
    def usual(action: Action) -> str | None:
        if action["Action"] == "Login" and action["Secret"] != "secreto":
            return "Response: Error\r\nMessage: Authentication failed"
        return "Response: Success\r\nMessage: done"

    async def start(self, *, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.drop()
        await self._server.wait_closed()
        await until(lambda: not self._writers)

    def drop(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def shout(self, raw: bytes) -> None:
        """Send anything to everybody."""
        for writer in self._writers:
            writer.write(raw)

    def sent(self, name: str) -> list[Action]:
        return [each for each in self.actions if each["Action"] == name]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            writer.write(self.banner)
            while True:
                raw = (await reader.readuntil(b"\r\n\r\n")).decode()
                action = dict(line.split(": ", 1) for line in raw.strip().split("\r\n"))
                self.actions.append(action)
                said = self.says(action)
                if said is not None:
                    writer.write(f"{said}\r\nActionID: {action['ActionID']}\r\n\r\n".encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


class World:
    def __init__(self, ami: FakeAmi, *, folder: Path, secret: str = "secreto") -> None:
        self.ami = ami
        self.folder = folder
        self.heard: list[Event] = []
        limits = Limits(connect_s=1, answer_s=0.3, ping_every_s=0.1, patience_s=0.5, waiting=5, settle_s=0.02)
        self.recorder = AmiRecorder(
            port=ami.port,
            username="motor",
            secret=secret,
            folder=PurePosixPath(folder),
            sink=lambda event, at: self.heard.append(event),
            limits=limits,
        )

    async def connected(self) -> World:
        await self.recorder.start()
        await until(lambda: self.recorder.connected)
        return self

    def begins(self, recording: RecordingId = RECORDING, *, leg: LegId = LEG) -> None:
        self.recorder.start_recording(CALL, leg=leg, recording=recording)

    def ends(self) -> None:
        self.recorder.stop_recording(CALL, leg=LEG, recording=RECORDING)

    async def hears(self, *events: Event) -> None:
        await until(lambda: len(self.heard) >= len(events))
        assert self.heard == list(events)


async def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5.0
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.002)


@pytest.fixture
async def ami() -> AsyncIterator[FakeAmi]:
    made = FakeAmi()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def world(ami: FakeAmi, tmp_path: Path) -> AsyncIterator[World]:
    made = World(ami, folder=tmp_path)
    yield made
    await made.recorder.stop()


STARTED = RecordingStarted(call=CALL, recording=RECORDING)
STOPPED = RecordingStopped(call=CALL, recording=RECORDING)


async def test_login_asks_for_no_events(world: World, ami: FakeAmi) -> None:
    await world.connected()
    (login,) = ami.sent("Login")
    assert (login["Username"], login["Events"]) == ("motor", "off")
    assert world.recorder.why_down == ""


async def test_recording_is_begun_and_stopped_on_the_citizens_leg(world: World, ami: FakeAmi) -> None:
    await world.connected()
    world.begins()
    world.ends()
    await world.hears(STARTED, STOPPED)
    names = [each["Action"] for each in ami.actions if each["Action"] != "Ping"]
    assert names == ["Login", "MixMonitor", "StopMixMonitor"]
    (begun,) = ami.sent("MixMonitor")
    assert begun["Channel"] == LEG
    files = [f"{world.folder}/{RECORDING}-{side}.wav" for side in ("citizen", "agent")]
    assert begun["Options"] == f"r({files[0]})t({files[1]})"


async def test_recording_that_runs_already_is_not_begun_again(world: World, ami: FakeAmi) -> None:
    await world.connected()
    (world.folder / f"{RECORDING}-citizen.wav").touch()
    world.begins()
    await world.hears(STARTED)
    assert ami.sent("MixMonitor") == []


async def test_recording_that_asterisk_refuses_fails_and_says_why(world: World, ami: FakeAmi) -> None:
    await world.connected()
    ami.says = lambda action: "Response: Error\r\nMessage: No such channel"
    world.begins()
    await world.hears(RecordingFailed(call=CALL, recording=RECORDING, why="No such channel"))


async def test_recording_of_a_citizen_who_hung_up_is_stopped_all_the_same(world: World, ami: FakeAmi) -> None:
    await world.connected()
    ami.says = lambda action: "Response: Error\r\nMessage: No such channel"
    world.ends()
    await world.hears(STOPPED)


@pytest.mark.parametrize("name", ["x\r\nAction: Originate", "../x.r1", ""])
async def test_value_that_would_be_another_action_is_never_sent(world: World, ami: FakeAmi, name: str) -> None:
    await world.connected()
    world.begins(RecordingId(name))
    world.begins(leg=LegId("x\r\n\r\nAction: Originate"))
    await until(lambda: len(world.heard) == 2)
    assert all(isinstance(each, RecordingFailed) for each in world.heard)
    assert {each["Action"] for each in ami.actions} <= {"Login", "Ping"}


async def test_answer_that_never_comes_fails_the_recording_and_is_not_asked_for_again(
    world: World, ami: FakeAmi
) -> None:
    await world.connected()
    ami.says = lambda action: None if action["Action"] == "MixMonitor" else FakeAmi.usual(action)
    world.begins()
    await world.hears(RecordingFailed(call=CALL, recording=RECORDING, why="AMI: no answer"))
    ami.drop()
    await until(lambda: ami.connections == 2 and world.recorder.connected)
    await world.recorder.ping()
    assert len(ami.sent("MixMonitor")) == 1


async def test_connection_that_breaks_before_the_answer_fails_the_recording_at_once(world: World, ami: FakeAmi) -> None:
    await world.connected()
    ami.says = lambda action: None if action["Action"] == "MixMonitor" else FakeAmi.usual(action)
    world.begins()
    await until(lambda: bool(ami.sent("MixMonitor")))
    ami.drop()
    why = "AMI: connection lost before the answer"
    await world.hears(RecordingFailed(call=CALL, recording=RECORDING, why=why))
    ami.says = FakeAmi.usual
    await until(lambda: world.recorder.connected and ami.connections == 2)
    await world.recorder.ping()
    assert len(ami.sent("MixMonitor")) == 1


async def test_recording_asked_for_while_connecting_waits_for_it(world: World, ami: FakeAmi) -> None:
    world.begins()
    await world.connected()
    await world.hears(STARTED)


async def test_recording_asked_for_without_ami_fails_after_its_patience(world: World, ami: FakeAmi) -> None:
    await ami.stop()
    await world.recorder.start()
    world.begins()
    await until(lambda: bool(world.heard))
    (failed,) = world.heard
    assert isinstance(failed, RecordingFailed)
    assert failed.why.startswith("AMI: ")
    await ami.start(port=ami.port)


async def test_ami_that_comes_later_is_found(world: World, ami: FakeAmi) -> None:
    await ami.stop()
    await world.recorder.start()
    await until(lambda: "Connect call failed" in world.recorder.why_down)
    await ami.start(port=ami.port)
    await until(lambda: world.recorder.connected)


async def test_ami_that_no_longer_answers_is_left_and_dialled_again(world: World, ami: FakeAmi) -> None:
    await world.connected()
    ami.says = lambda action: None
    await until(lambda: not world.recorder.connected)
    ami.says = FakeAmi.usual
    await until(lambda: world.recorder.connected)
    assert ami.connections >= 2


async def test_wrong_secret_is_said_and_never_lets_a_recording_through(ami: FakeAmi, tmp_path: Path) -> None:
    world = World(ami, folder=tmp_path, secret="otro")
    await world.recorder.start()
    await until(lambda: world.recorder.why_down == "AMI refuses the login")
    world.begins()
    await world.hears(RecordingFailed(call=CALL, recording=RECORDING, why="AMI: AMI refuses the login"))
    assert ami.sent("MixMonitor") == []
    await world.recorder.stop()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xfe\x00" * 100 + b"\r\n\r\n",
        b"x" * 100_000,
        b"Event: \xc3",
        b"Response: Success\r\n\r\n",
        b"\r\n\r\n" * 50,
    ],
    ids=["bytes", "endless", "half a letter", "answer to nothing", "nothing"],
)
async def test_garbage_costs_at_most_the_connection(world: World, ami: FakeAmi, garbage: bytes) -> None:
    await world.connected()
    ami.shout(garbage)
    await asyncio.sleep(0)
    world.begins()
    await until(lambda: bool(world.heard))
    if world.heard != [STARTED]:
        await until(lambda: world.recorder.connected)
        world.heard.clear()
        world.begins()
        await world.hears(STARTED)


async def test_too_many_recordings_at_once_fail_rather_than_pile_up(world: World, ami: FakeAmi) -> None:
    await world.connected()
    ami.says = lambda action: None if action["Action"] == "MixMonitor" else FakeAmi.usual(action)
    for n in range(1, 8):
        world.begins(recording_id(CALL, n=n))
    await until(lambda: len(world.heard) == 2)
    assert {each.why for each in world.heard if isinstance(each, RecordingFailed)} == {
        "too many recordings are waiting"
    }


async def test_event_that_the_engine_does_not_take_does_not_end_the_connection(world: World, ami: FakeAmi) -> None:
    await world.connected()

    def refusing(event: Event, at: float) -> None:
        raise RuntimeError("journal full")

    world.recorder._sink = refusing
    world.begins()
    await until(lambda: bool(ami.sent("MixMonitor")))
    await world.recorder.ping()
    assert world.recorder.connected


async def test_recorder_that_was_stopped_is_down(world: World) -> None:
    await world.connected()
    await world.recorder.stop()
    assert not world.recorder.connected
    with pytest.raises(LinkDown):
        await world.recorder.ping()
