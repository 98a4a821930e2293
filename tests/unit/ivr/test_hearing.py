"""What was said: one of the things that were asked for, or nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.core.hearing import (
    HELD_S,
    QUIET_S,
    SURE,
    UNKNOWN,
    Attention,
    Reading,
    Word,
    attend,
    grammar,
    is_decisive,
    known,
    normal,
    read,
    words_of,
)

YES_NO = (("sí", "claro", "por supuesto"), ("no", "negativo"), ("operador", "una persona"))


def said(*texts: str, probability: float = 1.0) -> list[Word]:
    return [Word(text, probability) for text in texts]


@pytest.mark.parametrize(
    ("words", "phrase"),
    [
        (("sí",), "sí"),
        (("no",), "no"),
        (("sí", "sí"), "sí"),
        (("sí", "claro"), "sí"),
        (("por", "supuesto"), "por supuesto"),
        (("una", "persona"), "una persona"),
        (("sí", "no"), ""),
        (("no", "sí"), ""),
        (("no", UNKNOWN), ""),
        ((UNKNOWN, "sí"), ""),
        ((UNKNOWN,), ""),
        (("por",), ""),
        (("una", "operador"), ""),
        ((), ""),
    ],
)
def test_only_what_was_asked_for_and_nothing_beside_it_is_understood(words: tuple[str, ...], phrase: str) -> None:
    assert read(said(*words), options=YES_NO).phrase == phrase


def test_what_is_not_sure_is_asked_again() -> None:
    assert read(said("sí", probability=SURE - 0.01), options=YES_NO) == Reading("", SURE - 0.01)
    assert read(said("sí", probability=SURE), options=YES_NO) == Reading("sí", SURE)
    assert read([Word("una", 1.0), Word("persona", 0.5)], options=YES_NO) == Reading("", 0.5)


@given(
    st.lists(st.tuples(st.sampled_from(["sí", "no", "claro", "negativo", UNKNOWN, "x"]), st.floats(0, 1)), max_size=5)
)
def test_no_word_of_a_no_ever_makes_a_yes(heard: list[tuple[str, float]]) -> None:
    words = [Word(*each) for each in heard]
    phrase = read(words, options=YES_NO).phrase
    texts = {word.text for word in words}
    if phrase in YES_NO[0]:
        assert texts <= set(YES_NO[0])
    if phrase in YES_NO[1]:
        assert texts <= set(YES_NO[1])


def test_the_grammar_has_its_accents_as_they_are_and_a_word_for_the_rest() -> None:
    text = grammar((("Sí.", "sí"), ("trámites",)))
    assert text == '["sí", "trámites", "[unk]"]'
    assert json.loads(text)[-1] == UNKNOWN


def test_phrases_are_compared_as_recognisers_write_them() -> None:
    assert normal("¿Una  PERSONA, por favor?") == "una persona por favor"
    assert normal("si\u0301") == "sí"
    assert words_of(YES_NO) == {"sí", "claro", "por", "supuesto", "no", "negativo", "operador", "una", "persona"}


def test_phrases_of_which_the_model_lacks_a_word_are_left_out() -> None:
    assert known(YES_NO, words={"sí", "por", "no", "una"}) == (("sí",), ("no",), ())


def test_a_reading_that_stays_and_is_followed_by_quiet_is_decisive() -> None:
    attention = Attention()
    for _ in range(10):
        attention = attend(attention, "sí", lasted_s=0.04, level_db=-20)
    assert attention.held_s >= HELD_S
    assert not is_decisive(attention, options=YES_NO)
    while attention.quiet_s < QUIET_S:
        assert not is_decisive(attention, options=YES_NO)
        attention = attend(attention, "sí", lasted_s=0.04, level_db=-50)
    assert is_decisive(attention, options=YES_NO)


def test_a_reading_that_changes_begins_anew() -> None:
    attention = Attention(text="no", held_s=5.0, loudest_db=-20.0, quiet_s=5.0)
    assert is_decisive(attention, options=YES_NO)
    attention = attend(attention, "no sí", lasted_s=0.04, level_db=-60)
    assert attention.held_s == 0.0
    assert not is_decisive(attention, options=YES_NO)


@pytest.mark.parametrize("text", ["", UNKNOWN, "no [unk]", "sí no"])
def test_what_means_nothing_or_two_things_is_waited_for(text: str) -> None:
    assert not is_decisive(Attention(text=text, held_s=5.0, quiet_s=5.0), options=YES_NO)


def test_noise_that_goes_on_is_not_quiet() -> None:
    attention = Attention()
    for _ in range(100):
        attention = attend(attention, "sí", lasted_s=0.04, level_db=-30)
    assert attention.quiet_s == 0.0
