"""The hops of a way, and the one thing that is wrong with it: exactly that hop is marked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.trace.sides import (
    KNOWN,
    OVERLAY,
    end,
    link,
    mac,
    overlay,
    own,
    sandbox,
    side,
    space,
    with_link,
    without,
)

from overweave.command import Result, query
from overweave.facts import firewall
from overweave.facts.capture import Capture, Sight
from overweave.facts.containers import Endpoint
from overweave.facts.echo import Count, Echo
from overweave.facts.namespaces import Forwarding, Neighbour
from overweave.facts.way import RouteTo, Side
from overweave.trace.build import (
    mended,
    network_of,
    place_of,
    places,
    size_of,
    way,
    with_capture,
    with_echoes,
)
from overweave.trace.ends import End
from overweave.trace.model import Kind, Network, Trace

OK = Echo(Count(3, 3, 0.1), Count(1, 1, 0.1), 1450)
DEAD = Echo(Count(5, 0), Count(4, 0), 1450)
SMALL = Echo(Count(3, 3, 0.1), Count(4, 0), 1450)
HERE = "nsenter --net=/var/run/docker/netns/1-df8f31cc76"
THERE = "nsenter --net=/var/run/docker/netns/2-df8f31cc76"
WEB = "nsenter --net=/proc/101/ns/net"


def there(first=None, second=None):
    return way(first or end(1), second or end(2), OVERLAY, known=KNOWN)


def problems(found):
    """Kind, host, what was seen and the remedy of all that is wrong."""
    return [(h.kind, h.space.host, p.seen, p.fix) for h in found.hops for p in h.problems]


def test_a_healthy_way_has_every_hop_and_nothing_wrong():
    found = there()
    assert problems(found) == []
    assert [(h.space.host, h.kind.value, h.name) for h in found.hops] == [
        ("host1", "container", "web"),
        ("host1", "interface", "eth0"),
        ("host1", "veth", "veth2"),
        ("host1", "bridge", "br0"),
        ("host1", "vxlan", "vxlan0"),
        ("host1", "neighbour row", "10.211.0.2"),
        ("host1", "forwarding row", mac(2)),
        ("host1", "underlay", "eth0"),
        ("host2", "underlay", "eth0"),
        ("host2", "vxlan", "vxlan0"),
        ("host2", "bridge", "br0"),
        ("host2", "veth", "veth2"),
        ("host2", "interface", "eth0"),
        ("host2", "container", "db"),
    ]
    assert [h.name for h in found.hops if h.wire] == [
        *("eth0", "veth2", "vxlan0", "eth0"),
        *("eth0", "vxlan0", "veth2", "eth0"),
    ]
    assert size_of(end(1)) == 1450


def here(**more):
    """The way where something of host1 is different."""
    return there(first=end(1, side(1, **more)))


def far(**more):
    return there(second=end(2, side(2, **more)))


def rows(n, **more):
    return replace(overlay(n), **more)


def boxes(n, changed):
    return {"sandboxes": {f"{n}" * 64: changed}}


FAULTS = {
    "the container's interface is down": (
        lambda: here(
            **boxes(1, with_link(sandbox(1), "eth0", up=False, carrier=False)),
            overlay=with_link(overlay(1), "veth2", carrier=False),
        ),
        (Kind.INTERFACE, "host1"),
        "eth0 is down",
        f"`{WEB} ip link set eth0 up` on host1; `docker restart web` on host1 makes it anew, with its routes",
    ),
    "no interface": (
        lambda: here(**boxes(1, without(sandbox(1), "eth0"))),
        (Kind.INTERFACE, "host1"),
        f"no interface has the MAC {mac(1)} or the address 10.211.0.1",
        "`docker restart web` on host1 makes it anew",
    ),
    "another address": (
        lambda: here(**boxes(1, with_link(sandbox(1), "eth0", addresses=("10.9.9.9/16",)))),
        (Kind.INTERFACE, "host1"),
        "its address is 10.9.9.9/16, and the engine gave 10.211.0.1",
        "`docker restart web` on host1 makes it anew",
    ),
    "another MAC": (
        lambda: here(**boxes(1, with_link(sandbox(1), "eth0", mac=mac(99)))),
        (Kind.INTERFACE, "host1"),
        f"its MAC is {mac(99)}, and the engine gave {mac(1)}",
        "`docker restart web` on host1 makes it anew",
    ),
    "no route in the sandbox": (
        lambda: here(**boxes(1, replace(sandbox(1), routes=()))),
        (Kind.INTERFACE, "host1"),
        "the route to 10.211.0.2 goes by nothing, not by eth0",
        "`docker restart web` on host1 makes it anew",
    ),
    "a route by another interface": (
        lambda: here(**boxes(1, replace(sandbox(1), routes=sandbox(1).routes[:1]))),
        (Kind.INTERFACE, "host1"),
        "the route to 10.211.0.2 goes by eth1, not by eth0",
        "`docker restart web` on host1 makes it anew",
    ),
    "veth out of the bridge": (
        lambda: here(overlay=with_link(overlay(1), "veth2", master="")),
        (Kind.VETH, "host1"),
        "veth2 is plugged into nothing, not into br0",
        f"`{HERE} ip link set veth2 master br0` on host1",
    ),
    "veth down": (
        lambda: far(overlay=with_link(overlay(2), "veth2", up=False)),
        (Kind.VETH, "host2"),
        "veth2 is down",
        f"`{THERE} ip link set veth2 up` on host2",
    ),
    "no veth": (
        lambda: here(overlay=without(overlay(1), "veth2")),
        (Kind.VETH, "host1"),
        "the other end of eth0 is not in overlay 1-df8f31cc76",
        "`docker restart web` on host1 makes the pair anew",
    ),
    "a link in its place": (
        lambda: here(overlay=with_link(overlay(1), "veth2", peer=77)),
        (Kind.VETH, "host1"),
        "the other end of eth0 is not in overlay 1-df8f31cc76",
        "`docker restart web` on host1 makes the pair anew",
    ),
    "bridge down": (
        lambda: here(overlay=with_link(overlay(1), "br0", up=False)),
        (Kind.BRIDGE, "host1"),
        "br0 is down",
        f"`{HERE} ip link set br0 up` on host1",
    ),
    "vxlan down": (
        lambda: far(overlay=with_link(overlay(2), "vxlan0", up=False), listens=frozenset()),
        (Kind.VXLAN, "host2"),
        "vxlan0 is down, and its neighbour rows went with it",
        f"`{THERE} ip link set vxlan0 up` on host2",
    ),
    "another VNI": (
        lambda: far(overlay=with_link(overlay(2), "vxlan0", vni=300)),
        (Kind.VXLAN, "host2"),
        "VNI 300, UDP 4789; host1 sends VNI 256, UDP 4789",
        "remove and make overweave anew, or restart the engine whose device is left over",
    ),
    "no neighbour row": (
        lambda: here(overlay=rows(1, neighbours=(Neighbour("10.211.0.2", "", "vxlan0", False),))),
        (Kind.NEIGHBOUR, "host1"),
        "there is no row for 10.211.0.2: host1 does not know its MAC",
        f"`{HERE} ip neigh replace 10.211.0.2 lladdr {mac(2)} dev vxlan0 nud permanent` on host1",
    ),
    "a stale neighbour row": (
        lambda: here(overlay=rows(1, neighbours=(Neighbour("10.211.0.2", mac(77), "vxlan0", True),))),
        (Kind.NEIGHBOUR, "host1"),
        f"the row says {mac(77)}, and db on host2 has {mac(2)}",
        f"`{HERE} ip neigh replace 10.211.0.2 lladdr {mac(2)} dev vxlan0 nud permanent` on host1",
    ),
    "no forwarding row": (
        lambda: here(overlay=rows(1, forwarding=())),
        (Kind.FORWARDING, "host1"),
        f"there is no row for {mac(2)}: the frame has nowhere to go",
        f"`{HERE} bridge fdb replace {mac(2)} dev vxlan0 dst 10.0.0.2 self permanent` on host1",
    ),
    "a forwarding row that was learned": (
        lambda: here(overlay=rows(1, forwarding=(Forwarding(mac(2), "vxlan0", "10.0.0.2", False),))),
        (Kind.FORWARDING, "host1"),
        "the row was learned from a packet and goes again after minutes; the engine has made none",
        f"`{HERE} bridge fdb replace {mac(2)} dev vxlan0 dst 10.0.0.2 self permanent` on host1",
    ),
    "a wrong forwarding row": (
        lambda: here(overlay=rows(1, forwarding=(Forwarding(mac(2), "vxlan0", "10.0.0.3", True),))),
        (Kind.FORWARDING, "host1"),
        "the row leads to 10.0.0.3 (host3), and db is on host2 (10.0.0.2)",
        f"`{HERE} bridge fdb replace {mac(2)} dev vxlan0 dst 10.0.0.2 self permanent` on host1",
    ),
    "a second, stale forwarding row": (
        lambda: here(
            overlay=rows(
                1,
                forwarding=(
                    Forwarding(mac(2), "vxlan0", "10.9.9.9", False),
                    Forwarding(mac(2), "vxlan0", "10.0.0.2", True),
                ),
            )
        ),
        (Kind.FORWARDING, "host1"),
        "the row leads to 10.9.9.9, and db is on host2 (10.0.0.2)",
        f"`{HERE} bridge fdb del {mac(2)} dev vxlan0 dst 10.9.9.9 self` on host1",
    ),
    "a blackhole": (
        lambda: here(routes={"10.0.0.2": RouteTo("", "", "", problem="Invalid argument")}),
        (Kind.UNDERLAY, "host1"),
        "a blackhole route drops what goes to 10.0.0.2",
        "`ip route get 10.0.0.2` on host1 must name an interface; see `ip route show table all`",
    ),
    "no route": (
        lambda: here(routes={"10.0.0.2": RouteTo("", "", "", problem="Network is unreachable")}),
        (Kind.UNDERLAY, "host1"),
        "no route to 10.0.0.2: the kernel says Network is unreachable",
        "`ip route get 10.0.0.2` on host1 must name an interface; see `ip route show table all`",
    ),
    "an address of its own": (
        lambda: here(routes={"10.0.0.2": RouteTo("lo", "", "10.0.0.2", local=True)}),
        (Kind.UNDERLAY, "host1"),
        "10.0.0.2 is an address of host1 itself, and should be one of host2",
        "`ip route get 10.0.0.2` on host1 must name an interface; see `ip route show table all`",
    ),
    "card down": (
        lambda: far(own=with_link(own(2), "eth0", carrier=False)),
        (Kind.UNDERLAY, "host2"),
        "eth0 has no carrier: its other end is down or gone",
        "bring its other end up",
    ),
    "no socket": (
        lambda: far(listens=frozenset({53})),
        (Kind.UNDERLAY, "host2"),
        "no socket takes UDP 4789",
        "restart the engine of host2, or make the network anew",
    ),
    "advertises what it does not have": (
        lambda: there(
            first=end(
                1,
                side(
                    1,
                    routes={"10.0.9.9": RouteTo("eth0", "10.0.0.254", "10.0.0.1")},
                    overlay=rows(1, forwarding=(Forwarding(mac(2), "vxlan0", "10.0.9.9", True),)),
                ),
            ),
            second=end(2, side(2, vtep="10.0.9.9")),
        ),
        (Kind.UNDERLAY, "host2"),
        "host2 does not have the address 10.0.9.9 that its engine tells peers",
        "deploy with the right `advertise` for it in the inventory",
    ),
    "a small vxlan": (
        lambda: here(overlay=with_link(overlay(1), "vxlan0", mtu=1300)),
        (Kind.VXLAN, "host1"),
        "MTU 1300: eth0 sends up to 1450 bytes; large packets die here",
        f"`{HERE} ip link set vxlan0 mtu 1450` on host1",
    ),
    "a small card": (
        lambda: far(own=with_link(own(2), "eth0", mtu=1400)),
        (Kind.UNDERLAY, "host2"),
        "MTU 1400: eth0 sends up to 1450 bytes and 50 bytes around them; large packets die here",
        "`ip link set eth0 mtu 1500` on host2, or make the network anew with an MTU option of 1400",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_is_at_its_hop_with_its_remedy_and_nothing_else_is_blamed(fault):
    make, (kind, host), seen, fix = FAULTS[fault]
    assert problems(make()) == [(kind, host, seen, fix)]


def filtered(text):
    empty = [Result(query("true"), 0, "", "")] * 2
    version = Result(query("iptables"), 0, "iptables v1.8.7 (nf_tables)", "")
    return firewall.parse([version, Result(query("iptables"), 0, text, ""), *empty, empty[0]])


RULES = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
{0}
COMMIT
"""


@pytest.mark.parametrize(
    ("n", "rule", "told", "fix"),
    [
        (1, "-A OUTPUT -p udp -m udp --dport 4789 -j DROP", "to 10.0.0.2", "OUTPUT -p udp -d 10.0.0.2"),
        (2, "-A INPUT -p udp -m udp --dport 4789 -j DROP", "from 10.0.0.1", "INPUT -p udp -s 10.0.0.1"),
    ],
)
def test_a_rule_that_drops_vxlan_is_at_the_card_of_its_host(n, rule, told, fix):
    changed = {"firewall": filtered(RULES.format(rule))}
    assert problems(here(**changed) if n == 1 else far(**changed)) == [
        (
            Kind.UNDERLAY,
            f"host{n}",
            f"`{rule}` (iptables) drops UDP 4789 {told}",
            f"`iptables -I {fix} --dport 4789 -j ACCEPT` on host{n}",
        )
    ]
    # The other way round it drops nothing.
    back = way(end(2), end(1, side(1, **changed)), OVERLAY, known=KNOWN)
    assert n == 2 or problems(back) == []


def test_a_rule_that_may_drop_it_is_blamed_for_nothing():
    rule = "-A INPUT -p udp -m udp --dport 4789 -m length --length 0:9000 -j DROP"
    assert problems(far(firewall=filtered(RULES.format(rule)))) == []


def test_the_longest_prefix_is_the_route_whatever_their_order():
    routes = sandbox(1).routes
    assert problems(here(**boxes(1, replace(sandbox(1), routes=routes[::-1])))) == []


# --- one host


def bridged(rules="", **changed):
    """Two containers on docker0."""
    network_id = "b" * 64
    eths = {
        n: link("eth0", 10 * n, mac=mac(n), peer=10 * n + 1, addresses=(f"172.17.0.{n}/16",), mtu=1500)
        for n in (1, 2)
    }
    route = sandbox(1).routes[1]
    boxes = {
        f"{n}" * 64: space(
            f"/proc/{100 + n}/ns/net", n, [eth], routes=[replace(route, destination="172.17.0.0/16")]
        )
        for n, eth in eths.items()
    }
    links = [
        link("docker0", 3, "bridge", addresses=("172.17.0.254/16",)),
        *(link(f"veth{n}", 10 * n + 1, peer=10 * n, master="docker0", mtu=1500) for n in (1, 2)),
    ]
    its = Side(
        "host1", space("host", 9, links), None, boxes, "10.0.0.1", firewall=filtered(RULES.format(rules))
    )
    its = replace(its, **changed)
    ends = []
    for n in (1, 2):
        endpoint = Endpoint("bridge", network_id, "e", f"172.17.0.{n}", 16, mac(n), "172.17.0.254")
        made = end(n, its, host="host1", endpoints=(endpoint,))
        ends.append(End(made.container, endpoint, its))
    return ends


def test_on_one_host_there_is_a_bridge_and_nothing_else():
    first, second = bridged()
    network = network_of(first, second)
    assert network == Network("bridge", "b" * 64, "bridge")
    found = way(first, second, network, known={})
    assert [h.name for h in found.hops] == ["web", "eth0", "veth1", "docker0", "veth2", "eth0", "db"]
    assert problems(found) == []
    assert network_of(end(1), end(2)) == OVERLAY


def test_a_network_that_keeps_its_containers_apart():
    rule = "-A FORWARD -i docker0 -o docker0 -j DROP"
    first, second = bridged(rules=rule)
    found = way(first, second, network_of(first, second), known={})
    ((kind, _, seen, _),) = problems(found)
    assert kind is Kind.BRIDGE
    assert (
        seen == "`-i docker0 -o docker0 -j DROP`: the engine keeps the containers of bridge from each other"
    )


def test_a_macvlan_is_told_by_what_its_interface_is():
    first, _ = bridged()
    boxes = {
        key: replace(its, links=tuple(replace(x, kind="macvlan") for x in its.links))
        for key, its in first.side.sandboxes.items()
    }
    ends = bridged(sandboxes=boxes)
    assert network_of(*ends).driver == "macvlan"


# --- real packets


def traced(echo_there=OK, echo_back=OK, **sides):
    first, second = end(1, sides.get("first")), end(2, sides.get("second"))
    made = Trace(
        "web on host1",
        "db on host2",
        "overweave",
        "overlay",
        way(first, second, OVERLAY, known=KNOWN),
        way(second, first, OVERLAY, known=KNOWN),
    )
    return with_echoes(made, echo_there, echo_back)


def test_it_is_ok_only_if_all_is_right_and_all_packets_arrive():
    assert traced().ok
    assert not traced(echo_back=SMALL).ok
    assert not traced(echo_there=DEAD).arrives
    small = traced(first=side(1, overlay=with_link(overlay(1), "vxlan0", mtu=1300)))
    assert small.arrives
    assert not small.ok


def test_a_row_that_came_with_the_first_packet_is_a_note_and_no_problem():
    before = traced(first=side(1, overlay=rows(1, neighbours=())))
    after = mended(before, traced())
    assert after.ok
    assert after.notes == (
        "host1 had no neighbour row 10.211.0.2 until a packet asked for it: its engine looked it up",
    )
    assert not mended(before, before).ok
    assert mended(before, before).notes == ()


def sights(trace, *, requests, replies, length=84):
    """The packet at the first so many hops of the wire on its way there, and of its replies' way back."""
    wire = [hop for hop in trace.there.hops if hop.wire]
    found = []
    for reply, count, hops in ((False, requests, wire), (True, replies, wire[::-1])):
        for n, hop in enumerate(hops[:count]):
            under = hop.kind is Kind.UNDERLAY
            found.append(
                Sight(
                    place_of(hop.space),
                    hop.index,
                    True,
                    reply,
                    100 + n / 1000,
                    length,
                    64,
                    "10.211.0.1",
                    "10.211.0.2",
                    *(("10.0.0.1", "10.0.0.2", 256) if under else ()),
                )
            )
    return found


def test_a_capture_tells_when_and_how_the_packet_passed_each_hop():
    trace = traced()
    assert len(places(trace)) == 6
    found = with_capture(trace, Capture(tuple(sights(trace, requests=8, replies=8))), 4789)
    assert found.ok
    assert found.captured
    seen = [hop.seen for hop in found.there.hops if hop.wire]
    assert [round(s.request_after) for s in seen] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert [s.outer for s in seen if s.outer] == ["10.0.0.1 -> 10.0.0.2, VNI 256"] * 2
    assert all(hop.seen is None for hop in found.there.hops if not hop.wire)


@pytest.mark.parametrize(
    ("requests", "replies", "at", "fix"),
    [
        (
            0,
            0,
            (Kind.INTERFACE, "host1", "no request left by eth0"),
            "`nsenter --net=/proc/101/ns/net ip neigh`",
        ),
        (1, 0, (Kind.VETH, "host1", "the request was seen at eth0 (host1)"), "the pair is cut"),
        (2, 0, (Kind.VXLAN, "host1", "the request was seen at veth2 (host1)"), "see the bridge's own filter"),
        (
            3,
            0,
            (Kind.UNDERLAY, "host1", "the request was seen at vxlan0 (host1)"),
            "see the firewall of host1",
        ),
        (
            4,
            0,
            (Kind.UNDERLAY, "host2", "the request was seen at eth0 (host1)"),
            "open UDP 4789 between the hosts",
        ),
        (5, 0, (Kind.VXLAN, "host2", "the request was seen at eth0 (host2)"), "let UDP 4789 in on host2"),
        (6, 0, (Kind.VETH, "host2", "the request was seen at vxlan0 (host2)"), "the pair is cut"),
        (7, 0, (Kind.INTERFACE, "host2", "the request was seen at veth2 (host2)"), "see the firewall inside"),
        (
            8,
            0,
            (Kind.INTERFACE, "host2", "requests come in at eth0 and no reply"),
            "`nsenter --net=/proc/102",
        ),
        (
            8,
            4,
            (Kind.UNDERLAY, "host1", "the reply was seen at eth0 (host2)"),
            "open UDP 4789 between the hosts",
        ),
        (8, 5, (Kind.VXLAN, "host1", "the reply was seen at eth0 (host1)"), "let UDP 4789 in on host1"),
    ],
)
def test_a_capture_finds_the_hop_at_which_packets_are_lost(requests, replies, at, fix):
    trace = traced(DEAD, DEAD)
    found = with_capture(trace, Capture(tuple(sights(trace, requests=requests, replies=replies))), 4789)
    broken = found.broken
    (problem,) = broken.problems
    assert (broken.kind, broken.space.host) == at[:2]
    assert problem.seen.startswith(at[2])
    assert problem.fix.startswith(fix)
    assert sum(len(h.problems) for its in found.ways for h in its.hops) == 1


def test_large_packets_are_looked_for_where_small_ones_pass():
    trace = traced(SMALL, SMALL)
    every = sights(trace, requests=8, replies=8) + sights(trace, requests=4, replies=0, length=1450)
    found = with_capture(trace, Capture(tuple(every)), 4789)
    assert (found.broken.kind, found.broken.space.host) == (Kind.UNDERLAY, "host2")


def test_what_was_not_watched_is_told_and_blamed_for_nothing():
    trace = traced(DEAD, DEAD)
    blind = places(trace)[1]
    seen = [s for s in sights(trace, requests=5, replies=0) if s.place != blind]
    found = with_capture(trace, Capture(tuple(seen), {blind: "no packet socket"}), 4789)
    assert (found.broken.kind, found.broken.space.host) == (Kind.VXLAN, "host2")
    unseen = [hop.name for hop in found.there.hops if hop.wire and hop.seen is None]
    assert unseen == ["veth2", "vxlan0"]
    assert found.notes == ("host1: /var/run/docker/netns/1-df8f31cc76 was not watched: no packet socket",)


def test_a_capture_does_not_blame_a_second_hop_where_the_reading_has_found_one():
    wrong = rows(1, forwarding=(Forwarding(mac(2), "vxlan0", "10.0.0.3", True),))
    trace = traced(DEAD, DEAD, first=side(1, overlay=wrong))
    found = with_capture(trace, Capture(tuple(sights(trace, requests=4, replies=0))), 4789)
    assert sum(len(h.problems) for h in found.there.hops) == 1
    assert found.broken.kind is Kind.FORWARDING
