"""Reading never executes: no strategy is loaded, nothing unpickled, no module that a file names."""

import itertools
import json
import os
import pickle
import subprocess
import sys

import pytest

from tests import journals
from tests.projects import ROOT
from tests.repositories import write

#: A module that leaves a file when it is executed.
TRAP = "'A trap.'\nopen({0!r}, 'a').write(__name__)\n"
NAME = "trap"
#: Commands in a process whose first place for modules is the project with the traps.
PROBE = """
import json, sys
from pathlib import Path
import report
report.ROOT = Path.cwd()
sys.path.insert(0, str(report.ROOT))
{spring}
print("CODES", *map(report.main, json.loads(sys.argv[1])))
"""


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "a")


@pytest.fixture
def sprung(tmp_path):
    """A project in which whatever a run names is a trap; the file that a trap leaves."""
    left = tmp_path / "sprung"
    places = itertools.product(("strategies", "workloads", "."), (NAME, "native"))
    write(tmp_path, {f"{folder}/{name}.py": TRAP.format(str(left)) for folder, name in places})
    return left


def _journal(project):
    """A run that names traps wherever a name, a file or a command can stand."""
    cases = journals.grid((NAME, "native"), (NAME,), seq_lens=(8, 16), device=NAME)
    entry = {"title": NAME, "module": NAME, "meaning": {NAME: "trap:build"}}
    header = journals.header(
        command=["python", f"{NAME}.py"],
        options={"layer": "trap:make_layer", "__class__": NAME},
        sources={f"strategies/{NAME}.py": "0"},
        strategies={NAME: entry, f"{NAME}:build": entry},
        commit={"id": "$(touch sprung)", "dirty": False},
    )
    lines = list(journals.campaign(cases, rounds=3))
    for line in lines:
        line["facts"]["__reduce__"] = ["os.system", "touch sprung"]
    path = project / "results" / "machine" / "run.jsonl"
    return journals.write(path, header, *lines, journals.END)


def _codes(project, *commands, spring=""):
    """Run commands in one process; return their exit codes, none if it broke off."""
    words = json.dumps([[*map(str, command)] for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(spring=spring), words],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    codes = [line for line in done.stdout.splitlines() if line.startswith("CODES")]
    return codes[0].split()[1:] if codes else []


def test_no_command_executes_what_a_journal_names(sprung):
    project = sprung.parent
    path = _journal(project)
    ask = ("choose", "--workloads", NAME, "--seq-lens", 8, "--batch-sizes", 8)
    others = [("compare", path, path), ("history",), ("report", path, NAME)]
    codes = _codes(project, (), ask, *others, (*ask, "--json"), (*ask, "--code"))
    assert codes == ["0"] * (4 + len(others))
    assert not sprung.exists()


@pytest.mark.parametrize("kind", ["a pickle", "a pickle among the lines", "a program"])
def test_what_is_no_journal_is_not_executed_either(sprung, kind):
    project = sprung.parent
    path = _journal(project)
    bomb = pickle.dumps(Bomb(sprung))
    content, code = {
        "a pickle": (bomb, "1"),
        "a pickle among the lines": (path.read_bytes() + bomb + b"\n", "0"),
        "a program": ((project / f"{NAME}.py").read_bytes(), "1"),
    }[kind]
    names = ("foreign.jsonl", "foreign.pickle", "foreign.py", "foreign.npy")
    for name in names:
        (project / name).write_bytes(content)
    assert _codes(project, *(("report", project / name, NAME) for name in names)) == [code] * 4
    assert not sprung.exists()


@pytest.mark.parametrize(
    "spring",
    [
        f"import {NAME}",
        "import pickle; pickle.load(open('bomb', 'rb'))",
        f"from timelift.worker import user_code; user_code.load_module('strategies/{NAME}.py')",
    ],
)
def test_a_trap_springs_where_it_is_executed(sprung, spring):
    project = sprung.parent
    (project / "bomb").write_bytes(pickle.dumps(Bomb(sprung)))
    _codes(project, ("report", _journal(project), NAME), spring=spring)
    assert sprung.exists()
