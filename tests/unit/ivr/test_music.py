"""The music on hold, judged by what a telephone and a waiting citizen would make of it."""

import math
import wave
from pathlib import Path

import pytest

from ivr.core.waveform import Sound, decode_wav, level_dbfs, peak_dbfs
from ivr.music import LEVEL_DBFS, compose_music, compose_tone
from recordings.sound import measure, tone_level


@pytest.fixture(scope="module")
def music_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("music") / "espera.wav"
    compose_music(path)
    return path


@pytest.fixture(scope="module")
def music(music_path: Path) -> Sound:
    return decode_wav(music_path.read_bytes())


def test_music_is_a_minute_in_the_format_of_a_telephone(music_path: Path) -> None:
    with wave.open(str(music_path), "rb") as reader:
        assert (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) == (1, 2, 8000)
        assert reader.getnframes() == 60 * 8000


def test_music_is_quiet_enough_for_announcements_and_never_clips(music_path: Path, music: Sound) -> None:
    assert measure(music_path).level_dbfs[0] == pytest.approx(LEVEL_DBFS, abs=0.1)
    assert peak_dbfs(music.samples) < -6


def test_music_never_pauses_so_that_nobody_thinks_the_call_was_lost(music: Sound) -> None:
    half_second = 4000
    quietest = min(level_dbfs(music.samples[at : at + half_second]) for at in range(0, len(music.samples), half_second))
    assert quietest > LEVEL_DBFS - 10


def test_music_repeats_without_a_click(music: Sound) -> None:
    seam = (*music.samples[-400:], *music.samples[:400])
    bends = [abs(after - 2 * here + before) for before, here, after in zip(seam, seam[1:], seam[2:], strict=False)]
    inside = music.samples[100_000:108_000]
    usual = max(
        abs(after - 2 * here + before) for before, here, after in zip(inside, inside[1:], inside[2:], strict=False)
    )
    assert max(bends[390:410]) <= usual


def spectrum_share(sound: Sound, *, low_hz: float, high_hz: float) -> float:
    """The share of the energy between two frequencies, from Fourier sums of 50 Hz apart over 30 places of the music."""
    length = 160
    window = [0.5 - 0.5 * math.cos(2 * math.pi * index / length) for index in range(length)]
    within = total = 0.0
    for begin in range(0, len(sound.samples) - length, len(sound.samples) // 30):
        block = [gain * value for gain, value in zip(window, sound.samples[begin : begin + length], strict=False)]
        for step in range(length // 2 + 1):
            turn = 2 * math.pi * step / length
            real = sum(value * math.cos(turn * index) for index, value in enumerate(block))
            imaginary = sum(value * math.sin(turn * index) for index, value in enumerate(block))
            energy = real * real + imaginary * imaginary
            total += energy
            within += energy if low_hz <= step * 50 <= high_hz else 0.0
    return within / total


def test_music_stays_within_what_a_telephone_carries(music: Sound) -> None:
    assert spectrum_share(music, low_hz=250, high_hz=3000) > 0.995


def test_music_is_made_of_notes_of_its_key_only(music_path: Path) -> None:
    in_key = [tone_level(music_path, channel=0, frequency_hz=note_hz) for note_hz in (392.0, 440.0, 523.3)]
    beyond = [tone_level(music_path, channel=0, frequency_hz=other_hz) for other_hz in (60.0, 200.0, 3300.0)]
    assert min(in_key) > max(beyond) + 15


def test_music_of_one_length_is_always_the_same(tmp_path: Path) -> None:
    first, second = tmp_path / "first.wav", tmp_path / "second.wav"
    compose_music(first, seconds=8)
    compose_music(second, seconds=8)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("seconds", [4, 7, 61])
def test_music_has_exactly_the_length_asked_for(tmp_path: Path, seconds: int) -> None:
    compose_music(tmp_path / "espera.wav", seconds=seconds)
    assert measure(tmp_path / "espera.wav").duration_s == seconds


def test_music_shorter_than_a_bar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="less than one bar"):
        compose_music(tmp_path / "espera.wav", seconds=3)
    assert list(tmp_path.iterdir()) == []


def test_tone_before_a_message_is_short_and_heard(tmp_path: Path) -> None:
    compose_tone(tmp_path / "tono.wav")
    tone = decode_wav((tmp_path / "tono.wav").read_bytes())
    assert 0.3 < len(tone.samples) / 8000 < 0.5
    assert tone_level(tmp_path / "tono.wav", channel=0, frequency_hz=1000) > LEVEL_DBFS - 6
