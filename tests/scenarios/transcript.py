"""A scenario: a journal as it was written on a real Asterisk, lived through again by the house of today.

In: a file of three parts (README.md beside this says how to read one). Out: the same file as this house would write it:
every entry that it journals, every command that it has carried out, and the calls as the store then has them. A test
that compares the two needs nothing else. What Asterisk, timers and workers told is taken from the file; what is decided
upon it is not.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml
from sqlalchemy import create_engine

from acd import AcdService, CallbackPolicy, Desk, QueuePolicy
from agents import Member
from ivr import Flow, IvrService, read_flow, sample_flow
from ivr.core.speaking import position_pieces
from telefonista.app.engine import Engine
from telefonista.kernel.commands import AnyCommand, CancelTimer, PbxCommand, Prompt, SetAgentTimer, SetTimer
from telefonista.kernel.events import (
    AgentTimerFired,
    CallArrived,
    CallLost,
    CallStopped,
    CommandFailed,
    ConferenceAsked,
    ConsultationAsked,
    ContingencyCallReported,
    DigitPressed,
    EngineStarted,
    EngineStopped,
    Entry,
    HoldAsked,
    LegAnswered,
    LegEnded,
    LegRang,
    NodeLost,
    NodeUp,
    PhoneChanged,
    PlaybackEnded,
    RecordingFailed,
    RecordingKept,
    RecordingStarted,
    RecordingStopped,
    SupervisionAsked,
    TakeOverAsked,
    TimerFired,
    TransferCompletionAsked,
)
from telefonista.kernel.ids import AgentId, LineName, QueueName
from telefonista.kernel.ports import Observation
from telefonista.store.gathering import apply
from telefonista.store.queries import list_calls
from telefonista.store.tables import Base
from tests.fakes.house import Rooms, differences

TOLD: tuple[type, ...] = (
    AgentTimerFired,
    CallArrived,
    CallLost,
    CallStopped,
    CommandFailed,
    ConferenceAsked,
    ConsultationAsked,
    ContingencyCallReported,
    DigitPressed,
    EngineStarted,
    EngineStopped,
    HoldAsked,
    LegAnswered,
    LegEnded,
    LegRang,
    NodeLost,
    NodeUp,
    PhoneChanged,
    PlaybackEnded,
    RecordingFailed,
    RecordingKept,
    RecordingStarted,
    RecordingStopped,
    SupervisionAsked,
    TakeOverAsked,
    TimerFired,
    TransferCompletionAsked,
)
"""Facts from outside: the house is told these, and decides all others."""

LINE = LineName("0800-info")
QUEUES = ("general", "tramites", "impuestos", "vacunacion")
FLOWS = Path(__file__).parent / "flows"
KILLED, LINK_DOWN, LINK_UP = "!! the engine is killed and starts again", "!! the link is down", "!! the link is up"
LENIENCE_S = 0.05
"""An entry's time is when it was told or taken, a moment after or before the timer was set."""
AGREEING_S = 0.25
"""Entries so soon after the link came up may be part of the agreement, each with a time of its own."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the house was configured. Seconds."""

    flow: str
    agents: list[str]
    ring_s: float
    back_off_s: float
    wrap_up_s: float
    announce_every_s: float
    callbacks: bool = False
    """Whether citizens who wait may be called back, by key 1."""

    def flows(self) -> Mapping[LineName, Flow]:
        return {LINE: _flow(f"{self.flow}.yaml")}

    def policies(self) -> list[QueuePolicy]:
        return [
            QueuePolicy(
                name=QueueName(queue),
                ring_s=self.ring_s,
                back_off_s=self.back_off_s,
                wrap_up_s=self.wrap_up_s,
                announce_every_s=self.announce_every_s,
                callback=CallbackPolicy(key="1", after_s=0.0, estimate_s=0.0) if self.callbacks else None,
            )
            for queue in QUEUES
        ]

    def members(self) -> list[Member]:
        queues = tuple(QueueName(queue) for queue in QUEUES)
        return [Member(agent=AgentId(agent), name=f"Posición {agent}", queues=queues) for agent in self.agents]

    def rooms(self) -> Rooms:
        return SpeakingRooms(flows=self.flows(), policies=self.policies(), members=self.members())


@cache
def _flow(file: str) -> Flow:
    return read_flow((FLOWS / file).read_text(encoding="utf-8"), file=file)


class Scenario(msgspec.Struct, kw_only=True):
    story: str
    settings: Settings
    lines: list[str]
    """The transcript, without its commands: entries and `!!` lines."""


def read(text: str) -> Scenario:
    """Raises ValueError for what is no scenario."""
    head, body, _ = text.split("\n---\n")
    lines = [line for line in body.splitlines() if line and not line.startswith(" ")]
    return Scenario(
        story=head.split("\nhouse:\n")[0],
        settings=msgspec.convert(yaml.safe_load(head)["house"], Settings),
        lines=lines,
    )


def relived(text: str) -> str:
    """The scenario as the house of today lives through it."""
    scenario = read(text)
    head = text.split("\n---\n")[0]
    player = Player(scenario)
    player.play()
    record = yaml.safe_dump(
        records(player.journal.entries), allow_unicode=True, sort_keys=False, default_flow_style=None, width=118
    )
    return "\n---\n".join([head, "\n".join(player.written), record])


class Ticks:
    """A clock that tells the times of the journal; its timers never fire, for the file says when they did."""

    def __init__(self) -> None:
        self.tell: Callable[[], float] = lambda: 0.0

    def now(self) -> float:
        return self.tell()

    def call_later(self, after_s: float, action: Callable[[], None]) -> Ticks:
        return self

    def cancel(self) -> None:
        """Nothing was running."""


class Wire:
    """Asterisk, who does as it did."""

    up = False

    def execute(self, commands: Sequence[PbxCommand]) -> None:
        """What came of it stands in the file."""

    async def observe(self, *, agents: Iterable[AgentId]) -> Observation:
        return Observation()


class Told(Engine):
    """The engine, with every command that it carries out told, those to itself among them."""

    tell: Callable[[AnyCommand], None]

    def _execute(self, commands: Iterable[AnyCommand]) -> None:
        commands = list(commands)
        for command in commands:
            self.tell(command)
        super()._execute(commands)


class Notebook:
    """The journal: keeps each entry, and says so."""

    def __init__(self, written: Callable[[str], None]) -> None:
        self.entries: list[Entry] = []
        self._written = written

    def append(self, batch: Sequence[Entry]) -> None:
        for entry in batch:
            self.entries.append(entry)
            self._written(msgspec.json.encode(entry).decode())


class SpeakingRooms(Rooms):
    """Rooms that tell a position in the words that citizens hear."""

    def __init__(
        self, *, flows: Mapping[LineName, Flow], policies: Iterable[QueuePolicy], members: Iterable[Member]
    ) -> None:
        policies = list(policies)
        super().__init__(flows=flows, policies=policies, members=members)
        self.desk = Desk(policies, roster=self.agents.roster, position_prompts=_position)
        self.acd = AcdService(self.desk)
        offered = sample_flow("callback")
        self.ivr = IvrService(flows, default_queue=QueueName(QUEUES[0]), others={offered.name: offered})


def _position(position: int) -> tuple[Prompt, ...]:
    return tuple(Prompt(piece) for piece in position_pieces(position))


class Player:
    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.written: list[str] = []
        self.journal = Notebook(self.written.append)
        self.clock = Ticks()
        self._ahead = deque(steps(scenario.lines))
        self._now = 0.0
        self._due: dict[tuple[str, str], tuple[int, float]] = {}
        self.clock.tell = lambda: self._now
        self._start()

    def _start(self) -> None:
        self._due.clear()
        self.rooms = rooms = self.scenario.settings.rooms()
        self.wire = Wire()
        self.engine = Told(
            calls=rooms.calls,
            agents=rooms.agents,
            ivr=rooms.ivr,
            acd=rooms.acd,
            recordings=rooms.recordings,
            journal=self.journal,
            clock=self.clock,
            keep_recording=lambda command: None,
        )
        self.engine.tell = self._carried_out
        self.engine.recover(list(self.journal.entries), next_seq=len(self.journal.entries) + 1)
        self.engine.attach(self.wire)

    def _carried_out(self, command: AnyCommand) -> None:
        dropped = "dropped: " if isinstance(command, PbxCommand) and not self.wire.up else ""
        self.written.append(f"    {dropped}{in_words(command)}")
        if isinstance(command, SetTimer | SetAgentTimer):
            owner = command.call if isinstance(command, SetTimer) else command.agent
            self._due[owner, command.key] = (command.token, self.clock.now() + command.after_s)
        elif isinstance(command, CancelTimer):
            self._due.pop((command.call, command.key), None)

    def play(self) -> None:
        while self.step():
            pass

    def step(self) -> bool:
        """One batch or one `!!` line; whether there was one."""
        if not self._ahead:
            return False
        step = self._ahead.popleft()
        if isinstance(step, str):
            self._told(step)
        elif type(step[0].event) in TOLD:
            self._now = step[-1].at
            self._look_at_timer(step[0])
            self.engine.receive(step[0].event, step[0].at)
        return True

    def _look_at_timer(self, entry: Entry) -> None:
        event = entry.event
        if isinstance(event, TimerFired | AgentTimerFired):
            owner = event.call if isinstance(event, TimerFired) else event.agent
            token, due = self._due.pop((owner, event.key), (None, 0.0))
            if token != event.token:
                self.written.append("    a timer fires that was not set")
            elif entry.at < due - LENIENCE_S:
                self.written.append(f"    a timer fires {due - entry.at:.3f} s early")

    def _told(self, line: str) -> None:
        self.written.append(line)
        if line == KILLED:
            before = self.rooms.remembered()
            self._start()
            assert differences(before, self.rooms.remembered()) == [], "the journal does not give what was in memory"
        elif line == LINK_DOWN:
            self.wire.up = False
        else:
            self._link_is_up(line)

    def _link_is_up(self, line: str) -> None:
        at, _, seen = line.removeprefix(LINK_UP).removeprefix(" at ").partition(": ")
        self.wire.up = True
        before = len(self.journal.entries)
        self.clock.tell = lambda: self._time_of_agreement(float(at), written=len(self.journal.entries) - before)
        self.engine.agree(msgspec.json.decode(seen, type=Observation))
        self.clock.tell = lambda: self._now
        agreed = [entry.event for entry in self.journal.entries[before:]]
        while self._ahead and not isinstance(self._ahead[0], str) and self._ahead[0][0].event in agreed:
            self._ahead.popleft()

    def _time_of_agreement(self, at: float, *, written: int) -> float:
        """Where the journal has an entry of then, its time; the engine's clock went on while it agreed."""
        for step in self._ahead:
            if isinstance(step, str):
                break
            written -= len(step)
            if written < 0:
                return step[-1].at if at <= step[-1].at < at + AGREEING_S else at
        return at


def steps(lines: Iterable[str]) -> Iterator[list[Entry] | str]:
    """Each batch that was written in one piece, and each `!!` line."""
    batch: list[Entry] = []
    for line in lines:
        if line.startswith("!!"):
            yield line
            continue
        batch.append(msgspec.json.decode(line, type=Entry))
        if not batch[-1].left:
            yield batch
            batch = []


def in_words(command: AnyCommand) -> str:
    """`Play leg=… playback=… prompts="Marque uno."`: what a command says, but for the call, which its ids name."""
    fields = [f"{name}={_word(getattr(command, name))}" for name in command.__struct_fields__ if name != "call"]
    return " ".join([type(command).__name__, *fields])


def _word(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, tuple):
        return ",".join(_word(each) for each in value)
    return f'"{value.text}"' if isinstance(value, Prompt) else str(value)


def records(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The calls as the store has them, in the order of their arrival; times in seconds since then."""
    database = create_engine("sqlite://")
    Base.metadata.create_all(database)
    with database.connect() as connection:
        apply(connection, entries, country_of=lambda line: "UY")
        return [_record(call) for call in reversed(list_calls(connection))]


def _record(call: Mapping[str, Any]) -> dict[str, Any]:
    began = call["arrived_at"]

    def after(moment: str | None) -> float | None:
        if moment is None:
            return None
        return round((datetime.fromisoformat(moment) - datetime.fromisoformat(began)).total_seconds(), 2)

    return {
        "call": call["id"],
        "citizen": call["citizen"]["number"],
        "handled_by": call["handled_by"],
        "ended_s": after(call["ended_at"]),
        "end_reason": call["end_reason"],
        "choices": [f"{choice['node']} {choice['digit']} {choice['option']}" for choice in call["choices"]],
        "legs": [
            {
                "leg": leg["id"],
                "rang_s": after(leg["rang_at"]),
                "answered_s": after(leg["answered_at"]),
                "ended_s": after(leg["ended_at"]),
                "cause": leg["cause"],
            }
            for leg in call["legs"]
        ],
        "visits": [
            {
                "queue": visit["queue"],
                "began_s": after(visit["started_at"]),
                "ended_s": after(visit["ended_at"]),
                "outcome": visit["outcome"],
                "offers": [f"{offer['agent']} {offer['outcome']}" for offer in visit["offers"]],
            }
            for visit in call["visits"]
        ],
        "conversations": [
            {
                "agent": talk["agent"],
                "began_s": after(talk["started_at"]),
                "ended_s": after(talk["ended_at"]),
                "ended_by": talk["ended_by"],
            }
            for talk in call["conversations"]
        ],
        "recordings": [
            {"state": recording["state"], "duration_s": recording["duration_s"]} for recording in call["recordings"]
        ],
    }


if __name__ == "__main__":
    print(relived(Path(sys.argv[1]).read_text(encoding="utf-8")), end="")
