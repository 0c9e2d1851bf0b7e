"""Tables with a row a case: of one setting, of the page, and of `measurements.csv`.

Names inside are as the file wrote them until a renderer escapes them for its place.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from operator import itemgetter
from statistics import fmean
from typing import Any

from timelift.analyse.estimates import Interval
from timelift.analyse.findings import RunFindings
from timelift.analyse.ranking import RankedCase, Ranking
from timelift.analyse.serving import SlowCalls
from timelift.axis_values import Lengths, Phase
from timelift.case import AXES
from timelift.escape import plain
from timelift.measurement import SHOWN_FACTS, Measurement, fact
from timelift.present import words
from timelift.present.answer import speed_up_in_words
from timelift.present.tables import Column, Table, number, shown_axes
from timelift.source import LONGEST_WORD, STEPS

#: The values of a row by the names of their columns: seconds, bytes, ratios.
Values = dict[str, Any]
#: Ratios from this one on have three figures, smaller ones three decimals.
_FAR = 10.0
#: An interval that reaches this many times its middle is written as a factor to both sides.
_WIDE = 2.0
#: How many times as fast as the baseline, with the ends of the 95 % interval.
SPEED_UP = ("speed_up", "speed_up_low", "speed_up_high")
#: The ends of the speed-up of a further run, where runs are the evidence.
TOMORROW = ("tomorrow_low", "tomorrow_high")
#: The columns of a setting, for readers of a terminal or of Markdown.
_OF_SETTING = (
    *("rival", "seconds_per_call", "p50_in_words", "p90_in_words", "p99_in_words"),
    *("steps_per_second", "tracing_share", "ratio", "interval", "gain", "tomorrow"),
    *("over_forward", "over_backward", "first_call_in_words", "graph_nodes", "peak_bytes"),
    "launches_ranked",
)
_ON_PAGE = (
    *("seconds_per_call", "steps_per_second", "p90", "p99", "slow"),
    *("ratio", "ratio_low", "ratio_high", "verdict_beside", "would_see"),
    *(*SPEED_UP, *TOMORROW),
    *("price", "over_forward", "over_backward", "first_call", "first_call_low", "first_call_high"),
    *("tracing_share", "graph_nodes", "peak_bytes", "launches_ranked"),
)
#: The ends of the 95 % interval of `first_call_seconds`.
FIRST_CALL = ("first_call_low", "first_call_high")
#: Percentiles of served calls, with the ends of their 95 % intervals, and whose the slow ones are.
SLOW_CALLS = (*("p90", "p90_low", "p90_high", "p99", "p99_low", "p99_high"), "slow")
#: The time of a call over that of the same case in a simpler phase.
OVER_PHASE = ("over_forward", "over_backward")
_FOR_PROGRAMS = (
    *("strategy", *AXES, "status", "launches"),
    *("seconds_per_call", "seconds_low", "seconds_high", "steps_per_second", *SLOW_CALLS),
    *("ratio", "ratio_low", "ratio_high"),
    *(*SPEED_UP, *TOMORROW, "baseline", "verdict", "provisional", "rank_low", "rank_high"),
    *(*OVER_PHASE, *SHOWN_FACTS, *FIRST_CALL, "reason", "differs"),
)
_NOTE = (
    "ratio: beside the fastest of its setting, from and to: its 95 % interval, "
    "which holds for all rivals of a setting at once; "
    "speed-up, from and to: how many times as fast as the baseline of its setting, likewise; "
    "a run tomorrow: where that of one more run lies in 19 of 20 settings; "
    "first call from, to: its own 95 % interval; "
    "p90, p99: a served call of ten, and of a hundred, takes longer, or at most so long, the "
    "machine's slow calls included, where a fixed piece of work beside has as many; "
    "steps/s: valid steps of all sequences of a call, by its time; "
    "would see: a difference so large would have been called in 9 of 10 such runs; "
    "\N{DIVISION SIGN} forward: the time of a backward call, divided by that of its forward call; "
    "\N{DIVISION SIGN} backward: the time of a train step, divided by that of its backward call"
)


def of_rankings(
    rankings: Sequence[Ranking], findings: RunFindings, axes: Sequence[str] = ()
) -> Table:
    """Return the rivals of settings that differ in `axes` alone, by time, without empty columns."""
    strategy, *others = _OF_SETTING
    rows = _ranked(rankings, findings)
    if all(row["p50_in_words"] for row in rows):
        others.remove("seconds_per_call")
    table = _table(rankings[0].setting.label, rows, (strategy, *axes, *others), findings)
    title = f"{words.first_call(rankings[0].setting)} (s)"
    columns = (
        replace(column, title=title) if column.name == "first_call_in_words" else column
        for column in table.columns
    )
    return replace(table, columns=tuple(columns)).without_empty_columns()


def of_page(findings: RunFindings) -> Table:
    """Return a row a measurement, settings in order, the fastest first, without empty columns."""
    axes = shown_axes(row.case for ranking in findings.rankings for row in ranking.all_rows)
    rows = _ranked(findings.rankings, findings)
    columns = ("rival", *axes, *_ON_PAGE)
    return _table("measurements", rows, columns, findings).without_empty_columns()


def for_programs(findings: RunFindings) -> Table:
    """Return a row a case, in the order of the journal: axes, rank, facts, status and reason."""
    ranked = {row.case: (row, ranking) for ranking in findings.rankings for row in ranking.all_rows}
    rows = [
        _of_case(measurement, findings) | _of_rival(*ranked[measurement.case], findings)
        if measurement.case in ranked
        else _of_case(measurement, findings)
        for measurement in findings.run.measurements
    ]
    return _table("measurements", rows, _FOR_PROGRAMS, findings)


def _ranked(rankings: Iterable[Ranking], findings: RunFindings) -> list[Values]:
    by_case = findings.run.by_case
    return [
        _of_case(by_case[rival.case], findings) | _of_rival(rival, ranking, findings)
        for ranking in rankings
        for rival in ranking.all_rows
    ]


def _table(
    name: str, rows: Sequence[Values], columns: Sequence[str], findings: RunFindings
) -> Table:
    """Return these columns over rows, the time of a call in the unit that fits the rows.

    Steps have the word of the workload, if all rows have the same.
    """
    steps = {findings.run.header.steps.get(row["workload"], STEPS) for row in rows}
    word = plain(steps.pop(), LONGEST_WORD) if len(steps) == 1 else STEPS
    seconds = (row["seconds_per_call"] for row in rows)
    unit = words.unit_for(value for value in seconds if value is not None)
    in_words = _COLUMNS | {
        "steps_per_second": replace(_COLUMNS["steps_per_second"], title=f"{word}/s")
    }
    chosen = (_in_unit(in_words[column], unit) for column in columns)
    return Table(name, "Every measurement", tuple(chosen), rows, _NOTE)


def _in_unit(column: Column, unit: words.Unit) -> Column:
    """Return a column of times in a unit, and any other one as it is."""
    if column.name in {"seconds_per_call", "p90", "p99"}:
        return replace(column, unit=unit)
    if column.name in _IN_WORDS:
        title = f"{column.title} ({unit.name})"
        return replace(column, title=title, format=partial(_time_in_words, unit))
    return column


def _time_in_words(unit: words.Unit, seconds: Interval) -> str:
    return words.with_interval(seconds.times(1 / unit.size), words.three_figures)


# The values of a row ------------------------------------------------------------------------------


def _of_case(measurement: Measurement, findings: RunFindings) -> Values:
    """Return what is known of a case without its rivals, and None for all that is not."""
    case = measurement.case
    phase, why_unknown = case.setting.phase, findings.meanings.why_unknown(case)
    first_call, over = findings.first_calls.get(case), findings.over_simpler_phase.get(case)
    name = words.with_mark(case.strategy, is_look_alike=case.strategy in findings.look_alikes)
    return {
        **dict.fromkeys(_COLUMNS),
        **case.fields(),
        "rival": f"{name} (not ranked)" if why_unknown else name,
        "status": measurement.status,
        "launches": measurement.timed_launches,
        "provisional": findings.run.is_provisional,
        **{fact_name: fact(measurement, fact_name) for fact_name in SHOWN_FACTS},
        **_ends("first_call", first_call),
        "first_call_in_words": first_call,
        **_slow_calls(findings.slow_calls.get(case)),
        "over_forward": over if phase is Phase.BACKWARD else None,
        "over_backward": over if phase is Phase.TRAIN else None,
        "reason": measurement.reason,
        "differs": findings.look_alikes.get(case.strategy) or why_unknown,
    }


def _slow_calls(calls: SlowCalls | None) -> Values:
    """Return the percentiles of served calls, and nothing of others."""
    if not calls:
        return {}
    return {
        **_ends("p90", calls.p90),
        **_ends("p99", calls.p99),
        "p90_in_words": calls.p90,
        "p99_in_words": calls.p99,
        "slow": calls.whose,
    }


def _of_rival(rival: RankedCase, ranking: Ranking, findings: RunFindings) -> Values:
    """Return what is known of a case beside its rivals."""
    seconds, tomorrow = rival.seconds_per_call, findings.tomorrow(rival)
    is_compared = not (math.isnan(rival.p) and math.isnan(rival.detectable))  # as the first is not
    return {
        "seconds_per_call": seconds.value,
        "steps_per_second": _steps_per_second(rival, findings),
        "seconds_low": seconds.low,
        "seconds_high": seconds.high,
        "p50_in_words": seconds if rival.case.setting.phase is Phase.SERVE else None,
        **_ends("ratio", rival.ratio),
        "interval": rival.ratio,
        **_ends("speed_up", rival.speed_up),
        "gain": rival.speed_up,
        "tomorrow": tomorrow,
        "tomorrow_low": tomorrow and tomorrow.low,
        "tomorrow_high": tomorrow and tomorrow.high,
        "baseline": ranking.baseline if rival.speed_up else None,
        "verdict": rival.verdict,
        "verdict_beside": rival.verdict if is_compared else None,
        "would_see": rival.detectable - 1,
        "rank_low": rival.rank_low or None,
        "rank_high": rival.rank_high or None,
        "price": rival.cost_over_best.high - 1,
        "launches_ranked": rival.launches,
    }


def _steps_per_second(rival: RankedCase, findings: RunFindings) -> float | None:
    """Return the valid steps of a second; None where they are not known, as of a whole model."""
    setting = rival.case.setting
    steps = fact(findings.run.by_case[rival.case], "valid_steps")
    if setting.time_axis.varies:  # the fact is that of the longest call
        is_full = setting.lengths is Lengths.FULL
        steps = setting.batch * fmean(setting.call_lengths) if is_full else None
    return steps and steps / rival.seconds_per_call.value


def _ends(name: str, interval: Interval | None) -> Values:
    """Return an estimate and both ends of its interval."""
    value, low, high = (interval.value, interval.low, interval.high) if interval else (None,) * 3
    return {name: value, f"{name}_low": low, f"{name}_high": high}


# The columns --------------------------------------------------------------------------------------


def _first_call_in_words(seconds: Interval) -> str:
    """Write the seconds, and how far their 95 % interval reaches, if launches bound it."""
    reach = seconds.high / seconds.value
    if math.isnan(reach):
        return words.three_figures(seconds.value)
    spread = (
        f"\N{MULTIPLICATION SIGN}÷{words.three_figures(reach)}"
        if reach >= _WIDE
        else f"±{words.percent(math.ceil(100 * (reach - 1)) / 100, 0)}"
    )
    return f"{words.three_figures(seconds.value)} {spread}"


def _interval(ratio: Interval) -> str:
    return words.in_brackets(ratio, _ratio).lstrip()


def _ratio(ratio: float) -> str:
    return f"{ratio:.3f}" if ratio < _FAR else words.three_figures(ratio)


def _style(row: Values) -> str:
    """Return the colour of what no rival was shown to beat."""
    return "green" if row["rank_low"] == 1 else ""


def _column(name: str, title: str | None = None, *options: Any, **others: Any) -> Column:
    return Column(name, title, itemgetter(name), *options, **others)


def _number(name: str, title: str | None = None, *options: Any, **others: Any) -> Column:
    return number(name, title, itemgetter(name), *options, **others)


def _limits(name: str, title: str, *options: Any) -> tuple[Column, Column]:
    """Return the columns of both ends of an interval."""
    return (
        _number(f"{name}_low", f"{title} from", *options),
        _number(f"{name}_high", f"{title} to", *options),
    )


_ALL_COLUMNS = (
    _column("strategy"),
    _column("rival", "strategy", style=_style),
    *(
        Column(axis, words.axis_title(axis), itemgetter(axis), number=AXES[axis].kind is int)
        for axis in AXES
    ),
    _column("status"),
    _number("launches"),
    _number("seconds_per_call", "time"),
    *_limits("seconds", "time"),
    _number("steps_per_second", "steps/s", words.rounded, drop_order=5),
    *(
        _column(f"{name}_in_words", name, right=True, drop_order=order)
        for name, order in (("p50", 0), ("p90", 2), ("p99", 0))
    ),
    *(_number(name) for name in SLOW_CALLS[:-1]),
    _column("slow", "slow calls", drop_order=2),
    _number("ratio", None, _ratio),
    *_limits("ratio", "ratio", _ratio),
    _column("interval", "95 % interval", _interval, drop_order=1, right=True),
    _column("gain", "speed-up", speed_up_in_words, drop_order=1, right=True),
    _number("speed_up", "speed-up"),
    *_limits("speed_up", "speed-up"),
    _column("tomorrow", "a run tomorrow", words.from_low_to_high, drop_order=2, right=True),
    *_limits("tomorrow", "a run tomorrow"),
    _column("baseline"),
    _column("verdict"),
    _column("provisional"),
    _column("verdict_beside", "verdict"),
    _number("would_see", "would see", unit=words.PER_CENT),
    _number("rank_low"),
    _number("rank_high"),
    _number("price", "price at most", unit=words.PER_CENT),
    _number("over_forward", "\N{DIVISION SIGN} forward", drop_order=5),
    _number("over_backward", "\N{DIVISION SIGN} backward", drop_order=5),
    _number("first_call", "first call", unit=words.SECONDS),
    *_limits("first_call", "first call"),
    _number("first_call_in_words", "first call (s)", _first_call_in_words, drop_order=3),
    *map(_number, SHOWN_FACTS),
    _number("tracing_share", "tracing", unit=words.PER_CENT),
    _number("graph_nodes", "graph nodes", "{:,.0f}".format, drop_order=6),
    _number("peak_bytes", "peak", unit=words.MEBIBYTES, drop_order=4),
    _number("launches_ranked", "launches", drop_order=7),
    _column("reason"),
    _column("differs"),
)
#: Columns of times with their intervals, which get a unit.
_IN_WORDS = {"p50_in_words", "p90_in_words", "p99_in_words"}
#: By name; of two the later one, which has a title of its own.
_COLUMNS = {column.name: column for column in _ALL_COLUMNS}
