"""How many agents are at work for each queue, counted as they come and go.

In: word that an agent's presence changed, or the configuration. Out: numbers, for who asks them at every arrival and
announcement, however many agents there are. Pure; must never import the desk.
"""

from collections.abc import Sequence

from agents import Roster
from telefonista.kernel.events import Presence
from telefonista.kernel.ids import AgentId, QueueName

AWAY = frozenset({Presence.OFFLINE, Presence.UNREACHABLE})

Queues = tuple[QueueName, ...]


class Staff:
    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._edition = -1
        self._counted: dict[AgentId, tuple[Queues, bool, bool]] = {}
        """As what each agent is in the counts: their queues, whether at work, whether not paused."""
        self._at_work: dict[Queues, int] = {}
        self._available: dict[Queues, int] = {}
        self._groups: dict[QueueName, list[Queues]] = {}

    def changed(self, agent: AgentId) -> None:
        if self._edition == self._roster.edition:
            self._count(agent)

    def at_work(self, queue: QueueName) -> int:
        """Agents of the queue who are logged in with a telephone that is there, paused ones included."""
        self._up_to_date()
        return sum(self._at_work.get(queues, 0) for queues in self._groups.get(queue, ()))

    def available(self, queue: QueueName) -> int:
        """Those of them who are not paused."""
        self._up_to_date()
        return sum(self._available.get(queues, 0) for queues in self._groups.get(queue, ()))

    def groups(self, queue: QueueName) -> Sequence[tuple[Queues, int]]:
        """The available agents of a queue by all the queues that they answer."""
        self._up_to_date()
        counts = [(queues, self._available.get(queues, 0)) for queues in self._groups.get(queue, ())]
        return [(queues, count) for queues, count in counts if count]

    def _up_to_date(self) -> None:
        if self._edition == self._roster.edition:
            return
        self._edition = self._roster.edition
        self._counted, self._at_work, self._available, self._groups = {}, {}, {}, {}
        for agent in self._roster.members:
            self._count(agent)

    def _count(self, agent: AgentId) -> None:
        queues = tuple(self._roster.queues_of(agent))
        presence = self._roster[agent].presence
        now = (queues, presence not in AWAY, presence not in AWAY and presence is not Presence.PAUSED)
        before = self._counted.get(agent)
        if now == before:
            return
        if before is None:
            for queue in queues:
                groups = self._groups.setdefault(queue, [])
                if queues not in groups:
                    groups.append(queues)
        else:
            self._at_work[queues] -= before[1]
            self._available[queues] -= before[2]
        self._counted[agent] = now
        self._at_work[queues] = self._at_work.get(queues, 0) + now[1]
        self._available[queues] = self._available.get(queues, 0) + now[2]
