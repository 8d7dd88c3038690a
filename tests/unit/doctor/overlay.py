"""A deployed fleet of three with one app a host on its overlay, as values; tests change what they want."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Network

from tests.golden.test_plans import deployed

from overweave.doctor.everything import faults
from overweave.facts import address_mask, libnetwork
from overweave.facts.attachments import Attachment
from overweave.facts.live import HostLive, Live
from overweave.facts.namespaces import Forwarding, Link, Namespace, Neighbour

NETWORK = "a" * 64
SPACE = "1-aaaaaaaaaa"
HOSTS = ("host1", "host2", "host3")
EMPTY = address_mask.AddressMask("GlobalDefault/10.211.0.0/16", 65536, 65536, ((0, 2048),))


def address(number):
    return f"10.211.0.{number + 1}"


def mac(number):
    return f"02:42:0a:d3:00:0{number + 1}"


def vtep(number):
    return f"10.0.0.1{number}"


def endpoint(number, **changes):
    its = {
        "name": f"app-host{number}",
        "id": str(number) * 64,
        "ep_iface": {"addr": f"{address(number)}/16", "mac": mac(number)},
        "locator": vtep(number),
    }
    return json.dumps(its | changes).encode()


def mask(*numbers):
    return address_mask.value_of(address_mask.with_taken(EMPTY, [0, 1, 65535, *numbers]))


def tree(held=(2, 3, 4)):
    """All keys under docker/ as they are in a Consul (captured on 20.10.5, and shortened)."""
    overlay = {"SubnetIP": "10.211.0.0/16", "GwIP": "10.211.0.1/16", "Vni": 256}
    return {
        "docker/nodes": b"",
        **{f"docker/nodes/{vtep(n)}:2376": f"{vtep(n)}:2376".encode() for n in (1, 2, 3)},
        "docker/network/v1.0/network/": b"",
        f"{libnetwork.NETWORKS}{NETWORK}/": b'{"name":"overweave","networkType":"overlay"}',
        f"{libnetwork.ENDPOINTS}{NETWORK}/": b"",
        **{f"{libnetwork.ENDPOINTS}{NETWORK}/{str(n) * 64}/": endpoint(n) for n in (1, 2, 3)},
        f"{libnetwork.OVERLAYS}{NETWORK}/": json.dumps(
            {"mtu": 0, "secure": False, "subnets": [overlay]}
        ).encode(),
        f"{libnetwork.SUBNETS}10.211.0.0/16/": mask(*held),
    }


def attachment(number, **changes):
    where = (NETWORK, "overweave", str(number) * 64, address(number), mac(number))
    return replace(Attachment(f"app-host{number}", True, number, *where), **changes)


def link(name, kind, **changes):
    its = Link(name, 1, kind, "", 1450, True, True, "", 0, 0, 0, "", (), 0, 0)
    return replace(its, **changes)


VXLAN = link("vxlan0", "vxlan", vni=256, port=4789, master="br0")
VETH = link("veth0", "veth", master="br0")


def neighbour(number, **changes):
    return replace(Neighbour(address(number), mac(number), "vxlan0", True), **changes)


def forwarding(number, **changes):
    return replace(Forwarding(mac(number), "vxlan0", vtep(number), True), **changes)


def space(number):
    """The overlay's namespace on a host, with the rows of the others."""
    others = [n for n in (1, 2, 3) if n != number]
    return Namespace(
        SPACE,
        number,
        (link("br0", "bridge"), VXLAN, VETH),
        tuple(neighbour(n) for n in others),
        tuple(forwarding(n) for n in others),
        (),
    )


class Overlay:
    """Changes of the parts before `live` puts them together."""

    def __init__(self, site=None):
        self.site = site or deployed()
        self.site.shared["overweave"] = ("overlay", "global", ["10.211.0.0/16"], {})
        self.tree = tree()
        self.attachments = {n: (attachment(n),) for n in (1, 2, 3)}
        self.spaces = {n: {SPACE: space(n)} for n in (1, 2, 3)}
        self.hosts = {n: Namespace("host", 100 + n, (link("eth0", ""),), (), (), ()) for n in (1, 2, 3)}
        self.named = {n: {} for n in (1, 2, 3)}
        self.journals = dict.fromkeys((1, 2, 3), "")
        self.inspected = dict.fromkeys((1, 2, 3), frozenset())
        self.chosen = {f"host{n}": vtep(n) for n in (1, 2, 3)}

    def live(self):
        facts = self.site.facts()
        named = self.site.fleet.names
        hosts = {
            f"host{n}": HostLive(
                self.attachments[n],
                self.hosts[n],
                self.spaces[n],
                self.named[n],
                self.journals[n],
                self.inspected[n],
            )
            for n in (1, 2, 3)
            if f"host{n}" in named
        }
        answers = facts.store is not None and facts.store.leader
        gone = {f"docker/nodes/{b.address}:2376" for b in self.site.boxes.values() if not b.registered}
        kept = {key: value for key, value in self.tree.items() if key not in gone}
        records = libnetwork.parse(kept) if answers else None
        return Live(facts, hosts, records, {n: its for n, its in self.chosen.items() if n in named})

    def faults(self):
        return faults(self.site.fleet, self.live())

    def told(self):
        """Check, host, and what was seen."""
        return [(f.finding.check, f.finding.host, f.finding.seen) for f in self.faults()]

    def change(self, number, **changes):
        self.spaces[number][SPACE] = replace(self.spaces[number][SPACE], **changes)

    def forget(self, name):
        """A host is in the inventory no more, as after `-H` of the others."""
        hosts = {n: its for n, its in self.site.wanted["hosts"].items() if n != name}
        self.site.wanted = self.site.wanted | {"hosts": hosts}


SUBNET = IPv4Network("10.211.0.0/16")
