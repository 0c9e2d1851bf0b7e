"""The report of a running campaign, made again whenever its journal has grown."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from timelift.analyse import selftest
from timelift.analyse.findings import find_out
from timelift.analyse.runs import results
from timelift.errors import UserError
from timelift.journal import is_closed
from timelift.present import page
from timelift.present.report import report
from timelift.project import Project
from timelift.usage import code_of_run


def watch(path: Path, folder: Path, results_folder: Path, every: int) -> Iterator[str]:
    """Make the report until the journal is closed or the user interrupts; a line each time."""
    seen = -1
    if hasattr(os, "nice"):  # which Windows lacks
        os.nice(10)
    try:
        while True:
            size, ended = _size_and_end(path)
            if size != seen or ended:
                seen = size
                yield _made(path, folder, results_folder, None if ended else every)
            if ended:
                return
            time.sleep(every)
    except KeyboardInterrupt:
        with contextlib.suppress(KeyboardInterrupt):
            yield _made(path, folder, results_folder, None)


def _size_and_end(path: Path) -> tuple[int, bool]:
    """Return a journal's size and whether it is closed; raises UserError where it went away."""
    try:
        return path.stat().st_size, is_closed(path)
    except OSError as error:
        raise UserError(
            f"cannot watch {str(path)!r}: {error.strerror}; name a run that is there"
        ) from error


def _made(path: Path, folder: Path, results_folder: Path, every: int | None) -> str:
    begun = time.monotonic()
    run = results.load(path)
    now = time.strftime("%H:%M:%S")
    if not run.measurements:
        return f"{now} no measurement yet"
    found = find_out(run, selftest.machine_trust(results_folder, run))
    code = code_of_run(run, Project(results_folder.parent))
    page.write_report(found, report(found), folder, every, code)
    measured = sum(len(one.all_rows) for one in found.rankings)
    state = "goes on" if every else "ended" if is_closed(path) else "left"
    took = time.monotonic() - begun
    return f"{now} {measured:,} measurements, {took:.1f} s, {state}: {folder / 'index.html'}"
