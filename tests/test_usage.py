"""Code to paste: it stands by itself, and computes what the layer does at every step."""

import json
import re
import shlex
from dataclasses import replace

import pytest
from msgspec import structs

from tests.support import endings, engines, journals
from tests.support.projects import ROOT, write
from timelift.analyse import results
from timelift.analyse.findings import RunFindings
from timelift.axis_values import Dtype, Lengths, Phase, TimeAxis
from timelift.case import Case, Setting
from timelift.present import usage
from timelift.present.full_report import full_report
from timelift.project import Project

SETTING = Setting("tokens", 6, 4, Phase.FORWARD)
DYNAMIC = Setting("sentences", 6, 4, Phase.FORWARD, time_axis=TimeAxis.DYNAMIC)
#: Strategies of each kind: a layer, the layer itself, parameters, imports of the backend.
LIFTS = (
    *("fold_time", "native", "vectorized_map", "fold_chunks[k=4,remat=True]", "bucketing[k=2]"),
    "tf_while_loop",
)
#: What pieces of code compute, beside the layer itself at every step; some take two inputs.
SCRIPT = """
import json
import keras
import numpy as np

class Two(keras.Layer):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(5)

    def call(self, step):
        action, frame = keras.tree.flatten(step)
        return self.dense(frame) + keras.ops.one_hot(action, 5)

class Outputs(Two):
    def call(self, step):
        return self.dense(step), 2 * self.dense(step)

keras.utils.set_random_seed(1)
one = np.random.default_rng(1).normal(size=(4, 6, 32)).astype("float32")
action = np.arange(24).reshape(4, 6) % 5
two = {{"by name": dict(action=action, frame=one), "listed": [action, one]}}
layers = {{**dict.fromkeys(two, "Two()"), "twice": "__import__('keras').layers.LSTM(5)"}}
layers |= dict.fromkeys(("fold_time of two outputs", "vectorized_map of two outputs"), "Outputs()")
two["twice"] = np.random.default_rng(2).normal(size=(2, 6, 6, 12, 16)).astype("float32")
joined = lambda y: np.concatenate([np.asarray(each) for each in keras.tree.flatten(y)], axis=-1)
errors, dtypes = {{}}, {{}}
for name, code in {codes}.items():
    x, names = two.get(name, one), {{"Two": Two, "Outputs": Outputs}}
    made = layers.get(name, "__import__('keras').layers.Dense(5)")
    exec(code.replace("layer = ...", "layer = " + made), names)
    layer, model = names["layer"], names["model"]
    dtypes[name] = [model.inputs[0].dtype, layer.compute_dtype, layer.variable_dtype]
    y = joined(model(x))
    step = lambda t: keras.tree.map_structure(lambda part: keras.ops.array(part[:, t]), x)
    right = np.stack([joined(layer(step(t))) for t in range(6)], axis=1)
    errors[name] = float(np.abs(y - right).max()) if y.shape == right.shape else 9.0
print(json.dumps([errors, dtypes]))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    cases = journals.grid(("native", "fold_chunks[k=4]", "mine"), ("tokens",), (6,))
    return results.load(journals.synthetic(tmp_path_factory.mktemp("run") / "run.jsonl", cases))


def executed(codes):
    """Return the errors of pieces, and the dtypes of their inputs, layers and weights."""
    return engines.run("tensorflow", SCRIPT.format(codes=json.dumps(codes)))


def errors(codes):
    return executed(codes)[0]


def test_pieces_compute_what_the_layer_does_at_every_step(run):
    padded = replace(SETTING, lengths=Lengths.UNIFORM)
    codes = {
        f"{one} {setting.lengths}": usage.code_to_paste(one, setting, run, Project(ROOT))
        for one in LIFTS
        for setting in (SETTING, padded)
    }
    codes |= {
        f"{one} of two outputs": codes[f"{one} full"] for one in ("fold_time", "vectorized_map")
    }
    largest = errors(codes)
    assert set(largest) == set(codes)
    assert max(largest.values()) < 1e-5
    shortened = {one for one in LIFTS if len(codes[f"{one} full"]) < len(codes[f"{one} uniform"])}
    assert shortened == {"fold_time", "vectorized_map"}  # without masks and several inputs


def test_a_layer_is_lifted_twice_where_its_workload_says_so(run):
    documents = replace(SETTING, workload="documents"), run, Project(ROOT)
    assert errors({"twice": usage.code_to_paste("fold_time", *documents)})["twice"] < 1e-5
    call = "layer = build(layer, (6, 12, 16)).layers[-1]; model = build(layer, (6, 6, 12, 16))"
    assert usage.how_to_use("fold_time", *documents)[1] == call


def test_a_piece_that_computes_something_else_has_a_large_error(run):
    code = usage.code_to_paste("fold_time", SETTING, run, Project(ROOT))
    assert errors({"wrong": code.replace("y = self.layer(", "y = 2 * self.layer(")})["wrong"] > 1e-2


def test_a_piece_is_what_the_strategy_s_build_needs_and_how_to_call_it(run):
    code = usage.code_to_paste("fold_chunks[k=4,remat=True]", SETTING, run, Project(ROOT))
    file = (ROOT / "strategies" / "fold_chunks.py").read_text()
    assert "class FoldChunks(keras.layers.Wrapper):" in code
    assert "def refuses" in file
    assert not {"refuses", "DROPOUT", "numbers"} & {*re.findall(r"\w+", code)}
    assert "\noutputs = build(layer, shape, k=4, remat=True)(inputs)\n" in code
    assert "shape = (None, " in usage.code_to_paste("native", DYNAMIC, run, Project(ROOT))


def test_parameters_are_told_as_python_writes_them(run):
    used = usage.how_to_use("fold_chunks[k=4,way=fast]", SETTING, run, Project(ROOT))
    call = "model = build(layer, (6, 32), k=4, way='fast')"
    assert used == ("paste what `timelift strategies show fold_chunks` prints, then", call)


@pytest.mark.parametrize(
    ("constants", "words"),
    [
        (
            "FEATURES = (4, 2)\nINPUT_DTYPE: str = 'int32'\nINPUT_HIGH = 9",
            "(layer, (9, 4, 2), dtype='int32')",
        ),
        ("FEATURES = (4, 2)", "(layer, (9, 4, 2))"),
        ("FEATURES = sizes()", "(layer, (9, *features))"),
        ("", "(layer, (9, *features))"),
    ],
)
def test_the_shape_is_open_where_a_workload_does_not_declare_it(run, tmp_path, constants, words):
    write(tmp_path, {"workloads/mine.py": f'"""Mine."""\n{constants}\n'})
    setting = Setting("mine", 9, 4, Phase.FORWARD)
    assert usage.how_to_use("native", setting, run, Project(tmp_path))[1].endswith(words)


def test_a_report_has_the_piece_of_every_strategy_of_the_project(run):
    code = usage.code_of_run(run, Project(ROOT))
    assert {"native", "fold_chunks[k=4]"} <= {*code.strategies} - {"mine"} == {*code.strategies}
    (setting, inputs), *_ = code.inputs.items()
    pasted = code.strategies["native"].filled(inputs)
    assert pasted == usage.code_to_paste("native", setting, run, Project(ROOT))


@pytest.mark.parametrize(
    "name",
    [
        "native[k=__import__('os')]",
        "native[k=1)\nprint(2]",
        "native[**{}]",
        "native[k='{shape}; import os']",
        "../strategies/native",
        "native\x1b",
        "x`id`; rm -rf ~",
        "gone",
    ],
)
def test_no_name_of_a_journal_becomes_code_or_leaves_the_folder(run, name):
    assert usage.code_to_paste(name, SETTING, run, Project(ROOT)) == ""
    use, _ = usage.how_to_use(name, SETTING, run, Project(ROOT))
    words, is_told, _ = use.partition("` prints")
    typed = shlex.split(words.removeprefix("paste what `")) if is_told else []
    assert typed == ([] if "[" in name else ["timelift", "strategies", "show", name])


@pytest.mark.parametrize(
    ("command", "told"), [("timelift bench", True), ("pytest", True), ("rm -rf /", False)]
)
def test_a_stored_command_is_told_if_it_is_ours(run, command, told):
    shown = replace(run, header=structs.replace(run.header, command=command.split()))
    assert endings.told(full_report(RunFindings(shown))).get("command", "") == command * told


def own(folder, name="Block", dtype=Dtype.FLOAT32, **options):
    (folder / "blocks.py").write_text(BLOCKS)
    case = Case(Setting(name, 6, 1, Phase.FORWARD, dtype=dtype), "fold_time")
    lines = journals.header(options=options), journals.line(case)
    run = results.load(journals.write(folder / "run.jsonl", *lines))
    return usage.code_to_paste("fold_time", case.setting, run, Project(folder))


#: A function that makes a layer, a class of layers from elsewhere, a layer, and another function.
BLOCKS = """'''Blocks.

Block makes one.
'''
import keras
from keras.layers import Flatten
def uses(made): ...
made = keras.layers.Dense(5)
makes = lambda: made
def Block():
    return made
"""


def test_a_user_s_layer_is_imported_by_its_name_with_the_shape_of_the_run(tmp_path):
    write(tmp_path, {"pkg/blocks.py": BLOCKS})
    unnamed = own(tmp_path, inputs="int32[96,3]<9").partition("\nshape = (6, 96, 3)  # steps")[2]
    assert "keras.Input(shape, dtype='int32')" in unnamed
    layers = (
        "blocks:Block",
        "blocks.py:Block",
        "blocks:Flatten",
        "blocks:made",
        "blocks:makes",
        "pkg/blocks.py:made",
    )
    codes = {one: own(tmp_path, one.partition(":")[2], layer=one, inputs="32") for one in layers}
    assert not [code for code in codes.values() if "layer = ..." in code]
    assert "from blocks import Block\n\nlayer = Block()\n" in codes["blocks.py:Block"]
    assert "layer = made if isinstance(made, keras.Layer) else made()\n" in codes["blocks:made"]
    here = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    assert max(errors({layer: here + code for layer, code in codes.items()}).values()) < 1e-5
    write(tmp_path, {"workloads/mine.py": "def make_layer(): ..."})
    assert "from workloads.mine import make_layer\n\nlayer = make_layer()" in own(tmp_path, "mine")


def test_the_code_for_several_inputs_runs_as_it_is_pasted(tmp_path):
    codes = {
        "by name": own(tmp_path, inputs="frame=float32[32],action=int32[]<5"),
        "listed": own(tmp_path, inputs="int32[]<5,float32[32]"),
    }
    assert "shape = {'action': (6,), 'frame': (6, 32)}  # steps" in codes["by name"]
    assert max(errors(codes).values()) < 1e-5
    mixed = own(tmp_path, dtype=Dtype.MIXED_BFLOAT16, inputs="int32[]<5,float32[32]")
    assert "dtype = ['int32', 'float32']" in mixed


#: The dtype of inputs, and the dtypes that a layer computes in and has its weights in.
DTYPES = {
    "mixed_bfloat16": ["float32", "bfloat16", "float32"],
    "mixed_float16": ["float32", "float16", "float32"],
    "bfloat16": ["bfloat16", "bfloat16", "bfloat16"],
}


def test_the_code_of_a_dtype_makes_layers_and_inputs_of_it(run):
    of, settings = Project(ROOT), {one: replace(SETTING, dtype=Dtype(one)) for one in DTYPES}
    codes = {one: usage.code_to_paste("fold_time", settings[one], run, of) for one in DTYPES}
    assert executed(codes)[1] == DTYPES
    _, call = usage.how_to_use("native", settings["mixed_float16"], run, of)
    assert call.startswith("keras.config.set_dtype_policy('mixed_float16'); model = build(")


def test_the_code_of_int8_quantises_the_layer_once_it_has_weights(run):
    of, setting = Project(ROOT), replace(SETTING, dtype=Dtype.INT8)
    code = usage.code_to_paste("fold_time", setting, run, of)
    assert '# makes its weights\nlayer.quantize("int8")\n' in code
    assert "set_dtype_policy" not in code
    assert errors({"int8": code})["int8"] < 1e-5
    _, call = usage.how_to_use("native", setting, run, of)
    assert call.startswith('layer.quantize("int8"); model = build(')
    assert "quantize" not in usage.code_to_paste("fold_time", SETTING, run, of)


@pytest.mark.parametrize(
    "layer", ["os:Block", "blocks:gone", "../blocks.py:Block", "blocks:Block#1", "blocks\n:Block"]
)
def test_a_layer_that_is_not_the_project_s_is_left_to_the_reader(tmp_path, layer):
    (tmp_path.parent / "blocks.py").write_text(BLOCKS)
    assert "\nlayer = ...  # your layer" in own(tmp_path, layer=layer)


def test_code_has_its_answer_as_comments(tmp_path, run_command):
    cases = journals.grid(
        ("native", "loop_slice"), ("tokens\nimport os",), (40,), (8,), ("forward",)
    )
    path = journals.synthetic(tmp_path / "run.jsonl", cases)
    said = run_command(0, "choose", "--run", path, "--code").out
    assert said.startswith("# tokens import os-T40-B8-forward-graph: Write native: ")
    compile(said, "said", "exec")
    assert said.endswith("model = keras.Model(inputs, outputs)\n")


def test_a_strategy_that_is_not_in_the_project_has_no_code(tmp_path, run_command):
    cases = journals.grid(("mine\nimport os", "zzz"), ("tokens",), (40,))
    path = journals.synthetic(tmp_path / "run.jsonl", cases)
    said = run_command(1, "choose", "--run", path, "--phases", "forward", "--code")
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "--code: expected a strategy that is here, received " in said.err
