"""Whom nobody may call, as the running engine knows it: read from the store at the start and whenever it is changed.

Until it has been read once nobody may be called: a database that is away is no leave to dial.
"""

from collections.abc import Callable

from sqlalchemy import Engine

from telefonista.store.number import e164
from telefonista.store.queries import do_not_call


class DoNotCallList:
    """`country` (ISO 3166) is where a number without a country code belongs; asked each time, for it may be
    configured anew."""

    def __init__(self, *, country: Callable[[], str]) -> None:
        self._country = country
        self._numbers: frozenset[str] | None = None

    @property
    def known(self) -> bool:
        return self._numbers is not None

    def read(self, store: Engine) -> int:
        """Read it anew; how many numbers there are. Blocking. Raises SQLAlchemy's errors; then the old list stays."""
        with store.connect() as connection:
            self._numbers = frozenset(row["number"] for row in do_not_call(connection))
        return len(self._numbers)

    def forbids(self, number: str) -> bool:
        """A number that cannot be read as one is not dialled either."""
        known = e164(number, country=self._country())
        return self._numbers is None or known is None or known in self._numbers
