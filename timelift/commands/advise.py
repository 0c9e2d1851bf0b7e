"""`timelift advise`: every lift in a user's model, and what to change."""

import argparse
import sys
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from timelift import commands
from timelift.advise.user_model import (
    BATCH,
    DEFAULTS,
    OPTIONS,
    SEQ_LEN,
    SERVED_BATCH,
    Feeding,
    read_call,
    read_runtime,
    usual_batch,
)
from timelift.axis_values import Runtime
from timelift.commands.bench import with_pythonpath
from timelift.errors import UserError
from timelift.measure.options import list_of, option_named, read_size
from timelift.project import Project, has_changes

if TYPE_CHECKING:
    from timelift.advise.advice import ModelAdvice
    from timelift.measure.place import Place

#: What a model is called with is drawn whole, so its sizes are no larger than a million.
_read_size = partial(read_size, most=1_000_000)


def advise(options: commands.Options, project: Project) -> int:
    """Find every TimeDistributed in your model, and measure what to write instead.

    Example: timelift advise mypkg.models:make_model --batch-sizes 8,32

    A loop over steps in a functional model is found, too. Each lift's inner layer is measured
    alone, at the sizes that reach it, by the strategies that keep the very layer; what is advised
    means the same in training, too. Then the whole model is raced against itself with what won put
    in place: a train step of its own, or its outputs where nothing trains. A change is advised only
    if the whole model is shown faster, or starts much sooner and is not shown slower. Nothing of
    yours is changed without --fix.

    --diff shows your source with FoldTime in the place of TimeDistributed where that is faster;
    --fix writes it. Both make that model first, hold it to the law, and race it against yours.

    exit codes:
      0    answered, be there something to gain or not; with --fix, changed if there was
      1    a mistake; with --diff, a change is shown
      2    with --diff or --fix, a change is left to you
      130  interrupted, with what is known until then
    """
    from timelift.advise import advice_code, advice_words, races  # noqa: PLC0415
    from timelift.present import terminal  # noqa: PLC0415
    from timelift.present.document import to_json  # noqa: PLC0415

    project = with_pythonpath(project)
    texts = {name: text for name in OPTIONS if (text := getattr(options, name))}
    if options.data and options.seq_len:
        raise UserError("--data has lengths of its own; leave out --seq-lens")
    batches = options.batches or (usual_batch(options.runtime, options.data),)
    edits = "--diff" if options.diff else "--fix" if options.fix else ""
    if (options.code or edits) and len(batches) > 1:
        sizes, flag = ", ".join(map(str, batches)), edits or "--code"
        raise UserError(f"{flag}: expected one of --batch-sizes, received {sizes}; name one")
    if options.fix and has_changes(project.root):
        raise UserError("--fix: expected files as git has them, received changed ones; commit them")
    fed = [Feeding(options.data, batch, options.seq_len or SEQ_LEN) for batch in batches]
    with ExitStack() as at_end:
        place = commands.place_of(options.cluster, at_end.callback, "timelift advise")
        how = {"runtime": options.runtime, "place": place}
        advices = races.advise_on(project, options.model, fed, texts, options.phase, **how)
        if edits and not advices[-1].was_interrupted:
            return _edit(project, advices[0], texts, place, writes=options.fix)
    pages = races.pages(project)
    document = advice_words.document(advices, pages)
    if options.json:
        commands.write_lines([to_json(document.data)])
    elif options.code:
        commands.write_lines(advice_code.advice_code(advices[0], pages))
    else:
        terminal.show(document)
    return commands.EXIT_INTERRUPTED if advices[-1].was_interrupted else 0


def _edit(
    project: Project, advice: "ModelAdvice", texts: dict[str, str], place: "Place", *, writes: bool
) -> int:
    """Show the edits of a user's source, or make them; all but the diff goes to standard error."""
    from timelift.advise import advice_words, editing, races, rewrite  # noqa: PLC0415
    from timelift.advise.advice import Advice  # noqa: PLC0415
    from timelift.measure.request import RunRequest  # noqa: PLC0415
    from timelift.present.terminal import to_text  # noqa: PLC0415

    pages, say = races.pages(project), sys.stderr.write
    say(to_text(advice_words.document([advice], pages)))
    if advice.verdict is not Advice.CHANGE:
        return 0
    try:
        ask = partial(RunRequest, project, place=place)
        own = {**texts, "backends": str(advice.model.backend)}
        edits, outcome = editing.tried_edits(project, advice, pages, ask, own)
        if writes:
            rewrite.write(edits, project)
    except rewrite.NotRewrittenError as error:
        say(f"\nnot changed: {error}\n")
        return commands.EXIT_NOT_YES
    for line in editing.in_words(advice, edits, outcome, pages, written=writes):
        say(f"{line}\n")
    for each in () if writes else edits:
        sys.stdout.buffer.write(each.diff(project.shown(each.path)))
    return 0 if writes else 1


def advise_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="what makes your model, like mypkg.models:make_model or path.py:make_model, or a "
        ".keras file",
    )
    parser.add_argument(
        "--batch-sizes",
        dest="batches",
        type=commands.argument_type(list_of(_read_size)),
        default=(),
        metavar="LIST",
        help=f"sequences in a call, or several like 8,32,128 (default: {BATCH}, served "
        f"{SERVED_BATCH}, or all rows of --data)",
    )
    parser.add_argument(
        "--seq-lens",
        dest="seq_len",
        type=commands.argument_type(_read_size),
        default=0,
        metavar="N",
        help=f"the size of every axis that the model leaves open (default: {SEQ_LEN})",
    )
    parser.add_argument(
        "--phases",
        dest="phase",
        type=commands.argument_type(read_call),
        metavar="PHASE",
        help="train, or forward for outputs alone, as in serving (default: train where anything "
        "trains)",
    )
    parser.add_argument(
        "--runtimes",
        dest="runtime",
        type=commands.argument_type(read_runtime),
        metavar="RUNTIME",
        help=f"what serves the model, one of {', '.join(Runtime)}: a call of it is timed there",
    )
    parser.add_argument(
        "--data",
        default="",
        metavar="MODULE:FUNCTION",
        help="what returns (inputs, labels) of one batch (default: both are drawn)",
    )
    form = commands.add_forms(parser)
    form.add_argument(
        "--diff", action="store_true", help="show what to change in your source, as git applies it"
    )
    form.add_argument("--fix", action="store_true", help="change your source so")
    for name in OPTIONS:
        option = option_named(name)
        option = replace(option, default=DEFAULTS.get(name, option.default))
        option.add_to(parser.add_argument)
