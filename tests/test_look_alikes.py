"""No look-alike is named fastest, and every place marks a run that is not over."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text

import timelift
from tests.support import journals
from tests.support.pages import found, surfaces
from timelift.analyse import results
from timelift.analyse.findings import RunFindings
from timelift.analyse.ranking import rank_run
from timelift.analyse.results import Run
from timelift.analyse.stopping import Referee
from timelift.analyse.verdicts import Verdict
from timelift.commands.additions import additions, verdicts_on_copies
from timelift.measurement import CaseInLaunch
from timelift.present import figures
from timelift.present.full_report import full_report
from timelift.present.terminal import to_text

WHY = "it computes something else"
DECLARED = {
    "strategies": {
        "fake": {"title": "A fake", "differs": WHY},
        "native": {"title": "The layer itself", "differs": ""},
    }
}
BEST, OTHER = 1e-3, 2e-3


def lines(fake, lengths=(16,)):
    """Five launches of two lifts and of a look-alike that takes so many times the best."""
    times = {"native": BEST, "other": OTHER, "fake": fake * BEST}
    cases = journals.grid(times, seq_lens=lengths, phases=["forward"])
    seconds = {case: times[case.strategy] * case.setting.seq_len / 16 for case in cases}
    return journals.campaign(seconds, launches=5, rounds=2, noise=0.001)


@pytest.fixture
def journal(tmp_path):
    def write(*records):
        return journals.write(tmp_path / "run.jsonl", journals.header(**DECLARED), *records)

    return write


def test_a_look_alike_is_said_to_be_no_lift_wherever_it_is_named(journal, tmp_path, run_command):
    path = journal(*lines(0.2, (16, 128)), *lines(5.0, (64,)), journals.END)
    run_command(0, path, "--output", tmp_path / "out")
    printed = run_command(0, "report", path, "tokens").out
    for text in (printed, (tmp_path / "out" / "report.md").read_text()):
        said = [line for line in text.splitlines() if "fake" in line]
        assert said
        assert [line for line in said if "no lift" not in line and "A fake" not in line] == []
    assert "fake (no lift)" in (tmp_path / "out" / "tables" / "measurements.csv").read_text()


def test_a_twin_is_no_rival_of_its_strategy(tmp_path, run_command):
    path = journals.selftest(tmp_path / "run.jsonl", bases=("native",), launches=5)
    said = run_command(0, "report", path, "tokens").out
    assert "is a twin of native" in said
    assert "the only lift: native" in said
    assert "(no lift)" not in said


@pytest.mark.parametrize(
    ("fake", "order", "verdict"),
    [
        (0.2, ["fake", "native", "other"], Verdict.FASTER),
        (1.5, ["native", "fake", "other"], Verdict.SLOWER),
        (50.0, ["native", "other", "fake"], Verdict.SLOWER),
    ],
)
def test_a_look_alike_has_a_ratio_to_the_fastest_lift_and_no_rank(journal, fake, order, verdict):
    (ranking,) = rank_run(results.load(journal(*lines(fake))))
    assert [row.case.strategy for row in ranking.all_rows] == order
    assert [row.ratio.value for row in ranking.rows] == pytest.approx([1, 2], rel=0.005)
    (row,) = ranking.unranked
    assert row.ratio.low < fake < row.ratio.high < 1.1 * row.ratio.low
    assert row.seconds_per_call.value == pytest.approx(fake * BEST, rel=0.01)
    assert row.verdict is verdict
    assert np.isfinite([row.half_width, row.detectable]).all()
    assert (row.rank_low, row.rank_high, row.speed_up) == (0, 0, None)
    assert np.isnan([row.p, row.cost_over_best.value, row.cost_over_best.high]).all()


def test_the_lifts_stand_as_they_would_without_the_look_alike(journal):
    run = results.load(journal(*lines(0.2)))
    without = tuple(one for one in run.measurements if one.case.strategy != "fake")
    (alone,) = rank_run(Run(run.header, without, complete=True))
    assert rank_run(run)[0].rows == alone.rows


def test_where_nothing_but_look_alikes_was_measured_none_is_fastest(journal, run_command):
    alone = [one for one in lines(1) if one["case"]["strategy"] == "fake"]
    path = journal(*alone, journals.END)
    said = run_command(0, "report", path, "tokens").out
    assert "fake (no lift)" in said
    assert "no lift was measured" in said
    assert "fastest" not in said
    run_command(2, "choose", "--run", path)
    (ranking,) = rank_run(results.load(path))
    assert ranking.unranked[0].verdict is Verdict.UNDECIDED


def test_tables_for_programs_say_who_is_no_lift(journal, tmp_path, run_command):
    path = journal(*lines(0.2), journals.END)
    frame = timelift.load(path).set_index("strategy")
    assert frame.differs.to_dict() == {"native": "", "other": "", "fake": WHY}
    run_command(0, path, "--output", tmp_path / "out")
    with (tmp_path / "out" / "measurements.csv").open() as file:
        rows = {row["strategy"]: row for row in csv.DictReader(file)}
    assert (rows["fake"]["differs"], rows["fake"]["rank_low"]) == (WHY, "")
    assert (rows["native"]["differs"], rows["native"]["rank_low"]) == ("", "1")


def test_launches_are_not_stopped_because_a_look_alike_is_far_ahead():
    referee = Referee(aside={"fake"})
    for launch, swing in enumerate((0.9, 1.1, 1.0), 1):
        times = {"fake": 1e-4, "native": 1e-3 * swing, "other": 1e-3 / swing}
        for name, seconds in times.items():
            referee.take(CaseInLaunch(journals.case(name), launch, seconds_per_call=[seconds] * 5))
    assert {case.strategy for case in referee.to_play()} == {"fake", "native", "other"}


CASES = journals.grid()
WHOLE = [journals.header(cases=len(CASES)), *journals.campaign(CASES), journals.END]
INTERRUPTED = journals.END | {"exit": "interrupted"}
#: A run against another side, with a slow-down, as it is in the golden files.
AGAINST = Path(__file__).parent / "golden" / "results" / "golden" / "against" / "main.jsonl"


@pytest.mark.parametrize(
    ("lines", "is_provisional"),
    [
        ([*WHOLE[:-1], journals.END | {"exit": "a word of another program"}], True),
        (WHOLE[: 1 + len(CASES)], True),
        ([*WHOLE[:9], journals.END, *WHOLE[9:-1]], True),
        ([*WHOLE[:9], INTERRUPTED, *WHOLE[9:]], False),
        (WHOLE[:1], True),
    ],
)
def test_a_run_is_provisional_until_its_last_line_closes_it(tmp_path, lines, is_provisional):
    run = results.load(journals.write(tmp_path / "run.jsonl", *lines))
    assert run.is_provisional is is_provisional


@pytest.mark.parametrize(
    ("lines", "is_provisional"),
    [
        (WHOLE, False),
        ([*WHOLE[:-1], journals.END | {"exit": "cut short"}], False),
        (WHOLE[:-1], True),
        ([*WHOLE[:-1], INTERRUPTED], True),
    ],
)
def test_every_surface_marks_a_run_that_is_not_over_and_no_other(tmp_path, lines, is_provisional):
    seen = found(tmp_path / "run.jsonl", *lines)
    drawn = [text for one in figures.of_run(seen).values() for text in one.findobj(Text)]
    texts = surfaces(seen) | {"figures": " ".join(text.get_text() for text in drawn)}
    texts["page"] = re.sub("<(style|script)[^>]*>.*?</\\1>", "", texts["page"], flags=re.DOTALL)
    marked = {name for name, text in texts.items() if "provisional" in text}
    assert marked == (set(texts) if is_provisional else set())


@pytest.fixture
def answer(tmp_path, run_command):
    """What a command prints in a project whose results are one run, of these lines."""

    def run(lines, *words):
        journals.write(tmp_path / "results" / "run.jsonl", *lines)
        return run_command(0 if "9000" not in words else 2, *words, root=tmp_path).out

    return run


QUESTION = ("choose", "--workloads", "tokens", "--batch-sizes", "8", "--seq-lens")


@pytest.mark.parametrize("words", [("16",), ("16", "--code"), ("9000",)])
def test_a_command_marks_its_answer(answer, words):
    assert "provisional" not in answer(WHOLE, *QUESTION, *words)
    first, *others = answer(WHOLE[:-1], *QUESTION, *words).splitlines()
    assert first.removeprefix("# ").startswith("provisional: ")
    assert "provisional" not in "".join(others)


@pytest.mark.parametrize("size", ["16", "9000"])
def test_an_answer_for_programs_has_a_field(answer, size):
    for lines in (WHOLE, WHOLE[:-1]):
        data = json.loads(answer(lines, *QUESTION, size, "--json"))
        assert data["provisional"] is (lines is not WHOLE)


def test_a_gate_that_is_not_over_says_so_above_its_verdicts(tmp_path):
    unfinished = tmp_path / "unfinished.jsonl"
    unfinished.write_text("".join(AGAINST.read_text().splitlines(keepends=True)[:-1]))
    cut = tmp_path / "cut.jsonl"
    cut.write_text(AGAINST.read_text().replace('"exit":"complete"', '"exit":"cut short"'))
    runs = map(results.load, (AGAINST, unfinished, cut))
    over, open_still, short = map(verdicts_on_copies, runs)
    assert over.state == ""
    assert open_still.state.startswith("provisional: ")
    assert short.state.startswith("cut short: ")
    assert to_text(replace(open_still, state="")) == to_text(over)


def test_copies_are_recommended_nowhere_and_what_was_wrong_with_their_file_is_told(tmp_path):
    damaged = tmp_path / "damaged.jsonl"
    damaged.write_text(AGAINST.read_text().replace("\n", "\n{\n", 1))
    seen = RunFindings(results.load(damaged))
    added = additions(seen.run, tmp_path)
    whole, part = (full_report(seen, added, one) for one in ((), ("tokens",)))
    assert whole.answer
    assert not part.answer
    for document in (whole, part):
        assert "TimeDistributed" not in to_text(document, at_length=True)
        assert "1 damaged line left out" in to_text(document, at_length=True)
