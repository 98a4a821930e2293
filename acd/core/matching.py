"""Which waiting contact goes to which agent, and why. Tells pairs; makes no offers and moves nobody.

Comes in: contacts that wait, and word that an agent's state, rest or record changed. Goes out: a `Choice` as soon as
one is possible. Nothing is looked through: contacts that ask the same wait in one line (`Ask`), agents who can do the
same are of one `Kin`, whether a kin is able for an ask is worked out once, and only what has changed since the last
question is looked at. So a decision costs the same however many wait and however many answer.

What holds whenever `next` has given None: no agent who is free could serve a contact that waits. Never touches a
channel, a clock or a random number; must never import the desk.
"""

import math
from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from typing import NamedTuple

import msgspec
from sortedcontainers import SortedList

from acd.core.asks import Ask, Kin, Reasons
from acd.core.choosing import Standing
from acd.core.line import Entry, Line
from acd.core.policy import QueuePolicy
from agents import Agent, Member, Roster
from telefonista.kernel.events import Medium, Presence
from telefonista.kernel.ids import AgentId, CallId, OfferId, QueueName, VisitId

MOST_NAMED = 64
"""Agents who are named in the reasons of one choice; the others are counted."""
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


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody, or something, that waits in a queue."""

    call: CallId
    visit: VisitId
    queue: QueueName
    medium: Medium = Medium.CALL
    priority: int = 0
    place_at: float = 0.0
    """Since when it waits, epoch seconds."""
    order: int = 0
    """Tells apart those who came at the same time."""
    requires: str = ""
    """What is asked beyond what the queue asks, at every step."""
    language: str = ""
    only: AgentId | None = None
    """Nobody else, whatever their skills."""
    sticky: AgentId | None = None
    """Preferred until `sticky_until`, if able and at work; then anybody."""
    sticky_until: float = 0.0
    not_before: float = 0.0
    """Waits, but is offered to nobody until then (epoch seconds)."""
    refused_by: frozenset[AgentId] = _NOBODY
    """Who missed it, and is offered it at once again only where nobody else is able."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A contact, and who is to be offered it."""

    contact: CallId
    agents: tuple[AgentId, ...]
    """One; where all are rung, all of them."""
    because: str
    passed_over: dict[str, str] = {}
    """Why not each of the other agents of the queue: all where they are few, else those who were free and able."""
    others: dict[str, int] = {}
    """How many more there are for each reason."""


class _Waiting:
    """A contact in its queue, and where it is looked for at present."""

    __slots__ = ("ask", "contact", "entry", "personal", "recheck_at", "withheld")

    def __init__(self, contact: Contact, *, entry: Entry) -> None:
        self.contact = contact
        self.entry = entry
        """Its place, in its queue and in every line."""
        self.ask: Ask | None = None
        """In whose line it stands."""
        self.personal: AgentId | None = None
        """For whom alone it waits now."""
        self.withheld = False
        self.recheck_at: float | None = None


class _Hall:
    """A queue: why its agents are not free, and all who wait in it, offered or not."""

    __slots__ = ("line", "size", "unready")

    def __init__(self, *, size: int) -> None:
        self.line: SortedList = SortedList()
        self.size = size
        self.unready = Reasons(named=size <= MOST_NAMED)


class _LastOffer(NamedTuple):
    offer: OfferId
    call: CallId
    queue: QueueName
    taken: bool = False


class Matching:
    """`language` is the installation's own: what an agent speaks whose record names none."""

    def __init__(self, roster: Roster, *, language: str = "es") -> None:
        self._roster = roster
        self._language = language
        self._edition = -1
        self._policies: Mapping[QueueName, QueuePolicy] = {}
        self._waiting: dict[CallId, _Waiting] = {}
        self._halls: dict[QueueName, _Hall] = {}
        self._asks: dict[tuple[QueueName, int, str, str], Ask] = {}
        self._kins: dict[object, Kin] = {}
        self._kin_of: dict[AgentId, Kin] = {}
        self._order: dict[AgentId, int] = {}
        self._personal: dict[AgentId, Line[CallId]] = {}
        self._unready: dict[AgentId, str] = {}
        """Why each configured agent is not free; who is free is not in it."""
        self._at_work: dict[AgentId, Kin] = {}
        self._benched: set[AgentId] = set()
        self._resting: set[AgentId] = set()
        self._fresh_agents: dict[AgentId, None] = {}
        """Free agents of whom it is not known yet whether anybody waits for them."""
        self._fresh_asks: dict[Ask, None] = {}
        """Those in whose line somebody has stood since it was last known that nobody is free for them."""
        self._later: list[tuple[float, int, CallId]] = []
        self._last_offer: dict[AgentId, _LastOffer] = {}
        """What each agent was offered last. A memory, not a reservation."""
        self._turn = 0
        self._turns: dict[AgentId, dict[QueueName, int]] = {}
        self._taken: dict[AgentId, dict[QueueName, int]] = {}
        self._now = 0.0
        self._changed()

    def configure(self, policies: Mapping[QueueName, QueuePolicy]) -> None:
        """Replaces the policies; everybody keeps their place. Who answers what is asked of the roster anew."""
        self._policies = policies
        self._changed()

    def add(self, contact: Contact, now: float) -> None:
        """A contact begins to wait, or waits in another way: it is looked at as if it were new, in its own place."""
        self.remove(contact.call)
        self._now = max(self._now, now)
        self._up_to_date()
        waiting = _Waiting(contact, entry=self._entry(contact))
        self._waiting[contact.call] = waiting
        self._hall(contact.queue).line.add(waiting.entry)
        self._file(waiting)

    def remove(self, call: CallId) -> None:
        """The contact waits no longer. One that does not wait is no matter."""
        waiting = self._waiting.pop(call, None)
        if waiting is not None:
            self._unfile(waiting)
            self._halls[waiting.contact.queue].line.remove(waiting.entry)

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
        self._up_to_date()
        kin = self._kin_of.get(agent)
        if kin is None:
            return
        state = self._roster[agent]
        self._remember(state)
        self._note_at_work(agent, kin=kin, at_work=state.presence in _AT_WORK)
        before, after = self._unready.get(agent, ""), self._why_unready(state)
        if before == after:
            return
        if not before:
            self._fresh_agents.pop(agent, None)
            self._unbench(agent, kin=kin)
        self._note_unready(agent, kin=kin, before=before, after=after)
        if not after:
            self._fresh_agents[agent] = None

    def rest(self, agent: AgentId, *, resting: bool) -> None:
        """Leave an agent in peace for a while, or not any more."""
        if resting:
            self._resting.add(agent)
        else:
            self._resting.discard(agent)
        self.agent_changed(agent)

    def next(self, now: float) -> Choice | None:
        """The next offer to be made, if there is one. Changes nothing that counts: until the offer has been made (the
        contact withheld, the agent reserved) it is the answer again. `now` is in epoch seconds."""
        self._now = max(self._now, now)
        self._up_to_date()
        while self._later and self._later[0][0] <= self._now:
            _, _, call = heappop(self._later)
            waiting = self._waiting.get(call)
            if waiting is not None and waiting.recheck_at is not None and waiting.recheck_at <= self._now:
                self._refile(waiting)
        return self._for_agents() or self._for_asks()

    def recheck_at(self, call: CallId) -> float | None:
        """When time alone will widen who may answer (epoch seconds): ask for the next offer then. None: never."""
        return self._waiting[call].recheck_at

    def waiting(self, queue: QueueName) -> list[CallId]:
        """All who wait in a queue, the withheld too, in their order."""
        hall = self._halls.get(queue)
        return [] if hall is None else [entry[-1] for entry in hall.line]

    def position(self, call: CallId) -> int:
        """1 for who is next. Raises KeyError for a contact that does not wait."""
        waiting = self._waiting[call]
        place: int = self._halls[waiting.contact.queue].line.index(waiting.entry)
        return place + 1

    def _policy(self, queue: QueueName) -> QueuePolicy:
        return self._policies.get(queue) or QueuePolicy(name=queue)

    def _hall(self, queue: QueueName) -> _Hall:
        hall = self._halls.get(queue)
        if hall is None:
            hall = self._halls[queue] = _Hall(size=len(self._roster.of_queue(queue)))
        return hall

    def _file(self, waiting: _Waiting) -> None:
        """Put a contact where it will be found: nowhere yet, with one agent, or in the line of what it asks now."""
        contact, now = waiting.contact, self._now
        waiting.recheck_at = None
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
                break
            step += 1
        ask = self._ask(contact, policy=policy, step=step)
        if contact.sticky is not None and now < contact.sticky_until and self._awaited(contact.sticky, ask=ask):
            self._file_personally(waiting, agent=contact.sticky)
            self._recheck(waiting, at=contact.sticky_until)
            return
        waiting.ask = ask
        ask.line.add(contact.call, entry=waiting.entry)
        if ask.bench.line.entries:
            self._fresh_asks[ask] = None
        if step < len(policy.relax):
            self._recheck(waiting, at=contact.place_at + policy.relax[step].after_s)

    def _file_personally(self, waiting: _Waiting, *, agent: AgentId) -> None:
        waiting.personal = agent
        line = self._personal.get(agent)
        if line is None:
            line = self._personal[agent] = Line()
        line.add(waiting.contact.call, entry=waiting.entry)
        if agent in self._kin_of and agent not in self._unready:
            self._fresh_agents[agent] = None

    def _unfile(self, waiting: _Waiting) -> None:
        call = waiting.contact.call
        waiting.recheck_at = None
        if waiting.ask is not None:
            waiting.ask.line.discard(call)
            waiting.ask = None
        if waiting.personal is not None:
            line = self._personal[waiting.personal]
            line.discard(call)
            if not line:
                del self._personal[waiting.personal]
            waiting.personal = None

    def _refile(self, waiting: _Waiting) -> None:
        self._unfile(waiting)
        self._file(waiting)

    def _recheck(self, waiting: _Waiting, *, at: float) -> None:
        waiting.recheck_at = at
        heappush(self._later, (at, waiting.contact.order, waiting.contact.call))

    def _awaited(self, agent: AgentId, *, ask: Ask) -> bool:
        """Whether it makes sense to wait for this agent: able, and free now or soon."""
        kin = self._at_work.get(agent)
        return kin is not None and ask in kin.able

    def _ask(self, contact: Contact, *, policy: QueuePolicy, step: int) -> Ask:
        name = (contact.queue, step, contact.requires, contact.language)
        ask = self._asks.get(name)
        if ask is None:
            if len(self._asks) >= MOST_ASKS:
                self._forget_asks()
            ask = self._asks[name] = Ask(
                policy=policy,
                step=step,
                own=contact.requires,
                language=contact.language,
                named=self._hall(contact.queue).unready.named,
            )
            for kin in self._kins.values():
                if contact.queue in kin.queues:
                    kin.learn(ask, language=self._language)
            for agent in self._roster.of_queue(contact.queue):
                if agent in self._benched:
                    self._seat(agent, kin=self._kin_of[agent], asks=(ask,))
        return ask

    def _forget_asks(self) -> None:
        self._asks = {name: ask for name, ask in self._asks.items() if ask.line}
        kept = set(self._asks.values())
        for kin in self._kins.values():
            kin.able = [ask for ask in kin.able if ask in kept]
            kin.unable = {ask: why for ask, why in kin.unable.items() if ask in kept}
        self._fresh_asks = {ask: None for ask in self._fresh_asks if ask in kept}

    def _changed(self) -> None:
        self._edition = -1
        self._up_to_date()

    def _up_to_date(self) -> None:
        """Everything that follows from records and policies, worked out anew if they have changed."""
        if self._edition == self._roster.edition:
            return
        self._edition = self._roster.edition
        members = self._roster.members
        self._order = {agent: order for order, agent in enumerate(members)}
        self._kins, self._asks = {}, {}
        self._kin_of = {agent: self._kin(member) for agent, member in members.items()}
        holders: dict[str, int] = {}
        for kin in self._kin_of.values():
            for skill in kin.skills:
                holders[skill] = holders.get(skill, 0) + 1
        for kin in self._kins.values():
            kin.rarity = round(sum(1 / holders[skill] for skill in kin.skills), 6)
        self._unready, self._at_work = {}, {}
        self._benched.clear()
        self._fresh_agents, self._fresh_asks = {}, {}
        self._halls, self._personal, self._later = {}, {}, []
        for queue in {queue for member in members.values() for queue in member.queues}:
            self._hall(queue)
        for agent, kin in self._kin_of.items():
            state = self._roster[agent]
            self._note_at_work(agent, kin=kin, at_work=state.presence in _AT_WORK)
            why = self._why_unready(state)
            self._note_unready(agent, kin=kin, before="", after=why)
            if not why:
                self._fresh_agents[agent] = None
        for waiting in self._waiting.values():
            waiting.ask = waiting.personal = None
            waiting.entry = self._entry(waiting.contact)
            self._hall(waiting.contact.queue).line.add(waiting.entry)
            self._file(waiting)

    def _kin(self, member: Member) -> Kin:
        name = (
            frozenset(member.queues),
            frozenset((skill, level) for skill, level in member.skills.items() if level > 0),
            frozenset(member.languages),
            frozenset(member.levels.items()),
        )
        kin = self._kins.get(name)
        if kin is None:
            kin = self._kins[name] = Kin(member)
        return kin

    def _entry(self, contact: Contact) -> Entry:
        """Its place in a line: one of priority is worth `ageing_s` of waiting, so that it never has to be worked out
        again."""
        ageing_s = self._policy(contact.queue).ageing_s
        return (contact.place_at - contact.priority * ageing_s, contact.order, contact.call)

    def _why_unready(self, state: Agent) -> str:
        if state.presence is Presence.READY:
            return RESTING if state.agent in self._resting else ""
        return _WORDS[state.presence]

    def _note_at_work(self, agent: AgentId, *, kin: Kin, at_work: bool) -> None:
        if at_work == (agent in self._at_work):
            return
        if at_work:
            self._at_work[agent] = kin
            kin.working += 1
            return
        del self._at_work[agent]
        kin.working -= 1
        for call in list(self._personal.get(agent, ())):
            if self._waiting[call].contact.only is None:
                self._refile(self._waiting[call])

    def _note_unready(self, agent: AgentId, *, kin: Kin, before: str, after: str) -> None:
        for queue in kin.queues:
            unready = self._halls[queue].unready
            if before:
                unready.remove(agent, why=before)
            if after:
                unready.add(agent, why=after)
        if after:
            self._unready[agent] = after
        else:
            self._unready.pop(agent, None)

    def _remember(self, state: Agent) -> None:
        """Whose turn it was, and who took how many: read from what agents do with the contacts that wait here."""
        if state.call is None:
            return
        agent, last = state.agent, self._last_offer.get(state.agent)
        if state.offer is not None:
            waiting = self._waiting.get(state.call)
            if waiting is not None and (last is None or last.offer != state.offer):
                queue = waiting.contact.queue
                self._turn += 1
                self._turns.setdefault(agent, {})[queue] = self._turn
                self._last_offer[agent] = _LastOffer(state.offer, state.call, queue)
        elif state.presence is Presence.TALKING and last is not None and last.call == state.call and not last.taken:
            self._last_offer[agent] = last._replace(taken=True)
            taken = self._taken.setdefault(agent, {})
            taken[last.queue] = taken.get(last.queue, 0) + 1

    def _bench(self, agent: AgentId) -> None:
        if agent not in self._benched:
            self._benched.add(agent)
            kin = self._kin_of[agent]
            self._seat(agent, kin=kin, asks=(*kin.able, *kin.unable))

    def _seat(self, agent: AgentId, *, kin: Kin, asks: Iterable[Ask]) -> None:
        standing = Standing(
            order=self._order[agent],
            idle_since=self._roster[agent].idle_since,
            turns=self._turns.get(agent, {}),
            taken=self._taken.get(agent, {}),
            other_queues=len(kin.queues) - 1,
            rarity=kin.rarity,
        )
        for ask in asks:
            why = kin.unable.get(ask)
            if why is None:
                ask.bench.add(agent, level=kin.levels.get(ask.policy.name, 1), standing=standing)
            else:
                ask.unable.add(agent, why=why)

    def _unbench(self, agent: AgentId, *, kin: Kin) -> None:
        if agent not in self._benched:
            return
        self._benched.discard(agent)
        for ask in kin.able:
            ask.bench.discard(agent)
        for ask, why in kin.unable.items():
            ask.unable.remove(agent, why=why)

    def _for_agents(self) -> Choice | None:
        """The most urgent contact that an agent can serve of whom nothing is known yet."""
        while self._fresh_agents:
            agent = next(iter(self._fresh_agents))
            found = self._most_urgent(agent)
            if found is None:
                del self._fresh_agents[agent]
                self._bench(agent)
                continue
            waiting, heads = found
            ask = waiting.ask
            if ask is None:
                return self._personal_choice(waiting, agent=agent)
            if len(self._fresh_agents) == 1 and not ask.bench:
                return self._choice(waiting, ask=ask, agents=(agent,), heads=heads)
            for each in self._fresh_agents:
                self._bench(each)
            return self._benched_choice(waiting, ask=ask, heads=heads)
        return None

    def _for_asks(self) -> Choice | None:
        """The most urgent contact of those that came, or ask for less than they did, while agents were free."""
        best = math.inf
        first: Entry | None = None
        heads = 0
        for ask in tuple(self._fresh_asks):
            entry = ask.line.first()
            if entry is None or not ask.bench:
                del self._fresh_asks[ask]
                continue
            heads += 1
            urgency = (entry[0] - self._now) / ask.target_s
            if first is None or urgency < best or (urgency == best and entry < first):
                best, first = urgency, entry
        if first is None:
            return None
        waiting = self._waiting[first[-1]]
        assert waiting.ask is not None
        return self._benched_choice(waiting, ask=waiting.ask, heads=heads)

    def _most_urgent(self, agent: AgentId) -> tuple[_Waiting, int] | None:
        """Of the contacts that this agent can serve; and how many lines had one. Urgent is who has waited for the
        most times the queue's own target, what priority is worth included. Not the one that was just missed, where
        there is another and somebody else will be able to serve the missed one."""
        now = self._now
        missed = self._missed_by(agent)
        best = math.inf
        first: Entry | None = None
        heads = 0
        for ask in self._kin_of[agent].able:
            if not ask.line.entries:
                continue
            heads += 1
            entry = ask.line.first() if missed is None else ask.line.first_but(missed)
            if entry is not None:
                urgency = (entry[0] - now) / ask.target_s
                if first is None or urgency < best or (urgency == best and entry < first):
                    best, first = urgency, entry
        personal = self._personal.get(agent)
        if personal is not None:
            heads += 1
            entry = personal.first()
            assert entry is not None
            urgency = (entry[0] - now) / self._policy(self._waiting[entry[-1]].contact.queue).service_level_s
            if first is None or urgency < best or (urgency == best and entry < first):
                first = entry
        if first is not None:
            return self._waiting[first[-1]], heads
        return (self._waiting[next(iter(missed))], heads) if missed is not None else None

    def _missed_by(self, agent: AgentId) -> frozenset[CallId] | None:
        """The contact that this agent can serve, was offered last, did not take, and leaves to others where there are
        any."""
        last = self._last_offer.get(agent)
        waiting = self._waiting.get(last.call) if last is not None else None
        if waiting is None or waiting.ask is None or agent not in waiting.contact.refused_by:
            return None
        own = self._kin_of[agent]
        if own not in waiting.ask.kins or sum(kin.working for kin in waiting.ask.kins) < 2:
            return None
        return frozenset((waiting.contact.call,))

    def _benched_choice(self, waiting: _Waiting, *, ask: Ask, heads: int) -> Choice:
        contact = waiting.contact
        unwanted = _NOBODY
        if contact.refused_by:
            unwanted = frozenset(agent for agent in contact.refused_by if self._offered_last(agent) == contact.call)
        agents = ask.bench.choose(contact.call, unwanted=unwanted)
        return self._choice(waiting, ask=ask, agents=agents, heads=heads, unwanted=unwanted)

    def _offered_last(self, agent: AgentId) -> CallId | None:
        last = self._last_offer.get(agent)
        return None if last is None else last.call

    def _choice(
        self,
        waiting: _Waiting,
        *,
        ask: Ask,
        agents: tuple[AgentId, ...],
        heads: int,
        unwanted: frozenset[AgentId] = _NOBODY,
    ) -> Choice:
        bench = ask.bench
        unready = self._halls[ask.policy.name].unready
        passed_over = {**unready.names, **ask.unable.names}
        others = dict(unready.counts)
        for why, count in ask.unable.counts.items():
            others[why] = others.get(why, 0) + count
        losers = len(bench) - len(agents) if agents[0] in bench else 0
        if losers:
            passed_over |= bench.losers(agents, most=MOST_NAMED, mixed=len(ask.levels) > 1)
            for agent in unwanted:
                if agent in passed_over and agent in bench:
                    passed_over[agent] = JUST_MISSED
            if losers > MOST_NAMED:
                others[OTHERWISE] = losers - MOST_NAMED
        first = bench.choosing.because if losers or len(agents) > 1 else "the only one free"
        if heads > 1:
            times = max(0.0, self._now - waiting.entry[0]) / ask.target_s
            second = f"{ask.policy.name} furthest from its target, {times:.1f} times {ask.target_s:g} s"
        else:
            second = f"first in {ask.policy.name}"
        return Choice(
            contact=waiting.contact.call,
            agents=agents,
            because=f"{first}; {second}",
            passed_over=passed_over,
            others=others,
        )

    def _personal_choice(self, waiting: _Waiting, *, agent: AgentId) -> Choice:
        contact = waiting.contact
        hall = self._hall(contact.queue)
        passed_over = dict(hall.unready.names)
        others = dict(hall.unready.counts)
        members = self._roster.of_queue(contact.queue)
        if hall.unready.named:
            for each in members:
                if each != agent and each not in passed_over:
                    passed_over[each] = ELSEWHERE
        else:
            free_too = hall.size - sum(others.values()) - (contact.queue in self._kin_of[agent].queues)
            if free_too:
                others[ELSEWHERE] = free_too
        because = "asked for by name" if contact.only is not None else "served this citizen last"
        return Choice(contact=contact.call, agents=(agent,), because=because, passed_over=passed_over, others=others)
