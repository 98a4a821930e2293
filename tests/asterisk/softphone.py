"""A softphone of our own for what sipp cannot show: SIP over TLS with the certificate checked, and SRTP by SDES.

In: an account, where Asterisk is, and how to reach it (UDP, TCP or TLS). Out: what SIP answered, and what was heard in
clear. It registers, dials, and answers by itself when it rings. Kept small: no retransmission, since everything is on
loopback; one conversation at a time.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import re
import secrets
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from telefonista.app.rtp import tone_frames

ANSWER_S = 5.0
FRAME_S = 0.02
SUITE = "AES_CM_128_HMAC_SHA1_80"
_SALT_BYTES = 14
_TAG_BYTES = 10


@dataclass(frozen=True)
class Message:
    """A request or a response; header names in lower case, the first of a name wins."""

    start: str
    headers: dict[str, str]
    body: str = ""
    vias: tuple[str, ...] = ()

    @property
    def status(self) -> int:
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0") else 0

    @property
    def method(self) -> str:
        return self.start.split()[0]


def parse(text: str) -> Message:
    head, _, body = text.partition("\r\n\r\n")
    start, *lines = head.split("\r\n")
    headers: dict[str, str] = {}
    vias = []
    for line in lines:
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), value.strip())
        if name.strip().lower() == "via":
            vias.append(value.strip())
    return Message(start, headers, body, tuple(vias))


def _keystream(key: bytes, *, counter: bytes, length: int) -> bytes:
    cipher = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    return cipher.update(bytes(length)) + cipher.finalize()


class Srtp:
    """One direction's protection of sound: RFC 3711 with the suite's defaults (no rekeying, no MKI)."""

    def __init__(self, master: bytes) -> None:
        key, salt = master[:-_SALT_BYTES], master[-_SALT_BYTES:]

        def derived(label: int, length: int) -> bytes:
            counter = int.from_bytes(salt, "big") ^ (label << 48)
            return _keystream(key, counter=(counter << 16).to_bytes(16, "big"), length=length)

        self._cipher, self._auth, self._salt = derived(0, 16), derived(1, 20), derived(2, _SALT_BYTES)

    def _payload(self, packet: bytes, *, rollovers: int) -> bytes:
        sequence, ssrc = int.from_bytes(packet[2:4], "big"), int.from_bytes(packet[8:12], "big")
        counter = (int.from_bytes(self._salt, "big") << 16) ^ (ssrc << 64) ^ (((rollovers << 16) | sequence) << 16)
        stream = _keystream(self._cipher, counter=counter.to_bytes(16, "big"), length=len(packet) - 12)
        return packet[:12] + bytes(a ^ b for a, b in zip(packet[12:], stream, strict=True))

    def _tag(self, packet: bytes, *, rollovers: int) -> bytes:
        return hmac.new(self._auth, packet + struct.pack("!I", rollovers), hashlib.sha1).digest()[:_TAG_BYTES]

    def protect(self, packet: bytes) -> bytes:
        """An RTP packet (no extensions) as it goes over the wire; sequences that do not wrap only."""
        secret = self._payload(packet, rollovers=0)
        return secret + self._tag(secret, rollovers=0)

    def open(self, packet: bytes) -> bytes | None:
        """The RTP packet in clear; None for one that the key did not make."""
        secret, tag = packet[:-_TAG_BYTES], packet[-_TAG_BYTES:]
        for rollovers in (0, 1):
            if hmac.compare_digest(self._tag(secret, rollovers=rollovers), tag):
                return self._payload(secret, rollovers=rollovers)
        return None


@dataclass
class Sound(asyncio.DatagramProtocol):
    """A conversation's sound: says a tone, keeps what it hears (ulaw), in the order of its coming."""

    tone_hz: int
    mine: Srtp | None = None
    theirs: Srtp | None = None
    port: int = 0
    heard: bytearray = field(default_factory=bytearray)
    packets: int = 0
    refused: int = 0
    """Packets that the key did not open."""

    def __post_init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._saying: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Python 3.11's own datagram transport does not say that it is one.
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, packet: bytes, addr: object) -> None:
        self.packets += 1
        clear = packet if self.theirs is None else self.theirs.open(packet)
        if clear is None or len(packet) < 24:
            self.refused += 1
        elif clear[1] & 0x7F == 0:
            self.heard += clear[12:]

    def say(self, to_port: int) -> None:
        self._saying = asyncio.get_running_loop().create_task(self._say(to_port))

    async def _say(self, to_port: int) -> None:
        assert self._transport is not None
        ssrc = secrets.randbits(32)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for count, frame in enumerate(itertools.cycle(tone_frames(self.tone_hz))):
            packet = struct.pack("!BBHII", 0x80, 0, count & 0xFFFF, 160 * count & 0xFFFFFFFF, ssrc) + frame
            self._transport.sendto(packet if self.mine is None else self.mine.protect(packet), ("127.0.0.1", to_port))
            await asyncio.sleep(max(0.0, began + (count + 1) * FRAME_S - loop.time()))

    def end(self) -> None:
        if self._saying is not None:
            self._saying.cancel()
        if self._transport is not None:
            self._transport.close()


CONNECTED: set[Softphone] = set()


def all_vanish() -> None:
    """Whatever a test that failed has left connected."""
    for phone in tuple(CONNECTED):
        phone.close()


class Softphone:
    """One account's telephone. `ca` checks Asterisk's certificate (TLS); `encrypts` asks for SRTP and takes no less."""

    def __init__(
        self,
        account: str,
        *,
        secret: str,
        sip_port: int,
        transport: str = "udp",
        ca: Path | None = None,
        encrypts: bool = False,
        tone_hz: int = 0,
    ) -> None:
        self.account, self.secret = account, secret
        self._sip_port, self._transport, self._ca = sip_port, transport, ca
        self.encrypts = encrypts
        self._tone_hz = tone_hz
        self._send: Callable[[bytes], None] = lambda text: None
        self._close: Callable[[], None] = lambda: None
        self._port = 0
        self._reader: asyncio.Task[None] | None = None
        self._waiting: dict[tuple[str, str], asyncio.Queue[Message]] = {}
        self._sequence = 0
        self._tag = secrets.token_hex(6)
        self.sound: Sound | None = None
        self.offers: list[str] = []
        """The session descriptions with which Asterisk invited this telephone."""
        self.talking = asyncio.Event()
        self.ended = asyncio.Event()
        self._dialog: dict[str, str] = {}

    async def connect(self) -> None:
        """Raises OSError, ssl.SSLError."""
        loop = asyncio.get_running_loop()
        CONNECTED.add(self)
        if self._transport == "udp":
            phone = self

            class Datagrams(asyncio.DatagramProtocol):
                def datagram_received(self, packet: bytes, addr: object) -> None:
                    phone._received(parse(packet.decode()))

            transport, _ = await loop.create_datagram_endpoint(
                Datagrams, local_addr=("127.0.0.1", 0), remote_addr=("127.0.0.1", self._sip_port)
            )
            self._send, self._close = transport.sendto, transport.close
            self._port = transport.get_extra_info("sockname")[1]
            return
        context = None if self._transport == "tcp" else ssl.create_default_context(cafile=self._ca)
        reader, writer = await asyncio.open_connection("127.0.0.1", self._sip_port, ssl=context)
        self._send, self._close = writer.write, writer.close
        self._port = writer.get_extra_info("sockname")[1]
        self._reader = loop.create_task(self._read(reader))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lstrip("\r\n")
                length = re.search(r"^(?:content-length|l)\s*:\s*(\d+)", head, re.IGNORECASE | re.MULTILINE)
                body = await reader.readexactly(int(length[1])) if length else b""
                if head:
                    self._received(parse(head + body.decode()))
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    def close(self) -> None:
        """Vanish without a word."""
        CONNECTED.discard(self)
        if self.sound is not None:
            self.sound.end()
        if self._reader is not None:
            self._reader.cancel()
        self._close()

    async def register(self, *, expires_s: int = 60) -> int:
        """The last answer to a REGISTER with our password: 200, 401, 403 or 404."""
        answer = await self._ask(
            "REGISTER",
            f"sip:127.0.0.1:{self._sip_port}",
            to=f"<sip:{self.account}@127.0.0.1>",
            more=f"Contact: <{self._contact}>\r\nExpires: {expires_s}\r\n",
        )
        return answer.status

    async def call(self, number: str) -> int:
        """Dial; the last answer to the INVITE."""
        description = await self._describe(profile="RTP/SAVP" if self.encrypts else "RTP/AVP")
        uri = f"sip:{number}@127.0.0.1:{self._sip_port}"
        more = f"Contact: <{self._contact}>\r\nContent-Type: application/sdp\r\n"
        answer = await self._ask("INVITE", uri, to=f"<sip:{number}@127.0.0.1>", more=more, body=description)
        if answer.status == 200:
            self._listen(answer.body)
            self.talking.set()
        return answer.status

    async def hang_up(self) -> None:
        await self._ask("BYE", self._dialog["target"], to=self._dialog["to"], call_id=self._dialog["call_id"])
        self._over()

    @property
    def _contact(self) -> str:
        transport = "" if self._transport == "udp" else f";transport={self._transport}"
        return f"sip:{self.account}@127.0.0.1:{self._port}{transport}"

    async def _describe(self, *, profile: str) -> str:
        """A session description of ours, and the sound that it promises."""
        sound = Sound(self._tone_hz)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: sound, local_addr=("127.0.0.1", 0))
        crypto = ""
        if self.encrypts:
            master = secrets.token_bytes(16 + _SALT_BYTES)
            sound.mine = Srtp(master)
            crypto = f"a=crypto:1 {SUITE} inline:{base64.b64encode(master).decode()}\r\n"
        self.sound = sound
        return (
            f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {sound.port} {profile} 0\r\n{crypto}a=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n"
        )

    def _listen(self, description: str) -> None:
        assert self.sound is not None
        found = re.search(r"^a=crypto:\d+ \S+ inline:([^|\s]+)", description, re.MULTILINE)
        if self.encrypts and found is not None:
            self.sound.theirs = Srtp(base64.b64decode(found[1]))
        port = re.search(r"^m=audio (\d+)", description, re.MULTILINE)
        assert port is not None, description
        self.sound.say(int(port[1]))

    def _over(self) -> None:
        if self.sound is not None:
            self.sound.end()
        self.ended.set()

    # Requests of ours.

    async def _ask(
        self, method: str, uri: str, *, to: str, more: str = "", body: str = "", call_id: str = ""
    ) -> Message:
        call_id = call_id or secrets.token_hex(8)
        answer = await self._once(method, uri, to=to, more=more, body=body, call_id=call_id)
        if answer.status in (401, 407):
            again = more + self._credentials(answer, method=method, uri=uri)
            answer = await self._once(method, uri, to=to, more=again, body=body, call_id=call_id)
        return answer

    async def _once(self, method: str, uri: str, *, to: str, more: str, body: str, call_id: str) -> Message:
        self._sequence += 1
        sequence = self._sequence
        answers = self._waiting[call_id, str(sequence)] = asyncio.Queue()
        self._send(self._request(method, uri, to=to, more=more, body=body, call_id=call_id, sequence=sequence))
        while True:
            answer = await asyncio.wait_for(answers.get(), ANSWER_S)
            if answer.status >= 200:
                break
        if method == "INVITE":
            ack = self._request("ACK", uri, to=answer.headers["to"], call_id=call_id, sequence=sequence)
            self._send(ack)
            target = re.search(r"<([^>]+)>", answer.headers.get("contact", f"<{uri}>"))
            assert target is not None
            self._dialog = {"target": target[1], "to": answer.headers["to"], "call_id": call_id}
        return answer

    def _request(
        self, method: str, uri: str, *, to: str, call_id: str, sequence: int, more: str = "", body: str = ""
    ) -> bytes:
        return (
            f"{method} {uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/{self._transport.upper()} 127.0.0.1:{self._port};"
            f"branch=z9hG4bK{secrets.token_hex(6)};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{self.account}@127.0.0.1>;tag={self._tag}\r\nTo: {to}\r\n"
            f"Call-ID: {call_id}\r\nCSeq: {sequence} {method}\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def _credentials(self, challenge: Message, *, method: str, uri: str) -> str:
        text = challenge.headers.get("www-authenticate") or challenge.headers["proxy-authenticate"]
        asked = dict(re.findall(r'(\w+)="?([^",]+)"?', text))

        def digest(*parts: str) -> str:
            return hashlib.md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()

        once = secrets.token_hex(6)
        proof = digest(
            digest(self.account, asked["realm"], self.secret),
            asked["nonce"],
            "00000001",
            once,
            "auth",
            digest(method, uri),
        )
        name = "Authorization" if challenge.status == 401 else "Proxy-Authorization"
        opaque = f', opaque="{asked["opaque"]}"' if "opaque" in asked else ""
        return (
            f'{name}: Digest username="{self.account}", realm="{asked["realm"]}", nonce="{asked["nonce"]}", '
            f'uri="{uri}", response="{proof}", algorithm=MD5, qop=auth, nc=00000001, cnonce="{once}"{opaque}\r\n'
        )

    # Requests of Asterisk's.

    def _received(self, message: Message) -> None:
        if message.status:
            waiting = self._waiting.get((message.headers["call-id"], message.headers["cseq"].split()[0]))
            if waiting is not None:
                waiting.put_nowait(message)
        elif message.method == "INVITE":
            asyncio.get_running_loop().create_task(self._answer(message))
        elif message.method == "ACK":
            # Not before: a BYE that overtakes it would be of no conversation.
            self.talking.set()
        else:
            self._reply(message, "200 OK")
            if message.method in ("BYE", "CANCEL"):
                self._over()

    async def _answer(self, invitation: Message) -> None:
        self.offers.append(invitation.body)
        self._reply(invitation, "180 Ringing")
        if self.encrypts and "a=crypto:" not in invitation.body:
            self._reply(invitation, "488 Not Acceptable Here")
            return
        # An offer that may also be answered in clear has the profile of clear sound.
        description = await self._describe(profile="RTP/SAVP" if "RTP/SAVP" in invitation.body else "RTP/AVP")
        self._listen(invitation.body)
        caller = re.search(r"<([^>]+)>", invitation.headers["contact"])
        assert caller is not None
        self._dialog = {
            "target": caller[1], "to": invitation.headers["from"], "call_id": invitation.headers["call-id"],
        }  # fmt: skip
        self._reply(invitation, "200 OK", body=description)

    def _reply(self, request: Message, status: str, *, body: str = "") -> None:
        vias = "".join(f"Via: {via}\r\n" for via in request.vias)
        to = request.headers["to"]
        tagged = to if "tag=" in to else f"{to};tag={self._tag}"
        content = "Content-Type: application/sdp\r\n" if body else ""
        self._send(
            (
                f"SIP/2.0 {status}\r\n{vias}From: {request.headers['from']}\r\nTo: {tagged}\r\n"
                f"Call-ID: {request.headers['call-id']}\r\nCSeq: {request.headers['cseq']}\r\n"
                f"Contact: <{self._contact}>\r\n{content}Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode()
        )
