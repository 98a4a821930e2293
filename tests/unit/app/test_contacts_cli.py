"""Callbacks, messages, the list of who must not be called and the audit, as somebody at a terminal asks for them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from telefonista.app.cli import app
from telefonista.app.config import SAMPLE
from telefonista.app.home import Home
from telefonista.kernel.events import (
    ContactBooked,
    Entry,
    Medium,
    OfferEnded,
    OfferOutcome,
    PauseAsked,
    RequestRefused,
    VisitStarted,
)
from telefonista.kernel.ids import CallId, contact_id, offer_id, recording_id, visit_id
from telefonista.store.database import migrate, open_database, sqlite_url
from telefonista.store.projection import IN_ONE_COUNTRY, project
from tests.contract.stories import (
    AGENTS,
    LINE,
    QUEUES,
    START,
    TRUNK,
    arrived,
    attempted,
    entries_of,
    offered,
    waiting,
    wants_to_be_called_back,
)

ONE = CallId("tf1-1760000000.1")
CALLBACK, MESSAGE = contact_id(ONE, n=1), contact_id(ONE, n=2)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "var")
    made.make()
    made.config_file.write_text(SAMPLE, encoding="utf-8")
    return made


def happened(home: Home, *batches: Sequence[Any]) -> None:
    store = open_database(sqlite_url(home.database_file))
    migrate(store)
    entries: list[Entry] = []
    for n, batch in enumerate(batches):
        entries += entries_of(batch, seq=len(entries) + 1, at=START + n)
    with store.connect().execution_options(writes=True) as connection, connection.begin():
        project(connection, entries, country_of=IN_ONE_COUNTRY)
    store.dispose()


def telefonista(home: Home, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--home", str(home.folder)], env={"COLUMNS": "80"})


def asked(home: Home, *arguments: str) -> Any:
    result = telefonista(home, *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def left_a_message() -> list[Any]:
    return [
        ContactBooked(
            call=MESSAGE,
            origin=ONE,
            medium=Medium.VOICEMAIL,
            queue=QUEUES[1],
            number="",
            line=LINE,
            route=TRUNK,
            place_at=START,
            message=recording_id(ONE, n=1),
        ),
        VisitStarted(call=MESSAGE, visit=visit_id(MESSAGE, n=1), queue=QUEUES[1], medium=Medium.VOICEMAIL),
    ]


def test_who_is_to_be_called_back_is_shown_with_what_was_tried(home: Home) -> None:
    tried = attempted(CALLBACK, attempt=1, outcome=OfferOutcome.BUSY)
    happened(home, *wants_to_be_called_back(ONE, CALLBACK), *tried)
    shown = telefonista(home, "callbacks")
    assert shown.exit_code == 0
    (row,) = [line.split() for line in shown.stdout.splitlines() if CALLBACK in line]
    assert row[2:] == ["099123456", "tramites", "1", "busy", CALLBACK]
    assert max(len(line) for line in shown.stdout.splitlines()) <= 80
    (plain,) = asked(home, "callbacks")
    assert (plain["id"], plain["origin"], len(plain["attempts"])) == (CALLBACK, ONE, 1)


def test_message_is_shown_and_not_among_the_callbacks(home: Home) -> None:
    happened(home, arrived(ONE), left_a_message())
    shown = telefonista(home, "messages")
    (row,) = [line.split() for line in shown.stdout.splitlines() if MESSAGE in line]
    assert row[2:] == ["unknown", "impuestos", MESSAGE]
    assert [one["message"] for one in asked(home, "messages")] == [recording_id(ONE, n=1)]
    assert asked(home, "callbacks") == []


def test_callback_cannot_be_called_off_while_no_engine_runs(home: Home) -> None:
    happened(home, *wants_to_be_called_back(ONE, CALLBACK))
    result = telefonista(home, "callbacks", "--cancel", CALLBACK)
    assert result.exit_code != 0


def test_number_goes_on_the_list_and_off_it_whatever_its_spelling(home: Home) -> None:
    assert "+59899123456 is not called any more" in telefonista(home, "dnc", "add", "099 123 456").stdout
    assert "was on the list already" in telefonista(home, "dnc", "add", "+59899123456").stdout
    (listed,) = asked(home, "dnc", "list")
    assert listed["number"] == "+59899123456"
    assert "+59899123456" in telefonista(home, "dnc", "list").stdout
    assert "may be called again" in telefonista(home, "dnc", "remove", "099123456").stdout
    assert asked(home, "dnc", "list") == []


def test_reason_of_a_number_on_the_list_is_kept(home: Home) -> None:
    telefonista(home, "dnc", "add", "099123456", "--why", "lo pidió por escrito")
    (listed,) = asked(home, "dnc", "list")
    assert listed["why"] == "lo pidió por escrito"


@pytest.mark.parametrize("action", ["add", "remove"])
def test_what_is_no_number_is_refused_in_one_line(home: Home, action: str) -> None:
    result = telefonista(home, "dnc", action, "hola")
    assert result.exit_code == 2
    assert result.stderr.strip() == "telefonista: 'hola' is no telephone number of UY, nor one with a country code"


def test_number_that_is_not_on_the_list_cannot_be_taken_off_it(home: Home) -> None:
    result = telefonista(home, "dnc", "remove", "099123456")
    assert (result.exit_code, "+59899123456 is not on the list" in result.stderr) == (2, True)


def test_why_a_contact_came_to_an_agent_is_told_in_words(home: Home) -> None:
    missed = [
        OfferEnded(
            call=ONE,
            visit=visit_id(ONE, n=1),
            offer=offer_id(ONE, n=1),
            agent=AGENTS[0],
            outcome=OfferOutcome.UNANSWERED,
        )
    ]
    happened(home, arrived(ONE), waiting(ONE), offered(ONE), missed, offered(ONE, agent=AGENTS[2], n=2))
    lines = telefonista(home, "why", ONE).stdout.splitlines()
    assert "099123456" in lines[0]
    assert "queue tramites" in lines[1]
    assert lines[2].endswith("offered to 101: unanswered")
    assert [line.strip() for line in lines[3:5]] == [
        "101 Posición 1 was offered it in tramites.",
        "Not 102 Posición 2: talking.",
    ]
    assert lines[5].endswith("offered to 103: ringing")


def test_call_without_a_queue_has_no_why(home: Home) -> None:
    happened(home, arrived(ONE))
    assert telefonista(home, "why", ONE).stdout.splitlines()[1].strip() == "it was in no queue"


def test_why_of_a_call_that_is_unknown_says_where_ids_are(home: Home) -> None:
    result = telefonista(home, "why", "tf1-9.9")
    assert (result.exit_code, "telefonista calls --json" in result.stderr) == (2, True)


def test_audit_shows_who_wanted_what_and_what_was_refused(home: Home) -> None:
    happened(
        home,
        arrived(ONE),
        [PauseAsked(agent=AGENTS[0], reason="almuerzo", by="201")],
        [RequestRefused(call=ONE, by="201", what="TakeOverAsked", why="nobody talks")],
    )
    lines = [line.split() for line in telefonista(home, "audit").stdout.splitlines() if " 201 " in line]
    assert [line[2:] for line in lines] == [
        ["201", "TakeOver", ONE, "nobody", "talks"],
        ["201", "Pause", AGENTS[0], "almuerzo"],
    ]
    assert len(asked(home, "audit", "--limit", "1")) == 1


def test_home_that_is_none_is_said_in_one_line(tmp_path: Path) -> None:
    result = telefonista(Home(tmp_path / "nowhere"), "callbacks")
    assert result.exit_code == 2
    assert "is no installation yet" in result.stderr
