"""Files are written whole, for the right eyes, and only when they change."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dialplans import AgentAccount, AsteriskPlan, PlanError, outdated_accounts, write_configuration
from dialplans import service as service_module
from dialplans.core.render import FILES_WITH_SECRETS
from dialplans.service import handwritten_files, write_contingency_program, write_file

PlanUnder = Callable[[str], AsteriskPlan]


@pytest.fixture
def installed(tmp_path: Path, plan_under: PlanUnder) -> AsteriskPlan:
    plan = plan_under(str(tmp_path))
    write_configuration(plan)
    return plan


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_every_folder_of_the_plan_is_made(installed: AsteriskPlan) -> None:
    for folder in (*installed.folders.own(), installed.contingency.record_folder):
        assert Path(folder).is_dir()
        assert not mode_of(Path(folder)) & 0o007


def test_citizens_messages_have_a_folder(installed: AsteriskPlan) -> None:
    """Asterisk does not make it by itself, and refuses to record what a citizen says without it."""
    assert (Path(installed.folders.spool) / "recording").is_dir()


def test_files_with_secrets_are_their_owners_alone(installed: AsteriskPlan) -> None:
    folder = Path(installed.folders.configuration)
    for name in FILES_WITH_SECRETS:
        assert mode_of(folder / name) == 0o600
    assert mode_of(folder / "modules.conf") == 0o644


def test_handwritten_and_rendered_files_are_both_there(installed: AsteriskPlan) -> None:
    written = {path.name for path in Path(installed.folders.configuration).iterdir()}
    assert {"extensions.conf", "pjsip.conf", *handwritten_files()} <= written


def test_writing_again_changes_nothing(installed: AsteriskPlan) -> None:
    assert write_configuration(installed) == []


def test_a_file_that_was_changed_by_hand_is_written_again(installed: AsteriskPlan) -> None:
    path = Path(installed.folders.configuration) / "rtp.conf"
    path.write_text("[general]\nrtpstart = 1\n")
    assert write_configuration(installed) == [path]
    assert "rtpstart = 10000" in path.read_text()


def test_a_secret_that_others_could_read_is_closed_again(installed: AsteriskPlan) -> None:
    path = Path(installed.folders.configuration) / "pjsip.conf"
    path.chmod(0o644)
    assert write_configuration(installed) == [path]
    assert mode_of(path) == 0o600


def test_an_unsound_dialplan_is_refused_before_anything_is_written(
    tmp_path: Path, plan_under: PlanUnder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dialplans.core.model import Context, Dialplan, Extension, Step

    unsound = Dialplan((Context("citizens", (Extension("s", (Step("Dial"),)),), entry=True),))
    monkeypatch.setattr(service_module, "build_dialplan", lambda plan: unsound)
    with pytest.raises(PlanError, match="citizens,s dials out: Dial"):
        write_configuration(plan_under(str(tmp_path / "home")))
    assert not (tmp_path / "home").exists()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pjsip.conf"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_file(path, text="new", mode=0o600)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["pjsip.conf"]


def test_the_contingency_program_runs_the_script_with_the_interpreter_that_has_pyst2(tmp_path: Path) -> None:
    interpreter = tmp_path / "with blank" / "python"
    interpreter.parent.mkdir()
    interpreter.write_text('#!/bin/sh\necho "$@"\n')
    interpreter.chmod(0o755)
    program = tmp_path / "agi" / "telefonista-contingency"
    assert write_contingency_program(program, python=str(interpreter))
    assert not write_contingency_program(program, python=str(interpreter))
    assert mode_of(program) == 0o700
    said = subprocess.run([str(program), "/spool"], capture_output=True, text=True, check=True).stdout.split()
    assert said[0] == "-I"
    assert said[1].endswith("/dialplans/contingency.py")
    assert said[2] == "/spool"


def test_accounts_are_outdated_whose_password_has_changed_or_who_are_gone(
    installed: AsteriskPlan, plan_under: PlanUnder, tmp_path: Path
) -> None:
    assert outdated_accounts(installed) == set()
    ana, other = installed.agents
    rotated = replace(ana, secret="another-password")
    new = AgentAccount("103", "third-password-x")
    assert outdated_accounts(replace(installed, agents=(rotated, other, new))) == {ana.agent}
    assert outdated_accounts(replace(installed, agents=(ana,), citizens=())) == {other.agent, "ciudadano"}


def test_nobody_is_outdated_before_the_first_writing(plan_under: PlanUnder, tmp_path: Path) -> None:
    assert outdated_accounts(plan_under(str(tmp_path / "new"))) == set()
