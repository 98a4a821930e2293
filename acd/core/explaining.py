"""Why an offer was made, in sentences: who was chosen and why, who could have been, and why not each of the others.

In: an `OfferMade` as it stands in the journal. Out: lines for people. Says what the matching said at the time; decides
nothing anew. Pure.
"""

from collections.abc import Iterable, Mapping

from acd.core.choosing import CHOOSINGS, IDLE_LESS, RARER
from acd.core.matching import ELSEWHERE, JUST_MISSED, OTHERWISE
from telefonista.kernel.events import OfferMade

_ABLE = frozenset(
    {IDLE_LESS, RARER, ELSEWHERE, JUST_MISSED, OTHERWISE, *(choosing.losing for choosing in CHOOSINGS.values())}
)
"""Reasons of those who were free and able."""
_AFTER_LEVEL = "level "


def explain(offer: OfferMade, *, names: Mapping[str, str] | None = None) -> list[str]:
    """Lines that say why this agent got this contact. `names` are people's, by agent; without one it is the number."""
    names = names or {}
    place = f" in {offer.queue}" if offer.queue else ""
    because = f": {offer.because}" if offer.because else ""
    lines = [f"{_called(offer.agent, names=names)} was offered it{place}{because}."]
    reasons: dict[str, list[str]] = {}
    for agent, why in offer.passed_over.items():
        reasons.setdefault(why, []).append(_called(agent, names=names))
    whys = dict.fromkeys((*reasons, *offer.others))
    # Who could have been chosen comes first, then who would have been with other skills, then who was not there.
    for why in sorted(whys, key=lambda why: 0 if _able(why) else 1 if _asked(why) else 2):
        who = _listed(reasons.get(why, ()), more=offer.others.get(why, 0))
        lines.append(f"{'Could have been' if _able(why) else 'Not'} {who}: {why}.")
    if not whys:
        lines.append("There was nobody else in the queue.")
    return lines


def _called(agent: str, *, names: Mapping[str, str]) -> str:
    name = names.get(agent, "")
    return f"{agent} {name}".rstrip()


def _able(why: str) -> bool:
    return why in _ABLE or (why.startswith(_AFTER_LEVEL) and "after" in why)


def _asked(why: str) -> bool:
    """Whether it is about what an agent can do, and not about what the agent was doing."""
    return any(sign in why for sign in "<>=") or "level" in why or why.startswith("does not speak")


def _listed(who: Iterable[str], *, more: int) -> str:
    parts = list(who)
    if more:
        parts.append(f"{more} more" if parts else f"{more} agents" if more > 1 else "1 agent")
    return ", ".join(parts)
