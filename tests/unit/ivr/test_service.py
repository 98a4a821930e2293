"""The room as the engine drives it: which flow a call gets, and what becomes of calls when flows change."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from ivr import Flow, FlowInvalid, IvrService, load_flow, read_flow, sample_flow
from telefonista.kernel.events import (
    CallArrived,
    CallEnded,
    DigitPressed,
    EndReason,
    EngineStarted,
    Entry,
    Event,
    FlowEnded,
    FlowEntered,
    HandedOff,
    NodeEntered,
    PlaybackEnded,
)
from telefonista.kernel.ids import CallId, LineName, NodeName, PlaybackId, QueueName, RouteName, citizen_leg
from telefonista.kernel.machine import Output
from telefonista.kernel.ports import Room

CALL = CallId("nodo1-1700000000.1")
INFO = LineName("0800-info")
PERSON = QueueName("general")
SAMPLE = sample_flow()
VACCINES = read_flow(
    """
flow: vacunas
language: es
start: aviso
nodes:
  aviso: {say: Vacunación., then: persona}
  persona: {queue: vacunacion}
""",
    file="vacunas.yaml",
)


def arrived(line: LineName = INFO) -> CallArrived:
    return CallArrived(call=CALL, line=line, dialled="4636", route=RouteName("ciudadanos"), caller="099123456")


def give(service: IvrService, *events: Event) -> Sequence[Output]:
    """Apply events as a journal has them; what the last one led to."""
    outputs: Sequence[Output] = ()
    for event in events:
        outputs = service.handle(Entry(seq=1, at=0.0, event=event))
    return outputs


def entered(flow: Flow, node: str | None = None) -> list[Event]:
    return [
        arrived(),
        FlowEntered(call=CALL, flow=flow.name, version=flow.version),
        NodeEntered(call=CALL, node=NodeName(node) if node else flow.start),
    ]


def flow_of(service: IvrService) -> Flow:
    session = service.session(CALL)
    assert session is not None
    return session.flow


def node_of(service: IvrService) -> str:
    session = service.session(CALL)
    assert session is not None
    return session.node


def test_service_is_a_room_that_hears_of_arrivals_keys_sounds_timers_and_endings() -> None:
    room: Room = IvrService({INFO: SAMPLE}, default_queue=PERSON)
    assert {CallArrived, FlowEntered, NodeEntered, DigitPressed, PlaybackEnded, CallEnded} <= room.consumes
    assert EngineStarted not in room.consumes


def test_call_enters_the_flow_of_its_line() -> None:
    service = IvrService({INFO: SAMPLE, LineName("vacunas"): VACCINES}, default_queue=PERSON)
    assert list(give(service, arrived(LineName("vacunas")))) == [
        FlowEntered(call=CALL, flow=VACCINES.name, version=VACCINES.version),
        NodeEntered(call=CALL, node=NodeName("aviso")),
    ]


def test_call_of_a_line_without_a_flow_goes_straight_to_a_person() -> None:
    service = IvrService({}, default_queue=PERSON)
    handed_off = HandedOff(call=CALL, queue=PERSON)
    assert list(give(service, arrived())) == [handed_off]
    assert give(service, handed_off) == ()
    assert service.resume(CALL, at=0.0) == ()


def test_call_that_is_announced_twice_keeps_its_place() -> None:
    service = IvrService({INFO: SAMPLE}, default_queue=PERSON)
    give(service, *entered(SAMPLE, "menu"))
    assert give(service, arrived()) == ()
    assert node_of(service) == "menu"


def test_events_of_calls_that_are_not_ours_are_nothing_to_us() -> None:
    service = IvrService({INFO: SAMPLE}, default_queue=PERSON)
    assert give(service, DigitPressed(call=CALL, leg=citizen_leg(CALL), digit="1")) == ()
    assert give(service, EngineStarted(node="nodo1", version="1")) == ()
    assert service.session(CALL) is None


def test_call_finishes_with_the_flow_it_began_with_while_new_calls_get_the_new_one() -> None:
    service = IvrService({INFO: SAMPLE}, default_queue=PERSON)
    give(service, *entered(SAMPLE))
    service.replace_flows({INFO: VACCINES})
    assert dict(service.flows) == {INFO: VACCINES}
    give(service, PlaybackEnded(call=CALL, playback=PlaybackId(f"{CALL}.p1")))
    give(service, NodeEntered(call=CALL, node=NodeName("menu")))
    assert (flow_of(service), node_of(service)) == (SAMPLE, "menu")
    other = CallId("nodo1-1700000000.2")
    outputs = give(service, msgspec.structs.replace(arrived(), call=other))
    assert FlowEntered(call=other, flow=VACCINES.name, version=VACCINES.version) in outputs


def test_after_a_restart_with_the_same_file_the_call_has_the_same_flow() -> None:
    older = msgspec.structs.replace(SAMPLE, version="older")
    service = IvrService({LineName("otra"): older, INFO: SAMPLE}, default_queue=PERSON)
    give(service, *entered(SAMPLE))
    assert flow_of(service) is SAMPLE


def test_after_a_restart_with_a_changed_file_the_call_is_at_the_same_node_of_the_new_flow() -> None:
    changed = msgspec.structs.replace(SAMPLE, version="changed")
    service = IvrService({LineName("otra"): SAMPLE, INFO: changed}, default_queue=PERSON)
    give(service, *entered(msgspec.structs.replace(SAMPLE, version="gone"), "menu"))
    assert flow_of(service) is changed
    assert list(service.resume(CALL, at=0.0)) == [NodeEntered(call=CALL, node=NodeName("menu"))]


def test_after_a_restart_with_a_changed_file_that_lost_the_node_the_call_begins_again() -> None:
    service = IvrService({INFO: SAMPLE}, default_queue=PERSON)
    give(service, *entered(msgspec.structs.replace(SAMPLE, version="gone"), "idiomas"))
    assert node_of(service) == SAMPLE.start
    assert list(service.resume(CALL, at=0.0)) == [NodeEntered(call=CALL, node=SAMPLE.start)]


def test_after_a_restart_in_which_another_line_has_the_flow_the_call_goes_on_in_it() -> None:
    changed = msgspec.structs.replace(SAMPLE, version="changed")
    service = IvrService({INFO: VACCINES, LineName("otra"): changed}, default_queue=PERSON)
    give(service, *entered(SAMPLE, "menu"))
    assert flow_of(service) is changed


def test_after_a_restart_with_another_flow_on_the_line_the_call_goes_on_in_that() -> None:
    service = IvrService({INFO: VACCINES}, default_queue=PERSON)
    give(service, *entered(SAMPLE, "menu"))
    assert (flow_of(service), node_of(service)) == (VACCINES, "aviso")


def test_after_a_restart_with_no_flow_left_the_call_goes_to_a_person() -> None:
    service = IvrService({}, default_queue=PERSON)
    give(service, *entered(SAMPLE, "menu"))
    assert list(service.resume(CALL, at=0.0)) == [
        HandedOff(call=CALL, queue=PERSON),
        FlowEnded(call=CALL, outcome="handed_off"),
    ]


def test_flow_that_is_journalled_without_its_arrival_is_found_by_its_name() -> None:
    service = IvrService({INFO: SAMPLE}, default_queue=PERSON)
    give(service, FlowEntered(call=CALL, flow=SAMPLE.name, version="older"))
    assert flow_of(service) is SAMPLE


def test_nothing_is_kept_of_a_call_that_is_over() -> None:
    service = IvrService({INFO: SAMPLE}, default_queue=PERSON)
    give(service, *entered(SAMPLE), CallEnded(call=CALL, reason=EndReason.CITIZEN_HUNG_UP))
    service.forget(CALL)
    assert service.session(CALL) is None
    assert service.resume(CALL, at=0.0) == ()
    service.forget(CALL)


def test_flow_file_is_read_from_the_disk(tmp_path: Path) -> None:
    file = tmp_path / "vacunas.yaml"
    text = "flow: vacunas\nlanguage: es\nstart: persona\nnodes: {persona: {queue: vacunacion}}\n"
    file.write_text("\ufeff" + text, encoding="utf-8")
    flow = load_flow(file)
    assert (flow.name, flow.file) == ("vacunas", str(file))
    assert flow.version == read_flow(text, file="").version


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"flow: v\nlanguage: \xe9s\n", ":2: not UTF-8 text; save it as UTF-8"),
        (None, ":1: cannot be read: No such file or directory"),
    ],
)
def test_flow_file_that_cannot_be_read_is_one_problem(tmp_path: Path, content: bytes | None, expected: str) -> None:
    file = tmp_path / "vacunas.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(FlowInvalid) as caught:
        load_flow(file)
    assert str(caught.value) == f"{file}{expected}"
