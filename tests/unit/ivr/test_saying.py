"""How values are said; whatever is said was synthesised before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.core.saying import (
    LANGUAGES,
    MOST_SIGNS_SAID,
    Manner,
    every_value_piece,
    piece_name,
    piece_prompt,
    value_pieces,
)
from ivr.core.saying_spanish import SPANISH

NOTHING = "ninguno."


@pytest.mark.parametrize(
    ("value", "manner", "language", "said"),
    [
        (0, "number", "es", "cero."),
        (100, "number", "es", "cien."),
        (101, "number", "es", "ciento uno."),
        (500, "number", "es", "quinientos."),
        (1000, "number", "es", "mil."),
        (-21, "number", "es", "menos veintiuno."),
        (21_021, "number", "es", "veintiún mil veintiuno."),
        (1_000_000, "number", "es", "un millón."),
        (123_456_789, "number", "es", "ciento veintitrés millones cuatrocientos cincuenta y seis mil setecientos "
         "ochenta y nueve."),
        ("1.5", "number", "es", "uno, cinco."),
        (1, "money", "es", "un peso."),
        ("-2", "money", "es", "menos dos pesos."),
        (1_000_000, "money", "es", "un millón de pesos."),
        (21_000_000, "money", "es-AR", "veintiún millones de pesos."),
        ("1500,50", "money", "es-UY", "mil quinientos pesos con cincuenta centésimos."),
        ("1500.01", "money", "es-AR", "mil quinientos pesos con un centavo."),
        ("3,5", "money", "es-AR", "tres pesos con cincuenta centavos."),
        ("1500,50", "money", "es-CL", "mil quinientos pesos."),
        ("gratis", "money", "es-CL", NOTHING),
        ("2026-11-22", "date", "es", "domingo, veintidós de noviembre de dos mil veintiséis."),
        ("01091999", "date", "es-UY", "miércoles, primero de setiembre de mil novecientos noventa y nueve."),
        ("01092000", "date", "es-CL", "viernes, primero de septiembre de dos mil."),
        ("31022026", "date", "es", "tres, uno, cero, dos, dos, cero, dos, seis."),
        ("2150-01-01", "date", "es", "dos, uno, cinco, cero, cero, uno, cero, uno."),
        ("hoy", "date", "es", NOTHING),
        ("15:30", "time", "es", "las tres y media de la tarde."),
        ("1:15", "time", "es", "la una y cuarto de la madrugada."),
        ("0800", "time", "es", "las ocho de la mañana."),
        ("12:01", "time", "es", "las doce y uno del mediodía."),
        ("2359", "time", "es", "las once y cincuenta y nueve de la noche."),
        ("0:00", "time", "es", "las doce de la noche."),
        ("25:00", "time", "es", "dos, cinco, cero, cero."),
        ("12:61", "time", "es", "uno, dos, seis, uno."),
        ("099123456", "phone", "es", "cero nueve nueve, uno dos tres, cuatro cinco seis."),
        ("29012345", "phone", "es-UY", "dos nueve cero uno, dos tres cuatro cinco."),
        ("03424571234", "phone", "es-AR", "cero tres cuatro dos, cuatro cinco siete, uno dos tres cuatro."),
        ("987654321", "phone", "es-CL", "nueve, ocho siete seis cinco, cuatro tres dos uno."),
        ("+543424571234", "phone", "es", "más cinco cuatro, tres cuatro dos, cuatro cinco siete, uno dos tres cuatro."),
        ("4636", "phone", "es", "cuatro, seis, tres, seis."),
        ("*", "phone", "es", "asterisco."),
        ("AB-12v", "code", "es-CL", "a, be grande, guion, uno, dos, ve chica."),
        ("bv", "code", "es-AR", "be larga, ve corta."),
        ("1111111-K", "digits", "es-CL", "uno, uno, uno, uno, uno, uno, uno, ka."),
        ("", "code", "es", NOTHING),
        ("<b>9</b>", "digits", "es", "nueve."),
        ("-1200305", "number", "en", "minus one million two hundred thousand three hundred five."),
        (0, "number", "en", "zero."),
        (1000, "number", "en", "one thousand."),
        (2_000_001, "number", "en", "two million one."),
        (21, "money", "en", "twenty-one pesos."),
        ("1.5", "number", "en", "one, five."),
        ("1,01", "money", "en", "one peso and one cent."),
        ("-21,50", "money", "en", "minus twenty-one pesos and fifty cents."),
        ("gratis", "money", "en", "none."),
        ("2026-11-22", "date", "en", "Sunday, November twenty-second, two thousand twenty-six."),
        ("2000-01-01", "date", "en", "Saturday, January first, two thousand."),
        ("x", "date", "en", "none."),
        ("15:05", "time", "en", "three oh five in the afternoon."),
        ("0:00", "time", "en", "twelve in the morning."),
        ("20:30", "time", "en", "eight thirty in the evening."),
        ("9", "time", "en", "nine."),
        ("+543424571234", "phone", "en", "plus five four, three four two, four five seven, one two three four."),
        ("a-1", "code", "en", "A, dash, one."),
        ("-1200305", "number", "pt", "menos um milhão duzentos mil trezentos e cinco."),
        (1200, "number", "pt", "mil e duzentos."),
        (1250, "number", "pt", "mil duzentos e cinquenta."),
        (2_000_100, "number", "pt", "dois milhões e cem."),
        (0, "number", "pt", "zero."),
        (3000, "number", "pt", "três mil."),
        ("1.5", "number", "pt", "um, cinco."),
        ("1,01", "money", "pt", "um peso e um centavo."),
        (1_000_000, "money", "pt", "um milhão de pesos."),
        ("-21,50", "money", "pt", "menos vinte e um pesos e cinquenta centavos."),
        ("gratis", "money", "pt", "nenhum."),
        ("2026-11-01", "date", "pt-BR", "domingo, primeiro de novembro de dois mil e vinte e seis."),
        ("2000-01-02", "date", "pt", "domingo, dois de janeiro de dois mil."),
        ("x", "date", "pt", "nenhum."),
        ("15:30", "time", "pt", "três e meia da tarde."),
        ("0:15", "time", "pt", "meia-noite e quinze."),
        ("1:00", "time", "pt", "uma da madrugada."),
        ("9", "time", "pt", "nove."),
        ("20:01", "time", "pt", "oito e um da noite."),
    ],
)  # fmt: skip
def test_value_is_said_as_people_of_the_country_say_it(value: str | int, manner: str, language: str, said: str) -> None:
    assert " ".join(value_pieces(value, manner=Manner(manner), language=language)) == said


VALUES = st.one_of(
    st.integers(-(10**12), 10**12),
    st.text(max_size=60),
    st.from_regex(r"[0-9]{1,9}([.,][0-9]{1,2})?", fullmatch=True),
    st.dates().map(str),
    st.times().map(lambda moment: f"{moment:%H:%M}"),
    st.from_regex(r"\+?[0-9]{4,13}", fullmatch=True),
)
EVERY_PIECE = {
    (manner, language): set(every_value_piece(manner, language=language))
    for manner in Manner
    for language in (*LANGUAGES, *SPANISH)
}


@given(value=VALUES, manner=st.sampled_from(Manner), language=st.sampled_from([*LANGUAGES, *SPANISH]))
def test_no_value_is_ever_said_with_a_piece_that_was_not_prepared(
    value: str | int, manner: Manner, language: str
) -> None:
    pieces = value_pieces(value, manner=manner, language=language)
    assert set(pieces) <= EVERY_PIECE[manner, language]
    assert 0 < len(pieces) <= MOST_SIGNS_SAID
    assert pieces[-1].endswith(".")


def test_pieces_to_prepare_are_few() -> None:
    assert max(map(len, EVERY_PIECE.values())) < 400


def test_every_piece_can_be_recorded_under_a_name_of_its_own() -> None:
    for language in (*LANGUAGES, *SPANISH):
        pieces = {piece for (_, spoken), each in EVERY_PIECE.items() if spoken == language for piece in each}
        names = {piece_name(piece, language=language) for piece in pieces}
        assert len(names) == len(pieces)
        assert max(map(len, names)) <= 64


def test_names_of_recordings_say_the_tone_that_is_needed() -> None:
    names = [piece_name(piece, language="es-UY") for piece in ("veintidós", "eñe,", "ele.")]
    assert names == ["value__es-uy__veintidos", "value__es-uy__enhe_more", "value__es-uy__ele_end"]
    assert piece_prompt("ele.", language="es-UY").name == names[2]
