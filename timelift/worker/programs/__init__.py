"""Programs without their names: two sides of a pair whose programs are equal need no clock.

A program is a graph of operations. Its digest is made from the results back to the inputs: of each
operation its kind, what is set on it, and the digests of what it takes, in order. So names, source
lines and the order in which independent operations were written do not count. How often each
operation is there counts too, since what is computed twice has one digest.

Here is what all frameworks share; the modules beside read the graphs of each.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

#: The name of a node, and which of its outputs.
Edge = tuple[str, str]
#: A digest of a node in a loop holds that of the loop's last turn; after so many turns, two loops
#: that differ have long had other digests.
_TURNS = 4


@dataclass(frozen=True)
class Program:
    """How many operations there are of each kind, and whether Python is called in it.

    One without a digest is told from no other.
    """

    digest: str
    operations: Mapping[str, int]
    calls_python: bool = False

    def is_same(self, other: "Program") -> bool:
        """True if both run the same for sure, and nothing in Python."""
        python = self.calls_python or other.calls_python
        return bool(self.digest) and self.digest == other.digest and not python


class Node(NamedTuple):
    """An operation: its kind, what is set on it, and what it takes.

    `after` are nodes that it waits for, in no order; `looped` what it takes from the turn of a loop
    before; `bodies` the programs that it runs. What it takes is `unordered` where that makes no
    difference, as to a sum of two. One that is not `counted` is no operation: an argument,
    a result, a mark of order.
    """

    kind: str
    label: str = ""
    inputs: tuple[Edge, ...] = ()
    after: tuple[str, ...] = ()
    looped: tuple[Edge, ...] = ()
    bodies: tuple[Program, ...] = ()
    counted: bool = True
    unordered: bool = False


def digest_of(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def program(
    nodes: Mapping[str, Node],
    results: Sequence[Edge],
    ends: Iterable[str] = (),
    python: Collection[str] = (),
) -> Program:
    """Return the program of what computes the results, and of nodes that run for their effects.

    `python` are the kinds of operations that call Python.
    """
    ends = tuple(ends)
    order = _needed(nodes, [*(name for name, _ in results), *ends])
    used = [nodes[name] for name in order]
    operations = Counter(node.kind for node in used if node.counted)
    for body in (one for node in used for one in node.bodies):
        operations.update(body.operations)
    calls_python = any(
        node.kind in python or any(body.calls_python for body in node.bodies) for node in used
    )
    found = dict[str, str]()
    for _ in range(_TURNS if any(node.looped for node in used) else 1):
        found = _digests(nodes, order, found)
    digest = digest_of(
        [(found[name], output) for name, output in results],
        sorted(found[name] for name in ends),
        sorted(found.values()),
    )
    return Program(digest, operations, calls_python)


def _needed(nodes: Mapping[str, Node], starts: Iterable[str]) -> list[str]:
    """Return the nodes that some nodes need, each after what it takes; loops begin anywhere.

    Raises ValueError where a circle is no loop.
    """
    order, waiting = dict[str, None](), set[str]()
    looped = list(starts)
    while looped:
        stack = [(looped.pop(), False)]
        while stack:
            name, done = stack.pop()
            if done:
                waiting.discard(name)
                order[name] = None
                looped += [one for one, _ in nodes[name].looped if one not in order]
            elif name in waiting:
                raise ValueError(f"expected no circle but loops, {name!r} needs itself")
            elif name not in order:
                waiting.add(name)
                stack.append((name, True))
                stack += [(one, False) for one in _taken(nodes[name]) if one not in order]
    return list(order)


def _taken(node: Node) -> list[str]:
    return [*(name for name, _ in node.inputs), *node.after]


def ends_of(nodes: Mapping[str, Node]) -> list[str]:
    """Return the nodes that nothing takes."""
    taken = {one for node in nodes.values() for one in _taken(node)}
    taken |= {name for node in nodes.values() for name, _ in node.looped}
    return [name for name in nodes if name not in taken]


def _digests(
    nodes: Mapping[str, Node], order: Iterable[str], before: Mapping[str, str]
) -> dict[str, str]:
    """Return the digest of every node; `before` has those of a loop's turn before."""
    found = dict[str, str]()
    for name in order:
        node = nodes[name]
        inputs = [(found[one], output) for one, output in node.inputs]
        found[name] = digest_of(
            (node.kind, node.label, [body.digest for body in node.bodies]),
            sorted(inputs) if node.unordered else inputs,
            sorted(found[one] for one in node.after),
            [(before.get(one, ""), output) for one, output in node.looped],
        )
    return found
