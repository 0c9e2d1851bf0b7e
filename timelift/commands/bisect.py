"""`timelift bisect`: `git bisect run`; each of its steps runs this module as a program."""

import argparse
import difflib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from timelift.case import AXES, Case, Gradients
from timelift.commands import EXIT_NOT_YES, Options, add_gate, write_lines
from timelift.errors import UserError
from timelift.gate.sides import UNCHANGED
from timelift.journal.reading import opened, read_medians
from timelift.measure.launch import environment, run_folder
from timelift.project import Project, git, resolve_commit

#: The exit codes of a step (https://git-scm.com/docs/git-bisect#_bisect_run), and their words.
PASSED, SLOWER, UNKNOWN = 0, 1, 125
WORDS = {PASSED: "good", SLOWER: "bad ", UNKNOWN: "skip"}
#: A step runs this timelift, not the one in the worktree.
STEP = (sys.executable, "-P", "-m", "timelift.commands.bisect")


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
        words = [str(tree / inside), *_bench_words(case, good, options.gate)]
        if (code := judge(*words)) != SLOWER:
            why = (
                "is not shown to be slower, so there is nothing to find"
                if code == PASSED
                else "was not decided, for the reason above, so no commit is looked for"
            )
            write_lines([f"{options.bad} {why}"])
            return EXIT_NOT_YES
        git(tree, "bisect", "start", bad, good)
        run = ["git", "-C", str(tree), "bisect", "run", *STEP, *words]
        with subprocess.Popen(
            run, stdout=subprocess.PIPE, errors="replace", env=environment()
        ) as steps:
            shown = (*WORDS.values(), "Bisecting")
            write_lines(line.rstrip() for line in steps.stdout or () if line.startswith(shown))
        if steps.returncode:
            left = ("log", "--format=%h %s", "refs/bisect/bad", "--not", "--glob=refs/bisect/good*")
            undecided = "no single commit can be named, since the skipped were not decided; one of:"
            write_lines([undecided, *git(tree, *left).splitlines()])
            return EXIT_NOT_YES
        first = git(tree, "log", "-1", "--format=%H %an, %ad: %s", "refs/bisect/bad")
    write_lines([f"first slower commit: {first}"])
    return 0


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


def _bench_words(case: Case, good: str, gate: float) -> Sequence[str]:
    fields = case.fields() | {"threads": case.setting.threads or "default"}
    del fields["machine"]  # it is played on this one
    if case.setting.gradients is Gradients.NONE:
        del fields["gradients"]
    options = {axis.flag: fields[name] for name, axis in AXES.items() if name in fields}
    options |= {
        "--strategies": case.strategy,
        "--against": good,
        "--gate": f"{100 * gate:.6g}%",
        "--undecided": "fail",
    }
    options |= {"--launches": 5}  # one case has no others to learn its noise from
    file = f"test_{case.setting.phase}.py"
    return [file, "-rfs", *(str(word) for pair in options.items() for word in pair)]


def step(folder: str, *words: str) -> int:
    """Judge a commit; an error is unknown, since git would take Python's exit code 1 for slow."""
    try:
        return judge(folder, *words)
    except Exception as error:  # noqa: BLE001 - no error is a verdict
        write_lines([f"{WORDS[UNKNOWN]} {type(error).__name__}: {error}"])
        return UNKNOWN


def judge(folder: str, *words: str) -> int:
    """Race the commit that is checked out in a folder, print its verdict, and return git's code."""
    existing = next(path for path in (Path(folder), *Path(folder).parents) if path.is_dir())
    if existing == Path(folder):
        code, reason = _race(folder, *words)
    else:
        code, reason = UNKNOWN, f"it has no folder {Path(folder).name}"
    write_lines([f"{WORDS[code]} {git(existing, 'log', '-1', '--format=%h %s')}: {reason}"])
    return code


def _race(folder: str, *words: str) -> tuple[int, str]:
    """Return git's exit code for the commit that is checked out in a folder, and the reason."""
    bench = [*STEP[:3], "timelift", "bench", *words]
    wide = environment() | {"COLUMNS": "1000"}  # or pytest would cut the reason
    process = subprocess.run(
        bench, cwd=folder, capture_output=True, text=True, errors="replace", check=False, env=wide
    )
    lines = [line for line in f"{process.stdout}\n{process.stderr}".splitlines() if line.strip()]
    outcomes = [line for line in lines if line.startswith(("FAILED", "SKIPPED", "ERROR"))]
    if not outcomes and process.returncode:
        return UNKNOWN, lines[-1] if lines else f"it ended with {process.returncode}"
    outcome = next(iter(outcomes), "the gate passes it")
    passed = process.returncode == 0 and (not outcomes or UNCHANGED in outcome)
    slower = process.returncode == 1 and " slower than " in outcome
    reason = outcome.split(" - " if outcome.startswith("FAILED") else ": ", 1)[-1]
    code = PASSED if passed else SLOWER if slower else UNKNOWN
    return code, reason.removeprefix("Failed: ")


if __name__ == "__main__":
    sys.exit(step(*sys.argv[1:]))
