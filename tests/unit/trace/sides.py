"""Two hosts with a container each on an overlay, as values: everything as it should be."""

from __future__ import annotations

from dataclasses import replace

from overweave.facts.containers import ContainerFact, Endpoint
from overweave.facts.namespaces import Forwarding, Link, Namespace, Neighbour, Route
from overweave.facts.way import RouteTo, Side
from overweave.trace.ends import End
from overweave.trace.model import Network

ID = "df8f31cc76dead81670f9d98fe92fcdff1f7eb4d9c5ee23d09d1ab8c6636401f"
OVERLAY = Network("overweave", ID, "overlay")
KNOWN = {"10.0.0.1": "host1", "10.0.0.2": "host2", "10.0.0.3": "host3"}


def mac(n):
    return f"02:42:0a:d3:00:{n:02x}"


def link(name, index, kind="veth", **more):
    its = Link(
        name=name,
        index=index,
        kind=kind,
        mac=f"aa:00:00:00:00:{index:02x}",
        mtu=1450,
        up=True,
        carrier=True,
        master="",
        peer=0,
        vni=0,
        port=0,
        local="",
        addresses=(),
        sent=0,
        received=0,
    )
    return replace(its, **more)


def space(name, inode, links, neighbours=(), forwarding=(), routes=()):
    return Namespace(name, inode, tuple(links), tuple(neighbours), tuple(forwarding), tuple(routes))


def container(n, **more):
    its = ContainerFact(
        host=f"host{n}",
        name={1: "web", 2: "db"}[n],
        id=f"{n}" * 64,
        image="busybox",
        running=True,
        pid=100 + n,
        mode="overweave",
        endpoints=(Endpoint("overweave", ID, f"e{n}" * 16, f"10.211.0.{n}", 16, mac(n), ""),),
    )
    return replace(its, **more)


def sandbox(n):
    eth = link("eth0", 15, mac=mac(n), peer=16, addresses=(f"10.211.0.{n}/16",))
    routes = [Route("default", "172.18.0.1", "eth1", ""), Route("10.211.0.0/16", "", "eth0", f"10.211.0.{n}")]
    return space(f"/proc/{100 + n}/ns/net", 1000 + n, [link("lo", 1, ""), eth], routes=routes)


def overlay(n):
    other = 3 - n
    links = [
        link("br0", 2, "bridge", addresses=("10.211.0.254/16",)),
        link("vxlan0", 5, "vxlan", master="br0", vni=256, port=4789),
        # Of another container: indexes are counted in each namespace, and repeat.
        link("veth1", 14, peer=15, master="br0"),
        link("veth2", 16, peer=15, master="br0"),
    ]
    return space(
        f"{n}-df8f31cc76",
        2000 + n,
        links,
        [Neighbour(f"10.211.0.{other}", mac(other), "vxlan0", True)],
        [Forwarding(mac(other), "vxlan0", f"10.0.0.{other}", True)],
    )


def own(n):
    eth = link("eth0", 2, "", mtu=1500, addresses=(f"10.0.0.{n}/24",))
    return space("host", 3000 + n, [link("lo", 1, ""), eth])


def side(n, **more):
    other = f"10.0.0.{3 - n}"
    its = Side(
        host=f"host{n}",
        own=own(n),
        overlay=overlay(n),
        sandboxes={f"{n}" * 64: sandbox(n)},
        vtep=f"10.0.0.{n}",
        routes={other: RouteTo("eth0", "", f"10.0.0.{n}")},
        listens=frozenset({4789}),
    )
    return replace(its, **more)


def end(n, its_side=None, **more):
    its = container(n, **more)
    return End(its, its.endpoints[0], its_side or side(n))


def with_link(namespace, name, /, **more):
    """The namespace with a link changed."""
    links = tuple(replace(x, **more) if x.name == name else x for x in namespace.links)
    return replace(namespace, links=links)


def without(namespace, name):
    return replace(namespace, links=tuple(x for x in namespace.links if x.name != name))
