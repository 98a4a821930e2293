"""Citizens who speak, on the real Asterisk: recorded words by RTP, the real recogniser, keys beside them, failures."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from telefonista.app.rtp import word_frames
from telefonista.app.sipp import CitizenPlan, EndedBy, SippCitizens
from telefonista.app.speech_models import SAMPLE, install
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import House, processes_naming, until
from tests.contract.voices import SOUNDS

NUMBER = "099100001"
FLOW = """
flow: voz
language: es
start: quiere
nodes:
  quiere:
    listen: "¿Sí o no?"
    keys_only: "Sí, uno. No, dos."
    options: {"1": tramites, "2": despedida, "0": persona}
    phrases:
      "1": [sí, claro]
      "2": ["no"]
    on_invalid: "Otra vez."
    on_timeout: "No escuché."
    on_failure: persona
    timeout_s: 5
  tramites: {queue: tramites}
  persona: {queue: general}
  despedida: {hangup: true, say: "Adiós."}
"""


async def speaking(open_house: OpenHouse, *, model: bool = True, stays_s: float = 40.0) -> tuple[House, SippCitizens]:
    """A house that understands Spanish (or not), and a citizen in the question."""
    house = await open_house()
    await house.stop_engine()
    (house.home.flows / "voz.yaml").write_text(FLOW, encoding="utf-8")
    if model:
        await asyncio.to_thread(install, SAMPLE, folder=house.home.speech)
    house.settings.more["lines"] = [{"name": "0800-info", "numbers": ["4636"], "flow": "voz"}]
    house.configure(house.settings)
    await house.start_engine()
    if model:
        await until(lambda: recognisers(house), "the recogniser is started")
    return house, await calling(house, stays_s=stays_s)


async def calling(house: House, *, stays_s: float) -> SippCitizens:
    return await house.citizens(CitizenPlan(number=NUMBER, dialled="4636", stays_s=stays_s))


def recognisers(house: House) -> list[int]:
    """The processes that recognise for this house's engine."""
    candidates = processes_naming("telefonista.app.speech_worker")
    return [pid for pid in candidates if house.engine_pid in (parent_of(pid), parent_of(parent_of(pid)))]


def parent_of(pid: int) -> int:
    """0 for a process that has ended."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except OSError:
        return 0
    return int(after_name.split()[1])


def say(citizens: SippCitizens, word: str) -> None:
    citizens.lines[NUMBER].say(word_frames(SOUNDS / f"{word}.wav"))


async def call_id(house: House) -> str:
    call = await house.call_of(NUMBER)
    assert call is not None
    return str(call["call"])


async def until_heard(house: House, kind: str, *, times: int = 1) -> list[dict[str, object]]:
    """The events of this kind of the one open call, once there are so many."""
    call = await call_id(house)

    def found() -> list[dict[str, object]]:
        return [event for event in house.journalled(call) if event["type"] == kind]

    await until(lambda: len(found()) >= times, f"{times} {kind}")
    return found()


async def until_listening(house: House) -> None:
    async def there() -> bool:
        return any(channel.startswith("Snoop/") and "AudioSocket" in channel for channel in await house.channels())

    await until(there, "a channel that listens")


async def until_nobody_listens(house: House) -> None:
    async def so() -> bool:
        return not any(channel.startswith("Snoop/") for channel in await house.channels())

    await until(so, "no channel listens any more")


async def test_a_yes_is_heard_while_the_question_is_still_asked(open_house: OpenHouse) -> None:
    house, citizens = await speaking(open_house)
    await until_listening(house)
    say(citizens, "si")
    await house.until_state("waiting", number=NUMBER)
    assert await house.waiting("tramites") == [NUMBER]
    (heard,) = await until_heard(house, "SpeechHeard")
    assert (heard["phrase"], heard["node"]) == ("sí", "quiere")
    (chosen,) = await until_heard(house, "OptionChosen")
    assert (chosen["digit"], chosen["phrase"]) == ("1", "sí")
    await until_nobody_listens(house)


async def test_a_no_is_a_no_and_ends_as_the_flow_says(open_house: OpenHouse) -> None:
    house, citizens = await speaking(open_house)
    await until_listening(house)
    say(citizens, "no")
    (call,) = await citizens.wait()
    assert call.ended_by is EndedBy.SYSTEM
    row = await house.stored(NUMBER)
    assert row["end_reason"] == "flow_finished"


async def test_a_key_counts_while_somebody_listens(open_house: OpenHouse) -> None:
    house, citizens = await speaking(open_house)
    await until_listening(house)
    citizens.press(NUMBER, "1")
    await house.until_state("waiting", number=NUMBER)
    (chosen,) = await until_heard(house, "OptionChosen")
    assert chosen["digit"] == "1"
    assert "phrase" not in chosen
    await until_nobody_listens(house)


async def test_what_is_not_understood_twice_leads_to_keys_and_silence_to_a_person(open_house: OpenHouse) -> None:
    house, citizens = await speaking(open_house, stays_s=60)
    for time in (1, 2):
        await until_listening(house)
        await asyncio.sleep(2.5)  # the question is short; a citizen who lets it finish
        say(citizens, "no-se")
        await until_heard(house, "InputRejected", times=time)
    await until_nobody_listens(house)
    rejected = await until_heard(house, "InputRejected", times=3)
    assert [event["digit"] for event in rejected] == ["?", "?", ""]
    await house.until_state("waiting", number=NUMBER)
    assert await house.waiting("general") == [NUMBER]


async def test_without_a_model_the_same_flow_goes_by_keys(open_house: OpenHouse) -> None:
    house, citizens = await speaking(open_house, model=False)
    await house.until_state("in_flow", number=NUMBER)
    say(citizens, "si")
    citizens.press(NUMBER, "1")
    await house.until_state("waiting", number=NUMBER)
    assert recognisers(house) == []
    assert "keys alone" in (house.home.folder / "engine-2.log").read_text(encoding="utf-8")
    assert not [event for event in house.journalled(await call_id(house)) if event["type"].startswith("Speech")]


async def test_a_recogniser_that_never_answers_leads_to_the_keys_and_never_to_silence(open_house: OpenHouse) -> None:
    house, citizens = await speaking(open_house)
    (recogniser,) = recognisers(house)
    await until_listening(house)
    os.kill(recogniser, signal.SIGSTOP)
    try:
        say(citizens, "si")
        (failed,) = await until_heard(house, "SpeechFailed")
        assert "late" in str(failed["why"])
        await until_nobody_listens(house)
        citizens.press(NUMBER, "2")
        (call,) = await citizens.wait()
        assert call.ended_by is EndedBy.SYSTEM
    finally:
        os.kill(recogniser, signal.SIGCONT)


async def test_killed_in_the_middle_the_question_is_asked_again_and_a_yes_is_heard(open_house: OpenHouse) -> None:
    house, citizens = await speaking(open_house, stays_s=60)
    await until_listening(house)
    before = recognisers(house)
    await house.kill_engine()
    await until_nobody_listens(house)
    await until(
        lambda: not any(Path(f"/proc/{pid}").exists() for pid in before), "the recogniser ended with the engine"
    )
    await house.start_engine()
    await until_listening(house)
    say(citizens, "si")
    await house.until_state("waiting", number=NUMBER)
    assert await house.waiting("tramites") == [NUMBER]


async def test_a_citizen_who_hangs_up_while_heard_leaves_nothing(open_house: OpenHouse) -> None:
    house, citizens = await speaking(open_house)
    await until_listening(house)
    citizens.hang_up(NUMBER)
    row = await house.stored(NUMBER)
    assert row["end_reason"] == "citizen_hung_up"
    await until_nobody_listens(house)


async def test_the_recogniser_that_is_killed_is_there_for_the_next_citizen(open_house: OpenHouse) -> None:
    house, citizens = await speaking(open_house)
    (recogniser,) = recognisers(house)
    await until_listening(house)
    os.kill(recogniser, signal.SIGKILL)
    await until_heard(house, "SpeechFailed")
    citizens.press(NUMBER, "2")
    await citizens.wait()
    await until(lambda: recognisers(house) not in ([], [recogniser]), "another recogniser")
