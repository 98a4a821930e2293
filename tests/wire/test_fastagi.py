"""FastAGI's lines: a real Asterisk's, and everything else that may come down a socket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telefonista.kernel.ports import PeerError, Refused
from telefonista.pbx.wire import fastagi
from telefonista.pbx.wire.fastagi import AgiRequest, Environment, HungUp, Lines, Replies, Reply

# As Asterisk 22.10.1 sent it for AGI(agi://127.0.0.1:14573/greeting,uno,dos).
OPENING = (
    b"agi_network: yes\nagi_network_script: greeting\nagi_request: agi://127.0.0.1:14573/greeting\n"
    b"agi_channel: PJSIP/citizens-00000000\nagi_language: en\nagi_type: PJSIP\nagi_uniqueid: nodo1-1795286342.0\n"
    b"agi_version: 22.10.1+dfsg+~cs6.17.60671434-1\nagi_callerid: 099123456\n"
    b"agi_calleridname: \xc3\x83\xc2\x91and\xc3\x83\xc2\xba\nagi_callingpres: 0\nagi_callingani2: 0\n"
    b"agi_callington: 0\nagi_callingtns: 0\nagi_dnid: 99\nagi_rdnis: unknown\nagi_context: citizens\n"
    b"agi_extension: 99\nagi_priority: 2\nagi_enhanced: 0.0\nagi_accountcode: \nagi_threadid: 140202695767744\n"
    b"agi_arg_1: uno\nagi_arg_2: dos\n\n"
)


def request(raw: bytes) -> AgiRequest | None:
    environment = Environment()
    for line in Lines().feed(raw):
        found = environment.add(line)
        if found is not None:
            return found
    return None


def replies(raw: bytes) -> list[Reply | HungUp]:
    reader = Replies()
    return [found for found in (reader.read(line) for line in Lines().feed(raw)) if found is not None]


def test_opening_is_a_request_with_its_route_arguments_channel_and_caller() -> None:
    asked = request(OPENING)
    assert asked is not None
    assert (asked.route, asked.arguments) == ("greeting", ("uno", "dos"))
    assert (asked.channel, asked.caller) == ("nodo1-1795286342.0", "099123456")
    assert asked.variables["accountcode"] == ""


@pytest.mark.parametrize(
    ("script", "route"),
    [("greeting", "greeting"), ("/greeting/", "greeting"), ("a/b?x=1", "a/b"), ("sal%C3%BAdo", "salúdo"), ("", "")],
)
def test_route_is_the_path_of_the_address(script: str, route: str) -> None:
    asked = request(OPENING.replace(b"agi_network_script: greeting", f"agi_network_script: {script}".encode()))
    assert asked is not None
    assert asked.route == route


def test_caller_who_is_unknown_has_no_number() -> None:
    asked = request(OPENING.replace(b"099123456", b"unknown"))
    assert asked is not None
    assert asked.caller == ""


def test_opening_in_single_bytes_is_the_same_request() -> None:
    lines, environment = Lines(), Environment()
    found = None
    for n in range(len(OPENING)):
        for line in lines.feed(OPENING[n : n + 1]):
            found = environment.add(line) or found
    assert found == request(OPENING)


def test_opening_cut_anywhere_is_no_request_and_no_error() -> None:
    for end in range(len(OPENING)):
        assert request(OPENING[:end]) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\n",
        b"agi_network: yes\n\n",
        b"agi_request\n\n",
        b"AGI_REQUEST: x\n\n",
        b"\x16\x03\x01\x00\n",
        b"".join(b"agi_arg_%d: x\n" % n for n in range(200)),
        b"agi_request: " + b"x" * 5000 + b"\n",
        b"x" * 5000,
    ],
    ids=["http", "nothing", "no request", "no colon", "capitals", "tls", "many", "long", "endless"],
)
def test_opening_that_is_not_one_is_a_peer_error(raw: bytes) -> None:
    with pytest.raises(PeerError):
        request(raw)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"200 result=0\n", Reply(code=200, result="0")),
        (b"200 result=1 (hola)\r\n", Reply(code=200, result="1", detail="hola")),
        (b"200 result=1 ((a) b)\n", Reply(code=200, result="1", detail="(a) b")),
        (b"200 result= (timeout)\n", Reply(code=200, result="", detail="timeout")),
        (b"200 result=12#\n", Reply(code=200, result="12#")),
        (b"200 result=49 endpos=8000\n", Reply(code=200, result="49", end_position=8000)),
        (b"200 result=-1\n", Reply(code=200, result="-1")),
        (b"510 Invalid or unknown command\n", Reply(code=510, detail="Invalid or unknown command")),
        (b"511 Command Not Permitted on a dead channel or intercept routine\n", None),
        (b"HANGUP\n", HungUp()),
    ],
)
def test_reply_is_read(line: bytes, expected: Reply | HungUp | None) -> None:
    (found,) = replies(line)
    if expected is None:
        assert isinstance(found, Reply)
        assert found.code == 511
    else:
        assert found == expected


def test_explanation_over_several_lines_is_one_reply() -> None:
    raw = b"520-Invalid command syntax.  Proper usage follows:\nUsage: ANSWER\n520 End of proper usage.\n200 result=0\n"
    first, second = replies(raw)
    assert isinstance(first, Reply)
    assert first.code == 520
    assert "Usage: ANSWER" in first.detail
    assert second == Reply(code=200, result="0")


@pytest.mark.parametrize(
    "raw",
    [b"hello\n", b"200 done\n", b"20 result=1\n", b"\n", b"\xff\xfe\n", b"520-x\n" + b"usage\n" * 100],
)
def test_reply_that_is_not_one_is_a_peer_error(raw: bytes) -> None:
    with pytest.raises(PeerError):
        replies(raw)


def test_reply_is_done_unless_refused_or_the_channel_is_gone() -> None:
    assert Reply(code=200, result="0").done
    assert not Reply(code=200, result="-1").done
    assert not Reply(code=510).done


@given(st.lists(st.binary(max_size=80), max_size=8))
def test_any_bytes_are_an_opening_a_wait_or_a_peer_error(chunks: list[bytes]) -> None:
    lines, environment, reader = Lines(), Environment(), Replies()
    for chunk in chunks:
        try:
            for line in lines.feed(chunk):
                assert "\n" not in line
                environment.add(line)
        except PeerError:
            break
    for chunk in chunks:
        try:
            reader.read(chunk.decode("latin-1"))
        except PeerError:
            break


def test_commands_are_single_quoted_lines() -> None:
    assert fastagi.answer() == b"ANSWER\n"
    assert fastagi.hang_up() == b"HANGUP\n"
    said = fastagi.set_variable("SALUDO", value='di "hola" \\ ñ')
    assert said == 'SET VARIABLE SALUDO "di \\"hola\\" \\\\ ñ"\n'.encode()
    assert fastagi.get_variable("SALUDO") == b"GET VARIABLE SALUDO\n"
    assert fastagi.stream_file("a/b", escape_digits="1#") == b'STREAM FILE "a/b" "1#"\n'
    assert fastagi.stream_file("a/b", offset=8000) == b'STREAM FILE "a/b" "" 8000\n'
    assert fastagi.wait_for_digit(timeout_ms=250) == b"WAIT FOR DIGIT 250\n"
    recording = fastagi.record_file("a/b", escape_digits="#", longest_ms=60_000, silence_s=5)
    assert recording == b'RECORD FILE "a/b" wav "#" 60000 s=5\n'
    assert fastagi.get_data("a/b", timeout_ms=5000, most_digits=4) == b'GET DATA "a/b" 5000 4\n'


@pytest.mark.parametrize("text", ["a\r\nHANGUP", "a\nb", "a\x00", "x" * 1001])
def test_value_that_would_be_a_second_command_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        fastagi.set_variable("X", value=text)
    with pytest.raises(Refused):
        fastagi.stream_file(text)


@pytest.mark.parametrize("name", ["", "a b", "${X}", "X)", "A\n", "1X", "EXEC(x)"])
def test_variable_with_a_name_that_is_code_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        fastagi.set_variable(name, value="x")
    with pytest.raises(Refused):
        fastagi.get_variable(name)


def test_senseless_ways_to_ask_for_digits_are_refused() -> None:
    for timeout_ms, most_digits in ((0, 1), (-1, 1), (10**7, 1), (1000, 0), (1000, 100)):
        with pytest.raises(Refused):
            fastagi.get_data("a", timeout_ms=timeout_ms, most_digits=most_digits)
    with pytest.raises(Refused):
        fastagi.stream_file("a", escape_digits="x")
    for timeout_ms in (-1, 600_001):
        with pytest.raises(Refused):
            fastagi.wait_for_digit(timeout_ms=timeout_ms)
    for longest_ms, silence_s in ((0, 5), (600_001, 5), (1000, 0), (1000, 61)):
        with pytest.raises(Refused):
            fastagi.record_file("a", escape_digits="", longest_ms=longest_ms, silence_s=silence_s)


@given(st.text(max_size=200))
def test_no_value_is_more_than_one_line(text: str) -> None:
    try:
        line = fastagi.set_variable("X", value=text)
    except Refused:
        return
    assert line.count(b"\n") == 1
    assert b"\r" not in line
