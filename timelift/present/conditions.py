"""The conditions of a run in words: modes, devices, how quiet the machine was."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

from timelift.analyse.findings import RunFindings
from timelift.analyse.quality import MachineActivity, TooNoisy
from timelift.analyse.results import Run
from timelift.analyse.verdicts import MIN_LAUNCHES
from timelift.case import Backend, Mode, Setting
from timelift.errors import counted
from timelift.measurement import Measurement, engine_facts
from timelift.present.words import percent, plus_minus

#: What the modes are called by each backend's own users.
MODES = {
    (Mode.EAGER, Backend.TENSORFLOW): "eager calls",
    (Mode.GRAPH, Backend.TENSORFLOW): "tf.function",
    (Mode.XLA, Backend.TENSORFLOW): "tf.function(jit_compile=True)",
    (Mode.EAGER, Backend.JAX): "calls without jax.jit",
    (Mode.GRAPH, Backend.JAX): "jax.jit",
    (Mode.EAGER, Backend.TORCH): "eager calls",
    (Mode.GRAPH, Backend.TORCH): "torch.compile",
}
#: What stands above everything that is told of a run that is not over, since it may change.
NOT_OVER = "provisional: the run is going on, or was interrupted"
#: Seconds; the shortest budget that is suggested has so many steps. What took longer than the
#: longest run did not take it to measure.
_BUDGET_STEP, _FEWEST_STEPS, _LONGEST_RUN = 300, 3, 86_400


def lines(found: RunFindings) -> Iterator[tuple[str, str]]:
    """Write the lines of a report's head about them, as pairs of a label and a text."""
    measured = [one for one in found.run.measurements if one.was_measured]
    if words := modes(one.case.setting for one in measured):
        yield "modes", words
    elsewhere = [one for one in measured if not one.case.setting.on_cpu]
    if words := "; ".join(dict.fromkeys(_engines(elsewhere))):
        yield "engines", words
    if text := "; ".join(disturbances(found.machine_activity)):
        yield "disturbances", text
    for sentence in too_noisy(found.too_noisy, _longer(found.run)):
        yield "noise", sentence


def state(run: Run) -> str:
    """Return what keeps a run from being whole, in a sentence; empty where nothing does."""
    if run.is_provisional:
        remedy = "then measure it anew" if run.header.races_copies else "--resume goes on with it"
        return f"{NOT_OVER} ({remedy})"
    if run.cut_short:
        return "cut short: the run ended before every case had its launches"
    return ""


def modes(settings: Iterable[Setting]) -> str:
    found = {(one.mode, one.backend) for one in settings}
    known = [key for key in itertools.product(Mode, Backend) if key in found & MODES.keys()]
    return "; ".join(
        f"{mode} is " + ", ".join(f"{MODES[key]} on {key[1]}" for key in keys)
        for mode, keys in itertools.groupby(known, key=lambda key: key[0])
    )


def _engines(measured: Sequence[Measurement]) -> Iterator[str]:
    for one in measured:
        setting = one.case.setting
        if words := ", ".join(f"{name} {value}" for name, value in engine_facts(one).items()):
            yield f"{setting.backend} on {setting.device}: {words}"


def disturbances(found: MachineActivity) -> Iterator[str]:
    if found.canary_spread is not None:
        spread = percent(found.canary_spread)
        yield f"a fixed piece of work took {spread} more or less from launch to launch"
    if found.stolen_share is not None:
        yield f"the host gave {percent(found.stolen_share)} of the time to other guests"
    if found.waited_share is not None:
        waited = f"{found.waited_share:.2f} s"
        yield f"in every second, threads waited {waited} for a processor, all together"
    if found.throttled_periods is not None:
        periods = f"in {counted(round(found.throttled_periods), 'period')}"
        held = f"held it back {periods}" if found.throttled_periods else "never held it back"
        yield f"the container's processor quota {held}"
    if found.dropped_rounds:
        yield f"{counted(round(found.dropped_rounds), 'round')} lost, since a rival was traced anew"


def too_noisy(found: TooNoisy | None, longer: str) -> Iterator[str]:
    """Write where the asked precision was not reached, and what would help, a `longer` run too."""
    if found is None:
        return
    remedies = [one.remedy for one in found.disturbances]
    remedies.append(f"more time ({longer}) or --threads 1 would help")
    pairs = counted(found.comparisons, "comparison")
    yield (
        f"too noisy to know the price of the fastest to {percent(found.precision)}: "
        f"{pairs} with it undecided, known to {plus_minus(found.half_width)} in the median; "
        f"{'; '.join(remedies)}"
    )


def undecided(found: RunFindings) -> str:
    """Write how many comparisons are undecided, and what would tell more of them."""
    decided = found.decided
    if not decided.comparisons:
        return "nothing was compared"
    many, asked = counted(decided.comparisons, "comparison"), f"{100 * decided.precision:.3g} %"
    told = [f"{decided.undecided or 'none'} of {many} undecided at {asked}"]
    told += [_narrower(found)] if decided.undecided else []
    if count := decided.without_verdict:
        told.append(f"{count} without a verdict, where the fastest costs at most {asked} more")
    return "; ".join(told)


def _narrower(found: RunFindings) -> str:
    """Write what would tell more of the comparisons that are undecided."""
    if all(row.launches < MIN_LAUNCHES for one in found.contests for row in one.rows):
        return f"a verdict needs --launches {MIN_LAUNCHES}-12"
    noisy = found.too_noisy
    remedies = dict.fromkeys(one.brief_remedy for one in noisy.disturbances) if noisy else {}
    remedies |= {"--threads 1": None} if noisy and _uses_several_threads(found) else {}
    them = "it" if found.decided.undecided == 1 else "them"
    return f"{' or '.join([*remedies, _longer(found.run)])} would narrow {them}"


def _longer(run: Run) -> str:
    """Write the option for a run of at least twice the time, in steps of five minutes."""
    seconds = 2 * (run.seconds or 0.0)
    steps = math.ceil(seconds / _BUDGET_STEP) if seconds <= 2 * _LONGEST_RUN else 0
    minutes = 5 * max(steps, _FEWEST_STEPS)
    return f"--budget {minutes // 60}h" if minutes % 60 == 0 else f"--budget {minutes}m"


def _uses_several_threads(found: RunFindings) -> bool:
    return any(one.setting.on_cpu and one.setting.threads != 1 for one in found.contests)
