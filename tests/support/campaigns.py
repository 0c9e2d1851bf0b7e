"""What a campaign is given in a test: cases, a catalogue, a referee and a display."""

from tests.support import journals
from timelift.inner_layer import LayerInputs
from timelift.measure.catalogue import Catalogue, Strategy, Workload
from timelift.measurement import Facts

NAMES = ("fast", "close", "slow")
CASES = [journals.case(name, seq_len=length) for length in (4, 8) for name in NAMES]


#: Facts of a launch beside another program, and alone.
BESIDE = Facts(others_cores=0.9, missing_cores=0.9)
QUIET = Facts(others_cores=0.05, missing_cores=0.05)


class ScriptedReferee:
    """Wants these strategies to play on until so many launches were recorded of a case.

    It doubts the peak of all cases of so many steps.
    """

    decision_points = (3, 5, 8)

    def __init__(self, *wanted, until=99, peaks_of=None):
        self.wanted, self.until, self.peaks_of, self.lines = wanted, until, peaks_of, []

    def doubts_peak_of(self):
        return frozenset(case for case in CASES if case.setting.seq_len == self.peaks_of)

    def take(self, record):
        self.lines.append(record)

    def to_play(self):
        recorded = [line.case for line in self.lines]
        return frozenset(
            case
            for case in recorded
            if case.strategy in self.wanted and recorded.count(case) < self.until
        )


class Heard:
    """A display that remembers what was shown: lines that stay apart from stages."""

    def __init__(self):
        self.said, self.shown = [], []

        self.say, self.show = self.said.append, self.shown.append


def catalogue_of(folder, names):
    """Strategies of these names, and one workload."""
    tokens = Workload("tokens", "x.py:make_layer", LayerInputs.of_one((3,)), (4,), (1,))
    strategies = {name: Strategy(name, folder / f"{name}.py", name) for name in names}
    return Catalogue(strategies, {"tokens": tokens})
