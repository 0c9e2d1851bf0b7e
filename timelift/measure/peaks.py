"""Peak memory of the cases of a setting, read in a process of its own once they were measured.

What is timed runs with the allocator as users have it, whose threads keep memory in arenas of their
own, where a call's need cannot be seen (see `memory.peak_bytes`).
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from timelift.case import Status
from timelift.errors import UserError
from timelift.measure.launch_pool import AnyLaunch
from timelift.measure.worker_state import RivalOutcome, Watch
from timelift.messages import RivalSpec, Task

#: Opens the process of this interpreter, or of the other one.
OpenGauge = Callable[[bool], AnyLaunch]


def with_peaks(
    task: Task, outcomes: Sequence[RivalOutcome], open_gauge: OpenGauge, watch: Watch
) -> list[RivalOutcome]:
    """Add `memory.facts` to those of each measured outcome; a rival that fails here has none.

    None has it where the process itself dies: what was timed counts all the same.
    """
    peaks: dict[str, Mapping[str, object]] = {}
    for there in sorted({one.rival.there for one in outcomes}):
        chosen = tuple(
            one.rival
            for one in outcomes
            if one.rival.there == there and one.status is Status.MEASURED
        )
        if chosen:
            with contextlib.suppress(UserError):
                found = open_gauge(there).measure(_reading(task, chosen), watch)
                peaks |= {one.rival.name: _peak(one) for one in found}
    return [_with_peak(one, peaks.get(one.rival.name, {})) for one in outcomes]


def _reading(task: Task, rivals: Sequence[RivalSpec]) -> Task:
    return replace(
        task,
        rivals=tuple(rivals),
        round_seconds=0.0,
        gauges_memory=True,
        warms=False,
        counts_work=False,
        gauges_device=False,
    )


def _peak(outcome: RivalOutcome) -> Mapping[str, object]:
    told = outcome.samples["facts"] if outcome.samples else {}
    return {name: told[name] for name in ("peak_bytes", "peak_bytes_below") if name in told}


def _with_peak(outcome: RivalOutcome, peak: Mapping[str, object]) -> RivalOutcome:
    if outcome.samples is None:
        return outcome
    facts = {**outcome.samples["facts"], **peak}
    return replace(outcome, samples={**outcome.samples, "facts": facts})
