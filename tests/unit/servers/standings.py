"""Four hosts, three of which carry a server, and how the servers stand."""

from __future__ import annotations

from tests.golden.site import Site, inventory_of
from tests.golden.test_plans import deployed

from overweave.facts.store import Agent, Member, Peer, Raft
from overweave.servers.standing import stand

SERVERS = ("host1", "host2", "host3")


def site(hosts=4, **store):
    wanted = inventory_of(hosts)
    return deployed(wanted | {"store": wanted["store"] | {"servers": 3} | store})


def address(host):
    return f"10.0.0.1{host.removeprefix('host')}"


def standing(its: Site, servers=SERVERS, *, leader="host1", dead=(), silent=(), nonvoters=(), behind=()):
    """``dead``: the gossip has lost them; ``silent``: their agents give no answer; ``behind``: have less."""
    names = list(its.boxes)
    members = [
        Member(h, address(h), "failed" if h in dead else "alive", h in servers, f"id-{h}", "1.8.7")
        for h in dict.fromkeys([*names, *servers])
    ]
    peers = [Peer(f"id-{h}", f"{address(h)}:8300", h == leader, h not in nonvoters) for h in servers]

    def raft(host):
        index = 100 if host in behind else 120
        return Raft("Leader" if host == leader else "Follower", 2, index, index, index, 0.0)

    agents = {
        h: Agent(h, f"id-{h}", "1.8.7", h in servers, raft(h) if h in servers else None)
        for h in names
        if h not in (*dead, *silent)
    }
    return stand(its.facts(), f"{address(leader)}:8300" if leader else "", peers, members, agents)
