"""Which of several able agents is offered a contact: the strategies that a queue may name, each a value of its own.

In: what counts of an agent who is free (idle since when, how many calls taken, whose turn it was, what else could be
answered). Out: a rank, the smallest first, and words for why. Chance is drawn from the contact's id. Pure; must never
import the desk or the matching.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Protocol

import msgspec

from acd.core.line import Line, Ticket
from acd.core.policy import Strategy
from telefonista.kernel.ids import AgentId, CallId, QueueName

MOST_RUNG = 64
"""Telephones that ring at the same time for one contact."""


Rank = tuple[float, ...]


class Seat(Ticket, gc=False):
    """A free agent, for one kind of contact. The key is the level and then the rank."""

    agent: AgentId


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What counts of a free agent."""

    idle_since: float
    turns: Mapping[QueueName, int]
    """When an offer of a queue was last made to this agent, as a number that rises with each offer; none: never."""
    taken: Mapping[QueueName, int]
    """Calls of each queue that this agent answered."""
    other_queues: int
    rarity: float
    """How much the agent's skills would be missed: each counts as one over the number of those who have it."""


class Choosing(Protocol):
    """A strategy. Between equal ranks the order of the configuration decides."""

    @property
    def because(self) -> str:
        """Why the chosen one was chosen, in words."""
        ...

    @property
    def losing(self) -> str:
        """Why others were not, as a rule."""
        ...

    @property
    def everybody(self) -> bool:
        """Whether all who are able are rung at once."""
        ...

    @property
    def drawn(self) -> bool:
        """Whether chance decides, and not the rank."""
        ...

    def rank(self, standing: Standing, *, queue: QueueName) -> Rank: ...

    def lost(self, key: Rank, *, to: Rank) -> str:
        """Why the one with this key (the level, then the rank) was not chosen, and the one with the key `to` was, who
        is of the same level."""
        ...


class _Simple(msgspec.Struct, frozen=True, kw_only=True):
    because: str
    losing: str
    everybody: bool = False
    drawn: bool = False

    def lost(self, key: Rank, *, to: Rank) -> str:
        return self.losing


class LongestIdle(_Simple, frozen=True):
    """Who has been free for longest."""

    def rank(self, standing: Standing, *, queue: QueueName) -> Rank:
        return (standing.idle_since,)


class RoundRobin(_Simple, frozen=True):
    """Who was last offered a contact of this queue longest ago: one after the other, in the list's order at first."""

    def rank(self, standing: Standing, *, queue: QueueName) -> Rank:
        return (standing.turns.get(queue, 0),)


class Linear(_Simple, frozen=True):
    """The first of the list who is free; also the order in which all are rung, or chance finds them."""

    def rank(self, standing: Standing, *, queue: QueueName) -> Rank:
        return ()


class FewestCalls(_Simple, frozen=True):
    """Who answered the fewest calls of this queue; among equals, who has been free for longest."""

    def rank(self, standing: Standing, *, queue: QueueName) -> Rank:
        return (standing.taken.get(queue, 0), standing.idle_since)

    def lost(self, key: Rank, *, to: Rank) -> str:
        return self.losing if key[1] > to[1] else IDLE_LESS


class LeastFlexible(_Simple, frozen=True):
    """Who could be used least elsewhere: the fewest other queues, then the skills that are least rare; among equals,
    who has been free for longest. Keeps free those whom another citizen may need."""

    def rank(self, standing: Standing, *, queue: QueueName) -> Rank:
        return (standing.other_queues, standing.rarity, standing.idle_since)

    def lost(self, key: Rank, *, to: Rank) -> str:
        if key[1] > to[1]:
            return self.losing
        return RARER if key[2] > to[2] else IDLE_LESS


IDLE_LESS = "idle for less time"
RARER = "has rarer skills"

CHOOSINGS: Mapping[Strategy, Choosing] = {
    Strategy.LONGEST_IDLE: LongestIdle(because="idle for longest", losing=IDLE_LESS),
    Strategy.ROUND_ROBIN: RoundRobin(because="whose turn it is", losing="had a turn later"),
    Strategy.FEWEST_CALLS: FewestCalls(because="fewest calls taken", losing="took more calls"),
    Strategy.RANDOM: Linear(because="drawn", losing="not drawn", drawn=True),
    Strategy.RING_ALL: Linear(because="all are rung", losing="enough are rung", everybody=True),
    Strategy.LINEAR: Linear(because="first in the list", losing="later in the list"),
    Strategy.LEAST_FLEXIBLE: LeastFlexible(because="can be used least elsewhere", losing="answers more queues"),
}


class Bench:
    """The agents who are free and able, for one kind of contact. Those of a lower level come first."""

    __slots__ = ("_drawn", "_places", "_queue", "choosing", "line", "seats")

    def __init__(self, choosing: Choosing, *, queue: QueueName) -> None:
        self.choosing = choosing
        self.line: Line[Seat] = Line()
        self.seats: dict[AgentId, Seat] = {}
        self._queue = queue
        self._drawn: dict[int, list[AgentId]] = {}
        """By level, where chance decides."""
        self._places: dict[AgentId, tuple[int, int]] = {}
        """Level and index of each in `_drawn`."""

    def add(self, agent: AgentId, *, level: int, order: int, standing: Standing) -> None:
        """Sits down; nobody does so twice."""
        rank = self.choosing.rank(standing, queue=self._queue)
        seat = self.seats[agent] = Seat((level, *rank), order, None, agent)
        self.line.add(seat)
        if self.choosing.drawn:
            agents = self._drawn.setdefault(level, [])
            self._places[agent] = (level, len(agents))
            agents.append(agent)

    def discard(self, agent: AgentId) -> None:
        """Gets up; who sits here."""
        self.line.discard(self.seats.pop(agent))
        if self.choosing.drawn:
            level, index = self._places.pop(agent)
            last = self._drawn[level].pop()
            if last != agent:
                self._drawn[level][index] = last
                self._places[last] = (level, index)

    def choose(self, call: CallId, *, unwanted: frozenset[AgentId]) -> tuple[AgentId, ...]:
        """Who is offered the contact: one, or all; there is somebody. Those who are `unwanted`, of whom there are few,
        only where there is nobody else."""
        if self.choosing.everybody:
            return self._all(unwanted)
        first = self.line.first()
        if first is not None and first.agent in unwanted:
            first = next((seat for seat in self.line.in_order() if seat.agent not in unwanted), first)
        assert first is not None
        if self.choosing.drawn:
            return (self._draw(call, level=first.key[0], unwanted=unwanted),)
        return (first.agent,)

    def lost(self, agent: AgentId, *, to: AgentId) -> str:
        """Why `agent`, who is here, was not chosen, and `to` was."""
        key: Rank = self.seats[agent].key
        winner: Rank = self.seats[to].key
        if key[0] > winner[0]:
            return f"level {key[0]}, after level {winner[0]}"
        return self.choosing.lost(key, to=winner)

    def _all(self, unwanted: frozenset[AgentId]) -> tuple[AgentId, ...]:
        seats = self.line.in_order()
        wanted = [seat for seat in seats if seat.agent not in unwanted] or seats
        return tuple(seat.agent for seat in wanted if seat.key[0] == wanted[0].key[0])[:MOST_RUNG]

    def _draw(self, call: CallId, *, level: int, unwanted: frozenset[AgentId]) -> AgentId:
        """The id is stirred well, so that calls which follow each other do not find neighbours."""
        agents = self._drawn[level]
        seed = int.from_bytes(blake2b(call.encode(), digest_size=8).digest(), "big")
        turns = (agents[(seed + step) % len(agents)] for step in range(len(agents)))
        return next((agent for agent in turns if agent not in unwanted), agents[seed % len(agents)])
