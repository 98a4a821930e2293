"""Who is able for what: contacts that ask the same are of one `Ask`, agents who can do the same of one `Kin`.

In: a queue's policy at one of its steps, what a flow asks beyond it, and agents' records. Out: able or not and why not,
worked out once for each pair; the line of those who wait for it and the bench of those who are free for it. Pure; must
never import the desk or the matching.
"""

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from acd.core.choosing import CHOOSINGS, Bench
from acd.core.line import Line, Ticket
from acd.core.policy import QueuePolicy
from acd.core.skills import FIRST_LEVEL, asked, requirement_or_none, speaks
from agents import Member
from telefonista.kernel.events import Medium
from telefonista.kernel.ids import AgentId, CallId, QueueName, VisitId

_NOBODY: frozenset[AgentId] = frozenset()


class Contact(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Somebody, or something, that waits in a queue."""

    call: CallId
    visit: VisitId
    queue: QueueName
    medium: Medium = Medium.CALL
    priority: int = 0
    place_at: float = 0.0
    """Since when it waits, epoch seconds."""
    order: int = 0
    """Tells apart those who came at the same time."""
    requires: str = ""
    """What is asked beyond what the queue asks, at every step."""
    language: str = ""
    only: AgentId | None = None
    """Nobody else, whatever their skills."""
    sticky: AgentId | None = None
    """Preferred until `sticky_until`, if able and at work; then anybody."""
    sticky_until: float = 0.0
    not_before: float = 0.0
    """Waits, but is offered to nobody until then (epoch seconds)."""
    refused_by: frozenset[AgentId] = _NOBODY
    """Who missed it, and is offered it at once again only where nobody else is able."""


class Waiting(Ticket, gc=True):
    """A contact in its queue, and where it is looked for at present. The key is the time since when it waits, priority
    counted as waiting."""

    contact: Contact
    place: tuple[float, int, CallId] = (0.0, 0, CallId(""))
    """In the queue's own order."""
    ask: "Ask | None" = None
    """In whose line it stands."""
    personal: AgentId | None = None
    """For whom alone it waits now."""
    withheld: bool = False
    recheck: "Recheck | None" = None


class Recheck(Ticket, gc=True):
    """When to look at a contact again; the key is the time."""

    waiting: Waiting


class Kin:
    """Agents with the same skills, languages, queues and levels."""

    __slots__ = ("able", "counts", "languages", "levels", "queues", "rarity", "skills", "unable", "working")

    def __init__(self, member: Member) -> None:
        self.queues = member.queues
        self.skills = {skill: level for skill, level in member.skills.items() if level > 0}
        self.languages = member.languages
        self.levels = member.levels
        self.rarity = 0.0
        self.able: list[Ask] = []
        self.unable: dict[Ask, str] = {}
        """Asks of their own queues that they cannot serve, and why."""
        self.counts: list[defaultdict[str, int]] = []
        """Of each large queue of theirs: how many of its agents are not free, for each reason."""
        self.working = 0
        """How many of them are at work: free now, or soon."""

    def learn(self, ask: "Ask", *, language: str) -> None:
        """Work out whether they are able for an ask of a queue of theirs. `language` is the installation's own."""
        lacking = ask.lacking(self, language=language)
        if lacking:
            self.unable[ask] = lacking
        else:
            self.able.append(ask)
            ask.kins.append(self)


class Ask:
    """What contacts of one queue ask at one step; those who wait for it, and those who are free and able."""

    __slots__ = (
        "base",
        "bench",
        "beyond",
        "kins",
        "language",
        "level",
        "line",
        "members",
        "policy",
        "target_s",
        "unable",
    )

    def __init__(
        self, *, policy: QueuePolicy, step: int, beyond: str, language: str, members: Sequence[AgentId]
    ) -> None:
        requires, self.level = asked(policy, step=step)
        self.policy = policy
        self.target_s = policy.service_level_s
        self.base = requirement_or_none(requires)
        self.beyond = requirement_or_none(beyond)
        self.language = language
        self.line: Line[Waiting] = Line()
        self.bench = Bench(CHOOSINGS[policy.strategy], queue=policy.name)
        self.kins: list[Kin] = []
        """Those who are able."""
        self.members = members
        """The agents of the queue, able or not."""
        self.unable: defaultdict[str, int] = defaultdict(int)
        """How many of those who are free are not able, for each reason."""

    def lacking(self, kin: Kin, *, language: str) -> str:
        """Why agents of this kin cannot serve it; empty when they can. `language` is the installation's own."""
        level = kin.levels.get(self.policy.name, FIRST_LEVEL)
        if level > self.level:
            return self._level_in_words(level)
        if not speaks(kin.languages, language=self.language, own=language):
            return f"does not speak {self.language}"
        return self.base.lacking(kin.skills) or self.beyond.lacking(kin.skills)

    def _level_in_words(self, level: int) -> str:
        name = {2: "second level", 3: "third level"}.get(level, f"level {level}")
        for relaxation in self.policy.relax:
            if relaxation.level is not None and relaxation.level >= level:
                return f"{name}, from {relaxation.after_s:g} s on"
        return f"{name}, not asked"
