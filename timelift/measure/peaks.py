"""Peak memory, read in a process of its own: after a launch has measured a setting, or beside it.

That process builds and calls every rival once more, which takes as long as the launch builds. No
time is read in it, so it may share the machine with the launch while that builds.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from timelift.case import Status
from timelift.errors import UserError
from timelift.measure.launch_pool import AnyLaunch
from timelift.measure.worker_state import RivalOutcome, ShowStage
from timelift.messages import RivalSpec, Task

#: Opens the process that reads the memory of this interpreter, or of the other one.
OpenReader = Callable[[bool], AnyLaunch]


def with_peaks(
    task: Task, outcomes: Sequence[RivalOutcome], open_reader: OpenReader, show_stage: ShowStage
) -> list[RivalOutcome]:
    """Read the peak memory of each measured outcome, and add it to the facts.

    A rival that fails here has none. Where the process dies, timings are kept.
    """
    measured = [one.rival for one in outcomes if one.status is Status.MEASURED]
    peaks = _read(task, measured, _open(measured, open_reader), show_stage)
    return [_with_peak(one, peaks) for one in outcomes]


def measure_with_peaks(
    launch: AnyLaunch, task: Task, open_reader: OpenReader, show_stage: ShowStage
) -> list[RivalOutcome]:
    """Measure a setting while another process reads the peak memory of its rivals.

    Rounds are played when both have built. The calling thread opens the reader, since a process
    ends with the thread that started it (prctl(2), PR_SET_PDEATHSIG).
    """
    readers = _open(task.rivals, open_reader)
    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(_read, task, task.rivals, readers, lambda _: None)
        try:
            outcomes = launch.measure(task, show_stage)
        except BaseException:
            for reader in readers.values():
                reader.kill()
            raise
        if not reading.done():
            show_stage("reading the peak memory")
    peaks = reading.result()
    return [_with_peak(one, peaks) for one in outcomes]


def _open(rivals: Iterable[RivalSpec], open_reader: OpenReader) -> dict[bool, AnyLaunch]:
    """Open a reader for each interpreter that rivals are built by, where it can be."""
    readers = {}
    for in_other_python in sorted({one.in_other_python for one in rivals}):
        with contextlib.suppress(UserError):
            readers[in_other_python] = open_reader(in_other_python)
    return readers


#: Facts of peak memory by the name of the rival.
_Peaks = Mapping[str, Mapping[str, object]]


def _read(
    task: Task,
    rivals: Sequence[RivalSpec],
    readers: Mapping[bool, AnyLaunch],
    show_stage: ShowStage,
) -> _Peaks:
    peaks: dict[str, Mapping[str, object]] = {}
    for in_other_python, reader in readers.items():
        chosen = [one for one in rivals if one.in_other_python == in_other_python]
        with contextlib.suppress(UserError):
            found = reader.measure(_reading(task, chosen), show_stage)
            peaks |= {one.rival.name: _peak(one) for one in found}
    return peaks


def _reading(task: Task, rivals: Iterable[RivalSpec]) -> Task:
    """Return the task that reads the peaks of these rivals and nothing else."""
    return replace(
        task,
        rivals=tuple(rivals),
        round_seconds=0.0,
        reads_peak_memory=True,
        counts_operations=False,
        warms=False,
        names_device=False,
    )


def _peak(outcome: RivalOutcome) -> Mapping[str, object]:
    facts = outcome.samples.facts if outcome.samples else {}
    return {name: facts[name] for name in ("peak_bytes", "peak_bytes_below") if name in facts}


def _with_peak(outcome: RivalOutcome, peaks: _Peaks) -> RivalOutcome:
    if outcome.samples is None:
        return outcome
    facts = {**outcome.samples.facts, **peaks.get(outcome.rival.name, {})}
    return replace(outcome, samples=replace(outcome.samples, facts=facts))
