"""What the kernel expects of the world, as Protocols. Adapters implement them; fakes obey the same tests."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from telefonista.kernel.commands import PbxCommand
from telefonista.kernel.events import Entry, Event, Phone
from telefonista.kernel.ids import AgentId, BridgeId, CallId, LegId
from telefonista.kernel.machine import Output


class Room(Protocol):
    """A room's service, as the engine drives it.

    `handle` applies one journalled event to the room's state and returns what follows. On a restart it is called with
    every journalled event in order and what it returns is thrown away, for that stands in the journal too; so it must
    decide nothing by anything but its state and the entry. `resume` returns what must be done again after a restart
    or a gap in the link (timers, sounds that should be playing, phones that should be ringing).
    """

    @property
    def consumes(self) -> frozenset[type]: ...

    def handle(self, entry: Entry) -> Sequence[Output]: ...

    def resume(self, call: CallId, *, at: float) -> Sequence[Output]: ...

    def forget(self, call: CallId) -> None:
        """The call has ended and is sealed; drop what is held of it."""


class ObservedLeg(msgspec.Struct, frozen=True, kw_only=True):
    """A channel as Asterisk lists it after a gap."""

    leg: LegId
    answered: bool
    in_application: bool
    caller: str
    line: str = ""
    dialled: str = ""
    route: str = ""


class ObservedBridge(msgspec.Struct, frozen=True, kw_only=True):
    bridge: BridgeId
    legs: frozenset[LegId]


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is alive in one Asterisk node, and what the agents' phones are."""

    legs: tuple[ObservedLeg, ...] = ()
    bridges: tuple[ObservedBridge, ...] = ()
    phones: dict[AgentId, Phone] = {}


class Pbx(Protocol):
    """One Asterisk node at the other end of a link.

    Events come through the `sink` given at construction: `sink(event, at)`, in the order in which Asterisk sent them.
    """

    @property
    def up(self) -> bool: ...

    def execute(self, commands: Sequence[PbxCommand]) -> None:
        """Send, in this order, without waiting. A failure comes back through the sink as an event; when the link is
        down commands are dropped, for the reconciliation that follows asks for what is missing."""

    async def observe(self, *, agents: Iterable[AgentId]) -> Observation:
        """What is alive now. Raises `LinkDown`."""


class Journal(Protocol):
    def append(self, batch: Sequence[Entry]) -> None:
        """Written (not yet synced) when this returns; a `kill -9` from here on loses nothing."""


class Clock(Protocol):
    def now(self) -> float:
        """Epoch seconds."""

    def call_later(self, after_s: float, action: Callable[[], None]) -> "Cancellable": ...


class Cancellable(Protocol):
    def cancel(self) -> None: ...


Sink = Callable[[Event, float], None]


class CallGone(Exception):
    """The leg or call is no longer there; normal."""


class Refused(Exception):
    """The peer refused: a defect of ours or its policy."""


class LinkDown(Exception):
    """No way to the peer now; whether the request was carried out is unknown."""


class PeerError(Exception):
    """The peer sent what it must not; its connection ends."""
