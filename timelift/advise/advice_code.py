"""The advice on a user's model as Python to paste."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from timelift.advise.advice import Advice, ModelAdvice
from timelift.advise.advice_words import BARE, ITSELF, Pages, advice_lines, written_instead
from timelift.advise.user_model import ModelLift
from timelift.escape import plain
from timelift.inner_layer import Factory

#: Why there is nothing to paste, by the verdict.
_NOTHING = {
    Advice.KEEP: "# There is no code to paste: the model should stay as it is.",
    Advice.UNDECIDED: "# There is no code to paste: it is not decided whether to change the model.",
}
#: How stored weights get into the changed model.
_WEIGHTS = """
# Stored weights are loaded into the model as it was and carried over to the new one; where weights
# are made by the first call, call each model once before. The state of an optimiser begins anew.
#   old_model.load_weights("old.weights.h5")
#   new_model.set_weights(old_model.get_weights())
#   new_model.save_weights("new.weights.h5")
"""
#: The same for models whose weights may be in another order than before.
_WEIGHTS_OF_LOOPS = """
# Stored weights are loaded into the model as it was and carried over to the new one layer by layer,
# since their order may be another one without the loop. The state of an optimiser begins anew.
#   old_model.load_weights("old.weights.h5")
#   new_layer.set_weights(old_layer.get_weights())
#   new_model.save_weights("new.weights.h5")
"""
#: What replaces several calls of a layer, none of which needs what another returned.
_REPEATED = """\
# One call of {layer} instead of {calls}, with new noise and batch statistics of them all:
#   outputs = ops.split(layer(ops.concatenate(inputs, axis=0)), {calls}, axis=0)"""
#: The end of the code that clones a stored model, after its table of lifts.
_CLONE = """

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
        new.assign(old)
# new_model.save("new.keras") stores it; where that is loaded, the classes above have to be known.
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


class _Change(NamedTuple):
    """What to write instead of a lift: the `line`, and what a clone calls with the layer inside.

    This `wrapper` is '' for what cannot be changed in a clone.
    """

    lift: ModelLift
    line: str
    wrapper: str

    @classmethod
    def of(cls, lift: ModelLift, strategy: str, pages: Pages) -> Self:
        wrapper = pages[strategy].lift_class or (ITSELF if strategy == BARE else "")
        line = written_instead(lift, strategy, pages)
        return cls(lift, line, "" if lift.is_loop else wrapper)

    @property
    def where(self) -> str:
        return plain(", ".join(filter(None, (self.lift.label, self.lift.name, self.lift.place))))


def advice_code(advice: ModelAdvice, pages: Pages, *, is_at_hand: bool = False) -> Iterator[str]:
    """Yield Python to paste: the advice in comments, each strategy's page, and what goes where.

    A stored model is loaded, or `is_at_hand` under the name `model`, and cloned with its lifts
    changed. There is nothing to paste unless a change is advised.
    """
    yield from (f"# {line}".rstrip() for line in advice_lines([advice], pages))
    for layer in advice.model.repeated:
        if not layer.depends:
            yield from _REPEATED.format(layer=plain(layer.layer), calls=layer.calls).split("\n")
    if advice.verdict is not Advice.CHANGE:
        yield _NOTHING[advice.verdict]
        return
    advised = [one for one in advice.lifts if one.lift.number in advice.advised]
    for name in dict.fromkeys(one.strategy for one in advised if one.strategy != BARE):
        yield from ("", "", *pages[name].text.rstrip("\n").split("\n"))
    changes = [_Change.of(one.lift, one.strategy, pages) for one in advised]
    factory = Factory.of(advice.model.factory)
    if (is_at_hand or factory.is_stored) and any(change.wrapper for change in changes):
        load = "" if is_at_hand else f"model = keras.saving.load_model({factory.where!r})"
        yield from _cloned(load, changes)
    else:
        yield from _by_hand(changes)


def _cloned(load: str, changes: Sequence[_Change]) -> Iterator[str]:
    """Yield code that clones a stored model with its lifts written anew."""
    yield from ("", "", "import functools", "", "import keras")
    if any(change.wrapper == ITSELF for change in changes):
        yield from _ITSELF.rstrip("\n").split("\n")
    yield from ("", "", load, "INSTEAD = {")
    for change in changes:
        if change.wrapper:
            yield f"    model{change.lift.access}: {change.wrapper},  # {change.where}"
        else:
            yield f"    # {change.where}: write {plain(change.line)} where the model is made"
    yield from ("}", *_CLONE.rstrip("\n").split("\n"))


def _by_hand(changes: Sequence[_Change]) -> Iterator[str]:
    """Yield comments that tell what to write instead of each lift, and how weights are kept."""
    if any(change.line.startswith(f"{ITSELF}(") for change in changes):
        yield from ("", "", "import keras", *_ITSELF.rstrip("\n").split("\n"))
    yield from ("", "")
    for change in changes:
        yield f"# {change.where}:"
        yield f"#   before: {plain(change.lift.before)}"
        yield f"#   after:  {plain(change.line)}"
    is_looped = any(change.lift.is_loop for change in changes)
    yield from (_WEIGHTS_OF_LOOPS if is_looped else _WEIGHTS).rstrip("\n").split("\n")
