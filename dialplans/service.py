"""Writes what the plan renders into the folders of one installation.

In: an `AsteriskPlan`. Out: Asterisk's configuration folder, complete, and the folders that it needs. Each file is
replaced in one step, and left alone when nothing changed. Files with secrets are readable by their owner only.
This room never starts or asks Asterisk; it must never import another room or `telefonista.pbx`.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from dialplans.core.contexts import build_dialplan
from dialplans.core.lint import lint
from dialplans.core.model import AsteriskPlan
from dialplans.core.render import FILES_WITH_SECRETS, fill_template, passwords_in, render_plan
from dialplans.core.values import PlanError

_INSTALLED_AS = "telefonista.asterisk_conf"
_CHECKOUT_FOLDER = Path(__file__).resolve().parent.parent / "asterisk-conf"
_SECRET_MODE = 0o600
_PLAIN_MODE = 0o644
_PROGRAM_MODE = 0o700
_FOLDER_MODE = 0o750


def write_configuration(plan: AsteriskPlan) -> list[Path]:
    """Make every folder of the plan and write every file of its configuration folder; returns the files that changed.

    Raises `PlanError` when the dialplan is unsound or a hand-written file asks for an unknown value, before anything
    is written, and `OSError` when a folder cannot be written."""
    faults = lint(build_dialplan(plan))
    if faults:
        raise PlanError("dialplan: " + "; ".join(f"{one.where} {one.fault}: {one.detail}" for one in faults))
    files = {name: fill_template(text, plan=plan) for name, text in handwritten_files().items()}
    files |= render_plan(plan)
    # ARI answers 500 to a request for a spoken message where the folder for it is not there (seen).
    messages = f"{plan.folders.spool}/recording"
    for folder in (*plan.folders.own(), messages, plan.contingency.record_folder):
        Path(folder).mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    target = Path(plan.folders.configuration)
    return [
        target / name
        for name, text in sorted(files.items())
        if write_file(target / name, text=text, mode=_SECRET_MODE if name in FILES_WITH_SECRETS else _PLAIN_MODE)
    ]


def outdated_accounts(plan: AsteriskPlan) -> set[str]:
    """The accounts that Asterisk was last told of and whose password the plan does not hold any more: another has taken
    its place, or the account is gone. Ask before `write_configuration`. Raises OSError."""
    try:
        told = passwords_in((Path(plan.folders.configuration) / "pjsip.conf").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return set()
    wanted = {agent.agent: agent.secret for agent in plan.agents}
    wanted |= {citizen.account: citizen.secret for citizen in plan.citizens}
    return {account for account, secret in told.items() if wanted.get(account) != secret}


def write_contingency_program(path: Path, *, python: str) -> bool:
    """A program that Asterisk can run as an AGI script: the contingency script with the interpreter that has pyst2.

    `python` is an absolute path. Returns whether the file changed. A shell's line is used instead of a `#!` naming the
    interpreter, because the kernel cuts such a line at 127 or 255 bytes and takes no blanks in it."""
    script = Path(__file__).resolve().with_name("contingency.py")
    text = f'#!/bin/sh\nexec {shlex.quote(python)} -I {shlex.quote(str(script))} "$@"\n'
    path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    return write_file(path, text=text, mode=_PROGRAM_MODE)


def handwritten_files() -> dict[str, str]:
    """The files of `asterisk-conf/` by name, from the installed package or from the checkout."""
    return {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in _handwritten_folder().iterdir()
        if entry.name.endswith(".conf")
    }


def _handwritten_folder() -> Traversable:
    try:
        installed = resources.files(_INSTALLED_AS)
    except ModuleNotFoundError:
        return _CHECKOUT_FOLDER
    return installed if installed.is_dir() else _CHECKOUT_FOLDER


def write_file(path: Path, *, text: str, mode: int) -> bool:
    """Replace `path` in one step, never readable by more than `mode` says; False when it was so already."""
    wanted = text.encode()
    if path.exists() and path.read_bytes() == wanted and path.stat().st_mode & 0o777 == mode:
        return False
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(wanted)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return True
