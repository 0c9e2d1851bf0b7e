"""A journal, read into a `Run`.

Nothing in a file is trusted: a line that is not as in `timelift.journal` is left out and named in
`Run.warnings`. Nothing that a file names is ever executed.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from timelift.analyse.measurement import Run, merge
from timelift.case import AXES, Case, Status
from timelift.errors import UserError, counted
from timelift.escape import plain
from timelift.journal.lines import CaseInLaunch, End, Header, RunEnd
from timelift.journal.reading import NumberedLine, read_lines

if TYPE_CHECKING:
    import pandas as pd

#: How many damaged lines are named, and how many characters of what is wrong with one.
_MOST_NAMED, _LONGEST_REASON = 12, 160


def load(path: Path) -> Run:
    """Read a run; raises UserError where the file is no journal that this timelift can read."""
    try:
        lines = read_lines(path.read_bytes())
    except OSError as error:
        raise UserError(
            f"cannot read {str(path)!r}: {error.strerror}; name a journal under results/"
        ) from error
    first = next(lines, None)
    if first is None or not isinstance(first.line, Header):
        why = plain(first.error, _LONGEST_REASON) if first and first.error else "none"
        raise UserError(
            f"{str(path)!r}: expected a journal of this timelift, which begins with its header, "
            f"received another file ({why}); name a file that a run wrote"
        )
    return _run(first.line, lines)


def _run(header: Header, lines: Iterable[NumberedLine]) -> Run:
    records: dict[tuple[Case, int], CaseInLaunch] = {}
    damaged: dict[int, str] = {}
    untimed: dict[Case, None] = {}
    end, torn = End(exit=""), 0
    for one in lines:
        if isinstance(one.line, End):
            end = one.line
        elif isinstance(one.line, CaseInLaunch) and _is_untimed(one.line):
            untimed[one.line.case] = None
        elif isinstance(one.line, CaseInLaunch) and _key(one.line) not in records:
            records[_key(one.line)] = one.line
            end = End(exit="")
        elif one.torn:
            torn = one.number
        else:
            damaged[one.number] = str(one.error or "a header or a launch of a case a second time")
    return Run(
        header,
        merge(records.values()),
        complete=end.exit == RunEnd.COMPLETE,
        warnings=tuple(_warnings(damaged, torn)),
        ended=end.ended,
        cut_short=end.exit == RunEnd.CUT_SHORT,
        untimed=tuple(untimed),
    )


def _is_untimed(record: CaseInLaunch) -> bool:
    return record.status is Status.MEASURED and not record.seconds_per_call


def _key(record: CaseInLaunch) -> tuple[Case, int]:
    return record.case, record.launch


def _warnings(damaged: Mapping[int, str], torn: int) -> Iterator[str]:
    """Yield what was left out: damaged lines by their number, and the number of a torn one, if any.

    Lines count from 1.
    """
    if damaged:
        numbers = ", ".join(map(str, list(damaged)[:_MOST_NAMED]))
        more = f" and {len(damaged) - _MOST_NAMED:,} more" if len(damaged) > _MOST_NAMED else ""
        first = plain(next(iter(damaged.values())), _LONGEST_REASON)
        lines = f"{counted(len(damaged), 'damaged line')} left out"
        yield f"{lines}: {numbers}{more} ({'the first: ' if len(damaged) > 1 else ''}{first})"
    if torn:
        yield f"line {torn} is torn: the run was cut off while it wrote this line"


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


def frame(run: Run) -> "pd.DataFrame":
    """Return a row for each case, launch and round.

    Columns: `workload`, `seq_len`, `batch`, `phase`, `mode`, `lengths`, `gradients`, `time_axis`,
    `dtype`, `device`, `threads`, `backend` (the axes), `strategy`, `launch` (from 1), `round` (from
    0; rounds of one setting and launch with one number were played together), `seconds_per_call`
    (NaN where the rival sat the round out) and `status`. A case without samples has no row.
    """
    import pandas as pd  # noqa: PLC0415 - half a second that only this function needs

    played = [(one, launch) for one in run.measurements for launch in one.launches]
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
