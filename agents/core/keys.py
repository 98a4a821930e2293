"""The keys that an agent presses in a conversation, as wishes.

`*1 NUMBER #` passes the citizen on, `*2 NUMBER #` asks a third party, `*3` puts all three together, `*4` leaves the
citizen with the third, `*5` goes back to the citizen alone, `*8` holds and unholds. In: one key after the other, with
its time. Out: what has been typed so far, and a wish when it is whole. Pure; a pause between keys begins anew.
"""

from enum import StrEnum

import msgspec

BETWEEN_KEYS_S = 5.0
LONGEST_NUMBER = 20


class Wish(StrEnum):
    """What an agent wants, as its keys say it."""

    TRANSFER = "*1"
    CONSULT = "*2"
    CONFERENCE = "*3"
    COMPLETE = "*4"
    BACK = "*5"
    HOLD = "*8"


_TAKES_NUMBER = (Wish.TRANSFER, Wish.CONSULT)


class Typed(msgspec.Struct, frozen=True):
    """What an agent has pressed that is not yet a wish."""

    keys: str = ""
    at: float = 0.0
    """When the last of them was pressed, epoch seconds."""


def press(typed: Typed, digit: str, *, at: float) -> tuple[Typed, tuple[Wish, str] | None]:
    """The next key; with a wish, and the number that was dialled for it, when that is whole."""
    before = typed.keys if at - typed.at <= BETWEEN_KEYS_S else ""
    for wish in _TAKES_NUMBER:
        if before.startswith(wish):
            return _number(wish, before, digit, at=at)
    keys = before + digit
    if keys in set(Wish) - set(_TAKES_NUMBER):
        return Typed(), (Wish(keys), "")
    if keys in _TAKES_NUMBER:
        return Typed(keys, at), None
    return Typed("*" if digit == "*" else "", at), None


def _number(wish: Wish, keys: str, digit: str, *, at: float) -> tuple[Typed, tuple[Wish, str] | None]:
    number = keys.removeprefix(wish)
    if digit != "#":
        return (Typed(keys + digit, at) if len(number) < LONGEST_NUMBER else Typed()), None
    return Typed(), ((wish, number) if number else None)
