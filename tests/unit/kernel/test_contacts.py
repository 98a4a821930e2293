"""Several telephones at once, suspended stays, contacts without a citizen's channel, and calls that go on elsewhere."""

import pytest

from telefonista.kernel.call import CallState
from telefonista.kernel.commands import (
    Connect,
    Dial,
    Disconnect,
    HangUp,
    PlayMessage,
    PlayRinging,
    Ring,
    SetTimer,
    StartMusic,
    StopMusic,
    StopPlayback,
)
from telefonista.kernel.events import (
    AttemptEnded,
    AttemptMade,
    CallBroken,
    CallEnded,
    CallLost,
    CallStopped,
    ConversationEnded,
    ConversationStarted,
    Destination,
    DestinationKind,
    DigitPressed,
    Diverted,
    EndReason,
    Event,
    FlowEnded,
    LegRang,
    Medium,
    OfferEnded,
    OfferOutcome,
    PartyCalled,
    PartyLeft,
    VisitEnded,
    VisitOutcome,
    VisitResumed,
    VisitStarted,
    VisitSuspended,
)
from telefonista.kernel.ids import BridgeId, OfferId, QueueName, bridge_id, offer_id, outside_leg, visit_id
from telefonista.kernel.parties import APOLOGY
from tests.unit.kernel.story import ANA, LUIS, MESSAGE, NUMBER, OUTSIDE, QUEUE, QUEUE_AGAIN, Story


def offer_ends(story: Story, n: int, outcome: OfferOutcome) -> OfferEnded:
    agent = ANA if n == 1 else LUIS
    visit = visit_id(story.id, n=1)
    return OfferEnded(call=story.id, visit=visit, offer=offer_id(story.id, n=n), agent=agent, outcome=outcome)


def rung_at_two(medium: Medium = Medium.CALL) -> Story:
    return Story(medium).waits().offered(1).offered(2, agent=LUIS)


def visit_over(story: Story, outcome: VisitOutcome) -> VisitEnded:
    return VisitEnded(call=story.id, visit=visit_id(story.id, n=1), queue=QUEUE, outcome=outcome)


def diverted(story: Story, to: Destination, *, queue: str = "") -> Story:
    return story.happens(Diverted(call=story.id, to=to, why="a rule", queue=QueueName(queue)))


def test_first_of_several_telephones_that_answers_has_the_citizen_and_the_others_fall_silent() -> None:
    story = rung_at_two()
    assert story.call.state is CallState.RINGING
    story.answers(story.leg(2))
    assert story.decisions[:2] == [
        offer_ends(story, 2, OfferOutcome.ANSWERED),
        offer_ends(story, 1, OfferOutcome.WITHDRAWN),
    ]
    assert story.of(HangUp) == [HangUp(call=story.id, leg=story.leg(1))]
    (connect,) = story.of(Connect)
    assert connect.legs == (story.citizen, story.leg(2))
    assert (story.call.state, story.call.agent, story.call.offers) == (CallState.TALKING, LUIS, ())
    assert story.ends(story.leg(1)).outputs == []


def test_citizen_waits_on_only_when_the_last_of_several_telephones_has_ended() -> None:
    story = rung_at_two()
    story.ends(story.leg(1), cause=17)
    assert story.decisions == [offer_ends(story, 1, OfferOutcome.BUSY)]
    assert story.call.state is CallState.RINGING
    story.happens(LegRang(call=story.id, leg=story.leg(2)), LegRang(call=story.id, leg=story.leg(2)))
    story.ends(story.leg(2), cause=19)
    assert story.decisions == [offer_ends(story, 2, OfferOutcome.UNANSWERED)]
    assert (story.call.state, story.call.agent) == (CallState.WAITING, None)


def test_offer_that_the_desk_gives_up_for_lost_has_its_telephone_hung_up() -> None:
    story = Story().waits().offered()
    story.happens(offer_ends(story, 1, OfferOutcome.LOST))
    assert story.outputs == [HangUp(call=story.id, leg=story.leg())]
    assert story.call.state is CallState.WAITING
    assert story.ends(story.leg()).outputs == []


def test_end_of_an_offer_that_is_over_already_changes_nothing() -> None:
    story = Story().waits().offered()
    before = story.call
    unknown = OfferEnded(
        call=story.id, visit=visit_id(story.id, n=1), offer=OfferId("x"), agent=ANA, outcome=OfferOutcome.LOST
    )
    assert story.happens(unknown).outputs == []
    assert story.call == before


def test_citizen_who_leaves_the_queue_for_a_dialogue_is_offered_to_nobody_and_comes_back_to_it() -> None:
    story = rung_at_two()
    to = Destination(DestinationKind.CALLBACK)
    story.happens(VisitSuspended(call=story.id, visit=visit_id(story.id, n=1), to=to))
    assert story.decisions == [
        offer_ends(story, 1, OfferOutcome.WITHDRAWN),
        offer_ends(story, 2, OfferOutcome.WITHDRAWN),
    ]
    assert [each.leg for each in story.of(HangUp)] == [story.leg(1), story.leg(2)]
    assert story.call.state is CallState.IN_FLOW
    story.happens(FlowEnded(call=story.id, outcome="returned"))
    story.happens(VisitResumed(call=story.id, visit=visit_id(story.id, n=1)))
    assert (story.call.state, story.call.reason) == (CallState.WAITING, None)


def test_stay_that_ends_while_the_citizen_is_there_ends_nothing_else() -> None:
    story = Story().waits()
    assert story.happens(visit_over(story, VisitOutcome.CANCELLED)).outputs == []
    booked = Story(Medium.CALLBACK)
    assert booked.happens(visit_over(booked, VisitOutcome.DIVERTED)).outputs == []


def test_stay_begins_anew_in_another_queue() -> None:
    story = Story().waits()
    elsewhere = QueueName("impuestos")
    story.happens(VisitStarted(call=story.id, visit=visit_id(story.id, n=2), queue=elsewhere))
    assert (story.call.state, story.call.queue) == (CallState.WAITING, elsewhere)


# Somebody is called back.


def dialling() -> Story:
    story = Story(Medium.CALLBACK).offered()
    return story.answers(story.leg())


def test_contact_without_a_channel_begins_in_its_queue_and_rings_the_agent_without_a_citizen() -> None:
    story = Story(Medium.CALLBACK)
    assert (story.call.state, story.call.queue, story.call.legs) == (CallState.WAITING, QUEUE, frozenset())
    (ring,) = story.offered().of(Ring)
    assert (ring.citizen, ring.shown_number) == (None, "099123456")


def test_citizen_is_dialled_only_once_an_agent_is_on_the_line_and_the_agent_hears_it_ring() -> None:
    story = rung_at_two(Medium.CALLBACK)
    story.answers(story.leg(2))
    (attempt,) = story.of(AttemptMade)
    assert (attempt.leg, attempt.attempt, attempt.number, attempt.agent) == (story.citizen, 1, "099123456", LUIS)
    (dial,) = story.of(Dial)
    assert (dial.leg, dial.number, dial.line) == (story.citizen, "099123456", "0800-info")
    assert "…" in repr(dial)
    assert "099" not in repr(dial)
    (tone,) = story.of(PlayRinging)
    assert tone.leg == story.leg(2)
    assert story.of(HangUp) == [HangUp(call=story.id, leg=story.leg(1))]
    assert story.call.state is CallState.DIALLING


def test_citizen_who_picks_up_talks_with_the_agent_who_waited() -> None:
    story = dialling()
    story.answers(story.citizen)
    assert [type(event) for event in story.decisions] == [AttemptEnded, OfferEnded, ConversationStarted]
    assert story.decisions[-1] == ConversationStarted(
        call=story.id,
        agent=ANA,
        leg=story.leg(),
        bridge=bridge_id(story.id, n=1),
        queue=QUEUE,
        medium=Medium.CALLBACK,
    )
    assert story.of(Connect) == [
        Connect(call=story.id, bridge=bridge_id(story.id, n=1), legs=(story.citizen, story.leg()))
    ]
    assert len(story.of(StopPlayback)) == 1
    assert story.ends(story.citizen).of(ConversationEnded)[0].reason is EndReason.CITIZEN_HUNG_UP
    assert story.ends(story.leg()).of(CallEnded) == [CallEnded(call=story.id, reason=EndReason.CITIZEN_HUNG_UP)]


@pytest.mark.parametrize(
    ("cause", "outcome"),
    [(17, OfferOutcome.BUSY), (19, OfferOutcome.UNANSWERED), (1, OfferOutcome.UNREACHABLE), (21, OfferOutcome.REFUSED)],
)
def test_citizen_who_is_not_reached_costs_an_attempt_and_frees_the_agent(cause: int, outcome: OfferOutcome) -> None:
    story = dialling().ends(Story(Medium.CALLBACK).citizen, cause=cause)
    assert story.decisions == [
        AttemptEnded(call=story.id, leg=story.citizen, attempt=1, outcome=outcome, cause=cause),
        offer_ends(story, 1, OfferOutcome.UNREACHED),
    ]
    assert story.of(HangUp) == [HangUp(call=story.id, leg=story.leg())]
    assert (story.call.state, story.call.citizen_here) == (CallState.WAITING, False)
    again = story.ends(story.leg()).offered(2, agent=LUIS).answers(story.leg(2))
    assert [attempt.attempt for attempt in again.of(AttemptMade)] == [2]


def test_agent_who_hangs_up_while_it_rings_cancels_the_dialling_and_that_is_not_the_citizens_doing() -> None:
    story = dialling()
    story.ends(story.leg())
    assert story.decisions == [
        AttemptEnded(call=story.id, leg=story.citizen, attempt=1, outcome=OfferOutcome.WITHDRAWN),
        offer_ends(story, 1, OfferOutcome.REFUSED),
    ]
    assert story.of(HangUp) == [HangUp(call=story.id, leg=story.citizen)]
    assert story.answers(story.citizen).outputs == [HangUp(call=story.id, leg=story.citizen)]
    assert story.ends(story.citizen).outputs == []
    assert story.call.state is CallState.WAITING
    assert dialling().ends(story.leg(), lost=True).of(OfferEnded)[0].outcome is OfferOutcome.LOST


def test_dialling_that_the_desk_gives_up_for_lost_hangs_both_up() -> None:
    story = dialling()
    story.happens(offer_ends(story, 1, OfferOutcome.LOST))
    assert story.of(AttemptEnded)[0].outcome is OfferOutcome.LOST
    assert [each.leg for each in story.of(HangUp)] == [story.leg(), story.citizen]
    assert (story.call.state, story.call.attempting) == (CallState.WAITING, False)


def test_telephone_that_answers_too_late_for_a_callback_is_hung_up_and_one_told_twice_is_not() -> None:
    story = rung_at_two(Medium.CALLBACK)
    story.answers(story.leg(1))
    assert story.answers(story.leg(1)).outputs == []
    assert story.answers(story.leg(2)).outputs == [HangUp(call=story.id, leg=story.leg(2))]
    assert story.ends(story.leg(2)).outputs == []
    assert story.call.state is CallState.DIALLING


@pytest.mark.parametrize("outcome", [VisitOutcome.UNREACHED, VisitOutcome.CANCELLED])
def test_contact_that_is_given_up_ends_with_its_stay(outcome: VisitOutcome) -> None:
    story = Story(Medium.CALLBACK)
    story.happens(visit_over(story, outcome))
    assert story.of(CallEnded) == [CallEnded(call=story.id, reason=EndReason(outcome.value))]
    ringing = Story(Medium.CALLBACK).offered()
    ringing.happens(visit_over(ringing, outcome))
    assert ringing.of(OfferEnded)[0].outcome in (OfferOutcome.WITHDRAWN, OfferOutcome.LOST)
    assert ringing.of(HangUp) == [HangUp(call=ringing.id, leg=ringing.leg())]


def test_dialling_that_cannot_go_on_frees_everybody() -> None:
    story = dialling()
    story.happens(CallBroken(call=story.id, why="a defect"))
    assert story.decisions[:2] == [
        AttemptEnded(call=story.id, leg=story.citizen, attempt=1, outcome=OfferOutcome.LOST),
        offer_ends(story, 1, OfferOutcome.LOST),
    ]
    assert {each.leg for each in story.of(HangUp)} == {story.leg(), story.citizen}


def test_citizen_who_was_called_back_can_be_passed_on_and_is_not_dialled_again() -> None:
    story = dialling()
    story.answers(story.citizen)
    story.happens(ConversationEnded(call=story.id, agent=ANA, leg=story.leg(), reason=EndReason.TRANSFERRED))
    diverted(story, QUEUE_AGAIN)
    story.offered(2, agent=LUIS)
    assert story.of(Ring)[0].citizen == story.citizen
    assert story.answers(story.leg(2)).of(AttemptMade) == []
    assert story.call.state is CallState.TALKING
    assert story.call.agent == LUIS


# A message is heard.


def test_agent_who_takes_a_message_hears_it_again_at_a_key_and_ends_it_by_hanging_up() -> None:
    story = Story(Medium.VOICEMAIL).offered()
    story.answers(story.leg())
    started = story.of(ConversationStarted)[0]
    assert (started.medium, started.bridge) == (Medium.VOICEMAIL, BridgeId(""))
    (played,) = story.of(PlayMessage)
    assert (played.leg, played.recording) == (story.leg(), MESSAGE)
    assert story.of(Connect) == []
    assert story.happens(DigitPressed(call=story.id, leg=story.leg(), digit="7")).outputs == []
    (again,) = story.happens(DigitPressed(call=story.id, leg=story.leg(), digit="1")).of(PlayMessage)
    assert (again.recording, again.playback == played.playback) == (MESSAGE, False)
    assert story.answers(story.leg()).outputs == []
    story.ends(story.leg())
    assert story.of(CallEnded) == [CallEnded(call=story.id, reason=EndReason.HEARD)]


def test_key_in_a_conversation_with_a_citizen_replays_nothing() -> None:
    story = Story().talks()
    assert story.happens(DigitPressed(call=story.id, leg=story.leg(), digit="1")).outputs == []


# The call goes on elsewhere.


@pytest.mark.parametrize(
    ("to", "state"),
    [
        (QUEUE_AGAIN, CallState.WAITING),
        (Destination(DestinationKind.AGENT, "102"), CallState.WAITING),
        (Destination(DestinationKind.FLOW, "0800-info"), CallState.IN_FLOW),
        (Destination(DestinationKind.MESSAGE, "Adiós."), CallState.IN_FLOW),
        (Destination(DestinationKind.HANG_UP), CallState.IN_FLOW),
    ],
)
def test_citizen_sent_elsewhere_from_a_queue_is_let_go_by_the_telephones_that_rang(
    to: Destination, state: CallState
) -> None:
    story = diverted(rung_at_two(), to)
    assert [type(event) for event in story.decisions] == [OfferEnded, OfferEnded]
    assert len(story.of(HangUp)) == 2
    assert story.call.state is state


def number_rings() -> Story:
    story = Story().talks()
    story.happens(ConversationEnded(call=story.id, agent=ANA, leg=story.leg(), reason=EndReason.TRANSFERRED))
    return diverted(story, OUTSIDE, queue=QUEUE)


def test_number_outside_is_dialled_while_the_citizen_hears_music() -> None:
    story = number_rings()
    leg = outside_leg(story.id, n=1)
    assert story.decisions == [PartyCalled(call=story.id, leg=leg, number=NUMBER, ring_s=30.0)]
    assert story.of(StartMusic) == [StartMusic(call=story.id, leg=story.citizen)]
    assert story.of(Disconnect) == [Disconnect(call=story.id, bridge=bridge_id(story.id, n=1))]
    assert story.of(Dial)[0].leg == leg
    assert story.call.state is CallState.DIVERTING


def test_number_outside_that_answers_talks_with_the_citizen_until_either_hangs_up() -> None:
    leg = outside_leg(Story().id, n=1)
    story = number_rings()
    story.ends(story.leg()).answers(leg)
    (started,) = story.of(ConversationStarted)
    assert (started.agent, started.number, started.leg, started.queue) == ("", NUMBER, leg, QUEUE)
    (connect,) = story.of(Connect)
    assert (connect.bridge, connect.legs) == (bridge_id(story.id, n=2), (story.citizen, leg))
    assert story.of(StopMusic) == []
    assert story.ends(leg).of(ConversationEnded)[0].reason is EndReason.DIVERTED
    assert story.ends(story.citizen).of(CallEnded)[0].reason is EndReason.DIVERTED


def test_number_outside_that_does_not_answer_gives_the_citizen_back_to_the_queue() -> None:
    leg = outside_leg(Story().id, n=1)
    story = number_rings().ends(leg, cause=19)
    (left,) = story.of(PartyLeft)
    assert left.outcome is OfferOutcome.UNANSWERED
    (back,) = story.of(Diverted)
    assert (back.to, back.queue) == (QUEUE_AGAIN, QUEUE)
    assert story.call.state is CallState.WAITING


def test_number_outside_that_does_not_answer_somebody_from_no_queue_is_regretted() -> None:
    story = diverted(Story(), OUTSIDE)
    (back,) = story.ends(outside_leg(story.id, n=1), cause=1).of(Diverted)
    assert back.to == Destination(DestinationKind.MESSAGE, APOLOGY)
    assert story.call.state is CallState.IN_FLOW


def test_citizen_who_hangs_up_while_a_number_outside_rings_ends_that_too() -> None:
    story = number_rings().ends(Story().citizen)
    assert story.of(PartyLeft)[0].outcome is OfferOutcome.WITHDRAWN
    assert outside_leg(story.id, n=1) in {each.leg for each in story.of(HangUp)}
    assert story.call.state is CallState.CLEARING


def test_leg_that_does_not_belong_there_changes_nothing_while_a_number_outside_rings() -> None:
    story = number_rings()
    assert story.answers(story.leg(7)).outputs == [HangUp(call=story.id, leg=story.leg(7))]
    assert story.ends(story.leg()).outputs == []
    assert story.call.state is CallState.DIVERTING


@pytest.mark.parametrize(
    "ending", [CallLost(call=Story().id, why="the node died"), CallStopped(call=Story().id)], ids=["lost", "stopped"]
)
def test_call_on_its_way_to_a_number_outside_that_cannot_go_on_lets_the_number_go(ending: Event) -> None:
    story = number_rings().happens(ending)
    assert len(story.of(PartyLeft)) == 1
    assert bool(story.of(SetTimer)) == isinstance(ending, CallStopped)
