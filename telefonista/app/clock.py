"""The real clock: the time of day, and timers of the running asyncio loop."""

import asyncio
import time
from collections.abc import Callable

from telefonista.kernel.ports import Cancellable


class LoopClock:
    """A `kernel.ports.Clock`; must be used from the loop's own thread."""

    def now(self) -> float:
        return time.time()

    def call_later(self, after_s: float, action: Callable[[], None]) -> Cancellable:
        return asyncio.get_running_loop().call_later(max(0.0, after_s), action)
