"""Lives of calls as the engine journals them: fixed ones by name, and random ones that are always valid.

A `World` knows which batches of events may come next; whoever drives it picks one by number, so that a random list of
numbers is a random history and a shorter list is a simpler one.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol

from telefonista.kernel.events import (
    AttemptEnded,
    AttemptMade,
    CallArrived,
    CallbackAsked,
    CallbackGranted,
    CallBroken,
    CallEnded,
    CallLost,
    ContactBooked,
    ContingencyCallReported,
    ConversationEnded,
    ConversationStarted,
    Destination,
    DestinationKind,
    EndReason,
    EngineStarted,
    Entry,
    Event,
    FlowEnded,
    FlowEntered,
    HandedOff,
    InputRejected,
    LegAnswered,
    LegEnded,
    LegRang,
    Medium,
    NodeEntered,
    OfferEnded,
    OfferMade,
    OfferOutcome,
    OptionChosen,
    Phone,
    PlaybackEnded,
    Presence,
    PresenceChanged,
    RecordingAsked,
    RecordingFailed,
    RecordingKept,
    RecordingStarted,
    RecordingStopped,
    VisitEnded,
    VisitOutcome,
    VisitStarted,
    VisitSuspended,
)
from telefonista.kernel.ids import (
    AgentId,
    CallId,
    FlowName,
    LegId,
    LineName,
    NodeName,
    OfferId,
    QueueName,
    RecordingId,
    RouteName,
    VisitId,
    agent_leg,
    bridge_id,
    citizen_leg,
    offer_id,
    playback_id,
    recording_id,
    visit_id,
)

START = 1_760_000_000.0
"""Epoch seconds: when these stories begin."""
LINE = LineName("0800-info")
TRUNK = RouteName("citizens")
AGENTS = (AgentId("101"), AgentId("102"), AgentId("103"))
QUEUES = (QueueName("tramites"), QueueName("impuestos"))

Batch = Sequence[Event]


class Appendable(Protocol):
    @property
    def next_seq(self) -> int: ...

    def append(self, batch: Sequence[Entry]) -> None: ...


def entries_of(batch: Batch, *, seq: int, at: float) -> list[Entry]:
    """The batch as entries that begin at `seq`."""
    return [Entry(seq=seq + n, at=at, left=len(batch) - 1 - n, event=event) for n, event in enumerate(batch)]


class Writer:
    """Appends batches a second apart."""

    def __init__(self, journal: Appendable, *, at: float = START) -> None:
        self._journal = journal
        self.at = at
        self.written: list[Entry] = []

    def write(self, *events: Event) -> list[Entry]:
        self.at += 1.0
        entries = entries_of(events, seq=self._journal.next_seq, at=self.at)
        self._journal.append(entries)
        self.written.extend(entries)
        return entries

    def play(self, batches: Iterable[Batch]) -> list[Entry]:
        return [entry for batch in batches for entry in self.write(*batch)]


def arrived(call: CallId, *, caller: str = "099123456") -> Batch:
    return [
        CallArrived(call=call, line=LINE, dialled="08004636", route=TRUNK, caller=caller),
        FlowEntered(call=call, flow=FlowName("0800-info"), version="1"),
        NodeEntered(call=call, node=NodeName("menu")),
    ]


def waiting(call: CallId, *, queue: QueueName = QUEUES[0]) -> Batch:
    return [
        PlaybackEnded(call=call, playback=playback_id(call, n=1)),
        OptionChosen(call=call, node=NodeName("menu"), digit="1", option=queue),
        FlowEnded(call=call, outcome="handed_off"),
        HandedOff(call=call, queue=queue, topic="trámites"),
        VisitStarted(call=call, visit=visit_id(call, n=1), queue=queue),
    ]


def offered(call: CallId, *, agent: AgentId = AGENTS[0], n: int = 1, visit: int = 1) -> Batch:
    leg, offer = agent_leg(call, n=n), offer_id(call, n=n)
    return [
        OfferMade(
            call=call, visit=visit_id(call, n=visit), offer=offer, agent=agent, leg=leg, passed_over={"102": "talking"}
        ),
        PresenceChanged(agent=agent, presence=Presence.RESERVED, phone=Phone.IDLE, call=call, offer=offer),
        LegRang(call=call, leg=leg),
    ]


def talking(
    call: CallId, *, agent: AgentId = AGENTS[0], n: int = 1, visit: int = 1, queue: QueueName = QUEUES[0]
) -> Batch:
    leg, offer = agent_leg(call, n=n), offer_id(call, n=n)
    return [
        LegAnswered(call=call, leg=leg),
        OfferEnded(call=call, visit=visit_id(call, n=visit), offer=offer, agent=agent, outcome=OfferOutcome.ANSWERED),
        VisitEnded(call=call, visit=visit_id(call, n=visit), queue=queue, outcome=VisitOutcome.ANSWERED, agent=agent),
        ConversationStarted(call=call, agent=agent, leg=leg, bridge=bridge_id(call, n=1), queue=queue),
        PresenceChanged(agent=agent, presence=Presence.TALKING, phone=Phone.BUSY, call=call),
        RecordingAsked(call=call, recording=recording_id(call, n=1), agent=agent),
        RecordingStarted(call=call, recording=recording_id(call, n=1)),
    ]


def ended(call: CallId, *, agent: AgentId = AGENTS[0], n: int = 1) -> Batch:
    leg = agent_leg(call, n=n)
    return [
        LegEnded(call=call, leg=citizen_leg(call), cause=16),
        ConversationEnded(call=call, agent=agent, leg=leg, reason=EndReason.CITIZEN_HUNG_UP),
        PresenceChanged(agent=agent, presence=Presence.WRAP_UP, phone=Phone.IDLE, call=call),
        LegEnded(call=call, leg=leg, cause=16, sip_status=200),
        CallEnded(call=call, reason=EndReason.CITIZEN_HUNG_UP),
        RecordingStopped(call=call, recording=recording_id(call, n=1)),
    ]


def kept(call: CallId) -> Batch:
    return [
        RecordingKept(
            call=call,
            recording=recording_id(call, n=1),
            path=f"2025/10/{call}.wav",
            duration_s=31.5,
            sha256="5f" * 32,
        )
    ]


def ready(agent: AgentId, *, at: float = START) -> Batch:
    return [PresenceChanged(agent=agent, presence=Presence.READY, phone=Phone.IDLE, idle_since=at)]


def helped(call: CallId, *, agent: AgentId = AGENTS[0], caller: str = "099123456") -> list[Batch]:
    """A whole call: menu, queue, agent, wrap-up, recording kept."""
    return [
        arrived(call, caller=caller),
        waiting(call),
        offered(call, agent=agent),
        talking(call, agent=agent),
        ended(call, agent=agent),
        kept(call),
        ready(agent),
    ]


def wants_to_be_called_back(call: CallId, contact: CallId) -> list[Batch]:
    """A citizen who waits asks to be called back, and hangs up."""
    queue = QUEUES[0]
    return [
        arrived(call),
        waiting(call),
        [
            VisitSuspended(call=call, visit=visit_id(call, n=1), to=Destination(DestinationKind.CALLBACK)),
            CallbackAsked(call=call, queue=queue, number="099123456"),
            CallbackGranted(call=call, contact=contact),
            VisitEnded(call=call, visit=visit_id(call, n=1), queue=queue, outcome=VisitOutcome.CALLBACK),
            ContactBooked(
                call=contact,
                origin=call,
                medium=Medium.CALLBACK,
                queue=queue,
                number="099123456",
                line=LINE,
                route=TRUNK,
                place_at=START + 2,
                topic="trámites",
            ),
            VisitStarted(
                call=contact, visit=visit_id(contact, n=1), queue=queue, medium=Medium.CALLBACK, place_at=START + 2
            ),
        ],
        [
            LegEnded(call=call, leg=citizen_leg(call), cause=16),
            CallEnded(call=call, reason=EndReason.FLOW_FINISHED),
        ],
    ]


def attempted(contact: CallId, *, attempt: int, outcome: OfferOutcome, agent: AgentId = AGENTS[0]) -> list[Batch]:
    """An agent is offered somebody to call back; the citizen is dialled."""
    leg, offer, visit = agent_leg(contact, n=attempt), offer_id(contact, n=attempt), visit_id(contact, n=1)
    reached = outcome is OfferOutcome.ANSWERED
    return [
        [OfferMade(call=contact, visit=visit, offer=offer, agent=agent, leg=leg, because="waits longest")],
        [
            LegAnswered(call=contact, leg=leg),
            AttemptMade(
                call=contact,
                offer=offer,
                agent=agent,
                leg=citizen_leg(contact),
                attempt=attempt,
                number="099123456",
                route=TRUNK,
            ),
        ],
        [
            AttemptEnded(
                call=contact, leg=citizen_leg(contact), attempt=attempt, outcome=outcome, cause=16 if reached else 17
            ),
            OfferEnded(
                call=contact,
                visit=visit,
                offer=offer,
                agent=agent,
                outcome=OfferOutcome.ANSWERED if reached else OfferOutcome.UNREACHED,
            ),
        ],
    ]


def gave_up_in_the_menu(call: CallId) -> list[Batch]:
    return [
        arrived(call),
        [InputRejected(call=call, node=NodeName("menu"), digit="7")],
        [
            LegEnded(call=call, leg=citizen_leg(call), cause=16),
            CallEnded(call=call, reason=EndReason.CITIZEN_HUNG_UP),
        ],
    ]


def contingency(call: CallId, *, at: float, answered: bool = True) -> ContingencyCallReported:
    return ContingencyCallReported(
        call=call,
        line=LINE,
        dialled="08004636",
        route=TRUNK,
        caller="099123456",
        arrived_at=at - 100,
        queued_at=at - 90,
        answered_at=at - 60 if answered else None,
        ended_at=at - 10,
        agent=AGENTS[1] if answered else None,
        queue=QueueName("failsafe"),
        recording_files=(f"{call}-in.wav", f"{call}-out.wav") if answered else (),
    )


class _Life:
    def __init__(self, call: CallId) -> None:
        self.call = call
        self.state = "menu"
        self.visits = 0
        self.offers = 0
        self.queue = QUEUES[0]
        self.agent: AgentId | None = None
        self.unsettled: RecordingId | None = None

    @property
    def visit(self) -> VisitId:
        return visit_id(self.call, n=self.visits)

    @property
    def offer(self) -> OfferId:
        return offer_id(self.call, n=self.offers)

    @property
    def leg(self) -> LegId:
        return agent_leg(self.call, n=self.offers)


Move = Callable[[], list[Event]]


class World:
    """A centre with three agents and a few calls at a time."""

    def __init__(self) -> None:
        self._lives: dict[CallId, _Life] = {}
        self._arrivals = 0
        self._agents = dict.fromkeys(AGENTS, Presence.OFFLINE)

    def step(self, pick: int, *, at: float) -> list[Event]:
        """One of the batches that may come next."""
        moves = self._moves(at)
        return moves[pick % len(moves)]()

    def _moves(self, at: float) -> list[Move]:
        moves: list[Move] = []
        if sum(life.state != "over" for life in self._lives.values()) < 4:
            moves.append(self._arrive)
        moves.extend(
            partial(self._get_ready, agent)
            for agent, presence in self._agents.items()
            if presence in (Presence.OFFLINE, Presence.WRAP_UP)
        )
        for life in self._lives.values():
            moves.extend(partial(move, life) for move in self._of(life))
        moves.append(partial(self._contingency, at, answered=True))
        moves.append(partial(self._contingency, at, answered=False))
        moves.append(self._start_again)
        return moves

    def _of(self, life: _Life) -> list[Callable[[_Life], list[Event]]]:
        free = any(presence is Presence.READY for presence in self._agents.values())
        moves: dict[str, list[Callable[[_Life], list[Event]]]] = {
            "menu": [self._queue_up, self._hang_up, self._reject],
            "waiting": [*([self._offer] if free else []), self._hang_up, self._divert, self._lose, self._break],
            "offered": [self._answer, self._ring_out, self._hang_up, self._lose],
            "talking": [self._hang_up, self._lose],
            "ended": [self._keep, self._fail_to_keep],
            "over": [],
        }
        return moves[life.state]

    def _get_ready(self, agent: AgentId) -> list[Event]:
        return [self._presence(agent, Presence.READY)]

    def _start_again(self) -> list[Event]:
        return [EngineStarted(node="n1", version="1")]

    def _presence(self, agent: AgentId, presence: Presence, call: CallId | None = None) -> PresenceChanged:
        self._agents[agent] = presence
        return PresenceChanged(agent=agent, presence=presence, phone=Phone.IDLE, call=call)

    def _arrive(self) -> list[Event]:
        self._arrivals += 1
        call = CallId(f"n1-1760000000.{self._arrivals}")
        self._lives[call] = _Life(call)
        return list(arrived(call, caller=("099123456", "anonymous", "29001234")[self._arrivals % 3]))

    def _contingency(self, at: float, *, answered: bool) -> list[Event]:
        self._arrivals += 1
        return [contingency(CallId(f"n1-1760000000.{self._arrivals}"), at=at, answered=answered)]

    def _queue_up(self, life: _Life) -> list[Event]:
        life.state = "waiting"
        return [HandedOff(call=life.call, queue=life.queue, topic="trámites"), self._visit(life)]

    def _visit(self, life: _Life) -> VisitStarted:
        life.visits += 1
        return VisitStarted(call=life.call, visit=life.visit, queue=life.queue)

    def _reject(self, life: _Life) -> list[Event]:
        return [InputRejected(call=life.call, node=NodeName("menu"), digit="")]

    def _divert(self, life: _Life) -> list[Event]:
        gone = VisitEnded(call=life.call, visit=life.visit, queue=life.queue, outcome=VisitOutcome.DIVERTED)
        life.queue = QUEUES[(QUEUES.index(life.queue) + 1) % len(QUEUES)]
        return [gone, self._visit(life)]

    def _offer(self, life: _Life) -> list[Event]:
        agent = next(agent for agent, presence in self._agents.items() if presence is Presence.READY)
        life.agent = agent
        life.offers += 1
        life.state = "offered"
        self._agents[agent] = Presence.RESERVED
        return list(offered(life.call, agent=agent, n=life.offers, visit=life.visits))

    def _answer(self, life: _Life) -> list[Event]:
        assert life.agent is not None
        life.state = "talking"
        life.unsettled = recording_id(life.call, n=1)
        self._agents[life.agent] = Presence.TALKING
        return list(talking(life.call, agent=life.agent, n=life.offers, visit=life.visits, queue=life.queue))

    def _ring_out(self, life: _Life) -> list[Event]:
        assert life.agent is not None
        life.state = "waiting"
        agent, life.agent = life.agent, None
        return [
            LegEnded(call=life.call, leg=life.leg, cause=19, sip_status=480),
            self._offer_ended(life, agent, OfferOutcome.UNANSWERED),
            self._presence(agent, Presence.READY),
        ]

    def _offer_ended(self, life: _Life, agent: AgentId, outcome: OfferOutcome) -> OfferEnded:
        return OfferEnded(call=life.call, visit=life.visit, offer=life.offer, agent=agent, outcome=outcome)

    def _hang_up(self, life: _Life) -> list[Event]:
        gone: list[Event] = [LegEnded(call=life.call, leg=citizen_leg(life.call), cause=16)]
        return gone + self._over(life, EndReason.CITIZEN_HUNG_UP, OfferOutcome.WITHDRAWN)

    def _lose(self, life: _Life) -> list[Event]:
        gone: list[Event] = [CallLost(call=life.call, why="the node died")]
        return gone + self._over(life, EndReason.LOST, OfferOutcome.LOST)

    def _break(self, life: _Life) -> list[Event]:
        """A defect: the visit is not even ended."""
        life.state = "over"
        return [
            CallBroken(call=life.call, why="acd.visit[waiting] cannot meet LegAnswered"),
            CallEnded(call=life.call, reason=EndReason.BROKEN),
        ]

    def _over(self, life: _Life, reason: EndReason, of_offer: OfferOutcome) -> list[Event]:
        events: list[Event] = []
        if life.state == "offered":
            assert life.agent is not None
            events.append(self._offer_ended(life, life.agent, of_offer))
            events.append(self._presence(life.agent, Presence.READY))
        if life.state in ("waiting", "offered"):
            events.append(
                VisitEnded(call=life.call, visit=life.visit, queue=life.queue, outcome=VisitOutcome.ABANDONED)
            )
        if life.state == "talking":
            assert life.agent is not None
            events.append(ConversationEnded(call=life.call, agent=life.agent, leg=life.leg, reason=reason))
            events.append(self._presence(life.agent, Presence.WRAP_UP, life.call))
        if life.state in ("offered", "talking"):
            events.append(LegEnded(call=life.call, leg=life.leg, cause=16, lost=reason is EndReason.LOST))
        life.state = "over" if life.unsettled is None else "ended"
        return [*events, CallEnded(call=life.call, reason=reason)]

    def _keep(self, life: _Life) -> list[Event]:
        life.state = "over"
        return list(kept(life.call))

    def _fail_to_keep(self, life: _Life) -> list[Event]:
        life.state = "over"
        return [RecordingFailed(call=life.call, recording=recording_id(life.call, n=1), why="no such file")]


class Tally:
    """Visits of each queue, counted from the events and nothing else; a visit that its call outlived by nothing but a
    defect counts as abandoned."""

    def __init__(self) -> None:
        self._open: dict[VisitId, tuple[CallId, QueueName]] = {}
        self.counts: dict[QueueName, Counter[str]] = {}

    def take(self, event: Event) -> None:
        if isinstance(event, VisitStarted):
            self._open[event.visit] = (event.call, event.queue)
            self.of(event.queue)["offered"] += 1
        elif isinstance(event, VisitEnded):
            del self._open[event.visit]
            self.of(event.queue)[event.outcome] += 1
        elif isinstance(event, CallEnded):
            for visit, (call, queue) in list(self._open.items()):
                if call == event.call:
                    del self._open[visit]
                    self.of(queue)["abandoned"] += 1
        elif isinstance(event, ContingencyCallReported) and event.queue is not None:
            self.of(event.queue)["offered"] += 1
            self.of(event.queue)["abandoned" if event.answered_at is None else "answered"] += 1

    def of(self, queue: QueueName) -> Counter[str]:
        return self.counts.setdefault(queue, Counter())

    def waiting(self, queue: QueueName) -> int:
        return sum(of == queue for _, of in self._open.values())
