"""Each way to choose among agents who are able and free, by itself."""

import pytest

from acd.core.choosing import CHOOSINGS, MOST_RUNG, Bench, Standing
from acd.core.policy import Strategy
from telefonista.kernel.ids import AgentId, CallId, QueueName

TRAMITES = QueueName("tramites")
ANA, BEA, CLO = AgentId("101"), AgentId("102"), AgentId("103")
CALL = CallId("tf1-1.0")
NOBODY: frozenset[AgentId] = frozenset()


def standing(
    *, idle_since: float = 0.0, turn: int = 0, taken: int = 0, other_queues: int = 0, rarity: float = 0.0
) -> Standing:
    return Standing(idle_since, {TRAMITES: turn}, {TRAMITES: taken}, other_queues, rarity)


def bench(strategy: Strategy, *standings: Standing, levels: tuple[int, ...] = (1, 1, 1)) -> Bench:
    made = Bench(CHOOSINGS[strategy], queue=TRAMITES)
    for order, (agent, one, level) in enumerate(zip((ANA, BEA, CLO), standings, levels, strict=False)):
        made.add(agent, level=level, order=order, standing=one)
    return made


@pytest.mark.parametrize(
    ("strategy", "standings", "chosen", "why"),
    [
        (Strategy.LONGEST_IDLE, (standing(idle_since=9), standing(idle_since=5)), BEA, "idle for less time"),
        (Strategy.ROUND_ROBIN, (standing(turn=4), standing(turn=2, idle_since=9)), BEA, "had a turn later"),
        (Strategy.ROUND_ROBIN, (standing(turn=4), standing(turn=0)), BEA, "had a turn later"),
        (Strategy.FEWEST_CALLS, (standing(taken=3), standing(taken=2, idle_since=9)), BEA, "took more calls"),
        (Strategy.FEWEST_CALLS, (standing(idle_since=3), standing(idle_since=2)), BEA, "idle for less time"),
        (Strategy.LINEAR, (standing(idle_since=9), standing(idle_since=5)), ANA, "later in the list"),
        (
            Strategy.LEAST_FLEXIBLE,
            (standing(other_queues=2), standing(other_queues=1, rarity=3)),
            BEA,
            "answers more queues",
        ),
        (Strategy.LEAST_FLEXIBLE, (standing(rarity=0.5), standing(rarity=0.1, idle_since=9)), BEA, "has rarer skills"),
        (Strategy.LEAST_FLEXIBLE, (standing(idle_since=9), standing(idle_since=5)), BEA, "idle for less time"),
    ],
)
def test_strategy_chooses_whom_it_says_and_says_why_not_the_other(
    strategy: Strategy, standings: tuple[Standing, ...], chosen: AgentId, why: str
) -> None:
    made = bench(strategy, *standings)
    (other,) = {ANA, BEA} - {chosen}
    assert made.choose(CALL, unwanted=NOBODY) == (chosen,)
    assert made.lost(other, to=chosen) == why
    assert made.choose(CALL, unwanted=frozenset({chosen})) == (other,)
    assert made.choose(CALL, unwanted=frozenset({ANA, BEA})) == (chosen,)


@pytest.mark.parametrize("strategy", list(Strategy))
def test_agents_of_the_first_level_come_before_those_of_the_second(strategy: Strategy) -> None:
    made = bench(strategy, standing(), standing(idle_since=9, turn=9, taken=9, other_queues=9), levels=(2, 1))
    assert made.choose(CALL, unwanted=NOBODY) == (BEA,)
    assert made.lost(ANA, to=BEA) == "level 2, after level 1"
    assert made.choose(CALL, unwanted=frozenset({BEA})) == (ANA,)


def test_all_who_are_free_are_rung_in_the_order_of_the_list_and_a_bounded_number_of_them() -> None:
    made = bench(Strategy.RING_ALL, standing(), standing(), standing())
    assert made.choose(CALL, unwanted=NOBODY) == (ANA, BEA, CLO)
    assert made.choose(CALL, unwanted=frozenset({BEA})) == (ANA, CLO)
    assert made.choose(CALL, unwanted=frozenset({ANA, BEA, CLO})) == (ANA, BEA, CLO)
    for n in range(2 * MOST_RUNG):
        made.add(AgentId(f"2{n:03d}"), level=1, order=10 + n, standing=standing())
    assert len(made.choose(CALL, unwanted=NOBODY)) == MOST_RUNG


def test_chance_is_drawn_from_the_call_and_finds_everybody_equally_often() -> None:
    made = bench(Strategy.RANDOM, standing(), standing(), standing())
    drawn = [made.choose(CallId(f"tf1-1.{n}"), unwanted=NOBODY)[0] for n in range(600)]
    assert drawn == [made.choose(CallId(f"tf1-1.{n}"), unwanted=NOBODY)[0] for n in range(600)]
    assert all(150 < drawn.count(agent) < 250 for agent in (ANA, BEA, CLO))
    assert {made.choose(CallId(f"tf1-1.{n}"), unwanted=frozenset({ANA, CLO}))[0] for n in range(30)} == {BEA}
    assert made.lost(ANA, to=BEA) == "not drawn"


@pytest.mark.parametrize("leaving", [ANA, BEA, CLO])
def test_who_left_is_not_drawn_any_more(leaving: AgentId) -> None:
    made = bench(Strategy.RANDOM, standing(), standing(), standing())
    made.discard(leaving)
    drawn = {made.choose(CallId(f"tf1-1.{n}"), unwanted=NOBODY)[0] for n in range(60)}
    assert drawn == {ANA, BEA, CLO} - {leaving}
    made.add(leaving, level=1, order=9, standing=standing())
    made.discard(ANA)
    made.discard(BEA)
    assert made.choose(CALL, unwanted=NOBODY) == (CLO,)
