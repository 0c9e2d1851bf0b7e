"""The conditions of a run in words: its state, modes and devices, and the noise of the machine."""

import itertools
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from timelift.analyse.evidence import machine_count
from timelift.analyse.findings import RunFindings, execution_pairs
from timelift.analyse.left_out import Kind, LeftOut
from timelift.analyse.quality import MachineActivity, disturbed, machine_activity, remedies
from timelift.analyse.ranking import Ranking
from timelift.analyse.results import LEAST_MACHINES, Evidence, Run, launch_numbers
from timelift.analyse.stopping import LOOKS
from timelift.analyse.varying import FastestWay, Way
from timelift.analyse.verdicts import MIN_LAUNCHES
from timelift.axis_values import Backend, Gradients, Mode, Phase, Status, TimeAxis
from timelift.case import CALLS_OF_A_RUN, Setting, several_valued
from timelift.errors import counted, first_few
from timelift.escape import plain
from timelift.journal.lines import Machine, flattened
from timelift.measurement import CaseInLaunch, Measurement, engine_facts, fact, median
from timelift.present import words

#: The modes in the words of each backend.
_MODES = {
    (Mode.EAGER, Backend.TENSORFLOW): "eager calls",
    (Mode.GRAPH, Backend.TENSORFLOW): "tf.function",
    (Mode.XLA, Backend.TENSORFLOW): "tf.function(jit_compile=True)",
    (Mode.EAGER, Backend.JAX): "calls without jax.jit",
    (Mode.GRAPH, Backend.JAX): "jax.jit",
    (Mode.EAGER, Backend.TORCH): "eager calls",
    (Mode.GRAPH, Backend.TORCH): "torch.compile",
}
#: The first line about a run that is not over, since all below it may change.
_NOT_OVER = "provisional: the run is going on, or was interrupted"
#: A suggested budget is a multiple of so many seconds, and has so many of these steps at least.
_BUDGET_STEP, _FEWEST_STEPS = 300, 3
#: How a strategy ended, where its status is no verb.
_ENDS = {
    Status.LAW_BROKEN: " breaks the law, model(x)[:, t] == layer(x[:, t])",
    Status.OUT_OF_MEMORY: " ran out of memory",
    Status.NO_LAYER: ": no inner layer",
}
#: What is told of workloads in which some weights have no gradient.
_FEW_GRADIENTS = (
    "up to {shares} have a gradient of zero, or one whose square is too small for Adam: a "
    "processor may be slower with denormal numbers, and training that moves weights has others"
)
#: What the machines of a cluster share nearly always.
_EVERYWHERE = {"system", "architecture"}
_FEW_MACHINES = "one or two played {}: figures hold for these, and from three on for others too"
#: The sessions of launches that are evidence, by the number of runs that were put together.
_SESSIONS = ("this session", "one session", "these two sessions")
#: The most strategies that are named for one reason.
_MOST_NAMED = 3


def of_machine(run: Run) -> Iterator[tuple[str, str]]:
    """Yield what the modes are, and how engines and machine were: pairs of a label and a text."""
    yield "modes", modes(case.setting for case in run.measured if not case.setting.is_exported)
    yield "engines", "; ".join(dict.fromkeys(_engines(run.measured.values())))
    yield "disturbances", "; ".join(disturbances(machine_activity(run)))


def machines(run: Run) -> Iterator[tuple[str, str]]:
    """Yield what each kind of machine is, and of which versions; nothing where a run has one."""
    for name, machine in run.header.machines.items():
        versions = machine.versions.items() - run.header.machine.versions.items()
        own = {**flattened(machine.identity), **dict(sorted(versions))}
        parts = (f"{label} {text}" for label, text in own.items() if label not in _EVERYWHERE)
        yield "machine", f"{name}: {', '.join(parts)}"


def evidence(run: Run) -> Iterator[tuple[str, str]]:
    """Yield what the figures rest on where several machines played: a label and a text."""
    marks = [{launch.mark for launch in own} for own in run.launches_by_setting.values()]
    counts = sorted(map(machine_count, marks))
    few = sum(count < LEAST_MACHINES for count in counts)
    if not counts or counts[-1] < 2:  # noqa: PLR2004 - one machine has no others beside it
        if any(len(own - {""}) > 1 for own in marks):
            yield "machines", "nodes of one machine played this: figures hold for it"
    elif few:
        where = "each setting" if few == len(counts) else f"{few} of {len(counts)} settings"
        yield "machines", _FEW_MACHINES.format(where)
    else:
        ends = " to ".join(map(str, dict.fromkeys([counts[0], counts[-1]])))
        yield "machines", f"intervals rest on {ends} machines and allow for their differences"


def over(run: Run) -> str:
    """Write the units for which intervals hold: `3 runs`, or `launches of this session`."""
    return " or ".join(dict.fromkeys(map(_over, run.launches_by_setting.values()))) or "launches"


def _over(launches: Sequence[CaseInLaunch]) -> str:
    evidence, runs = Evidence.of(launches), len(Evidence.RUN.names(launches))
    if evidence is Evidence.MACHINE:
        return "machines"
    return f"{runs} runs" if evidence else f"launches of {_SESSIONS[runs]}"


def on_few_machines(ranking: Ranking, findings: RunFindings) -> str:
    """Write which rivals too few machines played in a run that has enough; '' for none."""
    if max(findings.machines.values(), default=0) < LEAST_MACHINES:
        return ""
    cases = (row.case for row in ranking.all_rows)
    few = [plain(one.strategy) for one in cases if findings.machines[one] < LEAST_MACHINES]
    return f"on one or two machines, for which alone figures hold: {', '.join(few)}" if few else ""


def state(run: Run, *, is_stored: bool = True) -> str:
    """Write why a run is not whole; '' if it is."""
    if run.is_provisional:
        resumes = is_stored and not run.header.races_copies
        remedy = "--resume goes on with it" if resumes else "then measure it anew"
        return f"{_NOT_OVER} ({remedy})"
    if run.cut_short:
        return "cut short: the run ended before every case had its launches"
    return ""


def modes(settings: Iterable[Setting]) -> str:
    """Write what each mode of these settings is on its backends: `graph is jax.jit on jax`."""
    used = {(setting.mode, setting.backend) for setting in settings}
    keys = [key for key in itertools.product(Mode, Backend) if key in used & _MODES.keys()]
    return "; ".join(
        f"{mode} is " + ", ".join(f"{_MODES[key]} on {key[1]}" for key in of_mode)
        for mode, of_mode in itertools.groupby(keys, key=lambda key: key[0])
    )


def train_steps(findings: RunFindings) -> Iterator[tuple[str, str]]:
    """Yield what was timed as a train step, and a doubt about it: pairs of a label and a text."""
    measured = findings.run.measured.values()
    steps = [step for step in measured if step.case.setting.phase is Phase.TRAIN]
    if not steps:
        return
    if findings.run.header.races_whole_model:
        yield "train step", "train_on_batch of the model, by the loss and optimiser of its compile"
        return
    modes_of_fit = dict.fromkeys(_mode_of_fit(step.case.setting) for step in steps)
    text = "the train_step of fit with Adam, without its data pipeline, which fit runs"
    yield "train step", f'{text} {", ".join(modes_of_fit)} (jit_compile="auto")'
    added = [fact(step, "fit_adds_seconds") or 0.0 for step in steps]
    if ends := dict.fromkeys(map(words.time_in_words, _ends(each for each in added if each > 0))):
        yield "fit", f"adds {' to '.join(ends)} to a step, from arrays in memory"
    if shares := _zero_gradients(steps):
        parts = [
            f"{words.three_figures(100 * share)} % of the weights of {workload}"
            for workload, share in shares.items()
        ]
        yield "gradients", _FEW_GRADIENTS.format(shares=first_few(parts, _MOST_NAMED))


def quantised(findings: RunFindings) -> Iterator[tuple[str, str]]:
    """Yield the share of the weights of each workload that int8 reaches, unless it is all."""
    shares = {
        case.setting.workload: share
        for case, measurement in findings.run.measured.items()
        if (share := fact(measurement, "quantised_share"))
    }
    parts = [f"{words.percent(share, 0)} of {name}" for name, share in shares.items()]
    if min(shares.values(), default=1) < 1:
        told = f"int8 reaches {first_few(parts, _MOST_NAMED)}, by number of weights"
        yield "int8", f"{told}: Keras quantises Dense, EinsumDense and Embedding alone"


def _mode_of_fit(setting: Setting) -> str:
    where = "" if setting.on_cpu else f" with {setting.device}"
    backend = words.value_in_words("backend", setting.backend)
    return f"{words.at_values('mode', [setting.mode_of_fit])} on {backend}{where}"


def varying_lengths(findings: RunFindings) -> Iterator[tuple[str, str]]:
    """Yield what was timed where lengths vary, what tracing is of it, and the fastest ways."""
    cases = findings.run.measured
    varying = [case for case in cases if case.setting.time_axis.varies]
    if not varying:
        return
    lengths = " and ".join(map(str, sorted({case.setting.seq_len for case in varying})))
    parts = [launch.facts.tracing_seconds for case in varying for launch in cases[case].launches]
    calls, tracing = "100", ""
    if None not in parts:  # as it is in runs of older versions
        ends = dict.fromkeys(
            words.time_in_words(end) for end in _ends(each or 0.0 for each in parts)
        )
        calls, tracing = f"{CALLS_OF_A_RUN:,}", f", all traces in it ({' to '.join(ends)})"
    yield "lengths", f"a time is the mean of {calls} calls of up to {lengths} steps{tracing}"
    told = [_fastest_way(*each) for each in findings.varying.items()]
    yield from (("fastest", own) for own in told[:_MOST_NAMED])
    if (more := len(told) - _MOST_NAMED) > 0:
        yield "fastest", f"of {counted(more, 'more setting')}: see the times in their tables"


def _fastest_way(setting: Setting, fastest: FastestWay) -> str:
    """Write `tokens-T8-B2: fold_time by a trace for each length; up to 900 calls native by …`."""
    parts = [f"{replace(setting, time_axis=TimeAxis.STATIC).label}: {_way_in_words(fastest.way)}"]
    for turn, where in ((fastest.below, "up to {} calls"), (fastest.above, "from {} calls on")):
        if turn:
            calls = f"{float(f'{turn[0]:.2g}'):,.0f}"
            parts.append(f"{where.format(calls)} {_way_in_words(turn[1])}")
    return plain("; ".join(parts))


def _way_in_words(way: Way) -> str:
    how = words.value_in_words("time_axis", way.case.setting.time_axis)
    return f"{way.case.strategy} by {how}"


def _ends(values: Iterable[float]) -> Iterator[float]:
    """Yield the least and the largest of values, if there are any."""
    if in_order := sorted(values):
        yield from (in_order[0], in_order[-1])


def other_ways(findings: RunFindings) -> Iterator[tuple[str, str]]:
    """Yield how many times as long calls take in each other precision, or way to take lengths."""
    ratios: dict[tuple[Any, Any], list[float]] = defaultdict(list)
    for pair in execution_pairs(findings.run.measured.values()):
        if pair.axis in {"dtype", "time_axis"} and math.isfinite(pair.comparison.value):
            ratios[pair.values].append(math.exp(pair.comparison.value))
    for (usual, other), own in ratios.items():
        yield str(other), _typically(own, str(usual), findings)


def _typically(ratios: Sequence[float], other: str, findings: RunFindings) -> str:
    """Write times of settings, which lie seconds apart, beside those of others: middle, ends."""
    least, most = words.times(min(ratios)), words.times(max(ratios))
    count = len(launch_numbers(findings.run.measured.values()))
    few = f", by {counted(count, 'launch')} alone" if count < MIN_LAUNCHES else ""
    ends = f" ({least} to {most})" if least != most else ""
    return f"typically {words.times(median(ratios))} times as long as {other}{ends}{few}"


def _zero_gradients(steps: Iterable[Measurement]) -> dict[str, float]:
    """Return the largest share of zeros among the weights' gradients, by workloads with any."""
    shares: dict[str, float] = {}
    for step in sorted(steps, key=lambda step: step.case):
        if share := fact(step, "zero_gradients"):
            name = step.case.setting.workload
            shares[name] = max(share, shares.get(name, 0.0))
    return shares


def _engines(measured: Iterable[Measurement]) -> Iterator[str]:
    named = ((measurement.case.setting, engine_facts(measurement)) for measurement in measured)
    engines = {
        f"{setting.backend} on {setting.device}": facts
        for setting, facts in named
        if facts and not setting.on_cpu
    }
    for place, facts in engines.items():
        yield f"{place}: {', '.join(f'{name} {value}' for name, value in facts.items())}"


def neighbours(run: Run) -> str:
    """Write what other programs took of the cores where that counts; '' where it does not."""
    launches, settings = disturbed(run), len(run.launches_by_setting)
    if not launches:
        return ""
    facts = (launch.facts.number("others_cores") for own in launches.values() for launch in own)
    taken = statistics.fmean(max(0.0, cores or 0.0) for cores in facts)
    kinds = (run.header.kinds.get(setting.machine, Machine()) for setting in launches)
    cores = {kind.identity.get("cores") for kind in kinds}
    of = f" of {cores.pop()}" if len(cores) == 1 and None not in cores else ""
    where = f"{len(launches)} of {counted(settings, 'setting')}"
    return f"other programs took {taken:.2g}{of} cores in {where}: end them and measure again"


def disturbances(activity: MachineActivity) -> Iterator[str]:
    if activity.canary_spread is not None:
        spread = words.percent(activity.canary_spread)
        yield f"a fixed piece of work took {spread} more or less from launch to launch"
    if activity.stolen_share is not None:
        yield f"the host gave {words.percent(activity.stolen_share)} of the time to other guests"
    taken = activity.others_cores
    yield f"other programs took {'an unknown number of' if taken is None else f'{taken:.2f}'} cores"
    if activity.throttled_periods is not None:
        periods = f"in {counted(round(activity.throttled_periods), 'period')}"
        effect = f"held it back {periods}" if activity.throttled_periods else "never held it back"
        yield f"the container's processor quota {effect}"
    if activity.dropped_rounds:
        rounds = counted(round(activity.dropped_rounds), "round")
        yield f"{rounds} lost, since a rival was traced anew"


def comparisons(findings: RunFindings) -> str:
    """Write how many comparisons are decided, and what would decide more of them."""
    decided = findings.decided
    if not decided.comparisons:
        return "nothing was compared"
    cheap, undecided = decided.without_verdict, decided.undecided
    parts = [f"{decided.comparisons - cheap - undecided or 'none'} with a verdict"]
    if cheap:
        parts.append(
            f"{cheap} where the fastest costs at most {100 * decided.precision:.3g} % more"
        )
    parts.append(f"{undecided or 'none'} undecided")
    sentence = f"{counted(decided.comparisons, 'comparison')}: {', '.join(parts)}"
    return f"{sentence}; {_narrower(findings)}" if undecided else sentence


def _narrower(findings: RunFindings) -> str:
    """Write the options that would decide more comparisons."""
    run, contests, is_noisy = findings.run, findings.contests, findings.is_too_noisy
    if all(row.launches < MIN_LAUNCHES for ranking in contests for row in ranking.rows):
        more = f"{MIN_LAUNCHES} launches" if run.is_provisional else f"--launches {MIN_LAUNCHES}-12"
        return f"a verdict needs {more}"
    helpful = remedies(run) if is_noisy else []
    if is_noisy and any(each.setting.on_cpu and each.setting.threads != 1 for each in contests):
        helpful.append("--threads 1")
    helpful.append(more_launches([run]))
    them = "it" if findings.decided.undecided == 1 else "them"
    return f"{' or '.join(dict.fromkeys(helpful))} would narrow {them}"


def more_launches(runs: Sequence[Run]) -> str:
    """Write the option that gives runs more launches: twice those asked for, or twice the time."""
    asked = str(runs[-1].header.options.get("launches", ""))
    most = asked.rpartition("-")[2]
    played = max((each.timed_launches for run in runs for each in run.measurements), default=0)
    if asked.isdecimal() or played >= (float(most) if most.isdecimal() else LOOKS[-1]):
        return f"--launches {max(2 * played, LOOKS[-1])}"
    seconds = sum(run.seconds or 0.0 for run in runs)
    minutes = 5 * max(math.ceil(2 * seconds / _BUDGET_STEP), _FEWEST_STEPS)  # five at a time
    return f"--budget {minutes // 60}h" if minutes % 60 == 0 else f"--budget {minutes}m"


# What has no figure -------------------------------------------------------------------------------


def left_out_in_words(findings: RunFindings) -> Iterator[tuple[str, str]]:
    """Yield what was asked for and has no figure, each reason once: pairs of a label and a text."""
    asked_of = {group.strategies: group.asked_in for group in findings.left_out}
    values_of = {
        names: {axis: _values(axis, settings) for axis in several_valued(settings)}
        for names, settings in asked_of.items()
    }
    for group in findings.left_out:
        names = first_few(group.strategies, _MOST_NAMED)
        reason = group.reason.removesuffix(".") or "the run ended before"
        has_end = group.kind in {Kind.FAILED, Kind.NOT_SERVED}
        end = _ENDS.get(group.status, f" {group.status}") if has_end else ""
        if len(group.strategies) > 1 and group.kind is Kind.NOT_SERVED:
            end = end.replace(" does ", " do ")
        where = _where(group, values_of[group.strategies])
        yield group.kind, f"{names}{where}{end}: {reason}"


def _values(axis: str, settings: Iterable[Setting]) -> Sequence[Any]:
    """Return the values of an axis in order; forward settings alone have no gradients."""
    return sorted({getattr(setting, axis) for setting in settings} - {Gradients.NONE})


def _where(group: LeftOut, asked: Mapping[str, Sequence[Any]]) -> str:
    """Write where strategies have no figure, after a blank; '' where they have none anywhere."""
    places, alike = list[str](), group.asked_in
    for axis, asked_values in asked.items():
        own = _values(axis, group.settings)
        all_values = _values(axis, alike) if places else asked_values
        if own and own != all_values:
            are_neighbours = own == [value for value in all_values if own[0] <= value <= own[-1]]
            places.append(f" {words.at_values(axis, own, are_neighbours=are_neighbours)}")
            alike = tuple(setting for setting in alike if getattr(setting, axis) in own)
    if {*alike} != {*group.settings}:
        return f" in {len(group.settings)} of {len(group.asked_in)} settings"
    return "".join(places)
