"""The figure of the rules: its lines are the shares, and every name is inside."""

import itertools

import pytest

from studies.other_tools import __main__ as door
from studies.other_tools import picture
from studies.other_tools.rules import AS_USED
from tests import journals
from timelift.analyse.runs import results
from timelift.analyse.selftest import planted
from timelift.analyse.selftest.recording import record
from timelift.analyse.selftest.score import score
from timelift.errors import UserError


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """What the rules as people use them make of a synthetic self-test."""
    path = journals.selftest(tmp_path_factory.mktemp("run") / "run.jsonl", launches=5)
    recording = record(planted.contests(results.load(path)))
    return [score(rule, [recording]) for rule in AS_USED]


def test_the_lines_are_the_shares_that_were_found(scores):
    """In per cent, from the smallest slow-down to the largest; speed-ups are not drawn."""
    (axes,) = picture.draw(scores).axes
    assert len(axes.lines) == len(AS_USED) == 5
    for line, one in zip(axes.lines, scores, strict=True):
        assert line.get_xdata() == pytest.approx([2, 3, 5, 10])
        steps = sorted(step for step in one.found if step > 0)
        assert line.get_ydata() == pytest.approx([100 * one.found[step].value for step in steps])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_name_is_inside_the_figure_and_on_no_other(scores, theme):
    """With the false alarms of its rule."""
    figure = picture.draw(scores, theme)
    figure.canvas.draw()
    (axes,) = figure.axes
    names = [text for text in axes.texts if "false alarms" in text.get_text()]
    assert len(names) == len(scores)
    boxes = [text.get_window_extent() for text in names]
    whole = figure.bbox
    assert all(whole.x0 <= box.x0 and box.x1 <= whole.x1 for box in boxes)
    boxes.sort(key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 + 1 for low, high in itertools.pairwise(boxes))


def test_the_command_writes_it(tmp_path, capsys):
    """Beside the table."""
    path = journals.selftest(tmp_path / "run.jsonl", launches=3)
    assert door.main([str(path), "--figure", str(tmp_path / "power.png")]) == 0
    assert (tmp_path / "power.png").read_bytes().startswith(b"\x89PNG")
    assert "timelift" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["gone/power.png", "power.nonsense"])
def test_a_figure_that_cannot_be_written_is_a_sentence(scores, tmp_path, name):
    """A folder that is not there, a format that nobody knows."""
    with pytest.raises(UserError, match="--figure: cannot write"):
        picture.save(picture.draw(scores), tmp_path / name)
