"""What it means that a leg ended, and what a telephone may show of a number. Pure functions of what Asterisk tells."""

from telefonista.kernel.events import EndReason, LegEnded, OfferOutcome

_Q850_BUSY = 17
_Q850_NO_USER_RESPONDING = 18
_Q850_REJECTED = 21
_UNREACHABLE_CAUSES = frozenset({1, 3, 20, 27, 34, 38, 41, 44})
"""No such number, no route, subscriber absent, destination out of order, no circuit, network trouble (ITU-T Q.850)."""


def ring_outcome(event: LegEnded, *, rang: bool) -> OfferOutcome:
    """What it means for a ringing that its leg ended before it was answered (Q.850 causes)."""
    if event.lost:
        return OfferOutcome.LOST
    if event.cause == _Q850_BUSY:
        return OfferOutcome.BUSY
    if event.cause == _Q850_REJECTED:
        return OfferOutcome.REFUSED
    if event.cause in _UNREACHABLE_CAUSES or (not rang and event.cause != _Q850_NO_USER_RESPONDING):
        return OfferOutcome.UNREACHABLE
    return OfferOutcome.UNANSWERED


def ending_of(event: LegEnded, *, otherwise: EndReason) -> EndReason:
    """Why a conversation or a call ended with this leg; a leg that was not seen to end was hung up by nobody."""
    return EndReason.LOST if event.lost else otherwise


def phone_number(caller: str) -> str:
    """What an agent's phone may show of a number that the network gave: digits and a leading plus, at most 20."""
    digits = "".join(character for character in caller if character in "0123456789")
    return ("+" if caller.startswith("+") else "") + digits[:20]
