"""What is to be done. Frozen, imperative; cores return these and never do them.

A command is executed only after the events that led to it are in the journal. Its failure comes back as an event.
Executing one twice does no harm, for every leg and bridge has an id of our own and Asterisk answers 409 to the second;
only a `Play` under an id that was used before is heard again (seen), so each gets a number of its own.
"""

from typing import Literal

import msgspec

from telefonista.kernel.ids import (
    AgentId,
    BridgeId,
    CallId,
    LegId,
    LineName,
    ListeningId,
    NodeName,
    PlaybackId,
    RecordingId,
    RouteName,
)


class Prompt(msgspec.Struct, frozen=True):
    """A sentence to be said; the prompt library knows which sound file says it."""

    text: str
    language: str = "es"
    name: str = ""
    """A recording of this name in the home's `prompts/` wins over synthesis."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    call: CallId


class Answer(Command, frozen=True):
    leg: LegId


class Play(Command, frozen=True):
    """Play prompts one after the other on a leg; `PlaybackEnded` follows in every case."""

    leg: LegId
    playback: PlaybackId
    prompts: tuple[Prompt, ...]


class StopPlayback(Command, frozen=True):
    playback: PlaybackId


class StartMusic(Command, frozen=True):
    """Music for a leg that waits, under its announcements and between them, until it is connected or `StopMusic`."""

    leg: LegId


class StopMusic(Command, frozen=True):
    leg: LegId


class Ring(Command, frozen=True):
    """Dial an agent's phone; `LegAnswered` or `LegEnded` follows."""

    leg: LegId
    agent: AgentId
    citizen: LegId | None
    """Whose call it is, where that leg is there."""
    shown_number: str
    """What the agent's phone shows as the caller; digits, `+`, or empty."""
    timeout_s: float


class Dial(Command, frozen=True):
    """Dial a number outside; `LegAnswered` or `LegEnded` follows. At most once: under a leg's name that is there
    already nothing is dialled."""

    leg: LegId
    number: str
    route: RouteName
    """By which trunk, if that one dials out; else by the first that does."""
    line: LineName
    """Whose number is shown."""
    timeout_s: float

    def __repr__(self) -> str:
        return f"Dial(call={self.call!r}, leg={self.leg!r}, route={self.route!r}, number=…)"


class Connect(Command, frozen=True):
    """Make the bridge if it is not there and put these legs into it; a leg leaves where it was before."""

    bridge: BridgeId
    legs: tuple[LegId, ...]


class Disconnect(Command, frozen=True):
    """Destroy a bridge; the legs in it stay."""

    bridge: BridgeId


class HangUp(Command, frozen=True):
    leg: LegId


class PlayRinging(Command, frozen=True):
    """The tone of a far telephone's ringing, to this leg and nobody else, until `StopPlayback`."""

    leg: LegId
    playback: PlaybackId


class PlayMessage(Command, frozen=True):
    """Play a citizen's spoken message on a leg; `PlaybackEnded` follows in every case."""

    leg: LegId
    playback: PlaybackId
    recording: RecordingId


class Mute(Command, frozen=True):
    """Nobody hears this leg; it hears as before."""

    leg: LegId


class Unmute(Command, frozen=True):
    leg: LegId


class Snoop(Command, frozen=True):
    """Make a leg that hears what another hears and says, and whose own sound only that other hears; `LegAnswered` or
    `LegEnded` follows."""

    leg: LegId
    at: LegId


class AnswerRefer(Command, frozen=True):
    """Tell a telephone that used its transfer key what came of it."""

    leg: LegId
    accepted: bool


class RecordMessage(Command, frozen=True):
    """After a tone, record what this leg says until `StopMessage`, a long silence, a hang-up or `longest_s`;
    `MessageRecorded` or `MessageFailed` follows."""

    leg: LegId
    recording: RecordingId
    longest_s: float


class StopMessage(Command, frozen=True):
    recording: RecordingId


class StartRecording(Command, frozen=True):
    """Record what this leg sends and what it hears, a file each."""

    leg: LegId
    recording: RecordingId


class StopRecording(Command, frozen=True):
    leg: LegId
    recording: RecordingId


class StartListening(Command, frozen=True):
    """Listen for one of these phrases in what the citizen says, until `StopListening`; `SpeechHeard` follows each time
    that something is said, or `SpeechFailed` once."""

    leg: LegId
    listening: ListeningId
    node: NodeName
    language: str
    phrases: tuple[tuple[str, ...], ...]
    """Each with those that mean the same."""


class StopListening(Command, frozen=True):
    listening: ListeningId


class KeepRecording(Command, frozen=True):
    """Join the two directions of a finished recording, measure it, put it in its place."""

    recording: RecordingId


class Wanted(msgspec.Struct, frozen=True):
    """What a flow wants to know: a field of the answer, and the kind of the variable that it goes into."""

    field: str
    kind: Literal["text", "number", "truth"]


class LookUp(Command, frozen=True, kw_only=True):
    """Ask another system; `LookupAnswered` or `LookupFailed` follows within `deadline_s`."""

    request: int
    source: str
    parameters: dict[str, str | int | bool]
    wanted: dict[str, Wanted]
    """By the flow's variables."""
    deadline_s: float


class OpenTicket(Command, frozen=True, kw_only=True):
    """Pass something on to the back office; `TicketOpened` or `LookupFailed` follows. The same key again opens none."""

    request: int
    key: str
    topic: str
    details: dict[str, str]
    deadline_s: float


class ReadTicket(Command, frozen=True, kw_only=True):
    """`TicketStatus` or `LookupFailed` follows."""

    request: int
    ticket: str
    deadline_s: float


Errand = LookUp | OpenTicket | ReadTicket
"""What is asked off the call's path, of a database or another system."""


class SetTimer(Command, frozen=True):
    """Replaces a running timer of the same call and key; `TimerFired` brings the token back."""

    key: str
    token: int
    after_s: float


class CancelTimer(Command, frozen=True):
    key: str


class SetAgentTimer(msgspec.Struct, frozen=True, kw_only=True):
    agent: AgentId
    key: str
    token: int
    after_s: float


PbxCommand = (
    Answer
    | Play
    | StopPlayback
    | StartMusic
    | StopMusic
    | Ring
    | Connect
    | Disconnect
    | HangUp
    | Dial
    | PlayRinging
    | PlayMessage
    | Mute
    | Unmute
    | Snoop
    | AnswerRefer
    | RecordMessage
    | StopMessage
    | StartRecording
    | StopRecording
    | StartListening
    | StopListening
)
"""Those that Asterisk carries out."""

AnyCommand = PbxCommand | KeepRecording | SetTimer | CancelTimer | SetAgentTimer | Errand
