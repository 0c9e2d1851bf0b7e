"""Several runs in one report: shards, further launches and other machines, merged by hand."""

import csv
from dataclasses import replace

import pytest

from tests.support import endings, journals
from tests.support.simulated import TD, of_lengths, raced
from timelift.analyse.effects import aligned_samples
from timelift.analyse.findings import RunFindings
from timelift.analyse.merging import merge_runs
from timelift.analyse.ranking import rank_run
from timelift.analyse.recommend import on_places
from timelift.analyse.results import Run, load
from timelift.analyse.verdicts import compare_pairs
from timelift.axis_values import Phase, Status
from timelift.errors import UserError
from timelift.journal.lines import Header, Machine, machine_names
from timelift.present import conditions
from timelift.present.case_table import for_programs
from timelift.present.full_report import full_report
from timelift.present.summary import summary

GPU = {
    "name": "other-cpu-16cores-64gib-example-gpu",
    "identity": {"system": "Linux", "cpu": "Other CPU", "cores": 16, "gpus": "Example GPU"},
    "drift": {"versions": {"tensorflow": "2.21.0", "keras": "3.14.0"}, "python": "3.12.1"},
}
RIVALS = ("native", "fold_time", "time_distributed")


@pytest.fixture
def written(tmp_path):
    """Write a run of a grid by its name, which is its id, too; return the file."""

    def write(name, cases=None, header=None, launches=3, end=journals.END):
        cases = journals.grid(RIVALS, seq_lens=(16,)) if cases is None else cases
        head = journals.header(**({"id": name} | (header or {})))
        lines = journals.campaign(cases, launches, seed=len(name))
        return journals.write(tmp_path / f"{name}.jsonl", head, *lines, *([end] if end else []))

    return write


def merged(*paths):
    return merge_runs([path.stem for path in paths], [load(path) for path in paths])


def drift(**changes):
    return {"machine": journals.MACHINE | {"drift": journals.MACHINE["drift"] | changes}}


def numbers(run, *, machine=""):
    """The launches of each strategy in forward calls."""
    return {
        each.case.strategy: [launch.number for launch in each.launches]
        for each in run.measurements
        if each.case.setting.phase is Phase.FORWARD and each.case.setting.machine == machine
    }


def test_runs_with_a_machine_that_no_header_has_are_refused(written):
    cases = journals.grid(RIVALS, seq_lens=(16,), machine="ghost")
    with pytest.raises(UserError, match="expected every machine of 'a' in its header; report it"):
        merged(written("a", cases), written("b", cases))


def test_shards_of_a_grid_are_one_run_with_the_numbers_of_their_launches(written):
    short, long = (journals.grid(RIVALS, seq_lens=(length,)) for length in (16, 128))
    run = merged(written("a", short), written("b", long))
    assert run.complete
    assert {*run.by_case} == {*short, *long}
    assert conditions.over(run) == "launches of one session"
    assert {launch.number for each in run.measurements for launch in each.launches} == {1, 2, 3}


def test_launches_of_one_setting_are_numbered_on_and_keep_marks_and_rounds(written):
    paths = [written(name) for name in ("a", "bb", "ccc")]
    for path, mark in zip(paths, ("m1", "m2", "m1"), strict=True):
        path.write_text(path.read_text().replace('"rivals"', f'"mark":"{mark}","rivals"'))
    run, alone = merged(*paths), [load(path) for path in paths]
    assert numbers(run) == {key: [*range(1, 10)] for key in RIVALS}
    for case, measurement in run.by_case.items():
        own = [launch for each in alone for launch in each.by_case[case].launches]
        assert measurement.launches == tuple(
            replace(launch, number=number, run=str((number + 2) // 3))
            for number, launch in enumerate(own, 1)
        )
    assert [launch.mark for launch in measurement.launches][2:4] == ["m1", "m2"]
    assert all(row.launches == 9 for ranking in rank_run(run) for row in ranking.all_rows)


@pytest.mark.parametrize(
    ("names", "marks", "over", "units"),
    [
        ("a", "1", "launches of this session", 3),
        ("ab", "11", "launches of these two sessions", 6),
        ("abc", "121", "3 runs", 3),
        ("abcd", "1123", "machines", 3),
    ],
)
def test_intervals_say_what_they_are_over_and_three_runs_tell_of_a_run_tomorrow(
    written, names, marks, over, units
):
    paths = [written(name * (place + 1)) for place, name in enumerate(names)]
    for path, mark in zip(paths, marks, strict=True):
        path.write_text(path.read_text().replace('"rivals"', f'"mark":"{mark}","rivals"'))
    run = merged(*paths) if len(paths) > 1 else load(*paths)
    for pairs in compare_pairs(aligned_samples(run.measurements)):
        assert {pair.launches for pair in pairs.values()} == {units}
    findings, is_told = RunFindings(run), over == "3 runs"
    (words,) = summary(findings).block("answer").sentences
    assert words.startswith(f"shown: beyond what {over} differ by")
    assert ("A run tomorrow: at least 1." in summary(findings).below) is is_told
    assert f"intervals over {over}" in endings.told(full_report(findings))["speed-up"]
    data = for_programs(findings).data
    known = {name for name, low in zip(data["strategy"], data["tomorrow_low"], strict=True) if low}
    assert known - {TD} == ({*RIVALS} - {TD} if is_told else set())


def test_rivals_that_did_not_meet_share_no_launch(written):
    native, others = journals.grid(["native"]), journals.grid(RIVALS[1:])
    run = merged(written("a", native), written("b", others, launches=2))
    assert numbers(run)["native"] == [1, 2, 3]
    assert numbers(run)["fold_time"] == numbers(run)["time_distributed"] == [4, 5]


def test_other_machines_are_an_axis_on_which_each_has_its_own_launches(written):
    first, further = written("a"), written("bb")
    gpu = written("gpu", header={"machine": GPU})
    run = merged(first, gpu, further)
    here, there = machine_names([Machine(**journals.MACHINE), Machine(**GPU)])
    assert {each.case.setting.machine for each in run.measurements} == {here, there}
    assert numbers(run, machine=there) == {key: [1, 2, 3] for key in RIVALS}
    assert numbers(run, machine=here) == {key: [*range(1, 7)] for key in RIVALS}
    identities = {name: kind.identity for name, kind in run.header.machines.items()}
    assert identities == {here: journals.MACHINE["identity"], there: GPU["identity"]}
    assert run.header.machine.versions == {"tensorflow": "2.21.0"}
    again = merge_runs(["ab", "c"], [run, load(written("cccc", header={"machine": GPU}))])
    assert numbers(again, machine=there) == {key: [*range(1, 7)] for key in RIVALS}
    assert numbers(again, machine=here) == numbers(run, machine=here)


def test_machines_are_named_in_few_words_by_their_gpu_or_by_what_tells_them_apart():
    def names(*machines):
        return machine_names([Machine(name=name, identity=own) for name, own in machines])

    gpus = {"gpus": "NVIDIA H100 80GB, 81559 MiB"}, {"gpus": "NVIDIA A100 40GB, 40536 MiB"}
    assert names(("amd-epyc-4cores-8gib", {}), ("intel-xeon-8cores-9gib", gpus[0])) == [
        *("amd_epyc", "nvidia_h100")
    ]
    assert names(*(("amd-epyc", own) for own in gpus)) == ["h100_80gb", "a100_40gb"]
    assert names(("amd-4cores", {}), ("amd-8cores", {})) == ["4cores", "8cores"]
    assert names(("amd", {}), ("amd", {"x": 1})) == ["machine_1", "machine_2"]


@pytest.mark.parametrize(
    ("ends", "is_provisional", "is_cut_short"),
    [
        ((journals.END, None), True, False),
        ((journals.END, journals.END | {"exit": "cut short"}), False, True),
        ((None, journals.END | {"exit": "cut short"}), True, False),
    ],
)
def test_a_run_is_as_provisional_as_any_of_its_parts(written, ends, is_provisional, is_cut_short):
    run = merged(*(written("a" * place, end=end) for place, end in enumerate(ends, 1)))
    assert (run.is_provisional, run.cut_short) == (is_provisional, is_cut_short)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_case_that_failed_in_one_run_has_no_time_as_if_it_were_one_run(written, is_first):
    case = journals.case()
    failed = written("failed", [], launches=1)
    journals.go_on(failed, journals.ended(case, Status.CRASHED, "signal 11"))
    paths = [failed, written("measured", [case])]
    run = merged(*(paths if is_first else reversed(paths)))
    assert (run.by_case[case].status, run.by_case[case].reason) == (Status.CRASHED, "signal 11")
    assert len(run.by_case[case].launches) == 3


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"id": "a"}, "one as 'a' and 'other'"),
        ({"sources": {"timelift/strategies/x.py": "2"}}, "strategies/x.py '1' in 'a' and '2'"),
        ({"options": {"layer": "m:make", "inputs": "4"}}, "the layer of make"),
        (drift(python="3.13.0"), "python '3.12.1' in 'a' and '3.13.0' in 'other'"),
        (drift(flags={"XLA_FLAGS": "x"}), "flags {} in 'a' and {'XLA_FLAGS': 'x'} in 'other'"),
        (drift(versions={"keras": "3.14.0"}), "keras '3.15.1' in 'a' and '3.14.0' in 'other'"),
    ],
)
def test_what_has_one_name_and_is_not_the_same_is_refused_with_both_runs(written, header, said):
    own = {"sources": {"strategies/x.py": "1"}, "options": {"layer": "m:make", "inputs": "3"}}
    first, fits = written("a", header=own), written("fits", header=own)
    assert merged(first, fits).header.sources == own["sources"]
    with pytest.raises(UserError, match="expected ") as refusal:
        merged(first, written("other", header=header))
    assert said in str(refusal.value)


def test_places_disagree_where_the_fastest_on_one_is_shown_slower_on_another():
    here = raced({"native": 1, "fold_time": 2, TD: 4}, of_lengths(8, 16, machine="cpu"))
    costs = {"native": [1, 3], "fold_time": [2, 1], TD: 4}
    measured = (*here, *raced(costs, of_lengths(8, 16, machine="gpu")))
    places = on_places(rank_run(Run(Header(), measured, complete=True)))
    answers = {name: own.strategy for name, own in places.answers.items()}
    assert (places.axis, answers) == ("machine", {"cpu": "native", "gpu": "fold_time"})
    agreed, (row, elsewhere) = places.lost.values()
    assert agreed is None
    assert {row.case.setting.machine, elsewhere.machine} == {"cpu", "gpu"}
    tie = raced({"native": 1, "fold_time": 0.996, TD: 4}, of_lengths(8, machine="gpu"))
    tied = rank_run(Run(Header(), (*here, *tie), complete=True))
    # by chance on the gpu
    assert {one.rows[0].case.strategy for one in tied} == {"native", "fold_time"}
    assert on_places(tied).answers == {}
    alone = on_places(rank_run(Run(Header(), measured[:6], complete=True)))
    assert (alone.axis, alone.answers, alone.lost) == ("", {}, {})


def test_words_before_the_workloads_are_runs_of_one_report(written, tmp_path, run_command):
    runs, output = [written("a"), written("gpu", header={"machine": GPU})], tmp_path / "report"
    run_command(0, "report", *runs, "--output", output, root=tmp_path)
    names = machine_names([Machine(**journals.MACHINE), Machine(**GPU)])
    with (output / "measurements.csv").open() as file:
        rows = [row["machine"] for row in csv.DictReader(file)]
    assert rows == [name for name in names for _ in journals.grid(RIVALS, seq_lens=(16,))]
    page = (output / "index.html").read_text()
    tables, one = (
        run_command(0, "report", *words, "tokens", root=tmp_path).out for words in (runs, runs[:1])
    )
    assert all(name in page and name in tables and name not in one for name in names)
