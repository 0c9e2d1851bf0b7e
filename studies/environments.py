"""Fresh environments that timelift is installed into and tried in; prints docs/environments.md.

`python -m studies.environments [CORNER …]`; 1 where anything fails, or reads a run differently.

Each corner is a virtual environment in a temporary folder, with the wheel of this checkout and a
backend, at the newest versions that pip finds or at the lower bounds of `pyproject.toml`. There the
default strategies are built, held to the law and called, forward and backward, on three workloads;
a small run is measured and reported; and the stored runs of `tests/golden` are read, which must say
what they say here. An environment is removed before the next is made.

A Python that is not installed is a row without figures; it tells whether pip finds wheels of
everything for it. `--quick` tries JAX without TensorFlow, on one workload,
and reads with two commands.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from packaging.requirements import Requirement

from studies import ROOT, answer, named, parser, write
from studies.scoreboard import Column, Row, Scoreboard
from studies.support import Notes
from tests.golden import commands
from timelift.errors import UserError

# Corners -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Corner:
    """A Python and an extra of the wheel, which brings the backend; without one it reads runs."""

    python: str
    extra: str = ""
    oldest: bool = False

    @property
    def name(self) -> str:
        age = "oldest" if self.oldest else "newest"
        return f"{age}-{self.extra or 'reading'}-{self.python}"


#: PyTorch is tried on one Python alone: its wheels for Linux bring CUDA, 5 GB, unless pip is told.
CORNERS = {
    one.name: one
    for one in (
        *(Corner(python, "tensorflow") for python in ("3.11", "3.12", "3.13", "3.14")),
        *(Corner(python, "jax") for python in ("3.11", "3.13", "3.14")),
        Corner("3.11", "torch"),
        Corner("3.13"),
        *(Corner("3.11", extra, oldest=True) for extra in ("tensorflow", "jax", "")),
    )
}
QUICK = "newest-jax-3.11"
#: Packages whose versions are columns.
SHOWN = ("keras", "numpy", "scipy", "pandas", "matplotlib", "pytest")
BOARD = Scoreboard(
    (
        *map(Column, ("corner", "Python", "backend", *SHOWN)),
        Column("cases that pass"),
        Column("refused"),
        Column("failed", most=0),
        Column("read differently", most=0),
        Column("note"),
    ),
    words=3 + len(SHOWN),
)

SIZES = "--seq-lens 3 --batch-sizes 2"
LAW = (
    f"bench {SIZES} -k test_forward --phases forward,backward "
    "--benchmark-disable --junitxml law.xml"
)
MEASURED = f"bench {SIZES} -k test_forward --workloads sensor --launches 1 --round-seconds 0.02"
REPORTED = "report --output page"
#: Commands of `tests/golden` that between them use every library that reads.
READ = (
    *("baseline", "report", "tables", "scaling", "modes", "choose", "compare", "history"),
    *("export-csv", "export-github"),
)


@dataclass(frozen=True)
class Checks:
    """What is tried in an environment: workloads under the law, and commands that read runs."""

    workloads: str
    read: Sequence[str]


ALL, FEW = Checks("sensor,tokens,sentences", READ), Checks("sensor", ("report", "choose"))


def lower_bounds(project: Mapping[str, Any], extra: str) -> Iterator[str]:
    """Return each direct requirement of a `pyproject.toml` at its lower bound, as a pin."""
    for text in (*project["dependencies"], *project["optional-dependencies"].get(extra, ())):
        one = Requirement(text)
        lowest = [bound.version for bound in one.specifier if bound.operator == ">="]
        yield from (f"{one.name}=={version}" for version in lowest)


# One environment ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    printed: str
    complained: str

    @property
    def last_line(self) -> str:
        lines = [line for line in (self.printed + self.complained).splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"exit code {self.code} without a word"


Run = Callable[[Sequence[str], Path], Done]


def run_alone(command: Sequence[str], folder: Path) -> Done:
    """Run a command in a folder that knows of no other Python, backend or run of timelift."""
    foreign = ("PYTHON", "KERAS", "VIRTUAL_ENV", "PYTEST_", "GITHUB_", "COLUMNS")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    done = subprocess.run(
        command,
        cwd=folder,
        env=clean | {"TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Environment:
    """A folder with a virtual environment, and how commands are run in it."""

    home: Path
    run: Run = run_alone

    @property
    def python(self) -> str:
        return str(self.home / "venv" / "bin" / "python")

    def install(self, python: str, packages: Sequence[str]) -> str:
        """Make the environment; return what pip says where it cannot."""
        done = self.run([python, "-m", "venv", str(self.home / "venv")], self.home)
        if not done.code:
            pip = [self.python, "-m", "pip", "install", "--quiet"]
            done = self.run([*pip, *packages], self.home)
        return done.last_line if done.code else ""

    def versions(self) -> dict[str, str]:
        listed = self.run([self.python, "-m", "pip", "list", "--format", "json"], self.home)
        found = {one["name"].lower(): one["version"] for one in json.loads(listed.printed)}
        about = self.run([self.python, "--version"], self.home)
        return found | {"python": about.printed.split()[-1]}

    def timelift(self, words: str, folder: Path) -> Done:
        return self.run([self.python, "-m", "timelift", *words.split()], folder)


@dataclass(frozen=True)
class Tried:
    """What became of a corner, and the reasons for what did not pass."""

    corner: Corner
    versions: Mapping[str, str] = field(default_factory=dict)
    cases: Mapping[str, int] | None = None
    different: int | None = None
    reasons: Sequence[str] = ()

    def row(self, notes: Notes) -> Row:
        of = self.versions.get
        backend = f"{self.corner.extra} {of(self.corner.extra, '')}".strip() or "none"
        words = [self.corner.name, of("python", "-"), backend, *(of(one, "-") for one in SHOWN)]
        cases = self.cases or {}
        counts = [cases.get(one) for one in ("passed", "skipped", "failure")]
        return [*words, *counts, self.different, notes.footnoted("", self.reasons).strip()]


def attempt(
    corner: Corner, wheel: Path, home: Path, checks: Checks = ALL, run: Run = run_alone
) -> Tried:
    """Make a corner's environment in a folder, and try there what is to be tried."""
    packages = _packages(corner, wheel, home)
    python = _interpreter(corner.python, home, run)
    if not python:
        return Tried(corner, reasons=[_wheels(corner.python, packages, home, run)])
    environment = Environment(home, run)
    if trouble := environment.install(python, packages):
        return Tried(corner, cases={"failure": 1}, reasons=[trouble])
    cases, reasons = Counter[str](), list[str]()
    if corner.extra:
        cases, reasons = _bench(environment, corner.extra, checks.workloads)
    different = list(_read_differently(environment, checks.read))
    told = [f"{name} reads differently" for name in different]
    return Tried(corner, environment.versions(), cases, len(different), [*reasons, *told])


def _packages(corner: Corner, wheel: Path, home: Path) -> list[str]:
    """Return pip's words for the wheel with its extra, and for how old the rest may be."""
    extra = f"[{corner.extra}]" if corner.extra else ""
    wanted = [f"timelift{extra} @ {wheel.as_uri()}"]
    if not corner.oldest:
        return wanted
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = home / "lower-bounds.txt"
    pins.write_text("\n".join(lower_bounds(project, corner.extra)))
    return [*wanted, "--constraint", str(pins)]


def _interpreter(version: str, home: Path, run: Run) -> str:
    """Return the Python of a version that can make environments; empty where there is none."""
    found = shutil.which(f"python{version}")
    return found if found and not run([found, "-c", "import ensurepip"], home).code else ""


def _wheels(version: str, packages: Sequence[str], home: Path, run: Run) -> str:
    """Return whether pip finds wheels of everything for a Python that is not installed."""
    asked = ["--dry-run", "--quiet", "--only-binary", ":all:", "--target", str(home / "unused")]
    pip = [sys.executable, "-m", "pip", "install", *asked, "--python-version", version]
    done = run([*pip, *packages], home)
    wheels = f"no wheels: {done.last_line}" if done.code else "there are wheels of everything"
    return f"not tried, Python {version} is not installed; {wheels}"


# What is tried in it -----------------------------------------------------------------------------


def _bench(
    environment: Environment, backend: str, workloads: str
) -> tuple[Counter[str], list[str]]:
    """Hold the default strategies to the law, then measure a few and report them."""
    folder = environment.home / "project"
    folder.mkdir()
    done = environment.timelift(f"{LAW} --workloads {workloads} --backends {backend}", folder)
    cases, reasons = _cases(folder / "law.xml")
    if not cases:
        cases["failure"] += 1
        reasons.append(f"the bench: {done.last_line}")
    for words in (f"{MEASURED} --backends {backend}", REPORTED):
        done = environment.timelift(words, folder)
        if done.code:
            cases["failure"] += 1
            reasons.append(f"timelift {words.split()[0]}: {done.last_line}")
    if not (folder / "page" / "index.html").exists():
        cases["failure"] += 1
        reasons.append("the run that was measured has no page")
    return cases, reasons


def _cases(junit: Path) -> tuple[Counter[str], list[str]]:
    """Count what pytest's XML says of cases, and return the reasons of those that failed."""
    counts, reasons = Counter[str](), dict[str, None]()
    if not junit.exists():
        return counts, []
    for case in ET.parse(junit).iter("testcase"):  # noqa: S314 - pytest wrote it a moment ago
        became = [one for one in case if one.tag in {"failure", "error", "skipped"}]
        word = became[0].tag.replace("error", "failure") if became else "passed"
        counts[word] += 1
        if word == "failure":
            message = became[0].get("message", "").splitlines()[0]
            reasons[re.sub(rf"^Failed: {re.escape(_label(case))}: ", "", message)] = None
    return counts, list(reasons)


def _label(case: ET.Element) -> str:
    return case.get("name", "").partition("[")[2].removesuffix("]")


def _read_differently(environment: Environment, names: Sequence[str]) -> Iterator[str]:
    """Return the commands of the golden files that print something else in an environment."""
    folder = environment.home / "reading"
    folder.mkdir()
    shutil.copytree(commands.HERE / "results", folder / "results")
    kept = commands.stored()
    for name in names:
        done = environment.timelift(commands.COMMANDS[name].replace("OUT", name), folder)
        said = f"exit code {done.code}\n--- stdout\n{done.printed}--- stderr\n{done.complained}"
        if rounded(said) != rounded(_printed(kept[f"{name}.txt"])):
            yield name


def _printed(golden: str) -> str:
    """Return a golden text without the command and the names of the figures that it drew."""
    return re.sub(r"^(\$ .*|a figure: .*)\n", "", golden, flags=re.MULTILINE)


def rounded(text: str) -> str:
    """Round every fraction to 5 digits: SciPy's quantiles differ by version in the twelfth."""
    return re.sub(r"\d+\.\d+(e-?\d+)?", lambda found: f"{float(found[0]):.5g}", text)


# The table ---------------------------------------------------------------------------------------


def main(words: Sequence[str] | None = None) -> int:
    options = parser("environments", __doc__)
    options.add_argument("corners", nargs="*", metavar="CORNER", help=", ".join(CORNERS))
    return answer(options, words, _run)


def _run(asked: argparse.Namespace) -> int:
    corners = named(CORNERS, ",".join([QUICK] if asked.quick else asked.corners) or "all")
    notes, checks = Notes(), FEW if asked.quick else ALL
    with tempfile.TemporaryDirectory(prefix="timelift-environments-") as folder:
        wheel = _wheel(Path(folder))
        rows = [one.row(notes) for one in _tried(corners.values(), wheel, Path(folder), checks)]
    for line in (*BOARD.markdown(rows), "", *notes.lines()):
        write(line)
    wrong = [one for row in rows for one in BOARD.complaints(row)]
    sys.stderr.writelines(f"{one}\n" for one in wrong)
    return int(bool(wrong))


def _tried(corners: Iterable[Corner], wheel: Path, folder: Path, checks: Checks) -> Iterator[Tried]:
    for corner in corners:
        home = folder / corner.name
        home.mkdir()
        sys.stderr.write(f"{corner.name}\n")
        yield attempt(corner, wheel, home, checks)
        shutil.rmtree(home)


def _wheel(folder: Path) -> Path:
    """Build this checkout's wheel; raises UserError with what pip says where it cannot."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", "wheel"]
    done = run_alone([*pip, str(ROOT)], folder)
    if done.code:
        raise UserError(f"the wheel cannot be built: {done.last_line}")
    return next((folder / "wheel").glob("timelift-*.whl"))


if __name__ == "__main__":
    sys.exit(main())
