"""Who is added to config.yaml or taken out of it, and whose registrations are whose."""

from datetime import UTC, datetime

import pytest

from dialplans import Encryption
from telefonista.app.certificates import made
from telefonista.app.config import SAMPLE, AgentConfig, Config, ConfigInvalid, parse_config
from telefonista.app.config_editing import CannotEdit
from telefonista.app.home import Home
from telefonista.app.provisioning import NoSuchAgent, account_of, contacts_of, tls_files, with_agent, without_agent

SOL = AgentConfig(
    id="104", name="Sol O'Higgins", queues=("general", "tramites"), skills={"guarani": 3, "impuestos": 7},
    languages=("es", "gn"),
)  # fmt: skip
LISTED = """\
/registrar/contact/101;@673f1ceeaebbc26b719a6c8b3f812950: {"uri":"sip:101@127.0.0.1:5","endpoint":"101"}
/registrar/contact/1010;@6881ddfcd8fae6feacaf83234e67710c: {"uri":"\\n/registrar/contact/101;@0000000000000000"}
/registrar/contact/102;@3aea8bc242e99c9ef4022ebf5b30f50d: {"uri":"sip:102@127.0.0.1:7"}
3 results found.
"""


def test_agent_who_is_added_stands_on_a_line_of_their_own_with_all_that_was_said_of_them() -> None:
    text = with_agent(SAMPLE, SOL, file="c.yaml")
    assert parse_config(text, file="c.yaml").agents[-1] == SOL
    (line,) = [line for line in text.splitlines() if line not in SAMPLE.splitlines()]
    assert line == (
        """  - {id: "104", name: "Sol O'Higgins", queues: [general, tramites], """
        """skills: {guarani: 3, impuestos: 7}, languages: [es, gn]}"""
    )


def test_what_is_not_set_is_not_written() -> None:
    text = with_agent(SAMPLE, AgentConfig(id="104", queues=("general",)), file="c.yaml")
    assert text.splitlines()[-1] == '  - {id: "104", queues: [general]}'


def test_agent_is_taken_out_and_nothing_else_is_touched() -> None:
    assert without_agent(with_agent(SAMPLE, SOL, file="c.yaml"), "104", file="c.yaml") == SAMPLE


@pytest.mark.parametrize(
    ("agent", "why"),
    [
        (AgentConfig(id="101", queues=("general",)), 'the agent "101" stands here twice'),
        (AgentConfig(id="104", queues=("generl",)), 'unknown queue "generl"; did you mean "general"?'),
    ],
)
def test_agent_who_cannot_be_is_refused_as_if_it_had_been_written_by_hand(agent: AgentConfig, why: str) -> None:
    with pytest.raises(ConfigInvalid, match="nothing was changed") as refusal:
        with_agent(SAMPLE, agent, file="c.yaml")
    assert why in str(refusal.value)


def test_nobody_and_the_last_one_cannot_be_taken_out() -> None:
    with pytest.raises(NoSuchAgent, match="no agent 109"):
        without_agent(SAMPLE, "109", file="c.yaml")
    text = without_agent(without_agent(SAMPLE, "101", file="c.yaml"), "102", file="c.yaml")
    with pytest.raises(ConfigInvalid, match="agents"):
        without_agent(text, "103", file="c.yaml")


def test_file_that_says_something_else_afterwards_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "telefonista.app.provisioning.append_item",
        lambda text, where, *, item: text.replace("node: tf1", "node: tf2") + f"  - {item}\n",
    )
    with pytest.raises(CannotEdit, match="edit it by hand"):
        with_agent(SAMPLE, SOL, file="c.yaml")


def test_registrations_are_those_of_the_account_and_of_no_longer_name() -> None:
    assert contacts_of({"101"}, listed=LISTED) == ["101;@673f1ceeaebbc26b719a6c8b3f812950"]
    assert len(contacts_of({"101", "102", "1010"}, listed=LISTED)) == 3
    assert contacts_of(set(), listed=LISTED) == contacts_of({"101"}, listed="0 results found.\n") == []


def test_account_is_what_a_person_types_into_a_softphone(home: Home) -> None:
    config = parse_config(SAMPLE.replace("country: UY", "country: UY\nsip_address: '::1'\nsip_port: 5070"), file="c")
    account = account_of(home, config, "101")
    assert account.plain() == {
        "user": "101",
        "password": home.secrets(config).telephones["101"],
        "server": "[::1]:5070",
        "transport": "UDP or TCP",
    }
    assert account.password not in repr(account)


def test_server_of_every_interface_is_called_by_the_name_of_the_machine(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "central")
    config = parse_config(SAMPLE.replace("country: UY", "country: UY\nsip_address: 0.0.0.0"), file="c")
    assert account_of(home, config, "101").server == "central:5060"


def encrypted(more: str = "") -> Config:
    text = SAMPLE.replace('{id: "101",', '{id: "101", encryption: required,')
    return parse_config(f"{text}\nsip_tls_port: 5061\n{more}\n", file="c")


def test_account_of_an_encrypted_telephone_names_the_authority_and_its_fingerprint(home: Home) -> None:
    account = account_of(home, encrypted("tls: {names: [central.example.org]}"), "101")
    assert (account.server, account.transport) == ("central.example.org:5061", "TLS")
    assert account.sound == "SRTP with SDES, required"
    assert account.authority == str(home.tls / "authority.pem")
    assert len(account.fingerprint) == 95
    assert account_of(home, encrypted(), "102").transport == "UDP or TCP"


def test_certificate_of_the_organisation_needs_no_authority_of_ours(home: Home) -> None:
    made(home.folder / "own", names=["central"], now=datetime.now(UTC))
    config = encrypted("tls: {certificate: own/server.pem, key: own/server.key}")
    files = tls_files(home, config)
    assert (files.certificate, files.key) == (str(home.folder / "own/server.pem"), str(home.folder / "own/server.key"))
    assert tls_files(home, config) == files
    made(home.folder / "own", names=["other"], now=datetime.now(UTC))
    assert tls_files(home, config).version != files.version
    made(home.folder / "own", names=["central"], now=datetime.now(UTC))
    account = account_of(home, config, "101")
    assert (account.server, account.authority) == ("central:5061", "")
    assert not home.tls.exists()
    (home.folder / "own/server.key").write_text("damaged")
    with pytest.raises(ConfigInvalid, match=r"tls: .*server\.key holds no private key"):
        account_of(home, config, "101")


def test_encryption_is_written_with_the_agent(home: Home) -> None:
    text = f"{SAMPLE}\nsip_tls_port: 5061\n"
    agent = AgentConfig(id="104", queues=("general",), encryption=Encryption.PREFERRED)
    assert '{id: "104", queues: [general], encryption: preferred}' in with_agent(text, agent, file="c.yaml")
    with pytest.raises(ConfigInvalid, match="needs sip_tls_port"):
        with_agent(SAMPLE, agent, file="c.yaml")
