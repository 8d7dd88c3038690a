"""How Consul is run and addressed, whole."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace

import pytest

from overweave import inventory
from overweave.errors import UsageError
from overweave.model import SPEC_LABEL, Store
from overweave.stores import consul
from overweave.stores.consul import container, url

STORE = Store("consul", "consul:1.8.7", 9500, {"log_level": "warn"})


def text(store=STORE, address="10.0.0.11", servers=("10.0.0.11",), server=True):
    return consul.config(store, address=address, servers=servers, server=server)


def made(store=STORE, **more):
    return container(store, text(store, **more))


def config(store=STORE, **more):
    return json.loads(text(store, **more))


def test_the_container_whole():
    found = made()
    assert found.image == "consul:1.8.7"
    assert found.spec == {
        "Image": "consul:1.8.7",
        "Entrypoint": ["consul"],
        "Cmd": [
            "agent",
            "-ui",
            "-config-file=/etc/overweave/consul.json",
            "-config-file=/etc/overweave/consul-secrets.json",
        ],
        "User": "0:0",
        "HostConfig": {
            "NetworkMode": "host",
            "RestartPolicy": {"Name": "always"},
            "Binds": ["overweave-consul:/consul/data"],
            "Mounts": [
                {"Type": "bind", "Source": "/etc/overweave", "Target": "/etc/overweave", "ReadOnly": True}
            ],
            "CapDrop": ["ALL"],
            "CapAdd": ["DAC_OVERRIDE"],
            "SecurityOpt": ["no-new-privileges"],
        },
        "Labels": {SPEC_LABEL: found.digest},
    }
    assert len(found.digest) == 16


THREE = ("10.0.0.11", "10.0.0.12", "10.0.0.13")


def test_the_configuration_of_an_only_server_whole():
    assert config() == {
        "server": True,
        "bootstrap_expect": 1,
        "bind_addr": "10.0.0.11",
        "client_addr": "127.0.0.1",
        "addresses": {"http": "127.0.0.1", "https": "127.0.0.1 10.0.0.11"},
        "ca_file": "/etc/overweave/tls.pem",
        "cert_file": "/etc/overweave/tls.pem",
        "key_file": "/etc/overweave/tls.pem",
        "verify_incoming": True,
        "verify_outgoing": True,
        "verify_server_hostname": True,
        "data_dir": "/consul/data",
        "disable_update_check": True,
        "leave_on_terminate": False,
        "log_level": "warn",
        "performance": {"raft_multiplier": 1},
        "ports": {"http": 9500, "https": 9501, "serf_wan": -1},
        "acl": {"enabled": True, "default_policy": "deny", "down_policy": "extend-cache"},
        "skip_leave_on_interrupt": True,
    }
    assert (consul.is_server(text()), consul.servers_of(text())) == (True, ())


def test_one_of_three_servers_waits_for_the_others_and_finds_them():
    found = config(servers=THREE)
    assert found.items() >= {"bootstrap_expect": 3, "retry_join": [*THREE], "retry_interval": "2s"}.items()
    assert consul.servers_of(text(servers=THREE)) == THREE


def test_an_agent_listens_at_loopback_alone():
    found = config(address="10.0.0.14", servers=THREE, server=False)
    assert found.items() >= {"server": False, "client_addr": "127.0.0.1", "retry_join": [*THREE]}.items()
    assert found["addresses"] == {"http": "127.0.0.1", "https": "127.0.0.1"}
    assert "bootstrap_expect" not in found
    assert not consul.is_server(text(address="10.0.0.14", servers=THREE, server=False))


@pytest.mark.parametrize("odd", ["", "[", "[]", "3", '{"retry_join": 1, "server": 1}', '{"retry_join": [1]}'])
def test_a_configuration_that_is_not_ours_tells_nothing(odd):
    assert (consul.servers_of(odd), consul.is_server(odd)) == ((), False)


def test_an_agent_is_needed_by_all_hosts_and_its_http_by_its_own_alone():
    one = {(its.protocol, its.number): its for its in consul.listeners(STORE, 1)}
    three = {(its.protocol, its.number): its for its in consul.listeners(STORE, 3)}
    assert [key for key, its in one.items() if its.vital] == [("tcp", 9501)]
    assert [key for key, its in three.items() if its.vital] == [("tcp", 8300), ("tcp", 8301), ("udp", 8301)]
    assert (one["tcp", 9501].reached, three["tcp", 9501].reached) == (True, False)
    assert (one["tcp", 9500].reached, three["tcp", 9500].reached) == (False, False)
    assert three["tcp", 9500].everywhere
    assert three["tcp", 9501].everywhere
    assert three["udp", 8301].everywhere
    assert not three["tcp", 8300].everywhere


def test_the_digest_changes_with_everything_and_with_nothing_else():
    others = [
        made(replace(STORE, image="consul:1.9")),
        made(replace(STORE, port=8500)),
        made(replace(STORE, options={})),
        made(servers=THREE),
        made(server=False),
        made(address="10.0.0.12"),
    ]
    assert len({made().digest, *(o.digest for o in others)}) == 7
    assert made().digest == made(replace(STORE, options=dict(STORE.options))).digest


def test_another_list_of_servers_makes_no_other_container():
    three = ("10.0.0.11", "10.0.0.12", "10.0.0.13")
    assert text(servers=three) != text(servers=(*three, "10.0.0.14"))
    assert made(servers=three).digest == made(servers=(*three, "10.0.0.14")).digest
    assert made(servers=three).digest != made(servers=three, server=False).digest


def test_the_address_for_engines():
    assert url("10.0.0.11", 9501) == "consul://10.0.0.11:9501"


def test_http_is_open_to_other_hosts_only_as_long_as_there_are_engines_that_show_no_token():
    open_ = json.loads(
        consul.config(STORE, address="10.0.0.11", servers=("10.0.0.11",), server=True, strangers=True)
    )
    assert open_["addresses"] == dict.fromkeys(("http", "https"), "127.0.0.1 10.0.0.11")
    assert open_["acl"]["default_policy"] == "allow"


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "server.dc1.consul"),
        ({"datacenter": "East", "domain": "consul.example."}, "server.east.consul.example"),
    ],
)
def test_the_name_that_consul_asks_servers_for(options, name):
    assert consul.server_name(replace(STORE, options=options)) == name


@pytest.mark.parametrize("options", [{"ports": {"grpc": 8502}}, {"performance": {"leave_drain_time": "1s"}}])
def test_options_are_merged_and_what_the_overlay_needs_stays(options):
    found = config(replace(STORE, options=options))
    assert found["ports"]["http"] == 9500, "engines are told this port"
    assert found["performance"]["raft_multiplier"] == 1
    for key, value in options.items():
        assert found[key].items() >= value.items()


@pytest.mark.parametrize(
    "value", [datetime.date(2026, 1, 1), b"x", {1: 1, "a": 2}], ids=["a date", "bytes", "keys"]
)
def test_options_that_are_no_json_are_refused_before_anything_is_contacted(value):
    import yaml

    text = yaml.safe_dump({"hosts": {"a": None}, "store": {"options": {"x": value}}})
    try:
        store = inventory.parse(text).store
    except UsageError:
        return
    made(store)
