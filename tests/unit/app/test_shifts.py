"""Whatever agents wish, and whenever: no order of it leads the house astray, with gaps and deaths between."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telefonista.kernel.events import Presence
from tests.fakes.shifts import DayOfWishes


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(numbers=st.lists(st.integers(0, 999_999), min_size=20, max_size=80))
def test_nothing_that_agents_wish_leads_the_house_astray(numbers: list[int]) -> None:
    DayOfWishes().play(numbers)


@pytest.mark.parametrize("seed", range(15))
def test_long_day_of_wishes_ends_with_everybody_at_work(seed: int) -> None:
    chance = random.Random(seed)
    DayOfWishes().play([chance.randrange(1_000_000) for _ in range(200)])


def test_days_of_wishes_meet_what_they_are_there_to_meet() -> None:
    met: set[str] = set()
    for seed in range(12):
        chance = random.Random(seed)
        day = DayOfWishes()
        day.play([chance.randrange(1_000_000) for _ in range(200)])
        met |= {type(event).__name__ for event in day.house.events}
        met |= {event.presence for event in day.house.events if hasattr(event, "presence")}
    assert {"DispositionGiven", "AgentRequestRefused", "ConversationEnded"} <= met
    assert {Presence.PAUSED, Presence.WRAP_UP, Presence.OFFLINE, Presence.UNREACHABLE} <= met
