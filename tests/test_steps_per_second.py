"""A table says how many steps a second a strategy makes, in the workload's own word."""

from dataclasses import replace

import pytest

from tests.support import journals
from tests.support.endings import found
from timelift.axis_values import Lengths, TimeAxis
from timelift.errors import UserError
from timelift.journal.lines import Header
from timelift.measure.catalogue import read_workload
from timelift.measurement import CaseInLaunch, Facts, Measurement
from timelift.present.case_table import for_programs, of_rankings

WORKLOAD = '''"""A workload."""
FEATURES = (3,)
STEPS = {steps!r}
SEQ_LENS = BATCH_SIZES = (4,)
def make_layer(): ...
'''


def findings(header=None, **axes):
    """A run of one strategy whose calls of 100 valid steps take 2 ms."""
    of = journals.case()
    of = replace(of, setting=replace(of.setting, **axes))
    launches = [
        CaseInLaunch(of, number, seconds_per_call=[2e-3], facts=Facts(valid_steps=100))
        for number in (1, 2, 3)
    ]
    return found([Measurement(of, launches=tuple(launches))], header=header)


def rate(**axes):
    (row,) = for_programs(findings(**axes)).rows
    return row["steps_per_second"]


@pytest.mark.parametrize(("steps", "title"), [({"tokens": "tokens"}, "tokens/s"), ({}, "steps/s")])
def test_the_column_has_the_word_that_the_workload_declares(steps, title):
    seen = findings(Header(steps=steps))
    (row,) = (table := of_rankings(seen.rankings, seen)).rows
    (column,) = (each for each in table.columns if each.name == "steps_per_second")
    assert (column.title, row["steps_per_second"]) == (title, pytest.approx(50_000))


def test_where_lengths_vary_the_steps_are_those_of_all_calls():
    setting = journals.case().setting
    mean = setting.batch * sum(setting.call_lengths) / len(setting.call_lengths)
    assert rate(time_axis=TimeAxis.BUCKETS) == pytest.approx(mean / 2e-3)
    assert rate(time_axis=TimeAxis.BUCKETS, lengths=Lengths.UNIFORM) is None


def test_a_workload_declares_the_word_for_its_steps(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(WORKLOAD.format(steps="tokens"))
    assert read_workload(file).steps == "tokens"
    for wrong in ("two words", "", 3, "w" * 30):
        file.write_text(WORKLOAD.format(steps=wrong))
        with pytest.raises(UserError, match="STEPS must be a word"):
            read_workload(file)
