"""The plan that this folder's tests start from: one line with its three numbers, two agents, one route."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dialplans import (
    AgentAccount,
    AsteriskPlan,
    CitizenAccount,
    Contingency,
    Folders,
    Link,
    Manager,
    Ports,
    PublicNumber,
    Trunk,
)

SECRETS = {name: name.ljust(16, "x") for name in ("link", "user", "ami", "a101", "a102", "citizen")}


PlanUnder = Callable[[str], AsteriskPlan]


@pytest.fixture
def plan() -> AsteriskPlan:
    return _plan_under("/srv/telefonista")


@pytest.fixture
def plan_under() -> PlanUnder:
    return _plan_under


@pytest.fixture
def secrets() -> dict[str, str]:
    return dict(SECRETS)


def _plan_under(home: str) -> AsteriskPlan:
    return AsteriskPlan(
        node="montevideo-1",
        folders=Folders.under(home, modules="/usr/lib/asterisk/modules", shared="/usr/share/asterisk"),
        ports=Ports(sip=5060, manager=5038, fastagi=4573, rtp_first=10000, rtp_last=10100),
        link=Link(
            uri="ws://127.0.0.1:8088/ari",
            username="telefonista",
            password=SECRETS["link"],
            user_secret=SECRETS["user"],
        ),
        manager=Manager(username="telefonista", password=SECRETS["ami"]),
        contingency=Contingency(
            message=f"{home}/prompts/contingencia",
            agi=f"{home}/asterisk/agi/telefonista-contingency",
            record_folder=f"{home}/spool",
        ),
        numbers=tuple(PublicNumber(number, "0800-info") for number in ("4636", "*463", "463")),
        trunks=(Trunk("ciudadanos", ("127.0.0.1", "192.0.2.0/24")),),
        agents=(AgentAccount("101", SECRETS["a101"], title="Mesa de trámites"), AgentAccount("102", SECRETS["a102"])),
        citizens=(CitizenAccount("ciudadano", SECRETS["citizen"]),),
    )
