"""Putting a model into an installation: what is taken, what is refused and why; and what a worker makes of sound."""

import array
import json
import shutil
import time
import zipfile
from importlib.resources import files
from pathlib import Path

import pytest
import sqlalchemy
from typer.testing import CliRunner

from telefonista.app import speech_cli, speech_models, speech_worker
from telefonista.app.cli import app
from telefonista.app.home import Home
from telefonista.app.speech_models import SAMPLE, Model, ModelRefused, check, facts, install, installed
from telefonista.app.speech_worker import (
    Began,
    Close,
    Failed,
    Open,
    Outbox,
    Ready,
    Sound,
    Taken,
    Understood,
    Worker,
    check_model,
    doubled,
    model_rate_hz,
    model_words,
)
from tests.contract.voices import said

OURS = Path(str(files("telefonista.app") / "models" / "es-muestra"))


def copied(folder: Path, *, name: str = "vosk-model-small-es-0.1") -> Path:
    return Path(shutil.copytree(OURS, folder / name))


def zipped(model: Path, *, inside: str) -> Path:
    archive = model.parent / "model.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(model.rglob("*")):
            packed.write(path, f"{inside}{path.relative_to(model)}")
    return archive


def test_a_model_is_tried_out_and_put_in_its_place(tmp_path: Path) -> None:
    model = install(str(copied(tmp_path)), folder=tmp_path / "speech")
    assert (model.language, model.name, model.rate_hz) == ("es", "vosk-model-small-es-0.1", 8000)
    assert model.words > 80
    assert installed(tmp_path / "speech") == {"es": tmp_path / "speech" / "es"}
    assert facts(tmp_path / "speech" / "es") == model
    again = install(SAMPLE, folder=tmp_path / "speech")
    assert again.name == "es-muestra"
    assert [path.name for path in (tmp_path / "speech").iterdir()] == ["es"]


@pytest.mark.parametrize("inside", ["", "vosk-model-small-es-0.1/"])
def test_a_zip_file_will_do_with_a_folder_in_it_or_without(tmp_path: Path, inside: str) -> None:
    archive = zipped(copied(tmp_path), inside=inside)
    assert install(str(archive), folder=tmp_path / "speech", language="es").words > 80


def test_a_model_without_a_language_in_its_name_must_be_told_it(tmp_path: Path) -> None:
    model = copied(tmp_path, name="mine")
    with pytest.raises(ModelRefused, match="does not say its language"):
        install(str(model), folder=tmp_path / "speech")
    with pytest.raises(ModelRefused, match="does not say its language"):
        install(str(model), folder=tmp_path / "speech", language="../es")
    assert install(str(model), folder=tmp_path / "speech", language="pt").language == "pt"


def test_what_is_no_model_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="neither a folder nor a zip file"):
        install(str(tmp_path / "nothing"), folder=tmp_path / "speech")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelRefused, match="holds no vosk model"):
        install(str(tmp_path / "empty"), folder=tmp_path / "speech")
    model = copied(tmp_path)
    (model / "graph" / "words.txt").rename(tmp_path / "words.txt")
    with pytest.raises(ModelRefused, match=r"it has no graph/words\.txt"):
        check(model, language="es")
    (tmp_path / "words.txt").rename(model / "graph" / "words.txt")
    words = (model / "graph" / "words.txt").read_text(encoding="utf-8")
    (model / "graph" / "words.txt").write_text(words.replace("[unk]", "unk"), encoding="utf-8")
    with pytest.raises(ModelRefused, match=r"has no \[unk\] among its words"):
        check(model, language="es")
    (model / "graph" / "Gr.fst").unlink()
    with pytest.raises(ModelRefused, match="cannot be asked for a few phrases only"):
        check(model, language="es")
    (model / "am" / "final.mdl").unlink()
    with pytest.raises(ModelRefused, match=r"it has no am/final\.mdl"):
        check(model, language="es")
    assert installed(tmp_path / "speech") == {}


def test_a_broken_model_costs_its_own_process_and_leaves_the_old_one(tmp_path: Path) -> None:
    install(SAMPLE, folder=tmp_path / "speech")
    model = copied(tmp_path)
    whole = (model / "am" / "final.mdl").read_bytes()
    (model / "am" / "final.mdl").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelRefused, match="cannot be loaded"):
        install(str(model), folder=tmp_path / "speech")
    assert facts(installed(tmp_path / "speech")["es"]).name == "es-muestra"


def test_a_model_that_takes_for_ever_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_models, "CHECK_S", 0.001)
    with pytest.raises(ModelRefused, match="was not loaded within"):
        check(copied(tmp_path), language="es")


def test_a_zip_file_writes_nowhere_else_and_not_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = tmp_path / "evil.zip"
    with zipfile.ZipFile(evil, "w") as packed:
        packed.writestr("../../escaped.txt", "here")
    with pytest.raises(ModelRefused, match="outside of its folder"):
        install(str(evil), folder=tmp_path / "speech", language="es")
    archive = zipped(copied(tmp_path), inside="")
    monkeypatch.setattr(speech_models, "MOST_BYTES", 1000)
    with pytest.raises(ModelRefused, match="larger than"):
        install(str(archive), folder=tmp_path / "speech", language="es")
    monkeypatch.undo()
    archive.write_bytes(archive.read_bytes()[:-400] + b"PK\x05\x06" + bytes(18))
    with pytest.raises(ModelRefused):
        install(str(archive), folder=tmp_path / "speech", language="es")


def test_a_folder_that_was_not_installed_is_no_model_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="not a model that was installed"):
        facts(copied(tmp_path))
    assert installed(tmp_path / "none") == {}


def test_the_command_line_installs_lists_and_refuses(tmp_path: Path) -> None:
    def telefonista(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["speech", *arguments, "--home", str(tmp_path)])
        return done.exit_code, done.output

    assert telefonista("list") == (0, "no model: keys alone\n")
    status, said_of_it = telefonista("install", SAMPLE)
    assert status == 0
    assert "es: es-muestra" in said_of_it
    assert "no human voice" in said_of_it
    assert "ready: es" in said_of_it
    status, listed = telefonista("list", "--json")
    assert json.loads(listed)[0]["language"] == "es"
    assert telefonista("list")[1].startswith("es: es-muestra")
    assert telefonista("install", str(tmp_path / "nothing"))[0] == 2


def test_a_model_that_names_no_rate_is_for_16_khz(tmp_path: Path) -> None:
    model = copied(tmp_path)
    assert model_rate_hz(model) == 8000
    (model / "conf" / "mfcc.conf").write_text("--use-energy=false\n")
    assert model_rate_hz(model) == 16000
    assert {"sí", "no", "trámites", "[unk]"} <= model_words(model)


def test_twice_the_rate_is_the_same_sound_with_halves_between() -> None:
    assert list(doubled(array.array("h", [10, 20, -20]), after=0)) == [5, 10, 15, 20, 0, -20]


def test_a_model_is_what_the_check_says_it_is(tmp_path: Path) -> None:
    found = check_model(OURS)
    assert found["rate_hz"] == 8000
    assert found["heard"] == []
    assert Model(language="es", name="x", rate_hz=found["rate_hz"], words=found["words"]).words > 80


def told_by_worker(model: Path) -> tuple[Worker, list[Outbox]]:
    told: list[Outbox] = []
    return Worker({"es": model}, tell=told.append), told


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_worker_understands_sound_at_the_rate_of_its_model(
    tmp_path: Path, rate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = copied(tmp_path)
    # Kaldi brings 16 kHz down to the model's own 8: what is tried is that it gets the same sound.
    monkeypatch.setattr(speech_worker, "model_rate_hz", lambda folder: rate)
    worker, told = told_by_worker(model)
    assert told == [Ready(("es",))]
    worker.take(Open(7, "es", (("sí",), ("no",), ("palabra que no tiene",))))
    sound = said("si")
    for place in range(0, len(sound), 1000):
        worker.take(Sound(7, sound[place : place + 1000]))
    understood = [message for message in told if isinstance(message, Understood)]
    assert [[word for word, _ in each.words] for each in understood] == [["sí"]]
    assert understood[0].partial
    assert [message for message in told if isinstance(message, Began)] == [Began(7)]
    assert told.index(Began(7)) < told.index(understood[0])
    assert sum(message.samples_bytes for message in told if isinstance(message, Taken)) == len(sound)


def test_long_silence_costs_the_sample_model_no_more_than_words() -> None:
    worker, _ = told_by_worker(OURS)
    worker.take(Open(1, "es", (("sí", "claro"), ("no",))))
    began = time.process_time()
    worker.take(Sound(1, bytes(2 * 8000 * 10)))
    # Seconds for each few of silence, with a wider search; hundredths with ours.
    assert time.process_time() - began < 2.0


def test_what_goes_wrong_in_a_worker_costs_that_recognition_only() -> None:
    worker, told = told_by_worker(OURS)
    worker.take(Open(1, "pt", (("sim",),)))
    assert any(isinstance(message, Failed) for message in told)
    worker.take(Sound(1, bytes(640)))
    assert Taken(1, 640) in told
    worker.take(Close(1))
    worker.take(Open(2, "es", (("sí",),)))
    worker.take(Sound(2, said("si")))
    assert any(isinstance(message, Understood) for message in told)


def test_the_report_says_where_citizens_are_not_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"flow": "voz", "node": "quiere", "speech": 6, "keys": 3, "unclear": 2, "silence": 1, "failed": 0},
        {"flow": None, "node": "tema", "speech": 0, "keys": 0, "unclear": 0, "silence": 0, "failed": 0},
    ]
    found = [rows]
    monkeypatch.setattr(speech_cli, "open_store", lambda home, config: sqlalchemy.create_engine("sqlite://"))
    monkeypatch.setattr(speech_cli, "speech_by_node", lambda connection, since, until: found[0])
    Home(tmp_path).make()

    def report(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["speech", "report", "--home", str(tmp_path), *arguments])
        assert done.exit_code == 0, done.output
        return done.output

    shown = report()
    assert "75 %" in shown
    assert "quiere" in shown
    assert json.loads(report("--json", "--since", "2026-11-01")) == rows
    found[0] = []
    assert "nothing was listened to yet" in report()


def test_phrases_that_the_model_cannot_know_are_named(tmp_path: Path) -> None:
    def check_them() -> tuple[int, str]:
        done = CliRunner().invoke(app, ["speech", "check", "--home", str(tmp_path)])
        return done.exit_code, done.output

    home = Home(tmp_path)
    home.make()
    text = files("ivr.flows").joinpath("demo-voz.yaml").read_text(encoding="utf-8")
    (home.flows / "demo-voz.yaml").write_text(text.replace("[impuestos,", "[contribución rural, impuestos,"))
    config = home.config_file.read_text(encoding="utf-8")
    home.config_file.write_text(config.replace("flow: 0800-info", "flow: demo-voz"), encoding="utf-8")
    assert check_them() == (0, "no model: keys alone\n")
    install(SAMPLE, folder=home.speech)
    status, told = check_them()
    assert status == 1
    assert "flow demo-voz, node tema: the es model does not know 'contribución rural'" in " ".join(told.split())
    (home.flows / "demo-voz.yaml").write_text(text, encoding="utf-8")
    assert check_them() == (0, "every phrase is known in es\n")
