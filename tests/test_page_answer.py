"""The answer of the page: what is never shown slower, else a condition, else the least to lose."""

import itertools
import math
import re

import pytest

from tests import journals
from tests.pages import found
from timelift.analyse.answer import answers_by_workload
from timelift.analyse.findings import pareto_front
from timelift.analyse.recommend import recommend
from timelift.analyse.runs.measurement import Run
from timelift.analyse.stats.estimates import Interval
from timelift.analyse.stats.ranking import RankedCase, Ranking, SpeedUp
from timelift.analyse.stats.verdicts import Verdict
from timelift.case import Case
from timelift.journal import Header
from timelift.present.answer import headline, price_sentence, speed_up_in_words
from timelift.present.page.own_tables import prices

#: Seconds per call at 16 and at 128 steps.
CROSSING = {"steady": (1.2e-3, 1.2e-3), "short": (1e-3, 3e-3), "long": (3e-3, 1e-3)}


def _lines(times, **axes):
    """Five launches of these strategies at two lengths, with a little noise."""
    wobble = (1.0, 1.003, 0.998, 1.001, 0.999)
    sizes = [
        (journals.case(name, seq_len=length, **axes), seconds)
        for name, both in times.items()
        for length, seconds in zip((16, 128), both, strict=True)
    ]
    return [
        journals.line(case, launch, [seconds * factor, seconds * factor * 1.001])
        for (launch, factor), (case, seconds) in itertools.product(enumerate(wobble, 1), sizes)
    ]


def _found(path, *lines, **header):
    return found(path, journals.header(**header), *lines, journals.END)


def _answer(path, *lines, **header):
    (answer,) = _found(path, *lines, **header).answers.values()
    return answer.single


def test_what_is_never_shown_slower_is_recommended(tmp_path):
    times = {"best": (1e-3, 1e-3), "time_distributed": (2e-3, 3e-3)}
    seen = _found(tmp_path / "run", *_lines(times))
    assert seen.answer.strategies == ("best",)
    assert headline(seen) == (
        "Write best: 2.0 to 3.0 times as fast as TimeDistributed here, "
        "and never shown slower than anything else."
    )
    assert price_sentence(seen.answer) == "It is the best in every setting."


def test_what_is_no_best_everywhere_costs_something_in_words_of_as_many_settings(tmp_path):
    times = {"best": (1e-3, 1e-3), "close": (1e-3, 1e-3), "time_distributed": (2e-3, 3e-3)}
    lines = _lines(times)
    one = [line for line in lines if line["case"]["seq_len"] == 16]
    for measured, end in ((lines, ", in any setting"), (one, "")):
        seen = _found(tmp_path / "run", *measured)
        assert re.fullmatch(
            rf"It costs at most [\d.]+ % over the best{end}\.", price_sentence(seen.answer)
        )


def test_else_a_condition_tells_which_to_write_where(tmp_path):
    seen = _found(tmp_path / "run", *_lines(CROSSING))
    assert headline(seen) == (
        "Write long at 128 steps; else short: never shown slower than anything else."
    )


def test_what_loses_in_many_settings_is_no_advice(tmp_path):
    crossing = CROSSING | {"time_distributed": (6e-3, 6e-3)}
    odd = {name: (both[1], both[0]) for name, both in crossing.items()}
    lines = [
        line
        for place, batch in enumerate((1, 2, 4, 8))
        for line in _lines(odd if place in {1, 3} else crossing, batch=batch)
    ]
    seen = _found(tmp_path / "run", *lines)
    assert headline(seen) == "No single strategy suits all 8 settings: see your case below."
    assert (
        price_sentence(seen.answer)
        == "steady has the least to lose: it costs at most 21 % over the best."
    )


def test_what_loses_in_few_settings_is_advice_with_its_place_where_one_is_known(tmp_path):
    lines = [
        line
        for batch, other in {1: (9e-4, 2e-3), 2: (2e-3, 9e-4), 4: (2e-3, 2e-3)}.items()
        for line in _lines(
            {"steady": (1e-3, 1e-3), "other": other, "time_distributed": (5e-3, 5e-3)}, batch=batch
        )
        + _lines(
            {"steady": (1e-3, 1e-3), "other": (2e-3, 2e-3), "time_distributed": (5e-3, 5e-3)},
            batch=10 * batch,
        )
    ]
    seen = _found(tmp_path / "run", *lines)
    assert headline(seen) == (
        "Write steady: 5.0 times as fast as TimeDistributed here, "
        "but shown slower in 2 of 12 settings."
    )
    assert re.fullmatch(r"It costs at most 1[12] % over the best\.", price_sentence(seen.answer))


def test_a_gain_that_was_not_shown_everywhere_says_where_it_was(tmp_path):
    times = {"best": (1e-3, 1e-3), "time_distributed": (2e-3, 1.001e-3)}
    text = headline(_found(tmp_path / "run", *_lines(times)))
    assert "times as fast as TimeDistributed here, shown in 1 of 2 settings, and never" in text


def test_what_everybody_writes_is_kept_where_nothing_is_gained(tmp_path):
    times = {"time_distributed": (1e-3, 1e-3), "other": (2e-3, 2e-3)}
    assert headline(_found(tmp_path / "run", *_lines(times))) == (
        "Keep time_distributed: nothing is gained over it, and it was never shown slower."
    )


def test_a_gain_over_another_baseline_is_said_apart(tmp_path):
    times = {"best": (1e-3, 1e-3), "time_distributed": (2e-3, 3e-3), "loop_slice": (4e-3, 4e-3)}
    rare = ("time_distributed", 128)
    lines = [one for one in _lines(times) if _name_and_length(one) != rare]
    text = headline(_found(tmp_path / "run", *lines))
    assert "2.0 times as fast as TimeDistributed in 1 of 2 settings" in text
    assert ", 4.0 times as fast as loop_slice in 1, and never" in text


def test_an_interval_is_written_where_one_sees_that_it_has_a_width():
    told = {(3.38, 3.42): "3.4", (3.32, 3.42): "3.4 [3.3, 3.4]", (math.nan, math.nan): "3.4"}
    for (low, high), text in told.items():
        assert speed_up_in_words(SpeedUp(3.4, low, high, verdict=Verdict.FASTER)) == text


def test_a_bound_that_says_more_about_the_noise_is_told_so(tmp_path):
    noisy = journals.campaign(journals.grid(("native", "fold_time")), launches=3, noise=0.5)
    seen = _found(tmp_path / "run", *noisy)
    assert seen.answer.price > 1.5
    assert price_sentence(seen.answer).startswith(
        "What it costs over the best is known no better than"
    )


def _name_and_length(line):
    return line["case"]["strategy"], line["case"]["seq_len"]


def test_what_was_not_measured_everywhere_comes_after_what_was(tmp_path):
    lines = _lines({"best": (1e-3, 1e-3), "other": (2e-3, 2e-3), "rare": (5e-4, 5e-4)})
    kept = [one for one in lines if _name_and_length(one) != ("rare", 128)]
    answer = _answer(tmp_path / "run", *kept)
    assert answer.strategy == "best"
    others = answer.prices[1:]
    assert [(one.strategy, one.settings) for one in others] == [("other", 2), ("rare", 1)]


def _ranking(**seconds):
    """A ranking of strategies with their seconds per call."""
    setting = journals.case().setting
    rivals = [
        RankedCase(Case(setting, name), Interval(each), Interval(1, 1, 1), Verdict.SAME, 1, 1, 3)
        for name, each in seconds.items()
    ]
    return Ranking(setting, tuple(rivals))


def test_the_front_has_what_is_beaten_in_neither_time_nor_memory():
    found = _ranking(a=1.0, b=1.0, c=2.0, d=3.0)
    peak = dict(zip((row.case for row in found.rows), (8.0, 9.0, 8.0, 2.0), strict=True))
    assert [row.case.strategy for row in pareto_front(found.rows, peak)] == ["a", "d"]


def test_nothing_is_on_the_front_that_one_of_unknown_memory_may_beat():
    found = _ranking(a=1.0, b=2.0, c=3.0, d=4.0)
    a, b, c, d = (row.case for row in found.rows)
    known = {a: 8.0, b: 9.0, c: 4.0, d: 2.0}
    fronts = {None: [a, c, d], a: [], b: [a], c: [a], d: [a, c]}
    for unknown, front in fronts.items():
        peaks = {case: size for case, size in known.items() if case != unknown}
        assert [row.case for row in pareto_front(found.rows, peaks)] == front


def test_backward_is_paired_with_its_own_forward(tmp_path):
    cases = journals.grid(("native", "loop_slice"), seq_lens=(8,))
    alone = [case for case in cases if case.label != "tokens-T8-B8-forward-graph-native"]
    seen = found(tmp_path / "run", journals.header(), *journals.campaign(alone))
    ((case, ratio),) = seen.backward_over_forward.items()
    assert case.strategy == "loop_slice"
    rows = {row.case: row.seconds_per_call.value for one in seen.rankings for row in one.rows}
    forward = next(one for one in rows if one.strategy == "loop_slice" and one != case)
    assert ratio == pytest.approx(rows[case] / rows[forward])


def test_nothing_is_chosen_from_a_run_without_rivals():
    assert answers_by_workload([]) == {}
    assert Run(Header(), (), complete=True).measurements == ()
    assert recommend([]) is None
    assert recommend([_ranking(a=1.0)]) is None
    assert recommend([_ranking(a=1.0, b=2.0)]) is not None


def test_the_table_of_prices_has_every_strategy_the_chosen_first(tmp_path):
    lines = _lines({"best": (1e-3, 1e-3), "other": (2e-3, 2e-3)})
    made = prices(_found(tmp_path / "run", *lines).answers)
    rows = [(name, safe) for name, _, _, safe, _ in made.cells]
    assert rows == [("best", "yes"), ("other", "no")]


def test_no_gain_is_told_over_the_advice_itself(tmp_path):
    times = {"fold_time": (1e-3, 1e-3), "time_distributed": (2e-3, 2e-3), "x": (5e-3, 5e-3)}
    lines = [one for one in _lines(times) if _name_and_length(one) != ("time_distributed", 128)]
    text = headline(_found(tmp_path / "run", *lines))
    start = "Write fold_time: 2.0 times as fast as TimeDistributed in 1 of 2 settings,"
    assert text.startswith(start)
    assert text.count("fold_time") == 1
