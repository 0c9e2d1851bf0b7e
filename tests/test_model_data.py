"""What a whole model is called with: inputs as its layers expect them, padded where they mask."""

import numpy as np
import pytest

from tests.support.tensorflow_here import keras
from timelift.worker.describe import describe_model
from timelift.worker.model_data import data_of, is_constant
from timelift.worker.repeated import repeated_calls

layers, MASKED = keras.layers, -9.0


def model(shape, *called, dtype="float32"):
    x = inputs = keras.Input(shape, dtype=dtype)
    for layer in called:
        x = layer(x)
    return keras.Model(inputs, x)


def drawn(whole, seed=0):
    return data_of(whole, "", 16, 6, np.random.default_rng(seed)).inputs


def lifted(*called):
    return layers.TimeDistributed(keras.Sequential(called))


@pytest.mark.parametrize(
    ("shape", "called"),
    [
        pytest.param((None, 3), [layers.Masking(MASKED)], id="steps"),
        pytest.param((2, 6, 3), [layers.Masking(MASKED)], id="words of sentences"),
        pytest.param((2, 6, 3), [lifted(layers.Masking(MASKED), layers.GRU(2))], id="in a lift"),
        pytest.param((6, 3), [layers.Dense(3), layers.Masking(MASKED)], id="behind a layer"),
    ],
)
def test_whole_steps_are_padded_after_lengths_of_their_own(shape, called):
    whole = model(shape, *called)
    inputs = drawn(whole)
    assert (inputs == drawn(whole)).all()
    assert not (inputs == drawn(whole, seed=1)).all()
    padded = (inputs == MASKED).all(axis=-1).reshape(-1, 6)
    assert (padded.sum() * 3, padded[0].any()) == ((inputs == MASKED).sum(), False)
    assert (np.diff(padded.astype(int)) >= 0).all()
    assert set(padded.sum(axis=1)) == set(range(6))


BYTES = layers.Rescaling(1 / 255)


@pytest.mark.parametrize(
    ("called", "dtype", "low", "high"),
    [
        ([BYTES], "float32", 0, 255),
        ([layers.Resizing(3, 3), layers.Rescaling(1 / 127.5, -1.0)], "float32", 0, 255),
        ([lifted(layers.Permute((2, 1)), BYTES)], "float32", 0, 255),
        ([layers.Rescaling([0.5, 0.1], [0.0, -1.0])], "float32", 0, 20),
        ([layers.Rescaling(-1 / 255, 1.0)], "int32", 0, 255),
        ([layers.Flatten()], "uint8", 0, 255),
        ([layers.Embedding(40, 2)], "float32", 0, 39),
        ([layers.Dense(2), BYTES], "float32", -4, 4),
    ],
)
def test_inputs_lie_where_the_layer_behind_them_expects_them(called, dtype, low, high):
    inputs = drawn(model((8, 8, 2), *called, dtype=dtype))
    assert low <= inputs.min() < low + 0.2 * (high - low)
    assert high - 0.2 * (high - low) < inputs.max() <= high


def test_inputs_of_a_normalization_have_its_statistics():
    adapted, given = layers.Normalization(), layers.Normalization(mean=[9, -400], variance=[4, 1e4])
    adapted.adapt(np.array([[10.0, -300.0], [14.0, -500.0]]))
    for layer in (adapted, given):
        whole = model((40, 2), layers.TimeDistributed(layer))
        outputs = np.array(whole(drawn(whole))).reshape(-1, 2)
        assert np.abs([outputs.mean(axis=0), outputs.std(axis=0) - 1]).max() < 0.2


def test_each_input_is_drawn_below_the_size_of_its_own_table():
    words, kind, other = (keras.Input((6,), dtype="int32") for _ in range(3))
    outputs = layers.Embedding(900, 2)(words), layers.Embedding(4, 2)(kind), layers.Dense(2)(other)
    largest = [inputs.max() for inputs in drawn(keras.Model([words, kind, other], outputs))]
    assert 800 < largest[0] < 900
    assert largest[1:] == [3, 1]


def test_text_is_not_drawn():
    sentence = keras.Input((3,), dtype="string", name="sentence")
    whole = keras.Model(sentence, layers.StringLookup(vocabulary=["a"])(sentence))
    with pytest.raises(ValueError, match="takes text as 'sentence'; say --data module:function"):
        drawn(whole)


@pytest.mark.parametrize(
    ("end", "bias", "constant"), [("sigmoid", 0, False), ("sigmoid", 99, True), ("relu", -99, True)]
)
def test_a_model_is_constant_if_no_input_changes_an_output(end, bias, constant):
    bias = keras.initializers.Constant(bias)
    whole = model((4,), layers.Dense(1, end, bias_initializer=bias))
    inputs = drawn(whole)
    assert is_constant(whole, inputs) == constant
    assert not is_constant(whole, inputs[[0, 0]])  # which show nothing


def full():
    """Sentences of which no step is padded."""
    return np.ones((2, 3, 4), "int32"), None


def guarded():
    """A mask that no layer of Keras makes, by a value that is never drawn."""
    steps, lift = keras.Input((4, 3, 2)), layers.TimeDistributed(layers.GRU(2))
    return keras.Model(steps, lift(steps, mask=keras.ops.any(keras.ops.not_equal(steps, 999), -1)))


def test_a_mask_by_which_no_step_is_padded_is_told():
    here, models = "tests.test_model_data", "tests.support.lifted_models"
    padded, guarded, unnamed = f"{models}:padded", f"{here}:guarded", f"{models}:unnamed"
    cases = (padded, f"{here}:full"), (guarded, ""), (padded, ""), (unnamed, "")
    told = [
        describe_model(name, {"source": source, "batch": 2, "seq_len": 6}) for name, source in cases
    ]
    assert [fields["unpadded"] for fields in told] == [True, True, False, False]
    assert not any(fields["constant"] for fields in told[1:])


def test_what_is_wrong_with_the_data_is_not_told_of_the_model():
    with pytest.raises(ValueError, match=r"--data tests.test_model_data:fool: .*has no 'fool'"):
        data_of(None, "tests.test_model_data:fool", 2, 6, np.random.default_rng(0))


class Classed(keras.Model):
    """It tells the shapes of its inputs once it is built."""

    def __init__(self):
        super().__init__()
        self.words, self.lift = layers.Embedding(7, 2), layers.TimeDistributed(layers.Dense(3))

    def call(self, inputs):
        return self.lift(self.words(inputs["said"])) * inputs["loud"]


def test_inputs_of_a_model_of_a_class_are_drawn_once_it_is_built():
    whole = Classed()
    with pytest.raises(ValueError, match="does not tell the shapes of its inputs; say --data"):
        drawn(whole)
    whole({"said": np.zeros((2, 5), "int32"), "loud": np.ones((2, 5, 1), "float32")})
    inputs = drawn(whole)
    assert {name: array.shape for name, array in inputs.items()} == {
        "said": (16, 5),
        "loud": (16, 5, 1),
    }
    assert set(np.unique(inputs["said"])) == set(range(7))


class Twice(keras.Model):
    """It calls a layer twice on a line, and no layer at each step."""

    def __init__(self):
        super().__init__()
        self.part = layers.Dense(2)

    def call(self, inputs):
        return abs(self.part(inputs[:, 0]) - self.part(inputs[:, 1]))


def test_two_calls_on_a_line_are_no_loop():
    whole, inputs = Twice(), np.ones((2, 3, 4), "float32")
    whole(inputs)  # which builds it by a call, too
    (repeated,) = repeated_calls(whole, inputs, [])
    assert (repeated["calls"], repeated.get("line", "")) == (2, "")


ROWS = np.arange(6.0).reshape(3, 2)


def rows():
    return {"x": ROWS, "scale": 3.0}, [ROWS[:, 0]]


@pytest.mark.parametrize(("batch", "taken"), [(0, [0, 1, 2]), (2, [0, 1]), (4, [0, 1, 2, 0])])
def test_a_batch_of_data_has_its_first_rows(batch, taken):
    data = data_of(None, f"{__name__}:rows", batch, 6, np.random.default_rng(0))
    assert (data.inputs["x"] == ROWS[taken]).all()
    assert data.inputs["scale"] == 3.0
    assert (data.labels[0] == ROWS[taken, 0]).all()
