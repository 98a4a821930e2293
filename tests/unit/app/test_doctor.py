"""The doctor: each check on healthy and on sick homes, and that looking changes nothing."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import socket
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from telefonista.app import doctor
from telefonista.app.certificates import SERVER_DAYS, made
from telefonista.app.config import SAMPLE, Config, parse_config
from telefonista.app.doctor import (
    Finding,
    Port,
    check_certificate,
    check_clock,
    check_database,
    check_folder,
    check_open_files,
    check_ports,
    check_private,
    check_python,
    check_room,
    check_sound_ports,
    check_status,
    examine,
)
from telefonista.app.home import Home, free_tcp_ports
from telefonista.kernel.events import EngineStarted, Entry
from telefonista.pbx.packages import MIRROR_VARIABLE, Program, Tool, Toolbox
from telefonista.store.database import migrate, open_database, sqlite_url
from telefonista.store.journal import FileJournal

NOON = 1_800_000_000.0
Examine = Callable[[Home], Awaitable[dict[str, list[Finding]]]]


@pytest.fixture
def asterisk(tmp_path: Path) -> Toolbox:
    """Programs that answer when asked their version; nothing here starts more of Asterisk than that."""
    programs = {}
    for tool in (Tool.ASTERISK, Tool.ESPEAK):
        path = tmp_path / f"{tool}-double"
        path.write_text(f"#!/bin/sh\necho {tool} 22.7\n")
        path.chmod(0o755)
        programs[tool] = Program(path)
    shared = tmp_path / "shared"
    shared.mkdir()
    return Toolbox(programs, shared, shared)


@pytest.fixture
async def healthy(tmp_path: Path) -> Home:
    """A home as the first run leaves it, with nothing running."""
    home = Home(tmp_path / "home")
    home.make()
    text = home.config_file.read_text(encoding="utf-8")
    sip, http = free_tcp_ports(2)
    home.config_file.write_text(f"sip_port: {sip}\nhttp_port: {http}\n{text}", encoding="utf-8")
    config = parse_config(home.config_file.read_text(encoding="utf-8"), file="config.yaml")
    home.secrets(config)
    home.ports(config, sip=None, http=None)
    with FileJournal(home.journal) as journal:
        journal.append([Entry(seq=1, at=NOON, event=EngineStarted(node="tf1", version="0"))])
    database = open_database(sqlite_url(home.database_file))
    migrate(database)
    database.dispose()
    return home


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch, asterisk: Toolbox) -> Examine:
    """Examines a home on a machine that has Asterisk and a clock that is kept right."""
    monkeypatch.setattr(doctor, "find_on_system", lambda: asterisk)
    monkeypatch.setattr(doctor, "find_in_private_root", lambda _: Toolbox())
    monkeypatch.setattr(doctor, "clock_synchronised", lambda: True)

    async def by_name(home: Home) -> dict[str, list[Finding]]:
        found: dict[str, list[Finding]] = {}
        for finding in await examine(home):
            found.setdefault(finding.name, []).append(finding)
        return found

    return by_name


def only(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


def ill(findings: list[Finding]) -> Finding:
    """The one finding, which is bad and says what to do."""
    finding = only(findings)
    assert not finding.good
    assert finding.mend
    return finding


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


async def test_healthy_home_has_nothing_to_mend(healthy: Home, examined: Examine) -> None:
    found = await examined(healthy)
    assert [finding for findings in found.values() for finding in findings if not finding.good] == []
    assert {"python", "package names", "asterisk", "espeak-ng", "home", "secrets", "configuration"} <= set(found)
    assert {"journal", "database", "contingency records", "studio recordings", "disk"} <= set(found)
    assert {"open files", "engine", "asterisk running", "ports", "sound ports", "clock"} <= set(found)


async def test_examining_changes_nothing(healthy: Home, examined: Examine) -> None:
    before = contents(healthy.folder)
    await examined(healthy)
    after = contents(healthy.folder)
    # SQLite keeps its shared memory beside a database that somebody reads.
    assert {name: kept for name, kept in after.items() if not name.endswith(("-wal", "-shm"))} == before


async def test_home_that_is_not_there_yet_is_not_made_and_needs_no_mending(tmp_path: Path, examined: Examine) -> None:
    home = Home(tmp_path / "later")
    found = await examined(home)
    assert not home.folder.exists()
    assert "not there yet" in only(found["home"]).said
    assert only(found["home"]).good
    assert only(found["configuration"]).said.startswith("the sample's")


async def test_home_that_cannot_be_made_is_told(
    tmp_path: Path, examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "not ours to write in" in ill((await examined(Home(tmp_path / "later")))["home"]).said


async def test_home_with_a_blank_in_its_path_is_refused_by_name(tmp_path: Path, examined: Examine) -> None:
    found = await examined(Home(tmp_path / "my home"))
    assert "blank" in ill(found["home path"]).said


async def test_home_too_deep_for_a_control_socket_is_told(tmp_path: Path, examined: Examine, healthy: Home) -> None:
    deep = tmp_path / "/".join(["folder"] * 15)
    deep.parent.mkdir(parents=True)
    healthy.folder.rename(deep)
    assert "control socket" in ill((await examined(Home(deep)))["configuration"][1:]).said


async def test_configuration_with_two_mistakes_gives_two_lines(healthy: Home, examined: Examine) -> None:
    healthy.config_file.write_text("nod: tf1\ncountri: UY\n", encoding="utf-8")
    findings = (await examined(healthy))["configuration"]
    assert len(findings) >= 2
    assert all("config.yaml:" in finding.said and finding.mend for finding in findings)


async def test_secrets_that_cannot_be_read_are_told(healthy: Home, examined: Examine) -> None:
    healthy.secrets_file.write_text("{", encoding="utf-8")
    assert "secrets" in ill((await examined(healthy))["kept values"]).said


async def test_new_agent_without_a_password_is_no_trouble(healthy: Home, examined: Examine) -> None:
    kept = json.loads(healthy.secrets_file.read_text(encoding="utf-8"))
    kept["telephones"].pop("103")
    healthy.secrets_file.write_text(json.dumps(kept), encoding="utf-8")
    assert all(finding.good for findings in (await examined(healthy)).values() for finding in findings)


async def test_damaged_journal_is_told_by_segment_and_line(healthy: Home, examined: Examine) -> None:
    (segment,) = healthy.journal.glob("*.jsonl")
    content = segment.read_bytes()
    segment.write_bytes(content.replace(b"tf1", b'"f1') + content)
    findings = (await examined(healthy))["journal"]
    assert all(not finding.good and str(segment) in finding.said for finding in findings)
    # What it says to do, done, helps.
    command = shlex.split(findings[0].mend.partition("can be read: ")[2])
    mending = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    assert await mending.wait() == 0
    assert only((await examined(healthy))["journal"]).good


async def test_contingency_record_set_aside_is_told(healthy: Home, examined: Examine) -> None:
    (healthy.spool / "tf1-1.unreadable").write_text("{", encoding="utf-8")
    assert "tf1-1.unreadable" in ill((await examined(healthy))["contingency records"]).said


async def test_studio_recording_that_cannot_be_read_is_told(
    healthy: Home, examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = healthy.prompts / "bienvenida.wav"
    sound.write_bytes(b"RIFF")
    real_access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != sound and real_access(path, mode))
    assert "bienvenida.wav" in ill((await examined(healthy))["studio recordings"]).said


async def test_check_that_fails_in_an_unforeseen_way_is_a_finding_and_the_others_go_on(
    healthy: Home, examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(_: Path) -> list[str]:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr("telefonista.store.journal.examine", explode)
    found = await examined(healthy)
    assert "nobody thought of this" in ill(found["journal"]).said
    assert only(found["database"]).good


async def test_engine_that_holds_the_journal_and_does_not_answer_is_told(healthy: Home, examined: Examine) -> None:
    engine = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(60)", "telefonista")
    (healthy.journal / "lock").write_text(f"{engine.pid}\n", encoding="utf-8")
    try:
        finding = ill((await examined(healthy))["engine"])
    finally:
        engine.kill()
        await engine.wait()
    assert f"kill {engine.pid}" in finding.mend
    assert only((await examined(healthy))["engine"]).said == "not running"


async def test_asterisk_without_what_it_takes_to_fetch_it_is_told(
    healthy: Home, examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "find_on_system", Toolbox)
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert "apt-get" in ill((await examined(healthy))["asterisk"]).said


async def test_asterisk_without_a_debian_archive_to_fetch_it_from_is_told(
    healthy: Home, examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "find_on_system", Toolbox)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(doctor, "debian_mirror", lambda _: None)
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)
    assert MIRROR_VARIABLE in ill((await examined(healthy))["asterisk"]).mend


async def test_program_that_does_not_start_is_told(healthy: Home, examined: Examine, asterisk: Toolbox) -> None:
    asterisk.espeak.path.write_text("#!/bin/sh\nexit 127\n")
    assert "does not start" in ill((await examined(healthy))["espeak-ng"]).said


def test_finding_is_plain_for_json() -> None:
    finding = Finding("disk", good=True, said="much room")
    assert msgspec.json.decode(msgspec.json.encode(finding.plain())) == {
        "name": "disk",
        "good": True,
        "said": "much room",
        "mend": "",
    }


def test_python_must_be_new_enough_and_check_its_assertions() -> None:
    assert only(check_python((3, 11, 2), optimised=False)).good
    assert "3.10.9" in ill(check_python((3, 10, 9), optimised=False)).said
    assert "-O" in ill(check_python((3, 12, 0), optimised=True)).said


@pytest.mark.parametrize(
    ("mode", "said"), [(0o757, "everybody"), (0o770, "group may write")], ids=["open to all", "open to the group"]
)
def test_home_that_others_may_use_is_told(tmp_path: Path, mode: int, said: str) -> None:
    tmp_path.chmod(mode)
    assert said in ill(check_folder(tmp_path, user_id=os.geteuid())).said


def test_home_of_somebody_else_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert "chown" in ill(check_folder(tmp_path, user_id=os.geteuid() + 1)).mend


def test_home_that_cannot_be_written_in_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "cannot be written" in ill(check_folder(tmp_path, user_id=os.geteuid())).said


def test_secret_that_others_may_read_is_told(tmp_path: Path) -> None:
    kept, loose = tmp_path / "kept", tmp_path / "loose"
    for path, mode in ((kept, 0o600), (loose, 0o640)):
        path.touch()
        path.chmod(mode)
    assert ill(check_private([kept, loose, tmp_path / "absent"])).mend == f"chmod 600 {loose}"
    assert only(check_private([kept])).good


@contextmanager
def listening(kind: socket.SocketKind) -> Iterator[int]:
    with socket.socket(socket.AF_INET, kind) as held:
        held.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            held.listen()
        yield held.getsockname()[1]


@pytest.mark.parametrize(("protocol", "kind"), [("udp", socket.SOCK_DGRAM), ("tcp", socket.SOCK_STREAM)])
def test_port_of_another_program_is_told_with_its_holder(protocol: str, kind: socket.SocketKind) -> None:
    with listening(kind) as number:
        finding = ill(check_ports([Port("SIP", "127.0.0.1", number, protocol, "choose another")], ours=set()))
    assert f"(pid {os.getpid()})" in finding.said
    assert finding.mend == "stop that, or choose another"


def test_port_that_we_hold_ourselves_is_in_order() -> None:
    with listening(socket.SOCK_STREAM) as number:
        finding = only(check_ports([Port("API", "127.0.0.1", number, "tcp", "")], ours={os.getpid()}))
    assert finding.good
    assert "held by this installation" in finding.said


def test_address_that_is_not_ours_is_told() -> None:
    # 192.0.2.0/24 is for documentation (RFC 5737): no machine has it.
    finding = ill(check_ports([Port("SIP", "192.0.2.1", 5060, "udp", "choose another")], ours=set()))
    assert "192.0.2.1" in finding.said


def test_port_that_may_not_be_opened_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_refusal", lambda _: 13)
    assert (
        "Permission denied"
        in ill(check_ports([Port("SIP", "127.0.0.1", 443, "tcp", "choose another")], ours=set())).said
    )


def test_range_for_sound_that_others_hold_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(check_sound_ports(40000, 40009, address="127.0.0.1")).name == "sound ports"
    monkeypatch.setattr(doctor, "_refusal", lambda _: 98)
    assert ill(check_sound_ports(40000, 41999, address="127.0.0.1")).said.startswith("0 of 2000")


def test_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    assert only(check_database(sqlite_url(path))).good
    assert not path.exists()


def test_database_that_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    path.write_bytes(b"this is a letter, not a database\n" * 100)
    assert "not a database" in ill(check_database(sqlite_url(path))).said


def test_database_of_another_schema_is_told(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    database = open_database(sqlite_url(path))
    migrate(database)
    database.dispose()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    assert "9999" in ill(check_database(sqlite_url(path))).said


def test_empty_database_is_in_order_for_the_first_start_fills_it(tmp_path: Path) -> None:
    path = tmp_path / "calls.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 1")
    assert "empty" in only(check_database(sqlite_url(path))).said


def test_database_server_that_is_away_is_told_without_its_password() -> None:
    (port,) = free_tcp_ports(1)
    finding = ill(check_database(f"postgresql://telefonista:muy-secreta@127.0.0.1:{port}/calls"))
    assert "muy-secreta" not in finding.said + finding.mend


@pytest.mark.parametrize("url", ["muy-secreta", "oracle://u:muy-secreta@host/x", "sqlite://"])
def test_url_of_no_database_is_told_without_showing_it(url: str) -> None:
    finding = ill(check_database(url))
    assert "muy-secreta" not in finding.said + finding.mend


def room(**changed: Any) -> list[Finding]:
    return check_room(**{"free_bytes": 10**12, "free_inodes": 10**6, "agents": 3, "folder": Path("/home"), **changed})


def test_room_for_recordings_is_counted_in_hours_of_conversation() -> None:
    # An hour: 3600 s of 64000 bytes.
    assert "about 10 h" in only(room(free_bytes=10 * 3600 * 64_000 + 1, agents=1)).said


def test_disk_too_full_to_journal_or_for_a_day_or_without_inodes_is_told() -> None:
    assert only(room()).good
    assert only(room(free_inodes=None)).good
    assert "no call is taken" in ill(room(free_bytes=10**8)).mend
    assert "a day of 3 agents" in ill(room(free_bytes=4 * 10**9)).said
    assert "more files" in ill(room(free_inodes=10)).said


def test_few_open_files_mean_few_calls_and_are_told() -> None:
    assert only(check_open_files(None)).good
    assert "5461 calls" in only(check_open_files(65_536)).said
    assert "about 85 calls" in ill(check_open_files(1024)).said


def clock(**changed: Any) -> Finding:
    usual = {"now": NOON, "stepped_s": 0.0, "newest_record": NOON - 60, "synchronised": True}
    return only(check_clock(**{**usual, **changed}))


def test_clock_that_cannot_be_right_is_told() -> None:
    assert clock().good
    assert "1970" in ill([clock(now=60.0)]).said
    assert "later than that" in ill([clock(newest_record=NOON + 3600)]).said
    assert "+2.0 s" in ill([clock(stepped_s=2.0)]).said


def test_clock_that_nobody_keeps_is_advised_upon_and_no_obstacle() -> None:
    assert clock(synchronised=False).good
    assert "NTP" in clock(synchronised=False).mend
    assert clock(synchronised=None).mend == ""


def status(**changed: Any) -> Finding:
    usual = {"link": "up", "projection": {"lag": 0, "problem": None}, "draining": False}
    return only(check_status({**usual, **changed}))


def test_running_engine_is_asked_how_it_is() -> None:
    assert status().said == "running and taking calls"
    assert "connection closed" in ill([status(link="connection closed")]).said
    assert "12 entries" in ill([status(projection={"lag": 12, "problem": "server away"})]).said
    assert status(draining=True).good
    assert "accept" in status(draining=True).mend


NOW = datetime(2026, 11, 21, tzinfo=UTC)


def with_tls(more: str = "", *, encryption: str = "none") -> Config:
    agents = SAMPLE.replace('{id: "101",', f'{{id: "101", encryption: {encryption},')
    return parse_config(f"{agents}\nsip_tls_port: 5061\n{more}\n", file="c")


def test_sip_in_clear_is_no_fault_on_loopback_and_a_warning_on_a_network(tmp_path: Path) -> None:
    home = Home(tmp_path)
    here = parse_config(SAMPLE, file="c")
    (finding,) = check_certificate(here, home=home, now=NOW)
    assert (finding.good, finding.mend) == (True, "")
    network = parse_config(f"{SAMPLE}\nsip_address: 0.0.0.0\n", file="c")
    (finding,) = check_certificate(network, home=home, now=NOW)
    assert finding.good
    assert "sip_tls_port" in finding.mend


def test_certificate_that_is_made_is_looked_after(tmp_path: Path) -> None:
    home = Home(tmp_path)
    config = with_tls(encryption="required")
    (before,) = check_certificate(config, home=home, now=NOW)
    assert before.good
    assert "made at the next start; sound of 1 of 3 agents encrypted" in before.said
    made(home.tls, names=["central"], now=NOW)
    assert check_certificate(config, home=home, now=NOW)[0].good
    (late,) = check_certificate(config, home=home, now=NOW + timedelta(days=SERVER_DAYS - 10))
    assert (late.good, late.mend) == (False, "`telefonista reload` renews it")
    (home.tls / "server.pem").write_text("damaged")
    (damaged,) = check_certificate(config, home=home, now=NOW)
    assert not damaged.good
    assert f"remove {home.tls}" in damaged.mend


def test_certificate_of_the_organisation_is_looked_over(tmp_path: Path) -> None:
    home = Home(tmp_path)
    made(tmp_path / "own", names=["central"], now=NOW)
    config = with_tls("tls: {certificate: own/server.pem, key: own/server.key}")
    assert check_certificate(config, home=home, now=NOW)[0].good
    (late,) = check_certificate(config, home=home, now=NOW + timedelta(days=SERVER_DAYS - 10))
    assert (late.good, late.mend) == (False, "put a new one in its place, then `telefonista reload`")
    (tmp_path / "own" / "server.key").unlink()
    (gone,) = check_certificate(config, home=home, now=NOW)
    assert (gone.good, gone.mend) == (False, "put another in its place")


async def test_port_of_sip_over_tls_is_among_those_that_are_looked_at(healthy: Home, examined: Examine) -> None:
    (taken,) = free_tcp_ports(1)
    text = healthy.config_file.read_text(encoding="utf-8")
    healthy.config_file.write_text(f"{text}\nsip_tls_port: {taken}\n", encoding="utf-8")
    with closing(socket.socket()) as holder:
        holder.bind(("127.0.0.1", taken))
        holder.listen()
        found = await examined(healthy)
    assert any("SIP over TLS" in finding.said and str(taken) in finding.said for finding in found["ports"])
