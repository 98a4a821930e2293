"""`telefonista tickets`, as the back office types it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from telefonista.app.cli import app
from telefonista.app.config import SAMPLE
from telefonista.app.home import Home
from telefonista.kernel.ids import CallId
from telefonista.store.database import migrate, open_database, sqlite_url
from telefonista.store.tickets import open_ticket, ticket_status


def tickets(home: Home, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["tickets", *arguments, "--home", str(home.folder)])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.config_file.write_text(SAMPLE, encoding="utf-8")
    return home


@pytest.fixture
def number(home: Home) -> str:
    database = open_database(sqlite_url(home.database_file))
    migrate(database)
    noon = datetime(2026, 11, 24, 12, tzinfo=UTC)
    number = open_ticket(database, key="k", call=CallId("c"), topic="alumbrado", details={"calle": "[red]18"}, at=noon)
    database.dispose()
    return number


def test_ticket_is_listed_and_its_status_is_told_from_then_on(home: Home, number: str) -> None:
    listed = tickets(home, "list")
    assert number in listed.stdout
    assert "calle [red]18" in listed.stdout
    assert tickets(home, "set", number, "answered", "--note", "reparado").stdout.strip() == f"{number}: answered"
    (row,) = json.loads(tickets(home, "list", "--json", "--status", "answered").stdout)
    assert (row["number"], row["note"], row["topic"]) == (number, "reparado", "alumbrado")
    database = open_database(sqlite_url(home.database_file))
    assert ticket_status(database, number=number) == "answered"
    database.dispose()


def test_ticket_that_is_not_there_is_told(home: Home, number: str) -> None:
    result = tickets(home, "set", number[:-1], "closed")
    assert (result.exit_code, "there is no ticket" in result.stderr) == (2, True)
    assert json.loads(tickets(home, "list", "--json", "--status", "closed").stdout) == []
