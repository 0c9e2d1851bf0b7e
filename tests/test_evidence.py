"""What the evidence is: launches, or machines where three or more played a setting."""

import numpy as np
import pytest

from tests.simulated import played_on, run
from timelift.analyse.effects import Effects, aligned_samples, all_pairs
from timelift.analyse.estimates import absolute_times
from timelift.analyse.evidence import by_machine, pairs_by_setting
from timelift.analyse.ranking import rank


def test_launches_of_a_machine_are_averaged_first_and_their_errors_along():
    effect = np.array([[0.1, 0.2, 0.3, 0.6, 0.8], [np.nan, 0.2, np.nan, np.nan, 0.8]])
    error = np.array([[0.3, 0.1, 0.4, 0.1, 0.2], [np.nan, 0.1, np.nan, np.nan, 0.2]])
    means = by_machine([Effects(effect, error)], [["b", "a", "b", "c", ""]])
    expected = [[0.2, 0.2, 0.6, 0.8], [0.2, np.nan, np.nan, 0.8]]
    assert means.effect[:, :4] == pytest.approx(np.array(expected), nan_ok=True)
    assert np.isnan(means.effect[:, 4]).all()
    assert means.standard_error[0, :3] == pytest.approx([0.1, 0.25, 0.1])


@pytest.mark.parametrize("marks", ["aaaaa", "ababa", ("", "", "a", "b", "")])
def test_one_machine_or_two_leave_launches_the_evidence_to_the_last_bit(marks):
    measured = run([1, 1.02, 1.1], sizes=2)
    assert rank(played_on(measured, marks)) == rank(measured)


def test_of_three_machines_the_ratios_rest_on_three_means_however_many_launches():
    measured = run([1, 1.3], launches=8)
    (few,) = aligned_samples(played_on(measured, "abcabcab"))
    (many,) = aligned_samples(measured)
    by_three, _ = pairs_by_setting([few])
    assert np.isfinite(by_three.effect).sum() == 3
    assert by_three.effect[0, 0] == pytest.approx(all_pairs(many.seconds).effect[0, ::3].mean())
    (of_few, of_many) = (absolute_times([one])[0] for one in (few, many))
    assert of_few.df.tolist() == [2, 2]
    assert of_many.df.tolist() == [7, 7]
    (ranking,) = rank(played_on(measured, "abcabcab"))
    assert [row.launches for row in ranking.rows] == [8, 8]
