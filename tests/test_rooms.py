"""What the two rooms of reading keep to themselves: analyse/ finds, and present/ words it."""

import ast
import re
from pathlib import Path

import pytest

from timelift.analyse.choose.question import Basis, Doubt
from timelift.analyse.quality import Disturbance
from timelift.journal import Quantity
from timelift.present import choice, conditions, gate_words

ROOM = Path(__file__).parent.parent / "timelift"
#: A blank with a word on either side of it.
_SENTENCE = re.compile(r"[A-Za-z]{2,}[,;:]? |[ ][A-Za-z]{2,}")
_STATISTICS = {"average", "corrcoef", "interp", "mean", "median", "percentile", "polyfit"}
_STATISTICS |= {"quantile", "std", "var", "fmean", "geometric_mean", "stdev", "variance"}
_STATISTICS |= {f"nan{name}" for name in _STATISTICS}
#: What `open` is told where it may write.
_WRITING = re.compile(r"(?=.*[wax+])[rwaxbt+]{1,3}")
_WRITERS = {"write_text", "write_bytes", "mkdir", "unlink", "touch", "rmtree"}
_WRITERS |= {"write_whole", "replace_text"}

#: Modules of analyse/ with sentences, each with why.
SAYS = {
    "runs.measurement": "what is wrong with a file is told where the file is read",
    "runs.results": "what is wrong with a file is told where the file is read",
}
#: Modules of analyse/ that write files, each with why.
WRITES: dict[str, str] = {}
#: What present/ takes from analyse/ beside types and constants: it reads a run, and finds nothing.
READERS = {
    "fact": "a fact as the launches of a case tell it",
    "engine_facts": "what a backend told of its device",
    "declared": "what strategies declare in the header",
}
#: Modules of present/ that may do what the others may not, each with why.
EXCEPTIONS = {
    "notebook.__init__": "timelift.load is a door: it finds and reads the run that it is asked for",
    "figures.plot_history": "the range of an axis, without the farthest points",
}


def modules(room):
    """The modules of a room, by their dotted names in it."""
    folder = ROOM / room
    return {
        ".".join(path.relative_to(folder).with_suffix("").parts): path.read_text(encoding="utf-8")
        for path in folder.rglob("*.py")
    }


def sentences(text):
    """The texts for humans in a module, other than docstrings, names of enums and refusals."""
    tree = ast.parse(text)
    excused = {id(inner) for node in ast.walk(tree) if _excused(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        if id(node) not in excused and _SENTENCE.search("{}".join(map(_literal, parts))):
            yield f"line {node.lineno}"


def _literal(node):
    good = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value if good else ""


def _excused(node):
    if isinstance(node, ast.ClassDef):
        return any("Enum" in ast.unparse(base) for base in node.bases)
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func)
        return name.endswith(("Error", "warnings.add"))
    is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_docstring or isinstance(node, ast.Raise)


def ends_or_prints(text):
    """Where a module ends the process, or prints."""
    for node in ast.walk(ast.parse(text)):
        name = ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""
        if name in {"sys.exit", "SystemExit", "os._exit", "exit", "print", "sys.stdout"}:
            yield f"line {node.lineno}: {name}"


def writes(text):
    """Where a module writes a file."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            told = map(_literal, [*node.args, *(one.value for one in node.keywords)])
            if name in _WRITERS or (name == "open" and any(map(_WRITING.fullmatch, told))):
                yield f"line {node.lineno}: {name}"


def decides(text):
    """Where a module estimates, asks for an estimate, or looks at a verdict to choose by it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _imported(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in _STATISTICS:
                yield f"line {node.lineno}: {node.func.attr}"
        elif isinstance(node, ast.Compare):
            sides = map(ast.unparse, [node.left, *node.comparators])
            if any(re.match(r"(Verdict|State)\.", side) for side in sides):
                yield f"line {node.lineno}: {ast.unparse(node)}"


def _imported(node):
    """The imports of libraries that estimate, and of what is neither a type nor a constant."""
    module = getattr(node, "module", None) or ""
    for alias in node.names:
        package = (module or alias.name).partition(".")[0]
        if package in {"scipy", "statistics"}:
            yield f"line {node.lineno}: {package}"
        ours = f"{module}.{alias.name}".startswith("timelift.analyse") or alias.name.startswith(
            "timelift.analyse"
        )
        if ours and not alias.name[0].isupper() and alias.name not in READERS:
            yield f"line {node.lineno}: {alias.name}"


def guilty(room, check, allowed):
    """The modules of a room that a check finds something in and that are not allowed it."""
    found = {name: list(check(text)) for name, text in modules(room).items()}
    return {name: what for name, what in found.items() if what and name not in allowed}


def test_what_analyses_says_nothing():
    assert guilty("analyse", sentences, SAYS) == {}


def test_what_analyses_writes_no_file_and_ends_nothing():
    assert guilty("analyse", writes, WRITES) == {}
    assert guilty("analyse", ends_or_prints, ()) == {}


def test_what_presents_decides_nothing():
    assert guilty("present", decides, EXCEPTIONS) == {}


def test_what_presents_ends_nothing():
    assert guilty("present", ends_or_prints, ()) == {}


@pytest.mark.parametrize(
    ("room", "check", "allowed"),
    [
        ("analyse", sentences, SAYS),
        ("analyse", writes, WRITES),
        ("present", decides, EXCEPTIONS),
    ],
)
def test_every_exception_is_needed(room, check, allowed):
    assert allowed.keys() - guilty(room, check, ()).keys() == set()


def test_every_reader_is_read_by():
    text = "\n".join(modules("present").values())
    assert [name for name in READERS if not re.search(rf"import .*\b{name}\b", text)] == []


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (sentences, "def f():\n    return 'faster than the other'"),
        (sentences, "def f(name):\n    return f'{name} is the fastest'"),
        (sentences, "WORDS = {'a': 'one launch is no evidence'}"),
        (sentences, "class Price:\n    words = 'at most {} over the best'"),
        (writes, "from pathlib import Path\nPath('x').write_text('y')"),
        (writes, "open('file', 'w')"),
        (writes, "write_whole(path, lines)"),
        (writes, "open('file', mode='a')"),
        (ends_or_prints, "import sys\nsys.exit(2)"),
        (ends_or_prints, "raise SystemExit(2)"),
        (ends_or_prints, "print('done')"),
        (decides, "import numpy as np\nmiddle = np.median([1, 2])"),
        (decides, "wide = table.quantile(0.9)"),
        (decides, "import statistics"),
        (decides, "from scipy import stats"),
        (decides, "from timelift.analyse.stats.ranking import rank"),
        (decides, "from timelift.analyse.stats import ranking"),
        (decides, "import timelift.analyse.recommend"),
        (decides, "def f():\n    from timelift.analyse.recommend import recommend"),
        (decides, "shown = [row for row in rows if row.verdict is Verdict.UNDECIDED]"),
    ],
)
def test_a_wrong_module_of_each_kind_is_found(check, text):
    assert list(check(text))


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (sentences, '"""A module of sentences."""\ndef f():\n    """Return all."""'),
        (sentences, "class Now(StrEnum):\n    GONE = 'no longer measured'"),
        (sentences, "raise UserError(f'expected a run, received {word!r}')"),
        (sentences, "key = f'{backend} {device}'"),
        (writes, "open('file', 'rb').read()"),
        (decides, "from timelift.analyse.stats.ranking import CONFIDENCE, Ranking"),
        (decides, "from timelift.analyse.runs.measurement import fact"),
        (decides, "_WORDS = {Verdict.FASTER: 'faster'}"),
    ],
)
def test_a_right_module_is_not(check, text):
    assert not list(check(text))


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (choice._DOUBTS, Doubt),
        (choice._BASES, set(Basis) - {Basis.MEASURED}),
        (conditions._REMEDIES, Disturbance),
        (conditions._SHORT_REMEDIES, Disturbance),
        (gate_words._COMPARED, Quantity),
    ],
)
def test_whatever_may_be_found_has_its_words(words, meant):
    assert words.keys() == set(meant)
