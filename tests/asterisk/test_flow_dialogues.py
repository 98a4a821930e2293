"""One set of dialogues, held on the real Asterisk by both drivers: on a line of ours, and by FastAGI from a dialplan.

The same file is rehearsed without a telephone in `test_dialogues_of_the_telephone_are_rehearsed_too`. What a citizen
hears is what Asterisk says that it plays; keys are RFC 4733 events. The voice is a short tone, so that nothing takes
long.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ivr import load_flow
from ivr.dialogues import Dialogue, Step, play, read_dialogues
from ivr.prompts import CommandSynthesiser, PromptLibrary
from telefonista.app.sipp import Behaviour, CitizenPlan, SippCitizens
from telefonista.notation.expressions import Kind, Value
from telefonista.pbx.packages import default_folder
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import House, Settings, until
from tests.asterisk.quick_voice import quick_voice

FLOWS = Path(__file__).with_name("flows")
FLOW = load_flow(FLOWS / "dialogo.yaml")
DIALOGUES = read_dialogues(
    (FLOWS / "dialogo.dialogues.yaml").read_text(encoding="utf-8"), flow=FLOW, file="dialogo.dialogues.yaml"
)
AGI_NUMBER = "777"
HEARD_WITHIN_S = 25.0
HANGS_S = 5.0
ENDING = "fin"
"""What the dialplan says when a flow by FastAGI is over."""


def test_dialogues_of_the_telephone_are_rehearsed_too() -> None:
    for dialogue in DIALOGUES:
        assert play(dialogue, flow=FLOW, file="d") is None


class _Source(ThreadingHTTPServer):
    """The other system: by what it is asked for, it answers, finds nothing, or hangs."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, str] = {}
        self.found_nothing: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/deuda"


class _Handler(BaseHTTPRequestHandler):
    server: _Source

    def do_GET(self) -> None:
        (plate,) = parse_qs(urlsplit(self.path).query)["matricula"]
        deadline = time.monotonic() + HANGS_S
        while time.monotonic() < deadline and not {plate} & {*self.server.answers, *self.server.found_nothing}:
            time.sleep(0.05)
        self.send_response(200 if plate in self.server.answers else 404)
        self.end_headers()
        self.wfile.write(self.server.answers.get(plate, "").encode())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def source() -> Iterator[_Source]:
    running = _Source()
    thread = threading.Thread(target=running.serve_forever, args=(0.05,))
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


class _Log:
    """What Asterisk says that it does, read from its own log."""

    def __init__(self, house: House) -> None:
        self._file = house.home.folder / "asterisk" / "log" / "played"
        library = PromptLibrary(
            default_folder().parent / "prompts",
            recordings_folder=house.home.prompts,
            synthesiser=CommandSynthesiser(quick_voice()),
        )
        self._texts = {library.path(prompt).stem: prompt.text for prompt in FLOW.prompts}
        """By file; the same piece in several tones is one text."""

    def lines(self) -> list[str]:
        return self._file.read_text(errors="replace").splitlines() if self._file.exists() else []

    def said(self, channel: str) -> list[str]:
        """What was played on a channel, in order."""
        if not channel:
            return []
        pattern = re.compile(rf"<{re.escape(channel)}(?:;\d)?> Playing '([^']+)'")
        files = [Path(match[1]) for line in self.lines() if (match := pattern.search(line))]
        return [self._texts.get(file.name.removesuffix(".slin").removesuffix(".wav"), file.name) for file in files]

    def ending(self, number: str) -> dict[str, str]:
        """How the dialplan says that a flow by FastAGI ended for this caller, with all variables."""
        pattern = re.compile(rf'"{ENDING}/{number}/([^"]*)"')
        found = [match[1] for line in self.lines() if (match := pattern.search(line))]
        return dict(part.partition("=")[::2] for part in found[-1].split(";")) if found else {}


class _Actor:
    """Does on a telephone what a dialogue says, and looks whether it goes as written."""

    def __init__(
        self, dialogue: Dialogue, *, number: str, house: House, log: _Log, source: _Source, by_agi: bool
    ) -> None:
        self.dialogue = dialogue
        self.number = number
        self.by_agi = by_agi
        self._house = house
        self._log = log
        self._source = source
        self._heard = 0
        self._pressed = ""
        self._channel = ""
        self.citizens: SippCitizens

    async def goes_as_written(self) -> None:
        await until(self.has_channel, f"{self.number} has a channel", HEARD_WITHIN_S)
        for step in self.dialogue.steps:
            try:
                await self._does(step)
            except (TimeoutError, AssertionError) as otherwise:
                said = self._log.said(self._channel)
                raise AssertionError(f"{self.dialogue.name} ({step.line}): {otherwise}; it was said {said}") from None

    async def has_channel(self) -> bool:
        shown = await self._house.asterisk("core show channels concise")
        found = [line.partition("!")[0] for line in shown.splitlines() if f"!{self.number}!" in line]
        self._channel = found[0] if found else ""
        return bool(found)

    async def _does(self, step: Step) -> None:
        if step.does == "hears":
            await until(lambda: self.hears(step.text), f"{step.text!r} is heard", HEARD_WITHIN_S)
        elif step.does == "presses":
            self._heard = len(self._log.said(self._channel))
            self._pressed += step.text
            self.citizens.press(self.number, step.text)
        elif step.does == "answers":
            self._source.answers[self._pressed[-4:]] = json.dumps(dict(step.answer))
        elif step.does == "nothing found":
            self._source.found_nothing.add(self._pressed[-4:])
        elif step.does == "hangs up":
            self.citizens.hang_up(self.number)
        elif step.does == "knows":
            assert step.condition is not None
            condition = step.condition

            async def so() -> bool:
                return bool(condition.value(await self._variables()))

            await until(so, condition.text, HEARD_WITHIN_S)
        elif step.does == "ends":
            await until(lambda: self._ended(step.text), f"it ends with {step.text}", HEARD_WITHIN_S)

    def hears(self, words: str) -> bool:
        """What was heard once is not heard again; words may go over several pieces of sound."""
        said = self._log.said(self._channel)
        for end in range(self._heard + 1, len(said) + 1):
            if _plain(words) in _plain(" ".join(said[self._heard : end])):
                self._heard = end
                return True
        return False

    async def _variables(self) -> Mapping[str, Value]:
        if self.by_agi:
            ending = self._log.ending(self.number)
            return {name: _value(ending.get(name, ""), kind) for name, kind in FLOW.variables.items()}
        events = await self._events()
        return {event["name"]: event["value"] for event in events if event["type"] in ("InputTaken", "VariableSet")} | {
            name: value for event in events if event["type"] == "LookupAnswered" for name, value in _values(event)
        }

    async def _events(self) -> list[dict[str, Any]]:
        rows = [row for row in await self._house.calls() if row["caller"] == self.number]
        open_call = await self._house.call_of(self.number)
        call = rows[0]["id"] if rows else open_call["call"] if open_call is not None else ""
        return self._house.journalled(call)

    async def _ended(self, how: str) -> bool:
        kind, _, name = how.partition(" ")
        if self.by_agi:
            ending = self._log.ending(self.number)
            told = ending.get("outcome", ""), ending.get("queue") or ending.get("number") or ""
            return told == {"number": ("transfer", name), "hung": ("hung_up", "")}.get(kind, (kind, name))
        events = {event["type"]: event for event in await self._events()}
        if kind == "queue":
            return "HandedOff" in events and events["HandedOff"]["queue"] == name
        if kind == "number":
            return "Diverted" in events and events["Diverted"]["to"] == {"kind": "number", "name": name}
        outcome = {"goodbye": "finished", "hung": "abandoned"}[kind]
        return "FlowEnded" in events and events["FlowEnded"]["outcome"] == outcome


def _values(event: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    yield from event.get("values", {}).items()


def _value(text: str, kind: Kind) -> Value:
    return text if kind is Kind.TEXT else int(text or 0) if kind is Kind.NUMBER else text == "true"


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


async def talking_house(open_house: OpenHouse, source: _Source) -> House:
    """A house whose line has the dialogues' flow, and whose dialplan has a number that leads there by FastAGI."""
    more = {
        "synthesiser": {"command": quick_voice()},
        "sources": [{"name": "patente", "url": source.url, "parameters": ["matricula"]}],
    }
    house = await open_house(agents=("101",))
    shutil.copy(FLOWS / "dialogo.yaml", house.home.flows / "dialogo.yaml")
    house.configure(Settings(flow="dialogo", agents=("101",), more=more))
    await house.stop_engine()
    await house.start_engine()
    port = json.loads((house.home.run / "ports.json").read_text())["fastagi"]
    variables = ";".join(f"{name}=${{TELEFONISTA_VAR_{name.upper()}}}" for name in FLOW.variables if name != "deuda")
    told = (
        f"{ENDING}/${{CALLERID(num)}}/outcome=${{TELEFONISTA_OUTCOME}};queue=${{TELEFONISTA_QUEUE}};"
        f"number=${{TELEFONISTA_NUMBER}};private=${{TELEFONISTA_VAR_DEUDA}};{variables}"
    )
    for extension, priority, application in (
        (AGI_NUMBER, 1, f"AGI(agi://127.0.0.1:{port}/flow/dialogo)"),
        (AGI_NUMBER, 2, f"NoOp({told})"),
        (AGI_NUMBER, 3, "Hangup()"),
        ("h", 1, f"NoOp({told})"),
    ):
        said = await house.asterisk(f"dialplan add extension {extension},{priority},{application} into citizens")
        assert "added" in said, said
    await house.asterisk("logger add channel played verbose(3)")
    return house


def actors(house: House, source: _Source, *, by_agi: bool) -> list[_Actor]:
    log = _Log(house)
    begin = 700 if by_agi else 400
    return [
        _Actor(dialogue, number=f"0994{begin + n}", house=house, log=log, source=source, by_agi=by_agi)
        for n, dialogue in enumerate(DIALOGUES)
    ]


@pytest.mark.parametrize("by_agi", [False, True], ids=["on a line of ours", "by FastAGI"])
async def test_dialogues_go_as_written(open_house: OpenHouse, source: _Source, by_agi: bool) -> None:
    """Every dialogue at once, each by a citizen of its own."""
    house = await talking_house(open_house, source)
    await house.agent("101", behaviour=Behaviour(after_s=0.2, talks_s=0.5))
    cast = actors(house, source, by_agi=by_agi)
    plans = [
        CitizenPlan(
            number=actor.number,
            dialled=AGI_NUMBER if by_agi else "4636",
            dials_after_s=0.5 * n,
        )
        for n, actor in enumerate(cast)
    ]
    citizens = await house.citizens(*plans)
    for actor in cast:
        actor.citizens = citizens
    results = await asyncio.gather(*(actor.goes_as_written() for actor in cast), return_exceptions=True)
    assert [str(result) for result in results if result is not None] == []
    if by_agi:
        log = _Log(house)
        endings = [log.ending(actor.number) for actor in cast]
        assert all(ending["private"] == "" for ending in endings)
        assert [ending["queue"] for ending in endings if ending["outcome"] == "queue"].count("tramites") == 1


async def test_dialplan_goes_on_by_itself_when_the_engine_dies_under_a_flow(
    open_house: OpenHouse, source: _Source
) -> None:
    """Citizen → 777 → AGI → the menu → kill -9 → the dialplan's next step, with no outcome."""
    house = await talking_house(open_house, source)
    log = _Log(house)
    (actor, *_) = actors(house, source, by_agi=True)
    actor.citizens = await house.citizens(CitizenPlan(number=actor.number, dialled=AGI_NUMBER))
    await until(actor.has_channel, "the citizen has a channel")
    await until(lambda: actor.hears("Buenos días"), "the citizen is greeted")
    await house.kill_engine()
    await until(lambda: bool(log.ending(actor.number)), "the dialplan goes on")
    assert log.ending(actor.number)["outcome"] == ""
    await house.start_engine()
