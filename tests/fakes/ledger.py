"""Keeps account of a journal as it is written and protests at the first entry that cannot be true.

Knows nothing of rooms or machines: it holds what a newspaper reader would expect of a contact centre. Nobody is on two
calls, whoever entered a queue leaves it once, what was offered is answered for, what began ends.
"""

from collections import Counter
from collections.abc import Sequence

from telefonista.kernel.events import (
    AttemptEnded,
    AttemptMade,
    CallArrived,
    CallBroken,
    CallEnded,
    ContactBooked,
    ConversationEnded,
    ConversationStarted,
    Diverted,
    Entry,
    Event,
    FlowEnded,
    FlowEntered,
    HandedOff,
    OfferEnded,
    OfferMade,
    OfferOutcome,
    RecordingAsked,
    RecordingFailed,
    RecordingKept,
    ReturnedToQueue,
    VisitEnded,
    VisitOutcome,
    VisitStarted,
    WaitAnnounced,
)
from telefonista.kernel.ids import AgentId, CallId, LegId, OfferId, PlaybackId, QueueName, RecordingId, VisitId

MOST_RUNG: dict[QueueName, int] = {QueueName("todos"): 2}
"""How many telephones may ring for one contact of a queue, where that is not one."""


class Ledger:
    def __init__(self) -> None:
        self.seq = 0
        self.open: set[CallId] = set()
        self.ended: set[CallId] = set()
        self.in_flow: set[CallId] = set()
        self.waiting: dict[CallId, VisitId] = {}
        self._queue: dict[VisitId, QueueName] = {}
        self.visits: dict[QueueName, Counter[str]] = {}
        self.seen: set[VisitId | OfferId | LegId | PlaybackId | RecordingId] = set()
        self.offers: dict[OfferId, OfferMade] = {}
        self.answered: dict[CallId, AgentId] = {}
        self.talking: dict[CallId, AgentId] = {}
        self.recording: set[RecordingId] = set()
        self.dialling: dict[LegId, int] = {}
        """Citizens who are being called back, and the number of the attempt."""

    def enter(self, batch: Sequence[Entry]) -> None:
        for entry in batch:
            assert entry.seq == self.seq + 1, f"entry {entry.seq} after {self.seq}"
            self.seq = entry.seq
            self._enter(entry.event)
        assert not set(self.offers_by_call()) & set(self.talking), "offered and talking at once"
        assert not self.answered, f"answered, but the conversation did not begin: {self.answered}"
        for queue, counts in self.visits.items():
            waiting = sum(1 for visit in self.waiting.values() if self._queue[visit] == queue)
            assert counts["offered"] == sum(counts[outcome] for outcome in VisitOutcome) + waiting

    def offers_by_call(self) -> dict[CallId, OfferMade]:
        return {offer.call: offer for offer in self.offers.values()}

    def all_over(self) -> None:
        """Nothing may be left: no call, no stay, no offer, no conversation, no recording that nobody settled."""
        assert not self.open, f"calls without an end: {self.open}"
        assert not self.in_flow, f"flows without an end: {self.in_flow}"
        assert not self.waiting, f"stays without an end: {self.waiting}"
        assert not self.offers, f"offers without an end: {self.offers}"
        assert not self.talking, f"conversations without an end: {self.talking}"
        assert not self.dialling, f"attempts without an end: {self.dialling}"
        assert not self.recording, f"recordings not settled: {self.recording}"

    def _enter(self, event: Event) -> None:
        match event:
            case CallArrived():
                assert event.call not in self.open | self.ended, f"{event.call} arrived twice"
                self.open.add(event.call)
            case ContactBooked():
                assert event.call not in self.open | self.ended, f"{event.call} is booked twice"
                assert event.origin in self.open, f"{event.call} was booked in a call that is over"
                self.open.add(event.call)
            case CallBroken():
                raise AssertionError(f"{event.call} was broken off: {event.why}")
            case CallEnded():
                assert event.call in self.open, f"{event.call} ended, but was not open"
                self.open.remove(event.call)
                self.ended.add(event.call)
                assert event.call not in self.waiting, f"{event.call} ended and still waits"
                assert event.call not in self.talking, f"{event.call} ended and still talks"
                assert event.call not in self.offers_by_call(), f"{event.call} ended and still rings"
                assert event.call not in self.in_flow, f"{event.call} ended within its flow"
            case FlowEntered():
                assert event.call in self.open
                assert event.call not in self.in_flow
                self.in_flow.add(event.call)
            case FlowEnded():
                assert event.call in self.in_flow, f"{event.call} left a flow that it was not in"
                self.in_flow.remove(event.call)
            case ReturnedToQueue() | Diverted():
                self.in_flow.discard(event.call)
            case HandedOff():
                assert event.call in self.open
                assert event.call not in self.waiting
            case VisitStarted():
                self._new(event.visit)
                assert event.call in self.open
                assert event.call not in self.waiting
                self.waiting[event.call] = event.visit
                self._queue[event.visit] = event.queue
                self.visits.setdefault(event.queue, Counter())["offered"] += 1
            case VisitEnded():
                assert self.waiting.pop(event.call, None) == event.visit, f"{event.visit} ended twice"
                self.visits[event.queue][event.outcome] += 1
            case WaitAnnounced():
                self._new(event.playback)
                assert self.waiting[event.call] == event.visit
            case OfferMade():
                self._new(event.offer)
                self._new(event.leg)
                assert self.waiting[event.call] == event.visit
                others = [offer for offer in self.offers.values() if offer.call == event.call]
                assert all(offer.visit == event.visit for offer in others), f"{event.call} is offered from two queues"
                assert len(others) < MOST_RUNG.get(event.queue, 1), f"{event.call} is offered too often"
                assert event.agent not in self.busy_agents(), f"{event.agent} is reserved twice"
                self.offers[event.offer] = event
            case OfferEnded():
                made = self.offers.pop(event.offer, None)
                assert made is not None, f"{event.offer} ended twice"
                assert (made.call, made.agent, made.visit) == (event.call, event.agent, event.visit)
                if event.outcome is OfferOutcome.ANSWERED:
                    self.answered[event.call] = event.agent
            case ConversationStarted():
                assert self.answered.pop(event.call) == event.agent
                assert event.agent not in self.busy_agents()
                self.talking[event.call] = event.agent
            case ConversationEnded():
                assert self.talking.pop(event.call, None) == event.agent, f"{event.call} stopped talking twice"
            case AttemptMade():
                assert event.offer in self.offers, f"{event.leg} is dialled and nobody is on the line"
                assert event.leg not in self.dialling, f"{event.leg} is dialled twice"
                self.dialling[event.leg] = event.attempt
            case AttemptEnded():
                assert self.dialling.pop(event.leg, None) == event.attempt, f"{event.leg}: an attempt ended twice"
            case RecordingAsked():
                self._new(event.recording)
                assert self.talking[event.call] == event.agent
                self.recording.add(event.recording)
            case RecordingKept() | RecordingFailed():
                self.recording.discard(event.recording)
            case _:
                pass

    def busy_agents(self) -> set[AgentId]:
        return {offer.agent for offer in self.offers.values()} | {*self.answered.values(), *self.talking.values()}

    def _new(self, name: VisitId | OfferId | LegId | PlaybackId | RecordingId) -> None:
        assert name not in self.seen, f"{name} is used twice"
        self.seen.add(name)
