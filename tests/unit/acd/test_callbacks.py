"""Citizens who are called back and messages that are heard: contacts that wait like anybody else."""

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from acd import DO_NOT_CALL, CallbackPolicy, QueuePolicy, Strategy, read_destination
from telefonista.kernel.commands import Dial, HangUp, PlayMessage, SetTimer
from telefonista.kernel.events import (
    AttemptMade,
    CallbackAsked,
    CallbackGranted,
    CallbackRefused,
    CallEnded,
    CancellationAsked,
    ConsultationAsked,
    ContactBooked,
    ContactPostponed,
    ConversationStarted,
    EndReason,
    Event,
    LegAnswered,
    LegEnded,
    LogOutAsked,
    Medium,
    MessageLeft,
    MoveAsked,
    OfferEnded,
    OfferMade,
    OfferOutcome,
    PartyCalled,
    Phone,
    PhoneChanged,
    RequestRefused,
    TransferAsked,
    VisitEnded,
    VisitOutcome,
    VisitStarted,
    WaitAnnounced,
)
from telefonista.kernel.ids import (
    CallId,
    LineName,
    QueueName,
    RecordingId,
    RouteName,
    VisitId,
    citizen_leg,
    consulted_leg,
    contact_id,
)
from telefonista.notation.hours import OpeningHours
from tests.unit.acd.hall import ANA, BEA, CLO, FIRST, GENERAL, SECOND, THIRD, TRAMITES, Hall, leaves

NUMBER = "099123456"
CONTACT = contact_id(FIRST, n=1)
TERMS = CallbackPolicy(after_s=0, attempts=2, retry_s=300)
QUEUE = QueuePolicy(name=TRAMITES, callback=TERMS, most_misses=0)
OFFICE = OpeningHours(zone="America/Montevideo", weekly=(((8 * 60, 18 * 60),),) * 7)
SATURDAY_NIGHT = datetime(2026, 11, 21, 23, tzinfo=ZoneInfo("America/Montevideo")).timestamp()
SATURDAY_NOON = SATURDAY_NIGHT - 11 * 3600


def asks(hall: Hall, call: CallId = FIRST, *, queue: QueueName = TRAMITES, number: str = NUMBER) -> list[Event]:
    """The citizen presses the key, says the number, and hangs up when it is granted."""
    hall.comes(call, queue=queue, caller=number)
    hall.presses(call, "1")
    return hall.happens(CallbackAsked(call=call, queue=queue, number=number, topic="cédula"))


def booked_hall(*policies: QueuePolicy) -> Hall:
    hall = Hall(*(policies or (QUEUE,)))
    asks(hall)
    hall.happens(leaves(FIRST))
    return hall


def reached(hall: Hall, contact: CallId = CONTACT) -> list[Event]:
    return hall.happens(LegAnswered(call=contact, leg=citizen_leg(contact)))


def not_reached(hall: Hall, contact: CallId = CONTACT, *, cause: int = 17) -> list[Event]:
    return hall.happens(LegEnded(call=contact, leg=citizen_leg(contact), cause=cause))


def test_citizen_who_asks_for_a_callback_leaves_and_keeps_the_place() -> None:
    hall = Hall(QUEUE)
    hall.comes(SECOND, caller="098000000")
    came = hall.now + 2
    followed = asks(hall)
    assert followed[0] == CallbackGranted(call=FIRST, contact=CONTACT)
    assert hall.outcomes(FIRST) == [VisitOutcome.CALLBACK]
    assert hall.of(ContactBooked) == [
        ContactBooked(
            call=CONTACT,
            origin=FIRST,
            medium=Medium.CALLBACK,
            queue=TRAMITES,
            number=NUMBER,
            line=LineName("0800-info"),
            route=RouteName("ciudadanos"),
            place_at=came,
            topic="cédula",
        )
    ]
    started = hall.of(VisitStarted)[-1]
    assert (started.visit, started.medium, started.place_at) == (VisitId(f"{CONTACT}.v1"), Medium.CALLBACK, came)
    hall.comes(THIRD, caller="098000001")
    assert hall.desk.waiting(TRAMITES) == [SECOND, CONTACT, THIRD]
    hall.happens(leaves(FIRST))
    hall.check_memory()


def test_citizen_is_dialled_only_when_an_agent_is_on_the_line_and_then_they_talk() -> None:
    hall = booked_hall()
    assert not any(isinstance(done, Dial) for done in hall.done)
    hall.free(BEA)
    assert hall.offers() == [(CONTACT, BEA)]
    assert not any(isinstance(done, Dial) for done in hall.done)
    hall.answers()
    assert [(done.leg, done.number) for done in hall.done if isinstance(done, Dial)] == [(citizen_leg(CONTACT), NUMBER)]
    followed = reached(hall)
    assert hall.outcomes(CONTACT) == [VisitOutcome.ANSWERED]
    assert [event.medium for event in followed if isinstance(event, ConversationStarted)] == [Medium.CALLBACK]
    hall.check_memory()


def test_citizen_who_still_listens_to_us_is_not_called_back_before_hanging_up() -> None:
    """An agent is free at once, and the telephone would be busy: no attempt is lost, and nobody is forgotten."""
    hall = Hall(QUEUE)
    asks(hall)
    hall.free(BEA)
    assert hall.offers() == []
    (postponed,) = hall.of(ContactPostponed)
    assert (postponed.until, postponed.attempts, postponed.why) == (hall.now + 3.0, 0, "still on the line")
    hall.happens(leaves(FIRST))
    hall.now = postponed.until
    hall.fires(CONTACT, "acd.recheck")
    assert hall.offers() == [(CONTACT, BEA)]
    hall.check_memory()


def test_callback_is_put_off_and_not_for_ever_where_the_clock_was_set_back() -> None:
    hall = Hall(QUEUE)
    hall.comes(SECOND, caller="098000000")
    latest = hall.now
    hall.happens(leaves(SECOND))
    hall.now -= 3600.0
    asks(hall)
    hall.free(BEA)
    (postponed,) = hall.of(ContactPostponed)
    assert postponed.until > latest
    hall.check_memory()


def test_citizen_who_is_not_reached_is_tried_again_later_and_not_for_ever() -> None:
    hall = booked_hall()
    hall.free(BEA)
    hall.answers()
    followed = not_reached(hall)
    (postponed,) = [event for event in followed if isinstance(event, ContactPostponed)]
    assert (postponed.until, postponed.attempts) == (hall.now + 300, 1)
    hall.phone_ends(hall.of(OfferMade)[0])
    assert len(hall.offers()) == 1, "nobody is offered it before its time"
    assert hall.timers(CONTACT)["acd.recheck"] == 300
    hall.check_memory()
    hall.fires(CONTACT, "acd.recheck")
    assert len(hall.offers()) == 2
    hall.answers()
    not_reached(hall)
    hall.phone_ends(hall.of(OfferMade)[-1])
    assert hall.outcomes(CONTACT) == [VisitOutcome.UNREACHED]
    assert [event.reason for event in hall.of(CallEnded) if event.call == CONTACT] == [EndReason.UNREACHED]
    assert hall.desk.contacts() == []
    hall.check_memory()


def test_agent_who_hangs_up_while_the_citizen_is_dialled_costs_the_citizen_no_attempt() -> None:
    hall = booked_hall()
    hall.free(BEA)
    offer = hall.last_offer()
    hall.answers()
    hall.phone_ends(offer, cause=16)
    hall.happens(LegEnded(call=CONTACT, leg=citizen_leg(CONTACT), cause=16))
    ((_, visit),) = hall.desk.contacts()
    assert (visit.attempts, hall.of(ContactPostponed)) == (0, [])
    assert hall.outcomes(CONTACT) == []
    hall.check_memory()


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("", "number"),
        ("12", "number"),
        ("0800 INFO", "number"),
        ("+" + "1" * 21, "number"),
        ("098765432", "do_not_call"),
    ],
)
def test_callback_to_a_number_that_cannot_or_must_not_be_called_is_refused(number: str, why: str) -> None:
    hall = Hall(QUEUE, forbidden={"098765432": DO_NOT_CALL})
    hall.comes(FIRST)
    hall.presses(FIRST, "1")
    followed = hall.happens(CallbackAsked(call=FIRST, queue=TRAMITES, number=number))
    assert followed == [CallbackRefused(call=FIRST, why=why)]
    assert hall.desk.contacts() == []


def test_citizen_is_called_back_once_however_the_number_is_written() -> None:
    hall = booked_hall()
    assert asks(hall, SECOND, number="+59899123456") == [CallbackRefused(call=SECOND, why="already")]
    hall.happens(CancellationAsked(call=CONTACT, by="201"))
    assert CallbackGranted(call=SECOND, contact=contact_id(SECOND, n=1)) in hall.happens(
        CallbackAsked(call=SECOND, queue=TRAMITES, number=NUMBER)
    )
    hall.check_memory()


def test_flow_may_arrange_a_callback_for_a_queue_that_does_not_offer_it_but_for_none_that_there_is_not() -> None:
    hall = Hall()
    hall.arrives(FIRST)
    followed = hall.happens(CallbackAsked(call=FIRST, queue=TRAMITES, number=NUMBER))
    assert isinstance(followed[0], CallbackGranted)
    assert hall.of(ContactBooked)[0].place_at == hall.now
    hall.arrives(SECOND)
    refused = hall.happens(CallbackAsked(call=SECOND, queue=QueueName("nada"), number="098000000"))
    assert refused == [CallbackRefused(call=SECOND, why="not_offered")]
    hall.check_memory()


def test_citizens_are_called_back_in_the_hours_for_it() -> None:
    hall = Hall(QueuePolicy(name=TRAMITES, callback=CallbackPolicy(after_s=0, hours=OFFICE, retry_s=600)))
    hall.now = SATURDAY_NIGHT
    hall.comes(FIRST)
    assert hall.presses(FIRST, "1") == [], "it is not offered at night"
    assert hall.happens(CallbackAsked(call=FIRST, queue=TRAMITES, number=NUMBER)) == [
        CallbackRefused(call=FIRST, why="closed")
    ]
    hall.now = SATURDAY_NOON
    assert isinstance(hall.happens(CallbackAsked(call=FIRST, queue=TRAMITES, number=NUMBER))[0], CallbackGranted)
    hall.happens(leaves(FIRST))
    hall.now = SATURDAY_NIGHT
    hall.free(BEA)
    assert hall.offers() == []
    (postponed,) = hall.of(ContactPostponed)
    assert (postponed.why, postponed.attempts, postponed.until) == ("closed", 0, hall.now + 600)
    hall.check_memory()


def test_whoever_calls_a_closed_queue_may_ask_to_be_called_when_it_is_open() -> None:
    hall = Hall(QueuePolicy(name=TRAMITES, hours=OFFICE, when_closed=read_destination("callback")))
    hall.now = SATURDAY_NIGHT
    hall.comes(FIRST)
    assert isinstance(hall.happens(CallbackAsked(call=FIRST, queue=TRAMITES, number=NUMBER))[0], CallbackGranted)


def test_number_that_must_not_be_called_any_more_is_not_called() -> None:
    hall = booked_hall()
    hall.forbidden[NUMBER] = "the list is not known yet"
    hall.free(BEA)
    assert hall.of(ContactPostponed)[-1].why == "the list is not known yet"
    hall.forbidden[NUMBER] = DO_NOT_CALL
    hall.fires(CONTACT, "acd.recheck")
    assert hall.offers() == []
    assert hall.outcomes(CONTACT) == [VisitOutcome.CANCELLED]
    assert [event.reason for event in hall.of(CallEnded) if event.call == CONTACT] == [EndReason.CANCELLED]
    hall.check_memory()


def test_callback_can_be_cancelled_also_while_the_agents_phone_rings() -> None:
    hall = booked_hall()
    hall.free(BEA)
    followed = hall.happens(CancellationAsked(call=CONTACT, by="201"))
    assert hall.outcomes(CONTACT) == [VisitOutcome.CANCELLED]
    assert OfferOutcome.WITHDRAWN in [event.outcome for event in followed if isinstance(event, OfferEnded)]
    assert hall.agents.roster.is_ready(BEA)
    hall.phone_ends(hall.of(OfferMade)[0])
    assert hall.desk.contacts() == []
    refused = RequestRefused(call=CONTACT, by="201", what="cancel", why="nothing waits that could be")
    assert hall.happens(CancellationAsked(call=CONTACT, by="201")) == [refused]


def test_call_of_a_citizen_on_the_line_cannot_be_cancelled() -> None:
    hall = Hall(QUEUE)
    hall.comes(FIRST)
    assert [type(event) for event in hall.happens(CancellationAsked(call=FIRST, by="201"))] == [RequestRefused]
    assert hall.desk.waiting(TRAMITES) == [FIRST]


def test_contact_waits_in_silence_and_no_closing_time_or_longest_wait_ends_it() -> None:
    hall = Hall(QueuePolicy(name=TRAMITES, callback=TERMS, longest_wait_s=60, leave_when_nobody=True))
    asks(hall)
    assert hall.timers(CONTACT) == {}
    assert [event.call for event in hall.of(WaitAnnounced)] == [FIRST]
    hall.happens(LogOutAsked(agent=BEA))
    assert hall.desk.waiting(TRAMITES) == [CONTACT]


def test_attempt_keeps_the_offer_for_as_long_as_the_citizen_is_rung() -> None:
    hall = booked_hall()
    hall.free(BEA)
    lease = f"acd.lease.{CONTACT}.o1"
    assert hall.timers(CONTACT)[lease] == 30
    hall.answers()
    (attempt,) = hall.of(AttemptMade)
    assert hall.timers(CONTACT)[lease] == attempt.ring_s + 15
    resumed = hall.service.resume(CONTACT, at=hall.now + 5)
    assert SetTimer(call=CONTACT, key=lease, token=1, after_s=attempt.ring_s + 10) in resumed


def test_postponed_callback_is_taken_up_after_a_restart_for_what_is_left() -> None:
    hall = booked_hall()
    hall.free(BEA)
    hall.answers()
    not_reached(hall)
    timer = SetTimer(call=CONTACT, key="acd.recheck", token=1, after_s=200.0)
    assert hall.service.resume(CONTACT, at=hall.now + 100) == [timer]


def test_citizen_who_was_called_back_and_is_passed_on_waits_on_the_line() -> None:
    hall = booked_hall(QUEUE, QueuePolicy(name=GENERAL))
    hall.free(BEA)
    hall.answers()
    reached(hall)
    hall.happens(TransferAsked(call=CONTACT, agent=BEA, to=read_destination("queue general")))
    assert hall.of(VisitStarted)[-1].medium is Medium.CALL
    hall.happens(leaves(CONTACT))
    assert hall.outcomes(CONTACT) == [VisitOutcome.ANSWERED, VisitOutcome.ABANDONED]
    hall.check_memory()


def test_message_waits_at_the_citizens_place_and_is_heard_by_an_agent() -> None:
    hall = Hall(QUEUE)
    hall.comes(FIRST)
    came = hall.now
    hall.presses(FIRST, "1")
    recording = RecordingId(f"{FIRST}.r1001")
    followed = hall.happens(MessageLeft(call=FIRST, recording=recording, queue=TRAMITES, number=NUMBER, duration_s=9))
    assert hall.outcomes(FIRST) == [VisitOutcome.VOICEMAIL]
    (booked,) = [event for event in followed if isinstance(event, ContactBooked)]
    assert (booked.medium, booked.message, booked.place_at) == (Medium.VOICEMAIL, recording, came)
    hall.happens(leaves(FIRST))
    hall.free(BEA)
    hall.answers()
    assert [done.recording for done in hall.done if isinstance(done, PlayMessage)] == [recording]
    assert hall.outcomes(CONTACT) == [VisitOutcome.ANSWERED]
    hall.check_memory()


def test_message_that_a_flow_took_without_a_queue_before_it_waits_from_now_on() -> None:
    hall = Hall(QUEUE)
    hall.arrives(FIRST)
    hall.happens(MessageLeft(call=FIRST, recording=RecordingId("r"), queue=TRAMITES))
    assert hall.desk.waiting(TRAMITES) == [CONTACT]
    assert hall.of(ContactBooked)[0].place_at == hall.now
    assert hall.of(VisitEnded) == []


def test_two_messages_of_one_number_are_two_messages() -> None:
    hall = Hall(QUEUE)
    for call in (FIRST, SECOND):
        hall.arrives(call)
        hall.happens(MessageLeft(call=call, recording=RecordingId(f"{call}.r1"), queue=TRAMITES, number=NUMBER))
    assert len(hall.desk.contacts()) == 2
    assert isinstance(asks(hall, THIRD)[0], CallbackGranted)


def test_place_in_another_queue_than_the_one_asked_for_is_not_kept() -> None:
    hall = Hall(QUEUE, QueuePolicy(name=GENERAL))
    hall.comes(FIRST)
    hall.presses(FIRST, "1")
    hall.happens(CallbackAsked(call=FIRST, queue=GENERAL, number=NUMBER), after_s=50)
    assert hall.of(ContactBooked)[0].place_at == hall.now


# Moved by a supervisor, and asked for a consultation.


def test_supervisor_moves_a_citizen_to_another_queue_with_the_time_already_waited() -> None:
    hall = Hall(QUEUE, QueuePolicy(name=GENERAL))
    hall.free(BEA)
    hall.comes(FIRST)
    came = hall.now
    hall.comes(SECOND, queue=GENERAL)
    followed = hall.happens(MoveAsked(call=FIRST, by="201", queue=GENERAL))
    assert OfferOutcome.WITHDRAWN in [event.outcome for event in followed if isinstance(event, OfferEnded)]
    assert hall.outcomes(FIRST) == [VisitOutcome.DIVERTED]
    assert hall.desk.waiting(GENERAL) == [FIRST, SECOND]
    assert hall.of(VisitStarted)[-1].place_at == came
    hall.free(CLO)
    assert hall.offers()[-1] == (FIRST, CLO)
    hall.check_memory()


def test_supervisor_moves_a_citizen_to_the_front_before_those_of_more_priority() -> None:
    hall = Hall(QUEUE, QueuePolicy(name=GENERAL))
    hall.comes(FIRST)
    hall.arrives(SECOND)
    hall.waits(SECOND, priority=9)
    hall.comes(THIRD)
    hall.happens(MoveAsked(call=THIRD, by="201", to_front=True))
    assert hall.desk.waiting(TRAMITES) == [THIRD, SECOND, FIRST]
    hall.happens(MoveAsked(call=THIRD, by="201", queue=GENERAL, to_front=True))
    assert hall.desk.waiting(GENERAL) == [THIRD]
    hall.check_memory()


def test_callback_is_moved_like_anybody_else_and_stays_a_callback() -> None:
    hall = booked_hall(QUEUE, QueuePolicy(name=GENERAL))
    hall.happens(MoveAsked(call=CONTACT, by="201", queue=GENERAL))
    hall.free(CLO)
    assert hall.offers() == [(CONTACT, CLO)]
    assert hall.of(VisitStarted)[-1].medium is Medium.CALLBACK
    hall.check_memory()


@pytest.mark.parametrize(
    ("call", "queue", "why"),
    [
        (SECOND, "general", "does not wait in a queue"),
        (FIRST, "nada", "there is no queue nada"),
        (FIRST, "", "waits in tramites already"),
    ],
)
def test_move_that_cannot_be_is_refused(call: CallId, queue: str, why: str) -> None:
    hall = Hall(QUEUE, QueuePolicy(name=GENERAL))
    hall.comes(FIRST)
    hall.comes(SECOND)
    hall.presses(SECOND, "1")
    asked = MoveAsked(call=call, by="201", queue=QueueName(queue))
    assert hall.happens(asked) == [RequestRefused(call=call, by="201", what="move", why=why)]


def consultation(hall: Hall, to: str) -> list[Event]:
    return hall.happens(ConsultationAsked(call=FIRST, agent=ANA, to=read_destination(to)))


def talking_hall() -> Hall:
    """ANA talks with FIRST."""
    hall = Hall()
    hall.free(ANA)
    hall.comes(FIRST)
    hall.answers()
    return hall


def test_agent_who_is_free_is_rung_for_a_consultation_and_reserved_by_it() -> None:
    hall = talking_hall()
    hall.free(BEA)
    followed = consultation(hall, "agent 102")
    called = PartyCalled(call=FIRST, leg=consulted_leg(FIRST, n=1), agent=BEA, ring_s=20.0)
    assert called in followed
    hall.comes(SECOND)
    assert hall.offers() == [(FIRST, ANA)], "BEA is reserved"
    hall.happens(LegEnded(call=FIRST, leg=called.leg, cause=17))
    assert hall.offers() == [(FIRST, ANA), (SECOND, BEA)]


def test_whoever_of_a_queue_has_been_free_for_longest_is_consulted() -> None:
    hall = talking_hall()
    hall.happens(PhoneChanged(agent=CLO, phone=Phone.IDLE))
    consultation(hall, "queue general")
    assert [event.agent for event in hall.of(PartyCalled)] == [CLO]


@pytest.mark.parametrize("to", ["agent 102", "agent 999", "queue tramites", "queue nada"])
def test_consultation_with_nobody_free_is_refused(to: str) -> None:
    hall = talking_hall()
    followed = consultation(hall, to)
    assert followed == [RequestRefused(call=FIRST, by=ANA, what="consultation", why=f"{to} is not free")]


def test_numbers_outside_and_agents_who_talk_with_nobody_are_not_the_desks_matter() -> None:
    hall = talking_hall()
    hall.free(BEA)
    assert not any(isinstance(event, PartyCalled) and event.agent for event in consultation(hall, "number 1950"))
    hall.comes(SECOND, queue=GENERAL)
    asked = ConsultationAsked(call=SECOND, agent=BEA, to=read_destination("agent 103"))
    assert [event for event in hall.happens(asked) if isinstance(event, PartyCalled)] == []


def test_offer_of_which_nobody_tells_any_more_is_lost_and_the_citizen_offered_to_another() -> None:
    hall = Hall()
    hall.free(ANA, BEA)
    hall.comes(FIRST)
    lease = f"acd.lease.{FIRST}.o1"
    assert hall.timers(FIRST)[lease] == 30
    followed = hall.fires(FIRST, lease)
    assert [event.outcome for event in followed if isinstance(event, OfferEnded)] == [OfferOutcome.LOST]
    assert hall.offers() == [(FIRST, ANA), (FIRST, BEA)]
    assert any(isinstance(done, HangUp) and done.leg == hall.of(OfferMade)[0].leg for done in hall.done)
    hall.answers()
    assert hall.fires(FIRST, lease) == []
    hall.check_memory()


ALL = QueuePolicy(name=TRAMITES, strategy=Strategy.RING_ALL)


def test_all_are_rung_and_the_first_who_answers_has_the_citizen() -> None:
    hall = Hall(ALL)
    hall.free(ANA, BEA)
    hall.comes(FIRST)
    assert hall.offers() == [(FIRST, ANA), (FIRST, BEA)]
    first, second = hall.of(OfferMade)
    followed = hall.answers(second)
    outcomes = {event.agent: event.outcome for event in followed if isinstance(event, OfferEnded)}
    assert outcomes == {BEA: OfferOutcome.ANSWERED, ANA: OfferOutcome.WITHDRAWN}
    assert hall.outcomes(FIRST) == [VisitOutcome.ANSWERED]
    assert hall.agents.roster.is_ready(ANA)
    hall.phone_ends(first)
    hall.check_memory()


def test_those_who_were_to_be_rung_too_are_not_when_they_are_taken_meanwhile() -> None:
    hall = Hall(ALL)
    hall.free(ANA, BEA)
    hall.comes(FIRST)
    first, _ = hall.of(OfferMade)
    hall.desk._others_rung.append(first)
    assert hall.service.match(hall.now) is None
    hall.desk._others_rung.append(msgspec.structs.replace(first, call=SECOND))
    assert hall.service.match(hall.now) is None


def test_queue_that_leaves_the_configuration_keeps_its_rules_for_those_who_wait() -> None:
    hall = Hall(QUEUE, QueuePolicy(name=GENERAL))
    hall.comes(FIRST)
    hall.desk.configure([QueuePolicy(name=GENERAL)])
    assert hall.desk.policy(TRAMITES) == QUEUE
    hall.happens(leaves(FIRST))
    hall.desk.configure([QueuePolicy(name=GENERAL)])
    assert hall.desk.policies == {GENERAL: QueuePolicy(name=GENERAL)}


def test_contact_that_outlived_its_call_is_found_again_when_the_journal_forgot_that_call() -> None:
    hall = booked_hall()
    (booked,) = hall.of(ContactBooked)
    again = Hall(QUEUE)
    followed = again.happens(booked)
    assert [event.visit for event in followed if isinstance(event, VisitStarted)] == [VisitId(f"{CONTACT}.v1")]
    assert [contact for contact, _ in again.desk.contacts()] == [booked]
    assert again.desk._booked == {}


def test_estimate_of_a_queue_counts_callbacks_among_those_who_wait() -> None:
    hall = booked_hall()
    hall.comes(SECOND, caller="098000000")
    assert hall.desk.position(SECOND) == 2
