"""The dialplan itself: which step follows which, from a citizen's INVITE to the contingency queue.

In: an `AsteriskPlan`. Out: a `Dialplan`. The rule it keeps: a call that no engine claims is still taken care of, and
nothing here dials out. No word of a caller's is ever evaluated; numbers come from Asterisk's own matching.
Must never import I/O.
"""

from __future__ import annotations

from dialplans.core.model import (
    AGENTS,
    CITIZENS,
    CONTINGENCY,
    CONTINGENCY_RECORD,
    FAILSAFE_QUEUE,
    LISTENING,
    AsteriskPlan,
    Context,
    Dialplan,
    Expression,
    Extension,
    PublicNumber,
    Step,
    Target,
    assign,
    goto_if,
    hang_up,
    joined,
    leave_subroutine,
    on_hang_up,
)

GREETING_NUMBER = "*99"
CODES = ("*11", "*12", "*13", "_*13X", "*14", "*15", "*16", "*17", "_*17X", "_*17XX")
"""What agents dial for the engine: to log in, to pause and so on. Only their telephones come to this context."""

_UNIQUE_ID = Expression("${UNIQUEID}")
# Without a time STRFTIME takes now, and unlike EPOCH it has milliseconds.
_NOW = Expression("${STRFTIME(,,%s.%3q)}")


def build_dialplan(plan: AsteriskPlan) -> Dialplan:
    """All contexts for one node."""
    public = tuple(_public_number(plan, number) for number in plan.numbers)
    return Dialplan(
        contexts=(
            Context(CITIZENS, public, entry=True),
            Context(AGENTS, (*public, _greeting(plan), *(_code(plan, code) for code in CODES)), entry=True),
            Context(CONTINGENCY, (_contingency(plan),)),
            Context(CONTINGENCY_RECORD, (_contingency_record(plan),)),
            Context(LISTENING, (_listening(),), entry=True),
        )
    )


def _tame_caller() -> tuple[Step, Step]:
    """What the caller says of themselves, from here on: a number, or nothing. A number with bytes that are no UTF-8
    could not even be offered to an engine (seen)."""
    return (
        assign("CALLERID(num)", Expression("${FILTER(0-9+,${CALLERID(num)})}")),
        assign("CALLERID(name)", ""),
    )


def _public_number(plan: AsteriskPlan, number: PublicNumber) -> Extension:
    """Offer the call to the engines that are there; whoever claims it has it until the call ends."""
    return Extension(
        number.dialled,
        (
            assign("__TELEFONISTA_LINE", number.line),
            assign("TELEFONISTA_DIALLED", Expression("${EXTEN}")),
            assign("TELEFONISTA_ARRIVED", _NOW),
            *_tame_caller(),
            assign("CHANNEL(language)", plan.language),
            assign("TIMEOUT(absolute)", str(plan.longest_call_s)),
            Step(
                "StasisBroadcast",
                (
                    str(plan.claim_timeout_ms),
                    Expression(f"^{plan.link.application}$"),
                    joined(f"{number.line}:", Expression("${EXTEN}"), ":", Expression("${TELEFONISTA_ROUTE}")),
                ),
            ),
            # TIMEOUT: nobody claimed it. FAILED: the claimant's application was gone before the call came in.
            goto_if(Expression('"${STASISSTATUS}" != "SUCCESS"'), then=Target(CONTINGENCY, "s")),
            hang_up(),
        ),
    )


def _contingency(plan: AsteriskPlan) -> Extension:
    """No engine: greet, record, let Asterisk's own queue find an agent, and leave a record of the call."""
    contingency = plan.contingency
    folder = f"{plan.folders.recordings}/"
    return Extension(
        "s",
        (
            on_hang_up(Target(CONTINGENCY_RECORD, "s")),
            # Noted before, since Answer() sends its 200 at once and then waits up to half a second for sound.
            assign("TELEFONISTA_ANSWERED", _NOW),
            Step("Answer"),
            assign("TELEFONISTA_CITIZEN_SOUND", joined(_UNIQUE_ID, "-citizen.wav")),
            assign("TELEFONISTA_AGENT_SOUND", joined(_UNIQUE_ID, "-agent.wav")),
            # One file per direction, named by an id that Asterisk made: never by what the caller sent.
            Step(
                "MixMonitor",
                (
                    "",
                    Expression(f"r({folder}${{TELEFONISTA_CITIZEN_SOUND}})t({folder}${{TELEFONISTA_AGENT_SOUND}})"),
                ),
            ),
            Step("Playback", (contingency.message,)),
            assign("TELEFONISTA_QUEUE", FAILSAFE_QUEUE),
            assign("TELEFONISTA_QUEUED", _NOW),
            Step("Queue", (FAILSAFE_QUEUE, "", "", "", str(contingency.waiting_limit_s))),
            # Reached only by a citizen for whom nobody came in time; say the same thing once more before ending.
            Step("Playback", (contingency.message,)),
            hang_up(),
        ),
    )


def _contingency_record(plan: AsteriskPlan) -> Extension:
    return Extension(
        "s",
        (
            Step("AGI", (plan.contingency.agi, plan.contingency.record_folder)),
            leave_subroutine(),
        ),
    )


def _listening() -> Extension:
    """Only the engine sends channels here, one that hears a citizen at a time: their sound goes to the engine, to the
    port at the end of the extension, under the number of 32 digits before it. When either end closes, all ends."""
    pieces = (slice(0, 8), slice(8, 12), slice(12, 16), slice(16, 20), slice(20, 32))
    key = "-".join(f"${{EXTEN:{piece.start}:{piece.stop - piece.start}}}" for piece in pieces)
    return Extension(
        "_X.",
        (
            Step("AudioSocket", (Expression(key), Expression("127.0.0.1:${EXTEN:32}"))),
            hang_up(),
        ),
    )


def _code(plan: AsteriskPlan, pattern: str) -> Extension:
    """The engine does it and says so. Who it is for, the endpoint says: a number can be forged. Without an engine a
    message says that."""
    return Extension(
        pattern,
        (
            Step("Answer"),
            assign("CHANNEL(language)", plan.language),
            Step(
                "AGI",
                (
                    Expression(f"agi://127.0.0.1:{plan.ports.fastagi}/agent"),
                    Expression("${EXTEN}"),
                    Expression("${CHANNEL(endpoint)}"),
                ),
            ),
            # By its label alone: a pattern is no place that a step could name.
            Step("GotoIf", (Expression('$["${TELEFONISTA_CODE}" = "done"]?bye'),)),
            Step("Playback", (plan.engine_away or plan.contingency.message,)),
            hang_up(label="bye"),
        ),
    )


def _greeting(plan: AsteriskPlan) -> Extension:
    """The demonstration of FastAGI: a server of ours names the sound, the dialplan plays it."""
    return Extension(
        GREETING_NUMBER,
        (
            Step("Answer"),
            Step("AGI", (Expression(f"agi://127.0.0.1:{plan.ports.fastagi}/greeting"),)),
            Step("Playback", (Expression(r"${FILTER(A-Za-z0-9/_.@+=~\\-,${TELEFONISTA_GREETING})}"),)),
            hang_up(),
        ),
    )
