"""The room that talks with citizens: which flow a call goes through, and where each call is in it.

In: journalled events of calls. Out: commands (sounds, timers, hanging up) and decisions, `HandedOff` last of all:
what comes after it is another room's. Holds one session for each call and no clock, socket or thread. Must never
import another room.
"""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from ivr.core.flow import Flow, straight_to
from ivr.core.moves import Session
from ivr.core.reading import read_flow
from ivr.core.session import MACHINE, begin, resume
from telefonista.kernel.events import CallArrived, Entry, FlowEntered, HandedOff, NodeEntered
from telefonista.kernel.ids import CallId, FlowName, LineName, QueueName
from telefonista.kernel.machine import Output
from telefonista.notation.problems import FlowInvalid, Problem

_CONSUMES: frozenset[type] = frozenset((CallArrived, *MACHINE.events))


class IvrService:
    """A `kernel.ports.Room`.

    A call finishes with the very flow that it began with, whatever `replace_flows` does meanwhile. Only a restart of
    the engine can take that flow away, when its file was changed before: the call then goes on in the flow that has
    the name now (else in the one of its line, else straight to the default queue), at the node where it was if there
    still is one of that name, else at the start.
    """

    def __init__(self, flows: Mapping[LineName, Flow], *, default_queue: QueueName) -> None:
        """`default_queue` takes the calls of lines without a flow, and those that go round in one without end."""
        self._default_queue = default_queue
        self._sessions: dict[CallId, Session] = {}
        self._lines: dict[CallId, LineName] = {}
        self.replace_flows(flows)

    @property
    def consumes(self) -> frozenset[type]:
        return _CONSUMES

    @property
    def flows(self) -> Mapping[LineName, Flow]:
        return self._flows

    def replace_flows(self, flows: Mapping[LineName, Flow]) -> None:
        """From the next call on these are the lines' flows."""
        self._flows: Mapping[LineName, Flow] = MappingProxyType(dict(flows))

    def session(self, call: CallId) -> Session | None:
        """Where a call is in its flow, or was when the flow ended; None for a call that has not been in one."""
        return self._sessions.get(call)

    def handle(self, entry: Entry) -> Sequence[Output]:
        """Raises Impossible for an event that only a defect can bring; that call is then as it was before."""
        event = entry.event
        if isinstance(event, CallArrived):
            return self._arrived(event)
        call = getattr(event, "call", None)
        session = None if call is None else self._sessions.get(call)
        if session is None:
            if isinstance(event, FlowEntered):
                self._sessions[event.call] = begin(event.call, flow=self._flow_of(event), person=self._default_queue)
            return ()
        after, outputs = MACHINE.step(session, event, at=entry.at)
        self._sessions[session.call] = after
        return outputs

    def resume(self, call: CallId, *, at: float) -> Sequence[Output]:
        session = self._sessions.get(call)
        return () if session is None else resume(session)

    def forget(self, call: CallId) -> None:
        self._sessions.pop(call, None)
        self._lines.pop(call, None)

    def _arrived(self, event: CallArrived) -> Sequence[Output]:
        if event.call in self._lines:  # told twice after a gap in the link; its flow is under way
            return ()
        self._lines[event.call] = event.line
        flow = self._flows.get(event.line)
        if flow is None:
            return (HandedOff(call=event.call, queue=self._default_queue),)
        return (
            FlowEntered(call=event.call, flow=flow.name, version=flow.version),
            NodeEntered(call=event.call, node=flow.start),
        )

    def _flow_of(self, event: FlowEntered) -> Flow:
        line = self._lines.get(event.call)
        of_line = None if line is None else self._flows.get(line)
        of_name = [flow for flow in self._flows.values() if flow.name == event.flow]
        for flow in of_name:
            if flow.version == event.version:
                return flow
        if of_line is not None and (of_line in of_name or not of_name):
            return of_line
        return of_name[0] if of_name else straight_to(self._default_queue, name=FlowName(event.flow))


def load_flow(path: Path) -> Flow:
    """Read a flow's file. Blocking. Raises FlowInvalid, for a file that cannot be read as well."""
    try:
        text = path.read_bytes().decode()
    except OSError as refusal:
        raise FlowInvalid([Problem(str(path), 1, 1, f"cannot be read: {refusal.strerror}")]) from refusal
    except UnicodeDecodeError as wrong:
        line = wrong.object.count(b"\n", 0, wrong.start) + 1
        raise FlowInvalid([Problem(str(path), line, 1, "not UTF-8 text; save it as UTF-8")]) from wrong
    return read_flow(text.removeprefix("\ufeff"), file=str(path))


def sample_flow(name: str = "0800-info") -> Flow:
    """A flow that comes with the engine."""
    file = f"{name}.yaml"
    return read_flow(files("ivr.flows").joinpath(file).read_text(encoding="utf-8"), file=file)
