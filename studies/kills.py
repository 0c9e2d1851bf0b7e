"""Kill runs and go on with them: `python -m studies.kills --kills 100`.

Each time `pytest bench/` is started in a small project and its process gets a signal at a random
moment, mostly SIGKILL; then `pytest bench/ --resume` goes on. Nothing that was in the journal may
be lost or played twice, nothing may be missing at the end, no process may be left, and nobody may
see a traceback. A run that was killed before it had a journal is measured anew. `--journals` keeps
the journals and what was printed.
"""

import contextlib
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from signal import Signals, default_int_handler
from signal import signal as set_handler

from studies import parser, remains
from studies.remains import FAULTS, Reached
from studies.scene import QUICK, USUAL, Grid, Scene, ended
from studies.scoreboard import Column, Row, Scoreboard
from timelift.errors import UserError
from timelift.escape import plain

#: How often each signal is drawn, in ten.
SIGNALS = {Signals.SIGKILL: 6, Signals.SIGTERM: 2, Signals.SIGINT: 2}
#: Seconds between two glances at a journal.
_GLANCE = 0.02
TOGETHER = "together"
#: How far the runs were when they were killed, and what should not be found after it.
CAME = Scoreboard([Column(title) for title in ("signal", *Reached, TOGETHER)])
FAULTY = Scoreboard((Column("fault"), Column("found", most=0)))
#: pytest's exit code for a wrong option.
_USAGE_ERROR = 4


@dataclass(frozen=True)
class Usual:
    """A run that nobody disturbed: the labels of its cases, its seconds, and those of its lines."""

    cases: frozenset[str]
    seconds: float
    came: Sequence[float]

    def before(self, share: float) -> tuple[int, float, float]:
        """Where a share of it ends: after how many lines, when the last came, how much later."""
        moment = share * self.seconds
        last = max((one for one in self.came if one <= moment), default=0.0)
        return sum(one <= moment for one in self.came), last, moment - last


def usual(scene: Scene) -> Usual:
    """Run to the end; raises UserError where that fails, since then no kill says anything."""
    started = time.monotonic()
    came: list[float] = []
    with scene.start("undisturbed", scene.grid.words) as run:
        while run.poll() is None:
            now = time.monotonic() - started
            came += [now] * (len(scene.lines()) - len(came))
            time.sleep(_GLANCE)
    if run.returncode:
        last = scene.said("undisturbed").strip().splitlines()[-1:]
        raise UserError(f"an undisturbed run ended with exit code {run.returncode}: {last}")
    return Usual(remains.labels(scene.lines()), time.monotonic() - started, came)


@dataclass(frozen=True)
class Kill:
    """What became of a run: its signal, after what share, how far it was, and its faults."""

    signal: Signals
    share: float
    reached: Reached
    measured: int
    faults: Mapping[str, int]

    @property
    def words(self) -> str:
        """The same in a line."""
        found = ", ".join(f"{word}: {count}" for word, count in self.faults.items() if count)
        where = f"{self.reached} ({self.measured} lines)" if self.measured else f"{self.reached}"
        return f"{self.signal.name} after {self.share:.0%}, {where}: {found or 'all is there'}"


def kill(scene: Scene, undisturbed: Usual, signal: Signals, share: float) -> Kill:
    """Kill a run after a share of it, go on with it, and count what should not be."""
    code = _strike(scene, undisturbed, signal, share)
    orphans = scene.orphans()
    before = scene.lines()
    reached = remains.reached(before)
    hung = code == -Signals.SIGKILL and signal is not Signals.SIGKILL
    wrong = hung + _go_on(scene, reached)
    faults = {
        **_faults(scene, undisturbed, before),
        "orphans": orphans + scene.orphans(),
        "tracebacks": _tracebacks(scene, reached),
        "wrong endings": wrong,
    }
    return Kill(signal, share, reached, len(remains.measurements(before)), faults)


def _faults(scene: Scene, undisturbed: Usual, before: Iterable[bytes]) -> dict[str, int]:
    """Count the faults of a journal that was gone on with."""
    after = scene.lines()
    return {
        "lost": remains.lost(before, after),
        "duplicates": remains.duplicates(after),
        "missing": remains.missing(after, undisturbed.cases, scene.grid.launches),
    }


def _tracebacks(scene: Scene, reached: Reached) -> int:
    killed = remains.tracebacks(scene.said("killed"), ours=reached is not Reached.IMPORTS)
    return killed + sum(remains.tracebacks(scene.said(name)) for name in ("resumed", "anew"))


def _strike(scene: Scene, undisturbed: Usual, signal: Signals, share: float) -> int:
    """Start a run and send it a signal after a share of what it usually does; give its exit code.

    Seconds count as slowly as the machine is now, by when the lines before that moment came.
    """
    lines, last, later = undisturbed.before(share)
    started = time.monotonic()
    with scene.start("killed", scene.grid.words) as run:
        while len(scene.lines()) < lines and run.poll() is None:
            time.sleep(_GLANCE)
        pace = (time.monotonic() - started) / last if last else 1.0
        with contextlib.suppress(subprocess.TimeoutExpired):
            return run.wait(later * pace)
        run.send_signal(signal)
        return ended(run)


def _go_on(scene: Scene, reached: Reached) -> int:
    """Go on with a run, or measure anew where it had no journal; count the wrong endings."""
    code = scene.run("resumed", "--resume")
    if reached is not Reached.IMPORTS:
        return int(code != 0)
    said = [line for line in scene.said("resumed").splitlines() if "--resume: " in line]
    refused = code == _USAGE_ERROR and len(said) == 1
    return int(not refused) + int(scene.run("anew", scene.grid.words) != 0)


def main(words: Sequence[str] | None = None) -> int:
    """Kill runs and print what became of each, and of all; 1 where anything was found."""
    options = parser("kills", __doc__)
    options.add_argument("--kills", type=int, default=100, metavar="N", help="default: 100")
    options.add_argument("--journals", type=Path, metavar="FOLDER")
    asked = options.parse_args(words)
    many, grid = (1, QUICK) if asked.quick else (asked.kills, USUAL)
    set_handler(Signals.SIGINT, default_int_handler)  # a shell's background job would be deaf to it
    found: list[Kill] = []
    try:
        with tempfile.TemporaryDirectory(prefix="timelift-kills-") as folder:
            journals = asked.journals.resolve() if asked.journals else Path(folder, "results")
            for one in kills(Path(folder), journals, many, random.Random(1 + asked.seed), grid):
                found.append(one)
                _say(f"kill {len(found)}: {one.words}")
    except KeyboardInterrupt:
        _say("interrupted; what there is:")
    except UserError as error:
        sys.stderr.write(f"studies.kills: {plain(error)}\n")
        return 1
    CAME.show(list(came(found)))
    _say("")
    return FAULTY.show(list(faults(found)))


def kills(
    folder: Path, journals: Path, many: int, dice: random.Random, grid: Grid = USUAL
) -> Iterator[Kill]:
    """Kill so many runs of one project, each after a share of a whole run."""
    if journals.is_dir() and any(journals.iterdir()):
        raise UserError(f"{str(journals)!r} is not empty; name a new folder with --journals")
    calm = Scene.made(folder, journals / "undisturbed", grid)
    undisturbed = usual(calm)
    _say(f"undisturbed: {len(undisturbed.cases)} cases, {undisturbed.seconds:.1f} s")
    for number in range(1, many + 1):
        (signal,) = dice.choices(list(SIGNALS), list(SIGNALS.values()))
        scene = replace(calm, results=journals / f"kill-{number}")
        yield kill(scene, undisturbed, signal, dice.random())


def _say(*said: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in said))
    sys.stdout.flush()


def came(found: Sequence[Kill]) -> Iterator[Row]:
    """Count when the kills came, by their signals."""
    counts = Counter((one.signal.name, one.reached) for one in found)
    for name in (signal.name for signal in SIGNALS):
        mine = [counts[name, reached] for reached in Reached]
        yield name, *mine, sum(mine)
    sums = [sum(counts[signal.name, reached] for signal in SIGNALS) for reached in Reached]
    yield TOGETHER, *sums, len(found)


def faults(found: Sequence[Kill]) -> Iterator[Row]:
    """Sum each fault over all kills."""
    yield from ((word, sum(one.faults[word] for one in found)) for word in FAULTS)


if __name__ == "__main__":
    sys.exit(main())
