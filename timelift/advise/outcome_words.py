"""The words for a change: what to write, and what became of the code as written."""

import math
from collections.abc import Callable, Mapping

from timelift.advise.advice import IN_CHUNKS, Outcome, Pair
from timelift.advise.user_model import Changes, ModelLift, UserModel
from timelift.axis_values import Phase
from timelift.present import words
from timelift.present.answer import speed_up_in_words
from timelift.present.usage import arguments_of, build_call
from timelift.source import Source

#: The strategy that calls the layer itself on whole sequences.
BARE = "native"
#: The function, in code to paste, that does so with a Sequential.
ITSELF = "itself"
#: The file of each strategy that was tried in the whole model, by its name.
Pages = Mapping[str, Source]


def numbers(changes: Changes) -> str:
    """Write the numbers of lifts: `1, 2`, or `1 in chunks`."""
    return ", ".join(f"{number}{' in chunks' * (name in IN_CHUNKS)}" for number, name in changes)


def served_by(model: UserModel) -> str:
    """Return what serves a model."""
    return words.value_in_words("runtime", model.runtime)


def call_of(model: UserModel) -> str:
    """Return what a call of a model is."""
    if model.runtime:
        return f"call in {served_by(model)}"
    return "train step" if model.setting.phase is Phase.TRAIN else "prediction"


def becomes(gain: Outcome) -> str:
    """Write what a change makes of a call, after its subject."""
    if not gain.is_compared:
        return "has no figures"
    if gain.is_faster or gain.is_loss or not gain.speed_up.is_known:
        return f"becomes {times(gain, ' times as fast')}{_in_fit(gain)}"
    if gain.gains_little:
        most = gain.speed_up.high
        return f"gains at most {words.at_most(most)}" if most > 1 else "gains nothing"
    return f"is not shown to become faster, {times(gain, ' times as fast')}"


def _in_fit(gain: Outcome) -> str:
    """Write, after a comma, a gain in `fit`; '' if unknown, or if written like that of a step."""
    is_same = words.times(gain.in_fit) == words.times(gain.speed_up.value)
    if is_same or math.isnan(gain.in_fit) or not gain.is_faster:
        return ""
    return f", in fit about {words.times(gain.in_fit)}"


def times(gain: Outcome, noun: str = "") -> str:
    """Write a gain: `6.1 [5.4, 7.0]` with its noun, or `6.3 to 17 % slower`."""
    speed_up = gain.speed_up
    if not gain.is_compared:
        return "-"
    if gain.is_loss:
        text = words.from_to(1 / speed_up.high, 1 / speed_up.low)
        return f"{text} {'slower' if text.endswith('%') else 'as slow'}"
    return f"{speed_up_in_words(speed_up)}{noun}{'' if speed_up.is_known else ' by one launch'}"


def written_instead(lift: ModelLift, strategy: str, pages: Pages) -> str:
    """Return what takes a lift's place, in code: `FoldTime(Dense(32))`, or `Dense(32)`.

    A Sequential insists on the rank of its inputs, so `itself` makes it anew.
    """
    called = f"({lift.called_with()})" if lift.is_loop else ""  # as TimeDistributed is not
    if name := pages[strategy].lift_class:
        return f"{name}({lift.inner}{arguments_of(strategy)}){called}"
    if strategy != BARE:
        return f"{build_call(lift.inner, 'shape')}{called}"
    is_sequential = "(" not in lift.inner or lift.inner.startswith("Sequential(")
    return f"{ITSELF}({lift.inner}){called}" if is_sequential else f"{lift.inner}{called}"


def arrow(pair: Pair, write: Callable[[float], str] = words.time_in_words) -> str:
    """Write a pair of figures: `41.2 → 4.25 ms`; '-' where none is known."""
    before, after = pair
    if before is None or after is None:
        return "-" if after is None else write(after)
    return words.arrow(before, after, write)
