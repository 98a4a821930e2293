"""Who may wish what: agents for themselves, supervisors for the agents and calls of their queues, administrators all.

In: a person, a wish as an event, and the queues that it concerns. Out: why not, or None. Pure; the one place where
permission is decided.
"""

from collections.abc import Collection
from enum import StrEnum

import msgspec

from telefonista.kernel.events import (
    AgentEvent,
    CancellationAsked,
    Event,
    MoveAsked,
    Supervision,
    SupervisionAsked,
    SupervisionEndAsked,
    TakeOverAsked,
)
from telefonista.kernel.ids import AgentId, QueueName


class Role(StrEnum):
    AGENT = "agent"
    SUPERVISOR = "supervisor"
    ADMINISTRATOR = "administrator"


class Power(StrEnum):
    """What a supervisor may do."""

    LISTEN = "listen"
    WHISPER = "whisper"
    BARGE = "barge"
    TAKE_OVER = "take_over"
    FORCE = "force"
    """Log agents in and out, pause them, make them ready, and act in their conversations for them."""
    MOVE = "move"
    """Move and cancel contacts that wait."""


EVERY_POWER = frozenset(Power)


class Person(msgspec.Struct, frozen=True, kw_only=True):
    id: AgentId
    name: str = ""
    role: Role = Role.AGENT
    queues: frozenset[QueueName] = frozenset()
    """Whose agents and calls are theirs to watch; none: all."""
    powers: frozenset[Power] = EVERY_POWER


_MODES = {
    Supervision.LISTEN: Power.LISTEN,
    Supervision.WHISPER: Power.WHISPER,
    Supervision.BARGE: Power.BARGE,
}


def why_not(person: Person, event: Event, *, queues: Collection[QueueName]) -> str | None:
    """Why this person may not wish it. `queues` are those of the agent or the call that it is about."""
    if person.role is Role.ADMINISTRATOR:
        return None
    power = _power(event)
    own = person.id == _subject(event)
    if power is None and own:
        return None
    if person.role is Role.AGENT:
        return "agents wish for themselves only"
    needed = power or Power.FORCE
    if needed not in person.powers:
        return f"may not {needed.value.replace('_', ' ')}"
    if not own and isinstance(event, SupervisionAsked | SupervisionEndAsked | TakeOverAsked):
        return "supervisors take part with their own telephones"
    if person.queues and not person.queues & set(queues):
        return "not one of this supervisor's queues"
    return None


def _power(event: Event) -> Power | None:
    """What is needed for it in any case; None: nothing, for oneself."""
    match event:
        case SupervisionAsked():
            return _MODES[event.mode]
        case TakeOverAsked():
            return Power.TAKE_OVER
        case MoveAsked() | CancellationAsked():
            return Power.MOVE
        case _:
            return None


def _subject(event: Event) -> str | None:
    """Whose state or telephone it is about."""
    if isinstance(event, AgentEvent):
        return event.agent
    return getattr(event, "supervisor", None) or getattr(event, "agent", None)
