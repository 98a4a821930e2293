"""The step that sends what a citizen says to the engine: only the engine brings channels there."""

from dialplans import LISTENING, AsteriskPlan, lint
from dialplans.core.contexts import build_dialplan
from dialplans.core.render import render_dialplan


def test_sound_goes_to_the_port_at_the_end_of_the_extension_under_the_key_before_it(plan: AsteriskPlan) -> None:
    context = build_dialplan(plan).context(LISTENING)
    assert context is not None
    (extension,) = context.extensions
    sound, end = extension.steps
    key, place = (str(getattr(argument, "text", argument)) for argument in sound.arguments)
    assert (sound.application, place) == ("AudioSocket", "127.0.0.1:${EXTEN:32}")
    # As Asterisk cuts it, 32 digits become a UUID, the rest a port.
    dialled, pieces = "12345678901234567890123456789012" + "40123", key.split("-")
    cut = [piece.removeprefix("${EXTEN:").removesuffix("}").split(":") for piece in pieces]
    assert "-".join(dialled[int(start) :][: int(length)] for start, length in cut) == (
        "12345678-9012-3456-7890-123456789012"
    )
    assert dialled[32:] == "40123"
    assert end.ends


def test_no_caller_gets_there(plan: AsteriskPlan) -> None:
    dialplan = build_dialplan(plan)
    assert lint(dialplan) == []
    for context in dialplan.contexts:
        assert LISTENING not in context.includes
        targets = [target.context for each in context.extensions for step in each.steps for target in step.jumps]
        assert LISTENING not in targets
    assert f"[{LISTENING}]" in render_dialplan(dialplan)
