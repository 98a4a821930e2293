"""Which agent talks at which leg, and what the keys and the transfer key of that telephone mean there.

In: conversations that begin and end, keys, REFERs. Out: wishes as events, or a refusal that says why. A key at a leg
that is no agent's is nobody's wish: a citizen can transfer nothing. Pure; everything held follows from the journal.
"""

from collections.abc import Callable

import msgspec

from agents.core.directory import NOBODY, Directory
from agents.core.keys import Typed, Wish, press
from telefonista.kernel.events import (
    ConferenceAsked,
    ConsultationAsked,
    ConsultationEndAsked,
    ConversationEnded,
    ConversationStarted,
    DigitPressed,
    HoldAsked,
    ReferReceived,
    RequestRefused,
    TransferAsked,
    TransferCompletionAsked,
)
from telefonista.kernel.ids import AgentId, CallId, LegId
from telefonista.kernel.machine import Output


class Talk(msgspec.Struct, frozen=True):
    call: CallId
    agent: AgentId
    typed: Typed = Typed()


class Conversing:
    """All agents who talk. `on_hold` tells whether an agent's citizen hears music now."""

    def __init__(self, *, on_hold: Callable[[AgentId], bool]) -> None:
        self.directory = Directory()
        self._on_hold = on_hold
        self.talks: dict[LegId, Talk] = {}

    def started(self, event: ConversationStarted) -> None:
        self.talks[event.leg] = Talk(event.call, event.agent)

    def ended(self, event: ConversationEnded) -> None:
        self.talks.pop(event.leg, None)

    def forget(self, call: CallId) -> None:
        self.talks = {leg: talk for leg, talk in self.talks.items() if talk.call != call}

    def pressed(self, event: DigitPressed, *, at: float) -> list[Output]:
        talk = self.talks.get(event.leg)
        if talk is None:
            return []
        typed, whole = press(talk.typed, event.digit, at=at)
        self.talks[event.leg] = msgspec.structs.replace(talk, typed=typed)
        return [] if whole is None else [self._wish(talk, *whole)]

    def referred(self, event: ReferReceived) -> list[Output]:
        talk = self.talks.get(event.leg)
        if talk is None:
            return [RequestRefused(call=event.call, by="", what=Wish.TRANSFER.name.lower(), why="nobody talks there")]
        return [self._wish(talk, Wish.TRANSFER, event.dialled)]

    def _wish(self, talk: Talk, wish: Wish, number: str) -> Output:
        call, agent = talk.call, talk.agent
        if wish in (Wish.TRANSFER, Wish.CONSULT):
            to = self.directory.find(number)
            if to is None:
                return RequestRefused(call=call, by=agent, what=wish.name.lower(), why=f"{NOBODY}: {number}")
            if wish is Wish.TRANSFER:
                return TransferAsked(call=call, agent=agent, to=to)
            return ConsultationAsked(call=call, agent=agent, to=to)
        if wish is Wish.CONFERENCE:
            return ConferenceAsked(call=call, agent=agent)
        if wish is Wish.COMPLETE:
            return TransferCompletionAsked(call=call, agent=agent)
        if wish is Wish.BACK:
            return ConsultationEndAsked(call=call, agent=agent)
        return HoldAsked(call=call, agent=agent, on=not self._on_hold(agent))
