"""Where the lifts of a model are constructed in its user's source, and where loops call steps.

A lift is found by the call of `TimeDistributed` that makes it, never by its name: the first frame
outside of Keras tells the file and the span of the call that it executes
(https://docs.python.org/3/reference/datamodel.html#codeobject.co_positions).
"""

import ast
import builtins
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, TypeGuard

import keras

from timelift.source import UNREADABLE, span_of
from timelift.worker.edited import is_users
from timelift.worker.user_code import changed

#: The path, the package and the span of a `Site` of `advise.user_model`.
Site = list[Any]


@contextmanager
def noted() -> Iterator[Callable[[Any], Site | None]]:
    """Yield what tells the site of a `TimeDistributed` that is made inside; None if it has none."""
    usual, made = keras.layers.TimeDistributed.__init__, list[tuple[Any, Site | None]]()

    def init(self: Any, layer: Any, **kwargs: Any) -> None:
        usual(self, layer, **kwargs)
        with suppress(Exception):  # a lazy module may raise anything
            made.append((self, _site(sys._getframe(1))))  # noqa: SLF001 - the frames of the stack

    def site_of(lift: Any) -> Site | None:
        return next((site for one, site in made if one is lift), None)

    with changed([(keras.layers.TimeDistributed, "__init__", init)]):
        yield site_of


def _site(frame: FrameType | None) -> Site | None:
    while frame and _package(frame) == "keras":
        frame = frame.f_back
    if frame is None or _package(frame) == "timelift":  # as where a stored model is loaded
        return None
    path, span, call = _call(frame)
    if call is None or _value(call.func, frame) is not keras.layers.TimeDistributed:
        return None
    package = frame.f_globals.get("__package__") or ""
    return [path, package, span]


def loop_over(frame: FrameType) -> tuple[str, str] | None:
    """Return the line of a call of one step in a user's file, and what to write instead of a loop.

    They are such as `models.py:41` and `FoldTime(self.f)(x)`, where the call is `self.f(x[:, t])`.
    """
    if not is_users(frame.f_code.co_filename):
        return None
    path, span, call = _call(frame)
    if call is None or len(call.args) != 1:
        return None
    steps = [each for each in ast.walk(call.args[0]) if _is_step(each)]
    if not steps:
        return None
    whole = steps[0].value if steps[0] is call.args[0] else ast.Name("inputs")
    return (
        f"{Path(path).name}:{span[0]}",
        f"FoldTime({ast.unparse(call.func)})({ast.unparse(whole)})",
    )


def _is_step(node: ast.AST) -> TypeGuard[ast.Subscript]:
    """True for `x[:, t]`, of any rank."""
    if not (isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple)):
        return False
    first, *rest = node.slice.elts
    is_whole = isinstance(first, ast.Slice) and not (first.lower or first.upper or first.step)
    return is_whole and bool(rest) and isinstance(rest[0], ast.Name)


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _call(frame: FrameType) -> tuple[str, tuple[int | None, ...], ast.Call | None]:
    """Return the file that a frame executes, the span of its call there, and that call."""
    path = frame.f_code.co_filename
    span = [*frame.f_code.co_positions()][frame.f_lasti // 2]
    return path, span, _call_at(path, span)


@cache
def _call_at(path: str, span: tuple[int | None, ...]) -> ast.Call | None:
    """Return the call at a span (line, last line, column, last column) of a file."""
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, *UNREADABLE):
        return None
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return next((call for call in calls if span_of(call) == span), None)


def _value(name: ast.expr, frame: FrameType) -> Any:
    """Return what a dotted name means in a frame; None for another or an unknown one."""
    if isinstance(name, ast.Attribute):
        return getattr(_value(name.value, frame), name.attr, None)
    if not isinstance(name, ast.Name):
        return None
    scopes = frame.f_locals, frame.f_globals, vars(builtins)
    return next((scope[name.id] for scope in scopes if name.id in scope), None)
