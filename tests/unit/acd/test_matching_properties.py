"""What holds of the matching whatever happens in whatever order: nobody twice, nobody forgotten, nobody passed over."""

from collections import Counter

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from acd.core.matching import Choice, Contact, Matching
from acd.core.policy import QueuePolicy, Relaxation, Strategy
from acd.core.skills import asked, read_requirement, speaks
from agents import Agent, Member, Roster
from telefonista.kernel.events import Phone, Presence
from telefonista.kernel.ids import AgentId, CallId, OfferId, QueueName, VisitId

QUEUES = tuple(QueueName(name) for name in ("general", "tramites", "salud"))
AGENTS = tuple(AgentId(f"{101 + n}") for n in range(6))
AWAY = (Presence.OFFLINE, Presence.PAUSED, Presence.UNREACHABLE, Presence.BUSY)
RELAX = (Relaxation(after_s=30, requires="impuestos >= 1"), Relaxation(after_s=60, requires="", level=2))
ABLE = Member(agent=AgentId("199"), name="", queues=QUEUES, skills={"impuestos": 10}, languages=("es", "gn"))
"""Comes when everybody is to be served, so that somebody can."""


def policy(name: QueueName, strategy: Strategy, requires: str, target_s: float) -> QueuePolicy:
    return QueuePolicy(name=name, strategy=strategy, requires=requires, relax=RELAX, service_level_s=target_s)


members = st.tuples(
    *(
        st.builds(
            Member,
            agent=st.just(agent),
            name=st.just(""),
            queues=st.lists(st.sampled_from(QUEUES), min_size=1, max_size=3, unique=True).map(tuple),
            skills=st.dictionaries(st.just("impuestos"), st.integers(0, 10)),
            languages=st.sampled_from(((), ("es", "gn"))),
            levels=st.dictionaries(st.sampled_from(QUEUES), st.integers(1, 2)),
        )
        for agent in AGENTS
    )
)
policies = st.tuples(
    *(
        st.builds(
            policy,
            st.just(queue),
            st.sampled_from(Strategy),
            st.sampled_from(("", "impuestos >= 5")),
            st.sampled_from((10.0, 60.0)),
        )
        for queue in QUEUES
    )
)


class Hall(RuleBasedStateMachine):
    """Does with the matching what the desk and the agents' room do, and keeps its own books."""

    contacts = Bundle("contacts")

    @initialize(people=members, rules=policies)
    def opens(self, people: tuple[Member, ...], rules: tuple[QueuePolicy, ...]) -> None:
        self.now = 1000.0
        self.roster = Roster(people)
        self.matching = Matching(self.roster)
        self.policies = {each.name: each for each in rules}
        self.matching.configure(self.policies)
        self.there: dict[CallId, Contact] = {}
        self.offered: dict[CallId, set[AgentId]] = {}
        self.holds: dict[AgentId, CallId] = {}
        self.resting: set[AgentId] = set()
        self.numbers = 0
        for agent in AGENTS[::2]:
            self.becomes(agent, Presence.READY)

    def becomes(self, agent: AgentId, presence: Presence, *, call: CallId | None = None, offer: str = "") -> None:
        self.now += 1
        state = Agent(
            agent=agent,
            presence=presence,
            phone=Phone.IDLE,
            call=call,
            offer=OfferId(offer) if offer else None,
            idle_since=self.now,
        )
        self.roster.put(state)
        self.matching.agent_changed(agent)

    @rule(
        target=contacts,
        queue=st.sampled_from(QUEUES),
        priority=st.integers(0, 2),
        language=st.sampled_from(("", "", "", "gn")),
        sticky=st.sampled_from((*(12 * (None,)), *AGENTS)),
        only=st.sampled_from((*(18 * (None,)), *AGENTS)),
        waited_s=st.sampled_from((0.0, 45.0)),
        put_off_s=st.sampled_from((*(6 * (0.0,)), 20.0)),
    )
    def arrives(
        self,
        queue: QueueName,
        priority: int,
        language: str,
        sticky: AgentId | None,
        only: AgentId | None,
        waited_s: float,
        put_off_s: float,
    ) -> CallId:
        self.now += 1
        self.numbers += 1
        call = CallId(f"tf1-1.{self.numbers}")
        contact = Contact(
            call=call,
            visit=VisitId(f"{call}.v1"),
            queue=queue,
            priority=priority,
            language=language,
            place_at=self.now - waited_s,
            order=self.numbers,
            sticky=sticky,
            sticky_until=self.now + 15,
            only=only,
            not_before=self.now + put_off_s,
        )
        self.there[call] = contact
        self.offered[call] = set()
        self.matching.add(contact, self.now)
        return call

    @rule(agent=st.sampled_from(AGENTS), presence=st.sampled_from((*(8 * (Presence.READY,)), *AWAY)))
    def comes_or_goes(self, agent: AgentId, presence: Presence) -> None:
        if agent not in self.holds:
            self.becomes(agent, presence)

    @rule(agent=st.sampled_from(AGENTS), resting=st.booleans())
    def rests(self, agent: AgentId, resting: bool) -> None:
        (self.resting.add if resting else self.resting.discard)(agent)
        self.matching.rest(agent, resting=resting)

    @rule(call=consumes(contacts), answered=st.booleans())
    def leaves(self, call: CallId, answered: bool) -> None:
        """Answered by one of those who are rung, if anybody is; else given up."""
        rung = sorted(self.offered.pop(call))
        for n, agent in enumerate(rung):
            if answered and n == 0:
                self.becomes(agent, Presence.TALKING, call=call)
            else:
                del self.holds[agent]
                self.becomes(agent, Presence.READY)
        del self.there[call]
        self.matching.remove(call)

    @rule(call=contacts)
    def is_missed(self, call: CallId) -> None:
        for agent in sorted(self.offered.get(call, ()))[:1]:
            self.offered[call].discard(agent)
            del self.holds[agent]
            self.becomes(agent, Presence.READY)
            refused = self.there[call].refused_by | {agent}
            self.there[call] = msgspec.structs.replace(self.there[call], refused_by=refused, only=None)
            if not self.offered[call]:
                self.matching.add(self.there[call], self.now)

    @rule(agent=st.sampled_from(AGENTS))
    def hangs_up(self, agent: AgentId) -> None:
        if agent in self.holds and self.holds[agent] not in self.there:
            del self.holds[agent]
            self.becomes(agent, Presence.READY)

    @rule(seconds=st.sampled_from((5.0, 30.0, 61.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def configuration_is_read_again(self) -> None:
        self.roster.configure(list(self.roster.members.values()))

    @invariant()
    def nobody_is_reserved_twice_and_nobody_who_could_be_served_waits(self) -> None:
        while (choice := self.matching.next(self.now)) is not None:
            self.carry_out(choice)
        free = [member for member in self.roster.members.values() if self.is_free(member.agent)]
        for contact in self.there.values():
            if not self.offered[contact.call]:
                assert not [member.agent for member in free if self.may_serve(member, contact)], contact
        for queue in QUEUES:
            expected = sorted((one for one in self.there.values() if one.queue == queue), key=self.place)
            assert self.matching.waiting(queue) == [contact.call for contact in expected]

    def carry_out(self, choice: Choice) -> None:
        contact = self.there[choice.contact]
        assert not self.offered[contact.call]
        assert len(set(choice.agents)) == len(choice.agents) >= 1
        assert all(self.is_free(agent) for agent in choice.agents)
        queue = [member.agent for member in self.roster.members.values() if contact.queue in member.queues]
        assert sorted(choice.passed_over) == sorted(set(queue) - set(choice.agents))
        if contact.only is None and len(choice.agents) == 1 and not contact.refused_by:
            self.nobody_was_more_urgent(contact, choice.agents[0])
        self.matching.withhold(contact.call)
        for agent in choice.agents:
            assert agent not in self.holds
            self.holds[agent] = contact.call
            self.offered[contact.call].add(agent)
            self.becomes(agent, Presence.RESERVED, call=contact.call, offer=f"{self.now}")

    def nobody_was_more_urgent(self, contact: Contact, agent: AgentId) -> None:
        member = self.roster.members[agent]
        for other in self.there.values():
            simple = other.only is None and not other.refused_by and other.sticky_until <= self.now
            if simple and not self.offered[other.call] and self.may_serve(member, other):
                assert self.urgency(contact) >= self.urgency(other) - 1e-6

    def urgency(self, contact: Contact) -> float:
        return (self.now - self.place(contact)[0]) / self.policies[contact.queue].service_level_s

    def place(self, contact: Contact) -> tuple[float, int]:
        return (contact.place_at - contact.priority * self.policies[contact.queue].ageing_s, contact.order)

    def is_free(self, agent: AgentId) -> bool:
        return self.roster.is_ready(agent) and agent not in self.resting

    def may_serve(self, member: Member, contact: Contact) -> bool:
        """As the rules say it, one contact and one agent at a time; for somebody else's agent, nobody."""
        if contact.not_before > self.now or (contact.sticky is not None and contact.sticky_until > self.now):
            return False
        if contact.only is not None:
            return contact.only == member.agent
        step = sum(contact.place_at + relaxation.after_s <= self.now for relaxation in RELAX)
        requires, level = asked(self.policies[contact.queue], step=step)
        return (
            contact.queue in member.queues
            and member.levels.get(contact.queue, 1) <= level
            and speaks(member.languages, language=contact.language, own="es")
            and read_requirement(requires).met(member.skills)
        )

    def teardown(self) -> None:
        """Everybody leaves, once there is somebody who can serve them and nobody in particular is asked for."""
        if not hasattr(self, "roster"):
            return
        self.roster.configure([*self.roster.members.values(), ABLE])
        for call, contact in list(self.there.items()):
            self.there[call] = msgspec.structs.replace(contact, only=None)
            if not self.offered[call]:
                self.matching.add(self.there[call], self.now)
        self.now += 100
        self.becomes(ABLE.agent, Presence.READY)
        for _ in range(len(self.there)):
            self.nobody_is_reserved_twice_and_nobody_who_could_be_served_waits()
            call = next(call for call, agents in self.offered.items() if agents)
            agents = self.offered[call]
            self.leaves(call, answered=False)
            assert agents
        assert self.there == {}


TestHall = Hall.TestCase
TestHall.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)


@given(
    priority=st.integers(0, 5),
    ageing_s=st.sampled_from((10.0, 60.0)),
    own_target_s=st.sampled_from((10.0, 60.0)),
    others_target_s=st.sampled_from((10.0, 60.0)),
    backlog=st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_nobody_starves_however_urgent_those_are_who_keep_coming(
    priority: int, ageing_s: float, own_target_s: float, others_target_s: float, backlog: int
) -> None:
    """One agent, who takes 10 s for each; as many come as are served, all of them more urgent to begin with."""
    agent, patient = AGENTS[0], CallId("paciente")
    roster = Roster([Member(agent=agent, name="", queues=QUEUES[:2])])
    matching = Matching(roster)
    targets = {QUEUES[0]: own_target_s, QUEUES[1]: others_target_s}
    matching.configure({q: QueuePolicy(name=q, service_level_s=s, ageing_s=ageing_s) for q, s in targets.items()})
    now = 1000.0
    matching.add(Contact(call=patient, visit=VisitId("v"), queue=QUEUES[0], place_at=now), now)
    served = 0
    bound = own_target_s * (priority * ageing_s + 10 * (backlog + 2)) / others_target_s / 10 + backlog + 2
    while True:
        for _ in range(1 if served else backlog + 1):
            name = f"otro-{served}-{_}"
            urgent = Contact(
                call=CallId(name), visit=VisitId(name), queue=QUEUES[1], priority=priority, place_at=now, order=served
            )
            matching.add(urgent, now)
        roster.put(Agent(agent=agent, presence=Presence.READY, idle_since=now))
        matching.agent_changed(agent)
        choice = matching.next(now)
        assert choice is not None
        if choice.contact == patient:
            break
        matching.remove(choice.contact)
        served += 1
        assert served <= bound
        roster.put(Agent(agent=agent, presence=Presence.TALKING))
        matching.agent_changed(agent)
        now += 10


def test_queues_share_agents_so_that_each_misses_its_own_target_as_much_as_the_others() -> None:
    """Twice as many citizens as can be served: the waits grow in proportion to the targets."""
    agent = AGENTS[0]
    roster = Roster([Member(agent=agent, name="", queues=QUEUES)])
    matching = Matching(roster)
    targets = dict(zip(QUEUES, (20.0, 40.0, 80.0), strict=True))
    matching.configure({queue: QueuePolicy(name=queue, service_level_s=target) for queue, target in targets.items()})
    waited: dict[QueueName, float] = {}
    served: Counter[QueueName] = Counter()
    arrived: dict[CallId, tuple[QueueName, float]] = {}
    for n in range(3000):
        now = 1000.0 + n
        queue = QUEUES[n % 3]
        call = CallId(f"tf1-1.{n}")
        arrived[call] = (queue, now)
        matching.add(Contact(call=call, visit=VisitId(call), queue=queue, place_at=now, order=n), now)
        if n % 2:
            roster.put(Agent(agent=agent, presence=Presence.READY, idle_since=now))
            matching.agent_changed(agent)
            choice = matching.next(now)
            assert choice is not None
            its_queue, since = arrived[choice.contact]
            served[its_queue] += 1
            waited[its_queue] = (now - since) / targets[its_queue]
            matching.remove(choice.contact)
            roster.put(Agent(agent=agent, presence=Presence.TALKING))
            matching.agent_changed(agent)
    assert min(served.values()) > 100
    assert max(waited.values()) / min(waited.values()) < 1.1
