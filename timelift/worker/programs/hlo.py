"""Programs of XLA: the text of an HLO module, as its compiler leaves it."""

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from timelift.worker.programs import Edge, Node, Program, digest_of, ends_of, program

#: The beginning of a computation, and of an instruction up to its shape.
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"^\s+(ROOT )?%?([\w.-]+) = (.*)$")
_NAME = re.compile(r"%([\w.-]+)")
_NOTED_NAME = re.compile(r'op_name="((?:[^"\\]|\\.)*)"')
_TARGET = re.compile(r'custom_call_target="([^"]*)"')
#: Attributes of where an instruction comes from, and of the order in which it runs.
_NOTES = ("metadata=", "frontend_attributes=", "control-predecessors=", "origin=")
#: What XLA prints in place of a long constant.
_LEFT_OUT = "{...}"
_PARAMETER = "parameter"
#: What takes two in either order, and what runs a computation in place.
_COMMUTATIVE = frozenset({"add", "multiply", "maximum", "minimum", "and", "or", "xor"})
_INLINED = frozenset({"fusion", "call"})
_UNCOUNTED = frozenset({_PARAMETER, "tuple", "get-tuple-element"})


def hlo_program(
    text: str, arguments: Sequence[str] = (), constants: Callable[[], object] = tuple
) -> Program:
    """Return the program of a module's text.

    `arguments` says what each of its parameters is; without them XLA has noted it. `constants`
    returns what stands for the values of long constants, which the text leaves out.
    """
    module = _Module(text)
    known = len(arguments) == module.parameters
    found = module.program(module.entry, arguments if known else ())
    left_out = constants() if _LEFT_OUT in text else ()
    beside = () if known else tuple(arguments)
    return dataclasses.replace(found, digest=digest_of(found.digest, left_out, beside))


class _Module:
    """The computations of a module by name, as lines; the one that is called is its `entry`."""

    def __init__(self, text: str) -> None:
        self.entry, self._programs = "", dict[str, Program]()
        self._lines = dict[str, list[_Line]]()
        name = ""
        for line in text.splitlines():
            if begun := _COMPUTATION.match(line):
                name = begun[2]
                self.entry = name if begun[1] else self.entry
                self._lines[name] = []
            elif name and (found := _INSTRUCTION.match(line)):
                self._lines[name].append(_Line.of(*found.groups()))

    @property
    def parameters(self) -> int:
        return sum(line.opcode == _PARAMETER for line in self._lines[self.entry])

    def program(self, name: str, arguments: Sequence[str] = ()) -> Program:
        if name not in self._programs:
            given = {
                line.name: _argument(line, arguments, noted=name == self.entry)
                for line in self._lines[name]
                if line.opcode == _PARAMETER
            }
            root, nodes = self._nodes(name, "", {one: (one, "") for one in given})
            nodes |= given
            python = {one.kind for one in nodes.values() if "python" in one.kind}
            self._programs[name] = program(nodes, [root], ends_of(nodes), python)
        return self._programs[name]

    def _nodes(
        self, computation: str, prefix: str, edges: dict[str, Edge]
    ) -> tuple[Edge, dict[str, Node]]:
        """Return the result of a computation and its nodes; `edges` has what its parameters are."""
        nodes, root = dict[str, Node](), ("", "")
        for line in self._lines[computation]:
            if line.opcode != _PARAMETER:
                edges[line.name] = prefix + line.name, ""
                nodes |= self._node(line, prefix, edges)
            root = edges[line.name] if line.is_root else root
        return root, nodes

    def _node(self, line: "_Line", prefix: str, edges: Mapping[str, Edge]) -> dict[str, Node]:
        """Return the node of a line, and those of a fusion inside it.

        The order in which a fusion takes its parameters follows that of the lines it was made of,
        so it is told by what comes out of it.
        """
        name, inputs = prefix + line.name, tuple(edges[one] for one in line.operands)
        inner = dict[str, Node]()
        if line.opcode in _INLINED:
            (called,) = line.called
            parameters = (one for one in self._lines[called] if one.opcode == _PARAMETER)
            given = {one.name: inputs[int(one.literal)] for one in parameters}
            root, inner = self._nodes(called, f"{name}/", given)
            inputs = (root,)
        bodies = () if inner or line.opcode in _INLINED else line.called
        return inner | {
            name: Node(
                line.kind,
                repr((line.shape, line.literal, line.attributes)),
                inputs,
                bodies=tuple(self.program(one) for one in bodies),
                counted=line.opcode not in _UNCOUNTED,
                unordered=line.opcode in _COMMUTATIVE,
            )
        }


def _argument(line: "_Line", arguments: Sequence[str], *, noted: bool) -> Node:
    number = int(line.literal)
    what = arguments[number] if arguments else line.noted if noted else ""
    return Node(_PARAMETER, repr((line.shape, what or number)), counted=False)


@dataclass(frozen=True)
class _Line:
    """`%name = shape opcode(operands), attribute=value, …`.

    `literal` stands in place of operands; `called` are the computations that attributes name.
    """

    name: str
    is_root: bool
    shape: str
    opcode: str
    kind: str
    literal: str
    noted: str
    operands: tuple[str, ...]
    called: tuple[str, ...]
    attributes: tuple[str, ...]

    @classmethod
    def of(cls, root: str | None, name: str, text: str) -> "_Line":
        shape, rest = _split(text, " ")
        opcode, _, rest = rest.partition("(")
        operands, rest = _split(rest, ")")
        kept = [one for one in _parts(rest) if not one.startswith(_NOTES)]
        noted, is_literal = _NOTED_NAME.search(rest), opcode in {_PARAMETER, "constant"}
        return cls(
            name=name,
            is_root=bool(root),
            shape=shape,
            opcode=opcode,
            kind=_kind(opcode, shape, rest),
            literal=operands if is_literal else "",
            noted=noted[1] if noted else "",
            operands=() if is_literal else tuple(_NAME.findall(operands)),
            called=tuple(one for part in kept for one in _NAME.findall(part)),
            attributes=tuple(_NAME.sub("%", one) for one in kept),
        )


def _kind(opcode: str, shape: str, attributes: str) -> str:
    if opcode == "convert":
        return f"convert, to {shape.partition('[')[0]}"
    target = _TARGET.search(attributes)
    return f"{opcode} of {target[1]}" if target else opcode


def _split(text: str, end: str) -> tuple[str, str]:
    """Split at the first `end` that is in no quotes and no brackets."""
    for place in _outside(text, end):
        return text[:place], text[place + 1 :]
    return text, ""


def _parts(text: str) -> list[str]:
    """Split the attributes of an instruction."""
    places = [-1, *_outside(text, ","), len(text)]
    pairs = itertools.pairwise(places)
    return [part for start, end in pairs if (part := text[start + 1 : end].strip())]


def _outside(text: str, wanted: str) -> Iterator[int]:
    """Yield where a character is in no quotes and no brackets."""
    depth, quoted, escaped = 0, False, False
    for place, one in enumerate(text):
        if escaped:
            escaped = False
        elif quoted:
            escaped, quoted = one == "\\", one != '"'
        elif one == wanted and not depth:
            yield place
        elif one == '"':
            quoted = True
        else:
            depth += (one in "({[") - (one in ")}]")
