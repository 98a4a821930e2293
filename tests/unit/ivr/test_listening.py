"""A citizen who may say what others press: heard while it speaks, asked again, and led to the keys when it fails."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr import sample_flow
from ivr.core.flow import Flow, Listen
from ivr.core.moves import State
from ivr.core.reading import read_flow
from ivr.dialogues import play, read_dialogues
from ivr.service import IvrService
from telefonista.kernel.commands import Play, StartListening, StopListening, StopPlayback
from telefonista.kernel.events import (
    CallStopped,
    Entry,
    Event,
    FlowEntered,
    HandedOff,
    InputRejected,
    LegEnded,
    NodeEntered,
    OptionChosen,
    SpeechBegan,
    SpeechFailed,
    SpeechHeard,
    TimerFired,
)
from telefonista.kernel.ids import ListeningId, NodeName, QueueName, citizen_leg
from telefonista.kernel.machine import Output
from telefonista.notation.problems import FlowInvalid
from tests.unit.ivr.conversation import CALL, DEFAULT_QUEUE, LINE, Line, arrived

TEXT = """
flow: voz
language: es-UY
start: quiere
nodes:
  quiere:
    listen: "¿Quiere hablar con una persona? Diga sí o no."
    keys_only: "Para hablar con una persona, marque uno; si no, marque dos."
    options:
      "1": persona
      "2": despedida
      "0": persona
    phrases:
      "1": [Sí, claro, por supuesto]
      "2": no
    on_invalid: ["No le entendí.", "Tampoco le entendí."]
    on_timeout: "No le escuché."
    on_failure: persona
  persona:
    queue: general
  despedida:
    hangup: true
    say: "Gracias por llamar."
"""
FLOW = read_flow(TEXT, file="voz.yaml")


class Spoken(Line):
    """A line where Spanish is understood."""

    def __init__(
        self, flow: Flow = FLOW, *, journal: Iterable[Event] = (), speech: Iterable[str] = ("es",), at: float = 0.0
    ) -> None:
        super().__init__(flow, at=at)
        self.service = IvrService({LINE: flow}, default_queue=DEFAULT_QUEUE, speech=tuple(speech))
        for event in journal:
            self.journal.append(event)
            self.service.handle(Entry(seq=len(self.journal), at=0.0, event=event))

    @property
    def listening(self) -> ListeningId:
        assert self.session.listening is not None
        return self.session.listening.listening

    def says(self, phrase: str, *, listening: str = "") -> None:
        """Empty: something that is not understood."""
        self.happens(
            SpeechHeard(
                call=CALL,
                listening=ListeningId(listening) if listening else self.listening,
                node=NodeName("quiere"),
                phrase=phrase,
                confidence=1.0,
            )
        )

    def begins(self, *, listening: str = "") -> None:
        name = ListeningId(listening) if listening else self.listening
        self.happens(SpeechBegan(call=CALL, listening=name, node=NodeName("quiere")))

    def fails(self) -> None:
        self.happens(
            SpeechFailed(call=CALL, listening=self.listening, node=NodeName("quiere"), why="the recogniser ended")
        )


def line(*, speech: Iterable[str] = ("es",)) -> Spoken:
    spoken = Spoken(speech=speech)
    spoken.arrives()
    return spoken


def of_kind(outputs: Iterable[Output], kind: type) -> list[Output]:
    return [output for output in outputs if isinstance(output, kind)]


def test_it_listens_while_it_asks() -> None:
    call = line()
    (start,) = of_kind(call.commands, StartListening)
    assert isinstance(start, StartListening)
    assert (start.leg, start.node, start.language) == (citizen_leg(CALL), "quiere", "es-UY")
    assert start.phrases == (("sí", "claro", "por supuesto"), ("no",))
    assert call.said == "¿Quiere hablar con una persona? Diga sí o no."
    assert FlowEntered(call=CALL, flow=FLOW.name, version=FLOW.version, speech=True) in call.journal


def test_what_is_said_counts_as_its_key_and_cuts_the_question_short() -> None:
    call = line()
    call.says("claro")
    assert call.decisions[0] == OptionChosen(
        call=CALL, node=NodeName("quiere"), digit="1", option="persona", phrase="claro"
    )
    assert HandedOff(call=CALL, queue=QueueName("general")) in call.decisions
    assert of_kind(call.commands, StopPlayback)
    assert of_kind(call.commands, StopListening)


def test_keys_count_as_ever_and_end_the_listening() -> None:
    call = line()
    call.presses("2")
    assert call.decisions[0] == OptionChosen(call=CALL, node=NodeName("quiere"), digit="2", option="despedida")
    assert of_kind(call.commands, StopListening)
    assert call.said == "Gracias por llamar."
    assert call.session.listening is None


def test_noise_while_we_speak_is_no_answer() -> None:
    call = line()
    first = call.listening
    call.says("")
    assert (call.commands, call.decisions) == ([], [])
    call.hears_all()
    assert not of_kind(call.commands, StopListening)
    assert call.listening == first
    call.says("no")
    assert call.said == "Gracias por llamar."


def test_what_is_not_understood_is_asked_again_by_a_listening_of_its_own() -> None:
    call = line()
    first = call.listening
    call.hears_all()
    call.says("")
    assert call.decisions[0] == InputRejected(call=CALL, node=NodeName("quiere"), digit="?")
    assert call.said == "No le entendí. | ¿Quiere hablar con una persona? Diga sí o no."
    assert [each for each in call.commands if isinstance(each, StopListening | StartListening)] == [
        StopListening(call=CALL, listening=first),
        call.session.listening,
    ]
    assert call.listening != first
    call.says("sí", listening=first)
    assert call.decisions == []


def test_who_begins_to_speak_is_given_the_whole_time_anew() -> None:
    call = line()
    call.begins()
    assert call.commands == []
    call.hears_all()
    (first,) = call.timers()
    call.begins(listening=f"{CALL}.l9")
    assert call.commands == []
    call.begins()
    (second,) = call.timers()
    assert second.after_s == first.after_s == 6.0
    assert second.token != first.token
    call.happens(TimerFired(call=CALL, key=first.key, token=first.token))
    assert call.decisions == []
    call.says("sí")
    assert HandedOff(call=CALL, queue=QueueName("general")) in call.decisions


def test_after_two_failures_there_are_only_keys() -> None:
    call = line()
    call.hears_all()
    call.says("")
    call.hears_all()
    call.says("")
    assert call.said == "Tampoco le entendí. | Para hablar con una persona, marque uno; si no, marque dos."
    assert call.session.listening is None
    call.hears_all()
    call.presses("2")
    assert call.said == "Gracias por llamar."


def test_silence_counts_as_a_failure_of_speech_too() -> None:
    call = line()
    for _ in range(2):
        call.hears_all()
        call.waits()
    assert call.said == "No le escuché. | Para hablar con una persona, marque uno; si no, marque dos."
    call.hears_all()
    call.waits()
    assert HandedOff(call=CALL, queue=QueueName("general")) in call.decisions


def test_a_recogniser_that_fails_leads_to_the_keys_at_once_and_costs_no_try() -> None:
    call = line()
    call.fails()
    assert call.said == "Para hablar con una persona, marque uno; si no, marque dos."
    assert of_kind(call.commands, StopPlayback)
    assert call.session.tries == 1
    assert call.session.listening is None
    call.hears_all()
    call.presses("1")
    assert HandedOff(call=CALL, queue=QueueName("general")) in call.decisions


def test_a_recogniser_that_fails_in_our_silence_breaks_it() -> None:
    call = line()
    call.hears_all()
    call.fails()
    assert call.said == "Para hablar con una persona, marque uno; si no, marque dos."


def test_the_failure_of_an_older_listening_means_nothing() -> None:
    call = line()
    call.happens(SpeechFailed(call=CALL, listening=ListeningId(f"{CALL}.l9"), node=NodeName("quiere"), why="late"))
    assert (call.commands, call.decisions) == ([], [])


def test_without_a_model_there_are_only_keys_from_the_start() -> None:
    call = line(speech=("pt",))
    assert call.said == "Para hablar con una persona, marque uno; si no, marque dos."
    assert call.session.listening is None
    call.hears_all()
    assert not of_kind(call.commands, StartListening)


def test_a_key_typed_ahead_is_the_answer() -> None:
    text = TEXT.replace("start: quiere", "start: hola").replace(
        "nodes:\n", 'nodes:\n  hola:\n    say: "Hola."\n    then: quiere\n'
    )
    call = Spoken(read_flow(text, file="voz.yaml"))
    call.arrives()
    call.presses("2")
    call.hears_all()
    assert call.said == "Gracias por llamar."


def test_where_nothing_may_cut_it_short_it_listens_when_all_is_said() -> None:
    call = Spoken(read_flow(TEXT.replace("on_failure:", "barge_in: false\n    on_failure:"), file="voz.yaml"))
    call.arrives()
    assert call.session.listening is None
    call.hears_all()
    assert of_kind(call.commands, StartListening)
    call.says("sí")
    assert HandedOff(call=CALL, queue=QueueName("general")) in call.decisions


def test_understanding_one_forgives_what_was_not_understood_before() -> None:
    call = Spoken(
        read_flow(
            TEXT.replace('"2": despedida', '"2": quiere').replace("on_failure: persona", "on_failure: despedida"),
            file="voz.yaml",
        )
    )
    call.arrives()
    call.hears_all()
    call.says("")
    assert call.session.misheard == 1
    call.says("no")
    assert call.session.misheard == 0
    assert call.session.listening is not None


def test_a_phrase_that_a_changed_flow_has_not_is_not_understood() -> None:
    call = line()
    call.hears_all()
    call.says("quizás")
    assert call.said.startswith("No le entendí.")


def test_after_a_restart_the_question_is_asked_anew_by_another_listening() -> None:
    call = line()
    call.hears_all()
    first = call.listening
    again = Spoken(journal=call.journal)
    assert again.session == call.session
    again.resumes()
    assert again.journal[-1] == NodeEntered(call=CALL, node=NodeName("quiere"))
    assert again.listening != first
    assert again.said == "¿Quiere hablar con una persona? Diga sí o no."


@pytest.mark.parametrize(
    "end",
    [LegEnded(call=CALL, leg=citizen_leg(CALL), cause=16), CallStopped(call=CALL)],
    ids=["citizen hangs up", "engine stops"],
)
def test_when_the_call_ends_nobody_listens_any_more(end: Event) -> None:
    call = line()
    call.happens(end)
    assert of_kind(call.commands, StopListening)
    assert call.session.listening is None


def test_another_language_has_its_own_phrases_or_only_keys() -> None:
    text = """
flow: lenguas
language: [es, pt]
start: quiere
nodes:
  quiere:
    listen: {es: "Diga sí o no.", pt: "Diga sim ou não."}
    keys_only: {es: "Marque uno o dos.", pt: "Tecle um ou dois."}
    options: {"1": persona, "2": portugues, "0": persona}
    phrases:
      es: {"1": sí, "2": no}
    on_invalid: {es: "No entendí.", pt: "Não entendi."}
    on_timeout: {es: "No escuché.", pt: "Não ouvi."}
    on_failure: persona
  portugues: {language: pt, then: quiere}
  persona: {queue: general}
"""
    call = Spoken(read_flow(text, file="lenguas.yaml"))
    call.arrives()
    assert call.said == "Diga sí o no."
    call.says("no")
    assert call.said == "Tecle um ou dois."
    assert call.session.listening is None


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('      "2": no\n', '      "3": no\n', 'unknown key "3" in node "quiere", its options'),
        ('"2": no\n', '"2": [no, claro]\n', '"claro" stands for 1 already'),
        ('"2": no\n', '"2": "463"\n', '"463" cannot be listened for'),
        ('"2": no\n', '"2": {a: b}\n', '"2" needs one word or text'),
        ('"2": no\n', f'"2": [{", ".join(chr(97 + n) * 3 for n in range(13))}]\n', "more than 12 phrases"),
        ("    phrases:\n", "    frases:\n", 'node "quiere" needs "phrases"'),
        ('    keys_only: "Para hablar con una persona, marque uno; si no, marque dos."\n', "", 'needs "keys_only"'),
        (
            '    phrases:\n      "1": [Sí, claro, por supuesto]\n      "2": no\n',
            "    phrases: sí\n",
            '"phrases" needs keys',
        ),
    ],
)
def test_what_cannot_be_listened_for_is_told_with_its_line(old: str, new: str, problem: str) -> None:
    assert old in TEXT
    with pytest.raises(FlowInvalid) as invalid:
        read_flow(TEXT.replace(old, new), file="voz.yaml")
    assert problem in str(invalid.value)


def test_phrases_of_several_languages_stand_under_each() -> None:
    text = """
flow: lenguas
language: [es, pt]
start: quiere
nodes:
  quiere:
    listen: {es: "Diga sí.", pt: "Diga sim."}
    keys_only: {es: "Marque uno.", pt: "Tecle um."}
    options: {"1": persona, "0": persona}
    phrases: {es: sí}
    on_invalid: {es: "No entendí.", pt: "Não entendi."}
    on_timeout: {es: "No escuché.", pt: "Não ouvi."}
    on_failure: persona
  persona: {queue: general}
"""
    with pytest.raises(FlowInvalid, match='"es" needs keys'):
        read_flow(text, file="lenguas.yaml")
    with pytest.raises(FlowInvalid, match='unknown key "1"'):
        read_flow(text.replace("{es: sí}", '{"1": sí}'), file="lenguas.yaml")


def test_all_that_it_may_say_is_known_beforehand() -> None:
    node = FLOW.nodes[NodeName("quiere")]
    assert isinstance(node, Listen)
    texts = {prompt.text for prompt in node.prompts}
    assert "Para hablar con una persona, marque uno; si no, marque dos." in texts
    assert "Tampoco le entendí." in texts
    assert {prompt.name for prompt in node.prompts} >= {"voz__quiere", "voz__quiere__keys"}


def test_arrival_without_a_listening_node_says_nothing_of_speech() -> None:
    plain = IvrService(
        {LINE: read_flow(TEXT.replace("es-UY", "en"), file="x")}, default_queue=DEFAULT_QUEUE, speech=["es"]
    )
    outputs = plain.handle(Entry(seq=1, at=0.0, event=arrived()))
    (entered,) = [output for output in outputs if isinstance(output, FlowEntered)]
    assert not entered.speech
    assert not of_kind(outputs, Play)


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ("[{says: claro}, {ends: queue general}]", ""),
        ("[{says: no}, {hears: Gracias}, {ends: goodbye}]", ""),
        ("[{says: quizás}, {hears: No le entendí}, {presses: '1'}, {ends: queue general}]", ""),
        ("[speech fails, {hears: marque uno}, {presses: '1'}, {ends: queue general}]", ""),
        ("[speech fails, {says: sí}, {ends: queue general}]", "nobody listens"),
        ("[speech fails, speech fails, {ends: queue general}]", "nobody listens"),
        ("[{says: sí}, {says: sí}, {ends: queue general}]", "it is over already"),
    ],
)
def test_dialogues_have_citizens_who_speak(steps: str, problem: str) -> None:
    (dialogue,) = read_dialogues(f"Habla:\n  steps: {steps}\n", flow=FLOW, file="voz.dialogues.yaml")
    wrong = play(dialogue, flow=FLOW, file="voz.dialogues.yaml")
    assert (problem in str(wrong)) if problem else wrong is None


HAPPENINGS = st.one_of(
    st.sampled_from(["hear", "wait", "fail", "resume", "begin"]),
    st.tuples(st.just("press"), st.sampled_from("0123456789*#")),
    st.tuples(
        st.just("say"),
        st.sampled_from(["sí", "no", "trámites", "vacuna", "operador", "", "{cola}", "x" * 300, "no\x00sí", "¿?"]),
        st.integers(1, 9),
    ),
)


@settings(max_examples=150)
@given(st.sampled_from([FLOW, sample_flow("demo-voz")]), st.lists(HAPPENINGS, max_size=60))
def test_whatever_is_said_pressed_or_fails_leads_somewhere_and_is_replayed_the_same(
    flow: Flow, happenings: list[Any]
) -> None:
    call = Spoken(flow)
    call.arrives()
    for happening in happenings:
        session = call.session
        match happening:
            case "hear" if session.sound is not None:
                call.hears_all()
            case "wait" if session.timer is not None:
                call.waits()
            case "resume":
                call.resumes()
            case "fail" if session.listening is not None:
                call.fails()
            case "begin" if session.listening is not None:
                call.begins()
            case ("press", digit):
                call.presses(digit)
            case ("say", phrase, n):
                # Old listenings and those that never were speak up too.
                call.says(phrase, listening=f"{CALL}.l{n}")
        listening = call.session.listening
        assert listening is None or listening.node == call.session.node
        assert call.session.state is not State.ENDED or listening is None
        assert Spoken(flow, journal=call.journal).session == call.session
