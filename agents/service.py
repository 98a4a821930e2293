"""Drives the agents' presence by the journal's events, and takes the keys that they press for wishes.

Holds the roster; decides nothing that the core does not. What a queue grants after a conversation, and what a number
that an agent dials stands for, come from outside.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from agents.core.conversing import Conversing
from agents.core.directory import Directory
from agents.core.dispositions import decide
from agents.core.presence import MACHINE, WRAP_UP_TIMER, Agent, Granted, grant
from agents.core.roster import Member, Roster
from telefonista.kernel.commands import SetAgentTimer
from telefonista.kernel.events import (
    AgentEvent,
    AgentRang,
    AttemptMade,
    CallEnded,
    ConversationEnded,
    ConversationStarted,
    DigitPressed,
    DispositionAsked,
    Entry,
    HoldBegan,
    HoldEnded,
    OfferEnded,
    OfferMade,
    PartyCalled,
    PartyJoined,
    PartyLeft,
    Phone,
    PhoneChanged,
    Presence,
    ReferReceived,
    SupervisionBegan,
    SupervisionEnded,
)
from telefonista.kernel.ids import AgentId, CallId, QueueName
from telefonista.kernel.machine import Output

_OfAnAgent = (
    OfferMade
    | AgentRang
    | AttemptMade
    | OfferEnded
    | ConversationStarted
    | ConversationEnded
    | HoldBegan
    | HoldEnded
    | PartyCalled
    | PartyJoined
    | PartyLeft
)


class AgentsService:
    """A `Room`. `granted` tells what a queue grants after a conversation."""

    consumes: frozenset[type] = frozenset({*MACHINE.events, DispositionAsked, DigitPressed, ReferReceived})

    def __init__(
        self,
        members: Iterable[Member],
        *,
        granted: Callable[[QueueName], Granted],
    ) -> None:
        self.roster = Roster(members)
        self.conversing = Conversing(on_hold=lambda agent: self.roster[agent].presence is Presence.ON_HOLD)
        self._granted = granted
        self._automatic = True

    @property
    def directory(self) -> Directory:
        return self.conversing.directory

    def follow(self, *, directory: Directory, automatic: bool) -> None:
        """From here on `directory` knows what an agent may dial in a conversation; `automatic`: an agent is logged in
        by the phone's coming, as long as nobody says otherwise."""
        self.conversing.directory = directory
        self._automatic = automatic

    def handle(self, entry: Entry) -> Sequence[Output]:
        event = entry.event
        if isinstance(event, DigitPressed):
            return self.conversing.pressed(event, at=entry.at)
        if isinstance(event, ReferReceived):
            return self.conversing.referred(event)
        if isinstance(event, CallEnded):
            held = [agent for agent in self.roster if agent.call == event.call]
            return [output for agent in held for output in self._step(agent, entry)]
        who = _agent_of(event)
        if who is None:
            return ()
        agent = self.roster[who]
        if isinstance(event, DispositionAsked):
            return decide(agent, event, granted=self._granted)
        if isinstance(event, ConversationStarted):
            agent = grant(agent, event, granted=self._granted(event.queue))
            self.conversing.started(event)
        elif isinstance(event, ConversationEnded):
            self.conversing.ended(event)
        elif isinstance(event, PhoneChanged):
            agent = self._logged_in(agent, event)
        return self._step(agent, entry)

    def _logged_in(self, agent: Agent, event: PhoneChanged) -> Agent:
        """By the phone alone, where that is enough and the agent has not said otherwise."""
        by_phone = self._automatic and agent.logged_in is None and event.phone is not Phone.UNREACHABLE
        return msgspec.structs.replace(agent, logged_in=True) if by_phone else agent

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
            if agent.wrap_up_until is not None
        ]

    def forget(self, call: CallId) -> None:
        """Agents outlive calls; what was typed in one does not."""
        self.conversing.forget(call)


def _agent_of(event: object) -> AgentId | None:
    """Whom an event is about; None for a party outside."""
    if isinstance(event, SupervisionBegan | SupervisionEnded):
        return event.supervisor
    assert isinstance(event, AgentEvent | _OfAnAgent)
    return event.agent or None
