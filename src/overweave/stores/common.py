"""What is the same for every kind of store on a host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
