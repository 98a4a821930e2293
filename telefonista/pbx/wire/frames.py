"""The WebSocket that Asterisk dials us with: bytes in, text messages out, and the other way round.

Decides who may speak (path, subprotocol, credentials compared in constant time) and how long a message may be; the
frames themselves are `websockets`' sans-I/O protocol. Whatever the peer sends, nothing is raised: what came before the
bad part is returned, `failure` says what was wrong, and what the peer is still to be told waits in `outgoing`. Must
never import I/O.
"""

from __future__ import annotations

import base64
import hmac
from http import HTTPStatus
from typing import Final

import msgspec
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

SUBPROTOCOL: Final = Subprotocol("ari")
LONGEST_MESSAGE: Final = 16 * 1024 * 1024
"""Bytes. The longest is the list of channels: about 700 bytes each, so this is 20,000 of them."""


class Credentials(msgspec.Struct, frozen=True):
    """What Asterisk must show when it dials us."""

    username: str
    password: str

    def header(self) -> bytes:
        """The value of the `Authorization` header that proves them (RFC 7617)."""
        return b"Basic " + base64.b64encode(f"{self.username}:{self.password}".encode())

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r})"


class Frames:
    """One connection. Feed it with `receive`; after any call send what `outgoing` gives (b"" means: end of ours)."""

    def __init__(self, *, credentials: Credentials, path: str = "/ari", longest_message: int = LONGEST_MESSAGE) -> None:
        self._protocol = ServerProtocol(subprotocols=[SUBPROTOCOL], max_size=longest_message)
        self._expected = credentials.header()
        self._path = path
        self._pieces: list[bytes] = []
        self.accepted = False
        """Whether the peer has shown that it is the one we expect."""
        self.failure = ""
        """What the peer did that it must not; empty while it behaves. The connection is then over."""

    def receive(self, chunk: bytes) -> list[bytes]:
        """The messages that are complete with this chunk."""
        protocol = self._protocol
        messages: list[bytes] = []
        if self.failure:
            return messages
        protocol.receive_data(chunk)
        for event in protocol.events_received():
            if isinstance(event, Frame):
                if not self.failure:
                    self._frame(event, messages)
            else:
                assert isinstance(event, Request)
                self._greet(event)
        problem = protocol.handshake_exc or protocol.parser_exc
        if problem is not None and not self.failure:
            self.failure = f"{type(problem).__name__}: {problem}"[:200]
        return messages

    def end(self) -> None:
        """The peer will send no more."""
        self._protocol.receive_eof()

    def send(self, text: bytes) -> None:
        """Queue one text message."""
        self._protocol.send_text(text)

    def ping(self) -> None:
        """Ask for a sign of life."""
        self._protocol.send_ping(b"")

    def close(self, *, going_away: bool = True, reason: str = "") -> None:
        """Say goodbye, if there is anybody to say it to."""
        if self.accepted and not self._protocol.close_expected():
            self._protocol.fail(CloseCode.GOING_AWAY if going_away else CloseCode.POLICY_VIOLATION, reason)

    def outgoing(self) -> list[bytes]:
        """What is to be sent now, in order."""
        return self._protocol.data_to_send()

    def _frame(self, frame: Frame, messages: list[bytes]) -> None:
        opcode = frame.opcode
        if opcode is Opcode.TEXT and frame.fin:
            messages.append(bytes(frame.data))
        elif opcode is Opcode.TEXT or opcode is Opcode.CONT:
            self._pieces.append(bytes(frame.data))
            if frame.fin:
                messages.append(b"".join(self._pieces))
                self._pieces.clear()
        elif opcode is Opcode.BINARY:
            self._protocol.fail(CloseCode.UNSUPPORTED_DATA, "text only")
            self.failure = "binary message"

    def _greet(self, request: Request) -> None:
        status = self._refusal(request)
        protocol = self._protocol
        if status is None:
            response = protocol.accept(request)
        else:
            response = protocol.reject(status, f"{status.phrase}.\n")
            if status is HTTPStatus.UNAUTHORIZED:
                response.headers["WWW-Authenticate"] = 'Basic realm="telefonista"'
        protocol.send_response(response)
        self.accepted = response.status_code == HTTPStatus.SWITCHING_PROTOCOLS
        if not self.accepted:
            self.failure = f"refused with {response.status_code}"

    def _refusal(self, request: Request) -> HTTPStatus | None:
        # get_all: a header sent twice must not be taken for one of the two.
        shown = request.headers.get_all("Authorization")
        given = shown[0].encode("utf-8", "surrogateescape") if len(shown) == 1 else b""
        if not hmac.compare_digest(given, self._expected):
            return HTTPStatus.UNAUTHORIZED
        return None if request.path == self._path else HTTPStatus.NOT_FOUND
