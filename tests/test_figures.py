"""Figures draw the findings, no text overlaps another, and every look can be told apart."""

import dataclasses
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from tests.support import journals
from tests.support.drawn_figures import alone, assert_texts_apart, legend, look, panels
from timelift.analyse import results
from timelift.analyse.estimates import Interval
from timelift.analyse.findings import RunFindings
from timelift.axis_values import Mode
from timelift.present import figures
from timelift.present.figures import sheet
from timelift.present.figures.looks import CATALOGUE, COLOURS, OWN_COLOURS, looks_of

FEW = ("time_distributed", "native", "loop_slice")
MANY = CATALOGUE[:25]
GRIDS = {
    "many strategies, many lengths": journals.grid(MANY, phases=("forward",)),
    "many strategies, one length": journals.grid(MANY, seq_lens=(8,), phases=("forward",)),
    "lengths close together": journals.grid(FEW, seq_lens=(3, 10, 11, 13, 16, 64, 1000)),
    "one case": journals.grid(("native",), seq_lens=(8,), phases=("forward",)),
    "24 panels": journals.grid(FEW, batches=range(1, 13)),
    "long names": journals.grid(["x" * 80, "y" * 80], ["long_name_" * 8], (8, 64)),
}


def _found(folder, cases, **how):
    return RunFindings(results.load(journals.synthetic(folder / "run", cases, **how)))


def _words(figure):
    return " ".join(" ".join(text.get_text() for text in figure.findobj(Text)).split())


def _points(axes):
    lines = (line for line in axes.lines if line.get_marker() != "None")
    return {(to_hex(one.get_color()), one.get_marker()): list(one.get_ydata()) for one in lines}


@pytest.mark.parametrize("cases", GRIDS.values(), ids=GRIDS)
def test_no_text_of_a_report_s_figure_overlaps_another_or_leaves_it(tmp_path, monkeypatch, cases):
    if cases is GRIDS["24 panels"]:
        monkeypatch.setattr(figures, "QUANTITIES", {"time": figures.QUANTITIES["time"]})
    for figure in figures.of_run(_found(tmp_path, cases)).values():
        assert_texts_apart(figure)


@pytest.mark.parametrize("place", [(0.5, 0.5), (0.99, 0.1)])
def test_the_check_of_texts_sees_an_overlap_and_one_outside(place):
    figure = Figure()
    figure.text(0.5, 0.5, "one")
    figure.text(*place, "another")
    with pytest.raises(AssertionError):
        assert_texts_apart(figure)


#: What the panels of the figures draw of a row: a value with its interval, if it has one.
DRAWN = {
    ("speed_up", 0): lambda row, _: row.speed_up,
    ("time", 0): lambda row, _: row.seconds_per_call.times(1e3),
    ("first_call_and_memory", 0): lambda row, found: found.first_calls[row.case],
    ("first_call_and_memory", 1): lambda row, found: Interval(found.peak_bytes[row.case] / 2**20),
}


@pytest.mark.parametrize(("name", "panel"), DRAWN)
def test_points_and_bars_are_the_findings_and_a_strategy_has_itslook(tmp_path, name, panel):
    found = _found(tmp_path, journals.grid(FEW, phases=("forward",)))
    axes = figures.of_run(found)[name].findobj(Axes)[panel]
    bars = [sorted(bar[:, 1]) for one in axes.collections for bar in one.get_segments() if len(bar)]
    for strategy in FEW:
        rows = [row for one in found.rankings for row in one.rows if row.case.strategy == strategy]
        rows.sort(key=lambda row: row.case.setting)
        told = [DRAWN[name, panel](row, found) for row in rows]
        assert _points(axes)[look(strategy)] == pytest.approx([one.value for one in told])
        has_bars = (name, panel) != ("first_call_and_memory", 1)
        for ends in (pytest.approx([one.low, one.high]) for one in told if has_bars):
            assert any(bar == ends for bar in bars)


def test_axes_have_units_and_panels_name_their_settings(tmp_path):
    drawn = figures.of_run(_found(tmp_path, journals.grid(FEW) + journals.grid(FEW, mode=Mode.XLA)))
    assert list(panels(drawn["time"])) == [
        f"tokens, batch 8, {phase}, {mode}"
        for phase in ("forward", "backward")
        for mode in ("graph", "xla")
    ]
    labels = [{axes.get_ylabel() for axes in one.findobj(Axes)} - {""} for one in drawn.values()]
    assert {"times as fast"} in labels
    assert {"time per call (ms)"} in labels
    assert {"first call (s)", "peak memory (MiB)"} in labels
    assert "Times as fast as time_distributed" in _words(drawn["speed_up"])
    assert legend(drawn["speed_up"]) == list(FEW)


def test_one_length_is_drawn_as_dots_with_the_best_on_top(tmp_path):
    cases = journals.grid(FEW, seq_lens=(8,), phases=("forward",))
    drawn = figures.of_run(_found(tmp_path, cases))
    for name in ("time", "speed_up"):
        axes = panels(drawn[name])["tokens, length 8, batch 8, forward, graph"]
        names = [text.get_text() for text in axes.get_yticklabels()]
        assert names == ["native", "time_distributed", "loop_slice"]
        assert axes.get_ylim()[0] > axes.get_ylim()[1]
        assert _points(axes)[look("native")] == [0]


def test_a_strategy_that_a_panel_lacks_is_drawn_in_the_others(tmp_path):
    cases = journals.grid(FEW, phases=("forward",)) + journals.grid(FEW[:2], phases=("backward",))
    figure = figures.of_run(_found(tmp_path, cases))["time"]
    forward, backward = panels(figure).values()
    assert set(_points(forward)) == {look(name) for name in FEW}
    assert set(_points(backward)) == {look(name) for name in FEW[:2]}


def test_more_panels_than_there_is_room_for_make_a_file_of_each_workload(tmp_path, monkeypatch):
    assert figures.MOST_PANELS == 24
    monkeypatch.setattr(figures, "MOST_PANELS", 4)
    cases = journals.grid(FEW[:2], ("a", "a "), (8, 16), (1, 2, 4))
    drawn = figures.of_run(_found(tmp_path, cases, launches=1))
    speed_ups = [name for name in drawn if name.startswith("speed_up")]
    assert speed_ups == ["speed_up-a", "speed_up-a-2"]
    for name in speed_ups:
        assert len(panels(drawn[name])) == 4
        assert not [title for title in panels(drawn[name]) if "batch 1," in title]
        assert "4 of 6 panels, the largest batches" in _words(drawn[name])


def test_one_launch_has_no_bar_and_says_so(tmp_path):
    figure = figures.of_run(_found(tmp_path, journals.grid(FEW), launches=1))["time"]
    assert "no intervals" in _words(figure)


def test_an_interval_that_reaches_far_leaves_the_panel_and_does_not_flatten_it(tmp_path):
    figure = figures.of_run(_found(tmp_path, journals.grid(FEW), launches=2, noise=0.2))["speed_up"]
    for axes in figure.findobj(Axes):
        low, high = axes.get_ylim()
        assert max(bar[:, 1].max() for one in axes.collections for bar in one.get_segments()) > high
        assert high / low < 1e3


def test_what_is_not_known_has_no_figure(tmp_path):
    cases = journals.grid(("native", "conv1d_pointwise"))
    lines = [journals.line(case, facts={}) for case in cases]
    path = journals.write(tmp_path / "bare", journals.header(), *lines)
    assert set(figures.of_run(RunFindings(results.load(path)))) == {"time"}
    nothing = dataclasses.replace(results.load(path), measurements=())
    assert figures.of_run(RunFindings(nothing)) == {}


def test_strange_names_are_drawn_as_they_are(tmp_path):
    names = ["$\\frac", "_hidden", "名前", "a\x1b[31mb", "<b>&amp;</b>"]
    axes = {"seq_lens": (8, 64), "phases": ("forward",), "device": "\x1b[2J"}
    found = _found(tmp_path, journals.grid(names, ["$x_"], **axes))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = figures.of_run(found)
        paths = sheet.save(drawn, tmp_path / "deep" / "figures", tmp_path)
    assert set(legend(drawn["time"])) == {"$\\frac", "_hidden", "名前", "a�[31mb", "<b>&amp;</b>"}
    assert [path.name for path in paths if path.stem == "time"] == ["time.svg", "time.png"]
    svg = next(path for path in paths if path.name == "time.svg").read_text()
    assert "&lt;b&gt;&amp;amp;&lt;/b&gt;" in svg
    assert "\x1b" not in svg


def test_every_known_strategy_has_its_own_look():
    assert len({*looks_of(CATALOGUE).values()}) == len(CATALOGUE)


#: Written down so that no later version changes a colour that readers have learnt.
LOOKS = {
    "time_distributed": ("#c31e0f", "o"),
    "native": ("#3c96ff", "s"),
    "fold_time": ("#2d9678", "^"),
    "rnn_cell": ("#5a3cff", "X"),
    "fold_chunks": ("#c31e0f", ">"),
    "tf_keras_time_distributed": ("#5a3cff", ">"),
    "my_own_way": ("#908400", "^"),
}
#: They were searched to be apart for readers with one kind of cone missing, on white and on black,
#: so none is changed by itself.
PALETTE = (
    "#c31e0f #3c96ff #2d9678 #b400b4 #ff3c00 #ff3cc3 #5a3cff #4b6969",
    "#7860d8 #d86c90 #9c5490 #9084c0 #908400 #d860f0",
)


def test_a_strategy_keeps_its_look_for_ever():
    assert {name: look(name) for name in LOOKS} == LOOKS
    assert (" ".join(COLOURS), " ".join(OWN_COLOURS)) == PALETTE


@given(st.sampled_from([*CATALOGUE, "my_own_way"]), st.text(max_size=12))
def test_a_variant_shares_the_colour_of_its_base_and_nothing_else(base, inside):
    variant, plain = alone(f"{base}[{inside}]"), alone(base)
    assert variant.colour == plain.colour
    assert variant.marker != plain.marker
    assert variant.dash != plain.dash


@given(st.sets(st.text(), min_size=1))
def test_own_strategies_have_colours_of_their_own_each_another_while_there_are_some(names):
    own = {name.partition("[")[0] or name for name in names} - {*CATALOGUE}
    together = looks_of([*own, *CATALOGUE])
    colours = {together[name].colour for name in own}
    assert colours <= {*OWN_COLOURS} - {*COLOURS}
    assert len(colours) == min(len(own), len(OWN_COLOURS))
    if len({alone(name).colour for name in own}) == len(own):  # none gives way to another
        assert all(together[name] == alone(name) for name in own)
