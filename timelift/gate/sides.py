"""A run against another side: the cases that have one, and the reasons why others have none."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from msgspec import structs

from timelift.case import COPY_SEPARATOR, Case
from timelift.errors import UserError
from timelift.gate.other_side import OtherSide, open_other_side
from timelift.gate.same_code import SameCode
from timelift.inner_layer import Factory
from timelift.journal.files import AGAINST_FOLDER
from timelift.journal.lines import Against, Header, Quantity
from timelift.measure.campaign import CampaignReferee
from timelift.measure.catalogue import Strategy, Workload, choose_strategy
from timelift.measure.options import LaunchRange, RunOptions
from timelift.measure.request import RunRequest
from timelift.measure.session import Race

#: The first words of the reason for a case whose files are the same on both sides.
UNCHANGED = "unchanged since"
#: A first call longer by this share, or more peak memory, fails a case.
FACT_GATE = 0.25
#: The most fresh launches in which a suspect is tried.
MOST_FRESH = 12


class SidesRace(Race):
    """Race cases against their other side, which joins the request's catalogue as a strategy.

    `sides` maps a case to its other side, and `reasons` the remaining cases to why they have none.
    A case whose code is the same on both sides is not measured, and its strategy is in `unchanged`.
    With another interpreter no code counts as the same. Raises UserError where the request names no
    other side.
    """

    #: Launches differ less with one thread; two sides of one case need no more to be compared.
    usual_axes: ClassVar = {"threads": "1"}
    folder = AGAINST_FOLDER

    def __init__(self, request: RunRequest, other_side: OtherSide | None = None) -> None:
        super().__init__(request)
        project, self._catalogue = request.project, request.catalogue
        self._project = replace(project, root=project.root.resolve())
        self.other_side = other_side or open_other_side(
            request.options.against, self._project, self._catalogue
        )
        self.sides: dict[Case, Case] = {}
        self.reasons: dict[Case, str] = {}
        self.unchanged: dict[str, None] = {}
        self._same_code = SameCode(self._project, self.other_side.project)

    def options(self) -> RunOptions:
        """Screen cases in the fewest launches; suspects are tried in as many as they need."""
        asked = self.request.options
        screening = asked.launches.fewest
        return replace(
            asked,
            launches=LaunchRange(screening, screening + MOST_FRESH),
            spare_seconds=float("inf"),
            two_sided=True,
            other_python=self.other_side.python,
        )

    def referee(self) -> CampaignReferee:
        from timelift.gate.outcomes import GateReferee  # noqa: PLC0415 - numpy, not to collect

        return GateReferee(self.sides, self.header_entry())

    def header(self, header: Header) -> Header:
        return structs.replace(header, against=self.header_entry())

    def header_entry(self) -> Against:
        asked, ours, theirs = self.request.options, self._catalogue.strategies, self.other_side
        here, there = _files_of(ours.values()), _files_of(theirs.strategies.values())
        variants = {name for name, one in theirs.strategies.items() if one.path.stem in here}
        return Against(
            label=theirs.label,
            commit=theirs.commit,
            gates={
                Quantity.TIME: asked.gate,
                Quantity.FIRST_CALL: FACT_GATE,
                Quantity.MEMORY: FACT_GATE,
            },
            screening=asked.launches.fewest,
            undecided=asked.undecided,
            new=tuple(sorted(here - there - theirs.broken.keys())),
            removed=(*sorted(there - here), *sorted(variants - ours.keys())),
            unchanged=tuple(self.unchanged),
            versions=dict(theirs.versions),
        )

    def why_not(self, case: Case) -> str:
        return self.reasons.get(case, "")

    def rivals(self, cases: Sequence[Case]) -> list[Case]:
        """Return the cases that have another side, each with it."""
        for case in dict.fromkeys(cases):
            other = self._other_side_of(case)
            if isinstance(other, Case):
                self.sides[case] = other
            else:
                self.reasons[case] = other
        return [case for pair in self.sides.items() for case in pair]

    def _other_side_of(self, case: Case) -> Case | str:
        """Return the other side of a case, or the reason why it has none."""
        label, broken = self.other_side.label, self.other_side.broken
        mine = self._catalogue.strategies[case.strategy]
        theirs = self._their_strategy(mine)
        if theirs is None:
            why = broken.get(mine.path.stem)
            return why or f"new: {label} has no strategy {case.strategy!r}"
        workload = self._catalogue.workloads[case.setting.workload]
        other = self._their_workload(workload)
        if other is None:
            return broken.get(workload.name) or f"new: {label} has no workload {workload.name!r}"
        if other.inputs.lifts != workload.inputs.lifts:
            return (
                f"another workload: {workload.name!r} says LIFTS = {other.inputs.lifts} on {label} "
                f"and LIFTS = {workload.inputs.lifts} here"
            )
        if other.inputs != workload.inputs:
            return (
                f"another workload: one step of {workload.name!r} is {other.inputs} on {label} "
                f"and {workload.inputs} here"
            )
        layer_is_same = self._layer_is_same(workload, other)
        strategy_is_same = self._same_code.of_files(mine.path, theirs.path)
        if layer_is_same and strategy_is_same and not self.other_side.python:
            self.unchanged[case.strategy] = None
            return f"{UNCHANGED} {label}: its files and all that they import are the same"
        if not layer_is_same:
            self._catalogue.other_factories[workload.name] = other.factory
        return Case(case.setting, self._add_copy(mine, theirs))

    def _add_copy(self, mine: Strategy, theirs: Strategy) -> str:
        """Add the other side of a strategy to the catalogue, and return its name there."""
        name = f"{mine.name}{COPY_SEPARATOR}{self.other_side.label}"
        self._catalogue.strategies[name] = replace(
            theirs,
            name=name,
            copy_of=mine.name,
            home=None if self.other_side.python else self.other_side.project,
            in_other_python=bool(self.other_side.python),
        )
        return name

    def _their_strategy(self, mine: Strategy) -> Strategy | None:
        try:
            chosen = choose_strategy(mine.name, self.other_side.strategies)
        except UserError:
            return None
        return chosen[0] if chosen[0].name == mine.name or "[" in mine.name else None

    def _their_workload(self, mine: Workload) -> Workload | None:
        if not mine.is_users:
            return self.other_side.workloads.get(mine.name)
        factory = Factory.of(mine.factory)
        path = Path(factory.where)
        if not path.is_absolute():
            top = factory.where.partition(".")[0]
            is_lost = top in self._project.modules - self.other_side.project.modules
            return None if is_lost else mine
        root = self._project.root
        if not path.is_relative_to(root):
            return mine
        there = self.other_side.project.root / path.relative_to(root)
        if not there.is_file():
            return None
        return replace(mine, factory=str(replace(factory, where=str(there))))

    def _layer_is_same(self, mine: Workload, theirs: Workload) -> bool:
        here, there = (Factory.of(workload.factory) for workload in (mine, theirs))
        if here.is_file:
            return self._same_code.of_files(Path(here.where), Path(there.where))
        return not here.is_stored and self._same_code.of_module(here.where)


def _files_of(strategies: Iterable[Strategy]) -> set[str]:
    """Return the names of the files that strategies, several of which may be variants, are in."""
    return {strategy.path.stem for strategy in strategies}
