"""Which room may import which: one line a room, held for every module; and no test another."""

import ast
import graphlib
import subprocess
import sys

import pytest

from tests.support.projects import ROOT, write

FRAMEWORKS = {"tensorflow", "keras", "jax", "torch", "tf_keras"}
#: Each is imported where it is asked for.
RUNTIMES = {"onnx", "onnxruntime", "openvino", "ai_edge_litert"}
DASK = {"dask", "distributed", "cryptography"}

#: The modules beside the rooms, which any room may import.
GROUND = {*"axis_values case errors escape canary inner_layer measurement source project".split()}
#: What rooms never import, and no feature of another; doors alone do.
FEATURES = {*"gate history advise choose selftest cluster".split()}
#: The rooms of a run that is read.
READ = {*"journal analyse present".split()}
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
    **dict.fromkeys(FEATURES, GROUND | READ | {"measure"}),
    "history": GROUND | READ,
    "advise": GROUND | READ | {"measure", "messages"},
    "cluster": GROUND | {"journal", "analyse", "measure", "messages"},
    "commands": GROUND | READ | {"measure"} | FEATURES,
    "cli": GROUND | {"commands"},
    "__main__": {"cli"},
    "plugin": GROUND | READ | {"measure", "gate", "selftest", "commands"},
    "__init__": {"present", "advise"},
}


def tree(root):
    """Every Python file below a folder, by its dotted name."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        name = ".".join(path.relative_to(root.parent).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


def imports(path, name=""):
    """What a file imports anywhere in it, modules and what is in them, as dotted names.

    Imports inside functions and under TYPE_CHECKING count. `name` is the file's own, from which a
    relative import counts.
    """
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            place = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
            above = place[: len(place) - node.level + 1] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            found |= {f"{module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found |= {one.value for one in node.args[:1] if isinstance(one, ast.Constant)}
    return found


def packages(path):
    return {name.partition(".")[0] for name in imports(path)}


def arrows_of(root):
    """Every module below a folder, with those of ours that it imports."""
    modules = tree(root)

    def module_of(name):
        """The module that a dotted name is, or is in; '' if it is none of ours."""
        while name and name not in modules:
            name = name.rpartition(".")[0]
        return name

    return {
        name: {module_of(one) for one in imports(path, name)} - {name, ""}
        for name, path in modules.items()
    }


def room_of(name):
    """The room, or the module beside the rooms, that a dotted name of ours stands in."""
    return [*name.split("."), "__init__"][1]


def arrows_between_rooms(root):
    return [
        (name, target)
        for name, targets in arrows_of(root).items()
        for target in targets - {root.name}
        if room_of(target) != room_of(name)
    ]


def wrong_arrows(root):
    """Every import from one module of ours to another that no line of ARROWS allows."""
    return sorted(
        f"{name} -> {target}"
        for name, target in arrows_between_rooms(root)
        if room_of(target) not in ARROWS.get(room_of(name), ())
    )


def unused_arrows(root, arrows=ARROWS):
    """Every arrow between rooms that a line allows and no module needs; the ground is no room."""
    used = {(room_of(name), room_of(target)) for name, target in arrows_between_rooms(root)}
    allowed = {(room, to) for room, rooms in arrows.items() for to in rooms - GROUND}
    return sorted(f"{room} -> {to}" for room, to in allowed - used)


def circle(graph):
    """The nodes of a circle in a graph, if there is one; else nothing."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def package_arrows(root):
    """The packages and modules below a folder, with those that they import.

    A package that holds packages counts by those: what matters is where one can be read by itself.
    """
    folders = {
        name: name if path.name == "__init__.py" else name.rpartition(".")[0]
        for name, path in tree(root).items()
        if name.count(".") > 1
    }
    graph = {}
    for name, targets in arrows_of(root).items():
        mine = folders.get(name, name)
        to = {folders.get(target, target) for target in targets}
        graph.setdefault(mine, set()).update(to - {mine, root.name})
    del graph[root.name]
    return graph


def test_every_arrow_between_rooms_is_allowed():
    assert wrong_arrows(ROOT / "timelift") == []


def test_every_room_has_a_line():
    assert {room_of(name) for name in tree(ROOT / "timelift")} == ARROWS.keys()


def test_every_arrow_that_is_allowed_is_used():
    assert unused_arrows(ROOT / "timelift") == []


def test_no_packages_import_each_other_in_a_circle():
    assert circle(package_arrows(ROOT / "timelift")) == []


def test_no_modules_import_each_other_in_a_circle_not_even_for_their_types():
    assert circle(arrows_of(ROOT / "timelift")) == []


def test_nothing_of_the_product_imports_what_proves_it():
    files = [*tree(ROOT / "timelift").values(), ROOT / "conftest.py", ROOT / "report.py"]
    assert [path for path in files if packages(path) & {"studies", "tests"}] == []


#: The packages that a room may import beside Python's own; no other room imports a framework.
PACKAGES = {
    **dict.fromkeys([*GROUND, "messages", "rounds"], frozenset()),
    "journal": {"msgspec"},
    "cluster": {"msgspec"} | DASK,
    # the last two each inside a function that goes on without it
    "worker": FRAMEWORKS | RUNTIMES | {"numpy", "ml_dtypes", "psutil", "pynvml"},
}


def test_what_every_room_imports_is_cheap_and_only_a_launch_imports_a_framework():
    python = {*sys.stdlib_module_names, "timelift"}
    for name, path in tree(ROOT / "timelift").items():
        allowed = PACKAGES.get(room_of(name), packages(path) - FRAMEWORKS - RUNTIMES - DASK)
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


def test_an_unused_arrow_is_found():
    planted = ARROWS | {
        "history": ARROWS["history"] | {"measure"},
        "analyse": {"journal", "rounds"},
    }
    found = unused_arrows(ROOT / "timelift", planted)
    assert found == ["analyse -> rounds", "history -> measure"]


def test_a_circle_of_packages_is_found(tmp_path):
    files = dict.fromkeys(
        ["__init__.py", "a/__init__.py", "a/x/__init__.py", "a/y/__init__.py"], ""
    )
    files |= {"a/y/two.py": "", "a/x/one.py": "from timelift.a.y import two", "a/x/other.py": ""}
    root = write(tmp_path / "timelift", files)
    assert circle(package_arrows(root)) == []
    write(root, {"a/y/three.py": "from timelift.a.x import other"})
    assert set(circle(package_arrows(root))) == {"timelift.a.x", "timelift.a.y"}
    assert circle(arrows_of(root)) == []


@pytest.mark.parametrize(
    "text",
    [
        "from timelift.a.two import Two",
        "from timelift.a import two",
        "if TYPE_CHECKING:\n    from timelift.a.two import Two",
        "def late():\n    from .two import Two",
        "importlib.import_module('timelift.a.two')",
    ],
)
def test_a_circle_of_modules_inside_a_room_is_found(tmp_path, text):
    files = dict.fromkeys(["__init__.py", "a/__init__.py", "a/one.py", "a/three.py"], "")
    files |= {"a/two.py": "from timelift.a import one, three"}
    root = write(tmp_path / "timelift", files)
    assert circle(arrows_of(root)) == []
    write(root, {"a/one.py": text})
    assert set(circle(arrows_of(root))) == {"timelift.a.one", "timelift.a.two"}


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
WORDS = """
from timelift import cli
assert [*map(cli.main, (["--help"], ["--version"], ["cmopare", "a", "b"]))] == [0, 0, 1]
"""
#: Programs, each with what it must not import.
PROGRAMS = {
    WORDS: DEAR,
    "import timelift; timelift.__version__": DEAR | {"timelift.cli"},
    "import timelift": DEAR | {"importlib.metadata", "timelift.cli"},
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


#: Every file of tests.
TESTS = [*(ROOT / "tests").rglob("*.py")]
LONGEST_NAME = 80


def faults(text):
    """Names of tests that are too long, and modules of tests that are imported."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = f"{getattr(node, 'module', None) or ''}."
            names = [f"{module}{alias.name}".lstrip(".") for alias in node.names]
            yield from (name for name in names if name.startswith("tests.test_"))
        elif isinstance(node, ast.FunctionDef) and len(node.name) > LONGEST_NAME:
            yield node.name


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_a_file_of_tests_needs_no_other_and_its_names_are_short(path):
    assert [*faults(path.read_text(encoding="utf-8"))] == []


def test_an_import_and_a_long_name_are_found():
    long = "test_" + "x" * LONGEST_NAME
    imports = ("from tests.test_x import y", "from tests import test_x", "import tests.test_x")
    text = "\n".join([*imports, f"def {long}(): ...", "def test_short(): ...", "import tests"])
    assert [*faults(text)] == ["tests.test_x.y", "tests.test_x", "tests.test_x", long]
