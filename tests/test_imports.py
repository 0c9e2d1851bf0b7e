"""Who may import whom: the two wings meet in the vocabulary and in the journal, nowhere else."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FRAMEWORKS = {"tensorflow", "keras", "jax", "torch"}
#: The measuring wing's modules that run inside a launch, where the framework lives.
INSIDE = {
    "server",
    "worker",
    "inner",
    "draw",
    "law",
    "tolerance",
    "memory",
    "rounds",
    "engine",
    "overhead",
    "sides",
    "guard",
}
MEASURING = {"measure", "engine"}
READING = {
    "across",
    "choosing",
    "commands",
    "compare",
    "export",
    "history",
    "library",
    "page",
    "read",
    "replay",
    "report",
    "scaling",
    "stats",
}
#: What tries the whole program, from outside of both wings.
TRIALS = {"trials"}
CORRIDOR = {"case", "errors", "journal", "percent", "planted"}
#: Every package and module at the top stands in one of these.
WINGS = {
    "the measuring wing": MEASURING,
    "the reading wing": READING,
    "the trials": TRIALS,
    "the corridor": CORRIDOR,
    "the door of notebooks": {"__init__"},
}
READERS = {"pandas", "seaborn", "matplotlib"}


def imports(path, *, top_level_only=False):
    """The modules that a file imports, as dotted names."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def packages(path, **how):
    """The top-level packages that a file imports."""
    return {name.partition(".")[0] for name in imports(path, **how)}


def modules():
    """Every module of the core with its room's name."""
    for path in sorted((ROOT / "timelift").rglob("*.py")):
        yield path, path.stem if path.parent.name != "engine" else "engine"


def room_of(path, root=ROOT / "timelift"):
    """The package or module at the top that a file belongs to."""
    return path.relative_to(root).parts[0].removesuffix(".py")


def wings_of(room):
    """The names of the wings that a room is in."""
    return [name for name, rooms in WINGS.items() if room in rooms]


def in_wing(rooms):
    """The modules of a wing."""
    return [path for path, _ in modules() if room_of(path) in rooms]


def _wings(path):
    """The packages of ours that a file imports from."""
    return {name.split(".")[1] for name in imports(path) if name.startswith("timelift.")}


def reached(start):
    """The modules of ours that importing `start` reaches, as dotted names."""
    known = {_dotted(path): path for path, _ in modules()}
    todo, seen = [start], set()
    while todo:
        for name in set(imports(todo.pop())) & known.keys() - seen:
            seen.add(name)
            todo.append(known[name])
    return seen


def _dotted(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_every_module_stands_in_one_wing():
    """A package that is in none would be checked by nothing below."""
    found = {path: wings_of(room_of(path)) for path, _ in modules()}
    assert {path: wings for path, wings in found.items() if len(wings) != 1} == {}
    assert set().union(*WINGS.values()) == {room_of(path) for path in found}


@pytest.mark.parametrize("name", ["strange/new.py", "strange.py", "strange/deeper/read/new.py"])
def test_the_check_of_wings_can_fail(tmp_path, name):
    """A module of a new package, or at the top, is in none until it is said in which."""
    assert wings_of(room_of(tmp_path / name, tmp_path)) == []


def test_nobody_imports_the_trials():
    """They are run by themselves."""
    others = MEASURING | READING | CORRIDOR | {"__init__"}
    assert not [path for path in in_wing(others) if _wings(path) & TRIALS]


def test_only_what_runs_inside_a_launch_imports_a_framework():
    """The pytest process and the reading wing stay free of TensorFlow and Keras."""
    guilty = [
        path for path, room in modules() if packages(path) & FRAMEWORKS and room not in INSIDE
    ]
    assert guilty == []


def test_the_reading_wing_reaches_no_launch_and_the_measuring_wing_no_report():
    """report.py reaches the corridor and its own wing; the worker reaches no pandas."""
    doors = [ROOT / "report.py", *(ROOT / "timelift" / "commands").glob("*.py")]
    wings = {name.split(".")[1] for door in doors for name in reached(door) if "." in name}
    assert not wings & (MEASURING | TRIALS)
    assert wings >= {"case", "stats", "report", "read"}
    inside = [path for path, room in modules() if room in INSIDE]
    assert not [path for path in inside if packages(path) & READERS]
    assert not [path for path in in_wing(MEASURING) if _wings(path) & (READING | TRIALS)]
    assert not [path for path in in_wing(READING) if _wings(path) & MEASURING]


@pytest.mark.parametrize("room", sorted(CORRIDOR))
def test_the_corridor_imports_the_standard_library_alone(room):
    """What both wings share costs nothing to import."""
    known = set(sys.stdlib_module_names) | {"timelift"}
    assert packages(ROOT / "timelift" / f"{room}.py") <= known


@pytest.mark.parametrize("folder", ["strategies", "workloads"])
def test_strategies_and_workloads_import_nothing_of_ours(folder):
    """A strategy can be copied into anyone's project."""
    allowed = FRAMEWORKS | {"numpy", "tf_keras"} | set(sys.stdlib_module_names)
    assert {path.name: packages(path) - allowed for path in (ROOT / folder).glob("*.py")} == {
        path.name: set() for path in (ROOT / folder).glob("*.py")
    }


def test_the_check_of_imports_can_fail(tmp_path):
    """An import hidden in a function is seen."""
    path = tmp_path / "guilty.py"
    path.write_text("def f():\n    from tensorflow import keras\n")
    assert packages(path) & FRAMEWORKS


PROBE = """
import sys, pytest
class Look:
    def pytest_collection_finish(self, session):
        loaded = {"tensorflow", "keras", "pandas"} & set(sys.modules)
        print("LOADED", sorted(loaded), "ITEMS", len(session.items))
%s
pytest.main(["bench/", "--collect-only", "-q"], plugins=[Look()])
"""


@pytest.mark.parametrize(("extra", "loaded"), [("", "[]"), ("import pandas", "['pandas']")])
def test_collecting_imports_no_framework(extra, loaded):
    """A fresh interpreter collects every case without them; the probe does see what is loaded."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE % extra], cwd=ROOT, capture_output=True, text=True, check=False
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("LOADED"))
    assert line.startswith(f"LOADED {loaded} ITEMS ")
    assert int(line.split()[-1]) > 0
