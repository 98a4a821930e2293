"""What a flow asks of other systems and of the back office, and what it hears then: found, nothing, silence."""

import msgspec
import pytest

from ivr import FlowInvalid, Source, check_sources, read_flow
from ivr.core.behaviours import NO_ANSWER
from ivr.core.moves import ANSWER_WAIT_KEY, State
from telefonista.kernel.commands import LookUp, OpenTicket, ReadTicket, SetTimer, StopPlayback, Wanted
from telefonista.kernel.events import (
    CallbackRefused,
    FlowEntered,
    HandedOff,
    LegEnded,
    LookupAnswered,
    LookupFailed,
    NodeEntered,
    OptionChosen,
    PlaybackEnded,
    TicketOpened,
    TicketStatus,
    journalled,
)
from telefonista.kernel.ids import NodeName, PlaybackId, citizen_leg
from tests.unit.ivr.conversation import CALL, Line

TEXT = """\
flow: deuda
language: es-UY
start: buscar
person: persona
variables:
  matricula: text
  monto: private text
  cuotas: private number
  numero: text
  estado: text
nodes:
  buscar:
    lookup: patente
    with: {matricula: matricula, anio: 2026}
    into: {monto: deuda, cuotas: cuotas}
    say: Un momento, por favor.
    found: decir
    nothing: nada
    on_failure: falla
    deadline_s: 3
  decir: {say: "Debe {monto:money} en {cuotas} cuotas.", then: abrir}
  nada: {hangup: true, say: No debe nada.}
  falla: {say: No podemos consultarlo ahora., then: persona}
  abrir:
    ticket: open
    topic: patente
    into: numero
    with: {matricula: matricula, cuotas: cuotas + 1}
    then: leer
    on_failure: falla
  leer:
    ticket: status
    number: numero
    into: estado
    found: fin
    nothing: nada
    on_failure: falla
  fin: {hangup: true, say: "Su reclamo es el {numero}."}
  persona: {queue: general}
"""
FLOW = read_flow(TEXT, file="deuda.yaml")
ANSWER = LookupAnswered(call=CALL, request=1, values={"monto": "1500,50", "cuotas": 3})


def asking() -> Line:
    return Line(FLOW).arrives()


def entered(line: Line) -> list[str]:
    return [event.node for event in line.decisions if isinstance(event, NodeEntered)]


def test_source_is_asked_while_the_citizen_is_told_to_wait() -> None:
    line = asking()
    asked, *_ = line.commands
    assert asked == LookUp(
        call=CALL,
        request=1,
        source="patente",
        parameters={"matricula": "", "anio": 2026},
        wanted={"monto": Wanted("deuda", "text"), "cuotas": Wanted("cuotas", "number")},
        deadline_s=3.0,
    )
    assert line.said == "Un momento, por favor."


def test_answer_that_comes_early_lets_the_sentence_be_said_to_its_end() -> None:
    line = asking()
    line.happens(ANSWER)
    assert (line.commands, line.session.state) == ([], State.PLAYING)
    line.hears_all()
    assert line.said.startswith("Debe | mil | quinientos | pesos | con | cincuenta | centésimos.")


def test_answer_that_comes_late_is_waited_for() -> None:
    line = asking()
    line.hears_all()
    (timer,) = line.timers()
    assert (timer.key, timer.after_s) == (ANSWER_WAIT_KEY, 4.0)
    line.happens(ANSWER)
    assert entered(line) == ["decir"]
    assert line.session.variables["cuotas"] == 3


@pytest.mark.parametrize("heard", [True, False])
def test_nothing_found_and_failure_have_ways_of_their_own(heard: bool) -> None:
    for answer, node in (
        (LookupAnswered(call=CALL, request=1, found=False), "nada"),
        (LookupFailed(call=CALL, request=1, why="timeout"), "falla"),
    ):
        line = asking()
        if heard:
            line.hears_all()
        line.happens(answer)
        if not heard:
            line.hears_all()
        assert line.session.node == node


def test_source_that_never_answers_is_a_failure_with_its_reason_in_the_journal() -> None:
    line = asking()
    line.hears_all()
    line.waits()
    assert line.decisions[0] == LookupFailed(call=CALL, request=1, why=NO_ANSWER)
    assert line.session.node == "falla"
    line.happens(ANSWER)
    assert line.session.variables["monto"] == ""


def test_answer_to_an_earlier_question_is_not_taken_for_this_one() -> None:
    line = asking()
    for late in (
        LookupAnswered(call=CALL, request=9, values={"monto": "1"}),
        LookupFailed(call=CALL, request=9, why="late"),
        TicketOpened(call=CALL, request=9, ticket="1"),
        TicketStatus(call=CALL, request=9, ticket="1", status="open"),
    ):
        line.happens(late)
        assert (line.session.node, line.session.answered) == ("buscar", "")


def test_values_of_another_kind_than_the_variables_are_left_out() -> None:
    line = asking()
    line.happens(LookupAnswered(call=CALL, request=1, values={"monto": 5, "cuotas": 3, "otra": "x"}))
    assert (line.session.variables["monto"], line.session.variables["cuotas"]) == ("", 3)
    assert "otra" not in line.session.variables


def test_zero_leads_to_a_person_while_another_system_is_asked() -> None:
    line = asking()
    line.presses("0")
    assert line.decisions[0] == OptionChosen(call=CALL, node=NodeName("buscar"), digit="0", option="persona")
    assert any(isinstance(command, StopPlayback) for command in line.commands)
    assert any(isinstance(event, HandedOff) for event in line.decisions)


def test_other_keys_while_another_system_is_asked_are_kept() -> None:
    line = asking()
    line.presses("7")
    assert line.session.typed_ahead == "7"


def test_ticket_is_opened_and_its_number_is_known() -> None:
    line = asking()
    line.happens(ANSWER)
    line.hears_all()
    line.hears_all()
    asked = line.commands[-2]
    assert asked == OpenTicket(
        call=CALL,
        request=2,
        key=f"{CALL}.t1",
        topic="patente",
        details={"matricula": "", "cuotas": "4"},
        deadline_s=4.0,
    )
    line.happens(TicketOpened(call=CALL, request=2, ticket="1000009", topic="patente"))
    assert (line.session.variables["numero"], line.session.tickets) == ("1000009", 1)
    assert line.commands[-2] == ReadTicket(call=CALL, request=3, ticket="1000009", deadline_s=4.0)
    line.happens(TicketStatus(call=CALL, request=3, ticket="1000009", status="open"))
    assert line.said.startswith("Su reclamo es el | uno, | cero,")
    assert line.session.variables["estado"] == "open"


def test_ticket_that_is_not_there_is_told() -> None:
    line = asking()
    line.happens(ANSWER)
    line.hears_all()
    line.hears_all()
    line.happens(TicketOpened(call=CALL, request=2, ticket="1"), TicketStatus(call=CALL, request=3, ticket="1"))
    assert line.said == "No debe nada."


def test_ticket_that_cannot_be_opened_leads_elsewhere() -> None:
    line = asking()
    line.happens(ANSWER)
    line.hears_all()
    line.hears_all()
    line.happens(LookupFailed(call=CALL, request=2, why="database away"))
    assert line.session.node == "falla"


def test_node_whose_variable_is_gone_takes_no_number() -> None:
    """A flow that was changed while the engine was away."""
    changed = msgspec.structs.replace(FLOW, variables={})
    line = Line(changed).arrives()
    line.happens(ANSWER)
    line.hears_all()
    line.hears_all()
    line.happens(TicketOpened(call=CALL, request=2, ticket="1000009"))
    assert (line.session.node, line.session.variables) == ("leer", {})


def test_hang_up_while_another_system_is_asked_ends_it() -> None:
    for waits in (False, True):
        line = asking()
        if waits:
            line.hears_all()
        line.happens(LegEnded(call=CALL, leg=citizen_leg(CALL), cause=16))
        assert line.session.state is State.ENDED
        line.happens(ANSWER)
        assert line.session.state is State.ENDED


def test_after_a_restart_what_was_asked_is_asked_again() -> None:
    line = asking()
    line.hears_all()
    again = Line(FLOW, journal=line.journal)
    again.resumes()
    assert again.commands[0] == line.session.errand
    assert isinstance(again.commands[1], SetTimer)
    speaking = Line(FLOW, journal=asking().journal)
    speaking.resumes()
    assert isinstance(speaking.commands[-3], LookUp)


def test_ticket_asked_for_again_after_a_restart_is_the_same_one() -> None:
    line = asking()
    line.happens(ANSWER)
    line.hears_all()
    line.hears_all()
    first = line.commands[-2]
    again = Line(FLOW, journal=line.journal)
    again.resumes()
    assert isinstance(first, OpenTicket)
    assert again.commands[0] == first


def test_private_answer_is_asked_for_again_after_a_restart() -> None:
    line = asking()
    line.happens(LookupAnswered(call=CALL, request=1, values={"monto": "1500", "cuotas": 3}, private=True))
    line.hears_all()
    assert line.session.variables["monto"] == "1500"
    kept = [journalled(event) for event in line.journal]
    assert "1500" not in repr(kept)
    again = Line(FLOW, journal=kept)
    assert (again.session.node, again.session.variables["monto"], again.session.variables["cuotas"]) == ("decir", "", 0)
    again.resumes()
    assert (again.session.node, again.session.veiled_by) == ("buscar", "")
    again.happens(LookupAnswered(call=CALL, request=2, values={"monto": "1500", "cuotas": 3}, private=True))
    again.hears_all()
    assert again.session.variables["monto"] == "1500"


def test_masks_of_variables_that_are_gone_are_no_trouble() -> None:
    line = asking()
    line.happens(LookupAnswered(call=CALL, request=1, values={"otra": "•••"}, private=True, masked=True))
    assert line.session.veiled_by == "buscar"


def test_sound_that_ends_twice_is_no_trouble() -> None:
    line = asking()
    line.hears_all()
    line.happens(PlaybackEnded(call=CALL, playback=PlaybackId(f"{CALL}.p1")))
    assert line.session.state is State.WAITING


def test_numbers_of_what_is_asked_go_on_in_the_next_flow() -> None:
    line = asking()
    line.happens(FlowEntered(call=CALL, flow=FLOW.name, version=FLOW.version))
    assert (line.session.requests, line.session.errand) == (1, None)


SOURCES = {"patente": Source(frozenset({"matricula", "anio"}), private=True)}


def test_sources_are_those_of_the_installation() -> None:
    assert check_sources(FLOW, SOURCES) == ()
    open_flow = read_flow(TEXT.replace("private ", "").replace("anio", "padron"), file="d.yaml")
    (*_,) = problems = [str(problem) for problem in check_sources(open_flow, SOURCES)]
    assert problems == [
        'd.yaml:13: unknown parameter "padron" in source patente; known: anio, matricula',
        'd.yaml:13: source "patente" also needs anio',
        'd.yaml:13: source "patente" is private: make "monto" a private variable',
        'd.yaml:13: source "patente" is private: make "cuotas" a private variable',
    ]
    assert "unknown source" in str(check_sources(FLOW, {"patent": Source(frozenset())})[0])


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("person: persona\n", "", '12: node "buscar" needs a way to a person'),
        ("person: persona\n", "person: fin\n", '"person" does not lead to a person'),
        ("{monto: deuda, cuotas: cuotas}", "deuda", '"into" needs variables'),
        ("{monto: deuda, cuotas: cuotas}", "{monto: 'a b'}", "cannot be a field"),
        ("{monto: deuda, cuotas: cuotas}", "{nada: deuda}", 'unknown variable "nada"'),
        ("{monto: deuda, cuotas: cuotas}", "{monto: []}", '"monto" needs one word'),
        ("into: {monto: deuda, cuotas: cuotas}\n    ", "", 'node "buscar" needs "into"'),
        ("{matricula: matricula, anio: 2026}", "{matricula: matricula +}", "something is missing"),
        ("{matricula: matricula, anio: 2026}", "{'a b': matricula}", "cannot be a name"),
        ("{matricula: matricula, anio: 2026}", "matricula", '"with" needs names'),
        ("{matricula: matricula, anio: 2026}", "{a: []}", '"a" needs one word'),
        ("{matricula: matricula, anio: 2026}", "{" + ", ".join(f"a{n}: 1" for n in range(21)) + "}", "more than 20"),
        ("lookup: patente", "lookup: Patente", "cannot be a name"),
        ("deadline_s: 3", "deadline_s: 99", '"deadline_s" must be a number from 0.5 to 15'),
        ("ticket: open", "ticket: close", '"ticket" is open or status'),
        ("ticket: open", "ticket: []", '"ticket" needs one word'),
        ("    into: numero\n    with", "    into: cuotas\n    with", '"cuotas" must be a text'),
        ("    topic: patente\n", "", 'needs "topic"'),
        ("topic: patente", f"topic: {'x' * 60}", '"topic" is a few words'),
        ("    number: numero\n", "", 'needs "number"'),
        ("    number: numero\n", "    number: numero\n    then: fin\n", 'unknown key "then"'),
        ("monto: private text", "monto: private words", 'unknown kind "private words"'),
        ("person: persona\n", "person: []\n", '"person" needs one word'),
        ("found: decir", "found: buscar", "goes round for ever"),
    ],
)
def test_each_mistake_is_named(old: str, new: str, expected: str) -> None:
    assert TEXT.count(old) >= 1
    with pytest.raises(FlowInvalid) as refusal:
        read_flow(TEXT.replace(old, new, 1), file="d.yaml")
    assert expected in str(refusal.value)


def test_what_is_said_meanwhile_is_prepared() -> None:
    assert "Un momento, por favor." in {prompt.text for prompt in FLOW.prompts}


def test_source_may_be_asked_without_telling_it_anything() -> None:
    line = Line(read_flow(TEXT.replace("    with: {matricula: matricula, anio: 2026}\n", ""), file="d.yaml")).arrives()
    asked = line.commands[0]
    assert isinstance(asked, LookUp)
    assert asked.parameters == {}


def test_what_was_told_of_something_else_is_no_answer() -> None:
    line = asking()
    line.hears_all()
    line.happens(CallbackRefused(call=CALL, why="closed"))
    assert (line.session.node, line.session.state) == ("buscar", State.WAITING)
