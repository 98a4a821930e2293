"""The prompt library with a voice that hums instead of speaking: what is made, kept, replaced and refused."""

import math
import os
import struct
import sys
import threading
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from ivr.core.waveform import decode_wav, level_dbfs, peak_dbfs
from ivr.prompts import (
    CommandSynthesiser,
    EspeakSynthesiser,
    PromptLibrary,
    Synthesiser,
    SynthesisFailed,
    UnspeakablePath,
    UnspeakablePrompt,
)
from telefonista.kernel.commands import Prompt

WELCOME = Prompt("Bienvenido a la atención ciudadana.", name="bienvenida")
OPTIONS = Prompt("Para trámites, presione uno.")


def hum(path: Path, *, seconds: float = 0.4, rate_hz: int = 22050, channels: int = 1) -> None:
    values = [round(9000 * math.sin(0.1 * index)) for index in range(round(seconds * rate_hz))]
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(b"".join(struct.pack("<h", value) * channels for value in values))


class HummingVoice:
    """Obeys the Synthesiser protocol; remembers what it was asked, and fails on the texts named."""

    def __init__(self, *, identity: str = "humming", fails_on: str = "", says_nothing: bool = False) -> None:
        self.identity = identity
        self.asked: list[tuple[str, str]] = []
        self.most_at_once = 0
        self._at_once = 0
        self._fails_on = fails_on
        self._says_nothing = says_nothing
        self._counting = threading.Lock()

    def synthesise(self, text: str, *, language: str, target: Path) -> None:
        with self._counting:
            self.asked.append((text, language))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        if self._fails_on and self._fails_on in text:
            raise SynthesisFailed(f"no voice for {text}")
        hum(target, seconds=0 if self._says_nothing else 0.4)
        with self._counting:
            self._at_once -= 1


class Home:
    """The two folders of a library, and libraries on them."""

    def __init__(self, folder: Path) -> None:
        self.cache = folder / "cache"
        self.recordings = folder / "prompts"
        self.recordings.mkdir()

    def library(self, voice: Synthesiser) -> PromptLibrary:
        return PromptLibrary(self.cache, recordings_folder=self.recordings, synthesiser=voice)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def voice() -> HummingVoice:
    return HummingVoice()


@pytest.fixture
def library(home: Home, voice: HummingVoice) -> PromptLibrary:
    return home.library(voice)


def test_text_is_spoken_once_and_played_from_the_cache_ever_after(
    home: Home, library: PromptLibrary, voice: HummingVoice
) -> None:
    first = library.path(OPTIONS)
    assert home.library(voice).path(OPTIONS) == first
    assert voice.asked == [(OPTIONS.text, "es")]


def test_spoken_prompt_is_what_a_telephone_carries_at_an_even_level(library: PromptLibrary) -> None:
    path = library.path(OPTIONS)
    with wave.open(str(path), "rb") as reader:
        assert (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) == (1, 2, 8000)
    samples = decode_wav(path.read_bytes()).samples
    assert not any(samples[-1200:])
    assert level_dbfs(samples[:-1200]) == pytest.approx(-19, abs=0.2)
    assert peak_dbfs(samples) < -3


def test_uri_names_the_file_without_its_extension(library: PromptLibrary) -> None:
    assert library.uri(OPTIONS) == f"sound:{library.path(OPTIONS)}".removesuffix(".wav")
    assert library.sound_uri(OPTIONS.text) == library.uri(OPTIONS)
    assert library.prompt_path(OPTIONS.text) == library.path(OPTIONS)


def test_other_words_other_language_and_other_voice_are_other_files(home: Home, library: PromptLibrary) -> None:
    paths = {
        library.path(OPTIONS),
        library.path(Prompt("Para impuestos, presione dos.")),
        library.path(Prompt(OPTIONS.text, language="pt")),
        home.library(HummingVoice(identity="humming lower")).path(OPTIONS),
    }
    assert len(paths) == 4


def test_spaces_and_ways_of_writing_an_accent_do_not_make_another_file(
    library: PromptLibrary, voice: HummingVoice
) -> None:
    assert library.path(Prompt("Para  trámites,\npresione uno. ")) == library.path(OPTIONS)
    assert library.path(Prompt("Para tra\N{COMBINING ACUTE ACCENT}mites, presione uno.")) == library.path(OPTIONS)
    assert len(voice.asked) == 1


def test_everything_missing_is_prepared_in_one_go_two_voices_at_a_time(
    library: PromptLibrary, voice: HummingVoice
) -> None:
    prompts = [Prompt(f"Mensaje {number}.") for number in range(12)]
    said: list[str] = []
    assert library.prepare([*prompts, prompts[0]], report=said.append) == 12
    assert sorted(voice.asked) == sorted((prompt.text, "es") for prompt in prompts)
    assert voice.most_at_once <= 2
    assert said[0].startswith("prompts: speaking 12 of 12")
    assert said[-1] == "prompts: 12 of 12 spoken"


def test_second_start_makes_nothing_and_says_nothing(library: PromptLibrary, voice: HummingVoice) -> None:
    library.prepare([WELCOME, OPTIONS], report=lambda line: None)
    said: list[str] = []
    assert library.prepare([WELCOME, OPTIONS], report=said.append) == 0
    assert said == []
    assert len(voice.asked) == 2


def test_one_text_under_two_names_is_spoken_once(library: PromptLibrary, voice: HummingVoice) -> None:
    assert library.prepare([WELCOME, Prompt(WELCOME.text, name="saludo")], report=lambda line: None) == 1
    assert len(voice.asked) == 1


def test_failure_is_told_and_what_was_made_before_it_stays(home: Home) -> None:
    voice = HummingVoice(fails_on="3")
    library = home.library(voice)
    with pytest.raises(SynthesisFailed, match=r"no voice for Mensaje 3\."):
        library.prepare([Prompt(f"Mensaje {number}.") for number in range(20)], report=lambda line: None)
    kept = list(home.cache.iterdir())
    assert kept
    assert all(path.suffix == ".wav" and not path.name.startswith(".") for path in kept)


def test_voice_that_says_nothing_is_a_failure_and_no_silent_prompt(home: Home) -> None:
    with pytest.raises(SynthesisFailed, match=r"nothing was spoken for “Para trámites, presione uno\."):
        home.library(HummingVoice(says_nothing=True)).path(OPTIONS)
    assert list(home.cache.iterdir()) == []


def test_cache_file_that_a_power_cut_emptied_is_made_again(library: PromptLibrary, voice: HummingVoice) -> None:
    path = library.path(OPTIONS)
    path.write_bytes(b"")
    assert library.path(OPTIONS).stat().st_size > 1000
    assert len(voice.asked) == 2


def test_recording_made_by_a_person_wins_over_the_voice(
    home: Home, library: PromptLibrary, voice: HummingVoice
) -> None:
    library.path(WELCOME)
    recording = home.recordings / "bienvenida.wav"
    hum(recording, rate_hz=8000)
    assert library.path(WELCOME) == recording
    assert library.uri(WELCOME) == f"sound:{home.recordings}/bienvenida"
    assert library.prepare([WELCOME], report=lambda line: None) == 0
    recording.unlink()
    assert library.path(WELCOME).parent == home.cache


@pytest.mark.parametrize(("rate_hz", "channels"), [(44100, 2), (16000, 1)])
def test_studio_recording_is_converted_and_its_level_left_as_it_is(
    home: Home, library: PromptLibrary, voice: HummingVoice, rate_hz: int, channels: int
) -> None:
    hum(home.recordings / "bienvenida.wav", rate_hz=rate_hz, channels=channels)
    said: list[str] = []
    assert library.prepare([WELCOME], report=said.append) == 1
    assert said == ["prompts: bienvenida.wav converted to the telephone's format"]
    with wave.open(str(library.path(WELCOME)), "rb") as reader:
        assert (reader.getnchannels(), reader.getframerate()) == (1, 8000)
    assert level_dbfs(decode_wav(library.path(WELCOME).read_bytes()).samples) == pytest.approx(-14.2, abs=0.3)
    assert voice.asked == []
    assert library.prepare([WELCOME], report=said.append) == 0


def test_recording_replaced_by_a_newer_one_is_converted_anew(home: Home, library: PromptLibrary) -> None:
    recording = home.recordings / "bienvenida.wav"
    hum(recording, rate_hz=16000, seconds=0.3)
    library.prepare([WELCOME], report=lambda line: None)
    first = library.path(WELCOME)
    hum(recording, rate_hz=16000, seconds=0.6)
    library.prepare([WELCOME], report=lambda line: None)
    assert library.path(WELCOME) != first


def test_call_never_waits_for_a_recording_to_be_converted(
    home: Home, library: PromptLibrary, voice: HummingVoice
) -> None:
    spoken = library.path(WELCOME)
    hum(home.recordings / "bienvenida.wav", rate_hz=44100)
    assert library.path(WELCOME) == spoken


@pytest.mark.parametrize("content", [b"", b"RIFF", b"ID3 not a WAV file at all"])
def test_recording_that_cannot_be_played_is_reported_and_the_voice_speaks(
    home: Home, library: PromptLibrary, content: bytes
) -> None:
    recording = home.recordings / "bienvenida.wav"
    recording.write_bytes(content)
    said: list[str] = []
    library.prepare([WELCOME], report=said.append)
    assert said[0].startswith(f"recording {recording} cannot be played, the synthetic voice speaks instead: not a PCM")
    assert library.path(WELCOME).parent == home.cache


def test_recording_that_is_taken_away_at_this_moment_leaves_the_voice_speaking(
    home: Home, library: PromptLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = home.recordings / "bienvenida.wav"
    hum(recording, rate_hz=8000)

    def taken_away(header: bytes) -> bool:
        recording.unlink()
        return True

    monkeypatch.setattr("ivr.prompts.fits_telephone", taken_away)
    assert library.path(WELCOME).parent == home.cache


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt("   "),
        Prompt("Hola.", name="../secreto"),
        Prompt("Hola.", name="Hola Mundo"),
        Prompt("Hola.", name="ñandú"),
        Prompt("Hola.", name="a" * 81),
        Prompt("Hola.", language=""),
        Prompt("Hola.", language="es/../../x"),
        Prompt("Hola.", language="--path=/"),
    ],
)
def test_prompt_that_could_name_another_file_is_refused_before_anything_is_made(
    home: Home, library: PromptLibrary, voice: HummingVoice, prompt: Prompt
) -> None:
    with pytest.raises(UnspeakablePrompt):
        library.path(prompt)
    with pytest.raises(UnspeakablePrompt):
        library.prepare([OPTIONS, prompt], report=lambda line: None)
    assert voice.asked == []
    assert list(home.cache.iterdir()) == []


@pytest.mark.parametrize("folder", ["con blanco", "a,b", "a&b", "a\nb", "a|b", "a:b", "${EXTEN}", "a'b", "a\tb"])
@pytest.mark.parametrize("place", ["cache", "recordings"])
def test_folder_that_asterisk_would_misread_is_refused(
    tmp_path: Path, voice: HummingVoice, folder: str, place: str
) -> None:
    folders = {"cache": tmp_path / "cache", "recordings": tmp_path / "prompts"} | {place: tmp_path / folder}
    with pytest.raises(UnspeakablePath, match="use another folder") as refusal:
        PromptLibrary(folders["cache"], recordings_folder=folders["recordings"], synthesiser=voice)
    assert "\n" not in str(refusal.value)
    assert not folders["cache"].exists()


def test_folder_with_letters_of_the_language_is_taken(tmp_path: Path, voice: HummingVoice) -> None:
    folder = tmp_path / "año"
    folder.mkdir()
    assert Home(folder).library(voice).uri(OPTIONS).startswith(f"sound:{tmp_path}/año/")


def test_two_libraries_on_one_folder_may_make_the_same_prompt_at_once(home: Home) -> None:
    libraries = [home.library(HummingVoice()) for _ in range(4)]
    start = threading.Barrier(len(libraries))
    paths: list[Path] = []

    def make(library: PromptLibrary) -> None:
        start.wait(timeout=10)
        paths.append(library.path(OPTIONS))

    threads = [threading.Thread(target=make, args=(library,)) for library in libraries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(paths) == len(libraries)
    assert list(home.cache.iterdir()) == [paths[0]]


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], list[str]]:
    """A stand-in for espeak-ng's program file: what it does is a few lines of Python."""

    def write(body: str) -> list[str]:
        script = tmp_path / "speak.py"
        script.write_text(f"import sys, time, pathlib\n{body}\n")
        return [sys.executable, str(script)]

    return write


def test_espeak_is_given_voice_rate_and_text_and_never_the_text_as_an_option(
    tmp_path: Path, program: Callable[[str], list[str]]
) -> None:
    command = program(
        "target = sys.argv[sys.argv.index('-w') + 1]\n"
        "asked = '|'.join(sys.argv[1:-1]) + '|' + sys.stdin.buffer.read().decode('utf-8')\n"
        "pathlib.Path(target).write_bytes(asked.encode())"
    )
    voice = EspeakSynthesiser(command, words_per_minute=120, data_path=Path("/tree/espeak-ng-data"))
    voice.synthesise("--trámites", language="es-UY", target=tmp_path / "spoken.wav")
    asked = (tmp_path / "spoken.wav").read_text(encoding="utf-8").split("|")
    assert asked[0] == "--path=/tree"
    assert asked[asked.index("-v") + 1] == "es-419"
    assert asked[asked.index("-s") + 1] == "120"
    assert asked[-1] == "--trámites"


def test_data_folder_may_also_be_named_by_what_holds_it(tmp_path: Path, program: Callable[[str], list[str]]) -> None:
    command = program("pathlib.Path(sys.argv[-1]).write_text(' '.join(sys.argv) + ' ' * 100)")
    EspeakSynthesiser(command, data_path=Path("/tree")).synthesise("Hola.", language="pt", target=tmp_path / "a.wav")
    assert "--path=/tree -v pt " in (tmp_path / "a.wav").read_text()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("sys.exit('the voice\\n  does not exist')", "could not speak “Hola.”: the voice does not exist"),
        ("sys.exit(3)", "could not speak “Hola.”: exit code 3"),
        ("pass", "could not speak “Hola.”: exit code 0"),
    ],
)
def test_espeak_that_fails_is_told_in_one_line(
    tmp_path: Path, program: Callable[[str], list[str]], body: str, reason: str
) -> None:
    voice = EspeakSynthesiser(program(body))
    with pytest.raises(SynthesisFailed) as failure:
        voice.synthesise("Hola.", language="es", target=tmp_path / "spoken.wav")
    assert reason in str(failure.value)
    assert "\n" not in str(failure.value)


def test_espeak_that_takes_too_long_is_given_up(tmp_path: Path, program: Callable[[str], list[str]]) -> None:
    voice = EspeakSynthesiser(program("time.sleep(60)"), timeout_s=0.5)
    with pytest.raises(SynthesisFailed, match=r"took more than 0\.5 s for “Hola\.”"):
        voice.synthesise("Hola.", language="es", target=tmp_path / "spoken.wav")


def test_espeak_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SynthesisFailed, match="espeak-ng is not there: /nowhere/espeak-ng"):
        EspeakSynthesiser(["/nowhere/espeak-ng"]).synthesise("Hola.", language="es", target=tmp_path / "a.wav")
    with pytest.raises(SynthesisFailed, match="espeak-ng cannot be started"):
        EspeakSynthesiser([str(tmp_path)]).synthesise("Hola.", language="es", target=tmp_path / "a.wav")


def test_another_rate_or_voice_of_espeak_is_another_identity() -> None:
    voices = [
        EspeakSynthesiser(["e"]),
        EspeakSynthesiser(["e"], words_per_minute=120),
        EspeakSynthesiser(["e"], voice="es"),
    ]
    assert len({voice.identity for voice in voices}) == 3
    assert EspeakSynthesiser(["elsewhere"]).identity == voices[0].identity


def test_full_disk_is_told_in_one_line_and_leaves_nothing(
    home: Home, library: PromptLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(SynthesisFailed, match=r"prompts cannot be kept in .*: No space left on device"):
        library.path(OPTIONS)
    assert list(home.cache.iterdir()) == []


def test_any_program_that_writes_a_wav_can_be_the_voice(home: Home, tmp_path: Path) -> None:
    hum(tmp_path / "hum.wav")
    seen = tmp_path / "seen"
    script = tmp_path / "voz"
    script.write_text(f'#!/bin/sh\n(cat; echo "$@") > {seen}\ncp {tmp_path}/hum.wav "$2"\n')
    script.chmod(0o755)
    library = home.library(CommandSynthesiser(f"{script} -o {{output_file}} --lengua={{language}} ';rm -rf x'"))
    path = library.path(Prompt("-v no es una opción", language="es-UY"))
    assert decode_wav(path.read_bytes()).duration_s > 0.3
    text, words = seen.read_text(encoding="utf-8").splitlines()
    assert text == "-v no es una opción"
    assert words.startswith("-o /")
    assert words.endswith("spoken.wav --lengua=es-UY ;rm -rf x")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("/no/such/voice {output_file}", "cannot be started"),
        ("false {output_file}", "exit code 1"),
        ("true {output_file}", "could not speak"),
        ("sh -c 'sleep 5' {output_file}", "took more than 0.2 s"),
    ],
)
def test_voice_that_fails_is_told_in_one_line(home: Home, command: str, why: str) -> None:
    with pytest.raises(SynthesisFailed, match=why):
        home.library(CommandSynthesiser(command, timeout_s=0.2 if "sleep" in command else 30)).path(OPTIONS)


@pytest.mark.parametrize("command", ["piper", "piper 'x", ""])
def test_command_that_could_write_no_sound_is_refused(command: str) -> None:
    with pytest.raises(UnspeakablePrompt, match="synthesiser command"):
        CommandSynthesiser(command)


def test_voices_with_other_words_are_other_voices() -> None:
    voices = [CommandSynthesiser(f"voz --modelo {model} {{output_file}}") for model in ("a", "b")]
    assert voices[0].identity != voices[1].identity
