"""Which texts may be written into a file that Asterisk reads.

Every value of a plan passes through one of these checks before it is rendered. They are lists of what is
allowed, not of what is forbidden: Asterisk's readers treat commas, semicolons, `${`, `$[`, quotes, brackets and
line ends specially, each in other places, and a value that needs escaping in one file would be wrong in the next.
In: text. Out: the same text, or `PlanError`. Must never import anything that does I/O.
"""

from __future__ import annotations

import re


class PlanError(ValueError):
    """A value that Asterisk must not be told; the message is one line: which value, what is wrong with it."""


_WORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?")
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_SECRET = re.compile(r"[A-Za-z0-9_.~!@%^*+=:/-]{12,128}")
_PATH = re.compile(r"/[\w./@+=~-]*")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{2,45}(?:/[0-9]{1,3})?")
_WEBSOCKET_URI = re.compile(r"wss?://[A-Za-z0-9.\[\]:-]+(?:/[A-Za-z0-9._/-]*)?")
_TITLE = re.compile(r"[\w .'-]{1,60}")
_LITERAL_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\"\\;,(){}\[\]|&$`]")
_EXPRESSION_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f;]")


def _matched(pattern: re.Pattern[str], text: str, *, what: str, allowed: str) -> str:
    if pattern.fullmatch(text) is None:
        raise PlanError(f"{what}: {text!r} is not {allowed}")
    return text


def word(text: str, *, what: str) -> str:
    """A name of ours: a context, a line, a route, a queue, an agent, an account."""
    return _matched(_WORD, text, what=what, allowed="a name of letters, digits, '_', '.', '-' (64 at most)")


def number(text: str, *, what: str) -> str:
    """What a telephone can dial."""
    return _matched(_NUMBER, text, what=what, allowed="a number of digits, '*', '#', with '+' at the start only")


def secret(text: str, *, what: str) -> str:
    """A password. The refusal never shows it."""
    if _SECRET.fullmatch(text) is None:
        raise PlanError(f"{what}: not a secret of 12 to 128 letters, digits or any of _.~!@%^*+=:/-")
    return text


def path(text: str, *, what: str) -> str:
    """An absolute path that every one of Asterisk's readers takes as it is (no blanks, commas, '&' or brackets)."""
    return _matched(_PATH, text, what=what, allowed="an absolute path of letters, digits and . _ @ + = ~ - /")


def address(text: str, *, what: str) -> str:
    """An IP address, or a network in CIDR notation. Names are refused: looking them up would block Asterisk's start."""
    return _matched(_ADDRESS, text, what=what, allowed="an IP address or a network such as 192.0.2.0/24")


def peer(text: str, *, what: str) -> str:
    """Where a carrier takes calls: an IP address and a port. Names are refused as in `address`."""
    host, colon, number = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not number.isascii() or not number.isdigit() or not 1 <= int(number) <= 65535 or "/" in host:
        raise PlanError(f"{what}: {text!r} is not an IP address and a port such as 192.0.2.7:5060")
    address(bare, what=what)
    return text


def websocket_uri(text: str, *, what: str) -> str:
    """Where Asterisk dials the engine."""
    return _matched(_WEBSOCKET_URI, text, what=what, allowed="an address such as ws://127.0.0.1:8080/ari")


def title(text: str, *, what: str) -> str:
    """A name shown on a telephone's display: letters of any alphabet, digits, blanks, dot, apostrophe, hyphen."""
    return _matched(_TITLE, text, what=what, allowed="a name of letters, digits, blanks and . ' - (60 at most)")


def port(value: int, *, what: str) -> int:
    """A TCP or UDP port that an ordinary user may open."""
    if not 1024 <= value <= 65535:
        raise PlanError(f"{what}: {value} is not a port between 1024 and 65535")
    return value


def literal(text: str, *, what: str) -> str:
    """Text that stands for itself as one argument of a dialplan application: nothing in it is evaluated."""
    found = _LITERAL_FORBIDDEN.search(text)
    if found is not None:
        raise PlanError(f"{what}: {text!r} holds {found.group()!r}, which the dialplan would not take literally")
    if text != text.strip():
        raise PlanError(f"{what}: {text!r} begins or ends with a blank, which Asterisk would drop")
    return text


def expression(text: str, *, what: str) -> str:
    """Dialplan code written by us, evaluated by Asterisk. Only what would break the line is refused."""
    found = _EXPRESSION_FORBIDDEN.search(text)
    if found is not None:
        raise PlanError(f"{what}: {text!r} holds {found.group()!r}, which would end the line or the argument")
    if text.count("(") != text.count(")") or text.count("{") != text.count("}") or text.count("[") != text.count("]"):
        raise PlanError(f"{what}: {text!r} leaves a bracket open")
    return text
