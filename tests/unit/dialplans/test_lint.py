"""Each kind of fault in a dialplan is found, and nothing is found in a sound one."""

from __future__ import annotations

import pytest

from dialplans import Finding, lint
from dialplans.core.lint import Fault
from dialplans.core.model import (
    Context,
    Dialplan,
    Expression,
    Extension,
    Step,
    Target,
    assign,
    goto,
    goto_if,
    hang_up,
    leave_subroutine,
    on_hang_up,
)

RECORD = Context("record", (Extension("s", (leave_subroutine(),)),))


def faults(*contexts: Context) -> list[tuple[str, Fault]]:
    return [(finding.where, finding.fault) for finding in lint(Dialplan(contexts))]


def entry(*steps: Step, name: str = "citizens") -> Context:
    return Context(name, (Extension("s", steps),), entry=True)


def test_a_sound_dialplan_has_no_findings() -> None:
    other = Context("other", (Extension("s", (Step("NoOp", label="here"), hang_up())),))
    assert not faults(
        entry(on_hang_up(Target("record", "s")), Step("Queue", ("failsafe",)), goto(Target("other", "s", "here"))),
        other,
        RECORD,
    )


def test_a_finding_says_where_and_what() -> None:
    (finding,) = lint(Dialplan((entry(goto(Target("nowhere", "s"))),)))
    assert finding == Finding("citizens,s", Fault.GOES_NOWHERE, "Goto to nowhere,s,1")


@pytest.mark.parametrize(
    "target",
    [
        Target("nowhere", "s"),
        Target("citizens", "t"),
        Target("citizens", "s", "9"),
        Target("citizens", "s", "0"),
        Target("citizens", "s", "label"),
    ],
)
def test_a_jump_to_nowhere_is_found(target: Target) -> None:
    assert faults(entry(goto_if(Expression("1"), then=target), hang_up())) == [("citizens,s", Fault.GOES_NOWHERE)]


def test_an_include_of_nothing_is_found() -> None:
    assert faults(Context("citizens", (), includes=("nothing",), entry=True)) == [("citizens", Fault.GOES_NOWHERE)]


def test_a_context_that_no_call_reaches_is_found() -> None:
    assert faults(entry(hang_up()), RECORD) == [("record", Fault.UNREACHABLE)]


def test_an_included_context_is_reached() -> None:
    assert not faults(Context("citizens", (), includes=("record",), entry=True), RECORD)


def test_contexts_that_lead_to_each_other_only_are_found() -> None:
    first = Context("first", (Extension("s", (goto(Target("second", "s")),)),))
    second = Context("second", (Extension("s", (goto(Target("first", "s")),)),))
    assert faults(entry(hang_up()), first, second) == [("first", Fault.UNREACHABLE), ("second", Fault.UNREACHABLE)]


def test_an_extension_that_stops_without_ending_is_found() -> None:
    assert faults(entry(Step("Answer"))) == [("citizens,s", Fault.DOES_NOT_END)]


def test_an_extension_without_steps_is_found() -> None:
    assert faults(entry()) == [("citizens,s", Fault.EMPTY)]


def test_a_queue_with_nothing_to_run_at_hang_up_is_found() -> None:
    assert faults(entry(assign("CHANNEL(language)", "es"), Step("Queue", ("failsafe",)), hang_up())) == [
        ("citizens,s", Fault.NO_HANG_UP_HANDLER)
    ]


def test_a_queue_in_a_context_with_an_h_extension_is_sound() -> None:
    context = Context(
        "citizens",
        (Extension("s", (Step("Queue", ("failsafe",)), hang_up())), Extension("h", (hang_up(),))),
        entry=True,
    )
    assert not faults(context)


@pytest.mark.parametrize("application", ["Dial", "Originate", "DISA", "FollowMe"])
def test_a_step_that_dials_out_is_found(application: str) -> None:
    assert faults(entry(Step(application, ("PJSIP/1",)), hang_up())) == [("citizens,s", Fault.DIALS_OUT)]


@pytest.mark.parametrize("application", ["System", "TrySystem", "EAGI"])
def test_a_step_that_runs_programs_is_found(application: str) -> None:
    assert faults(entry(Step(application, ("id",)), hang_up())) == [("citizens,s", Fault.RUNS_PROGRAMS)]


def test_names_used_twice_are_found() -> None:
    twice = Extension("s", (hang_up(label="end"), hang_up(label="end")))
    found = faults(Context("citizens", (twice, twice), entry=True), Context("citizens", (), entry=True))
    assert ("citizens", Fault.REPEATED) in found
    assert ("citizens,s", Fault.REPEATED) in found
    assert {fault for _, fault in found} == {Fault.REPEATED}


def test_a_step_without_arguments_is_no_hang_up_handler() -> None:
    assert faults(entry(Step("Set"), Step("Queue"), hang_up())) == [("citizens,s", Fault.NO_HANG_UP_HANDLER)]


def test_a_literal_assignment_is_read_as_well() -> None:
    literal = Step("Set", ("CHANNEL",))
    assert faults(entry(literal, Step("Queue"), hang_up())) == [("citizens,s", Fault.NO_HANG_UP_HANDLER)]
