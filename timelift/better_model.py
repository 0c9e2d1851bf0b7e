"""A module of plain Keras that changes a user's model as was advised, to import or to paste.

It imports nothing of timelift. What takes the place of a `TimeDistributed` is a subclass of it with
that very name: Keras keys stored weights by it, so that what was saved before is loaded after. A
loop that is written by hand has nothing to take the place of: what to write instead is told.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator

from timelift import usage
from timelift.analyse.model_advice import LiftAdvice, ModelAdvice
from timelift.errors import UserError
from timelift.escape import plain
from timelift.project import Project

_CHANGE = '''
def change(model):
    """Change the lifts of a model in place, and return it.

    Its layers, weights and names stay, and so do its train step and the state of its optimiser.
    """
    kind = keras.layers.TimeDistributed
    found = [layer for layer in model._flatten_layers() if isinstance(layer, kind)]
    if missing := sorted(LIFTS.keys() - {layer.name for layer in found}):
        raise ValueError(f"{model.name} has no TimeDistributed named {missing[0]!r}; name it so")
    for layer in found:
        layer.__class__ = LIFTS.get(layer.name, type(layer))
    model.train_function = model.test_function = model.predict_function = None  # traced before
    return model
'''
#: How a module begins that was written here.
BEGINNING = '"""What to write in '
#: What is told of a loop that is written by hand.
_LOOPS = [
    "",
    "A loop is not changed by a call: it is written anew, and saved weights lie deeper then.",
]
#: The method of what has no class of its own: it is built once for each shape.
_CALL = '''
    def call(self, inputs, training=None, mask=None):
        """(batch, time, *features) to (batch, time, *outputs)."""
        given = tuple(inputs.shape[1:]), keras.backend.standardize_dtype(inputs.dtype)
        built = _built.setdefault(self, {})  # no attribute, which Keras would save
        if given not in built:
            built[given] = BUILD(self.layer, given[0], dtype=given[1])
        return built[given](inputs, training=training)'''


def better_model(found: ModelAdvice, project: Project) -> str:
    """Return the text of the module for a model with something to change.

    Raises UserError where lifts of one name, which is all that tells them apart, are advised on
    differently.
    """
    by_name = defaultdict(set)
    for one in found.lifts:
        if not one.is_loop:
            by_name[one.lift.name].add(one.strategy)
    if differ := [name for name, several in by_name.items() if len(several) > 1]:
        raise UserError(
            f"--write: lifts of one name, {differ[0]!r}, are to be changed differently; rename one"
        )
    changes = [one for one in found.lifts if one.is_change]
    in_place = [one for one in changes if not one.is_loop]
    strategies = dict.fromkeys(one.strategy for one in changes)
    lines = [
        f"{BEGINNING}{found.model.name}.",
        "",
        "Call `change(model)` once it is made, or write:" if in_place else "Write:",
        "",
        *map(_in_text, map(_to_change, changes)),
        *(_LOOPS if any(one.is_loop for one in changes) else ()),
        '"""',
        "",
        *(line for name in strategies for line in _strategy(name, project)),
    ]
    if not in_place:
        return "\n".join(lines).rstrip("\n") + "\n"
    table = [
        "#: What takes the place of each TimeDistributed, by its name.",
        "LIFTS = {",
        *(f"    {one.lift.name!r}: {_word(one.strategy)}," for one in in_place),
        "}",
        "",
    ]
    return "\n".join(lines + table) + _CHANGE


def _to_change(one: LiftAdvice) -> str:
    if one.is_loop:
        called = one.lift.name
        return f"    stack([{called}(step) for step in x])  as  {_word(one.strategy)}({called})(x)"
    named = f"..., name={one.lift.name!r})"
    return f"    TimeDistributed({named}  as  {_word(one.strategy)}({named}"


def _in_text(line: str) -> str:
    """Write a line so that no name in it, which may come from a stored model, ends the text."""
    return plain(line).replace("\\", r"\\").replace('"', r"\"")


def _word(strategy: str) -> str:
    """Return the name of what takes its place: that of `fold_time` is `FoldTimeLift`."""
    return "".join(word.capitalize() for word in strategy.split("_")) + "Lift"


def _strategy(name: str, project: Project) -> Iterator[str]:
    """Yield the source of a strategy, and the subclass of TimeDistributed that computes so."""
    source, word = usage.own_source(project.strategy_file(name)), _word(name)
    own = [node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    yield from ([] if own else ["import weakref"])
    yield from (*source.rstrip("\n").split("\n"), "", "")
    if not own:
        yield from (f"_build_{name} = build", "_built = weakref.WeakKeyDictionary()", "", "")
    bases = ", ".join([*own[-1:], "keras.layers.TimeDistributed"])
    yield f'@keras.saving.register_keras_serializable(package="lifts", name="{word}")'
    yield f"class TimeDistributed({bases}):"
    yield f'    """Computes what {name} does of the layer inside."""'
    if not own:
        yield from _CALL.replace("BUILD", f"_build_{name}").split("\n")
    yield from ("", "", f"{word} = TimeDistributed", "", "")
