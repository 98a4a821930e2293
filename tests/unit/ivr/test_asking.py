"""Numbers asked for, variables, conditions, hours and sub-flows: what a citizen hears, types and is told."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr import Flow, FlowInvalid, read_flow
from ivr.core.flow import Ask, Branch, Invoke, Menu, Return, Say, Set, Slot, Template
from ivr.core.moves import KEY_WAIT_KEY, State
from ivr.core.saying import Manner
from ivr.core.session import MOST_NODES
from ivr.prompts import check
from telefonista.kernel.commands import Prompt
from telefonista.kernel.events import (
    Entry,
    InputRejected,
    InputTaken,
    NodeEntered,
    OptionChosen,
    VariableSet,
)
from telefonista.kernel.ids import NodeName
from tests.unit.ivr.conversation import CALL, Line, handed_off, hung_up

TEXT = """\
flow: turnos
language: es-UY
variables: {cedula: text, anio: text, vueltas: number, avisado: truth}
start: horario
nodes:
  horario:
    hours: {timezone: America/Montevideo, weekly: {monday-friday: 8-18}, holidays: UY}
    open: pedir
    closed: cerrado
  cerrado: {hangup: true, say: Está cerrado.}
  pedir:
    ask: Marque su cédula.
    into: cedula
    document: cedula
    on_invalid: [Ese número no es de una cédula., "Revise el número, por favor."]
    on_timeout: No recibimos su número.
    tries: 4
    then: confirmar
    on_failure: persona
  confirmar:
    confirm: "Usted marcó {cedula}. Si es correcto, marque uno. Si no, marque dos."
    yes: contar
    no: pedir
    on_invalid: Marque uno o dos.
    on_timeout: No recibimos su respuesta.
    on_failure: persona
  contar:
    set: {vueltas: vueltas + 1, avisado: "vueltas > 0"}
    then: elegir
  elegir:
    branch:
      "avisado and vueltas >= 2": adios
      "cedula == '12345672'": saludo
    otherwise: anio
  saludo: {invoke: aviso, then: contar}
  aviso: {say: "Van {vueltas} vueltas y {vueltas:money}", then: listo}
  listo: {return: true}
  anio:
    ask: Marque el año y numeral.
    into: anio
    digits: 2-4
    on_invalid: No es un año.
    on_timeout: No recibimos nada.
    then: persona
    on_failure: persona
    barge_in: false
    first_digit_s: 5
    between_digits_s: 3
    overall_s: 10
  persona: {queue: general}
  adios: {hangup: true, say: "Hasta luego {cedula:code}."}
"""
WORDINGS = '[Ese número no es de una cédula., "Revise el número, por favor."]'
FLOW = read_flow(TEXT, file="turnos.yaml")
WORKDAY = datetime(2026, 11, 24, 15, 0, tzinfo=UTC).timestamp()
SUNDAY = datetime(2026, 11, 22, 15, 0, tzinfo=UTC).timestamp()
CEDULA = "12345672"


def open_line(flow: Flow = FLOW) -> Line:
    line = Line(flow, at=WORKDAY)
    return line.arrives()


def test_new_kinds_of_nodes_read_as_they_are_written() -> None:
    pedir, anio = FLOW.nodes[NodeName("pedir")], FLOW.nodes[NodeName("anio")]
    assert isinstance(pedir, Ask)
    assert isinstance(anio, Ask)
    assert (pedir.least, pedir.most, pedir.document, pedir.terminator, pedir.tries) == (7, 8, "cedula", "#", 4)
    assert (anio.least, anio.most, anio.document, anio.barge_in) == (2, 4, "", False)
    assert (anio.first_digit_s, anio.between_digits_s, anio.overall_s) == (5.0, 3.0, 10.0)
    confirmar = FLOW.nodes[NodeName("confirmar")]
    assert isinstance(confirmar, Menu)
    assert dict(confirmar.options) == {"1": "contar", "2": "pedir", "0": "persona"}
    assert confirmar.prompt == Template(
        (
            Prompt("Usted marcó", "es-UY", "turnos__confirmar_1"),
            Slot("cedula", Manner.DIGITS),
            Prompt("Si es correcto, marque uno. Si no, marque dos.", "es-UY", "turnos__confirmar_2"),
        )
    )
    assert confirmar.prompt.text == "Usted marcó {cedula:digits} Si es correcto, marque uno. Si no, marque dos."
    assert isinstance(FLOW.nodes[NodeName("elegir")], Branch)
    assert isinstance(FLOW.nodes[NodeName("contar")], Set)
    assert isinstance(FLOW.nodes[NodeName("saludo")], Invoke)
    assert isinstance(FLOW.nodes[NodeName("listo")], Return)


def test_every_piece_of_a_value_is_among_what_is_prepared() -> None:
    texts = {prompt.text for prompt in FLOW.prompts}
    assert {"dos,", "millones", "pesos.", "be larga,"} <= texts


def test_closed_office_says_so_and_hangs_up() -> None:
    line = Line(FLOW, at=SUNDAY).arrives()
    assert line.said == "Está cerrado."


def test_citizen_hears_the_number_that_was_typed_and_confirms_it() -> None:
    line = open_line()
    assert line.said == "Marque su cédula."
    line.presses(CEDULA)
    assert line.decisions == [
        InputTaken(call=CALL, node=NodeName("pedir"), name="cedula", value=CEDULA),
        NodeEntered(call=CALL, node=NodeName("confirmar")),
    ]
    assert line.said == (
        "Usted marcó | uno, | dos, | tres, | cuatro, | cinco, | seis, | siete, | dos. | "
        "Si es correcto, marque uno. Si no, marque dos."
    )
    line.presses("2")
    assert (line.session.node, line.said) == ("pedir", "Marque su cédula.")
    line.presses(CEDULA)
    line.presses("1")
    assert line.decisions[1:] == [
        NodeEntered(call=CALL, node=NodeName("contar")),
        VariableSet(call=CALL, name="vueltas", value=1),
        VariableSet(call=CALL, name="avisado", value=False),
        NodeEntered(call=CALL, node=NodeName("elegir")),
        NodeEntered(call=CALL, node=NodeName("saludo")),
        NodeEntered(call=CALL, node=NodeName("aviso")),
    ]
    assert line.said == "Van | uno. | vueltas y | un | peso."
    assert list(line.session.returns) == ["contar"]
    line.hears_all()
    assert list(line.session.returns) == []
    assert line.session.variables == {"cedula": CEDULA, "anio": "", "vueltas": 2, "avisado": True}
    assert line.said.startswith("Hasta luego | uno,")


def test_what_was_typed_is_in_the_journal_and_in_no_line_of_a_log() -> None:
    line = open_line()
    line.presses(CEDULA)
    assert any(CEDULA in str(msgspec.json.encode(event)) for event in line.journal)
    assert CEDULA not in repr(line.journal)
    assert CEDULA not in repr(VariableSet(call=CALL, name="cedula", value=CEDULA))


def test_each_mistake_has_its_own_wording_and_the_last_stays() -> None:
    line = open_line()
    heard = []
    for _ in range(3):
        line.presses("12345678")
        heard.append(line.said)
        assert InputRejected(call=CALL, node=NodeName("pedir"), digit="?") in line.decisions
    assert heard == [
        "Ese número no es de una cédula. | Marque su cédula.",
        *["Revise el número, por favor. | Marque su cédula."] * 2,
    ]
    line.presses("12345678")
    assert line.decisions[-2:] == handed_off("general")


def test_citizen_who_types_nothing_is_asked_again_and_then_helped() -> None:
    line = open_line()
    for _ in range(3):
        line.hears_all()
        assert [(timer.key, timer.after_s) for timer in line.timers()] == [(KEY_WAIT_KEY, 8.0)]
        line.waits()
        assert line.said == "No recibimos su número. | Marque su cédula."
    line.hears_all()
    line.waits()
    assert line.decisions[-2:] == handed_off("general")


def test_shorter_number_counts_when_no_more_comes() -> None:
    line = open_line()
    line.presses("1234561")
    assert line.session.state is State.WAITING
    assert [timer.after_s for timer in line.timers()] == [4.0]
    line.waits()
    assert line.session.variables["cedula"] == "1234561"


@pytest.mark.parametrize("keys", ["1234561#", "99*1234561#", "12A34B561#"])
def test_number_ends_at_the_hash_begins_anew_at_the_star_and_knows_no_letters(keys: str) -> None:
    line = open_line()
    line.presses(keys)
    assert line.session.variables["cedula"] == "1234561"


def test_star_gives_the_time_of_a_first_digit_again() -> None:
    line = open_line()
    line.presses("12")
    line.presses("*")
    assert [timer.after_s for timer in line.timers()] == [8.0]


@pytest.mark.parametrize("end", ["#", "silence"])
def test_lone_zero_is_the_way_to_a_person(end: str) -> None:
    line = open_line()
    line.presses("0")
    line.presses("#") if end == "#" else line.waits()
    assert line.decisions == [
        OptionChosen(call=CALL, node=NodeName("pedir"), digit="0", option="persona"),
        NodeEntered(call=CALL, node=NodeName("persona")),
        *handed_off("general"),
    ]


def test_hash_with_nothing_before_it_is_a_mistake() -> None:
    line = open_line()
    line.presses("#")
    assert line.said.startswith("Ese número")


def year_line() -> Line:
    line = open_line()
    line.presses("1234561#")
    line.presses("1")
    assert line.said == "Marque el año y numeral."
    return line


def test_question_without_barge_in_is_heard_to_its_end_and_takes_what_was_typed_meanwhile() -> None:
    line = year_line()
    line.presses("19")
    assert (line.decisions, line.commands) == ([], [])
    line.hears_all()
    assert (line.session.typed, line.session.state) == ("19", State.WAITING)
    line.presses("85")
    assert line.session.variables["anio"] == "1985"
    assert line.decisions[-2:] == handed_off("general")


def test_number_typed_ahead_is_not_asked_for() -> None:
    line = open_line(
        read_flow(
            TEXT.replace("start: horario", "start: aviso0").replace(
                "nodes:\n", "nodes:\n  aviso0: {say: Hola., then: horario}\n"
            ),
            file="turnos.yaml",
        )
    )
    line.presses(f"{CEDULA}1")
    line.hears_all()
    assert [event.node for event in line.decisions if isinstance(event, NodeEntered)][:4] == [
        "horario",
        "pedir",
        "confirmar",
        "contar",
    ]


def test_slow_typist_has_the_overall_time_and_no_more() -> None:
    line = year_line()
    line.hears_all()
    waits = []
    for seconds, digit in enumerate("198"):
        line.at = WORKDAY + 4 * seconds
        line.presses(digit)
        waits += [timer.after_s for timer in line.timers()]
    assert waits == [3.0, 3.0, 2.0]
    line.waits()
    assert line.session.variables["anio"] == "198"


def test_clock_that_jumps_makes_no_negative_wait() -> None:
    line = year_line()
    line.hears_all()
    line.presses("1")
    line.at = WORKDAY + 1000
    line.presses("9")
    assert [timer.after_s for timer in line.timers()] == [0.0]


def test_variable_that_a_changed_flow_has_no_longer_is_forgotten() -> None:
    line = open_line()
    line.happens(VariableSet(call=CALL, name="otra", value="x"), VariableSet(call=CALL, name="vueltas", value="x"))
    assert line.session.variables == {"cedula": "", "anio": "", "vueltas": 0, "avisado": False}


def test_return_that_nothing_led_to_goes_to_a_person() -> None:
    line = open_line()
    line.happens(NodeEntered(call=CALL, node=NodeName("listo")))
    assert line.decisions == handed_off("general")


def test_node_that_is_gone_forgets_the_sub_flow_it_was_in() -> None:
    line = open_line()
    line.happens(NodeEntered(call=CALL, node=NodeName("saludo")), NodeEntered(call=CALL, node=NodeName("borrado")))
    assert (line.session.node, line.session.returns) == ("pedir", ())


def test_value_that_is_not_there_is_said_as_none() -> None:
    flow = msgspec.structs.replace(FLOW, variables={})
    line = Line(flow, at=WORKDAY).arrives()
    line.happens(NodeEntered(call=CALL, node=NodeName("adios")))
    assert line.said == "Hasta luego | ninguno."


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("into: cedula", "into: cedul", 'unknown variable "cedul" in node "pedir"; did you mean "cedula"?'),
        ("into: cedula", "into: vueltas", '"vueltas" must be a text: a number would lose the zeros in front'),
        ("document: cedula", "document: cedla", 'unknown document "cedla" in node "pedir"; did you mean "cedula"?'),
        ("document: cedula", "document: cedula\n    digits: 4-8", "a cedula has 7 to 8 digits"),
        ("document: cedula", "terminator: '*'", 'node "pedir" needs "digits"'),
        ("digits: 2-4", "digits: 4-2", '"digits" is how many, such as 4 or 7-8, from 1 to 20'),
        ("digits: 2-4", "digits: some", '"digits" is how many, such as 4 or 7-8, from 1 to 20'),
        ("digits: 2-4", "digits: 4\n    terminator: '*'", '"terminator" is "#" or none, not "*"'),
        (WORDINGS, "[]", '"on_invalid" needs 1 to 9'),
        (WORDINGS, "[{}, Hola.]", '"on_invalid" needs'),
        ("on_timeout: No recibimos su número.", "", 'node "pedir" needs "on_timeout"'),
        ("{cedula}. Si", "{cedula Si", "a { or } that belongs to no variable: {variable}, or {variable:digits}"),
        ("{cedula}. Si", "{cedul}. Si", 'unknown variable "cedul" in node "confirmar"; did you mean "cedula"?'),
        ("{cedula}. Si", "{avisado}. Si", '"avisado" is true or false, which cannot be said; make it a branch'),
        ("{vueltas:money}", "{vueltas:mony}", 'unknown manner "mony" in a number said; did you mean "money"?'),
        ("{vueltas:money}", "{vueltas:date}", 'unknown manner "date" in a number said; known: number, digits'),
        ("yes: contar", "", 'node "confirmar" needs "yes"'),
        ("    then: elegir\n", "", 'node "contar" needs "then"'),
        ("vueltas: vueltas + 1", "vuelta: 1", 'unknown variable "vuelta" in node "contar"; did you mean "vueltas"?'),
        ("vueltas: vueltas + 1", "vueltas: vueltas +", '"vueltas +": something is missing at its end'),
        ("vueltas: vueltas + 1", "vueltas: avisado", '"avisado" is a truth, and a number is needed'),
        ("vueltas: vueltas + 1", "vueltas: []", '"vueltas" needs one word or text'),
        ("set: {vueltas: vueltas + 1, avisado: \"vueltas > 0\"}", "set: 3", '"set" needs variables'),
        ("avisado and vueltas >= 2", "vueltas", '"vueltas" is a number, and a truth is needed'),
        ("\"avisado and vueltas >= 2\": adios", "\"avisado\": {}", '"avisado" needs one word or text'),
        ("    otherwise: anio\n", "", 'node "elegir" needs "otherwise"'),
        ("return: true", "return: false", '"return" can only be true'),
        ("{invoke: aviso, then: contar}", "{invoke: aviso}", 'node "saludo" needs "then"'),
        ("avisado: truth}", "avisado: bool}", 'unknown kind "bool"; known: text, number, truth'),
        ("avisado: truth}", "avisado: truth, not: text}", '"not" cannot be a variable'),
        ("avisado: truth}", "avisado: truth, Mayor: text}", '"Mayor" cannot be a variable'),
        ("avisado: truth}", "avisado: truth, x: {}}", '"x" needs one word or text'),
        ("variables: {cedula: text, anio: text, vueltas: number, avisado: truth}", "variables: 3",
         '"variables" needs 1 to 50 names, each with text, number, truth'),
        ("closed: cerrado", "", 'node "horario" needs "closed"'),
        ("    hours: {timezone: America/Montevideo, weekly: {monday-friday: 8-18}, holidays: UY}\n", "    hours: 3\n",
         '"hours" needs timezone'),
        ("flow: turnos", "flow: veintiseis-letras-de-nombre",  # too long already; its recordings would be too
         '"veintiseis-letras-de-nombre" cannot be a name'),
    ],
)  # fmt: skip
def test_each_mistake_is_named(before: str, after: str, expected: str) -> None:
    assert before in TEXT
    with pytest.raises(FlowInvalid) as refusal:
        read_flow(TEXT.replace(before, after, 1), file="t.yaml")
    found = str(refusal.value)
    assert expected in found, found


def test_longest_name_of_a_recording_is_one_that_a_prompt_may_have() -> None:
    name, node = "f" * 26, "n" * 26
    text = (
        TEXT.replace("flow: turnos", f"flow: {name}")
        .replace("confirmar", node)
        .replace("No recibimos su respuesta.", '"Dijo {cedula}, o no."')
    )
    for prompt in read_flow(text, file="t.yaml").prompts:
        check(prompt)


def test_template_without_anything_that_can_be_said_is_a_mistake() -> None:
    with pytest.raises(FlowInvalid, match='unknown variable "nada"'):
        read_flow(TEXT.replace("Está cerrado.", '"x {nada}"'), file="t.yaml")


def test_confirmation_and_question_that_lead_to_no_person_are_found() -> None:
    text = TEXT.replace("    then: confirmar\n    on_failure: persona", "    then: confirmar\n    on_failure: adios")
    with pytest.raises(FlowInvalid, match='"on_failure" of "pedir" does not lead to a person'):
        read_flow(text, file="t.yaml")


def test_return_outside_a_sub_flow_is_found() -> None:
    text = TEXT.replace("    otherwise: anio", "    otherwise: listo2").replace(
        "  listo: {return: true}", "  listo: {return: true}\n  listo2: {goto: anio2}\n  anio2: {return: true}"
    )
    with pytest.raises(FlowInvalid, match='node "anio2" returns, but the way to it goes through no invoke'):
        read_flow(text, file="t.yaml")


HEAD = "flow: vueltas\nlanguage: es\nstart: a\nnodes:\n"


@pytest.mark.parametrize(
    "nodes",
    [
        "  a: {invoke: b, then: c}\n  b: {say: Hola., then: d}\n  d: {return: true}\n  c: {goto: a}\n",
        "  a: {invoke: b, then: c}\n  b: {invoke: b, then: d}\n  d: {return: true}\n  c: {hangup: true}\n",
        "  a: {hours: {timezone: UTC, weekly: {monday: 8-9}}, open: c, closed: b}\n  b: {say: Cerrado., then: a}\n"
        "  c: {queue: general}\n",
    ],
)
def test_circle_through_a_sub_flow_or_a_closed_office_is_found(nodes: str) -> None:
    with pytest.raises(FlowInvalid, match="goes round for ever") as refusal:
        read_flow(HEAD + nodes, file="v.yaml")
    assert len(refusal.value.problems) == 1


def test_rut_takes_its_k_as_a_star() -> None:
    text = TEXT.replace("document: cedula", "document: rut").replace("language: es-UY", "language: es-CL")
    line = open_line(read_flow(text, file="turnos.yaml"))
    line.presses("11111112*")
    assert line.session.typed == ""
    assert line.session.variables["cedula"] == "11111112K"
    assert line.said.startswith("Usted marcó | uno,")
    assert "ka." in line.said


def test_question_without_a_terminator_takes_the_hash_for_nothing() -> None:
    line = open_line(
        read_flow(TEXT.replace("document: cedula", "document: cedula\n    terminator: none"), file="t.yaml")
    )
    line.presses("123#4561")
    assert line.session.typed == "1234561"


def test_menu_may_complain_in_other_words_each_time() -> None:
    text = TEXT.replace("on_invalid: Marque uno o dos.", "on_invalid: [Marque uno o dos., Sólo uno o dos.]")
    line = open_line(read_flow(text, file="turnos.yaml"))
    line.presses(CEDULA)
    line.presses("7")
    assert line.said.startswith("Marque uno o dos. | Usted marcó")
    line.presses("8")
    assert line.said.startswith("Sólo uno o dos. | Usted marcó")


JUNK = ["", "{", "}", "[]", "{}", "9" * 40, "{cedula}", "{:}", "pedir", "otherwise", "not", "<", ">=", "(", "closed"]
JUNK += ["8-", "AR-", "UTC", "~", "&a", "*", "#", "horario", "contar", "\u202e", "2026-13-01", "- x", "1e9", "true"]


@settings(deadline=None, max_examples=200)
@given(
    changes=st.lists(st.tuples(st.integers(0, 400), st.sampled_from(JUNK)), min_size=1, max_size=4),
    presses=st.lists(st.sampled_from([*"0123456789*#", CEDULA]), max_size=10),
    at=st.sampled_from([WORKDAY, SUNDAY, 0.0, 1e18]),
)
def test_flow_with_words_exchanged_is_refused_or_leads_everybody_out(
    changes: list[tuple[int, str]], presses: list[str], at: float
) -> None:
    words = TEXT.split(" ")
    for place, word in changes:
        words[place % len(words)] = word
    try:
        flow = read_flow(" ".join(words), file="turnos.yaml")
    except FlowInvalid:
        return
    line = Line(flow, at=at).arrives()
    for keys in presses:
        line.presses(keys)
    for _ in range(2 * MOST_NODES):
        if line.session.state is State.ENDED:
            return
        line.waits()
    raise AssertionError("the conversation goes on for ever")


@settings(deadline=None)
@given(
    happenings=st.lists(st.sampled_from([*"012345*#", CEDULA, "1234561#", "sound", "timer", "restart"]), max_size=30)
)
def test_no_order_of_events_breaks_a_conversation_with_variables(happenings: list[str]) -> None:
    line = open_line()
    for happening in happenings:
        session = line.session
        if happening == "restart":
            line = Line(FLOW, journal=line.journal, at=WORKDAY)
            line.resumes()
        elif happening == "sound" and session.sound is not None:
            line.hears_all()
        elif happening == "timer" and session.timer is not None:
            line.waits()
        elif happening not in ("sound", "timer"):
            line.presses(happening)
        assert line.session.state is not State.BETWEEN
    assert Line(FLOW, journal=line.journal, at=WORKDAY).session == line.session
    line.happens(hung_up())
    assert line.session.state is State.ENDED


def test_entry_of_the_journal_comes_back_as_it_was_written() -> None:
    for event in (
        VariableSet(call=CALL, name="a", value=True),
        VariableSet(call=CALL, name="a", value=7),
        InputTaken(call=CALL, node=NodeName("n"), name="a", value="7"),
    ):
        entry = Entry(seq=1, at=0.0, event=event)
        assert msgspec.json.decode(msgspec.json.encode(entry), type=Entry) == entry


def test_words_between_values_are_prompts_of_their_own() -> None:
    aviso = FLOW.nodes[NodeName("aviso")]
    assert isinstance(aviso, Say)
    assert [prompt.text for prompt in aviso.prompts] == ["Van", "vueltas y"]
