"""What to write, what is gained by it and where it loses: the advice of a run in words."""

from collections.abc import Iterator, Mapping, Sequence

from timelift.analyse.advice import Advice, Gain, LostWhere
from timelift.analyse.stats.ranking import SpeedUp
from timelift.case import BACKEND_THREADS, Backend, Gradients, Mode
from timelift.errors import counted
from timelift.present.recommended import over_the_best
from timelift.present.units import at_most, three_figures

_SIZES = ("seq_len", "batch")
#: What a condition on an axis begins and ends with.
_BEFORE: Mapping[str, str] = {
    **dict.fromkeys(("seq_len", "batch"), "at "),
    **dict.fromkeys(("phase", "mode", "dtype"), "in "),
    **dict.fromkeys(("lengths", "gradients", "time_axis", "threads"), "with "),
    **dict.fromkeys(("device", "backend"), "on "),
    "workload": "for ",
}
_AFTER: Mapping[str, str] = {"phase": " calls", "mode": " mode"}
#: Values of an axis that does not say itself what it counts.
_VALUES: Mapping[str, str] = {
    "seq_len": "{} steps",
    "batch": "batch {}",
    "lengths": "{} lengths",
    "gradients": "gradients of {}",
    "time_axis": "{} time axis",
    "threads": "{} threads",
}
#: What is written in a way of its own.
_PROPER: Mapping[tuple[str, object], str] = {
    ("seq_len", 1): "1 step",
    ("gradients", Gradients.NONE): "no gradients",
    ("threads", 1): "1 thread",
    ("threads", BACKEND_THREADS): "default threads",
    ("mode", Mode.XLA): "XLA",
    ("backend", Backend.TENSORFLOW): "TensorFlow",
    ("backend", Backend.JAX): "JAX",
    ("backend", Backend.TORCH): "PyTorch",
}
_KNOWN_AS: Mapping[str, str] = {"time_distributed": "TimeDistributed"}
#: How many decimals a speed-up has below which ratio: near 1 more; still smaller, three figures.
_DECIMALS = ((1.095, 2), (9.95, 1))
_SMALL = 0.0995


def to_write(advice: Advice) -> str:
    """Write which strategy to use, and where another: `native in eager mode; else fold_time`."""
    runs: dict[str, list[tuple[object, ...]]] = {}
    settings: dict[str, int] = {}
    for part in advice.parts:
        runs.setdefault(part.strategy, []).append(part.values)
        settings[part.strategy] = settings.get(part.strategy, 0) + len(part.rankings)
    usual = max(settings, key=settings.__getitem__)
    others = [
        f"{name} {_at_runs(advice.axis, values)}" for name, values in runs.items() if name != usual
    ]
    return f"{', '.join(others)}; else {usual}" if others else usual


def _at_runs(axis: str, runs: Sequence[tuple[object, ...]]) -> str:
    """Write the condition that an axis has a value of some runs of neighbours."""
    runs = sorted(runs, key=_first_size)
    values = [value for run in runs for value in run]
    if axis not in _SIZES:
        return at_values(axis, values)
    if len(values) == len(runs):
        return f"at {_sizes(axis, values, ' or ')}"
    return " or ".join(at_values(axis, run) for run in runs)


def _first_size(run: Sequence[object]) -> int:
    return run[0] if isinstance(run[0], int) else 0


def at_values(axis: str, values: Sequence[object]) -> str:
    """Write the condition that an axis has one of these values, neighbours if they are sizes."""
    if axis in _SIZES and len(values) > 1:
        return f"from {_sizes(axis, (values[0], values[-1]), ' to ')}"
    words = " or ".join(value_in_words(axis, value) for value in values)
    return f"{_BEFORE[axis]}{words}{_AFTER.get(axis, '')}"


def _sizes(axis: str, values: Sequence[object], link: str) -> str:
    """Write sizes, of what they are once: `8 or 16 steps`, `batch 8 to 32`."""
    first, last = (value_in_words(axis, value) for value in (values[0], values[-1]))
    if axis == "seq_len":
        return link.join([*map(str, values[:-1]), last])
    return link.join([first, *map(str, values[1:])])


def value_in_words(axis: str, value: object) -> str:
    """Write a value of an axis so that it tells which axis it is of: `eager`, `16 steps`."""
    return _PROPER.get((axis, value)) or _VALUES.get(axis, "{}").format(value)


def common_baseline(advice: Mapping[str, Advice]) -> str:
    """Return what most settings have their speed-ups over; empty where none has any."""
    gains = [gain for one in advice.values() for gain in one.gains]
    settings: dict[str, int] = {}
    for gain in gains:
        settings[gain.baseline] = settings.get(gain.baseline, 0) + gain.settings
    first = min(gains, key=lambda gain: (-settings[gain.baseline], gain.place), default=None)
    return first.baseline if first else ""


def known_as(baseline: str) -> str:
    """Return what people call a baseline that is a part of Keras."""
    return _KNOWN_AS.get(baseline, baseline)


def gains_in_words(advice: Advice, baseline: str) -> str:
    """Write how many times as fast as each baseline the advice is, `baseline` without its name."""
    gains = sorted(advice.gains, key=lambda gain: gain.baseline != baseline)
    return "; ".join(
        _gain(gain, advice)
        if gain.baseline == baseline
        else f"{gain.baseline}: {_gain(gain, advice)}"
        for gain in gains
    )


def _gain(gain: Gain, advice: Advice) -> str:
    if advice.strategies == (gain.baseline,):
        return "itself"
    text = gain_in_words(gain, advice)
    part = f", in {gain.settings} of {advice.settings}" if gain.settings < advice.settings else ""
    is_shown = gain.faster or gain.slower or not advice.has_verdict
    return f"{text}{part}" if is_shown else f"{text}{part}, not shown to differ"


def gain_in_words(gain: Gain, advice: Advice) -> str:
    """Write the range over settings, or the interval of the only one."""
    if gain.settings == 1 == advice.settings:
        return _with_interval(advice)
    least, most = times(gain.least), times(gain.most)
    return least if least == most else f"{least} to {most}"


def _with_interval(advice: Advice) -> str:
    ((_, row),) = advice.parts[0].rows
    assert row.speed_up
    return speed_up_in_words(row.speed_up)


def speed_up_in_words(one: SpeedUp) -> str:
    """Write a speed-up with its interval, if it has one that is wider than what is written."""
    low, high = times(one.low), times(one.high)
    if not one.has_interval or low == high:
        return times(one.times)
    return f"{times(one.times)} [{low}, {high}]"


def times(ratio: float) -> str:
    """Write how many times as fast something is: `0.0123`, `0.98`, `1.04`, `3.4`, `120`."""
    if ratio < _SMALL:
        return three_figures(ratio)
    decimals = next((count for below, count in _DECIMALS if ratio < below), 0)
    return f"{ratio:,.{decimals}f}"


def where_slower(advice: Advice, *, briefly: bool = False) -> Iterator[str]:
    """Write where what is advised was shown slower, and whatever else limits the advice."""
    if not advice.has_verdict:
        launches = min(row.launches for part in advice.parts for _, row in part.rows)
        many = "one launch" if launches == 1 else counted(launches, "launch")
        yield f"seen in {many}: no verdict"
    elif lost := advice.lost:
        in_words = _lost_where if briefly and advice.settings > 1 else _lost_in_words
        yield in_words(lost, advice.settings)
    elif advice.is_tested_everywhere:
        yield "nowhere"
    else:
        yield "nowhere, but not tested in every setting"
    if advice.measured < advice.settings:
        missing = advice.settings - advice.measured
        yield f"not measured in {missing} of {advice.settings} settings"


def _lost_in_words(lost: LostWhere, settings: int) -> str:
    """Write `eager, 16 steps: 3.1 to 16 % over the best there (fastest there: native)`."""
    many = lost.settings > 1
    named = f" ({'fastest in the dearest' if many else 'fastest there'}: {lost.fastest})"
    much = f"{_lost_at_most(lost)} there{named if lost.fastest else ''}"
    return f"{_lost_where(lost, settings, ' settings')}: {much}" if settings > 1 else much


def _lost_at_most(lost: LostWhere) -> str:
    row = lost.dearest.row
    low, high = row.cost_over_best
    is_range = lost.settings == 1 and row.surely_costs
    return over_the_best(high, low) if is_range else f"up to {over_the_best(high)}"


def _lost_where(lost: LostWhere, settings: int, noun: str = "") -> str:
    """Write `eager, 16 steps`, or in how many settings."""
    shared = sorted(lost.shared.items(), key=lambda item: item[0] in _SIZES)
    where = ", ".join(value_in_words(axis, value) for axis, value in shared)
    if not lost.has_no_exception:
        some = f"in {lost.settings} of {settings}{noun}"
        where = f"{where} ({some})" if where else some
    return where


def answers(advice: Mapping[str, Advice]) -> Iterator[str]:
    """Write what to do for each workload in a sentence."""
    baseline = common_baseline(advice)
    for workload, one in advice.items():
        gain = gains_in_words(one, baseline)
        parts = [f"{workload}: write {to_write(one)}"]
        parts += [f"times as fast as {baseline}: {gain}"] if gain else []
        parts += [f"costs over the best, at most: {price(one)}"]
        parts += [f"shown slower: {text}" for text in where_slower(one)]
        yield "; ".join(parts)


def price(advice: Advice) -> str:
    """Write the most that the advice costs; a bound from too few launches would be a wild one."""
    if not advice.has_verdict:
        return "unknown"
    return f"{at_most(advice.price)}{'' if advice.is_bound else ', seen'}"
