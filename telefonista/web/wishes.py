"""What people may wish by the API: for an agent (log in, pause, …) and for a call (hold, transfer, supervise, …).

In: a request's body, checked. Out: the event that says it, given to the engine by `WishPort`, and an answer: done, or
why not. Whether this person may wish it, the port says; nothing is decided here.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, HTTPException
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from acd import read_destination
from telefonista.kernel.events import (
    CancellationAsked,
    ConferenceAsked,
    ConsultationAsked,
    ConsultationEndAsked,
    DispositionAsked,
    Event,
    HoldAsked,
    LogInAsked,
    LogOutAsked,
    MoveAsked,
    PauseAsked,
    ReadyAsked,
    Supervision,
    SupervisionAsked,
    SupervisionEndAsked,
    TakeOverAsked,
    TransferAsked,
    TransferCompletionAsked,
    WrapUpExtensionAsked,
)
from telefonista.kernel.ids import AgentId, CallId, QueueName

INSTALLATION = "installation"
"""Who asks with the installation's own token, unless the request names somebody."""


class Refusal(Exception):
    """The engine will not do it; the message says why, one line per problem."""


class Forbidden(Exception):
    """This person may not; the message says what is missing."""


class Unknown(Exception):
    """There is no such agent, call or person."""


class WishPort(Protocol):
    """What the API asks of the engine for people."""

    def agent_of(self, call: CallId) -> AgentId | None:
        """Who talks in this call. Raises `Unknown`."""

    async def wish(self, event: Event, *, by: str) -> None:
        """Have it carried out for this person. Raises `Refusal`, `Forbidden`, `Unknown`."""


def _destination(text: str) -> str:
    read_destination(text)
    return text


Id = Annotated[str, Field(max_length=8, pattern=r"^[0-9]*$")]
Words = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Wish(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    by: Id = ""
    """On whose behalf; only the installation's own token may name somebody."""


class Pause(Wish):
    reason: Words = ""


class Extension(Wish):
    more_s: float = Field(0.0, ge=0, le=3600)
    """0: as much as the queue grants at a time."""


class Disposition(Wish):
    call: str = Field("", max_length=100)
    """Empty: the contact that the agent had last."""
    disposition: Words = Field(min_length=1)
    note: str = Field("", max_length=1000)


class InCall(Wish):
    agent: Id = ""
    """Empty: who talks in the call."""


class Elsewhere(InCall):
    to: Annotated[str, AfterValidator(_destination)]
    """Such as `queue general`, `agent 102`, `flow 0800-info/menu`, `number 1950`."""


class Supervised(Wish):
    supervisor: Id = ""
    """Whose telephone takes part; empty: that of who asks."""


class Listening(Supervised):
    mode: Supervision = Supervision.LISTEN


class Move(Wish):
    queue: str = Field("", max_length=40)
    """Empty: stays in its queue."""
    to_front: bool = False


class Said(BaseModel):
    said: str = "done"


def wishes(engine: WishPort, *, asks: Callable[..., str]) -> APIRouter:
    """`POST /agents/{agent}/…` and `POST /calls/{call}/…`. `asks` depends on the request and gives whose token it
    shows: a person's id, or empty for the installation's own."""
    router = APIRouter()
    Who = Annotated[str, Depends(asks)]

    async def carry_out(who: str, body: Wish, event: Callable[[str], Event]) -> Said:
        if who and body.by not in ("", who):
            raise HTTPException(403, f"{who} speaks for nobody else")
        by = who or body.by or INSTALLATION
        await _answered(engine.wish(event(by), by=by))
        return Said()

    def talking(call: str, body: InCall) -> AgentId:
        try:
            agent = AgentId(body.agent) if body.agent else engine.agent_of(CallId(call))
        except Unknown as unknown:
            raise HTTPException(404, str(unknown)) from unknown
        if agent is None:
            raise HTTPException(409, "no agent talks in this call")
        return agent

    def telephone(body: Supervised, by: str) -> AgentId:
        if not body.supervisor and by == INSTALLATION:
            raise HTTPException(422, "name the supervisor whose telephone takes part")
        return AgentId(body.supervisor or by)

    @router.post("/agents/{agent}/login")
    async def login(agent: AgentId, body: Wish, who: Who) -> Said:
        return await carry_out(who, body, lambda by: LogInAsked(agent=agent, by=by))

    @router.post("/agents/{agent}/logout")
    async def logout(agent: AgentId, body: Wish, who: Who) -> Said:
        return await carry_out(who, body, lambda by: LogOutAsked(agent=agent, by=by))

    @router.post("/agents/{agent}/pause")
    async def pause(agent: AgentId, body: Pause, who: Who) -> Said:
        return await carry_out(who, body, lambda by: PauseAsked(agent=agent, reason=body.reason, by=by))

    @router.post("/agents/{agent}/ready")
    async def ready(agent: AgentId, body: Wish, who: Who) -> Said:
        return await carry_out(who, body, lambda by: ReadyAsked(agent=agent, by=by))

    @router.post("/agents/{agent}/wrap-up")
    async def wrap_up(agent: AgentId, body: Extension, who: Who) -> Said:
        return await carry_out(who, body, lambda by: WrapUpExtensionAsked(agent=agent, more_s=body.more_s, by=by))

    @router.post("/agents/{agent}/disposition")
    async def disposition(agent: AgentId, body: Disposition, who: Who) -> Said:
        return await carry_out(
            who,
            body,
            lambda by: DispositionAsked(
                agent=agent, call=CallId(body.call), disposition=body.disposition, note=body.note, by=by
            ),
        )

    @router.post("/calls/{call}/hold")
    async def hold(call: CallId, body: InCall, who: Who) -> Said:
        agent = talking(call, body)
        return await carry_out(who, body, lambda by: HoldAsked(call=call, agent=agent, by=by))

    @router.post("/calls/{call}/unhold")
    async def unhold(call: CallId, body: InCall, who: Who) -> Said:
        agent = talking(call, body)
        return await carry_out(who, body, lambda by: HoldAsked(call=call, agent=agent, on=False, by=by))

    @router.post("/calls/{call}/transfer")
    async def transfer(call: CallId, body: Elsewhere, who: Who) -> Said:
        agent, to = talking(call, body), read_destination(body.to)
        return await carry_out(who, body, lambda by: TransferAsked(call=call, agent=agent, to=to, by=by))

    @router.post("/calls/{call}/consult")
    async def consult(call: CallId, body: Elsewhere, who: Who) -> Said:
        agent, to = talking(call, body), read_destination(body.to)
        return await carry_out(who, body, lambda by: ConsultationAsked(call=call, agent=agent, to=to, by=by))

    @router.post("/calls/{call}/conference")
    async def conference(call: CallId, body: InCall, who: Who) -> Said:
        agent = talking(call, body)
        return await carry_out(who, body, lambda by: ConferenceAsked(call=call, agent=agent, by=by))

    @router.post("/calls/{call}/complete")
    async def complete(call: CallId, body: InCall, who: Who) -> Said:
        agent = talking(call, body)
        return await carry_out(who, body, lambda by: TransferCompletionAsked(call=call, agent=agent, by=by))

    @router.post("/calls/{call}/back")
    async def back(call: CallId, body: InCall, who: Who) -> Said:
        agent = talking(call, body)
        return await carry_out(who, body, lambda by: ConsultationEndAsked(call=call, agent=agent, by=by))

    @router.post("/calls/{call}/supervise")
    async def supervise(call: CallId, body: Listening, who: Who) -> Said:
        return await carry_out(
            who,
            body,
            lambda by: SupervisionAsked(call=call, supervisor=telephone(body, by), mode=body.mode, by=by),
        )

    @router.post("/calls/{call}/unsupervise")
    async def unsupervise(call: CallId, body: Supervised, who: Who) -> Said:
        return await carry_out(
            who, body, lambda by: SupervisionEndAsked(call=call, supervisor=telephone(body, by), by=by)
        )

    @router.post("/calls/{call}/takeover")
    async def takeover(call: CallId, body: Supervised, who: Who) -> Said:
        return await carry_out(who, body, lambda by: TakeOverAsked(call=call, supervisor=telephone(body, by), by=by))

    @router.post("/calls/{call}/move")
    async def move(call: CallId, body: Move, who: Who) -> Said:
        queue = QueueName(body.queue)
        return await carry_out(who, body, lambda by: MoveAsked(call=call, by=by, queue=queue, to_front=body.to_front))

    @router.post("/calls/{call}/cancel")
    async def cancel(call: CallId, body: Wish, who: Who) -> Said:
        return await carry_out(who, body, lambda by: CancellationAsked(call=call, by=by))

    return router


async def _answered(wish: Awaitable[None]) -> None:
    try:
        await wish
    except Unknown as unknown:
        raise HTTPException(404, str(unknown)) from unknown
    except Forbidden as forbidden:
        raise HTTPException(403, str(forbidden)) from forbidden
    except Refusal as refusal:
        raise HTTPException(409, str(refusal)) from refusal
