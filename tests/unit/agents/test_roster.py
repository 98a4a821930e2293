"""Who works for which queue, through reloads that add and remove people."""

import msgspec

from agents import Agent, Member, Roster
from telefonista.kernel.events import Phone, Presence
from telefonista.kernel.ids import AgentId, CallId, QueueName

ANA, LUIS, SOL = AgentId("101"), AgentId("102"), AgentId("103")
GENERAL, TRAMITES = QueueName("general"), QueueName("tramites")
MEMBERS = (
    Member(agent=ANA, name="Posición 1", queues=(GENERAL, TRAMITES)),
    Member(agent=LUIS, name="Posición 2", queues=(TRAMITES,)),
)
READY = Agent(agent=LUIS, presence=Presence.READY, phone=Phone.IDLE)


def test_roster_knows_who_answers_which_queue() -> None:
    roster = Roster(MEMBERS)
    assert (roster.of_queue(TRAMITES), roster.of_queue(GENERAL)) == ((ANA, LUIS), (ANA,))
    assert (roster.queues_of(ANA), roster.members[LUIS].name) == ((GENERAL, TRAMITES), "Posición 2")


def test_queue_and_agent_that_nobody_configured_are_empty_and_offline() -> None:
    roster = Roster(MEMBERS)
    assert (roster.of_queue(QueueName("otra")), roster.queues_of(SOL)) == ((), ())
    assert roster[SOL] == Agent(agent=SOL)


def test_only_an_agent_who_is_ready_is_ready() -> None:
    roster = Roster(MEMBERS)
    assert not roster.is_ready(LUIS)
    roster.put(READY)
    assert roster.is_ready(LUIS)


def test_agent_stays_what_they_were_when_the_configuration_is_read_again() -> None:
    roster = Roster(MEMBERS)
    roster.put(READY)
    roster.configure([*MEMBERS, Member(agent=SOL, name="", queues=(GENERAL,))])
    assert [agent.agent for agent in roster] == [ANA, LUIS, SOL]
    assert (roster[LUIS], roster[SOL].presence) == (READY, Presence.OFFLINE)


def test_agent_who_left_the_configuration_is_gone_at_once_or_after_the_present_contact() -> None:
    roster = Roster(MEMBERS)
    talking = msgspec.structs.replace(READY, presence=Presence.TALKING, call=CallId("tf1-1.1"))
    roster.put(talking)
    roster.configure(MEMBERS[:1])
    assert roster.of_queue(TRAMITES) == (ANA,)
    assert roster[LUIS] == talking
    roster.put(READY)
    assert [agent.agent for agent in roster] == [ANA]
    roster.configure([])
    assert list(roster) == []


def test_agent_who_comes_back_into_the_configuration_is_what_the_phone_has_become() -> None:
    roster = Roster(MEMBERS)
    roster.configure(MEMBERS[:1])
    roster.put(READY)
    assert (list(roster), roster.is_ready(LUIS)) == ([Agent(agent=ANA)], True)
    roster.configure(MEMBERS)
    assert list(roster) == [Agent(agent=ANA), READY]


def test_word_of_somebody_who_never_was_configured_makes_nobody() -> None:
    roster = Roster(MEMBERS[:1])
    roster.put(READY)
    assert [agent.agent for agent in roster] == [ANA]
