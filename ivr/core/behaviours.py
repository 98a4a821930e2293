"""What each kind of node does: when it is entered, at a key, when its sound is over, when its wait is over.

In: the session and the node; out: the session and what follows, by the moves of `ivr.core.moves`. A new kind of node
is a Struct in `flow`, a reader in `reading`, and a line in the table at the end of this file. Must never import another
room.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from ivr.core.documents import written
from ivr.core.flow import (
    PERSON_KEY,
    Ask,
    Branch,
    Goto,
    Hangup,
    Hours,
    Invoke,
    Menu,
    Node,
    Queue,
    Return,
    Say,
    Saying,
    Set,
)
from ivr.core.moves import (
    Session,
    State,
    Step,
    await_key,
    decide,
    finish,
    go_to,
    hand_off,
    hush,
    play,
    stay,
    type_ahead,
)
from telefonista.kernel.events import InputRejected, InputTaken, NodeEntered, OptionChosen, VariableSet

START_OVER_KEY = "*"
TYPED_NUMBER = "?"
"""In place of a number that was not accepted."""


class Behaviour(NamedTuple):
    """The four things that can happen in a node."""

    enter: Callable[[Session, Any], Step]
    key: Callable[[Session, Any, str], Step]
    heard: Callable[[Session, Any], Step]
    """Its sound is over."""
    silence: Callable[[Session, Any], Step]
    """The wait that it asked for is over."""


def _say(session: Session, say: Say) -> Step:
    return play(session, say.prompt)


def _key_while_saying(session: Session, say: Say, digit: str) -> Step:
    session = type_ahead(session, digit)
    return go_to(session, say.then) if say.barge_in else stay(session)


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


def _no_key(session: Session, menu: Menu) -> Step:
    return _reject(session, menu, "")


def _typed_option(session: Session, menu: Menu) -> tuple[Session, str]:
    """The first key typed ahead that is an option of this menu, empty when there is none, and what is left after it."""
    for place, digit in enumerate(session.typed_ahead):
        if digit in menu.options:
            return msgspec.structs.replace(session, typed_ahead=session.typed_ahead[place + 1 :]), digit
    return msgspec.structs.replace(session, typed_ahead=""), ""


def _choose(session: Session, menu: Menu, digit: str) -> Step:
    option = menu.options[digit]
    return decide(
        session,
        OptionChosen(call=session.call, node=menu.name, digit=digit, option=option),
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
    return hand_off(session, queue.queue, priority=queue.priority, topic=queue.topic)


def _go_on(session: Session, goto: Goto) -> Step:
    return go_to(session, goto.to)


def _take_leave(session: Session, hangup: Hangup) -> Step:
    return finish(session) if hangup.prompt is None else play(session, hangup.prompt)


def _finish(session: Session, _: Hangup) -> Step:
    return finish(session)


def _key_is_too_late(session: Session, _: Node, __: str) -> Step:
    return stay(session)


def _on_the_way(enter: Callable[[Session, Any], Step]) -> Behaviour:
    """Of a node in which nothing is said."""
    return Behaviour(enter=enter, key=_key_is_too_late, heard=enter, silence=enter)


BEHAVIOURS: Mapping[type[Node], Behaviour] = {
    Say: Behaviour(enter=_say, key=_key_while_saying, heard=_said, silence=_said),
    Menu: Behaviour(enter=_offer_options, key=_key_in_menu, heard=_options_heard, silence=_no_key),
    Queue: Behaviour(enter=_announce_queue, key=_key_is_too_late, heard=_hand_over, silence=_hand_over),
    Ask: Behaviour(enter=_ask, key=_key_while_asking, heard=_question_heard, silence=_no_digit),
    Set: _on_the_way(_set),
    Branch: _on_the_way(_branch),
    Hours: _on_the_way(_look_at_the_clock),
    Invoke: _on_the_way(_invoke),
    Return: _on_the_way(_return),
    Goto: _on_the_way(_go_on),
    Hangup: Behaviour(enter=_take_leave, key=_key_is_too_late, heard=_finish, silence=_finish),
}
