"""Telephone sound: what a line does to a voice, and the features that Kaldi makes of it (feature-mfcc.cc).

Samples are float at int16 scale; after `telephone` they are at 8 kHz.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from scipy import signal

RATE_HZ = 8000
SHIFT = 80
WINDOW = 200
MELS = 30
LOW_HZ, HIGH_HZ = 120.0, 3700.0
FFT = 256
SUBSAMPLING = 3


def features(samples: np.ndarray) -> np.ndarray:
    """30 cepstra every 10 ms, windows of 25 ms that lie within the sound."""
    count = (len(samples) - WINDOW) // SHIFT + 1
    if count < 1:
        return np.zeros((0, MELS))
    at = np.arange(count)[:, None] * SHIFT + np.arange(WINDOW)
    frames = np.round(samples)[at]
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate((frames[:, :1], frames[:, :-1]), axis=1)
    frames = (frames - 0.97 * before) * _POVEY
    power = np.abs(np.fft.rfft(frames, FFT, axis=1)) ** 2
    mels = np.log(np.maximum(power[:, : FFT // 2] @ _BANK.T, np.finfo(np.float32).eps))
    return mels @ _COSINES.T * _LIFTER


_POVEY = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / (WINDOW - 1))) ** 0.85
_LIFTER = 1 + 11 * np.sin(np.pi * np.arange(MELS) / 22)
_COSINES = np.sqrt(2 / MELS) * np.cos(np.pi / MELS * np.outer(np.arange(MELS), np.arange(MELS) + 0.5))
_COSINES[0] = np.sqrt(1 / MELS)


def _bank() -> np.ndarray:
    def mel(hertz: Any) -> Any:
        return 1127 * np.log(1 + hertz / 700)

    low, high = mel(LOW_HZ), mel(HIGH_HZ)
    step = (high - low) / (MELS + 1)
    bins = mel(np.arange(FFT // 2) * RATE_HZ / FFT)
    centres = low + step * np.arange(1, MELS + 1)[:, None]
    return np.maximum(0, 1 - np.abs(bins - centres) / step)


_BANK = _bank()


def labels(phones: Sequence[Any], *, frames: int, number_of: Mapping[str, int]) -> np.ndarray:
    """The phone's number at the middle of every third frame; each phone that is long enough to be heard gets one."""
    count = -(-frames // SUBSAMPLING)
    middles = (SUBSAMPLING * SHIFT * np.arange(count) + WINDOW / 2) / RATE_HZ
    found = np.zeros(count, dtype=np.int8)
    for phone in phones:
        found[(middles >= phone.start_s) & (middles < phone.end_s)] = number_of[phone.name]
    for phone in phones:
        inside = (middles >= phone.start_s) & (middles < phone.end_s)
        if not inside.any() and phone.end_s - phone.start_s > 0.008 and count:
            found[np.argmin(np.abs(middles - (phone.start_s + phone.end_s) / 2))] = number_of[phone.name]
    return found


def telephone(
    samples: np.ndarray, phones: Sequence[Any], *, rate_hz: int, numbers: np.random.Generator
) -> tuple[np.ndarray, list[Any]]:
    """A voice as some telephone line brings it, with silence around it."""
    warp = numbers.uniform(0.87, 1.15)
    ratio = Fraction(RATE_HZ / (rate_hz * warp)).limit_denominator(200)
    sound = signal.resample_poly(samples, ratio.numerator, ratio.denominator)
    before, after = numbers.uniform(0.05, 0.7, size=2)
    scale = float(ratio) * rate_hz / RATE_HZ
    sound = np.concatenate((np.zeros(int(before * RATE_HZ)), sound, np.zeros(int(after * RATE_HZ))))
    moved = [
        phone._replace(start_s=before + phone.start_s * scale, end_s=before + phone.end_s * scale) for phone in phones
    ]
    if numbers.random() < 0.3:
        sound = _echo(sound, numbers)
    if numbers.random() < 0.5:
        sound = _tilt(sound, numbers.uniform(-0.5, 0.5))
    sound = sound / max(1.0, np.abs(sound).max()) * 30000
    if numbers.random() < 0.8:
        sound = with_noise(sound, snr_db=numbers.uniform(6, 38), kind=_NOISES[numbers.integers(len(_NOISES))],
                           numbers=numbers)  # fmt: skip
    if numbers.random() < 0.5:
        sound = narrow(sound)
    sound = sound * 10 ** (numbers.uniform(-28, 0) / 20) / max(1.0, np.abs(sound).max() / 32000)
    code = numbers.random()
    if code < 0.35:
        sound = mu_law(sound)
    elif code < 0.55:
        sound = a_law(sound)
    if numbers.random() < 0.3:
        sound[: int(before * RATE_HZ * numbers.random())] = 0
    return np.clip(np.round(sound), -32768, 32767), moved


def no_speech(numbers: np.random.Generator) -> tuple[np.ndarray, list[Any]]:
    """Noise, or keys being pressed: all of it is silence to the model."""
    count = int(RATE_HZ * numbers.uniform(0.6, 2.0))
    if numbers.random() < 0.5:
        sound = (
            _noise(count, _NOISES[numbers.integers(len(_NOISES) - 1)], numbers)
            * 32000
            * 10 ** numbers.uniform(-3, -0.3)
        )
    else:
        times = np.arange(count) / RATE_HZ
        row, column = numbers.choice((697, 770, 852, 941)), numbers.choice((1209, 1336, 1477))
        tone = np.sin(2 * np.pi * row * times) + np.sin(2 * np.pi * column * times)
        sound = tone * (np.sin(2 * np.pi * times * 2) > 0) * 12000 * 10 ** numbers.uniform(-1.5, 0)
    return np.clip(np.round(sound), -32768, 32767), []


def narrow(sound: np.ndarray) -> np.ndarray:
    """300 to 3400 Hz."""
    return signal.sosfilt(_BAND, sound)


_BAND = signal.butter(3, (300, 3400), "bandpass", fs=RATE_HZ, output="sos")


def with_noise(sound: np.ndarray, *, snr_db: float, kind: str, numbers: np.random.Generator) -> np.ndarray:
    """`snr_db` counts where there is sound at all."""
    voiced = sound[np.abs(sound) > 50]
    level = np.sqrt((voiced**2).mean()) if len(voiced) else 1000.0
    return sound + _noise(len(sound), kind, numbers) * level / 10 ** (snr_db / 20)


_NOISES = ("white", "pink", "brown", "hum", "babble")


def _noise(count: int, kind: str, numbers: np.random.Generator) -> np.ndarray:
    """Of effective value 1."""
    white = numbers.standard_normal(count)
    if kind == "hum":
        times = np.arange(count) / RATE_HZ
        found = sum(np.sin(2 * np.pi * 50 * n * times) / n for n in (1, 2, 3, 5)) + 0.05 * white
    elif kind == "babble":
        carrier = signal.sosfilt(_SPEECH_BAND, white)
        swing = np.interp(np.arange(count), np.arange(0, count + 1600, 1600),
                          numbers.uniform(0.1, 1.0, size=len(np.arange(0, count + 1600, 1600))))  # fmt: skip
        found = carrier * swing
    elif kind == "white":
        found = white
    else:
        spectrum = np.fft.rfft(white)
        spectrum[1:] /= np.arange(1, len(spectrum)) ** (0.5 if kind == "pink" else 1.0)
        spectrum[0] = 0
        found = np.fft.irfft(spectrum, count)
    return found / np.sqrt((found**2).mean() + 1e-12)


_SPEECH_BAND = signal.butter(2, (250, 1800), "bandpass", fs=RATE_HZ, output="sos")


def _echo(sound: np.ndarray, numbers: np.random.Generator) -> np.ndarray:
    length = int(RATE_HZ * numbers.uniform(0.05, 0.25))
    tail = numbers.standard_normal(length) * np.exp(-np.arange(length) / (length / 5)) * numbers.uniform(0.02, 0.12)
    tail[0] = 1
    return signal.fftconvolve(sound, tail)[: len(sound)]


def _tilt(sound: np.ndarray, amount: float) -> np.ndarray:
    return sound + amount * np.concatenate(([0.0], sound[:-1]))


def mu_law(sound: np.ndarray) -> np.ndarray:
    """There and back, G.711."""
    return _companded(sound, lambda x: np.log1p(255 * x) / np.log(256), lambda y: (256**y - 1) / 255)


def a_law(sound: np.ndarray) -> np.ndarray:
    """There and back, G.711."""
    scale = 1 + np.log(87.6)
    return _companded(
        sound,
        lambda x: np.where(x < 1 / 87.6, 87.6 * x, 1 + np.log(np.maximum(87.6 * x, 1e-9))) / scale,
        lambda y: np.where(y < 1 / scale, y * scale / 87.6, np.exp(y * scale - 1) / 87.6),
    )


def _companded(sound: np.ndarray, there: Callable[[Any], Any], back: Callable[[Any], Any]) -> np.ndarray:
    clipped = np.clip(sound / 32768, -1, 1)
    steps = np.round(there(np.abs(clipped)) * 127) / 127
    return np.sign(clipped) * back(steps) * 32768
