"""What came of a contact: whether the word that somebody gives for it is one of its queue's.

In: the wish to note it, and the agent. Out: `DispositionGiven`, or why not. Pure.
"""

from collections.abc import Callable

from agents.core.presence import Agent, Granted, WhyNot
from telefonista.kernel.events import AgentRequestRefused, DispositionAsked, DispositionGiven
from telefonista.kernel.ids import QueueName
from telefonista.kernel.machine import Output


def decide(agent: Agent, event: DispositionAsked, *, granted: Callable[[QueueName], Granted]) -> list[Output]:
    """`granted` tells a queue's list. A contact that is not the agent's last needs its queue in the event."""
    call = event.call or agent.last_call
    queue = agent.queue if call == agent.last_call else event.queue
    if call is None or not queue:
        return [_refused(event, WhyNot.NO_CONTACT)]
    word = chosen(event.disposition, listed=granted(queue).dispositions)
    if word is None:
        return [_refused(event, WhyNot.NO_SUCH_DISPOSITION)]
    return [DispositionGiven(agent=event.agent, call=call, disposition=word, note=event.note, by=event.by)]


def chosen(given: str, *, listed: tuple[str, ...]) -> str | None:
    """The word of the list that is meant: by itself in any case, or by its place in the list, from 1."""
    for word in listed:
        if word.casefold() == given.casefold():
            return word
    if given.isdecimal() and 0 < int(given) <= len(listed):
        return listed[int(given) - 1]
    return None


def _refused(event: DispositionAsked, why: WhyNot) -> AgentRequestRefused:
    return AgentRequestRefused(agent=event.agent, what="disposition", why=why, by=event.by)
