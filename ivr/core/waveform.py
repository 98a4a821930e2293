"""Sound as numbers: what turns any voice into a sound that a telephone line carries well.

In: the bytes of a PCM WAV file, or samples as floats in -1.0 … 1.0. Out: the same, at 8 kHz, mono, at an even level.
Levels are dBFS: root mean square against a full-scale square wave, so that a full-scale sine reads -3.01.
Pure: touches no file and starts no program. It must never import the sound libraries of other rooms.
"""

import io
import math
import struct
import wave
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import mul

TELEPHONE_RATE_HZ = 8000
SILENCE_DBFS = -100.0
"""What a level of nothing at all reads: a number that can be stored and compared, where minus infinity cannot."""

_FULL_SCALE = 32768.0
_KAISER_BETA = 4.55  # 50 dB of stop band; speech itself is 20 dB down where that begins
_ZERO_CROSSINGS = 12
_CUTOFF_SHARE = 0.92  # of the lower Nyquist frequency: 3,680 Hz for a telephone
_FRAME_S = 0.01
# Python's own reader answers some damaged chunk sizes with a bare RuntimeError.
_DAMAGE = (wave.Error, EOFError, struct.error, RuntimeError)
_FADE_S = 0.005
_LEVEL_ROUNDS = 8
_LEVEL_TOLERANCE_DB = 0.1
_QUIET_BELOW_LOUDEST_DB = 42.0


class NotSound(ValueError):
    """The bytes are no PCM WAV file, or hold no samples."""


@dataclass(frozen=True, slots=True)
class Sound:
    """One channel of samples, -1.0 … 1.0."""

    samples: tuple[float, ...]
    rate_hz: int

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate_hz


def decode_wav(content: bytes) -> Sound:
    """The sound in a PCM WAV file of 8 to 32 bits; several channels are averaged into one. Raises NotSound."""
    try:
        with wave.open(io.BytesIO(_plainly_pcm(content)), "rb") as reader:
            channels, width, rate_hz = reader.getnchannels(), reader.getsampwidth(), reader.getframerate()
            frames = reader.readframes(reader.getnframes())
    except _DAMAGE as refusal:
        raise NotSound(f"not a PCM WAV file ({str(refusal) or 'it ends too early'})") from refusal
    if rate_hz < 1:
        raise NotSound("its header gives no sample rate")
    frames = frames[: len(frames) - len(frames) % (width * channels)]
    if not frames:
        raise NotSound("it holds no sound")
    values = _upper_16_bits(frames, width=width)
    if channels > 1:
        columns = [values[channel::channels] for channel in range(channels)]
        return Sound(tuple(sum(column) / (channels * _FULL_SCALE) for column in zip(*columns, strict=True)), rate_hz)
    return Sound(tuple(value / _FULL_SCALE for value in values), rate_hz)


def encode_wav(samples: Iterable[float], *, rate_hz: int = TELEPHONE_RATE_HZ) -> bytes:
    """A mono 16-bit WAV file; what exceeds full scale is clipped."""
    values = [max(-32768, min(32767, round(sample * 32767))) for sample in samples]
    content = io.BytesIO()
    with wave.open(content, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(struct.pack(f"<{len(values)}h", *values))
    return content.getvalue()


def fits_telephone(content: bytes) -> bool:
    """Whether these bytes (a file's beginning is enough) are the header of an 8 kHz mono 16-bit PCM WAV file."""
    try:
        with wave.open(io.BytesIO(content), "rb") as reader:
            return (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) == (1, 2, TELEPHONE_RATE_HZ)
    except _DAMAGE:
        return False


def resample(sound: Sound, *, rate_hz: int = TELEPHONE_RATE_HZ) -> Sound:
    """The same sound at another rate, through a low-pass filter first, so that nothing folds back into the speech.

    A polyphase windowed sinc (Kaiser window, 50 dB): flat to 3.1 kHz and gone at 4.2 kHz for a telephone.
    """
    if sound.rate_hz == rate_hz:
        return sound
    common = math.gcd(sound.rate_hz, rate_hz)
    up, down = rate_hz // common, sound.rate_hz // common
    phases = _filter_phases(up, down)
    reach = len(phases[0]) // 2
    padding = (0.0,) * reach
    padded = (*padding, *sound.samples, *padding)
    count = max(1, round(len(sound.samples) * up / down))
    converted: list[float] = []
    for index in range(count):
        whole, phase = divmod(index * down, up)
        converted.append(sum(map(mul, phases[phase], padded[whole + 1 : whole + 1 + 2 * reach])))
    return Sound(tuple(converted), rate_hz)


def trim(sound: Sound, *, margin_s: float = 0.02) -> Sound:
    """Without the silence before and after the voice; a short margin stays, faded so that nothing clicks.

    Silence is what is 42 dB below the loudest hundredth of a second. Raises NotSound where there is nothing else.
    """
    frame = max(1, round(_FRAME_S * sound.rate_hz))
    levels = [level_dbfs(sound.samples[at : at + frame]) for at in range(0, len(sound.samples), frame)]
    loudest = max(levels, default=SILENCE_DBFS)
    if loudest <= SILENCE_DBFS:
        raise NotSound("it is silent from beginning to end")
    voiced = [index for index, level in enumerate(levels) if level >= loudest - _QUIET_BELOW_LOUDEST_DB]
    margin = round(margin_s * sound.rate_hz)
    begin = max(0, voiced[0] * frame - margin)
    end = min(len(sound.samples), (voiced[-1] + 1) * frame + margin)
    kept = list(sound.samples[begin:end])
    fade = min(len(kept), round(_FADE_S * sound.rate_hz))
    for index in range(fade):
        share = (index + 0.5) / fade
        kept[index] *= share
        kept[-1 - index] *= share
    return Sound(tuple(kept), sound.rate_hz)


def followed_by_silence(sound: Sound, *, silence_s: float) -> Sound:
    """The same sound and then nothing, so that the next prompt does not run into this one."""
    return Sound((*sound.samples, *(0.0,) * round(silence_s * sound.rate_hz)), sound.rate_hz)


def even_level(sound: Sound, *, target_dbfs: float = -19.0, peak_dbfs: float = -3.0) -> Sound:
    """The same sound at `target_dbfs` RMS with no sample above `peak_dbfs`.

    Peaks above half the ceiling are rounded off rather than cut, so a voice with rare peaks still reaches its level.
    """
    loudness = level_dbfs(sound.samples)
    if loudness <= SILENCE_DBFS:
        return sound
    ceiling = 10 ** (peak_dbfs / 20)
    gain_db = target_dbfs - loudness
    shaped = sound.samples
    # Rounding off takes a little level away, which the next round gives back: two rounds do for a voice.
    for _ in range(_LEVEL_ROUNDS):
        gain = 10 ** (gain_db / 20)
        shaped = tuple(_rounded_off(sample * gain, ceiling) for sample in sound.samples)
        lacking_db = target_dbfs - level_dbfs(shaped)
        if abs(lacking_db) < _LEVEL_TOLERANCE_DB:
            break
        gain_db += lacking_db
    return Sound(shaped, sound.rate_hz)


def level_dbfs(samples: Sequence[float]) -> float:
    """Root mean square in dBFS, never below SILENCE_DBFS."""
    if not samples:
        return SILENCE_DBFS
    power = sum(map(mul, samples, samples)) / len(samples)
    return max(SILENCE_DBFS, 10 * math.log10(power)) if power > 0 else SILENCE_DBFS


def peak_dbfs(samples: Sequence[float]) -> float:
    """The highest sample in dBFS, never below SILENCE_DBFS."""
    highest = max(map(abs, samples), default=0.0)
    return max(SILENCE_DBFS, 20 * math.log10(highest)) if highest > 0 else SILENCE_DBFS


def _rounded_off(sample: float, ceiling: float) -> float:
    knee = ceiling / 2
    size = abs(sample)
    if size <= knee:
        return sample
    return math.copysign(knee + knee * math.tanh((size - knee) / knee), sample)


def _plainly_pcm(content: bytes) -> bytes:
    """The same file with the "extensible" tag, which studio programs write for PCM too, put as plain PCM.

    Python's reader knows the extensible tag only from 3.12 on. The format chunk is the first one in practice.
    """
    tag, kind = slice(20, 22), slice(44, 46)
    if content[12:16] == b"fmt " and content[tag] == b"\xfe\xff" and content[kind] == b"\x01\x00":
        return content[: tag.start] + content[kind] + content[tag.stop :]
    return content


def _upper_16_bits(frames: bytes, *, width: int) -> tuple[int, ...]:
    count = len(frames) // width
    upper = bytearray(2 * count)
    if width == 1:
        # 8-bit WAV is unsigned around 128; flipping the top bit makes it signed.
        upper[1::2] = bytes(value ^ 0x80 for value in frames)
    else:
        upper[0::2] = frames[width - 2 :: width]
        upper[1::2] = frames[width - 1 :: width]
    return struct.unpack(f"<{count}h", upper)


@lru_cache(maxsize=8)
def _filter_phases(up: int, down: int) -> tuple[tuple[float, ...], ...]:
    """One row of filter weights for each of the `up` places an output sample can have between two input samples."""
    stretch = max(1.0, down / up)
    reach = math.ceil(_ZERO_CROSSINGS * stretch)
    cutoff = _CUTOFF_SHARE / stretch
    phases = []
    for phase in range(up):
        weights = []
        for tap in range(2 * reach):
            distance = tap + 1 - reach - phase / up
            angle = math.pi * distance * cutoff
            sinc = math.sin(angle) / angle if angle else 1.0
            weights.append(sinc * _kaiser(distance / reach))
        total = math.fsum(weights)
        phases.append(tuple(weight / total for weight in weights))
    return tuple(phases)


def _kaiser(place: float) -> float:
    inside = 1 - place * place
    return _bessel_i0(_KAISER_BETA * math.sqrt(inside)) / _bessel_i0(_KAISER_BETA) if inside > 0 else 0.0


def _bessel_i0(argument: float) -> float:
    """Modified Bessel function of the first kind, order 0, by its power series (Abramowitz and Stegun 9.6.12)."""
    term = total = 1.0
    for order in range(1, 25):
        term *= (argument / (2 * order)) ** 2
        total += term
    return total
