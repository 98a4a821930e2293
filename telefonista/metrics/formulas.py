"""The trade's formulas, each with its source. Numbers in, a number out; no rows, no clock, no I/O.

A ratio is a fraction of 1. What is undefined (nothing was offered, nobody answered) is None, never 0 or 1: a queue that
nobody called has no service level.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum


def ratio(part: float, *, whole: float) -> float | None:
    """`part` of `whole`; None when there is no whole."""
    return part / whole if whole else None


def mean(values: Iterable[float]) -> float | None:
    """None for no values."""
    total, count = 0.0, 0
    for value in values:
        total += value
        count += 1
    return ratio(total, whole=count)


class CauseClass(StrEnum):
    """How an attempt on a route ended, by Q.850 cause: whom the result speaks of."""

    ANSWERED = "answered"
    BUSY = "busy"
    """17: the user is."""
    NO_ANSWER = "no_answer"
    """18, 19, or it rang and the caller gave up first."""
    REJECTED = "rejected"
    """21: by the user."""
    FAILED = "failed"
    """Everything else: the route, the network or the address."""
    UNDECIDED = "undecided"
    """Neither answered nor over yet."""


_BY_CAUSE = {
    17: CauseClass.BUSY,
    18: CauseClass.NO_ANSWER,
    19: CauseClass.NO_ANSWER,
    21: CauseClass.REJECTED,
}


def cause_class(*, answered: bool, rang: bool, ended: bool, cause: int | None) -> CauseClass:
    """The class of one attempt. A busy or refusing user is told from a phone that merely rang by the cause."""
    if answered:
        return CauseClass.ANSWERED
    if not ended:
        return CauseClass.UNDECIDED
    if cause in _BY_CAUSE:
        return _BY_CAUSE[cause]
    return CauseClass.NO_ANSWER if rang else CauseClass.FAILED


def answer_seizure_ratio(answered: int, *, seizures: int) -> float | None:
    """ASR = answered / seizures, by route (ITU-T E.425). Seizures that are not decided yet are the caller's to leave
    out."""
    return ratio(answered, whole=seizures)


def network_effectiveness_ratio(
    answered: int, *, busy: int, no_answer: int, rejected: int, seizures: int
) -> float | None:
    """NER = (answered + user busy + ring-no-answer + rejected by the user) / seizures (ITU-T E.425): does not blame
    the route for what the person does."""
    return ratio(answered + busy + no_answer + rejected, whole=seizures)


def average_length_of_conversation(conversation_s: Sequence[float]) -> float | None:
    """ALOC = conversation time / answered, in seconds; of those that are over."""
    return mean(conversation_s)


class ServiceLevelKind(StrEnum):
    """Three figures that all go by the same name; none may be shown without saying which it is."""

    OF_ANSWERED = "of_answered"
    OF_OFFERED = "of_offered"
    OF_LASTING = "of_lasting"


SERVICE_LEVEL_DEFINITIONS = {
    ServiceLevelKind.OF_ANSWERED: "answered within T / answered",
    ServiceLevelKind.OF_OFFERED: "(answered within T + abandoned within T) / offered",
    ServiceLevelKind.OF_LASTING: "answered within T / (offered - short abandons)",
}


def service_level(
    kind: ServiceLevelKind,
    *,
    answered_waits_s: Sequence[float],
    abandoned_waits_s: Sequence[float],
    offered: int,
    threshold_s: float,
    short_abandon_s: float,
) -> float | None:
    """The service level at T = `threshold_s`, by one of its definitions.

    A wait of exactly T is within T; an abandonment is short below `short_abandon_s`. `offered` is the count of visits
    whose result at T is known.
    """
    in_time = sum(wait <= threshold_s for wait in answered_waits_s)
    if kind is ServiceLevelKind.OF_ANSWERED:
        return ratio(in_time, whole=len(answered_waits_s))
    if kind is ServiceLevelKind.OF_OFFERED:
        gone_in_time = sum(wait <= threshold_s for wait in abandoned_waits_s)
        return ratio(in_time + gone_in_time, whole=offered)
    return ratio(in_time, whole=offered - short_abandons(abandoned_waits_s, short_abandon_s=short_abandon_s))


def short_abandons(abandoned_waits_s: Sequence[float], *, short_abandon_s: float) -> int:
    """How many left before they can be said to have waited (a set 2-10 s)."""
    return sum(wait < short_abandon_s for wait in abandoned_waits_s)


def average_speed_of_answer(answered_waits_s: Sequence[float]) -> float | None:
    """ASA = the mean wait, in seconds, of those who were answered."""
    return mean(answered_waits_s)


def average_handling_time(
    talk_s: Sequence[float], *, hold_s: Sequence[float] = (), wrap_up_s: Sequence[float] = ()
) -> float | None:
    """AHT = (talk + hold + wrap-up) / conversations, in seconds; `talk_s` has one value for each conversation, without
    the time on hold."""
    return ratio(sum(talk_s) + sum(hold_s) + sum(wrap_up_s), whole=len(talk_s))


def occupancy(busy_s: float, *, available_s: float) -> float | None:
    """Busy / (busy + available): the part of an agent's working time that contacts take."""
    return ratio(busy_s, whole=busy_s + available_s)


def abandonment_ratio(abandoned: int, *, offered: int) -> float | None:
    """Abandoned / offered, short abandons included."""
    return ratio(abandoned, whole=offered)


def longest_wait(waits_s: Sequence[float]) -> float | None:
    """In seconds, of everybody who waited or still does."""
    return max(waits_s, default=None)
