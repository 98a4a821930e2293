"""What is taken of another system's answer; whatever it is, nothing raises but Nonsense."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.core.lookups import LONGEST_TEXT, Nonsense, taken
from telefonista.kernel.commands import Wanted


@pytest.mark.parametrize(
    ("kind", "given_value", "value"),
    [
        ("text", " dos  palabras ", "dos palabras"),
        ("text", 1500, "1500"),
        ("text", 1500.5, "1500.5"),
        ("text", Decimal("1500.50"), "1500.50"),
        ("text", date(2026, 12, 1), "2026-12-01"),
        ("text", datetime(2026, 12, 1, tzinfo=UTC), "2026-12-01"),
        ("text", datetime(2026, 12, 1, 15, 30, tzinfo=UTC), "2026-12-01 15:30"),
        ("number", 3, 3),
        ("number", "-3", -3),
        ("number", 3.0, 3),
        ("number", Decimal("3"), 3),
        ("truth", True, True),
        ("truth", "False", False),
        ("truth", 1, True),
    ],
)
def test_value_is_taken_in_the_kind_of_the_variable(kind: Any, given_value: object, value: object) -> None:
    assert taken({"f": given_value}, wanted={"v": Wanted("f", kind)}) == {"v": value}


@pytest.mark.parametrize(
    ("kind", "nonsense"),
    [
        ("text", True),
        ("text", ["x"]),
        ("text", {"a": 1}),
        ("text", "x" * (LONGEST_TEXT + 1)),
        ("text", "<speak>hola</speak>"),
        ("text", "{otra}"),
        ("text", "a\x00b"),
        ("number", True),
        ("number", "tres"),
        ("number", 3.5),
        ("number", float("nan")),
        ("number", float("inf")),
        ("number", Decimal("NaN")),
        ("number", 10**40),
        ("number", "9" * 500),
        ("truth", "quizás"),
        ("truth", 2),
        ("truth", 1.5),
        ("truth", None),
    ],
)
def test_nonsense_is_refused_with_a_reason_that_does_not_quote_it(kind: Any, nonsense: object) -> None:
    with pytest.raises(Nonsense) as refusal:
        taken({"f": nonsense}, wanted={"v": Wanted("f", kind)})
    assert str(refusal.value) in (f"f is no {kind}", "no f")


def test_field_that_is_not_there_is_nonsense() -> None:
    with pytest.raises(Nonsense, match="no f"):
        taken({"g": 1}, wanted={"v": Wanted("f", "number")})


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists), st.data())
def test_no_answer_raises_anything_else(answer: object, data: st.DataObject) -> None:
    kind: Any = data.draw(st.sampled_from(["text", "number", "truth"]))
    try:
        (value,) = taken({"f": answer}, wanted={"v": Wanted("f", kind)}).values()
    except Nonsense:
        return
    assert isinstance(value, {"text": str, "number": int, "truth": bool}[kind])
    assert not set(str(value)) & set("<>{}&")
