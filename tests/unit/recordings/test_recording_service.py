"""The room of the recordings: one for each conversation, which outlives its call."""

from collections.abc import Sequence

from recordings import RecordingsService
from recordings.core.recording import SETTLE_TIMER
from telefonista.kernel.commands import CancelTimer, KeepRecording, SetTimer, StartRecording, StopRecording
from telefonista.kernel.events import (
    CallEnded,
    ConversationEnded,
    ConversationStarted,
    EndReason,
    Entry,
    Event,
    Medium,
    RecordingAsked,
    RecordingFailed,
    RecordingKept,
    RecordingStarted,
    RecordingStopped,
    TimerFired,
)
from telefonista.kernel.ids import (
    AgentId,
    CallId,
    QueueName,
    RecordingId,
    agent_leg,
    bridge_id,
    citizen_leg,
    recording_id,
)
from telefonista.kernel.machine import Output
from telefonista.kernel.ports import Room

CALL, OTHER = CallId("tf1-1700000000.1"), CallId("tf1-1700000000.2")
ANA = AgentId("101")
FIRST, SECOND = recording_id(CALL, n=1), recording_id(CALL, n=2)
SETTLED = TimerFired(call=CALL, key=SETTLE_TIMER, token=0)
OVER = CallEnded(call=CALL, reason=EndReason.AGENT_HUNG_UP)


def connected(n: int = 1) -> ConversationStarted:
    return ConversationStarted(
        call=CALL, agent=ANA, leg=agent_leg(CALL, n=n), bridge=bridge_id(CALL, n=n), queue=QueueName("general")
    )


def asked(recording: RecordingId = FIRST) -> RecordingAsked:
    return RecordingAsked(call=CALL, recording=recording, agent=ANA)


def kept(recording: RecordingId = FIRST) -> RecordingKept:
    return RecordingKept(call=CALL, recording=recording, path="r.wav", duration_s=3.0, sha256="0" * 64)


def stopped(recording: RecordingId = FIRST) -> RecordingStopped:
    return RecordingStopped(call=CALL, recording=recording)


def give(service: RecordingsService, *events: Event) -> Sequence[Output]:
    outputs: Sequence[Output] = ()
    for event in events:
        outputs = service.handle(Entry(seq=1, at=5.0, event=event))
    return outputs


def test_every_conversation_gets_a_recording_with_a_name_of_its_own() -> None:
    service = RecordingsService()
    assert give(service, connected()) == [asked()]
    assert give(service, asked(), connected(2)) == [asked(SECOND)]


def test_recording_outlives_its_call_until_it_is_kept() -> None:
    service = RecordingsService()
    give(service, connected(), asked())
    assert give(service, OVER) == [stopped()]
    service.forget(CALL)
    give(service, stopped())
    assert service.unfinished() == (CALL,)
    assert give(service, SETTLED) == [KeepRecording(call=CALL, recording=FIRST)]
    give(service, kept())
    assert service.unfinished() == ()
    assert give(service, SETTLED, kept(), RecordingFailed(call=CALL, recording=FIRST, why="twice")) == []


def test_call_with_two_recordings_waits_for_both() -> None:
    service = RecordingsService()
    give(service, asked(), asked(SECOND), OVER, stopped(), stopped(SECOND), kept())
    assert service.unfinished() == (CALL,)
    assert give(service, SETTLED) == [KeepRecording(call=CALL, recording=SECOND)]
    give(service, RecordingFailed(call=CALL, recording=SECOND, why="no sound"))
    assert service.unfinished() == ()


def test_after_a_gap_what_may_never_have_begun_is_begun_and_what_has_stopped_is_kept() -> None:
    service = RecordingsService()
    assert service.resume(CALL, at=9.0) == []
    give(service, asked())
    assert service.resume(CALL, at=9.0) == [StartRecording(call=CALL, leg=citizen_leg(CALL), recording=FIRST)]
    give(service, RecordingStarted(call=CALL, recording=FIRST))
    assert service.resume(CALL, at=9.0) == []
    give(service, stopped())
    (timer,) = service.resume(CALL, at=9.0)
    assert isinstance(timer, SetTimer)
    assert timer.key == SETTLE_TIMER


def test_news_of_a_recording_that_nobody_asked_for_is_ignored() -> None:
    service = RecordingsService()
    assert give(service, RecordingStarted(call=OTHER, recording=recording_id(OTHER, n=1))) == []
    give(service, asked())
    assert give(service, RecordingStarted(call=CALL, recording=SECOND)) == []


def test_service_is_a_room_that_hears_of_conversations_and_of_the_ends_of_calls() -> None:
    room: Room = RecordingsService()
    assert {ConversationStarted, CallEnded, RecordingKept, TimerFired} <= room.consumes


def test_numbering_ends_with_the_call() -> None:
    service = RecordingsService()
    give(service, connected(), asked(), OVER, stopped(), SETTLED, kept())
    service.forget(CALL)
    assert give(service, connected()) == [asked(FIRST)]


PASSED_ON = ConversationEnded(call=CALL, agent=ANA, leg=agent_leg(CALL, n=1), reason=EndReason.TRANSFERRED)


def test_somebody_who_hears_a_message_is_not_recorded() -> None:
    heard = ConversationStarted(
        call=CALL,
        agent=ANA,
        leg=agent_leg(CALL, n=1),
        bridge=bridge_id(CALL, n=1),
        queue=QueueName("general"),
        medium=Medium.VOICEMAIL,
    )
    assert give(RecordingsService(), heard) == ()


def test_recording_that_was_to_end_with_its_conversation_is_ended_again_after_a_gap_unless_the_next_one_runs() -> None:
    service = RecordingsService()
    give(service, connected(), asked(), PASSED_ON)
    assert service.resume(CALL, at=9.0) == [StopRecording(call=CALL, leg=citizen_leg(CALL), recording=FIRST)]
    give(service, connected(2), asked(SECOND), RecordingStarted(call=CALL, recording=SECOND))
    assert service.resume(CALL, at=9.0) == []
    assert give(service, OVER) == [stopped(), stopped(SECOND)]


def test_recording_that_is_settled_leaves_the_timer_to_the_next_one_of_its_call() -> None:
    service = RecordingsService()
    give(service, connected(), asked(), PASSED_ON, stopped(), connected(2), asked(SECOND), OVER, stopped(SECOND))
    assert give(service, kept()) == []
    assert give(service, kept(SECOND)) == [CancelTimer(call=CALL, key=SETTLE_TIMER)]
    assert service.unfinished() == ()
