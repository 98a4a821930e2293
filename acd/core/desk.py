"""All queues together: who waits where, at which place, and which agent is offered whom next.

Comes in: journalled events; goes out: decisions (`VisitStarted`, `WaitAnnounced`, `OfferMade`, `VisitEnded`) and the
commands of the wait. Asks the agents' roster who is ready; never touches a channel, a clock or a random number. `match`
makes one offer at a time, and only after everything that happened has been applied, so that an agent is never reserved
twice.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Mapping

import msgspec

from acd.core import visit as visits
from acd.core import wait as waits
from acd.core.policy import QueuePolicy
from acd.core.visit import Visit, VisitState
from acd.core.wait import Wait, WaitState
from agents import Roster
from telefonista.kernel.commands import Prompt, SetAgentTimer
from telefonista.kernel.events import (
    AgentTimerFired,
    CallEvent,
    Entry,
    HandedOff,
    OfferEnded,
    OfferMade,
    OfferOutcome,
    Presence,
    PresenceChanged,
    VisitEnded,
    VisitStarted,
    WaitAnnounced,
    WaitBegan,
)
from telefonista.kernel.ids import AgentId, CallId, QueueName, agent_leg, offer_id, playback_id, visit_id
from telefonista.kernel.machine import Output

REST_TIMER = "acd.rest"

_BLAMELESS = frozenset({OfferOutcome.ANSWERED, OfferOutcome.WITHDRAWN})

CONSUMES: frozenset[type] = frozenset(
    {HandedOff, VisitStarted, AgentTimerFired, PresenceChanged, *visits.MACHINE.events, *waits.MACHINE.events}
)


class Stay(msgspec.Struct, kw_only=True):
    visit: Visit
    wait: Wait


class Desk:
    def __init__(
        self,
        policies: Iterable[QueuePolicy],
        *,
        roster: Roster,
        position_prompts: Callable[[int], tuple[Prompt, ...]],
    ) -> None:
        self._policies: dict[QueueName, QueuePolicy] = {}
        self._roster = roster
        self._position_prompts = position_prompts
        self._stays: dict[CallId, Stay] = {}
        self._due: dict[CallId, None] = {}
        """Who is to be told something as soon as nothing better happens to them, in order."""
        self._visits: dict[CallId, int] = {}
        self._offers: dict[CallId, int] = {}
        self._waiting: dict[QueueName, list[tuple[tuple[int, float, int], CallId]]] = {}
        self._rest_until: dict[AgentId, float] = {}
        """Those who are left in peace; its timer ends that, not the time of day, which may be set back."""
        self._stirred = False
        self.configure(policies)

    def configure(self, policies: Iterable[QueuePolicy]) -> None:
        """Replaces the policies; a queue that left the configuration keeps its policy while anybody waits in it."""
        fresh = {policy.name: policy for policy in policies}
        for queue, waiting in self._waiting.items():
            if waiting and queue not in fresh:
                fresh[queue] = self.policy(queue)
        self._policies = fresh
        self._stirred = True

    @property
    def policies(self) -> Mapping[QueueName, QueuePolicy]:
        return self._policies

    def policy(self, queue: QueueName) -> QueuePolicy:
        """A queue's policy; one never configured gets the defaults, for no citizen is turned away by a typo."""
        return self._policies.get(queue) or QueuePolicy(name=queue)

    def stay(self, call: CallId) -> Stay | None:
        return self._stays.get(call)

    def waiting(self, queue: QueueName) -> list[CallId]:
        """Calls that wait in a queue, offered ones included, in their order."""
        return [call for _, call in self._waiting.get(queue, ())]

    def position(self, call: CallId) -> int:
        """1 for who is next. Raises KeyError for a call that does not wait."""
        visit = self._stays[call].visit
        for position, (_, other) in enumerate(self._waiting[visit.queue], start=1):
            if other == call:
                return position
        raise KeyError(call)

    def apply(self, entry: Entry) -> list[Output]:
        event = entry.event
        if isinstance(event, PresenceChanged):
            self._stirred = self._stirred or event.presence is Presence.READY
            return []
        if isinstance(event, AgentTimerFired):
            if event.key == REST_TIMER:
                self._rest_until.pop(event.agent, None)
                self._stirred = True
            return []
        assert isinstance(event, CallEvent)
        if isinstance(event, HandedOff):
            return [self._begin(event)]
        if isinstance(event, VisitStarted):
            return self._started(event, entry)
        stay = self._stays.get(event.call)
        if stay is None:
            return []
        outputs: list[Output] = []
        if type(event) in visits.MACHINE.events:
            stay.visit, decided = visits.MACHINE.step(stay.visit, event, at=entry.at)
            outputs += decided
        if isinstance(event, OfferMade):
            self._offers[event.call] = self._offers.get(event.call, 0) + 1
        elif isinstance(event, WaitAnnounced):
            stay.wait = msgspec.structs.replace(stay.wait, position_prompts=self._announcement(stay, event.position))
        if type(event) in waits.MACHINE.events:
            stay.wait, decided = waits.MACHINE.step(stay.wait, event, at=entry.at)
            outputs += decided
        if isinstance(event, OfferEnded):
            outputs += self._offer_ended(event, at=entry.at)
        if isinstance(event, VisitEnded):
            self._leave(stay)
        self._note_due(stay)
        return outputs

    def match(self, now: float) -> OfferMade | WaitBegan | WaitAnnounced | None:
        """The next offer, if there is a waiting contact and a ready agent for it; else the next citizen to be told
        something, who may be one to whom nobody could be offered. Call until it gives None."""
        return self._offer() or self._tell()

    def _offer(self) -> OfferMade | None:
        if not self._stirred:
            return None
        heads = sorted(
            (head, queue) for queue, waiting in self._waiting.items() for head in [self._head(waiting)] if head
        )
        for (_, call), queue in heads:
            chosen, passed_over = self._choose(queue)
            if chosen is not None:
                visit = self._stays[call].visit
                n = self._offers.get(call, 0) + 1
                return OfferMade(
                    call=call,
                    visit=visit.visit,
                    offer=offer_id(call, n=n),
                    agent=chosen,
                    leg=agent_leg(call, n=n),
                    ring_s=self.policy(queue).ring_s,
                    passed_over=passed_over,
                )
        self._stirred = False
        return None

    def _tell(self) -> WaitBegan | WaitAnnounced | None:
        for call in self._due:
            stay = self._stays[call]
            if stay.visit.state is VisitState.OFFERED and not stay.wait.music:
                return WaitBegan(call=call, visit=stay.visit.visit)
            return self._announce(stay)
        return None

    def _note_due(self, stay: Stay) -> None:
        if stay.wait.state is WaitState.DUE:
            self._due[stay.visit.call] = None
        else:
            self._due.pop(stay.visit.call, None)

    def resume(self, call: CallId, *, at: float) -> list[Output]:
        stay = self._stays.get(call)
        return [] if stay is None else waits.resume(stay.wait, at=at)

    def resume_agents(self, *, at: float) -> list[Output]:
        """Agents who were left in peace for a while are so for what is left of it."""
        self._stirred = True
        return [
            SetAgentTimer(agent=agent, key=REST_TIMER, token=0, after_s=max(0.0, until - at))
            for agent, until in self._rest_until.items()
        ]

    def forget(self, call: CallId) -> None:
        stay = self._stays.pop(call, None)
        self._due.pop(call, None)
        if stay is not None:
            self._leave(stay)
        self._visits.pop(call, None)
        self._offers.pop(call, None)

    def _begin(self, event: HandedOff) -> VisitStarted:
        n = self._visits.get(event.call, 0) + 1
        return VisitStarted(
            call=event.call, visit=visit_id(event.call, n=n), queue=event.queue, priority=event.priority
        )

    def _started(self, event: VisitStarted, entry: Entry) -> list[Output]:
        policy = self.policy(event.queue)
        visit = Visit(
            call=event.call,
            visit=event.visit,
            queue=event.queue,
            priority=event.priority,
            started_at=entry.at,
            order=entry.seq,
        )
        wait = Wait(call=event.call, announce_every_s=policy.announce_every_s)
        stay = Stay(visit=visit, wait=wait)
        self._stays[event.call] = stay
        self._visits[event.call] = self._visits.get(event.call, 0) + 1
        insort(self._waiting.setdefault(event.queue, []), (visit.place, visit.call))
        self._stirred = True
        self._note_due(stay)
        return []

    def _announce(self, stay: Stay) -> WaitAnnounced:
        call = stay.visit.call
        return WaitAnnounced(
            call=call,
            visit=stay.visit.visit,
            position=self.position(call),
            playback=playback_id(call, n=waits.FIRST_PLAYBACK + stay.wait.announcements),
        )

    def _announcement(self, stay: Stay, position: int) -> tuple[Prompt, ...]:
        messages = self.policy(stay.visit.queue).messages
        spoken = self._position_prompts(position)
        if not messages:
            return spoken
        return (*spoken, messages[stay.wait.announcements % len(messages)])

    def _offer_ended(self, event: OfferEnded, *, at: float) -> list[Output]:
        self._stirred = True
        if event.outcome in _BLAMELESS:
            self._rest_until.pop(event.agent, None)
            return []
        back_off_s = self.policy(self._stays[event.call].visit.queue).back_off_s
        self._rest_until[event.agent] = at + back_off_s
        return [SetAgentTimer(agent=event.agent, key=REST_TIMER, token=0, after_s=back_off_s)]

    def _leave(self, stay: Stay) -> None:
        waiting = self._waiting.get(stay.visit.queue, [])
        place = (stay.visit.place, stay.visit.call)
        if place in waiting:
            waiting.remove(place)

    def _head(
        self, waiting: list[tuple[tuple[int, float, int], CallId]]
    ) -> tuple[tuple[int, float, int], CallId] | None:
        """The first of a queue who is not being offered to somebody already."""
        for place, call in waiting:
            if self._stays[call].visit.state is VisitState.WAITING:
                return place, call
        return None

    def _choose(self, queue: QueueName) -> tuple[AgentId | None, dict[str, str]]:
        """The agent of the queue who has been idle longest, and why not each of the others."""
        chosen: AgentId | None = None
        passed_over: dict[str, str] = {}
        for agent_id in self._roster.of_queue(queue):
            agent = self._roster[agent_id]
            if agent.presence is not Presence.READY:
                passed_over[agent_id] = agent.presence.value
            elif agent_id in self._rest_until:
                passed_over[agent_id] = "left in peace after a missed offer"
            elif chosen is None or agent.idle_since < self._roster[chosen].idle_since:
                if chosen is not None:
                    passed_over[chosen] = "idle for less time"
                chosen = agent_id
            else:
                passed_over[agent_id] = "idle for less time"
        return chosen, passed_over
