"""Container image, compose file and service unit, checked as far as a machine without them can."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from telefonista.app.cli import app
from telefonista.app.config import SAMPLE, parse_config
from telefonista.app.names import OURS
from telefonista.store.database import open_database

HOUSE = Path(__file__).resolve().parents[2]
START = HOUSE / "packaging" / "docker" / "start"
UNIT = HOUSE / "packaging" / "systemd" / "telefonista.service"
DEADLINE_S = 20.0


@dataclass(frozen=True)
class Instruction:
    word: str
    arguments: str


def dockerfile() -> list[list[Instruction]]:
    """The Dockerfile's stages, each a list of instructions. Raises ValueError for what is none."""
    known = {
        "FROM",
        "RUN",
        "WORKDIR",
        "COPY",
        "ENV",
        "USER",
        "VOLUME",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    }
    text = re.sub(r"^#.*\n", "", (HOUSE / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    stages: list[list[Instruction]] = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if not line.strip():
            continue
        word, _, arguments = line.partition(" ")
        if word not in known:
            raise ValueError(f"no instruction: {line}")
        if word == "FROM":
            stages.append([])
        stages[-1].append(Instruction(word, arguments.strip()))
    return stages


def final(word: str) -> list[str]:
    return [instruction.arguments for instruction in dockerfile()[-1] if instruction.word == word]


def compose() -> dict[str, Any]:
    loaded = yaml.safe_load((HOUSE / "compose.yaml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def unit(text: str) -> dict[str, dict[str, list[str]]]:
    """Sections, and every value of every key."""
    sections: dict[str, dict[str, list[str]]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return sections


def test_image_is_built_in_one_stage_and_runs_in_another_without_the_tools_of_the_first() -> None:
    first, last = dockerfile()
    assert first[0].arguments == "debian:testing-slim AS build"
    assert last[0].arguments == "debian:testing-slim"
    assert all("pip " not in arguments for arguments in final("RUN"))
    assert "--from=build /opt/telefonista /opt/telefonista" in final("COPY")


def test_image_copies_what_is_there_and_all_that_the_package_needs() -> None:
    copied = [
        source
        for stage in dockerfile()
        for instruction in stage
        if instruction.word == "COPY" and not instruction.arguments.startswith("--from")
        for source in shlex.split(instruction.arguments)[:-1]
    ]
    assert {*OURS, "asterisk-conf", "setup.cfg", "pyproject.toml", "LICENSE"} <= set(copied)
    assert [source for source in copied if not (HOUSE / source).exists()] == []
    let_in = {line[1:] for line in (HOUSE / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    assert [source for source in copied if not any(Path(source).is_relative_to(one) for one in let_in)] == []


def test_builder_is_sent_nothing_of_an_installation() -> None:
    lines = (HOUSE / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    assert not {"!var", "!.git", "!secrets", "!.venv"} & set(lines)


def test_image_does_not_run_as_root() -> None:
    assert final("USER") == ["telefonista"]
    words = [instruction.word for instruction in dockerfile()[-1]]
    assert "RUN" not in words[words.index("USER") :]


def test_image_has_asterisk_and_the_voice_and_someone_to_reap_processes() -> None:
    installed = set(shlex.split(" ".join(final("RUN"))))
    assert {"asterisk", "espeak-ng", "python3", "tini"} <= installed
    assert final("ENTRYPOINT") == ['["tini", "--", "telefonista-start"]']


def test_image_is_healthy_when_the_engine_says_that_it_takes_calls() -> None:
    (check,) = final("HEALTHCHECK")
    assert "telefonista status --json | grep -q '\"ready\": true'" in check
    names = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    assert {"run", "status"} <= names


def test_images_come_from_the_default_registry_and_none_is_taken_as_latest() -> None:
    images = [stage[0].arguments.split()[0] for stage in dockerfile()]
    images += [service["image"] for service in compose()["services"].values() if "build" not in service]
    assert all(re.fullmatch(r"[a-z]+:[a-z0-9.-]+", image) for image in images)
    assert not any(image.endswith(":latest") for image in images)


def test_compose_names_only_what_it_declares() -> None:
    file = compose()
    assert set(file) <= {"name", "services", "volumes", "secrets"}
    for service in file["services"].values():
        assert set(service) <= {
            "image", "build", "command", "network_mode", "environment", "secrets", "volumes", "healthcheck", "restart",
            "depends_on", "read_only", "tmpfs", "cap_drop", "security_opt", "ulimits", "stop_grace_period",
        }  # fmt: skip
        assert set(service.get("secrets", [])) <= set(file["secrets"])
        assert {mount.partition(":")[0] for mount in service["volumes"]} <= set(file["volumes"])
        assert set(service.get("depends_on", {})) <= set(file["services"])


def test_compose_opens_nothing_to_the_network_but_the_engine_itself() -> None:
    services = compose()["services"]
    assert services["database"]["network_mode"] == "none"
    assert services["telefonista"]["network_mode"] == "host"
    assert not any("ports" in service for service in services.values())


def test_compose_holds_no_password() -> None:
    text = (HOUSE / "compose.yaml").read_text(encoding="utf-8")
    assert re.search(r"^\s*(?:POSTGRES_|PG)PASSWORD:", text, re.MULTILINE) is None
    assert "secrets/" in (HOUSE / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_compose_lets_the_engine_hang_up_before_it_is_killed() -> None:
    engine = compose()["services"]["telefonista"]
    assert engine["stop_grace_period"] == "30s"
    assert engine["read_only"] is True
    assert engine["cap_drop"] == ["ALL"]


def test_configuration_for_containers_is_the_sample_with_the_database_and_the_network() -> None:
    config = parse_config((HOUSE / "packaging" / "docker" / "config.yaml").read_text(encoding="utf-8"), file="it")
    sample = parse_config(SAMPLE, file="sample")
    assert config.sip_address == "0.0.0.0"
    assert config.model_copy(update={"sip_address": sample.sip_address, "database": sample.database}) == sample
    url = open_database(config.database.url).url
    assert url.get_backend_name() == "postgresql"
    assert url.password is None
    socket_folder = url.query["host"]
    for service in compose()["services"].values():
        assert f"database_socket:{socket_folder}" in service["volumes"]


@pytest.fixture
def container(tmp_path: Path) -> Callable[[str], subprocess.Popen[str]]:
    """Runs the container's own process with a double of the engine: a shell script whose text is given."""
    home = tmp_path / "home"
    home.mkdir()
    sample = tmp_path / "sample.yaml"
    sample.write_text("node: tf1\n", encoding="utf-8")
    programs = tmp_path / "bin"
    programs.mkdir()

    def start(engine: str) -> subprocess.Popen[str]:
        double = programs / "telefonista"
        double.write_text(f"#!/bin/sh\n{engine}\n", encoding="utf-8")
        double.chmod(0o755)
        secret = tmp_path / "password"
        secret.write_text("clave de prueba\n", encoding="utf-8")
        return subprocess.Popen(
            [str(START), "run"],
            env={
                "PATH": f"{programs}:{os.environ['PATH']}",
                "TELEFONISTA_HOME": str(home),
                "TELEFONISTA_SAMPLE": str(sample),
                "PGPASSWORD_FILE": str(secret),
                "NOTES": str(tmp_path / "notes"),
            },
            text=True,
            stderr=subprocess.PIPE,
        )

    return start


def notes(tmp_path: Path, *, wanted: int) -> list[str]:
    """What the engines wrote, when there are that many lines of it."""
    path = tmp_path / "notes"
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        if len(lines) >= wanted:
            return lines
        time.sleep(0.02)
    raise AssertionError(f"{wanted} lines were not written within {DEADLINE_S} s")


def test_container_starts_a_killed_engine_again_and_stops_when_told(
    container: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    engine = 'trap "echo stopped >> \\"$NOTES\\"; exit 0" TERM\necho "$$" >> "$NOTES"\nwhile :; do sleep 0.05; done'
    with container(engine) as process:
        (first,) = notes(tmp_path, wanted=1)
        os.kill(int(first), signal.SIGKILL)
        second = notes(tmp_path, wanted=2)[1]
        assert second != first
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
        assert process.stderr is not None
        assert "ended by signal 9" in process.stderr.read()
    assert notes(tmp_path, wanted=3)[2] == "stopped"


def test_container_ends_when_the_engine_says_what_is_wrong(container: Callable[[str], subprocess.Popen[str]]) -> None:
    with container("exit 1") as process:
        assert process.wait(DEADLINE_S) == 1


def test_container_brings_its_configuration_and_the_password(
    container: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    with container('echo "$PGPASSWORD" >> "$NOTES"') as process:
        assert process.wait(DEADLINE_S) == 0
    assert notes(tmp_path, wanted=1) == ["clave de prueba"]
    assert (tmp_path / "home" / "config.yaml").read_text(encoding="utf-8") == "node: tf1\n"


def test_container_leaves_a_configuration_that_is_there_alone(
    container: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    own = tmp_path / "home" / "config.yaml"
    own.write_text("node: ours\n", encoding="utf-8")
    with container("exit 0") as process:
        assert process.wait(DEADLINE_S) == 0
    assert own.read_text(encoding="utf-8") == "node: ours\n"


def test_service_leaves_asterisk_alone_when_the_engine_dies_and_starts_it_again() -> None:
    service = unit(UNIT.read_text(encoding="utf-8"))["Service"]
    assert service["KillMode"] == ["process"]
    assert service["Restart"] == ["always"]
    assert service["OOMPolicy"] == ["continue"]


def test_service_runs_as_a_user_of_its_own_without_rights() -> None:
    service = unit(UNIT.read_text(encoding="utf-8"))["Service"]
    assert service["User"] == ["telefonista"]
    assert service["CapabilityBoundingSet"] == [""]
    assert service["NoNewPrivileges"] == ["yes"]
    assert service["ProtectSystem"] == ["strict"]


def test_service_unit_is_one_by_systemds_own_judgement_where_there_is_one(tmp_path: Path) -> None:
    text = UNIT.read_text(encoding="utf-8")
    assert set(unit(text)) == {"Unit", "Service", "Install"}
    parser = configparser.RawConfigParser(strict=True)
    parser.read_string(text)
    judge = shutil.which("systemd-analyze")
    if judge is None:
        return
    # It wants the program to be there.
    copy = tmp_path / UNIT.name
    copy.write_text(text.replace("/opt/telefonista/bin/telefonista", "/bin/true"), encoding="utf-8")
    verdict = subprocess.run([judge, "verify", str(copy)], capture_output=True, text=True, check=False, timeout=60)
    complaints = [line for line in verdict.stderr.splitlines() if UNIT.name in line]
    assert complaints == []
