"""The launch process: import the backend once, then fork one worker for each setting.

The coordinator starts `python -m timelift.worker.server EVENTS_FD BACKEND`, and writes tasks to its
standard input, one JSON object a line. No operation may run before the fork, so that every worker
starts a runtime of its own, as a fresh interpreter would, without its imports.
"""

import contextlib
import mmap
import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from typing import NoReturn, TextIO

from timelift import messages
from timelift.messages import Look, Message, WorkerChannel
from timelift.worker import engines, system

#: Memory shared with the worker: the place of the rival that plays, from 1; 0 while none does.
_PLAYING = mmap.mmap(-1, 4)


def serve(events_fd: int, backend: str) -> None:
    """Import the backend, then serve tasks until standard input ends."""
    system.supervise()
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as the driver and NVML number them
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # asks for GPUs, and starts none
    events = os.fdopen(events_fd, "w", encoding="utf-8")
    engines.load(backend)
    from timelift.worker.describe import look  # noqa: PLC0415 - imports Keras
    from timelift.worker.measure_setting import measure_setting  # noqa: PLC0415

    _emit(events, 0, messages.Ready())
    for line in sys.stdin.buffer:
        if numbered := messages.read_task(line):
            number, task = numbered
            work = partial(look, task) if isinstance(task, Look) else partial(measure_setting, task)
            _note_playing(0)
            if (code := system.fork_and_wait()) is None:
                _work_and_exit(number, work, events)
            events.write("\n")  # ends the line that the worker may have died in
            _emit(events, number, messages.Exited(code, int.from_bytes(_PLAYING[:4], "little")))


def _note_playing(place: int) -> None:
    """Note which rival plays, where the launch reads it even after the worker has died."""
    _PLAYING[:4] = place.to_bytes(4, "little")


def _work_and_exit(number: int, work: Callable[[WorkerChannel], None], events: TextIO) -> NoReturn:
    """Work on one task in this forked process, and exit without running any exit handler."""
    stops = list[int]()  # before the coordinator knows of this process
    signal.signal(signal.SIGUSR1, lambda number, _: stops.append(number))
    code, emit = 1, partial(_emit, events, number)
    try:
        emit(messages.Started(os.getpid()))
        channel = WorkerChannel(emit, partial(_listen, number), _note_playing, lambda: bool(stops))
        work(channel)
        code = 0
    except BaseException:  # noqa: BLE001 - the process ends here, and its last lines show why
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):  # a strategy may have closed them
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _listen(number: int) -> Message | None:
    """Read lines unbuffered, since later ones may be another worker's; None at the end of input."""
    line = b""
    while byte := os.read(0, 1):
        line += byte
        if byte == b"\n":
            if order := messages.read_message(line, number):
                return order
            line = b""
    return None


def _emit(events: TextIO, number: int, event: Message) -> None:
    events.write(messages.message_line(number, event))
    events.flush()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
