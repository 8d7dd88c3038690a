"""Hops on one host: the container, its veth pair and the bridge that it is plugged into. Pure."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from overweave.facts.namespaces import Namespace

from .ends import End, Switch, down, link_hop, plain, sandbox_space, unplugged
from .model import Hop, Kind, Network, Problem


def container(end: End, *, first: bool) -> Hop:
    its = end.container
    shares = f", in the sandbox of {its.shares}" if its.shares else ""
    what = (
        f"a process with a network namespace of its own, its sandbox{shares}"
        if first
        else f"the process that the packet is for{shares}"
    )
    gone = Problem("its network namespace is gone", f"`docker restart {its.name}` on {its.host}")
    return Hop(
        Kind.CONTAINER,
        sandbox_space(end),
        its.name,
        what,
        (f"id {its.id[:12]}", f"pid {its.pid}", f"endpoint {end.endpoint.id[:12]}"),
        () if end.sandbox else (gone,),
    )


def interface(end: End, other: End, *, first: bool) -> Hop:
    """A container's end of its veth pair. ``first``: the packet leaves by it, and needs a route."""
    space, link = sandbox_space(end), end.link
    what = "its network card: one end of a veth pair, a cable in software"
    again = f"`docker restart {end.container.name}` on {space.host} makes it anew"
    if link is None:
        seen = f"no interface has the MAC {end.endpoint.mac} or the address {end.endpoint.address}"
        return Hop(Kind.INTERFACE, space, "(none)", what, (), (Problem(seen, again),))
    problems = list(down(link, space))
    if problems:
        problems = [Problem(p.seen, f"{p.fix}; {again}, with its routes") for p in problems]
    if end.endpoint.address not in plain(link.addresses):
        has = ", ".join(link.addresses) or "none"
        if not problems or link.addresses:
            seen = f"its address is {has}, and the engine gave {end.endpoint.address}"
            problems.append(Problem(seen, again))
    if link.mac != end.endpoint.mac:
        problems.append(Problem(f"its MAC is {link.mac}, and the engine gave {end.endpoint.mac}", again))
    shows = [*link.addresses, link.mac, f"MTU {link.mtu}"]
    if first and not problems and end.sandbox:
        device = _route(end.sandbox, other.endpoint.address)
        if device != link.name:
            seen = f"the route to {other.endpoint.address} goes by {device or 'nothing'}, not by {link.name}"
            problems.append(Problem(seen, again))
    return link_hop(Kind.INTERFACE, space, link, what, shows, problems)


def port(at: Switch, end: End) -> Hop:
    """The host's end of a veth pair, which is plugged into the bridge."""
    what = f"the other end of the pair, plugged into {at.name}"
    link, eth = at.port(end), end.link
    if eth is None:
        # Told of at the interface: nothing says which port is its.
        return Hop(Kind.VETH, at.space, "(unknown)", what)
    if link is None:
        seen = f"the other end of {eth.name} is not in {at.space.name}"
        fix = f"`docker restart {end.container.name}` on {at.space.host} makes the pair anew"
        return Hop(Kind.VETH, at.space, "(none)", what, (), (Problem(seen, fix),))
    # A pair is without carrier on both ends as soon as one is down: that one is told of.
    problems = [*down(link, at.space, carrier=eth.up), *unplugged(link, at)]
    shows = [f"MTU {link.mtu}", f"in {link.master or 'no bridge'}"]
    return link_hop(Kind.VETH, at.space, link, what, shows, problems)


def bridge(at: Switch, network: Network) -> Hop:
    what = "a switch in software: what comes in at one port leaves at another"
    link = at.link
    if link is None:
        seen = f"there is no bridge {at.name}"
        if at.namespace is None:
            seen = f"there is no network namespace of {network.name} here"
        fix = f"restart a container that is on it, or the engine of {at.space.host}"
        return Hop(Kind.BRIDGE, at.space, at.name, what, (), (Problem(seen, fix),))
    problems = list(down(link, at.space, carrier=False))
    # What the option enable_icc=false of a network, or icc=false of an engine, comes to.
    apart = f"-i {at.name} -o {at.name} -j DROP"
    rules = (
        rule.text
        for table in at.side.firewall.tables
        for chain in table.chains.values()
        for rule in chain.rules
    )
    if not at.space.path and any(rule.endswith(apart) for rule in rules):
        problems.append(
            Problem(
                f"`{apart}`: the engine keeps the containers of {network.name} from each other",
                "connect them to a network that was made without enable_icc=false",
            )
        )
    hop = link_hop(Kind.BRIDGE, at.space, link, what, [*link.addresses, f"MTU {link.mtu}"], problems)
    # A frame from port to port is held against the MTU of the ports, not of the bridge.
    return replace(hop, mtu=0)


def _route(namespace: Namespace, address: str) -> str:
    """The device of the longest prefix that fits, "" where none does."""
    best, device = -1, ""
    if not address:
        return device
    for route in namespace.routes:
        try:
            network = IPv4Network("0.0.0.0/0" if route.destination == "default" else route.destination)
        except ValueError:
            continue
        if IPv4Address(address) in network and network.prefixlen > best:
            best, device = network.prefixlen, route.device
    return device
