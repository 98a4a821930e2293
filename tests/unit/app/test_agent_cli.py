"""`telefonista agent`, as an operator types it: what is written, what the engine is told, and what is said."""

import json
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from telefonista.app import client
from telefonista.app.cli import app
from telefonista.app.config import SAMPLE, parse_config, read_config
from telefonista.app.home import Home

Agent = Callable[..., Result]


@pytest.fixture
def agent(home: Home) -> Agent:
    def command(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["agent", *arguments, "--home", str(home.folder)])

    return command


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An engine that runs: what it was asked."""
    asked: list[str] = []
    monkeypatch.setattr(client, "post", lambda home, path: asked.append(path))
    return asked


def passwords(home: Home) -> dict[str, str]:
    return home.secrets(parse_config(SAMPLE, file="c")).telephones


def test_added_agent_is_in_the_configuration_and_the_screen_says_what_to_type(
    home: Home, agent: Agent, engine: list[str]
) -> None:
    result = agent(
        "add", "104", "--name", "Posición 4", "--queues", "general, tramites", "--skills", "impuestos=7,guarani=3",
        "--languages", "es,gn",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    added = read_config(home.config_file).agents[-1]
    assert (added.id, added.name, added.queues) == ("104", "Posición 4", ("general", "tramites"))
    assert (added.skills, added.languages) == ({"impuestos": 7, "guarani": 3}, ("es", "gn"))
    assert engine == ["/reload"]
    assert passwords(home)["104"] in result.output


def test_removed_agent_leaves_no_password_behind(home: Home, agent: Agent, engine: list[str]) -> None:
    before = passwords(home)["103"]
    assert agent("remove", "103").exit_code == 0
    assert [each.id for each in read_config(home.config_file).agents] == ["101", "102"]
    assert engine == ["/reload"]
    assert "103" not in json.loads(home.secrets_file.read_text())["telephones"]
    assert agent("add", "103", "--queues", "general").exit_code == 0
    assert passwords(home)["103"] != before


@pytest.mark.parametrize("telephone", ["101", "ciudadano"])
def test_rotation_makes_another_password_and_touches_no_other(
    home: Home, agent: Agent, engine: list[str], telephone: str
) -> None:
    before = passwords(home)
    result = agent("rotate", telephone, "--json")
    after = passwords(home)
    assert json.loads(result.output)["password"] == after[telephone] != before[telephone]
    assert {**after, telephone: ""} == {**before, telephone: ""}
    assert engine == ["/accounts"]


def test_agents_are_listed_for_people_and_for_machines(agent: Agent, engine: list[str]) -> None:
    agent("add", "104", "--queues", "general", "--skills", "impuestos=7")
    assert "impuestos 7" in agent("list").output
    rows = json.loads(agent("list", "--json").output)
    assert [row["id"] for row in rows] == ["101", "102", "103", "104"]
    assert rows[-1]["skills"] == {"impuestos": 7}


def test_account_is_shown_again_and_again_the_same(agent: Agent) -> None:
    shown = json.loads(agent("show", "101", "--json").output)
    assert shown["user"] == "101"
    assert json.loads(agent("show", "101", "--json").output) == shown
    assert shown["password"] in agent("show", "101").output


def test_without_an_engine_the_next_start_reads_it(home: Home, agent: Agent) -> None:
    assert agent("add", "104", "--queues", "general").exit_code == 0
    assert read_config(home.config_file).agents[-1].id == "104"


def test_asterisk_that_runs_without_its_engine_is_said_to_know_nothing_of_it(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Home, "asterisk_runs", lambda home: True)
    result = agent("rotate", "101")
    assert result.exit_code == 1
    assert "without its engine" in result.stderr


def test_what_the_engine_refuses_is_taken_back(home: Home, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(home: Home, path: str) -> Any:
        raise client.EngineRefused("no disk is left")

    monkeypatch.setattr(client, "post", refuse)
    for arguments in (("add", "104", "--queues", "general"), ("remove", "103")):
        result = agent(*arguments)
        assert result.exit_code == 2
        assert "no disk is left" in result.stderr
        assert home.config_file.read_text() == SAMPLE


def test_new_password_is_kept_even_when_asterisk_could_not_be_told(
    home: Home, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(home: Home, path: str) -> Any:
        raise client.EngineRefused("Asterisk does not answer")

    before = passwords(home)["101"]
    monkeypatch.setattr(client, "post", refuse)
    result = agent("rotate", "101")
    assert result.exit_code == 1
    assert "Asterisk was not told of it: Asterisk does not answer" in result.stderr
    assert passwords(home)["101"] != before


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("add", "101", "--queues", "general"), "stands here twice"),
        (("add", "1", "--queues", "general"), "2 to 8 digits"),
        (("add", "10a", "--queues", "general"), "2 to 8 digits"),
        (("add", "104", "--queues", ""), "queues"),
        (("add", "104", "--queues", "general,,tramites"), "queues.1"),
        (("add", "104", "--queues", "nobody"), "unknown queue"),
        (("add", "104", "--queues", "general", "--name", 'Ana "la jefa"'), "name"),
        (("add", "104", "--queues", "general", "--name", "Ana\n  - {id: 105}"), "name"),
        (("add", "104", "--queues", "general", "--name", "Ana; [105]"), "name"),
        (("add", "104", "--queues", "general", "--name", "x" * 100_000), "name"),
        (("add", "104", "--queues", "general", "--name", "Ana\x00"), "name"),
        (("add", "104", "--queues", "general", "--skills", "impuestos"), "no skill with its level"),
        (("add", "104", "--queues", "general", "--skills", "a=1,a=2"), "named once"),
        (("add", "104", "--queues", "general", "--skills", "impuestos=11"), "skills.impuestos"),
        (("add", "104", "--queues", "general", "--languages", "español"), "languages.0"),
        (("remove", "109"), "no agent 109"),
        (("remove", "../101"), "no agent ../101"),
        (("rotate", "109"), "no agent 109"),
        (("rotate", "api_token"), "no agent api_token"),
        (("show", "109"), "no agent 109"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_and_nothing_is_written(
    home: Home, agent: Agent, engine: list[str], arguments: tuple[str, ...], why: str
) -> None:
    before = passwords(home)
    result = agent(*arguments)
    assert (result.exit_code, engine) == (2, [])
    assert why in result.stderr
    assert home.config_file.read_text() == SAMPLE
    assert passwords(home) == before


@pytest.mark.parametrize("content", [b"\xff\xfe\x00binary", b"agents: [", b"", b"x: " + b"y" * 200_000])
def test_configuration_that_cannot_be_read_is_left_as_it_is(
    home: Home, agent: Agent, engine: list[str], content: bytes
) -> None:
    home.config_file.write_bytes(content)
    for arguments in (("add", "104", "--queues", "general"), ("remove", "101"), ("rotate", "101"), ("list",)):
        assert agent(*arguments).exit_code != 0
    assert home.config_file.read_bytes() == content
    assert engine == []


def test_folder_that_is_no_installation_is_not_made_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["agent", "list", "--home", str(tmp_path / "nowhere")])
    assert result.exit_code == 2
    assert "no installation yet" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_home_that_may_not_be_written_is_told(home: Home, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("telefonista.app.changing.write_config", refuse)
    result = agent("add", "104", "--queues", "general")
    assert result.exit_code == 2
    assert "cannot be changed" in result.stderr


def test_refusal_of_the_engine_is_told_apart_from_its_absence(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    config = read_config(home.config_file)
    home.secrets(config)
    home.ports(config, sip=None, http=None)

    def refused(*_: Any, **__: Any) -> Any:
        raise urllib.error.HTTPError("http://127.0.0.1/", 422, "no", {}, None)  # type: ignore[arg-type]  # no headers

    monkeypatch.setattr("urllib.request.urlopen", refused)
    with pytest.raises(client.EngineRefused, match="422"):
        client.post(home, "/reload")


def test_supervisor_has_a_telephone_too_and_its_password_can_be_rotated(
    home: Home, agent: Agent, engine: list[str]
) -> None:
    home.config_file.write_text(f'{SAMPLE}\npeople:\n  - {{id: "201", name: Supervisión}}\n', encoding="utf-8")
    shown = json.loads(agent("show", "201", "--json").output)
    assert json.loads(agent("rotate", "201", "--json").output)["password"] != shown["password"]
    assert engine == ["/accounts"]


def test_fingerprint_is_shown_to_its_end_however_narrow_the_screen(home: Home, agent: Agent) -> None:
    text = SAMPLE.replace('{id: "101",', '{id: "101", encryption: required,')
    home.config_file.write_text(f"{text}\nsip_tls_port: 5061\n", encoding="utf-8")
    fingerprint = json.loads(agent("show", "101", "--json").output)["fingerprint"]
    assert fingerprint in "".join(agent("show", "101").output.split())
