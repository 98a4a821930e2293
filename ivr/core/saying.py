"""How the value of a variable is said, in the Spanish of Uruguay, Argentina or Chile: number, money, date, time, code.

In: a value of unknown origin, and the manner that the flow asks for. Out: texts to be spoken one after another, each of
a small fixed set that is synthesised before the first call. Nothing else of a value is ever said: what a citizen or
another system puts into it can become neither words nor markup. Must never import another room.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date
from enum import Enum
from typing import NamedTuple

import phonenumbers

from ivr.core.speaking import SIGN_WORDS, Form, below_hundred, hundreds_words

GREATEST_SAID = 999_999_999
MOST_SIGNS_SAID = 40
NOTHING = "ninguno."
"""What is said of a variable in which there is nothing to say."""


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


class _Customs(NamedTuple):
    """What differs from one country to another."""

    region: str
    hundredth: str
    """Of a peso; empty where none are in use."""
    hundredths: str
    september: str
    be: str
    ve: str
    double_ve: str


_URUGUAY = _Customs("UY", "centésimo", "centésimos", "setiembre", "be larga", "ve corta", "doble ve")
_CUSTOMS = {
    "es-AR": _Customs("AR", "centavo", "centavos", "septiembre", "be larga", "ve corta", "doble ve"),
    "es-CL": _Customs("CL", "", "", "septiembre", "be grande", "ve chica", "doble ve"),
}

_DIGITS = {**{str(n): below_hundred(n, Form.COUNTING) for n in range(10)}, **SIGN_WORDS, "K": "ka"}
_LETTERS = {
    "A": "a", "C": "ce", "D": "de", "E": "e", "F": "efe", "G": "ge", "H": "hache", "I": "i", "J": "jota", "L": "ele",
    "M": "eme", "N": "ene", "Ñ": "eñe", "O": "o", "P": "pe", "Q": "cu", "R": "erre", "S": "ese", "T": "te", "U": "u",
    "X": "equis", "Y": "i griega", "Z": "zeta", "-": "guion",
}  # fmt: skip
_WEEKDAYS = ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo")
_MONTHS = (
    "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "", "octubre", "noviembre", "diciembre",
)  # fmt: skip
_CENTURIES = {19: "de mil novecientos", 20: "de dos mil"}
_HOURS = ("las doce", "la una", *(f"las {below_hundred(hour, Form.COUNTING)}" for hour in range(2, 12)))
_PARTS_OF_DAY = ("de la madrugada", "de la mañana", "del mediodía", "de la tarde", "de la noche")
_COUNTS = ("menos", "cien", *(hundreds_words(n, Form.COUNTING) for n in range(1, 10)), "mil", "un millón", "millones")
_PESOS = ("peso", "pesos", "de", "con")

_AMOUNT = re.compile(r"(?P<minus>-?)(?P<whole>[0-9]{1,9})(?:[.,](?P<part>[0-9]{1,2}))?", re.ASCII)
_ISO_DATE = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})", re.ASCII)
_KEYED_DATE = re.compile(r"(?P<day>[0-9]{2})(?P<month>[0-9]{2})(?P<year>[0-9]{4})", re.ASCII)
_TIME = re.compile(r"(?P<hour>[0-9]{1,2}):?(?P<minute>[0-9]{2})", re.ASCII)


def value_pieces(value: str | int, *, manner: Manner, language: str) -> tuple[str, ...]:
    """The texts to say, at least one. A value that is not of this manner is said sign by sign.

    `language` is es, es-UY, es-AR or es-CL; any other is said as es-UY.
    """
    text = str(value).strip()
    customs = _CUSTOMS.get(language, _URUGUAY)
    words = _MANNERS[manner].say(text, customs) or _sign_by_sign(text, _alphabet(manner, customs))
    return (*words[:-1], f"{words[-1].rstrip(',')}.") if words else (NOTHING,)


def every_value_piece(manner: Manner, *, language: str) -> Iterator[str]:
    """All that value_pieces can return for this manner, some twice, to be synthesised before the first call."""
    customs = _CUSTOMS.get(language, _URUGUAY)
    yield NOTHING
    for word in (*(f"{word}," for word in _alphabet(manner, customs).values()), *_MANNERS[manner].words(customs)):
        yield word
        yield f"{word.rstrip(',')}."


def _alphabet(manner: Manner, customs: _Customs) -> dict[str, str]:
    if manner is not Manner.CODE:
        return _DIGITS
    return {**_DIGITS, **_LETTERS, "B": customs.be, "V": customs.ve, "W": customs.double_ve}


def _sign_by_sign(text: str, alphabet: dict[str, str]) -> list[str]:
    return [f"{alphabet[sign]}," for sign in text.upper() if sign in alphabet][:MOST_SIGNS_SAID]


def _say_signs(text: str, customs: _Customs) -> list[str]:
    """Nothing but sign by sign."""
    return []


def _say_number(text: str, customs: _Customs) -> list[str]:
    amount = _AMOUNT.fullmatch(text)
    if amount is None or amount["part"] is not None:
        return []
    return [*(["menos"] if amount["minus"] else []), *_number(int(amount["whole"]), Form.COUNTING)]


def _say_money(text: str, customs: _Customs) -> list[str]:
    amount = _AMOUNT.fullmatch(text)
    if amount is None:
        return []
    pesos, hundredths = int(amount["whole"]), int((amount["part"] or "0").ljust(2, "0"))
    words = ["menos"] if amount["minus"] else []
    words += _number(pesos, Form.MASCULINE)
    if pesos and pesos % 1_000_000 == 0:
        words.append("de")
    words.append("peso" if pesos == 1 else "pesos")
    if hundredths and customs.hundredth:
        name = customs.hundredth if hundredths == 1 else customs.hundredths
        words += ["con", below_hundred(hundredths, Form.MASCULINE), name]
    return words


def _number(number: int, form: Form) -> list[str]:
    """0 … 999.999.999, in the pieces that `_COUNTS` and the numbers below a hundred are."""
    millions, rest = divmod(number, 1_000_000)
    thousands, units = divmod(rest, 1000)
    words = []
    if millions:
        words += ["un millón"] if millions == 1 else [*_below_thousand(millions, Form.MASCULINE), "millones"]
    if thousands:
        words += ["mil"] if thousands == 1 else [*_below_thousand(thousands, Form.MASCULINE), "mil"]
    if units or not words:
        words += _below_thousand(units, form)
    return words


def _below_thousand(number: int, form: Form) -> list[str]:
    if number == 100:
        return ["cien"]
    hundreds, rest = divmod(number, 100)
    words = [hundreds_words(hundreds, form)] if hundreds else []
    return [*words, below_hundred(rest, form)] if rest or not hundreds else words


def _say_date(text: str, customs: _Customs) -> list[str]:
    match = _ISO_DATE.fullmatch(text) or _KEYED_DATE.fullmatch(text)
    try:
        day = None if match is None else date(int(match["year"]), int(match["month"]), int(match["day"]))
    except ValueError:
        return []
    if day is None or day.year // 100 not in _CENTURIES:
        return []
    words = [f"{_WEEKDAYS[day.weekday()]},", _day(day.day), f"de {_MONTHS[day.month - 1] or customs.september}"]
    words.append(_CENTURIES[day.year // 100])
    return [*words, below_hundred(day.year % 100, Form.COUNTING)] if day.year % 100 else words


def _day(day: int) -> str:
    return "primero" if day == 1 else below_hundred(day, Form.COUNTING)


def _say_time(text: str, customs: _Customs) -> list[str]:
    match = _TIME.fullmatch(text)
    hour, minute = (int(match["hour"]), int(match["minute"])) if match is not None else (24, 0)
    if hour > 23 or minute > 59:
        return []
    words = [_HOURS[hour % 12]]
    if minute:
        words.append(_minutes(minute))
    part = 0 if 0 < hour < 6 else 1 if 6 <= hour < 12 else 2 if hour == 12 else 3 if 12 < hour < 20 else 4
    return [*words, _PARTS_OF_DAY[part]]


def _minutes(minute: int) -> str:
    return {15: "y cuarto", 30: "y media"}.get(minute) or f"y {below_hundred(minute, Form.COUNTING)}"


def _say_phone(text: str, customs: _Customs) -> list[str]:
    """In the groups in which the country writes it; sign by sign where it is no number of any country."""
    try:
        number = phonenumbers.parse(text, customs.region)
    except phonenumbers.NumberParseException:
        return []
    if not phonenumbers.is_valid_number(number):
        return []
    at_home = phonenumbers.region_code_for_number(number) == customs.region
    style = phonenumbers.PhoneNumberFormat.NATIONAL if at_home else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    groups = re.findall(r"\+|[0-9]+", phonenumbers.format_number(number, style))
    words = []
    for group in groups:
        signs = [_DIGITS[sign] for sign in group]
        words += signs if group == "+" else [*signs[:-1], f"{signs[-1]},"]
    return words


def _no_more_words(customs: _Customs) -> Iterator[str]:
    yield from ()


def _words_of_numbers(customs: _Customs) -> Iterator[str]:
    yield from _COUNTS
    for form in (Form.COUNTING, Form.MASCULINE):
        yield from (below_hundred(number, form) for number in range(100))


def _words_of_money(customs: _Customs) -> Iterator[str]:
    yield from (*_words_of_numbers(customs), *_PESOS)
    yield from filter(None, (customs.hundredth, customs.hundredths))


def _words_of_dates(customs: _Customs) -> Iterator[str]:
    yield from (f"{weekday}," for weekday in _WEEKDAYS)
    yield from (_day(day) for day in range(1, 32))
    yield from (f"de {month or customs.september}" for month in _MONTHS)
    yield from _CENTURIES.values()
    yield from (below_hundred(year, Form.COUNTING) for year in range(1, 100))


def _words_of_times(customs: _Customs) -> Iterator[str]:
    yield from (*_HOURS, *_PARTS_OF_DAY, *(_minutes(minute) for minute in range(1, 60)))


def _words_of_phones(customs: _Customs) -> Iterator[str]:
    yield from _DIGITS.values()


class _Manner(NamedTuple):
    say: Callable[[str, _Customs], list[str]]
    """Those that rest end in a comma; none where the value is not of this manner."""
    words: Callable[[_Customs], Iterator[str]]
    """All of them."""


_MANNERS: dict[Manner, _Manner] = {
    Manner.DIGITS: _Manner(_say_signs, _no_more_words),
    Manner.NUMBER: _Manner(_say_number, _words_of_numbers),
    Manner.MONEY: _Manner(_say_money, _words_of_money),
    Manner.DATE: _Manner(_say_date, _words_of_dates),
    Manner.TIME: _Manner(_say_time, _words_of_times),
    Manner.PHONE: _Manner(_say_phone, _words_of_phones),
    Manner.CODE: _Manner(_say_signs, _no_more_words),
}
