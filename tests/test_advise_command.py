"""`timelift advise`: its words, its budget, what it measures, and the module that it writes."""

import ast
import contextlib
import dataclasses
import math
from types import SimpleNamespace

import pytest

from tests.advised import LIFT, TIMES, WHOLE, advised, model, of_lifts, run
from tests.projects import QUICKEST, ROOT, project
from timelift import cli
from timelift.analyse import model_advice
from timelift.analyse.model_advice import ModelAdvice
from timelift.better_model import better_model
from timelift.case import Case
from timelift.commands import advise
from timelift.errors import UserError
from timelift.measure import advice, catalogue
from timelift.present.model_advice import advice_lines
from timelift.project import Project


@pytest.mark.parametrize(("seconds", "left"), [(60.4, "60s"), (0.2, "1s"), (math.inf, "")])
def test_a_budget_is_one_of_whole_seconds(seconds, left):
    assert advise.within({"seed": "1"}, seconds) == {"budget": left, "seed": "1"}


@pytest.mark.parametrize(
    ("spent", "lifts", "whole"),
    [((0, 40), "60s", "80s"), ((20, 110), "50s", "10s"), ((20, 120), "50s", None)],
)
def test_a_budget_is_shared_by_the_lifts_and_the_whole(tmp_path, monkeypatch, spent, lifts, whole):
    known, given = advised(tmp_path, model(), whole=WHOLE), {}
    clock = iter([100.0, *(100.0 + one for one in spent)])
    monkeypatch.setattr(advise, "time", SimpleNamespace(monotonic=lambda: next(clock)))

    def measure_lifts(_project, _model, texts, *_, **__):
        given["lifts"] = texts["budget"]
        return advice.Measured(None, interrupted=False)

    def race_whole(_model, _project, _changes, texts):
        given["whole"] = texts["budget"]
        return known.whole, False

    monkeypatch.setattr(advise, "measure_lifts", measure_lifts)
    monkeypatch.setattr(advise, "race_whole", race_whole)
    monkeypatch.setattr(model_advice, "advise_lifts", lambda *_: known.lifts)
    texts = {"budget": "2m"}
    found = advise.find_advice(known.model, Project(ROOT), texts, advise.end_of_budget(texts))
    assert given == {"lifts": lifts} | ({"whole": whole} if whole else {})
    assert found.whole == (known.whole if whole else None)


@pytest.mark.parametrize("cut", ["lifts", "whole", "whole at once", ""])
def test_an_interrupted_advice_tells_what_is_known(tmp_path, capsys, monkeypatch, cut):
    told, better = model(), tmp_path / "better.py"
    cases = {Case(told.setting, name): many for name, many in WHOLE.items()}
    measured = {"lifts": run(tmp_path, of_lifts(told)), "whole": run(tmp_path, cases, 3e-7)}

    def measure(name):
        if cut == f"{name} at once":
            raise KeyboardInterrupt
        return advice.Measured(name, interrupted=cut == name)

    monkeypatch.setattr(advise, "told_model", lambda *_, **__: told)
    monkeypatch.setattr(advise, "measure_lifts", lambda *_, **__: measure("lifts"))
    monkeypatch.setattr(advise, "measure_whole", lambda *_, **__: measure("whole"))
    monkeypatch.setattr(advise, "_load", measured.pop)
    code = cli.main(["advise", "a:b", "--write", str(better), "--fail-if-gain", "1.2x"], ROOT)
    said = capsys.readouterr()
    assert code == (130 if cut else 2)
    assert ("provisional: the advice was interrupted" in said.out) == bool(cut)
    assert ("the advice was interrupted, so " in said.err) == bool(cut)
    assert better.exists() == (not cut)
    assert set(measured) == ({"whole"} if cut in {"lifts", "whole at once"} else set())


@pytest.mark.parametrize(
    ("whole", "error", "said"),
    [
        ((WHOLE, 3), None, ""),
        ((WHOLE | {"changed": 4.0}, 3), None, "the whole model is slower then, so "),
        ((WHOLE, 1), "one launch does not judge the changed model; ", ""),
        (({"as_written": 3.0}, 3), "the changed model has no figures, so ", ""),
        (({"changed": 2.0}, 3), None, ""),
    ],
)
def test_only_a_change_that_is_one_to_make_is_written(tmp_path, capsys, whole, error, said):
    """Not one without figures, nor one that makes the whole slower, or may for all we know.

    Where what is written has no figures, what has some is better than none.
    """
    times, launches = whole
    found = advised(tmp_path, model(), whole=times, launches=launches)
    path = tmp_path / "better.py"
    with pytest.raises(UserError, match=error) if error else contextlib.nullcontext():
        advise.write(found, Project(ROOT), path)
    told = capsys.readouterr().err
    assert said in told
    assert bool(told) == bool(said)
    assert path.exists() == (not (error or said))


def test_the_module_that_is_written_is_keras_alone(tmp_path):
    times = TIMES | {"native": 0.5}
    text = better_model(advised(tmp_path, model(), times), Project(ROOT))
    tree = ast.parse(text)
    imported = {
        (getattr(node, "module", None) or node.names[0].name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported <= {"keras", "functools", "weakref"}
    assert "'head_td': NativeLift" in text
    assert text.count("NativeLift = TimeDistributed") == 1
    assert "'sents_td': NativeLift" in text


def test_lifts_of_one_name_are_changed_alike_or_not_written(tmp_path):
    lifts = [LIFT | {"path": path, "name": "td"} for path in ("tower/td", "tower/td_2")]
    told = model(lifts=lifts)
    first, second = advised(tmp_path, told).lifts
    assert better_model(ModelAdvice(told, (first, second)), Project(ROOT)).count("'td': ") == 2
    kept = dataclasses.replace(second, strategy="")
    with pytest.raises(UserError, match="lifts of one name, 'td', are to be changed differently"):
        better_model(ModelAdvice(told, (first, kept)), Project(ROOT))


@pytest.mark.parametrize("usual", ["time_distributed", "loop_slice"])
def test_a_name_in_a_stored_model_is_no_code_of_the_module(tmp_path, usual):
    name = 'x"""\n__import__("os").abort()\n"""\\'
    told = model(lifts=[LIFT | {"path": name, "name": name, "usual": usual}])
    found = advised(tmp_path, told, {usual: 5.0, "fold_time": 1.0})
    tree = ast.parse(better_model(found, Project(ROOT)))
    called = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    assert "__import__" not in called
    assert "__import__" in ast.get_docstring(tree)


def test_what_to_write_instead_of_a_loop_is_told(tmp_path):
    loop = LIFT | {"path": "encoder/looped", "name": "looped", "usual": "loop_slice"}
    times = {"loop_slice": 5.0, "fold_time": 1.0}
    told = model(lifts=[loop, loop | {"path": "another"}])
    (first, _) = found = advised(tmp_path, told, times).lifts
    text = better_model(ModelAdvice(told, found), Project(ROOT))
    assert "    stack([looped(step) for step in x])  as  FoldTimeLift(looped)(x)\n" in text
    assert "def change" not in text
    assert ast.parse(text)
    both = ModelAdvice(told, (first, *advised(tmp_path, model()).lifts))
    text = better_model(both, Project(ROOT))
    assert "'looped'" not in text
    assert "def change" in text
    assert "A loop is not changed by a call" in text
    assert "loop_slice(sentence)" in "\n".join(advice_lines(both))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            "models.py",
            "expected a model as module:name or path.py:name, or a .keras file; received",
        ),
        ("none.py:make", "received 'none.py:make', and there is no file none.py"),
        ("a:b --write .", "--write: expected a file, received the folder ."),
        (f"a:b --write {ROOT / 'README.md'}", "README.md is there and is no such module"),
        ("os:path --unsafe", "--unsafe is about a .keras file, received 'os:path'"),
        ("none.keras", "expected a stored model that is there, received 'none.keras'"),
        (f"no_such_module:make --backends {QUICKEST}", "No module named 'no_such_module'"),
        ("a:b --data c", "expected --data as module:function or path.py:function; received 'c'"),
        ("a:b --data c:d --batch 3", "--data has sizes of its own; leave out --batch"),
        ("a:b --backends jax,torch", "--backends: expected one, received jax, torch"),
    ],
)
def test_what_is_no_model_is_a_sentence(tmp_path, capsys, words, sentence):
    assert cli.main(["advise", *words.split()], tmp_path) == 1
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["0", "1.0x", "fast", "nan"])
def test_a_gain_that_would_always_fail_is_refused(tmp_path, capsys, word):
    with pytest.raises(SystemExit) as ended:
        cli.main(["advise", "a:b", "--fail-if-gain", word], tmp_path)
    assert ended.value.code == 1
    assert "expected more than 1, like 1.2x" in capsys.readouterr().err


@pytest.mark.parametrize("same_meaning", [False, True])
def test_what_is_written_has_to_be_among_the_strategies(tmp_path, same_meaning):
    text = (ROOT / "strategies" / "time_distributed.py").read_text()
    text = (
        text.replace("dtype=None):", "dtype=None, *, k=1):") + "\nVARIANTS = ({'k': 1}, {'k': 2})\n"
    )
    own = Project(project(tmp_path, ["fold_time"], {"time_distributed": text}))
    with pytest.raises(UserError, match="expected the strategy time_distributed, which is what"):
        advice.measure_lifts(own, model(), {}, None, None, same_meaning=same_meaning)


def test_strategies_of_another_meaning_are_told_by_their_declarations():
    told = model()
    known = catalogue.read_strategies(Project(ROOT).strategies.values())
    usual = known["time_distributed"]
    assert {*advice.IN_PLACE} <= known.keys()
    assert advice.means_the_same(told.lifts[0], known["vectorized_map"], usual)
    assert not advice.means_the_same(told.lifts[1], known["vectorized_map"], usual)
    assert advice.means_the_same(told.lifts[1], known["fold_time"], usual)


def test_the_ways_to_change_a_model_say_what_they_put_where():
    known = catalogue.read_strategies(Project(ROOT).strategies.values())
    first, second, _ = model().lifts
    chosen = [("0", first, known["fold_time"]), ("1", second, known["native"])]
    files = {place: (str(one.path), {}) for place, _, one in chosen}
    fold, native = "fold_time instead of sents_td", "native instead of encoder/head_td"
    assert {way.name: (way.title, way.parameters) for way in advice._ways(chosen)} == {
        "as_written": ("The model as it is written.", {}),
        "changed": (f"{fold}, {native}.", files),
        f"only_{first.workload}": (f"{fold} alone.", {"0": files["0"]}),
        f"only_{second.workload}": (f"{native} alone.", {"1": files["1"]}),
    }
    assert [way.name for way in advice._ways(chosen[:1])] == ["as_written", "changed"]
