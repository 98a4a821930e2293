"""How honest the estimated wait is, beside the moving average of app_queue, on the same simulated day.

The engine's own rooms (agents, desk, calls) live through the day on a clock that jumps from event to event; nothing of
Asterisk is needed. Two queues with agents of their own and agents of both; arrivals rise and fall, talks are
log-normal, patience is exponential. Each citizen who was answered and had to wait is told two figures on arrival, and
both are compared with what the wait was. The moving average is that of app_queue: three parts of what it was and one of
the answered call's wait, the same for every place in the line.
"""

from __future__ import annotations

import heapq
import math
import random
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from acd import AcdService, Desk, QueuePolicy
from agents import AgentsService, Granted, Member
from benchmarks.tables import Row, Section, percentile, progress
from telefonista.kernel.calls import Calls
from telefonista.kernel.cascade import Cascade
from telefonista.kernel.commands import SetAgentTimer
from telefonista.kernel.events import (
    AgentTimerFired,
    CallArrived,
    ConversationStarted,
    Event,
    HandedOff,
    LegAnswered,
    LegEnded,
    OfferMade,
    Phone,
    PhoneChanged,
)
from telefonista.kernel.ids import AgentId, CallId, LegId, LineName, QueueName, RouteName, citizen_leg

HOURS = 8
RING_S, TALK_S, SPREAD, WRAP_UP_S, PATIENCE_S = 5.0, 240.0, 0.6, 20.0, 600.0
QUEUES = (QueueName("general"), QueueName("tramites"))
STAFF = ((QUEUES[:1], 5), (QUEUES[1:], 5), (QUEUES, 5))
"""Fifteen positions."""
PER_HOUR = {QUEUES[0]: 115.0, QUEUES[1]: 85.0}
"""Calls at the mean hour; the busiest one has a third more, the quietest a third less."""


@dataclass
class _Told:
    at: float
    ours_s: float | None
    average_s: float
    wait_s: float | None = None


@dataclass
class _Day:
    seed: int
    at: float = 0.0
    told: dict[CallId, _Told] = field(default_factory=dict)
    averages: dict[QueueName, float] = field(default_factory=lambda: dict.fromkeys(QUEUES, 0.0))

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.order = count()
        self.ahead: list[tuple[float, int, Event]] = []
        names = (AgentId(f"{101 + n}") for n in range(100))
        members = [Member(agent=next(names), name="", queues=queues) for queues, many in STAFF for _ in range(many)]
        agents = AgentsService(members, granted=lambda queue: Granted(wrap_up_s=WRAP_UP_S))
        policies = [QueuePolicy(name=queue) for queue in QUEUES]
        self.desk = Desk(policies, roster=agents.roster, position_prompts=lambda position: ())
        self.cascade = Cascade((agents, AcdService(self.desk), Calls()), matcher=self.desk.match)
        self.seq = 1
        for member in members:
            self.plan(0.0, PhoneChanged(agent=member.agent, phone=Phone.IDLE))
        for at, queue in self.arrivals():
            self.plan(at, HandedOff(call=CallId(f"b-{at:.3f}.0"), queue=queue))

    def arrivals(self) -> Iterator[tuple[float, QueueName]]:
        for queue in QUEUES:
            at = 0.0
            while True:
                rate = PER_HOUR[queue] / 3600 * (1 + math.sin(at / 3600 / HOURS * 4 * math.pi) / 3)
                at += self.chance.expovariate(rate)
                if at >= HOURS * 3600:
                    break
                yield at, queue

    def plan(self, at: float, event: Event) -> None:
        heapq.heappush(self.ahead, (at, next(self.order), event))

    def live(self) -> list[_Told]:
        while self.ahead:
            self.at, _, event = heapq.heappop(self.ahead)
            if isinstance(event, HandedOff):
                self.arrives(event)
            self.happens(event)
        return [told for told in self.told.values() if told.wait_s is not None and told.wait_s > RING_S + 1]

    def arrives(self, event: HandedOff) -> None:
        position = len(self.desk.waiting(event.queue)) + 1
        ours_s = self.desk.estimate_s(event.queue, position=position, now=self.at)
        self.told[event.call] = _Told(self.at, ours_s, self.averages[event.queue])
        self.happens(
            CallArrived(
                call=event.call, line=LineName("0800"), dialled="4636", route=RouteName("red"), caller=event.call[-9:]
            )
        )
        leaves = LegEnded(call=event.call, leg=citizen_leg(event.call), cause=16)
        self.plan(self.at + self.chance.expovariate(1 / PATIENCE_S), leaves)

    def happens(self, event: Event) -> None:
        if isinstance(event, LegEnded) and event.cause == 16 and self.told[event.call].wait_s is not None:
            return  # patience is of those who wait
        batch = self.cascade.run(event, at=self.at, now=self.at, next_seq=self.seq)
        assert not batch.defects, batch.defects
        self.seq += len(batch.entries)
        for entry in batch.entries:
            if isinstance(entry.event, OfferMade):
                self.plan(self.at + RING_S, LegAnswered(call=entry.event.call, leg=entry.event.leg))
            elif isinstance(entry.event, ConversationStarted):
                self.answered(entry.event)
        for command in batch.commands:
            if isinstance(command, SetAgentTimer):
                due = AgentTimerFired(agent=command.agent, key=command.key, token=command.token)
                self.plan(self.at + command.after_s, due)

    def answered(self, event: ConversationStarted) -> None:
        told = self.told[event.call]
        told.wait_s = self.at - told.at
        self.averages[event.queue] = (3 * self.averages[event.queue] + told.wait_s) / 4
        talk_s = self.chance.lognormvariate(math.log(TALK_S) - SPREAD**2 / 2, SPREAD)
        for leg in (event.leg, LegId(citizen_leg(event.call))):
            self.plan(self.at + talk_s, LegEnded(call=event.call, leg=leg, cause=19))


def measure(*, quick: bool) -> list[Section]:
    """The errors of both on the same days."""
    told: list[_Told] = []
    for seed in range(2 if quick else 10):
        progress(f"a day of waits, {seed + 1}")
        told += [each for each in _Day(seed).live() if each.ours_s is not None]
    waits = [each.wait_s or 0.0 for each in told]
    ours = [(each.ours_s or 0.0) - wait for each, wait in zip(told, waits, strict=True)]
    theirs = [each.average_s - wait for each, wait in zip(told, waits, strict=True)]
    rows = [
        Row(
            what=what,
            cells=[f"{figure(ours):.0f}{unit}", f"{figure(theirs):.0f}{unit}"],
            aim=aim,
            seen=("met" if figure(ours) < figure(theirs) else "missed") if aim else "",
        )
        for what, unit, figure, aim in (
            ("error of what is told, median of its size", " s", _median_size, "less"),
            ("error, 95th percentile of its size", " s", _p95_size, "less"),
            ("told too much or (minus) too little, mean", " s", statistics.fmean, ""),
        )
    ]
    return [
        Section(
            title=f"Estimated wait: {len(told)} citizens who waited, {statistics.median(waits):.0f} s at the median",
            ways=("Telefonista", "app_queue's moving average"),
            rows=rows,
            remarks=("Simulated days; the average is computed as app_queue does, not by Asterisk.",),
        )
    ]


def _median_size(errors: list[float]) -> float:
    return statistics.median(abs(error) for error in errors)


def _p95_size(errors: list[float]) -> float:
    return percentile([abs(error) for error in errors], share=0.95)
