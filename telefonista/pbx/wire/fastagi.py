"""FastAGI as values: the lines that Asterisk sends when a dialplan calls us, and the commands that we answer with.

In: bytes, whole or in pieces. Out: an `AgiRequest`, then `Reply`s. Lines and their number are bounded; anything that is
not AGI raises `PeerError` and nothing else does. A value that would be a second command raises `Refused`. Must never
import I/O.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

import msgspec

from telefonista.kernel.ports import PeerError, Refused

LONGEST_LINE: Final = 4096
"""Bytes. Asterisk's own limit for what it sends is below this."""
MOST_VARIABLES: Final = 100
MOST_USAGE_LINES: Final = 50

_ENVIRONMENT: Final = re.compile(r"(agi_[a-z0-9_]{1,60}): ?(.*)")
_REPLY: Final = re.compile(r"([0-9]{3}) result=(-?[0-9*#A-Da-d]*)(?: \((.*)\))?(?: endpos=([0-9]{1,15}))?")
_REFUSAL: Final = re.compile(r"(5[0-9]{2})([ -])(.*)")
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f]")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")
_DIGITS: Final = re.compile(r"[0-9*#A-D]{0,16}")
_SOUND: Final = re.compile(r"[A-Za-z0-9_./@+=~-]{1,400}")


class AgiRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a dialplan asks: `AGI(agi://host/route,arguments…)`."""

    route: str
    """The path of the address, without slashes around it or a query."""
    arguments: tuple[str, ...]
    variables: dict[str, str]
    """Everything that Asterisk told, by its name without `agi_`."""

    @property
    def channel(self) -> str:
        """The unique id of the channel."""
        return self.variables.get("uniqueid", "")

    @property
    def caller(self) -> str:
        """The number as the network gave it; untrusted; empty when it gave none."""
        number = self.variables.get("callerid", "")
        return "" if number == "unknown" else number


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one command."""

    code: int
    result: str = ""
    detail: str = ""
    """What stood in brackets: a variable's value, `timeout`, `hangup`; or the text of a refusal."""
    end_position: int = 0
    """Where a sound was stopped, in samples."""

    @property
    def done(self) -> bool:
        return self.code == 200 and self.result != "-1"


class HungUp(msgspec.Struct, frozen=True):
    """The channel has hung up; commands that need it will be refused."""


class Lines:
    """Bytes into lines, bounded."""

    def __init__(self, *, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._rest = b""

    def feed(self, chunk: bytes) -> list[str]:
        """The lines that are complete with this chunk, without their ends. Raises `PeerError`."""
        *complete, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest
        if len(rest) > self._longest or any(len(line) > self._longest for line in complete):
            raise PeerError(f"line longer than {self._longest} bytes")
        # What a caller's phone sent may be in any encoding; it is only ever shown or compared.
        return [line.rstrip(b"\r").decode("utf-8", "replace") for line in complete]


class Environment:
    """Collects the lines that open a conversation, up to the empty one that ends them."""

    def __init__(self) -> None:
        self._variables: dict[str, str] = {}

    def add(self, line: str) -> AgiRequest | None:
        """The request, once it is whole. Raises `PeerError`."""
        if line:
            found = _ENVIRONMENT.fullmatch(line)
            if found is None:
                raise PeerError(f"not an AGI variable: {line[:80]!r}")
            if len(self._variables) >= MOST_VARIABLES:
                raise PeerError(f"more than {MOST_VARIABLES} AGI variables")
            self._variables[found[1].removeprefix("agi_")] = found[2]
            return None
        if "request" not in self._variables:
            raise PeerError("no agi_request")
        named = self._variables.get("network_script", "")
        arguments: list[str] = []
        while (value := self._variables.get(f"arg_{len(arguments) + 1}")) is not None:
            arguments.append(value)
        return AgiRequest(
            route=unquote(named.partition("?")[0]).strip("/"),
            arguments=tuple(arguments),
            variables=self._variables,
        )


class Replies:
    """Reads what follows each command; a refusal may explain itself over several lines."""

    def __init__(self) -> None:
        self._usage: list[str] | None = None

    def read(self, line: str) -> Reply | HungUp | None:
        """None when the line is not the last of its reply. Raises `PeerError`."""
        if self._usage is not None:
            refusal = _REFUSAL.fullmatch(line)
            if refusal is not None and refusal[2] == " ":
                explained, self._usage = " ".join(self._usage), None
                return Reply(code=int(refusal[1]), detail=explained[:200])
            self._usage.append(line)
            if len(self._usage) > MOST_USAGE_LINES:
                raise PeerError("an explanation without an end")
            return None
        if line == "HANGUP":
            return HungUp()
        reply = _REPLY.fullmatch(line)
        if reply is not None:
            return Reply(code=int(reply[1]), result=reply[2], detail=reply[3] or "", end_position=int(reply[4] or 0))
        refusal = _REFUSAL.fullmatch(line)
        if refusal is None:
            raise PeerError(f"not an AGI reply: {line[:80]!r}")
        if refusal[2] == "-":
            self._usage = [refusal[3]]
            return None
        return Reply(code=int(refusal[1]), detail=refusal[3][:200])


def _line(*words: str) -> bytes:
    return (" ".join(words) + "\n").encode()


def _quoted(text: str) -> str:
    if _UNSAFE.search(text) is not None:
        raise Refused(f"control character in {text[:80]!r}")
    if len(text) > 1000:
        raise Refused("value longer than 1000 characters")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _checked(pattern: re.Pattern[str], text: str, what: str) -> str:
    if pattern.fullmatch(text) is None:
        raise Refused(f"not a {what}: {text[:80]!r}")
    return text


def answer() -> bytes:
    return _line("ANSWER")


def hang_up() -> bytes:
    return _line("HANGUP")


def set_variable(name: str, *, value: str) -> bytes:
    """Raises `Refused`."""
    return _line("SET VARIABLE", _checked(_VARIABLE, name, "variable's name"), _quoted(value))


def get_variable(name: str) -> bytes:
    """Raises `Refused`."""
    return _line("GET VARIABLE", _checked(_VARIABLE, name, "variable's name"))


def stream_file(sound: str, *, escape_digits: str = "", offset: int = 0) -> bytes:
    """`sound` without its extension; `offset` in samples from its beginning. Raises `Refused`."""
    digits = _checked(_DIGITS, escape_digits, "set of digits")
    words = ["STREAM FILE", _quoted(_checked(_SOUND, sound, "sound's name")), _quoted(digits)]
    return _line(*words, *([str(offset)] if offset > 0 else []))


def wait_for_digit(*, timeout_ms: int) -> bytes:
    """Raises `Refused`."""
    if not 0 <= timeout_ms <= 600_000:
        raise Refused(f"not a time to wait for a digit: {timeout_ms} ms")
    return _line("WAIT FOR DIGIT", str(timeout_ms))


def record_file(sound: str, *, escape_digits: str, longest_ms: int, silence_s: int) -> bytes:
    """Into `sound`.wav, until a digit, so much silence, or the longest time. Raises `Refused`."""
    if not 0 < longest_ms <= 600_000 or not 0 < silence_s <= 60:
        raise Refused(f"not a way to record: {longest_ms} ms, {silence_s} s of silence")
    digits = _checked(_DIGITS, escape_digits, "set of digits")
    name = _quoted(_checked(_SOUND, sound, "sound's name"))
    return _line("RECORD FILE", name, "wav", _quoted(digits), str(longest_ms), f"s={silence_s}")


def get_data(sound: str, *, timeout_ms: int, most_digits: int) -> bytes:
    """Raises `Refused`."""
    if not 0 < timeout_ms <= 600_000 or not 0 < most_digits <= 64:
        raise Refused(f"not a way to ask for digits: {timeout_ms} ms, {most_digits} digits")
    return _line("GET DATA", _quoted(_checked(_SOUND, sound, "sound's name")), str(timeout_ms), str(most_digits))
