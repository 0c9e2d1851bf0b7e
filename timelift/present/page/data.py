"""The data of the page's script: settings, rows and prices as columns of small numbers.

Strategies, settings and words stand once, and columns name them by their positions. Times are in
microseconds, first calls in seconds, memory in MiB; a number has four significant digits. The
script has no words of its own: `page_words` has all of them.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.markers import MarkerStyle

from timelift.analyse.estimates import Interval
from timelift.analyse.findings import PAIRED, RunFindings
from timelift.analyse.ranking import RankedCase, Ranking
from timelift.analyse.recommend import Recommendation, recommend_by
from timelift.case import AXES, BACKEND_THREADS, SIZES, Setting
from timelift.escape import NAME_LIMIT, plain
from timelift.present import words
from timelift.present.answer import known_as
from timelift.present.figures.looks import COLOURS, LineStyle, looks_of
from timelift.present.meaning import changed_in_training
from timelift.present.page import page_words
from timelift.present.page.page_words import TEXT_LIMIT, name_on_page
from timelift.present.usage import Code, CodeToPaste


def inside_html(fields: Mapping[str, object]) -> str:
    """Write JSON, a line a field, in which nothing ends a script of HTML or begins a comment."""
    lines = (f"{_json(key)}:{_json(value)}" for key, value in fields.items())
    return "{" + ",\n".join(lines) + "}"


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def page_data(findings: RunFindings, code: CodeToPaste) -> dict[str, Any]:
    """Return the data of the page; lists of numbers are positions in other lists."""
    cases = findings.run.by_case
    settings = sorted({case.setting for case in cases})
    looks = looks_of(case.strategy for case in cases)
    places = {name: place for place, name in enumerate(looks)}
    axes = {axis: sorted({getattr(setting, axis) for setting in settings}) for axis in AXES}
    return {
        "words": page_words.WORDS,
        "units": page_words.UNITS,
        "axes": [_axis(axis, values) for axis, values in axes.items()],
        "along": along(settings),
        "strategies": [
            _strategy(name, findings, code.strategies.get(name)) | _style_of(look)
            for name, look in looks.items()
        ],
        "settings": _columns(
            {axis: values.index(getattr(setting, axis)) for axis, values in axes.items()} | own
            for setting, own in _settings(settings, places, findings, code)
        ),
        "rows": _columns(_rows(settings, places, findings)),
        "facts": page_words.FACTS,
        "prices": [_prices(title, answer, places) for title, answer in _priced(findings)],
        "advised": [places[findings.answer.strategy]] if findings.answer else [],
    }


def _columns(records: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return records of the same fields as columns; none where there is no record."""
    columns: dict[str, list[Any]] = {}
    for record in records:
        for name, value in record.items():
            columns.setdefault(name, []).append(value)
    return columns


def along(settings: Sequence[Setting]) -> str:
    """Return the horizontal axis of the charts: length, or batch if that alone varies."""
    lengths, batches = ({getattr(setting, axis) for setting in settings} for axis in SIZES)
    return "batch" if len(lengths) == 1 and len(batches) > 1 else "seq_len"


def _axis(axis: str, values: Sequence[Any]) -> dict[str, Any]:
    """Return an axis: its title, its values, and these in words.

    `choices` are words for a control that has the title beside it; words of a setting leave out the
    `usual` value.
    """
    return {
        "name": axis,
        "title": words.axis_title(axis),
        "values": [_shown(value) for value in values],
        "words": [_in_words(axis, value) for value in values],
        "choices": [_choice(axis, value) for value in values],
        "usual": None if _is_told(axis, values) else AXES[axis].usual,
        "compared": axis in PAIRED,
    }


def _is_told(axis: str, values: Sequence[Any]) -> bool:
    """True if the words of a setting name even the usual value, as of execution and dtype.

    Most runs have the usual runtime alone, which is told beside others.
    """
    if axis == "runtime":
        return len(values) > 1
    return (AXES[axis].is_execution and axis != "machine") or axis == "dtype"


def _shown(value: object) -> object:
    return value if isinstance(value, int) else plain(value, NAME_LIMIT)


def _choice(axis: str, value: object) -> object:
    return "default" if (axis, value) == ("threads", BACKEND_THREADS) else _shown(value)


def _in_words(axis: str, value: object) -> str:
    text = plain(words.value_in_words(axis, value), NAME_LIMIT)
    return text.replace("_", " ") if axis == "gradients" else text


def _strategy(name: str, findings: RunFindings, code: Code | None) -> dict[str, Any]:
    entry = findings.run.header.strategies.get(name)
    return {
        "name": name_on_page(name),
        "known": name_on_page(known_as(name)),
        "marked": words.with_mark(name_on_page(name), is_look_alike=name in findings.look_alikes),
        "title": plain(entry.title or "", TEXT_LIMIT) if entry else "",
        "differs": plain(findings.look_alikes.get(name, ""), TEXT_LIMIT),
        "meaning": words.meaning_in_words(entry.meaning) if entry else [],
        "code": code and code.as_data(),
    }


def _style_of(look: LineStyle) -> dict[str, Any]:
    """Return the style of a strategy, as in the figures; `own` is 1 for a user's own.

    `mark` is a list of outlines, each a flat list of x and y in units of the mark's width.
    """
    dash, mark = look.dash[1] or (), MarkerStyle(look.marker)
    path = mark.get_path().transformed(mark.get_transform())
    outlines = (np.asarray(points) * (1, -1) for points in path.to_polygons(closed_only=False))
    return {
        "colour": look.colour,
        "own": int(look.colour not in COLOURS),
        "dash": " ".join(f"{1.6 * length:g}" for length in dash),
        "mark": [[round(float(value), 2) for value in outline.ravel()] for outline in outlines],
    }


def _settings(
    settings: Sequence[Setting], places: Mapping[str, int], findings: RunFindings, code: CodeToPaste
) -> Iterator[tuple[Setting, dict[str, Any]]]:
    """Yield each setting with the positions of its baseline and others, and its words.

    `beside` is the strategy that the rows are compared with, `fastest` the words for the fastest.
    """
    rankings = {ranking.setting: ranking for ranking in findings.rankings}
    added = {
        measurement.case.setting.workload: launch.facts.added
        for measurement in findings.run.measurements
        for launch in measurement.launches
        if launch.facts.added is not None
    }
    for setting in settings:
        ranking, best = rankings.get(setting), findings.recommendation_by_setting.get(setting)
        changes = changed_in_training(findings, best) if best else ""
        said = page_words.lead(ranking, best, findings), changes
        yield (
            setting,
            {
                "baseline": places.get(ranking.baseline, -1) if ranking else -1,
                "beside": places[page_words.base_row(ranking).case.strategy] if ranking else -1,
                "write": places[best.strategy] if best else -1,
                "lead": " ".join(filter(None, said)),
                "fastest": page_words.fastest(ranking),
                "unusual": len(setting.unusual),
                "inputs": code.inputs[setting]._asdict() if setting in code.inputs else None,
                "moot": words.moot(setting, added.get(setting.workload)),
            },
        )


def _rows(
    settings: Sequence[Setting], places: Mapping[str, int], findings: RunFindings
) -> Iterator[dict[str, Any]]:
    place_of = {setting: place for place, setting in enumerate(settings)}
    for ranking in findings.rankings:
        for row in ranking.all_rows:
            strategy = places[row.case.strategy]
            own = {"setting": place_of[ranking.setting], "strategy": strategy}
            yield own | _row(row, ranking, findings)


def _row(row: RankedCase, ranking: Ranking, findings: RunFindings) -> dict[str, Any]:
    case, gain = row.case, page_words.gain(row, ranking)
    first_call = findings.first_calls.get(case)
    return {
        "lift": int(row.rank_low > 0),
        **_interval("time", row.seconds_per_call.times(1e6)),
        "call": words.time_in_words(row.seconds_per_call.value),
        **_interval("times", row.speed_up or Interval(math.nan)),
        "gain": words.times_to_hundredths(gain.value),
        "gain_interval": words.in_brackets(gain, words.times_to_hundredths),
        "beside": page_words.beside(row, ranking),
        "cost": _at_most(row.cost_over_best.high),
        "first": _digits(first_call.value) if first_call else None,
        "peak": _digits(findings.peak_bytes.get(case, math.nan) / words.MEBIBYTES.size),
        "front": int(row in findings.pareto_fronts[case.setting]),
        "facts": [*page_words.facts(row, findings)],
    }


def _interval(name: str, interval: Interval) -> dict[str, float | None]:
    return {
        name: _digits(interval.value),
        f"{name}_low": _digits(interval.low),
        f"{name}_high": _digits(interval.high),
    }


def _priced(findings: RunFindings) -> Iterator[tuple[str, Recommendation]]:
    """Yield what is written for each workload, on each machine and the like if they disagree."""
    axis, _, lost = findings.places
    for workload, answer in findings.answers.items():
        own = (each for each in findings.contests if each.setting.workload == workload)
        for place, part in (
            recommend_by(axis, own) if any(lost.values()) else {"": answer}
        ).items():
            yield f"{workload} {words.at_values(axis, [place])}" if place else workload, part


def _prices(workload: str, answer: Recommendation, places: Mapping[str, int]) -> dict[str, Any]:
    return {
        "workload": name_on_page(workload),
        "strategies": _columns(
            {
                "strategy": places[price.strategy],
                "typical": _digits(price.typical),
                "worst": _at_most(price.ratio),
                "ends": page_words.worst(price, answer),
                "title": page_words.price_title(price, answer),
            }
            for price in answer.prices
        ),
        "advised": places[answer.strategy],
    }


def _digits(value: float) -> float | int | None:
    """Return a number with four significant digits; None if it is not finite."""
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
