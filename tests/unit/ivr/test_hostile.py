"""Whatever is written, pressed or answered: nothing raises but FlowInvalid, nothing goes round for ever, and nothing is
ever said that was not in the flow."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ivr import Flow, FlowInvalid, load_flow, load_procedures, read_flow, sample_flow
from ivr.core.moves import State
from ivr.core.procedures import read_procedure
from ivr.core.session import MOST_NODES
from ivr.dialogues import read_dialogues
from telefonista.kernel.events import (
    CallbackGranted,
    CallbackRefused,
    Destination,
    DestinationKind,
    Diverted,
    Event,
    LookupAnswered,
    LookupFailed,
    MessageFailed,
    MessageRecorded,
    NodeEntered,
    PlaybackEnded,
    TicketOpened,
    TicketStatus,
    TimerFired,
    VariableSet,
    VisitStarted,
    VisitSuspended,
    journalled,
)
from telefonista.kernel.ids import NodeName, QueueName, VisitId, contact_id, recording_id
from tests.unit.ivr.conversation import CALL, Line, hung_up, pressed
from tests.unit.ivr.test_more_kinds import LEAVING, OFFERING, PROCEDURES, SERVICES, WAYS_OUT

DIALOGO = Path(__file__).resolve().parents[2] / "asterisk" / "flows" / "dialogo.yaml"
ATENCION = sample_flow("atencion")
FLOWS = (load_flow(DIALOGO), LEAVING, OFFERING, ATENCION, sample_flow("callback"), sample_flow("voicemail"))
TEXTS = (DIALOGO.read_text(encoding="utf-8"), SERVICES, WAYS_OUT)
SCRAPS = st.sampled_from(
    ["{", "}", "[", "]", ": ", "\n", "  ", "- ", "'", '"', "&a", "*a", "!x ", "{monto}", "{monto:money}", "${X}", "0"]
) | st.text(max_size=8)
HOSTILE = st.sampled_from(
    ["<speak>hola</speak>", "{cedula}", "${SHELL(rm)}", "'; DROP TABLE calls --", "\x00", "ñandú", "1500,50", ""]
) | st.text(max_size=30)


@settings(max_examples=150)
@given(text=st.sampled_from(TEXTS), place=st.floats(0, 1), length=st.integers(0, 40), scrap=SCRAPS)
def test_flow_that_was_damaged_is_read_or_refused(text: str, place: float, length: int, scrap: str) -> None:
    at = int(place * len(text))
    damaged = text[:at] + scrap + text[at + length :]
    flow, complaint = None, "f:"
    try:
        flow = read_flow(damaged, file="f", procedures=PROCEDURES)
    except FlowInvalid as refusal:
        complaint = str(refusal)
    assert complaint.startswith("f:")
    assert flow is None or all(way in flow.nodes for node in flow.nodes.values() for way in node.exits)


@settings(max_examples=60)
@given(place=st.floats(0, 1), length=st.integers(0, 40), scrap=SCRAPS)
def test_procedures_and_dialogues_that_were_damaged_are_read_or_refused(place: float, length: int, scrap: str) -> None:
    procedure = "procedure: cedula\ntitle: {es: la cédula, en: the card}\nwhat: {es: Es., en: It is.}\ncost: Gratis.\n"
    dialogues = "Una:\n  at: 2026-11-22 15:00\n  steps:\n    - answers: {a: b}\n    - ends: queue general\n"
    for text in (procedure, dialogues):
        at = int(place * len(text))
        damaged = text[:at] + scrap + text[at + length :]
        complaint = "f:"
        try:
            if text is procedure:
                read_procedure(damaged, file="f")
            else:
                read_dialogues(damaged, flow=LEAVING, file="f")
        except FlowInvalid as refusal:
            complaint = str(refusal)
        assert complaint.startswith("f:")


def happening(line: Line, draw: st.DataObject) -> Event:
    """Anything that may come, whether it is waited for or not."""
    session = line.session
    request = session.requests if draw.draw(st.booleans()) else draw.draw(st.integers(-1, 9))
    values = {name: draw.draw(HOSTILE | st.integers() | st.booleans()) for name in (*session.flow.variables, "otra")}
    recording = recording_id(CALL, n=500 + draw.draw(st.integers(0, 3)))
    to = Destination(draw.draw(st.sampled_from(DestinationKind)), draw.draw(st.sampled_from(["", "1950", "callback"])))
    events: list[Event] = [
        LookupAnswered(call=CALL, request=request, found=draw.draw(st.booleans()), values=values, private=True),
        LookupFailed(call=CALL, request=request, why="x"),
        TicketOpened(call=CALL, request=request, ticket=draw.draw(HOSTILE)),
        TicketStatus(call=CALL, request=request, ticket="1", status=draw.draw(HOSTILE)),
        CallbackGranted(call=CALL, contact=contact_id(CALL, n=1)),
        CallbackRefused(call=CALL, why="closed"),
        MessageRecorded(call=CALL, recording=recording, duration_s=3.0),
        MessageFailed(call=CALL, recording=recording, why="x"),
        VariableSet(call=CALL, name="numero", value=draw.draw(HOSTILE)),
        VisitStarted(call=CALL, visit=VisitId("v"), queue=QueueName("general")),
        VisitSuspended(call=CALL, visit=VisitId("v"), to=to),
        Diverted(call=CALL, to=to, why="x"),
    ]
    return draw.draw(st.sampled_from(events))


@settings(max_examples=120, deadline=None)
@given(flow=st.sampled_from(FLOWS), draw=st.data())
def test_no_order_of_events_raises_or_says_what_is_not_in_the_flow(flow: Flow, draw: st.DataObject) -> None:
    line = Line(flow)
    others = {other.name: other for other in FLOWS}
    line.service.replace_flows(line.service.flows, others=others)
    line.arrives()
    for _ in range(draw.draw(st.integers(0, 25))):
        session, kind = line.session, draw.draw(st.integers(0, 4))
        if kind == 0 and session.sound is not None:
            line.happens(PlaybackEnded(call=CALL, playback=session.sound.playback, failed=draw.draw(st.booleans())))
        elif kind == 1 and session.timer is not None:
            line.happens(TimerFired(call=CALL, key=session.timer.key, token=session.timer.token))
        elif kind in (2, 3):
            line.happens(pressed(draw.draw(st.sampled_from("0123456789*#"))))
        else:
            line.happens(happening(line, draw))
    known = {prompt.text for each in FLOWS for prompt in each.prompts}
    messages = {"1950", "callback"}
    said = {prompt.text for sound in line.every_sound() for prompt in sound.prompts}
    assert said <= known | messages
    again = Line(flow)
    again.service.replace_flows(again.service.flows, others=others)
    for event in line.journal:
        again.service.handle(again._entry(event))
    assert again.session == line.session
    masked = Line(flow)
    masked.service.replace_flows(masked.service.flows, others=others)
    for event in line.journal:
        masked.service.handle(masked._entry(journalled(event)))
    masked.resumes()
    line.happens(hung_up())
    assert line.session.state is State.ENDED
    assert line.session.timer is None


def test_citizen_may_hang_up_in_the_middle_of_every_node() -> None:
    for flow in FLOWS:
        for node in flow.nodes:
            line = Line(flow).arrives()
            line.happens(NodeEntered(call=CALL, node=NodeName(node)))
            line.happens(hung_up())
            assert line.session.state is State.ENDED, (flow.name, node)
            assert (line.session.sound, line.session.timer) == (None, None)


def test_answers_that_lead_round_and_round_end_with_a_person() -> None:
    asks = "{lookup: x, into: {a: a}, found: otra, nothing: %s, on_failure: persona}"
    text = SERVICES.partition("nodes:")[0] + (
        f"variables: {{a: text}}\nnodes:\n  elegir: {asks % 'otra'}\n  otra: {asks.replace('otra', 'fin') % 'elegir'}\n"
        "  fin: {hangup: true}\n  persona: {queue: general}\n"
    )
    line = Line(read_flow(text, file="f")).arrives()
    for request in range(1, MOST_NODES + 2):
        line.happens(LookupAnswered(call=CALL, request=request, found=False))
    assert line.session.state is State.ENDED


def test_procedures_that_come_along_can_be_spoken_in_their_languages() -> None:
    for procedure in load_procedures().values():
        for texts in (procedure.title, *procedure.parts.values()):
            assert "es" in texts
            assert all(len(text) <= 1000 for text in texts.values())
