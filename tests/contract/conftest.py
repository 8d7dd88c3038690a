"""A fake and a real thing for each contract. The real ones are on one host of a small lab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import fabric
import pytest
from tests.contract.fakes import FakeEngine, FakeHost, FakeStore, saved_image
from tests.contract.spaces import on_one_wire
from tests.lab.bed import SLOT, fresh

from overweave import inventory
from overweave.adapters.consul_http import ConsulHttp
from overweave.adapters.engine_api import EngineApi
from overweave.adapters.ssh import SshHost
from overweave.command import change_script
from overweave.fleet import Cancel
from overweave.model import Access, Archive, Host
from overweave.ports import Record

BOTH = ["fake", pytest.param("lab", marks=pytest.mark.lab)]


@dataclass
class Place:
    """A `Writer`, and what is there for it: an image with a shell as an archive, and a port that greets."""

    writer: Any
    image: str
    archive: Archive
    greeting: tuple[str, int]

    @property
    def engine(self):
        return self.writer.engine


@pytest.fixture
def spaces():
    with on_one_wire() as made:
        yield made


@pytest.fixture(scope="session")
def lab_hosts(tmp_path_factory):
    """Connected hosts of a lab of one host, and its inventory."""
    lab = fresh(f"c{SLOT}", hosts=1, subnet=f"10.98.{150 + SLOT}.0/24")
    try:
        path = tmp_path_factory.mktemp("lab") / "lab.yml"
        lab.write_inventory(path)
        fleet = inventory.load(path)
        config = fabric.Config(overrides={"load_ssh_configs": False})
        hosts = [SshHost(h, config, cancel=Cancel(), engine_over=EngineApi) for h in fleet.hosts]
        for host in hosts:
            host.open()
        yield hosts, fleet
        for host in hosts:
            host.close()
    finally:
        lab.down()


@pytest.fixture
def breakable(lab_hosts):
    """A connection of its own to the host of the lab, and what it has recorded."""
    _, fleet = lab_hosts
    records: list[Record] = []
    config = fabric.Config(overrides={"load_ssh_configs": False})
    host = SshHost(fleet.hosts[0], config, cancel=Cancel(), engine_over=EngineApi, record=records.append)
    host.open()
    yield host, records
    host.close()


@pytest.fixture(params=BOTH)
def place(request, tmp_path):
    if request.param == "fake":
        host = FakeHost(Host("h", Access("10.0.0.1")), tmp_path / "host", FakeEngine("h"))
        host.listens["127.0.0.1", 22] = Greeting
        archive = Archive(saved_image(tmp_path / "busybox.tar", "busybox:1.36"))
        return Place(host, "busybox:1.36", archive, ("127.0.0.1", 22))
    hosts, fleet = request.getfixturevalue("lab_hosts")
    image = fleet.images.probe
    return Place(hosts[0], image, fleet.images.archives[image], ("127.0.0.1", 22))


class Greeting:
    """A stream that says who it is, and then nothing more."""

    def __init__(self):
        self._says = b"SSH-2.0-fake\r\n"

    def settimeout(self, seconds):
        pass

    def sendall(self, data):
        pass

    def recv(self, size):
        piece, self._says = self._says[:size], self._says[size:]
        return piece

    def close(self):
        pass


@pytest.fixture(scope="session")
def lab_store(lab_hosts):
    """A Consul on the host of the lab, with a leader."""
    from overweave.adapters.clock import SystemClock
    from overweave.certificates import Issuer, Wanted, new_authority, now
    from overweave.credentials import file_of
    from overweave.credentials import fresh as fresh_credentials
    from overweave.stores import consul
    from overweave.waiting import wait_until

    hosts, fleet = lab_hosts
    host, image = hosts[0], fleet.store.image
    host.engine.load_image(image, fleet.images.archives[image], lambda done, size: None)
    config = consul.config(fleet.store, address=host.reached_at, servers=[host.reached_at], server=True)
    host.do(change_script('mkdir -p "${1%/*}" && cat > "$1"', consul.CONFIG, stdin=config.encode()))
    theirs = fresh_credentials()
    write = 'umask 077 && cat > "$1"'
    host.do(change_script(write, consul.SECRETS, stdin=file_of(theirs, server=True)))
    issuer = Issuer(new_authority(now()), {}, now())
    shown = issuer.file(Wanted(host.host.name, host.reached_at, consul.server_name(fleet.store)))
    host.do(change_script(write, consul.TLS, stdin=shown))
    made = consul.container(fleet.store, config)
    host.engine.create_container("consul", made.spec)
    store = ConsulHttp(
        lambda: host.stream("127.0.0.1", 8500), "Consul on host1", token=lambda: theirs.management
    )
    before = store.leader()
    host.engine.start_container("consul")
    clock = SystemClock(Cancel())
    wait_until(store.leader, what="no leader", seconds=30, clock=clock)
    wait_until(lambda: store.admits(theirs.management), what="no access", seconds=30, clock=clock)
    yield store, before
    host.engine.remove_container("consul")
    host.engine.remove_volume(consul.VOLUME)


@pytest.fixture(params=BOTH)
def store(request):
    if request.param == "fake":
        return FakeStore()
    return request.getfixturevalue("lab_store")[0]


@pytest.fixture(params=BOTH)
def silent_store(request):
    """A store that nobody runs."""
    if request.param == "fake":
        return FakeStore(up=False)
    host = request.getfixturevalue("lab_hosts")[0][0]
    return ConsulHttp(lambda: host.stream("127.0.0.1", 1), "the store")
