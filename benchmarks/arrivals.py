"""A day of a contact centre, drawn from a seed, and the figures of what became of it. Pure.

In: a seed and a length; afterwards what the telephones saw. Out: who dials when, wants what, waits how long and talks
how long, the same people for everybody who is compared; and service level, waits, idle agents, errors of estimates, all
from the telephones' own times, so that no side measures itself.
"""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

QUEUES: Mapping[str, str] = {"1": "tramites", "2": "impuestos", "3": "vacunacion"}
"""By the key of the menu."""
_SHARES = (0.45, 0.35, 0.20)
FIRST_LEVEL: Mapping[str, tuple[int, ...]] = {
    "tramites": (0, 1, 2, 3, 4, 5),
    "impuestos": (4, 5, 6, 7, 8),
    "vacunacion": (8, 9, 10),
}
SECOND_LEVEL: Mapping[str, tuple[int, ...]] = {
    "tramites": (11, 12),
    "impuestos": (11, 12, 13),
    "vacunacion": (0, 11, 12, 13),
}
"""Who can, and is to be kept for what nobody else can. Agents by their place in the list."""
AGENTS = 14
TALK_MEDIAN_S, TALK_SIGMA = 6.0, 0.45
PATIENCE_MEDIAN_S, PATIENCE_SIGMA = 15.0, 0.6
PICK_UP_S = (0.2, 0.8)
KEY_AFTER_S = (0.3, 1.0)
WRAP_UP_S = 1.0
RING_S = 3
SERVICE_LEVEL_S = 2.0
WAITS_FROM_S = 1.0
KEY_TAKES_S = 0.14
"""From the moment a key goes down until it is known: telephones send it for 120 ms."""
_BASE = 0.62
_PEAKS = ((0.30, 0.07, 0.95), (0.72, 0.09, 0.80))
"""The middle and the width of each rush, in shares of the day, and how much it adds."""
_MOST_PER_S = 1.25
_ABSENCES = ((1, 0.26, 0.06), (6, 0.45, 0.05), (12, 0.70, 0.06))
"""Who leaves the desk without a word: whom, from when on, for how long, in shares of the day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What the seed made of one citizen. Times in seconds; patience counts from the key."""

    number: str
    dials_after_s: float
    key: str
    presses_after_s: float
    patience_s: float
    talks_s: float
    picked_up_after_s: float

    @property
    def queue(self) -> str:
        return QUEUES[self.key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """An agent who leaves without logging out; seconds from the beginning of the day."""

    agent: int
    since_s: float
    until_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    people: tuple[Person, ...]
    absences: tuple[Absence, ...]
    length_s: float


def draw_day(seed: int, *, length_s: float, crowd: float = 1.0) -> Day:
    """The day that this seed makes: arrivals by chance, at a rate with two rushes; `crowd` times as many as usual."""
    draw = random.Random(seed)
    moments = list(_arrivals(draw, length_s=length_s, per_s=crowd * _MOST_PER_S))
    numbers = draw.sample(range(100_000), len(moments))
    people = tuple(
        Person(
            number=f"0994{number:05}",
            dials_after_s=moment,
            key=draw.choices(tuple(QUEUES), weights=_SHARES)[0],
            presses_after_s=draw.uniform(*KEY_AFTER_S),
            patience_s=max(1.0, draw.lognormvariate(math.log(PATIENCE_MEDIAN_S), PATIENCE_SIGMA)),
            talks_s=min(25.0, draw.lognormvariate(math.log(TALK_MEDIAN_S), TALK_SIGMA)),
            picked_up_after_s=draw.uniform(*PICK_UP_S),
        )
        for number, moment in zip(numbers, moments, strict=True)
    )
    absences = tuple(
        Absence(agent=agent, since_s=since * length_s, until_s=(since + share) * length_s)
        for agent, since, share in _ABSENCES
    )
    return Day(people=people, absences=absences, length_s=length_s)


def _arrivals(draw: random.Random, *, length_s: float, per_s: float) -> Iterator[float]:
    """A Poisson process by thinning."""
    most = per_s * (_BASE + sum(height for _, _, height in _PEAKS))
    at = draw.expovariate(most)
    while at < length_s:
        share = at / length_s
        rushes = sum(height * math.exp(-(((share - middle) / width) ** 2) / 2) for middle, width, height in _PEAKS)
        if draw.random() * most < per_s * (_BASE + rushes):
            yield at
        at += draw.expovariate(most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One citizen's stay in a queue as the telephones saw it; epoch seconds. `rings` are the spans in which an agent's
    telephone rang for it."""

    number: str
    queue: str
    joined_at: float
    answered_at: float | None
    left_at: float
    """When it was answered or the citizen left."""
    lost: bool
    """Ended by nobody who was to end it."""
    rings: tuple[tuple[float, float], ...] = ()

    @property
    def wait_s(self) -> float:
        return self.left_at - self.joined_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What became of a day. Seconds."""

    offered: int
    answered: int
    abandoned: int
    lost: int
    within: int
    """Answered within `SERVICE_LEVEL_S`."""
    waits_s: tuple[float, ...]
    """Of the answered, in order of length."""
    idle_s: float
    """Agents' seconds, summed, of doing nothing while somebody waited unoffered whom they might have served."""
    waited: int
    """For whom no telephone rang within `WAITS_FROM_S`: to them an estimate means something."""
    errors_s: tuple[float, ...]
    """Estimate at joining less the true wait, of those of them who were answered and for whom there was an estimate."""
    silent: int
    """Those of them for whom there was no estimate."""


def figures(
    stays: Sequence[Stay],
    *,
    busy: Sequence[Sequence[tuple[float, float]]],
    second_level_after_s: float,
    estimates: Mapping[str, float],
) -> Figures:
    """`busy` has, of each agent, the spans in which no call could be taken; `second_level_after_s` is from when on in
    somebody's wait the second level is allowed to help; `estimates` are seconds by number, as known at joining."""
    answered = [stay for stay in stays if stay.answered_at is not None]
    waited = [stay for stay in stays if min([*stay.rings, (stay.left_at, 0.0)])[0] > stay.joined_at + WAITS_FROM_S]
    return Figures(
        offered=len(stays),
        answered=len(answered),
        abandoned=sum(stay.answered_at is None and not stay.lost for stay in stays),
        lost=sum(stay.lost for stay in stays),
        within=sum(stay.wait_s <= SERVICE_LEVEL_S for stay in answered),
        waits_s=tuple(sorted(stay.wait_s for stay in answered)),
        idle_s=idle_while_waiting_s(stays, busy=busy, second_level_after_s=second_level_after_s),
        waited=len(waited),
        errors_s=tuple(
            estimates[stay.number] - stay.wait_s
            for stay in waited
            if stay.answered_at is not None and stay.number in estimates
        ),
        silent=sum(stay.number not in estimates for stay in waited),
    )


def idle_while_waiting_s(
    stays: Sequence[Stay], *, busy: Sequence[Sequence[tuple[float, float]]], second_level_after_s: float
) -> float:
    """Agents' seconds of doing nothing while somebody waited for whom no telephone rang and whom they might serve."""
    waits = {queue: [_unoffered(stay) for stay in stays if stay.queue == queue] for queue in FIRST_LEVEL}
    first = {queue: _union(spans for each in of_queue for spans in each) for queue, of_queue in waits.items()}
    later = {
        queue: _union(
            (max(since, spans[0][0] + second_level_after_s), until)
            for spans in of_queue
            if spans
            for since, until in spans
        )
        for queue, of_queue in waits.items()
    }
    total_s = 0.0
    for agent, spans in enumerate(busy):
        wanted = _union(
            span
            for level, wanting in ((FIRST_LEVEL, first), (SECOND_LEVEL, later))
            for queue, agents in level.items()
            if agent in agents
            for span in wanting[queue]
        )
        total_s += sum(until - since for since, until in wanted) - _common_s(wanted, _union(spans))
    return total_s


def _unoffered(stay: Stay) -> list[tuple[float, float]]:
    """The stay without the rings."""
    spans, since = [], stay.joined_at
    for began, ended in sorted(stay.rings):
        if began > since:
            spans.append((since, min(began, stay.left_at)))
        since = max(since, ended)
    if since < stay.left_at:
        spans.append((since, stay.left_at))
    return spans


def _union(spans: Iterator[tuple[float, float]] | Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The same time, in spans that do not touch."""
    joined: list[tuple[float, float]] = []
    for since, until in sorted(span for span in spans if span[1] > span[0]):
        if joined and since <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], until))
        else:
            joined.append((since, until))
    return joined


def _common_s(ours: Sequence[tuple[float, float]], others: Sequence[tuple[float, float]]) -> float:
    """Seconds that lie in both."""
    begins = [since for since, _ in others]
    total_s = 0.0
    for since, until in ours:
        at = max(0, bisect.bisect_right(begins, since) - 1)
        while at < len(others) and others[at][0] < until:
            total_s += max(0.0, min(until, others[at][1]) - max(since, others[at][0]))
            at += 1
    return total_s
