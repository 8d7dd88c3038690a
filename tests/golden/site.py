"""A site of hosts as plain values: facts come out of it, and plans can be carried out on it.

Nothing here runs anything: it is the shortest model of what engines and stores do that a plan can be
judged by. Scenarios in this folder begin from a clean site or a deployed one and change it.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from overweave import backend, certificates, inventory, store_part
from overweave.advertise import ENGINE_PORT
from overweave.certificates import Issuer
from overweave.command import Secret
from overweave.credentials import AUTHORITY, ENVIRONMENT, Credentials, certificate_of, token_of
from overweave.facts import backup_unit
from overweave.facts.absent import Absent
from overweave.facts.backup_unit import BackupUnit
from overweave.facts.boot import BootUnit
from overweave.facts.credentials import HostCredentials
from overweave.facts.engine import Container, DaemonJson, Engine, NetworkFact
from overweave.facts.fleet import FleetFacts, StoreFacts
from overweave.facts.host import HostFacts
from overweave.facts.identity import Identity
from overweave.facts.interfaces import Interface, Interfaces, Route
from overweave.facts.record import PATH as RECORD_PATH
from overweave.facts.record import Before
from overweave.facts.store_service import MADE_FROM, StoreService
from overweave.facts.swarm import Member as Joined
from overweave.facts.swarm import Node, SwarmFacts
from overweave.facts.unit import DROP_IN, Unit
from overweave.gossip.islands import View
from overweave.gossip.wire import Member
from overweave.model import ANCHOR_LABEL, AUTO, ETCD
from overweave.steps import (
    AwaitAgent,
    AwaitLeader,
    ChangeRole,
    CreateNetwork,
    GrantAccess,
    InitSwarm,
    InstallUnit,
    JoinGossip,
    JoinSwarm,
    LeaveSwarm,
    MoveStore,
    PassGate,
    ProvideImage,
    RecordBefore,
    RemoveContainer,
    RemoveFile,
    RemoveImage,
    RemoveNetwork,
    RemoveNode,
    RemoveService,
    RemoveUnit,
    RemoveVolume,
    RestartEngine,
    RunContainer,
    RunService,
    StartContainer,
    StartService,
    WriteFile,
    WriteSecret,
)
from overweave.stores import consul, etcd

LOCAL = ("bridge", "host", "none")
CREDENTIALS = Credentials(*map(Secret, ("Z29zc2lw", "token-of-agents", "token-of-engines", "token-of-all")))
NOW = datetime(2026, 11, 22, tzinfo=UTC)
AUTHORITY_OF_ALL = certificates.new_authority(NOW)
EXEC_START = "/usr/sbin/dockerd -H fd:// $DOCKER_OPTS"


@dataclass
class Box:
    """One host. ``containers``: name -> [image, running, labels]; ``member``: `Joined` of a swarm."""

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
    store_config: str = ""
    arguments: list = field(default_factory=lambda: ["/usr/sbin/dockerd", "-H", "fd://"])
    running: bool = True
    version: str = "20.10.5+dfsg1"
    speaks_consul: bool = True
    speaks_etcd: bool = True
    member: dict = field(default_factory=dict)
    live_restore: bool = False
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
    boot_files: dict = field(default_factory=dict)
    boot_enabled: bool = False
    boot_failed: bool = False
    secret_files: dict = field(default_factory=dict)
    exposed: tuple = ()
    running_token: object = None
    running_certificate: str = ""
    backup_files: dict = field(default_factory=dict)
    backup: dict = field(default_factory=lambda: {"runs": False})
    service: dict = field(default_factory=lambda: {"program": "/usr/bin/consul"})

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

    @property
    def manages(self):
        return self.running and self.member.get("manager", False) and self.member["state"] == "active"

    def shows(self, network, scope):
        """A worker has a swarm's network only as long as a container is on it."""
        if scope == "global":
            return self.carries_flags
        joined = any(its[1] and its[2].get(ANCHOR_LABEL) == network for its in self.containers.values())
        return self.manages or (bool(self.member) and (joined or network == "ingress"))

    def facts(self, shared):
        networks = [(n, "bridge", "local", subnets, {}) for n, subnets in self.networks.items()]
        networks += [(n, *its) for n, its in shared.items() if self.shows(n, its[1])]
        attachable = [n for n, its in shared.items() if its[1] == "swarm" and its[4:] != [False]]
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
                speaks_etcd=self.speaks_etcd,
                reason="" if up else "the engine does not answer",
                member=Joined(**self.member) if up and self.member else Joined(),
                live_restore=self.live_restore,
                containers=tuple(Container(n, *its) for n, its in self.containers.items()) if up else (),
                images=frozenset(self.images) if up else frozenset(),
                volumes=frozenset(self.volumes) if up else frozenset(),
                networks=tuple(
                    NetworkFact(
                        f"id of {n}",
                        n,
                        driver,
                        scope,
                        tuple(subnets),
                        dict(options),
                        attachable=n in attachable,
                    )
                    for n, driver, scope, subnets, options, *_ in (networks if up else ())
                ),
            )
            if self.installed
            else Absent("Docker is not installed: there is no dockerd"),
            daemon_json=DaemonJson(self.daemon_json, self.daemon_json_error),
            before=self.before,
            drop_in_folder=self.drop_in_folder,
            store_config=self.store_config,
            boot=BootUnit(self.boot_files, self.boot_enabled, self.boot_failed),
            credentials=HostCredentials(
                dict(self.secret_files),
                frozenset(self.exposed),
                self.running_token if up else None,
                self.running_certificate if up else "",
            ),
            backup=BackupUnit(self.backup_files, **self.backup),
            service=StoreService(**self.service),
        )


class Site:
    """Hosts, the networks that the store or the swarm holds, and which engines gossip with each other.

    ``nodes``: those of the swarm, by id: name and role, and ``gone`` of one that left or can't be reached.
    ``shared``: name -> [driver, scope, subnets, options, whether a swarm's is attachable].
    """

    def __init__(self, wanted=None):
        self.wanted = wanted or inventory_of(3)
        self.boxes = {n: Box(n, its["address"]) for n, its in self.wanted["hosts"].items()}
        self.shared: dict = {}
        self.leader = True
        self.granted = False
        self.islands = [list(self.boxes)]
        self.told = NOW
        self.issued: dict = {}
        self.taking_over = None
        self.nodes: dict = {}

    @property
    def fleet(self):
        """As `look` settles it, where the inventory says how many servers there are, or it is a swarm."""
        fleet = _parsed(json.dumps(self.wanted))
        hosts = {n: box.facts(self.shared) for n, box in self.boxes.items()}
        if fleet.backend == AUTO:
            fleet = replace(fleet, backend=backend.choose(fleet, hosts)[0])
        etcd_is_wanted = fleet.backend == ETCD or fleet.store.in_etcd
        if not fleet.in_swarm and not etcd_is_wanted and fleet.store.servers is None:
            return fleet
        return backend.settle(fleet, hosts)

    def agent_runs(self, name):
        if self.boxes[name].service.get("running"):
            return True
        container = self.boxes[name].containers.get(self.fleet.store.kind)
        return bool(container and container[1] and self.boxes[name].running)

    @property
    def store_runs(self):
        """Whether there is a quorum."""
        if self.fleet.store.external:
            return True
        servers = self.fleet.servers
        return 2 * sum(map(self.agent_runs, servers)) > len(servers)

    def serves(self, name):
        """Whether an engine reaches the store: its own host's agent, if there are several servers."""
        one = len(self.fleet.servers) <= 1 or self.fleet.store.in_etcd
        return self.store_runs and (one or self.agent_runs(name))

    def facts(self):
        fleet = self.fleet
        if fleet.in_swarm:
            return FleetFacts({n: self.boxes[n].facts(self.shared) for n in fleet.names}, swarm=self.seen())
        box = next((self.boxes[n] for n in fleet.agents if self.agent_runs(n)), None)
        store = None
        if fleet.store.external or (box and store_part.runs(box.facts(self.shared))):
            leader = self.leader and self.store_runs
            nodes = {
                f"{b.address}:{ENGINE_PORT}" for b in self.boxes.values() if b.carries_flags and b.registered
            }
            place = fleet.store.external or box.address
            store = StoreFacts(
                f"{place}:8300" if leader else "",
                frozenset(nodes if leader else ()),
                admits=self.granted or fleet.store.in_etcd,
            )
        talking = [n for n, b in self.boxes.items() if b.carries_flags and b.gossips]
        views = {n: self._view(n, talking) for n in talking}
        named = self.fleet.names
        return FleetFacts(
            {n: self.boxes[n].facts(self.shared) for n in named},
            store,
            {n: view for n, view in views.items() if n in named},
            credentials=None if self.fleet.store.in_etcd else CREDENTIALS,
            issuer=None if self.fleet.store.external else self.issuer(),
        )

    def seen(self):
        """The swarm as a manager of the fleet sees it; None while none has a majority behind it."""
        asked = [
            its.member["node"] for its in self.boxes.values() if its.manages and its.name in self.fleet.names
        ]
        if not asked or not self.has_quorum:
            return None
        alive = [id_ for id_ in self.nodes if self._alive(id_)]
        leader = next(id_ for id_ in alive if self.nodes[id_]["role"] == "manager")
        return SwarmFacts({id_: self._node(id_, id_ in alive, id_ == leader) for id_ in self.nodes})

    def _node(self, id_, alive, leader):
        its = self.nodes[id_]
        manager = ("reachable" if alive else "unreachable") if its["role"] == "manager" else ""
        state = "ready" if alive else "down"
        return Node(id_, its["name"], its["role"], "active", state, its.get("address", ""), manager, leader)

    def _alive(self, id_):
        """Those that are no host of the site always are, unless they are said to be gone."""
        its = next((b for b in self.boxes.values() if b.member.get("node") == id_), None)
        return its.running and its.member["state"] == "active" if its else not self.nodes[id_].get("gone")

    @property
    def has_quorum(self):
        managers = [id_ for id_, its in self.nodes.items() if its["role"] == "manager"]
        return 2 * sum(map(self._alive, managers)) > len(managers)

    def _join(self, box, manager):
        """A node of the swarm, as its engine becomes one: it makes its bridge for the way out at once."""
        assert box.running
        assert not box.member, f"{box.name} is in a swarm already"
        assert not box.carries_flags, "a cluster store forbids it"
        assert not box.live_restore, "live-restore forbids it"
        id_ = f"n{len(self.nodes) + 1}"
        while id_ in self.nodes:
            id_ += "x"
        role = "manager" if manager else "worker"
        self.nodes = self.nodes | {id_: {"name": box.hostname, "role": role, "address": box.address}}
        box.member = {"state": "active", "node": id_, "address": box.address, "manager": manager}
        box.networks = box.networks | {"docker_gwbridge": []}

    def _leave(self, box):
        assert box.member, f"{box.name} is in no swarm"
        on = [n for n, its in box.containers.items() if its[1] and its[2].get(ANCHOR_LABEL) in self.shared]
        assert on == [], f"{box.name} still has {on} on a network"
        id_ = box.member["node"]
        box.member = {}
        self.nodes = self.nodes | {id_: self.nodes[id_] | {"gone": True}}
        if not any(its["role"] == "manager" and self._alive(i) for i, its in self.nodes.items()):
            self.nodes = {}
            self.shared = {n: its for n, its in self.shared.items() if its[1] != "swarm"}

    def _change_role(self, box, step):
        assert box.manages
        assert self.has_quorum
        role = "manager" if step.manager else "worker"
        its = self.nodes[step.node]
        assert its["role"] != role, "nothing to change"
        self.nodes = self.nodes | {step.node: its | {"role": role}}
        assert self.has_quorum, "that takes the quorum"
        for other in self.boxes.values():
            if other.member.get("node") == step.node:
                assert other.name == step.name
                other.member = other.member | {"manager": step.manager}

    def issuer(self):
        texts = {n: b.secret_files.get(consul.TLS) for n, b in self.boxes.items()}
        known = [its.reveal() for b in self.boxes.values() if (its := b.secret_files.get(AUTHORITY))]
        return Issuer(
            self.taking_over or certificates.settled(known, self.told, AUTHORITY_OF_ALL),
            {n: certificates.parse(its.reveal()) for n, its in texts.items() if its},
            self.told,
            self.issued,
        )

    def _view(self, name, talking):
        island = next(i for i in self.islands if name in i)
        return View(
            IPv4Address(self.boxes[name].address),
            tuple(Member(n, IPv4Address(self.boxes[n].address), 7946, 1, 0) for n in talking if n in island),
        )

    def carry_out(self, plan):
        for stage in plan.stages:
            lived = self.store_runs and self.leader
            for step in stage.steps:
                self._do(step)
            servers = self.fleet.servers
            stopped = {
                step.host
                for step in stage.steps
                if step.host in servers
                and (
                    ("engine" in step.restarts and not self.boxes[step.host].service.get("running"))
                    or consul.CONTAINER in step.restarts
                    or etcd.CONTAINER in step.restarts
                )
            }
            assert not lived or len(servers) <= 1 or len(stopped) * 2 < len(servers), (
                f"{stage.title} takes the store's quorum"
            )
        if any(isinstance(step, LeaveSwarm) for step in plan.steps):
            assert not self.nodes or self.has_quorum, "the swarm that stays has no majority"

    def _do(self, step):
        box = self.boxes.get(step.host)
        match step:
            case RecordBefore():
                box.before = step.before
            case WriteFile(path=consul.CONFIG | etcd.CONFIG):
                assert step.previous == box.store_config
                box.store_config = step.content
            case WriteFile():
                assert step.path == DROP_IN
                assert step.previous == box.drop_in
                box.drop_in = step.content
            case WriteSecret():
                assert step.there == (step.path in box.secret_files)
                box.secret_files[step.path] = step.content
                box.exposed = tuple(path for path in box.exposed if path != step.path)
            case GrantAccess():
                assert self.store_runs, "nobody is there to be told"
                self.granted = True
            case RemoveFile() if step.path in box.secret_files:
                del box.secret_files[step.path]
            case RemoveFile(path=consul.CONFIG | etcd.CONFIG):
                box.store_config = ""
            case RemoveFile():
                if step.path == DROP_IN:
                    assert step.with_folder != box.drop_in_folder, "it goes unless it was there before"
                    box.drop_in = ""
                else:
                    assert step.path == RECORD_PATH
                    box.before = None
            case InstallUnit(unit=backup_unit.UNIT):
                assert step.previous == box.backup_files
                box.backup_files, box.backup = dict(step.files), box.backup | {"runs": True}
            case RemoveUnit(unit=backup_unit.UNIT):
                assert set(step.files) == set(box.backup_files)
                box.backup_files, box.backup = {}, {"runs": False}
            case InstallUnit():
                assert step.previous == box.boot_files
                box.boot_files, box.boot_enabled = dict(step.files), True
            case RemoveUnit():
                assert set(step.files) == set(box.boot_files)
                box.boot_files, box.boot_enabled = {}, False
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
                assert network == "host" or box.member or box.carries_flags
                box.containers[step.name] = [step.spec["Image"], True, step.spec["Labels"]]
                for volume in step.spec["HostConfig"].get("Binds", ()):
                    box.volumes = [*{*box.volumes, volume.split(":")[0]}]
                if network != "host" and "docker_gwbridge" not in box.networks:
                    box.networks = box.networks | {"docker_gwbridge": []}
                if step.name == consul.CONTAINER:
                    assert {consul.SECRETS, consul.TLS} <= box.secret_files.keys(), "it reads both"
                if step.name == etcd.CONTAINER:
                    assert {etcd.TRUSTED, etcd.TLS} <= box.secret_files.keys(), "it reads both"
            case StartContainer():
                box.containers[step.name][1] = True
            case RunService():
                its = box.service
                assert step.previous == its.get("unit", "")
                assert step.replace == bool(its.get("running"))
                assert bool(step.new_data) != bool(its.get("data")), "it is there, or it is made"
                assert {consul.SECRETS, consul.TLS} <= box.secret_files.keys(), "it reads both"
                assert not self._has_store_in_its_engine(box), "it takes the ports"
                made_from = re.search(f"{MADE_FROM}=(.+)", step.content)[1]
                more = {"unit": step.content, "enabled": True, "running": True, "data": True}
                box.service = its | more | {"made_from": made_from, "replaced": False}
            case StartService():
                box.service = box.service | {"running": True}
            case RemoveService():
                box.service = {"program": box.service["program"]}
                self.granted = False
            case MoveStore(to="service"):
                del box.containers[consul.CONTAINER]
                box.volumes = [v for v in box.volumes if v != consul.VOLUME]
                box.images = [i for i in box.images if i != step.image]
                box.service = box.service | {"data": True}
            case MoveStore():
                box.service = {"program": box.service["program"]}
                box.volumes = [*box.volumes, consul.VOLUME]
            case AwaitAgent():
                assert self.agent_runs(step.host)
                assert all(map(self.agent_runs, step.others))
            case AwaitLeader():
                assert self.store_runs, "no store runs that could elect a leader"
                self.leader = True
            case JoinGossip():
                assert self.store_runs, "without a store engines never gossip"
                for other in self.boxes.values():
                    assert other.carries_flags, f"{other.name} does not gossip"
                    assert self.serves(other.name), f"{other.name} has no store"
                    assert step.addresses[other.name] == other.address
                    other.gossips = other.registered = True
                self.islands = [list(self.boxes)]
            case PassGate():
                for name in step.hosts:
                    assert self.boxes[name].running
                if step.nodes:
                    assert all(map(self.serves, step.hosts)), "without a store engines never register"
                    assert set(step.nodes) == set(step.hosts)
                for name, address in step.gossip.items():
                    other = self.boxes[name]
                    assert other.carries_flags, f"{name} does not gossip"
                    assert address == other.address
                    other.gossips = other.registered = True
                if len(step.gossip) == len(self.boxes):
                    self.islands = [list(self.boxes)]
            case InitSwarm():
                assert not self.nodes, "there is a swarm already"
                assert step.address == box.address
                self._join(box, manager=True)
                self.shared = self.shared | {"ingress": ["overlay", "swarm", ["10.0.0.0/24"], {}, False]}
            case JoinSwarm():
                assert self.boxes[step.via].manages, f"{step.via} has no token to give"
                assert self.has_quorum
                assert step.address == box.address
                assert step.remotes[0] == f"{self.boxes[step.via].address}:2377"
                assert f"{box.address}:2377" not in step.remotes
                self._join(box, manager=step.manager)
            case ChangeRole():
                self._change_role(box, step)
            case LeaveSwarm():
                self._leave(box)
            case RemoveNode():
                assert box.manages
                assert self.nodes[step.node]["role"] == "worker", "it must be demoted before"
                assert not self._alive(step.node)
                self.nodes = {i: its for i, its in self.nodes.items() if i != step.node}
            case CreateNetwork() if step.spec.get("Attachable"):
                assert box.manages
                assert self.has_quorum
                assert step.name not in self.shared
                spec = step.spec
                subnets = [c["Subnet"] for c in spec["IPAM"]["Config"]]
                self.shared = self.shared | {step.name: [spec["Driver"], "swarm", subnets, spec["Options"]]}
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
                    assert box.shows(step.name, self.shared[step.name][1])
                    del self.shared[step.name]
            case RemoveContainer():
                del box.containers[step.name]
            case RemoveVolume():
                assert not {consul.CONTAINER, etcd.CONTAINER} & box.containers.keys(), "the volume is in use"
                box.volumes = [v for v in box.volumes if v != step.name]
                self.granted = False
            case RemoveImage():
                assert step.name not in [image for image, _, _ in box.containers.values()], (
                    "the image is in use"
                )
                box.images = [i for i in box.images if i != step.name]
            case _:
                raise AssertionError(f"the site does not know {step!r}")

    def _has_store_in_its_engine(self, box):
        return box.containers.get(consul.CONTAINER, [None, False])[1]

    def _restart(self, box):
        lines = [line for line in box.drop_in.splitlines() if line.startswith("ExecStart=")]
        line = lines[-1].partition("=")[2] if lines else box.exec_start
        box.arguments = [word for word in line.split() if not word.startswith("$")]
        box.running, box.started, box.stray_threads = True, box.started + 1, 0
        box.registered = box.gossips = self.serves(box.name)
        text = box.secret_files.get(ENVIRONMENT)
        text = text.reveal() if text and ENVIRONMENT in box.drop_in else ""
        box.running_token, box.running_certificate = token_of(text), certificate_of(text)


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
