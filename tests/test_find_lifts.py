"""Models of users: every lift is found, described, and changed in place, where it can be."""

import math

import pytest

from tests.support import engines
from timelift.axis_values import Backend

#: Each model with the paths of its lifts.
PATHS = {
    "video": ["looks_td"],
    "documents": ["sentence_td"],
    "actions": ["network_td"],
    "text_lines": ["column_td", "letters_td"],
    "signal": ["value_td"],
    "detector": ["conv_td", "norm_td", "flat_td", "box_td", "kind_td"],
    "agent": ["torso_td"],
    "speech": ["frame_td", "phone_td"],
    "library": ["sentences_td", "sentences_td/sentences/words_td"],
    "twins": ["shared_td"],
    "shared": ["left/shared_td"],
    "unnamed": ["time_distributed", "sequential/time_distributed_1"],
    "late": ["late_td"],
    "by_hand": ["looped"],
    "unstacked": ["outer/looped"],
    "of_images": ["looped"],
    "of_one_graph": ["coded/looped"],
    "of_players": ["looped"],
    "of_pairs": ["looped"],
    "of_lifts": ["inner_td", "inner_td"],
    "towers": ["tower/td", "tower/td"],
    "by_hand_otherwise": ["twin_td"],
}
#: What is called again at one shape and is no lift, of those models that have it.
REPEATED = {
    "by_hand_otherwise": [
        *("'all_but_one' 3", "'along_features' 4", "'backwards' 4", "'elsewhere' 4"),
        *("'inside' 2", "'punished' 4", "'read' 4", "'twice' 4"),
    ],
    "twins": ["LSTM(50) 2"],
}
TENSORFLOW = str(Backend.TENSORFLOW)
#: Models whose train step TensorFlow traces in less than a second.
QUICK = (
    *("shared", "unnamed", "late", "by_hand", "unstacked", "of_images"),
    *("of_one_graph", "of_lifts", "towers", "by_hand_otherwise", "of_players"),
)


def call_in(backend, call):
    return engines.evaluate(backend, "tests.support.changed_models", call)


def described(name, backend=TENSORFLOW):
    return call_in(backend, f"described({name!r})")


#: These look at models that others of them look at.
SHARED = pytest.mark.xdist_group("described models")


def _cases():
    for backend in Backend:
        for name in PATHS:
            quick = backend is Backend.TENSORFLOW and name in QUICK
            marks = () if quick else (pytest.mark.whole,)
            yield pytest.param(str(backend), name, marks=marks, id=f"{name}-{backend}")


@pytest.mark.parametrize(("backend", "name"), [*_cases()])
def test_a_model_whose_lifts_are_folded_computes_the_same_and_trains(backend, name):
    model = call_in(backend, f"folded({name!r})")
    paths = model["paths"]
    assert len(paths) == len(PATHS[name])
    assert name == "unnamed" or paths == PATHS[name]  # Keras numbers those that have no name
    assert model["moved"] < 1e-5
    assert not paths or model["moved"] < model["doubled"] / 10  # it is the change that computes
    assert not any(map(math.isnan, model["losses"]))
    assert sorted(model["repeated"]) == REPEATED.get(name, [])
    assert name != "towers" or model["added"] == [[], ["noise"]]  # as the layers inside


@pytest.mark.parametrize(
    ("name", "outer", "inner"),
    [
        ("of_lifts", (2, 3, [4, 2], ""), (6, 4, [2], "")),
        pytest.param(
            "library", (2, 4, [6, 20], "int32"), (8, 6, [20], "int32"), marks=pytest.mark.whole
        ),
    ],
)
def test_a_lift_inside_of_a_lift_sees_the_steps_of_both(name, outer, inner):
    sizes = [
        (lift["batch"], lift["steps"], each["shape"], each["dtype"])
        for lift in described(name)["lifts"]
        for each in lift["inputs"]["tensors"]
    ]
    assert sizes == [outer, inner]


#: What is true of which lifts of `asked`; of some, all is assumed.
UNKNOWN = {"untaught", "punished", "further"}
ASKED = {
    "noise": UNKNOWN | {"drop_path", "unseeded", "own_noise", "one_noise"},
    "noise of a call": {"drop_path", "one_noise"},
    "statistics": UNKNOWN | {"centred", "metric", "spectral"},
    "losses": UNKNOWN | {"add_loss", "activity"},
    "masked": {"left", "right"},
    "inputs_and_weights": {"left", "right", "again", "nested", "weightless", "untaught"},
    "none": {"unseeded", "no_noise", "own_noise", "one_noise", "frozen", "bare"},
}


@pytest.mark.parametrize(
    "backend",
    [pytest.param(one, marks=() if one == "tensorflow" else pytest.mark.whole) for one in Backend],
)
@SHARED
def test_how_a_lift_trains_is_asked_of_its_layer_and_of_the_model(backend):
    said = {
        lift["name"]: (*lift["added"], lift["gradients"], lift["masked"] and "masked")
        for lift in described("asked", backend)["lifts"]
    }
    for word, names in ASKED.items():
        assert {name for name, words in said.items() if word in words} == names


@SHARED
def test_a_lift_is_described_by_its_place_and_its_strategy():
    loops = {"by_hand": "loop_slice", "unstacked": "loop_unstack"}
    places = {
        "unnamed": [
            ("", "after the input", "Dense(4)"),
            ("", "after the input in Sequential", "Dense(2)"),
        ],
        "by_hand": [("looped", "after the input", "Dense(3)")],
        "unstacked": [("looped", "after the input in 'outer'", "looped")],
        "signal": [("value_td", "after LSTM(64)", "Dense(1)")],
        "agent": [("torso_td", "", "torso")],
    }
    for name, wanted in places.items():
        lifts = described(name)["lifts"]
        assert [(lift["name"], lift["place"], lift["inner"]) for lift in lifts] == wanted
        assert {lift["usual"] for lift in lifts} == {loops.get(name, "time_distributed")}


def test_several_inputs_of_a_lift_are_told_by_name_or_in_a_list():
    players, pairs = (described(name)["lifts"][0] for name in ("of_players", "of_pairs"))
    assert (players["inputs"]["names"], players["outputs"]) == (["action", "frame"], 2)
    tensors = [(one["shape"], one["dtype"], one["high"]) for one in players["inputs"]["tensors"]]
    assert tensors == [([], "int32", 6), ([2], "", 0)]
    assert (pairs["inputs"]["names"], len(pairs["inputs"]["tensors"])) == ([], 2)
    assert pairs["place"] == "after the input and ReLU"


#: What is said of masks that go wrong at a lift, by what `misled` does with them.
MISLED = {
    "lost": "TimeDistributed loses the masks that Embedding makes at each step",
    "to the loss": "TimeDistributed hands the masks of steps on as one over steps, to the loss",
    "in a loop": "the loop takes steps without their masks",
    "nothing": "",
    "lost unused": "",
    "handed on": "TimeDistributed hands the masks of steps on as one over steps, to GRU(2), which",
    "over steps": "TimeDistributed hands each step a part of the mask over steps as one of its own",
}


@pytest.mark.parametrize("what", MISLED)
def test_a_mask_that_goes_wrong_at_a_lift_is_told(what):
    model = call_in(TENSORFLOW, f"misled({what!r})")
    if what in {"handed on", "over steps"}:  # Keras cannot call these
        assert model["error"].startswith(MISLED[what])
        return
    lift = model["lifts"][0]
    assert lift["mask_fault"] == MISLED[what]
    assert any(one["masked"] for one in lift["inputs"]["tensors"]) == (
        what in {"to the loss", "nothing"}
    )


def test_the_layer_in_a_lift_is_found_by_its_number():
    assert call_in(TENSORFLOW, "find_layer(named('library#2')).name") == "words"


def test_a_stored_model_that_holds_code_is_refused():
    assert "write a function that loads it" in call_in(TENSORFLOW, "refused_with_code()")


#: What a model `m` calls of its inputs `x` and their steps, with the layers that it repeats.
BY_HAND = {
    "[m.first(step) for step in steps]": ["'first' 4"],
    "[m.first(layers.Lambda(lambda x, t=t: x[:, t])(x)) for t in range(4)]": ["'first' 4"],
    "layers.Lambda(lambda x: ops.stack([m.first(x[:, t]) for t in range(4)]))(x)": ["'first' 4"],
    "layers.Concatenate()([layers.Reshape((1, -1))(m.first(s)) for s in steps])": ["'first' 4"],
    "[m.relu(m.first(step)) for step in steps]": ["'first' 4"],
    "[m.block(m.first(step)) for step in steps]": ["'first' 4", "'block' 4"],
    "[m.relu(step) for step in steps]": ["ReLU 4"],
    "[m.first(crop) for crop in (x, -x, *steps)]": ["'first' 4"],
    "m.first(steps[0] + m.first(steps[1]))": ["'first' 2 in turn"],
    "m.first(layers.LayerNormalization()(m.block(m.first(x))))": ["'first' 2 in turn"],
    "m.first(ops.one_hot(ops.argmax(m.first(x), -1), 3))": ["'first' 2 in turn"],
    "m.relu(m.relu(x))": [],
    "[m.first(x), m.first(x[:, 0]), m.lift(x), m.lift(-x)]": [],
    "layers.Bidirectional(layers.LSTM(3, unroll=True))(x)": [],
    "layers.MultiHeadAttention(2, 3)(x, x)": [],
}


@pytest.mark.parametrize("how", BY_HAND)
def test_what_is_called_again_at_one_shape_is_named(how):
    model = f"lifted_models.ByHand(lambda m, x, steps: {how})"
    assert call_in(TENSORFLOW, f"repeated({model}, np.random.rand(2, 4, 3))") == BY_HAND[how]


def test_a_loop_is_named_by_its_line_and_by_what_it_calls():
    asked = {"source": "examples.more_models:gestures_data", "batch": 2, "seq_len": 6}
    (loop,) = call_in(TENSORFLOW, f"describe_model('examples.more_models:gestures', {asked})")[
        "repeated"
    ]
    lines = (engines.ROOT / "examples" / "more_models.py").read_text().splitlines()
    line = next(number for number, line in enumerate(lines, 1) if "self.pose(" in line)
    assert loop["line"] == f"more_models.py:{line}"
    assert loop["instead"] == "FoldTime(self.pose)(frames)"


@SHARED
def test_a_model_whose_lifts_are_shared_or_come_late_is_refused():
    assert "makes the whole model anew" in described("same")["error"]
    assert "makes the whole model anew" in described("same_inside")["error"]
    assert "make them in __init__" in described("late")["error"]
    assert described("unnamed")["layers"] == 3
