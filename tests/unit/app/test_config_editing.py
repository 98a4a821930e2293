"""Editing config.yaml: one thing changes, and every other byte stays as its owner wrote it."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from telefonista.app.config import SAMPLE
from telefonista.app.config_editing import (
    CannotEdit,
    append_entry,
    append_item,
    has,
    remove_item,
    replace_value,
    write_config,
)

BLOCK = """\
# Ours.
agents:            # who answers
  # first floor
  - {id: "101", queues: [a]}   # Ana's desk
  - id: "102"
    queues:
    - a   # the only one
    - b

# Trunks, do not touch.
routes: []
"""


def test_new_item_stands_right_behind_the_last_one_and_before_the_comments_of_what_follows() -> None:
    text = append_item(BLOCK, ["agents"], item='{id: "103"}')
    assert text == BLOCK.replace("    - b\n", '    - b\n  - {id: "103"}\n')


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("agents: [a, b]\n", "agents: [a, b, c]\n"),
        ("agents: []  # nobody\n", "agents: [c]  # nobody\n"),
        ("agents: [\n  a, # one\n  b # two\n]\n", "agents: [\n  a, # one\n  b, c # two\n]\n"),
        ("agents: [a, b,]\n", "agents: [a, b, c,]\n"),
        ("agents:\n- a\n- b", "agents:\n- a\n- b\n- c\n"),
        ("agents:\r\n- a\r\nnode: x\r\n", "agents:\r\n- a\r\n- c\r\nnode: x\r\n"),
        ("agents:\n- |\n  long\n\nnode: x\n", "agents:\n- |\n  long\n- c\n\nnode: x\n"),
    ],
)
def test_new_item_is_written_in_the_style_of_its_list(before: str, after: str) -> None:
    assert append_item(before, ["agents"], item="c") == after


def test_item_goes_with_its_line_and_leaves_the_comments_around_it() -> None:
    assert remove_item(BLOCK, ["agents", 0]) == BLOCK.replace('  - {id: "101", queues: [a]}   # Ana\'s desk\n', "")
    gone = remove_item(BLOCK, ["agents", 1])
    assert gone == BLOCK[: BLOCK.index('  - id: "102"')] + BLOCK[BLOCK.index("\n# Trunks") :]


@pytest.mark.parametrize(
    ("place", "after"), [(0, "agents: [b, c] # x\n"), (1, "agents: [a, c] # x\n"), (2, "agents: [a, b] # x\n")]
)
def test_item_of_a_list_in_brackets_goes_with_its_comma(place: int, after: str) -> None:
    assert remove_item("agents: [a, b, c] # x\n", ["agents", place]) == after


def test_only_item_of_a_list_in_brackets_leaves_it_empty() -> None:
    assert remove_item("agents: [a]\n", ["agents", 0]) == "agents: []\n"


def test_setting_is_added_to_settings_of_either_style() -> None:
    flow = append_entry(BLOCK, ["agents", 0], key="skills", value="{a: 1}")
    assert '{id: "101", queues: [a], skills: {a: 1}}   # Ana' in flow
    block = append_entry(BLOCK, ["agents", 1], key="skills", value="{a: 1}")
    assert "    - b\n    skills: {a: 1}\n\n# Trunks" in block
    assert append_entry("a: {}\n", ["a"], key="b", value="1") == "a: {b: 1}\n"


def test_value_is_replaced_where_it_stands() -> None:
    assert replace_value(BLOCK, ["agents", 0, "queues"], value="[b, c]") == BLOCK.replace("[a]", "[b, c]")
    assert replace_value("node: 'x' # y\n", ["node"], value="z") == "node: z # y\n"


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: append_item(BLOCK, ["nobody"], item="x"),
        lambda: append_item(BLOCK, ["agents", 0], item="x"),
        lambda: append_item("{", [], item="x"),
        lambda: append_item("", [], item="x"),
        lambda: append_item("agents:\n", ["agents"], item="x"),
        lambda: append_entry(BLOCK, ["agents"], key="a", value="x"),
        lambda: remove_item(BLOCK, ["agents", 7]),
        lambda: remove_item(BLOCK, ["agents", "id"]),
        lambda: remove_item(BLOCK, ["routes", 0]),
        lambda: remove_item("a:\n- - x\n", ["a", 0, 0]),
        lambda: remove_item("a:\n-  # x\n  b\n", ["a", 0]),
        lambda: replace_value(BLOCK, ["agents", 1, "queues"], value="[b]"),
        lambda: replace_value("a: |\n  x\n", ["a"], value="b"),
    ],
)
def test_what_cannot_be_changed_without_risk_is_left_to_a_person(attempt: object) -> None:
    assert callable(attempt)
    with pytest.raises(CannotEdit):
        attempt()


def test_presence_of_a_setting_can_be_asked() -> None:
    assert has(BLOCK, ["agents", 1, "queues"])
    assert not has(BLOCK, ["agents", 1, "skills"])
    assert not has(BLOCK, ["agents", 2])


NAMES = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\x85\u2028\u2029\ufeff"), max_size=8
)


@given(st.lists(NAMES, min_size=1, max_size=4), NAMES, st.booleans(), st.integers(0, 3))
def test_whatever_the_words_adding_and_removing_again_gives_the_same_text(
    words: list[str], new: str, block: bool, place: int
) -> None:
    quoted = [json.dumps(word, ensure_ascii=False) for word in words]
    text = (
        "agents:\n" + "".join(f"  - {word}  # {number}\n" for number, word in enumerate(quoted)) + "\n# end\nz: 1\n"
        if block
        else f"agents: [{', '.join(quoted)}] # x\nz: 1\n"
    )
    more = append_item(text, ["agents"], item=json.dumps(new, ensure_ascii=False))
    assert yaml.safe_load(more) == {"agents": [*words, new], "z": 1}
    assert remove_item(more, ["agents", len(words)]) == text
    place %= len(words)
    less = remove_item(text, ["agents", place])
    assert (yaml.safe_load(less)["agents"] or []) == [*words[:place], *words[place + 1 :]]


def test_sample_with_one_more_agent_differs_by_one_line() -> None:
    item = '{id: "104", queues: [general]}'
    text = append_item(SAMPLE, ["agents"], item=item)
    assert [line for line in text.splitlines() if line not in SAMPLE.splitlines()] == [f"  - {item}"]
    assert len(text.splitlines()) == len(SAMPLE.splitlines()) + 1


def test_file_is_replaced_as_readable_as_it_was_and_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.yaml", tmp_path / "config.yaml"
    real.write_text("node: a\r\n", encoding="utf-8", newline="")
    real.chmod(0o640)
    link.symlink_to(real)
    write_config(link, "node: ñ\r\n")
    assert link.is_symlink()
    assert real.read_bytes() == "node: ñ\r\n".encode()
    assert real.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "real.yaml"]
