"""A box as data: what is in it, what Vagrant is told of it, and when it is built anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from overweave.errors import LabUnavailable, UsageError
from overweave.lab import box, describe, requirements
from overweave.lab.box_recipe import BOXES, LABEL, box_recipe
from overweave.lab.image import key
from overweave.lab.recipe import RECIPES


def test_there_is_one_for_every_engine_of_the_lab():
    assert set(BOXES) == {recipe.suite for recipe in RECIPES.values()}
    for recipe in RECIPES.values():
        programs = {"consul", "etcd-server", "docker.io", "docker-cli", "busybox-static"} & {*recipe.packages}
        assert programs <= {*BOXES[recipe.suite].packages}, "of which its container images are made"


def test_an_unknown_suite_is_refused():
    with pytest.raises(UsageError) as caught:
        box_recipe("jessie")
    assert str(caught.value) == (
        "no box is made of the suite 'jessie'\n  -> there are bullseye, bookworm, trixie"
    )


def test_it_boots_from_the_file_system_that_is_written():
    files = BOXES["bullseye"].files
    assert f"root=LABEL={LABEL} " in files["/boot/grub/grub.cfg"][1]
    assert files["/etc/fstab"][1].startswith(f"LABEL={LABEL} / ext4 ")


def test_nobody_gets_in_by_a_password_and_no_two_machines_have_one_host_key():
    recipe = BOXES["bullseye"]
    assert "PasswordAuthentication no\n" in recipe.files["/etc/ssh/sshd_config.d/vagrant.conf"][1]
    assert "chpasswd" not in recipe.customize
    assert "rm -f /etc/ssh/ssh_host_*" in recipe.customize
    assert ": > /etc/machine-id" in recipe.customize


def test_vagrant_is_told_where_it_is_and_its_sum():
    told = box.catalog("overweave/bullseye", "20261122.1.0", Path("/boxes/a b.box"), "ab" * 32)
    assert told == {
        "name": "overweave/bullseye",
        "versions": [
            {
                "version": "20261122.1.0",
                "providers": [
                    {
                        "name": "libvirt",
                        "url": "file:///boxes/a%20b.box",
                        "checksum_type": "sha256",
                        "checksum": "ab" * 32,
                    }
                ],
            }
        ],
    }
    assert box.metadata() == {"provider": "libvirt", "format": "qcow2", "virtual_size": 10}


def test_one_that_is_there_is_kept_and_one_of_another_recipe_is_not(tmp_path, monkeypatch):
    monkeypatch.setenv("OVERWEAVE_BOX_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    made = box.Box("bookworm")
    assert (made.name, made.folder) == ("overweave/bookworm", tmp_path / "bookworm")
    made.folder.mkdir()
    made.catalog.write_text(json.dumps(box.catalog(made.name, "1.2.3", tmp_path / "x.box", "00")))
    (made.folder / "sum").write_text(box.total(key(BOXES["bookworm"])))
    assert box.ensure("bookworm", pytest.fail) == (made, False)
    assert made.version == "1.2.3"
    (made.folder / "sum").write_text(box.total(key(BOXES["bullseye"])))
    with pytest.raises(LabUnavailable, match="this machine can't build a box: it lacks the Debian packages"):
        box.ensure("bookworm", pytest.fail)
    assert made.version == "1.2.3", "the old one stays till there is a new one"


def test_what_it_takes_to_build_one_is_named():
    packages = requirements.missing_packages(box.PROGRAMS, lambda program: program == "setpriv")
    assert str(requirements.explain(root=True, packages=packages, purpose="build a box")) == (
        "this machine can't build a box: it lacks the Debian packages "
        "e2fsprogs, fdisk, grub-common, mmdebstrap, qemu-utils, util-linux\n"
        "  -> apt-get install e2fsprogs fdisk grub-common mmdebstrap qemu-utils util-linux"
    )


def test_its_images_are_an_inventory_beside_vagrant_s_hosts():
    assert describe.images(store="", probe="busybox:1", archives={"busybox:1": Path("/b.tar")}) == (
        'images:\n  probe: "busybox:1"\n  archives:\n    "busybox:1": "/b.tar"\n'
    )
