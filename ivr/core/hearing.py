"""What a citizen said, among the few things that were asked for: which of them, or none clearly enough.

In: the options, each as phrases that mean the same, and a recogniser's words with their probabilities. Out: the phrase,
or nothing: a "no" must never be taken for a "sí", so whatever is doubtful is asked again. Knows no recogniser, sound or
process. Must never import another room.
"""

import json
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

UNKNOWN = "[unk]"
"""How a recogniser writes what is none of the words that it listens for."""
SURE = 0.8
"""The least probability of each word. The next best reading has at most the rest, so this is a margin of 0.6."""
HELD_S = 0.3
QUIET_S = 0.2
"""A reading that stayed the same for `HELD_S`, and after which it has been quiet for so long, is not waited for any
more. Shorter, and "no sé" would be a "no"."""
QUIETER_DB = 15.0
"""Than the loudest of what was said."""
LONGEST_PHRASE = 40

Options = Sequence[Sequence[str]]
"""Each option by the phrases that mean it."""


class Word(NamedTuple):
    text: str
    probability: float


class Reading(NamedTuple):
    """What somebody said, as far as it counts."""

    phrase: str
    """Empty: none of the phrases, more than one, or none for certain."""
    confidence: float


def normal(phrase: str) -> str:
    """As recognisers write: small letters, single blanks, no punctuation, accents as one sign."""
    text = unicodedata.normalize("NFC", phrase.casefold())
    return " ".join("".join(sign if sign.isalnum() or sign == "'" else " " for sign in text).split())


def grammar(options: Options) -> str:
    """What a recogniser is to listen for, as JSON. Signs beyond ASCII stand as they are: vosk drops a word in which one
    is escaped without saying so, and "sí" is such a word (seen)."""
    phrases = dict.fromkeys(normal(phrase) for option in options for phrase in option)
    return json.dumps([*phrases, UNKNOWN], ensure_ascii=False)


def words_of(options: Options) -> frozenset[str]:
    """All the words that a recogniser's model must have."""
    return frozenset(word for option in options for phrase in option for word in normal(phrase).split())


def known(options: Options, *, words: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """The options without the phrases of which the model lacks a word; an option may lose all of its phrases."""
    there = frozenset(words)
    return tuple(tuple(phrase for phrase in option if words_of([[phrase]]) <= there) for option in options)


def read(words: Sequence[Word], *, options: Options) -> Reading:
    """What these words mean. Said twice counts once; with anything beside it that was not asked for, nothing counts."""
    meant = _meant([word.text for word in words], options=options)
    if meant is None:
        return Reading("", 0.0)
    confidence = min(word.probability for word in words)
    return Reading(meant if confidence >= SURE else "", confidence)


def _meant(words: Sequence[str], *, options: Options) -> str | None:
    """The phrase of the one option of which these words are phrases, the first of them."""
    phrases = {tuple(normal(phrase).split()): (place, phrase) for place, each in enumerate(options) for phrase in each}
    longest = max(map(len, phrases), default=0)
    found: list[tuple[int, str]] = []
    place = 0
    while place < len(words):
        for end in range(min(len(words), place + longest), place, -1):
            match = phrases.get(tuple(words[place:end]))
            if match is not None:
                found.append(match)
                place = end
                break
        else:
            return None
    return found[0][1] if len({option for option, _ in found}) == 1 else None


class Attention(msgspec.Struct, frozen=True):
    """What has been heard of one utterance so far."""

    text: str = ""
    held_s: float = 0.0
    """For how long the reading has been this text."""
    loudest_db: float = -120.0
    quiet_s: float = 0.0


def attend(attention: Attention, text: str, *, lasted_s: float, level_db: float) -> Attention:
    """A further piece of sound, and how all that was said reads with it."""
    loudest_db = max(attention.loudest_db, level_db)
    quiet = level_db <= loudest_db - QUIETER_DB
    return Attention(
        text=text,
        held_s=attention.held_s + lasted_s if text == attention.text else 0.0,
        loudest_db=loudest_db,
        quiet_s=attention.quiet_s + lasted_s if quiet else 0.0,
    )


def is_decisive(attention: Attention, *, options: Options) -> bool:
    """Whether there is nothing to wait for any more: one option was said, and then nothing."""
    return (
        attention.held_s >= HELD_S
        and attention.quiet_s >= QUIET_S
        and bool(attention.text)
        and _meant(attention.text.split(), options=options) is not None
    )
