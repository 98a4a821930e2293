"""A softphone with the keys that sipp's telephones lack: hold, and transfer (RFC 3515), blind and attended."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from tests.asterisk.softphone import Message, Softphone


class KeyedPhone(Softphone):
    """`notified` is what Asterisk has told of a transfer: lines such as `SIP/2.0 200 OK`."""

    def __init__(self, account: str, *, secret: str, sip_port: int, tone_hz: int = 0) -> None:
        super().__init__(account, secret=secret, sip_port=sip_port, tone_hz=tone_hz)
        self.notified: list[str] = []

    async def hold(self, *, on: bool = True) -> int:
        """The answer to the new offer: `sendonly`, or as before."""
        assert self.sound is not None
        direction = "sendonly" if on else "sendrecv"
        body = (
            "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self.sound.port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na={direction}\r\n"
        )
        more = f"Contact: <{self._contact}>\r\nContent-Type: application/sdp\r\n"
        return (await self._within("INVITE", more=more, body=body)).status

    async def transfer(self, number: str) -> int:
        """The answer to a REFER to what was dialled."""
        return (await self._refer(f"<sip:{number}@127.0.0.1:{self._sip_port}>")).status

    async def transfer_onto(self, call_id: str, *, to_tag: str, from_tag: str, number: str) -> int:
        """The answer to a REFER that is to replace another dialogue (RFC 3891)."""
        replaces = quote(f"{call_id};to-tag={to_tag};from-tag={from_tag}", safe="")
        return (await self._refer(f"<sip:{number}@127.0.0.1:{self._sip_port}?Replaces={replaces}>")).status

    async def _refer(self, target: str) -> Message:
        more = f"Contact: <{self._contact}>\r\nRefer-To: {target}\r\nReferred-By: <sip:{self.account}@127.0.0.1>\r\n"
        return await self._within("REFER", more=more)

    async def _within(self, method: str, *, more: str, body: str = "") -> Message:
        """A request of the conversation's own dialogue."""
        there = self._dialog
        return await self._ask(method, there["target"], to=there["to"], more=more, body=body, call_id=there["call_id"])

    def _received(self, message: Message) -> None:
        if message.method == "NOTIFY":
            self.notified.append(message.body.strip())
        super()._received(message)


async def registered(account: str, *, secret: str, sip_port: int, tone_hz: int) -> KeyedPhone:
    """A telephone of this account, which answers by itself."""
    phone = KeyedPhone(account, secret=secret, sip_port=sip_port, tone_hz=tone_hz)
    await phone.connect()
    for _ in range(20):
        if await phone.register() == 200:
            return phone
        await asyncio.sleep(0.1)
    raise AssertionError(f"{account} cannot register")
