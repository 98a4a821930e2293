"""The doctor at a running installation, and at one whose engine was just killed."""

from __future__ import annotations

from telefonista.app.doctor import Finding, examine
from tests.asterisk.conftest import OpenHouse
from tests.asterisk.house import House


async def examined(house: House) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in await examine(house.home):
        found.setdefault(finding.name, []).append(finding)
    return found


def to_mend(found: dict[str, list[Finding]]) -> list[Finding]:
    return [finding for findings in found.values() for finding in findings if not finding.good]


async def test_running_installation_has_nothing_to_mend_and_holds_its_own_ports(open_house: OpenHouse) -> None:
    house = await open_house()
    found = await examined(house)
    assert to_mend(found) == []
    assert found["engine"][0].said == "running and taking calls"
    assert "all modules wanted are running" in found["asterisk running"][0].said
    assert found["ports"][0].said.count("held by this installation") == 6


async def test_asterisk_that_goes_on_without_its_engine_is_still_ours(open_house: OpenHouse) -> None:
    house = await open_house()
    await house.kill_engine()
    found = await examined(house)
    await house.start_engine()
    assert to_mend(found) == []
    assert found["engine"][0].said == "not running"
    assert "all modules wanted are running" in found["asterisk running"][0].said
