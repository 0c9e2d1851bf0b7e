"""What a strategy makes of training, where that is not what the usual code makes of it.

The words are those that a run's law saw (`Facts.meaning`), else those that a strategy's file
declares, of what training adds to the layer (`Facts.added`). Where forward calls alone were timed
there are none.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from timelift.analyse.results import Run
from timelift.axis_values import Mode
from timelift.case import Case, Setting
from timelift.measurement import trained_meaning
from timelift.source import ADDED, UNKNOWN

#: What everybody writes, which applies the layer at each step.
USUAL_CODE = ("time_distributed", "loop_slice", "loop_unstack", "rnn_cell")
#: The declarations of `time_distributed`, where a run has none of them.
OF_TIME_DISTRIBUTED = {
    "DROPOUT": {"static": "independent", "dynamic": "shared"},
    "BATCH_NORM": {"static": "per_step", "dynamic": "first_step"},
    "INNER_LOSSES": "lost",
}
#: The word of the usual code and that of another strategy, by the constant that declares them.
OtherWords = Mapping[str, tuple[str, str]]


def _is_known(setting: Setting) -> bool:
    """True if the length is known in a call, as it is in eager mode whatever the time axis."""
    return setting.time_axis.is_known or setting.mode is Mode.EAGER


@dataclass(frozen=True)
class TrainedMeanings:
    """What each strategy of a run makes of training."""

    run: Run

    @cached_property
    def _added(self) -> Mapping[str, set[str]]:
        """What training adds to the layer of each workload of which a training call was timed."""
        added: dict[str, set[str]] = defaultdict(set)
        for case, measurement in self.run.measured.items():
            for launch in measurement.launches if case.setting.differentiates else ():
                added[case.setting.workload].update(launch.facts.added or ())
        return added

    @cached_property
    def _seen(self) -> Mapping[tuple[str, str, bool], dict[str, str]]:
        """The words that the law saw, by workload, strategy, and whether the length is known."""
        seen: dict[tuple[str, str, bool], dict[str, str]] = defaultdict(dict)
        for case, measurement in self.run.by_case.items():
            key = case.setting.workload, case.strategy, _is_known(case.setting)
            own = trained_meaning(measurement)
            unknown = {name: word for name, word in own.items() if word == UNKNOWN}
            seen[key] = own | seen[key] | unknown
        return seen

    def why_unknown(self, case: Case) -> str:
        """Return why the strategy is no answer for a workload, and what to do; '' if it may be."""
        of_axes = [(case.setting.workload, case.strategy, known) for known in (True, False)]
        own = [self._seen.get(key, {}) for key in of_axes]
        names = [name for name in ADDED if UNKNOWN in (words.get(name) for words in own)]
        remedy = f"declare {' and '.join(names)} in its file (docs/protocol.md)"
        return f"its meaning in training is unknown; {remedy}" if names else ""

    def words(self, case: Case) -> dict[str, str]:
        """Return the words of a strategy, by constant: seen by the law, or else declared."""
        strategy, is_known = case.strategy, _is_known(case.setting)
        entry = self.run.header.strategies.get(strategy)
        usual = OF_TIME_DISTRIBUTED if strategy == USUAL_CODE[0] else {}
        axis, declared = "static" if is_known else "dynamic", (entry and entry.meaning) or usual
        own = {
            name: str(word.get(axis, UNKNOWN) if isinstance(word, dict) else word)
            for name, word in (dict.fromkeys(ADDED, UNKNOWN) | declared).items()
        }
        return own | self._seen.get((case.setting.workload, strategy, is_known), {})

    def changes(self, case: Case, usual: str) -> OtherWords:
        """Return what differs, or is unknown, beside the `usual` code, else TimeDistributed."""
        written = replace(case, strategy=usual if usual in USUAL_CODE else USUAL_CODE[0])
        kinds = self._added.get(case.setting.workload, ()) if case != written else ()
        before, after = self.words(written), self.words(case)
        own = {name: (before[name], after[name]) for name, kind in ADDED.items() if kind in kinds}
        return {name: two for name, two in own.items() if two[0] != two[1] or UNKNOWN in two}
