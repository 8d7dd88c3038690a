"""Which containers of a host are attached to which networks, as its engine lists them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from overweave.ports import Json

from .typed import text


@dataclass(frozen=True)
class Attachment:
    """``endpoint`` is the endpoint's id, "" while the container does not run. ``created`` is in seconds
    since 1970, and ``fixed`` says that the container was given this very address by its user."""

    container: str
    running: bool
    created: int
    network: str
    network_name: str
    endpoint: str
    address: str
    mac: str
    fixed: bool = False


def parse(containers: Iterable[Json]) -> tuple[Attachment, ...]:
    """From ``GET /containers/json?all=1``, which has all of it: no call for each container.

    Raises `ValueError` where an answer is not what the engine documents.
    """
    found = []
    for raw in containers:
        name = text((raw.get("Names") or ["/?"])[0]).lstrip("/")
        created = raw.get("Created")
        networks = (raw.get("NetworkSettings") or {}).get("Networks") or {}
        for network, its in networks.items():
            if not isinstance(its, dict):
                continue
            found.append(
                Attachment(
                    container=name,
                    running=raw.get("State") in ("running", "paused"),
                    created=created if isinstance(created, int) else 0,
                    network=text(its.get("NetworkID") or ""),
                    network_name=text(network),
                    endpoint=text(its.get("EndpointID") or ""),
                    address=text(its.get("IPAddress") or ""),
                    mac=text(its.get("MacAddress") or "").lower(),
                    fixed=bool((its.get("IPAMConfig") or {}).get("IPv4Address")),
                )
            )
    return tuple(found)
