"""What every `kernel.ports.Pbx` promises, kept by the fake and by the real link over a loopback WebSocket alike."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from telefonista.kernel import ids
from telefonista.kernel.commands import (
    Answer,
    Connect,
    Disconnect,
    HangUp,
    PbxCommand,
    Play,
    Prompt,
    Ring,
    StartMusic,
    StartRecording,
    StopMusic,
    StopPlayback,
    StopRecording,
)
from telefonista.kernel.events import (
    CallArrived,
    CommandFailed,
    DigitPressed,
    Event,
    LegAnswered,
    LegEnded,
    LegRang,
    Phone,
    PhoneChanged,
    PlaybackEnded,
    RecordingStarted,
    RecordingStopped,
)
from telefonista.kernel.ids import AgentId, CallId, LegId, LineName, RecordingId, RouteName
from telefonista.kernel.ports import LinkDown, Observation, Pbx
from telefonista.pbx.link import AsteriskLink
from telefonista.pbx.wire.frames import Credentials
from tests.fakes.pbx import FakeAsterisk, FakePbx, Node

AGENT = AgentId("101")
CREDENTIALS = Credentials("nodo1", "secreto")


class World:
    """A node, the adapter under test, and what the engine heard."""

    pbx: Pbx
    node: Node

    def __init__(self) -> None:
        self.heard: list[Event] = []
        self.times: list[float] = []
        self.accepting = True

    def sink(self, event: Event, at: float) -> None:
        self.heard.append(event)
        self.times.append(at)

    def pump(self) -> None:
        """Let the adapter deliver."""

    async def down(self) -> None:
        raise NotImplementedError

    async def up(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        """Stop what was started."""

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait, at most five seconds, for something to be so."""
        deadline = time.monotonic() + 5.0
        while True:
            self.pump()
            if true():
                return
            assert time.monotonic() < deadline, f"it did not come to pass; heard {self.heard}"
            await asyncio.sleep(0.002)

    async def settled(self) -> None:
        """Wait until everything that was sent has been answered: a listing is answered after it."""
        await self.pbx.observe(agents=())
        self.pump()

    async def call(self) -> CallId:
        """A citizen whose call was claimed and answered."""
        call = self.node.citizen_calls()
        await self.until(lambda: any(isinstance(each, CallArrived) and each.call == call for each in self.heard))
        self.pbx.execute([Answer(call=call, leg=ids.citizen_leg(call))])
        await self.settled()
        return call

    async def rung(self, call: CallId, *, n: int = 1) -> LegId:
        """A leg to the agent, ringing."""
        leg = ids.agent_leg(call, n=n)
        self.node.phone_becomes(AGENT, "NOT_INUSE")
        self.pbx.execute([ring(call, leg)])
        await self.until(lambda: leg in self.node.channels)
        return leg

    def of(self, kind: type) -> list[Event]:
        return [each for each in self.heard if isinstance(each, kind)]


class _Fake(World):
    def __init__(self) -> None:
        super().__init__()
        self.fake = FakePbx(
            sink=self.sink,
            accepting=lambda: self.accepting,
            prompt_uri=lambda prompt: f"sound:{prompt.text}",
        )
        self.pbx = self.fake
        self.node = self.fake.node

    def pump(self) -> None:
        self.fake.deliver()

    async def down(self) -> None:
        self.fake.goes_down()

    async def up(self) -> None:
        self.fake.comes_up()


class _Recorder:
    """Records by the node's own hand."""

    def __init__(self, world: World) -> None:
        self.world = world

    def start_recording(self, call: CallId, *, leg: LegId, recording: RecordingId) -> None:
        self.world.node.recording[leg] = recording
        self.world.sink(RecordingStarted(call=call, recording=recording), time.time())

    def stop_recording(self, call: CallId, *, leg: LegId, recording: RecordingId) -> None:
        self.world.node.recording.pop(leg, None)
        self.world.sink(RecordingStopped(call=call, recording=recording), time.time())


class _Real(World):
    def __init__(self) -> None:
        super().__init__()
        self.observations: list[Observation] = []
        self.link = AsteriskLink(
            node="nodo1",
            credentials=CREDENTIALS,
            sink=self.sink,
            accepting=lambda: self.accepting,
            prompt_uri=lambda prompt: f"sound:{prompt.text}",
            agents=[AGENT],
            recorder=_Recorder(self),
            on_up=self.observations.append,
        )
        self.pbx = self.link

    async def open(self) -> None:
        await self.link.start()
        self.asterisk = FakeAsterisk(port=self.link.port, credentials=CREDENTIALS)
        self.node = self.asterisk.node
        await self.up()

    async def down(self) -> None:
        await self.asterisk.hangs_up()
        await self.until(lambda: not self.link.up)

    async def up(self) -> None:
        await self.asterisk.dials()
        await self.until(lambda: self.link.up)

    async def close(self) -> None:
        await self.asterisk.stop()
        await self.link.stop()


@pytest.fixture(params=["fake", "real"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "fake":
        yield _Fake()
        return
    real = _Real()
    await real.open()
    try:
        yield real
    finally:
        await real.close()


def ring(call: CallId, leg: LegId, *, agent: AgentId = AGENT, shown: str = "099123456") -> Ring:
    return Ring(call=call, leg=leg, agent=agent, citizen=ids.citizen_leg(call), shown_number=shown, timeout_s=15.0)


def play(call: CallId, *, n: int = 1, leg: LegId | None = None, text: str = "bienvenida") -> Play:
    return Play(
        call=call,
        leg=leg or ids.citizen_leg(call),
        playback=ids.playback_id(call, n=n),
        prompts=(Prompt(text=text),),
    )


async def test_call_that_is_claimed_arrives_with_its_line_number_route_and_caller(world: World) -> None:
    call = world.node.citizen_calls(caller="+59899123456", dialled="463", route="antel")
    await world.until(lambda: bool(world.heard))
    assert world.heard == [
        CallArrived(
            call=call,
            line=LineName("0800-info"),
            dialled="463",
            route=RouteName("antel"),
            caller="+59899123456",
        )
    ]


async def test_call_is_left_to_the_contingency_path_when_the_engine_accepts_none(world: World) -> None:
    world.accepting = False
    call = world.node.citizen_calls()
    await world.settled()
    assert world.heard == []
    assert world.node.channels[call].waiting


async def test_time_of_an_event_is_the_nodes_own(world: World) -> None:
    world.node.now = lambda: 1_700_000_000.25
    world.node.citizen_calls()
    await world.until(lambda: bool(world.heard))
    assert world.times == [1_700_000_000.25]


async def test_prompts_end_with_an_event_when_heard_out_or_stopped(world: World) -> None:
    call = await world.call()
    first, second = ids.playback_id(call, n=1), ids.playback_id(call, n=2)
    world.pbx.execute([play(call, n=1), play(call, n=2)])
    await world.settled()
    world.node.playback_ends(first)
    world.pbx.execute([StopPlayback(call=call, playback=second)])
    await world.until(lambda: len(world.of(PlaybackEnded)) == 2)
    assert world.of(PlaybackEnded) == [
        PlaybackEnded(call=call, playback=first),
        PlaybackEnded(call=call, playback=second),
    ]


async def test_playing_to_a_leg_that_is_gone_ends_the_playback_as_failed(world: World) -> None:
    call = await world.call()
    world.node.hangs_up(ids.citizen_leg(call))
    world.pbx.execute([play(call)])
    ended = PlaybackEnded(call=call, playback=ids.playback_id(call, n=1), failed=True)
    await world.until(lambda: ended in world.heard)


async def test_stopping_what_is_over_and_hanging_up_who_is_gone_is_silent(world: World) -> None:
    call = await world.call()
    leg = ids.citizen_leg(call)
    world.node.hangs_up(leg)
    await world.settled()
    before = list(world.heard)
    gone: list[PbxCommand] = [
        StopPlayback(call=call, playback=ids.playback_id(call, n=9)),
        StartMusic(call=call, leg=leg),
        StopMusic(call=call, leg=leg),
        Answer(call=call, leg=leg),
        Disconnect(call=call, bridge=ids.bridge_id(call, n=9)),
        HangUp(call=call, leg=leg),
    ]
    world.pbx.execute(gone)
    await world.settled()
    assert world.heard == before


async def test_digits_come_in_the_order_in_which_they_were_pressed(world: World) -> None:
    call = await world.call()
    leg = ids.citizen_leg(call)
    for digit in "12#*0":
        world.node.presses(leg, digit)
    await world.until(lambda: len(world.of(DigitPressed)) == 5)
    assert world.of(DigitPressed) == [DigitPressed(call=call, leg=leg, digit=digit) for digit in "12#*0"]


async def test_agent_rings_answers_talks_and_hangs_up(world: World) -> None:
    call = await world.call()
    leg = await world.rung(call)
    world.node.phone_rings(leg)
    world.node.agent_answers(leg)
    await world.until(lambda: bool(world.of(LegAnswered)))
    bridge = ids.bridge_id(call, n=1)
    world.pbx.execute([Connect(call=call, bridge=bridge, legs=(ids.citizen_leg(call), leg))])
    await world.settled()
    assert world.node.bridges == {bridge: [ids.citizen_leg(call), leg]}
    world.node.hangs_up(leg)
    await world.until(lambda: bool(world.of(LegEnded)))
    world.pbx.execute([Disconnect(call=call, bridge=bridge), HangUp(call=call, leg=ids.citizen_leg(call))])
    await world.until(lambda: len(world.of(LegEnded)) == 2)
    assert world.of(LegRang) == [LegRang(call=call, leg=leg)]
    assert world.of(LegAnswered) == [LegAnswered(call=call, leg=leg)]
    assert world.of(LegEnded) == [
        LegEnded(call=call, leg=leg, cause=16),
        LegEnded(call=call, leg=ids.citizen_leg(call), cause=16),
    ]
    assert world.node.left_over() == []


async def test_agent_who_is_busy_ends_the_leg_with_cause_and_sip_status(world: World) -> None:
    call = await world.call()
    leg = await world.rung(call)
    world.node.hangs_up(leg, cause=17, sip_status=486)
    await world.until(lambda: bool(world.of(LegEnded)))
    assert world.of(LegEnded) == [LegEnded(call=call, leg=leg, cause=17, sip_status=486)]


async def test_agent_whose_phone_is_not_registered_ends_the_leg_as_absent(world: World) -> None:
    call = await world.call()
    leg = ids.agent_leg(call, n=1)
    world.pbx.execute([ring(call, leg, agent=AgentId("102"))])
    await world.until(lambda: bool(world.of(LegEnded)))
    assert world.of(LegEnded) == [LegEnded(call=call, leg=leg, cause=20)]


async def test_ringing_the_same_leg_twice_dials_once(world: World) -> None:
    call = await world.call()
    leg = await world.rung(call)
    world.pbx.execute([ring(call, leg)])
    await world.settled()
    world.node.phone_rings(leg)
    await world.until(lambda: bool(world.of(LegRang)))
    assert world.of(LegEnded) == []
    assert list(world.node.channels) == [call, leg]


async def test_connecting_twice_leaves_one_bridge_with_both_legs(world: World) -> None:
    call = await world.call()
    leg = await world.rung(call)
    world.node.agent_answers(leg)
    both = Connect(call=call, bridge=ids.bridge_id(call, n=1), legs=(ids.citizen_leg(call), leg))
    world.pbx.execute([both, both])
    await world.settled()
    assert world.node.bridges == {both.bridge: [ids.citizen_leg(call), leg]}
    assert world.of(CommandFailed) == []


async def test_value_that_must_not_go_out_comes_back_as_an_event_and_the_rest_is_done(world: World) -> None:
    call = await world.call()
    leg = ids.agent_leg(call, n=1)
    world.pbx.execute(
        [
            ring(call, leg, agent=AgentId("101\r\nAction: Originate")),
            play(call, text="hola\r\nmundo"),
            StartMusic(call=call, leg=ids.LegId(f"{call}\n")),
            play(call, n=2),
        ]
    )
    await world.until(lambda: len(world.heard) == 4)
    assert world.of(LegEnded) == [LegEnded(call=call, leg=leg, cause=3)]
    assert world.of(PlaybackEnded) == [PlaybackEnded(call=call, playback=ids.playback_id(call, n=1), failed=True)]
    assert [each.command for each in world.heard if isinstance(each, CommandFailed)] == ["StartMusic"]
    await world.settled()
    assert world.node.channels[call].playbacks == [ids.playback_id(call, n=2)]


@pytest.mark.parametrize("shown", ["anonymous", '"x" <1>', "099\r\n1", ""])
async def test_caller_without_a_number_rings_the_agent_as_anonymous(world: World, shown: str) -> None:
    call = await world.call()
    world.node.phone_becomes(AGENT, "NOT_INUSE")
    leg = ids.agent_leg(call, n=1)
    world.pbx.execute([ring(call, leg, shown=shown)])
    await world.until(lambda: leg in world.node.channels)
    assert world.node.channels[leg].number == "anonymous"


async def test_recording_is_begun_after_what_was_asked_before_it(world: World) -> None:
    call = await world.call()
    recording = ids.recording_id(call, n=1)
    leg = ids.citizen_leg(call)
    world.pbx.execute([StartMusic(call=call, leg=leg), StartRecording(call=call, leg=leg, recording=recording)])
    await world.until(lambda: bool(world.of(RecordingStarted)))
    assert world.node.recording == {leg: recording}
    world.pbx.execute([StopRecording(call=call, leg=leg, recording=recording)])
    await world.until(lambda: bool(world.of(RecordingStopped)))
    assert world.node.recording == {}


async def test_phone_that_changes_is_told(world: World) -> None:
    for state in ("NOT_INUSE", "RINGING", "INUSE", "UNAVAILABLE", "no such state"):
        world.node.phone_becomes(AGENT, state)
    await world.until(lambda: len(world.of(PhoneChanged)) == 5)
    assert [each.phone for each in world.heard if isinstance(each, PhoneChanged)] == [
        Phone.IDLE,
        Phone.RINGING,
        Phone.BUSY,
        Phone.UNREACHABLE,
        Phone.UNREACHABLE,
    ]


async def test_observation_tells_legs_bridges_and_phones(world: World) -> None:
    call = await world.call()
    leg = await world.rung(call)
    world.node.agent_answers(leg)
    world.pbx.execute([Connect(call=call, bridge=ids.bridge_id(call, n=1), legs=(ids.citizen_leg(call), leg))])
    seen = await world.pbx.observe(agents=[AGENT])
    citizen, agent = seen.legs
    assert (citizen.leg, citizen.answered, citizen.in_application) == (ids.citizen_leg(call), True, True)
    assert (citizen.caller, citizen.line, citizen.dialled, citizen.route) == ("099123456", "0800-info", "4636", "red")
    assert (agent.leg, agent.answered, agent.in_application, agent.line) == (leg, True, True, "")
    assert [(each.bridge, each.legs) for each in seen.bridges] == [
        (ids.bridge_id(call, n=1), frozenset({ids.citizen_leg(call), leg}))
    ]
    assert seen.phones == {AGENT: Phone.BUSY}


async def test_call_of_the_contingency_path_is_seen_outside_the_application(world: World) -> None:
    world.accepting = False
    call = world.node.citizen_calls()
    await world.settled()
    world.node.nobody_claims(call)
    (leg,) = (await world.pbx.observe(agents=())).legs
    assert (leg.leg, leg.in_application) == (ids.citizen_leg(call), False)


async def test_commands_are_dropped_while_the_link_is_down_and_nothing_raises(world: World) -> None:
    call = await world.call()
    await world.down()
    world.pbx.execute([play(call), HangUp(call=call, leg=ids.citizen_leg(call))])
    with pytest.raises(LinkDown):
        await world.pbx.observe(agents=())
    await world.up()
    assert list(world.node.channels) == [call]
    assert world.node.channels[call].playbacks == []


async def test_what_happens_while_the_link_is_down_is_told_afterwards_in_order_with_its_own_time(world: World) -> None:
    call = await world.call()
    await world.down()
    world.node.now = lambda: 1_700_000_100.0
    world.node.presses(ids.citizen_leg(call), "1")
    world.node.now = lambda: 1_700_000_200.0
    world.node.hangs_up(ids.citizen_leg(call))
    await world.up()
    await world.until(lambda: bool(world.of(LegEnded)))
    assert world.heard[-2:] == [
        DigitPressed(call=call, leg=ids.citizen_leg(call), digit="1"),
        LegEnded(call=call, leg=ids.citizen_leg(call), cause=16),
    ]
    assert world.times[-2:] == [1_700_000_100.0, 1_700_000_200.0]
