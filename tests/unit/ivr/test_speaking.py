"""Numbers as a citizen hears them, against a table written out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.core.speaking import (
    GREATEST_NUMBER,
    LAST_POSITION_SAID,
    Form,
    choice_pieces,
    digit_pieces,
    estimate_pieces,
    every_digit_piece,
    every_estimate_piece,
    every_position_piece,
    number_words,
    position_pieces,
)

COUNTED = {
    0: "cero",
    1: "uno",
    2: "dos",
    3: "tres",
    4: "cuatro",
    5: "cinco",
    6: "seis",
    7: "siete",
    8: "ocho",
    9: "nueve",
    10: "diez",
    11: "once",
    12: "doce",
    13: "trece",
    14: "catorce",
    15: "quince",
    16: "dieciséis",
    17: "diecisiete",
    18: "dieciocho",
    19: "diecinueve",
    20: "veinte",
    21: "veintiuno",
    22: "veintidós",
    23: "veintitrés",
    24: "veinticuatro",
    25: "veinticinco",
    26: "veintiséis",
    27: "veintisiete",
    28: "veintiocho",
    29: "veintinueve",
    30: "treinta",
    31: "treinta y uno",
    36: "treinta y seis",
    40: "cuarenta",
    50: "cincuenta",
    60: "sesenta",
    66: "sesenta y seis",
    70: "setenta",
    80: "ochenta",
    90: "noventa",
    99: "noventa y nueve",
    100: "cien",
    101: "ciento uno",
    116: "ciento dieciséis",
    121: "ciento veintiuno",
    199: "ciento noventa y nueve",
    200: "doscientos",
    300: "trescientos",
    400: "cuatrocientos",
    463: "cuatrocientos sesenta y tres",
    500: "quinientos",
    555: "quinientos cincuenta y cinco",
    600: "seiscientos",
    700: "setecientos",
    800: "ochocientos",
    900: "novecientos",
    999: "novecientos noventa y nueve",
}

AGREEING = {
    (1, Form.MASCULINE): "un",
    (1, Form.FEMININE): "una",
    (2, Form.FEMININE): "dos",
    (11, Form.MASCULINE): "once",
    (21, Form.MASCULINE): "veintiún",
    (21, Form.FEMININE): "veintiuna",
    (31, Form.MASCULINE): "treinta y un",
    (31, Form.FEMININE): "treinta y una",
    (100, Form.FEMININE): "cien",
    (101, Form.MASCULINE): "ciento un",
    (101, Form.FEMININE): "ciento una",
    (121, Form.MASCULINE): "ciento veintiún",
    (200, Form.FEMININE): "doscientas",
    (201, Form.FEMININE): "doscientas una",
    (500, Form.MASCULINE): "quinientos",
    (500, Form.FEMININE): "quinientas",
    (700, Form.FEMININE): "setecientas",
    (921, Form.FEMININE): "novecientas veintiuna",
}


@pytest.mark.parametrize(("number", "words"), COUNTED.items())
def test_number_is_said_as_people_count(number: int, words: str) -> None:
    assert number_words(number) == words


@pytest.mark.parametrize(("asked", "words"), AGREEING.items())
def test_number_agrees_with_the_noun_it_counts(asked: tuple[int, Form], words: str) -> None:
    number, form = asked
    assert number_words(number, form=form) == words


@pytest.mark.parametrize("number", [-1, GREATEST_NUMBER + 1])
def test_number_that_has_no_words_here_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="is not between 0 and 999"):
        number_words(number)


@pytest.mark.parametrize("form", Form)
def test_no_two_numbers_sound_the_same(form: Form) -> None:
    assert len({number_words(number, form=form) for number in range(GREATEST_NUMBER + 1)}) == GREATEST_NUMBER + 1


@pytest.mark.parametrize(
    ("position", "sentence"),
    [
        (1, "Usted es la próxima persona que será atendida."),
        (2, "Hay una persona antes que usted."),
        (3, "Usted es la persona número tres en la espera."),
        (21, "Usted es la persona número veintiuno en la espera."),
        (31, "Usted es la persona número treinta y uno en la espera."),
        (50, "Usted es la persona número cincuenta en la espera."),
        (51, "Hay cincuenta o más personas antes que usted."),
        (4000, "Hay cincuenta o más personas antes que usted."),
    ],
)
def test_waiting_citizen_is_told_the_place_in_one_sentence(position: int, sentence: str) -> None:
    assert position_pieces(position) == (sentence,)


@pytest.mark.parametrize("position", [0, -3])
def test_place_before_the_first_does_not_exist(position: int) -> None:
    with pytest.raises(ValueError, match="starts at 1"):
        position_pieces(position)


def test_every_place_has_its_own_sentence_prepared_in_advance() -> None:
    prepared = every_position_piece()
    assert len(prepared) == len(set(prepared)) == LAST_POSITION_SAID + 1


@given(st.integers(min_value=1, max_value=100_000))
def test_no_place_needs_a_sentence_that_was_not_prepared(position: int) -> None:
    assert set(position_pieces(position)) <= set(every_position_piece())


def test_telephone_number_is_said_digit_by_digit() -> None:
    assert digit_pieces("099 123-456") == (
        "cero,", "nueve,", "nueve,", "uno,", "dos,", "tres,", "cuatro,", "cinco,", "seis.",
    )  # fmt: skip


def test_international_number_and_service_keys_are_said_by_name() -> None:
    assert digit_pieces("+598") == ("más,", "cinco,", "nueve,", "ocho.")
    assert digit_pieces("*463#") == ("asterisco,", "cuatro,", "seis,", "tres,", "numeral.")


@pytest.mark.parametrize("number", ["", " - ", "."])
def test_number_without_digits_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="no digit"):
        digit_pieces(number)


@pytest.mark.parametrize("number", ["12a", "٣", "²", "1,2", "anonymous", "1\n2"])
def test_sign_that_no_telephone_number_has_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="is not a digit"):
        digit_pieces(number)


@given(st.text(alphabet="0123456789+*# -().", max_size=20).filter(lambda number: number.strip(" -().") != ""))
def test_no_number_needs_a_piece_that_was_not_prepared(number: str) -> None:
    assert set(digit_pieces(number)) <= set(every_digit_piece())


@pytest.mark.parametrize(
    ("estimate_s", "said"),
    [
        (0, "menos de un minuto"),
        (59.9, "menos de un minuto"),
        (60, "unos dos minutos"),
        (121, "unos tres minutos"),
        (300, "unos cinco minutos"),
        (301, "unos diez minutos"),
        (1800, "unos treinta minutos"),
        (1801, "más de media hora"),
    ],
)
def test_wait_is_rounded_up_to_what_people_say(estimate_s: float, said: str) -> None:
    (piece,) = estimate_pieces(estimate_s)
    assert piece == f"El tiempo de espera es de {said}."
    assert piece in every_estimate_piece()


def test_every_estimate_is_one_of_few_pieces() -> None:
    assert len(every_estimate_piece()) == 9
    assert {estimate_pieces(seconds)[0] for seconds in range(0, 4000, 7)} == set(every_estimate_piece())
    with pytest.raises(ValueError, match="nobody waits"):
        estimate_pieces(-1)


def test_choice_is_said_with_its_key() -> None:
    assert choice_pieces("que le llamemos", key="1") == ("Si prefiere que le llamemos, presione uno.",)
    assert choice_pieces("dejar un mensaje", key="*") == ("Si prefiere dejar un mensaje, presione asterisco.",)
    with pytest.raises(ValueError, match="is not a digit"):
        choice_pieces("algo", key="A")
