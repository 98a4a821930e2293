"""Values in the Spanish of Uruguay, Argentina and Chile.

In: a value as text. Out: words, see `ivr.core.tongue`. Must never import another room.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

from ivr.core.speaking import SIGN_WORDS, Form, below_hundred, hundreds_words
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


_CUSTOMS = {
    "es-UY": _Customs("UY", "centésimo", "centésimos", "setiembre", "be larga", "ve corta", "doble ve"),
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


def _number_words(text: str) -> list[str]:
    amount = amount_of(text)
    if amount is None or not amount.is_whole:
        return []
    return [*(["menos"] if amount.negative else []), *_number(amount.whole, Form.COUNTING)]


def _money_words(text: str, *, customs: _Customs) -> list[str]:
    amount = amount_of(text)
    if amount is None:
        return []
    words = ["menos"] if amount.negative else []
    words += _number(amount.whole, Form.MASCULINE)
    if amount.whole and amount.whole % 1_000_000 == 0:
        words.append("de")
    words.append("peso" if amount.whole == 1 else "pesos")
    if amount.hundredths and customs.hundredth:
        name = customs.hundredth if amount.hundredths == 1 else customs.hundredths
        words += ["con", below_hundred(amount.hundredths, Form.MASCULINE), name]
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


def _date_words(text: str, *, customs: _Customs) -> list[str]:
    day = date_of(text)
    if day is None:
        return []
    words = [f"{_WEEKDAYS[day.weekday()]},", _day(day.day), f"de {_MONTHS[day.month - 1] or customs.september}"]
    words.append(_CENTURIES[day.year // 100])
    return [*words, below_hundred(day.year % 100, Form.COUNTING)] if day.year % 100 else words


def _day(day: int) -> str:
    return "primero" if day == 1 else below_hundred(day, Form.COUNTING)


def _time_words(text: str) -> list[str]:
    moment = time_of(text)
    if moment is None:
        return []
    hour, minute = moment
    words = [_HOURS[hour % 12]]
    if minute:
        words.append(_minutes(minute))
    part = 0 if 0 < hour < 6 else 1 if 6 <= hour < 12 else 2 if hour == 12 else 3 if 12 < hour < 20 else 4
    return [*words, _PARTS_OF_DAY[part]]


def _minutes(minute: int) -> str:
    return {15: "y cuarto", 30: "y media"}.get(minute) or f"y {below_hundred(minute, Form.COUNTING)}"


def _every_number_word() -> Iterator[str]:
    yield from _COUNTS
    for form in (Form.COUNTING, Form.MASCULINE):
        yield from (below_hundred(number, form) for number in range(100))


def _every_money_word(customs: _Customs) -> Iterator[str]:
    yield from (*_every_number_word(), *_PESOS)
    yield from filter(None, (customs.hundredth, customs.hundredths))


def _every_date_word(customs: _Customs) -> Iterator[str]:
    yield from (f"{weekday}," for weekday in _WEEKDAYS)
    yield from (_day(day) for day in range(1, 32))
    yield from (f"de {month or customs.september}" for month in _MONTHS)
    yield from _CENTURIES.values()
    yield from (below_hundred(year, Form.COUNTING) for year in range(1, 100))


def _every_time_word() -> Iterator[str]:
    yield from (*_HOURS, *_PARTS_OF_DAY, *(_minutes(minute) for minute in range(1, 60)))


def _every_digit() -> Iterator[str]:
    yield from _DIGITS.values()


def _tongue(customs: _Customs) -> Tongue:
    telephone = partial(telephone_words, region=customs.region, digits=_DIGITS)
    return Tongue(
        nothing="ninguno.",
        digits=_DIGITS,
        letters={**_LETTERS, "B": customs.be, "V": customs.ve, "W": customs.double_ve},
        manners={
            Manner.DIGITS: Saying(sign_by_sign, no_more_words),
            Manner.NUMBER: Saying(_number_words, _every_number_word),
            Manner.MONEY: Saying(partial(_money_words, customs=customs), partial(_every_money_word, customs)),
            Manner.DATE: Saying(partial(_date_words, customs=customs), partial(_every_date_word, customs)),
            Manner.TIME: Saying(_time_words, _every_time_word),
            Manner.PHONE: Saying(telephone, _every_digit),
            Manner.CODE: Saying(sign_by_sign, no_more_words),
        },
    )


SPANISH: Mapping[str, Tongue] = {language: _tongue(customs) for language, customs in _CUSTOMS.items()}
"""By language and country."""
URUGUAY = SPANISH["es-UY"]
