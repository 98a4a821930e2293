"""Which waiting contact goes to which agent, and why. Tells pairs; makes no offers and moves nobody.

Comes in: contacts that wait, and word that an agent's state, rest or record changed. Goes out: a `Choice` as soon as
one is possible. Nothing is looked through: contacts that ask the same wait in one line (`Ask`), agents who can do the
same are of one `Kin`, whether a kin is able for an ask is worked out once, and only what has changed since the last
question is looked at. So a decision costs the same however many wait and however many answer.

What holds whenever `next` has given None: no agent who is free could serve a contact that waits. Never touches a
channel, a clock or a random number; must never import the desk.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec
from sortedcontainers import SortedList

from acd.core.asks import Ask, Kin, Recheck, Waiting
from acd.core.asks import Contact as Contact
from acd.core.choosing import Standing
from acd.core.line import Line
from acd.core.policy import QueuePolicy, Strategy
from acd.core.skills import FIRST_LEVEL
from agents import Agent, Member, Roster
from telefonista.kernel.events import Presence
from telefonista.kernel.ids import AgentId, CallId, OfferId, QueueName

MOST_NAMED = 64
"""In a queue of so many agents the reasons of a choice name each of them; in a larger one they are counted."""
NEXT_NAMED = 5
"""Free and able agents who are named in a larger queue, beside the one who was chosen."""
MOST_ASKS = 2000
"""Kinds of what contacts ask that are remembered; more are forgotten as soon as nobody waits for them."""
_NOBODY: frozenset[AgentId] = frozenset()

_AT_WORK = frozenset(Presence) - {Presence.OFFLINE, Presence.UNREACHABLE, Presence.PAUSED}
"""Who is free now, or will be without anybody's doing."""
_WORDS: Mapping[Presence, str] = {
    Presence.OFFLINE: "not logged in",
    Presence.UNREACHABLE: "telephone unreachable",
    Presence.RESERVED: "reserved",
    Presence.RINGING: "ringing",
    Presence.DIALLING: "dialling",
    Presence.TALKING: "talking",
    Presence.ON_HOLD: "on hold",
    Presence.WRAP_UP: "wrap-up",
    Presence.PAUSED: "paused",
    Presence.BUSY: "on another call",
}
RESTING = "left in peace after a missed offer"
JUST_MISSED = "missed this contact just now"
ELSEWHERE = "another one is asked for"
OTHERWISE = "free and able too"


class Choice(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A contact, and who is to be offered it."""

    contact: CallId
    agents: tuple[AgentId, ...]
    """One; where all are rung, all of them."""
    because: str
    passed_over: dict[str, str] = {}
    """Why not each of the other agents of the queue: all where they are few, else those who were free and able."""
    others: dict[str, int] = {}
    """How many more there are for each reason."""


class _Memory(msgspec.Struct, gc=False):
    """What is remembered of an agent; no reservation, and lost when the agent's record is."""

    resting: bool = False
    offer: OfferId | None = None
    call: CallId | None = None
    """The contact that was offered last."""
    queue: QueueName = QueueName("")
    answered: bool = False
    turns: dict[QueueName, int] = {}
    """When the last offer of each queue that goes round was made."""
    taken: dict[QueueName, int] = {}
    """Calls answered of each queue that counts them."""


class _Person(msgspec.Struct, gc=False):
    """A configured agent, as the matching knows them."""

    kin: Kin
    order: int
    """Place in the configuration's list."""
    why: str = ""
    """Not free, and why; empty: free."""
    at_work: bool = False
    benched: bool = False
    memory: _Memory = msgspec.field(default_factory=_Memory)


class Matching:
    """`language` is the installation's own: what an agent speaks whose record names none."""

    def __init__(self, roster: Roster, *, language: str = "es") -> None:
        self._roster = roster
        self._language = language
        self._edition = -1
        self._policies: Mapping[QueueName, QueuePolicy] = {}
        self._waiting: dict[CallId, Waiting] = {}
        self._queues: dict[QueueName, SortedList] = {}
        """The places of all who wait in a queue, offered or not."""
        self._asks: dict[tuple[QueueName, int, str, str], Ask] = {}
        self._kins: dict[object, Kin] = {}
        self._people: dict[AgentId, _Person] = {}
        self._personal: dict[AgentId, Line[Waiting]] = {}
        self._later: Line[Recheck] = Line()
        """Contacts for whom something will change by time alone, by when."""
        self._counts: dict[QueueName, defaultdict[str, int]] = {}
        """How many agents of a large queue are not free, for each reason."""
        self._fresh_agents: dict[AgentId, None] = {}
        """Free agents of whom it is not known yet whether anybody waits for them."""
        self._fresh_asks: dict[Ask, None] = {}
        """Those in whose line somebody has stood since it was last known that nobody is free for them."""
        self._turn = 0
        self._now = 0.0
        self._begin_anew()

    def configure(self, policies: Mapping[QueueName, QueuePolicy]) -> None:
        """Replaces the policies; everybody keeps their place. Who answers what is asked of the roster anew."""
        self._policies = policies
        self._begin_anew()

    def add(self, contact: Contact, now: float) -> None:
        """A contact begins to wait, or waits in another way: it is looked at as if it were new, in its own place.
        `now` is in epoch seconds."""
        if self._edition != self._roster.edition:
            self._begin_anew()
        if contact.call in self._waiting:
            self.remove(contact.call)
        self._now = max(self._now, now)
        self._waiting[contact.call] = waiting = Waiting(self._key(contact), contact.order, None, contact)
        self._take_place(waiting)
        self._file(waiting)

    def remove(self, call: CallId) -> None:
        """The contact waits no longer. One that does not wait is no matter."""
        waiting = self._waiting.pop(call, None)
        if waiting is not None:
            self._unfile(waiting)
            line = self._queues[waiting.contact.queue]
            if line[0] is waiting.place:
                del line[0]
            else:
                line.remove(waiting.place)

    def withhold(self, call: CallId) -> None:
        """Keep the place, and offer it to nobody: it is being offered, or does something else meanwhile."""
        waiting = self._waiting[call]
        self._unfile(waiting)
        waiting.withheld = True

    def restore(self, call: CallId) -> None:
        """Offer it again."""
        waiting = self._waiting[call]
        waiting.withheld = False
        self._refile(waiting)

    def agent_changed(self, agent: AgentId) -> None:
        """Somebody's presence changed; the roster knows to what."""
        if self._edition != self._roster.edition:
            self._begin_anew()
        person = self._people.get(agent)
        if person is None:
            return
        state = self._roster[agent]
        if state.call is not None:
            self._remember(state, memory=person.memory)
        before, after = person.why, self._why_unready(state, person=person)
        if before != after:
            person.why = after
            for counts in person.kin.counts:
                counts[before] -= 1
                counts[after] += 1
            if not after:
                self._fresh_agents[agent] = None
            elif not before:
                self._fresh_agents.pop(agent, None)
                self._unbench(agent, person=person)
        if (state.presence in _AT_WORK) != person.at_work:
            self._note_at_work(agent, person=person)

    def rest(self, agent: AgentId, *, resting: bool) -> None:
        """Leave an agent in peace for a while, or not any more."""
        if self._edition != self._roster.edition:
            self._begin_anew()
        person = self._people.get(agent)
        if person is not None:
            person.memory.resting = resting
            self.agent_changed(agent)

    def next(self, now: float) -> Choice | None:
        """The next offer to be made, if there is one. Changes nothing that counts: until the offer has been made (the
        contact withheld, the agent reserved) it is the answer again. `now` is in epoch seconds."""
        if now > self._now:
            self._now = now
        if self._edition != self._roster.edition:
            self._begin_anew()
        later = self._later.top or self._later.first()
        if later is not None and later.key <= self._now:
            self._look_again()
        choice = self._for_agents() if self._fresh_agents else None
        if choice is None and self._fresh_asks:
            choice = self._for_asks()
        return choice

    def time_has_come(self, now: float) -> None:
        """Time alone has changed who may answer whom; asked for an offer or not, it is so from now on (epoch
        seconds)."""
        self._now = max(self._now, now)
        self._look_again()

    def recheck_at(self, call: CallId) -> float | None:
        """When time alone will change who may answer (epoch seconds): ask for the next offer then. None: never."""
        recheck = self._waiting[call].recheck
        return None if recheck is None else recheck.key

    def waiting(self, queue: QueueName) -> list[CallId]:
        """All who wait in a queue, the withheld too, in their order."""
        return [entry[-1] for entry in self._queues.get(queue, ())]

    def position(self, call: CallId) -> int:
        """1 for who is next. Raises KeyError for a contact that does not wait."""
        waiting = self._waiting[call]
        place: int = self._queues[waiting.contact.queue].index(waiting.place)
        return place + 1

    def _policy(self, queue: QueueName) -> QueuePolicy:
        return self._policies.get(queue) or QueuePolicy(name=queue)

    def _look_again(self) -> None:
        """At those for whom something has changed by time alone."""
        recheck = self._later.first()
        while recheck is not None and recheck.key <= self._now:
            self._refile(recheck.waiting)
            recheck = self._later.first()

    def _key(self, contact: Contact) -> float:
        """Its place in a line: one of priority is worth `ageing_s` of waiting, so that it never has to be worked out
        again."""
        if not contact.priority:
            return contact.place_at
        return contact.place_at - contact.priority * self._policy(contact.queue).ageing_s

    def _take_place(self, waiting: Waiting) -> None:
        queue = waiting.contact.queue
        line = self._queues.get(queue)
        if line is None:
            line = self._queues[queue] = SortedList()
        waiting.place = (waiting.key, waiting.order, waiting.contact.call)
        line.add(waiting.place)

    def _file(self, waiting: Waiting) -> None:
        """Put a contact where it will be found: nowhere yet, with one agent, or in the line of what it asks now."""
        contact, now = waiting.contact, self._now
        if waiting.withheld:
            return
        if now < contact.not_before:
            self._recheck(waiting, at=contact.not_before)
            return
        if contact.only is not None:
            self._file_personally(waiting, agent=contact.only)
            return
        policy = self._policy(contact.queue)
        step = 0
        for relaxation in policy.relax:
            if contact.place_at + relaxation.after_s > now:
                self._recheck(waiting, at=contact.place_at + relaxation.after_s)
                break
            step += 1
        ask = self._asks.get((contact.queue, step, contact.requires, contact.language))
        if ask is None:
            ask = self._new_ask(contact, policy=policy, step=step)
        if contact.sticky is not None and now < contact.sticky_until and self._awaited(contact.sticky, ask=ask):
            self._file_personally(waiting, agent=contact.sticky)
            if waiting.recheck is not None:
                self._later.discard(waiting.recheck)
            self._recheck(waiting, at=contact.sticky_until)
            return
        waiting.ask = ask
        ask.line.add(waiting)
        if ask.bench.seats:
            self._fresh_asks[ask] = None

    def _file_personally(self, waiting: Waiting, *, agent: AgentId) -> None:
        waiting.personal = agent
        line = self._personal.get(agent)
        if line is None:
            line = self._personal[agent] = Line()
        line.add(waiting)
        person = self._people.get(agent)
        if person is not None and not person.why:
            self._fresh_agents[agent] = None

    def _unfile(self, waiting: Waiting) -> None:
        if waiting.recheck is not None:
            self._later.discard(waiting.recheck)
            waiting.recheck = None
        if waiting.ask is not None:
            waiting.ask.line.discard(waiting)
            waiting.ask = None
        elif waiting.personal is not None:
            line = self._personal[waiting.personal]
            line.discard(waiting)
            if not line.size:
                del self._personal[waiting.personal]
            waiting.personal = None

    def _refile(self, waiting: Waiting) -> None:
        self._unfile(waiting)
        self._file(waiting)

    def _recheck(self, waiting: Waiting, *, at: float) -> None:
        waiting.recheck = Recheck(at, waiting.order, None, waiting)
        self._later.add(waiting.recheck)

    def _awaited(self, agent: AgentId, *, ask: Ask) -> bool:
        """Whether it makes sense to wait for this agent: able, and free now or soon."""
        person = self._people.get(agent)
        return person is not None and person.at_work and ask in person.kin.able

    def _new_ask(self, contact: Contact, *, policy: QueuePolicy, step: int) -> Ask:
        if len(self._asks) >= MOST_ASKS:
            self._forget_asks()
        members = self._roster.of_queue(contact.queue)
        ask = Ask(policy=policy, step=step, beyond=contact.requires, language=contact.language, members=members)
        self._asks[contact.queue, step, contact.requires, contact.language] = ask
        for kin in self._kins.values():
            if contact.queue in kin.queues:
                kin.learn(ask, language=self._language)
        for agent in members:
            person = self._people[agent]
            if person.benched:
                self._seat(agent, person=person, asks=(ask,))
        return ask

    def _forget_asks(self) -> None:
        """Those for whom nobody waits."""
        self._asks = {name: ask for name, ask in self._asks.items() if ask.line.size}
        kept = set(self._asks.values())
        for kin in self._kins.values():
            kin.able = [ask for ask in kin.able if ask in kept]
            kin.unable = {ask: why for ask, why in kin.unable.items() if ask in kept}
        self._fresh_asks = {ask: None for ask in self._fresh_asks if ask in kept}

    def _begin_anew(self) -> None:
        """Work out everything that follows from records and policies."""
        self._edition = self._roster.edition
        self._kins, self._asks, self._counts = {}, {}, {}
        before = self._people
        self._people = {}
        holders: dict[str, int] = {}
        for order, (agent, member) in enumerate(self._roster.members.items()):
            kin = self._kin(member)
            memory = before[agent].memory if agent in before else _Memory()
            self._people[agent] = _Person(kin, order, memory=memory)
            for skill in kin.skills:
                holders[skill] = holders.get(skill, 0) + 1
        for kin in self._kins.values():
            kin.rarity = round(sum(1 / holders[skill] for skill in kin.skills), 6)
            kin.counts = [
                self._counts.setdefault(queue, defaultdict(int))
                for queue in kin.queues
                if len(self._roster.of_queue(queue)) > MOST_NAMED
            ]
        self._personal, self._queues, self._later = {}, {}, Line()
        self._fresh_agents, self._fresh_asks = {}, {}
        for agent, person in self._people.items():
            state = self._roster[agent]
            person.at_work = state.presence in _AT_WORK
            person.kin.working += person.at_work
            person.why = self._why_unready(state, person=person)
            for counts in person.kin.counts:
                counts[person.why] += 1
            if not person.why:
                self._fresh_agents[agent] = None
        for waiting in self._waiting.values():
            waiting.ask = waiting.personal = waiting.recheck = waiting.line = None
            waiting.key = self._key(waiting.contact)
            self._take_place(waiting)
            self._file(waiting)

    def _kin(self, member: Member) -> Kin:
        name = (
            member.queues,
            frozenset((skill, level) for skill, level in member.skills.items() if level > 0),
            frozenset(member.languages),
            frozenset(member.levels.items()),
        )
        kin = self._kins.get(name)
        if kin is None:
            kin = self._kins[name] = Kin(member)
        return kin

    def _why_unready(self, state: Agent, *, person: _Person) -> str:
        if state.presence is Presence.READY:
            return RESTING if person.memory.resting else ""
        if state.presence is Presence.PAUSED and state.pause:
            return f"paused: {state.pause}"
        return _WORDS[state.presence]

    def _note_at_work(self, agent: AgentId, *, person: _Person) -> None:
        """Somebody came to work, or left it; who waited for this agent rather than for others waits no longer."""
        person.at_work = not person.at_work
        person.kin.working += 1 if person.at_work else -1
        if not person.at_work and agent in self._personal:
            for waiting in self._personal[agent].in_order():
                if waiting.contact.only is None:
                    self._refile(waiting)

    def _remember(self, state: Agent, *, memory: _Memory) -> None:
        """Whose turn it was, and who took how many: read from what agents do with the contacts that wait here."""
        assert state.call is not None
        if state.offer is not None and state.offer != memory.offer:
            waiting = self._waiting.get(state.call)
            if waiting is not None:
                queue = waiting.contact.queue
                memory.offer, memory.call, memory.queue, memory.answered = state.offer, state.call, queue, False
                if self._policy(queue).strategy is Strategy.ROUND_ROBIN:
                    self._turn += 1
                    memory.turns[queue] = self._turn
        elif state.presence is Presence.TALKING and state.call == memory.call and not memory.answered:
            memory.answered = True
            if self._policy(memory.queue).strategy is Strategy.FEWEST_CALLS:
                memory.taken[memory.queue] = memory.taken.get(memory.queue, 0) + 1

    def _bench(self, agent: AgentId, *, person: _Person) -> None:
        if not person.benched:
            person.benched = True
            self._seat(agent, person=person, asks=(*person.kin.able, *person.kin.unable))

    def _seat(self, agent: AgentId, *, person: _Person, asks: Iterable[Ask]) -> None:
        kin, memory = person.kin, person.memory
        idle_since = self._roster[agent].idle_since
        standing = Standing(idle_since, memory.turns, memory.taken, len(kin.queues) - 1, kin.rarity)
        for ask in asks:
            why = kin.unable.get(ask)
            if why is None:
                ask.bench.add(
                    agent, level=kin.levels.get(ask.policy.name, FIRST_LEVEL), order=person.order, standing=standing
                )
            else:
                ask.unable[why] += 1

    def _unbench(self, agent: AgentId, *, person: _Person) -> None:
        if person.benched:
            person.benched = False
            for ask in person.kin.able:
                ask.bench.discard(agent)
            for ask, why in person.kin.unable.items():
                ask.unable[why] -= 1

    def _for_agents(self) -> Choice | None:
        """The most urgent contact that an agent can serve of whom nothing is known yet."""
        while self._fresh_agents:
            agent = next(iter(self._fresh_agents))
            found = self._most_urgent(agent)
            if found is None:
                del self._fresh_agents[agent]
                self._bench(agent, person=self._people[agent])
                continue
            waiting, heads = found
            ask = waiting.ask
            if ask is None:
                return self._personal_choice(waiting, agent=agent)
            if len(self._fresh_agents) == 1 and not ask.bench.seats:
                return self._choice(waiting, ask=ask, agents=(agent,), heads=heads)
            for each in self._fresh_agents:
                self._bench(each, person=self._people[each])
            return self._benched_choice(waiting, ask=ask, heads=heads)
        return None

    def _for_asks(self) -> Choice | None:
        """The most urgent contact of those that came, or ask for less than they did, while agents were free."""
        heads = []
        for ask in tuple(self._fresh_asks):
            head = ask.line.first()
            if head is None or not ask.bench.seats:
                del self._fresh_asks[ask]
            else:
                heads.append(head)
        if not heads:
            return None
        waiting = heads[0] if len(heads) == 1 else min(heads, key=self._urgency)
        assert waiting.ask is not None
        return self._benched_choice(waiting, ask=waiting.ask, heads=len(heads))

    def _urgency(self, waiting: Waiting) -> tuple[float, float, int]:
        """Smaller is more urgent: who has waited for the most times the queue's own target, what priority is worth
        included; then by place."""
        target_s = (
            waiting.ask.target_s if waiting.ask is not None else self._policy(waiting.contact.queue).service_level_s
        )
        return ((waiting.key - self._now) / target_s, waiting.key, waiting.order)

    def _most_urgent(self, agent: AgentId) -> tuple[Waiting, int] | None:
        """Of the contacts that this agent can serve; and how many lines had one. Not the one that was just missed,
        where there is another and somebody else will be able to serve the missed one."""
        person = self._people[agent]
        missed = self._missed_by(agent, person=person) if person.memory.call is not None else None
        now = self._now
        best = math.inf
        first: Waiting | None = None
        heads = 0
        for ask in person.kin.able:
            line = ask.line
            if not line.size:
                continue
            heads += 1
            head = (line.top or line.first()) if missed is None else line.first_but(missed)
            if head is not None:
                urgency = (head.key - now) / ask.target_s
                if first is None or urgency < best or (urgency == best and head < first):
                    best, first = urgency, head
        personal = self._personal.get(agent)
        if personal is not None:
            heads += 1
            head = personal.first()
            if head is not None and (first is None or self._urgency(head) < self._urgency(first)):
                first = head
        if first is None:
            first = missed
        return None if first is None else (first, heads)

    def _missed_by(self, agent: AgentId, *, person: _Person) -> Waiting | None:
        """The contact that this agent can serve, was offered last, did not take, and leaves to others where there are
        any."""
        call = person.memory.call
        waiting = self._waiting.get(call) if call is not None else None
        if waiting is None or waiting.ask is None or agent not in waiting.contact.refused_by:
            return None
        kins = waiting.ask.kins
        alone = person.kin not in kins or sum(kin.working for kin in kins) < 2
        return None if alone else waiting

    def _benched_choice(self, waiting: Waiting, *, ask: Ask, heads: int) -> Choice:
        contact = waiting.contact
        unwanted = _NOBODY
        if contact.refused_by:
            unwanted = frozenset(agent for agent in contact.refused_by if self._offered_last(agent) == contact.call)
        agents = ask.bench.choose(contact.call, unwanted=unwanted)
        return self._choice(waiting, ask=ask, agents=agents, heads=heads, unwanted=unwanted)

    def _offered_last(self, agent: AgentId) -> CallId | None:
        person = self._people.get(agent)
        return None if person is None else person.memory.call

    def _choice(
        self,
        waiting: Waiting,
        *,
        ask: Ask,
        agents: tuple[AgentId, ...],
        heads: int,
        unwanted: frozenset[AgentId] = _NOBODY,
    ) -> Choice:
        bench = ask.bench
        losers = len(bench.seats) - len(agents) if agents[0] in bench.seats else 0
        others: dict[str, int] = {}
        if len(ask.members) <= MOST_NAMED:
            passed_over = self._named(ask, agents=agents, unwanted=unwanted)
        else:
            passed_over, others = self._counted(ask, agents=agents, losers=losers, unwanted=unwanted)
        first = bench.choosing.because if losers or len(agents) > 1 else "the only one free"
        second = f"first in {ask.policy.name}"
        if heads > 1:
            times = max(0.0, self._now - waiting.key) / ask.target_s
            second = f"{ask.policy.name} furthest from its target, {times:.1f} times {ask.target_s:g} s"
        return Choice(
            contact=waiting.contact.call,
            agents=agents,
            because=f"{first}; {second}",
            passed_over=passed_over,
            others=others,
        )

    def _named(self, ask: Ask, *, agents: tuple[AgentId, ...], unwanted: frozenset[AgentId]) -> dict[str, str]:
        """Why not each of the other agents of a queue."""
        passed_over: dict[str, str] = {}
        for agent in ask.members:
            if agent not in agents:
                person = self._people[agent]
                why = person.why or person.kin.unable.get(ask)
                if why is None:
                    why = JUST_MISSED if agent in unwanted else ask.bench.lost(agent, to=agents[0])
                passed_over[agent] = why
        return passed_over

    def _counted(
        self, ask: Ask, *, agents: tuple[AgentId, ...], losers: int, unwanted: frozenset[AgentId]
    ) -> tuple[dict[str, str], dict[str, int]]:
        """The same for a large queue: some of those who could have been chosen are named, the others counted."""
        others = {why: number for why, number in self._counts[ask.policy.name].items() if number and why}
        others |= {why: number for why, number in ask.unable.items() if number}
        passed_over: dict[str, str] = {}
        if losers:
            for seat in ask.bench.line.some(NEXT_NAMED + len(agents)):
                agent = seat.agent
                if agent not in agents and len(passed_over) < NEXT_NAMED:
                    passed_over[agent] = JUST_MISSED if agent in unwanted else ask.bench.lost(agent, to=agents[0])
            if losers > len(passed_over):
                others[OTHERWISE] = losers - len(passed_over)
        return passed_over, others

    def _personal_choice(self, waiting: Waiting, *, agent: AgentId) -> Choice:
        contact = waiting.contact
        members = self._roster.of_queue(contact.queue)
        passed_over: dict[str, str] = {}
        others: dict[str, int] = {}
        if len(members) <= MOST_NAMED:
            for each in members:
                if each != agent:
                    passed_over[each] = self._people[each].why or ELSEWHERE
        else:
            others = {why or ELSEWHERE: number for why, number in self._counts[contact.queue].items() if number}
            if contact.queue in self._people[agent].kin.queues:
                others[ELSEWHERE] -= 1
                others = {why: number for why, number in others.items() if number}
        because = "asked for by name" if contact.only is not None else "served this citizen last"
        return Choice(contact=contact.call, agents=(agent,), because=because, passed_over=passed_over, others=others)
