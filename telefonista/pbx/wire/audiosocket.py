"""AudioSocket, by which Asterisk sends a channel's sound: a stream of small frames, one way used.

In: bytes as TCP brings them. Out: who the sound is of, first of all, then its samples (signed, 16 bits, little endian,
8,000 a second). Whatever is not of this protocol raises `PeerError`, and the connection is done with. Must never
import I/O. (Asterisk's documentation, "AudioSocket"; res_audiosocket.c)
"""

from __future__ import annotations

from typing import Final

from telefonista.kernel.ports import PeerError

RATE_HZ: Final = 8000
SAMPLE_BYTES: Final = 2

_HEADER_BYTES: Final = 3
_ENDS: Final = 0x00
_IDENTITY: Final = 0x01
_KEY: Final = 0x03
_SOUND: Final = 0x10
_ERROR: Final = 0xFF
_IDENTITY_BYTES: Final = 16
LONGEST_SOUND: Final = 4096
"""Bytes in one frame; Asterisk sends 320."""

GOODBYE: Final = bytes((_ENDS, 0, 0))
"""What ends the other side's step, and with it the channel."""


class Stream:
    """One connection's bytes, from the first on."""

    def __init__(self) -> None:
        self._rest = b""
        self.key = ""
        """32 hexadecimal digits: who the sound is of; empty until that was told."""
        self.ended = False
        """The other side has said that there will be no more."""

    def receive(self, chunk: bytes) -> bytes:
        """The sound in these bytes. Raises `PeerError`."""
        if self.ended:
            return b""
        ahead = self._rest + chunk
        sound: list[bytes] = []
        place = 0
        while len(ahead) - place >= _HEADER_BYTES and not self.ended:
            kind, length = ahead[place], int.from_bytes(ahead[place + 1 : place + _HEADER_BYTES], "big")
            self._check(kind, length)
            end = place + _HEADER_BYTES + length
            if end > len(ahead):
                break
            content, place = ahead[place + _HEADER_BYTES : end], end
            if kind == _IDENTITY:
                self.key = content.hex()
            elif kind == _SOUND:
                sound.append(content)
            elif kind in (_ENDS, _ERROR):
                self.ended = True
        self._rest = ahead[place:]
        return b"".join(sound)

    def _check(self, kind: int, length: int) -> None:
        if not self.key and (kind, length) != (_IDENTITY, _IDENTITY_BYTES):
            raise PeerError("sound of nobody: the first frame must say whose it is")
        if kind not in (_ENDS, _IDENTITY, _KEY, _SOUND, _ERROR):
            raise PeerError(f"unknown kind of frame {kind:#04x}")
        if self.key and kind == _IDENTITY:
            raise PeerError("said twice whose sound it is")
        if length > LONGEST_SOUND or (kind == _SOUND and length % SAMPLE_BYTES):
            raise PeerError(f"a frame of {length} bytes")


def place_of(key: str, *, port: int) -> str:
    """The extension that sends a channel's sound to this port, with this key of 32 decimal digits."""
    return f"{key}{port}"
