"""What a supervisor at a terminal sees and wishes: `telefonista agents`, `supervise`, `move`, `call …`, `people …`, and
the wishes that `telefonista agent …` has.

In: a running engine's API. Out: a table, or a line that says that it is done. Exit codes: 0 done, 2 refused.
"""

import time
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from telefonista.app import client
from telefonista.app.home import Home
from telefonista.app.reports import Sheet
from telefonista.app.terminal import HOME, HomeOption, JsonOption, config_home, fail, say, show
from telefonista.kernel.events import Supervision

AgentArgument = Annotated[str, typer.Argument(metavar="AGENT", help="The agent's number, such as 101.")]
CallArgument = Annotated[str, typer.Argument(metavar="CALL", help="Its id, as `telefonista status` shows it.")]
PersonArgument = Annotated[str, typer.Argument(metavar="PERSON", help="Their number, such as 201.")]
AsOption = Annotated[str, typer.Option("--as", help="On whose behalf: what this person may not wish is refused.")]
WhoOption = Annotated[str, typer.Option("--as", help="The supervisor whose telephone takes part, such as 201.")]
ToOption = Annotated[str, typer.Option("--to", help='Such as "queue tramites", "agent 102", "number 1950".')]

people = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Who may ask something of the engine, and the tokens that they show.",
)
call = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="What is done in a conversation, for the agent who leads it.",
)


def add_commands(app: typer.Typer, *, agent: typer.Typer) -> None:
    """Give `telefonista`, and its `agent`, these commands."""
    app.command()(agents)
    app.command()(supervise)
    app.command("take-over")(take_over)
    app.command()(move)
    app.add_typer(call, name="call")
    app.add_typer(people, name="people")
    for wish in (login, logout, pause, ready, disposition):
        agent.command()(wish)
    agent.command("wrap-up")(wrap_up)


def agents(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """What each agent is doing, and since when."""
    shown = client.get(Home(home), "/status")["agents"]
    show(shown, as_json=as_json, render=_agents)


def _agents(shown: list[dict[str, Any]]) -> Iterable[RenderableType]:
    table = Sheet("agent", "name", "presence", "for", "why", "contact", spacious=False)
    for column in (table.columns[0], table.columns[2], table.columns[3]):
        column.no_wrap = True
    for column in table.columns:
        column.no_wrap = column.header not in ("name", "why")
    now = time.time()
    for agent in shown:
        lasts = _duration(now - agent["since"]) if agent["since"] else ""
        table.add(agent["agent"], agent["name"], agent["presence"], lasts, _why(agent), agent["call"] or "")
    yield table


def _why(agent: dict[str, Any]) -> str:
    if agent["presence"] == "wrap_up" and agent["disposition_due"]:
        return "owes a disposition"
    if agent["pause"]:
        return str(agent["pause"]) if agent["presence"] == "paused" else f"then: {agent['pause']}"
    return str(agent["why"])


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _wish(home: HomeOption, path: str, *, by: str, **wish: Any) -> None:
    client.post(Home(home), path, body={key: value for key, value in {"by": by, **wish}.items() if value != ""})
    say("done")


def login(agent: AgentArgument, home: HomeOption = HOME, by: AsOption = "") -> None:
    """Log an agent in."""
    _wish(home, f"/agents/{agent}/login", by=by)


def logout(agent: AgentArgument, home: HomeOption = HOME, by: AsOption = "") -> None:
    """Log an agent out; from a conversation, after it."""
    _wish(home, f"/agents/{agent}/logout", by=by)


def pause(
    agent: AgentArgument,
    home: HomeOption = HOME,
    by: AsOption = "",
    reason: Annotated[str, typer.Option(help="One of `pause_reasons` in the configuration.")] = "",
) -> None:
    """Pause an agent; in a conversation, after it."""
    _wish(home, f"/agents/{agent}/pause", by=by, reason=reason)


def ready(agent: AgentArgument, home: HomeOption = HOME, by: AsOption = "") -> None:
    """End an agent's pause, or wrap-up."""
    _wish(home, f"/agents/{agent}/ready", by=by)


def wrap_up(
    agent: AgentArgument,
    home: HomeOption = HOME,
    by: AsOption = "",
    seconds: Annotated[float, typer.Option(help="0: as much as the queue grants at a time.", min=0, max=3600)] = 0.0,
) -> None:
    """Extend an agent's wrap-up."""
    _wish(home, f"/agents/{agent}/wrap-up", by=by, more_s=seconds)


def disposition(
    agent: AgentArgument,
    word: Annotated[str, typer.Argument(help="One of the queue's list, or its place in it.")],
    home: HomeOption = HOME,
    by: AsOption = "",
    contact: Annotated[str, typer.Option("--call", help="Of this call; else of the last contact.")] = "",
    note: Annotated[str, typer.Option(help="A remark.")] = "",
) -> None:
    """Say what came of a contact."""
    _wish(home, f"/agents/{agent}/disposition", by=by, disposition=word, call=contact, note=note)


def supervise(
    contact: CallArgument,
    who: WhoOption,
    home: HomeOption = HOME,
    mode: Annotated[
        Supervision, typer.Option(help="listen; whisper: the agent hears you; barge: both do.")
    ] = Supervision.LISTEN,
    end: Annotated[bool, typer.Option("--end", help="Take part no longer.")] = False,
) -> None:
    """Take part in a conversation; again with another mode to change it."""
    if end:
        _wish(home, f"/calls/{contact}/unsupervise", by=who)
    else:
        _wish(home, f"/calls/{contact}/supervise", by=who, mode=mode.value)


def take_over(contact: CallArgument, who: WhoOption, home: HomeOption = HOME) -> None:
    """Lead a conversation from here on; the agent leaves it."""
    _wish(home, f"/calls/{contact}/takeover", by=who)


def move(
    contact: CallArgument,
    home: HomeOption = HOME,
    by: AsOption = "",
    queue: Annotated[str, typer.Option(help="To this queue; else it stays in its own.")] = "",
    front: Annotated[bool, typer.Option("--front", help="To the front of it.")] = False,
) -> None:
    """Move a contact that waits to another queue, or to the front."""
    if not queue and not front:
        fail("move where? --queue NAME, --front, or both")
    _wish(home, f"/calls/{contact}/move", by=by, queue=queue, to_front=front)


@call.command()
def hold(contact: CallArgument, home: HomeOption = HOME, by: AsOption = "") -> None:
    """The citizen hears music."""
    _wish(home, f"/calls/{contact}/hold", by=by)


@call.command()
def unhold(contact: CallArgument, home: HomeOption = HOME, by: AsOption = "") -> None:
    """The citizen is back."""
    _wish(home, f"/calls/{contact}/unhold", by=by)


@call.command()
def transfer(contact: CallArgument, to: ToOption, home: HomeOption = HOME, by: AsOption = "") -> None:
    """Pass the citizen on without asking."""
    _wish(home, f"/calls/{contact}/transfer", by=by, to=to)


@call.command()
def consult(contact: CallArgument, to: ToOption, home: HomeOption = HOME, by: AsOption = "") -> None:
    """Ask somebody while the citizen hears music."""
    _wish(home, f"/calls/{contact}/consult", by=by, to=to)


@call.command()
def conference(contact: CallArgument, home: HomeOption = HOME, by: AsOption = "") -> None:
    """All three together."""
    _wish(home, f"/calls/{contact}/conference", by=by)


@call.command()
def complete(contact: CallArgument, home: HomeOption = HOME, by: AsOption = "") -> None:
    """Leave the citizen with whom was asked."""
    _wish(home, f"/calls/{contact}/complete", by=by)


@call.command()
def back(contact: CallArgument, home: HomeOption = HOME, by: AsOption = "") -> None:
    """Send whom was asked away; back to the citizen."""
    _wish(home, f"/calls/{contact}/back", by=by)


@people.command("list")
def list_people(home: HomeOption = HOME, as_json: JsonOption = False) -> None:
    """Who there is, and what they may do."""
    _, config = config_home(home)
    everybody = [
        {
            "id": person.id,
            "name": person.name,
            "role": person.role.value,
            "queues": sorted(person.queues),
            "may": sorted(power.value for power in person.powers) if person.role.value == "supervisor" else [],
        }
        for person in config.everybody.values()
    ]
    show(everybody, as_json=as_json, render=_people)


def _people(everybody: list[dict[str, Any]]) -> Iterable[RenderableType]:
    table = Sheet("person", "name", "role", "queues", "may", spacious=False)
    for person in everybody:
        supervises = person["role"] == "supervisor"
        queues = ", ".join(person["queues"]) or ("all" if supervises else "")
        may = ", ".join(person["may"]) if supervises else {"administrator": "everything"}.get(person["role"], "own")
        table.add(person["id"], person["name"], person["role"], queues, may)
    yield table


@people.command("show")
def show_person(person: PersonArgument, home: HomeOption = HOME) -> None:
    """The token that this person shows to the API, and the password of the telephone."""
    house, config = config_home(home)
    if person not in config.everybody:
        fail(f"there is nobody with the number {person}; `telefonista people list` has them all")
    secrets = house.secrets(config)
    say(f"API token           {secrets.people[person]}")
    say(f"telephone           {person}, password {secrets.telephones[person]}")


@people.command("rotate")
def rotate_token(person: PersonArgument, home: HomeOption = HOME) -> None:
    """Make another token; the old one is good for nothing from here on."""
    house, config = config_home(home)
    if person not in config.everybody:
        fail(f"there is nobody with the number {person}; `telefonista people list` has them all")
    say(f"API token           {house.rotate_token(person)}")
    try:
        client.post(house, "/reload")
    except client.EngineRefused as refused:
        fail(f"the running engine still takes the old token: {refused}")
    except client.NotRunning:
        say("no engine runs; the next one takes it")
