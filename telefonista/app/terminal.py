"""What every command of `telefonista` shares: its options, where it writes, how it ends.

A command prints for people, or JSON with `--json`; a problem is one line on standard error and a non-zero exit.
"""

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console, RenderableType

from telefonista.app.config import Config, read_config
from telefonista.app.home import Home

HomeOption = Annotated[Path, typer.Option("--home", help="The installation's folder.", envvar="TELEFONISTA_HOME")]
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]
HOME = Path("var")

out = Console()
err = Console(stderr=True)


def config_home(folder: Path) -> tuple[Home, Config]:
    """An installation that is there, and what is configured in it. Ends with a line where it is not; raises
    `ConfigInvalid`."""
    home = Home(folder)
    if not home.config_file.exists():
        fail(f"{home.folder} is no installation yet: `telefonista run --home {folder}` makes one")
    return home, read_config(home.config_file)


def show(value: Any, *, as_json: bool, render: Callable[[Any], Iterable[RenderableType]]) -> None:
    """A value of plain parts, for machines or for people."""
    if as_json:
        json.dump(value, sys.stdout, ensure_ascii=False, indent=1)
        sys.stdout.write("\n")
        return
    for part in render(value):
        out.print(part)


def say(line: str) -> None:
    """A line as it stands: what a caller is called is no markup."""
    out.print(line, markup=False, highlight=False, soft_wrap=True)


def fail(line: str) -> NoReturn:
    """End with one line on standard error."""
    err.print(f"telefonista: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
    raise SystemExit(2)
