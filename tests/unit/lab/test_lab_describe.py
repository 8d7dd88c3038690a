"""A lab as text: its inventory, known_hosts and /etc/hosts."""

from __future__ import annotations

import json
from pathlib import Path

from overweave import inventory
from overweave.lab import describe, image
from overweave.model import Store

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


def test_without_an_image_of_consul_no_store_is_named():
    text = describe.inventory(
        hosts={"host1": "10.97.0.11"},
        key=Path("/lab/id_ed25519"),
        known_hosts=Path("/lab/known_hosts"),
        store="",
        probe="busybox:1.37.0",
        archives={"busybox:1.37.0": Path("/cache/busybox.tar")},
    )
    assert "store" not in text
    assert inventory.parse(text).store == Store()


def test_container_images_are_those_of_the_first_that_has_them(tmp_path):
    for name, images in {
        "old": ["busybox:1.30", "consul:1.8.7"],
        "new": ["busybox:1.37", "etcd:3.4"],
    }.items():
        (tmp_path / name / "rootfs").mkdir(parents=True)
        (tmp_path / name / "images.json").write_text(json.dumps({it: f"{it[:4]}.tar" for it in images}))
    assert image.container_images([image.Image(tmp_path / "old"), image.Image(tmp_path / "new")]) == {
        "busybox:1.30": tmp_path / "old/busy.tar",
        "consul:1.8.7": tmp_path / "old/cons.tar",
        "etcd:3.4": tmp_path / "new/etcd.tar",
    }


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
