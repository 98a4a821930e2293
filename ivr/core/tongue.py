"""What a language must know in order to say the value of a variable, and what no language needs to know twice.

A tongue is a few tables of functions from a value to words, each word of a small fixed set. How its words become pieces
of sound is the business of `ivr.core.saying`. Must never import another room.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from enum import Enum
from typing import NamedTuple

import phonenumbers

_AMOUNT = re.compile(r"(?P<minus>-?)(?P<whole>[0-9]{1,9})(?:[.,](?P<part>[0-9]{1,2}))?", re.ASCII)
_ISO_DATE = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})", re.ASCII)
_KEYED_DATE = re.compile(r"(?P<day>[0-9]{2})(?P<month>[0-9]{2})(?P<year>[0-9]{4})", re.ASCII)
_TIME = re.compile(r"(?P<hour>[0-9]{1,2}):?(?P<minute>[0-9]{2})", re.ASCII)
_CENTURIES_SAID = (19, 20)


class Manner(Enum):
    """How a value is said."""

    DIGITS = "digits"
    NUMBER = "number"
    MONEY = "money"
    """Pesos: whole numbers, and texts such as `1500` or `1500,50`."""
    DATE = "date"
    """`2026-11-22`, or eight keys: 22112026."""
    TIME = "time"
    """`15:30`, or four keys: 1530."""
    PHONE = "phone"
    CODE = "code"
    """Letters and digits, one by one."""


class Saying(NamedTuple):
    """One manner of one tongue."""

    say: Callable[[str], list[str]]
    """The words for a value, those that rest with a comma; none where the value is not of this manner."""
    words: Callable[[], Iterator[str]]
    """All of them."""


class Tongue(NamedTuple):
    nothing: str
    """What is said of a variable in which there is nothing to say."""
    digits: Mapping[str, str]
    letters: Mapping[str, str]
    manners: Mapping[Manner, Saying]

    def alphabet(self, manner: Manner) -> Mapping[str, str]:
        """The name of each sign that is said one by one."""
        return {**self.digits, **self.letters} if manner is Manner.CODE else self.digits


class Amount(NamedTuple):
    negative: bool
    whole: int
    hundredths: int
    is_whole: bool
    """Written without a fraction."""


def amount_of(text: str) -> Amount | None:
    """None for a text that is no amount of at most nine figures."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        return None
    part = match["part"]
    return Amount(bool(match["minus"]), int(match["whole"]), int((part or "0").ljust(2, "0")), part is None)


def date_of(text: str) -> date | None:
    """None for a text that is no day from 1900 to 2099."""
    match = _ISO_DATE.fullmatch(text) or _KEYED_DATE.fullmatch(text)
    try:
        day = None if match is None else date(int(match["year"]), int(match["month"]), int(match["day"]))
    except ValueError:
        return None
    return day if day is not None and day.year // 100 in _CENTURIES_SAID else None


def time_of(text: str) -> tuple[int, int] | None:
    """Hour and minute; None for a text that is no time of a day."""
    match = _TIME.fullmatch(text)
    if match is None or int(match["hour"]) > 23 or int(match["minute"]) > 59:
        return None
    return int(match["hour"]), int(match["minute"])


def telephone_groups(text: str, *, region: str) -> list[str]:
    """A number's digits in the groups in which its country writes them, a plus as one; none for what is no number."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return []
    if not phonenumbers.is_valid_number(number):
        return []
    at_home = phonenumbers.region_code_for_number(number) == region
    style = phonenumbers.PhoneNumberFormat.NATIONAL if at_home else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    return re.findall(r"\+|[0-9]+", phonenumbers.format_number(number, style))


def telephone_words(text: str, *, region: str, digits: Mapping[str, str]) -> list[str]:
    """The same, digit by digit, with a rest after each group."""
    words = []
    for group in telephone_groups(text, region=region):
        signs = [digits[sign] for sign in group]
        words += signs if group == "+" else [*signs[:-1], f"{signs[-1]},"]
    return words


def sign_by_sign(_: str) -> list[str]:
    """A manner with nothing but signs."""
    return []


def no_more_words() -> Iterator[str]:
    yield from ()
