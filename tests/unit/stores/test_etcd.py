"""How a server of etcd is run and addressed."""

from __future__ import annotations

import json

from overweave.model import SPEC_LABEL, Store
from overweave.stores import etcd
from overweave.stores.consul import config as config_of_consul

STORE = Store("etcd", "etcd:3.4.23", 2379)
SERVERS = {"host1": "10.0.0.1", "host2": "10.0.0.2", "host3": "10.0.0.3"}


def test_a_server_listens_for_those_with_a_certificate_alone():
    its = json.loads(etcd.config(STORE, name="host2", servers=SERVERS))
    assert its["listen-client-urls"] == "https://10.0.0.2:2379,https://127.0.0.1:2379"
    assert its["listen-peer-urls"] == its["initial-advertise-peer-urls"] == "https://10.0.0.2:2380"
    assert its["initial-cluster"] == (
        "host1=https://10.0.0.1:2380,host2=https://10.0.0.2:2380,host3=https://10.0.0.3:2380"
    )
    for side in ("client-transport-security", "peer-transport-security"):
        assert its[side] == {
            "cert-file": "/etc/overweave/tls.pem",
            "key-file": "/etc/overweave/tls.pem",
            "trusted-ca-file": "/etc/overweave/trusted.pem",
            "client-cert-auth": True,
        }
    assert its["enable-v2"] is True, "engines speak nothing else"


def test_options_are_merged_and_what_the_overlay_needs_stays():
    store = Store("etcd", options={"heartbeat-interval": 200, "enable-v2": False})
    its = json.loads(etcd.config(store, name="host1", servers=SERVERS))
    assert (its["heartbeat-interval"], its["enable-v2"]) == (200, True)


def test_another_list_of_servers_makes_no_other_container():
    three = etcd.container(STORE, etcd.config(STORE, name="host1", servers=SERVERS))
    one = etcd.container(STORE, etcd.config(STORE, name="host1", servers={"host1": "10.0.0.1"}))
    other = etcd.container(STORE, etcd.config(STORE, name="host1", servers={"host1": "10.0.0.9"}))
    assert three == one
    assert three.digest != other.digest
    assert three.spec["Labels"] == {SPEC_LABEL: three.digest}


def test_its_file_is_told_from_that_of_consul():
    assert etcd.is_config(etcd.config(STORE, name="host1", servers=SERVERS))
    of_consul = config_of_consul(Store(), address="10.0.0.1", servers=["10.0.0.1"], server=True)
    for other in (of_consul, "", "[1]", "{"):
        assert not etcd.is_config(other)


def test_the_servers_are_read_from_an_engines_flags():
    url = etcd.url(SERVERS.values(), 2379)
    assert url == "etcd://10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379"
    line = f"ExecStart=dockerd --cluster-store={url} --cluster-advertise=10.0.0.1:2376\n"
    assert etcd.servers_of(line) == ("10.0.0.1", "10.0.0.2", "10.0.0.3")
    assert etcd.servers_of("--cluster-store=consul://10.0.0.1:8500") == ()


def test_only_several_servers_need_each_other():
    assert [(its.number, its.vital) for its in etcd.listeners(STORE, 1)] == [(2379, True), (2380, False)]
    assert [(its.number, its.vital) for its in etcd.listeners(STORE, 3)] == [(2379, True), (2380, True)]
