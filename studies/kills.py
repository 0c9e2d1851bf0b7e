"""Kill runs and go on with them: `python -m studies.kills --kills 100`.

Each time `pytest bench/` is started in a small project and its process gets a signal at a random
moment, mostly SIGKILL; then `pytest bench/ --resume` goes on. Nothing that was in the journal may
be lost or played twice, nothing may be missing at the end, no process may be left, and no traceback
may be seen. A run that was killed before it had a journal is measured anew. A kill may cost 30 s:
what both parts of the run took beyond an undisturbed one, with the start of a second process.
`--journals` keeps the journals and what was printed.

`--cluster 50` kills so many times in runs on two nodes of this machine: a node, the launch that it
plays, or the coordinator, with which the run goes on by `--resume`, each until it is complete.

`--looks 20` kills so many processes of `timelift bench --layer` and of `timelift advise` while they
look at a layer that starts a daemon, and counts what is left after a second.
"""

import argparse
import contextlib
import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from signal import Signals, default_int_handler
from signal import signal as set_handler

import psutil

from studies import collect, parser, positive, program, remains, write
from studies.remains import FAULTS, TRIAL_VARIABLE, Reached
from studies.scoreboard import Column, Row, Scoreboard
from tests.support import hostile
from tests.support.projects import QUICKEST, environment, project
from timelift.errors import UserError

#: How often each signal is drawn, in ten.
SIGNALS = {Signals.SIGKILL: 6, Signals.SIGTERM: 2, Signals.SIGINT: 2}
#: Seconds between two glances at a journal, and after which a run that has not ended never will.
_GLANCE, _PATIENCE = 0.02, 300.0
TOGETHER = "together"
#: How far the runs were when they were killed, and what should not be found after it.
REACHED = Scoreboard([Column(title) for title in ("signal", *Reached, TOGETHER)])
KILLED = Scoreboard([Column(title) for title in ("killed", *Reached, TOGETHER)])
FAULTY = Scoreboard((Column("fault"), Column("found", most=0)))
COST = Scoreboard((Column("the most that a kill cost"), Column("s", ".0f", most=30)))
#: pytest's exit code for a wrong option.
_USAGE_ERROR = 4
#: What is killed in a run on nodes, how often it is drawn, in ten, and what is in its command.
NODE, LAUNCH, COORDINATOR = "node", "launch", "coordinator"
VICTIMS = {NODE: 4, LAUNCH: 3, COORDINATOR: 3}
_COMMANDS = {NODE: "spawn_main", LAUNCH: "timelift.cluster.unit", COORDINATOR: "pytest"}
_NODES = "--cluster local:2"
#: Seconds in which nodes end with their coordinator: one that starts hears of it after its imports.
_NODES_GRACE = 10.0
#: What a run says that gave something up, or lost a node at its start; and how often a run is gone
#: on with, beside its kills.
_SENTENCES, _MOST_PARTS = ("is not tried on a third", "ERROR: --cluster: "), 5


# Runs --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grid:
    words: str
    launches: int = 3


_GRID = "--seq-lens 3 --phases forward --modes graph"
USUAL = Grid(f"{_GRID} --workloads sensor,tokens --batch-sizes 2,4 --launches 3")
QUICK = Grid(f"{_GRID} --workloads sensor --batch-sizes 2 --launches 2", launches=2)


@dataclass(frozen=True)
class Scene:
    """A project, and the folder that one kill leaves its journal and its printed lines in."""

    project: Path
    results: Path
    grid: Grid = USUAL

    @property
    def mark(self) -> str:
        """What every process of these runs has in its environment."""
        return f"{os.getpid()} {self.results}"

    @contextlib.contextmanager
    def start(self, name: str, words: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start `pytest bench/`, to be ended by the caller; what it prints is kept under a name."""
        self.results.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "bench/"]
        with (self.results / f"{name}.txt").open("wb") as printed:
            run = subprocess.Popen(
                [*command, "--results", str(self.results), *words.split()],
                cwd=self.project,
                env={**environment(self.project), TRIAL_VARIABLE: self.mark},
                stdout=printed,
                stderr=subprocess.STDOUT,
            )
        try:
            yield run
        finally:
            run.kill()
            run.wait()

    def run(self, name: str, words: str) -> int:
        with self.start(name, words) as run:
            return _ended(run)

    def printed(self, name: str) -> str:
        path = self.results / f"{name}.txt"
        return path.read_text(errors="replace") if path.exists() else ""

    def lines(self) -> list[bytes]:
        journals = sorted(self.results.rglob("*.jsonl"), key=lambda path: path.name)
        return remains.whole_lines(journals[-1].read_bytes()) if journals else []


def _ended(run: subprocess.Popen[bytes]) -> int:
    """Return the exit code of a run, which is killed after `_PATIENCE` seconds."""
    try:
        return run.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        run.kill()
        return run.wait()


@dataclass(frozen=True)
class Undisturbed:
    """A run to its end: the labels of its cases, its seconds, and those at which lines came."""

    cases: frozenset[str]
    seconds: float
    line_seconds: Sequence[float]

    def before(self, share: float) -> tuple[int, float, float]:
        """The lines before a share of it has passed, when the last came, and the seconds since."""
        moment = share * self.seconds
        before = [seconds for seconds in self.line_seconds if seconds <= moment]
        last = max(before, default=0.0)
        return len(before), last, moment - last


def undisturbed(scene: Scene) -> Undisturbed:
    """Run to the end; raises UserError if that fails, since kills would then show nothing."""
    started = time.monotonic()
    line_seconds: list[float] = []
    with scene.start("undisturbed", scene.grid.words) as run:
        while run.poll() is None:
            now = time.monotonic() - started
            line_seconds += [now] * (len(scene.lines()) - len(line_seconds))
            time.sleep(_GLANCE)
    if run.returncode:
        last = scene.printed("undisturbed").strip().splitlines()[-1:]
        raise UserError(f"an undisturbed run ended with exit code {run.returncode}: {last}")
    return Undisturbed(remains.labels(scene.lines()), time.monotonic() - started, line_seconds)


# Kills -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kill:
    """A run that was killed: by which signal, after what share, how far it was, and its faults.

    `cost` is in seconds.
    """

    signal: Signals
    share: float
    reached: Reached
    measured: int
    faults: Mapping[str, int]
    cost: float

    @property
    def words(self) -> str:
        where = f"{self.reached} ({self.measured} lines)" if self.measured else f"{self.reached}"
        after = f"{self.signal.name} after {self.share:.0%}, {where}, {self.cost:.0f} s more"
        return f"{after}: {_in_words(self.faults)}"


def _in_words(faults: Mapping[str, int]) -> str:
    found = [f"{word}: {count}" for word, count in faults.items() if count]
    return ", ".join(found) or "all is there"


def kill(scene: Scene, whole: Undisturbed, signal: Signals, share: float) -> Kill:
    started = time.monotonic()
    code = _kill_midway(scene, whole, signal, share)
    orphans = remains.end_orphans(scene.mark)
    before = scene.lines()
    reached = remains.reached(before)
    hung = code == -Signals.SIGKILL and signal is not Signals.SIGKILL
    wrong = hung + _go_on(scene, reached)
    cost = time.monotonic() - started - whole.seconds
    after = scene.lines()
    killed = remains.tracebacks(scene.printed("killed"), ours=reached is not Reached.IMPORTS)
    later = sum(remains.tracebacks(scene.printed(name)) for name in ("resumed", "anew"))
    faults = {
        "lost": remains.lost(before, after),
        "duplicates": remains.duplicates(after),
        "missing": remains.missing(after, whole.cases, scene.grid.launches),
        "orphans": orphans + remains.end_orphans(scene.mark),
        "tracebacks": killed + later,
        "wrong endings": wrong,
    }
    return Kill(signal, share, reached, len(remains.measurements(before)), faults, cost)


def _kill_midway(scene: Scene, whole: Undisturbed, signal: Signals, share: float) -> int:
    """Start a run, send it a signal after a share of what it usually does; return its exit code.

    Seconds count as slowly as the machine is now, by when the lines before that moment came.
    """
    lines, last, later = whole.before(share)
    started = time.monotonic()
    with scene.start("killed", scene.grid.words) as run:
        while len(scene.lines()) < lines and run.poll() is None:
            time.sleep(_GLANCE)
        pace = (time.monotonic() - started) / last if last else 1.0
        with contextlib.suppress(subprocess.TimeoutExpired):
            return run.wait(later * pace)
        run.send_signal(signal)
        return _ended(run)


def _go_on(scene: Scene, reached: Reached) -> int:
    """Resume a run, or measure anew if it had no journal; return the number of wrong endings."""
    code = scene.run("resumed", "--resume")
    if reached is not Reached.IMPORTS:
        return int(code != 0)
    refusals = [line for line in scene.printed("resumed").splitlines() if "--resume: " in line]
    refused = code == _USAGE_ERROR and len(refusals) == 1
    return int(not refused) + int(scene.run("anew", scene.grid.words) != 0)


def kills(
    folder: Path, journals: Path, count: int, dice: random.Random, grid: Grid = USUAL
) -> Iterator[Kill]:
    """Kill so many runs of one project, each after a share of a whole run."""
    calm, whole = _calm(folder, journals, grid)
    for number in range(1, count + 1):
        (signal,) = dice.choices(list(SIGNALS), list(SIGNALS.values()))
        yield kill(replace(calm, results=journals / f"kill-{number}"), whole, signal, dice.random())


def _calm(folder: Path, journals: Path, grid: Grid) -> tuple[Scene, Undisturbed]:
    """Lay out a project and run it undisturbed."""
    if journals.is_dir() and any(journals.iterdir()):
        raise UserError(f"{str(journals)!r} is not empty; name a new folder with --journals")
    laid_out = project(folder / "project", ("native", "fold_time"))
    calm = Scene(laid_out, journals / "undisturbed", grid)
    whole = undisturbed(calm)
    write(f"undisturbed: {len(whole.cases)} cases, {whole.seconds:.1f} s")
    return calm, whole


# On a cluster ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Disturbed:
    """A run on nodes, killed and gone on with until it was complete, and its faults."""

    killed: Sequence[tuple[str, Reached]]
    faults: Mapping[str, int]

    @property
    def words(self) -> str:
        killed = ", ".join(f"{victim} ({reached})" for victim, reached in self.killed)
        return f"{killed or 'nothing'}: {_in_words(self.faults)}"


def disturb(scene: Scene, whole: Undisturbed, most: int, dice: random.Random) -> Disturbed:
    """Run on nodes and kill at most so many times; a run that is not complete is gone on with."""
    killed: list[tuple[str, Reached]] = []
    faults = Counter[str](dict.fromkeys(FAULTS, 0))
    before: list[list[bytes]] = []
    for part in range(1, most + _MOST_PARTS):
        name = f"part-{part}"
        words = f"--resume {_NODES}" if scene.lines() else scene.grid.words
        with scene.start(name, words) as run:
            while len(killed) < most and (found := _victim(run, whole.seconds, dice)):
                victim, process = found
                process.kill()
                if process.pid == run.pid:
                    run.wait()
                before.append(scene.lines())
                killed.append((victim, remains.reached(before[-1])))
            code = _ended(run)
        faults["orphans"] += remains.end_orphans(scene.mark, _NODES_GRACE)
        faults["tracebacks"] += remains.tracebacks(scene.printed(name))
        if remains.reached(scene.lines()) is Reached.END:
            break
        told = (sentence in scene.printed(name) for sentence in _SENTENCES)
        is_told = code != -Signals.SIGKILL and any(told)
        faults["wrong endings"] += not (is_told or killed[-1:][0][0] == COORDINATOR)
    after = scene.lines()
    faults["lost"] = sum(remains.lost(lines, after) for lines in before)
    faults["duplicates"] = remains.duplicates(after)
    faults["missing"] = remains.missing(after, whole.cases, scene.grid.launches)
    return Disturbed(killed, faults)


def _victim(
    run: subprocess.Popen[bytes], seconds: float, dice: random.Random
) -> tuple[str, psutil.Process] | None:
    """Return what is to be killed at a moment in half of so many seconds, and its process.

    There may be no node or launch yet; None where the run ends before there is.
    """
    (victim,) = dice.choices(list(VICTIMS), list(VICTIMS.values()))
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.wait(dice.random() * seconds / 2)
    while run.poll() is None:
        with contextlib.suppress(psutil.Error):
            own = psutil.Process(run.pid)
            family = [own] if victim == COORDINATOR else own.children(recursive=True)
            alive = [each for each in family if _COMMANDS[victim] in " ".join(each.cmdline())]
            if alive:
                return victim, dice.choice(alive)
        time.sleep(_GLANCE)
    return None


def disturbances(
    folder: Path, journals: Path, count: int, dice: random.Random, grid: Grid
) -> Iterator[Disturbed]:
    calm, whole = _calm(folder, journals, replace(grid, words=f"{grid.words} {_NODES}"))
    for number in itertools.count(1):
        scene = replace(calm, results=journals / f"run-{number}")
        yield (disturbed := disturb(scene, whole, count, dice))
        count -= len(disturbed.killed)
        if not count:
            return


# Looks at a layer -------------------------------------------------------------------------------

_LOOKERS = {"bench": "bench --layer mine:hangs", "advise": "advise mine:hangs"}
LOOKS = Scoreboard(
    (Column("command"), Column("looks killed"), Column("with processes left", most=0))
)


def looks(folder: Path, count: int, dice: random.Random) -> Iterator[tuple[str, int]]:
    """Kill commands after a random time, or as late as their layer hangs; yield what is left."""
    (folder / "mine.py").write_text(hostile.STARTS)
    for number, (name, words) in itertools.product(range(count), _LOOKERS.items()):
        mark, begun = f"{os.getpid()} look {number} {name}", folder / "daemon"
        begun.unlink(missing_ok=True)
        variables = {**environment(folder), TRIAL_VARIABLE: mark, "TMPDIR": str(folder)}
        command = [sys.executable, "-m", "timelift", *words.split(), "--backends", str(QUICKEST)]
        run = subprocess.Popen(
            command, cwd=folder, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        ends = time.monotonic() + (dice.uniform(2, 6) if number % 2 else _PATIENCE)
        while not begun.exists() and run.poll() is None and time.monotonic() < ends:
            time.sleep(_GLANCE)
        run.kill()
        run.wait()
        yield name, remains.end_orphans(mark, grace=1.0)


# The tables --------------------------------------------------------------------------------------


def reached_rows(trials: Sequence[Kill]) -> Iterator[Row]:
    for signal in SIGNALS:
        yield _reached_row(signal.name, [trial for trial in trials if trial.signal is signal])
    yield _reached_row(TOGETHER, trials)


def _reached_row(name: str, trials: Sequence[Kill]) -> Row:
    counts = Counter(trial.reached for trial in trials)
    return name, *(counts[reached] for reached in Reached), len(trials)


def killed_rows(trials: Sequence[Disturbed]) -> Iterator[Row]:
    killed = [each for trial in trials for each in trial.killed]
    for victim in VICTIMS:
        counts = Counter(reached for other, reached in killed if other == victim)
        yield victim, *(counts[reached] for reached in Reached), counts.total()


def faults(trials: Sequence[Kill] | Sequence[Disturbed]) -> list[Row]:
    return [(word, sum(trial.faults[word] for trial in trials)) for word in FAULTS]


OPTIONS = parser("kills", __doc__)
OPTIONS.add_argument("--kills", type=positive, default=100, metavar="N", help="default: 100")
OPTIONS.add_argument("--looks", type=positive, default=0, metavar="N", help="looks at a layer")
OPTIONS.add_argument(
    "--cluster", type=positive, default=0, metavar="N", help="so many kills of runs on two nodes"
)
OPTIONS.add_argument("--journals", type=Path, metavar="FOLDER")


@program(OPTIONS)
def main(asked: argparse.Namespace) -> int:
    set_handler(Signals.SIGINT, default_int_handler)  # a shell's background job would be deaf to it
    count, grid = (1, QUICK) if asked.quick else (asked.kills, USUAL)
    with tempfile.TemporaryDirectory(prefix="timelift-kills-") as name:
        folder = Path(name)
        journals = asked.journals.resolve() if asked.journals else folder / "results"
        dice = random.Random(1 + asked.seed)
        if asked.looks:
            left = collect(looks(folder, asked.looks, dice), lambda look: f"{look[0]}: {look[1]}")
            each = {name: [count for other, count in left if other == name] for name in _LOOKERS}
            return LOOKS.show(
                [(name, len(all_), sum(map(bool, all_))) for name, all_ in each.items()]
            )
        if asked.cluster:
            runs = disturbances(folder, journals, asked.cluster, dice, grid)
            disturbed = collect(runs, lambda trial: trial.words)
            KILLED.show(list(killed_rows(disturbed)))
            write("")
            return FAULTY.show(faults(disturbed))
        trials = collect(kills(folder, journals, count, dice, grid), lambda trial: trial.words)
    REACHED.show(list(reached_rows(trials)))
    write("")
    code = COST.show([("of all", max(trial.cost for trial in trials))])
    write("")
    return max(code, FAULTY.show(faults(trials)))


if __name__ == "__main__":
    sys.exit(main())
