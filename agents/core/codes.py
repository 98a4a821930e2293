"""The codes that an agent dials, as wishes, and what is said to that: in Spanish, politely.

In: what was dialled, the pauses that there are, an agent's state. Out: the wish as an event, and sentences. Every
sentence that can be needed is known beforehand (`sentences`), so that it is spoken at once. Pure.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from agents.core.presence import NO_ANSWER, UNNAMED, Agent, WhyNot
from telefonista.kernel.events import (
    DispositionAsked,
    Event,
    LogInAsked,
    LogOutAsked,
    PauseAsked,
    Presence,
    ReadyAsked,
    WrapUpExtensionAsked,
)
from telefonista.kernel.ids import NO_CALL, AgentId


class Code(StrEnum):
    """What is dialled."""

    LOG_IN = "*11"
    LOG_OUT = "*12"
    PAUSE = "*13"
    READY = "*14"
    STATUS = "*15"
    EXTEND = "*16"
    DISPOSITION = "*17"


AWAY = "El sistema no está disponible en este momento. Intente nuevamente en unos minutos."
"""When nobody answers the code."""
NO_AGENT = "Este teléfono no está habilitado para atender."
NO_SUCH_OPTION = "Esa opción no existe."
WHICH_DISPOSITION = "Marque el número del resultado, y luego numeral."
LOGGED_OUT = "Ha finalizado su turno."
LOGGED_OUT_LATER = "Su turno finalizará cuando termine la gestión en curso."
PAUSED_LATER = "La pausa comenzará cuando termine la gestión en curso."
OFFLINE = "No ha iniciado su turno."
AVAILABLE = "Está disponible."
IN_A_CALL = "Está en una llamada."
WRAPPING_UP = "Está completando la última gestión."
EXTENDED = "Tiene más tiempo para completar la gestión."
IMPOSSIBLE_NOW = "No es posible en este momento."
_REFUSED = {
    WhyNot.NOT_LOGGED_IN: "Primero debe iniciar su turno.",
    WhyNot.DISPOSITION_DUE: "Falta indicar el resultado de la última gestión.",
    WhyNot.NOT_WRAPPING_UP: "No hay ninguna gestión por completar.",
    WhyNot.NOT_EXTENDABLE: "No es posible extender el tiempo.",
    WhyNot.NO_CONTACT: "No hay ninguna gestión anterior.",
    WhyNot.NO_SUCH_DISPOSITION: "Ese resultado no existe.",
}
_IN_A_CALL = frozenset({Presence.RESERVED, Presence.RINGING, Presence.DIALLING, Presence.TALKING, Presence.ON_HOLD})


def dialled(digits: str) -> tuple[Code, str] | None:
    """The code, and what was dialled after it; None for none of ours."""
    code = next((code for code in Code if digits.startswith(code)), None)
    return None if code is None else (code, digits.removeprefix(code))


def wish(code: Code, agent: AgentId, *, choice: str, reasons: Mapping[str, str]) -> Event | None:
    """What the code asks for; None when it only asks how things are, or for a reason that there is not."""
    match code:
        case Code.LOG_IN:
            return LogInAsked(agent=agent)
        case Code.LOG_OUT:
            return LogOutAsked(agent=agent)
        case Code.PAUSE:
            if choice not in reasons and reasons:
                return None
            return PauseAsked(agent=agent, reason=reasons.get(choice, ""))
        case Code.READY:
            return ReadyAsked(agent=agent)
        case Code.EXTEND:
            return WrapUpExtensionAsked(agent=agent, more_s=0.0)
        case Code.DISPOSITION:
            return DispositionAsked(agent=agent, call=NO_CALL, disposition=choice)
    return None


def question(code: Code, *, reasons: Mapping[str, str]) -> str | None:
    """What to ask whoever dialled the code without a choice; None when nothing is to be chosen."""
    if code is Code.PAUSE and reasons:
        return which_pause(reasons)
    return WHICH_DISPOSITION if code is Code.DISPOSITION else None


def which_pause(reasons: Mapping[str, str]) -> str:
    return "Marque el motivo de la pausa. " + " ".join(f"{key}: {reasons[key]}." for key in sorted(reasons))


def met(code: Code, agent: Agent, *, disposition: str) -> str:
    """What is said when the wish was met. `agent` is what it has made of them."""
    if code is Code.EXTEND:
        return EXTENDED
    if code is Code.DISPOSITION:
        return noted(disposition)
    if code is Code.LOG_OUT and agent.presence is not Presence.OFFLINE:
        return LOGGED_OUT_LATER
    if code is Code.LOG_OUT:
        return LOGGED_OUT
    if code is Code.PAUSE and agent.presence is not Presence.PAUSED:
        return PAUSED_LATER
    return state(agent)


def state(agent: Agent) -> str:
    """What an agent is, who is busy only with dialling this."""
    match agent.presence:
        case Presence.OFFLINE:
            return OFFLINE
        case Presence.PAUSED:
            return paused(agent.pause)
        case Presence.WRAP_UP:
            return WRAPPING_UP
        case _:
            return IN_A_CALL if agent.presence in _IN_A_CALL or agent.call is not None else AVAILABLE


def paused(reason: str) -> str:
    return f"Está en pausa: {reason}."


def noted(disposition: str) -> str:
    return f"Resultado registrado: {disposition}."


def refused(why: str) -> str:
    """A refusal in words that can be spoken."""
    return next((sentence for known, sentence in _REFUSED.items() if known == why), IMPOSSIBLE_NOW)


def sentences(*, reasons: Mapping[str, str], dispositions: Iterable[str]) -> list[str]:
    """All that can be said."""
    fixed = [AWAY, NO_AGENT, NO_SUCH_OPTION, WHICH_DISPOSITION, LOGGED_OUT, LOGGED_OUT_LATER, PAUSED_LATER, OFFLINE]
    fixed += [AVAILABLE, IN_A_CALL, WRAPPING_UP, EXTENDED, IMPOSSIBLE_NOW, *_REFUSED.values()]
    asked = [which_pause(reasons)] if reasons else []
    pauses = [paused(reason) for reason in dict.fromkeys((*reasons.values(), NO_ANSWER, UNNAMED))]
    return [*fixed, *asked, *pauses, *(noted(word) for word in dict.fromkeys(dispositions))]
