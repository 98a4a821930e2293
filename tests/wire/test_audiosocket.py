"""AudioSocket's bytes, whole and in pieces, and whatever else a peer may send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telefonista.kernel.ports import PeerError
from telefonista.pbx.wire.audiosocket import GOODBYE, LONGEST_SOUND, Stream, place_of

KEY = "12345678901234567890123456789012"
IDENTITY = b"\x01\x00\x10" + bytes.fromhex(KEY)


def frame(kind: int, content: bytes) -> bytes:
    return bytes((kind,)) + len(content).to_bytes(2, "big") + content


SOUND = frame(0x10, bytes(range(200)) + bytes(120))


def test_the_first_frame_says_whose_sound_it_is_and_the_rest_is_sound() -> None:
    stream = Stream()
    assert stream.receive(IDENTITY + SOUND + SOUND) == 2 * (bytes(range(200)) + bytes(120))
    assert stream.key == KEY
    assert not stream.ended


@given(st.lists(st.integers(1, 40), max_size=60))
def test_bytes_one_at_a_time_or_in_any_pieces_are_the_same_sound(sizes: list[int]) -> None:
    whole = IDENTITY + SOUND + frame(0x03, b"5") + SOUND + GOODBYE
    stream, sound, place = Stream(), b"", 0
    for size in [*sizes, len(whole)]:
        sound += stream.receive(whole[place : place + size])
        place += size
    assert sound == 2 * (bytes(range(200)) + bytes(120))
    assert stream.ended


@pytest.mark.parametrize("ending", [GOODBYE, frame(0xFF, b"\x01")])
def test_what_comes_after_the_end_is_not_heard(ending: bytes) -> None:
    stream = Stream()
    assert stream.receive(IDENTITY + ending + SOUND) == b""
    assert stream.receive(SOUND) == b""
    assert stream.ended


@pytest.mark.parametrize(
    "malformed",
    [
        SOUND,
        frame(0x01, b"short"),
        b"GET / HTTP/1.1\r\n\r\n",
        IDENTITY + IDENTITY,
        IDENTITY + frame(0x55, b""),
        IDENTITY + frame(0x10, b"odd"),
        IDENTITY + b"\x10" + (LONGEST_SOUND + 2).to_bytes(2, "big"),
    ],
)
def test_what_is_no_audiosocket_ends_that_connection_and_raises_nothing_else(malformed: bytes) -> None:
    with pytest.raises(PeerError):
        Stream().receive(malformed)


@given(st.binary(max_size=400))
def test_random_bytes_are_sound_or_refused(chunk: bytes) -> None:
    stream = Stream()
    try:
        sound = stream.receive(IDENTITY + chunk)
    except PeerError:
        return
    assert len(sound) <= len(chunk)


def test_the_extension_has_the_key_and_the_port() -> None:
    assert place_of(KEY, port=40123) == f"{KEY}40123"
