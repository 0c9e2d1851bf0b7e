"""Levels: from files to the runs of a machine, and to one figure for each case of a run."""

import json
import math

import numpy as np
import pytest

from tests.support import histories, journals
from timelift.analyse import results as reader
from timelift.analyse.effects import aligned_samples
from timelift.axis_values import Status
from timelift.errors import UserError
from timelift.history import levels
from timelift.history.many_runs import read_history

FEW = journals.grid(("native", "fold_time", "loop_slice"), seq_lens=(16,), phases=("forward",))


def _nights(results, count=4, **how):
    return histories.nights(results, count, cases=FEW, **how)


def _summed_up(*lines):
    return level_by_case(levels.summary_of_lines(journals.text(*lines).encode().split(b"\n")))


def level_by_case(summary):
    cases, table, _ = levels.level_tables([summary])
    return dict(zip(cases, table[:, 0].tolist(), strict=True))


def test_runs_are_in_the_order_of_their_time_and_not_of_their_names(tmp_path):
    for name, night in (("a", 2), ("b", 0), ("c", 1)):
        histories.run(tmp_path / f"{name}.jsonl", night, [journals.line(FEW[0])])
    assert [run.path.stem for run in levels.machine_runs(tmp_path).runs] == ["b", "c", "a"]


def test_a_run_counts_once_and_is_the_whole_one_and_none_of_its_copies(tmp_path):
    whole = histories.run(tmp_path / "20260101T020000Z_0000001a.jsonl", 0, [journals.line(FEW[0])])
    histories.run(tmp_path / "000.jsonl", 0, [])
    histories.run(tmp_path / "kept" / "copy.jsonl", 0, [journals.line(FEW[0])])
    assert [run.path for run in levels.machine_runs(tmp_path).runs] == [whole]


def test_machines_have_histories_of_their_own(tmp_path):
    _nights(tmp_path, 3)
    other = histories.machine(name="other", identity={"cpu": "Other"})
    histories.run(tmp_path / "other.jsonl", 20, [journals.line(FEW[0])], machine=other)
    last = levels.machine_runs(tmp_path)
    assert (last.name, len(last.runs)) == ("other", 1)
    assert last.others == {journals.MACHINE["name"]: 3}
    assert len(levels.machine_runs(tmp_path, journals.MACHINE["name"]).runs) == 3


def test_one_name_with_two_identities_is_two_machines(tmp_path):
    described = [histories.machine(), histories.machine(identity={"memory_gib": 16})]
    _nights(tmp_path, 6, described=lambda night: described[night >= 4])
    machine = levels.machine_runs(tmp_path)
    assert len(machine.runs) == 2
    assert list(machine.others) == [machine.name]


def test_the_level_of_a_run_on_several_machines_is_made_of_their_means():
    def level(marks):
        lines = [
            journals.line(FEW[0], launch, [seconds], mark=mark)
            for launch, (seconds, mark) in enumerate(zip([1, 4, 2, 16], marks, strict=True), 1)
        ]
        return np.exp(_summed_up(*lines)[FEW[0]])

    assert level("aaab") == pytest.approx((8 ** (1 / 3) * 16) ** 0.5)
    assert level("abac") == pytest.approx(4)
    assert level("cccc") == level([""] * 4) == pytest.approx(8**0.5)


def test_the_level_of_a_case_is_its_median_over_rounds_and_launches(tmp_path):
    path = _nights(tmp_path, 1) / "example" / "000.jsonl"
    summary = levels.summary_of_run(path)
    spaced = tmp_path / "spaced.jsonl"
    lines = path.read_text().splitlines()
    spaced.write_text("".join(json.dumps(json.loads(line)) + "\n" for line in lines))
    assert levels.summary_of_run(spaced) == summary
    by_case = level_by_case(summary)
    (rivals,) = aligned_samples(reader.load(path).measurements)
    medians = np.median(rivals.launch_medians(), axis=1)
    for case, level in zip(rivals.cases, medians, strict=True):
        assert by_case[case] == pytest.approx(level, abs=0.01)
    assert summary.log_canary[0] == pytest.approx(math.log(4e-5))


def test_the_level_is_the_median_that_is_told_or_else_that_of_the_samples():
    random = np.random.default_rng(1)
    for count in range(1, 40):
        seconds = sorted(random.lognormal(-5, 4, count).tolist())
        middle = seconds[(count - 1) // 2] * seconds[count // 2]
        line = journals.line(FEW[0], 1, [*random.permutation(seconds).tolist(), None])
        stated = _summed_up(line | {"seconds_per_call": [1.0]})
        del line["median_seconds_per_call"]
        for by_case in (stated, _summed_up(line)):
            assert by_case[FEW[0]] == pytest.approx(math.log(middle) / 2, abs=1e-12)


def test_a_rival_that_was_dropped_early_still_compares_with_the_others():
    lines = [
        journals.line(case, launch, [1e-3 * (1.0 if launch < 4 else 1.5)])
        for launch in range(1, 8)
        for case in FEW
        if case is not FEW[0] or launch < 4
    ]
    level = _summed_up(*lines)
    assert level[FEW[0]] == pytest.approx(level[FEW[1]])


def test_a_case_that_crashed_in_a_launch_has_no_level():
    crash = journals.ended(FEW[0], Status.CRASHED, "signal 9", launch=2)
    assert list(_summed_up(journals.line(FEW[0]), journals.line(FEW[1]), crash)) == [FEW[1]]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "left out x.jsonl"),
        (journals.text(journals.header(started="yesterday")).encode(), "received 'yesterday'"),
        (journals.text(journals.line(FEW[0])).encode(), "expected a header"),
        (b"[" * 100_000, "left out x.jsonl"),
    ],
)
def test_a_file_that_is_no_run_is_named_and_left_out(tmp_path, content, sentence):
    (tmp_path / "x.jsonl").write_bytes(content)
    with pytest.raises(UserError, match=r"expected runs under .* found none") as refusal:
        levels.machine_runs(tmp_path)
    assert sentence in str(refusal.value)
    _nights(tmp_path, 3)
    (warning,) = levels.machine_runs(tmp_path).warnings
    assert sentence in warning
    assert len(warning) < 300


def test_a_run_without_a_measured_case_is_no_history(tmp_path):
    histories.run(tmp_path / "x.jsonl", 0, [])
    with pytest.raises(UserError, match="expected measured cases in 1 runs"):
        read_history(tmp_path)


def test_of_two_lines_for_a_launch_the_first_counts_in_a_history_too():
    first, second = journals.line(FEW[0], 1), journals.ended(FEW[0], Status.CRASHED, "x", 1)
    assert FEW[0] in _summed_up(first, second)
