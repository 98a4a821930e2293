"""What a waiting citizen hears: an announcement, then music, then an announcement again, until the stay is over.

Asterisk plays the music from the first announcement on and takes it up again by itself after each, so that nobody hears
silence while there is no engine. An announcement never delays a connection: the end of the stay stops it. Whoever is
in a dialogue meanwhile hears that alone. The desk, which knows the position, makes the announcement that a state of DUE
asks for.
"""

from enum import StrEnum

import msgspec

from telefonista.kernel.commands import CancelTimer, Play, Prompt, SetTimer, StartMusic, StopMusic, StopPlayback
from telefonista.kernel.events import (
    PlaybackEnded,
    TimerFired,
    VisitEnded,
    VisitOutcome,
    VisitResumed,
    VisitSuspended,
    WaitAnnounced,
    WaitBegan,
)
from telefonista.kernel.ids import CallId, PlaybackId, citizen_leg
from telefonista.kernel.machine import IMPOSSIBLE, LATE, Exempt, Machine, Output, Reaction, rows

ANNOUNCE_TIMER = "visit.announce"
FIRST_PLAYBACK = 1001
"""Playbacks of one call are numbered; those below are the flow's."""
FIRST_ANNOUNCEMENT_S = 10.0
"""Whoever is offered to an agent at once is told where they stand only if nobody has answered by then."""
MOST_ANNOUNCEMENTS = 1000
"""Of one stay, before the numbers of the next one begin."""
GUARD_S = 60.0
"""After this long an announcement counts as played even if nobody said so: no citizen is left in silence."""


class WaitState(StrEnum):
    DUE = "due"
    ANNOUNCING = "announcing"
    MUSIC = "music"
    ASIDE = "aside"
    OVER = "over"


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    call: CallId
    announce_every_s: float
    prompts: tuple[Prompt, ...] = ()
    """What the announcement under way says; filled by the desk before `WaitAnnounced` is applied."""
    state: WaitState = WaitState.DUE
    playback: PlaybackId | None = None
    announcements: int = 0
    music: bool = False
    """Whether it was asked for."""
    next_at: float = 0.0
    token: int = 0
    callback_offered: bool = False
    """The citizen was told of the key to be called back."""


Step = tuple[Wait, list[Output]]


def _announced(wait: Wait, event: WaitAnnounced, at: float) -> Step:
    token = wait.token + 1
    announcing = msgspec.structs.replace(
        wait,
        state=WaitState.ANNOUNCING,
        playback=event.playback,
        announcements=wait.announcements + 1,
        music=True,
        token=token,
        next_at=at + GUARD_S,
        callback_offered=wait.callback_offered or event.callback,
    )
    first: list[Output] = [] if wait.music else [_music(wait)]
    return announcing, [
        *first,
        Play(
            call=wait.call,
            leg=citizen_leg(wait.call),
            playback=event.playback,
            prompts=wait.prompts,
        ),
        SetTimer(call=wait.call, key=ANNOUNCE_TIMER, token=token, after_s=GUARD_S),
    ]


def _began(wait: Wait, event: WaitBegan, at: float) -> Step:
    """An agent is rung already, so there is nothing to say yet."""
    token = wait.token + 1
    listening = msgspec.structs.replace(
        wait, state=WaitState.MUSIC, music=True, token=token, next_at=at + FIRST_ANNOUNCEMENT_S
    )
    timer = SetTimer(call=wait.call, key=ANNOUNCE_TIMER, token=token, after_s=FIRST_ANNOUNCEMENT_S)
    return listening, [_music(wait), timer]


def _music(wait: Wait) -> StartMusic:
    return StartMusic(call=wait.call, leg=citizen_leg(wait.call))


def _to_music(wait: Wait, *, at: float) -> Step:
    token = wait.token + 1
    listening = msgspec.structs.replace(
        wait, state=WaitState.MUSIC, playback=None, token=token, next_at=at + wait.announce_every_s
    )
    return listening, [SetTimer(call=wait.call, key=ANNOUNCE_TIMER, token=token, after_s=wait.announce_every_s)]


def _playback_ended(wait: Wait, event: PlaybackEnded, at: float) -> Step:
    return (wait, []) if event.playback != wait.playback else _to_music(wait, at=at)


def _guard_fired(wait: Wait, event: TimerFired, at: float) -> Step:
    if event.key != ANNOUNCE_TIMER or event.token != wait.token:
        return wait, []
    assert wait.playback is not None
    listening, outputs = _to_music(wait, at=at)
    return listening, [StopPlayback(call=wait.call, playback=wait.playback), *outputs]


def _announcement_due(wait: Wait, event: TimerFired, at: float) -> Step:
    if event.key != ANNOUNCE_TIMER or event.token != wait.token:
        return wait, []
    return msgspec.structs.replace(wait, state=WaitState.DUE), []


def _over(wait: Wait, event: VisitEnded, at: float) -> Step:
    quiet = _hushed(wait)
    if event.outcome is VisitOutcome.DIVERTED and wait.state is not WaitState.ASIDE:
        quiet.append(StopMusic(call=wait.call, leg=citizen_leg(wait.call)))
    return msgspec.structs.replace(wait, state=WaitState.OVER), quiet


def _set_aside(wait: Wait, event: VisitSuspended, at: float) -> Step:
    quiet = _hushed(wait)
    if wait.music:
        quiet.append(StopMusic(call=wait.call, leg=citizen_leg(wait.call)))
    return msgspec.structs.replace(wait, state=WaitState.ASIDE, playback=None, music=False), quiet


def _back(wait: Wait, event: VisitResumed, at: float) -> Step:
    return msgspec.structs.replace(wait, state=WaitState.DUE), []


def _hushed(wait: Wait) -> list[Output]:
    """No announcement goes on, and none is to come."""
    outputs: list[Output] = [CancelTimer(call=wait.call, key=ANNOUNCE_TIMER)]
    if wait.state is WaitState.ANNOUNCING:
        assert wait.playback is not None
        outputs.append(StopPlayback(call=wait.call, playback=wait.playback))
    return outputs


def resume(wait: Wait, *, at: float) -> list[Output]:
    """After a gap: an announcement may have been cut, so it ends soon, or at once if the stay is over, for it would
    delay the connection; the music may never have been asked for."""
    if wait.state is WaitState.OVER:
        return [] if wait.playback is None else [StopPlayback(call=wait.call, playback=wait.playback)]
    if wait.state is WaitState.ASIDE:
        return []
    if wait.state is WaitState.DUE:
        return [_music(wait)] if wait.music else []
    left_s = max(1.0, wait.next_at - at) if wait.state is WaitState.MUSIC else 1.0
    return [_music(wait), SetTimer(call=wait.call, key=ANNOUNCE_TIMER, token=wait.token, after_s=left_s)]


_: Exempt = LATE
X: Exempt = IMPOSSIBLE
_TABLE: dict[type, tuple[Reaction[Wait] | Exempt, ...]] = {
    # columns: due, announcing, music, aside, over
    WaitBegan: (_began, X, X, X, _),
    WaitAnnounced: (_announced, X, X, X, _),
    PlaybackEnded: (_, _playback_ended, _, _, _),
    TimerFired: (_, _guard_fired, _announcement_due, _, _),
    VisitSuspended: (_set_aside, _set_aside, _set_aside, X, _),
    VisitResumed: (X, X, X, _back, _),
    VisitEnded: (_over, _over, _over, _over, X),
}
MACHINE: Machine[Wait] = Machine("acd.wait", states=WaitState, events=_TABLE, table=rows(WaitState, _TABLE))
