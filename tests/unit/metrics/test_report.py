"""A report says of a morning what a person with the same rows, a pencil and time would say."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from telefonista.kernel.events import Medium, Presence, VisitOutcome
from telefonista.metrics import (
    ConversationRow,
    FollowUps,
    LegRow,
    MetricsReport,
    Policy,
    PresenceRow,
    QueueReport,
    ServiceLevelKind,
    VisitRow,
    build_report,
)
from telefonista.metrics.formulas import CauseClass

ONLY_OF_FOLLOW_UPS = (VisitOutcome.UNREACHED, VisitOutcome.CANCELLED)
EIGHT = datetime(2025, 10, 9, 11, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return EIGHT + timedelta(seconds=seconds)


def visit(
    start_s: float, wait_s: float | None, outcome: VisitOutcome | None, *, queue: str = "tramites", lost: bool = False
) -> VisitRow:
    ended_at = None if wait_s is None else at(start_s + wait_s)
    return VisitRow(queue=queue, started_at=at(start_s), ended_at=ended_at, outcome=outcome, lost=lost)


def leg(
    *, rang: float | None = None, answered: float | None = None, ended: float | None = None, cause: int | None = None
) -> LegRow:
    moments = {
        name: None if value is None else at(value) for name, value in [("r", rang), ("a", answered), ("e", ended)]
    }
    return LegRow(
        route="citizens",
        started_at=at(0),
        rang_at=moments["r"],
        answered_at=moments["a"],
        ended_at=moments["e"],
        cause=cause,
        lost=False,
    )


def span(agent: str, presence: Presence, start_s: float, end_s: float | None) -> PresenceRow:
    return PresenceRow(
        agent=agent, presence=presence, started_at=at(start_s), ended_at=None if end_s is None else at(end_s)
    )


def talk(agent: str, start_s: float, end_s: float | None, *, queue: str = "tramites") -> ConversationRow:
    return ConversationRow(
        agent=agent, queue=queue, started_at=at(start_s), ended_at=None if end_s is None else at(end_s)
    )


def only_queue(report: MetricsReport) -> QueueReport:
    (queue,) = report.queues
    return queue


def levels(queue: QueueReport) -> dict[ServiceLevelKind, float | None]:
    return {level.kind: level.value for level in queue.service_levels}


def test_queue_s_figures_are_those_of_its_visits() -> None:
    visits = [
        visit(0, 10, VisitOutcome.ANSWERED),
        visit(5, 40, VisitOutcome.ANSWERED),
        visit(9, 2, VisitOutcome.ABANDONED),
        visit(20, 60, VisitOutcome.ABANDONED, lost=True),
        visit(30, 90, VisitOutcome.DIVERTED),
        visit(95, None, None),
    ]
    queue = only_queue(build_report(visits=visits, legs=[], conversations=[], presence=[], at=at(100)))
    assert (queue.offered, queue.answered, queue.abandoned, queue.diverted, queue.waiting) == (6, 2, 2, 1, 1)
    assert (queue.short_abandoned, queue.lost) == (1, 1)
    assert queue.asa_s == 25
    assert queue.longest_wait_s == 90
    assert queue.abandonment_ratio == pytest.approx(2 / 6)
    # The one who waits for 5 s is decided by none of them yet.
    assert levels(queue) == {
        ServiceLevelKind.OF_ANSWERED: pytest.approx(1 / 2),
        ServiceLevelKind.OF_OFFERED: pytest.approx(2 / 5),
        ServiceLevelKind.OF_LASTING: pytest.approx(1 / 4),
    }


def test_each_citizen_who_was_offered_ended_in_one_of_the_named_ways_or_waits() -> None:
    ends = [None, *(outcome for outcome in VisitOutcome if outcome not in ONLY_OF_FOLLOW_UPS)]
    visits = [visit(n, None if end is None else 5, end) for n, end in enumerate(ends)]
    queue = only_queue(build_report(visits=visits, legs=[], conversations=[], presence=[], at=at(60)))
    counted = (queue.answered, queue.abandoned, queue.diverted, queue.callback, queue.voicemail, queue.waiting)
    assert counted == (1, 1, 1, 1, 1, 1)
    assert queue.offered == sum(counted)


def test_callbacks_and_messages_are_counted_beside_the_calls_and_not_among_them() -> None:
    visits = [
        visit(0, 10, VisitOutcome.CALLBACK),
        *(
            msgspec.structs.replace(visit(10, None if end is None else 60, end), medium=Medium.CALLBACK)
            for end in (
                VisitOutcome.ANSWERED,
                VisitOutcome.UNREACHED,
                VisitOutcome.CANCELLED,
                VisitOutcome.ABANDONED,
                None,
                None,
            )
        ),
        msgspec.structs.replace(visit(20, 30, VisitOutcome.ANSWERED), medium=Medium.VOICEMAIL),
    ]
    queue = only_queue(build_report(visits=visits, legs=[], conversations=[], presence=[], at=at(100)))
    assert (queue.offered, queue.callback, queue.asa_s) == (1, 1, None)
    assert queue.callbacks == FollowUps(booked=6, served=1, unreached=1, cancelled=1, lost=1, waiting=2)
    assert queue.messages == FollowUps(booked=1, served=1, unreached=0, cancelled=0, lost=0, waiting=0)


def test_hold_is_part_of_the_handling_time_and_shown_by_itself() -> None:
    presence = [
        span("101", Presence.TALKING, 0, 40),
        span("101", Presence.ON_HOLD, 40, 60),
        span("101", Presence.TALKING, 60, 100),
        span("101", Presence.WRAP_UP, 100, 110),
        span("101", Presence.ON_HOLD, 220, 225),
    ]
    queue = only_queue(
        build_report(
            visits=[visit(0, 0, VisitOutcome.ANSWERED)],
            legs=[],
            conversations=[talk("101", 0, 100)],
            presence=presence,
            at=at(300),
        )
    )
    assert (queue.aht_s, queue.hold_s) == (110, 20)


def test_time_in_each_presence_and_of_each_pause_is_told() -> None:
    lunch = PresenceRow(agent="101", presence=Presence.PAUSED, started_at=at(60), ended_at=at(90), why="almuerzo")
    presence = [
        span("101", Presence.READY, 0, 60),
        lunch,
        msgspec.structs.replace(lunch, started_at=at(90), ended_at=at(100), why="no contesta"),
        span("101", Presence.DIALLING, 100, 110),
        span("101", Presence.ON_HOLD, 110, 120),
    ]
    (agent,) = build_report(visits=[], legs=[], conversations=[], presence=presence, at=at(120)).agents
    assert agent.paused_s == {"almuerzo": 30, "no contesta": 10}
    assert agent.presences_s == {
        Presence.READY: 60,
        Presence.PAUSED: 40,
        Presence.DIALLING: 10,
        Presence.ON_HOLD: 10,
    }
    assert (agent.busy_s, agent.available_s) == (20, 60)


def test_who_has_waited_beyond_the_threshold_counts_against_the_service_level_while_still_waiting() -> None:
    visits = [visit(0, 10, VisitOutcome.ANSWERED), visit(0, None, None)]
    queue = only_queue(build_report(visits=visits, legs=[], conversations=[], presence=[], at=at(21)))
    assert levels(queue)[ServiceLevelKind.OF_OFFERED] == pytest.approx(1 / 2)
    assert queue.longest_wait_s == 21


def test_queue_that_nobody_called_is_shown_and_undefined() -> None:
    report = build_report(
        visits=[], legs=[], conversations=[], presence=[], at=at(0), queues=["vacunacion"], routes=["citizens"]
    )
    queue = only_queue(report)
    assert (queue.offered, queue.waiting) == (0, 0)
    assert set(levels(queue).values()) == {None}
    assert (queue.asa_s, queue.aht_s, queue.longest_wait_s, queue.abandonment_ratio) == (None, None, None, None)
    (route,) = report.routes
    assert (route.seizures, route.asr, route.ner, route.aloc_s) == (0, None, None, None)
    assert report.agents == ()


def test_policy_moves_the_lines_and_is_named_in_the_report() -> None:
    visits = [visit(0, 15, VisitOutcome.ANSWERED), visit(0, 8, VisitOutcome.ABANDONED)]
    strict = Policy(threshold_s=10, short_abandon_s=10)
    report = build_report(visits=visits, legs=[], conversations=[], presence=[], at=at(60), policy=strict)
    queue = only_queue(report)
    assert queue.short_abandoned == 1
    assert levels(queue)[ServiceLevelKind.OF_ANSWERED] == 0
    assert report.policy == strict
    assert {level.threshold_s for level in queue.service_levels} == {10}
    assert all(level.definition for level in queue.service_levels)


def test_handling_time_adds_to_each_conversation_the_wrap_up_that_followed_it() -> None:
    talks = [talk("101", 0, 100), talk("101", 130, 180, queue="impuestos"), talk("102", 0, 60), talk("102", 200, None)]
    presence = [
        span("101", Presence.TALKING, 0, 100),
        span("101", Presence.WRAP_UP, 100, 120),
        span("101", Presence.READY, 120, 125),
        span("101", Presence.WRAP_UP, 180, None),
        span("102", Presence.WRAP_UP, 60, 70),
    ]
    report = build_report(
        visits=[visit(0, 0, VisitOutcome.ANSWERED), visit(0, 0, VisitOutcome.ANSWERED, queue="impuestos")],
        legs=[],
        conversations=talks,
        presence=presence,
        at=at(190),
    )
    assert {queue.queue: queue.aht_s for queue in report.queues} == {
        "tramites": pytest.approx((100 + 20 + 60 + 10) / 2),
        "impuestos": pytest.approx(50 + 10),
    }


def test_route_s_ratios_leave_out_what_is_not_decided() -> None:
    legs = [
        leg(rang=1, answered=2, ended=62, cause=16),
        leg(rang=1, answered=5, cause=None),
        leg(ended=3, cause=17),
        leg(rang=1, ended=16, cause=19),
        leg(rang=1, ended=9, cause=21),
        leg(ended=1, cause=34),
        leg(rang=1),
    ]
    (route,) = build_report(visits=[], legs=legs, conversations=[], presence=[], at=at(100)).routes
    assert (route.seizures, route.answered) == (7, 2)
    assert route.causes == {
        CauseClass.ANSWERED: 2,
        CauseClass.BUSY: 1,
        CauseClass.NO_ANSWER: 1,
        CauseClass.REJECTED: 1,
        CauseClass.FAILED: 1,
        CauseClass.UNDECIDED: 1,
    }
    assert route.asr == pytest.approx(2 / 6)
    assert route.ner == pytest.approx(5 / 6)
    assert route.aloc_s == 60


def test_lost_leg_has_no_length_of_conversation() -> None:
    lost = msgspec.structs.replace(leg(answered=1, ended=500, cause=0), lost=True)
    (route,) = build_report(visits=[], legs=[lost], conversations=[], presence=[], at=at(600)).routes
    assert (route.answered, route.aloc_s) == (1, None)


def test_occupancy_is_of_the_period_and_of_the_time_at_work() -> None:
    presence = [
        span("101", Presence.READY, -600, 60),
        span("101", Presence.RESERVED, 60, 61),
        span("101", Presence.RINGING, 61, 65),
        span("101", Presence.TALKING, 65, 165),
        span("101", Presence.WRAP_UP, 165, 180),
        span("101", Presence.OFFLINE, 180, 1000),
        span("101", Presence.READY, 1000, None),
        span("102", Presence.BUSY, 0, None),
    ]
    report = build_report(
        visits=[], legs=[], conversations=[], presence=presence, at=at(5000), since=at(0), until=at(1060)
    )
    agent, of_other_calls = report.agents
    assert (agent.agent, agent.busy_s, agent.available_s) == ("101", 120, 120)
    assert (of_other_calls.busy_s, of_other_calls.available_s, of_other_calls.occupancy) == (0, 0, None)
    assert agent.occupancy == pytest.approx(0.5)


def test_clocks_that_disagree_by_a_little_make_no_negative_wait() -> None:
    queue = only_queue(
        build_report(visits=[visit(10, -0.2, VisitOutcome.ANSWERED)], legs=[], conversations=[], presence=[], at=at(20))
    )
    assert queue.asa_s == 0


def test_report_is_json_that_reads_back_as_itself() -> None:
    report = build_report(
        visits=[visit(0, 10, VisitOutcome.ANSWERED)],
        legs=[leg(answered=1, ended=2, cause=16)],
        conversations=[talk("101", 0, 1)],
        presence=[span("101", Presence.READY, 0, None)],
        at=at(20),
        since=at(0),
    )
    assert msgspec.json.decode(msgspec.json.encode(report), type=MetricsReport) == report
