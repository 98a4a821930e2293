"""Who waits where, who is offered whom, and what the waiting hear: the desk, driven as the engine drives it."""

from collections.abc import Callable

import pytest

from acd import QueuePolicy
from acd.core import wait as waits
from telefonista.kernel.commands import (
    CancelTimer,
    SetAgentTimer,
    SetTimer,
    StartMusic,
    StopMusic,
    StopPlayback,
)
from telefonista.kernel.events import (
    AgentTimerFired,
    CallBroken,
    CallLost,
    CallStopped,
    Entry,
    Event,
    HandedOff,
    LegEnded,
    OfferMade,
    OfferOutcome,
    Phone,
    PhoneChanged,
    PlaybackEnded,
    TimerFired,
    VisitEnded,
    VisitOutcome,
    VisitStarted,
    WaitBegan,
)
from telefonista.kernel.ids import CallId, LegId, PlaybackId, QueueName, VisitId, agent_leg, citizen_leg
from tests.unit.acd.hall import ANA, BEA, CLO, FIRST, GENERAL, MESSAGES, SECOND, THIRD, TRAMITES, Hall, leaves


@pytest.fixture
def hall() -> Hall:
    return Hall()


def test_citizen_whom_nobody_can_serve_is_told_the_position_and_then_hears_music(hall: Hall) -> None:
    hall.waits(FIRST)
    hall.waits(SECOND)
    assert hall.announced() == [(FIRST, 1), (SECOND, 2)]
    assert hall.played() == [("posición 1", MESSAGES[0].text), ("posición 2", MESSAGES[0].text)]
    assert [done.call for done in hall.done if isinstance(done, StartMusic)] == [FIRST, SECOND]
    assert hall.desk.waiting(TRAMITES) == [FIRST, SECOND]
    assert [hall.desk.position(FIRST), hall.desk.position(SECOND)] == [1, 2]


def test_citizen_who_is_offered_at_once_hears_music_and_is_told_nothing(hall: Hall) -> None:
    hall.free(ANA)
    followed = hall.waits(FIRST)
    assert [type(event) for event in followed if not isinstance(event, PhoneChanged)][:2] == [VisitStarted, OfferMade]
    assert WaitBegan(call=FIRST, visit=VisitId(f"{FIRST}.v1")) in followed
    assert hall.played() == []
    assert StartMusic(call=FIRST, leg=citizen_leg(FIRST)) in hall.done


def test_citizen_whose_agent_does_not_answer_soon_is_told_the_position_without_new_music(hall: Hall) -> None:
    hall.free(ANA)
    hall.waits(FIRST)
    timer = [done for done in hall.done if isinstance(done, SetTimer)][-1]
    assert timer.after_s == waits.FIRST_ANNOUNCEMENT_S
    hall.happens(TimerFired(call=FIRST, key=timer.key, token=timer.token), after_s=timer.after_s)
    assert hall.announced() == [(FIRST, 1)]
    assert sum(isinstance(done, StartMusic) for done in hall.done) == 1


def test_agent_who_has_been_idle_longest_is_offered_first(hall: Hall) -> None:
    hall.free(BEA, ANA)
    hall.waits(FIRST)
    hall.waits(SECOND)
    assert hall.offers() == [(FIRST, BEA), (SECOND, ANA)]
    first = next(event for event in hall.said if isinstance(event, OfferMade))
    assert first.passed_over == {"101": "idle for less time"}
    assert hall.last_offer().passed_over == {"102": "reserved"}


def test_agent_who_became_free_before_another_of_the_list_is_preferred_to_them(hall: Hall) -> None:
    hall.free(ANA, BEA)
    hall.waits(FIRST)
    assert hall.offers() == [(FIRST, ANA)]
    assert hall.last_offer().passed_over == {"102": "idle for less time"}


def test_agent_serves_only_the_queues_that_are_theirs(hall: Hall) -> None:
    hall.free(CLO)
    hall.waits(FIRST)
    assert hall.offers() == []
    hall.waits(SECOND, queue=GENERAL)
    assert hall.offers() == [(SECOND, CLO)]
    assert hall.last_offer().ring_s == 20


def test_agent_who_becomes_free_is_offered_the_first_in_line_at_that_moment(hall: Hall) -> None:
    hall.waits(FIRST)
    hall.waits(SECOND)
    followed = hall.happens(PhoneChanged(agent=BEA, phone=Phone.IDLE))
    assert [event.call for event in followed if isinstance(event, OfferMade)] == [FIRST]
    assert hall.last_offer().leg == agent_leg(FIRST, n=1)


def test_higher_priority_goes_first_and_equals_keep_their_order(hall: Hall) -> None:
    hall.waits(FIRST)
    hall.waits(SECOND, priority=5)
    hall.waits(THIRD)
    assert hall.desk.waiting(TRAMITES) == [SECOND, FIRST, THIRD]


def test_of_two_queues_the_citizen_who_has_waited_longer_is_offered_to_the_agent_of_both(hall: Hall) -> None:
    hall.waits(SECOND, queue=GENERAL)
    hall.waits(FIRST)
    hall.free(ANA)
    assert hall.offers() == [(SECOND, ANA)]


def test_agent_who_does_not_answer_keeps_the_caller_in_place_and_the_next_is_offered(hall: Hall) -> None:
    hall.free(ANA, BEA)
    hall.waits(FIRST)
    hall.offer_ends(OfferOutcome.UNANSWERED)
    assert hall.offers() == [(FIRST, ANA), (FIRST, BEA)]
    assert hall.desk.position(FIRST) == 1
    assert SetAgentTimer(agent=ANA, key="acd.rest", token=0, after_s=5.0) in hall.done
    assert hall.last_offer().leg == agent_leg(FIRST, n=2)
    assert hall.last_offer().passed_over == {"101": "left in peace after a missed offer"}


def test_agent_who_missed_is_left_in_peace_until_the_time_is_over(hall: Hall) -> None:
    hall.free(ANA)
    hall.waits(FIRST)
    hall.offer_ends(OfferOutcome.UNREACHABLE)
    assert hall.offers() == [(FIRST, ANA)]
    hall.happens(AgentTimerFired(agent=ANA, key="some other", token=0))
    assert hall.offers() == [(FIRST, ANA)]
    hall.happens(AgentTimerFired(agent=ANA, key="acd.rest", token=0), after_s=5)
    assert hall.offers() == [(FIRST, ANA), (FIRST, ANA)]


def test_rests_go_on_after_a_restart_for_what_is_left_of_them(hall: Hall) -> None:
    hall.free(ANA)
    hall.waits(FIRST)
    hall.offer_ends(OfferOutcome.BUSY)
    assert hall.service.resume_agents(at=hall.now + 2) == [
        SetAgentTimer(agent=ANA, key="acd.rest", token=0, after_s=3.0)
    ]


def test_withdrawn_offer_costs_the_agent_no_rest(hall: Hall) -> None:
    hall.free(ANA)
    hall.waits(FIRST)
    hall.offer_ends(OfferOutcome.WITHDRAWN)
    assert hall.offers() == [(FIRST, ANA), (FIRST, ANA)]


def test_answer_ends_the_stay_and_what_is_playing_before_anything_else(hall: Hall) -> None:
    hall.waits(FIRST)
    hall.free(ANA)
    hall.done.clear()
    followed = hall.offer_ends(OfferOutcome.ANSWERED)
    assert followed[0] == VisitEnded(
        call=FIRST, visit=VisitId(f"{FIRST}.v1"), queue=TRAMITES, outcome=VisitOutcome.ANSWERED, agent=ANA
    )
    assert hall.done == [
        CancelTimer(call=FIRST, key=f"acd.lease.{FIRST}.o1"),
        CancelTimer(call=FIRST, key=waits.ANNOUNCE_TIMER),
        StopPlayback(call=FIRST, playback=PlaybackId(f"{FIRST}.p1001")),
    ]
    assert hall.desk.waiting(TRAMITES) == []


@pytest.mark.parametrize(
    "end",
    [
        leaves,
        lambda call: CallLost(call=call, why="gone"),
        lambda call: CallBroken(call=call, why="defect"),
        lambda call: CallStopped(call=call),
    ],
)
def test_whoever_leaves_unserved_has_abandoned_the_queue_once(hall: Hall, end: Callable[[CallId], Event]) -> None:
    hall.waits(FIRST)
    hall.waits(SECOND)
    followed = hall.happens(end(FIRST))
    assert [event.outcome for event in followed if isinstance(event, VisitEnded)] == [VisitOutcome.ABANDONED]
    assert hall.happens(leaves(FIRST)) == []
    assert hall.desk.position(SECOND) == 1
    with pytest.raises(KeyError):
        hall.desk.position(FIRST)


def test_leg_of_an_agent_that_ends_is_not_the_citizen_leaving(hall: Hall) -> None:
    hall.waits(FIRST)
    assert hall.happens(LegEnded(call=FIRST, leg=agent_leg(FIRST, n=1), cause=19)) == []
    assert hall.desk.waiting(TRAMITES) == [FIRST]


def test_announcements_come_again_and_again_with_the_messages_in_turn(hall: Hall) -> None:
    hall.waits(FIRST)
    for n in (1, 2):
        hall.happens(PlaybackEnded(call=FIRST, playback=PlaybackId(f"{FIRST}.p{1000 + n}")))
        timer = [done for done in hall.done if isinstance(done, SetTimer)][-1]
        assert timer.after_s == 30.0
        hall.happens(TimerFired(call=FIRST, key=timer.key, token=timer.token), after_s=30)
    assert [texts[1] for texts in hall.played()] == [MESSAGES[0].text, MESSAGES[1].text, MESSAGES[0].text]
    assert sum(isinstance(done, StartMusic) for done in hall.done) == 1


def test_queue_without_messages_tells_the_position_alone(hall: Hall) -> None:
    hall.waits(FIRST, queue=GENERAL)
    assert hall.played() == [("posición 1",)]


def test_announcement_of_whose_end_nobody_tells_ends_by_itself(hall: Hall) -> None:
    hall.waits(FIRST)
    timer = [done for done in hall.done if isinstance(done, SetTimer)][-1]
    assert timer.after_s == waits.GUARD_S
    hall.done.clear()
    hall.happens(TimerFired(call=FIRST, key=timer.key, token=timer.token), after_s=60)
    assert [type(done) for done in hall.done] == [StopPlayback, SetTimer]


def test_stale_timers_and_strange_playbacks_change_nothing(hall: Hall) -> None:
    hall.waits(FIRST)
    before = hall.desk.stay(FIRST)
    assert before is not None
    announcing = before.wait
    assert hall.happens(TimerFired(call=FIRST, key=waits.ANNOUNCE_TIMER, token=99)) == []
    assert hall.happens(TimerFired(call=FIRST, key="flow.digit", token=1)) == []
    assert hall.happens(PlaybackEnded(call=FIRST, playback=PlaybackId(f"{FIRST}.p3"))) == []
    assert before.wait == announcing
    hall.happens(PlaybackEnded(call=FIRST, playback=PlaybackId(f"{FIRST}.p1001")))
    assert hall.happens(TimerFired(call=FIRST, key=waits.ANNOUNCE_TIMER, token=99)) == []
    assert hall.happens(TimerFired(call=FIRST, key="flow.digit", token=2)) == []


def test_diverted_citizen_leaves_the_music(hall: Hall) -> None:
    hall.waits(FIRST)
    hall.done.clear()
    hall.happens(VisitEnded(call=FIRST, visit=VisitId(f"{FIRST}.v1"), queue=TRAMITES, outcome=VisitOutcome.DIVERTED))
    assert StopMusic(call=FIRST, leg=citizen_leg(FIRST)) in hall.done


def test_citizen_may_stay_in_a_second_queue_after_a_first(hall: Hall) -> None:
    hall.waits(FIRST)
    first = VisitId(f"{FIRST}.v1")
    hall.happens(VisitEnded(call=FIRST, visit=first, queue=TRAMITES, outcome=VisitOutcome.DIVERTED))
    followed = hall.waits(FIRST, queue=GENERAL)
    assert followed[0] == VisitStarted(call=FIRST, visit=VisitId(f"{FIRST}.v2"), queue=GENERAL)
    assert hall.desk.waiting(TRAMITES) == []
    assert hall.desk.waiting(GENERAL) == [FIRST]


def test_resuming_says_again_what_should_be_heard(hall: Hall) -> None:
    assert hall.service.resume(FIRST, at=hall.now) == []
    hall.waits(FIRST)
    music, timer = hall.service.resume(FIRST, at=hall.now)
    assert music == StartMusic(call=FIRST, leg=citizen_leg(FIRST))
    assert isinstance(timer, SetTimer)
    assert timer.after_s == 1.0, "an announcement that may have been cut ends soon"
    hall.happens(PlaybackEnded(call=FIRST, playback=PlaybackId(f"{FIRST}.p1001")))
    _, timer = hall.service.resume(FIRST, at=hall.now + 12)
    assert isinstance(timer, SetTimer)
    assert timer.after_s == 18.0, "the next announcement comes when it was due"


def test_resuming_stops_an_announcement_that_would_delay_a_connection(hall: Hall) -> None:
    hall.waits(FIRST)
    hall.free(ANA)
    hall.offer_ends(OfferOutcome.ANSWERED)
    assert hall.service.resume(FIRST, at=hall.now) == [StopPlayback(call=FIRST, playback=PlaybackId(f"{FIRST}.p1001"))]


def test_resuming_has_nothing_to_stop_for_who_heard_only_music(hall: Hall) -> None:
    hall.free(ANA)
    hall.waits(FIRST)
    hall.offer_ends(OfferOutcome.ANSWERED)
    assert hall.service.resume(FIRST, at=hall.now) == []


def test_resuming_leaves_it_to_the_matching_to_tell_who_has_not_been_told(hall: Hall) -> None:
    batch = hall.cascade.run(
        HandedOff(call=FIRST, queue=TRAMITES), at=hall.now, now=hall.now, next_seq=hall.seq, matching=False
    )
    hall.seq += len(batch.entries)
    assert hall.service.resume(FIRST, at=hall.now) == []
    hall.happens(AgentTimerFired(agent=ANA, key="nothing", token=0))
    assert hall.announced() == [(FIRST, 1)]


def test_call_that_is_forgotten_waits_nowhere(hall: Hall) -> None:
    hall.waits(FIRST)
    hall.service.forget(FIRST)
    hall.service.forget(SECOND)
    assert hall.desk.waiting(TRAMITES) == []
    assert hall.desk.stay(FIRST) is None
    assert hall.happens(leaves(FIRST)) == []


def test_call_that_left_the_queue_before_it_is_forgotten_disturbs_nobody(hall: Hall) -> None:
    hall.waits(FIRST)
    hall.waits(SECOND)
    hall.happens(leaves(FIRST))
    hall.service.forget(FIRST)
    assert hall.desk.waiting(TRAMITES) == [SECOND]


def test_queue_that_nobody_configured_still_serves_by_the_defaults(hall: Hall) -> None:
    hall.waits(FIRST, queue=QueueName("olvidada"))
    assert hall.desk.policy(QueueName("olvidada")) == QueuePolicy(name=QueueName("olvidada"))
    assert hall.desk.waiting(QueueName("olvidada")) == [FIRST]


def test_queue_that_leaves_the_configuration_keeps_its_policy_while_anybody_waits(hall: Hall) -> None:
    hall.waits(FIRST, queue=GENERAL)
    hall.desk.configure([QueuePolicy(name=TRAMITES)])
    assert hall.desk.policy(GENERAL).ring_s == 20
    hall.happens(leaves(FIRST))
    hall.desk.configure([QueuePolicy(name=TRAMITES)])
    assert set(hall.desk.policies) == {TRAMITES}


def test_replay_of_the_same_entries_gives_the_same_queues(hall: Hall) -> None:
    hall.free(ANA)
    hall.waits(FIRST)
    hall.waits(SECOND)
    hall.offer_ends(OfferOutcome.UNANSWERED)
    again = Hall()
    for seq, event in enumerate(hall.said, start=1):
        again.cascade.replay(Entry(seq=seq, at=1000.0 + seq, event=event))
    assert again.desk.waiting(TRAMITES) == hall.desk.waiting(TRAMITES)
    assert again.agents.roster[ANA].presence is hall.agents.roster[ANA].presence


def test_an_answered_leg_id_is_never_used_twice(hall: Hall) -> None:
    hall.free(ANA, BEA)
    hall.waits(FIRST)
    hall.offer_ends(OfferOutcome.REFUSED)
    hall.offer_ends(OfferOutcome.REFUSED)
    hall.happens(AgentTimerFired(agent=BEA, key="acd.rest", token=0))
    legs = [event.leg for event in hall.said if isinstance(event, OfferMade)]
    assert legs == [LegId(f"{FIRST}.a{n}") for n in (1, 2, 3)]
