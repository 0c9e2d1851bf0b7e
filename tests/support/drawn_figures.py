"""What a figure shows: its panels, legends, looks and texts."""

import itertools

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.legend import Legend
from matplotlib.text import Text

from timelift.present.figures.looks import looks_of


def panels(figure):
    """The panels of a figure, by their titles on one line with plain blanks."""
    return {" ".join(axes.get_title("left").split()): axes for axes in figure.findobj(Axes)}


def legend(figure):
    return [text.get_text() for text in figure.findobj(Legend)[0].get_texts()]


def alone(strategy):
    return looks_of([strategy])[strategy]


def look(strategy):
    return alone(strategy).colour, alone(strategy).marker


def assert_texts_apart(figure):
    FigureCanvasAgg(figure).draw()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    for (one, box), (other, next_box) in itertools.combinations(boxes, 2):
        across = min(box.x1, next_box.x1) - max(box.x0, next_box.x0)
        up = min(box.y1, next_box.y1) - max(box.y0, next_box.y0)
        assert across <= 1 or up <= 1, (one, other)
    for text, box in boxes:
        assert min(box.x0, box.y0) >= 0, text
        assert box.x1 <= figure.bbox.x1, text
        assert box.y1 <= figure.bbox.y1, text
