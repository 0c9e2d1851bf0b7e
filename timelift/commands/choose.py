"""`timelift choose`: which strategy to use for one workload at one size."""

import argparse
from enum import StrEnum

from timelift.case import AXES
from timelift.commands import EXIT_NOT_YES, RUN_NAMES, Options, add_baseline, add_forms, write_lines
from timelift.journal.files import find_run
from timelift.project import Project


def choose(options: Options, project: Project) -> int:
    """Answer in a few lines which strategy to use for a workload at a size.

    Example: timelift choose --workloads tokens --seq-lens 64 --batch-sizes 8

    What was measured has the answer of its report. Else the nearest that was is told, and the
    command that would decide.

    exit codes:
      0  answered
      1  a mistake in the question
      2  not decided by this run
    """
    from timelift.analyse.findings import RunFindings, refuse_unmeasured  # noqa: PLC0415
    from timelift.choose import choice_words, choices  # noqa: PLC0415
    from timelift.commands.additions import additions, usual_run  # noqa: PLC0415
    from timelift.present import terminal  # noqa: PLC0415
    from timelift.present.document import to_json  # noqa: PLC0415

    run = usual_run([(word, find_run(project.results, word)) for word in options.run])
    axes = {name: getattr(options, name) for name in AXES}
    query = choices.read_query(axes, options.goal, run, list(project.workloads))
    refuse_unmeasured(run, options.relative_to)
    findings = RunFindings(run, relative_to=options.relative_to)
    answer = choices.answer(query, findings)
    trust = additions(run, project.results).trust_at_length
    document = choice_words.document(query, answer, findings, project, trust)
    if options.json:
        write_lines([to_json(document.data)])
    elif options.code and answer.strategy:
        write_lines(choice_words.code_below(document))
    else:
        terminal.show(document)
    return 0 if answer.strategy else EXIT_NOT_YES


def choose_options(parser: argparse.ArgumentParser) -> None:
    from timelift.choose.choices import Goal  # noqa: PLC0415

    group = parser.add_argument_group(
        "one value of each axis (default: the usual one, or the only one that was measured)"
    )
    for name, axis in AXES.items():
        text = axis.values if axis.is_size or issubclass(axis.kind, StrEnum) else None
        group.add_argument(axis.flag, dest=name, default="", metavar="VALUE", help=text)
    parser.add_argument(
        "--goal", default=str(Goal.TIME), help=f"one of {', '.join(Goal)} (default: time)"
    )
    parser.add_argument(
        "--run",
        nargs="+",
        default=["latest"],
        metavar="RUN",
        help=f"{RUN_NAMES} (default: latest); several are put together",
    )
    add_baseline(parser)
    add_forms(parser)
