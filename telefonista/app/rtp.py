"""What telephones say and hear, for the demonstration and the tests: sipp signals, this carries the sound.

A line is a UDP port on loopback that sends a tone, silence or words, keys as RFC 4733 events, and keeps what it hears
with the time at which it was heard. Sound is G.711 µ-law at 8 kHz in frames of 20 ms. One thread of its own drives all
lines, so that nobody's voice stops while a test waits for something. Never part of an engine that serves citizens.
"""

from __future__ import annotations

import math
import random
import socket
import struct
import threading
import time
import wave
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

RATE_HZ = 8000
FRAME_S = 0.02
FRAME_SAMPLES = 160
EVENT_PAYLOAD = 101
KEYS = "0123456789*#ABCD"

_TONE_AMPLITUDE = 8000
"""-15 dBFS RMS: a firm voice."""
_KEY_FRAMES = 6
_BETWEEN_KEYS_FRAMES = 5
_KEY_VOLUME_DBM0 = 10
_LONGEST_KEPT_FRAMES = 50 * 1800
_MOST_FRAMES_BEHIND = 10
_LARGEST_PACKET = 2048
_HEADER = struct.Struct("!BBHII")


def encode_ulaw(sample: int) -> int:
    """A 16-bit sample as G.711 µ-law (ITU-T G.711, table 2a)."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32635) + 132
    exponent = magnitude.bit_length() - 8
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return ~(sign | exponent << 4 | mantissa) & 0xFF


def decode_ulaw(code: int) -> int:
    """The 16-bit sample that a µ-law byte stands for."""
    inverted = ~code & 0xFF
    magnitude = (((inverted & 0x0F) << 3) + 132 << ((inverted & 0x70) >> 4)) - 132
    return -magnitude if inverted & 0x80 else magnitude


_DECODED = tuple(struct.pack("<h", decode_ulaw(code)) for code in range(256))
_SILENCE = bytes([encode_ulaw(0)]) * FRAME_SAMPLES


def tone_frames(frequency_hz: int) -> tuple[bytes, ...]:
    """One second of a tone, frame by frame, which joins with itself; 0 Hz is silence."""
    if frequency_hz == 0:
        return (_SILENCE,)
    turn = 2 * math.pi * frequency_hz / RATE_HZ
    second = bytes(encode_ulaw(round(_TONE_AMPLITUDE * math.sin(turn * index))) for index in range(RATE_HZ))
    return tuple(second[begin : begin + FRAME_SAMPLES] for begin in range(0, RATE_HZ, FRAME_SAMPLES))


def word_frames(path: Path) -> tuple[bytes, ...]:
    """What a mono 16-bit WAV file at 8 kHz says, frame by frame. Raises OSError, and ValueError for any other file."""
    with wave.open(str(path)) as reader:
        if (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) != (1, 2, RATE_HZ):
            raise ValueError(f"{path} is not mono, 16 bits, {RATE_HZ} Hz")
        samples = reader.readframes(reader.getnframes())
    sound = bytes(encode_ulaw(sample) for (sample,) in struct.iter_unpack("<h", samples))
    pieces = [sound[begin : begin + FRAME_SAMPLES] for begin in range(0, len(sound), FRAME_SAMPLES)]
    return tuple(piece.ljust(FRAME_SAMPLES, _SILENCE[:1]) for piece in pieces)


def write_wav(path: Path, *, ulaw: bytes) -> Path:
    """What was heard as a mono 16-bit WAV file; returns `path`."""
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE_HZ)
        writer.writeframes(b"".join(map(_DECODED.__getitem__, ulaw)))
    return path


class RtpLine:
    """One telephone's sound. Made by `RtpExchange.open_line`."""

    def __init__(self, *, frames: tuple[bytes, ...]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._frames = frames
        self._to: int | None = None
        self._keys: deque[str] = deque()
        self._words: deque[bytes] = deque()
        self._heard: deque[tuple[float, bytes]] = deque(maxlen=_LONGEST_KEPT_FRAMES)
        self._source = random.getrandbits(32)
        self._sequence = 0
        self._timestamp = 0
        self._frame = 0
        self._key: str = ""
        self._key_frame = 0
        self._key_began = 0
        self._pause_frames = 0

    def talk_to(self, port: int) -> None:
        """Send to this port on loopback from now on."""
        self._to = port

    def fall_silent(self) -> None:
        """Send nothing more; what is heard is still kept."""
        self._to = None
        self._keys.clear()
        self._words.clear()

    def press(self, keys: str) -> None:
        """Press keys one after the other, 120 ms each, 100 ms apart. Raises ValueError for what is no key."""
        if any(key not in KEYS for key in keys):
            raise ValueError(f"a telephone has the keys {KEYS}, not all of {keys!r}")
        self._keys.extend(keys)

    def say(self, words: Sequence[bytes]) -> None:
        """Say this once, from now on, in place of the tone."""
        self._words.extend(words)

    @property
    def speaks(self) -> bool:
        """Whether it has not yet said all."""
        return bool(self._words)

    def heard(self, *, since: float = 0.0, until: float = math.inf) -> bytes:
        """The µ-law sound that came in between two moments (epoch seconds), as it came."""
        return b"".join(sound for at, sound in tuple(self._heard) if since <= at < until)

    def close(self) -> None:
        self._socket.close()

    def listen(self, *, at: float) -> None:
        """Take in what has arrived."""
        while True:
            try:
                packet = self._socket.recv(_LARGEST_PACKET)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                continue  # the far side has hung up and closed its port; its last word may still follow
            if len(packet) > _HEADER.size and packet[1] & 0x7F == 0:
                self._heard.append((at, packet[_HEADER.size + 4 * (packet[0] & 0x0F) :]))

    def speak(self) -> None:
        """Send the frame that is due now."""
        if self._to is None:
            return
        if not self._key and self._keys and self._pause_frames <= 0:
            self._key, self._key_frame, self._key_began = self._keys.popleft(), 0, self._timestamp
        if self._key:
            self._speak_key()
        else:
            self._pause_frames -= 1
            frame = self._words.popleft() if self._words else self._frames[self._frame % len(self._frames)]
            self._send(frame, kind=0, timestamp=self._timestamp)
        self._frame += 1
        self._timestamp = (self._timestamp + FRAME_SAMPLES) & 0xFFFFFFFF

    def _speak_key(self) -> None:
        """RFC 4733: one packet a frame with the duration so far; the last one three times, for it must not be lost."""
        self._key_frame += 1
        ended = self._key_frame == _KEY_FRAMES
        event = struct.pack(
            "!BBH", KEYS.index(self._key), (0x80 if ended else 0) | _KEY_VOLUME_DBM0, self._key_frame * FRAME_SAMPLES
        )
        for _ in range(3 if ended else 1):
            self._send(event, kind=EVENT_PAYLOAD, timestamp=self._key_began, marked=self._key_frame == 1)
        if ended:
            self._key, self._pause_frames = "", _BETWEEN_KEYS_FRAMES

    def _send(self, payload: bytes, *, kind: int, timestamp: int, marked: bool = False) -> None:
        assert self._to is not None
        header = _HEADER.pack(0x80, (0x80 if marked else 0) | kind, self._sequence, timestamp, self._source)
        self._sequence = (self._sequence + 1) & 0xFFFF
        try:
            self._socket.sendto(header + payload, ("127.0.0.1", self._to))
        except (BlockingIOError, ConnectionRefusedError):
            return  # sound that is late or unwanted is worth nothing


class RtpExchange:
    """All lines, and the thread that drives them while the context is entered."""

    def __init__(self) -> None:
        self._lines: tuple[RtpLine, ...] = ()
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._drive, name="rtp", daemon=True)

    def __enter__(self) -> RtpExchange:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()
        for line in self._lines:
            line.close()

    def open_line(self, *, tone_hz: int = 0) -> RtpLine:
        """A new line that will send this tone; 0 for silence. Raises OSError when there is no port left."""
        line = RtpLine(frames=tone_frames(tone_hz))
        with self._lock:
            self._lines = (*self._lines, line)
        return line

    def close_line(self, line: RtpLine) -> None:
        """Take it out; what it heard stays readable."""
        with self._lock:
            self._lines = tuple(each for each in self._lines if each is not line)
            line.close()

    def _drive(self) -> None:
        due = time.monotonic()
        while not self._ending.wait(max(0.0, due - time.monotonic())):
            with self._lock:
                self._turn(self._lines)
            behind = int((time.monotonic() - due) / FRAME_S)
            due += FRAME_S * (behind if behind > _MOST_FRAMES_BEHIND else 1)

    @staticmethod
    def _turn(lines: Sequence[RtpLine]) -> None:
        at = time.time()
        for line in lines:
            line.listen(at=at)
            line.speak()
