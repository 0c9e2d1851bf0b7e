"""A user's model as what campaigns measure: each of its lifts alone, and then the model whole."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from msgspec import structs

from timelift.advise.told_model import (
    AS_WRITTEN,
    CHANGED,
    Feeding,
    ToldLift,
    ToldModel,
)
from timelift.case import Backend, Case
from timelift.errors import UserError, path_is
from timelift.inner_layer import STORED, Factory, LayerInputs
from timelift.journal.lines import Header
from timelift.measure.campaign_options import CampaignOptions, CampaignReferee
from timelift.measure.catalogue import Strategy, Workload
from timelift.measure.options import option_named
from timelift.measure.progress import Display
from timelift.measure.request import RunRequest
from timelift.measure.session import Race, Session
from timelift.measure.users_layer import ask_model, find_factory
from timelift.project import Project

#: Some of those that call the very layer inside of a lift, so that its weights stay what they are.
IN_PLACE = ("fold_time", "native", "vectorized_map")
#: Options whose default is another one here: what a model takes to trace may be what is wrong.
DEFAULTS = {"first_call_limit": "300"}


def told_model(
    project: Project, text: str, feeding: Feeding, options: Mapping[str, str]
) -> ToldModel:
    """Ask a model for its lifts; raises UserError where there is none, or it cannot be called."""
    factory = _factory(text)
    if feeding.source:
        source = find_factory(feeding.source, "--data as module:function or path.py:function")
        feeding = feeding._replace(source=source)
    backends = option_named("backends").value(options.get("backends", ""))
    if len(backends) > 1:
        raise UserError(f"--backends: expected one, received {', '.join(backends)}")
    told = ask_model(factory, backends[0], project.import_folders, feeding._asdict())
    return ToldModel.of(factory, feeding, Backend(backends[0]), told)


def _factory(text: str) -> str:
    if text.endswith(STORED):
        path = Path(text)
        if not path_is(path.is_file):
            raise UserError(f"expected a stored model that is there, received {text!r}")
        return str(path.absolute())
    return find_factory(text, f"a model as module:name or path.py:name, or a {STORED} file")


class Measured(NamedTuple):
    """The journal of a run, None where nothing was measured, and whether Ctrl-C ended it."""

    journal: Path | None
    interrupted: bool


def measure_lifts(
    project: Project,
    model: ToldModel,
    options: Mapping[str, str],
    display: Display,
) -> Measured:
    """Measure each lift's inner layer at its own sizes.

    Raises UserError where a strategy that computes what is written is not in the project.
    """
    request = RunRequest(project, DEFAULTS | dict(options))
    called = [lift for lift in model.lifts if lift.steps]
    workloads = {lift.workload: _workload(model, lift) for lift in called}
    request.catalogue.workloads.update(workloads)
    request.axes["workloads"] = ",".join(workloads)
    strategies = request.catalogue.strategies
    if missing := sorted({lift.usual for lift in called} - strategies.keys()):
        raise UserError(
            f"advise: expected the strategy {missing[0]}, which is what the model has, received "
            f"none of that name; put {missing[0]}.py back, without VARIANTS"
        )
    cases = [
        Case(model.setting_of(lift), name)
        for lift in called
        for name in strategies
        if name in {lift.usual, *IN_PLACE}
    ]
    return _measure(_LiftsRace(request), cases, display)


def _workload(model: ToldModel, lift: ToldLift) -> Workload:
    return Workload(
        name=lift.workload,
        factory=str(replace(Factory.of(model.factory), lift=str(lift.number))),
        inputs=lift.inputs,
        seq_lens=(lift.steps,),
        batch_sizes=(lift.batch,),
        is_users=True,
    )


def measure_whole(
    project: Project,
    model: ToldModel,
    changes: Mapping[int, str],
    options: Mapping[str, str],
    display: Display,
) -> Measured:
    """Race the model as it is against itself with strategies in the place of lifts, by number.

    Each change is tried alone, too, where there are several.
    """
    request = RunRequest(project, DEFAULTS | dict(options))
    strategies = request.catalogue.strategies
    chosen = [
        (lift, strategies[changes[lift.number]]) for lift in model.lifts if lift.number in changes
    ]
    ways = list(_ways(chosen))
    strategies.update({way.name: way for way in ways})
    setting = model.setting
    request.catalogue.workloads[model.name] = Workload(
        name=model.name,
        factory=model.factory,
        inputs=LayerInputs(),
        seq_lens=(setting.seq_len,),
        batch_sizes=(setting.batch,),
        is_users=True,
        is_model=True,
        data=model.feeding.source,
    )
    request.axes["workloads"] = model.name
    return _measure(_ModelRace(request), [Case(setting, way.name) for way in ways], display)


def _ways(chosen: Sequence[tuple[ToldLift, Strategy]]) -> Iterator[Strategy]:
    """Yield the model as it is written, with all changes, and with each alone, as strategies.

    A change is a lift and the strategy instead of it. One alone needs no strategy of its own.
    """
    told = {
        str(lift.number): (str(strategy.path), strategy.parameters) for lift, strategy in chosen
    }
    titles = [f"{strategy.name} instead of {lift.label}" for lift, strategy in chosen]
    yield Strategy(AS_WRITTEN, Path(), "The model as it is written.")
    yield Strategy(CHANGED, Path(), f"{', '.join(titles)}.", told)
    if len(chosen) == 1:
        return
    for (number, change), (lift, _), title in zip(told.items(), chosen, titles, strict=True):
        yield Strategy(lift.alone, Path(), f"{title} alone.", {number: change})


def _measure(race: Race, cases: Sequence[Case], display: Display) -> Measured:
    session = Session(race)
    session.measure(cases, display)
    return Measured(session.journal_path, session.interrupted)


class _AdviceRace(Race):
    def referee(self) -> CampaignReferee:
        from timelift.analyse.stopping import Referee  # noqa: PLC0415 - numpy, not for --help

        return Referee(self.request.options.precision)


class _LiftsRace(_AdviceRace):
    """The lifts of a model, each alone: what they need of memory is not asked."""

    def options(self) -> CampaignOptions:
        return replace(self.request.options, reads_peak_memory=False)


class _ModelRace(_AdviceRace):
    """A model with changes, whose speed-ups are told against the model as it is written."""

    def header(self, header: Header) -> Header:
        return structs.replace(header, options=header.options | {"relative_to": AS_WRITTEN})
