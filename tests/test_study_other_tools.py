"""Other tools' rules: counts where the truth is known, and what the command prints or refuses."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text

from studies import other_tools
from studies.other_rules import AS_USED, LaunchesSeen, Rule
from tests import journals
from timelift.analyse.runs import results
from timelift.analyse.selftest import recording
from timelift.analyse.selftest.recording import record
from timelift.analyse.selftest.score import Judgement, Proportion
from timelift.errors import UserError


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """A self-test of four groups of nine rivals, four launches."""
    path = tmp_path_factory.mktemp("run") / "selftest.jsonl"
    return journals.selftest(path, sizes=2, launches=4, rounds=24)


@pytest.fixture(scope="module")
def recorded(journal):
    """Its samples."""
    return record(recording.twin_groups(results.load(journal)))


def always(name, sign, *, knows_faster=True):
    """A rule that finds the same everywhere and looks at one launch."""

    def judge(of):
        return Judgement(np.full(len(of.truth), sign), np.isfinite(LaunchesSeen(1).look(of.sides)))

    return Rule(name, LaunchesSeen(1), judge, knows_faster)


def test_identical_rivals_meet_each_other_and_others_meet_the_base(recorded):
    assert len(recorded.truth) == 4 * 9
    assert (recorded.truth == 0).sum() == 4 * 3
    assert np.isnan(recorded.truth).sum() == 4
    group = recorded.group[recorded.pairs]
    assert (group[:, 0] == group[:, 1]).all()
    logs = np.log(recorded.sides)
    effect = np.median(logs[:, 1] - logs[:, 0], axis=(1, 2))
    steady = np.isfinite(recorded.truth)
    assert np.abs(effect - recorded.truth)[steady].max() < 0.02
    assert recorded.setup_seconds == pytest.approx(0.5)
    assert (recorded.calls_per_sample == 2).all()


@pytest.mark.parametrize("fact", ["0.3", None, True, -1, 1e300, [1]])
def test_a_price_that_is_no_number_of_seconds_is_unknown(tmp_path, fact):
    names = ("native", "native@copy")
    facts = {"build_seconds": fact, "first_call_seconds": 0.25}
    lines = [journals.line(journals.case(name), facts=facts) for name in names]
    path = journals.write(tmp_path / "run.jsonl", journals.selftest_header(["native"]), *lines)
    found = record(recording.twin_groups(results.load(path)))
    assert found.setup_seconds.tolist() == [[0.25], [0.25]]


def test_a_recording_that_would_fill_the_memory_is_refused(journal, monkeypatch):
    groups = recording.twin_groups(results.load(journal))
    samples = 4 * 36 * 4 * 24
    monkeypatch.setattr(recording, "MOST_SAMPLES", samples)
    assert record(groups).pairs.shape == (36, 2)
    monkeypatch.setattr(recording, "MOST_SAMPLES", samples - 1)
    with pytest.raises(UserError, match=f"received {samples:,}"):
        record(groups)


def test_a_rule_that_always_finds_slower_is_right_and_wrong(recorded):
    (found,) = other_tools.scored([always("slower", 1.0)], [recorded, recorded]).values()
    assert found.false_alarms == Proportion(24, 24)
    assert found.one_in_n == Proportion(8, 8)
    assert found.wrong_way == Proportion(8, 40)
    steps = {round(100 * math.expm1(step)): share for step, share in found.found.items()}
    assert steps == {-5: Proportion(0, 8), **dict.fromkeys((2, 3, 5, 10), Proportion(8, 8))}
    assert found.tries == 72


def test_a_rule_that_cannot_be_tried_has_no_score_and_no_row(recorded):
    never, nothing = always("never", math.nan), always("nothing", 0.0)
    scores = other_tools.scored([never], [recorded])
    assert scores[never].tries == 0
    assert math.isnan(scores[never].false_alarms.value)
    assert list(other_tools.rows(scores)) == []
    both = other_tools.scored([never, nothing], [recorded])
    assert [row[0] for row in other_tools.rows(both)] == ["comparisons", "nothing"]


@pytest.mark.parametrize(
    ("hits", "tries", "bound"),
    [(0, 100, 1 - 0.05**0.01), (3, 900, 0.00859), (100, 100, 1.0), (0, 0, 1.0)],
)
def test_the_bound_is_clopper_and_pearsons(hits, tries, bound):
    share = Proportion(hits, tries)
    assert share.at_most == pytest.approx(bound, rel=2e-3)
    if hits < tries:
        p = share.at_most
        so_few = sum(math.comb(tries, i) * p**i * (1 - p) ** (tries - i) for i in range(hits + 1))
        assert so_few == pytest.approx(0.05)


TABLE = """\
rule          processes       false alarms   at most   one in N    +2 %    +3 %    +5 %   +10 %    -5 %   wrong way   seconds
comparisons                             12                    4       4       4       4       4       4          20
slower        1 for both   100 % (12 of 12)     100 %      100 %   100 %   100 %   100 %   100 %       -           4       1.1
nothing       1 for both      0 % (0 of 12)      22 %        0 %     0 %     0 %     0 %     0 %     0 %           0       1.1"""  # noqa: E501


def test_the_table_is_aligned_and_markdown_has_the_same_cells(recorded, capsys):
    rules = [always("slower", 1.0, knows_faster=False), always("nothing", 0.0)]
    scores = other_tools.scored(rules, [recorded])
    board, rows = other_tools.board(scores), list(other_tools.rows(scores))
    assert board.show(rows) == 0
    lines = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert [line.split() for line in lines] == [line.split() for line in TABLE.splitlines()]
    assert {line.index("1 for both") for line in lines[2:]} == {lines[0].index("processes")}
    cells = [[cell.strip() for cell in one.split("|")[1:-1]] for one in board.markdown(rows)]
    assert cells[2:] == rows
    assert set(cells[1]) == {"---", "---:"}


def test_the_command_prints_every_rule(journal, capsys):
    assert other_tools.main([str(journal)]) == 0
    said = capsys.readouterr().out
    for tool in ("median:5%", "mean:10%", "±2 % at 95 %", "asv, U test", "pyperf compare_to"):
        assert tool in said
    assert said.endswith(other_tools.LEGEND)
    assert other_tools.main([str(journal), str(journal), "--markdown"]) == 0
    table = [line.split(" | ") for line in capsys.readouterr().out.splitlines()]
    ours = dict(zip(table[0], next(row for row in table if row[0] == "| timelift"), strict=True))
    assert ours["false alarms"] == "0 % (0 of 24)"
    assert ours["+10 %"] == "100 %"


def test_a_wrong_twin_is_named_and_the_others_are_tried(tmp_path, capsys):
    header = journals.selftest_header(["native"])
    header["strategies"]["native@+5%"]["planted"]["slower"] = "much"
    cases = [journals.case(name) for name in header["strategies"]]
    lines = [journals.line(case, launch) for case in cases for launch in (1, 2, 3)]
    path = journals.write(tmp_path / "run.jsonl", header, *lines)
    assert other_tools.main([str(path)]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("warning: native@+5%: planted.slower: expected a number")
    assert "+10 %" in said.out
    assert "+5 % " not in said.out.splitlines()[0]


# The figure --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scores(recorded):
    """What the rules as people use them make of it."""
    return other_tools.scored(AS_USED, [recorded])


def test_the_lines_are_the_shares_that_were_found(scores):
    (axes,) = other_tools.draw(scores).axes
    assert len(axes.lines) == len(AS_USED) == 5
    for line, one in zip(axes.lines, scores.values(), strict=True):
        assert line.get_xdata() == pytest.approx([2, 3, 5, 10])
        steps = sorted(step for step in one.found if step > 0)
        assert line.get_ydata() == pytest.approx([100 * one.found[step].value for step in steps])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_name_is_inside_the_figure_and_on_no_other(scores, theme):
    figure = other_tools.draw(scores, theme)
    figure.canvas.draw()
    (axes,) = figure.axes
    names = [text for text in axes.texts if "false alarms" in text.get_text()]
    assert len(names) == len(scores)
    boxes = [text.get_window_extent() for text in names]
    whole = figure.bbox
    assert all(whole.x0 <= box.x0 and box.x1 <= whole.x1 for box in boxes)
    bottoms = sorted(axes.transAxes.transform((0, text.xyann[1]))[1] for text in names)
    height = max(Text.get_window_extent(text).height for text in names)  # without its pointer
    assert min(np.diff(bottoms)) >= height


def test_the_command_writes_the_figure_or_ends_with_a_sentence(journal, tmp_path, capsys):
    assert other_tools.main([str(journal), "--figure", str(tmp_path / "power.png")]) == 0
    assert (tmp_path / "power.png").read_bytes().startswith(b"\x89PNG")
    for name in ("gone/power.png", "power.nonsense"):
        assert other_tools.main([str(journal), "--figure", str(tmp_path / name)]) == 1
        assert "--figure: cannot write" in capsys.readouterr().err


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30))
def test_labels_are_spread_in_order_and_apart(wanted):
    placed = other_tools.spread(wanted, 10)
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(np.array(placed)[order]) >= 10 - 1e-6).all()
    if (np.diff(np.sort(wanted)) >= 10).all():
        assert placed == pytest.approx(wanted)
    assert np.mean(placed) == pytest.approx(np.mean(wanted), abs=1e-6)
