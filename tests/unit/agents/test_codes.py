"""The codes that agents dial, and what is said to that."""

import msgspec
import pytest

from agents import codes
from agents.core.codes import Code
from agents.core.presence import Agent, WhyNot
from telefonista.kernel.events import (
    DispositionAsked,
    Event,
    LogInAsked,
    LogOutAsked,
    PauseAsked,
    Phone,
    Presence,
    ReadyAsked,
    WrapUpExtensionAsked,
)
from telefonista.kernel.ids import NO_CALL, AgentId, CallId

ANA = AgentId("101")
REASONS = {"1": "almuerzo", "2": "baño"}
WORDS = ("resuelto", "derivado")
ALL = codes.sentences(reasons=REASONS, dispositions=WORDS)


def being(presence: Presence, *, pause: str = "") -> Agent:
    return Agent(agent=ANA, presence=presence, phone=Phone.BUSY, logged_in=True, pause=pause)


@pytest.mark.parametrize(
    ("digits", "found"),
    [
        ("*11", (Code.LOG_IN, "")),
        ("*132", (Code.PAUSE, "2")),
        ("*1712", (Code.DISPOSITION, "12")),
        ("*18", None),
        ("", None),
        ("11", None),
    ],
)
def test_code_is_what_is_dialled_first_and_the_rest_is_the_choice(digits: str, found: tuple[Code, str] | None) -> None:
    assert codes.dialled(digits) == found


@pytest.mark.parametrize(
    ("code", "choice", "wish"),
    [
        (Code.LOG_IN, "", LogInAsked(agent=ANA)),
        (Code.LOG_OUT, "", LogOutAsked(agent=ANA)),
        (Code.PAUSE, "2", PauseAsked(agent=ANA, reason="baño")),
        (Code.PAUSE, "7", None),
        (Code.PAUSE, "", None),
        (Code.READY, "", ReadyAsked(agent=ANA)),
        (Code.EXTEND, "", WrapUpExtensionAsked(agent=ANA, more_s=0.0)),
        (Code.DISPOSITION, "2", DispositionAsked(agent=ANA, call=NO_CALL, disposition="2")),
        (Code.STATUS, "", None),
    ],
)
def test_code_is_a_wish(code: Code, choice: str, wish: Event | None) -> None:
    assert codes.wish(code, ANA, choice=choice, reasons=REASONS) == wish


def test_where_there_are_no_reasons_none_is_asked_for() -> None:
    assert codes.question(Code.PAUSE, reasons={}) is None
    assert codes.wish(Code.PAUSE, ANA, choice="", reasons={}) == PauseAsked(agent=ANA, reason="")
    assert codes.which_pause(REASONS) not in codes.sentences(reasons={}, dispositions=())


def test_what_is_to_be_chosen_is_asked_and_nothing_else() -> None:
    asked = {code: codes.question(code, reasons=REASONS) for code in Code}
    assert {code for code, question in asked.items() if question} == {Code.PAUSE, Code.DISPOSITION}
    assert asked[Code.PAUSE] == "Marque el motivo de la pausa. 1: almuerzo. 2: baño."


@pytest.mark.parametrize(
    ("code", "agent", "said"),
    [
        (Code.LOG_IN, being(Presence.BUSY), codes.AVAILABLE),
        (Code.LOG_OUT, being(Presence.OFFLINE), codes.LOGGED_OUT),
        (Code.LOG_OUT, being(Presence.WRAP_UP), codes.LOGGED_OUT_LATER),
        (Code.PAUSE, being(Presence.PAUSED, pause="almuerzo"), "Está en pausa: almuerzo."),
        (Code.PAUSE, being(Presence.WRAP_UP, pause="almuerzo"), codes.PAUSED_LATER),
        (Code.READY, being(Presence.READY), codes.AVAILABLE),
        (Code.EXTEND, being(Presence.WRAP_UP), codes.EXTENDED),
        (Code.DISPOSITION, being(Presence.WRAP_UP), "Resultado registrado: resuelto."),
    ],
)
def test_wish_that_was_met_is_confirmed(code: Code, agent: Agent, said: str) -> None:
    assert codes.met(code, agent, disposition="resuelto") == said
    assert said in ALL


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (being(Presence.OFFLINE), codes.OFFLINE),
        (being(Presence.PAUSED, pause="baño"), "Está en pausa: baño."),
        (being(Presence.PAUSED, pause="no contesta"), "Está en pausa: no contesta."),
        (being(Presence.WRAP_UP), codes.WRAPPING_UP),
        (being(Presence.TALKING), codes.IN_A_CALL),
        (msgspec.structs.replace(being(Presence.BUSY), call=CallId("tf1-1.1")), codes.IN_A_CALL),
        (being(Presence.BUSY), codes.AVAILABLE),
        (being(Presence.READY), codes.AVAILABLE),
    ],
)
def test_agent_is_told_what_they_are(agent: Agent, said: str) -> None:
    assert codes.state(agent) == said
    assert said in ALL


def test_every_refusal_can_be_spoken() -> None:
    for why in WhyNot:
        assert codes.refused(why) in ALL
    assert codes.refused("a reason of somebody else's") == codes.IMPOSSIBLE_NOW
    assert codes.refused(WhyNot.NOT_LOGGED_IN) == "Primero debe iniciar su turno."


def test_no_sentence_is_prepared_twice() -> None:
    assert len(ALL) == len(set(ALL))
