"""What is to be done. Frozen, imperative; cores return these and never do them.

A command is executed only after the events that led to it are in the journal. Its failure comes back as an event.
Executing one twice does no harm, for every leg and bridge has an id of our own and Asterisk answers 409 to the second;
only a `Play` under an id that was used before is heard again (seen), so each gets a number of its own.
"""

import msgspec

from telefonista.kernel.ids import AgentId, BridgeId, CallId, LegId, PlaybackId, RecordingId


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
    citizen: LegId
    shown_number: str
    """What the agent's phone shows as the caller; digits, `+`, or empty."""
    timeout_s: float


class Connect(Command, frozen=True):
    """Make the bridge if it is not there and put both legs into it."""

    bridge: BridgeId
    legs: tuple[LegId, ...]


class Disconnect(Command, frozen=True):
    """Destroy a bridge; the legs in it stay."""

    bridge: BridgeId


class HangUp(Command, frozen=True):
    leg: LegId


class StartRecording(Command, frozen=True):
    """Record what this leg sends and what it hears, a file each."""

    leg: LegId
    recording: RecordingId


class StopRecording(Command, frozen=True):
    leg: LegId
    recording: RecordingId


class KeepRecording(Command, frozen=True):
    """Join the two directions of a finished recording, measure it, put it in its place."""

    recording: RecordingId


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
    | StartRecording
    | StopRecording
)
"""Those that Asterisk carries out."""

AnyCommand = PbxCommand | KeepRecording | SetTimer | CancelTimer | SetAgentTimer
