"""Tables of cases: the numbers that a reader sees, and those that a program reads."""

import csv
import io

import pytest

from tests import journals
from tests.test_advice import TD, raced
from timelift.analyse.findings import RunFindings
from timelift.analyse.runs import results
from timelift.analyse.runs.measurement import Run
from timelift.analyse.stats import lifts, ranking
from timelift.analyse.stats.verdicts import Verdict
from timelift.case import Phase, Status
from timelift.journal import Header
from timelift.present import terminal
from timelift.present.case_table import for_programs, of_rankings
from timelift.present.report import NO_INTERVAL, in_markdown, meanings, report
from timelift.present.tables import csv_of_values

NATIVE, FOLD, LOOP = (journals.case(name) for name in ("native", "fold_time", "loop_slice"))


SETTING = NATIVE.setting


def _rival(case, seconds, *interval, **changes):
    ratio, low, high = interval
    fields = {
        "verdict": Verdict.SLOWER,
        "rank_low": 2,
        "rank_high": 2,
        "launches": 3,
    }
    return ranking.RankedCase(
        case, seconds, seconds, seconds, ratio, low, high, **(fields | changes)
    )


FIRST = _rival(NATIVE, 1.5e-3, 1, 1, 1, verdict=Verdict.SAME, rank_low=1)


CLOSE = _rival(
    FOLD,
    *(1.53e-3, 1.02, 0.99, 1.051),
    verdict=Verdict.UNDECIDED,
    rank_low=1,
    detectable=1.041,
    half_width=0.03,
)


FAR = _rival(LOOP, 30e-3, 20, 19.2, 20.8)


RANKING = ranking.Ranking(SETTING, (FIRST, CLOSE, FAR))


@pytest.fixture
def run(tmp_path):
    """Three measured rivals, a refused and a crashed one; times as in `RANKING`."""
    times = {NATIVE: 1.5e-3, FOLD: 1.53e-3, LOOP: 30e-3}
    lines = [journals.line(of, number, [times[of]]) for of in times for number in (1, 2, 3)]
    lost = [
        journals.ended(journals.case("rnn_cell"), Status.REFUSED, "Conv2D is no cell"),
        journals.ended(journals.case("ops_scan"), Status.CRASHED, "signal 11"),
    ]
    records = [journals.header(), *lines, *lost, journals.END]
    return results.load(journals.write(tmp_path / "run.jsonl", *records))


def _found(run, one=RANKING):
    """A run whose only ranking is given."""
    return RunFindings(run, given=[one])


def _shown(run, rankings, width):
    console = terminal.console(width)
    with console.capture() as capture:
        terminal.show_report(report(RunFindings(run, given=rankings)), console)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


MARKDOWN_TABLE = """\
## tokens-T16-B8-forward-graph

| strategy | time (ms) | ratio | 95 % interval | first call (s) | graph nodes | peak memory | launches |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| native | 1.50 | 1.000 |  | 0.250 ±1 % | 42 | 3.00 MiB | 3 |
| fold_time | 1.53 | 1.020 | \\[0.990, 1.051\\] | 0.250 ±1 % | 42 | 3.00 MiB | 3 |
| loop_slice | 30.0 | 20.0 | \\[19.2, 20.8\\] | 0.250 ±1 % | 42 | 3.00 MiB | 3 |

- fastest: native; not shown slower: fold_time
- undecided, and the difference that would have been seen: fold_time (4.1 %)
- no result for rnn_cell: refused: Conv2D is no cell
- no result for ops_scan: crashed: signal 11
"""  # noqa: E501 - as wide as it is


def test_a_setting_is_a_table_and_the_sentences_below_it(run):
    text = in_markdown(report(_found(run)), ["fastest.svg"])
    assert text.endswith(MARKDOWN_TABLE)
    assert "- **commit:** abcdef1234567890\n" in text
    assert "![fastest.svg](fastest.svg)" in text


def test_the_csv_has_a_row_for_each_case_with_raw_numbers(run):
    rows = list(csv.DictReader(io.StringIO(csv_of_values(for_programs(_found(run))))))
    assert [row["strategy"] for row in rows] == [
        "native",
        "fold_time",
        "loop_slice",
        "rnn_cell",
        "ops_scan",
    ]
    assert rows[1]["seconds_per_call"] == "0.00153"
    assert (rows[1]["ratio"], rows[1]["ratio_low"], rows[1]["ratio_high"]) == (
        "1.02",
        "0.99",
        "1.051",
    )
    assert (rows[1]["seq_len"], rows[1]["peak_bytes"]) == ("16", str(3 << 20))
    assert (rows[3]["status"], rows[3]["seconds_per_call"]) == ("refused", "")
    assert rows[4]["reason"] == "signal 11"


def test_one_launch_has_no_interval_and_says_so(run):
    nan = float("nan")
    rows = (FIRST, _rival(FOLD, 2e-3, 1.3, nan, nan, verdict=Verdict.UNDECIDED))
    text = _shown(run, [ranking.Ranking(SETTING, rows)], 120)
    assert NO_INTERVAL in text
    assert "95 % interval" not in text
    assert "nan" not in text
    assert NO_INTERVAL not in _shown(run, [RANKING], 120)


def test_a_look_alike_is_marked_with_why_it_is_no_lift(tmp_path):
    declared = {
        "gru": {"title": "A recurrent layer.", "differs": "it remembers | steps"},
        "native": {"title": "The layer itself.", "differs": ""},
        "broken": 3,
    }
    lines = [journals.line(journals.case(name), 1, [1e-3]) for name in ("gru", "native")]
    header = journals.header(strategies=declared)
    run = results.load(journals.write(tmp_path / "run", header, *lines))
    rankings = lifts.rank_run(run)
    text = _shown(run, rankings, 120)
    assert "gru is no lift: it remembers | steps" in text
    assert "native is no lift" not in text
    assert "gru (no lift)" in text
    assert "native (no lift)" not in text
    markdown_text = in_markdown(report(RunFindings(run, given=rankings)))
    assert "gru is no lift: it remembers \\| steps" in markdown_text
    assert markdown_text.endswith(
        "- **gru:** A recurrent layer.\n- **native:** The layer itself.\n"
    )


def test_what_a_strategy_means_is_said_beside_its_time(tmp_path):
    meaning = {"DROPOUT": {"static": "independent", "dynamic": "shared"}, "MASKS": "passed"}
    declared = {"native": {"title": "It.", "meaning": meaning}, "gru": {"meaning": 3}}
    header = journals.header(strategies=declared)
    line = journals.line(journals.case("native"), 1, [1e-3])
    run = results.load(journals.write(tmp_path / "run", header, line))
    rankings = ranking.rank(run.measurements)
    said = "dropout independent (time static) or shared (time dynamic); masks passed"
    assert said in _shown(run, rankings, 160)
    assert said in in_markdown(report(RunFindings(run, given=rankings)))
    assert [name for name, _ in meanings(run)] == ["native"]


def test_a_single_rival_is_not_called_fastest(run):
    text = _shown(run, [ranking.Ranking(SETTING, (FIRST,))], 120)
    assert "measured alone: native" in text
    assert "fastest" not in text


def test_a_setting_without_a_measured_case_is_in_the_report(tmp_path):
    lost = journals.ended(NATIVE, Status.TIMED_OUT, "after 60 s")
    run = results.load(journals.write(tmp_path / "run", journals.header(), lost))
    text = _shown(run, ranking.rank(run.measurements), 80)
    assert "nothing measured" in text
    assert "no result for native: timed out: after 60 s" in text


def test_a_backward_table_has_its_time_over_that_of_the_forward_call(tmp_path):
    cases = journals.grid(("native",), seq_lens=(16,))
    lines = [
        journals.line(case, launch, [3e-3 if case.setting.phase is Phase.BACKWARD else 2e-3])
        for case in cases
        for launch in (1, 2, 3)
    ]
    run = results.load(journals.write(tmp_path / "run", journals.header(), *lines))
    shown = {
        one.heading: one.table.pick("over_forward").cells
        for one in report(RunFindings(run)).tables
        if "over_forward" in {column.name for column in one.table.columns}
    }
    assert shown == {"tokens-T16-B8-backward-graph": [("1.50",)]}


@pytest.mark.parametrize("name", ["NO_COLOR", "TERM"])
def test_no_colour_is_honoured(run, monkeypatch, name):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    green = "\x1b[32m"
    assert green in _raw(run)
    monkeypatch.setenv(name, "1" if name == "NO_COLOR" else "dumb")
    assert green not in _raw(run)


def _raw(run):
    console = terminal.console(120)
    with console.capture() as capture:
        terminal.show_report(report(_found(run)), console)
    return capture.get()


def test_speed_ups_stand_in_every_table_with_their_interval_and_what_they_are_over():
    found = RunFindings(Run(Header(), tuple(raced({"native": 1, TD: 3, "gru": 6})), complete=True))
    data = for_programs(found).data
    rows = {name: place for place, name in enumerate(data["strategy"])}
    assert data["speed_up"][rows["native"]] == pytest.approx(3, rel=0.03)
    assert data["speed_up_low"][rows["gru"]] < 0.5 < data["speed_up_high"][rows["gru"]]
    assert set(data["baseline"]) == {TD}
    shown = dict(of_rankings(found.rankings[:1], found).pick("rival", "gain").cells)
    assert shown[TD] == "1.00"
    assert shown["native"].startswith(("3.0", "2.9"))
    assert dict(report(found).head)["speed-up"] == f"times as fast as {TD}"
    alone = RunFindings(Run(Header(), tuple(raced({"native": 1, "gru": 6})), complete=True))
    assert set(for_programs(alone).data["speed_up"]) == {None}
    assert "speed-up" not in dict(report(alone).head)
