"""Values in English, for citizens who chose it: pesos are still pesos, and telephone numbers those of Uruguay.

In: a value as text. Out: words, see `ivr.core.tongue`. Must never import another room.
"""

from collections.abc import Iterator
from functools import partial

from ivr.core.tongue import (
    Manner,
    Saying,
    Tongue,
    amount_of,
    date_of,
    no_more_words,
    sign_by_sign,
    telephone_words,
    time_of,
)

_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
    "twentieth", "twenty-first", "twenty-second", "twenty-third", "twenty-fourth", "twenty-fifth", "twenty-sixth",
    "twenty-seventh", "twenty-eighth", "twenty-ninth", "thirtieth", "thirty-first",
)  # fmt: skip
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_CENTURIES = {19: "nineteen hundred", 20: "two thousand"}
_PARTS_OF_DAY = ("in the morning", "in the afternoon", "in the evening")
_DIGITS = {**{str(n): _UNITS[n] for n in range(10)}, "+": "plus", "*": "star", "#": "pound", "K": "K"}
_LETTERS = {**{chr(sign): chr(sign) for sign in range(ord("A"), ord("Z") + 1)}, "-": "dash"}


def _below_hundred(number: int) -> str:
    if number < len(_UNITS):
        return _UNITS[number]
    tens, units = divmod(number, 10)
    return f"{_TENS[tens]}-{_UNITS[units]}" if units else _TENS[tens]


def _number(number: int) -> list[str]:
    words: list[str] = []
    for size, name in ((1_000_000, "million"), (1000, "thousand")):
        count, number = divmod(number, size)
        words += [*_below_thousand(count), name] if count else []
    return [*words, *_below_thousand(number)] if number or not words else words


def _below_thousand(number: int) -> list[str]:
    hundreds, rest = divmod(number, 100)
    words = [f"{_UNITS[hundreds]} hundred"] if hundreds else []
    return [*words, _below_hundred(rest)] if rest or not hundreds else words


def _number_words(text: str) -> list[str]:
    amount = amount_of(text)
    if amount is None or not amount.is_whole:
        return []
    return [*(["minus"] if amount.negative else []), *_number(amount.whole)]


def _money_words(text: str) -> list[str]:
    amount = amount_of(text)
    if amount is None:
        return []
    words = [*(["minus"] if amount.negative else []), *_number(amount.whole)]
    words.append("peso" if amount.whole == 1 else "pesos")
    if amount.hundredths:
        words += ["and", _below_hundred(amount.hundredths), "cent" if amount.hundredths == 1 else "cents"]
    return words


def _date_words(text: str) -> list[str]:
    day = date_of(text)
    if day is None:
        return []
    words = [f"{_WEEKDAYS[day.weekday()]},", _MONTHS[day.month - 1], f"{_ORDINALS[day.day - 1]},"]
    words.append(_CENTURIES[day.year // 100])
    return [*words, _below_hundred(day.year % 100)] if day.year % 100 else words


def _time_words(text: str) -> list[str]:
    moment = time_of(text)
    if moment is None:
        return []
    hour, minute = moment
    part = _PARTS_OF_DAY[0 if hour < 12 else 1 if hour < 18 else 2]
    return [_hour(hour), *([_minutes(minute)] if minute else []), part]


def _hour(hour: int) -> str:
    return _UNITS[hour % 12 or 12]


def _minutes(minute: int) -> str:
    return f"oh {_UNITS[minute]}" if minute < 10 else _below_hundred(minute)


def _every_number_word() -> Iterator[str]:
    yield from ("minus", "thousand", "million", *(f"{_UNITS[n]} hundred" for n in range(1, 10)))
    yield from (_below_hundred(number) for number in range(100))


def _every_money_word() -> Iterator[str]:
    yield from (*_every_number_word(), "peso", "pesos", "and", "cent", "cents")


def _every_date_word() -> Iterator[str]:
    yield from (f"{weekday}," for weekday in _WEEKDAYS)
    yield from (*_MONTHS, *(f"{ordinal}," for ordinal in _ORDINALS), *_CENTURIES.values())
    yield from (_below_hundred(year) for year in range(1, 100))


def _every_time_word() -> Iterator[str]:
    yield from (*_PARTS_OF_DAY, *map(_hour, range(12)), *map(_minutes, range(1, 60)))


def _every_digit() -> Iterator[str]:
    yield from _DIGITS.values()


ENGLISH = Tongue(
    nothing="none.",
    digits=_DIGITS,
    letters=_LETTERS,
    manners={
        Manner.DIGITS: Saying(sign_by_sign, no_more_words),
        Manner.NUMBER: Saying(_number_words, _every_number_word),
        Manner.MONEY: Saying(_money_words, _every_money_word),
        Manner.DATE: Saying(_date_words, _every_date_word),
        Manner.TIME: Saying(_time_words, _every_time_word),
        Manner.PHONE: Saying(partial(telephone_words, region="UY", digits=_DIGITS), _every_digit),
        Manner.CODE: Saying(sign_by_sign, no_more_words),
    },
)
