"""What a recommended strategy changes in training is told with it; what is unknown is no answer."""

import html
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support import journals
from tests.support.pages import data
from timelift.analyse import results
from timelift.analyse.findings import RunFindings
from timelift.analyse.meaning import OF_TIME_DISTRIBUTED
from timelift.analyse.stopping import Referee
from timelift.axis_values import TimeAxis
from timelift.present import case_table
from timelift.present.document import to_markdown
from timelift.present.full_report import full_report
from timelift.present.page import page_html
from timelift.present.summary import summary
from timelift.present.terminal import to_text
from timelift.source import read_source

STRATEGIES = Path(__file__).parent.parent / "strategies"
TIMES = {"fold_time": 1.0, "loop_slice": 3.0, "time_distributed": 2.0}
DECLARED = {
    name: {"meaning": dict(read_source(STRATEGIES / f"{name}.py").constants)} for name in TIMES
}
POOLED = "BatchNormalization sees all steps at once"
AVERAGED = "the layer's losses (add_loss, activity regularizer) are averaged over the steps"
WHY = "its meaning in training is unknown; declare BATCH_NORM in its file (docs/protocol.md)"


def written(folder, times=TIMES, added=("statistics",), seen=None, declared=DECLARED, **grid):
    """A run of a layer to which training adds something; `seen` is what its law saw."""
    lines = []
    for case in journals.grid(times, **({"workloads": ("video",), "seq_lens": (16,)} | grid)):
        trained = (seen or {}).get(case.strategy) if case.setting.differentiates else None
        facts = {"added": [*added] if case.setting.workload == "video" else []}
        facts |= {"meaning": trained} if trained else {}
        for launch in (1, 2, 3):
            seconds = [1e-3 * times[case.strategy] * (1 + 0.001 * turn) for turn in range(8)]
            lines.append(journals.line(case, launch, seconds, facts=facts if launch == 1 else {}))
    header = journals.header(strategies=declared)
    return journals.write(folder / "run.jsonl", header, *lines, journals.END)


def surfaces(run_command, path):
    """Every text in which a strategy is recommended, by its place."""
    seen = RunFindings(results.load(path))
    page = page_html(seen, full_report(seen))
    texts = {
        "ending": to_text(summary(seen)),
        "page": re.sub("<[^>]*>", "", page[: page.index("<nav")]),
        "your case": " ".join(data(page)["settings"]["lead"]),
        "report.md": to_markdown(full_report(seen)).replace("\\", ""),
        "choose": run_command(0, "choose", "--run", path).out,
    }
    return {name: html.unescape(" ".join(text.split())) for name, text in texts.items()}


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({}, POOLED),
        ({"added": ["noise", "statistics", "losses"]}, f"{POOLED}; {AVERAGED}"),
        ({"times": {"fold_time": 1.0, "native": 2.0}}, POOLED),  # as beside TimeDistributed
        ({"seen": {"fold_time": {"BATCH_NORM": "first_step"}}}, "sees the first step alone"),
        ({"declared": {}}, "BatchNormalization: unknown"),  # as in a run of before
        ({"added": ["noise"], "time_axis": TimeAxis.DYNAMIC}, "Dropout draws new noise for every"),
        ({"added": ["noise"]}, ""),  # which each draws anew for every step
        ({"added": []}, ""),
        ({"phases": ("forward",)}, ""),  # in which nothing is trained
        ({"times": TIMES | {"fold_time": 5.0}}, ""),  # what everybody writes
        ({"seen": {"fold_time": {"BATCH_NORM": "per_step"}}}, ""),
    ],
)
def test_a_change_in_training_is_told_wherever_it_is_recommended(tmp_path, run_command, how, told):
    for name, text in surfaces(run_command, written(tmp_path, **how)).items():
        assert told in text, name
        assert ("in training:" in text) == bool(told), name


def test_workloads_are_named_where_not_all_are_changed(tmp_path):
    path = written(tmp_path, workloads=("tokens", "video"))
    seen = RunFindings(results.load(path))
    assert f"fold_time changes in training (video): {POOLED}." in summary(seen).below


def test_what_stands_for_time_distributed_is_what_it_declares():
    declared = DECLARED["time_distributed"]["meaning"]
    assert {name: declared[name] for name in OF_TIME_DISTRIBUTED} == OF_TIME_DISTRIBUTED


def test_where_forward_calls_are_asked_for_training_does_not_count(tmp_path, run_command):
    path = written(tmp_path)
    for phase, meaning in (("backward", {"BATCH_NORM": ["per_step", "pooled"]}), ("forward", None)):
        asked = "choose", "--run", path, "--phases", phase
        assert json.loads(run_command(0, *asked, "--json").out)["meaning"] == meaning
        assert ("in training" in run_command(0, *asked).out) == bool(meaning)


@pytest.mark.parametrize("word", ["pooled", "unknown"])
def test_a_strategy_of_unknown_meaning_is_shown_and_is_no_answer(tmp_path, run_command, word):
    is_unknown = word == "unknown"
    path = written(tmp_path, {"mine": 0.5, **TIMES}, seen={"mine": {"BATCH_NORM": word}})
    said = surfaces(run_command, path)
    your_case = said.pop("your case")
    assert your_case.count("Write fold_time" if is_unknown else "Write mine") == 2
    assert {WHY in text for text in said.values()} == {is_unknown}
    assert ("mine (not ranked)" in said["report.md"]) == is_unknown
    answer = json.loads(run_command(0, "choose", "--run", path, "--json").out)
    assert answer["not_ranked"] == ({"mine": WHY} if is_unknown else {})
    assert answer["cost_over_best_high"] == 1.0
    table = case_table.for_programs(RunFindings(results.load(path))).data
    assert (WHY in table["differs"]) == is_unknown


@pytest.mark.parametrize("phases", [("backward",), ("forward", "backward")])
def test_a_strategy_of_unknown_meaning_asks_for_no_launches(tmp_path, phases):
    times = {"fold_time": 1.0, "mine": 1.0, "time_distributed": 9.0}
    playing = dict[str, set[str]]()
    for word in ("pooled", "unknown"):
        seen = {"mine": {"BATCH_NORM": word}}
        referee, path = Referee(), written(tmp_path, times, seen=seen, phases=phases)
        for each in results.load(path).measurements:
            for line in each.launches:
                sway = 1 + 0.2 * (line.number % 3 if each.case.strategy == "mine" else 0)
                referee.take(
                    replace(line, seconds_per_call=np.multiply(line.seconds_per_call, sway))
                )
        playing[word] = {case.strategy for case in referee.to_play()}
    assert playing == {"pooled": {"fold_time", "mine"}, "unknown": set()}
