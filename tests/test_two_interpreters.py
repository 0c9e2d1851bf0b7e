"""Two interpreters: a side that dies or has nothing to play does not hold the other up."""

import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import hostile
from tests.support.launches import FILES, HERE, LIMIT, NAMES, Deadly, file_of, measured, task
from timelift.axis_values import Backend, Status
from timelift.measure.locks import BuildOrPlayLock
from timelift.measure.two_interpreters import TwoInterpreters
from timelift.messages import RivalSpec

BOTH = (
    *HERE,
    *(RivalSpec(f"{name}@other", path, in_other_python=True) for name, path in FILES.items()),
)


@pytest.fixture(scope="module")
def both():
    """The same in two interpreters; the other name of this one stands for another."""
    other = Path(sys.executable).with_name(f"python{sys.version_info[0]}")
    with closing(TwoInterpreters(Backend.TENSORFLOW, LIMIT, str(other))) as started:
        yield started


@pytest.mark.parametrize(
    ("which", "turns"), [pytest.param(0, 0, marks=pytest.mark.whole), (1, 0), (1, 3)]
)
def test_of_two_interpreters_either_side_may_be_killed_while_it_waits(both, which, turns):
    outcomes = measured(both, Deadly(1, which, turns), task(rivals=BOTH))
    assert {outcome.status for outcome in outcomes.values()} == {Status.MEASURED}
    assert len(outcomes) == 2 * len(NAMES)
    assert len({len(outcome.seconds_per_call) for outcome in outcomes.values()}) == 1


def test_where_no_rival_of_one_interpreter_is_built_the_other_plays(both, tmp_path):
    raises = "def build(layer, shape):\n    raise ValueError"
    broken = file_of(tmp_path, "broken", raises, in_other_python=True)
    outcomes = measured(both, BuildOrPlayLock(), task(rivals=(*HERE, broken)))
    assert outcomes.pop("broken").status is Status.FAILED
    assert set(outcomes) == set(NAMES)
    assert all(outcome.seconds_per_call for outcome in outcomes.values())

    rivals = (replace(broken, name="ours", in_other_python=False), broken)
    outcomes = measured(both, BuildOrPlayLock(), task(rivals=rivals))
    assert {outcome.status for outcome in outcomes.values()} == {Status.FAILED}
    assert set(outcomes) == {"ours", "broken"}


def test_of_two_interpreters_a_rival_that_dies_playing_crashed_and_holds_nobody_up(both, tmp_path):
    dies = hostile.WILD["dies_playing"]
    rivals = (*BOTH, file_of(tmp_path, "dies", dies, in_other_python=True))
    outcomes = measured(both, BuildOrPlayLock(), task(rivals=rivals))
    dead = outcomes.pop("dies")
    assert dead.status is Status.CRASHED, dead.reason
    assert "signal SIGSEGV while playing" in dead.reason
    assert {outcome.status for outcome in outcomes.values()} == {Status.MEASURED}
