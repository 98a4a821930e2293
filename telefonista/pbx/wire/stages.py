"""The stages of a link, as a table: connect, resubscribe, reconcile, up.

In: what happened to a connection. Out: the next stage; the shell does what entering a stage asks for and nothing is
decided elsewhere. Every connection goes through all stages, a replayed gap or not. Must never import I/O.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from telefonista.kernel.machine import IMPOSSIBLE, LATE, Exempt, Machine, Output, Reaction


class Stage(Enum):
    DOWN = "down"
    CONNECTED = "connected"
    """Asterisk is there and has proved who it is; it is told which events we want."""
    RESUBSCRIBING = "resubscribing"
    """The agents' phones are subscribed to."""
    RECONCILING = "reconciling"
    """What is alive is listed."""
    UP = "up"


class Link(msgspec.Struct, frozen=True, kw_only=True):
    state: Stage = Stage.DOWN
    connections: int = 0
    """How many there have been; tells one connection's answers from another's."""
    why_down: str = ""


class Opened(msgspec.Struct, frozen=True):
    """Asterisk dialled us and gave the right credentials."""


class FilterSet(msgspec.Struct, frozen=True):
    """Only the wanted events come from here on."""


class Subscribed(msgspec.Struct, frozen=True):
    """Changes of every agent's phone will be told."""


class Observed(msgspec.Struct, frozen=True):
    """What is alive has been listed."""


class Dropped(msgspec.Struct, frozen=True):
    """The connection is gone, by whichever side."""

    why: str


def _open(link: Link, event: Opened, at: float) -> tuple[Link, list[Output]]:
    return Link(state=Stage.CONNECTED, connections=link.connections + 1), []


def _resubscribe(link: Link, event: FilterSet, at: float) -> tuple[Link, list[Output]]:
    return msgspec.structs.replace(link, state=Stage.RESUBSCRIBING), []


def _reconcile(link: Link, event: Subscribed, at: float) -> tuple[Link, list[Output]]:
    return msgspec.structs.replace(link, state=Stage.RECONCILING), []


def _rise(link: Link, event: Observed, at: float) -> tuple[Link, list[Output]]:
    return msgspec.structs.replace(link, state=Stage.UP), []


def _fall(link: Link, event: Dropped, at: float) -> tuple[Link, list[Output]]:
    return msgspec.structs.replace(link, state=Stage.DOWN, why_down=event.why), []


def stages() -> Machine[Link]:
    """The link's machine. A second connection drops the first before it opens, so `Opened` meets only DOWN."""
    events: tuple[type, ...] = (Opened, FilterSet, Subscribed, Observed, Dropped)
    table: dict[tuple[Stage, type], Reaction[Link] | Exempt] = {
        (stage, event): IMPOSSIBLE for stage in Stage for event in events
    }
    # An answer, or the end, of a connection that was dropped meanwhile.
    table |= {(Stage.DOWN, event): LATE for event in (FilterSet, Subscribed, Observed, Dropped)}
    table |= {(stage, Dropped): _fall for stage in Stage if stage is not Stage.DOWN}
    table |= {
        (Stage.DOWN, Opened): _open,
        (Stage.CONNECTED, FilterSet): _resubscribe,
        (Stage.RESUBSCRIBING, Subscribed): _reconcile,
        (Stage.RECONCILING, Observed): _rise,
    }
    return Machine("pbx.link", states=Stage, events=events, table=table)
