"""The end of a run: a screenful that says what to write, what is gained and where it loses."""

import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import report
from tests import journals
from tests.projects import ROOT
from tests.simulated import LOOP, LOUD, TD, raced, run
from timelift.analyse import results
from timelift.analyse.findings import RunFindings
from timelift.analyse.ranking import rank
from timelift.analyse.recommend import recommend
from timelift.analyse.results import Run
from timelift.case import Backend, Case, Gradients, Lengths, Mode, Phase, Setting, Status
from timelift.journal.lines import Header, StrategyEntry
from timelift.measure.request import RunRequest
from timelift.measurement import CaseInLaunch, Facts, Measurement
from timelift.plugin import ending
from timelift.present import terminal
from timelift.present.answer import answer_table, headline, where_slower
from timelift.present.summary import MOST_REASONS, Pointers, summary
from timelift.project import Project

PLACES = [
    Setting("tokens", length, 4, Phase.FORWARD, mode)
    for mode in (Mode.EAGER, Mode.GRAPH)
    for length in (8, 16)
]


def found(*measured, header=None, complete=True):
    everything = tuple(one for some in measured for one in some)
    return RunFindings(Run(header or Header(), everything, complete=complete))


def row(seen, workload="tokens"):
    (mine,) = [one for one in answer_table(seen).rows if one.workload == workload]
    return mine


def at(workload, many=4):
    return [Setting(workload, 8 << place, 4, Phase.FORWARD) for place in range(many)]


def shown(seen, width=80, pointers=None):
    return terminal.summary_text(summary(seen, pointers), width, colour=False).splitlines()


def test_where_it_loses_is_named_by_what_those_settings_share():
    costs = {"native": [1, 1.1, 1, 1.2], "fold_time": [2, 1, 2, 1], TD: 4}
    seen = row(found(raced(costs, at("tokens"))))
    assert (seen.write, seen.price) == ("native", "21 %")
    assert seen.slower == "in 2 of 4 settings, fastest there: fold_time"
    (only,) = rank(raced({"native": 1, TD: 4}))
    lost = [replace(one, rank_low=2) for one in only.rows]
    made = recommend([replace(only, rows=tuple(lost))])
    assert [*where_slower(made)] == ["by up to 0 %"]
    costs = {"native": [1, 1.2, 1, 1], "fold_time": [2, 1, 2, 2], TD: 4}
    assert row(found(raced(costs, PLACES))).slower == (
        "in 1 of 4 settings (eager, 16 steps), fastest there: fold_time"
    )


def test_a_loss_in_forward_calls_says_nothing_of_gradients():
    places = [
        Setting("tokens", length, 4, *kind)
        for kind in (
            (Phase.FORWARD, Mode.GRAPH, Lengths.FULL, Gradients.NONE),
            (Phase.BACKWARD, Mode.GRAPH, Lengths.FULL, Gradients.WEIGHTS),
            (Phase.BACKWARD, Mode.GRAPH, Lengths.FULL, Gradients.INPUTS_AND_WEIGHTS),
        )
        for length in (8, 16, 32)
    ]
    costs = {"native": [1.05, 1, 1.05] + [1] * 6, "fold_time": [1, 3, 1] + [3, 1.2, 3] * 2, TD: 5}
    assert row(found(raced(costs, places))).slower.startswith("in 2 of 9 settings (forward), ")


def told_of(*cases, **facts):
    """The notes of a run of these cases, each played in one launch."""
    lines = [CaseInLaunch(case, 1, seconds_per_call=[1.0], facts=Facts(**facts)) for case in cases]
    measured = [Measurement(line.case).plus(line) for line in lines]
    return dict(summary(found(measured), None).notes)


STEP, EAGER, XLA, ON_GPU = (
    journals.case(phase=Phase.TRAIN, **axes)
    for axes in ({}, {"mode": Mode.EAGER}, {"mode": Mode.XLA}, {"mode": Mode.XLA, "device": "gpu"})
)
ON_JAX = journals.case(phase=Phase.TRAIN, backend=Backend.JAX)
ON_TORCH = journals.case(phase=Phase.TRAIN, backend=Backend.TORCH, mode=Mode.EAGER)
AUTO = '(jit_compile="auto")'


@pytest.mark.parametrize(
    ("cases", "modes"),
    [
        ([STEP, ON_JAX], f"in graph mode on TensorFlow and JAX {AUTO}"),
        ([ON_TORCH], f"in eager mode on PyTorch {AUTO}"),
        ([ON_GPU], f"in XLA mode on TensorFlow with gpu {AUTO}"),
        ([STEP, EAGER, XLA], f"on TensorFlow {AUTO}; also in eager mode; also in XLA mode"),
        ([EAGER], f"in graph mode on TensorFlow {AUTO}; here in eager mode"),
        ([EAGER, ON_TORCH], f"in eager mode on PyTorch {AUTO}; also in eager mode"),
    ],
)
def test_a_train_step_is_in_the_mode_of_fit_or_another_is_named(cases, modes):
    assert told_of(*cases)["train step"].endswith(modes)


def test_zero_gradients_are_told_of_train_steps_that_have_some():
    assert "gradients" in told_of(STEP, zero_gradients=1e-5)
    assert "gradients" not in told_of(STEP, zero_gradients=0.0)
    backward = journals.case(phase=Phase.BACKWARD)
    assert not {"gradients", "train step"} & {*told_of(backward, zero_gradients=0.5)}


@pytest.mark.parametrize(
    ("many", "gain"),
    [
        (2, "2.0, in 2 of 4; loop_slice: 3.0, in 2 of 4"),
        (1, "3.0, in 3 of 4; time_distributed: 2.0, in 1 of 4"),
    ],
)
def test_settings_of_another_baseline_are_told_apart_and_a_tie_goes_to_the_usual_one(many, gain):
    places = at("tokens")
    both = raced({"native": 1, LOOP: 3, TD: 2}, places)
    left = [one for one in both if one.case.strategy != TD or one.case.setting in places[:many]]
    seen = row(found(left))
    assert (seen.gain, seen.is_safe) == (gain, True)


def test_nowhere_is_said_only_of_what_was_tested_everywhere():
    few = [
        replace(one, launches=one.launches[:2]) if one.case.setting.seq_len == 8 else one
        for one in raced({"native": 1, TD: 2}, at("tokens"))
    ]
    assert row(found(few)).slower == "nowhere, but not tested in every setting"


def test_the_baseline_that_a_run_was_asked_for_is_that_of_later_reports():
    measured = raced({"native": 1, LOOP: 3, TD: 2}, PLACES)
    for asked, gain in ((LOOP, "3.0"), ("", "2.0"), ("nothing", "2.0"), (5, "2.0"), ([], "2.0")):
        assert row(found(measured, header=Header(options={"relative_to": asked}))).gain == gain


def test_what_is_not_shown_to_differ_is_called_so():
    assert row(found(raced({"native": 1, TD: 1.0}, PLACES))).gain.endswith("not shown to differ")
    assert row(found(raced({"native": 2, TD: 1}, PLACES))).gain == "itself"


@pytest.mark.parametrize(("launches", "words"), [(1, "one launch"), (2, "2 launches")])
def test_few_launches_are_no_verdict(launches, words):
    seen = row(found(raced({"native": [1, 1, 2, 2], TD: [2, 2, 1, 1]}, PLACES, launches=launches)))
    assert (seen.price, seen.slower) == ("unknown", f"seen in {words}: no verdict")
    assert not seen.is_safe


def test_three_launches_are_a_verdict_where_it_loses_too():
    seen = row(found(raced({"native": [1, 1.1] * 2, TD: [2, 1] * 2}, at("tokens"), launches=3)))
    assert (seen.write, seen.slower.split(",")[0]) == ("native", "in 2 of 4 settings")
    assert re.fullmatch(r"1\d %", seen.price)


def test_settings_without_a_contest_have_a_row():
    assert row(found(raced({"native": 1}))).write == "only native was measured"
    declared = {name: StrategyEntry(differs="it is another") for name in ("native", "gru")}
    only = found(raced({"native": 1, "gru": 2}), header=Header(strategies=declared))
    assert row(only).write == "no lift was measured"


def ended(name, places, status, reason):
    return [Measurement(Case(place, name), status, (), reason) for place in places]


REFUSED, LONG = Status.REFUSED, at("tokens")
BACKWARD = [replace(place, phase=Phase.BACKWARD, gradients=Gradients.WEIGHTS) for place in PLACES]
OF_BOTH = Gradients.INPUTS_AND_WEIGHTS


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ([ended(TD, PLACES, REFUSED, "no shape.")], {f"left out {TD}: no shape"}),
        (
            [ended(name, BACKWARD, REFUSED, "nothing trains.") for name in ("native", "mine")],
            {"left out native, mine in backward calls: nothing trains"},
        ),
        (
            [
                ended("mine", [*PLACES, *BACKWARD], REFUSED, "no"),
                raced({"mine": 1}, [replace(place, gradients=OF_BOTH) for place in BACKWARD]),
            ],
            {"left out mine in 8 of 12 settings: no"},
        ),
        (
            [
                ended(TD, LONG[1:3], Status.TRACING_LIMIT, "still tracing"),
                raced({TD: 1}, LONG[::3]),
            ],
            {f"given up {TD} from 16 to 32 steps: still tracing"},
        ),
        (
            [ended("mine", [place], Status.FAILED, f"{place.seq_len} is odd") for place in PLACES],
            {"failed mine failed: 8 is odd"},
        ),
        (
            [ended("mine", PLACES, REFUSED, "no")]
            + [
                ended(f"mine{many}", PLACES[:many], Status.CRASHED, "abc"[:many])
                for many in (1, 2, 3)
            ],
            {
                "failed mine3 crashed: abc",
                "failed mine2 crashed: ab",
                "and 2 more reasons: timelift report WORKLOAD",
            },
        ),
    ],
)
def test_what_has_no_figure_is_named_with_its_reason_once(gone, told):
    seen = summary(found(raced({"native": 1, "fold_time": 2}, PLACES), *gone), None)
    notes = seen.with_reasons(MOST_REASONS).left_out
    assert {f"{label} {text}" for label, text in notes} == told


def test_what_a_run_that_was_cut_short_had_not_begun_is_told():
    planned = [Case(place, name).label for place in LONG for name in ("native", TD)]
    begun = tuple(raced({"native": 1, TD: 2}, LONG[:2]))
    short, whole = (
        Run(Header(planned=["x", *planned]), begun, complete=not cut, cut_short=cut)
        for cut in (True, False)
    )
    assert dict(summary(RunFindings(short), None).left_out)["left out"] == (
        f"native, {TD} from 32 to 64 steps: the run ended before"
    )
    assert not summary(RunFindings(whole), None).left_out


def test_a_run_of_a_whole_model_says_what_was_changed_and_suggests_no_question():
    strategies = {"changed": StrategyEntry(title="fold_time instead of lift 1.")}
    header = Header(options={"relative_to": "as_written"}, strategies=strategies)
    seen = found(raced({"as_written": 3, "changed": 2}), header=header)
    assert row(seen).write == "changed"
    assert headline(seen).startswith("Write changed: 1.5 times as fast as the model as written; ")
    notes = dict(summary(seen, Pointers()).notes)
    assert notes["changed"] == "fold_time instead of lift 1."
    assert "choose" not in notes["more"]


@pytest.mark.parametrize(("seconds", "budget"), [(0, "15m"), (1800, "1h"), (2000, "70m"), (9, "")])
def test_a_longer_run_is_at_least_twice_as_long_and_a_number_of_launches_is_raised(seconds, budget):
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    ended = (begun + timedelta(seconds=seconds)).isoformat() if seconds else ""
    header = Header(started=begun.isoformat(), options={"launches": "3-12" if budget else "3"})
    loud = Run(header, tuple(run([1, 1.02, 1.04], scenario=LOUD)), complete=True, ended=ended)
    note = dict(summary(RunFindings(loud), None).notes)["noise"]
    more = f"--budget {budget}" if budget else "more --launches"
    assert note.endswith(f", 2 undecided; --threads 1 or {more} would narrow them")


def test_a_screenful_is_enough_for_any_number_of_workloads():
    many = [raced({"native": 1, TD: 2}, at(f"w{place}", 1)) for place in range(30)]
    most = raced({"native": 1, TD: 2}, at("most"))
    lines = shown(found(*many, most), pointers=Pointers(runs=["old"]))
    assert len(lines) <= terminal.SUMMARY_LINES
    assert [line for line in lines if line.startswith("most")]
    told = "19 more workloads: timelift report RUN WORKLOAD"
    assert [line for line in lines if line.endswith(told)]


def test_room_is_shared_by_the_lines_that_it_costs():
    costs = {"native": [1, 1, 1, 2], "fold_time": [2, 2, 2, 1], TD: 4}
    names = [f"workload_{place:02}" for place in range(14)]
    many = [raced(costs, [replace(one, workload=name) for one in PLACES]) for name in names]
    lines = shown(found(*many), pointers=Pointers())
    assert len(lines) <= terminal.SUMMARY_LINES
    assert sum(line.startswith("workload_") for line in lines) >= 6
    few = shown(found(*many[:3]), pointers=Pointers())
    assert sum(line.startswith("workload_") for line in few) == 3
    assert [line for line in few if "costs over the" in line]


@pytest.mark.parametrize("width", range(60, 81))
def test_no_line_begins_with_the_end_of_a_sentence(width):
    more = [replace(one, phase=Phase.BACKWARD, gradients=Gradients.WEIGHTS) for one in PLACES[:2]]
    places = [*more, *(replace(one, gradients=Gradients.INPUTS_AND_WEIGHTS) for one in more)]
    seen = found(raced({"native": [1, 1, 2, 2], "fold_time": [2, 2, 1, 1], TD: 4}, places))
    assert "(gradients of inputs_and_weights), fast" in row(seen).slower
    assert not [line for line in shown(seen, width) if re.match(r"\s*[;,:.]", line)]


@pytest.mark.parametrize("width", [20, 40, 60, 72, 80, 200])
def test_a_line_is_never_wider_than_the_terminal_nor_than_80_columns(width):
    costs = {"tf_keras_time_distributed[k=8]": [1, 1, 2, 2], "fold_time": [2, 2, 1, 1], TD: 4}
    lines = shown(found(raced(costs, PLACES)), width, Pointers(runs=["a" * 90]))
    assert max(map(len, lines)) <= min(width, 80)
    assert "fold_time" in " ".join(lines)


def test_colour_is_an_addition():
    seen = found(raced({"native": 1, TD: 2}, PLACES + at("frames")))
    coloured, plain = (
        terminal.summary_text(summary(seen, None), 80, colour=colour) for colour in (True, False)
    )
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured).split() == plain.split()
    assert "shown slower" in plain


@pytest.mark.parametrize(
    "grid",
    [
        {"seq_lens": (8, 64)},
        {"seq_lens": (8,), "batches": (8, 32)},
        {"phases": ("backward",), "batches": (8,)},
        {"workloads": ("tokens", "a b"), "batches": (8, 32)},
    ],
)
def test_the_question_that_is_suggested_has_an_answer(tmp_path, monkeypatch, capsys, grid):
    monkeypatch.setattr(report, "ROOT", tmp_path)
    path = journals.synthetic(tmp_path / "results" / "m" / "run.jsonl", journals.grid(**grid))
    seen = RunFindings(results.load(path))
    command = dict(summary(seen, Pointers()).notes)["more"].rpartition(" · ")[2]
    assert report.main(shlex.split(command)) in {0, 2}
    assert capsys.readouterr().err == ""


def test_what_the_default_question_left_out_is_told_with_options_that_are_taken():
    forward = at("tokens", 1)
    backward = [replace(forward[0], phase=Phase.BACKWARD)]
    told = found(raced({"native": 1, TD: 2}, [*forward, *backward])).run
    said = ending._not_asked(RunRequest(Project(ROOT), {"backends": "tensorflow"}), told)
    options = dict(re.findall(r"--(\w+) (\S+)", said.replace("time-", "time_")))
    assert options.keys() == {"workloads", "strategies", "phases", "modes", "time_axes"}
    asked = RunRequest(Project(ROOT), {"backends": "tensorflow"} | options)
    assert ending._not_asked(asked, told) == ""
    of_one_phase = found(raced({"native": 1, TD: 2}, forward)).run
    assert ending._not_asked(RunRequest(Project(ROOT), {}), of_one_phase) == ""
    on_jax = RunRequest(Project(ROOT), {"backends": "jax"})
    assert "--modes eager ·" in ending._not_asked(on_jax, told)
