"""A Dask cluster as the place of a run: connected to, its nodes looked at and put into kinds."""

import contextlib
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dask
import msgspec
from distributed import Client, Future, LocalCluster
from msgspec import structs

from timelift.case import Backend, Setting
from timelift.cluster import node
from timelift.cluster.campaign import ClusterCampaign
from timelift.cluster.schedule import Node
from timelift.errors import UserError, path_is
from timelift.journal.lines import Machine, differences, identity_of, machine_names
from timelift.measure.locks import machine_lock
from timelift.measure.machine import packages
from timelift.measure.place import Place

#: Seconds in which a scheduler has to answer.
_ANSWERS = 10
#: What a node has to offer, of which a unit takes one: one unit at a time, whoever asks.
RESOURCE = "machine"
_LOCAL = re.compile(r"local:(\d{1,3})")
_START = "dask worker {} --nworkers 1 --nthreads 1 --resources machine=1"


@dataclass(frozen=True)
class Seen:
    """A node as it described itself."""

    address: str
    mark: str
    machine: Machine
    backends: tuple[str, ...]
    devices: tuple[str, ...]


class Cluster(Place):
    """The nodes of a scheduler; raises UserError where they cannot play a run.

    `nodes` are those that play, by address. A node that joins later plays if it is of a kind that
    there was at the start.
    """

    def __init__(self, address: str) -> None:
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        self.address, self._open = address, ExitStack()
        self.is_local, self.nodes = bool(_LOCAL.fullmatch(address)), dict[str, Node]()
        self._names = dict[str, Any]()
        try:
            self.client = self._connect()
            seen = [self.read(*each) for each in self._look_at_all()]
        except BaseException:
            self.close()
            raise
        self._kinds = _kinds_of(seen)
        self.campaign = partial(ClusterCampaign, self)
        self.nodes = {each.address: self._node(each) for each in seen}

    def close(self) -> None:
        with contextlib.suppress(Exception):  # a scheduler that is gone
            self._open.close()

    def _connect(self) -> Client:
        if local := _LOCAL.fullmatch(self.address):
            cores, count = len(os.sched_getaffinity(0)), int(local[1])
            if not 0 < count <= cores:
                raise UserError(
                    f"--cluster: expected local:1 to local:{cores}, a core for each node, received "
                    f"{self.address!r}"
                )
            self._open.enter_context(dask.config.set(node.QUIET))
            where = self._open.enter_context(
                LocalCluster(
                    n_workers=count,
                    threads_per_worker=1,
                    resources={RESOURCE: 1},
                    memory_limit=None,
                    dashboard_address=None,
                    scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # any free port
                    silence_logs=logging.CRITICAL,
                )
            )
            return self._open.enter_context(Client(where, set_as_default=False))
        is_file = path_is(Path(self.address).is_file)
        if not (is_file or "://" in self.address):
            raise UserError(
                "--cluster: expected a scheduler's address like tcp://HOST:8786, its file, or "
                f"local:2, received {self.address!r:.80}; start one with: dask scheduler"
            )
        how = {"scheduler_file" if is_file else "address": self.address}
        try:
            client = Client(**how, timeout=_ANSWERS, set_as_default=False)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(
                f"--cluster: no scheduler answers at {self.address!r:.80} ({str(error)[:120]}); "
                "start it with: dask scheduler"
            ) from None
        return self._open.enter_context(client)

    # Nodes ---------------------------------------------------------------------------------------

    def offered(self) -> dict[str, dict[str, Any]]:
        """Return Dask's information on each worker that offers the resource, by its address."""
        workers = self.client.scheduler_info()["workers"]
        self._names |= {address: worker["name"] for address, worker in workers.items()}
        return {
            address: worker
            for address, worker in workers.items()
            if worker.get("resources", {}).get(RESOURCE)
        }

    def _look_at_all(self) -> Iterator[tuple[str, Future]]:
        workers = self.offered()
        if not workers:
            where = "SCHEDULER" if self.is_local else self.address
            raise UserError(
                f"--cluster: {self.address} has no node with the resource {RESOURCE}=1; start some "
                f"with: {_START.format(where)}"
            )
        looking = {address: self.look(address) for address in workers}
        yield from looking.items()

    def look(self, address: str) -> Future:
        """Ask a node for what `read` reads; it answers once it plays for no other run."""
        return self.submit(address, node.look, self.core_of(address))

    def submit(self, address: str, function: Callable[..., Any], *arguments: Any) -> Future:
        """Let a node run a function once, as soon as it runs no other for whichever run."""
        return self.client.submit(
            function,
            *arguments,
            workers=[address],
            allow_other_workers=False,
            resources={RESOURCE: 1},
            pure=False,
            retries=0,
        )

    def core_of(self, address: str) -> int | None:
        """Return the core of a node of this machine; None where a node has all that it sees."""
        if not self.is_local:
            return None
        return sorted(os.sched_getaffinity(0))[int(self._names[address])]

    def read(self, address: str, looked: Future) -> Seen:
        """Return what a node told of itself; raises UserError where it cannot play here."""
        try:
            told = looked.result()
        except ModuleNotFoundError as error:
            raise UserError(
                f"--cluster: the node {address} has no {error.name}; install it there with: pip "
                "install 'timelift[cluster]'"
            ) from None
        except Exception as error:  # noqa: BLE001 - whatever another Python or Dask raises
            raise UserError(
                f"--cluster: the node {address} cannot be used ({str(error)[:200]}); it needs the "
                f"Python {node.python_version()}, Dask and timelift of this environment"
            ) from None
        here = {
            "Python": node.python_version(),
            "timelift": node.timelift_version(),
        }
        for name, expected in here.items():
            if told[name] != expected:
                raise UserError(
                    f"--cluster: expected {name} {expected} on every node, as here, received "
                    f"{told[name]} on {address}; install the same there"
                )
        described = msgspec.convert(told["machine"], Machine)
        backends, devices = tuple(told["backends"]), tuple(told["devices"])
        return Seen(address, told["mark"], described, backends, devices)

    def _node(self, seen: Seen) -> Node:
        return Node(seen.address, seen.mark, _kind(self._kinds, seen))

    def join(self, seen: Seen) -> Node:
        """Take another node; raises UserError where it is of no kind that there is."""
        _refuse_different([self._kinds[_kind(self._kinds, seen)], seen])
        self.nodes[seen.address] = self._node(seen)
        return self.nodes[seen.address]

    # As a place ----------------------------------------------------------------------------------

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(self._kinds)

    def refuse_unable(self) -> None:
        """Nothing to refuse: a cluster without a node that can play is not opened."""

    def why_not(self, setting: Setting) -> str:
        kind = self._kinds[setting.machine]
        where = setting.machine or "the nodes"
        if setting.backend not in kind.backends:
            return (
                f"{setting.backend} is not installed on {where}; install it there with: pip "
                f"install 'timelift[{setting.backend}]'"
            )
        if setting.device not in kind.devices:
            return f"--devices {setting.device}: {where} has {', '.join(kind.devices)}"
        return ""

    def describe(self, backends: Iterable[Backend]) -> Mapping[str, Machine]:
        names = packages(sorted(backends))
        return {name: _with_versions(kind.machine, names) for name, kind in self._kinds.items()}

    def lock(
        self, say: Callable[[str], None], patience: float | None, stop: Callable[[], bool]
    ) -> AbstractContextManager[None]:
        """Hold this machine's lock where its cores are the nodes; each node has one of its own."""
        if self.is_local:
            return machine_lock(say, patience, stop=stop)
        return contextlib.nullcontext()


# Kinds -------------------------------------------------------------------------------------------


def _kinds_of(seen: Iterable[Seen]) -> dict[str, Seen]:
    """Return one node of each kind by its name, '' for the only one; raises UserError.

    Nodes of equal identity are a kind, in which versions have to be equal.
    """
    by_identity: dict[Any, list[Seen]] = {}
    for each in seen:
        by_identity.setdefault(identity_of(each.machine), []).append(each)
    groups = [*by_identity.values()]
    for group in groups:
        _refuse_different(group)
    names = machine_names([group[0].machine for group in groups]) if len(groups) > 1 else [""]
    return {name: group[0] for name, group in zip(names, groups, strict=True)}


def _kind(kinds: Mapping[str, Seen], seen: Seen) -> str:
    identity = identity_of(seen.machine)
    for name, kind in kinds.items():
        if identity_of(kind.machine) == identity:
            return name
    raise UserError(
        f"the node {seen.address} is of another kind ({seen.machine.name}) than those at the start "
        "of the run, and is not used"
    )


def _refuse_different(nodes: list[Seen]) -> None:
    """Raise UserError if nodes of one kind differ in versions, Python or flags."""
    first, *others = nodes
    for other in others:
        for before, after in zip(_parts(first), _parts(other), strict=True):
            for difference in differences(before, after):
                raise UserError(
                    f"--cluster: nodes of one kind have to be equal, received {difference.name} "
                    f"{difference.old!r:.40} on {first.address} and {difference.new!r:.40} on "
                    f"{other.address}; make them equal, or leave one out"
                )


def _parts(seen: Seen) -> Iterator[Mapping[str, Any]]:
    drift = seen.machine.drift
    yield seen.machine.versions
    yield {"python": drift.get("python")}
    yield drift.get("flags", {})


def _with_versions(machine: Machine, names: Iterable[str]) -> Machine:
    kept = {*names}
    versions = {name: text for name, text in machine.versions.items() if name in kept}
    return structs.replace(machine, drift=machine.drift | {"versions": versions})
