"""The engine's door for people: who they are by their token, and what they wish, passed on or turned away.

In: a wish as an event, and whose it is. Out: nothing, or the reason why not, as `web` tells it. A wish that is turned
away here is journalled too, as one that the rooms refuse is.
"""

from telefonista.app.engine import Engine
from telefonista.kernel.call import Call
from telefonista.kernel.events import AgentEvent, CallEvent, Event
from telefonista.kernel.ids import AgentId, CallId
from telefonista.web import Refusal, Unknown


class Door:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def agent_of(self, call: CallId) -> AgentId | None:
        """Who talks in this call. Raises `Unknown`."""
        return self._call(call).agent

    async def wish(self, event: Event, *, by: str) -> None:
        """Raises `Refusal`, `Unknown`."""
        if isinstance(event, CallEvent):
            self._call(event.call)
        elif isinstance(event, AgentEvent) and event.agent not in self._engine.agents.roster.members:
            raise Unknown(f"there is no agent {event.agent}")
        why_not = self._engine.ask(event)
        if why_not is not None:
            raise Refusal(why_not)

    def _call(self, call: CallId) -> Call:
        found = self._engine.calls.open.get(call)
        if found is None:
            raise Unknown(f"there is no open call {call}")
        return found
