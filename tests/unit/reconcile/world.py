"""Hosts with networks and containers as plain values: facts come out of them, and plans are carried out."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.golden.site import Site, inventory_of, lines
from tests.golden.test_plans import deployed

from overweave import inventory
from overweave.command import Result, query
from overweave.facts import wanted
from overweave.facts.containers import ContainerFact, Endpoint
from overweave.facts.engine import parse_network
from overweave.facts.networks import HostNetworks, NetworkSeen
from overweave.facts.parents import Parent, Parents
from overweave.facts.wanted import HostNotes
from overweave.reconcile.plan import departing, reconcile, removal
from overweave.steps import (
    ConnectContainer,
    CreateNetwork,
    InstallUnit,
    LeaveNetwork,
    RemoveFile,
    RemoveNetwork,
    RemoveUnit,
    WriteFile,
)


class World:
    """``networks``: raw ones as engines tell them, by host and name; ``containers`` by host and name."""

    def __init__(self, networks, *, hosts=2, overlay=False, site=None):
        self.site = site or (deployed(inventory_of(hosts)) if overlay else Site(inventory_of(hosts)))
        self.names = list(self.site.boxes)
        self.wanted = networks
        self.networks = {name: {} for name in self.names}
        self.containers = {name: {} for name in self.names}
        self.notes = dict.fromkeys(self.names, HostNotes())
        self.parents = {
            name: Parents({"lo": Parent("lo", True, 65536), "eth0": Parent("eth0", True, 1500)})
            for name in self.names
        }
        self.only = None

    def run(self, host, name, *networks, mode="bridge", running=True, aliases=(), fixed=""):
        """A container of a user's, on networks that he has put it on."""
        id_ = f"{len(self.containers[host]):x}".rjust(12, name[0] if name[0] in "abcdef" else "0") * 5
        its = ContainerFact(host, name, id_, "app", running, 7 if running else 0, mode, ())
        self.containers[host][name] = its
        for network in networks:
            self.plug(host, name, network, aliases, fixed)

    def plug(self, host, name, network, aliases=(), fixed=""):
        its = self.containers[host][name]
        told = (*aliases, its.id[:12])
        id_ = self.networks[host][network]["Id"]
        endpoint = Endpoint(network, id_, f"e-{name}-{network}", fixed, 24, "", "", told, fixed)
        assert all(e.network != network for e in its.endpoints), f"{name} is on {network} already"
        self.containers[host][name] = replace(its, endpoints=(*its.endpoints, endpoint))

    def make(self, host, name, driver="bridge", **more):
        """A network of a user's."""
        self.networks[host][name] = {
            "Id": f"{host}-{name}",
            "Name": name,
            "Driver": driver,
            "Scope": "local",
            **more,
        }

    @property
    def fleet(self):
        text = json.dumps(self.site.wanted | {"networks": self.wanted})
        return inventory.choose(self.only or (), inventory.parse(text))

    def facts(self):
        fleet, facts = self.fleet, self.site.facts()
        hosts = {}
        for name in fleet.names:
            its = facts.hosts[name]
            own = tuple(parse_network(raw) for raw in self.networks[name].values())
            hosts[name] = replace(
                its, notes=self.notes[name], engine=replace(its.engine, networks=(*its.engine.networks, *own))
            )
        return replace(facts, hosts=hosts)

    def seen(self):
        return {
            name: HostNetworks(
                name,
                tuple(NetworkSeen(parse_network(raw), ()) for raw in self.networks[name].values()),
                tuple(self.containers[name].values()),
            )
            for name in self.fleet.names
        }

    def settled_fleet(self):
        return replace(self.site.fleet, networks=self.fleet.networks, hosts=self.fleet.hosts)

    def decide(self, *, replace=False):
        return reconcile(self.settled_fleet(), self.facts(), self.seen(), replace=replace)

    def removal(self):
        return removal(self.settled_fleet(), self.facts(), self.seen())

    def departing(self, name):
        return departing(self.settled_fleet(), self.facts(), self.seen()[name], "it leaves")

    def plan(self, **more):
        made = self.decide(**more)
        assert not made.refused, made.refused
        return list(lines(made.plan))

    def refused(self, **more):
        return [str(e) for e in self.decide(**more).refused]

    def apply(self, **more):
        """Carry out what is decided, till nothing is left to do."""
        made = self.decide(**more)
        assert not made.refused, made.refused
        self.carry_out(made.plan)
        assert self.plan() == []
        return list(lines(made.plan))

    def carry_out(self, plan):
        for step in plan.steps:
            self.do(step, step.host)

    def do(self, step, host):
        match step:
            case CreateNetwork():
                assert step.name not in self.networks[host], f"{step.name} is on {host} already"
                scope = "local"
                if step.spec["Driver"] == "overlay":
                    scope = "swarm" if "Attachable" in step.spec else "global"
                for name in [host] if scope == "local" else self.names:
                    id_ = f"{host if scope == 'local' else 'all'}-{step.name}"
                    self.networks[name][step.name] = {**step.spec, "Id": id_, "Scope": scope}
            case RemoveNetwork():
                wide = self.networks[host][step.name]["Scope"] != "local"
                for name in self.names if wide else [host]:
                    raw = self.networks[name].pop(step.name, None)
                    for its in self.containers[name].values():
                        assert all(e.network_id != (raw or {}).get("Id") for e in its.endpoints)
            case ConnectContainer():
                self.plug(host, step.container, step.network, step.aliases, step.address)
            case LeaveNetwork():
                its = self.containers[host][step.container]
                left = tuple(e for e in its.endpoints if e.network != step.network_name)
                assert len(left) < len(its.endpoints), f"{its.name} is not on {step.network_name}"
                self.containers[host][step.container] = replace(its, endpoints=left)
            case WriteFile():
                assert step.previous == self.notes[host].text
                self._note(host, step.content)
            case RemoveFile():
                self._note(host, "")
            case InstallUnit():
                (text,) = step.files.values()
                name = wanted.network_of(step.unit)
                its = self.notes[host]
                shims = {**its.shims, name: text}
                self.notes[host] = replace(its, shims=shims, run=its.run | {name})
            case RemoveUnit():
                name = wanted.network_of(step.unit)
                its = self.notes[host]
                shims = {n: text for n, text in its.shims.items() if n != name}
                self.notes[host] = replace(its, shims=shims, run=its.run - {name})
            case _:
                raise AssertionError(f"nobody knows how to do {step!r}")

    def _note(self, host, text):
        connected = wanted.parse([_said(text), _said(""), _said("")]).connected
        self.notes[host] = replace(self.notes[host], connected=connected, text=text)


def _said(text):
    return Result(query("x"), 0, text, "")
