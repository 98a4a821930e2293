"""Conversations that are held, consulted on, passed on and taken over, on random days with deaths and gaps: nobody is
in two places, nobody is left in silence, nothing is left over."""

import random

import pytest

from tests.fakes.crowded import CrowdedDay


@pytest.mark.parametrize("seed", range(40))
def test_crowded_day_ends_with_nothing_left_and_nobody_in_two_places(seed: int) -> None:
    chance = random.Random(seed)
    CrowdedDay().play([chance.randrange(1_000_000) for _ in range(200)])


def test_crowded_days_meet_what_they_are_there_to_meet() -> None:
    """A day on which nobody was consulted proves nothing."""
    met: set[str] = set()
    for seed in range(20):
        chance = random.Random(seed)
        day = CrowdedDay()
        day.play([chance.randrange(1_000_000) for _ in range(200)])
        met |= {type(event).__name__ for event in day.house.events}
    wanted = {"HoldBegan", "HoldEnded", "PartyJoined", "PartyLeft", "SupervisionBegan", "SupervisionEnded", "Diverted"}
    assert wanted | {"RequestRefused", "NodeLost"} <= met
