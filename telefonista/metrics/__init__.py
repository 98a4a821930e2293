"""What is measured: formulas with their sources, and reports made of plain rows.

May import the rooms and the kernel, never the store: whoever composes reads the rows there and hands them over.
"""

from telefonista.metrics.formulas import ServiceLevelKind
from telefonista.metrics.report import (
    AgentReport,
    ConversationRow,
    FollowUps,
    LegRow,
    MetricsReport,
    Policy,
    PresenceRow,
    QueueReport,
    RouteReport,
    VisitRow,
    build_report,
)

__all__ = [
    "AgentReport",
    "ConversationRow",
    "FollowUps",
    "LegRow",
    "MetricsReport",
    "Policy",
    "PresenceRow",
    "QueueReport",
    "RouteReport",
    "ServiceLevelKind",
    "VisitRow",
    "build_report",
]
