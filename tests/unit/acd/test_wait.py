"""What a waiting citizen hears, and that nothing of it is ever in the way of a connection."""

import msgspec
import pytest

from acd.core.wait import ANNOUNCE_TIMER, FIRST_ANNOUNCEMENT_S, GUARD_S, MACHINE, Wait, WaitState, resume
from telefonista.kernel.commands import CancelTimer, Play, Prompt, SetTimer, StartMusic, StopMusic, StopPlayback
from telefonista.kernel.events import (
    Destination,
    DestinationKind,
    Event,
    PlaybackEnded,
    TimerFired,
    VisitEnded,
    VisitOutcome,
    VisitResumed,
    VisitSuspended,
    WaitAnnounced,
    WaitBegan,
)
from telefonista.kernel.ids import CallId, PlaybackId, QueueName, citizen_leg, playback_id, visit_id
from telefonista.kernel.machine import Impossible, Output

CALL = CallId("tf1-1700000000.1")
LEG = citizen_leg(CALL)
SOUND, NEXT = playback_id(CALL, n=1001), playback_id(CALL, n=1002)
PROMPTS = (Prompt("Usted es el próximo."),)
DUE = Wait(call=CALL, announce_every_s=30.0, prompts=PROMPTS)


def announced(playback: PlaybackId = SOUND) -> WaitAnnounced:
    return WaitAnnounced(call=CALL, visit=visit_id(CALL, n=1), position=1, playback=playback)


BEGAN = WaitBegan(call=CALL, visit=visit_id(CALL, n=1))


def timer(token: int, after_s: float) -> SetTimer:
    return SetTimer(call=CALL, key=ANNOUNCE_TIMER, token=token, after_s=after_s)


def over(outcome: VisitOutcome = VisitOutcome.ANSWERED) -> VisitEnded:
    return VisitEnded(call=CALL, visit=visit_id(CALL, n=1), queue=QueueName("general"), outcome=outcome)


def fired(token: int, key: str = ANNOUNCE_TIMER) -> TimerFired:
    return TimerFired(call=CALL, key=key, token=token)


def meet(*events: Event) -> tuple[Wait, list[object]]:
    """The last of what came of these, a second apart."""
    wait = DUE
    outputs: list[Output] = []
    for at, event in enumerate(events, start=100):
        wait, outputs = MACHINE.step(wait, event, at=float(at))
    return wait, list(outputs)


SAID = PlaybackEnded(call=CALL, playback=SOUND)
IN_MUSIC = (announced(), SAID)


def test_first_announcement_comes_with_the_music_that_goes_on_after_it() -> None:
    wait, outputs = meet(announced())
    assert outputs == [
        StartMusic(call=CALL, leg=LEG),
        Play(call=CALL, leg=LEG, playback=SOUND, prompts=PROMPTS),
        timer(1, GUARD_S),
    ]
    assert (wait.state, wait.announcements) == (WaitState.ANNOUNCING, 1)


def test_next_announcement_is_due_so_long_after_the_last_was_said() -> None:
    wait, outputs = meet(*IN_MUSIC)
    assert (wait.state, outputs) == (WaitState.MUSIC, [timer(2, 30.0)])
    wait, outputs = meet(*IN_MUSIC, fired(2))
    assert (wait.state, outputs) == (WaitState.DUE, [])


def test_music_is_not_begun_again_with_the_next_announcement() -> None:
    _, outputs = meet(*IN_MUSIC, fired(2), announced(NEXT))
    assert outputs == [Play(call=CALL, leg=LEG, playback=NEXT, prompts=PROMPTS), timer(3, GUARD_S)]


def test_sound_whose_end_nobody_tells_counts_as_said_after_a_while() -> None:
    wait, outputs = meet(announced(), fired(1))
    assert wait.state is WaitState.MUSIC
    assert outputs == [StopPlayback(call=CALL, playback=SOUND), timer(2, 30.0)]


def test_who_is_offered_to_an_agent_at_once_hears_music_and_is_told_where_they_stand_only_after_a_while() -> None:
    wait, outputs = meet(BEGAN)
    assert outputs == [StartMusic(call=CALL, leg=LEG), timer(1, FIRST_ANNOUNCEMENT_S)]
    assert (wait.state, wait.announcements) == (WaitState.MUSIC, 0)
    assert meet(BEGAN, fired(1))[0].state is WaitState.DUE
    _, outputs = meet(BEGAN, fired(1), announced())
    assert outputs == [Play(call=CALL, leg=LEG, playback=SOUND, prompts=PROMPTS), timer(2, GUARD_S)]


@pytest.mark.parametrize("before", [(announced(),), IN_MUSIC], ids=["announcing", "music"])
@pytest.mark.parametrize("stale", [fired(0), fired(9), fired(1, "flow.guard"), fired(2, "flow.guard")])
def test_timer_of_something_else_changes_nothing(before: tuple[Event, ...], stale: TimerFired) -> None:
    assert meet(*before, stale) == (meet(*before)[0], [])


def test_end_of_another_sound_changes_nothing() -> None:
    wait, _ = meet(announced())
    other = PlaybackEnded(call=CALL, playback=playback_id(CALL, n=3))
    assert MACHINE.step(wait, other, at=5.0) == (wait, [])


def test_end_of_the_stay_stops_what_is_being_said_and_the_timer() -> None:
    wait, outputs = meet(announced(), over())
    assert outputs == [CancelTimer(call=CALL, key=ANNOUNCE_TIMER), StopPlayback(call=CALL, playback=SOUND)]
    assert wait.state is WaitState.OVER


def test_end_of_the_stay_during_the_music_leaves_it_to_the_bridge() -> None:
    assert meet(*IN_MUSIC, over())[1] == [CancelTimer(call=CALL, key=ANNOUNCE_TIMER)]
    assert meet(over())[1] == [CancelTimer(call=CALL, key=ANNOUNCE_TIMER)]


def test_citizen_who_goes_elsewhere_is_taken_out_of_the_music() -> None:
    assert StopMusic(call=CALL, leg=LEG) in meet(*IN_MUSIC, over(VisitOutcome.DIVERTED))[1]


def test_wait_that_is_over_hears_nothing_more_and_ends_but_once() -> None:
    wait, _ = meet(announced(), over())
    for late in (SAID, fired(1), announced(NEXT)):
        assert MACHINE.step(wait, late, at=5.0) == (wait, [])
    with pytest.raises(Impossible):
        MACHINE.step(wait, over(), at=5.0)


@pytest.mark.parametrize("before", [(announced(),), IN_MUSIC], ids=["announcing", "music"])
def test_announcement_that_is_not_due_is_a_defect(before: tuple[Event, ...]) -> None:
    with pytest.raises(Impossible):
        meet(*before, announced(NEXT))


def test_after_a_gap_the_music_is_asked_for_again_and_the_next_announcement_comes_when_it_was_due() -> None:
    wait, _ = meet(*IN_MUSIC)  # said at 101, so the next is due at 131
    assert resume(wait, at=120.0) == [StartMusic(call=CALL, leg=LEG), timer(2, 11.0)]
    assert resume(wait, at=500.0) == [StartMusic(call=CALL, leg=LEG), timer(2, 1.0)]


def test_after_a_gap_music_is_asked_for_again_when_an_announcement_was_due_meanwhile() -> None:
    wait, _ = meet(BEGAN, fired(1))
    assert resume(wait, at=120.0) == [StartMusic(call=CALL, leg=LEG)]
    assert resume(DUE, at=120.0) == []


def test_after_a_gap_an_announcement_that_may_have_been_cut_is_taken_for_said() -> None:
    wait, _ = meet(announced())
    assert resume(wait, at=120.0) == [StartMusic(call=CALL, leg=LEG), timer(1, 1.0)]


def test_after_a_gap_nothing_that_is_still_being_said_delays_a_conversation() -> None:
    wait, _ = meet(announced(), over())
    assert resume(wait, at=120.0) == [StopPlayback(call=CALL, playback=SOUND)]
    assert resume(msgspec.structs.replace(wait, playback=None), at=120.0) == []


ASIDE = VisitSuspended(call=CALL, visit=visit_id(CALL, n=1), to=Destination(DestinationKind.CALLBACK))


@pytest.mark.parametrize("before", [(), (announced(),), IN_MUSIC], ids=["due", "announcing", "music"])
def test_citizen_in_a_dialogue_hears_nothing_of_the_queue(before: tuple[Event, ...]) -> None:
    wait, outputs = meet(*before, ASIDE)
    assert (wait.state, wait.playback, wait.music) == (WaitState.ASIDE, None, False)
    assert (StopMusic(call=CALL, leg=LEG) in outputs) is bool(before)
    assert (StopPlayback(call=CALL, playback=SOUND) in outputs) is (len(before) == 1)
    assert resume(wait, at=500.0) == []
    back, _ = MACHINE.step(wait, VisitResumed(call=CALL, visit=visit_id(CALL, n=1)), at=600.0)
    assert back.state is WaitState.DUE
    assert StopMusic(call=CALL, leg=LEG) not in MACHINE.step(wait, over(VisitOutcome.DIVERTED), at=600.0)[1]
