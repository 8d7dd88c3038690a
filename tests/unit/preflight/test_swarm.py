"""What forbids a swarm, found on plain values; that it stops a deployment is in tests/golden."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.golden.site import Site, inventory_of
from tests.golden.test_plans import begun, deployed

from overweave.facts.swarm import SwarmFacts
from overweave.preflight import everything
from overweave.preflight.finding import Severity
from overweave.preflight.ports import listens, needs
from overweave.preflight.swarm import encryption, engines, members

SWARM = {"backend": "swarm", "store": {}}


def site(**changes):
    made = Site(inventory_of(3, **SWARM))
    for name, its in changes.items():
        for key, value in its.items():
            assert hasattr(made.boxes[name], key)
            setattr(made.boxes[name], key, value)
    return made


def found(check, made):
    assert all(finding.severity is Severity.ERROR for finding in check(made.fleet, made.facts()))
    return [(f.check, f.host, f.seen, f.matters, f.fix) for f in check(made.fleet, made.facts())]


def test_clean_engines_and_those_of_one_swarm_are_fine():
    for made in (site(), deployed(inventory_of(3, **SWARM))):
        assert engines(made.fleet, made.facts()) == members(made.fleet, made.facts()) == []


LIVE = (
    "swarm.live-restore",
    "host2",
    "live-restore is on, which forbids swarm mode",
    "",
    "take live-restore out of /etc/docker/daemon.json, then `systemctl reload docker`",
)
STORE = (
    "swarm.cluster-store",
    "host2",
    "the engine uses a cluster store, which forbids swarm mode",
    "",
    "`fab destroy-overlay` first, if that overlay is not needed any more",
)
FLAG = "--cluster-store=consul://10.0.0.1:8500"


def too_old(version):
    return (
        "engine.version",
        "host2",
        f"Docker {version} has no networks of a swarm that containers can join",
        "attachable ones came with 1.13",
        "upgrade the engine, or take a cluster store: `backend: consul`",
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"version": "1.13.0"}, None),
        ({"version": "29.3.0"}, None),
        ({"version": "1.12.6"}, too_old("1.12.6")),
        ({"version": "1.9.1", "running": False}, too_old("1.9.1")),
        ({"live_restore": True}, LIVE),
        ({"daemon_json": {"live-restore": True}}, LIVE),
        ({"daemon_json": {"live-restore": False}}, None),
        ({"arguments": ["dockerd", FLAG]}, STORE),
        ({"drop_in": f"[Service]\nExecStart=dockerd {FLAG}\n", "running": False}, STORE),
        ({"arguments": ["dockerd", FLAG], "live_restore": True}, STORE),
        (
            {"installed": False},
            (
                "engine.installed",
                "host2",
                "Docker is not installed: there is no dockerd",
                "",
                "install it, as with `apt-get install docker.io` on Debian",
            ),
        ),
        (
            {"has_unit": False},
            (
                "engine.unit",
                "host2",
                "Docker is not run by docker.service: systemd has no unit docker.service",
                "",
                "install Docker from a package that brings the unit; snap's does not",
            ),
        ),
    ],
)
def test_an_engine_that_can_be_in_no_swarm(changes, expected):
    assert found(engines, site(host2=changes)) == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("member", "seen", "fix"),
    [
        (
            {"state": "locked", "error": "Swarm is encrypted and needs to be unlocked"},
            "the engine is in a swarm that is locked",
            "`fab repair` unlocks it with the key that another manager knows, `fab unlock-swarm --key FILE` "
            "with one that was kept",
        ),
        (
            {"state": "pending"},
            "the engine is in a swarm that is pending",
            "wait till it is back: does TCP 2377 of a manager answer? see `journalctl -u docker`",
        ),
        (
            {"state": "error", "error": "rpc error: code = DeadlineExceeded\x1b[31m"},
            "the engine is in a swarm that is error: rpc error: code = DeadlineExceeded [31m",
            "`docker swarm leave`, or mend that",
        ),
        (
            {"state": "error", "error": "x" * 300},
            f"the engine is in a swarm that is error: {'x' * 198} …",
            "`docker swarm leave`, or mend that",
        ),
    ],
)
def test_an_engine_whose_swarm_is_not_well(member, seen, fix):
    assert found(members, site(host2={"member": member})) == [("swarm.state", "host2", seen, "", fix)]


def test_a_worker_whose_managers_are_not_named():
    its = {"state": "active", "node": "n"}
    more = {"remotes": ("10.0.0.99:2377", "10.0.0.98:2377")}
    seen = "nobody can let a host into the swarm of {}: no host here is a manager with a leader"
    assert found(members, site(host2={"member": its | more})) == [
        (
            "swarm.leader",
            "",
            seen.format("host2"),
            "",
            "name its managers, too: 10.0.0.98:2377, 10.0.0.99:2377",
        )
    ]
    assert found(members, site(host2={"member": its}, host3={"member": its})) == [
        ("swarm.leader", "", seen.format("host2, host3"), "", "see `docker info` there")
    ]


def test_a_manager_that_sees_no_leader():
    made = deployed(inventory_of(3, **SWARM))
    seen = made.facts()
    nodes = {id_: replace(node, leader=False) for id_, node in seen.swarm.nodes.items()}
    (finding,) = members(made.fleet, replace(seen, swarm=SwarmFacts(nodes)))
    assert finding.check == "swarm.leader"
    assert finding.seen.startswith("nobody can let a host into the swarm of host1, host2, host3: ")


def test_a_manager_that_is_down_starts_before_anybody_is_told_to_name_it():
    made = deployed(inventory_of(2, **SWARM))
    made.boxes["host1"].running = False
    assert made.facts().swarm is None
    assert members(made.fleet, made.facts()) == []


def test_an_engine_of_another_swarm():
    made = site(host3={"member": {"state": "active", "node": "elsewhere"}})
    begun(made, "host1")
    assert found(members, made) == [
        (
            "swarm.other",
            "host3",
            "the engine is in another swarm than the other hosts",
            "",
            "`docker swarm leave` if that swarm is not needed",
        )
    ]


@pytest.mark.parametrize(
    ("version", "leaks"),
    [
        ("20.10.5+dfsg1", True),
        ("20.10.24+dfsg1", False),
        ("23.0.2", True),
        ("23.0.3", False),
        ("26.1.5+dfsg1", False),
    ],
)
def test_an_engine_that_does_not_encrypt_all_carries_no_encrypted_network(version, leaks):
    made = site(host2={"version": version})
    for name in ("host1", "host3"):
        made.boxes[name].version = "26.1.5"
    assert found(encryption, made) == []
    made.wanted["network"] = {"options": {"encrypted": ""}}
    told = (
        "engine.encryption",
        "host2",
        f"Docker {version} lets packets of an encrypted network in and out that are not",
        "CVE-2023-28840, CVE-2023-28841, CVE-2023-28842",
        "upgrade to 20.10.24, 23.0.3 or later",
    )
    assert found(encryption, made) == ([told] if leaks else [])


def test_what_is_for_a_store_says_nothing_of_a_swarm():
    """Docker 26 without Consul, a daemon.json that Overweave does not touch, and another program on 8500."""
    changes = {"version": "26.1.5", "speaks_consul": False, "daemon_json": {"hosts": ["fd://"]}}
    made = site(host1=changes, host2=changes)
    assert everything.findings(made.fleet, made.facts()) == []


def test_ports_of_a_swarm():
    made = site()
    fleet = made.fleet
    assert [str(need.port) for need in needs(fleet)] == ["TCP 7946", "UDP 7946", "TCP 2377"]
    made.wanted |= {"swarm": {"managers": 1}}
    at = {name: [str(its.port) for its in ports] for name, ports in listens(made.fleet, made.facts()).items()}
    assert at["host1"] == ["TCP 7946", "UDP 7946", "TCP 2377"]
    assert at["host2"] == at["host3"] == ["TCP 7946", "UDP 7946"]
