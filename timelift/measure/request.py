"""The request for a run: its options as values, its catalogue, and the cases of its questions."""

import itertools
import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from timelift.axis_values import Backend, Mode, Phase
from timelift.case import Case, Setting
from timelift.errors import UserError, nearest
from timelift.journal.files import own_results
from timelift.measure.backends import why_not_installed
from timelift.measure.catalogue import Catalogue, Workload, choose_strategy
from timelift.measure.header import open_resumed, refuse_foreign_layer, resumed_options
from timelift.measure.options import (
    AXIS_OPTIONS,
    OPTIONS,
    RunOptions,
    option_flag,
    option_named,
    refuse_unserved,
)
from timelift.measure.place import HERE, Place
from timelift.measure.users_layer import Limits, user_workload
from timelift.project import Project

#: The arguments of a question that are no axes.
_NO_AXES = {"compares", "sizes", "keeps", "waits"}


@dataclass(frozen=True)
class Question:
    """A bench module's axes, as text by option name, and the axis that it compares, if any.

    A question that `compares` the values of an axis has no cases if only one value is requested. A
    question that `keeps` an axis has cases of its own values alone, whatever the option names. A
    question that `waits` is asked only if that axis's option or its file is named.
    `sizes="smallest"` takes only the shortest length and the smallest batch of each workload.
    """

    axes: Mapping[str, str]
    compares: str = ""
    sizes: str = "all"
    keeps: str = ""
    waits: bool = False

    @classmethod
    def from_marker(cls, arguments: Mapping[str, Any]) -> "Question":
        names = [option.name for option in AXIS_OPTIONS]
        axes = {name: text for name, text in arguments.items() if name not in _NO_AXES}
        for name, text in axes.items():
            if name not in names:
                raise UserError(f"question: unknown axis {name!r}; {nearest(name, names)}")
            if not isinstance(text, str):
                raise UserError(f"question: {name}: expected a text like 'a,b', received {text!r}")
        if not axes.get("phases"):
            raise UserError("question: lacks phases")
        for word, known in (("compares", names), ("keeps", axes)):
            axis = arguments.get(word)
            if axis and axis not in [*known]:
                hint = nearest(str(axis), known)
                raise UserError(f"question: {word}: unknown axis {axis!r}; {hint}")
        if arguments.get("waits") and not (arguments.get("keeps") or arguments.get("compares")):
            raise UserError("question: waits: expected keeps or compares beside it, received none")
        sizes = arguments.get("sizes", "all")
        if sizes not in ("all", "smallest"):
            raise UserError(f"question: sizes: expected all or smallest, received {sizes!r}")
        return cls(axes, **{name: arguments[name] for name in arguments.keys() & _NO_AXES})

    def why_not(self, texts: Mapping[str, str], asked: Mapping[str, str]) -> str:
        """Reason why it has no case; `texts` are the options as typed, `asked` their axes."""
        axes = option_named("time_axes").value(asked["time_axes"])
        if "time_axes" not in self.axes and all(axis.varies for axis in axes):
            return "has no lengths that vary, of which test_varying.py asks"
        if kept := self.keeps:
            received = texts[kept] or "nothing"
            return f"measures {option_flag(kept)} {self.axes[kept]} alone, received {received}"
        return f"compares several {self.compares}"


class RunRequest:
    """What a run is asked for; raises UserError if something in it is wrong.

    `texts` are the options as they were typed, empty if not given. `axes` are those of the axes, or
    else of `usual_axes`, and `options` are the others as values. The `catalogue` has what may be
    measured, with the layer that an option names. `resume` names the run to resume, which is read
    into `resumed` and has the options that it had; '' starts a new run. `once` and `stop_after` are
    as in `RunOptions`. The run is played on this machine, or in another `place`.
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
        place: Place = HERE,
    ) -> None:
        texts = {option.name: texts.get(option.name, "") for option in OPTIONS}
        self.project, self.place = project, place
        typed = texts["results"]
        self.results_folder = project.root / typed if typed else own_results(project.root)
        self.resumed = open_resumed(self.results_folder, resume) if resume else None
        asked = resumed_options(self.resumed, texts, project.root) if self.resumed else texts
        self.texts = _as_served(asked)
        usual = dict(usual_axes)
        if self.resumed:  # Keras may take another backend by now
            measured = self.resumed.header.machine.versions
            usual["backends"] = ",".join(name for name in Backend if name in measured)
        names = [option.name for option in AXIS_OPTIONS]
        self.axes = {name: self.texts[name] or usual.get(name, "") for name in names}
        self.options = replace(
            RunOptions.read(self.texts),
            once=once,
            stop_after=stop_after,
            import_folders=tuple(project.import_folders),
        )
        self.seed = self._seed()
        backends = option_named("backends").value(self.axes["backends"])
        self.catalogue = Catalogue.of(project, backends)
        if self.options.layer:
            if self.resumed and not texts["layer"]:
                refuse_foreign_layer(self.resumed, self.options.layer, project)
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
        """Measure the user's layer, not the default workloads; its inputs become an option."""
        backends = self.catalogue.backends
        installed = [backend for backend in backends if not why_not_installed(backend)]
        layer = user_workload(
            self.options.layer,
            self.options.inputs,
            (installed or backends)[0],
            self.project.import_folders,
            Limits(self.options.memory_limit, self.options.first_call_limit),
        )
        self.catalogue.workloads[layer.name] = layer
        self.axes["workloads"] = self.texts["workloads"] or layer.name
        self.options = replace(self.options, inputs=layer.inputs)

    def cases(self, question: Question) -> list[Case]:
        """Return the cases of a question, for each kind of machine."""
        cases = cases_of(question, self.axes, self.catalogue)
        found = [
            replace(case, setting=replace(case.setting, machine=kind))
            for kind in self.place.kinds
            for case in cases
        ]
        if len(labels := {case.label: case for case in found}) < len(found):
            one = next(case for case in found if labels[case.label] != case)
            names = " and ".join(
                f"{each.strategy} of {each.setting.workload} on {each.setting.backend}"
                for each in sorted((one, labels[one.label]))
            )
            raise UserError(
                f"expected cases of different names, received two {one.label!r}: {names}; rename "
                "the file of one"
            )
        return found


def _as_served(texts: Mapping[str, str]) -> Mapping[str, str]:
    """Return options in which runtimes alone mean served calls; raises UserError if they cannot."""
    if not texts["runtimes"]:
        return texts
    names = ("runtimes", "phases", "modes")
    refuse_unserved(*(option_named(name).value(texts[name]) for name in names))
    return {**texts, "phases": texts["phases"] or Phase.SERVE}


def cases_of(question: Question, asked: Mapping[str, str], catalogue: Catalogue) -> list[Case]:
    """Return the cases of a question; `asked` holds the user's options by name."""
    values = {
        option.name: option.value(asked.get(option.name) or question.axes.get(option.name) or "")
        for option in AXIS_OPTIONS
    }
    if question.compares and len(values[question.compares]) < 2:  # noqa: PLR2004
        return []
    if kept := question.keeps:
        own = option_named(kept).value(question.axes[kept])
        values[kept] = tuple(value for value in values[kept] if value in own)
    if "time_axes" not in question.axes:  # lengths that vary are a question of their own
        values["time_axes"] = tuple(axis for axis in values["time_axes"] if not axis.varies)
    as_fit = _phases_in_the_mode_of_fit(question, asked)
    values["modes"] = values["modes"] or (Mode.GRAPH,)
    strategies = _strategies(values.pop("strategies"), catalogue)
    workloads = _workloads(values.pop("workloads"), catalogue)
    settings = [
        replace(setting, mode=setting.mode_of_fit) if setting.phase in as_fit else setting
        for workload in workloads
        for setting in _settings(workload, values, smallest=question.sizes == "smallest")
    ]
    return [Case(setting, name) for setting in dict.fromkeys(settings) for name in strategies]


def _phases_in_the_mode_of_fit(question: Question, asked: Mapping[str, str]) -> Collection[Phase]:
    """Return train, for which the mode of `fit` is taken, unless its modes are named.

    The modes that a question names count for train only if the question names that phase, too.
    """
    if asked.get("modes") or question.compares == "modes":
        return ()
    own = question.axes.get("phases", "") if question.axes.get("modes") else ""
    return {Phase.TRAIN}.difference(option_named("phases").value(own))


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
