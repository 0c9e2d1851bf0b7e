"""Programs of TensorFlow: a GraphDef as it is traced, and as the graph's optimiser leaves it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from timelift.worker.programs import Edge, Node, Program, ends_of, program

#: Operations that call Python.
_PYTHON = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})
#: The attribute of what XLA compiles, in a graph that it does not compile whole.
_COMPILED = "_XlaMustCompile"
#: Attributes that are names; others that begin with `_` are notes of TensorFlow's own passes.
_NAMES = frozenset({"shared_name", "container", "frame_name", "tensor_array_name", "stack_name"})
_ARGUMENT, _RESULT = "_Arg", "_Retval"
_NUMBERED = frozenset({_ARGUMENT, _RESULT})
_UNCOUNTED = frozenset({_ARGUMENT, _RESULT, "Placeholder", "NoOp"})


def traced_program(
    graph: Any, arguments: Mapping[str, str], results: Sequence[str], ends: Iterable[str]
) -> Program:
    """Return the program of a traced graph; `arguments` says what each of its placeholders is."""
    nodes = _Library(graph).nodes(graph.node, arguments)
    return program(nodes, [_edge(one) for one in results], ends, _PYTHON)


def optimised_program(graph: Any, arguments: Sequence[str]) -> Program:
    """Return the program of an optimised graph, whose arguments and results are numbered.

    The optimiser keeps what nothing takes for its effects.
    """
    numbers = {one.name: one.attr["index"].i for one in graph.node if one.op in _NUMBERED}
    names = {one.name: arguments[numbers[one.name]] for one in graph.node if one.op == _ARGUMENT}
    nodes = _Library(graph).nodes(graph.node, names)
    found = [one.name for one in graph.node if one.op == _RESULT]
    results = [(name, "0") for name in sorted(found, key=numbers.__getitem__)]
    ends = [name for name in ends_of(nodes) if name not in numbers]
    return program(nodes, results, ends, _PYTHON)


class _Library:
    """The functions of a graph by name: bodies of loops and branches, and calls not inlined."""

    def __init__(self, graph: Any) -> None:
        self._functions = {one.signature.name: one for one in graph.library.function}
        self._bodies = dict[str, Program]()

    def nodes(self, definitions: Iterable[Any], arguments: Mapping[str, str]) -> dict[str, Node]:
        """Return the nodes of definitions; `arguments` says what those are that stand for one."""
        again = {one.name for one in definitions if one.op == "NextIteration"}
        return {
            one.name: Node(_ARGUMENT, arguments[one.name], counted=False)
            if one.name in arguments
            else self._node(one, again)
            for one in definitions
        }

    def _node(self, definition: Any, again: Iterable[str]) -> Node:
        edges = [_edge(one) for one in definition.input if not one.startswith("^")]
        looped = tuple(one for one in edges if one[0] in again and definition.op == "Merge")
        attributes = {
            name: value
            for name, value in sorted(definition.attr.items())
            if name == _COMPILED or not (name.startswith("_") or name in _NAMES)
        }
        plain = [(name, _text(value)) for name, value in attributes.items()]
        return Node(
            _kind(definition),
            repr((definition.device, plain)),
            tuple(one for one in edges if one not in looped),
            tuple(one[1:] for one in definition.input if one.startswith("^")),
            looped,
            tuple(self._body(name) for value in attributes.values() for name in _called(value)),
            definition.op not in _UNCOUNTED,
        )

    def _body(self, name: str) -> Program:
        if name not in self._bodies:
            function = self._functions[name]
            nodes = {
                one.name: Node(_ARGUMENT, str(place), counted=False)
                for place, one in enumerate(function.signature.input_arg)
            }
            nodes |= self.nodes(function.node_def, {})
            results = [_edge(function.ret[one.name]) for one in function.signature.output_arg]
            ends = function.control_ret.values()
            self._bodies[name] = program(nodes, results, ends, _PYTHON)
        return self._bodies[name]


def _edge(text: str) -> Edge:
    name, _, output = text.partition(":")
    return name, output or "0"


def _kind(definition: Any) -> str:
    if definition.op != "Cast":
        return str(definition.op)
    return f"Cast, to {tf.as_dtype(definition.attr['DstT'].type).name}"


def _called(value: Any) -> list[str]:
    """Return the names of the functions that an attribute holds."""
    one = [value.func.name] if value.HasField("func") else []
    return one + [function.name for function in value.list.func]


def _text(value: Any) -> str:
    return "" if _called(value) else value.SerializeToString(deterministic=True).hex()
