"""What is done to a voice before a telephone line carries it, on sounds whose answer is known."""

import contextlib
import io
import math
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.core.waveform import (
    SILENCE_DBFS,
    NotSound,
    Sound,
    decode_wav,
    encode_wav,
    even_level,
    fits_telephone,
    followed_by_silence,
    level_dbfs,
    peak_dbfs,
    resample,
    trim,
)


def sine(frequency_hz: float, *, seconds: float = 0.5, rate_hz: int = 8000, peak: float = 0.5) -> Sound:
    turn = 2 * math.pi * frequency_hz / rate_hz
    return Sound(tuple(peak * math.sin(turn * index) for index in range(round(seconds * rate_hz))), rate_hz)


def wav(frames: bytes, *, channels: int = 1, width_bytes: int = 2, rate_hz: int = 8000) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width_bytes)
        writer.setframerate(rate_hz)
        writer.writeframes(frames)
    return content.getvalue()


def test_what_was_written_is_read_back() -> None:
    samples = (0.0, 0.5, -0.5, 0.999, -0.999)
    sound = decode_wav(encode_wav(samples))
    assert sound.rate_hz == 8000
    assert sound.samples == pytest.approx(samples, abs=1e-3)
    assert sound.duration_s == 5 / 8000


def test_what_exceeds_full_scale_is_clipped_and_never_wraps_round() -> None:
    assert decode_wav(encode_wav((1.7, -1.7))).samples == pytest.approx((1.0, -1.0), abs=1e-4)


@pytest.mark.parametrize(
    ("width_bytes", "frames"),
    [
        (1, bytes([128, 192, 64])),
        (2, struct.pack("<3h", 0, 16384, -16384)),
        (3, b"\0\0\0" + b"\0\0\x40" + b"\0\0\xc0"),
        (4, struct.pack("<3i", 0, 1 << 30, -(1 << 30))),
    ],
)
def test_samples_of_every_width_are_read(width_bytes: int, frames: bytes) -> None:
    assert decode_wav(wav(frames, width_bytes=width_bytes)).samples == (0.0, 0.5, -0.5)


def test_several_channels_are_averaged_into_one() -> None:
    assert decode_wav(wav(struct.pack("<4h", 16384, 0, -16384, -16384), channels=2)).samples == (0.25, -0.5)


def test_studio_files_with_the_extensible_tag_are_read() -> None:
    kind = b"\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    form = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 8000, 16000, 2, 16, 22, 16, 4) + kind
    samples = struct.pack("<2h", 16384, -16384)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(samples)) + samples
    assert decode_wav(b"RIFF" + struct.pack("<I", len(body)) + body).samples == (0.5, -0.5)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "ends too early"),
        (b"RIFF", "ends too early"),
        (b"not sound at all, but a letter", "not a PCM WAV file"),
        (wav(b""), "holds no sound"),
        (wav(b"\0\0")[:44] + b"\0", "holds no sound"),
        (wav(b"\0\0")[:24] + bytes(4) + wav(b"\0\0")[28:], "no sample rate"),
    ],
)
def test_what_is_no_sound_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(NotSound, match=reason):
        decode_wav(content)


@given(st.binary(max_size=200), st.integers(min_value=0, max_value=50))
def test_damaged_files_are_sound_or_refused_and_nothing_else(noise: bytes, at: int) -> None:
    whole = wav(bytes(100))
    damaged = whole[:at] + noise + whole[at + len(noise) :]
    with contextlib.suppress(NotSound):
        assert decode_wav(damaged).samples
    assert fits_telephone(damaged) in (True, False)


@pytest.mark.parametrize(
    ("content", "fits"),
    [
        (wav(bytes(8)), True),
        (wav(bytes(8), rate_hz=16000), False),
        (wav(bytes(8), channels=2), False),
        (wav(bytes(8), width_bytes=1), False),
        (b"RIFF", False),
        (b"anything", False),
    ],
)
def test_format_that_a_telephone_takes_is_recognised(content: bytes, fits: bool) -> None:
    assert fits_telephone(content) is fits


@pytest.mark.parametrize("rate_hz", [11025, 16000, 22050, 44100, 48000])
def test_voice_keeps_its_level_and_pitch_at_the_telephone_rate(rate_hz: int) -> None:
    heard = resample(sine(1000, rate_hz=rate_hz))
    wanted = sine(1000)
    middle = slice(400, 3600)
    assert heard.rate_hz == 8000
    assert len(heard.samples) == len(wanted.samples)
    assert heard.samples[middle] == pytest.approx(wanted.samples[middle], abs=0.005)


@pytest.mark.parametrize("frequency_hz", [4400, 5000, 6500, 9000])
def test_what_a_telephone_cannot_carry_does_not_fold_back_into_the_voice(frequency_hz: float) -> None:
    heard = resample(sine(frequency_hz, rate_hz=22050))
    assert level_dbfs(heard.samples[200:-200]) < level_dbfs(sine(frequency_hz, rate_hz=22050).samples) - 45


def test_speech_band_passes_evenly() -> None:
    levels = [level_dbfs(resample(sine(hz, rate_hz=22050)).samples[400:3600]) for hz in (300, 1000, 2000, 3000)]
    assert max(levels) - min(levels) < 0.3


def test_slower_sound_is_brought_up_to_the_telephone_rate() -> None:
    heard = resample(sine(500, rate_hz=6000))
    assert heard.samples[400:3600] == pytest.approx(sine(500).samples[400:3600], abs=0.005)


def test_sound_at_the_right_rate_is_left_alone() -> None:
    sound = sine(500)
    assert resample(sound) is sound


def test_silence_around_a_voice_is_cut_to_a_short_margin() -> None:
    voice = sine(500, seconds=1.0)
    trimmed = trim(Sound((*(0.0,) * 4000, *voice.samples, *(0.0,) * 8000), 8000))
    assert trimmed.duration_s == pytest.approx(1.04, abs=0.011)


def test_soft_end_of_a_word_is_kept() -> None:
    word = (*sine(500, seconds=0.5).samples, *sine(2500, seconds=0.2, peak=0.01).samples, *(0.0,) * 4000)
    assert trim(Sound(word, 8000)).duration_s == pytest.approx(0.72, abs=0.011)


def test_trimmed_voice_begins_and_ends_without_a_click() -> None:
    trimmed = trim(sine(500, seconds=0.3))
    assert abs(trimmed.samples[0]) < 0.02
    assert abs(trimmed.samples[-1]) < 0.02


@pytest.mark.parametrize("samples", [(), (0.0,) * 800])
def test_silence_alone_is_no_voice(samples: tuple[float, ...]) -> None:
    with pytest.raises(NotSound, match="silent from beginning to end"):
        trim(Sound(samples, 8000))


def test_next_prompt_does_not_run_into_this_one() -> None:
    heard = followed_by_silence(sine(500), silence_s=0.15)
    assert heard.duration_s == 0.65
    assert not any(heard.samples[-1200:])


@pytest.mark.parametrize("peak", [0.001, 0.05, 0.9])
def test_quiet_and_loud_voices_come_to_the_same_level(peak: float) -> None:
    heard = even_level(sine(500, peak=peak))
    assert level_dbfs(heard.samples) == pytest.approx(-19.0, abs=0.1)


def test_voice_with_sharp_peaks_reaches_the_level_without_passing_the_ceiling() -> None:
    spiky = [0.02 * math.sin(index / 3) for index in range(8000)]
    for index in range(0, 8000, 200):
        spiky[index] = 0.9 if index % 400 else -0.9
    heard = even_level(Sound(tuple(spiky), 8000))
    assert peak_dbfs(spiky) - level_dbfs(spiky) > 19
    assert level_dbfs(heard.samples) == pytest.approx(-19.0, abs=0.3)
    assert peak_dbfs(heard.samples) <= -3.0


def test_click_that_cannot_reach_the_level_still_stays_below_the_ceiling() -> None:
    heard = even_level(Sound((*(0.0,) * 4000, 0.9, *(0.0,) * 4000), 8000))
    assert level_dbfs(heard.samples) < -30
    assert peak_dbfs(heard.samples) <= -3.0


def test_silence_is_not_made_louder() -> None:
    silence = Sound((0.0,) * 100, 8000)
    assert even_level(silence) is silence


def test_levels_follow_the_convention_and_nothing_is_a_number() -> None:
    assert level_dbfs(sine(1000, peak=1.0).samples) == pytest.approx(-3.01, abs=0.01)
    assert peak_dbfs((0.5, -1.0)) == 0.0
    assert level_dbfs(()) == level_dbfs((0.0, 0.0)) == peak_dbfs(()) == SILENCE_DBFS
