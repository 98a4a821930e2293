"""Sound files of conversations: the two directions that Asterisk wrote become one stereo file, and are measured.

In: paths of WAV files (or raw `.sln`, `.sln16` …) as MixMonitor leaves them, whole or cut short by a crash of Asterisk.
Out: one WAV file, left what the citizen sent, right what the citizen heard, and facts about it.
For a worker process: it blocks, it reads in slices of ten seconds so that a call of hours takes no more memory than
one of seconds, and pydub is imported only when a file is worked on. It must never import another room.
"""

import hashlib
import math
import os
import re
import struct
import tempfile
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO

SILENCE_DBFS = -100.0
"""The level of a channel on which there was nothing: a number that SQL and JSON can hold, unlike minus infinity."""

_WIDTH_BYTES = 2
_SLICE_S = 10
_TONE_BLOCK_S = 0.1
_FULL_SCALE = 32768.0
_RAW = re.compile(r"\.(?:sln|slin|raw)(\d*)", re.ASCII)
_SIZE_NOT_WRITTEN = (0, 0xFFFFFFFF)


class UnreadableSound(Exception):
    """The file holds no sound that can be used; the message is one line naming it and the reason."""


class NothingRecorded(UnreadableSound):
    """The recording is sound but empty: the conversation ended as it began."""


@dataclass(frozen=True, slots=True)
class SoundFacts:
    """What is known of a sound file. Levels are RMS against full scale, one per channel: a full-scale sine reads -3."""

    duration_s: float
    sample_rate_hz: int
    channels: int
    level_dbfs: tuple[float, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the samples are in a file."""

    rate_hz: int
    channels: int
    begin: int
    size_bytes: int


def join_directions(citizen: Path, agent: Path, *, target: Path) -> SoundFacts:
    """Join what the citizen sent (left) and what the citizen heard (right) in one stereo WAV file, and measure it.

    Both begin together; the shorter one is followed by silence. `target` (readable by its owner only, for it is a
    citizen's conversation) appears whole or not at all, and the two given files stay. A direction without a single
    sample is silence, as when someone hangs up at once. Raises UnreadableSound where either file is missing, garbage
    or cut short or has another format than the other, NothingRecorded where neither holds a sample; OSError where
    `target` cannot be written.
    """
    left, right = _layout_of(citizen), _layout_of(agent)
    for path, layout in ((citizen, left), (agent, right)):
        if layout.channels != 1:
            raise UnreadableSound(f"{path}: one direction has one channel, this file has {layout.channels}")
    if left.rate_hz != right.rate_hz:
        raise UnreadableSound(f"{agent}: {right.rate_hz} Hz, where the other direction has {left.rate_hz} Hz")
    if not left.size_bytes and not right.size_bytes:
        raise NothingRecorded(f"{citizen}: neither direction holds a sample")
    segment_of = _pydub()
    target.parent.mkdir(parents=True, exist_ok=True)
    with _written_whole(target) as unfinished:
        with wave.open(str(unfinished), "wb") as writer:
            writer.setnchannels(2)
            writer.setsampwidth(_WIDTH_BYTES)
            writer.setframerate(left.rate_hz)
            for sent, heard in zip_longest(_slices(citizen, left), _slices(agent, right), fillvalue=b""):
                length = max(len(sent), len(heard))
                sides = (
                    segment_of(
                        side.ljust(length, b"\0"), sample_width=_WIDTH_BYTES, frame_rate=left.rate_hz, channels=1
                    )
                    for side in (sent, heard)
                )
                writer.writeframes(segment_of.from_mono_audiosegments(*sides).raw_data)
        return measure(unfinished)


def settle(citizen: Path, agent: Path, *, target: Path) -> SoundFacts:
    """Join two directions as `join_directions` does and remove them; said again, it measures what it made before.

    Empty ones are removed too; those that cannot be read stay for a person to look at. Raises as `join_directions`."""
    if not citizen.exists() and target.exists():
        return measure(target)
    try:
        facts = join_directions(citizen, agent, target=target)
    except NothingRecorded:
        _remove(citizen, agent)
        raise
    _remove(citizen, agent)
    return facts


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def measure(path: Path) -> SoundFacts:
    """Length, format, level of each channel and checksum of a sound file. Raises UnreadableSound."""
    layout = _layout_of(path)
    if not layout.size_bytes:
        raise UnreadableSound(f"{path}: it holds no sample")
    segment_of = _pydub()
    energies = [0.0] * layout.channels
    for samples in _slices(path, layout):
        segment = segment_of(samples, sample_width=_WIDTH_BYTES, frame_rate=layout.rate_hz, channels=layout.channels)
        for channel, side in enumerate(segment.split_to_mono()):
            energies[channel] += side.rms**2 * side.frame_count()
    frames = layout.size_bytes // (_WIDTH_BYTES * layout.channels)
    with path.open("rb") as reader:
        checksum = hashlib.file_digest(reader, "sha256").hexdigest()
    return SoundFacts(
        duration_s=frames / layout.rate_hz,
        sample_rate_hz=layout.rate_hz,
        channels=layout.channels,
        level_dbfs=tuple(_dbfs(energy / frames / _FULL_SCALE**2) for energy in energies),
        sha256=checksum,
    )


def tone_level(path: Path, *, channel: int, frequency_hz: float) -> float:
    """The level in dBFS of one tone on one channel (0 is left), averaged over the whole file. Raises UnreadableSound.

    By Goertzel's algorithm with a Hann window on blocks of 0.1 s, whose powers are averaged: a jump of phase, as every
    lost packet makes, costs one block only. Tones 40 Hz apart are told apart. Raises ValueError for a channel that
    the file does not have and for a frequency that its sample rate cannot hold.
    """
    layout = _layout_of(path)
    if not 0 <= channel < layout.channels:
        raise ValueError(f"{path}: there is no channel {channel}, only {layout.channels}")
    if not 0 < frequency_hz < layout.rate_hz / 2:
        raise ValueError(f"{path}: {frequency_hz:g} Hz cannot be held by {layout.rate_hz} samples a second")
    length = round(_TONE_BLOCK_S * layout.rate_hz)
    window = [0.5 - 0.5 * math.cos(2 * math.pi * index / length) for index in range(length)]
    powers: list[float] = []
    for samples in _slices(path, layout):
        side = struct.unpack(f"<{len(samples) // _WIDTH_BYTES}h", samples)[channel :: layout.channels]
        for begin in range(0, len(side) - length + 1, length):
            windowed = [gain * value for gain, value in zip(window, side[begin : begin + length], strict=True)]
            powers.append(_goertzel_power(windowed, turn=2 * math.pi * frequency_hz / layout.rate_hz))
    if not powers:
        raise UnreadableSound(f"{path}: shorter than {_TONE_BLOCK_S:g} s, too short to find a tone")
    # A Hann window lets half of a tone's amplitude through, and a tone's power lies half in its negative frequency.
    return _dbfs(math.fsum(powers) / len(powers) * 2 / (length / 2) ** 2 / _FULL_SCALE**2)


def _goertzel_power(samples: list[float], *, turn: float) -> float:
    """Squared magnitude of the Fourier sum at `turn` radians a sample (Goertzel 1958)."""
    factor = 2 * math.cos(turn)
    last = before = 0.0
    for sample in samples:
        last, before = sample + factor * last - before, last
    return last * last + before * before - factor * last * before


def _dbfs(power: float) -> float:
    return max(SILENCE_DBFS, 10 * math.log10(power)) if power > 0 else SILENCE_DBFS


def _layout_of(path: Path) -> _Layout:
    try:
        with path.open("rb") as reader:
            size_bytes = os.fstat(reader.fileno()).st_size
            raw = _RAW.fullmatch(path.suffix.lower())
            if raw:
                # Asterisk's names for headerless sound: .sln is 8 kHz, .sln16 is 16 kHz and so on.
                return _Layout(1000 * int(raw[1] or 8), 1, 0, size_bytes - size_bytes % _WIDTH_BYTES)
            return _wav_layout(path, reader, file_bytes=size_bytes)
    except OSError as refusal:
        raise UnreadableSound(f"{path}: {refusal.strerror}") from refusal


def _wav_layout(path: Path, reader: BinaryIO, *, file_bytes: int) -> _Layout:
    """The layout of a WAV file, which may lack its final sizes.

    Asterisk writes the sizes into the header when it closes the file: after a crash they are still zero, while the
    conversation is there. That file is read to its end. One that holds less than its header promises was cut later.
    """
    head = reader.read(12)
    if not head:
        raise UnreadableSound(f"{path}: the file is empty")
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise UnreadableSound(f"{path}: not a WAV file")
    rate_hz = channels = 0
    while len(chunk := reader.read(8)) == 8:
        kind, size_bytes = chunk[:4], int.from_bytes(chunk[4:], "little")
        if kind == b"data":
            break
        body = reader.read(size_bytes) if kind == b"fmt " else b""
        if kind == b"fmt ":
            if len(body) < 16:
                raise UnreadableSound(f"{path}: its header is cut short")
            coding, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", body[:16])
            if coding != 1 or bits != 8 * _WIDTH_BYTES or channels < 1 or rate_hz < 1:
                raise UnreadableSound(f"{path}: not 16-bit PCM (coding {coding}, {bits} bits, {channels} channels)")
        else:
            reader.seek(size_bytes + size_bytes % 2, os.SEEK_CUR)
    else:
        raise UnreadableSound(f"{path}: its header is cut short")
    if not channels:
        raise UnreadableSound(f"{path}: its header names no format")
    begin = reader.tell()
    present = file_bytes - begin
    if size_bytes in _SIZE_NOT_WRITTEN:
        size_bytes = present
    elif size_bytes > present:
        raise UnreadableSound(f"{path}: cut short, {present} of {size_bytes} bytes of sound are there")
    return _Layout(rate_hz, channels, begin, size_bytes - size_bytes % (_WIDTH_BYTES * channels))


def _slices(path: Path, layout: _Layout) -> Iterator[bytes]:
    step = _SLICE_S * layout.rate_hz * layout.channels * _WIDTH_BYTES
    with path.open("rb") as reader:
        reader.seek(layout.begin)
        for done in range(0, layout.size_bytes, step):
            yield reader.read(min(step, layout.size_bytes - done))


@contextmanager
def _written_whole(target: Path) -> Iterator[Path]:
    """A path that takes the target's place, safe on disk, when all went well, and of which nothing stays when not."""
    handle, name = tempfile.mkstemp(prefix=".joining-", suffix=".wav", dir=target.parent)
    os.close(handle)
    unfinished = Path(name)
    try:
        yield unfinished
        with unfinished.open("rb") as written:
            os.fsync(written.fileno())
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _pydub() -> Any:
    """pydub's AudioSegment class, which has no types.

    Imported late because pydub looks for ffmpeg at import, and warns when it is not there: that is for compressed
    formats, which are never given to it here.
    """
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pydub import AudioSegment
    return AudioSegment
