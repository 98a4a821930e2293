"""`telefonista prompts`, as whoever looks after the recordings types it."""

import json
import math
import struct
import wave
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from telefonista.app.cli import app
from telefonista.app.config import SAMPLE

NAME = "0800-info__bienvenida"


def prompts(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["prompts", *arguments, "--home", str(home)])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation whose voice is another program, which nobody starts here."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "var"
    folder.mkdir()
    spoken = "synthesiser:\n  command: voz --output {output_file}\n"
    (folder / "config.yaml").write_text(SAMPLE + spoken, encoding="utf-8")
    return folder


def studio(path: Path, *, loudness: float = 0.2) -> Path:
    values = [round(32767 * loudness * math.sin(n / 10)) for n in range(22050)]
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(22050)
        writer.writeframes(struct.pack(f"<{len(values)}h", *values))
    return path


def test_every_sentence_is_listed_with_what_is_there_of_it(home: Path) -> None:
    listed = prompts(home)
    assert listed.exit_code == 0
    assert NAME in listed.stdout
    assert "0 recorded" in listed.stdout
    rows = json.loads(prompts(home, "--json").stdout)
    (row,) = [row for row in rows if row["name"] == NAME]
    assert (row["flow"], row["node"], row["state"]) == ("0800-info", "bienvenida", "missing")
    assert row["text"].startswith("Le damos la bienvenida")


def test_recording_takes_the_place_of_the_voice(home: Path, tmp_path: Path) -> None:
    added = CliRunner().invoke(app, ["prompts", "add", NAME, str(studio(tmp_path / "s.wav")), "--home", str(home)])
    assert added.exit_code == 0
    assert "1.00 s at 22050 Hz" in added.stdout
    (row,) = [row for row in json.loads(prompts(home, "--json").stdout) if row["name"] == NAME]
    assert (row["state"], row["duration_s"]) == ("recorded", pytest.approx(1.15, abs=0.02))
    assert row["level_dbfs"] == pytest.approx(-19.5, abs=1)
    assert "1 recorded" in prompts(home).stdout


def test_recording_that_cannot_be_played_is_told(home: Path) -> None:
    (home / "prompts").mkdir()
    (home / "prompts" / f"{NAME}.wav").write_bytes(b"RIFF")
    (row,) = [row for row in json.loads(prompts(home, "--json").stdout) if row["name"] == NAME]
    assert row["state"] == "unplayable"


@pytest.mark.parametrize(
    ("name", "loudness", "code", "why"),
    [
        ("0800-info__bienvenid", 0.2, 2, "did you mean"),
        (NAME, 0.0, 1, "is silent"),
        (NAME, 30.0, 1, "clips"),
    ],
)
def test_recording_that_nobody_says_or_nobody_could_hear_is_refused(
    home: Path, tmp_path: Path, name: str, loudness: float, code: int, why: str
) -> None:
    file = tmp_path / "s.wav"
    values = [max(-32768, min(32767, round(32767 * loudness * math.sin(n / 10)))) for n in range(22050)]
    with wave.open(str(file), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(22050)
        writer.writeframes(struct.pack(f"<{len(values)}h", *values))
    result = CliRunner().invoke(app, ["prompts", "add", name, str(file), "--home", str(home)])
    assert result.exit_code == code
    assert why in result.stderr
    assert not (home / "prompts" / f"{name}.wav").exists()


def test_folder_that_is_no_installation_is_told(tmp_path: Path) -> None:
    result = prompts(tmp_path)
    assert result.exit_code == 2
    assert "is no installation yet" in result.stderr


def test_pieces_of_values_are_listed_when_asked_for(home: Path) -> None:
    config = (home / "config.yaml").read_text(encoding="utf-8").replace("flow: 0800-info", "flow: santa-fe")
    (home / "config.yaml").write_text(config, encoding="utf-8")
    rows = json.loads(prompts(home, "--json", "--values").stdout)
    assert "value__es-ar__siete_end" in {row["name"] for row in rows}
