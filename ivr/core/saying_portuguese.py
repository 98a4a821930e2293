"""Values in Portuguese, as they are said along the border with Brazil: pesos are still pesos.

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
    "zero", "um", "dois", "três", "quatro", "cinco", "seis", "sete", "oito", "nove", "dez", "onze", "doze", "treze",
    "catorze", "quinze", "dezesseis", "dezessete", "dezoito", "dezenove",
)  # fmt: skip
_TENS = ("", "", "vinte", "trinta", "quarenta", "cinquenta", "sessenta", "setenta", "oitenta", "noventa")
_HUNDREDS = (
    "", "cento", "duzentos", "trezentos", "quatrocentos", "quinhentos", "seiscentos", "setecentos", "oitocentos",
    "novecentos",
)  # fmt: skip
_WEEKDAYS = (
    "segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira", "sábado", "domingo",
)  # fmt: skip
_MONTHS = (
    "janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro", "novembro",
    "dezembro",
)  # fmt: skip
_CENTURIES = {19: "de mil novecentos", 20: "de dois mil"}
_HOURS = ("meia-noite", "uma", "duas", *_UNITS[3:12], "meio-dia")
_PARTS_OF_DAY = ("da madrugada", "da manhã", "da tarde", "da noite")
_DIGITS = {**{str(n): _UNITS[n] for n in range(10)}, "+": "mais", "*": "asterisco", "#": "jogo da velha", "K": "cá"}
_LETTERS = {**{chr(sign): chr(sign) for sign in range(ord("A"), ord("Z") + 1)}, "-": "hífen"}
_AND = "e"


def _below_hundred(number: int) -> str:
    if number < len(_UNITS):
        return _UNITS[number]
    tens, units = divmod(number, 10)
    return f"{_TENS[tens]} e {_UNITS[units]}" if units else _TENS[tens]


def _number(number: int) -> list[str]:
    """The last group is joined by *e* where it is below a hundred or made of whole hundreds: mil e duzentos."""
    millions, rest = divmod(number, 1_000_000)
    thousands, units = divmod(rest, 1000)
    words: list[str] = []
    if millions:
        words += ["um milhão"] if millions == 1 else [*_below_thousand(millions), "milhões"]
    if thousands:
        words += ["mil"] if thousands == 1 else [*_below_thousand(thousands), "mil"]
    if not units and words:
        return words
    joined = words and (units < 100 or units % 100 == 0)
    return [*words, *([_AND] if joined else []), *_below_thousand(units)]


def _below_thousand(number: int) -> list[str]:
    if number == 100:
        return ["cem"]
    hundreds, rest = divmod(number, 100)
    if not hundreds:
        return [_below_hundred(rest)]
    return [_HUNDREDS[hundreds], _AND, _below_hundred(rest)] if rest else [_HUNDREDS[hundreds]]


def _number_words(text: str) -> list[str]:
    amount = amount_of(text)
    if amount is None or not amount.is_whole:
        return []
    return [*(["menos"] if amount.negative else []), *_number(amount.whole)]


def _money_words(text: str) -> list[str]:
    amount = amount_of(text)
    if amount is None:
        return []
    words = [*(["menos"] if amount.negative else []), *_number(amount.whole)]
    if amount.whole and amount.whole % 1_000_000 == 0:
        words.append("de")
    words.append("peso" if amount.whole == 1 else "pesos")
    if amount.hundredths:
        words += [_AND, _below_hundred(amount.hundredths), "centavo" if amount.hundredths == 1 else "centavos"]
    return words


def _date_words(text: str) -> list[str]:
    day = date_of(text)
    if day is None:
        return []
    words = [f"{_WEEKDAYS[day.weekday()]},", _day(day.day), f"de {_MONTHS[day.month - 1]}"]
    words.append(_CENTURIES[day.year // 100])
    return [*words, _AND, _below_hundred(day.year % 100)] if day.year % 100 else words


def _day(day: int) -> str:
    return "primeiro" if day == 1 else _below_hundred(day)


def _time_words(text: str) -> list[str]:
    moment = time_of(text)
    if moment is None:
        return []
    hour, minute = moment
    words = [_HOURS[hour if hour in (0, 12) else hour % 12], *([_minutes(minute)] if minute else [])]
    if hour in (0, 12):
        return words
    return [*words, _PARTS_OF_DAY[0 if hour < 6 else 1 if hour < 12 else 2 if hour < 19 else 3]]


def _minutes(minute: int) -> str:
    return "e meia" if minute == 30 else f"e {_below_hundred(minute)}"


def _every_number_word() -> Iterator[str]:
    yield from ("menos", "cem", "mil", "um milhão", "milhões", _AND, *_HUNDREDS[1:])
    yield from (_below_hundred(number) for number in range(100))


def _every_money_word() -> Iterator[str]:
    yield from (*_every_number_word(), "de", "peso", "pesos", "centavo", "centavos")


def _every_date_word() -> Iterator[str]:
    yield from (f"{weekday}," for weekday in _WEEKDAYS)
    yield from (*map(_day, range(1, 32)), *(f"de {month}" for month in _MONTHS), *_CENTURIES.values(), _AND)
    yield from (_below_hundred(year) for year in range(1, 100))


def _every_time_word() -> Iterator[str]:
    yield from (*_HOURS, *_PARTS_OF_DAY, *map(_minutes, range(1, 60)))


def _every_digit() -> Iterator[str]:
    yield from _DIGITS.values()


PORTUGUESE = Tongue(
    nothing="nenhum.",
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
