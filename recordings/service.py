"""Drives the recordings by the journal's events: every conversation with a citizen gets one, and each ends kept or
failed. Somebody who listens to a citizen's message talks with nobody."""

from collections.abc import Iterator, Sequence

from recordings.core.recording import MACHINE, Recording, RecordingState, settle, start, stop
from telefonista.kernel.commands import CancelTimer
from telefonista.kernel.events import (
    CallEvent,
    ConversationStarted,
    Entry,
    Medium,
    RecordingAsked,
    RecordingFailed,
    RecordingKept,
    RecordingStarted,
    RecordingStopped,
)
from telefonista.kernel.ids import CallId, RecordingId, recording_id
from telefonista.kernel.machine import Output

_OF_ONE = (RecordingStarted, RecordingStopped, RecordingKept, RecordingFailed)


class RecordingsService:
    """A `Room`."""

    consumes: frozenset[type] = frozenset({ConversationStarted, *MACHINE.events})

    def __init__(self) -> None:
        self._by_call: dict[CallId, dict[RecordingId, Recording]] = {}
        self._made: dict[CallId, int] = {}

    def handle(self, entry: Entry) -> Sequence[Output]:
        event = entry.event
        assert isinstance(event, CallEvent)
        if isinstance(event, ConversationStarted):
            if event.medium is Medium.VOICEMAIL:
                return ()
            n = self._made.get(event.call, 0) + 1
            return [RecordingAsked(call=event.call, recording=recording_id(event.call, n=n), agent=event.agent)]
        if isinstance(event, RecordingAsked):
            mine = self._by_call.setdefault(event.call, {})
            self._made[event.call] = self._made.get(event.call, 0) + 1
            mine[event.recording] = Recording(call=event.call, recording=event.recording)
            return self._step(mine, event.recording, entry)
        mine = self._by_call.get(event.call, {})
        named = (event.recording,) if isinstance(event, _OF_ONE) else tuple(mine)
        outputs: list[Output] = []
        for name in named:
            if name in mine:
                outputs += self._step(mine, name, entry)
        if isinstance(event, RecordingKept | RecordingFailed):
            if all(self._over(mine)):
                self._by_call.pop(event.call, None)
            elif any(each.state is RecordingState.STOPPED for each in mine.values()):
                # The timer of one call's recordings is the same, and another still waits for it.
                return [output for output in outputs if not isinstance(output, CancelTimer)]
        return outputs

    def resume(self, call: CallId, *, at: float) -> Sequence[Output]:
        outputs: list[Output] = []
        mine = self._by_call.get(call, {})
        running = (RecordingState.ASKED, RecordingState.RUNNING)
        goes_on = any(each.state in running and not each.ending for each in mine.values())
        for recording in mine.values():
            if recording.ending and recording.state in running:
                # Asterisk stops whichever it finds; where another goes on, this one ends with the call instead.
                outputs += [] if goes_on else [stop(recording)]
            elif recording.state is RecordingState.ASKED:
                outputs.append(start(recording))
            elif recording.state is RecordingState.STOPPED:
                outputs.append(settle(recording))
        return outputs

    def unfinished(self) -> Sequence[CallId]:
        """Calls, ended ones among them, whose recordings are still on their way into the store."""
        return tuple(self._by_call)

    def forget(self, call: CallId) -> None:
        """Recordings outlive their calls until each is kept or has failed; only their numbering ends with the call."""
        self._made.pop(call, None)

    def _step(self, mine: dict[RecordingId, Recording], name: RecordingId, entry: Entry) -> list[Output]:
        mine[name], outputs = MACHINE.step(mine[name], entry.event, at=entry.at)
        return outputs

    def _over(self, mine: dict[RecordingId, Recording]) -> Iterator[bool]:
        return (recording.state in (RecordingState.KEPT, RecordingState.FAILED) for recording in mine.values())
