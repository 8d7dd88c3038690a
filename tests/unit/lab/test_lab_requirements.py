"""A machine that can't carry a lab is told everything it lacks, in these words."""

from __future__ import annotations

import pytest

from overweave.lab.requirements import BUILD_PACKAGES, FEATURES, PACKAGES, explain, missing_packages


@pytest.mark.parametrize(
    ("root", "packages", "features", "message"),
    [
        (
            True,
            ["mmdebstrap", "systemd-container"],
            [],
            "this machine can't carry a lab: it lacks the Debian packages mmdebstrap, systemd-container\n"
            "  -> apt-get install mmdebstrap systemd-container",
        ),
        (
            True,
            [],
            ["vxlan", "overlayfs"],
            "this machine can't carry a lab: it lacks the kernel features vxlan, overlayfs\n"
            "  -> take a kernel that has them: Debian's own has",
        ),
        (
            False,
            [],
            [],
            "this machine can't carry a lab: it lacks root's rights\n  -> run it as root",
        ),
        (
            False,
            ["iproute2"],
            [],
            "this machine can't carry a lab: it lacks the Debian packages iproute2 and root's rights\n"
            "  -> apt-get install iproute2; run it as root",
        ),
    ],
    ids=["packages", "features", "root", "several"],
)
def test_the_message_says_what_to_do(root, packages, features, message):
    assert str(explain(root=root, packages=packages, features=features)) == message


def test_each_missing_package_is_named_once():
    programs = {**PACKAGES, **BUILD_PACKAGES}
    there = {"ip", "chroot", "ssh-keygen"}
    assert missing_packages(programs, there.__contains__) == [
        "iptables",
        "mmdebstrap",
        "systemd-container",
        "util-linux",
    ]
    assert missing_packages(programs, lambda _: True) == []


def test_every_feature_that_a_lab_uses_is_tried():
    assert set(FEATURES) == {"network namespaces", "bridge", "veth", "vxlan", "overlayfs"}
