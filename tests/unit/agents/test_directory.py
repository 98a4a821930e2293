"""What a dialled number stands for, and that nobody dials the world."""

import pytest

from agents.core.directory import Directory, is_pattern, matches
from telefonista.kernel.events import Destination, DestinationKind
from telefonista.kernel.ids import AgentId, QueueName

GENERAL = QueueName("general")
DIRECTORY = Directory(
    agents=frozenset({AgentId("101"), AgentId("102")}),
    queues={"general": GENERAL, "9001": GENERAL},
    lines={"4636": "0800-info"},
    outside=("1950", "09XXXXXXX", "2."),
)


@pytest.mark.parametrize(
    ("dialled", "kind", "name"),
    [
        ("102", DestinationKind.AGENT, "102"),
        ("9001", DestinationKind.QUEUE, "general"),
        ("general", DestinationKind.QUEUE, "general"),
        ("4636", DestinationKind.FLOW, "0800-info"),
        ("1950", DestinationKind.NUMBER, "1950"),
        ("099123456", DestinationKind.NUMBER, "099123456"),
        ("24012345", DestinationKind.NUMBER, "24012345"),
    ],
)
def test_number_stands_for_a_colleague_a_queue_a_line_or_one_outside(
    dialled: str, kind: DestinationKind, name: str
) -> None:
    assert DIRECTORY.find(dialled) == Destination(kind, name)


@pytest.mark.parametrize("dialled", ["", "103", "19501", "0991234567", "2", "00598991", "2a", "+2", "2#"])
def test_number_that_stands_for_nobody_is_not_dialled(dialled: str) -> None:
    assert DIRECTORY.find(dialled) is None


def test_without_patterns_nobody_outside_can_be_reached() -> None:
    assert Directory().find("1950") is None


@pytest.mark.parametrize(
    ("kind", "name", "known"),
    [
        (DestinationKind.AGENT, "102", True),
        (DestinationKind.AGENT, "999", False),
        (DestinationKind.QUEUE, "general", True),
        (DestinationKind.QUEUE, "9001", False),
        (DestinationKind.NUMBER, "1950", True),
        (DestinationKind.NUMBER, "1951", False),
        (DestinationKind.FLOW, "0800-info/menu", True),
        (DestinationKind.HANG_UP, "", True),
    ],
)
def test_destination_that_is_not_there_is_said_to_be_so(kind: DestinationKind, name: str, known: bool) -> None:
    why = DIRECTORY.why_not(Destination(kind, name))
    assert (why is None) == known
    assert known or why


@pytest.mark.parametrize(
    ("pattern", "number", "matched"),
    [
        ("09X", "091", True),
        ("09X", "09", False),
        ("09X", "09٣", False),
        ("+598.", "+59824012345", True),
        ("+598.", "+598", False),
        ("*463", "*463", True),
        ("*463", "4463", False),
    ],
)
def test_pattern_stands_for_digits_and_nothing_else(pattern: str, number: str, matched: bool) -> None:
    assert matches(pattern, number) == matched


@pytest.mark.parametrize(
    ("text", "good"), [("1950", True), ("09XXXXXXX", True), ("2.", True), (".", False), ("2.1", False), ("a", False)]
)
def test_pattern_that_would_match_anything_is_none(text: str, good: bool) -> None:
    assert is_pattern(text) == good
