"""The menu on a real line: keys, no key, wrong keys. There is always a way to a person."""

from __future__ import annotations

import pytest

from telefonista.app.sipp import Behaviour, CitizenPlan, EndedBy, Press
from tests.asterisk.conftest import OpenHouse

NUMBER = "099463020"


WRONG_KEYS = tuple(Press(after_s=after_s, keys="7") for after_s in (0.5, 3.5, 6.5))


@pytest.mark.parametrize(
    ("keys", "option"),
    [
        pytest.param((), None, id="no-key-at-all"),
        pytest.param(WRONG_KEYS, None, id="a-wrong-key-each-time"),
        pytest.param((Press(after_s=0.3, keys="0"),), "persona", id="zero"),
    ],
)
async def test_citizen_reaches_a_person_without_choosing_a_topic(
    open_house: OpenHouse, keys: tuple[Press, ...], option: str | None
) -> None:
    """Citizen → 4636 → menu: nothing, or 7, three times, or 0 at once → queue general → 101 answers and hangs up."""
    house = await open_house(agents=("101",))
    await house.agent("101", behaviour=Behaviour(after_s=0.2, talks_s=0.5))
    citizens = await house.citizens(CitizenPlan(number=NUMBER, presses=keys))
    (seen,) = await citizens.wait()
    assert (seen.status, seen.ended_by) == (200, EndedBy.SYSTEM)
    row = await house.stored(NUMBER)
    assert [(visit["queue"], visit["outcome"]) for visit in row["visits"]] == [("general", "answered")]
    pressed = [press.keys for press in keys] or [""] * 3
    assert [(choice["digit"], choice["option"]) for choice in row["choices"]] == [(key, option) for key in pressed]


async def test_citizen_who_presses_while_the_menu_speaks_is_not_made_to_listen(open_house: OpenHouse) -> None:
    """Citizen → 4636 → the sample flow's welcome → 2 at once → queue impuestos, before the menu could have ended."""
    house = await open_house(flow="0800-info", agents=("101",))
    await house.agent("101", behaviour=Behaviour(after_s=0.1, talks_s=0.3))
    citizens = await house.citizens(CitizenPlan(number=NUMBER, presses=(Press(after_s=0.5, keys="2"),)))
    (seen,) = await citizens.wait()
    assert seen.answered_at is not None
    assert seen.ended_at is not None
    assert seen.ended_at - seen.answered_at < 10
    (visit,) = (await house.stored(NUMBER))["visits"]
    assert visit["queue"] == "impuestos"
