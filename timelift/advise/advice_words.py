"""The advice on a user's model: in a screenful, and as data.

A screenful has the verdict, the lifts, each of them alone, the whole model, what that rests on,
what to type next, and the verdict again. Several batches share its tables.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from timelift.advise.advice import IN_CHUNKS, Advice, LiftAdvice, ModelAdvice, Outcome
from timelift.advise.outcome_words import (
    BARE,
    Pages,
    arrow,
    becomes,
    call_of,
    numbers,
    served_by,
    times,
    written_instead,
)
from timelift.advise.user_model import Changes, ModelLift, RepeatedLayer, UserModel
from timelift.analyse.verdicts import MIN_LAUNCHES, first_call_decides
from timelift.axis_values import Phase, Status
from timelift.errors import counted
from timelift.present import conditions, words
from timelift.present.document import Block, Document
from timelift.present.tables import Column, Table

#: Characters after which a name is cut.
_NAME_LIMIT = 40
#: A first call, or a peak, that falls by a smaller ratio is no gain.
_SHORTER = 1.25
Row = tuple[str, ...]


def document(advices: Sequence[ModelAdvice], pages: Pages, *, as_code: bool = False) -> Document:
    """Return the verdict on a model at each of some batches, what it rests on, and what is next."""
    model = advices[0].model
    verdicts = tuple(_verdict(advice, pages, len(advices)) for advice in advices)
    data = [_as_data(advice, pages) for advice in advices]
    return Document(
        answer=f"{model.name}: {verdicts[0]}" if len(verdicts) == 1 else f"{model.name}:",
        blocks=(
            Block(sentences=verdicts if len(verdicts) > 1 else ()),
            Block(sentences=tuple(_found(advices, pages))),
            Block(table=_table("alone", *_lift_rows(advices))),
            Block(table=_table("whole", *_whole_rows(advices))),
            Block(sentences=tuple(dict.fromkeys(_notes(advices, pages)))),
            Block(sentences=tuple(_next(advices, as_code=as_code))),
            Block(sentences=verdicts),
        ),
        data=data[0] if len(data) == 1 else data,
    )


def _table(name: str, titles: Row, *rows: Row) -> Table:
    """Return a table of cells; where there is little room the first calls go first."""
    columns = (
        Column(title, value=itemgetter(place), drop_order=2 if title == "first call" else 0)
        for place, title in enumerate(titles)
    )
    return Table(name, name, tuple(columns), rows).without_empty_columns()


# The verdict -------------------------------------------------------------------------------------


def _verdict(advice: ModelAdvice, pages: Pages, batches: int) -> str:
    batch = f"batch {advice.model.feeding.batch}: " if batches > 1 else ""
    changes = (
        f"{each.lift.label} to {written_instead(each.lift, each.strategy, pages)}"
        for each in advice.lifts
        if each.is_change
    )
    if misread := ", ".join(each.lift.label for each in advice.lifts if each.lift.misread):
        return f"{batch}mend {misread} first: TimeDistributed reads int8 weights as floats"
    is_faulty = any(each.lift.mask_fault for each in advice.lifts)
    keep = "mend the masks first" if is_faulty else "keep it as it is"
    to_do = {Advice.KEEP: keep, Advice.CHANGE: f"change {', '.join(changes)}"}
    is_served = not advice.as_written.is_unusable or advice.was_interrupted
    verdict = to_do.get(advice.verdict, "undecided" if is_served else "no change helps")
    return f"{batch}{verdict}: {_reason(advice)}{_wanted(advice)}"


def _wanted(advice: ModelAdvice) -> str:
    """Write what would decide."""
    model, padded = advice.model, "padded steps, since a mask reaches a lift"
    if advice.verdict is Advice.UNDECIDED and (model.constant or model.unpadded):
        needed = "inputs that its outputs depend on" if model.constant else padded
        return f"; it needs --data with {needed}"
    if not advice.wants_launches:
        return ""
    if advice.worthwhile and not advice.races:
        return "; decide it without --budget"
    return f"; decide it with {conditions.more_launches(advice.runs)}"


def _reason(advice: ModelAdvice) -> str:
    """Return what the verdict rests on, most often what the whole model becomes."""
    gain, step = advice.gain, f"the {call_of(advice.model)}"
    if not advice.lifts:
        by_hand = [layer for layer in advice.model.repeated if not layer.depends]
        loops = sum(layer.is_loop for layer in by_hand)
        but = f"{counted(loops, 'loop')}, not measured" if loops else "calls to join by hand"
        return f"there is no lift{f', but {but}' if by_hand else ''}"
    if advice.as_written.is_unusable:
        return _reason_unserved(advice)
    ends = sorted({outcome.status for outcome in advice.raced.values() if outcome.end})
    if not (gain.is_compared or ends):
        return _reason_alone(advice)
    told = f"{step} {becomes(gain)}"
    before, after = gain.first_call
    first = f"its first call {arrow(gain.first_call)}"
    if advice.verdict is Advice.CHANGE and not gain.is_faster:
        return f"{first}, and {step} is not shown slower, {times(gain, ' times as fast')}"
    if advice.verdict is Advice.CHANGE:
        decides = before and after and first_call_decides(before, after)
        return f"{told}, {first}" if decides else told
    is_shorter = before and after and before > _SHORTER * after
    if not gain.is_compared:
        told += f" ({'; '.join(ends).replace('law broken', 'it computes something else')})"
    elif advice.verdict is Advice.KEEP and not gain.is_loss and is_shorter:
        told = f"only the first call is shorter ({arrow(gain.first_call)}): {told}"
    lifts = f"lift{'s' if len(advice.judged) > 1 else ''} {numbers(advice.judged)}"
    return f"with {lifts} changed {told}"


def _reason_unserved(advice: ModelAdvice) -> str:
    """Return what becomes of a model that the runtime does not serve as it is written."""
    written, after = advice.as_written, advice.gain.seconds[1]
    does = "computes something else" if written.status is Status.LAW_BROKEN else written.status
    why = written.reason.partition(";")[0]
    drops = not all(lift.is_loop for lift in advice.model.lifts) and advice.model.leaves_open
    if drops and written.status is Status.LAW_BROKEN:
        why += "; perhaps since where time is open TimeDistributed drops steps: docs/upstream.md"
    ends = f"in {served_by(advice.model)} it {does} as written ({why})"
    if advice.verdict is Advice.CHANGE and after is not None:
        return f"{ends}; changed it runs, in {words.time_in_words(after)}"
    return f"{ends}, and with no change that was tried"


def _reason_alone(advice: ModelAdvice) -> str:
    """Return what the verdict rests on where no whole model was raced."""
    lifts = [one for one in advice.lifts if one.verdict is advice.verdict]
    rivals = [gain for lift in lifts for gain in lift.rivals.values()]
    gains = [gain for gain in rivals if not (gain.meaning or gain.end)]
    most = max((gain.speed_up.high for gain in gains if gain.is_compared), default=1.0)
    if advice.verdict is Advice.KEEP:
        left = f": at most {words.at_most(most)} to gain" if most > 1 else ""
        is_held_back = any(gain.meaning and gain.is_faster for gain in rivals)
        alike = " and train the same" if is_held_back else ""
        return f"no lift is shown to become faster{alike}{left}"
    if advice.was_interrupted:
        return "interrupted"
    if not any(one.is_open for one in lifts):
        masks = ", ".join(one.lift.label for one in lifts if not one.lift.can_change)
        no_figures = "no strategy that keeps the meaning has figures"
        return f"masks go wrong at {masks}" if masks else no_figures
    if min((gain.launches for gain in gains), default=0) < MIN_LAUNCHES:
        return f"it needs {MIN_LAUNCHES} launches"
    if advice.worthwhile:
        return "the whole model was not raced"
    return f"a lift alone may become up to {words.times(most)} times as fast"


# What was found ----------------------------------------------------------------------------------


def _found(advices: Sequence[ModelAdvice], pages: Pages) -> Iterator[str]:
    model, run = advices[0].model, advices[0].run
    cores = run.header.machine.identity.get("cores") if run else None
    lifts = counted(len(model.lifts), "lift") if model.lifts else "no lift"
    yield f"{lifts} (one layer called at every step) in {counted(model.layers, 'layer')}"
    batches = ", ".join(str(advice.model.feeding.batch) for advice in advices)
    machine = f"CPU, {counted(cores, 'core')}" if cores else "CPU"
    backend = words.value_in_words("backend", model.backend)
    how = f"exported to {served_by(model)}" if model.setting.is_exported else model.mode
    yield f"{backend}, {how}, {machine}, batch {batches}"
    for lift, *of_batches in zip(model.lifts, *(advice.lifts for advice in advices), strict=True):
        names = [lift.before, *(f"{word:.{_NAME_LIMIT}}" for word in (lift.name, lift.place))]
        also = "; a mask reaches it" if lift.masked else ""
        also += f"; each of its {lift.outputs} outputs is stacked" if lift.outputs > 1 else ""
        to_do = " or ".join(dict.fromkeys(_to_do(each, pages) for each in of_batches))
        yield f"{lift.label}: {', '.join(filter(None, names))}{also}: {to_do}"
    for repeated in model.repeated:
        yield _repeated(repeated)


def _repeated(repeated: RepeatedLayer) -> str:
    """Write which layer is called again, where, and what to write instead by hand."""
    code = f"ops.split(layer(ops.concatenate(inputs, axis=0)), {repeated.calls})"
    if repeated.is_loop:
        code = f"{repeated.instead}, by FoldTime of the strategy fold_time"
    rest = f"by hand (not for batch statistics or losses): {code}"
    if repeated.depends:
        rest = "each call needs the one before: a recurrence, left alone"
    at = f" at {repeated.line}" if repeated.line else ""
    return f"{repeated.layer} is called {repeated.calls} times at one shape{at}: {rest}"


# Tables: each lift alone, and the whole model ----------------------------------------------------


def _lift_rows(advices: Sequence[ModelAdvice]) -> Iterator[Row]:
    """Yield headings, and a row for each rival of each lift at each batch."""
    model = advices[0].model
    phases = {model.setting_of(lift).phase for lift in model.lifts if lift.can_change}
    heading = f"a {' or '.join(sorted(phases))} call"
    heading = "a served call" if model.runtime else heading
    rivals = (gain for advice in advices for one in advice.lifts for gain in one.rivals.values())
    last = ("in training",) if any(gain.meaning for gain in rivals) else ()
    yield (
        "lift",
        "batch",
        "alone with",
        heading,
        "times as fast",
        words.first_call(model.setting),
        *last,
    )
    for of_lift in zip(*(advice.lifts for advice in advices), strict=True):
        for advice, lift_advice in zip(advices, of_lift, strict=True):
            lift, batch = lift_advice.lift, _batch(advice, advices)
            cells: Row = (str(lift.number), batch)
            others = [pair for pair in lift_advice.rivals.items() if pair[0] != lift.usual]
            for name, gain in sorted(others, key=lambda pair: pair[0] != lift_advice.strategy):
                call = str(gain.status) if gain.end else arrow(gain.seconds)
                changes = ("changes" if gain.meaning else "",) if last else ()
                yield (*cells, name, call, times(gain), arrow(gain.first_call), *changes)
                cells = ("", "")


def _to_do(advice: LiftAdvice, pages: Pages) -> str:
    if advice.verdict is Advice.KEEP and not _fault(advice.lift):
        return "leave it as it is" if advice.lift.steps else "it is not called"
    if not advice.strategy:
        return "undecided"
    instead = written_instead(advice.lift, advice.strategy, pages)
    return f"{'write' if advice.is_change else 'maybe'} {instead}"


def _batch(advice: ModelAdvice, advices: Sequence[ModelAdvice]) -> str:
    """Write the batch of one of several advices."""
    return str(advice.model.feeding.batch) if len(advices) > 1 else ""


def _whole_rows(advices: Sequence[ModelAdvice]) -> Iterator[Row]:
    """Yield headings, and a row for each set of changes raced at each batch."""
    model = advices[0].model
    call, first = f"a {call_of(model)}", words.first_call(model.setting)
    yield ("changed", "batch", call, "times as fast", first, "peak memory")
    for advice in advices:
        batch = _batch(advice, advices)
        for changes, gain in advice.raced.items():
            if changes and gain.is_compared:
                cells = (numbers(changes), batch, arrow(gain.seconds), times(gain))
                peaks = arrow(gain.peak_bytes, words.human_bytes) if gain.peak_bytes[1] else ""
                yield (*cells, arrow(gain.first_call), peaks)


# Sentences below the tables ----------------------------------------------------------------------


def _notes(advices: Sequence[ModelAdvice], pages: Pages) -> Iterator[str]:
    for advice in advices:
        for lift_advice in advice.lifts:
            yield from _notes_on_lift(lift_advice, advice.raced)
        for changes, outcome in advice.raced.items():
            if outcome.end:
                names = ", ".join(f"{strategy} in lift {number}" for number, strategy in changes)
                yield f"the whole model {f'with {names}' if names else 'as written'}: {outcome.end}"
        yield from _notes_on_memory(advice, pages)
    yield from _evidence(advices[0].model, advices)
    yield from _noise(advices)
    if any(advice.was_interrupted and advice.run_names for advice in advices):
        yield "provisional: it was interrupted; this rests on the launches until then"


def _notes_on_memory(advice: ModelAdvice, pages: Pages) -> Iterator[str]:
    """Yield what a change becomes that folds a few steps at a time."""
    lifts = {one.lift.number: one.lift for one in advice.lifts}
    for changes, gain in advice.raced.items():
        own = [(lifts[number], name) for number, name in changes if name in IN_CHUNKS]
        is_other = {number for number, _ in changes} == {number for number, _ in advice.judged}
        if own and changes != advice.judged and is_other and gain.peak_bytes[1]:
            written = ", ".join(written_instead(lift, name, pages) for lift, name in own)
            peaks = [arrow(each.peak_bytes, words.human_bytes) for each in (advice.gain, gain)]
            is_less = gain.peak_bytes[1] < (advice.gain.peak_bytes[1] or 0) / _SHORTER
            less = f"with {'' if is_less else 'no '}less memory"
            told = f"the {call_of(advice.model)} {becomes(gain)}"
            yield f"{less} ({peaks[1]}, where it is {peaks[0]}), {written}: {told}"


def _fault(lift: ModelLift) -> str:
    """Write what is wrong with a lift as it is written, or ''."""
    misread = f"TimeDistributed takes the int8 weights of {lift.inner} for floats"
    return misread if lift.misread else lift.mask_fault


def _notes_on_lift(advice: LiftAdvice, raced: Mapping[Changes, Outcome]) -> Iterator[str]:
    """Yield what became of the rivals that are not advised, and what some change."""
    label = advice.lift.label
    if fault := _fault(advice.lift):
        is_held = advice.lift.masked or advice.lift.misread
        how = ", by FoldTime of the strategy fold_time" if is_held else ""
        if not how and BARE in advice.rivals and not advice.rivals[BARE].end:
            how = f", by {advice.lift.inner} alone"
        yield f"{label}: {fault}: mend that first{how}, since it changes what your model computes"
    yield from (f"{label}, {name}: {gain.end}" for name, gain in advice.rivals.items() if gain.end)
    for name, gain in advice.rivals.items():
        if gain.meaning:
            yield f"{label}, {name} changes in training: {words.changes_in_words(gain.meaning)}"
    whole = raced.get(((advice.lift.number, advice.strategy),))
    if advice.verdict is Advice.KEEP and advice.gain.is_faster and whole:
        alone = times(advice.gain, " times as fast alone")
        yield f"{label}, {advice.strategy}: {alone}; the whole {becomes(whole)}"


def _evidence(model: UserModel, advices: Sequence[ModelAdvice]) -> Iterator[str]:
    """Yield what shows that a changed model computes the same, and what that leaves open."""
    errors = [error for advice in advices if (error := advice.gain.law_error) is not None]
    if not errors:
        return
    what = "outputs are"
    if model.setting.phase is Phase.TRAIN:
        quiet = " (with the rates of noise at 0)" if model.quiet else ""
        where = f"in training too{quiet}" if model.steady else "in inference"
        what = f"{where}, outputs, losses and gradients are"
    yield f"{what} those of your model (relative difference {max(errors):.0e})"
    if model.leaves_open and model.drawn:
        steps = f"{model.setting.seq_len} steps"
        traced = f"traced for {steps}; fit traces with an open length"
        is_exported = model.setting.is_exported
        yield f"exported with an open length; called with {steps}" if is_exported else traced
    if model.setting.is_exported:
        yield (
            f"exported for a batch of {model.feeding.batch}: give model.export an input_signature, "
            "since with an open batch, which it has by default, a model may not run there"
        )
    if model.trains and not model.compiled:
        yield "it is not compiled, so it was trained by the mean of its outputs"


def _noise(advices: Iterable[ModelAdvice]) -> Iterator[str]:
    told = (conditions.neighbours(run) for advice in advices for run in advice.runs)
    yield from filter(None, told)


def _next(advices: Sequence[ModelAdvice], *, as_code: bool) -> Iterator[str]:
    """Yield what to type next."""
    model = advices[0].model
    runs = [name for advice in advices for name in advice.run_names]
    if any(advice.advised for advice in advices):
        if not as_code:
            yield "--code prints what to paste, and how stored weights are carried over"
    elif model.lifts and model.drawn and [one.verdict for one in advices] == [Advice.KEEP]:
        yield "--batch-sizes 8,32,128 asks at several sizes, of which each may have another answer"
    if model.lifts and (model.drawn or model.draws_labels):
        drawn = " and ".join(["inputs"] * model.drawn + ["labels"] * model.draws_labels)
        yield f"--data module:function gives {drawn} of your own; these were drawn"
    if runs:
        yield f"timelift report RUN makes the page of a run: {', '.join(runs)}"


# As data -----------------------------------------------------------------------------------------


def _as_data(advice: ModelAdvice, pages: Pages) -> dict[str, Any]:
    """Return the fields of the types, with those names and units."""
    return {
        **vars(advice.model),
        "feeding": advice.model.feeding._asdict(),
        "phase": advice.model.setting.phase,
        "advice": advice.verdict,
        "provisional": advice.was_interrupted,
        "runs": advice.run_names,
        "noise": [*_noise([advice])],
        "gain": advice.gain,
        "lifts": [_lift_as_data(lift_advice, pages) for lift_advice in advice.lifts],
        "whole": [{"changes": dict(key), "gain": gain} for key, gain in advice.raced.items()],
    }


def _lift_as_data(advice: LiftAdvice, pages: Pages) -> dict[str, Any]:
    lift, strategy = advice.lift, advice.strategy
    return {
        **{name: value for name, value in vars(lift).items() if name != "site"},
        "before": lift.before,
        "after": written_instead(lift, strategy, pages) if advice.is_change else None,
        "advice": advice.verdict,
        "strategy": strategy,
        "gain": advice.gain,
        "rivals": advice.rivals,
    }
