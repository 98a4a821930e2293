"""The formulas on figures worked out by hand, and at their edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telefonista.metrics import formulas
from telefonista.metrics.formulas import CauseClass, ServiceLevelKind

WAITS = st.lists(st.floats(0, 3600), max_size=30)


def level(kind: ServiceLevelKind, *, answered: list[float], abandoned: list[float], offered: int) -> float | None:
    return formulas.service_level(
        kind,
        answered_waits_s=answered,
        abandoned_waits_s=abandoned,
        offered=offered,
        threshold_s=20,
        short_abandon_s=5,
    )


def test_three_service_levels_of_one_morning_are_three_figures() -> None:
    """Ten offered: six answered (four in time), three abandoned (two in time, one of them short), one diverted."""
    answered, abandoned = [3.0, 8.0, 15.0, 20.0, 21.0, 90.0], [2.0, 19.0, 60.0]
    levels = {kind: level(kind, answered=answered, abandoned=abandoned, offered=10) for kind in ServiceLevelKind}
    assert levels == {
        ServiceLevelKind.OF_ANSWERED: pytest.approx(4 / 6),
        ServiceLevelKind.OF_OFFERED: pytest.approx(6 / 10),
        ServiceLevelKind.OF_LASTING: pytest.approx(4 / 9),
    }


def test_wait_of_exactly_the_threshold_is_within_it() -> None:
    assert level(ServiceLevelKind.OF_ANSWERED, answered=[20.0], abandoned=[], offered=1) == 1
    assert level(ServiceLevelKind.OF_ANSWERED, answered=[20.000001], abandoned=[], offered=1) == 0


def test_abandonment_at_exactly_the_limit_is_no_longer_short() -> None:
    assert formulas.short_abandons([4.999, 5.0, 5.001], short_abandon_s=5) == 1


@pytest.mark.parametrize("kind", ServiceLevelKind)
def test_queue_that_nobody_called_has_no_service_level(kind: ServiceLevelKind) -> None:
    assert level(kind, answered=[], abandoned=[], offered=0) is None


def test_queue_that_only_saw_short_abandons_has_no_lasting_service_level() -> None:
    assert level(ServiceLevelKind.OF_LASTING, answered=[], abandoned=[1.0, 2.0], offered=2) is None
    assert level(ServiceLevelKind.OF_OFFERED, answered=[], abandoned=[1.0, 2.0], offered=2) == 1


@pytest.mark.parametrize("kind", ServiceLevelKind)
@given(answered=WAITS, abandoned=WAITS, others=st.integers(0, 20))
def test_service_level_is_undefined_or_a_fraction(
    kind: ServiceLevelKind, answered: list[float], abandoned: list[float], others: int
) -> None:
    value = level(kind, answered=answered, abandoned=abandoned, offered=len(answered) + len(abandoned) + others)
    assert value is None or 0 <= value <= 1


def test_every_kind_of_service_level_says_how_it_is_defined() -> None:
    assert set(formulas.SERVICE_LEVEL_DEFINITIONS) == set(ServiceLevelKind)


def test_answer_seizure_ratio_blames_the_route_for_busy_people_and_network_effectiveness_does_not() -> None:
    """A hundred seizures: 60 answered, 15 busy, 10 not answered, 5 rejected, 10 failed."""
    assert formulas.answer_seizure_ratio(60, seizures=100) == pytest.approx(0.60)
    assert formulas.network_effectiveness_ratio(60, busy=15, no_answer=10, rejected=5, seizures=100) == pytest.approx(
        0.90
    )


def test_route_without_seizures_has_no_ratios() -> None:
    assert formulas.answer_seizure_ratio(0, seizures=0) is None
    assert formulas.network_effectiveness_ratio(0, busy=0, no_answer=0, rejected=0, seizures=0) is None
    assert formulas.average_length_of_conversation([]) is None


@pytest.mark.parametrize(
    ("answered", "rang", "ended", "cause", "expected"),
    [
        (True, True, True, 16, CauseClass.ANSWERED),
        (True, False, False, None, CauseClass.ANSWERED),
        (True, True, True, 17, CauseClass.ANSWERED),
        (False, False, False, None, CauseClass.UNDECIDED),
        (False, True, False, None, CauseClass.UNDECIDED),
        (False, False, True, 17, CauseClass.BUSY),
        (False, True, True, 18, CauseClass.NO_ANSWER),
        (False, True, True, 19, CauseClass.NO_ANSWER),
        (False, True, True, 21, CauseClass.REJECTED),
        (False, True, True, 16, CauseClass.NO_ANSWER),
        (False, False, True, 16, CauseClass.FAILED),
        (False, False, True, 34, CauseClass.FAILED),
        (False, False, True, 1, CauseClass.FAILED),
        (False, False, True, None, CauseClass.FAILED),
    ],
)
def test_attempt_is_classed_by_how_it_ended(
    answered: bool, rang: bool, ended: bool, cause: int | None, expected: CauseClass
) -> None:
    assert formulas.cause_class(answered=answered, rang=rang, ended=ended, cause=cause) is expected


def test_average_speed_of_answer_is_the_mean_wait_of_the_answered() -> None:
    assert formulas.average_speed_of_answer([10.0, 20.0, 60.0]) == pytest.approx(30)
    assert formulas.average_speed_of_answer([]) is None


def test_handling_time_is_talk_hold_and_wrap_up_for_each_conversation() -> None:
    assert formulas.average_handling_time([100.0, 200.0], hold_s=[30.0], wrap_up_s=[10.0, 20.0]) == pytest.approx(180)
    assert formulas.average_handling_time([], wrap_up_s=[10.0]) is None


def test_length_of_conversation_is_the_mean() -> None:
    assert formulas.average_length_of_conversation([60.0, 120.0]) == pytest.approx(90)


def test_occupancy_of_an_agent_who_was_never_at_work_is_undefined() -> None:
    assert formulas.occupancy(45 * 60, available_s=15 * 60) == pytest.approx(0.75)
    assert formulas.occupancy(0, available_s=60) == 0
    assert formulas.occupancy(0, available_s=0) is None


def test_abandonment_counts_short_ones_too() -> None:
    assert formulas.abandonment_ratio(3, offered=12) == pytest.approx(0.25)
    assert formulas.abandonment_ratio(0, offered=0) is None


def test_longest_wait_of_nobody_is_undefined() -> None:
    assert formulas.longest_wait([3.0, 400.0, 20.0]) == 400
    assert formulas.longest_wait([]) is None
