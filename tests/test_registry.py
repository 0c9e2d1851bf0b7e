"""Files become strategies and workloads without being imported, or one sentence says why not."""

import pytest

from timelift.errors import UserError
from timelift.measure import registry

GOOD = '"""A title.\n\nMore."""\ndef build(layer, shape, dtype=None, *, k=8): ...\n'


def folder(tmp_path, **files):
    """Write files by stem and return their folder."""
    for stem, text in files.items():
        (tmp_path / f"{stem}.py").write_text(text)
    return tmp_path


def test_the_title_is_the_first_line_of_the_docstring(tmp_path):
    """The full stop belongs to the sentence, not to the title."""
    found = registry.strategies(folder(tmp_path, mine=GOOD))
    assert found["mine"].title == "A title"


def test_nothing_is_imported(tmp_path):
    """A module that would fail on import is still listed."""
    text = GOOD + "raise RuntimeError\nimport no_such_package\n"
    assert "mine" in registry.strategies(folder(tmp_path, mine=text))


def test_variants_are_named_with_their_parameters(tmp_path):
    """One entry a variant, and a user may ask for values that no variant has."""
    text = GOOD + "VARIANTS = ({'k': 2}, {'k': 4})\n"
    known = registry.strategies(folder(tmp_path, fold=text))
    assert list(known) == ["fold[k=2]", "fold[k=4]"]
    assert [one.name for one in registry.choose_strategy("fold", known)] == list(known)
    assert registry.choose_strategy("fold[k=16]", known)[0].parameters == {"k": 16}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("def build(layer, shape): ...\n", "lacks a docstring"),
        ('"""Title."""\n', "lacks the function build(layer, shape)"),
        ('"""Title."""\ndef build(x, shape): ...\n', "build must take (layer, shape)"),
        ('"""Title."""\ndef build(:\n', "not valid Python"),
        (GOOD + "DIFFERS = str(1)\n", "DIFFERS must be a literal"),
        (GOOD + "VARIANTS = ({'q': 1},)\n", "build has no parameter 'q'; it has: k"),
    ],
)
def test_a_malformed_strategy_is_one_sentence_that_names_the_file(tmp_path, text, sentence):
    """The sentence says which file and what it lacks."""
    with pytest.raises(UserError) as caught:
        registry.strategies(folder(tmp_path, mine=text))
    assert sentence in str(caught.value)
    assert "mine.py" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("FEATURES = (3,)", None),
        ("FEATURES = (0,)", "FEATURES must be a tuple of positive whole numbers"),
        ("FEATURES = 3", "FEATURES must be a tuple of positive whole numbers"),
        ("", "FEATURES must be a tuple of positive whole numbers, received None"),
    ],
)
def test_a_workload_declares_its_sizes(tmp_path, line, sentence):
    """Sizes are literals of positive whole numbers."""
    text = f'"""Title."""\n{line}\nSEQ_LENS = (1,)\nBATCH_SIZES = (1,)\ndef make_layer(): ...\n'
    where = folder(tmp_path, mine=text)
    if sentence is None:
        assert registry.workloads(where)["mine"].features == (3,)
        return
    with pytest.raises(UserError, match=r"mine\.py") as caught:
        registry.workloads(where)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("word", ["folt[k=8]", "fold[k=", "fold[8]", "fold[q=1]"])
def test_a_wrong_strategy_word_is_a_sentence(tmp_path, word):
    """Names, brackets and parameters are all checked."""
    known = registry.strategies(folder(tmp_path, fold=GOOD))
    with pytest.raises(UserError, match="fold"):
        registry.choose_strategy(word, known)


def test_two_strategies_of_one_name_are_refused(tmp_path):
    """An extra file may not hide a file of the catalogue."""
    where = folder(tmp_path, fold=GOOD)
    extra = tmp_path / "other"
    extra.mkdir()
    (extra / "fold.py").write_text(GOOD)
    with pytest.raises(UserError, match="exists already"):
        registry.strategies(where, (extra / "fold.py",))
