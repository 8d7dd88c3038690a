"""Consul on a host: its settings, and the container that it runs in, in host network mode and with a named
volume, where it does not run as a service of the host's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from overweave.model import Store

from . import common
from .common import Listener, StoreContainer

CONTAINER = "consul"
VOLUME = "overweave-consul"
NODES = "docker/nodes/"
FOLDER = common.FOLDER
CONFIG = f"{FOLDER}/consul.json"
SECRETS = f"{FOLDER}/consul-secrets.json"
"""A second configuration file, which only root may read."""
TLS = common.TLS
DATA = "/var/lib/overweave/consul"
"""Of a service. The file has the container's: it is the same for both, so that whatever starts anew while one
becomes the other finds its own."""
LOOPBACK = common.LOOPBACK
AT_ITS_START = ("retry_join", "bootstrap_expect")
"""What an agent reads for the moment when it knows nobody: one that runs need not be made anew for it."""


def listeners(store: Store, servers: int) -> tuple[Listener, ...]:
    """What the containers of a store with that many servers listen on."""
    given = store.options.get("ports")
    ports = {"dns": 8600, "server": 8300, "serf_lan": 8301}
    if isinstance(given, dict):
        ports |= {name: port for name, port in given.items() if name in ports and isinstance(port, int)}
    many = servers > 1
    found = (
        Listener("tcp", store.port, local=True, reached=False, everywhere=many),
        Listener("tcp", store.https, local=True, vital=not many, reached=not many, everywhere=many),
        *(
            Listener(protocol, ports["dns"], local=True, reached=False, everywhere=many)
            for protocol in ("tcp", "udp")
        ),
        Listener("tcp", ports["server"], vital=many),
        *(Listener(protocol, ports["serf_lan"], vital=many, everywhere=many) for protocol in ("tcp", "udp")),
    )
    # Consul takes -1 for a port that is off.
    return tuple(listener for listener in found if 0 < listener.number < 65536)


def url(address: str, port: int) -> str:
    """What ``--cluster-store`` takes: one address only, no list, and no word of TLS (engine-facts)."""
    return f"consul://{address}:{port}"


def server_name(store: Store) -> str:
    """What a server's certificate must say, and a client's must not: Consul asks for it."""
    datacenter = str(store.options.get("datacenter", "dc1")).lower()
    domain = str(store.options.get("domain", "consul")).strip(".")
    return f"server.{datacenter}.{domain}"


def config(
    store: Store, *, address: str, servers: Sequence[str], server: bool, strangers: bool = False
) -> str:
    """The text of a host's configuration file.

    HTTP listens on loopback alone, HTTPS on a server's advertise address, too; agents talk to each other, and
    take HTTPS, with certificates of the fleet's authority only. The names of those settings are those from
    before 1.12, which newer ones take, too (agent/config/deprecated.go).
    ``raft_multiplier = 1`` elects a leader in 1-2 s instead of 7-10 (measured). An agent that stops with
    its engine has not left: a server that leaves takes itself out of the quorum. ``strangers``: who shows no
    token may do all, and by HTTP, as long as there are engines that have none yet.
    """
    ours: dict[str, Any] = {
        "server": server,
        "bind_addr": address,
        "client_addr": LOOPBACK,
        "addresses": {
            "http": f"{LOOPBACK} {address}" if server and strangers else LOOPBACK,
            "https": f"{LOOPBACK} {address}" if server else LOOPBACK,
        },
        "data_dir": "/consul/data",
        "performance": {"raft_multiplier": 1},
        # Another place for strangers to knock, which one fleet has no use for.
        "ports": {"http": store.port, "https": store.https, "serf_wan": -1},
        **dict.fromkeys(("ca_file", "cert_file", "key_file"), TLS),
        **dict.fromkeys(("verify_incoming", "verify_outgoing", "verify_server_hostname"), True),
        "acl": {
            "enabled": True,
            "default_policy": "allow" if strangers else "deny",
            "down_policy": "extend-cache",
        },
        "disable_update_check": True,
        "leave_on_terminate": False,
        "skip_leave_on_interrupt": True,
    }
    if server:
        ours["bootstrap_expect"] = len(servers)
    if len(servers) > 1:
        ours |= {"retry_join": list(servers), "retry_interval": "2s"}
    for key, value in store.options.items():
        its = ours.get(key)
        # What the overlay needs stays: ports.http is what the engines are told.
        if isinstance(value, dict) and isinstance(its, dict):
            ours[key] = {**value, **its}
        else:
            ours[key] = value
    return json.dumps(ours, indent=2, sort_keys=True) + "\n"


def servers_of(config: str) -> tuple[str, ...]:
    """The servers' addresses in a configuration file that `config` made for several; empty of any other."""
    told = common.read(config).get("retry_join")
    if not isinstance(told, list) or not all(isinstance(address, str) for address in told):
        return ()
    return tuple(told)


def is_server(config: str) -> bool:
    return common.read(config).get("server") is True


def arguments(data: str = "") -> list[str]:
    """Of the program, which writes into ``data``, where that is not what its configuration says."""
    files = (f"-config-file={path}" for path in (CONFIG, SECRETS))
    return ["agent", "-ui", *files, *([f"-data-dir={data}"] if data else [])]


def lasting(config: str) -> dict[str, Any]:
    """What a part of the store is made from: see `AT_ITS_START`."""
    return common.without(config, AT_ITS_START)


def container(store: Store, config: str) -> StoreContainer:
    """The body of ``POST /containers/create``, for a host with that configuration file. Another list of
    servers alone makes no other container: see `AT_ITS_START`."""
    return common.container(store.image, "consul", arguments(), f"{VOLUME}:/consul/data", lasting(config))
