"""The home folder: made once, its secrets and ports kept, and nothing of it readable by others that should not be."""

import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from telefonista.app.config import CITIZEN_TELEPHONE, SAMPLE, AgentConfig, Config, ConfigInvalid, parse_config
from telefonista.app.home import (
    RTP_PORTS,
    Home,
    PortsFixed,
    Secrets,
    free_tcp_ports,
    free_udp_range,
    locked,
    write_private,
)

CONFIG = parse_config(SAMPLE, file="c.yaml")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def with_agents(*ids: str) -> Config:
    return CONFIG.model_copy(update={"agents": tuple(AgentConfig(id=name, queues=("general",)) for name in ids)})


def test_first_run_makes_folders_for_its_owner_and_a_sample_to_begin_with(home: Home) -> None:
    assert home.config_file.read_text() == SAMPLE
    for folder in (home.folder, home.recordings, home.prompts, home.spool, home.music, home.run, home.flows):
        assert folder.is_dir()
        assert mode(folder) & 0o007 == 0, folder


def test_second_run_leaves_everything_as_it_is(home: Home) -> None:
    home.config_file.write_text("mine")
    (home.recordings / "a.wav").write_text("kept")
    home.make()
    assert (home.config_file.read_text(), (home.recordings / "a.wav").read_text()) == ("mine", "kept")


def test_home_is_the_same_by_every_path_to_it(tmp_path: Path, home: Home) -> None:
    (tmp_path / "link").symlink_to(home.folder)
    assert Home(tmp_path / "link").folder == home.folder
    assert Home(tmp_path / "var" / ".." / "var").journal == home.journal


def test_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Home(tmp_path / "file" / "var").make()


def test_secrets_are_made_once_and_only_their_owner_may_read_them(home: Home) -> None:
    first = home.secrets(CONFIG)
    assert home.secrets(CONFIG) == first
    assert mode(home.secrets_file) == 0o600
    assert set(first.telephones) == {"101", "102", "103", CITIZEN_TELEPHONE}
    words = [
        first.link_password,
        first.link_user_secret,
        first.manager_password,
        first.api_token,
        *first.telephones.values(),
    ]
    assert len(set(words)) == len(words)
    assert min(len(word) for word in words) >= 16


def test_two_installations_have_no_secret_in_common(tmp_path: Path) -> None:
    first, second = Home(tmp_path / "a"), Home(tmp_path / "b")
    told = []
    for one in (first, second):
        one.make()
        told.append(msgspec.to_builtins(one.secrets(CONFIG)))
    assert not {*told[0]["telephones"].values()} & {*told[1]["telephones"].values()}
    assert told[0]["api_token"] != told[1]["api_token"]


def test_new_agent_gets_a_password_and_nobody_elses_changes(home: Home) -> None:
    before = home.secrets(with_agents("101"))
    after = home.secrets(with_agents("101", "202"))
    assert set(after.telephones) - set(before.telephones) == {"202"}
    assert after.telephones["101"] == before.telephones["101"]
    assert home.secrets(with_agents("101")).telephones["202"] == after.telephones["202"], "who comes back keeps theirs"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"link_password": 3}', b"\xff"])
def test_damaged_secrets_are_told_in_one_line_and_not_replaced(home: Home, content: bytes) -> None:
    home.secrets_file.write_bytes(content)
    with pytest.raises(ConfigInvalid, match=r"secrets\.json: does not hold the secrets") as problem:
        home.secrets(CONFIG)
    assert len(str(problem.value).splitlines()) == 1
    assert home.secrets_file.read_bytes() == content


def test_secrets_that_others_could_read_are_closed_at_the_next_start(home: Home) -> None:
    home.secrets(CONFIG)
    home.secrets_file.chmod(0o644)
    home.secrets(CONFIG)
    assert mode(home.secrets_file) == 0o600


def test_ports_are_chosen_once_and_kept(home: Home) -> None:
    first = home.ports(CONFIG, sip=None, http=None)
    assert (first.sip, first.http) == (5060, 8088)
    assert len({first.link, first.manager, first.fastagi}) == 3
    assert (first.rtp_first % 2, first.rtp_last - first.rtp_first) == (0, RTP_PORTS - 1)
    assert home.ports(CONFIG, sip=None, http=None) == first


def test_option_wins_over_the_configuration_and_costs_no_other_port(home: Home) -> None:
    first = home.ports(CONFIG, sip=None, http=None)
    other = home.ports(CONFIG, sip=5080, http=8099)
    assert other == msgspec.structs.replace(first, sip=5080, http=8099)
    assert home.ports(CONFIG, sip=None, http=None) == first


def test_asterisk_that_still_runs_keeps_its_ports_whatever_the_configuration_says_now(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = home.ports(CONFIG, sip=5070, http=8090)
    monkeypatch.setattr("telefonista.app.home.running_pid", lambda folder, *, configuration: 4711)
    assert home.asterisk_runs()
    assert home.ports(CONFIG, sip=None, http=None) == first
    assert home.ports(CONFIG, sip=5070, http=8091) == msgspec.structs.replace(first, http=8091)
    with pytest.raises(PortsFixed, match="5070"):
        home.ports(CONFIG, sip=5071, http=None)


def test_home_without_an_asterisk_has_none_running(home: Home) -> None:
    assert not home.asterisk_runs()


@pytest.mark.parametrize("content", [b"", b"{", b'{"sip": "x"}'])
def test_damaged_note_of_the_ports_only_means_new_ones(home: Home, content: bytes) -> None:
    (home.run / "ports.json").write_bytes(content)
    assert home.ports(CONFIG, sip=None, http=None).sip == 5060


def test_private_file_is_replaced_in_one_step_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for content in (b"a" * 1000, b"b"):
        write_private(path, content)
        assert (path.read_bytes(), mode(path), list(tmp_path.iterdir())) == (content, 0o600, [path])


def test_secrets_are_read_back_as_they_were_written(home: Home) -> None:
    kept = home.secrets(CONFIG)
    assert msgspec.json.decode(home.secrets_file.read_bytes(), type=Secrets) == kept


def test_free_ports_are_all_different_and_can_be_opened() -> None:
    ports = free_tcp_ports(20)
    assert len(set(ports)) == 20
    with socket.socket() as one:
        one.bind(("127.0.0.1", ports[0]))


class Network:
    """UDP ports, some of which others hold."""

    AF_INET, SOCK_DGRAM = socket.AF_INET, socket.SOCK_DGRAM

    def __init__(self, *taken: int) -> None:
        self.taken = set(taken)
        self.open = 0

    def socket(self, *_: object) -> "Socket":
        self.open += 1
        return Socket(self)


class Socket:
    def __init__(self, network: Network) -> None:
        self.network = network

    def bind(self, address: tuple[str, int]) -> None:
        if address[1] in self.network.taken:
            raise OSError("taken")

    def close(self) -> None:
        self.network.open -= 1


@pytest.mark.parametrize("taken", [33400, 33450, 33499], ids=["its first", "its middle", "its last"])
def test_range_of_ports_in_which_others_sit_is_passed_over(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    network, draws = Network(taken), iter([200, 2000])
    monkeypatch.setattr("telefonista.app.home.socket", network)
    monkeypatch.setattr("telefonista.app.home.secrets.randbelow", lambda most: next(draws))
    assert free_udp_range(100) == 37000
    assert network.open == 0


def test_machine_without_a_free_range_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(*range(65536))
    monkeypatch.setattr("telefonista.app.home.socket", network)
    with pytest.raises(OSError, match="no free range"):
        free_udp_range(100)
    assert network.open == 0


def test_rotated_password_is_kept_and_a_forgotten_telephone_gets_another(home: Home) -> None:
    before = home.secrets(CONFIG).telephones
    new = home.rotate("101")
    assert home.secrets(CONFIG).telephones == {**before, "101": new}
    assert new != before["101"]
    home.forget_telephone("102")
    home.forget_telephone("nobody")
    assert home.secrets(CONFIG).telephones["102"] != before["102"]


def test_two_who_change_passwords_at_once_lose_none(home: Home) -> None:
    home.secrets(CONFIG)
    accounts = [f"{number}" for number in range(200, 220)]
    with ThreadPoolExecutor(4) as pool:
        made = dict(zip(accounts, pool.map(home.rotate, accounts), strict=True))
    kept = home.secrets(CONFIG).telephones
    assert {account: kept[account] for account in accounts} == made


def test_lock_waits_for_whoever_holds_it(home: Home) -> None:
    held = home.folder / "a.lock"
    order = []
    with ThreadPoolExecutor(1) as pool:

        def second() -> None:
            with locked(held):
                order.append("second")

        with locked(held):
            later = pool.submit(second)
            order.append("first")
        later.result(10)
    assert order == ["first", "second"]


def test_port_of_the_last_run_is_the_one_to_type_in(home: Home) -> None:
    assert home.sip_port(CONFIG) == 5060
    home.ports(CONFIG, sip=15060, http=None)
    assert home.sip_port(CONFIG) == 15060


def test_port_of_sip_over_tls_stays_while_asterisk_runs_and_may_be_added(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_tls, moved = (CONFIG.model_copy(update={"sip_tls_port": port}) for port in (5061, 5071))
    assert home.ports(CONFIG, sip=None, http=None).sip_tls == 0
    monkeypatch.setattr(Home, "asterisk_runs", lambda home: True)
    assert home.ports(with_tls, sip=None, http=None).sip_tls == 5061
    assert home.ports(moved, sip=None, http=None).sip_tls == 5061
    monkeypatch.setattr(Home, "asterisk_runs", lambda home: False)
    assert home.ports(moved, sip=None, http=None).sip_tls == 5071


def test_ports_of_a_release_that_had_no_tls_are_read(home: Home) -> None:
    home.ports(CONFIG, sip=None, http=None)
    path = home.run / "ports.json"
    kept = msgspec.json.decode(path.read_bytes())
    del kept["sip_tls"]
    path.write_bytes(msgspec.json.encode(kept))
    assert home.ports(CONFIG, sip=None, http=None).link == kept["link"]
