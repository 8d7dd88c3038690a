"""The hops of a way in their order, and what only shows across them: the MTU, and the real packets. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from overweave.facts.capture import Capture, Place, Sight
from overweave.facts.echo import SMALL, Echo

from . import local, tunnel
from .ends import OWN, End, enter, switch
from .model import Hop, Kind, Network, Problem, Seen, Space, Trace, Way

HOW_LOST = {
    Kind.INTERFACE: "see the firewall inside of the sandbox: `nsenter --net={path} iptables -S`",
    Kind.VETH: "the pair is cut: restart the container",
    Kind.VXLAN: "see the bridge's own filter: `ebtables -L`, and `bridge link` in the namespace",
    Kind.UNDERLAY: "see the firewall of {host}: `iptables-save | grep DROP`, and `nft list ruleset`",
}
"""Where to look when packets are lost right before a hop, by its kind."""
BETWEEN_HOSTS = (
    "open UDP {port} between the hosts, both ways: a firewall, a security group or a hypervisor between them "
    "drops it (moby#33416)"
)
BEHIND_CARD = "let UDP {port} in on {host}: its firewall drops what its card has received (moby#33416)"


def network_of(source: End, target: End) -> Network:
    """What the two share, as the kernels show it. Only an overlay spans hosts."""
    its = source.endpoint
    overlay = source.side.overlay or target.side.overlay
    if overlay or source.side.host != target.side.host:
        return Network(its.network, its.network_id, "overlay")
    kinds = {end.link.kind for end in (source, target) if end.link} - {"veth"}
    return Network(its.network, its.network_id, kinds.pop() if kinds else "bridge")


def way(source: End, target: End, network: Network, *, known: Mapping[str, str]) -> Way:
    """All hops from one container to the other. ``known`` are names of hosts by address."""
    here = switch(source.side, network, source.endpoint)
    there = switch(target.side, network, target.endpoint)
    found = [
        local.container(source, first=True),
        local.interface(source, target, first=True),
        local.port(here, source),
        local.bridge(here, network),
    ]
    if source.side.host != target.side.host:
        vtep = target.side.vtep
        found += [
            tunnel.vxlan(here, there, network, first=True),
            tunnel.neighbour(here, target),
            tunnel.forwarding(here, target, vtep, known),
            tunnel.leaving(source.side, target.side, vtep),
            tunnel.arriving(there, _sender(source, vtep), vtep),
            tunnel.vxlan(there, here, network, first=False),
            local.bridge(there, network),
        ]
    found += [
        local.port(there, target),
        local.interface(target, source, first=False),
        local.container(target, first=False),
    ]
    return Way(source.told, target.told, target.endpoint.address, tuple(narrow(found)))


def _sender(source: End, vtep: str) -> str:
    way = source.side.routes.get(vtep)
    return way.source if way and way.source else source.side.vtep


def narrow(found: Iterable[Hop]) -> Iterable[Hop]:
    """The hops, with a problem at each that carries less than the interface where the packet begins."""
    carried, begin = 0, ""
    for hop in found:
        if not carried and hop.kind is Kind.INTERFACE:
            carried, begin = hop.mtu, hop.name
        need = carried + hop.overhead
        if hop.mtu and carried and hop.mtu < need:
            around = f" and {hop.overhead} bytes around them" if hop.overhead else ""
            seen = f"MTU {hop.mtu}: {begin} sends up to {carried} bytes{around}; large packets die here"
            fix = enter(hop.space, f"ip link set {hop.name} mtu {need}")
            if hop.kind is Kind.UNDERLAY:
                fix += f", or make the network anew with an MTU option of {hop.mtu}"
            yield hop.with_problem(Problem(seen, fix))
        else:
            yield hop


def size_of(end: End) -> int:
    """Bytes of the largest packet that a container may send."""
    return max(SMALL, min(end.link.mtu, 65000)) if end.link else 1400


def place_of(space: Space) -> Place:
    return Place(space.host, space.path or OWN, space.inode)


def places(trace: Trace) -> tuple[Place, ...]:
    """All namespaces of the way there, to watch."""
    hops = trace.there.hops if trace.there else ()
    return tuple(dict.fromkeys(place_of(hop.space) for hop in hops if hop.wire and hop.space.inode))


def with_echoes(trace: Trace, there: Echo, back: Echo) -> Trace:
    """The trace with what became of the real packets."""
    return replace(
        trace,
        there=replace(trace.there, echo=there) if trace.there else None,
        back=replace(trace.back, echo=back) if trace.back else None,
    )


def mended(before: Trace, after: Trace) -> Trace:
    """What is true after packets have arrived: a row that has come with the first of them is no problem."""
    came = dict.fromkeys(
        f"{hop.space.host} had no {hop.kind} {hop.name} until a packet asked for it: its engine looked it up"
        for old, new in zip(before.ways, after.ways, strict=False)
        for hop, now in zip(old.hops, new.hops, strict=False)
        if not hop.ok and now.ok
    )
    return replace(after, notes=(*after.notes, *came))


def with_capture(trace: Trace, capture: Capture, port: int) -> Trace:
    """The trace with what was seen at each hop. Where packets were lost and nothing else is wrong, the
    first hop that did not see them has a problem. ``capture`` is of the requests on the way there."""
    there, back = trace.there, trace.back
    if there is None or back is None or there.echo is None:
        return trace
    notes = tuple(f"{its.host}: {its.path} was not watched: {why}" for its, why in capture.failed.items())
    lost_size = 0 if not there.echo.answered or there.echo.whole else there.echo.size
    seen_there = [_with_seen(hop, capture) for hop in there.hops]
    trace = replace(
        trace, there=replace(there, hops=tuple(seen_there)), captured=True, notes=(*trace.notes, *notes)
    )
    if there.echo.whole or trace.broken:
        return trace
    lost = _first_without(there.hops, capture, reply=False, size=lost_size)
    if lost is not None:
        at, before = lost
        seen_there[at] = seen_there[at].with_problem(_lost(there.hops, at, before, port, "request"))
        return replace(trace, there=replace(there, hops=tuple(seen_there)))
    lost = _first_without(back.hops, capture, reply=True, size=lost_size)
    if lost is None:
        return trace
    at, before = lost
    changed = list(back.hops)
    changed[at] = changed[at].with_problem(_lost(back.hops, at, before, port, "reply"))
    return replace(trace, back=replace(back, hops=tuple(changed)))


def _with_seen(hop: Hop, capture: Capture) -> Hop:
    place = place_of(hop.space)
    if not hop.wire or place in capture.failed:
        return hop
    requests = capture.seen(place, hop.index, reply=False)
    replies = capture.seen(place, hop.index, reply=True)
    on_host = [s.seconds for s in capture.sights if s.place.host == place.host and not s.reply]
    start = min(on_host, default=0.0)

    def after(sights: tuple[Sight, ...]) -> float | None:
        return min((s.seconds - start for s in sights), default=0.0) * 1000 if sights else None

    one = next(iter((*requests, *replies)), None)
    outer = f"{one.outer_from} -> {one.outer_to}, VNI {one.vni}" if one and one.outer_from else ""
    return replace(
        hop,
        seen=Seen(
            requests=len(requests),
            replies=len(replies),
            request_after=after(requests),
            reply_after=after(replies),
            length=one.length if one else 0,
            ttl=one.ttl if one else 0,
            outer=outer,
        ),
    )


def _first_without(
    way_hops: tuple[Hop, ...], capture: Capture, *, reply: bool, size: int
) -> tuple[int, int | None] | None:
    """The first hop that did not see the packet, and the last before it that did. ``size``: of packets with
    this length alone. None where all saw it."""
    before = None
    for at, hop in enumerate(way_hops):
        if not hop.wire or place_of(hop.space) in capture.failed:
            continue
        sights = capture.seen(place_of(hop.space), hop.index, reply=reply)
        if not [s for s in sights if not size or s.length == size]:
            return at, before
        before = at
    return None


def _lost(way_hops: tuple[Hop, ...], at: int, before: int | None, port: int, what: str) -> Problem:
    hop = way_hops[at]
    if before is None:
        if what == "request":
            return Problem(
                f"no request left by {hop.name}: nobody answered its ARP, or a filter drops it before",
                f"`nsenter --net={hop.space.path} ip neigh` on {hop.space.host} must have a MAC for it",
            )
        return Problem(
            f"requests come in at {hop.name} and no reply leaves: the container does not answer echoes, or "
            "its way back leads elsewhere",
            f"`nsenter --net={hop.space.path} sh -c 'ip route; iptables -S'` on {hop.space.host}",
        )
    last = way_hops[before]
    seen = f"the {what} was seen at {last.name} ({last.space.host}) and did not come here"
    if hop.kind is Kind.UNDERLAY and last.kind is Kind.UNDERLAY:
        fix = BETWEEN_HOSTS
    elif hop.kind is Kind.VXLAN and last.kind is Kind.UNDERLAY:
        fix = BEHIND_CARD
    else:
        fix = HOW_LOST[hop.kind]
    return Problem(seen, fix.format(port=port, host=hop.space.host, path=hop.space.path))
