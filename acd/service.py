"""Drives the desk by the journal's events. A `Room`, and the one who says which offer comes next."""

from collections.abc import Sequence

from acd.core.desk import CONSUMES, Decision, Desk
from telefonista.kernel.events import Entry
from telefonista.kernel.ids import CallId
from telefonista.kernel.machine import Output


class AcdService:
    consumes: frozenset[type] = CONSUMES

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def handle(self, entry: Entry) -> Sequence[Output]:
        return self.desk.apply(entry)

    def match(self, now: float) -> Decision | None:
        return self.desk.match(now)

    def resume(self, call: CallId, *, at: float) -> Sequence[Output]:
        return self.desk.resume(call, at=at)

    def resume_agents(self, *, at: float) -> Sequence[Output]:
        return self.desk.resume_agents(at=at)

    def forget(self, call: CallId) -> None:
        self.desk.forget(call)
