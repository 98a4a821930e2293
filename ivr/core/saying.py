"""How the value of a variable is said, in the languages of a flow: number, money, date, time, telephone, code.

In: a value of unknown origin, and the manner that the flow asks for. Out: texts to be spoken one after another, each of
a small fixed set that is synthesised before the first call. Nothing else of a value is ever said: what a citizen or
another system puts into it can become neither words nor markup. Must never import another room.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping

from ivr.core.saying_english import ENGLISH
from ivr.core.saying_portuguese import PORTUGUESE
from ivr.core.saying_spanish import SPANISH, URUGUAY
from ivr.core.tongue import Manner, Tongue
from telefonista.kernel.commands import Prompt

__all__ = ["LANGUAGES", "Manner", "every_value_piece", "piece_name", "piece_prompt", "value_pieces"]

MOST_SIGNS_SAID = 40
LANGUAGES = ("es", "en", "pt")
"""In which values can be said, whatever the country."""


def value_pieces(value: str | int, *, manner: Manner, language: str) -> tuple[str, ...]:
    """The texts to say, at least one. A value that is not of this manner is said sign by sign.

    `language` is es, es-UY, es-AR, es-CL, en or pt; Spanish of another country, and any other, is said as es-UY.
    """
    text = str(value).strip()
    tongue = _tongue(language)
    words = tongue.manners[manner].say(text) or _sign_by_sign(text, tongue.alphabet(manner))
    return (*words[:-1], f"{words[-1].rstrip(',')}.") if words else (tongue.nothing,)


def every_value_piece(manner: Manner, *, language: str) -> Iterator[str]:
    """All that value_pieces can return for this manner, some twice, to be synthesised before the first call."""
    tongue = _tongue(language)
    yield tongue.nothing
    for word in (*(f"{word}," for word in tongue.alphabet(manner).values()), *tongue.manners[manner].words()):
        yield word
        yield f"{word.rstrip(',')}."


def piece_prompt(piece: str, *, language: str) -> Prompt:
    """A piece of a value as something to be said; a recording may be played in its place, as in place of any text."""
    return Prompt(text=piece, language=language, name=piece_name(piece, language=language))


def piece_name(piece: str, *, language: str) -> str:
    """What a recording of a piece is called: `value__es-uy__veintidos`, with `_more` behind it where the tone says that
    there is more to come, and `_end` where it says that this was all."""
    ending = {",": "_more", ".": "_end"}.get(piece[-1], "")
    # A letter by itself is another thing than the word that is written like it (Portuguese *e*).
    text = f"letter {piece}" if len(piece.rstrip(",.")) == 1 and piece[0].isupper() else piece
    letters = unicodedata.normalize("NFKD", text.lower().replace("ñ", "nh"))
    plain = "-".join(re.findall(r"[a-z0-9]+", letters.encode("ascii", "ignore").decode()))
    return f"value__{language.lower()}__{plain}{ending}"


def _tongue(language: str) -> Tongue:
    spoken = language.partition("-")[0]
    return _TONGUES.get(language) or _TONGUES.get(spoken) or URUGUAY


def _sign_by_sign(text: str, alphabet: Mapping[str, str]) -> list[str]:
    return [f"{alphabet[sign]}," for sign in text.upper() if sign in alphabet][:MOST_SIGNS_SAID]


_TONGUES: Mapping[str, Tongue] = {**SPANISH, "en": ENGLISH, "pt": PORTUGUESE}
