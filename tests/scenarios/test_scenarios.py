"""Every transcript in this folder, lived through again: entry for entry, command for command, record for record."""

from pathlib import Path

import pytest

from telefonista.kernel.events import CommandFailed, RecordingFailed
from tests.scenarios.transcript import TOLD, read, relived, steps

TRANSCRIPTS = sorted(Path(__file__).parent.glob("*.txt"))


def transcript(name: str) -> str:
    return (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: str(path.stem))
def test_house_of_today_decides_does_and_records_what_the_transcript_says(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert relived(text).splitlines() == text.splitlines()


def test_transcripts_tell_of_everything_that_happens_while_nothing_fails() -> None:
    """What a house was never told proves nothing."""
    told: set[type] = set()
    for path in TRANSCRIPTS:
        batches = [step for step in steps(read(path.read_text(encoding="utf-8")).lines) if isinstance(step, list)]
        told |= {type(entry.event) for batch in batches for entry in batch}
    assert {*TOLD} - told <= {CommandFailed, RecordingFailed}


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"digit":"1"', '"digit":"0"'),
        ("agents: ['101']", "agents: ['102']"),
        ("    HangUp leg=", "    Answer leg="),
        ("outcome: answered", "outcome: abandoned"),
    ],
)
def test_transcript_that_was_tampered_with_is_found_out(was: str, becomes: str) -> None:
    text = transcript("first-call")
    tampered = text.replace(was, becomes, 1)
    assert tampered != text
    assert relived(tampered) != tampered
