"""`timelift advise`: every lift in a user's model, and what to change."""

import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from timelift.commands import EXIT_INTERRUPTED, EXIT_NOT_YES, Options, write_lines
from timelift.commands.arguments import ADVICE_OPTIONS, BATCH, SEQ_LEN
from timelift.commands.pytest_options import with_pythonpath
from timelift.errors import UserError, path_is, writing
from timelift.journal import replace_text
from timelift.measure.advice import Measured, measure_lifts, measure_whole, told_model
from timelift.measure.options import option_named
from timelift.project import Project
from timelift.told_model import CHANGED, Feeding, ToldModel

if TYPE_CHECKING:
    from timelift.analyse.model_advice import ModelAdvice, WholeAdvice
    from timelift.analyse.runs.measurement import Run
    from timelift.analyse.stats.stopping import Referee
    from timelift.measure.display import CampaignDisplay


def advise(options: Options, project: Project) -> int:
    """Find every TimeDistributed in your model, and measure what to write instead.

    A loop over steps in a functional model is found, too. Each lift's inner layer is measured
    alone, at the sizes that reach it, by the strategies that keep the very layer. Then the whole
    model is raced against itself with what won put in place: a train step of its own, or its
    outputs where nothing trains. Nothing of yours is changed. Exit code 0: answered, be there
    something to gain or not; 2: --fail-if-gain; 1: a mistake; 130: interrupted, with what is known
    until then.
    """
    from timelift.analyse.model_advice import least_gain  # noqa: PLC0415
    from timelift.present.model_advice import advice_json, advice_lines  # noqa: PLC0415

    project = with_pythonpath(project)
    texts = {name: text for name in ADVICE_OPTIONS if (text := getattr(options, name))}
    ends = end_of_budget(texts)
    if options.write:
        check_target(options.write)
    if options.data and (options.batch or options.seq_len):
        raise UserError("--data has sizes of its own; leave out --batch and --seq-len")
    feeding = Feeding(options.data, options.batch or BATCH, options.seq_len or SEQ_LEN)
    model = told_model(project, options.model, feeding, texts, trusted=options.unsafe)
    found = find_advice(model, project, texts, ends, same_meaning=options.same_meaning)
    if options.json:
        write_lines([advice_json(found)])
    else:
        write_lines(advice_lines(found))
    if found.interrupted:
        if options.write:
            say_not_written("the advice was interrupted", options.write)
        return EXIT_INTERRUPTED
    if options.write:
        write(found, project, options.write)
    fails = options.fail_if_gain and least_gain(found.whole) >= options.fail_if_gain
    return EXIT_NOT_YES if fails else 0


def check_target(path: Path) -> None:
    """Raise UserError where the module would be written over something else."""
    from timelift.better_model import BEGINNING  # noqa: PLC0415

    advice = "name a file that is not there, or a module that --write wrote before"
    if path_is(path.is_dir):
        raise UserError(f"--write: expected a file, received the folder {path}; {advice}")
    if path_is(path.is_file) and not path_is(lambda: _begins_with(path, BEGINNING)):
        raise UserError(f"--write: {path} is there and is no such module; {advice}")


def _begins_with(path: Path, text: str) -> bool:
    with path.open("rb") as file:
        return file.read(len(text)) == text.encode()


def write(found: "ModelAdvice", project: Project, path: Path) -> None:
    """Write the module; raises UserError where no interval judges the changed model.

    It is written, too, where the model as it is written has no figures and the changed one has.
    """
    from timelift.better_model import better_model  # noqa: PLC0415

    whole = found.whole
    if not found.changes or (whole and whole.gain.is_loss):
        why = "the whole model is slower then" if found.changes else "there is nothing to change"
        say_not_written(why, path)
        return
    if whole is None or CHANGED in whole.lost or whole.law_error is None:
        raise UserError(f"--write: the changed model has no figures, so {path} was not written")
    speed_up = whole.gain.speed_up
    if speed_up is not None and not speed_up.has_interval:
        why = "one launch does not judge the changed model; with more time there are others"
        raise UserError(f"--write: {why}, so {path} was not written")
    with writing(path, "name another file"):
        replace_text(path, better_model(found, project))


def say_not_written(why: str, path: Path) -> None:
    sys.stderr.write(f"timelift: --write: {why}, so {path} was not written\n")


def find_advice(
    model: ToldModel,
    project: Project,
    texts: Mapping[str, str],
    ends: float,
    *,
    same_meaning: bool = False,
) -> "ModelAdvice":
    """Measure a model's lifts, and the model with what won in their place.

    `texts` are options of a run. Until their budget `ends`, the lifts have half of the time that
    is left, and the whole model has the rest; where none is left it is not measured.
    """
    from timelift.analyse.model_advice import ModelAdvice, advise_lifts  # noqa: PLC0415

    measured, half = Measured(None, interrupted=False), (ends - time.monotonic()) / 2
    if any(one.steps for one in model.lifts):
        options = within(texts, half)
        with _display() as display:
            measured = measure_lifts(
                project, model, options, display, _judge, same_meaning=same_meaning
            )
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
    model: ToldModel, project: Project, changes: Mapping[str, str], texts: Mapping[str, str]
) -> "tuple[WholeAdvice | None, bool]":
    """Race a model against itself with strategies in the place of lifts, by their path.

    Returns also whether Ctrl-C ended the race.
    """
    from timelift.analyse.model_advice import advise_whole  # noqa: PLC0415

    with _display() as display:
        measured = measure_whole(project, model, changes, texts, display, _judge)
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


def _judge(precision: float) -> "Referee":
    from timelift.analyse.stats.stopping import Referee  # noqa: PLC0415

    return Referee(precision)


def _load(path: Path | None) -> "Run | None":
    from timelift.analyse.runs import results  # noqa: PLC0415

    return results.load(path) if path else None
