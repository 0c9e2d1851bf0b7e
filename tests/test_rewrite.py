"""FoldTime is written at the calls that made lifts, and no other byte of a user's file changes."""

import ast
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.support import engines
from tests.support.advised import make_model
from tests.support.projects import STRATEGIES
from timelift.advise import editing
from timelift.advise.advice import Advice, LiftAdvice
from timelift.advise.rewrite import NotRewrittenError, class_module, edits
from timelift.advise.user_model import Site
from timelift.project import Project
from timelift.source import read_source

PAGES = {"fold_time": read_source(STRATEGIES["fold_time"].path)}
LIFTS = make_model().lifts
SOURCE = """import keras
from keras import layers


def make():
    x = keras.Input((8, 4))
    return layers.TimeDistributed(layers.Dense(2))(x)
"""
REWRITTEN = SOURCE.replace("layers.TimeDistributed(", "FoldTime(").replace(
    "import layers\n", "import layers\nfrom .fold_time import FoldTime\n"
)


@pytest.fixture
def project(tmp_path):
    """A project of git, whose file pkg/models.py a test writes."""
    (tmp_path / "pkg").mkdir()
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return Project(tmp_path)


def rewritten(project, source, *lifts, package="pkg", tracked=True):
    """Return the edits of a source for lifts: each is what its call calls, or that and advice."""
    path = project.root / "pkg" / "models.py"
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    if tracked:
        subprocess.run(["git", "-C", project.root, "add", path], check=True)
    advised = []
    for lift, code in zip(LIFTS, lifts or ("layers.TimeDistributed",), strict=False):
        func, strategy, changes = code if isinstance(code, tuple) else (code, "fold_time", True)
        site = site_of(path, func, package)
        verdict = Advice.CHANGE if changes else Advice.KEEP
        advised.append(LiftAdvice(replace(lift, site=site), verdict, strategy))
    return edits(SimpleNamespace(verdict=Advice.CHANGE, lifts=advised), project, PAGES)


def site_of(path, code, package):
    calls = (each for each in ast.walk(ast.parse(path.read_bytes())) if isinstance(each, ast.Call))
    call = next(call for call in calls if ast.unparse(call.func) == code)
    span = call.lineno, call.end_lineno, call.col_offset, call.end_col_offset
    return Site(str(path), package, span)


def text_of(found):
    return found[0].after.decode()


def test_a_call_and_an_import_are_written_and_a_file_is_made(project):
    models, own = rewritten(project, SOURCE)
    assert models.after.decode() == REWRITTEN
    assert own.path == models.path.with_name("fold_time.py")
    assert own.after.decode() == class_module(PAGES["fold_time"])
    assert "def build" not in own.after.decode()


def test_what_is_shown_is_what_git_applies(project):
    found = rewritten(project, SOURCE.replace("\n", "\r\n").rstrip("\r\n"))
    patch = b"".join(edit.diff(project.shown(edit.path)) for edit in found)
    subprocess.run(["git", "-C", project.root, "apply", "-"], input=patch, check=True)
    applied = {edit.path: edit.path.read_bytes() for edit in found}
    assert applied == {edit.path: edit.after for edit in found}
    found[1].path.unlink()
    found[0].path.chmod(0o755)
    for edit in found:
        edit.write()
    assert {edit.path: edit.path.read_bytes() for edit in found} == applied
    assert found[0].path.stat().st_mode & 0o777 == 0o755


def test_line_ends_an_encoding_and_all_other_bytes_stay(project):
    source = "# -*- coding: latin-1 -*-\r\n" + SOURCE.replace("\n", "\r\n") + "x = 'é'  \r\n"
    (models, _) = rewritten(project, source.encode("latin-1"))
    end = REWRITTEN.replace("\n", "\r\n") + "x = 'é'  \r\n"
    assert models.after == ("# -*- coding: latin-1 -*-\r\n" + end).encode("latin-1")
    found = rewritten(project, "s = 'é'; " + SOURCE.replace("x = k", "x = 'é' and k"))
    assert "FoldTime(layers.Dense(2))(x)" in text_of(found)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("layers.TimeDistributed(layers.Dense(2))", "FoldTime(layers.Dense(2))"),
        (
            "layers.TimeDistributed(layer=layers.Dense(2), name='a')",
            "FoldTime(layer=layers.Dense(2), name='a')",
        ),
        (
            "layers.TimeDistributed(  # the head\n        layers.Dense(2))",
            "FoldTime(  # the head\n        layers.Dense(2))",
        ),
        ("(layers\n        .TimeDistributed)(layers.Dense(2))", "(FoldTime)(layers.Dense(2))"),
    ],
)
def test_a_call_may_be_written_in_any_way(project, before, after):
    found = rewritten(project, SOURCE.replace("layers.TimeDistributed(layers.Dense(2))", before))
    assert after in text_of(found)


def test_an_import_stands_behind_those_that_choose_a_backend(project):
    source = '"""Mine."""\nimport os\n\nos.environ["KERAS_BACKEND"] = "jax"\n' + SOURCE
    assert "import layers\nfrom .fold_time import FoldTime\n" in text_of(rewritten(project, source))
    inside = "def make():\n    from keras import layers\n    return layers.TimeDistributed(None)\n"
    found = text_of(rewritten(project, '"""Mine."""\n\n\n' + inside, package=""))
    assert found.startswith('"""Mine."""\nfrom fold_time import FoldTime\n\n\ndef make')


def test_lifts_of_one_call_change_together_or_not_at_all(project):
    call = "layers.TimeDistributed"
    assert text_of(rewritten(project, SOURCE, call, (call, "native", True))) == REWRITTEN
    with pytest.raises(NotRewrittenError, match="lift 1 and lift 2 are made by one call"):
        rewritten(project, SOURCE, call, (call, "", False))


def test_a_second_time_the_class_and_its_import_are_there(project):
    for edit in rewritten(
        project, SOURCE.replace("(x)\n", "(layers.TimeDistributed(layers.Dense(3))(x))\n")
    ):
        edit.write()
    source = (project.root / "pkg" / "models.py").read_text()
    (again,) = rewritten(project, source)
    assert again.after.decode().count("import FoldTime") == 1


def other_class(project):
    (project.root / "pkg" / "fold_time.py").write_text("mine = 1\n")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"source": SOURCE.replace("Dense(2))", "Dense(2), **{})")}, "with other arguments"),
        ({"source": SOURCE + "class FoldTime: ...\n"}, "another FoldTime"),
        ({"source": "from mine import FoldTime\n" + SOURCE}, "another FoldTime"),
        ({"tracked": False}, "git does not track pkg/models.py"),
        (
            {"lifts": [("layers.TimeDistributed", "vectorized_map", True)]},
            "fastest by vectorized_map",
        ),
        ({"before": other_class}, "another fold_time.py"),
    ],
)
def test_what_may_do_harm_is_left_to_the_user_with_the_reason(project, how, said):
    how.get("before", lambda _: None)(project)
    options = {name: value for name, value in how.items() if name == "tracked"}
    with pytest.raises(NotRewrittenError, match=said):
        rewritten(project, how.get("source", SOURCE), *how.get("lifts", ()), **options)


def test_a_file_that_changed_or_is_elsewhere_and_a_loop_are_left_to_the_user(project, tmp_path):
    rewritten(project, SOURCE)
    lift = replace(LIFTS[0], site=Site(str(project.root / "pkg/models.py"), "", (1, 1, 0, 9)))

    def of(lift):
        advised = [LiftAdvice(lift, Advice.CHANGE, "fold_time")]
        return edits(SimpleNamespace(verdict=Advice.CHANGE, lifts=advised), project, PAGES)

    elsewhere = replace(lift, site=lift.site._replace(path=str(tmp_path.parent / "x.py")))
    installed = tmp_path / "site-packages" / "x.py"
    for one, said in (
        (lift, "has changed since it was imported"),
        (elsewhere, "not of this project"),
        (replace(lift, site=lift.site._replace(path=str(installed))), "not of this project"),
        (replace(lift, site=None), "no call of TimeDistributed in a file makes lift 1"),
        (replace(lift, usual="loop_slice"), "lift 1 is a loop"),
    ):
        with pytest.raises(NotRewrittenError, match=said):
            of(one)


SITES = '''
import importlib, pathlib, tempfile
folder = pathlib.Path(tempfile.mkdtemp())
sys.path.insert(0, str(folder))
(folder / "made_here.py").write_text("""
import functools
import keras
from keras.layers import TimeDistributed as TD
def of(layer): return keras.layers.TimeDistributed(layer)
made = functools.partial(keras.layers.TimeDistributed)
class Mine(keras.layers.TimeDistributed): pass
def make():
    dense = keras.layers.Dense
    first = TD(dense(2)); second = of(dense(3))
    model = keras.Sequential([keras.Input((4, 2)), TD(dense(2))])
    copied = keras.models.clone_model(model).layers[0]
    return [first, second, of(dense(3)), made(dense(2)), Mine(dense(2)), copied]
""")
from timelift.worker import sites
with sites.noted() as site_of:
    layers = importlib.import_module("made_here").make()
text = (folder / "made_here.py").read_text().splitlines()
def code_at(line, _, start, end):
    return text[line - 1][start:end]
print(json.dumps([site and code_at(*site[2]) for site in map(site_of, layers)]))
'''


def test_a_lift_is_found_by_the_call_that_made_it():
    code = engines.run("tensorflow", engines.ENGINE + SITES)
    helper = "keras.layers.TimeDistributed(layer)"
    assert code == ["TD(dense(2))", helper, helper, None, None, None]


EDITED = """
import importlib, pathlib, tempfile
folder = pathlib.Path(tempfile.mkdtemp())
sys.path.insert(0, str(folder))
package = folder / "edited_pkg"
package.mkdir()
(package / "__init__.py").write_text("from .models import kind")
(package / "models.py").write_text("kind = 'as written'")
(folder / "edited_by_path.py").write_text("kind = 'as written'")
from timelift.worker import user_code
from timelift.worker.edited import edited
def kinds():
    by_path = user_code.load_module(str(folder / "edited_by_path.py")).kind
    return [importlib.import_module("edited_pkg").kind, by_path]
new = package / "new.py"
texts = {
    str(package / "models.py"): b"from .new import kind",
    str(new): b"kind = 'edited'",
    str(folder / "edited_by_path.py"): b"kind = 'edited'",
}
before = kinds()
with edited(texts):
    inside = kinds()
print(json.dumps([before, inside, kinds(), new.exists()]))
"""


def test_edited_text_is_imported_in_place_of_files_and_forgotten():
    before, inside, after, is_there = engines.run("tensorflow", engines.ENGINE + EDITED)
    assert (before, inside, after) == (["as written"] * 2, ["edited"] * 2, ["as written"] * 2)
    assert not is_there


WHOLE = '''
import pathlib, tempfile
from timelift.inner_layer import LayerInputs
from timelift.measurement import CaseInLaunch
from timelift.messages import RivalSpec, SourceEdits, Task, WorkerChannel
from timelift.worker.measure_setting import measure_setting
folder = pathlib.Path(tempfile.mkdtemp())
sys.path.insert(0, str(folder))
source = """
import keras
from keras import layers
def make():
    td = layers.TimeDistributed(layers.Dense(3, activation="tanh"), name="lift")
    return keras.Sequential([keras.Input((4, 2)), td, layers.Dense(2)])
"""
(folder / "mymodels.py").write_text(source)
right = source.replace("layers.TimeDistributed", "FoldTime") + "from fold_time import FoldTime"
texts = {
    "right": right,
    "as it was": source,
    "another layer": right.replace("layers.Dense(2)", "layers.Dense(2), layers.Dense(2)"),
    "another result": right.replace("tanh", "relu"),
    "another shape": right.replace("Dense(3", "Dense(4"),
}
page = PAGE
edits = {
    name: SourceEdits((1,), {str(folder / "mymodels.py"): text, str(folder / "fold_time.py"): page})
    for name, text in texts.items()
}
rivals = [RivalSpec("as_written", "."), *(RivalSpec(n, ".", edits=own) for n, own in edits.items())]
setting = dataclasses.replace(changed(phase=Phase.TRAIN), seq_len=4, batch=2)
task = Task(setting, tuple(rivals), "mymodels:make", LayerInputs(), 1, 0.0, is_model=True)
ends = []
measure_setting(task, WorkerChannel(ends.append))
ends = [end for end in ends if isinstance(end, CaseInLaunch)]
print(json.dumps({end.case.strategy: [end.status, end.reason] for end in ends}))
'''


def test_the_model_of_edited_source_is_held_to_its_layers_weights_and_law():
    page = class_module(PAGES["fold_time"])
    ends = engines.run("tensorflow", engines.ENGINE + WHOLE.replace("PAGE", repr(page)))
    assert ends.pop("as_written")[0] == ends.pop("right")[0] == "measured"
    other = "has other layers than those as written with FoldTime among them"
    assert ends.pop("as it was") == ["law broken", other]
    assert ends.pop("another layer")[0] != "measured"
    assert ends.pop("another shape")[0] == "failed"
    status, reason = ends.pop("another result")
    assert (status, reason.partition(" by ")[0]) == ("law broken", "the output differs")


CARRIED = """
import numpy, os, tempfile
os.chdir(tempfile.mkdtemp())
namespace = {}
exec(PAGE, namespace)
def make(wrapper):
    parts = [wrapper(keras.layers.Dense(3)), keras.layers.Dense(2)]
    return keras.Sequential([keras.Input((4, 2)), *parts])
old, new = make(keras.layers.TimeDistributed), make(namespace["FoldTime"])
for line, model in zip(LINES, (old, new), strict=True):
    exec(line)
x = ones(3, 4, 2)
print(json.dumps(float(np.abs(np.asarray(old(x)) - np.asarray(new(x))).max())))
"""


def test_the_lines_that_are_printed_carry_weights_over():
    lines = [line for line in editing._WEIGHTS.splitlines() if line.startswith("  ")]
    script = CARRIED.replace("LINES", repr([line.strip() for line in lines]))
    page = class_module(PAGES["fold_time"])
    moved = engines.run("tensorflow", engines.ENGINE + script.replace("PAGE", repr(page)))
    assert moved < 1e-6
