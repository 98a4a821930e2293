"""How long a wait is said to take, and when nothing is said; what the keys of a waiting citizen do."""

from collections.abc import Sequence

import pytest

from acd import CallbackPolicy, QueuePolicy, Relaxation, VoicemailPolicy, read_destination
from acd.core.estimate import FEWEST_KNOWN, LONGEST_KEPT_S, LONGEST_MEMORY_S, Pace
from agents import Member
from telefonista.kernel.commands import Prompt, StartMusic, StopMusic, StopPlayback
from telefonista.kernel.events import (
    ConversationStarted,
    Destination,
    DestinationKind,
    DigitPressed,
    Diverted,
    HandedOff,
    OfferEnded,
    OfferMade,
    OfferOutcome,
    PauseAsked,
    Phone,
    Presence,
    PresenceChanged,
    ReturnedToQueue,
    TimerFired,
    VisitOutcome,
    VisitResumed,
    VisitStarted,
    VisitSuspended,
    WaitAnnounced,
)
from telefonista.kernel.ids import (
    AgentId,
    BridgeId,
    CallId,
    LegId,
    OfferId,
    QueueName,
    VisitId,
    agent_leg,
    citizen_leg,
)
from tests.unit.acd.hall import ANA, BEA, FIRST, GENERAL, SECOND, THIRD, TRAMITES, Hall, leaves

OTHERS = tuple(CallId(f"tf1-9.{n}") for n in range(20))


def served(pace: Pace, agent: AgentId, queue: QueueName, *, since: float, kept_s: float) -> None:
    """One contact, from the offer until the agent is free again."""
    call, visit, offer = CallId("tf1-1.0"), VisitId("v"), OfferId("o")
    leg = LegId("a")
    pace.note(OfferMade(call=call, visit=visit, offer=offer, agent=agent, leg=leg), at=since)
    ended = OfferEnded(call=call, visit=visit, offer=offer, agent=agent, outcome=OfferOutcome.ANSWERED)
    pace.note(ended, at=since + 5)
    pace.note(ConversationStarted(call=call, agent=agent, leg=leg, bridge=BridgeId("b"), queue=queue), at=since + 5)
    for presence, at in ((Presence.TALKING, since + 5), (Presence.WRAP_UP, since + kept_s - 10)):
        pace.note(PresenceChanged(agent=agent, presence=presence, phone=Phone.BUSY), at=at)
    pace.note(PresenceChanged(agent=agent, presence=Presence.READY, phone=Phone.IDLE), at=since + kept_s)


def paced(kept_s: float = 100.0, *, times: int = FEWEST_KNOWN) -> Pace:
    pace = Pace()
    for n in range(times):
        served(pace, ANA, TRAMITES, since=n * 200.0, kept_s=kept_s)
    return pace


Groups = Sequence[tuple[tuple[QueueName, ...], int]]


def estimate(
    pace: Pace, position: int, *, tramites: int = 0, general: int = 0, agents: Groups = (((TRAMITES,), 2),)
) -> float | None:
    return pace.estimate_s(
        TRAMITES,
        position=position,
        waiting=lambda queue: tramites if queue == TRAMITES else general,
        agents=agents,
        now=1000.0,
    )


def test_nothing_is_known_of_a_queue_that_has_served_too_few() -> None:
    assert paced(times=FEWEST_KNOWN - 1).kept_s(TRAMITES, now=900.0) is None
    assert paced().kept_s(TRAMITES, now=900.0) == 100.0
    assert paced().kept_s(GENERAL, now=900.0) is None


def test_pace_of_this_morning_tells_nothing_of_the_afternoon() -> None:
    assert paced().kept_s(TRAMITES, now=900.0 + LONGEST_MEMORY_S + 100) is None


def test_wrap_up_that_was_forgotten_counts_as_an_hour_at_most() -> None:
    assert paced(kept_s=50_000.0).kept_s(TRAMITES, now=50_800.0) == LONGEST_KEPT_S


def test_offer_that_nobody_took_tells_nothing_of_the_pace() -> None:
    pace = paced(times=FEWEST_KNOWN - 1)
    offer = OfferMade(call=FIRST, visit=VisitId("v"), offer=OfferId("o"), agent=ANA, leg=LegId("a"))
    pace.note(offer, at=900.0)
    missed = OfferEnded(call=FIRST, visit=VisitId("v"), offer=OfferId("o"), agent=ANA, outcome=OfferOutcome.UNANSWERED)
    pace.note(missed, at=915.0)
    pace.note(PresenceChanged(agent=ANA, presence=Presence.READY, phone=Phone.IDLE), at=915.0)
    pace.note(offer, at=920.0)
    pace.note(PresenceChanged(agent=ANA, presence=Presence.OFFLINE, phone=Phone.IDLE), at=930.0)
    assert pace.kept_s(TRAMITES, now=1000.0) is None


def test_each_place_costs_the_time_of_a_contact_shared_by_those_at_work() -> None:
    assert estimate(paced(), 1, tramites=1) == 50.0
    assert estimate(paced(), 4, tramites=6) == 200.0


def test_agent_of_two_queues_counts_by_what_waits_in_each() -> None:
    shared = [((TRAMITES, GENERAL), 2)]
    assert estimate(paced(), 10, tramites=10, general=10, agents=shared) == 1000.0
    assert estimate(paced(), 10, tramites=10, general=0, agents=shared) == 500.0
    assert estimate(paced(), 10, tramites=10, general=10, agents=[((TRAMITES,), 1), *shared]) == 500.0


def test_nothing_is_said_where_nobody_is_at_work() -> None:
    assert estimate(paced(), 1, agents=[]) is None


# In the hall.


def busy_hall(*policies: QueuePolicy) -> Hall:
    """BEA has served five citizens of a minute each and talks with a sixth."""
    hall = Hall(*(policies or (QueuePolicy(name=TRAMITES),)), QueuePolicy(name=GENERAL))
    hall.free(BEA)
    for call in OTHERS[:5]:
        hall.serve(call, talk_s=60)
    hall.comes(OTHERS[5])
    hall.answers()
    return hall


def test_citizen_is_told_the_place_and_how_long_it_will_take() -> None:
    hall = busy_hall()
    hall.comes(FIRST)
    hall.comes(SECOND)
    first, second = hall.of(WaitAnnounced)[-2:]
    assert first.estimate_s is not None
    assert first.estimate_s == pytest.approx(61, abs=3)
    assert second.estimate_s == pytest.approx(2 * first.estimate_s, abs=2)
    assert hall.played()[-1] == ("posición 2", f"{second.estimate_s:.0f} segundos")
    hall.check_memory()


def test_estimate_is_kept_to_itself_when_nobody_is_there_any_more_or_the_queue_says_so() -> None:
    hall = busy_hall()
    hall.happens(PauseAsked(agent=BEA, reason="almuerzo"))
    hall.happens(leaves(OTHERS[5]))
    hall.phone_ends()
    hall.comes(FIRST)
    assert hall.of(WaitAnnounced)[-1].estimate_s is None
    quiet = busy_hall(QueuePolicy(name=TRAMITES, say_estimate=False, say_position=False))
    quiet.comes(FIRST)
    assert quiet.played()[-1] == ()


def test_announcement_under_way_delays_nobody_not_even_the_first_in_line() -> None:
    """The agent's answer stops what is being said, before the two are put together."""
    hall = busy_hall()
    hall.comes(FIRST)
    hall.happens(leaves(OTHERS[5]))
    assert hall.last_offer().call == FIRST
    hall.done.clear()
    hall.answers()
    kinds = [type(done).__name__ for done in hall.done]
    assert kinds.index("StopPlayback") < kinds.index("Connect")


CHOICES = QueuePolicy(
    name=TRAMITES,
    keys={"9": read_destination("queue general"), "0": read_destination("hang_up"), "5": read_destination("voicemail")},
    callback=CallbackPolicy(key="1", after_s=60, estimate_s=100),
    voicemail=VoicemailPolicy(key="2"),
)
CALLBACK = Destination(DestinationKind.CALLBACK, "callback")


def test_callback_is_offered_at_once_where_the_wait_is_long() -> None:
    hall = busy_hall(CHOICES)
    hall.comes(FIRST)
    assert hall.of(WaitAnnounced)[-1].callback is False
    hall.comes(SECOND)
    assert hall.of(WaitAnnounced)[-1].callback is True
    assert hall.played()[-1][-2:] == ("callback: 1", "voicemail: 2")
    hall.check_memory()


def test_callback_is_offered_to_whoever_has_waited_long_enough_and_taken_by_its_key() -> None:
    hall = Hall(CHOICES)
    hall.comes(FIRST)
    assert hall.presses(FIRST, "1") == [], "nobody has offered it yet"
    hall.now += 60
    followed = hall.presses(FIRST, "1")
    assert followed[0] == VisitSuspended(call=FIRST, visit=VisitId(f"{FIRST}.v1"), to=CALLBACK, why="key 1")
    hall.check_memory()


def test_callback_that_was_offered_by_the_estimate_may_be_taken_later() -> None:
    hall = busy_hall(CHOICES)
    hall.comes(FIRST)
    hall.comes(SECOND)
    assert isinstance(hall.presses(SECOND, "1")[0], VisitSuspended)
    assert hall.presses(FIRST, "1") == []


def test_queue_whose_estimate_counts_for_nothing_offers_by_the_wait_alone() -> None:
    policy = QueuePolicy(name=TRAMITES, callback=CallbackPolicy(after_s=600, estimate_s=0))
    hall = busy_hall(policy)
    for call in (FIRST, SECOND, THIRD):
        hall.comes(call)
    assert [event.callback for event in hall.of(WaitAnnounced)[-3:]] == [False, False, False]


def test_citizen_in_a_dialogue_hears_it_alone_keeps_the_place_and_is_offered_to_nobody() -> None:
    hall = Hall(CHOICES)
    hall.comes(FIRST)
    hall.comes(SECOND)
    hall.done.clear()
    hall.presses(FIRST, "2")
    assert [type(done) for done in hall.done if not hasattr(done, "key")][:2] == [StopPlayback, StopMusic]
    hall.free(BEA)
    assert hall.offers() == [(SECOND, BEA)]
    assert hall.desk.waiting(TRAMITES) == [FIRST, SECOND]
    assert hall.presses(FIRST, "9") == [], "keys are the dialogue's"
    followed = hall.happens(ReturnedToQueue(call=FIRST))
    assert VisitResumed(call=FIRST, visit=VisitId(f"{FIRST}.v1")) in followed
    assert hall.announced()[-1] == (FIRST, 1)
    assert StartMusic(call=FIRST, leg=citizen_leg(FIRST)) in hall.done
    hall.check_memory()


def test_dialogue_that_leads_back_to_the_same_queue_keeps_the_place_and_another_does_not() -> None:
    hall = Hall(CHOICES, QueuePolicy(name=GENERAL))
    for call in (FIRST, SECOND):
        hall.comes(call)
        hall.presses(call, "2")
    followed = hall.happens(HandedOff(call=FIRST, queue=TRAMITES))
    assert VisitResumed(call=FIRST, visit=VisitId(f"{FIRST}.v1")) in followed
    assert hall.desk.position(FIRST) == 1
    hall.happens(HandedOff(call=SECOND, queue=GENERAL))
    assert hall.outcomes(SECOND) == [VisitOutcome.DIVERTED]
    assert hall.desk.waiting(GENERAL) == [SECOND]
    hall.check_memory()


def test_citizen_who_hangs_up_in_a_dialogue_has_abandoned_the_queue() -> None:
    hall = Hall(CHOICES)
    hall.comes(FIRST)
    hall.presses(FIRST, "2")
    hall.happens(leaves(FIRST))
    assert hall.outcomes(FIRST) == [VisitOutcome.ABANDONED]
    assert hall.desk.waiting(TRAMITES) == []
    hall.check_memory()


def test_phone_that_rings_for_a_citizen_who_chooses_otherwise_falls_silent() -> None:
    hall = Hall(CHOICES)
    hall.free(BEA)
    hall.comes(FIRST)
    followed = hall.presses(FIRST, "2")
    assert [event.outcome for event in followed if isinstance(event, OfferEnded)] == [OfferOutcome.WITHDRAWN]
    assert hall.agents.roster.is_ready(BEA)
    hall.happens(ReturnedToQueue(call=FIRST))
    assert hall.offers() == [(FIRST, BEA), (FIRST, BEA)]
    hall.check_memory()


def test_keys_lead_where_the_queue_says_and_others_nowhere() -> None:
    hall = Hall(CHOICES, QueuePolicy(name=GENERAL))
    hall.comes(FIRST)
    assert hall.presses(FIRST, "7") == []
    agents_key = DigitPressed(call=FIRST, leg=agent_leg(FIRST, n=1), digit="9")
    assert hall.happens(agents_key) == []
    voicemail = Destination(DestinationKind.VOICEMAIL, "voicemail")
    assert hall.presses(FIRST, "5")[0] == VisitSuspended(
        call=FIRST, visit=VisitId(f"{FIRST}.v1"), to=voicemail, why="key 5"
    )
    hall.happens(ReturnedToQueue(call=FIRST))
    assert hall.presses(FIRST, "9")[0] == Diverted(
        call=FIRST, to=read_destination("queue general"), why="key 9", queue=TRAMITES
    )
    assert hall.outcomes(FIRST) == [VisitOutcome.DIVERTED]
    assert hall.presses(FIRST, "0") == [], "the other queue has no such key"
    hall.check_memory()


def test_citizen_who_was_served_here_lately_is_kept_for_the_same_agent() -> None:
    policy = QueuePolicy(name=TRAMITES, sticky_s=30, sticky_memory_s=3600)
    hall = Hall(
        policy, members=(Member(agent=ANA, name="", queues=(TRAMITES,)), Member(agent=BEA, name="", queues=(TRAMITES,)))
    )
    hall.desk.remember("+59899123456", BEA, at=500.0)
    hall.desk.remember("+59899123456", ANA, at=400.0)
    hall.desk.remember("", ANA, at=400.0)
    hall.free(ANA, BEA)
    hall.comes(FIRST, caller="099123456")
    assert hall.of(VisitStarted)[-1].sticky == BEA
    assert hall.offers() == [(FIRST, BEA)]
    hall.answers()
    hall.comes(SECOND, caller="099123456")
    assert hall.offers() == [(FIRST, BEA)], "BEA is waited for"
    hall.fires(SECOND, "acd.recheck")
    assert hall.offers() == [(FIRST, BEA), (SECOND, ANA)]


def test_time_that_is_up_while_nobody_can_be_offered_is_up_once_and_does_not_go_off_for_ever() -> None:
    """Seen in random days with the link down: the timer was set anew for no time at all, without end."""
    relaxed = QueuePolicy(name=TRAMITES, relax=(Relaxation(after_s=30, level=2), Relaxation(after_s=60, level=3)))
    hall = Hall(relaxed)
    hall.comes(FIRST)
    for due_s in (30, 60):
        hall.now += hall.timers(FIRST)["acd.recheck"]
        hall.done.clear()
        batch = hall.cascade.run(
            TimerFired(call=FIRST, key="acd.recheck", token=1),
            at=hall.now,
            now=hall.now,
            next_seq=hall.seq,
            matching=False,
        )
        hall.seq += len(batch.entries)
        hall.done += batch.commands
        assert hall.timers(FIRST).get("acd.recheck") == (30 if due_s == 30 else None)


@pytest.mark.parametrize(
    ("agent", "served_at"), [(ANA, -3000.0), (AgentId("999"), 900.0)], ids=["too long ago", "of another queue"]
)
def test_citizen_is_not_kept_for_an_agent_who_is_forgotten_or_gone(agent: AgentId, served_at: float) -> None:
    hall = Hall(QueuePolicy(name=TRAMITES, sticky_s=30, sticky_memory_s=3600))
    hall.desk.remember("099123456", agent, at=served_at)
    hall.comes(FIRST, caller="099123456")
    assert hall.of(VisitStarted)[-1].sticky is None


def test_memory_of_who_served_whom_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acd.core.desk.MOST_REMEMBERED", 2)
    hall = Hall()
    for n in range(4):
        hall.desk.remember(f"9900000{n}", ANA, at=float(n))
    assert list(hall.desk._served_by) == ["99000002", "99000003"]


def test_prompts_of_an_estimate_stand_between_the_place_and_the_message() -> None:
    hall = busy_hall(QueuePolicy(name=TRAMITES, messages=(Prompt("Gracias."),)))
    hall.comes(FIRST)
    place, time, message = hall.played()[-1]
    assert (place, message) == ("posición 1", "Gracias.")
    assert time.endswith("segundos")
