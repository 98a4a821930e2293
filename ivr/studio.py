"""Recordings as studios deliver them, WAV or MP3 of any rate: made fit for the telephone, or refused.

In: the bytes of a file. Out: an 8 kHz mono WAV at the level of all other prompts, or `Unfit` with the reason. WAV is
read here; anything else by pydub, which needs ffmpeg. Blocking. Must never import another room.
"""

import io
import math
import shutil
import warnings
from pathlib import Path

import msgspec

from ivr.core.waveform import (
    TELEPHONE_RATE_HZ,
    NotSound,
    Sound,
    decode_wav,
    encode_wav,
    even_level,
    followed_by_silence,
    level_dbfs,
    peak_dbfs,
    resample,
    trim,
)

SHORTEST_S = 0.15
LONGEST_S = 180.0
SILENT_BELOW_DBFS = -50.0
"""Of the whole, before anything is done to it: a voice that low is lost in the noise that it was recorded with."""
CLIPPED_AT = 0.999
CLIPPED_RUN = 3
"""So many samples in a row at full scale are no peak but a cut one."""
MOST_CLIPPED_SHARE = 0.0005
SILENCE_AFTER_S = 0.15
LARGEST_BYTES = 100 * 1024 * 1024


class Unfit(Exception):
    """The file cannot be played to citizens; the message is one line that says why and what to do."""


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a studio's file. Levels in dBFS, durations in seconds."""

    wav: bytes
    duration_s: float
    level_dbfs: float
    peak_dbfs: float
    given_rate_hz: int
    given_duration_s: float
    given_level_dbfs: float


def fit(path: Path) -> Recording:
    """The recording in `path`, made fit for the telephone. Raises Unfit."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise Unfit(f"{path.name} is larger than {LARGEST_BYTES // 1024 // 1024} MB: a prompt is a sentence or two")
        content = path.read_bytes()
    except OSError as refusal:
        raise Unfit(f"{path} cannot be read: {refusal.strerror}") from refusal
    given = _decoded(content, name=path.name)
    _examine(given, name=path.name)
    try:
        made = followed_by_silence(even_level(trim(resample(given))), silence_s=SILENCE_AFTER_S)
    except NotSound as refusal:
        raise Unfit(f"{path.name}: {refusal}") from refusal
    return Recording(
        wav=encode_wav(made.samples),
        duration_s=made.duration_s,
        level_dbfs=level_dbfs(made.samples),
        peak_dbfs=peak_dbfs(made.samples),
        given_rate_hz=given.rate_hz,
        given_duration_s=given.duration_s,
        given_level_dbfs=level_dbfs(given.samples),
    )


def _decoded(content: bytes, *, name: str) -> Sound:
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        try:
            return decode_wav(content)
        except NotSound as refusal:
            if shutil.which("ffmpeg") is None:
                raise Unfit(f"{name}: {refusal}; with ffmpeg installed more kinds of WAV can be read") from refusal
    return _decoded_by_ffmpeg(content, name=name)


def _decoded_by_ffmpeg(content: bytes, *, name: str) -> Sound:
    if shutil.which("ffmpeg") is None:
        raise Unfit(f"{name} is no PCM WAV, and to read anything else ffmpeg must be installed (apt install ffmpeg)")
    with warnings.catch_warnings():
        # It warns of a missing ffplay, which nobody needs here.
        warnings.simplefilter("ignore")
        from pydub import AudioSegment
        from pydub.exceptions import CouldntDecodeError
    try:
        segment = AudioSegment.from_file(io.BytesIO(content)).set_channels(1).set_sample_width(2)
    except (CouldntDecodeError, OSError, IndexError, KeyError, ValueError) as refusal:
        raise Unfit(f"{name} holds no sound that ffmpeg can read") from refusal
    samples = tuple(sample / 32768 for sample in segment.get_array_of_samples())
    return Sound(samples, segment.frame_rate)


def _examine(given: Sound, *, name: str) -> None:
    """Raises Unfit for what a citizen must not hear."""
    if given.rate_hz < TELEPHONE_RATE_HZ:
        raise Unfit(f"{name} has {given.rate_hz} samples a second; a telephone needs {TELEPHONE_RATE_HZ} at least")
    if not SHORTEST_S <= given.duration_s <= LONGEST_S:
        raise Unfit(f"{name} lasts {given.duration_s:.2f} s; a prompt lasts from {SHORTEST_S:g} to {LONGEST_S:g} s")
    level = level_dbfs(given.samples)
    if level < SILENT_BELOW_DBFS:
        raise Unfit(f"{name} is silent ({level:.0f} dBFS): was the right channel exported?")
    clipped = _clipped(given.samples)
    if clipped > max(CLIPPED_RUN, MOST_CLIPPED_SHARE * len(given.samples)):
        share = math.ceil(1000 * clipped / len(given.samples)) / 10
        raise Unfit(f"{name} clips ({share:g} % of it is cut off at full scale): record it again at a lower level")


def _clipped(samples: tuple[float, ...]) -> int:
    """How many samples stand in runs at full scale."""
    clipped = run = 0
    for sample in samples:
        run = run + 1 if abs(sample) >= CLIPPED_AT else 0
        if run >= CLIPPED_RUN:
            clipped += CLIPPED_RUN if run == CLIPPED_RUN else 1
    return clipped
