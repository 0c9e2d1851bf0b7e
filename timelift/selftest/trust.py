"""The judgement of a self-test, and how far it lets the figures of its machine be trusted.

`timelift selftest` races a strategy against twins of itself whose difference is known: the header
has a `Planted` of each. The findings are kept in the `machine_folder` for later reports of every
project, where a file with anything wrong counts as absent.
"""

import math
import os
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct

from timelift.analyse.effects import aligned_samples
from timelift.analyse.estimates import CONFIDENCE
from timelift.analyse.results import Run
from timelift.analyse.verdicts import MIN_LAUNCHES, Verdict, compare_pairs
from timelift.case import Case
from timelift.errors import UserError, counted, writing
from timelift.journal.files import SELFTEST_FOLDER, replace_file
from timelift.measurement import Measurement
from timelift.present import conditions
from timelift.present.document import Block, Document
from timelift.present.summary import TITLE
from timelift.present.words import percent, sentence

_SIGN = {Verdict.SLOWER: 1, Verdict.FASTER: -1}
#: A planted slow-down counts as found if it was found in this share of its tries.
_FOUND_SHARE = 0.9


class Proportion(Struct, frozen=True, array_like=True):
    """The number of hits among tries; in a file, a list of both."""

    hits: Annotated[int, Meta(ge=0)]
    tries: Annotated[int, Meta(lt=10**7)]

    def __post_init__(self) -> None:
        if self.hits > self.tries:
            raise ValueError(f"expected at most {self.tries} hits, received {self.hits}")

    @property
    def value(self) -> float:
        """NaN of no tries."""
        return self.hits / self.tries if self.tries else math.nan

    @property
    def at_most(self) -> float:
        """The true share's upper bound at 95 % confidence, one-sided and exact.

        Source: Clopper and Pearson 1934, Biometrika 26(4), 404-413.
        """
        from scipy import special  # noqa: PLC0415 - see `analyse.variances`

        if self.hits >= self.tries:
            return 1.0
        return float(special.betaincinv(self.hits + 1, self.tries - self.hits, CONFIDENCE))


class Trust(Struct, frozen=True, kw_only=True):
    """The findings of a self-test, as they are stored.

    `measured` is in ISO 8601, UTC; `launches` is the mean over rivals. `false_alarms` are
    differences called between identical rivals. Planted differences called in the right direction
    are `found`, by their share, such as 0.05, and those called in the other `wrong_way`.
    """

    schema: Literal[1]
    measured: str
    versions: dict[str, str]
    settings: int
    launches: float
    false_alarms: Proportion
    wrong_way: Proportion
    found: dict[float, Proportion]

    @property
    def tries(self) -> int:
        return self.false_alarms.tries + sum(calls.tries for calls in self.found.values())

    def changed_in(self, versions: Mapping[str, str]) -> list[str]:
        return sorted(name for name, text in self.versions.items() if versions.get(name) != text)


# Twins -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TwinGroup:
    """A strategy and its twins in one setting; `slower` is each one's share over the first."""

    rivals: tuple[Measurement, ...]
    slower: tuple[float, ...]


def twin_groups(run: Run) -> list[TwinGroup]:
    """Return each strategy of each setting with its twins, where some were measured, in order."""
    measured, strategies = run.measured, run.header.strategies
    planted = {name for name, entry in strategies.items() if entry.planted}
    slower_of = defaultdict[Case, dict[Case, float]](dict)
    for case in sorted(measured):
        entry = strategies.get(case.strategy)
        if entry and entry.planted and entry.planted.slower is not None:
            slower_of[Case(case.setting, entry.copy_of)][case] = entry.planted.slower
    return [
        TwinGroup((measured[base], *(measured[twin] for twin in slower)), (0.0, *slower.values()))
        for base, slower in sorted(slower_of.items())
        if base in measured and base.strategy not in planted
    ]


# Judging -----------------------------------------------------------------------------------------


def trust_from_run(run: Run) -> Trust | None:
    """Judge a self-test's run; None where it has no comparison of known truth."""
    groups = twin_groups(run)
    if not groups:
        return None
    signs: dict[float, list[int]] = defaultdict(list)
    for slower, sign in _judged_pairs(groups):
        signs[slower].append(sign)
    identical = signs.pop(0.0, [])
    wrong = [sign * slower < 0 for slower in signs for sign in signs[slower]]
    return Trust(
        schema=1,
        measured=run.header.started or "",
        versions={str(name): str(text) for name, text in run.header.machine.versions.items()},
        settings=len(groups),
        launches=float(
            np.mean([len(rival.launches) for group in groups for rival in group.rivals])
        ),
        false_alarms=Proportion(sum(map(abs, identical)), len(identical)),
        wrong_way=Proportion(sum(wrong), len(wrong)),
        found={
            slower: Proportion(sum(sign * slower > 0 for sign in signs[slower]), len(signs[slower]))
            for slower in sorted(signs)
        },
    )


def _judged_pairs(groups: Sequence[TwinGroup]) -> Iterator[tuple[float, int]]:
    """Judge each strategy beside its twins, and all pairs of identical rivals, as a ranking does.

    Yields the share by which the second of a pair is slower, and 1 if it was called slower, -1
    faster, 0 neither. All pairs of a group are a family, and variances are moderated over all
    groups of the run.
    """
    aligned = [samples for group in groups for samples in aligned_samples(group.rivals)]
    for group, comparisons in zip(groups, compare_pairs(aligned), strict=True):
        for (i, j), comparison in comparisons.items():
            if i == 0 or group.slower[i] == group.slower[j] == 0:
                yield round(group.slower[j], 4), _SIGN.get(comparison.verdict, 0)


# The files ---------------------------------------------------------------------------------------


def machine_folder(machine: str) -> Path:
    """Return the folder of a machine's self-tests, which all projects of a user share.

    Source: XDG Base Directory Specification 0.8.
    """
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")  # noqa: PTH111 - raises nothing
    return Path(state, "timelift", machine, SELFTEST_FOLDER)


def load_trust(path: Path) -> Trust | None:
    """Read a file; None where it is absent or not as `Trust` says."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Trust)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return None


def trust_path(folder: Path, versions: Mapping[str, str]) -> Path:
    return folder / f"trust-{zlib.crc32(repr(sorted(versions.items())).encode()):08x}.json"


def save_trust(trust: Trust, folder: Path) -> Path:
    path = trust_path(folder, trust.versions)
    with writing(path, "make the folder writable"):
        text = msgspec.json.format(msgspec.json.encode(trust), indent=1).decode()
        replace_file(path, f"{text}\n", folder)
    return path


def machine_trust(results: Path, run: Run) -> Trust | None:
    """Return the findings of a machine's last self-test, preferably with the run's versions.

    Those of earlier versions of timelift are among the `results` of their project.
    """
    name, versions = run.header.machine.name, run.header.machine.versions
    if name is None or Path(name).name != name or name == "..":
        return None
    found = list[Trust]()
    for folder in (results / name / SELFTEST_FOLDER, machine_folder(name)):
        with suppress(OSError, ValueError):  # a name that no folder has
            found += filter(None, map(load_trust, folder.glob("trust*.json")))
    found.sort(key=lambda trust: (not trust.changed_in(versions), trust.measured))
    return found[-1] if found else None


# Words -------------------------------------------------------------------------------------------


def document(run: Run) -> Document:
    """Return what is shown of a self-test."""
    first, *others = _sentences(trust_from_run(run))
    return Document(
        title=TITLE,
        state=conditions.state(run),
        answer=sentence(first),
        blocks=(Block(name="also", sentences=tuple(others)),),
    )


def _sentences(trust: Trust | None) -> Iterator[str]:
    if trust is None:
        yield "no twin was measured, so there is no result"
        return
    false, wrong = trust.false_alarms, trust.wrong_way
    yield (
        f"identical code was called different in {false.hits} of {false.tries:,} comparisons "
        f"(at most {percent(false.at_most, 2)} with 95 % confidence)"
    )
    shares = (
        f"{percent(share, 0, signed=True)} in {calls.hits} of {calls.tries}"
        for share, calls in sorted(trust.found.items())
    )
    yield (
        f"found where planted: {', '.join(shares)}; "
        f"the wrong way round in {wrong.hits} of {wrong.tries:,}"
    )
    yield f"{counted(trust.settings, 'setting')}, {trust.launches:.1f} launches a rival"


def end_of_selftest(run: Run, folder: Path) -> Document:
    """Return the result of a self-test, and store it in its `folder` if it is over."""
    shown, trust = document(run), trust_from_run(run)
    if trust is None:
        return shown
    try:
        stored = _store(trust, run, folder)
    except UserError as error:  # below a result that is known all the same
        stored = Block(sentences=(f"not stored: {error}",))
    return shown.plus(stored)


def _store(trust: Trust, run: Run, folder: Path) -> Block:
    """Store a result that may be quoted, and return what became of it.

    Of two self-tests with the same versions the one that rests on more comparisons is kept.
    """
    if run.is_provisional:
        return Block(sentences=("not stored, since the run did not end",))
    if round(trust.launches) < MIN_LAUNCHES:  # some rivals may have lost one
        why = f"{MIN_LAUNCHES} launches a rival are needed for a verdict"
        return Block(sentences=(f"not stored, since {why}; a longer --budget plays more",))
    before = load_trust(trust_path(folder, trust.versions))
    if before and before.tries > trust.tries:
        kept = f"reports go on to quote the self-test of {before.measured[:10]}"
        return Block(sentences=(f"{kept}, which rests on more comparisons",))
    told = "stored, and quoted by reports of this machine from now on:"
    return Block(sentences=(told,), commands=(str(save_trust(trust, folder).parent),))


def trust_in_words(run: Run, trust: Trust | None) -> tuple[str, str]:
    """Return how far to trust the figures of a run's machine: in a line, and in full.

    The line has the least of the planted slow-downs with a `_FOUND_SHARE`.
    """
    if trust is None:
        untested = "this machine is not tested yet: timelift selftest (10 minutes)"
        if run.header.machines:
            untested = "a self-test is of one machine: timelift selftest on each (10 minutes)"
        return untested, untested
    false, changed = trust.false_alarms, trust.changed_in(run.header.machine.versions)
    planted = {
        share: calls for share, calls in sorted(trust.found.items()) if share > 0 and calls.tries
    }
    found = {
        share: f"{percent(share, 0, signed=True)} found in {percent(calls.value, 0)}"
        for share, calls in planted.items()
    }
    sure = [share for share, calls in planted.items() if calls.value >= _FOUND_SHARE]
    least = [found[share] for share in (sure or [*planted][-1:])[:1]]
    alarms = f"{counted(false.hits, 'false alarm')} in {false.tries:,}"
    first = f"self-test of {trust.measured[:10]}: {alarms}"
    since = [f"since then other {', '.join(changed)}"] if changed else []
    of_identical = f"{first} comparisons of identical code (at most {percent(false.at_most, 2)})"
    return (
        "; ".join([f"{first} (at most {percent(false.at_most)})", *least, *since]),
        "; ".join([of_identical, *([", ".join(found.values())] if found else []), *since]),
    )
