"""What DESIGN says of the whole house, held by tests: who imports whom, complete machines, names, generated pages."""

import ast
import importlib
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from telefonista.app.config import Config
from telefonista.app.diagrams import MACHINES, document
from telefonista.kernel.machine import Machine

HOUSE = Path(__file__).resolve().parents[2]
ROOMS = ("ivr", "acd", "agents", "recordings", "dialplans")
SHIPPED = (*ROOMS, "telefonista")
EMPTY_WORDS = frozenset({"data", "info", "helper", "helpers", "util", "utils"})
PROMISED_BY_OTHERS = frozenset({"data_received", "dataReceived", "write"})
"""Methods whose argument's name is another library's choice."""


def sources() -> list[Path]:
    return [path for top in SHIPPED for path in sorted((HOUSE / top).rglob("*.py"))]


def unshipped() -> list[Path]:
    return [path for top in ("tests", "benchmarks") for path in sorted((HOUSE / top).rglob("*.py"))]


def shown(path: Path) -> str:
    return str(path.relative_to(HOUSE))


def test_nobody_imports_whom_they_must_not() -> None:
    # In a process of its own: it sets logging up for itself.
    judge = "from importlinter.cli import lint_imports as lint; raise SystemExit(lint('setup.cfg', no_cache=True))"
    verdict = subprocess.run(
        [sys.executable, "-c", judge], cwd=HOUSE, capture_output=True, text=True, check=False, timeout=120
    )
    assert verdict.returncode == 0, verdict.stdout


@pytest.mark.parametrize("machine", [machine for _, machine in MACHINES], ids=lambda machine: str(machine.name))
def test_every_pair_of_state_and_event_has_its_cell(machine: Machine[Any]) -> None:
    assert machine.gaps() == []


@pytest.mark.parametrize("machine", [machine for _, machine in MACHINES], ids=lambda machine: str(machine.name))
def test_every_state_can_be_left_or_is_the_end_of_it(machine: Machine[Any]) -> None:
    doing = {state for (state, _), reaction in machine.table.items() if callable(reaction)}
    ends = [state.value for state in machine.states if state not in doing]
    assert len(ends) <= 2, f"nothing ever happens in {ends}"


def test_every_machine_in_the_code_is_among_those_that_are_checked() -> None:
    built = {
        call.args[0].value
        for path in sources()
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Machine" and call.args
        if isinstance(call.args[0], ast.Constant)
    }
    assert built == {machine.name for _, machine in MACHINES}


def test_machines_have_names_of_their_own() -> None:
    names = [machine.name for _, machine in MACHINES]
    assert len(names) == len(set(names))


def test_the_page_of_machines_is_the_one_that_the_tables_give() -> None:
    page = (HOUSE / "docs" / "machines.md").read_text(encoding="utf-8")
    assert page == document(), "python -m telefonista.app.diagrams > docs/machines.md"


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_the_same_three_things(room: str) -> None:
    assert (HOUSE / room / "core" / "__init__.py").is_file()
    assert (HOUSE / room / "service.py").is_file()
    names = importlib.import_module(room)
    assert sorted(names.__all__, key=str.lower) == sorted(set(names.__all__), key=str.lower)
    assert all(hasattr(names, name) for name in names.__all__)


def test_no_module_is_named_after_nothing() -> None:
    empty = [shown(path) for path in [*sources(), *unshipped()] if path.stem.lower() in EMPTY_WORDS]
    assert empty == []


def _names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
            arguments = node.args
            if node.name not in PROMISED_BY_OTHERS:
                for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                    yield argument.lineno, argument.arg
        elif isinstance(node, ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id


def test_nothing_is_called_by_a_word_that_says_nothing() -> None:
    empty = [
        f"{shown(path)}:{line} {name}"
        for path in sources()
        for line, name in _names(ast.parse(path.read_text(encoding="utf-8")))
        if name.lower() in EMPTY_WORDS
    ]
    assert empty == []


def test_every_module_says_what_it_decides() -> None:
    silent = [
        shown(path)
        for path in [*sources(), *unshipped()]
        if (text := path.read_text(encoding="utf-8")).strip() and ast.get_docstring(ast.parse(text)) is None
    ]
    assert silent == []


def test_every_exception_to_a_checker_says_why() -> None:
    exception = re.compile(r"#\s*(?:noqa|type:\s*ignore|pragma:)(?P<codes>[^#\n]*)(?P<why>.*)")
    silent = []
    for path in [*sources(), *unshipped()]:
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            match = exception.search(line)
            before = lines[number - 2].strip() if number > 1 else ""
            if match and not (" - " in match["codes"] or match["why"] or before.startswith("#")):
                silent.append(f"{shown(path)}:{number}")
    # This file shows what it looks for.
    assert [place for place in silent if not place.startswith("tests/unit/test_house_rules.py")] == []


def test_imports_are_absolute() -> None:
    relative = [
        f"{shown(path)}:{node.lineno}"
        for path in [*sources(), *unshipped()]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    marks = re.compile(r"\b(?:skip|skipif|xfail|importorskip)\s*\(|mark\.(?:skip|skipif|xfail)\b")
    let_off = [
        f"{shown(path)}:{number}"
        for path in unshipped()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if marks.search(line)
    ]
    assert let_off == []


def test_tests_are_named_as_sentences() -> None:
    short = [
        f"{shown(path)}:{node.lineno} {node.name}"
        for path in sorted((HOUSE / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if node.name.startswith("test_") and node.name.count("_") < 3
    ]
    assert short == []


def test_nothing_waits_for_later() -> None:
    later = re.compile(r"\b(?:TODO|FIXME|XXX)\b")
    waiting = [shown(path) for path in [*sources(), *unshipped()] if later.search(path.read_text(encoding="utf-8"))]
    assert [path for path in waiting if not path.endswith(Path(__file__).name)] == []


def test_links_between_pages_lead_somewhere() -> None:
    link = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
    pages = [*HOUSE.glob("*.md"), *(HOUSE / "docs").rglob("*.md")]
    broken = [
        f"{shown(page)}: {target}"
        for page in pages
        for target in link.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_decision_is_listed() -> None:
    pages = {path.name for path in (HOUSE / "docs" / "adr").glob("0*.md")}
    listed = set(
        re.findall(r"\]\((\d{4}-[\w.-]+)\)", (HOUSE / "docs" / "adr" / "README.md").read_text(encoding="utf-8"))
    )
    assert listed == pages


def _settings(model: type[BaseModel]) -> Iterator[tuple[str, object]]:
    for name, field in model.model_fields.items():
        yield name, field.default
        for part in (field.annotation, *typing.get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _settings(part)


def test_every_setting_is_explained_with_what_it_is_unless_set() -> None:
    page = (HOUSE / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = {
        match["name"]: match["value"]
        for match in re.finditer(r"^\| `(?P<name>\w+)` \| (?P<value>[^|]+) \|", page, re.MULTILINE)
    }
    settings = dict(_settings(Config))
    sections = set(re.findall(r"^## `(\w+)`", page, re.MULTILINE))
    assert set(settings) - set(rows) - sections == set()
    numbers = {name: value for name, value in settings.items() if type(value) in (int, float)}
    assert {name: float(rows[name].strip("` ")) for name in numbers} == numbers


def test_every_setting_on_the_page_exists() -> None:
    page = (HOUSE / "docs" / "configuration.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE))
    assert named - set(dict(_settings(Config))) == set()
