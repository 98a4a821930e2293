"""Houses whose queues have rules of their own, with dialogues said in a breath."""

from __future__ import annotations

from typing import Any

from telefonista.app.sipp import Press
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import House

KEY_1 = Press(after_s=0.2, keys="1")
"""Leads to the queue `tramites`."""
KEY_0 = Press(after_s=0.2, keys="0")
"""Leads to the queue `general`."""

CALLBACK_FLOW = """
flow: callback
language: es
start: anotar
variables: {numero: text, cola: text}
nodes:
  anotar: {callback: "{cola}", number: numero, granted: anotado, refused: volver}
  anotado: {hangup: true, say: "Listo."}
  volver: {back_to_queue: true, say: "No."}
"""
VOICEMAIL_FLOW = """
flow: voicemail
language: es
start: mensaje
variables: {numero: text, cola: text}
nodes:
  mensaje: {voicemail: "{cola}", number: numero, say: "Diga.", longest_s: 20, then: gracias, on_failure: volver}
  gracias: {hangup: true, say: "Listo."}
  volver: {back_to_queue: true, say: "Nada."}
"""


async def house_with(open_house: OpenHouse, *, queues: dict[str, dict[str, Any]], **settings: Any) -> House:
    """A house whose queues `general` and `tramites` have these settings beside the usual ones, and short dialogues."""
    house = await open_house(**settings)
    for name, flow in (("callback", CALLBACK_FLOW), ("voicemail", VOICEMAIL_FLOW)):
        (house.home.flows / f"{name}.yaml").write_text(flow, encoding="utf-8")
    usual = {"ring_s": 5.0, "back_off_s": 1.0, "wrap_up_s": 0.0, "announce_every_s": 10.0}
    rules = [{"name": name, **usual, **queues.get(name, {})} for name in ("general", "tramites", "impuestos")]
    agents = [
        {"id": agent, "name": f"Posición {agent}", "queues": [rule["name"] for rule in rules]}
        for agent in house.settings.agents
    ]
    more = {**house.settings.more, "queues": rules, "agents": agents}
    house.configure(type(house.settings)(**{**settings, "more": more}))
    status, said, errors = await house.command("reload")
    assert status == 0, said + errors
    return house
