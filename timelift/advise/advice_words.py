"""The advice on a user's model: in a screenful, and as data."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len

from timelift.advise.advice import Advice, Gain, LiftAdvice, ModelAdvice, Rival
from timelift.advise.user_model import AS_WRITTEN, CHANGED, ModelLift
from timelift.case import Phase
from timelift.errors import counted
from timelift.escape import plain
from timelift.present.answer import speed_up_in_words, why_not_shown
from timelift.present.usage import build_call
from timelift.present.words import (
    declared_about,
    declared_word,
    human_bytes,
    time_in_words,
    value_in_words,
)
from timelift.source import Source

_NAME_LIMIT = 40
_HEADINGS = ("lift", "is", "write instead", "that layer alone", "first call")
#: The rivals of a whole model in words, but for those in which one lift alone is changed.
_RIVALS = {AS_WRITTEN: "as it is written", CHANGED: "with every lift changed"}
#: The strategy that calls the layer itself on whole sequences.
BARE = "native"
#: The function, in code to paste, that does so with a Sequential.
ITSELF = "itself"
#: The file of each strategy that is advised, by its name.
Pages = Mapping[str, Source]


def advice_lines(advices: Sequence[ModelAdvice], pages: Pages) -> Iterator[str]:
    """Yield the lifts of a model, what to write instead, and what that brings the whole model."""
    for advice in advices:
        yield from map(plain, _lines(advice, pages))


def _lines(advice: ModelAdvice, pages: Pages) -> Iterator[str]:
    model = advice.model
    machine = f"{advice.cores} cores" if advice.cores else "not measured"
    count = counted(len(advice.lifts), "lift")
    where = f"{value_in_words('backend', model.backend)}, {model.mode}, CPU, {machine}"
    yield f"{model.name}: {count} over time in {counted(model.layers, 'layer')} ({where})"
    if advice.lifts:
        yield ""
        rows = [_HEADINGS, *(_row(lift_advice, pages) for lift_advice in advice.lifts)]
        yield from (f"  {line}" for line in _aligned(rows))
        yield from _notes(advice, pages)
    else:
        yield "  no TimeDistributed and no loop over steps was found in any of its layers"
    for name, calls, _ in model.repeated:
        yield f"  {name} is called {calls} times by hand, on parts of one tensor: it is left alone"
    yield ""
    yield from _whole_lines(advice)
    if model.drawn and advice.lifts:
        data = "inputs and labels were" if model.draws_labels else "inputs were"
        yield f"  its {data} drawn; --data module:function gives your own"
    elif model.draws_labels and advice.lifts:
        yield "  its labels were drawn, since --data returned no labels"
    if advice.whole and model.trains and not model.compiled:
        yield "  it is not compiled, so it was trained by the mean of its outputs"
    if advice.interrupted:
        yield "  provisional: the advice was interrupted; it rests on the launches until then"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()


def _row(advice: LiftAdvice, pages: Pages) -> tuple[str, ...]:
    lift = advice.lift
    names = ", ".join(f"{word:.{_NAME_LIMIT}}" for word in (lift.name, lift.place) if word)
    first_cells = (f"{lift.number}: {names}" if names else f"{lift.number}", lift.before)
    if not lift.steps:
        return (*first_cells, "-", "is not called", "-")
    if not advice.is_change:
        return (*first_cells, "-", _why_nothing(advice), "-")
    after = written_instead(lift, advice.strategy, pages)
    first_call = _seconds(advice.gain.first_call) if advice.gain.first_call else "-"
    return (*first_cells, after, _times(advice.gain), first_call)


def written_instead(lift: ModelLift, strategy: str, pages: Pages) -> str:
    """Return what takes a lift's place, in code: `FoldTime(Dense(32))`, or `Dense(32)`.

    A Sequential insists on the rank of its inputs, so `itself` makes it anew.
    """
    called = "(x)" if lift.is_loop else ""  # TimeDistributed is not called in its line either
    if name := pages[strategy].lift_class:
        return f"{name}({lift.inner}){called}"
    if strategy != BARE:
        return f"{build_call(lift.inner, 'shape')}{called}"
    is_sequential = "(" not in lift.inner or lift.inner.startswith("Sequential(")
    return f"{ITSELF}({lift.inner}){called}" if is_sequential else f"{lift.inner}{called}"


def _why_nothing(advice: LiftAdvice) -> str:
    if advice.lost or not advice.launches:
        return "was not measured"
    return "undecided" if advice.verdict is Advice.UNDECIDED else "nothing is gained"


def _times(gain: Gain) -> str:
    if gain.speed_up is None:
        return "not compared"
    times = f"{speed_up_in_words(gain.speed_up)} times as fast"
    return times if gain.speed_up.is_known else f"{times} by one launch"


def _seconds(before_and_after: tuple[float, float]) -> str:
    return " → ".join(map(time_in_words, before_and_after))


def _notes(advice: ModelAdvice, pages: Pages) -> Iterator[str]:
    for name in dict.fromkeys(advice.advised.values()):
        if lift_class := pages[name].lift_class:
            yield f"  {lift_class} is the layer of the strategy {name}, which --code prints"
    for lift_advice in advice.lifts:
        label = lift_advice.lift.label
        if faster := _faster(lift_advice):
            means = "; ".join(_means(faster.means))
            gain = f"{faster.strategy} is {_times(faster.gain)}"
            yield f"  {label}: {gain}, and changes what training does: {means}"
        if lift_advice.lost:
            yield f"  {label}: {lift_advice.lift.usual} itself: {lift_advice.lost}"


def _faster(advice: LiftAdvice) -> Rival | None:
    """Return the fastest rival if it means another thing in training than what is written."""
    fastest = advice.rivals[0] if advice.rivals else None
    is_faster = fastest and (fastest.gain.is_shown or fastest.gain.speed_up is None)
    return fastest if fastest and fastest.seconds and fastest.means and is_faster else None


def _means(means: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    for key, words in means.items():
        before, after = (declared_word(key, word) or "unknown" for word in words)
        yield f"{declared_about(key)}: {after}, not {before}"


def _whole_lines(advice: ModelAdvice) -> Iterator[str]:
    if not advice.advised:
        is_known = advice.verdict is Advice.KEEP
        yield f"  {'there is nothing to change' if is_known else 'undecided'}"
    model, whole = advice.model, advice.whole
    call = "train step" if model.setting.phase is Phase.BACKWARD else "outputs"
    about = f"  the whole model, {call}, batch {model.feeding.batch}"
    if whole is None or not (whole.gains or whole.lost):
        yield f"{about}: was not measured{'' if advice.interrupted else ' in the time'}"
        return
    yield f"{about}: {_gain_in_words(whole.gain)}"
    for numbers, gain in whole.gains.items() if len(whole.changes) > 1 else ():
        if len(numbers) == 1:
            yield f"    with lift {numbers[0]} alone: {_gain_in_words(gain)}"
    for name, end in whole.lost.items():
        yield f"    {_RIVALS.get(name, f'with {name} alone')}: {end}"
    if whole.law_error is not None:
        error = f"largest relative difference {whole.law_error:.0e}"
        yield f"  outputs and gradients equal those of your model ({error})"


def _gain_in_words(gain: Gain) -> str:
    times = _times(gain)
    if gain.speed_up and not (gain.is_shown or gain.is_loss):
        times += f", not shown to differ{why_not_shown(gain.speed_up)}"
    parts = [times]
    if gain.first_call:
        parts.append(f"first call {_seconds(gain.first_call)}")
    if gain.peak_bytes:
        parts.append(f"peak memory {' → '.join(map(human_bytes, gain.peak_bytes))}")
    return "; ".join(parts)


# As data -----------------------------------------------------------------------------------------


def advice_json(advices: Sequence[ModelAdvice], pages: Pages) -> str:
    """Return the advice as JSON, a list of several; unknown values are null."""
    data = [_as_data(advice, pages) for advice in advices]
    return json.dumps(data[0] if len(data) == 1 else data, indent=2)


def _as_data(advice: ModelAdvice, pages: Pages) -> dict[str, Any]:
    model, whole = advice.model, advice.whole
    return {
        "advice": advice.verdict,
        "model": model.name,
        "backend": model.backend,
        "mode": model.mode,
        "batch": model.feeding.batch,
        "drawn": model.drawn,
        "draws_labels": model.draws_labels,
        "provisional": advice.interrupted,
        "lifts": [_lift_as_data(lift_advice, pages) for lift_advice in advice.lifts],
        "repeated": [layer._asdict() for layer in model.repeated],
        "whole": whole
        and {
            "phase": model.setting.phase,
            **_gain_with_memory(whole.gain),
            "law_error": whole.law_error,
            "alone": {
                f"lift {numbers[0]}": _gain_with_memory(gain)
                for numbers, gain in whole.gains.items()
                if len(numbers) == 1
            },
            "lost": whole.lost,
        },
    }


def _lift_as_data(advice: LiftAdvice, pages: Pages) -> dict[str, Any]:
    lift, faster = advice.lift, _faster(advice)
    return {
        "number": lift.number,
        "name": lift.name,
        "place": lift.place,
        "before": lift.before,
        "after": written_instead(lift, advice.strategy, pages) if advice.is_change else None,
        "is": lift.usual,
        "write": advice.strategy or None,
        "steps": lift.steps,
        "batch": lift.batch,
        "lost": advice.lost or None,
        "launches": advice.launches,
        **_gain_as_data(advice.gain),
        "faster": faster
        and {"write": faster.strategy, "means": faster.means, **_gain_as_data(faster.gain)},
    }


def _gain_as_data(gain: Gain) -> dict[str, Any]:
    speed_up = gain.speed_up
    return {
        "times_as_fast": speed_up and _finite(speed_up.value),
        "low": speed_up and _finite(speed_up.low),
        "high": speed_up and _finite(speed_up.high),
        "verdict": speed_up and speed_up.verdict,
        "first_call_seconds": gain.first_call,
    }


def _gain_with_memory(gain: Gain) -> dict[str, Any]:
    return _gain_as_data(gain) | {"peak_bytes": gain.peak_bytes}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
