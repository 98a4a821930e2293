"""How a queue behaves, as configured. Seconds throughout."""

import msgspec

from telefonista.kernel.commands import Prompt
from telefonista.kernel.ids import QueueName


class QueuePolicy(msgspec.Struct, frozen=True, kw_only=True):
    name: QueueName
    ring_s: float = 15.0
    """How long one agent's phone rings before the offer goes to the next."""
    back_off_s: float = 5.0
    """How long an agent who did not take an offer is left in peace, so that a dead phone is not rung in a loop."""
    wrap_up_s: float = 10.0
    announce_every_s: float = 30.0
    messages: tuple[Prompt, ...] = ()
    """Institutional messages, one with each announcement, in turn."""
