"""Choosing: a few lines where a run decides, the deciding command where it does not."""

import itertools
import json
import shlex

import numpy as np
import pytest

import report
from tests import journals
from timelift import case
from timelift.analyse.choose import ask, options_to_repeat
from timelift.analyse.runs import results
from timelift.case import Phase, Setting, Status
from timelift.measure.options import OPTIONS
from timelift.present.command_lines import to_measure
from timelift.present.usage import how_to_use
from timelift.project import Project


def journal(folder, strategies=("native", "fold_time", "loop_slice"), **grid):
    """A run of some frames."""
    how = {name: grid.pop(name) for name in ("launches", "noise") if name in grid}
    sizes = {"workloads": ("frames",), "seq_lens": (10, 40), "phases": ("forward",)} | grid
    cases = journals.grid(strategies, **sizes)
    how = {"launches": 5, "noise": 0.002} | how
    return journals.synthetic(folder / "run.jsonl", cases, **how)


def of_facts(folder, facts, sizes=(10, 40), launches=3):
    """A run of strategies with these facts: those of all sizes, or a pair for the two of them."""
    lines = [
        journals.line(
            journals.case(name, seq_len=size),
            launch,
            facts=one[place] if isinstance(one, tuple) else one,
        )
        for name, one in facts.items()
        for place, size in enumerate(sizes)
        for launch in range(1, launches + 1)
    ]
    return journals.write(folder / "run.jsonl", journals.header(), *lines, journals.END)


def peaks(**at_both):
    """Facts of strategies by their peaks at both sizes."""
    return {name: tuple({"peak_bytes": one} for one in both) for name, both in at_both.items()}


def choose(capsys, path, *words):
    """What the command says, and its exit code."""
    code = report.main(["choose", "--run", str(path), *words])
    said = capsys.readouterr()
    return code, said.out.splitlines(), said.err


def at(seq_len, batch=8, *words):
    """The words of a question."""
    return ("--seq-lens", str(seq_len), "--batch-sizes", str(batch), *words)


def test_every_unusual_axis_is_named(tmp_path, capsys):
    cases = journals.grid(("native", "loop_slice"), backend="jax", threads=2, phases=("forward",))
    path = journals.synthetic(tmp_path / "run.jsonl", cases)
    _, lines, _ = choose(capsys, path, "--workloads", "tokens", *at(64))
    assert lines[0].startswith("tokens, 64 steps, batch 8, forward, graph, cpu, 2 threads, jax: ")


@pytest.mark.parametrize(
    ("constants", "words"),
    [
        ("FEATURES = (4, 2)\nINPUT_DTYPE = keras.config.floatx()\n", "build(layer, (9, 4, 2))"),
        (
            "FEATURES = sizes()\nINPUT_DTYPE: str = 'int32'\n",
            "build(layer, (9, *features), dtype='int32')",
        ),
    ],
)
def test_a_computed_constant_hides_no_other(tmp_path, constants, words):
    run = results.load(journal(tmp_path))
    (tmp_path / "workloads").mkdir()
    (tmp_path / "workloads" / "mine.py").write_text(constants)
    setting = Setting("mine", 9, 4, Phase.FORWARD)
    assert how_to_use("native", setting, run, Project(tmp_path)).endswith(words)


TWO = {"strategies": ("native", "loop_slice"), "batches": (1,), "seq_lens": (1, 8)}
QUESTIONS = {
    "a strategy that is not told apart": (
        {"noise": 0.02},
        at(10),
        0,
        ("costs at most", "not shown to differ: "),
    ),
    "one launch": ({"launches": 1}, at(40), 2, ("one launch is no verdict",)),
    "a noisy tie: the dearer may cost a third": (
        {"strategies": ("native", "fold_time"), "launches": 3, "noise": 0.4},
        at(40),
        2,
        ("may cost more than 10 % over the best", "it is one of ", "--precision 1% --budget 15m"),
    ),
    "between two lengths of one answer": (
        {},
        at(20),
        0,
        ("fastest is native at 10 steps and at 40 steps, and nothing was", "(20, 32, 32, 3)"),
    ),
    "between two batches of one answer": (
        {"batches": (4, 16)},
        at(40),
        0,
        ("native at batch 4 and at batch 16",),
    ),
    "between two lengths of different answers": (
        TWO,
        at(4, 1),
        2,
        ("do not agree", "at 1 step: fastest is loop_slice", "at 8 steps: fastest is native"),
    ),
    "between two lengths without an answer": (
        {"launches": 1},
        at(20),
        2,
        ("at 10 steps: one launch is no verdict", "at 40 steps: one launch is no verdict"),
    ),
    "between four settings": (
        {"batches": (4, 16)},
        at(20),
        2,
        ("no measured sizes lie on both sides of it along one axis",),
    ),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_run_decides_what_it_has_measured(tmp_path, capsys, name):
    grid, words, expected, said = QUESTIONS[name]
    code, lines, _ = choose(capsys, journal(tmp_path, **grid), *words)
    assert code == expected
    assert [text for text in said if text not in "\n".join(lines)] == []
    assert lines[-1].startswith("decide it with: timelift bench") == (code == 2)


@pytest.mark.parametrize("goal", ["time", "memory", "first-call"])
def test_a_size_between_two_has_the_answer_of_both_or_none(tmp_path, capsys, goal):
    path = journal(tmp_path, noise=0.02)
    words = ("--goal", goal, "--json", "--seq-lens")
    ends, between = (
        [json.loads("\n".join(choose(capsys, path, *words, size)[1])) for size in sizes]
        for sizes in (("10", "40"), ("20",))
    )
    names = {one["strategy"] for one in ends}
    assert between[0]["decided"] == (len(names) == 1 and None not in names)
    assert not between[0]["decided"] or between[0]["strategy"] in names


def test_a_strategy_that_crashed_later_needs_no_memory_that_counts(tmp_path, capsys):
    facts = {"native": {"peak_bytes": 3 << 20}, "fold_time": {"peak_bytes": 2 << 20}}
    path = of_facts(tmp_path, facts, sizes=(16,))
    case = journals.case("loop_slice")
    least = [journals.line(case, launch, facts={"peak_bytes": 1 << 20}) for launch in (1, 2)]
    journals.go_on(path, *least, journals.ended(case, "crashed", "signal 11", launch=3))
    code, lines, _ = choose(capsys, path, "--goal", "memory")
    assert code == 0
    assert "fold_time" in lines[1]
    assert "loop_slice" not in "".join(lines)


def test_the_first_call_has_its_own_answer(tmp_path, capsys):
    code, lines, _ = choose(capsys, journal(tmp_path), "--seq-lens", "40", "--goal", "first-call")
    assert code == 0
    assert len(lines) == 6
    assert "first result" in lines[1]
    assert "not shown to differ" in lines[2]
    assert "times as fast as loop_slice" in lines[3]


BOUND, MIB = {"peak_bytes_below": 1 << 17}, {"peak_bytes": 1 << 20}
MEMORY = {
    "of one not known, which may be the least": (
        peaks(a=(None, 100), b=(200, 400), c=(300, 900)),
        10,
        ("peak memory of a is not known, and may be the least",),
    ),
    "of one nothing, which may be the least": (
        peaks(a=(0, 100), b=(200, 400), c=(300, 900)),
        10,
        ("peak memory of a is not known, and may be the least",),
    ),
    "known at the other size": (
        peaks(a=(None, 100), b=(200, 400), c=(300, 900)),
        40,
        ("least memory is a",),
    ),
    "too little to be read, which is less than its bound": (
        {"a": BOUND, "b": BOUND, "c": MIB},
        40,
        (
            "least memory is a",
            "less than 128 KiB at the peak of a call, from 3 launches",
            "not shown to differ: b; times as much: c at least 7.62",
        ),
    ),
    "of one neither size nor bound known": (
        {"a": {}, "b": BOUND, "c": MIB},
        40,
        ("peak memory of a is not known",),
    ),
    "not known of any": (
        {"native": {}, "loop_slice": {}},
        40,
        ("peak memory is known of fewer than two strategies",),
    ),
}


@pytest.mark.parametrize("question", MEMORY)
def test_memory_is_decided_where_the_least_of_it_is_known(tmp_path, capsys, question):
    facts, size, said = MEMORY[question]
    path = of_facts(tmp_path, facts)
    code, lines, _ = choose(capsys, path, "--seq-lens", str(size), "--goal", "memory")
    assert code == (0 if said[0].startswith("least memory is") else 2)
    assert [text for text in said if text not in "\n".join(lines)] == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--workloads", "frmes"], "--workloads: unknown workload 'frmes'; nearest: frames"),
        (["--workloads", "tokns"], "known: frames; not in this run: tokens"),
        (["--phases", "backwards"], "--phases: unknown value 'backwards'; nearest: backward"),
        (["--goal", "speed"], "--goal: unknown value 'speed'; known: first-call, memory, time"),
        (["--batch-sizes", "0"], "--batch-sizes: expected a whole number from 1, received '0'"),
        (["--seq-lens", "9" * 5000], "--seq-lens: expected a whole number from 1"),
        (["--batch-sizes", "8"], "expected --seq-lens, since the run has several: 10, 40"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_1(tmp_path, capsys, words, sentence):
    code, lines, complaint = choose(capsys, journal(tmp_path), *words)
    assert code == 1
    assert lines == []
    assert sentence in complaint
    assert complaint.count("\n") == 1


def test_every_option_of_a_printed_command_is_one_of_bench():
    assert {one.axis: one.flag for one in OPTIONS if one.axis} == dict(case.AXIS_FLAGS)
    flags = {option.flag for option in OPTIONS}
    assert {"--strategies", "--precision", "--budget", "--layer", "--inputs"} <= flags


def test_a_user_s_own_layer_is_in_the_command(tmp_path):
    options = {"layer": "my models:make", "inputs": ""}
    cases = journals.grid(("native",), ("make",), (8,), phases=("backward",))
    head = journals.header(options=options)
    path = journals.write(tmp_path / "run.jsonl", head, *journals.campaign(cases), journals.END)
    run = results.load(path)
    question = ask({"seq_len": "9", "device": "gpu:1"}, "time", run)
    words = shlex.split(to_measure(question, options_to_repeat(run), longer=False))
    assert words[words.index("--layer") + 1] == "my models:make"
    assert words[words.index("--devices") + 1] == "gpu:1"
    assert "--inputs" not in words


def test_a_variant_and_a_dynamic_axis_are_in_the_call(tmp_path, capsys):
    path = journal(
        tmp_path,
        ("fold_chunks[k=8]", "loop_slice"),
        workloads=("sentences",),
        seq_lens=(16,),
        time_axis="dynamic",
    )
    code, lines, _ = choose(capsys, path, "--workloads", "sentences", "--seq-lens", "16")
    assert code == 0
    assert "copy strategies/fold_chunks.py, then: model = build(layer, (None, " in lines[4]
    assert lines[4].endswith("k=8)")


def test_hostile_names_are_shown_harmless(tmp_path, capsys):
    workload = "../x\x1b]0;y"
    path = journal(
        tmp_path, ("../../etc/passwd\x1b[31m", "b"), workloads=(workload,), seq_lens=(16,)
    )
    code, lines, _ = choose(capsys, path, "--workloads", workload, "--seq-lens", "16")
    assert code == 0
    assert "\x1b" not in "".join(lines)
    assert "strategies/../../etc" not in lines[3]


def test_a_run_without_results_is_a_sentence(tmp_path, capsys):
    lost = journals.ended(journals.case(), Status.CRASHED, "signal 11")
    path = journals.write(tmp_path / "run.jsonl", journals.header(), lost, journals.END)
    code, lines, _ = choose(capsys, path)
    assert code == 2
    assert "not measured at any size" in lines[0]
    empty = journals.write(tmp_path / "empty.jsonl", journals.header())
    assert choose(capsys, empty)[0] == 1


def test_an_axis_that_was_measured_one_way_needs_no_option(tmp_path):
    cases = journals.grid(("native",), seq_lens=(8,), mode="xla")
    run = results.load(journals.synthetic(tmp_path / "run.jsonl", cases))
    assert ask({"phase": "backward"}, "time", run).setting.mode == "xla"
    assert ask({}, "time", run).setting.phase == "forward"


@pytest.mark.parametrize("seed", range(4))
def test_whatever_times_a_file_holds_there_is_an_answer_or_none(tmp_path, seed, capsys):
    random = np.random.default_rng(seed)
    wild = random.uniform(0.1, 9)
    lines = [
        journals.line(
            journals.case(name, seq_len=int(size)),
            int(launch),
            (10 ** random.uniform(-wild, wild, random.integers(1, 9))).tolist(),
        )
        for name in ("a", "b", "c")
        for size in random.choice(
            [1, 2, 7, 50, 1000, 2**31 - 1], random.integers(1, 6), replace=False
        )
        for launch in random.choice([1, 2, 3, 9], random.integers(1, 5), replace=False)
    ]
    path = journals.write(tmp_path / "run.jsonl", journals.header(), *lines, journals.END)
    for size, goal in itertools.product((1, 2, 5, 60, 2**31 - 1), ("time", "memory")):
        words = ("--seq-lens", str(size), "--goal", goal)
        code, _, _ = choose(capsys, path, *words)
        assert code in {0, 2}
        told = choose(capsys, path, *words, "--json")
        assert (told[0], json.loads("\n".join(told[1]))["decided"]) == (code, code == 0)


@pytest.mark.parametrize("twins", ["a self-test", "another side"])
def test_a_run_against_twins_is_asked_nothing(tmp_path, capsys, twins):
    path = journals.selftest(tmp_path / "run.jsonl", launches=5)
    if twins == "another side":
        head = journals.header(strategies={"native@HEAD": {"against": {"of": "native"}}})
        path = journals.write(
            path, head, *journals.campaign(journals.grid(("native", "native@HEAD")))
        )
    code, lines, said = choose(capsys, path, "--seq-lens", "1", "--batch-sizes", "1")
    assert (code, lines) == (1, [])
    assert "expected a usual run, received one against twins" in said
    assert "name a run of timelift bench without --against" in said
