"""How far the figures of a machine may be trusted, as its last self-test found, kept in a file.

`results/<machine>/selftest/trust.json` holds one JSON object: `schema`, `measured` (ISO 8601 UTC),
`versions` (of packages), `settings` and `launches` (mean over rivals), and pairs [hits, tries]:
`false_alarms` (identical code called different), `one_in_n` (slower in some launches only, called
different), `wrong_way`, `found` (by planted per cent, each called in the right direction); and
`seconds_per_verdict`. Everything read from it is input: what is wrong makes it as good as absent.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from timelift.analyse.runs.measurement import Run
from timelift.journal import SELFTEST_FOLDER, differences

SCHEMA = 1
FILE = "trust.json"
#: Tail of the bound on a share, one-sided.
_CHANCE = 0.05


@dataclass(frozen=True)
class Share:
    """So many hits among so many tries."""

    hits: int
    tries: int

    @property
    def value(self) -> float:
        """The share, NaN of no tries."""
        return self.hits / self.tries if self.tries else math.nan

    @property
    def at_most(self) -> float:
        """The true share's upper bound at 95 % confidence, one-sided and exact.

        Source: Clopper and Pearson 1934, Biometrika 26(4), 404-413; by bisection.
        """
        if self.hits >= self.tries:
            return 1.0
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if self._tail(middle) < _CHANCE else (middle, high)
        return high

    def _tail(self, share: float) -> float:
        """Give the chance of no more hits than these where the true share is `share`."""
        if not 0 < share < 1:
            return float(share <= 0)
        log, rest = math.log(share), math.log1p(-share)
        ways = (
            math.lgamma(self.tries + 1)
            - math.lgamma(k + 1)
            - math.lgamma(self.tries - k + 1)
            + k * log
            + (self.tries - k) * rest
            for k in range(self.hits + 1)
        )
        return math.fsum(math.exp(way) for way in ways)


@dataclass(frozen=True)
class Trust:
    """What a self-test found; `found` is by planted share, such as 0.05."""

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
