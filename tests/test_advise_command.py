"""`timelift advise`: its words, its budget, and what it measures."""

import json
import math
from types import SimpleNamespace

import pytest

from tests.advised import WHOLE, advised, make_model, of_lifts, run
from tests.projects import QUICKEST, ROOT, STRATEGIES, project
from timelift import cli
from timelift.advise import races
from timelift.case import Case
from timelift.commands import advise
from timelift.errors import UserError
from timelift.project import Project


@pytest.mark.parametrize(("seconds", "left"), [(60.4, "60s"), (0.2, "1s"), (math.inf, "")])
def test_a_budget_is_in_whole_seconds(seconds, left):
    assert races.with_budget({"seed": "1"}, seconds) == {"budget": left, "seed": "1"}


@pytest.mark.parametrize(
    ("spent", "lifts", "whole"),
    [((0, 40), "60s", "80s"), ((20, 110), "50s", "10s"), ((20, 120), "50s", None)],
)
def test_a_budget_is_shared_by_the_lifts_and_the_whole(tmp_path, monkeypatch, spent, lifts, whole):
    known, given = advised(tmp_path, make_model(), whole=WHOLE), {}
    clock = iter([100.0, *(100.0 + seconds for seconds in spent)])
    monkeypatch.setattr(races, "time", SimpleNamespace(monotonic=lambda: next(clock)))

    def measure_lifts(_project, _model, texts):
        given["lifts"] = texts["budget"]
        return None, False

    def race_whole(_project, _model, _changes, texts):
        given["whole"] = texts["budget"]
        return known.whole, False

    monkeypatch.setattr(races, "measure_lifts", measure_lifts)
    monkeypatch.setattr(races, "race_whole", race_whole)
    monkeypatch.setattr(races, "advise_lifts", lambda *_: known.lifts)
    texts = {"budget": "2m"}
    advice = races.find_advice(Project(ROOT), known.model, texts, races.end_of_budget(texts))
    assert given == {"lifts": lifts} | ({"whole": whole} if whole else {})
    assert advice.whole == (known.whole if whole else None)


@pytest.mark.parametrize("cut", ["lifts", "whole", "whole at once", ""])
def test_an_interrupted_advice_has_the_launches_until_then(tmp_path, capsys, monkeypatch, cut):
    model = make_model()
    cases = {Case(model.setting, name): many for name, many in WHOLE.items()}
    measured = {"lifts": run(tmp_path, of_lifts(model)), "whole": run(tmp_path, cases, 3e-7)}

    def measure(_session, workloads, _cases):
        name = "whole" if workloads[0].is_model else "lifts"
        if cut == f"{name} at once":
            raise KeyboardInterrupt
        return measured.pop(name), cut == name

    monkeypatch.setattr(advise, "look_at_model", lambda *_: model)
    monkeypatch.setattr(races, "_measure", measure)
    assert cli.main(["advise", "a:b", "--json"], ROOT) == (130 if cut else 0)
    assert json.loads(capsys.readouterr().out)["provisional"] == bool(cut)
    assert set(measured) == ({"whole"} if cut in {"lifts", "whole at once"} else set())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("models.py", "expected a model as module:name or path.py:name, or a .keras file; recei"),
        ("none.keras", "expected a stored model that is there, received 'none.keras'"),
        (f"no_such_module:make --backends {QUICKEST}", "No module named 'no_such_module'"),
        ("a:b --data c", "expected --data as module:function or path.py:function; received 'c'"),
        ("a:b --data c:d --batch-sizes 3", "--data has sizes of its own; leave out --batch-sizes"),
        ("a:b --backends jax,torch", "--backends: expected one, received jax, torch"),
    ],
)
def test_a_wrong_model_is_a_sentence(tmp_path, capsys, words, sentence):
    assert cli.main(["advise", *words.split()], tmp_path) == 1
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_strategy_as_written_has_to_be_in_the_project(tmp_path):
    text = (ROOT / "strategies" / "time_distributed.py").read_text()
    text = text.replace("dtype=None):", "dtype=None, *, k=1):") + "\nVARIANTS = ({'k': 1},)\n"
    own = Project(project(tmp_path, ["fold_time"], {"time_distributed": text}))
    with pytest.raises(UserError, match="expected the strategy time_distributed, which is what"):
        races.measure_lifts(own, make_model(), {})


def test_the_rivals_of_a_model_have_the_strategy_of_each_lift():
    first, second, _ = make_model().lifts
    chosen = [(first, STRATEGIES["fold_time"]), (second, STRATEGIES["native"])]
    files = {str(lift.number): (str(strategy.path), {}) for lift, strategy in chosen}
    fold, native = "fold_time instead of lift 1", "native instead of lift 2"
    assert {rival.name: (rival.title, rival.parameters) for rival in races._rivals(chosen)} == {
        "as_written": ("The model as it is written.", {}),
        "changed": (f"{fold}, {native}.", files),
        "only_lift1": (f"{fold} alone.", {"1": files["1"]}),
        "only_lift2": (f"{native} alone.", {"2": files["2"]}),
    }
    assert [rival.name for rival in races._rivals(chosen[:1])] == ["as_written", "changed"]
