"""Who is offered whom: the matching by itself, with a roster that is moved by hand."""

from collections.abc import Mapping

import msgspec
import pytest

from acd.core import matching
from acd.core.matching import NEXT_NAMED, Choice, Contact, Matching
from acd.core.policy import QueuePolicy, Relaxation, Strategy
from agents import Agent, Member, Roster
from telefonista.kernel.events import Phone, Presence
from telefonista.kernel.ids import AgentId, CallId, OfferId, QueueName, VisitId, offer_id

TRAMITES, GENERAL, SALUD = QueueName("tramites"), QueueName("general"), QueueName("salud")
ANA, BEA, CLO, DAN = AgentId("101"), AgentId("102"), AgentId("103"), AgentId("104")


class Floor:
    """Agents and waiting contacts, and a clock that moves when told. Does what the desk and the agents' room do."""

    def __init__(self, members: list[Member], *policies: QueuePolicy) -> None:
        self.now = 1000.0
        self.roster = Roster(members)
        self.matching = Matching(self.roster)
        self.matching.configure({policy.name: policy for policy in policies})
        self.contacts: dict[CallId, Contact] = {}
        self.offers = 0
        self.order = 0

    def becomes(self, agent: AgentId, presence: Presence, *, call: CallId | None = None, offer: str = "") -> None:
        self.now += 1
        before = self.roster[agent]
        idle_since = self.now if presence is Presence.READY else before.idle_since
        self.roster.put(
            Agent(
                agent=agent,
                presence=presence,
                phone=Phone.IDLE,
                call=call,
                offer=OfferId(offer) if offer else None,
                idle_since=idle_since,
            )
        )
        self.matching.agent_changed(agent)

    def free(self, *agents: AgentId) -> None:
        for agent in agents:
            self.becomes(agent, Presence.READY)

    def waits(self, name: str, *, queue: QueueName = TRAMITES, **more: object) -> CallId:
        self.now += 1
        self.order += 1
        call = CallId(name)
        given: Mapping[str, object] = {"place_at": self.now, **more}
        contact = msgspec.structs.replace(
            Contact(call=call, visit=VisitId(f"{name}.v1"), queue=queue, order=self.order), **given
        )
        self.contacts[call] = contact
        self.matching.add(contact, self.now)
        return call

    def next(self, *, after_s: float = 0.0) -> Choice | None:
        self.now += after_s
        return self.matching.next(self.now)

    def offer(self, *, after_s: float = 0.0) -> tuple[str, ...] | None:
        """The next choice, carried out: the contact and whoever is offered it."""
        choice = self.next(after_s=after_s)
        if choice is None:
            return None
        self.matching.withhold(choice.contact)
        for agent in choice.agents:
            self.offers += 1
            self.becomes(agent, Presence.RESERVED, call=choice.contact, offer=offer_id(choice.contact, n=self.offers))
        return (choice.contact, *choice.agents)

    def answers(self, agent: AgentId) -> None:
        call = self.roster[agent].call
        assert call is not None
        self.becomes(agent, Presence.TALKING, call=call)
        self.matching.remove(call)

    def misses(self, agent: AgentId, *, rests: bool = False) -> None:
        call = self.roster[agent].call
        assert call is not None
        self.matching.remove(call)
        contact = msgspec.structs.replace(self.contacts[call], refused_by=self.contacts[call].refused_by | {agent})
        self.contacts[call] = contact
        if rests:
            self.matching.rest(agent, resting=True)
        self.free(agent)
        self.matching.add(contact, self.now)


def member(agent: AgentId, *queues: QueueName, **more: object) -> Member:
    return msgspec.structs.replace(Member(agent=agent, name="", queues=queues or (TRAMITES,)), **more)


def test_contact_goes_to_the_agent_who_has_been_idle_for_longest() -> None:
    floor = Floor([member(ANA), member(BEA)])
    floor.free(BEA, ANA)
    floor.waits("uno")
    choice = floor.next()
    assert choice is not None
    assert (choice.agents, choice.passed_over, choice.others) == ((BEA,), {ANA: "idle for less time"}, {})
    assert choice.because == "idle for longest; first in tramites"
    assert floor.offer() == ("uno", BEA)
    assert floor.offer() is None


def test_agent_who_becomes_free_gets_who_has_waited_for_longest() -> None:
    floor = Floor([member(ANA), member(BEA)])
    for name in ("uno", "dos", "tres"):
        floor.waits(name)
    assert floor.next() is None
    floor.free(ANA)
    choice = floor.next()
    assert choice is not None
    assert (choice.contact, choice.agents, choice.passed_over) == ("uno", (ANA,), {BEA: "not logged in"})
    assert floor.offer() == ("uno", ANA)
    assert floor.matching.waiting(TRAMITES) == ["uno", "dos", "tres"]
    floor.answers(ANA)
    assert floor.matching.waiting(TRAMITES) == ["dos", "tres"]
    assert (floor.matching.position(CallId("tres")), floor.matching.recheck_at(CallId("tres"))) == (2, None)


def test_choice_stays_the_same_until_it_is_carried_out() -> None:
    floor = Floor([member(ANA)])
    floor.waits("uno")
    floor.free(ANA)
    first = floor.next()
    assert first is not None
    assert floor.next() == first


def test_agent_who_rests_is_offered_nothing_until_the_rest_is_over() -> None:
    floor = Floor([member(ANA), member(BEA)])
    floor.free(ANA)
    floor.waits("uno")
    assert floor.offer() == ("uno", ANA)
    floor.misses(ANA, rests=True)
    assert floor.next() is None
    floor.matching.rest(ANA, resting=False)
    assert floor.offer() == ("uno", ANA)


def test_contact_is_offered_again_to_who_missed_it_only_where_nobody_else_is_free() -> None:
    floor = Floor([member(ANA), member(BEA)])
    floor.free(ANA, BEA)
    floor.waits("uno")
    assert floor.offer() == ("uno", ANA)
    floor.becomes(BEA, Presence.TALKING)
    floor.misses(ANA)
    assert floor.offer() == ("uno", ANA)
    floor.becomes(BEA, Presence.READY)
    floor.misses(ANA)
    assert floor.offer() == ("uno", BEA)


@pytest.mark.parametrize("strategy", list(Strategy))
def test_every_strategy_offers_a_contact_to_the_only_agent_who_is_free(strategy: Strategy) -> None:
    floor = Floor([member(ANA), member(BEA)], QueuePolicy(name=TRAMITES, strategy=strategy))
    floor.waits("uno")
    floor.free(BEA)
    assert floor.offer() == ("uno", BEA)


def test_contact_that_asks_less_after_a_while_goes_to_others_then() -> None:
    policy = QueuePolicy(
        name=TRAMITES, requires="impuestos >= 5", relax=(Relaxation(after_s=30.0, requires="impuestos >= 2"),)
    )
    floor = Floor([member(ANA, skills={"impuestos": 3})], policy)
    floor.free(ANA)
    call = floor.waits("uno")
    assert floor.next() is None
    assert floor.matching.recheck_at(call) == floor.now + 30
    assert floor.offer(after_s=29.0) is None
    assert floor.offer(after_s=1.0) == ("uno", ANA)


def test_agent_who_does_not_speak_the_citizen_s_language_is_passed_over() -> None:
    floor = Floor([member(ANA), member(BEA, languages=("es", "gn"))])
    floor.free(ANA, BEA)
    floor.waits("uno", language="gn")
    choice = floor.next()
    assert choice is not None
    assert (choice.agents, choice.passed_over) == ((BEA,), {ANA: "does not speak gn"})


def test_what_a_flow_asks_is_asked_beyond_what_the_queue_asks_and_at_every_step() -> None:
    policy = QueuePolicy(
        name=TRAMITES, requires="impuestos >= 5", relax=(Relaxation(after_s=30, requires="impuestos >= 1"),)
    )
    floor = Floor([member(ANA, skills={"impuestos": 9}), member(BEA, skills={"impuestos": 2, "salud": 1})], policy)
    floor.free(ANA, BEA)
    floor.waits("uno", requires="salud >= 1")
    assert floor.next() is None
    choice = floor.next(after_s=30.0)
    assert choice is not None
    assert (choice.agents, choice.passed_over) == ((BEA,), {ANA: "salud 0 < 1"})


def test_second_level_answers_after_a_while_and_after_the_first() -> None:
    policy = QueuePolicy(name=TRAMITES, relax=(Relaxation(after_s=60, level=2), Relaxation(after_s=90, level=3)))
    members = [member(ANA), member(BEA, levels={TRAMITES: 2}), member(CLO, levels={TRAMITES: 3})]
    members.append(member(DAN, levels={TRAMITES: 4}))
    floor = Floor(members, policy)
    floor.free(BEA, CLO, DAN)
    floor.waits("uno")
    assert floor.next(after_s=59.0) is None
    choice = floor.next(after_s=1.0)
    assert choice is not None
    assert (choice.agents, choice.because) == ((BEA,), "the only one free; first in tramites")
    assert choice.passed_over == {
        ANA: "not logged in",
        CLO: "third level, from 90 s on",
        DAN: "level 4, not asked",
    }
    floor.free(ANA)
    choice = floor.next()
    assert choice is not None
    assert (choice.agents, choice.passed_over[BEA]) == ((ANA,), "level 2, after level 1")


def test_every_presence_has_its_words() -> None:
    others = [presence for presence in Presence if presence is not Presence.READY]
    members = [member(ANA), *(member(AgentId(f"2{n:02d}")) for n, _ in enumerate(others))]
    floor = Floor(members)
    for each, presence in zip(members[1:], others, strict=True):
        floor.becomes(each.agent, presence)
    floor.free(ANA)
    floor.waits("uno")
    choice = floor.next()
    assert choice is not None
    assert sorted(choice.passed_over.values()) == sorted(
        (
            "not logged in",
            "telephone unreachable",
            "reserved",
            "ringing",
            "dialling",
            "talking",
            "on hold",
            "wrap-up",
            "paused",
            "on another call",
        )
    )


def test_reason_of_a_pause_is_told() -> None:
    floor = Floor([member(ANA), member(BEA)])
    floor.free(ANA)
    floor.roster.put(Agent(agent=BEA, presence=Presence.PAUSED, pause="almuerzo"))
    floor.matching.agent_changed(BEA)
    floor.waits("uno")
    choice = floor.next()
    assert choice is not None
    assert choice.passed_over == {BEA: "paused: almuerzo"}


def test_citizen_waits_for_who_served_them_last_and_then_for_anybody() -> None:
    floor = Floor([member(ANA), member(BEA)])
    floor.becomes(ANA, Presence.TALKING)
    floor.free(BEA)
    call = floor.waits("uno", sticky=ANA, sticky_until=floor.now + 21)
    assert floor.next() is None
    assert floor.matching.recheck_at(call) == floor.now + 20
    assert floor.offer(after_s=20.0) == ("uno", BEA)


def test_who_served_a_citizen_last_gets_them_back_when_free_in_time() -> None:
    floor = Floor([member(ANA), member(BEA)])
    floor.free(BEA, ANA)
    floor.waits("uno", sticky=ANA, sticky_until=floor.now + 21)
    choice = floor.next()
    assert choice is not None
    assert (choice.agents, choice.because) == ((ANA,), "served this citizen last")
    assert choice.passed_over == {BEA: "another one is asked for"}


@pytest.mark.parametrize("presence", [Presence.OFFLINE, Presence.UNREACHABLE, Presence.PAUSED])
def test_nobody_waits_for_an_agent_who_is_not_at_work(presence: Presence) -> None:
    floor = Floor([member(ANA), member(BEA)])
    floor.becomes(ANA, Presence.TALKING)
    floor.free(BEA)
    floor.waits("uno", sticky=ANA, sticky_until=floor.now + 60)
    floor.waits("dos", only=ANA)
    assert floor.next() is None
    floor.becomes(ANA, presence)
    assert floor.offer() == ("uno", BEA)
    floor.waits("tres", sticky=ANA, sticky_until=floor.now + 60)
    floor.answers(BEA)
    floor.free(BEA)
    assert floor.offer() == ("tres", BEA)
    assert floor.offer() is None
    floor.free(ANA)
    assert floor.offer() == ("dos", ANA)


def test_nobody_waits_for_an_agent_who_could_not_serve_them() -> None:
    floor = Floor([member(ANA, GENERAL), member(BEA)])
    floor.becomes(ANA, Presence.TALKING)
    floor.free(BEA)
    floor.waits("uno", sticky=ANA, sticky_until=floor.now + 60)
    assert floor.offer() == ("uno", BEA)
    floor.waits("dos", sticky=DAN, sticky_until=floor.now + 60)
    floor.answers(BEA)
    floor.free(BEA)
    assert floor.offer() == ("dos", BEA)


def test_step_that_would_come_while_somebody_is_waited_for_does_not_end_that() -> None:
    policy = QueuePolicy(name=TRAMITES, relax=(Relaxation(after_s=5, level=2),))
    floor = Floor([member(ANA), member(BEA)], policy)
    floor.becomes(ANA, Presence.TALKING)
    floor.free(BEA)
    call = floor.waits("uno", sticky=ANA, sticky_until=floor.now + 31)
    assert floor.matching.recheck_at(call) == floor.now + 30
    assert floor.offer(after_s=10.0) is None
    assert floor.offer(after_s=20.0) == ("uno", BEA)


def test_who_is_asked_for_by_name_need_not_be_able_or_of_the_queue() -> None:
    floor = Floor([member(ANA, SALUD), member(BEA)], QueuePolicy(name=TRAMITES, requires="impuestos >= 1"))
    floor.free(ANA)
    floor.becomes(BEA, Presence.TALKING)
    floor.waits("uno", only=ANA)
    choice = floor.next()
    assert choice is not None
    assert (choice.agents, choice.because, choice.passed_over) == ((ANA,), "asked for by name", {BEA: "talking"})
    floor.waits("dos", only=AgentId("999"))
    assert floor.offer() == ("uno", ANA)
    assert floor.offer() is None


def test_contact_that_was_put_off_is_offered_when_its_time_has_come_and_has_its_place() -> None:
    floor = Floor([member(ANA)])
    call = floor.waits("uno", not_before=floor.now + 61)
    floor.waits("dos")
    floor.free(ANA)
    assert (floor.matching.recheck_at(call), floor.matching.position(call)) == (floor.now + 58, 1)
    assert floor.offer() == ("dos", ANA)
    floor.answers(ANA)
    floor.free(ANA)
    assert floor.offer() is None
    assert floor.offer(after_s=60.0) == ("uno", ANA)


def test_withheld_contact_keeps_its_place_and_is_offered_to_nobody() -> None:
    floor = Floor([member(ANA)])
    first, second = floor.waits("uno"), floor.waits("dos")
    floor.matching.withhold(first)
    floor.free(ANA)
    choice = floor.next()
    assert choice is not None
    assert (choice.contact, floor.matching.position(first), floor.matching.position(second)) == ("dos", 1, 2)
    floor.matching.restore(first)
    choice = floor.next()
    assert choice is not None
    assert choice.contact == "uno"
    floor.matching.remove(first)
    floor.matching.remove(first)
    assert floor.matching.waiting(TRAMITES) == ["dos"]
    assert floor.matching.waiting(QueueName("otra")) == []
    with pytest.raises(KeyError):
        floor.matching.position(first)


def test_withheld_contact_stays_so_when_the_configuration_is_read_again() -> None:
    floor = Floor([member(ANA)])
    first = floor.waits("uno")
    floor.matching.withhold(first)
    floor.matching.configure({TRAMITES: QueuePolicy(name=TRAMITES)})
    floor.free(ANA)
    assert floor.next() is None


def test_contact_in_the_middle_of_a_queue_leaves_it() -> None:
    floor = Floor([member(ANA)])
    calls = [floor.waits(name) for name in ("uno", "dos", "tres")]
    floor.matching.remove(calls[1])
    assert floor.matching.waiting(TRAMITES) == ["uno", "tres"]


def test_one_of_priority_is_worth_as_much_waiting_as_the_queue_says() -> None:
    floor = Floor([member(ANA)], QueuePolicy(name=TRAMITES, ageing_s=60))
    at = floor.now
    floor.waits("viejo", place_at=at - 61)
    floor.waits("urgente", place_at=at, priority=1)
    floor.waits("nuevo", place_at=at - 59)
    assert floor.matching.waiting(TRAMITES) == ["viejo", "urgente", "nuevo"]


def test_agent_of_several_queues_goes_where_the_target_is_missed_most() -> None:
    floor = Floor(
        [member(ANA, TRAMITES, GENERAL)],
        QueuePolicy(name=TRAMITES, service_level_s=60),
        QueuePolicy(name=GENERAL, service_level_s=20),
    )
    floor.waits("uno", queue=TRAMITES, place_at=floor.now - 40)
    floor.waits("dos", queue=GENERAL, place_at=floor.now - 20)
    floor.free(ANA)
    choice = floor.next()
    assert choice is not None
    assert (choice.contact, choice.because) == (
        "dos",
        "the only one free; general furthest from its target, 1.1 times 20 s",
    )


def test_equally_urgent_contacts_go_by_their_place() -> None:
    floor = Floor([member(ANA, TRAMITES, GENERAL)])
    at = floor.now
    floor.waits("uno", queue=GENERAL, place_at=at)
    floor.waits("dos", queue=TRAMITES, place_at=at)
    floor.free(ANA)
    assert floor.offer() == ("uno", ANA)


def test_most_urgent_comes_first_when_several_become_possible_at_once() -> None:
    relax = (Relaxation(after_s=30, requires=""),)
    floor = Floor(
        [member(ANA, TRAMITES, GENERAL), member(BEA, TRAMITES, GENERAL)],
        QueuePolicy(name=TRAMITES, requires="impuestos >= 1", relax=relax, service_level_s=60),
        QueuePolicy(name=GENERAL, requires="impuestos >= 1", relax=relax, service_level_s=20),
    )
    floor.free(ANA, BEA)
    floor.waits("uno", queue=TRAMITES)
    floor.waits("dos", queue=GENERAL)
    assert floor.next() is None
    assert floor.offer(after_s=60.0) == ("dos", ANA)
    assert floor.offer() == ("uno", BEA)


def test_personal_contact_waits_its_turn_among_the_others() -> None:
    floor = Floor([member(ANA), member(BEA)])
    floor.waits("uno")
    floor.waits("dos", only=ANA)
    floor.free(ANA)
    assert floor.offer() == ("uno", ANA)
    floor.answers(ANA)
    floor.waits("tres")
    floor.free(ANA)
    assert floor.offer() == ("dos", ANA)


def test_agents_who_become_free_together_are_chosen_among_by_the_strategy() -> None:
    floor = Floor([member(ANA), member(BEA)], QueuePolicy(name=TRAMITES, strategy=Strategy.LINEAR))
    floor.waits("uno")
    floor.free(BEA, ANA)
    assert floor.offer() == ("uno", ANA)


def test_round_robin_goes_round_whoever_has_been_idle_for_longest() -> None:
    floor = Floor([member(ANA), member(BEA), member(CLO)], QueuePolicy(name=TRAMITES, strategy=Strategy.ROUND_ROBIN))
    floor.free(CLO, BEA, ANA)
    turns = []
    for name in ("uno", "dos", "tres", "cuatro"):
        floor.waits(name)
        offer = floor.offer()
        assert offer is not None
        agent = AgentId(offer[1])
        turns.append(agent)
        floor.answers(agent)
        floor.free(agent)
    assert turns == [ANA, BEA, CLO, ANA]


def test_who_answered_fewest_calls_is_remembered_through_a_new_configuration() -> None:
    policy = QueuePolicy(name=TRAMITES, strategy=Strategy.FEWEST_CALLS)
    floor = Floor([member(ANA), member(BEA)], policy)
    floor.free(ANA, BEA)
    floor.waits("uno")
    assert floor.offer() == ("uno", ANA)
    call = floor.roster[ANA].call
    floor.answers(ANA)
    floor.becomes(ANA, Presence.TALKING, call=call)
    floor.free(ANA)
    floor.roster.configure([member(ANA), member(BEA)])
    floor.free(BEA)
    floor.waits("dos")
    choice = floor.next()
    assert choice is not None
    assert (choice.agents, choice.passed_over) == ((BEA,), {ANA: "took more calls"})


def test_everybody_is_rung_where_the_queue_says_so() -> None:
    floor = Floor([member(ANA), member(BEA), member(CLO)], QueuePolicy(name=TRAMITES, strategy=Strategy.RING_ALL))
    floor.free(ANA, BEA)
    floor.waits("uno")
    choice = floor.next()
    assert choice is not None
    assert (choice.agents, choice.passed_over) == ((ANA, BEA), {CLO: "not logged in"})
    assert choice.because == "all are rung; first in tramites"
    assert floor.offer() == ("uno", ANA, BEA)


def test_agent_with_rare_skills_is_kept_for_those_who_need_them() -> None:
    policy = QueuePolicy(name=TRAMITES, strategy=Strategy.LEAST_FLEXIBLE)
    members = [
        member(ANA, skills={"salud": 5, "guarani": 5}),
        member(BEA, skills={"salud": 5}),
        member(CLO, TRAMITES, GENERAL),
    ]
    floor = Floor(members, policy)
    floor.free(ANA, BEA, CLO)
    floor.waits("uno")
    choice = floor.next()
    assert choice is not None
    assert choice.agents == (BEA,)
    assert choice.passed_over == {ANA: "has rarer skills", CLO: "answers more queues"}


def test_who_missed_a_contact_serves_another_first_where_somebody_else_may_take_that_one() -> None:
    floor = Floor([member(ANA), member(BEA)])
    floor.becomes(BEA, Presence.TALKING)
    floor.waits("uno")
    floor.waits("dos")
    floor.free(ANA)
    assert floor.offer() == ("uno", ANA)
    floor.misses(ANA)
    assert floor.offer() == ("dos", ANA)
    floor.misses(ANA)
    assert floor.offer() == ("uno", ANA)


def test_who_is_alone_is_offered_the_same_contact_again_and_keeps_the_order() -> None:
    floor = Floor([member(ANA), member(BEA)])
    floor.waits("uno")
    floor.waits("dos")
    floor.free(ANA)
    assert floor.offer() == ("uno", ANA)
    floor.misses(ANA)
    assert floor.offer() == ("uno", ANA)


def test_who_missed_a_contact_that_nobody_else_is_free_for_gets_it_again() -> None:
    floor = Floor([member(ANA), member(BEA)])
    floor.becomes(BEA, Presence.TALKING)
    floor.free(ANA)
    floor.waits("uno")
    assert floor.offer() == ("uno", ANA)
    floor.misses(ANA)
    assert floor.offer() == ("uno", ANA)
    floor.becomes(BEA, Presence.READY)
    floor.misses(ANA)
    choice = floor.next()
    assert choice is not None
    assert (choice.agents, choice.passed_over) == ((BEA,), {ANA: "missed this contact just now"})


def test_who_left_the_configuration_is_offered_nothing_and_who_joined_it_is() -> None:
    floor = Floor([member(ANA)])
    floor.free(ANA)
    floor.roster.configure([member(BEA)])
    floor.matching.agent_changed(ANA)
    floor.matching.rest(ANA, resting=True)
    floor.waits("uno")
    assert floor.next() is None
    floor.free(BEA)
    assert floor.offer() == ("uno", BEA)


def test_offer_of_what_does_not_wait_here_is_nothing_to_remember() -> None:
    floor = Floor([member(ANA)], QueuePolicy(name=TRAMITES, strategy=Strategy.ROUND_ROBIN))
    floor.becomes(ANA, Presence.RESERVED, call=CallId("otra"), offer="otra.o1")
    floor.becomes(ANA, Presence.TALKING, call=CallId("otra"))
    floor.free(ANA)
    floor.waits("uno")
    assert floor.offer() == ("uno", ANA)


@pytest.mark.parametrize("asking", ["next", "rest", "changed", "add"])
def test_new_configuration_is_noticed_whatever_is_asked_first(asking: str) -> None:
    floor = Floor([member(ANA)])
    floor.free(BEA)
    floor.waits("uno")
    floor.roster.configure([member(BEA)])
    floor.roster.put(Agent(agent=BEA, presence=Presence.READY, phone=Phone.IDLE))
    if asking == "rest":
        floor.matching.rest(BEA, resting=False)
    elif asking == "changed":
        floor.matching.agent_changed(BEA)
    elif asking == "add":
        floor.waits("dos")
    assert floor.offer() == ("uno", BEA)


def crowd(*, able: int, unable: int, talking: int, policy: QueuePolicy) -> Floor:
    """A queue of more agents than are named."""
    agents = [AgentId(f"{1000 + n}") for n in range(able + unable + talking)]
    members = [member(agent, skills={"impuestos": 5 if n < able else 1}) for n, agent in enumerate(agents)]
    floor = Floor(members, policy)
    floor.free(*agents[: able + unable])
    for agent in agents[able + unable :]:
        floor.becomes(agent, Presence.TALKING)
    return floor


def test_agents_of_a_large_queue_are_counted_and_the_next_ones_named() -> None:
    policy = QueuePolicy(name=TRAMITES, requires="impuestos >= 3")
    floor = crowd(able=20, unable=10, talking=50, policy=policy)
    floor.waits("uno")
    choice = floor.next()
    assert choice is not None
    assert choice.passed_over == {f"{1001 + n}": "idle for less time" for n in range(NEXT_NAMED)}
    assert choice.others == {"talking": 50, "impuestos 1 < 3": 10, "free and able too": 19 - NEXT_NAMED}
    floor.offer()
    floor.misses(AgentId("1000"))
    choice = floor.next()
    assert choice is not None
    assert sum(choice.others.values()) + len(choice.passed_over) == 79


def test_only_agent_who_is_free_in_a_large_queue_leaves_nobody_to_name() -> None:
    floor = crowd(able=2, unable=0, talking=70, policy=QueuePolicy(name=TRAMITES))
    floor.waits("uno")
    floor.offer()
    floor.waits("dos")
    choice = floor.next()
    assert choice is not None
    assert (choice.passed_over, choice.others) == ({}, {"talking": 70, "reserved": 1})
    floor.waits("tres")
    floor.offer()
    assert floor.offer() is None


def test_who_missed_a_contact_in_a_large_queue_is_said_to_have() -> None:
    floor = crowd(able=2, unable=0, talking=70, policy=QueuePolicy(name=TRAMITES))
    floor.waits("uno")
    floor.offer()
    floor.misses(AgentId("1000"))
    choice = floor.next()
    assert choice is not None
    assert (choice.agents, choice.passed_over) == (("1001",), {"1000": "missed this contact just now"})


@pytest.mark.parametrize("able", [1, 3])
def test_agents_of_a_large_queue_are_counted_when_one_is_asked_for_by_name(able: int) -> None:
    floor = crowd(able=able, unable=0, talking=70, policy=QueuePolicy(name=TRAMITES))
    floor.waits("uno", only=AgentId("1000"))
    choice = floor.next()
    assert choice is not None
    assert (choice.agents, choice.passed_over) == (("1000",), {})
    assert choice.others == {"talking": 70} | ({"another one is asked for": able - 1} if able > 1 else {})


def test_stranger_to_a_large_queue_who_is_asked_for_by_name_is_none_of_its_agents() -> None:
    floor = crowd(able=1, unable=0, talking=70, policy=QueuePolicy(name=TRAMITES))
    floor.roster.configure([*floor.roster.members.values(), member(ANA, SALUD)])
    floor.free(ANA)
    floor.waits("uno", only=ANA)
    choice = floor.next()
    assert choice is not None
    assert choice.others == {"talking": 70, "another one is asked for": 1}


def test_kinds_of_what_is_asked_are_forgotten_when_they_become_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "MOST_ASKS", 3)
    floor = Floor([member(ANA, skills={"s9": 1}), member(BEA)])
    kept = floor.waits("espera", requires="s0 >= 1")
    for n in range(9):
        floor.matching.remove(floor.waits(f"c{n}", requires=f"s{n} >= 1"))
    floor.free(ANA, BEA)
    assert floor.next() is None
    floor.waits("uno", requires="s9 >= 1")
    assert floor.offer() == ("uno", ANA)
    assert floor.matching.waiting(TRAMITES) == [kept, "uno"]
    assert len(floor.matching._asks) <= 3
