"""Nothing lost, nothing hung: a run survives its strategies, each in a setting of its own."""

from collections import Counter

import pytest

from studies import remains
from tests import hostile
from tests.projects import bench, items, project, records_of

GOOD = ("native", "fold_time")
#: Batch sizes: where the good meet those that end their worker, and those that leave disorder.
WILD, UNTIDY = 2, 4
WORDS = (
    "--workloads sensor --seq-lens 3 --batch-sizes 2,4 --launches 2 --seed 5 "
    "--first-call-limit 10 --memory-limit 6G"
).split()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One run of good strategies among those that end their worker, or never end, or are untidy.

    Its folder, the finished process, its lines of cases, and how many processes it left.
    """
    folder = project(tmp_path_factory.mktemp("run"), GOOD, hostile.WILD | hostile.UNTIDY)
    chosen = [
        f"sensor-T3-B{batch}-forward-graph-{name}"
        for batch, names in ((WILD, hostile.WILD), (UNTIDY, hostile.UNTIDY))
        for name in (*GOOD, *names)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(remains.TRIAL_VARIABLE, str(folder))
        done = bench(folder, *items("forward", chosen), *WORDS)
    left = remains.end_orphans(str(folder), grace=300.0)  # a busy machine ends them late
    return done, [line for line in records_of(folder) if line["kind"] == "launch"], left


def lines_of(run, batch):
    return [line for line in run[1] if line["case"]["batch"] == batch]


@pytest.mark.parametrize(
    ("strategy", "sentence"),
    [
        ("segfaults", "crashed: the worker ended with signal SIGSEGV while building"),
        ("loops", "after 10 s"),
        ("hoards", "out of memory: "),
        ("dies_playing", "crashed: the worker ended with signal SIGSEGV while playing"),
    ],
)
def test_a_case_that_dies_is_a_row_with_its_own_reason(run, strategy, sentence):
    (row,) = [line for line in lines_of(run, WILD) if line["case"]["strategy"] == strategy]
    assert sentence in f"{row['status']}: {row['reason']}"
    assert "Traceback" not in run[0].stdout


@pytest.mark.parametrize(("batch", "among"), [(WILD, ()), (UNTIDY, hostile.UNTIDY)])
def test_rivals_of_the_dead_and_the_untidy_are_measured_in_every_launch(run, batch, among):
    rows = [line for line in lines_of(run, batch) if "facts" in line]
    assert Counter((line["launch"], line["case"]["strategy"]) for line in rows) == {
        (launch, name): 1 for launch in (1, 2) for name in (*GOOD, *among)
    }
    assert f"{2 * len(GOOD) + len(hostile.UNTIDY)} passed" in run[0].stdout, run[0].stdout


def test_what_a_strategy_changes_for_everyone_is_put_back(run):
    assert run[2] == 0
    alike = {"native", "moves", "seeds"}
    lines = [line for line in lines_of(run, UNTIDY) if line["case"]["strategy"] in alike]
    assert len(lines) == 2 * len(alike)
    assert len({line["facts"]["graph_nodes"] for line in lines}) == 1
