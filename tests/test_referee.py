"""The referee reads a journal's lines and names the cases that should play on."""

import numpy as np
import pytest

from tests import journals
from timelift.analyse.stats.stopping import LOOKS, Referee
from timelift.case import Case, Status
from timelift.journal import CaseInLaunch, case_in_launch_from
from timelift.planted import MARK, PLANTS

TWINS = [f"native{MARK}{plant.word}" for plant in PLANTS]


def judge(costs, launches, spread=0.003, **how):
    """A referee who has seen these rivals, by name, play so many launches."""
    referee, noise = Referee(**how), np.random.default_rng(11)
    for launch in range(1, launches + 1):
        for name, cost in costs.items():
            moved = cost * np.exp(noise.normal(0, spread) + noise.normal(0, 0.01, 20))
            line = journals.line(journals.case(name), launch, (1e-3 * moved).tolist())
            referee.take(case_in_launch_from(line, []))
    return referee


def names(cases):
    """The strategies of some cases."""
    return {case.strategy for case in cases}


def test_a_clear_run_needs_no_more_launches():
    """All is known at the first look."""
    assert judge({"a": 1, "b": 1.5}, LOOKS[0]).to_play() == frozenset()


def test_rivals_that_cannot_be_told_apart_play_on_and_clear_losers_do_not():
    """The fastest and the one beside it."""
    loud = judge({"a": 1, "b": 1.0, "c": 60}, LOOKS[0], spread=0.08)
    assert names(loud.to_play()) == {"a", "b"}


@pytest.mark.parametrize(("precision", "more"), [(0.2, False), (0.002, True)])
def test_the_precision_asked_for_decides(precision, more):
    """A difference of 3 % known to about 2 %: enough for 20 %, not for 0.2 %."""
    seen = judge({"a": 1, "b": 1.03}, LOOKS[0], spread=0.01, precision=precision)
    assert bool(seen.to_play()) is more


def test_what_was_not_measured_teaches_nothing():
    """A refusal is no reason to play on, and no reason to stop the others."""
    referee = judge({"a": 1, "b": 1.5}, LOOKS[0])
    referee.take(CaseInLaunch(case=journals.case("c"), launch=1, status=Status.REFUSED))
    referee.take(CaseInLaunch(case=journals.case("d"), launch=1))
    assert referee.to_play() == frozenset()
    assert names(one.case for one in referee.measurements()) == {"a", "b", "c"}


def test_in_a_self_test_twins_are_compared_with_their_strategy():
    """A faster twin must not draw all launches to itself, as the fastest rival would."""
    costs = {"native": 1.0, "native@-5%": 0.5, "native@copy": 1.0}
    playing = judge(costs, LOOKS[0], spread=0.03, planted=True).to_play()
    assert names(playing) >= {"native", "native@copy"}
    usual = judge(costs, LOOKS[0], spread=0.03).to_play()
    assert "native@copy" not in names(usual)


def test_a_twin_that_is_slow_in_some_launches_plays_along_and_teaches_nothing():
    """It is never the reason for another launch, and never left out of one."""
    costs = {"native": 1.0, "native@copy": 1.0, "native@one_in_4": 1.0}
    open_ones = judge(costs, LOOKS[0], spread=0.05, planted=True).to_play()
    assert names(open_ones) == set(costs)
    done = judge({"native": 1.0, "native@one_in_4": 9.0}, LOOKS[0], planted=True).to_play()
    assert done == frozenset()


def test_every_twin_of_the_catalogue_can_be_told_from_its_strategy():
    """The names that the self-test gives are those that the referee knows."""
    setting = journals.case().setting
    assert all(Case(setting, name).strategy.partition(MARK)[0] == "native" for name in TWINS)
    assert len(set(TWINS)) == len(PLANTS)
