"""Text from a file is harmless in a terminal, in Markdown, in a spreadsheet and in a path."""

import re

import pytest

from timelift.escape import csv_text, markdown, plain, slug


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


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", " =1", "\t=1"])
def test_a_formula_becomes_text_in_a_spreadsheet(text):
    assert csv_text(text).startswith("'")
    assert csv_text(text.lstrip(" \t=+-@")) == text.lstrip(" \t=+-@")


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
