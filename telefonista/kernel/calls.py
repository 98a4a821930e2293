"""All contacts that are open, with or without a citizen's channel: the kernel's own room."""

from collections.abc import Mapping, Sequence

from telefonista.kernel.call import MACHINE, Call, CallState, begin, book, hang_up_all
from telefonista.kernel.commands import Answer, Mute, StartMusic, StopPlayback
from telefonista.kernel.events import CallArrived, CallEvent, ContactBooked, Entry
from telefonista.kernel.ids import CallId, is_contact, playback_id
from telefonista.kernel.machine import Output
from telefonista.kernel.parties import FIRST_PLAYBACK
from telefonista.kernel.shape import layout


def owed(call: Call) -> bool:
    """Whether this is a contact that outlives its legs: a callback or a message, until an agent has it."""
    return not call.citizen_here and call.state in (CallState.WAITING, CallState.RINGING, CallState.DIALLING)


class Calls:
    """A `Room` that holds each open call and steps it."""

    consumes: frozenset[type] = frozenset({CallArrived, ContactBooked, *MACHINE.events})

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
        if isinstance(event, ContactBooked):
            self._calls.setdefault(event.call, book(event, at=entry.at))
            return ()
        if known is None:
            return ()
        self._calls[event.call], outputs = MACHINE.step(known, event, at=entry.at)
        return outputs

    def resume(self, call: CallId, *, at: float) -> Sequence[Output]:
        known = self._calls.get(call)
        if known is None:
            return ()
        if known.state is CallState.CLEARING:
            return hang_up_all(known)
        # Whatever of it was asked for before is so already; bridges are made whole by the look at what is there.
        wanted = layout(known)
        again: list[Output] = [] if is_contact(call) else [Answer(call=call, leg=known.citizen)]
        if wanted.ringing is None and known.playbacks and known.message is None:
            # The tone of a ringing that ended while nobody could say so would never end, and Asterisk puts a leg into
            # no bridge before what plays to it has ended (seen).
            last = playback_id(call, n=FIRST_PLAYBACK + known.playbacks)
            again.append(StopPlayback(call=call, playback=last))
        again += [Mute(call=call, leg=leg) for leg in sorted(wanted.muted)]
        return [*again, *(StartMusic(call=call, leg=leg) for leg in wanted.waiting)]

    def forget(self, call: CallId) -> None:
        self._calls.pop(call, None)
