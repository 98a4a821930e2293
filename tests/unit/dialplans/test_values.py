"""Which texts may reach a file that Asterisk reads."""

from typing import Protocol

import pytest

from dialplans.core import values
from dialplans.core.values import PlanError


class Check(Protocol):
    def __call__(self, text: str, *, what: str) -> str: ...


INJECTIONS = ["a\nb", "a\rb", "a\x00b", "${SHELL(reboot)}", "$[1+1]", "a,b", "a;b", "a&b", "a|b", 'a"b', "a(b", "a b\t"]


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize(
    "check",
    [
        values.word,
        values.number,
        values.secret,
        values.path,
        values.address,
        values.websocket_uri,
        values.title,
        values.peer,
    ],
)
def test_no_kind_of_value_lets_through_what_asterisk_reads_specially(check: Check, text: str) -> None:
    with pytest.raises(PlanError):
        check(text, what="value")


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_literal_argument_is_never_evaluated_or_split(text: str) -> None:
    with pytest.raises(PlanError):
        values.literal(text, what="argument")


def test_a_refused_secret_is_not_shown() -> None:
    with pytest.raises(PlanError) as refusal:
        values.secret("short;secret", what="secret of agent 101")
    assert "short" not in str(refusal.value)
    assert "agent 101" in str(refusal.value)


@pytest.mark.parametrize("text", ["192.0.2.7:5060", "[2001:db8::7]:5061"])
def test_a_carrier_is_reached_at_an_address_and_a_port(text: str) -> None:
    assert values.peer(text, what="dial") == text


@pytest.mark.parametrize(
    "text", ["192.0.2.7", "192.0.2.7:", "192.0.2.7:0", "192.0.2.0/24:5060", "carrier:5060", ":5060"]
)
def test_a_carrier_without_an_address_or_a_port_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match="dial"):
        values.peer(text, what="dial")


@pytest.mark.parametrize("text", ["4636", "*463", "463", "+59829004636", "08004636", "#21#"])
def test_what_a_telephone_can_dial_is_a_number(text: str) -> None:
    assert values.number(text, what="number") == text


@pytest.mark.parametrize("text", ["", "46+36", "cuatro", "4636 ", "_X.", "4" * 33])
def test_patterns_and_words_are_not_numbers(text: str) -> None:
    with pytest.raises(PlanError):
        values.number(text, what="number")


@pytest.mark.parametrize("text", ["/srv/telefonista/var", "/home/josé/var", "/a-b_c.d+e=f@g~/h"])
def test_ordinary_paths_are_taken(text: str) -> None:
    assert values.path(text, what="home") == text


@pytest.mark.parametrize("text", ["relative/var", "/with blank", "/with:colon", "/a'b"])
def test_paths_that_a_reader_would_split_are_refused(text: str) -> None:
    with pytest.raises(PlanError, match="home"):
        values.path(text, what="home")


@pytest.mark.parametrize("text", ["127.0.0.1", "192.0.2.0/24", "2001:db8::/32", "::1"])
def test_addresses_and_networks_are_taken(text: str) -> None:
    assert values.address(text, what="trunk") == text


def test_a_host_name_is_not_an_address() -> None:
    with pytest.raises(PlanError):
        values.address("proveedor.example", what="trunk")


@pytest.mark.parametrize("value", [0, 80, 1023, 65536, -1])
def test_privileged_and_impossible_ports_are_refused(value: int) -> None:
    with pytest.raises(PlanError):
        values.port(value, what="SIP port")


@pytest.mark.parametrize("text", ["${UNIQUEID}", '"${STASISSTATUS}" != "SUCCESS"', "r(/a/${B})t(/c)", "^a$"])
def test_dialplan_code_of_ours_is_an_expression(text: str) -> None:
    assert values.expression(text, what="expression") == text


@pytest.mark.parametrize("text", ["a;b", "a\nb", "${A", "f(a", "$[1"])
def test_an_expression_that_would_break_its_line_is_refused(text: str) -> None:
    with pytest.raises(PlanError):
        values.expression(text, what="expression")


@pytest.mark.parametrize("text", [" es", "es "])
def test_a_blank_at_an_end_that_asterisk_would_drop_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match="blank"):
        values.literal(text, what="argument")


def test_an_empty_argument_is_literal() -> None:
    assert values.literal("", what="argument") == ""
