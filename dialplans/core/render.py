"""From a plan to the files that Asterisk reads.

In: an `AsteriskPlan`, and the texts of the hand-written files. Out: file names and their full texts; nothing is written
here. Values were checked when the plan was made (`values`), so rendering only places them; a dialplan's arguments are
checked again, since they are made of pieces. Must never import I/O.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from string import Template

from dialplans.core import values
from dialplans.core.contexts import build_dialplan
from dialplans.core.model import (
    AGENTS,
    CITIZENS,
    FAILSAFE_QUEUE,
    MUSIC_CLASS,
    AgentAccount,
    AsteriskPlan,
    CitizenAccount,
    Context,
    Dialplan,
    Encryption,
    Expression,
    Step,
    Tls,
    Trunk,
)
from dialplans.core.values import PlanError

_HEADER = "; Written by telefonista at each start: a change made here is lost.\n"

_Setting = tuple[str, str]
_Section = tuple[str, Sequence[_Setting]]

FILES_WITH_SECRETS = frozenset({"pjsip.conf", "ari.conf", "websocket_client.conf", "manager.conf"})


def render_plan(plan: AsteriskPlan) -> dict[str, str]:
    """Every file that depends on the plan, by name."""
    sections: dict[str, list[_Section]] = {
        "asterisk.conf": _asterisk(plan),
        "ari.conf": _ari(plan),
        "http.conf": [("general", [("enabled", "no")])],
        "manager.conf": _manager(plan),
        "musiconhold.conf": _music(plan),
        "pjsip.conf": _pjsip(plan),
        "queues.conf": _queues(plan),
        "rtp.conf": [
            ("general", [("rtpstart", str(plan.ports.rtp_first)), ("rtpend", str(plan.ports.rtp_last))]),
        ],
        "websocket_client.conf": _websocket_client(plan),
    }
    files = {name: render_sections(found) for name, found in sections.items()}
    files["extensions.conf"] = render_dialplan(build_dialplan(plan))
    return files


def render_sections(sections: Sequence[_Section]) -> str:
    """The plain form of Asterisk's files: `[name]` and `key = value` lines. Raises `PlanError` for a value that
    would not come back as it is."""
    lines = [_HEADER]
    for name, settings in sections:
        lines.append(f"[{name}]\n")
        for key, value in settings:
            if any(character in value for character in "\r\n\x00;\\") or value != value.strip():
                raise PlanError(f"[{name}] {key}: {value!r} would not be read back as it is")
            lines.append(f"{key} = {value}\n")
        lines.append("\n")
    return "".join(lines)


def render_dialplan(dialplan: Dialplan) -> str:
    """The text of `extensions.conf`. Raises `PlanError` for what Asterisk would read otherwise."""
    lines = [_HEADER, "[general]\nstatic = yes\nwriteprotect = yes\nautofallthrough = yes\n\n"]
    lines.extend(_context(context) for context in dialplan.contexts)
    return "".join(lines)


def fill_template(text: str, *, plan: AsteriskPlan) -> str:
    """A hand-written file with its `$name` placeholders replaced (`$$` stands for one dollar).

    Raises `PlanError` when it asks for something that no plan has."""
    known: Mapping[str, str] = {
        "node": plan.node,
        "language": plan.language,
        "log_folder": plan.folders.log,
        "run_folder": plan.folders.run,
    }
    try:
        return Template(text).substitute(known)
    except KeyError as unknown:
        raise PlanError(f"placeholder ${unknown.args[0]}: there are only {', '.join(sorted(known))}") from None
    except ValueError as malformed:
        raise PlanError(f"placeholder: {malformed}") from None


def render_step(step: Step) -> str:
    """`Application(argument,argument)`, each argument checked."""
    values.word(step.application, what="application")
    return f"{step.application}({','.join(_argument(step, argument) for argument in step.arguments)})"


def _argument(step: Step, argument: str | Expression) -> str:
    if isinstance(argument, Expression):
        return values.expression(argument.text, what=f"argument of {step.application}")
    return values.literal(argument, what=f"argument of {step.application}")


def _context(context: Context) -> str:
    lines = [f"[{values.word(context.name, what='context')}]\n"]
    for extension in context.extensions:
        pattern = values.literal(extension.pattern, what=f"extension of {context.name}")
        for index, step in enumerate(extension.steps):
            label = "" if step.label is None else f"({values.word(step.label, what='label')})"
            start = f"exten => {pattern},1{label}" if index == 0 else f" same => n{label}"
            lines.append(f"{start},{render_step(step)}\n")
    lines.extend(f"include => {values.word(name, what='included context')}\n" for name in context.includes)
    lines.append("\n")
    return "".join(lines)


def entity_id(node: str) -> str:
    """A node's id in ARI's events (`asterisk_id`): a locally administered MAC address made of its name."""
    digest = hashlib.sha256(node.encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))


def _asterisk(plan: AsteriskPlan) -> list[_Section]:
    folders = plan.folders
    return [
        (
            "directories",
            [
                ("astetcdir", folders.configuration),
                ("astmoddir", folders.modules),
                ("astvarlibdir", folders.library),
                ("astdbdir", folders.database),
                ("astkeydir", folders.keys),
                ("astdatadir", folders.shared),
                ("astagidir", folders.agi),
                ("astspooldir", folders.spool),
                ("astrundir", folders.run),
                ("astlogdir", folders.log),
            ],
        ),
        (
            "options",
            [
                ("systemname", plan.node),
                ("defaultlanguage", plan.language),
                ("documentation_language", "en_US"),
                ("hideconnect", "yes"),
                ("transmit_silence", "yes"),
                ("live_dangerously", "no"),
                ("disable_remote_console_shell", "yes"),
                # Otherwise taken from a network card: two nodes on one machine would call themselves the same.
                ("entityid", entity_id(plan.node)),
            ],
        ),
    ]


def _ari(plan: AsteriskPlan) -> list[_Section]:
    return [
        ("general", [("enabled", "yes"), ("pretty", "no")]),
        (
            plan.link.username,
            [
                ("type", "user"),
                ("read_only", "no"),
                ("password", plan.link.user_secret),
                ("password_format", "plain"),
            ],
        ),
        (
            "engine",
            [
                ("type", "outbound_websocket"),
                ("websocket_client_id", "engine"),
                ("apps", plan.link.application),
                ("subscribe_all", "no"),
                ("local_ari_user", plan.link.username),
            ],
        ),
    ]


def _websocket_client(plan: AsteriskPlan) -> list[_Section]:
    return [
        (
            "engine",
            [
                ("type", "websocket_client"),
                ("connection_type", "persistent"),
                ("uri", plan.link.uri),
                ("protocols", "ari"),
                ("username", plan.link.username),
                ("password", plan.link.password),
                ("connection_timeout", "500"),
                ("reconnect_interval", str(plan.link.reconnect_interval_ms)),
                # How many failures pass between two lines in the log: an engine that is away for long fills no disk.
                ("reconnect_attempts", "240"),
                ("tls_enabled", "yes" if plan.link.uri.startswith("wss:") else "no"),
            ],
        )
    ]


def _manager(plan: AsteriskPlan) -> list[_Section]:
    return [
        (
            "general",
            [
                ("enabled", "yes"),
                ("webenabled", "no"),
                ("bindaddr", "127.0.0.1"),
                ("port", str(plan.ports.manager)),
                ("displayconnects", "no"),
                ("timestampevents", "yes"),
                ("authtimeout", "5"),
                ("authlimit", "10"),
            ],
        ),
        (
            plan.manager.username,
            [
                ("secret", plan.manager.password),
                ("deny", "0.0.0.0/0.0.0.0"),
                ("permit", "127.0.0.1/255.255.255.255"),
                # MixMonitor, StopMixMonitor and CoreStatus want no more; originating, commands and files stay closed.
                ("read", "system"),
                ("write", "system"),
                ("writetimeout", "1000"),
            ],
        ),
    ]


def _music(plan: AsteriskPlan) -> list[_Section]:
    settings = [("mode", "files"), ("directory", plan.folders.music), ("sort", "alpha")]
    return [("default", settings), (MUSIC_CLASS, settings)]


def _queues(plan: AsteriskPlan) -> list[_Section]:
    contingency = plan.contingency
    settings = [
        ("strategy", "leastrecent"),
        ("musicclass", MUSIC_CLASS),
        ("timeout", str(contingency.ring_s)),
        ("retry", "1"),
        ("ringinuse", "no"),
        ("autofill", "yes"),
        ("autopause", "no"),
        # A citizen waits even when no agent's telephone is there yet: there is nowhere else to send the call.
        ("joinempty", "yes"),
        ("leavewhenempty", "no"),
        ("setinterfacevar", "yes"),
        ("setqueueentryvar", "yes"),
        ("announce-position", "no"),
        ("announce-holdtime", "no"),
        ("periodic-announce", contingency.message),
        ("periodic-announce-frequency", str(contingency.repeat_message_s)),
        *(("member", f"PJSIP/{agent.agent},0,{agent.agent},PJSIP/{agent.agent}") for agent in plan.agents),
    ]
    return [("general", [("persistentmembers", "no"), ("log_membername_as_agent", "yes")]), (FAILSAFE_QUEUE, settings)]


def _pjsip(plan: AsteriskPlan) -> list[_Section]:
    sections: list[_Section] = [
        (
            "global",
            [
                ("type", "global"),
                # Agents and carriers may share an address: who proves to be an agent is one, whatever the address.
                ("endpoint_identifier_order", "auth_username,username,ip"),
                ("user_agent", "telefonista"),
            ],
        ),
    ]
    bind = _bound(plan, plan.ports.sip)
    sections += [
        (f"transport-{protocol}", [("type", "transport"), ("protocol", protocol), ("bind", bind)])
        for protocol in ("udp", "tcp")
    ]
    if plan.ports.sip_tls and plan.tls is not None:
        sections.append(_transport_tls(plan, plan.tls))
    for trunk in plan.trunks:
        sections += _trunk(trunk)
    for citizen in plan.citizens:
        sections += _citizen(citizen)
    for agent in plan.agents:
        sections += _agent(agent, plan=plan)
    return sections


def _bound(plan: AsteriskPlan, port: int) -> str:
    address = plan.ports.sip_address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


_TLS_TRANSPORT = "transport-tls"


def _transport_tls(plan: AsteriskPlan, tls: Tls) -> _Section:
    return (
        _TLS_TRANSPORT,
        [
            ("type", "transport"),
            ("protocol", "tls"),
            ("bind", _bound(plan, plan.ports.sip_tls)),
            ("cert_file", tls.certificate),
            ("priv_key_file", tls.key),
            ("method", "tlsv1_2"),
            # A comment to Asterisk, which reads the certificate again only when this file has changed.
            ("; certificate", tls.version),
        ],
    )


_ENCRYPTION: Mapping[Encryption, Sequence[_Setting]] = {
    Encryption.NONE: (),
    Encryption.PREFERRED: (("media_encryption", "sdes"), ("media_encryption_optimistic", "yes")),
    # Its own transport: an INVITE with the key in it is never sent in clear, wherever the telephone registered from.
    Encryption.REQUIRED: (("media_encryption", "sdes"), ("transport", _TLS_TRANSPORT)),
}

_MEDIA: tuple[_Setting, ...] = (
    ("disallow", "all"),
    # Opus first would move the leg above 8 kHz, where an interleaved recording is written wrong.
    ("allow", "ulaw,alaw"),
    ("direct_media", "no"),
    ("send_connected_line", "no"),
    ("dtmf_mode", "auto"),
    ("rtp_symmetric", "yes"),
    ("rtp_timeout", "60"),
    ("rtp_timeout_hold", "300"),
    ("force_rport", "yes"),
    ("rewrite_contact", "yes"),
    ("trust_id_inbound", "no"),
    ("allow_subscribe", "no"),
    ("timers", "yes"),
)


# Without auth_username here the global order does not try it, and a false From on a trunk's address would be believed.
_IDENTIFIED_BY: _Setting = ("identify_by", "auth_username,username")


def _trunk(trunk: Trunk) -> list[_Section]:
    outward: list[_Section] = []
    if trunk.dial:
        outward = [(trunk.route, [("type", "aor"), ("contact", f"sip:{trunk.dial}"), ("qualify_frequency", "0")])]
    return [
        *outward,
        (
            trunk.route,
            [
                ("type", "endpoint"),
                ("context", CITIZENS),
                ("identify_by", "ip"),
                *([("aors", trunk.route)] if trunk.dial else []),
                *_MEDIA,
                ("allow_transfer", "no"),
                ("set_var", f"TELEFONISTA_ROUTE={trunk.route}"),
            ],
        ),
        (
            trunk.route,
            [
                ("type", "identify"),
                ("endpoint", trunk.route),
                ("srv_lookups", "no"),
                *(("match", address) for address in trunk.addresses),
            ],
        ),
    ]


def _credentials(account: str, secret: str) -> _Section:
    return (account, [("type", "auth"), ("auth_type", "digest"), ("username", account), ("password", secret)])


_TOLD_PASSWORD = re.compile(r"^\[(.+)\]\ntype = auth\n(?:(?!\[).+\n)*?password = (.+)$", re.MULTILINE)


def passwords_in(pjsip: str) -> dict[str, str]:
    """The passwords by account in a `pjsip.conf` that was rendered earlier."""
    return dict(_TOLD_PASSWORD.findall(pjsip))


def _contacts(account: str, *, limit: int, qualify_s: int) -> _Section:
    return (
        account,
        [
            ("type", "aor"),
            ("max_contacts", str(limit)),
            ("remove_existing", "yes"),
            ("minimum_expiration", "30"),
            ("qualify_frequency", str(qualify_s)),
            ("qualify_timeout", "3.0"),
        ],
    )


def _citizen(citizen: CitizenAccount) -> list[_Section]:
    return [
        (
            citizen.account,
            [
                ("type", "endpoint"),
                ("context", CITIZENS),
                ("auth", citizen.account),
                ("aors", citizen.account),
                _IDENTIFIED_BY,
                ("callerid", f"<{citizen.caller_number}>"),
                *_MEDIA,
                ("allow_transfer", "no"),
                ("set_var", f"TELEFONISTA_ROUTE={citizen.route}"),
            ],
        ),
        _credentials(citizen.account, citizen.secret),
        _contacts(citizen.account, limit=1, qualify_s=0),
    ]


def _agent(agent: AgentAccount, *, plan: AsteriskPlan) -> list[_Section]:
    return [
        (
            agent.agent,
            [
                ("type", "endpoint"),
                ("context", AGENTS),
                ("auth", agent.agent),
                ("aors", agent.agent),
                _IDENTIFIED_BY,
                # With a number of its own an endpoint's From header is never believed.
                ("callerid", f'"{agent.title or agent.agent}" <{agent.agent}>'),
                *_MEDIA,
                ("allow_transfer", "yes"),
                *_ENCRYPTION[agent.encryption],
                ("set_var", "TELEFONISTA_ROUTE=interno"),
                # The transfer key asks the engine; without one it asks nobody, and the call stays as it is.
                ("set_var", "PJSIP_TRANSFER_HANDLING()=ari-only"),
            ],
        ),
        _credentials(agent.agent, agent.secret),
        _contacts(agent.agent, limit=plan.contacts_per_agent, qualify_s=plan.qualify_s),
    ]
