"""What Asterisk is told: the plan as values, rendered, checked, and written into its configuration folder.

Others may use the names below. In: an `AsteriskPlan`. Out: files. This room never talks to a running Asterisk and
must never import another room, a database or a web framework.
"""

from __future__ import annotations

from dialplans.core.lint import Finding, lint
from dialplans.core.model import (
    LISTENING,
    AgentAccount,
    AsteriskPlan,
    CitizenAccount,
    Contingency,
    Encryption,
    Folders,
    Link,
    Manager,
    Ports,
    PublicNumber,
    Tls,
    Trunk,
)
from dialplans.core.render import render_plan
from dialplans.core.values import PlanError
from dialplans.service import outdated_accounts, write_configuration

__all__ = [
    "LISTENING",
    "AgentAccount",
    "AsteriskPlan",
    "CitizenAccount",
    "Contingency",
    "Encryption",
    "Finding",
    "Folders",
    "Link",
    "Manager",
    "PlanError",
    "Ports",
    "PublicNumber",
    "Tls",
    "Trunk",
    "lint",
    "outdated_accounts",
    "render_plan",
    "write_configuration",
]
