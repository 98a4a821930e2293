"""The start-up guard against other distributions that own one of our names."""

import pytest

from telefonista.app import names
from telefonista.app.names import OURS, NameTaken, check_names


def owners(**of: list[str]) -> dict[str, list[str]]:
    return {name: ["telefonista"] for name in OURS} | of


def installed(monkeypatch: pytest.MonkeyPatch, owned: dict[str, list[str]]) -> None:
    monkeypatch.setattr(names, "packages_distributions", lambda: owned)


def test_names_that_only_we_own_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, owners(requests=["requests"]))
    check_names()


def test_names_that_nobody_owns_are_those_of_a_working_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, {})
    check_names()


def test_own_name_is_the_same_in_every_spelling(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, owners(agents=["Telefonista", "telefonista"]))
    check_names()


def test_name_of_another_distribution_is_told_with_its_owner_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, owners(agents=["telefonista", "openai-agents", "openai-agents"]))
    with pytest.raises(NameTaken, match=r"'agents' is also installed by openai-agents: .* virtual environment"):
        check_names()


def test_this_very_environment_is_in_order() -> None:
    check_names()
