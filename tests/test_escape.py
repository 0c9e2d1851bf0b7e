"""Text from a file or a framework is harmless wherever it is shown, and its words stay."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timelift.errors import one_line
from timelift.escape import csv_text, markdown, plain, slug, without_codes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fold_time", "fold_time"),
        ("fold_chunks[k=8]", "fold_chunks\\[k=8\\]"),
        ("_x_ __y", "\\_x\\_ \\_\\_y"),
        ("a|b", "a\\|b"),
        ("<i>&", "&lt;i&gt;&amp;"),
        ("a\nb", "a b"),
    ],
)
def test_markdown_shows_text_as_it_is(text, expected):
    assert markdown(text) == expected


@pytest.mark.parametrize("text", "=1 +1 -1 @a \uff1d1 \uff0b1 \uff0d1 \uff20a".split(" "))
@pytest.mark.parametrize("before", ["", " ", "\t", "\xa0"])
def test_a_formula_becomes_text_in_a_spreadsheet(before, text):
    assert csv_text(before + text).startswith("'")
    assert csv_text(text[1:]) == text[1:]


@pytest.mark.parametrize("text", ["\x1b[2J", "a\x00b", "\u202egnp", "\ud800", "\u2028", "\x9b1m"])
def test_control_characters_are_replaced(text):
    assert not text.isprintable()
    assert plain(text).isprintable()
    assert plain(text).encode()


def test_a_long_name_is_cut_to_its_limit():
    assert plain("x" * 100, 10) == "x" * 9 + "…"
    assert plain("x" * 10, 10) == "x" * 10


@pytest.mark.parametrize(
    "text", ["../../etc/passwd", "/abs", "..", "", "a\x00b", "x" * 999, "con:"]
)
def test_a_slug_stays_in_its_folder(text):
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", slug(text))
    assert len(slug(text)) < 100


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\x1b[1m\x1b[31mred\x1b[0m", "red"),
        ("\x1b[38;2;255;0;0mtrue\x1b[m colour", "true colour"),
        ("\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("cut at the end \x1b[3", "cut at the end "),
        ("a bell\x07, a null\x00, an escape\x1b", "a bell, a null, an escape"),
        ("\x1b]never ends", "never ends"),
    ],
)
def test_terminal_codes_are_removed_and_words_stay(text, plain):
    assert without_codes(text) == plain


@given(st.text(st.characters(exclude_categories=["Cc"])))
def test_text_without_codes_stays_as_it_is(text):
    assert without_codes(f"{text}\t[31m\n") == f"{text}\t[31m\n"


@given(st.text())
def test_no_terminal_code_is_left(text):
    assert not {"\x1b", "\x9b", "\x07"} & set(without_codes(text))


def test_colours_do_not_count_where_a_long_text_is_cut():
    shown = one_line(ValueError("\x1b[31m" * 500 + "the end"))
    assert shown == "ValueError: the end"
