"""The AGI script by itself, in a conversation as Asterisk holds it: whatever goes wrong, a record is left."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dialplans import contingency

SCRIPT = Path(contingency.__file__)
VARIABLES = {
    "${SYSTEMNAME}": "montevideo-1",
    "${CHANNEL(linkedid)}": "montevideo-1-1795284470.0",
    "${TELEFONISTA_LINE}": "0800-info",
    "${TELEFONISTA_ROUTE}": "ciudadanos",
    "${TELEFONISTA_DIALLED}": "*463",
    "${TELEFONISTA_ARRIVED}": "1795284470.628",
    "${TELEFONISTA_ANSWERED}": "1795284471.130",
    "${TELEFONISTA_QUEUED}": "1795284473.628",
    "${TELEFONISTA_QUEUE}": "failsafe",
    "${QEHOLDTIME}": "4",
    "${MEMBERINTERFACE}": "PJSIP/101",
    "${HANGUPCAUSE}": "16",
    "${TELEFONISTA_CITIZEN_SOUND}": "montevideo-1-1795284470.0-citizen.wav",
    "${TELEFONISTA_AGENT_SOUND}": "montevideo-1-1795284470.0-agent.wav",
}


def run(
    folder: Path,
    *,
    variables: dict[str, str] = VARIABLES,
    name: bytes = b"Maria",
    number: str = "099123456",
    uniqueid: str = "montevideo-1-1795284470.0",
    answers: int = 100,
    hang_up: bool = False,
) -> tuple[int, str]:
    """Plays Asterisk: sends the environment, answers up to `answers` questions, then closes."""
    with subprocess.Popen(
        [sys.executable, "-I", str(SCRIPT), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        ahead = f"agi_uniqueid: {uniqueid}\nagi_callerid: {number}\nagi_calleridname: ".encode() + name + b"\n\n"
        process.stdin.write(ahead)
        process.stdin.flush()
        for answered, question in enumerate(process.stdout):
            if answered >= answers:
                break
            if hang_up and answered == 0:
                process.send_signal(signal.SIGHUP)
            asked = question.decode().partition('"')[2].rpartition('"')[0]
            value = variables.get(asked)
            process.stdin.write((f"200 result=1 ({value})\n" if value is not None else "200 result=0\n").encode())
            process.stdin.flush()
        process.stdout.close()
        process.stdin.close()
        said = process.stderr.read().decode()
    return process.returncode, said


def record_in(folder: Path) -> dict[str, Any]:
    (path,) = folder.iterdir()
    assert path.suffix == ".json"
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def test_a_call_that_an_agent_took_is_on_record(tmp_path: Path) -> None:
    assert run(tmp_path) == (0, "")
    record = record_in(tmp_path)
    ended = record.pop("ended_epoch_s")
    assert ended > 1_700_000_000
    assert record == {
        "format": 1,
        "node": "montevideo-1",
        "uniqueid": "montevideo-1-1795284470.0",
        "linkedid": "montevideo-1-1795284470.0",
        "line": "0800-info",
        "route": "ciudadanos",
        "dialled": "*463",
        "caller_number": "099123456",
        "arrived_epoch_s": 1795284470.628,
        "answered_epoch_s": 1795284471.13,
        "queued_epoch_s": 1795284473.628,
        "agent_answered_epoch_s": 1795284477.628,
        "queue": "failsafe",
        "queue_status": "",
        "agent": "101",
        "hangup_cause": 16,
        "citizen_sound": "montevideo-1-1795284470.0-citizen.wav",
        "agent_sound": "montevideo-1-1795284470.0-agent.wav",
    }
    assert next(tmp_path.iterdir()).name == "montevideo-1-1795284470.0.json"


def test_a_citizen_who_gives_up_has_no_agent_and_no_answer_time(tmp_path: Path) -> None:
    waiting = {name: value for name, value in VARIABLES.items() if name not in ("${MEMBERINTERFACE}", "${QEHOLDTIME}")}
    run(tmp_path, variables=waiting)
    record = record_in(tmp_path)
    assert (record["agent"], record["agent_answered_epoch_s"], record["queue"]) == (None, None, "failsafe")


def test_a_citizen_who_hangs_up_before_the_queue_is_on_record_too(tmp_path: Path) -> None:
    run(tmp_path, variables={"${TELEFONISTA_LINE}": "0800-info", "${HANGUPCAUSE}": ""})
    record = record_in(tmp_path)
    assert (record["line"], record["queued_epoch_s"], record["hangup_cause"]) == ("0800-info", None, None)


def test_a_hang_up_signal_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    assert run(tmp_path, hang_up=True)[0] == 0
    assert record_in(tmp_path)["agent"] == "101"


@pytest.mark.parametrize("answers", [0, 1, 2])
def test_an_asterisk_that_goes_away_leaves_a_record_of_what_was_known(tmp_path: Path, answers: int) -> None:
    assert run(tmp_path, answers=answers)[0] == 0
    record = record_in(tmp_path)
    assert (record["uniqueid"], record["agent"]) == ("montevideo-1-1795284470.0", None)


@pytest.mark.parametrize("name", [b"Jos\xe9 \xff", b"hangup", "José Ñ".encode(), b"a" * 5000, b"result=-1 (x)"])
def test_a_callers_name_of_any_bytes_does_not_cost_the_record(tmp_path: Path, name: bytes) -> None:
    assert run(tmp_path, name=name) == (0, "")
    assert record_in(tmp_path)["agent"] == "101"


def test_a_value_that_reads_like_a_hang_up_is_a_value(tmp_path: Path) -> None:
    run(tmp_path, variables={**VARIABLES, "${TELEFONISTA_LINE}": "hangup"})
    assert record_in(tmp_path)["line"] == "hangup"


def test_an_id_never_leads_out_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    run(folder, uniqueid="../../etc/x\\y z")
    assert [path.name for path in folder.iterdir()] == [".._.._etc_x_y_z.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["spool"]


def test_a_call_without_an_id_gets_a_name_of_its_own(tmp_path: Path) -> None:
    run(tmp_path, uniqueid="")
    run(tmp_path, uniqueid="")
    assert len(list(tmp_path.glob("unknown-*.json"))) == 2


@pytest.mark.parametrize("number", ["", "unknown"])
def test_a_withheld_number_is_not_known(tmp_path: Path, number: str) -> None:
    run(tmp_path, number=number)
    assert record_in(tmp_path)["caller_number"] is None


def test_a_number_that_is_no_number_is_kept_as_text_and_cut(tmp_path: Path) -> None:
    run(tmp_path, number='"; rm -rf / #' + "9" * 500)
    assert len(record_in(tmp_path)["caller_number"]) == 128


def test_a_folder_that_cannot_be_written_is_one_line_that_names_the_call(tmp_path: Path) -> None:
    in_the_way = tmp_path / "spool"
    in_the_way.write_text("")
    code, said = run(in_the_way)
    assert code == 1
    assert said.count("\n") == 1
    assert "montevideo-1-1795284470.0" in said


def test_without_a_folder_it_says_what_it_needs() -> None:
    done = subprocess.run([sys.executable, "-I", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "folder" in done.stderr
