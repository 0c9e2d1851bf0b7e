"""Pairs of strategies, one wrong and one right, that differ in one line.

A case has a layer of `studies/planted.py`, two lines of its lift, and the reason for which the
wrong one is caught, by phase; in a phase without a reason it keeps the law.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from studies import law
from timelift.axis_values import Backend, Dtype, Gradients, Mode, Phase, Status
from timelift.case import Setting
from timelift.inner_layer import LayerInputs
from timelift.messages import Task, WorkerChannel

BATCH, TIME, FEATURES = 8, 16, 6
SEED = 7

#: Status and reason of each strategy.
Ends = dict[str, tuple[str, str]]


@dataclass(frozen=True)
class LawCase:
    """A wrong line and a right one; `reasons` are those of the wrong one, by phase."""

    wrong: str
    right: str
    reasons: Mapping[str, str]
    layer: str = "dense"
    gradients: Gradients = Gradients.WEIGHTS
    input_dtype: str = ""


BOTH = Gradients.INPUTS_AND_WEIGHTS
CASES = {
    "a mean over time, and the rounding of an FFT": LawCase(
        "self.lift(x + 1e-4 * ops.mean(x, axis=1, keepdims=True), training)",
        "self.lift(ops.swapaxes(ops.irfft(ops.rfft(ops.swapaxes(x, 1, 2))), 1, 2), training)",
        {"forward": "outputs at step 0 differ", "backward": "mixes time"},
        gradients=BOTH,
    ),
    "another output in training of a layer that rounds as it likes": LawCase(
        "y + 0.1 if training else y", "y", {"backward": "outputs differ"}, layer="any_order"
    ),
    "NaN in training of a layer with noise": LawCase(
        "y + ops.sqrt(0.0 * ops.sum(y)) if training else y",
        "y",
        {"backward": "gradient of weight 0 is NaN or infinite"},
        layer="dropout",
    ),
    "a layer that smaller weights make NaN": LawCase(
        "y + 0.1",
        "y",
        {"forward": "outputs at step 0 differ", "backward": "outputs differ"},
        layer="logarithm",
    ),
    "steps folded where the layer mixes its batch": LawCase(
        "y",
        "self.steps(x, training)",
        {"forward": "outputs at step 0 differ", "backward": "mixes time"},
        layer="centred",
        gradients=BOTH,
    ),
    "noise of training that is drawn now and then": LawCase(
        "y + 0.1",
        "y",
        {"forward": "outputs at step 0 differ", "backward": "outputs differ"},
        layer="noisy_in_training",
    ),
    "another token at one step": LawCase(
        "self.lift(ops.where(at(x, 1, STEP), 0, x), training)",
        "self.lift(x, training)",
        {"forward": "outputs at step 7 differ", "backward": "differ"},
        layer="embedding",
        input_dtype="int32",
    ),
}
#: A layer that draws noise in every mode.
CASES_OF_NOISE = {"noise": LawCase("y + 0.1", "y", {}, layer="noisy")}
#: Train steps are held to the law by `tests/test_train_step.py`.
PHASES = (Phase.FORWARD, Phase.BACKWARD)


def ends_by_phase(name: str, backend: str) -> dict[str, Ends]:
    """Hold both strategies of a case to the law, in this process: by phase, status and reason."""
    case = (CASES | CASES_OF_NOISE)[name]
    lines = {"wrong": case.wrong, "right": case.right}
    setting = Setting(
        *(case.layer, TIME, BATCH, Phase.BACKWARD, Mode.EAGER),
        gradients=case.gradients,
        backend=Backend(backend),
    )
    whole = LayerInputs.of_one((), case.input_dtype, 10)
    inputs = whole if case.input_dtype else LayerInputs.of_one((FEATURES,))
    how = law.rivals(lines), f"{law.PLANTED}:{case.layer}", inputs, SEED, 0.0
    return {phase: ends_of(Task(replace(setting, phase=phase), *how)) for phase in PHASES}


#: A name, a status and a reason.
NamedEnd = tuple[str, str, str]


def ends_of_mistakes(
    backend: str,
    kinds: tuple[str, ...],
    dtype: str = Dtype.FLOAT32,
    in_train: tuple[str, ...] = (),
) -> tuple[list[NamedEnd], list[NamedEnd]]:
    """Hold mistakes whose names have one of `kinds` in them to the law, and right lifts beside.

    In a train step they are those of `in_train`, where there are some.
    """
    ends: tuple[list[NamedEnd], list[NamedEnd]] = [], []
    for trial in law.planted(Backend(backend), "relus", Dtype(dtype)):
        asked = in_train if in_train and trial.setting.phase is Phase.TRAIN else kinds
        wrong = {
            name: line for name, line in trial.wrong.items() if any(kind in name for kind in asked)
        }
        for name, end in ends_of(replace(trial, wrong=wrong).task(SEED)).items():
            ends[name in trial.right].append((f"{name}, {trial.setting.phase}", *end))
    return ends


def ends_of(task: Task) -> dict[str, Ends]:
    """Hold the rivals of a task to the law, in this process: by rival, status and reason."""
    from timelift.worker.engines import open_engine
    from timelift.worker.measure_setting import attempt
    from timelift.worker.prepare import SettingUnderTest

    engine = open_engine(task.setting)
    under_test = SettingUnderTest(engine, task, WorkerChannel(lambda _: None))
    ends = {rival.name: attempt(under_test, rival, under_test.prepare) for rival in task.rivals}
    return {
        name: end if isinstance(end, tuple) else (Status.MEASURED, "") for name, end in ends.items()
    }
