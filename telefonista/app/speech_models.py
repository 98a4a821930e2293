"""The models by which citizens' speech is understood: where they lie, whether they will do, and how one is put there.

In: the path of a vosk model, unpacked or zipped. Out: a folder for its language in the home, or `ModelRefused` with one
line that says why. A model is tried out in a process of its own, for a broken one brings vosk down with its process.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path, PurePosixPath

import msgspec

from ivr import Flow
from ivr.core.flow import Listen
from ivr.core.hearing import UNKNOWN, words_of
from telefonista.app.speech_worker import model_words

SAMPLE = "muestra"
"""The model that comes with the engine, made from synthesised speech alone."""
MOST_BYTES = 4 << 30
"""Unpacked; the largest model that vosk publishes has half of it."""
CHECK_S = 120.0
_PARTS = ("conf/mfcc.conf", "conf/model.conf", "graph/words.txt")
_LANGUAGE = re.compile(r"^vosk-model(?:-small|-big)?-([a-z]{2,3})(?:-|$)")
_LANGUAGE_NAME = re.compile(r"[a-z]{2,3}")


class ModelRefused(Exception):
    """One line: what is wrong with a model, and what to do."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was tried out."""

    language: str
    name: str
    rate_hz: int
    words: int


_FACTS = "telefonista.json"


def installed(folder: Path) -> dict[str, Path]:
    """The models in a home's folder, by language."""
    if not folder.is_dir():
        return {}
    return {path.name: path for path in sorted(folder.iterdir()) if (path / _FACTS).is_file()}


def facts(model: Path) -> Model:
    """What was found when it was installed. Raises `ModelRefused`."""
    try:
        return msgspec.json.decode((model / _FACTS).read_bytes(), type=Model)
    except (OSError, msgspec.MsgspecError) as problem:
        raise ModelRefused(f"{model} is not a model that was installed: {problem}") from problem


def install(source: str, *, folder: Path, language: str = "") -> Model:
    """Check the model at `source` and put it into a home's folder, in place of one of the same language.

    `language` is needed where the model's name does not say it. Raises `ModelRefused`."""
    with _unpacked(source) as found:
        wanted = language or _language_of(found.name)
        if not _LANGUAGE_NAME.fullmatch(wanted):
            raise ModelRefused(f"{found.name} does not say its language: add --language es, or the one that it has")
        model = check(found, language=wanted)
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        target = folder / wanted
        fresh = Path(tempfile.mkdtemp(prefix=".coming-", dir=folder))
        try:
            shutil.copytree(found, fresh, dirs_exist_ok=True, symlinks=False)
            (fresh / _FACTS).write_bytes(msgspec.json.format(msgspec.json.encode(model)))
            if target.exists():
                shutil.rmtree(target)
            fresh.rename(target)
        except OSError as problem:
            raise ModelRefused(f"{target} cannot be written: {problem.strerror}") from problem
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return model


def unknown_phrases(flows: Iterable[Flow], *, models: Mapping[str, Path]) -> list[str]:
    """A line for each phrase that a flow listens for and that its language's model lacks a word of: it would never be
    understood, and vosk says nothing of it. Languages without a model have only keys anyway."""
    words = {language: model_words(model) for language, model in models.items()}
    return [
        f"flow {flow.name}, node {node.name}: the {language} model does not know {phrase!r}"
        for flow in flows
        for node in flow.nodes.values()
        if isinstance(node, Listen)
        for spoken in node.phrases
        for language in [base_language(spoken)]
        if language in words
        for option in node.options_in(spoken)
        for phrase in option
        if not words_of([[phrase]]) <= words[language]
    ]


def base_language(language: str) -> str:
    """`es` of `es-UY`: models are of languages, not of countries."""
    return language.partition("-")[0]


def check(model: Path, *, language: str) -> Model:
    """Try a model out. Raises `ModelRefused`."""
    missing = [part for part in _PARTS if not (model / part).is_file()]
    if missing or not ((model / "am" / "final.mdl").is_file() or (model / "final.mdl").is_file()):
        lacking = ", ".join(missing) or "am/final.mdl"
        raise ModelRefused(f"{model} is no vosk model: it has no {lacking}")
    if not all((model / "graph" / part).is_file() for part in ("HCLr.fst", "Gr.fst")):
        raise ModelRefused(
            f"{model} cannot be asked for a few phrases only (it has no graph/HCLr.fst and graph/Gr.fst): "
            "take the small model of the language"
        )
    if UNKNOWN not in model_words(model):
        raise ModelRefused(f"{model} has no {UNKNOWN} among its words: it would take whatever is said for a phrase")
    found = _tried(model)
    return Model(language=language, name=model.name, rate_hz=found["rate_hz"], words=found["words"])


def _tried(model: Path) -> dict[str, int]:
    command = [sys.executable, "-m", "telefonista.app.speech_worker", "--check", str(model)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=CHECK_S, check=False)
    except subprocess.TimeoutExpired:
        raise ModelRefused(f"{model} was not loaded within {CHECK_S:.0f} s") from None
    try:
        answer: dict[str, int] = json.loads(done.stdout)
    except ValueError:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"vosk ended with {done.returncode}"]
        raise ModelRefused(f"{model} cannot be loaded: {lines[-1][:200]}") from None
    return answer


@contextmanager
def _unpacked(source: str) -> Iterator[Path]:
    """The model's own folder."""
    path = Path(source)
    if source == SAMPLE and not path.exists():
        yield Path(str(files("telefonista.app") / "models" / "es-muestra"))
    elif path.is_dir():
        yield _model_in(path)
    elif path.is_file() and zipfile.is_zipfile(path):
        with tempfile.TemporaryDirectory() as scratch:
            _unzip(path, Path(scratch))
            yield _model_in(Path(scratch), name=path.stem)
    else:
        raise ModelRefused(f"{source} is neither a folder nor a zip file, nor {SAMPLE}")


def _model_in(folder: Path, *, name: str = "") -> Path:
    """The folder itself, or the only one in it, as zip files have it."""
    if (folder / "conf").is_dir():
        return folder
    inside = [path for path in folder.iterdir() if path.is_dir()]
    if len(inside) == 1:
        return inside[0]
    raise ModelRefused(f"{name or folder} holds no vosk model: there is no folder conf in it")


def _unzip(archive: Path, target: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as packed:
            entries = packed.infolist()
            if sum(entry.file_size for entry in entries) > MOST_BYTES:
                raise ModelRefused(f"{archive} is larger than {MOST_BYTES >> 30} GB unpacked")
            for entry in entries:
                parts = PurePosixPath(entry.filename).parts
                if entry.filename.startswith("/") or ".." in parts:
                    raise ModelRefused(f"{archive} wants to write outside of its folder: {entry.filename[:80]!r}")
            packed.extractall(target)
    except (OSError, zipfile.BadZipFile, RuntimeError) as problem:
        raise ModelRefused(f"{archive} cannot be unpacked: {problem}") from problem


def _language_of(name: str) -> str:
    found = _LANGUAGE.match(name)
    return found[1] if found else "es" if name == "es-muestra" else ""
