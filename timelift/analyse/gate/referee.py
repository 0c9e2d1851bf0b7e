"""The referee of a run against another side: who is suspected, and gets fresh launches."""

from collections.abc import Mapping

from timelift.analyse.gate.judge import GateRule, judge
from timelift.analyse.gate.sides import Quantity, Sides, changes
from timelift.analyse.stats.referee import Referee
from timelift.case import Case


class GateReferee(Referee):
    """Send the suspected pairs to trial, and all that are not settled where `thorough`.

    `sides` gives each case its other side's; `gates` each quantity its margin, as a share.
    """

    def __init__(
        self,
        sides: Mapping[Case, Case],
        gates: Mapping[str, float],
        screening: int,
        *,
        thorough: bool,
    ) -> None:
        super().__init__()
        self._sides, self._thorough = sides, thorough
        self._rules = {one: GateRule(gates[one], screening) for one in Quantity}
        self.decision_points = self._rules[Quantity.TIME].decision_points

    def to_play(self) -> frozenset[Case]:
        """Both sides of every pair that needs fresh launches."""
        found = {one.case: one for one in self.measurements() if one.launches}
        both = [(new, old) for new, old in self._sides.items() if new in found and old in found]
        pairs = [Sides(found[old], found[new]) for new, old in both]
        if not pairs:
            return frozenset()
        open_pairs = {
            place
            for quantity, rule in self._rules.items()
            for place in self._open(pairs, quantity, rule)
        }
        return frozenset(case for place in open_pairs for case in both[place])

    def _open(self, pairs: list[Sides], quantity: Quantity, rule: GateRule) -> list[int]:
        thorough = self._thorough and quantity is Quantity.TIME
        found = judge(changes(pairs, quantity), rule)
        return [
            place
            for place, one in enumerate(found)
            if (one.suspected or thorough) and not one.settled
        ]
