"""API and, later, consoles: reads a view and sends commands through a narrow port. Never imports another adapter."""

from telefonista.web.api import EnginePort, build_api
from telefonista.web.wishes import INSTALLATION, Forbidden, Refusal, Unknown

__all__ = ["INSTALLATION", "EnginePort", "Forbidden", "Refusal", "Unknown", "build_api"]
