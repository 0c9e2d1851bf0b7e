"""The advice on a user's model as Python to paste."""

from collections.abc import Iterator, Sequence

from timelift.advise.advice import LiftAdvice, ModelAdvice
from timelift.advise.advice_words import BARE, Pages, advice_lines
from timelift.advise.user_model import CHANGED
from timelift.inner_layer import Factory

#: The function, in code to paste, that calls the layer itself on whole sequences (`_ITSELF`).
_ITSELF_NAME = "itself"
#: How the weights of a model get into the changed one.
_WEIGHTS = """
# Weights from a file are loaded into the model as it was, and carried over to the new one:
#   new_model.set_weights(old_model.get_weights())
"""
#: The same for models whose weights may be in another order than before.
_WEIGHTS_OF_LOOPS = """
# Weights from a file are loaded into the model as it was, and carried over to the new one layer by
# layer, since their order may be another one without the loop:
#   new_layer.set_weights(old_layer.get_weights())
"""
#: The end of the code that clones a stored model, after its table of lifts.
_CLONE = """

@functools.cache  # a layer that is called twice is copied once
def copy(layer):
    \"\"\"Copy a layer, with the lifts in it written anew.\"\"\"
    if isinstance(layer, keras.Model):
        return keras.models.clone_model(layer, clone_function=copy)
    if isinstance(layer, keras.layers.TimeDistributed):
        inner = copy(layer.layer)
        return INSTEAD.get(layer, keras.layers.TimeDistributed)(inner, name=layer.name)
    return type(layer).from_config(layer.get_config())


new_model = keras.models.clone_model(model, clone_function=copy)
new_model.set_weights(model.get_weights())  # the state of its optimiser begins anew
"""
_ITSELF = """

def itself(*layers, name=None):
    \"\"\"Call layers of one step on whole sequences; a Sequential in them is made anew.\"\"\"
    parts = [itself(*one.layers) if isinstance(one, keras.Sequential) else one for one in layers]
    return keras.Sequential(parts, name=name)

"""


def advice_code(advice: ModelAdvice, pages: Pages) -> Iterator[str]:
    """Yield Python to paste: the advice in comments, each strategy's page, and where weights go.

    A stored model is cloned with its lifts changed. There is no code if the changed model failed,
    broke the law or is slower.
    """
    yield from (f"# {line}".rstrip() for line in advice_lines([advice], pages))
    if advice.whole and (CHANGED in advice.whole.lost or advice.whole.gain.is_loss):
        yield "# There is no code to paste, since the whole model should stay as it is."
        return
    changes = [lift_advice for lift_advice in advice.lifts if lift_advice.is_change]
    for name in dict.fromkeys(advice.advised.values()):
        yield from ("", "", *pages[name].text.rstrip("\n").split("\n"))
    if changes and Factory.of(advice.model.factory).is_stored:
        yield from _made_anew(advice.model.factory, changes, pages)
    elif changes:
        is_looped = any(change.lift.is_loop for change in changes)
        yield from (_WEIGHTS_OF_LOOPS if is_looped else _WEIGHTS).rstrip().split("\n")


def _made_anew(path: str, changes: Sequence[LiftAdvice], pages: Pages) -> Iterator[str]:
    """Yield code that loads a stored model and clones it with its lifts written anew."""
    yield from ("", "", "import functools", "", "import keras")
    instead = {change.lift: _wrapper(change, pages) for change in changes}
    if _ITSELF_NAME in instead.values():
        yield from _ITSELF.rstrip("\n").split("\n")
    yield from ("", "", f"model = keras.saving.load_model({path!r})", "INSTEAD = {")
    for lift, name in instead.items():
        if name:
            yield f"    model{lift.access}: {name},  # {lift.label}"
        else:
            yield f"    # {lift.label} is to be written in the code that makes the model"
    yield from ("}", *_CLONE.rstrip("\n").split("\n"))


def _wrapper(change: LiftAdvice, pages: Pages) -> str:
    """Return what is called with the layer inside of a lift, or '' for a loop."""
    if change.lift.is_loop:
        return ""
    return pages[change.strategy].lift_class or (_ITSELF_NAME if change.strategy == BARE else "")
