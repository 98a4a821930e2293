"""State machines as literal tables.

A machine is an `Enum` of states, a frozen value that holds the state and all else there is to know, and a table
`(state, event type) -> reaction`. A reaction is a function `(value, event, at) -> (value, outputs)`, or LATE (ignored
on purpose: after a hang-up late events are normal), or IMPOSSIBLE (a defect: that call's session ends, the process does
not). Every pair stands in the table; `Machine.gaps` proves it, and one parametrised test calls it for each machine.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

from telefonista.kernel.commands import AnyCommand
from telefonista.kernel.events import Event

Output = Event | AnyCommand
"""What a core gives back: events that follow (decisions), and commands."""


class Exempt(Enum):
    LATE = "late"
    IMPOSSIBLE = "impossible"


LATE = Exempt.LATE
IMPOSSIBLE = Exempt.IMPOSSIBLE


class HasState(Protocol):
    @property
    def state(self) -> Enum: ...


V = TypeVar("V", bound=HasState)
Reaction = Callable[[V, Any, float], tuple[V, list[Output]]]


class Impossible(Exception):
    """An event met a state in which it cannot happen."""


def rows(
    states: type[Enum], by_event: Mapping[type, tuple[Reaction[V] | Exempt, ...]]
) -> dict[tuple[Any, type], Reaction[V] | Exempt]:
    """A table written as a row per event with one cell per state, in the order in which the states are defined."""
    return {
        (state, event): cell for event, cells in by_event.items() for state, cell in zip(states, cells, strict=True)
    }


class Machine(Generic[V]):
    """A checked table. `trace`, when set, is called with one line per transition."""

    def __init__(
        self,
        name: str,
        *,
        states: type[Enum],
        events: Iterable[type],
        table: Mapping[tuple[Any, type], Reaction[V] | Exempt],
    ) -> None:
        self.name = name
        self.states = states
        self.events = tuple(events)
        self.table = dict(table)
        self.trace: Callable[[str], None] | None = None

    def step(self, value: V, event: Any, *, at: float) -> tuple[V, list[Output]]:
        """The next value and what follows. Raises Impossible, and changes nothing, where the table says so."""
        reaction = self.table[value.state, type(event)]
        if reaction is LATE:
            return value, []
        if reaction is IMPOSSIBLE:
            raise Impossible(f"{self.name}[{value.state.value}] cannot meet {type(event).__name__}")
        assert not isinstance(reaction, Exempt)
        after, outputs = reaction(value, event, at)
        if self.trace is not None:
            followed = " ".join(type(output).__name__ for output in outputs)
            self.trace(
                f"call={getattr(event, 'call', '-')} {self.name}[{value.state.value}] "
                f"{type(event).__name__} -> [{after.state.value}] {followed}".rstrip()
            )
        return after, outputs

    def gaps(self) -> list[str]:
        """Pairs that are missing from the table or do not belong in it; empty for a complete and disjoint table."""
        wanted = {(state, event) for state in self.states for event in self.events}
        have = set(self.table)
        return [f"missing {state.value} × {event.__name__}" for state, event in wanted - have] + [
            f"unknown {state} × {event.__name__}" for state, event in have - wanted
        ]

    def diagram(self) -> str:
        """The table as Markdown: a row per event, a column per state."""
        states = list(self.states)
        lines = [
            "| event | " + " | ".join(state.value for state in states) + " |",
            "|---" * (len(states) + 1) + "|",
        ]
        for event in self.events:
            cells = []
            for state in states:
                reaction = self.table[state, event]
                cells.append(
                    {LATE: "late", IMPOSSIBLE: "–"}[reaction]
                    if isinstance(reaction, Exempt)
                    else f"`{reaction.__name__.lstrip('_')}`"
                )
            lines.append(f"| {event.__name__} | " + " | ".join(cells) + " |")
        return "\n".join(lines)
