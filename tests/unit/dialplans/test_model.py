"""A plan that exists can be rendered: everything else is refused when it is made."""

from dataclasses import replace
from typing import Any

import pytest

from dialplans import (
    AgentAccount,
    AsteriskPlan,
    CitizenAccount,
    Contingency,
    Encryption,
    Folders,
    Link,
    Manager,
    PlanError,
    Ports,
    PublicNumber,
    Tls,
    Trunk,
)
from dialplans.core.model import Context, Dialplan, Expression, joined

SECRET = "x" * 16


def test_secrets_are_not_shown_when_a_plan_is_printed(plan: AsteriskPlan, secrets: dict[str, str]) -> None:
    shown = repr(plan)
    assert not [name for name, secret in secrets.items() if secret in shown]


def test_a_home_whose_control_socket_would_not_fit_is_refused() -> None:
    with pytest.raises(PlanError, match="too long"):
        Folders.under("/srv/" + "a" * 80, modules="/m", shared="/s")


def test_an_installations_folders_are_all_below_its_home(plan: AsteriskPlan) -> None:
    assert plan.folders.own()
    assert all(folder.startswith("/srv/telefonista/") for folder in plan.folders.own())
    assert plan.folders.modules not in plan.folders.own()


@pytest.mark.parametrize("name", ["", "a b", "../x", "-a", "a" * 65])
def test_names_that_are_not_plain_words_are_refused(name: str) -> None:
    with pytest.raises(PlanError):
        AgentAccount(name, SECRET)
    with pytest.raises(PlanError):
        CitizenAccount(name, SECRET)
    with pytest.raises(PlanError):
        Trunk(name, ("127.0.0.1",))
    with pytest.raises(PlanError):
        PublicNumber("4636", name)
    with pytest.raises(PlanError):
        Manager(name, SECRET)


def test_a_route_without_an_address_is_refused() -> None:
    with pytest.raises(PlanError, match="no address"):
        Trunk("ciudadanos", ())


def test_an_agents_title_is_shown_on_telephones_so_it_is_checked() -> None:
    assert AgentAccount("101", SECRET, title="María José O'Neill").title
    with pytest.raises(PlanError):
        AgentAccount("101", SECRET, title='a" <0>')


def test_two_accounts_of_one_name_are_refused(plan: AsteriskPlan) -> None:
    with pytest.raises(PlanError, match="101 is there twice"):
        replace(plan, citizens=(CitizenAccount("101", SECRET),))
    with pytest.raises(PlanError, match="ciudadano is there twice"):
        replace(plan, trunks=(Trunk("ciudadano", ("127.0.0.1",)),))


def test_message_of_an_engine_that_is_away_is_a_plain_path(plan: AsteriskPlan) -> None:
    assert replace(plan, engine_away="/srv/telefonista/prompts/ausente").engine_away
    with pytest.raises(PlanError):
        replace(plan, engine_away="/srv/telefonista/prompts/a,b")


def test_one_number_for_two_lines_is_refused(plan: AsteriskPlan) -> None:
    with pytest.raises(PlanError, match="4636 is there twice"):
        replace(plan, numbers=(PublicNumber("4636", "tramites"), PublicNumber("4636", "impuestos")))


def test_a_plan_without_a_public_number_is_refused(plan: AsteriskPlan) -> None:
    with pytest.raises(PlanError, match="no public number"):
        replace(plan, numbers=())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("claim_timeout_ms", 0),
        ("claim_timeout_ms", 60_001),
        ("longest_call_s", 0),
        ("longest_call_s", 86_401),
        ("qualify_s", -1),
        ("contacts_per_agent", 0),
        ("node", "a,b"),
        ("language", "es;"),
    ],
)
def test_limits_of_a_plan_are_kept(plan: AsteriskPlan, name: str, value: Any) -> None:
    with pytest.raises(PlanError):
        replace(plan, **{name: value})


def test_too_few_rtp_ports_for_one_call_are_refused() -> None:
    with pytest.raises(PlanError, match="RTP"):
        Ports(sip=5060, manager=5038, fastagi=4573, rtp_first=10000, rtp_last=10002)


@pytest.mark.parametrize("application", ["a.b", "tele.*", "x" * 65])
def test_an_application_name_that_a_regular_expression_would_read_otherwise_is_refused(application: str) -> None:
    with pytest.raises(PlanError):
        Link("ws://127.0.0.1:1/a", "telefonista", SECRET, SECRET, application=application)


@pytest.mark.parametrize("interval_ms", [0, 49, 60_001])
def test_reconnecting_too_often_or_too_rarely_is_refused(interval_ms: int) -> None:
    with pytest.raises(PlanError):
        Link("ws://127.0.0.1:1/a", "telefonista", SECRET, SECRET, reconnect_interval_ms=interval_ms)


@pytest.mark.parametrize("seconds", [0, 86_401])
def test_contingency_times_are_between_a_second_and_a_day(seconds: int) -> None:
    with pytest.raises(PlanError):
        Contingency("/m", "/a", "/s", waiting_limit_s=seconds)


def test_an_argument_is_literal_unless_it_is_said_to_be_an_expression() -> None:
    assert joined("line:", Expression("${EXTEN}")).text == "line:${EXTEN}"
    with pytest.raises(PlanError):
        joined("line:", "${EXTEN}")


def test_a_dialplan_finds_its_contexts_by_name() -> None:
    dialplan = Dialplan((Context("citizens", ()),))
    assert dialplan.context("citizens") is dialplan.contexts[0]
    assert dialplan.context("nobody") is None


def test_encryption_needs_sip_over_tls_and_that_a_certificate(plan: AsteriskPlan) -> None:
    agents = (replace(plan.agents[0], encryption=Encryption.PREFERRED),)
    with pytest.raises(PlanError, match="agent 101: its keys travel in SIP"):
        replace(plan, agents=agents)
    ports = replace(plan.ports, sip_tls=5061)
    with pytest.raises(PlanError, match="no certificate"):
        replace(plan, ports=ports)
    tls = Tls("/srv/server.pem", "/srv/server.key")
    assert replace(plan, ports=ports, tls=tls, agents=agents).tls == tls
    assert replace(tls, version="2026-11").version == "2026-11"
    with pytest.raises(PlanError, match="version of the certificate"):
        replace(tls, version="a\nb")


@pytest.mark.parametrize("path", ["server.pem", "/srv/my files/server.pem", "/srv/a;b.pem", ""])
def test_certificate_must_have_a_path_that_asterisk_takes(path: str) -> None:
    with pytest.raises(PlanError):
        Tls(path, "/srv/server.key")
    with pytest.raises(PlanError):
        Tls("/srv/server.pem", path)


def test_port_of_sip_over_tls_is_one_that_an_ordinary_user_may_open(plan: AsteriskPlan) -> None:
    with pytest.raises(PlanError, match="SIP over TLS port"):
        replace(plan.ports, sip_tls=443)
