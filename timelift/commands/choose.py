"""`timelift choose`: which strategy to use, of what a run has measured."""

from timelift.analyse import selftest
from timelift.analyse.runs.results import load_usual
from timelift.case import AXES
from timelift.commands import EXIT_NOT_YES, Options, write_lines
from timelift.journal import find_run
from timelift.project import Project


def choose(options: Options, project: Project) -> int:
    """Answer one question in a few lines: which strategy to use for a workload at a size.

    A measured size has its own answer; between two measured sizes of one answer it is that, without
    a time or a price. Otherwise the command is printed that would decide it. Exit code 0: answered;
    2: not decided by this run; 1: a mistake in the question.
    """
    from timelift import usage  # noqa: PLC0415
    from timelift.analyse import choose  # noqa: PLC0415
    from timelift.analyse.findings import RunFindings, refuse_unmeasured  # noqa: PLC0415
    from timelift.present import choice, conditions  # noqa: PLC0415
    from timelift.present.report import titles  # noqa: PLC0415
    from timelift.present.selftest_words import trust_in_words  # noqa: PLC0415

    run = load_usual(find_run(project.results, options.run), or_failed=True)
    axes = {name: getattr(options, name) for name in AXES}
    question = choose.ask(axes, options.goal, run, list(project.workloads))
    refuse_unmeasured(run, options.relative_to)
    state = conditions.state(run) if run.is_provisional else ""
    baselines = RunFindings(run, relative_to=options.relative_to).baselines
    answer = choose.decide(question, run, baselines)
    if isinstance(answer, choose.Undecided):
        undecided = choice.undecided_as_json if options.json else choice.undecided_lines
        write_lines(undecided(question, answer, choose.options_to_repeat(run), state))
        return EXIT_NOT_YES
    about = choice.AboutChoice(
        title=dict(titles(run)).get(answer.strategy, ""),
        use=usage.how_to_use(answer.strategy, question.setting, run, project),
        trust=trust_in_words(run, selftest.machine_trust(project.results, run)),
        code=usage.code_to_paste(answer.strategy, run, project, question.setting),
        state=state,
    )
    decided = choice.answer_as_code if options.code else choice.answer_lines
    write_lines((choice.answer_as_json if options.json else decided)(question, answer, about))
    return 0
