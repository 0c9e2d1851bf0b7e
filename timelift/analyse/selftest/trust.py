"""What a self-test says of the machine it ran on: our own rule, scored where the truth is known."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from timelift.analyse.runs import results
from timelift.analyse.runs.measurement import Run
from timelift.analyse.runs.trust import Trust
from timelift.analyse.selftest import planted
from timelift.analyse.selftest.ladder import ladder
from timelift.analyse.selftest.planted import TwinGroup
from timelift.analyse.selftest.recording import record
from timelift.analyse.selftest.score import score


def of_run(path: Path) -> Trust | None:
    """Judge a self-test's run; None where it has no comparison whose truth is known."""
    run = results.load(path)
    contests = planted.contests(run)
    return _trust(run, contests) if contests else None


def _trust(run: Run, contests: Sequence[TwinGroup]) -> Trust:
    recording = record(contests)
    found = score([ladder(recording)], [recording])
    launches = [len(rival.launches) for contest in contests for rival in contest.rivals]
    versions = run.header.machine.versions
    return Trust(
        measured=run.header.started or "",
        versions={str(name): str(one) for name, one in versions.items()},
        settings=len(contests),
        launches=float(np.mean(launches)),
        false_alarms=found.false_alarms,
        one_in_n=found.sometimes,
        wrong_way=found.wrong_way,
        found={round(math.expm1(step), 4): seen for step, seen in found.found.items()},
        seconds_per_verdict=found.seconds,
    )
