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
from timelift.analyse.ranking import Ranking
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
    losses = page_words.losses(lost)
    return {
        "words": page_words.WORDS,
        "units": page_words.UNITS,
        "axes": _axes(settings),
        "along": along(settings),
        "strategies": [_strategy(name, found, code.strategies.get(name)) for name in names],
        "settings": {
            **_settings(settings, found, place),
            "lost": [losses.get(one, []) for one in settings],
            "inputs": [_fields(code.inputs.get(one)) for one in settings],
        },
        "rows": _rows(found, {one: number for number, one in enumerate(settings)}, place),
        "facts": page_words.FACTS,
        "prices": _prices(found, place),
        "advised": [place[one] for one in found.answer.strategies] if found.answer else [],
    }


def along(settings: Sequence[Setting]) -> str:
    """Return the axis that charts have along them: length, or batch where that alone varies."""
    lengths, batches = ({getattr(one, axis) for one in settings} for axis in SIZES)
    return "batch" if len(lengths) == 1 and len(batches) > 1 else "seq_len"


def _axes(settings: Sequence[Setting]) -> list[dict[str, Any]]:
    """Return the axes with titles, values, words for these, and what goes without saying.

    `choices` are the words beside the title of the axis.
    """
    return [
        {
            "name": axis,
            "title": axis_title(axis),
            "values": [_shown(one) for one in _values(axis, settings)],
            "words": [_in_words(axis, one) for one in _values(axis, settings)],
            "choices": [_to_choose(axis, one) for one in _values(axis, settings)],
            "usual": _USUAL.get(axis),
        }
        for axis in AXES
    ]


def _values(axis: str, settings: Iterable[Setting]) -> list[Any]:
    return sorted({getattr(one, axis) for one in settings})


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
        "marked": name_on_page(name) + (" (no lift)" if found.look_alikes.get(name) else ""),
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


def _settings(
    settings: Sequence[Setting], found: RunFindings, place: Mapping[str, int]
) -> dict[str, list[Any]]:
    """Return for every setting the places of its values, its baseline and what to write in it.

    `beside` is the strategy that its rows are told beside. `lead` is what to write in words, every
    other part a name; `fastest` is what is said of the fastest.
    """
    rankings = {one.setting: one for one in found.rankings}
    best = found.recommendation_by_setting
    columns: dict[str, list[Any]] = {}
    for axis in AXES:
        values = {one: number for number, one in enumerate(_values(axis, settings))}
        columns[axis] = [values[getattr(one, axis)] for one in settings]
    bases = (rankings[one].baseline if one in rankings else "" for one in settings)
    columns["baseline"] = [place.get(name, -1) for name in bases]
    columns["beside"] = [_beside(rankings.get(one), place) for one in settings]
    columns["write"] = [place[best[one].strategy] if one in best else -1 for one in settings]
    columns["unusual"] = [len(one.unusual) for one in settings]
    columns["lead"] = [page_words.lead(rankings.get(one), best.get(one)) for one in settings]
    columns["fastest"] = [page_words.fastest(rankings.get(one)) for one in settings]
    return columns


def _beside(ranking: Ranking | None, place: Mapping[str, int]) -> int:
    return place[page_words.base_row(ranking).case.strategy] if ranking else -1


def _rows(
    found: RunFindings, where: Mapping[Setting, int], place: Mapping[str, int]
) -> dict[str, list[Any]]:
    """Return a row a measurement, settings in order, the fastest first."""
    rows = [(ranking, row) for ranking in found.rankings for row in ranking.all_rows]
    cases = [row.case for _, row in rows]
    fronts = found.pareto_fronts
    gains = [page_words.gain(row, ranking) for ranking, row in rows]
    return {
        "setting": [where[case.setting] for case in cases],
        "strategy": [place[case.strategy] for case in cases],
        "lift": [int(row.rank_low > 0) for _, row in rows],
        **_intervals("time", [row.seconds_per_call.times(1e6) for _, row in rows]),
        "call": [time_in_words(row.seconds_per_call.value) for _, row in rows],
        **_intervals("times", [row.speed_up for _, row in rows]),
        "gain": [times_to_hundredths(one.value) for one in gains],
        "gain_interval": [in_brackets(one, times_to_hundredths) for one in gains],
        "beside": [page_words.beside(row, ranking) for ranking, row in rows],
        "cost": [_at_most(row.cost_over_best.high) for _, row in rows],
        "first": [
            _digits(found.first_calls[case].value) if case in found.first_calls else None
            for case in cases
        ],
        "peak": [_digits(found.peak_bytes.get(case, math.nan) / MEBIBYTES.size) for case in cases],
        "front": [int(row in fronts.get(ranking.setting, ())) for ranking, row in rows],
        "facts": [[*page_words.facts(row, found)] for _, row in rows],
    }


def _intervals(name: str, intervals: Sequence[Interval | None]) -> dict[str, list[Any]]:
    """Return columns of the values and of both ends."""
    ends = {name: "value", f"{name}_low": "low", f"{name}_high": "high"}
    return {
        column: [_digits(getattr(one, end)) if one else None for one in intervals]
        for column, end in ends.items()
    }


def _prices(found: RunFindings, place: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return what each strategy costs over the best, by workload.

    `worst` holds for every setting of the workload, `typical` is the median over them. `ends` and
    `title` are the same in words.
    """
    return [
        {
            "workload": name_on_page(workload),
            "strategy": [place[price.strategy] for price in answer.single.prices],
            "typical": [_digits(price.typical) for price in answer.single.prices],
            "worst": [_at_most(price.ratio) for price in answer.single.prices],
            "ends": [page_words.worst(price, answer) for price in answer.single.prices],
            "title": [page_words.price_title(price, answer) for price in answer.single.prices],
            "advised": [place[name] for name in answer.strategies],
        }
        for workload, answer in found.answers.items()
    ]


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
