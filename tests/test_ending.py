"""The last lines of a run: the answer, what was not reached, and where to read more."""

from pathlib import Path

import pytest

from tests import journals
from tests.simulated import LOUD, run
from timelift import ended
from timelift.analyse.quality import TooNoisy
from timelift.analyse.recommend import recommend
from timelift.analyse.runs import results
from timelift.analyse.runs.measurement import Run
from timelift.analyse.stats.ranking import rank
from timelift.journal import Header
from timelift.present import conditions, recommended, styled
from timelift.present.ending import SETTINGS, how_to_read


def text(costs, launches=5, **how):
    """What is said of rivals that cost so much."""
    return list(ended.without_journal(Run(Header(), run(costs, launches, **how), complete=True)))


def test_every_setting_has_its_answer():
    """The fastest, what cannot be told from it, and what the last costs."""
    first, second, everywhere = text([1, 1.2, 3], sizes=2)
    assert first.startswith("simulated-T1-B1-forward-graph: fastest: rival0; ")
    assert "`rival2` costs 2.98 to 3.02 times the best" in first
    assert "T2" in second
    assert everywhere == (
        "simulated: rival0, never shown slower than the best, in all 2 settings; "
        "costs at most 0.0 % over the best"
    )


def test_what_cannot_be_told_apart_is_named():
    """With what choosing the first may cost."""
    (line,) = text([1, 1, 3], scenario=LOUD)
    assert "not shown slower: rival" in line
    assert "costs at most" in line


def test_one_launch_is_no_verdict():
    """It says so instead of a price."""
    (line,) = text([1, 1.5], launches=1)
    assert line.endswith("was fastest in one launch, which is no verdict")


def test_a_rival_of_one_launch_does_not_make_the_answer_one_of_one_launch(tmp_path):
    """The reason of the recommendation decides, not whether its price is known."""
    lines = [journals.line(journals.case("native"), launch, [1e-3] * 3) for launch in range(1, 6)]
    slower = journals.line(journals.case("loop_slice"), 1, [2e-3] * 3)
    path = journals.write(tmp_path / "run.jsonl", journals.header(), *lines, slower, journals.END)
    answer, *_ = ended.lines(path)
    assert answer.endswith(": fastest: native; not shown slower: loop_slice")
    assert styled.markup(answer) == {"green": True}


def test_a_large_grid_is_not_repeated_line_by_line():
    """The report has the rest."""
    lines = text([1, 1.5], sizes=20)
    assert len(lines) == SETTINGS + 2
    assert lines[-2] == "and 8 more settings: see the report"


def test_a_lone_strategy_has_no_answer():
    """Nothing was compared."""
    assert text([1], sizes=3) == []


def test_where_no_strategy_is_safe_it_says_so():
    """Each is slower somewhere."""
    mixed = [*rank(run([1, 1.5])), *rank(run([1.5, 1]))]
    (said,) = recommended.everywhere(recommend(mixed))
    assert said == "no strategy stayed unbeaten in all 2 settings"


def test_two_launches_beat_no_strategy():
    """They say nothing of all settings together, instead of that a strategy was beaten."""
    (said,) = recommended.everywhere(recommend(rank(run([1, 1.5], 2, sizes=2))))
    assert said == "fewer than 3 launches give no verdict"


def test_each_of_several_workloads_has_its_answer(tmp_path):
    """Who is most often among the fastest there."""
    cases = journals.grid(workloads=("tokens", "frames"), phases=("forward",))
    path = journals.synthetic(tmp_path / "run.jsonl", cases, launches=5, noise=0.001)
    found = list(ended.without_journal(results.load(path)))
    assert found[-3:-1] == [
        f"{name}: native, never shown slower than the best, in all 2 settings; "
        "costs at most 0.0 % over the best"
        for name in ("frames", "tokens")
    ]


@pytest.mark.parametrize(
    ("found", "colours"),
    [
        (text([1, 1.5]), [{"green"}]),
        (text([1, 1.5], 1), [{"yellow"}]),
        (text([1, 1.5], sizes=2)[-1:], [{"green", "bold"}]),
        (text([1, 1.5], 1, sizes=2)[-1:], [{"yellow"}]),
        (recommended.everywhere(recommend(rank(run([1, 1.5], sizes=2)))), [{"green", "bold"}]),
        (recommended.everywhere(recommend(rank(run([1, 1.5], 2, sizes=2)))), [{"yellow"}]),
        (conditions.too_noisy(TooNoisy(0.02, 3, 0.1, ())), [{"yellow"}]),
        ([how_to_read(Path("run.jsonl")), ": fastest: a plain text"], [set(), set()]),
    ],
)
def test_answers_are_green_and_doubts_are_yellow(found, colours):
    """In the words of pytest's terminal writer; what a text says does not colour it."""
    assert [{name for name, on in styled.markup(line).items() if on} for line in found] == colours


def test_the_end_of_a_run_says_how_to_read_it(tmp_path):
    """The path is shown as the user would type it."""
    path = journals.synthetic(tmp_path / "run.jsonl")
    *_, last = ended.lines(path)
    assert last == f"{path}; read it with: python report.py {path}"


def test_the_end_of_a_self_test_keeps_what_it_found(tmp_path):
    """Beside its journal, for the reports to come."""
    path = journals.selftest(tmp_path / "run.jsonl", launches=5)
    lines = list(ended.selftest_lines(path))
    assert lines[0].startswith("identical code was called different in ")
    assert (tmp_path / "trust.json").exists()


def test_a_self_test_that_tells_less_does_not_take_the_place_of_one_that_tells_more(tmp_path):
    """Whoever tries it for a minute does not lose an hour's bounds; other versions are news."""
    large = journals.selftest(tmp_path / "large.jsonl", sizes=6, launches=3)
    small = journals.selftest(tmp_path / "small.jsonl", sizes=1, launches=3)
    list(ended.selftest_lines(large))
    kept = (tmp_path / "trust.json").read_text()
    assert any("which rests on more comparisons" in line for line in ended.selftest_lines(small))
    assert (tmp_path / "trust.json").read_text() == kept
    list(ended.selftest_lines(large))
    (tmp_path / "trust.json").write_text(kept.replace("3.15.1", "3.14.0"))
    assert any("from now on" in line for line in ended.selftest_lines(small))


@pytest.mark.parametrize("strategies", [("native",), ("native", "fold_time")])
def test_a_self_test_without_twins_has_no_result(tmp_path, strategies):
    """And writes nothing."""
    cases = journals.grid(strategies=strategies)
    path = journals.synthetic(tmp_path / "run.jsonl", cases)
    (line,) = ended.selftest_lines(path)
    assert line.endswith("so there is no result")
    assert not (tmp_path / "trust.json").exists()
