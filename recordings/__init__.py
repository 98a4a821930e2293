"""What is kept of a conversation. The rest of the house uses the names below and `recordings.sound`, and no others."""

from recordings.core.recording import MACHINE
from recordings.service import RecordingsService

__all__ = ["MACHINE", "RecordingsService"]
