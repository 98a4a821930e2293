"""One spelling for each citizen's number, whatever the network gives."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telefonista.store.number import e164, is_of_the_country


@pytest.mark.parametrize(
    ("caller", "number"),
    [
        ("099123456", "+59899123456"),
        ("99123456", "+59899123456"),
        ("+59899123456", "+59899123456"),
        ("0059899123456", "+59899123456"),
        ("099 123 456", "+59899123456"),
        ("29001234", "+59829001234"),
        ("2900-1234", "+59829001234"),
        ("+5493425551234", "+5493425551234"),
    ],
)
def test_number_is_read_as_dialled_in_uruguay(caller: str, number: str) -> None:
    assert e164(caller) == number


def test_same_digits_are_another_number_on_a_line_in_argentina() -> None:
    assert e164("0342 455 1234", country="AR") == "+543424551234"
    assert e164("0342 455 1234", country="UY") is None


@pytest.mark.parametrize(
    "caller",
    [
        "",
        "anonymous",
        "Restricted",
        "101",
        "4636",
        "*463",
        "0800-INFO",
        "sip:099123456@example.org",
        "tel:099123456;phone-context=x",
        "099123456 ext 5",
        "099123456\r\nAction: Originate",
        "٠٩٩١٢٣٤٥٦",
        "099123456\x00",
        "+",
        "9" * 400,
    ],
)
def test_hidden_short_or_malformed_caller_is_nobody(caller: str) -> None:
    assert e164(caller) is None


@given(st.text() | st.text(alphabet="0123456789+-() .", max_size=40), st.sampled_from(["UY", "AR", "CL", "ZZ", ""]))
def test_no_text_raises_and_what_comes_out_is_e164(caller: str, country: str) -> None:
    number = e164(caller, country=country)
    assert number is None or re.fullmatch(r"\+[1-9][0-9]{6,14}", number)


@pytest.mark.parametrize(
    ("number", "ours"),
    [
        ("099123456", True),
        ("+598 2 900 1950", True),
        ("+5491123456789", False),
        ("0019005551234", False),
        ("0900 1234", False),
        ("12", False),
    ],
    ids=["mobile", "fixed", "abroad", "abroad and costly", "costly", "none"],
)
def test_citizen_cannot_have_a_stranger_abroad_or_a_costly_number_called(number: str, ours: bool) -> None:
    assert is_of_the_country(number, country="UY") is ours
