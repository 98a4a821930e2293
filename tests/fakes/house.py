"""The whole house in memory: the engine and its rooms on a fake Asterisk, a fake clock and a journal that outlives it.

What Asterisk tells lies in `inbox` until a test lets the engine `hear` it, so that a test decides about order, loss and
repetition. `kill` and `start` are the engine's death and its next life on the same journal and the same Asterisk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from acd import AcdService, Desk, QueuePolicy
from agents import AgentsService, Member
from ivr import Flow, IvrService, read_flow
from recordings import RecordingsService
from telefonista.app.engine import Engine
from telefonista.kernel.calls import Calls
from telefonista.kernel.cascade import Cascade
from telefonista.kernel.commands import KeepRecording, PbxCommand, Prompt, StartRecording
from telefonista.kernel.events import (
    Entry,
    Event,
    Phone,
    Presence,
    RecordingFailed,
    RecordingKept,
)
from telefonista.kernel.ids import AgentId, CallId, LegId, LineName, PlaybackId, QueueName, agent_leg, citizen_leg
from telefonista.kernel.ports import Observation, Room
from tests.fakes.clock import FakeClock
from tests.fakes.journal import MemoryDisk, MemoryJournal, still_open
from tests.fakes.pbx import FakePbx

INFO = LineName("0800-info")
DIRECT = LineName("directa")
"""A line without a flow: who calls it goes straight to the default queue."""
GENERAL, TRAMITES = QueueName("general"), QueueName("tramites")
ANA, LUIS, SOL = AgentId("101"), AgentId("102"), AgentId("103")

FLOW = read_flow(
    """
flow: corto
language: es
start: menu
nodes:
  menu:
    menu: "Para trámites, marque 1. Para hablar con una persona, marque 0."
    timeout_s: 6
    tries: 2
    options: {"1": tramites, "0": persona, "9": adios}
    on_invalid: "Esa opción no existe."
    on_timeout: "No recibimos su opción."
    on_failure: persona
  tramites: {queue: tramites, topic: trámites, priority: 1}
  persona: {queue: general, say: "Le atenderá una persona."}
  adios: {hangup: true, say: "Gracias por llamar."}
""",
    file="corto.yaml",
)
POLICIES = (
    QueuePolicy(name=GENERAL, ring_s=15, back_off_s=5, wrap_up_s=10, announce_every_s=30),
    QueuePolicy(name=TRAMITES, ring_s=15, back_off_s=5, wrap_up_s=0, messages=(Prompt("Tenga a mano su cédula."),)),
)
MEMBERS = (
    Member(agent=ANA, name="Posición 1", queues=(GENERAL, TRAMITES)),
    Member(agent=LUIS, name="Posición 2", queues=(TRAMITES, GENERAL)),
)


class Rooms:
    """The five rooms, wired to one another as `compose` does."""

    def __init__(
        self,
        *,
        flows: Mapping[LineName, Flow],
        policies: Iterable[QueuePolicy],
        members: Iterable[Member],
        others: Iterable[Flow] = (),
    ) -> None:
        self.agents = AgentsService(members, granted=lambda queue: self.desk.policy(queue).granted)
        self.desk = Desk(policies, roster=self.agents.roster, position_prompts=position_prompts)
        self.ivr = IvrService(flows, default_queue=GENERAL, others={flow.name: flow for flow in others})
        self.acd = AcdService(self.desk)
        self.calls = Calls()
        self.recordings = RecordingsService()

    @property
    def in_order(self) -> tuple[Room, ...]:
        """As the engine asks them."""
        return (self.agents, self.ivr, self.acd, self.calls, self.recordings)

    def replay(self, entries: Iterable[Entry]) -> Rooms:
        cascade = Cascade(self.in_order, matcher=lambda now: None)
        for entry in entries:
            cascade.replay(entry)
        return self

    def remembered(self) -> dict[str, Any]:
        """Everything that the rooms hold in memory, as values that can be compared."""
        return {
            "calls": dict(self.calls.open),
            "agents": {agent.agent: agent for agent in self.agents.roster},
            "typing": dict(self.agents.conversing.talks),
            "sessions": dict(self.ivr._sessions),
            "lines": dict(self.ivr._lines),
            "stays": {call: (stay.visit, stay.wait) for call, stay in self.desk._stays.items()},
            "waiting": {queue: waiting for queue in self.desk._sizes if (waiting := self.desk.waiting(queue))},
            "sizes": {queue: size for queue, size in self.desk._sizes.items() if size},
            "visits": dict(self.desk._visits),
            "offers": dict(self.desk._offers),
            "parties": dict(self.desk._parties),
            "diversions": dict(self.desk._diversions),
            "contacts made": dict(self.desk._booked),
            "contacts": {booked.call: booked for booked, _ in self.desk.contacts()},
            "origins": dict(self.desk._origins),
            "resting": dict(self.desk._rest_until),
            "recordings": {call: dict(mine) for call, mine in self.recordings._by_call.items()},
            "recordings made": dict(self.recordings._made),
        }


def position_prompts(position: int) -> tuple[Prompt, ...]:
    return (Prompt(f"Usted es el número {position}."),)


class Line:
    """The engine's way to Asterisk: a `Pbx` that a test takes down and up."""

    def __init__(self, node: FakePbx, *, told: Callable[[Event], None]) -> None:
        self.node = node
        self.told = told
        self.up = False
        self.sent: list[PbxCommand] = []
        """What was carried out, in order."""

    def execute(self, commands: Sequence[PbxCommand]) -> None:
        if not self.up:
            return
        for command in commands:
            self.sent.append(command)
            if isinstance(command, StartRecording) and command.leg not in self.node.node.channels:
                why = "No such channel"
                self.told(RecordingFailed(call=command.call, recording=command.recording, why=why))
            else:
                self.node.execute([command])

    async def observe(self, *, agents: Iterable[AgentId]) -> Observation:
        return self.node.observed(agents=agents)


class _Journal(MemoryJournal):
    def __init__(self, disk: MemoryDisk, *, written: Callable[[], None]) -> None:
        super().__init__(disk)
        self._written = written

    def append(self, batch: Sequence[Entry]) -> None:
        super().append(batch)
        self._written()


class House:
    """`make_rooms` builds what a start of the engine builds."""

    def __init__(
        self,
        *,
        flows: Mapping[LineName, Flow] | None = None,
        policies: Sequence[QueuePolicy] = POLICIES,
        members: Sequence[Member] = MEMBERS,
        others: Sequence[Flow] = (),
    ) -> None:
        self.others = tuple(others)
        """Flows that queues lead to."""
        self.flows: Mapping[LineName, Flow] = {INFO: FLOW} if flows is None else flows
        self.policies = tuple(policies)
        self.members = tuple(members)
        self.clock = FakeClock()
        self.disk = MemoryDisk()
        self.inbox: deque[tuple[Event, float]] = deque()
        self.to_keep: list[KeepRecording] = []
        self.breaks_when_written = False
        """The link breaks after the next batch is in the journal and before anything of it is carried out."""
        self.on_append: Callable[[Sequence[Entry]], None] = lambda batch: None
        self.pbx = FakePbx(
            sink=lambda event, at: self.inbox.append((event, at)),
            now=self.clock.now,
            accepting=lambda: self.alive and self.line.up and self.engine.accepting,
        )
        self.node = self.pbx.node
        self.line = Line(self.pbx, told=self._told)
        self.alive = False
        self.start()

    # The engine's life.

    def make_rooms(self) -> Rooms:
        return Rooms(flows=self.flows, policies=self.policies, members=self.members, others=self.others)

    def start(self) -> None:
        """The engine begins, from the journal that is there."""
        rooms = self.make_rooms()
        self.rooms = rooms
        self.line = Line(self.pbx, told=self._told)
        self.journal = _Journal(self.disk, written=self._written)
        self.engine = Engine(
            calls=rooms.calls,
            agents=rooms.agents,
            ivr=rooms.ivr,
            acd=rooms.acd,
            recordings=rooms.recordings,
            journal=self.journal,
            clock=self.clock,
            keep_recording=self.to_keep.append,
        )
        self.engine.recover(self.journal.read(), next_seq=self.journal.next_seq)
        self.engine.attach(self.line)
        self.engine.listen(lambda batch: self.on_append(batch))
        self.alive = True

    def _written(self) -> None:
        if self.breaks_when_written:
            self.breaks_when_written = False
            self.line.up = False

    def _told(self, event: Event) -> None:
        self.inbox.append((event, self.clock.now()))

    def kill(self, *, rotate: bool = False) -> None:
        """`kill -9`: timers, work and what was on the wire are gone; Asterisk goes on."""
        self.alive = False
        self.line.up = False
        self.clock.stop()
        self.to_keep.clear()
        if rotate:
            self.journal.rotate()

    def restart(self, *, rotate: bool = False) -> None:
        self.kill(rotate=rotate)
        self.start()
        self.link_comes_up()

    # The link.

    def link_goes_down(self) -> None:
        self.line.up = False
        self.engine.accepting = False

    def link_comes_up(self) -> None:
        """What happened meanwhile is told first, in order, and nothing is carried out until all is compared."""
        self.pbx.deliver()
        while self.inbox:
            self.hear_one()
        self.line.up = True
        self.engine.agree(self.observed())
        self.engine.accepting = True
        self.pbx.deliver()

    def observed(self) -> Observation:
        return self.pbx.observed(agents=[member.agent for member in self.members])

    def audit(self) -> None:
        """One look of the guard, of what is there and not merely on its way."""
        believed = dict(self.engine.calls.open)
        self.engine.audit(self.observed(), believed=believed)

    # Hearing.

    def hear(self) -> None:
        """Everything that Asterisk has told, and what follows from it, until all is quiet."""
        while self.pbx.deliver() or self.inbox:
            while self.inbox:
                self.hear_one()

    def hear_one(self) -> None:
        event, at = self.inbox.popleft()
        if self.alive:
            self.engine.receive(event, at)

    def pass_time(self, seconds: float) -> None:
        """So much time, in steps: what is heard in it is heard in time."""
        self.hear()
        while seconds > 0:
            step = min(0.5, seconds)
            self.clock.advance(step)
            seconds -= step
            self.hear()

    # What people do, and what has become of it.

    def opens(self, *agents: AgentId) -> House:
        """The link is up and these agents' phones are there."""
        for agent in agents:
            self.node.phone_becomes(agent, "NOT_INUSE")
        self.link_comes_up()
        self.hear()
        return self

    def call_to(self, line: LineName = DIRECT, *, caller: str = "099123456") -> CallId:
        """A citizen calls, and the engine has heard."""
        call = self.node.citizen_calls(line=line, caller=caller)
        self.hear()
        return call

    def presses(self, call: CallId, digit: str) -> None:
        self.node.presses(citizen_leg(call), digit)
        self.hear()

    def hangs_up(self, leg: LegId | CallId, *, cause: int = 16) -> None:
        self.node.hangs_up(LegId(leg), cause=cause)
        self.hear()

    def rings(self, call: CallId, *, n: int = 1) -> LegId:
        """The phone that the n-th offer of a call dials rings; its leg."""
        leg = agent_leg(call, n=n)
        self.node.phone_rings(leg)
        self.hear()
        return leg

    def answers(self, call: CallId, *, n: int = 1) -> LegId:
        leg = agent_leg(call, n=n)
        self.node.agent_answers(leg)
        self.hear()
        return leg

    def talks(self, call: CallId) -> LegId:
        """The first offer of a call is rung and answered."""
        self.rings(call)
        return self.answers(call)

    def all_is_said(self, call: CallId) -> None:
        """Whatever plays to the citizen of a call ends."""
        for playback in tuple(self.node.channels[call].playbacks):
            self.node.playback_ends(PlaybackId(playback))
        self.hear()

    def keep_recordings(self) -> None:
        """The worker does what it was asked."""
        while self.to_keep:
            asked = self.to_keep.pop(0)
            self.engine.receive(
                RecordingKept(
                    call=asked.call,
                    recording=asked.recording,
                    path=f"{asked.recording}.wav",
                    duration_s=3.0,
                    sha256="0" * 64,
                )
            )

    def fail_recordings(self) -> None:
        while self.to_keep:
            asked = self.to_keep.pop(0)
            self.engine.receive(RecordingFailed(call=asked.call, recording=asked.recording, why="unreadable"))

    def presence(self, agent: AgentId) -> Presence:
        return self.rooms.agents.roster[agent].presence

    @property
    def events(self) -> list[Event]:
        """Everything in the journal."""
        return [entry.event for entry in self.disk.entries]

    def of(self, *kinds: type) -> list[Any]:
        """The journal's events of these kinds."""
        return [event for event in self.events if isinstance(event, kinds)]

    def sent(self, *kinds: type) -> list[Any]:
        """The commands of these kinds that this engine has had carried out."""
        return [command for command in self.line.sent if isinstance(command, kinds)]

    # What a restart would find.

    def replayed(self) -> dict[str, Any]:
        """The memory of rooms that live through the whole journal again."""
        return self.make_rooms().replay(self.disk.entries).remembered()

    def carried(self) -> dict[str, Any]:
        """The memory of rooms that know only what a rotated journal begins with."""
        return self.make_rooms().replay(still_open(self.disk.entries)).remembered()


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What two memories do not have in common, in words."""
    return [
        f"{part}[{key}]: {one[part].get(key)!r} / {other[part].get(key)!r}"
        for part in one
        for key in {*one[part], *other[part]}
        if one[part].get(key) != other[part].get(key)
    ]


def but_for_phones(memory: Mapping[str, Any]) -> dict[str, Any]:
    """A memory without what only the next look at Asterisk brings back after a rotation: what the phones are, and who
    is left in peace for some seconds."""
    agents = {
        name: msgspec.structs.replace(agent, phone=Phone.UNREACHABLE, settling=False)
        for name, agent in memory["agents"].items()
    }
    return {**memory, "agents": agents, "resting": {}}
