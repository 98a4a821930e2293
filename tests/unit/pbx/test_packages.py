"""Finding programs and fetching them, with an apt of our own that fetches nothing."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from telefonista.pbx.packages import (
    MIRROR_VARIABLE,
    Program,
    Tool,
    Toolbox,
    ToolsMissing,
    debian_mirror,
    default_folder,
    ensure,
    find_in_private_root,
    find_on_system,
    missing_features,
)

MIRROR = "http://mirror.example/debian"
MODULES = {
    "app_stasis_broadcast.so": b"StasisBroadcast",
    "res_stasis_broadcast.so": b"x",
    "res_websocket_client.so": b"websocket_client",
    "res_ari.so": b"outbound_websocket RESTRequest",
    "chan_pjsip.so": b"x",
    "app_mixmonitor.so": b"x",
    "app_queue.so": b"x",
    "res_agi.so": b"x",
}

FAKE_APT = """
import os, pathlib, sys, time
state = pathlib.Path(__file__).parent.parent / "state"
arguments = sys.argv[1:]
conf = pathlib.Path(arguments[arguments.index("-c") + 1]).read_text()
cache = pathlib.Path(conf.split('Dir::Cache::archives "')[1].split('"')[0])
with (state / "calls").open("a") as calls:
    calls.write(" ".join(arguments) + "\\n")
(state / "apt.conf").write_text(conf)
for name in ("sources.list", "preferences"):
    (state / name).write_text((cache.parent.parent / name).read_text())
fault = (state / "fault").read_text() if (state / "fault").exists() else ""
verb = "update" if "update" in arguments else "install"
if fault.startswith(verb):
    print(fault.split("\\n", 1)[1])
    sys.exit(100)
packages = arguments[arguments.index("install") + 1:] if verb == "install" else []
packages = [one for one in packages if not one.startswith("-")]
versions = dict(one.split("=") for one in (state / "versions").read_text().split())
if "--simulate" in arguments:
    for name in packages:
        print(f"Inst {name} ({versions[name]} Debian:testing [amd64])")
elif verb == "install":
    print(f"0 upgraded, {len(packages)} newly installed, 0 to remove")
    print("Need to get 105 MB of archives.")
    time.sleep(float((state / "seconds").read_text()) if (state / "seconds").exists() else 0)
    for name in packages:
        (cache / f"{name}_{versions[name].replace(':', '%3a')}_amd64.deb").write_text(name)
"""

FAKE_DPKG_DEB = """
import pathlib, shutil, sys
state = pathlib.Path(__file__).parent.parent / "state"
archive, root = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
if (state / "broken-archive").exists():
    print("dpkg-deb: error: archive has premature member", file=sys.stderr)
    sys.exit(2)
shutil.copytree(state / archive.read_text(), root, dirs_exist_ok=True)
"""

FAKE_DPKG = "print('amd64')"


def make_asterisk(root: Path, *, modules: dict[str, bytes] = MODULES) -> None:
    library = root / "usr/lib/x86_64-linux-gnu"
    (library / "asterisk/modules").mkdir(parents=True, exist_ok=True)
    for name, content in modules.items():
        (library / "asterisk/modules" / name).write_bytes(content)
    (root / "usr/share/asterisk/documentation").mkdir(parents=True, exist_ok=True)
    (root / "usr/share/asterisk/documentation/core-en_US.xml").write_text("")
    make_program(root / "usr/sbin/asterisk")


def make_program(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n# knows: -rxsf\n")
    path.chmod(0o755)


def make_loader(root: Path) -> None:
    library = root / "usr/lib/x86_64-linux-gnu"
    library.mkdir(parents=True, exist_ok=True)
    (library / "ld-linux-x86-64.so.2").write_text("")


class Machine:
    """A machine with its own root, its own PATH and an apt of ours."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "system"
        self.programs = folder / "bin"
        self.state = folder / "state"
        self.folder = folder / "tools"
        self.said: list[str] = []
        for made in (self.root / "etc/apt", self.root / "usr/share/keyrings", self.programs, self.state):
            made.mkdir(parents=True)
        for name, text in (("apt-get", FAKE_APT), ("dpkg-deb", FAKE_DPKG_DEB), ("dpkg", FAKE_DPKG)):
            path = self.programs / name
            path.write_text(f"#!{sys.executable}\n{text}")
            path.chmod(0o755)
        (self.root / "usr/share/keyrings/debian-archive-keyring.gpg").write_text("")
        (self.root / "etc/apt/sources.list").write_text(f"deb {MIRROR} bookworm main\n")
        self.offer(asterisk="1:22.10.1-1")
        make_asterisk(self.state / "asterisk")
        make_loader(self.state / "asterisk")
        make_program(self.state / "sip-tester/usr/bin/sipp")
        make_program(self.state / "espeak-ng/usr/bin/espeak-ng")
        (self.state / "asterisk/usr/lib/x86_64-linux-gnu/espeak-ng-data").mkdir()

    def offer(self, *, asterisk: str) -> None:
        (self.state / "versions").write_text(f"asterisk={asterisk} sip-tester=3.8-1 espeak-ng=1.52-1")

    def fault(self, verb: str, text: str) -> None:
        (self.state / "fault").write_text(f"{verb}\n{text}")

    def calls(self) -> list[str]:
        path = self.state / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def ensure(self, *wanted: Tool, mirror: str | None = None) -> Toolbox:
        return ensure(
            self.folder, wanted=wanted or tuple(Tool), report=self.said.append, mirror=mirror, system_root=self.root
        )


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(made.programs))
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)
    return made


def refusal_of(run: Callable[[], object]) -> str:
    with pytest.raises(ToolsMissing) as refusal:
        run()
    text = str(refusal.value)
    assert "\n" not in text
    return text


def test_a_system_program_is_run_as_it_is() -> None:
    assert Program(Path("/usr/bin/sipp")).command("-v") == ["/usr/bin/sipp", "-v"]


def test_a_fetched_program_is_run_through_its_own_loader() -> None:
    program = Program(Path("/r/usr/bin/sipp"), Path("/r/lib/ld-linux-x86-64.so.2"), Path("/r/lib"))
    assert program.command("-v") == [
        "/r/lib/ld-linux-x86-64.so.2",
        "--library-path",
        "/r/lib:/r/lib/pulseaudio",
        "/r/usr/bin/sipp",
        "-v",
    ]


def test_the_systems_programs_are_taken_where_they_are_good(machine: Machine) -> None:
    make_asterisk(machine.root)
    make_program(machine.programs / "sipp")
    make_program(machine.programs / "espeak-ng")
    toolbox = machine.ensure()
    assert toolbox.asterisk == Program(machine.root / "usr/sbin/asterisk")
    assert toolbox.asterisk_modules == machine.root / "usr/lib/x86_64-linux-gnu/asterisk/modules"
    assert toolbox.asterisk_shared == machine.root / "usr/share/asterisk"
    assert toolbox.sipp.loader is None
    assert toolbox.espeak_data is None
    assert not machine.calls()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_an_asterisk_without_a_module_that_the_engine_needs_is_not_good_enough(tmp_path: Path, name: str) -> None:
    make_asterisk(tmp_path, modules={other: content for other, content in MODULES.items() if other != name})
    assert missing_features(tmp_path / "usr/lib/x86_64-linux-gnu/asterisk/modules")
    assert Tool.ASTERISK not in find_on_system(tmp_path).programs


def test_an_asterisk_whose_ari_is_too_old_is_told_by_what_it_cannot_do(tmp_path: Path) -> None:
    make_asterisk(tmp_path, modules={**MODULES, "res_ari.so": b"old"})
    assert missing_features(tmp_path / "usr/lib/x86_64-linux-gnu/asterisk/modules") == [
        "no outbound ARI WebSocket",
        "no REST over WebSocket",
    ]
    assert missing_features(None) == ["no module folder"]


def test_an_old_system_asterisk_is_replaced_and_a_good_system_sipp_kept(machine: Machine) -> None:
    make_asterisk(machine.root, modules={**MODULES, "res_ari.so": b"old"})
    make_program(machine.programs / "sipp")
    toolbox = machine.ensure()
    assert toolbox.asterisk.path == machine.folder / "root/usr/sbin/asterisk"
    assert toolbox.asterisk_modules.is_relative_to(machine.folder)
    assert toolbox.sipp == Program(machine.programs / "sipp")
    assert "sip-tester" not in " ".join(machine.calls())


def test_an_old_system_sipp_is_replaced(machine: Machine) -> None:
    make_program(machine.programs / "sipp")
    (machine.programs / "sipp").write_text("#!/bin/sh\n# knows: -sf\n")
    assert machine.ensure().sipp.path == machine.folder / "root/usr/bin/sipp"


def test_what_is_missing_is_fetched_and_put_in_place(machine: Machine) -> None:
    toolbox = machine.ensure()
    root = machine.folder / "root"
    assert toolbox.asterisk.path == root / "usr/sbin/asterisk"
    assert toolbox.asterisk.loader == root / "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    assert toolbox.sipp.path == root / "usr/bin/sipp"
    assert toolbox.espeak_data == root / "usr/lib/x86_64-linux-gnu"
    assert sorted(path.name for path in machine.folder.iterdir()) == ["lock", "root", "versions.json"]
    assert machine.said == [
        "fetching Debian testing's package lists",
        "fetching 3 packages (105 MB)",
        "unpacking 3 packages",
    ]


def test_whatever_is_wanted_first_everything_missing_is_fetched_at_once(machine: Machine) -> None:
    machine.ensure(Tool.ESPEAK)
    fetched = len(machine.calls())
    assert machine.ensure(Tool.SIPP).sipp
    assert len(machine.calls()) == fetched


def test_the_second_time_nothing_is_fetched_and_nothing_said(machine: Machine) -> None:
    machine.ensure()
    machine.said.clear()
    calls = machine.calls()
    machine.ensure()
    assert machine.calls() == calls
    assert machine.said == []


def test_apt_keeps_to_its_own_folder_checks_signatures_and_runs_no_hooks(machine: Machine) -> None:
    machine.ensure()
    conf = (machine.state / "apt.conf").read_text()
    assert f'Dir::State::status "{machine.folder}/apt/status";' in conf
    assert 'Dir::Etc::SourceParts "-";' in conf
    assert 'APT::Get::AllowUnauthenticated "false";' in conf
    assert "#clear APT::Update::Post-Invoke;" in conf
    source = (machine.state / "sources.list").read_text()
    keyring = machine.root / "usr/share/keyrings/debian-archive-keyring.gpg"
    assert source == f"deb [signed-by={keyring} check-valid-until=no] {MIRROR} testing main\n"
    assert all("--download-only" in call for call in machine.calls() if "install" in call and "--simulate" not in call)


def test_fetched_versions_are_recorded_and_preferred_next_time(machine: Machine) -> None:
    machine.ensure()
    recorded = json.loads((machine.folder / "versions.json").read_text())
    assert recorded["packages"]["asterisk"] == "1:22.10.1-1"
    shutil.rmtree(machine.folder / "root")
    machine.offer(asterisk="1:22.11.0-1")
    machine.ensure()
    assert (
        "Package: asterisk\nPin: version 1:22.10.1-1\nPin-Priority: 1001\n"
        in (machine.state / "preferences").read_text()
    )
    assert "asterisk 1:22.10.1-1 is no longer offered: took 1:22.11.0-1" in machine.said


def test_a_damaged_record_of_versions_is_as_good_as_none(machine: Machine) -> None:
    machine.folder.mkdir()
    (machine.folder / "versions.json").write_text("[]")
    assert machine.ensure().asterisk
    assert json.loads((machine.folder / "versions.json").read_text())["suite"] == "testing"


def test_an_interrupted_fetch_is_not_taken_for_a_finished_one(machine: Machine) -> None:
    (machine.state / "broken-archive").write_text("")
    assert "premature" in refusal_of(machine.ensure)
    assert not (machine.folder / "root").exists()
    assert not find_in_private_root(machine.folder / "root").programs
    (machine.state / "broken-archive").unlink()
    assert machine.ensure().asterisk
    assert not list(machine.folder.glob("root.*"))


def test_an_archive_of_an_older_version_left_by_an_interrupted_fetch_is_not_unpacked(machine: Machine) -> None:
    cache = machine.folder / "apt/cache/archives"
    cache.mkdir(parents=True)
    (cache / "asterisk_1%3a22.1-1_amd64.deb").write_text("no such package")
    assert machine.ensure().asterisk
    assert "unpacking 3 packages" in machine.said


def test_two_runs_at_once_fetch_once(machine: Machine) -> None:
    (machine.state / "seconds").write_text("0.5")
    found: list[Toolbox] = []
    runs = [threading.Thread(target=lambda: found.append(machine.ensure())) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(30)
    assert found[0].programs == found[1].programs
    assert len([call for call in machine.calls() if "update" in call]) == 1
    assert machine.said.count("waiting for another run that is fetching the same programs") == 1


def test_a_tree_that_lacks_what_is_needed_now_is_replaced_in_one_step(machine: Machine) -> None:
    make_asterisk(machine.folder / "root", modules={})
    make_loader(machine.folder / "root")
    assert machine.ensure(Tool.ASTERISK).asterisk
    assert not list(machine.folder.glob("root.*"))


def test_an_archive_that_offers_too_old_an_asterisk_says_what_it_cannot_do(machine: Machine) -> None:
    for name in MODULES:
        (machine.state / "asterisk/usr/lib/x86_64-linux-gnu/asterisk/modules" / name).write_bytes(b"old")
    text = refusal_of(machine.ensure)
    assert "no StasisBroadcast application" in text
    assert "compose.yaml" in text


def test_without_apt_the_alternatives_are_named(machine: Machine) -> None:
    (machine.programs / "apt-get").unlink()
    text = refusal_of(machine.ensure)
    assert "no apt-get" in text
    assert "compose.yaml" in text
    assert "22.7" in text


def test_without_a_debian_archive_the_setting_is_named(machine: Machine) -> None:
    (machine.root / "etc/apt/sources.list").unlink()
    assert MIRROR_VARIABLE in refusal_of(machine.ensure)


def test_without_debians_key_nothing_is_fetched(machine: Machine) -> None:
    (machine.root / "usr/share/keyrings/debian-archive-keyring.gpg").unlink()
    assert "debian-archive-keyring" in refusal_of(machine.ensure)
    assert not machine.calls()


@pytest.mark.parametrize("mirror", ["not an address", "http://a b/debian", "http://h/debian] testing main\ndeb x"])
def test_a_mirror_that_is_no_address_is_refused(machine: Machine, mirror: str) -> None:
    assert MIRROR_VARIABLE in refusal_of(lambda: machine.ensure(mirror=mirror))
    assert not machine.calls()


def test_the_mirror_set_by_the_operator_wins_over_the_machines(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MIRROR_VARIABLE, "https://other.example/debian")
    machine.ensure()
    assert "https://other.example/debian" in (machine.state / "sources.list").read_text()


@pytest.mark.parametrize(
    ("verb", "apt_says", "we_say"),
    [
        ("update", "Err:1 http://mirror.example testing InRelease\n  Could not resolve 'mirror.example'", "network"),
        ("update", "W: GPG error: http://mirror.example: NO_PUBKEY 6ED0E7B82643E131\nE: not signed.", "signature"),
        ("install", "E: You don't have enough free space in /x/archives/.", "disk is full"),
        ("install", "E: Unable to locate package asterisk", "does not offer"),
        ("install", "E: Failed to fetch http://mirror.example/a.deb  404  Not Found", "cannot be reached"),
        ("install", "E: Something never seen", "Something never seen"),
        ("install", "", "no message"),
    ],
)
def test_what_went_wrong_in_apt_is_one_line_with_what_to_do(
    machine: Machine, verb: str, apt_says: str, we_say: str
) -> None:
    machine.fault(verb, apt_says)
    assert we_say in refusal_of(machine.ensure)
    assert not (machine.folder / "root").exists()


def test_recorded_versions_that_no_longer_fit_are_given_up_for_todays(machine: Machine) -> None:
    machine.folder.mkdir()
    (machine.folder / "versions.json").write_text(json.dumps({"packages": {"asterisk": "1:22.7.0-1"}}))
    path = machine.programs / "apt-get"
    path.write_text(
        path.read_text().replace(
            'verb = "update"',
            'pins = (state / "preferences").read_text()\n'
            'if "install" in arguments and pins:\n    sys.exit("E: unmet dependencies")\nverb = "update"',
        )
    )
    assert machine.ensure().asterisk
    assert "the versions fetched before are no longer all offered: taking today's" in machine.said


def test_a_folder_that_cannot_be_made_is_one_line(machine: Machine) -> None:
    machine.folder.write_text("in the way")
    assert str(machine.folder) in refusal_of(machine.ensure)


def test_a_full_disk_is_seen_before_anything_is_fetched(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: _Usage(10_000_000))
    text = refusal_of(machine.ensure)
    assert "10 MB free" in text
    assert not machine.calls()


class _Usage:
    def __init__(self, free: int) -> None:
        self.free = free


def test_asking_for_a_program_that_was_not_wanted_is_one_line() -> None:
    empty = Toolbox()
    for ask in (
        lambda: empty.asterisk,
        lambda: empty.sipp,
        lambda: empty.espeak,
        lambda: empty.asterisk_modules,
        lambda: empty.asterisk_shared,
    ):
        assert refusal_of(ask)


def test_the_usual_folder_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/operadora/.cache-propio")
    assert default_folder() == Path("/home/operadora/.cache-propio/telefonista/tools")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/operadora")
    assert default_folder() == Path("/home/operadora/.cache/telefonista/tools")


SIGNED = "/usr/share/keyrings/debian-archive-keyring.gpg"


@pytest.mark.parametrize(
    ("name", "text", "mirror"),
    [
        ("sources.list", "deb http://a.example/debian bookworm main contrib\n", "http://a.example/debian"),
        ("sources.list", f"deb [arch=amd64 signed-by={SIGNED}] https://a.example/d trixie main", "https://a.example/d"),
        ("sources.list", "# deb http://a.example/debian bookworm main\n", None),
        ("sources.list", "deb-src http://a.example/debian bookworm main\n", None),
        ("sources.list", "deb http://a.example/debian-security bookworm-security main\n", None),
        ("sources.list", "deb http://a.example/ubuntu noble main\n", None),
        ("sources.list", "deb cdrom:[Debian]/ bookworm main\n", None),
        ("sources.list.d/x.list", "deb http://packages.example/apt bookworm main\n", None),
        ("sources.list.d/x.list", "deb [signed-by=/k/other.gpg] http://a.example/debian bookworm main\n", None),
        (
            "sources.list.d/debian.sources",
            f"""\
            Types: deb deb-src
            # a comment in between
            URIs: http://a.example/debian
            Suites: bookworm bookworm-updates
            Components: main
            Signed-By: {SIGNED}

            Types: deb
            URIs: http://b.example/debian-security
            Suites: bookworm-security
            Components: main
            Signed-By: {SIGNED}
            """,
            "http://a.example/debian",
        ),
        (
            "sources.list.d/debian.sources",
            "Enabled: no\nTypes: deb\nURIs: http://a.example/debian\nSuites: bookworm\nComponents: main\n",
            None,
        ),
        (
            "sources.list.d/other.sources",
            "Types: deb\nURIs: http://a.example/debian\nSuites: bookworm\nComponents: main\n"
            "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----\n",
            None,
        ),
    ],
)
def test_the_debian_archive_is_told_from_other_sources(
    tmp_path: Path, name: str, text: str, mirror: str | None
) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / name).write_text(textwrap.dedent(text))
    assert debian_mirror(tmp_path) == mirror


def test_an_archive_signed_by_debian_is_preferred_to_one_that_only_looks_like_it(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb http://copy.example/debian bookworm main\n")
    (tmp_path / "sources.list.d/z.list").write_text(f"deb [signed-by={SIGNED}] http://real.example/debian sid main\n")
    assert debian_mirror(tmp_path) == "http://real.example/debian"


def test_a_source_that_may_not_be_read_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "sources.list").mkdir()
    assert debian_mirror(tmp_path) is None
