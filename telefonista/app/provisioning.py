"""Agents' accounts: what `config.yaml` says of an agent, and which registrations belong to an account.

In: the configuration's text, and whom to add or remove; what Asterisk lists. Out: the new text, which was read again
and says exactly what was meant and nothing else, or `ConfigInvalid` or `CannotEdit`. Writes and starts nothing itself.
Must never import the engine.
"""

import hashlib
import json
import re
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from dialplans import Encryption, Tls
from telefonista.app.certificates import Certificate, CertificateUnusable, given, made
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
    sound: str = ""
    authority: str = ""
    fingerprint: str = ""

    def plain(self) -> dict[str, str]:
        """As it is shown, in this order; what does not concern this telephone is left out."""
        return {name: value for name, value in asdict(self).items() if value}


class NoSuchAgent(CannotEdit):
    """Nobody of that number is configured."""


def account_of(home: Home, config: Config, telephone: str) -> Account:
    """What to type into the softphone of an agent, or of the citizen on trial. Raises `ConfigInvalid`, OSError."""
    encryption = config.encryption_of(telephone)
    password = home.secrets(config).telephones[telephone]
    if encryption is Encryption.NONE:
        return Account(telephone, password, _server(config, home.sip_port(config)), "UDP or TCP")
    certificate = certificate_of(home, config)
    return Account(
        user=telephone,
        password=password,
        server=_server(config, config.sip_tls_port, name=certificate.names[0] if certificate.names else ""),
        transport="TLS",
        sound=f"SRTP with SDES, {encryption}",
        authority="" if certificate.authority is None else str(certificate.authority),
        fingerprint=certificate.fingerprint,
    )


def certificate_of(home: Home, config: Config) -> Certificate:
    """By which telephones know this installation: its own, looked over, or ours, made where it has to be. Raises
    `ConfigInvalid`, OSError."""
    now = datetime.now(UTC)
    try:
        if config.tls.certificate:
            return given(home.folder / config.tls.certificate, key=home.folder / config.tls.key, now=now)
        return made(home.tls, names=_names(config), now=now)
    except CertificateUnusable as problem:
        raise ConfigInvalid(f"{home.config_file}: tls: {problem}") from problem


def tls_files(home: Home, config: Config) -> Tls:
    """Where Asterisk finds certificate and key. Raises `PlanError` for a path that it would not take."""
    own = config.tls.certificate
    certificate = home.folder / own if own else home.tls / "server.pem"
    key = home.folder / config.tls.key if own else home.tls / "server.key"
    try:
        version = hashlib.sha256(certificate.read_bytes()).hexdigest()[:16]
    except OSError:
        version = ""
    return Tls(str(certificate), str(key), version)


def _names(config: Config) -> list[str]:
    """Those that somebody may type, the best one first."""
    reached = socket.gethostname() if config.sip_address == EVERY_INTERFACE else config.sip_address
    return list(dict.fromkeys((*config.tls.names, reached)))


def _server(config: Config, port: int, *, name: str = "") -> str:
    address = name or _names(config)[0]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def with_agent(text: str, agent: AgentConfig, *, file: str) -> str:
    """The configuration with one agent more. Raises `ConfigInvalid` (such as a number that is taken, or a queue that
    there is not), `CannotEdit`."""
    before = parse_config(text, file=file)
    after = append_item(text, ["agents"], item=one_line(agent.model_dump(mode="json", exclude_defaults=True)))
    return checked(after, before.model_copy(update={"agents": (*before.agents, agent)}), file=file)


def without_agent(text: str, agent: str, *, file: str) -> str:
    """The configuration without that agent. Raises `NoSuchAgent`, `ConfigInvalid`, `CannotEdit`."""
    before = parse_config(text, file=file)
    place = next((n for n, each in enumerate(before.agents) if each.id == agent), None)
    if place is None:
        raise NoSuchAgent(f"there is no agent {agent}")
    after = remove_item(text, ["agents", place])
    rest = tuple(each for each in before.agents if each.id != agent)
    return checked(after, before.model_copy(update={"agents": rest}), file=file)


def contacts_of(accounts: Collection[str], *, listed: str) -> list[str]:
    """The ids of these accounts' registrations among those that Asterisk lists."""
    return [found["contact"] for found in _CONTACT.finditer(listed) if found["account"] in accounts]


def checked(text: str, meant: Config, *, file: str) -> str:
    """The text, which now says what was meant, whatever way it was written in. Raises `ConfigInvalid`, `CannotEdit`."""
    try:
        said = parse_config(text, file=file)
    except ConfigInvalid as invalid:
        raise ConfigInvalid(f"nothing was changed, since this would follow:\n{invalid}") from invalid
    if said != meant:
        raise CannotEdit(f"{file} is written in a way that cannot be changed without risk; edit it by hand")
    return text


def one_line(value: Any) -> str:
    """Plain values as YAML on one line, in the house's style: names as they are, what may be mistaken in quotes."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_word(str(key))}: {one_line(each)}' for key, each in value.items())}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(one_line(each) for each in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return _word(value) if isinstance(value, str) else str(value)


_PLAIN_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_NO_WORDS = frozenset({"yes", "no", "true", "false", "on", "off", "null", "y", "n"})


def _word(text: str) -> str:
    """Bare where every reader of YAML takes it for a word."""
    if _PLAIN_WORD.fullmatch(text) and text.lower() not in _NO_WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)
