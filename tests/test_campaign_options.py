"""How much is measured: groups of launches, what fits into the time, how long the rest takes."""

from dataclasses import replace

import pytest

from tests.journals import case
from timelift.measure.campaign_options import Budget, CampaignOptions, Pace
from timelift.measure.options import LaunchRange


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self):
        return self.now


SHORT, LONG = case(seq_len=4).setting, case(seq_len=400).setting


def pay(budget, clock, setting, seconds):
    """Let a launch of a setting take so long."""
    with budget.paying(setting):
        clock.now += seconds


@pytest.fixture
def clock():
    """A clock at 100 s."""
    return Clock()


def test_a_budget_of_the_users_holds_for_everything(clock):
    budget = Budget(60, spare=1000, clock=clock)
    clock.now += 20
    assert budget.left(beyond_fewest=False) == budget.left(beyond_fewest=True) == 40


def test_without_one_only_what_goes_beyond_the_fewest_is_limited(clock):
    budget = Budget(None, spare=30, clock=clock)
    clock.now += 50
    assert budget.left(beyond_fewest=False) == float("inf")
    assert budget.left(beyond_fewest=True) == -20


def test_a_setting_fits_as_long_as_its_last_price_is_left(clock):
    budget = Budget(60, spare=0, clock=clock)
    pay(budget, clock, LONG, 25)
    assert budget.fits(LONG, beyond_fewest=False)
    clock.now += 20
    assert not budget.fits(LONG, beyond_fewest=False)
    assert budget.fits(SHORT, beyond_fewest=False)
    clock.now += 20
    assert not budget.fits(SHORT, beyond_fewest=False)


def test_new_launches_are_not_begun_for_their_imports_alone(clock):
    budget = Budget(60, spare=0, clock=clock)
    budget.import_seconds = 5
    pay(budget, clock, SHORT, 2)
    pay(budget, clock, LONG, 30)
    clock.now += 18
    assert budget.fits_any([SHORT, LONG], beyond_fewest=True)
    assert not budget.fits_any([LONG], beyond_fewest=True)
    clock.now += 4
    assert not budget.fits_any([SHORT, LONG], beyond_fewest=True)


def test_the_pace_so_far_says_how_long_the_rest_takes(clock):
    pace = Pace(4, clock)
    assert pace.seconds_left == float("inf")
    clock.now += 3
    pace.step()
    assert pace.seconds_left == 9
    for _ in range(5):
        pace.step()
    assert pace.seconds_left == 0


@pytest.mark.parametrize(
    ("fewest", "most", "two_sided", "groups"),
    [
        (3, 5, False, [(1,), (2,), (3,), (4, 5)]),
        (2, 5, False, [(1,), (2,), (3,), (4, 5)]),
        (5, 8, False, [(1,), (2,), (3,), (4, 5), (6, 7), (8,)]),
        (4, 8, False, [(1,), (2,), (3,), (4,), (5,), (6, 7), (8,)]),
        (3, 5, True, [(1,), (2, 3), (4, 5)]),
        (1, 1, False, [(1,)]),
        (1, 2, False, [(1,), (2,)]),
        (1, 3, False, [(1,), (2, 3)]),
        (1, 4, False, [(1,), (2, 3), (4,)]),
        (1, 10, False, [(1,), (2, 3), (4, 5), (6, 7), (8,), (9, 10)]),
    ],
)
def test_launches_are_alone_while_their_first_calls_are_facts_and_then_come_in_pairs(
    fewest, most, two_sided, groups
):
    options = CampaignOptions.read({"launches": str(LaunchRange(fewest, most))})
    options = replace(options, two_sided=two_sided)
    assert list(options.groups((3, 5, 8, 12))) == groups
