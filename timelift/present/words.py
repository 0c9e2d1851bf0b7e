"""Words for numbers, axes and strategies: one unit a table, three figures a number."""

import math
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from timelift import case
from timelift.axis_values import Lengths, Phase
from timelift.escape import NAME_LIMIT, plain
from timelift.source import ADDED

if TYPE_CHECKING:
    from timelift.analyse.estimates import Interval


@dataclass(frozen=True)
class Unit:
    """A unit and its size: of a time in seconds, of memory in bytes, of a share in ones."""

    name: str
    size: float


MICROSECONDS = Unit("µs", 1e-6)
MILLISECONDS = Unit("ms", 1e-3)
SECONDS = Unit("s", 1.0)
MEBIBYTES = Unit("MiB", 1 << 20)
PER_CENT = Unit("%", 0.01)
_MINUTE, _HOUR = 60, 3_600


def unit_for(times: Iterable[float]) -> Unit:
    """Choose the unit in which the middle of the range of `times` (seconds) reads well."""
    positive = [seconds for seconds in times if 0 < seconds < math.inf]
    if not positive:
        return SECONDS
    return _unit_of(math.sqrt(min(positive)) * math.sqrt(max(positive)))


def _unit_of(seconds: float) -> Unit:
    return next((unit for unit in (SECONDS, MILLISECONDS) if seconds >= unit.size), MICROSECONDS)


def time_in_words(seconds: float) -> str:
    """Write a time in the unit in which it reads well: `944 µs`."""
    unit = _unit_of(seconds)
    return f"{three_figures(seconds / unit.size)} {unit.name}"


def arrow(before: float, after: float, write: Callable[[float], str] = time_in_words) -> str:
    """Write what was and what is, the unit once if it is that of both: `41.2 → 4.25 ms`."""
    old, new = write(before), write(after)
    number, _, unit = old.partition(" ")
    return f"{number if new.endswith(f' {unit}') else old} \N{RIGHTWARDS ARROW} {new}"


def three_figures(value: float) -> str:
    """Write a number with three significant figures and no exponent; '' for NaN and infinities."""
    if not math.isfinite(value):
        return ""
    rounded = float(f"{value:.2e}")  # 0.9999 is 1.00, and not 1.000
    exponent = math.floor(math.log10(abs(rounded))) if rounded else 0
    return f"{value:,.{min(max(2 - exponent, 0), 9)}f}"


def rounded(value: float) -> str:
    """Write a number with three figures and then zeros: `4,120,000`, `12.5`."""
    return three_figures(float(f"{value:.2e}"))


def human_bytes(count: float) -> str:
    """Write a number of bytes in powers of 1,024."""
    for name in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:  # noqa: PLR2004 - the definition of the unit
            return f"{three_figures(count) if name != 'B' else round(count)} {name}"
        count /= 1024
    return f"{three_figures(count)} TiB"


def duration(seconds: float) -> str:
    """Write a time in its two largest units: `4 min 32 s`."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        rest = f" {whole % _MINUTE} s" if whole % _MINUTE else ""
        return f"{whole // _MINUTE} min{rest}"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def percent(share: float, decimals: int = 1, *, signed: bool = False) -> str:
    """Write a share as per cent: `2.0 %`, or `+2.0 %` for a change."""
    rounded = round(100 * share, decimals) + 0.0  # which makes -0.0 a 0.0
    return f"{rounded:{'+' if signed else ''}.{decimals}f} %"


def percent_more(log_ratio: float) -> str:
    """Write a log ratio as per cent more or less: `+2.0 %`."""
    return percent(math.expm1(log_ratio), signed=True)


def percent_interval(log_ratio: "Interval") -> str:
    """Write the ends of the interval of a log ratio: `[-10.0 %, +0.0 %]`."""
    return f"[{percent_more(log_ratio.low)}, {percent_more(log_ratio.high)}]"


#: Ratios from this one on are written as times, smaller ones as per cent more.
TIMES = 1.5
#: Percentages up to this share have a decimal.
_FEW_PER_CENT = 0.1


def at_most(ratio: float) -> str:
    """Write an upper bound of a ratio, rounded up: `0 %`, `3.3 %`, `2.14 times`."""
    if not math.isfinite(ratio):
        return "unknown"
    if ratio >= TIMES:
        return f"{times_at_most(ratio)} times"
    return f"{_per_cent(ratio, math.ceil)} %"


def from_to(low: float, high: float) -> str:
    """Write both bounds of a ratio, rounded outwards: `3.1 to 16 %`, `1.03 to 2.14 times`."""
    write = _times if high >= TIMES else _per_cent
    return f"{write(low, math.floor)} to {at_most(high)}"


def times_at_most(ratio: float) -> str:
    """Write an upper bound of a ratio as a number of times, rounded up."""
    return _times(ratio, math.ceil)


def times_at_least(ratio: float) -> str:
    """Write a lower bound of a ratio as a number of times, rounded down."""
    return _times(ratio, math.floor)


def _per_cent(ratio: float, rounded: Callable[[float], int]) -> str:
    share = round(ratio - 1, 9)
    step = 0.001 if share <= _FEW_PER_CENT else 0.01
    return f"{100 * step * rounded(round(share / step, 6)):.3g}"


def _times(ratio: float, rounded: Callable[[float], int]) -> str:
    step = 10.0 ** (math.floor(math.log10(ratio)) - 2)
    return three_figures(step * rounded(round(ratio / step, 6)))


def over_the_best(high: float, low: float | None = None) -> str:
    """Write an upper bound of a cost over the best, a ratio, and the lower bound if given."""
    cost = at_most(high) if low is None else from_to(low, high)
    return f"{cost} the best" if high >= TIMES else f"{cost} over the best"


#: Decimals of a speed-up by the ratio that it is below; larger ones have none.
_DECIMALS = ((1.095, 2), (9.95, 1))
#: Ratios below this one have three figures.
_SMALL = 0.0995


def times(ratio: float) -> str:
    """Write how many times as fast something is: `0.0123`, `0.98`, `1.04`, `3.4`, `120`."""
    if ratio < _SMALL:
        return three_figures(ratio)
    decimals = next((count for below, count in _DECIMALS if ratio < below), 0)
    return f"{ratio:,.{decimals}f}"


def times_to_hundredths(ratio: float) -> str:
    """Write a ratio with three figures, of which at most two are decimals from 0.1 on: `3.38`."""
    return f"{ratio:.2f}" if _SMALL <= ratio < 10 else three_figures(ratio)  # noqa: PLR2004


def in_brackets(interval: "Interval", write: Callable[[float], str]) -> str:
    """Write the ends of an interval after a blank; '' if they are unknown or written alike."""
    low, high = write(interval.low), write(interval.high)
    return f" [{low}, {high}]" if interval.is_known and low != high else ""


def first_call(setting: case.Setting) -> str:
    """Return what comes before the second call: a runtime has loaded what was exported."""
    return "load + call" if setting.is_exported else "first call"


def with_interval(estimate: "Interval", write: Callable[[float], str]) -> str:
    """Write an estimate with its interval: `3.38 [3.30, 3.46]`, or the one end that is known."""
    if math.isnan(estimate.value) and math.isfinite(estimate.high):
        return f"at most {write(estimate.high)}"
    return f"{write(estimate.value)}{in_brackets(estimate, write)}"


def from_low_to_high(interval: "Interval") -> str:
    """Write the ends of an interval of speed-ups, rounded outwards; '' if they are unknown."""
    low, high = interval.low, interval.high
    return f"{times_at_least(low)} to {times_at_most(high)}" if interval.is_known else ""


def sentence(text: str) -> str:
    """Begin a text with a capital letter, and end it with a full stop."""
    return f"{text[0].upper()}{text[1:].removesuffix('.')}."


# Strategies, axes and their values ---------------------------------------------------------------


def with_mark(strategy: str, *, is_look_alike: bool) -> str:
    """Write the name of a strategy, that of a look-alike as `gru (no lift)`."""
    return f"{strategy} (no lift)" if is_look_alike else strategy


def axis_title(axis: str) -> str:
    """Return the heading of an axis, '' for none."""
    return case.AXES[axis].title or axis if axis else ""


def at_values(axis: str, values: Sequence[object], *, are_neighbours: bool = True) -> str:
    """Write the condition that an axis has one of these values; sizes are in order."""
    known = case.AXES[axis]
    if known.is_size and len(values) > 1:
        if not are_neighbours:
            return f"at {sizes_in_words(axis, values, ' or ')}"
        return f"from {sizes_in_words(axis, (values[0], values[-1]), ' to ')}"
    words = [known.calls.get(each) or value_in_words(axis, each) for each in values]
    return known.condition.format(" or ".join(words))


def sizes_in_words(axis: str, values: Sequence[object], link: str) -> str:
    """Write sizes with their noun once: `8 or 16 steps`, `batch 8 to 32`."""
    first, last = (value_in_words(axis, value) for value in (values[0], values[-1]))
    if case.AXES[axis].words.startswith("{}"):
        return link.join([*map(str, values[:-1]), last])
    return link.join([first, *map(str, values[1:])])


def value_in_words(axis: str, value: object) -> str:
    """Write a value so that its axis is clear without a title: `eager`, `16 steps`."""
    known = case.AXES[axis]
    return known.proper.get(value) or known.words.format(value)


def a_call(phase: Phase) -> str:
    return "a train step" if phase is Phase.TRAIN else "a call"


# The options that ask for a setting --------------------------------------------------------------


def axis_options(setting: case.Setting) -> Iterator[tuple[str, str]]:
    """Yield the options of `bench` that select this setting alone, with their values."""
    asked = {*case.REQUIRED, "mode", *setting.unusual} - {"machine"}
    for name, axis in case.AXES.items():
        if name in asked:
            yield axis.flag, str(getattr(setting, name))


def bench_command(options: Iterable[tuple[str, str]]) -> str:
    """Return `timelift bench` with these options and values, quoted for a shell.

    A value that begins with a dash is joined to its option by `=`.
    """
    words = (
        shlex.quote(f"{option}={value}") if value.startswith("-") else shlex.join((option, value))
        for option, value in options
    )
    return " ".join(["timelift", "bench", *words])


# What strategies declare about layers that are more than a function ------------------------------
# `tests/test_strategy_meaning.py` derives every declared word from behaviour.

#: Titles of the declarations.
_ABOUT = {
    "DROPOUT": "Dropout",
    "BATCH_NORM": "BatchNormalization",
    "INNER_LOSSES": "Losses of the layer",
    "MASKS": "Masks",
    "PADDED_STEPS": "Masked steps",
}
#: What begins a sentence on a declared word, where that is not its title.
_SUBJECTS = {"INNER_LOSSES": "the layer's losses (add_loss, activity regularizer) are"}
_REFUSED = "refuses such layers"
#: Every declared word in plain words.
_DECLARED = {
    "DROPOUT": {
        "independent": "draws new noise for every step",
        "shared": "draws the same noise for all steps of a call",
    },
    "BATCH_NORM": {
        "pooled": "sees all steps at once",
        "per_step": "sees each step, one after another",
        "per_step_and_first_again": "sees each step, the first one twice",
        "per_chunk": "sees a chunk of steps at once",
        "per_group": "sees a group of sequences at once",
        "first_step": "sees the first step alone",
    },
    "INNER_LOSSES": {
        "kept": "added up over the steps",
        "averaged": "averaged over the steps",
        "averaged_per_chunk": "averaged over the steps of a chunk, then added up",
        "averaged_per_group": "averaged over the steps of a group, then added up",
        "first_step": "those of the first step alone",
        "lost": "lost",
        "unreachable": "out of reach: reading model.losses raises",
    },
    "MASKS": {
        "passed": "passed on to the next layer; a step's own, to the step, or refused",
        "lost": "lost",
        "row_lengths": "the row lengths of a ragged tensor take their place",
    },
    "PADDED_STEPS": {
        "computed": "computed like any other step",
        "zeros": "zeros",
        "repeats": "the output of the step before",
        "computed_within_group": "computed up to the longest sequence of a group, then zeros",
        "none": "there are none",
    },
}


def meaning_in_words(meaning: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return pairs of a declaration's title and of its word in plain words."""
    return [(declared_about(key), declared_word(key, word)) for key, word in meaning.items()]


def moot(setting: case.Setting, added: Collection[str] | None) -> list[str]:
    """Return the titles of the declarations that mean nothing where training may add `added`."""
    if added is None:
        return []
    masks = ("MASKS", "PADDED_STEPS") if setting.lengths is Lengths.FULL else ()
    of_layer = (key for key, kind in ADDED.items() if kind not in added)
    return [declared_about(key) for key in (*of_layer, *masks)]


def declared_about(key: str) -> str:
    return _ABOUT.get(key) or _spelt(key)


def declared_word(key: str, word: object) -> str:
    """Write a declared word in plain words, or one word for each kind of time axis."""
    if isinstance(word, Mapping):
        parts = (
            f"{declared_word(key, of_axis)} ({_spelt(axis)} time axis)"
            for axis, of_axis in word.items()
        )
        return "; ".join(parts)
    if word == "refused":
        return _REFUSED
    return _DECLARED.get(key, {}).get(str(word)) or _spelt(word)


def changes_in_words(changes: Mapping[str, tuple[str, str]]) -> str:
    """Write the second of two words of each declaration: `Dropout draws …; the losses are …`."""
    return "; ".join(_in_training(key, word) for key, (_, word) in changes.items())


def _in_training(key: str, word: str) -> str:
    is_verb = word in _DECLARED.get(key, {})
    subject = _SUBJECTS.get(key, declared_about(key)) if is_verb else f"{declared_about(key)}:"
    return f"{subject} {declared_word(key, word)}"


def _spelt(text: object) -> str:
    return plain(str(text).lower().replace("_", " "), NAME_LIMIT)
