"""A studio's files: what becomes of them, and which of them citizens must not hear."""

import io
import math
import struct
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from ivr.core.waveform import decode_wav, fits_telephone, level_dbfs, peak_dbfs
from ivr.studio import LONGEST_S, Unfit, fit

Shape = Callable[[float], float]


def voice(seconds: float) -> float:
    """Something with the ups and downs of speech."""
    return 0.25 * math.sin(2 * math.pi * 300 * seconds) * (0.6 + 0.4 * math.sin(2 * math.pi * 3 * seconds))


def studio(path: Path, *, rate_hz: int = 44100, seconds: float = 1.0, channels: int = 2, shape: Shape = voice) -> Path:
    content = io.BytesIO()
    with wave.open(content, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        values = [max(-32768, min(32767, round(shape(n / rate_hz) * 32767))) for n in range(round(seconds * rate_hz))]
        writer.writeframes(b"".join(struct.pack("<h", value) * channels for value in values))
    path.write_bytes(content.getvalue())
    return path


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100, 48000])
def test_recording_of_any_rate_fits_the_telephone_and_the_other_prompts(tmp_path: Path, rate_hz: int) -> None:
    made = fit(studio(tmp_path / "a.wav", rate_hz=rate_hz))
    assert fits_telephone(made.wav)
    assert made.given_rate_hz == rate_hz
    assert made.level_dbfs == pytest.approx(-19.5, abs=1.0)
    assert made.peak_dbfs <= -2.9
    assert level_dbfs(decode_wav(made.wav).samples) == pytest.approx(made.level_dbfs, abs=0.2)


def test_silence_around_the_voice_is_cut_off(tmp_path: Path) -> None:
    made = fit(
        studio(tmp_path / "a.wav", seconds=3.0, shape=lambda at: voice(at) if 1.0 < at < 2.0 else 0.0, rate_hz=16000)
    )
    assert made.given_duration_s == pytest.approx(3.0)
    assert made.duration_s == pytest.approx(1.15, abs=0.1)


def test_quiet_recording_becomes_as_loud_as_the_others(tmp_path: Path) -> None:
    made = fit(studio(tmp_path / "a.wav", shape=lambda at: voice(at) / 20, rate_hz=16000))
    assert made.given_level_dbfs < -40
    assert made.level_dbfs > -21
    assert peak_dbfs(decode_wav(made.wav).samples) <= -2.9


@pytest.mark.parametrize(
    ("shape", "seconds", "rate_hz", "why"),
    [
        (lambda at: 0.0, 1.0, 16000, "is silent"),
        (lambda at: voice(at) / 2000, 1.0, 16000, "is silent"),
        (lambda at: voice(at) * 12, 1.0, 16000, "clips"),
        (voice, 0.05, 16000, "lasts 0.05 s"),
        (voice, LONGEST_S + 1, 8000, "lasts 181.00 s"),
        (voice, 1.0, 4000, "has 4000 samples a second"),
    ],
)
def test_recording_that_citizens_must_not_hear_is_refused_with_the_reason(
    tmp_path: Path, shape: Shape, seconds: float, rate_hz: int, why: str
) -> None:
    with pytest.raises(Unfit, match=why):
        fit(studio(tmp_path / "a.wav", shape=shape, seconds=seconds, rate_hz=rate_hz, channels=1))


def test_one_full_peak_is_no_clipping(tmp_path: Path) -> None:
    assert fit(studio(tmp_path / "a.wav", rate_hz=16000, shape=lambda at: 1.0 if at == 0.5 else voice(at))).wav


def test_file_that_is_not_there_or_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unfit, match="cannot be read: No such file"):
        fit(tmp_path / "nada.wav")
    monkeypatch.setattr("ivr.studio.LARGEST_BYTES", 1024)
    with pytest.raises(Unfit, match="is larger than"):
        fit(studio(tmp_path / "a.wav"))


def test_what_is_no_wav_needs_ffmpeg_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    mp3 = tmp_path / "a.mp3"
    mp3.write_bytes(b"ID3\x04\x00" + bytes(200))
    with pytest.raises(Unfit, match=r"ffmpeg must be installed \(apt install ffmpeg\)"):
        fit(mp3)
    cut = tmp_path / "cut.wav"
    cut.write_bytes(studio(tmp_path / "a.wav").read_bytes()[:30])
    with pytest.raises(Unfit, match="with ffmpeg installed"):
        fit(cut)


def pretended_ffmpeg(folder: Path, *, writes: Path | None) -> None:
    """A program in ffmpeg's place that answers with a file, whatever it is given, or fails."""
    program = folder / "ffmpeg"
    # pydub gives the output's place as the last word, `-` for standard output.
    answer = f'cat "{writes}"' if writes is not None else "exit 1"
    program.write_text(f"#!/bin/sh\ncat >/dev/null\n{answer}\n")
    program.chmod(0o755)
    probe = folder / "ffprobe"
    stream = '{"index": 0, "codec_type": "audio", "codec_name": "mp3", "sample_fmt": "s16", "bits_per_sample": 16}'
    told = "  Stream #0:0: Audio: mp3, 22050 Hz, mono, s16, 64 kb/s"
    probe.write_text(f"#!/bin/sh\ncat >/dev/null\necho '{told}' >&2\necho '{{\"streams\": [{stream}]}}'\n")
    probe.chmod(0o755)


def test_mp3_is_read_through_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mp3 = tmp_path / "a.mp3"
    mp3.write_bytes(b"ID3\x04\x00" + bytes(200))
    pretended_ffmpeg(tmp_path, writes=studio(tmp_path / "real.wav", rate_hz=22050))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    made = fit(mp3)
    assert made.given_rate_hz == 22050
    assert made.duration_s == pytest.approx(1.15, abs=0.1)


def test_file_that_ffmpeg_cannot_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = tmp_path / "carta.mp3"
    text.write_text("Estimados:")
    pretended_ffmpeg(tmp_path, writes=None)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(Unfit, match=r"carta\.mp3 holds no sound that ffmpeg can read"):
        fit(text)
