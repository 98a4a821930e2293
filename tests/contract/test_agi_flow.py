"""A flow on the channel of any dialplan: which AGI commands it gives, and which variables say how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from ivr import Flow, read_flow
from telefonista.kernel.commands import Errand, Prompt
from telefonista.kernel.events import Event, LookupAnswered, LookupFailed
from telefonista.kernel.ids import FlowName
from telefonista.kernel.ports import Refused
from telefonista.pbx.agi_flow import flow_route
from telefonista.pbx.fastagi import FastAgiServer, Limits, Reactor
from tests.contract.test_fastagi import Wire, opening

FLOW = read_flow(
    """\
flow: corta
language: es
start: saludo
person: persona
variables: {cedula: text, deuda: private text, numero: text, vip: truth, raro: text}
nodes:
  saludo: {say: Hola., then: menu}
  menu:
    menu: Elija.
    options: {1: cedula, 2: buscar, 3: fuera, 4: volver, 5: llamada, 6: mensaje, 7: otra, 9: adios}
    on_invalid: No existe.
    on_timeout: Nada.
    on_failure: persona
    tries: 2
  cedula: {ask: Marque., into: cedula, digits: 4, on_invalid: No., on_timeout: No., then: vip, on_failure: persona}
  vip: {set: {vip: "true"}, then: tramites}
  tramites: {queue: tramites, topic: trámites, priority: 3}
  buscar:
    lookup: patente
    with: {cedula: cedula}
    into: {deuda: deuda}
    say: Un momento.
    found: decir
    nothing: adios
    on_failure: persona
    deadline_s: 1
  decir: {say: "Debe {deuda}", then: adios}
  fuera: {transfer: "1950"}
  volver: {back_to_queue: true}
  llamada: {callback: tramites, number: numero, granted: adios, refused: persona}
  mensaje: {voicemail: tramites, say: Hable., then: adios, on_failure: persona}
  otra: {flow: otra}
  adios: {hangup: true, say: Adiós.}
  persona: {queue: general}
""",
    file="corta.yaml",
)
OTHER = read_flow(
    "flow: otra\nlanguage: es\nstart: fin\nnodes:\n  fin: {hangup: true, say: Desde la otra.}\n", file="otra.yaml"
)
DONE = b"200 result=0 endpos=8000\n"
"""A sound heard to its end, or no key in time."""


def key(digit: str, *, at: int = 4000) -> bytes:
    return f"200 result={ord(digit)} endpos={at}\n".encode()


class Dialplan:
    """The far end: says what became of each command, and remembers the variables that it is given."""

    def __init__(self, *, flow: str = "corta", answers: Deferred[Event] | None = None) -> None:
        self.variables: dict[str, str] = {}
        self.asked: list[Errand] = []
        self._answers = answers
        conversation = flow_route(
            flow_of=self._flow,
            sound_of=self._sound,
            run_errand=self._run,
            message_file=lambda recording: f"/spool/{recording}",
            now=lambda: 0.0,
        )
        server = FastAgiServer(
            {},
            reactor=cast(Reactor, Clock()),
            limits=Limits(connections=3),
            conversations={"flow": conversation},
        )
        self.wire = Wire(server)
        self.command = self.wire.says(opening(f"flow/{flow}")).decode().strip()

    def _flow(self, name: str) -> Deferred[tuple[Flow, Mapping[FlowName, Flow]] | None]:
        return succeed((FLOW, {OTHER.name: OTHER}) if name == "corta" else None)

    def _sound(self, prompt: Prompt) -> Deferred[str]:
        sound: Deferred[str] = Deferred()
        if prompt.text == "No existe.":
            sound.errback(Refused("no such sound"))
        else:
            sound.callback("/p/" + "".join(filter(str.isalnum, prompt.text.encode("ascii", "ignore").decode())))
        return sound

    def _run(self, errand: Errand) -> Deferred[Event]:
        self.asked.append(errand)
        assert self._answers is not None
        return self._answers

    def says(self, reply: bytes) -> str:
        """The next command, after all variables that are set with it."""
        self.command = self.wire.says(reply).decode().strip()
        while self.command.startswith("SET VARIABLE"):
            _, _, name, value = self.command.split(" ", 3)
            self.variables[name] = value.strip('"')
            self.command = self.wire.says(b"200 result=1\n").decode().strip()
        return self.command

    def led(self, keys: str) -> Dialplan:
        """Answered, greeted, and these keys pressed in the menu."""
        assert self.command == "ANSWER"
        self.says(b"200 result=0\n")
        self.says(DONE)
        for digit in keys:
            self.says(key(digit))
        return self


def test_flow_speaks_and_listens_with_plain_agi_commands() -> None:
    dialplan = Dialplan()
    assert dialplan.command == "ANSWER"
    assert dialplan.says(b"200 result=0\n") == 'STREAM FILE "/p/Hola" "0123456789*#"'
    assert dialplan.says(DONE) == 'STREAM FILE "/p/Elija" "0123456789*#"'
    assert dialplan.says(DONE) == "WAIT FOR DIGIT 6000"
    assert dialplan.says(key("1")) == 'STREAM FILE "/p/Marque" "0123456789*#"'
    assert dialplan.says(key("1")) == "WAIT FOR DIGIT 4000"
    for digit in "234":
        dialplan.says(key(digit))
    assert dialplan.wire.closed
    assert dialplan.variables == {
        "TELEFONISTA_OUTCOME": "queue",
        "TELEFONISTA_QUEUE": "tramites",
        "TELEFONISTA_PRIORITY": "3",
        "TELEFONISTA_TOPIC": "trámites",
        "TELEFONISTA_VAR_CEDULA": "1234",
        "TELEFONISTA_VAR_NUMERO": "",
        "TELEFONISTA_VAR_RARO": "",
        "TELEFONISTA_VAR_VIP": "true",
    }


def test_key_that_stops_nothing_lets_the_sound_go_on_where_it_was() -> None:
    dialplan = Dialplan()
    dialplan.says(b"200 result=0\n")
    assert dialplan.says(key("9", at=1234)) == 'STREAM FILE "/p/Hola" "0123456789*#" 1234'
    assert dialplan.says(DONE) == 'STREAM FILE "/p/Adis" "0123456789*#"'


def test_silence_and_a_key_that_does_not_exist_are_told() -> None:
    dialplan = Dialplan().led("")
    dialplan.says(DONE)
    assert dialplan.says(DONE) == 'STREAM FILE "/p/Nada" "0123456789*#"'
    dialplan = Dialplan().led("8")
    assert dialplan.command == "WAIT FOR DIGIT 500"
    dialplan.says(DONE)
    dialplan.says(DONE)
    assert dialplan.variables["TELEFONISTA_QUEUE"] == "general"


@pytest.mark.parametrize(
    ("digit", "outcome"),
    [
        ("3", {"OUTCOME": "transfer", "NUMBER": "1950"}),
        ("4", {"OUTCOME": "back_to_queue"}),
        ("0", {"OUTCOME": "queue", "QUEUE": "general"}),
    ],
)
def test_ways_out_are_told_in_variables(digit: str, outcome: dict[str, str]) -> None:
    dialplan = Dialplan().led(digit)
    assert dialplan.wire.closed
    assert {f"TELEFONISTA_{name}": value for name, value in outcome.items()}.items() <= dialplan.variables.items()


def test_callback_is_the_dialplans_to_make() -> None:
    dialplan = Dialplan().led("5")
    assert dialplan.command == 'STREAM FILE "/p/Adis" "0123456789*#"'
    dialplan.says(DONE)
    assert dialplan.variables["TELEFONISTA_OUTCOME"] == "goodbye"
    assert dialplan.variables["TELEFONISTA_CALLBACK_QUEUE"] == "tramites"


def test_other_flow_is_gone_through_on_the_same_channel() -> None:
    dialplan = Dialplan().led("7")
    assert dialplan.command == 'STREAM FILE "/p/Desdelaotra" "0123456789*#"'
    dialplan.says(DONE)
    assert dialplan.variables["TELEFONISTA_OUTCOME"] == "goodbye"


def test_message_is_recorded_until_a_key() -> None:
    dialplan = Dialplan().led("6")
    assert dialplan.says(DONE) == 'STREAM FILE "/p/Hableahora" ""'
    recording = dialplan.says(DONE)
    assert recording.startswith('RECORD FILE "/spool/agi-')
    assert recording.endswith('.r501" wav "0123456789*#" 60000 s=5')
    assert dialplan.says(key("5", at=24000)) == 'STREAM FILE "/p/Adis" "0123456789*#"'
    dialplan.says(DONE)
    assert dialplan.variables["TELEFONISTA_MESSAGE"].startswith("/spool/agi-")
    assert dialplan.variables["TELEFONISTA_MESSAGE_QUEUE"] == "tramites"


def test_zero_in_a_message_leads_to_a_person_and_a_recording_that_fails_too() -> None:
    for reply in (key("0"), b"200 result=-1 (randomerror) endpos=0\n"):
        dialplan = Dialplan().led("6")
        dialplan.says(DONE)
        dialplan.says(DONE)
        dialplan.says(reply)
        assert dialplan.variables["TELEFONISTA_QUEUE"] == "general"


def test_message_counts_when_the_citizen_hangs_up_after_it() -> None:
    dialplan = Dialplan().led("6")
    dialplan.says(DONE)
    dialplan.says(DONE)
    dialplan.says(b"HANGUP\n200 result=-1 (hangup) endpos=16000\n")
    assert dialplan.variables["TELEFONISTA_MESSAGE_QUEUE"] == "tramites"
    assert dialplan.variables["TELEFONISTA_OUTCOME"] == "hung_up"


def test_channel_waits_for_keys_while_another_system_is_asked() -> None:
    answer: Deferred[Event] = Deferred()
    dialplan = Dialplan(answers=answer).led("2")
    assert dialplan.command == 'STREAM FILE "/p/Unmomento" "0123456789*#"'
    assert dialplan.says(DONE) == "WAIT FOR DIGIT 250"
    assert dialplan.says(DONE) == "WAIT FOR DIGIT 250"
    (errand,) = dialplan.asked
    answer.callback(LookupAnswered(call=errand.call, request=errand.request, values={"deuda": "15"}, private=True))
    assert dialplan.says(DONE) == 'STREAM FILE "/p/Debe" "0123456789*#"'
    for _ in range(4):
        dialplan.says(DONE)
    assert dialplan.variables["TELEFONISTA_OUTCOME"] == "goodbye"
    assert not any("DEUDA" in name for name in dialplan.variables)


def test_answer_that_comes_while_it_is_spoken_counts_afterwards() -> None:
    answer: Deferred[Event] = Deferred()
    dialplan = Dialplan(answers=answer).led("2")
    (errand,) = dialplan.asked
    answer.callback(LookupFailed(call=errand.call, request=errand.request, why="away"))
    dialplan.says(DONE)
    assert dialplan.variables["TELEFONISTA_QUEUE"] == "general"


def test_system_that_never_answers_and_a_key_meanwhile() -> None:
    dialplan = Dialplan(answers=Deferred()).led("2")
    for _ in range(9):
        dialplan.says(DONE)
    assert dialplan.variables["TELEFONISTA_QUEUE"] == "general"
    dialplan = Dialplan(answers=Deferred()).led("2")
    dialplan.says(DONE)
    assert dialplan.says(key("7")) == "WAIT FOR DIGIT 250"
    dialplan.says(key("0"))
    assert dialplan.variables["TELEFONISTA_QUEUE"] == "general"


@pytest.mark.parametrize("replies", [0, 1, 2, 3])
def test_citizen_who_hangs_up_anywhere_is_told_to_the_dialplan(replies: int) -> None:
    dialplan = Dialplan()
    for _ in range(replies):
        dialplan.says(DONE)
    dialplan.says(b"HANGUP\n200 result=-1 endpos=0\n")
    assert dialplan.wire.closed
    assert dialplan.variables.get("TELEFONISTA_OUTCOME") == ("hung_up" if replies else None)


def test_connection_that_is_lost_ends_the_conversation() -> None:
    dialplan = Dialplan().led("")
    dialplan.wire.hangs_up()
    assert dialplan.variables == {}


def test_flow_that_is_not_there_is_told_at_once() -> None:
    dialplan = Dialplan(flow="nada")
    assert dialplan.command == 'SET VARIABLE TELEFONISTA_OUTCOME "unknown_flow"'
    dialplan.says(b"200 result=1\n")
    assert dialplan.wire.closed


def test_value_that_must_not_go_out_is_kept_back(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile: Any = {"cedula": "1\n2", "vip": False}
    monkeypatch.setattr("telefonista.pbx.agi_flow.FlowCall.variables", property(lambda _: hostile))
    dialplan = Dialplan().led("3")
    assert dialplan.wire.closed
    assert "cedula" not in dialplan.variables
