"""Who answers: presence, skills, wrap-up. The rest of the house uses the names below and no others."""

from agents.core import codes
from agents.core.directory import Directory, is_pattern
from agents.core.dispositions import chosen
from agents.core.people import Person, Power, Role, why_not
from agents.core.presence import MACHINE, Agent, Granted, WhyNot
from agents.core.roster import Member, Roster
from agents.service import AgentsService

__all__ = [
    "MACHINE",
    "Agent",
    "AgentsService",
    "Directory",
    "Granted",
    "Member",
    "Person",
    "Power",
    "Role",
    "Roster",
    "WhyNot",
    "chosen",
    "codes",
    "is_pattern",
    "why_not",
]
