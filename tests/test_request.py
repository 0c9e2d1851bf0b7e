"""Questions and options become the cases of a run."""

import itertools
from dataclasses import replace

import pytest

from tests.support.projects import ROOT, strategy, write
from tests.support.questions import cases
from timelift.axis_values import Backend, Dtype, Gradients, Lengths, Mode, Phase, Runtime, TimeAxis
from timelift.case import Case, Setting
from timelift.errors import UserError
from timelift.inner_layer import LayerInputs, StepTensor
from timelift.measure.catalogue import Catalogue, Workload
from timelift.measure.request import Question, RunRequest
from timelift.project import Project


def test_an_option_beats_the_question_but_for_the_axis_that_it_keeps():
    asked = {"phases": "backward", "seq_lens": "7"}
    grid = cases(asked, phases="forward", modes="graph")
    assert {(case.setting.phase, case.setting.seq_len) for case in grid} == {(Phase.BACKWARD, 7)}
    assert cases(asked, keeps="phases", phases="forward", modes="graph") == []


def test_backward_settings_alone_have_gradients():
    asked = {"gradients": "weights,inputs_and_weights"}
    grid = cases(asked, phases="forward,backward,train", modes="graph")
    assert len(grid) == len(set(grid)) == 8 + 16 + 8
    others = {case.setting.gradients for case in grid if case.setting.phase != "backward"}
    assert others == {Gradients.NONE}


USUAL, OF_TRAIN = {"phases": "forward", "modes": "graph"}, {"phases": "train"}


@pytest.mark.parametrize(
    ("asked", "question", "modes"),
    [
        ({}, USUAL, {"graph"}),
        ({"devices": "gpu:1"}, USUAL, {"xla"}),
        ({"devices": "gpu", "backends": "jax"}, OF_TRAIN, {"graph"}),
        ({"backends": "torch"}, OF_TRAIN, {"eager"}),
        ({"backends": "torch", "modes": "graph"}, OF_TRAIN, {"graph"}),
        ({"backends": "torch"}, OF_TRAIN | {"modes": "graph"}, {"graph"}),
        ({}, {"phases": "forward", "modes": "graph,xla", "compares": "modes"}, {"graph", "xla"}),
    ],
)
def test_a_train_step_has_the_mode_of_fit_unless_one_is_named(asked, question, modes):
    usual = {"phases": "forward,train", "backends": "tensorflow", "devices": "cpu"}
    grid = {case.setting for case in cases(usual | asked, **question)}
    assert {setting.mode for setting in grid if setting.phase is Phase.TRAIN} == modes
    if "compares" not in question:
        assert {setting.mode for setting in grid if setting.phase is Phase.FORWARD} == {"graph"}


def test_train_steps_in_float16_and_training_in_int8_are_refused():
    inputs = LayerInputs.of_one((3,))
    known = Catalogue({}, {"small": Workload("small", "f", inputs, (5,), (2,))})
    settings = [Setting("small", 5, 2, *how) for how in itertools.product(Phase, Mode)]
    tried = [replace(setting, dtype=dtype) for setting in settings for dtype in Dtype]
    refused = {(each.phase, each.dtype) for each in tried if known.why_not(Case(each, "fold"))}
    in_int8 = {(Phase.BACKWARD, Dtype.INT8), (Phase.TRAIN, Dtype.INT8)}
    assert refused == {(Phase.TRAIN, Dtype.FLOAT16)} | in_int8


def test_a_runtime_is_an_axis_of_served_calls_alone_which_run_as_a_graph():
    asked = {"phases": "forward,serve", "runtimes": "keras,litert", "modes": "graph,eager"}
    grid = {case.setting for case in cases(asked, phases="forward,serve")}
    served = {(one.runtime, one.mode) for one in grid if one.phase is Phase.SERVE}
    assert served == {("keras", "graph"), ("keras", "eager"), ("litert", "graph")}
    assert {one.runtime for one in grid if one.phase is Phase.FORWARD} == {"keras"}
    assert cases({}, keeps="phases", phases="serve", batch_sizes="1")[0].setting.batch == 1


@pytest.mark.parametrize(
    ("texts", "phases"),
    [
        ({"runtimes": "litert"}, "serve"),
        ({"runtimes": "keras"}, "serve"),
        ({"runtimes": "litert", "phases": "forward,serve"}, "forward,serve"),
        ({}, ""),
    ],
)
def test_another_runtime_alone_means_served_calls(texts, phases):
    assert RunRequest(Project(ROOT), {"backends": "tensorflow"} | texts).texts["phases"] == phases


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ({"phases": "backward,train"}, "expected the phase serve, in which alone openvino has"),
        (
            {"modes": "eager,xla"},
            "graph, which alone is exported for openvino, received --modes eager,xla",
        ),
        ({"phases": "servee"}, "--phases: unknown value 'servee'; nearest: serve"),
    ],
)
def test_what_a_runtime_does_not_have_is_a_sentence(texts, sentence):
    with pytest.raises(UserError, match=sentence):
        RunRequest(Project(ROOT), texts | {"runtimes": "openvino"})


MASKED = LayerInputs((StepTensor((3, 4), masked=True),))


@pytest.mark.parametrize(
    ("axes", "inputs", "sentence"),
    [
        ({"backend": Backend.JAX}, None, "on jax is not measured (docs/runtimes.md); ask for"),
        ({"dtype": Dtype.FLOAT16}, None, "held to the law in float32; ask for --dtypes float32"),
        ({"device": "gpu"}, None, "measured on the CPU alone; ask for --devices cpu"),
        ({"lengths": Lengths.UNIFORM}, None, "takes no mask; ask for --lengths full"),
        ({}, MASKED, "takes no mask; leave +mask out of the inputs"),
        ({"time_axis": TimeAxis.BUCKETS}, None, "lengths vary between forward or backward calls"),
    ],
)
def test_what_is_not_exported_is_told_and_served_by_keras(axes, inputs, sentence):
    workload = Workload("small", "f", inputs or LayerInputs.of_one((3,)), (5,), (2,))
    known = Catalogue({}, {"small": workload})
    usual = Setting("small", 5, 2, Phase.SERVE)
    exported = replace(usual, runtime=Runtime.ONNXRUNTIME)
    assert sentence in known.why_not(Case(replace(exported, **axes), "fold"))
    if "time_axis" not in axes:
        assert known.why_not(Case(replace(usual, **axes), "fold")) == ""
    assert Catalogue({}, {"small": replace(workload, inputs=LayerInputs.of_one((3,)))}).why_not(
        Case(exported, "fold")
    ) == ("")


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
        ({"phases": ""}, "question: lacks phases"),
        ({"waits": True}, "question: waits: expected keeps or compares beside it, received none"),
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


def test_two_cases_of_one_name_are_refused(tmp_path):
    """A strategy may be named like an axis, but not so that pytest shows two cases alike."""
    workload = '"""Title."""\nFEATURES = SEQ_LENS = BATCH_SIZES = (1,)\ndef make_layer(): ...\n'
    files = {f"strategies/{name}.py": strategy() for name in ("fold", "jax-fold")}
    write(tmp_path, files | {"workloads/small.py": workload})
    texts = {"strategies": "fold,jax-fold", "workloads": "small", "backends": "tensorflow"}
    project, question = Project(tmp_path), Question({"phases": "forward"})
    assert len(RunRequest(project, texts).cases(question)) == 2
    request = RunRequest(project, texts | {"backends": "tensorflow,jax"})
    with pytest.raises(UserError, match=r"jax-fold': (jax-)?fold of small on .* and"):
        request.cases(question)
