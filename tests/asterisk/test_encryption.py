"""SIP over TLS and encrypted sound: who must be encrypted is, who may not is as before, and both talk together."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from recordings.sound import tone_level
from telefonista.app.rtp import write_wav
from telefonista.app.sipp import CitizenPlan
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import House, last, tone_heard, until
from tests.asterisk.softphone import Softphone, all_vanish
from tests.ports import free_port

AGENT_HZ, CITIZEN_HZ = 1150, 425
QUEUES = ("general", "tramites", "impuestos", "vacunacion")


@pytest.fixture(autouse=True)
async def nobody_stays_connected() -> AsyncIterator[None]:
    yield
    all_vanish()


def settings(tls_port: int, *, encryption: str) -> dict[str, object]:
    return {
        "sip_tls_port": tls_port,
        # Lists of their own each, since the same one twice would be written as an alias, which is refused.
        "agents": [
            {"id": "101", "queues": list(QUEUES), "encryption": encryption},
            {"id": "102", "queues": list(QUEUES)},
        ],
    }


def softphone(house: House, *, port: int, transport: str, encrypts: bool) -> Softphone:
    return Softphone(
        "101",
        secret=house.secret_of("101"),
        sip_port=port,
        transport=transport,
        ca=house.home.tls / "authority.pem" if transport == "tls" else None,
        encrypts=encrypts,
        tone_hz=AGENT_HZ,
    )


def heard(phone: Softphone, folder: Path) -> Path:
    """What a softphone has heard of the citizen, in clear."""
    assert phone.sound is not None
    return write_wav(folder / "heard.wav", ulaw=bytes(phone.sound.heard))


@pytest.mark.parametrize("encryption", ["required", "preferred"])
async def test_agent_registers_over_tls_and_talks_encrypted_with_a_citizen_who_does_not(
    open_house: OpenHouse, tmp_path: Path, encryption: str
) -> None:
    """The telephone checks the certificate by the authority's file. What it hears, only its key opens."""
    tls_port = free_port()
    house = await open_house(more=settings(tls_port, encryption=encryption))
    phone = softphone(house, port=tls_port, transport="tls", encrypts=True)
    await phone.connect()
    assert await phone.register() == 200
    await house.until_presence("ready", agent="101")
    plan = CitizenPlan(number="099463005", tone_hz=CITIZEN_HZ)
    citizens = await house.citizens(plan)
    await until(lambda: bool(citizens.call(plan.number).answered_at), "the citizen is greeted")
    citizens.press(plan.number, "1")
    await asyncio.wait_for(phone.talking.wait(), 15)
    assert phone.sound is not None
    sound = phone.sound
    await until(lambda: len(sound.heard) > 3 * 8000, "three seconds are heard")
    assert tone_level(heard(phone, tmp_path), channel=0, frequency_hz=CITIZEN_HZ) > -25
    assert tone_heard(citizens.lines[plan.number], AGENT_HZ, last(1.0)) > -25
    assert sound.refused == 0
    assert "a=crypto:" in phone.offers[0]
    assert ("RTP/SAVP" in phone.offers[0]) is (encryption == "required")
    await phone.hang_up()
    await house.stored(plan.number)
    await phone.register(expires_s=0)
    phone.close()


async def test_certificate_is_renewed_while_an_agent_talks_over_tls(open_house: OpenHouse) -> None:
    """Other names, so another certificate: new connections see it, the one that is there is not broken."""
    tls_port = free_port()
    house = await open_house(more=settings(tls_port, encryption="required"))
    phone = softphone(house, port=tls_port, transport="tls", encrypts=True)
    await phone.connect()
    assert await phone.register() == 200
    await house.until_presence("ready", agent="101")
    plan = CitizenPlan(number="099463007", tone_hz=CITIZEN_HZ)
    citizens = await house.citizens(plan)
    await until(lambda: bool(citizens.call(plan.number).answered_at), "the citizen is greeted")
    citizens.press(plan.number, "1")
    await asyncio.wait_for(phone.talking.wait(), 15)

    authority = ssl.create_default_context(cafile=house.home.tls / "authority.pem")
    named = {"tls": {"names": ["central.example.org", "127.0.0.1"]}, **settings(tls_port, encryption="required")}
    house.configure(replace(house.settings, more=named))
    status, _, complaint = await house.command("reload")
    assert status == 0, complaint
    _, writer = await asyncio.open_connection(
        "127.0.0.1", tls_port, ssl=authority, server_hostname="central.example.org"
    )
    writer.close()
    assert phone.sound is not None
    before = phone.sound.packets
    await until(lambda: phone.sound is not None and phone.sound.packets > before + 50, "the conversation goes on")
    await phone.hang_up()
    assert (await house.stored(plan.number))["end_reason"] == "agent_hung_up"
    assert await phone.register(expires_s=0) == 200
    phone.close()


async def test_key_of_a_conversation_is_never_sent_in_clear_to_whom_encryption_is_required(
    open_house: OpenHouse,
) -> None:
    """101 registers by UDP, where anybody on the way could read a key: it counts as unreachable, is not rung, cannot
    call, and 102 takes the citizen."""
    house = await open_house(more=settings(free_port(), encryption="required"))
    phone = softphone(house, port=house.sip_port, transport="udp", encrypts=False)
    await phone.connect()
    assert await phone.register() == 200

    async def unreachable() -> bool:
        return "Unavail" in await house.asterisk("pjsip show contacts")

    await until(unreachable, "the telephone counts as unreachable")
    other = await house.agent("102")
    plan = CitizenPlan(number="099463006")
    citizens = await house.citizens(plan)
    await until(lambda: bool(citizens.call(plan.number).answered_at), "the citizen is greeted")
    citizens.press(plan.number, "1")
    await until(lambda: other.talking_with == plan.number, "102 talks with the citizen")
    assert await house.presence("101") != "ready"
    assert phone.offers == []
    assert await phone.call("4636") == 488
    phone.close()


async def test_stranger_is_not_taken_for_the_centre_and_old_protocols_are_refused(open_house: OpenHouse) -> None:
    tls_port = free_port()
    house = await open_house(more=settings(tls_port, encryption="preferred"))
    stranger = Softphone("101", secret=house.secret_of("101"), sip_port=tls_port, transport="tls")
    with pytest.raises(ssl.SSLCertVerificationError):
        await stranger.connect()
    authority = house.home.tls / "authority.pem"
    old = ssl.create_default_context(cafile=authority)
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="alert"):
        await asyncio.open_connection("127.0.0.1", tls_port, ssl=old)
    _, writer = await asyncio.open_connection("127.0.0.1", tls_port, ssl=ssl.create_default_context(cafile=authority))
    assert writer.get_extra_info("ssl_object").version() == "TLSv1.2"
    writer.close()
    shown = await house.asked("agent", "show", "101")
    assert (shown["transport"], shown["server"]) == ("TLS", f"127.0.0.1:{tls_port}")
    assert shown["fingerprint"].count(":") == 31
