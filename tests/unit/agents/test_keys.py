"""What agents' keys mean in a conversation, one after the other."""

import pytest

from agents.core.keys import BETWEEN_KEYS_S, LONGEST_NUMBER, Typed, Wish, press


def type_in(keys: str, *, apart_s: float = 0.5, typed: Typed | None = None) -> list[tuple[Wish, str]]:
    """The wishes that these keys make."""
    wishes = []
    now = Typed() if typed is None else typed
    for n, key in enumerate(keys):
        now, whole = press(now, key, at=100.0 + n * apart_s)
        if whole is not None:
            wishes.append(whole)
    return wishes


@pytest.mark.parametrize(
    ("keys", "wishes"),
    [
        ("*1102#", [(Wish.TRANSFER, "102")]),
        ("*29001#", [(Wish.CONSULT, "9001")]),
        ("*1*463#", [(Wish.TRANSFER, "*463")]),
        ("*3", [(Wish.CONFERENCE, "")]),
        ("*4", [(Wish.COMPLETE, "")]),
        ("*5", [(Wish.BACK, "")]),
        ("*8*8", [(Wish.HOLD, ""), (Wish.HOLD, "")]),
        ("123#", []),
        ("**8", [(Wish.HOLD, "")]),
        ("*9*8", [(Wish.HOLD, "")]),
        ("*98", []),
        ("*1#", []),
        ("*1#*8", [(Wish.HOLD, "")]),
        ("7*8", [(Wish.HOLD, "")]),
        ("*1" + "9" * LONGEST_NUMBER + "#", [(Wish.TRANSFER, "9" * LONGEST_NUMBER)]),
        ("*1" + "9" * (LONGEST_NUMBER + 1) + "#", []),
    ],
)
def test_keys_are_wishes_when_they_are_whole(keys: str, wishes: list[tuple[Wish, str]]) -> None:
    assert type_in(keys) == wishes


def test_pause_between_keys_begins_anew() -> None:
    assert type_in("*8", apart_s=BETWEEN_KEYS_S) == [(Wish.HOLD, "")]
    assert type_in("*8", apart_s=BETWEEN_KEYS_S + 0.1) == []
    assert type_in("*1102#", apart_s=BETWEEN_KEYS_S + 0.1) == []
