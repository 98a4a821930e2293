"""What a caller hears, presses and says: flows, and the room that leads citizens through them. The rest of the
house uses the names below, `ivr.prompts`, `ivr.music` and `ivr.core.speaking`, and no others."""

from ivr.core.checks import Source, check_flows, check_queues, check_requirements, check_sources
from ivr.core.flow import Flow, OtherFlow
from ivr.core.reading import read_flow
from ivr.core.session import MACHINE
from ivr.service import IvrService, load_flow, load_procedures, sample_flow
from telefonista.notation.problems import FlowInvalid, Problem

__all__ = [
    "MACHINE",
    "Flow",
    "FlowInvalid",
    "IvrService",
    "OtherFlow",
    "Problem",
    "Source",
    "check_flows",
    "check_queues",
    "check_requirements",
    "check_sources",
    "load_flow",
    "load_procedures",
    "read_flow",
    "sample_flow",
]
