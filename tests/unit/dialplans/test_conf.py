"""Files of Asterisk's as people write them, read by us and, where it can, by pyst2's reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from asterisk.config import Config
from hypothesis import given
from hypothesis import strategies as st

from dialplans.core.conf import LONGEST_TEXT, MOST_SETTINGS, Conf, read_conf

FILE = """\
; Queues of the centre.
[general]
persistentmembers = yes      ; kept over restarts
[base](!)
strategy=rrmemory
timeout = 15
;--
member => PJSIP/999
--;
[soporte](base)
timeout => 20
Member => PJSIP/101,0,Ana
member => PJSIP/102,1,Luis \\; de noche
[ventas](base)
"""


def plain(conf: Conf) -> dict[str, list[tuple[str, str]]]:
    return {section.name: [(one.key, one.value) for one in section.settings] for section in conf.sections}


def whys(text: str) -> list[tuple[int, str]]:
    return [(each.line, each.why) for each in read_conf(text).unread]


def test_sections_have_what_their_templates_say_and_then_their_own() -> None:
    conf = read_conf(FILE)
    assert plain(conf) == {
        "general": [("persistentmembers", "yes")],
        "base": [("strategy", "rrmemory"), ("timeout", "15")],
        "soporte": [
            ("strategy", "rrmemory"),
            ("timeout", "15"),
            ("timeout", "20"),
            ("member", "PJSIP/101,0,Ana"),
            ("member", "PJSIP/102,1,Luis ; de noche"),
        ],
        "ventas": [("strategy", "rrmemory"), ("timeout", "15")],
    }
    assert [section.is_template for section in conf.sections] == [False, True, False, False]
    assert [(section.line, section.settings[-1].line) for section in conf.sections] == [
        (2, 3),
        (4, 6),
        (10, 13),
        (14, 6),
    ]
    assert conf.unread == ()


def test_section_that_is_added_to_stays_where_it_began() -> None:
    assert plain(read_conf("[a]\nx=1\n[b]\n[a](+)\ny=2\n")) == {"a": [("x", "1"), ("y", "2")], "b": []}


def test_value_that_is_added_to_follows_what_was_there() -> None:
    assert plain(read_conf("[a]\nx=1\ny=2\nx+=3\nz+=4\n")) == {"a": [("y", "2"), ("x", "13"), ("z", "4")]}


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ('[a]\n#include "other.conf"\n', 2, 'the file "other.conf" is not followed'),
        ("#tryinclude <other.conf>\n", 1, 'the file "other.conf" is not followed'),
        ("# include other.conf\n", 1, 'the file "other.conf" is not followed'),
        ("#exec rm -rf /\n", 1, "a program is not run"),
        ("#define x\n", 1, "is no instruction"),
        ("x = 1\n", 1, '"x = 1" stands in no section'),
        ("[a]\nhello\n", 2, 'there is no = in "hello"'),
        ("[a\nx=1\n", 1, '"[a" is no heading'),
        ("[a](b)\n", 1, 'there is no section "b" to inherit from'),
        ("[a](+)\nx=1\n", 1, 'there is no section "a" to add to'),
        ("[a]\n[a]\nx=1\n", 2, 'the section "a" stands here twice'),
        ("[a]\n;-- never\nx=1\n", 2, "never ends"),
        ("[a]\n\x00\x1b[2J\n", 2, 'there is no = in "??[2J"'),
        ("[a]\n" + "x" * 500 + "\n", 2, "…"),
        ("x" * (LONGEST_TEXT + 1), 1, "longer than"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(text: str, line: int, why: str) -> None:
    found = whys(text)
    assert found[0][0] == line
    assert why in found[0][1]


def test_second_section_of_a_name_changes_nothing_of_the_first() -> None:
    assert plain(read_conf("[a]\nx=1\n[a]\nx=2\n")) == {"a": [("x", "1")]}


def test_comment_of_many_lines_may_begin_and_end_anywhere() -> None:
    text = "[a];-- x\n[b]\n--;y = 1 ;--- only this line\nz = 2 ;-- gone --; 3\n"
    assert plain(read_conf(text)) == {"a": [("y", "1"), ("z", "2  3")]}


def test_templates_that_double_what_they_inherit_end_in_time() -> None:
    doubling = "".join(f"[t{n + 1}](t{n},t{n})\n" for n in range(40))
    conf = read_conf(f"[t0]\nx=1\n{doubling}")
    assert sum(len(section.settings) for section in conf.sections) <= 2 * MOST_SETTINGS
    assert "the rest is not read" in conf.unread[-1].why


@given(st.text(st.sampled_from('[]()=;->#!+\\ \r\nabx,"é\x00'), max_size=200))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    conf = read_conf(text)
    lines = text.count("\n") + 1
    assert all(1 <= one.line <= lines for section in conf.sections for one in section.settings)
    assert all(1 <= each.line <= lines for each in conf.unread)


WORDS = st.text("abcdefgh/@,-0123456789 ", min_size=1, max_size=12).map(str.strip).filter(bool)


class ClosingConfig(Config):  # type: ignore[misc]  # pyst2 has no types
    """pyst2's reader leaves its file open, which is an error here."""

    def load(self) -> None:
        with open(self.filename, encoding="utf-8") as stream:
            self.raw_lines = stream.readlines()


@given(
    st.dictionaries(
        st.text("abcxyz", min_size=1, max_size=5), st.lists(st.tuples(WORDS, WORDS), max_size=4), max_size=4
    ),
    st.sampled_from(("=", " = ", " => ", "=>")),
    st.booleans(),
)
def test_plain_files_mean_to_us_what_they_mean_to_pyst2(
    tmp_path_factory: pytest.TempPathFactory, sections: dict[str, list[tuple[str, str]]], sign: str, comments: bool
) -> None:
    comment = " ; of ours = x" if comments else ""
    text = "".join(
        f"[{name}]{comment}\n" + "".join(f"{key}{sign}{value}{comment}\n" for key, value in settings)
        for name, settings in sections.items()
    )
    path: Path = tmp_path_factory.mktemp("conf") / "x.conf"
    path.write_text(text, encoding="utf-8")
    theirs = {
        category.name: [(item.name, item.value.removeprefix(">").strip()) for item in category.items]
        for category in ClosingConfig(str(path)).categories
    }
    assert plain(read_conf(text)) == theirs
