"""The room of the agents: queues grant wrap-ups, calls that ended hold nobody, a restart goes on with what is left."""

from collections.abc import Sequence

from agents import AgentsService, Directory, Granted, Member
from agents.core.presence import WRAP_UP_TIMER
from telefonista.kernel.commands import SetAgentTimer
from telefonista.kernel.events import (
    CallEnded,
    ConversationEnded,
    ConversationStarted,
    DispositionAsked,
    DispositionGiven,
    EndReason,
    Entry,
    Event,
    LogInAsked,
    LogOutAsked,
    OfferMade,
    PartyCalled,
    Phone,
    PhoneChanged,
    Presence,
    PresenceChanged,
    Supervision,
    SupervisionBegan,
)
from telefonista.kernel.ids import (
    AgentId,
    CallId,
    QueueName,
    agent_leg,
    bridge_id,
    consulted_leg,
    offer_id,
    supervisor_leg,
    visit_id,
)
from telefonista.kernel.machine import Output
from telefonista.kernel.ports import Room

ANA, LUIS = AgentId("101"), AgentId("102")
GENERAL, TRAMITES = QueueName("general"), QueueName("tramites")
CALL = CallId("tf1-1700000000.1")
MEMBERS = tuple(Member(agent=agent, name="", queues=(GENERAL, TRAMITES)) for agent in (ANA, LUIS))
LEG = agent_leg(CALL, n=1)
OFFERED = OfferMade(call=CALL, visit=visit_id(CALL, n=1), offer=offer_id(CALL, n=1), agent=ANA, leg=LEG)
PARTED = ConversationEnded(call=CALL, agent=ANA, leg=LEG, reason=EndReason.AGENT_HUNG_UP)


def connected(queue: QueueName) -> ConversationStarted:
    return ConversationStarted(call=CALL, agent=ANA, leg=LEG, bridge=bridge_id(CALL, n=1), queue=queue)


def house() -> AgentsService:
    service = AgentsService(MEMBERS, granted=lambda queue: Granted(wrap_up_s={GENERAL: 30.0, TRAMITES: 5.0}[queue]))
    for agent in (ANA, LUIS):
        give(service, PhoneChanged(agent=agent, phone=Phone.IDLE), at=10.0)
    return service


def give(service: AgentsService, *events: Event, at: float = 100.0) -> Sequence[Output]:
    outputs: Sequence[Output] = ()
    for event in events:
        outputs = service.handle(Entry(seq=1, at=at, event=event))
    return outputs


def test_service_is_a_room_that_hears_of_phones_offers_and_conversations() -> None:
    room: Room = house()
    assert {PhoneChanged, OfferMade, ConversationStarted, ConversationEnded, CallEnded} <= room.consumes


def test_wrap_up_is_as_long_as_the_queue_of_the_conversation_grants() -> None:
    for queue, granted_s in ((GENERAL, 30.0), (TRAMITES, 5.0)):
        service = house()
        give(service, OFFERED, connected(queue))
        outputs = give(service, PARTED)
        assert SetAgentTimer(agent=ANA, key=WRAP_UP_TIMER, token=1, after_s=granted_s) in outputs


def test_restart_goes_on_with_what_is_left_of_a_wrap_up() -> None:
    service = house()
    assert service.resume_agents(at=50.0) == []
    give(service, OFFERED, connected(GENERAL), PARTED)
    for at, left_s in ((110.0, 20.0), (500.0, 0.0)):
        assert service.resume_agents(at=at) == [SetAgentTimer(agent=ANA, key=WRAP_UP_TIMER, token=1, after_s=left_s)]


def test_agent_of_a_call_that_ended_is_freed_and_nobody_else() -> None:
    service = house()
    give(service, OFFERED)
    (told,) = give(service, CallEnded(call=CALL, reason=EndReason.BROKEN))
    assert isinstance(told, PresenceChanged)
    assert (told.agent, told.presence) == (ANA, Presence.READY)
    assert give(service, CallEnded(call=CALL, reason=EndReason.BROKEN)) == []


def test_agents_outlive_calls() -> None:
    service = house()
    give(service, OFFERED)
    service.forget(CALL)
    assert service.resume(CALL, at=50.0) == ()
    assert service.roster[ANA].presence is Presence.RESERVED


def test_phone_that_comes_logs_in_an_agent_of_whom_nobody_has_said_otherwise() -> None:
    service = house()
    assert service.roster[ANA].presence is Presence.READY
    give(service, LogOutAsked(agent=ANA), PhoneChanged(agent=ANA, phone=Phone.UNREACHABLE))
    give(service, PhoneChanged(agent=ANA, phone=Phone.IDLE))
    assert service.roster[ANA].presence is Presence.OFFLINE


def test_where_agents_must_log_in_the_phone_alone_does_not() -> None:
    service = AgentsService(MEMBERS, granted=lambda queue: Granted())
    service.follow(directory=Directory(), automatic=False)
    assert give(service, PhoneChanged(agent=ANA, phone=Phone.IDLE)) == []
    assert service.roster[ANA].presence is Presence.OFFLINE
    give(service, LogInAsked(agent=ANA))
    assert service.roster[ANA].presence is Presence.READY


def test_party_outside_is_no_agent() -> None:
    service = house()
    assert give(service, PartyCalled(call=CALL, leg=consulted_leg(CALL, n=1), number="1950")) == ()
    outside = ConversationStarted(
        call=CALL, agent=AgentId(""), leg=LEG, bridge=bridge_id(CALL, n=1), queue=GENERAL, number="1950"
    )
    assert give(service, outside) == ()


def test_supervisor_is_an_agent_of_the_house_too() -> None:
    service = house()
    leg = supervisor_leg(CALL, n=1)
    give(service, SupervisionBegan(call=CALL, supervisor=LUIS, leg=leg, mode=Supervision.LISTEN))
    assert service.roster[LUIS].presence is Presence.BUSY


def test_disposition_is_checked_against_the_list_of_the_queue() -> None:
    service = AgentsService(MEMBERS, granted=lambda queue: Granted(dispositions=("resuelto",)))
    give(service, PhoneChanged(agent=ANA, phone=Phone.IDLE), OFFERED, connected(GENERAL))
    asked = DispositionAsked(agent=ANA, call=CALL, disposition="1")
    assert give(service, asked) == [DispositionGiven(agent=ANA, call=CALL, disposition="resuelto")]
