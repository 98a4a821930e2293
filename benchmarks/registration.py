"""Registers many telephones from one port, once and for longer than any run: RFC 3261 REGISTER with digest (RFC 7616).

In: accounts and the port on which somebody will answer for all of them. Out: nothing, once every one is registered.
sipp, which answers the calls, then need not register, nor again every minute for each of hundreds.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Mapping

AT_ONCE = 10
AGAIN_S = 1.0
TRIES = 15
EXPIRES_S = 7200
_CHALLENGE = re.compile(r'(\w+)=(?:"([^"]*)"|([^,\s]+))')


class NotRegistered(Exception):
    """An account that is refused, or a server that does not answer; the message is one line."""


class _Telephones(asyncio.DatagramProtocol):
    """One UDP port; answers find who waits for them by Call-ID and CSeq."""

    def __init__(self) -> None:
        self.waiting: dict[tuple[str, str], asyncio.Future[str]] = {}

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        text = data.decode("utf-8", errors="replace")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}
        sequence = fields.get("cseq", "").split()
        waiting = self.waiting.get((fields.get("call-id", ""), sequence[0] if sequence else ""))
        if waiting is not None and not waiting.done() and not text.startswith("SIP/2.0 1"):
            waiting.set_result(text)


async def register(accounts: Mapping[str, str], *, port: int, sip_port: int) -> None:
    """Register every account (secret by name) at `sip_port` for whoever answers at `port`, both on loopback.

    Raises `NotRegistered`, OSError when the port is taken."""
    loop = asyncio.get_running_loop()
    transport, telephones = await loop.create_datagram_endpoint(
        _Telephones, local_addr=("127.0.0.1", port), remote_addr=("127.0.0.1", sip_port)
    )
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(account: str, secret: str) -> None:
        async with turns:
            await _register(transport, telephones, account=account, secret=secret, port=port, sip_port=sip_port)

    try:
        await asyncio.gather(*(one(account, secret) for account, secret in accounts.items()))
    finally:
        transport.close()


async def _register(
    transport: asyncio.DatagramTransport,
    telephones: _Telephones,
    *,
    account: str,
    secret: str,
    port: int,
    sip_port: int,
) -> None:
    call = secrets.token_hex(8)
    proof = ""
    for sequence in ("1", "2"):
        request = (
            f"REGISTER sip:127.0.0.1:{sip_port} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{call}{sequence}\r\n"
            f"Max-Forwards: 70\r\n"
            f"From: <sip:{account}@127.0.0.1>;tag={call}\r\n"
            f"To: <sip:{account}@127.0.0.1>\r\n"
            f"Call-ID: {call}\r\n"
            f"CSeq: {sequence} REGISTER\r\n"
            f"Contact: <sip:{account}@127.0.0.1:{port}>\r\n"
            f"Expires: {EXPIRES_S}\r\n"
            f"{proof}"
            f"Content-Length: 0\r\n\r\n"
        )
        answer = await _answered(transport, telephones, request.encode(), key=(call, sequence))
        status = answer.split(maxsplit=2)[1]
        if status == "200":
            return
        if status != "401" or proof:
            raise NotRegistered(f"telephone {account} is refused: {answer.splitlines()[0]}")
        proof = _proof(answer, account=account, secret=secret, uri=f"sip:127.0.0.1:{sip_port}")


async def _answered(
    transport: asyncio.DatagramTransport, telephones: _Telephones, request: bytes, *, key: tuple[str, str]
) -> str:
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    telephones.waiting[key] = answer
    try:
        for _ in range(TRIES):
            transport.sendto(request)
            await asyncio.wait({answer}, timeout=AGAIN_S)
            if answer.done():
                return answer.result()
    finally:
        del telephones.waiting[key]
    raise NotRegistered(f"no answer to REGISTER in {TRIES * AGAIN_S:.0f} s")


def _proof(challenge: str, *, account: str, secret: str, uri: str) -> str:
    """The Authorization header that answers a 401."""
    line = next(line for line in challenge.splitlines() if line.lower().startswith("www-authenticate:"))
    asked = {name: quoted or plain for name, quoted, plain in _CHALLENGE.findall(line)}
    own = secrets.token_hex(8)
    first, second = _md5(f"{account}:{asked['realm']}:{secret}"), _md5(f"REGISTER:{uri}")
    response = _md5(f"{first}:{asked['nonce']}:00000001:{own}:auth:{second}")
    return (
        f'Authorization: Digest username="{account}", realm="{asked["realm"]}", nonce="{asked["nonce"]}", uri="{uri}", '
        f'response="{response}", algorithm=MD5, cnonce="{own}", opaque="{asked.get("opaque", "")}", qop=auth, '
        "nc=00000001\r\n"
    )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
