"""`telefonista flow`, as an analyst types it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from telefonista.app.cli import app
from telefonista.app.flows import SAMPLES

FLOW = """\
flow: corta
language: es
start: menu
nodes:
  menu:
    menu: Para una persona, marque cero.
    options: {0: persona}
    on_invalid: No existe.
    on_timeout: No recibimos nada.
    on_failure: persona
  persona: {queue: general}
"""


def flow(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, ["flow", *arguments], input=typed)


@pytest.fixture
def short(tmp_path: Path) -> Path:
    file = tmp_path / "corta.yaml"
    file.write_text(FLOW, encoding="utf-8")
    return file


def test_flows_that_come_along_are_good() -> None:
    result = flow("check")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("good") == len(SAMPLES)


def test_dialogues_that_are_named_with_flows_are_not_taken_for_flows(short: Path) -> None:
    beside = short.with_name("corta.dialogues.yaml")
    beside.write_text("Una:\n  steps:\n    - presses: '0'\n    - ends: queue general\n", encoding="utf-8")
    for command in ("check", "test"):
        result = flow(command, str(beside), str(short))
        assert (result.exit_code, result.stderr) == (0, "")


def test_what_is_wrong_with_a_flow_is_told_with_its_line(short: Path) -> None:
    short.write_text(FLOW.replace("{0: persona}", "{0: persna}"), encoding="utf-8")
    result = flow("check", str(short), "0800-info")
    assert result.exit_code == 1
    assert result.stderr.strip() == f'{short}:7: unknown node "persna"; did you mean "persona"?'
    assert "0800-info: good" in result.stdout


def test_queues_are_those_of_the_installation(short: Path, tmp_path: Path) -> None:
    assert flow("check", "--home", str(tmp_path), str(short)).exit_code == 2


def test_flow_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = flow("talk", str(tmp_path / "nada.yaml"))
    assert result.exit_code == 1
    assert "cannot be read: No such file" in result.stderr


def test_dialogues_beside_a_flow_are_played(short: Path) -> None:
    beside = short.with_name("corta.dialogues.yaml")
    assert flow("test", str(short)).exit_code == 2
    beside.write_text("Una:\n  steps:\n    - presses: '0'\n    - ends: queue general\n", encoding="utf-8")
    result = flow("test", str(short))
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "1 of 1 go as written")
    beside.write_text("Una:\n  steps:\n    - presses: '0'\n    - ends: goodbye\n", encoding="utf-8")
    result = flow("test", str(short))
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (1, "0 of 1 go as written")
    assert result.stderr.strip() == f'{beside}:4: "Una": it ends with queue general'
    beside.write_text("Una:\n", encoding="utf-8")
    assert flow("test", str(short)).exit_code == 1


def test_flow_is_walked_through_in_the_terminal() -> None:
    result = flow("talk", "santa-fe", "--at", "2026-11-24 10:00", typed="\n?\n4\n28123456\n.\nq\n")
    assert result.exit_code == 0
    assert "  dni = '28123456'" in result.stdout
    assert "«Usted marcó dos, ocho," in result.stdout
    assert "No recibimos su respuesta." in result.stdout
    assert result.stdout.splitlines()[-1] == "> ended: hung up"


def test_others_play_their_part_in_the_terminal_too() -> None:
    result = flow("talk", "atencion", typed="12\n=ticket: 1000009\n")
    assert "(ticket is asked: type =field" in result.stdout
    assert "  ticket 1000009 opened" in result.stdout
    result = flow("talk", "atencion", typed="131000009\n=status: open\n")
    assert "  ticket 1000009 open" in result.stdout
    assert "«Su reclamo fue recibido" in result.stdout
    assert "«No encontramos un reclamo" in flow("talk", "atencion", typed="131000009\n=\n").stdout
    assert "no podemos consultarlo" in flow("talk", "atencion", typed="131000009\n!\n").stdout
    assert "nothing is asked" in flow("talk", "atencion", typed="=a: b\n").stdout
    callback = flow("talk", "callback", typed="099123456#\n1\n=\n\n")
    assert "Le llamaremos" in callback.stdout
    assert "no podemos llamarle" in flow("talk", "callback", typed="099123456#\n1\n!\n").stdout
    assert "Recibimos su mensaje" in flow("talk", "voicemail", typed="\n=\n").stdout


def test_walk_that_is_not_typed_to_its_end_hangs_up(short: Path) -> None:
    result = flow("talk", str(short), typed="\n\n")
    assert "(it waits for a key)" in result.stdout
    assert result.stdout.splitlines()[-1] == "> ended: hung up"


def test_sunday_at_three_the_office_is_closed() -> None:
    result = flow("talk", "santa-fe", "--at", "2026-11-22 15:00", typed="\n")
    assert "nuestras oficinas están cerradas" in result.stdout
    assert flow("talk", "santa-fe", "--at", "domingo").exit_code == 2


def test_picture_is_written_where_it_is_asked_for(short: Path, tmp_path: Path) -> None:
    target = tmp_path / "corta.svg"
    assert flow("draw", str(short), "-o", str(target)).exit_code == 0
    assert target.read_text(encoding="utf-8").startswith("<svg ")
    assert flow("draw", str(short), "-o", str(tmp_path)).exit_code == 2
