"""The gate of a session: which cases are raced against their other side, and why others are not."""

import ast
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from timelift.case import COPY_SEPARATOR, Case
from timelift.errors import UserError
from timelift.journal import IGNORED_PART, Against, Quantity
from timelift.measure.catalogue import Catalogue, Strategy, Workload, choose_strategy
from timelift.measure.option_texts import LaunchRange
from timelift.measure.other_side import OtherSide, open_other_side
from timelift.measure.source import imports_of
from timelift.project import Project

#: How the reason of a case begins whose files are the same on both sides.
UNCHANGED = "unchanged since"
#: A new strategy counts as a gone one renamed where their files are at least so much alike.
_RENAMED = 0.8
#: What is measured against another side where the user names nothing else: launches differ less
#: with one thread, and a case that is compared with itself needs no more.
AGAINST_AXES = {"threads": "1"}
#: The most fresh launches in which a suspect is tried.
MOST_FRESH = 12


@dataclass(frozen=True)
class FileChanges:
    """Strategy files that came, went or were renamed: `renamed` maps a new name to the old one."""

    new: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NoOtherSide:
    """Why a case has no other side; it is `unchanged` where both sides have the same files."""

    reason: str
    unchanged: bool = False


@dataclass(frozen=True)
class MatchedCases:
    """The other side of every case that has one, and the reason for every one that has none."""

    sides: Mapping[Case, Case] = field(default_factory=dict)
    reasons: Mapping[Case, str] = field(default_factory=dict)
    file_changes: FileChanges = FileChanges()
    unchanged: tuple[str, ...] = ()


@dataclass
class SidesGate:
    """Race cases against their other side; `matched` is known once the cases are.

    `gates` gives each quantity the share that should be found, `ignored` that of time which never
    counts. It `compares_programs` where one interpreter runs both.
    """

    other_side: OtherSide
    matcher: "CaseMatcher"
    screening: int
    gates: Mapping[Quantity, float]
    undecided_fails: bool
    compares_programs: bool
    ignored: float
    matched: MatchedCases = field(default_factory=MatchedCases)

    @classmethod
    def of(
        cls, project: Project, options: Mapping[str, Any], catalogue: Catalogue
    ) -> "SidesGate | None":
        project = replace(project, root=project.root.resolve())
        side = open_other_side(project, options, catalogue)
        if side is None:
            return None
        measured = bool(side.python) or options["unchanged"] == "measure"
        return cls(
            other_side=side,
            matcher=CaseMatcher(catalogue, side, project, measure_unchanged=measured),
            screening=options["launches"].fewest,
            gates={
                Quantity.TIME: options["gate"],
                Quantity.FIRST_CALL: options["gate_first_call"],
                Quantity.MEMORY: options["gate_memory"],
            },
            undecided_fails=options["undecided"] == "fail",
            compares_programs=not side.python,
            ignored=_ignored(options),
        )

    @property
    def launches(self) -> LaunchRange:
        """The launches that screen every case, and those that try a suspect again."""
        return LaunchRange(self.screening, self.screening + MOST_FRESH)

    def match(self, cases: Iterable[Case]) -> None:
        self.matched = self.matcher.match(dict.fromkeys(cases))

    def why_not(self, case: Case) -> str:
        """Return why a case has no other side; empty where it has one."""
        return self.matched.reasons.get(case, "")

    def both_sides(self) -> list[Case]:
        return [case for pair in self.matched.sides.items() for case in pair]

    def header_entry(self) -> Against:
        changes = self.matched.file_changes
        return Against(
            label=self.other_side.label,
            commit=self.other_side.commit,
            gates=dict(self.gates),
            screening=self.screening,
            undecided="fail" if self.undecided_fails else "pass",
            new=tuple(changes.new),
            removed=tuple(changes.removed),
            renamed=dict(changes.renamed),
            unchanged=tuple(self.matched.unchanged),
            versions=dict(self.other_side.versions),
            ignored=self.ignored,
        )


def _ignored(options: Mapping[str, Any]) -> float:
    """Return the share of time that is ignored; raises UserError for one that should be found."""
    gate, ignored = float(options["gate"]), options["gate_ignore"]
    if ignored is not None and ignored >= gate:
        raise UserError(
            f"--gate-ignore: expected less than --gate, which is {100 * gate:g}%, received "
            f"{100 * ignored:g}%; what should be found cannot be ignored"
        )
    return IGNORED_PART * gate if ignored is None else float(ignored)


class CaseMatcher:
    """Find the other side of cases; the other sides join the `catalogue` as strategies.

    `project` is the one that is measured. Where both sides have the same files there is nothing to
    compare, unless `measure_unchanged`.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        other: OtherSide,
        project: Project,
        *,
        measure_unchanged: bool = False,
    ) -> None:
        self._catalogue, self._other, self._project = catalogue, other, project
        self._measure_unchanged = measure_unchanged
        here, there = _files(catalogue.strategies), _files(other.strategies)
        readable = {
            name: path for name, path in here.items() if name in there or name not in other.broken
        }
        self._changes = file_changes(readable, there)

    def match(self, cases: Iterable[Case]) -> MatchedCases:
        sides: dict[Case, Case] = {}
        reasons: dict[Case, str] = {}
        unchanged: dict[str, None] = {}
        for case in cases:
            found = self._other_side(case)
            if isinstance(found, NoOtherSide):
                reasons[case] = found.reason
                if found.unchanged:
                    unchanged[case.strategy] = None
            else:
                sides[case] = found
                self._catalogue.raced.add(case)
        return MatchedCases(sides, reasons, self._changes, tuple(unchanged))

    def _other_side(self, case: Case) -> Case | NoOtherSide:
        label = self._other.label
        mine = self._catalogue.strategies[case.strategy]
        theirs = self._their_strategy(mine)
        if theirs is None:
            broken = self._other.broken.get(mine.path.stem)
            return NoOtherSide(broken or f"new: {label} has no strategy {case.strategy!r}")
        workload = self._catalogue.workloads[case.setting.workload]
        other = self._their_workload(workload)
        if other is None:
            broken = self._other.broken.get(workload.name)
            return NoOtherSide(broken or f"new: {label} has no workload {workload.name!r}")
        if _shape(other) != _shape(workload):
            return NoOtherSide(
                f"another workload: one step of {workload.name!r} is {_shape(other)[0]} on {label} "
                f"and {_shape(workload)[0]} here"
            )
        changed = self._layer_changed(workload, other)
        if not (changed or self._measure_unchanged or self._strategy_changed(mine, theirs)):
            return NoOtherSide(
                f"{UNCHANGED} {label}: its file and its workload's are the same", unchanged=True
            )
        if changed:
            self._catalogue.base_workloads[workload.name] = other
        name = f"{mine.name}{COPY_SEPARATOR}{label}"
        self._catalogue.strategies[name] = replace(
            theirs,
            name=name,
            copy_of=mine.name,
            home=self._other.home,
            in_other_python=bool(self._other.python),
        )
        return Case(case.setting, name)

    def _their_strategy(self, mine: Strategy) -> Strategy | None:
        stem = mine.path.stem
        word = self._changes.renamed.get(stem, stem) + mine.name.removeprefix(stem)
        try:
            found = choose_strategy(word, self._other.strategies)
        except UserError:
            return None
        return found[0] if found[0].name == word or "[" in word else None

    def _their_workload(self, mine: Workload) -> Workload | None:
        if not mine.is_users:
            return self._other.workloads.get(mine.name)
        where, _, function = mine.factory.rpartition(":")
        path = Path(where)
        if not path.is_absolute():
            return mine if self._has_module(where) else None
        root = self._project.root
        if not path.is_relative_to(root):
            return mine
        there = self._other.project.root / path.relative_to(root)
        return replace(mine, factory=f"{there}:{function}") if there.is_file() else None

    def _has_module(self, name: str) -> bool:
        top = name.partition(".")[0]
        return top not in self._project.modules or top in self._other.project.modules

    def _layer_changed(self, mine: Workload, theirs: Workload) -> bool:
        """True if the inner layer may differ; the project's own imports may always have changed."""
        files = [Path(one.factory.rpartition(":")[0]) for one in (mine, theirs)]
        if not all(path.is_file() for path in files):
            return True
        return not _same_file(*files) or self._imports_ours(files[0])

    def _strategy_changed(self, mine: Strategy, theirs: Strategy) -> bool:
        return not _same_file(mine.path, theirs.path) or self._imports_ours(mine.path)

    def _imports_ours(self, path: Path) -> bool:
        imported = imports_of(ast.parse(path.read_text(encoding="utf-8")))
        return bool(imported & self._project.modules)


def file_changes(here: Mapping[str, Path], there: Mapping[str, Path]) -> FileChanges:
    gone = [name for name in there if name not in here]
    renamed: dict[str, str] = {}
    for name in sorted(here.keys() - there.keys()):
        scores = {old: _likeness(here[name], there[old]) for old in gone}
        best = max(scores, key=scores.__getitem__, default="")
        if best and scores[best] >= _RENAMED and best not in renamed.values():
            renamed[name] = best
    return FileChanges(
        new=tuple(sorted(here.keys() - there.keys() - renamed.keys())),
        removed=tuple(sorted(set(gone) - set(renamed.values()))),
        renamed=renamed,
    )


def _files(strategies: Mapping[str, Strategy]) -> dict[str, Path]:
    return {one.path.stem: one.path for one in strategies.values()}


def _likeness(one: Path, other: Path) -> float:
    first, second = (path.read_text(encoding="utf-8").splitlines() for path in (one, other))
    return difflib.SequenceMatcher(None, first, second).ratio()


def _shape(workload: Workload) -> tuple[object, ...]:
    return (workload.features, workload.input_dtype, workload.input_high)


def _same_file(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()
