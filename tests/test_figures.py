"""Figures: what is on which axis, that nothing overlaps, and that a strategy keeps its look."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from tests import journals
from timelift.analyse.findings import RunFindings
from timelift.analyse.runs import results
from timelift.analyse.stats import ranking
from timelift.case import Mode
from timelift.present import figures
from timelift.present.figures import sheet
from timelift.present.figures.looks import CATALOGUE, THEMES
from timelift.present.figures.plot_fastest import cell_text
from timelift.present.figures.plot_length import spread

FEW = ("native", "loop_slice")
#: Figures of a run that has everything: both phases, first calls and memory.
NAMES = ("time_by_length", "fastest", "forward_backward", "first_call", "memory")


MANY = CATALOGUE[:25]


def _figures(folder, cases, theme="light", **how):
    run = results.load(journals.synthetic(folder / "run", cases, **how))
    return figures.of_run(RunFindings(run), theme)


GRIDS = {
    "few strategies, many lengths": journals.grid(FEW, seq_lens=(8, 64, 512)),
    "few strategies, one length": journals.grid(FEW, seq_lens=(8,)),
    "many strategies, many lengths": journals.grid(MANY, seq_lens=(8, 16, 32, 64, 128, 256)),
    "many strategies, one length": journals.grid(MANY, seq_lens=(8,), phases=("forward",)),
    "one case": journals.grid(("native",), seq_lens=(8,), phases=("forward",)),
    "many panels": journals.grid(FEW, ("a", "b", "c"), (8, 64), (1, 32)),
    "long names": journals.grid(["x" * 80, "y" * 80], ["w" * 80], (8, 64)),
}


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("cases", GRIDS.values(), ids=GRIDS)
def test_no_text_overlaps_another_or_leaves_its_figure(tmp_path, cases, theme):
    """The boxes of all texts, as drawn, are apart and inside."""
    for name, figure in _figures(tmp_path, cases, theme).items():
        boxes = _boxes(figure)
        overlapping = [
            (one, other)
            for (one, box), (other, next_box) in itertools.combinations(boxes, 2)
            if _overlap(box, next_box)
        ]
        outside = [text for text, box in boxes if not _inside(box, figure.bbox)]
        assert (name, overlapping, outside) == (name, [], [])


def test_the_check_of_overlaps_sees_one_and_a_text_outside():
    """Two texts in one place, and one beyond the edge."""
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


def test_a_run_with_several_lengths_is_drawn_as_lines_with_bands(tmp_path):
    """Log-log, lengths as ticks, units on both axes, one line and one band a strategy."""
    figure = _figures(tmp_path, GRIDS["few strategies, many lengths"])["time_by_length"]
    forward, backward = figure.axes
    assert (forward.get_title("left"), backward.get_title("left")) == (
        "tokens, batch 8, forward",
        "tokens, batch 8, backward",
    )
    assert (forward.get_xscale(), forward.get_yscale()) == ("log", "log")
    assert forward.get_xlabel() == "sequence length (steps)"
    assert forward.get_ylabel() == "time per call (ms)"
    assert [text.get_text() for text in forward.get_xticklabels()] == ["8", "64", "512"]
    assert [line.get_label() for line in forward.lines] == ["native", "loop_slice"]
    assert len(forward.collections) == 2
    assert forward.get_ylim() == backward.get_ylim()


def test_the_band_is_the_interval_over_launches(tmp_path):
    """Its edges are what the ranking says, in the unit of the axis."""
    run = results.load(journals.synthetic(tmp_path / "run", journals.grid(("native",))))
    rankings = ranking.rank(run.measurements)
    axes = figures.of_run(RunFindings(run, given=rankings))["time_by_length"].axes[0]
    (row,) = next(one for one in rankings if one.setting.phase == "forward").rows
    corners = axes.collections[0].get_paths()[0].vertices
    at_first = sorted({y for x, y in corners if x == row.case.setting.seq_len})
    assert at_first == pytest.approx([row.seconds_low * 1e3, row.seconds_high * 1e3])


def test_a_run_with_one_length_is_drawn_as_sorted_dots(tmp_path):
    """Names at the left, the fastest at the top, time across."""
    figure = _figures(tmp_path, GRIDS["few strategies, one length"])["time_by_length"]
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["native", "loop_slice"]
    assert axes.get_xlabel() == "time per call (ms)"
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert axes.get_title("left") == "tokens, batch 8, forward, 8 steps"


def test_workloads_with_one_length_and_with_several_are_in_two_figures(tmp_path):
    """A line needs two points."""
    cases = journals.grid(FEW) + journals.grid(FEW, ["frames"], seq_lens=(10,))
    drawn = _figures(tmp_path, cases)
    assert {"time_by_length", "time_by_length-one_length"} <= set(drawn)
    assert all("tokens" in axes.get_title("left") for axes in drawn["time_by_length"].axes)


def test_few_strategies_are_named_at_their_lines_and_many_in_a_legend(tmp_path):
    """Never both."""
    few = _figures(tmp_path, GRIDS["few strategies, many lengths"])["time_by_length"]
    many = _figures(tmp_path, GRIDS["many strategies, many lengths"])["time_by_length"]
    assert not few.legends
    assert {text.get_text() for text in few.axes[0].texts} == set(FEW)
    assert [text.get_text() for text in many.legends[0].get_texts()] == list(MANY)
    assert not many.axes[0].texts


def test_what_cannot_be_compared_is_not_in_one_figure(tmp_path):
    """Modes give figures of their own, named by the mode, each subtitled with its mode."""
    cases = journals.grid(FEW) + journals.grid(FEW, mode=Mode.XLA)
    drawn = _figures(tmp_path, cases)
    assert set(drawn) == {f"{name}-{mode}" for name in NAMES for mode in ("graph", "xla")}
    for name, figure in drawn.items():
        words = " ".join(text.get_text() for text in figure.texts)
        assert ("xla," in words) == name.endswith("xla")


def test_one_launch_draws_no_band_and_says_so(tmp_path):
    """An interval that is not known is not drawn as a point, either."""
    figure = _figures(tmp_path, journals.grid(FEW), launches=1)["time_by_length"]
    assert "one launch: no interval" in " ".join(text.get_text() for text in figure.texts)
    heights = [np.ptp(band.get_paths()[0].vertices[:, 1]) for band in figure.axes[0].collections]
    lines = [np.ptp(line.get_ydata()) for line in figure.axes[0].lines]
    assert heights == pytest.approx(lines)


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
    """One strategy alone has no rival."""
    cases = [journals.case(name) for name, _, _ in rivals]
    rows = [
        ranking.RankedCase(case, ratio, ratio, ratio, ratio, 1, 1, _SAME, "a", rank, 3, 3)
        for case, (_, ratio, rank) in zip(cases, rivals, strict=True)
    ]
    assert cell_text(ranking.Ranking(cases[0].setting, tuple(rows))) == text


_SAME = ranking.Verdict.SAME


def test_the_map_of_the_fastest_has_a_cell_for_each_setting(tmp_path):
    """Lengths across, batches down, the name of the fastest in each."""
    cases = journals.grid(FEW, seq_lens=(8, 64), batches=(1, 4, 32), phases=("forward",))
    (axes,) = _figures(tmp_path, cases)["fastest"].axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["8", "64"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["1", "4", "32"]
    assert len(axes.texts) == 6
    assert all(text.get_text().split("\n")[0] in FEW for text in axes.texts)


def test_first_calls_are_drawn_where_they_are_known(tmp_path):
    """A point for each length and batch; a run without the fact has no such figure."""
    cases = journals.grid(FEW, batches=(1, 8))
    axes = _figures(tmp_path, cases)["first_call"].axes[0]
    assert [len(points.get_offsets()) for points in axes.collections] == [4, 4]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("time per call (ms)", "first call (s)")
    lines = [journals.line(case, facts={}) for case in cases]
    run = results.load(journals.write(tmp_path / "bare", journals.header(), *lines))
    assert "first_call" not in figures.of_run(RunFindings(run))


def test_memory_that_is_not_known_is_said_beside_the_front(tmp_path):
    """What is not drawn may be smaller than what is ringed."""
    cases = journals.grid(("native", "fold_time", "loop_slice"), seq_lens=(8,))
    lines = list(journals.campaign(cases))
    whole = results.load(journals.write(tmp_path / "whole", journals.header(), *lines))
    for line in lines:
        if line["case"]["strategy"] == "fold_time":
            line["facts"] |= {"peak_bytes": None}
    run = results.load(journals.write(tmp_path / "run", journals.header(), *lines))
    said, everyone = (
        " ".join(text.get_text() for text in figure.texts)
        for figure in (figures.of_run(RunFindings(one))["memory"] for one in (run, whole))
    )
    assert "(not known of fold_time)" in " ".join(said.split())
    assert "not known" not in everyone


def test_an_empty_run_has_no_figures(tmp_path):
    """No figure is better than an empty one."""
    run = results.load(journals.write(tmp_path / "run", journals.header()))
    assert figures.of_run(RunFindings(run, given=[])) == {}


def test_strange_names_are_drawn_as_they_are(tmp_path):
    """No formula is parsed, no label is hidden, no escape code and no warning gets out."""
    names = ["$\\frac", "_hidden", "名前", "a\x1b[31mb", "<b>&amp;</b>"]
    cases = journals.grid(names, ["$x_"], seq_lens=(8, 64, 128), batches=(1, 2, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = _figures(tmp_path, cases)
        paths = figures.save(drawn, tmp_path / "figures")
    legend = [text.get_text() for text in drawn["time_by_length"].legends[0].get_texts()]
    assert set(legend) == {"$\\frac", "_hidden", "名前", "a�[31mb", "<b>&amp;</b>"}
    svg = next(path for path in paths if path.name == "time_by_length.svg").read_text()
    assert "&lt;b&gt;&amp;amp;&lt;/b&gt;" in svg
    assert "\x1b" not in svg


def test_figures_are_saved_as_svg_and_png_and_again_as_the_same_bytes(tmp_path):
    """Two formats, no date inside, and a folder that is made when it is missing."""
    run = results.load(journals.synthetic(tmp_path / "run", journals.grid(FEW)))
    found = RunFindings(run)
    one, two = (
        figures.save(figures.of_run(found), tmp_path / name / "deep") for name in ("one", "two")
    )
    assert sorted(path.name for path in one) == [
        f"{name}.{format_}" for name in sorted(NAMES) for format_ in ("png", "svg")
    ]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30))
def test_labels_are_spread_in_order_and_apart(wanted):
    """Labels that were apart already do not move."""
    placed = spread(wanted, 10)
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(np.array(placed)[order]) >= 10 - 1e-6).all()
    if (np.diff(np.sort(wanted)) >= 10).all():
        assert placed == pytest.approx(wanted)
    assert np.mean(placed) == pytest.approx(np.mean(wanted), abs=1e-6)


@given(st.floats(1e-9, 1e9), st.floats(1, 1e6), st.integers(3, 8))
def test_a_logarithmic_axis_has_some_ticks_and_not_too_many(low, span, most):
    """Inside the axis, rising, at least two of them."""
    ends = sheet.limits([low, low * span])
    ticks = sheet.ticks(*ends, most)
    assert 2 <= len(ticks) <= most
    assert ticks == sorted(ticks)
    assert ends[0] <= ticks[0] <= ticks[-1] <= ends[1]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (1, "1"), (1500, "1,500"), (1e5, "1e5"), (2e-4, "2e-4"), (0.001, "0.001")],
)
def test_ticks_are_written_plainly(value, text):
    """An exponent only where the number would be long."""
    assert sheet.written(value) == text
