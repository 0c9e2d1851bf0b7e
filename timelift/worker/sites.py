"""Where the lifts of a model are constructed in its user's source.

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
from typing import Any

import keras

from timelift.source import UNREADABLE, span_of
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
    code = frame.f_code
    span = [*code.co_positions()][frame.f_lasti // 2]
    callee = _callee(code.co_filename, span)
    if callee is None or _value(callee, frame) is not keras.layers.TimeDistributed:
        return None
    package = frame.f_globals.get("__package__") or ""
    return [code.co_filename, package, span]


def caller(frame: FrameType) -> tuple[str, str] | None:
    """Return the place of a call in a user's file, such as `models.py:41`, and what it calls."""
    if _package(frame) in {"keras", "timelift"}:
        return None
    code = frame.f_code
    span = [*code.co_positions()][frame.f_lasti // 2]
    callee = _callee(code.co_filename, span)
    if callee is None:
        return None
    return f"{Path(code.co_filename).name}:{span[0]}", ast.unparse(callee)


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


@cache
def _callee(path: str, span: tuple[int | None, ...]) -> ast.expr | None:
    """Return what is called at a span (line, last line, column, last column) of a file."""
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, *UNREADABLE):
        return None
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return next((call.func for call in calls if span_of(call) == span), None)


def _value(name: ast.expr, frame: FrameType) -> Any:
    """Return what a dotted name means in a frame; None for another or an unknown one."""
    if isinstance(name, ast.Attribute):
        return getattr(_value(name.value, frame), name.attr, None)
    if not isinstance(name, ast.Name):
        return None
    scopes = frame.f_locals, frame.f_globals, vars(builtins)
    return next((scope[name.id] for scope in scopes if name.id in scope), None)
