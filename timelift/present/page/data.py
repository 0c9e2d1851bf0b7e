"""What the page's script draws from: settings, rows and prices as columns of small numbers.

Strategies, settings and words stand once, and columns name them by their places. Times are in
microseconds, first calls in seconds, memory in MiB; a number has four significant digits. The
script has no words of its own: it is sent those of what was measured ready to show, and the others
with places for what a reader chooses.
"""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.markers import MarkerStyle

from timelift.analyse.estimates import Interval
from timelift.analyse.findings import RunFindings
from timelift.analyse.ranking import RankedCase, Ranking
from timelift.analyse.recommend import Answer, Price, Recommendation
from timelift.case import AXES, BACKEND_THREADS, SIZES, Setting, Status
from timelift.escape import NAME_LIMIT, plain
from timelift.present.answer import known_as
from timelift.present.figures.looks import legend_order, line_style
from timelift.present.page import page_words
from timelift.present.page.page_words import TEXT_LIMIT, name_on_page
from timelift.present.usage import Code, CodeToPaste, Inputs
from timelift.present.words import (
    MEBIBYTES,
    axis_title,
    in_brackets,
    meaning_in_words,
    time_in_words,
    times_to_hundredths,
    value_in_words,
    with_mark,
)

#: The values of the rarer axes that a setting's words leave out.
_USUAL = {
    field.name: field.default
    for field in dataclasses.fields(Setting)
    if field.name in {"lengths", "gradients", "time_axis", "dtype", "threads"}
}


def as_json(found: RunFindings, code: CodeToPaste) -> str:
    """Return the data as JSON that is text inside a page."""
    return inside_html(page_data(found, code))


def inside_html(fields: Mapping[str, object]) -> str:
    """Write JSON in which nothing ends a script or begins a comment, a line for every field."""
    lines = (f"{_json(key)}:{_json(value)}" for key, value in fields.items())
    return "{" + ",\n".join(lines) + "}"


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def page_data(found: RunFindings, code: CodeToPaste) -> dict[str, Any]:
    lost = [one for one in found.run.measurements if one.status is not Status.MEASURED]
    settings = sorted({one.setting for one in found.rankings} | {one.case.setting for one in lost})
    names = legend_order(
        [row.case.strategy for one in found.rankings for row in one.all_rows]
        + [one.case.strategy for one in lost]
    )
    place = {name: number for number, name in enumerate(names)}
    rankings = {one.setting: one for one in found.rankings}
    losses = page_words.losses(lost)
    axes = {axis: sorted({getattr(one, axis) for one in settings}) for axis in AXES}
    return {
        "words": page_words.WORDS,
        "units": page_words.UNITS,
        "axes": [_axis(axis, values) for axis, values in axes.items()],
        "along": along(settings),
        "strategies": [_strategy(name, found, code.strategies.get(name)) for name in names],
        "settings": _columns(
            {axis: values.index(getattr(one, axis)) for axis, values in axes.items()}
            | _setting(rankings.get(one), found.recommendation_by_setting.get(one), place)
            | {
                "unusual": len(one.unusual),
                "lost": losses.get(one, []),
                "inputs": _fields(code.inputs.get(one)),
            }
            for one in settings
        ),
        "rows": _columns(
            {"setting": number, "strategy": place[row.case.strategy]}
            | _row(row, rankings[setting], found)
            for number, setting in enumerate(settings)
            if setting in rankings
            for row in rankings[setting].all_rows
        ),
        "facts": page_words.FACTS,
        "prices": [
            {
                "workload": name_on_page(workload),
                "strategies": _columns(
                    _price(price, answer, place) for price in answer.single.prices
                ),
                "advised": [place[name] for name in answer.strategies],
            }
            for workload, answer in found.answers.items()
        ],
        "advised": [place[one] for one in found.answer.strategies] if found.answer else [],
    }


def _columns(records: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return records of the same fields as columns; none where there is no record."""
    columns: dict[str, list[Any]] = {}
    for record in records:
        for name, value in record.items():
            columns.setdefault(name, []).append(value)
    return columns


def along(settings: Sequence[Setting]) -> str:
    """Return the axis that charts have along them: length, or batch where that alone varies."""
    lengths, batches = ({getattr(one, axis) for one in settings} for axis in SIZES)
    return "batch" if len(lengths) == 1 and len(batches) > 1 else "seq_len"


def _axis(axis: str, values: Sequence[Any]) -> dict[str, Any]:
    """Return an axis with title, values, words for these, and what goes without saying.

    `choices` are the words beside the title of the axis.
    """
    return {
        "name": axis,
        "title": axis_title(axis),
        "values": [_shown(one) for one in values],
        "words": [_in_words(axis, one) for one in values],
        "choices": [_to_choose(axis, one) for one in values],
        "usual": _USUAL.get(axis),
    }


def _shown(value: object) -> object:
    return value if isinstance(value, int) else plain(value, NAME_LIMIT)


def _to_choose(axis: str, value: object) -> object:
    return "default" if (axis, value) == ("threads", BACKEND_THREADS) else _shown(value)


def _in_words(axis: str, value: object) -> str:
    words = plain(value_in_words(axis, value), NAME_LIMIT)
    return words.replace("_", " ") if axis == "gradients" else words


def _strategy(name: str, found: RunFindings, code: Code | None) -> dict[str, Any]:
    entry = found.run.header.strategies.get(name)
    return {
        "name": name_on_page(name),
        "known": name_on_page(known_as(name)),
        "marked": with_mark(name_on_page(name), is_look_alike=name in found.look_alikes),
        **_look(name),
        "title": plain(entry.title or "", TEXT_LIMIT) if entry else "",
        "differs": plain(found.look_alikes.get(name, ""), TEXT_LIMIT),
        "meaning": meaning_in_words(entry.meaning) if entry else [],
        "code": _fields(code),
    }


def _fields(piece: Code | Inputs | None) -> dict[str, str] | None:
    return piece._asdict() if piece else None


def _look(name: str) -> dict[str, Any]:
    """Return the look that a strategy has in every figure.

    `mark` is a list of outlines, each a flat list of x and y in units of the mark's width.
    """
    drawn = line_style(name)
    dash = drawn.dash[1] or ()
    return {
        "colour": drawn.colour,
        "dash": " ".join(f"{1.6 * one:g}" for one in dash),
        "mark": _outlines(drawn.marker),
    }


def _outlines(marker: str) -> list[list[float]]:
    style = MarkerStyle(marker)
    path = style.get_path().transformed(style.get_transform())
    outlines = (np.asarray(one) * (1, -1) for one in path.to_polygons(closed_only=False))
    return [[round(float(one), 2) for one in outline.ravel()] for outline in outlines]


def _setting(
    ranking: Ranking | None, best: Recommendation | None, place: Mapping[str, int]
) -> dict[str, Any]:
    """Return the places of a setting's baseline and of what to write in it, and that in words.

    `beside` is the strategy that its rows are told beside. Of `lead` every other part is a name;
    `fastest` is what is said of the fastest.
    """
    return {
        "baseline": place.get(ranking.baseline, -1) if ranking else -1,
        "beside": place[page_words.base_row(ranking).case.strategy] if ranking else -1,
        "write": place[best.strategy] if best else -1,
        "lead": page_words.lead(ranking, best),
        "fastest": page_words.fastest(ranking),
    }


def _row(row: RankedCase, ranking: Ranking, found: RunFindings) -> dict[str, Any]:
    case, gain = row.case, page_words.gain(row, ranking)
    first_call = found.first_calls.get(case)
    return {
        "lift": int(row.rank_low > 0),
        **_interval("time", row.seconds_per_call.times(1e6)),
        "call": time_in_words(row.seconds_per_call.value),
        **_interval("times", row.speed_up or Interval(math.nan)),
        "gain": times_to_hundredths(gain.value),
        "gain_interval": in_brackets(gain, times_to_hundredths),
        "beside": page_words.beside(row, ranking),
        "cost": _at_most(row.cost_over_best.high),
        "first": _digits(first_call.value) if first_call else None,
        "peak": _digits(found.peak_bytes.get(case, math.nan) / MEBIBYTES.size),
        "front": int(row in found.pareto_fronts[case.setting]),
        "facts": [*page_words.facts(row, found)],
    }


def _interval(name: str, interval: Interval) -> dict[str, float | None]:
    return {
        name: _digits(interval.value),
        f"{name}_low": _digits(interval.low),
        f"{name}_high": _digits(interval.high),
    }


def _price(price: Price, answer: Answer, place: Mapping[str, int]) -> dict[str, Any]:
    """Return what a strategy costs over the best in a workload.

    `worst` holds for every setting of the workload, `typical` is the median over them. `ends` and
    `title` are the same in words.
    """
    return {
        "strategy": place[price.strategy],
        "typical": _digits(price.typical),
        "worst": _at_most(price.ratio),
        "ends": page_words.worst(price, answer),
        "title": page_words.price_title(price, answer),
    }


def _digits(value: float) -> float | int | None:
    """Return a number with four significant digits, None for one that is not known."""
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.4g}")
    return int(rounded) if rounded.is_integer() else rounded


def _at_most(ratio: float) -> float | int | None:
    """Return a bound with four significant digits, rounded up."""
    if not math.isfinite(ratio):
        return None
    step = 10.0 ** (math.floor(math.log10(ratio)) - 3)
    return _digits(step * math.ceil(round(ratio / step, 6)))
