"""A Dask cluster as the place of a run: connected to, its nodes looked at and put into kinds."""

import asyncio
import contextlib
import json
import logging
import os
import re
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import cached_property
from importlib import import_module
from itertools import pairwise
from operator import methodcaller
from pathlib import Path
from typing import Any

import dask
import msgspec
from distributed import Client, Future, LocalCluster
from distributed.comm import connect
from distributed.security import Security
from msgspec import Struct, structs

from timelift.case import Setting
from timelift.cluster import node
from timelift.cluster.schedule import Node
from timelift.errors import UserError, one_line, path_is
from timelift.journal.lines import Machine, differences, identity_of, machine_names
from timelift.measure.backends import how_to_install
from timelift.measure.launch import run_folder
from timelift.measure.locks import Note, machine_lock
from timelift.measure.machine import packages
from timelift.measure.place import Place
from timelift.measurement import machine_of

#: Seconds in which a connection has to be there, and a scheduler to answer.
_CONNECTS, _ANSWERS = 3, 10
#: Seconds between two looks at which nodes have answered.
_PAUSE = 0.2
#: Addresses that ask for a certificate, or are of this machine alone.
_GUARDED = re.compile(r"tls://.*|tcp://(127\.[\d.]+|localhost|\[::1\]):\d+")
_LOCAL = re.compile(r"local:(\d{1,3})")
#: What a node offers, and a unit takes: one unit at a time, whoever asks.
_RESOURCES = {"machine": 1}
_START = "start nodes with: dask worker SCHEDULER --nworkers 1 --nthreads 1 --resources machine=1"


class Seen(Struct, frozen=True):
    """A node as it describes itself, and the environment that its launches have."""

    mark: str
    machine: Machine
    backends: list[str]
    devices: list[str]
    python: str
    timelift: str
    boot: str = ""
    address: str = ""


class Cluster(Place):
    """The nodes of a scheduler; raises UserError where they cannot play a run.

    `nodes` are those that play, by address. A node that joins later plays if it is of a kind that
    there was at the start.
    """

    def __init__(self, address: str) -> None:
        for name in ("distributed", "distributed.client"):  # Dask gives each a level
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.address, self._open = address, ExitStack()
        self.is_local, self._names = bool(_LOCAL.fullmatch(address)), dict[str, Any]()
        self._machines = dict[str, str]()  # by the boot that their containers share
        try:
            self.client = self._open.enter_context(self._connect())
            warn_of_open([self.client.scheduler.address, *self.offered()])
            seen = self._look_at_all()
        except BaseException:
            self.close()
            raise
        self._kinds = _kinds_of(seen)
        self.nodes = {each.address: self._node(each) for each in seen}

    def close(self) -> None:
        with contextlib.suppress(Exception):  # a scheduler that is gone
            self._open.close()

    def _connect(self) -> Client:
        if self.is_local:
            return self._start_here(int(self.address.removeprefix("local:")))
        address: Any = self.address
        try:
            if path_is(Path(address).is_file):
                address = json.loads(Path(address).read_text(encoding="utf-8"))["address"]
            asyncio.run(asyncio.wait_for(_greet(address), _ANSWERS))
            with warnings.catch_warnings(action="ignore"):  # of packages that timelift needs not
                return Client(address, timeout=_ANSWERS, set_as_default=False)
        except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
            raise UserError(
                "--cluster: expected a scheduler that answers at an address like tcp://HOST:8786, "
                f"its file, or local:2, received {self.address!r:.200} "
                f"({str(error)[:120] or 'no answer'}); start one with: dask scheduler"
            ) from None

    def _start_here(self, count: int) -> Client:
        """Start nodes on this machine, each of which will be bound to a core of its own."""
        cores = len(os.sched_getaffinity(0))
        if not 0 < count <= cores:
            raise UserError(
                f"--cluster: expected local:1 to local:{cores}, a core for each node, received "
                f"{self.address!r}"
            )
        self._open.enter_context(dask.config.set(node.QUIET))
        # not for these two seconds: a terminal would end the nodes, and Dask wait a minute for them
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            here = LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                resources=_RESOURCES,
                memory_limit=None,
                local_directory=str(run_folder()),  # Dask's own in /tmp may be another user's
                security=True,  # a certificate of this run: no other user runs code here
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # any free port
                silence_logs=logging.CRITICAL,
                preload=[node.__name__],
            )
            return Client(self._open.enter_context(here), set_as_default=False)
        except ImportError:
            raise UserError(
                "--cluster: cryptography is not installed, which makes a certificate of the run; "
                f"install it with: {how_to_install('cluster')}"
            ) from None
        except RuntimeError as error:  # what Dask makes of a node that dies as it starts
            raise UserError(f"--cluster: a node did not start here ({error}); try again") from None
        finally:
            signal.signal(signal.SIGINT, before)

    # Nodes ---------------------------------------------------------------------------------------

    def offered(self) -> dict[str, float]:
        """Return when Dask last heard of each worker that offers the resource, by its address."""
        workers = self.client.scheduler_info(n_workers=-1)["workers"]
        self._names |= {address: worker["name"] for address, worker in workers.items()}
        offers = _RESOURCES.keys()
        return {
            address: worker["last_seen"]
            for address, worker in workers.items()
            if offers <= worker.get("resources", {}).keys()
        }

    def _look_at_all(self) -> list[Seen]:
        """Read what all nodes tell, and what those do that take the place of one that dies."""
        looking, alone_until = dict[str, Future](), time.monotonic()
        while True:
            offered = self.offered()
            looking = {address: looking.get(address) or self.look(address) for address in offered}
            if looking:
                alone_until = time.monotonic() + _ANSWERS
            elif time.monotonic() > alone_until:
                raise UserError(f"--cluster: {self.address} has no node with machine=1; {_START}")
            if looking and all(looked.done() for looked in looking.values()):
                try:
                    return [self.read(address, looked) for address, looked in looking.items()]
                except UserError:
                    if looking.keys() <= self.offered().keys():
                        raise
            time.sleep(_PAUSE)

    def look(self, address: str) -> Future:
        """Ask a node for what `read` reads; it answers once it plays for no other run."""
        # by name: a node without timelift cannot read its functions, and would end
        module = self.submit(address, import_module, node.__name__)
        return self.submit(address, methodcaller("look", self.core_of(address)), module)

    def submit(self, address: str, function: Callable[..., Any], *arguments: Any) -> Future:
        """Run a function once on a node, as soon as the node is free of any run's functions."""
        return self.client.submit(
            function,
            *arguments,
            workers=[address],
            allow_other_workers=False,
            resources=_RESOURCES,
            pure=False,
            retries=0,
        )

    def core_of(self, address: str) -> int | None:
        """Return the core of a node of this machine; None where a node has all that it sees."""
        if not self.is_local:
            return None
        return sorted(os.sched_getaffinity(0))[int(self._names[address])]

    @cached_property
    def _here(self) -> Mapping[str, str]:
        """The versions that every node has to share with this process; its files are read once."""
        return node.versions()

    def read(self, address: str, looked: Future) -> Seen:
        """Return what a node told of itself; raises UserError where it cannot play here."""
        try:
            seen = msgspec.convert({**looked.result(), "address": address}, Seen)
        except Exception as error:  # noqa: BLE001 - whatever another Python or Dask raises
            raise UserError(
                f"--cluster: the node {address} cannot be used ({one_line(error):.200}); install "
                "there the Python and packages of this environment, timelift and distributed too"
            ) from None
        there = {name: getattr(seen, name) for name in self._here}
        for difference in differences(self._here, there):
            raise UserError(
                f"--cluster: expected {difference.name} {difference.old} on every node, as here, "
                f"received {difference.new} on {address}; install the same there"
            )
        return seen

    def _node(self, seen: Seen) -> Node:
        for name, kind in self._kinds.items():
            if identity_of(kind.machine) == identity_of(seen.machine):
                own = machine_of(seen.mark)
                shared = self._machines.setdefault(seen.boot or own, own)
                return Node(seen.address, shared + seen.mark.removeprefix(own), name)
        raise UserError(
            f"the node {seen.address} is of another kind ({seen.machine.name}) than those at the "
            "start of the run, and is not used"
        )

    def join(self, seen: Seen) -> Node:
        """Take another node; raises UserError where it is of no kind that there is."""
        joiner = self._node(seen)
        _refuse_different([self._kinds[joiner.machine], seen])
        self.nodes[seen.address] = joiner
        return joiner

    # As a place ----------------------------------------------------------------------------------

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(self._kinds)

    def refuse_unable(self) -> None:
        """Nothing to refuse: a cluster without a node that can play is not opened."""

    def why_not(self, setting: Setting) -> str:
        kind, where = self._kinds[setting.machine], setting.machine or "the nodes"
        if setting.backend not in kind.backends:
            how = how_to_install(setting.backend)
            return f"{setting.backend} is not installed on {where}; install it there with: {how}"
        if setting.device not in kind.devices:
            return f"--devices {setting.device}: {where} has {', '.join(kind.devices)}"
        return ""

    def machines(self, used: Iterable[str]) -> Mapping[str, Machine]:
        names = {*packages(used)}
        described = {}
        for kind, seen in self._kinds.items():
            machine = seen.machine
            kept = {name: text for name, text in machine.versions.items() if name in names}
            described[kind] = structs.replace(machine, drift=machine.drift | {"versions": kept})
        return described

    def lock(
        self, say: Callable[[str], None], command: str, stop: Callable[[], bool] = lambda: False
    ) -> AbstractContextManager[Note]:
        """Hold this machine's lock where its cores are the nodes; each node has one of its own."""
        if self.is_local:
            return machine_lock(say, command, stop=stop)
        return contextlib.nullcontext(lambda _: None)


def warn_of_open(addresses: Iterable[str]) -> None:
    """Print a line of the first address at which a stranger of another machine may run code."""
    if open_ := [one for one in addresses if not _GUARDED.fullmatch(one)]:
        sys.stderr.write(
            f"timelift: {open_[0]} has no TLS: whoever reaches it runs code on all nodes and here; "
            "use tls://\n"
        )


async def _greet(address: str) -> None:
    """Raise where no scheduler answers; a client waits for ever for another kind of server."""
    known = Security().get_connection_args("client")
    (await connect(address, timeout=_CONNECTS, **known)).abort()


def _kinds_of(seen: Iterable[Seen]) -> dict[str, Seen]:
    """Return one node of each kind by its name, '' for the only one; raises UserError.

    Nodes of equal identity are a kind, in which versions have to be equal.
    """
    by_identity: dict[Any, list[Seen]] = {}
    for each in sorted(seen, key=lambda each: sorted(identity_of(each.machine))):
        by_identity.setdefault(identity_of(each.machine), []).append(each)
    for nodes in by_identity.values():
        _refuse_different(nodes)
    kinds = [nodes[0] for nodes in by_identity.values()]
    return dict(zip(machine_names([kind.machine for kind in kinds]), kinds, strict=True))


def _refuse_different(nodes: Sequence[Seen]) -> None:
    """Raise UserError if nodes of one kind differ in versions, Python or flags."""
    for one, other in pairwise(nodes):
        for difference in differences(one.machine.software, other.machine.software):
            raise UserError(
                f"--cluster: nodes of one kind have to be equal, received {difference.name} "
                f"{difference.old!r:.40} on {one.address} and {difference.new!r:.40} on "
                f"{other.address}; make them equal, or leave one out"
            )
