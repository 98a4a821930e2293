"""A citizen's conversation with the machine, as a table: what each event does in each state.

In: the call's events, our own decisions among them. Out: commands (sounds, timers, hanging up) and decisions
(`NodeEntered`, `OptionChosen`, `HandedOff`, …), which take effect when they come back as events. What a kind of node
makes of a key or of the end of its sound stands in `ivr.core.behaviours`. Must never import another room.
"""

import msgspec

from ivr.core.behaviours import BEHAVIOURS, UNCLEAR, Answer, Behaviour, said
from ivr.core.flow import Flow, Listen, Node, TicketOpening, TicketReading
from ivr.core.moves import (
    ABANDONED,
    FINISHED,
    LOST,
    MOST_MISHEARD,
    STOPPED,
    Session,
    State,
    Step,
    await_key,
    forget_timer,
    hand_off,
    hush,
    is_playing,
    pause,
    stay,
    stop_listening,
    type_ahead,
)
from telefonista.kernel.commands import HangUp
from telefonista.kernel.events import (
    CallbackAsked,
    CallbackGranted,
    CallbackRefused,
    CallBroken,
    CallEnded,
    CallLost,
    CallStopped,
    CommandFailed,
    DigitPressed,
    Diverted,
    FlowEnded,
    FlowEntered,
    HandedOff,
    InputRejected,
    InputTaken,
    LanguageChosen,
    LegEnded,
    LookupAnswered,
    LookupFailed,
    MessageFailed,
    MessageLeft,
    MessageRecorded,
    NodeEntered,
    OptionChosen,
    PlaybackEnded,
    ReturnedToQueue,
    SpeechBegan,
    SpeechFailed,
    SpeechHeard,
    SurveyAnswered,
    TicketOpened,
    TicketStatus,
    TimerFired,
    VariableSet,
)
from telefonista.kernel.ids import CallId, NodeName, QueueName, citizen_leg
from telefonista.kernel.machine import IMPOSSIBLE, LATE, Exempt, Machine, Output, Reaction, rows
from telefonista.notation.expressions import Kind, kind_of

MOST_NODES = 300
"""Entered in one flow. Somebody who presses keys that often is helped by a person."""


def begin(
    call: CallId,
    *,
    flow: Flow,
    person: QueueName,
    caller: str = "",
    speech: bool = False,
    before: Session | None = None,
) -> Session:
    """The session of a call that has just entered `flow`; its first `NodeEntered` is decided by whoever began it.

    `before` is the call's way through an earlier flow: numbers go on from there, since Asterisk knows each sound by its
    own, and the language stays where this flow speaks it too.
    """
    first = {name: kind.first for name, kind in flow.variables.items()}
    session = Session(call=call, flow=flow, person=person, variables=first, caller=caller, speech=speech)
    if before is None:
        return session
    return msgspec.structs.replace(
        session,
        language=_same_language(before.language or before.flow.language, flow),
        playbacks=before.playbacks,
        timers=before.timers,
        requests=before.requests,
        tickets=before.tickets,
        messages=before.messages,
        misheard=before.misheard,
        listenings=before.listenings,
        nodes_entered=before.nodes_entered,
    )


def _same_language(language: str, flow: Flow) -> str:
    """That one of the flow's languages; empty where it begins in it anyway, or does not have it."""
    spoken = language.partition("-")[0]
    return next((mine for mine in flow.more_languages if mine.partition("-")[0] == spoken), "")


def resume(session: Session) -> list[Output]:
    """What must follow a restart or a gap in the link; the session itself stays as it is.

    A node that was saying something is entered again, and so says it again under a new number: its sound may have been
    cut, or never been asked for, and Asterisk does not refuse a playback id that it has already (it plays both, one
    after the other). So is one that was listening, for whoever listened is gone. A wait for a key begins anew. A
    decision is repeated only where a changed flow file led to one that the journal does not have. What another system
    was asked is asked again; and where an answer was private, so that the journal has none of its values, the
    conversation goes on from where they were asked for.
    """
    if session.state is State.BETWEEN:
        return list(session.decided)
    if session.state is State.ENDED:
        return [HangUp(call=session.call, leg=citizen_leg(session.call))] if session.hangs_up else []
    if session.veiled_by:
        return [NodeEntered(call=session.call, node=session.veiled_by)]
    if session.state is State.PLAYING or session.listening is not None:
        return [NodeEntered(call=session.call, node=session.node, tries=session.tries)]
    assert session.timer is not None
    return [session.timer] if session.errand is None else [session.errand, session.timer]


def _place(session: Session) -> tuple[Behaviour, Node]:
    node = session.flow.nodes[session.node]
    return BEHAVIOURS[type(node)], node


def _enter(session: Session, event: NodeEntered, at: float) -> Step:
    session, hushed = hush(session)
    session, stopped = stop_listening(session)
    known = event.node in session.flow.nodes
    session = msgspec.structs.replace(
        session,
        state=State.BETWEEN,
        node=event.node if known else session.flow.start,
        tries=event.tries if known else 1,
        returns=session.returns if known else (),
        rejected=session.rejected if known and event.tries > 1 else None,
        decided=(),
        typed="",
        errand=None,
        answered=NodeName(""),
        veiled_by=NodeName("") if event.node == session.veiled_by else session.veiled_by,
        at=at,
        nodes_entered=session.nodes_entered + 1,
    )
    if session.nodes_entered > MOST_NODES:
        session, outputs = hand_off(session, session.person)
    else:
        behaviour, node = _place(session)
        session, outputs = behaviour.enter(session, node)
    return session, [*hushed, *stopped, *outputs]


def _type_ahead(session: Session, event: DigitPressed, at: float) -> Step:
    return stay(type_ahead(session, event.digit) if event.leg == citizen_leg(session.call) else session)


def _key(session: Session, event: DigitPressed, at: float) -> Step:
    if event.leg != citizen_leg(session.call):
        return stay(session)
    behaviour, node = _place(session)
    return behaviour.key(msgspec.structs.replace(session, at=at), node, event.digit)


def _speech_began(session: Session, event: SpeechBegan, at: float) -> Step:
    """Whoever speaks is not interrupted: the wait begins anew."""
    if session.listening is None or event.listening != session.listening.listening:
        return stay(session)
    _, node = _place(session)
    assert isinstance(node, Listen)
    session, cancelled = forget_timer(session)
    session, outputs = await_key(session, timeout_s=node.timeout_s)
    return session, [*cancelled, *outputs]


def _speech(session: Session, event: SpeechHeard, at: float) -> Step:
    if session.listening is None or event.listening != session.listening.listening:
        return stay(session)
    _, node = _place(session)
    assert isinstance(node, Listen)
    return said(session, node, event.phrase)


def _speech_failed(session: Session, event: SpeechFailed, at: float) -> Step:
    """From here on there are the keys, and the citizen is told so at once."""
    if session.listening is None or event.listening != session.listening.listening:
        return stay(session)
    session, hushed = hush(msgspec.structs.replace(session, listening=None, misheard=MOST_MISHEARD))
    behaviour, node = _place(session)
    session, outputs = behaviour.enter(session, node)
    return session, [*hushed, *outputs]


def _note_choice(session: Session, event: OptionChosen, at: float) -> Step:
    return stay(msgspec.structs.replace(session, misheard=0) if event.phrase else session)


def _sound_ended(session: Session, event: PlaybackEnded, at: float) -> Step:
    if not is_playing(session, event.playback):
        return stay(session)
    return pause(session) if event.failed else _go_on_from_sound(msgspec.structs.replace(session, sound=None))


def _sound_refused(session: Session, event: CommandFailed, at: float) -> Step:
    return pause(session) if is_playing(session, event.subject) else stay(session)


def _guard_fired(session: Session, event: TimerFired, at: float) -> Step:
    if not _is_running(session, event):
        return stay(session)
    return _go_on_from_sound(msgspec.structs.replace(session, timer=None))


def _go_on_from_sound(session: Session) -> Step:
    session, hushed = hush(session)
    behaviour, node = _place(session)
    session, outputs = behaviour.heard(session, node)
    return session, [*hushed, *outputs]


def _wait_over(session: Session, event: TimerFired, at: float) -> Step:
    if not _is_running(session, event):
        return stay(session)
    behaviour, node = _place(session)
    return behaviour.silence(msgspec.structs.replace(session, timer=None), node)


def _is_running(session: Session, event: TimerFired) -> bool:
    timer = session.timer
    return timer is not None and (timer.key, timer.token) == (event.key, event.token)


def _note_rejection(session: Session, event: InputRejected, at: float) -> Step:
    node = session.flow.nodes.get(event.node)
    misheard = session.misheard + (isinstance(node, Listen) and event.digit in ("", UNCLEAR))
    return stay(msgspec.structs.replace(session, rejected=event.digit, misheard=misheard))


def _set_variable(session: Session, event: VariableSet | InputTaken, at: float) -> Step:
    """A flow that was changed while the engine was away may no longer have it, or have it of another kind."""
    if session.flow.variables.get(event.name) is not kind_of(event.value):
        return stay(session)
    return stay(msgspec.structs.replace(session, variables={**session.variables, event.name: event.value}))


def _choose_language(session: Session, event: LanguageChosen, at: float) -> Step:
    known = event.language in session.flow.more_languages
    return stay(msgspec.structs.replace(session, language=event.language if known else ""))


def _take_values(session: Session, event: LookupAnswered, at: float) -> Step:
    """Values that are only masks here leave the variables as they begin, and are asked for again before they count."""
    if not _is_asked(session, event):
        return stay(session)
    kinds = session.flow.variables
    if event.masked:
        values = {name: kinds[name].first for name in event.values if name in kinds}
        session = msgspec.structs.replace(session, veiled_by=session.veiled_by or session.node)
    else:
        values = {name: value for name, value in event.values.items() if kinds.get(name) is kind_of(value)}
    session = msgspec.structs.replace(session, variables={**session.variables, **values})
    return _go_on_from_answer(session, event)


def _take_ticket(session: Session, event: TicketOpened, at: float) -> Step:
    if not _is_asked(session, event):
        return stay(session)
    session = msgspec.structs.replace(session, tickets=session.tickets + 1)
    return _go_on_from_answer(_with_text(session, event.ticket), event)


def _take_status(session: Session, event: TicketStatus, at: float) -> Step:
    return _go_on_from_answer(_with_text(session, event.status), event) if _is_asked(session, event) else stay(session)


def _go_without(session: Session, event: LookupFailed, at: float) -> Step:
    return _go_on_from_answer(session, event) if _is_asked(session, event) else stay(session)


def _is_asked(session: Session, event: LookupAnswered | LookupFailed | TicketOpened | TicketStatus) -> bool:
    """Whether this is what the node waits for, and not the late answer to what an earlier one asked."""
    return session.errand is not None and session.errand.request == event.request


def _with_text(session: Session, text: str) -> Session:
    """With what the back office said, in the variable that the node names."""
    _, node = _place(session)
    into = node.into if isinstance(node, TicketOpening | TicketReading) else ""
    if session.flow.variables.get(into) is not Kind.TEXT:
        return session
    return msgspec.structs.replace(session, variables={**session.variables, into: text})


def _go_on_from_answer(session: Session, event: Answer) -> Step:
    behaviour, node = _place(session)
    return behaviour.answer(msgspec.structs.replace(session, errand=None), node, event)


def _answer(session: Session, event: Answer, at: float) -> Step:
    behaviour, node = _place(session)
    return behaviour.answer(session, node, event)


def _elsewhere(session: Session, event: HandedOff | Diverted | ReturnedToQueue, at: float) -> Step:
    return _end(session)


def _flow_ended(session: Session, event: FlowEnded, at: float) -> Step:
    session, outputs = _end(session)
    if event.outcome != FINISHED:
        return session, outputs
    hang_up = HangUp(call=session.call, leg=citizen_leg(session.call))
    return msgspec.structs.replace(session, hangs_up=True), [*outputs, hang_up]


def _leg_ended(session: Session, event: LegEnded, at: float) -> Step:
    return _leave(session, ABANDONED) if event.leg == citizen_leg(session.call) else stay(session)


def _leg_ended_after_the_flow(session: Session, event: LegEnded, at: float) -> Step:
    gone = event.leg == citizen_leg(session.call)
    return stay(msgspec.structs.replace(session, hangs_up=session.hangs_up and not gone))


def _call_lost(session: Session, event: CallLost, at: float) -> Step:
    return _leave(session, LOST)


def _call_stopped(session: Session, event: CallStopped, at: float) -> Step:
    return _leave(session, STOPPED)


def _call_over(session: Session, event: CallEnded | CallBroken, at: float) -> Step:
    return _end(_without_sound(session))


def _call_over_after_the_flow(
    session: Session, event: CallEnded | CallBroken | CallLost | CallStopped, at: float
) -> Step:
    return stay(msgspec.structs.replace(session, hangs_up=False))


def _leave(session: Session, outcome: str) -> Step:
    """The citizen is gone, and every sound with the leg: there is nothing left to stop but the timer."""
    session, forgotten = forget_timer(_without_sound(session))
    session, stopped = stop_listening(session)
    ended = FlowEnded(call=session.call, outcome=outcome)
    return msgspec.structs.replace(session, state=State.BETWEEN, decided=(ended,)), [*forgotten, *stopped, ended]


def _end(session: Session) -> Step:
    session, hushed = hush(session)
    session, stopped = stop_listening(session)
    return msgspec.structs.replace(session, state=State.ENDED, decided=(), typed_ahead=""), [*hushed, *stopped]


def _without_sound(session: Session) -> Session:
    return msgspec.structs.replace(session, sound=None)


_: Exempt = LATE
X: Exempt = IMPOSSIBLE
_TABLE: dict[type, tuple[Reaction[Session] | Exempt, ...]] = {
    # columns: between, playing, waiting, ended
    FlowEntered: (X, X, X, X),
    # Decisions are taken wherever they meet us: after a restart with a changed flow file it is the journal, not the
    # file, that says what was decided.
    NodeEntered: (_enter, _enter, _enter, _),
    OptionChosen: (_note_choice, _note_choice, _note_choice, _),
    InputRejected: (_note_rejection, _note_rejection, _note_rejection, _),
    VariableSet: (_set_variable, _set_variable, _set_variable, _),
    InputTaken: (_set_variable, _set_variable, _set_variable, _),
    LanguageChosen: (_choose_language, _choose_language, _choose_language, _),
    LookupAnswered: (_, _take_values, _take_values, _),
    LookupFailed: (_, _go_without, _go_without, _),
    TicketOpened: (_, _take_ticket, _take_ticket, _),
    TicketStatus: (_, _take_status, _take_status, _),
    SurveyAnswered: (_, _, _, _),
    CallbackAsked: (_, _, _, _),
    CallbackGranted: (_, _, _answer, _),
    CallbackRefused: (_, _, _answer, _),
    MessageRecorded: (_, _, _answer, _),
    MessageFailed: (_, _, _answer, _),
    MessageLeft: (_, _, _, _),
    HandedOff: (_elsewhere, _elsewhere, _elsewhere, _),
    Diverted: (_elsewhere, _elsewhere, _elsewhere, _),
    ReturnedToQueue: (_elsewhere, _elsewhere, _elsewhere, _),
    FlowEnded: (_flow_ended, _flow_ended, _flow_ended, _),
    DigitPressed: (_type_ahead, _key, _key, _),
    SpeechBegan: (_, _, _speech_began, _),
    SpeechHeard: (_, _speech, _speech, _),
    SpeechFailed: (_, _speech_failed, _speech_failed, _),
    PlaybackEnded: (_, _sound_ended, _, _),
    CommandFailed: (_, _sound_refused, _, _),
    TimerFired: (_, _guard_fired, _wait_over, _),
    LegEnded: (_leg_ended, _leg_ended, _leg_ended, _leg_ended_after_the_flow),
    CallLost: (_call_lost, _call_lost, _call_lost, _call_over_after_the_flow),
    CallStopped: (_call_stopped, _call_stopped, _call_stopped, _call_over_after_the_flow),
    CallBroken: (_call_over, _call_over, _call_over, _call_over_after_the_flow),
    CallEnded: (_call_over, _call_over, _call_over, _call_over_after_the_flow),
}
MACHINE: Machine[Session] = Machine("ivr.session", states=State, events=_TABLE, table=rows(State, _TABLE))
