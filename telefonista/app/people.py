"""The engine's door for people: who they are by their token, and what they wish, passed on or turned away.

In: a wish as an event, and whose it is. Out: nothing, or the reason why not, as `web` tells it. Permission is decided
by `agents.why_not`; a wish that is turned away here is journalled too, as one that the rooms refuse is.
"""

import hmac
import re
from collections.abc import Awaitable, Callable, Collection, Mapping

import msgspec

from agents import Person, why_not
from telefonista.app.config import Config
from telefonista.app.engine import Engine
from telefonista.kernel.call import Call, CallState
from telefonista.kernel.events import (
    AgentEvent,
    AgentRequestRefused,
    CallEvent,
    ConsultationAsked,
    DispositionAsked,
    Event,
    PauseAsked,
    Phone,
    Presence,
    RequestRefused,
    SupervisionAsked,
    TakeOverAsked,
    TransferAsked,
)
from telefonista.kernel.ids import AgentId, CallId, QueueName
from telefonista.web import INSTALLATION, Forbidden, Refusal, Unknown

QueueOf = Callable[[CallId, AgentId], Awaitable[QueueName | None]]
"""In which queue an agent had a contact that may be over since long."""


class Door:
    """`config` and `tokens` (by person) are asked each time, for they are read again while the engine runs."""

    def __init__(
        self,
        engine: Callable[[], Engine],
        *,
        config: Callable[[], Config],
        tokens: Callable[[], Mapping[str, str]],
        queue_of: QueueOf,
    ) -> None:
        self._engine_now = engine
        self._config = config
        self._tokens = tokens
        self._queue_of = queue_of

    @property
    def _engine(self) -> Engine:
        return self._engine_now()

    def person(self, token: str) -> str | None:
        """Whose token this is; None for nobody's. Takes as long whoever it is."""
        known = self._config().everybody
        given = token.encode()
        found = [who for who, kept in self._tokens().items() if hmac.compare_digest(kept.encode(), given)]
        return found[0] if found and AgentId(found[0]) in known else None

    def agent_of(self, call: CallId) -> AgentId | None:
        """Who talks in this call. Raises `Unknown`."""
        found = self._call(call)
        return (found.agent or None) if found.state is CallState.TALKING else None

    async def wish(self, event: Event, *, by: str) -> None:
        """Raises `Refusal`, `Forbidden`, `Unknown`."""
        person = None if by == INSTALLATION else self._config().everybody.get(AgentId(by))
        if person is None and by != INSTALLATION:
            raise Unknown(f"there is nobody with the number {by}")
        queues = self._queues(event)
        if isinstance(event, DispositionAsked) and event.call:
            queue = await self._queue_of(event.call, event.agent)
            event = msgspec.structs.replace(event, queue=queue or QueueName(""))
        if person is not None:
            self._permit(person, event, queues=queues)
        nonsense = self._nonsense(event)
        if nonsense is not None:
            self._note(event, by=by, why=nonsense)
            raise Refusal(nonsense)
        refused = self._engine.ask(event)
        if refused is not None:
            raise Refusal(refused)

    def _permit(self, person: Person, event: Event, *, queues: Collection[QueueName]) -> None:
        forbidden = why_not(person, event, queues=queues)
        if forbidden is not None:
            self._note(event, by=person.id, why=forbidden)
            raise Forbidden(forbidden)

    def _queues(self, event: Event) -> Collection[QueueName]:
        """Those of the agent or the call that a wish is about. Raises `Unknown`."""
        roster = self._engine.agents.roster
        if isinstance(event, CallEvent):
            queue = self._call(event.call).queue
            return () if queue is None else (queue,)
        assert isinstance(event, AgentEvent)
        if event.agent not in roster.members:
            raise Unknown(f"there is no agent {event.agent}")
        return roster.queues_of(event.agent)

    def _nonsense(self, event: Event) -> str | None:
        """What is wrong with a wish whoever has it."""
        if isinstance(event, PauseAsked):
            reasons = sorted(self._config().pause_reasons.values())
            if event.reason and reasons and event.reason not in reasons:
                return f"{event.reason!r} is no reason for a pause; there are {', '.join(reasons)}"
        if isinstance(event, TransferAsked | ConsultationAsked):
            return self._engine.agents.directory.why_not(event.to)
        if isinstance(event, SupervisionAsked | TakeOverAsked):
            return self._cannot_take_part(event.supervisor, call=event.call)
        return None

    def _cannot_take_part(self, supervisor: AgentId, *, call: CallId) -> str | None:
        roster = self._engine.agents.roster
        if supervisor not in roster.members:
            return f"{supervisor} has no telephone here"
        state = roster[supervisor]
        takes_part = state.call == call and state.presence is Presence.BUSY
        if state.call is not None and not takes_part:
            return f"{supervisor} is in a call, or wraps one up"
        if state.phone is Phone.UNREACHABLE:
            return f"the telephone of {supervisor} is not there"
        return None

    def _note(self, event: Event, *, by: str, why: str) -> None:
        """The journal gets it: whoever looks after the house wants to see what was tried."""
        what = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(event).__name__.removesuffix("Asked")).lower()
        if isinstance(event, CallEvent):
            self._engine.receive(RequestRefused(call=event.call, by=by, what=what, why=why))
        elif isinstance(event, AgentEvent):
            self._engine.receive(AgentRequestRefused(agent=event.agent, by=by, what=what, why=why))

    def _call(self, call: CallId) -> Call:
        found = self._engine.calls.open.get(call)
        if found is None:
            raise Unknown(f"there is no open call {call}")
        return found
