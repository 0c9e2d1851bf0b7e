"""What is advised of a model and raced next: from what it tells and runs of known times."""

import ast
import json
import re
from dataclasses import replace

import pytest
from msgspec import structs

from tests.support.advised import (
    DESCRIBED,
    LIFT,
    PAGES,
    TIMES,
    WHOLE,
    advised,
    make_model,
    of_lifts,
    raced,
    run,
    screen,
)
from tests.support.endings import told
from timelift.advise.advice import decide
from timelift.advise.advice_code import advice_code
from timelift.advise.advice_words import document
from timelift.analyse.findings import RunFindings
from timelift.axis_values import Backend, Gradients, Phase, Runtime, Status
from timelift.case import Case
from timelift.errors import UserError
from timelift.present.document import to_json
from timelift.present.summary import summary
from timelift.present.terminal import as_comments


@pytest.mark.parametrize(
    ("flag", "said"),
    {
        "steady": "in training too, outputs, losses and gradients are those of your model",
        "trains": "the prediction becomes 1.5 times as fast",
        "unpadded": "it needs --data with padded steps, since a mask reaches a lift",
        "leaves_open": "traced for 16 steps; fit traces with an open length",
        "compiled": "it is not compiled, so it was trained by the mean of its outputs",
        "drawn": "gives labels of your own; these were drawn",
        "draws_labels": "gives inputs of your own; these were drawn",
        "constant": "it needs --data with inputs that its outputs depend on",
    }.items(),
)
def test_what_the_advice_rests_on_is_told(tmp_path, flag, said):
    changed = {flag: not DESCRIBED.get(flag)}
    usual, other = (advised(tmp_path, make_model(**each), whole=WHOLE) for each in ({}, changed))
    told = [said in " ".join(screen(advice).split()) for advice in (usual, other)]
    assert told == [False, True]


def test_every_rival_that_changes_training_is_marked_and_told_however_fast(tmp_path):
    rivals = TIMES | {"vectorized_map": 9.0}
    every = [LIFT | {"added": ["noise", "statistics", "losses"]}]
    text = screen(advised(tmp_path, make_model(lifts=every), rivals))
    words = " ".join(text.split())
    told = "draws the same noise for all steps of a call; BatchNormalization sees all steps at once"
    assert f"lift 1, fold_time changes in training: Dropout {told}; the layer's losses (" in words
    assert [line.split()[-1] for line in text.splitlines() if " ms " in line] == ["changes"] * 3
    assert "no lift is shown to become faster and train the same" in words
    usual = screen(advised(tmp_path, make_model(lifts=[LIFT]), rivals))
    assert "in training" not in usual


def test_where_a_model_is_served_nothing_of_training_holds_a_strategy_back(tmp_path):
    every = make_model(lifts=[LIFT | {"added": ["noise", "statistics", "losses"]}])
    served = advised(tmp_path, every.in_phase(Phase.FORWARD))
    assert dict(served.to_race) == {1: "fold_time"}
    assert "changes" not in screen(served)
    assert not advised(tmp_path, every).to_race


SERVED = make_model().served_in(Runtime.ONNXRUNTIME)


def test_a_served_model_is_called_in_its_runtime_as_are_its_lifts(tmp_path):
    settings = [SERVED.setting, *(SERVED.setting_of(lift) for lift in SERVED.lifts[:2])]
    assert {(one.phase, one.runtime) for one in settings} == {(Phase.SERVE, Runtime.ONNXRUNTIME)}
    advice = advised(tmp_path, SERVED, whole={"as_written": 3.0, "changed": 2.0})
    assert "the call in ONNX Runtime becomes 1.5 times as fast" in " ".join(screen(advice).split())


@pytest.mark.parametrize(("vectorized", "tried"), [(1.01, "fold_time"), (1.2, "vectorized_map")])
def test_of_a_tie_the_plainer_code_is_tried(tmp_path, vectorized, tried):
    times = {"time_distributed": 4.0, "fold_time": vectorized, "vectorized_map": 1.0}
    assert dict(advised(tmp_path, SERVED, times).to_race)[1] == tried


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (Status.NOT_RUN, "in ONNX Runtime it does not run as written (why)"),
        (Status.LAW_BROKEN, "in ONNX Runtime it computes something else as written (why)"),
    ],
)
def test_a_model_that_is_not_served_as_written_is_changed_to_what_is(tmp_path, status, told):
    written = [(Case(SERVED.setting, "as_written"), status, "why; remedy")]
    times = {"changed": 2.0, "only_lift1": 2.2}
    advice = advised(tmp_path, SERVED, whole=times, ended=written)
    words = " ".join(screen(advice).split())
    assert "change lift 1 to FoldTime(sentence), lift 2 to" in words
    assert f"{told}; changed it runs, in 2.0" in words
    assert advice.to_race == ()
    lost = [*written, *((Case(SERVED.setting, name), status, "too") for name in times)]
    advice = advised(tmp_path, SERVED, whole={}, ended=lost)
    advice = raced(tmp_path, advice, {}, ended=lost)
    words = " ".join(screen(advice).split())
    assert f"no change helps: {told}, and with no change that was tried" in words
    assert advice.lifts[0].strategy == "fold_time"
    assert advice.to_race == ()


def test_steps_that_an_open_length_drops_are_told_of_time_distributed(tmp_path):
    model = replace(SERVED, leaves_open=True)
    written = [(Case(model.setting, "as_written"), Status.LAW_BROKEN, "off by 0.9")]
    advice = advised(tmp_path, model, whole={"changed": 2.0}, ended=written)
    assert "where time is open TimeDistributed drops steps" in " ".join(screen(advice).split())


@pytest.mark.parametrize(("written", "told"), [(6.0, True), (2.5, False)])
def test_a_first_call_that_counts_stands_beside_the_verdict(tmp_path, written, told):
    advice = advised(tmp_path, make_model(), whole={"as_written": written, "changed": 1.0})
    words = " ".join(screen(advice).split())
    assert ("times as fast, its first call 6.00 → 1.00 s" in words) is told


@pytest.mark.parametrize(
    ("changed", "written", "is_reason"), [(3.0, 20, True), (3.0, 7, False), (3.3, 20, False)]
)
def test_a_first_call_that_falls_is_a_reason_where_a_call_is_not_slower(
    tmp_path, changed, written, is_reason
):
    alone = {"time_distributed": 1.0, "fold_time": 1.0}
    model = make_model(lifts=[LIFT])
    known = decide(model, run(tmp_path, of_lifts(model, alone), time_distributed=20))
    whole = {"as_written": 3.0, "changed": changed}
    known = raced(tmp_path, known, whole, as_written=written, changed=3)
    said = "my.model: change lift 1 to FoldTime(Dense(32)): its first call 20.0 → 3.00 s,"
    assert (said in screen(known)) is is_reason
    assert (known.verdict == "change") is is_reason
    assert ("train step is not shown slower, 1.0" in " ".join(screen(known).split())) is is_reason


def test_int8_weights_that_are_read_as_floats_are_told_first(tmp_path):
    advice = advised(tmp_path, make_model(lifts=[LIFT | {"misread": True}]))
    first, *others = screen(advice).splitlines()
    assert "mend lift 1 first: TimeDistributed reads int8 weights as floats" in first
    rest = " ".join(" ".join(others).split())
    assert "takes the int8 weights of" in rest
    assert "mend that first, by FoldTime" in rest
    assert advice.to_race == ()


def test_a_model_of_another_backend_is_not_exported():
    with pytest.raises(UserError, match="what Keras exports on jax is not measured"):
        replace(make_model(), backend=Backend.JAX).served_in(Runtime.SAVED_MODEL)
    assert make_model().served_in(None).runtime is None


def test_a_change_that_breaks_the_law_is_no_gain_and_has_no_code(tmp_path):
    model = make_model()
    broken = [(Case(model.setting, "changed"), Status.LAW_BROKEN, "outputs differ")]
    broken += [(Case(model.setting, "only_lift2"), Status.FAILED, "no such thing")]
    advice = advised(tmp_path, model, whole={"as_written": 3.0}, ended=broken)
    assert not advice.gain.is_faster
    assert all(line.startswith("#") for line in advice_code(advice, PAGES))
    lost = {len(changes) for changes, outcome in advice.raced.items() if outcome.end}
    assert lost == {2, 1}
    text = screen(advice)
    assert "outputs differ" in " ".join(text.split())
    assert "failed: no such thing" in text
    assert "those of your model" not in text


def test_code_has_the_advice_each_page_once_and_how_weights_are_carried_over(tmp_path):
    advice = advised(tmp_path, make_model(), TIMES | {"native": 9.0}, whole=WHOLE)
    assert advice.advised == ((1, "fold_time"),)
    lines = [*advice_code(advice, PAGES)]
    comments = [*as_comments(document([advice], PAGES, as_code=True))]
    assert lines[: len(comments)] == comments
    page = "# Time folded; its page: timelift strategies show fold_time"
    assert lines[len(comments) :][:6] == ["", "", page, "", "class FoldTime: ...", ""]
    assert lines[-2] == "#   new_model.set_weights(old_model.get_weights())"


def test_a_loop_is_replaced_by_a_call_and_its_weights_are_set_by_layer(tmp_path):
    model = make_model(lifts=[LIFT | {"name": "looped", "usual": "loop_slice"}] * 2)
    advice = advised(tmp_path, model, {"loop_slice": 5.0, "fold_time": 1.0}, WHOLE)
    lift, _ = json.loads(to_json(document([advice], PAGES).data))["lifts"]
    assert (lift["before"], lift["after"]) == (
        "stack([Dense(32)(step) for step in x])",
        "FoldTime(Dense(32))(x)",
    )
    assert [*advice_code(advice, PAGES)][-2] == "#   new_layer.set_weights(old_layer.get_weights())"


def test_a_name_in_a_stored_model_is_no_code(tmp_path):
    name = 'x"""\n__import__("os").abort()\n"""\\'
    model = make_model(name=name, lifts=[LIFT | {"name": name, "inner": name, "place": name}] * 2)
    model = replace(model, factory=f"{name}.keras")
    tree = ast.parse("\n".join(advice_code(advised(tmp_path, model, whole=WHOLE), PAGES)))
    called = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    assert "INSTEAD" in called
    assert "__import__" not in called


def test_the_advice_is_json_for_programs(tmp_path):
    data = json.loads(to_json(document([advised(tmp_path, make_model(), whole=WHOLE)], PAGES).data))
    assert [lift["strategy"] for lift in data["lifts"]] == ["fold_time", "native", ""]
    assert [lift["after"] for lift in data["lifts"]] == ["FoldTime(sentence)", "Dense(32)", None]
    assert [lift["advice"] for lift in data["lifts"]] == ["change", "change", "keep"]
    assert data["lifts"][1]["rivals"]["fold_time"]["meaning"] == {
        "DROPOUT": ["independent", "shared"]
    }
    assert data["whole"][1]["gain"]["first_call"] == pytest.approx([3.0, 2.2])
    assert (data["advice"], data["gain"]["speed_up"]["verdict"]) == ("change", "faster")
    several = json.loads(to_json(document([advised(tmp_path, make_model())] * 2, PAGES).data))
    assert [of_batch["advice"] for of_batch in several] == ["undecided", "undecided"]


def test_train_steps_of_a_model_are_not_told_as_those_of_a_lift_with_adam(tmp_path):
    (race,) = advised(tmp_path, make_model(), whole=WHOLE).races
    header = structs.replace(race.run.header, options={"relative_to": "as_written"})
    alone = replace(race.run, header=header)
    for measured, is_lift in ((race.run, True), (alone, False)):
        notes = told(summary(RunFindings(measured)))
        assert ("Adam" in notes["train step"]) == is_lift


@pytest.mark.parametrize("name", ["a/b", "tokens-T16-B8-forward-graph", "my model"])
def test_names_of_lifts_and_models_are_names_of_cases(name):
    model = make_model(name=name)
    for name_of_case in (model.name, *(lift.workload for lift in model.lifts)):
        assert re.fullmatch(r"[\w.-]+", name_of_case)


#: The verdict on a model, and those on its lifts, of which the last is not called.


def test_a_lift_alone_has_the_gradients_that_it_has_in_the_model():
    model = make_model(lifts=[LIFT | {"gradients": gradients} for gradients in Gradients])
    alone = [*map(model.setting_of, model.lifts)]
    assert [setting.gradients for setting in alone] == [*Gradients]
    assert [setting.phase for setting in alone] == [Phase.FORWARD, Phase.BACKWARD, Phase.BACKWARD]
    assert model.setting.phase is Phase.TRAIN
    served = model.in_phase(Phase.FORWARD)
    settings = served.setting, *map(served.setting_of, served.lifts)
    assert {setting.phase for setting in settings} == {Phase.FORWARD}
    with pytest.raises(UserError, match="expected forward for my"):
        served.in_phase(Phase.TRAIN)
