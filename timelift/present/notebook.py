"""A run as a pandas table, for notebooks and programs."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from timelift.analyse import results
from timelift.analyse.findings import RunFindings
from timelift.analyse.results import Run
from timelift.case import AXES, Case
from timelift.errors import UserError, nearest
from timelift.journal.files import find_run
from timelift.measurement import FACT_RULES, SHOWN_FACTS
from timelift.present.case_table import (
    FIRST_CALL,
    OVER_PHASE,
    SLOW_CALLS,
    SPEED_UP,
    TOMORROW,
    for_programs,
)

#: A run, or its name: a path, a folder, the beginning of a commit, or `latest`.
RunOrName = Run | str | Path
RESULTS = "results"
#: The unit of every column that has one.
UNITS = {
    "seq_len": "steps",
    "batch": "sequences",
    **dict.fromkeys(("seconds_per_call", "seconds_low", "seconds_high"), "seconds"),
    **dict.fromkeys((*SLOW_CALLS[:-1], *FIRST_CALL), "seconds"),
    "steps_per_second": "steps a second",
    **dict.fromkeys(("ratio", "ratio_low", "ratio_high"), "times the fastest lift"),
    **dict.fromkeys((*SPEED_UP, *TOMORROW), "times as fast as the baseline"),
    **{name: rule.unit for name, rule in FACT_RULES.items() if rule.unit},
}


def read_run(run: RunOrName = "latest", results_folder: str | Path = RESULTS) -> Run:
    """Read a run; raises UserError with the nearest names if no run has this name."""
    if isinstance(run, Run):
        return run
    return results.load(find_run(Path(results_folder), str(run)))


def load(
    run: RunOrName = "latest", level: str = "measurement", results_folder: str | Path = RESULTS
) -> pd.DataFrame:
    """Return a run as a tidy table, whose columns are described in `docs/library.md`.

    `run` is `latest`, a path, a folder, a run's name or the beginning of its commit, looked up in
    `results_folder`. One row is a `measurement` (a case), a `launch` of a case, or a `round` of it.
    Every row has the axes of its setting and its `strategy`. `attrs` has the units of the columns,
    and the run's id, start, commit and machine.
    """
    if level not in _TABLES:
        raise UserError(f"unknown level {level!r}; {nearest(level, _TABLES)}")
    loaded = read_run(run, results_folder)
    table = _TABLES[level](loaded)
    units = {name: unit for name, unit in UNITS.items() if name in table.columns}
    header = loaded.header
    origin = {"id": header.id, "started": header.started, "commit": header.commit.id}
    table.attrs.update(units=units, **origin, machine=header.machine.name)
    return table


def _measurements(run: Run) -> pd.DataFrame:
    data = for_programs(RunFindings(run)).data
    table = pd.DataFrame({name: [*map(_plain, values)] for name, values in data.items()})
    numbers = (
        "steps_per_second",
        *SLOW_CALLS[:-1],
        *OVER_PHASE,
        *SHOWN_FACTS,
        *FIRST_CALL,
        *SPEED_UP,
        *TOMORROW,
    )
    return table.astype(dict.fromkeys(numbers, float))


def _plain(value: Any) -> Any:
    """Return a member of a StrEnum as plain text, and any other value as it is."""
    return str(value) if isinstance(value, str) else value


def _of_case(case: Case) -> dict[str, Any]:
    return {name: _plain(value) for name, value in case.fields().items()}


def _launches(run: Run) -> pd.DataFrame:
    columns = ("strategy", *AXES, "launch", "rounds", "seconds_per_call", "calls_per_sample")
    rows = [
        {
            **_of_case(launch.case),
            "launch": launch.number,
            "rounds": int(np.isfinite(launch.seconds_per_call).sum()),
            "seconds_per_call": launch.median_seconds,
            "calls_per_sample": launch.calls_per_sample,
            **{name: launch.facts.number(name) for name in SHOWN_FACTS},
        }
        for measurement in run.measurements
        for launch in measurement.launches
    ]
    frame = pd.DataFrame(rows, columns=(*columns, *SHOWN_FACTS))
    return frame.astype(dict.fromkeys(SHOWN_FACTS, float))


def _rounds(run: Run) -> pd.DataFrame:
    rows = [
        {
            **_of_case(launch.case),
            "launch": launch.number,
            "round": [*range(len(launch.seconds_per_call))],
            "seconds_per_call": [*launch.seconds_per_call],
            "status": str(measurement.status),
        }
        for measurement in run.measurements
        for launch in measurement.launches
    ]
    columns = (*AXES, "strategy", "launch", "round", "seconds_per_call", "status")
    by_round = pd.DataFrame(rows, columns=columns).explode(["round", "seconds_per_call"])
    return by_round.astype({"round": int, "seconds_per_call": float}).reset_index(drop=True)


#: The tables of a run, by what a row of them is.
_TABLES = {"measurement": _measurements, "launch": _launches, "round": _rounds}
