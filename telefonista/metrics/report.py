"""A report made of plain rows: queues, routes and agents over a period.

In go rows of visits, legs, conversations and presence, and the time it is; out comes one value that JSON can carry and
that names the definition of each figure that has several. Nothing is counted anywhere else. No I/O, no clock.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from telefonista.kernel.events import Medium, Presence, VisitOutcome
from telefonista.metrics import formulas
from telefonista.metrics.formulas import CauseClass, ServiceLevelKind


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Where the organisation draws its lines."""

    threshold_s: float = 20.0
    short_abandon_s: float = 5.0


class VisitRow(msgspec.Struct, frozen=True, kw_only=True):
    queue: str
    started_at: datetime
    ended_at: datetime | None
    outcome: VisitOutcome | None
    lost: bool
    medium: Medium = Medium.CALL


class LegRow(msgspec.Struct, frozen=True, kw_only=True):
    route: str
    started_at: datetime
    rang_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    cause: int | None
    lost: bool


class ConversationRow(msgspec.Struct, frozen=True, kw_only=True):
    agent: str
    queue: str
    started_at: datetime
    ended_at: datetime | None


class PresenceRow(msgspec.Struct, frozen=True, kw_only=True):
    agent: str
    presence: Presence
    started_at: datetime
    ended_at: datetime | None
    """None: it lasts still."""
    why: str = ""
    """The reason of a pause, or why the phone is not there."""


class ServiceLevel(msgspec.Struct, frozen=True, kw_only=True):
    kind: ServiceLevelKind
    definition: str
    threshold_s: float
    value: float | None


class FollowUps(msgspec.Struct, frozen=True, kw_only=True):
    """Callbacks, or messages, of a queue. At every instant booked is the sum of the others."""

    booked: int
    served: int
    """The citizen was called back and answered; the message was heard."""
    unreached: int
    """Tried as often as the queue's rules say, in vain."""
    cancelled: int
    lost: int
    """Ended by a defect or a death of Asterisk."""
    waiting: int


class QueueReport(msgspec.Struct, frozen=True, kw_only=True):
    """Of the citizens who called. At every instant
    offered = answered + abandoned + diverted + callback + voicemail + waiting.

    A ratio is a fraction of 1; None: undefined.
    """

    queue: str
    offered: int
    answered: int
    abandoned: int
    diverted: int
    callback: int
    """They hung up knowing that we call them back."""
    voicemail: int
    waiting: int
    short_abandoned: int
    """Among the abandoned: those who left before the policy's `short_abandon_s`."""
    lost: int
    """Among the abandoned: those whose call was lost, who did not choose to go."""
    abandonment_ratio: float | None
    service_levels: tuple[ServiceLevel, ...]
    """Visits that wait and have not waited T yet are in none of them."""
    asa_s: float | None
    aht_s: float | None
    """Talk, hold and wrap-up of the conversations that are over."""
    hold_s: float | None
    """The mean hold of those conversations, part of `aht_s`."""
    longest_wait_s: float | None
    """Of all visits of the period, those still waiting included."""
    callbacks: FollowUps
    messages: FollowUps


class RouteReport(msgspec.Struct, frozen=True, kw_only=True):
    """A route's seizures are its legs: the citizens' on the trunk they came by, those to our agents' phones on the
    route `agents`. The ratios leave out seizures that are not decided yet."""

    route: str
    seizures: int
    answered: int
    causes: dict[CauseClass, int]
    """Every seizure by the class of its Q.850 cause."""
    asr: float | None
    ner: float | None
    aloc_s: float | None
    """Of the answered legs that were seen to end."""


class AgentReport(msgspec.Struct, frozen=True, kw_only=True):
    agent: str
    busy_s: float
    """Reserved, ringing, on the line while a citizen is dialled, talking, on hold or in wrap-up."""
    available_s: float
    occupancy: float | None
    presences_s: dict[Presence, float]
    """The time in each presence that occurred."""
    paused_s: dict[str, float]
    """The time paused, by reason."""


class MetricsReport(msgspec.Struct, frozen=True, kw_only=True):
    at: datetime
    since: datetime | None
    until: datetime | None
    """What began in [since, until) is counted; None: no bound."""
    policy: Policy
    queues: tuple[QueueReport, ...]
    routes: tuple[RouteReport, ...]
    agents: tuple[AgentReport, ...]


def build_report(
    *,
    visits: Iterable[VisitRow],
    legs: Iterable[LegRow],
    conversations: Iterable[ConversationRow],
    presence: Iterable[PresenceRow],
    at: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    policy: Policy | None = None,
    queues: Sequence[str] = (),
    routes: Sequence[str] = (),
) -> MetricsReport:
    """The report as of `at` (with a time zone, as all times here). The rows are those of the period already; `queues`
    and `routes` are shown even where nothing happened."""
    lines = Policy() if policy is None else policy
    presences = list(presence)
    by_queue: defaultdict[str, list[VisitRow]] = defaultdict(list, {queue: [] for queue in queues})
    follow_ups: defaultdict[tuple[str, Medium], list[VisitRow]] = defaultdict(list)
    for visit in visits:
        rows = by_queue[visit.queue]
        (rows if visit.medium is Medium.CALL else follow_ups[visit.queue, visit.medium]).append(visit)
    by_route: defaultdict[str, list[LegRow]] = defaultdict(list, {route: [] for route in routes})
    for leg in legs:
        by_route[leg.route].append(leg)
    handled = _handling(list(conversations), presences, at=at)
    return MetricsReport(
        at=at,
        since=since,
        until=until,
        policy=lines,
        queues=tuple(
            _queue_report(
                queue,
                rows,
                handled.get(queue, []),
                callbacks=_follow_ups(follow_ups[queue, Medium.CALLBACK]),
                messages=_follow_ups(follow_ups[queue, Medium.VOICEMAIL]),
                at=at,
                policy=lines,
            )
            for queue, rows in sorted(by_queue.items())
        ),
        routes=tuple(_route_report(route, rows) for route, rows in sorted(by_route.items())),
        agents=_agent_reports(presences, at=at, since=since, until=until),
    )


def _seconds(start: datetime, end: datetime) -> float:
    """Never negative: two machines' clocks may disagree by a little."""
    return max(0.0, (end - start).total_seconds())


def _follow_ups(visits: Sequence[VisitRow]) -> FollowUps:
    ends = Counter(visit.outcome for visit in visits)
    return FollowUps(
        booked=len(visits),
        served=ends[VisitOutcome.ANSWERED],
        unreached=ends[VisitOutcome.UNREACHED],
        cancelled=ends[VisitOutcome.CANCELLED],
        lost=len(visits)
        - sum(ends[end] for end in (VisitOutcome.ANSWERED, VisitOutcome.UNREACHED, VisitOutcome.CANCELLED, None)),
        waiting=ends[None],
    )


class _Handled(msgspec.Struct, frozen=True):
    """One conversation that is over, in seconds."""

    talk_s: float
    """Hold included."""
    hold_s: float
    wrap_up_s: float


def _queue_report(
    queue: str,
    visits: Sequence[VisitRow],
    handled: Sequence[_Handled],
    *,
    callbacks: FollowUps,
    messages: FollowUps,
    at: datetime,
    policy: Policy,
) -> QueueReport:
    waits: defaultdict[VisitOutcome | None, list[float]] = defaultdict(list)
    for visit in visits:
        waits[visit.outcome].append(_seconds(visit.started_at, visit.ended_at or at))
    answered, abandoned = waits[VisitOutcome.ANSWERED], waits[VisitOutcome.ABANDONED]
    undecided = sum(wait < policy.threshold_s for wait in waits[None])
    return QueueReport(
        queue=queue,
        offered=len(visits),
        answered=len(answered),
        abandoned=len(abandoned),
        diverted=len(waits[VisitOutcome.DIVERTED]),
        callback=len(waits[VisitOutcome.CALLBACK]),
        voicemail=len(waits[VisitOutcome.VOICEMAIL]),
        waiting=len(waits[None]),
        short_abandoned=formulas.short_abandons(abandoned, short_abandon_s=policy.short_abandon_s),
        lost=sum(visit.lost for visit in visits),
        abandonment_ratio=formulas.abandonment_ratio(len(abandoned), offered=len(visits)),
        service_levels=tuple(
            ServiceLevel(
                kind=kind,
                definition=definition,
                threshold_s=policy.threshold_s,
                value=formulas.service_level(
                    kind,
                    answered_waits_s=answered,
                    abandoned_waits_s=abandoned,
                    offered=len(visits) - undecided,
                    threshold_s=policy.threshold_s,
                    short_abandon_s=policy.short_abandon_s,
                ),
            )
            for kind, definition in formulas.SERVICE_LEVEL_DEFINITIONS.items()
        ),
        asa_s=formulas.average_speed_of_answer(answered),
        aht_s=formulas.average_handling_time(
            [one.talk_s - one.hold_s for one in handled],
            hold_s=[one.hold_s for one in handled],
            wrap_up_s=[one.wrap_up_s for one in handled],
        ),
        hold_s=sum(one.hold_s for one in handled) / len(handled) if handled else None,
        longest_wait_s=formulas.longest_wait([wait for some in waits.values() for wait in some]),
        callbacks=callbacks,
        messages=messages,
    )


def _start(span: PresenceRow) -> datetime:
    return span.started_at


def _handling(
    conversations: Sequence[ConversationRow], presences: Sequence[PresenceRow], *, at: datetime
) -> dict[str, list[_Handled]]:
    """Each queue's conversations that are over, with the holds in them and the wrap-up that followed."""
    wrap_ups: defaultdict[str, list[PresenceRow]] = defaultdict(list)
    holds: defaultdict[str, list[PresenceRow]] = defaultdict(list)
    for span in sorted(presences, key=_start):
        if span.presence is Presence.WRAP_UP:
            wrap_ups[span.agent].append(span)
        elif span.presence is Presence.ON_HOLD:
            holds[span.agent].append(span)
    later: dict[str, datetime] = {}
    handled: defaultdict[str, list[_Handled]] = defaultdict(list)
    for talk in sorted(conversations, key=lambda talk: talk.started_at, reverse=True):
        ended_at, next_starts_at = talk.ended_at, later.get(talk.agent)
        later[talk.agent] = talk.started_at
        if ended_at is None:
            continue
        handled[talk.queue].append(
            _Handled(
                talk_s=_seconds(talk.started_at, ended_at),
                hold_s=_spent(holds[talk.agent], since=talk.started_at, until=ended_at, at=ended_at),
                wrap_up_s=_spent(wrap_ups[talk.agent], since=ended_at, until=next_starts_at, at=at),
            )
        )
    return handled


def _spent(spans: Sequence[PresenceRow], *, since: datetime, until: datetime | None, at: datetime) -> float:
    """Seconds of those stretches that began in [since, until); one that lasts still has lasted until `at`."""
    first = bisect_left(spans, since, key=_start)
    past = len(spans) if until is None else bisect_left(spans, until, key=_start)
    return sum(_seconds(span.started_at, span.ended_at or at) for span in spans[first:past])


def _route_report(route: str, legs: Sequence[LegRow]) -> RouteReport:
    classes = Counter(
        formulas.cause_class(
            answered=leg.answered_at is not None,
            rang=leg.rang_at is not None,
            ended=leg.ended_at is not None,
            cause=leg.cause,
        )
        for leg in legs
    )
    answered = classes[CauseClass.ANSWERED]
    decided = len(legs) - classes[CauseClass.UNDECIDED]
    return RouteReport(
        route=route,
        seizures=len(legs),
        answered=answered,
        causes={kind: classes[kind] for kind in CauseClass},
        asr=formulas.answer_seizure_ratio(answered, seizures=decided),
        ner=formulas.network_effectiveness_ratio(
            answered,
            busy=classes[CauseClass.BUSY],
            no_answer=classes[CauseClass.NO_ANSWER],
            rejected=classes[CauseClass.REJECTED],
            seizures=decided,
        ),
        aloc_s=formulas.average_length_of_conversation(
            [
                _seconds(leg.answered_at, leg.ended_at)
                for leg in legs
                if leg.answered_at is not None and leg.ended_at is not None and not leg.lost
            ]
        ),
    )


_BUSY = frozenset(
    {
        Presence.RESERVED,
        Presence.RINGING,
        Presence.DIALLING,
        Presence.TALKING,
        Presence.ON_HOLD,
        Presence.WRAP_UP,
    }
)


def _agent_reports(
    presences: Sequence[PresenceRow], *, at: datetime, since: datetime | None, until: datetime | None
) -> tuple[AgentReport, ...]:
    """Of the agents who were at work. Paused, or on a call that is not ours, is neither our work nor availability."""
    spent: defaultdict[str, defaultdict[Presence, float]] = defaultdict(lambda: defaultdict(float))
    paused: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    end = at if until is None else min(at, until)
    for span in presences:
        start = span.started_at if since is None else max(since, span.started_at)
        span_s = _seconds(start, min(end, span.ended_at or end))
        spent[span.agent][span.presence] += span_s
        if span.presence is Presence.PAUSED:
            paused[span.agent][span.why] += span_s
    reports = []
    for agent, times in sorted(spent.items()):
        busy_s = sum(times[presence] for presence in _BUSY if presence in times)
        available_s = times.get(Presence.READY, 0.0)
        reports.append(
            AgentReport(
                agent=agent,
                busy_s=busy_s,
                available_s=available_s,
                occupancy=formulas.occupancy(busy_s, available_s=available_s),
                presences_s=dict(times),
                paused_s=dict(paused[agent]),
            )
        )
    return tuple(reports)
