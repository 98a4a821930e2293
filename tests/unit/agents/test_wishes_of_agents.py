"""What agents wish: to log in and out, to pause, to be ready, more wrap-up; and what is asked of them in turn."""

import msgspec
import pytest

from agents.core.presence import LONGEST_OWED_S, NO_ANSWER, UNNAMED, WRAP_UP_TIMER, Agent, Granted, WhyNot, changed
from telefonista.kernel.commands import SetAgentTimer
from telefonista.kernel.events import (
    AgentRequestRefused,
    AgentTimerFired,
    AttemptMade,
    CallEnded,
    CodeDialled,
    DispositionGiven,
    EndReason,
    HoldBegan,
    HoldEnded,
    LogInAsked,
    LogOutAsked,
    OfferMade,
    OfferOutcome,
    PartyCalled,
    PartyJoined,
    PartyLeft,
    PauseAsked,
    Phone,
    PhoneChanged,
    Presence,
    ReadyAsked,
    Supervision,
    SupervisionBegan,
    SupervisionEnded,
    WrapUpExtensionAsked,
)
from telefonista.kernel.ids import RouteName, consulted_leg, offer_id, supervisor_leg
from telefonista.kernel.machine import Impossible
from tests.unit.agents.test_presence import (
    ANA,
    CALL,
    OTHER,
    Person,
    connected,
    offer_over,
    offered,
    parted,
    ready,
    ringing,
    talking,
)

LOG_IN, LOG_OUT, READY = LogInAsked(agent=ANA), LogOutAsked(agent=ANA), ReadyAsked(agent=ANA)
LUNCH = PauseAsked(agent=ANA, reason="almuerzo")
GIVEN = DispositionGiven(agent=ANA, call=CALL, disposition="resuelto")
OWED = Granted(wrap_up_s=10.0, dispositions=("resuelto", "derivado"), disposition_required=True)
SOL = "201"


def refused(what: str, why: WhyNot, *, by: str = "") -> list[object]:
    return [AgentRequestRefused(agent=ANA, what=what, why=why, by=by)]


def after(granted: Granted) -> Person:
    """A person who has just talked, at 200."""
    person = ringing()
    person.granted = granted
    person.meets(offer_over(OfferOutcome.ANSWERED), at=115.0).meets(connected(), at=115.0)
    return person.phone(Phone.BUSY, at=115.0).meets(parted(), at=200.0).phone(Phone.IDLE, at=200.5)


def fires(person: Person, *, at: float) -> Person:
    return person.meets(AgentTimerFired(agent=ANA, key=WRAP_UP_TIMER, token=person.agent.token), at=at)


# To log in and out.


def test_agent_whom_the_phone_alone_does_not_log_in_is_offline_until_they_say_so() -> None:
    person = Person(Agent(agent=ANA)).phone(Phone.IDLE, at=100.0)
    assert (person.presence, person.said) == (Presence.OFFLINE, [])
    assert person.meets(LOG_IN, at=110.0).presence is Presence.READY
    assert (person.agent.idle_since, person.agent.since) == (110.0, 110.0)
    assert person.meets(LOG_IN, at=120.0).said == []


def test_agent_who_logs_in_before_the_phone_is_there_is_out_of_reach() -> None:
    person = Person(Agent(agent=ANA)).meets(LOG_IN, at=100.0)
    assert person.presence is Presence.UNREACHABLE
    assert person.phone(Phone.IDLE, at=101.0).presence is Presence.READY


def test_agent_who_has_logged_out_stays_so_whatever_the_phone_does() -> None:
    person = ready().meets(LUNCH, at=101.0).meets(LOG_OUT, at=102.0)
    assert (person.presence, person.agent.logged_in, person.agent.pause) == (Presence.OFFLINE, False, "")
    for phone in (Phone.BUSY, Phone.UNREACHABLE, Phone.IDLE):
        assert (person.phone(phone, at=110.0).said, person.presence) == ([], Presence.OFFLINE)
    assert person.meets(LOG_OUT, at=120.0).said == []


def test_agent_who_logs_out_in_a_conversation_does_so_after_it() -> None:
    person = talking(wrap_up_s=0.0).meets(LOG_OUT, at=150.0)
    assert (person.presence, person.agent.logged_in) == (Presence.TALKING, False)
    assert person.meets(parted(), at=160.0).presence is Presence.OFFLINE


def test_agent_who_logs_in_again_in_the_same_conversation_stays() -> None:
    person = talking(wrap_up_s=0.0).meets(LOG_OUT, at=150.0).meets(LOG_IN, at=151.0).phone(Phone.IDLE, at=160.0)
    assert person.meets(LOG_IN, at=152.0).said == []
    assert person.meets(parted(), at=160.0).presence is Presence.READY


def test_logging_out_ends_the_wrap_up() -> None:
    assert after(Granted(wrap_up_s=10.0)).meets(LOG_OUT, at=201.0).presence is Presence.OFFLINE


# To pause and to be ready.


@pytest.mark.parametrize(
    "state", [ready(), ready().phone(Phone.UNREACHABLE, at=100.5), ready().phone(Phone.BUSY, at=100.5)]
)
def test_agent_without_a_contact_is_paused_at_once_and_has_a_reason(state: Person) -> None:
    state.meets(LUNCH, at=101.0)
    assert (state.presence, state.agent.pause, state.agent.since) == (Presence.PAUSED, "almuerzo", 101.0)
    state.meets(PauseAsked(agent=ANA, reason=""), at=102.0)
    assert (state.presence, state.agent.pause) == (Presence.PAUSED, UNNAMED)


def test_pause_lasts_whatever_the_phone_does_until_the_agent_is_ready() -> None:
    person = ready().meets(LUNCH, at=101.0)
    for phone in (Phone.BUSY, Phone.UNREACHABLE, Phone.IDLE):
        assert person.phone(phone, at=110.0).presence is Presence.PAUSED
    person.meets(READY, at=300.0)
    assert (person.presence, person.agent.pause, person.agent.idle_since) == (Presence.READY, "", 300.0)
    assert person.meets(READY, at=301.0).said == []


@pytest.mark.parametrize("state", [ready().meets(offered(), at=101.0), ringing(), talking(wrap_up_s=0.0)])
def test_pause_that_is_asked_for_in_a_contact_begins_after_it(state: Person) -> None:
    before = state.presence
    state.meets(LUNCH, at=150.0).phone(Phone.IDLE, at=160.0)
    assert (state.presence, state.agent.pause) == (before, "almuerzo")
    state.meets(CallEnded(call=CALL, reason=EndReason.BROKEN), at=160.0)
    assert (state.presence, state.agent.pause, state.agent.since) == (Presence.PAUSED, "almuerzo", 160.0)


def test_pause_that_has_not_begun_is_taken_back_by_being_ready() -> None:
    person = talking(wrap_up_s=0.0).meets(LUNCH, at=150.0).meets(READY, at=151.0).phone(Phone.IDLE, at=160.0)
    assert person.meets(READY, at=152.0).said == []
    assert person.meets(parted(), at=160.0).presence is Presence.READY


def test_whoever_is_not_logged_in_can_neither_pause_nor_be_ready() -> None:
    person = Person(Agent(agent=ANA))
    assert person.meets(LUNCH, at=1.0).said == refused("pause", WhyNot.NOT_LOGGED_IN)
    assert person.meets(ReadyAsked(agent=ANA, by=SOL), at=1.0).said == refused("ready", WhyNot.NOT_LOGGED_IN, by=SOL)


# The codes that agents dial.


def test_dialling_a_code_does_not_cost_the_place_among_the_idle() -> None:
    person = ready().phone(Phone.BUSY, at=110.0).meets(CodeDialled(agent=ANA, code="*15"), at=110.1)
    assert person.presence is Presence.BUSY
    person.phone(Phone.IDLE, at=115.0)
    assert (person.presence, person.agent.idle_since) == (Presence.READY, 100.0)
    person.phone(Phone.BUSY, at=120.0).phone(Phone.IDLE, at=130.0)
    assert person.agent.idle_since == 130.0


def test_code_may_be_told_of_before_the_phone_is() -> None:
    person = ready().meets(CodeDialled(agent=ANA, code="*15"), at=110.0).phone(Phone.BUSY, at=110.1)
    person.phone(Phone.IDLE, at=115.0)
    assert (person.presence, person.agent.idle_since) == (Presence.READY, 100.0)


def test_agent_who_is_ready_by_a_code_is_busy_until_the_phone_is_down_and_idle_since_then() -> None:
    person = ready().meets(LUNCH, at=101.0).phone(Phone.BUSY, at=200.0)
    person.meets(CodeDialled(agent=ANA, code="*14"), at=200.1).meets(READY, at=200.2)
    assert person.presence is Presence.BUSY
    person.phone(Phone.IDLE, at=204.0)
    assert (person.presence, person.agent.idle_since) == (Presence.READY, 200.2)


# Offers that are not taken.


def miss(person: Person, outcome: OfferOutcome, *, most: int, at: float) -> None:
    made = msgspec.structs.replace(offered(), most_misses=most)
    person.meets(made, at=at).meets(offer_over(outcome), at=at + 5)


def test_agent_who_misses_too_many_offers_in_a_row_is_paused_and_back_by_being_ready() -> None:
    person = ready()
    for n, outcome in enumerate((OfferOutcome.UNANSWERED, OfferOutcome.BUSY), start=1):
        miss(person, outcome, most=3, at=100.0 + 10 * n)
        assert (person.presence, person.agent.misses) == (Presence.READY, n)
    miss(person, OfferOutcome.WITHDRAWN, most=3, at=140.0)
    miss(person, OfferOutcome.UNREACHED, most=3, at=150.0)
    miss(person, OfferOutcome.UNREACHABLE, most=3, at=160.0)
    assert (person.presence, person.agent.pause, person.agent.misses) == (Presence.PAUSED, NO_ANSWER, 3)
    person.meets(READY, at=170.0)
    assert (person.presence, person.agent.misses) == (Presence.READY, 0)


def test_conversation_makes_up_for_what_was_missed() -> None:
    person = ready()
    miss(person, OfferOutcome.REFUSED, most=2, at=101.0)
    person.meets(offered(OTHER), at=110.0).meets(offer_over(OfferOutcome.ANSWERED, call=OTHER), at=111.0)
    assert person.meets(connected(OTHER), at=111.0).agent.misses == 0


def test_queue_that_never_pauses_anybody_counts_all_the_same() -> None:
    person = ready()
    for n in range(9):
        miss(person, OfferOutcome.UNANSWERED, most=0, at=101.0 + 10 * n)
    assert (person.presence, person.agent.misses) == (Presence.READY, 9)


def test_pause_that_the_agent_asked_for_while_it_rang_is_not_renamed_by_one_miss() -> None:
    person = ringing().meets(LUNCH, at=112.0).meets(offer_over(OfferOutcome.UNANSWERED), at=115.0)
    assert (person.presence, person.agent.pause) == (Presence.PAUSED, "almuerzo")


# Wrap-up.


def test_wrap_up_until_done_has_no_end_but_the_agents_word() -> None:
    person = after(Granted(until_done=True))
    assert (person.presence, person.agent.wrap_up_until) == (Presence.WRAP_UP, None)
    person.meets(READY, at=900.0)
    assert (person.presence, person.agent.idle_since) == (Presence.READY, 900.0)


def test_wrap_up_is_extended_by_what_the_queue_grants_at_a_time() -> None:
    person = after(Granted(wrap_up_s=10.0, extend_s=60.0))
    person.meets(WrapUpExtensionAsked(agent=ANA, more_s=0.0), at=205.0)
    assert person.agent.wrap_up_until == 270.0
    assert person.said == [
        changed(person.agent),
        SetAgentTimer(agent=ANA, key=WRAP_UP_TIMER, token=2, after_s=65.0),
    ]
    assert person.meets(AgentTimerFired(agent=ANA, key=WRAP_UP_TIMER, token=1), at=210.0).said == []
    person.meets(WrapUpExtensionAsked(agent=ANA, more_s=5.0), at=250.0)
    assert person.agent.wrap_up_until == 275.0
    assert fires(person, at=275.0).presence is Presence.READY


def test_wrap_up_that_cannot_be_extended_says_why() -> None:
    asked = WrapUpExtensionAsked(agent=ANA, more_s=61.0)
    assert after(Granted(wrap_up_s=10.0)).meets(asked, at=201.0).said == refused("wrap-up", WhyNot.NOT_EXTENDABLE)
    endless = after(Granted(until_done=True, extend_s=60.0))
    assert endless.meets(asked, at=201.0).said == refused("wrap-up", WhyNot.NOT_EXTENDABLE)
    short = after(Granted(wrap_up_s=10.0, extend_s=60.0))
    assert short.meets(asked, at=201.0).said == refused("wrap-up", WhyNot.TOO_LONG)
    assert talking().meets(asked, at=201.0).said == refused("wrap-up", WhyNot.NOT_WRAPPING_UP)


def test_agent_who_is_ready_before_the_wrap_up_is_over_is_free_at_once() -> None:
    person = after(Granted(wrap_up_s=10.0)).meets(READY, at=203.0)
    assert (person.presence, person.agent.wrap_up_until, person.agent.idle_since) == (Presence.READY, None, 203.0)


def test_pause_ends_the_wrap_up() -> None:
    person = after(Granted(wrap_up_s=10.0)).meets(LUNCH, at=203.0)
    assert (person.presence, person.agent.wrap_up_until) == (Presence.PAUSED, None)


# What came of the contact.


def test_agent_who_owes_a_disposition_stays_in_wrap_up_until_it_is_given() -> None:
    person = after(OWED)
    assert person.meets(READY, at=205.0).said == refused("ready", WhyNot.DISPOSITION_DUE)
    assert fires(person, at=210.0).presence is Presence.WRAP_UP
    assert person.agent.wrap_up_until == 210.0 + LONGEST_OWED_S
    assert person.meets(GIVEN, at=230.0).presence is Presence.READY


def test_disposition_given_in_time_leaves_the_wrap_up_as_long_as_it_is() -> None:
    person = after(OWED).meets(GIVEN, at=203.0)
    assert (person.presence, person.agent.disposition_due, person.agent.wrap_up_until) == (
        Presence.WRAP_UP,
        False,
        210.0,
    )
    assert person.meets(GIVEN, at=204.0).said == []
    assert fires(person, at=210.0).presence is Presence.READY


def test_disposition_given_while_talking_is_not_owed_any_more() -> None:
    person = ringing()
    person.granted = OWED
    person.meets(offer_over(OfferOutcome.ANSWERED), at=115.0).meets(connected(), at=115.0)
    assert person.meets(msgspec.structs.replace(GIVEN, call=OTHER), at=120.0).agent.disposition_due
    assert not person.meets(GIVEN, at=120.0).agent.disposition_due
    assert person.meets(parted(), at=200.0).meets(READY, at=201.0).said != refused("ready", WhyNot.DISPOSITION_DUE)


def test_nobody_is_held_for_a_disposition_for_ever() -> None:
    person = fires(fires(after(OWED), at=210.0), at=210.0 + LONGEST_OWED_S)
    assert person.presence is Presence.READY
    at_once = after(Granted(dispositions=("resuelto",), disposition_required=True))
    assert at_once.agent.wrap_up_until == 200.0 + LONGEST_OWED_S
    assert fires(at_once, at=1100.0).presence is Presence.READY


def test_wrap_up_until_done_is_the_agents_again_when_the_disposition_is_given_up() -> None:
    person = after(Granted(until_done=True, dispositions=("resuelto",), disposition_required=True))
    assert person.agent.wrap_up_until == 200.0 + LONGEST_OWED_S
    given_up = fires(person, at=1100.0).agent
    assert (given_up.presence, given_up.wrap_up_until, given_up.disposition_due) == (Presence.WRAP_UP, None, False)
    assert person.meets(READY, at=1200.0).presence is Presence.READY


@pytest.mark.parametrize(("wish", "presence"), [(LUNCH, Presence.PAUSED), (LOG_OUT, Presence.OFFLINE)])
def test_agent_who_owes_a_disposition_leaves_as_soon_as_it_is_given(
    wish: PauseAsked | LogOutAsked, presence: Presence
) -> None:
    person = after(OWED).meets(wish, at=203.0)
    assert person.presence is Presence.WRAP_UP
    assert person.meets(GIVEN, at=204.0).presence is presence


@pytest.mark.parametrize(
    ("wish", "presence"),
    [
        (PauseAsked(agent=ANA, reason="almuerzo", by=SOL), Presence.PAUSED),
        (LogOutAsked(agent=ANA, by=SOL), Presence.OFFLINE),
        (ReadyAsked(agent=ANA, by=SOL), Presence.READY),
    ],
)
def test_supervisor_ends_a_wrap_up_whatever_is_owed(
    wish: PauseAsked | LogOutAsked | ReadyAsked, presence: Presence
) -> None:
    assert after(OWED).meets(wish, at=203.0).presence is presence


def test_disposition_for_an_earlier_contact_holds_nobody_and_frees_nobody() -> None:
    person = after(OWED).meets(msgspec.structs.replace(GIVEN, call=OTHER), at=203.0)
    assert (person.said, person.presence) == ([], Presence.WRAP_UP)


def test_queue_without_a_list_asks_for_nothing() -> None:
    assert after(Granted(disposition_required=True)).presence is Presence.READY


# Parties, callbacks, hold, supervision.

LEG = consulted_leg(CALL, n=1)
CALLED = PartyCalled(call=CALL, leg=LEG, agent=ANA)


def test_agent_who_is_consulted_is_reserved_talks_and_is_free_without_wrap_up() -> None:
    person = ready().meets(CALLED, at=110.0)
    assert (person.presence, person.agent.call, person.agent.party) == (Presence.RESERVED, CALL, True)
    assert person.meets(PartyJoined(call=CALL, leg=LEG, agent=ANA), at=112.0).presence is Presence.TALKING
    person.meets(PartyLeft(call=CALL, leg=LEG, agent=ANA), at=130.0)
    assert (person.presence, person.agent.call, person.agent.idle_since) == (Presence.READY, None, 130.0)


def test_agent_who_did_not_answer_a_colleague_keeps_the_place_and_is_not_blamed() -> None:
    person = ready().meets(CALLED, at=110.0).meets(PartyLeft(call=OTHER, leg=LEG, agent=ANA), at=111.0)
    assert person.presence is Presence.RESERVED
    person.meets(PartyLeft(call=CALL, leg=LEG, agent=ANA, outcome=OfferOutcome.UNANSWERED), at=130.0)
    assert (person.presence, person.agent.idle_since, person.agent.misses) == (Presence.READY, 100.0, 0)


def test_consulted_agent_who_takes_the_citizen_over_wraps_up_after_it() -> None:
    person = ready().meets(CALLED, at=110.0).meets(PartyJoined(call=CALL, leg=LEG, agent=ANA), at=112.0)
    person.meets(connected(), at=120.0).meets(PartyLeft(call=CALL, leg=LEG, agent=ANA), at=120.0)
    assert (person.presence, person.agent.party) == (Presence.TALKING, False)
    assert person.meets(parted(), at=200.0).presence is Presence.WRAP_UP


def test_party_of_another_call_joins_nobody() -> None:
    person = ready().meets(CALLED, at=110.0).meets(PartyJoined(call=OTHER, leg=LEG, agent=ANA), at=112.0)
    assert person.presence is Presence.RESERVED


def test_agent_is_on_the_line_while_the_citizen_is_called_back() -> None:
    made = AttemptMade(
        call=CALL, offer=offer_id(CALL, n=1), agent=ANA, leg=LEG, attempt=1, number="099", route=RouteName("r")
    )
    person = ringing().meets(msgspec.structs.replace(made, offer=offer_id(OTHER, n=1)), at=114.0)
    assert person.presence is Presence.RINGING
    assert person.meets(made, at=115.0).presence is Presence.DIALLING
    person.meets(offer_over(OfferOutcome.UNREACHED), at=130.0).phone(Phone.IDLE, at=131.0)
    assert (person.presence, person.agent.misses, person.agent.idle_since) == (Presence.READY, 0, 100.0)


def test_citizen_on_hold_is_seen_in_the_agents_presence() -> None:
    person = talking().meets(HoldBegan(call=OTHER, agent=ANA), at=120.0)
    assert person.presence is Presence.TALKING
    assert person.meets(HoldBegan(call=CALL, agent=ANA), at=120.0).presence is Presence.ON_HOLD
    assert person.meets(HoldEnded(call=OTHER, agent=ANA), at=121.0).presence is Presence.ON_HOLD
    assert person.meets(HoldEnded(call=CALL, agent=ANA), at=130.0).presence is Presence.TALKING
    person.meets(HoldBegan(call=CALL, agent=ANA), at=140.0)
    assert person.meets(parted(), at=150.0).presence is Presence.WRAP_UP


WATCHED = SupervisionBegan(call=CALL, supervisor=ANA, leg=supervisor_leg(CALL, n=1), mode=Supervision.LISTEN)
UNWATCHED = SupervisionEnded(call=CALL, supervisor=ANA, leg=WATCHED.leg)


@pytest.mark.parametrize("state", [Person(Agent(agent=ANA)), ready(), ready().meets(LUNCH, at=101.0)])
def test_supervisor_is_busy_while_taking_part_and_then_what_they_were(state: Person) -> None:
    before = state.presence
    state.meets(WATCHED, at=110.0)
    assert (state.presence, state.agent.call) == (Presence.BUSY, CALL)
    for phone in (Phone.RINGING, Phone.BUSY, Phone.IDLE):
        assert state.phone(phone, at=111.0).presence is Presence.BUSY
    state.agent = msgspec.structs.replace(state.agent, phone=Phone.IDLE)
    assert state.meets(msgspec.structs.replace(UNWATCHED, call=OTHER), at=120.0).presence is Presence.BUSY
    assert state.meets(UNWATCHED, at=120.0).presence is before


def test_wishes_while_supervising_are_for_afterwards() -> None:
    person = ready().meets(WATCHED, at=110.0).meets(LUNCH, at=111.0)
    assert (person.presence, person.agent.pause) == (Presence.BUSY, "almuerzo")
    assert person.meets(READY, at=112.0).agent.pause == ""
    assert person.meets(LOG_OUT, at=113.0).agent.logged_in is False
    assert person.meets(LOG_IN, at=114.0).agent.logged_in is True
    assert person.meets(CallEnded(call=CALL, reason=EndReason.BROKEN), at=120.0).presence is Presence.READY


def test_supervisor_who_takes_a_conversation_over_talks_in_it() -> None:
    person = ready().meets(WATCHED, at=110.0).meets(connected(), at=120.0)
    assert (person.presence, person.agent.party) == (Presence.TALKING, False)
    assert person.meets(UNWATCHED, at=120.0).presence is Presence.TALKING


def test_nobody_begins_to_talk_in_a_call_that_they_are_not_in() -> None:
    with pytest.raises(Impossible):
        ringing().meets(connected(OTHER), at=120.0)


def test_agent_whose_phone_says_why_it_is_not_there_passes_it_on() -> None:
    person = ready().meets(PhoneChanged(agent=ANA, phone=Phone.UNREACHABLE, why="not registered"), at=110.0)
    assert (person.presence, person.agent.why) == (Presence.UNREACHABLE, "not registered")
    person.meets(PhoneChanged(agent=ANA, phone=Phone.UNREACHABLE, why="does not answer"), at=111.0)
    assert (person.agent.why, person.agent.since, len(person.said)) == ("does not answer", 110.0, 1)
    assert person.phone(Phone.IDLE, at=112.0).agent.why == ""


def test_every_wish_in_every_state_is_either_met_or_refused_and_never_a_defect() -> None:
    wishes = (LOG_IN, LOG_OUT, LUNCH, READY, WrapUpExtensionAsked(agent=ANA, more_s=1.0), GIVEN)
    made = OfferMade(call=CALL, visit=offered().visit, offer=offered().offer, agent=ANA, leg=offered().leg)
    states = [
        Person(Agent(agent=ANA)),
        ready(),
        ready().meets(made, at=101.0),
        ringing(),
        talking(),
        after(OWED),
        ready().meets(LUNCH, at=101.0),
        ready().phone(Phone.BUSY, at=101.0),
        ready().meets(WATCHED, at=101.0),
    ]
    for person in states:
        before = person.agent
        for wish in wishes:
            person.agent = before
            person.meets(wish, at=300.0)
            for told in person.said:
                read = Person(before).meets(changed(person.agent), at=400.0)
                assert isinstance(told, AgentRequestRefused | SetAgentTimer) or read.agent == person.agent
