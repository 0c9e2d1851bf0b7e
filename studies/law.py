"""The law on planted mistakes, which it must find, and on large ReLU folds, which keep it.

`python -m studies.law [--backends LIST] [--dtypes LIST]`; 1 where a mistake passes or a right lift
is condemned.

A mistake is a line in a lift (`studies/planted.py`): wrong outputs, wrong gradients of right ones,
and what is kept from call to call, each everywhere or at one place. Each is held to the law by a
launch, forward, backward and in a train step; in 16 bits those near the allowed error are larger.
The folds are of images: among millions of ReLUs some have an input within rounding of zero in
nearly every launch, and their gradients jump.
"""

import argparse
import itertools
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from studies import ROOT, installed, named, parser, positive, program, write
from studies.scoreboard import Column, Row, Scoreboard
from timelift.axis_values import Backend, Dtype, Gradients, Lengths, Mode, Phase, Status
from timelift.case import Setting
from timelift.inner_layer import LayerInputs
from timelift.measure.launch import LaunchProcess
from timelift.messages import RivalSpec, Task

PLANTED = ROOT / "studies" / "planted.py"
#: The layers of `planted.py`: small ones, the second with ReLUs, and the one of images.
LAYERS, IMAGES = ("dense", "relus"), "images"
#: Modes in which images are folded; mistakes are planted in the first.
MODES = {
    Backend.TENSORFLOW: (Mode.GRAPH, Mode.XLA),
    Backend.JAX: (Mode.GRAPH,),
    Backend.TORCH: (Mode.EAGER, Mode.GRAPH),
}
BOARD = Scoreboard(
    (
        Column("backend", width=10),
        Column("layer", width=6),
        Column("phase", width=8),
        Column("mode", width=5),
        Column("dtype", width=14),
        Column("gradients", width=18),
        Column("mistakes", ",", 8),
        Column("missed", ",", 6, most=0),
        Column("right", ",", 6),
        Column("condemned", ",", 9, most=0),
    ),
    """
mistakes   planted in lifts, each held to the law in one launch
missed     those that kept the law
right      lifts without a mistake, in all launches
condemned  those that broke the law, or failed
""",
    words=6,
)
#: Seconds that tracing and the first call may take.
LIMIT = 600
FORWARD, BACKWARD, TRAIN = (Phase.FORWARD,), (Phase.BACKWARD,), (Phase.TRAIN,)
LEARNS = (*BACKWARD, *TRAIN)
#: Where a mistake is, as a condition on (batch, time, features).
PLACES = {
    "everywhere": "x[..., :1] == x[..., :1]",
    "at one step": "at(y, 1, STEP)",
    "at the last step": "at(y, 1, -1)",
    "at every other step": "ops.reshape(ops.arange(y.shape[1]) % 2 == 0, (1, -1, 1))",
    "in one feature": "at(y, 2, 2)",
    "in one sequence": "at(y, 0, 0)",
    "where an input is negative": "x[..., :1] < 0",
    "where an input is large": "x[..., :1] > 1.5",
    "in one number": "at(y, 0, 0) & at(y, 1, STEP) & at(y, 2, 2)",
}


@dataclass(frozen=True)
class Sizes:
    """Mistakes near the allowed error of a dtype: shares of outputs and of gradients, and noise."""

    outputs: float
    gradients: float
    noise: float


PRECISE, HALF, BRAIN = Sizes(0.01, 0.01, 1e-4), Sizes(0.02, 0.5, 0.04), Sizes(0.1, 0.5, 0.3)
SIZES = {Dtype.FLOAT16: HALF, Dtype.MIXED_FLOAT16: HALF} | {
    Dtype.BFLOAT16: BRAIN,
    Dtype.MIXED_BFLOAT16: BRAIN,
}


def small(sizes: Sizes) -> dict[str, str]:
    """Return wrong lines, for `y` at a place; a wrong gradient is of right outputs."""
    noise = f"{sizes.noise:g} * keras.random.normal(y.shape, dtype=y.dtype)"
    lines = {
        f"outputs {sizes.outputs:g} too large": f"{1 + sizes.outputs} * y",
        f"outputs shifted by {sizes.outputs:g}": f"y + {sizes.outputs}",
        f"outputs with noise of {sizes.noise:g}": f"y + {noise}",
        f"a gradient {sizes.gradients:g} too large": f"with_gradient(y, {1 + sizes.gradients} * y)",
    }
    if sizes is PRECISE:
        lines["outputs computed in float16"] = "ops.cast(ops.cast(y, 'float16'), y.dtype)"
    return lines


WRONG = {
    "outputs left out": "0.0 * y",
    "outputs of the step before": "ops.roll(y, 1, axis=1)",
    "outputs of another sequence": "ops.roll(y, 1, axis=0)",
    "outputs with other features": "ops.roll(y, 1, axis=-1)",
    "a gradient stopped": "ops.stop_gradient(y)",
    "a gradient of the step before": "with_gradient(y, ops.roll(y, 1, axis=1))",
    "a gradient with other features": "with_gradient(y, ops.roll(y, 1, axis=-1))",
}
#: Places at which a sum over all outputs, all that the backward phase sees of them, may hide a
#: small mistake: there only the forward phase must find it, and in 16 bits anywhere.
NARROW = {"at one step", "at the last step", "in one sequence", "where an input is large"}
#: Its mistakes may be small by chance, which 16 bits do not tell from rounding.
ONE_NUMBER = "in one number"
#: Every seventh pair of a kind and one of nine places has every kind and every place. The quick
#: form does not try a kind at all places, which `tests/test_strategies_law.py` does on TensorFlow:
#: where a mistake is means the same to the law on every backend.
COVER = 7


@dataclass(frozen=True)
class Mistake:
    """A line that must be condemned in some phases, for these gradients."""

    name: str
    line: str
    phases: Sequence[Phase] = tuple(Phase)
    gradients: Gradients = Gradients.WEIGHTS


ONE, BOTH = Gradients.WEIGHTS, Gradients.INPUTS_AND_WEIGHTS
MEAN_OVER = "self.lift(x + {:g} * ops.mean(x, axis={}, keepdims=True))"
SPECIAL = (
    Mistake("kept by the identity of its input", "self.keep(id(x), lambda: y)", FORWARD),
    Mistake("the first result kept", "self.keep('y', lambda: y)", FORWARD),
    Mistake("the weights kept", "self.lift_with(self.keep('w', self.numbers), x)", FORWARD),
    Mistake("right in the first call alone", "y if self.number() < 3 else y + 0.1"),
    Mistake("NaN in padding", "ops.where(mask[..., None], y, float('nan'))"),
    Mistake("infinite in padding", "ops.where(mask[..., None], y, float('inf'))"),
    Mistake("another output in training", "y + 0.1 if training else y", LEARNS),
    Mistake("another output in inference", "y if training else y + 0.1", FORWARD),
    Mistake("one step short", "y[:, 1:]"),
)
STOPPED_INPUT = "self.lift(ops.where({}, ops.stop_gradient(x), x), training)"
STOPPED = "ops.where(at(y, {}, 3), ops.stop_gradient(y), y)"
#: Mistakes among the jumps of gradients that ReLUs make.
IN_IMAGES = (
    Mistake("outputs a hundredth too large", "1.01 * y"),
    Mistake("outputs of the step before at 3", "ops.where(at(y, 1, 3), ops.roll(y, 1, 1), y)"),
    Mistake("a gradient a tenth too large", "with_gradient(y, 1.1 * y)", BACKWARD),
    Mistake("a gradient stopped at one step", STOPPED.format(1), BACKWARD),
    Mistake("a gradient stopped in one feature", STOPPED.format(2), BACKWARD),
    Mistake("a gradient of the step before", WRONG["a gradient of the step before"], BACKWARD),
    Mistake(
        "no gradient by one image", STOPPED_INPUT.format("at(x, 0, 1) & at(x, 1, 3)"), BACKWARD
    ),
    Mistake("a mean over time", MEAN_OVER.format(1e-3, 1)),
)
RIGHT = {
    "folded": "y",
    "step by step": "self.steps(x, training)",
    "in float64 and back": "ops.cast(ops.cast(y, 'float64'), y.dtype)",
    "zero in padding": "ops.where(mask[..., None], y, 0.0)",
}


def mistakes(sizes: Sizes = PRECISE, *, quick: bool = False) -> list[Mistake]:
    """Return every mistake, each with a name of its own; quickly, each kind at a place or two."""
    pairs = [*itertools.product((small(sizes) | WRONG).items(), PLACES.items())]
    placed = [
        Mistake(f"{how} {where}", f"ops.where({place}, {wrong}, y)", _phases(how, where, sizes))
        for (how, wrong), (where, place) in pairs[:: COVER if quick else 1]
        if where != ONE_NUMBER or (how in WRONG and sizes is PRECISE)
    ]
    by_inputs = [
        Mistake(
            f"the gradient by the inputs stopped {where}",
            STOPPED_INPUT.format(place.replace("y,", "x,").replace("y.", "x.")),
            BACKWARD,
            BOTH,
        )
        for where, place in PLACES.items()
        if where != ONE_NUMBER or sizes is PRECISE
    ]
    ten_times = 10 * sizes.noise
    mixed = [
        Mistake("state carried from call to call", f"y + {ten_times:g} * self.number()"),
        Mistake("a mean over time", MEAN_OVER.format(ten_times, 1)),
        Mistake("a mean over the batch", MEAN_OVER.format(ten_times, 0)),
    ]
    if sizes is PRECISE:
        line = "self.lift(ops.cast(ops.cast(x, 'float16'), x.dtype))"
        mixed.append(Mistake("inputs in float16", line))
    return [*placed, *SPECIAL, *mixed, *by_inputs]


def _phases(how: str, where: str, sizes: Sizes) -> Sequence[Phase]:
    if "gradient" in how:
        return LEARNS
    hidden = NARROW if sizes is PRECISE else PLACES
    return FORWARD if how in small(sizes) and where in hidden else tuple(Phase)


# Launches -----------------------------------------------------------------------------------------


def rivals(lines: Mapping[str, str]) -> tuple[RivalSpec, ...]:
    """Return a lift for each line, by its name."""
    return tuple(RivalSpec(name, str(PLANTED), {"line": line}) for name, line in lines.items())


@dataclass(frozen=True)
class Trial:
    """Lines that a launch of a setting holds to the law; `wrong` ones must be condemned."""

    setting: Setting
    wrong: Mapping[str, str]
    right: Mapping[str, str]

    def task(self, seed: int) -> Task:
        """Return its launch; the workload names a layer of `planted.py`."""
        lines = {**self.wrong, **self.right}
        features = (96, 96, 3) if self.setting.workload == IMAGES else (6,)
        factory, inputs = f"{PLANTED}:{self.setting.workload}", LayerInputs.of_one(features)
        return Task(self.setting, rivals(lines), factory, inputs, seed, 0.0, warms=False)


def planted(
    backend: Backend, layer: str, dtype: Dtype = Dtype.FLOAT32, *, quick: bool = False
) -> Iterator[Trial]:
    """Yield every mistake in a small layer, called eagerly, and the right lifts beside them."""
    usual = Setting(layer, 16, 8, Phase.FORWARD, Mode.EAGER, Lengths.UNIFORM, backend=backend)
    known = mistakes(SIZES.get(dtype, PRECISE), quick=quick)
    trains = () if dtype is Dtype.FLOAT16 else ((*TRAIN, ONE),)
    for phase, gradients in ((*FORWARD, ONE), (*BACKWARD, ONE), (*BACKWARD, BOTH), *trains):
        asked = [each for each in known if each.gradients is gradients]
        setting = replace(usual, phase=phase, gradients=gradients, dtype=dtype)
        yield Trial(setting, _lines(asked, phase), RIGHT)


def folds(backend: Backend, dtype: Dtype) -> Iterator[Trial]:
    """Yield folds of images in the modes of a backend; in the first, of float32, with mistakes."""
    usual = Setting(IMAGES, 6, 4, Phase.FORWARD, dtype=dtype, backend=backend)
    right = {name: RIGHT[name] for name in ("folded", "step by step")}
    for place, mode in enumerate(MODES[backend]):
        for phase in (Phase.FORWARD, Phase.BACKWARD):
            wrong = {} if place or dtype in SIZES else _lines(IN_IMAGES, phase)
            setting = replace(usual, phase=phase, mode=mode, gradients=BOTH)
            yield Trial(setting, wrong, right)


def _lines(asked: Iterable[Mistake], phase: Phase) -> dict[str, str]:
    return {each.name: each.line for each in asked if phase in each.phases}


def ends(trial: Trial, seeds: Sequence[int]) -> tuple[int, int, int, int]:
    """Return how many mistakes were tried and missed, and how many right lifts tried and condemned.

    Prints each that was missed or condemned.
    """
    tried, surprises = Counter[bool](), Counter[bool]()
    with closing(LaunchProcess(trial.setting.backend, LIMIT)) as launch:
        launch.wait_until_ready()
        for seed in seeds:
            held = trial if seed == seeds[0] else replace(trial, wrong={})
            for line in launch.measure(held.task(seed)):
                is_wrong = line.case.strategy in trial.wrong
                tried[is_wrong] += 1
                if is_wrong is (line.status is Status.MEASURED):
                    surprises[is_wrong] += 1
                    reason = line.reason or "keeps the law"
                    write(f"{trial.setting.label}, {line.case.strategy}, launch {seed}: {reason}")
    return tried[True], surprises[True], tried[False], surprises[False]


def rows(
    backends: Sequence[Backend], dtypes: Sequence[Dtype], launches: int, *, quick: bool, seed: int
) -> Iterator[Row]:
    seeds, layers = range(seed, seed + launches), LAYERS[-1:] if quick else LAYERS
    for backend, dtype in itertools.product(backends, dtypes):
        trials = [
            (trial, seeds[:1])
            for layer in layers
            for trial in planted(backend, layer, dtype, quick=quick)
        ]
        if not quick:
            trials += [(trial, seeds) for trial in folds(backend, dtype)]
        for trial, seeds_of_trial in trials:
            asked = trial.setting
            words = backend, asked.workload, asked.phase, asked.mode, dtype, asked.gradients
            yield (*map(str, words), *ends(trial, seeds_of_trial))


OPTIONS = parser("law", __doc__)
OPTIONS.add_argument("--backends", default="all", metavar="LIST")
OPTIONS.add_argument("--dtypes", default="float32", metavar="LIST", help="default: float32")
OPTIONS.add_argument("--launches", type=positive, default=10, help="of each fold; default: 10")


@program(OPTIONS)
def main(asked: argparse.Namespace) -> int:
    backends = installed(asked.backends)
    dtypes = list(named({str(dtype): dtype for dtype in Dtype}, asked.dtypes).values())
    return BOARD.show(rows(backends, dtypes, asked.launches, quick=asked.quick, seed=asked.seed))


if __name__ == "__main__":
    sys.exit(main())
