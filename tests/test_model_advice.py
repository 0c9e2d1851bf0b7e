"""`timelift advise`: from what a model tells and two runs to a screenful, data and a module."""

import ast
import contextlib
import dataclasses
import json
import math
from types import SimpleNamespace

import pytest

from studies import advice as study
from tests import journals
from tests.projects import QUICKEST, ROOT
from timelift import cli
from timelift.analyse import model_advice
from timelift.analyse.model_advice import ModelAdvice, advise_lifts, advise_whole, least_gain
from timelift.analyse.runs import results
from timelift.analyse.stats.verdicts import Verdict
from timelift.better_model import better_model
from timelift.case import Backend, Case, Phase, Status
from timelift.commands import advise
from timelift.errors import UserError
from timelift.measure import advice, catalogue
from timelift.present.model_advice import advice_json, advice_lines
from timelift.project import Project
from timelift.told_model import Feeding, ToldModel

LIFT = {
    "inner": "sentence",
    "trains": True,
    "noise": False,
    "statistics": False,
    "losses": False,
    "batch": 8,
    "steps": 16,
    "features": [20],
}
TOLD = {
    "name": "my model",
    "layers": 7,
    "compiled": True,
    "trains": True,
    "mode": "graph",
    "drawn": True,
    "batch": 8,
    "by_hand": [["looped", 4]],
    "lifts": [
        LIFT | {"path": "sents_td", "input_dtype": "int32", "input_high": 50},
        LIFT | {"path": "encoder/head_td", "inner": "Dense", "noise": True},
        {key: LIFT[key] for key in ("inner", "trains", "noise", "statistics", "losses")}
        | {"path": "unused_td"},
    ],
}
MEANING = {"time_distributed": {"DROPOUT": {"static": "independent", "dynamic": "shared"}}}
MEANING |= {"fold_time": {"DROPOUT": "shared"}, "native": {"DROPOUT": "independent"}}
#: How many times as long as `fold_time` each strategy takes of both lifts.
TIMES = {"time_distributed": 5.0, "fold_time": 1.0, "native": 2.0}


def model(**changes):
    """What a model tells of itself."""
    told = TOLD | changes
    return ToldModel.of("mypkg.models:make", Feeding("", 8, 16), Backend.TENSORFLOW, told)


def run(folder, times, law_error=None, ended=(), launches=3):
    """A run of some launches, in which each case takes so many times a millisecond."""
    names = {case.strategy: {"meaning": MEANING.get(case.strategy, {})} for case in times}
    lines = [journals.header(strategies=names)]
    for launch in range(1, launches + 1):
        for case, many in times.items():
            wobble = [1e-3 * many * (1 + 0.002 * ((launch + turn) % 5)) for turn in range(12)]
            facts = {"first_call_seconds": many, "peak_bytes": int(many * 2**20)}
            facts |= {} if law_error is None else {"law_error": law_error}
            lines.append(journals.line(case, launch, wobble, facts=facts))
    lines += [journals.ended(case, status, reason) for case, status, reason in ended]
    return results.load(journals.write(folder / "run.jsonl", *lines, journals.END))


def of_lifts(told, times=TIMES):
    """The cases of the lifts that are called, each with how long it takes."""
    called = told.lifts[:2]
    return {
        Case(told.setting_of(one), name): many for one in called for name, many in times.items()
    }


def advised(folder, told, times=TIMES, whole=None, **ends):
    """The advice of a run of lifts, and of one of the whole model where its times are given."""
    lifts = advise_lifts(told, run(folder, of_lifts(told, times)))
    if whole is None:
        return ModelAdvice(told, lifts)
    cases = {Case(told.setting, name): many for name, many in whole.items()}
    return ModelAdvice(told, lifts, advise_whole(told, run(folder, cases, 3e-7, **ends)))


WHOLE = {"as_written": 3.0, "changed": 2.0, "only_sents_td": 2.2, "only_encoder.head_td": 3.0}


def test_the_fastest_strategy_is_advised_with_its_gain(tmp_path):
    """Beside TimeDistributed, with the first call of both; a lift that is not called is left."""
    first, second, third = advised(tmp_path, model()).lifts
    assert (first.strategy, second.strategy) == ("fold_time", "fold_time")
    assert first.gain.speed_up.times == pytest.approx(5.0, rel=0.01)
    assert first.gain.first_call == pytest.approx((5.0, 1.0))
    assert not third.is_change


def test_nothing_is_advised_where_nothing_is_shown_faster(tmp_path):
    """As fast is no reason to write something else."""
    found = advised(tmp_path, model(), dict.fromkeys(TIMES, 1.0))
    assert found.changes == {}
    text = "\n".join(advice_lines(found))
    assert text.count("nothing is shown faster") == 2
    assert "there is nothing to change" in text


def test_what_one_launch_shows_is_tried_where_it_is_much(tmp_path):
    """Where the budget was spent; less shows nothing, and that is said."""
    told = model()
    first, second, _ = advise_lifts(told, run(tmp_path, of_lifts(told), launches=1))
    assert (first.strategy, second.strategy) == ("fold_time", "fold_time")
    text = "\n".join(advice_lines(ModelAdvice(told, (first, second))))
    assert text.count("times as fast by one launch") == 2
    little = of_lifts(told, TIMES | {"time_distributed": 1.4 * min(TIMES.values())})
    found = ModelAdvice(told, advise_lifts(told, run(tmp_path, little, launches=1)))
    assert found.changes == {}
    text = "\n".join(advice_lines(found))
    assert text.count("too few launches to tell") == 2
    assert "there is nothing to change, as far as lifts were measured" in text


def test_what_the_time_did_not_reach_is_told_so(tmp_path):
    """A lift without a launch, and a whole model without one."""
    told = model()
    reached = told.setting_of(told.lifts[0])
    first = {case: many for case, many in of_lifts(told).items() if case.setting == reached}
    found = ModelAdvice(told, advise_lifts(told, run(tmp_path, first)))
    assert [one.launches for one in found.lifts] == [3, 0, 0]
    nothing = dataclasses.replace(found, lifts=found.lifts[1:])
    text = "\n".join(advice_lines(nothing))
    assert "was not measured  -" in text
    assert "nothing to change, as far as lifts were measured" in text
    for whole in (None, advise_whole(told, run(tmp_path, {}))):
        text = "\n".join(advice_lines(dataclasses.replace(found, whole=whole)))
        assert "the whole model: was not measured in the time" in text


@pytest.mark.parametrize(
    ("low", "high", "shown", "loss"),
    [(1.5, 2.4, True, False), (0.9, 1.1, False, False), (0.5, 0.9, False, True)],
)
def test_what_is_shown_is_what_the_interval_shows(tmp_path, low, high, shown, loss):
    """Whatever verdict so few launches have; without an interval nothing is."""
    gain = advised(tmp_path, model()).lifts[0].gain
    one = dataclasses.replace(gain.speed_up, low=low, high=high, verdict=Verdict.UNDECIDED)
    told = dataclasses.replace(gain, speed_up=one)
    assert (told.is_shown, told.is_loss) == (shown, loss)
    unknown = dataclasses.replace(one, low=math.nan, high=math.nan)
    bare = dataclasses.replace(gain, speed_up=unknown)
    assert (bare.is_shown, bare.is_loss) == (False, False)


def test_what_training_would_mean_is_told_where_it_differs(tmp_path):
    """Of a layer with noise alone; a declaration may be one for each time axis."""
    first, second, _ = advised(tmp_path, model()).lifts
    assert first.means == {}
    assert second.means == {"DROPOUT": ("independent", "shared")}
    same = advised(tmp_path, model(), TIMES | {"native": 0.5}).lifts[1]
    assert (same.strategy, same.means) == ("native", {})
    text = "\n".join(advice_lines(advised(tmp_path, model())))
    told = "encoder/head_td: Dropout: the same noise for all steps of a call; it is new noise for"
    assert f"{told} every step with TimeDistributed" in text


def test_the_whole_model_is_told_with_each_change_alone(tmp_path):
    """Times, first call, memory, and that nothing that it computes has changed."""
    found = advised(tmp_path, model(), whole=WHOLE)
    assert found.whole.gain.speed_up.times == pytest.approx(1.5, rel=0.01)
    lines = list(advice_lines(found))
    (known, *_) = advice_lines(dataclasses.replace(found, cores=2))
    assert known == "my.model: 3 lifts over time in 7 layers (TensorFlow, graph, CPU, 2 cores)"
    text = "\n".join(lines)
    assert "the whole model, train step, batch 8: 1.5 times as fast; first call" in text
    assert "first call 3.00 s → 2.00 s; peak memory 3.00 MiB → 2.00 MiB" in text
    assert "with sents_td alone: 1.4 times as fast" in text
    assert "with encoder/head_td alone: 1.00 times as fast, not shown to differ" in text
    assert "largest relative difference 3e-07" in text
    assert "looped is called 4 times by hand" in text
    assert "its inputs and labels were drawn" in text


def test_a_change_that_breaks_the_law_is_no_gain(tmp_path):
    """It says so instead of a time."""
    told = model()
    changed = Case(told.setting, "changed")
    broken = [(changed, Status.LAW_BROKEN, "breaks the law: outputs differ by 0.5 of the largest")]
    found = advised(tmp_path, told, whole={"as_written": 3.0}, ended=broken)
    assert least_gain(found.whole) == 1.0
    text = "\n".join(advice_lines(found))
    assert "the whole model: changed: law broken: breaks the law: outputs differ" in text
    assert "equal those of your model" not in text


def test_a_lift_that_keras_itself_cannot_trace_is_advised_without_a_gain(tmp_path):
    """TimeDistributed has no time, and what has one is better than none."""
    told = model()
    usual = [
        (case, Status.TRACING_LIMIT, "tracing took more than 300 s")
        for case in of_lifts(told)
        if case.strategy == "time_distributed"
    ]
    others = {name: many for name, many in TIMES.items() if name != "time_distributed"}
    times = of_lifts(told, others)
    first, *_ = advise_lifts(told, run(tmp_path, times, ended=usual))
    assert first.strategy == "fold_time"
    assert first.gain.speed_up is None
    assert first.lost == (Status.TRACING_LIMIT, "tracing took more than 300 s")
    text = "\n".join(advice_lines(ModelAdvice(told, (first,))))
    assert "not compared" in text
    assert "sents_td: TimeDistributed itself: not run: tracing limit" in text


@pytest.mark.parametrize(("seconds", "left"), [(60.4, "60s"), (0.2, "1s"), (math.inf, "")])
def test_a_budget_is_one_of_whole_seconds(seconds, left):
    """Without one there is none to give."""
    assert advise.within({"seed": "1"}, seconds) == {"budget": left, "seed": "1"}


@pytest.mark.parametrize(
    ("spent", "lifts", "whole"),
    [((0, 40), "60s", "80s"), ((20, 110), "50s", "10s"), ((20, 120), "50s", None)],
)
def test_a_budget_is_shared_by_the_lifts_and_the_whole(tmp_path, monkeypatch, spent, lifts, whole):
    """Half of what is left, then the rest; where none is left the whole is not measured."""
    known, given = advised(tmp_path, model(), whole=WHOLE), {}
    clock = iter([100.0, *(100.0 + one for one in spent)])
    monkeypatch.setattr(advise, "time", SimpleNamespace(monotonic=lambda: next(clock)))

    def measure_lifts(_project, _model, texts, *_, **__):
        given["lifts"] = texts["budget"]

    def race_whole(_model, _project, _changes, texts):
        given["whole"] = texts["budget"]
        return known.whole

    monkeypatch.setattr(advise, "measure_lifts", measure_lifts)
    monkeypatch.setattr(advise, "race_whole", race_whole)
    monkeypatch.setattr(model_advice, "advise_lifts", lambda *_: known.lifts)
    texts = {"budget": "2m"}
    found = advise.find_advice(known.model, Project(ROOT), texts, advise.end_of_budget(texts))
    assert given == {"lifts": lifts} | ({"whole": whole} if whole else {})
    assert found.whole == (known.whole if whole else None)


def test_a_gain_counts_by_the_end_of_its_interval(tmp_path):
    """What is not shown is none."""
    assert least_gain(None) == 1.0
    found = advised(tmp_path, model(), whole=WHOLE)
    assert 1.4 < least_gain(found.whole) < 1.5
    alike = advised(tmp_path, model(), whole=dict.fromkeys(WHOLE, 3.0))
    assert least_gain(alike.whole) == 1.0


def test_it_is_data_for_programs(tmp_path):
    """What is not known is null."""
    found = json.loads(advice_json(advised(tmp_path, model(), whole=WHOLE)))
    assert [one["write"] for one in found["lifts"]] == ["fold_time", "fold_time", None]
    assert found["lifts"][2]["times_as_fast"] is None
    assert found["whole"]["alone"].keys() == {"sents_td", "encoder/head_td"}
    assert found["whole"]["verdict"] == "faster"


@pytest.mark.parametrize(
    ("whole", "error", "said"),
    [
        ((WHOLE, 3), None, ""),
        ((WHOLE | {"changed": 4.0}, 3), None, "the whole model is slower then, so "),
        ((WHOLE, 1), "one launch does not judge the changed model; ", ""),
        (({"as_written": 3.0}, 3), "the changed model has no figures, so ", ""),
    ],
)
def test_only_a_change_that_is_one_to_make_is_written(tmp_path, capsys, whole, error, said):
    """Not one that breaks the law, nor one that makes the whole slower, or may."""
    times, launches = whole
    found = advised(tmp_path, model(), whole=times, launches=launches)
    path = tmp_path / "better.py"
    with pytest.raises(UserError, match=error) if error else contextlib.nullcontext():
        advise.write(found, Project(ROOT), path)
    assert said in capsys.readouterr().err
    assert path.exists() == (not (error or said))


def test_names_of_lifts_are_names_of_cases():
    """Blanks and slashes are none, and two of one name are told apart."""
    lifts = [LIFT | {"path": path} for path in ("a/b", "a.b", "T16")]
    names = [one.workload for one in model(lifts=lifts).lifts]
    assert len({*names}) == 3
    for name in names:
        case = journals.case("native", name)
        assert Case.from_label(case.label) == case


def test_a_model_where_nothing_trains_is_asked_for_its_outputs():
    """There is no train step."""
    assert model().setting.phase is Phase.BACKWARD
    assert model(trains=False).setting.phase is Phase.FORWARD


def test_the_module_that_is_written_is_keras_alone(tmp_path):
    """It names each lift, and imports nothing of ours."""
    times = TIMES | {"native": 0.5}
    text = better_model(advised(tmp_path, model(), times), Project(ROOT))
    tree = ast.parse(text)
    imported = {
        (getattr(node, "module", None) or node.names[0].name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported <= {"keras", "functools", "weakref"}
    assert "'head_td': NativeLift" in text
    assert text.count("NativeLift = TimeDistributed") == 1
    assert "'sents_td': NativeLift" in text


def test_lifts_of_one_name_are_changed_alike_or_not_written(tmp_path):
    """Keras has names alone to tell them apart."""
    lifts = [LIFT | {"path": path} for path in ("encoder/td", "decoder/td")]
    told = model(lifts=lifts)
    first, second = advised(tmp_path, told).lifts
    assert better_model(ModelAdvice(told, (first, second)), Project(ROOT)).count("'td': ") == 2
    kept = dataclasses.replace(second, strategy="time_distributed")
    with pytest.raises(UserError, match="lifts of one name, 'td', are to be changed differently"):
        better_model(ModelAdvice(told, (first, kept)), Project(ROOT))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            "models.py",
            "expected a model as module:name or path.py:name, or a .keras file; received",
        ),
        ("os:path --unsafe", "--unsafe is about a .keras file, received 'os:path'"),
        ("none.keras", "expected a stored model that is there, received 'none.keras'"),
        (f"no_such_module:make --backends {QUICKEST}", "No module named 'no_such_module'"),
        ("a:b --data c", "expected --data as module:function or path.py:function; received 'c'"),
        ("a:b --data c:d --batch 3", "--data has sizes of its own; leave out --batch"),
        ("a:b --backends jax,torch", "--backends: expected one, received jax, torch"),
    ],
)
def test_what_is_no_model_is_a_sentence(tmp_path, capsys, words, sentence):
    """And exit code 1; nothing is written."""
    assert cli.main(["advise", *words.split()], tmp_path) == 1
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["0", "1.0x", "fast", "nan"])
def test_a_gain_that_would_always_fail_is_refused(tmp_path, capsys, word):
    """It has to be more than none."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["advise", "a:b", "--fail-if-gain", word], tmp_path)
    assert ended.value.code == 1
    assert "expected more than 1, like 1.2x" in capsys.readouterr().err


def test_strategies_of_another_meaning_are_told_by_their_declarations():
    """`--same-meaning` leaves those out, of the lifts whose inner layer has what they change."""
    told = model()
    known = catalogue.read_strategies(Project(ROOT).strategies.values())
    usual = known["time_distributed"]
    assert {*advice.IN_PLACE} <= known.keys()
    assert advice.means_the_same(told.lifts[0], known["vectorized_map"], usual)
    assert not advice.means_the_same(told.lifts[1], known["vectorized_map"], usual)
    assert advice.means_the_same(told.lifts[1], known["fold_time"], usual)


# The study of it ---------------------------------------------------------------------------------


def test_the_study_counts_what_a_promise_became_and_refuses_a_model_made_slower(tmp_path):
    """One layer's gain is there in the whole, one is too small to show; slower twice is wrong."""
    found = advised(tmp_path, model(), whole=WHOLE)
    row = study.row(found, found.whole, 90.0)
    assert row[6:] == (1.0, 1.0, 0.0, 0.0, 90.0)
    assert not [*study.BOARD.complaints(row)]
    slower = advised(tmp_path, model(), whole=WHOLE | {"changed": 4.0, "only_sents_td": 3.5})
    row = study.row(slower, slower.whole, 90.0)
    assert row[6:] == (0.0, 1.0, 1.0, 1.0, 90.0)
    assert [*study.BOARD.complaints(row)]
    assert study.row(slower, found.whole, 90.0)[9] == 0.0
    brief = advised(tmp_path, model(), whole=WHOLE, launches=1)
    assert study.row(brief, brief.whole, 90.0)[6:9] == (0.0, 0.0, 0.0)  # nothing is known
