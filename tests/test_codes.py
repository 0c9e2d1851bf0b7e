"""What a framework says is kept word for word, without the codes that colour it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timelift.errors import one_line
from timelift.escape import without_codes


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\x1b[1m\x1b[31mred\x1b[0m", "red"),
        ("\x1b[38;2;255;0;0mtrue\x1b[m colour", "true colour"),
        ("\x9b31mone byte\x9bm", "one byte"),
        ("\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;a title\x07text", "text"),
        ("cut at the end \x1b[3", "cut at the end "),
        ("\x1b(Bcharset\x1b=", "charset"),
        ("a bell\x07, a null\x00, an escape\x1b", "a bell, a null, an escape"),
        ("\x1b]never ends", "never ends"),
    ],
)
def test_codes_go_and_words_stay(text, plain):
    assert without_codes(text) == plain


@given(st.text(st.characters(exclude_categories=["Cc"])))
def test_text_without_codes_stays_as_it_is(text):
    assert without_codes(f"{text}\t[31m\n") == f"{text}\t[31m\n"


@given(st.text())
def test_no_escape_is_left(text):
    assert not {"\x1b", "\x9b", "\x07"} & set(without_codes(text))


def test_colours_do_not_count_where_a_long_text_is_cut():
    found = one_line(ValueError("\x1b[31m" * 500 + "the end"))
    assert found == "ValueError: the end"
