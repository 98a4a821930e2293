"""Random days on which agents wish things too: they log in and out, pause, are ready, owe dispositions, dial codes."""

from __future__ import annotations

from acd import QueuePolicy, WrapUpMode
from agents.core.presence import LONGEST_OWED_S
from telefonista.kernel.events import (
    CodeDialled,
    DispositionAsked,
    Event,
    LogInAsked,
    LogOutAsked,
    PauseAsked,
    ReadyAsked,
    WrapUpExtensionAsked,
)
from telefonista.kernel.ids import NO_CALL, AgentId
from tests.fakes.days import AGENTS, DayOfGaps, Verb
from tests.fakes.house import GENERAL, TRAMITES, House

POLICIES = (
    QueuePolicy(
        name=GENERAL,
        most_misses=2,
        wrap_up_mode=WrapUpMode.UNTIL_DONE,
        dispositions=("resuelto", "derivado"),
        disposition_required=True,
    ),
    QueuePolicy(
        name=TRAMITES,
        most_misses=0,
        wrap_up_s=5,
        wrap_up_extend_s=20,
        dispositions=("agendado",),
        disposition_required=True,
    ),
)
SUPERVISOR = "201"


class DayOfWishes(DayOfGaps):
    def _house(self) -> House:
        return House(policies=POLICIES)

    def _verbs(self) -> list[Verb]:
        return [*super()._verbs(), (14, lambda: self.house.alive, self.agent_wishes)]

    def agent_wishes(self, which: int) -> None:
        """For themselves, or somebody else for them."""
        agent, by = AGENTS[which % 2], ("", SUPERVISOR)[which // 2 % 2]
        wishes = self._wishes(agent, by=by)
        self.house.engine.ask(wishes[which // 4 % len(wishes)])

    def _wishes(self, agent: AgentId, *, by: str) -> list[Event]:
        return [
            LogInAsked(agent=agent, by=by),
            ReadyAsked(agent=agent, by=by),
            ReadyAsked(agent=agent, by=by),
            DispositionAsked(agent=agent, call=NO_CALL, disposition="1", by=by),
            DispositionAsked(agent=agent, call=NO_CALL, disposition="2", by=by),
            WrapUpExtensionAsked(agent=agent, more_s=0, by=by),
            PauseAsked(agent=agent, reason="almuerzo", by=by),
            LogOutAsked(agent=agent, by=by),
            CodeDialled(agent=agent, code="*15"),
        ]

    def _everybody_is_at_work(self) -> None:
        for agent in AGENTS:
            self.house.engine.ask(LogInAsked(agent=agent))
            self.house.engine.ask(ReadyAsked(agent=agent, by=SUPERVISOR))
        # Timers of wrap-ups that ended before their time fire for nobody.
        self.house.clock.advance(LONGEST_OWED_S)
        self.house.hear()
