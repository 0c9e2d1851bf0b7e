"""Cases: read back from their fields, named apart, sorted by size."""

import pytest

from timelift.axis_values import Lengths, Mode, Phase
from timelift.case import AXES, REQUIRED, Case, Setting

SETTINGS = (
    {},
    {"device": "gpu:0", "mode": "xla"},
    {"phase": Phase.BACKWARD, "gradients": "inputs_and_weights", "lengths": "skewed"},
    {"phase": Phase.TRAIN, "dtype": "mixed_float16", "mode": "eager"},
    {"time_axis": "dynamic", "dtype": "bfloat16", "device": "gpu", "threads": 12, "backend": "jax"},
)


@pytest.mark.parametrize("axes", SETTINGS)
def test_a_case_is_read_back_from_the_fields_that_are_unusual(axes):
    kinds = {"phase": Phase.FORWARD} | {key: AXES[key].kind(value) for key, value in axes.items()}
    case = Case(Setting("my-net", 5, 2, **kinds), "fold[k=-1]")
    assert Case.from_fields(case.short_fields()) == case
    assert case.short_fields().keys() <= {"strategy", *REQUIRED, *axes}


@pytest.mark.parametrize(
    "change", [{"seq_len": "5"}, {"seq_len": True}, {"phase": "sideways"}, {"strategy": 3}]
)
def test_wrong_fields_are_named(change):
    fields = Case(Setting("small", 5, 2, Phase.FORWARD), "fold").fields()
    with pytest.raises(ValueError, match=r"expected|not a valid"):
        Case.from_fields(fields | change)


def test_settings_sort_by_size_and_what_is_usual_comes_first():
    ordered = [
        Setting("small", 5, 2, Phase.FORWARD),
        Setting("small", 5, 2, Phase.FORWARD, lengths=Lengths.UNIFORM),
        Setting("small", 5, 2, Phase.FORWARD, Mode.EAGER),
        Setting("small", 5, 2, Phase.BACKWARD),
        Setting("small", 10, 2, Phase.FORWARD),
    ]
    assert sorted(set(ordered)) == ordered
    assert max(ordered, key=lambda setting: setting.phase).phase is Phase.BACKWARD
    assert Phase.FORWARD <= Phase.FORWARD < Phase.BACKWARD >= Phase.BACKWARD
