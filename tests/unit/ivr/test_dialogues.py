"""Dialogues beside a flow: those that are shipped go as written, and one that does not is told with its line."""

from datetime import UTC, datetime

import pytest

from ivr import Flow, FlowInvalid, read_flow, sample_flow
from ivr.dialogues import moment_of, play, read_dialogues
from ivr.rehearsal import Rehearsal
from telefonista.app.flow_cli import dialogues_of
from telefonista.app.flows import SAMPLES

FLOW = read_flow(
    """\
flow: prueba
language: es
start: menu
variables: {pin: text, vueltas: number}
nodes:
  menu:
    menu: Para el PIN, marque uno. Para una persona, marque cero.
    options: {1: pin, 0: persona}
    on_invalid: Esa opción no existe.
    on_timeout: No recibimos nada.
    on_failure: persona
  pin:
    ask: Marque su PIN.
    into: pin
    digits: 4
    on_invalid: Son cuatro cifras.
    on_timeout: No recibimos su PIN.
    then: gracias
    on_failure: persona
  gracias: {hangup: true, say: "Su PIN es {pin}. Gracias."}
  persona: {queue: general, say: Aguarde.}
""",
    file="prueba.yaml",
)


def played(steps: str, *, flow: Flow = FLOW) -> str:
    """What goes otherwise, without the file; empty when nothing does."""
    text = f"Uno:\n  steps:\n{''.join(f'    - {step}' + chr(10) for step in steps.split(' | '))}"
    (dialogue,) = read_dialogues(text, flow=flow, file="d.yaml")
    problem = play(dialogue, flow=flow, file="d.yaml")
    return "" if problem is None else str(problem).removeprefix("d.yaml:")


@pytest.mark.parametrize("name", SAMPLES)
def test_every_dialogue_of_a_shipped_flow_goes_as_written(name: str) -> None:
    flow = sample_flow(name)
    file, text = dialogues_of(name)
    dialogues = read_dialogues(text, flow=flow, file=file)
    assert len(dialogues) > 3
    assert [str(wrong) for each in dialogues if (wrong := play(each, flow=flow, file=file)) is not None] == []


@pytest.mark.parametrize(
    "steps",
    [
        "hears: para el pin | presses: '1' | presses: '1234' | hears: pin es uno, dos, tres, cuatro. gracias | "
        "knows: pin == '1234' | ends: goodbye",
        "waits | hears: No recibimos nada. Para el PIN | waits | waits | ends: queue general",
        "presses: '1' | waits | hears: su PIN | presses: '12#' | hears: cuatro cifras | hangs up | ends: hung up",
    ],
)
def test_dialogue_that_is_as_the_flow_goes_has_nothing_to_tell(steps: str) -> None:
    assert played(steps) == ""


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("hears: Buenas | ends: goodbye", '3: "Uno": not heard: "Buenas"; what was said is "para el pin, marque uno.'),
        (
            "hears: marque cero | hears: Para el PIN | ends: goodbye",
            '4: "Uno": not heard: "Para el PIN"; what was said is "."',
        ),
        ("presses: '0' | hears: Marque | ends: goodbye", '4: "Uno": not heard: "Marque"; what was said is "aguarde."'),
        ("ends: goodbye", '3: "Uno": it ends with a wait for a key'),
        ("presses: '0' | ends: queue otra", '4: "Uno": it ends with queue general'),
        ("hangs up | presses: '0' | ends: hung up", '4: "Uno": it is over already: hung up'),
        ("knows: vueltas > 0 | ends: goodbye", "3: \"Uno\": not so: pin is '', vueltas is 0"),
    ],
)
def test_dialogue_that_goes_otherwise_is_told_with_its_line(steps: str, told: str) -> None:
    assert played(steps).startswith(told)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1: there is nothing in it"),
        ("hola", "1: dialogues are a list of names, each with its steps"),
        ("Uno: dos", '1: "Uno" needs "steps", and may have "at"'),
        ("Uno: {steps: []}", '1: "Uno" needs "steps", and may have "at"'),
        ("Uno: {steps: [waits], seps: 3}", '1: "Uno" needs "steps", and may have "at"'),
        ("Uno: {at: mañana, steps: ['ends': goodbye]}", '1: "at" is a moment such as 2026-11-22 15:00'),
        ("Uno: {steps: [waits]}", '1: the last step must say how it ends: "ends: queue NAME", goodbye or hung up'),
        ("Uno: {steps: [sleeps, 'ends': goodbye]}", "1: a step is one of waits, hangs up, nothing found"),
        ("Uno: {steps: [{hear: x}, {ends: goodbye}]}", '1: unknown step "hear"; did you mean "hears"?'),
        ("Uno: {steps: [{presses: x}, {ends: goodbye}]}", '1: "x" are no keys of a telephone'),
        (
            "Uno: {steps: [{ends: well}]}",
            '1: "well" is no end: "queue NAME", "number N", "flow NAME", goodbye, hung up',
        ),
        ("Uno: {steps: [{knows: pin >}, {ends: goodbye}]}", '1: "pin >": something is missing at its end'),
        ("Uno: {steps: [{knows: pin}, {ends: goodbye}]}", '1: "pin" is a text, and a truth is needed'),
    ],
)
def test_text_that_is_no_dialogue_is_told_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(FlowInvalid) as refusal:
        read_dialogues(text, flow=FLOW, file="d.yaml")
    assert str(refusal.value).removeprefix("d.yaml:").startswith(problem)


def test_moment_is_that_of_the_office() -> None:
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
    assert moment_of("2026-11-22 12:00", flow=FLOW) == noon
    assert moment_of("2026-11-22 09:00", flow=sample_flow("santa-fe")) == noon
    assert moment_of("2026-11-22 12:00+00:00", flow=sample_flow("santa-fe")) == noon


def test_rehearsal_tells_whose_turn_it_is() -> None:
    call = Rehearsal(FLOW, at=0.0)
    assert (call.is_speaking, call.is_waiting, call.node) == (True, False, "menu")
    call.listens()
    assert (call.is_speaking, call.is_waiting) == (False, True)
    before = call.at
    call.listens()
    call.lets_time_pass()
    assert call.at == before + 6.0
    call.hangs_up()
    call.lets_time_pass()
    assert call.ended == "hung up"
