"""`timelift bisect`: `git bisect run`, whose steps are a program of their own (`bisect_step`)."""

import argparse
import difflib
import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

from timelift.case import Case
from timelift.commands import EXIT_NOT_YES, Options, add_gate, write_lines
from timelift.errors import UserError
from timelift.journal.reading import opened, read_medians
from timelift.measure.launch import cause_of_end, environment, run_folder
from timelift.measure.options import AXIS_OPTIONS
from timelift.project import Project, git, resolve_commit

#: The exit codes of a step (https://git-scm.com/docs/git-bisect#_bisect_run), and their words.
PASSED, SLOWER, UNKNOWN = 0, 1, 125
WORDS = {PASSED: "good", SLOWER: "bad ", UNKNOWN: "skip"}
#: The exit code of `git bisect run` if every commit that is left was skipped.
ONLY_SKIPPED = 2
#: A step runs this timelift, not the one in the worktree.
STEP = (sys.executable, "-P", "-m", "timelift.commands.bisect_step")


def bisect(options: Options, project: Project) -> int:
    """Find the commit that made a case slower: git bisect, judged by the gate.

    Example: timelift bisect v1.2 HEAD --case tokens-T16-B8-forward-graph-native

    Every commit in question is raced against GOOD, in a throw-away worktree; yours is not touched.

    exit codes:
      0  the commit was found
      1  something has to be done first
      2  BAD is not shown to be slower than GOOD, or no commit can be measured
    """
    case = _measured_case(project.results, options.case)
    ends = [resolve_commit(project.root, word) for word in (options.good, options.bad)]
    good, bad = (git(project.root, "rev-parse", "--short", commit) for commit in ends)
    if ends[0] != ends[1] == git(project.root, "merge-base", *ends):
        raise UserError(f"expected GOOD before BAD, but {options.good} came later; swap them")
    inside = git(project.root, "rev-parse", "--show-prefix")
    with tempfile.TemporaryDirectory(dir=run_folder()) as name, ExitStack() as cleanup:
        tree = Path(name) / "tree"
        git(project.root, "worktree", "add", "--detach", str(tree), bad)
        cleanup.callback(git, project.root, "worktree", "remove", "--force", str(tree))
        step = [*STEP, str(tree / inside), asked(case, good, options.gate)]
        if (code := subprocess.call(step, cwd=tree, env=environment())) != SLOWER:
            write_lines([f"{options.bad} {_why_nothing_is_looked_for(code)}"])
            return EXIT_NOT_YES
        git(tree, "bisect", "start", bad, good)
        if code := _bisect(tree, step):
            why = "the skipped were not decided"
            if code != ONLY_SKIPPED:
                why = f"a race ended before its verdict (git bisect: exit code {code})"
            left = ("log", "--format=%h %s", "refs/bisect/bad", "--not", "--glob=refs/bisect/good*")
            undecided = f"no single commit can be named, since {why}; one of:"
            write_lines([undecided, *git(tree, *left).splitlines()])
            return EXIT_NOT_YES
        first = git(tree, "log", "-1", "--format=%H %an, %ad: %s", "refs/bisect/bad")
    write_lines([f"first slower commit: {first}"])
    return 0


def _why_nothing_is_looked_for(code: int) -> str:
    """Return how the race of BAD ended that did not find it slower; raises UserError if killed."""
    if code == PASSED:
        return "is not shown to be slower, so there is nothing to find"
    if code == UNKNOWN:
        return "was not decided, for the reason above, so no commit is looked for"
    raise UserError(f"the race ended before its verdict ({cause_of_end(code)}); run it again")


def _bisect(tree: Path, step: list[str]) -> int:
    """Run git bisect, show its verdicts, and return its exit code."""
    run = ["git", "-C", str(tree), "bisect", "run", *step]
    with subprocess.Popen(
        run, stdout=subprocess.PIPE, errors="replace", env=environment()
    ) as steps:
        shown = (*WORDS.values(), "Bisecting")
        write_lines(line.rstrip() for line in steps.stdout or () if line.startswith(shown))
    return steps.returncode


def bisect_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("good", metavar="GOOD", help="a revision that was fast enough")
    parser.add_argument("bad", metavar="BAD", help="a later one that is not, like HEAD")
    parser.add_argument(
        "--case",
        required=True,
        metavar="LABEL",
        help="a case that was measured, as pytest and the gate show it, like "
        "tokens-T16-B8-forward-graph-native",
    )
    add_gate(parser, "how much slower is too slow")


def _measured_case(results: Path, label: str) -> Case:
    """Return the case of a label in any run; raises UserError where none has it, or two do."""
    cases = set[Case]()
    for path in filter(Path.is_file, results.rglob("*.jsonl")):
        with suppress(OSError), opened(path) as lines:
            cases |= {one.case for one in read_medians(lines)}
    named = [case for case in cases if case.label == label]
    if len(named) == 1:
        return named[0]
    if named:
        raise UserError(f"--case: two cases are called {label!r}; rename a strategy of them")
    close = ", ".join(difflib.get_close_matches(label, {case.label for case in cases}))
    hint = f"; nearest: {close}" if close else ""
    raise UserError(
        f"--case: expected a case of a run in {str(results)!r}, received {label!r}{hint}; measure "
        "it first with: timelift bench"
    )


def asked(case: Case, good: str, gate: float) -> str:
    """Return the options by which a step measures a case, as a JSON object."""
    fields = case.fields() | {"threads": case.setting.threads or "default"}
    texts = {option.name: str(fields.get(option.axis, "")) for option in AXIS_OPTIONS}
    texts |= {"against": good, "gate": f"{100 * gate:.6g}%", "undecided": "fail"}
    return json.dumps(texts | {"launches": "5"})  # one case has no others to learn its noise from
