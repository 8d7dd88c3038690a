"""A site of hosts as plain values: facts come out of it, and plans can be carried out on it.

Nothing here runs anything: it is the shortest model of what engines and stores do that a plan can be
judged by. Scenarios in this folder begin from a clean site or a deployed one and change it.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from overweave import inventory
from overweave.advertise import ENGINE_PORT
from overweave.facts.absent import Absent
from overweave.facts.engine import Container, DaemonJson, Engine, NetworkFact
from overweave.facts.fleet import FleetFacts, StoreFacts
from overweave.facts.host import HostFacts
from overweave.facts.identity import Identity
from overweave.facts.interfaces import Interface, Interfaces, Route
from overweave.facts.record import PATH as RECORD_PATH
from overweave.facts.record import Before
from overweave.facts.unit import DROP_IN, Unit
from overweave.gossip.islands import View
from overweave.gossip.wire import Member
from overweave.model import SPEC_LABEL
from overweave.steps import (
    AwaitLeader,
    CreateNetwork,
    JoinGossip,
    PassGate,
    ProvideImage,
    RecordBefore,
    RemoveContainer,
    RemoveFile,
    RemoveImage,
    RemoveNetwork,
    RemoveVolume,
    RestartEngine,
    RunContainer,
    StartContainer,
    WriteFile,
)
from overweave.stores import consul

LOCAL = ("bridge", "host", "none")
EXEC_START = "/usr/sbin/dockerd -H fd:// $DOCKER_OPTS"


@dataclass
class Box:
    """One host. ``containers``: name -> [image, running, labels]."""

    name: str
    address: str
    hostname: str = ""
    reached_at: str = ""
    interfaces: dict = field(default_factory=dict)
    routes: dict = field(default_factory=dict)
    installed: bool = True
    has_unit: bool = True
    exec_start: str = EXEC_START
    environment: str = ""
    overridden_by: str = ""
    stray_threads: int = 0
    drop_in: str = ""
    drop_in_folder: bool = False
    arguments: list = field(default_factory=lambda: ["/usr/sbin/dockerd", "-H", "fd://"])
    running: bool = True
    version: str = "20.10.5+dfsg1"
    speaks_consul: bool = True
    swarm: bool = False
    registered: bool = True
    gossips: bool = True
    containers: dict = field(default_factory=dict)
    images: list = field(default_factory=list)
    volumes: list = field(default_factory=list)
    networks: dict = field(default_factory=lambda: {name: [] for name in LOCAL})
    daemon_json: dict = field(default_factory=dict)
    daemon_json_error: str = ""
    before: Before | None = None
    started: int = 1

    def __post_init__(self):
        self.hostname = self.hostname or self.name
        self.reached_at = self.reached_at or self.address
        self.interfaces = self.interfaces or {"eth0": [1500, f"{self.address}/24"]}
        self.routes = self.routes or {
            str(IPv4Interface(a).network): name for name, (_, *its) in self.interfaces.items() for a in its
        }

    @property
    def carries_flags(self):
        return self.running and any(a.startswith("--cluster-store=") for a in self.arguments)

    def facts(self, shared):
        networks = [(n, "bridge", "local", subnets, {}) for n, subnets in self.networks.items()]
        networks += [(n, *its) for n, its in shared.items() if self.carries_flags]
        up = self.running
        return HostFacts(
            name=self.name,
            reached_at=self.reached_at,
            identity=Identity(self.hostname, f"id of {self.name}"),
            unit=Unit(
                exec_start=self.exec_start,
                drop_in=self.drop_in,
                overridden_by=self.overridden_by,
                active=up,
                main_pid=100 if up else 0,
                started=self.started,
                arguments=tuple(self.arguments) if up else (),
                environment=self.environment,
                stray_threads=self.stray_threads,
            )
            if self.has_unit
            else Absent("systemd has no unit docker.service"),
            interfaces=Interfaces(
                (
                    Interface("lo", 65536, ()),
                    *(
                        Interface(name, mtu, tuple(IPv4Interface(a) for a in its))
                        for name, (mtu, *its) in self.interfaces.items()
                    ),
                ),
                tuple(Route(IPv4Network(to), via) for to, via in self.routes.items()),
            ),
            engine=Engine(
                running=up,
                version=self.version,
                speaks_consul=self.speaks_consul,
                reason="" if up else "the engine does not answer",
                swarm=self.swarm,
                containers=tuple(Container(n, *its) for n, its in self.containers.items()) if up else (),
                images=frozenset(self.images) if up else frozenset(),
                volumes=frozenset(self.volumes) if up else frozenset(),
                networks=tuple(
                    NetworkFact(f"id of {n}", n, driver, scope, tuple(subnets), dict(options))
                    for n, driver, scope, subnets, options in (networks if up else ())
                ),
            )
            if self.installed
            else Absent("Docker is not installed: there is no dockerd"),
            daemon_json=DaemonJson(self.daemon_json, self.daemon_json_error),
            before=self.before,
            drop_in_folder=self.drop_in_folder,
        )


class Site:
    """Hosts, the networks that the store holds, and which engines gossip with each other."""

    def __init__(self, wanted=None):
        self.wanted = wanted or inventory_of(3)
        self.boxes = {n: Box(n, self.fleet.host(n).access.address) for n in self.fleet.names}
        self.shared: dict = {}
        self.leader = True
        self.islands = [list(self.boxes)]

    @property
    def fleet(self):
        return _parsed(json.dumps(self.wanted))

    @property
    def store_runs(self):
        container = self.boxes[self.fleet.store_host.name].containers.get(consul.CONTAINER)
        return bool(container and container[1] and self.boxes[self.fleet.store_host.name].running)

    def facts(self):
        box = self.boxes[self.fleet.store_host.name]
        store = None
        if self.store_runs and SPEC_LABEL in box.containers[consul.CONTAINER][2]:
            nodes = {
                f"{b.address}:{ENGINE_PORT}" for b in self.boxes.values() if b.carries_flags and b.registered
            }
            store = StoreFacts(
                f"{box.address}:8300" if self.leader else "", frozenset(nodes if self.leader else ())
            )
        talking = [n for n, b in self.boxes.items() if b.carries_flags and b.gossips]
        views = {n: self._view(n, talking) for n in talking}
        named = self.fleet.names
        return FleetFacts(
            {n: self.boxes[n].facts(self.shared) for n in named},
            store,
            {n: view for n, view in views.items() if n in named},
        )

    def _view(self, name, talking):
        island = next(i for i in self.islands if name in i)
        return View(
            IPv4Address(self.boxes[name].address),
            tuple(Member(n, IPv4Address(self.boxes[n].address), 7946, 1, 0) for n in talking if n in island),
        )

    def carry_out(self, plan):
        for step in plan.steps:
            self._do(step)

    def _do(self, step):
        box = self.boxes.get(step.host)
        match step:
            case RecordBefore():
                box.before = step.before
            case WriteFile():
                assert step.path == DROP_IN
                assert step.previous == box.drop_in
                box.drop_in = step.content
            case RemoveFile():
                if step.path == DROP_IN:
                    assert step.with_folder != box.drop_in_folder, "it goes unless it was there before"
                    box.drop_in = ""
                else:
                    assert step.path == RECORD_PATH
                    box.before = None
            case RestartEngine():
                self._restart(box)
            case ProvideImage():
                assert box.running
                box.images = [*box.images, step.image]
            case RunContainer():
                assert box.running
                assert step.replace == (step.name in box.containers), (
                    "a name is taken, or there is nothing to replace"
                )
                assert step.spec["Image"] in box.images, f"{box.name} does not have {step.spec['Image']}"
                network = step.spec["HostConfig"]["NetworkMode"]
                assert network == "host" or network in self.shared, f"there is no network {network}"
                box.containers[step.name] = [step.spec["Image"], True, step.spec["Labels"]]
                for volume in step.spec["HostConfig"].get("Binds", ()):
                    box.volumes = [*{*box.volumes, volume.split(":")[0]}]
                if network != "host" and "docker_gwbridge" not in box.networks:
                    box.networks = box.networks | {"docker_gwbridge": []}
            case StartContainer():
                box.containers[step.name][1] = True
            case AwaitLeader():
                assert self.store_runs, "no store runs that could elect a leader"
                self.leader = True
            case JoinGossip():
                assert self.store_runs, "without a store engines never gossip"
                for other in self.boxes.values():
                    assert other.carries_flags, f"{other.name} does not gossip"
                    assert step.addresses[other.name] == other.address
                    other.gossips = other.registered = True
                self.islands = [list(self.boxes)]
            case PassGate():
                for name in step.hosts:
                    assert self.boxes[name].running
                if step.nodes:
                    assert self.store_runs, "without a store engines never register"
                    assert set(step.nodes) == set(step.hosts)
                for name, address in step.gossip.items():
                    other = self.boxes[name]
                    assert other.carries_flags, f"{name} does not gossip"
                    assert address == other.address
                    other.gossips = other.registered = True
                if len(step.gossip) == len(self.boxes):
                    self.islands = [list(self.boxes)]
            case CreateNetwork():
                assert box.carries_flags
                assert self.store_runs, "a global network needs its store"
                spec = step.spec
                self.shared[step.name] = (
                    spec["Driver"], "global", [c["Subnet"] for c in spec["IPAM"]["Config"]], spec["Options"],
                )  # fmt: skip
            case RemoveNetwork():
                if step.name in box.networks:
                    box.networks = {n: s for n, s in box.networks.items() if n != step.name}
                else:
                    for other in self.boxes.values():
                        joined = [
                            n for n, its in other.containers.items() if n.startswith("overweave-") and its[1]
                        ]
                        assert joined == [], f"{other.name} still has {joined} on the network"
                    del self.shared[step.name]
            case RemoveContainer():
                del box.containers[step.name]
            case RemoveVolume():
                assert consul.CONTAINER not in box.containers, "the volume is in use"
                box.volumes = [v for v in box.volumes if v != step.name]
            case RemoveImage():
                assert step.name not in [image for image, _, _ in box.containers.values()], (
                    "the image is in use"
                )
                box.images = [i for i in box.images if i != step.name]
            case _:
                raise AssertionError(f"the site does not know {step!r}")

    def _restart(self, box):
        lines = [line for line in box.drop_in.splitlines() if line.startswith("ExecStart=")]
        line = lines[-1].partition("=")[2] if lines else box.exec_start
        box.arguments = [word for word in line.split() if not word.startswith("$")]
        box.running, box.started, box.stray_threads = True, box.started + 1, 0
        box.registered = box.gossips = self.store_runs


_parsed = functools.cache(inventory.parse)


def inventory_of(count, **more):
    hosts = {f"host{n}": {"address": f"10.0.0.{10 + n}"} for n in range(1, count + 1)}
    archives = {"consul:1.8.7": "consul.tar", "busybox:1.36": "busybox.tar"}
    wanted = {"hosts": hosts, "store": {"image": "consul:1.8.7"}, "images": {"archives": archives}}
    return wanted | more


def lines(plan):
    """A plan, a line each stage and step: what, why, what it restarts."""
    for stage in plan.stages:
        yield f"-- {stage.title}"
        for step in stage.steps:
            more = ""
            if isinstance(step, RecordBefore):
                more += f" {step.before.text()}"
            if isinstance(step, RemoveFile) and step.with_folder:
                more += " and its folder"
            if isinstance(step, JoinGossip):
                more += " " + ", ".join(f"{n}={a}" for n, a in step.addresses.items())
            if step.restarts:
                more += f" [restarts {', '.join(step.restarts)}]"
            if step.destructive:
                more += " [destructive]"
            yield f"{step.host or 'all'}: {step}{more} ({step.why})"
