"""What `fab store-status` calls wrong, in its words, and the figures that it shows."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from rich.console import Console

from overweave.facts import etcd, libnetwork
from overweave.facts.store import Agent, Lease, Member, Peer, Raft
from overweave.report import store_data, store_text
from overweave.store_state import Seen, SeenEtcd, summarize, summarize_etcd
from overweave.stores.etcd_keys import Kept, Keys

NID = "8a3fc0d1e2" * 6 + "abcd"
NAMES = ("host1", "host2", "host3")
LEADER = Raft("Leader", 2, 90, 90, 90, 0.0)
FOLLOWER = replace(LEADER, state="Follower", last_contact=0.012)
TREE = {
    f"{libnetwork.NETWORKS}{NID}/": json.dumps(
        {"id": NID, "name": "overweave", "networkType": "overlay"}
    ).encode(),
    f"{libnetwork.OVERLAYS}{NID}/": json.dumps(
        {"subnets": [{"SubnetIP": "10.211.0.0/16", "GwIP": "10.211.0.1/16", "Vni": 256}]}
    ).encode(),
    f"{libnetwork.ENDPOINTS}{NID}/e1/": json.dumps(
        {"name": "app", "ep_iface": {"addr": "10.211.0.2/16", "mac": "02:42:0a:d3:00:02"}}
    ).encode(),
}


def member(name, state="alive", *, server=True):
    return Member(name, f"10.0.0.{name[-1]}", state, server, f"id-{name}", "1.15.4")


def agent(name, raft):
    return Agent(name, f"id-{name}", "1.15.4", raft is not None, raft)


HEALTHY = Seen(
    store_at="host1",
    leader="10.0.0.1:8300",
    peers=tuple(Peer(f"id-{n}", f"10.0.0.{n[-1]}:8300", n == "host1", True) for n in NAMES),
    members=(*map(member, NAMES), member("host4", server=False)),
    agents={f"id-{n}": agent(n, LEADER if n == "host1" else FOLLOWER) for n in NAMES},
    leases=(
        *(Lease(f"s-{n}", f"10.0.0.{n[-1]}:2376", n, "10s") for n in NAMES),
        Lease("s-lock", "", "host1", "15s"),
    ),
    records=libnetwork.parse(TREE),
    engines={n: f"10.0.0.{n[-1]}:2376" for n in NAMES},
)


def test_a_whole_store_has_no_problem_and_shows_what_it_holds():
    state = summarize(HEALTHY)
    assert (state.healthy, state.problems) == (True, ())
    assert [(s.name, s.leader, s.voter, s.state) for s in state.servers] == [
        (name, name == "host1", True, "alive") for name in NAMES
    ]
    assert [member.name for member in state.clients] == ["host4"]
    assert [(e.host, e.session, e.ttl) for e in state.engines] == [(n, f"s-{n}", "10s") for n in NAMES]
    assert (state.others, state.keys) == (1, 3)
    assert state.bytes == sum(map(len, TREE.values()))
    assert state.largest == max(map(len, TREE.values()))
    (network,) = state.networks
    assert (network.name, network.vnis, network.subnets, network.endpoints) == (
        "overweave",
        (256,),
        ("10.211.0.0/16",),
        1,
    )


def missing(seen, name):
    return replace(seen, members=tuple(m for m in seen.members if m.name != name))


def failed(seen, name):
    return replace(
        seen, members=tuple(replace(m, state="failed") if m.name == name else m for m in seen.members)
    )


def late(seen, name, seconds):
    raft = replace(FOLLOWER, last_contact=seconds)
    return replace(seen, agents={**seen.agents, f"id-{name}": agent(name, raft)})


WRONG = {
    "no store": (Seen(""), "no store runs on any of these hosts"),
    "no leader": (
        replace(HEALTHY, leader="", peers=(), leases=(), records=None),
        "the store has no leader: nothing can be written, and no container can join an overlay",
    ),
    "missing": (missing(HEALTHY, "host2"), "server 10.0.0.2:8300 is missing"),
    "failed": (failed(HEALTHY, "host2"), "server host2 is failed"),
    "late": (late(HEALTHY, "host3", 7.25), "server host3 has not heard for 7.25 s from a leader"),
    "never": (late(HEALTHY, "host3", None), "server host3 has never heard from a leader"),
    "no vote": (
        replace(HEALTHY, peers=(*HEALTHY.peers[:2], replace(HEALTHY.peers[2], voter=False))),
        (
            "server host3 does not vote",
            "2 servers vote: no more of them may fail than of 1, and one more can",
        ),
    ),
    "not a peer": (
        replace(HEALTHY, members=(*HEALTHY.members, member("host5"))),
        "server host5 does not vote",
    ),
    "client": (failed(HEALTHY, "host4"), "the agent on host4 is failed"),
    "silent": (
        replace(HEALTHY, silent={"host2": "no answer"}),
        "the agent on host2 does not answer: no answer",
    ),
    "unregistered": (
        replace(HEALTHY, leases=HEALTHY.leases[1:]),
        "the engine of host1 is not registered: it holds no session for 10.0.0.1:2376",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(name):
    seen, problems = WRONG[name]
    state = summarize(seen)
    assert state.problems == ((problems,) if isinstance(problems, str) else problems)
    assert not state.healthy


def test_an_engine_that_is_none_of_the_fleet_is_shown_and_is_no_fault():
    stranger = Lease("s-9", "10.0.0.9:2376", "host1", "10s")
    state = summarize(replace(HEALTHY, leases=(*HEALTHY.leases, stranger)))
    assert state.healthy
    assert (state.engines[-1].host, state.engines[-1].node) == ("", "10.0.0.9:2376")


def served(name, **changes):
    """A server of etcd, and what it says of itself."""
    leads = name == "host1"
    member = etcd.Member(f"id-{name}", name, f"10.0.0.{name[-1]}:2380", f"10.0.0.{name[-1]}")
    told = etcd.Told(member.id, "Leader" if leads else "Follower", "id-host1", True, "3.4.23", 2, 90)
    return member, replace(told, **changes)


IN_ETCD = SeenEtcd(
    store_at="host1",
    leader="10.0.0.1:2380",
    servers=tuple(map(served, NAMES)),
    keys=Keys(
        81,
        {
            **{key.strip("/"): Kept(its.decode(), 7, 7, None) for key, its in TREE.items()},
            **{f"docker/nodes/10.0.0.{n}:2376": Kept(f"10.0.0.{n}:2376", 80, 80, 15 + n) for n in (1, 2, 3)},
        },
    ),
    engines=HEALTHY.engines,
)
SHOWN = """\
healthy: store: etcd as seen on host1
leader: 10.0.0.1:2380
server  address        agent  raft      votes  commit index  last contact  version
host1   10.0.0.1:2380  alive  Leader    yes    90            -             3.4.23
host2   10.0.0.2:2380  alive  Follower  yes    90            -             3.4.23
host3   10.0.0.3:2380  alive  Follower  yes    90            -             3.4.23
engine  registered as  key    TTL
host1   10.0.0.1:2376  there  16s
host2   10.0.0.2:2376  there  17s
host3   10.0.0.3:2376  there  18s
keys: 6, values 323 B, the largest 121 B
network    id            VNI  subnet         endpoints
overweave  8a3fc0d1e28a  256  10.211.0.0/16  1"""


def test_a_store_in_etcd_is_shown_as_one_in_consul_is():
    state = summarize_etcd(IN_ETCD)
    assert (state.healthy, state.problems, state.clients, state.others) == (True, (), (), 0)
    assert shown(store_text.state(state)) == SHOWN
    told = store_data.state(state)
    assert (told["store"], told["keys"], told["networks"][0]["name"]) == ("etcd", 6, "overweave")
    assert told["servers"][1]["raft"] == {
        "state": "Follower",
        "term": 2,
        "commit_index": 90,
        "last_contact": None,
    }
    assert told["engines"][0] == {
        "host": "host1",
        "node": "10.0.0.1:2376",
        "session": "",
        "ttl": "16s",
        "registered": True,
    }
    assert store_data.state(summarize(HEALTHY))["store"] == "Consul"


def test_addresses_of_servers_are_whole_on_a_narrow_terminal():
    state = summarize(HEALTHY)
    far = replace(state.servers[0], address="192.168.100.111:8300")
    narrow = shown(store_text.state(replace(state, servers=(far,))), 80)
    assert "host1   192.168.100.111:8300  alive" in narrow


def shown(renderable, width=120):
    console = Console(width=width)
    with console.capture() as captured:
        console.print(renderable)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def without(keys, node):
    return replace(keys, kept={key: its for key, its in keys.kept.items() if node not in key})


WRONG_IN_ETCD = {
    "no store": (SeenEtcd(""), "no store runs on any of these hosts"),
    "no leader": (
        replace(IN_ETCD, leader="", keys=None),
        "the store has no leader: nothing can be written, and no container can join an overlay",
    ),
    "silent": (
        replace(IN_ETCD, servers=(), silent="no answer"),
        "the server on host1 does not answer: no answer",
    ),
    "failed": (
        replace(IN_ETCD, servers=(*IN_ETCD.servers[:2], (served("host3")[0], "no answer"))),
        "server host3 is failed: no answer",
    ),
    "unhealthy": (
        replace(IN_ETCD, servers=(*IN_ETCD.servers[:2], served("host3", healthy=False))),
        "server host3 is unhealthy: it has no answer of a quorum, or an alarm",
    ),
    "even": (
        replace(IN_ETCD, servers=IN_ETCD.servers[:2]),
        "2 servers vote: no more of them may fail than of 1, and one more can",
    ),
    "unregistered": (
        replace(IN_ETCD, keys=without(IN_ETCD.keys, "10.0.0.2:2376")),
        "the engine of host2 is not registered: there is no key for 10.0.0.2:2376",
    ),
}


@pytest.mark.parametrize("name", WRONG_IN_ETCD)
def test_what_is_wrong_with_one_in_etcd_is_said(name):
    seen, problem = WRONG_IN_ETCD[name]
    assert summarize_etcd(seen).problems == (problem,)


def test_a_server_of_etcd_that_says_nothing_has_no_raft_and_does_not_lead():
    (state,) = summarize_etcd(replace(IN_ETCD, servers=((served("host1")[0], "no answer"),))).servers
    assert (state.state, state.raft, state.leader, state.version) == ("failed", None, False, "")
