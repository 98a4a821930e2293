"""The installation's flows for any dialplan that asks by FastAGI: reads a flow when a call asks for it.

In: the home and its configuration as they are at that moment. Out: the conversation `flow` of the FastAGI server. Files
are read and prompts looked up in threads, never on the loop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from twisted.internet.defer import Deferred

from ivr import Flow
from telefonista.app.config import Config, ConfigInvalid
from telefonista.app.errands import Errands
from telefonista.app.flows import flow_named, read_other_flows
from telefonista.app.home import Home
from telefonista.kernel.commands import Prompt
from telefonista.kernel.ids import FlowName, LineName
from telefonista.kernel.ports import Clock
from telefonista.pbx.agi_flow import flow_route
from telefonista.pbx.fastagi import Route

_T = TypeVar("_T")
_LINE = LineName("agi")


def flow_conversation(
    *,
    home: Home,
    config: Callable[[], Config],
    prompt_uri: Callable[[Prompt], str],
    errands: Errands,
    clock: Clock,
) -> Route:
    """`prompt_uri` blocks, and raises `Refused` for what cannot be spoken."""

    def read(name: str) -> tuple[Flow, Mapping[FlowName, Flow]] | None:
        flow = flow_named(home, config(), name=name)
        if flow is None:
            return None
        try:
            return flow, read_other_flows(home, config(), lines={_LINE: flow})
        except ConfigInvalid:
            # A flow that this one leads to is wrong; it then leads to a queue.
            return flow, {}

    def sound(prompt: Prompt) -> str:
        return prompt_uri(prompt).removeprefix("sound:")

    return flow_route(
        flow_of=lambda name: _deferred(asyncio.to_thread(read, name)),
        sound_of=lambda prompt: _deferred(asyncio.to_thread(sound, prompt)),
        run_errand=lambda errand: _deferred(errands.outcome(errand)),
        message_file=lambda recording: str(home.recordings / recording),
        now=clock.now,
    )


def _deferred(work: Awaitable[_T]) -> "Deferred[_T]":
    return Deferred.fromFuture(asyncio.ensure_future(work))
