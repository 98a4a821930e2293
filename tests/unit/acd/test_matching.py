"""Who is offered whom: the matching by itself, with a roster that is moved by hand."""

from collections.abc import Mapping

import msgspec
import pytest

from acd.core.matching import Choice, Contact, Matching
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
