"""How many are at work for a queue, however often that is asked."""

from acd.core.staff import Staff
from agents import AgentsService, Granted, Member
from telefonista.kernel.events import Entry, PauseAsked, Phone, PhoneChanged
from telefonista.kernel.ids import AgentId, QueueName

GENERAL, TRAMITES = QueueName("general"), QueueName("tramites")
ANA, BEA = AgentId("101"), AgentId("102")
MEMBERS = (
    Member(agent=ANA, name="", queues=(GENERAL, TRAMITES)),
    Member(agent=BEA, name="", queues=(TRAMITES,)),
)


def test_agents_are_counted_as_they_come_pause_and_leave_the_configuration() -> None:
    agents = AgentsService(MEMBERS, granted=lambda queue: Granted())
    staff = Staff(agents.roster)
    for seq, agent in enumerate((ANA, BEA), start=1):
        agents.handle(Entry(seq=seq, at=1.0, event=PhoneChanged(agent=agent, phone=Phone.IDLE)))
        staff.changed(agent)
    assert (staff.at_work(TRAMITES), staff.available(TRAMITES), staff.at_work(GENERAL)) == (2, 2, 1)
    assert staff.groups(TRAMITES) == [((GENERAL, TRAMITES), 1), ((TRAMITES,), 1)]
    agents.handle(Entry(seq=3, at=2.0, event=PauseAsked(agent=BEA, reason="almuerzo")))
    staff.changed(BEA)
    staff.changed(BEA)
    assert (staff.at_work(TRAMITES), staff.available(TRAMITES)) == (2, 1)
    assert staff.groups(TRAMITES) == [((GENERAL, TRAMITES), 1)]
    agents.roster.configure(MEMBERS[1:])
    assert (staff.at_work(TRAMITES), staff.available(TRAMITES), staff.at_work(GENERAL)) == (1, 0, 0)
