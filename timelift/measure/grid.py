"""From axes to cases: the grid of a bench module, and that of the self-test."""

import itertools
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from timelift.case import COPY_SEPARATOR, Case, Setting
from timelift.errors import UserError, nearest
from timelift.measure.catalogue import Catalogue, Workload, choose_strategy
from timelift.measure.options import AXIS_OPTIONS

#: What a self-test measures where the user names nothing else: calls short enough to plant in.
SELFTEST_AXES = {
    "workloads": "sensor,tokens",
    "strategies": "native,fold_time,loop_unstack,vectorized_map,time_distributed",
    "seq_lens": "8",
    "batch_sizes": "1,16",
}
#: The twins of a strategy in a self-test, and the share that each is slower.
TWINS = {f"copy_{number}": 0.0 for number in (1, 2, 3)} | {
    f"+5%_{number}": 0.05 for number in (1, 2, 3)
}
#: Axes whose values a question has to name, since nothing else does.
_NO_DEFAULT = ("phases", "modes")


@dataclass(frozen=True)
class Question:
    """A bench module's axes, as text by option name, and the axis it compares, if any.

    A question that compares the values of an axis has no cases when only one value is asked for.
    `sizes="smallest"` takes only the shortest length and smallest batch of each workload.
    """

    axes: Mapping[str, str]
    compares: str = ""
    sizes: str = "all"

    @classmethod
    def from_marker(cls, words: Mapping[str, Any]) -> "Question":
        """Read the arguments of `@pytest.mark.question(...)`; raises UserError for a wrong one."""
        names = [option.name for option in AXIS_OPTIONS]
        axes = {name: text for name, text in words.items() if name not in {"compares", "sizes"}}
        for name, text in axes.items():
            if name not in names:
                raise UserError(f"question: unknown axis {name!r}; {nearest(name, names)}")
            if not isinstance(text, str):
                raise UserError(f"question: {name}: expected a text like 'a,b', received {text!r}")
        if lacking := [name for name in _NO_DEFAULT if not axes.get(name)]:
            raise UserError(f"question: lacks {' and '.join(lacking)}")
        compares, sizes = words.get("compares", ""), words.get("sizes", "all")
        if compares and compares not in names:
            raise UserError(
                f"question: compares: unknown axis {compares!r}; {nearest(str(compares), names)}"
            )
        if sizes not in ("all", "smallest"):
            raise UserError(f"question: sizes: expected all or smallest, received {sizes!r}")
        return cls(axes, compares, sizes)


def cases(question: Question, asked: Mapping[str, str], catalogue: Catalogue) -> list[Case]:
    """Return the cases of a question; `asked` holds the user's options by name."""
    values = {
        option.name: option.value(asked.get(option.name) or question.axes.get(option.name) or "")
        for option in AXIS_OPTIONS
    }
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


def _strategies(words: tuple[str, ...], catalogue: Catalogue) -> list[str]:
    strategies = {
        name: strategy for name, strategy in catalogue.strategies.items() if not strategy.copy_of
    }
    if not words:
        return [strategy.name for strategy in strategies.values() if strategy.default]
    if words == ("all",):
        return list(strategies)
    chosen = [strategy for word in words for strategy in choose_strategy(word, strategies)]
    catalogue.strategies.update({strategy.name: strategy for strategy in chosen})
    return list(dict.fromkeys(strategy.name for strategy in chosen))


def _workloads(words: tuple[str, ...], catalogue: Catalogue) -> list[Workload]:
    workloads = catalogue.workloads
    if words == ("all",):
        return list(workloads.values())
    for word in words:
        if word not in workloads:
            raise UserError(f"--workloads: unknown workload {word!r}; {nearest(word, workloads)}")
    return [workloads[word] for word in words] or [
        workload for workload in workloads.values() if workload.default
    ]


def _settings(
    workload: Workload, values: Mapping[str, tuple[Any, ...]], *, smallest: bool
) -> Iterator[Setting]:
    sizes = {
        "seq_lens": values["seq_lens"] or workload.seq_lens[: 1 if smallest else None],
        "batch_sizes": values["batch_sizes"] or workload.batch_sizes[: 1 if smallest else None],
    }
    axes = [option for option in AXIS_OPTIONS if option.name not in {"strategies", "workloads"}]
    columns = [sizes.get(option.name, values[option.name]) for option in axes]
    for row in itertools.product(*columns):
        fields = dict(zip((option.axis for option in axes), row, strict=True))
        yield Setting(workload=workload.name, **fields)


def selftest_cases(grid: Iterable[Case], catalogue: Catalogue, copies: Path) -> Iterator[Case]:
    """Return a self-test's cases: in each setting of `grid` one strategy and its planted twins.

    Which strategy it is depends on the setting alone: questions that share a setting share its
    rivals, all strategies have their turn, and rivals stay as many as in a usual run. The twins
    join the catalogue; `copies` is a folder for the files that are loaded from another path.
    """
    for setting, group in itertools.groupby(grid, key=lambda case: case.setting):
        names = [case.strategy for case in group]
        base = catalogue.strategies[names[zlib.crc32(setting.label.encode()) % len(names)]]
        yield Case(setting, base.name)
        for word, slower in TWINS.items():
            name = f"{base.name}{COPY_SEPARATOR}{word}"
            path = base.path if slower else copies / word / base.path.name
            if not slower:
                path.parent.mkdir(exist_ok=True)
                shutil.copy(base.path, path)
            catalogue.strategies[name] = replace(
                base, name=name, path=path, copy_of=base.name, planted=slower
            )
            yield Case(setting, name)
