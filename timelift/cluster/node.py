"""What Dask's worker runs on a node: each function is called by the coordinator."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import dask
import msgspec
from distributed import Worker, get_worker

import timelift
from timelift.cluster.parcel import (
    BROUGHT,
    SENT,
    Begun,
    Failed,
    Parcel,
    Said,
    read_told,
    translated,
    unpack,
)
from timelift.errors import UserError
from timelift.project import Project

#: Settings of Dask that leave a processor alone while a launch is timed, and show nobody what runs.
QUIET = {
    "distributed.scheduler.http.routes": ["distributed.http.health"],
    "distributed.worker.http.routes": ["distributed.http.health"],
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "10s",
    "distributed.admin.tick.limit": "60s",
    "distributed.worker.memory.terminate": False,
    "distributed.worker.memory.monitor-interval": "10s",
    "distributed.scheduler.allowed-failures": 0,
}
#: What a nanny adds besides what Dask's settings name.
_OF_NANNY = {"PYTHONHASHSEED": "6640"}
#: The topic of all runs: a scheduler keeps the last events of each for as long as it lives.
TOPIC = "timelift"
#: Asks a unit that plays here to stop, by its name.
_PLAYING: dict[str, threading.Event] = {}


def dask_setup(_worker: Worker) -> None:
    """Leave an interrupt to the coordinator: a terminal sends it to nodes started here, too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def versions() -> dict[str, str]:
    """Return what all nodes have alike: Python, and timelift with a digest of what it brings."""
    package, digest = Path(__file__).parents[1], hashlib.sha256()
    brought = (Project(Path()).brought / name for name in ("strategies", "workloads"))
    for folder in dict.fromkeys((package, *brought)):
        for path in sorted(folder.rglob("*.py")):
            digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"python": python, "timelift": f"{timelift.__version__} ({digest.hexdigest()[:12]})"}


def file_digest(path: Path) -> str:
    """Return a digest of a file, '' where it cannot be read."""
    with contextlib.suppress(OSError):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return ""


def look(core: int | None) -> dict[str, Any]:
    """Describe this node, and what of it has to be as it is elsewhere."""
    process = _started({"core": core}, Path.cwd(), subprocess.PIPE)
    described, printed = process.communicate()
    if process.returncode:
        raise RuntimeError((printed.splitlines() or [f"exit code {process.returncode}"])[-1])
    return {**json.loads(described), **versions()}


def run_unit(
    unit: str, parcel: Parcel, by_path: Mapping[str, str], order: Mapping[str, Any]
) -> list[str]:
    """Run the launch of a unit, log each line that it writes as an event, and return them.

    Sentences, and what begins, are not returned, since they are told once.
    The files in `by_path`, by their digests, have to be here; raises UserError.
    """
    asked = _PLAYING[unit] = threading.Event()
    try:
        sent = _sent(parcel, by_path)
        order = translated(order, {SENT: str(sent), BROUGHT: str(Project(Path()).brought)})
        return _lines(unit, {**order, "sent": str(sent)}, asked)
    finally:
        del _PLAYING[unit]
        asked.set()


def _sent(parcel: Parcel, by_path: Mapping[str, str]) -> Path:
    """Return the folder of the files that were sent; raises UserError where others are missing."""
    for path, digest in by_path.items():
        if file_digest(Path(path)) != digest:
            raise UserError(
                f"expected {path!r} on every node as it is here, since it goes by path; put it "
                "there"
            )
    sent = Path(get_worker().local_directory, f"timelift-{parcel.digest}")
    if not sent.is_dir():
        unpack(parcel.data, sent)
    return sent


def _lines(unit: str, order: Mapping[str, Any], asked: threading.Event) -> list[str]:
    """Return what the launch of a unit tells but for sentences, and why it died, if it did."""
    worker, lines, has_failed = get_worker(), list[str](), False
    with tempfile.TemporaryFile("w+") as printed:  # a pipe that nobody reads would fill up
        process = _started(order, Path(order["folder"]), printed)
        threading.Thread(target=_pass_on, args=(asked, process), daemon=True).start()
        for line in process.stdout or ():
            told = read_told(line, {})
            has_failed |= isinstance(told, Failed)
            if not isinstance(told, Said | Begun):
                lines.append(line)
            worker.log_event(TOPIC, {"unit": unit, "line": line})
        code = process.wait()
        printed.seek(0)
        if code and not has_failed:
            died = f"a launch died with exit code {code}: {printed.read()[-300:]}"
            lines.append(msgspec.json.encode(Failed(died.rstrip(": "))).decode())
    return lines


def stop_units(units: Iterable[str]) -> None:
    """Ask those units that play here to stop after their round."""
    for unit in _PLAYING.keys() & units:
        _PLAYING[unit].set()


def _pass_on(asked: threading.Event, process: "subprocess.Popen[str]") -> None:
    """Ask a launch to stop once its unit is asked to, or has ended."""
    asked.wait()
    with contextlib.suppress(OSError, ValueError):
        assert process.stdin
        process.stdin.write("stop\n")
        process.stdin.close()


def _started(
    order: Mapping[str, Any], folder: Path, printed: IO[str] | int
) -> "subprocess.Popen[str]":
    """Start the process of a launch, and write its order."""
    folder.mkdir(parents=True, exist_ok=True)  # one without Python files is not sent
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "timelift.cluster.unit"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=printed,
        text=True,
        env=clean_environment(),
        cwd=folder,
        process_group=0,
    )
    assert process.stdin
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()
    return process


def clean_environment() -> dict[str, str]:
    """Return the environment in which the node was started.

    A nanny adds variables for the worker, such as OMP_NUM_THREADS=1, MALLOC_TRIM_THRESHOLD_ and
    PYTHONHASHSEED (`distributed.nanny.pre-spawn-environ`); its own process has none of them. Where
    that shows a title in the place of its environment (setproctitle), those with the nanny's values
    are taken away.
    """
    own = dict(os.environ)
    if get_worker().nanny is None:
        return own
    variables = Path(f"/proc/{os.getppid()}/environ").read_bytes().decode(errors="surrogateescape")
    if found := dict(line.split("=", 1) for line in variables.split("\0") if "=" in line):
        return found
    added = {**dask.config.get("distributed.nanny.pre-spawn-environ"), **_OF_NANNY}
    return {name: text for name, text in own.items() if text != str(added.get(name))}
