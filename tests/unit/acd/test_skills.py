"""What queues and flows ask of agents, why an agent has not got it, and what is asked in vain."""

import pytest

from acd.core.policy import QueuePolicy, Relaxation
from acd.core.skills import (
    Requirement,
    asked,
    check_skills,
    read_requirement,
    requirement_or_none,
    speaks,
    wrong_with,
)
from agents import Member
from telefonista.kernel.ids import AgentId, QueueName
from telefonista.notation.expressions import ExpressionInvalid

TRAMITES = QueueName("tramites")
ANA = Member(agent=AgentId("101"), name="", queues=(TRAMITES,), skills={"impuestos": 7, "guarani": 0})
BEA = Member(agent=AgentId("102"), name="", queues=(TRAMITES,), skills={"impuestos": 3}, levels={TRAMITES: 2})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", ""),
        ("impuestos >= 3", ""),
        ("impuestos >= 5", "impuestos 3 < 5"),
        ("impuestos > 3", "impuestos 3 <= 3"),
        ("impuestos <= 2", "impuestos 3 > 2"),
        ("impuestos < 3", "impuestos 3 >= 3"),
        ("impuestos == 4", "impuestos 3 != 4"),
        ("impuestos != 3", "impuestos 3 == 3"),
        ("guarani >= 1", "guarani 0 < 1"),
        ("impuestos >= 2 and guarani >= 1", "guarani 0 < 1"),
        ("impuestos >= 4 and guarani >= 1", "impuestos 3 < 4"),
        ("impuestos >= 4 or guarani >= 1", "impuestos 3 < 4, guarani 0 < 1"),
        ("impuestos + guarani >= 4", "impuestos + guarani < 4"),
        ("impuestos in [1, 2]", "impuestos 3 not in [1, 2]"),
        ("not (impuestos in [3])", "not (impuestos in [3]) is not so"),
        ("not impuestos >= 2", "not (impuestos >= 2) is not so"),
        ("false", "False is not so"),
    ],
)
def test_what_an_agent_lacks_is_said_in_a_few_words(text: str, why: str) -> None:
    requirement = read_requirement(text)
    assert requirement.lacking({"impuestos": 3}) == why
    assert requirement.met({"impuestos": 3}) is (why == "")


def test_skills_of_a_requirement_are_named_once_each() -> None:
    requirement = read_requirement("b >= 1 and (a + b > 3 or not (c in [1, 2]))")
    assert requirement.skills == ("b", "a", "c")
    assert Requirement().skills == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("impuestos", "compare it"),
        ("impuestos >= ", "missing"),
        ("Impuestos >= 1", "not understood"),
        ("and >= 1", "not expected"),
        ("impuestos >= 'cinco'", "number"),
    ],
)
def test_what_cannot_be_read_says_why_and_asks_nothing_of_anybody(text: str, words: str) -> None:
    with pytest.raises(ExpressionInvalid, match=words):
        read_requirement(text)
    assert requirement_or_none(text) == Requirement()
    assert words in wrong_with(text, known=("impuestos",))


def test_agent_without_languages_speaks_the_installation_s_own_and_regions_do_not_count() -> None:
    assert speaks((), language="", own="es")
    assert speaks((), language="es", own="es-UY")
    assert not speaks((), language="gn", own="es")
    assert speaks(("es-AR", "gn"), language="es-UY", own="pt")
    assert not speaks(("es-AR", "gn"), language="pt", own="pt")


def test_each_step_asks_what_it_says_and_else_what_the_step_before_it_asked() -> None:
    relax = (
        Relaxation(after_s=30, requires="a >= 1"),
        Relaxation(after_s=60, level=2),
        Relaxation(after_s=90, requires=""),
    )
    policy = QueuePolicy(name=TRAMITES, requires="a >= 5", relax=relax)
    assert [asked(policy, step=step) for step in range(4)] == [("a >= 5", 1), ("a >= 1", 1), ("a >= 1", 2), ("", 2)]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", ""),
        ("impuestos >= 5", ""),
        ("impuestos >= 11", "cannot be true of anybody: levels go from 0 to 10"),
        ("impuestos > 3 and impuestos < 4", "cannot be true of anybody: levels go from 0 to 10"),
        ("impuestos > 3 and impuestos < 5", ""),
        ("impuestos + salud > 20", "cannot be true of anybody: levels go from 0 to 10"),
        ("impuestos + salud > 19", ""),
        ("impuestos - salud == 7", ""),
        ("impuestos in [11, 12]", "cannot be true of anybody: levels go from 0 to 10"),
        ("impuestos in [9]", ""),
        ("not impuestos >= 0", "cannot be true of anybody: levels go from 0 to 10"),
        ("impuesto >= 1", 'no agent has the skill "impuesto"; did you mean "impuestos"?'),
    ],
)
def test_requirement_that_nobody_can_ever_meet_is_told(text: str, wrong: str) -> None:
    assert wrong_with(text, known=("impuestos", "salud")) == wrong


def test_requirement_with_too_many_skills_to_be_tried_is_let_pass() -> None:
    names = ("a", "b", "c", "d", "e", "f")
    assert wrong_with("a + b + c + d + e + f > 60", known=names) == ""


def test_queue_that_its_agents_can_serve_is_not_complained_of() -> None:
    relax = (Relaxation(after_s=30, requires="impuestos >= 3"), Relaxation(after_s=60, level=2))
    assert check_skills([QueuePolicy(name=TRAMITES, requires="impuestos >= 5", relax=relax)], [ANA, BEA]) == []


def test_queue_whose_agents_come_in_at_a_later_step_is_not_complained_of() -> None:
    policy = QueuePolicy(name=TRAMITES, relax=(Relaxation(after_s=60, level=2),))
    assert check_skills([policy], [BEA]) == []


def test_what_queues_ask_in_vain_is_told_with_its_place() -> None:
    general = QueuePolicy(name=QueueName("general"), requires="salud >= 1")
    relax = (Relaxation(after_s=30, requires="impuestos >= 12"), Relaxation(after_s=60, level=3))
    tramites = QueuePolicy(name=TRAMITES, relax=relax)
    found = [(finding.where, finding.text, finding.fatal) for finding in check_skills([general, tramites], [ANA, BEA])]
    assert found == [
        (("queues", 0, "requires"), 'no agent has the skill "salud"; known: impuestos', True),
        (("queues", 1, "relax", 0, "requires"), "cannot be true of anybody: levels go from 0 to 10", True),
        (("queues", 1, "relax", 1, "level"), 'no agent of the queue "tramites" is at level 3', False),
    ]


def test_queue_that_none_of_its_agents_can_serve_is_warned_of() -> None:
    other = Member(agent=AgentId("103"), name="", queues=(QueueName("general"),), skills={"impuestos": 9})
    (finding,) = check_skills([QueuePolicy(name=TRAMITES, requires="impuestos >= 8")], [ANA, other])
    assert (finding.where, finding.fatal) == (("queues", 0, "requires"), False)
    assert "however long somebody waits" in finding.text


@pytest.mark.parametrize("skill", ["Impuestos", "cobro-coactivo", "and", "1a", "guaraní"])
def test_skill_that_no_expression_can_name_is_told(skill: str) -> None:
    member = Member(agent=AgentId("101"), name="", queues=(TRAMITES,), skills={skill: 3})
    (finding,) = check_skills([], [member])
    assert (finding.where, finding.fatal) == (("agents", 0, "skills", skill), True)
