"""How numbers are said to a citizen, in Uruguayan Spanish.

In: numbers, places in the waiting line, telephone numbers. Out: the texts to be spoken one after another, each of
them from a small fixed set, so that every piece is synthesised once and then only played.
Pure: knows no files and no voices. It must never import the prompt library, which turns these texts into sound.
"""

from enum import Enum

GREATEST_NUMBER = 999
LAST_POSITION_SAID = 50
"""Beyond this place only "fifty or more" is said: an exact three-figure place helps nobody decide whether to wait."""


SAID_MINUTES = (2, 3, 5, 10, 15, 20, 30)
"""A wait is said in these steps: nobody knows it better."""


class Form(Enum):
    """What a number goes with: it changes *uno* and the hundreds."""

    COUNTING = "counting"
    """Alone or after its noun: *veintiuno*, *la persona número veintiuno*."""
    MASCULINE = "masculine"
    """Before a masculine noun: *veintiún minutos*."""
    FEMININE = "feminine"
    """Before or for a feminine noun: *veintiuna personas*, *doscientas llamadas*."""


_UNITS = (
    "cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve",
    "diez", "once", "doce", "trece", "catorce", "quince", "dieciséis", "diecisiete", "dieciocho", "diecinueve",
    "veinte", "veintiuno", "veintidós", "veintitrés", "veinticuatro", "veinticinco", "veintiséis", "veintisiete",
    "veintiocho", "veintinueve",
)  # fmt: skip
_TENS = ("", "", "", "treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa")
_HUNDREDS = (
    "", "ciento", "doscientos", "trescientos", "cuatrocientos", "quinientos", "seiscientos", "setecientos",
    "ochocientos", "novecientos",
)  # fmt: skip
SIGN_WORDS = {"+": "más", "*": "asterisco", "#": "numeral"}
_UNSPOKEN = frozenset(" -().\u00a0")


def number_words(number: int, *, form: Form = Form.COUNTING) -> str:
    """0 … 999 in words, agreeing with what is counted. Raises ValueError outside that range."""
    if not 0 <= number <= GREATEST_NUMBER:
        raise ValueError(f"{number} is not between 0 and {GREATEST_NUMBER}")
    if number == 100:
        return "cien"
    hundreds, rest = divmod(number, 100)
    words = [hundreds_words(hundreds, form)] if hundreds else []
    if rest or not hundreds:
        words.append(below_hundred(rest, form))
    return " ".join(words)


def position_pieces(position: int) -> tuple[str, ...]:
    """What tells a waiting citizen the place in the line; 1 is the next to be attended. Raises ValueError below 1."""
    if position < 1:
        raise ValueError(f"a place in the waiting line starts at 1, not {position}")
    if position == 1:
        return ("Usted es la próxima persona que será atendida.",)
    if position == 2:
        return ("Hay una persona antes que usted.",)
    if position > LAST_POSITION_SAID:
        people = number_words(LAST_POSITION_SAID, form=Form.FEMININE)
        return (f"Hay {people} o más personas antes que usted.",)
    return (f"Usted es la persona número {number_words(position)} en la espera.",)


def estimate_pieces(estimate_s: float) -> tuple[str, ...]:
    """What tells a waiting citizen how long it will take, rounded up so that few wait for longer than they were told.
    Raises ValueError below 0."""
    if estimate_s < 0:
        raise ValueError(f"nobody waits for {estimate_s} s")
    if estimate_s < 60:
        return ("El tiempo de espera es de menos de un minuto.",)
    for minutes in SAID_MINUTES:
        if estimate_s <= minutes * 60:
            return (f"El tiempo de espera es de unos {number_words(minutes, form=Form.MASCULINE)} minutos.",)
    return ("El tiempo de espera es de más de media hora.",)


def choice_pieces(what: str, *, key: str) -> tuple[str, ...]:
    """What tells a waiting citizen which key leads to what; `what` completes "Si prefiere …". Raises ValueError for a
    key that no telephone has."""
    return (f"Si prefiere {what}, presione {_sign_word(key)}.",)


def digit_pieces(number: str) -> tuple[str, ...]:
    """A telephone number, or keys to press, one piece per sign; blanks, dots, hyphens and brackets are not said.

    Every piece but the last ends in a comma, which voices speak with the tone of "there is more to come".
    Raises ValueError for an empty number and for a sign that no telephone key and no dialled number has.
    """
    words = [_sign_word(sign) for sign in number if sign not in _UNSPOKEN]
    if not words:
        raise ValueError("there is no digit to say")
    return (*(f"{word}," for word in words[:-1]), f"{words[-1]}.")


def every_position_piece() -> tuple[str, ...]:
    """All that position_pieces can return, to be synthesised before the first call."""
    return tuple(piece for position in range(1, LAST_POSITION_SAID + 2) for piece in position_pieces(position))


def every_estimate_piece() -> tuple[str, ...]:
    """All that estimate_pieces can return, to be synthesised before the first call."""
    steps = (0, *(minutes * 60 for minutes in SAID_MINUTES), float("inf"))
    return tuple(piece for step in steps for piece in estimate_pieces(step))


def every_digit_piece() -> tuple[str, ...]:
    """All that digit_pieces can return, to be synthesised before the first call."""
    words = (*_UNITS[:10], *SIGN_WORDS.values())
    return tuple(f"{word}{ending}" for word in words for ending in (",", "."))


def hundreds_words(hundreds: int, form: Form) -> str:
    """1 … 9 hundreds with more to follow."""
    words = _HUNDREDS[hundreds]
    return f"{words[:-2]}as" if form is Form.FEMININE and hundreds > 1 else words


def below_hundred(number: int, form: Form) -> str:
    """0 … 99."""
    if number < len(_UNITS):
        words = _UNITS[number]
    else:
        tens, units = divmod(number, 10)
        words = f"{_TENS[tens]} y {_UNITS[units]}" if units else _TENS[tens]
    if not words.endswith("uno") or form is Form.COUNTING:
        return words
    if form is Form.FEMININE:
        return f"{words[:-1]}a"
    return "veintiún" if words == "veintiuno" else words[:-1]


def _sign_word(sign: str) -> str:
    if sign in SIGN_WORDS:
        return SIGN_WORDS[sign]
    if sign.isascii() and sign.isdigit():
        return _UNITS[int(sign)]
    raise ValueError(f"{sign!r} is not a digit, +, * or #")
