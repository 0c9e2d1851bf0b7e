"""The law that every replayed rule keeps, and which launches a rule sees."""

import math

import numpy as np
import pytest

from studies.other_tools.rules import RULES
from tests.recorded import recorded, says, simulated
from timelift.analyse.selftest.rule import LadderRule, Seats

every_rule = pytest.mark.parametrize(
    "rule", RULES, ids=[f"{one.name}, {one.seats.label}" for one in RULES]
)


@every_rule
def test_a_rival_three_times_as_slow_is_called_slower(rule: LadderRule) -> None:
    """And one three times as fast is called faster, if the rule knows that word."""
    assert says(rule, simulated([1, 3])) == [1] * 6
    assert says(rule, simulated([3, 1])) == [-1 if rule.says_faster else 0] * 6


@every_rule
def test_the_same_samples_twice_are_no_difference(rule: LadderRule) -> None:
    """Where both rivals sat in the same launches; else launches differ too."""
    seconds = simulated([1])
    seconds = np.concatenate([seconds, seconds], axis=1)
    seconds[:, :, 1::2] = seconds[:, :, ::2]
    assert says(rule, seconds) == [0] * 6


@every_rule
def test_the_unit_of_time_does_not_matter(rule: LadderRule) -> None:
    """In microseconds and in hours the words are the same."""
    seconds = simulated([1, 1.05, 0.9, 1])
    assert says(rule, seconds) == says(rule, 1e6 * seconds)


@every_rule
def test_a_round_that_was_sat_out_counts_nowhere(rule: LadderRule) -> None:
    """Rounds of nobody between those played change no word and no price."""
    seconds = simulated([1, 1.05, 0.9, 1])
    padded = np.full((*seconds.shape[:3], 2 * seconds.shape[3]), np.nan)
    padded[..., ::2] = seconds
    assert says(rule, padded) == says(rule, seconds)
    before, after = (recorded(one, calls=7) for one in (seconds, padded))
    prices = [one.price(rule.judge(one, rule.seats).used) for one in (before, after)]
    assert prices[0] == pytest.approx(prices[1])


@pytest.mark.parametrize("rule", RULES[1:], ids=[one.seats.label for one in RULES[1:]])
def test_a_rule_that_lacks_its_launches_is_not_tried(rule: LadderRule) -> None:
    """It says neither a word nor nothing; with its launches it says something."""
    seconds = simulated([1, 2])
    seconds[0, 1] = np.nan
    found = says(rule, seconds)
    assert math.isnan(found[0])
    assert found[1:] == [1] * 5


def test_seats_apart_share_no_launch() -> None:
    """And those in one process share all of them."""
    sides = np.ones((1, 2, 5, 3))
    for each, shared, apart in ((1, [0], [[0], [1]]), (2, [0, 1], [[0, 2], [1, 3]])):
        for seats, want in ((Seats(each), [shared, shared]), (Seats(each, apart=True), apart)):
            seen = np.isfinite(seats.look(sides)).all(-1)[0]
            assert [np.flatnonzero(side).tolist() for side in seen] == want
    seen = np.isfinite(Seats(None, apart=True).look(sides)).all(-1)[0]
    assert [np.flatnonzero(side).tolist() for side in seen] == [[0, 2, 4], [1, 3]]
    assert np.isnan(Seats(3, apart=True).look(sides)).all()
