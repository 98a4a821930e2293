"""Hold, consultation, three-way and transfer: who is put where, and what is refused."""

from collections.abc import Callable

import pytest

from telefonista.kernel.call import CallState
from telefonista.kernel.commands import (
    AnswerRefer,
    Connect,
    Dial,
    Disconnect,
    HangUp,
    PlayRinging,
    Ring,
    StartMusic,
    StopMusic,
    StopPlayback,
)
from telefonista.kernel.events import (
    CallEnded,
    CallLost,
    ConferenceAsked,
    ConferenceBegan,
    ConsultationAsked,
    ConsultationEndAsked,
    ConversationEnded,
    ConversationStarted,
    Destination,
    DestinationKind,
    Diverted,
    EndReason,
    Event,
    HoldAsked,
    HoldBegan,
    HoldEnded,
    LegHeld,
    LegUnheld,
    Medium,
    OfferOutcome,
    PartyCalled,
    PartyJoined,
    PartyLeft,
    ReferReceived,
    RequestRefused,
    Supervision,
    SupervisionAsked,
    SupervisionEndAsked,
    TakeOverAsked,
    TransferAsked,
    TransferCompletionAsked,
)
from telefonista.kernel.ids import bridge_id
from telefonista.kernel.shape import Hold
from tests.unit.kernel.story import ANA, CALL, LUIS, NUMBER, OUTSIDE, QUEUE, QUEUE_AGAIN, SOL, Story

BRIDGE = bridge_id(CALL, n=1)
COLLEAGUE = Destination(DestinationKind.AGENT, "102")


def hold(*, on: bool = True) -> HoldAsked:
    return HoldAsked(call=CALL, agent=ANA, on=on)


def held() -> Story:
    return Story().talks().happens(hold())


def refused(story: Story) -> str:
    """Why the last request was refused; it changed nothing else."""
    (refusal,) = story.outputs
    assert isinstance(refusal, RequestRefused)
    return refusal.why


# Hold.


def test_citizen_on_hold_is_in_the_waiting_room_and_the_agent_stays_alone() -> None:
    story = held()
    assert story.decisions == [HoldBegan(call=CALL, agent=ANA)]
    assert story.commands == [StartMusic(call=CALL, leg=story.citizen)]
    story.happens(hold(on=False))
    assert story.decisions == [HoldEnded(call=CALL, agent=ANA)]
    assert story.commands == [Connect(call=CALL, bridge=BRIDGE, legs=(story.citizen,))]
    assert story.call.hold is Hold.NONE


def test_hold_key_of_a_telephone_moves_nobody_and_only_it_ends_that() -> None:
    story = Story().talks()
    story.happens(LegHeld(call=CALL, leg=story.leg()))
    assert story.outputs == [HoldBegan(call=CALL, agent=ANA, by_phone=True)]
    assert story.happens(LegHeld(call=CALL, leg=story.leg())).outputs == []
    assert "telephone" in refused(story.happens(hold(on=False)))
    assert story.happens(LegUnheld(call=CALL, leg=story.leg())).outputs == [HoldEnded(call=CALL, agent=ANA)]
    assert story.happens(LegUnheld(call=CALL, leg=story.leg())).outputs == []
    assert story.happens(LegHeld(call=CALL, leg=story.citizen)).outputs == []


def test_hold_that_makes_no_sense_is_refused_in_words() -> None:
    assert "not on hold" in refused(Story().talks().happens(hold(on=False)))
    assert "already" in refused(held().happens(hold()))
    assert "another agent" in refused(Story().talks().happens(HoldAsked(call=CALL, agent=LUIS)))
    assert "consulted" in refused(Story().talks().consults().happens(hold(on=False)))


def test_citizen_on_hold_who_loses_the_agent_goes_to_the_front_of_the_queue() -> None:
    for story in (held(), Story().talks().happens(LegHeld(call=CALL, leg=Story().talks().leg()))):
        story.ends(story.leg())
        assert story.decisions[0] == ConversationEnded(
            call=CALL, agent=ANA, leg=story.leg(), reason=EndReason.TRANSFERRED
        )
        (back,) = story.of(Diverted)
        assert (back.to, back.queue) == (QUEUE_AGAIN, QUEUE)
        assert story.of(HangUp) == []
        assert story.call.state is CallState.WAITING


def test_citizen_who_hangs_up_on_hold_ends_the_call() -> None:
    story = held().ends(Story().citizen)
    assert story.of(ConversationEnded)[0].reason is EndReason.CITIZEN_HUNG_UP
    assert story.of(StopMusic) == []
    assert story.ends(story.leg()).of(CallEnded)[0].reason is EndReason.CITIZEN_HUNG_UP


def test_agent_found_again_after_a_gap_does_not_end_the_hold() -> None:
    story = held()
    assert story.answers(story.leg()).commands == [Connect(call=CALL, bridge=BRIDGE, legs=(story.leg(),))]
    assert story.answers(story.citizen).outputs == []


# Consultation.


def test_colleague_is_rung_while_the_agent_hears_it_and_the_citizen_hears_music() -> None:
    story = Story().talks().calls_party()
    assert story.decisions == [HoldBegan(call=CALL, agent=ANA)]
    (ring,) = story.of(Ring)
    assert (ring.leg, ring.agent, ring.shown_number) == (story.party, LUIS, "099123456")
    assert [each.leg for each in story.of(PlayRinging)] == [story.leg()]
    assert [each.leg for each in story.of(StartMusic)] == [story.citizen]
    story.answers(story.party)
    assert story.decisions == [PartyJoined(call=CALL, leg=story.party, agent=LUIS)]
    assert len(story.of(StopPlayback)) == 1
    assert story.of(Connect) == [Connect(call=CALL, bridge=BRIDGE, legs=(story.party,))]
    assert story.answers(story.party).outputs == []


def test_number_outside_is_consulted_by_dialling_it_and_whoever_is_wanted_inside_is_the_desks_to_say() -> None:
    story = held().happens(ConsultationAsked(call=CALL, agent=ANA, to=OUTSIDE))
    assert story.decisions == [PartyCalled(call=CALL, leg=story.party, number=NUMBER)]
    assert [each.number for each in story.of(Dial)] == [NUMBER]
    for to in (COLLEAGUE, QUEUE_AGAIN):
        assert Story().talks().happens(ConsultationAsked(call=CALL, agent=ANA, to=to)).outputs == []


def test_consultation_that_cannot_be_is_refused_in_words() -> None:
    flow = Destination(DestinationKind.FLOW, "0800-info")
    assert "people" in refused(Story().talks().happens(ConsultationAsked(call=CALL, agent=ANA, to=flow)))
    again = ConsultationAsked(call=CALL, agent=ANA, to=COLLEAGUE)
    assert "already" in refused(Story().talks().calls_party().happens(again))
    message = Story(Medium.VOICEMAIL).offered()
    message.answers(message.leg())
    wish = ConsultationAsked(call=message.id, agent=ANA, to=COLLEAGUE)
    assert "no citizen" in refused(message.happens(wish))


@pytest.mark.parametrize("where", [Story, lambda: Story().waits(), lambda: Story().talks().calls_party()])
def test_colleague_who_is_called_too_late_is_free_again(where: Callable[[], Story]) -> None:
    story = where()
    late = PartyCalled(call=CALL, leg=Story().leg(9), agent=SOL)
    story.happens(late)
    assert story.outputs == [PartyLeft(call=CALL, leg=late.leg, agent=SOL, outcome=OfferOutcome.WITHDRAWN)]


def test_colleague_who_does_not_answer_gives_the_citizen_back_to_the_agent() -> None:
    story = Story().talks().calls_party()
    story.ends(story.party, cause=17)
    assert story.decisions == [
        PartyLeft(call=CALL, leg=story.party, agent=LUIS, outcome=OfferOutcome.BUSY),
        HoldEnded(call=CALL, agent=ANA),
    ]
    assert len(story.of(StopPlayback)) == 1
    assert story.of(Connect) == [Connect(call=CALL, bridge=BRIDGE, legs=(story.citizen,))]


def test_agent_goes_back_to_the_citizen_and_the_colleague_is_let_go() -> None:
    story = Story().talks().consults()
    story.happens(ConsultationEndAsked(call=CALL, agent=ANA))
    assert story.decisions == [PartyLeft(call=CALL, leg=story.party, agent=LUIS), HoldEnded(call=CALL, agent=ANA)]
    assert story.of(HangUp) == [HangUp(call=CALL, leg=story.party)]
    assert story.ends(story.party).outputs == []
    assert "nobody" in refused(story.happens(ConsultationEndAsked(call=CALL, agent=ANA)))


def test_three_are_together_and_two_when_the_third_leaves() -> None:
    story = Story().talks().consults().happens(ConferenceAsked(call=CALL, agent=ANA))
    assert story.decisions == [HoldEnded(call=CALL, agent=ANA), ConferenceBegan(call=CALL)]
    assert story.of(Connect) == [Connect(call=CALL, bridge=BRIDGE, legs=(story.citizen,))]
    assert "together" in refused(story.happens(ConferenceAsked(call=CALL, agent=ANA)))
    story.ends(story.party)
    assert story.outputs == [PartyLeft(call=CALL, leg=story.party, agent=LUIS)]
    assert "answered" in refused(story.happens(ConferenceAsked(call=CALL, agent=ANA)))


def test_three_way_becomes_a_consultation_again_by_hold() -> None:
    story = Story().talks().consults().happens(ConferenceAsked(call=CALL, agent=ANA), hold())
    assert story.commands == [StartMusic(call=CALL, leg=story.citizen)]


# Transfer.


def test_agent_who_passes_a_citizen_on_is_hung_up_and_the_citizen_goes_where_it_was_said() -> None:
    story = Story().talks().happens(TransferAsked(call=CALL, agent=ANA, to=COLLEAGUE))
    assert story.decisions == [
        ConversationEnded(call=CALL, agent=ANA, leg=story.leg(), reason=EndReason.TRANSFERRED),
        Diverted(call=CALL, to=COLLEAGUE, why="transfer", by=ANA, queue=QUEUE),
    ]
    assert story.commands == [HangUp(call=CALL, leg=story.leg()), Disconnect(call=CALL, bridge=BRIDGE)]
    assert (story.call.state, story.call.queue) == (CallState.WAITING, QUEUE)
    assert story.ends(story.leg()).outputs == []


def test_agent_who_passes_a_citizen_on_to_themselves_is_refused() -> None:
    to = Destination(DestinationKind.AGENT, ANA)
    assert "where the citizen is" in refused(Story().talks().happens(TransferAsked(call=CALL, agent=ANA, to=to)))


def test_citizen_passed_on_from_hold_leaves_the_waiting_room_for_what_comes() -> None:
    story = held().happens(TransferAsked(call=CALL, agent=ANA, to=Destination(DestinationKind.FLOW, "0800-info")))
    assert story.of(StopMusic) == [StopMusic(call=CALL, leg=story.citizen)]
    assert story.call.hold is Hold.NONE


def test_citizen_passed_on_from_a_consultation_lets_the_colleague_go() -> None:
    story = Story().talks().consults().happens(TransferAsked(call=CALL, agent=ANA, to=QUEUE_AGAIN))
    assert story.of(PartyLeft) == [PartyLeft(call=CALL, leg=story.party, agent=LUIS)]
    assert {each.leg for each in story.of(HangUp)} == {story.leg(), story.party}


def test_colleague_takes_the_citizen_over_in_the_same_bridge() -> None:
    story = Story().talks().consults().happens(TransferCompletionAsked(call=CALL, agent=ANA))
    assert story.decisions == [
        ConversationEnded(call=CALL, agent=ANA, leg=story.leg(), reason=EndReason.TRANSFERRED),
        ConversationStarted(call=CALL, agent=LUIS, leg=story.party, bridge=BRIDGE, queue=QUEUE),
    ]
    assert story.commands == [
        HangUp(call=CALL, leg=story.leg()),
        Connect(call=CALL, bridge=BRIDGE, legs=(story.citizen,)),
    ]
    assert (story.call.agent, story.call.party, story.call.bridges) == (LUIS, None, 1)
    assert story.ends(story.leg()).outputs == []
    assert story.ends(story.party).of(ConversationEnded)[0].agent == LUIS


def test_transfer_to_a_colleague_who_has_not_answered_is_refused() -> None:
    completion = TransferCompletionAsked(call=CALL, agent=ANA)
    assert "answered" in refused(Story().talks().happens(completion))
    assert "answered" in refused(Story().talks().calls_party().happens(completion))
    assert "another agent" in refused(Story().talks().happens(TransferAsked(call=CALL, agent=LUIS, to=COLLEAGUE)))


def test_agent_who_hangs_up_in_a_consultation_passes_the_citizen_on() -> None:
    story = Story().talks().consults(agent=None)
    story.ends(story.leg())
    (started,) = story.of(ConversationStarted)
    assert (started.agent, started.number, started.leg) == ("", NUMBER, story.party)
    assert story.of(Connect) == [Connect(call=CALL, bridge=BRIDGE, legs=(story.citizen,))]
    assert "no citizen" not in refused(story.happens(HoldAsked(call=CALL, agent=ANA)))
    assert story.happens(LegHeld(call=CALL, leg=story.party)).outputs == []
    late = PartyCalled(call=CALL, leg=story.leg(9), agent=SOL)
    assert story.happens(late).kinds == ["PartyLeft"]


def test_agent_who_hangs_up_before_the_colleague_answers_sends_the_citizen_back_to_the_queue() -> None:
    story = Story().talks().calls_party()
    story.ends(story.leg())
    assert story.of(Diverted)[0].to == QUEUE_AGAIN
    assert story.of(PartyLeft)[0].outcome is OfferOutcome.WITHDRAWN
    assert story.of(HangUp) == [HangUp(call=CALL, leg=story.party)]
    assert story.call.state is CallState.WAITING


def test_call_that_is_lost_in_a_consultation_frees_both_agents() -> None:
    story = Story().talks().consults().happens(CallLost(call=CALL, why="the node died"))
    assert [type(event) for event in story.decisions] == [PartyLeft, ConversationEnded, CallEnded]
    assert story.of(Disconnect) == []


def test_citizen_who_hangs_up_in_a_consultation_frees_both_agents() -> None:
    story = Story().talks().consults().ends(Story().citizen)
    assert len(story.of(PartyLeft)) == 1
    assert {each.leg for each in story.of(HangUp)} == {story.leg(), story.party}
    assert story.of(Disconnect) == [Disconnect(call=CALL, bridge=BRIDGE)]


# The transfer key.


def refer(story: Story, dialled: str = "102") -> Story:
    return story.happens(ReferReceived(call=CALL, leg=story.leg(), dialled=dialled))


def test_telephone_is_told_that_its_transfer_is_done_before_it_is_hung_up() -> None:
    story = refer(Story().talks())
    assert story.outputs == []
    story.happens(TransferAsked(call=CALL, agent=ANA, to=COLLEAGUE))
    assert story.commands[:2] == [
        AnswerRefer(call=CALL, leg=story.leg(), accepted=True),
        HangUp(call=CALL, leg=story.leg()),
    ]
    assert story.call.referring is None


def test_telephone_is_told_that_its_transfer_is_refused() -> None:
    story = refer(Story().talks())
    refusal = RequestRefused(call=CALL, by=ANA, what="transfer", why="no such number")
    assert story.happens(refusal).outputs == [AnswerRefer(call=CALL, leg=story.leg(), accepted=False)]
    assert story.happens(refusal).outputs == []


def test_transfer_key_of_somebody_else_or_onto_another_dialogue_is_refused_at_once() -> None:
    story = Story().talks()
    assert refer(story, "").of(AnswerRefer)[0].accepted is False
    other = story.happens(ReferReceived(call=CALL, leg=story.citizen, dialled="102"))
    assert other.of(AnswerRefer)[0].accepted is False


WISHES: list[Event] = [
    hold(),
    TransferAsked(call=CALL, agent=ANA, to=COLLEAGUE),
    ConsultationAsked(call=CALL, agent=ANA, to=COLLEAGUE),
    ConsultationEndAsked(call=CALL, agent=ANA, by="109"),
    ConferenceAsked(call=CALL, agent=ANA),
    TransferCompletionAsked(call=CALL, agent=ANA),
    SupervisionAsked(call=CALL, supervisor=SOL, mode=Supervision.LISTEN),
    SupervisionEndAsked(call=CALL, supervisor=SOL),
    TakeOverAsked(call=CALL, supervisor=SOL),
]


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: type(wish).__name__)
def test_what_is_wished_of_a_conversation_is_refused_where_there_is_none(wish: Event) -> None:
    story = Story().waits().happens(wish)
    (refusal,) = story.of(RequestRefused)
    assert refusal.what == type(wish).__name__
    assert refusal.by in (ANA, SOL)
    assert "no conversation" in refusal.why
