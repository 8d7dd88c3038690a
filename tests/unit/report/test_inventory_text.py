"""An inventory that is made of what hosts are says what was asked for, and why all else is as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import yaml
from tests.golden.site import Site, inventory_of

from overweave import backend, inventory
from overweave.inventory_sections import schema
from overweave.model import Access, Fleet, Host
from overweave.report.inventory_text import inventory as text_of
from overweave.report.inventory_text import key_of

PLAIN = {"store": {}, "images": {}}
WRITTEN = """\
# An Overweave inventory, made by `fab init` of what its hosts are. What is commented out is so by default:
# without its mark it stays so. inventory/example.yml has every key there is.
# Use it with `fab deploy-overlay --inventory FILE`, or set OVERWEAVE_INVENTORY.

hosts:
  host1:                      # Docker 20.10.5+dfsg1
    address: 10.0.0.11        # how ssh reaches it
    # advertise: 10.0.0.11    # what faces the other hosts: eth0, MTU 1500; what ssh reaches
    # store: true             # a server of the cluster store: chosen by itself
    # zone: rack1             # hosts of one zone fail together, and servers are spread over zones: no host
                              # knows its own
  host2:                      # Docker 20.10.5+dfsg1
    address: 10.0.0.12        # how ssh reaches it
    # advertise: 10.0.0.12    # what faces the other hosts: eth0, MTU 1450; what ssh reaches
    # zone: rack1             # hosts of one zone fail together, and servers are spread over zones: no host
                              # knows its own

backend: auto                 # consul, etcd or swarm decide it; auto takes consul here: all engines have a
                              # cluster store

network:
  name: overweave
  subnet: 10.211.0.0/16       # must not overlap a route or a docker network of any host
  # mtu: 1450                 # of the UNDERLAY; containers get 50 less. The smallest of the advertise
                              # interfaces

# store:                      # docs/store.md
#   kind: consul              # what all engines can have
#   image: hashicorp/consul:1.15.4 # hosts without a registry: see `images`
#   servers: 1                # 1 of 2 hosts carry one
#   backup: {every: daily, keep: 7} # made by each host with a server, by itself

# swarm:                      # not used by a store; docs/swarm.md
#   managers: 3               # an odd number
#   port: 4789                # UDP, of VXLAN; another one needs Docker 19.03

# images:
#   probe: busybox:1.36       # what the proof runs, once on every host; removed afterwards
#   archives: {}              # for hosts without a registry: image -> file

# Overlays that are there already, and are left alone; `fab networks` shows all networks:
#   other 10.9.0.0/24 (swarm)
"""


def made(site, wanted=None):
    """A fleet as it was asked for, and the text when its hosts were looked at."""
    facts = site.facts()
    wanted = wanted or inventory.parse(json.dumps(site.wanted))
    return wanted, text_of(wanted, backend.settle(wanted, facts.hosts), facts)


def test_every_line_of_it_says_why():
    site = Site(inventory_of(2, **PLAIN))
    site.boxes["host2"].interfaces = {"eth0": [1450, "10.0.0.12/24"]}
    site.boxes["host1"].networks["ingress"] = ["10.255.0.0/16"]
    facts = site.facts()
    its = facts.hosts["host1"]
    other = replace(
        its.engine.networks[-1], name="other", driver="overlay", scope="swarm", subnets=("10.9.0.0/24",)
    )
    engine = replace(its.engine, networks=(*its.engine.networks, other))
    facts = replace(facts, hosts=facts.hosts | {"host1": replace(its, engine=engine)})
    wanted = inventory.parse(json.dumps(site.wanted))
    assert text_of(wanted, backend.settle(wanted, facts.hosts), facts) == WRITTEN


ZONED = {
    "host1": {"address": "10.0.0.11", "user": "ops", "port": 2222, "zone": "rack2", "store": True},
    "host2": {"address": "10.0.0.12", "user": "no", "port": 2222, "advertise": "eth0"},
    "host3": {"address": "10.0.0.13", "port": 2222, "key": "/keys/one key"},
}


@pytest.mark.parametrize(
    "wanted",
    [
        PLAIN,
        {"store": {"image": "consul:1.8.7"}, "images": {}},
        {"hosts": ZONED, **PLAIN},
        {"ssh": {"user": "ops", "known_hosts": "/etc/known"}, **PLAIN},
        {"network": {"name": "blue", "subnet": "10.9.0.0/16", "mtu": 1400, "options": {"a": "1"}}, **PLAIN},
        {"store": {"kind": "etcd"}, "images": {"probe": "registry.local:5000/busybox:1.30.1"}},
        {"store": {"servers": 3, "run_as": "service", "backup": {"every": "6h"}}, "images": {}},
        {"store": {"options": {"log_level": "warn"}, "tls": True, "port": 8600}, "images": {}},
        {"store": {"external": "10.0.5.20:8510"}, "images": {}},
        {"backend": "consul", **PLAIN},
        {"backend": "swarm", "swarm": {"managers": 3, "pool": "10.30.0.0/16"}, **PLAIN},
        {
            "images": {"archives": {"x:1": {"path": "/x.tar", "entrypoint": ["a b"], "command": []}}},
            "store": {},
        },
    ],
)
def test_what_is_read_of_it_is_what_was_asked_for(wanted):
    """So that a plan by it is the plan by what it was made of."""
    asked, text = made(Site(inventory_of(3) | wanted))
    assert inventory.parse(text) == asked
    jsonschema.validate(yaml.safe_load(text), schema())


def test_what_is_not_commented_out_is_what_is_said_without_the_marks_too():
    """The values behind the marks are those that it has anyway."""
    asked, text = made(Site(inventory_of(3, **PLAIN)))
    said = text.replace("# advertise", "advertise").replace("  # mtu", "  mtu")
    told = inventory.parse(said)
    assert [host.advertise for host in told.hosts] == ["10.0.0.11", "10.0.0.12", "10.0.0.13"]
    assert (told.network.mtu, told.store, told.backend) == (1500, asked.store, asked.backend)


def test_what_hosts_can_not_have_is_told_at_each_and_what_auto_takes_of_it():
    site = Site(inventory_of(3, **PLAIN))
    site.boxes["host1"].version, site.boxes["host2"].running = "26.1.5", False
    site.boxes["host3"].installed = False
    _, text = made(site)
    told = " ".join(line.partition("# ")[2] for line in text.splitlines())
    assert (
        "Docker 26.1.5, can't have consul: without a cluster store, can't have etcd: without a cluster"
        in told
    )
    assert "Docker 20.10.5+dfsg1, which is DOWN" in told
    assert "no Docker: Docker is not installed: there is no dockerd" in told
    assert (
        "auto takes swarm here: host1 has Docker 26.1.5, without a cluster store; NOT all hosts can" in told
    )
    assert "a swarm has none; docs/store.md" in told
    site.boxes["host2"].running = site.boxes["host3"].installed = True
    _, text = made(site)
    assert text.count("    # manager: true           # a manager of the swarm: chosen by itself\n") == 3
    assert "NOT all hosts" not in text


def test_an_address_that_nobody_can_choose_is_left_to_somebody_with_the_candidates():
    site = Site(inventory_of(2, **PLAIN))
    for number, name in enumerate(("host1", "host2"), 1):
        box = site.boxes[name]
        box.reached_at = "192.0.2.1"
        box.interfaces = {"a": [1500, f"10.1.0.{number}/24"], "b": [1500, f"10.2.0.{number}/24"]}
    _, text = made(site)
    told = " ".join(line.strip(" #") for line in text.splitlines())
    assert "# advertise: eth1         # TO BE DECIDED: it is not clear which address" in text
    assert "candidates: 10.1.0.1 (a), 10.2.0.1 (b)" in told


def test_an_address_of_ipv6_is_no_name_in_an_inventory():
    assert [key_of(name) for name in ("web1", "10.0.0.5", "2001:db8::5", "::")] == [
        "web1",
        "10.0.0.5",
        "2001-db8--5",
        "host",
    ]


def test_a_host_of_ipv6_is_reached_as_before():
    six = Host("2001:db8::5", Access("2001:db8::5"))
    site = Site(inventory_of(1, **PLAIN))
    facts = site.facts()
    facts = replace(facts, hosts={six.name: replace(facts.hosts["host1"], name=six.name)})
    text = text_of(Fleet((six,)), Fleet((six,)), facts)
    assert inventory.parse(text).hosts == (Host("2001-db8--5", Access("2001:db8::5")),)


def test_paths_are_told_from_the_root():
    asked = inventory.parse(json.dumps({"hosts": {"a": {"key": "k"}, "b": None}}), Path("here"))
    site = Site(inventory_of(2, **PLAIN))
    facts = site.facts()
    facts = replace(
        facts, hosts={n: replace(facts.hosts[h], name=n) for n, h in (("a", "host1"), ("b", "host2"))}
    )
    told = inventory.parse(text_of(asked, asked, facts))
    assert told.host("a").access.key == Path("here/k").absolute()
