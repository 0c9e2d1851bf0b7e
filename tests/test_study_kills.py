"""Trials of killed runs: every fault they look for is found, and none where nothing is wrong."""

import os
import subprocess
import sys
from signal import Signals

import pytest

from studies import remains
from tests import journals

NAMES = ("native", "fold_time")
CASES = frozenset(journals.case(name).label for name in NAMES)
HEADER, END = journals.text(journals.header(), journals.END).encode().splitlines()
TRACEBACK = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    f()\n'


def line(name, launch, **fields):
    return journals.text(journals.line(journals.case(name), launch, **fields)).encode().rstrip()


WHOLE = [HEADER, *(line(name, launch) for launch in (1, 2) for name in NAMES), END]
NEW = line("native", 1, reason="new")


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [
        (WHOLE[:3], WHOLE, 0),
        (WHOLE, WHOLE[:2] + WHOLE[3:], 1),
        (WHOLE, [HEADER, NEW, *WHOLE[2:]], 1),
        ([HEADER, END, END], [HEADER, END], 1),
    ],
    ids=["none", "gone", "changed", "once instead of twice"],
)
def test_a_lost_line_is_found(before, after, count):
    assert remains.lost(before, after) == count


@pytest.mark.parametrize("more", [[], [line("native", 2, reason="again")]])
def test_a_case_that_was_played_twice_is_found(more):
    assert remains.duplicates([*WHOLE, *more]) == len(more)


@pytest.mark.parametrize(
    ("lines", "cases", "launches", "count"),
    [
        (WHOLE, CASES, 2, 0),
        (WHOLE[:-2], CASES, 2, 1),
        (WHOLE, CASES, 3, 2),
        (WHOLE, CASES | {"another"}, 2, 2),
        ([*WHOLE[:4], line("fold_time", 2, status="crashed")], CASES, 2, 1),
        ([], CASES, 2, 4),
    ],
)
def test_a_missing_case_is_found(lines, cases, launches, count):
    assert remains.missing(lines, cases, launches) == count
    assert remains.labels(WHOLE) == CASES


@pytest.mark.parametrize(("ours", "count"), [(True, 1), (False, 0)])
def test_an_orphan_is_found_and_ended(tmp_path, ours, count):
    trial = str(tmp_path)  # all processes of the machine are looked at, another suite's too
    mark = {remains.TRIAL_VARIABLE: trial}
    command = [sys.executable, "-c", "print(flush=True); import time; time.sleep(600)"]
    left = subprocess.Popen(command, env={**os.environ, **mark}, stdout=subprocess.PIPE)
    assert left.stdout is not None
    left.stdout.readline()
    assert remains.end_orphans(trial if ours else f"not {trial}", grace=0.0) == count
    assert (left.poll() is None) == (count == 0) or left.wait(300) == -Signals.SIGKILL
    left.kill()
    left.communicate()


@pytest.mark.parametrize(
    ("printed", "ours", "count"),
    [
        ("8 passed\n", True, 0),
        ("a.py:1: KeyboardInterrupt\n(to show a full traceback use --full-trace)\n", True, 0),
        (f"{TRACEBACK}OSError: no\n", False, 1),
        (f"{TRACEBACK}package.errors.UserError\n", False, 1),
        (f"{TRACEBACK}KeyboardInterrupt\n", True, 1),
        (f"{TRACEBACK}KeyboardInterrupt\n", False, 0),
        (f"{TRACEBACK}KeyboardInterrupt\n\nDuring it:\n\n{TRACEBACK}ValueError: no\n", False, 1),
        (f"{TRACEBACK}", False, 1),
    ],
)
def test_a_traceback_is_found(printed, ours, count):
    assert remains.tracebacks(printed, ours=ours) == count
