"""A citizen's place in a flow, and the few moves that a node can make with it.

A move returns the next value of the session and what is to come of it. What leads out of a node is an event, journalled
and then applied like any other, and only its application enters the next node: what is folded from the journal after a
restart is therefore the same value. The sound and the timer that are running are part of the value. Must never import
another room.
"""

from collections.abc import Mapping
from enum import Enum
from typing import TypeAlias

import msgspec

from ivr.core.flow import PERSON_KEY, Flow, Saying, Versions
from ivr.core.saying import piece_prompt, value_pieces
from telefonista.kernel.commands import (
    CancelTimer,
    Errand,
    Play,
    Prompt,
    SetTimer,
    StartListening,
    StopListening,
    StopPlayback,
)
from telefonista.kernel.events import Event, FlowEnded, HandedOff, NodeEntered, OptionChosen
from telefonista.kernel.ids import CallId, NodeName, PlaybackId, QueueName, citizen_leg, listening_id, playback_id
from telefonista.kernel.machine import Output
from telefonista.notation.expressions import Value

GUARD_KEY = "flow.guard"
"""The timer that goes on in place of a sound whose end nobody tells."""
KEY_WAIT_KEY = "flow.key"
"""The timer of a menu that waits for a key."""
GUARD_S = 120.0
GUARD_S_PER_SIGN = 0.2
"""A slow voice says five signs in less than a second, so no sound is ever cut short by its guard."""
FAILED_SOUND_PAUSE_S = 0.5
"""When a citizen hangs up, the sound fails a moment before the leg ends; going on at once would put into a queue, or
count in a menu, a citizen who has left."""
ANSWER_WAIT_KEY = "flow.answer"
"""The timer of a node that asked another system."""
TYPED_AHEAD_KEYS = 20
MOST_MISHEARD = 2
"""In a row; then nothing more is understood in this call but keys."""

HANDED_OFF = "handed_off"
FINISHED = "finished"
ABANDONED = "abandoned"
LOST = "lost"
STOPPED = "stopped"


class State(Enum):
    BETWEEN = "between"
    """It is decided what follows; the decision has not been applied yet."""
    PLAYING = "playing"
    WAITING = "waiting"
    """All is said; the citizen's turn."""
    ENDED = "ended"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """All there is to know of one citizen's way through one flow."""

    state: State = State.BETWEEN
    call: CallId
    flow: Flow
    person: QueueName
    """Where a citizen goes who would otherwise go round for ever."""
    node: NodeName = NodeName("")
    tries: int = 1
    rejected: str | None = None
    """The key that this menu did not have, empty when none came in time; None when it is heard for the first time."""
    typed_ahead: str = ""
    typed: str = ""
    """The digits of the number that is being asked for."""
    typed_since: float = 0.0
    """When the first of them came."""
    at: float = 0.0
    """When the last thing that counts here happened, epoch seconds."""
    variables: Mapping[str, Value] = {}
    language: str = ""
    """The one that is spoken, of the flow's; empty: its first."""
    caller: str = ""
    """As the network gave it; untrusted."""
    speech: bool = False
    """Whether what is said is understood in this call, as far as anybody knew when the flow was entered."""
    misheard: int = 0
    """How often in a row something that was to be said was not, or not understood."""
    listening: StartListening | None = None
    listenings: int = 0
    """Numbers given to them so far."""
    requests: int = 0
    """Numbers given to what was asked of other systems."""
    errand: Errand | None = None
    """What this node asked and was not answered yet."""
    answered: NodeName = NodeName("")
    """Where the answer leads that came while this node was still speaking."""
    veiled_by: NodeName = NodeName("")
    """The node whose answer the journal does not have: after a restart it must be asked again."""
    tickets: int = 0
    """Opened so far."""
    messages: int = 0
    """Numbers given to recordings so far; 500 and up are the flow's."""
    returns: tuple[NodeName, ...] = ()
    """Where each sub-flow that we are in goes on when it is done, the innermost last."""
    decided: tuple[Event, ...] = ()
    sound: Play | None = None
    timer: SetTimer | None = None
    playbacks: int = 0
    """Numbers given to sounds so far; 1 … 1000 are the flow's."""
    timers: int = 0
    nodes_entered: int = 0
    hangs_up: bool = False
    """The flow ended with our hanging up, and the citizen's leg may still be there."""


Step: TypeAlias = tuple[Session, list[Output]]


def stay(session: Session) -> Step:
    return session, []


def play(session: Session, *sayings: Saying) -> Step:
    """Say these, one after the other, under a guard. Nothing may be playing."""
    prompts = tuple(prompt for saying in sayings for prompt in _spoken(session, saying))
    number = session.playbacks + 1
    sound = Play(
        call=session.call,
        leg=citizen_leg(session.call),
        playback=playback_id(session.call, n=number),
        prompts=prompts,
    )
    guard_s = max(GUARD_S, GUARD_S_PER_SIGN * sum(len(prompt.text) for prompt in prompts))
    session, outputs = _set_timer(session, GUARD_KEY, guard_s)
    session = msgspec.structs.replace(session, state=State.PLAYING, sound=sound, playbacks=number)
    return session, [sound, *outputs]


def _spoken(session: Session, saying: Saying) -> list[Prompt]:
    """What is said now: values become pieces that were synthesised before."""
    language = language_of(session)
    if isinstance(saying, Versions):
        saying = saying.in_language(language)
    if isinstance(saying, Prompt):
        return [saying]
    spoken: list[Prompt] = []
    for part in saying.parts:
        if isinstance(part, Prompt):
            spoken.append(part)
            continue
        value = session.variables.get(part.variable, "")
        pieces = value_pieces(value, manner=part.manner, language=language)
        spoken += [piece_prompt(piece, language=language) for piece in pieces]
    return spoken


def await_key(session: Session, *, timeout_s: float) -> Step:
    """Nothing more is said; the citizen has this long to press a key."""
    session, outputs = _set_timer(session, KEY_WAIT_KEY, timeout_s)
    return msgspec.structs.replace(session, state=State.WAITING), outputs


def language_of(session: Session) -> str:
    """The one that is spoken now."""
    return session.language or session.flow.language


def understands_speech(session: Session) -> bool:
    return session.speech and session.misheard < MOST_MISHEARD


def listen(session: Session, options: tuple[tuple[str, ...], ...]) -> Step:
    """Listen to the citizen from now on, whatever is said or awaited meanwhile, until this node is left."""
    number = session.listenings + 1
    listening = StartListening(
        call=session.call,
        leg=citizen_leg(session.call),
        listening=listening_id(session.call, n=number),
        node=session.node,
        language=language_of(session),
        phrases=options,
    )
    return msgspec.structs.replace(session, listening=listening, listenings=number), [listening]


def stop_listening(session: Session) -> Step:
    if session.listening is None:
        return stay(session)
    stop = StopListening(call=session.call, listening=session.listening.listening)
    return msgspec.structs.replace(session, listening=None), [stop]


def ask(session: Session, errand: Errand) -> Step:
    """Send this errand, of the number that `next_request` gave; what is said or awaited meanwhile is another move's."""
    return msgspec.structs.replace(session, requests=errand.request, errand=errand), [errand]


def next_request(session: Session) -> int:
    return session.requests + 1


def await_answer(session: Session, *, timeout_s: float) -> Step:
    """All is said; what was asked has this long to be answered."""
    session, outputs = _set_timer(session, ANSWER_WAIT_KEY, timeout_s)
    return msgspec.structs.replace(session, state=State.WAITING), outputs


def key_on_the_way(session: Session, digit: str) -> Step:
    """A key where none is asked for: 0 is the way to a person, any other is kept for the next menu."""
    person = session.flow.person
    if digit != PERSON_KEY or not person:
        return stay(type_ahead(session, digit))
    return decide(
        session,
        OptionChosen(call=session.call, node=session.node, digit=digit, option=person),
        NodeEntered(call=session.call, node=person),
    )


def pause(session: Session) -> Step:
    """The sound failed: go on in a moment, unless the citizen turns out to have left."""
    session = msgspec.structs.replace(session, sound=None)
    return _set_timer(session, GUARD_KEY, FAILED_SOUND_PAUSE_S)


def decide(session: Session, *events: Event) -> Step:
    """This node is done with: stop its sound, its timer and its listening; what follows happens when `events` are
    applied."""
    session, hushed = hush(session)
    session, stopped = stop_listening(session)
    return msgspec.structs.replace(session, state=State.BETWEEN, decided=events), [*hushed, *stopped, *events]


def go_to(session: Session, node: NodeName, *, tries: int = 1) -> Step:
    return decide(session, NodeEntered(call=session.call, node=node, tries=tries))


def hand_off(session: Session, queue: QueueName, *, priority: int = 0, topic: str = "", requires: str = "") -> Step:
    """The citizen's way goes on in a queue, where the agent is to speak the language that was chosen."""
    return decide(
        session,
        HandedOff(
            call=session.call,
            queue=queue,
            priority=priority,
            topic=topic,
            requires=requires,
            language=session.language.partition("-")[0],
        ),
        FlowEnded(call=session.call, outcome=HANDED_OFF),
    )


def finish(session: Session) -> Step:
    """The conversation is over and so is the call."""
    return decide(session, FlowEnded(call=session.call, outcome=FINISHED))


def type_ahead(session: Session, digit: str) -> Session:
    """Keep a key for the next menu; those beyond the bound are lost."""
    return msgspec.structs.replace(session, typed_ahead=(session.typed_ahead + digit)[:TYPED_AHEAD_KEYS])


def hush(session: Session) -> Step:
    """Stop the sound and the timer that are running, if any."""
    outputs: list[Output] = []
    if session.sound is not None:
        outputs.append(StopPlayback(call=session.call, playback=session.sound.playback))
    session, cancelled = forget_timer(msgspec.structs.replace(session, sound=None))
    return session, [*outputs, *cancelled]


def forget_timer(session: Session) -> Step:
    if session.timer is None:
        return session, []
    cancelled = CancelTimer(call=session.call, key=session.timer.key)
    return msgspec.structs.replace(session, timer=None), [cancelled]


def is_playing(session: Session, playback: PlaybackId | str) -> bool:
    return session.sound is not None and session.sound.playback == playback


def _set_timer(session: Session, key: str, after_s: float) -> Step:
    token = session.timers + 1
    timer = SetTimer(call=session.call, key=key, token=token, after_s=after_s)
    return msgspec.structs.replace(session, timer=timer, timers=token), [timer]
