"""How a run executed its models: modes by backend, devices, calls that leave a device idle."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from timelift.analyse.runs.measurement import Measurement, Run
from timelift.analyse.runs.records import fact
from timelift.analyse.stats.ranking import Ranking
from timelift.case import Backend, Case, Mode, Setting

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
#: A device waits for its calls where so much of a call passes before all of it is queued.
LAUNCH_BOUND = 0.9
_MOST_SWITCHES = 20


def modes(settings: Iterable[Setting]) -> str:
    """Say what the modes that occur are on each backend; nothing of those that no backend has."""
    found = {(one.mode, one.backend) for one in settings}
    known = [key for key in itertools.product(Mode, Backend) if key in found & MODES.keys()]
    return "; ".join(
        f"{mode} is " + ", ".join(f"{MODES[key]} on {key[1]}" for key in keys)
        for mode, keys in itertools.groupby(known, key=lambda key: key[0])
    )


def lines(run: Run) -> Iterator[tuple[str, str]]:
    """Give the lines of the head: the modes, and what each backend says of its device."""
    measured = [one for one in run.measurements if one.launches]
    if words := modes(one.case.setting for one in measured):
        yield "modes", words
    elsewhere = [one for one in measured if not one.case.setting.device.startswith("cpu")]
    if words := "; ".join(dict.fromkeys(engines(elsewhere))):
        yield "engines", words


def engines(measured: Sequence[Measurement]) -> Iterator[str]:
    """Name each backend's device and its switches, as its worker told them."""
    for one in measured:
        setting = one.case.setting
        if words := ", ".join(f"{name} {value}" for name, value in identity(one).items()):
            yield f"{setting.backend} on {setting.device}: {words}"


def identity(measured: Measurement) -> dict[str, str]:
    """Give the name and the switches of a case's device; nothing where its lines do not tell."""
    told = next((one.facts.engine for one in measured.launches if one.facts.engine), {})
    pairs = itertools.islice(told.items(), _MOST_SWITCHES)
    return {str(name): str(value) for name, value in pairs if isinstance(value, str | int | float)}


def launch_bound(ranking: Ranking, measured: Mapping[Case, Measurement]) -> Iterator[str]:
    """Name the rivals whose device waits for the next call: its own speed is not what is timed."""
    shares = {
        row.case.strategy: share
        for row in ranking.everyone
        if (share := fact(measured[row.case], "dispatch_share")) is not None
    }
    bound = [name for name, share in shares.items() if share >= LAUNCH_BOUND]
    if bound:
        yield (
            f"launch-bound: {', '.join(bound)}; {LAUNCH_BOUND:.0%} or more of a call passes before "
            f"the {ranking.setting.device} has all of it"
        )
