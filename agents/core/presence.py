"""One agent's presence: offline, ready, reserved, ringing, talking, wrapping up, or busy with what is not ours.

Comes in: what the phone is, and the offers and conversations of calls. Goes out: `PresenceChanged`, which holds all
that is to know, and the timer that ends wrap-up. Reservation happens by applying `OfferMade`: an agent who is not ready
cannot be reserved, so that no order of events gives two contacts to one agent.
"""

import msgspec

from telefonista.kernel.commands import SetAgentTimer
from telefonista.kernel.events import (
    AgentRang,
    AgentTimerFired,
    CallEnded,
    ConversationEnded,
    ConversationStarted,
    OfferEnded,
    OfferMade,
    OfferOutcome,
    Phone,
    PhoneChanged,
    Presence,
    PresenceChanged,
)
from telefonista.kernel.ids import AgentId, CallId, OfferId
from telefonista.kernel.machine import IMPOSSIBLE, LATE, Exempt, Machine, Output, Reaction, rows

WRAP_UP_TIMER = "agent.wrap_up"


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    agent: AgentId
    presence: Presence = Presence.OFFLINE
    phone: Phone = Phone.UNREACHABLE
    call: CallId | None = None
    offer: OfferId | None = None
    idle_since: float = 0.0
    wrap_up_s: float = 0.0
    """What the queue of the present conversation grants afterwards."""
    wrap_up_until: float | None = None
    settling: bool = False
    """Our own contact is over and the phone has yet to say so; it does not count as another call."""
    token: int = 0
    """Counts wrap-ups, so that the timer of an earlier one ends nothing."""

    @property
    def state(self) -> Presence:
        return self.presence


Step = tuple[Agent, list[Output]]


def changed(agent: Agent) -> PresenceChanged:
    return PresenceChanged(
        agent=agent.agent,
        presence=agent.presence,
        phone=agent.phone,
        call=agent.call,
        offer=agent.offer,
        idle_since=agent.idle_since,
        wrap_up_s=agent.wrap_up_s,
        wrap_up_until=agent.wrap_up_until,
        settling=agent.settling,
        token=agent.token,
    )


def _become(agent: Agent) -> Step:
    return agent, [changed(agent)]


def _free(agent: Agent, *, idle_since: float, settling: bool = False) -> Step:
    """What an agent without a contact is, by the phone alone."""
    presence = {
        Phone.IDLE: Presence.READY,
        Phone.UNREACHABLE: Presence.OFFLINE,
        Phone.BUSY: Presence.BUSY,
        Phone.RINGING: Presence.BUSY,
    }[agent.phone]
    return _become(
        msgspec.structs.replace(
            agent,
            presence=presence,
            call=None,
            offer=None,
            idle_since=idle_since,
            wrap_up_s=0.0,
            wrap_up_until=None,
            settling=settling and presence is Presence.BUSY,
        )
    )


def _phone_changed_without_contact(agent: Agent, event: PhoneChanged, at: float) -> Step:
    if event.phone is agent.phone:
        return agent, []
    if agent.presence is Presence.BUSY and event.phone in (Phone.BUSY, Phone.RINGING):
        return msgspec.structs.replace(agent, phone=event.phone), []
    idle_since = agent.idle_since if agent.settling else at
    return _free(msgspec.structs.replace(agent, phone=event.phone), idle_since=idle_since, settling=agent.settling)


def _phone_changed_with_contact(agent: Agent, event: PhoneChanged, at: float) -> Step:
    """Our own call makes the phone ring and talk; how that call ends decides, not the lamp."""
    return msgspec.structs.replace(agent, phone=event.phone), []


def _offer_made(agent: Agent, event: OfferMade, at: float) -> Step:
    return _become(msgspec.structs.replace(agent, presence=Presence.RESERVED, call=event.call, offer=event.offer))


def _agent_rang(agent: Agent, event: AgentRang, at: float) -> Step:
    return _become(msgspec.structs.replace(agent, presence=Presence.RINGING))


def _offer_ended(agent: Agent, event: OfferEnded, at: float) -> Step:
    """Free again: with the old place among the idle if the citizen left, at the end of it if the phone was to blame."""
    if event.offer != agent.offer or event.outcome is OfferOutcome.ANSWERED:
        return agent, []
    blameless = event.outcome in (OfferOutcome.WITHDRAWN, OfferOutcome.LOST)
    return _free(agent, idle_since=agent.idle_since if blameless else at, settling=True)


def _conversation_started(agent: Agent, event: ConversationStarted, at: float) -> Step:
    return _become(msgspec.structs.replace(agent, presence=Presence.TALKING, offer=None))


def _conversation_ended(agent: Agent, event: ConversationEnded, at: float) -> Step:
    if event.call != agent.call:
        return agent, []
    if agent.wrap_up_s <= 0:
        return _free(agent, idle_since=at, settling=True)
    token = agent.token + 1
    wrapping = msgspec.structs.replace(
        agent, presence=Presence.WRAP_UP, wrap_up_until=at + agent.wrap_up_s, token=token
    )
    timer = SetAgentTimer(agent=agent.agent, key=WRAP_UP_TIMER, token=token, after_s=agent.wrap_up_s)
    return wrapping, [changed(wrapping), timer]


def _wrap_up_over(agent: Agent, event: AgentTimerFired, at: float) -> Step:
    if event.key != WRAP_UP_TIMER or event.token != agent.token:
        return agent, []
    return _free(agent, idle_since=at, settling=True)


def _call_ended(agent: Agent, event: CallEnded, at: float) -> Step:
    """A call that is over holds nobody. What it decided before it ended said so, unless a defect cut it short."""
    if event.call != agent.call:
        return agent, []
    return _free(agent, idle_since=at, settling=True)


def _recalled(agent: Agent, event: PresenceChanged, at: float) -> Step:
    """Our own words, read back: after a rotation of the journal they are all there is."""
    return msgspec.structs.replace(
        agent,
        presence=event.presence,
        phone=event.phone,
        call=event.call,
        offer=event.offer,
        idle_since=event.idle_since,
        wrap_up_s=event.wrap_up_s,
        wrap_up_until=event.wrap_up_until,
        settling=event.settling,
        token=event.token,
    ), []


_: Exempt = LATE
X: Exempt = IMPOSSIBLE
_TABLE: dict[type, tuple[Reaction[Agent] | Exempt, ...]] = {
    # columns: offline, unreachable, ready, reserved, ringing, dialling, talking, on_hold, wrap_up, paused, busy
    PhoneChanged: (
        _phone_changed_without_contact,
        _phone_changed_without_contact,
        _phone_changed_without_contact,
        _phone_changed_with_contact,
        _phone_changed_with_contact,
        _phone_changed_with_contact,
        _phone_changed_with_contact,
        _phone_changed_with_contact,
        _phone_changed_with_contact,
        _phone_changed_without_contact,
        _phone_changed_without_contact,
    ),
    OfferMade: (X, X, _offer_made, X, X, X, X, X, X, X, X),
    AgentRang: (_, _, _, _agent_rang, _, _, _, _, _, _, _),
    OfferEnded: (_, _, _, _offer_ended, _offer_ended, _offer_ended, _, _, _, _, _),
    ConversationStarted: (X, X, X, _conversation_started, _conversation_started, X, X, X, X, X, X),
    ConversationEnded: (_, _, _, _, _, _, _conversation_ended, _conversation_ended, _, _, _),
    CallEnded: (_, _, _, _call_ended, _call_ended, _call_ended, _call_ended, _call_ended, _, _, _),
    AgentTimerFired: (_, _, _, _, _, _, _, _, _wrap_up_over, _, _),
    PresenceChanged: (_recalled,) * 11,
}
MACHINE: Machine[Agent] = Machine("agent", states=Presence, events=_TABLE, table=rows(Presence, _TABLE))
