"""Who may wish what."""

import pytest

from agents.core.people import Person, Power, Role, why_not
from telefonista.kernel.events import (
    CancellationAsked,
    Destination,
    DestinationKind,
    Event,
    LogOutAsked,
    MoveAsked,
    PauseAsked,
    Supervision,
    SupervisionAsked,
    SupervisionEndAsked,
    TakeOverAsked,
    TransferAsked,
)
from telefonista.kernel.ids import AgentId, CallId, QueueName

ANA, LUIS, SOL, EVA = AgentId("101"), AgentId("102"), AgentId("201"), AgentId("202")
CALL = CallId("tf1-1700000000.1")
GENERAL, TRAMITES = QueueName("general"), QueueName("tramites")
AGENT = Person(id=ANA)
SUPERVISOR = Person(id=SOL, role=Role.SUPERVISOR, queues=frozenset({GENERAL}))
LISTENER = Person(id=SOL, role=Role.SUPERVISOR, powers=frozenset({Power.LISTEN}))
ADMINISTRATOR = Person(id=EVA, role=Role.ADMINISTRATOR)


def pause(agent: AgentId) -> PauseAsked:
    return PauseAsked(agent=agent, reason="almuerzo")


def transfer(agent: AgentId) -> TransferAsked:
    return TransferAsked(call=CALL, agent=agent, to=Destination(DestinationKind.QUEUE, "general"))


def supervise(mode: Supervision, *, supervisor: AgentId = SOL) -> SupervisionAsked:
    return SupervisionAsked(call=CALL, supervisor=supervisor, mode=mode)


@pytest.mark.parametrize(
    ("person", "event"),
    [
        (AGENT, pause(ANA)),
        (AGENT, transfer(ANA)),
        (SUPERVISOR, pause(LUIS)),
        (SUPERVISOR, pause(SOL)),
        (SUPERVISOR, LogOutAsked(agent=LUIS)),
        (SUPERVISOR, transfer(LUIS)),
        (SUPERVISOR, supervise(Supervision.BARGE)),
        (SUPERVISOR, SupervisionEndAsked(call=CALL, supervisor=SOL)),
        (SUPERVISOR, TakeOverAsked(call=CALL, supervisor=SOL)),
        (SUPERVISOR, MoveAsked(call=CALL, by=SOL)),
        (SUPERVISOR, CancellationAsked(call=CALL, by=SOL)),
        (LISTENER, supervise(Supervision.LISTEN)),
        (LISTENER, SupervisionEndAsked(call=CALL, supervisor=SOL)),
        (ADMINISTRATOR, pause(ANA)),
        (ADMINISTRATOR, supervise(Supervision.BARGE, supervisor=SOL)),
        (ADMINISTRATOR, MoveAsked(call=CALL, by=EVA)),
    ],
)
def test_who_may_wish_something_is_not_stopped(person: Person, event: Event) -> None:
    assert why_not(person, event, queues=(GENERAL, TRAMITES)) is None


@pytest.mark.parametrize(
    ("person", "event", "why"),
    [
        (AGENT, pause(LUIS), "agents wish for themselves only"),
        (AGENT, transfer(LUIS), "agents wish for themselves only"),
        (AGENT, supervise(Supervision.LISTEN, supervisor=ANA), "agents wish for themselves only"),
        (AGENT, MoveAsked(call=CALL, by=ANA), "agents wish for themselves only"),
        (LISTENER, supervise(Supervision.WHISPER), "may not whisper"),
        (LISTENER, TakeOverAsked(call=CALL, supervisor=SOL), "may not take over"),
        (LISTENER, pause(LUIS), "may not force"),
        (LISTENER, MoveAsked(call=CALL, by=SOL), "may not move"),
        (
            SUPERVISOR,
            supervise(Supervision.LISTEN, supervisor=EVA),
            "supervisors take part with their own telephones",
        ),
        (
            SUPERVISOR,
            SupervisionEndAsked(call=CALL, supervisor=EVA),
            "supervisors take part with their own telephones",
        ),
    ],
)
def test_who_may_not_is_told_why(person: Person, event: Event, why: str) -> None:
    assert why_not(person, event, queues=(GENERAL,)) == why


def test_supervisor_has_the_agents_and_calls_of_their_queues_and_no_others() -> None:
    for event in (pause(LUIS), supervise(Supervision.LISTEN), MoveAsked(call=CALL, by=SOL)):
        assert why_not(SUPERVISOR, event, queues=(TRAMITES,)) == "not one of this supervisor's queues"
        assert why_not(SUPERVISOR, event, queues=()) == "not one of this supervisor's queues"
        assert why_not(SUPERVISOR, event, queues=(TRAMITES, GENERAL)) is None
