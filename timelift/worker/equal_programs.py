"""The two sides of a pair, program beside program: where they run the same, nothing is timed.

Lifts have the same weights on both sides, or the law is broken; of look-alikes their number is
compared. What Python does while a program runs, and what is traced again in a repeated call, is in
no program: such pairs are timed, and so are pairs of which no program is known.
"""

import itertools
import traceback
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from timelift.messages import Busy, Emit
from timelift.worker.engines import Engine
from timelift.worker.inputs import call_once
from timelift.worker.prepare import PreparedRival
from timelift.worker.programs import Program

_Sides = tuple[PreparedRival, PreparedRival]


def compare_programs(
    prepared: Sequence[PreparedRival], pairs: Collection[str], engine: Engine, emit: Emit
) -> dict[str, dict[str, Any]]:
    """Return facts of the rivals of these pairs, by the rival's name."""
    found: dict[str, dict[str, Any]] = {}
    for sides in _sides(prepared, pairs):
        try:
            facts = _compared(sides, engine, emit)
        except Exception:  # noqa: BLE001 - a pair without an answer is timed
            traceback.print_exc()
            continue
        found |= {side.rival.name: own for side, own in zip(sides, facts, strict=True)}
    return found


def _sides(prepared: Sequence[PreparedRival], pairs: Collection[str]) -> Iterator[_Sides]:
    for pair in pairs:
        sides = [one for one in prepared if one.rival.pair == pair]
        planted = any(one.rival.slower for one in sides)  # which is in no program
        if len(sides) == 2 and not planted:  # noqa: PLR2004 - one of them may have failed
            yield sides[0], sides[1]


def _compared(sides: _Sides, engine: Engine, emit: Emit) -> list[dict[str, Any]]:
    traced = [one.compiled.traced_program for one in _each(sides, emit)]
    running = traced
    if not _same(traced):  # XLA may compile once more
        running = [one.compiled.optimised_program for one in _each(sides, emit)]
    told = _without_empty(_differing("traced_operations", traced))
    if not _same(running):
        found = _differing("operations", running)
        if any(one is not None and one.calls_python for one in running):
            found = _without_empty(found)  # a call of Python is another one each time
        return [a | b for a, b in zip(found, told, strict=True)]
    repeats = _repeats(sides, engine, emit)
    return [{"same_program": True} | one for one in told] if repeats else told


def _each(sides: _Sides, emit: Emit) -> Iterator[PreparedRival]:
    """Yield either side; what happens meanwhile is charged to it."""
    for one in sides:
        emit(Busy("comparing programs", one.rival.name))
        yield one


def _same(programs: Sequence[Program | None]) -> bool:
    one, other = programs
    return one is not None and other is not None and one.is_same(other)


def _repeats(sides: _Sides, engine: Engine, emit: Emit) -> bool:
    """True if another call of each side traces nothing again."""
    before = [one.compiled.traces for one in sides]
    for one in _each(sides, emit):
        call_once(engine, one.compiled, one.feed)
    return before == [one.compiled.traces for one in sides]


def _without_empty(sides: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: kinds for name, kinds in side.items() if kinds} for side in sides]


def _differing(name: str, programs: Sequence[Program | None]) -> list[dict[str, Any]]:
    """Return, as a fact of either side, how many it has of what the other has more or less of."""
    known = [one.operations for one in programs if one is not None]
    if len(known) < len(programs):
        return [{} for _ in programs]
    kinds = sorted(set(itertools.chain(*known)))
    differ = [kind for kind in kinds if len({one.get(kind, 0) for one in known}) > 1]
    return [{name: _numbers(one, differ)} for one in known]


def _numbers(operations: Mapping[str, int], kinds: Sequence[str]) -> dict[str, int]:
    return {kind: operations.get(kind, 0) for kind in kinds}
