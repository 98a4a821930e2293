"""Where flows look things up: another system's HTTP address, or a query of a database.

In: a source as the configuration describes it, and values for its parameters, which are bound and never pasted into a
text. Out: an answer as plain values, None where there is none, or `SourceFailed` with a reason for the journal that
never quotes what was asked or answered. Answers are kept for a while where the source says so. Blocking: never on the
loop.
"""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from http.client import HTTPException, HTTPResponse
from typing import Any, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

LONGEST_ANSWER_BYTES = 64 * 1024
MOST_KEPT = 2000
_CHUNK_BYTES = 8192
_NOT_FOUND = (204, 404, 410)

Parameters = Mapping[str, str | int | bool]
Answer = Mapping[str, object]


class SourceFailed(Exception):
    """The source did not answer, or not as a source does."""


class SourceUnusable(Exception):
    """The configuration describes no source; the message is one line."""


class Source(Protocol):
    def ask(self, parameters: Parameters, *, deadline_s: float) -> Answer | None:
        """None where there is nothing of that. Blocking for about `deadline_s` at most. Raises SourceFailed."""


class _NoRedirect(HTTPRedirectHandler):
    """A source says itself; where it sends us could be anywhere."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class HttpSource:
    """A GET of a JSON object, or of a list whose first object counts; 204, 404, 410, null and [] mean: none."""

    def __init__(self, url: str, *, headers: Mapping[str, str] | None = None) -> None:
        """Raises SourceUnusable."""
        try:
            parts = urlsplit(url)
        except ValueError:
            raise SourceUnusable(f"{url[:80]!r} is no address") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SourceUnusable("an address begins with https:// or http://")
        self._url = url
        self._joint = "&" if parts.query else "?"
        self._headers = {"Accept": "application/json", **(headers or {})}
        self._opener = build_opener(_NoRedirect(), ProxyHandler({}))

    def ask(self, parameters: Parameters, *, deadline_s: float) -> Answer | None:
        until = time.monotonic() + deadline_s
        spelled = {name: _spelled(value) for name, value in parameters.items()}
        url = f"{self._url}{self._joint}{urlencode(spelled)}" if spelled else self._url
        try:
            # Its scheme was checked when the source was made.
            request = Request(url, headers=self._headers)  # noqa: S310
            with self._opener.open(request, timeout=deadline_s) as response:
                if response.status in _NOT_FOUND:
                    return None
                content = _read(response, until=until)
        except HTTPError as refusal:
            refusal.close()
            if refusal.code in _NOT_FOUND:
                return None
            raise SourceFailed(f"HTTP status {refusal.code}") from None
        except TimeoutError:
            raise SourceFailed("no answer in time") from None
        except (URLError, HTTPException, OSError, ValueError) as trouble:
            reason = trouble.reason if isinstance(trouble, URLError) else trouble
            raise SourceFailed(
                "no answer in time" if isinstance(reason, TimeoutError) else f"no way to it ({type(reason).__name__})"
            ) from None
        return _object(content)


def _read(response: HTTPResponse, *, until: float) -> bytes:
    """All of it, unless that is too much or takes too long, a little at a time."""
    content = b""
    while chunk := response.read1(_CHUNK_BYTES):
        content += chunk
        if len(content) > LONGEST_ANSWER_BYTES:
            raise SourceFailed(f"more than {LONGEST_ANSWER_BYTES} bytes")
        if time.monotonic() > until:
            raise SourceFailed("no answer in time")
    return content


def _object(content: bytes) -> Answer | None:
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        raise SourceFailed("not JSON") from None
    if isinstance(answer, list):
        answer = answer[0] if answer else None
    if answer is None:
        return None
    if not isinstance(answer, dict):
        raise SourceFailed("no JSON object")
    return answer


def _spelled(value: str | int | bool) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


class SqlSource:
    """The first row of a query, with `:name` where a parameter goes; no row means: none. It only reads."""

    def __init__(self, url: str, *, query: str, deadline_s: float) -> None:
        """Connects to nothing yet; `deadline_s` is the longest that any flow waits. Raises SourceUnusable."""
        self._query = text(query)
        self._engine = _reading(url, deadline_s=deadline_s)

    def ask(self, parameters: Parameters, *, deadline_s: float) -> Answer | None:
        try:
            with self._engine.connect() as connection:
                row = connection.execute(self._query, dict(parameters)).mappings().first()
        except SQLAlchemyError as trouble:
            raise SourceFailed(f"the database refused ({type(trouble).__name__})") from None
        return None if row is None else {str(name): value for name, value in row.items()}

    def close(self) -> None:
        self._engine.dispose()


def _reading(url: str, *, deadline_s: float) -> Engine:
    """An engine that changes nothing and waits for nothing long."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SourceUnusable("the database is sqlite:///PATH or postgresql://HOST/NAME") from None
    if parsed.get_backend_name() == "sqlite" and parsed.database and parsed.database != ":memory:":
        read_only = parsed.set(database=f"file:{parsed.database}", query={"mode": "ro", "uri": "true"})
        return create_engine(read_only, connect_args={"timeout": deadline_s})
    if parsed.get_backend_name() == "postgresql":
        options = f"-c default_transaction_read_only=on -c statement_timeout={round(deadline_s * 1000)}"
        return create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            pool_size=2,
            pool_timeout=deadline_s,
            connect_args={"connect_timeout": max(2, round(deadline_s)), "options": options},
        )
    raise SourceUnusable("the database is sqlite:///PATH or postgresql://HOST/NAME")


class Remembering:
    """A source whose answers count for a while, also those that there is none. Safe for threads."""

    def __init__(self, source: Source, *, for_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._for_s = for_s
        self._now = now
        self._kept: OrderedDict[tuple[tuple[str, object], ...], tuple[float, Answer | None]] = OrderedDict()
        self._lock = threading.Lock()

    def ask(self, parameters: Parameters, *, deadline_s: float) -> Answer | None:
        key = tuple(sorted((name, _spelled(value)) for name, value in parameters.items()))
        with self._lock:
            known = self._kept.get(key)
            if known is not None and known[0] > self._now():
                return known[1]
        answer = self._source.ask(parameters, deadline_s=deadline_s)
        with self._lock:
            self._kept[key] = (self._now() + self._for_s, answer)
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return answer
