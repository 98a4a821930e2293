"""The repository of procedures: those that come along can be read out, and what is none is told with its line."""

from pathlib import Path

import pytest

from ivr import FlowInvalid, load_procedures
from ivr.core.procedures import PARTS, read_procedure

TEXT = """\
procedure: cedula
title: {es: la cédula, en: the card}
what: {es: Es el documento., en: It is the card.}
cost: Gratis.
"""


def problems(text: str) -> str:
    with pytest.raises(FlowInvalid) as refusal:
        read_procedure(text, file="p.yaml")
    return str(refusal.value)


def test_procedure_has_texts_by_language() -> None:
    procedure = read_procedure(TEXT, file="p.yaml")
    assert procedure.text("title", language="en") == "the card"
    assert procedure.text("what", language="es-AR") == "Es el documento."
    assert procedure.text("cost", language="en") == ""
    assert procedure.text("needs", language="es") == ""


def test_a_dozen_procedures_come_along_each_with_all_its_parts() -> None:
    procedures = load_procedures()
    assert len(procedures) >= 12
    assert all(set(procedure.parts) == set(PARTS) for procedure in procedures.values())
    assert procedures["cedula"].text("where", language="pt")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "there is nothing in it"),
        ("[a]", "p.yaml:1: a procedure is a list of keys with their texts: procedure, title, what, needs, where, cost"),
        (TEXT.replace("cost:", "costs:"), 'p.yaml:4: unknown key "costs" in a procedure; did you mean "cost"?'),
        (TEXT.replace("cost:", "what:"), 'p.yaml:4: "what" is there twice'),
        (TEXT.replace("procedure: cedula\n", ""), 'a procedure needs "procedure"'),
        (TEXT.replace("procedure: cedula", "procedure: Cédula"), '"procedure" is its name'),
        (TEXT.replace("procedure: cedula", "procedure: []"), '"procedure" is its name'),
        (TEXT.replace("cost: Gratis.", "cost: []"), '"cost" needs a text, or one for each language'),
        (TEXT.replace("cost: Gratis.", "cost: {castellano: x}"), '"castellano" is no language'),
        (TEXT.replace("cost: Gratis.", "cost: {es: x, es: y}"), '"es" is no language, or is there twice'),
        (TEXT.replace("cost: Gratis.", "cost: {es: []}"), '"cost" needs a text that can be spoken'),
        (TEXT.replace("cost: Gratis.", "cost: '{precio} pesos'"), '"cost" needs a text that can be spoken'),
        (TEXT.replace("cost: Gratis.", f"cost: {'x' * 1001}"), '"cost" is longer than 1000 signs'),
    ],
)
def test_text_that_is_no_procedure_is_told_with_its_line(text: str, expected: str) -> None:
    assert expected in problems(text)


def test_procedures_of_an_installation_win_over_those_that_come_along(tmp_path: Path) -> None:
    (tmp_path / "cedula.yaml").write_text(TEXT, encoding="utf-8")
    assert load_procedures(tmp_path)["cedula"].text("title", language="en") == "the card"
    assert load_procedures(tmp_path / "nada").keys() == load_procedures().keys()


def test_files_that_are_no_procedures_are_all_told(tmp_path: Path) -> None:
    (tmp_path / "otra.yaml").write_text(TEXT, encoding="utf-8")
    (tmp_path / "rota.yaml").write_bytes(b"\xff")
    with pytest.raises(FlowInvalid) as refusal:
        load_procedures(tmp_path)
    assert 'procedure "cedula" stands in a file of another name' in str(refusal.value)
    assert "rota.yaml:1: not UTF-8 text" in str(refusal.value)
