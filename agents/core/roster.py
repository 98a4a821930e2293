"""Who works for which queue, and what each is doing now. The ACD asks it; only applied events change it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from agents.core.presence import Agent
from telefonista.kernel.events import Presence
from telefonista.kernel.ids import AgentId, QueueName


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """An agent as configured."""

    agent: AgentId
    name: str
    queues: tuple[QueueName, ...]
    skills: Mapping[str, int] = {}
    """Level 0 to 10 by skill; one that is not named is not known at all."""
    languages: tuple[str, ...] = ()
    """Such as es or es-UY; empty means the installation's own."""
    levels: Mapping[QueueName, int] = {}
    """The group in which this agent answers a queue: 1 is the first level, which is where nothing is said."""


class Roster:
    """Agents by id and by queue. Who left the configuration stays until the present contact is over, and who comes back
    into it is what their phone has become meanwhile."""

    def __init__(self, members: Iterable[Member]) -> None:
        self._agents: dict[AgentId, Agent] = {}
        self._members: dict[AgentId, Member] = {}
        self._by_queue: dict[QueueName, tuple[AgentId, ...]] = {}
        self.edition = 0
        """Rises by one with each configuration, so that who keeps sums over members knows when to make them anew."""
        self.configure(members)

    def configure(self, members: Iterable[Member]) -> None:
        self._members = {member.agent: member for member in members}
        by_queue: dict[QueueName, list[AgentId]] = {}
        for member in self._members.values():
            self._agents.setdefault(member.agent, Agent(agent=member.agent))
            for queue in member.queues:
                by_queue.setdefault(queue, []).append(member.agent)
        self._by_queue = {queue: tuple(ids) for queue, ids in by_queue.items()}
        self.edition += 1

    def __iter__(self) -> Iterator[Agent]:
        """Those who are configured, and those who are not any more but still have a contact."""
        return (agent for agent in self._agents.values() if agent.agent in self._members or agent.call is not None)

    def __getitem__(self, agent: AgentId) -> Agent:
        """The agent's state; one never heard of is offline."""
        return self._agents.get(agent) or Agent(agent=agent)

    def put(self, agent: Agent) -> None:
        self._agents[agent.agent] = agent

    @property
    def members(self) -> Mapping[AgentId, Member]:
        return self._members

    def of_queue(self, queue: QueueName) -> Sequence[AgentId]:
        return self._by_queue.get(queue, ())

    def queues_of(self, agent: AgentId) -> Sequence[QueueName]:
        member = self._members.get(agent)
        return member.queues if member is not None else ()

    def is_ready(self, agent: AgentId) -> bool:
        return self[agent].presence is Presence.READY
