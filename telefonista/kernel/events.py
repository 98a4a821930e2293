"""What happened. Frozen, past tense; the journal is a sequence of these, and everything else is a fold of it.

Two kinds, told apart by nothing but who emits them: facts from outside (Asterisk, a timer, a person) and decisions
of our own cores. Both are journalled; on a restart both are applied and nothing is decided twice. No I/O, no clock:
the time of an event stands in its `Entry`.
"""

from enum import StrEnum

import msgspec

from telefonista.kernel.ids import (
    AgentId,
    BridgeId,
    CallId,
    FlowName,
    LegId,
    LineName,
    NodeName,
    OfferId,
    PlaybackId,
    QueueName,
    RecordingId,
    RouteName,
    VisitId,
)


class EndReason(StrEnum):
    """Why a call ended."""

    CITIZEN_HUNG_UP = "citizen_hung_up"
    AGENT_HUNG_UP = "agent_hung_up"
    FLOW_FINISHED = "flow_finished"
    LOST = "lost"
    """Asterisk died, or the leg was gone when we came back: nobody hung up as far as we know."""
    BROKEN = "broken"
    """A defect of ours ended this one call; the log has the event that could not be."""
    SHUT_DOWN = "shut_down"


class OfferOutcome(StrEnum):
    """How the offer of a contact to an agent ended."""

    ANSWERED = "answered"
    UNANSWERED = "unanswered"
    REFUSED = "refused"
    BUSY = "busy"
    UNREACHABLE = "unreachable"
    WITHDRAWN = "withdrawn"
    """The citizen left while the agent's phone rang."""
    LOST = "lost"


class VisitOutcome(StrEnum):
    """How a stay in a queue ended. At every instant offered = answered + abandoned + diverted + still waiting."""

    ANSWERED = "answered"
    ABANDONED = "abandoned"
    DIVERTED = "diverted"


class Phone(StrEnum):
    """What an agent's phone is, as Asterisk's device state says."""

    UNREACHABLE = "unreachable"
    IDLE = "idle"
    RINGING = "ringing"
    BUSY = "busy"


class Presence(StrEnum):
    """What an agent is doing."""

    OFFLINE = "offline"
    """The phone is not registered."""
    READY = "ready"
    RESERVED = "reserved"
    RINGING = "ringing"
    TALKING = "talking"
    WRAP_UP = "wrap_up"
    BUSY = "busy"
    """On a call that is not ours (one of the contingency path, or one the agent made)."""


class CallEvent(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Something that happened to one call."""

    call: CallId


class CallArrived(CallEvent, frozen=True):
    """A citizen's channel was handed to us."""

    line: LineName
    dialled: str
    route: RouteName
    caller: str
    """As the network gave it; may be empty; untrusted."""


class DigitPressed(CallEvent, frozen=True):
    leg: LegId
    digit: str


class PlaybackEnded(CallEvent, frozen=True):
    playback: PlaybackId
    failed: bool = False


class LegRang(CallEvent, frozen=True):
    """The far phone of a leg that we dialled is ringing."""

    leg: LegId


class LegAnswered(CallEvent, frozen=True):
    """A leg that we dialled was answered."""

    leg: LegId


class LegEnded(CallEvent, frozen=True):
    """A leg is gone."""

    leg: LegId
    cause: int
    """Q.850."""
    sip_status: int | None = None
    lost: bool = False
    """Not seen to end: it was gone when we looked."""


class CommandFailed(CallEvent, frozen=True):
    """Asterisk (or the way to it) refused something that we asked for and that no other event tells of."""

    command: str
    subject: str
    why: str


class TimerFired(CallEvent, frozen=True):
    key: str
    token: int


class FlowEntered(CallEvent, frozen=True):
    flow: FlowName
    version: str


class NodeEntered(CallEvent, frozen=True):
    node: NodeName
    tries: int = 1


class OptionChosen(CallEvent, frozen=True):
    """The citizen chose in a menu."""

    node: NodeName
    digit: str
    option: str


class InputRejected(CallEvent, frozen=True):
    """A menu heard a key it does not have, or none in time."""

    node: NodeName
    digit: str
    """Empty: no key came in time. Where a number was asked for, not the number but `?`."""


class VariableSet(CallEvent, frozen=True):
    """A flow gave one of its variables a value."""

    name: str
    value: str | int | bool

    def __repr__(self) -> str:
        """What citizens typed goes on into other variables; no line of a log has it in clear."""
        return f"VariableSet(call={self.call!r}, name={self.name!r}, value=…)"


class InputTaken(CallEvent, frozen=True):
    """The citizen gave what a node asked for; the flow's variable of this name now has it."""

    node: NodeName
    name: str
    value: str

    def __repr__(self) -> str:
        """The number of somebody's document, perhaps: the journal keeps it, no line of a log does."""
        return f"InputTaken(call={self.call!r}, node={self.node!r}, name={self.name!r}, value=…)"


class FlowEnded(CallEvent, frozen=True):
    """The conversation with the machine is over; `HandedOff` says where it went on, if it did."""

    outcome: str


class HandedOff(CallEvent, frozen=True):
    """The flow passes the citizen to a queue."""

    queue: QueueName
    priority: int = 0
    topic: str = ""


class VisitStarted(CallEvent, frozen=True):
    visit: VisitId
    queue: QueueName
    priority: int = 0


class WaitBegan(CallEvent, frozen=True):
    """The citizen hears music while an agent who was free at once is rung."""

    visit: VisitId


class WaitAnnounced(CallEvent, frozen=True):
    """The waiting citizen is being told something."""

    visit: VisitId
    position: int
    playback: PlaybackId


class OfferMade(CallEvent, frozen=True):
    """An agent is reserved for a contact and is about to be rung."""

    visit: VisitId
    offer: OfferId
    agent: AgentId
    leg: LegId
    """The leg by which the agent will be reached."""
    ring_s: float = 15.0
    """How long the agent's phone rings before the offer goes to somebody else."""
    passed_over: dict[str, str] = {}
    """Why not each of the queue's other agents."""


class AgentRang(CallEvent, frozen=True):
    """The phone of the agent to whom a contact is offered is ringing."""

    offer: OfferId
    agent: AgentId


class OfferEnded(CallEvent, frozen=True):
    visit: VisitId
    offer: OfferId
    agent: AgentId
    outcome: OfferOutcome


class VisitEnded(CallEvent, frozen=True):
    visit: VisitId
    queue: QueueName
    outcome: VisitOutcome
    agent: AgentId | None = None


class ConversationStarted(CallEvent, frozen=True):
    agent: AgentId
    leg: LegId
    bridge: BridgeId
    queue: QueueName


class ConversationEnded(CallEvent, frozen=True):
    agent: AgentId
    leg: LegId
    reason: EndReason


class RecordingAsked(CallEvent, frozen=True):
    recording: RecordingId
    agent: AgentId


class RecordingStarted(CallEvent, frozen=True):
    recording: RecordingId


class RecordingStopped(CallEvent, frozen=True):
    """Asterisk no longer writes to it."""

    recording: RecordingId


class RecordingKept(CallEvent, frozen=True):
    """Both directions are joined, measured and in their place."""

    recording: RecordingId
    path: str
    """Relative to the home's `recordings/`."""
    duration_s: float
    sha256: str


class RecordingFailed(CallEvent, frozen=True):
    recording: RecordingId
    why: str


class CallLost(CallEvent, frozen=True):
    """The node that carried the call died, or the call was gone when we came back."""

    why: str


class CallBroken(CallEvent, frozen=True):
    """A core met an event that its table calls impossible: a defect; this call ends, the others go on."""

    why: str


class CallStopped(CallEvent, frozen=True):
    """The engine is being stopped on purpose, and this call with it."""


class CallEnded(CallEvent, frozen=True):
    """Nothing of this call is left in Asterisk."""

    reason: EndReason
    cause: int = 16


class ContingencyCallReported(CallEvent, frozen=True):
    """A call that the dialplan's contingency path took while no engine did, read from its spooled record."""

    line: LineName
    dialled: str
    route: RouteName
    caller: str
    arrived_at: float
    ended_at: float
    queued_at: float | None = None
    answered_at: float | None = None
    """When an agent answered."""
    agent: AgentId | None = None
    queue: QueueName | None = None
    cause: int = 16
    recording_files: tuple[str, ...] = ()


class AgentEvent(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Something that happened to one agent."""

    agent: AgentId


class PhoneChanged(AgentEvent, frozen=True):
    phone: Phone


class AgentTimerFired(AgentEvent, frozen=True):
    key: str
    token: int


class PresenceChanged(AgentEvent, frozen=True):
    """All that is to know of an agent from here on: the last one of each agent is the agents' whole state."""

    presence: Presence
    phone: Phone
    call: CallId | None = None
    offer: OfferId | None = None
    idle_since: float = 0.0
    """Epoch seconds: when the agent last became free; the longest idle is chosen by it."""
    wrap_up_s: float = 0.0
    """What the queue of the present conversation grants afterwards."""
    wrap_up_until: float | None = None
    settling: bool = False
    """The phone has yet to say that our own contact is over."""
    token: int = 0


class NodeEvent(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Something that happened to an Asterisk node or to the engine."""

    node: str


class EngineStarted(NodeEvent, frozen=True):
    version: str


class EngineStopped(NodeEvent, frozen=True):
    pass


class NodeUp(NodeEvent, frozen=True):
    """The link to the node is there and what it carries has been reconciled with the journal."""


class NodeLost(NodeEvent, frozen=True):
    """The node is dead (not merely out of reach): so are its calls."""

    why: str


Event = (
    CallArrived
    | DigitPressed
    | PlaybackEnded
    | LegRang
    | LegAnswered
    | LegEnded
    | CommandFailed
    | TimerFired
    | FlowEntered
    | NodeEntered
    | OptionChosen
    | InputRejected
    | VariableSet
    | InputTaken
    | FlowEnded
    | HandedOff
    | VisitStarted
    | WaitBegan
    | WaitAnnounced
    | OfferMade
    | AgentRang
    | OfferEnded
    | VisitEnded
    | ConversationStarted
    | ConversationEnded
    | RecordingAsked
    | RecordingStarted
    | RecordingStopped
    | RecordingKept
    | RecordingFailed
    | CallLost
    | CallBroken
    | CallStopped
    | CallEnded
    | ContingencyCallReported
    | PhoneChanged
    | AgentTimerFired
    | PresenceChanged
    | EngineStarted
    | EngineStopped
    | NodeUp
    | NodeLost
)

KINDS = (CallEvent, AgentEvent, NodeEvent)
"""Every event is an instance of one of these; quicker to ask than the union."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the journal."""

    seq: int
    """Rises by one for each entry of this installation, for ever."""
    at: float
    """When it happened, epoch seconds: Asterisk's own time for what Asterisk told, ours for the rest."""
    left: int = 0
    """How many entries follow that were written together with this one; a batch cut short by a power cut is dropped."""
    event: Event
