"""What is taken of another system's answer, and what is nonsense: too much, of another kind, or with markup in it.

In: an answer of unknown origin, as plain values, and what the flow wants of it. Out: a value for each of the flow's
variables, or `Nonsense` with the reason that the journal keeps (which never quotes the answer). Must never import
another room.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from telefonista.kernel.commands import Wanted
from telefonista.notation.expressions import GREATEST_VALUE, Value

LONGEST_TEXT = 200
_WHOLE = re.compile(r"-?[0-9]{1,13}", re.ASCII)
_MARKUP = frozenset("<>{}&")
_TRUTHS: Mapping[object, bool] = {"true": True, "1": True, "false": False, "0": False}


class Nonsense(Exception):
    """The answer cannot be what the flow wants; the message says why, without the answer."""


def taken(answer: Mapping[str, object], *, wanted: Mapping[str, Wanted]) -> dict[str, Value]:
    """The values of the flow's variables. Raises Nonsense; also where a field is not there."""
    values: dict[str, Value] = {}
    for variable, want in wanted.items():
        if answer.get(want.field) is None:
            raise Nonsense(f"no {want.field}")
        value = _READERS[want.kind](answer[want.field])
        if value is None:
            raise Nonsense(f"{want.field} is no {want.kind}")
        values[variable] = value
    return values


def _text(value: object) -> Value | None:
    if isinstance(value, datetime):
        value = value.date() if not (value.hour or value.minute) else value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal | date):
        return None
    text = " ".join(str(value).split()) if isinstance(value, str) else str(value)
    if len(text) > LONGEST_TEXT or not all(sign.isprintable() for sign in text) or _MARKUP & set(text):
        return None
    return text


def _number(value: object) -> Value | None:
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        value = int(value)
    elif isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Whoever counts in floats or decimals may still mean a whole number; what is not a number compares false.
    if not -GREATEST_VALUE <= value <= GREATEST_VALUE or value != int(value):
        return None
    return int(value)


def _truth(value: object) -> Value | None:
    return _TRUTHS.get(str(value).strip().lower()) if isinstance(value, str | int) else None


_READERS = {"text": _text, "number": _number, "truth": _truth}
