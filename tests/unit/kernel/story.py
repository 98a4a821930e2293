"""A call, told event by event: what the kernel's machine makes of each, its decisions applied as the engine does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from telefonista.kernel.call import MACHINE, begin, book
from telefonista.kernel.commands import AnyCommand
from telefonista.kernel.events import (
    KINDS,
    CallArrived,
    ContactBooked,
    Destination,
    DestinationKind,
    Event,
    HandedOff,
    LegAnswered,
    LegEnded,
    Medium,
    OfferMade,
    PartyCalled,
    Supervision,
    SupervisionAsked,
)
from telefonista.kernel.ids import (
    AgentId,
    CallId,
    LegId,
    LineName,
    OfferId,
    QueueName,
    RecordingId,
    RouteName,
    agent_leg,
    citizen_leg,
    consulted_leg,
    offer_id,
    snoop_leg,
    supervisor_leg,
    visit_id,
)
from telefonista.kernel.machine import Output

CALL = CallId("tf1-1700000000.1")
CONTACT = CallId(f"{CALL}.k1")
ANA, LUIS, SOL = AgentId("101"), AgentId("102"), AgentId("109")
QUEUE = QueueName("tramites")
MESSAGE = RecordingId(f"{CALL}.r9")
NUMBER = "29001950"
QUEUE_AGAIN = Destination(DestinationKind.QUEUE, "tramites")
OUTSIDE = Destination(DestinationKind.NUMBER, NUMBER)

K = TypeVar("K")


class Story:
    def __init__(self, medium: Medium = Medium.CALL) -> None:
        self.id = CALL if medium is Medium.CALL else CONTACT
        self.outputs: list[Output] = []
        if medium is Medium.CALL:
            arrived = CallArrived(
                call=CALL, line=LineName("0800-info"), dialled="4636", route=RouteName("red"), caller="099123456"
            )
            self.call, self.outputs = begin(arrived, at=10.0)
        else:
            booked = ContactBooked(
                call=CONTACT,
                origin=CALL,
                medium=medium,
                queue=QUEUE,
                number="099123456",
                line=LineName("0800-info"),
                route=RouteName("red"),
                place_at=5.0,
                message=MESSAGE if medium is Medium.VOICEMAIL else None,
            )
            self.call = book(booked, at=10.0)
        self.citizen = citizen_leg(self.id)

    def happens(self, *events: Event) -> Story:
        """The last of these is what `commands` and `decisions` speak of."""
        for event in events:
            self.outputs = []
            self._apply([event])
        return self

    def _apply(self, events: Iterable[Event]) -> None:
        waiting = list(events)
        while waiting:
            event = waiting.pop(0)
            if type(event) not in MACHINE.events:
                continue
            self.call, outputs = MACHINE.step(self.call, event, at=20.0)
            self.outputs += outputs
            waiting += [output for output in outputs if isinstance(output, KINDS)]

    @property
    def commands(self) -> list[AnyCommand]:
        return [output for output in self.outputs if not isinstance(output, KINDS)]

    @property
    def decisions(self) -> list[Event]:
        return [output for output in self.outputs if isinstance(output, KINDS)]

    def of(self, kind: type[K]) -> list[K]:
        """What came of the last event, of this kind."""
        return [output for output in self.outputs if isinstance(output, kind)]

    @property
    def kinds(self) -> Sequence[str]:
        """What came of the last event, by name."""
        return [type(output).__name__ for output in self.outputs]

    def leg(self, n: int = 1) -> LegId:
        return agent_leg(self.id, n=n)

    def offer(self, n: int = 1) -> OfferId:
        return offer_id(self.id, n=n)

    def waits(self) -> Story:
        return self.happens(HandedOff(call=self.id, queue=QUEUE)) if self.id == CALL else self

    def offered(self, n: int = 1, *, agent: AgentId = ANA) -> Story:
        return self.happens(
            OfferMade(
                call=self.id,
                visit=visit_id(self.id, n=1),
                offer=self.offer(n),
                agent=agent,
                leg=self.leg(n),
            )
        )

    def answers(self, leg: LegId) -> Story:
        return self.happens(LegAnswered(call=self.id, leg=leg))

    def ends(self, leg: LegId, *, cause: int = 16, lost: bool = False) -> Story:
        return self.happens(LegEnded(call=self.id, leg=leg, cause=cause, lost=lost))

    def talks(self) -> Story:
        """The first agent talks with the citizen."""
        return self.waits().offered().answers(self.leg())

    def calls_party(self, *, agent: AgentId | None = LUIS) -> Story:
        """The agent has somebody rung for a consultation."""
        return self.happens(
            PartyCalled(call=self.id, leg=self.party, agent=agent, number="" if agent is not None else NUMBER)
        )

    @property
    def party(self) -> LegId:
        return consulted_leg(self.id, n=1)

    def consults(self, *, agent: AgentId | None = LUIS) -> Story:
        return self.calls_party(agent=agent).answers(self.party)

    def supervised(self, mode: Supervision) -> Story:
        """A supervisor takes part."""
        return (
            self.happens(SupervisionAsked(call=self.id, supervisor=SOL, mode=mode))
            .answers(self.supervisor)
            .answers(self.snoop)
        )

    @property
    def supervisor(self) -> LegId:
        return supervisor_leg(self.id, n=1)

    @property
    def snoop(self) -> LegId:
        return snoop_leg(self.id, n=1)
