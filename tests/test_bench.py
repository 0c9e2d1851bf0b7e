"""`pytest bench/` as its users meet it: one real run of good and bad, seen from every side."""

import json
import re
from itertools import product
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest

from studies import remains
from tests.support import hostile
from tests.support.projects import GOOD, SMALL, bench, items, project, records_of

#: Batch sizes: where the good meet those that end badly, and those that leave disorder.
WILD, UNTIDY = 2, 4
BAD = hostile.STRATEGIES | hostile.WILD
WORDS = (
    "--workloads sensor --seq-lens 3,128 --batch-sizes 2,4 --launches 2 "
    "--first-call-limit 10 --memory-limit 6G "
    "--benchmark-json out.json --junitxml out.xml --seed 5 "
    "--report"
).split()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One run of good strategies among all that misbehave, and how many processes it left."""
    folder = project(tmp_path_factory.mktemp("project"), extra=BAD | hostile.UNTIDY)
    labels = [
        f"sensor-T3-B{batch}-forward-graph-{name}"
        for batch, names in ((WILD, BAD), (UNTIDY, hostile.UNTIDY))
        for name in (*GOOD, *names)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(remains.TRIAL_VARIABLE, str(folder))
        done = bench(folder, *items("forward", labels), *WORDS)
    left = remains.end_orphans(str(folder), grace=300.0)  # a busy machine ends them late
    return SimpleNamespace(folder=folder, done=done, records=records_of(folder), left=left)


def launches(run, strategy, batch=WILD):
    lines = [line for line in run.records if line["kind"] == "launch"]
    wanted = {"strategy": strategy, "batch": batch}
    return [line for line in lines if wanted.items() <= line["case"].items()]


@pytest.mark.parametrize(
    ("strategy", "sentence"),
    [
        ("raises", "failed: line 5: RuntimeError: no such thing"),
        ("exits", "crashed: the worker ended with exit code 0 while building: last words"),
        ("doubles", "law broken: outputs at step"),
        ("segfaults", "crashed: the worker ended with signal SIGSEGV while building"),
        ("loops", "after 10 s"),
        ("hoards", "out of memory: "),
        ("dies_playing", "crashed: the worker ended with signal SIGSEGV while playing"),
    ],
)
def test_a_bad_strategy_fails_its_own_item_in_one_paragraph(run, strategy, sentence):
    printed = run.done.stdout
    (line,) = launches(run, strategy)
    assert sentence in f"{line['status']}: {line['reason']}"
    if sentence.startswith(line["status"]):
        assert f"sensor-T3-B2-forward-graph-{strategy}: {sentence}" in printed
    assert "Traceback" not in printed
    assert "\x1b" not in printed + run.done.stderr + line["reason"]


@pytest.mark.parametrize(
    ("strategy", "batch"),
    [*product(GOOD, (WILD, UNTIDY)), *product(hostile.UNTIDY, [UNTIDY])],
)
def test_the_good_and_the_untidy_are_measured_in_every_launch(run, strategy, batch):
    lines = launches(run, strategy, batch)
    assert [line["launch"] for line in lines] == [1, 2]
    for line, rival in zip(lines, launches(run, GOOD[0], batch), strict=True):
        assert len(line["seconds_per_call"]) == len(rival["seconds_per_call"])
        played = [sample for sample in line["seconds_per_call"] if sample is not None]
        assert played  # a busy machine pre-empts rounds, which are dropped
        assert min(played) > 0
        assert line["calls_per_sample"] >= 1
        facts = line["facts"]
        assert facts["first_call_seconds"] > facts["trace_seconds"] > 0
        assert facts["start_seconds"] > facts["build_seconds"] + facts["first_call_seconds"]
        assert facts["graph_nodes"] > 1
        assert facts["weights"] == 3 * 16 + 16
        assert facts["law_error"] < 1e-5
        peaks = {"peak_bytes", "peak_bytes_below"} & facts.keys()
        assert len(peaks) == (line["launch"] == 1)  # they are read once


def test_what_a_strategy_changes_for_everyone_is_put_back(run):
    assert run.left == 0
    lines = [line for name in ("native", "moves", "seeds") for line in launches(run, name, UNTIDY)]
    assert len(lines) == 2 * 3
    assert len({line["facts"]["graph_nodes"] for line in lines}) == 1


def test_a_refusal_skips_with_its_sentence(run):
    skipped = ET.parse(run.folder / "out.xml").getroot().iter("skipped")  # noqa: S314 - ours
    said = "refused: it never lifts anything."
    assert [one for one in skipped if said in one.get("message")]
    assert launches(run, "refuses_all")[0]["status"] == "refused"


def test_the_journal_records_the_run_and_the_machine(run):
    header, end = run.records[0], run.records[-1]
    assert (header["kind"], header["schema"], header["seed"]) == ("run", 1, 5)
    assert header["machine"]["identity"]["cores"] >= 1
    assert "tensorflow" in header["machine"]["drift"]["versions"]
    assert header["options"]["seq_lens"] == "3,128"
    assert (end["kind"], end["exit"]) == ("end", "complete")


def test_pytest_benchmark_has_the_samples_and_the_fields(run):
    stored = json.loads((run.folder / "out.json").read_text())["benchmarks"]
    assert {benchmark["params"]["strategy"] for benchmark in stored} == {*GOOD, *hostile.UNTIDY}
    assert len(stored) == 2 * len(GOOD) + len(hostile.UNTIDY)
    for benchmark in stored:
        params = benchmark["params"]
        lines = launches(run, params["strategy"], params["batch"])
        assert benchmark["stats"]["data"] == [
            x for line in lines for x in line["seconds_per_call"] if x
        ]
        assert params["seq_len"] == 3
    assert "benchmark 'sensor-T3-B2-forward-graph'" not in run.done.stdout  # it was not asked for


def test_disabled_benchmarks_still_hold_the_law_and_a_missing_device_is_a_skip(tmp_path):
    folder = project(tmp_path, ("native",), {"doubles": hostile.STRATEGIES["doubles"]})
    words = "--benchmark-disable -rs --devices cpu,gpu:7".split()
    done = bench(folder, "bench/test_forward.py", *SMALL, *words)
    assert "1 failed, 1 passed, 2 skipped" in done.stdout
    assert "--devices gpu:7: this machine has cpu" in done.stdout
    assert "nothing was measured" not in done.stdout
    assert not (folder / "results").exists()


def test_a_run_fails_where_cases_fail_and_ends_in_the_answer_and_the_page(run):
    printed = run.done.stdout
    assert run.done.returncode == 1
    skipped = {"refuses_all", "hoards"}  # a refusal, and what needs more memory
    passed = 2 * len(GOOD) + len(hostile.UNTIDY)
    counts = f"{len(BAD.keys() - skipped)} failed, {passed} passed, {len(skipped)} skipped"
    assert counts in printed, printed
    assert re.search(r"^Not decided: \w+ looked best, ", printed, re.MULTILINE)
    assert re.search(r"^page +results/report/index.html ", printed, re.MULTILINE)
    assert (run.folder / "results" / "report" / "index.html").exists()
    assert re.search(r"^failed +\w+ ", printed, re.MULTILINE)


def test_a_budget_that_is_spent_skips_the_rest_and_says_so(tmp_path):
    folder = project(tmp_path, ("native", "fold_time"))
    done = bench(
        folder, "bench/test_forward.py", "-rs", *SMALL, *"--launches 1 --budget 0.001s".split()
    )
    assert "2 skipped" in done.stdout
    assert "its --budget spent before it" in done.stdout
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
    assert records_of(folder)[-1]["exit"] == "cut short"


def test_a_test_that_measures_without_a_question_fails_in_a_sentence(tmp_path):
    folder = project(tmp_path)
    (folder / "bench" / "test_bare.py").write_text("def test_bare(measure):\n    measure()\n")
    done = bench(folder, "bench/test_bare.py")
    assert "measure needs @pytest.mark.question(...) on its test" in done.stdout
    assert "AttributeError" not in done.stdout + done.stderr


def test_where_a_question_cannot_be_read_nothing_is_measured(tmp_path):
    folder = project(tmp_path, ("native",))
    (folder / "bench" / "test_broken.py").write_text("def\n")
    done = bench(folder, "bench/", *SMALL)
    assert done.returncode == pytest.ExitCode.INTERRUPTED, done.stdout
    assert "SyntaxError" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(folder.glob("results/*/*.jsonl"))
