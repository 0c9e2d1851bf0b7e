"""Every lift keeps the law on every step, and a strategy that does not is caught."""

import dataclasses
from itertools import product
from pathlib import Path

import pytest

from tests import broken
from timelift.case import Dtype, Gradients, Lengths, Mode, Phase, Setting, Status, TimeAxis
from timelift.measure import catalogue
from timelift.messages import RivalSpec, Task
from timelift.worker.setting_under_test import LAW_STEPS

ROOT = Path(__file__).parent.parent
STRATEGIES = catalogue.strategies(ROOT / "strategies")
WORKLOADS = catalogue.workloads(ROOT / "workloads")
#: Refusing is an answer; these are not.
BROKEN = {Status.LAW_BROKEN, Status.FAILED, Status.OUT_OF_MEMORY}


def statuses(
    setting: Setting, rivals: list[RivalSpec], law_steps: int = 0
) -> dict[str, tuple[Status, str]]:
    """Hold rivals to the law of a setting; by name, the status and the reason.

    The reference is asked at `law_steps` steps, by default at all of them.
    """
    from timelift.messages import Ended, WorkerChannel
    from timelift.worker.engines import open_engine
    from timelift.worker.setting_under_test import SettingUnderTest

    workload = WORKLOADS[setting.workload]
    sizes = workload.features, 7, 0.0
    task = Task(setting, tuple(rivals), workload.factory, *sizes, warms=False)
    events = []
    asked = law_steps or setting.seq_len + 2
    under_test = SettingUnderTest(
        open_engine(setting), task, WorkerChannel(events.append), law_steps=asked
    )
    ended = {rival.name: (Status.MEASURED, "") for rival in rivals if under_test.prepare(rival)}
    refused = {e.rival: (e.status, e.reason) for e in events if isinstance(e, Ended)}
    return ended | refused


def rivals(names: list[str]) -> list[RivalSpec]:
    """The catalogue's strategies as the worker is told of them."""
    chosen = [STRATEGIES[name] for name in names]
    return [one.rival() for one in chosen]


def settings(workload: str, seq_len: int, batch: int, time_axis: TimeAxis) -> list[Setting]:
    """The forward and the backward setting, in the verdict dtype.

    A static time axis is checked in eager mode, which runs the same model without the price of
    tracing; a dynamic one means nothing unless it is traced.
    """
    mode = Mode.EAGER if time_axis is TimeAxis.STATIC else Mode.GRAPH
    return [
        Setting(
            workload,
            seq_len,
            batch,
            phase,
            mode,
            gradients=Gradients.INPUTS_AND_WEIGHTS,
            time_axis=time_axis,
            dtype=Dtype.FLOAT64,
        )
        for phase in Phase
    ]


DEFAULT = [name for name, strategy in STRATEGIES.items() if strategy.default]
OTHERS = [name for name in STRATEGIES if name not in DEFAULT]


def assert_kept(setting: Setting, names: list[str]) -> None:
    """Every strategy keeps the law in a setting, or refuses it; some keep it."""
    found = statuses(setting, rivals(names))
    assert not {name: why for name, why in found.items() if why[0] in BROKEN}
    assert sum(status is Status.MEASURED for status, _ in found.values()) >= 1


@pytest.mark.parametrize("time_axis", TimeAxis)
@pytest.mark.parametrize(("batch", "seq_len"), list(product([1, 3], [1, 2, 7])))
@pytest.mark.parametrize("workload", [one.name for one in WORKLOADS.values() if one.default])
def test_every_default_strategy_keeps_the_law(workload, batch, seq_len, time_axis):
    """Outputs, input gradients and weight gradients equal the inner layer's, step by step."""
    for setting in settings(workload, seq_len, batch, time_axis):
        assert_kept(setting, DEFAULT)


@pytest.mark.parametrize("time_axis", TimeAxis)
@pytest.mark.parametrize("workload", WORKLOADS)
def test_the_whole_catalogue_keeps_the_law_on_every_workload(workload, time_axis):
    """At one small size, where no size equals another."""
    for setting in settings(workload, 3, 2, time_axis):
        assert_kept(setting, list(STRATEGIES))


@pytest.mark.parametrize("time_axis", TimeAxis)
@pytest.mark.parametrize(("batch", "seq_len"), list(product([1, 3], [1, 2, 7])))
def test_the_rest_of_the_catalogue_keeps_the_law_at_every_size(batch, seq_len, time_axis):
    """On the question's own layer, which is quick to trace."""
    for setting in settings("sensor", seq_len, batch, time_axis):
        assert_kept(setting, OTHERS)


@pytest.mark.parametrize("time_axis", TimeAxis)
@pytest.mark.parametrize(
    ("workload", "lengths"),
    [
        *product(["sensor", "frames"], [Lengths.UNIFORM, Lengths.SKEWED]),
        *product(["sentences", "set_attention"], [Lengths.UNIFORM]),
    ],
)
def test_the_law_holds_on_valid_steps_where_lengths_vary(workload, lengths, time_axis):
    """What padded steps hold is each strategy's own rule; the valid ones are the law's."""
    for setting in settings(workload, 7, 3, time_axis):
        assert_kept(dataclasses.replace(setting, lengths=lengths), list(STRATEGIES))


#: Dense, convolution, attention and recurrence, which TensorFlow has not in bfloat16.
KINDS = {
    "tokens": ("native", "fold_time", "loop_slice", "einsum_letters", "conv1d_pointwise"),
    "frames": ("fold_time", "loop_slice", "conv_extra_axis"),
    "set_attention": ("fold_time", "loop_slice", "vectorized_map"),
    "sentences": ("fold_time", "loop_slice"),
}


@pytest.mark.parametrize(
    ("workload", "dtype"),
    [pair for pair in product(KINDS, Dtype) if pair != ("sentences", Dtype.BFLOAT16)],
)
def test_what_sums_in_another_order_keeps_the_law_in_every_dtype(workload, dtype):
    """Where four steps are drawn, as in a run; nothing but rounding sets the strategies apart."""
    for phase in Phase:
        setting = Setting(workload, 12, 8, phase, Mode.EAGER, Lengths.UNIFORM, dtype=dtype)
        if phase is Phase.BACKWARD:
            setting = dataclasses.replace(setting, gradients=Gradients.INPUTS_AND_WEIGHTS)
        found = statuses(setting, rivals(list(KINDS[workload])), law_steps=LAW_STEPS)
        assert found == dict.fromkeys(KINDS[workload], (Status.MEASURED, ""))


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("name", broken.STRATEGIES)
def test_a_strategy_that_breaks_the_law_is_caught(tmp_path, name, phase):
    """Each wrong strategy fails in the phases it claims to break, with a sentence that says how."""
    text, sentences = broken.STRATEGIES[name]
    path = tmp_path / f"{name}.py"
    path.write_text(text)
    wrong = RivalSpec(name, str(path), {})
    setting = next(one for one in settings("sensor", 5, 3, TimeAxis.STATIC) if one.phase is phase)
    status, reason = statuses(setting, [wrong])[name]
    if phase not in sentences:
        assert status is Status.MEASURED
    else:
        assert status in BROKEN
        assert sentences[phase] in reason
