"""What each kind of node does: when it is entered, at a key, when its sound is over, when its wait is over.

In: the session and the node; out: the session and what follows, by the moves of `ivr.core.moves`. A new kind of node
is a Struct in `flow`, a reader in `reading`, and a line in the table at the end of this file. Must never import another
room.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import msgspec

from ivr.core.documents import written
from ivr.core.flow import (
    PERSON_KEY,
    Ask,
    BackToQueue,
    Branch,
    Callback,
    Goto,
    Hangup,
    Hours,
    Inquiry,
    Invoke,
    Language,
    Listen,
    Lookup,
    Menu,
    Node,
    OtherFlow,
    Question,
    Queue,
    Return,
    Say,
    Saying,
    Set,
    TicketOpening,
    TicketReading,
    Transfer,
    Voicemail,
)
from ivr.core.moves import (
    Session,
    State,
    Step,
    ask,
    await_answer,
    await_key,
    decide,
    finish,
    go_to,
    hand_off,
    hush,
    key_on_the_way,
    language_of,
    listen,
    next_request,
    play,
    stay,
    type_ahead,
    understands_speech,
)
from telefonista.kernel.commands import Errand, LookUp, OpenTicket, ReadTicket, RecordMessage, StopMessage
from telefonista.kernel.events import (
    CallbackAsked,
    CallbackGranted,
    CallbackRefused,
    Destination,
    DestinationKind,
    Diverted,
    InputRejected,
    InputTaken,
    LanguageChosen,
    LookupAnswered,
    LookupFailed,
    MessageFailed,
    MessageLeft,
    MessageRecorded,
    NodeEntered,
    OptionChosen,
    ReturnedToQueue,
    SurveyAnswered,
    TicketOpened,
    TicketStatus,
    VariableSet,
)
from telefonista.kernel.ids import NodeName, QueueName, RecordingId, citizen_leg, recording_id

START_OVER_KEY = "*"
TYPED_NUMBER = "?"
"""In place of a number that was not accepted."""
UNCLEAR = "?"
"""In place of something that was said and not understood."""
ANSWER_MARGIN_S = 1.0
"""Whoever runs an errand keeps its deadline; this is for when they do not."""
SETTLED_WITHIN_S = 5.0
"""The desk answers at once; this is for when there is none."""
FIRST_MESSAGE = 500
"""Recordings of conversations count from 1."""
MESSAGE_MARGIN_S = 10.0
NO_ANSWER = "no answer in time"
Answer: TypeAlias = (
    LookupAnswered
    | LookupFailed
    | TicketOpened
    | TicketStatus
    | CallbackGranted
    | CallbackRefused
    | MessageRecorded
    | MessageFailed
)
"""What a node may be waiting for."""


def _nothing_asked(session: Session, _: Any, __: Answer) -> Step:
    return stay(session)


class Behaviour(NamedTuple):
    """What can happen in a node."""

    enter: Callable[[Session, Any], Step]
    key: Callable[[Session, Any, str], Step]
    heard: Callable[[Session, Any], Step]
    """Its sound is over."""
    silence: Callable[[Session, Any], Step]
    """The wait that it asked for is over."""
    answer: Callable[[Session, Any, Answer], Step] = _nothing_asked
    """What it asked somebody is answered."""


def _say(session: Session, say: Say) -> Step:
    return play(session, say.prompt)


def _key_while_saying(session: Session, say: Say, digit: str) -> Step:
    if (digit == PERSON_KEY and session.flow.person) or not say.barge_in:
        return key_on_the_way(session, digit)
    return go_to(type_ahead(session, digit), say.then)


def _said(session: Session, say: Say) -> Step:
    return go_to(session, say.then)


def _offer_options(session: Session, menu: Menu) -> Step:
    session, digit = _typed_option(session, menu)
    if digit:
        return _choose(session, menu, digit)
    if session.rejected is None:
        return play(session, menu.prompt)
    return play(session, _complaint(session, menu), menu.prompt)


def _complaint(session: Session, node: Menu | Ask) -> Saying:
    """What is said before the same thing again; the second try has the first wording."""
    wordings = node.on_invalid if session.rejected else node.on_timeout
    return wordings[min(session.tries - 2, len(wordings) - 1)]


def _key_in_menu(session: Session, menu: Menu, digit: str) -> Step:
    if session.state is State.PLAYING and not menu.barge_in:
        return stay(type_ahead(session, digit))
    return _choose(session, menu, digit) if digit in menu.options else _reject(session, menu, digit)


def _options_heard(session: Session, menu: Menu) -> Step:
    session, digit = _typed_option(session, menu)
    return _choose(session, menu, digit) if digit else await_key(session, timeout_s=menu.timeout_s)


def _invite_speech(session: Session, node: Listen) -> Step:
    """What is asked is said as a citizen must answer it: aloud or by a key, or by a key alone."""
    session, digit = _typed_option(session, node)
    if digit:
        return _choose(session, node, digit)
    listens = _is_heard(session, node)
    prompt = node.prompt if listens else node.keys_prompt
    complaint = () if session.rejected is None else (_complaint(session, node),)
    session, outputs = play(session, *complaint, prompt)
    if not listens or not node.barge_in:
        return session, outputs
    session, listening = _listen(session, node)
    return session, [*outputs, *listening]


def _is_heard(session: Session, node: Listen) -> bool:
    return understands_speech(session) and bool(node.options_in(language_of(session)))


def _listen(session: Session, node: Listen) -> Step:
    return listen(session, node.options_in(language_of(session)))


def _speech_awaited(session: Session, node: Listen) -> Step:
    session, outputs = _options_heard(session, node)
    if session.state is not State.WAITING or session.listening is not None or not _is_heard(session, node):
        return session, outputs
    session, listening = _listen(session, node)
    return session, [*outputs, *listening]


def said(session: Session, node: Listen, phrase: str) -> Step:
    """The citizen said this; empty: something that is not understood. Noise while we speak is no answer yet; after
    that, what is not understood is asked again."""
    digit = node.key_of(phrase, language=language_of(session)) if phrase else ""
    if digit:
        return _choose(session, node, digit, phrase=phrase)
    return stay(session) if session.state is State.PLAYING else _reject(session, node, UNCLEAR)


def _no_key(session: Session, menu: Menu) -> Step:
    return _reject(session, menu, "")


def _typed_option(session: Session, menu: Menu) -> tuple[Session, str]:
    """The first key typed ahead that is an option of this menu, empty when there is none, and what is left after it."""
    for place, digit in enumerate(session.typed_ahead):
        if digit in menu.options:
            return msgspec.structs.replace(session, typed_ahead=session.typed_ahead[place + 1 :]), digit
    return msgspec.structs.replace(session, typed_ahead=""), ""


def _choose(session: Session, menu: Menu, digit: str, *, phrase: str = "") -> Step:
    option = menu.options[digit]
    return decide(
        session,
        OptionChosen(call=session.call, node=menu.name, digit=digit, option=option, phrase=phrase),
        NodeEntered(call=session.call, node=option),
    )


def _reject(session: Session, node: Menu | Ask, digit: str) -> Step:
    again = session.tries < node.tries
    return decide(
        session,
        InputRejected(call=session.call, node=node.name, digit=digit),
        NodeEntered(call=session.call, node=node.name, tries=session.tries + 1)
        if again
        else NodeEntered(call=session.call, node=node.on_failure),
    )


def _ask(session: Session, ask: Ask) -> Step:
    if session.typed_ahead:
        return _take_typed_ahead(session, ask)
    if session.rejected is None:
        return play(session, ask.prompt)
    return play(session, _complaint(session, ask), ask.prompt)


def _key_while_asking(session: Session, ask: Ask, digit: str) -> Step:
    if session.state is State.PLAYING and not ask.barge_in:
        return stay(type_ahead(session, digit))
    return _take(session, ask, digit)


def _question_heard(session: Session, ask: Ask) -> Step:
    return _take_typed_ahead(session, ask) if session.typed_ahead else await_key(session, timeout_s=ask.first_digit_s)


def _take_typed_ahead(session: Session, ask: Ask) -> Step:
    return _take(msgspec.structs.replace(session, typed_ahead=""), ask, session.typed_ahead)


def _take(session: Session, ask: Ask, keys: str) -> Step:
    """Add keys to what is typed already; those after the end of the number count in the next node."""
    for place, key in enumerate(keys):
        if key in ask.digits:
            since = session.typed_since if session.typed else session.at
            session = msgspec.structs.replace(session, typed=session.typed + key, typed_since=since)
        elif key == START_OVER_KEY:
            session = msgspec.structs.replace(session, typed="")
        if key == ask.terminator or len(session.typed) == ask.most:
            return _judge(type_ahead(session, keys[place + 1 :]), ask)
    session, hushed = hush(session)
    session, outputs = await_key(session, timeout_s=_patience_s(session, ask))
    return session, [*hushed, *outputs]


def _patience_s(session: Session, ask: Ask) -> float:
    """How long the next key may take."""
    if not session.typed:
        return ask.first_digit_s
    left_s = ask.overall_s - (session.at - session.typed_since)
    return max(0.0, min(ask.between_digits_s, left_s))


def _no_digit(session: Session, ask: Ask) -> Step:
    return _judge(session, ask) if session.typed else _reject(session, ask, "")


def _judge(session: Session, ask: Ask) -> Step:
    if ask.accepts(session.typed):
        return decide(
            session,
            InputTaken(call=session.call, node=ask.name, name=ask.into, value=written(session.typed)),
            NodeEntered(call=session.call, node=ask.then),
        )
    if session.typed == PERSON_KEY:
        return decide(
            session,
            OptionChosen(call=session.call, node=ask.name, digit=PERSON_KEY, option=ask.on_failure),
            NodeEntered(call=session.call, node=ask.on_failure),
        )
    return _reject(session, ask, TYPED_NUMBER)


def _set(session: Session, node: Set) -> Step:
    values = {name: expression.value(session.variables) for name, expression in node.values.items()}
    return decide(
        session,
        *(VariableSet(call=session.call, name=name, value=value) for name, value in values.items()),
        NodeEntered(call=session.call, node=node.then),
    )


def _branch(session: Session, branch: Branch) -> Step:
    true = (node for condition, node in branch.cases if condition.value(session.variables))
    return go_to(session, next(true, branch.otherwise))


def _look_at_the_clock(session: Session, node: Hours) -> Step:
    return go_to(session, node.open if node.hours.is_open(session.at) else node.closed)


def _invoke(session: Session, invoke: Invoke) -> Step:
    """Where to go on is noted as the node is entered, which is an event: a replay notes the same."""
    session = msgspec.structs.replace(session, returns=(*session.returns, invoke.then))
    return go_to(session, invoke.sub)


def _return(session: Session, _: Return) -> Step:
    if not session.returns:  # a flow that was changed while the engine was away
        return hand_off(session, session.person)
    *outer, then = session.returns
    return go_to(msgspec.structs.replace(session, returns=tuple(outer)), then)


def _announce_queue(session: Session, queue: Queue) -> Step:
    return _hand_over(session, queue) if queue.prompt is None else play(session, queue.prompt)


def _hand_over(session: Session, queue: Queue) -> Step:
    return hand_off(session, queue.queue, priority=queue.priority, topic=queue.topic, requires=queue.requires)


def _go_on(session: Session, goto: Goto) -> Step:
    return go_to(session, goto.to)


def _take_leave(session: Session, hangup: Hangup) -> Step:
    return finish(session) if hangup.prompt is None else play(session, hangup.prompt)


def _finish(session: Session, _: Hangup) -> Step:
    return finish(session)


def _choose_language(session: Session, node: Language) -> Step:
    return decide(
        session,
        LanguageChosen(call=session.call, language=node.language),
        NodeEntered(call=session.call, node=node.then),
    )


def _rate(session: Session, question: Question, digit: str) -> Step:
    """A key from 1 to 5 is the answer; for any other, a question is a menu like any."""
    if digit == PERSON_KEY or digit not in question.options:
        return _key_in_menu(session, question, digit)
    return decide(
        session,
        SurveyAnswered(call=session.call, survey=question.survey, question=question.question, answer=int(digit)),
        NodeEntered(call=session.call, node=question.options[digit]),
    )


def _ask_opinion(session: Session, question: Question) -> Step:
    """Keys that were typed before the question was heard are no answer to it."""
    return _offer_options(msgspec.structs.replace(session, typed_ahead=""), question)


def _opinion_awaited(session: Session, question: Question) -> Step:
    return await_key(session, timeout_s=question.timeout_s)


def _inquire(session: Session, node: Inquiry) -> Step:
    session, asked = ask(session, _errand(session, node))
    step = play(session, node.prompt) if node.prompt is not None else _await_answer(session, node)
    return step[0], [*asked, *step[1]]


def _errand(session: Session, node: Inquiry) -> Errand:
    request, variables = next_request(session), session.variables
    if isinstance(node, Lookup):
        return LookUp(
            call=session.call,
            request=request,
            source=node.source,
            parameters={name: expression.value(variables) for name, expression in node.parameters.items()},
            wanted=dict(node.wanted),
            deadline_s=node.deadline_s,
        )
    if isinstance(node, TicketOpening):
        return OpenTicket(
            call=session.call,
            request=request,
            # A node that is entered again after a restart asks for the same ticket.
            key=f"{session.call}.t{session.tickets + 1}",
            topic=node.topic,
            details={name: str(expression.value(variables)) for name, expression in node.details.items()},
            deadline_s=node.deadline_s,
        )
    assert isinstance(node, TicketReading)
    ticket = str(variables.get(node.number, ""))
    return ReadTicket(call=session.call, request=request, ticket=ticket, deadline_s=node.deadline_s)


def _await_answer(session: Session, node: Inquiry) -> Step:
    return await_answer(session, timeout_s=node.deadline_s + ANSWER_MARGIN_S)


def _asked_for_long_enough(session: Session, node: Inquiry) -> Step:
    """What is said meanwhile is said to its end, whenever the answer comes."""
    return go_to(session, session.answered) if session.answered else _await_answer(session, node)


def _inquiry_answered(session: Session, node: Inquiry, event: Answer) -> Step:
    if not isinstance(event, LookupAnswered | LookupFailed | TicketOpened | TicketStatus):
        return stay(session)
    leads_to = _led_by(node, event)
    if session.state is State.PLAYING:
        return stay(msgspec.structs.replace(session, answered=leads_to))
    return go_to(session, leads_to)


def _led_by(node: Inquiry, event: Answer) -> NodeName:
    if isinstance(event, LookupAnswered):
        return node.found if event.found else node.nothing
    if isinstance(event, TicketStatus):
        return node.found if event.status else node.nothing
    return node.found if isinstance(event, TicketOpened) else node.on_failure


def _no_answer(session: Session, node: Inquiry) -> Step:
    assert session.errand is not None
    return decide(
        session,
        LookupFailed(call=session.call, request=session.errand.request, why=NO_ANSWER),
        NodeEntered(call=session.call, node=node.on_failure),
    )


def _key_while_asking_others(session: Session, _: Inquiry, digit: str) -> Step:
    return key_on_the_way(session, digit)


def _announce_transfer(session: Session, node: Transfer) -> Step:
    return _transfer(session, node) if node.prompt is None else play(session, node.prompt)


def _transfer(session: Session, node: Transfer) -> Step:
    return _divert(session, Destination(DestinationKind.NUMBER, node.number))


def _announce_other_flow(session: Session, node: OtherFlow) -> Step:
    return _enter_other_flow(session, node) if node.prompt is None else play(session, node.prompt)


def _enter_other_flow(session: Session, node: OtherFlow) -> Step:
    return _divert(session, Destination(DestinationKind.FLOW, node.flow))


def _divert(session: Session, to: Destination) -> Step:
    return decide(session, Diverted(call=session.call, to=to, why=f"flow {session.flow.name}"))


def _announce_return(session: Session, node: BackToQueue) -> Step:
    return _return_to_queue(session, node) if node.prompt is None else play(session, node.prompt)


def _return_to_queue(session: Session, _: BackToQueue) -> Step:
    return decide(session, ReturnedToQueue(call=session.call))


def _ask_for_callback(session: Session, node: Callback) -> Step:
    asked = CallbackAsked(
        call=session.call,
        queue=_queue_named(session, node.queue),
        number=str(session.variables.get(node.number, "")),
        topic=node.topic,
    )
    session, outputs = await_answer(session, timeout_s=SETTLED_WITHIN_S)
    return session, [asked, *outputs]


def _queue_named(session: Session, queue: str) -> QueueName:
    """A queue, or the one that a variable names."""
    if not queue.startswith("{"):
        return QueueName(queue)
    return QueueName(str(session.variables.get(queue.strip("{}"), "")) or session.person)


def _callback_settled(session: Session, node: Callback, event: Answer) -> Step:
    if not isinstance(event, CallbackGranted | CallbackRefused):
        return stay(session)
    return go_to(session, node.granted if isinstance(event, CallbackGranted) else node.refused)


def _callback_unsettled(session: Session, node: Callback) -> Step:
    return go_to(session, node.refused)


def _invite_message(session: Session, node: Voicemail) -> Step:
    return play(session, node.prompt)


def _key_while_inviting(session: Session, node: Voicemail, digit: str) -> Step:
    """0 leads to a person; any other key is the end of the message, or of waiting for the tone."""
    if digit == PERSON_KEY and session.flow.person:
        session, stopped = _stop_message(session)
        session, outputs = key_on_the_way(session, digit)
        return session, [*stopped, *outputs]
    if session.state is State.WAITING:
        return _stop_message(session)
    session, hushed = hush(session)
    session, outputs = _record(session, node)
    return session, [*hushed, *outputs]


def _record(session: Session, node: Voicemail) -> Step:
    session = msgspec.structs.replace(session, messages=session.messages + 1)
    record = RecordMessage(
        call=session.call, leg=citizen_leg(session.call), recording=_recording(session), longest_s=node.longest_s
    )
    session, outputs = await_answer(session, timeout_s=node.longest_s + MESSAGE_MARGIN_S)
    return session, [record, *outputs]


def _stop_message(session: Session) -> Step:
    if session.state is not State.WAITING:
        return stay(session)
    return session, [StopMessage(call=session.call, recording=_recording(session))]


def _recording(session: Session) -> RecordingId:
    """Of the message that is being taken, or was last."""
    return recording_id(session.call, n=FIRST_MESSAGE + session.messages)


def _message_taken(session: Session, node: Voicemail, event: Answer) -> Step:
    if not isinstance(event, MessageRecorded | MessageFailed) or event.recording != _recording(session):
        return stay(session)
    if isinstance(event, MessageFailed):
        return go_to(session, node.on_failure)
    left = MessageLeft(
        call=session.call,
        recording=event.recording,
        queue=_queue_named(session, node.queue),
        number=str(session.variables.get(node.number, "")) if node.number else session.caller,
        duration_s=event.duration_s,
    )
    return decide(session, left, NodeEntered(call=session.call, node=node.then))


def _no_message(session: Session, node: Voicemail) -> Step:
    session, stopped = _stop_message(session)
    session, outputs = go_to(session, node.on_failure)
    return session, [*stopped, *outputs]


def _key_is_too_late(session: Session, _: Node, __: str) -> Step:
    return stay(session)


def _on_the_way(enter: Callable[[Session, Any], Step]) -> Behaviour:
    """Of a node in which nothing is said."""
    return Behaviour(enter=enter, key=_key_is_too_late, heard=enter, silence=enter)


_INQUIRY = Behaviour(
    enter=_inquire,
    key=_key_while_asking_others,
    heard=_asked_for_long_enough,
    silence=_no_answer,
    answer=_inquiry_answered,
)
BEHAVIOURS: Mapping[type[Node], Behaviour] = {
    Say: Behaviour(enter=_say, key=_key_while_saying, heard=_said, silence=_said),
    Menu: Behaviour(enter=_offer_options, key=_key_in_menu, heard=_options_heard, silence=_no_key),
    Listen: Behaviour(enter=_invite_speech, key=_key_in_menu, heard=_speech_awaited, silence=_no_key),
    Queue: Behaviour(enter=_announce_queue, key=_key_is_too_late, heard=_hand_over, silence=_hand_over),
    Ask: Behaviour(enter=_ask, key=_key_while_asking, heard=_question_heard, silence=_no_digit),
    Set: _on_the_way(_set),
    Branch: _on_the_way(_branch),
    Hours: _on_the_way(_look_at_the_clock),
    Invoke: _on_the_way(_invoke),
    Return: _on_the_way(_return),
    Goto: _on_the_way(_go_on),
    Hangup: Behaviour(enter=_take_leave, key=_key_is_too_late, heard=_finish, silence=_finish),
    Language: _on_the_way(_choose_language),
    Question: Behaviour(enter=_ask_opinion, key=_rate, heard=_opinion_awaited, silence=_no_key),
    Lookup: _INQUIRY,
    TicketOpening: _INQUIRY,
    TicketReading: _INQUIRY,
    Transfer: Behaviour(enter=_announce_transfer, key=_key_is_too_late, heard=_transfer, silence=_transfer),
    OtherFlow: Behaviour(
        enter=_announce_other_flow, key=_key_is_too_late, heard=_enter_other_flow, silence=_enter_other_flow
    ),
    BackToQueue: Behaviour(
        enter=_announce_return, key=_key_is_too_late, heard=_return_to_queue, silence=_return_to_queue
    ),
    Callback: Behaviour(
        enter=_ask_for_callback,
        key=_key_is_too_late,
        heard=_callback_unsettled,
        silence=_callback_unsettled,
        answer=_callback_settled,
    ),
    Voicemail: Behaviour(
        enter=_invite_message,
        key=_key_while_inviting,
        heard=_record,
        silence=_no_message,
        answer=_message_taken,
    ),
}
