"""The demonstration against a running engine: equal accounts, and clear words where it cannot be given."""

from __future__ import annotations

import pytest

from telefonista.app.client import NotRunning
from telefonista.app.demo import DemoImpossible, run_demo
from tests.asterisk.conftest import OpenHouse


async def test_demonstration_ends_with_equal_accounts(open_house: OpenHouse) -> None:
    """Eight citizens, two agents, ten seconds: some are helped, some give up, some leave in the menu."""
    house = await open_house(flow="0800-info", agents=("101", "102"), ring_s=5.0)
    result = await run_demo(house.home, citizens=8, agents=2, seconds=10, seed=4, report=print)
    assert result.differences == ()
    figures = {row.name: row.sent for row in result.rows}
    assert figures["calls"] == figures["arrived"] == 8
    assert figures["answered by an agent"] >= 2
    assert figures["recordings"] >= 2
    assert not list(house.home.run.glob("demo-*")), "nothing is left of it"


async def test_demonstration_that_cannot_be_given_says_why(open_house: OpenHouse) -> None:
    """More agents than there are; an agent whose telephone is somebody's own; draining; no engine at all."""
    house = await open_house(agents=("101",))
    with pytest.raises(DemoImpossible, match=r"2 agents: .* has 1"):
        await run_demo(house.home, citizens=1, agents=2, seconds=10, report=print)
    with pytest.raises(DemoImpossible, match="0 citizens"):
        await run_demo(house.home, citizens=0, agents=1, seconds=10, report=print)
    await house.agent("101")
    with pytest.raises(DemoImpossible, match="push real ones aside"):
        await run_demo(house.home, citizens=1, agents=1, seconds=10, report=print)
    await house.command("drain")
    with pytest.raises(DemoImpossible, match="takes no calls"):
        await run_demo(house.home, citizens=1, agents=1, seconds=10, report=print)
    await house.everybody_leaves()
    await house.stop_engine()
    with pytest.raises(NotRunning, match="telefonista run"):
        await run_demo(house.home, citizens=1, agents=1, seconds=10, report=print)
