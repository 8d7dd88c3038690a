"""Hosts on their way from a store to a swarm, as plain values: what engines do that a move can be judged by.

An engine that restarts has the networks of its store, or none; one that is in a swarm has those of the
swarm; a container runs only while all of its networks are there, and has a seat by the network's id.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace

from overweave.facts.attachments import Attachment
from overweave.facts.boot import BootUnit
from overweave.facts.engine import Container
from overweave.facts.moving import Moving, Overlay, Pool, Seat, Wired, _note
from overweave.facts.record import MOVE
from overweave.facts.swarm import Member
from overweave.facts.unit import DROP_IN
from overweave.model import ANCHOR_LABEL, SPEC_LABEL
from overweave.moving.turn import Site
from overweave.steps import (
    AwaitLeader,
    ChangeRole,
    CreateNetwork,
    InitSwarm,
    InstallUnit,
    JoinSwarm,
    LeaveSwarm,
    PassGate,
    RemoveContainer,
    RemoveFile,
    RemoveNode,
    RestartEngine,
    RewireContainer,
    RunContainer,
    StartContainers,
    StopContainers,
    WriteFile,
    WriteSecret,
)

from .site import inventory_of

STORE = {
    "overweave": Overlay("id of overweave", "overweave", "overlay", (Pool("10.211.0.0/16"),)),
    "shop": Overlay(
        "id of shop",
        "shop",
        "overlay",
        (Pool("10.77.0.0/24", "10.77.0.254", "10.77.0.128/25", ("10.77.0.9",)),),
        labels={"team": "a\nb"},
        internal=True,
    ),
}


@dataclass
class Machine:
    """``flags`` are the running engine's; ``containers``: name -> running, mode, seats (by network, id and
    the settings); ``ours``: name -> running, network's name, its id, and labels."""

    drop_in: str
    boot: dict
    flags: bool = True
    running: bool = True
    member: Member = field(default_factory=Member)
    containers: dict = field(default_factory=dict)
    ours: dict = field(default_factory=dict)
    note: str = ""


class Movers:
    """The hosts of a deployed site, with users' ``containers``: host -> name -> (mode, settings by "
    "network)."""

    def __init__(self, deployed, containers):
        self.fleet, self.base = deployed.fleet, deployed.facts()
        self.swarm = {}
        self.hosts = {}
        for name, its in self.base.hosts.items():
            made = {
                container: [True, mode, {n: [STORE[n].id, settings] for n, settings in seats.items()}]
                for container, (mode, seats) in containers.get(name, {}).items()
            }
            anchors = {
                c.name: [True, "overweave", STORE["overweave"].id, c.labels]
                for c in its.engine.containers
                if ANCHOR_LABEL in c.labels
            }
            self.hosts[name] = Machine(its.unit.drop_in, dict(its.boot.files), containers=made, ours=anchors)

    def known(self, its):
        """Networks by name, as an engine has them."""
        if its.flags:
            return {name: overlay.id for name, overlay in STORE.items()}
        return self.swarm if its.member.there else {}

    def site(self):
        hosts = {name: self._facts(name, its) for name, its in self.hosts.items()}
        return Site(
            self.fleet, replace(self.base, hosts=hosts), {n: self._seen(i) for n, i in self.hosts.items()}
        )

    def _facts(self, name, its):
        base = self.base.hosts[name]
        users = tuple(Container(c, "redis", ran, {}) for c, (ran, *_) in its.containers.items())
        ours = tuple(Container(c, "busybox", ran, labels) for c, (ran, _, _, labels) in its.ours.items())
        store = tuple(c for c in base.engine.containers if c.name == "consul")
        seats = tuple(
            Attachment(c, ran, 0, id_, network, "e", "", "") for c, (ran, network, id_, _) in its.ours.items()
        )
        scope = "global" if its.flags else "swarm"
        networks = tuple(
            replace(base.engine.networks[0], id=id_, name=n, driver="overlay", scope=scope)
            for n, id_ in self.known(its).items()
        )
        engine = replace(
            base.engine,
            running=its.running,
            containers=(*users, *ours, *store),
            attachments=seats,
            networks=networks,
            member=its.member,
        )
        arguments = base.unit.arguments if its.flags else ("/usr/sbin/dockerd",)
        unit = replace(base.unit, drop_in=its.drop_in, arguments=arguments)
        boot = BootUnit(its.boot, True, False)
        return replace(base, engine=engine, unit=unit, boot=boot, moving=bool(its.note))

    def _seen(self, its):
        containers = {
            name: Wired(name, ran, mode, seats={n: Seat(*seat) for n, seat in seats.items()})
            for name, (ran, mode, seats) in its.containers.items()
        }
        return Moving(_note(its.note, ""), tuple(STORE.values()) if its.flags else (), containers)

    def carry_out(self, steps):
        for step in steps:
            self._do(step, self.hosts.get(step.host))

    def _start(self, its, name):
        _, mode, seats = its.containers[name]
        beside = mode.removeprefix("container:")
        assert beside == mode or its.containers[beside][0], f"{beside} does not run"
        known = self.known(its)
        for network, seat in seats.items():
            assert seat[0] in ("", known.get(network)), f"{name}: network {network} {seat[0]} not found"
            seat[0] = known[network]
        its.containers[name][0] = True

    def _do(self, step, its):
        match step:
            case WriteSecret(path=path):
                assert (path, its.note) == (MOVE, "")
                its.note = step.content.reveal()
            case RemoveFile(path=path) if path == MOVE:
                its.note = ""
            case RemoveFile():
                assert step.path == DROP_IN
                its.drop_in = ""
            case WriteFile():
                assert step.path == DROP_IN
                its.drop_in = step.content
            case InstallUnit():
                its.boot = dict(step.files)
            case StopContainers():
                for name in step.names:
                    its.containers[name][0] = False
            case StartContainers():
                for name in step.names:
                    self._start(its, name)
            case RemoveContainer():
                # What is gone already is no error.
                its.ours.pop(step.name, None)
            case RunContainer():
                assert step.replace == (step.name in its.ours)
                network = step.spec["HostConfig"]["NetworkMode"]
                id_ = self.known(its)[network]
                its.ours[step.name] = [True, network, id_, step.spec["Labels"]]
            case RestartEngine():
                assert not any(ran for ran, *_ in its.containers.values()), "users' containers stop before"
                its.flags, its.running = "--cluster-store" in its.drop_in, True
                assert not (its.flags and its.member.there), "a cluster store forbids swarm mode"
            case RewireContainer():
                ran, _, seats = its.containers[step.container]
                assert not ran
                for network in step.leave:
                    del seats[network]
                for network, settings in step.join.items():
                    assert network not in seats
                    seats[network] = [self.known(its)[network], dict(settings)]
            case InitSwarm() | JoinSwarm():
                assert not its.flags, "a cluster store forbids swarm mode"
                first = isinstance(step, InitSwarm)
                assert first == (not any(other.member.there for other in self.hosts.values()))
                assert first or self.hosts[step.via].member.manager
                manager = first or step.manager
                its.member = Member("active", f"n-{step.host}", step.address, manager)
            case CreateNetwork():
                assert its.member.manager
                assert step.name not in self.swarm
                self.swarm = self.swarm | {step.name: f"swarm's {step.name}"}
            case ChangeRole():
                assert its.member.manager
                other = self.hosts[step.name]
                other.member = replace(other.member, manager=step.manager)
            case LeaveSwarm():
                its.member = Member()
                if not any(other.member.there for other in self.hosts.values()):
                    self.swarm = {}
            case RemoveNode():
                assert its.member.manager
            case AwaitLeader() | PassGate():
                pass
            case _:
                raise AssertionError(f"nobody here knows {step!r}")

    def state(self):
        """All that is to be so again; containers without what tells one seat of the same settings apart."""
        return copy.deepcopy({name: vars(its) for name, its in self.hosts.items()})


def is_hold(labels):
    return SPEC_LABEL in labels and ANCHOR_LABEL not in labels


def wanted(**more):
    """An inventory of three hosts, one of them with the store."""
    return inventory_of(3, store={"image": "consul:1.8.7", "servers": 1}, **more)
