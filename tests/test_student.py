"""Our few special functions say what scipy says."""

import numpy as np
import pytest
from scipy import special

from timelift.analyse.stats import estimates, shrink_variances

DEGREES = np.array([1, 1.5, 2, 3.3, 7, 30, 100, 1000, 10_000])


@pytest.mark.parametrize("statistic", [-3, 0, 0.01, 0.7, 2, 10, 300])
def test_the_tail_is_that_of_student_far_out_and_near(statistic):
    """Relative to scipy's tail, wherever that is not nothing."""
    expected = special.stdtr(DEGREES, -statistic)
    seen = expected > 1e-12
    found = estimates.t_tail(np.full(len(DEGREES), statistic), DEGREES)
    assert found[seen] == pytest.approx(expected[seen], rel=1e-8)


@pytest.mark.parametrize("chance", [0.4, 0.05, 0.025, 0.001, 1e-6])
def test_the_quantile_is_exceeded_with_its_chance(chance):
    """The quantile undoes the tail, and keeps the shape of its argument."""
    found = estimates.t_quantile(chance, DEGREES.reshape(3, 3))
    assert found.ravel() == pytest.approx(special.stdtrit(DEGREES, 1 - chance), rel=1e-7)


@pytest.mark.parametrize("x", [0.05, 0.5, 4, 700])
def test_the_inverse_of_trigamma_undoes_it(x):
    """There and back."""
    there = float(special.polygamma(1, x))
    assert shrink_variances.trigamma_inverse(there) == pytest.approx(x, rel=1e-8)
