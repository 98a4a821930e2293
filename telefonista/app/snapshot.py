"""What is happening now, as plain values: the link, the queues, the agents, the open calls. Computed when asked."""

from typing import Any

from telefonista.app.engine import Engine
from telefonista.kernel.call import Call


def snapshot(engine: Engine, *, now: float) -> dict[str, Any]:
    """Times are epoch seconds; durations seconds."""
    desk, roster = engine.desk, engine.agents.roster
    return {
        "at": now,
        "accepting": engine.accepting,
        "calls": [_call(call, engine, now=now) for call in engine.calls.open.values()],
        "queues": [
            {
                "queue": queue,
                "waiting": desk.waiting(queue),
                "longest_wait_s": _longest_wait_s(engine, desk.waiting(queue), now=now),
                "ready_agents": sum(roster.is_ready(agent) for agent in roster.of_queue(queue)),
            }
            for queue in desk.policies
        ],
        "agents": [
            {
                "agent": agent.agent,
                "name": member.name if (member := roster.members.get(agent.agent)) else "",
                "presence": agent.presence.value,
                "phone": agent.phone.value,
                "call": agent.call,
                "idle_since": agent.idle_since,
                "since": agent.since,
                "pause": agent.pause,
                "why": agent.why,
                "misses": agent.misses,
                "disposition_due": agent.disposition_due,
                "wrap_up_until": agent.wrap_up_until,
            }
            for agent in roster
        ],
    }


def _call(call: Call, engine: Engine, *, now: float) -> dict[str, Any]:
    session = engine.ivr.session(call.call)
    waits = call.queue is not None and call.call in engine.desk.waiting(call.queue)
    return {
        "call": call.call,
        "state": call.state.value,
        "line": call.line,
        "caller": call.caller,
        "for_s": round(now - call.arrived_at, 3),
        "node": session.node if session is not None else None,
        "queue": call.queue,
        "position": engine.desk.position(call.call) if waits else None,
        "agent": call.agent,
    }


def _longest_wait_s(engine: Engine, waiting: list[Any], *, now: float) -> float | None:
    stays = [stay for call in waiting if (stay := engine.desk.stay(call)) is not None]
    return round(max(now - stay.visit.started_at for stay in stays), 3) if stays else None
