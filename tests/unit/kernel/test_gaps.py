"""An engine that was away comes back to each situation of a call: what is there goes on, what is missing is mended, and
nobody is dialled again."""

from collections.abc import Callable

import pytest

from telefonista.kernel.commands import Connect, Dial, Disconnect, HangUp, Ring, Snoop
from telefonista.kernel.events import (
    AttemptEnded,
    ConversationEnded,
    EndReason,
    HoldAsked,
    LegAnswered,
    LegEnded,
    Medium,
    OfferOutcome,
    Supervision,
    SupervisionAsked,
    TransferAsked,
)
from telefonista.kernel.ids import BridgeId, LegId
from telefonista.kernel.ports import Observation, ObservedBridge, ObservedLeg
from telefonista.kernel.reconcile import Agreement, reconcile
from telefonista.kernel.shape import awaited, layout
from tests.unit.kernel.story import ANA, CALL, OUTSIDE, QUEUE_AGAIN, SOL, Story


def dialling() -> Story:
    story = Story(Medium.CALLBACK).offered()
    return story.answers(story.leg())


def diverting() -> Story:
    story = Story().talks()
    story.happens(TransferAsked(call=CALL, agent=ANA, to=OUTSIDE))
    return story.ends(story.leg())


LISTENING = SupervisionAsked(call=CALL, supervisor=SOL, mode=Supervision.LISTEN)
SITUATIONS: dict[str, Callable[[], Story]] = {
    "held": lambda: Story().talks().happens(HoldAsked(call=CALL, agent=ANA)),
    "calling a colleague": lambda: Story().talks().calls_party(),
    "consulting": lambda: Story().talks().consults(),
    "supervised": lambda: Story().talks().supervised(Supervision.WHISPER),
    "a supervisor is rung": lambda: Story().talks().happens(LISTENING),
    "about to be supervised": lambda: Story().talks().happens(LISTENING).answers(Story().supervisor),
    "dialling": dialling,
    "diverting": diverting,
    "owed": lambda: Story(Medium.CALLBACK),
    "several rung": lambda: Story().waits().offered(1).offered(2),
}


def legs_of(story: Story, *, but: frozenset[LegId] = frozenset()) -> tuple[ObservedLeg, ...]:
    """As Asterisk lists them: those that are waited for are not up yet."""
    ringing = awaited(story.call)
    return tuple(
        ObservedLeg(leg=leg, answered=leg not in ringing, in_application=True, caller="")
        for leg in sorted(story.call.legs - but)
    )


def bridges_of(story: Story) -> tuple[ObservedBridge, ...]:
    return tuple(
        ObservedBridge(bridge=bridge, legs=frozenset(legs)) for bridge, legs in layout(story.call).bridges.items()
    )


def agreed(
    story: Story, *, legs: tuple[ObservedLeg, ...] | None = None, bridges: tuple[ObservedBridge, ...] | None = None
) -> Agreement:
    calls = {story.id: story.call}
    seen = Observation(
        legs=legs_of(story) if legs is None else legs, bridges=bridges_of(story) if bridges is None else bridges
    )
    return reconcile(believed=calls, now=calls, observation=seen)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_situation_that_is_as_the_journal_says_is_left_as_it_is(situation: str) -> None:
    assert agreed(SITUATIONS[situation]()) == Agreement(events=[], commands=[])


@pytest.mark.parametrize("situation", SITUATIONS)
def test_bridges_that_are_gone_are_made_again_with_everybody_who_belongs_there(situation: str) -> None:
    story = SITUATIONS[situation]()
    wanted = layout(story.call).bridges
    assert agreed(story, bridges=()).commands == [
        Connect(call=story.id, bridge=bridge, legs=legs) for bridge, legs in wanted.items()
    ]


@pytest.mark.parametrize("situation", SITUATIONS)
def test_bridge_that_belongs_to_nothing_any_more_is_destroyed(situation: str) -> None:
    story = SITUATIONS[situation]()
    stray = BridgeId(f"{story.id}.b9")
    found = (*bridges_of(story), ObservedBridge(bridge=stray, legs=frozenset()))
    assert agreed(story, bridges=found).commands == [Disconnect(call=story.id, bridge=stray)]


@pytest.mark.parametrize("situation", SITUATIONS)
def test_whoever_answered_meanwhile_is_found_to_have_answered(situation: str) -> None:
    story = SITUATIONS[situation]()
    waited_for = awaited(story.call)
    up = tuple(ObservedLeg(leg=leg, answered=True, in_application=True, caller="") for leg in sorted(story.call.legs))
    assert agreed(story, legs=up).events == [LegAnswered(call=story.id, leg=leg) for leg in sorted(waited_for)]


@pytest.mark.parametrize("situation", SITUATIONS)
def test_whoever_is_gone_is_lost_and_nobody_is_dialled_for_it(situation: str) -> None:
    story = SITUATIONS[situation]()
    everybody = story.call.legs
    lost = agreed(story, legs=(), bridges=())
    assert lost.events == [LegEnded(call=story.id, leg=leg, cause=0, lost=True) for leg in sorted(everybody)]
    story.happens(*lost.events)
    assert not [each for each in story.outputs if isinstance(each, Ring | Dial | Snoop)]


def test_legs_whose_hanging_up_was_never_carried_out_are_hung_up() -> None:
    passed_on = Story().talks().happens(TransferAsked(call=CALL, agent=ANA, to=QUEUE_AGAIN))
    given_up = dialling().ends(dialling().leg())
    for story, leg in ((passed_on, passed_on.leg()), (given_up, given_up.citizen)):
        assert leg in story.call.legs
        assert agreed(story).commands == [HangUp(call=story.id, leg=leg)]


def test_citizen_whose_dialling_is_unknown_was_not_reached_and_the_agent_is_let_go() -> None:
    """The intent is in the journal, and whether Asterisk ever heard of it nobody can say."""
    story = dialling()
    story.happens(*agreed(story, legs=legs_of(story, but=frozenset({story.citizen}))).events)
    (ended,) = story.of(AttemptEnded)
    assert ended.outcome is OfferOutcome.LOST
    assert story.of(HangUp) == [HangUp(call=story.id, leg=story.leg())]
    assert story.of(Dial) == []


def test_conversation_whose_agent_is_gone_is_nobodys_hanging_up() -> None:
    story = Story().talks()
    story.happens(LegEnded(call=CALL, leg=story.leg(), cause=0, lost=True))
    assert story.of(ConversationEnded)[0].reason is EndReason.LOST
