"""Finds Asterisk, sipp and espeak-ng, or fetches them, without root.

The system's own programs are taken where they are good enough: for Asterisk the features are looked at, not the
version. What is missing comes from Debian's testing suite, by apt, its signatures checked, into a private folder,
and runs there through its own loader, because it wants a newer C library than the machine may have.
In: a folder and what is wanted. Out: a `Toolbox`, or `ToolsMissing` with one line that says what to do.
Must never import a room, the kernel or anything of the event loop: the Makefile and the tests use it by itself.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote

MIRROR_VARIABLE = "TELEFONISTA_DEBIAN_MIRROR"
SUITE = "testing"

Report = Callable[[str], None]


class ToolsMissing(Exception):
    """A program is neither on the system nor to be had; the message is one line: what, and what to do."""


class Tool(StrEnum):
    """The programs that are not Python."""

    ASTERISK = "asterisk"
    SIPP = "sipp"
    ESPEAK = "espeak-ng"


@dataclass(frozen=True, slots=True)
class Program:
    """A program, and the loader and libraries to run it with when they are not the system's."""

    path: Path
    loader: Path | None = None
    library_path: Path | None = None

    def command(self, *arguments: str) -> list[str]:
        """What to execute. `--library-path`, unlike LD_LIBRARY_PATH, is not inherited by what the program starts, so
        that AGI scripts and the like keep the machine's own libraries."""
        if self.loader is None or self.library_path is None:
            return [str(self.path), *arguments]
        # Pulse's common library lies in a folder of its own, which its library names as a run path below `/`.
        folders = f"{self.library_path}:{self.library_path / 'pulseaudio'}"
        return [str(self.loader), "--library-path", folders, str(self.path), *arguments]


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The programs found. Asking for one that was not wanted and is not there raises `ToolsMissing`."""

    programs: Mapping[Tool, Program] = field(default_factory=dict)
    _modules: Path | None = None
    _shared: Path | None = None
    espeak_data: Path | None = None
    """The folder that holds `espeak-ng-data`, for its `--path`; None: the program finds it by itself."""

    def program(self, tool: Tool) -> Program:
        """That program."""
        found = self.programs.get(tool)
        if found is None:
            raise ToolsMissing(f"{tool} was not among the programs asked for and is not on this system")
        return found

    @property
    def asterisk(self) -> Program:
        """The `asterisk` program."""
        return self.program(Tool.ASTERISK)

    @property
    def sipp(self) -> Program:
        """The `sipp` program."""
        return self.program(Tool.SIPP)

    @property
    def espeak(self) -> Program:
        """The `espeak-ng` program; pass `espeak_data` to it."""
        return self.program(Tool.ESPEAK)

    @property
    def asterisk_modules(self) -> Path:
        """Asterisk's `astmoddir`."""
        if self._modules is None:
            raise ToolsMissing("asterisk was not among the programs asked for and is not on this system")
        return self._modules

    @property
    def asterisk_shared(self) -> Path:
        """Asterisk's `astdatadir`: documentation, REST descriptions, sounds."""
        if self._shared is None:
            raise ToolsMissing("asterisk was not among the programs asked for and is not on this system")
        return self._shared


def default_folder() -> Path:
    """Where fetched programs are kept, for all installations of this user."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(cache) if cache.startswith("/") else Path.home() / ".cache"
    return base / "telefonista" / "tools"


def ensure(
    folder: Path,
    *,
    wanted: Collection[Tool],
    report: Report,
    mirror: str | None = None,
    system_root: Path = Path("/"),
) -> Toolbox:
    """A toolbox with every `wanted` program, fetching what is missing into `folder`.

    Whatever must be fetched is fetched together: a later call that wants more finds it there. `report` is told of each
    step that takes long. Two runs at once wait for one another; one that is interrupted leaves nothing half-done.
    `mirror` (else the variable TELEFONISTA_DEBIAN_MIRROR, else the machine's apt sources) is a Debian archive.
    Raises `ToolsMissing`."""
    system = find_on_system(system_root)
    toolbox = _merged(system, find_in_private_root(folder / "root"))
    if set(wanted) <= set(toolbox.programs):
        return toolbox
    missing = [tool for tool in Tool if tool not in system.programs]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _only_one(folder / "lock", report=report):
            toolbox = _merged(system, find_in_private_root(folder / "root"))
            if not set(wanted) <= set(toolbox.programs):
                _Fetch(folder, tools=missing, report=report, mirror=mirror, system_root=system_root).run()
                toolbox = _merged(system, find_in_private_root(folder / "root"))
    except OSError as failure:
        raise ToolsMissing(
            f"cannot fetch {', '.join(missing)} into {folder}: {failure.strerror or failure} "
            "(free some space or choose another folder)"
        ) from failure
    absent = sorted(set(wanted) - set(toolbox.programs))
    if absent:
        faults = "; ".join(missing_features(_modules_below(folder / "root"))) if Tool.ASTERISK in absent else ""
        raise ToolsMissing(
            f"what Debian {SUITE} offers today lacks {', '.join(absent)}"
            + (f" ({faults})" if faults else "")
            + "; use compose.yaml, or install Asterisk 22.7 or later yourself"
        )
    return toolbox


# What makes an Asterisk good enough: a module's file, a text that it holds when it can do it, what it means if not.
_FEATURES: tuple[tuple[str, bytes, str], ...] = (
    ("app_stasis_broadcast.so", b"StasisBroadcast", "no StasisBroadcast application"),
    ("res_stasis_broadcast.so", b"", "no claims of broadcast calls"),
    ("res_websocket_client.so", b"websocket_client", "no outbound WebSockets"),
    ("res_ari.so", b"outbound_websocket", "no outbound ARI WebSocket"),
    ("res_ari.so", b"RESTRequest", "no REST over WebSocket"),
    ("chan_pjsip.so", b"", "no PJSIP"),
    ("app_mixmonitor.so", b"", "no MixMonitor"),
    ("app_queue.so", b"", "no Queue"),
    ("res_agi.so", b"", "no AGI"),
)


def missing_features(modules: Path | None) -> list[str]:
    """What an Asterisk with that module folder cannot do of what the engine needs; empty when it can do it all."""
    if modules is None:
        return ["no module folder"]
    problems: list[str] = []
    for name, text, problem in _FEATURES:
        try:
            content = (modules / name).read_bytes()
        except OSError:
            content = None
        if content is None or text not in content:
            problems.append(problem)
    return problems


def find_on_system(root: Path = Path("/")) -> Toolbox:
    """What the machine itself has. `root` is there for tests."""
    places = [*os.environ.get("PATH", "").split(":"), f"{root}/usr/sbin", f"{root}/usr/local/sbin"]
    search_path = ":".join(place for place in places if place)
    programs: dict[Tool, Program] = {}
    for tool in (Tool.SIPP, Tool.ESPEAK):
        path = shutil.which(tool, path=search_path)
        if path is not None and _does_what_is_needed(tool, Path(path)):
            programs[tool] = Program(Path(path))
    asterisk = shutil.which(Tool.ASTERISK, path=search_path)
    modules = _modules_below(root)
    shared = _shared_below(root)
    if asterisk is None or shared is None or missing_features(modules):
        return Toolbox(programs)
    return Toolbox({**programs, Tool.ASTERISK: Program(Path(asterisk))}, modules, shared)


def _does_what_is_needed(tool: Tool, path: Path) -> bool:
    """sipp takes calls while it makes others since 3.8 (`-rxsf`); Debian 12 has an older one."""
    try:
        return tool is not Tool.SIPP or b"rxsf" in path.read_bytes()
    except OSError:
        return False


def find_in_private_root(root: Path) -> Toolbox:
    """What was fetched earlier, complete and good enough; an empty toolbox when there is nothing."""
    loader = next(iter(sorted(root.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"))), None)
    if loader is None:
        return Toolbox()
    programs = {
        tool: Program(root / place, loader, loader.parent)
        for tool, place in ((Tool.SIPP, "usr/bin/sipp"), (Tool.ESPEAK, "usr/bin/espeak-ng"))
        if (root / place).is_file()
    }
    espeak_data = loader.parent if (loader.parent / "espeak-ng-data").is_dir() else None
    asterisk = root / "usr/sbin/asterisk"
    modules = _modules_below(root)
    shared = _shared_below(root)
    if not asterisk.is_file() or shared is None or missing_features(modules):
        return Toolbox(programs, espeak_data=espeak_data)
    programs[Tool.ASTERISK] = Program(asterisk, loader, loader.parent)
    return Toolbox(programs, modules, shared, espeak_data)


def _modules_below(root: Path) -> Path | None:
    patterns = ("usr/lib/*-linux-gnu*", "usr/lib", "usr/lib64", "usr/local/lib", "usr/local/lib64")
    return next((path for pattern in patterns for path in sorted(root.glob(f"{pattern}/asterisk/modules"))), None)


def _shared_below(root: Path) -> Path | None:
    places = ("usr/share/asterisk", "var/lib/asterisk", "usr/local/share/asterisk")
    return next((root / place for place in places if (root / place / "documentation/core-en_US.xml").is_file()), None)


def _merged(system: Toolbox, private: Toolbox) -> Toolbox:
    """The system's programs first, each with what belongs to it."""
    own_asterisk = Tool.ASTERISK in system.programs
    return Toolbox(
        {**private.programs, **system.programs},
        system._modules if own_asterisk else private._modules,
        system._shared if own_asterisk else private._shared,
        None if Tool.ESPEAK in system.programs else private.espeak_data,
    )


_SUITES = re.compile(
    r"(?:oldoldstable|oldstable|stable|testing|unstable|sid|bullseye|bookworm|trixie|forky|duke)(?:-updates)?"
)
_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<components>(?:\s+\S+)*)")


def debian_mirror(apt_folder: Path) -> str | None:
    """The Debian archive among the apt sources below `apt_folder` (usually /etc/apt), or None.

    Third parties' archives use Debian's suite names too, so the key tells: one signed by Debian's own is preferred,
    and one without a named key counts only when its address ends in `/debian`."""
    entries = [entry for path in _source_files(apt_folder) for entry in _entries(path)]
    signed = [uri for uri, key in entries if "debian-archive" in key]
    unsigned = [uri for uri, key in entries if not key and uri.rstrip("/").endswith("/debian")]
    return next(iter([*signed, *unsigned]), None)


def _source_files(apt_folder: Path) -> Iterator[Path]:
    parts = apt_folder / "sources.list.d"
    yield from sorted(parts.glob("*.sources"))
    yield apt_folder / "sources.list"
    yield from sorted(parts.glob("*.list"))


def _entries(path: Path) -> Iterator[tuple[str, str]]:
    """Address and key of every Debian archive of the main component."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    found = _deb822(text) if path.suffix == ".sources" else _one_line(text)
    for uri, suite, components, key in found:
        if uri.startswith(("http://", "https://", "file:")) and _SUITES.fullmatch(suite) and "main" in components:
            yield uri, key


def _one_line(text: str) -> Iterator[tuple[str, str, list[str], str]]:
    for line in text.splitlines():
        match = _ONE_LINE.fullmatch(line.partition("#")[0].strip())
        if match is not None:
            options = dict(option.partition("=")[::2] for option in (match["options"] or "").split())
            yield match["uri"], match["suite"], match["components"].split(), options.get("signed-by", "")


def _deb822(text: str) -> Iterator[tuple[str, str, list[str], str]]:
    for stanza in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in (" ", "\t") and name:
                fields[name] += "\n" + line.strip()
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields.get("enabled", "yes").lower() in ("no", "false", "0") or "deb" not in fields.get("types", "").split():
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield uri, suite, fields.get("components", "").split(), fields.get("signed-by", "")


_PACKAGES: Mapping[Tool, str] = {Tool.ASTERISK: "asterisk", Tool.SIPP: "sip-tester", Tool.ESPEAK: "espeak-ng"}
_KEYRINGS = ("debian-archive-keyring.gpg", "debian-archive-keyring.pgp")
_SPACE_NEEDED_MB = 700
_OTHERWISE = "or install Asterisk 22.7 or later, sipp and espeak-ng yourself, or use compose.yaml"


@contextmanager
def _only_one(lock: Path, *, report: Report) -> Iterator[None]:
    with lock.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting for another run that is fetching the same programs")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


class _Fetch:
    """One fetch of `tools` into `folder/root`. Packages already fetched by an interrupted one are used again."""

    def __init__(
        self, folder: Path, *, tools: Iterable[Tool], report: Report, mirror: str | None, system_root: Path
    ) -> None:
        self._folder = folder
        self._packages = [_PACKAGES[tool] for tool in tools]
        self._report = report
        self._system_root = system_root
        self._apt_folder = folder / "apt"
        self._versions_file = folder / "versions.json"
        self._mirror = mirror or os.environ.get(MIRROR_VARIABLE) or debian_mirror(system_root / "etc/apt")

    def run(self) -> None:
        """Fetch, unpack, and put in place in one step."""
        for leftover in self._folder.glob("root.*"):
            shutil.rmtree(leftover, ignore_errors=True)
        self._check_machine()
        wanted_versions = self._recorded_versions()
        self._prepare(wanted_versions)
        self._report(f"fetching Debian {SUITE}'s package lists")
        self._apt("update")
        archives = self._download(wanted_versions)
        root = self._folder / "root.new"
        self._unpack(archives, root=root)
        versions = dict(_name_and_version(archive) for archive in archives)
        self._record(versions)
        self._tell_changes(wanted_versions, versions)
        old = self._folder / "root"
        if old.exists():
            old.rename(self._folder / "root.old")
        root.rename(old)
        shutil.rmtree(self._folder / "root.old", ignore_errors=True)
        shutil.rmtree(self._apt_folder, ignore_errors=True)

    def _check_machine(self) -> None:
        names = ", ".join(self._packages)
        for program in ("apt-get", "dpkg-deb", "dpkg"):
            _found(program)
        if self._mirror is None:
            raise ToolsMissing(
                f"{names} missing, and no Debian archive among this machine's apt sources: "
                f"set {MIRROR_VARIABLE} to one, {_OTHERWISE}"
            )
        if re.fullmatch(r"(?:https?://|file:/)[^\s\[\]]+", self._mirror) is None:
            raise ToolsMissing(f"{MIRROR_VARIABLE}: {self._mirror!r} is not an address such as http://HOST/debian")
        if self._keyring() is None:
            raise ToolsMissing(
                f"{names} missing, and Debian's archive key is not here to check them with: "
                f"install the package debian-archive-keyring, {_OTHERWISE}"
            )
        free_mb = shutil.disk_usage(self._folder).free // 1_000_000
        if free_mb < _SPACE_NEEDED_MB:
            raise ToolsMissing(
                f"{self._folder}: {free_mb} MB free, {_SPACE_NEEDED_MB} MB needed to fetch {names}: "
                "free some space or choose another folder"
            )

    def _keyring(self) -> Path | None:
        places = [self._system_root / "usr/share/keyrings" / name for name in _KEYRINGS]
        return next((place for place in places if place.is_file()), None)

    def _prepare(self, versions: Mapping[str, str]) -> None:
        apt = self._apt_folder
        (apt / "state/lists/partial").mkdir(parents=True, exist_ok=True)
        (apt / "cache/archives/partial").mkdir(parents=True, exist_ok=True)
        (apt / "status").write_text("")
        # Mirrors lag, and testing's Release file expires after a week; its signature is checked all the same.
        options = f"signed-by={self._keyring()} check-valid-until=no"
        (apt / "sources.list").write_text(f"deb [{options}] {self._mirror} {SUITE} main\n")
        (apt / "preferences").write_text(
            "".join(
                f"Package: {name}\nPin: version {version}\nPin-Priority: 1001\n\n" for name, version in versions.items()
            )
        )
        architecture = self._output([_found("dpkg"), "--print-architecture"]).strip()
        # Read after the machine's own configuration: its proxies stay, its hooks go (they are for its own packages).
        (apt / "apt.conf").write_text(
            "".join(f"#clear {name};\n" for name in (*_HOOKS, "APT::Architectures"))
            + f'APT::Architectures {{ "{architecture}"; }};\n'
            + "".join(
                f'{name} "{value}";\n'
                for name, value in {
                    "Dir::State": f"{apt}/state",
                    "Dir::State::status": f"{apt}/status",
                    "Dir::Cache": f"{apt}/cache",
                    "Dir::Cache::archives": f"{apt}/cache/archives",
                    "Dir::Etc::SourceList": f"{apt}/sources.list",
                    "Dir::Etc::SourceParts": "-",
                    "Dir::Etc::Preferences": f"{apt}/preferences",
                    "Dir::Etc::PreferencesParts": "-",
                    "Dir::Log": f"{apt}/log",
                    "APT::Install-Recommends": "false",
                    "APT::Sandbox::User": "root",
                    "APT::Get::AllowUnauthenticated": "false",
                    "APT::Update::Error-Mode": "any",
                    "Acquire::AllowInsecureRepositories": "false",
                    "Acquire::Languages": "none",
                    "Acquire::Retries": "2",
                    "Acquire::http::Timeout": "30",
                    "Acquire::https::Timeout": "30",
                    "Debug::NoLocking": "true",
                }.items()
            )
        )

    def _download(self, versions: Mapping[str, str]) -> list[Path]:
        try:
            self._apt("install", "-y", "--download-only", *self._packages)
        except ToolsMissing:
            if not versions:
                raise
            # Some of the recorded versions are gone and the others do not fit without them.
            self._report("the versions fetched before are no longer all offered: taking today's")
            (self._apt_folder / "preferences").write_text("")
            self._apt("install", "-y", "--download-only", *self._packages)
        # An interrupted fetch may have left a version that is not the one chosen now, so ask which were.
        simulated = self._output([*self._apt_command, "--simulate", "install", *self._packages])
        chosen = set(re.findall(r"^Inst ([^\s:]+)(?::\S+)? \((\S+) ", simulated, re.MULTILINE))
        archives = sorted((self._apt_folder / "cache/archives").glob("*.deb"))
        complete = [archive for archive in archives if _name_and_version(archive) in chosen]
        if not chosen or len(complete) != len(chosen):
            raise ToolsMissing(
                f"apt fetched {len(complete)} of {len(chosen)} packages for {', '.join(self._packages)}: try again, "
                f"{_OTHERWISE}"
            )
        return complete

    def _unpack(self, archives: list[Path], *, root: Path) -> None:
        self._report(f"unpacking {len(archives)} packages")
        root.mkdir()
        unpacker = _found("dpkg-deb")
        for archive in archives:
            done = subprocess.run(
                [unpacker, "-x", str(archive), str(root)], capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                archive.unlink(missing_ok=True)
                raise ToolsMissing(_explained(done.stderr, doing=f"unpacking {archive.name}"))

    def _apt(self, *arguments: str) -> None:
        """Run apt-get, reporting what it fetches; raises `ToolsMissing` when it fails."""
        with subprocess.Popen(
            [*self._apt_command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=self._environment(),
        ) as process:
            assert process.stdout is not None
            output = list(self._watched(process.stdout))
        if process.returncode != 0:
            raise ToolsMissing(_explained("".join(output), doing=f"apt-get {arguments[0]}"))

    def _watched(self, lines: Iterable[str]) -> Iterator[str]:
        total = fetched = 0
        size = ""
        for line in lines:
            if match := re.search(r"(\d+) newly installed", line):
                total = int(match[1])
            if match := re.match(r"Need to get ([\d.,]+ ?\w?B)(?:/([\d.,]+ ?\w?B))? of archives", line):
                size = match[1]
                self._report(f"fetching {total} packages ({size})")
            if line.startswith("Get:") and size:
                fetched += 1
                if fetched % 50 == 0:
                    self._report(f"fetched {fetched} of {total} packages")
            yield line

    @property
    def _apt_command(self) -> list[str]:
        # -c is read after the machine's own configuration, the APT_CONFIG variable before it.
        return [_found("apt-get"), "-q", "-c", str(self._apt_folder / "apt.conf")]

    def _output(self, command: list[str]) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=self._environment())
        return done.stdout if done.returncode == 0 else ""

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "LC_ALL": "C",
            "DEBIAN_FRONTEND": "noninteractive",
        }

    def _recorded_versions(self) -> dict[str, str]:
        try:
            recorded = json.loads(self._versions_file.read_text(encoding="utf-8"))
            packages = recorded["packages"]
            return {str(name): str(version) for name, version in packages.items()}
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            return {}

    def _record(self, versions: Mapping[str, str]) -> None:
        temporary = self._versions_file.with_suffix(".new")
        temporary.write_text(json.dumps({"suite": SUITE, "packages": versions}, indent=1, sort_keys=True) + "\n")
        temporary.replace(self._versions_file)

    def _tell_changes(self, before: Mapping[str, str], now: Mapping[str, str]) -> None:
        for name in self._packages:
            if name in before and name in now and before[name] != now[name]:
                self._report(f"{name} {before[name]} is no longer offered: took {now[name]}")


_HOOKS = (
    "APT::Update::Pre-Invoke",
    "APT::Update::Post-Invoke",
    "APT::Update::Post-Invoke-Success",
    "APT::Keep-Downloaded-Packages",
    "DPkg::Pre-Invoke",
    "DPkg::Post-Invoke",
    "DPkg::Pre-Install-Pkgs",
    "Dir::Cache::pkgcache",
    "Dir::Cache::srcpkgcache",
)


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise ToolsMissing(f"no {program} here to fetch programs with: {_OTHERWISE[3:]}")
    return path


def _name_and_version(archive: Path) -> tuple[str, str]:
    """`asterisk_1%3a22.7_amd64.deb` is version 1:22.7 of asterisk."""
    name, version, _ = archive.name.split("_", 2)
    return name, unquote(version)


_CAUSES: tuple[tuple[str, str], ...] = (
    (
        r"NO_PUBKEY|EXPKEYSIG|BADSIG|is not signed|signatures? (?:couldn't|could not|were|was)"
        r"|cannot be authenticated",
        "the archive's signature could not be checked: update the package debian-archive-keyring or change the mirror",
    ),
    (
        r"No space left|don't have enough free space|Disk quota exceeded",
        "the disk is full: free some space or choose another folder",
    ),
    (
        r"Could not resolve|Temporary failure|Unable to connect|Could not connect|Connection (?:failed|refused)"
        r"|timed out|Network is unreachable|Failed to fetch|\b40[34]\b",
        f"the Debian archive cannot be reached: check the network, or set {MIRROR_VARIABLE} to another mirror",
    ),
    (
        r"Unable to locate package|has no installation candidate|unmet dependencies|held broken packages",
        f"the archive does not offer these packages: set {MIRROR_VARIABLE} to a complete mirror of Debian",
    ),
)


def _explained(output: str, *, doing: str) -> str:
    """One line for what apt or dpkg said at length."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith(("E:", "Err:", "W:", "dpkg-deb: error"))), "")
    said = said or (lines[-1] if lines else "no message")
    for pattern, cause in _CAUSES:
        if re.search(pattern, output):
            return f"{cause} ({said[:200]})"
    return f"{doing} failed: {said[:200]}; {_OTHERWISE[3:]}"
