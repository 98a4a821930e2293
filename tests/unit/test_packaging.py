"""What is shipped: a wheel with the prescribed top-level packages, whole, that runs where the sources are not."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from telefonista.app.names import OURS

HOUSE = Path(__file__).resolve().parents[2]
PAGES = ("setup.cfg", "pyproject.toml", "LICENSE", "README.md")
FOLDERS = (*OURS, "asterisk-conf", "tests", "benchmarks", "docs")


def run(*command: str, cwd: Path, **environment: str) -> str:
    """What it printed; a failure shows all of it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    done = subprocess.run(
        command, cwd=cwd, env=kept | environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is written among the sources; with what is installed, so without a network."""
    copy = tmp_path_factory.mktemp("sources")
    for name in PAGES:
        if (HOUSE / name).exists():
            shutil.copy(HOUSE / name, copy)
    for name in FOLDERS:
        if (HOUSE / name).exists():
            shutil.copytree(HOUSE / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path_factory.mktemp("wheel")
    run(
        sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index",
        "--no-build-isolation", "--wheel-dir", str(target), ".",
        cwd=copy,
    )  # fmt: skip
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def shipped(wheel: Path) -> frozenset[str]:
    """The files in the wheel, without those about it."""
    with zipfile.ZipFile(wheel) as archive:
        return frozenset(name for name in archive.namelist() if ".dist-info/" not in name)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked into a folder of its own as pip does it."""
    target = tmp_path_factory.mktemp("installed")
    run(
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index",
        "--no-compile", "--target", str(target), str(wheel),
        cwd=target,
    )  # fmt: skip
    return target


def test_wheel_has_exactly_the_prescribed_top_level_packages(shipped: frozenset[str]) -> None:
    assert {name.partition("/")[0] for name in shipped} == set(OURS)


def test_wheel_has_every_module_of_the_house(shipped: frozenset[str]) -> None:
    modules = {str(path.relative_to(HOUSE)) for top in OURS for path in (HOUSE / top).rglob("*.py")}
    assert modules - shipped == set()


def test_wheel_has_every_file_that_asterisk_reads(shipped: frozenset[str]) -> None:
    wanted = {f"telefonista/asterisk_conf/{path.name}" for path in (HOUSE / "asterisk-conf").iterdir()}
    assert wanted
    assert wanted <= shipped


def test_wheel_has_every_other_file_that_the_code_reads(shipped: frozenset[str]) -> None:
    wanted = {
        str(path.relative_to(HOUSE))
        for top in OURS
        for path in (HOUSE / top).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and path.name != ".gitkeep"
    }
    assert {"ivr/flows/0800-info.yaml", "telefonista/app/scenarios/citizen.xml"} <= wanted
    assert wanted - shipped == set()


def test_wheel_has_nothing_that_only_we_need(shipped: frozenset[str]) -> None:
    ours_alone = [name for name in shipped if "test" in name.lower() or "benchmark" in name or name.endswith(".pyc")]
    assert ours_alone == []


def test_wheel_carries_its_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert any(name.endswith("LICENSE") for name in archive.namelist())


def test_every_package_is_named_in_setup_cfg_and_no_other() -> None:
    setup = configparser.ConfigParser()
    setup.read(HOUSE / "setup.cfg", encoding="utf-8")
    named = set(setup["options"]["packages"].split()) - {"telefonista.asterisk_conf"}
    folders = {path.parent for top in OURS for path in (HOUSE / top).rglob("*.py")}
    assert named == {".".join(folder.relative_to(HOUSE).parts) for folder in folders}


def test_installed_wheel_runs_where_the_sources_are_not(installed: Path, tmp_path: Path) -> None:
    code = (
        "import acd, agents, dialplans, ivr, recordings, telefonista\n"
        "for module in (acd, agents, dialplans, ivr, recordings, telefonista):\n"
        "    print(module.__file__)\n"
    )
    places = run(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=str(installed)).split()
    assert len(places) == len(OURS)
    assert all(place.startswith(str(installed)) for place in places)


def test_installed_wheel_finds_its_files(installed: Path, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\n"
        "from dialplans import service\n"
        "from ivr import sample_flow\n"
        "from telefonista.store.database import migrate, newest_revision, open_database, schema_revision, sqlite_url\n"
        "assert 'modules.conf' in service.handwritten_files()\n"
        "assert not service._CHECKOUT_FOLDER.exists()\n"
        "assert sample_flow('0800-info').prompts\n"
        "database = open_database(sqlite_url(Path('calls.sqlite')))\n"
        "migrate(database)\n"
        "assert schema_revision(database) == newest_revision()\n"
        "print(service.write_contingency_program(Path('agi/contingency'), python='/usr/bin/python3'))\n"
    )
    assert run(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=str(installed)).strip() == "True"
    assert str(installed) in (tmp_path / "agi" / "contingency").read_text(encoding="utf-8")


def test_installed_command_explains_itself(installed: Path, tmp_path: Path) -> None:
    said = run(str(installed / "bin" / "telefonista"), "--help", cwd=tmp_path, PYTHONPATH=str(installed), COLUMNS="100")
    for command in ("run", "demo", "doctor", "status", "calls", "metrics"):
        assert f" {command} " in said


def test_environment_for_tests_names_what_builds_the_wheel() -> None:
    setup = configparser.ConfigParser()
    setup.read(HOUSE / "setup.cfg", encoding="utf-8")
    assert "setuptools" in setup["options.extras_require"]["test"]
