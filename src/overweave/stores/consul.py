"""Consul as the tutorials run it: one container in host network mode, with a named volume."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from overweave.model import SPEC_LABEL, Store, spec_digest

CONTAINER = "consul"
VOLUME = "overweave-consul"
NODES = "docker/nodes/"


@dataclass(frozen=True)
class StoreContainer:
    """``digest`` changes with anything that would make the container another one."""

    image: str
    spec: dict[str, Any]
    digest: str


@dataclass(frozen=True)
class Listener:
    """A port that the store listens on. ``local``: at loopback too; ``engines``: other hosts need it even
    while there is one server."""

    protocol: str
    number: int
    local: bool = False
    engines: bool = False


def listeners(store: Store) -> tuple[Listener, ...]:
    """What the container of `container` listens on."""
    given = store.options.get("ports")
    ports = {"dns": 8600, "server": 8300, "serf_lan": 8301, "serf_wan": 8302}
    if isinstance(given, dict):
        ports |= {name: port for name, port in given.items() if name in ports and isinstance(port, int)}
    found = (
        Listener("tcp", store.port, local=True, engines=True),
        *(Listener(protocol, ports["dns"], local=True) for protocol in ("tcp", "udp")),
        Listener("tcp", ports["server"]),
        *(
            Listener(protocol, ports[name])
            for name in ("serf_lan", "serf_wan")
            for protocol in ("tcp", "udp")
        ),
    )
    # Consul takes -1 for a port that is off.
    return tuple(listener for listener in found if 0 < listener.number < 65536)


def url(store: Store, address: str) -> str:
    """What ``--cluster-store`` takes: one address only, no list (engine-facts)."""
    return f"consul://{address}:{store.port}"


def container(store: Store, *, interface: str, address: str) -> StoreContainer:
    """The body of ``POST /containers/create``.

    HTTP listens on the host's advertise address and on loopback, nowhere else. ``raft_multiplier = 1``
    elects a leader in 1-2 s instead of 7-10 (measured). The address is given beside the interface
    because the image takes the interface's first one, which may be another.
    """
    config: dict[str, Any] = {
        "client_addr": f"127.0.0.1 {address}",
        "performance": {"raft_multiplier": 1},
        "ports": {"http": store.port},
        "disable_update_check": True,
    }
    for key, value in store.options.items():
        ours = config.get(key)
        # What the overlay needs stays: ports.http is what the engines are told.
        config[key] = {**value, **ours} if isinstance(value, dict) and isinstance(ours, dict) else value
    spec: dict[str, Any] = {
        "Image": store.image,
        "Cmd": ["agent", "-server", "-bootstrap-expect=1", "-ui", f"-bind={address}"],
        "Env": [
            f"CONSUL_BIND_INTERFACE={interface}",
            f"CONSUL_LOCAL_CONFIG={json.dumps(config, sort_keys=True)}",
        ],
        "HostConfig": {
            "NetworkMode": "host",
            "RestartPolicy": {"Name": "always"},
            "Binds": [f"{VOLUME}:/consul/data"],
        },
    }
    digest = spec_digest(spec)
    return StoreContainer(store.image, spec | {"Labels": {SPEC_LABEL: digest}}, digest)
