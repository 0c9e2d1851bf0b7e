"""One launch as its process: started, sent tasks and orders, followed by its workers' events."""

import atexit
import contextlib
import functools
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from pathlib import Path

from filelock import FileLock

from timelift import messages
from timelift.axis_values import Status
from timelift.errors import UserError, ran_out_of_memory
from timelift.escape import without_codes
from timelift.measure.locks import BuildOrPlayLock
from timelift.measure.worker_state import InTurns, Launch, ShowStage, WorkerState
from timelift.messages import Described, Look, Message, Task
from timelift.project import INSTALLED

#: Where `python -m timelift.worker.server` finds this package, whatever the working directory.
_HOME = Path(__file__).resolve().parents[2]

#: Seconds that an import of a backend may take on a slow disk.
IMPORT_LIMIT = 300.0
#: The lock that a run holds in its folder of temporary files; no folder without it is a run's.
_ALIVE = "alive.lock"
#: Seconds between two looks at a process whose events are awaited.
_GLANCE = 5.0
#: Seconds that a killed worker may take to be gone.
_ENDING_LIMIT = 10.0
#: Beginnings of variables by which coverage.py and pytest-cov trace every process that is started,
#: which would make calls several times slower.
_TRACED = ("COVERAGE_PROCESS_", "COV_CORE_")
#: A variable of every process that is started to import what users wrote.
IMPORTED_BY = "TIMELIFT_IMPORTED_BY"


@functools.cache
def run_folder() -> Path:
    """Folder of this process for temporary files, locked; killed processes' ones are removed."""
    for lock in Path(tempfile.gettempdir()).glob(f"timelift-run-*/{_ALIVE}"):
        with contextlib.suppress(OSError):  # its run goes on
            folder = lock.parent
            if folder.lstat().st_uid == os.getuid() and not folder.is_symlink():
                with FileLock(lock, blocking=False):
                    shutil.rmtree(folder)
    new = Path(tempfile.mkdtemp(prefix="timelift-new-"))
    held, pid = FileLock(new / _ALIVE).acquire().lock, os.getpid()
    folder = new.rename(new.with_name(new.name.replace("-new-", "-run-")))  # seen by others now

    def remove() -> None:
        if os.getpid() == pid:  # no process that was forked
            shutil.rmtree(folder, ignore_errors=True)
            held.release()

    atexit.register(remove)
    return folder


def _package_alone() -> Path:
    """A folder with this package alone, for interpreters with packages of their own."""
    folder = run_folder() / "home"
    folder.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (folder / "timelift").symlink_to(_HOME / "timelift")
    return folder


def environment(home: Path = _HOME, variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment with `variables`, and this package found in `home`."""
    untraced = {name: text for name, text in os.environ.items() if not name.startswith(_TRACED)}
    own = {IMPORTED_BY: "timelift", messages.RUN_PROCESS: str(os.getpid())}
    merged = untraced | dict(variables or {}) | own
    installed = home == _HOME and home.name in INSTALLED
    folders = ["" if installed else str(home), merged.get("PYTHONPATH", "")]
    return merged | {"PYTHONPATH": os.pathsep.join(filter(None, folders))}


def importing_from(folders: Iterable[Path | str]) -> dict[str, str]:
    """Variables by which a process finds modules in these folders; if none, nor in its own.

    It shares a folder of compiled code with all that are started here.
    """
    own = [*map(str, folders)]
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    usable = filter(None if own else os.path.isabs, known)  # a relative one is of the own folder
    variables = {
        "PYTHONPATH": os.pathsep.join([*own, *usable]),
        "TMPDIR": str(run_folder()),
        messages.COMPILED_FOLDER: str(run_folder() / "compiled"),
    }
    return variables if own else variables | {"PYTHONSAFEPATH": "1"}


def stage_limit(doing: str, rivals: int, first_call_limit: float) -> float:
    """Return the seconds that a stage may take: twice the limit of a first call, but for tracing.

    The rounds are one stage of all rivals.
    """
    if doing in {messages.TRACING, messages.EXPORTING}:
        return first_call_limit
    return 2 * first_call_limit * (rivals if doing == messages.PLAYING else 1)


def cause_of_end(code: int) -> str:
    """`exit code 3`, or `signal SIGSEGV` for -11; a real-time signal has a number alone."""
    if code >= 0:
        return f"exit code {code}"
    if -code == signal.SIGKILL:
        return "signal SIGKILL (killed for memory?)"
    return f"signal {signal.Signals(-code).name if -code in {*signal.Signals} else -code}"


class LaunchProcess(Launch):
    """A fresh process of an interpreter, in which the import of the backend begins at once."""

    def __init__(
        self,
        backend: str,
        first_call_limit: float,
        python: str = sys.executable,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._python, self._backend = python, backend
        self._first_call_limit, self._lock = first_call_limit, BuildOrPlayLock()
        self._limit_alone = first_call_limit
        #: The workers that live, and the events of each that came while another was followed.
        self._workers, self._came = list[WorkerState](), defaultdict[int, deque[Message]](deque)
        self._ready = False
        self._tasks = 0
        self._log = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - closed in close()
        reader, writer = os.pipe()
        self._events = reader
        self._pending, self._printed, self._ended = b"", 0, False
        home = _HOME if python == sys.executable else _package_alone()
        self._process = subprocess.Popen(
            [python, "-m", "timelift.worker.server", str(writer), backend],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            pass_fds=[writer],
            env=environment(home, variables),
            process_group=0,  # so that Ctrl-C reaches the coordinator alone
        )
        os.close(writer)

    def share_lock(self, lock: BuildOrPlayLock, first_call_limit: float) -> None:
        """Take turns with the launches of this lock, with a limit that allows for them."""
        self._lock, self._first_call_limit = lock, first_call_limit

    def wait_until_ready(self) -> None:
        """Wait for the import, unless `finish_early` was called; raises UserError if it fails."""
        if self._ready or self._finishing:
            return
        with self._lock.building():
            event = self._next_event(0, time.monotonic() + IMPORT_LIMIT)
        if self._finishing:
            return
        if event is None and not self._has_ended():
            raise UserError(
                f"{self._backend} was not imported by {self._python} within {IMPORT_LIMIT:g} s: "
                f"{self._last_lines()}; run it again when the machine is less busy"
            )
        if not isinstance(event, messages.Ready):
            install = f"if it is missing: {self._python} -m pip install {self._backend} keras"
            code = self._exit_code() or 0
            raise UserError(
                f"{self._backend} could not be imported by {self._python} ({cause_of_end(code)}): "
                f"{self._last_lines()}; {'run it again' if code < 0 else install}"
            )
        self._ready = True

    def look(self, task: Look) -> Described:
        """What a worker finds of a layer or model, or its `error`."""
        self._tasks += 1
        self._send(messages.task_line(self._tasks, task))
        limit = stage_limit("making it", 1, self._first_call_limit)
        deadline = time.monotonic() + limit
        event = self._next_event(self._tasks, deadline)
        if isinstance(event, messages.Started):
            event = self._next_event(self._tasks, deadline)
        if isinstance(event, Described):
            return event
        code = event.code if isinstance(event, messages.Exited) else self._exit_code()
        why = f"it takes over {limit:g} s, twice --first-call-limit"
        if code is not None:
            how = f"{cause_of_end(code)}: {self._last_lines(1)}"
            why = f"importing or calling it ended the process that did ({how})"
        remedy = "raise that" if code is None else "import it by itself"
        return Described({"error": f"{why}; {remedy}"})

    def _run_workers(self, task: Task, show_stage: ShowStage) -> InTurns[list[WorkerState]]:
        worker = WorkerState(task, show_stage)
        with self._lock.building():
            if not self._finishing:
                self.build(worker)
        while worker.waiting and not self._finishing:
            yield False
            with self._lock.playing():
                if not self._finishing:
                    worker.has_played = True
                    self._call(worker, messages.Go())
        if worker.waiting and worker.has_played:
            with self._lock.playing():
                self._call(worker, messages.Done())
        if worker.waiting:
            self.kill_worker(worker)
        return [worker]

    def finish_early(self) -> None:
        """End after the round that is being played; what is being built is abandoned."""
        self._finishing = True
        if self._ready:
            self._end_workers_early()
        else:
            self._process.kill()

    def _end_workers_early(self) -> None:
        """End those that build or play; those that sleep are ended when their turn comes."""
        for worker in (*self._workers,):
            if worker.asked_to_finish or worker.asleep or not worker.pid:
                continue
            worker.asked_to_finish = True
            if worker.may_end_early:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGUSR1)
            else:
                worker.kill_group()

    def build(self, worker: WorkerState) -> None:
        """Have a worker forked, and its rivals built."""
        self._tasks += 1
        worker.number = self._tasks
        self._workers.append(worker)
        self._send(messages.task_line(worker.number, worker.task))
        self._follow_until_asleep(worker)

    def _call(self, worker: WorkerState, order: Message) -> None:
        worker.asleep = False
        self.send_order(worker, order)
        self._follow_until_asleep(worker)

    def _follow_until_asleep(self, worker: WorkerState) -> None:
        if self.follow(worker, messages.Ready):
            worker.sleep()

    def follow(self, worker: WorkerState, until: type[object] = messages.Exited) -> Message | None:
        """Follow a worker's events until one of the type `until`, and return it.

        None if the worker is gone; `worker.died` is set if it died.
        """
        event = self._next_of(worker, until)
        if event is None:
            self._kill_overdue(worker)
        elif isinstance(event, messages.Exited):
            if not (self._finishing or (event.code == 0 and worker.exhausted)):
                self._note_death(worker, event)
        else:
            return event
        self._note_gone(worker)
        return None

    def _note_gone(self, worker: WorkerState) -> None:
        worker.gone = True
        self._workers.remove(worker)
        self._came.pop(worker.number, None)

    def kill_worker(self, worker: WorkerState) -> None:
        self._kill_group(worker)
        self._next_of(worker, messages.Exited)
        self._note_gone(worker)

    def _kill_group(self, worker: WorkerState) -> None:
        """Kill a worker unless it is known to have exited: its number may be another process's."""
        if not any(isinstance(event, messages.Exited) for event in self._came[worker.number]):
            worker.kill_group()

    def send_order(self, worker: WorkerState, order: Message) -> None:
        """Send an order to a worker, which may have exited."""
        self._send(messages.message_line(worker.number, order))

    def _send(self, line: str) -> None:
        """Send a line to the launch process; raises UserError if it is gone."""
        assert self._process.stdin is not None
        self._printed = self._log.seek(0, os.SEEK_END)
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise UserError(f"the launch process died: {self._last_lines()}") from None

    def _next_of(self, worker: WorkerState, until: type[object]) -> Message | None:
        """Return the next event of a type, or the exit; None if a stage exceeds its limit."""
        while True:
            deadline = time.monotonic() + self._limit(worker)
            event = self._next_event(worker.number, deadline)
            if event is None or isinstance(event, (until, messages.Exited)):
                return event
            if isinstance(event, messages.Busy) and event.printed is not None:
                self._printed = event.printed
            worker.take(event)
            if self._finishing:
                self._end_workers_early()

    def _limit(self, worker: WorkerState) -> float:
        patience = worker.last_rival.patience if worker.at_work else 1
        rivals, limit = len(worker.task.rivals), self._first_call_limit
        return patience * stage_limit(worker.doing, rivals, limit)

    def _kill_overdue(self, worker: WorkerState) -> None:
        if self._has_ended():
            raise UserError(f"the launch process died: {self._last_lines()}")
        doing, limit = worker.doing, self._limit(worker)
        if not worker.pid:
            raise UserError(
                f"the launch process started no worker within {limit:g} s (--first-call-limit): "
                f"{self._last_lines()}"
            )
        worker.kill_group()
        exited = self._exit_of(worker, time.monotonic() + _ENDING_LIMIT)
        is_long = doing in {messages.TRACING, messages.EXPORTING}
        status = Status.TRACING_LIMIT if is_long else Status.TIMED_OUT
        times = limit / self._limit_alone
        factor = {1.0: "", 2.0: "twice "}.get(times, f"{times:g} times ")
        reason = f"still {doing} after {limit:g} s ({factor}--first-call-limit)"
        worker.die(status, reason, exited)

    def _has_ended(self) -> bool:
        return self._ended or self._process.poll() is not None

    def _exit_code(self) -> int | None:
        """The exit code of the process, or None; where its events have ended, it is awaited."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDING_LIMIT if self._ended else 0)
        return self._process.poll()

    def _exit_of(self, worker: WorkerState, deadline: float) -> messages.Exited | None:
        while event := self._next_event(worker.number, deadline):
            if isinstance(event, messages.Exited):
                return event
        return None

    def _note_death(self, worker: WorkerState, exited: messages.Exited) -> None:
        printed, how = self._last_lines(), cause_of_end(exited.code)
        status = Status.OUT_OF_MEMORY if ran_out_of_memory(printed) else Status.CRASHED
        reason = f"the worker ended with {how} while {worker.doing}: {printed}"
        worker.die(status, reason, exited)

    def _next_event(self, number: int, deadline: float) -> Message | None:
        """Return the next event of a task; None after the deadline, or if the process is gone.

        Those of other tasks are kept if their workers live, or come late from killed ones.
        """
        awaited = {number, *(worker.number for worker in self._workers)}
        while not self._came[number]:
            line = self._next_line(deadline)
            if line is None:
                return None
            sender, event = messages.read_message(line) or (0, None)
            if event and sender in awaited:
                self._came[sender].append(event)
        return self._came[number].popleft()

    def _next_line(self, deadline: float) -> bytes | None:
        while b"\n" not in self._pending:
            left = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([self._events], [], [], min(left, _GLANCE))
            if not ready and left > _GLANCE and self._process.poll() is None:
                continue  # a daemon of its worker may hold the events open when it is gone
            chunk = os.read(self._events, 1 << 16) if ready else b""
            if not chunk:
                self._ended |= bool(ready)
                return None
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _last_lines(self, most: int = 5, width: int = 300) -> str:
        """Return the last lines of output since the last rival was begun."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(self._printed, size - 4096))
        lines = without_codes(self._log.read().decode(errors="replace")).split("\n")
        last = [line.strip() for line in lines if line.strip()][-most:]
        return " | ".join(last)[-width:] or "it printed nothing"

    def kill(self) -> None:
        """End the process, its workers and what they began; threads that wait find it dead."""
        if self._process.poll() is None:
            if self._tasks:
                self._process.terminate()  # it ends its worker's daemons, too
            else:
                self._process.kill()
        for worker in (*self._workers,):
            self._kill_group(worker)

    def close(self) -> None:
        assert self._process.stdin is not None
        self.kill()
        with contextlib.suppress(BrokenPipeError, subprocess.TimeoutExpired):
            self._process.stdin.close()
            self._process.wait(_ENDING_LIMIT)
        self._process.kill()
        self._process.wait()
        os.close(self._events)
        self._log.close()
