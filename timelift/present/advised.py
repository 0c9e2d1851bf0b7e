"""What to write, what is gained by it and where it loses: the advice of a run in words."""

import math
from collections.abc import Iterator, Mapping, Sequence

from timelift.analyse.advice import Advice, Gain, LostWhere
from timelift.analyse.stats.ranking import SpeedUp
from timelift.case import BACKEND_THREADS, Backend, Gradients, Mode
from timelift.present.units import counted, three_figures

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
#: How many decimals a speed-up has below which ratio: near 1 and in pieces of it more.
_DECIMALS = ((0.0995, 3), (1.095, 2), (9.95, 1))
#: So many strategies that are faster somewhere are named.
_FEW = 2
#: Up to this share a price has a decimal.
_FEW_PER_CENT = 0.1
#: From this ratio on a price is written as times the best.
_TIMES = 1.5


def to_write(advice: Advice) -> str:
    """Write which strategy to use, and where another: `native in eager mode; else fold_time`."""
    usual = advice.parts[0].strategy
    others = [
        f"{part.strategy} {at_values(advice.axis, part.values)}"
        for part in advice.parts
        if part.strategy != usual
    ]
    return f"{', '.join(others)}; else {usual}" if others else usual


def at_values(axis: str, values: Sequence[object]) -> str:
    """Write the condition that an axis has one of these values, sizes in order."""
    first, *_, last = words = [value_in_words(axis, value) for value in (*values, values[-1])]
    if first == last:
        return f"{_BEFORE[axis]}{first}{_AFTER.get(axis, '')}"
    if axis in _SIZES:
        return (
            f"from {values[0]} to {last}" if axis == "seq_len" else f"from {first} to {values[-1]}"
        )
    return f"{_BEFORE[axis]}{' or '.join(words[:-1])}{_AFTER.get(axis, '')}"


def value_in_words(axis: str, value: object) -> str:
    """Write a value of an axis so that it tells which axis it is of: `eager`, `16 steps`."""
    return _PROPER.get((axis, value)) or _VALUES.get(axis, "{}").format(value)


def common_baseline(advice: Mapping[str, Advice]) -> str:
    """Return what most settings have their speed-ups over; empty where none has any."""
    settings: dict[str, int] = {}
    for one in advice.values():
        for gain in one.gains:
            settings[gain.baseline] = settings.get(gain.baseline, 0) + gain.settings
    return max(settings, key=settings.__getitem__, default="")


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
    """Write how many times as fast something is: `0.98`, `1.04`, `3.4`, `120`."""
    decimals = next((count for below, count in _DECIMALS if ratio < below), 0)
    return f"{ratio:,.{decimals}f}"


def where_slower(advice: Advice, *, briefly: bool = False) -> Iterator[str]:
    """Write where what is advised was shown slower, and whatever else limits the advice."""
    if not advice.has_verdict:
        launches = min(row.launches for part in advice.parts for _, row in part.rows)
        many = "one launch" if launches == 1 else counted(launches, "launch")
        yield f"seen in {many}: no verdict"
    elif lost := advice.lost:
        in_words = lost_where if briefly else lost_in_words
        yield in_words(lost, advice.settings)
    elif advice.is_never_shown_slower:
        yield "nowhere"
    else:
        yield "nowhere, but not tested in every setting"
    if advice.measured < advice.settings:
        missing = advice.settings - advice.measured
        yield f"not measured in {missing} of {advice.settings} settings"


def lost_in_words(lost: LostWhere, settings: int) -> str:
    """Write `eager, 16 steps: 3 to 16 % slower than native`."""
    least, most = lost.most.cost_over_best
    than = " or ".join(lost.fastest) if len(lost.fastest) <= _FEW else "the fastest there"
    much = slowness(least if lost.settings == 1 else None, most, than)
    return f"{lost_where(lost, settings, ' settings')}: {much}" if settings > 1 else much


def lost_where(lost: LostWhere, settings: int, noun: str = "") -> str:
    """Write `eager, 16 steps`, or in how many settings."""
    shared = sorted(lost.shared.items(), key=lambda item: item[0] in _SIZES)
    where = ", ".join(value_in_words(axis, value) for axis, value in shared)
    if not lost.has_no_exception:
        some = f"in {lost.settings} of {settings}{noun}"
        where = f"{where} ({some})" if where else some
    return where


def highest(ratio: float) -> str:
    """Write the most that may be paid over the best, rounded up: `0 %`, `3.3 %`, `2.1 times`."""
    if not math.isfinite(ratio):
        return "unknown"
    if ratio >= _TIMES:
        return f"{three_figures(_up(ratio))} times"
    share = round(ratio - 1, 9)
    step = 0.001 if share <= _FEW_PER_CENT else 0.01
    return f"{100 * step * math.ceil(round(share / step, 6)):.3g} %"


def _up(ratio: float) -> float:
    """Return a ratio that is rounded up to three figures."""
    step = 10.0 ** (math.floor(math.log10(ratio)) - 2)
    return step * math.ceil(round(ratio / step, 6))


def slowness(low: float | None, high: float, than: str) -> str:
    """Write between which ratios something takes longer, or up to which where `low` is None."""
    if high >= _TIMES:
        begin = "up to" if low is None else f"{three_figures(low)} to"
        return f"{begin} {highest(high)} as long as {than}"
    begin = "up to" if low is None else f"{100 * (low - 1):.2g} to"
    return f"{begin} {highest(high)} slower than {than}"


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
    return f"{highest(advice.price)}{'' if advice.is_bound else ', seen'}"
