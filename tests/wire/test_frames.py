"""The WebSocket's bytes: whole, in pieces, cut off, too long, and from somebody who should not be there."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from telefonista.pbx.wire.frames import Credentials, Frames

GOOD = Credentials("nodo1", "secreto")


def greeting(*, headers: dict[str, str] | None = None, path: str = "/ari", protocol: str = "ari") -> bytes:
    """What Asterisk sends first."""
    shown = {"Authorization": GOOD.header().decode(), **(headers or {})}
    client = ClientProtocol(parse_uri(f"ws://127.0.0.1{path}"), subprotocols=[Subprotocol(protocol)])
    request = client.connect()
    for name, value in shown.items():
        request.headers[name] = value
    client.send_request(request)
    return b"".join(client.data_to_send())


def frame(opcode: Opcode, body: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, body, fin).serialize(mask=True)


def opened(*, longest_message: int = 1000) -> Frames:
    frames = Frames(credentials=GOOD, longest_message=longest_message)
    assert frames.receive(greeting()) == []
    assert frames.accepted
    frames.outgoing()
    return frames


def replied(frames: Frames) -> bytes:
    return b"".join(frames.outgoing())


def test_asterisk_that_shows_its_credentials_is_let_in_with_the_subprotocol() -> None:
    frames = Frames(credentials=GOOD)
    frames.receive(greeting())
    reply = replied(frames)
    assert reply.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Protocol: ari\r\n" in reply


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (greeting(headers={"Authorization": ""}), 401),
        (greeting(headers={"Authorization": "Basic " + base64.b64encode(b"nodo1:x").decode()}), 401),
        (greeting(headers={"Authorization": "Bearer secreto"}), 401),
        (greeting(path="/otra"), 404),
        (greeting(protocol="chat"), 400),
    ],
)
def test_who_is_not_asterisk_is_refused(first: bytes, status: int) -> None:
    frames = Frames(credentials=GOOD)
    frames.receive(first)
    assert frames.failure == f"refused with {status}"
    *_, reply, ending = frames.outgoing()
    assert reply.startswith(f"HTTP/1.1 {status} ".encode())
    assert ending == b""
    assert not frames.accepted


def test_credentials_sent_twice_are_not_taken_for_good() -> None:
    header = b"Authorization: " + GOOD.header() + b"\r\n"
    twice = greeting().replace(header, header * 2)
    assert twice.count(b"Authorization") == 2
    frames = Frames(credentials=GOOD)
    frames.receive(twice)
    assert frames.failure
    assert b" 401 " in replied(frames)


def test_password_is_not_shown() -> None:
    assert repr(GOOD) == "Credentials(username='nodo1')"


def test_refusal_for_want_of_credentials_names_the_scheme() -> None:
    frames = Frames(credentials=GOOD)
    frames.receive(greeting(headers={"Authorization": "x"}))
    assert b'WWW-Authenticate: Basic realm="telefonista"' in replied(frames)


@pytest.mark.parametrize("step", [1, 3, 7, 64])
def test_bytes_in_pieces_are_the_same_messages_as_all_at_once(step: int) -> None:
    stream = greeting() + frame(Opcode.TEXT, b'{"type":"x"}') + frame(Opcode.TEXT, "ñandú".encode())
    at_once = Frames(credentials=GOOD).receive(stream)
    pieces = Frames(credentials=GOOD)
    got: list[bytes] = []
    for start in range(0, len(stream), step):
        got += pieces.receive(stream[start : start + step])
    assert got == at_once == [b'{"type":"x"}', "ñandú".encode()]


def test_message_in_fragments_is_one_message() -> None:
    frames = opened()
    assert frames.receive(frame(Opcode.TEXT, b"ab", fin=False)) == []
    assert frames.receive(frame(Opcode.PING, b"")) == []
    assert frames.receive(frame(Opcode.CONT, b"cd", fin=False)) == []
    assert frames.receive(frame(Opcode.CONT, b"ef")) == [b"abcdef"]
    assert frames.receive(frame(Opcode.TEXT, b"gh")) == [b"gh"]


@pytest.mark.parametrize(
    "bad",
    [
        frame(Opcode.BINARY, b"\x00"),
        frame(Opcode.CONT, b"x"),
        frame(Opcode.TEXT, b"a", fin=False) + frame(Opcode.TEXT, b"b"),
        frame(Opcode.TEXT, b"a" * 1001),
        frame(Opcode.TEXT, b"a" * 600, fin=False) + frame(Opcode.CONT, b"a" * 600),
        Frame(Opcode.TEXT, b"unmasked").serialize(mask=False),
        b"\xff" * 20,
        b"\x83\x80\x00\x00\x00\x00",
    ],
    ids=["binary", "stray", "interleaved", "long", "long in two", "unmasked", "reserved bits", "no such opcode"],
)
def test_frame_that_must_not_be_ends_the_connection(bad: bytes) -> None:
    frames = opened()
    assert frames.receive(bad) == []
    assert frames.failure
    assert frames.receive(frame(Opcode.TEXT, b"too late")) == []
    assert frames.outgoing()[-1] == b""


def test_message_before_a_bad_frame_is_not_lost() -> None:
    frames = opened()
    bad = frame(Opcode.BINARY, b"\x00")
    assert frames.receive(frame(Opcode.TEXT, b"good") + bad + frame(Opcode.TEXT, b"late")) == [b"good"]
    assert frames.failure == "binary message"


def test_text_that_is_not_utf8_is_for_the_codec_above_to_judge() -> None:
    assert opened().receive(frame(Opcode.TEXT, b"\xff\xfe")) == [b"\xff\xfe"]


def test_ping_is_answered() -> None:
    frames = opened()
    frames.receive(frame(Opcode.PING, b"vivo?"))
    assert replied(frames) == b"\x8a\x05vivo?"


def test_goodbye_is_returned() -> None:
    frames = opened()
    frames.receive(frame(Opcode.CLOSE, CloseCode.GOING_AWAY.to_bytes(2, "big")))
    assert replied(frames)[:2] == b"\x88\x02"


def test_goodbye_of_ours_says_why_and_ends() -> None:
    frames = opened()
    frames.close(reason="the engine stops")
    goodbye, ending = frames.outgoing()
    assert goodbye.endswith(b"the engine stops")
    assert ending == b""
    frames.close()
    assert frames.outgoing() == []


def test_nobody_is_said_goodbye_to_before_the_greeting() -> None:
    frames = Frames(credentials=GOOD)
    frames.close()
    assert frames.outgoing() == []


def test_messages_go_out_as_text_and_pings_as_pings() -> None:
    frames = opened()
    frames.send(b"{}")
    frames.ping()
    assert replied(frames) == b"\x81\x02{}\x89\x00"


def test_end_anywhere_is_an_end_and_no_more() -> None:
    stream = greeting() + frame(Opcode.TEXT, b'{"type":"x"}')
    for end in range(len(stream)):
        frames = Frames(credentials=GOOD)
        frames.receive(stream[:end])
        frames.end()
        frames.outgoing()


@given(st.lists(st.binary(max_size=60), max_size=6), st.booleans())
def test_any_bytes_are_messages_or_a_failure(chunks: list[bytes], greeted: bool) -> None:
    frames = opened() if greeted else Frames(credentials=GOOD)
    for chunk in chunks:
        assert all(isinstance(each, bytes) for each in frames.receive(chunk))
    assert len(frames.failure) <= 200
    frames.end()
    frames.outgoing()


@given(
    st.lists(
        st.tuples(st.sampled_from(list(Opcode)), st.binary(max_size=40), st.booleans()),
        max_size=8,
    )
)
def test_any_frames_are_messages_or_a_failure(sent: list[tuple[Opcode, bytes, bool]]) -> None:
    frames = opened(longest_message=64)
    for opcode, body, fin in sent:
        head = bytes([(0x80 if fin else 0) | opcode, 0x80 | len(body)])
        assert all(len(each) <= 64 for each in frames.receive(head + bytes(4) + body))
    assert len(frames.failure) <= 200
