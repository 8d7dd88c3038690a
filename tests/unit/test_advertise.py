"""Which address peers reach, from tables of hosts."""

from __future__ import annotations

from ipaddress import IPv4Interface

import pytest

from overweave.advertise import Advertise, choose
from overweave.facts.interfaces import Interface, Interfaces
from overweave.model import Access, Host


def host(reached_at, *interfaces, advertise=None):
    """``("eth0", 1500, "10.0.0.1/24", …)`` for each interface."""
    return (
        advertise,
        Interfaces(
            tuple(Interface(n, mtu, tuple(map(IPv4Interface, its))) for n, mtu, *its in interfaces), ()
        ),
        reached_at,
    )


def chosen(**hosts):
    """Addresses as ``{name: (interface, address, mtu, flag)}``, and the refusals as text."""
    found, refused = choose(
        {
            n: (Host(n, Access(n), advertise), interfaces, at)
            for n, (advertise, interfaces, at) in hosts.items()
        }
    )
    return {n: (a.interface, a.address, a.mtu, a.flag) for n, a in found.items()}, [str(r) for r in refused]


NAT = ("eth0", 1500, "10.0.2.15/24")
DOCKER = ("docker0", 1500, "172.17.0.1/16")
GIVE = "  -> give it with `advertise:` in the inventory; candidates: "


def test_the_address_that_ssh_reaches_where_it_is_the_hosts_own():
    assert chosen(
        a=host("10.0.0.1", ("eth0", 1500, "10.0.0.1/24"), ("eth1", 9000, "10.1.0.1/24"), DOCKER),
        b=host("10.0.0.2", ("ens3", 1450, "10.0.0.2/24"), ("eth1", 9000, "10.1.0.2/24"), DOCKER),
    ) == (
        {"a": ("eth0", "10.0.0.1", 1500, "10.0.0.1:2376"), "b": ("ens3", "10.0.0.2", 1450, "10.0.0.2:2376")},
        [],
    )


def test_the_second_address_of_an_interface_can_be_the_one():
    found, _ = chosen(a=host("10.0.0.9", ("eth0", 1500, "10.0.0.1/24", "10.0.0.9/24")))
    assert found["a"] == ("eth0", "10.0.0.9", 1500, "10.0.0.9:2376")


@pytest.mark.parametrize("reached_at", ["127.0.0.1", "10.0.2.15"])
def test_vagrants_nat_address_that_all_hosts_have_falls_out(reached_at):
    found, refused = chosen(
        a=host(reached_at, NAT, ("eth1", 1500, "192.168.56.11/24"), DOCKER),
        b=host(reached_at, NAT, ("eth1", 1500, "192.168.56.12/24"), DOCKER),
    )
    assert refused == []
    assert [f[1] for f in found.values()] == ["192.168.56.11", "192.168.56.12"]


def test_two_subnets_that_all_share_are_not_clear():
    both = [("eth1", 1500, "192.168.56.1{}/24"), ("eth2", 1500, "10.9.0.1{}/24")]
    hosts = {n: host("127.0.0.1", *((i, m, a.format(k)) for i, m, a in both)) for k, n in enumerate("ab", 1)}
    assert chosen(**hosts) == (
        {},
        [
            f"{n}: it is not clear which address the other hosts reach\n{GIVE}"
            f"192.168.56.1{k} (eth1), 10.9.0.1{k} (eth2)"
            for k, n in enumerate("ab", 1)
        ],
    )


def test_hosts_without_a_subnet_in_common_are_refused():
    _, refused = chosen(
        a=host("127.0.0.1", NAT, ("eth1", 1500, "192.168.1.2/24"), DOCKER),
        b=host("127.0.0.1", NAT, ("eth1", 1500, "192.168.2.2/24"), DOCKER),
    )
    assert refused == [
        f"{n}: it is not clear which address the other hosts reach\n{GIVE}none is in a subnet of all hosts"
        for n in "ab"
    ]


def test_hosts_in_different_subnets_that_ssh_reaches_directly_are_taken_as_routed():
    found, refused = chosen(
        a=host("10.1.0.1", ("eth0", 1500, "10.1.0.1/24")), b=host("10.2.0.1", ("eth0", 1500, "10.2.0.1/24"))
    )
    assert (len(found), refused) == (2, [])


def test_dockers_own_bridges_are_never_taken():
    _, refused = chosen(
        a=host("127.0.0.1", ("br-1234", 1500, "172.18.0.1/16")),
        b=host("127.0.0.1", ("veth1", 1500, "172.18.0.2/16")),
    )
    assert len(refused) == 2


@pytest.mark.parametrize(
    ("advertise", "expected"),
    [
        ("eth1", ("eth1", "192.168.56.11", 9000, "eth1:2376")),
        ("192.168.56.11", ("eth1", "192.168.56.11", 9000, "192.168.56.11:2376")),
        ("192.168.56.12", ("eth1", "192.168.56.12", 9000, "192.168.56.12:2376")),
    ],
)
def test_what_the_inventory_says_wins(advertise, expected):
    eth1 = ("eth1", 9000, "192.168.56.11/24", "192.168.56.12/24")
    found, refused = chosen(a=host("10.0.2.15", NAT, eth1, DOCKER, advertise=advertise))
    assert (found, refused) == ({"a": expected}, [])


@pytest.mark.parametrize(
    ("advertise", "message"),
    [
        ("eth9", "a: there is no interface eth9\n  -> it has: eth0, tun0"),
        ("tun0", "a: interface tun0 has no IPv4 address\n  -> see `ip address show tun0`"),
        (
            "10.9.9.9",
            "a: advertise address 10.9.9.9 is not one of this host's\n"
            "  -> its own are: 10.0.2.15 (eth0), 172.17.0.1 (docker0)",
        ),
    ],
)
def test_what_the_inventory_says_must_be_there(advertise, message):
    assert chosen(a=host("x", ("lo", 65536), NAT, ("tun0", 1500), DOCKER, advertise=advertise)) == (
        {},
        [message],
    )


def test_hosts_that_would_all_advertise_one_address_are_refused():
    _, refused = chosen(
        a=host("x", NAT, advertise="eth0"),
        b=host("y", NAT, advertise="10.0.2.15"),
        c=host("10.0.0.3", ("e", 1, "10.0.0.3/8")),
    )
    assert refused == [
        "a, b would all advertise 10.0.2.15\n"
        "  -> give each host an address of its own with `advertise:` in the inventory"
    ]


def test_a_node_in_the_store_is_named_by_its_address_also_where_an_interface_was_given():
    assert Advertise("eth1", "10.0.0.1", 1500, "eth1").node == "10.0.0.1:2376"
