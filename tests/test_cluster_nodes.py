"""Who may play a run: schedulers that answer, and nodes that are equal to this machine."""

import asyncio
import itertools
import os
import socket
import ssl
import subprocess
import sys
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import dask
import msgspec
import pytest
import yaml
from distributed.comm import CommClosedError, connect
from distributed.security import Security

from tests.support import journals
from tests.support.projects import ROOT
from timelift import commands
from timelift.axis_values import Backend, Phase
from timelift.case import Setting
from timelift.cluster import node, nodes, place
from timelift.cluster.nodes import Cluster, Seen
from timelift.errors import UserError
from timelift.journal.lines import Machine

HERE = node.versions()
TOLD = HERE | {"mark": "0123abcd", "machine": journals.MACHINE}
TOLD |= {"backends": ["tensorflow"], "devices": ["cpu"]}


def seen(address, *, identity=None, versions=None, flags=None, **told):
    """Return a node that differs in these entries."""
    machine = Machine(**journals.MACHINE)
    drift = machine.drift | {"versions": machine.versions | (versions or {}), "flags": flags or {}}
    identity = machine.identity | (identity or {})
    machine = msgspec.structs.replace(machine, identity=identity, drift=drift)
    return msgspec.convert(TOLD | {"machine": machine, "address": address, **told}, Seen)


@pytest.fixture
def cluster():
    """Make a cluster of nodes that were seen, which is not connected to."""

    def of(*seen_nodes):
        made = object.__new__(Cluster)
        made._kinds, made.nodes, made._machines = nodes._kinds_of(seen_nodes), {}, {}
        return made

    return of


def test_nodes_of_equal_identity_are_a_kind_which_has_a_name_among_several():
    assert [*nodes._kinds_of([seen("a"), seen("b")])] == [""]
    kinds = nodes._kinds_of([seen("a"), seen("b", identity={"cores": 96}), seen("c")])
    assert [kind.address for kind in kinds.values()] == ["a", "b"]
    assert all(kinds)


@pytest.mark.parametrize(
    ("differs", "named"),
    [({"versions": {"keras": "0.1"}}, "keras"), ({"flags": {"XLA_FLAGS": "--x"}}, "XLA_FLAGS")],
)
def test_nodes_of_one_kind_that_differ_are_refused_and_those_of_two_are_not(differs, named):
    with pytest.raises(UserError, match=rf"{named}.* on a .* on other"):
        nodes._kinds_of([seen("a"), seen("b", identity={"cores": 96}), seen("other", **differs)])
    assert len(nodes._kinds_of([seen("a"), seen("b", identity={"cores": 96}, **differs)])) == 2


def test_a_joiner_is_of_a_kind_that_there_is_and_equal_to_it(cluster):
    here = cluster(seen("a"))
    assert here.join(seen("b")).address == "b"
    for other in (seen("c", identity={"cores": 96}), seen("c", versions={"keras": "0.1"})):
        with pytest.raises(UserError, match="c"):
            here.join(other)
    assert [*here.nodes] == ["b"]


@pytest.mark.parametrize(
    ("boots", "machines"), [("xxy", ["a", "a-2", "c"]), (["", "", ""], ["a", "b-2", "c"])]
)
def test_containers_of_one_host_are_one_machine_where_the_boot_is_known(cluster, boots, machines):
    here = cluster(seen("a"))
    told = zip(("a", "b-2", "c"), boots, strict=True)
    marks = [here.join(seen(mark, mark=mark, boot=boot)).mark for mark, boot in told]
    assert marks == machines


def looked(told):
    answer = Future()
    (answer.set_exception if isinstance(told, Exception) else answer.set_result)(told)
    return answer


def test_a_node_that_is_as_this_environment_is_taken(cluster):
    taken = cluster(seen("a")).read("b", looked(TOLD))
    assert (taken.address, taken.mark, taken.backends) == ("b", "0123abcd", ["tensorflow"])


@pytest.mark.parametrize(
    ("told", "named"),
    [
        (TOLD | {"python": "2.7"}, "2.7"),
        (TOLD | {"timelift": "0.0 (0123)"}, "0.0"),
        (ModuleNotFoundError("No module named 'keras'"), "No module named 'keras'"),
        ({"mark": "0123abcd"}, "machine"),
        (RuntimeError("two\nlines"), "two lines"),
    ],
)
def test_a_node_with_another_environment_is_refused_in_a_line(cluster, told, named):
    with pytest.raises(UserError) as refused:
        cluster(seen("a")).read("tcp://a:1", looked(told))
    assert named in str(refused.value)
    assert "tcp://a:1" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_cases_go_where_their_backend_and_device_are(cluster):
    here = cluster(seen("a"))
    setting = Setting("tokens", 8, 2, Phase.FORWARD, backend=Backend.TENSORFLOW)
    assert not here.why_not(setting)
    assert "pip install jax" in here.why_not(replace(setting, backend=Backend.JAX))


@pytest.mark.parametrize("address", ["abc", "http://x", "local:0", "local:999", "tcp://", "local:"])
def test_an_address_of_no_scheduler_is_refused(address):
    with pytest.raises(UserError, match=f"received {address!r}"):
        Cluster(address)


@pytest.mark.parametrize("text", ['{"no": 1', "[]", '{"address": 3}', "{}"])
def test_a_file_of_no_scheduler_is_refused(tmp_path, text):
    (tmp_path / "file.json").write_text(text)
    with pytest.raises(UserError, match=r"file\.json"):
        Cluster(str(tmp_path / "file.json"))


def test_a_stranger_reaches_no_node_that_is_started_here():
    foreign = Security.temporary().get_connection_args("client")
    foreign["ssl_context"].verify_mode = ssl.CERT_NONE  # it takes any server for the right one
    here = Cluster("local:1")
    try:
        told = here.client.scheduler_info()
        (worker,) = told["workers"].values()
        for address in (told["address"], *told["workers"], worker["nanny"]):
            for at, known in ((address.replace("tls", "tcp"), {}), (address, foreign)):
                with pytest.raises(CommClosedError):
                    asyncio.run(connect(at, timeout=5, **known))
        with pytest.raises(OSError, match="404"):
            urlopen(f"http://127.0.0.1:{told['services']['dashboard']}/info/main/workers.html")
        assert Path(worker["local_directory"]).parents[1].stat().st_mode & 0o77 == 0
    finally:
        here.close()


@pytest.mark.parametrize("address", ["tcp://10.0.0.2:1", "tcp://127.0.0.1.org:1", "ws://[::1]:1"])
def test_an_address_is_told_where_strangers_could_run_code(capsys, address):
    nodes.warn_of_open(["tls://10.0.0.1:1", "tcp://[::1]:1", "tcp://127.0.0.1:8786"])
    assert capsys.readouterr().err == ""
    nodes.warn_of_open(["tls://10.0.0.1:1", address, address])
    assert capsys.readouterr().err.count(f"timelift: {address} has no TLS: ") == 1


def test_another_kind_of_server_that_never_greets_is_refused(monkeypatch):
    monkeypatch.setattr(nodes, "_ANSWERS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UserError, match=address):
            Cluster(address)


def test_advice_and_a_self_test_are_for_one_kind(monkeypatch):
    ends = []
    made = SimpleNamespace(kinds=["a", "b"], close="its end")
    monkeypatch.setattr(place, "ClusterPlace", lambda _: made)
    assert commands.place_of("local:2", ends.append) is made
    with pytest.raises(UserError, match=r"advise.* a, b"):
        commands.place_of("local:2", ends.append, "advise")
    assert ends == ["its end", "its end"]
    made.kinds = [""]
    assert commands.place_of("local:2", ends.append, "advise") is made


@pytest.mark.parametrize("package", ["distributed", "cryptography"])
def test_without_a_package_it_is_told_how_to_install_it(monkeypatch, package):
    for module in ("nodes", "place"):
        monkeypatch.delitem(sys.modules, f"timelift.cluster.{module}")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf"{package} is not .*: pip install .*distributed"):
        commands.place_of("local:2", lambda _: None)


def test_the_file_in_the_docs_keeps_dask_as_quiet_as_nodes_that_are_started_here():
    page = (ROOT / "docs" / "cluster.md").read_text()
    written = yaml.safe_load(page.partition("```yaml")[2].partition("```")[0])
    assert {name: dask.config.get(name, config=written) for name in node.QUIET} == node.QUIET
    assert written["distributed"]["worker"]["resources"] == nodes._RESOURCES


@pytest.mark.parametrize("fails", [True, False])
def test_a_node_that_dies_while_it_is_asked_is_passed_over_for_one_in_its_place(fails):
    def read(address, _):
        if address == "dead":
            raise UserError("killed")
        return address

    offers = itertools.chain([["dead", "a"]], itertools.repeat(["a", "joiner"]))
    cluster = object.__new__(Cluster)
    cluster.offered = lambda: dict.fromkeys(next(offers), 0.0)
    cluster.look = lambda address: SimpleNamespace(done=lambda: fails or address != "dead")
    cluster.read = read
    assert cluster._look_at_all() == ["a", "joiner"]
    offers = itertools.repeat(["dead"])
    if fails:
        with pytest.raises(UserError, match="killed"):
            cluster._look_at_all()


@pytest.mark.parametrize("is_shown", [True, False])
def test_a_launch_has_the_environment_of_its_node_even_if_a_title_hides_that(monkeypatch, is_shown):
    usual = {"HOME": "/here", "OMP_NUM_THREADS": "2"}
    shown = usual if is_shown else {}
    of_nanny = {"MKL_NUM_THREADS": "1", "MALLOC_TRIM_THRESHOLD_": "65536", "PYTHONHASHSEED": "6640"}
    monkeypatch.setattr(node, "get_worker", lambda: SimpleNamespace(nanny="tcp://127.0.0.1:1"))
    monkeypatch.setattr(os, "environ", usual | of_nanny)
    with subprocess.Popen(["/bin/sleep", "60"], env=shown) as nanny:
        monkeypatch.setattr(os, "getppid", lambda: nanny.pid)
        try:
            assert node.clean_environment() == usual
        finally:
            nanny.kill()
