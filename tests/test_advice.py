"""What is advised of a model: from what it tells and two runs to a screenful, code and data."""

import ast
import dataclasses
import json

import pytest

from tests import journals
from tests.advised import LIFT, PAGES, TIMES, WHOLE, advised, make_model
from timelift.advise.advice_code import advice_code
from timelift.advise.advice_words import advice_json, advice_lines
from timelift.case import Case, Phase, Status


def screen(advice):
    return "\n".join(advice_lines([advice], PAGES))


SCREENFUL = """
my.model: 3 lifts over time in 7 layers (TensorFlow, graph, CPU, 2 cores)

  lift                           is                          write instead       \
that layer alone   first call
  1: sents_td, after 'words'     TimeDistributed(sentence)   FoldTime(sentence)  \
5.0 times as fast  5.00 s → 1.00 s
  2: after LSTM(8) in 'encoder'  TimeDistributed(Dense(32))  Dense(32)           \
2.5 times as fast  5.00 s → 2.00 s
  3                              TimeDistributed(Dense(32))  -                   \
is not called      -
  FoldTime is the layer of the strategy fold_time, which --code prints
  lift 2: fold_time is 5.0 times as fast, and changes what training does: Dropout: \
the same noise for all steps of a call, not new noise for every step
  looped is called 4 times by hand, on parts of one tensor: it is left alone

  the whole model, train step, batch 8: 1.5 times as fast; \
first call 3.00 s → 2.00 s; peak memory 3.00 MiB → 2.00 MiB
    with lift 1 alone: 1.4 times as fast; \
first call 3.00 s → 2.20 s; peak memory 3.00 MiB → 2.20 MiB
    with lift 2 alone: 1.00 times as fast, not shown to differ; \
first call 3.00 s → 3.00 s; peak memory 3.00 MiB → 3.00 MiB
  outputs and gradients equal those of your model (largest relative difference 3e-07)
  its inputs and labels were drawn; --data module:function gives your own
"""


def test_a_screenful_says_what_to_write_and_what_it_brings(tmp_path):
    advice = dataclasses.replace(advised(tmp_path, make_model(), whole=WHOLE), cores=2)
    assert screen(advice) == SCREENFUL.strip("\n")


def test_nothing_is_advised_where_nothing_is_shown_faster(tmp_path):
    advice = advised(tmp_path, make_model(), dict.fromkeys(TIMES, 1.0))
    assert advice.advised == {}
    assert "there is nothing to change" in screen(advice)
    assert all(line.startswith("#") for line in advice_code(advice, PAGES))


@pytest.mark.parametrize("whole", [False, True])
def test_an_advice_that_was_interrupted_is_provisional(tmp_path, whole):
    advice = advised(tmp_path, make_model(), whole=WHOLE)
    cut = dataclasses.replace(advice, interrupted=True, whole=advice.whole if whole else None)
    assert "provisional: the advice was interrupted" in screen(cut)
    assert ("batch 8: was not measured\n" in screen(cut)) == (not whole)


@pytest.mark.parametrize(
    ("inputs", "labels", "trains", "said"),
    [
        (False, True, True, "its labels were drawn, since --data returned no labels"),
        (True, False, False, "its inputs were drawn; "),
        (False, False, True, ""),
    ],
)
def test_drawn_inputs_and_labels_are_mentioned(tmp_path, inputs, labels, trains, said):
    model = make_model(drawn=inputs, draws_labels=labels, trains=trains)
    text = screen(advised(tmp_path, model, whole=WHOLE))
    assert said in text
    assert ("drawn" in text) == bool(said)


def test_a_change_that_breaks_the_law_is_no_gain_and_has_no_code(tmp_path):
    model = make_model()
    broken = [(Case(model.setting, "changed"), Status.LAW_BROKEN, "breaks the law: outputs differ")]
    broken += [(Case(model.setting, "only_lift2"), Status.FAILED, "no such thing")]
    whole = {"as_written": 3.0, "only_lift1": 3.0}
    advice = advised(tmp_path, model, whole=whole, ended=broken)
    assert not advice.whole.gain.is_shown
    assert all(line.startswith("#") for line in advice_code(advice, PAGES))
    assert advice.whole.lost.keys() == {"changed", "lift 2"}
    text = screen(advice)
    assert "\n    with every lift changed: law broken: breaks the law: outputs differ" in text
    assert "\n    with lift 2 alone: failed: no such thing" in text
    assert "equal those of your model" not in text


def test_code_has_the_advice_each_page_once_and_how_weights_are_carried_over(tmp_path):
    advice = advised(tmp_path, make_model(), TIMES | {"native": 9.0}, whole=WHOLE)
    assert advice.advised == {1: "fold_time"}
    twice = dataclasses.replace(advice, lifts=(advice.lifts[0],) * 2)
    lines = [*advice_code(twice, PAGES)]
    comments = [f"# {line}".rstrip() for line in advice_lines([twice], PAGES)]
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
    assert [lift["write"] for lift in data["lifts"]] == ["fold_time", "native", None]
    assert [lift["after"] for lift in data["lifts"]] == ["FoldTime(sentence)", "Dense(32)", None]
    assert data["lifts"][1]["faster"]["means"] == {"DROPOUT": ["independent", "shared"]}
    assert data["whole"]["alone"].keys() == {"lift 1", "lift 2"}
    assert data["whole"]["verdict"] == "faster"


@pytest.mark.parametrize("name", ["a/b", "tokens-T16-B8-forward-graph", "my model"])
def test_names_of_lifts_and_models_are_names_of_cases(name):
    model = make_model(name=name)
    for name_of_case in (model.name, *(lift.workload for lift in model.lifts)):
        case = journals.case("native", name_of_case)
        assert Case.from_label(case.label) == case


def test_a_model_where_nothing_trains_is_asked_for_its_outputs():
    assert make_model().setting.phase is Phase.BACKWARD
    assert make_model(trains=False).setting.phase is Phase.FORWARD
