"""The reader's commands in this process, with everything watched that a file must not bring about.

`Readers.read` passes a file's bytes to commands as a user would, and returns what went wrong: an
exception that is no sentence, a file written outside of the folders that are named, a control code
on the output, a script or a formula in what was written, a process or a pickle.
"""

import contextlib
import csv
import io
import os
import random
import re
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import report
from tests import journals
from tests.pages import harm, loads
from timelift import ended
from timelift.analyse.runs import results
from timelift.errors import UserError
from timelift.journal import BASELINE_FOLDER, is_closed
from timelift.present import case_table, figures, page, terminal
from timelift.present.exports import BINARY, FORMATS
from timelift.present.folder import write as write_file
from timelift.present.report import in_markdown
from timelift.present.tables import csv_of_values

#: The share of exports that go to a file.
_TO_FILE = 0.2
#: What no output may hold that is no terminal's.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_FORMULA = re.compile(r"\s*[=@+\uff1d\uff20\uff0b]|-(?![\d.])")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: Events of the interpreter that change a file; their first arguments are paths.
_CHANGES = {"os.mkdir": 1, "os.rename": 2, "os.remove": 1, "os.rmdir": 1, "os.symlink": 2}
_RUNS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect"}
#: What went wrong, in the order of the printed table.
KINDS = ("traceback", "written outside", "control code", "script", "formula", "executed", "lost")


@dataclass
class Watch:
    """What the interpreter is told of while `allowed` is set: files changed, programs started."""

    allowed: tuple[str, ...] = ()
    outside: list[str] = field(default_factory=list)
    executed: list[str] = field(default_factory=list)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note an event; the interpreter calls this."""
        if not self.allowed:
            return
        if event in _RUNS or event == "pickle.find_class":
            self.executed.append(f"{event} {arguments!r:.200}")
        elif event == "open":
            path, mode, flags = arguments
            writes = bool(flags & _WRITES) if isinstance(flags, int) else "r" not in (mode or "r")
            self._path(path, writes=writes)
        elif event in _CHANGES:
            for path in arguments[: _CHANGES[event]]:
                self._path(path, writes=True)

    def _path(self, path: object, *, writes: bool) -> None:
        if not writes or isinstance(path, int):
            return
        real = os.path.realpath(os.fspath(path))  # type: ignore[call-overload]
        if not any(real == one or real.startswith(one + os.sep) for one in self.allowed):
            self.outside.append(real)

    @contextlib.contextmanager
    def on(self, *allowed: Path) -> Iterator[None]:
        """Watch, and let these folders be written."""
        self.outside, self.executed = [], []
        self.allowed = tuple(os.path.realpath(one) for one in allowed)
        try:
            yield
        finally:
            self.allowed = ()


WATCH = Watch()
sys.addaudithook(WATCH)
#: Where every module was imported that a command imports: only then is the watch not fooled.
_WARM: list[Path] = []
_FEW = journals.grid(("native", "fold_time"), seq_lens=(8, 16), phases=("forward",))


@dataclass
class Readers:
    """A project at `home` with one honest run, whose reader is given other files."""

    home: Path

    def __post_init__(self) -> None:
        """Lay the project out: a run of each of three days."""
        self.folder = self.home / "results" / journals.MACHINE["name"]
        self.folder.mkdir(parents=True)
        for day in (1, 2, 3):
            header = journals.header(id=f"day{day}", started=f"2026-01-0{day}T00:00:00+00:00")
            lines = journals.campaign(_FEW, launches=3, rounds=3)
            self.honest = journals.write(self.folder / f"day{day}.jsonl", header, *lines)
        self.path = self.folder / "foreign.jsonl"
        if not _WARM:
            _WARM.append(self.home)
            self.read(self.honest.read_bytes(), every=True)

    def read(self, data: bytes, *, every: bool = False) -> list[tuple[str, str]]:
        """Return each kind of harm that commands do with a file, and what it was.

        The commands, but for the first, are those that its bytes choose, unless `every` is asked.
        """
        self.path.write_bytes(data)
        chance = random.Random(data)
        found: list[tuple[str, str]] = []
        for share, command in self._commands(chance):
            if every or chance.random() < share:
                found += self._play(command)
        self.path.unlink()
        shutil.rmtree(self.home / "results" / BASELINE_FOLDER, ignore_errors=True)
        return found

    def _commands(self, chance: random.Random) -> list[tuple[float, Sequence[str]]]:
        """Commands, each with the share of files that it is tried on."""
        path, out, honest = str(self.path), str(self.home / "out"), str(self.honest)
        format_ = chance.choice(sorted(FORMATS))
        sizes = [str(chance.choice((1, 5, 16, 100))) for _ in "ab"]
        ask = ["--workload", "tokens", "--seq-len", sizes[0], "--batch", sizes[1]]
        goal = ["--goal", chance.choice(("time", "memory", "first-call"))]
        to_file = format_ in BINARY or chance.random() < _TO_FILE
        written = ["--output", f"{out}/export"] if to_file else []
        pair = [honest, path] if chance.random() < 0.5 else [path, honest]
        return [
            (1.00, ["words", path, "--output", out]),
            (0.50, ["tables", path]),
            (0.15, ["modes", path]),
            (0.30, ["choose", "--run", path, *goal]),
            (0.10, ["choose", "--run", path, *ask, *goal]),
            (0.25, ["compare", *pair, "--across-machines", "--strict"]),
            (0.05, ["compare", path, path, "--all"]),
            (0.40, ["export", format_, path, *written]),
            (0.20, ["baseline", path, "--replace"]),
            (0.04, ["changes", "--output", out]),
            (0.005, ["history", "--output", out]),
            (0.05, ["page", path, "--github-summary", "--output", out]),
            (0.006, ["figures", path, "--output", out]),
            (0.05, ["library", path]),
            (0.10, ["ending", path]),
            (0.05, ["replay", path]),
            (0.05, ["watch", path]),
        ]

    def _play(self, words: Sequence[str]) -> list[tuple[str, str]]:
        """Run one command; return what went wrong."""
        door = _DOORS.get(words[0], _report)
        found = self.watched(lambda: door(words, self.home))
        return [(kind, f"{' '.join(words)!a}: {what}") for kind, what in found]

    def watched(self, call: Callable[[], object]) -> list[tuple[str, str]]:
        """Call something that may write into `out` and beside the runs; return what went wrong."""
        out = self.home / "out"
        kept = [self.home / "results" / one for one in (BASELINE_FOLDER,)]
        said, complained = (_stream() for _ in "ab")
        with WATCH.on(out, *kept, Path(os.devnull)), _streams(said, complained):
            found = _ended(call)
        found += [("written outside", path) for path in WATCH.outside]
        found += [("executed", what) for what in WATCH.executed]
        for stream in (said, complained):
            stream.flush()
            found += _codes(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
        return found + [one for path in _written(out) for one in _harm(path)]


def _ended(call: Callable[[], object]) -> list[tuple[str, str]]:
    """Call something; return its traceback, unless it ended in a sentence."""
    try:
        call()
    except UserError as error:
        sys.stderr.write(f"{str(error)!a}\n")
    except BaseException:  # noqa: BLE001 - whatever it is, it is the reader's fault
        return [("traceback", traceback.format_exc())]
    return []


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), "utf-8", errors="strict")


@contextlib.contextmanager
def _streams(said: io.TextIOWrapper, complained: io.TextIOWrapper) -> Iterator[None]:
    complained.reconfigure(errors="backslashreplace")
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
        yield


def _codes(text: str) -> list[tuple[str, str]]:
    found = CONTROL.search(text)
    return [("control code", f"{text[max(0, found.start() - 40) :][:80]!a}")] if found else []


def _written(out: Path) -> Iterator[Path]:
    """Yield the files that a command wrote, each only once."""
    for path in sorted(out.rglob("*")):
        if path.is_file():
            yield path
            path.unlink()


def _harm(path: Path) -> list[tuple[str, str]]:
    """Look for scripts, control codes and formulas in a written file."""
    if path.suffix in {".png", ""}:
        return []
    text = path.read_text("utf-8")
    found = _codes(text)
    if path.suffix == ".html":
        found += [("script", str(one)) for one in (*harm(text), *loads(text))]
    if path.suffix == ".svg":
        found += [("script", str(one)) for one in harm(text)]
    if path.suffix == ".md":
        found += [("script", text[:80]) for _ in re.findall(r"<(?!sub>|/sub>|br>)\w", text)]
    if path.suffix == ".csv":
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        found += [("formula", f"{cell!a}") for cell in cells if _FORMULA.match(cell)]
    return [(kind, f"{path.name}: {what}") for kind, what in found]


def _report(words: Sequence[str], home: Path) -> None:
    """Run a command as `report.py` does, in the project at `home`."""
    given = list(words[1:] if words[0] in {"page", "figures"} else words)
    summary = {"GITHUB_STEP_SUMMARY": str(home / "out" / "summary.md")}
    with mock.patch.object(report, "ROOT", home), mock.patch.dict(os.environ, summary):
        (home / "out").mkdir(exist_ok=True)
        report.main(given)


def _words(words: Sequence[str], home: Path) -> None:
    """Make the report without its page."""

    def write(found: Any, report: Any, folder: Path, **_: Any) -> str:
        write_file(folder / "report.md", in_markdown(report))
        write_file(folder / "measurements.csv", csv_of_values(case_table.for_programs(found)))
        return "written"

    with mock.patch.object(page, "write_report", write):
        _report(words[1:], home)


def _page(words: Sequence[str], home: Path) -> None:
    """Make the report without its figures, which take most of the time."""
    with mock.patch.object(figures, "of_run", return_value={}):
        _report(words, home)


def _changes(words: Sequence[str], home: Path) -> None:
    """Report the history without its figures."""
    with mock.patch.object(figures, "save", return_value=[]):
        _report(["history", *words[1:]], home)


def _library(words: Sequence[str], _: Path) -> None:
    import timelift

    for level in ("measurement", "launch", "round"):
        timelift.load(words[1], level)


def _ending(words: Sequence[str], home: Path) -> None:
    path = Path(words[1])
    end = ended.end(ended.find(path, home), path, home, None)
    sys.stdout.write(terminal.summary_text(end, 80, colour=False))
    list(ended.gate_lines(path))


def _watch(words: Sequence[str], _: Path) -> None:
    is_closed(Path(words[1]))


_DOORS = {
    "words": _words,
    "page": _page,
    "changes": _changes,
    "library": _library,
    "ending": _ending,
    "watch": _watch,
}


def measured(data: bytes, path: Path) -> tuple[set[str], tuple[str, ...]]:
    """The labels of what was read of a file, and its warnings; nothing where it is refused."""
    path.write_bytes(data)
    try:
        run = results.load(path)
    except UserError:
        return set(), ()
    return {f"{one.case.label} {x.number}" for one in run.measurements for x in one.launches}, (
        run.warnings
    )
