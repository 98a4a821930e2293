"""Agents' accounts: what `config.yaml` says of an agent, and which registrations belong to an account.

In: the configuration's text, and whom to add or remove; what Asterisk lists. Out: the new text, which was read again
and says exactly what was meant and nothing else, or `ConfigInvalid` or `CannotEdit`. Writes and starts nothing itself.
Must never import the engine.
"""

import json
import re
import socket
from collections.abc import Collection
from dataclasses import dataclass, field

from telefonista.app.config import EVERY_INTERFACE, AgentConfig, Config, ConfigInvalid, parse_config
from telefonista.app.config_editing import CannotEdit, append_item, remove_item
from telefonista.app.home import Home

LIST_REGISTRATIONS = "database show registrar contact"
"""What to ask Asterisk's command line for `contacts_of`."""
_CONTACT = re.compile(r"^/registrar/contact/(?P<contact>(?P<account>[A-Za-z0-9_.-]+);@[0-9a-f]{32})\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Account:
    """What somebody types into a softphone."""

    user: str
    password: str = field(repr=False)
    server: str
    transport: str

    def plain(self) -> dict[str, str]:
        """As it is shown, in this order."""
        return {"user": self.user, "password": self.password, "server": self.server, "transport": self.transport}


class NoSuchAgent(Exception):
    """Nobody of that number is configured."""


def account_of(home: Home, config: Config, telephone: str) -> Account:
    """What to type into the softphone of an agent, or of the citizen on trial. Raises `ConfigInvalid`, OSError."""
    port = home.sip_port(config)
    address = socket.gethostname() if config.sip_address == EVERY_INTERFACE else config.sip_address
    return Account(
        user=telephone,
        password=home.secrets(config).telephones[telephone],
        server=f"[{address}]:{port}" if ":" in address else f"{address}:{port}",
        transport="UDP or TCP",
    )


def with_agent(text: str, agent: AgentConfig, *, file: str) -> str:
    """The configuration with one agent more. Raises `ConfigInvalid` (such as a number that is taken, or a queue that
    there is not), `CannotEdit`."""
    before = parse_config(text, file=file)
    after = append_item(text, ["agents"], item=_written(agent))
    return _checked(after, before.model_copy(update={"agents": (*before.agents, agent)}), file=file)


def without_agent(text: str, agent: str, *, file: str) -> str:
    """The configuration without that agent. Raises `NoSuchAgent`, `ConfigInvalid`, `CannotEdit`."""
    before = parse_config(text, file=file)
    place = next((n for n, each in enumerate(before.agents) if each.id == agent), None)
    if place is None:
        raise NoSuchAgent(f"there is no agent {agent}")
    after = remove_item(text, ["agents", place])
    rest = tuple(each for each in before.agents if each.id != agent)
    return _checked(after, before.model_copy(update={"agents": rest}), file=file)


def contacts_of(accounts: Collection[str], *, listed: str) -> list[str]:
    """The ids of these accounts' registrations among those that Asterisk lists."""
    return [found["contact"] for found in _CONTACT.finditer(listed) if found["account"] in accounts]


def _checked(text: str, meant: Config, *, file: str) -> str:
    """Whatever way the file was written in, it must now say what was meant."""
    try:
        said = parse_config(text, file=file)
    except ConfigInvalid as invalid:
        raise ConfigInvalid(f"nothing was changed, since this would follow:\n{invalid}") from invalid
    if said != meant:
        raise CannotEdit(f"{file} is written in a way that cannot be changed without risk; edit it by hand")
    return text


def _written(agent: AgentConfig) -> str:
    """One line of YAML; what is not set is left out."""
    parts = [f"id: {_quoted(agent.id)}"]
    if agent.name:
        parts.append(f"name: {_quoted(agent.name)}")
    parts.append(f"queues: [{', '.join(agent.queues)}]")
    if agent.skills:
        parts.append(f"skills: {{{', '.join(f'{skill}: {level}' for skill, level in agent.skills.items())}}}")
    if agent.languages:
        parts.append(f"languages: [{', '.join(agent.languages)}]")
    return f"{{{', '.join(parts)}}}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
