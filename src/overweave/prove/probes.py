"""Containers that are there for one proof: started on every host, and removed whatever happens."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from secrets import token_hex
from typing import Any

from overweave.errors import OverweaveError
from overweave.facts.typed import text, whole
from overweave.fleet import Cancel, each
from overweave.model import PROBE_LABEL, container_name
from overweave.ports import EngineReader, Writer

from .agents import Stand
from .busybox import SERVER

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
LIFETIME = 600
"""Seconds after which a probe ends by itself, should nobody be left to remove it."""


def spec(image: str, network: str, run: str) -> dict[str, Any]:
    """The body of ``POST /containers/create``. The probe removes itself when it ends."""
    return {
        "Image": image,
        "Entrypoint": ["sh", "-c"],
        "Cmd": [f"{SERVER} & exec sleep {LIFETIME}"],
        "Labels": {PROBE_LABEL: run},
        "HostConfig": {"NetworkMode": network, "AutoRemove": True, "CapAdd": ["NET_RAW"]},
        "NetworkingConfig": {"EndpointsConfig": {network: {}}},
    }


@contextlib.contextmanager
def running(
    writers: Mapping[str, Writer], *, image: str, network: str, cancel: Cancel
) -> Iterator[dict[str, Stand]]:
    """A probe on every host, for the length of a block. Raises where one can't be started."""
    # Unique per run: an endpoint of a failed start would keep the name in the store (engine-facts).
    run = token_hex(4)

    def start(host: str) -> Stand:
        name = _name(host, run)
        engine = writers[host].engine
        engine.create_container(name, spec(image, network, run))
        engine.start_container(name)
        return stand(engine, host, name, network)

    try:
        yield each(writers, start, cancel=cancel).all()
    finally:
        # Also after Ctrl-C. A host that can't be reached is left to the next run, which removes probes by
        # their label.
        with cancel.lifted():
            each(writers, lambda host: writers[host].engine.end_container(_name(host, run)), cancel=cancel)


def stand(engine: EngineReader, host: str, name: str, network: str) -> Stand:
    """A container that runs, to prove from. Raises `OverweaveError` if it is not on the network."""
    # Both go into what other hosts are told, so they have to be what they are said to be.
    if not NAME.fullmatch(name):
        raise OverweaveError(f"{name!r} is no name of a container", host=host, hint="see `docker ps` there")
    found = engine.container(name)
    try:
        endpoint = ((found.get("NetworkSettings") or {}).get("Networks") or {}).get(network) or {}
        address = str(IPv4Address(text(endpoint.get("IPAddress"))))
        pid = whole((found.get("State") or {}).get("Pid"))
    except (ValueError, AttributeError):
        address, pid = "", 0
    if not pid:
        raise OverweaveError(
            f"{name} has no address on {network}, or does not run",
            host=host,
            hint="see `docker ps -a` there, then prove again",
        )
    return Stand(host, name, address, pid, str(endpoint.get("MacAddress") or ""))


def _name(host: str, run: str) -> str:
    return container_name(f"overweave-probe-{run}", host)
