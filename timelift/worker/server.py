"""The launch process: import the backend once, then fork one worker for each setting.

The coordinator starts `python -m timelift.worker.server EVENTS_FD BACKEND`, and writes tasks to its
standard input, one JSON object a line. No operation may run before the fork, so that every worker
starts a runtime of its own, as a fresh interpreter would, without its imports.
"""

import contextlib
import ctypes
import mmap
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from typing import TextIO

from timelift import messages
from timelift.messages import Message, WorkerChannel
from timelift.worker import engines

#: Memory shared with the worker: the place of the rival that plays, from 1; 0 while none does.
_PLAYING = mmap.mmap(-1, 4)
#: prctl(2): choose the signal that this process receives when its parent dies.
_PR_SET_PDEATHSIG = 1
#: Measures one task.
_Measure = Callable[[WorkerChannel], None]


def serve(events_fd: int, backend: str) -> None:
    """Import the backend, then serve tasks until standard input ends."""
    _die_with_parent()
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as the driver and NVML number them
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # asks for GPUs, and starts none
    events = os.fdopen(events_fd, "w", encoding="utf-8")
    engines.load(backend)
    from timelift.worker.measure_setting import measure_setting  # noqa: PLC0415 - imports Keras

    _emit(events, 0, messages.Ready())
    for line in sys.stdin.buffer:
        if numbered := messages.read_task(line):
            number, task = numbered
            exited = _serve_one(number, partial(measure_setting, task), events)
            events.write("\n")  # ends the line that the worker may have died in
            _emit(events, number, exited)


def _serve_one(number: int, measure: _Measure, events: TextIO) -> messages.Exited:
    _note_playing(0)
    pid = os.fork()
    if pid == 0:
        _run_worker(number, measure, events)
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)  # processes that the worker has started
    playing = int.from_bytes(_PLAYING[:4], "little")
    return messages.Exited(os.waitstatus_to_exitcode(status), playing)


def _note_playing(place: int) -> None:
    """Note which rival plays, where the launch reads it even after the worker has died."""
    _PLAYING[:4] = place.to_bytes(4, "little")


def _run_worker(number: int, measure: _Measure, events: TextIO) -> None:
    """Measure one task in this forked process, and exit without running any exit handler."""
    stop_asked = _note_stop_signal()  # before the coordinator knows of this process
    code, emit = 1, partial(_emit, events, number)
    try:
        os.setsid()
        _die_with_parent()
        emit(messages.Started(os.getpid()))
        channel = WorkerChannel(emit, partial(_listen, number), _note_playing, stop_asked)
        measure(channel)
        code = 0
    except BaseException:  # noqa: BLE001 - the process ends here, and its last lines show why
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):  # a strategy may have closed them
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _note_stop_signal() -> Callable[[], bool]:
    """Return a function that is true once SIGUSR1 was received: no further round is played then."""
    received = list[int]()
    signal.signal(signal.SIGUSR1, lambda number, _: received.append(number))
    return lambda: bool(received)


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


def _die_with_parent() -> None:
    """Exit with the parent on Linux; on other systems at the end of standard input."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = select.poll()
    parent.register(0, select.POLLHUP)
    if any(events & select.POLLHUP for _, events in parent.poll(0)):  # it exited before prctl
        os._exit(1)


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
