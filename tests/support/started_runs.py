"""Runs that go on while a test looks, to be interrupted, killed or waited for."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.projects import QUICKEST, environment, journal_of, records_of

GOOD = ("native", "fold_time")
#: A run that lasts long enough to be interrupted: four settings, two launches.
LONGER = (
    "bench/test_forward.py --workloads sensor,tokens --seq-lens 3 --batch-sizes 2,4 "
    f"--launches 2 --seed 3 --backends {QUICKEST}"
).split()


def played(folder: Path) -> Counter:
    lines = [record for record in records_of(folder) if record["kind"] == "launch"]
    return Counter((record["launch"], *map(str, record["case"].values())) for record in lines)


#: Seconds after which a run hangs, however much else the machine does.
PATIENCE = 900


def start(folder: Path, *words: str, **how: Any) -> subprocess.Popen[str]:
    return start_module(folder, "pytest", "-p", "no:cacheprovider", *words, **how)


def start_module(folder: Path, *words: str, **how: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **how,
    )


def wait_until(reached, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not reached():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not in {PATIENCE} s")
        time.sleep(0.02)


def wait_for_lines(folder: Path, count: int) -> None:
    wait_until(
        lambda: journal_of(folder).read_text().count('"kind":"launch"') >= count,
        f"{count} measurements",
    )
