"""All calls that are open: the kernel's own room."""

from collections.abc import Mapping, Sequence

from telefonista.kernel.call import MACHINE, Call, CallState, begin, hang_up_all
from telefonista.kernel.commands import Answer
from telefonista.kernel.events import CallArrived, CallEvent, Entry
from telefonista.kernel.ids import CallId
from telefonista.kernel.machine import Output


class Calls:
    """A `Room` that holds each open call and steps it."""

    consumes: frozenset[type] = frozenset({CallArrived, *MACHINE.events})

    def __init__(self) -> None:
        self._calls: dict[CallId, Call] = {}

    @property
    def open(self) -> Mapping[CallId, Call]:
        return self._calls

    def handle(self, entry: Entry) -> Sequence[Output]:
        event = entry.event
        assert isinstance(event, CallEvent)
        known = self._calls.get(event.call)
        if isinstance(event, CallArrived):
            if known is not None:
                return ()
            self._calls[event.call], outputs = begin(event, at=entry.at)
            return outputs
        if known is None:
            return ()
        self._calls[event.call], outputs = MACHINE.step(known, event, at=entry.at)
        return outputs

    def resume(self, call: CallId, *, at: float) -> Sequence[Output]:
        known = self._calls.get(call)
        if known is None:
            return ()
        if known.state is not CallState.CLEARING:
            return [Answer(call=call, leg=known.citizen)]
        return hang_up_all(known)

    def forget(self, call: CallId) -> None:
        self._calls.pop(call, None)
