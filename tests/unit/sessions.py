"""Sessions without hosts: each answers what is asked of it for facts, and its engine is a fake one."""

from __future__ import annotations

import json

from tests.contract.fakes import FakeClock, FakeEngine
from tests.golden.site import inventory_of
from tests.unit.facts.answers import answers
from tests.unit.facts.test_unit import DOCKER_CE, SHOWN

from overweave import inventory
from overweave.command import Result
from overweave.fleet import Cancel
from overweave.lock import FleetLock
from overweave.session import Session

NETWORK = "kp3q8m0v2jt7"
LINKS = json.dumps([{"ifname": "eth0", "ifindex": 2, "addr_info": []}])


class Engine(FakeEngine):
    """``overlays``: what it tells of its networks, by name; ``there``: containers as it lists them."""

    def __init__(self, where, wire):
        super().__init__(where, wire=wire)
        self.overlays, self.there = {}, []

    def networks(self):
        return [*super().networks(), *self.overlays.values()]

    def network(self, name):
        found = (its for its in self.overlays.values() if name in (its["Id"], its["Name"]))
        return next(found, None) or super().network(name)

    def containers(self):
        return [*super().containers(), *self.there]


class Answering:
    """A host that is asked for facts, and for what is in its namespaces."""

    def __init__(self, host, engine):
        self.host, self.reached_at, self.engine = host, host.access.address, engine

    def ask(self, *queries):
        if "docker/netns" in queries[0].shell():
            return self._namespaces(*queries)
        there = {"family": "inet", "local": self.reached_at, "prefixlen": 24, "scope": "global"}
        route = {"dst": "10.0.0.0/24", "dev": "eth0", "prefsrc": self.reached_at}
        told = {
            "-p LoadState": SHOWN,
            "systemctl cat": DOCKER_CE,
            "uname -n": f"{self.host.name}\nid of {self.host.name}\n",
            "ip -json -4 address": json.dumps([{"ifname": "eth0", "mtu": 1500, "addr_info": [there]}]),
            "ip -json -4 route": json.dumps([route]),
            "dockerd --version": "Docker version 20.10.5+dfsg1, build 55c4c88\n",
            "libkv/store": "consul etcd\n",
        }
        return tuple(answers(queries, told))

    def _namespaces(self, looked, journal):
        mark = looked.words[4]
        parts = ("host 1", LINKS, "[]", "[]", "[]")
        told = "".join(f"{part}\n{mark}\n" for part in parts)
        return Result(looked, 0, told, ""), Result(journal, 0, "", "")


class Fleet:
    """Hosts of an inventory, whose engines reach each other. ``said`` is their session's progress."""

    def __init__(self, count=3, /, **wanted):
        self.wanted = inventory_of(count, **wanted)
        self.said, wire = [], {}
        self.engines = {name: Engine(name, wire) for name in self.wanted["hosts"]}

    def session(self, *names):
        """With all hosts, or with these."""
        hosts = {n: its for n, its in self.wanted["hosts"].items() if n in names or not names}
        fleet = inventory.parse(json.dumps(self.wanted | {"hosts": hosts}))
        readers = {host.name: Answering(host, self.engines[host.name]) for host in fleet.hosts}
        self.clock = FakeClock()
        return Session(
            fleet, readers, Cancel(), self.clock, lambda *said: self.said.append(said), FleetLock(self.clock)
        )

    def host(self, name):
        return inventory.parse(json.dumps(self.wanted)).host(name)

    def begin(self, managers=1):
        """A swarm of all of them, and a network in it."""
        first, *others = self.engines
        addresses = {name: its["address"] for name, its in self.wanted["hosts"].items()}
        self.engines[first].init_swarm(addresses[first], port=4789)
        for number, name in enumerate(others, 2):
            token = self.engines[first].join_token(manager=number <= managers)
            self.engines[name].join_swarm(addresses[name], (f"{addresses[first]}:2377",), token)
        peers = [{"Name": name, "IP": address} for name, address in addresses.items()]
        for engine in self.engines.values():
            engine.overlays["overweave"] = {
                "Name": "overweave",
                "Id": NETWORK,
                "Driver": "overlay",
                "Scope": "swarm",
                "Attachable": True,
                "IPAM": {"Config": [{"Subnet": "10.211.0.0/16", "Gateway": "10.211.0.1"}]},
                "Options": {"com.docker.network.driver.overlay.vxlanid_list": "4097"},
                "Peers": peers,
            }
        return self

    def lose(self, name):
        """Its engine is off, as the managers see it."""
        engine = self.engines[name]
        engine.swarm.lose(engine.node)
        engine.restart()

    @property
    def listed(self):
        """Names of the swarm's nodes."""
        return [
            node["Description"]["Hostname"] for node in next(iter(self.engines.values())).swarm.nodes.values()
        ]
