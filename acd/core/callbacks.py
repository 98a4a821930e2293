"""Contacts without a citizen's channel: who is to be called back, and messages to be heard.

In: what citizens ask for in a dialogue, the queue's policy, and who may be called when. Out: granted or refused with
one of a few reasons, and the booking, which waits in the queue like anybody else, at the place that was kept. One
callback per number. Pure; must never import the desk.
"""

import re
from collections.abc import Callable

import msgspec

from acd.core.policy import CallbackPolicy, QueuePolicy
from telefonista.kernel.events import ContactBooked, DestinationKind, Medium
from telefonista.kernel.ids import CallId

MayCall = Callable[[str, float], str | None]
"""Whether a number may be called at a time (epoch seconds): why not, or None. DO_NOT_CALL is for good."""
DO_NOT_CALL = "do_not_call"
Canonical = Callable[[str], str]
"""A number as everybody writes it, so that one person is not called twice."""

_NUMBER = re.compile(r"\+?[0-9]{3,20}", re.ASCII)


class Origin(msgspec.Struct, frozen=True):
    """Where a contact comes from: the call, as it arrived."""

    caller: str
    line: str
    route: str
    arrived_at: float


class Bookings:
    """Callbacks and messages that are open, by contact and by number."""

    def __init__(self, *, canonical: Canonical) -> None:
        self._canonical = canonical
        self._open: dict[CallId, ContactBooked] = {}
        self._by_number: dict[str, CallId] = {}

    def __getitem__(self, contact: CallId) -> ContactBooked:
        """Raises KeyError for what is not a contact of this kind."""
        return self._open[contact]

    def get(self, contact: CallId) -> ContactBooked | None:
        return self._open.get(contact)

    def add(self, booked: ContactBooked) -> None:
        self._open[booked.call] = booked
        if booked.medium is Medium.CALLBACK:
            self._by_number[self._canonical(booked.number)] = booked.call

    def remove(self, contact: CallId) -> None:
        booked = self._open.pop(contact, None)
        if booked is not None and booked.medium is Medium.CALLBACK:
            self._by_number.pop(self._canonical(booked.number), None)

    def of_number(self, number: str) -> CallId | None:
        return self._by_number.get(self._canonical(number))


def why_not(policy: QueuePolicy | None, *, number: str, at: float, bookings: Bookings, may_call: MayCall) -> str:
    """Why a callback is refused, `not_offered`, `number`, `already`, `closed` or `do_not_call`; empty: it is not."""
    if policy is None:
        return "not_offered"
    if _NUMBER.fullmatch(number) is None:
        return "number"
    if bookings.of_number(number) is not None:
        return "already"
    if not asked_in_time(policy, at=at):
        return "closed"
    return DO_NOT_CALL if may_call(number, at) == DO_NOT_CALL else ""


def asked_in_time(policy: QueuePolicy, *, at: float) -> bool:
    """Whether somebody may ask for a callback now. A queue that offers it to those who come while it is closed calls
    them when it is open."""
    return policy.when_closed.kind is DestinationKind.CALLBACK or may_be_called(policy, at=at)


def may_be_called(policy: QueuePolicy, *, at: float) -> bool:
    """Whether citizens may be called at this time, by the hours of the queue's callbacks."""
    hours = terms(policy).hours or policy.hours
    return hours is None or hours.is_open(at)


def terms(policy: QueuePolicy) -> CallbackPolicy:
    """Those of a queue that says nothing of callbacks are for flows that arrange one nevertheless."""
    return policy.callback or CallbackPolicy()
