"""All queues together: who waits where, at which place, who is offered whom next, and what becomes of who cannot wait.

Comes in: journalled events; goes out: decisions (`VisitStarted`, `Diverted`, `WaitAnnounced`, `OfferMade`,
`VisitEnded`, callbacks granted and booked) and the commands of the wait. Asks the agents' roster who is ready and
`Matching` who gets whom; never touches a channel, a clock or a random number. `match` makes one decision at a time, and
only after everything that happened has been applied, so that an agent is never reserved twice.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping

import msgspec

from acd.core import visit as visits
from acd.core import wait as waits
from acd.core.admission import (
    Elsewhere,
    Situation,
    closes_in_s,
    is_closed,
    nobody_is_there,
    refused_entry,
    with_flow,
)
from acd.core.callbacks import DO_NOT_CALL, Bookings, Canonical, MayCall, Origin, may_be_called, terms, why_not
from acd.core.estimate import Pace
from acd.core.matching import Choice, Contact, Matching
from acd.core.policy import OverflowWhen, QueuePolicy
from acd.core.staff import AWAY, Staff
from acd.core.visit import LEASE_S, ONLY_TIMER, Visit, VisitState
from acd.core.wait import Wait, WaitState
from agents import Roster
from telefonista.kernel.commands import CancelTimer, Prompt, SetAgentTimer, SetTimer
from telefonista.kernel.events import (
    AgentTimerFired,
    AttemptMade,
    CallArrived,
    CallbackAsked,
    CallbackGranted,
    CallbackRefused,
    CallEvent,
    CancellationAsked,
    ConsultationAsked,
    ContactBooked,
    ContactPostponed,
    ConversationStarted,
    Destination,
    DestinationKind,
    DigitPressed,
    Diverted,
    Entry,
    HandedOff,
    Medium,
    MessageLeft,
    MoveAsked,
    OfferEnded,
    OfferMade,
    OfferOutcome,
    PartyCalled,
    PartyLeft,
    PlaceChanged,
    Presence,
    PresenceChanged,
    RequestRefused,
    ReturnedToQueue,
    TimerFired,
    VisitEnded,
    VisitOutcome,
    VisitResumed,
    VisitStarted,
    VisitSuspended,
    WaitAnnounced,
    WaitBegan,
)
from telefonista.kernel.ids import (
    AgentId,
    CallId,
    LineName,
    OfferId,
    QueueName,
    RouteName,
    agent_leg,
    citizen_leg,
    consulted_leg,
    contact_id,
    offer_id,
    playback_id,
    visit_id,
)
from telefonista.kernel.machine import Output

REST_TIMER = "acd.rest"
RECHECK_TIMER = "acd.recheck"
"""When time alone widens who may answer, or a contact that was put off may be offered again."""
LONGEST_TIMER = "acd.longest"
CLOSING_TIMER = "acd.closing"
LEASE_TIMER = "acd.lease."
"""And the offer's id."""

STILL_HERE_S = 3.0
"""How long a callback is put off while the citizen who asked for it has not hung up."""
MOST_DIVERSIONS = 10
"""A citizen who was sent on so often by rules stays where they come to next."""
MOST_REMEMBERED = 50_000
"""Citizens of whom it is known who served them last."""
CONSULTATION_RING_S = 20.0

_BLAMELESS = frozenset({OfferOutcome.ANSWERED, OfferOutcome.WITHDRAWN, OfferOutcome.UNREACHED})
_TALKS = frozenset({Presence.TALKING, Presence.ON_HOLD})

_OF_AN_AGENT = (OfferMade, OfferEnded, PartyCalled, PartyLeft, ConversationStarted)
"""What reserves an agent, or lets one go."""

Decision = OfferMade | WaitBegan | WaitAnnounced | ContactPostponed | VisitEnded

CONSUMES: frozenset[type] = frozenset(
    {
        AgentTimerFired,
        AttemptMade,
        CallArrived,
        CallbackAsked,
        CancellationAsked,
        ConsultationAsked,
        ContactBooked,
        DigitPressed,
        Diverted,
        HandedOff,
        MessageLeft,
        MoveAsked,
        PartyCalled,
        PartyLeft,
        PresenceChanged,
        ReturnedToQueue,
        VisitStarted,
        *visits.MACHINE.events,
        *waits.MACHINE.events,
        *Pace.consumes,
    }
)


class Stay(msgspec.Struct, kw_only=True):
    visit: Visit
    wait: Wait | None
    """None: no citizen is on the line."""


class Desk:
    """`position_prompts`, `estimate_prompts` (seconds) and `choice_prompts` (what is offered, and its key) say what a
    waiting citizen hears. `may_call` tells why a number may not be called at a time; `canonical` how everybody writes a
    number. `language` is what agents speak whose record says nothing."""

    def __init__(
        self,
        policies: Iterable[QueuePolicy],
        *,
        roster: Roster,
        position_prompts: Callable[[int], tuple[Prompt, ...]],
        estimate_prompts: Callable[[float], tuple[Prompt, ...]] = lambda estimate_s: (),
        choice_prompts: Callable[[DestinationKind, str], tuple[Prompt, ...]] = lambda kind, key: (),
        may_call: MayCall = lambda number, at: None,
        canonical: Canonical = lambda number: number,
        language: str = "es",
    ) -> None:
        self._policies: dict[QueueName, QueuePolicy] = {}
        self._roster = roster
        self._position_prompts = position_prompts
        self._estimate_prompts = estimate_prompts
        self._choice_prompts = choice_prompts
        self._may_call = may_call
        self._canonical = canonical
        self._matching = Matching(roster, language=language)
        self._staff = Staff(roster)
        self._pace = Pace()
        self._bookings = Bookings(canonical=canonical)
        self._stays: dict[CallId, Stay] = {}
        self._origins: dict[CallId, Origin] = {}
        self._due: dict[CallId, None] = {}
        """Who is to be told something as soon as nothing better happens to them, in order."""
        self._visits: dict[CallId, int] = {}
        self._offers: dict[CallId, int] = {}
        self._parties: dict[CallId, int] = {}
        self._diversions: dict[CallId, int] = {}
        self._booked: dict[CallId, int] = {}
        """How many contacts came out of a call."""
        self._sizes: dict[QueueName, int] = {}
        self._rest_until: dict[AgentId, float] = {}
        """Those who are left in peace; its timer ends that, not the time of day, which may be set back."""
        self._served_by: OrderedDict[str, tuple[AgentId, float]] = OrderedDict()
        """Who served a number last, and when."""
        self._latest = 0.0
        """The latest time that was heard of."""
        self._others_rung: deque[OfferMade] = deque()
        """Offers of the choice that is being carried out."""
        self.configure(policies)

    # What is known.

    def configure(self, policies: Iterable[QueuePolicy]) -> None:
        """Replaces the policies; a queue that left the configuration keeps its policy while anybody waits in it."""
        fresh = {policy.name: policy for policy in policies}
        for queue, size in self._sizes.items():
            if size and queue not in fresh:
                fresh[queue] = self.policy(queue)
        self._policies = fresh
        self._matching.configure(fresh)

    @property
    def policies(self) -> Mapping[QueueName, QueuePolicy]:
        return self._policies

    def policy(self, queue: QueueName) -> QueuePolicy:
        """A queue's policy; one never configured gets the defaults, for no citizen is turned away by a typo."""
        return self._policies.get(queue) or QueuePolicy(name=queue)

    def stay(self, call: CallId) -> Stay | None:
        return self._stays.get(call)

    def waiting(self, queue: QueueName) -> list[CallId]:
        """Contacts that wait in a queue, offered ones included, in their order."""
        return self._matching.waiting(queue)

    def position(self, call: CallId) -> int:
        """1 for who is next. Raises KeyError for a call that does not wait."""
        return self._matching.position(call)

    def contacts(self) -> list[tuple[ContactBooked, Visit]]:
        """Who is to be called back and which messages are to be heard, each with its stay in the queue."""
        booked = ((self._bookings.get(call), stay.visit) for call, stay in self._stays.items())
        return [(booking, visit) for booking, visit in booked if booking is not None]

    def estimate_s(self, queue: QueueName, *, position: int, now: float) -> float | None:
        """How long the `position`-th of a queue will wait, in seconds; None where it cannot be known."""
        return self._pace.estimate_s(
            queue,
            position=position,
            waiting=lambda other: self._sizes.get(other, 0),
            agents=self._staff.groups(queue),
            now=now,
        )

    def remember(self, number: str, agent: AgentId, *, at: float) -> None:
        """This agent served the citizen of this number at this time (epoch seconds); a start is told so of the past."""
        canonical = self._canonical(number)
        if canonical and at >= self._served_by.get(canonical, ("", at))[1]:
            self._served_by[canonical] = (agent, at)
            self._served_by.move_to_end(canonical)
            if len(self._served_by) > MOST_REMEMBERED:
                self._served_by.popitem(last=False)

    # What happens.

    def apply(self, entry: Entry) -> list[Output]:
        event, at = entry.event, entry.at
        self._latest = max(self._latest, at)
        self._pace.note(event, at=at)
        if isinstance(event, PresenceChanged):
            return self._presence_changed(event, at=at)
        if isinstance(event, AgentTimerFired):
            if event.key == REST_TIMER:
                self._rest_until.pop(event.agent, None)
                self._matching.rest(event.agent, resting=False)
            return []
        assert isinstance(event, CallEvent)
        if isinstance(event, _OF_AN_AGENT) and event.agent:
            self._matching.agent_changed(event.agent)
        if isinstance(event, VisitStarted):
            return self._started(event, entry)
        outputs = self._asked(event, at=at)
        stay = self._stays.get(event.call)
        if stay is not None:
            outputs += self._stayed(stay, event, at=at)
        return outputs

    def _asked(self, event: CallEvent, *, at: float) -> list[Output]:
        """What concerns a call whether or not it waits."""
        if isinstance(event, CallArrived):
            self._origins[event.call] = Origin(event.caller, event.line, event.route, at)
        elif isinstance(event, ContactBooked):
            return self._contact_booked(event)
        elif isinstance(event, HandedOff):
            return self._handed_off(event, at=at)
        elif isinstance(event, Diverted):
            return self._diverted(event, at=at)
        elif isinstance(event, CallbackAsked):
            return self._callback_asked(event, at=at)
        elif isinstance(event, MessageLeft):
            return self._message_left(event, at=at)
        elif isinstance(event, MoveAsked):
            return self._move_asked(event)
        elif isinstance(event, CancellationAsked):
            return self._cancellation_asked(event)
        elif isinstance(event, ConsultationAsked):
            return self._consultation_asked(event)
        elif isinstance(event, PartyCalled):
            self._parties[event.call] = self._parties.get(event.call, 0) + 1
        elif isinstance(event, ConversationStarted):
            self._conversation_started(event, at=at)
        elif isinstance(event, OfferEnded):
            return self._offer_ended(event, at=at)
        return []

    def _stayed(self, stay: Stay, event: CallEvent, *, at: float) -> list[Output]:
        """What happens to a contact that waits."""
        before = stay.visit
        outputs: list[Output] = []
        if type(event) in visits.MACHINE.events:
            stay.visit, outputs = visits.MACHINE.step(before, event, at=at)
        if isinstance(event, WaitAnnounced) and stay.wait is not None:
            stay.wait = msgspec.structs.replace(stay.wait, prompts=self._announcement(stay, event))
        if stay.wait is not None and type(event) in waits.MACHINE.events:
            stay.wait, decided = waits.MACHINE.step(stay.wait, event, at=at)
            outputs += decided
        if isinstance(event, OfferMade):
            self._offers[event.call] = self._offers.get(event.call, 0) + 1
            outputs.append(_lease(event.call, event.offer, self._offers[event.call], after_s=event.ring_s + LEASE_S))
        elif isinstance(event, AttemptMade):
            outputs += self._attempt_made(stay, event, at=at)
        elif isinstance(event, DigitPressed):
            outputs += self._digit_pressed(stay, event, at=at)
        elif isinstance(event, TimerFired):
            outputs += self._timer_fired(stay, event, at=at)
        elif isinstance(event, ReturnedToQueue) and stay.visit.state is VisitState.SUSPENDED:
            outputs.append(VisitResumed(call=event.call, visit=stay.visit.visit))
        elif isinstance(event, OfferEnded):
            outputs += self._offered_in_vain(stay, event, at=at)
        if isinstance(event, VisitEnded):
            outputs += self._leave(stay)
        else:
            self._note_matching(stay, before=before, at=at)
            outputs += self._recheck(stay, at=at) if stay.visit != before else []
        self._note_due(stay)
        return outputs

    # What follows when nothing else does.

    def match(self, now: float) -> Decision | None:
        """The next offer, if there is a waiting contact and a ready agent for it; else the next citizen to be told
        something, who may be one to whom nobody could be offered. Call until it gives None."""
        self._latest = max(self._latest, now)
        return self._offer(now) or self._tell(now)

    def _offer(self, now: float) -> OfferMade | ContactPostponed | VisitEnded | None:
        while self._others_rung:
            offer = self._others_rung.popleft()
            stay = self._stays.get(offer.call)
            if stay is not None and stay.visit.state is VisitState.OFFERED and self._roster.is_ready(offer.agent):
                return offer
        choice = self._matching.next(now)
        if choice is None:
            return None
        visit = self._stays[choice.contact].visit
        policy = self.policy(visit.queue)
        if visit.medium is Medium.CALLBACK:
            put_off = self._put_off(visit, policy, now=now)
            if put_off is not None:
                return put_off
        first, *others = self._offers_of(choice, visit, policy)
        self._others_rung.extend(others)
        return first

    def _offers_of(self, choice: Choice, visit: Visit, policy: QueuePolicy) -> list[OfferMade]:
        made = self._offers.get(visit.call, 0)
        return [
            OfferMade(
                call=visit.call,
                visit=visit.visit,
                offer=offer_id(visit.call, n=n),
                agent=agent,
                leg=agent_leg(visit.call, n=n),
                ring_s=policy.ring_s,
                queue=visit.queue,
                because=choice.because,
                passed_over=choice.passed_over,
                others=choice.others,
                most_misses=policy.most_misses,
            )
            for n, agent in enumerate(choice.agents, start=made + 1)
        ]

    def _put_off(self, visit: Visit, policy: QueuePolicy, *, now: float) -> ContactPostponed | VisitEnded | None:
        """Somebody who asked to be called back may not be called at any time, and perhaps not any more."""
        booking = self._bookings[visit.call]
        if booking.origin in self._origins:  # still hears that we will call; the telephone would be busy
            return self._postponed(visit, STILL_HERE_S, why="still on the line", now=now)
        why = None if may_be_called(policy, at=now) else "closed"
        why = why or self._may_call(booking.number, now)
        if why is None:
            return None
        if why == DO_NOT_CALL:
            return _ends(visit, VisitOutcome.CANCELLED)
        return self._postponed(visit, terms(policy).retry_s, why=why, now=now)

    def _postponed(self, visit: Visit, after_s: float, *, why: str, now: float) -> ContactPostponed:
        """Later than anything that the matching has been told of: where the clock was set back, the contact would be
        chosen again at once, for ever."""
        until = now + after_s if now + after_s > self._latest else self._latest + after_s
        return ContactPostponed(call=visit.call, visit=visit.visit, until=until, attempts=visit.attempts, why=why)

    def _tell(self, now: float) -> WaitBegan | WaitAnnounced | None:
        for call in self._due:
            stay = self._stays[call]
            assert stay.wait is not None
            if stay.visit.state is VisitState.OFFERED and not stay.wait.music:
                return WaitBegan(call=call, visit=stay.visit.visit)
            return self._announce(stay, now)
        return None

    def _announce(self, stay: Stay, now: float) -> WaitAnnounced:
        assert stay.wait is not None
        visit = stay.visit
        position = self.position(visit.call)
        estimate_s = self.estimate_s(visit.queue, position=position, now=now)
        n = waits.FIRST_PLAYBACK + waits.MOST_ANNOUNCEMENTS * (self._visits[visit.call] - 1) + stay.wait.announcements
        return WaitAnnounced(
            call=visit.call,
            visit=visit.visit,
            position=position,
            playback=playback_id(visit.call, n=n),
            estimate_s=None if estimate_s is None else round(estimate_s, 1),
            callback=self._offers_callback(visit, at=now, estimate_s=estimate_s),
        )

    def _offers_callback(self, visit: Visit, *, at: float, estimate_s: float | None) -> bool:
        policy = self.policy(visit.queue)
        offered = policy.callback
        if offered is None or not may_be_called(policy, at=at):
            return False
        long_wait = offered.estimate_s > 0 and estimate_s is not None and estimate_s >= offered.estimate_s
        return long_wait or at - visit.place_at >= offered.after_s

    def _announcement(self, stay: Stay, event: WaitAnnounced) -> tuple[Prompt, ...]:
        assert stay.wait is not None
        policy = self.policy(stay.visit.queue)
        spoken = self._position_prompts(event.position) if policy.say_position else ()
        if policy.say_estimate and event.estimate_s is not None:
            spoken += self._estimate_prompts(event.estimate_s)
        if policy.messages:
            spoken += (policy.messages[stay.wait.announcements % len(policy.messages)],)
        if event.callback and policy.callback is not None:
            spoken += self._choice_prompts(DestinationKind.CALLBACK, policy.callback.key)
        if policy.voicemail is not None:
            spoken += self._choice_prompts(DestinationKind.VOICEMAIL, policy.voicemail.key)
        return spoken

    # After a gap.

    def resume(self, call: CallId, *, at: float) -> list[Output]:
        stay = self._stays.get(call)
        if stay is None:
            return []
        outputs = [] if stay.wait is None else waits.resume(stay.wait, at=at)
        if stay.visit.state is VisitState.ENDED:
            return outputs
        for offer in stay.visit.offers:
            outputs.append(_lease(call, offer.offer, _number(offer.offer), after_s=max(1.0, offer.lease_until - at)))
        return outputs + self._timers(stay, at=at) + self._recheck(stay, at=at)

    def resume_agents(self, *, at: float) -> list[Output]:
        """Agents who were left in peace for a while are so for what is left of it."""
        return [
            SetAgentTimer(agent=agent, key=REST_TIMER, token=0, after_s=max(0.0, until - at))
            for agent, until in self._rest_until.items()
        ]

    def forget(self, call: CallId) -> None:
        stay = self._stays.pop(call, None)
        self._due.pop(call, None)
        if stay is not None and stay.visit.state is not VisitState.ENDED:
            self._leave(stay)
        self._bookings.remove(call)
        for counted in (self._visits, self._offers, self._parties, self._diversions, self._booked):
            counted.pop(call, None)
        self._origins.pop(call, None)

    # Into a queue, and out of it.

    def _handed_off(self, event: HandedOff, *, at: float) -> list[Output]:
        """Whoever comes back out of a dialogue to the queue that they wait in has kept the place."""
        stay = self._open_stay(event.call)
        if stay is None:
            return [self._admitted(event, at=at)]
        if stay.visit.queue == event.queue:
            return [VisitResumed(call=event.call, visit=stay.visit.visit)]
        return [_ends(stay.visit, VisitOutcome.DIVERTED), self._admitted(event, at=at)]

    def _admitted(self, event: HandedOff, *, at: float) -> VisitStarted | Diverted:
        elsewhere = self._elsewhere(event.call, event.queue, at=at)
        if elsewhere is not None:
            return self._sends_on(event.call, event.queue, elsewhere)
        return self._starts(
            event.call,
            event.queue,
            at=at,
            priority=event.priority + self.policy(event.queue).priority,
            requires=event.requires,
            language=event.language,
        )

    def _elsewhere(self, call: CallId, queue: QueueName, *, at: float) -> Elsewhere | None:
        if self._diversions.get(call, 0) >= MOST_DIVERSIONS:
            return None
        policy = self.policy(queue)
        return refused_entry(policy, self._situation(policy, at=at))

    def _situation(self, policy: QueuePolicy, *, at: float) -> Situation:
        queue = policy.name
        waiting = self._sizes.get(queue, 0)
        asks_estimate = any(rule.when is OverflowWhen.ESTIMATE for rule in policy.overflow)
        return Situation(
            at=at,
            waiting=waiting,
            at_work=self._staff.at_work(queue),
            available=self._staff.available(queue),
            estimate_s=self.estimate_s(queue, position=waiting + 1, now=at) if asks_estimate else None,
        )

    def _sends_on(self, call: CallId, queue: QueueName, elsewhere: Elsewhere, *, by: str = "") -> Diverted:
        to = with_flow(elsewhere.to, self.policy(queue))
        return Diverted(call=call, to=to, why=elsewhere.why, by=by, queue=queue)

    def _starts(
        self,
        call: CallId,
        queue: QueueName,
        *,
        at: float,
        priority: int = 0,
        medium: Medium = Medium.CALL,
        place_at: float | None = None,
        requires: str = "",
        language: str = "",
        only: AgentId | None = None,
    ) -> VisitStarted:
        started = VisitStarted(
            call=call,
            visit=visit_id(call, n=self._visits.get(call, 0) + 1),
            queue=queue,
            priority=priority,
            medium=medium,
            place_at=place_at,
            requires=requires,
            language=language,
            only=only,
        )
        sticky = self._sticky(call, queue, at=at) if only is None else None
        if sticky is None:
            return started
        return msgspec.structs.replace(started, sticky=sticky, sticky_s=self.policy(queue).sticky_s)

    def _sticky(self, call: CallId, queue: QueueName, *, at: float) -> AgentId | None:
        """Who served this citizen last, as far as that is remembered and is wanted here."""
        policy, origin = self.policy(queue), self._origins.get(call)
        if policy.sticky_s <= 0 or origin is None:
            return None
        agent, served_at = self._served_by.get(self._canonical(origin.caller), (None, 0.0))
        if agent is None or at - served_at > policy.sticky_memory_s or queue not in self._roster.queues_of(agent):
            return None
        return agent

    def _started(self, event: VisitStarted, entry: Entry) -> list[Output]:
        at = entry.at
        policy = self.policy(event.queue)
        visit = Visit(
            call=event.call,
            visit=event.visit,
            queue=event.queue,
            priority=event.priority,
            started_at=at,
            order=entry.seq,
            place_at=at if event.place_at is None else event.place_at,
            medium=event.medium,
            requires=event.requires,
            language=event.language,
            only=event.only,
            sticky=event.sticky,
            sticky_until=at + event.sticky_s if event.sticky is not None else 0.0,
        )
        listens = event.medium is Medium.CALL
        wait = Wait(call=event.call, announce_every_s=policy.announce_every_s) if listens else None
        stay = Stay(visit=visit, wait=wait)
        self._stays[event.call] = stay
        self._visits[event.call] = self._visits.get(event.call, 0) + 1
        self._sizes[event.queue] = self._sizes.get(event.queue, 0) + 1
        self._matching.add(_contact(visit), at)
        self._note_due(stay)
        return [*self._timers(stay, at=at), *self._recheck(stay, at=at)]

    def _timers(self, stay: Stay, *, at: float) -> list[Output]:
        """Those that end a stay, or change it, by time alone. Only who is on the line is sent elsewhere."""
        visit, policy = stay.visit, self.policy(stay.visit.queue)
        due: dict[str, float] = {}
        if visit.only is not None:
            due[ONLY_TIMER] = visit.started_at + policy.ring_s
        if visit.medium is Medium.CALL:
            if policy.longest_wait_s:
                due[LONGEST_TIMER] = visit.started_at + policy.longest_wait_s
            closes_in = closes_in_s(policy, at=at)
            if closes_in is not None:
                due[CLOSING_TIMER] = at + closes_in
        token = self._visits[visit.call]
        return [
            SetTimer(call=visit.call, key=key, token=token, after_s=max(0.0, when - at)) for key, when in due.items()
        ]

    def _recheck(self, stay: Stay, *, at: float) -> list[Output]:
        """A timer for when time alone makes an offer possible."""
        when = None if stay.visit.state is VisitState.ENDED else self._matching.recheck_at(stay.visit.call)
        if when is None:
            return []
        token = self._visits[stay.visit.call]
        return [SetTimer(call=stay.visit.call, key=RECHECK_TIMER, token=token, after_s=max(0.0, when - at))]

    def _leave(self, stay: Stay) -> list[Output]:
        visit = stay.visit
        self._matching.remove(visit.call)
        self._sizes[visit.queue] -= 1
        keys = (ONLY_TIMER, LONGEST_TIMER, CLOSING_TIMER, RECHECK_TIMER)
        policy = self.policy(visit.queue)
        needed = {
            ONLY_TIMER: visit.only is not None,
            LONGEST_TIMER: policy.longest_wait_s > 0,
            CLOSING_TIMER: policy.hours is not None,
            RECHECK_TIMER: bool(policy.relax or visit.sticky or visit.medium is not Medium.CALL),
        }
        return [CancelTimer(call=visit.call, key=key) for key in keys if needed[key]]

    def _open_stay(self, call: CallId) -> Stay | None:
        stay = self._stays.get(call)
        return None if stay is None or stay.visit.state is VisitState.ENDED else stay

    def _note_matching(self, stay: Stay, *, before: Visit, at: float) -> None:
        """The matching knows a contact as it is now, and offers only one that waits."""
        visit = stay.visit
        if visit is before or visit.state is VisitState.ENDED:
            return
        after, earlier = _contact(visit), _contact(before)
        if after != earlier:
            self._matching.add(after, at)
        held, was_held = visit.state is not VisitState.WAITING, before.state is not VisitState.WAITING
        if held and (not was_held or after != earlier):
            self._matching.withhold(visit.call)
        elif was_held and not held and after == earlier:
            self._matching.restore(visit.call)

    def _note_due(self, stay: Stay) -> None:
        if stay.wait is not None and stay.wait.state is WaitState.DUE:
            self._due[stay.visit.call] = None
        else:
            self._due.pop(stay.visit.call, None)

    # Sent elsewhere.

    def _diverted(self, event: Diverted, *, at: float) -> list[Output]:
        """By a rule of ours, a key, a transfer, or back from a number that did not answer."""
        if not event.by:
            self._diversions[event.call] = self._diversions.get(event.call, 0) + 1
        stay = self._open_stay(event.call)
        outputs: list[Output] = [] if stay is None else [_ends(stay.visit, VisitOutcome.DIVERTED)]
        if event.to.kind is DestinationKind.QUEUE:
            outputs.append(self._diverted_to_queue(event, QueueName(event.to.name), stay, at=at))
        elif event.to.kind is DestinationKind.AGENT:
            outputs.append(self._diverted_to_agent(event, AgentId(event.to.name), at=at))
        return outputs

    def _diverted_to_queue(
        self, event: Diverted, queue: QueueName, stay: Stay | None, *, at: float
    ) -> VisitStarted | Diverted:
        """Whoever waited, or talked, already does not begin anew. Back where they come from they are not asked again
        whether they may come in."""
        back = queue == event.queue
        elsewhere = None if back or event.by else self._elsewhere(event.call, queue, at=at)
        if elsewhere is not None:
            return self._sends_on(event.call, queue, elsewhere)
        visit = None if stay is None else stay.visit
        place_at = None if visit is None else visit.place_at
        if back or event.by:
            place_at = self._arrived_at(event.call, at=at)
        return self._starts(
            event.call,
            queue,
            at=at,
            priority=self.policy(queue).priority,
            medium=self._medium(event.call),
            place_at=place_at,
            requires="" if visit is None else visit.requires,
            language="" if visit is None else visit.language,
        )

    def _diverted_to_agent(self, event: Diverted, agent: AgentId, *, at: float) -> VisitStarted:
        """To be rung by name; where that agent's telephone is not there, anybody of the queue may answer at once."""
        queues = self._roster.queues_of(agent)
        queue = event.queue or (queues[0] if queues else next(iter(self._policies), QueueName("")))
        return self._starts(
            event.call,
            queue,
            at=at,
            priority=self.policy(queue).priority,
            medium=self._medium(event.call),
            place_at=self._arrived_at(event.call, at=at),
            only=None if self._roster[agent].presence in AWAY else agent,
        )

    def _arrived_at(self, call: CallId, *, at: float) -> float:
        origin = self._origins.get(call)
        return at if origin is None else origin.arrived_at

    def _medium(self, call: CallId) -> Medium:
        """Of who goes on from one place to another: a citizen who was called back is on the line by now."""
        booked = self._bookings.get(call)
        return Medium.VOICEMAIL if booked is not None and booked.medium is Medium.VOICEMAIL else Medium.CALL

    def _presence_changed(self, event: PresenceChanged, *, at: float) -> list[Output]:
        self._matching.agent_changed(event.agent)
        self._staff.changed(event.agent)
        if event.presence not in AWAY and event.presence is not Presence.PAUSED:
            return []
        return [
            self._sends_on(call, queue, Elsewhere(self.policy(queue).when_nobody, "nobody is there any more"))
            for queue in self._roster.queues_of(event.agent)
            if self.policy(queue).leave_when_nobody
            and self._sizes.get(queue, 0)
            and nobody_is_there(self.policy(queue), self._situation(self.policy(queue), at=at))
            for call in self.waiting(queue)
            if self._may_be_sent_on(call)
        ]

    def _may_be_sent_on(self, call: CallId) -> bool:
        """Who is on the line and waits; not whoever is in a dialogue, or about to be answered."""
        visit = self._stays[call].visit
        return visit.medium is Medium.CALL and visit.state is VisitState.WAITING

    def _timer_fired(self, stay: Stay, event: TimerFired, *, at: float) -> list[Output]:
        visit, policy = stay.visit, self.policy(stay.visit.queue)
        if event.key.startswith(LEASE_TIMER):
            lost = event.key.removeprefix(LEASE_TIMER)
            return [
                OfferEnded(
                    call=visit.call,
                    visit=visit.visit,
                    offer=offer.offer,
                    agent=offer.agent,
                    outcome=OfferOutcome.LOST,
                )
                for offer in visit.offers
                if offer.offer == lost
            ]
        if event.token != self._visits[visit.call] or visit.state is VisitState.ENDED:
            return []
        if event.key == LONGEST_TIMER:
            return self._waited_too_long(stay, at=at)
        if event.key == CLOSING_TIMER and is_closed(policy, at=at) and self._may_be_sent_on(visit.call):
            return [self._sends_on(visit.call, visit.queue, Elsewhere(policy.when_closed, "closed"))]
        if event.key == RECHECK_TIMER:
            # The next offer may be far off, with the link down; without this the timer would be due again at once.
            self._matching.time_has_come(at)
            return self._recheck(stay, at=at)
        return []

    def _waited_too_long(self, stay: Stay, *, at: float) -> list[Output]:
        visit, policy = stay.visit, self.policy(stay.visit.queue)
        if not policy.longest_wait_s or not self._may_be_sent_on(visit.call):
            return []
        why = f"waited {at - visit.started_at:.0f} s"
        return [self._sends_on(visit.call, visit.queue, Elsewhere(policy.when_too_long, why))]

    # Keys.

    def _digit_pressed(self, stay: Stay, event: DigitPressed, *, at: float) -> list[Output]:
        """A waiting citizen's key. One that the queue does not have is no matter."""
        visit, policy = stay.visit, self.policy(stay.visit.queue)
        waits_here = visit.state in (VisitState.WAITING, VisitState.OFFERED)
        if not waits_here or stay.wait is None or event.leg != citizen_leg(event.call):
            return []
        to = policy.keys.get(event.digit)
        if policy.callback is not None and event.digit == policy.callback.key:
            offered = stay.wait.callback_offered or self._offers_callback(visit, at=at, estimate_s=None)
            to = Destination(DestinationKind.CALLBACK) if offered else None
        elif policy.voicemail is not None and event.digit == policy.voicemail.key:
            to = Destination(DestinationKind.VOICEMAIL)
        if to is None:
            return []
        to, why = with_flow(to, policy), f"key {event.digit}"
        if to.kind in (DestinationKind.CALLBACK, DestinationKind.VOICEMAIL):
            return [VisitSuspended(call=event.call, visit=visit.visit, to=to, why=why)]
        return [Diverted(call=event.call, to=to, why=why, queue=visit.queue)]

    # Callbacks and messages.

    def _callback_asked(self, event: CallbackAsked, *, at: float) -> list[Output]:
        policy = self._policies.get(event.queue)
        why = why_not(policy, number=event.number, at=at, bookings=self._bookings, may_call=self._may_call)
        if why:
            return [CallbackRefused(call=event.call, why=why)]
        contact = self._next_contact(event.call)
        booked = self._books(
            event.call, contact, Medium.CALLBACK, queue=event.queue, number=event.number, topic=event.topic, at=at
        )
        return [
            CallbackGranted(call=event.call, contact=contact),
            *self._ends_open(event.call, VisitOutcome.CALLBACK),
            booked,
        ]

    def _message_left(self, event: MessageLeft, *, at: float) -> list[Output]:
        contact = self._next_contact(event.call)
        booked = self._books(event.call, contact, Medium.VOICEMAIL, queue=event.queue, number=event.number, at=at)
        return [
            *self._ends_open(event.call, VisitOutcome.VOICEMAIL),
            msgspec.structs.replace(booked, message=event.recording),
        ]

    def _next_contact(self, call: CallId) -> CallId:
        return contact_id(call, n=self._booked.get(call, 0) + 1)

    def _ends_open(self, call: CallId, outcome: VisitOutcome) -> list[Output]:
        stay = self._open_stay(call)
        return [] if stay is None else [_ends(stay.visit, outcome)]

    def _books(
        self,
        call: CallId,
        contact: CallId,
        medium: Medium,
        *,
        queue: QueueName,
        number: str,
        at: float,
        topic: str = "",
    ) -> ContactBooked:
        """With the place that the citizen has in this queue, or the last one behind those who wait."""
        origin = self._origins.get(call) or Origin("", "", "", at)
        stay = self._open_stay(call)
        visit = stay.visit if stay is not None and stay.visit.queue == queue else None
        return ContactBooked(
            call=contact,
            origin=call,
            medium=medium,
            queue=queue,
            number=number,
            line=LineName(origin.line),
            route=RouteName(origin.route),
            place_at=at if visit is None else visit.place_at,
            priority=self.policy(queue).priority if visit is None else visit.priority,
            topic=topic,
            requires="" if visit is None else visit.requires,
            language="" if visit is None else visit.language,
        )

    def _contact_booked(self, event: ContactBooked) -> list[Output]:
        self._bookings.add(event)
        if event.origin in self._origins:  # else it is over, and another contact comes out of it no more
            self._booked[event.origin] = self._booked.get(event.origin, 0) + 1
        self._origins[event.call] = Origin(event.number, event.line, event.route, event.place_at)
        return [
            self._starts(
                event.call,
                event.queue,
                at=event.place_at,
                priority=event.priority,
                medium=event.medium,
                place_at=event.place_at,
                requires=event.requires,
                language=event.language,
            )
        ]

    def _attempt_made(self, stay: Stay, event: AttemptMade, *, at: float) -> list[Output]:
        """The offer lasts for as long as the citizen is rung."""
        until = at + event.ring_s + LEASE_S
        offers = tuple(
            msgspec.structs.replace(offer, lease_until=until) if offer.offer == event.offer else offer
            for offer in stay.visit.offers
        )
        stay.visit = msgspec.structs.replace(stay.visit, offers=offers)
        return [_lease(event.call, event.offer, _number(event.offer), after_s=event.ring_s + LEASE_S)]

    def _offered_in_vain(self, stay: Stay, event: OfferEnded, *, at: float) -> list[Output]:
        """A citizen to be called back was not reached: again later, or not any more. And whoever waits for too long
        while a telephone rings is sent on when that has not helped."""
        visit, policy = stay.visit, self.policy(stay.visit.queue)
        if visit.state is not VisitState.WAITING:
            return []
        if event.outcome is OfferOutcome.UNREACHED:
            attempts = visit.attempts + 1
            if attempts >= terms(policy).attempts:
                return [_ends(visit, VisitOutcome.UNREACHED)]
            until = at + terms(policy).retry_s
            return [
                ContactPostponed(
                    call=visit.call, visit=visit.visit, until=until, attempts=attempts, why="nobody answered"
                )
            ]
        if policy.longest_wait_s and at - visit.started_at >= policy.longest_wait_s:
            return self._waited_too_long(stay, at=at)
        return []

    def _cancellation_asked(self, event: CancellationAsked) -> list[Output]:
        stay = self._open_stay(event.call)
        if stay is None or stay.visit.medium is Medium.CALL:
            return [RequestRefused(call=event.call, by=event.by, what="cancel", why="nothing waits that could be")]
        return [_ends(stay.visit, VisitOutcome.CANCELLED)]

    # Offers.

    def _offer_ended(self, event: OfferEnded, *, at: float) -> list[Output]:
        ended: list[Output] = [CancelTimer(call=event.call, key=f"{LEASE_TIMER}{event.offer}")]
        if event.outcome in _BLAMELESS:
            return ended
        stay = self._stays.get(event.call)
        back_off_s = QueuePolicy.back_off_s if stay is None else self.policy(stay.visit.queue).back_off_s
        self._rest_until[event.agent] = at + back_off_s
        self._matching.rest(event.agent, resting=True)
        return [*ended, SetAgentTimer(agent=event.agent, key=REST_TIMER, token=0, after_s=back_off_s)]

    def _conversation_started(self, event: ConversationStarted, *, at: float) -> None:
        origin = self._origins.get(event.call)
        if event.agent and origin is not None:
            self.remember(origin.caller, event.agent, at=at)

    # What people ask for.

    def _move_asked(self, event: MoveAsked) -> list[Output]:
        """A supervisor moves somebody who waits."""
        stay = self._open_stay(event.call)
        if stay is None or stay.visit.state is VisitState.SUSPENDED:
            return [RequestRefused(call=event.call, by=event.by, what="move", why="does not wait in a queue")]
        visit = stay.visit
        queue = event.queue or visit.queue
        if queue not in self._policies:
            return [RequestRefused(call=event.call, by=event.by, what="move", why=f"there is no queue {queue}")]
        if queue == visit.queue and not event.to_front:
            return [RequestRefused(call=event.call, by=event.by, what="move", why=f"waits in {queue} already")]
        place_at = self._front_of(queue, priority=visit.priority) if event.to_front else visit.place_at
        place_at = min(place_at, visit.place_at)
        if queue == visit.queue:
            return [PlaceChanged(call=event.call, visit=visit.visit, place_at=place_at, priority=visit.priority)]
        return [
            *(
                OfferEnded(
                    call=event.call,
                    visit=visit.visit,
                    offer=offer.offer,
                    agent=offer.agent,
                    outcome=OfferOutcome.WITHDRAWN,
                )
                for offer in visit.offers
            ),
            _ends(visit, VisitOutcome.DIVERTED),
            self._starts(
                event.call,
                queue,
                at=visit.started_at,
                priority=visit.priority,
                medium=visit.medium,
                place_at=place_at,
                requires=visit.requires,
                language=visit.language,
            ),
        ]

    def _front_of(self, queue: QueueName, *, priority: int) -> float:
        """Since when somebody of this priority would have to wait to be the first."""
        ageing_s = self.policy(queue).ageing_s
        waiting = self.waiting(queue)
        if not waiting:
            return float("inf")
        head = self._stays[waiting[0]].visit
        return head.place_at - head.priority * ageing_s + priority * ageing_s - 1.0

    def _consultation_asked(self, event: ConsultationAsked) -> list[Output]:
        """Somebody of ours is wanted for a consultation: an agent by name, or whoever of a queue has been free for
        longest. Numbers outside are for others to dial."""
        kind = event.to.kind
        if kind not in (DestinationKind.AGENT, DestinationKind.QUEUE):
            return []
        asking = self._roster[event.agent]
        if asking.call != event.call or asking.presence not in _TALKS:
            return []
        wanted = (
            [AgentId(event.to.name)]
            if kind is DestinationKind.AGENT
            else self._roster.of_queue(QueueName(event.to.name))
        )
        ready = [self._roster[agent] for agent in wanted if self._roster.is_ready(agent)]
        if not ready:
            by = event.by or event.agent
            return [RequestRefused(call=event.call, by=by, what="consultation", why=f"{event.to} is not free")]
        chosen = min(ready, key=lambda agent: (agent.agent in self._rest_until, agent.idle_since, agent.agent))
        n = self._parties.get(event.call, 0) + 1
        leg = consulted_leg(event.call, n=n)
        return [PartyCalled(call=event.call, leg=leg, agent=chosen.agent, ring_s=CONSULTATION_RING_S)]


def _contact(visit: Visit) -> Contact:
    """A stay as the matching sees it."""
    return Contact(
        call=visit.call,
        visit=visit.visit,
        queue=visit.queue,
        medium=visit.medium,
        priority=visit.priority,
        place_at=visit.place_at,
        order=visit.order,
        requires=visit.requires,
        language=visit.language,
        only=visit.only,
        sticky=visit.sticky,
        sticky_until=visit.sticky_until,
        not_before=visit.not_before,
        refused_by=visit.refused_by,
    )


def _ends(visit: Visit, outcome: VisitOutcome) -> VisitEnded:
    return VisitEnded(call=visit.call, visit=visit.visit, queue=visit.queue, outcome=outcome)


def _lease(call: CallId, offer: OfferId, n: int, *, after_s: float) -> SetTimer:
    return SetTimer(call=call, key=f"{LEASE_TIMER}{offer}", token=n, after_s=after_s)


def _number(offer: OfferId) -> int:
    """Which offer of its call this is."""
    return int(offer.rpartition(".o")[2])
