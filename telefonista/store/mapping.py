"""What each event means for the tables: a pure table from event type to changes of rows.

In goes an entry, out come changes keyed by ids that stand in the entry, so that they can be gathered, repeated and
rebuilt. Knows the tables and no connection; reads nothing back.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Table

from telefonista.kernel import events as e
from telefonista.kernel.events import EndReason, Entry, Medium, Presence, VisitOutcome
from telefonista.kernel.ids import CallId, LegId, RouteName, agent_leg, citizen_leg, recording_id, visit_id
from telefonista.store.number import e164
from telefonista.store.tables import (
    AgentPresence,
    Attempt,
    Audit,
    Base,
    Call,
    Choice,
    Conversation,
    Disposition,
    Diversion,
    HandledBy,
    Hearing,
    Leg,
    Offer,
    Party,
    Recording,
    RecordingState,
    Role,
    SurveyAnswer,
    Ticket,
    TicketState,
    Visit,
    moment,
)

AGENTS_ROUTE = RouteName("agents")
"""Where the legs to our agents' phones are counted: no trunk of the organisation carries them."""
OUTSIDE_ROUTE = RouteName("outside")
"""Where the legs to numbers outside are counted, which agents consult: the event does not name the trunk."""

Values = Mapping[str, Any]
_NOTHING: Values = {}


def table_of(model: type[Base]) -> Table:
    return Base.metadata.tables[model.__tablename__]


class Change(msgspec.Struct, frozen=True):
    """Of one row, named by its primary key."""

    model: type[Base]
    key: str | int
    insert: Values | None = None
    """A new row's values; where the row is there already it stays as it is."""
    update: Values = _NOTHING
    fill: Values = _NOTHING
    """Set only where nothing stands yet: the first one counts."""


class Contact(msgspec.Struct, frozen=True):
    """A citizen was in touch at this time (epoch seconds)."""

    number: str
    at: float


class MarkLost(msgspec.Struct, frozen=True):
    """Visits that this call was in at this time ended because the call was lost."""

    call: CallId
    at: float


class Close(msgspec.Struct, frozen=True):
    """The call is over: whatever of it is still open in the tables ends now. An engine without defects has closed
    everything by then; this keeps a defect from leaving a ghost that waits or talks for ever."""

    call: CallId
    at: float
    reason: EndReason


AnyChange = Change | Contact | MarkLost | Close


def changes(entry: Entry, *, country: str) -> list[AnyChange]:
    """What the entry changes. `country` (ISO 3166) is where the call's line is, by which its number is read.

    Raises whatever a nonsensical value raises (a time beyond the calendar); the caller sets such an entry aside.
    """
    rule = RULES[type(entry.event)]
    return [] if rule is None else rule(entry.event, entry.at, entry.seq, country)


def _call_arrived(event: e.CallArrived, at: float, seq: int, country: str) -> list[AnyChange]:
    number = e164(event.caller, country=country)
    arrival: list[AnyChange] = [
        Change(
            Call,
            event.call,
            insert={
                "seq": seq,
                "handled_by": HandledBy.ENGINE,
                "line": event.line,
                "route": event.route,
                "dialled": event.dialled,
                "caller": event.caller,
                "citizen": number,
                "arrived_at": moment(at),
            },
        ),
        _new_leg(citizen_leg(event.call), call=event.call, role=Role.CITIZEN, route=event.route, at=at),
    ]
    return arrival if number is None else [Contact(number, at), *arrival]


def _new_leg(leg: LegId, *, call: CallId, role: Role, route: RouteName, at: float, agent: str | None = None) -> Change:
    return Change(
        Leg,
        leg,
        insert={
            "call": call,
            "role": role,
            "route": route,
            "agent": agent,
            "started_at": moment(at),
            "lost": False,
        },
    )


def _citizen_answered(call: CallId, *, at: float) -> Change:
    """No event says that we answered the citizen's channel; the first one that follows from it does."""
    return Change(Leg, citizen_leg(call), fill={"answered_at": moment(at)})


def _leg_rang(event: e.LegRang, at: float, seq: int, country: str) -> list[AnyChange]:
    return [Change(Leg, event.leg, fill={"rang_at": moment(at)})]


def _leg_answered(event: e.LegAnswered, at: float, seq: int, country: str) -> list[AnyChange]:
    return [Change(Leg, event.leg, fill={"answered_at": moment(at)})]


def _leg_ended(event: e.LegEnded, at: float, seq: int, country: str) -> list[AnyChange]:
    ending = {"ended_at": moment(at), "cause": event.cause, "sip_status": event.sip_status, "lost": event.lost}
    return [Change(Leg, event.leg, update=ending)]


def _flow_entered(event: e.FlowEntered, at: float, seq: int, country: str) -> list[AnyChange]:
    return [
        Change(Call, event.call, update={"flow": event.flow, "flow_version": event.version}),
        _citizen_answered(event.call, at=at),
    ]


def _node_entered(event: e.NodeEntered, at: float, seq: int, country: str) -> list[AnyChange]:
    return [Change(Call, event.call, update={"last_node": event.node})]


def _option_chosen(event: e.OptionChosen, at: float, seq: int, country: str) -> list[AnyChange]:
    choice = _choice(event.call, at=at, seq=seq, node=event.node, digit=event.digit, option=event.option)
    if not event.phrase:
        return [choice]
    return [msgspec.structs.replace(choice, insert={**(choice.insert or {}), "phrase": event.phrase})]


def _input_rejected(event: e.InputRejected, at: float, seq: int, country: str) -> list[AnyChange]:
    return [_choice(event.call, at=at, seq=seq, node=event.node, digit=event.digit, option=None)]


def _choice(call: CallId, *, at: float, seq: int, node: str, digit: str, option: str | None) -> Change:
    return Change(
        Choice, seq, insert={"call": call, "chosen_at": moment(at), "node": node, "digit": digit, "option": option}
    )


def _ticket_opened(event: e.TicketOpened, at: float, seq: int, country: str) -> list[AnyChange]:
    """The row is there already, unless the tables are being built again."""
    ticket = {
        "key": None,
        "call": event.call,
        "topic": event.topic,
        "details": event.details,
        "status": TicketState.OPEN,
        "note": "",
        "opened_at": moment(at),
        "changed_at": moment(at),
    }
    return [Change(Ticket, event.ticket, insert=ticket)]


def _speech_heard(event: e.SpeechHeard, at: float, seq: int, country: str) -> list[AnyChange]:
    return [_hearing(event, at=at, seq=seq, phrase=event.phrase or None, confidence=event.confidence)]


def _speech_failed(event: e.SpeechFailed, at: float, seq: int, country: str) -> list[AnyChange]:
    return [_hearing(event, at=at, seq=seq, failure=event.why)]


def _hearing(
    event: e.SpeechHeard | e.SpeechFailed,
    *,
    at: float,
    seq: int,
    phrase: str | None = None,
    confidence: float | None = None,
    failure: str | None = None,
) -> Change:
    hearing = {"call": event.call, "heard_at": moment(at), "node": event.node}
    return Change(Hearing, seq, insert={**hearing, "phrase": phrase, "confidence": confidence, "failure": failure})


def _survey_answered(event: e.SurveyAnswered, at: float, seq: int, country: str) -> list[AnyChange]:
    answer = {
        "call": event.call,
        "answered_at": moment(at),
        "survey": event.survey,
        "question": event.question,
        "answer": event.answer,
    }
    return [Change(SurveyAnswer, seq, insert=answer)]


def _handed_off(event: e.HandedOff, at: float, seq: int, country: str) -> list[AnyChange]:
    return [Change(Call, event.call, update={"topic": event.topic})] if event.topic else []


def _visit_started(event: e.VisitStarted, at: float, seq: int, country: str) -> list[AnyChange]:
    visit = {
        "call": event.call,
        "queue": event.queue,
        "priority": event.priority,
        "started_at": moment(at),
        "lost": False,
        "medium": event.medium,
        "waits_since": _maybe(event.place_at),
    }
    if event.medium is not Medium.CALL:
        return [Change(Visit, event.visit, insert=visit)]
    return [Change(Visit, event.visit, insert=visit), _citizen_answered(event.call, at=at)]


def _visit_ended(event: e.VisitEnded, at: float, seq: int, country: str) -> list[AnyChange]:
    ending = {"ended_at": moment(at), "outcome": event.outcome, "agent": event.agent}
    return [Change(Visit, event.visit, update=ending)]


def _offer_made(event: e.OfferMade, at: float, seq: int, country: str) -> list[AnyChange]:
    offer = {
        "call": event.call,
        "visit": event.visit,
        "agent": event.agent,
        "leg": event.leg,
        "made_at": moment(at),
        "passed_over": event.passed_over,
        "because": event.because,
        "others": event.others,
    }
    return [
        _new_leg(event.leg, call=event.call, role=Role.AGENT, route=AGENTS_ROUTE, at=at, agent=event.agent),
        Change(Offer, event.offer, insert=offer),
    ]


def _offer_ended(event: e.OfferEnded, at: float, seq: int, country: str) -> list[AnyChange]:
    return [Change(Offer, event.offer, update={"ended_at": moment(at), "outcome": event.outcome})]


def _conversation_started(event: e.ConversationStarted, at: float, seq: int, country: str) -> list[AnyChange]:
    conversation = {
        "call": event.call,
        "agent": event.agent,
        "queue": event.queue,
        "started_at": moment(at),
        "medium": event.medium,
        "number": event.number,
    }
    return [
        Change(Call, event.call, fill={"answered_at": moment(at)}),
        _citizen_answered(event.call, at=at),
        Change(Conversation, event.leg, insert=conversation),
    ]


def _conversation_ended(event: e.ConversationEnded, at: float, seq: int, country: str) -> list[AnyChange]:
    return [Change(Conversation, event.leg, update={"ended_at": moment(at), "ended_by": event.reason})]


def _contact_booked(event: e.ContactBooked, at: float, seq: int, country: str) -> list[AnyChange]:
    """A contact without a channel. Whom it concerns has called before, so the citizen is known already, or unknown."""
    number = e164(event.number, country=country)
    contact = Change(
        Call,
        event.call,
        insert={
            "seq": seq,
            "handled_by": HandledBy.ENGINE,
            "line": event.line,
            "route": event.route,
            "dialled": "",
            "caller": event.number,
            "citizen": number,
            "arrived_at": moment(at),
            "topic": event.topic or None,
            "medium": event.medium,
            "origin": event.origin,
            "message": event.message,
        },
    )
    return [contact] if number is None else [Contact(number, at), contact]


def _diverted(event: e.Diverted, at: float, seq: int, country: str) -> list[AnyChange]:
    diversion = {
        "call": event.call,
        "diverted_at": moment(at),
        "queue": event.queue,
        "kind": event.to.kind.value,
        "name": event.to.name,
        "why": event.why,
        "by": event.by,
    }
    return [Change(Diversion, seq, insert=diversion)]


def _attempt_made(event: e.AttemptMade, at: float, seq: int, country: str) -> list[AnyChange]:
    attempt = {
        "call": event.call,
        "attempt": event.attempt,
        "agent": event.agent,
        "number": event.number,
        "route": event.route,
        "made_at": moment(at),
    }
    return [Change(Attempt, _attempt(event), insert=attempt)]


def _attempt_ended(event: e.AttemptEnded, at: float, seq: int, country: str) -> list[AnyChange]:
    ending = {"ended_at": moment(at), "outcome": event.outcome, "cause": event.cause}
    return [Change(Attempt, _attempt(event), update=ending)]


def _attempt(event: e.AttemptMade | e.AttemptEnded) -> str:
    return f"{event.call}#{event.attempt}"


def _party_called(event: e.PartyCalled, at: float, seq: int, country: str) -> list[AnyChange]:
    party = {"call": event.call, "agent": event.agent, "number": event.number, "called_at": moment(at)}
    route = AGENTS_ROUTE if event.agent is not None else OUTSIDE_ROUTE
    return [
        _new_leg(event.leg, call=event.call, role=Role.CONSULTED, route=route, at=at, agent=event.agent),
        Change(Party, event.leg, insert=party),
    ]


def _party_joined(event: e.PartyJoined, at: float, seq: int, country: str) -> list[AnyChange]:
    return [Change(Party, event.leg, fill={"joined_at": moment(at)})]


def _party_left(event: e.PartyLeft, at: float, seq: int, country: str) -> list[AnyChange]:
    return [Change(Party, event.leg, update={"left_at": moment(at), "outcome": event.outcome})]


def _supervision_began(event: e.SupervisionBegan, at: float, seq: int, country: str) -> list[AnyChange]:
    return [
        _new_leg(event.leg, call=event.call, role=Role.SUPERVISOR, route=AGENTS_ROUTE, at=at, agent=event.supervisor)
    ]


def _disposition_given(event: e.DispositionGiven, at: float, seq: int, country: str) -> list[AnyChange]:
    disposition = {
        "call": event.call,
        "agent": event.agent,
        "disposition": event.disposition,
        "note": event.note,
        "by": event.by,
        "given_at": moment(at),
    }
    return [Change(Disposition, seq, insert=disposition), *_wished(event, at, seq, country)]


_NAMED = frozenset({"by", "call", "agent", "supervisor", "why"})


def _wished(event: Any, at: float, seq: int, country: str) -> list[AnyChange]:
    """A row of the audit: somebody wanted this."""
    agent = getattr(event, "agent", None) or getattr(event, "supervisor", None)
    detail = {name: _in_json(getattr(event, name)) for name in event.__struct_fields__ if name not in _NAMED}
    wish = {
        "asked_at": moment(at),
        "by": event.by or agent or "",
        "what": type(event).__name__,
        "call": getattr(event, "call", None),
        "agent": agent,
        "detail": detail,
        "refused": None,
    }
    return [Change(Audit, seq, insert=wish)]


def _in_json(value: Any) -> Any:
    return str(value) if isinstance(value, e.Destination) else value


def _refused(event: e.RequestRefused | e.AgentRequestRefused, at: float, seq: int, country: str) -> list[AnyChange]:
    agent = getattr(event, "agent", None)
    refusal: dict[str, Any] = {
        "asked_at": moment(at),
        "by": event.by or agent or "",
        "what": event.what,
        "call": getattr(event, "call", None),
        "agent": agent,
        "detail": {},
        "refused": event.why,
    }
    return [Change(Audit, seq, insert=refusal)]


def _recording_asked(event: e.RecordingAsked, at: float, seq: int, country: str) -> list[AnyChange]:
    recording = {
        "call": event.call,
        "agent": event.agent,
        "state": RecordingState.ASKED,
        "asked_at": moment(at),
    }
    return [Change(Recording, event.recording, insert=recording)]


def _recording_started(event: e.RecordingStarted, at: float, seq: int, country: str) -> list[AnyChange]:
    return [
        Change(Recording, event.recording, update={"state": RecordingState.RUNNING}, fill={"started_at": moment(at)})
    ]


def _recording_stopped(event: e.RecordingStopped, at: float, seq: int, country: str) -> list[AnyChange]:
    return [
        Change(Recording, event.recording, update={"state": RecordingState.STOPPED}, fill={"stopped_at": moment(at)})
    ]


def _recording_kept(event: e.RecordingKept, at: float, seq: int, country: str) -> list[AnyChange]:
    kept = {
        "state": RecordingState.KEPT,
        "settled_at": moment(at),
        "path": event.path,
        "duration_s": event.duration_s,
        "sha256": event.sha256,
    }
    return [Change(Recording, event.recording, update=kept)]


def _recording_failed(event: e.RecordingFailed, at: float, seq: int, country: str) -> list[AnyChange]:
    failed = {"state": RecordingState.FAILED, "settled_at": moment(at), "why_failed": event.why}
    return [Change(Recording, event.recording, update=failed)]


def _call_lost(event: e.CallLost, at: float, seq: int, country: str) -> list[AnyChange]:
    return [Change(Call, event.call, update={"trouble": event.why}), MarkLost(event.call, at)]


def _call_broken(event: e.CallBroken, at: float, seq: int, country: str) -> list[AnyChange]:
    return [Change(Call, event.call, update={"trouble": event.why})]


def _call_ended(event: e.CallEnded, at: float, seq: int, country: str) -> list[AnyChange]:
    ending = {"ended_at": moment(at), "end_reason": event.reason, "cause": event.cause}
    return [Change(Call, event.call, update=ending), Close(event.call, at, event.reason)]


def _contingency_call_reported(event: e.ContingencyCallReported, at: float, seq: int, country: str) -> list[AnyChange]:
    """A call that is over, in one piece. What the dialplan cannot know (offers, who hung up) stays empty."""
    call = event.call
    number = e164(event.caller, country=country)
    rows: list[AnyChange] = [] if number is None else [Contact(number, event.arrived_at)]
    rows.append(
        Change(
            Call,
            call,
            insert={
                "seq": seq,
                "handled_by": HandledBy.CONTINGENCY,
                "line": event.line,
                "route": event.route,
                "dialled": event.dialled,
                "caller": event.caller,
                "citizen": number,
                "arrived_at": moment(event.arrived_at),
                "answered_at": _maybe(event.answered_at),
                "ended_at": moment(event.ended_at),
                "cause": event.cause,
            },
        )
    )
    leg_ending = {"ended_at": moment(event.ended_at), "cause": event.cause}
    citizen = _new_leg(citizen_leg(call), call=call, role=Role.CITIZEN, route=event.route, at=event.arrived_at)
    # The contingency path answers before it says its message.
    rows.append(_with(citizen, answered_at=moment(event.arrived_at), **leg_ending))
    if event.queue is not None:
        answered = event.answered_at is not None
        queued_at = event.arrived_at if event.queued_at is None else event.queued_at
        rows.append(
            Change(
                Visit,
                visit_id(call, n=1),
                insert={
                    "call": call,
                    "queue": event.queue,
                    "priority": 0,
                    "started_at": moment(queued_at),
                    "ended_at": moment(event.ended_at if event.answered_at is None else event.answered_at),
                    "outcome": VisitOutcome.ANSWERED if answered else VisitOutcome.ABANDONED,
                    "agent": event.agent if answered else None,
                    "lost": False,
                },
            )
        )
    if event.answered_at is not None and event.agent is not None:
        leg = agent_leg(call, n=1)
        # When the phone began to ring is not in the record; the answer is the first that is known of this leg.
        ringing = _new_leg(leg, call=call, role=Role.AGENT, route=AGENTS_ROUTE, at=event.answered_at, agent=event.agent)
        rows.append(_with(ringing, answered_at=moment(event.answered_at), **leg_ending))
        rows.append(
            Change(
                Conversation,
                leg,
                insert={
                    "call": call,
                    "agent": event.agent,
                    "queue": event.queue or "",
                    "started_at": moment(event.answered_at),
                    "ended_at": moment(event.ended_at),
                },
            )
        )
    if event.recording_files:
        recording = {
            "call": call,
            "agent": event.agent,
            "state": RecordingState.STOPPED,
            "asked_at": moment(event.arrived_at),
            "stopped_at": moment(event.ended_at),
        }
        rows.append(Change(Recording, recording_id(call, n=1), insert=recording))
    return rows


def _with(change: Change, **values: Any) -> Change:
    return Change(change.model, change.key, insert={**(change.insert or {}), **values})


def _maybe(at: float | None) -> Any:
    return None if at is None else moment(at)


def _why(event: e.PresenceChanged) -> str:
    """The reason of a pause where there is one."""
    return event.pause if event.presence is Presence.PAUSED else event.why


def _presence_changed(event: e.PresenceChanged, at: float, seq: int, country: str) -> list[AnyChange]:
    point = {
        "agent": event.agent,
        "began_at": moment(at),
        "presence": event.presence,
        "call": event.call,
        "why": _why(event),
    }
    return [Change(AgentPresence, seq, insert=point)]


Rule = Callable[[Any, float, int, str], list[AnyChange]]

RULES: dict[type, Rule | None] = {
    e.CallArrived: _call_arrived,
    e.DigitPressed: None,
    e.PlaybackEnded: None,
    e.LegRang: _leg_rang,
    e.LegAnswered: _leg_answered,
    e.LegEnded: _leg_ended,
    e.CommandFailed: None,
    e.TimerFired: None,
    e.FlowEntered: _flow_entered,
    e.NodeEntered: _node_entered,
    e.OptionChosen: _option_chosen,
    e.InputRejected: _input_rejected,
    # What citizens type may be the number of a document: it stays in the journal.
    e.VariableSet: None,
    e.InputTaken: None,
    e.LanguageChosen: None,
    e.LookupAnswered: None,
    e.LookupFailed: None,
    e.TicketOpened: _ticket_opened,
    e.TicketStatus: None,
    e.SurveyAnswered: _survey_answered,
    e.SpeechBegan: None,
    e.SpeechHeard: _speech_heard,
    e.SpeechFailed: _speech_failed,
    e.FlowEnded: None,
    e.HandedOff: _handed_off,
    e.VisitStarted: _visit_started,
    e.WaitBegan: None,
    e.WaitAnnounced: None,
    e.OfferMade: _offer_made,
    e.AgentRang: None,
    e.OfferEnded: _offer_ended,
    e.VisitEnded: _visit_ended,
    e.ConversationStarted: _conversation_started,
    e.ConversationEnded: _conversation_ended,
    e.VisitSuspended: None,
    e.ReturnedToQueue: None,
    e.VisitResumed: None,
    e.PlaceChanged: None,
    e.Diverted: _diverted,
    e.LegHeld: None,
    e.LegUnheld: None,
    e.HoldAsked: _wished,
    e.HoldBegan: None,
    e.HoldEnded: None,
    e.ReferReceived: None,
    e.TransferAsked: _wished,
    e.ConsultationAsked: _wished,
    e.PartyCalled: _party_called,
    e.PartyJoined: _party_joined,
    e.PartyLeft: _party_left,
    e.ConsultationEndAsked: _wished,
    e.ConferenceAsked: _wished,
    e.ConferenceBegan: None,
    e.TransferCompletionAsked: _wished,
    e.SupervisionAsked: _wished,
    e.SupervisionBegan: _supervision_began,
    e.SupervisionChanged: None,
    e.SupervisionEndAsked: _wished,
    e.SupervisionEnded: None,
    e.TakeOverAsked: _wished,
    e.MoveAsked: _wished,
    e.RequestRefused: _refused,
    e.CallbackAsked: None,
    e.CallbackGranted: None,
    e.CallbackRefused: None,
    e.ContactBooked: _contact_booked,
    e.ContactPostponed: None,
    e.CancellationAsked: _wished,
    e.AttemptMade: _attempt_made,
    e.AttemptEnded: _attempt_ended,
    e.MessageRecorded: None,
    e.MessageFailed: None,
    e.MessageLeft: None,
    e.RecordingAsked: _recording_asked,
    e.RecordingStarted: _recording_started,
    e.RecordingStopped: _recording_stopped,
    e.RecordingKept: _recording_kept,
    e.RecordingFailed: _recording_failed,
    e.CallLost: _call_lost,
    e.CallBroken: _call_broken,
    e.CallStopped: None,
    e.CallEnded: _call_ended,
    e.ContingencyCallReported: _contingency_call_reported,
    e.PhoneChanged: None,
    e.AgentTimerFired: None,
    e.LogInAsked: _wished,
    e.LogOutAsked: _wished,
    e.PauseAsked: _wished,
    e.ReadyAsked: _wished,
    e.WrapUpExtensionAsked: _wished,
    e.CodeDialled: None,
    e.DispositionAsked: None,
    e.DispositionGiven: _disposition_given,
    e.AgentRequestRefused: _refused,
    e.PresenceChanged: _presence_changed,
    e.EngineStarted: None,
    e.EngineStopped: None,
    e.NodeUp: None,
    e.NodeLost: None,
}
"""Every kind of event stands here; None: it leaves no row."""
