"""The gate of a session: which cases are raced against their other side, and why others are not."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from timelift.case import COPY_SEPARATOR, Case
from timelift.errors import UserError
from timelift.journal import Against, Quantity
from timelift.measure.campaign_options import CampaignOptions
from timelift.measure.catalogue import Catalogue, Strategy, Workload, choose_strategy
from timelift.measure.options import LaunchRange
from timelift.measure.other_side import OtherSide, open_other_side
from timelift.measure.same_code import FileChanges, SameCode, file_changes
from timelift.project import Project

#: How the reason of a case begins whose files are the same on both sides.
UNCHANGED = "unchanged since"
#: How much longer a first call fails a case, and how much more peak memory.
FACT_GATE = 0.25
#: What is measured against another side where the user names nothing else: launches differ less
#: with one thread, and a case that is compared with itself needs no more.
AGAINST_AXES = {"threads": "1"}
#: The most fresh launches in which a suspect is tried.
MOST_FRESH = 12


@dataclass(frozen=True)
class NoOtherSide:
    """Why a case has no other side; it is `unchanged` where both sides have the same code."""

    reason: str
    unchanged: bool = False


@dataclass(frozen=True)
class MatchedCases:
    """The other side of every case that has one, and the reason for every one that has none."""

    sides: Mapping[Case, Case] = field(default_factory=dict)
    reasons: Mapping[Case, str] = field(default_factory=dict)
    file_changes: FileChanges = field(default_factory=FileChanges)
    unchanged: tuple[str, ...] = ()


@dataclass
class SidesGate:
    """Race cases against their other side; `matched` is known once the cases are.

    `gate` is the slow-down that should be found, a share, and `screening` the launches of every
    case.
    """

    other_side: OtherSide
    matcher: "CaseMatcher"
    screening: int
    gate: float
    undecided_fails: bool
    matched: MatchedCases = field(default_factory=MatchedCases)

    @classmethod
    def of(
        cls, project: Project, options: CampaignOptions, catalogue: Catalogue
    ) -> "SidesGate | None":
        project = replace(project, root=project.root.resolve())
        if not options.against:
            return None
        side = open_other_side(options.against, project, catalogue)
        return cls(
            other_side=side,
            matcher=CaseMatcher(catalogue, side, project),
            screening=options.launches.fewest,
            gate=options.gate,
            undecided_fails=options.undecided == "fail",
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
            gates={
                Quantity.TIME: self.gate,
                Quantity.FIRST_CALL: FACT_GATE,
                Quantity.MEMORY: FACT_GATE,
            },
            screening=self.screening,
            undecided="fail" if self.undecided_fails else "pass",
            new=tuple(changes.new),
            removed=tuple(changes.removed),
            renamed=dict(changes.renamed),
            unchanged=tuple(self.matched.unchanged),
            versions=dict(self.other_side.versions),
        )


class CaseMatcher:
    """Find the other side of cases; the other sides join the `catalogue` as strategies.

    `project` is the one that is measured. Where both sides have the same code there is nothing to
    compare; in another interpreter nothing is the same.
    """

    def __init__(self, catalogue: Catalogue, other: OtherSide, project: Project) -> None:
        self._catalogue, self._other, self._project = catalogue, other, project
        self._same_code = SameCode(project, other.project)
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
        if other.inputs != workload.inputs:
            return NoOtherSide(
                f"another workload: one step of {workload.name!r} is {other.inputs} on {label} "
                f"and {workload.inputs} here"
            )
        layer_is_same = self._layer_is_same(workload, other)
        strategy_is_same = self._same_code.of_files(mine.path, theirs.path)
        if layer_is_same and strategy_is_same and not self._other.python:
            return NoOtherSide(
                f"{UNCHANGED} {label}: its files and all that they import are the same",
                unchanged=True,
            )
        if not layer_is_same:
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

    def _layer_is_same(self, mine: Workload, theirs: Workload) -> bool:
        here, there = (one.factory.rpartition(":")[0] for one in (mine, theirs))
        if here.endswith(".py"):
            return self._same_code.of_files(Path(here), Path(there))
        return bool(here) and self._same_code.of_module(here)  # a stored model has no module


def _files(strategies: Mapping[str, Strategy]) -> dict[str, Path]:
    return {one.path.stem: one.path for one in strategies.values()}
