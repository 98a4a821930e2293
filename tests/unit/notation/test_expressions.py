"""What a flow's expressions mean, and that nothing which is none is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telefonista.notation.expressions import (
    DEEPEST_EXPRESSION,
    GREATEST_VALUE,
    LONGEST_EXPRESSION,
    ExpressionInvalid,
    Kind,
    Term,
    Value,
    kind_of,
    parse,
)

KINDS = {"tipo": Kind.TEXT, "intentos": Kind.NUMBER, "avisado": Kind.TRUTH}
VALUES: dict[str, Value] = {"tipo": "rut", "intentos": 2, "avisado": True}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("'hola'", "hola"),
        ('"it\'s"', "it's"),
        ("true", True),
        ("false", False),
        ("intentos + 1", 3),
        ("10 - intentos - 3", 5),
        ("10 - (intentos - 3)", 11),
        ("intentos<3", True),
        ("intentos <= 1", False),
        ("intentos > 1", True),
        ("intentos >= 3", False),
        ("tipo == 'rut'", True),
        ("tipo != 'rut'", False),
        ("avisado == false", False),
        ("tipo in ['cedula', 'rut']", True),
        ("tipo not in ['cedula', 'rut']", False),
        ("intentos in []", False),
        ("not avisado", False),
        ("not not avisado", True),
        ("not intentos == 3", True),
        ("avisado and intentos == 3 or tipo == 'rut'", True),
        ("avisado and (intentos == 3 or tipo == 'dni')", False),
        ("  avisado  ", True),
    ],
)
def test_expression_means_what_it_reads_as(text: str, value: Value) -> None:
    expression = parse(text, variables=KINDS)
    assert expression.value(VALUES) == value
    assert expression.kind is kind_of(value) is kind_of(expression.value({}))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "something is missing at its end"),
        ("intentos +", "something is missing at its end"),
        ("(intentos", "something is missing at its end"),
        ("(intentos 3", '")" expected, not "3"'),
        ("intentos 3", '"3" is not expected here'),
        ("intentos = 3", 'not understood from "= 3" on; = is written =='),
        ("intentos ; 3", 'not understood from "; 3" on'),
        ("intento < 3", '"intento" is no variable; did you mean "intentos"?'),
        ("intentos < ]", '"]" is not expected here'),
        ("and avisado", '"and" is not expected here'),
        ("tipo < 3", '"<" needs a number here, not a text'),
        ("intentos == 'dos'", '"==" needs a number here, not a text'),
        ("not intentos", '"not" needs a truth here, not a number'),
        ("avisado and 1", '"and" needs a truth here, not a number'),
        ("tipo in 'rut'", '"[" expected, not "\'rut\'"'),
        ("tipo in ['rut' 'dni']", '"," expected, not "\'dni\'"'),
        ("tipo in [tipo]", "a list holds numbers or texts in quotes"),
        ("tipo in [1]", '"in" needs a text here, not a number'),
        ("intentos not 3", '"in" expected, not "3"'),
        ("9999999999999", f'"9999999999999" is more than {GREATEST_VALUE}'),
        ("9" * 100, "9" * 60 + f'…" is more than {GREATEST_VALUE}'),
        ("(" * 25 + "1" + ")" * 25, "nested too deep: make it several steps"),
        ("1+" * 200 + "1", f"longer than {LONGEST_EXPRESSION} signs: make it several steps"),
        ("__import__('os')", '"__import__" is not expected here'),
        ("tipo.upper", 'not understood from ".upper" on'),
    ],
)
def test_text_that_is_no_expression_is_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(ExpressionInvalid) as refusal:
        parse(text, variables=KINDS)
    assert str(refusal.value).endswith(why)
    assert "\n" not in str(refusal.value)


def test_sums_stop_at_a_bound() -> None:
    assert parse(f"{GREATEST_VALUE} + {GREATEST_VALUE}", variables={}).value({}) == GREATEST_VALUE
    assert parse(f"0 - {GREATEST_VALUE} - 1", variables={}).value({}) == -GREATEST_VALUE


def test_deepest_expression_allowed_is_read_and_evaluated() -> None:
    text = "(" * DEEPEST_EXPRESSION + "1" + ")" * DEEPEST_EXPRESSION
    assert parse(text, variables={}).value({}) == 1


def test_bare_term_has_no_value_of_its_own() -> None:
    with pytest.raises(NotImplementedError):
        Term(Kind.TEXT).value({})


SIGNS = [
    "tipo",
    "intentos",
    "avisado",
    "1",
    "'a'",
    "true",
    *"()[],<>=+-",
    "==",
    "and",
    "or",
    "not",
    "in",
    " ",
    "'",
    "!",
]


@given(st.one_of(st.text(max_size=50), st.lists(st.sampled_from(SIGNS), max_size=30).map(" ".join)))
def test_no_text_does_more_than_give_a_value_of_the_kind_that_was_promised(text: str) -> None:
    try:
        expression = parse(text, variables=KINDS)
    except ExpressionInvalid:
        return
    assert kind_of(expression.value(VALUES)) is expression.kind
