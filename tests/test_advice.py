"""What is advised of a model: from what it tells and two runs to a screenful, code and data."""

import ast
import dataclasses
import json

import pytest
from msgspec import structs

from tests import journals
from tests.advised import DESCRIBED, LIFT, PAGES, SLOWER, TIMES, WHOLE, advised, make_model
from timelift.advise.advice_code import advice_code
from timelift.advise.advice_words import advice_json, advice_lines
from timelift.analyse.findings import RunFindings
from timelift.case import Case, Phase, Status
from timelift.present.summary import summary


def screen(advice):
    return "\n".join(advice_lines([advice], PAGES))


@pytest.mark.parametrize("whole", [WHOLE, SLOWER, None])
def test_the_verdict_is_the_first_line_and_the_last(tmp_path, whole):
    advice = advised(tmp_path, make_model(name="m"), whole=whole)
    text = screen(advice)
    *_, last = (" ".join(block.split()) for block in text.split("\n\n"))
    assert " ".join(text.split()).startswith(f"m: {last} ")
    assert max(map(len, text.split("\n"))) <= 80


FLAGS = ["steady", "trains", "unpadded", "leaves_open", "compiled", "drawn", "draws_labels"]


@pytest.mark.parametrize("flag", [*FLAGS, "constant"])
def test_what_the_advice_rests_on_is_told(tmp_path, flag):
    changed = {flag: not DESCRIBED.get(flag)}
    usual, other = (advised(tmp_path, make_model(**each), whole=WHOLE) for each in ({}, changed))
    assert screen(usual) != screen(other)


def test_losses_that_may_be_lost_or_added_up_as_written_are_other_ones(tmp_path):
    lossy = make_model(lifts=[LIFT | {"added": ["losses"]}])
    text = " ".join(screen(advised(tmp_path, lossy)).split())
    assert "changes the meaning: Losses of the layer: other ones" in text


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
    assert "outputs differ" in text
    assert "failed: no such thing" in text
    assert "those of your model" not in text


def test_code_has_the_advice_each_page_once_and_how_weights_are_carried_over(tmp_path):
    advice = advised(tmp_path, make_model(), TIMES | {"native": 9.0}, whole=WHOLE)
    assert advice.advised == ((1, "fold_time"),)
    lines = [*advice_code(advice, PAGES)]
    said = [line for line in advice_lines([advice], PAGES) if "--code prints" not in line]
    comments = [f"# {line}".rstrip() for line in said]
    assert lines[: len(comments)] == comments
    assert lines[len(comments) :][:4] == ["", "", "class FoldTime: ...", ""]
    assert lines[-2] == "#   new_model.set_weights(old_model.get_weights())"


def test_a_change_that_makes_the_whole_worse_has_no_code(tmp_path):
    advice = advised(tmp_path, make_model(), whole={"as_written": 3.0, "changed": 9.0})
    assert all(line.startswith("#") for line in advice_code(advice, PAGES))


def test_a_loop_is_replaced_by_a_call_and_its_weights_are_set_by_layer(tmp_path):
    model = make_model(lifts=[LIFT | {"name": "looped", "usual": "loop_slice"}] * 2)
    advice = advised(tmp_path, model, {"loop_slice": 5.0, "fold_time": 1.0}, WHOLE)
    lift, _ = json.loads(advice_json([advice], PAGES))["lifts"]
    assert (lift["before"], lift["after"]) == (
        "stack([Dense(32)(step) for step in x])",
        "FoldTime(Dense(32))(x)",
    )
    assert [*advice_code(advice, PAGES)][-2] == "#   new_layer.set_weights(old_layer.get_weights())"


def test_a_name_in_a_stored_model_is_no_code(tmp_path):
    name = 'x"""\n__import__("os").abort()\n"""\\'
    model = make_model(name=name, lifts=[LIFT | {"name": name, "inner": name, "place": name}] * 2)
    model = dataclasses.replace(model, factory=f"{name}.keras")
    tree = ast.parse("\n".join(advice_code(advised(tmp_path, model, whole=WHOLE), PAGES)))
    called = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    assert "INSTEAD" in called
    assert "__import__" not in called


def test_the_advice_is_json_for_programs(tmp_path):
    data = json.loads(advice_json([advised(tmp_path, make_model(), whole=WHOLE)], PAGES))
    assert [lift["strategy"] for lift in data["lifts"]] == ["fold_time", "native", ""]
    assert [lift["after"] for lift in data["lifts"]] == ["FoldTime(sentence)", "Dense(32)", None]
    assert [lift["advice"] for lift in data["lifts"]] == ["change", "change", "keep"]
    assert data["lifts"][1]["rivals"]["fold_time"]["means"] == {
        "DROPOUT": ["independent", "shared"]
    }
    assert data["whole"][1]["gain"]["first_call"] == pytest.approx([3.0, 2.2])
    assert (data["advice"], data["gain"]["speed_up"]["verdict"]) == ("change", "faster")
    several = json.loads(advice_json([advised(tmp_path, make_model())] * 2, PAGES))
    assert [of_batch["advice"] for of_batch in several] == ["undecided", "undecided"]


def test_train_steps_of_a_model_are_not_told_as_those_of_a_lift_with_adam(tmp_path):
    (race,) = advised(tmp_path, make_model(), whole=WHOLE).races
    header = structs.replace(race.run.header, options={"relative_to": "as_written"})
    for run, is_lift in ((race.run, True), (dataclasses.replace(race.run, header=header), False)):
        notes = dict(summary(RunFindings(run), None).notes)
        assert ("Adam" in notes["train step"]) == is_lift


@pytest.mark.parametrize("name", ["a/b", "tokens-T16-B8-forward-graph", "my model"])
def test_names_of_lifts_and_models_are_names_of_cases(name):
    model = make_model(name=name)
    for name_of_case in (model.name, *(lift.workload for lift in model.lifts)):
        case = journals.case("native", name_of_case)
        assert Case.from_label(case.label) == case


def test_a_model_where_nothing_trains_is_asked_for_its_outputs():
    assert make_model().setting.phase is Phase.TRAIN
    assert make_model(trains=False).setting.phase is Phase.FORWARD
