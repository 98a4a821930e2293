"""No order of events, loss, repetition, gap, restart or death leads the house astray: random days, and days grown by
hypothesis, with what is checked at every step in `tests/fakes/days.py`."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.days import Day, DayOfGaps, Rules, RulesInGaps, WildDay

DAYS = (Day, DayOfGaps, WildDay, Rules, RulesInGaps)
NUMBERS = st.integers(0, 999_999)


@pytest.mark.parametrize("kind", DAYS, ids=lambda kind: kind.__name__)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(numbers=st.lists(NUMBERS, min_size=20, max_size=80))
def test_nothing_that_can_happen_in_a_day_leads_the_house_astray(kind: type[Day], numbers: list[int]) -> None:
    kind().play(numbers)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("kind", DAYS, ids=lambda kind: kind.__name__)
def test_long_day_of_everything_ends_with_nothing_left(kind: type[Day], seed: int) -> None:
    chance = random.Random(seed)
    kind().play([chance.randrange(1_000_000) for _ in range(150)])


@pytest.mark.parametrize("kind", DAYS, ids=lambda kind: kind.__name__)
def test_random_days_meet_what_they_are_there_to_meet(kind: type[Day]) -> None:
    """A day on which nobody ever talked proves nothing."""
    met: set[str] = set()
    for seed in range(20):
        chance = random.Random(seed)
        day = kind()
        day.play([chance.randrange(1_000_000) for _ in range(150)])
        met |= {type(event).__name__ for event in day.house.events}
    assert {"OptionChosen", "InputRejected", "WaitAnnounced", "AgentRang", "ConversationEnded", "RecordingKept"} <= met
    if issubclass(kind, DayOfGaps):
        assert {"CallLost", "CallStopped", "NodeLost"} <= met
    if issubclass(kind, Rules):
        assert {"CallbackGranted", "AttemptMade", "Diverted", "MoveAsked", "PlaceChanged"} <= met
    if kind is Rules:
        assert {"CallbackRefused", "VisitResumed", "ContactPostponed"} <= met
