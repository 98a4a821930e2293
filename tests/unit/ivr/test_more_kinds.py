"""Languages, procedures, surveys, and the ways out of a flow: to another flow, a number, a callback, a message."""

import pytest

from ivr import Flow, FlowInvalid, IvrService, check_flows, check_queues, load_procedures, read_flow
from ivr.core.behaviours import FIRST_MESSAGE, MESSAGE_MARGIN_S, SETTLED_WITHIN_S
from ivr.core.flow import Say, Versions
from ivr.core.moves import State
from ivr.core.procedures import Procedure
from telefonista.kernel.commands import HangUp, Play, RecordMessage, StopMessage
from telefonista.kernel.events import (
    CallArrived,
    CallbackAsked,
    CallbackGranted,
    CallbackRefused,
    Destination,
    DestinationKind,
    Diverted,
    Entry,
    Event,
    FlowEnded,
    FlowEntered,
    HandedOff,
    LanguageChosen,
    MessageFailed,
    MessageLeft,
    MessageRecorded,
    NodeEntered,
    OptionChosen,
    ReturnedToQueue,
    SurveyAnswered,
    VariableSet,
    VisitStarted,
    VisitSuspended,
)
from telefonista.kernel.ids import (
    FlowName,
    LineName,
    NodeName,
    QueueName,
    RouteName,
    VisitId,
    citizen_leg,
    contact_id,
    recording_id,
)
from tests.unit.ivr.conversation import CALL, DEFAULT_QUEUE, LINE, Line

PROCEDURES = load_procedures()
LANGUAGES = """\
flow: idiomas
language: [es-UY, en, pt]
start: saludo
person: persona
variables: {monto: text}
nodes:
  saludo:
    menu: {es-UY: "Para seguir, marque uno. For English, press two.", en: "Press one.", pt: "Digite um."}
    options: {1: valor, 2: ingles, 3: espanol}
    on_invalid: {es-UY: "No existe.", en: "No such option.", pt: "Não existe."}
    on_timeout: {es-UY: "No recibimos nada.", en: "Nothing came.", pt: "Nada."}
    on_failure: persona
  ingles: {language: en, then: valor}
  espanol: {language: es-UY, then: valor}
  valor: {set: {monto: "'21,50'"}, then: decir}
  decir: {say: {es-UY: "Debe {monto:money}", en: "You owe {monto:money}", pt: "Deve {monto:money}"}, then: persona}
  persona: {queue: general, requires: "impuestos >= 3"}
"""
MULTILINGUAL = read_flow(LANGUAGES, file="idiomas.yaml")
SERVICES = """\
flow: servicios
language: es
start: elegir
person: persona
nodes:
  elegir: {procedure: [cedula, pasaporte], then: uno}
  uno: {procedure: jubilacion, then: encuesta}
  encuesta:
    survey: satisfaccion
    questions: {trato: "Del uno al cinco, ¿cómo fue el trato?", solucion: "¿Y la solución?"}
    then: fin
  fin: {hangup: true, say: Gracias.}
  persona: {queue: general}
"""
OFFERING = read_flow(SERVICES, file="servicios.yaml", procedures=PROCEDURES)
WAYS_OUT = """\
flow: salidas
language: es
start: menu
person: persona
variables: {numero: text, cola: text}
nodes:
  menu:
    menu: Elija.
    options: {1: fuera, 2: otra, 3: volver, 4: llamada, 5: mensaje, 6: fuera-ya, 7: otra-ya, 8: volver-ya}
    on_invalid: No.
    on_timeout: Nada.
    on_failure: persona
  fuera: {transfer: "1950", say: Le pasamos.}
  fuera-ya: {transfer: "+59821950"}
  otra: {flow: santa-fe, say: Un momento.}
  otra-ya: {flow: santa-fe}
  volver: {back_to_queue: true, say: Vuelve a la espera.}
  volver-ya: {back_to_queue: true}
  llamada: {callback: "{cola}", number: numero, topic: trámites, granted: gracias, refused: persona}
  mensaje:
    voicemail: tramites
    say: Hable después de la señal.
    longest_s: 30
    then: gracias
    on_failure: persona
  gracias: {hangup: true, say: Gracias.}
  persona: {queue: general}
"""
LEAVING = read_flow(WAYS_OUT, file="salidas.yaml")


def led(line: Line, *keys: str) -> Line:
    for key in keys:
        line.presses(key)
    return line


def test_menu_option_sets_the_language_and_values_are_said_in_it() -> None:
    line = led(Line(MULTILINGUAL).arrives(), "2")
    assert line.decisions[1:3] == [
        NodeEntered(call=CALL, node=NodeName("ingles")),
        LanguageChosen(call=CALL, language="en"),
    ]
    assert line.said == "You owe | twenty-one | pesos | and | fifty | cents."
    line.hears_all()
    assert line.decisions[-2] == HandedOff(
        call=CALL, queue=QueueName("general"), language="en", requires="impuestos >= 3"
    )


def test_first_language_is_spoken_until_another_is_chosen() -> None:
    for keys in ("1", "3"):
        line = led(Line(MULTILINGUAL).arrives(), keys)
        assert line.said.startswith("Debe | veintiún | pesos | con")
        assert line.session.language == ""


def test_language_that_the_flow_has_no_more_is_its_first() -> None:
    line = Line(MULTILINGUAL).arrives()
    line.happens(LanguageChosen(call=CALL, language="fr"))
    assert line.session.language == ""


def test_language_is_kept_in_the_next_flow_where_it_has_it() -> None:
    line = led(Line(MULTILINGUAL).arrives(), "2")
    line.happens(FlowEntered(call=CALL, flow=MULTILINGUAL.name, version=MULTILINGUAL.version))
    assert line.session.language == "en"


def test_every_language_is_prepared_and_recordings_say_which() -> None:
    prompts = list(MULTILINGUAL.prompts)
    assert {prompt.language for prompt in prompts} == {"es-UY", "en", "pt"}
    names = {prompt.name for prompt in prompts}
    assert {"idiomas__saludo", "en__idiomas__saludo", "pt__idiomas__saludo__timeout"} <= names
    node = MULTILINGUAL.nodes[NodeName("decir")]
    assert isinstance(node, Say)
    assert isinstance(node.prompt, Versions)
    assert node.prompt.text == "Debe {monto:money}"
    assert node.prompt.in_language("fr").text == "Debe {monto:money}"
    assert len(node.slots) == 3


def test_procedures_are_offered_by_number() -> None:
    line = Line(OFFERING).arrives()
    assert line.said == (
        "Para la cédula de identidad, marque uno. Para el pasaporte, marque dos. Para volver, marque nueve. "
        "Para hablar con una persona, marque cero."
    )


def test_procedure_is_heard_part_by_part_and_again() -> None:
    line = led(Line(OFFERING).arrives(), "1")
    assert line.said.startswith("La cédula de identidad es el documento")
    line.hears_all()
    assert line.said == (
        "Para saber qué se necesita, marque uno. Para saber dónde se hace, marque dos. Para saber cuánto cuesta, "
        "marque tres. Para escuchar de nuevo, marque ocho. Para volver, marque nueve. "
        "Para hablar con una persona, marque cero."
    )
    led(line, "3")
    assert line.said.startswith("Tiene un costo")
    line.hears_all()
    led(line, "8")
    assert line.said.startswith("La cédula de identidad es el documento")
    led(line, "9")
    assert line.session.node == "elegir"


def test_person_is_one_key_away_from_every_part_of_a_procedure() -> None:
    for keys in ("0", "10", "1"):
        line = led(Line(OFFERING).arrives(), *keys)
        if keys == "1":
            line.hears_all()
            led(line, "1", "0")
        assert [event.queue for event in line.decisions if isinstance(event, HandedOff)] == ["general"]


def test_procedure_leads_on_when_nothing_is_pressed() -> None:
    line = Line(OFFERING).arrives()
    for _ in range(3):
        line.hears_all()
        line.waits()
    assert line.session.node == "uno"
    line.hears_all()
    for _ in range(3):
        line.hears_all()
        line.waits()
    assert line.session.node == "encuesta"


def test_text_of_a_procedure_is_part_of_the_flows_version() -> None:
    cedula = PROCEDURES["cedula"]
    other = Procedure(name="cedula", title=cedula.title, parts=PROCEDURES["patente"].parts)
    changed = {**PROCEDURES, "cedula": other}
    assert read_flow(SERVICES, file="s.yaml", procedures=changed).version != OFFERING.version


def test_procedure_is_read_in_every_language_of_the_flow() -> None:
    before, after = "{set: {monto: \"'21,50'\"}, then: decir}", "{procedure: cedula, then: decir}"
    text = LANGUAGES.replace(before, after)
    line = led(Line(read_flow(text, file="i.yaml", procedures=PROCEDURES)).arrives(), "2")
    assert line.said.startswith("The identity card proves who you are.")
    names = {prompt.name for prompt in read_flow(text, file="i.yaml", procedures=PROCEDURES).prompts}
    assert {"procedure__cedula__what", "en__procedure__cedula__what"} <= names
    with pytest.raises(FlowInvalid, match='procedure "patente" has no title, what, needs, where, cost in en'):
        read_flow(text.replace("cedula", "patente"), file="i.yaml", procedures=PROCEDURES)


def asked() -> Line:
    line = Line(OFFERING).arrives()
    line.happens(NodeEntered(call=CALL, node=NodeName("encuesta")))
    return line


def test_survey_is_answered_by_keys_from_one_to_five() -> None:
    line = led(asked(), "5")
    assert line.decisions[0] == SurveyAnswered(call=CALL, survey="satisfaccion", question="trato", answer=5)
    assert line.said == "¿Y la solución?"
    led(line, "7")
    assert line.said == "Marque un número del uno al cinco. | ¿Y la solución?"
    line.hears_all()
    led(line, "1")
    assert line.decisions[0] == SurveyAnswered(call=CALL, survey="satisfaccion", question="solucion", answer=1)
    assert line.said == "Gracias."


def test_question_that_nobody_answers_is_left_out() -> None:
    line = asked()
    line.hears_all()
    line.waits()
    assert line.said.startswith("No recibimos su respuesta.")
    line.hears_all()
    line.waits()
    assert line.session.node == "encuesta.2"


def test_keys_from_before_the_question_are_no_opinion() -> None:
    line = Line(OFFERING).arrives()
    line.happens(NodeEntered(call=CALL, node=NodeName("uno")))
    line.presses("99")
    assert line.session.node == "encuesta"
    line = asked()
    led(line, "0")
    assert isinstance(line.decisions[0], OptionChosen)


@pytest.mark.parametrize(
    ("keys", "announced", "to"),
    [
        ("1", "Le pasamos.", Destination(DestinationKind.NUMBER, "1950")),
        ("6", "", Destination(DestinationKind.NUMBER, "+59821950")),
    ],
)
def test_citizen_is_passed_on_to_a_number_outside(keys: str, announced: str, to: Destination) -> None:
    line = led(Line(LEAVING).arrives(), keys)
    assert line.said == announced
    if announced:
        led(line, "5")
        line.hears_all()
    assert Diverted(call=CALL, to=to, why="flow salidas") in line.decisions
    assert line.session.state is State.ENDED


@pytest.mark.parametrize("keys", ["2", "7"])
def test_another_flow_goes_on_where_this_one_leads_to_it(keys: str) -> None:
    line = Line(LEAVING)
    other = read_flow(LANGUAGES.replace("flow: idiomas", "flow: santa-fe"), file="o.yaml")
    line.service.replace_flows({LINE: LEAVING}, others={other.name: other})
    line.arrives()
    led(line, keys)
    if keys == "2":
        line.hears_all()
    assert (line.session.flow.name, line.session.node) == ("santa-fe", "saludo")
    replayed = Line(LEAVING)
    replayed.service.replace_flows({LINE: LEAVING}, others={other.name: other})
    for event in line.journal:
        replayed.service.handle(Entry(seq=1, at=0.0, event=event))
    assert replayed.session == line.session


def test_flow_that_is_not_there_leads_to_a_queue() -> None:
    line = led(Line(LEAVING).arrives(), "7")
    assert line.decisions[-1] == HandedOff(call=CALL, queue=DEFAULT_QUEUE)


@pytest.mark.parametrize("keys", ["3", "8"])
def test_citizen_goes_back_to_the_queue(keys: str) -> None:
    line = led(Line(LEAVING).arrives(), keys)
    if keys == "3":
        line.hears_all()
    assert line.decisions[-1] == ReturnedToQueue(call=CALL)
    assert line.session.state is State.ENDED


def wanting(queue: str = "tramites") -> Line:
    line = Line(LEAVING).arrives()
    line.happens(VariableSet(call=CALL, name="cola", value=queue), VariableSet(call=CALL, name="numero", value="099"))
    return led(line, "4")


def test_callback_is_asked_for_and_settled_by_the_desk() -> None:
    line = wanting()
    assert line.decisions[-1] == CallbackAsked(call=CALL, queue=QueueName("tramites"), number="099", topic="trámites")
    assert line.timers()[-1].after_s == SETTLED_WITHIN_S
    line.happens(CallbackGranted(call=CALL, contact=contact_id(CALL, n=1)))
    assert line.said == "Gracias."
    refused = wanting("")
    assert any(isinstance(event, CallbackAsked) and event.queue == DEFAULT_QUEUE for event in refused.decisions)
    refused.happens(CallbackRefused(call=CALL, why="closed"))
    assert refused.session.state is State.ENDED


def test_callback_that_nobody_settles_is_refused() -> None:
    line = wanting()
    line.presses("5")
    line.waits()
    assert line.session.state is State.ENDED


def test_settlement_that_nobody_asked_for_changes_nothing() -> None:
    line = Line(LEAVING).arrives()
    line.hears_all()
    line.happens(CallbackGranted(call=CALL, contact=contact_id(CALL, n=1)))
    assert line.session.state is State.WAITING


def speaking() -> Line:
    line = led(Line(LEAVING).arrives(), "5")
    line.hears_all()
    return line


MESSAGE = recording_id(CALL, n=FIRST_MESSAGE + 1)


def test_message_is_recorded_after_the_invitation_and_left_for_the_queue() -> None:
    line = speaking()
    assert line.commands[1] == RecordMessage(call=CALL, leg=citizen_leg(CALL), recording=MESSAGE, longest_s=30)
    assert line.timers()[0].after_s == 30 + MESSAGE_MARGIN_S
    line.happens(MessageRecorded(call=CALL, recording=MESSAGE, duration_s=7.0))
    assert line.decisions[0] == MessageLeft(
        call=CALL, recording=MESSAGE, queue=QueueName("tramites"), number="099123456", duration_s=7.0
    )
    assert line.said == "Gracias."


def test_key_ends_the_message_and_nothing_said_leads_elsewhere() -> None:
    line = speaking()
    led(line, "5")
    assert line.commands == [StopMessage(call=CALL, recording=MESSAGE)]
    line.happens(MessageFailed(call=CALL, recording=MESSAGE, why="nothing was said"))
    assert line.session.state is State.ENDED


def test_key_in_the_invitation_brings_the_tone_at_once() -> None:
    line = led(Line(LEAVING).arrives(), "5", "5")
    assert any(isinstance(command, RecordMessage) for command in line.commands)


def test_zero_leads_from_a_message_to_a_person() -> None:
    for line in (speaking(), led(Line(LEAVING).arrives(), "5")):
        led(line, "0")
        assert isinstance(line.decisions[0], OptionChosen)
        assert line.session.state is State.ENDED


def test_message_of_which_nothing_is_told_comes_to_an_end() -> None:
    line = speaking()
    line.waits()
    assert line.commands[0] == StopMessage(call=CALL, recording=MESSAGE)
    assert line.session.state is State.ENDED


def test_message_is_for_whom_a_variable_names() -> None:
    flow = read_flow(WAYS_OUT.replace("longest_s: 30", "number: numero"), file="s.yaml")
    line = Line(flow).arrives()
    line.happens(VariableSet(call=CALL, name="numero", value="29012345"))
    led(line, "5")
    line.hears_all()
    line.happens(MessageRecorded(call=CALL, recording=MESSAGE, duration_s=7.0))
    assert isinstance(line.decisions[0], MessageLeft)
    assert line.decisions[0].number == "29012345"


VISIT = VisitId(f"{CALL}.v1")


def waiting(others: tuple[Flow, ...] = ()) -> Line:
    """A citizen who waits in a queue."""
    line = Line(LEAVING)
    line.service.replace_flows({LINE: LEAVING}, others={flow.name: flow for flow in others})
    line.happens(
        CallArrived(call=CALL, line=LINE, dialled="4636", route=RouteName("r"), caller="+598 99 <script>1"),
    )
    led(line, "0")
    line.happens(VisitStarted(call=CALL, visit=VISIT, queue=QueueName("impuestos")))
    return line


def named(name: str) -> Flow:
    return read_flow(WAYS_OUT.replace("flow: salidas", f"flow: {name}"), file="s.yaml")


@pytest.mark.parametrize(
    ("to", "flow", "node"),
    [
        (Destination(DestinationKind.CALLBACK), "callback", "menu"),
        (Destination(DestinationKind.VOICEMAIL), "voicemail", "menu"),
        (Destination(DestinationKind.CALLBACK, "propia"), "propia", "menu"),
        (Destination(DestinationKind.FLOW, "propia/mensaje"), "propia", "mensaje"),
        (Destination(DestinationKind.FLOW, "propia/nada"), "propia", "menu"),
    ],
)
def test_queue_sends_the_citizen_into_a_dialogue_that_knows_number_and_queue(
    to: Destination, flow: str, node: str
) -> None:
    others = tuple(named(name) for name in ("callback", "voicemail", "propia"))
    for event in (
        VisitSuspended(call=CALL, visit=VISIT, to=to),
        Diverted(call=CALL, to=to, why="full"),
        Diverted(call=CALL, to=to, why="full", queue=QueueName("impuestos")),
    ):
        line = waiting(others)
        line.happens(event)
        assert (line.session.flow.name, line.session.node) == (flow, node)
        assert line.session.variables == {"numero": "+598991", "cola": "impuestos"}
        assert line.session.playbacks > 1


def test_dialogue_that_is_not_there_leads_back_to_the_queue() -> None:
    line = waiting()
    line.happens(VisitSuspended(call=CALL, visit=VISIT, to=Destination(DestinationKind.CALLBACK)))
    assert line.decisions == [ReturnedToQueue(call=CALL)]
    line.happens(Diverted(call=CALL, to=Destination(DestinationKind.FLOW, "nada"), why="full"))
    assert line.decisions == [HandedOff(call=CALL, queue=QueueName("impuestos"))]


def test_message_of_a_queue_is_said_and_the_call_ends() -> None:
    line = waiting()
    line.happens(Diverted(call=CALL, to=Destination(DestinationKind.MESSAGE, "Estamos cerrados."), why="closed"))
    assert line.said == "Estamos cerrados."
    replayed = Line(LEAVING, journal=line.journal)
    assert replayed.session == line.session
    line.hears_all()
    assert isinstance(line.commands[-1], HangUp)


def test_queue_that_hangs_up_says_nothing() -> None:
    line = waiting()
    line.happens(Diverted(call=CALL, to=Destination(DestinationKind.HANG_UP), why="closed"))
    assert not any(isinstance(command, Play) for command in line.commands)
    assert isinstance(line.decisions[-1], FlowEnded)


def test_where_a_queue_sends_somebody_else_is_no_matter_of_ours() -> None:
    line = waiting()
    for kind in (DestinationKind.QUEUE, DestinationKind.NUMBER, DestinationKind.AGENT):
        line.happens(Diverted(call=CALL, to=Destination(kind, "1"), why="full"))
        assert line.decisions == []


def test_line_without_a_flow_speaks_spanish_when_it_says_goodbye() -> None:
    service = IvrService({}, default_queue=DEFAULT_QUEUE)
    arrived = CallArrived(call=CALL, line=LineName("x"), dialled="1", route=RouteName("r"), caller="")
    service.handle(Entry(seq=1, at=0.0, event=arrived))
    to = Destination(DestinationKind.MESSAGE, "Adiós.")
    (entered, *_) = service.handle(Entry(seq=2, at=0.0, event=Diverted(call=CALL, to=to, why="closed")))
    assert isinstance(entered, Event)
    service.handle(Entry(seq=3, at=0.0, event=entered))
    session = service.session(CALL)
    assert session is not None
    assert session.flow.language == "es"
    service.forget(CALL)
    assert service.session(CALL) is None


def test_say_is_left_for_a_person_at_once_when_zero_is_pressed() -> None:
    line = led(Line(MULTILINGUAL).arrives(), "1")
    led(line, "5")
    assert line.session.typed_ahead == "5"
    led(line, "0")
    assert isinstance(line.decisions[0], OptionChosen)


def test_flows_and_queues_that_are_not_there_are_told() -> None:
    problems = [str(each) for each in check_flows(LEAVING, [FlowName("otra")])]
    assert problems == [f'salidas.yaml:{line}: unknown flow "santa-fe"; known: otra' for line in (15, 16)]
    assert check_flows(LEAVING, [FlowName("santa-fe")]) == ()
    problems = [str(each) for each in check_queues(LEAVING, [QueueName("general")])]
    assert problems == ['salidas.yaml:21: unknown queue "tramites"; known: general']


@pytest.mark.parametrize(
    ("text", "old", "new", "expected"),
    [
        (LANGUAGES, "[es-UY, en, pt]", "[]", '"language" is one, or a list'),
        (LANGUAGES, "[es-UY, en, pt]", "[es-UY, en, es-UY]", '"es-UY" is there twice'),
        (LANGUAGES, "[es-UY, en, pt]", "[es-UY, inglés, pt]", "is not a language"),
        (LANGUAGES, "[es-UY, en, pt]", "[es-UY, [en], pt]", '"language" needs one word'),
        (LANGUAGES, ', pt: "Digite um."', "", '"menu" needs "pt"'),
        (LANGUAGES, "on_timeout: {", "on_timeout: Nada.\n    x: {", '"on_timeout" needs a text for each language'),
        (LANGUAGES, ', pt: "Digite um."', ', fr: "Un."', 'unknown key "fr" in "menu"'),
        (LANGUAGES, '{es-UY: "Debe {monto:money}"', '{es-UY: "Debe {nada}"', 'unknown variable "nada"'),
        (LANGUAGES, "{language: en, then: valor}", "{language: fr, then: valor}", 'unknown language "fr"'),
        (LANGUAGES, "{language: en, then: valor}", "{language: en}", 'needs "then"'),
        (LANGUAGES, '"impuestos >= 3"', f'"{"x" * 301}"', '"requires" is a condition'),
        (LANGUAGES, '"impuestos >= 3"', "[]", '"requires" needs one word'),
        (SERVICES, "[cedula, pasaporte]", "[cedula, pasaport]", 'did you mean "pasaporte"'),
        (SERVICES, "[cedula, pasaporte]", "[]", "1 to 8 procedures"),
        (SERVICES, "[cedula, pasaporte]", f"[{', '.join(['cedula'] * 9)}]", "1 to 8 procedures"),
        (SERVICES, "[cedula, pasaporte]", "[[]]", '"procedure" needs one word'),
        (SERVICES, "procedure: jubilacion", "procedure: {}", '"procedure" needs one word'),
        (SERVICES, "then: uno", "tehn: uno", 'did you mean "then"'),
        (SERVICES, "person: persona\n", "", "needs a way to a person"),
        (SERVICES, '{trato: "Del', '{"El trato": "Del', "cannot be a name"),
        (SERVICES, '"¿Y la solución?"', "[]", '"solucion" needs one word'),
        (
            SERVICES,
            '{trato: "Del uno al cinco, ¿cómo fue el trato?", solucion: "¿Y la solución?"}',
            "x",
            "1 to 10 names",
        ),
        (SERVICES, "    then: fin\n", "", 'needs "then"'),
        (SERVICES, "    questions", "    question", 'needs "questions"'),
        (WAYS_OUT, '"1950"', "policía", "is no number to dial"),
        (WAYS_OUT, '"1950"', "[]", '"transfer" needs one word'),
        (WAYS_OUT, "flow: santa-fe, say", "flow: Santa Fe, say", "cannot be a name"),
        (WAYS_OUT, "{back_to_queue: true}", "{back_to_queue: false}", '"back_to_queue" can only be true'),
        (WAYS_OUT, '"{cola}"', '"{nada}"', 'unknown variable "nada"'),
        (WAYS_OUT, "{numero: text, cola: text}", "{numero: text, cola: number}", '"cola" must be a text'),
        (WAYS_OUT, '"{cola}"', "Cola", "cannot be a name"),
        (WAYS_OUT, '"{cola}"', "[]", '"callback" needs one word'),
        (WAYS_OUT, "granted: gracias, ", "", 'needs "granted"'),
        (WAYS_OUT, "longest_s: 30", "longest_s: 1", '"longest_s" must be a number from 5'),
        (WAYS_OUT, "    say: Hable después de la señal.\n", "", 'needs "say"'),
        (WAYS_OUT, "longest_s: 30", "number: []", '"number" needs one word'),
    ],
)
def test_each_mistake_is_named(text: str, old: str, new: str, expected: str) -> None:
    assert old in text
    with pytest.raises(FlowInvalid) as refusal:
        read_flow(text.replace(old, new, 1), file="s.yaml", procedures=PROCEDURES)
    assert expected in str(refusal.value)


def test_procedures_of_a_flow_may_not_be_without_end() -> None:
    nodes = "".join(
        f"  n{n}: {{procedure: [cedula, pasaporte, jubilacion, vacunacion], then: n{n + 1}}}\n" for n in range(20)
    )
    text = SERVICES.partition("  elegir")[0].replace("start: elegir", "start: n0") + nodes
    with pytest.raises(FlowInvalid, match="more than 300 nodes with those of its procedures"):
        read_flow(
            f"{text}  n20: {{hangup: true}}\n  persona: {{queue: general}}\n", file="s.yaml", procedures=PROCEDURES
        )


def test_every_way_out_may_be_announced_and_is_prepared() -> None:
    texts = {prompt.text for prompt in LEAVING.prompts}
    assert {"Le pasamos.", "Un momento.", "Vuelve a la espera.", "Hable después de la señal."} <= texts


def test_what_was_told_of_something_else_is_no_answer() -> None:
    recorded = MessageRecorded(call=CALL, recording=recording_id(CALL, n=1), duration_s=7.0)
    line = speaking()
    line.happens(recorded, CallbackRefused(call=CALL, why="closed"))
    assert (line.session.node, line.session.state) == ("mensaje", State.WAITING)
    asked_back = wanting()
    asked_back.happens(recorded)
    assert (asked_back.session.node, asked_back.session.state) == ("llamada", State.WAITING)
