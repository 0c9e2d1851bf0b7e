"""The launch of a unit: a process of its own on a node, which Dask's worker starts.

It reads one order, a JSON object on a line of standard input, and writes lines of JSON: a
description of the machine, or what there is to tell of its tasks (`parcel.Told`). A second line of
input asks it to stop; the end of its input means that the node has died, and it exits at once.
"""

import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from timelift.canary import text_of
from timelift.cluster.parcel import BROUGHT, SENT, Begun, Ended, Failed, Said, Told, translated
from timelift.errors import UserError
from timelift.measure import machine
from timelift.measure.backends import installed_backends
from timelift.measure.launch_pool import LaunchOptions, LaunchPool, LaunchSlot, ProcessKey
from timelift.measure.locks import NAME, BuildOrPlayLock, machine_lock
from timelift.measure.options import device_names
from timelift.measure.rota import Rota, Sleeper
from timelift.messages import PeakReading, Task
from timelift.project import Project

#: Seconds that a unit waits for another run on its machine.
_PATIENCE = 600.0


def main() -> int:
    order = json.loads(sys.stdin.readline())
    if order["core"] is not None:
        os.sched_setaffinity(0, {order["core"]})
    if "tasks" not in order:
        _write(describe_node())
        return 0
    back = {order.pop("sent"): SENT, str(Project(Path()).brought): BROUGHT}

    def tell(told: Told) -> None:
        _write(translated(msgspec.to_builtins(told), back))

    try:
        measure_unit(order, tell)
    except UserError as error:
        tell(Failed(str(error)))
        return 1
    except KeyboardInterrupt:  # asked to stop while another run measured here
        pass
    return 0


def _write(told: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def describe_node() -> dict[str, Any]:
    """Describe this machine, as a launch finds it in this environment."""
    return {
        "machine": msgspec.to_builtins(machine.this_machine(installed_backends())),
        "mark": machine.machine_mark(),
        "boot": text_of(Path("/proc/sys/kernel/random/boot_id")).strip(),
        "backends": installed_backends(),
        "devices": device_names(),
    }


def measure_unit(order: Mapping[str, Any], tell: Callable[[Told], None]) -> None:
    """Measure the settings of one launch, and tell how each ended; raises UserError."""
    tasks = [*map(Task.from_fields, order["tasks"])]
    options = msgspec.convert(order["options"], LaunchOptions)
    slot = LaunchSlot(1, (1,), BuildOrPlayLock())
    pool = LaunchPool(options, [ProcessKey(1, task.setting.backend) for task in tasks])
    stop = threading.Event()
    threading.Thread(target=_await_stop, args=(stop, pool), daemon=True).start()

    def say(text: str) -> None:
        tell(Said(text))

    at_work = [-1]

    def show_stage(index: int, _: str) -> None:
        if at_work != [index]:
            at_work[:] = [index]
            tell(Begun(index))

    def begin() -> Iterator[Sleeper[tuple[int, Task], Any]]:
        for index, task in enumerate(tasks):
            if stop.is_set():
                return
            shown = partial(show_stage, index)
            shown("starting")  # what ends the node from here on is this task's fault
            turns = pool.measure(slot, task, shown)
            yield Sleeper((index, task), turns, not task.setting.on_cpu)

    with machine_lock(say, patience=_PATIENCE, stop=stop.is_set, path=_lock(order["core"])), pool:
        rota = Rota[tuple[int, Task], Any](random.Random(tasks[0].seed), machine.room_watch())
        for (index, task), ended, seconds in rota.play(begin()):
            outcomes, started = ended, time.monotonic()
            if ended and task.peaks is PeakReading.AFTER and not stop.is_set():
                outcomes = pool.add_peaks(slot, task, ended, partial(show_stage, index))
            if outcomes:
                lines = [outcome.fields() for outcome in outcomes]
                tell(Ended(index, lines, seconds + time.monotonic() - started))


def _lock(core: int | None) -> Path:
    """Return the file of the node's lock; one that is bound to some cores has a lock of its own."""
    cores = machine.bound_cores() if core is None else [core]
    name = f"timelift-{'-'.join(map(str, cores))}.lock" if cores else NAME
    return Path(tempfile.gettempdir()) / name


def _await_stop(stop: threading.Event, pool: LaunchPool) -> None:
    """End early when a line comes; exit where none can come, since the node is gone."""
    if not sys.stdin.readline():
        os.killpg(0, signal.SIGKILL)
    stop.set()
    pool.finish_early()


if __name__ == "__main__":
    sys.exit(main())
