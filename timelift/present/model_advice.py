"""What to change in a user's model, in a screenful and as data."""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from rich.cells import cell_len

from timelift.analyse.model_advice import ChangeGain, LiftAdvice, ModelAdvice, WholeAdvice
from timelift.case import Phase
from timelift.errors import counted
from timelift.escape import plain
from timelift.present.advised import speed_up_in_words, value_in_words
from timelift.present.meaning import meaning_in_words
from timelift.present.units import human_bytes, three_figures, unit_for
from timelift.told_model import AS_WRITTEN, CHANGED

_NAME_LIMIT = 40
_GAP = "  "
#: What is raced of a whole model beside each change alone.
_WAYS = {AS_WRITTEN: "as it is written", CHANGED: "with every lift changed"}
_HEADINGS = ("lift", "is", "write instead", "that layer alone", "first call")


def advice_lines(found: ModelAdvice) -> Iterator[str]:
    """Write the lifts of a model, what to write instead, and what that brings to all of it."""
    yield from map(plain, _lines(found))


def _lines(found: ModelAdvice) -> Iterator[str]:
    model = found.model
    machine = f"{found.cores} cores" if found.cores else "not measured"
    lifts = counted(len(found.lifts), "lift")
    where = f"{value_in_words('backend', model.backend)}, {model.mode}, CPU, {machine}"
    yield f"{model.name}: {lifts} over time in {counted(model.layers, 'layer')} ({where})"
    if found.lifts:
        yield ""
        rows = [_HEADINGS, *map(_row, found.lifts)]
        yield from (f"  {line}" for line in _aligned(rows))
        yield from _notes(found)
    else:
        yield "  no TimeDistributed and no loop over steps was found in any of its layers"
    for name, count in model.by_hand:
        yield f"  {name} is called {count} times by hand, on parts of one tensor: it is left alone"
    yield ""
    yield from _whole(found)
    if model.drawn and found.lifts:
        what = "inputs and labels were" if model.draws_labels else "inputs were"
        yield f"  its {what} drawn; --data module:function gives your own"
    elif model.draws_labels and found.lifts:
        yield "  its labels were drawn, since --data returned no labels"
    if found.whole and model.trains and not model.compiled:
        yield "  it is not compiled, so it was trained by the mean of its outputs"
    if found.interrupted:
        yield "  provisional: the advice was interrupted; it rests on the launches until then"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(cell_len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        cells = (
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        )
        yield _GAP.join(cells).rstrip()


def _row(one: LiftAdvice) -> tuple[str, ...]:
    known = (_end_of(one.lift.path), f"{_usual(one)}({one.lift.inner:.{_NAME_LIMIT}})")
    if not one.lift.steps:
        return (*known, "-", "is not called", "-")
    if not one.is_change:
        return (*known, "-", _why_nothing(one), "-")
    return (*known, one.strategy, _times(one.gain), _first_call(one.gain))


def _end_of(path: str) -> str:
    """Return the end of a path, where the lift's own name is."""
    return path if len(path) <= _NAME_LIMIT else f"…{path[1 - _NAME_LIMIT :]}"


def _usual(one: LiftAdvice) -> str:
    """Return what is written: TimeDistributed, or the strategy that loops so."""
    return one.lift.usual if one.is_loop else "TimeDistributed"


def _why_nothing(one: LiftAdvice) -> str:
    if one.lost or not one.launches:
        return "was not measured"
    return "nothing is shown faster" if one.is_known else "too few launches to tell"


def _times(gain: ChangeGain | None) -> str:
    speed_up = gain.speed_up if gain else None
    if speed_up is None:
        return "not compared"
    told = f"{speed_up_in_words(speed_up)} times as fast"
    return told if speed_up.has_interval else f"{told} by one launch"


def _first_call(gain: ChangeGain | None) -> str:
    return _seconds(*gain.first_call) if gain and gain.first_call else "-"


def _seconds(before: float, after: float) -> str:
    units = [unit_for([one]) for one in (before, after)]
    written = [
        f"{three_figures(one / unit.size)} {unit.name}"
        for one, unit in zip((before, after), units, strict=True)
    ]
    return " → ".join(written)


def _notes(found: ModelAdvice) -> Iterator[str]:
    for one in found.lifts:
        for word, (before, after) in one.means.items():
            about, now = meaning_in_words(word, before)
            yield (
                f"  {one.lift.path}: {about}: {meaning_in_words(word, after)[1]}; it is {now} with "
                f"{_usual(one)} (--same-meaning leaves such changes out)"
            )
        if one.lost:
            status, reason = one.lost
            yield f"  {one.lift.path}: {_usual(one)} itself: {status}: {reason}"


def _whole(found: ModelAdvice) -> Iterator[str]:
    if not found.changes:
        known = all(one.is_known and not one.lost for one in found.lifts)
        yield f"  there is nothing to change{'' if known else ', as far as lifts were measured'}"
        return
    model, whole = found.model, found.whole
    call = "train step" if model.setting.phase is Phase.BACKWARD else "outputs"
    about = f"  the whole model, {call}, batch {model.feeding.batch}"
    if whole is None or not (whole.alone or whole.lost or whole.gain.speed_up):
        yield f"{about}: was not measured{'' if found.interrupted else ' in the time'}"
        return
    yield f"{about}: {_gain(whole.gain)}"
    for path, gain in whole.alone.items():
        yield f"    with {path} alone: {_gain(gain)}"
    for name, (status, reason) in whole.lost.items():
        told = _WAYS.get(name, f"with {name} alone")
        yield f"    {told}: {status}: {reason}"
    yield from _law(whole)


def _gain(gain: ChangeGain) -> str:
    told = _times(gain)
    if gain.speed_up and not (gain.is_shown or gain.is_loss):
        told += ", not shown to differ"
    parts = [told]
    if gain.first_call:
        parts.append(f"first call {_seconds(*gain.first_call)}")
    if gain.peak_bytes:
        before, after = map(human_bytes, gain.peak_bytes)
        parts.append(f"peak memory {before} → {after}")
    return "; ".join(parts)


def _law(whole: WholeAdvice) -> Iterator[str]:
    if whole.law_error is not None:
        error = f"largest relative difference {whole.law_error:.0e}"
        yield f"  outputs and gradients equal those of your model ({error})"


# As data -----------------------------------------------------------------------------------------


def advice_json(found: ModelAdvice) -> str:
    """Write the advice as one JSON object; what is not known is null."""
    model, whole = found.model, found.whole
    told = {
        "model": model.name,
        "backend": model.backend,
        "mode": model.mode,
        "batch": model.feeding.batch,
        "drawn": model.drawn,
        "draws_labels": model.draws_labels,
        "provisional": found.interrupted,
        "lifts": [_lift_as_data(one) for one in found.lifts],
        "by_hand": [{"layer": name, "calls": count} for name, count in model.by_hand],
        "whole": whole
        and {
            "phase": model.setting.phase,
            **_gain_with_memory(whole.gain),
            "law_error": whole.law_error,
            "alone": {path: _gain_with_memory(one) for path, one in whole.alone.items()},
            "lost": {name: f"{end}: {why}" for name, (end, why) in whole.lost.items()},
        },
    }
    return json.dumps(told, indent=2)


def _lift_as_data(one: LiftAdvice) -> dict[str, Any]:
    return {
        "path": one.lift.path,
        "layer": one.lift.inner,
        "is": one.lift.usual,
        "steps": one.lift.steps,
        "batch": one.lift.batch,
        "write": one.strategy or None,
        "means": {word: list(both) for word, both in one.means.items()},
        "lost": one.lost and ": ".join(one.lost),
        "launches": one.launches,
        **_gain_as_data(one.gain),
    }


def _gain_as_data(gain: ChangeGain | None) -> dict[str, Any]:
    speed_up = gain.speed_up if gain else None
    return {
        "times_as_fast": speed_up and _known(speed_up.times),
        "low": speed_up and _known(speed_up.low),
        "high": speed_up and _known(speed_up.high),
        "verdict": speed_up and speed_up.verdict,
        "first_call_seconds": gain and gain.first_call,
    }


def _gain_with_memory(gain: ChangeGain) -> dict[str, Any]:
    return _gain_as_data(gain) | {"peak_bytes": gain.peak_bytes}


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
