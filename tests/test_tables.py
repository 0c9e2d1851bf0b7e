"""Numbers, facts and tables as a reader sees them; text of others is harmless, its words stay."""

import contextlib
import csv
import dataclasses
import io
import math
import os
import re
from dataclasses import dataclass
from functools import partial
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import journals
from tests.support.endings import told
from tests.support.pages import found
from tests.support.simulated import of_lengths, raced, run, scaled, without_launches
from timelift.analyse import results
from timelift.analyse.estimates import Interval
from timelift.analyse.findings import RunFindings, execution_pairs
from timelift.analyse.verdicts import Verdict
from timelift.axis_values import Backend, Mode
from timelift.errors import counted, one_line
from timelift.escape import csv_text, markdown, plain, slug, without_codes
from timelift.journal.lines import Header
from timelift.present import case_table, page, tables, terminal, words
from timelift.present.document import Block, Document, to_markdown
from timelift.present.full_report import full_report


@pytest.mark.parametrize(
    ("seconds", "unit"),
    [([2e-6], "µs"), ([5e-4, 9e-4], "µs"), ([1e-3, 2e-3], "ms"), ([1e-4, 1.0], "ms"), ([3], "s")],
)
def test_the_unit_fits_the_middle_of_the_times(seconds, unit):
    assert words.unit_for(seconds).name == unit


#: How functions write numbers, values and text of others, each by its rule.
RULES = {
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
    "an interval stands beside an estimate that it is wider than": (
        lambda ends: words.with_interval(Interval(3.38, *ends), words.three_figures),
        {(3.3, 3.46): "3.38 [3.30, 3.46]", (3.379, 3.381): "3.38", (math.nan, math.nan): "3.38"},
    ),
    "both ends of a price are rounded outwards": (
        lambda ends: words.over_the_best(*reversed(ends)),
        {
            (1.0369, 1.2211): "3.6 to 23 % over the best",
            (1.2, 2.5): "1.20 to 2.50 times the best",
            (21.42, 133.3): "21.4 to 134 times the best",
            (1234.5, 99999.1): "1,230 to 100,000 times the best",
        },
    ),
    "every axis has its words": (
        lambda place: words.at_values(*place),
        {
            ("seq_len", (64, 128, 256)): "from 64 to 256 steps",
            ("seq_len", (1,)): "at 1 step",
            ("batch", (8, 32)): "from batch 8 to 32",
            ("phase", ("backward",)): "in backward calls",
            ("phase", ("forward", "train")): "in forward calls or train steps",
            ("workload", ("train",)): "for train",
            ("mode", ("xla",)): "in XLA mode",
            ("device", ("gpu:0",)): "on gpu:0",
            ("backend", ("jax", "torch")): "on JAX or PyTorch",
            ("threads", (1,)): "with 1 thread",
            ("threads", (0,)): "with default threads",
            ("lengths", ("ragged",)): "with ragged lengths",
        },
    ),
    "a share has its sign": (
        partial(words.percent, signed=True),
        {0.02: "+2.0 %", -0.0001: "+0.0 %"},
    ),
    "a share may have no decimals": (partial(words.percent, decimals=0), {1: "100 %"}),
    "a log ratio is a change": (words.percent_more, {math.log(0.5): "-50.0 %"}),
    "so are its ends": (
        lambda ends: words.percent_interval(Interval(-0.05, *ends)),
        {(math.log(0.9), 0.0): "[-10.0 %, +0.0 %]"},
    ),
    "a count has its plural": (
        lambda count: counted(*count),
        {
            (1, "case"): "1 case",
            (2000, "launch"): "2,000 launches",
            (2, "strategy"): "2 strategies",
        },
    ),
    "Markdown shows text as it is": (
        markdown,
        {
            "fold_time": "fold_time",
            "fold_chunks[k=8]": "fold_chunks\\[k=8\\]",
            "_x_ __y": "\\_x\\_ \\_\\_y",
            "a|b": "a\\|b",
            "<i>&": "&lt;i&gt;&amp;",
            "a\nb": "a b",
            "http://a.b www.a.b": "http:\\//a.b www\\.a.b",  # which GitHub would make links
            "me@a.b native@main": "me@<!-- -->a.b native@main",
        },
    ),
    "terminal codes are removed and words stay": (
        without_codes,
        {
            "\x1b[1m\x1b[31mred\x1b[0m": "red",
            "\x1b[38;2;255;0;0mtrue\x1b[m colour": "true colour",
            "\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\": "link",
            "cut at the end \x1b[3": "cut at the end ",
            "a bell\x07, a null\x00, an escape\x1b": "a bell, a null, an escape",
            "\x1b]never ends": "never ends",
        },
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_everything_is_written_by_its_rule(rule):
    write, told = RULES[rule]
    assert {value: write(value) for value in told} == told


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


@pytest.mark.parametrize("text", ["../../etc/passwd", "/a", "..", "", "a\x00b", "x" * 999, "con:"])
def test_a_slug_stays_in_its_folder(text):
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", slug(text))
    assert len(slug(text)) < 100


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


@dataclass(frozen=True)
class Row:
    name: str
    seconds: float | None
    count: int = 0


COLUMNS = (
    tables.Column("name", "what"),
    tables.number("seconds", "time", unit=words.MILLISECONDS),
    tables.number("count", drop_order=1),
)


def table(*rows):
    return tables.Table("t", "T", COLUMNS, rows)


def read(text):
    return list(csv.reader(io.StringIO(text)))


def shown(made, width=80):
    return terminal.to_text(Document(blocks=(Block(table=made),)), width).splitlines()


def test_readers_see_a_unit_and_three_figures_and_programs_every_digit_in_seconds():
    made = table(Row("native", 0.00123456, 7))
    assert tables.csv_of_values(made).split() == ["name,seconds,count", "native,0.00123456,7"]
    assert read(tables.csv_as_shown(made)) == [
        ["what", "time (ms)", "count"],
        ["native", "1.23", "7"],
    ]
    assert tables.markdown_lines(made) == [
        "| what | time (ms) | count |",
        "| --- | ---: | ---: |",
        "| native | 1.23 | 7 |",
    ]
    assert shown(made)[0].split() == ["what", "time", "(ms)", "count"]
    assert shown(made)[2].split() == ["native", "1.23", "7"]
    assert made.data == {"name": ["native"], "seconds": [0.00123456], "count": [7]}


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_what_is_not_known_is_an_empty_cell_everywhere(unknown):
    made = table(Row("native", unknown))
    texts = [
        tables.csv_of_values(made),
        tables.csv_as_shown(made),
        *tables.markdown_lines(made),
        *shown(made),
    ]
    assert not any(word in text for text in texts for word in ("nan", "None"))
    assert made.cells == [("native", "", "0")]
    assert [column.name for column in made.without_empty_columns().columns] == ["name", "count"]


@given(st.text(max_size=8), st.floats(allow_nan=False, allow_infinity=False), st.integers())
def test_programs_read_every_number_back_as_it_was(name, seconds, count):
    _, (text, told, counted) = read(tables.csv_of_values(table(Row(name, seconds, count))))
    assert float(told) == seconds
    assert int(counted) == count
    assert not text.lstrip().startswith(("=", "+", "-", "@"))


def test_a_formula_and_markup_are_texts_in_the_place_that_would_run_them():
    made = table(Row("=1+1|<b>", -0.5, -2))
    assert read(tables.csv_of_values(made))[1] == ["'=1+1|<b>", "-0.5", "-2"]
    assert read(tables.csv_as_shown(made))[1] == ["'=1+1|<b>", "-500", "-2"]
    assert "<b>" not in tables.markdown_lines(made)[2]
    assert tables.markdown_lines(made)[2].replace("\\|", "").count("|") == 4


def test_a_narrow_terminal_loses_the_highest_rank_and_breaks_the_name_but_no_number():
    made = table(Row("a_long_name_of_a_strategy", 1.5, 3))
    assert shown(made, 60)[0].split() == ["what", "time", "(ms)", "count"]
    assert shown(made, 40)[0].split() == ["what", "time", "(ms)"]
    assert " ".join(shown(made, 25)[2:]).split() == ["a_long_name_o", "1,500", "f_a_strategy"]


def test_columns_are_picked_by_name_in_the_order_asked_for():
    made = table(Row("native", 1.0, 3))
    assert made.pick("count", "name").cells == [("3", "native")]
    assert made.up_to(0).cells == [("native", "1,000")]
    with pytest.raises(KeyError):
        made.pick("cuont")


def test_every_table_of_a_run_says_the_same_to_readers_and_to_programs(tmp_path):
    sizes = {"seq_lens": (4, 16, 64), "batches": (2, 8)}
    cases = journals.grid(**sizes, mode=Mode.EAGER) + journals.grid(**sizes)
    seen = RunFindings(results.load(journals.synthetic(tmp_path / "run.jsonl", cases)))
    shown_tables = [
        *(one.table for one in full_report(seen).blocks if one.heading and one.table),
        case_table.of_page(seen),
        page.across_executions(execution_pairs(seen.run.measurements)),
    ]
    settings = {case.setting.label for case in cases if case.setting.mode is Mode.GRAPH}
    assert {one.name for one in shown_tables} == {"across", "measurements", *settings}
    for one in shown_tables:
        rows = read(tables.csv_of_values(one))
        assert len(rows) == len(read(tables.csv_as_shown(one))) == 1 + len(one.rows)
        assert len(tables.markdown_lines(one)) == len(shown(one, 500)) == 2 + len(one.rows)
        assert len(set(rows[0])) == len(rows[0])
        headings = [column.heading for column in one.columns]
        assert len(set(headings)) == len(headings)


def report_shown(seen):
    """The report as a wide terminal shows it, with its colours where it has some."""
    printed = io.StringIO()
    with mock.patch.dict(os.environ, COLUMNS="160"), contextlib.redirect_stdout(printed):
        terminal.show(full_report(seen), at_length=True)
    return printed.getvalue()


def test_what_a_strategy_means_is_said_beside_its_time(tmp_path):
    meaning = {"DROPOUT": {"static": "independent", "dynamic": "shared"}, "MASKS": "passed"}
    declared = {"native": {"title": "It.", "meaning": meaning}}
    header = journals.header(strategies=declared)
    seen = found(tmp_path / "run", header, journals.line(journals.case("native")))
    said = (
        "Dropout: draws new noise for every step (static time axis); draws the same noise for all "
        "steps of a call (dynamic time axis); Masks: passed on to the next layer"
    )
    assert said in " ".join(report_shown(seen).split())
    assert said in to_markdown(full_report(seen))


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colour_is_honoured(tmp_path, monkeypatch, name, value):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    cases = journals.grid(("native", "fold_time"))
    seen = found(tmp_path / "run", journals.header(), *journals.campaign(cases))
    assert "\x1b[32m" in report_shown(seen)
    monkeypatch.setenv(name, value)
    assert "\x1b[32m" not in report_shown(seen)


def test_without_a_baseline_there_is_no_speed_up():
    seen = RunFindings(results.Run(Header(), tuple(raced({"native": 1, "gru": 6})), complete=True))
    assert set(case_table.for_programs(seen).data["speed_up"]) == {None}
    assert "speed-up" not in told(full_report(seen))


#: What a call costs on each backend, over one on TensorFlow.
COSTS = {Backend.TENSORFLOW: 1.0, Backend.JAX: 0.5, Backend.TORCH: 1.001}


def measured(*names):
    """Strategies on each backend, in the same six launches."""
    rivals = list(zip(COSTS, run([*COSTS.values()], launches=6), strict=True))
    return [
        dataclasses.replace(one, case=journals.case(name, backend=backend))
        for name in names
        for backend, one in rivals
    ]


@pytest.fixture
def backends():
    return execution_pairs(measured("native", "fold_time"))


def test_each_backend_stands_beside_the_usual_one(backends):
    assert {pair.values[0] for pair in backends} == {Backend.TENSORFLOW}
    assert [pair.values[1] for pair in backends] == [Backend.JAX, Backend.TORCH] * 2
    for pair in backends:
        assert pair.comparison.low < math.log(COSTS[pair.values[1]]) < pair.comparison.high
        is_faster = pair.comparison.verdict is Verdict.FASTER
        assert is_faster == (pair.values[1] is Backend.JAX)


def test_only_what_differs_in_one_axis_alone_is_compared():
    (usual,), (other,) = of_lengths(8), of_lengths(32, backend=Backend.JAX)
    places = [usual, other, *of_lengths(8, mode=Mode.EAGER)]
    (pair,) = execution_pairs(raced({"native": 1}, places))
    assert (pair.axis, *pair.values) == ("mode", Mode.GRAPH, Mode.EAGER)


def test_launches_are_paired_by_their_number():
    moved = measured("native")
    for launch in range(1, 7):
        moved = [scaled(one, 1.2**launch, launch) for one in moved]
    pairs = execution_pairs(moved)
    assert pairs[0].comparison.value == pytest.approx(math.log(0.5), abs=0.02)
    assert pairs[0].comparison.high - pairs[0].comparison.low < 0.1


def test_without_a_common_launch_there_is_no_interval():
    usual, other, _ = measured("native")
    apart = [without_launches(usual, 2, 3, 4, 5, 6), without_launches(other, 1)]
    (pair,) = execution_pairs(apart)
    assert (pair.comparison.verdict, pair.comparison.launches) == (Verdict.UNDECIDED, 0)
    assert not math.isfinite(pair.comparison.value)
    (shown,) = page.across_executions([pair]).pick("ratio", "low", "high").cells
    assert shown == ("", "", "")


def test_the_table_has_every_pair_and_what_each_word_means(backends):
    table = page.across_executions(backends)
    assert table.note.startswith(
        "graph is tf.function on tensorflow, jax.jit on jax, torch.compile on torch."
    )
    shown = table.pick("usual", "other", "ratio", "verdict").cells
    assert shown[:1] == [("tensorflow", "jax", "0.499", "faster")]
    ratios = [math.exp(pair.comparison.value) for pair in backends]
    assert [float(ratio) for _, _, ratio, _ in shown] == pytest.approx(ratios, abs=6e-4)
