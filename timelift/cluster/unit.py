"""The launch of a unit: a process of its own on a node, which Dask's worker starts.

It reads one order, a JSON object on a line of standard input, and writes one line of JSON for what
it has done: a description of the machine, or each setting once its rivals have ended. A second line
of input asks it to stop; the end of its input means that the node has died, and it exits at once.
"""

import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from timelift.canary import text_of
from timelift.cluster.parcel import BROUGHT, SENT, translated
from timelift.errors import UserError
from timelift.measure import machine
from timelift.measure.backends import installed_backends
from timelift.measure.launch_pool import LaunchPool, LaunchSlot
from timelift.measure.locks import NAME, BuildOrPlayLock, machine_lock
from timelift.measure.options import RunOptions, device_names
from timelift.messages import Task
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
    try:
        measure_unit(order, lambda told: _write(translated(told, back)))
    except UserError as error:
        _write({"error": str(error)})
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


def measure_unit(order: Mapping[str, Any], tell: Callable[[Mapping[str, Any]], None]) -> None:
    """Measure the settings of one launch, and tell how each ended; raises UserError."""
    reads = [task.pop("reads_peak") for task in order["tasks"]]
    tasks = [*map(Task.from_fields, order["tasks"])]
    options = replace(
        RunOptions.read({}),
        first_call_limit=order["first_call_limit"],
        two_sided=order["two_sided"],
        other_python=order["other_python"],
        import_folders=tuple(map(Path, order["import_folders"])),
    )
    slot = LaunchSlot(1, (1,), BuildOrPlayLock())
    pool = LaunchPool(options, [(1, task.setting.backend, "") for task in tasks])
    stop = threading.Event()
    threading.Thread(target=_await_stop, args=(stop, pool), daemon=True).start()

    def say(text: str) -> None:
        tell({"said": text})

    with machine_lock(say, patience=_PATIENCE, stop=stop.is_set, path=_lock(order["core"])), pool:
        for part, task in enumerate(tasks):
            started = time.monotonic()
            slot = replace(slot, reads_beside=reads[part] == "beside")
            outcomes = pool.measure(slot, task, lambda _: None)
            if reads[part] == "after" and not stop.is_set():
                outcomes = pool.add_peaks(slot, task, outcomes, lambda _: None)
            if stop.is_set() and len(outcomes) < len(task.rivals):
                break
            lines = [outcome.fields() for outcome in outcomes]
            tell({"part": part, "lines": lines, "seconds": time.monotonic() - started})


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
