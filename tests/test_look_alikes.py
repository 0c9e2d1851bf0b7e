"""No look-alike is named fastest, however fast it is, in any of the places that name one."""

import csv
import itertools
import re
from pathlib import Path

import numpy as np
import pytest

import report
import timelift
from tests import journals
from timelift.analyse import results
from timelift.analyse.findings import RunFindings
from timelift.analyse.ranking import rank_run
from timelift.analyse.results import Run
from timelift.analyse.stopping import Referee
from timelift.analyse.verdicts import Verdict
from timelift.measurement import CaseInLaunch
from timelift.present import terminal
from timelift.present.summary import Pointers, summary

ROOT = Path(report.__file__).parent
WHY = "it computes something else"
DECLARED = {
    "strategies": {
        "fake": {"title": "A fake", "differs": WHY},
        "native": {"title": "The layer itself", "differs": ""},
    }
}
#: Faster than every lift, as fast as the best, and slower than every lift.
SPEEDS = {"faster": 0.2, "as fast": 1.0, "slower": 50.0}
BEST, OTHER = 1e-3, 2e-3
WOBBLE = (1.0, 1.003, 0.998, 1.001, 0.999)
#: What names an answer.
NAMED = re.compile(
    r"(fastest|lose): (.*, )?fake|fake was fastest|not shown slower: .*fake"
    r"|: fake, (never|closest|least)"
    r"|never shown slower.*fake|fake`? costs|is fake\b"
)


def lines(fake, lengths=(16,), **axes):
    """Five launches of two lifts and of a look-alike that takes so many times the best."""
    times = {"native": BEST, "other": OTHER, "fake": fake * BEST}
    grid = itertools.product(enumerate(WOBBLE, 1), lengths, times)
    for (launch, factor), length, name in grid:
        seconds = times[name] * factor * length / 16
        case = journals.case(name, seq_len=length, **axes)
        yield journals.line(case, launch, [seconds, seconds * 1.001])


@pytest.fixture
def journal(tmp_path):
    def write(*records):
        return journals.write(tmp_path / "run.jsonl", journals.header(**DECLARED), *records)

    return write


@pytest.mark.parametrize("fake", SPEEDS.values(), ids=SPEEDS)
def test_a_look_alike_is_said_to_be_no_lift_and_never_named_as_an_answer(
    journal, tmp_path, capsys, fake
):
    made = [*lines(fake, (16, 128)), *lines(1 / fake, (64,)), *lines(fake, mode="eager")]
    path = journal(*made, journals.END)
    assert report.main([str(path), "--output", str(tmp_path / "out")]) == 0
    assert report.main(["report", str(path), "tokens"]) == 0
    texts = {
        "terminal": capsys.readouterr().out,
        "markdown": (tmp_path / "out" / "report.md").read_text(),
    }
    for name, text in texts.items():
        said = [line for line in text.splitlines() if "fake" in line]
        assert said, name
        assert [line for line in said if "no lift" not in line and "A fake" not in line] == [], name
        assert re.search("fastest: native|\\| native \\|", text), name
    ending = summary(RunFindings(results.load(path)), Pointers())
    assert "fake" not in terminal.summary_text(ending, 80, colour=False)
    page = (tmp_path / "out" / "index.html").read_text()
    said = [*texts["terminal"].splitlines(), *page.splitlines()]
    assert [line for line in said if NAMED.search(line)] == []
    for name in ("execution", "prices"):
        sheet = tmp_path / "out" / "tables" / f"{name}.csv"
        assert not sheet.exists() or "fake" not in sheet.read_text()
    assert "fake (no lift)" in (tmp_path / "out" / "tables" / "measurements.csv").read_text()


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
    assert [row.ratio.value for row in ranking.rows] == pytest.approx([1, 2])
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


def test_where_nothing_but_look_alikes_was_measured_none_is_fastest(journal, capsys):
    alone = [one for one in lines(1) if one["case"]["strategy"] == "fake"]
    path = journal(*alone, journals.END)
    assert report.main(["report", str(path), "tokens"]) == 0
    said = capsys.readouterr().out
    assert "fake (no lift)" in said
    assert "no lift was measured" in said
    assert "fastest" not in said
    assert report.main(["choose", "--run", str(path)]) == 2
    (ranking,) = rank_run(results.load(path))
    assert ranking.unranked[0].verdict is Verdict.UNDECIDED


def test_a_lift_beside_look_alikes_alone_has_no_contest(journal, capsys):
    kept = [one for one in lines(0.2) if one["case"]["strategy"] != "other"]
    assert report.main(["report", str(journal(*kept)), "tokens"]) == 0
    assert "the only lift: native" in capsys.readouterr().out


@pytest.mark.parametrize("against", [False, True], ids=["a self-test", "another side"])
def test_a_twin_is_recommended_as_little(tmp_path, capsys, against):
    path = journals.selftest(tmp_path / "run.jsonl", bases=("native",), launches=5)
    if against:
        told = {"native@HEAD": {"title": "x", "against": {"of": "native"}}}
        cases = journals.grid(("native", "native@HEAD"), seq_lens=(8, 64))
        lines = list(journals.campaign(cases, launches=5))
        path = journals.write(path, journals.header(strategies=told), *lines, journals.END)
    assert report.main([str(path), "--output", str(tmp_path / "out")]) == 0
    assert report.main(["report", str(path), "tokens"]) == 0
    said = capsys.readouterr().out
    page = (tmp_path / "out" / "index.html").read_text()
    named = re.compile(r"(fastest|slower|is): [^|]*@|`?[\w.]+@\S* costs")
    assert [line for line in (*said.splitlines(), *page.splitlines()) if named.search(line)] == []
    assert "is a twin of native" in said
    assert "the only lift: native" in said
    assert "(no lift)" not in said
    (headline,) = re.findall(r"<h1[^>]*>(.*)</h1>", page)
    assert headline.startswith("No twin" if against else "Identical code was called different in 0")


def test_tables_for_programs_say_who_is_no_lift(journal, tmp_path):
    path = journal(*lines(0.2), journals.END)
    frame = timelift.load(path).set_index("strategy")
    assert frame.differs.to_dict() == {"native": "", "other": "", "fake": WHY}
    assert report.main([str(path), "--output", str(tmp_path / "out")]) == 0
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


def test_every_reader_ranks_by_the_one_rule():
    by_itself = re.compile(r"\brank\(|import .*\brank\b")
    for source in ("from timelift.analyse.ranking import Ranking, rank", "ranking.rank(rivals)"):
        assert by_itself.search(source)
    readers = [path for path in (ROOT / "timelift").rglob("*.py") if path.parent.name != "analyse"]
    assert [path for path in readers if by_itself.search(path.read_text())] == []
