"""`timelift advise`: its words, its budget, and what it measures."""

import json
import math
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest

import timelift
from tests.support import engines
from tests.support.advised import (
    LIFT,
    PAGES,
    TIMES,
    WHOLE,
    advised,
    make_model,
    of_lifts,
    of_whole,
    run,
)
from tests.support.projects import ROOT, STRATEGIES, write
from tests.support.started_runs import PATIENCE, start_module, wait_for_lines, wait_until
from timelift.advise import notebook, races, user_model
from timelift.advise.advice_words import document
from timelift.advise.user_model import Feeding, UserModel, rivals_of_whole
from timelift.axis_values import Backend, Status
from timelift.case import Case
from timelift.errors import UserError
from timelift.measure.place import Place
from timelift.measure.request import RunRequest
from timelift.messages import LiftChange
from timelift.present.terminal import to_text
from timelift.project import Project

ASK = partial(RunRequest, Project(ROOT))


@pytest.mark.parametrize(("seconds", "left"), [(60.4, "60s"), (0.2, "1s"), (math.inf, "")])
def test_a_budget_is_in_whole_seconds(seconds, left):
    assert races.with_budget({"seed": "1"}, seconds) == {"budget": left, "seed": "1"}


@pytest.fixture
def measuring(monkeypatch):
    """Return these runs instead of measuring, and what each race was asked for."""

    def measure_as(*runs):
        races_asked, left = [], iter(runs)

        def measure(request, *_, **__):
            races_asked.append(request)
            return next(left)

        monkeypatch.setattr(races, "_run_race", measure)
        return races_asked

    return measure_as


@pytest.mark.parametrize(
    ("spent", "budgets"),
    [((0, 40), ["60s", "80s"]), ((20, 110), ["50s", "10s"]), ((20, 120), ["50s"])],
)
def test_a_budget_is_shared_by_lifts_and_whole(tmp_path, monkeypatch, measuring, spent, budgets):
    model = make_model()
    whole = run(tmp_path, of_whole(model, WHOLE), 3e-7)
    asked = measuring(run(tmp_path, of_lifts(model)), whole)
    clock = iter(spent)
    monkeypatch.setattr(races, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    advice = races.find_advice(ASK, model, {}, 120.0)
    assert [request.texts["budget"] for request in asked] == budgets
    assert advice.verdict == ("change" if len(budgets) > 1 else "undecided")


def test_batches_share_a_budget_and_ctrl_c_ends_all(tmp_path, capsys, monkeypatch, measuring):
    batches = [make_model(batch=batch) for batch in (8, 32, 128)]
    runs = [run(tmp_path, of_lifts(model, dict.fromkeys(TIMES, 1.0))) for model in batches[:2]]
    asked = measuring(runs[0], replace(runs[1], complete=False))
    left = iter(batches)
    monkeypatch.setattr(user_model, "look_at_model", lambda *_: next(left))
    feedings = [model.feeding for model in batches]
    place, held = Place(), []

    @contextmanager
    def lock(_, command):
        held.append(command)
        yield held.append
        held.append([request.texts["budget"] for request in asked])

    place.lock = lock
    advices = races.advise_on(Project(ROOT), "a:b", feedings, {"budget": "60s"}, place=place)
    assert [request.place for request in asked] == [place, place]
    assert held == ["timelift advise a:b", 60.0, ["10s", "15s"]]  # from first to last
    assert [str(advice.verdict) for advice in advices] == ["keep", "keep"]
    assert [advice.was_interrupted for advice in advices] == [False, True]
    assert capsys.readouterr().err.count("backend tensorflow, ") == 1  # and runs repeat none
    assert {request.texts["backends"] for request in asked} == {"tensorflow"}


def test_masks_that_go_wrong_are_mended_before_anything_is_measured(measuring):
    faulty = make_model(lifts=[LIFT | {"masked": True, "mask_fault": "they are lost"}])
    assert not measuring()
    assert races.find_advice(ASK, faulty, {}, math.inf).run is None


def test_each_race_tries_what_is_left_of_what_broke_the_law(tmp_path, measuring):
    model = make_model(lifts=[LIFT])
    broken = [(Case(model.setting, "changed"), Status.LAW_BROKEN, "outputs differ")]
    whole = run(tmp_path, of_whole(model, {"as_written": 3.0}), ended=broken)
    asked = measuring(run(tmp_path, of_lifts(model)), whole, whole)
    assert races.find_advice(ASK, model, {}, math.inf).verdict == "keep"
    tried = [request.catalogue.strategies["changed"].title for request in asked[1:]]
    assert tried == ["fold_time instead of lift 1.", "native instead of lift 1."]


@pytest.mark.parametrize("cut", ["lifts", "whole", "whole at once", "lifts at once", "none", ""])
def test_an_interrupted_advice_has_the_launches_until_then(tmp_path, run_command, monkeypatch, cut):
    model = make_model()
    measured = {"lifts": run(tmp_path, of_lifts(model))}
    measured["whole"] = run(tmp_path, of_whole(model, WHOLE), 3e-7)

    def measure(_request, workloads, *_, **__):
        name = "whole" if workloads[0].is_model else "lifts"
        if cut == f"{name} at once":
            raise KeyboardInterrupt
        if cut == "none":
            return replace(measured.pop(name), measurements=(), complete=False)
        return replace(measured.pop(name), complete=cut != name)

    monkeypatch.setattr(user_model, "look_at_model", lambda *_: model)
    monkeypatch.setattr(races, "_run_race", measure)
    said = run_command(130 if cut else 0, "advise", "a:b", "--json", root=ROOT)
    answer = json.loads(said.out)
    assert answer["provisional"] == bool(cut)
    assert answer["advice"] == ("change" if cut in {"", "whole"} else "undecided")
    assert bool(answer["runs"]) == (cut not in {"none", "lifts at once"})
    left = {"lifts": 1, "none": 1, "whole at once": 1, "lifts at once": 2}
    assert len(measured) == left.get(cut, 0)


def test_the_rivals_of_a_model_have_the_strategy_of_each_lift():
    changes = (1, "fold_time"), (2, "native")
    rivals = rivals_of_whole(changes)
    assert [*rivals] == ["as_written", "only_lift1", "only_lift2", "changed"]
    assert (rivals["as_written"], rivals["only_lift2"]) == ((), changes[1:])
    assert [*rivals_of_whole(changes[:1])] == ["as_written", "changed"]
    changed = races._as_strategy("changed", rivals["changed"], STRATEGIES)
    assert changed.title == "fold_time instead of lift 1, native instead of lift 2."
    made = tuple(LiftChange(lift, str(STRATEGIES[name].path), {}) for lift, name in changes)
    assert changed.changes == made


def in_worker(call):
    return engines.evaluate("tensorflow", "tests.support.pasted_code", call)


MORE = "examples.more_models"
PASTED = [
    ("masked", "fold_time", "by hand"),
    ("stacked", "native", "in memory"),
    ("of_players", "fold_time", "by hand"),
]
MORE_PASTED = [
    ("stacked", "native", "by hand"),
    ("by_hand", "native", "by hand"),
    ("of_pairs", "fold_time", "by hand"),
    (f"{MORE}:keywords", "fold_time", "stored"),
    ("shared", "fold_time", "by hand"),
    ("masked", "native", "in memory"),
    ("agent", "fold_time", "by hand"),
    ("stacked", "native", "stored"),
    ("twins", "vectorized_map", "stored"),
    ("detector", "fold_time", "in memory"),
    (f"{MORE}:dialogue", "fold_time", "by hand"),
    (f"{MORE}:keywords", "native", "by hand"),
    (f"{MORE}:cameras", "fold_time", "stored"),
    (f"{MORE}:sales", "native", "stored"),
]


@pytest.mark.parametrize(
    ("name", "strategy", "form"),
    [*PASTED, *(pytest.param(*case, marks=pytest.mark.whole) for case in MORE_PASTED)],
)
def test_code_that_is_pasted_keeps_what_a_model_computes(name, strategy, form):
    new = in_worker(f"pasted({name!r}, {strategy!r}, {form!r})")
    assert new["lifts"] == 0
    allowed = 4e-3 if name.endswith(":keywords") else 1e-5  # keywords computes in half precision
    assert new["error"] <= allowed * new["largest"]
    assert new["keeps_state"] == (form != "by hand")


def test_a_notebook_shows_the_screenful_of_the_command(tmp_path):
    advice = advised(tmp_path, make_model(), whole={"as_written": 3.0, "changed": 2.0})
    answer = notebook.answer(advice, PAGES, at_hand=object())
    assert f"{answer!r}\n" == to_text(document([advice], PAGES))


OWN = """
import json, keras, timelift
class Own(keras.layers.Layer): ...
try: timelift.advise(keras.Sequential([keras.Input((3, 4)), {}]))
except timelift.errors.UserError as error: print(json.dumps(str(error)))
"""


@pytest.mark.parametrize("part", ["Own()", "keras.layers.Lambda(lambda x: x)"])
def test_a_model_that_no_other_process_can_make_is_a_sentence(part):
    assert "functions that are not Keras's; write a function that makes it in a file" in (
        engines.run("tensorflow", OWN.format(part))
    )


@pytest.mark.parametrize(
    ("model", "option", "sentence"),
    [
        (3, {}, "Keras 3, .*; write"),
        ("a:b", {"backends": "jax"}, "'backends'; nearest: backend"),
        ("a:b", {"budget": -1}, "--budget: .* received '-1'"),
    ],
)
def test_a_wrong_call_from_a_program_is_a_sentence(model, option, sentence):
    with pytest.raises(UserError, match=sentence):
        timelift.advise(model, **option)


def test_a_program_that_asks_about_itself_does_not_start_itself_again(tmp_path):
    program = tmp_path / "itself.py"
    program.write_text(f"import timelift\ntimelift.advise('{program}:make_model')\n")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    assert 'call it below: if __name__ == "__main__":' in done.stderr.splitlines()[-1]


SIGNAL = f"{ROOT / 'examples' / 'published_models.py'}:signal"


@pytest.mark.whole
def test_ctrl_c_ends_an_advice_with_what_is_known(tmp_path):
    project = write(tmp_path / "project", {"pyproject.toml": ""})
    run = start_module(project, "timelift", "advise", SIGNAL)
    wait_until(lambda: [*project.glob("results/*/*.jsonl")], "a journal")
    wait_for_lines(project, 1)
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=PATIENCE)
    assert run.returncode == 130
    assert re.search("^signal: undecided: interrupted$", said, re.MULTILINE)
    assert "finishing the round that is being played" in said


@pytest.mark.whole
@pytest.mark.alone
@pytest.mark.usefixtures("own_lock")
@pytest.mark.parametrize("form", ["function", "stored"])
def test_a_model_is_advised_on_as_a_whole_with_code_to_paste(tmp_path, form):
    model = f"{ROOT / 'tests' / 'support' / 'lifted_models.py'}:slow"
    if form == "stored":
        model = str(tmp_path / "slow.keras")
        in_worker(f"find_model(named('slow')).save({model!r})")
    answer = timelift.advise(model, batch=8, results=str(tmp_path), backend="tensorflow")
    (lift,) = answer.data["lifts"]
    assert (answer.verdict, lift["before"]) == ("change", "TimeDistributed(Dense(8))")
    assert lift["gain"]["speed_up"]["value"] > 1
    assert {path.stem for path in tmp_path.rglob("*.jsonl")} == set(answer.data["runs"])
    assert ("keras.models.clone_model" in answer.code) == (form == "stored")


def test_a_whole_model_is_called_at_the_length_that_is_asked_for():
    feeding = Feeding("", 2, 6)
    names, fed = ("strided", "shared"), feeding._asdict()
    strided, shared = (in_worker(f"describe_model(named({name!r}), {fed})") for name in names)
    whole = UserModel.of("strided", feeding, Backend.TENSORFLOW, strided)
    assert (whole.lifts[0].steps, whole.setting.seq_len) == (3, 6)
    closed = UserModel.of("strided", feeding, Backend.TENSORFLOW, shared)
    assert closed.setting.seq_len == closed.lifts[0].steps == 4
