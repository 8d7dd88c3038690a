"""A lab as text: its inventory, known_hosts and /etc/hosts."""

from __future__ import annotations

from pathlib import Path

from overweave import inventory
from overweave.lab import describe

TEXT = describe.inventory(
    hosts={"host1": "10.97.0.11", "host2": "10.97.0.12"},
    key=Path("/lab/id_ed25519"),
    known_hosts=Path("/lab/known_hosts"),
    store="consul:1.8.7",
    probe="busybox:1.30.1",
    archives={"busybox:1.30.1": Path("/cache/busybox.tar"), "consul:1.8.7": Path("/cache/consul.tar")},
)


def test_the_inventory_is_what_is_documented():
    assert TEXT == (
        'ssh: {user: root, key: "/lab/id_ed25519", known_hosts: "/lab/known_hosts"}\n'
        "hosts:\n"
        "  host1: {address: 10.97.0.11}\n"
        "  host2: {address: 10.97.0.12}\n"
        'store: {kind: consul, image: "consul:1.8.7"}\n'
        "images:\n"
        '  probe: "busybox:1.30.1"\n'
        "  archives:\n"
        '    "busybox:1.30.1": "/cache/busybox.tar"\n'
        '    "consul:1.8.7": "/cache/consul.tar"\n'
    )


def test_a_deployment_reads_it():
    fleet = inventory.parse(TEXT)
    assert [(host.name, host.access.address) for host in fleet.hosts] == [
        ("host1", "10.97.0.11"),
        ("host2", "10.97.0.12"),
    ]
    assert fleet.hosts[0].access.known_hosts == Path("/lab/known_hosts")
    assert fleet.store.image == "consul:1.8.7"
    assert fleet.images.archives["busybox:1.30.1"].path == Path("/cache/busybox.tar")


def test_a_key_is_known_under_address_and_name():
    text = describe.known_hosts(
        {"host1": ("10.97.0.11", "ssh-ed25519 AAAA"), "host2": ("10.97.0.12", "ssh-ed25519 BB")}
    )
    assert text == "10.97.0.11,host1 ssh-ed25519 AAAA\n10.97.0.12,host2 ssh-ed25519 BB\n"


def test_every_host_can_name_all_others():
    assert describe.etc_hosts({"host1": "10.97.0.11", "host2": "10.97.0.12"}) == (
        "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n10.97.0.11 host1\n10.97.0.12 host2\n"
    )
