"""What people in a conversation wish for, said to a running house as their consoles would, and who hears whom then."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

import msgspec

from telefonista.app.home import PortsInUse, Secrets
from telefonista.app.rtp import RtpLine
from telefonista.app.sipp import Press
from tests.asterisk.house import House, last, music_heard, tone_heard, until

KEY = (Press(after_s=0.3, keys="0"),)
LOUD, SILENT = -25.0, -45.0
CITIZEN_HZ, ANA_HZ, LUIS_HZ, SOL_HZ = 425, 1150, 700, 2300


async def wish(house: House, call: str, what: str, **words: Any) -> tuple[int, str]:
    """`POST /calls/{call}/{what}` with the installation's own token: status, and what was said."""
    return await asyncio.to_thread(_post, house, f"/calls/{call}/{what}", words)


async def wished(house: House, call: str, what: str, **words: Any) -> None:
    """The same, of what must not be refused."""
    status, said = await wish(house, call, what, **words)
    assert status == 200, f"{what}: {status} {said}"


def _post(house: House, path: str, words: dict[str, Any]) -> tuple[int, str]:
    ports = msgspec.json.decode((house.home.run / "ports.json").read_bytes(), type=PortsInUse)
    secrets = msgspec.json.decode(house.home.secrets_file.read_bytes(), type=Secrets)
    request = urllib.request.Request(
        f"http://127.0.0.1:{ports.http}{path}",
        method="POST",
        data=json.dumps(words).encode(),
        headers={"Authorization": f"Bearer {secrets.api_token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20.0) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


async def the_call(house: House, number: str) -> str:
    """The open call from this number."""
    call = await house.call_of(number)
    assert call is not None
    return str(call["call"])


def hears(line: RtpLine, *, tones: tuple[int, ...] = (), not_tones: tuple[int, ...] = (), music: bool = False) -> bool:
    """Whether this line has heard exactly that, among what is named, for the last seven tenths of a second."""
    span = last(0.7)
    return (
        all(tone_heard(line, tone, span) > LOUD for tone in tones)
        and all(tone_heard(line, tone, span) < SILENT for tone in not_tones)
        and music_heard(line, span) == music
    )


async def until_hears(
    line: RtpLine, who: str, *, tones: tuple[int, ...] = (), not_tones: tuple[int, ...] = (), music: bool = False
) -> None:
    """Wait until that is what they hear."""
    await until(
        lambda: hears(line, tones=tones, not_tones=not_tones, music=music),
        f"{who} hears {tones}{' and music' if music else ''}, not {not_tones}",
    )
