"""What the plan becomes, read back by an independent reader of Asterisk's files (pyst2)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
from asterisk.config import Config

from dialplans import AsteriskPlan, CitizenAccount, Encryption, PlanError, Tls, Trunk, lint, render_plan
from dialplans.core.contexts import build_dialplan
from dialplans.core.model import (
    Context,
    Dialplan,
    Expression,
    Extension,
    Step,
    Target,
    assign,
    goto,
    hang_up,
)
from dialplans.core.render import (
    FILES_WITH_SECRETS,
    entity_id,
    fill_template,
    passwords_in,
    render_dialplan,
    render_sections,
    render_step,
)
from dialplans.service import handwritten_files

Sections = list[tuple[str, list[tuple[str, str]]]]


class Read(Protocol):
    def __call__(self, name: str, *, of: AsteriskPlan = ...) -> Sections: ...


class ClosingConfig(Config):  # type: ignore[misc]  # pyst2 has no types
    """pyst2's reader leaves its file open, which is an error here."""

    def load(self) -> None:
        with open(self.filename, encoding="utf-8") as stream:
            self.raw_lines = stream.readlines()


@pytest.fixture
def read(tmp_path: Path, plan: AsteriskPlan) -> Read:
    def sections(name: str, *, of: AsteriskPlan = plan) -> Sections:
        path = tmp_path / name
        path.write_text(render_plan(of)[name], encoding="utf-8")
        return [
            (category.name, [(item.name, item.value.strip()) for item in category.items])
            for category in ClosingConfig(str(path)).categories
        ]

    return sections


def values_of(sections: Sections, name: str, *, kind: str | None = None) -> dict[str, str]:
    for found, settings in sections:
        if found == name and (kind is None or ("type", kind) in settings):
            return dict(settings)
    raise AssertionError(f"no [{name}] of type {kind}")


def test_every_rendered_file_is_read_back_with_at_least_one_section(read: Read) -> None:
    for name in ("pjsip.conf", "ari.conf", "queues.conf", "rtp.conf", "http.conf", "manager.conf", "asterisk.conf"):
        assert read(name), name


def test_the_nodes_name_is_in_every_unique_id(read: Read) -> None:
    options = values_of(read("asterisk.conf"), "options")
    assert options["systemname"] == "montevideo-1"
    assert options["live_dangerously"] == "no"


def test_nothing_of_asterisk_listens_beyond_loopback_but_sip(read: Read) -> None:
    assert values_of(read("http.conf"), "general")["enabled"] == "no"
    manager = values_of(read("manager.conf"), "general")
    assert (manager["bindaddr"], manager["webenabled"]) == ("127.0.0.1", "no")


def test_the_engines_manager_account_may_record_and_nothing_more(read: Read, plan: AsteriskPlan) -> None:
    account = values_of(read("manager.conf"), plan.manager.username)
    assert account["write"] == "system"
    assert account["permit"] == "127.0.0.1/255.255.255.255"


def test_asterisk_dials_the_engine_and_keeps_dialling(read: Read, plan: AsteriskPlan, secrets: dict[str, str]) -> None:
    client = values_of(read("websocket_client.conf"), "engine")
    assert client["connection_type"] == "persistent"
    assert client["uri"] == plan.link.uri
    assert client["password"] == secrets["link"]
    link = values_of(read("ari.conf"), "engine", kind="outbound_websocket")
    assert link["websocket_client_id"] == "engine"
    assert link["local_ari_user"] == "telefonista"
    assert values_of(read("ari.conf"), "telefonista", kind="user")["password"] == secrets["user"]


def test_a_wss_link_is_encrypted(read: Read, plan: AsteriskPlan) -> None:
    secure = replace(plan, link=replace(plan.link, uri="wss://192.0.2.1:8088/ari"))
    assert values_of(read("websocket_client.conf", of=secure), "engine")["tls_enabled"] == "yes"
    assert values_of(read("websocket_client.conf"), "engine")["tls_enabled"] == "no"


def test_an_agent_is_known_by_password_and_never_by_what_it_says_of_itself(read: Read, secrets: dict[str, str]) -> None:
    pjsip = read("pjsip.conf")
    endpoint = values_of(pjsip, "101", kind="endpoint")
    assert endpoint["callerid"] == '"Mesa de trámites" <101>'
    assert endpoint["trust_id_inbound"] == "no"
    assert endpoint["context"] == "agents"
    assert values_of(pjsip, "101", kind="auth")["password"] == secrets["a101"]
    assert values_of(pjsip, "101", kind="aor")["max_contacts"] == "1"
    assert values_of(pjsip, "global")["endpoint_identifier_order"] == "auth_username,username,ip"


def test_a_trunk_is_recognised_by_each_of_its_addresses(read: Read) -> None:
    (identify,) = [settings for name, settings in read("pjsip.conf") if ("type", "identify") in settings]
    assert [value for key, value in identify if key == "match"] == ["127.0.0.1", "192.0.2.0/24"]


def test_recordings_need_eight_kilohertz_on_every_leg(read: Read) -> None:
    endpoints = [dict(settings) for _, settings in read("pjsip.conf") if ("type", "endpoint") in settings]
    assert len(endpoints) == 4
    assert {endpoint["allow"] for endpoint in endpoints} == {"ulaw,alaw"}
    assert {endpoint["direct_media"] for endpoint in endpoints} == {"no"}


def test_sip_listens_where_the_plan_says_on_both_protocols(read: Read, plan: AsteriskPlan) -> None:
    pjsip = read("pjsip.conf")
    assert {values_of(pjsip, f"transport-{protocol}")["bind"] for protocol in ("udp", "tcp")} == {"127.0.0.1:5060"}
    sixth = replace(plan, ports=replace(plan.ports, sip_address="2001:db8::1"))
    assert values_of(read("pjsip.conf", of=sixth), "transport-udp")["bind"] == "[2001:db8::1]:5060"


def test_every_agent_is_a_member_of_the_failsafe_queue(read: Read) -> None:
    queue = next(settings for name, settings in read("queues.conf") if name == "failsafe")
    assert [value.partition(",")[0] for key, value in queue if key == "member"] == ["PJSIP/101", "PJSIP/102"]
    assert dict(queue)["ringinuse"] == "no"
    assert dict(queue)["strategy"] == "leastrecent"


def test_a_new_call_is_offered_to_engines_and_goes_to_the_contingency_when_none_takes_it(plan: AsteriskPlan) -> None:
    text = render_plan(plan)["extensions.conf"]
    assert "StasisBroadcast(500,^telefonista$,0800-info:${EXTEN}:${TELEFONISTA_ROUTE})" in text
    assert 'GotoIf($["${STASISSTATUS}" != "SUCCESS"]?contingency,s,1)' in text
    for number in ("4636", "*463", "463"):
        assert text.count(f"exten => {number},1,") == 2


def test_nothing_that_a_caller_sends_reaches_the_dialplan_but_the_digits_of_the_number(plan: AsteriskPlan) -> None:
    text = render_plan(plan)["extensions.conf"]
    assert not [word for word in ("CHANNEL(name)", "SIP_HEADER", "PJSIP_HEADER") if word in text]
    assert {line.split("n,", 1)[1] for line in text.splitlines() if "CALLERID" in line} == {
        "Set(CALLERID(num)=${FILTER(0-9+,${CALLERID(num)})})",
        "Set(CALLERID(name)=)",
    }


def test_the_dialplan_of_a_plan_is_sound(plan: AsteriskPlan) -> None:
    assert lint(build_dialplan(plan)) == []


def test_a_plan_without_test_accounts_or_trunks_renders(plan: AsteriskPlan) -> None:
    bare = replace(plan, citizens=(), trunks=(), agents=())
    assert "ciudadano" not in render_plan(bare)["pjsip.conf"]
    assert "member =" not in render_plan(bare)["queues.conf"]


def test_files_with_secrets_are_known_as_such(plan: AsteriskPlan, secrets: dict[str, str]) -> None:
    files = render_plan(plan)
    holding = {name for name, text in files.items() if any(secret in text for secret in secrets.values())}
    assert holding == FILES_WITH_SECRETS


def test_rendering_twice_gives_the_same_text(plan: AsteriskPlan) -> None:
    assert render_plan(plan) == render_plan(plan)


def test_two_nodes_on_one_machine_do_not_call_themselves_the_same() -> None:
    assert entity_id("montevideo-1") != entity_id("montevideo-2")
    assert int(entity_id("montevideo-1")[:2], 16) == 0x02


@pytest.mark.parametrize("value", ["a\nb", "a;b", " a", "a\\b", "a\x00"])
def test_a_setting_that_would_not_come_back_as_it_is_is_refused(value: str) -> None:
    with pytest.raises(PlanError, match="general"):
        render_sections([("general", [("key", value)])])


@pytest.mark.parametrize("argument", ["a,b", "${SHELL(id)}", "a\nexten => s,1,System(id)"])
def test_a_step_with_an_argument_that_is_not_literal_is_refused(argument: str) -> None:
    with pytest.raises(PlanError):
        render_step(Step("Playback", (argument,)))


def test_a_step_with_an_application_that_is_not_a_name_is_refused() -> None:
    with pytest.raises(PlanError):
        render_step(Step("System(id)"))


def test_labels_includes_and_jumps_are_written_as_asterisk_reads_them() -> None:
    dialplan = Dialplan(
        (
            Context(
                "citizens",
                (
                    Extension(
                        "4636",
                        (
                            assign("A", Expression("${B}"), label="start"),
                            goto(Target("citizens", "4636", "start")),
                            hang_up(label="end", cause=16),
                        ),
                    ),
                ),
                includes=("more",),
                entry=True,
            ),
        )
    )
    assert render_dialplan(dialplan).splitlines()[-6:] == [
        "[citizens]",
        "exten => 4636,1(start),Set(A=${B})",
        " same => n,Goto(citizens,4636,start)",
        " same => n(end),Hangup(16)",
        "include => more",
        "",
    ]


def test_handwritten_files_ask_only_for_what_a_plan_has(plan: AsteriskPlan) -> None:
    texts = handwritten_files()
    assert "modules.conf" in texts
    for text in texts.values():
        assert fill_template(text, plan=plan)


def test_no_file_is_both_handwritten_and_rendered(plan: AsteriskPlan) -> None:
    assert not set(handwritten_files()) & set(render_plan(plan))


def test_a_placeholder_is_filled_and_two_dollars_are_one(plan: AsteriskPlan) -> None:
    assert fill_template("$node $${X}", plan=plan) == "montevideo-1 ${X}"


@pytest.mark.parametrize("text", ["$unknown", "$ alone"])
def test_a_placeholder_that_no_plan_has_is_refused(plan: AsteriskPlan, text: str) -> None:
    with pytest.raises(PlanError, match="placeholder"):
        fill_template(text, plan=plan)


def test_a_route_that_dials_has_a_contact_and_one_that_does_not_has_none(read: Read, plan: AsteriskPlan) -> None:
    other = replace(plan, trunks=(Trunk("antel", ("192.0.2.7",), "192.0.2.9:5061"), Trunk("otra", ("192.0.2.8",))))
    text = read("pjsip.conf", of=other)
    assert values_of(text, "antel", kind="aor")["contact"] == "sip:192.0.2.9:5061"
    assert values_of(text, "antel", kind="endpoint")["aors"] == "antel"
    assert "aors" not in values_of(text, "otra", kind="endpoint")


def test_only_agents_telephones_may_use_their_transfer_key_and_the_engine_is_asked(
    read: Read, plan: AsteriskPlan
) -> None:
    text = read("pjsip.conf", of=plan)
    assert values_of(text, "101", kind="endpoint")["allow_transfer"] == "yes"
    assert "PJSIP_TRANSFER_HANDLING()=ari-only" in values_of(text, "101", kind="endpoint")["set_var"]
    assert values_of(text, "ciudadanos", kind="endpoint")["allow_transfer"] == "no"
    assert values_of(text, "ciudadano", kind="endpoint")["allow_transfer"] == "no"


def test_a_test_citizens_number_is_the_plans_and_its_route_its_own(read: Read, plan: AsteriskPlan) -> None:
    other = replace(
        plan,
        citizens=(CitizenAccount("vecina", "x" * 16, caller_number="099111222", route="ensayo"),),
        trunks=(Trunk("antel", ("192.0.2.7",)),),
    )
    endpoint = values_of(read("pjsip.conf", of=other), "vecina", kind="endpoint")
    assert endpoint["callerid"] == "<099111222>"
    assert endpoint["set_var"] == "TELEFONISTA_ROUTE=ensayo"
    assert values_of(read("pjsip.conf", of=other), "antel", kind="endpoint")["set_var"] == "TELEFONISTA_ROUTE=antel"


TLS = Tls("/srv/telefonista/tls/server.pem", "/srv/telefonista/tls/server.key")


def encrypted(plan: AsteriskPlan, encryption: Encryption) -> AsteriskPlan:
    agents = (replace(plan.agents[0], encryption=encryption), *plan.agents[1:])
    return replace(plan, ports=replace(plan.ports, sip_tls=5061), tls=TLS, agents=agents)


def test_sip_over_tls_has_a_transport_of_its_own_where_it_is_on(read: Read, plan: AsteriskPlan) -> None:
    transport = values_of(read("pjsip.conf", of=encrypted(plan, Encryption.NONE)), "transport-tls")
    assert (transport["protocol"], transport["bind"], transport["method"]) == ("tls", "127.0.0.1:5061", "tlsv1_2")
    assert (transport["cert_file"], transport["priv_key_file"]) == (TLS.certificate, TLS.key)
    assert "transport-tls" not in [name for name, _ in read("pjsip.conf")]
    assert "transport-tls" not in [name for name, _ in read("pjsip.conf", of=replace(plan, tls=TLS))]


@pytest.mark.parametrize(
    ("encryption", "expected"),
    [
        (Encryption.NONE, {}),
        (Encryption.PREFERRED, {"media_encryption": "sdes", "media_encryption_optimistic": "yes"}),
        (Encryption.REQUIRED, {"media_encryption": "sdes", "transport": "transport-tls"}),
    ],
)
def test_sound_is_encrypted_as_the_agents_record_says(
    read: Read, plan: AsteriskPlan, encryption: Encryption, expected: dict[str, str]
) -> None:
    sections = read("pjsip.conf", of=encrypted(plan, encryption))
    endpoint, other = (values_of(sections, agent, kind="endpoint") for agent in ("101", "102"))
    keys = ("media_encryption", "media_encryption_optimistic", "transport")
    assert {key: endpoint[key] for key in keys if key in endpoint} == expected
    assert not set(keys) & set(other)


def test_passwords_can_be_read_out_of_what_was_rendered(plan: AsteriskPlan, secrets: dict[str, str]) -> None:
    told = passwords_in(render_plan(encrypted(plan, Encryption.REQUIRED))["pjsip.conf"])
    assert told == {"101": secrets["a101"], "102": secrets["a102"], "ciudadano": secrets["citizen"]}
    assert passwords_in("") == {}
