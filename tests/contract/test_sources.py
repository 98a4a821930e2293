"""What flows ask of others, against a real HTTP server, a real database, and ones that hang, lie or are away."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import Engine, text

from telefonista.app.errands import MOST_OF_ONE, Errands
from telefonista.kernel.commands import Errand, LookUp, OpenTicket, ReadTicket, Wanted
from telefonista.kernel.events import Event, LookupAnswered, LookupFailed, TicketOpened, TicketStatus
from telefonista.kernel.ids import CallId
from telefonista.store.database import migrate, open_database, sqlite_url
from telefonista.store.sources import (
    LONGEST_ANSWER_BYTES,
    MOST_KEPT,
    Answer,
    HttpSource,
    Parameters,
    Remembering,
    SourceFailed,
    SourceUnusable,
    SqlSource,
)
from telefonista.store.tables import TicketState
from telefonista.store.tickets import (
    UnknownTicket,
    change_ticket,
    check_digit,
    list_tickets,
    open_ticket,
    ticket_status,
)

CALL = CallId("nodo1-1700000000.1")


class _Server(ThreadingHTTPServer):
    """Answers with `content`; remembers what it was asked."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.content = b"{}"
        self.hangs = threading.Event()
        self.dribbles = False
        self.asked: list[dict[str, list[str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/deuda"


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.asked.append(parse_qs(urlsplit(self.path).query))
        if self.server.hangs.is_set():
            time.sleep(0.6)
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", "/otra")
        self.end_headers()
        for begin in range(0, len(self.server.content), 1 if self.server.dribbles else 1 << 20):
            try:
                self.wfile.write(self.server.content[begin:][: 1 if self.server.dribbles else None])
                self.wfile.flush()
            except OSError:
                return
            if self.server.dribbles:
                time.sleep(0.05)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[_Server]:
    running = _Server()
    thread = threading.Thread(target=running.serve_forever, args=(0.02,))
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def asked(server: _Server, *, deadline_s: float = 2.0, **parameters: str | int | bool) -> Answer | None:
    return HttpSource(server.url).ask(parameters, deadline_s=deadline_s)


def test_parameters_are_bound_and_the_object_is_the_answer(server: _Server) -> None:
    server.content = json.dumps({"deuda": 1500}).encode()
    assert asked(server, matricula="SBA 1234&x=1#", vigente=True, anio=2026) == {"deuda": 1500}
    assert server.asked == [{"matricula": ["SBA 1234&x=1#"], "vigente": ["true"], "anio": ["2026"]}]
    assert HttpSource(f"{server.url}?formato=json").ask({"a": "1"}, deadline_s=2.0) == {"deuda": 1500}
    assert server.asked[-1] == {"formato": ["json"], "a": ["1"]}


@pytest.mark.parametrize(("status", "content"), [(204, b""), (404, b"no"), (410, b""), (200, b"null"), (200, b"[]")])
def test_nothing_found_is_an_answer(server: _Server, status: int, content: bytes) -> None:
    server.status, server.content = status, content
    assert asked(server) is None


def test_first_of_a_list_counts(server: _Server) -> None:
    server.content = b'[{"a": 1}, {"a": 2}]'
    assert asked(server) == {"a": 1}


@pytest.mark.parametrize(
    ("status", "content", "why"),
    [
        (500, b"", "HTTP status 500"),
        (302, b"", "HTTP status 302"),
        (200, b"<html>", "not JSON"),
        (200, b"\xff", "not JSON"),
        (200, b"[" * 60_000, "not JSON"),
        (200, b'"deuda"', "no JSON object"),
        (200, b"7", "no JSON object"),
        (200, b" " * (LONGEST_ANSWER_BYTES + 1), "more than 65536 bytes"),
    ],
)
def test_answer_that_is_none_is_refused_with_a_reason(server: _Server, status: int, content: bytes, why: str) -> None:
    server.status, server.content = status, content
    with pytest.raises(SourceFailed, match=why):
        asked(server)


def test_source_that_hangs_dribbles_or_is_away_costs_no_more_than_the_deadline(server: _Server) -> None:
    server.hangs.set()
    with pytest.raises(SourceFailed, match="no answer in time"):
        asked(server, deadline_s=0.2)
    server.hangs.clear()
    server.dribbles, server.content = True, b'{"a": "' + b"x" * 200 + b'"}'
    with pytest.raises(SourceFailed, match="no answer in time"):
        asked(server, deadline_s=0.3)
    with pytest.raises(SourceFailed, match=r"no way to it \(ConnectionRefusedError\)"):
        HttpSource("http://127.0.0.1:9/").ask({}, deadline_s=1.0)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "patente", "http://[", "http:///x"])
def test_address_that_is_none_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(SourceUnusable):
        HttpSource(url)


@pytest.fixture
def vehicles(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'autos.db'}"
    engine = open_database(url)
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(text("CREATE TABLE patentes (matricula TEXT, deuda NUMERIC, vence DATE)"))
        connection.execute(text("INSERT INTO patentes VALUES ('SBA1234', 1500.5, '2026-12-01')"))
    engine.dispose()
    return url


QUERY = "SELECT deuda, vence FROM patentes WHERE matricula = :matricula"


def test_first_row_of_a_query_is_the_answer_and_nothing_is_pasted_into_it(vehicles: str) -> None:
    source = SqlSource(vehicles, query=QUERY, deadline_s=1.0)
    assert source.ask({"matricula": "SBA1234"}, deadline_s=1.0) == {"deuda": 1500.5, "vence": "2026-12-01"}
    assert source.ask({"matricula": "' OR 1=1 --"}, deadline_s=1.0) is None
    source.close()


def test_query_only_reads(vehicles: str) -> None:
    source = SqlSource(vehicles, query="DELETE FROM patentes RETURNING deuda", deadline_s=1.0)
    with pytest.raises(SourceFailed, match="the database refused"):
        source.ask({}, deadline_s=1.0)
    source.close()


def test_database_that_is_away_or_a_query_that_is_wrong_is_a_failure(vehicles: str, tmp_path: Path) -> None:
    for url, query in (
        (f"sqlite:///{tmp_path / 'nada.db'}", QUERY),
        (vehicles, "SELECT nada FROM nadie"),
        ("postgresql://127.0.0.1:9/nada", QUERY),
    ):
        source = SqlSource(url, query=query, deadline_s=1.0)
        with pytest.raises(SourceFailed, match="the database refused"):
            source.ask({"matricula": "x"}, deadline_s=1.0)
        source.close()
    assert not (tmp_path / "nada.db").exists()


@pytest.mark.parametrize("url", ["", "mysql://host/x", "sqlite://", "sqlite:///:memory:"])
def test_database_that_is_none_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(SourceUnusable):
        SqlSource(url, query=QUERY, deadline_s=1.0)


class _Counting:
    """A source that counts how often it is asked, and may hang."""

    def __init__(self, answer: Answer | None = None, *, hangs_s: float = 0.0, fails: Exception | None = None) -> None:
        self.asked = 0
        self._answer = answer
        self._hangs_s = hangs_s
        self._fails = fails

    def ask(self, parameters: Parameters, *, deadline_s: float) -> Answer | None:
        self.asked += 1
        if self._hangs_s:
            time.sleep(self._hangs_s)
        if self._fails is not None:
            raise self._fails
        return self._answer


def test_answers_are_kept_for_a_while_and_a_bounded_number_of_them() -> None:
    now = [0.0]
    counting = _Counting(None)
    source = Remembering(counting, for_s=10.0, now=lambda: now[0])
    for at, number in ((0.0, 1), (9.0, 1), (10.0, 2)):
        now[0] = at
        assert source.ask({"a": 1, "b": True}, deadline_s=1.0) is None
        assert source.ask({"b": True, "a": 1}, deadline_s=1.0) is None
        assert counting.asked == number
    for n in range(MOST_KEPT + 1):
        source.ask({"n": n}, deadline_s=1.0)
    source.ask({"n": 0}, deadline_s=1.0)
    assert counting.asked == 2 + MOST_KEPT + 2


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(sqlite_url(tmp_path / "t.db"))
    migrate(engine)
    yield engine
    engine.dispose()


NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def opened(database: Engine, key: str) -> str:
    return open_ticket(database, key=key, call=CALL, topic="alumbrado", details={"calle": "18"}, at=NOON)


def test_tickets_have_numbers_that_follow_one_another_and_check_themselves(database: Engine) -> None:
    first, second = opened(database, "a"), opened(database, "b")
    assert opened(database, "a") == first
    assert int(second[:-1]) == int(first[:-1]) + 1
    assert all(number[-1] == check_digit(number[:-1]) for number in (first, second))
    assert check_digit("7992739871") == "3"
    assert ticket_status(database, number=first) == "open"
    assert ticket_status(database, number="1234567") == ""


def test_back_office_says_how_far_it_is(database: Engine) -> None:
    number = opened(database, "a")
    change_ticket(database, number=number, status=TicketState.ANSWERED, note="reparado", at=NOON)
    assert ticket_status(database, number=number) == "answered"
    opened(database, "b")
    (row,) = list_tickets(database, status=TicketState.ANSWERED)
    assert (row["number"], row["status"], row["details"], row["opened_at"]) == (
        number,
        "answered",
        {"calle": "18"},
        NOON.isoformat(),
    )
    assert len(list_tickets(database)) == 2
    with pytest.raises(UnknownTicket):
        change_ticket(database, number="1", status=TicketState.CLOSED, note="", at=NOON)


def test_tickets_that_are_opened_at_the_same_time_have_different_numbers(database: Engine) -> None:
    numbers: list[str] = []
    threads = [threading.Thread(target=lambda key=key: numbers.append(opened(database, key))) for key in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(numbers)) == 8


def looking_up(source: str, *, deadline_s: float = 2.0) -> LookUp:
    return LookUp(
        call=CALL,
        request=1,
        source=source,
        parameters={},
        wanted={"monto": Wanted("deuda", "number")},
        deadline_s=deadline_s,
    )


Run = Callable[[Errand], "asyncio.Future[Event]"]


@pytest.fixture
def run(database: Engine) -> Iterator[Run]:
    sources = {
        "buena": _Counting({"deuda": 1500}),
        "vacia": _Counting(None),
        "rara": _Counting({"deuda": "<b>"}),
        "rota": _Counting(fails=SourceFailed("HTTP status 500")),
        "mala": _Counting(fails=KeyError("x")),
        "lenta": _Counting({"deuda": 1}, hangs_s=0.5),
    }
    errands: list[Errands] = []

    def begin(errand: Errand) -> "asyncio.Future[Event]":
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Event] = loop.create_future()
        if not errands:
            errands.append(
                Errands(
                    sources,
                    private=frozenset({"buena"}),
                    database=database,
                    sink=lambda event: None,
                    spawn=lambda work: work.close(),
                )
            )
        task = loop.create_task(errands[0].outcome(errand))
        task.add_done_callback(lambda done: outcome.set_result(done.result()))
        return outcome

    yield begin
    for each in errands:
        each.close()


async def test_answers_are_checked_and_marked_private(run: Run) -> None:
    assert await run(looking_up("buena")) == LookupAnswered(call=CALL, request=1, values={"monto": 1500}, private=True)
    assert await run(looking_up("vacia")) == LookupAnswered(call=CALL, request=1, found=False)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("rara", "deuda is no number"),
        ("rota", "HTTP status 500"),
        ("mala", "a defect of ours"),
        ("nada", "there is no such source"),
    ],
)
async def test_whatever_goes_wrong_is_an_event_with_a_reason(run: Run, source: str, why: str) -> None:
    assert await run(looking_up(source)) == LookupFailed(call=CALL, request=1, why=why)


async def test_source_that_hangs_holds_its_share_of_threads_and_no_more(run: Run) -> None:
    slow = [run(looking_up("lenta", deadline_s=0.1)) for _ in range(MOST_OF_ONE + 2)]
    quick = run(looking_up("buena"))
    reasons = [event.why for event in await asyncio.gather(*slow) if isinstance(event, LookupFailed)]
    assert reasons.count("no answer within 0.1 s") == MOST_OF_ONE
    assert reasons.count("too many are waiting for it already") == 2
    assert isinstance(await quick, LookupAnswered)


async def test_tickets_are_opened_and_read_through_errands(run: Run, database: Engine) -> None:
    opening = OpenTicket(call=CALL, request=2, key="k", topic="bache", details={"calle": "8"}, deadline_s=5.0)
    event = await run(opening)
    assert isinstance(event, TicketOpened)
    assert (event.topic, event.details) == ("bache", {"calle": "8"})
    reading = ReadTicket(call=CALL, request=3, ticket=event.ticket, deadline_s=5.0)
    assert await run(reading) == TicketStatus(call=CALL, request=3, ticket=event.ticket, status="open")


async def test_tickets_of_a_database_that_is_away_are_a_failure(tmp_path: Path) -> None:
    empty = open_database(sqlite_url(tmp_path / "vacia.db"))
    told: list[Event] = []
    tasks: list[asyncio.Task[None]] = []
    errands = Errands(
        {},
        private=frozenset(),
        database=empty,
        sink=told.append,
        spawn=lambda work: tasks.append(asyncio.get_running_loop().create_task(work)),
    )
    errands.run(ReadTicket(call=CALL, request=3, ticket="1", deadline_s=5.0))
    await asyncio.gather(*tasks)
    assert told == [LookupFailed(call=CALL, request=3, why="the database refused (OperationalError)")]
    errands.close()
    empty.dispose()
