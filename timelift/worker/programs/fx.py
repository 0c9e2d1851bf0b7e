"""Programs of PyTorch: the graphs of torch.fx, as they are captured and as inductor lowers them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import fx

from timelift.worker.programs import Node, Program, digest_of, ends_of, program

_CASTS = frozenset({"prims.convert_element_type.default", "aten._to_copy.default"})
_COMMUTATIVE = frozenset({"aten.add.Tensor", "aten.mul.Tensor"})
_NO_OPERATIONS = frozenset({"placeholder", "output", "get_attr"})


def fx_program(graph: Any, arguments: Sequence[str]) -> Program:
    """Return the program of a graph without writes in place but its last ones.

    `arguments` says what each of its placeholders is. Raises ValueError for what has no digest.
    """
    places = [one.name for one in graph.nodes if one.op == "placeholder"]
    given = dict(zip(places, arguments, strict=True))
    nodes = {one.name: _node(one, given) for one in graph.nodes}
    results = [(one.name, "") for one in graph.nodes if one.op == "output"]
    ends = [name for name in ends_of(nodes) if name not in given]
    return program(nodes, results, ends)


def operations(graph: Any) -> Counter[str]:
    """Count the operations of a graph by kind."""
    return Counter(_kind(one) for one in graph.nodes if one.op not in _NO_OPERATIONS)


def whole_program(programs: Sequence[Program]) -> Program:
    """Return the program that is made of several, as of a forward and a backward one."""
    found = Counter[str]()
    for one in programs:
        found.update(one.operations)
    return Program(digest_of([one.digest for one in programs]), found)


def tensor_text(value: Any) -> str:
    """Return the type and a digest of the values of a tensor; raises ValueError for others."""
    if not isinstance(value, torch.Tensor):
        raise ValueError(f"expected a tensor, received {type(value).__name__}")  # noqa: TRY004
    plain = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    layout = value.dtype, tuple(value.shape), value.stride()
    return f"{layout} {digest_of(plain.numpy().tobytes())}"


def _node(node: Any, given: Mapping[str, str]) -> Node:
    if node.op == "placeholder":
        return Node("argument", given[node.name], counted=False)
    if node.op == "get_attr":
        return _attribute(node)
    inputs = list[tuple[str, str]]()

    def place(one: Any) -> str:
        inputs.append((one.name, ""))
        return "%"

    label = repr(fx.node.map_arg((node.args, node.kwargs), place))
    return Node(
        _kind(node),
        label,
        tuple(inputs),
        counted=node.op != "output",
        unordered=_is_commutative(node),
    )


def _is_commutative(node: Any) -> bool:
    """True of a sum or a product of two tensors of one shape."""
    alone = len(node.args) == len(node.all_input_nodes) == 2 and not node.kwargs  # noqa: PLR2004
    shapes = {str(getattr(one.meta.get("val"), "shape", one)) for one in node.all_input_nodes}
    return alone and len(shapes) == 1 and str(node.target) in _COMMUTATIVE


def _attribute(node: Any) -> Node:
    value = node.graph.owning_module
    for name in str(node.target).split("."):
        value = getattr(value, name)
    if not isinstance(value, fx.GraphModule):
        return Node("constant", tensor_text(value), counted=False)
    places = sum(one.op == "placeholder" for one in value.graph.nodes)
    body = fx_program(value.graph, [str(place) for place in range(places)])
    return Node("body", bodies=(body,), counted=False)


def _kind(node: Any) -> str:
    target = node.target
    name = str(target) if isinstance(target, torch._ops.OpOverload) else ""  # noqa: SLF001
    if name in _CASTS:
        wanted = [one for one in (*node.args, *node.kwargs.values()) if _is_dtype(one)]
        to = str(wanted[0]).removeprefix("torch.") if wanted else "another device"
        return f"{name.split('.')[1]}, to {to}"
    return name or str(getattr(target, "__name__", target))


def _is_dtype(value: Any) -> bool:
    return isinstance(value, torch.dtype)
