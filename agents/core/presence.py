"""One agent's presence: logged in or not, there or not, ready, in a contact, wrapping up, paused, or busy elsewhere.

Comes in: what the phone is, what the agent (or a supervisor) wishes, and the offers and conversations of calls. Goes
out: `PresenceChanged`, which holds all that is to know, the timer that ends wrap-up, and refusals. Reservation happens
by applying `OfferMade`: an agent who is not ready cannot be reserved, so that no order of events gives two contacts to
one agent. What is wished for in a contact (a pause, to log out) takes effect when it is over.
"""

from enum import StrEnum

import msgspec

from telefonista.kernel.commands import SetAgentTimer
from telefonista.kernel.events import (
    AgentRang,
    AgentRequestRefused,
    AgentTimerFired,
    AttemptMade,
    CallEnded,
    CodeDialled,
    ConversationEnded,
    ConversationStarted,
    DispositionGiven,
    HoldBegan,
    HoldEnded,
    LogInAsked,
    LogOutAsked,
    OfferEnded,
    OfferMade,
    OfferOutcome,
    PartyCalled,
    PartyJoined,
    PartyLeft,
    PauseAsked,
    Phone,
    PhoneChanged,
    Presence,
    PresenceChanged,
    ReadyAsked,
    SupervisionBegan,
    SupervisionEnded,
    WrapUpExtensionAsked,
)
from telefonista.kernel.ids import AgentId, CallId, OfferId, QueueName
from telefonista.kernel.machine import IMPOSSIBLE, LATE, Exempt, Impossible, Machine, Output, Reaction, rows

WRAP_UP_TIMER = "agent.wrap_up"
LONGEST_OWED_S = 900.0
"""So long an agent is held for a disposition that is due; then it may be given later, and nobody waits for it."""
NO_ANSWER = "no contesta"
"""The reason of the pause that follows too many offers in a row that were not taken."""
UNNAMED = "sin motivo"
"""The reason of a pause for which none was given."""
NOT_THERE = "not registered, or does not answer"
"""All that Asterisk's device state says of a phone that is not there."""

_BLAMED = frozenset({OfferOutcome.UNANSWERED, OfferOutcome.REFUSED, OfferOutcome.BUSY, OfferOutcome.UNREACHABLE})


class WhyNot(StrEnum):
    """Why an agent's wish is refused."""

    NOT_LOGGED_IN = "not logged in"
    DISPOSITION_DUE = "a disposition is due first"
    NOT_WRAPPING_UP = "not wrapping up"
    NOT_EXTENDABLE = "this wrap-up cannot be extended"
    TOO_LONG = "longer than the queue grants at a time"
    NO_CONTACT = "no contact of this agent is known"
    NO_SUCH_DISPOSITION = "not in the queue's list of dispositions"


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """What a queue grants its agents after a conversation, and what it asks of them. Seconds."""

    wrap_up_s: float = 0.0
    until_done: bool = False
    """It lasts until the agent says to be ready."""
    extend_s: float = 0.0
    """How much longer an agent may make it, each time; 0: not at all."""
    dispositions: tuple[str, ...] = ()
    disposition_required: bool = False


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """The fields are those of `PresenceChanged`, which says what they mean."""

    agent: AgentId
    presence: Presence = Presence.OFFLINE
    phone: Phone = Phone.UNREACHABLE
    call: CallId | None = None
    offer: OfferId | None = None
    idle_since: float = 0.0
    since: float = 0.0
    logged_in: bool | None = None
    pause: str = ""
    why: str = ""
    misses: int = 0
    most_misses: int = 0
    party: bool = False
    queue: QueueName = QueueName("")
    last_call: CallId | None = None
    wrap_up_s: float = 0.0
    wrap_up_until: float | None = None
    until_done: bool = False
    extend_s: float = 0.0
    disposition_due: bool = False
    settling: bool = False
    token: int = 0
    """Counts wrap-ups, so that the timer of an earlier one ends nothing."""

    @property
    def state(self) -> Presence:
        return self.presence


Step = tuple[Agent, list[Output]]


def changed(agent: Agent) -> PresenceChanged:
    return PresenceChanged(**{field: getattr(agent, field) for field in Agent.__struct_fields__})


def grant(agent: Agent, event: ConversationStarted, *, granted: Granted) -> Agent:
    """The agent as the queue of a conversation that begins will treat them after it."""
    return msgspec.structs.replace(
        agent,
        queue=event.queue,
        last_call=event.call,
        wrap_up_s=granted.wrap_up_s,
        until_done=granted.until_done,
        extend_s=granted.extend_s,
        disposition_due=granted.disposition_required and bool(granted.dispositions),
    )


def _tell(agent: Agent) -> Step:
    return agent, [changed(agent)]


def _become(agent: Agent, presence: Presence, *, at: float) -> Agent:
    since = agent.since if presence is agent.presence else at
    why = agent.why if presence is Presence.UNREACHABLE else ""
    return msgspec.structs.replace(agent, presence=presence, since=since, why=why)


def _at_rest(agent: Agent) -> Presence:
    """What an agent without a contact is."""
    if not agent.logged_in:
        return Presence.OFFLINE
    if agent.pause:
        return Presence.PAUSED
    return {
        Phone.IDLE: Presence.READY,
        Phone.UNREACHABLE: Presence.UNREACHABLE,
        Phone.BUSY: Presence.BUSY,
        Phone.RINGING: Presence.BUSY,
    }[agent.phone]


def _free(agent: Agent, *, at: float, idle_since: float, settling: bool = False) -> Step:
    """Without a contact from here on."""
    quiet = agent.phone in (Phone.IDLE, Phone.UNREACHABLE)
    rested = msgspec.structs.replace(
        agent,
        call=None,
        offer=None,
        idle_since=idle_since,
        party=False,
        wrap_up_s=0.0,
        wrap_up_until=None,
        until_done=False,
        extend_s=0.0,
        disposition_due=False,
        settling=settling and not quiet,
    )
    presence = _at_rest(rested)
    return _tell(_become(msgspec.structs.replace(rested, why=_why(presence)), presence, at=at))


def _refuse(agent: Agent, event: object, *, what: str, why: WhyNot) -> Step:
    return agent, [AgentRequestRefused(agent=agent.agent, what=what, why=why, by=getattr(event, "by", ""))]


def _phone_changed_without_contact(agent: Agent, event: PhoneChanged, at: float) -> Step:
    """A stretch of being busy costs the place among the idle, unless it is our own doing (`settling`)."""
    if agent.call is not None:
        return _phone_changed_with_contact(agent, event, at)
    told = msgspec.structs.replace(agent, phone=event.phone)
    presence = _at_rest(told)
    told = msgspec.structs.replace(told, why=_why(presence, event.why))
    if event.phone in (Phone.IDLE, Phone.UNREACHABLE):
        told = msgspec.structs.replace(told, settling=False)
    if presence is agent.presence:
        return (told, []) if told.why == agent.why else _tell(told)
    keeps = presence is Presence.READY and agent.settling
    keeps = keeps or (presence is Presence.BUSY and agent.presence is Presence.READY)
    idle_since = agent.idle_since if keeps else at
    return _tell(_become(msgspec.structs.replace(told, idle_since=idle_since), presence, at=at))


def _phone_changed_with_contact(agent: Agent, event: PhoneChanged, at: float) -> Step:
    """Our own call makes the phone ring and talk; how that call ends decides, not the lamp."""
    return msgspec.structs.replace(agent, phone=event.phone), []


def _why(presence: Presence, told: str = "") -> str:
    return told or NOT_THERE if presence is Presence.UNREACHABLE else ""


def _code_dialled(agent: Agent, event: CodeDialled, at: float) -> Step:
    return msgspec.structs.replace(agent, settling=True), []


def _reserve(agent: Agent, at: float, *, call: CallId, offer: OfferId | None, most_misses: int, party: bool) -> Step:
    taken = msgspec.structs.replace(agent, call=call, offer=offer, most_misses=most_misses, party=party)
    return _tell(_become(taken, Presence.RESERVED, at=at))


def _offer_made(agent: Agent, event: OfferMade, at: float) -> Step:
    return _reserve(agent, at, call=event.call, offer=event.offer, most_misses=event.most_misses, party=False)


def _agent_rang(agent: Agent, event: AgentRang, at: float) -> Step:
    return _tell(_become(agent, Presence.RINGING, at=at)) if event.offer == agent.offer else (agent, [])


def _attempt_made(agent: Agent, event: AttemptMade, at: float) -> Step:
    return _tell(_become(agent, Presence.DIALLING, at=at)) if event.offer == agent.offer else (agent, [])


def _offer_ended(agent: Agent, event: OfferEnded, at: float) -> Step:
    """Free again: at the end of the idle if the agent is to blame, which counts; else with the old place."""
    if event.offer != agent.offer or event.outcome is OfferOutcome.ANSWERED:
        return agent, []
    if event.outcome not in _BLAMED:
        return _free(agent, at=at, idle_since=agent.idle_since, settling=True)
    misses = agent.misses + 1
    tired = 0 < agent.most_misses <= misses
    missed = msgspec.structs.replace(agent, misses=misses, pause=NO_ANSWER if tired else agent.pause)
    return _free(missed, at=at, idle_since=at, settling=True)


def _conversation_started(agent: Agent, event: ConversationStarted, at: float) -> Step:
    """Of an offer, or of a party or a supervisor who takes the citizen over."""
    if event.call != agent.call:
        raise Impossible(f"agent {agent.agent} is not in {event.call} and cannot begin to talk there")
    talking = msgspec.structs.replace(agent, offer=None, party=False, misses=0)
    return _tell(_become(talking, Presence.TALKING, at=at))


def _conversation_ended(agent: Agent, event: ConversationEnded, at: float) -> Step:
    if event.call != agent.call:
        return agent, []
    return _wrap_up(agent, at=at)


def _wrap_up(agent: Agent, *, at: float) -> Step:
    if agent.wrap_up_s <= 0 and not agent.until_done and not agent.disposition_due:
        return _free(agent, at=at, idle_since=at, settling=True)
    wrapping = _become(msgspec.structs.replace(agent, offer=None, party=False), Presence.WRAP_UP, at=at)
    if agent.until_done:
        return _wrap_up_for(wrapping, LONGEST_OWED_S if agent.disposition_due else None, at=at)
    return _wrap_up_for(wrapping, agent.wrap_up_s or LONGEST_OWED_S, at=at)


def _wrap_up_for(agent: Agent, seconds: float | None, *, at: float) -> Step:
    """From now on; None: until the agent says so."""
    token = agent.token + 1
    until = None if seconds is None else at + seconds
    wrapping = msgspec.structs.replace(agent, wrap_up_until=until, token=token)
    told: list[Output] = [changed(wrapping)]
    if seconds is not None:
        told.append(SetAgentTimer(agent=agent.agent, key=WRAP_UP_TIMER, token=token, after_s=seconds))
    return wrapping, told


def _wrap_up_time_over(agent: Agent, event: AgentTimerFired, at: float) -> Step:
    """A disposition that is due keeps the agent, but not for ever."""
    if event.key != WRAP_UP_TIMER or event.token != agent.token:
        return agent, []
    if agent.until_done:
        return _tell(msgspec.structs.replace(agent, disposition_due=False, wrap_up_until=None))
    if agent.disposition_due and agent.wrap_up_s > 0:
        return _wrap_up_for(msgspec.structs.replace(agent, wrap_up_s=0.0), LONGEST_OWED_S, at=at)
    return _free(agent, at=at, idle_since=at, settling=True)


def _wrap_up_extended(agent: Agent, event: WrapUpExtensionAsked, at: float) -> Step:
    if agent.extend_s <= 0 or agent.wrap_up_until is None:
        return _refuse(agent, event, what="wrap-up", why=WhyNot.NOT_EXTENDABLE)
    if event.more_s > agent.extend_s:
        return _refuse(agent, event, what="wrap-up", why=WhyNot.TOO_LONG)
    return _wrap_up_for(agent, agent.wrap_up_until - at + (event.more_s or agent.extend_s), at=at)


def _no_wrap_up_to_extend(agent: Agent, event: WrapUpExtensionAsked, at: float) -> Step:
    return _refuse(agent, event, what="wrap-up", why=WhyNot.NOT_WRAPPING_UP)


def _disposition_given_in_wrap_up(agent: Agent, event: DispositionGiven, at: float) -> Step:
    if event.call != agent.last_call or not agent.disposition_due:
        return agent, []
    given = msgspec.structs.replace(agent, disposition_due=False)
    leaving = bool(agent.pause) or not agent.logged_in
    if leaving or (not agent.until_done and agent.wrap_up_s <= 0):
        return _free(given, at=at, idle_since=at, settling=True)
    return _tell(given)


def _disposition_given(agent: Agent, event: DispositionGiven, at: float) -> Step:
    if event.call != agent.last_call or not agent.disposition_due:
        return agent, []
    return _tell(msgspec.structs.replace(agent, disposition_due=False))


def _hold_began(agent: Agent, event: HoldBegan, at: float) -> Step:
    return _tell(_become(agent, Presence.ON_HOLD, at=at)) if event.call == agent.call else (agent, [])


def _hold_ended(agent: Agent, event: HoldEnded, at: float) -> Step:
    return _tell(_become(agent, Presence.TALKING, at=at)) if event.call == agent.call else (agent, [])


def _party_called(agent: Agent, event: PartyCalled, at: float) -> Step:
    return _reserve(agent, at, call=event.call, offer=None, most_misses=0, party=True)


def _party_joined(agent: Agent, event: PartyJoined, at: float) -> Step:
    return _tell(_become(agent, Presence.TALKING, at=at)) if event.call == agent.call else (agent, [])


def _party_left(agent: Agent, event: PartyLeft, at: float) -> Step:
    """Whoever has taken the citizen over is no party any more; the end of that conversation frees them."""
    if event.call != agent.call or not agent.party:
        return agent, []
    talked = agent.presence in (Presence.TALKING, Presence.ON_HOLD)
    return _free(agent, at=at, idle_since=at if talked else agent.idle_since, settling=True)


def _supervision_began(agent: Agent, event: SupervisionBegan, at: float) -> Step:
    """The phone will be busy with a call of ours, and nobody is offered meanwhile."""
    watching = msgspec.structs.replace(agent, call=event.call, offer=None, party=True)
    return _tell(_become(watching, Presence.BUSY, at=at))


def _supervision_ended(agent: Agent, event: SupervisionEnded, at: float) -> Step:
    if event.call != agent.call:
        return agent, []
    return _free(agent, at=at, idle_since=at, settling=True)


def _call_ended(agent: Agent, event: CallEnded, at: float) -> Step:
    """A call that is over holds nobody. What it decided before it ended said so, unless a defect cut it short."""
    if event.call != agent.call:
        return agent, []
    return _free(agent, at=at, idle_since=at, settling=True)


def _log_in(agent: Agent, event: LogInAsked, at: float) -> Step:
    if agent.logged_in:
        return agent, []
    inside = msgspec.structs.replace(agent, logged_in=True, pause="", misses=0)
    return _free(inside, at=at, idle_since=at, settling=agent.settling)


def _stay_logged_in(agent: Agent, event: LogInAsked, at: float) -> Step:
    """The wish to log out afterwards is taken back."""
    return (agent, []) if agent.logged_in else _tell(msgspec.structs.replace(agent, logged_in=True))


def _log_out(agent: Agent, event: LogOutAsked, at: float) -> Step:
    if agent.call is not None:
        return _log_out_afterwards(agent, event, at)
    outside = msgspec.structs.replace(agent, logged_in=False, pause="", misses=0)
    return (outside, []) if outside == agent else _free(outside, at=at, idle_since=at)


def _log_out_afterwards(agent: Agent, event: LogOutAsked, at: float) -> Step:
    return _tell(msgspec.structs.replace(agent, logged_in=False, pause=""))


def _log_out_of_wrap_up(agent: Agent, event: LogOutAsked, at: float) -> Step:
    leaving = msgspec.structs.replace(agent, logged_in=False, pause="", misses=0)
    if agent.disposition_due and not _forced(agent, event):
        return _tell(leaving)
    return _free(leaving, at=at, idle_since=at)


def _pause(agent: Agent, event: PauseAsked, at: float) -> Step:
    if agent.call is not None:
        return _pause_afterwards(agent, event, at)
    paused = msgspec.structs.replace(agent, pause=event.reason or UNNAMED)
    return _free(paused, at=at, idle_since=at, settling=agent.settling)


def _pause_afterwards(agent: Agent, event: PauseAsked, at: float) -> Step:
    return _tell(msgspec.structs.replace(agent, pause=event.reason or UNNAMED))


def _pause_after_wrap_up(agent: Agent, event: PauseAsked, at: float) -> Step:
    """At once, unless something is owed."""
    paused = msgspec.structs.replace(agent, pause=event.reason or UNNAMED)
    if agent.disposition_due and not _forced(agent, event):
        return _tell(paused)
    return _free(paused, at=at, idle_since=at, settling=True)


def _pause_refused(agent: Agent, event: PauseAsked, at: float) -> Step:
    return _refuse(agent, event, what="pause", why=WhyNot.NOT_LOGGED_IN)


def _ready(agent: Agent, event: ReadyAsked, at: float) -> Step:
    """Ends a pause; whoever has none is as ready as can be."""
    if not agent.pause:
        return agent, []
    return _free(msgspec.structs.replace(agent, pause="", misses=0), at=at, idle_since=at, settling=agent.settling)


def _ready_afterwards(agent: Agent, event: ReadyAsked, at: float) -> Step:
    """The wish to be paused or logged out afterwards is taken back."""
    staying = msgspec.structs.replace(agent, logged_in=True, pause="")
    return (agent, []) if staying == agent else _tell(staying)


def _ready_after_wrap_up(agent: Agent, event: ReadyAsked, at: float) -> Step:
    if agent.disposition_due and not _forced(agent, event):
        return _refuse(agent, event, what="ready", why=WhyNot.DISPOSITION_DUE)
    return _free(
        msgspec.structs.replace(agent, logged_in=True, pause="", misses=0), at=at, idle_since=at, settling=True
    )


def _ready_refused(agent: Agent, event: ReadyAsked, at: float) -> Step:
    return _refuse(agent, event, what="ready", why=WhyNot.NOT_LOGGED_IN)


def _forced(agent: Agent, event: LogOutAsked | PauseAsked | ReadyAsked) -> bool:
    """Somebody else's wish."""
    return event.by not in ("", agent.agent)


def _recalled(agent: Agent, event: PresenceChanged, at: float) -> Step:
    """Our own words, read back: after a rotation of the journal they are all there is."""
    return Agent(**{field: getattr(event, field) for field in Agent.__struct_fields__}), []


_: Exempt = LATE
X: Exempt = IMPOSSIBLE
_TABLE: dict[type, tuple[Reaction[Agent] | Exempt, ...]] = {
    # columns: offline, unreachable, ready, reserved, ringing, dialling, talking, on_hold, wrap_up, paused, busy
    PhoneChanged: (
        *(_phone_changed_without_contact,) * 3,
        *(_phone_changed_with_contact,) * 6,
        *(_phone_changed_without_contact,) * 2,
    ),
    CodeDialled: (_code_dialled,) * 11,
    OfferMade: (X, X, _offer_made, X, X, X, X, X, X, X, X),
    AgentRang: (_, _, _, _agent_rang, _, _, _, _, _, _, _),
    AttemptMade: (_, _, _, _attempt_made, _attempt_made, _, _, _, _, _, _),
    OfferEnded: (_, _, _, _offer_ended, _offer_ended, _offer_ended, _, _, _, _, _),
    PartyCalled: (X, X, _party_called, X, X, X, X, X, X, X, X),
    PartyJoined: (_, _, _, _party_joined, _party_joined, _, _, _, _, _, _),
    PartyLeft: (_, _, _, _party_left, _party_left, _, _party_left, _party_left, _, _, _),
    SupervisionBegan: (
        *(_supervision_began,) * 3,
        *(_,) * 6,
        _supervision_began,
        _supervision_began,
    ),
    SupervisionEnded: (_, _, _, _, _, _, _, _, _, _, _supervision_ended),
    ConversationStarted: (
        *(X,) * 3,
        *(_conversation_started,) * 5,
        *(X,) * 2,
        _conversation_started,
    ),
    HoldBegan: (_, _, _, _, _, _, _hold_began, _, _, _, _),
    HoldEnded: (_, _, _, _, _, _, _, _hold_ended, _, _, _),
    ConversationEnded: (_, _, _, _, _, _, _conversation_ended, _conversation_ended, _, _, _),
    CallEnded: (_, _, _, *(_call_ended,) * 5, _, _, _call_ended),
    AgentTimerFired: (_, _, _, _, _, _, _, _, _wrap_up_time_over, _, _),
    LogInAsked: (*(_log_in,) * 3, *(_stay_logged_in,) * 6, _log_in, _stay_logged_in),
    LogOutAsked: (*(_log_out,) * 3, *(_log_out_afterwards,) * 5, _log_out_of_wrap_up, _log_out, _log_out),
    PauseAsked: (
        _pause_refused,
        *(_pause,) * 2,
        *(_pause_afterwards,) * 5,
        _pause_after_wrap_up,
        _pause,
        _pause,
    ),
    ReadyAsked: (
        _ready_refused,
        *(_ready,) * 2,
        *(_ready_afterwards,) * 5,
        _ready_after_wrap_up,
        _ready,
        _ready_afterwards,
    ),
    WrapUpExtensionAsked: (*(_no_wrap_up_to_extend,) * 8, _wrap_up_extended, *(_no_wrap_up_to_extend,) * 2),
    DispositionGiven: (*(_disposition_given,) * 8, _disposition_given_in_wrap_up, *(_disposition_given,) * 2),
    PresenceChanged: (_recalled,) * 11,
}
MACHINE: Machine[Agent] = Machine("agent", states=Presence, events=_TABLE, table=rows(Presence, _TABLE))
