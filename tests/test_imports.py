"""Which room may import which: one line an arrow, held for every module of the tree."""

import ast
import graphlib
import subprocess
import sys

import pytest

from tests.support.projects import ROOT, write

FRAMEWORKS = {"tensorflow", "keras", "jax", "torch", "tf_keras"}
DASK = {"dask", "distributed", "cryptography"}

#: The modules beside the rooms, which any room may import.
GROUND = {*"case errors escape canary inner_layer measurement source project".split()}
#: What rooms never import, and no feature of another; doors alone do.
FEATURES = {*"gate history advise choose selftest cluster".split()}
ROOMS = {*"journal measure analyse present messages rounds".split()}
#: Every room of the product, with the rooms and modules beside them that it imports.
ARROWS = {
    **dict.fromkeys(GROUND, GROUND),
    "messages": GROUND,
    "rounds": set(),
    "journal": GROUND,
    "worker": GROUND | {"messages", "rounds"},
    "analyse": GROUND | {"journal"},
    "measure": GROUND | {"journal", "messages", "rounds"},
    "present": GROUND | {"journal", "analyse"},
    **dict.fromkeys(FEATURES, GROUND | ROOMS),
    "commands": GROUND | ROOMS | FEATURES,
    "cli": GROUND | {"commands", "journal"},
    "__main__": {"cli"},
    "plugin": GROUND | ROOMS | FEATURES | {"commands"},
    "__init__": {"analyse", "present", "advise"},
}


def tree(root):
    """Every Python file below a folder, by its dotted name."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        name = ".".join(path.relative_to(root.parent).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


def imports(path, name=""):
    """The modules that a file imports anywhere in it, also inside functions, as dotted names.

    `name` is the file's own, from which a relative import counts.
    """
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            place = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
            above = place[: len(place) - node.level + 1] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found |= {one.value for one in node.args[:1] if isinstance(one, ast.Constant)}
    return found


def packages(path):
    return {name.partition(".")[0] for name in imports(path)}


def room_of(name):
    """The room, or the module beside the rooms, that a dotted name of ours stands in."""
    return [*name.split("."), "__init__"][1]


def wrong_arrows(root, arrows=ARROWS):
    """Every import from one module of ours to another that no line of `arrows` allows."""
    modules = tree(root)
    wrong = []
    for name, path in modules.items():
        room = room_of(name)
        for target in imports(path, name) & modules.keys() - {root.name}:
            to = room_of(target)
            if to != room and to not in arrows.get(room, ()):
                wrong.append(f"{name} -> {target}")
    return sorted(wrong)


def circle(root):
    """The packages and modules of a circle of imports, if there is one; else nothing.

    A package that holds packages counts by those: what matters is where one can be read by itself.
    """
    modules = tree(root)
    folders = {
        name: name if path.name == "__init__.py" else name.rpartition(".")[0]
        for name, path in modules.items()
        if name.count(".") > 1
    }
    graph = {}
    for name, path in modules.items():
        mine = folders.get(name, name)
        targets = {folders.get(one, one) for one in imports(path, name) & modules.keys()}
        graph.setdefault(mine, set()).update(targets - {mine, root.name})
    graph.pop(root.name, None)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def test_every_arrow_between_rooms_is_allowed():
    assert wrong_arrows(ROOT / "timelift") == []


def test_every_room_has_a_line():
    assert {room_of(name) for name in tree(ROOT / "timelift")} == ARROWS.keys()


def test_no_packages_import_each_other_in_a_circle():
    assert circle(ROOT / "timelift") == []


def test_nothing_of_the_product_imports_what_proves_it():
    files = [*tree(ROOT / "timelift").values(), ROOT / "conftest.py", ROOT / "report.py"]
    assert [path for path in files if packages(path) & {"studies", "tests"}] == []


#: The packages that a room may import beside Python's own; no other room imports a framework.
PACKAGES = {
    **dict.fromkeys([*GROUND, "messages", "rounds"], frozenset()),
    "journal": {"msgspec"},
    "cluster": {"msgspec"} | DASK,
    # the last two each inside a function that goes on without it
    "worker": FRAMEWORKS | {"numpy", "ml_dtypes", "psutil", "pynvml"},
}


def test_what_every_room_imports_is_cheap_and_only_a_launch_imports_a_framework():
    python = {*sys.stdlib_module_names, "timelift"}
    for name, path in tree(ROOT / "timelift").items():
        allowed = PACKAGES.get(room_of(name), packages(path) - FRAMEWORKS - DASK)
        assert packages(path) <= python | allowed, name


@pytest.mark.parametrize("door", ["conftest.py", "report.py"])
def test_a_door_is_short(door):
    assert len((ROOT / door).read_text().splitlines()) < 40


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("analyse/rank.py", "from timelift.present import words"),
        ("analyse/rank.py", "def late():\n    import timelift.present.words"),
        ("present/words.py", "from timelift.measure.request import RunOptions"),
        ("analyse/rank.py", "from timelift import choose"),
        ("history/two.py", "from timelift.gate.rule import judge"),
        ("measure/request.py", "from timelift.worker.law import check"),
        ("case.py", "from timelift import journal"),
        ("case.py", "from . import journal"),
        ("analyse/rank.py", "from ..present import words"),
        ("analyse/rank.py", "importlib.import_module('timelift.present.words')"),
        ("strange/new.py", "from timelift import case"),
    ],
)
def test_a_wrong_arrow_of_each_kind_is_found(tmp_path, name, text):
    rooms = "measure worker analyse present gate history".split()
    modules = "analyse/rank present/words measure/request worker/law journal case rounds "
    modules += "gate/rule history/two choose"
    files = [*(f"{room}/__init__.py" for room in rooms), *(f"{one}.py" for one in modules.split())]
    assert wrong_arrows(write(tmp_path / "timelift", dict.fromkeys(files, ""))) == []
    assert wrong_arrows(write(tmp_path / "timelift", {name: text}))


def test_a_circle_is_found(tmp_path):
    files = {"a/__init__.py": "", "a/x/__init__.py": "", "a/y/__init__.py": "", "a/y/two.py": ""}
    files |= {"a/x/one.py": "from timelift.a.y import two", "a/x/other.py": ""}
    root = write(tmp_path / "timelift", files)
    assert circle(root) == []
    write(root, {"a/y/three.py": "from timelift.a.x import other"})
    assert set(circle(root)) == {"timelift.a.x", "timelift.a.y"}


FRAMEWORK = {"tensorflow", "keras"}
#: What takes long to import, or is not there in an environment that only reads.
DEAR = (
    FRAMEWORK | DASK | {*"numpy pandas scipy matplotlib rich msgspec psutil jinja2 pytest".split()}
)
REPORT = """
import tempfile
from timelift import cli
with tempfile.TemporaryDirectory() as folder:
    cli.main(["report", "tests/golden/results/golden/night0.jsonl", "--output", folder])
"""
#: Programs, each with what it must not import.
PROGRAMS = {
    "from timelift import cli; assert cli.main(['--help']) == 0": DEAR,
    "from timelift import cli; assert cli.main(['--version']) == 0": DEAR,
    "import timelift; timelift.__version__": DEAR | {"timelift.cli"},
    "import timelift": DEAR | {"importlib.metadata", "timelift.cli"},
    "from timelift import cli; assert cli.main(['cmopare', 'a', 'b']) == 1": DEAR,
    REPORT: FRAMEWORK | {"pytest"},
    "from timelift.commands import additions, choose, report": {"timelift.measure"},
    "import timelift.plugin": DEAR - {"pytest"} | {"pytest_benchmark"},
    "import pytest; assert pytest.main(['bench/', '--collect-only', '-q']) == 0": FRAMEWORK
    | {"scipy", "pandas", "rich", "distributed"},
}


def imported(program):
    """The modules that an interpreter has imported at the end of a program."""
    words = [sys.executable, "-c", f"{program}\nimport sys; print('IMPORTED', *sys.modules)"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return {*done.stdout.rpartition("IMPORTED ")[2].split()}


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_should_be_quick_imports_nothing_dear(program):
    assert not imported(program) & PROGRAMS[program]


def test_an_import_is_seen():
    assert imported("import pandas") >= {"pandas", "numpy"}
