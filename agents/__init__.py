"""Who answers: presence, skills, wrap-up. The rest of the house uses the names below and no others."""

from agents.core.presence import MACHINE, Agent, Granted, WhyNot
from agents.core.roster import Member, Roster
from agents.service import AgentsService

__all__ = ["MACHINE", "Agent", "AgentsService", "Granted", "Member", "Roster", "WhyNot"]
