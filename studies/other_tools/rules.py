"""The rules that are replayed, ours first."""

import itertools

from studies.other_tools import asv
from studies.other_tools.pyperf import t_test
from studies.other_tools.pytest_benchmark import MEAN, MEDIAN, precise, threshold
from timelift.analyse.selftest.ladder import ladder
from timelift.analyse.selftest.rule import LadderRule, Seats

_ONE, _ONE_EACH = Seats(1), Seats(1, apart=True)
_TWO, _TWO_EACH = Seats(2), Seats(2, apart=True)
_ALL, _HALF_EACH = Seats(None), Seats(None, apart=True)

#: The rule of each tool that its documentation shows first.
_DEFAULTS = (
    "pytest-benchmark, median:5%",
    "pytest-benchmark, ±2 % at 95 %",
    "asv, U test",
    "pyperf compare_to",
)
RULES: tuple[LadderRule, ...] = (
    LadderRule("timelift", _ALL, ladder),
    *(
        threshold(field, percent, seats)
        for percent, field, seats in itertools.product((5, 10), (MEDIAN, MEAN), (_ONE, _ONE_EACH))
    ),
    *(
        precise(0.02, confidence, seats)
        for confidence, seats in itertools.product((0.95, 0.99), (_ONE, _ONE_EACH))
    ),
    *(rule(seats) for rule in (asv.intervals, asv.u_test) for seats in (_TWO, _TWO_EACH)),
    *(t_test(seats) for seats in (_ALL, _HALF_EACH)),
)

#: Ours, and each other tool's as its user has it: one process for each of the two rivals, or some.
AS_USED = tuple(
    rule
    for rule in RULES
    if rule.name == "timelift" or (rule.seats.apart and rule.name in _DEFAULTS)
)
