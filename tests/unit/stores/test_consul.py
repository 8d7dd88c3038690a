"""How Consul is run and addressed, whole."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace

import pytest

from overweave import inventory
from overweave.errors import UsageError
from overweave.model import SPEC_LABEL, Store
from overweave.stores.consul import container, url

STORE = Store("consul", "consul:1.8.7", 8501, {"log_level": "warn"})


def made(store=STORE, interface="eth1", address="10.0.0.11"):
    return container(store, interface=interface, address=address)


def config(store):
    line = next(v for v in made(store).spec["Env"] if v.startswith("CONSUL_LOCAL_CONFIG="))
    return json.loads(line.partition("=")[2])


def test_the_container_whole():
    found = made()
    assert found.image == "consul:1.8.7"
    assert found.spec == {
        "Image": "consul:1.8.7",
        "Cmd": ["agent", "-server", "-bootstrap-expect=1", "-ui", "-bind=10.0.0.11"],
        "Env": [
            "CONSUL_BIND_INTERFACE=eth1",
            'CONSUL_LOCAL_CONFIG={"client_addr": "127.0.0.1 10.0.0.11", "disable_update_check": true, '
            '"log_level": "warn", "performance": {"raft_multiplier": 1}, "ports": {"http": 8501}}',
        ],
        "HostConfig": {
            "NetworkMode": "host",
            "RestartPolicy": {"Name": "always"},
            "Binds": ["overweave-consul:/consul/data"],
        },
        "Labels": {SPEC_LABEL: found.digest},
    }
    assert len(found.digest) == 16


def test_the_digest_changes_with_everything_and_with_nothing_else():
    others = [
        made(replace(STORE, image="consul:1.9")),
        made(replace(STORE, port=8500)),
        made(replace(STORE, options={})),
        made(interface="eth0"),
        made(address="10.0.0.12"),
    ]
    assert len({made().digest, *(o.digest for o in others)}) == 6
    assert made().digest == made(replace(STORE, options=dict(STORE.options))).digest


def test_the_address_for_engines():
    assert url(STORE, "10.0.0.11") == "consul://10.0.0.11:8501"


@pytest.mark.parametrize("options", [{"ports": {"grpc": 8502}}, {"performance": {"leave_drain_time": "1s"}}])
def test_options_are_merged_and_what_the_overlay_needs_stays(options):
    found = config(replace(STORE, options=options))
    assert found["ports"]["http"] == 8501, "engines are told this port"
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
