"""What notebooks and programs ask for: a run as a pandas table."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from timelift.analyse import results
from timelift.analyse.findings import RunFindings
from timelift.analyse.results import Run
from timelift.case import AXES
from timelift.errors import UserError, nearest
from timelift.journal.files import find_run
from timelift.journal.lines import Header
from timelift.measurement import FACT_RULES, SHOWN_FACTS, Measurement
from timelift.present.case_table import FIRST_CALL, SPEED_UP, for_programs

#: A run, or what names one: a path, a folder, the beginning of a commit, or `latest`.
Named = Run | str | Path
RESULTS = "results"
#: The unit of every column that has one.
UNITS = {
    "seq_len": "steps",
    "batch": "sequences",
    **dict.fromkeys(("seconds_per_call", "seconds_low", "seconds_high"), "seconds"),
    **dict.fromkeys(FIRST_CALL, "seconds"),
    **dict.fromkeys(("ratio", "ratio_low", "ratio_high"), "times the fastest lift"),
    **dict.fromkeys(SPEED_UP, "times as fast as the baseline"),
    **{name: about.unit for name, about in FACT_RULES.items() if about.unit},
}


class RowLevel(StrEnum):
    """What one row is."""

    MEASUREMENT = "measurement"
    LAUNCH = "launch"
    ROUND = "round"


def read_run(run: Named = "latest", results_folder: str | Path = RESULTS) -> Run:
    """Read a run; raises UserError with the nearest names where there is none of that name."""
    if isinstance(run, Run):
        return run
    return results.load(find_run(Path(results_folder), str(run)))


def load(
    run: Named = "latest", level: str = RowLevel.MEASUREMENT, results_folder: str | Path = RESULTS
) -> pd.DataFrame:
    """Return a run as a tidy table; `docs/library.md` says what its columns are.

    `run` is `latest`, a path, a folder, a run's name or the beginning of its commit, looked up in
    `results_folder`. One row is a `measurement` (a case), a `launch` of a case, or a `round` of it.
    Every row has the axes of its setting and its `strategy`. `attrs` holds the units of the
    columns, and which run it is.
    """
    found = read_run(run, results_folder)
    made = _MAKERS[_level(level)](found)
    units = {name: unit for name, unit in UNITS.items() if name in made.columns}
    made.attrs.update(units=units, **_about(found.header))
    return made


def _level(word: str) -> RowLevel:
    try:
        return RowLevel(word)
    except ValueError:
        raise UserError(f"unknown level {word!r}; {nearest(word, RowLevel)}") from None


def _about(header: Header) -> dict[str, str]:
    about = {
        "id": header.id,
        "started": header.started,
        "commit": header.commit.id,
        "machine": header.machine.name,
    }
    return {name: value for name, value in about.items() if value is not None}


def _measurements(run: Run) -> pd.DataFrame:
    data = for_programs(RunFindings(run)).data
    made = pd.DataFrame({name: [*map(_plain, values)] for name, values in data.items()})
    return made.astype(dict.fromkeys((*SHOWN_FACTS, *FIRST_CALL, *SPEED_UP), float))


def _plain(value: Any) -> Any:
    """Return a member of an enum as plain text, and everything else as it is."""
    return str(value) if isinstance(value, str) else value


def _launches(run: Run) -> pd.DataFrame:
    columns = ("strategy", *AXES, "launch", "rounds", "seconds_per_call", "calls_per_sample")
    frame = pd.DataFrame(list(_launch_rows(run)), columns=(*columns, *SHOWN_FACTS))
    return frame.astype(dict.fromkeys(SHOWN_FACTS, float))


def _launch_rows(run: Run) -> Iterator[dict[str, Any]]:
    for one in run.measurements:
        for launch in one.launches:
            yield {
                **_axes(one),
                "launch": launch.number,
                "rounds": int(np.isfinite(launch.seconds_per_call).sum()),
                "seconds_per_call": launch.median_seconds,
                "calls_per_sample": launch.calls_per_sample,
                **{name: launch.facts.number(name) for name in SHOWN_FACTS},
            }


def _axes(one: Measurement) -> dict[str, Any]:
    """Return strategy and axes as plain text and numbers."""
    fields = one.case.fields()
    return {name: value if type(value) is int else str(value) for name, value in fields.items()}


_MAKERS = {
    RowLevel.MEASUREMENT: _measurements,
    RowLevel.LAUNCH: _launches,
    RowLevel.ROUND: results.frame,
}
