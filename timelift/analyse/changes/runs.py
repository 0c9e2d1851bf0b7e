"""Which runs belong to one history: journals of one machine, the oldest first."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from timelift import journal
from timelift.analyse.runs.records import Warnings
from timelift.errors import UserError, nearest
from timelift.escape import plain
from timelift.journal import BAD_RECORD, TWINS_FOLDERS, Commit, Difference, flat, head_of, moment

_COMMIT_SHOWN = 8


@dataclass(frozen=True)
class RunHead:
    """What the first line of a journal says: when, of which commit, on which machine.

    `identity` is the machine's description as text: histories with different ones are separate.
    `drift` is everything that may differ between comparable runs, as text by name.
    """

    path: Path
    id: str
    started: datetime
    commit: str
    machine: str
    identity: str
    versions: Mapping[str, str]
    drift: Mapping[str, str]
    canary_seconds: float | None = None

    @property
    def day(self) -> str:
        """The date of the run, in UTC."""
        return self.started.date().isoformat()


@dataclass(frozen=True)
class Machine:
    """One machine's runs, and what was left out of its history in words."""

    name: str
    runs: tuple[RunHead, ...]
    warnings: tuple[str, ...] = ()


def of_machine(results: Path, name: str | None = None, since: datetime | None = None) -> Machine:
    """Give the runs of the machine called `name`, or of the one that ran last, from `since` on.

    Raises UserError where there are none.
    """
    warnings = Warnings()
    heads = list(_heads(results, warnings))
    if not heads:
        why = f" ({warnings.texts[0]})" if warnings.texts else ""
        raise UserError(
            f"expected runs under {str(results)!r}, found none that can be read{why}; "
            "measure one with: pytest bench/"
        )
    chosen = _chosen(heads, name)
    runs = [one for one in chosen if since is None or one.started >= since]
    if not runs:
        raise UserError(
            f"expected a run since {since:%Y-%m-%d}, found none of {len(chosen)} of "
            f"{chosen[0].machine!r}, the last of {chosen[-1].day}; name an earlier --since"
        )
    return Machine(runs[0].machine, tuple(runs), (*_others(heads, chosen), *warnings.all()))


def _chosen(heads: Sequence[RunHead], name: str | None) -> list[RunHead]:
    """Give the runs with the identity of the newest run of the machine, oldest first."""
    named = [one for one in heads if name is None or one.machine == name]
    if not named:
        known = {one.machine for one in heads}
        raise UserError(
            f"expected a machine that has runs, received {name!r}; "
            f"the nearest are: {nearest(str(name), known)}"
        )
    newest = max(named, key=_order)
    return sorted((one for one in named if _key(one) == _key(newest)), key=_order)


def _order(head: RunHead) -> tuple[datetime, str]:
    return head.started, head.path.name


def _key(head: RunHead) -> tuple[str, str]:
    return head.machine, head.identity


def _others(heads: Sequence[RunHead], chosen: Sequence[RunHead]) -> Iterator[str]:
    """Say how many runs belong to histories of other machines."""
    counts: dict[str, int] = defaultdict(int)
    for one in heads:
        if _key(one) != _key(chosen[0]):
            same = one.machine == chosen[0].machine
            counts[f"{one.machine}{' as described otherwise' if same else ''}"] += 1
    for name, count in sorted(counts.items()):
        yield f"{count} runs of another machine are a history of their own: {name}"


def _heads(results: Path, warnings: Warnings) -> Iterator[RunHead]:
    """Read the header of every journal, a run that lies in two places once."""
    seen: set[tuple[str, datetime]] = set()
    for path in sorted(results.rglob("*.jsonl")):
        if TWINS_FOLDERS & set(path.relative_to(results).parts) or not path.is_file():
            continue
        try:
            head = read_head(path)
        except (*BAD_RECORD, OSError) as error:
            warnings.add(f"left out {path.relative_to(results)}", error)
            continue
        if (head.id, head.started) not in seen:
            seen.add((head.id, head.started))
            yield head


def read_head(path: Path) -> RunHead:
    """Read the first line of a journal; raises ValueError where no history can use it."""
    header = head_of(path)
    machine = header.machine
    drift = {key: one for key, one in machine.drift.items() if key != "versions"}
    return RunHead(
        path=path,
        id=header.id or path.stem,
        started=moment(str(header.started)),
        commit=_commit(header.commit, path),
        machine=machine.name or "a machine without a name",
        identity=json.dumps(machine.identity, sort_keys=True),
        versions=flat(machine.versions),
        drift=flat(drift),
        canary_seconds=_seconds(machine.information.get("canary_seconds")),
    )


def _commit(commit: Commit, path: Path) -> str:
    """Return the commit as it is shown: short, with a + where files differed from it."""
    revision = commit.id or path.stem.rpartition("_")[2]
    return plain(revision[:_COMMIT_SHOWN]) + ("+" if commit.dirty else "")


def _seconds(value: object) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1
    return float(value) if good else None  # type: ignore[arg-type]


def differences(one: RunHead, other: RunHead) -> tuple[Difference, ...]:
    """Return what was installed or set otherwise between two runs."""
    parts = ((one.versions, other.versions), (one.drift, other.drift))
    return tuple(
        found
        for part in parts
        for found in sorted(journal.differences(*part), key=lambda found: found.name)
    )
