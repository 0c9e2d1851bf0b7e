"""The command line of reading, `python report.py [COMMAND] …`: one function a command.

A command's docstring is its help. It returns the exit code, 0 where all is done, and raises
`UserError` where the user has to do something first, which is 1. What takes long to import is
imported inside, so that a typo is answered at once.
"""

import argparse
import contextlib
import difflib
import inspect
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from timelift import arguments, run_report
from timelift.analyse.choose.question import ask, options_to_repeat
from timelift.analyse.runs import results
from timelift.analyse.runs.results import load_measured, load_usual
from timelift.analyse.selftest import trust_file
from timelift.case import AXES, Case, Setting
from timelift.errors import UserError, writing
from timelift.escape import plain, slug
from timelift.journal import (
    BASELINE_FOLDER,
    find,
    find_run,
    parse_time,
    runs_of_machine,
    write_whole,
)
from timelift.measure.bisect import Bisection, CommitVerdict
from timelift.present.exports import BINARY, FORMATS
from timelift.project import Project
from timelift.run_report import write_lines

if TYPE_CHECKING:
    from datetime import datetime

    from timelift.analyse.choose.question import Choice
    from timelift.analyse.runs.measurement import Run
    from timelift.present.choice import AboutChoice

#: The exit code of an answer that is no yes: not decided, something is suspect, something slower.
EXIT_NOT_YES = 2
#: What a shell expects of a program that Ctrl-C ended: 128 and the number of SIGINT.
EXIT_INTERRUPTED = 130
#: How many characters of a name the path of a baseline has.
_LONGEST_NAME = 120
#: What `compare` reads at the most to learn what moves between sessions.
_SESSIONS = 6

Options = argparse.Namespace


class Command(NamedTuple):
    """What a word on the command line does."""

    run: Callable[[Options, Path], int]
    add_options: Callable[[argparse.ArgumentParser], None]

    @property
    def help(self) -> str:
        """The whole help text; its first line says what the command is for."""
        return inspect.cleandoc(self.run.__doc__ or "")


def main(argv: Sequence[str] | None, root: Path) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    name = words.pop(0) if words and words[0] in COMMANDS else DEFAULT
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        if name == DEFAULT and words:
            _refuse_mistyped(words[0], root / "results")
        code = COMMANDS[name].run(parser(name).parse_args(words), root)
        sys.stdout.flush()
    except UserError as error:
        sys.stderr.write(f"timelift: {plain(error)}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("timelift: interrupted\n")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # `| head` has read enough; what is still buffered must not fail again at the exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _refuse_mistyped(word: str, folder: Path) -> None:
    """Raise UserError where a word is no run and nearly a command, whose options may follow."""
    close = difflib.get_close_matches(word, COMMANDS, n=1)
    if word.startswith("-") or not close:
        return
    try:
        find_run(folder, word)
    except UserError as error:
        raise UserError(f"{error}; or type the command {close[0]}") from None


class _Parser(argparse.ArgumentParser):
    """A parser whose exit code for bad usage is 1, since 2 is an answer of some commands."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: error: {message}\n")


def parser(name: str) -> argparse.ArgumentParser:
    command = COMMANDS[name]
    of_command = _Parser(
        prog=f"timelift {name}",
        description=command.help,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_other_commands() if name == DEFAULT else None,
    )
    command.add_options(of_command)
    return of_command


def _other_commands() -> str:
    purposes = {name: one.help.partition("\n")[0] for name, one in COMMANDS.items()}
    lines = (f"  {name:10} {text}" for name, text in purposes.items() if name != DEFAULT)
    return "\n".join(["other commands:", *lines])


def report(options: Options, root: Path) -> int:
    """Write the page of a run, and print what to write for each workload in a screenful."""
    paths = find(root / "results", options.runs)
    return run_report.report(paths, options, root / "results")


def choose(options: Options, root: Path) -> int:
    """Answer one question in a few lines: which strategy to use for a workload at a size.

    The answer is measured, or interpolated between measured sizes where the paired curves allow it.
    Otherwise the command is printed that would decide it. Exit code 0: answered; 2: not decided by
    this run; 1: a mistake in the question.
    """
    path = find_run(root / "results", options.run)
    run = load_usual(path, or_failed=True)
    project = Project(root)
    axes = {name: getattr(options, name) for name in AXES}
    question = ask(axes, options.goal, run, list(project.workloads))
    from timelift.analyse.choose.decide import decide  # noqa: PLC0415
    from timelift.analyse.choose.question import Undecided  # noqa: PLC0415
    from timelift.analyse.findings import RunFindings, refuse_unmeasured  # noqa: PLC0415
    from timelift.present import choice, choice_json  # noqa: PLC0415

    refuse_unmeasured(run, options.relative_to)
    answer = decide(question, run, RunFindings(run, relative_to=options.relative_to).baselines)
    if isinstance(answer, Undecided):
        undecided = choice_json.undecided_as_json if options.json else choice.undecided_lines
        write_lines(undecided(question, answer, options_to_repeat(run)))
        return EXIT_NOT_YES
    about = _about(answer, question.setting, run, project)
    as_code = choice.answer_as_code if options.code else choice.answer_lines
    write_lines((choice_json.answer_as_json if options.json else as_code)(question, answer, about))
    return 0


def _about(answer: "Choice", setting: Setting, run: "Run", project: Project) -> "AboutChoice":
    """Find how a chosen strategy is used, and how far to trust the run that it was chosen by."""
    from timelift import usage  # noqa: PLC0415
    from timelift.present.choice import AboutChoice  # noqa: PLC0415
    from timelift.present.report import titles, trust_in_words  # noqa: PLC0415

    return AboutChoice(
        dict(titles(run)).get(answer.strategy, ""),
        usage.how_to_build(setting.workload, answer.strategy, run, project),
        trust_in_words(run, trust_file.machine_trust(project.results, run)),
        usage.code_to_paste(answer.strategy, run, project, setting),
    )


def compare(options: Options, root: Path) -> int:
    """Compare two stored runs: which cases became suspect, and what would decide about each.

    The runs were made at different times, so times are not compared. Each case is held against the
    other rivals of its setting in its own run, and the change of that ratio is judged by the
    launches of both runs and by what ratios move between sessions (learnt from the machine's other
    runs from three on, else assumed to be 1 %). A slower canary shows that the machine slowed down.
    The result is suspects, not proofs: only `timelift bench --against REV` measures two revisions
    side by side.

    exit codes: 0 compared (with --strict: and nothing is suspect); 1 could not compare;
    2 something is suspect, with --strict alone.
    With --across-machines always 0 or 1.
    """
    from timelift.analyse.changes.two_runs import compare_runs  # noqa: PLC0415
    from timelift.analyse.runs.condense import condense  # noqa: PLC0415
    from timelift.present import comparison, terminal  # noqa: PLC0415

    paths = find(root / "results", [options.old, options.new])
    old, new = (condense(load_usual(path)) for path in paths)
    advisory = _on_other_machines(old, new, allowed=options.across_machines)
    sessions = [] if advisory else _sessions(root / "results", paths, new)
    found = compare_runs(old, new, sessions, options.gate, advisory=advisory)
    rows = sys.maxsize if options.all else comparison.ROWS
    comparison.show(found, terminal.console(), rows)
    strict = options.strict and not options.across_machines
    return EXIT_NOT_YES if strict and found.any_suspect else 0


def _on_other_machines(old: "Run", new: "Run", *, allowed: bool) -> bool:
    """True if the machines differ; raises UserError where that is not allowed."""
    from timelift.analyse.changes.two_runs import identity_differences  # noqa: PLC0415
    from timelift.present.changed import differences_in_words  # noqa: PLC0415

    differences = identity_differences(old, new)
    if differences and not allowed:
        raise UserError(
            f"expected two runs of one machine, received others: "
            f"{differences_in_words(differences)}; "
            "compare ratios alone with --across-machines"
        )
    return bool(differences)


def _sessions(folder: Path, paths: list[Path], new: "Run") -> list["Run"]:
    """Return the latest of the machine's other runs that can be read, the oldest first."""
    from timelift.analyse.runs.condense import condense  # noqa: PLC0415

    found: list[Run] = []
    for path in reversed(runs_of_machine(folder, new.header.machine, paths)):
        if len(found) < _SESSIONS:
            with contextlib.suppress(UserError):
                found.append(condense(load_usual(path)))
    return found[::-1]


def history(options: Options, root: Path) -> int:
    """Report what became slower over a machine's runs, since when, and whether the machine changed.

    Every case is compared with its rivals of the same run, over all runs under results/ (self-tests
    and results/against/ left out). A change needs three runs before it and three after it.

    exit code:
      0  nothing is slower than it has been
      2  a slow-down that runs have confirmed is still there
      1  the runs cannot be read, or what was asked for is not among them
    """
    since = _since(options.since)
    from timelift.analyse.changes.history import HistoryOptions, read  # noqa: PLC0415
    from timelift.present import history_report, terminal  # noqa: PLC0415

    folder = root / "results"
    wanted = HistoryOptions(options.machine, options.workload, options.case, since, options.gate)
    found = read(folder, wanted)
    history_report.show(found, terminal.console())
    output = options.output or folder / "report"
    from timelift.present import page  # noqa: PLC0415 - figures take a second

    written = page.write_history(found, output)
    write_lines(["", f"{output}: {', '.join(one.name for one in written)}"])
    return EXIT_NOT_YES if found.findings.worse else 0


def _since(text: str | None) -> "datetime | None":
    try:
        return None if text is None else parse_time(text)
    except ValueError:
        raise UserError(
            f"--since: expected a date, received {text!r}; write it as 2026-01-31"
        ) from None


def baseline(options: Options, root: Path) -> int:
    """Keep a run as a baseline small enough to commit: results/baselines/<machine>/<name>.jsonl.

    It keeps every case, launch and fact that `compare` and the history need, and nothing that tells
    of a person or a path. It is a journal: every other command reads it, by its path or by its
    name.
    """
    from timelift.analyse.runs.baseline import baseline_lines  # noqa: PLC0415

    path = find_run(root / "results", options.run)
    run = load_usual(path)
    machine = run.header.machine
    if not machine.name or not machine.identity:
        raise UserError(
            "expected a run with its machine recorded, received one without; "
            "measure it with: timelift bench"
        )
    folder = root / "results" / BASELINE_FOLDER / _file_name(machine.name)
    name = _file_name(path.stem if options.name is None else options.name)
    kept = folder / f"{name}.jsonl"
    if kept.exists() and not options.replace:
        raise UserError(
            f"expected a new name, received that of the baseline {str(kept)!r}; "
            "choose another with --name or replace it with --replace"
        )
    with writing(kept, "make the folder writable"):
        write_whole(kept, baseline_lines(run))
    write_lines(_kept(run, kept, root))
    return 0


def _file_name(text: str) -> str:
    return slug(text, keep="_", limit=_LONGEST_NAME)


def _kept(run: "Run", path: Path, root: Path) -> Iterator[str]:
    launches = sum(len(one.launches) for one in run.measurements)
    shown = path.relative_to(root)
    size = f"{path.stat().st_size / 1024:,.0f} KiB"
    yield f"{shown}: {len(run.measurements):,} cases, {launches:,} launches, {size}"
    if not run.complete:
        yield "the run was cut short, so the baseline holds what had been measured"
    yield from ("commit it with:", f"  git add {shown}")


def export(options: Options, root: Path) -> int:
    """Write a run in the format of another tool.

    formats:
      pytest-benchmark         its JSON, for pytest-benchmark compare
      github-action-benchmark  customSmallerIsBetter, times in ms
      bencher                  Bencher Metric Format, latency in ns
      parquet                  a row per case, launch and round; needs pyarrow and --output
      csv                      a row per case with its rank and facts, times in s
    """
    if options.format in BINARY and options.output is None:
        raise UserError(
            f"{options.format}: expected --output FILE, since it is no text for a terminal"
        )
    path = find_run(root / "results", options.run)
    from timelift.analyse.findings import RunFindings  # noqa: PLC0415

    data = FORMATS[options.format](RunFindings(load_measured(path)))
    if options.output is None:
        sys.stdout.write(data.decode())
    else:
        with writing(options.output, "name another file with --output"):
            options.output.parent.mkdir(parents=True, exist_ok=True)
            options.output.write_bytes(data)
    return 0


def bisect(options: Options, root: Path) -> int:
    """Find the commit that made a case slower: git bisect, with the paired gate as its judge.

    Every commit in question is raced against GOOD, in throw-away work trees; yours is not touched.
    Exit code 0: the commit was found. 2: BAD is not shown to be slower than GOOD, or the commits
    that remain cannot be measured. 1: something has to be done first.
    """
    try:
        case = Case.from_label(options.case)
    except ValueError as error:
        raise UserError(f"--case: {error}") from None
    gate = f"{100 * options.gate:.6g}%"
    ends = options.good, options.bad
    found = Bisection(root, *ends, case, gate, _raced, lambda line: write_lines([line])).run()
    return 0 if found else EXIT_NOT_YES


def _raced(journal: Path) -> CommitVerdict:
    from timelift.analyse.gate.outcomes import against_of, outcomes  # noqa: PLC0415
    from timelift.analyse.stats import verdicts  # noqa: PLC0415
    from timelift.present import gate_words  # noqa: PLC0415

    run = results.load(journal)
    against = against_of(run)
    judged = outcomes(run, against) if against else []
    if against is None or not judged:
        reasons = [f"{one.status}: {one.reason}" for one in run.measurements if one.reason]
        return CommitVerdict("skip", "; ".join(reasons) or "not measured")
    found = judged[0]
    if found.fails():
        return CommitVerdict("bad", gate_words.failure(found, against))
    doubtful = found.time.verdict is verdicts.Verdict.UNDECIDED
    said = (
        gate_words.undecided_in_words(found.time, against) if doubtful else str(found.time.verdict)
    )
    return CommitVerdict("skip" if doubtful else "good", said)


#: The command that needs no word.
DEFAULT = "report"
#: Every command by its word, in the order of the help text.
COMMANDS = {
    DEFAULT: Command(report, arguments.report),
    "tables": Command(run_report.tables, arguments.tables),
    "scaling": Command(run_report.scaling, arguments.tables),
    "modes": Command(run_report.modes, arguments.tables),
    "choose": Command(choose, arguments.choose),
    "compare": Command(compare, arguments.compare),
    "history": Command(history, arguments.history),
    "baseline": Command(baseline, arguments.baseline),
    "export": Command(export, arguments.export),
    "bisect": Command(bisect, arguments.bisect),
}
