"""What an answer gains over the baseline, and the answer as JSON and as code."""

import dataclasses
import json

import pytest

import report
from tests import journals
from timelift.analyse.choose import ChooseQuestion, Goal, ask, decide
from timelift.analyse.runs import results
from timelift.analyse.stats import lifts
from timelift.analyse.stats.ranking import SpeedUp
from timelift.analyse.stats.verdicts import Verdict
from timelift.present import choice

NAMES = ("native", "fold_time", "time_distributed", "loop_slice")


def journal(folder, strategies=NAMES, **grid):
    """A run of some tokens."""
    sizes = {"workloads": ("tokens",), "seq_lens": (16, 64), "batches": (8,)} | grid
    cases = journals.grid(strategies, phases=("forward",), **sizes)
    return journals.synthetic(folder / "run.jsonl", cases, launches=5, noise=0.002)


def answer(path, *relative_to, **asked):
    """What is chosen, over the first of some baselines."""
    run = results.load(path)
    words = {"workload": "tokens", "batch": "8", "seq_len": "64"} | asked
    goal = words.pop("goal", "time")
    return decide(ask(words, goal, run), run, *([relative_to] if relative_to else []))


def choose(capsys, path, *words):
    """What the command prints, its exit code, and what it complains about."""
    code = report.main(["choose", "--run", str(path), "--workloads", "tokens", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_measured_gain_is_that_of_the_setting(tmp_path):
    path = journal(tmp_path)
    found = answer(path)
    (ranking,) = [one for one in lifts.rank_run(results.load(path)) if one.setting.seq_len == 64]
    own = ranking.row(found.strategy).speed_up
    gain = found.speed_up
    assert (found.baseline, gain) == ("time_distributed", own)
    (beside,) = [one for one in found.others if one.strategy == "time_distributed"]
    assert beside.ratio == gain


@pytest.mark.parametrize(
    ("verdict", "low", "words"),
    [
        (Verdict.FASTER, 1.17, ""),
        (Verdict.FASTER, 0.99, ""),
        (Verdict.UNDECIDED, 0.95, ", which is not shown to differ"),
        (
            Verdict.UNDECIDED,
            1.17,
            ", which is not shown to differ: an interval without 1 is no verdict by itself",
        ),
    ],
)
def test_a_gain_is_shown_where_a_verdict_says_so(tmp_path, monkeypatch, verdict, low, words):
    seen = SpeedUp(2.6, low, 5.77, verdict=verdict)
    ranked = lifts.rank_run

    def told(*run):
        return [
            dataclasses.replace(
                one, rows=tuple(dataclasses.replace(row, speed_up=seen) for row in one.rows)
            )
            for one in ranked(*run)
        ]

    monkeypatch.setattr(lifts, "rank_run", told)
    found = answer(journal(tmp_path))
    question = ChooseQuestion(found.setting, Goal.TIME)
    about = choice.AboutChoice("", "", "", "")
    said = [*choice.answer_lines(question, found, about)]
    assert f"2.60 [{low}, 5.77] times as fast as time_distributed{words}" in said
    close = "".join(one.partition("not shown to differ: ")[2] for one in said)
    assert ("time_distributed" in close) == (verdict is Verdict.UNDECIDED)


def test_one_launch_has_a_gain_without_an_interval(tmp_path, capsys):
    cases = journals.grid(NAMES, ("tokens",), (64,), phases=("forward",))
    path = journals.synthetic(tmp_path / "run.jsonl", cases, launches=1)
    code, said, _ = choose(capsys, path, "--seq-lens", "64", "--goal", "memory")
    assert code == 0
    assert "times as fast as time_distributed (seen, no interval)\n" in said
    assert "nan" not in said


def test_the_baseline_is_the_first_of_those_asked_for_that_was_measured(tmp_path):
    assert answer(journal(tmp_path), "gone", "loop_slice").baseline == "loop_slice"
    assert answer(journal(tmp_path), "gone").speed_up is None


def test_the_baseline_is_asked_for_on_the_command_line_or_was_in_the_run(tmp_path, capsys):
    path = journal(tmp_path)
    words = ("--seq-lens", "64", "--relative-to")
    assert "times as fast as loop_slice\n" in choose(capsys, path, *words, "loop_slice")[1]
    code, said, complaint = choose(capsys, path, *words, "loop_slcie")
    assert (code, said, complaint.count("\n")) == (1, "", 1)
    assert "--relative-to: expected a lift that was measured, received 'loop_slcie'" in complaint
    cases = journals.grid(NAMES, ("tokens",), (64,), phases=("forward",))
    head = journals.header(options={"relative_to": "loop_slice"})
    lines = journals.campaign(cases, launches=5)
    run = journals.write(tmp_path / "asked.jsonl", head, *lines, journals.END)
    assert "times as fast as loop_slice\n" in choose(capsys, run, "--seq-lens", "64")[1]


def test_the_baseline_itself_gains_nothing_and_has_no_line(tmp_path, capsys):
    path = journal(tmp_path, ("time_distributed", "loop_slice"))
    found = answer(path)
    gain = found.speed_up
    assert found.strategy == found.baseline == "time_distributed"
    assert gain == SpeedUp(1.0, 1.0, 1.0, verdict=Verdict.SAME)
    code, said, _ = choose(capsys, path, "--seq-lens", "64")
    assert (code, "times as fast as" in said) == (0, False)
    assert "times as much: loop_slice" in said
    assert answer(path, "loop_slice").speed_up.low > 1


@pytest.mark.parametrize("size", ["32", "64"])
@pytest.mark.parametrize("goal", ["time", "memory", "first-call"])
def test_json_has_null_for_what_is_not_known(tmp_path, capsys, size, goal):
    code, said, _ = choose(capsys, journal(tmp_path), "--seq-lens", size, "--goal", goal, "--json")
    found = json.loads(said, parse_constant=pytest.fail)
    assert code == (0 if found["decided"] else 2)
    if found["decided"]:
        is_measured = size == "64"
        assert (found["basis"]["kind"] == "measured") == is_measured
        assert (found["peak_bytes"] is not None) == is_measured
        assert (found["speed_up"] is not None) == is_measured
        assert (found["seconds_per_call"] is not None) == (is_measured and goal == "time")


def test_undecided_is_json_too(tmp_path, capsys):
    code, said, _ = choose(capsys, journal(tmp_path), "--seq-lens", "4000", "--json")
    found = json.loads(said)
    assert (code, found["decided"], found["strategy"]) == (2, False, None)
    assert "nothing is extrapolated" in found["why"]
    assert found["decide_with"].startswith("timelift bench --workloads tokens --seq-lens 4000")


def test_code_has_its_answer_as_comments(tmp_path, capsys):
    code, said, _ = choose(capsys, journal(tmp_path), "--seq-lens", "64", "--code")
    assert code == 0
    assert said.startswith("# tokens, 64 steps, batch 8, forward, graph, cpu: fastest is ")
    assert "times as fast as time_distributed\n" in said
    assert "use it:" not in said
    compile(said, "said", "exec")
    assert said.endswith("model = build(layer, shape)\n")


def test_code_of_a_strategy_that_is_elsewhere_is_a_sentence(tmp_path, capsys):
    path = journal(tmp_path, ("mine\nimport os", "zzz"))
    code, said, complaint = choose(capsys, path, "--seq-lens", "64", "--code")
    assert (code, said, complaint.count("\n")) == (1, "", 1)
    assert "--code: expected a strategy of this project's strategies/, received " in complaint


def test_a_title_of_two_lines_is_one_comment(tmp_path, capsys):
    workload = "tokens\nimport os"
    path = journal(tmp_path, workloads=(workload,))
    code = report.main(["choose", "--run", str(path), "--seq-lens", "64", "--code"])
    said = capsys.readouterr().out
    assert code == 0
    assert "\nimport os" not in said
    assert "# tokens import os, 64 steps" in said
