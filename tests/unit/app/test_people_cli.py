"""What a supervisor types, and what the engine is asked by that."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from telefonista.app import client
from telefonista.app.cli import app
from telefonista.app.home import Home

CALL = "tf1-1700000000.1"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    asked: list[tuple[str, dict[str, Any]]] = []

    def post(home: Home, path: str, *, body: Mapping[str, Any] | None = None) -> Any:
        asked.append((path, dict(body or {})))
        return {"said": "done"}

    monkeypatch.setattr(client, "post", post)
    return asked


@pytest.mark.parametrize(
    ("typed", "path", "body"),
    [
        ("agent login 101", "/agents/101/login", {}),
        ("agent logout 101 --as 201", "/agents/101/logout", {"by": "201"}),
        ("agent pause 101 --reason almuerzo", "/agents/101/pause", {"reason": "almuerzo"}),
        ("agent ready 101", "/agents/101/ready", {}),
        ("agent wrap-up 101 --seconds 30", "/agents/101/wrap-up", {"more_s": 30.0}),
        (
            f"agent disposition 101 resuelto --call {CALL}",
            "/agents/101/disposition",
            {"disposition": "resuelto", "call": CALL},
        ),
        (f"supervise {CALL} --as 201 --mode whisper", f"/calls/{CALL}/supervise", {"by": "201", "mode": "whisper"}),
        (f"supervise {CALL} --as 201 --end", f"/calls/{CALL}/unsupervise", {"by": "201"}),
        (f"take-over {CALL} --as 201", f"/calls/{CALL}/takeover", {"by": "201"}),
        (f"move {CALL} --queue tramites", f"/calls/{CALL}/move", {"queue": "tramites", "to_front": False}),
        (f"move {CALL} --front --as 201", f"/calls/{CALL}/move", {"by": "201", "to_front": True}),
        (f"call hold {CALL}", f"/calls/{CALL}/hold", {}),
        (f"call unhold {CALL}", f"/calls/{CALL}/unhold", {}),
        (f"call transfer {CALL} --to hang_up", f"/calls/{CALL}/transfer", {"to": "hang_up"}),
        (f"call consult {CALL} --to callback", f"/calls/{CALL}/consult", {"to": "callback"}),
        (f"call conference {CALL}", f"/calls/{CALL}/conference", {}),
        (f"call complete {CALL}", f"/calls/{CALL}/complete", {}),
        (f"call back {CALL}", f"/calls/{CALL}/back", {}),
    ],
)
def test_command_asks_the_engine_for_what_it_says(
    asked: list[tuple[str, dict[str, Any]]], typed: str, path: str, body: dict[str, Any]
) -> None:
    ended = CliRunner().invoke(app, typed.split())
    assert (ended.exit_code, asked) == (0, [(path, body)]), ended.output


def test_contact_is_not_moved_to_nowhere(asked: list[tuple[str, dict[str, Any]]]) -> None:
    assert CliRunner().invoke(app, ["move", CALL]).exit_code == 2
    assert asked == []


def test_agents_are_shown_with_what_they_do_and_since_when(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = {"name": "", "call": None, "pause": "", "why": "", "disposition_due": False, "since": 0.0}
    shown = [
        {**agent, "agent": "101", "presence": "paused", "pause": "almuerzo", "since": time.time() - 3725},
        {**agent, "agent": "102", "presence": "talking", "pause": "baño", "call": CALL, "since": time.time() - 65},
        {**agent, "agent": "103", "presence": "wrap_up", "disposition_due": True},
        {**agent, "agent": "104", "presence": "unreachable", "why": "not registered"},
    ]
    monkeypatch.setattr(client, "get", lambda home, path: {"agents": shown})
    lines = [line.split() for line in CliRunner().invoke(app, ["agents"], env={"COLUMNS": "80"}).output.splitlines()]
    rows = {line[0]: line[1:] for line in lines if line and line[0].isdecimal()}
    assert rows["101"][0] == "paused"
    assert rows["101"][1].startswith("1:02:0")
    assert rows["101"][2] == "almuerzo"
    assert rows["102"][2:] == ["then:", "baño", CALL]
    assert rows["103"] == ["wrap_up", "owes", "a", "disposition"]
    assert rows["104"] == ["unreachable", "not", "registered"]


def test_token_is_shown_and_replaced(tmp_path: Path, asked: list[tuple[str, dict[str, Any]]]) -> None:
    home = Home(tmp_path)
    home.make()

    def told(*words: str) -> str:
        ended = CliRunner().invoke(app, [*words, "--home", str(tmp_path)])
        assert ended.exit_code == 0, ended.output
        return ended.output

    before = told("people", "show", "101").split()[2]
    after = told("people", "rotate", "101").split()[2]
    assert before != after
    assert told("people", "show", "101").split()[2] == after
    assert asked == [("/reload", {})]
    assert "101" in told("people", "list")
    assert CliRunner().invoke(app, ["people", "show", "999", "--home", str(tmp_path)]).exit_code == 2
