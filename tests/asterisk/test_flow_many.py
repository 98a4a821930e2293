"""Two hundred citizens in menus at the same time, and `kill -9` of the engine: each goes on exactly where it was.

Telephones here send no sound but their keys, so that the machine is busy with calls and not with silence.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telefonista.app.rtp import RtpExchange, RtpLine, tone_frames
from telefonista.app.sipp import CitizenPlan, SippCitizens
from telefonista.pbx.packages import Toolbox
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import House, Settings, until
from tests.asterisk.quick_voice import quick_voice

MANY = 200
PER_SECOND = 20
PATIENCE_S = 45.0
NUMBERS = [f"09950{n:04d}" for n in range(MANY)]
TOPICS = "123"
FLOW = (
    """\
flow: muchos
language: es
start: menu
variables: {codigo: text}
nodes:
  menu:
    menu: Elija.
    options: {1: uno, 2: dos, 3: tres, 0: persona}
    on_invalid: No.
    on_timeout: Nada.
    on_failure: persona
    timeout_s: 60
"""
    + "".join(
        f"""\
  {name}:
    ask: Marque su código.
    into: codigo
    digits: 4
    first_digit_s: 90
    between_digits_s: 90
    overall_s: 120
    on_invalid: No.
    on_timeout: Nada.
    then: fin-{name}
    on_failure: persona
  fin-{name}: {{hangup: true}}
"""
        for name in ("uno", "dos", "tres")
    )
    + "  persona: {queue: general}\n"
)


class _QuietLine(RtpLine):
    """Sends keys and nothing else."""

    def speak(self) -> None:
        if self._keys or self._key:
            super().speak()


class _QuietExchange(RtpExchange):
    def open_line(self, *, tone_hz: int = 0) -> RtpLine:
        line = _QuietLine(frames=tone_frames(tone_hz))
        with self._lock:
            self._lines = (*self._lines, line)
        return line


@pytest.fixture
def quiet() -> Iterator[_QuietExchange]:
    running = _QuietExchange()
    with running:
        yield running


def topic_of(number: str) -> str:
    return TOPICS[int(number) % len(TOPICS)]


def code_of(number: str) -> str:
    return number[-4:]


class _Journal:
    """What the engine has written of every call; each line is read once."""

    def __init__(self, house: House) -> None:
        self._folder = house.home.journal
        self._read: dict[Path, int] = {}
        self._callers: dict[str, str] = {}
        self._events: dict[str, dict[int, dict[str, Any]]] = {}

    def by_number(self) -> dict[str, list[dict[str, Any]]]:
        """Each citizen's events in order; those carried over to a newer file only once."""
        for path in sorted(self._folder.glob("*.jsonl")):
            with path.open("rb") as reader:
                reader.seek(self._read.get(path, 0))
                written = reader.read()
            whole = written[: written.rfind(b"\n") + 1]
            self._read[path] = self._read.get(path, 0) + len(whole)
            for line in whole.splitlines():
                entry = json.loads(line)
                self._take(entry.get("seq", 0), entry.get("event", {}))
        return {number: [events[seq] for seq in sorted(events)] for number, events in self._events.items()}

    def _take(self, seq: int, event: dict[str, Any]) -> None:
        if event.get("type") == "CallArrived":
            self._callers[event["call"]] = event["caller"]
        number = self._callers.get(event.get("call", ""))
        if number is not None:
            self._events.setdefault(number, {})[seq] = event

    def count(self, kind: str) -> int:
        """How many citizens have had an event of this kind."""
        return sum(any(event["type"] == kind for event in events) for events in self.by_number().values())

    def digits(self) -> int:
        return sum(event["type"] == "DigitPressed" for events in self.by_number().values() for event in events)


async def test_two_hundred_citizens_in_menus_outlive_a_killed_engine(
    open_house: OpenHouse, toolbox: Toolbox, quiet: _QuietExchange
) -> None:
    """200 citizens → a topic → half of a code of their own → kill -9 → the other half → goodbye."""
    house = await open_house(agents=("101",), verbose=False)
    (house.home.flows / "muchos.yaml").write_text(FLOW, encoding="utf-8")
    house.configure(
        Settings(flow="muchos", agents=("101",), verbose=False, more={"synthesiser": {"command": quick_voice()}})
    )
    await house.stop_engine()
    await house.start_engine()
    journal = _Journal(house)
    plans = [CitizenPlan(number=number, dials_after_s=n / PER_SECOND, stays_s=300) for n, number in enumerate(NUMBERS)]
    citizens = SippCitizens(toolbox.sipp, plans=plans, exchange=quiet, folder=house.people, name="many", most_s=300)
    await citizens.start(sip_port=house.sip_port)
    try:
        await until(lambda: journal.count("NodeEntered") == MANY, "everybody is in the menu", PATIENCE_S)
        for number in NUMBERS:
            citizens.press(number, topic_of(number))
        await until(lambda: journal.count("OptionChosen") == MANY, "everybody has chosen", PATIENCE_S)
        for number in NUMBERS:
            citizens.press(number, code_of(number)[:2])
        await until(lambda: journal.digits() == 3 * MANY, "everybody has typed half of a code", PATIENCE_S)
        assert len((await house.status())["calls"]) == MANY

        await house.kill_engine()
        began = time.monotonic()
        await house.start_engine()
        up_s = time.monotonic() - began

        assert len((await house.status())["calls"]) == MANY
        for number in NUMBERS:
            citizens.press(number, code_of(number)[2:])
        await until(lambda: journal.count("CallEnded") == MANY, "everybody has said goodbye", PATIENCE_S)
    finally:
        await citizens.stop()
    names = {"1": "uno", "2": "dos", "3": "tres"}
    told = journal.by_number()
    for number in NUMBERS:
        events = told[number]
        kinds = Counter(event["type"] for event in events)
        taken = [(event["node"], event["value"]) for event in events if event["type"] == "InputTaken"]
        assert taken == [(names[topic_of(number)], code_of(number))], number
        assert (kinds["CallArrived"], kinds["CallEnded"], kinds["InputRejected"]) == (1, 1, 0), number
    assert up_s < 30
