"""The telephones' sound: coding, tones, keys on the wire, and that two lines hear each other."""

from __future__ import annotations

import socket
import struct
import time
import wave
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from recordings.sound import tone_level
from telefonista.app.rtp import (
    EVENT_PAYLOAD,
    FRAME_SAMPLES,
    RtpExchange,
    decode_ulaw,
    encode_ulaw,
    tone_frames,
    word_frames,
    write_wav,
)


@pytest.fixture
def exchange() -> Iterator[RtpExchange]:
    with RtpExchange() as running:
        yield running


def heard_within(port: socket.socket, *, seconds: float) -> list[bytes]:
    """What comes to a port in that time."""
    port.settimeout(0.05)
    packets = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            packets.append(port.recv(2048))
        except TimeoutError:
            continue
    return packets


@pytest.fixture
def far_end() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        port.bind(("127.0.0.1", 0))
        yield port


@pytest.mark.parametrize(("sample", "code"), [(0, 0xFF), (-1, 0x7F), (32767, 0x80), (-32768, 0x00), (1000, 0xCE)])
def test_samples_are_coded_as_g711_says(sample: int, code: int) -> None:
    assert encode_ulaw(sample) == code


def test_every_code_comes_back_as_itself() -> None:
    codes = set(range(256)) - {0x7F}  # the second zero
    assert {encode_ulaw(decode_ulaw(code)) for code in codes} == codes


def test_coding_is_off_by_less_than_its_step() -> None:
    for sample in range(-32768, 32768, 7):
        assert abs(decode_ulaw(encode_ulaw(sample)) - sample) <= max(8, abs(sample) / 16 + 8, abs(sample) - 32124)


@pytest.mark.parametrize("frequency_hz", [425, 1150, 3001])
def test_tone_is_where_it_was_asked_for(frequency_hz: int, tmp_path: Path) -> None:
    path = write_wav(tmp_path / "tone.wav", ulaw=b"".join(tone_frames(frequency_hz)) * 2)
    assert tone_level(path, channel=0, frequency_hz=frequency_hz) == pytest.approx(-15.3, abs=0.5)
    assert tone_level(path, channel=0, frequency_hz=frequency_hz + 200) < -50


def test_silence_is_silent(tmp_path: Path) -> None:
    with wave.open(str(write_wav(tmp_path / "silence.wav", ulaw=tone_frames(0)[0]))) as reader:
        assert reader.readframes(FRAME_SAMPLES) == bytes(2 * FRAME_SAMPLES)


def test_two_lines_hear_each_other_and_nothing_after_one_falls_silent(exchange: RtpExchange, tmp_path: Path) -> None:
    low, high = exchange.open_line(tone_hz=425), exchange.open_line(tone_hz=1150)
    low.talk_to(high.port)
    high.talk_to(low.port)
    deadline = time.monotonic() + 10
    while len(low.heard()) < 8000 or len(high.heard()) < 8000:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert tone_level(write_wav(tmp_path / "low.wav", ulaw=low.heard()), channel=0, frequency_hz=1150) > -20
    assert tone_level(write_wav(tmp_path / "high.wav", ulaw=high.heard()), channel=0, frequency_hz=425) > -20
    high.fall_silent()
    time.sleep(0.1)
    silent_since = time.time()
    time.sleep(0.2)
    assert low.heard(since=silent_since) == b""
    assert low.heard(until=silent_since) == low.heard()


def test_keys_are_sent_as_rfc_4733_events(exchange: RtpExchange, far_end: socket.socket) -> None:
    line = exchange.open_line()
    line.talk_to(far_end.getsockname()[1])
    line.press("1#")
    events = []
    for packet in heard_within(far_end, seconds=1.0):
        _, kind, sequence, timestamp, _ = struct.unpack("!BBHII", packet[:12])
        if kind & 0x7F == EVENT_PAYLOAD:
            key, flags, duration = struct.unpack("!BBH", packet[12:])
            events.append((key, bool(flags & 0x80), bool(kind & 0x80), duration, timestamp, sequence))
    assert [key for key, *_ in events] == [1] * 8 + [11] * 8
    for press in (events[:8], events[8:]):
        assert [marked for _, _, marked, *_ in press] == [True] + [False] * 7
        assert [ended for _, ended, *_ in press] == [False] * 5 + [True] * 3
        assert [duration for _, _, _, duration, *_ in press] == [160, 320, 480, 640, 800, 960, 960, 960]
        assert len({timestamp for *_, timestamp, _ in press}) == 1
    assert events[8][4] - events[0][4] >= 10 * FRAME_SAMPLES, "a pause between keys"
    assert len({sequence for *_, sequence in events}) == len(events)


def test_what_is_no_key_is_refused(exchange: RtpExchange) -> None:
    with pytest.raises(ValueError, match="keys"):
        exchange.open_line().press("1x")


def test_frames_keep_the_pace_of_a_telephone(exchange: RtpExchange, far_end: socket.socket) -> None:
    exchange.open_line(tone_hz=425).talk_to(far_end.getsockname()[1])
    packets = heard_within(far_end, seconds=2.0)
    numbers = [struct.unpack("!H", packet[2:4])[0] for packet in packets]
    stamps = [struct.unpack("!I", packet[4:8])[0] for packet in packets]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert {later - before for before, later in pairwise(stamps)} == {FRAME_SAMPLES}
    assert 40 <= len(packets) <= 110, "about fifty a second, on a machine that does other things too"


def test_closed_line_is_still_readable_and_a_gone_far_end_does_no_harm(exchange: RtpExchange) -> None:
    line = exchange.open_line(tone_hz=425)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
    line.talk_to(port)
    other = exchange.open_line(tone_hz=425)
    other.talk_to(line.port)
    deadline = time.monotonic() + 10
    while not line.heard():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    exchange.close_line(line)
    assert line.heard()


def test_words_are_said_once_in_place_of_the_tone(
    exchange: RtpExchange, far_end: socket.socket, tmp_path: Path
) -> None:
    words = tuple(bytes([code]) * FRAME_SAMPLES for code in (1, 2, 3))
    line = exchange.open_line()
    line.talk_to(far_end.getsockname()[1])
    line.say(words)
    spoke = [line.speaks]
    payloads = [packet[12:] for packet in heard_within(far_end, seconds=0.4)]
    assert [*spoke, line.speaks] == [True, False]
    first = payloads.index(words[0])
    assert tuple(payloads[first : first + 3]) == words
    assert payloads[first + 3] == bytes([0xFF]) * FRAME_SAMPLES


def test_words_come_from_a_file_as_telephones_have_it_and_from_no_other(tmp_path: Path) -> None:
    code = bytes(range(0x80, 0xFF)) * 2
    (first, second) = word_frames(write_wav(tmp_path / "palabra.wav", ulaw=code))
    assert first + second == code.ljust(2 * FRAME_SAMPLES, b"\xff")
    with wave.open(str(tmp_path / "otra.wav"), "wb") as other:
        other.setparams((2, 2, 8000, 0, "NONE", ""))
        other.writeframes(bytes(400))
    with pytest.raises(ValueError, match="mono"):
        word_frames(tmp_path / "otra.wav")
