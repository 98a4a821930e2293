"""The FastAGI route `/agent`: an agent dials a code, the engine does it and says so.

In: a session of a dialplan that has answered, with what was dialled and the endpoint that dialled it; the endpoint is
who it is, never what a telephone shows as its number. Out: wishes to the engine, sentences to the telephone, and the
variable by which the dialplan knows that somebody was there. Says nothing that `agents.core.codes` does not.
"""

from collections.abc import Callable

from agents import chosen, codes
from telefonista.app.config import Config
from telefonista.app.engine import Engine
from telefonista.kernel.events import CodeDialled
from telefonista.kernel.ids import AgentId
from telefonista.pbx.fastagi import AgiSession, Route

DONE = "TELEFONISTA_CODE"
"""Set to `done` when the engine has answered; without, the dialplan says that nobody is there."""
CHOICE_TIMEOUT_S = 5.0
MOST_DIGITS = {codes.Code.PAUSE: 1, codes.Code.DISPOSITION: 2}


def agent_codes(engine: Engine, *, config: Callable[[], Config], sound: Callable[[str], str]) -> Route:
    """`sound` names the file, without its ending, in which a sentence is spoken."""

    async def serve(session: AgiSession) -> None:
        digits, endpoint = (*session.request.arguments, "", "")[:2]
        found = codes.dialled(digits)
        agent = AgentId(endpoint)
        await session.set_variable(DONE, value="done")
        if found is None or agent not in engine.agents.roster.members:
            await session.stream_file(sound(codes.NO_AGENT if found else codes.NO_SUCH_OPTION))
            return
        engine.receive(CodeDialled(agent=agent, code=digits))
        code, choice = found
        reasons = config().pause_reasons
        asked = codes.question(code, reasons=reasons)
        if asked is not None and not choice:
            choice = await session.get_data(
                sound(asked), timeout_s=CHOICE_TIMEOUT_S, most_digits=MOST_DIGITS.get(code, 1)
            )
        await session.stream_file(sound(_carried_out(engine, agent, code, choice=choice, reasons=reasons)))

    return serve


def _carried_out(engine: Engine, agent: AgentId, code: codes.Code, *, choice: str, reasons: dict[str, str]) -> str:
    """Have it done; what is said to that."""
    wish = codes.wish(code, agent, choice=choice, reasons=reasons)
    if wish is None:
        return codes.state(engine.agents.roster[agent]) if code is codes.Code.STATUS else codes.NO_SUCH_OPTION
    listed = engine.desk.policy(engine.agents.roster[agent].queue).dispositions
    why_not = engine.ask(wish)
    if why_not is not None:
        return codes.refused(why_not)
    return codes.met(code, engine.agents.roster[agent], disposition=chosen(choice, listed=listed) or "")
