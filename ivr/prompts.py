"""What a citizen hears, as sound files: each text spoken once, kept, and found again by its content.

In: texts (or names of recordings made by people) and a voice. Out: paths and media URIs of 8 kHz mono WAV files.
A recording NAME.wav in the recordings folder always wins over the synthetic voice. Files appear whole or not at all.
Blocking: prepare() runs before calls are taken; afterwards a look-up is a few microseconds. Must never import
another room.
"""

import contextlib
import hashlib
import os
import re
import shlex
import subprocess
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from ivr.core.waveform import (
    SILENCE_DBFS,
    NotSound,
    decode_wav,
    encode_wav,
    even_level,
    fits_telephone,
    followed_by_silence,
    level_dbfs,
    resample,
    trim,
)
from telefonista.kernel.commands import Prompt

_SOUND_MADE_AS = "1"  # part of each cache key: raise it when the processing in ivr.core.waveform changes audibly
_HEADER_BYTES = 4096  # a WAV header is 44 bytes; studio programs put descriptions before the sound
_SMALLEST_WAV_BYTES = 45
_SILENCE_AFTER_S = 0.15
_VOICES_AT_ONCE = 2
_REPORT_EVERY_S = 2.0
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*", re.ASCII)
_OUTPUT = "{output_file}"
_LANGUAGE_WORD = "{language}"
_SAFE_SIGNS = frozenset("/._-+@=~")


class SynthesisFailed(Exception):
    """No sound could be made of a text; the message is one line that says which and why."""


class UnspeakablePrompt(ValueError):
    """A prompt that no library could find a sound for; the message is one line."""


class UnspeakablePath(ValueError):
    """A folder whose name Asterisk would misread inside a media URI; the message says which sign and what to do."""


class Synthesiser(Protocol):
    """A voice. `identity` names all that changes how it sounds, so that another voice means other files."""

    @property
    def identity(self) -> str: ...

    def synthesise(self, text: str, *, language: str, target: Path) -> None:
        """Write `text`, spoken, into `target` as a PCM WAV file of any rate. Blocking. Raises SynthesisFailed."""


class EspeakSynthesiser:
    """espeak-ng in a process of its own for each text.

    The rate is chosen for older citizens on bad lines. Measured on spoken stretches of the sample prompts with es-419:
    135 gives 5.0 syllables a second, 160 gives 6.0, espeak's own default of 175 gives 6.5, which is everyday speech.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        voice: str = "es-419",
        words_per_minute: int = 135,
        data_path: Path | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        """`command` starts espeak-ng, loader and all; `data_path` is its espeak-ng-data folder or what holds that."""
        self._command = tuple(command)
        self._voice = voice
        self._words_per_minute = words_per_minute
        self._timeout_s = timeout_s
        if data_path is not None:
            holder = data_path.parent if data_path.name == "espeak-ng-data" else data_path
            self._command = (*self._command, f"--path={holder}")

    @property
    def identity(self) -> str:
        return f"espeak-ng {self._voice} {self._words_per_minute}"

    def synthesise(self, text: str, *, language: str, target: Path) -> None:
        voice = self._voice if language.partition("-")[0].lower() == "es" else language.lower()
        # The text goes in by standard input: as an argument, one that starts with a hyphen would be an option.
        command = (*self._command, "-v", voice, "-s", str(self._words_per_minute), "-b", "1", "-D", "--stdin")
        try:
            spoken = subprocess.run(
                (*command, "-w", str(target)),
                input=text.encode(),
                capture_output=True,
                timeout=self._timeout_s,
                check=False,
            )
        except FileNotFoundError as absent:
            raise SynthesisFailed(f"espeak-ng is not there: {self._command[0]}") from absent
        except OSError as refusal:
            raise SynthesisFailed(f"espeak-ng cannot be started: {refusal}") from refusal
        except subprocess.TimeoutExpired as late:
            raise SynthesisFailed(f"espeak-ng took more than {self._timeout_s:g} s for “{_short(text)}”") from late
        if spoken.returncode != 0 or not target.is_file() or target.stat().st_size < _SMALLEST_WAV_BYTES:
            complaint = " ".join(spoken.stderr.decode(errors="replace").split()) or f"exit code {spoken.returncode}"
            raise SynthesisFailed(f"espeak-ng could not speak “{_short(text)}”: {complaint[:200]}")


class CommandSynthesiser:
    """Any program that reads a text from standard input and writes a WAV file: Piper, for one.

    `command` is split as a shell would and run without one; `{output_file}` and `{language}` are replaced in its words.
    """

    def __init__(self, command: str, *, timeout_s: float = 60.0) -> None:
        """Raises UnspeakablePrompt, whose message says what is wrong with the command."""
        try:
            self._words = tuple(shlex.split(command))
        except ValueError as wrong:
            raise UnspeakablePrompt(f"synthesiser command: {wrong}") from wrong
        if not any(_OUTPUT in word for word in self._words):
            raise UnspeakablePrompt(f"synthesiser command: it needs {_OUTPUT}, where the sound is to be written")
        self._timeout_s = timeout_s

    @property
    def identity(self) -> str:
        return "\0".join(("command", *self._words))

    def synthesise(self, text: str, *, language: str, target: Path) -> None:
        command = [word.replace(_OUTPUT, str(target)).replace(_LANGUAGE_WORD, language) for word in self._words]
        try:
            spoken = subprocess.run(
                command, input=f"{text}\n".encode(), capture_output=True, timeout=self._timeout_s, check=False
            )
        except OSError as refusal:
            raise SynthesisFailed(f"the synthesiser cannot be started: {command[0]}: {refusal.strerror}") from refusal
        except subprocess.TimeoutExpired as late:
            raise SynthesisFailed(
                f"the synthesiser took more than {self._timeout_s:g} s for “{_short(text)}”"
            ) from late
        if spoken.returncode != 0 or not _is_sound_file(target):
            complaint = " ".join(spoken.stderr.decode(errors="replace").split()) or f"exit code {spoken.returncode}"
            raise SynthesisFailed(f"the synthesiser could not speak “{_short(text)}”: {complaint[:200]}")


class PromptState(Enum):
    RECORDED = "recorded"
    SYNTHETIC = "synthetic"
    MISSING = "missing"
    """Nothing was spoken yet: the next start does it."""
    UNPLAYABLE = "unplayable"
    """There is a recording, and it cannot be played; the synthetic voice speaks."""


@dataclass(frozen=True, slots=True)
class PromptFacts:
    """What a citizen hears of a prompt now."""

    prompt: Prompt
    state: PromptState
    duration_s: float = 0.0
    level_dbfs: float = SILENCE_DBFS


class PromptLibrary:
    """The sound file of every prompt. It keeps no state but its folders: threads and processes may share those."""

    def __init__(self, cache_folder: Path, *, recordings_folder: Path, synthesiser: Synthesiser) -> None:
        """Makes the cache folder. Raises UnspeakablePath where Asterisk could not be given a file of these folders."""
        self._cache_folder = speakable_folder(cache_folder)
        self._recordings_folder = speakable_folder(recordings_folder)
        self._synthesiser = synthesiser
        self._cache_folder.mkdir(parents=True, exist_ok=True)

    def path(self, prompt: Prompt) -> Path:
        """The WAV file to play, spoken now where it is not there yet, which blocks for about 0.1 s.

        A recording in another format than the telephone's is used from the next prepare() on; until then, and where
        it is unreadable, the synthetic voice speaks. Raises SynthesisFailed, and UnspeakablePrompt as check() does.
        """
        check(prompt)
        return self._found(prompt) or self._speak(prompt)

    def uri(self, prompt: Prompt) -> str:
        """As path(), in the form that ARI's `media` takes: without the extension, which Asterisk adds itself."""
        return f"sound:{self.path(prompt).with_suffix('')}"

    def facts(self, prompt: Prompt) -> PromptFacts:
        """What is there of a prompt; nothing is made. Blocking, a few milliseconds."""
        path, recording = self._found(prompt), self._recording(prompt)
        if path is None:
            return PromptFacts(prompt, PromptState.MISSING if recording is None else PromptState.UNPLAYABLE)
        try:
            sound = decode_wav(path.read_bytes())
        except (NotSound, OSError):
            return PromptFacts(prompt, PromptState.UNPLAYABLE)
        state = PromptState.SYNTHETIC
        if recording is not None:
            spoken = path == self._synthesised_path(prompt)
            state = PromptState.UNPLAYABLE if spoken else PromptState.RECORDED
        return PromptFacts(prompt, state, sound.duration_s, level_dbfs(sound.samples))

    def prompt_path(self, text: str, *, name: str = "", language: str = "es") -> Path:
        """path() of a prompt given by its parts."""
        return self.path(Prompt(text, language, name))

    def sound_uri(self, text: str, *, name: str = "", language: str = "es") -> str:
        """uri() of a prompt given by its parts."""
        return self.uri(Prompt(text, language, name))

    def prepare(self, prompts: Iterable[Prompt], *, report: Callable[[str], None]) -> int:
        """Make all that is missing, two at a time; the number made. A second run only looks, and reports nothing.

        A recording that cannot be played is reported, and spoken by the synthetic voice instead.
        Raises UnspeakablePrompt before anything is made, SynthesisFailed at the first that fails; those made stay.
        """
        wanted = tuple(dict.fromkeys(prompts))
        for prompt in wanted:
            check(prompt)
        made = sum(self._convert(prompt, report=report) for prompt in wanted)
        # Two prompts may share one text under two names: one file.
        missing = {self._synthesised_path(prompt): prompt for prompt in wanted if self._found(prompt) is None}
        if missing:
            report(f"prompts: speaking {len(missing)} of {len(wanted)} (kept for the next start)")
            self._speak_all(tuple(missing.values()), report=report)
        return made + len(missing)

    def _speak_all(self, missing: Sequence[Prompt], *, report: Callable[[str], None]) -> None:
        with ThreadPoolExecutor(max_workers=_VOICES_AT_ONCE, thread_name_prefix="prompt") as pool:
            pending = {pool.submit(self._speak, prompt) for prompt in missing}
            while pending:
                done, pending = wait(pending, timeout=_REPORT_EVERY_S, return_when=FIRST_EXCEPTION)
                failure = next((each.exception() for each in done if each.exception() is not None), None)
                if failure is not None:
                    pool.shutdown(cancel_futures=True)
                    raise failure
                report(f"prompts: {len(missing) - len(pending)} of {len(missing)} spoken")

    def _found(self, prompt: Prompt) -> Path | None:
        recording = self._recording(prompt)
        # Somebody may be replacing the recording at this moment, or have made it unreadable: the voice speaks then.
        with contextlib.suppress(OSError):
            if recording is not None and _plays_as_it_is(recording):
                return recording
            if recording is not None and _is_sound_file(converted := self._converted_path(recording)):
                return converted
        path = self._synthesised_path(prompt)
        return path if _is_sound_file(path) else None

    def _recording(self, prompt: Prompt) -> Path | None:
        if not prompt.name:
            return None
        path = self._recordings_folder / f"{prompt.name}.wav"
        return path if path.is_file() else None

    def _convert(self, prompt: Prompt, *, report: Callable[[str], None]) -> bool:
        """Whether a copy in the telephone's format had to be made, and was, of a recording in another format."""
        recording = self._recording(prompt)
        if recording is None:
            return False
        try:
            if _plays_as_it_is(recording):
                return False
            path = self._converted_path(recording)
            if _is_sound_file(path):
                return False
            write_whole(path, encode_wav(resample(decode_wav(recording.read_bytes())).samples))
        except (NotSound, OSError) as refusal:
            report(f"recording {recording} cannot be played, the synthetic voice speaks instead: {_why(refusal)}")
            return False
        report(f"prompts: {recording.name} converted to the telephone's format")
        return True

    def _converted_path(self, recording: Path) -> Path:
        seen = recording.stat()
        return self._cache_folder / f"{_digest(recording.name, seen.st_mtime_ns, seen.st_size)}.wav"

    def _synthesised_path(self, prompt: Prompt) -> Path:
        text = unicodedata.normalize("NFC", " ".join(prompt.text.split()))
        return self._cache_folder / f"{_digest(text, prompt.language, self._synthesiser.identity)}.wav"

    def _speak(self, prompt: Prompt) -> Path:
        path = self._synthesised_path(prompt)
        try:
            with tempfile.TemporaryDirectory(prefix=".speaking-", dir=self._cache_folder) as workshop:
                spoken = Path(workshop) / "spoken.wav"
                self._synthesiser.synthesise(prompt.text, language=prompt.language, target=spoken)
                voice = decode_wav(spoken.read_bytes())
            heard = followed_by_silence(even_level(trim(resample(voice))), silence_s=_SILENCE_AFTER_S)
            write_whole(path, encode_wav(heard.samples))
        except NotSound as refusal:
            raise SynthesisFailed(f"nothing was spoken for “{_short(prompt.text)}”: {refusal}") from refusal
        except OSError as refusal:
            raise SynthesisFailed(f"prompts cannot be kept in {self._cache_folder}: {_why(refusal)}") from refusal
        return path


def check(prompt: Prompt) -> None:
    """Raises UnspeakablePrompt where there is no text, or where the name or the language could not be one."""
    if not prompt.text.strip():
        raise UnspeakablePrompt("a prompt needs a text, if only for those who read the flow")
    if prompt.name and not _NAME.fullmatch(prompt.name):
        raise UnspeakablePrompt(
            f"{_short(prompt.name)!r} cannot name a recording: small letters a-z, digits, - and _ only, 80 at most"
        )
    if not _LANGUAGE.fullmatch(prompt.language):
        raise UnspeakablePrompt(f"{_short(prompt.language)!r} is not a language such as es or es-UY")


def speakable_folder(folder: Path) -> Path:
    """The folder as an absolute path that Asterisk takes inside a media URI. Raises UnspeakablePath.

    Asterisk splits lists of sounds at `&` and at commas, and the dialplan gives more signs a meaning; so only letters,
    digits and `/._-+@=~` are let through.
    """
    path = folder.absolute()
    odd = sorted({sign for sign in str(path) if not sign.isalnum() and sign not in _SAFE_SIGNS})
    if odd:
        signs = " ".join("blank" if sign == " " else ascii(sign) for sign in odd)
        raise UnspeakablePath(f"Asterisk cannot play files below {str(path)!r} because of {signs}: use another folder")
    return path


def _is_sound_file(path: Path) -> bool:
    try:
        return path.stat().st_size >= _SMALLEST_WAV_BYTES
    except OSError:
        return False


def _plays_as_it_is(recording: Path) -> bool:
    with recording.open("rb") as reader:
        return fits_telephone(reader.read(_HEADER_BYTES)) and _is_sound_file(recording)


def write_whole(path: Path, content: bytes) -> None:
    """Write all of it or nothing, also after a power cut, and whoever else writes the same file at the same time."""
    handle, unfinished = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as writer:
            # Asterisk may run as another user than the engine.
            os.fchmod(writer.fileno(), 0o644)
            writer.write(content)
            writer.flush()
            os.fsync(writer.fileno())
        Path(unfinished).replace(path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def _digest(*parts: object) -> str:
    joined = "\0".join((_SOUND_MADE_AS, *map(str, parts)))
    return hashlib.sha256(joined.encode()).hexdigest()[:32]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:59]}…"


def _why(refusal: Exception) -> str:
    return (refusal.strerror if isinstance(refusal, OSError) else None) or str(refusal)
