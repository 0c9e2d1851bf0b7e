"""Figures: what is on which axis, that nothing overlaps, and that a strategy keeps its look."""

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text

from tests import journals
from tests.test_advice import raced
from timelift.analyse.findings import RunFindings
from timelift.analyse.runs import results
from timelift.analyse.runs.measurement import Run
from timelift.analyse.stats import ranking
from timelift.case import Mode, Phase, Setting
from timelift.journal import Header
from timelift.present import choice, figures
from timelift.present.figures import frame, sheet
from timelift.present.figures.looks import CATALOGUE
from timelift.present.figures.plot_fastest import cell_text

FEW = ("native", "loop_slice")
#: Figures of a run that has everything: a baseline, both phases, first calls and memory.
NAMES = figures.KINDS


MANY = CATALOGUE[:25]
PLACES = [
    Setting("tokens", length, 4, Phase.FORWARD, mode)
    for mode in (Mode.EAGER, Mode.GRAPH)
    for length in (8, 16)
]


def _figures(folder, cases, kinds=None, **how):
    run = results.load(journals.synthetic(folder / "run", cases, **how))
    return figures.of_run(RunFindings(run), kinds=kinds)


def _figure(kind, folder, cases, **how):
    """The only figure of a kind."""
    (drawn,) = _figures(folder, cases, [kind], **how).values()
    return drawn


GRIDS = {
    "few strategies, many lengths": journals.grid(FEW, seq_lens=(8, 64, 512)),
    "few strategies, one length": journals.grid(FEW, seq_lens=(8,)),
    "many strategies, many lengths": journals.grid(MANY, seq_lens=(8, 16, 32, 64, 128, 256)),
    "many strategies, one length": journals.grid(MANY, seq_lens=(8,), phases=("forward",)),
    "lengths close together": journals.grid(FEW, seq_lens=(3, 10, 11, 13, 16, 64, 1000)),
    "one case": journals.grid(("native",), seq_lens=(8,), phases=("forward",)),
    "many panels": journals.grid(FEW, ("a", "b", "c"), (8, 64), (1, 32)),
    "long names": journals.grid(["x" * 80, "y" * 80], ["w" * 80], (8, 64)),
}


@pytest.mark.parametrize("cases", GRIDS.values(), ids=GRIDS)
def test_no_text_overlaps_another_or_leaves_its_figure(tmp_path, cases):
    for name, figure in _figures(tmp_path, cases).items():
        boxes = _boxes(figure)
        overlapping = [
            (one, other)
            for (one, box), (other, next_box) in itertools.combinations(boxes, 2)
            if _overlap(box, next_box)
        ]
        outside = [text for text, box in boxes if not _inside(box, figure.bbox)]
        assert (name, overlapping, outside) == (name, [], [])


def test_the_check_of_overlaps_sees_one_and_a_text_outside():
    figure = Figure()
    figure.text(0.5, 0.5, "one")
    figure.text(0.5, 0.5, "other")
    figure.text(0.99, 0.1, "beyond")
    (_, one), (_, other), (_, beyond) = _boxes(figure)
    assert _overlap(one, other)
    assert not _overlap(one, beyond)
    assert not _inside(beyond, figure.bbox)


def _overlap(one, other):
    """Whether two boxes share more than a pixel."""
    across = min(one.x1, other.x1) - max(one.x0, other.x0)
    up = min(one.y1, other.y1) - max(one.y0, other.y0)
    return bool(across > 1 and up > 1)


def _inside(box, whole):
    return bool(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= whole.x1 and box.y1 <= whole.y1)


def _boxes(figure):
    """Draw the figure and give the box of each text that can be seen."""
    FigureCanvasAgg(figure).draw()
    texts = [text for text in figure.findobj(Text) if text.get_visible()]
    return [(str(text.get_text()), text.get_window_extent()) for text in texts if text.get_text()]


def _title(axes):
    """The title of a panel on one line, with plain blanks."""
    return " ".join(axes.get_title("left").split())


def _panels(figure):
    """The panels of a figure, by their titles."""
    return {_title(axes): axes for axes in figure.findobj(Axes)}


def _words(figure):
    """What stands above the panels and below: title, note and legend."""
    inside = {id(text) for axes in figure.findobj(Axes) for text in axes.findobj(Text)}
    found = (text.get_text() for text in figure.findobj(Text) if id(text) not in inside)
    return " ".join(" ".join(found).split())


def _collection(axes, kind):
    (found,) = (one for one in axes.collections if type(one) is kind)
    return found


def test_a_run_with_several_lengths_is_drawn_as_lines_with_bars(tmp_path):
    figure = _figure("time_by_length", tmp_path, GRIDS["few strategies, many lengths"])
    panels = _panels(figure)
    assert list(panels) == ["tokens, batch 8, forward", "tokens, batch 8, backward"]
    forward, backward = panels.values()
    assert (forward.get_xscale(), forward.get_yscale()) == ("log", "log")
    assert forward.get_xlabel() == "sequence length (steps)"
    assert (forward.get_ylabel(), backward.get_ylabel()) == ("time per call (ms)", "")
    assert [text.get_text() for text in forward.get_xticklabels()] == ["8", "64", "512"]
    bars, lines = forward.collections[:2]
    assert (len(bars.get_segments()), len(lines.get_segments())) == (6, 2)
    assert forward.get_ylim() == backward.get_ylim()


def test_the_bars_are_the_intervals_over_launches_and_over_paired_rounds(tmp_path):
    run = results.load(journals.synthetic(tmp_path / "run", journals.grid()))
    found = RunFindings(run)
    drawn = figures.of_run(found)
    (setting,) = (one for one in found.rankings if one.setting.label.startswith("tokens-T16-B8-f"))
    for name, ends in (
        ("time_by_length", lambda row: (row.seconds_low * 1e3, row.seconds_high * 1e3)),
        ("speed_up", lambda row: (row.speed_up.low, row.speed_up.high)),
    ):
        axes = _panels(drawn[name])["tokens, batch 8, forward"]
        bars = [sorted(bar[:, 1]) for bar in axes.collections[0].get_segments()]
        for row in setting.rows:
            assert any(bar == pytest.approx(ends(row)) for bar in bars)


def test_the_speed_up_of_the_baseline_is_the_line_at_one(tmp_path):
    figure = _figure("speed_up", tmp_path, journals.grid())
    assert _words(figure).startswith("Times as fast as time_distributed")
    axes = next(iter(_panels(figure).values()))
    assert [set(line.get_ydata()) for line in axes.lines] == [{1.0}]
    assert any(set(line[:, 1]) == {1.0} for line in axes.collections[1].get_segments())
    others = journals.grid(("native", "conv1d_pointwise"))
    assert not _figures(tmp_path / "others", others, ["speed_up"])


def test_where_settings_have_several_baselines_the_note_names_them(tmp_path):
    cases = journals.grid() + journals.grid(("native", "loop_slice"), batches=(64,))
    words = _words(_figure("speed_up", tmp_path, cases))
    assert words.startswith("Times as fast as the baseline")
    assert "the first that was measured of time_distributed, loop_slice" in words


def test_a_run_with_one_length_is_drawn_as_sorted_dots(tmp_path):
    labels = {"time_by_length": "time per call (ms)", "speed_up": "times as fast"}
    drawn = _figures(tmp_path, GRIDS["few strategies, one length"], labels)
    for name, label in labels.items():
        axes = _panels(drawn[name])["tokens, batch 8, forward, 8 steps"]
        assert [text.get_text() for text in axes.get_yticklabels()] == ["native", "loop_slice"]
        assert axes.get_xlabel() == label
        assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_workloads_with_one_length_and_with_several_are_in_one_figure(tmp_path):
    cases = journals.grid(FEW) + journals.grid(FEW, ["frames"], seq_lens=(10,), phases=("forward",))
    panels = _panels(_figure("time_by_length", tmp_path, cases))
    assert list(panels) == [
        "tokens, batch 8, forward",
        "tokens, batch 8, backward",
        "frames, batch 8, forward, 10 steps",
    ]


def test_a_legend_names_the_strategies_of_lines_in_the_order_of_the_catalogue(tmp_path):
    many = _figure("time_by_length", tmp_path, GRIDS["many strategies, many lengths"])
    assert [text.get_text() for text in _legend(many)] == list(MANY)
    dots = _figure("time_by_length", tmp_path / "dots", GRIDS["many strategies, one length"])
    assert not _legend(dots)


def _legend(figure):
    return [text for one in figure.findobj(Legend) for text in one.get_texts()]


def test_modes_are_rows_of_one_figure(tmp_path):
    cases = journals.grid(FEW) + journals.grid(FEW, mode=Mode.XLA)
    drawn = _figures(tmp_path, cases)
    assert set(drawn) == set(NAMES)
    panels = _panels(drawn["speed_up"])
    assert list(panels) == [
        f"tokens, batch 8, {phase}, {mode}"
        for mode in ("graph", "xla")
        for phase in ("forward", "backward")
    ]
    tops = [round(axes.get_window_extent().y1) for axes in panels.values()]
    assert tops[0] == tops[1] > tops[2] == tops[3]
    assert "cpu, tensorflow;" in _words(drawn["speed_up"])
    rows = [
        text.get_text() for text in next(iter(_panels(drawn["fastest"]).values())).get_yticklabels()
    ]
    assert rows == ["8, graph", "8, xla"]


def test_workloads_whose_names_are_cut_alike_have_panels_of_their_own(tmp_path):
    names = ["w" * 60 + end for end in "ab"]
    cases = journals.grid(("native",), names, (8, 16), phases=("forward",))
    figure = _figure("time_by_length", tmp_path, cases)
    titles = [_title(axes) for axes in figure.findobj(Axes)]
    assert len(titles) == 2
    assert len(set(titles)) == 1
    assert [len(axes.collections[1].get_segments()) for axes in figure.findobj(Axes)] == [1, 1]


def test_no_setting_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "MOST_PANELS", 11)
    batches = (1, 2, 4)
    cases = journals.grid(("native", "time_distributed"), ("a", "a "), (8, 16), batches)
    drawn = _figures(tmp_path, cases, ("speed_up", "price"), launches=1)
    assert {name for name in drawn if name.startswith("speed_up")} == {"speed_up-a", "speed_up-a-2"}
    panels = [axes for name in ("speed_up-a", "speed_up-a-2") for axes in _panels(drawn[name])]
    assert len(panels) == 2 * 2 * len(batches) > figures.MOST_PANELS
    assert "price" in drawn


def test_a_run_with_more_than_can_be_drawn_says_how_many_settings_are(tmp_path, monkeypatch):
    monkeypatch.setattr(frame, "MOST_LINES", 12)
    cases = journals.grid(FEW, ("a", "b"), (8,), (1, 2, 4, 8), ("forward",))
    figure = _figure("time_by_length", tmp_path, cases, launches=1)
    assert {
        f"{name}, batch {size}, forward, 8 steps" for name in "ab" for size in (2, 4, 8)
    } == set(_panels(figure))
    assert "6 of 8 settings are drawn" in _words(figure)
    price = _figure("price", tmp_path, cases, launches=1)
    assert "settings are drawn" not in _words(price)
    assert {title.replace("\xa0", " ") for title in _panels(price)} == {
        "a, 4 settings",
        "b, 4 settings",
    }


def test_one_launch_draws_no_bar_and_says_so(tmp_path):
    figure = _figure("time_by_length", tmp_path, journals.grid(FEW), launches=1)
    assert "one launch: no interval" in _words(figure)
    for axes in figure.findobj(Axes):
        assert not any(len(bar) for bar in axes.collections[0].get_segments())


def test_an_interval_that_reaches_far_leaves_the_panel_and_does_not_flatten_it(tmp_path):
    figure = _figure("speed_up", tmp_path, journals.grid(FEW), launches=2, noise=0.2)
    for axes in figure.findobj(Axes):
        low, high = axes.get_ylim()
        bars = np.concatenate(axes.collections[0].get_segments())[:, 1]
        assert bars.max() > high
        assert high / low < 1e4


@pytest.mark.parametrize(
    ("rivals", "text"),
    [
        ([("native", 1.0, 1)], "native\nno rival"),
        ([("native", 1.0, 1), ("fold_time", 1.5, 2)], "native\nnext: 1.50 x"),
        ([("native", 1.0, 1), ("fold_time", 1.01, 1)], "native\ntied: fold_time\nnext: 1.01 x"),
        (
            [("native", 1.0, 1), ("fold_time", 1.01, 1), ("loop_slice", 1.02, 1)],
            "native\ntied: fold_time and 1 more\nnext: 1.01 x",
        ),
    ],
)
def test_a_cell_names_the_fastest_its_ties_and_the_runner_up(rivals, text):
    cases = [journals.case(name) for name, _, _ in rivals]
    rows = [
        ranking.RankedCase(case, ratio, ratio, ratio, ratio, 1, 1, _SAME, rank, 3, 3)
        for case, (_, ratio, rank) in zip(cases, rivals, strict=True)
    ]
    assert cell_text(ranking.Ranking(cases[0].setting, tuple(rows))) == text


_SAME = ranking.Verdict.SAME


def test_the_map_of_the_fastest_has_a_cell_for_each_setting(tmp_path):
    cases = journals.grid(FEW, seq_lens=(8, 64), batches=(1, 4, 32), phases=("forward",))
    (axes,) = _figure("fastest", tmp_path, cases).findobj(Axes)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["8", "64"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["1", "4", "32"]
    assert len(axes.texts) == 6
    assert all(text.get_text().split("\n")[0] in FEW for text in axes.texts)


def test_a_price_goes_from_the_typical_to_the_worst_the_recommended_strategy_first(tmp_path):
    cases = journals.grid() + journals.grid(("native", "fold_time"), seq_lens=(512,))
    run = results.load(journals.synthetic(tmp_path / "run", cases))
    found = RunFindings(run)
    (axes,) = figures.of_run(found, kinds=["price"])["price"].findobj(Axes)
    (workload,) = found.recommendation_by_workload
    bars = [bar[:, 0].tolist() for bar in axes.collections[0].get_segments()]
    assert bars == [[one.typical, one.ratio] for one in workload.found.prices]
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names[0] == f"{workload.found.strategy} (advised)"
    assert "time_distributed (baseline, in 4 of 6)" in names


def _price_of(measurements):
    """The labels and the words of the figure of prices."""
    found = RunFindings(Run(Header(), tuple(measurements), complete=True))
    drawn = figures.of_run(found, kinds=["price"])["price"]
    (axes,) = drawn.findobj(Axes)
    return [text.get_text() for text in axes.get_yticklabels()], _words(drawn)


def test_of_a_rule_every_strategy_is_marked_and_stands_first():
    costs = {"native": [1, 1, 2, 2], "gru": [2, 2, 1, 1], "lstm": 1.5}
    labels, words = _price_of(raced(costs, PLACES))
    assert {*labels[:2]} == {"native (advised)", "gru (advised)"}
    assert labels[2] == "lstm"
    assert "what to write, each in some of the settings" in words
    labels, words = _price_of(raced({"native": 1, "gru": 2}, PLACES))
    assert labels == ["native (advised)", "gru"]
    assert "each in some" not in words


def test_the_end_of_a_bar_is_a_bound_or_what_was_seen():
    costs, more = {"native": 1, "gru": 2}, {"lstm": 3}
    may, did = "may cost in any", "was seen to cost in any"
    many, few = raced(costs | more, PLACES[:2]), raced(costs, PLACES[2:], launches=1)
    for measurements, told in ((many, {may}), (few, {did}), ([*many, *few], {may, did})):
        labels, words = _price_of(measurements)
        assert {one for one in (may, did) if one in words} == told
        assert any("seen" in one for one in labels) == (len(told) > 1)


def test_first_calls_are_drawn_where_they_are_known(tmp_path):
    cases = journals.grid(FEW, batches=(1, 8))
    axes = next(iter(_panels(_figure("first_call", tmp_path, cases)).values()))
    assert len(_collection(axes, PathCollection).get_offsets()) == 4
    assert axes.get_ylabel() == "first call (s)"
    lines = [journals.line(case, facts={}) for case in cases]
    run = results.load(journals.write(tmp_path / "bare", journals.header(), *lines))
    assert "first_call" not in figures.of_run(RunFindings(run))


def test_memory_is_ringed_where_no_other_is_both_faster_and_smaller(tmp_path):
    known = {"native": 2 << 20, "loop_slice": 1 << 20, "conv1d_pointwise": 3 << 20}
    cases = journals.grid(("fold_time", *known), seq_lens=(8,))
    lines = list(journals.campaign(cases))
    for line in lines:
        name, phase = line["case"]["strategy"], line["case"]["phase"]
        told = known.get(name) if phase == "forward" or name == "native" else None
        line["facts"] |= {"peak_bytes": told}
    run = results.load(journals.write(tmp_path / "run", journals.header(), *lines))
    (axes,) = figures.of_run(RunFindings(run), kinds=["memory"])["memory"].findobj(Axes)
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        "loop_slice",
        "native",
        "conv1d_pointwise",
    ]
    marks, rings = (one for one in axes.collections if isinstance(one, PathCollection))
    assert marks.get_offsets()[:, 0].tolist() == pytest.approx([1, 2, 3])
    assert rings.get_offsets()[:, 0].tolist() == pytest.approx([2])


def test_a_backward_call_stands_beside_its_own_forward_call(tmp_path):
    found = RunFindings(results.load(journals.synthetic(tmp_path / "run", journals.grid(FEW))))
    (axes,) = figures.of_run(found, kinds=["forward_backward"])["forward_backward"].findobj(Axes)
    drawn = sorted(_collection(axes, PathCollection).get_offsets()[:, 1])
    assert drawn == pytest.approx(sorted(found.backward_over_forward.values()))


def test_an_empty_run_has_no_figures(tmp_path):
    run = results.load(journals.write(tmp_path / "run", journals.header()))
    assert figures.of_run(RunFindings(run, given=[])) == {}


def test_strange_names_are_drawn_as_they_are(tmp_path):
    names = ["$\\frac", "_hidden", "名前", "a\x1b[31mb", "<b>&amp;</b>"]
    cases = journals.grid(names, ["$x_"], seq_lens=(8, 64, 128), batches=(1, 2, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = _figures(tmp_path, cases, ("time_by_length", "fastest", "price"))
        paths = figures.save(drawn, tmp_path / "figures")
    legend = [text.get_text() for text in _legend(drawn["time_by_length"])]
    assert set(legend) == {"$\\frac", "_hidden", "名前", "a�[31mb", "<b>&amp;</b>"}
    svg = next(path for path in paths if path.name == "time_by_length.svg").read_text()
    assert "&lt;b&gt;&amp;amp;&lt;/b&gt;" in svg
    assert "\x1b" not in svg


def test_figures_are_saved_as_svg_and_png_and_again_as_the_same_bytes(tmp_path):
    run = results.load(journals.synthetic(tmp_path / "run", journals.grid(FEW)))
    found = RunFindings(run)
    one, two = (
        figures.save(figures.of_run(found), tmp_path / name / "deep") for name in ("one", "two")
    )
    assert sorted(path.name for path in one) == [
        f"{name}.{format_}" for name in sorted(NAMES) for format_ in ("png", "svg")
    ]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


@given(st.floats(1e-9, 1e9), st.floats(1, 1e6), st.integers(3, 8))
def test_a_logarithmic_axis_has_some_ticks_and_not_too_many(low, span, most):
    ends = sheet.limits([low, low * span])
    ticks = sheet.ticks(*ends, most)
    assert 2 <= len(ticks) <= most
    assert ticks == sorted(ticks)
    assert ends[0] <= ticks[0] <= ticks[-1] <= ends[1]


@given(st.sets(st.integers(1, 10_000), min_size=1), st.integers(3, 8))
def test_lengths_under_an_axis_are_apart(lengths, most):
    kept = sheet.thin(sorted(lengths), most)
    assert kept[-1] == max(lengths)
    assert min(2, len(lengths)) <= len(kept) <= most
    gaps = np.diff(np.log(kept))
    assert (gaps >= math.log(max(lengths) / min(lengths)) / (most - 1) - 1e-6).all()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5"),
        (1, "1"),
        (1500, "1,500"),
        (1e5, "1e5"),
        (2e-4, "2e-4"),
        (0.001, "0.001"),
        (131072, "1.31e5"),
        (1.5e6, "1.5e6"),
        (1.5e-4, "1.5e-4"),
    ],
)
def test_ticks_are_written_plainly(value, text):
    assert sheet.written(value) == text


def test_the_note_names_baselines_in_the_order_in_which_they_are_asked_for(tmp_path):
    cases = journals.grid(("fold_time", "rnn_cell"))
    cases += journals.grid(("fold_time", "native"), ("frames",))
    words = _words(_figure("speed_up", tmp_path, cases)).replace("\n", " ")
    assert "the first that was measured of rnn_cell, fold_time" in words


def test_figures_of_names_that_end_alike_have_files_of_their_own():
    assert len(set(frame.endings(["x", "x-3", "x "]).values())) == 3
    setting = Setting("tokens", 1, 8, Phase.FORWARD, threads=1)
    assert list(frame._words(setting, ["threads"])) == ["1 thread"]
    assert choice._setting_in_words(setting) == (
        "tokens, 1 step, batch 8, forward, graph, cpu, 1 thread"
    )
