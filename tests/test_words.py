"""Numbers and facts as a reader sees them; text of others is harmless, and its words stay."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timelift.analyse.estimates import Interval
from timelift.errors import counted, one_line
from timelift.escape import csv_text, markdown, plain, slug, without_codes
from timelift.present import words


@pytest.mark.parametrize(
    ("seconds", "unit"),
    [([2e-6], "µs"), ([5e-4, 9e-4], "µs"), ([1e-3, 2e-3], "ms"), ([1e-4, 1.0], "ms"), ([3], "s")],
)
def test_the_unit_fits_the_middle_of_the_times(seconds, unit):
    assert words.unit_for(seconds).name == unit


#: How functions write a number, each by its rule.
NUMBERS = {
    "three figures and no exponent": (
        words.three_figures,
        {0.012345: "0.0123", 9.996: "10.0", 12345.6: "12,346", 0.0: "0.00", math.nan: ""},
    ),
    "a time has the unit in which it reads well": (
        words.time_in_words,
        {9.4375e-4: "944 µs", 1e-3: "1.00 ms", 0.25: "250 ms", 1: "1.00 s"},
    ),
    "a ratio has at most two decimals where it is not small": (
        words.times_to_hundredths,
        {0.01234: "0.0123", 0.0996: "0.10", 0.982: "0.98", 3.384: "3.38", 12.34: "12.3"},
    ),
    "a speed-up has two figures, and three near one": (
        words.times,
        {0.0003: "0.000300", 1.04: "1.04", 3.43: "3.4", 28.8: "29"},
    ),
    "bytes have binary units": (
        words.human_bytes,
        {512: "512 B", 1536: "1.50 KiB", 3 << 20: "3.00 MiB", 5 << 40: "5.00 TiB"},
    ),
    "how long it took is in two units": (
        words.duration,
        {9.4: "9 s", 272: "4 min 32 s", 600: "10 min", 7_260: "2 h 1 min"},
    ),
    "an upper bound is rounded up": (
        words.at_most,
        {1: "0 %", 1.0004: "0.1 %", 1.1561: "16 %", 28.81: "28.9 times", 1000.1: "1,010 times"},
    ),
    "an upper bound may be unknown": (words.at_most, {math.inf: "unknown"}),
}


@pytest.mark.parametrize("rule", NUMBERS)
def test_every_number_is_written_by_its_rule(rule):
    write, told = NUMBERS[rule]
    assert {value: write(value) for value in told} == told


def test_an_interval_is_written_beside_an_estimate_that_it_is_wider_than():
    told = {(3.3, 3.46): "3.38 [3.30, 3.46]", (3.379, 3.381): "3.38", (math.nan, math.nan): "3.38"}
    for (low, high), text in told.items():
        assert words.with_interval(Interval(3.38, low, high), words.three_figures) == text


@pytest.mark.parametrize(
    ("price", "text"),
    [
        ((1.0369, 1.2211), "3.6 to 23 % over the best"),
        ((1.2, 2.5), "1.20 to 2.50 times the best"),
        ((21.42, 133.3), "21.4 to 134 times the best"),
        ((1234.5, 99999.1), "1,230 to 100,000 times the best"),
    ],
)
def test_both_ends_of_a_price_are_rounded_outwards(price, text):
    low, high = price
    assert words.over_the_best(high, low) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (words.percent(0.02, signed=True), "+2.0 %"),
        (words.percent(-0.0001, signed=True), "+0.0 %"),
        (words.percent(1, 0), "100 %"),
        (words.percent_more(math.log(0.5)), "-50.0 %"),
        (words.percent_interval(Interval(-0.05, math.log(0.9), 0.0)), "[-10.0 %, +0.0 %]"),
        (counted(1, "case"), "1 case"),
        (counted(2000, "launch"), "2,000 launches"),
        (counted(2, "strategy"), "2 strategies"),
    ],
)
def test_percentages_and_counts_have_one_spelling(text, expected):
    assert text == expected


@pytest.mark.parametrize(
    ("axis", "values", "text"),
    [
        ("seq_len", (64, 128, 256), "from 64 to 256 steps"),
        ("seq_len", (1,), "at 1 step"),
        ("batch", (8, 32), "from batch 8 to 32"),
        ("phase", ("backward",), "in backward calls"),
        ("phase", ("forward", "train"), "in forward calls or train steps"),
        ("workload", ("train",), "for train"),
        ("mode", ("xla",), "in XLA mode"),
        ("device", ("gpu:0",), "on gpu:0"),
        ("backend", ("jax", "torch"), "on JAX or PyTorch"),
        ("threads", (1,), "with 1 thread"),
        ("threads", (0,), "with default threads"),
        ("lengths", ("ragged",), "with ragged lengths"),
    ],
)
def test_every_axis_has_its_words(axis, values, text):
    assert words.at_values(axis, values) == text


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


def test_what_a_layer_s_own_call_raised_is_told_without_what_keras_puts_around_it():
    said = "\x1b[1mError encountered:\n\n'action'\x1b[0m\n\n"
    text = f"Exception in call().\n\n{said}Arguments received by"
    assert one_line(KeyError(text)) == "KeyError: 'action'"
    assert one_line(ValueError(text)) == "ValueError: 'action'"
    assert one_line(KeyError("action")) == "KeyError: 'action'"
