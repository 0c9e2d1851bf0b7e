"""The journal: one JSON object a line, appended and flushed while a run goes on.

    {"kind": "run", "schema": 1, "id": ..., "started": ISO 8601 UTC, "seed": int,
     "command": [...],
     "commit": {"id": str | null, "dirty": bool}, "machine": {"name", "identity", "drift",
     "information"}, "options": {...}, "asked": the options as they were written, "sources":
     {file: digest}, "cases": how many were asked for, "planned": their labels,
     "strategies": {name: {"title", "differs", "meaning": {constant: what it declares},
     in a self-test "planted": {"of": name, "slower", "one_launch_in", "first_call_seconds"},
     of another side "against": {"of": name}}}, and then "against": see
     `timelift.analyse.runs.against`}
    {"kind": "launch", "launch": 1.., "rivals": how many such lines were written together,
     "case": {strategy and axes}, "status": ..., "reason": str,
     "seconds_per_call": [float | null, one per round], "calls_per_sample": int, "facts": {...}}
    {"kind": "end", "ended": ISO 8601 UTC, "exit": "complete" | "cut short" | "interrupted"}

A `launch` line is one case in one launch, so a kill costs the launch that was going on and nothing
before it; a measurement is all `launch` lines of its case. Round `i` of every rival of one setting
in one launch was played at the same time: `seconds_per_call` lists pair by position, and `null`
marks a round that the rival sat out. A status other than `measured` carries no samples.
Facts: `build_seconds`, `trace_seconds`, `first_call_seconds` (trace included), `traces`,
`graph_nodes`, `weights`, `valid_steps` (of one call), `law_error`, `steady`, `built` (its place in
the order of building, from 1), `dropped_rounds` (a rival retraced), `held_down_rounds` (too,
for a GPU's clocks), `stolen_share` (of the processors' time while rounds were played),
`waited_share` (what all threads waited for a processor, over the time of the rounds),
`throttled_periods` (in which a container's quota held it back meanwhile), `canary_seconds` (one
beat of `timelift.worker.watch`). `peak_bytes` of a call, or `peak_bytes_below` what is unreadable:
of the host's memory in the first launch and in those that try a suspect, of a GPU's in all. In the
first launch what bounds a call: `flops` and `least_bytes` of the inner layer's work, and once for
each device `attainable_flops_per_second`, `attainable_bytes_per_second` and `engine`, its name and
the switches of its backend. On a device with a queue of its own `dispatch_share` is the part of a
call that passes before all of it is queued, and `throttled` counts the looks that found its clocks
held down. Absent when unknown.
"""

import contextlib
import errno
import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from timelift.case import Case, Status
from timelift.errors import UserError

SCHEMA = 1
#: Beside the runs of a machine, the folders of its self-tests and of its runs against another side:
#: their rivals are twins, not strategies.
SELFTEST_FOLDER, AGAINST_FOLDER = "selftest", "against"
TWINS_FOLDERS = frozenset({SELFTEST_FOLDER, AGAINST_FOLDER})
#: Beside the folders of machines, runs that are kept in git; each machine has a folder in it.
BASELINE_FOLDER = "baselines"
#: Folders whose runs are found only where the folder itself is asked for.
APART = TWINS_FOLDERS | {BASELINE_FOLDER}
#: A header is one line; a longer first line is not one.
_LONGEST_HEADER = 1 << 20


def runs_under(folder: Path) -> list[Path]:
    """The journals under a folder; those of twins and baselines only where it is theirs.

    A folder that cannot be read, or goes away meanwhile, holds none.
    """
    found: list[Path] = []
    for place, inside, names in os.walk(folder):
        inside[:] = [name for name in inside if name not in APART]
        found += [Path(place, name) for name in names if name.endswith(".jsonl")]
    return sorted(path for path in found if path.is_file())


def latest(paths: Iterable[Path]) -> Path:
    """The run that was started last, which may be another than the file written last."""
    return max(paths, key=lambda path: (started(path), path.name))


def started(path: Path) -> datetime:
    """When a run began, by its header; the beginning of time where that cannot be read."""
    try:
        return moment(str(header_of(path).get("started")))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def moment(text: str) -> datetime:
    """Read a date or a time, in UTC unless it says otherwise; raises ValueError."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"started: expected a date such as 2026-01-31, received {text!r:.40}"
        ) from None


def header_of(path: Path) -> dict[str, Any]:
    """The first line of a file as it stands there; empty where it is no JSON object."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.readline(_LONGEST_HEADER))
    except (OSError, ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) else {}


class Journal:
    """An append-only file of JSON lines, each on disk before the next begins.

    With `kept_bytes` a run goes on: its file is cut there, and the header stands in it.

    `exit_word` is what the closing mark will say where nothing is raised.
    """

    def __init__(self, path: Path, header: Mapping[str, Any], kept_bytes: int = 0) -> None:
        self.path, self.exit_word = path, "complete"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("r+" if kept_bytes else "x", encoding="utf-8")
            self._file.seek(kept_bytes)
            self._file.truncate()
            if not kept_bytes:
                self.append({"kind": "run", "schema": SCHEMA, **header})
        except OSError as error:
            raise UserError(
                f"cannot write the journal {path}: {error.strerror}; "
                "make the folder writable or name another with --results"
            ) from error

    def append(self, *records: Mapping[str, Any]) -> None:
        """Write records together and wait until the disk has them; raises UserError if not."""
        lines = "".join(map(written, records))
        try:
            self._file.write(lines)
            self._file.flush()
            os.fsync(self._file.fileno())
            if not os.fstat(self._file.fileno()).st_nlink:
                raise FileNotFoundError(errno.ENOENT, "it was removed")
        except OSError as error:
            raise UserError(
                f"cannot write to the journal {self.path}: {error.strerror}; make room, or name "
                "another folder with --results"
            ) from error

    def close(self, exit_word: str) -> None:
        """Write the closing mark, where the disk still takes it."""
        with contextlib.suppress(UserError):
            self.append(end_line(exit_word, utc_now()))
        with contextlib.suppress(OSError):
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close(self.exit_word if kind is None else "interrupted")


def written(record: Mapping[str, Any]) -> str:
    """A record as the line that it is in the file; raises ValueError for what no JSON can hold."""
    return json.dumps(record, allow_nan=False, separators=(",", ":")) + "\n"


def end_line(exit_word: str, ended: str) -> dict[str, Any]:
    """The closing mark of a run that `ended` at a time as `utc_now` has it."""
    return {"kind": "end", "ended": ended, "exit": exit_word}


def launch_line(  # noqa: PLR0913, PLR0917 - the fields of a line
    case: Case,
    launch: int,
    rivals: int,
    status: Status = Status.MEASURED,
    reason: str = "",
    samples: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The line of a case that ended in a launch, written together with those of its rivals.

    `samples` are the fields that only a measured case has.
    """
    return {
        "kind": "launch",
        "launch": launch,
        "rivals": rivals,
        "case": case.fields(),
        "status": status,
        "reason": reason,
        **(samples or {}),
    }


def utc_now() -> str:
    """The time now as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
