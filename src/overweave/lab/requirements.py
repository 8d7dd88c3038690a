"""What this machine must have to carry a lab, tried rather than looked up where that is possible."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from overweave.errors import LabUnavailable

from .shell import run

PACKAGES: Mapping[str, str] = {
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "iptables": "iptables",
    "ssh-keygen": "openssh-client",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setsid": "util-linux",
    "setpriv": "util-linux",
}
"""Programs, and the Debian packages that bring them."""

BUILD_PACKAGES: Mapping[str, str] = {"mmdebstrap": "mmdebstrap", "chroot": "coreutils"}
"""Needed only while there is no image in the cache."""

DEBIAN_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

FEATURES: Mapping[str, str] = {
    "network namespaces": "true",
    "bridge": "ip link add t0 type bridge",
    "veth": "ip link add t0 type veth peer name t1",
    "vxlan": "ip link add t0 type vxlan id 1 dstport 4789 local 127.0.0.1",
    "overlayfs": (
        "mount -t tmpfs none /mnt && cd /mnt && mkdir l u w m && "
        "mount -t overlay -o lowerdir=l,upperdir=u,workdir=w none m"
    ),
}
"""Kernel features, and the command that needs them; tried in namespaces of its own, so it leaves nothing."""


def check(*, building: bool) -> None:
    """Raises `LabUnavailable` that names everything this machine lacks, at once.

    ``building``: an image has to be built, which needs more programs than booting one.
    """
    programs = {**PACKAGES, **(BUILD_PACKAGES if building else {})}
    packages = missing_packages(programs, lambda program: shutil.which(program) is not None)
    if building and not DEBIAN_KEYS.exists():
        packages.append("debian-archive-keyring")
    root = os.geteuid() == 0
    features = [] if packages or not root else [name for name, test in FEATURES.items() if not _works(test)]
    if not root or packages or features:
        raise explain(root=root, packages=packages, features=features)


def missing_packages(programs: Mapping[str, str], there: Callable[[str], bool]) -> list[str]:
    """Packages of those ``programs`` that are not ``there``, each once, by name."""
    return sorted({package for program, package in programs.items() if not there(program)})


def explain(
    *,
    root: bool,
    packages: Iterable[str] = (),
    features: Iterable[str] = (),
    purpose: str = "carry a lab",
) -> LabUnavailable:
    """The error for a machine that lacks something for a ``purpose``."""
    lacks = []
    hints = []
    if packages := list(packages):
        lacks.append(f"the Debian packages {', '.join(packages)}")
        hints.append(f"apt-get install {' '.join(packages)}")
    if features := list(features):
        lacks.append(f"the kernel features {', '.join(features)}")
        hints.append("take a kernel that has them: Debian's own has")
    if not root:
        lacks.append("root's rights")
        hints.append("run it as root")
    return LabUnavailable(
        f"this machine can't {purpose}: it lacks {' and '.join(lacks)}", hint="; ".join(hints)
    )


def _works(test: str) -> bool:
    return run("unshare", "--net", "--mount", "sh", "-c", test).ok
