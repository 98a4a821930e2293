"""What each kind of node does: when it is entered, at a key, when its sound is over, when its wait is over.

In: the session and the node; out: the session and what follows, by the moves of `ivr.core.moves`. A new kind of node
is a Struct in `flow`, a reader in `reading`, and a line in the table at the end of this file. Must never import another
room.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from ivr.core.flow import Goto, Hangup, Menu, Node, Queue, Say
from ivr.core.moves import (
    Session,
    State,
    Step,
    await_key,
    decide,
    finish,
    go_to,
    hand_off,
    play,
    stay,
    type_ahead,
)
from telefonista.kernel.events import InputRejected, NodeEntered, OptionChosen


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
    return play(session, menu.on_invalid if session.rejected else menu.on_timeout, menu.prompt)


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


def _reject(session: Session, menu: Menu, digit: str) -> Step:
    again = session.tries < menu.tries
    return decide(
        session,
        InputRejected(call=session.call, node=menu.name, digit=digit),
        NodeEntered(call=session.call, node=menu.name, tries=session.tries + 1)
        if again
        else NodeEntered(call=session.call, node=menu.on_failure),
    )


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


BEHAVIOURS: Mapping[type[Node], Behaviour] = {
    Say: Behaviour(enter=_say, key=_key_while_saying, heard=_said, silence=_said),
    Menu: Behaviour(enter=_offer_options, key=_key_in_menu, heard=_options_heard, silence=_no_key),
    Queue: Behaviour(enter=_announce_queue, key=_key_is_too_late, heard=_hand_over, silence=_hand_over),
    Goto: Behaviour(enter=_go_on, key=_key_is_too_late, heard=_go_on, silence=_go_on),
    Hangup: Behaviour(enter=_take_leave, key=_key_is_too_late, heard=_finish, silence=_finish),
}
