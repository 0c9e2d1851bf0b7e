"""`timelift advise`: every lift in a user's model, and what to change."""

import argparse
from dataclasses import replace
from functools import partial

from timelift.advise.user_model import DEFAULTS, Feeding, look_at_model
from timelift.commands import EXIT_INTERRUPTED, Options, add_forms, argument_type, write_lines
from timelift.commands.bench import with_pythonpath
from timelift.errors import UserError
from timelift.measure.options import option_named, read_size
from timelift.project import Project
from timelift.source import read_source

#: The default sizes of a call.
BATCH, SEQ_LEN = 8, 16
#: What a model is called with is drawn whole, so its sizes are no larger than a million.
_read_size = partial(read_size, most=1_000_000)
#: The options of a run that `advise` takes.
ADVICE_OPTIONS = (
    *("backends", "launches", "precision", "budget", "seed", "results"),
    *("first_call_limit", "memory_limit"),
)


def advise(options: Options, project: Project) -> int:
    """Find every TimeDistributed in your model, and measure what to write instead.

    A loop over steps in a functional model is found, too. Each lift's inner layer is measured
    alone, at the sizes that reach it, by the strategies that keep the very layer; what is advised
    means the same in training, too. Then the whole model is raced against itself with what won put
    in place: a train step of its own, or its outputs where nothing trains. Nothing of yours is
    changed. Exit code 0: answered, be there something to gain or not; 1: a mistake; 130:
    interrupted, with what is known until then.
    """
    from timelift.advise import advice_code, advice_words, races  # noqa: PLC0415

    project = with_pythonpath(project)
    texts = {name: text for name in ADVICE_OPTIONS if (text := getattr(options, name))}
    ends = races.end_of_budget(texts)
    if options.data and (options.batch or options.seq_len):
        raise UserError("--data has sizes of its own; leave out --batch-sizes and --seq-lens")
    feeding = Feeding(options.data, options.batch or BATCH, options.seq_len or SEQ_LEN)
    model = look_at_model(project, options.model, feeding, texts)
    advice = races.find_advice(project, model, texts, ends)
    pages = {name: read_source(project.strategies[name]) for name in set(advice.advised.values())}
    if options.json:
        write_lines([advice_words.advice_json(advice, pages)])
    elif options.code:
        write_lines(advice_code.advice_code(advice, pages))
    else:
        write_lines(advice_words.advice_lines(advice, pages))
    return EXIT_INTERRUPTED if advice.interrupted else 0


def advise_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="what makes your model, like mypkg.models:make_model or path.py:make_model, or a "
        ".keras file",
    )
    parser.add_argument(
        "--batch-sizes",
        dest="batch",
        type=argument_type(_read_size),
        default=0,
        metavar="N",
        help=f"sequences in a call (default: {BATCH})",
    )
    parser.add_argument(
        "--seq-lens",
        dest="seq_len",
        type=argument_type(_read_size),
        default=0,
        metavar="N",
        help=f"the size of every axis that the model leaves open (default: {SEQ_LEN})",
    )
    parser.add_argument(
        "--data",
        default="",
        metavar="MODULE:FUNCTION",
        help="what returns (inputs, labels) of one batch (default: both are drawn)",
    )
    add_forms(parser)
    for name in ADVICE_OPTIONS:
        option = option_named(name)
        option = replace(option, default=DEFAULTS.get(name, option.default))
        text = option.full_help.replace("%", "%%")
        parser.add_argument(option.flag, default="", metavar=option.metavar, help=text)
