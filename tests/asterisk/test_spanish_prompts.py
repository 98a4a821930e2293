"""Prompts as the real espeak-ng speaks them: level, pace, and that every sentence of the waiting line can be spoken."""

import wave
from pathlib import Path

import pytest

from ivr.core.speaking import digit_pieces, every_digit_piece, every_position_piece, position_pieces
from ivr.core.waveform import decode_wav, level_dbfs, peak_dbfs
from ivr.prompts import EspeakSynthesiser, PromptLibrary, SynthesisFailed
from telefonista.kernel.commands import Prompt
from telefonista.pbx.packages import Tool, Toolbox, default_folder, ensure

SILENCE_AFTER = 1200
MARGINS_S = 0.19
# Syllables counted by hand, vowels that meet in speech counted as one.
SENTENCES = {
    "Usted es la persona número tres en la espera.": 16,
    "Hay una persona antes que usted.": 11,
    "Bienvenido al servicio de atención a la ciudadanía.": 18,
}


@pytest.fixture(scope="module")
def toolbox() -> Toolbox:
    return ensure(default_folder(), wanted={Tool.ESPEAK}, report=print)


@pytest.fixture(scope="module")
def voice(toolbox: Toolbox) -> EspeakSynthesiser:
    return EspeakSynthesiser(toolbox.espeak.command(), data_path=toolbox.espeak_data)


@pytest.fixture
def library(tmp_path: Path, voice: EspeakSynthesiser) -> PromptLibrary:
    return PromptLibrary(tmp_path / "cache", recordings_folder=tmp_path / "prompts", synthesiser=voice)


@pytest.mark.parametrize(("sentence", "syllables"), SENTENCES.items())
def test_sentence_is_spoken_slowly_and_clearly(library: PromptLibrary, sentence: str, syllables: int) -> None:
    sound = decode_wav(library.prompt_path(sentence).read_bytes())
    assert 4.0 < syllables / (sound.duration_s - MARGINS_S) < 5.6


@pytest.mark.parametrize("sentence", [*SENTENCES, "tres,", "seis."])
def test_every_prompt_has_the_same_level_whatever_its_length(library: PromptLibrary, sentence: str) -> None:
    path = library.prompt_path(sentence)
    samples = decode_wav(path.read_bytes()).samples
    assert level_dbfs(samples[:-SILENCE_AFTER]) == pytest.approx(-19, abs=0.3)
    assert peak_dbfs(samples) <= -3
    assert not any(samples[-SILENCE_AFTER:])
    with wave.open(str(path), "rb") as reader:
        assert (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) == (1, 2, 8000)


def test_all_that_a_waiting_citizen_may_hear_is_spoken_at_the_first_start_only(library: PromptLibrary) -> None:
    prompts = [Prompt(text) for text in (*every_position_piece(), *every_digit_piece())]
    assert library.prepare(prompts, report=print) == len(prompts)
    assert library.prepare(prompts, report=print) == 0
    spoken = {library.path(Prompt(text)) for text in (*position_pieces(7), *digit_pieces("0800 4636"))}
    assert all(0.3 < decode_wav(path.read_bytes()).duration_s < 6 for path in spoken)


def test_accents_reach_the_voice(library: PromptLibrary) -> None:
    accented = decode_wav(library.prompt_path("El término.").read_bytes())
    plain = decode_wav(library.prompt_path("El termino.").read_bytes())
    assert accented.samples != plain.samples


def test_speaking_a_text_again_gives_the_same_sound(tmp_path: Path, voice: EspeakSynthesiser) -> None:
    for name in ("first.wav", "second.wav"):
        voice.synthesise("Su llamada será atendida.", language="es", target=tmp_path / name)
    assert (tmp_path / "first.wav").read_bytes() == (tmp_path / "second.wav").read_bytes()


def test_voice_that_is_not_installed_is_told_in_one_line(tmp_path: Path, toolbox: Toolbox) -> None:
    voice = EspeakSynthesiser(toolbox.espeak.command(), voice="nobody", data_path=toolbox.espeak_data)
    with pytest.raises(SynthesisFailed, match=r"could not speak “Hola\.”: .*voice does not exist"):
        voice.synthesise("Hola.", language="es", target=tmp_path / "spoken.wav")
