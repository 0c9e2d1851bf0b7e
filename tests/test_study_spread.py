"""Splitting the variance of a run into rounds and launches, where both are known."""

import numpy as np
import pytest

from studies import noise, spread
from studies.noise import Scenario, Shape
from tests import journals
from timelift.analyse.stats.aligned_samples import aligned_samples


def split(launch_sd, round_sd):
    """The median sd of launches and of one round over 200 settings of two rivals."""
    shape = Shape(settings=200, rivals=2, launches=5, rounds=40)
    noisy = Scenario("known", launch_sd=launch_sd, round_sd=round_sd)
    times = noise.seconds(noisy, shape, np.zeros(2), np.random.default_rng(1))
    found = list(spread.spreads(aligned_samples(noise.measurements(times))))
    assert len(found) == 200
    means = {field: np.mean([getattr(one, field) for one in found]) for field in FIELDS}
    return {field: max(mean, 0) ** 0.5 for field, mean in means.items()}


FIELDS = ("round", "within", "launch")


@pytest.mark.parametrize(("launch_sd", "round_sd"), [(0.03, 0.06), (0.005, 0.1)])
def test_each_part_is_found_again(launch_sd, round_sd):
    found = split(launch_sd, round_sd)
    assert found["round"] == pytest.approx(2**0.5 * round_sd, rel=0.1)
    assert found["within"] == pytest.approx(2**0.5 * round_sd / 40**0.5, rel=0.15)
    assert found["launch"] == pytest.approx(launch_sd, abs=0.006)


def test_rounds_alone_leave_nothing_for_the_launches():
    assert split(1e-9, 0.1)["launch"] < 0.01


def test_the_command_prints_a_line_a_strategy(tmp_path, capsys):
    path = journals.synthetic(tmp_path / "run.jsonl")
    assert spread.main([str(path)]) == 0
    said = capsys.readouterr().out
    assert "time_distributed" in said
    assert "only more launches help" in said
