"""Network, endpoint and sandbox of real hosts, and each thing that can be broken between them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.networks.told import fleet, looked, with_links

from overweave.facts.namespaces import HOST

SEEN = looked("host1")
WEB, DB, OVERLAY = "46af1713ddd3", "4f4209e6f780", "1-9df9a7e162"


def tree(seen=SEEN, **more):
    (its,) = fleet(seen, **more).trees
    return its


def of(its, name):
    return next(network for network in its.networks if network.name == name)


def endpoint(its, network, holder):
    return next(e for e in of(its, network).endpoints if e.holder == holder)


def test_an_overlay_its_pairs_and_its_peers():
    its = of(tree(), "overweave")
    assert (its.namespace, its.vnis, its.wrong) == (OVERLAY, (256,), ())
    (bridge,), (vxlan,) = its.bridges, its.vxlans
    assert (bridge.name, bridge.addresses) == ("br0", ("10.211.0.1/16",))
    assert (vxlan.vni, vxlan.port, vxlan.device.master) == (256, 4789, "br0")
    assert vxlan.peers == {"10.96.1.12": 1, "10.96.1.13": 1}
    web = endpoint(tree(), "overweave", "web")
    assert (web.name, web.address, web.mac) == ("web", "10.211.0.5/16", "02:42:0a:d3:00:05")
    assert (web.interface.name, web.port.name, web.port.master) == ("eth0", "veth1", "br0")
    assert (web.interface.peer, web.port.peer) == (web.port.index, web.interface.index)
    assert (web.sandbox, web.wrong) == (WEB, ())


def test_the_way_out_of_a_container_on_an_overlay():
    web = endpoint(tree(), "docker_gwbridge", "web")
    assert (web.name, web.interface.name, web.port.master) == (
        "gateway_46af1713ddd3",
        "eth1",
        "docker_gwbridge",
    )
    assert web.sandbox == WEB


def test_a_bridge_and_a_container_that_is_stopped():
    shop = of(tree(), "shop")
    assert [b.name for b in shop.bridges] == ["br-8c9a62ccc699"]
    assert [(e.holder, e.interface.name, e.port.master) for e in shop.endpoints] == [
        ("db", "eth1", "br-8c9a62ccc699")
    ]
    assert shop.waiting == ("old",)


def test_sandboxes_shared_own_and_of_nobody_else():
    its = tree()
    web = its.sandbox(WEB)
    assert [(m.name, m.pid, m.joined) for m in web.members] == [("web", 1465, False), ("sidecar", 1552, True)]
    assert (web.name_servers, web.own, web.wrong) == (("127.0.0.11",), False, ())
    assert [d.name for d in web.devices] == ["lo", "eth0", "eth1"]
    own = its.sandbox("default")
    assert (own.own, own.devices, [m.name for m in own.members]) == (True, (), ["bare", "consul"])
    assert [e.sandbox for e in of(its, "host").endpoints] == ["default", "default"]
    (lone,) = of(its, "none").endpoints
    assert [d.name for d in its.sandbox(lone.sandbox).devices] == ["lo"]
    assert its.sandbox(lone.sandbox).name_servers == ("8.8.8.8", "8.8.4.4")
    assert its.wrong == ()
    assert its.sandbox("") is None


def test_an_endpoint_is_that_of_the_container_that_the_sandbox_was_made_for():
    (sidecar,) = (c for c in SEEN.containers if c.name == "sidecar")
    others = [c for c in SEEN.containers if c is not sidecar]
    its = tree(replace(SEEN, containers=(*others, replace(sidecar, name="zz"))))
    assert [e.holder for e in of(its, "overweave").endpoints] == ["overweave-anchor-overweave-host1", "web"]
    assert [m.name for m in its.sandbox(WEB).members] == ["web", "zz"]


def test_a_stopped_sidecar_waits_for_its_sandbox():
    containers = [
        replace(c, running=False, pid=0, key="") if c.name == "sidecar" else c for c in SEEN.containers
    ]
    web = tree(replace(SEEN, containers=tuple(containers))).sandbox(WEB)
    assert ([m.name for m in web.members], web.waiting) == (["web"], ("sidecar",))


def test_an_interface_on_a_device_of_the_host():
    eth0 = SEEN.own.link("eth0")

    def macvlan(link):
        return replace(link, kind="macvlan", peer=eth0.index) if link.name == "eth1" else link

    shop = next(n for n in SEEN.networks if n.fact.name == "shop")
    others = tuple(n for n in SEEN.networks if n.fact.name != "shop")
    lan = replace(shop, fact=replace(shop.fact, driver="macvlan"))
    its = tree(with_links(replace(SEEN, networks=(*others, lan)), DB, macvlan))
    db = endpoint(its, "shop", "db")
    assert (db.interface.kind, db.parent, db.port, db.wrong) == ("macvlan", "eth0", None, ())
    assert (of(its, "shop").bridges, of(its, "shop").wrong) == ((), ())


def without(*names):
    return lambda link: None if link.name in names else link


def changed(name, **to):
    return lambda link: replace(link, **to) if link.name == name else link


@pytest.mark.parametrize(
    ("space", "change", "seen"),
    [
        (OVERLAY, without("veth1"), "eth0 of web: its other end is not where br0 is"),
        (
            OVERLAY,
            changed("veth1", master=""),
            "veth1, the other end of eth0 of web, is in no bridge, not in br0",
        ),
        (OVERLAY, changed("veth1", up=False), "veth1, the other end of eth0 of web, is down"),
        (OVERLAY, without("vxlan0"), "there is no vxlan device in namespace 1-9df9a7e162"),
        (OVERLAY, changed("vxlan0", up=False), "vxlan0 is down"),
        (OVERLAY, changed("vxlan0", master=""), "vxlan0 is in no bridge"),
        (OVERLAY, without("br0"), "there is no bridge in namespace 1-9df9a7e162"),
        (OVERLAY, changed("br0", up=False), "br0 is down"),
        (WEB, changed("eth0", up=False), "eth0 of web is down"),
        (WEB, changed("eth0", mac="", addresses=()), "no interface in the sandbox of web has 10.211.0.5/16"),
        (HOST, without("docker0"), "there is no bridge docker0"),
        (HOST, without("br-8c9a62ccc699"), "there is no bridge br-8c9a62ccc699"),
    ],
)
def test_what_is_broken_is_told_once_and_nothing_else_is(space, change, seen):
    assert tree(with_links(SEEN, space, change)).wrong == (seen,)


def test_a_port_whose_other_end_nobody_has():
    stray = replace(
        SEEN.own.link("docker0"), name="veth9", index=900, peer=901, kind="veth", master="docker0"
    )
    own = SEEN.own
    its = tree(replace(SEEN, namespaces={**SEEN.namespaces, HOST: replace(own, links=(*own.links, stray))}))
    assert its.wrong == ("veth9 is in docker0, and no sandbox has its other end",)


def test_a_sandbox_that_is_gone_and_one_that_nobody_has():
    spaces = {n: s for n, s in SEEN.namespaces.items() if n != WEB}
    assert tree(replace(SEEN, namespaces=spaces)).wrong == (
        "veth1 is in br0, and no sandbox has its other end",
        "the sandbox of web is not there",
        "veth28c63a7 is in docker_gwbridge, and no sandbox has its other end",
        "the sandbox of web is not there",
    )
    left = replace(SEEN.namespaces[WEB], name="0123456789ab", links=SEEN.namespaces[WEB].links[:1])
    its = tree(replace(SEEN, namespaces={**SEEN.namespaces, "0123456789ab": left, "ingress_sbox": left}))
    assert its.wrong == ("sandbox 0123456789ab: no container that runs has it",)
    assert its.sandbox("ingress_sbox").members == ()


def test_a_process_that_is_not_in_its_sandbox():
    its = tree(replace(SEEN, inodes={**SEEN.inodes, 1465: 1}))
    assert its.wrong == ("web (pid 1465) is not in its sandbox 46af1713ddd3",)


def test_an_overlay_without_its_namespace():
    spaces = {n: s for n, s in SEEN.namespaces.items() if n != OVERLAY}
    its = of(tree(replace(SEEN, namespaces=spaces)), "overweave")
    assert its.wrong == ("there is no network namespace of overweave here",)
    assert (its.namespace, its.bridges, its.vxlans) == ("", (), ())


def test_an_endpoint_of_nobody():
    shop = next(n for n in SEEN.networks if n.fact.name == "shop")
    left = replace(shop.plugs[0], id="f" * 64, holder="", name="ghost")
    networks = tuple(replace(n, plugs=(*n.plugs, left)) if n is shop else n for n in SEEN.networks)
    found = fleet(replace(SEEN, networks=networks))
    assert found.wrong == (("host1", "endpoint ffffffffffff (ghost): no container has it"),)


def test_the_sandboxes_that_a_swarms_engine_has_for_itself():
    its = tree(looked("swarm1"))
    told = {
        (network.name, e.holder, e.sandbox, e.interface.name, e.port.master)
        for network in its.networks
        for e in network.endpoints
        if not its.sandbox(e.sandbox).members
    }
    assert told == {
        ("blue", "lb-blue", "lb_qh8275i11", "eth0", "br0"),
        ("green", "lb-green", "lb_6obmoyzeh", "eth0", "br0"),
        ("ingress", "ingress-sbox", "ingress_sbox", "eth0", "br0"),
        ("docker_gwbridge", "ingress-sbox", "ingress_sbox", "eth1", "docker_gwbridge"),
    }


def test_an_engines_own_sandbox_is_found_by_the_mac_in_it():
    """As of a swarm's ingress, whose endpoints no container has."""
    web, gateway = SEEN.namespaces[WEB], next(n for n in SEEN.networks if n.fact.name == "docker_gwbridge")
    plugs = tuple(replace(p, holder="ingress-sbox") if p.name.endswith(WEB) else p for p in gateway.plugs)
    networks = tuple(replace(n, plugs=plugs) if n is gateway else n for n in SEEN.networks)
    spaces = {**SEEN.namespaces, "ingress_sbox": web}
    del spaces[WEB]
    found = endpoint(
        tree(replace(SEEN, networks=networks, namespaces=spaces)), "docker_gwbridge", "ingress-sbox"
    )
    assert (found.sandbox, found.interface.name, found.wrong) == ("ingress_sbox", "eth1", ())
