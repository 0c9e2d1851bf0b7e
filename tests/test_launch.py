"""A worker that dies or runs out of memory: its own setting alone pays, and the launch goes on."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import psutil
import pytest

from tests.support import engines, hostile
from tests.support.launches import (
    FILES,
    HERE,
    LIMIT,
    NAMES,
    Deadly,
    file_of,
    measured,
    task,
    workers,
)
from tests.support.projects import ROOT, STRATEGIES, WORKLOADS, write
from timelift import messages
from timelift.axis_values import Backend, Mode, Phase, Status
from timelift.case import Case, Setting
from timelift.errors import UserError, ran_out_of_memory
from timelift.measure.launch import LaunchProcess, cause_of_end, stage_limit
from timelift.measure.locks import BuildOrPlayLock
from timelift.measure.worker_state import Launch, WorkerState, advance, run_out
from timelift.measurement import CaseInLaunch
from timelift.messages import PLAYING, TRACING, Busy, Go, Task


def test_rounds_may_take_each_rival_its_own_time():
    stages = (PLAYING, TRACING, "building")
    assert [stage_limit(stage, 3, first_call_limit=5) for stage in stages] == [30, 5, 10]


@pytest.fixture(scope="module")
def launch():
    """One launch for all tests here: whatever happened to a worker, it serves the next one."""
    with closing(LaunchProcess(Backend.TENSORFLOW, LIMIT)) as started:
        yield started


def test_a_patient_rival_may_take_longer_at_its_own_work_alone(launch):
    patient, usual = replace(HERE[0], patience=2), HERE[1]
    worker = WorkerState(task(rivals=(patient, usual)), lambda _: None)
    limits = []
    for stage in (Busy(TRACING, patient.name), Busy(TRACING, usual.name), Busy(PLAYING)):
        worker.take(stage)
        limits.append(launch._limit(worker))
    assert limits == [2 * LIMIT, LIMIT, 4 * LIMIT]


def test_a_worker_that_is_killed_once_while_it_waits_costs_no_rival_anything(launch):
    for lock, length in ((Deadly(1), 3), (Deadly(1, turns=2), 3), (BuildOrPlayLock(), 4)):
        outcomes = measured(launch, lock, task(length))
        assert set(outcomes) == set(NAMES)
        assert {outcome.status for outcome in outcomes.values()} == {Status.MEASURED}


def test_where_it_is_killed_again_one_rival_is_charged_and_the_others_are_measured(launch):
    outcomes = measured(launch, Deadly(2), task())
    (charged,) = [outcome for outcome in outcomes.values() if outcome.status is not Status.MEASURED]
    assert charged.status is Status.CRASHED
    assert "signal SIGKILL (killed for memory?) while waiting for its turn: " in charged.reason
    assert charged.reason.endswith(" (for the second time)")
    assert set(outcomes) == set(NAMES)
    assert all(outcome.seconds_per_call for outcome in outcomes.values() if outcome is not charged)


def test_a_worker_that_is_killed_once_while_a_rival_plays_costs_no_rival_anything(launch, tmp_path):
    mark, dies = str(tmp_path / "killed"), "os.kill(os.getpid(), "
    once = f"os.path.exists({mark!r}) or open({mark!r}, 'w').close() or {dies}9)"
    text = hostile.WILD["dies_playing"].replace(f"{dies}11)", once)
    asked = task(rivals=(*HERE, file_of(tmp_path, "unlucky", text)))
    outcomes = measured(launch, BuildOrPlayLock(), asked)
    assert (tmp_path / "killed").exists()
    assert {outcome.status for outcome in outcomes.values()} == {Status.MEASURED}


def asleep(launch, *asked):
    """Have settings built and a burst of each played; their turns."""
    launch.share_lock(BuildOrPlayLock(), LIMIT)
    launch.wait_until_ready()
    turns = [launch.measure_in_turns(each, lambda _: None) for each in asked]
    assert [advance(each)[0] for _ in range(2) for each in turns] == [None] * 2 * len(turns)
    return turns


def test_a_worker_that_is_killed_while_it_sleeps_costs_nobody_anything(launch):
    turns = asleep(launch, *map(task, (3, 4, 5)))
    first, second, third = sorted(workers(), key=psutil.Process.create_time)
    os.kill(second.pid, signal.SIGKILL)
    psutil.wait_procs([second], timeout=LIMIT)
    assert advance(turns[1]) == (None, True)  # once the others have ended
    for each in (turns[2], turns[0], turns[1]):
        assert not second.is_running()
        assert each is turns[1] or {first, third} & {*workers()}
        outcomes = run_out(each)
        assert {outcome.case.strategy for outcome in outcomes} == {*NAMES}
        assert {outcome.status for outcome in outcomes} == {Status.MEASURED}
        assert {sum(outcome.bursts) for outcome in outcomes} == {len(outcomes[0].seconds_per_call)}
        assert len(outcomes[0].bursts) > 1
    assert not psutil.wait_procs([first, third], timeout=LIMIT)[1]


def test_a_rival_that_dies_when_it_is_called_back_is_charged_alone(launch, tmp_path):
    dies = file_of(
        tmp_path, "dies", hostile.WILD["dies_playing"].replace("getpid(), 11", "getpid(), 6")
    )
    quiet, deadly = task(4), task(5, rivals=(*HERE, dies))
    launch.share_lock(BuildOrPlayLock(), LIMIT)
    launch.wait_until_ready()
    turns = [launch.measure_in_turns(each, lambda _: None) for each in (quiet, deadly)]
    for each in turns:
        assert advance(each) == (None, False)
    outcomes = {outcome.case.strategy: outcome for outcome in run_out(turns[1])}
    assert "signal SIGABRT while playing rounds" in outcomes.pop("dies").reason
    assert {outcome.status for outcome in outcomes.values()} == {Status.MEASURED}
    assert {outcome.status for outcome in run_out(turns[0])} == {Status.MEASURED}


def test_a_launch_that_is_to_end_early_keeps_what_was_played():
    with closing(LaunchProcess(Backend.TENSORFLOW, LIMIT)) as launch:
        usual, short = task(3), task(4)
        played, few = asleep(launch, replace(usual, round_seconds=0.1), short)
        built = launch.measure_in_turns(task(5), lambda _: None)
        assert advance(built) == (None, False)
        assert advance(played) == (None, False)
        launch.finish_early()
        outcomes = run_out(played)
        assert {outcome.case.strategy for outcome in outcomes} == {*NAMES}
        assert {outcome.status for outcome in outcomes} == {Status.MEASURED}
        assert {len(outcome.bursts) for outcome in outcomes} == {2}
        assert [run_out(each) for each in (built, few)] == [[], []]
        assert not workers()


def test_an_outcome_of_an_unknown_rival_is_passed_over():
    worker = WorkerState(task(), lambda _: None)
    worker.take(task().unmeasured("nobody's", Status.FAILED, "-"))
    worker.take(task(seq_len=9).unmeasured("native", Status.FAILED, "-"))
    assert worker.ended == []


def test_a_signal_without_a_name_is_called_by_its_number():
    assert cause_of_end(-40) == "signal 40"


def test_an_event_that_a_death_tore_is_passed_over(launch, tmp_path):
    text = (
        "import os, sys\ndef build(layer, shape):\n"
        """    os.write(int(sys.argv[1]), b'{"of": 1, "message": "CaseInLaunch", "ca')\n"""
        "    os.kill(os.getpid(), 9)\n"
    )
    rivals = (file_of(tmp_path, "tears", text), *HERE)
    outcomes = measured(launch, BuildOrPlayLock(), task(rivals=rivals))
    assert "signal SIGKILL (killed for memory?) while building" in outcomes.pop("tears").reason
    assert {outcome.status for outcome in outcomes.values()} == {Status.MEASURED}


#: A strategy that notes in which process it is built.
NOTES = '''"""A strategy that notes its process."""
import os
import keras

def build(layer, shape):
    with open({log!r}, "a") as file:
        print({name!r}, os.getpid(), file=file)
    {body}
    x = keras.Input(shape)
    return keras.Model(x, layer(x))
'''


def noting(folder, name, body="pass"):
    return file_of(folder, name, NOTES.format(log=str(folder / "log"), name=name, body=body))


def test_rivals_of_one_that_ran_out_of_memory_are_built_in_another_process(launch, tmp_path):
    greedy = noting(tmp_path, "greedy", "raise MemoryError('no more')")
    others = (noting(tmp_path, "good"), noting(tmp_path, "better"))
    outcomes = measured(launch, BuildOrPlayLock(), task(rivals=(greedy, *others)))
    assert outcomes["greedy"].status is Status.OUT_OF_MEMORY
    assert "MemoryError: no more" in outcomes["greedy"].reason
    assert {outcomes[name].status for name in ("good", "better")} == {Status.MEASURED}
    built = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    last = dict(built)
    assert last["good"] == last["better"] != last["greedy"]


def test_sides_that_fit_into_memory_alone_are_refused_together(launch, tmp_path):
    def side(name, body):
        return replace(noting(tmp_path, name, body), pair=name.partition("_")[0])

    second = f"if open({str(tmp_path / 'log')!r}).read().count(f' {{os.getpid()}}') > 1:"
    crowded = [side(name, f"{second} raise MemoryError('both')") for name in ("a_old", "a_new")]
    greedy = side("b_new", "raise MemoryError('no more')")
    rivals = (*crowded, side("b_old", "pass"), greedy)
    outcomes = measured(launch, BuildOrPlayLock(), task(rivals=rivals))
    assert {name: outcome.status for name, outcome in outcomes.items()} == {
        **dict.fromkeys(("a_old", "a_new"), Status.REFUSED),
        "b_old": Status.MEASURED,
        "b_new": Status.OUT_OF_MEMORY,
    }


SIDES = ("a_old", "b_old", "a_new", "b_new")


@pytest.mark.parametrize(
    ("fit_alone", "end"),
    [
        ((), Status.OUT_OF_MEMORY),
        *((sides, Status.REFUSED) for sides in (("a_old",), ("a_new",), ("a_old", "a_new"))),
    ],
)
def test_sides_that_both_run_out_of_memory_end_alike_and_once_each(fit_alone, end):
    sides = [replace(HERE[0], name=name, pair=name.partition("_")[0]) for name in SIDES]
    asked = task(rivals=tuple(sides))

    def one_side(rest):
        """A worker in which the first rival finds no memory beside others."""
        worker = WorkerState(rest, lambda _: None)
        first, *others = rest.rivals
        worker.exhausted = bool(others)
        fits = not others and first.name in {*fit_alone, "b_old", "b_new"}
        status = Status.MEASURED if fits else Status.OUT_OF_MEMORY
        worker.ended = [CaseInLaunch(Case(rest.setting, first.name), 1, status=status)]
        return worker

    class Scripted(Launch):
        def _run_workers(self, rest, _):
            yield False
            by_side = groupby(rest.rivals, key=lambda rival: rival.name.partition("_")[2])
            return [one_side(replace(rest, rivals=tuple(rivals))) for _, rivals in by_side]

    outcomes = Scripted().measure(asked)
    assert sorted((outcome.case.strategy, outcome.status) for outcome in outcomes) == [
        ("a_new", end),
        ("a_old", end),
        ("b_new", Status.MEASURED),
        ("b_old", Status.MEASURED),
    ]


@pytest.mark.parametrize(
    ("said", "is_memory"),
    [
        (MemoryError(), True),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes"), True),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA"), True),
        ("terminate called after throwing an instance of 'std::bad_alloc'", True),
        (ValueError("a shape"), False),
        ("Segmentation fault", False),
        (KeyError("memory"), False),
    ],
)
def test_no_memory_is_told_in_many_ways(said, is_memory):
    assert ran_out_of_memory(said) == is_memory


@pytest.mark.parametrize(
    "line",
    [
        *('"message": "Go"}\n', "\n", '1, "rival": "native"}\n', "7\n"),  # torn by a death
        '{"of": 1, "message": "Busy"}',
        '{"of": 1, "message": "CaseInLaunch", "launch": 1}',
        '{"of": 1, "message": "CaseInLaunch", "launch": 1, "case": 3, "status": "failed"}',
        '{"of": "1", "message": "Go"}',
    ],
)
def test_what_a_death_tears_or_a_strategy_writes_into_the_pipe_is_no_message(line):
    assert messages.read_message(line.encode()) is None
    for message in (Go(), Busy("tracing", "x")):
        assert messages.read_message(messages.message_line(1, message).encode()) == (1, message)


def test_a_worker_without_standard_output_runs_no_exit_handler(launch, tmp_path):
    mark = tmp_path / "ran"
    text = Path(FILES["native"]).read_text() + "\nimport atexit, sys, pathlib\n"
    text += f"atexit.register(pathlib.Path({str(mark)!r}).touch)\nsys.stdout.close()\n"
    measured(launch, BuildOrPlayLock(), task(rivals=(file_of(tmp_path, "closes", text),)))
    assert not mark.exists()


#: Packages that this project installs, and Keras and TensorFlow do without.
OURS = ("msgspec", "scipy", "pandas", "pytest", "seaborn", "matplotlib", "psutil", "jinja2")
#: Read by every interpreter at its start (Python's site module), so by a launch too.
HIDING = """
import sys
from importlib.machinery import PathFinder
class Visible(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.partition(".")[0] in {names!r}
        return None if hidden else super().find_spec(name, path, target)
sys.meta_path = [Visible if finder is PathFinder else finder for finder in sys.meta_path]
"""

#: PyTorch takes as long as the others together.
EACH = [
    Backend.TENSORFLOW,
    *(pytest.param(one, marks=pytest.mark.whole) for one in (Backend.JAX, Backend.TORCH)),
]


def hiding(folder, *names):
    """The environment of an interpreter that has everything but these packages."""
    (folder / "sitecustomize.py").write_text(HIDING.format(names=set(names)))
    return os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)


@pytest.mark.parametrize("backend", EACH)
def test_it_measures_with_none_of_our_packages(tmp_path, monkeypatch, backend):
    engines.skip_without(backend)
    brought = {"scipy"} if backend == Backend.JAX else set()
    monkeypatch.setenv("PYTHONPATH", hiding(tmp_path, *{*OURS} - brought))
    workload = WORKLOADS["sensor"]
    rivals = tuple(STRATEGIES[name].rival() for name in ("fold_time", "native"))
    with closing(LaunchProcess(backend, 60)) as launch:
        launch.wait_until_ready()
        for phase in Phase:
            setting = Setting("sensor", 3, 2, phase, mode=Mode.EAGER, backend=backend)
            task = Task(setting, rivals, workload.factory, workload.inputs, 1, 0.02)
            statuses = {end.case.strategy: end.status for end in launch.measure(task)}
            assert statuses == dict.fromkeys(("fold_time", "native"), Status.MEASURED)


@pytest.mark.parametrize("backend", EACH)
def test_a_worker_that_sleeps_takes_no_processor_time(backend):
    engines.skip_without(backend)
    asked = task()
    setting = replace(asked.setting, mode=Mode.GRAPH, backend=backend)
    with closing(LaunchProcess(backend, LIMIT)) as launch:
        (turns,) = asleep(launch, replace(asked, setting=setting))
        (worker,) = workers()
        time.sleep(0.5)  # threads of a pool spin for a while
        before = sum(worker.cpu_times()[:2])
        time.sleep(3)
        assert sum(worker.cpu_times()[:2]) - before < 0.03
        assert run_out(turns)


IMPORTED = """
import json, sys
imported = sorted({"pandas", "matplotlib", "jax"} & sys.modules.keys())
import matplotlib, pandas
print(json.dumps([imported, bool(pandas.Series([1]).sum() == 1)]))
"""


@pytest.mark.parametrize("backend", EACH)
def test_packages_that_keras_does_not_need_are_imported_by_users_alone(backend):
    imported, is_usable = engines.run(backend, IMPORTED)  # where a backend is loaded as in a launch
    assert imported == (["jax"] if backend is Backend.JAX else [])
    assert is_usable


def test_a_launch_that_the_system_kills_is_no_missing_package(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import os; os.kill(os.getpid(), 9)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    said = r"\(signal SIGKILL \(killed for memory\?\)\): .*; run it again$"
    with closing(LaunchProcess("jax", 60)) as launch, pytest.raises(UserError, match=said):
        launch.wait_until_ready()


def test_hidden_packages_cannot_be_imported(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", hiding(tmp_path, "numpy", *OURS))
    script = "import json; from importlib.util import find_spec as find; "
    script += f"print(json.dumps([find(name) for name in {OURS}]))"
    found = engines.run_afresh(Backend.TENSORFLOW, script, PYTHONPATH=os.environ["PYTHONPATH"])
    assert found == [None] * len(OURS)
    with (
        closing(LaunchProcess(Backend.TENSORFLOW, 60)) as launch,
        pytest.raises(UserError, match="No module named 'numpy'"),
    ):
        launch.wait_until_ready()


def test_folders_of_killed_runs_are_removed_by_the_next_and_no_others(tmp_path):
    own = write(tmp_path, {"timelift-run-mine/run.jsonl": "mine"}) / "timelift-run-mine"
    (tmp_path / "timelift-run-link").symlink_to(own)
    script = "import os, sys\nfrom timelift.measure.launch import run_folder\n"
    script += "print(run_folder(), flush=True)\nif sys.stdin.read(): os.kill(os.getpid(), 9)"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}

    def start():
        run = subprocess.Popen([sys.executable, "-c", script], env=environment, **pipes)
        return run, Path(run.stdout.readline().strip())

    (killed, its_folder), (alive, other_folder) = start(), start()
    killed.communicate("die")
    assert its_folder.is_dir()
    start()[0].communicate()
    assert {*tmp_path.iterdir()} == {other_folder, own, tmp_path / "timelift-run-link"}
    alive.communicate()
