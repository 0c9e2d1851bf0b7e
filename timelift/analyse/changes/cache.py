"""Summaries of runs kept beside them, so that a history is read once and not every night.

`results/.history/summaries.json` holds one JSON object: `schema`, `cases` (fields), and `runs`, by
path under results/: [size in bytes, mtime in ns, canary seconds or null, [case numbers], [log
seconds per call]]. It may be deleted at any time, and everything read from it is input: where it is
not like this it is as good as absent, and is written anew.
"""

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from timelift.analyse.changes.summary import Summary, of_run
from timelift.analyse.runs.records import BAD_RECORD, parse_case
from timelift.case import Case

SCHEMA = 1
FOLDER, FILE = ".history", "summaries.json"
#: Fewer bytes than this are read sooner than a second process has started.
_WORTH_A_PROCESS = 20_000_000
_BATCH = 4
#: What a damaged cache raises, however it is damaged.
_DAMAGED = (*BAD_RECORD, OSError, KeyError, TypeError, IndexError, AttributeError)
_LARGEST_LOG = 40.0
_MOST_PROCESSES = 8

#: A file as it is now: its size in bytes and its time in ns.
Stamp = tuple[int, int]
Kept = Mapping[str, tuple[Stamp, Summary]]


def summaries(results: Path, paths: Sequence[Path]) -> list[Summary]:
    """Sum up every run, reading only those that have changed; a run that is gone is empty."""
    place = results / FOLDER / FILE
    kept = load(place)
    stamps = {path: _stamp(path) for path in paths}
    known = {
        path: kept[name][1]
        for path in paths
        if (name := _name(results, path)) in kept and kept[name][0] == stamps[path]
    }
    new = [path for path in paths if path not in known]
    found = known | dict(zip(new, _read(new, sum(stamps[path][0] for path in new)), strict=True))
    if new:
        fresh = {_name(results, path): (stamps[path], found[path]) for path in paths}
        save(place, _present(results, kept) | fresh)
    return [found[path] for path in paths]


def _name(results: Path, path: Path) -> str:
    return path.relative_to(results).as_posix()


def _present(results: Path, kept: Kept) -> dict[str, tuple[Stamp, Summary]]:
    """Give what is known of runs that are still there, other machines' among them."""
    return {name: one for name, one in kept.items() if (results / name).is_file()}


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_size, found.st_mtime_ns)


def _read(paths: Sequence[Path], size: int) -> list[Summary]:
    """Read journals, on all processors where there is enough to read."""
    workers = min(_MOST_PROCESSES, _processors())
    if size < _WORTH_A_PROCESS or workers == 1:
        return [_summary(path) for path in paths]
    try:
        with ProcessPoolExecutor(workers) as pool:
            return list(pool.map(_summary, paths, chunksize=_BATCH))
    except (OSError, BrokenProcessPool):
        return [_summary(path) for path in paths]


def _processors() -> int:
    """Count the processors that this process may use; one where the system does not tell."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _summary(path: Path) -> Summary:
    try:
        return of_run(path)
    except OSError:
        return Summary({})


def load(path: Path) -> dict[str, tuple[Stamp, Summary]]:
    """Read a cache; nothing where it is absent or not as the docstring above says."""
    try:
        fields = json.loads(path.read_bytes())
        if fields["schema"] != SCHEMA:
            return {}
        cases = [parse_case(one) for one in fields["cases"]]
        return {str(name): _entry(one, cases) for name, one in fields["runs"].items()}
    except _DAMAGED:
        return {}


def _entry(fields: Sequence[Any], cases: Sequence[Case]) -> tuple[Stamp, Summary]:
    size, time, beat, numbers, logs = fields
    if not set(map(type, logs)) <= {float, int} or not set(map(type, numbers)) <= {int}:
        raise ValueError("expected numbers")
    if logs and not (min(logs) > -_LARGEST_LOG and max(logs) < _LARGEST_LOG and min(numbers) >= 0):
        raise ValueError("expected log seconds")
    levels = {cases[number]: level for number, level in zip(numbers, logs, strict=True)}
    return (size, time), Summary(levels, math.nan if beat is None else float(beat))


def save(path: Path, entries: Kept) -> None:
    """Write a cache, whole or not at all; a folder that cannot be written has none."""
    numbers: dict[Case, int] = {}
    runs = {name: _fields(stamp, one, numbers) for name, (stamp, one) in entries.items()}
    text = json.dumps(
        {"schema": SCHEMA, "cases": [case.fields() for case in numbers], "runs": runs},
        separators=(",", ":"),
    )
    draft = path.with_suffix(f".{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError:
        return


def _fields(stamp: Stamp, summary: Summary, numbers: dict[Case, int]) -> list[Any]:
    for case in summary.log_seconds:
        numbers.setdefault(case, len(numbers))
    beat = summary.canary_seconds
    return [
        *stamp,
        beat if math.isfinite(beat) else None,
        [numbers[case] for case in summary.log_seconds],
        list(_rounded(summary.log_seconds.values())),
    ]


def _rounded(logs: Iterable[float]) -> Iterator[float]:
    """Keep a millionth of a ratio, which no clock can tell from its neighbour."""
    return (round(one, 6) for one in logs)
