"""Programs without their names: which of two are equal (tests/test_engine_*.py on backends)."""

import dataclasses

import pytest

from timelift.messages import RivalSpec
from timelift.worker.equal_programs import compare_programs
from timelift.worker.prepare import PreparedRival
from timelift.worker.programs import Node, Program, program
from timelift.worker.programs.hlo import hlo_program

SAME = {"same_program": True}


def is_same(facts):
    """True if a variant is not timed."""
    return facts.get("same_program") is True


class Compiled:
    """A compiled model with programs as told, which is traced anew in every call, or is not."""

    def __init__(self, traced, optimised=None, *, retraces=False):
        self.traced_program, self.optimised_program = traced, optimised
        self.traces, self._retraces = 1, retraces

    def bind(self, _):
        return self._call

    def _call(self):
        self.traces += self._retraces


class Engine:
    """One that is always ready."""

    def wait(self, _):
        """Nothing is ever left to do."""


def compared(one, other, **changes):
    """The facts of both sides of a pair."""
    sides = [
        PreparedRival(RivalSpec(name, "", pair="pair", **changes), compiled, None)
        for name, compiled in (("one", one), ("other", other))
    ]
    return compare_programs(sides, ["pair"], Engine(), lambda _: None)


TRACED, OTHER = Program("a", {"Add": 1}), Program("b", {"Add": 1, "Cast, to float64": 2})


def test_equal_programs_are_not_timed_unless_something_else_passes():
    python = dataclasses.replace(TRACED, calls_python=True)
    unknown = dataclasses.replace(TRACED, digest="")
    assert compared(Compiled(TRACED), Compiled(TRACED)) == {"one": SAME, "other": SAME}
    assert compared(Compiled(TRACED), Compiled(TRACED, retraces=True)) == {"one": {}, "other": {}}
    assert compared(Compiled(TRACED), Compiled(TRACED), slower=0.1) == {}
    assert compared(Compiled(python, python), Compiled(python, python)) == {"one": {}, "other": {}}
    for program_ in (python, unknown, None):
        found = compared(Compiled(program_, program_), Compiled(program_, program_))
        assert not any(is_same(one) for one in found.values())


def test_only_the_kinds_are_told_of_which_one_side_has_more():
    found = compared(Compiled(TRACED, TRACED), Compiled(OTHER, OTHER))
    assert found["one"]["operations"] == {"Cast, to float64": 0}
    assert found["other"]["operations"] == {"Cast, to float64": 2}
    found = compared(Compiled(TRACED, TRACED), Compiled(OTHER, TRACED))
    assert found["other"] == SAME | {"traced_operations": {"Cast, to float64": 2}}


class Broken(Compiled):
    """One whose program cannot be read."""

    @property
    def optimised_program(self):
        raise ValueError

    @optimised_program.setter
    def optimised_program(self, _):
        """Keep nothing."""


def test_a_program_that_cannot_be_read_is_timed():
    assert compared(Compiled(TRACED), Broken(OTHER)) == {}


def graph(names=("x", "f", "g", "sum"), **changes):
    """`x` goes into two operations whose results are added, in this order of lines."""
    x, f, g, total = names
    nodes = {
        x: Node("argument", "0", counted=False),
        g: Node("G", inputs=((x, "0"),)),
        f: Node("F", inputs=((x, "0"),)),
        total: Node("Add", inputs=((f, "0"), (g, "0"))),
    }
    return program(nodes | changes, [(total, "0")])


def test_a_digest_has_no_names_and_no_order_of_lines():
    usual = graph()
    assert graph(("a", "b", "c", "d")) == usual
    unused = {"unused": Node("H", inputs=(("x", "0"),))}
    assert graph(**unused) == usual
    others = [
        {"f": Node("F", "other label", (("x", "0"),))},
        {"f": Node("F", inputs=(("x", "1"),))},
        {"sum": Node("Add", inputs=(("g", "0"), ("f", "0")))},
        {"sum": Node("Add", inputs=(("f", "0"), ("g", "0")), after=("x",))},
        {"f": Node("F", inputs=(("x", "0"),), bodies=(usual,))},
    ]
    digests = {graph(**one).digest for one in others}
    assert len(digests | {usual.digest}) == 1 + len(others)
    assert graph(**others[-1]).operations == {"F": 2, "G": 2, "Add": 2}


def test_what_is_computed_twice_is_another_program():
    once = graph(sum=Node("Add", inputs=(("f", "0"), ("f", "0"))))
    again = {"again": Node("F", inputs=(("x", "0"),))}
    twice = graph(**again, sum=Node("Add", inputs=(("f", "0"), ("again", "0"))))
    assert once.digest != twice.digest


def test_python_is_seen_however_deep_in_a_program_it_is_called():
    call = {"call": Node("PyFunc")}
    body = program(call, [("call", "0")], python={"PyFunc"})
    outer = program({"while": Node("While", bodies=(body,))}, [("while", "0")])
    assert body.calls_python
    assert outer.calls_python
    assert graph(f=Node("F", bodies=(outer,))).calls_python
    assert not program(call, [("call", "0")]).calls_python


def loop(step, swapped=False):  # noqa: FBT002
    """Two values that begin alike and are fed back by a step each."""
    back = ("a", "b") if swapped else ("b", "a")
    nodes = {
        "start": Node("Const"),
        "first": Node("Merge", inputs=(("start", "0"),), looped=((back[1], "0"),)),
        "second": Node("Merge", inputs=(("start", "0"),), looped=((back[0], "0"),)),
        "a": Node("Add", inputs=(("first", "0"), ("second", "0"))),
        "b": Node(step, inputs=(("second", "0"),)),
    }
    return program(nodes, [("first", "0"), ("second", "0")]).digest


def test_a_loop_is_told_by_what_it_feeds_back():
    assert loop("Mul") == loop("Mul")
    assert len({loop("Mul"), loop("Sub"), loop("Mul", swapped=True)}) == 3


def test_a_circle_that_is_no_loop_is_refused():
    circle = {"f": Node("F", inputs=(("sum", "0"),))}
    with pytest.raises(ValueError, match="needs itself"):
        graph(**circle)


HLO = """HloModule %(module)s, is_scheduled=true

%%fused (p0: f32[4], p1: f32[4]) -> f32[4] {
  %%p1 = f32[4]{0} parameter(1)
  %%p0 = f32[4]{0} parameter(0)
  ROOT %%%(add)s = f32[4]{0} %(work)s, metadata={op_name="jit(f)/{x" source_line=%(line)s}
}

ENTRY %%main (x.1: f32[4], y.1: f64[4]) -> (f32[4], f32[]) {
  %%x.1 = f32[4]{0} parameter(0), metadata={op_name="x"}
  %%y.1 = f64[4]{0} parameter(1), metadata={op_name="%(second)s"}
  %%c.1 = f32[4]{0} constant({...})
  %%k = s32[2]{0} constant({1, %(number)s})
  %%convert.1 = f32[4]{0} convert(%%y.1)
  %%%(fusion)s = f32[4]{0} fusion(%(taken)s), kind=kLoop, calls=%%fused
  %%call = () custom-call(%%k), custom_call_target="%(target)s", api_version=TYPED
  ROOT %%tuple = (f32[4]{0}, /*index=1*/f32[4]{0}) tuple(%%%(fusion)s, %%x.1)
}
"""
WORDS = {
    "module": "jit_f",
    "add": "add.1",
    "work": "add(%p0, %p1)",
    "taken": "%convert.1, %c.1",
    "line": 3,
    "second": "y",
    "number": 2,
    "fusion": "add_fusion",
    "target": "__onednn",
}


def hlo(constants=("abc",), **changes):
    """The program of a module with these words."""
    return hlo_program(HLO % (WORDS | changes), constants=lambda: constants)


def test_the_text_of_xla_is_read_without_its_names():
    usual = hlo()
    assert hlo(module="jit_g", add="plus", line=77, fusion="fusion.3") == usual
    others = (
        hlo(second="z"),
        hlo(number=3),
        hlo(target="__other"),
        hlo(constants=("abd",)),
    )
    assert len({usual.digest, *(one.digest for one in others)}) == 5
    assert usual.operations == {
        "add": 1,
        "constant": 2,
        "convert, to f32": 1,
        "fusion": 1,
        "custom-call of __onednn": 1,
    }
    assert not usual.calls_python
    assert hlo(target="xla_ffi_python_cpu_callback").calls_python


@pytest.mark.parametrize(("operation", "same"), [("add", True), ("subtract", False)])
def test_a_sum_of_two_has_no_order_and_a_fusion_is_told_by_what_it_computes(operation, same):
    usual = hlo(work=f"{operation}(%p0, %p1)")
    assert hlo(work=f"{operation}(%p1, %p0)", taken="%c.1, %convert.1") == usual
    other = hlo(work=f"{operation}(%p1, %p0)")
    assert (other == usual) == same
