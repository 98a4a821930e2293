"""One recording, from being asked for until it is kept or has failed."""

import pytest

from recordings.core.recording import MACHINE, SETTLE_S, SETTLE_TIMER, Recording, RecordingState
from telefonista.kernel.commands import CancelTimer, KeepRecording, SetTimer, StartRecording, StopRecording
from telefonista.kernel.events import (
    CallEnded,
    ConversationEnded,
    EndReason,
    Event,
    RecordingAsked,
    RecordingFailed,
    RecordingKept,
    RecordingStarted,
    RecordingStopped,
    TimerFired,
)
from telefonista.kernel.ids import AgentId, CallId, agent_leg, citizen_leg, recording_id
from telefonista.kernel.machine import Impossible, Output

CALL = CallId("tf1-1700000000.1")
NAME = recording_id(CALL, n=1)
ASKED = RecordingAsked(call=CALL, recording=NAME, agent=AgentId("101"))
STARTED = RecordingStarted(call=CALL, recording=NAME)
OVER = CallEnded(call=CALL, reason=EndReason.AGENT_HUNG_UP)
STOPPED = RecordingStopped(call=CALL, recording=NAME)
SETTLED = TimerFired(call=CALL, key=SETTLE_TIMER, token=0)
KEPT = RecordingKept(call=CALL, recording=NAME, path="r.wav", duration_s=3.0, sha256="0" * 64)
FAILED = RecordingFailed(call=CALL, recording=NAME, why="no sound")


def passed_on(reason: EndReason) -> ConversationEnded:
    return ConversationEnded(call=CALL, agent=AgentId("101"), leg=agent_leg(CALL, n=1), reason=reason)


def meet(*events: Event) -> tuple[RecordingState, list[object]]:
    recording = Recording(call=CALL, recording=NAME)
    outputs: list[Output] = []
    for event in events:
        recording, outputs = MACHINE.step(recording, event, at=5.0)
    return recording.state, list(outputs)


def test_recording_that_is_asked_for_is_begun_on_the_citizens_leg() -> None:
    state, outputs = meet(ASKED)
    assert (state, outputs) == (
        RecordingState.ASKED,
        [StartRecording(call=CALL, leg=citizen_leg(CALL), recording=NAME)],
    )


@pytest.mark.parametrize("before", [(ASKED,), (ASKED, STARTED)], ids=["not yet told that it began", "running"])
def test_recording_ends_with_its_call_and_waits_a_moment_for_its_files(before: tuple[Event, ...]) -> None:
    assert meet(*before, OVER)[1] == [STOPPED]
    assert meet(*before, OVER, STOPPED) == (
        RecordingState.STOPPED,
        [SetTimer(call=CALL, key=SETTLE_TIMER, token=0, after_s=SETTLE_S)],
    )


def test_files_are_joined_when_they_had_their_moment() -> None:
    stopped = (ASKED, STARTED, STOPPED)
    assert meet(*stopped, SETTLED)[1] == [KeepRecording(call=CALL, recording=NAME)]
    assert meet(*stopped, TimerFired(call=CALL, key="call.clearing", token=0)) == (RecordingState.STOPPED, [])


def test_recording_that_is_settled_needs_no_more_timers() -> None:
    cancel = [CancelTimer(call=CALL, key=SETTLE_TIMER)]
    assert meet(ASKED, STARTED, STOPPED, KEPT) == (RecordingState.KEPT, cancel)
    assert meet(ASKED, STARTED, STOPPED, FAILED) == (RecordingState.FAILED, cancel)


@pytest.mark.parametrize("before", [(ASKED,), (ASKED, STARTED)])
def test_recording_ends_once_when_the_citizen_goes_on_to_somebody_else(before: tuple[Event, ...]) -> None:
    state, outputs = meet(*before, passed_on(EndReason.TRANSFERRED))
    assert outputs == [StopRecording(call=CALL, leg=citizen_leg(CALL), recording=NAME)]
    assert meet(*before, passed_on(EndReason.TRANSFERRED), passed_on(EndReason.TRANSFERRED)) == (state, [])
    assert meet(*before, passed_on(EndReason.AGENT_HUNG_UP)) == (state, [])


@pytest.mark.parametrize("before", [(ASKED,), (ASKED, STARTED)])
def test_recording_can_fail_before_it_ends(before: tuple[Event, ...]) -> None:
    assert meet(*before, FAILED) == (RecordingState.FAILED, [])


@pytest.mark.parametrize("end", [KEPT, FAILED])
def test_what_is_settled_stays_settled(end: Event) -> None:
    state, _ = meet(ASKED, STARTED, STOPPED, end)
    for late in (STARTED, OVER, STOPPED, SETTLED, KEPT, FAILED):
        assert meet(ASKED, STARTED, STOPPED, end, late) == (state, [])


def test_recording_that_runs_cannot_be_in_its_place_already() -> None:
    with pytest.raises(Impossible):
        meet(ASKED, STARTED, KEPT)


def test_news_that_come_after_the_call_is_over_do_not_take_a_recording_back() -> None:
    assert meet(ASKED, OVER, STOPPED, STARTED) == (RecordingState.STOPPED, [])
    assert meet(ASKED, STARTED, OVER, STOPPED, OVER) == (RecordingState.STOPPED, [])
