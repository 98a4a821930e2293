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
    ListeningId,
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
    TRANSFERRED = "transferred"
    """Said of a conversation: the citizen went on to somebody else. Every other end of a conversation ends the call."""
    DIVERTED = "diverted"
    """The call went to a number outside and ended there, or where it was sent was the end."""
    UNREACHED = "unreached"
    """Somebody to be called back was not reached, as often as the policy tries."""
    CANCELLED = "cancelled"
    """A callback was cancelled before anybody was reached."""
    HEARD = "heard"
    """A message was listened to."""
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
    """The citizen left while the agent's phone rang, or another agent was quicker."""
    UNREACHED = "unreached"
    """The agent was there; the citizen to be called back was not."""
    LOST = "lost"


class VisitOutcome(StrEnum):
    """How a stay in a queue ended. At every instant offered is the sum of these and of those that still wait."""

    ANSWERED = "answered"
    ABANDONED = "abandoned"
    DIVERTED = "diverted"
    CALLBACK = "callback"
    """The citizen hung up knowing that we call back."""
    VOICEMAIL = "voicemail"
    UNREACHED = "unreached"
    """Only of the stay of a callback: the citizen was not reached."""
    CANCELLED = "cancelled"
    """Only of the stay of a callback."""


class Medium(StrEnum):
    """What kind of contact waits in a queue."""

    CALL = "call"
    CALLBACK = "callback"
    VOICEMAIL = "voicemail"


class DestinationKind(StrEnum):
    """Where a citizen can be sent."""

    QUEUE = "queue"
    AGENT = "agent"
    NUMBER = "number"
    """Outside; `name` is the number to dial."""
    FLOW = "flow"
    """`name` is the flow, or `flow/node`."""
    MESSAGE = "message"
    """`name` is the sentence; the call ends after it."""
    CALLBACK = "callback"
    """The dialogue in which a callback is arranged."""
    VOICEMAIL = "voicemail"
    HANG_UP = "hang_up"


class Destination(msgspec.Struct, frozen=True, omit_defaults=True):
    kind: DestinationKind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind.value} {self.name}".rstrip()


class Supervision(StrEnum):
    """How a supervisor takes part in a conversation."""

    LISTEN = "listen"
    WHISPER = "whisper"
    """Heard by the agent only."""
    BARGE = "barge"
    """Heard by everybody."""


class Phone(StrEnum):
    """What an agent's phone is, as Asterisk's device state says."""

    UNREACHABLE = "unreachable"
    IDLE = "idle"
    RINGING = "ringing"
    BUSY = "busy"


class Presence(StrEnum):
    """What an agent is doing."""

    OFFLINE = "offline"
    """Not logged in."""
    UNREACHABLE = "unreachable"
    """Logged in, but the phone is not there."""
    READY = "ready"
    RESERVED = "reserved"
    RINGING = "ringing"
    DIALLING = "dialling"
    """On the line while a citizen is being called back."""
    TALKING = "talking"
    ON_HOLD = "on_hold"
    """In a conversation; the citizen hears music."""
    WRAP_UP = "wrap_up"
    PAUSED = "paused"
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
    speech: bool = False
    """Whether what the citizen says is understood in this call; without, there are the keys."""


class NodeEntered(CallEvent, frozen=True):
    node: NodeName
    tries: int = 1


class OptionChosen(CallEvent, frozen=True):
    """The citizen chose in a menu."""

    node: NodeName
    digit: str
    option: str
    phrase: str = ""
    """What was said, where the option was not chosen by its key."""


class InputRejected(CallEvent, frozen=True):
    """A menu heard a key it does not have, or none in time."""

    node: NodeName
    digit: str
    """Empty: no key came in time. Where a number was asked for, not the number but `?`; so
    too where something was said that was not understood."""


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


class LanguageChosen(CallEvent, frozen=True):
    """From here on the flow speaks this one of its languages."""

    language: str


class LookupAnswered(CallEvent, frozen=True):
    """Another system answered what a flow asked it."""

    request: int
    """The flow's number for what it asked."""
    found: bool = True
    values: dict[str, str | int | bool] = {}
    """By the flow's variables."""
    private: bool = False
    """Its values must not be kept; see `journalled`."""
    masked: bool = False
    """Its values are not here, only their names."""

    def __repr__(self) -> str:
        return f"LookupAnswered(call={self.call!r}, request={self.request!r}, found={self.found!r}, values=…)"


class LookupFailed(CallEvent, frozen=True):
    """What a flow asked another system, or our own tickets, was not answered, or with nonsense."""

    request: int
    why: str


class TicketOpened(CallEvent, frozen=True):
    """The back office has it; the citizen is told the number."""

    request: int
    ticket: str
    """Digits, as the citizen will say them."""
    topic: str = ""
    details: dict[str, str] = {}
    """What the flow passed on, by its own names."""

    def __repr__(self) -> str:
        return f"TicketOpened(call={self.call!r}, request={self.request!r}, ticket={self.ticket!r}, details=…)"


class TicketStatus(CallEvent, frozen=True):
    """How far the back office is with a ticket; an empty status: there is no such ticket."""

    request: int
    ticket: str
    status: str = ""


class SurveyAnswered(CallEvent, frozen=True):
    """What a citizen thinks of something."""

    survey: str
    question: str
    answer: int
    """1 (worst) to 5 (best)."""


class SpeechBegan(CallEvent, frozen=True):
    """The citizen is saying something; what it is follows."""

    listening: ListeningId
    node: NodeName


class SpeechHeard(CallEvent, frozen=True):
    """The citizen said something."""

    listening: ListeningId
    node: NodeName
    phrase: str = ""
    """One of those that were listened for; empty: none of them, or not clearly one."""
    confidence: float = 0.0
    """0 to 1."""
    partial: bool = False
    """Understood before the citizen had been silent for long enough to have finished for certain."""


class SpeechFailed(CallEvent, frozen=True):
    """Nobody listens any more, or never did: there are the keys."""

    listening: ListeningId
    node: NodeName
    why: str


class FlowEnded(CallEvent, frozen=True):
    """The conversation with the machine is over; `HandedOff` says where it went on, if it did."""

    outcome: str


class HandedOff(CallEvent, frozen=True):
    """The flow passes the citizen to a queue."""

    queue: QueueName
    priority: int = 0
    topic: str = ""
    requires: str = ""
    """What the flow asks of the agent beyond what the queue asks: an expression over skills."""
    language: str = ""
    """The language that the citizen chose, as agents' records name it; empty: whatever the queue speaks."""


class VisitStarted(CallEvent, frozen=True):
    visit: VisitId
    queue: QueueName
    priority: int = 0
    medium: Medium = Medium.CALL
    place_at: float | None = None
    """Since when the citizen waits, epoch seconds, where that is not now: a place that is kept or was given."""
    requires: str = ""
    language: str = ""
    only: AgentId | None = None
    """Whom the citizen was passed to by name; anybody of the queue where that agent does not answer in time."""
    sticky: AgentId | None = None
    """Who served this citizen last, and is preferred for `sticky_s`."""
    sticky_s: float = 0.0


class VisitSuspended(CallEvent, frozen=True):
    """The citizen leaves the queue for a dialogue (a callback, a message) and keeps the place meanwhile."""

    visit: VisitId
    to: Destination
    why: str = ""


class ReturnedToQueue(CallEvent, frozen=True):
    """The dialogue came to nothing; the citizen wants to go on waiting."""


class VisitResumed(CallEvent, frozen=True):
    visit: VisitId


class PlaceChanged(CallEvent, frozen=True):
    """A waiting contact was given another place in its queue."""

    visit: VisitId
    place_at: float
    priority: int


class Diverted(CallEvent, frozen=True):
    """The call goes on elsewhere: by a rule of the queue, a key of the citizen's, or a transfer."""

    to: Destination
    why: str
    by: str = ""
    """The agent or supervisor who wanted it; empty: a rule of ours."""
    queue: QueueName = QueueName("")
    """Where it comes from."""


class WaitBegan(CallEvent, frozen=True):
    """The citizen hears music while an agent who was free at once is rung."""

    visit: VisitId


class WaitAnnounced(CallEvent, frozen=True):
    """The waiting citizen is being told something."""

    visit: VisitId
    position: int
    playback: PlaybackId
    estimate_s: float | None = None
    """How long it will take, as far as that can be known."""
    callback: bool = False
    """Whether being called back was offered."""


class OfferMade(CallEvent, frozen=True):
    """An agent is reserved for a contact and is about to be rung."""

    visit: VisitId
    offer: OfferId
    agent: AgentId
    leg: LegId
    """The leg by which the agent will be reached."""
    ring_s: float = 15.0
    """How long the agent's phone rings before the offer goes to somebody else."""
    queue: QueueName = QueueName("")
    because: str = ""
    """Why this contact and this agent, in words."""
    passed_over: dict[str, str] = {}
    """Why not each of the other agents concerned, as far as they are named."""
    others: dict[str, int] = {}
    """How many more there are for each reason, where they are too many to be named."""
    most_misses: int = 0
    """After so many offers in a row that were not taken the agent is paused; 0: never."""


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
    """Empty for a party outside."""
    leg: LegId
    bridge: BridgeId
    queue: QueueName
    medium: Medium = Medium.CALL
    number: str = ""
    """Of a party outside."""


class ConversationEnded(CallEvent, frozen=True):
    agent: AgentId
    leg: LegId
    reason: EndReason


class LegHeld(CallEvent, frozen=True):
    """A telephone put its conversation on hold."""

    leg: LegId


class LegUnheld(CallEvent, frozen=True):
    leg: LegId


class HoldAsked(CallEvent, frozen=True):
    """An agent wants the citizen to hear music (or, `on` false, to have them back)."""

    agent: AgentId
    on: bool = True
    by: str = ""
    """Who asked on the agent's behalf; empty: the agent."""


class HoldBegan(CallEvent, frozen=True):
    agent: AgentId
    by_phone: bool = False
    """The telephone did it by itself, and only it can end it."""


class HoldEnded(CallEvent, frozen=True):
    agent: AgentId


class ReferReceived(CallEvent, frozen=True):
    """A telephone's transfer key: the one at this leg wants the call to go to what was dialled."""

    leg: LegId
    dialled: str


class TransferAsked(CallEvent, frozen=True):
    """Pass the citizen on without asking (blind)."""

    agent: AgentId
    to: Destination
    by: str = ""


class ConsultationAsked(CallEvent, frozen=True):
    """The agent wants to talk with somebody while the citizen hears music: an agent, a number, or anybody of a queue
    who is free."""

    agent: AgentId
    to: Destination
    by: str = ""


class PartyCalled(CallEvent, frozen=True):
    """Somebody is rung for a consultation; an agent is reserved by it."""

    leg: LegId
    agent: AgentId | None = None
    number: str = ""
    ring_s: float = 20.0


class PartyJoined(CallEvent, frozen=True):
    """Whoever is consulted talks with the agent, or (three-way) with both."""

    leg: LegId
    agent: AgentId | None = None
    number: str = ""


class PartyLeft(CallEvent, frozen=True):
    """Did not answer, or is not in the call any more."""

    leg: LegId
    agent: AgentId | None = None
    number: str = ""
    outcome: OfferOutcome | None = None
    """How the ringing ended, where it did not lead to a talk."""


class ConsultationEndAsked(CallEvent, frozen=True):
    """Send the consulted party away; back to the citizen."""

    agent: AgentId
    by: str = ""


class ConferenceAsked(CallEvent, frozen=True):
    """All three together."""

    agent: AgentId
    by: str = ""


class ConferenceBegan(CallEvent, frozen=True):
    pass


class TransferCompletionAsked(CallEvent, frozen=True):
    """The consulted party takes the citizen over; the agent leaves (attended transfer)."""

    agent: AgentId
    by: str = ""


class SupervisionAsked(CallEvent, frozen=True):
    """A supervisor wants to take part in a conversation, or in another way than before; the phone rings."""

    supervisor: AgentId
    mode: Supervision
    by: str = ""


class SupervisionBegan(CallEvent, frozen=True):
    """The supervisor's phone is rung; what is heard begins with the answer."""

    supervisor: AgentId
    leg: LegId
    mode: Supervision


class SupervisionChanged(CallEvent, frozen=True):
    supervisor: AgentId
    leg: LegId
    mode: Supervision


class SupervisionEndAsked(CallEvent, frozen=True):
    supervisor: AgentId
    by: str = ""


class SupervisionEnded(CallEvent, frozen=True):
    supervisor: AgentId
    leg: LegId


class TakeOverAsked(CallEvent, frozen=True):
    """A supervisor wants the conversation; the agent leaves it."""

    supervisor: AgentId
    by: str = ""


class MoveAsked(CallEvent, frozen=True):
    """A supervisor moves a waiting contact to another queue, or to the front."""

    by: str
    queue: QueueName = QueueName("")
    """Empty: stays in its queue."""
    to_front: bool = False


class RequestRefused(CallEvent, frozen=True):
    """What somebody asked for cannot be done now."""

    by: str
    what: str
    why: str


class CallbackAsked(CallEvent, frozen=True):
    """The citizen wants to be called back at this number."""

    queue: QueueName
    number: str
    topic: str = ""

    def __repr__(self) -> str:
        return f"CallbackAsked(call={self.call!r}, queue={self.queue!r}, number=…)"


class CallbackGranted(CallEvent, frozen=True):
    contact: CallId


class CallbackRefused(CallEvent, frozen=True):
    why: str
    """One of `closed`, `do_not_call`, `already`, `not_offered`, `number`."""


class ContactBooked(CallEvent, frozen=True):
    """A contact without a citizen's channel joins a queue; `call` is its own id (`ids.contact_id`)."""

    origin: CallId
    """The call in which it was asked for."""
    medium: Medium
    queue: QueueName
    number: str
    line: LineName
    route: RouteName
    place_at: float
    """Since when the citizen waits: the place that is kept."""
    priority: int = 0
    topic: str = ""
    requires: str = ""
    language: str = ""
    message: RecordingId | None = None


class ContactPostponed(CallEvent, frozen=True):
    """Nobody was reached; the next attempt is not made before this time (epoch seconds)."""

    visit: VisitId
    until: float
    attempts: int
    why: str = ""


class CancellationAsked(CallEvent, frozen=True):
    """A contact that waits without a citizen's channel is not wanted any more."""

    by: str


class AttemptMade(CallEvent, frozen=True):
    """The agent is on the line, and the citizen is dialled."""

    offer: OfferId
    agent: AgentId
    leg: LegId
    attempt: int
    number: str
    route: RouteName
    ring_s: float = 30.0


class AttemptEnded(CallEvent, frozen=True):
    leg: LegId
    attempt: int
    outcome: OfferOutcome
    cause: int = 16


class MessageRecorded(CallEvent, frozen=True):
    """A citizen spoke a message; it lies in Asterisk's folder."""

    recording: RecordingId
    duration_s: float


class MessageFailed(CallEvent, frozen=True):
    recording: RecordingId
    why: str


class MessageLeft(CallEvent, frozen=True):
    """A flow took a message for a queue."""

    recording: RecordingId
    queue: QueueName
    number: str = ""
    duration_s: float = 0.0


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
    why: str = ""
    """Why it is not there, where that is known."""


class AgentTimerFired(AgentEvent, frozen=True):
    key: str
    token: int


class LogInAsked(AgentEvent, frozen=True):
    by: str = ""
    """Who wants it for the agent; empty: the agent."""


class LogOutAsked(AgentEvent, frozen=True):
    by: str = ""


class PauseAsked(AgentEvent, frozen=True):
    """At once, or when the present contact is over."""

    reason: str
    by: str = ""


class ReadyAsked(AgentEvent, frozen=True):
    """Ends a pause, and wrap-up."""

    by: str = ""


class WrapUpExtensionAsked(AgentEvent, frozen=True):
    more_s: float
    by: str = ""


class CodeDialled(AgentEvent, frozen=True):
    """An agent dials one of our codes: the telephone is busy for a moment, and the agent is not."""

    code: str


class DispositionAsked(AgentEvent, frozen=True):
    """Somebody says what came of a contact; it may be a word that its queue does not have."""

    call: CallId
    """Empty: the contact that the agent had last."""
    disposition: str
    """As the queue's list has it, or its number in that list (from 1)."""
    queue: QueueName = QueueName("")
    """Of a contact that is over since longer, where whoever asks knows it."""
    note: str = ""
    by: str = ""


class DispositionGiven(AgentEvent, frozen=True):
    """What came of a contact, in the words of the queue's list."""

    call: CallId
    disposition: str
    note: str = ""
    by: str = ""


class AgentRequestRefused(AgentEvent, frozen=True):
    what: str
    why: str
    by: str = ""


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
    pause: str = ""
    """The reason of a pause; while the agent is busy, of the one that begins afterwards."""
    why: str = ""
    """Why the phone is not there."""
    since: float = 0.0
    """Epoch seconds: when this presence began."""
    logged_in: bool | None = True
    """None: nobody has said yet. False while the agent is in a contact: it is the last before logging out."""
    misses: int = 0
    """Offers in a row that were not taken."""
    most_misses: int = 0
    """Of the queue of the present offer: so many, and the agent is paused; 0: never."""
    party: bool = False
    """In the present call as somebody consulted or supervising: the citizen is another agent's."""
    queue: QueueName = QueueName("")
    """Of the present or last conversation."""
    last_call: CallId | None = None
    """Of the present or last conversation."""
    until_done: bool = False
    """Wrap-up ends when the agent says so."""
    extend_s: float = 0.0
    """How much longer the agent may make wrap-up, each time."""
    disposition_due: bool = False
    """Wrap-up does not end before it is said what came of the contact."""


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
    | LanguageChosen
    | LookupAnswered
    | LookupFailed
    | TicketOpened
    | TicketStatus
    | SurveyAnswered
    | SpeechBegan
    | SpeechHeard
    | SpeechFailed
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
    | VisitSuspended
    | ReturnedToQueue
    | VisitResumed
    | PlaceChanged
    | Diverted
    | LegHeld
    | LegUnheld
    | HoldAsked
    | HoldBegan
    | HoldEnded
    | ReferReceived
    | TransferAsked
    | ConsultationAsked
    | PartyCalled
    | PartyJoined
    | PartyLeft
    | ConsultationEndAsked
    | ConferenceAsked
    | ConferenceBegan
    | TransferCompletionAsked
    | SupervisionAsked
    | SupervisionBegan
    | SupervisionChanged
    | SupervisionEndAsked
    | SupervisionEnded
    | TakeOverAsked
    | MoveAsked
    | RequestRefused
    | CallbackAsked
    | CallbackGranted
    | CallbackRefused
    | ContactBooked
    | ContactPostponed
    | CancellationAsked
    | AttemptMade
    | AttemptEnded
    | MessageRecorded
    | MessageFailed
    | MessageLeft
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
    | LogInAsked
    | LogOutAsked
    | PauseAsked
    | ReadyAsked
    | WrapUpExtensionAsked
    | CodeDialled
    | DispositionAsked
    | DispositionGiven
    | AgentRequestRefused
    | PresenceChanged
    | EngineStarted
    | EngineStopped
    | NodeUp
    | NodeLost
)

KINDS = (CallEvent, AgentEvent, NodeEvent)
"""Every event is an instance of one of these; quicker to ask than the union."""


def journalled(event: Event) -> Event:
    """As an event stands in the journal, and so in all that is made from it: without what must not be kept.

    A restart finds the masks; the flow then asks again, so nothing is decided by them.
    """
    if isinstance(event, LookupAnswered) and event.private:
        return msgspec.structs.replace(event, values=dict.fromkeys(event.values, "•••"), masked=True)
    return event


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the journal."""

    seq: int
    """Rises by one for each entry of this installation, for ever."""
    at: float
    """When it happened, epoch seconds: Asterisk's own time for what Asterisk told, ours for the rest."""
    left: int = 0
    """How many entries follow that were written together with this one; a batch cut short by a power cut is dropped."""
    event: Event
