"""Music on hold that this project composes itself, so that no citizen's wait depends on anybody's licence; and a tone.

Out: one WAV file, 8 kHz, mono, 16 bit: slow broken chords over a soft bed, between 300 and 3,000 Hz, which is what a
telephone carries, and quiet enough for the announcements to stand out. The same length gives the same file.
It must never import a sound library: what it needs is this room's own, and the standard library's.
"""

import math
from functools import lru_cache
from operator import add
from pathlib import Path

from ivr.core.waveform import TELEPHONE_RATE_HZ, encode_wav, level_dbfs
from ivr.prompts import write_whole

LEVEL_DBFS = -24.0
_BAR_S = 3.75
_STEPS_IN_BAR = 6
_NOTE_S = 2.4
_PARTIALS = ((1, 1.0), (2, 0.22), (3, 0.07))
_BED_SHARE = 0.16
_TONE_HZ, _TONE_S = 1000.0, 0.4
_FADE_OUT_HZ = 2900.0  # a partial above this would only be cut off by the line

# I vi IV V, I iii IV V and back, in C: each chord within a seventh, so no partial that matters leaves the band.
_CHORDS: tuple[tuple[str, str, str], ...] = (
    ("E4", "G4", "C5"), ("E4", "A4", "C5"), ("F4", "A4", "C5"), ("G4", "B4", "D5"),
    ("E4", "G4", "C5"), ("E4", "G4", "B4"), ("F4", "A4", "C5"), ("G4", "B4", "D5"),
    ("E4", "A4", "C5"), ("F4", "A4", "C5"), ("E4", "G4", "C5"), ("G4", "B4", "D5"),
    ("F4", "A4", "D5"), ("G4", "B4", "D5"), ("E4", "G4", "C5"), ("E4", "G4", "C5"),
)  # fmt: skip
# Which note of the chord each step plays: 3 is the lowest one, an octave up.
_PATTERNS = ((0, 1, 2, 3, 2, 1), (0, 2, 1, 3, 1, 2), (0, 1, 2, 1, 3, 2))
_SEMITONES = {"C": -9, "D": -7, "E": -5, "F": -4, "G": -2, "A": 0, "B": 2}


def compose_music(target: Path, *, seconds: int = 60) -> None:
    """Write `seconds` of music that may be repeated without a seam. The file appears whole or not at all.

    Raises ValueError below 4 seconds (one bar) and OSError where the file cannot be written.
    """
    if seconds < math.ceil(_BAR_S):
        raise ValueError(f"{seconds} s is less than one bar of music ({math.ceil(_BAR_S)} s)")
    write_whole(target, encode_wav(_level(_play(seconds * TELEPHONE_RATE_HZ, bars=round(seconds / _BAR_S)))))


def compose_tone(target: Path) -> None:
    """Write the short tone after which a citizen's message is recorded. Raises OSError where it cannot be written."""
    length, edge = round(_TONE_S * TELEPHONE_RATE_HZ), round(0.01 * TELEPHONE_RATE_HZ)
    turn = 2 * math.pi * _TONE_HZ / TELEPHONE_RATE_HZ
    edges = (min(1.0, index / edge, (length - index) / edge) for index in range(length))
    write_whole(target, encode_wav(_level([gain * math.sin(turn * index) for index, gain in enumerate(edges)])))


def _play(length: int, *, bars: int) -> list[float]:
    """The notes laid on a circle of `length` samples: what sounds past the end goes on at the beginning."""
    circle = [0.0] * length
    steps = bars * _STEPS_IN_BAR
    for bar in range(bars):
        # A piece of any length ends on the tonic, from where its first chord follows naturally.
        chord = _CHORDS[bar % len(_CHORDS)] if bar < bars - 1 else _CHORDS[-1]
        pattern = _PATTERNS[bar % len(_PATTERNS)]
        begin, end = bar * length // bars, (bar + 1) * length // bars
        for name in chord:
            _lay(circle, _bed(_pitch_hz(name), 2 * (end - begin)), at=begin)
        for step, choice in enumerate(pattern):
            pitch_hz = 2 * _pitch_hz(chord[0]) if choice == len(chord) else _pitch_hz(chord[choice])
            strength = 1.0 if step == 0 else 0.8
            _lay(circle, _note(pitch_hz, strength), at=(bar * _STEPS_IN_BAR + step) * length // steps)
    return circle


def _lay(circle: list[float], sound: list[float], *, at: int) -> None:
    place = at
    rest = sound
    while rest:
        part = rest[: len(circle) - place]
        circle[place : place + len(part)] = map(add, circle[place : place + len(part)], part)
        rest = rest[len(part) :]
        place = 0


@lru_cache(maxsize=64)
def _note(pitch_hz: float, strength: float) -> list[float]:
    """A plucked tone: a soft attack of 30 ms, a slow decay, and nothing left at its end."""
    length = round(_NOTE_S * TELEPHONE_RATE_HZ)
    attack = round(0.03 * TELEPHONE_RATE_HZ)
    shape = [
        0.5 - 0.5 * math.cos(math.pi * index / attack) if index < attack else math.exp(-1.6 * (index - attack) / length)
        for index in range(length)
    ]
    release = length // 2
    for index in range(release):
        shape[length - 1 - index] *= 0.5 - 0.5 * math.cos(math.pi * index / release)
    wave_of = _partials(pitch_hz, length)
    return [strength * gain * value for gain, value in zip(shape, wave_of, strict=True)]


@lru_cache(maxsize=64)
def _bed(pitch_hz: float, length: int) -> list[float]:
    """One long tone that swells and fades over two bars, so that neighbouring chords melt into each other."""
    turn = 2 * math.pi * pitch_hz / TELEPHONE_RATE_HZ
    swell = 2 * math.pi / length
    return [_BED_SHARE * (0.5 - 0.5 * math.cos(swell * index)) * math.sin(turn * index) for index in range(length)]


def _partials(pitch_hz: float, length: int) -> list[float]:
    heard = [(multiple, share) for multiple, share in _PARTIALS if multiple * pitch_hz <= _FADE_OUT_HZ]
    turn = 2 * math.pi * pitch_hz / TELEPHONE_RATE_HZ
    return [sum(share * math.sin(multiple * turn * index) for multiple, share in heard) for index in range(length)]


def _pitch_hz(name: str) -> float:
    """Equal temperament, A4 = 440 Hz."""
    return float(440.0 * 2 ** (_SEMITONES[name[0]] / 12 + int(name[1:]) - 4))


def _level(circle: list[float]) -> list[float]:
    gain = 10 ** ((LEVEL_DBFS - level_dbfs(circle)) / 20)
    return [gain * value for value in circle]
