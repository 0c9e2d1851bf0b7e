"""The shortest code of a strategy that is right for a layer: what its lift needs, and no more."""

import ast
from collections.abc import Iterable, Iterator, Mapping

from timelift.project import is_brought
from timelift.source import Source

_BEFORE = "import keras\nfrom keras import ops, tree\n\n\n"
_INIT = """\
    def __init__(self, layer, **kwargs):
        super().__init__(layer, autocast=False, **kwargs)  # the layer casts
"""
#: The lifts of timelift's own pages for a layer that takes one tensor, which no mask reaches.
_PLAIN: Mapping[str, str] = {
    "fold_time": f'''\
{_BEFORE}@keras.saving.register_keras_serializable(package="fold_time")
class FoldTime(keras.layers.Wrapper):
    """Calls the layer once on the steps of all sequences."""

{_INIT}        self.built = True  # the layer builds itself when it is called

    def call(self, x, training=None, mask=None):  # a cloned graph may hand it None
        batch, time = ops.shape(x)[:2]
        y = self.layer(ops.reshape(x, (batch * time, *ops.shape(x)[2:])), training=training)
        return tree.map_structure(lambda y: ops.reshape(y, (batch, time, *ops.shape(y)[1:])), y)
''',
    "vectorized_map": f'''\
{_BEFORE}@keras.saving.register_keras_serializable(package="vectorized_map")
class VectorizedMap(keras.layers.Wrapper):
    """Maps the layer over time-major steps."""

{_INIT}
    def build(self, shape):
        if not self.layer.built:  # inside of its map PyTorch draws no weights
            self.layer(keras.KerasTensor((shape[0], *shape[2:])))

    def call(self, x, training=None, mask=None):  # a cloned graph may hand it None
        def step(x):
            return self.layer(x, training=training)

        y = ops.vectorized_map(step, ops.swapaxes(x, 0, 1))
        return tree.map_structure(lambda y: ops.swapaxes(y, 0, 1), y)
''',
}


def heading(source: Source) -> str:
    """Return a comment that says whose code follows, and what prints its page."""
    return f"# {source.title}; its page: timelift strategies show {source.name}\n\n"


def plain_lift(source: Source) -> str:
    """Return the class of a page for one tensor without masks, to paste alone, or ''."""
    return _PLAIN.get(source.name, "") if is_brought(source.path) else ""


def lift_alone(source: Source, *, is_plain: bool = False) -> str:
    """Return the class of a page with what it needs; shorter where `plain_lift` is right."""
    short = plain_lift(source) if is_plain else ""
    return short or reached(source.text, [source.lift_class])


def reached(text: str, names: Iterable[str]) -> str:
    """Return the part of a module's text that some of its names need, in its order.

    What is neither an import, nor a value, nor a definition stays with what it needs, but for the
    docstring.
    """
    tree = ast.parse(text)
    body = tree.body[ast.get_docstring(tree) is not None :]
    needed, before = {*names}, set[str]()
    while needed != before:
        before = {*needed}
        for node in body:
            if _stays(node, needed):
                needed |= {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    lines, parts = text.split("\n"), list[str]()
    after_definition = after_import = False
    for node in body:
        if not _stays(node, needed):
            continue
        is_definition = isinstance(node, ast.FunctionDef | ast.ClassDef)
        first = _first_line(node, lines)
        is_import = isinstance(node, ast.Import | ast.ImportFrom)
        is_apart = is_import != after_import or (first > 1 and not lines[first - 2])
        gap = "\n\n" if is_definition or after_definition else "\n" if is_apart else ""
        whole = _written(node, lines[first - 1 : node.end_lineno], needed)
        parts.append(f"{gap if parts else ''}{whole}")
        after_definition, after_import = is_definition, is_import
    return "".join(parts)


def _stays(node: ast.stmt, needed: set[str]) -> bool:
    own = {*_defines(node)}
    return not own or not own.isdisjoint(needed)


def _defines(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement of a module gives a meaning."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            yield from map(_bound, aliases)
        case ast.Assign(targets=targets):
            yield from (each.id for each in targets if isinstance(each, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name


def _bound(alias: ast.alias) -> str:
    """Return the name that an import binds."""
    return alias.asname or alias.name.partition(".")[0]


def _first_line(node: ast.stmt, lines: list[str]) -> int:
    """Return the line, from 1, in which a statement begins, with its decorators and comments."""
    first: int = min(each.lineno for each in (node, *getattr(node, "decorator_list", ())))
    while first > 1 and lines[first - 2].startswith("#"):
        first -= 1
    return first


def _written(node: ast.stmt, lines: list[str], needed: set[str]) -> str:
    """Write a statement as it stands; an import without the names that are not needed."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        node.names = [alias for alias in node.names if _bound(alias) in needed]
        return f"{ast.unparse(node)}\n"
    return "".join(f"{line}\n" for line in lines)
