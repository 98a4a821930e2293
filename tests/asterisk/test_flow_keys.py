"""Keys as telephones of every age send them: RFC 4733 (all other tests), tones in the sound, and SIP INFO."""

from __future__ import annotations

import asyncio
import itertools
import math
import re
import secrets
import struct
from collections.abc import AsyncIterator

import pytest

from telefonista.app.rtp import FRAME_SAMPLES, RATE_HZ, encode_ulaw, tone_frames
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import House, Settings, until
from tests.asterisk.keyed_phone import KeyedPhone
from tests.asterisk.quick_voice import quick_voice
from tests.asterisk.softphone import all_vanish

ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477)
KEYPAD = ("123", "456", "789", "*0#")
"""ITU-T Q.23."""
KEY_FRAMES, PAUSE_FRAMES = 8, 8
FLOW = """\
flow: teclas
language: es
start: pedir
variables: {codigo: text}
nodes:
  pedir:
    ask: Marque su código.
    into: codigo
    digits: 5
    on_invalid: No.
    on_timeout: Nada.
    then: fin
    on_failure: persona
    first_digit_s: 20
    between_digits_s: 20
  fin: {hangup: true}
  persona: {queue: general}
"""
CODE = "159*20736"
"""After the asterisk it begins again: every row and every column is pressed, and a key that is not heard would show."""
TAKEN = "20736"


def key_frames(key: str) -> list[bytes]:
    """A key as its two tones, 160 ms."""
    row = next(n for n, keys in enumerate(KEYPAD) if key in keys)
    pair = (ROWS[row], COLUMNS[KEYPAD[row].index(key)])
    samples = [
        encode_ulaw(round(sum(6000 * math.sin(2 * math.pi * hz * n / RATE_HZ) for hz in pair)))
        for n in range(KEY_FRAMES * FRAME_SAMPLES)
    ]
    return [bytes(samples[begin : begin + FRAME_SAMPLES]) for begin in range(0, len(samples), FRAME_SAMPLES)]


class OldPhone(KeyedPhone):
    """Knows nothing of RFC 4733: its keys are tones in its sound, or requests within the call."""

    def _listen(self, description: str) -> None:
        port = re.search(r"^m=audio (\d+)", description, re.MULTILINE)
        assert port is not None
        assert "telephone-event" not in description
        self._keys: asyncio.Queue[bytes] = asyncio.Queue()
        assert self.sound is not None
        self.sound._saying = asyncio.get_running_loop().create_task(self._speak(int(port[1])))

    async def _speak(self, port: int) -> None:
        assert self.sound is not None
        assert self.sound._transport is not None
        source, (silence,) = secrets.randbits(32), tone_frames(0)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for count in itertools.count():
            frame = silence if self._keys.empty() else self._keys.get_nowait()
            header = struct.pack("!BBHII", 0x80, 0, count & 0xFFFF, FRAME_SAMPLES * count & 0xFFFFFFFF, source)
            self.sound._transport.sendto(header + frame, ("127.0.0.1", port))
            await asyncio.sleep(max(0.0, began + 0.02 * (count + 1) - loop.time()))

    def sounds(self, keys: str) -> None:
        """Press keys as tones."""
        (silence,) = tone_frames(0)
        for key in keys:
            for frame in (*key_frames(key), *[silence] * PAUSE_FRAMES):
                self._keys.put_nowait(frame)

    async def informs(self, keys: str) -> None:
        """Press keys as SIP INFO."""
        for key in keys:
            body = f"Signal={key}\r\nDuration=160\r\n"
            answer = await self._within("INFO", more="Content-Type: application/dtmf-relay\r\n", body=body)
            assert answer.status == 200


@pytest.fixture(autouse=True)
async def _nobody_stays() -> AsyncIterator[None]:
    yield
    all_vanish()


async def asking(open_house: OpenHouse) -> tuple[House, OldPhone]:
    """A house whose line asks for a code, and an old telephone that has dialled it."""
    house = await open_house(agents=("101",))
    (house.home.flows / "teclas.yaml").write_text(FLOW, encoding="utf-8")
    house.configure(Settings(flow="teclas", agents=("101",), more={"synthesiser": {"command": quick_voice()}}))
    await house.stop_engine()
    await house.start_engine()
    phone = OldPhone("ciudadano", secret=house.secret_of("ciudadano"), sip_port=house.sip_port)
    await phone.connect()
    assert await phone.call("4636") == 200
    return house, phone


async def code_taken(house: House) -> str:
    """What the flow understood, once the call is over."""
    rows: list[dict[str, object]] = []

    async def over() -> bool:
        rows[:] = await house.calls()
        return bool(rows) and rows[0]["ended_at"] is not None

    await until(over, "the code is taken and the call is over")
    taken = [event for event in house.journalled(str(rows[0]["id"])) if event["type"] == "InputTaken"]
    return str(taken[0]["value"]) if taken else ""


async def test_keys_that_are_tones_in_the_sound_are_understood(open_house: OpenHouse) -> None:
    """Old telephone → 4636 → keys as dual tones → the very digits."""
    house, phone = await asking(open_house)
    phone.sounds(CODE)
    assert await code_taken(house) == TAKEN


async def test_keys_that_are_requests_are_understood(open_house: OpenHouse) -> None:
    """Old telephone → 4636 → keys as SIP INFO → the very digits."""
    house, phone = await asking(open_house)
    await phone.informs(CODE)
    assert await code_taken(house) == TAKEN
