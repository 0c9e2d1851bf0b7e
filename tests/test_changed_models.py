"""Models that people write: every lift is found, and changed in place without moving an output."""

import functools
import json
import signal
import subprocess
import sys
import time

import pytest

from tests import engines
from tests.projects import ROOT
from timelift import cli
from timelift.advise.user_model import Feeding, UserModel
from timelift.case import Backend

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
    "of_lifts": ["inner_td", "inner_td_2"],
    "towers": ["tower/td", "tower/td_2"],
    "by_hand_otherwise": [],
}
TENSORFLOW = str(Backend.TENSORFLOW)
#: Those whose train step TensorFlow traces in less than a second.
QUICK = (
    *("signal", "agent", "twins", "shared", "unnamed", "late", "by_hand", "unstacked"),
    *("of_images", "of_one_graph", "of_lifts", "towers"),
)


@functools.cache
def told(backend, call):
    """What a function of `changed_models` returns in a process of the backend."""
    return engines.told(backend, _script(call))


def _script(call):
    return f"import json\nfrom tests.changed_models import *\nprint(json.dumps({call}))"


def _cases():
    for backend in Backend:
        for name in PATHS:
            quick = backend is Backend.TENSORFLOW and name in QUICK
            marks = () if quick else (pytest.mark.whole,)
            yield pytest.param(str(backend), name, marks=marks, id=f"{name}-{backend}")


@pytest.mark.parametrize(("backend", "name"), [*_cases()])
def test_a_model_whose_lifts_are_folded_computes_the_same_and_trains(backend, name):
    found = told(backend, f"folded({name!r})")
    paths = found["paths"]
    assert len(paths) == len(PATHS[name])
    assert name == "unnamed" or paths == PATHS[name]  # Keras numbers those that have no name
    assert found["moved"] < 1e-5
    assert not paths or found["moved"] < found["doubled"] / 10  # it is the change that computes
    assert all(loss == loss for loss in found["losses"])  # noqa: PLR0124 - not NaN


def test_a_lift_tells_the_sizes_that_reach_it_and_what_training_adds():
    (value,) = told(TENSORFLOW, "folded('signal')")["told"]
    assert (value["batch"], value["steps"]) == (2, 5)
    assert value["inputs"]["features"] == [64]
    assert value["added"] == []


def test_a_lift_inside_of_a_lift_sees_the_steps_of_both():
    outer, inner = described("library")["lifts"]
    assert (outer["batch"], outer["steps"], outer["inputs"]["features"]) == (2, 4, [6, 20])
    assert (inner["batch"], inner["steps"]) == (8, 6)
    assert inner["inputs"] == {"features": [20], "dtype": "int32", "high": 5000}


@pytest.mark.whole
def test_dropout_and_statistics_of_a_lift_are_told():
    frame, _ = told(TENSORFLOW, "folded('speech')")["told"]
    norm = told(TENSORFLOW, "folded('detector')")["told"][1]
    assert "noise" in frame["added"]
    assert "statistics" in norm["added"]


def test_a_weight_is_no_noise_and_a_rate_may_be_a_number_of_numpy():
    found = told(TENSORFLOW, "folded('towers')")["told"]
    assert ["noise" in lift["added"] for lift in found] == [False, True]


def test_a_lift_is_told_by_where_it_stands():
    places = {
        "unnamed": [
            ("", "after the input", "Dense(4)"),
            ("", "after the input in Sequential", "Dense(2)"),
        ],
        "library": [
            ("sentences_td", "after the input", "sentences"),
            ("words_td", "after the input in 'sentences'", "words"),
        ],
        "by_hand": [("looped", "after the input", "Dense(3)")],
        "signal": [("value_td", "after LSTM(64)", "Dense(1)")],
        "agent": [("torso_td", "", "torso")],
    }
    for name, wanted in places.items():
        found = told(TENSORFLOW, f"folded({name!r})")["told"]
        assert [(one["name"], one["place"], one["inner"]) for one in found] == wanted


@pytest.mark.parametrize("lift", ["2", "sentences_td/sentences/words_td"])
def test_the_layer_in_a_lift_is_found_by_its_number_and_by_its_path(lift):
    assert told(TENSORFLOW, f"find_layer(named('library#{lift}')).name") == "words"


def test_a_stored_model_that_holds_code_is_refused():
    assert "write a function that loads it" in told(TENSORFLOW, "refused_with_code()")


def test_a_lift_is_told_whether_it_trains():
    found = told(TENSORFLOW, "trained('dropped')")
    assert found["in_training"] > 0.1
    assert found["else"] < 1e-6


def test_a_loop_over_every_step_is_a_lift_and_another_one_is_named():
    for name, usual in (("by_hand", "loop_slice"), ("unstacked", "loop_unstack")):
        found = told(TENSORFLOW, f"folded({name!r})")
        assert ([one["usual"] for one in found["told"]], found["by_hand"]) == ([usual], [])
        (lift,) = found["told"]
        assert (lift["steps"], lift["inputs"]["features"]) == (4, [2])
    assert sorted(told(TENSORFLOW, "folded('by_hand_otherwise')")["by_hand"]) == [
        ["all_but_one", 3],
        ["along_features", 4],
        ["backwards", 4],
        ["elsewhere", 4],
        ["punished", 4],
        ["training", 4],
        ["twice", 4],
    ]


FIRST = {"first": {"1": "fold_time"}}
EACH_AND_BOTH = FIRST | {
    "second": {"2": "fold_time"},
    "both": {"1": "fold_time", "2": "fold_time"},
}


def raced(name, changes, **how):
    """How each of these changes of a model, and the model as written, ends in a worker."""
    ways = {"as_written": {}} | changes
    return told(TENSORFLOW, f"raced({name!r}, 'tensorflow', {ways}, **{how})")


def test_a_change_that_computes_something_else_breaks_the_law():
    strategies = {"changed": "fold_time", "wrong": "doubles", "strange": "own_weights"}
    found = raced("twins", {way: {"1": strategy} for way, strategy in strategies.items()})
    assert {name: status for name, (status, _, _) in found.items()} == {
        "as_written": "measured",
        "changed": "measured",
        "wrong": "law broken",
        "strange": "failed",
    }
    assert found["wrong"][1].startswith("breaks the law: outputs differ by")
    assert "makes weights of its own" in found["strange"][1]
    facts = found["changed"][2]
    assert 0 <= facts["law_error"] < 1e-5
    assert facts["first_call_seconds"] > 0
    assert "law_error" not in found["as_written"][2]


def test_a_mask_that_a_change_loses_breaks_the_law():
    found = raced("padded", FIRST)
    assert found["as_written"][0] == "measured"
    assert found["first"][0] == "law broken"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        pytest.param("unnamed", FIRST, id="names that Keras numbers"),
        pytest.param("trained_before", FIRST, id="weights that no seed makes"),
        pytest.param("of_lifts", EACH_AND_BOTH, id="a loop and the lift that it calls"),
    ],
)
def test_each_way_of_changing_a_model_computes_the_same(name, changes):
    found = raced(name, changes)
    assert {status for status, _, _ in found.values()} == {"measured"}, found


@pytest.mark.whole
def test_what_a_change_needs_of_memory_is_read_without_a_law():
    for status, _, facts in raced("twins", FIRST, peak=True).values():
        assert status == "measured"
        assert facts.keys() & {"peak_bytes", "peak_bytes_below"}
        assert "law_error" not in facts


@pytest.mark.parametrize(
    ("name", "strategy", "stored"),
    [
        ("stacked", "native", False),
        ("shared", "fold_time", False),
        ("stacked", "native", True),
        ("twins", "vectorized_map", True),
        ("library", "fold_time", True),
        pytest.param("library", "fold_time", False, marks=pytest.mark.whole),
        pytest.param("detector", "fold_time", True, marks=pytest.mark.whole),
    ],
)
def test_code_that_is_pasted_keeps_what_a_model_computes(name, strategy, stored):
    found = told(TENSORFLOW, f"pasted({name!r}, {strategy!r}, stored={stored})")
    assert found["lifts"] == 0
    assert found["off"] <= 1e-5 * found["largest"]


SIGNAL = f"{ROOT / 'examples' / 'published_models.py'}:signal"


@pytest.mark.whole
@pytest.mark.usefixtures("own_lock")
def test_a_model_is_advised_on_by_the_command(tmp_path, capsys):
    words = ["advise", SIGNAL, "--launches", "1", "--json"]
    assert cli.main([*words, "--results", str(tmp_path)], ROOT) == 0
    found = json.loads(capsys.readouterr().out)
    (lift,) = found["lifts"]
    assert (lift["name"], lift["before"]) == ("value_td", "TimeDistributed(Dense(1))")
    assert lift["times_as_fast"] > 0
    assert lift["launches"] == 1
    assert found["drawn"]
    assert found["draws_labels"]
    assert (found["whole"] is None) == (lift["write"] is None)
    assert len(list(tmp_path.rglob("*.jsonl"))) == 2 - (found["whole"] is None)


@pytest.mark.whole
@pytest.mark.usefixtures("own_lock")
def test_ctrl_c_ends_an_advice_with_what_is_known(tmp_path):
    words = [sys.executable, "-m", "timelift", "advise", SIGNAL, "--results", str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, cwd=ROOT, **pipes) as run:
        deadline = time.monotonic() + 300
        while not any('"kind":"launch"' in one.read_text() for one in tmp_path.rglob("*.jsonl")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        run.send_signal(signal.SIGINT)
        said, shown = run.communicate(timeout=300)
    assert run.returncode == 130
    assert "provisional: the advice was interrupted" in said
    assert "finishing the round that is being played" in shown


@pytest.mark.whole
@pytest.mark.alone
@pytest.mark.usefixtures("own_lock")
@pytest.mark.parametrize("form", ["function", "stored"])
def test_a_model_is_advised_on_as_a_whole_with_code_to_paste(tmp_path, capsys, form):
    model = f"{ROOT / 'tests' / 'lifted_models.py'}:slow"
    if form == "stored":
        model = str(tmp_path / "slow.keras")
        script = f"find_model(named('slow')).save({model!r}) or 'saved'"
        assert engines.told(TENSORFLOW, _script(script)) == "saved"
    assert cli.main(["advise", model, "--code", "--results", str(tmp_path)], ROOT) == 0
    said = capsys.readouterr().out
    assert "# slow: 1 lift over time in" in said
    assert "#   the whole model, train step, batch 8: " in said
    assert "#   outputs and gradients equal those of your model" in said
    assert ("keras.models.clone_model" in said) == (form == "stored")
    assert len(list(tmp_path.rglob("*.jsonl"))) == 2


def described(name, source=""):
    """What a model tells of itself, by a call of 2 sequences of 6 steps."""
    feeding = {"source": source, "batch": 2, "seq_len": 6}
    return told(TENSORFLOW, f"describe_model(named({name!r}), {feeding})")


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("same", "", "name a function that makes the whole model anew"),
        ("same_inside", "", "name a function that makes the whole model anew"),
        ("late", "tests.lifted_models:late_data", "make them in __init__"),
    ],
)
def test_a_model_whose_lifts_are_the_same_at_every_call_or_come_late_is_none_to_change(
    name, source, said
):
    assert said in described(name, source)["error"]
    assert "error" not in described("twins")


def test_a_whole_model_is_called_at_the_length_that_is_asked_for():
    found = described("strided")
    whole = UserModel.of("strided", Feeding("", 2, 6), Backend.TENSORFLOW, found)
    assert (whole.lifts[0].steps, whole.setting.seq_len) == (3, 6)
    closed = UserModel.of("strided", Feeding("", 2, 6), Backend.TENSORFLOW, described("twins"))
    assert closed.setting.seq_len == closed.lifts[0].steps == 40
