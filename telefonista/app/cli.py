"""The command line: what a newcomer, an operator and a script use.

Each command prints for people, or JSON with `--json`; a problem is one line on standard error and a non-zero exit.
"""

import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import structlog
import typer
from rich.console import Console

from telefonista.app import client, flow_cli, reports
from telefonista.app.config import ConfigInvalid, read_config
from telefonista.app.home import Home
from telefonista.app.names import NameTaken, check_names

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Telephony engine of a citizen contact centre.",
)
app.add_typer(flow_cli.app, name="flow")
_out = Console()
_err = Console(stderr=True)

HomeOption = Annotated[Path, typer.Option("--home", help="The installation's folder.", envvar="TELEFONISTA_HOME")]
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]
_HOME = Path("var")


@app.command()
def run(
    home: HomeOption = _HOME,
    sip_port: Annotated[int | None, typer.Option(help="Where telephones reach us (config: sip_port).")] = None,
    http_port: Annotated[int | None, typer.Option(help="Where the engine answers (config: http_port).")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="A line per transition.")] = False,
) -> None:
    """Start Asterisk and the engine, and take calls until Ctrl-C."""
    from telefonista.app.running import run_installation

    _set_up_logging(verbose=verbose)
    raise SystemExit(
        run_installation(Home(home), sip_port=sip_port, http_port=http_port, verbose=verbose, console=_out)
    )


@app.command()
def status(home: HomeOption = _HOME, as_json: JsonOption = False) -> None:
    """What is happening now: the link, the queues, the agents, the open calls."""
    _show(client.get(Home(home), "/status"), as_json=as_json, render=reports.status)


@app.command()
def calls(
    home: HomeOption = _HOME,
    as_json: JsonOption = False,
    limit: Annotated[int, typer.Option(help="The newest so many.", min=1, max=100_000)] = 20,
    call: Annotated[str | None, typer.Option(help="Only this one, by its id.")] = None,
) -> None:
    """Calls as the store has them, the newest first."""
    _show(reports.stored_calls(_config_home(home), limit=limit, call=call), as_json=as_json, render=reports.calls)


@app.command()
def metrics(home: HomeOption = _HOME, as_json: JsonOption = False) -> None:
    """Offered, answered, abandoned, waiting and service level by queue; answer-seizure ratio by route."""
    _show(reports.stored_metrics(_config_home(home)), as_json=as_json, render=reports.metrics)


@app.command()
def drain(home: HomeOption = _HOME) -> None:
    """Take no new calls: they go the contingency path. Open calls go on. `telefonista accept` ends it."""
    _out.print(client.post(Home(home), "/drain")["said"])


@app.command()
def accept(home: HomeOption = _HOME) -> None:
    """Take new calls again after `drain`."""
    _out.print(client.post(Home(home), "/accept")["said"])


@app.command()
def reload(home: HomeOption = _HOME) -> None:
    """Read configuration and flows again; a mistake is named and the running engine keeps the last good ones."""
    _out.print(client.post(Home(home), "/reload")["said"])


@app.command()
def demo(
    home: HomeOption = _HOME,
    citizens: Annotated[int, typer.Option(help="How many call.", min=1)] = 20,
    agents: Annotated[int, typer.Option(help="How many answer; they must be in the configuration.", min=1)] = 3,
    seconds: Annotated[int, typer.Option(help="How long it all takes, about.", min=20)] = 60,
    seed: Annotated[int, typer.Option(help="The same seed, the same citizens.")] = 1,
) -> None:
    """Real SIP citizens call the running engine, real SIP agents answer; then both accounts of it are compared."""
    from telefonista.app.demo import DemoImpossible, render, run_demo
    from telefonista.app.sipp import SippFailed
    from telefonista.pbx.packages import ToolsMissing

    try:
        result = asyncio.run(
            run_demo(
                Home(home),
                citizens=citizens,
                agents=agents,
                seconds=seconds,
                seed=seed,
                report=lambda text: _out.print(f"  {text}"),
            )
        )
    except (DemoImpossible, SippFailed, ToolsMissing) as problem:
        fail(str(problem))
    _out.print(render(result))
    if not result.equal:
        raise SystemExit(1)


@app.command()
def doctor(home: HomeOption = _HOME, as_json: JsonOption = False) -> None:
    """Check Asterisk, modules, ports, permissions, clock, disk and names, and say how to mend what is wrong."""
    from telefonista.app.doctor import examine

    findings = asyncio.run(examine(Home(home)))
    _show([finding.plain() for finding in findings], as_json=as_json, render=reports.findings)
    if any(not finding.good for finding in findings):
        raise SystemExit(1)


def _config_home(folder: Path) -> tuple[Home, Any]:
    home = Home(folder)
    if not home.config_file.exists():
        fail(f"{home.folder} is no installation yet: `telefonista run --home {folder}` makes one")
    return home, read_config(home.config_file)


def _show(value: Any, *, as_json: bool, render: Any) -> None:
    if as_json:
        json.dump(value, sys.stdout, ensure_ascii=False, indent=1)
        sys.stdout.write("\n")
        return
    for part in render(value):
        _out.print(part)


def fail(line: str) -> NoReturn:
    """End with one line on standard error."""
    _err.print(f"telefonista: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
    raise SystemExit(2)


def _set_up_logging(*, verbose: bool) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=False),
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point of the console script."""
    try:
        check_names()
        app(args=list(arguments) if arguments is not None else None)
    except (ConfigInvalid, NameTaken, client.NotRunning) as problem:
        fail(str(problem))
