"""The flags and the drop-in, whole; which steps there are is in tests/golden."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.golden.site import Site
from tests.golden.test_plans import deployed

from overweave.advertise import Advertise
from overweave.backends.cluster_host import flags, heartbeat_and_ttl
from overweave.facts.unit import DROP_IN, exec_starts
from overweave.model import Batch, Store
from overweave.plan import plan
from overweave.steps import PassGate, WriteFile

DROP_IN_TEXT = """\
# Written by Overweave; `fab destroy-overlay` takes it away again.
# ExecStart is the host's own line with the cluster flags behind it.
[Service]
EnvironmentFile=-/etc/overweave/engine.env
ExecStart=
ExecStart=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS --cluster-store=consul://10.0.0.11:8501 \
--cluster-advertise=10.0.0.12:2376 --cluster-store-opt=discovery.heartbeat=2 \
--cluster-store-opt=discovery.ttl=20 --cluster-store-opt=kv.cacertfile=/etc/overweave/tls.pem \
--cluster-store-opt=kv.certfile=/etc/overweave/tls.pem --cluster-store-opt=kv.keyfile=/etc/overweave/tls.pem
# A reload makes an engine with cluster flags stop its heartbeat without a word, and it
# leaves the overlay when the TTL lapses: refuse it instead. A restart is safe.
ExecReload=
ExecReload=/bin/sh -c \
'echo "reload would stop the overlay heartbeat: use systemctl restart docker" >&2; exit 1'
"""

HTTPS = tuple(
    f"--cluster-store-opt=kv.{name}=/etc/overweave/tls.pem" for name in ("cacertfile", "certfile", "keyfile")
)


def written(site, host="host2"):
    return next(
        s for s in plan(site.fleet, site.facts()).steps if isinstance(s, WriteFile) and s.host == host
    )


def test_an_engine_gossips_at_its_old_address_till_its_batch():
    site = deployed()
    for n in (1, 2, 3):
        site.boxes[f"host{n}"].interfaces["eth1"] = [1500, f"10.7.0.{n}/24"]
        site.wanted["hosts"][f"host{n}"] = {**(site.wanted["hosts"][f"host{n}"] or {}), "advertise": "eth1"}
    made = plan(site.fleet, site.facts(), batch=Batch(1))
    gossip = [set(step.gossip.values()) for step in made.steps if isinstance(step, PassGate)]
    assert gossip == [
        {"10.7.0.1", "10.0.0.12", "10.0.0.13"},
        {"10.7.0.1", "10.7.0.2", "10.0.0.13"},
        {"10.7.0.1", "10.7.0.2", "10.7.0.3"},
    ]


def test_the_drop_in_whole():
    step = written(Site())
    assert (step.path, step.previous) == (DROP_IN, "")
    assert [line for line in step.content.splitlines() if line] == DROP_IN_TEXT.splitlines()
    assert step.content.endswith("\n")


def test_the_drop_in_keeps_the_hosts_own_line_and_is_read_back_as_ours():
    site = Site()
    site.boxes["host2"].exec_start = "/opt/dockerd --label 'a b=\"$HOST\"' $OPTS"
    content = written(site).content
    path, last = exec_starts(f"# {DROP_IN}\n{content}")[-1]
    assert path == DROP_IN
    assert last.startswith("/opt/dockerd --label 'a b=\"$HOST\"' $OPTS --cluster-store=")


def test_a_drop_in_that_differs_is_shown_with_what_it_was():
    site = Site()
    site.boxes["host2"].drop_in = "[Service]\n"
    step = written(site)
    assert (step.previous, str(step), step.why) == (
        "[Service]\n",
        f"change {DROP_IN}",
        "the cluster flags differ",
    )


def test_flags_take_the_interface_where_the_inventory_names_one_and_the_port_of_the_store():
    fleet = replace(Site().fleet, store=Store(port=9500))
    assert flags(fleet, ["10.0.0.11"], Advertise("eth1", "10.0.0.12", 1500, "eth1")) == (
        "--cluster-store=consul://10.0.0.11:9501",
        "--cluster-advertise=eth1:2376",
        "--cluster-store-opt=discovery.heartbeat=2",
        "--cluster-store-opt=discovery.ttl=20",
        *HTTPS,
    )


@pytest.mark.parametrize(
    ("servers", "store", "url", "more"),
    [
        (1, Store(), "10.0.0.11:8501", HTTPS),
        (1, Store(tls=True), "10.0.0.11:8501", HTTPS),
        (3, Store(), "127.0.0.1:8500", ()),
        (3, Store(tls=True), "127.0.0.1:8501", HTTPS),
        (1, Store(external="10.9.0.9", port=8555), "10.9.0.9:8555", ()),
    ],
)
def test_an_engine_shows_its_token_to_its_own_host_or_by_https(servers, store, url, more):
    fleet = Site().fleet
    hosts = tuple(replace(host, store=number < servers) for number, host in enumerate(fleet.hosts))
    addresses = ["10.0.0.11", "10.0.0.12", "10.0.0.13"][:servers]
    found = flags(replace(fleet, hosts=hosts, store=store), addresses, Advertise("", "10.0.0.12", 1500, ""))
    assert (found[0], found[4:]) == (f"--cluster-store=consul://{url}", more)


def test_an_engine_takes_all_servers_of_etcd_and_shows_its_certificate():
    fleet = replace(Site().fleet, store=Store().of_kind("etcd"))
    found = flags(fleet, ["10.0.0.11", "10.0.0.12", "10.0.0.13"], Advertise("", "10.0.0.12", 1500, ""))
    assert (found[0], found[4:]) == (
        "--cluster-store=etcd://10.0.0.11:2379,10.0.0.12:2379,10.0.0.13:2379",
        HTTPS,
    )


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        (1, (2, 20)),
        (25, (2, 20)),
        (32, (2, 20)),
        (33, (3, 20)),
        (64, (4, 24)),
        (320, (20, 120)),
        (9999, (20, 120)),
    ],
)
def test_heartbeats_of_larger_fleets_are_slower_and_the_ttl_never_under_what_consul_takes(hosts, expected):
    assert heartbeat_and_ttl(hosts) == expected
