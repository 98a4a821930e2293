"""Who is offered whom: what a decision costs in a small centre and in a very large one, what a waiting contact holds,
and a million random steps that must not reserve anybody twice.

No Asterisk and no clock: the matching and the desk by themselves, on one core. In: sizes. Out: processor time of
decisions, both sizes in turns; bytes as tracemalloc counts them; what went wrong in the random steps.
"""

from __future__ import annotations

import gc
import itertools
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from acd import Desk
from acd.core.matching import Choice, Contact, Matching
from acd.core.policy import QueuePolicy, Relaxation, Strategy
from agents import Agent, Member, Roster
from benchmarks.tables import Row, Section, met, progress
from telefonista.kernel.events import CallArrived, Entry, Phone, Presence, VisitStarted
from telefonista.kernel.ids import AgentId, CallId, LineName, OfferId, QueueName, RouteName, VisitId, visit_id

QUEUES = 50
SKILLS = 20
SKILL_SETS = 500
QUEUES_EACH = 3
TALK_S = 300.0
"""Sets how quickly time passes: each agent becomes free so often."""
AT_ONCE = 50
"""Decisions that are timed together; between two such lots the centre goes back to where it was."""
WARMING = 40
"""Lots that do not count."""
AIM_RATIO = 2.0
AIM_PER_S = 50_000
AIM_BYTES = 2048
START = 1_800_000_000.0


@dataclass(frozen=True)
class Size:
    agents: int
    contacts: int

    def __str__(self) -> str:
        return f"{self.agents} agents, {self.contacts} waiting"


LARGE = Size(10_000, 100_000)
SMALL = Size(100, 1_000)


class Centre:
    """A matching and its agents, and what the rest of the house would do with its choices."""

    def __init__(self, size: Size, *, seed: int = 1) -> None:
        self.size = size
        self.chance = random.Random(seed)
        self.now = START
        self.step_s = TALK_S / size.agents
        self.queues = [QueueName(f"cola-{n}") for n in range(QUEUES)]
        self.roster = Roster(self._members())
        self.matching = Matching(self.roster)
        self.matching.configure({queue: _policy(queue, n=n) for n, queue in enumerate(self.queues)})
        self.agents = list(self.roster.members)
        self.numbers = itertools.count(1)

    def _members(self) -> Iterator[Member]:
        """Agents of 500 kinds, or as many as there are agents; each knows something of what the queues ask for."""
        kinds = []
        for _ in range(SKILL_SETS):
            served = self.chance.sample(range(QUEUES), QUEUES_EACH)
            skills = {f"tema_{n % SKILLS}": self.chance.randint(1, 10) for n in served}
            skills[f"tema_{self.chance.randrange(SKILLS)}"] = self.chance.randint(1, 10)
            level = {self.queues[served[0]]: self.chance.choice((1, 1, 2))}
            languages = ("es", "gn") if self.chance.random() < 0.1 else ("es",)
            kinds.append((tuple(self.queues[n] for n in served), skills, level, languages))
        for n in range(self.size.agents):
            queues, skills, levels, languages = kinds[n % SKILL_SETS]
            yield Member(
                agent=AgentId(f"{10_000 + n}"),
                name="",
                queues=queues,
                skills=skills,
                levels=levels,
                languages=languages,
            )

    def contact(self) -> Contact:
        n = next(self.numbers)
        call = CallId(f"tf1-{START:.0f}.{n}")
        return Contact(
            call=call,
            visit=visit_id(call, n=1),
            queue=self.chance.choice(self.queues),
            priority=self.chance.choice((0, 0, 0, 1, 2)),
            place_at=self.now,
            order=n,
            language="gn" if self.chance.random() < 0.02 else "",
        )

    def arrives(self, contact: Contact) -> None:
        self.matching.add(contact, self.now)

    def becomes(self, agent: AgentId, presence: Presence, *, call: CallId | None = None, offer: str = "") -> None:
        """What the agents' room does."""
        self.roster.put(
            Agent(
                agent=agent,
                presence=presence,
                phone=Phone.IDLE,
                call=call,
                offer=OfferId(offer) if offer else None,
                idle_since=self.now,
            )
        )
        self.matching.agent_changed(agent)

    def reserve(self, choice: Choice) -> None:
        self.matching.withhold(choice.contact)
        for agent in choice.agents:
            self.becomes(agent, Presence.RESERVED, call=choice.contact, offer=f"{choice.contact}.{agent}")

    def answers(self, choice: Choice) -> None:
        for agent in choice.agents:
            self.becomes(agent, Presence.TALKING, call=choice.contact)
        self.matching.remove(choice.contact)


def _policy(queue: QueueName, *, n: int) -> QueuePolicy:
    skill = f"tema_{n % SKILLS}"
    return QueuePolicy(
        name=queue,
        requires=f"{skill} >= {1 + n % 5}",
        relax=(Relaxation(after_s=30, requires=f"{skill} >= 1"), Relaxation(after_s=60, level=2)),
        service_level_s=(20.0, 30.0, 60.0)[n % 3],
    )


class Busy:
    """Everybody talks and many wait: an agent becomes free, and the most urgent contact is found."""

    def __init__(self, size: Size) -> None:
        self.centre = Centre(size)
        for agent in self.centre.agents:
            self.centre.becomes(agent, Presence.TALKING)
        for _ in range(size.contacts):
            self.centre.now += self.centre.step_s
            self.centre.arrives(self.centre.contact())
        self.centre.matching.next(self.centre.now)

    def lot(self) -> tuple[float, int]:
        """Processor seconds of a lot of decisions, and how many were made."""
        centre = self.centre
        free = centre.chance.sample(centre.agents, min(AT_ONCE, len(centre.agents) // 2))
        made: list[Choice] = []
        began = time.process_time()
        for agent in free:
            centre.now += centre.step_s
            centre.becomes(agent, Presence.READY)
            choice = centre.matching.next(centre.now)
            if choice is not None:
                centre.reserve(choice)
                made.append(choice)
        took = time.process_time() - began
        for choice in made:
            centre.answers(choice)
            centre.arrives(centre.contact())
        for agent in free:
            if centre.roster.is_ready(agent):
                centre.becomes(agent, Presence.TALKING)
        centre.matching.next(centre.now)
        return took, len(made)


class Quiet:
    """Nobody waits and everybody is free: a contact arrives, and the agent for it is found."""

    def __init__(self, size: Size) -> None:
        self.centre = Centre(size)
        for agent in self.centre.agents:
            self.centre.now += 0.1
            self.centre.becomes(agent, Presence.READY)
        self.centre.matching.next(self.centre.now)

    def lot(self) -> tuple[float, int]:
        centre = self.centre
        arriving = [centre.contact() for _ in range(min(AT_ONCE, len(centre.agents) // 4))]
        made: list[Choice] = []
        began = time.process_time()
        for contact in arriving:
            centre.now += centre.step_s
            centre.arrives(contact)
            choice = centre.matching.next(centre.now)
            if choice is not None:
                centre.reserve(choice)
                made.append(choice)
        took = time.process_time() - began
        for contact in arriving:
            centre.matching.remove(contact.call)
        for choice in made:
            for agent in choice.agents:
                centre.becomes(agent, Presence.READY)
        centre.matching.next(centre.now)
        return took, len(made)


def measure_cost(*, rounds: int, lots: int) -> Section:
    """Both sizes in turns: `rounds` rounds of `lots` lots each."""
    found: dict[tuple[type[Busy | Quiet], Size], list[float]] = {}
    for kind in (Busy, Quiet):
        centres = {size: kind(size) for size in (LARGE, SMALL)}
        for centre in centres.values():
            for _ in range(WARMING):
                centre.lot()
        # What is there already is not looked through again for what could be thrown away, as in an engine that has run
        # for a while; what comes and goes is.
        gc.collect()
        gc.freeze()
        for n in range(rounds):
            progress(f"{kind.__name__.lower()}, round {n + 1} of {rounds}")
            for size, centre in centres.items():
                seconds, made = map(sum, zip(*(centre.lot() for _ in range(lots)), strict=True))
                found.setdefault((kind, size), []).append(1e6 * seconds / made)
        gc.unfreeze()
    rows = [
        *_rows("agent free, contact found", [found[Busy, size] for size in (LARGE, SMALL)]),
        *_rows("contact arrives, agent found", [found[Quiet, size] for size in (LARGE, SMALL)]),
    ]
    return Section(
        title="Cost of a decision",
        ways=(str(LARGE), str(SMALL)),
        rows=rows,
        remarks=[
            f"Processor time from the event to the reservation, reasons included: {rounds} rounds of {lots} lots of "
            f"up to {AT_ONCE} decisions, both sizes in turns in one process. {SKILL_SETS} skill sets, {QUEUES} queues "
            "that each ask for a skill and ask less after 30 and 60 s, "
            f"{QUEUES_EACH} queues an agent, priorities, two languages.",
            "In the second rows nobody waits and all agents are free.",
        ],
    )


def _rows(what: str, both: list[list[float]]) -> list[Row]:
    medians = [statistics.median(each) for each in both]
    ratio = statistics.median(large / small for large, small in zip(*both, strict=True))
    per_s = [1e6 / median for median in medians]
    return [
        Row(
            what=what,
            cells=[
                f"{median:.1f} us ({min(each):.1f}-{max(each):.1f})" for median, each in zip(medians, both, strict=True)
            ],
        ),
        Row(
            what="- decisions a second, one core",
            cells=[f"{each:,.0f}".replace(",", " ") for each in per_s],
            aim=f">= {AIM_PER_S:,}".replace(",", " "),
            seen=met(min(per_s), least=AIM_PER_S),
        ),
        Row(
            what="- large over small",
            cells=(f"{ratio:.2f}",),
            aim=f"<= {AIM_RATIO:.0f}",
            seen=met(ratio, most=AIM_RATIO),
        ),
    ]


def measure_memory(*, contacts: int) -> Section:
    """Bytes that each waiting contact holds in the desk: its stay, its place, its line."""
    centre = Centre(SMALL)
    policies = [_policy(queue, n=n) for n, queue in enumerate(centre.queues)]
    desk = Desk(policies, roster=centre.roster, position_prompts=lambda position: ())
    for n in range(contacts // 10):
        _wait(desk, n=n, centre=centre)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for n in range(contacts // 10, contacts // 10 + contacts):
        _wait(desk, n=n, centre=centre)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    each = (after - before) / contacts
    return Section(
        title="Memory of a waiting contact",
        ways=("ours",),
        rows=[
            Row(
                what="desk and matching",
                cells=(f"{each:.0f} bytes",),
                aim=f"<= {AIM_BYTES}",
                seen=met(each, most=AIM_BYTES),
            )
        ],
        remarks=[f"As tracemalloc counts, {contacts} contacts; ids and the caller's number are in it."],
    )


def _wait(desk: Desk, *, n: int, centre: Centre) -> None:
    call = CallId(f"tf1-{START:.0f}.{n}")
    at = START + n * 0.03
    arrived = CallArrived(
        call=call, line=LineName("0800-info"), dialled="0800", route=RouteName("ciudadanos"), caller=f"099{n:06d}"
    )
    desk.apply(Entry(seq=2 * n + 1, at=at, event=arrived))
    started = VisitStarted(call=call, visit=VisitId(f"{call}.v1"), queue=centre.queues[n % QUEUES], place_at=at)
    desk.apply(Entry(seq=2 * n + 2, at=at, event=started))


class Chaos:
    """Random steps, and what must hold after each. It knows who is reserved for whom by itself."""

    AGENTS = 40
    MOST_WAITING = 200

    def __init__(self, *, seed: int) -> None:
        self.centre = Centre(Size(self.AGENTS, self.MOST_WAITING), seed=seed)
        strategies = itertools.cycle(Strategy)
        policies = {}
        for n, queue in enumerate(self.centre.queues[:8]):
            policies[queue] = QueuePolicy(
                name=queue,
                strategy=next(strategies),
                requires="" if n % 3 else "tema_1 >= 2",
                relax=(Relaxation(after_s=20, requires=""), Relaxation(after_s=40, level=9)),
            )
        self.queues = list(policies)
        chance = self.centre.chance
        members = [
            Member(
                agent=AgentId(f"{100 + n}"),
                name="",
                queues=tuple(chance.sample(self.queues, 3)),
                skills={"tema_1": chance.randint(0, 10)},
                levels={queue: chance.choice((1, 1, 2)) for queue in self.queues},
            )
            for n in range(self.AGENTS)
        ]
        self.centre.roster.configure(members)
        self.centre.matching.configure(policies)
        self.centre.agents = [member.agent for member in members]
        self.contacts: dict[CallId, Contact] = {}
        self.offered: dict[CallId, set[AgentId]] = {}
        self.busy: dict[AgentId, CallId] = {}
        self.wrong: list[str] = []
        self.made = self.left = 0
        steps: list[tuple[Callable[[], None], int]] = [
            (self._arrive, 30),
            (self._turn_up, 20),
            (self._go, 8),
            (self._answer, 25),
            (self._miss, 12),
            (self._abandon, 6),
            (self._hang_up, 25),
            (self._rest, 4),
            (self._reload, 0),
        ]
        self._steps = [step for step, _ in steps]
        self._weights = list(itertools.accumulate(weight for _, weight in steps))

    def run(self, steps: int) -> None:
        for n, step in enumerate(self.centre.chance.choices(self._steps, cum_weights=self._weights, k=steps)):
            self.centre.now += self.centre.chance.random()
            step()
            self._offer()
            if n % 20_000 == 19_999:
                self._reload()
                self._offer()
        self._drain()

    def _offer(self) -> None:
        matching = self.centre.matching
        while (choice := matching.next(self.centre.now)) is not None:
            self.made += 1
            call = choice.contact
            if call not in self.contacts:
                self.wrong.append(f"{call} does not wait")
            if self.offered.get(call):
                self.wrong.append(f"{call} is offered already")
            for agent in choice.agents:
                if agent in self.busy or not self.centre.roster.is_ready(agent):
                    self.wrong.append(f"{agent} is not free")
            if len(self.wrong) > 10:
                raise AssertionError("; ".join(self.wrong))
            self.centre.reserve(choice)
            self.offered[call] = set(choice.agents)
            self.busy.update(dict.fromkeys(choice.agents, call))

    def _arrive(self) -> None:
        if len(self.contacts) >= self.MOST_WAITING:
            return
        contact = self.centre.contact()
        chance = self.centre.chance
        agent = chance.choice(self.centre.agents)
        contact = Contact(
            call=contact.call,
            visit=contact.visit,
            queue=chance.choice(self.queues),
            priority=contact.priority,
            place_at=self.centre.now - chance.choice((0, 0, 0, 30)),
            order=contact.order,
            only=agent if chance.random() < 0.02 else None,
            sticky=agent if chance.random() < 0.1 else None,
            sticky_until=self.centre.now + 15,
            not_before=self.centre.now + 10 if chance.random() < 0.05 else 0.0,
        )
        self.contacts[contact.call] = contact
        self.offered[contact.call] = set()
        self.centre.arrives(contact)

    def _idle(self) -> list[AgentId]:
        return [agent for agent in self.centre.agents if agent not in self.busy]

    def _turn_up(self) -> None:
        idle = self._idle()
        if idle:
            self.centre.becomes(self.centre.chance.choice(idle), Presence.READY)

    def _go(self) -> None:
        idle = self._idle()
        away = (Presence.PAUSED, Presence.OFFLINE, Presence.UNREACHABLE, Presence.BUSY)
        if idle:
            self.centre.becomes(self.centre.chance.choice(idle), self.centre.chance.choice(away))

    def _open_offer(self) -> tuple[CallId, AgentId] | None:
        offers = [(call, agent) for call, agents in self.offered.items() for agent in sorted(agents)]
        return self.centre.chance.choice(offers) if offers else None

    def _answer(self) -> None:
        offer = self._open_offer()
        if offer is not None:
            call, winner = offer
            for agent in self.offered.pop(call):
                if agent != winner:
                    del self.busy[agent]
                    self.centre.becomes(agent, Presence.READY)
            self.centre.becomes(winner, Presence.TALKING, call=call)
            self._forget(call)

    def _miss(self) -> None:
        offer = self._open_offer()
        if offer is None:
            return
        call, agent = offer
        self.offered[call].discard(agent)
        del self.busy[agent]
        self.centre.becomes(agent, Presence.READY)
        contact = self.contacts[call]
        self.contacts[call] = contact = Contact(
            **{
                **{field: getattr(contact, field) for field in contact.__struct_fields__},
                "refused_by": contact.refused_by | {agent},
                "only": None,
            }
        )
        if not self.offered[call]:
            self.centre.arrives(contact)

    def _abandon(self) -> None:
        if self.contacts:
            call = self.centre.chance.choice(list(self.contacts))
            for agent in self.offered.pop(call):
                del self.busy[agent]
                self.centre.becomes(agent, Presence.READY)
            self._forget(call)

    def _forget(self, call: CallId) -> None:
        del self.contacts[call]
        self.centre.matching.remove(call)
        self.left += 1

    def _hang_up(self) -> None:
        talking = [agent for agent, call in self.busy.items() if call not in self.contacts]
        if talking:
            agent = self.centre.chance.choice(talking)
            del self.busy[agent]
            self.centre.becomes(agent, self.centre.chance.choice((Presence.READY, Presence.WRAP_UP)))

    def _rest(self) -> None:
        agent = self.centre.chance.choice(self.centre.agents)
        self.centre.matching.rest(agent, resting=self.centre.chance.random() < 0.5)

    def _reload(self) -> None:
        self.centre.roster.configure(list(self.centre.roster.members.values()))

    def _drain(self) -> None:
        """Everybody who can answer does, and time passes: nobody may be left waiting."""
        for agent in self.centre.agents:
            self.centre.matching.rest(agent, resting=False)
        for _ in range(10 * self.MOST_WAITING):
            self.centre.now += 60
            for agent in self._idle():
                self.centre.becomes(agent, Presence.READY)
            self._offer()
            self._answer()
            self._hang_up()
            if not self.contacts:
                return
        self.wrong.append(f"{len(self.contacts)} contacts are left waiting")


def measure_chaos(*, steps: int) -> Section:
    chaos = Chaos(seed=7)
    progress(f"{steps} random steps")
    chaos.run(steps)
    return Section(
        title="Random steps",
        ways=("ours",),
        rows=[
            Row(what="steps", cells=(f"{steps:,}".replace(",", " "),)),
            Row(what="choices carried out", cells=(f"{chaos.made:,}".replace(",", " "),)),
            Row(what="contacts that left", cells=(f"{chaos.left:,}".replace(",", " "),)),
            Row(
                what="agents or contacts reserved twice, or forgotten",
                cells=(str(len(chaos.wrong)),),
                aim="0",
                seen=met(len(chaos.wrong), most=0),
            ),
        ],
        remarks=[
            *chaos.wrong,
            f"{Chaos.AGENTS} agents in 8 queues, one for each strategy: people arrive, leave, are offered, answered, "
            "missed; agents come, go, rest; the configuration is read again now and then.",
        ],
    )


def measure(*, quick: bool) -> list[Section]:
    """All of it."""
    return [
        measure_cost(rounds=3 if quick else 9, lots=100 if quick else 400),
        measure_memory(contacts=10_000),
        measure_chaos(steps=100_000 if quick else 1_000_000),
    ]
