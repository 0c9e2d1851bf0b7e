"""What a model of three lifts tells, runs of it, and the advice that they give."""

from dataclasses import replace
from pathlib import Path

from tests.support import journals
from timelift.advise.advice import WholeRace, decide
from timelift.advise.advice_words import document
from timelift.advise.user_model import Feeding, UserModel
from timelift.analyse import results
from timelift.axis_values import Backend
from timelift.case import Case
from timelift.present.terminal import to_text
from timelift.source import Source

LIFT = {
    "name": "",
    "place": "",
    "access": "",
    "inner": "Dense(32)",
    "usual": "time_distributed",
    "gradients": "weights",
    "added": [],
    "batch": 8,
    "steps": 16,
    "inputs": {"tensors": [{"shape": [20], "dtype": "", "high": 0}], "names": []},
}
DESCRIBED = {
    "name": "my model",
    "layers": 7,
    "compiled": True,
    "trains": True,
    "mode": "graph",
    "drawn": True,
    "draws_labels": True,
    "batch": 8,
    "leaves_open": False,
    "repeated": [{"layer": "looped", "calls": 4, "depends": False}],
    "lifts": [
        LIFT
        | {"name": "sents_td", "inner": "sentence"}
        | {"inputs": {"tensors": [{"shape": [20], "dtype": "int32", "high": 50}]}}
        | {"place": "after 'words'", "access": ".get_layer('sents_td')"},
        LIFT | {"place": "after LSTM(8) in 'encoder'", "added": ["noise"]},
        {key: value for key, value in LIFT.items() if key not in {"batch", "steps", "inputs"}},
    ],
}
MEANING = {
    "time_distributed": {
        "DROPOUT": {"static": "independent", "dynamic": "shared"},
        "BATCH_NORM": {"static": "per_step", "dynamic": "first_step"},
        "INNER_LOSSES": "lost",
    },
    "fold_time": {"DROPOUT": "shared", "BATCH_NORM": "pooled", "INNER_LOSSES": "averaged"},
    "native": {"DROPOUT": "independent", "BATCH_NORM": "pooled", "INNER_LOSSES": "kept"},
}
PAGES = {
    name: Source(Path(f"{name}.py"), text, title, lift_class, {}, frozenset(), {})
    for name, text, title, lift_class in (
        ("fold_time", "class FoldTime: ...\n", "Time folded", "FoldTime"),
        ("native", "def build(): ...\n", "The layer itself", ""),
    )
}
#: How many times as long as `fold_time` each strategy takes of both lifts.
TIMES = {"time_distributed": 5.0, "fold_time": 1.0, "native": 2.0}


def make_model(**changes):
    described = DESCRIBED | changes
    return UserModel.of("mypkg.models:make", Feeding("", 8, 16), Backend.TENSORFLOW, described)


def run(folder, times, law_error=None, ended=(), launches=3, **first_calls):
    """A run of some launches, in which each case takes so many times a millisecond.

    A first call takes as many seconds, or those of `first_calls`; the peak has as many MiB.
    """
    names = {case.strategy: {"meaning": MEANING.get(case.strategy, {})} for case in times}
    lines = [journals.header(strategies=names)]
    for launch in range(1, launches + 1):
        for case, many in times.items():
            wobble = [1e-3 * many * (1 + 0.002 * ((launch + turn) % 5)) for turn in range(12)]
            first_call = first_calls.get(case.strategy, many)
            facts = {"first_call_seconds": first_call, "peak_bytes": int(many * 2**20)}
            facts |= {} if law_error is None else {"law_error": law_error}
            lines.append(journals.line(case, launch, wobble, facts=facts))
    lines += [journals.ended(case, status, reason) for case, status, reason in ended]
    return results.load(journals.write(folder / "run.jsonl", *lines, journals.END))


def of_lifts(model, times=TIMES):
    """The cases of the lifts that are called, each with how long it takes."""
    called = [lift for lift in model.lifts if lift.steps]
    return {
        Case(model.setting_of(one), name): many for one in called for name, many in times.items()
    }


def of_whole(model, times):
    return {Case(model.setting, name): many for name, many in times.items()}


def raced(folder, advice, times, **ends):
    """The advice with one more race of what it wants to race, of these times."""
    cases = of_whole(advice.model, times)
    race = WholeRace.of(advice.model, advice.to_race, run(folder, cases, 3e-7, **ends))
    return decide(advice.model, advice.run, (*advice.races, race))


def advised(folder, model, times=TIMES, whole=None, **ends):
    """The advice of a run of lifts, and of a race of the whole model where its times are given."""
    advice = decide(model, run(folder, of_lifts(model, times)))
    return advice if whole is None else raced(folder, advice, whole, **ends)


WHOLE = {"as_written": 3.0, "changed": 2.0, "only_lift1": 2.2, "only_lift2": 3.0}
SLOWER = {"as_written": 3.0, "changed": 3.3, "only_lift1": 3.2, "only_lift2": 3.1}


def screen(advice):
    return to_text(document([advice], PAGES))


def told(folder):
    """What is printed of advice in several states, by their names."""
    return {
        name: to_text(document(advices, PAGES)).split("\n")
        for name, advices in states(folder).items()
    }


def states(folder):
    """Advice in several states, by their names: a sequence with an element for each batch."""
    model = make_model(steady=True, leaves_open=True)
    masked = make_model(lifts=[LIFT | {"masked": True}], unpadded=True, compiled=False, batch=32)
    fault = "TimeDistributed hands the masks of steps on as one over steps, to the loss"
    faulty = make_model(lifts=[LIFT | {"masked": True, "mask_fault": fault}])
    same = {"as_written": 3.0, "changed": 3.0}
    shorter = advised(folder, masked, whole=same)
    (race,), gain = shorter.races, replace(shorter.gain, first_call=(0.73, 0.13))
    cut = run(folder, of_lifts(model), launches=1)
    repeated = [{"layer": "Dense 'scores'", "calls": 5, "depends": False}]
    repeated += [{"layer": "GRUCell 'cell'", "calls": 12, "depends": True}]
    loop = {"layer": "'pose'", "calls": 20, "depends": False}
    loop |= {"line": "models.py:41", "instead": "FoldTime(self.pose)(x)"}
    return {
        "change": [advised(folder, model, whole=WHOLE)],
        "keep, which is faster": [advised(folder, model, whole=SLOWER)],
        "keep, since only the first call is shorter": [
            decide(masked, shorter.run, [replace(race, outcomes={race.changes: gain})])
        ],
        "too little time": [decide(model, replace(cut, cut_short=True))],
        "interrupted": [decide(model, cut, interrupted=True)],
        "masks that go wrong": [decide(faulty)],
        "repeated calls alone": [decide(make_model(lifts=[], repeated=repeated))],
        "a loop in a file": [decide(make_model(lifts=[], repeated=[loop]))],
        "two batches": [
            advised(folder, make_model(batch=batch, steady=True, quiet=True), whole=whole)
            for batch, whole in ((8, WHOLE), (32, SLOWER))
        ],
    }
