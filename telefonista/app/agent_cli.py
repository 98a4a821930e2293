"""`telefonista agent`: who answers, and what they type into their telephones: add, remove, list, show, rotate.

`config.yaml` and `secrets.json` are written first, then a running engine is told, which tells Asterisk; no call and no
other telephone notices. What the engine refuses is taken back, but never a new password: the old one may be in wrong
hands. Exit codes: 0 done; 1 kept here, but Asterisk does not know of it yet; 2 refused.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from dialplans import Encryption
from telefonista.app.changing import changing, config_text, end, reloaded, told
from telefonista.app.config import CITIZEN_TELEPHONE, AgentConfig, Config, ConfigInvalid, read_config
from telefonista.app.home import Home
from telefonista.app.provisioning import NoSuchAgent, account_of, with_agent, without_agent
from telefonista.app.terminal import HOME, HomeOption, JsonOption, config_home, fail, say, show

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Agents and the accounts of their telephones.",
)
AgentArgument = Annotated[str, typer.Argument(metavar="AGENT", help="The agent's number, such as 101.")]


@app.command()
def add(
    agent: AgentArgument,
    queues: Annotated[str, typer.Option(help="Those that the agent answers, such as general,tramites.")],
    name: Annotated[str, typer.Option(help="Shown to people.")] = "",
    skills: Annotated[str, typer.Option(help="With levels 0 to 10, such as impuestos=7,guarani=3.")] = "",
    languages: Annotated[str, typer.Option(help="Such as es,gn.")] = "",
    encryption: Annotated[Encryption, typer.Option(help="Of the telephone's sound.")] = Encryption.NONE,
    home: HomeOption = HOME,
    as_json: JsonOption = False,
) -> None:
    """Write an agent into the configuration, make an account, and show what to type into the telephone."""
    house, _ = config_home(home)
    with changing(house):
        before = config_text(house)
        after = with_agent(
            before,
            _agent(agent, name=name, queues=queues, skills=skills, languages=languages, encryption=encryption),
            file=str(house.config_file),
        )
        not_told = reloaded(house, before=before, after=after)
    _show_account(house, agent, as_json=as_json)
    end(not_told)


@app.command()
def remove(agent: AgentArgument, home: HomeOption = HOME) -> None:
    """Take an agent out of the configuration: the telephone is put off at once, a conversation may be finished."""
    house, _ = config_home(home)
    with changing(house):
        before = config_text(house)
        after = without_agent(before, agent, file=str(house.config_file))
        not_told = reloaded(house, before=before, after=after)
        house.forget_telephone(agent)
    say(f"agent {agent} is removed")
    end(not_told)


@app.command(name="list")
def list_agents(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """Who answers which queues."""
    _, config = config_home(home)
    show([agent.model_dump(mode="json") for agent in config.agents], as_json=as_json, render=_agents)


@app.command(name="show")
def show_account(agent: AgentArgument, home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """What to type into a softphone, the password included."""
    _show_account(Home(home), agent, as_json=as_json)


@app.command()
def rotate(agent: AgentArgument, home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """Make another password: the old one is refused at once, and who registered with it is not rung any more.

    A conversation that is going on is not broken off. The trial account `ciudadano` can be rotated, too."""
    house, _ = config_home(home)
    with changing(house):
        _account_must_be(agent, read_config(house.config_file))
        house.rotate(agent)
        not_told = told(house, "/accounts")
    _show_account(house, agent, as_json=as_json)
    end(not_told)


def _agent(agent: str, *, name: str, queues: str, skills: str, languages: str, encryption: Encryption) -> AgentConfig:
    """Raises `ConfigInvalid`."""
    levels: dict[str, str] = {}
    for part in _parts(skills):
        skill, sign, level = part.partition("=")
        if not sign or skill.strip() in levels:
            raise ConfigInvalid(f"--skills: {part!r} is no skill with its level, such as impuestos=7, named once")
        levels[skill.strip()] = level.strip()
    try:
        return AgentConfig.model_validate(
            {
                "id": agent,
                "name": name,
                "queues": _parts(queues),
                "skills": levels,
                "languages": _parts(languages),
                "encryption": encryption,
            }
        )
    except ValidationError as invalid:
        problems = [
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in invalid.errors()
        ]
        raise ConfigInvalid("; ".join(problems)) from invalid


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")] if text.strip() else []


def _account_must_be(telephone: str, config: Config) -> None:
    if telephone not in {*config.telephones, CITIZEN_TELEPHONE}:
        raise NoSuchAgent(f"there is no agent {telephone}, nor anybody else with a telephone")


def _show_account(home: Home, agent: str, *, as_json: bool) -> None:
    home, config = config_home(home.folder)
    try:
        _account_must_be(agent, config)
    except NoSuchAgent as problem:
        fail(str(problem))
    show(account_of(home, config, agent).plain(), as_json=as_json, render=_account)


def _account(account: dict[str, str]) -> Iterator[RenderableType]:
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True)
    # Over two lines rather than cut: a fingerprint is compared to its end.
    table.add_column(overflow="fold")
    for what, value in account.items():
        table.add_row(what, Text(value))
    yield table


def _agents(agents: list[dict[str, Any]]) -> Iterator[RenderableType]:
    table = Table("agent", "name", "queues", "skills", "languages", "encryption", box=SIMPLE_HEAD)
    for agent in agents:
        skills = ", ".join(f"{skill} {level}" for skill, level in agent["skills"].items())
        languages = ", ".join(agent["languages"])
        table.add_row(agent["id"], agent["name"], ", ".join(agent["queues"]), skills, languages, agent["encryption"])
    yield table
