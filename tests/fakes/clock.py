"""A clock that a test moves: a `kernel.ports.Clock` whose time stands still until somebody lets it pass."""

from collections.abc import Callable
from dataclasses import dataclass

START = 1_700_000_000.0
"""Epoch seconds at which every fake day begins."""


@dataclass(eq=False)
class _Alarm:
    due: float
    order: int
    action: Callable[[], None]
    clock: "FakeClock"

    def cancel(self) -> None:
        self.clock.alarms.discard(self)


class FakeClock:
    def __init__(self, start: float = START) -> None:
        self._now = start
        self._orders = 0
        self.alarms: set[_Alarm] = set()

    def now(self) -> float:
        return self._now

    def call_later(self, after_s: float, action: Callable[[], None]) -> _Alarm:
        self._orders += 1
        alarm = _Alarm(due=self._now + max(0.0, after_s), order=self._orders, action=action, clock=self)
        self.alarms.add(alarm)
        return alarm

    def advance(self, by_s: float) -> None:
        """Let so much time pass; whatever falls due meanwhile happens at its moment."""
        until = self._now + by_s
        while True:
            due = [alarm for alarm in self.alarms if alarm.due <= until]
            if not due:
                break
            first = min(due, key=lambda alarm: (alarm.due, alarm.order))
            self.alarms.discard(first)
            self._now = max(self._now, first.due)
            first.action()
        self._now = until

    def stop(self) -> None:
        """The process is gone, and every timer with it."""
        self.alarms.clear()

    def set_back(self, by_s: float) -> None:
        """Somebody corrects the time of day; what was to happen in a second still happens in a second."""
        self._now -= by_s
        for alarm in self.alarms:
            alarm.due -= by_s
