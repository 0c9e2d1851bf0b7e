"""What a framework says is kept word for word, without the codes that colour it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.projects import SMALL, bench, project, records_of
from timelift.errors import one_line
from timelift.escape import without_codes

HEAD = '"""Colourful."""\nimport os\n'
BUILD = "def build(layer, shape):\n"
#: Strategies that end with colours in each kind of text that becomes a reason.
COLOURFUL = {
    "raises": HEAD + BUILD + "    raise ValueError('\\x1b[1m\\x1b[31mtoo red\\x1b[0m')\n",
    "prints": HEAD + BUILD + "    print('\\x1b[38;5;196mlast words\\x1b[m', flush=True)\n"
    "    os._exit(3)\n",
    "refuses_all": HEAD
    + "def refuses(layer, setting):\n    return '\\x1b[32mit never lifts.\\x1b[0m'\n"
    + BUILD
    + "    pass\n",
}


def test_a_strategys_colours_reach_neither_the_journal_nor_pytests_failures(tmp_path):
    """Its words do: of an exception, of what was printed last, of a refusal."""
    folder = project(tmp_path, ("native",), COLOURFUL)
    done = bench(folder, "bench/test_forward.py", "-rs", *SMALL, "--launches", "1")
    lines = [one for one in records_of(folder) if "case" in one]
    reasons = {one["case"]["strategy"]: one.get("reason", "") for one in lines}
    assert reasons["raises"] == "ValueError: too red"
    assert reasons["prints"].endswith("while building: last words")
    assert reasons["refuses_all"] == "it never lifts."
    assert "ValueError: too red" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr + "".join(reasons.values())


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
    """Whatever the kind of code."""
    assert without_codes(text) == plain


@given(st.text(st.characters(exclude_categories=["Cc"])))
def test_text_without_codes_stays_as_it_is(text):
    """Square brackets, letters and all; white space too."""
    assert without_codes(f"{text}\t[31m\n") == f"{text}\t[31m\n"


@given(st.text())
def test_no_escape_is_left(text):
    """Of any text."""
    assert not {"\x1b", "\x9b", "\x07"} & set(without_codes(text))


def test_colours_do_not_count_where_a_long_text_is_cut():
    """The limit is one of words, and cuts no code in half."""
    found = one_line(ValueError("\x1b[31m" * 500 + "the end"))
    assert found == "ValueError: the end"
