"""Users' layers in a real run: good ones, and every kind of bad one."""

import re

import pytest

from tests.golden import commands
from tests.support.projects import bench, items, project, records_of, write

PAIR = (
    "import keras\ndef make_layer():\n    a, b = keras.Input((3,)), keras.Input((3,))\n"
    "    return keras.Model([a, b], a + b)\n"
)
RAISES = (
    "def make_layer():\n    open('asked', 'a').write('once ')\n"
    "    raise ValueError('no such size')\n"
)
#: Workloads whose layer cannot be made, each with the reason.
NO_LAYERS = {
    "raises": (RAISES, "ValueError: no such size"),
    "returns_none": ("def make_layer():\n    pass\n", "must return a layer of Keras 3, got <class"),
    "cannot_be_imported": (
        "import nowhere\ndef make_layer():\n    pass\n",
        "ModuleNotFoundError: No module named 'nowhere'",
    ),
    "exits": (
        "import sys\ndef make_layer():\n    sys.exit(3)\n",
        "the worker ended with exit code 1 while making the inner layer",
    ),
    "two_inputs": (
        PAIR,
        "the layer takes 2 inputs; received '3'; write it like --inputs 'float32[",
    ),
}
#: A workload whose layer fails at one batch size.
PICKY = (
    "import keras\nclass Picky(keras.layers.Dense):\n    def call(self, x, **_):\n"
    "        if x.shape[0] == 4:\n            raise ValueError('not four')\n"
    "        return super().call(x)\ndef make_layer():\n    return Picky(2)\n"
)
#: The strategies that lift them, and the bad workloads.
LIFTS, BAD = ("fold_time", "loop_unstack"), (*NO_LAYERS, "picky")
SIZES = '"""One of many."""\nFEATURES = (3,)\nSEQ_LENS = (3,)\nBATCH_SIZES = (2,)\n'
#: The user's own layer, of whole numbers, and a strategy for it.
EMBED = (
    "import keras\n"
    "def embed():\n"
    "    parts = [keras.layers.Embedding(10, 4), keras.layers.Flatten()]\n"
    "    return keras.Sequential([keras.Input((3,), dtype='int32'), *parts])\n"
)
MINE = (
    '"""Mine."""\nimport keras\ndef build(layer, shape, dtype=None):\n'
    "    x = keras.Input(shape, dtype=dtype)\n"
    "    return keras.Model(x, keras.layers.TimeDistributed(layer)(x))\n"
)
#: The strategies of each setting, by its label.
FORWARD = {
    **{f"{kind}-T3-B{batch}-forward-graph": LIFTS for kind in BAD for batch in (2, 4)},
    "sensor-T3-B2-forward-graph": ("fold_time",),
    "embed-T3-B2-forward-graph": ("fold_time", "mine"),
}
BACKWARD = {
    "embed-T3-B2-backward-graph": ("fold_time",),
    "embed-T3-B2-backward-graph-inputs_and_weights": ("fold_time",),
}
WORDS = (
    "--layer layers.py:embed --inputs int32[3]<10 "
    "--gradients weights,inputs_and_weights "
    "--seq-lens 3 --batch-sizes 2,4 --launches 1 --seed 1 -rs"
).split()


def lay_out(folder):
    texts = {kind: text for kind, (text, _) in NO_LAYERS.items()} | {"picky": PICKY}
    files = {f"workloads/{name}.py": SIZES + text for name, text in texts.items()}
    write(folder, files | {"layers.py": EMBED, "strategies/mine.py": MINE})
    return ",".join(["sensor", "embed", *texts])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One launch with all of them: the finished process, the journal's lines, and the folder."""
    folder = project(tmp_path_factory.mktemp("project"), LIFTS)
    chosen = [
        item
        for question, settings in (("forward", FORWARD), ("backward", BACKWARD))
        for setting, names in settings.items()
        for item in items(question, [f"{setting}-{name}" for name in names])
    ]
    done = bench(folder, *chosen, *WORDS, "--workloads", lay_out(folder))
    return done, records_of(folder), folder


def ends(run, **axes):
    """The status of each case with these values, by its batch size and strategy."""
    cases = [
        line for line in run[1] if line["kind"] == "launch" and axes.items() <= line["case"].items()
    ]
    return {(line["case"]["batch"], line["case"]["strategy"]): line["status"] for line in cases}


def test_each_case_of_the_run_passes_fails_or_is_skipped(run):
    done, lines, _ = run
    every = sum(map(len, (FORWARD | BACKWARD).values()))
    failed = len(NO_LAYERS) + len(LIFTS)  # once for a layer that cannot be made; picky's one size
    skipped = len(NO_LAYERS) * (2 * len(LIFTS) - 1) + 1  # no gradient of whole numbers
    counts = f"{failed} failed, {every - failed - skipped} passed, {skipped} skipped"
    assert counts in done.stdout, done.stdout
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert lines[-1]["exit"] == "complete"


@pytest.mark.parametrize("kind", NO_LAYERS)
def test_a_layer_that_cannot_be_made_fails_once_for_the_run(run, kind):
    printed = run[0].stdout
    said = f"{kind}-T3-B2-forward-graph-fold_time: no inner layer: "
    (line,) = [line for line in printed.splitlines() if line.startswith(said)]
    assert NO_LAYERS[kind][1] in line
    assert f"no inner layer: the first case of {kind} says why" in printed
    assert (run[2] / "asked").read_text() == "once "
    lost = ends(run, workload=kind)
    assert len(lost) == 4
    assert set(lost.values()) == {"no inner layer"}
    assert ends(run, workload="sensor", batch=2)[2, "fold_time"] == "measured"


def test_a_layer_that_fails_at_one_size_fails_its_own_cases_alone(run):
    for name in LIFTS:
        sentence = f"picky-T3-B4-forward-graph-{name}: failed: the inner layer: ValueError"
        assert sentence in run[0].stdout
        assert ends(run, workload="picky")[2, name] == "measured"


def ids_of(folder, words):
    """The ids of what `timelift bench` would measure in a project."""
    write(folder, {"pytest.ini": "[pytest]\naddopts = -p no:cacheprovider -p no:randomly\n"})
    usual = "bench --collect-only -q --strategies native --backends tensorflow"
    code, printed, complained = commands.played(folder, f"{usual} {words}")
    assert code == 0, printed + complained
    return [line for line in printed.splitlines() if "::" in line]


def test_a_users_own_layer_is_asked_both_phases_in_the_usual_mode_and_nothing_else(tmp_path):
    write(tmp_path, {"layers.py": EMBED})
    collected = ids_of(tmp_path, "--layer layers.py:embed --inputs int32[3]<10 --seq-lens 3")
    ids = [f"test_{phase}[embed-T3-B8-{phase}-graph-native]" for phase in ("backward", "forward")]
    assert sorted(one.partition("::")[2] for one in collected) == ids


def test_a_question_that_waits_is_asked_by_its_option_or_its_file(tmp_path):
    sizes = "--workloads sensor --seq-lens 3 --batch-sizes 2"
    for asked in ("--phases train", "test_train.py"):
        (one,) = ids_of(tmp_path, f"{asked} {sizes}")
        assert one.endswith("test_train.py::test_train[sensor-T3-B2-train-graph-native]")
    assert not re.search("train|modes", " ".join(ids_of(tmp_path, sizes)))
