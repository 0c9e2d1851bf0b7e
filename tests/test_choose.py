"""Choosing: a few lines where a run decides, the deciding command where it does not."""

import json
import math
import re
import shlex
from types import SimpleNamespace

import pytest
from hypothesis import given, settings

from tests.support import journals
from tests.support.chosen import NAMES, choose, journal
from tests.support.drawn_runs import runs
from tests.support.simulated import contest
from timelift.analyse import results
from timelift.analyse.findings import RunFindings
from timelift.analyse.ranking import SpeedUp
from timelift.analyse.recommend import recommend
from timelift.analyse.verdicts import Verdict
from timelift.axis_values import Backend, Mode, Phase, Runtime, Status
from timelift.choose.choice_words import deciding_command
from timelift.choose.choices import Answer, Goal, Query, answer, read_query
from timelift.errors import UserError
from timelift.present.answer import headline, in_one_sentence


def of_facts(folder, facts):
    lines = [
        journals.line(journals.case(name), launch, facts=own)
        for name, own in facts.items()
        for launch in (1, 2, 3)
    ]
    return journals.write(folder / "run.jsonl", journals.header(), *lines, journals.END)


def told(run_command, path, code, *words):
    """What `choose` prints, on one line."""
    return " ".join(choose(run_command, path, code, *words).out.split())


def chosen(path, relative_to=""):
    """What is chosen at 40 steps, over a baseline."""
    run = results.load(path)
    query = read_query({"seq_len": "40"}, "time", run)
    return answer(query, RunFindings(run, relative_to))


BATCHES = {"batches": (4, 16)}
#: The run, length and batch of a question, and what is answered.
QUESTIONS = {
    "a noisy tie: the dearer may cost a third": (
        *({"strategies": ("native", "fold_time"), "launches": 3, "noise": 0.4}, 40, 8),
        ["Not decided: nothing is shown faster", "--strategies fold_time,native --precision 1%"],
    ),
    "between two batches": (
        *(BATCHES, 40, 8),
        ["B8-forward-graph: Not decided: this size", "T40-B4-forward-graph: Write", "T40-B16"],
    ),
    "between four settings": (BATCHES, 50, 10, ["frames-T40-B16-forward-graph: Write native"]),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_is_not_decided_has_the_nearest_answers_and_a_command(tmp_path, run_command, name):
    grid, length, batch, texts = QUESTIONS[name]
    path = journal(tmp_path, **grid)
    words = ("--seq-lens", length, "--batch-sizes", batch)
    said = told(run_command, path, 2, *words)
    assert [text for text in texts if text not in said] == []
    assert re.search("decide it with: timelift bench [^:]+$", said)


def test_the_memory_of_a_strategy_that_crashed_later_does_not_count(tmp_path, run_command):
    facts = {"native": {"peak_bytes": 3 << 20}, "fold_time": {"peak_bytes": 2 << 20}}
    path = of_facts(tmp_path, facts)
    crashed = journals.case("loop_slice")
    least = [journals.line(crashed, launch, facts={"peak_bytes": 1 << 20}) for launch in (1, 2)]
    journals.go_on(path, *least, journals.ended(crashed, "crashed", "signal 11", launch=3))
    said = choose(run_command, path, 0, "--goal", "memory").out
    assert "Least memory: fold_time" in said
    assert "loop_slice" not in said


BOUND, MIB = {"peak_bytes_below": 1 << 17}, {"peak_bytes": 1 << 20}
NOT_KNOWN = ["peak memory of a is not known, and may be the least"]
MEMORY = {
    "of one not known": ({"a": {}, "b": BOUND, "c": MIB}, NOT_KNOWN),
    "of one nothing": ({"a": {"peak_bytes": 0}, "b": BOUND, "c": MIB}, NOT_KNOWN),
    "too little to be read, which is less than its bound": (
        {"a": BOUND, "b": BOUND, "c": MIB},
        [
            "Least memory: a, less than 128 KiB; not shown to differ: b.",
        ],
    ),
    "not known of any": ({"b": {}, "a": {}}, ["peak memory of a, b is not known, and may be"]),
}


@pytest.mark.parametrize(("facts", "texts"), MEMORY.values(), ids=MEMORY)
def test_memory_is_decided_where_the_least_of_it_is_known(tmp_path, run_command, facts, texts):
    code = 0 if texts[0].startswith("Least memory") else 2
    said = told(run_command, of_facts(tmp_path, facts), code, "--goal", "memory")
    assert [text for text in texts if text not in said] == []


@pytest.mark.parametrize(
    ("options", "inputs"),
    [
        ({"layer": "my models:make", "inputs": ""}, None),
        ({"layer": "my models:make", "inputs": "int32[60]<1000"}, "int32[60]<1000"),
        ({"layer": "my models:make", "inputs": 60}, None),
        ({"layer": "", "lifts": {"make": "my models:make#2"}}, None),
    ],
)
def test_a_user_s_own_layer_is_in_the_command(tmp_path, options, inputs):
    cases = journals.grid(("native",), ("make",), (8,), phases=("backward",))
    lines = journals.header(options=options), *journals.campaign(cases), journals.END
    run = results.load(journals.write(tmp_path / "run.jsonl", *lines))
    query = read_query({"seq_len": "9", "device": "gpu:1"}, "time", run)
    found = RunFindings(run)
    words = shlex.split(deciding_command(query, Answer(query.setting), found))
    lift = "#2" * ("lifts" in options)  # which bench knows by its model alone
    assert words[words.index("--layer") + 1] == f"my models:make{lift}"
    assert ("--workloads" in words) != bool(lift)
    assert words[words.index("--devices") + 1] == "gpu:1"
    given = words[words.index("--inputs") + 1] if "--inputs" in words else None
    assert given == inputs
    other = read_query({"workload": "sensor"}, "time", run, ["sensor"])
    assert "make" not in deciding_command(other, Answer(other.setting), found)


def test_why_nothing_stands_beside_the_only_strategy_is_told(tmp_path, run_command):
    refused = journals.ended(journals.case(), Status.REFUSED, "no shape of its output")
    lines = [*journals.campaign([journals.case("fold_time")]), refused]
    head, end = (
        journals.header(planned=[journals.case("gru").short_fields()]),
        {"exit": "cut short"},
    )
    path = journals.write(tmp_path / "run.jsonl", head, *lines, journals.END | end)
    said = told(run_command, path, 2)
    assert "beside no other; native: no shape of its output. " in said


def test_where_less_than_two_are_served_no_run_is_advised(tmp_path, run_command):
    def of(name, runtime):
        return journals.case(name, phase=Phase.SERVE, runtime=runtime)

    lines = [*journals.campaign([of("ops_scan", Runtime.OPENVINO)])]
    for name, runtime in (("gru", Runtime.OPENVINO), ("gru", Runtime.LITERT)):
        lines.append(journals.ended(of(name, runtime), Status.NOT_CONVERTED, "TensorList"))
    path = journals.write(tmp_path / "run.jsonl", journals.header(), *lines, journals.END)
    for runtime, lead in (
        ("openvino", "ops_scan was measured alone, beside no other"),
        ("litert", "no strategy is served here"),
    ):
        said = told(run_command, path, 2, "--runtimes", runtime)
        assert f"{lead}; gru: does not convert: TensorList." in said
        assert "decide it with" not in said
    ended = "OpenVINO serves ops_scan alone. LiteRT serves none of these strategies."
    assert headline(RunFindings(results.load(path))).endswith(ended)


def test_the_runtimes_of_a_setting_are_named_and_no_other_ones(tmp_path, run_command):
    served = [
        journals.case(name, phase=Phase.SERVE, runtime=runtime)
        for runtime in (Runtime.KERAS, Runtime.LITERT)
        for name in ("fold_time", "gru")
    ]
    elsewhere = {"phase": Phase.SERVE, "runtime": Runtime.OPENVINO, "seq_len": 99}
    others = [journals.case(name, **elsewhere) for name in ("fold_time", "gru")]
    lines = journals.campaign([*served, *others])
    path = journals.write(tmp_path / "run.jsonl", journals.header(), *lines, journals.END)
    said = told(run_command, path, 0, "--seq-lens", str(served[0].setting.seq_len))
    assert "Keras; --runtimes litert asks for another" in said


def test_what_ran_out_of_memory_beside_what_is_not_served_is_asked_again(tmp_path, run_command):
    ends = {"gru": Status.NOT_CONVERTED, "fold_time": Status.OUT_OF_MEMORY}
    cases = [journals.case(name, phase=Phase.SERVE, runtime=Runtime.LITERT) for name in ends]
    lines = [journals.ended(of, ends[of.strategy], "why") for of in cases]
    lines += journals.campaign([journals.case("gru", phase=Phase.SERVE)])
    path = journals.write(tmp_path / "run.jsonl", journals.header(), *lines, journals.END)
    said = told(run_command, path, 2, "--runtimes", "litert")
    assert "no strategy is served here" not in said
    assert "decide it with" in said
    assert "LiteRT serves" not in headline(RunFindings(results.load(path)))


def test_a_run_without_results_is_a_sentence(tmp_path, run_command):
    lost = journals.ended(journals.case(), Status.CRASHED, "signal 11")
    path = journals.write(tmp_path / "run.jsonl", journals.header(), lost, journals.END)
    assert "were not measured" in choose(run_command, path, 2).out
    empty = journals.write(tmp_path / "empty.jsonl", journals.header())
    choose(run_command, empty, 1)


def test_an_axis_that_was_measured_one_way_needs_no_option(tmp_path):
    run = results.load(journal(tmp_path, seq_lens=(8,), phases=("forward", "backward"), mode="xla"))
    assert read_query({"phase": "backward"}, "time", run).setting.mode == "xla"
    assert read_query({}, "time", run).setting.phase == "forward"


@pytest.mark.parametrize(("backend", "mode"), [("tensorflow", "graph"), ("torch", "eager")])
def test_the_usual_mode_of_a_train_step_is_that_of_fit(tmp_path, backend, mode):
    usual = {"phase": Phase.TRAIN, "backend": Backend(backend)}
    cases = [journals.case(name, mode=one, **usual) for name in NAMES for one in Mode]
    run = results.load(journals.synthetic(tmp_path / "run.jsonl", cases))
    assert read_query({}, "time", run).setting.mode == mode


def test_a_runtime_alone_asks_for_its_served_calls(tmp_path, run_command):
    asked = [("forward", "keras"), ("serve", "keras"), ("serve", "litert")]
    cases = [
        journals.case(name, seq_len=40, phase=Phase(phase), runtime=Runtime(runtime))
        for phase, runtime in asked
        for name in NAMES
    ]
    path = journals.synthetic(tmp_path / "run.jsonl", cases)
    run = results.load(path)
    query = read_query({"seq_len": "40", "runtime": "litert"}, "time", run)
    assert (query.setting.phase, query.setting.runtime) == (Phase.SERVE, Runtime.LITERT)
    assert query.serves
    for axis, value in {"phase": "forward", "mode": "eager"}.items():
        with pytest.raises(UserError, match=f"--runtimes: expected the {axis} .* {value}; leave"):
            read_query({"runtime": "litert", axis: value}, "time", run)
    served = journals.synthetic(tmp_path / "served.jsonl", cases[len(NAMES) : 2 * len(NAMES)])
    assert read_query({}, "time", results.load(served)).serves
    asked = ("--seq-lens", "40", "--runtimes", "litert")
    assert "-serve-graph-litert: Write native" in told(run_command, path, 0, *asked)


def test_a_run_without_an_answer_for_a_layer_is_refused(tmp_path, run_command):
    header = journals.header(options={"relative_to": "as_written"})
    whole = journals.write(tmp_path / "whole.jsonl", header, *journals.campaign(journals.grid()))
    twins = journals.selftest(tmp_path / "twins.jsonl", launches=5)
    for path, why in ((whole, "of a model; name another"), (twins, "received one against twins")):
        said = choose(run_command, path, 1, "--seq-lens", "1", "--batch-sizes", "1")
        assert (said.out, why in said.err) == ("", True)


def test_the_baseline_itself_gains_nothing_and_has_no_line(tmp_path, run_command):
    path = journal(tmp_path, ("time_distributed", "loop_slice"))
    kept = chosen(path)
    assert kept.strategy == kept.ranking.baseline == "time_distributed"
    assert kept.row.speed_up == SpeedUp(1.0, 1.0, 1.0, verdict=Verdict.SAME)
    said = choose(run_command, path, 0, "--seq-lens", "40").out
    assert "Keep TimeDistributed" in said
    assert "times as fast as" not in said
    assert [other.strategy for other in kept.others if other.costs_more] == ["loop_slice"]
    assert chosen(path, "loop_slice").row.speed_up.low > 1


@given(runs())
@settings(max_examples=60)
def test_an_answer_is_what_a_report_recommends(run):
    findings = RunFindings(run)
    for setting, best in findings.recommendation_by_setting.items():
        own = answer(Query(setting, Goal.TIME), findings)
        is_open = in_one_sentence(best).startswith("Not decided")
        assert own.strategy == ("" if is_open else best.strategy)
        assert own.between[:1] in ({(), (best.strategy,)} if is_open else {()})


def test_what_may_cost_more_than_is_worth_a_change_is_no_choice():
    def at(*rows):
        ranking = contest(*rows)
        best = {ranking.setting: recommend([ranking])}
        findings = SimpleNamespace(rankings=[ranking], recommendation_by_setting=best)
        return answer(Query(ranking.setting, Goal.TIME), findings)

    assert at((1.05, 1), (1.03, 1), (3.0, 3)).strategy == "rival1"
    assert at((1.05, 1), (1.2, 1), (3.0, 3)).strategy == "rival0"
    dear = at((1.06, 1), (1.2, 1), (3.0, 3))
    assert (dear.strategy, dear.between, dear.longer) == ("", ("rival0", "rival1"), True)
    assert at((1.06, 1), (1.2, 2), (3.0, 3)).between == ()


def test_a_ratio_to_a_bound_has_no_upper_end(tmp_path):
    run = results.load(of_facts(tmp_path, {"a": BOUND, "c": MIB}))
    least = answer(read_query({}, "memory", run), RunFindings(run))
    (other,) = least.others
    assert (least.is_bound, other.ratio.high) == (True, math.inf)
    assert other.ratio.low == pytest.approx(8 / 1.05)


def test_one_launch_has_facts_and_no_interval(tmp_path, run_command):
    said = choose(
        run_command, journal(tmp_path, launches=1), 0, "--seq-lens", "40", "--goal", "memory"
    )
    assert "nan" not in said.out


def test_names_of_a_journal_are_no_lines_of_an_answer(tmp_path, run_command):
    """A rival that two of six machines played is named in the answer."""
    hostile = "evil\nimport os; os.system('id')"
    cases = journals.grid(("native", "fold_time", hostile), seq_lens=(40,), phases=("forward",))
    lines = [
        line | {"mark": f"m{line['launch']}"}
        for line in journals.campaign(cases, launches=6)
        if line["case"]["strategy"] != hostile or line["launch"] < 3
    ]
    path = journals.write(tmp_path / "run.jsonl", journals.header(), *lines, journals.END)
    for form in ([], ["--code"]):
        said = choose(run_command, path, 0, "--seq-lens", "40", *form).out
        assert [line for line in said.splitlines() if line.startswith("import os;")] == []
        assert "evil" in said


@pytest.mark.parametrize("goal", Goal)
def test_what_a_choice_changes_in_training_is_told_for_every_goal(tmp_path, run_command, goal):
    entry = {"title": "A", "meaning": {"BATCH_NORM": "pooled"}}
    usual = {"title": "B", "meaning": {"BATCH_NORM": "per_step"}}
    cases = journals.grid(["fold_time", "time_distributed"], seq_lens=(16,), phases=["backward"])

    def facts(size):
        least = {"peak_bytes": size << 20, "first_call_seconds": float(size)}
        return least | {"added": ["statistics"]}

    lines = [
        journals.line(case, launch, [1e-3 * size] * 3, facts=facts(size))
        for size, case in enumerate(cases, 1)
        for launch in (1, 2, 3)
    ]
    head = journals.header(strategies={"fold_time": entry, "time_distributed": usual})
    path = journals.write(tmp_path / "run.jsonl", head, *lines, journals.END)
    said = told(run_command, path, 0, "--goal", goal)
    assert re.search("Write fold_time|Least memory: fold_time|First call soonest: fold_time", said)
    assert "fold_time changes in training: " in said


@pytest.mark.parametrize("size", ["20", "40", "4000"])
@pytest.mark.parametrize("goal", ["time", "memory", "first-call"])
def test_json_has_null_for_unknown_values(tmp_path, run_command, size, goal):
    code, words = 0 if size == "40" else 2, ("--seq-lens", size, "--goal", goal, "--json")
    said = choose(run_command, journal(tmp_path), code, *words).out
    answer = json.loads(said, parse_constant=pytest.fail)
    assert (answer["strategy"] is not None) == answer["decided"] == (size == "40")
    if answer["decided"]:
        assert (answer["cost_over_best_high"] is not None) == (goal == "time")
        assert None not in (answer["peak_bytes"], answer["speed_up"], answer["seconds_per_call"])
    else:
        settings = [near["setting"] for near in answer["nearest"]]
        assert settings[-1] == "frames-T40-B8-forward-graph"
        assert len(settings) == (2 if size == "20" else 1)
