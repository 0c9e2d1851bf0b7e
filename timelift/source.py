"""What a file of a strategy or a workload declares, read from its text without importing it.

A module is read with `ast`: its docstring, its functions and its literal constants, annotated or
not. `DECLARED` has a test for the value of each constant; another value is a UserError.
"""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.machinery import all_suffixes
from pathlib import Path
from typing import Any

from timelift.axis_values import Backend
from timelift.errors import UserError
from timelift.inner_layer import LayerInputs, StepTensor, read_inputs

#: What training may add to a layer, by the constant in which a strategy declares what it does then.
ADDED = {"DROPOUT": "noise", "BATCH_NORM": "statistics", "INNER_LOSSES": "losses"}
#: A kind of noise: one drawn for all rows of a call, which are all steps where these share a call.
NOISE_OF_A_CALL = "noise of a call"
#: The word in place of a declared one where a strategy declares nothing and cannot be asked.
UNKNOWN = "unknown"
#: Those constants, and the ones for padding and masks.
MEANING = (*ADDED, "MASKS", "PADDED_STEPS")
#: The word for the steps of a workload that has no own one in `STEPS`, and the letters of that.
STEPS, LONGEST_WORD = "steps", 20
#: All that reading the text or a value of any file may raise, except for OSError.
UNREADABLE = (ValueError, TypeError, SyntaxError, MemoryError, RecursionError)
#: Scopes of their own: names inside are no constants of the module.
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


@dataclass(frozen=True)
class Source:
    """A Python file read as text: its title, and what it defines, imports and declares.

    `lift_class` is the last class, which lifts a layer in a strategy, or ''. `imports` are
    top-level packages.
    """

    path: Path
    text: str
    title: str
    lift_class: str
    functions: Mapping[str, ast.arguments]
    imports: frozenset[str]
    constants: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.path.stem


#: A test of a declared value, and what is expected in words.
Declaration = tuple[Callable[[Any], bool], str]


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _are_sizes(value: object) -> bool:
    return isinstance(value, tuple) and all(_is_whole(size, 1) for size in value)


def _are_variants(value: object) -> bool:
    listed = isinstance(value, tuple | list) and bool(value)
    return listed and all(
        isinstance(variant, dict) and all(isinstance(name, str) for name in variant)
        for variant in value  # type: ignore[attr-defined]
    )


def _is_meaning(value: object) -> bool:
    words = value.items() if isinstance(value, dict) else [("", value)]
    return all(isinstance(word, str) for pair in words for word in pair)


def _are_backends(value: object) -> bool:
    return isinstance(value, tuple | list) and all(word in list(Backend) for word in value)


def _one_of(*words: str) -> Declaration:
    expected = " or ".join(map(repr, words))
    return (lambda value: isinstance(value, str) and value in words), expected


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and value.isidentifier() and len(value) <= LONGEST_WORD


_SIZES: Declaration = _are_sizes, "a tuple of positive whole numbers"
_SOME_SIZES: Declaration = (lambda value: bool(value) and _are_sizes(value)), _SIZES[1]
#: Every constant that timelift reads from strategies and workloads.
DECLARED: Mapping[str, Declaration] = {
    "DIFFERS": (lambda value: isinstance(value, str), "a text that says why"),
    "VARIANTS": (_are_variants, "a tuple of dicts of parameters, like ({'k': 4},)"),
    "TAKES": _one_of("padded", "ragged"),
    "DEFAULT": (lambda value: isinstance(value, bool), "True or False"),
    "BACKENDS": (_are_backends, f"a tuple of some of {', '.join(Backend)}"),
    **dict.fromkeys(MEANING, (_is_meaning, "a word, or a word for each time axis")),
    "FEATURES": _SIZES,
    "LIFTS": (
        lambda value: _is_whole(value, 1) and value in {1, 2},
        "1, or 2 where the layer is applied to every step of every step",
    ),
    "STEPS": (_is_word, "a word for what steps are, such as 'tokens', of up to 20 letters"),
    "SEQ_LENS": _SOME_SIZES,
    "BATCH_SIZES": _SOME_SIZES,
    "INPUTS": (lambda value: isinstance(value, str), "a text, as --inputs takes it"),
    "INPUT_DTYPE": _one_of("int32", "int64", ""),
    "INPUT_HIGH": (lambda value: _is_whole(value, 0), "a whole number from 0"),
}


def span_of(node: ast.expr) -> tuple[int, int, int, int]:
    """Return the first and the last line of a node, from 1, and its columns in bytes of UTF-8."""
    return node.lineno, node.end_lineno or 0, node.col_offset, node.end_col_offset or 0


def read_source(path: Path) -> Source:
    """Read a module's text; raises UserError if it is no Python, or declares a wrong value."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        constants = _constants(tree, path)
    except SyntaxError as error:
        raise UserError(f"{path}: not valid Python ({error.msg}, line {error.lineno})") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UNREADABLE as error:
        raise UserError(f"{path}: cannot be read as Python ({error})") from error
    docstring = ast.get_docstring(tree)
    if not docstring:
        raise UserError(f"{path}: lacks a docstring; its first line is the title in every table")
    functions = {node.name: node.args for node in tree.body if isinstance(node, ast.FunctionDef)}
    title = docstring.splitlines()[0].rstrip(".")
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    lift_class = classes[-1] if classes else ""
    return Source(path, text, title, lift_class, functions, _imports_of(tree), constants)


def declared_inputs(source: Source) -> LayerInputs | None:
    """Return what a workload's layer takes at one step; None if it declares nothing.

    That is `INPUTS` as `--inputs` takes it, or `FEATURES`, with `INPUT_DTYPE` and `INPUT_HIGH`
    where these are whole numbers. With `LIFTS = 2` the first axis has inner steps. Raises UserError
    where they do not fit together.
    """
    inputs, lifts = _inputs_at_a_step(source), source.constants.get("LIFTS", 1)
    if inputs is None or lifts == 1:
        return inputs
    first = inputs.tensors[0]
    if inputs.is_nest or first.masked or not first.shape:
        raise UserError(
            f"{source.path}: with LIFTS = {lifts} expected one input without a mask, whose first "
            f"axis has the inner steps, like FEATURES = (6, 12, 16); received {str(inputs)!r}"
        )
    return replace(inputs, lifts=lifts)


def _inputs_at_a_step(source: Source) -> LayerInputs | None:
    constants, path = source.constants, source.path
    if "INPUTS" in constants:
        try:
            return read_inputs(constants["INPUTS"])
        except UserError as error:
            raise UserError(f"{path}: INPUTS: {error}") from None
    if "FEATURES" not in constants:
        return None
    dtype, high = constants.get("INPUT_DTYPE"), constants.get("INPUT_HIGH")
    if bool(dtype) != bool(high):
        raise UserError(
            f"{path}: INPUT_DTYPE and INPUT_HIGH go together, like 'int32' and 1000; received "
            f"{dtype!r} and {high!r}"
        )
    tensor = StepTensor(constants["FEATURES"], dtype or "", high or 0)
    if tensor.why_unfit:
        raise UserError(f"{path}: INPUT_HIGH: {tensor.why_unfit}, received {high!r:.80}")
    return LayerInputs((tensor,))


def read_parameters(text: str) -> dict[str, Any]:
    """Read `k=8,remat=True` of a strategy's name; raises ValueError where they are no literals.

    A text stands in a name without its quotes.
    """
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        keywords = call.keywords if isinstance(call, ast.Call) and not call.args else []
        pairs = [(keyword.arg, keyword.value) for keyword in keywords]
        parameters = {
            name: value.id if isinstance(value, ast.Name) else ast.literal_eval(value)
            for name, value in pairs
            if name is not None
        }
    except UNREADABLE as error:
        raise ValueError(str(error)) from None
    if len(parameters) < len(pairs) or bool(text) != bool(pairs):
        raise ValueError(f"expected name=value, received {text!r}")
    return parameters


def _imports_of(tree: ast.Module) -> frozenset[str]:
    """Return the top-level packages that a module imports, anywhere in it."""
    nodes = list(ast.walk(tree))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    others = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return frozenset(name.partition(".")[0] for name in (*plain, *others) if name)


def module_files(module: str, folders: Iterable[Path]) -> Iterator[Path]:
    """Yield the files of a module or package of this name, in the order of the folders."""
    for folder in folders:
        path = folder.joinpath(*module.split("."))
        for stem in (path, path / "__init__"):
            files = (stem.with_name(stem.name + suffix) for suffix in all_suffixes())
            yield from (file for file in files if file.is_file())


def _constants(tree: ast.Module, path: Path) -> dict[str, Any]:
    """Return the literals that are assigned to a name.

    Raises UserError for a constant of `DECLARED` that is no literal, or has a wrong value.
    """
    constants: dict[str, Any] = {}
    assigned = list(_assigned(tree))
    for target, value in assigned:
        try:
            constants[target.id] = ast.literal_eval(value)
        except UNREADABLE:
            constants.pop(target.id, None)
            _refuse(target.id, path)
    targets = [target for target, _ in assigned]
    for stored in _stored(tree):
        if stored not in targets:
            _refuse(stored.id, path)
    for name, (fits, expected) in DECLARED.items():
        if constants.get(name) is ...:  # as `timelift init` writes it
            raise UserError(f"{path}: {name} is still to fill in; write {expected}")
        if name in constants and not fits(constants[name]):
            raise UserError(f"{path}: {name} must be {expected}, received {constants[name]!r:.80}")
    return constants


def _refuse(name: str, path: Path) -> None:
    """Raise UserError if a name whose value is no literal is one of `DECLARED`."""
    if name in DECLARED:
        raise UserError(
            f"{path}: {name} must be a literal on a line of its own, since it is read without "
            "importing"
        )


def _assigned(tree: ast.Module) -> Iterator[tuple[ast.Name, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from (
                (target, node.value) for target in node.targets if isinstance(target, ast.Name)
            )
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target, node.value


def _stored(node: ast.AST) -> Iterator[ast.Name]:
    """Yield every target of an assignment outside of functions and classes."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child
        without_value = isinstance(child, ast.AnnAssign) and child.value is None
        if not (without_value or isinstance(child, _SCOPES)):
            yield from _stored(child)
