"""What a run was measured against: the header of a run that raced two sides of every case.

`header["against"]` holds `label` (what the user called the other side), `commit` (of it, if any),
`gates` ({quantity: share}), `screening` (launches), `undecided` ("pass" or "fail"), `new`,
`removed`, `unchanged` (names), `renamed` ({new name: old name}) and `versions` ({package: [there,
here]} where they differ). `strategies[name]["against"]["of"]` names the strategy that a rival is
the other side of.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from timelift.analyse.runs.measurement import Run
from timelift.case import Case
from timelift.errors import UserError

#: What a gate has a margin for.
QUANTITIES = ("time", "first call", "peak memory")


@dataclass(frozen=True)
class Against:
    """The other side of a run, and by what rule it is judged."""

    label: str
    commit: str
    gates: Mapping[str, float]
    screening: int
    undecided: str
    new: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]
    renamed: Mapping[str, str]
    versions: Mapping[str, tuple[str, str]]


def of_run(run: Run) -> Against | None:
    """Read what a run was measured against, None for a usual run; raises UserError if damaged."""
    fields = run.header.get("against")
    if fields is None:
        return None
    try:
        return read(fields)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"expected the journal's header to say what it was measured against, but {error!r}; "
            "measure again with --against"
        ) from None


def read(fields: Mapping[str, Any]) -> Against:
    """Read a header's `against`; raises KeyError, TypeError or ValueError where it is damaged."""
    names = {key: tuple(map(str, fields[key])) for key in ("new", "removed", "unchanged")}
    return Against(
        label=str(fields["label"]),
        commit=str(fields["commit"] or ""),
        gates={name: _share(fields["gates"][name]) for name in QUANTITIES},
        screening=max(1, int(fields["screening"])),
        undecided=str(fields["undecided"]),
        renamed={str(name): str(old) for name, old in fields["renamed"].items()},
        versions={str(name): (str(a), str(b)) for name, (a, b) in fields["versions"].items()},
        **names,
    )


def _share(value: Any) -> float:
    if not 0 < float(value) < float("inf"):
        raise ValueError(value)
    return float(value)


def other_sides(run: Run) -> dict[Case, Case]:
    """Give each case that has another side, and that side's case."""
    of = {
        name: told["against"]["of"]
        for name, told in run.header.get("strategies", {}).items()
        if isinstance(told, dict)
        and isinstance(told.get("against"), dict)
        and isinstance(told["against"].get("of"), str)
    }
    cases = [one.case for one in run.measurements]
    return {Case(case.setting, of[case.strategy]): case for case in cases if case.strategy in of}
