"""Runs, each with something particular, and what their ends say: a golden text has the words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.support import journals
from tests.support.simulated import LOOP, LOUD, QUIET, TD, pair, played_on, raced, run
from timelift.analyse import quality, results
from timelift.analyse.findings import RunFindings
from timelift.analyse.results import Run
from timelift.axis_values import Backend, Gradients, Lengths, Mode, Phase, Status
from timelift.case import Case, Setting
from timelift.journal.lines import Header, StrategyEntry
from timelift.measurement import CaseInLaunch, Facts, Measurement
from timelift.present import conditions
from timelift.present.answer import answer_table, headline, safety
from timelift.present.full_report import full_report
from timelift.present.summary import summary

PLACES = [
    Setting("tokens", length, 4, Phase.FORWARD, mode)
    for mode in (Mode.EAGER, Mode.GRAPH)
    for length in (8, 16)
]
BACKWARD = [replace(place, phase=Phase.BACKWARD, gradients=Gradients.WEIGHTS) for place in PLACES]
OF_BOTH = [replace(place, gradients=Gradients.INPUTS_AND_WEIGHTS) for place in BACKWARD]
#: Forward calls, and backward calls with gradients of both kinds, at three lengths each.
OF_EACH_KIND = [
    Setting("tokens", length, 4, phase, Mode.GRAPH, Lengths.FULL, gradients)
    for phase, gradients in (
        (Phase.FORWARD, Gradients.NONE),
        (Phase.BACKWARD, Gradients.WEIGHTS),
        (Phase.BACKWARD, Gradients.INPUTS_AND_WEIGHTS),
    )
    for length in (8, 16, 32)
]


def at(workload, many=4):
    return [Setting(workload, 8 << place, 4, Phase.FORWARD) for place in range(many)]


LONG, TWO = at("tokens"), at("tokens", 2)


def found(*measured, header=None, complete=True):
    everything = tuple(one for some in measured for one in some)
    return RunFindings(Run(header or Header(), everything, complete=complete))


def ended(name, places, status, reason):
    return [Measurement(Case(place, name), status, (), reason) for place in places]


def refused(name, places, reason):
    return ended(name, places, Status.REFUSED, reason)


def without(strategy, measured, *places):
    """The measurements but for those of a strategy at some places."""
    rare = {Case(place, strategy) for place in places}
    return [one for one in measured if one.case not in rare]


def few_launches_at(length, measured):
    return [
        replace(one, launches=one.launches[:2]) if one.case.setting.seq_len == length else one
        for one in measured
    ]


def played_once(*cases, **facts):
    lines = [CaseInLaunch(case, 1, seconds_per_call=[1.0], facts=Facts(**facts)) for case in cases]
    return found(Measurement(line.case).plus(line) for line in lines)


def train(**axes):
    return journals.case(phase=Phase.TRAIN, **axes)


def lasting(seconds, launches="3-12"):
    """A loud run that took so long; 0 if its end is not known."""
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    end = (begun + timedelta(seconds=seconds)).isoformat() if seconds else ""
    header = Header(started=begun.isoformat(), options={"launches": launches})
    measured = tuple(run([1, 1.02, 1.04], scenario=LOUD))
    return RunFindings(Run(header, measured, complete=True, ended=end))


def cut_short():
    planned = [Case(place, name).short_fields() for place in LONG for name in ("native", TD)]
    begun = tuple(raced({"native": 1, TD: 2}, LONG[:2]))
    header = Header(planned=planned)
    return RunFindings(Run(header, begun, complete=False, cut_short=True))


CHANGED = {"changed": StrategyEntry(title="fold_time instead of lift 1.")}
NO_LIFTS = {name: StrategyEntry(differs="it is another") for name in ("native", "gru")}
USUAL = {"native": 1, TD: 2}
WITH_LOOP = {"native": 1, LOOP: 3, TD: 2}
LEFT_OUT = raced({"native": 1, "fold_time": 2}, PLACES)
EAGER_TORCH = train(backend=Backend.TORCH, mode=Mode.EAGER)
ENDINGS = {
    "the best everywhere but for a close one": raced({"best": 1, "close": 1, TD: 2}, TWO),
    "slower everywhere, and still the one answer": raced(
        {"steady": 1.2, "short": [1, 3, 3, 1] * 2, "long": [3, 1, 1, 3] * 2, TD: 6}, at("tokens", 8)
    ),
    "slower in one mode at one length": raced(
        {"native": [1, 1.2, 1, 1], "fold_time": [2, 1, 2, 2], TD: 4}, PLACES
    ),
    "slower in forward calls alone": raced(
        {"native": [1.05, 1, 1.05] + [1] * 6, "fold_time": [1, 3, 1] + [3, 1.2, 3] * 2, TD: 5},
        OF_EACH_KIND,
    ),
    "slower, of several workloads": raced(
        {"steady": 1, "other": [0.9, 2] * 2, TD: 5}, TWO + at("frames", 2)
    ),
    "a gain in one of two settings": raced({"best": 1, TD: [2, 1]}, TWO),
    "what everybody writes is the best": raced({TD: 1, "other": 2}, TWO),
    "what everybody writes has the least worst case": raced(
        {TD: [1.1, 1], "fold_time": [1, 1.3]}, TWO
    ),
    "no gain is shown": raced({"native": 1, TD: 1.0}, PLACES),
    "another baseline in half of the settings": without(TD, raced(WITH_LOOP, LONG), *LONG[2:]),
    "another baseline in most settings": without(TD, raced(WITH_LOOP, LONG), *LONG[1:]),
    "the advice is a baseline": without(TD, raced({"fold_time": 1, TD: 2, "x": 5}, TWO), TWO[1]),
    "not tested in every setting": few_launches_at(8, raced(USUAL, LONG)),
    "one launch": raced({"native": [1, 1, 2, 2], TD: [2, 2, 1, 1]}, PLACES, launches=1),
    "two launches": raced({"native": [1, 1, 2, 2], TD: [2, 2, 1, 1]}, PLACES, launches=2),
    "three launches": raced({"native": [1, 1.1] * 2, TD: [2, 1] * 2}, LONG, launches=3),
    "one rival": raced({"native": 1}),
    "look-alikes alone": found(raced({"native": 1, "gru": 2}), header=Header(strategies=NO_LIFTS)),
    "a whole model": found(
        raced({"as_written": 3, "changed": 2}),
        header=Header(options={"relative_to": "as_written"}, strategies=CHANGED),
    ),
}
#: Runs of whose end the notes matter, and what has no figure.
NOTES = {
    "refused everywhere": [*LEFT_OUT, *refused(TD, PLACES, "no shape.")],
    "two refused for one reason": [
        *LEFT_OUT,
        *refused("native", BACKWARD, "nothing trains."),
        *refused("mine", BACKWARD, "nothing trains."),
    ],
    "refused but for gradients of inputs": [
        *LEFT_OUT,
        *refused("mine", [*PLACES, *BACKWARD], "no"),
        *raced({"mine": 1}, OF_BOTH),
    ],
    "given up at some lengths": [
        *LEFT_OUT,
        *ended(TD, LONG[1:3], Status.TRACING_LIMIT, "still tracing"),
        *raced({TD: 1}, LONG[::3]),
    ],
    "failed for reasons that differ in a number": [
        *LEFT_OUT,
        *(
            one
            for place in PLACES
            for one in ended("mine", [place], Status.FAILED, f"{place.seq_len} is odd")
        ),
    ],
    "more reasons than there is room for": [
        *LEFT_OUT,
        *refused("mine", PLACES, "no"),
        *ended("mine1", PLACES[:1], Status.CRASHED, "a"),
        *ended("mine2", PLACES[:2], Status.CRASHED, "ab"),
        *ended("mine3", PLACES[:3], Status.CRASHED, "abc"),
    ],
    "cut short": cut_short(),
    "train steps as those of fit": played_once(train(), train(backend=Backend.JAX)),
    "train steps on a GPU": played_once(train(mode=Mode.XLA, device="gpu")),
    "train steps in every mode": played_once(train(), train(mode=Mode.EAGER), train(mode=Mode.XLA)),
    "train steps in another mode than those of fit": played_once(train(mode=Mode.EAGER)),
    "train steps in another mode on one backend": played_once(train(mode=Mode.EAGER), EAGER_TORCH),
    "zero gradients in train steps": played_once(train(), zero_gradients=1e-5),
    "no zero gradients in train steps": played_once(train(), zero_gradients=0.0),
    "zero gradients in backward calls": played_once(
        journals.case(phase=Phase.BACKWARD), zero_gradients=0.5
    ),
    "two machines": played_on(raced({"native": 1, TD: 2}), "ababa"),
    "five machines": played_on(raced({"native": 1, TD: 2}), "abcde"),
    "settings on two, three and four machines": [
        *played_on(raced({"native": 1, TD: 2}, LONG[:1]), "abba"),
        *played_on(raced({"native": 1, TD: 2}, LONG[1:2]), "abca"),
        *played_on(raced({"native": 1, TD: 2}, LONG[2:3]), "abcd"),
        *played_on(raced({"native": 1, TD: 2}, LONG[3:]), "aaaa"),
    ],
    "a loud run whose end is not known": lasting(0),
    "a loud run of half an hour": lasting(1800),
    "a loud run of 33 minutes": lasting(2000),
    "a loud run of a number of launches": lasting(9, launches="3"),
    "a loud run of the most launches of its range": lasting(9, launches="2-3"),
}


def answers(_):
    """What each run is answered with: of several workloads in a row each."""
    return {name: _answer(ends) for name, ends in ENDINGS.items()}


def _answer(ends):
    seen = ends if isinstance(ends, RunFindings) else found(ends)
    yield " ".join(filter(None, (headline(seen), safety(seen))))
    rows = answer_table(seen).rows
    for row in rows if len(rows) > 1 else ():
        yield f"{row.workload}: {row.write} | {row.gain} | {row.price} | {row.slower}"


def notes(_):
    """What is noted at the end of each run, and what has no figure."""
    return {name: _notes(ends) for name, ends in NOTES.items()}


def _notes(ends):
    seen = ends if isinstance(ends, RunFindings) else found(ends)
    end = summary(seen)
    reasons = end.block("left_out").on_screen.lines
    noted = [note for note in end.block("notes").lines if note.label != "noise" or not reasons]
    return [f"{line.label}: {line.text}" for line in (*noted, *reasons)]


def told(document):
    """What a document says at length beside each label."""
    lines = (line for block in document.blocks for line in block.lines)
    return {line.label: line.written(at_length=True) for line in lines}


FACTS = {"canary_seconds": 4e-5, "stolen_share": 0.0, "others_cores": 0.03}


def measured(path, scenario=QUIET, facts=FACTS, canaries=(1, 1, 1), **options):
    """A run of two rivals in one setting, whose launches saw these facts."""
    lines = []
    for name, rounds in zip("ab", pair(1.0, launches=3, scenario=scenario), strict=True):
        for launch, (seconds, times) in enumerate(zip(rounds, canaries, strict=True), start=1):
            beat = facts.get("canary_seconds")
            seen = facts | ({"canary_seconds": beat * times} if beat else {})
            lines.append(journals.line(journals.case(name), launch, seconds.tolist(), facts=seen))
    header = journals.header(options=options)
    return results.load(journals.write(path / "run.jsonl", header, *lines, journals.END))


def noise(measured_run):
    """What is said of the asked precision, if it was not reached."""
    seen = RunFindings(measured_run)
    return told(full_report(seen)).get("noise") if seen.is_too_noisy else None


#: Machines, by what a run saw of them.
MACHINES = {
    "quiet": {},
    **{
        f"without {missing}": {"facts": {name: FACTS[name] for name in FACTS if name != missing}}
        for missing in FACTS
    },
    "impossible facts": {"scenario": LOUD, "facts": dict.fromkeys(FACTS, -1)},
    "rounds that were lost": {"facts": FACTS | {"dropped_rounds": 2}},
    "loud": {"scenario": LOUD},
    "loud, asked for little precision": {"scenario": LOUD, "precision": "0.9"},
    "loud, with a canary that sways": {"scenario": LOUD, "canaries": (1, 2, 1.5)},
    "loud, held back": {"scenario": LOUD, "facts": FACTS | {"throttled_periods": 7}},
    "loud, never held back, no round lost": {
        "scenario": LOUD,
        "facts": FACTS | {"throttled_periods": 0, "dropped_rounds": 0},
    },
    "loud, with other guests": {"scenario": LOUD, "facts": FACTS | {"stolen_share": 0.05}},
    "loud, beside another program": {
        "scenario": LOUD,
        "facts": FACTS | {"others_cores": 0.9, "missing_cores": 0.9},
    },
    "loud, with a hot GPU": {"scenario": LOUD, "facts": FACTS | {"throttled": 1}},
}


def machines(folder):
    """What is said of a quiet machine, and what else or not of each other."""
    said = {name: [*_machine(measured(folder, **how))] for name, how in MACHINES.items()}
    usual = said.pop("quiet")
    return {"quiet": usual} | {
        name: [
            *(line for line in lines if line not in usual),
            *(f"not: {line}" for line in usual if line not in lines),
        ]
        for name, lines in said.items()
    }


def _machine(measured_run):
    yield from conditions.disturbances(quality.machine_activity(measured_run))
    if said := noise(measured_run):
        yield f"noise: {said}"
