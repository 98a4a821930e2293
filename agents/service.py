"""Drives the agents' presence by the journal's events. Holds the roster; decides nothing that the core does not."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from agents.core.presence import MACHINE, WRAP_UP_TIMER, Agent
from agents.core.roster import Member, Roster
from telefonista.kernel.commands import SetAgentTimer
from telefonista.kernel.events import (
    AgentEvent,
    AgentRang,
    CallEnded,
    ConversationEnded,
    ConversationStarted,
    Entry,
    OfferEnded,
    OfferMade,
    Presence,
)
from telefonista.kernel.ids import CallId, QueueName
from telefonista.kernel.machine import Output


class AgentsService:
    """A `Room`. `wrap_up_s` tells how long a conversation of a queue is wrapped up, in seconds."""

    consumes: frozenset[type] = frozenset(MACHINE.events)

    def __init__(self, members: Iterable[Member], *, wrap_up_s: Callable[[QueueName], float]) -> None:
        self.roster = Roster(members)
        self._wrap_up_s = wrap_up_s

    def handle(self, entry: Entry) -> Sequence[Output]:
        event = entry.event
        if isinstance(event, CallEnded):
            held = [agent for agent in self.roster if agent.call == event.call]
            return [output for agent in held for output in self._step(agent, entry)]
        assert isinstance(
            event, AgentEvent | OfferMade | AgentRang | OfferEnded | ConversationStarted | ConversationEnded
        )
        agent = self.roster[event.agent]
        if isinstance(event, ConversationStarted):
            agent = msgspec.structs.replace(agent, wrap_up_s=self._wrap_up_s(event.queue))
        return self._step(agent, entry)

    def _step(self, agent: Agent, entry: Entry) -> list[Output]:
        after, outputs = MACHINE.step(agent, entry.event, at=entry.at)
        self.roster.put(after)
        return outputs

    def resume(self, call: CallId, *, at: float) -> Sequence[Output]:
        return ()

    def resume_agents(self, *, at: float) -> Sequence[Output]:
        """Timers that a restart stopped: wrap-ups go on for what is left of them."""
        return [
            SetAgentTimer(
                agent=agent.agent,
                key=WRAP_UP_TIMER,
                token=agent.token,
                after_s=max(0.0, agent.wrap_up_until - at),
            )
            for agent in self.roster
            if agent.presence is Presence.WRAP_UP and agent.wrap_up_until is not None
        ]

    def forget(self, call: CallId) -> None:
        """Agents outlive calls."""
