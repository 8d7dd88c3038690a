"""What is the same for every kind of store on a host."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overweave.model import SPEC_LABEL, spec_digest

FOLDER = "/etc/overweave"
TLS = f"{FOLDER}/tls.pem"
"""A host's key, its certificate, and the authorities that it trusts: see `certificates`."""
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class StoreContainer:
    """``digest`` changes with anything that would make the container another one."""

    image: str
    spec: dict[str, Any]
    digest: str


@dataclass(frozen=True)
class Listener:
    """A port that the store listens on. ``local``: at loopback too, or there alone unless it is ``reached``
    from other hosts. ``vital``: other hosts need it. ``everywhere``: on all hosts, not only on those with a
    server."""

    protocol: str
    number: int
    local: bool = False
    vital: bool = False
    reached: bool = True
    everywhere: bool = False


def read(config: str) -> dict[str, Any]:
    """What the text of a configuration file holds; empty of what is none."""
    try:
        its = json.loads(config)
    except (ValueError, RecursionError):
        return {}
    return its if isinstance(its, dict) else {}


def without(config: str, at_its_start: Collection[str]) -> dict[str, Any]:
    """What a configuration file holds that makes a part of the store another one."""
    return {key: value for key, value in read(config).items() if key not in at_its_start}


def container(
    image: str, program: str, arguments: Sequence[str], volume: str, lasting: Mapping[str, Any]
) -> StoreContainer:
    """The body of ``POST /containers/create``. ``volume``: its name and mount point; ``lasting``: what
    makes it another container, besides.

    Without the image's own entry point: Consul's wants to change the owner of its configuration, and the file
    is root's and is mounted read-only. Root inside may do nothing but read and write files of others, such as
    a volume that an earlier container has left.
    """
    spec: dict[str, Any] = {
        "Image": image,
        "Entrypoint": [program],
        "Cmd": list(arguments),
        "User": "0:0",
        "HostConfig": {
            "NetworkMode": "host",
            "RestartPolicy": {"Name": "always"},
            "Binds": [volume],
            # A bind would make the folder where it is gone, and a deployment that is taken back leave it.
            "Mounts": [{"Type": "bind", "Source": FOLDER, "Target": FOLDER, "ReadOnly": True}],
            "CapDrop": ["ALL"],
            "CapAdd": ["DAC_OVERRIDE"],
            "SecurityOpt": ["no-new-privileges"],
        },
    }
    digest = spec_digest({**spec, "config": lasting})
    return StoreContainer(image, spec | {"Labels": {SPEC_LABEL: digest}}, digest)
