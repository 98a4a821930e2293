"""Runs what flows ask of other systems and of the back office, off the calls' path, each within its deadline.

In: errands, as the engine meets them. Out: for each one event, whatever happens: the answer, checked, or why there is
none. Threads do the asking; a source that hangs holds no more than its share of them. Decides nothing about calls.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ivr.core.lookups import Nonsense, taken
from telefonista.kernel.commands import Errand, LookUp, OpenTicket
from telefonista.kernel.events import Event, LookupAnswered, LookupFailed, TicketOpened, TicketStatus
from telefonista.store.sources import Source, SourceFailed
from telefonista.store.tickets import open_ticket, ticket_status

_log = structlog.get_logger("telefonista.errands")

THREADS = 16
MOST_OF_ONE = 6
"""Threads that one source, or the tickets' database, may hold."""
TICKETS = ""


class Errands:
    """`sources` may be replaced while running."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        *,
        private: frozenset[str],
        database: Engine,
        sink: Callable[[Event], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`private` are the sources whose answers the journal must not have."""
        self.replace(sources, private=private)
        self._database = database
        self._sink = sink
        self._spawn = spawn
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="errand")
        self._held: Counter[str] = Counter()

    def replace(self, sources: Mapping[str, Source], *, private: frozenset[str]) -> None:
        self._sources = dict(sources)
        self._private = private

    def run(self, errand: Errand) -> None:
        """Begin; `sink` gets the event that ends it."""
        self._spawn(self._tell(errand))

    async def _tell(self, errand: Errand) -> None:
        self._sink(await self.outcome(errand))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def outcome(self, errand: Errand) -> Event:
        """The event that answers an errand, within its deadline."""
        whose = errand.source if isinstance(errand, LookUp) else TICKETS
        if self._held[whose] >= MOST_OF_ONE:
            return _failed(errand, "too many are waiting for it already")
        self._held[whose] += 1
        asking = asyncio.get_running_loop().run_in_executor(self._threads, self._asked(errand))
        # The thread may outlive the deadline, and counts as held until it comes back.
        asking.add_done_callback(partial(self._back, whose))
        try:
            async with asyncio.timeout(errand.deadline_s):
                return await asyncio.shield(asking)
        except TimeoutError:
            return _failed(errand, f"no answer within {errand.deadline_s:g} s")
        except (SourceFailed, Nonsense) as trouble:
            return _failed(errand, str(trouble))
        except SQLAlchemyError as trouble:
            return _failed(errand, f"the database refused ({type(trouble).__name__})")
        except Exception as defect:
            _log.error("an errand died of a defect", exc_info=defect)
            return _failed(errand, "a defect of ours")

    def _back(self, whose: str, asking: "asyncio.Future[Event]") -> None:
        self._held[whose] -= 1
        if not asking.cancelled():
            asking.exception()  # one that comes after the deadline is nobody's concern

    def _asked(self, errand: Errand) -> Callable[[], Event]:
        if isinstance(errand, LookUp):
            return partial(self._look_up, errand)
        if isinstance(errand, OpenTicket):
            return partial(self._open_ticket, errand)
        return lambda: TicketStatus(
            call=errand.call,
            request=errand.request,
            ticket=errand.ticket,
            status=ticket_status(self._database, number=errand.ticket),
        )

    def _look_up(self, errand: LookUp) -> Event:
        source = self._sources.get(errand.source)
        if source is None:
            raise SourceFailed("there is no such source")
        answer = source.ask(errand.parameters, deadline_s=errand.deadline_s)
        private = errand.source in self._private
        if answer is None:
            return LookupAnswered(call=errand.call, request=errand.request, found=False, private=private)
        values = taken(answer, wanted=errand.wanted)
        return LookupAnswered(call=errand.call, request=errand.request, values=values, private=private)

    def _open_ticket(self, errand: OpenTicket) -> Event:
        ticket = open_ticket(
            self._database,
            key=errand.key,
            call=errand.call,
            topic=errand.topic,
            details=errand.details,
            at=datetime.now(UTC),
        )
        return TicketOpened(
            call=errand.call, request=errand.request, ticket=ticket, topic=errand.topic, details=errand.details
        )


def _failed(errand: Errand, why: str) -> LookupFailed:
    return LookupFailed(call=errand.call, request=errand.request, why=why)
