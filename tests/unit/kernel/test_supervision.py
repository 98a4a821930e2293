"""Supervisors: by which legs they take part, when they are heard, and that nothing of it outlives the conversation."""

import pytest

from telefonista.kernel.commands import Connect, Disconnect, HangUp, Mute, Ring, Snoop, Unmute
from telefonista.kernel.events import (
    ConversationEnded,
    ConversationStarted,
    EndReason,
    Medium,
    RequestRefused,
    Supervision,
    SupervisionAsked,
    SupervisionBegan,
    SupervisionChanged,
    SupervisionEndAsked,
    SupervisionEnded,
    TakeOverAsked,
)
from telefonista.kernel.ids import bridge_id
from tests.unit.kernel.story import ANA, CALL, LUIS, QUEUE, SOL, Story

MAIN, BESIDE = bridge_id(CALL, n=1), bridge_id(CALL, n=2)


def asks(story: Story, mode: Supervision) -> Story:
    return story.happens(SupervisionAsked(call=CALL, supervisor=SOL, mode=mode))


def why(story: Story) -> str:
    (refusal,) = story.outputs
    assert isinstance(refusal, RequestRefused)
    return refusal.why


def test_supervisors_telephone_rings_with_the_agents_number_and_nothing_else_is_made_before_it_answers() -> None:
    story = asks(Story().talks(), Supervision.LISTEN)
    assert story.decisions == [
        SupervisionBegan(call=CALL, supervisor=SOL, leg=story.supervisor, mode=Supervision.LISTEN)
    ]
    (ring,) = story.commands
    assert isinstance(ring, Ring)
    assert (ring.agent, ring.leg, ring.citizen, ring.shown_number) == (SOL, story.supervisor, None, "101")


def test_supervisor_who_listens_is_muted_before_hearing_anything() -> None:
    story = asks(Story().talks(), Supervision.LISTEN)
    assert story.answers(story.supervisor).outputs == [
        Mute(call=CALL, leg=story.supervisor),
        Snoop(call=CALL, leg=story.snoop, at=story.leg()),
    ]
    assert story.answers(story.supervisor).outputs == []
    assert story.answers(story.snoop).outputs == [
        Connect(call=CALL, bridge=BESIDE, legs=(story.supervisor, story.snoop))
    ]


def test_change_of_manner_rings_nobody() -> None:
    story = Story().talks().supervised(Supervision.LISTEN)
    asks(story, Supervision.WHISPER)
    assert story.decisions == [
        SupervisionChanged(call=CALL, supervisor=SOL, leg=story.supervisor, mode=Supervision.WHISPER)
    ]
    assert story.commands == [Unmute(call=CALL, leg=story.supervisor)]
    assert asks(story, Supervision.BARGE).commands == [Connect(call=CALL, bridge=MAIN, legs=(story.supervisor,))]
    assert asks(story, Supervision.LISTEN).commands == [
        Mute(call=CALL, leg=story.supervisor),
        Connect(call=CALL, bridge=BESIDE, legs=(story.supervisor,)),
    ]
    assert "already" in why(asks(story, Supervision.LISTEN))


def test_supervisor_who_speaks_to_all_from_the_start_is_with_all() -> None:
    story = asks(Story().talks(), Supervision.BARGE).answers(Story().supervisor)
    assert story.of(Connect) == [Connect(call=CALL, bridge=MAIN, legs=(story.supervisor,))]
    assert story.of(Mute) == []
    assert story.answers(story.snoop).of(Connect) == [Connect(call=CALL, bridge=BESIDE, legs=(story.snoop,))]


def test_whoever_is_in_a_conversation_and_a_conversation_without_an_agent_are_not_supervised() -> None:
    mine = SupervisionAsked(call=CALL, supervisor=ANA, mode=Supervision.LISTEN)
    assert "cannot supervise" in why(Story().talks().happens(mine))
    his = SupervisionAsked(call=CALL, supervisor=LUIS, mode=Supervision.LISTEN)
    assert "cannot supervise" in why(Story().talks().consults().happens(his))
    message = Story(Medium.VOICEMAIL).offered()
    message.answers(message.leg())
    wish = SupervisionAsked(call=message.id, supervisor=SOL, mode=Supervision.LISTEN)
    assert "no agent" in why(message.happens(wish))


@pytest.mark.parametrize("which", ["supervisor", "snoop"])
def test_supervision_ends_with_either_of_its_legs_and_leaves_nothing(which: str) -> None:
    story = Story().talks().supervised(Supervision.WHISPER)
    gone, other = (story.supervisor, story.snoop) if which == "supervisor" else (story.snoop, story.supervisor)
    story.ends(gone)
    assert story.decisions == [SupervisionEnded(call=CALL, supervisor=SOL, leg=story.supervisor)]
    assert story.commands == [Disconnect(call=CALL, bridge=BESIDE), HangUp(call=CALL, leg=other)]
    assert story.ends(other).outputs == []
    assert story.call.supervised == ()
    again = asks(story, Supervision.LISTEN).of(SupervisionBegan)[0]
    assert again.leg != story.supervisor


def test_supervision_ends_when_the_supervisor_wants_and_only_one_that_is_there() -> None:
    story = Story().talks().supervised(Supervision.LISTEN)
    story.happens(SupervisionEndAsked(call=CALL, supervisor=SOL))
    assert {each.leg for each in story.of(HangUp)} == {story.supervisor, story.snoop}
    assert "no part" in why(story.happens(SupervisionEndAsked(call=CALL, supervisor=SOL)))


def test_supervision_ends_with_the_conversation_and_does_not_follow_the_citizen() -> None:
    story = Story().talks().consults().supervised(Supervision.LISTEN)
    story.ends(story.leg())
    assert story.of(ConversationStarted)[0].agent == LUIS
    assert story.of(SupervisionEnded) == [SupervisionEnded(call=CALL, supervisor=SOL, leg=story.supervisor)]
    assert {each.leg for each in story.of(HangUp)} == {story.supervisor, story.snoop}
    ended = Story().talks().supervised(Supervision.LISTEN).ends(Story().citizen)
    assert len(ended.of(SupervisionEnded)) == 1
    assert {each.leg for each in ended.of(HangUp)} == {ended.leg(), ended.supervisor, ended.snoop}


def test_supervisor_takes_the_conversation_over_without_being_rung_again() -> None:
    story = Story().talks().supervised(Supervision.LISTEN)
    story.happens(TakeOverAsked(call=CALL, supervisor=SOL))
    assert story.decisions == [
        ConversationEnded(call=CALL, agent=ANA, leg=story.leg(), reason=EndReason.TRANSFERRED),
        ConversationStarted(call=CALL, agent=SOL, leg=story.supervisor, bridge=MAIN, queue=QUEUE),
        SupervisionEnded(call=CALL, supervisor=SOL, leg=story.supervisor),
    ]
    assert story.commands == [
        HangUp(call=CALL, leg=story.leg()),
        Connect(call=CALL, bridge=MAIN, legs=(story.supervisor,)),
        Disconnect(call=CALL, bridge=BESIDE),
        Unmute(call=CALL, leg=story.supervisor),
        HangUp(call=CALL, leg=story.snoop),
    ]
    assert (story.call.agent, story.call.supervised) == (SOL, ())


def test_take_over_by_whoever_is_not_there_or_during_a_consultation_is_refused() -> None:
    take_over = TakeOverAsked(call=CALL, supervisor=SOL)
    assert "takes part" in why(Story().talks().happens(take_over))
    assert "takes part" in why(asks(Story().talks(), Supervision.LISTEN).happens(take_over))
    consulting = Story().talks().supervised(Supervision.LISTEN).calls_party()
    assert "consulted" in why(consulting.happens(take_over))


def test_second_supervisor_has_legs_and_a_bridge_of_their_own() -> None:
    story = Story().talks().supervised(Supervision.LISTEN)
    second = SupervisionAsked(call=CALL, supervisor=LUIS, mode=Supervision.LISTEN)
    (began,) = story.happens(second).of(SupervisionBegan)
    assert began.leg != story.supervisor
    assert [each.bridge for each in story.call.supervised] == [BESIDE, bridge_id(CALL, n=3)]
    story.happens(SupervisionEndAsked(call=CALL, supervisor=LUIS))
    assert [each.supervisor for each in story.call.supervised] == [SOL]
    assert story.of(HangUp) == [HangUp(call=CALL, leg=began.leg)]
