"""`--until 0.3%`: what it refuses, how long it plays, and what it says of the width it reached."""

import dataclasses
import math
import re

import numpy as np
import pytest

from studies import noise, widths
from tests import journals
from tests.repositories import strategy, workload, write
from tests.simulated import plain
from timelift.analyse import quality
from timelift.analyse.findings import RunFindings
from timelift.analyse.runs.measurement import Run
from timelift.analyse.stats.estimates import estimate
from timelift.analyse.stats.ranking import rank
from timelift.analyse.stats.stopping import WIDENING, WIDTH_LOOKS, Referee, by_width
from timelift.errors import UserError
from timelift.journal import Header
from timelift.journal.reading import case_in_launch_from
from timelift.measure import until
from timelift.measure.option_texts import LaunchRange
from timelift.measure.options import OPTIONS
from timelift.measure.session import RunMode, Session
from timelift.present import conditions
from timelift.present.page import render
from timelift.present.report import report
from timelift.present.summary import summary
from timelift.project import Project

ASKED = 0.003


def cases(names, lengths=(4,)):
    """Cases of these strategies at every length."""
    return [journals.case(name, seq_len=length) for name in names for length in lengths]


# What it is asked ---------------------------------------------------------------------------------


@pytest.mark.parametrize("names", ["ab", "abcd"])
def test_one_setting_of_few_strategies_is_a_question(names):
    until.refuse_many_questions(cases(names))


@pytest.mark.parametrize(
    ("names", "lengths", "received", "remedy"),
    [
        ("a", (4,), "1 setting of 1 strategy", "name 2 to 4 strategies with --strategies"),
        ("abcde", (4,), "1 setting of 5 strategies", "name 2 to 4 strategies with --strategies"),
        ("ab", (4, 8), "2 settings of 2 strategies", "name one value for --seq-lens"),
        (
            "abcde",
            (4, 8),
            "2 settings of 5 strategies",
            "name one value for --seq-lens and name 2 to 4 strategies with --strategies",
        ),
    ],
)
def test_more_is_refused_with_what_to_leave_out(names, lengths, received, remedy):
    sentence = f"expected one setting and 2 to 4 strategies, received {received}; {remedy}"
    with pytest.raises(UserError, match=f"^--until .*{re.escape(sentence)}$"):
        until.refuse_many_questions(cases(names, lengths))


def session(tmp_path, mode=None, **texts):
    """A session in a project of one strategy and one workload."""
    write(tmp_path, {"strategies/native.py": strategy(), "workloads/sensor.py": workload()})
    empty = {option.name: "" for option in OPTIONS}
    return Session(Project(tmp_path), empty | texts, mode or RunMode())


@pytest.mark.parametrize(
    ("mode", "texts", "flag"),
    [
        (RunMode(selftest=True), {}, "--selftest"),
        (RunMode(), {"against": "HEAD"}, "--against"),
        (RunMode(), {"against_path": "."}, "--against-path"),
        (RunMode(), {"against_python": "python3"}, "--against-python"),
    ],
)
def test_what_has_a_rule_of_its_own_is_refused_beside_it(tmp_path, mode, texts, flag):
    with pytest.raises(UserError, match=f"^--until: expected .*received {flag}, which has a rule"):
        session(tmp_path, mode, until="0.3%", **texts)


def test_it_plays_longer_rounds_in_more_launches_unless_told_otherwise(tmp_path):
    alone = session(tmp_path, until="0.3%").options
    assert (alone["launches"], alone["round_seconds"]) == (LaunchRange(3, 999), 0.5)
    told = session(tmp_path, until="0.3%", launches="3-20", round_seconds="0.2").options
    assert (told["launches"], told["round_seconds"]) == (LaunchRange(3, 20), 0.2)
    assert session(tmp_path).options["launches"] == LaunchRange(3, 12)


# When it stops ------------------------------------------------------------------------------------


def settled(launches):
    """Whether a comparison with these launches of a log ratio is known closely enough."""
    estimates = estimate(plain([launches]))
    (found,) = by_width(ASKED)(estimates, np.zeros(1, int), estimates.effect)
    return bool(found)


def test_a_ratio_is_settled_by_its_width_alone():
    narrow = np.array([-1, 1, -1, 1, -1, 1, -1, 1, 0]) * 0.003
    assert settled(narrow)
    assert settled(narrow + 0.7)
    assert not settled(narrow * 1.3)
    just = narrow * math.log1p(ASKED) / estimate(plain([narrow])).half_width(0.025)[0]
    assert settled(just / WIDENING / 1.001)
    assert not settled(just / 1.001)


def played(spread, **how):
    """How many launches a referee asks for, of 41 at most."""
    referee, random = Referee(**how), np.random.default_rng(3)
    for launch in range(1, 42):
        for name in "ab":
            moved = 1e-3 * np.exp(random.normal(0, spread) + random.normal(0, 1e-3, 20))
            line = journals.line(journals.case(name), launch, moved.tolist())
            referee.take(case_in_launch_from(line, []))
        if launch in referee.decision_points and not referee.to_play():
            return launch
    return launch


def test_launches_go_on_until_the_width_is_reached():
    assert played(0.0005, until=ASKED) == WIDTH_LOOKS[0]
    assert 11 <= played(0.005, until=ASKED) < 41
    assert played(0.05, until=ASKED) == 41
    assert played(0.05) == 12


@pytest.mark.parametrize("place", [1, 5])
def test_the_width_at_which_it_stopped_holds_the_truth(place):
    found = widths.mark_widths(noise.SCENARIOS[place], 2, 0.01, 400, np.random.default_rng(place))
    assert found.held.mean() >= 0.93
    assert found.reached.mean() > 0.8


def test_stopping_at_the_first_narrow_interval_holds_less():
    eager = widths.WidthRule(looks=range(3, 60), widening=1.0)
    found = widths.mark_widths(noise.SCENARIOS[1], 2, 0.01, 400, np.random.default_rng(1), eager)
    assert found.held.mean() < 0.93


# What it says -------------------------------------------------------------------------------------


def run_of(half_width, asked="0.003", seconds=300):
    """A run of two rivals, its header's option, and a ranking that knows so much."""
    times = noise.seconds(
        noise.SCENARIOS[0],
        noise.Shape(settings=1, rivals=2, launches=3),
        np.zeros(2),
        np.random.default_rng(1),
    )
    header = Header(started="2026-01-01T00:00:00+00:00", options={"until": asked})
    ended = f"2026-01-01T00:{seconds // 60:02}:{seconds % 60:02}+00:00"
    run = Run(header, tuple(noise.measurements(times)), complete=True, ended=ended)
    (found,) = rank(run.measurements)
    row = dataclasses.replace(found.rows[1], half_width=math.log1p(half_width) / WIDENING)
    return RunFindings(run, given=[dataclasses.replace(found, rows=(found.rows[0], row))])


FIVE_MINUTES = "each ratio to the fastest to ±0.50 % after 5 min"


@pytest.mark.parametrize(
    ("half_width", "words"),
    [
        (0.0028, "each ratio to the fastest to ±0.28 %; ±0.3 % was asked for"),
        (0.005, f"{FIVE_MINUTES}; ±0.3 % was asked for, which takes some --budget 15m"),
        (math.nan, "nothing, from one launch; ±0.3 % was asked for"),
    ],
)
def test_the_width_that_was_reached_is_told_with_the_one_that_was_asked_for(half_width, words):
    found = run_of(half_width)
    assert dict(summary(found, None).notes)["known"] == words
    assert dict(conditions.lines(found))["known"] == words


def test_the_page_says_it_once():
    found = run_of(0.005)
    page = render.html(found, report(found), render.Beside())
    assert page.count("<dt>known</dt>") == 1
    assert page.count(FIVE_MINUTES) == 1


@pytest.mark.parametrize("asked", ["", "x", "-1", "7"])
def test_a_run_that_was_not_asked_for_it_says_nothing_of_it(asked):
    found = run_of(0.005, asked)
    assert found.width is None
    assert "known" not in dict(summary(found, None).notes)
    assert quality.width(found.run, []) is None
