"""From axes to cases: the grid of one bench module."""

import itertools
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec import structs

from timelift.case import Backend, Case, Gradients, Setting
from timelift.errors import UserError, nearest
from timelift.journal import StrategyEntry
from timelift.measure import options
from timelift.measure.catalogue import Strategy, Workload, choose_strategy
from timelift.measure.options import OPTIONS
from timelift.messages import RivalSpec
from timelift.planted import Plant


@dataclass(frozen=True)
class Catalogue:
    """What can be measured: every strategy and workload by name.

    `base_workloads` are those whose layer differs on the other side of a gate, and `raced` the
    cases that have one. `backends` are those that are asked for. `plants` are what a self-test has
    planted, by strategy.
    """

    strategies: dict[str, Strategy]
    workloads: dict[str, Workload]
    base_workloads: dict[str, Workload] = field(default_factory=dict)
    raced: set[Case] = field(default_factory=set)
    backends: tuple[Backend, ...] = (Backend.TENSORFLOW,)
    plants: dict[str, Plant] = field(default_factory=dict)

    def rival(self, case: Case, launch: int) -> RivalSpec:
        strategy = self.strategies[case.strategy]
        rival = strategy.rival()
        if plant := self.plants.get(case.strategy):
            rival = replace(rival, planted=plant.in_launch(launch))
        other_side = self.is_other_side(case)
        if other_side or case in self.raced:
            rival = replace(rival, built_first=_own_first(case, rival.pair, launch) != other_side)
        theirs = self.base_workloads.get(case.setting.workload)
        return replace(rival, factory=theirs.factory) if theirs and other_side else rival

    def why_not(self, case: Case) -> str:
        """Return why a case can never be measured; empty where it can."""
        workload = self.workloads[case.setting.workload]
        if workload.input_dtype and case.setting.gradients is Gradients.INPUTS_AND_WEIGHTS:
            return (
                f"inputs of {workload.input_dtype} have no gradient; ask for the weights' alone "
                "with: --gradients weights"
            )
        return ""

    def is_other_side(self, case: Case) -> bool:
        return bool(self.strategies[case.strategy].twin_of) and case.strategy not in self.plants

    def described(self, name: str) -> StrategyEntry:
        """Return a strategy's entry in the header, with the strategy that it is a twin of."""
        strategy = self.strategies[name]
        told = strategy.described()
        if not strategy.twin_of:
            return told
        if plant := self.plants.get(name):
            return structs.replace(told, planted=plant.described(strategy.twin_of))
        return structs.replace(told, against={"of": strategy.twin_of})


def _own_first(case: Case, pair: str, launch: int) -> bool:
    """True if a case is built before its other side: in every other launch, in turn.

    Were it drawn, one in 32 cases would be built first in all of five launches, and what the first
    one pays would look like its own.
    """
    return (launch + zlib.crc32(f"{case.setting.label} {pair}".encode())) % 2 == 0


@dataclass(frozen=True)
class Question:
    """A bench module's axes, as text by option name, and the axis it compares, if any.

    A question that compares the values of an axis has no cases when only one value is asked for.
    `sizes="smallest"` takes only the shortest length and smallest batch of each workload.
    """

    axes: Mapping[str, str]
    compares: str = ""
    sizes: str = "all"


def cases(question: Question, asked: Mapping[str, str], catalogue: Catalogue) -> list[Case]:
    """Return the cases of a question; `asked` holds the user's options by name."""
    values = {option.name: _values(option.name, question, asked) for option in OPTIONS}
    if question.compares and len(values[question.compares]) < 2:  # noqa: PLR2004
        return []
    strategies = _strategies(values.pop("strategies"), catalogue)
    workloads = _workloads(values.pop("workloads"), catalogue)
    settings = [
        setting
        for workload in workloads
        for setting in _settings(workload, values, smallest=question.sizes == "smallest")
    ]
    return [Case(setting, name) for setting in dict.fromkeys(settings) for name in strategies]


def _values(name: str, question: Question, asked: Mapping[str, str]) -> tuple[Any, ...]:
    return options.values(name, asked.get(name) or question.axes.get(name) or "")


def _strategies(words: tuple[str, ...], catalogue: Catalogue) -> list[str]:
    if not words:
        return [one.name for one in catalogue.strategies.values() if one.default]
    if words == ("all",):
        return list(catalogue.strategies)
    chosen = [one for word in words for one in choose_strategy(word, catalogue.strategies)]
    catalogue.strategies.update({one.name: one for one in chosen})
    return list(dict.fromkeys(one.name for one in chosen))


def _workloads(words: tuple[str, ...], catalogue: Catalogue) -> list[Workload]:
    known = catalogue.workloads
    if words == ("all",):
        return list(known.values())
    for word in words:
        if word not in known:
            raise UserError(
                f"--workloads: unknown workload {word!r}; nearest: {nearest(word, known)}"
            )
    return [known[word] for word in words] or [one for one in known.values() if one.default]


def _settings(
    workload: Workload, values: Mapping[str, tuple[Any, ...]], *, smallest: bool
) -> Iterator[Setting]:
    sizes = {
        "seq_lens": values["seq_lens"] or workload.seq_lens[: 1 if smallest else None],
        "batch_sizes": values["batch_sizes"] or workload.batch_sizes[: 1 if smallest else None],
    }
    axes = [option for option in OPTIONS if option.name not in {"strategies", "workloads"}]
    columns = [sizes.get(option.name, values[option.name]) for option in axes]
    for row in itertools.product(*columns):
        fields = dict(zip((option.field for option in axes), row, strict=True))
        yield Setting(workload=workload.name, **fields)
