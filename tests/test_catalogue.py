"""Files become strategies and workloads without being imported, and axes become cases."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.projects import strategy, write
from tests.support.questions import cases
from timelift.case import AXES, REQUIRED, Case, Dtype, Gradients, Lengths, Mode, Phase, Setting
from timelift.errors import UserError
from timelift.inner_layer import LayerInputs
from timelift.measure import catalogue, options
from timelift.measure.catalogue import Catalogue, Workload
from timelift.measure.request import Question, RunRequest
from timelift.project import Project, modules_in

GOOD = '"""A title.\n\nMore."""\ndef build(layer, shape, dtype=None, *, k=8): ...\n'


def written(tmp_path, **files):
    return [*write(tmp_path, {f"{stem}.py": text for stem, text in files.items()}).iterdir()]


@pytest.mark.parametrize("stem", ["my-fold", "fold.2", "größe"])
def test_a_file_s_name_may_have_dashes(tmp_path, stem):
    workload = '"""Title."""\nFEATURES = SEQ_LENS = BATCH_SIZES = (1,)\ndef make_layer(): ...\n'
    assert list(catalogue.read_workloads(written(tmp_path, **{stem: workload}))) == [stem]
    assert list(catalogue.read_strategies(written(tmp_path, **{stem: GOOD}))) == [stem]


@pytest.mark.parametrize(
    ("stem", "sentence"),
    [
        ("all", "and not 'all', received 'all'; rename the file"),
        ("a,b", "expected a name of letters, digits, '_', '-' and '.'"),
    ],
)
def test_a_file_s_name_that_could_not_be_asked_for_is_a_sentence(tmp_path, stem, sentence):
    for read in (catalogue.read_strategies, catalogue.read_workloads):
        with pytest.raises(UserError) as caught:
            read(written(tmp_path, **{stem: GOOD}))
        assert sentence in str(caught.value)


def test_variants_are_named_with_their_parameters(tmp_path):
    text = GOOD + "VARIANTS = ({'k': 2}, {'k': 4})\n"
    strategies = catalogue.read_strategies(written(tmp_path, fold=text))
    assert list(strategies) == ["fold[k=2]", "fold[k=4]"]
    assert catalogue.choose_strategy("fold", strategies) == [*strategies.values()]
    assert catalogue.choose_strategy("fold[k=16]", strategies)[0].parameters == {"k": 16}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("def build(layer, shape): ...\n", "lacks a docstring"),
        ('"""Title."""\n', "lacks the function build(layer, shape)"),
        ('"""Title."""\ndef build(x, shape): ...\n', "build must take (layer, shape)"),
        ('"""Title."""\ndef build(:\n', "not valid Python"),
        (f"{GOOD}x = {'+'.join(['a'] * 1500)}\n", "cannot be read as Python"),
        (GOOD + "DIFFERS = str(1)\n", "DIFFERS must be a literal"),
        (GOOD + "DIFFERS, DEFAULT = 'why', False\n", "DIFFERS must be a literal on a line of its"),
        (GOOD + "if True:\n    DIFFERS = 'why'\n", "DIFFERS must be a literal on a line of its"),
        (GOOD + "DIFFERS = True\n", "DIFFERS must be a text that says why, received True"),
        (GOOD + "DEFAULT = 'no'\n", "DEFAULT must be True or False, received 'no'"),
        (GOOD + "TAKES = 'raged'\n", "TAKES must be 'padded' or 'ragged', received 'raged'"),
        (GOOD + "BACKENDS = 'jax'\n", "BACKENDS must be a tuple of some of tensorflow, jax, torch"),
        (GOOD + "MASKS = 3\n", "MASKS must be a word, or a word for each time axis, received 3"),
        (GOOD + "VARIANTS = ({'k': 4})\n", "VARIANTS must be a tuple of dicts of parameters"),
    ],
)
def test_a_malformed_strategy_is_one_sentence_that_names_the_file(tmp_path, text, sentence):
    with pytest.raises(UserError) as caught:
        catalogue.read_strategies(written(tmp_path, mine=text))
    assert sentence in str(caught.value)
    assert "mine.py" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["{} = 'why'", "{}: str = 'why'", "{}: 'typing.Final[str]' = 'why'", "OTHER = {} = 'why'"],
)
def test_a_constant_is_read_with_and_without_an_annotation(tmp_path, text):
    where = written(tmp_path, mine=GOOD + text.format("DIFFERS") + "\n")
    assert catalogue.read_strategies(where)["mine"].differs == "why"


def test_what_else_a_module_holds_is_its_own_affair(tmp_path):
    text = "LIMIT = len('abc')\nDIFFERS: str\ndef f():\n    DEFAULT = 3\nfor i in (1, 2): pass\n"
    strategy = catalogue.read_strategies(written(tmp_path, mine=GOOD + text))["mine"]
    assert (strategy.differs, strategy.default) == ("", True)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("FEATURES = (3,)", None),
        ("FEATURES: tuple[int, ...] = (3,)", None),
        ("FEATURES = (0,)", "FEATURES must be a tuple of positive whole numbers"),
        ("", "lacks FEATURES, the shape of one step, or INPUTS"),
        ("FEATURES = (3,)\nSEQ_LENS = ()", "SEQ_LENS must be a tuple of positive whole numbers"),
        ("FEATURES = (3,)\nINPUT_HIGH = -1", "INPUT_HIGH must be a whole number from 0"),
        ("FEATURES = (3,)\nINPUT_DTYPE = 'float16'", "INPUT_DTYPE must be 'int32' or 'int64'"),
        (
            "FEATURES = (3,)\nINPUT_DTYPE = 'int32'\nINPUT_HIGH = 9_999_999_999",
            "INPUT_HIGH: expected numbers of int32, which lie below 2,147,483,648 at most",
        ),
        ("INPUTS = '3'", None),
        ("INPUTS = (3,)", "INPUTS must be a text, as --inputs takes it"),
        ("INPUTS = 'float32[x]'", "INPUTS: expected the shape of one step"),
        ("FEATURES = (3,)\nINPUT_HIGH = 9", "INPUT_DTYPE and INPUT_HIGH go together"),
        ("FEATURES = (3,)\nLIFTS = 3", "LIFTS must be 1, or 2 where the layer is applied to"),
        ("FEATURES = (3,)\nLIFTS = True", "LIFTS must be 1, or 2"),
        ("FEATURES = ()\nLIFTS = 2", "with LIFTS = 2 expected one input without a mask"),
        ("INPUTS = 'float32[6,3]+mask'\nLIFTS = 2", "expected one input without a mask"),
        ("INPUTS = 'float32[6,3],float32[6,3]'\nLIFTS = 2", "received 'float32[6,3],float32[6,3]'"),
    ],
)
def test_a_workload_declares_its_sizes(tmp_path, line, sentence):
    text = f'"""Title."""\nBATCH_SIZES = (1,)\ndef make_layer(): ...\nSEQ_LENS = (1,)\n{line}\n'
    where = written(tmp_path, mine=text)
    if sentence is None:
        assert catalogue.read_workloads(where)["mine"].inputs.tensors[0].shape == (3,)
        return
    with pytest.raises(UserError, match=r"mine\.py") as caught:
        catalogue.read_workloads(where)
    assert sentence in str(caught.value)


def pair():
    """A strategy and its other side, as they are raced in a launch."""
    mine = catalogue.Strategy("mine", Path("mine.py"), "Mine")
    side = replace(mine, name="mine@main", copy_of="mine", home=Project(Path("there")))
    known = catalogue.Catalogue({"mine": mine, side.name: side}, {})
    setting = Setting("sensor", 3, 2, Phase.FORWARD)
    return lambda launch: [known.rival(Case(setting, name), launch) for name in ("mine", side.name)]


def test_the_sides_of_a_pair_are_built_first_in_turn():
    first = [tuple(rival.built_first for rival in pair()(launch)) for launch in range(1, 7)]
    assert set(first) == {(True, False), (False, True)}
    assert all(turn != following for turn, following in itertools.pairwise(first))


@pytest.fixture
def places(tmp_path):
    """A user's project, which has a strategy of its own, and what timelift brings."""
    files = {
        "site/timelift/strategies/native.py": strategy("Brought"),
        "site/timelift/strategies/fold_time.py": strategy("Brought"),
        "mine/pyproject.toml": "",
        "mine/strategies/native.py": strategy("Own"),
    }
    return write(tmp_path, files)


def project(places):
    return Project(places / "mine", brought=places / "site/timelift")


def shown(project):
    return {name: project.shown(path) for name, path in project.strategies.items()}


def test_another_revision_of_a_project_has_the_same_files_of_timelift_s(places):
    files = {"then/strategies/_parts.py": "", "then/lib/inner.py": ""}
    write(places, files | {"then/strategies/two.py": strategy("Then")})
    now = project(places)
    then = Project(now.root, (places / "mine/lib",), now.brought).at(places / "then")
    assert shown(then) == {
        "fold_time": "timelift/strategies/fold_time.py",
        "native": "timelift/strategies/native.py",
        "two": "strategies/two.py",
    }
    assert then.import_folders == [places / "then", places / "then/lib"]


def test_timelift_may_be_installed_inside_a_project(places):
    inside = Project(places, brought=places / "site/timelift")
    assert shown(inside)["native"] == "timelift/strategies/native.py"
    assert set(inside.at(places / "gone").strategies) == {"native", "fold_time"}


@pytest.mark.parametrize("marker", ["pyproject.toml", "pytest.ini", ".git"])
def test_the_project_is_the_nearest_folder_above_with_a_marker(tmp_path, marker):
    write(tmp_path, {f"mine/{marker}": "", "mine/deep/down/a.txt": "", "bare/deep/a.txt": ""})
    assert Project.around(tmp_path / "mine/deep/down").root == tmp_path / "mine"
    bare = tmp_path / "bare/deep"
    assert Project.around(bare).root == bare


def test_a_folder_of_data_is_no_module_of_a_project(tmp_path):
    data, code = ["logging.yaml", "json/data.txt"], ["mine.py", "pack/__init__.py"]
    root = write(tmp_path, dict.fromkeys([*data, *code, "src/deep/inner/part.py"], ""))
    assert modules_in([root, root / "src", root / "none"]) == {"mine", "pack", "deep"}


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


def test_train_steps_in_float16_alone_are_refused():
    inputs = LayerInputs.of_one((3,))
    known = Catalogue({}, {"small": Workload("small", "f", inputs, (5,), (2,))})
    settings = [Setting("small", 5, 2, *how) for how in itertools.product(Phase, Mode)]
    tried = [replace(setting, dtype=dtype) for setting in settings for dtype in Dtype]
    refused = {(each.phase, each.dtype) for each in tried if known.why_not(Case(each, "fold"))}
    assert refused == {(Phase.TRAIN, Dtype.FLOAT16)}


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


def test_lists_split_outside_brackets():
    assert options.split("fold[k=8,remat=True], native") == ["fold[k=8,remat=True]", "native"]


SETTINGS = (
    {},
    {"device": "gpu:0", "mode": "xla"},
    {"phase": Phase.BACKWARD, "gradients": "inputs_and_weights", "lengths": "skewed"},
    {"phase": Phase.TRAIN, "dtype": "mixed_float16", "mode": "eager"},
    {"time_axis": "dynamic", "dtype": "bfloat16", "device": "gpu", "threads": 12, "backend": "jax"},
)


@pytest.mark.parametrize("axes", SETTINGS)
def test_a_case_is_read_back_from_the_fields_that_are_unusual(axes):
    kinds = {"phase": Phase.FORWARD} | {key: AXES[key].kind(value) for key, value in axes.items()}
    case = Case(Setting("my-net", 5, 2, **kinds), "fold[k=-1]")
    assert Case.from_fields(case.short_fields()) == case
    assert case.short_fields().keys() <= {"strategy", *REQUIRED, *axes}


def test_two_cases_of_one_name_are_refused(tmp_path):
    """A strategy may be named like an axis, but not so that pytest shows two cases alike."""
    workload = '"""Title."""\nFEATURES = SEQ_LENS = BATCH_SIZES = (1,)\ndef make_layer(): ...\n'
    files = {f"strategies/{name}.py": GOOD for name in ("fold", "jax-fold")}
    write(tmp_path, files | {"workloads/small.py": workload})
    texts = {"strategies": "fold,jax-fold", "workloads": "small", "backends": "tensorflow"}
    project, question = Project(tmp_path), Question({"phases": "forward"})
    assert len(RunRequest(project, texts).cases(question)) == 2
    request = RunRequest(project, texts | {"backends": "tensorflow,jax"})
    with pytest.raises(UserError, match=r"jax-fold': (jax-)?fold of small on .* and"):
        request.cases(question)


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
