"""How far the figures of a machine may be trusted, by its last self-test, and the file of that.

`results/<machine>/selftest/trust.json` holds one JSON object: `schema`, `measured` (ISO 8601 UTC),
`versions` (of packages), `settings` and `launches` (mean over rivals), and pairs [hits, tries]:
`false_alarms` (identical code called different), `one_in_n` (slower in some launches only, called
different), `wrong_way`, `found` (by planted per cent, each called in the right direction); and
`seconds_per_verdict`. Everything read from it is input: what is wrong makes it as good as absent.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import Struct

from timelift.analyse.runs.measurement import Run
from timelift.analyse.selftest.recording import record, twin_groups
from timelift.analyse.selftest.score import Proportion, judge_as_ranking, score
from timelift.journal import SELFTEST_FOLDER, differences

FILE = "trust.json"


class Trust(Struct, frozen=True, kw_only=True):
    """The scores of a self-test; `found` is by planted share, such as 0.05."""

    schema: Literal[1]
    measured: str
    versions: dict[str, str]
    settings: int
    launches: float
    false_alarms: Proportion
    one_in_n: Proportion
    wrong_way: Proportion
    found: dict[float, Proportion]
    seconds_per_verdict: float

    @property
    def tries(self) -> int:
        return self.false_alarms.tries + sum(seen.tries for seen in self.found.values())

    def changed_packages(self, versions: Mapping[str, Any]) -> list[str]:
        moved = {one.name for one in differences(self.versions, versions)}
        return sorted(moved & self.versions.keys())


def trust_from_run(run: Run) -> Trust | None:
    """Judge a self-test's run; None where it has no comparison whose truth is known."""
    groups = twin_groups(run)
    if not groups:
        return None
    recording = record(groups)
    found = score([judge_as_ranking(recording)], [recording])
    launches = [len(rival.launches) for group in groups for rival in group.rivals]
    versions = run.header.machine.versions
    return Trust(
        schema=1,
        measured=run.header.started or "",
        versions={str(name): str(one) for name, one in versions.items()},
        settings=len(groups),
        launches=float(np.mean(launches)),
        false_alarms=found.false_alarms,
        one_in_n=found.one_in_n,
        wrong_way=found.wrong_way,
        found={round(math.expm1(step), 4): seen for step, seen in found.found.items()},
        seconds_per_verdict=found.seconds_per_verdict,
    )


def trust_as_json(trust: Trust) -> str:
    return msgspec.json.format(msgspec.json.encode(trust), indent=1).decode() + "\n"


def rests_on_more(kept: Trust | None, found: Trust) -> bool:
    """True if an earlier self-test with the same versions rests on more than a new one."""
    return bool(kept and kept.versions == found.versions and kept.tries > found.tries)


def machine_trust(results: Path, run: Run) -> Trust | None:
    name = run.header.machine.name
    if name is None or Path(name).name != name or name == "..":
        return None
    return load_trust(results / name / SELFTEST_FOLDER / FILE)


def load_trust(path: Path) -> Trust | None:
    """Read a file; None where it is absent or not as the docstring above says."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Trust)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return None
