"""One conversation's recording: asked for, running, stopped, then kept or failed.

Asterisk writes what the citizen sent and heard, a file each, and goes on doing so while the engine is dead: through a
hold (the citizen heard the music, so the music is what stands there, and nothing of what the agent said meanwhile),
a consultation and a talk of three. Where the citizen goes on to somebody else the recording ends and that conversation
has its own, so that none is cut and none belongs to two agents. With the call's last leg the files are closed; a little
later they are joined and measured off this path.
"""

from enum import StrEnum

import msgspec

from telefonista.kernel.commands import CancelTimer, KeepRecording, SetTimer, StartRecording, StopRecording
from telefonista.kernel.events import (
    CallEnded,
    ConversationEnded,
    EndReason,
    RecordingAsked,
    RecordingFailed,
    RecordingKept,
    RecordingStarted,
    RecordingStopped,
    TimerFired,
)
from telefonista.kernel.ids import CallId, RecordingId, citizen_leg
from telefonista.kernel.machine import IMPOSSIBLE, LATE, Exempt, Machine, Output, Reaction, rows

SETTLE_TIMER = "recording.settle"
SETTLE_S = 2.0
"""Asterisk closes the files a moment after the channel is gone and does not say when; joining takes what is there."""


class RecordingState(StrEnum):
    ASKED = "asked"
    RUNNING = "running"
    STOPPED = "stopped"
    KEPT = "kept"
    FAILED = "failed"


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    call: CallId
    recording: RecordingId
    state: RecordingState = RecordingState.ASKED
    ending: bool = False
    """Asterisk was told to stop, and has not said that it did."""


Step = tuple[Recording, list[Output]]


def _asked(recording: Recording, event: RecordingAsked, at: float) -> Step:
    return recording, [start(recording)]


def start(recording: Recording) -> StartRecording:
    return StartRecording(call=recording.call, leg=citizen_leg(recording.call), recording=recording.recording)


def _started(recording: Recording, event: RecordingStarted, at: float) -> Step:
    return msgspec.structs.replace(recording, state=RecordingState.RUNNING), []


def _conversation_ended(recording: Recording, event: ConversationEnded, at: float) -> Step:
    """With the call's end it ends by itself."""
    if event.reason is not EndReason.TRANSFERRED or recording.ending:
        return recording, []
    return msgspec.structs.replace(recording, ending=True), [stop(recording)]


def stop(recording: Recording) -> StopRecording:
    return StopRecording(call=recording.call, leg=citizen_leg(recording.call), recording=recording.recording)


def _call_ended(recording: Recording, event: CallEnded, at: float) -> Step:
    return recording, [RecordingStopped(call=recording.call, recording=recording.recording)]


def settle(recording: Recording) -> SetTimer:
    return SetTimer(call=recording.call, key=SETTLE_TIMER, token=0, after_s=SETTLE_S)


def _stopped(recording: Recording, event: RecordingStopped, at: float) -> Step:
    return msgspec.structs.replace(recording, state=RecordingState.STOPPED), [settle(recording)]


def _settled(recording: Recording, event: TimerFired, at: float) -> Step:
    if event.key != SETTLE_TIMER:
        return recording, []
    return recording, [KeepRecording(call=recording.call, recording=recording.recording)]


def _kept(recording: Recording, event: RecordingKept, at: float) -> Step:
    return msgspec.structs.replace(recording, state=RecordingState.KEPT), _unsettle(recording)


def _failed(recording: Recording, event: RecordingFailed, at: float) -> Step:
    return msgspec.structs.replace(recording, state=RecordingState.FAILED), _unsettle(recording)


def _unsettle(recording: Recording) -> list[Output]:
    """It is settled; a timer that was set anew after a gap must not ask for it again."""
    return [CancelTimer(call=recording.call, key=SETTLE_TIMER)] if recording.state is RecordingState.STOPPED else []


_: Exempt = LATE
X: Exempt = IMPOSSIBLE
_TABLE: dict[type, tuple[Reaction[Recording] | Exempt, ...]] = {
    # columns: asked, running, stopped, kept, failed
    RecordingAsked: (_asked, X, X, X, X),
    RecordingStarted: (_started, _, _, _, _),
    ConversationEnded: (_conversation_ended, _conversation_ended, _, _, _),
    CallEnded: (_call_ended, _call_ended, _, _, _),
    RecordingStopped: (_stopped, _stopped, _, _, _),
    TimerFired: (_, _, _settled, _, _),
    RecordingKept: (X, X, _kept, _, _),
    RecordingFailed: (_failed, _failed, _failed, _, _),
}
MACHINE: Machine[Recording] = Machine(
    "recording", states=RecordingState, events=_TABLE, table=rows(RecordingState, _TABLE)
)
