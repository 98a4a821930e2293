"""The room that talks with citizens: which flow a call goes through, and where each call is in it.

In: journalled events of calls. Out: commands (sounds, timers, hanging up) and decisions, `HandedOff` last of all:
what comes after it is another room's, until that room sends the citizen into a flow again (`Diverted`,
`VisitSuspended`). Holds one session for each call and no clock, socket or thread. Must never import another room.
"""

from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from ivr.core.flow import Flow, saying_goodbye, straight_to
from ivr.core.moves import Session
from ivr.core.procedures import Procedure, read_procedure
from ivr.core.reading import read_flow
from ivr.core.session import MACHINE, begin, resume
from telefonista.kernel.events import (
    CallArrived,
    Destination,
    DestinationKind,
    Diverted,
    Entry,
    FlowEntered,
    HandedOff,
    NodeEntered,
    ReturnedToQueue,
    VariableSet,
    VisitStarted,
    VisitSuspended,
)
from telefonista.kernel.ids import CallId, FlowName, LineName, NodeName, QueueName
from telefonista.kernel.machine import Output
from telefonista.notation.expressions import Kind
from telefonista.notation.problems import FlowInvalid, Problem, shown

CALLER_VARIABLE = "numero"
QUEUE_VARIABLE = "cola"
"""Texts that a flow finds set, where it has variables of these names, when it is entered from a queue: the number that
the citizen calls from, digits and perhaps a plus, and the queue."""
GOODBYE_FLOW = FlowName("mensaje")
"""What a message of a queue's, after which the call ends, is called as a flow."""
_DIALOGUES = {DestinationKind.CALLBACK: FlowName("callback"), DestinationKind.VOICEMAIL: FlowName("voicemail")}
"""The flows for these, unless a queue names its own."""
_INTO_A_FLOW = frozenset(
    {*_DIALOGUES, DestinationKind.FLOW, DestinationKind.MESSAGE, DestinationKind.HANG_UP},
)
_CONSUMES: frozenset[type] = frozenset((CallArrived, VisitStarted, VisitSuspended, *MACHINE.events))
_NO_PROCEDURES: Mapping[str, Procedure] = MappingProxyType({})


class IvrService:
    """A `kernel.ports.Room`.

    A call finishes with the very flow that it began with, whatever `replace_flows` does meanwhile. Only a restart of
    the engine can take that flow away, when its file was changed before: the call then goes on in the flow that has
    the name now (else in the one of its line, else straight to the default queue), at the node where it was if there
    still is one of that name, else at the start.
    """

    def __init__(
        self,
        flows: Mapping[LineName, Flow],
        *,
        default_queue: QueueName,
        others: Mapping[FlowName, Flow] | None = None,
        speech: Collection[str] = (),
    ) -> None:
        """`default_queue` takes the calls of lines without a flow, and those that go round in one without end. `others`
        are flows that no line opens: those to which another flow or a queue leads. `speech` are the languages (`es`)
        in which what citizens say is understood."""
        self._default_queue = default_queue
        self._speech = frozenset(speech)
        self._sessions: dict[CallId, Session] = {}
        self._lines: dict[CallId, LineName] = {}
        self._callers: dict[CallId, str] = {}
        self._queues: dict[CallId, QueueName] = {}
        self._messages: dict[CallId, str] = {}
        """What was last to be said before the end of a call."""
        self.replace_flows(flows, others=others)

    @property
    def consumes(self) -> frozenset[type]:
        return _CONSUMES

    @property
    def flows(self) -> Mapping[LineName, Flow]:
        return self._flows

    def replace_flows(self, flows: Mapping[LineName, Flow], *, others: Mapping[FlowName, Flow] | None = None) -> None:
        """From the next call on these are the lines' flows, and from the next time that one is entered the others."""
        self._flows: Mapping[LineName, Flow] = MappingProxyType(dict(flows))
        of_lines = {flow.name: flow for flow in flows.values()}
        self._by_name: Mapping[FlowName, Flow] = MappingProxyType({**of_lines, **(others or {})})

    def session(self, call: CallId) -> Session | None:
        """Where a call is in its flow, or was when the flow ended; None for a call that has not been in one."""
        return self._sessions.get(call)

    def handle(self, entry: Entry) -> Sequence[Output]:
        """Raises Impossible for an event that only a defect can bring; that call is then as it was before."""
        event = entry.event
        if isinstance(event, CallArrived):
            return self._arrived(event)
        if isinstance(event, VisitStarted):
            self._queues[event.call] = event.queue
            return ()
        if isinstance(event, FlowEntered):
            self._enter(event)
            return ()
        if isinstance(event, VisitSuspended):
            return self._sent(event.call, event.to, queue=self._queues.get(event.call, self._default_queue))
        outputs = self._step(entry)
        if isinstance(event, Diverted) and event.to.kind in _INTO_A_FLOW:
            queue = event.queue or self._queues.get(event.call, self._default_queue)
            return (*outputs, *self._sent(event.call, event.to, queue=queue, for_good=True))
        return outputs

    def _step(self, entry: Entry) -> Sequence[Output]:
        session = self._sessions.get(getattr(entry.event, "call", CallId("")))
        if session is None:
            return ()
        after, outputs = MACHINE.step(session, entry.event, at=entry.at)
        self._sessions[session.call] = after
        return outputs

    def _enter(self, event: FlowEntered) -> None:
        before = self._sessions.get(event.call)
        caller = self._callers.get(event.call, "")
        flow = self._flow_of(event)
        self._sessions[event.call] = begin(
            event.call, flow=flow, person=self._default_queue, caller=caller, speech=event.speech, before=before
        )

    def _sent(self, call: CallId, to: Destination, *, queue: QueueName, for_good: bool = False) -> Sequence[Output]:
        """What follows when another room sends the citizen into a flow; one that is not there leads back."""
        name, _, node = to.name.partition("/")
        if to.kind in (DestinationKind.MESSAGE, DestinationKind.HANG_UP):
            self._messages[call] = to.name if to.kind is DestinationKind.MESSAGE else ""
            flow: Flow | None = self._goodbye(call)
            node = ""
        else:
            flow = self._by_name.get(FlowName(name) if name else _DIALOGUES.get(to.kind, FlowName("")))
        if flow is None:
            return (HandedOff(call=call, queue=queue),) if for_good else (ReturnedToQueue(call=call),)
        caller = self._callers.get(call, "")
        known = {
            CALLER_VARIABLE: ("+" if caller.startswith("+") else "") + "".join(filter(str.isdecimal, caller)),
            QUEUE_VARIABLE: queue,
        }
        return (
            self._entered(call, flow),
            *(
                VariableSet(call=call, name=variable, value=value)
                for variable, value in known.items()
                if flow.variables.get(variable) is Kind.TEXT
            ),
            NodeEntered(call=call, node=NodeName(node) if node in flow.nodes else flow.start),
        )

    def _entered(self, call: CallId, flow: Flow) -> FlowEntered:
        spoken = {language.partition("-")[0] for language in flow.listening_languages}
        return FlowEntered(call=call, flow=flow.name, version=flow.version, speech=not self._speech.isdisjoint(spoken))

    def _goodbye(self, call: CallId) -> Flow:
        of_line = self._flows.get(self._lines.get(call, LineName("")))
        language = "es" if of_line is None else of_line.language
        return saying_goodbye(self._messages.get(call, ""), name=GOODBYE_FLOW, language=language)

    def resume(self, call: CallId, *, at: float) -> Sequence[Output]:
        session = self._sessions.get(call)
        return () if session is None else resume(session)

    def forget(self, call: CallId) -> None:
        self._sessions.pop(call, None)
        for held in (self._lines, self._callers, self._queues, self._messages):
            held.pop(call, None)

    def _arrived(self, event: CallArrived) -> Sequence[Output]:
        if event.call in self._lines:  # told twice after a gap in the link; its flow is under way
            return ()
        self._lines[event.call] = event.line
        self._callers[event.call] = event.caller
        flow = self._flows.get(event.line)
        if flow is None:
            return (HandedOff(call=event.call, queue=self._default_queue),)
        return (
            self._entered(event.call, flow),
            NodeEntered(call=event.call, node=flow.start),
        )

    def _flow_of(self, event: FlowEntered) -> Flow:
        if event.flow == GOODBYE_FLOW and event.call in self._messages:
            return self._goodbye(event.call)
        of_line = self._flows.get(self._lines.get(event.call, LineName("")))
        known = {id(flow): flow for flow in (*self._flows.values(), *self._by_name.values())}
        of_name = [flow for flow in known.values() if flow.name == event.flow]
        for flow in of_name:
            if flow.version == event.version:
                return flow
        if of_line is not None and (of_line in of_name or not of_name):
            return of_line
        return of_name[0] if of_name else straight_to(self._default_queue, name=FlowName(event.flow))


def load_flow(path: Path, *, procedures: Mapping[str, Procedure] | None = None) -> Flow:
    """Read a flow's file; `procedures` are those that it may read out, by default those that come along. Blocking.

    Raises FlowInvalid, for a file that cannot be read as well.
    """
    known = load_procedures() if procedures is None else procedures
    return read_flow(_text_of(path), file=str(path), procedures=known)


def sample_flow(name: str = "0800-info", *, procedures: Mapping[str, Procedure] | None = None) -> Flow:
    """A flow that comes with the engine."""
    file = f"{name}.yaml"
    known = load_procedures() if procedures is None else procedures
    return read_flow(files("ivr.flows").joinpath(file).read_text(encoding="utf-8"), file=file, procedures=known)


def load_procedures(folder: Path | None = None) -> Mapping[str, Procedure]:
    """The repository of procedures: those that come along, and those of a folder, which win. Blocking.

    Raises FlowInvalid, with the problems of all files that are none.
    """
    texts = {
        each.name: each.read_text(encoding="utf-8")
        for each in files("ivr.procedures").iterdir()
        if each.name.endswith(".yaml")
    }
    procedures: dict[str, Procedure] = {}
    own = sorted(folder.glob("*.yaml")) if folder is not None and folder.is_dir() else []
    problems: list[Problem] = []
    for file, text in [*sorted(texts.items()), *((str(path), None) for path in own)]:
        try:
            procedure = read_procedure(_text_of(Path(file)) if text is None else text, file=file)
        except FlowInvalid as invalid:
            problems += invalid.problems
            continue
        stem = Path(file).stem
        if procedure.name != stem:
            problems.append(Problem(file, 1, 1, f"procedure {shown(procedure.name)} stands in a file of another name"))
        procedures[procedure.name] = procedure
    if problems:
        raise FlowInvalid(problems)
    return MappingProxyType(procedures)


def _text_of(path: Path) -> str:
    """Raises FlowInvalid."""
    try:
        return path.read_bytes().decode().removeprefix("\ufeff")
    except OSError as refusal:
        raise FlowInvalid([Problem(str(path), 1, 1, f"cannot be read: {refusal.strerror}")]) from refusal
    except UnicodeDecodeError as wrong:
        line = wrong.object.count(b"\n", 0, wrong.start) + 1
        raise FlowInvalid([Problem(str(path), line, 1, "not UTF-8 text; save it as UTF-8")]) from wrong
