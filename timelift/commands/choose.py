"""`timelift choose`: which strategy to use, of what a run has measured."""

from typing import TYPE_CHECKING

from timelift.analyse import selftest
from timelift.analyse.choose.question import ask, options_to_repeat
from timelift.analyse.runs.results import load_usual
from timelift.case import AXES, Setting
from timelift.commands import EXIT_NOT_YES, Options, write_lines
from timelift.journal import find_run
from timelift.project import Project

if TYPE_CHECKING:
    from timelift.analyse.choose.question import Choice
    from timelift.analyse.runs.measurement import Run
    from timelift.present.choice import AboutChoice


def choose(options: Options, project: Project) -> int:
    """Answer one question in a few lines: which strategy to use for a workload at a size.

    The answer is measured, or interpolated between measured sizes where the paired curves allow it.
    Otherwise the command is printed that would decide it. Exit code 0: answered; 2: not decided by
    this run; 1: a mistake in the question.
    """
    path = find_run(project.results, options.run)
    run = load_usual(path, or_failed=True)
    axes = {name: getattr(options, name) for name in AXES}
    question = ask(axes, options.goal, run, list(project.workloads))
    from timelift.analyse.choose.decide import decide  # noqa: PLC0415
    from timelift.analyse.choose.question import Undecided  # noqa: PLC0415
    from timelift.analyse.findings import RunFindings, refuse_unmeasured  # noqa: PLC0415
    from timelift.present import choice, choice_json, conditions  # noqa: PLC0415

    refuse_unmeasured(run, options.relative_to)
    state = conditions.state(run) if run.is_provisional else ""
    answer = decide(question, run, RunFindings(run, relative_to=options.relative_to).baselines)
    if isinstance(answer, Undecided):
        undecided = choice_json.undecided_as_json if options.json else choice.undecided_lines
        write_lines(undecided(question, answer, options_to_repeat(run), state))
        return EXIT_NOT_YES
    about = _about(answer, question.setting, run, project, state)
    as_code = choice.answer_as_code if options.code else choice.answer_lines
    write_lines((choice_json.answer_as_json if options.json else as_code)(question, answer, about))
    return 0


def _about(
    answer: "Choice", setting: Setting, run: "Run", project: Project, state: str
) -> "AboutChoice":
    """Find how a chosen strategy is used, and how far to trust the run that it was chosen by."""
    from timelift import usage  # noqa: PLC0415
    from timelift.present.choice import AboutChoice  # noqa: PLC0415
    from timelift.present.report import titles, trust_in_words  # noqa: PLC0415

    return AboutChoice(
        dict(titles(run)).get(answer.strategy, ""),
        usage.how_to_build(setting.workload, answer.strategy, run, project),
        trust_in_words(run, selftest.machine_trust(project.results, run)),
        usage.code_to_paste(answer.strategy, run, project, setting),
        state,
    )
