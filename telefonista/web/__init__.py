"""API and, later, consoles: reads a view and sends commands through a narrow port. Never imports another adapter."""

from telefonista.web.api import EnginePort, Refusal, build_api

__all__ = ["EnginePort", "Refusal", "build_api"]
