"""A journal, read into a `Run`.

Nothing in a file is trusted: what is not as in `timelift.journal` is named in `Run.warnings` and
skipped, and what is good is kept. Nothing that a file names is ever executed.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from timelift.analyse.runs.measurement import Measurement, Run, Warnings, merge
from timelift.case import AXES, Case
from timelift.errors import UserError
from timelift.journal import (
    SCHEMA,
    CaseInLaunch,
    End,
    Header,
    NumberedLine,
    OtherSchemaError,
    RunEnd,
    read_lines,
)

if TYPE_CHECKING:
    import pandas as pd


def load(path: Path) -> Run:
    """Read a run; raises UserError where the file holds nothing that can be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read {str(path)!r}: {error.strerror}; name a journal under results/"
        ) from error
    run = _JournalReader(path).read(data)
    if run is None:
        raise UserError(
            f"{str(path)!r}: expected a journal, received a file without a readable record; "
            "name a file that a run wrote"
        )
    return run


def load_measured(path: Path, *, or_failed: bool = False) -> Run:
    """Read a run; raises UserError where nothing was measured in it, `or_failed` at least."""
    run = load(path)
    if not (run.measurements if or_failed else run.measured):
        raise UserError(
            f"expected measurements in {str(path)!r}, found none; let the run go on or name another"
        )
    return run


def load_usual(path: Path, *, or_failed: bool = False) -> Run:
    """Read a run of strategies; raises UserError where it raced them against twins."""
    run = load_measured(path, or_failed=or_failed)
    if run.header.races_copies:
        raise UserError(
            f"expected a usual run, received one against twins, {str(path)!r}, whose answer is its "
            "own; name a run of timelift bench without --against"
        )
    return run


@dataclass
class _JournalReader:
    path: Path
    header: Header | None = None
    records: list[tuple[str, CaseInLaunch]] = field(default_factory=list)
    complete: bool = False
    ended: str = ""
    cut_short: bool = False
    warnings: Warnings = field(default_factory=Warnings)

    def read(self, data: bytes) -> Run | None:
        for place in read_lines(data):
            self._take(place)
        if not self.header and not self.records:
            return None
        if not self.header:
            self.warnings.add("line 1", f"no header, so the records are read by schema {SCHEMA}")
        measurements = merge(self.records, self.warnings)
        header, warnings = self.header or Header(), self.warnings.as_tuple()
        return Run(header, measurements, self.complete, warnings, self.ended, self.cut_short)

    def _take(self, place: NumberedLine) -> None:
        where = f"line {place.number}"
        if isinstance(place.error, OtherSchemaError):
            raise UserError(
                f"{str(self.path)!r}: {place.error}; read it with the timelift that wrote it"
            )
        line, error = place.line, place.error
        if isinstance(line, CaseInLaunch):
            self.records.append((where, line))
            self.complete = self.cut_short = False
            self.ended = ""
        elif isinstance(line, End):
            self.complete, self.cut_short = (
                line.exit == end for end in (RunEnd.COMPLETE, RunEnd.CUT_SHORT)
            )
            self.ended = line.ended
        elif self.header and line:
            error = ValueError("a second header; the first one counts")
        elif line:
            self.header = line
        if error:
            what = "torn: the run was cut off while it wrote this line" if place.torn else error
            self.warnings.add(where, what)
        for damage in place.damage:
            self.warnings.add(where, damage)


def in_utf8(run: Run) -> Run:
    """Replace in names and reasons what no UTF-8 can hold: JSON can escape it, no table can."""
    return replace(run, measurements=tuple(map(_in_utf8, run.measurements)))


def _in_utf8(one: Measurement) -> Measurement:
    fields = one.case.fields()
    texts = {name: _text(fields[name]) for name in ("strategy", "workload", "device")}
    return replace(one, case=Case.from_fields(fields | texts), reason=_text(one.reason))


def _text(value: str) -> str:
    return value.encode(errors="backslashreplace").decode()


def frame(run: Run) -> "pd.DataFrame":
    """Return a row for each case, launch and round.

    Columns: `workload`, `seq_len`, `batch`, `phase`, `mode`, `lengths`, `gradients`, `time_axis`,
    `dtype`, `device`, `threads`, `backend` (the axes), `strategy`, `launch` (from 1), `round` (from
    0; rounds of one setting and launch with one number were played together), `seconds_per_call`
    (NaN where the rival sat the round out) and `status`. A case without samples has no row.
    """
    import pandas as pd  # noqa: PLC0415 - half a second that only this function needs

    played = [(one, launch) for one in in_utf8(run).measurements for launch in one.launches]
    rounds = [launch.seconds_per_call.size for _, launch in played]
    which = np.repeat(np.arange(len(played)), rounds)
    columns = {
        name: np.array([getattr(one.case.setting, name) for one, _ in played], dtype)[which]
        for name, dtype in (
            (name, np.int64 if kind is int else object) for name, kind in AXES.items()
        )
    }
    return pd.DataFrame(
        columns
        | {
            "strategy": np.array([one.case.strategy for one, _ in played], object)[which],
            "launch": np.array([launch.number for _, launch in played], np.int64)[which],
            "round": np.concatenate([np.arange(0), *(np.arange(count) for count in rounds)]),
            "seconds_per_call": np.concatenate(
                [np.empty(0), *(launch.seconds_per_call for _, launch in played)]
            ),
            "status": np.array([str(one.status) for one, _ in played], object)[which],
        }
    )
