"""What a call is made of, and where each of its legs has to be.

In: nothing. Out: the frozen values of a call, and two functions of them: `layout` says which legs belong together, in
which bridge or in the waiting room, and who hears a ringing tone or is not heard; `moves` says by which commands one
layout becomes another. Every reaction changes the value only, and what Asterisk is told follows from the difference; so
does what has to be mended after a gap. Must never import I/O or a room.
"""

from enum import StrEnum

import msgspec
from msgspec.structs import replace

from telefonista.kernel.commands import (
    Connect,
    Disconnect,
    Mute,
    PlayRinging,
    StartMusic,
    StopMusic,
    StopPlayback,
    Unmute,
)
from telefonista.kernel.events import EndReason, Medium, Supervision
from telefonista.kernel.ids import (
    AgentId,
    BridgeId,
    CallId,
    LegId,
    LineName,
    OfferId,
    PlaybackId,
    QueueName,
    RecordingId,
    RouteName,
    VisitId,
    citizen_leg,
)
from telefonista.kernel.machine import Output

__all__ = [
    "Call",
    "CallState",
    "Hold",
    "Layout",
    "Offered",
    "Party",
    "Step",
    "Supervised",
    "awaited",
    "layout",
    "moves",
    "replace",
    "roles",
]


class CallState(StrEnum):
    IN_FLOW = "in_flow"
    WAITING = "waiting"
    RINGING = "ringing"
    DIALLING = "dialling"
    """An agent is on the line, and the citizen to be called back is dialled."""
    TALKING = "talking"
    PASSING = "passing"
    """Between two conversations, or a conversation and a queue: never at rest."""
    DIVERTING = "diverting"
    """A number outside is dialled; the citizen hears music."""
    CLEARING = "clearing"
    ENDED = "ended"


class Hold(StrEnum):
    NONE = "none"
    OURS = "ours"
    """The citizen is in the waiting room."""
    PHONE = "phone"
    """The telephone asked Asterisk for it: the citizen hears music where they are."""


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """An agent who is being rung for this call, or is on the line while the citizen is called back."""

    offer: OfferId
    visit: VisitId
    agent: AgentId
    leg: LegId
    rang: bool = False


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """Whom an agent consults, or the number outside that the call is passed on to."""

    leg: LegId
    agent: AgentId | None = None
    number: str = ""
    rang: bool = False
    joined: bool = False


class Supervised(msgspec.Struct, frozen=True, kw_only=True):
    """A supervisor who takes part, by a leg of their own and one that Asterisk makes to listen at the agent's."""

    supervisor: AgentId
    leg: LegId
    snoop: LegId
    bridge: BridgeId
    mode: Supervision
    answered: bool = False
    snooping: bool = False


class Call(msgspec.Struct, frozen=True, kw_only=True):
    call: CallId
    line: LineName
    route: RouteName
    dialled: str
    caller: str
    arrived_at: float
    state: CallState = CallState.IN_FLOW
    medium: Medium = Medium.CALL
    message: RecordingId | None = None
    citizen_here: bool = True
    """Whether the citizen is in the call: not so of a message, and of a callback only once the citizen has answered."""
    queue: QueueName | None = None
    offers: tuple[Offered, ...] = ()
    agent: AgentId | None = None
    """Who talks, or was rung last; empty for a party outside."""
    agent_leg: LegId | None = None
    """The leg of whoever the conversation is with."""
    bridge: BridgeId | None = None
    bridges: int = 0
    hold: Hold = Hold.NONE
    party: Party | None = None
    parties: int = 0
    """How many were called so far; numbers their legs."""
    supervised: tuple[Supervised, ...] = ()
    supervisions: int = 0
    attempt: int = 0
    attempting: bool = False
    ringing_tone: PlaybackId | None = None
    playbacks: int = 0
    referring: LegId | None = None
    """A telephone that used its transfer key and waits to be told what came of it."""
    legs: frozenset[LegId] = frozenset()
    """Legs that, as far as we know, are alive in Asterisk or were asked for."""
    reason: EndReason | None = None
    cause: int = 16

    @property
    def citizen(self) -> LegId:
        return citizen_leg(self.call)

    @property
    def together(self) -> bool:
        """Whether a citizen is in a conversation, held or not."""
        return self.state is CallState.TALKING and self.bridge is not None

    def offered(self, leg: LegId) -> Offered | None:
        """The open offer that this leg rings for."""
        return next((offered for offered in self.offers if offered.leg == leg), None)

    def supervision(self, supervisor: AgentId) -> Supervised | None:
        return next((each for each in self.supervised if each.supervisor == supervisor), None)


Step = tuple[Call, list[Output]]


def roles(call: Call) -> frozenset[LegId]:
    """The legs that have something to do in this call; any other leg of ours in it is to be hung up."""
    found = {offered.leg for offered in call.offers}
    if call.citizen_here or call.attempting:
        found.add(call.citizen)
    if call.agent_leg is not None:
        found.add(call.agent_leg)
    if call.party is not None:
        found.add(call.party.leg)
    for each in call.supervised:
        found |= {each.leg, each.snoop}
    return frozenset(found)


def awaited(call: Call) -> frozenset[LegId]:
    """The legs whose answer the call is waiting for."""
    found: set[LegId] = set()
    if call.state is CallState.RINGING:
        found |= {offered.leg for offered in call.offers}
    if call.attempting:
        found.add(call.citizen)
    if call.party is not None and not call.party.joined:
        found.add(call.party.leg)
    for each in call.supervised:
        if not each.answered:
            found.add(each.leg)
        elif not each.snooping:
            found.add(each.snoop)
    return frozenset(found)


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Where legs have to be; a bridge's legs in the order in which they are put into it."""

    bridges: dict[BridgeId, tuple[LegId, ...]] = {}
    waiting: tuple[LegId, ...] = ()
    """In the waiting room, by the call's doing; who waits in a queue is put there by the queue."""
    muted: frozenset[LegId] = frozenset()
    ringing: tuple[LegId, PlaybackId] | None = None
    """Who hears a ringing tone, and under which name it is played."""


_NOWHERE = Layout()


def layout(call: Call) -> Layout:
    """Where each leg of a call has to be."""
    if call.state is CallState.DIVERTING:
        return Layout(waiting=(call.citizen,))
    if call.state is CallState.DIALLING:
        return Layout(ringing=_tone(call, call.offers[0].leg) if call.offers else None)
    if call.state not in (CallState.TALKING, CallState.PASSING) or call.bridge is None:
        return _NOWHERE
    main: list[LegId] = [] if call.hold is Hold.OURS else [call.citizen]
    if call.agent_leg is not None:
        main.append(call.agent_leg)
    if call.party is not None and call.party.joined:
        main.append(call.party.leg)
    main += [each.leg for each in call.supervised if each.answered and each.mode is Supervision.BARGE]
    bridges = {call.bridge: tuple(main)}
    for each in call.supervised:
        beside = [each.leg] if each.mode is not Supervision.BARGE else []
        if each.snooping:
            bridges[each.bridge] = (*beside, each.snoop)
    return Layout(
        bridges=bridges,
        waiting=(call.citizen,) if call.hold is Hold.OURS else (),
        muted=frozenset(each.leg for each in call.supervised if each.answered and each.mode is Supervision.LISTEN),
        ringing=None if call.agent_leg is None else _tone(call, call.agent_leg),
    )


def _tone(call: Call, leg: LegId) -> tuple[LegId, PlaybackId] | None:
    return None if call.ringing_tone is None else (leg, call.ringing_tone)


def moves(before: Call, after: Call) -> list[Output]:
    """The commands by which Asterisk gets from the one to the other. Legs that are to be hung up are not moved."""
    call, was, will = after.call, layout(before), layout(after)
    commands: list[Output] = []
    if was == will:
        return commands
    if after.state is CallState.CLEARING:
        return [Disconnect(call=call, bridge=bridge) for bridge in was.bridges]
    if was.ringing is not None and was.ringing != will.ringing:
        commands.append(StopPlayback(call=call, playback=was.ringing[1]))
    # Silenced before they hear, and heard only once they are where they belong.
    commands += [Mute(call=call, leg=leg) for leg in sorted(will.muted - was.muted)]
    placed = {leg for legs in will.bridges.values() for leg in legs}
    for leg in was.waiting:
        if leg not in will.waiting and leg not in placed and leg in after.legs:
            commands.append(StopMusic(call=call, leg=leg))
    for bridge, legs in will.bridges.items():
        new = tuple(leg for leg in legs if leg not in was.bridges.get(bridge, ()))
        if new:
            commands.append(Connect(call=call, bridge=bridge, legs=new))
    commands += [StartMusic(call=call, leg=leg) for leg in will.waiting if leg not in was.waiting]
    commands += [Disconnect(call=call, bridge=bridge) for bridge in was.bridges if bridge not in will.bridges]
    commands += [Unmute(call=call, leg=leg) for leg in sorted(was.muted - will.muted) if leg in placed]
    if will.ringing is not None and was.ringing != will.ringing:
        commands.append(PlayRinging(call=call, leg=will.ringing[0], playback=will.ringing[1]))
    return commands
