"""The engine: takes what happens, lets the house decide, writes it down, then does what was decided.

Everything goes through `receive`, one event at a time, on one thread. In: events of the link, of timers, of workers.
Out: batches to the journal and to whoever listens (the projection, the live view), commands to Asterisk, timers,
recordings to be kept. Holds no rule of its own.
"""

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import structlog

from acd import AcdService, Desk, QueuePolicy
from agents import AgentsService, Member
from ivr import Flow, IvrService
from recordings import RecordingsService
from telefonista.kernel.call import Call
from telefonista.kernel.calls import Calls, owed
from telefonista.kernel.cascade import Cascade
from telefonista.kernel.commands import (
    AnyCommand,
    CancelTimer,
    Errand,
    HangUp,
    KeepRecording,
    PbxCommand,
    SetAgentTimer,
    SetTimer,
)
from telefonista.kernel.events import (
    KINDS,
    AgentRequestRefused,
    AgentTimerFired,
    CallArrived,
    CallbackRefused,
    CallLost,
    CallStopped,
    Entry,
    Event,
    LegEnded,
    NodeLost,
    PhoneChanged,
    RecordingFailed,
    RecordingKept,
    RequestRefused,
    TimerFired,
)
from telefonista.kernel.ids import CallId, FlowName, LegId, LineName, RecordingId, citizen_leg
from telefonista.kernel.machine import Output
from telefonista.kernel.ports import Cancellable, Clock, Journal, Observation, Pbx
from telefonista.kernel.reconcile import Agreement, Suspicion, audit, missing_legs, reconcile

_log = structlog.get_logger("engine")

Listener = Callable[[Sequence[Entry]], None]


class EngineFailed(Exception):
    """The journal did not take what had been decided, so nothing more may be. Only a restart helps: it finds the truth
    in the journal and the calls in Asterisk, where they go on meanwhile."""


class Engine:
    """`keep_recording` joins a recording off this path and answers with an event; so does `run_errand` for what flows
    ask of others. `on_failure` is called once, when the journal fails: the process must end then, and hang up nobody.
    """

    def __init__(
        self,
        *,
        calls: Calls,
        agents: AgentsService,
        ivr: IvrService,
        acd: AcdService,
        recordings: RecordingsService,
        journal: Journal,
        clock: Clock,
        keep_recording: Callable[[KeepRecording], None],
        on_failure: Callable[[Exception], None] = lambda failure: None,
        run_errand: Callable[[Errand], None] = lambda errand: None,
    ) -> None:
        self.calls = calls
        self.agents = agents
        self.ivr = ivr
        self.acd = acd
        self.recordings = recordings
        self._rooms = (agents, ivr, acd, calls, recordings)
        self._cascade = Cascade(self._rooms, matcher=acd.match)
        self._journal = journal
        self._clock = clock
        self._keep_recording = keep_recording
        self._run_errand = run_errand
        self._pbx: Pbx | None = None
        self._listeners: list[Listener] = []
        self._timers: dict[str, dict[str, Cancellable]] = {}
        """By call or agent, then by key."""
        self._keeping: set[RecordingId] = set()
        self._next_seq = 1
        self._suspicion = Suspicion()
        self._on_failure = on_failure
        self._accepting = False
        self.offering = True
        """Whether contacts are offered to agents."""
        self.failure: Exception | None = None
        """Why the engine has ended, if it has."""

    @property
    def accepting(self) -> bool:
        """Whether new calls are taken; when not, they go the contingency path."""
        return self._accepting and self.failure is None

    @accepting.setter
    def accepting(self, accepting: bool) -> None:
        self._accepting = accepting

    @property
    def desk(self) -> Desk:
        return self.acd.desk

    def attach(self, pbx: Pbx) -> None:
        self._pbx = pbx

    def listen(self, listener: Listener) -> None:
        """`listener` gets every batch from now on, after it is in the journal."""
        self._listeners.append(listener)

    def recover(self, entries: Iterable[Entry], *, next_seq: int) -> int:
        """Live through the journal again; returns how many calls are still open."""
        for entry in entries:
            self._cascade.replay(entry)
        self._next_seq = next_seq
        return len(self.calls.open)

    def configure(
        self,
        *,
        policies: Iterable[QueuePolicy],
        members: Iterable[Member],
        flows: Mapping[LineName, Flow],
        other_flows: Mapping[FlowName, Flow] | None = None,
    ) -> None:
        """The configuration was read again: it holds for what happens from here on, and whoever waits may be offered at
        once to an agent who is new in a queue. Raises `EngineFailed`."""
        self._check()
        self.desk.configure(policies)
        self.agents.roster.configure(members)
        self.ivr.replace_flows(flows, others=other_flows)
        self._take(None)

    def receive(self, event: Event, at: float | None = None) -> None:
        """Something happened, at `at` (epoch seconds) or now. Raises `EngineFailed`; nothing was done then."""
        if isinstance(event, CallArrived) and event.call in self.calls.open:
            return  # told twice: by the event and by a look at what is there
        if isinstance(event, PhoneChanged) and self.agents.roster[event.agent].phone is event.phone:
            return  # Asterisk tells a state again when something else of the device changes
        if isinstance(event, RecordingKept | RecordingFailed):
            self._keeping.discard(event.recording)
        self._take(event, at=at)

    def ask(self, event: Event) -> str | None:
        """Somebody wants something: why it is refused, or None when it is done or under way. Raises `EngineFailed`."""
        refusals = (
            entry.event.why
            for entry in self._take(event)
            if isinstance(entry.event, RequestRefused | AgentRequestRefused | CallbackRefused)
        )
        return next(refusals, None)

    def _take(self, event: Event | None, *, at: float | None = None, matching: bool = True) -> Sequence[Entry]:
        """One event, or only whatever offer can be made now, and all that follows: what was written."""
        self._check()
        now = self._clock.now()
        batch = self._cascade.run(
            event,
            at=now if at is None else min(at, now),
            now=now,
            next_seq=self._next_seq,
            matching=matching and self._may_offer(),
        )
        if not batch.entries:
            return ()
        self._write(batch.entries)
        for defect in batch.defects:
            _log.error("a call met what cannot be and is broken off", defect=defect)
        self._execute(batch.commands)
        for call in batch.ended:
            self._drop_timers(call)
        for listener in self._listeners:
            listener(batch.entries)
        return batch.entries

    def _write(self, entries: Sequence[Entry]) -> None:
        try:
            self._journal.append(entries)
        except Exception as failure:
            self.failure = failure
            for owner in list(self._timers):
                for key in list(self._timers[owner]):
                    self._cancel(owner, key)
            self._on_failure(failure)
            with contextlib.suppress(OSError):  # the disk that takes no journal may take no log either
                _log.critical(
                    "the journal takes no more; the engine ends and calls go on in Asterisk", why=str(failure)
                )
            raise EngineFailed(f"the journal takes no more: {failure}") from failure
        self._next_seq += len(entries)

    def _check(self) -> None:
        if self.failure is not None:
            raise EngineFailed(f"the engine has failed: {self.failure}")

    def node_lost(self, node: str, *, why: str) -> None:
        """The Asterisk of this name is dead, and so is every call in it; a citizen who is to be called back, and a
        message that is to be heard, is not. Raises `EngineFailed`."""
        dead = [call for call in self.calls.open if call.startswith(f"{node}-")]
        self._take(NodeLost(node=node, why=why))
        for call in dead:
            if not owed(self.calls.open[call]):
                self._take(CallLost(call=call, why=why))
                continue
            for leg in sorted(self.calls.open[call].legs):
                self._take(LegEnded(call=call, leg=leg, cause=0, lost=True), matching=False)
        if dead:
            _log.warning("calls lost with their Asterisk", node=node, calls=len(dead), why=why)

    def stop_calls(self) -> int:
        """Hang up every open call, for the engine is being stopped on purpose; returns how many there were. Contacts
        that are owed lose their legs and wait on. Raises `EngineFailed`."""
        open_calls = list(self.calls.open)
        for call in open_calls:
            if owed(self.calls.open[call]):
                self._execute([HangUp(call=call, leg=leg) for leg in sorted(self.calls.open[call].legs)])
            else:
                self._take(CallStopped(call=call))
        return len(open_calls)

    @property
    def quiet(self) -> bool:
        """Whether no telephone has anything to do with us."""
        return not any(call.legs for call in self.calls.open.values())

    def agree(self, observation: Observation) -> None:
        """The link is up after a gap, in which nothing was carried out: take up every call where the journal has it,
        then make journal and Asterisk agree, and only then offer calls to agents. Raises `EngineFailed`."""
        self._check()
        agreement = reconcile(believed=self.calls.open, now=self.calls.open, observation=observation)
        if agreement.events or agreement.commands:
            _log.info("reconciled", events=len(agreement.events), commands=len(agreement.commands))
        # In this order, for what the agreement finds goes on from where the calls were taken up.
        self._resume(but_not=missing_legs(self.calls.open, observation))
        self._mend(agreement, observation)

    def _resume(self, *, but_not: Collection[LegId]) -> None:
        """Calls whose citizen is gone are not taken up again."""
        now = self._clock.now()
        outputs: list[Output] = [output for room in (self.agents, self.acd) for output in room.resume_agents(at=now)]
        for call in dict.fromkeys((*self.calls.open, *self.recordings.unfinished())):
            if citizen_leg(call) not in but_not:
                for room in self._rooms:
                    outputs += room.resume(call, at=now)
        self._execute([output for output in outputs if not isinstance(output, KINDS)])
        for output in outputs:
            if isinstance(output, KINDS):
                self._take(output, matching=False)

    def audit(self, observation: Observation, *, believed: Mapping[CallId, Call]) -> None:
        """Look for what no event told. Nothing to do is the rule; what is done is logged as the defect it shows. Raises
        `EngineFailed`."""
        self._check()
        agreement, self._suspicion = audit(
            before=self._suspicion, believed=believed, now=self.calls.open, observation=observation
        )
        if agreement.events or agreement.commands:
            _log.warning("an audit mended what no event told", events=agreement.events, commands=agreement.commands)
        self._mend(agreement, observation)

    def _mend(self, agreement: Agreement, observation: Observation) -> None:
        phones = [
            PhoneChanged(agent=agent, phone=phone)
            for agent, phone in observation.phones.items()
            if self.agents.roster[agent].phone is not phone
        ]
        for event in (*agreement.events, *phones):
            self._take(event, matching=False)
        self._execute(agreement.commands)
        self._take(None)

    def _may_offer(self) -> bool:
        """An offer made while nobody can be rung would only end as lost."""
        return self._pbx is not None and self._pbx.up and self.offering

    def _execute(self, commands: Iterable[AnyCommand]) -> None:
        for_pbx: list[PbxCommand] = []
        for command in commands:
            if isinstance(command, SetTimer):
                self._set_timer(command)
            elif isinstance(command, CancelTimer):
                self._cancel(command.call, command.key)
            elif isinstance(command, SetAgentTimer):
                self._set_agent_timer(command)
            elif isinstance(command, KeepRecording):
                self._keep(command)
            elif isinstance(command, Errand):
                self._run_errand(command)
            else:
                for_pbx.append(command)
        if for_pbx and self._pbx is not None:
            self._pbx.execute(for_pbx)

    def _keep(self, command: KeepRecording) -> None:
        """Once: a second joining would find what the first has left of the parts, and tell of a failure."""
        if command.recording not in self._keeping:
            self._keeping.add(command.recording)
            self._keep_recording(command)

    def _set_timer(self, command: SetTimer) -> None:
        event = TimerFired(call=command.call, key=command.key, token=command.token)
        self._start_timer(command.call, command.key, after_s=command.after_s, event=event)

    def _set_agent_timer(self, command: SetAgentTimer) -> None:
        event = AgentTimerFired(agent=command.agent, key=command.key, token=command.token)
        self._start_timer(command.agent, command.key, after_s=command.after_s, event=event)

    def _start_timer(self, owner: str, key: str, *, after_s: float, event: Event) -> None:
        self._cancel(owner, key)

        def fire() -> None:
            self._cancel(owner, key)
            self.receive(event)

        self._timers.setdefault(owner, {})[key] = self._clock.call_later(after_s, fire)

    def _cancel(self, owner: str, key: str) -> None:
        running = self._timers.get(owner, {})
        timer = running.pop(key, None)
        if timer is not None:
            timer.cancel()
        if not running:
            self._timers.pop(owner, None)

    def _drop_timers(self, call: CallId) -> None:
        """A call that has ended waits for nothing; its recording still does."""
        for key in [key for key in self._timers.get(call, ()) if not key.startswith("recording.")]:
            self._cancel(call, key)
