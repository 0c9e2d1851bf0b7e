"""A run as the tidy frame that its figures are drawn from: a row a measured case."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pandas as pd

from timelift.analyse.findings import RunFindings
from timelift.analyse.stats.ranking import RankedCase, Ranking
from timelift.case import AXES, Gradients, Phase, Setting
from timelift.escape import plain, slug
from timelift.present.advised import value_in_words
from timelift.present.figures.looks import NO_BREAK, short_name

#: The axes that a panel names or draws; it names the others where they have several values.
_OWN = ("workload", "seq_len", "batch", "phase", "gradients")
_OTHERS = tuple(name for name in AXES if name not in _OWN)
#: Of these the value is told although it is the usual one.
_TOLD = ("mode", "device", "backend")
#: Lines in the panels of one figure's kind, at most: a thousand measurements have all of theirs.
MOST_LINES = 600


def tidy(found: RunFindings) -> pd.DataFrame:
    """Return what figures show of each measured case, NaN where it is not known.

    `panel` numbers what is drawn together: settings that differ in their length alone. `execution`
    has the axes beside size, phase and workload that vary in the run, and `attrs["fixed"]` what all
    share, in words. Names are plain: no frame holds half of a surrogate pair.
    """
    values = {axis: {getattr(one.setting, axis) for one in found.rankings} for axis in _OTHERS}
    varying = [axis for axis in _OTHERS if len(values[axis]) > 1]
    frame = pd.DataFrame(
        _fields(ranking, row, varying) for ranking in found.rankings for row in ranking.all_rows
    )
    if frame.empty:
        return frame
    panels = [replace(setting, seq_len=0) for setting in frame.setting]
    frame["panel"] = pd.factorize(pd.Series(panels, dtype=object))[0]
    setting = found.rankings[0].setting
    told = [axis for axis in _OTHERS if axis in _TOLD or axis in setting.unusual]
    fixed = ", ".join(_words(setting, [one for one in told if one not in varying]))
    marks = ["provisional"] if found.run.is_provisional else []
    frame.attrs["fixed"] = "; ".join(filter(None, [*marks, fixed]))
    frame.attrs["baselines"] = [plain(name) for name in dict.fromkeys(found.baselines)]
    return _with_facts(frame, found)


def _fields(ranking: Ranking, row: RankedCase, varying: Iterable[str]) -> dict[str, Any]:
    setting, speed_up = ranking.setting, row.speed_up
    execution = ", ".join(_words(setting, varying))
    return {
        "case": row.case,
        "setting": setting,
        "strategy": plain(row.case.strategy),
        "label": short_name(row.case.strategy),
        "workload": plain(setting.workload),
        "batch": setting.batch,
        "seq_len": setting.seq_len,
        "execution": execution,
        "phase": phase(setting),
        "title": _title(setting, execution),
        "baseline": plain(ranking.baseline),
        "times": speed_up.times if speed_up else None,
        "times_low": speed_up.low if speed_up else None,
        "times_high": speed_up.high if speed_up else None,
        "seconds": row.seconds_per_call,
        "seconds_low": row.seconds_low,
        "seconds_high": row.seconds_high,
    }


def _with_facts(frame: pd.DataFrame, found: RunFindings) -> pd.DataFrame:
    first = found.first_calls
    fronts = {row.case for rows in found.pareto_fronts.values() for row in rows}
    peak = frame.case.map(found.peak_bytes)  # a lone one says nothing
    return frame.assign(
        first_call=frame.case.map({case: one.seconds for case, one in first.items()}),
        first_call_low=frame.case.map({case: one.low for case, one in first.items()}),
        first_call_high=frame.case.map({case: one.high for case, one in first.items()}),
        peak_bytes=peak.where(peak.groupby(frame.setting).transform("count") > 1),
        on_front=frame.case.isin(fronts),
        backward_times=frame.case.map(found.backward_over_forward),
    )


def _title(setting: Setting, execution: str) -> str:
    words = [
        short_name(setting.workload),
        f"batch{NO_BREAK}{setting.batch}",
        phase(setting),
        execution,
    ]
    return ", ".join(word for word in words if word)


def phase(setting: Setting) -> str:
    both = setting.gradients is Gradients.INPUTS_AND_WEIGHTS
    return f"{setting.phase} (inputs and weights)" if both else str(setting.phase)


def _words(setting: Setting, axes: Iterable[str]) -> Iterator[str]:
    """Write the values of these axes so that each says what it is of."""
    written = {
        "lengths": "{} lengths",
        "time_axis": "{} time",
    }
    for axis in axes:
        value = getattr(setting, axis)
        told = value_in_words(axis, value) if axis == "threads" else written.get(axis, "{}")
        yield plain(told.format(value))


def forward_first(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort by workload, batch and phase, the forward one first."""
    backward = frame.phase != Phase.FORWARD
    return frame.assign(backward=backward).sort_values(["workload", "batch", "backward", "phase"])


def leading(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what there is room for: whole panels, the largest batches of every workload first."""
    if frame.empty:
        return frame
    counted = frame.groupby("panel", sort=False).agg(
        workload=("workload", "first"), batch=("batch", "first"), lines=("strategy", "nunique")
    )
    if counted.lines.sum() <= MOST_LINES:
        return frame
    dealt = counted.sort_values("batch", ascending=False, kind="stable")
    turn = dealt.groupby("workload", sort=False).cumcount()
    dealt = dealt.loc[turn.sort_values(kind="stable").index]
    kept = dealt[dealt.lines.cumsum() <= MOST_LINES].index
    drawn = frame[frame.panel.isin(kept)]
    drawn.attrs["fixed"] += (
        f"; {drawn.setting.nunique():,} of {frame.setting.nunique():,} settings are drawn, the "
        "largest batches of each workload: the page and the tables have all"
    )
    return drawn


def endings(workloads: Iterable[str]) -> dict[str, str]:
    """Return how the names of a workload's files end; no two alike."""
    found: dict[str, str] = {}
    for name in workloads:
        ending = f"-{slug(name)}"
        numbered = (f"{ending}-{number}" for number in itertools.count(len(found) + 1))
        every, taken = itertools.chain([ending], numbered), set(found.values())
        found[name] = next(one for one in every if one not in taken)
    return found
