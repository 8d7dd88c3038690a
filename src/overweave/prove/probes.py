"""Containers that are there for one proof: started on every host, and removed whatever happens."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from secrets import choice, token_hex
from typing import Any

from overweave.errors import OverweaveError
from overweave.facts.typed import text, whole
from overweave.fleet import Cancel, each
from overweave.model import PROBE_LABEL, container_name
from overweave.ports import EngineReader, Writer

from .agents import Stand
from .busybox import PORTS, server

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
LIFETIME = 600
"""Seconds after which a probe ends by itself, should nobody be left to remove it."""


def spec(image: str, mode: str, run: str, port: int) -> dict[str, Any]:
    """The body of ``POST /containers/create``: on the network ``mode``, or in the namespace of the container
    that ``container:NAME`` names. The probe removes itself when it ends."""
    return {
        "Image": image,
        "Entrypoint": ["sh", "-c"],
        "Cmd": [f"{server(port)} & exec sleep {LIFETIME}"],
        "Labels": {PROBE_LABEL: run},
        "HostConfig": {"NetworkMode": mode, "AutoRemove": True, "CapAdd": ["NET_RAW"]},
    }


def any_port() -> int:
    """For the servers of one proof: two of them may go on beside the same container."""
    return choice(PORTS)


@contextlib.contextmanager
def running(
    writers: Mapping[str, Writer], *, image: str, network: str, port: int, cancel: Cancel
) -> Iterator[dict[str, Stand]]:
    """A probe on every host, for the length of a block. Raises where one can't be started."""
    modes = dict.fromkeys(writers, network)
    with _started(writers, modes, image=image, port=port, cancel=cancel) as names:
        yield each(
            writers, lambda host: stand(writers[host].engine, host, names[host], network), cancel=cancel
        ).all()


@contextlib.contextmanager
def serving(
    writers: Mapping[str, Writer], stands: Mapping[str, Stand], *, image: str, port: int, cancel: Cancel
) -> Iterator[None]:
    """A probe beside each container that stands, in its network namespace, for the length of a block: a
    server at its address. Raises where one can't be started.

    So no address is given out and given back: engines mix up who had one just before (moby#52661; seen as a
    red pair between probes that had each other's former addresses).
    """
    modes = {host: f"container:{its.name}" for host, its in stands.items()}
    with _started(writers, modes, image=image, port=port, cancel=cancel):
        yield


@contextlib.contextmanager
def _started(
    writers: Mapping[str, Writer], modes: Mapping[str, str], *, image: str, port: int, cancel: Cancel
) -> Iterator[dict[str, str]]:
    # Unique per run: an endpoint of a failed start would keep the name in the store (engine-facts).
    run = token_hex(4)
    names = {host: container_name(f"overweave-probe-{run}", host) for host in writers}

    def start(host: str) -> None:
        engine = writers[host].engine
        engine.create_container(names[host], spec(image, modes[host], run, port))
        engine.start_container(names[host])

    try:
        each(writers, start, cancel=cancel).all()
        yield names
    finally:
        # Also after Ctrl-C. A host that can't be reached is left to the next run, which removes probes by
        # their label.
        with cancel.lifted():
            each(writers, lambda host: writers[host].engine.end_container(names[host]), cancel=cancel)


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
