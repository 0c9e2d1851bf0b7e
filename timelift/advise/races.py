"""What is measured of a user's model: each of its lifts alone, and then the model whole.

All are runs of their own, within one budget.
"""

import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import structs

from timelift.advise import user_model
from timelift.advise.advice import (
    IN_CHUNKS,
    IN_PLACE,
    ModelAdvice,
    Outcome,
    WholeRace,
    decide,
    outcomes,
)
from timelift.advise.rewrite import Edit
from timelift.advise.user_model import NO_CHANGE, Changes, Feeding, UserModel, rivals_of_whole
from timelift.analyse.ranking import BASELINES
from timelift.analyse.results import Run
from timelift.analyse.stopping import Plan, Referee, by_gain
from timelift.axis_values import Backend, Phase, Runtime
from timelift.case import Case, Setting
from timelift.errors import UserError
from timelift.inner_layer import LayerInputs
from timelift.journal.lines import AS_WRITTEN, Header
from timelift.measure.backends import usual_backend
from timelift.measure.catalogue import Catalogue, Strategy, Workload
from timelift.measure.display import CampaignDisplay
from timelift.measure.header import without_folders
from timelift.measure.machine import refuse_without_backend
from timelift.measure.options import RunOptions
from timelift.measure.place import HERE, Place
from timelift.measure.request import RunRequest
from timelift.measure.session import Race, Session
from timelift.messages import LiftChange, SourceEdits
from timelift.project import Project
from timelift.source import Source, read_source

#: The names of code as users write it; the other rivals play for a verdict beside it.
_WRITTEN = {AS_WRITTEN, *BASELINES}.difference(IN_PLACE)
#: Races of one whole model: each leaves out what broke its law or made it slower in the last one.
_MOST_RACES = 4
#: The rival of a whole model that is made of edited source.
_EDITED = "edited"
#: Makes the request for a run of a project from the texts of options.
Ask = Callable[..., RunRequest]


def pages(project: Project) -> dict[str, Source]:
    files = project.strategies
    stems = {name: name.partition("[")[0] for name in (*IN_PLACE, *IN_CHUNKS)}
    return {name: read_source(files[stem]) for name, stem in stems.items() if stem in files}


def advise_on(  # noqa: PLR0913 - what the door has
    project: Project,
    model: str,
    feedings: Sequence[Feeding],
    texts: Mapping[str, str],
    phase: Phase | None = None,
    *,
    runtime: Runtime | None = None,
    place: Place = HERE,
) -> list[ModelAdvice]:
    """Advise on a model as it is fed in each of several ways, which share the time.

    `model` and `texts`, options of a run, are as the user typed them. The model is looked at on
    this machine, and measured in `place`, which is kept until the last race has ended; the
    budget begins there. Ctrl-C ends all. Raises UserError.
    """
    if runtime and phase is Phase.TRAIN:
        raise UserError("--runtimes: a model is served there, and not trained; leave --phases out")
    budget, advices = RunOptions.read(texts).budget, list[ModelAdvice]()
    ask, say = partial(RunRequest, project, place=place), CampaignDisplay(sys.stderr).say
    factory = user_model.find_model(model)
    refuse_without_backend()
    if not texts.get("backends"):  # said once, not by each run
        backend, why = usual_backend()
        say(f"{why}; another with --backends")
        texts = {**texts, "backends": backend}
    say(f"building {model} to see what it calls at every step")
    if texts["backends"] == Backend.JAX:
        say("JAX compiles each step of a TimeDistributed or loop anew, which may take minutes")
    seen = [user_model.look_at_model(project, factory, feeding, texts) for feeding in feedings]
    models = [each.in_phase(phase).served_in(runtime) for each in seen]
    command = without_folders(f"timelift advise {model}", project.root)
    if not any(lift.can_change for each in models for lift in each.lifts):
        return [*map(decide, models)]  # nothing to wait for
    with place.lock(say, command) as note:
        note(budget or math.inf)
        ends = time.monotonic() + (budget or math.inf)
        for fed in models:
            now, left = time.monotonic(), len(feedings) - len(advices)
            advices.append(find_advice(ask, fed, texts, now + (ends - now) / left))
            if advices[-1].was_interrupted:
                break
    return advices


def find_advice(ask: Ask, model: UserModel, texts: Mapping[str, str], ends: float) -> ModelAdvice:
    """Measure a model's lifts, and then the whole model with the fastest in their places.

    `texts` are options of a run. The lifts get half of the time until the budget `ends`, a value of
    `time.monotonic`, and the races of the whole model get the rest. A race leaves out what broke
    the law in the last one, or made the model slower.
    """
    run, races, interrupted = None, list[WholeRace](), False
    try:
        if any(lift.can_change for lift in model.lifts):
            half = (ends - time.monotonic()) / 2
            run = measure_lifts(ask, model, with_budget(texts, half))
        while (changes := decide(model, run, races).to_race) and len(races) < _MOST_RACES:
            rest = ends - time.monotonic()
            if rest <= 0:
                break
            races.append(race_whole(ask, model, changes, with_budget(texts, rest)))
    except KeyboardInterrupt:  # a second Ctrl-C, or one while nothing is played
        interrupted = True
    return decide(model, run, races, interrupted=interrupted)


def with_budget(texts: Mapping[str, str], seconds: float) -> dict[str, str]:
    """Return the options with a budget of these seconds, and with none if they are infinite."""
    budget = f"{max(1, seconds):.0f}s" if math.isfinite(seconds) else ""
    return {**texts, "budget": budget}


def _request(ask: Ask, model: UserModel, texts: Mapping[str, str], **more: int) -> RunRequest:
    """Return a request for a model; if the model needs no file of the project, none runs."""
    request = ask(user_model.DEFAULTS | dict(texts), **more)
    if not model.feeding.runs_code(model.factory):
        request.options = replace(request.options, import_folders=())
        own = Project(request.project.brought)
        request.catalogue = Catalogue.of(own, request.catalogue.backends)
    return request


def measure_lifts(ask: Ask, model: UserModel, texts: Mapping[str, str]) -> Run:
    """Measure each lift's inner layer at its own sizes, as written and by what keeps the layer.

    No peak memory is read.
    """
    request = _request(ask, model, texts)
    called = [lift for lift in model.lifts if lift.can_change]
    workloads = [
        _workload(model.setting_of(lift), f"{model.factory}#{lift.number}", lift.inputs)
        for lift in called
    ]
    cases = [
        Case(model.setting_of(lift), name)
        for lift in called
        for name in request.catalogue.strategies
        if name in {lift.usual, *IN_PLACE}
    ]
    lifts = {workload.name: workload.factory for workload in workloads}
    return _run_race(request, workloads, cases, lifts=lifts)


def race_whole(ask: Ask, model: UserModel, changes: Changes, texts: Mapping[str, str]) -> WholeRace:
    """Race a model against itself with strategies in the place of lifts, together and alone.

    It ends after a launch in which a change broke the law, since another is tried in its place;
    served, it goes on, as it may be the model as written that breaks it. The model as written is
    the baseline of speed-ups.
    """
    request = _request(ask, model, texts, stop_after=0 if model.runtime else 1)
    strategies, names = request.catalogue.strategies, rivals_of_whole(changes)
    rivals = [_as_strategy(name, own, strategies) for name, own in names.items()]
    return WholeRace.of(model, changes, _run_whole(request, model, rivals))


def race_edited(
    ask: Ask, advice: ModelAdvice, edits: Iterable[Edit], texts: Mapping[str, str]
) -> Outcome:
    """Race the model of edited source against that of the files, which holds it to the law.

    Ctrl-C, of which a run keeps what there is, is raised, since nothing may be written then.
    """
    model = advice.model
    request = _request(ask, model, texts, stop_after=1)
    own = SourceEdits(
        tuple(one.lift.number for one in advice.lifts if one.is_change),
        {str(edit.path): edit.after.decode("latin-1") for edit in edits},
    )
    as_written = _as_strategy(AS_WRITTEN, NO_CHANGE, {})
    as_edited = replace(
        as_written, name=_EDITED, title="The model of its edited source.", edits=own
    )
    run = _run_whole(request, model, [as_written, as_edited])
    if run.is_provisional:
        raise KeyboardInterrupt
    return outcomes(run, model.setting, AS_WRITTEN).get(_EDITED, Outcome())


def _run_whole(request: RunRequest, model: UserModel, rivals: Sequence[Strategy]) -> Run:
    request.catalogue.strategies.update({rival.name: rival for rival in rivals})
    source, inputs = model.feeding.source, LayerInputs()
    workload = _workload(model.setting, model.factory, inputs, is_model=True, data=source)
    cases = [Case(model.setting, rival.name) for rival in rivals]
    return _run_race(request, [workload], cases, relative_to=AS_WRITTEN)


def _workload(setting: Setting, factory: str, inputs: LayerInputs, **more: Any) -> Workload:
    return Workload(
        name=setting.workload,
        factory=factory,
        inputs=inputs,
        seq_lens=(setting.seq_len,),
        batch_sizes=(setting.batch,),
        is_users=True,
        **more,
    )


def _as_strategy(name: str, changes: Changes, strategies: Mapping[str, Strategy]) -> Strategy:
    own = [(number, strategies[strategy]) for number, strategy in changes]
    title = ", ".join(f"{strategy.name} instead of lift {number}" for number, strategy in own)
    return Strategy(
        name,
        Path(),
        f"{title or 'The model as it is written'}.",
        changes=tuple(
            LiftChange(number, str(strategy.path), strategy.parameters) for number, strategy in own
        ),
    )


class _ModelRace(Race):
    """Lifts of a model, each alone, or the model whole; `entry` joins the header's options."""

    def __init__(self, request: RunRequest, entry: dict[str, Any]) -> None:
        super().__init__(request)
        self._entry = entry

    def referee(self) -> Referee:
        rule = partial(by_gain, least=self.request.options.precision)
        return Referee(Plan(rule, is_anchor=_WRITTEN.__contains__))

    def header(self, header: Header) -> Header:
        return structs.replace(header, options=header.options | self._entry)


def _run_race(
    request: RunRequest, workloads: Sequence[Workload], cases: Sequence[Case], **entry: Any
) -> Run:
    by_name = {workload.name: workload for workload in workloads}
    request.catalogue.workloads.update(by_name)
    request.axes["workloads"] = ",".join(by_name)
    session, display = Session(_ModelRace(request, entry)), CampaignDisplay(sys.stderr)
    try:
        session.measure(cases, display)
    finally:
        display.done()
    return Run.of_lines(session.header, session.lines, session.end)
