"""Who may join a queue and who may stay in it, and where the others go."""

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from acd import Drain, JoinWhen, Overflow, OverflowWhen, QueuePolicy, WrapUpMode, read_destination
from acd.core.admission import Situation, closes_in_s, refused_entry
from acd.core.policy import loops
from agents import Member
from telefonista.kernel.events import (
    ConversationStarted,
    Destination,
    DestinationKind,
    Diverted,
    LegAnswered,
    LogOutAsked,
    OfferMade,
    OfferOutcome,
    PauseAsked,
    ReadyAsked,
    TimerFired,
    TransferAsked,
    VisitOutcome,
    VisitStarted,
)
from telefonista.kernel.ids import QueueName, outside_leg
from telefonista.notation.hours import OpeningHours
from tests.unit.acd.hall import ANA, BEA, CLO, FIRST, GENERAL, SECOND, THIRD, TRAMITES, Hall, leaves

MONTEVIDEO = ZoneInfo("America/Montevideo")
OFFICE = OpeningHours(zone="America/Montevideo", weekly=(((8 * 60, 18 * 60),),) * 5 + ((), ()), country="UY")
GENERAL_QUEUE = read_destination("queue general")
SORRY = read_destination("message Llame más tarde.")
PLAIN = QueuePolicy(name=GENERAL)


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=MONTEVIDEO).timestamp()


def situation(**known: float | None) -> Situation:
    there = {"at": 0.0, "waiting": 0, "at_work": 1, "available": 1, "estimate_s": None, **known}
    return msgspec.convert(there, Situation, strict=False)


def refusal(policy: QueuePolicy, **known: float | None) -> tuple[str, str] | None:
    elsewhere = refused_entry(policy, situation(**known))
    return None if elsewhere is None else (str(elsewhere.to), elsewhere.why)


@pytest.mark.parametrize(
    ("at", "closed"),
    [
        ("2026-11-23T07:59:59", True),
        ("2026-11-23T08:00:00", False),
        ("2026-11-23T17:59:59", False),
        ("2026-11-23T18:00:00", True),
        ("2026-11-21T12:00:00", True),
        ("2026-12-25T12:00:00", True),
    ],
    ids=["before", "first second", "last second", "after", "saturday", "holiday"],
)
def test_queue_takes_citizens_in_its_hours_and_on_no_holiday(at: str, closed: bool) -> None:
    policy = QueuePolicy(name=TRAMITES, hours=OFFICE, when_closed=SORRY)
    assert refusal(policy, at=moment(at)) == (("message Llame más tarde.", "closed") if closed else None)


@pytest.mark.parametrize(
    ("when", "at_work", "available", "joins"),
    [
        (JoinWhen.ALWAYS, 0, 0, True),
        (JoinWhen.LOGGED_IN, 0, 0, False),
        (JoinWhen.LOGGED_IN, 1, 0, True),
        (JoinWhen.AVAILABLE, 1, 0, False),
        (JoinWhen.AVAILABLE, 1, 1, True),
    ],
)
def test_queue_without_anybody_takes_whom_its_rule_lets_in(
    when: JoinWhen, at_work: int, available: int, joins: bool
) -> None:
    policy = QueuePolicy(name=TRAMITES, join_when=when, when_nobody=GENERAL_QUEUE)
    assert (refusal(policy, at_work=at_work, available=available) is None) is joins


def test_full_queue_sends_the_next_one_elsewhere() -> None:
    policy = QueuePolicy(name=TRAMITES, most_waiting=2, when_full=GENERAL_QUEUE)
    assert refusal(policy, waiting=1) is None
    assert refusal(policy, waiting=2) == ("queue general", "2 wait already")


def test_first_overflow_rule_that_holds_decides() -> None:
    policy = QueuePolicy(
        name=TRAMITES,
        hours=OFFICE,
        overflow=(
            Overflow(when=OverflowWhen.WAITING_PER_AGENT, above=3, to=GENERAL_QUEUE),
            Overflow(when=OverflowWhen.ESTIMATE, above=300, to=read_destination("callback")),
            Overflow(when=OverflowWhen.CLOSING, above=600, to=SORRY),
        ),
    )
    noon, late = moment("2026-11-23T12:00:00"), moment("2026-11-23T17:55:00")
    assert refusal(policy, at=noon, waiting=5, available=2) is None
    assert refusal(policy, at=noon, waiting=6, available=2) == (
        "queue general",
        "3.5 would wait for each agent, more than 3",
    )
    assert refusal(policy, at=noon, estimate_s=300.0) is None
    assert refusal(policy, at=noon, estimate_s=301.0) == ("callback", "a wait of 301 s, more than 300")
    assert refusal(policy, at=late, estimate_s=None) == ("message Llame más tarde.", "closes in 300 s")


def test_closing_time_ends_the_wait_only_where_the_queue_says_so() -> None:
    late = moment("2026-11-23T17:55:00")
    assert closes_in_s(QueuePolicy(name=TRAMITES, hours=OFFICE), at=late) is None
    assert closes_in_s(QueuePolicy(name=TRAMITES, drain=Drain.DIVERT), at=late) is None
    assert closes_in_s(QueuePolicy(name=TRAMITES, hours=OFFICE, drain=Drain.DIVERT), at=late) == 300


# In the hall.


def test_citizen_who_finds_the_queue_full_waits_in_the_other_from_now_on() -> None:
    hall = Hall(QueuePolicy(name=TRAMITES, most_waiting=1, when_full=GENERAL_QUEUE), PLAIN)
    hall.comes(FIRST)
    followed = hall.comes(SECOND)
    assert [type(event) for event in followed[:2]] == [Diverted, VisitStarted]
    assert followed[0] == Diverted(call=SECOND, to=GENERAL_QUEUE, why="1 wait already", queue=TRAMITES)
    assert hall.desk.waiting(GENERAL) == [SECOND]
    hall.check_memory()


def test_citizen_who_would_be_sent_round_for_ever_stays_where_the_rounds_end() -> None:
    """A configuration like this is refused; flows that lead back could do the same."""
    hall = Hall(
        QueuePolicy(name=TRAMITES, join_when=JoinWhen.LOGGED_IN, when_nobody=GENERAL_QUEUE),
        QueuePolicy(name=GENERAL, join_when=JoinWhen.LOGGED_IN, when_nobody=read_destination("queue tramites")),
    )
    hall.comes(FIRST)
    assert len(hall.of(Diverted)) == 10
    assert len(hall.of(VisitStarted)) == 1
    hall.check_memory()


def test_queue_asks_at_each_arrival_who_is_at_work() -> None:
    policy = QueuePolicy(name=TRAMITES, join_when=JoinWhen.AVAILABLE, when_nobody=GENERAL_QUEUE)
    hall = Hall(policy, PLAIN)
    hall.comes(FIRST)
    assert hall.desk.waiting(GENERAL) == [FIRST]
    hall.free(BEA)
    hall.comes(SECOND)
    assert hall.offers() == [(SECOND, BEA)]
    hall.offer_ends(OfferOutcome.WITHDRAWN)
    hall.happens(leaves(SECOND))
    hall.happens(PauseAsked(agent=BEA, reason="almuerzo"))
    hall.comes(THIRD)
    assert hall.desk.waiting(GENERAL) == [FIRST, THIRD]
    hall.happens(ReadyAsked(agent=BEA))
    assert hall.desk._staff.available(TRAMITES) == 1
    hall.check_memory()


def test_those_who_wait_leave_when_the_last_agent_has_left() -> None:
    policy = QueuePolicy(name=TRAMITES, leave_when_nobody=True, when_nobody=GENERAL_QUEUE)
    hall = Hall(policy, PLAIN)
    hall.free(ANA, BEA)
    for agent in (ANA, BEA):
        hall.happens(PauseAsked(agent=agent, reason="capacitación"))
    hall.comes(FIRST)
    hall.comes(SECOND)
    hall.happens(LogOutAsked(agent=ANA))
    assert hall.of(Diverted) == [], "one paused agent is still there"
    followed = hall.happens(LogOutAsked(agent=BEA))
    assert [event.call for event in followed if isinstance(event, Diverted)] == [FIRST, SECOND]
    assert hall.outcomes(FIRST) == [VisitOutcome.DIVERTED]
    assert hall.desk.waiting(GENERAL) == [FIRST, SECOND]
    hall.check_memory()


def test_citizen_who_has_waited_for_too_long_is_sent_on_with_the_place_that_was_kept() -> None:
    hall = Hall(QueuePolicy(name=TRAMITES, longest_wait_s=120, when_too_long=GENERAL_QUEUE), PLAIN)
    hall.comes(FIRST)
    began = hall.now
    hall.comes(SECOND, queue=GENERAL)
    hall.fires(FIRST, "acd.longest")
    assert hall.of(Diverted)[-1].why == "waited 120 s"
    assert hall.desk.waiting(GENERAL) == [FIRST, SECOND]
    stay = hall.desk.stay(FIRST)
    assert stay is not None
    assert stay.visit.place_at == began
    assert "acd.longest" not in hall.timers(FIRST)
    hall.check_memory()


def test_citizen_whose_time_is_over_while_a_phone_rings_is_sent_on_only_if_nobody_answers() -> None:
    hall = Hall(QueuePolicy(name=TRAMITES, longest_wait_s=10, when_too_long=GENERAL_QUEUE), PLAIN)
    hall.free(BEA)
    hall.comes(FIRST)
    hall.fires(FIRST, "acd.longest")
    assert hall.of(Diverted) == []
    hall.phone_ends()
    assert [event.call for event in hall.of(Diverted)] == [FIRST]
    hall.check_memory()


def test_citizen_who_is_offered_late_and_not_taken_early_goes_on_waiting() -> None:
    hall = Hall(QueuePolicy(name=TRAMITES, longest_wait_s=60, when_too_long=GENERAL_QUEUE), PLAIN)
    hall.free(BEA)
    hall.comes(FIRST)
    hall.phone_ends()
    assert hall.of(Diverted) == []
    assert hall.desk.waiting(TRAMITES) == [FIRST]


@pytest.mark.parametrize("drain", Drain)
def test_those_who_wait_at_closing_time_are_served_or_sent_on(drain: Drain) -> None:
    hall = Hall(QueuePolicy(name=TRAMITES, hours=OFFICE, when_closed=SORRY, drain=drain))
    hall.now = moment("2026-11-23T17:55:00")
    hall.comes(FIRST)
    if drain is Drain.SERVE:
        assert "acd.closing" not in hall.timers(FIRST)
        return
    hall.fires(FIRST, "acd.closing")
    assert hall.of(Diverted) == [Diverted(call=FIRST, to=SORRY, why="closed", queue=TRAMITES)]
    assert hall.outcomes(FIRST) == [VisitOutcome.DIVERTED]
    hall.check_memory()


def test_queue_that_stays_open_longer_than_it_did_sends_nobody_away() -> None:
    hall = Hall(QueuePolicy(name=TRAMITES, hours=OFFICE, drain=Drain.DIVERT))
    hall.now = moment("2026-11-23T17:55:00")
    hall.comes(FIRST)
    hall.desk.configure([QueuePolicy(name=TRAMITES)])
    hall.fires(FIRST, "acd.closing")
    assert hall.of(Diverted) == []


def test_stale_timer_of_an_earlier_stay_ends_nothing() -> None:
    hall = Hall(QueuePolicy(name=TRAMITES, longest_wait_s=60), PLAIN)
    hall.comes(FIRST)
    hall.happens(Diverted(call=FIRST, to=GENERAL_QUEUE, why="", queue=TRAMITES))
    hall.happens(Diverted(call=FIRST, to=read_destination("queue tramites"), why="", queue=GENERAL))
    assert hall.happens(TimerFired(call=FIRST, key="acd.longest", token=1)) == []
    hall.check_memory()


# Passed on by somebody.


def talking(hall: Hall) -> None:
    """FIRST talks with ANA."""
    hall.free(ANA)
    hall.comes(FIRST)
    hall.answers()


def test_citizen_who_is_passed_on_to_a_queue_stands_where_they_would_had_they_waited_there_all_along() -> None:
    hall = Hall(QueuePolicy(name=TRAMITES), QueuePolicy(name=GENERAL, most_waiting=1, when_full=SORRY))
    talking(hall)
    hall.comes(SECOND, queue=GENERAL)
    hall.happens(TransferAsked(call=FIRST, agent=ANA, to=GENERAL_QUEUE))
    assert hall.desk.waiting(GENERAL) == [FIRST, SECOND], "who was let in by an agent is not asked at the door"
    hall.check_memory()


def test_citizen_whom_a_number_outside_did_not_answer_is_back_at_the_front() -> None:
    hall = Hall(QueuePolicy(name=TRAMITES, hours=OFFICE))
    hall.now = moment("2026-11-23T17:59:00")
    hall.comes(FIRST)
    hall.comes(SECOND)
    hall.happens(Diverted(call=FIRST, to=read_destination("number 1950"), why="key 9", queue=TRAMITES))
    assert hall.desk.waiting(TRAMITES) == [SECOND]
    hall.now = moment("2026-11-23T18:01:00")
    hall.happens(
        Diverted(call=FIRST, to=read_destination("queue tramites"), why="1950 does not answer", queue=TRAMITES)
    )
    assert hall.desk.waiting(TRAMITES) == [FIRST, SECOND]


def test_agent_who_is_asked_for_by_name_is_rung_before_anybody_else() -> None:
    hall = Hall()
    talking(hall)
    hall.free(BEA, CLO)
    hall.happens(TransferAsked(call=FIRST, agent=ANA, to=Destination(DestinationKind.AGENT, CLO)))
    assert hall.last_offer().agent == CLO
    hall.phone_ends()
    assert hall.last_offer().agent == BEA, "then whoever of the queue is free"
    hall.check_memory()


def test_agent_who_is_asked_for_by_name_and_busy_is_waited_for_no_longer_than_a_phone_rings() -> None:
    hall = Hall()
    talking(hall)
    hall.free(CLO)
    hall.comes(SECOND, queue=GENERAL)
    hall.free(BEA)
    hall.happens(TransferAsked(call=FIRST, agent=ANA, to=Destination(DestinationKind.AGENT, CLO)))
    assert hall.offers()[-1] == (SECOND, CLO)
    hall.fires(FIRST, "acd.only")
    assert hall.offers()[-1] == (FIRST, BEA)
    hall.check_memory()


def test_agent_who_is_asked_for_by_name_and_not_there_is_not_waited_for() -> None:
    hall = Hall()
    talking(hall)
    hall.free(BEA)
    hall.happens(TransferAsked(call=FIRST, agent=ANA, to=Destination(DestinationKind.AGENT, CLO)))
    assert hall.last_offer().agent == BEA
    assert hall.of(VisitStarted)[-1].only is None


def test_agent_by_name_without_a_queue_to_come_from_is_sought_in_their_own() -> None:
    hall = Hall(members=(Member(agent=ANA, name="", queues=(GENERAL,)), Member(agent=BEA, name="", queues=())))
    hall.arrives(FIRST)
    hall.happens(Diverted(call=FIRST, to=Destination(DestinationKind.AGENT, ANA), why="flow"))
    assert hall.of(VisitStarted)[-1].queue == GENERAL
    hall.arrives(SECOND)
    hall.happens(Diverted(call=SECOND, to=Destination(DestinationKind.AGENT, BEA), why="flow"))
    assert hall.of(VisitStarted)[-1].queue == TRAMITES, "whoever has none is of the first queue"


def test_offers_end_with_the_stay_that_they_were_made_for() -> None:
    hall = Hall(QueuePolicy(name=TRAMITES, keys={"9": GENERAL_QUEUE}), PLAIN)
    hall.free(BEA)
    hall.comes(FIRST)
    hall.presses(FIRST, "9")
    assert hall.outcomes(FIRST) == [VisitOutcome.DIVERTED]
    assert hall.desk.waiting(GENERAL) == [FIRST]
    assert hall.agents.roster.is_ready(BEA)
    assert not any(isinstance(event, OfferMade) for event in hall.happens(leaves(FIRST)))
    hall.check_memory()


def test_party_outside_serves_nobody_for_the_next_time() -> None:
    hall = Hall(QueuePolicy(name=TRAMITES, sticky_s=30))
    hall.comes(FIRST)
    hall.happens(Diverted(call=FIRST, to=read_destination("number 1950"), why="key 9", queue=TRAMITES))
    hall.happens(LegAnswered(call=FIRST, leg=outside_leg(FIRST, n=1)))
    assert hall.of(ConversationStarted)[-1].number == "1950"
    hall.comes(SECOND)
    assert hall.of(VisitStarted)[-1].sticky is None


def test_circles_are_found_behind_ways_that_meet_again() -> None:
    def full(name: str, *others: str) -> QueuePolicy:
        rules = tuple(
            Overflow(when=OverflowWhen.ESTIMATE, above=1, to=read_destination(f"queue {other}")) for other in others
        )
        return QueuePolicy(name=QueueName(name), overflow=rules)

    assert loops([full("a", "b", "c"), full("b", "d"), full("c", "d"), full("d", "e"), full("e")]) == []
    assert loops([full("a", "b", "c"), full("b", "d"), full("c", "d"), full("d", "c")]) == [
        ("overflow", ("c", "d", "c"))
    ]


@pytest.mark.parametrize(
    "policy",
    [
        QueuePolicy(name=TRAMITES, join_when=JoinWhen.LOGGED_IN, when_nobody=GENERAL_QUEUE),
        QueuePolicy(name=TRAMITES, leave_when_nobody=True, when_nobody=GENERAL_QUEUE),
        QueuePolicy(name=TRAMITES, longest_wait_s=60, when_too_long=GENERAL_QUEUE),
        QueuePolicy(name=TRAMITES, hours=OFFICE, when_closed=GENERAL_QUEUE),
    ],
    ids=["nobody to join", "nobody left", "too long", "closed"],
)
def test_every_way_out_of_a_queue_counts_for_a_circle(policy: QueuePolicy) -> None:
    back = QueuePolicy(name=GENERAL, most_waiting=1, when_full=read_destination("queue tramites"))
    ((_, circle),) = loops([policy, back])
    assert circle == (TRAMITES, GENERAL, TRAMITES)
    assert GENERAL_QUEUE in policy.destinations


def test_what_the_agents_owe_after_a_conversation_is_the_queues_word() -> None:
    policy = QueuePolicy(name=TRAMITES, wrap_up_s=7, wrap_up_mode=WrapUpMode.UNTIL_DONE, dispositions=("resuelto",))
    granted = policy.granted
    assert (granted.wrap_up_s, granted.until_done, granted.dispositions) == (7, True, ("resuelto",))
