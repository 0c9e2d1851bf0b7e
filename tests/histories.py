"""Synthetic histories for tests: a folder of journals, one a night, with what is asked of them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tests import journals
from timelift.case import Case

START = datetime(2026, 1, 1, 2, tzinfo=UTC)
STRATEGIES = ("native", "fold_time", "conv1d_pointwise", "loop_slice", "time_distributed")
#: What a case is slower by on a night, as a log ratio.
Slower = Callable[[Case, int], float]


def nothing(_: Case, night: int) -> float:
    """No case is ever slower."""
    return 0.0 * night


def step(strategy: str, night: int, share: float = 0.10) -> Slower:
    """One strategy is slower from a night on."""
    return lambda case, now: np.log1p(share) * (case.strategy == strategy and now >= night)


def day(night: int) -> str:
    """The date of a night."""
    return (START + timedelta(days=night)).date().isoformat()


def commit(night: int) -> str:
    """The commit that a night measured, as a history shows it."""
    return f"{night + 1:07x}a"


def machine(keras: str = "3.14", **changes: Any) -> dict[str, Any]:
    """The machine of a run, with one version named."""
    drift = {"versions": {"keras": keras, "tensorflow": "2.21"}, "python": "3.12"}
    return journals.MACHINE | {"drift": drift, "information": {}} | changes


def nights(  # noqa: PLR0913 - each with a default that a test may leave alone
    results: Path,
    count: int,
    slower: Slower = nothing,
    *,
    cases: Sequence[Case] | None = None,
    noise: float = 0.005,
    described: Callable[[int], dict[str, Any]] = lambda _: machine(),
    seed: int = 1,
) -> Path:
    """Write a journal for each night under results/example and return `results`."""
    random = np.random.default_rng(seed)
    measured = journals.grid(STRATEGIES) if cases is None else list(cases)
    folder = results / "example"
    folder.mkdir(parents=True, exist_ok=True)
    for night in range(count):
        lines = [line for case in measured for line in _lines(case, night, slower, noise, random)]
        lines.sort(key=lambda line: line["launch"])
        run(folder / f"{night:03}.jsonl", night, lines, machine=described(night))
    return results


def run(path: Path, night: int, lines: Sequence[dict[str, Any]], **changes: Any) -> Path:
    """Write one night's journal as a run writes it."""
    when = START + timedelta(days=night)
    head = {
        "id": f"{night}",
        "started": when.isoformat(),
        "commit": {"id": commit(night) + "bcdef", "dirty": False},
    }
    return journals.write(path, journals.header(**(head | changes)), *lines, journals.END)


def _lines(
    case: Case, night: int, slower: Slower, noise: float, random: np.random.Generator
) -> list[dict[str, Any]]:
    level = journals.typical_seconds(case) * np.exp(slower(case, night) + random.normal(0, noise))
    return [
        journals.line(
            case,
            launch,
            (level * np.exp(random.normal(0, 0.01, 5))).tolist(),
            facts={"canary_seconds": 4e-5},
        )
        for launch in (1, 2)
    ]
