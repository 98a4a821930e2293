"""Who must not be called is not called, whatever the spelling, and whether the list can be read or not."""

from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from telefonista.app.do_not_call import DoNotCallList
from telefonista.store.database import migrate, open_database, sqlite_url
from telefonista.store.queries import must_not_call
from telefonista.store.tables import moment


@pytest.fixture
def store(tmp_path: Path) -> Engine:
    made = open_database(sqlite_url(tmp_path / "store.db"))
    migrate(made)
    with made.connect().execution_options(writes=True) as connection, connection.begin():
        must_not_call(connection, number="+59899123456", why="lo pidió", at=moment(1_760_000_000))
    return made


def uruguay() -> str:
    return "UY"


def test_number_on_the_list_is_forbidden_however_it_is_written(store: Engine) -> None:
    numbers = DoNotCallList(country=uruguay)
    assert numbers.read(store) == 1
    assert [numbers.forbids(number) for number in ("099123456", "+598 99 123 456", "0059899123456")] == [True] * 3
    assert not numbers.forbids("099123457")


def test_what_is_no_number_is_not_dialled(store: Engine) -> None:
    numbers = DoNotCallList(country=uruguay)
    numbers.read(store)
    assert numbers.forbids("anonymous")
    assert numbers.forbids("")


def test_nobody_is_called_before_the_list_was_read() -> None:
    numbers = DoNotCallList(country=uruguay)
    assert not numbers.known
    assert numbers.forbids("099123457")


def test_list_that_cannot_be_read_again_stays_as_it_was(store: Engine, tmp_path: Path) -> None:
    numbers = DoNotCallList(country=uruguay)
    numbers.read(store)
    with pytest.raises(OperationalError):
        numbers.read(open_database(sqlite_url(tmp_path / "empty.db")))
    assert numbers.known
    assert numbers.forbids("099123456")
    assert not numbers.forbids("099123457")
