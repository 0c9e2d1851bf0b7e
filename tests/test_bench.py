"""`pytest bench/` as its users meet it: one small real run, seen from every side."""

import json
import re
from xml.etree import ElementTree as ET

import pytest

from tests.support import hostile
from tests.support.projects import GOOD, SMALL, bench, items, project, records_of

WORDS = (
    "--workloads sensor --seq-lens 3,128 --batch-sizes 2 --launches 2 "
    "--benchmark-json out.json --junitxml out.xml --seed 5 "
    "--report"
).split()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One run with three good strategies and one of each misbehaving kind."""
    folder = project(tmp_path_factory.mktemp("project"), extra=hostile.STRATEGIES)
    labels = [f"sensor-T3-B2-forward-graph-{name}" for name in (*GOOD, *hostile.STRATEGIES)]
    done = bench(folder, *items("forward", labels), *WORDS)
    return folder, done, records_of(folder)


def launches(records, strategy):
    lines = [line for line in records if line["kind"] == "launch"]
    return [line for line in lines if line["case"]["strategy"] == strategy]


@pytest.mark.parametrize(
    ("strategy", "sentence"),
    [
        ("raises", "failed: line 5: RuntimeError: no such thing"),
        ("exits", "crashed: the worker ended with exit code 0 while building: last words"),
        ("doubles", "law broken: outputs at step"),
    ],
)
def test_a_bad_strategy_fails_its_own_item_in_one_paragraph(run, strategy, sentence):
    _, done, records = run
    assert f"sensor-T3-B2-forward-graph-{strategy}: {sentence}" in done.stdout
    assert "Traceback" not in done.stdout
    (line,) = launches(records, strategy)
    assert "\x1b" not in done.stdout + done.stderr + line["reason"]


@pytest.mark.parametrize("strategy", GOOD)
def test_rivals_of_a_bad_strategy_are_measured_in_every_launch(run, strategy):
    lines = launches(run[2], strategy)
    assert [line["launch"] for line in lines] == [1, 2]
    for line, rival in zip(lines, launches(run[2], GOOD[0]), strict=True):
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


def test_a_refusal_skips_with_its_sentence(run):
    folder, _, records = run
    (skipped,) = ET.parse(folder / "out.xml").getroot().iter("skipped")  # noqa: S314 - ours
    assert "refused: it never lifts anything." in skipped.get("message")
    assert launches(records, "refuses_all")[0]["status"] == "refused"


def test_the_journal_records_the_run_and_the_machine(run):
    header, end = run[2][0], run[2][-1]
    assert (header["kind"], header["schema"], header["seed"]) == ("run", 1, 5)
    assert header["machine"]["identity"]["cores"] >= 1
    assert "tensorflow" in header["machine"]["drift"]["versions"]
    assert header["options"]["seq_lens"] == "3,128"
    assert (end["kind"], end["exit"]) == ("end", "complete")


def test_pytest_benchmark_has_the_samples_and_the_fields(run):
    folder, done, records = run
    stored = json.loads((folder / "out.json").read_text())["benchmarks"]
    assert {benchmark["params"]["strategy"] for benchmark in stored} == set(GOOD)
    assert len(stored) == len(GOOD)
    for benchmark in stored:
        lines = launches(records, benchmark["params"]["strategy"])
        assert benchmark["stats"]["data"] == [
            x for line in lines for x in line["seconds_per_call"] if x
        ]
        assert benchmark["params"]["seq_len"] == 3
    assert "benchmark 'sensor-T3-B2-forward-graph'" not in done.stdout  # it was not asked for


def test_disabled_benchmarks_still_hold_the_law_and_a_missing_device_is_a_skip(tmp_path):
    folder = project(tmp_path, ("native",), {"doubles": hostile.STRATEGIES["doubles"]})
    words = "--benchmark-disable -rs --devices cpu,gpu:7".split()
    done = bench(folder, "bench/test_forward.py", *SMALL, *words)
    assert "1 failed, 1 passed, 2 skipped" in done.stdout
    assert "--devices gpu:7: this machine has cpu" in done.stdout
    assert "nothing was measured" not in done.stdout
    assert not (folder / "results").exists()


def test_a_run_fails_where_cases_fail_and_ends_in_the_answer_and_the_page(run):
    folder, done, _ = run
    assert done.returncode == 1
    assert "3 failed, 3 passed, 1 skipped" in done.stdout
    assert re.search(r"^Not decided: \w+ looked best, ", done.stdout, re.MULTILINE)
    assert re.search(r"^page +results/report/index.html ", done.stdout, re.MULTILINE)
    assert (folder / "results" / "report" / "index.html").exists()
    assert re.search(r"^failed +\w+ ", done.stdout, re.MULTILINE)


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
