"""What a run is asked for: its options, what it may measure, and the cases of its questions."""

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from timelift.case import Case, Setting
from timelift.errors import UserError, nearest
from timelift.measure.catalogue import (
    Catalogue,
    Workload,
    choose_strategy,
    read_strategies,
    read_workloads,
)
from timelift.measure.header import open_resumed, resumed_options
from timelift.measure.options import AXIS_OPTIONS, OPTIONS, option_named
from timelift.measure.run_options import RunOptions
from timelift.measure.users_layer import user_workload
from timelift.project import Project

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


class RunRequest:
    """What a run is asked for; raises UserError for what is wrong in it.

    `texts` are the options as they were written, empty where not given. `axes` are those of the
    axes, of which `usual_axes` has what is not given, and `options` are the others as values. The
    `catalogue` is what may be measured, with the layer that an option names. `resume` names the run
    to go on with, which is `resumed`, with the options that it had; empty for a new run. `once` and
    `stop_after` are as in `RunOptions`.
    """

    def __init__(  # noqa: PLR0913 - what pytest has, beside the options
        self,
        project: Project,
        texts: Mapping[str, str],
        usual_axes: Mapping[str, str] = {},
        *,
        resume: str = "",
        once: bool = False,
        stop_after: int = 0,
    ) -> None:
        texts = {option.name: texts.get(option.name, "") for option in OPTIONS}
        self.project = project
        self.results_folder = project.root / (texts["results"] or "results")
        self.resumed = open_resumed(self.results_folder, resume) if resume else None
        self.texts = resumed_options(self.resumed, texts, project.root) if self.resumed else texts
        self.axes = {
            option.name: self.texts[option.name] or usual_axes.get(option.name, "")
            for option in AXIS_OPTIONS
        }
        self.options = replace(
            RunOptions.read(self.texts),
            once=once,
            stop_after=stop_after,
            import_folders=tuple(project.import_folders),
        )
        self.seed = self._seed()
        self.catalogue = Catalogue(
            read_strategies(project.strategies.values()),
            read_workloads(project.workloads.values()),
            backends=option_named("backends").value(self.axes["backends"]),
        )
        if self.options.layer:
            self._measure_layer()
        elif self.options.inputs:
            raise UserError("--inputs: expected --layer, which takes them, received none")
        self.cases(Question({}, sizes="smallest"))  # a wrong axis is an error at once

    def _seed(self) -> int:
        if self.options.seed is not None:
            return self.options.seed
        before = self.resumed.header.seed if self.resumed else None
        return before if before is not None else random.SystemRandom().randrange(2**31)

    def _measure_layer(self) -> None:
        """Measure a layer of the user's in place of the default workloads.

        What its inputs are is recorded among the run's options.
        """
        layer = user_workload(
            self.options.layer,
            self.options.inputs,
            self.catalogue.backends[0],
            self.project.import_folders,
        )
        self.catalogue.workloads[layer.name] = layer
        self.axes["workloads"] = self.texts["workloads"] or layer.name
        self.options = replace(self.options, inputs=layer.inputs)

    def cases(self, question: Question) -> list[Case]:
        return cases_of(question, self.axes, self.catalogue)


def cases_of(question: Question, asked: Mapping[str, str], catalogue: Catalogue) -> list[Case]:
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
