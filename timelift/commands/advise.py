"""`timelift advise`: every lift in a user's model, and what to change."""

import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from timelift.advise.races import Measured, measure_lifts, measure_whole, told_model
from timelift.advise.told_model import Feeding, ToldModel
from timelift.commands import EXIT_INTERRUPTED, Options, write_lines
from timelift.commands.arguments import ADVICE_OPTIONS, BATCH, SEQ_LEN
from timelift.commands.bench import with_pythonpath
from timelift.errors import UserError
from timelift.measure.options import option_named
from timelift.project import Project
from timelift.source import read_source

if TYPE_CHECKING:
    from timelift.advise.advice import ModelAdvice, WholeAdvice
    from timelift.analyse.results import Run
    from timelift.measure.display import CampaignDisplay


def advise(options: Options, project: Project) -> int:
    """Find every TimeDistributed in your model, and measure what to write instead.

    A loop over steps in a functional model is found, too. Each lift's inner layer is measured
    alone, at the sizes that reach it, by the strategies that keep the very layer; what is advised
    means the same in training, too. Then the whole model is raced against itself with what won put
    in place: a train step of its own, or its outputs where nothing trains. Nothing of yours is
    changed. Exit code 0: answered, be there something to gain or not; 1: a mistake; 130:
    interrupted, with what is known until then.
    """
    from timelift.advise import advice_words as model_advice  # noqa: PLC0415

    project = with_pythonpath(project)
    texts = {name: text for name in ADVICE_OPTIONS if (text := getattr(options, name))}
    ends = end_of_budget(texts)
    if options.data and (options.batch or options.seq_len):
        raise UserError("--data has sizes of its own; leave out --batch-sizes and --seq-lens")
    feeding = Feeding(options.data, options.batch or BATCH, options.seq_len or SEQ_LEN)
    model = told_model(project, options.model, feeding, texts)
    found = find_advice(model, project, texts, ends)
    pages = {name: read_source(project.strategies[name]) for name in set(found.changes.values())}
    if options.json:
        write_lines([model_advice.advice_json(found, pages)])
    else:
        write = model_advice.advice_code if options.code else model_advice.advice_lines
        write_lines(write(found, pages))
    return EXIT_INTERRUPTED if found.interrupted else 0


def find_advice(
    model: ToldModel, project: Project, texts: Mapping[str, str], ends: float
) -> "ModelAdvice":
    """Measure a model's lifts, and the model with what won in their place.

    `texts` are options of a run. Until their budget `ends`, the lifts have half of the time that
    is left, and the whole model has the rest; where none is left it is not measured.
    """
    from timelift.advise.advice import ModelAdvice, advise_lifts  # noqa: PLC0415

    measured, half = Measured(None, interrupted=False), (ends - time.monotonic()) / 2
    if any(one.steps for one in model.lifts):
        options = within(texts, half)
        with _display() as display:
            measured = measure_lifts(project, model, options, display)
    run = _load(measured.journal)
    cores = run.header.machine.identity.get("cores") if run else None
    lifts = advise_lifts(model, run)
    found = ModelAdvice(model, lifts, cores=cores, interrupted=measured.interrupted)
    rest = ends - time.monotonic()
    if found.interrupted or not found.changes or rest <= 0:
        return found
    try:
        whole, interrupted = race_whole(model, project, found.changes, within(texts, rest))
    except KeyboardInterrupt:  # a second Ctrl-C, or one while nothing is played
        whole, interrupted = None, True
    return replace(found, whole=whole, interrupted=interrupted)


def race_whole(
    model: ToldModel, project: Project, changes: Mapping[int, str], texts: Mapping[str, str]
) -> "tuple[WholeAdvice | None, bool]":
    """Race a model against itself with strategies in the place of lifts, by their number.

    Returns also whether Ctrl-C ended the race.
    """
    from timelift.advise.advice import advise_whole  # noqa: PLC0415

    with _display() as display:
        measured = measure_whole(project, model, changes, texts, display)
    run = _load(measured.journal)
    return advise_whole(model, run) if run else None, measured.interrupted


def end_of_budget(texts: Mapping[str, str]) -> float:
    """Return when the budget will be spent, in seconds (monotonic); never where none is given."""
    budget = option_named("budget").value(texts.get("budget", ""))
    return math.inf if budget is None else time.monotonic() + budget


def within(texts: Mapping[str, str], seconds: float) -> dict[str, str]:
    """Return the options with a budget of so many seconds, without one where they are infinite."""
    budget = f"{max(1, seconds):.0f}s" if math.isfinite(seconds) else ""
    return {**texts, "budget": budget}


@contextmanager
def _display() -> "Iterator[CampaignDisplay]":
    from timelift.measure.display import CampaignDisplay  # noqa: PLC0415 - rich

    shown = CampaignDisplay(sys.stderr)
    try:
        yield shown
    finally:
        shown.done()


def _load(path: Path | None) -> "Run | None":
    from timelift.analyse import results  # noqa: PLC0415

    return results.load(path) if path else None
