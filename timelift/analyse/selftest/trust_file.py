"""How far the figures of a machine may be trusted, by its last self-test, and the file of that.

`results/<machine>/selftest/trust.json` holds one JSON object: `schema`, `measured` (ISO 8601 UTC),
`versions` (of packages), `settings` and `launches` (mean over rivals), and pairs [hits, tries]:
`false_alarms` (identical code called different), `one_in_n` (slower in some launches only, called
different), `wrong_way`, `found` (by planted per cent, each called in the right direction); and
`seconds_per_verdict`. Everything read from it is input: what is wrong makes it as good as absent.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from timelift.analyse.runs.measurement import Run
from timelift.analyse.selftest.recording import TwinGroup, record, twin_groups
from timelift.analyse.selftest.score import Share, ladder, score
from timelift.journal import SELFTEST_FOLDER, differences

SCHEMA = 1
FILE = "trust.json"


@dataclass(frozen=True)
class Trust:
    """The scores of a self-test; `found` is by planted share, such as 0.05."""

    measured: str
    versions: Mapping[str, str]
    settings: int
    launches: float
    false_alarms: Share
    one_in_n: Share
    wrong_way: Share
    found: Mapping[float, Share]
    seconds_per_verdict: float

    @property
    def tries(self) -> int:
        """How many comparisons it rests on."""
        return self.false_alarms.tries + sum(seen.tries for seen in self.found.values())

    def moved(self, versions: Mapping[str, Any]) -> list[str]:
        """Return the packages that have another version now, by name."""
        moved = {one.name for one in differences(self.versions, versions)}
        return sorted(moved & self.versions.keys())


def of_run(run: Run) -> Trust | None:
    """Judge a self-test's run; None where it has no comparison whose truth is known."""
    groups = twin_groups(run)
    return _of_groups(run, groups) if groups else None


def _of_groups(run: Run, groups: Sequence[TwinGroup]) -> Trust:
    recording = record(groups)
    found = score([ladder(recording)], [recording])
    launches = [len(rival.launches) for group in groups for rival in group.rivals]
    versions = run.header.machine.versions
    return Trust(
        measured=run.header.started or "",
        versions={str(name): str(one) for name, one in versions.items()},
        settings=len(groups),
        launches=float(np.mean(launches)),
        false_alarms=found.false_alarms,
        one_in_n=found.sometimes,
        wrong_way=found.wrong_way,
        found={round(math.expm1(step), 4): seen for step, seen in found.found.items()},
        seconds_per_verdict=found.seconds,
    )


def written(trust: Trust) -> str:
    """Return the text of the file that `load` reads."""
    fields = {"schema": SCHEMA, **asdict(trust)}
    fields |= {name: _pair(getattr(trust, name)) for name in _SHARES}
    fields["found"] = {str(share): _pair(seen) for share, seen in trust.found.items()}
    return json.dumps(fields, indent=1) + "\n"


def tells_more(kept: Trust | None, found: Trust) -> bool:
    """True if an earlier self-test with the same versions rests on more than a new one."""
    return bool(kept and kept.versions == found.versions and kept.tries > found.tries)


def of_machine(results: Path, run: Run) -> Trust | None:
    """Read what the last self-test of a run's machine found; None where there was none."""
    name = run.header.machine.name
    if name is None or Path(name).name != name or name == "..":
        return None
    return load(results / name / SELFTEST_FOLDER / FILE)


def load(path: Path) -> Trust | None:
    """Read a file; None where it is absent or not as the docstring above says."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return _trust(fields) if fields["schema"] == SCHEMA else None
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        RecursionError,
        AttributeError,
        OverflowError,
    ):
        return None


_SHARES = ("false_alarms", "one_in_n", "wrong_way")


def _trust(fields: Mapping[str, Any]) -> Trust:
    return Trust(
        measured=str(fields["measured"]),
        versions={str(name): str(one) for name, one in fields["versions"].items()},
        settings=int(fields["settings"]),
        launches=float(fields["launches"]),
        found={float(share): _share(seen) for share, seen in fields["found"].items()},
        seconds_per_verdict=float(fields["seconds_per_verdict"]),
        **{name: _share(fields[name]) for name in _SHARES},
    )


def _pair(share: Share) -> list[int]:
    return [share.hits, share.tries]


def _share(pair: Any) -> Share:
    hits, tries = pair
    if not (isinstance(hits, int) and isinstance(tries, int) and 0 <= hits <= tries < 10**7):
        raise ValueError(pair)
    return Share(hits, tries)
