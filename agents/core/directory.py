"""What a number stands for that an agent dials to pass a citizen on: a colleague, a queue, a line, or a number outside.

In: what was dialled, or a destination that somebody named. Out: the destination, or why not. Numbers outside must match
a pattern of the installation's, and there are none unless it says so: a stolen telephone must not dial the world. Pure.
"""

import re
from collections.abc import Mapping

import msgspec

from telefonista.kernel.events import Destination, DestinationKind
from telefonista.kernel.ids import AgentId, QueueName

NOBODY = "nobody has this number"
_PATTERN = re.compile(r"\+?[0-9X*#]{1,20}\.?")


class Directory(msgspec.Struct, frozen=True, kw_only=True):
    agents: frozenset[AgentId] = frozenset()
    queues: Mapping[str, QueueName] = {}
    """By their names, and by the codes that they have beside."""
    lines: Mapping[str, str] = {}
    """The flow of each public number."""
    outside: tuple[str, ...] = ()
    """Patterns of the numbers that may be dialled."""

    def find(self, dialled: str) -> Destination | None:
        """Whom a dialled number means; None for nobody."""
        if dialled in self.agents:
            return Destination(DestinationKind.AGENT, dialled)
        if dialled in self.queues:
            return Destination(DestinationKind.QUEUE, self.queues[dialled])
        if dialled in self.lines:
            return Destination(DestinationKind.FLOW, self.lines[dialled])
        if self.permits(dialled):
            return Destination(DestinationKind.NUMBER, dialled)
        return None

    def permits(self, number: str) -> bool:
        """Whether this number outside may be dialled."""
        return any(matches(pattern, number) for pattern in self.outside)

    def why_not(self, to: Destination) -> str | None:
        """Why nobody can be sent there; None when they can, as far as the directory knows."""
        match to.kind:
            case DestinationKind.AGENT:
                known = to.name in self.agents
            case DestinationKind.QUEUE:
                known = to.name in self.queues.values()
            case DestinationKind.NUMBER:
                return None if self.permits(to.name) else "no number outside that may be dialled"
            case _:
                known = True
        return None if known else f"there is no {to}"


def is_pattern(text: str) -> bool:
    """Digits, `X` for any digit, and a `.` at the end for one or more of whatever follows."""
    return _PATTERN.fullmatch(text) is not None


def matches(pattern: str, number: str) -> bool:
    """Whether a number is one of those that the pattern stands for."""
    stem = re.escape(pattern.removesuffix(".")).replace("X", "[0-9]")
    return re.fullmatch(stem + ("[0-9]+" if pattern.endswith(".") else ""), number) is not None
