"""`pytest bench/` as its users meet it: one small real run, seen from every side."""

import json
import os
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests import hostile, summaries
from tests.projects import GOOD, SMALL, bench, journal_of, project, records_of
from timelift.analyse.changes import levels
from timelift.planted import PLANTS

ROOT = Path(__file__).parent.parent
HEAD = '"""Counts."""\nimport os\ndef build(layer, shape):\n'


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One run with three good strategies and one of each misbehaving kind."""
    folder = project(tmp_path_factory.mktemp("project"), extra=hostile.STRATEGIES)
    words = (
        "--benchmark-json out.json --junitxml out.xml --case-timeout 8 --seed 5 --report".split()
    )
    done = bench(folder, "bench/test_forward.py", *SMALL, *words)
    return folder, done, records_of(folder)


def launches(records, strategy):
    """The journal's lines of one strategy."""
    return [
        one for one in records if one["kind"] == "launch" and one["case"]["strategy"] == strategy
    ]


def test_the_run_fails_because_some_cases_fail(run):
    """Good cases pass, a refusal skips, the rest fail; exit code 1."""
    _, done, _ = run
    assert done.returncode == 1
    assert "4 failed, 3 passed, 1 skipped" in done.stdout


@pytest.mark.parametrize(
    ("strategy", "sentence"),
    [
        ("raises", "failed: RuntimeError: no such thing"),
        ("exits", "crashed: the worker ended with exit code 3 while building: last words"),
        ("hangs", "timed out: building took more than 8 s (--case-timeout)"),
        ("doubles", "law broken: breaks the law: outputs at step"),
    ],
)
def test_a_bad_strategy_fails_its_own_item_in_one_paragraph(run, strategy, sentence):
    """The sentence names the case and the cause; there is no traceback."""
    _, done, records = run
    assert f"sensor-T3-B2-forward-graph-{strategy}: {sentence}" in done.stdout
    assert "Traceback" not in done.stdout
    assert len(launches(records, strategy)) == 1


def test_its_journal_is_read_by_the_history_without_a_detour(run, monkeypatch):
    """Whatever a worker tells of a measured case, its line is of the form that is read fast."""
    folder, _, records = run
    slow = summaries.watched(monkeypatch)
    found = levels.summary_of_run(journal_of(folder))
    assert {case.strategy for case in found.log_seconds} == set(GOOD)
    measured = [one for one in records if one.get("status") == "measured"]
    assert any("engine" in one["facts"] for one in measured)
    assert [line for line in slow if b'"status":"measured"' in line] == []


@pytest.mark.parametrize("strategy", GOOD)
def test_rivals_of_a_bad_strategy_are_measured_in_every_launch(run, strategy):
    """Two launches, rounds of positive seconds, and facts beside them."""
    found = launches(run[2], strategy)
    assert [one["launch"] for one in found] == [1, 2]
    for one in found:
        played = [sample for sample in one["seconds_per_call"] if sample is not None]
        assert played  # a busy machine pre-empts rounds, which are dropped
        assert min(played) > 0
        assert one["calls_per_sample"] >= 1
        facts = one["facts"]
        assert facts["first_call_seconds"] > facts["trace_seconds"] > 0
        assert facts["graph_nodes"] > 1
        assert facts["weights"] == 3 * 16 + 16
        assert ("flops" in facts) == (one["launch"] == 1)
        assert facts["law_error"] < 1e-5


def test_rounds_of_rivals_pair_up(run):
    """In one launch every rival lists the same number of rounds."""
    for number in (1, 2):
        rounds = {
            len(one["seconds_per_call"])
            for name in GOOD
            for one in launches(run[2], name)
            if one["launch"] == number
        }
        assert len(rounds) == 1


def test_a_refusal_skips_with_its_sentence(run):
    """JUnit XML and the journal carry the strategy's own words."""
    folder, _, records = run
    skipped = ET.parse(folder / "out.xml").getroot().iter("skipped")  # noqa: S314 - ours
    assert ["refused: it never lifts anything." in one.get("message") for one in skipped] == [True]
    assert launches(records, "refuses_all")[0]["status"] == "refused"


def test_the_journal_says_what_ran_where(run):
    """The header holds schema, seed, machine and options; the end is marked."""
    header, end = run[2][0], run[2][-1]
    assert (header["kind"], header["schema"], header["seed"]) == ("run", 1, 5)
    assert header["machine"]["identity"]["cores"] >= 1
    assert "tensorflow" in header["machine"]["drift"]["versions"]
    assert header["options"]["seq_lens"] == "3"
    assert (end["kind"], end["exit"]) == ("end", "complete")


def test_pytest_benchmark_has_the_samples_and_the_fields(run):
    """Its JSON holds our samples in our order, and `params` is the case."""
    folder, done, records = run
    stored = json.loads((folder / "out.json").read_text())["benchmarks"]
    assert {one["params"]["strategy"] for one in stored} == set(GOOD)
    for one in stored:
        strategy = one["params"]["strategy"]
        ours = [x for line in launches(records, strategy) for x in line["seconds_per_call"] if x]
        assert one["stats"]["data"] == ours
        assert one["params"]["seq_len"] == 3
    assert "benchmark 'sensor-T3-B2-forward-graph'" not in done.stdout  # it was not asked for


def test_disabled_benchmarks_still_hold_the_law(tmp_path):
    """--benchmark-disable builds, checks and calls each case once, and writes no journal."""
    folder = project(tmp_path, ("native",), {"doubles": hostile.STRATEGIES["doubles"]})
    done = bench(folder, "bench/test_forward.py", "--benchmark-disable", *SMALL)
    assert "1 failed, 1 passed" in done.stdout
    assert not (folder / "results").exists()


def test_a_device_that_is_not_there_is_a_skip(tmp_path):
    """The sentence names the device."""
    folder = project(tmp_path, ("native",))
    done = bench(folder, "bench/test_forward.py", "-rs", "--devices", "gpu:7", *SMALL)
    assert "1 skipped" in done.stdout
    assert "TensorFlow sees no gpu:7 on this machine" in done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--strategies", "nativ"], "unknown strategy 'nativ'; nearest: native"),
        (["--workloads", "sensr"], "unknown workload 'sensr'; nearest: sensor"),
        (
            ["--seq-lens", "0"],
            "--seq-lens: expected a whole number from 1 to 2,147,483,647, received '0'",
        ),
        (["--resume="], "--resume: expected a run, received nothing"),
        (["--modes", "grap"], "--modes: unknown value 'grap'; nearest: graph"),
        (["--launches", "0"], "--launches: expected a number of fresh processes"),
        (["--launches", "5-3"], "or the fewest and the most, like 3-12, received '5-3'"),
        (["--budget", "5d"], "--budget: expected the time for the whole run"),
        (["--relative-to", "nativ"], "--relative-to: unknown strategy 'nativ'; nearest: native"),
        (["--pin", "100000"], "--pin: expected the processors to stay on"),
        (
            ["-o", "seq_lens=x"],
            "--seq-lens: expected a whole number from 1 to 2,147,483,647, received 'x'",
        ),
    ],
)
def test_a_wrong_option_is_one_sentence_and_exit_code_4(tmp_path, words, sentence):
    """Nothing is measured and nothing is written."""
    done = bench(project(tmp_path), "bench/", *words)
    assert done.returncode == 4
    assert done.stderr.strip().startswith("ERROR: ")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert not (tmp_path / "results").exists()


def test_a_baseline_that_is_not_measured_costs_no_measuring(tmp_path):
    """It is one sentence before anything is played."""
    folder = project(tmp_path, ("native", "fold_time"))
    words = ["--strategies", "native", "--relative-to", "fold_time"]
    done = bench(folder, "bench/test_forward.py", *SMALL, *words)
    assert done.returncode == 1
    assert "--relative-to: expected a lift that is measured, received 'fold_time'" in done.stdout
    assert not (folder / "results").exists()


def test_the_end_says_the_answer_and_where_the_rest_is(run):
    """A row a workload, which two launches do not make a verdict of; and the page is there."""
    folder, done, _ = run
    assert re.search(r"^sensor +\w+ .* seen in 2", done.stdout, re.MULTILINE)
    assert re.search(r"^page +results/report/index.html ", done.stdout, re.MULTILINE)
    assert (folder / "results" / "report" / "index.html").exists()
    assert re.search(r"^failed +4 cases: ", done.stdout, re.MULTILINE)


def test_a_budget_that_is_spent_skips_the_rest_and_says_so(tmp_path):
    """What was not measured is neither passed nor failed, and the journal is not complete."""
    folder = project(tmp_path, ("native", "fold_time"))
    done = bench(folder, "bench/test_forward.py", "-rs", *SMALL, "--budget", "0.001s")
    assert "2 skipped" in done.stdout
    assert "its --budget spent before it" in done.stdout
    assert records_of(folder)[-1]["exit"] == "cut short"


def test_pinned_launches_run_on_those_processors(tmp_path):
    """The worker sees no other, and the journal says which."""
    core = min(os.sched_getaffinity(0))
    where = HEAD + "    raise OSError(os.sched_getaffinity(0))\n"
    folder = project(tmp_path, ("native",), {"counts": where})
    done = bench(folder, "bench/test_forward.py", *SMALL, "--pin", str(core))
    assert f"failed: OSError: {{{core}}}" in done.stdout
    assert records_of(folder)[0]["options"]["pin"] == str(core)


def test_a_self_test_races_a_strategy_against_its_twins(tmp_path):
    """Its journal lies apart, what it found is kept, and a later report says so."""
    folder = project(tmp_path, ("native",))
    done = bench(folder, "bench/test_forward.py", "--selftest", *SMALL, "--strategies", "native")
    assert f"{1 + len(PLANTS)} passed" in done.stdout
    assert "identical code was called different in 0 of 3 comparisons" in done.stdout
    assert not list(folder.glob("results/*/*.jsonl"))
    header, *_ = records_of(folder, "selftest")
    assert header["strategies"]["native@+5%"]["planted"]["slower"] == 0.05
    assert "planted" not in header["strategies"]["native"]
    (kept,) = folder.glob("results/*/selftest/trust.json")
    assert json.loads(kept.read_text())["false_alarms"] == [0, 3]


def test_a_test_that_measures_without_a_question_fails_in_a_sentence(tmp_path):
    """It has no case."""
    folder = project(tmp_path)
    (folder / "bench" / "test_bare.py").write_text("def test_bare(measure):\n    measure()\n")
    done = bench(folder, "bench/test_bare.py")
    assert "measure needs @pytest.mark.question(...) on its test" in done.stdout
    assert "AttributeError" not in done.stdout + done.stderr


def test_a_malformed_strategy_fails_at_collection(tmp_path):
    """Even when the user asked for another one."""
    folder = project(tmp_path, extra={"mine": '"""Mine."""\n'})
    done = bench(folder, "bench/", "--strategies", "native")
    assert done.returncode == 4
    assert "mine.py: lacks the function build(layer, shape)" in done.stderr


def test_a_read_only_results_folder_is_one_sentence(tmp_path):
    """A file where the folder should be stands for every folder that cannot be written."""
    folder = project(tmp_path, ("native",))
    (folder / "results").write_text("in the way")
    done = bench(folder, "bench/test_forward.py", *SMALL)
    assert done.returncode == 1
    assert "cannot write" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


MINE = '"""Mine."""\nimport keras\ndef build(layer, shape):\n    x = keras.Input(shape)\n'
LAYER = "import keras\ndef make():\n    return keras.layers.Dense(2)\ndef two():\n"
USERS = "--features 3 --seq-lens 3 --batch-sizes 2 --launches 1 --round-seconds 0.01".split()


def test_a_users_own_layer_and_strategy_need_no_file_of_ours(tmp_path):
    """Both come from elsewhere, and the layer stands in place of the default workloads."""
    folder = project(tmp_path, ("native",))
    good = "    return keras.Model(x, keras.layers.TimeDistributed(layer)(x))\n"
    (tmp_path / "mine.py").write_text(MINE + good)
    (tmp_path / "layers.py").write_text(LAYER + "    return 2\n")
    words = ["--strategy-file", "mine.py", "--layer-file", "layers.py:make", *USERS]
    done = bench(folder, "bench/test_forward.py", *words)
    assert "2 passed" in done.stdout
    assert "make-T3-B2-forward-graph-mine" in done.stdout


def test_a_layer_of_two_inputs_is_one_sentence(tmp_path):
    """The layer is at fault, and no strategy."""
    folder = project(tmp_path, ("native",))
    pair = (
        "    a, b = keras.Input((3,)), keras.Input((3,))\n    return keras.Model([a, b], a + b)\n"
    )
    (tmp_path / "layers.py").write_text(LAYER + pair)
    done = bench(folder, "bench/test_forward.py", "--layer-file", "layers.py:two", *USERS)
    assert "returns a layer with 2 inputs; only layers with one can be lifted" in done.stdout
    assert done.returncode == 1


#: Ways in which no layer can be made, and what is said of each.
NO_LAYERS = {
    "raises": (
        "import keras\ndef make():\n    raise ValueError('no such size')\n",
        "ValueError: no such size",
    ),
    "returns_none": ("def make():\n    pass\n", "must return a Keras layer, got NoneType"),
    "cannot_be_imported": (
        "import nowhere\ndef make():\n    pass\n",
        "ModuleNotFoundError: No module named 'nowhere'",
    ),
    "exits": (
        "import sys\ndef make():\n    sys.exit(3)\n",
        "the worker ended with exit code 1 while making the inner layer",
    ),
}
TWO_SIZES = "--features 3 --seq-lens 3,4 --batch-sizes 2 --launches 1 --round-seconds 0.01".split()


@pytest.mark.parametrize("kind", NO_LAYERS)
def test_a_layer_that_cannot_be_made_fails_once_for_the_run(tmp_path, kind):
    """In one sentence with the error's own words; the other workload of the run is measured."""
    folder = project(tmp_path, ("native", "fold_time"))
    text, sentence = NO_LAYERS[kind]
    (tmp_path / "mine.py").write_text(text)
    words = ["--layer-file", "mine.py:make", "--workloads", "make,sensor", *TWO_SIZES]
    done = bench(folder, "bench/test_forward.py", "-rs", *words)
    assert "1 failed, 4 passed, 3 skipped" in done.stdout, done.stdout
    assert done.returncode == 1
    told = [line for line in done.stdout.splitlines() if line.startswith("make: ")]
    assert len(told) == 1
    assert told[0].startswith("make: no inner layer: ")
    assert sentence in told[0]
    assert "no inner layer: the first case of make says why" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    lines = records_of(folder)
    lost = [one for one in lines if one.get("status") == "no inner layer"]
    assert len({(one["case"]["seq_len"], one["case"]["strategy"]) for one in lost}) == 4
    assert lines[-1]["exit"] == "complete"


def test_a_layer_that_fails_at_one_size_fails_its_own_cases_alone(tmp_path):
    """Each of them says so, and those of the other size are measured."""
    folder = project(tmp_path, ("loop_slice", "fold_time"))
    (tmp_path / "mine.py").write_text(
        "import keras\nclass Picky(keras.layers.Dense):\n    def call(self, x, **_):\n"
        "        if x.shape[0] == 4:\n            raise ValueError('not four')\n"
        "        return super().call(x)\ndef make():\n    return Picky(2)\n"
    )
    sizes = "--features 3 --seq-lens 3 --batch-sizes 4,2 --launches 1 --round-seconds 0.01".split()
    done = bench(folder, "bench/test_forward.py", "--layer-file", "mine.py:make", *sizes)
    assert "2 failed, 2 passed" in done.stdout, done.stdout
    for name in ("loop_slice", "fold_time"):
        assert (
            f"make-T3-B4-forward-graph-{name}: failed: the inner layer: ValueError" in done.stdout
        )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--layer nocolon --features 3", "--layer: expected module:function"),
        ("--layer a.b:c", "--features: expected the shape of one step"),
        ("--layer a:b --layer-file c.py:d --features 3", "name two layers"),
        ("--layer-file gone.py:f --features 3", "--layer-file: expected an existing"),
        ("--layer-file workloads/sensor.py:mak --features 3", "it has: make_layer"),
        ("--layer a:b --features 3 --input-dtype int32", "go together"),
        ("--layer a:b --features 3,x", "--features: expected the shape of one step"),
        ("--strategy-file gone.py", "gone.py: cannot be read"),
    ],
)
def test_a_wrong_word_about_the_users_own_is_one_sentence(tmp_path, words, sentence):
    """Exit code 4, before anything runs."""
    done = bench(project(tmp_path), "bench/", *words.split())
    assert done.returncode == 4
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_question_that_cannot_be_read_costs_no_measuring(tmp_path):
    """Pytest would report no item of the others, unless it is told to go on."""
    folder = project(tmp_path, ("native",))
    (folder / "bench" / "test_broken.py").write_text("def\n")
    done = bench(folder, "bench/", *SMALL)
    assert done.returncode == 2, done.stdout
    assert "SyntaxError" in done.stdout
    assert not list(folder.glob("results/*/*.jsonl"))
