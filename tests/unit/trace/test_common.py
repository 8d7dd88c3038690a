"""The network that two containers share, or why there is no way between them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.trace.sides import ID, container

from overweave.errors import UsageError
from overweave.facts.containers import Endpoint
from overweave.trace.common import common
from overweave.trace.model import Stopped


def endpoint(network, network_id, n):
    return Endpoint(network, network_id, "e", f"172.17.0.{n}", 16, "", "172.17.0.254")


def bridged(n, network="bridge", network_id="b" * 64, **more):
    return container(n, mode=network, endpoints=(endpoint(network, network_id, n),), **more)


def stopped(source, target):
    found = common(source, target)
    assert isinstance(found, Stopped)
    return found


def test_the_overlay_that_both_are_on():
    (found,) = common(container(1), container(2))
    assert found.network_id == ID
    assert found.address == "10.211.0.1"


def test_of_several_the_first_by_name_or_the_one_that_is_asked_for():
    ends = [
        replace(container(n), endpoints=(*container(n).endpoints, endpoint("shop", "c" * 64, n)))
        for n in (1, 2)
    ]
    assert [e.network for e in common(*ends)] == ["overweave", "shop"]
    assert [e.network for e in common(*ends, "shop")] == ["shop"]
    with pytest.raises(UsageError) as caught:
        common(*ends, "bridge")
    assert str(caught.value) == (
        "--network bridge: web and db are not both on it\n  -> they share overweave, shop"
    )


def test_bridges_of_one_name_on_two_hosts_are_two_networks():
    found = stopped(bridged(1), bridged(2, network_id="d" * 64))
    assert found.seen == (
        "web and db have no network in common, and are on two hosts: bridge is another network on each, for "
        "a bridge ends at its host"
    )
    assert found.fix == "connect both to one overlay network: `docker network connect overweave CONTAINER`"
    assert found.networks == (
        ("web on host1", "bridge (172.17.0.1)"),
        ("db on host2", "bridge (172.17.0.2)"),
    )


def test_two_bridges_on_one_host():
    found = stopped(bridged(1), bridged(2, "shop", "c" * 64, host="host1"))
    assert found.fix == "`docker network connect shop web` on host1"
    # Nothing can be connected to the default bridge under that name for the sake of names: the other way.
    found = stopped(bridged(1, "shop", "c" * 64), bridged(2, host="host1"))
    assert found.fix == "`docker network connect shop db` on host1"


@pytest.mark.parametrize(
    ("changes", "seen", "fix"),
    [
        (
            {"running": False, "pid": 0},
            "db on host2 does not run: without a process there is no sandbox and no address",
            "`docker start db` on host2",
        ),
        (
            {"mode": "host", "endpoints": ()},
            "db uses the network of host2 itself (--network host): it has no sandbox, no eth0 and no address "
            "of its own, and no network that it could share",
            "reach it at an address of host2, at the port that it listens on; or run it again without "
            "--network host",
        ),
        (
            {"mode": "none", "endpoints": ()},
            "db on host2 has a sandbox with nothing but loopback (--network none)",
            "run it again with --network overweave",
        ),
    ],
)
def test_one_without_a_network_of_its_own(changes, seen, fix):
    for ends in ((container(1), container(2, **changes)), (container(2, **changes), container(1))):
        found = stopped(*ends)
        assert (found.seen, found.fix) == (seen, fix)
        assert [who for who, _ in found.networks] == [f"{end.name} on {end.host}" for end in ends]


def test_two_in_one_sandbox():
    sidecar = container(2, host="host1", shares="web", endpoints=container(1).endpoints)
    assert stopped(container(1), sidecar).seen == (
        "web and db share one sandbox: they reach each other at 127.0.0.1"
    )
