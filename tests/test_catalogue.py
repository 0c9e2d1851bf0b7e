"""Files become strategies and workloads without being imported."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.projects import write
from timelift.axis_values import Phase
from timelift.case import Case, Setting
from timelift.errors import UserError
from timelift.measure import catalogue
from timelift.project import Project

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
