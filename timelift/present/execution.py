"""How a run executed its models, in words: modes by backend, devices, calls that leave one idle."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from timelift.analyse.execution import LAUNCH_BOUND
from timelift.analyse.runs.measurement import Measurement, Run, device_of
from timelift.case import Backend, Mode, Setting

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


def modes(settings: Iterable[Setting]) -> str:
    """Describe the modes that occur on each backend; those that no backend has are left out."""
    found = {(one.mode, one.backend) for one in settings}
    known = [key for key in itertools.product(Mode, Backend) if key in found & MODES.keys()]
    return "; ".join(
        f"{mode} is " + ", ".join(f"{MODES[key]} on {key[1]}" for key in keys)
        for mode, keys in itertools.groupby(known, key=lambda key: key[0])
    )


def lines(run: Run) -> Iterator[tuple[str, str]]:
    """Write the lines of the head: the modes, and what each backend told of its device."""
    measured = [one for one in run.measurements if one.launches]
    if words := modes(one.case.setting for one in measured):
        yield "modes", words
    elsewhere = [one for one in measured if not one.case.setting.device.startswith("cpu")]
    if words := "; ".join(dict.fromkeys(_engines(elsewhere))):
        yield "engines", words


def _engines(measured: Sequence[Measurement]) -> Iterator[str]:
    for one in measured:
        setting = one.case.setting
        if words := ", ".join(f"{name} {value}" for name, value in device_of(one).items()):
            yield f"{setting.backend} on {setting.device}: {words}"


def launch_bound(names: Sequence[str], device: str) -> Iterator[str]:
    """Name the strategies whose device waits for the next call, if there are any."""
    if names:
        yield (
            f"launch-bound: {', '.join(names)}; {LAUNCH_BOUND:.0%} or more of a call passes before "
            f"the {device} has all of it"
        )
