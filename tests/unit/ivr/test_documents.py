"""Check digits of the documents that people type."""

import pytest

from ivr.core.documents import DOCUMENTS, written


@pytest.mark.parametrize(
    ("document", "keys"),
    [
        ("cedula", "12345672"),  # by the published weights 2 9 8 7 6 3 4
        ("cedula", "1234561"),
        ("rut", "123456785"),
        ("rut", "11111112*"),
        ("rut", "76086428-5".replace("-", "")),
        ("dni", "12345678"),
        ("cuit", "20123456786"),
        ("cuit", "30500001735"),
    ],
)
def test_document_with_a_right_check_digit_is_accepted_and_with_any_other_is_not(document: str, keys: str) -> None:
    kind = DOCUMENTS[document]
    assert kind.least <= len(keys) <= kind.most
    assert kind.is_valid(keys)
    if document != "dni":
        others = [keys[:-1] + check for check in "0123456789" if check != keys[-1]]
        assert not any(kind.is_valid(other) for other in others)


@pytest.mark.parametrize(
    ("document", "keys"),
    [("cedula", "00000000"), ("rut", "000000000"), ("rut", "1*3456785"), ("dni", "01234567"), ("cuit", "00000000000")],
)
def test_number_that_is_nobodys_is_refused(document: str, keys: str) -> None:
    assert not DOCUMENTS[document].is_valid(keys)


def test_asterisk_of_a_rut_is_written_k() -> None:
    assert written("11111112*") == "11111112K"
