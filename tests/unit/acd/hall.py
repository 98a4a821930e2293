"""A desk and its roster in a cascade of their own, for tests that say what happens and look at what follows."""

from collections.abc import Mapping, Sequence
from typing import Any

from acd import AcdService, Desk, QueuePolicy
from agents import AgentsService, Granted, Member
from telefonista.kernel.calls import Calls
from telefonista.kernel.cascade import Cascade
from telefonista.kernel.commands import AnyCommand, CancelTimer, Play, Prompt, SetTimer
from telefonista.kernel.events import (
    CallArrived,
    DigitPressed,
    Entry,
    Event,
    HandedOff,
    LegAnswered,
    LegEnded,
    OfferEnded,
    OfferMade,
    OfferOutcome,
    Phone,
    PhoneChanged,
    TimerFired,
    VisitEnded,
    VisitOutcome,
    WaitAnnounced,
)
from telefonista.kernel.ids import AgentId, CallId, LineName, QueueName, RouteName, citizen_leg

TRAMITES = QueueName("tramites")
GENERAL = QueueName("general")
ANA, BEA, CLO = AgentId("101"), AgentId("102"), AgentId("103")
FIRST, SECOND, THIRD = CallId("tf1-1.0"), CallId("tf1-2.1"), CallId("tf1-3.2")
MEMBERS = (
    Member(agent=ANA, name="", queues=(TRAMITES, GENERAL)),
    Member(agent=BEA, name="", queues=(TRAMITES,)),
    Member(agent=CLO, name="", queues=(GENERAL,)),
)
MESSAGES = (Prompt("Gracias por aguardar."), Prompt("Tenga a mano su cédula."))


class Hall:
    """A desk with its roster and the calls, and a clock that moves when told."""

    def __init__(
        self,
        *policies: QueuePolicy,
        members: Sequence[Member] = MEMBERS,
        forbidden: Mapping[str, str] | None = None,
    ) -> None:
        self.now = 1000.0
        self.seq = 1
        self.entries: list[Entry] = []
        self.done: list[AnyCommand] = []
        self.due: dict[tuple[CallId, str], tuple[float, int]] = {}
        """When each timer that was set goes off, and its token."""
        self.forbidden = dict(forbidden or {})
        """Why a number is not called."""
        self.policies = policies or (
            QueuePolicy(name=TRAMITES, messages=MESSAGES),
            QueuePolicy(name=GENERAL, ring_s=20),
        )
        self.members = members
        self.rooms = self.made()
        self.agents, self.service, self.calls = self.rooms
        self.desk = self.service.desk
        self.cascade = Cascade(self.rooms, matcher=self.service.match)

    def made(self) -> tuple[AgentsService, AcdService, Calls]:
        """Rooms as a start makes them."""
        agents = AgentsService(self.members, granted=lambda queue: Granted())
        desk = Desk(
            self.policies,
            roster=agents.roster,
            position_prompts=lambda position: (Prompt(f"posición {position}"),),
            estimate_prompts=lambda estimate_s: (Prompt(f"{estimate_s:.0f} segundos"),),
            choice_prompts=lambda kind, key: (Prompt(f"{kind.value}: {key}"),),
            may_call=lambda number, at: self.forbidden.get(number),
            canonical=lambda number: number.removeprefix("+598").removeprefix("0"),
        )
        return agents, AcdService(desk), Calls()

    @property
    def said(self) -> list[Event]:
        return [entry.event for entry in self.entries]

    def of(self, *kinds: type) -> list[Any]:
        return [event for event in self.said if isinstance(event, kinds)]

    def check_memory(self) -> None:
        """What the rooms know is what the journal says, no more and no less."""
        rooms = self.made()
        cascade = Cascade(rooms, matcher=lambda now: None)
        for entry in self.entries:
            cascade.replay(entry)
        again = rooms[1].desk
        assert again._stays == self.desk._stays
        assert again.contacts() == self.desk.contacts()
        for queue in {policy.name for policy in self.policies}:
            assert again.waiting(queue) == self.desk.waiting(queue)
            assert again._sizes.get(queue, 0) == self.desk._sizes.get(queue, 0) == len(self.desk.waiting(queue))
        assert again._served_by == self.desk._served_by

    def happens(self, event: Event, *, after_s: float = 1.0) -> list[Event]:
        """What follows from an event, itself excluded."""
        self.now += after_s
        batch = self.cascade.run(event, at=self.now, now=self.now, next_seq=self.seq)
        assert batch.defects == []
        self.seq += len(batch.entries)
        self.done += batch.commands
        for command in batch.commands:
            if isinstance(command, SetTimer):
                self.due[command.call, command.key] = (self.now + command.after_s, command.token)
        self.entries += batch.entries
        return [entry.event for entry in batch.entries][1:]

    def free(self, *agents: AgentId) -> None:
        for agent in agents:
            self.happens(PhoneChanged(agent=agent, phone=Phone.IDLE))

    def waits(self, call: CallId, *, queue: QueueName = TRAMITES, priority: int = 0) -> list[Event]:
        return self.happens(HandedOff(call=call, queue=queue, priority=priority))

    def offers(self) -> list[tuple[CallId, AgentId]]:
        return [(event.call, event.agent) for event in self.said if isinstance(event, OfferMade)]

    def last_offer(self) -> OfferMade:
        return [event for event in self.said if isinstance(event, OfferMade)][-1]

    def offer_ends(self, outcome: OfferOutcome) -> list[Event]:
        offer = self.last_offer()
        return self.happens(
            OfferEnded(call=offer.call, visit=offer.visit, offer=offer.offer, agent=offer.agent, outcome=outcome)
        )

    def announced(self) -> list[tuple[CallId, int]]:
        return [(event.call, event.position) for event in self.said if isinstance(event, WaitAnnounced)]

    def played(self) -> list[tuple[str, ...]]:
        return [tuple(prompt.text for prompt in done.prompts) for done in self.done if isinstance(done, Play)]

    # With the call from its beginning.

    def arrives(self, call: CallId, *, caller: str = "099123456") -> CallId:
        self.happens(
            CallArrived(
                call=call, line=LineName("0800-info"), dialled="4636", route=RouteName("ciudadanos"), caller=caller
            )
        )
        return call

    def comes(self, call: CallId, *, queue: QueueName = TRAMITES, caller: str = "099123456") -> list[Event]:
        """A citizen calls, and the flow hands over."""
        return self.waits(self.arrives(call, caller=caller), queue=queue)

    def answers(self, offer: OfferMade | None = None) -> list[Event]:
        """The agent picks up."""
        offer = offer or self.last_offer()
        return self.happens(LegAnswered(call=offer.call, leg=offer.leg))

    def phone_ends(self, offer: OfferMade | None = None, *, cause: int = 19) -> list[Event]:
        offer = offer or self.last_offer()
        return self.happens(LegEnded(call=offer.call, leg=offer.leg, cause=cause))

    def presses(self, call: CallId, digit: str) -> list[Event]:
        return self.happens(DigitPressed(call=call, leg=citizen_leg(call), digit=digit))

    def fires(self, call: CallId, key: str) -> list[Event]:
        """The timer that was set last by this name goes off, when it is due."""
        due, token = self.due[call, key]
        return self.happens(TimerFired(call=call, key=key, token=token), after_s=max(0.0, due - self.now))

    def timers(self, call: CallId) -> dict[str, float]:
        """Those that run, and for how long they were set."""
        running: dict[str, float] = {}
        for done in self.done:
            if isinstance(done, SetTimer) and done.call == call:
                running[done.key] = done.after_s
            elif isinstance(done, CancelTimer) and done.call == call:
                running.pop(done.key, None)
        return running

    def outcomes(self, call: CallId) -> list[VisitOutcome]:
        return [event.outcome for event in self.of(VisitEnded) if event.call == call]

    def serve(self, call: CallId, *, talk_s: float, queue: QueueName = TRAMITES) -> None:
        """A citizen comes, is answered at once, and hangs up."""
        self.comes(call, queue=queue)
        offer = self.last_offer()
        assert offer.call == call
        self.answers()
        self.happens(leaves(call), after_s=talk_s)
        self.happens(LegEnded(call=call, leg=offer.leg, cause=16), after_s=0.0)


def leaves(call: CallId) -> LegEnded:
    return LegEnded(call=call, leg=citizen_leg(call), cause=16)
