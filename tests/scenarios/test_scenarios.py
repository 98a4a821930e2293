"""Every transcript in this folder, lived through again: entry for entry, command for command, record for record."""

from pathlib import Path

import pytest

from telefonista.kernel.events import CommandFailed, Presence
from tests.fakes.house import differences
from tests.scenarios.transcript import TOLD, Player, read, relived, steps

TRANSCRIPTS = sorted(Path(__file__).parent.glob("*.txt"))


def transcript(name: str) -> str:
    return (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: str(path.stem))
def test_house_of_today_decides_does_and_records_what_the_transcript_says(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert relived(text).splitlines() == text.splitlines()


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: str(path.stem))
def test_engine_killed_after_any_line_would_find_in_the_journal_all_that_it_knew(path: Path) -> None:
    player = Player(read(path.read_text(encoding="utf-8")))
    while player.step():
        again = player.scenario.settings.rooms().replay(player.journal.entries)
        assert differences(player.rooms.remembered(), again.remembered()) == [], player.written[-1]


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: str(path.stem))
def test_everything_is_over_when_a_transcript_ends(path: Path) -> None:
    player = Player(read(path.read_text(encoding="utf-8")))
    player.play()
    left = player.rooms.remembered()
    agents = left.pop("agents")
    assert left == {part: {} for part in left}
    assert {agent.presence for agent in agents.values()} <= {Presence.OFFLINE, Presence.UNREACHABLE, Presence.READY}


def test_transcripts_tell_of_everything_that_happens_while_nothing_fails() -> None:
    """What a house was never told proves nothing."""
    told: set[type] = set()
    for path in TRANSCRIPTS:
        batches = [step for step in steps(read(path.read_text(encoding="utf-8")).lines) if isinstance(step, list)]
        told |= {type(entry.event) for batch in batches for entry in batch}
    assert {*TOLD} - told <= {CommandFailed}


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"digit":"1"', '"digit":"0"'),
        ("agents: ['101']", "agents: ['102']"),
        ("    HangUp leg=", "    Answer leg="),
        ("outcome: answered", "outcome: abandoned"),
        ('"key":"agent.wrap_up","token":1', '"key":"agent.wrap_up","token":2'),
    ],
)
def test_transcript_that_was_tampered_with_is_found_out(was: str, becomes: str) -> None:
    text = transcript("first-call")
    tampered = text.replace(was, becomes, 1)
    assert tampered != text
    assert relived(tampered) != tampered
