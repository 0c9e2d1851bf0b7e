"""The advice on a user's model as Python to paste."""

from collections.abc import Iterator, Mapping

from timelift.advise.advice import Advice, ModelAdvice
from timelift.advise.advice_words import document
from timelift.advise.outcome_words import BARE, ITSELF, Pages, written_instead
from timelift.advise.user_model import ModelLift
from timelift.escape import plain
from timelift.inner_layer import Factory
from timelift.present.shortest import heading, lift_alone
from timelift.present.terminal import as_comments
from timelift.present.usage import arguments_of

#: How stored weights get into the changed model; without a loop their order may be another one.
_WEIGHTS = """
# Stored weights are loaded into the model as it was, and carried over to the new {carried}; where
# weights are made by the first call, call each model before. The state of an optimiser begins anew.
#   old_model.load_weights("old.weights.h5")
#   new_{carried}.set_weights(old_{carried}.get_weights())
#   new_model.save_weights("new.weights.h5")
"""
_ITSELF = f"""

def {ITSELF}(*layers, name=None):
    \"\"\"Call layers of one step on whole sequences; a Sequential in them is made anew.\"\"\"
    parts = [
        {ITSELF}(*layer.layers, name=layer.name) if isinstance(layer, keras.Sequential) else layer
        for layer in layers
    ]
    return keras.Sequential(parts, name=name)
"""
#: The end of the code that clones a model, after its table of lifts.
CLONE = """

@functools.cache  # a layer that is called twice is copied once
def copy(layer):
    \"\"\"Copy a layer, with the lifts in it written anew.\"\"\"
    if isinstance(layer, keras.Model):
        return keras.models.clone_model(layer, clone_function=copy)
    if layer in INSTEAD:
        return INSTEAD[layer](copy(layer.layer), name=layer.name)
    if isinstance(layer, keras.layers.TimeDistributed):
        inner = copy(layer.layer)
        return keras.layers.TimeDistributed(inner, name=layer.name, dtype=layer.dtype_policy)
    return type(layer).from_config(layer.get_config())


new_model = keras.models.clone_model(model, clone_function=copy)
new_model.set_weights(model.get_weights())
if model.compiled:  # the state of its optimiser goes along
    for new, old in zip(new_model.optimizer.variables, model.optimizer.variables):
        new.assign(old.numpy())  # a copy, since JAX gives up arrays in a train step
# new_model.save("new.keras") stores it; where that is loaded, the classes above have to be known.
"""


def advice_code(advice: ModelAdvice, pages: Pages, *, is_at_hand: bool = False) -> Iterator[str]:
    """Yield Python to paste: the advice in comments, what strategies need, and what goes where.

    A stored model is loaded, or `is_at_hand` under the name `model`, and cloned with its lifts
    changed. There is nothing to paste unless a change is advised, or may help.
    """
    yield from as_comments(document([advice], pages, as_code=True))
    if not (changes := _changes(advice)):
        yield "# There is no code to paste, since no change is advised."
        return
    yield from _classes(changes, pages)
    factory = Factory.of(advice.model.factory)
    if is_at_hand or factory.is_stored:
        load = "" if is_at_hand else f"model = keras.saving.load_model({factory.where!r})"
        yield from ("", "", "import functools", "", "import keras", "", load)
        yield from (*_instead(changes, pages), *CLONE.rstrip("\n").split("\n"))
    else:
        yield from _by_hand(changes, pages)


def code_instead(advice: ModelAdvice, pages: Pages) -> str:
    """Return Python that maps lifts of a `model` to the classes to write, as `INSTEAD`."""
    changes = _changes(advice)
    lines = (*_classes(changes, pages), "import functools", *_instead(changes, pages))
    return "\n".join(lines)


def _changes(advice: ModelAdvice) -> dict[ModelLift, str]:
    """Return what is advised, or what may help where that is undecided."""
    has_ended = any(outcome.end for outcome in advice.raced.values())
    is_open = advice.verdict is Advice.UNDECIDED and not has_ended
    return {
        one.lift: one.strategy
        for one in advice.lifts
        if one.is_change or (is_open and (one.lift.number, one.strategy) in advice.worthwhile)
    }


def _classes(changes: Mapping[ModelLift, str], pages: Pages) -> Iterator[str]:
    """Yield what the strategies need, each in the shortest form that is right for its lifts."""
    for name in dict.fromkeys(changes.values()):
        lifts = [lift for lift, strategy in changes.items() if strategy == name]
        is_plain = not any(lift.masked or lift.inputs.is_nest for lift in lifts)
        lifted = f"import keras\n{_ITSELF}"
        if name != BARE:
            lifted = heading(pages[name]) + lift_alone(pages[name], is_plain=is_plain)
        yield from ("", "", *lifted.rstrip("\n").split("\n"))


def _instead(changes: Mapping[ModelLift, str], pages: Pages) -> Iterator[str]:
    """Yield the table of lifts to write anew, all but loops, of a `model`."""
    yield "INSTEAD = {"
    for lift, strategy in changes.items():
        wrapper = pages[strategy].lift_class or (ITSELF if strategy == BARE else "")
        if wrapper and not lift.is_loop:
            given = arguments_of(strategy)
            wrapper = f"functools.partial({wrapper}{given})" if given else wrapper
            yield f"    model{lift.access}: {wrapper},  # {_where(lift)}"
        else:
            line = written_instead(lift, strategy, pages)
            yield f"    # {_where(lift)}: write {plain(line)} where the model is made"
    yield "}"


def _by_hand(changes: Mapping[ModelLift, str], pages: Pages) -> Iterator[str]:
    """Yield comments that tell what to write instead of each lift, and how weights are kept."""
    yield from ("", "")
    for lift, strategy in changes.items():
        yield f"# {_where(lift)}:"
        yield f"#   before: {plain(lift.before)}"
        yield f"#   after:  {plain(written_instead(lift, strategy, pages))}"
    carried = "layer" if any(lift.is_loop for lift in changes) else "model"
    yield from _WEIGHTS.format(carried=carried).rstrip("\n").split("\n")


def _where(lift: ModelLift) -> str:
    return plain(", ".join(filter(None, (lift.label, lift.name, lift.place))))
