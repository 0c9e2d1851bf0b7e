"""The launch process: import the backend once, then fork one worker for each setting.

The coordinator starts `python -m timelift.worker.server EVENTS_FD BACKEND`, and writes tasks and
orders to its standard input, one JSON object a line. An order is passed on to its worker, whose
standard input is a pipe of its own. No operation may run before the fork, so that every worker
starts a runtime of its own, as a fresh interpreter would, without its imports.
"""

import contextlib
import mmap
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn, TextIO

from timelift import messages
from timelift.messages import Look, Message, WorkerChannel
from timelift.worker import engines, system


@dataclass
class _Worker:
    """A worker: its process, the pipe for its orders, and memory shared with it."""

    pid: int = 0
    orders: int = -1
    #: Holds the place of the rival that plays, from 1; 0 while none does.
    playing: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, 4))

    def note_playing(self, place: int) -> None:
        """Note which rival plays, where it is read even after the worker has died."""
        self.playing[:4] = place.to_bytes(4, "little")

    @property
    def playing_place(self) -> int:
        return int.from_bytes(self.playing[:4], "little")


def serve(events_fd: int, backend: str) -> None:
    """Import the backend, then serve tasks and pass on orders until standard input ends."""
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
    workers = dict[int, _Worker]()
    for line in system.lines_and_deaths():
        if line is None:
            _reap(workers, events)
            continue
        number, task = messages.read_task(line)
        if task is None:
            with contextlib.suppress(KeyError, BrokenPipeError):  # it is dead, or dies now
                os.write(workers[number].orders, line)
            continue
        work = partial(look, task) if isinstance(task, Look) else partial(measure_setting, task)
        worker = _Worker()
        worker.pid, worker.orders = system.fork()
        if not worker.pid:
            _work_and_exit(number, work, events, worker)
        workers[number] = worker


def _reap(workers: dict[int, _Worker], events: TextIO) -> None:
    """Emit how workers ended, once whatever they had started is killed."""
    for number, worker in [*workers.items()]:
        others = {other.pid for other in workers.values() if other is not worker}
        if (code := system.exit_code_of(worker.pid, others)) is not None:
            del workers[number]
            os.close(worker.orders)
            events.write("\n")  # ends the line that the worker may have died in
            _emit(events, number, messages.Exited(code, worker.playing_place))


def _work_and_exit(
    number: int, work: Callable[[WorkerChannel], None], events: TextIO, worker: _Worker
) -> NoReturn:
    """Work on one task in this forked process, and exit without running any exit handler."""
    stops = list[int]()  # before the coordinator knows of this process
    signal.signal(signal.SIGUSR1, lambda number, _: stops.append(number))
    code, emit = 1, partial(_emit, events, number)
    try:
        emit(messages.Started(os.getpid()))
        work(WorkerChannel(emit, _listen, worker.note_playing, lambda: bool(stops)))
        code = 0
    except BaseException:  # noqa: BLE001 - the process ends here, and its last lines show why
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):  # a strategy may have closed them
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _listen() -> Message | None:
    """Read the next order, unbuffered, since a strategy may read, too; None at the end of input."""
    line = b""
    while byte := os.read(0, 1):
        line += byte
        if byte == b"\n":
            if numbered := messages.read_message(line):
                return numbered[1]
            line = b""
    return None


def _emit(events: TextIO, number: int, event: Message) -> None:
    events.write(messages.message_line(number, event))
    events.flush()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
