"""Who gets which contact, when. The rest of the house uses the names below and no others."""

from acd.core.callbacks import DO_NOT_CALL
from acd.core.desk import Desk
from acd.core.explaining import explain
from acd.core.policy import (
    CallbackPolicy,
    Drain,
    JoinWhen,
    Overflow,
    OverflowWhen,
    QueuePolicy,
    Relaxation,
    Strategy,
    VoicemailPolicy,
    WrapUpMode,
    read_destination,
)
from acd.core.skills import SkillFinding, check_skills, wrong_with
from acd.core.visit import MACHINE as VISIT_MACHINE
from acd.core.wait import MACHINE as WAIT_MACHINE
from acd.service import AcdService

__all__ = [
    "DO_NOT_CALL",
    "VISIT_MACHINE",
    "WAIT_MACHINE",
    "AcdService",
    "CallbackPolicy",
    "Desk",
    "Drain",
    "JoinWhen",
    "Overflow",
    "OverflowWhen",
    "QueuePolicy",
    "Relaxation",
    "SkillFinding",
    "Strategy",
    "VoicemailPolicy",
    "WrapUpMode",
    "check_skills",
    "explain",
    "read_destination",
    "wrong_with",
]
