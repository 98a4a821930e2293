"""Listening from sound to event: the real server, the real worker process, the real vosk with the sample model."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.asyncioreactor import AsyncioSelectorReactor

from telefonista.app import speech
from telefonista.app.speech import Ears, Recognisers, Unavailable
from telefonista.app.speech_models import SAMPLE, install, installed
from telefonista.kernel.commands import StartListening, StopListening
from telefonista.kernel.events import Event, SpeechBegan, SpeechFailed, SpeechHeard
from telefonista.kernel.ids import CallId, LegId, NodeName, listening_id
from telefonista.pbx.audiosocket import AudioSocketServer
from tests.contract.voices import FRAME_BYTES, PATIENCE_S, said, until

CALL = CallId("tf1-1.1")
NODE = NodeName("quiere")
UNHEARD: dict[str, Any] = {
    "began": lambda: None,
    "heard": lambda words, partial: None,
    "failed": lambda why: None,
}


class Room:
    """Ears, and a citizen's telephone."""

    def __init__(self, recognisers: Recognisers, server: AudioSocketServer, port: int) -> None:
        self.recognisers = recognisers
        self.events: list[Event] = []
        """But for the beginnings."""
        self.began = 0
        self.port = port
        self.ears = Ears(recognisers, server=server, context="listening", sink=self._take)
        self._writers: list[asyncio.StreamWriter] = []

    def _take(self, event: Event) -> None:
        if isinstance(event, SpeechBegan):
            self.began += 1
        else:
            self.events.append(event)

    def start(self, number: int = 1, *, language: str = "es-UY") -> str | None:
        return self.ears.start_listening(
            StartListening(
                call=CALL,
                leg=LegId(CALL),
                listening=listening_id(CALL, n=number),
                node=NODE,
                language=language,
                phrases=(("sí", "claro"), ("no",), ("trámites",)),
            )
        )

    def stop(self, number: int = 1) -> None:
        self.ears.stop_listening(StopListening(call=CALL, listening=listening_id(CALL, n=number)))

    async def connects(self, extension: str | None) -> asyncio.StreamWriter:
        assert extension is not None
        assert extension[32:] == str(self.port)
        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"\x01\x00\x10" + bytes.fromhex(extension[:32]))
        self._writers.append(writer)
        return writer

    async def says(self, extension: str | None, *names: str) -> asyncio.StreamWriter:
        """As fast as it can be taken."""
        writer = await self.connects(extension)
        sound = said(*names)
        for place in range(0, len(sound), FRAME_BYTES):
            frame = sound[place : place + FRAME_BYTES]
            writer.write(b"\x10" + len(frame).to_bytes(2, "big") + frame)
        return writer

    async def hears(self, count: int = 1) -> list[Event]:
        await until(lambda: len(self.events) >= count, f"{count} events: {self.events}")
        return self.events

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("speech")
    install(SAMPLE, folder=folder)
    return installed(folder)


@pytest.fixture
async def room(models: dict[str, Path]) -> AsyncIterator[Room]:
    recognisers = Recognisers(models, at_once=2)
    server = AudioSocketServer(reactor=AsyncioSelectorReactor(asyncio.get_running_loop()))
    port = server.listen()
    recognisers.start()
    room = Room(recognisers, server, port)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await recognisers.wait_ready()
        yield room
    finally:
        room.hang_up()
        await recognisers.stop()
        await server.stop()


@pytest.mark.parametrize(("sound", "phrase"), [("si", "sí"), ("no", "no"), ("tramites", "trámites")])
async def test_what_a_citizen_says_is_heard_before_the_silence_is_long(room: Room, sound: str, phrase: str) -> None:
    await room.says(room.start(), sound)
    (heard,) = await room.hears()
    assert isinstance(heard, SpeechHeard)
    assert (heard.call, heard.node, heard.phrase) == (CALL, NODE, phrase)
    assert heard.confidence >= 0.8
    assert heard.partial
    assert room.began <= 1
    assert room.ears.listening == 0


async def test_what_was_not_asked_for_is_nothing_and_the_listening_goes_on(room: Room) -> None:
    writer = await room.says(room.start(), "no-se")
    (heard,) = await room.hears()
    assert isinstance(heard, SpeechHeard)
    assert heard.phrase == ""
    assert room.ears.listening == 1
    sound = said("si")
    for place in range(0, len(sound), FRAME_BYTES):
        writer.write(b"\x10\x01\x40" + sound[place : place + FRAME_BYTES].ljust(FRAME_BYTES, b"\0"))
    _, heard = await room.hears(2)
    assert isinstance(heard, SpeechHeard)
    assert heard.phrase == "sí"


async def test_silence_says_nothing(room: Room) -> None:
    await room.says(room.start())
    await room.says(room.start(2), "si")
    await room.hears()
    assert [event.listening for event in room.events if isinstance(event, SpeechHeard)] == [listening_id(CALL, n=2)]


async def test_who_is_not_listened_to_any_more_is_not_heard(room: Room) -> None:
    extension = room.start()
    room.stop()
    room.stop()
    await room.says(extension, "si")
    await room.says(room.start(2), "no")
    (heard,) = await room.hears()
    assert isinstance(heard, SpeechHeard)
    assert heard.phrase == "no"


async def test_a_language_without_a_model_and_one_citizen_too_many_fail_at_once(room: Room) -> None:
    assert room.start(language="pt-BR") is None
    (failed,) = await room.hears()
    assert isinstance(failed, SpeechFailed)
    assert "no speech model for 'pt'" in failed.why
    assert room.start(2)
    assert room.start(3)
    assert room.start(4) is None
    _, failed = await room.hears(2)
    assert isinstance(failed, SpeechFailed)
    assert "2 are being listened to already" in failed.why
    room.stop(2)
    assert room.start(5)


async def test_a_voice_that_never_comes_has_failed(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "COMES_WITHIN_S", 0.05)
    room.start()
    (failed,) = await room.hears()
    assert isinstance(failed, SpeechFailed)
    assert failed.why == "the citizen's voice does not come"
    assert room.ears.listening == 0


async def test_a_voice_that_ends_has_failed_a_moment_later(room: Room) -> None:
    writer = await room.connects(room.start())
    writer.close()
    (failed,) = await room.hears()
    assert isinstance(failed, SpeechFailed)
    assert failed.why == "the citizen's voice ended"


async def test_a_recogniser_that_never_answers_is_late_and_nobody_is_given_to_it(room: Room) -> None:
    (pid,) = room.recognisers.pids
    os.kill(pid, signal.SIGSTOP)
    try:
        await room.says(room.start(), "si")
        (failed,) = await room.hears()
        assert isinstance(failed, SpeechFailed)
        assert "late" in failed.why
        assert room.start(2) is None
    finally:
        os.kill(pid, signal.SIGCONT)
    await until(lambda: room.start(3) is not None, "it answers again and is asked again")


async def test_a_recogniser_that_dies_costs_what_it_heard_and_is_started_again(room: Room) -> None:
    await room.connects(room.start())
    (pid,) = room.recognisers.pids
    os.kill(pid, signal.SIGKILL)
    (failed,) = await room.hears()
    assert isinstance(failed, SpeechFailed)
    assert failed.why == "the recogniser ended"
    await until(lambda: room.recognisers.pids not in ([], [pid]), "another process")
    extension: list[str | None] = [None]

    def again() -> bool:
        extension[0] = room.start(3)
        return extension[0] is not None

    await until(again, "it is ready again")
    room.events.clear()
    await room.says(extension[0], "si")
    await until(lambda: any(isinstance(event, SpeechHeard) for event in room.events), "heard")


async def test_noise_without_end_is_not_listened_to_for_ever(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "MOST_UNCLEAR", 2)
    await room.says(room.start(), "no-se", "no-se", "no-se", "no-se")
    await until(lambda: any(isinstance(event, SpeechFailed) for event in room.events), "too much noise")
    assert [type(event) for event in room.events] == [SpeechHeard, SpeechHeard, SpeechFailed]


async def test_without_a_model_nobody_listens_and_no_process_runs() -> None:
    recognisers = Recognisers({})
    recognisers.start()
    assert recognisers.pids == []
    with pytest.raises(Unavailable):
        recognisers.open(language="es", options=[["sí"]], **UNHEARD)
    await recognisers.stop()


async def test_what_is_said_while_the_models_are_loaded_is_heard_when_they_are(models: dict[str, Path]) -> None:
    recognisers = Recognisers(models)
    server = AudioSocketServer(reactor=AsyncioSelectorReactor(asyncio.get_running_loop()))
    room = Room(recognisers, server, server.listen())
    with pytest.raises(Unavailable):
        recognisers.open(language="es", options=[["sí"]], **UNHEARD)
    recognisers.start()
    try:
        await until(lambda: recognisers.pids != [], "a process")
        await room.says(room.start(), "si")
        (heard,) = await room.hears()
        assert isinstance(heard, SpeechHeard)
        assert heard.phrase == "sí"
    finally:
        room.hang_up()
        await recognisers.stop()
        await server.stop()


async def test_a_model_that_takes_too_long_to_load_leads_to_the_keys(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "STARTING_S", 0.3)
    recognisers = Recognisers(models)
    server = AudioSocketServer(reactor=AsyncioSelectorReactor(asyncio.get_running_loop()))
    room = Room(recognisers, server, server.listen())
    recognisers.start()
    try:
        await until(lambda: recognisers.pids != [], "a process")
        os.kill(recognisers.pids[0], signal.SIGSTOP)
        await room.says(room.start(), "si")
        (failed,) = await room.hears()
        assert isinstance(failed, SpeechFailed)
        assert room.start(2) is None
    finally:
        room.hang_up()
        await recognisers.stop()
        await server.stop()


async def test_who_begins_to_speak_is_told_of_before_it_is_known_what_they_say(room: Room) -> None:
    writer = await room.connects(room.start())
    sound = said("tramites", after_s=0.05)
    for place in range(0, len(sound), FRAME_BYTES):
        writer.write(b"\x10\x01\x40" + sound[place : place + FRAME_BYTES].ljust(FRAME_BYTES, b"\0"))
        await writer.drain()
        await asyncio.sleep(0.005)
    await until(lambda: room.began == 1, "the beginning")
    assert room.events == []
