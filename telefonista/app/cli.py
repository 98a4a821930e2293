"""The command line: what a newcomer, an operator and a script use.

Commands of one subject stand in modules of their own, which are added here.
"""

import asyncio
import logging
import sys
from collections.abc import Sequence
from typing import Annotated

import structlog
import typer

from telefonista.app import (
    agent_cli,
    client,
    contacts_cli,
    flow_cli,
    import_cli,
    people_cli,
    prompts_cli,
    reports,
    speech_cli,
    tickets_cli,
)
from telefonista.app.config import ConfigInvalid
from telefonista.app.home import Home
from telefonista.app.names import NameTaken, check_names
from telefonista.app.terminal import HOME, HomeOption, JsonOption, config_home, fail, out, say, show

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Telephony engine of a citizen contact centre.",
)


@app.command()
def run(
    home: HomeOption = HOME,
    sip_port: Annotated[int | None, typer.Option(help="Where telephones reach us (config: sip_port).")] = None,
    http_port: Annotated[int | None, typer.Option(help="Where the engine answers (config: http_port).")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="A line per transition.")] = False,
) -> None:
    """Start Asterisk and the engine, and take calls until Ctrl-C."""
    from telefonista.app.running import run_installation

    _set_up_logging(verbose=verbose)
    raise SystemExit(run_installation(Home(home), sip_port=sip_port, http_port=http_port, verbose=verbose, console=out))


@app.command()
def status(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """What is happening now: the link, the queues, the agents, the open calls."""
    show(client.get(Home(home), "/status"), as_json=as_json, render=reports.status)


@app.command()
def calls(
    home: HomeOption = HOME,
    as_json: JsonOption = False,
    limit: Annotated[int, typer.Option(help="The newest so many.", min=1, max=100_000)] = 20,
    call: Annotated[str | None, typer.Option(help="Only this one, by its id.")] = None,
) -> None:
    """Calls as the store has them, the newest first."""
    show(reports.stored_calls(config_home(home), limit=limit, call=call), as_json=as_json, render=reports.calls)


@app.command()
def metrics(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """Offered, answered, abandoned, waiting and service level by queue; answer-seizure ratio by route."""
    show(reports.stored_metrics(config_home(home)), as_json=as_json, render=reports.metrics)


@app.command()
def drain(home: HomeOption = HOME) -> None:
    """Take no new calls: they go the contingency path. Open calls go on. `telefonista accept` ends it."""
    say(client.post(Home(home), "/drain")["said"])


@app.command()
def accept(home: HomeOption = HOME) -> None:
    """Take new calls again after `drain`."""
    say(client.post(Home(home), "/accept")["said"])


@app.command()
def reload(home: HomeOption = HOME) -> None:
    """Read configuration and flows again; a mistake is named and the running engine keeps the last good ones."""
    say(client.post(Home(home), "/reload")["said"])


@app.command()
def demo(
    home: HomeOption = HOME,
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
                report=lambda text: out.print(f"  {text}"),
            )
        )
    except (DemoImpossible, SippFailed, ToolsMissing) as problem:
        fail(str(problem))
    out.print(render(result))
    if not result.equal:
        raise SystemExit(1)


@app.command()
def doctor(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """Check Asterisk, modules, ports, permissions, clock, disk and names, and say how to mend what is wrong."""
    from telefonista.app.doctor import examine

    findings = asyncio.run(examine(Home(home)))
    show([finding.plain() for finding in findings], as_json=as_json, render=reports.findings)
    if any(not finding.good for finding in findings):
        raise SystemExit(1)


contacts_cli.add_commands(app)
app.add_typer(agent_cli.app, name="agent")
people_cli.add_commands(app, agent=agent_cli.app)
app.add_typer(flow_cli.app, name="flow")
app.add_typer(prompts_cli.app, name="prompts")
app.add_typer(tickets_cli.app, name="tickets")
app.command(name="import")(import_cli.import_queues)
app.add_typer(speech_cli.app, name="speech")


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
