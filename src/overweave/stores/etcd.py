"""etcd on a host: its settings, and the container that it runs in, in host network mode and with a named
volume.

Only hosts with a server of it run something: an engine takes the list of all servers. There are no tokens;
who has a certificate of the fleet's authority gets in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from overweave.model import Store

from . import common
from .common import FOLDER, LOOPBACK, TLS, Listener, StoreContainer

CONTAINER = "etcd"
VOLUME = "overweave-etcd"
CONFIG = f"{FOLDER}/etcd.json"
TRUSTED = f"{FOLDER}/trusted.pem"
"""The authorities alone: etcd takes every block of its file of authorities for a certificate
(pkg/tlsutil, 3.4), and `TLS` has a key in it."""
DATA = "/var/lib/etcd"
PEER_PORT = 2380
AT_ITS_START = ("initial-cluster", "initial-cluster-state", "initial-cluster-token")
"""What a server reads as long as it has no data: one that has some need not be made anew for it."""


def listeners(store: Store, servers: int) -> tuple[Listener, ...]:
    """What the containers of a store with that many servers listen on."""
    return (
        Listener("tcp", store.port, local=True, vital=True),
        Listener("tcp", PEER_PORT, vital=servers > 1),
    )


def url(addresses: Iterable[str], port: int) -> str:
    """What ``--cluster-store`` takes. With the certificate's files in the store's options the engine makes it
    HTTPS by itself (measured on 20.10.24)."""
    return "etcd://" + ",".join(f"{address}:{port}" for address in addresses)


def peer_url(address: str) -> str:
    """Where other servers reach one."""
    return f"https://{address}:{PEER_PORT}"


def config(store: Store, *, name: str, servers: Mapping[str, str], joins: bool = False) -> str:
    """The text of the configuration file of the server on host ``name``; ``servers``: all, with addresses.
    ``joins``: it begins where the others are already. When it has data it is as if it had been there from the
    start, and one that has lost its data is not let in then: it would vote as one that knows nothing.

    Engines speak the API of version 2, which 3.4 has to be told to have.
    """
    address = servers[name]
    files = {"cert-file": TLS, "key-file": TLS, "trusted-ca-file": TRUSTED, "client-cert-auth": True}
    client = f"https://{address}:{store.port}"
    peer = peer_url(address)
    ours: dict[str, Any] = {
        "name": name,
        "data-dir": DATA,
        "enable-v2": True,
        "listen-client-urls": f"{client},https://{LOOPBACK}:{store.port}",
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": ",".join(f"{n}={peer_url(a)}" for n, a in servers.items()),
        "initial-cluster-state": "existing" if joins else "new",
        "initial-cluster-token": "overweave",
        "client-transport-security": files,
        "peer-transport-security": files,
    }
    # What the overlay needs stays.
    return json.dumps({**store.options, **ours}, indent=2, sort_keys=True) + "\n"


def is_config(text: str) -> bool:
    """Whether a host's configuration file is one that `config` made."""
    return "initial-cluster" in common.read(text)


def servers_of(flags: str) -> tuple[str, ...]:
    """The servers' addresses in the text of a unit with flags."""
    found = re.search(r"--cluster-store=etcd://(\S+)", flags)
    return tuple(its.rpartition(":")[0] for its in found[1].split(",")) if found else ()


def container(store: Store, config: str) -> StoreContainer:
    """The body of ``POST /containers/create``, for a host with that configuration file. Another list of
    servers alone makes no other container: see `AT_ITS_START`."""
    lasting = common.without(config, AT_ITS_START)
    arguments = [f"--config-file={CONFIG}"]
    return common.container(store.image, "/usr/local/bin/etcd", arguments, f"{VOLUME}:{DATA}", lasting)
