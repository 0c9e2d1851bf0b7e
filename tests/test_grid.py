"""Axes become cases: products, defaults, canonical settings and sentences for what is wrong."""

from pathlib import Path

import pytest

from timelift.case import AXES, Case, Gradients, Lengths, Mode, Phase, Setting
from timelift.errors import UserError
from timelift.inner_layer import LayerInputs
from timelift.measure import options
from timelift.measure.catalogue import Catalogue, Strategy, Workload
from timelift.measure.request import Question, cases_of


def catalogue():
    strategies = {name: Strategy(name, Path(f"{name}.py"), name) for name in ("fold", "native")}
    workloads = {
        "small": Workload("small", "f", LayerInputs.of_one((3,)), (5, 10), (1, 2), default=True),
        "large": Workload("large", "f", LayerInputs.of_one((3,)), (50,), (9,), default=False),
    }
    return Catalogue(strategies, workloads)


def cases(asked=None, compares="", sizes="all", keeps="", **question):
    return cases_of(Question(question, compares, sizes, keeps), asked or {}, catalogue())


def test_sizes_come_from_the_workload_and_the_rest_is_a_product():
    grid = cases(phases="forward", modes="graph")
    assert len(grid) == 8
    assert {case.setting.seq_len for case in grid} == {5, 10}
    assert {case.setting.workload for case in grid} == {"small"}


def test_an_option_beats_the_question_but_for_the_axis_that_it_keeps():
    asked = {"phases": "backward", "seq_lens": "7"}
    grid = cases(asked, phases="forward", modes="graph")
    assert {(case.setting.phase, case.setting.seq_len) for case in grid} == {(Phase.BACKWARD, 7)}
    assert cases(asked, keeps="phases", phases="forward", modes="graph") == []


def test_forward_settings_have_no_gradients():
    grid = cases(
        {"gradients": "weights,inputs_and_weights"}, phases="forward,backward", modes="graph"
    )
    assert len(grid) == len(set(grid)) == 8 + 16
    forward = {case.setting.gradients for case in grid if case.setting.phase == "forward"}
    assert forward == {Gradients.NONE}


def test_a_question_about_an_axis_needs_two_of_its_values():
    assert cases({"modes": "graph"}, compares="modes", phases="forward", modes="eager,graph") == []
    assert cases(compares="modes", phases="forward", modes="eager,graph", sizes="smallest")


def test_a_number_that_is_too_long_to_read_is_a_sentence():
    with pytest.raises(UserError, match="--seq-lens: expected a whole number from 1 to 2,147,"):
        cases({"seq_lens": "9" * 5000}, phases="forward", modes="graph")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"phase": "forward", "modes": "graph"}, "question: unknown axis 'phase'; nearest: phases"),
        ({"phases": "forward"}, "question: lacks modes"),
        ({"compares": "mode"}, "question: compares: unknown axis 'mode'; nearest: modes"),
        ({"keeps": ["modes"]}, "question: keeps: unknown axis"),
        ({"sizes": "smal"}, "question: sizes: expected all or smallest, received 'smal'"),
        ({"sizes": ["smallest"]}, "question: sizes: expected all or smallest, received ['small"),
        ({"seq_lens": 8}, "question: seq_lens: expected a text like 'a,b', received 8"),
    ],
)
def test_a_misspelt_question_is_a_sentence(words, sentence):
    usual = {} if "phase" in words or "phases" in words else {"phases": "forward", "modes": "graph"}
    with pytest.raises(UserError) as caught:
        Question.from_marker(usual | words)
    assert str(caught.value).startswith(sentence)


def test_lists_split_outside_brackets():
    assert options.split("fold[k=8,remat=True], native") == ["fold[k=8,remat=True]", "native"]


def test_a_case_survives_its_fields():
    case = Case(Setting("small", 5, 2, Phase.BACKWARD, threads=1, device="gpu:1"), "fold")
    assert Case.from_fields(case.fields()) == case
    assert case.label == "small-T5-B2-backward-graph-gpu:1-threads1-fold"


SETTINGS = (
    {},
    {"device": "gpu:0", "mode": "xla"},
    {"phase": Phase.BACKWARD, "gradients": "inputs_and_weights", "lengths": "skewed"},
    {"time_axis": "dynamic", "dtype": "bfloat16", "device": "gpu", "threads": 12, "backend": "jax"},
)
NAMES = "fold my-fold a-b-c fold[k=-1] my-fold[k=-1,x=a-b] native@-5% jax T-1".split()


@pytest.mark.parametrize("axes", SETTINGS)
@pytest.mark.parametrize("name", NAMES)
def test_a_label_is_read_back_whatever_dashes_are_in_the_names(axes, name):
    kinds = {"phase": Phase.FORWARD} | {key: AXES[key](value) for key, value in axes.items()}
    case = Case(Setting(f"my-{name}", 5, 2, **kinds), name)
    assert case.has_label_of_its_own
    assert Case.from_label(case.label) == case


@pytest.mark.parametrize("name", ["dynamic-x", "jax-fold", "threads4-x", "gpu-x", "gpu:1-x"])
def test_a_name_that_begins_like_an_axis_has_no_label_of_its_own(name):
    assert not Case(Setting("small", 5, 2, Phase.FORWARD), name).has_label_of_its_own


@pytest.mark.parametrize(
    "label",
    [
        *("", "fold", "small-T5-B2-forward-graph"),
        *("a-Tx-B2-forward-graph-b", "a-T1-B2-forward-fast-b", "a-T01-B2-forward-graph-b"),
    ],
)
def test_what_is_no_label_is_no_case(label):
    with pytest.raises(ValueError, match="expected a case like"):
        Case.from_label(label)


@pytest.mark.parametrize(
    "change", [{"seq_len": "5"}, {"seq_len": True}, {"phase": "sideways"}, {"strategy": 3}]
)
def test_wrong_fields_are_named(change):
    fields = Case(Setting("small", 5, 2, Phase.FORWARD), "fold").fields()
    with pytest.raises(ValueError, match=r"expected|not a valid"):
        Case.from_fields(fields | change)


def test_settings_sort_by_size_and_what_is_usual_comes_first():
    ordered = [
        Setting("small", 5, 2, Phase.FORWARD),
        Setting("small", 5, 2, Phase.FORWARD, lengths=Lengths.UNIFORM),
        Setting("small", 5, 2, Phase.FORWARD, Mode.EAGER),
        Setting("small", 5, 2, Phase.BACKWARD),
        Setting("small", 10, 2, Phase.FORWARD),
    ]
    assert sorted(set(ordered)) == ordered
    assert max(ordered, key=lambda setting: setting.phase).phase is Phase.BACKWARD
    assert Phase.FORWARD <= Phase.FORWARD < Phase.BACKWARD >= Phase.BACKWARD
