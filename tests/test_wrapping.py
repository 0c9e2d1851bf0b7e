"""Texts in the lines of a narrow column."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from timelift.present.wrapping import wrapped


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("native in eager mode", 13, ("native in", "eager mode")),
        ("inputs_and_weights; else", 18, ("inputs_and_", "weights; else")),
        ("abcdef; else", 6, ("abcde", "f;", "else")),
        ("f[k=8]", 4, ("f[k=", "8]")),
        ("3 % [-2 %, +8 %], 5 launches", 16, ("3 %", "[-2 %, +8 %], 5", "launches")),
        ("3 % [-2 %, +8 %], 5 launches", 8, ("3 % [-2", "%, +8", "%], 5", "launches")),
        ("", 5, ()),
    ],
)
def test_a_text_is_broken_between_words_and_a_long_word_between_its_parts(text, width, lines):
    assert wrapped(text, width) == lines


@given(st.text(max_size=40), st.integers(2, 20))
def test_no_line_is_too_wide_and_no_letter_is_lost(text, width):
    lines = wrapped(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
