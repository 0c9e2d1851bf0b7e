"""Programs of XLA: the text of an HLO module, as its compiler leaves it."""

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterator, Sequence

from timelift.worker.programs import Node, Program, digest_of, ends_of, program

#: The beginning of a computation, and of an instruction up to its shape.
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"^\s+(ROOT )?%?([\w.-]+) = (.*)$")
_NAME = re.compile(r"%([\w.-]+)")
_NOTED_NAME = re.compile(r'op_name="((?:[^"\\]|\\.)*)"')
_TARGET = re.compile(r'custom_call_target="([^"]*)"')
#: Attributes that say where an instruction comes from, or in which order it runs.
_NOTES = ("metadata=", "frontend_attributes=", "control-predecessors=", "origin=")
#: What XLA prints in place of a long constant.
_LEFT_OUT = "{...}"
_PARAMETER = "parameter"
_UNTOLD = frozenset({_PARAMETER, "tuple", "get-tuple-element"})


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
        self._lines = dict[str, list[re.Match[str]]]()
        name = ""
        for line in text.splitlines():
            if begun := _COMPUTATION.match(line):
                name = begun[2]
                self.entry = name if begun[1] else self.entry
                self._lines[name] = []
            elif name and (found := _INSTRUCTION.match(line)):
                self._lines[name].append(found)

    @property
    def parameters(self) -> int:
        return sum(f" {_PARAMETER}(" in line[3] for line in self._lines[self.entry])

    def program(self, name: str, arguments: Sequence[str] = ()) -> Program:
        if name not in self._programs:
            lines = self._lines[name]
            nodes = {line[2]: self._node(line[3], arguments, name) for line in lines}
            results = [(line[2], "") for line in lines if line[1]]
            python = {one.kind for one in nodes.values() if "python" in one.kind}
            self._programs[name] = program(nodes, results, ends_of(nodes), python)
        return self._programs[name]

    def _node(self, text: str, arguments: Sequence[str], computation: str) -> Node:
        """Read `shape opcode(operands), attribute=value, …`."""
        shape, rest = _split(text, " ")
        opcode, _, rest = rest.partition("(")
        operands, rest = _split(rest, ")")
        attributes = [one for one in _parts(rest) if not one.startswith(_NOTES)]
        if opcode == _PARAMETER and computation == self.entry:
            noted = _NOTED_NAME.search(rest)
            is_what = noted[1] if noted else operands
            is_what = arguments[int(operands)] if arguments else is_what
            return Node(opcode, repr((shape, is_what)), told=False)
        literal = operands if opcode in {_PARAMETER, "constant"} else ""
        bodies = [name for one in attributes for name in _NAME.findall(one)]
        return Node(
            _kind(opcode, shape, rest),
            repr((shape, literal, [_NAME.sub("%", one) for one in attributes])),
            () if literal else tuple((name, "") for name in _NAME.findall(operands)),
            bodies=tuple(self.program(name) for name in bodies),
            told=opcode not in _UNTOLD,
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
