"""What comes from outside is believed to be anything: names, numbers, bytes on our ports. Calls go on."""

from __future__ import annotations

import asyncio
import json
import socket

from telefonista.app.sipp import CitizenPlan, EndedBy, Press
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import House, until

KEY_1 = (Press(after_s=0.2, keys="1"),)
HOSTILE_NAMES = (
    r'"Robert\"); DROP TABLE calls;--" ',
    '"${SHELL(touch pwned)} $[1/0]" ',
    '"Ana%0d%0aAction: Originate" ',
    '"' + "A" * 300 + '" ',
    '"Ñandú \u202e%00🛑" ',
    '"\x1b]0;pwned\x07\x1b[2J" ',
)
HOSTILE_NUMBERS = (
    "%24%7BSHELL(touch%20pwned)%7D",
    "../../../../etc/passwd",
    "099'OR'1'='1",
    "%0d%0aHangup:%20all",
    "+" + "9" * 200,
    "anonymous",
)


async def test_name_that_a_caller_invents_is_only_ever_text(open_house: OpenHouse) -> None:
    """Callers' phones send names made to be run, injected or to overflow, one after the other → each call is as any
    other."""
    house = await open_house(agents=("101",), wrap_up_s=0.0)
    agent = await house.agent("101")
    for index, name in enumerate(HOSTILE_NAMES):
        number = f"09946340{index}"
        citizens = await house.citizens(CitizenPlan(number=number, presses=KEY_1), shown_name=name)
        await until(lambda: agent.talking_with is not None, f"they talk, {name!r}")
        assert agent.talking_with == number
        await asyncio.sleep(0.5)
        citizens.hang_up(number)
        (seen,) = await citizens.wait()
        assert (seen.status, seen.ended_by) == (200, EndedBy.CITIZEN), name
        await until(lambda: agent.talking_with is None, "the agent is free")
    for index in range(len(HOSTILE_NAMES)):
        row = await house.stored(f"09946340{index}")
        assert row["recordings"][0]["state"] == "kept"
    assert harmless(house)


async def test_number_that_a_caller_invents_is_only_ever_text(open_house: OpenHouse) -> None:
    """The caller's number is code, a path, SQL, a line break (SIP unescapes them), too long, or none → each is served
    and recorded, once, and the agent's telephone is shown a number or nothing of it."""
    house = await open_house(agents=("101",), wrap_up_s=0.0)
    agent = await house.agent("101")
    for number in HOSTILE_NUMBERS:
        citizens = await house.citizens(CitizenPlan(number=number, presses=KEY_1))
        await until(lambda: agent.talking_with is not None, f"they talk, {number!r}")
        shown = agent.talking_with or ""
        assert not set(shown) & set("./%$(){}'\r\n"), shown
        assert len(shown) <= 30
        await asyncio.sleep(0.5)
        citizens.hang_up(number)
        (seen,) = await citizens.wait()
        assert (seen.status, seen.ended_by) == (200, EndedBy.CITIZEN), number
        await until(lambda: agent.talking_with is None, "the agent is free")

    async def on_record() -> bool:
        rows = await house.calls()
        kept = [row for row in rows if row["recordings"] and row["recordings"][0]["state"] == "kept"]
        return len(rows) == len(kept) == len(HOSTILE_NUMBERS)

    await until(on_record, "each call is on record, once")
    json.dumps(await house.calls())
    assert harmless(house)


def harmless(house: House) -> bool:
    """Nothing was run, and nothing lies where it should not."""
    strangers = list(house.home.folder.rglob("*pwned*"))
    recordings = {path.name for path in house.home.recordings.rglob("*") if path.is_file()}
    return not strangers and all(name.startswith(house.node) and name.endswith(".wav") for name in recordings)


async def test_garbage_on_our_ports_costs_only_its_own_connection(open_house: OpenHouse) -> None:
    """While two talk, strangers send rubbish to the port where Asterisk dials the engine, to FastAGI, the API, AMI
    and SIP → the two go on talking; the next citizen is served."""
    house = await open_house(agents=("101",))
    agent = await house.agent("101")
    citizens = await house.citizens(CitizenPlan(number="099463410", presses=KEY_1))
    await until(lambda: agent.talking_with == "099463410", "they talk")
    ports = json.loads((house.home.run / "ports.json").read_text())
    rubbish = (
        b"",
        b"\x00" * 4096,
        b"GET /ari HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: ari\r\n\r\n",
        b"agi_network: yes\nagi_request: agi://x/greeting\n" + b"agi_x: " + b"y" * 100_000 + b"\n\n",
        b"agi_network_script: nothing\n\n",
        "Acción: \udcff\r\n".encode(errors="surrogateescape") * 500,
    )
    for port in (ports["link"], ports["fastagi"], ports["http"], ports["manager"], ports["sip"]):
        for piece in rubbish:
            await asyncio.to_thread(send, port, piece)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for piece in rubbish:
            sender.sendto(piece[:1400], ("127.0.0.1", house.sip_port))
    status = await house.status()
    assert (status["ready"], [call["state"] for call in status["calls"]]) == (True, ["talking"])
    assert agent.talking_with == "099463410"
    citizens.hang_up("099463410")
    await citizens.wait()
    assert (await house.stored("099463410"))["end_reason"] == "citizen_hung_up"
    later = await house.citizens(CitizenPlan(number="099463411", stays_s=0.3))
    (seen,) = await later.wait()
    assert seen.status == 200


def send(port: int, piece: bytes) -> None:
    """As a stranger does: connect, send, perhaps listen a moment, leave."""
    with socket.create_connection(("127.0.0.1", port), timeout=2.0) as stranger:
        stranger.settimeout(0.2)
        try:
            stranger.sendall(piece)
            stranger.recv(4096)
        except OSError:
            return  # thrown out: as it should be


async def test_dialplan_asks_the_fastagi_route_which_greeting_to_play(open_house: OpenHouse) -> None:
    """An agent's telephone dials *99 → AGI asks the engine → a greeting is played → Asterisk hangs up."""
    house = await open_house(agents=("101",))
    caller = await house.citizens(CitizenPlan(number="101", dialled="*99", stays_s=30.0, secret=house.secret_of("101")))
    (seen,) = await caller.wait()
    assert (seen.status, seen.ended_by) == (200, EndedBy.SYSTEM)
    assert seen.answered_at is not None
    assert seen.ended_at is not None
    assert 0.5 < seen.ended_at - seen.answered_at < 20
    assert len(caller.lines["101"].heard()) > 4000
